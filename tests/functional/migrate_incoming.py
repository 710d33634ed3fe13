# SPDX-License-Identifier: GPL-2.0-or-later
"""The destination's side: whatever a source does or leaves, the monitor is
answered, signals are heard, and a guest that can be had is had."""

import signal
import socket

from godwit.analyze import analyze_file
from godwit.migration import (check_pattern_goes_on, last_numbers, query,
                              start_incoming, start_pattern, wait_drained,
                              wait_running, wait_status)
from godwit.tap import check, check_equal, free_port, main, test


class Recorded:
    """A stopped guest's plain stream, and where its sections begin."""

    def __init__(self, t, *extra, **base):
        self.path = t.path('guest.stream')
        origin = start_pattern(t, *extra, name='origin', mb=4, mem=16, **base)
        origin.qmp.cmd('stop')
        origin.qmp.cmd('migrate', uri='exec:cat > ' + self.path)
        wait_status(origin, 'completed')
        wait_drained(origin)
        self.origin = origin
        self.numbers = last_numbers(origin)
        self.rest = origin.serial.rest
        with open(self.path, 'rb') as f:
            self.stream = f.read()
        origin.kill()

    def places(self):
        """Each device section: in its header, and around its first byte."""
        at = 0
        for section in analyze_file(self.path).sections.values():
            name = section.name.encode()
            head = (b'\x04' + section.number.to_bytes(4, 'big') +
                    bytes([len(name)]) + name)
            found = self.stream.find(head, at)
            if found > 0:
                at = found
                data = at + 5 + 1 + len(name) + 8
                yield section.name, (at + 3, data, data + 1, data + 7)


def connect(t, port):
    sock = socket.create_connection(('127.0.0.1', port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    t.defer(sock.close)
    return sock


def taken(t, sock):
    """The other side has read all that was sent."""
    def ask():
        with open('/proc/net/tcp', encoding='ascii') as f:
            rows = [line.split() for line in f.readlines()[1:]]
        ours = '%04X' % sock.getsockname()[1]
        return not any(row[1].endswith(':' + ours) and
                       int(row[4].split(':')[0], 16) or
                       row[2].endswith(':' + ours) and
                       int(row[4].split(':')[1], 16) for row in rows)
    t.reactor.poll(ask, 'stream to be read')


def answers(dst):
    check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate', 'status')
    check_equal(query(dst)['status'], 'active', 'migration')
    dst.qmp.hmp('info registers')


@test()
def answers_wherever_a_source_stalls(t):
    """In each section; then the rest comes, and the guest is all there."""
    guest = Recorded(t)
    port = free_port()
    dst = start_incoming(t, guest.origin, 'tcp:127.0.0.1:%d' % port)
    sock = connect(t, port)
    sent = 0
    count = 0
    for _, places in guest.places():
        for at in places:
            sock.sendall(guest.stream[sent:at])
            sent = at
            taken(t, sock)
            answers(dst)
            count += 1
    check(count > 60, 'only %d places' % count)
    sock.sendall(guest.stream[sent:])
    t.reactor.poll(lambda: dst.qmp.cmd('query-status')['status'] == 'paused',
                   'loaded guest')
    dst.serial.rest = guest.rest
    dst.qmp.cmd('cont')
    wait_running(dst)
    check_pattern_goes_on(dst, guest.numbers)


def stalled(t, guest, name):
    port = free_port()
    dst = start_incoming(t, guest.origin, 'tcp:127.0.0.1:%d' % port, name=name)
    sock = connect(t, port)
    *_, (_, places) = guest.places()
    sock.sendall(guest.stream[:places[2]])
    taken(t, sock)
    return dst


@test()
def ends_while_a_source_stalls(t):
    """By SIGTERM and by `quit`, in the middle of a device."""
    guest = Recorded(t)
    dst = stalled(t, guest, 'terminated')
    dst.ends_expected = True
    dst.signal(signal.SIGTERM)
    dst.wait_end()
    dst = stalled(t, guest, 'quits')
    dst.qmp.cmd('quit')
    check_equal(dst.wait_end(), 0, 'exit status')


@test()
def takes_a_trickle(t):
    """All devices, a byte at a time."""
    guest = Recorded(t)
    port = free_port()
    dst = start_incoming(t, guest.origin, 'tcp:127.0.0.1:%d' % port)
    sock = connect(t, port)
    first = next(guest.places())[1][0]
    sock.sendall(guest.stream[:first])
    for i in range(first, len(guest.stream)):
        sock.sendall(guest.stream[i:i + 1])
        if i % 5000 == 0:
            dst.qmp.cmd('query-migrate')
    t.reactor.poll(lambda: dst.qmp.cmd('query-status')['status'] == 'paused',
                   'loaded guest')
    dst.serial.rest = guest.rest
    dst.qmp.cmd('cont')
    wait_running(dst)
    check_pattern_goes_on(dst, guest.numbers)


if __name__ == '__main__':
    main()
