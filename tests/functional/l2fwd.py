#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The forwarding guest (mode=l2fwd) with two virtio-net cards: frames come
back on the other one whole, also across a migration."""

import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from godwit.migration import (check_lines, go, set_parameters,  # noqa: E402
                              transport, wait_drained, wait_running)
from godwit.tap import (check, check_equal, free_port, main,  # noqa: E402
                        test)

HOST_MAC = bytes.fromhex('020000000001')
GUEST_MAC = bytes.fromhex('020000000002')
ETHERTYPE = bytes.fromhex('88b5')  # IEEE 802, local experiments
SIZES = (60, 61, 124, 252, 508, 1020, 1276, 1514)
IN_FLIGHT = 64  # frames that no queue on the way loses


def frame(number, size):
    """A frame, without checksum, whose content follows from its number."""
    body = number.to_bytes(8, 'big')
    body += bytes((number * 7 + i) & 0xff for i in range(size - 14 - 8))
    return GUEST_MAC + HOST_MAC + ETHERTYPE + body


def swapped(data):
    return data[6:12] + data[:6] + data[12:]


class Cable:
    """The far end of a card: frames are datagrams between two sockets."""

    def __init__(self, t, name):
        self.reactor = t.reactor
        self.got = []
        self.ours = t.path(name + '-host')
        self.theirs = t.path(name + '-card')
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.ours)
        self.sock.setblocking(False)
        t.reactor.add(self.sock, self._readable)
        t.defer(self._close)

    def _close(self):
        self.reactor.remove(self.sock)
        self.sock.close()

    def _readable(self):
        self.got.append(self.sock.recv(65536))

    def send(self, data):
        """Waits while the card's socket is full."""
        def attempt():
            try:
                self.sock.sendto(data, self.theirs)
            except BlockingIOError:
                return False
            return True
        self.reactor.poll(attempt, 'room in ' + self.theirs, every=0.001)

    def args(self, number):
        return ['-netdev', 'dgram,id=n%d,local.type=unix,local.path=%s,'
                'remote.type=unix,remote.path=%s' % (
                    number, self.theirs, self.ours),
                '-device', 'virtio-net-pci,netdev=n%d,addr=%d' % (
                    number, 4 + number)]


def cables(t, name='net'):
    return [Cable(t, '%s%d' % (name, i)) for i in range(2)]


def args_of(pair):
    return [arg for i, cable in enumerate(pair) for arg in cable.args(i)]


def start(t, pair, config='', **kwargs):
    vm = t.machine(*args_of(pair), mem=48, config='mode=l2fwd report=50 ' +
                   config, **kwargs)
    for i in range(2):
        vm.wait_line('^card %d ' % i)
    vm.wait_line('^ready$')
    return vm


def exchange(pair, first, count, sizes=SIZES):
    """Send frames to both cards and check what comes back. Announcements
    of the machine (RARP) are left aside."""
    def mine(cable):
        return [f for f in cable.got if f[12:14] == ETHERTYPE]
    sent = ([], [])
    for n in range(first, first + count):
        for i, cable in enumerate(pair):
            data = frame(2 * n + i, sizes[n % len(sizes)])
            sent[i].append(data)
            cable.send(data)
        if len(sent[0]) % (IN_FLIGHT // 2) == 0 or n == first + count - 1:
            for i, cable in enumerate(pair):
                cable.reactor.wait(
                    lambda c=cable, i=i: len(mine(c)) >= len(sent[1 - i]),
                    '%d frames on card %d' % (len(sent[1 - i]), i))
    for i, cable in enumerate(pair):
        check_equal(mine(cable), [swapped(f) for f in sent[1 - i]],
                    'frames out of card %d' % i)
        cable.got.clear()


def counts(vm):
    """Frames received and sent by each card, as the guest counts them."""
    mark = vm.mark()
    vm.say('stat')
    found = []
    for i in range(2):
        m = vm.wait_line(r'^net card=%d rx=(\d+) tx=(\d+) bad=(\d+) ' % i,
                         mark)
        check_equal(int(m[3]), 0, 'bad frames of card %d' % i)
        found.append((int(m[1]), int(m[2])))
    return found


@test()
def forwards_all_sizes(t):
    pair = cables(t)
    vm = start(t, pair)
    exchange(pair, 0, 200)
    check_equal(counts(vm), [(200, 200), (200, 200)], 'counts')
    check_lines(vm.serial.lines)


@test()
def frames_of_several_buffers(t):
    """Receive buffers smaller than a frame: VIRTIO_NET_F_MRG_RXBUF."""
    pair = cables(t)
    vm = start(t, pair, 'buffer=256 ring=64')
    exchange(pair, 0, 200)
    check_equal(counts(vm), [(200, 200), (200, 200)], 'counts')


@test()
def without_mergeable_buffers(t):
    pair = cables(t)
    vm = start(t, pair, 'mrg=0')
    m = vm.wait_line(r'^card 0 .* features=0x([0-9a-f]+) ')
    check(not int(m[1], 16) & 1 << 15, 'mergeable buffers in spite of mrg=0')
    exchange(pair, 0, 200)


@test()
def one_card_reflects(t):
    cable = Cable(t, 'net')
    vm = t.machine(*cable.args(0), mem=48, config='mode=l2fwd')
    vm.wait_line('^ready$')
    data = frame(1, 60)
    cable.send(data)
    t.reactor.wait(lambda: cable.got, 'a frame')
    check_equal(cable.got, [swapped(data)], 'frames')


def ipv4_udp(source, target, sport, dport, payload):
    """Header fields at their places (RFC 791, RFC 768); no checksums."""
    length = 28 + len(payload)
    return (bytes((0x45, 0)) + length.to_bytes(2, 'big') + bytes(4) +
            bytes((64, 17)) + bytes(2) + source + target +
            sport.to_bytes(2, 'big') + dport.to_bytes(2, 'big') +
            (8 + len(payload)).to_bytes(2, 'big') + bytes(2) + payload)


@test()
def answers_arp_and_udp(t):
    """echo=1: what a guest behind `-netdev user` needs."""
    cable = Cable(t, 'net')
    vm = t.machine(*cable.args(0)[:-1],
                   cable.args(0)[-1] + ',mac=02:00:00:00:00:02', mem=48,
                   config='mode=l2fwd echo=1')
    vm.wait_line('^ready$')
    ours, theirs = bytes((10, 0, 2, 2)), bytes((10, 0, 2, 15))
    arp = bytes.fromhex('0001080006040001')     # a request for IPv4
    cable.send(b'\xff' * 6 + HOST_MAC + b'\x08\x06' + arp + HOST_MAC +
               ours + bytes(6) + theirs + bytes(18))
    t.reactor.wait(lambda: cable.got, 'an answer')
    check_equal(cable.got.pop()[:42], HOST_MAC + GUEST_MAC + b'\x08\x06' +
                bytes.fromhex('0001080006040002') + GUEST_MAC + theirs +
                HOST_MAC + ours, 'ARP reply')
    head, payload = b'\x08\x00', bytes(range(40))
    cable.send(GUEST_MAC + HOST_MAC + head +
               ipv4_udp(ours, theirs, 1234, 7, payload))
    t.reactor.wait(lambda: cable.got, 'a datagram')
    check_equal(cable.got.pop(), HOST_MAC + GUEST_MAC + head +
                ipv4_udp(theirs, ours, 7, 1234, payload), 'datagram')


@test()
def user_network_keeps_what_waits(t):
    """The first datagrams from the host wait until the guest has said where
    it is; nothing else happens that would send them on."""
    port = free_port()
    vm = t.machine('-netdev', 'user,id=n,hostfwd=udp:127.0.0.1:%d-:7' % port,
                   '-device', 'virtio-net-pci,netdev=n',
                   config='mode=l2fwd report=100 echo=1')
    vm.wait_line('^ready$')
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.defer(sock.close)
    sock.connect(('127.0.0.1', port))
    sent = {b'datagram %d' % i for i in range(32)}
    for data in sorted(sent):
        sock.send(data)
    came = set()
    t.reactor.add(sock, lambda: came.add(sock.recv(64)))
    t.defer(lambda: t.reactor.remove(sock))
    t.reactor.wait(lambda: came == sent, 'all answers')


@test()
def short_frames_are_dropped(t):
    """Less than an Ethernet header: counted, and the queue goes on."""
    pair = cables(t)
    vm = start(t, pair)
    pair[0].send(bytes(13))
    exchange(pair, 0, 8)
    mark = vm.mark()
    vm.say('stat')
    m = vm.wait_line(r'^net card=0 rx=(\d+) ', mark)
    check_equal(int(m[1]), 8, 'frames of card 0')


@test()
def moves_with_its_frames(t):
    """Three moves; frames before, between and after, memory checked."""
    config = 'mb=8 rate=2000'
    pair = cables(t, 'a')
    vm = start(t, pair, config, name='vm-a')
    done = 0
    for name in 'bcd':
        exchange(pair, done, 50)
        done += 50
        way = transport(t, 'tcp')
        pair = cables(t, name)
        dst = t.machine('-incoming', way.incoming, *args_of(pair), mem=48,
                        config='mode=l2fwd', name='vm-' + name)
        set_parameters(vm, max_bandwidth=0)
        go(vm, way)
        wait_running(dst)
        wait_drained(vm)
        dst.serial.adopt(vm.serial)
        check_lines(vm.serial.lines)
        exchange(pair, done, 50)
        done += 50
        check_equal(counts(dst), [(done, done)] * 2, 'counts')
        vm = dst
    passes = re.compile(r'^ok pass=(\d+) cpu=0 fails=0$')
    vm.wait_line(passes.pattern, vm.mark())
    check_lines(vm.serial.lines)


if __name__ == '__main__':
    main()
