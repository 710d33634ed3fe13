#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What each virtio device offers its driver, with the properties that NFV
users and libvirt set, is what the peer's offers: features, queues and their
sizes, vectors, configuration. Over the qtest protocol, without a guest."""

import fcntl
import os
import struct

from godwit.peer import need_peer
from godwit.qtest import Qtest
from godwit.tap import Skip, check, check_equal, main, test

ARGS = ['-machine', 'pc-i440fx-7.2', '-m', '64', '-nodefaults', '-display',
        'none', '-accel', 'tcg', '-S']
NO_OFFLOADS = ('csum=off,gso=off,guest_tso4=off,guest_tso6=off,'
               'guest_ecn=off')
DISK = ('-blockdev', 'driver=null-co,node-name=d,size=1048576,read-zeroes=on')
RNG = ('-object', 'rng-random,id=r,filename=/dev/urandom')
IO_THREAD = ('-object', 'iothread,id=io')
CABLE = ('-netdev', 'hubport,id=n,hubid=0')
# Device with its properties, and what it needs beside it.
DEVICES = [
    ('virtio-rng-pci,rng=r', RNG),
    ('virtio-rng-pci,rng=r,disable-legacy=on', RNG),
    ('virtio-rng-pci,rng=r,indirect_desc=off,event_idx=off', RNG),
    ('virtio-rng-pci-transitional,rng=r', RNG),
    ('virtio-rng-pci-non-transitional,rng=r', RNG),
    ('virtio-balloon-pci', ()),
    ('virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on', ()),
    ('virtio-balloon-pci,page-poison=off', ()),
    ('virtio-balloon-pci,page-poison=off,qemu-4-0-config-size=on', ()),
    ('virtio-balloon-pci,free-page-hint=on,iothread=io', IO_THREAD),
    ('virtio-balloon-pci,free-page-hint=on,iothread=io,page-poison=off,'
     'free-page-reporting=on', IO_THREAD),
    ('virtio-serial-pci', ()),
    ('virtio-serial-pci,max_ports=1', ()),
    ('virtio-serial-pci,max_ports=4,emergency-write=off,vectors=0', ()),
    ('virtio-blk-pci,drive=d', DISK),
    ('virtio-blk-pci,drive=d,num-queues=3,queue-size=512', DISK),
    ('virtio-blk-pci,drive=d,discard=off,write-zeroes=off,config-wce=off',
     DISK),
    ('virtio-blk-pci,drive=d,logical_block_size=4096,physical_block_size=4096,'
     'min_io_size=8192', DISK),
    ('virtio-blk-pci,drive=d,logical_block_size=4096,physical_block_size=4096,'
     'cyls=7,heads=4,secs=33', DISK),
]
NET = [
    '', NO_OFFLOADS, 'mrg_rxbuf=off', 'mrg_rxbuf=off,' + NO_OFFLOADS,
    'rx_queue_size=1024', 'rx_queue_size=512', 'host_mtu=9000',
    'ctrl_vq=off', 'ctrl_rx=off,ctrl_vlan=off', 'guest_announce=off',
    'ctrl_guest_offloads=off', 'status=off', 'event_idx=off',
    'indirect_desc=off', 'disable-modern=on', 'disable-legacy=on',
    'vectors=0', 'vectors=8', 'speed=10000,duplex=full', 'host_ufo=off',
    'guest_ufo=off,gso=on', 'any_layout=off', 'packed=off',
]
OFFLOADS = ['', NO_OFFLOADS, 'mrg_rxbuf=off', 'mrg_rxbuf=off,' + NO_OFFLOADS,
            'gso=off', 'csum=off', 'guest_csum=off', 'guest_ufo=off',
            'host_tso4=off,host_tso6=off', 'disable-legacy=on']
BAR, IO = 0xfd000000, 0xc000
DEVFN = 3 << 3
SELECT, FEATURES, QUEUES = 0, 4, 0x12
QUEUE_SELECT, QUEUE_SIZE = 0x16, 0x18
DEVICE_CONFIG = 0x2000
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x2, 0x1000, 0x4000, 0x100


def config(reg, value=None):
    lines = ['outl 0xcf8 %#x' % (1 << 31 | DEVFN << 8 | reg)]
    return lines + ['inl 0xcfc' if value is None else
                    'outl 0xcfc %#x' % value]


def capability(ask, wanted):
    """Where the function has it; 0: nowhere."""
    at = ask(config(0x34))[0] & 0xfc
    while at:
        head = ask(config(at))[0]
        if head & 0xff == wanted:
            return at
        at = head >> 8 & 0xfc
    return 0


def offers(t, name, binary, args, **kwargs):
    """All that a driver sees before it has said anything."""
    q = Qtest(t, t.path(name + '.qtest'))
    vm = t.launch(ARGS + q.args + args, name=name, serial=False,
                  binary=binary, **kwargs)
    q.accept()
    ask = q.run
    seen = {'identity': ask(config(0)) + ask(config(8)) + ask(config(0x2c))}
    ask(config(0x10, IO) + config(0x20, BAR) + config(0x24, 0) +
        config(4, 7))
    msix = capability(ask, 0x11)
    seen['vectors'] = ask(config(msix))[0] >> 16 if msix else None
    if ask(config(0x10))[0] & 1:
        seen['legacy'] = ask(['inl %#x' % IO])
    if capability(ask, 9):
        seen['features'] = [ask(['writel %#x %d' % (BAR + SELECT, i),
                                 'readl %#x' % (BAR + FEATURES)])[0]
                            for i in range(2)]
        queues = ask(['readw %#x' % (BAR + QUEUES)])[0]
        seen['queues'] = [
            ask(['writew %#x %d' % (BAR + QUEUE_SELECT, i),
                 'readw %#x' % (BAR + QUEUE_SIZE)])[0]
            for i in range(queues)]
        size = config_bytes(args)
        if size:
            seen['config'] = ask(['readb %#x' % (BAR + DEVICE_CONFIG + i)
                                  for i in range(size)])
    vm.qmp.cmd('quit')
    vm.wait_end()
    return seen


def config_bytes(args):
    """Of what every device of the kind has."""
    device = args[-1]
    for kind, size in (('rng', 0), ('balloon', 8), ('serial', 12),
                       ('blk', 36), ('net', 6)):
        if device.startswith('virtio-' + kind):
            return size
    raise AssertionError(device)


def differences(what, ours, theirs):
    check('features' in ours or 'legacy' in ours, 'no registers: ' + what)
    return [(what, key, ours.get(key), theirs.get(key))
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)]


def compare(t, cases):
    peer = need_peer()
    wrong = []
    for i, args in enumerate(cases):
        wrong += differences(args[-1], offers(t, 'ours%d' % i, None, args),
                             offers(t, 'theirs%d' % i, peer, args))
    check_equal(wrong, [], 'what is offered')


@test()
def devices(t):
    compare(t, [[*extra, '-device', device + ',addr=3']
                for device, extra in DEVICES])


def card(props):
    return 'virtio-net-pci,netdev=n,mac=52:54:00:12:34:56,addr=3' + (
        ',' + props if props else '')


@test()
def cards(t):
    """On a cable that knows no offloads."""
    compare(t, [[*CABLE, '-device', card(props)] for props in NET])


def open_tap(queues):
    """Descriptors of the queues of a new interface."""
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    if queues > 1:
        flags |= IFF_MULTI_QUEUE
    name, fds = b'', []
    try:
        for _ in range(queues):
            fds.append(os.open('/dev/net/tun', os.O_RDWR))
            name = fcntl.ioctl(fds[-1], TUNSETIFF, struct.pack(
                '16sH22x', name, flags))[:16]
    except OSError as err:
        for fd in fds:
            os.close(fd)
        raise Skip('no tap interfaces: %s' % err) from err
    return fds


def offers_on_tap(t, name, binary, props, queues):
    fds = open_tap(queues)
    netdev = 'tap,id=n,%s=%s' % ('fds' if queues > 1 else 'fd',
                                 ':'.join(map(str, fds)))
    try:
        return offers(t, name, binary,
                      ['-netdev', netdev, '-device', card(props)],
                      pass_fds=fds)
    finally:
        for fd in fds:
            os.close(fd)


@test()
def cards_with_offloads(t):
    peer = need_peer()
    wrong = []
    for i, (props, queues) in enumerate(
            [(props, 1) for props in OFFLOADS] +
            [('mq=on', 2), ('mq=on,vectors=10,' + NO_OFFLOADS, 4)]):
        wrong += differences(
            'queues %d, %s' % (queues, props),
            offers_on_tap(t, 'ours%d' % i, None, props, queues),
            offers_on_tap(t, 'theirs%d' % i, peer, props, queues))
    check_equal(wrong, [], 'what is offered')


if __name__ == '__main__':
    main()
