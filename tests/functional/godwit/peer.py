# SPDX-License-Identifier: GPL-2.0-or-later
"""The program whose streams and tables are those to agree with: QEMU 7.2."""

import os
import re
import subprocess

from .host import PEER
from .tap import Skip


def need_peer(version=r'7\.2\.'):
    """The peer's path; skips the test if it isn't there or of another age."""
    if not os.path.exists(PEER):
        raise Skip('no ' + PEER)
    said = subprocess.run([PEER, '--version'], stdout=subprocess.PIPE,
                          check=True).stdout.decode().splitlines()[0]
    if not re.search(r'QEMU emulator version ' + version, said):
        raise Skip('%s is %s' % (PEER, said))
    if 'Godwit' in said:
        raise Skip('%s is a Godwit' % PEER)
    return PEER
