#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI functions as users see them."""

import re

from godwit.tap import check_equal, main, test


def pc(t, *args):
    """A machine that stands still, with its defaults."""
    path = t.path('hmp%d' % len(t.machines))
    vm = t.launch(['-machine', 'pc', '-m', '16', '-accel', 'tcg', '-S',
                   '-display', 'none', '-vga', 'none', '-monitor',
                   'unix:%s,server=on,wait=off' % path, *args],
                  name='vm%d' % len(t.machines))
    return vm, t.hmp(path)


@test()
def default_card(t):
    """Without a word about networks there is a card, and a network."""
    for args, want in (
            ((), 'hub 0\n \\ hub0port1: #net: index=0,type=user,'
                 'net=10.0.2.0,restrict=off\n \\ hub0port0: e1000.0: index=0,'
                 'type=nic,model=e1000,macaddr=52:54:00:12:34:56\n'),
            (('-nodefaults',), ''),
            (('-net', 'none'), ''),
            (('-nic', 'none'), ''),
            (('-netdev', 'user,id=n'),
             'n: index=0,type=user,net=10.0.2.0,restrict=off\n')):
        vm, hmp = pc(t, *args)
        check_equal(re.sub(r'#net\d+', '#net', hmp.cmd('info network')), want,
                    '%r: networks' % (args,))
        cards = [d['slot'] for bus in vm.qmp.cmd('query-pci')
                 for d in bus['devices']
                 if d['id'] == {**d['id'], 'vendor': 0x8086,
                                'device': 0x100e}]
        check_equal(cards, [] if args else [2], '%r: slots' % (args,))


if __name__ == '__main__':
    main()
