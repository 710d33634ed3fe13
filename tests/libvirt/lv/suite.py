# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts here share: the pair of hosts, and rows that are skipped.

The hosts of a script run until it ends; which emulators they have is in
GODWIT_LIBVIRT, a letter for each (g: the program under test, q: the peer),
or as a test asks.
"""

import atexit
import os
import shutil
import tempfile

from godwit.host import PEER
from godwit.tap import Skip, test

from .daemon import Pair, missing
from .domain import Domain, full
from .guest import make_disk, make_initramfs

_pairs = {}
_shared = {}


def pair_of(t, letters='gg'):
    """The hosts with those emulators, which are started if they are not."""
    if letters not in _pairs:
        problem = missing()
        if problem:
            raise Skip(problem)
        folder = tempfile.mkdtemp(prefix='lv-')
        pair = Pair(folder, [{'g': t.host.binary, 'q': PEER}[letter]
                             for letter in letters])
        atexit.register(_close, pair)
        pair.initrd = os.path.join(pair.shared, 'initramfs')
        pair.kernel = make_initramfs(pair.initrd)
        pair.start()
        _pairs[letters] = pair
    return _pairs[letters]


def _close(pair):
    pair.close()
    if 'GODWIT_KEEP' in os.environ:
        print('# kept: ' + pair.folder)
    else:
        shutil.rmtree(pair.folder, ignore_errors=True)


def default_letters():
    return os.environ.get('GODWIT_LIBVIRT', 'gg')


def domain(t, name, letters=None, **kwargs):
    """A domain that is gone at the end of the test."""
    dom = Domain(pair_of(t, letters or default_letters()), name, **kwargs)
    t.defer(dom.gone)
    return dom


def everyday(t, machine='pc', letters=None):
    """A running guest with a disk, a network card, a screen and all the rest,
    which tests share: they leave it as they found it, or it starts anew."""
    letters = letters or default_letters()
    pair = pair_of(t, letters)
    key = (letters, machine)
    dom = _shared.get(key)
    if dom and dom.is_well():
        return dom
    if dom:
        dom.gone()
    name = 'everyday-' + machine
    path = make_disk(os.path.join(pair.shared, name + '.qcow2'))
    dom = _shared[key] = Domain(pair, name, machine=machine,
                                devices=full(path))
    dom.start()
    return dom


def row(name, reason):
    """A line of the table that can't be passed yet, and why."""
    def skipped(t):
        raise Skip(reason)
    skipped.__name__ = name
    test()(skipped)
