#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Back ends that die or lie at each message of the protocol: while the guest
just runs, when its writes are logged, in the switch-over, and at the machine
where it arrives. One line says which netdev and why, the guest and its
migration go on, and the back end gets the rings again when it comes back.

tests/unit/test-vhost-user.c walks all answers with all faults for one back
end alone; vhost_user.py has those that hang."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from godwit.migration import (start, transport, wait_running,  # noqa: E402
                              wait_status)
from godwit.tap import check, check_equal, main, test  # noqa: E402
from godwit.vhost import VhostBackEnd  # noqa: E402

MEM = 64  # MiB
# virtio 1.2, section 4.1.4.5; where a card has it in its BAR 4 (`info mtree`).
ISR = 0x1000
CONFIG_CHANGED = 2
OWN = 'the peer ends, hangs, or believes such a back end'
LOST = "vhost-user netdev '%s'"
# At a connection, in this order, and when it gets rings.
GREETING = ('GET_FEATURES', 'GET_PROTOCOL_FEATURES', 'SET_PROTOCOL_FEATURES',
            'GET_QUEUE_NUM', 'SET_OWNER', 'SET_MEM_TABLE')
RINGS = ('SET_FEATURES', 'SET_VRING_NUM', 'SET_VRING_BASE', 'SET_VRING_ADDR',
         'SET_VRING_CALL', 'SET_VRING_KICK', 'SET_VRING_ENABLE')
LIES = ('short', 'huge', 'other', 'twice', 'descriptor')
ANSWERED = ('GET_FEATURES', 'GET_PROTOCOL_FEATURES', 'GET_QUEUE_NUM')
# Of one migration each: what card 0's back end does at the source, what card
# 1's does where the guest arrives (None: nothing wrong).
MOVES = (
    # The log starts.
    (('SET_LOG_BASE', 'dies'), ('SET_FEATURES', 'dies')),
    (('SET_LOG_BASE', 'other'), ('SET_VRING_NUM', 'dies')),
    (('SET_FEATURES', 'dies'), ('SET_VRING_BASE', 'dies')),
    (('SET_VRING_ADDR', 'dies'), ('SET_VRING_ADDR', 'dies')),
    # The guest has stopped.
    (('GET_VRING_BASE', 'dies'), ('SET_VRING_CALL', 'dies')),
    (('GET_VRING_BASE', 'short'), ('SET_VRING_KICK', 'dies')),
    (('GET_VRING_BASE', 'other'), ('SET_VRING_ENABLE', 'dies')),
    (('GET_VRING_BASE', 'huge'), ('SEND_RARP', 'dies')),
)


def machine(t, name, *extra):
    """A guest that forwards between two cards, and their back ends."""
    args = ['-object', 'memory-backend-memfd,id=m,size=%dM,share=on' % MEM]
    backs = []
    for i in range(2):
        path = t.path('%s-n%d' % (name, i))
        backs.append(VhostBackEnd(t.reactor, path))
        t.defer(backs[-1].close)
        args += ['-chardev', 'socket,id=c%d,path=%s,reconnect=1' % (i, path),
                 '-netdev', 'vhost-user,id=n%d,chardev=c%d' % (i, i),
                 # A guest that announced itself would need no RARP.
                 '-device', 'virtio-net-pci,netdev=n%d,guest_announce=off' % i]
    vm = t.machine(*args, *extra, name=name, mem=MEM, machine='pc,'
                   'memory-backend=m', config='mode=l2fwd report=100')
    return vm, backs


def await_rings(back):
    back.wait_for('SET_VRING_ENABLE', 2)


def running(vm):
    """The guest does, and its monitor answers."""
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', vm.name)
    vm.wait_line('^hb ', vm.mark())


def lines_of(vm, netdev):
    return [line for line in vm.stderr.splitlines() if LOST % netdev in line]


@test(godwit_only=OWN)
def at_each_message(t):
    """While the guest runs: one connection after the other ends at one of
    them, both cards at once."""
    cells = [(name, 'dies') for name in GREETING + RINGS]
    cells += [(ANSWERED[i % 3], how) for i, how in enumerate(LIES)]
    half = len(cells) // 2
    vm, backs = machine(t, 'vm')
    for back in backs:
        await_rings(back)
    for n, both in enumerate(zip(cells[:half], cells[half:])):
        for back, fault in zip(backs, both):
            back.faults = dict([fault])
            if n == 0:
                back.recover()
        t.reactor.wait(lambda: not (backs[0].faults or backs[1].faults),
                       'both of %r' % (both,))
        running(vm)
    for back, netdev in zip(backs, ('n0', 'n1')):
        await_rings(back)
        # The first one's end, and that of each with a fault.
        check_equal(len(lines_of(vm, netdev)), half + 1, 'lines of ' + netdev)


def move(t, src, number, at_source, at_destination):
    """Returns machine and back ends of where the guest is then."""
    vm, backs = src
    way = transport(t, 'tcp')
    dst, dst_backs = machine(t, 'vm%d' % number, '-incoming', way.incoming)
    backs[0].faults = dict([at_source])
    dst_backs[1].faults = dict([at_destination])
    start(vm, way)
    wait_status(vm, 'completed')
    wait_running(dst)
    check_equal(backs[0].faults, {}, 'not asked at the source')
    t.reactor.wait(lambda: not dst_backs[1].faults, '%s %s' % at_destination)
    for back in dst_backs:
        await_rings(back)
    for m, netdev in ((vm, 'n0'), (dst, 'n1')):
        check(lines_of(m, netdev), 'a word of %s: %r' % (m.name, m.stderr))
    dst.serial.adopt(vm.serial)
    running(dst)
    vm.qmp.cmd('quit')
    vm.wait_end()
    return dst, dst_backs


def told(vm):
    """Which cards' drivers were told that something changed; asking ends
    that."""
    bars = re.findall(r'BAR4: 64 bit prefetchable memory at 0x(\w+)',
                      vm.qmp.hmp('info pci'))
    values = [vm.qmp.hmp('xp /1bx 0x%x' % (int(bar, 16) + ISR)).split()[-1]
              for bar in bars]
    return [bool(int(value, 16) & CONFIG_CHANGED) for value in values]


@test(godwit_only=OWN)
def whose_link_comes_back(t):
    """Both back ends have gone when the guest moves. It has the link again
    that went with its back end, not the one that its user took."""
    src, backs = machine(t, 'src')
    for back in backs:
        await_rings(back)
    src.qmp.cmd('set_link', name='n1', up=False)
    for back in backs:
        back.close()
    t.reactor.poll(lambda: lines_of(src, 'n0'), 'a word')
    check_equal(told(src), [True, True], 'drivers that know')
    way = transport(t, 'tcp')
    dst, backs = machine(t, 'dst', '-incoming', way.incoming)
    start(src, way)
    wait_running(dst)
    await_rings(backs[0])
    check_equal(told(dst), [True, False], 'drivers that know')
    check('SET_VRING_NUM' not in backs[1].names(), 'a link that was taken')
    dst.qmp.cmd('set_link', name='n1', up=True)
    await_rings(backs[1])
    dst.serial.adopt(src.serial)
    running(dst)


@test(godwit_only=OWN)
def while_the_guest_moves(t):
    """From machine to machine; none of this stops a migration."""
    where = machine(t, 'vm0')
    for back in where[1]:
        await_rings(back)
    for i, (at_source, at_destination) in enumerate(MOVES):
        t.note('%s, %s' % (at_source, at_destination))
        where = move(t, where, i + 1, at_source, at_destination)


if __name__ == '__main__':
    main()
