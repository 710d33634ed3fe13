# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/compat.md says that is not there."""

import os
import re

from godwit.tap import check


def compat_section(title):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        '..', '..', '..', 'docs', 'compat.md')
    with open(path, encoding='utf-8') as f:
        return f.read().split('\n## %s\n' % title)[1].split('\n## ')[0]


def compat_names(title):
    """The names that a section lists."""
    names = re.findall(r'`([^`]+)`[,.]', compat_section(title))
    check(names, 'docs/compat.md lists nothing under %r' % title)
    return names


def compat_properties():
    """Pairs of a device and a property that it lacks."""
    pairs = []
    for row in compat_section('Properties of devices').split('\n* ')[1:]:
        devices, props = row.split(':\n')
        for word in re.findall(r'`([^`]+)`', devices):
            base, ends = re.fullmatch(r'([^\[]*)(?:\[(.*)\])?', word).groups()
            for end in ['', *(ends or '').split('|')]:
                pairs += [(base + end, name)
                          for name in re.findall(r'`([^`]+)`', props)]
    check(pairs, 'docs/compat.md lists no properties')
    return sorted(set(pairs))
