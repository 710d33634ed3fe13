# SPDX-License-Identifier: GPL-2.0-or-later
"""The destination's side: whatever a source does or leaves, the monitor is
answered, signals are heard, and a guest that can be had is had."""

import os
import signal
import socket
import threading

from godwit.analyze import analyze_file
from godwit.migration import (check_pattern_goes_on, go, last_numbers, query,
                              set_parameters, start, start_incoming,
                              start_pattern, status, transport, wait_drained,
                              wait_running, wait_status)
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        test)


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


def half_loaded(t, guest):
    """A destination in the middle of its devices, and what sends the rest."""
    port = free_port()
    dst = start_incoming(t, guest.origin, 'tcp:127.0.0.1:%d' % port)
    sock = connect(t, port)
    places = [at for _, (_, at, *_) in guest.places()]
    sent = places[len(places) // 2]
    sock.sendall(guest.stream[:sent])
    taken(t, sock)

    def rest():
        sock.sendall(guest.stream[sent:])
        dst.serial.rest = guest.rest
    return dst, rest


@test(godwit_only='the peer resets what is here by half')
def requests_wait_for_the_guest(t):
    """A reset and the power button reach it when it has arrived."""
    dst, rest = half_loaded(t, Recorded(t))
    dst.qmp.cmd('system_reset')
    dst.qmp.cmd('system_powerdown')
    answers(dst)
    answers(dst)
    kinds = [e['event'] for e in dst.qmp.events]
    check(not {'RESET', 'POWERDOWN'} & set(kinds), 'too early: %s' % kinds)
    rest()
    dst.qmp.wait_event('RESET')
    dst.qmp.wait_event('POWERDOWN')
    check_equal(dst.qmp.cmd('query-status')['status'], 'prelaunch', 'status')
    dst.qmp.cmd('cont')
    dst.wait_line('^ready$')
    dst.wait_line(r'^ok pass=\d+ cpu=0 fails=0$')


@test(godwit_only='its own words')
def says_that_the_number_of_cpus_differs(t):
    for machine in ('pc', 'microvm'):
        for ours, theirs in ((1, 2), (2, 1)):
            name = '%s%d' % (machine, ours)
            src = start_pattern(t, mb=4, mem=16, smp=ours, machine=machine,
                                name='src' + name)
            uri = 'unix:' + t.path(name)
            dst = start_incoming(t, src, uri, name='dst' + name, smp=theirs)
            src.qmp.cmd('migrate', uri=uri)
            info = wait_status(src, 'failed')
            check_equal(dst.wait_end(), 1, 'exit status')
            for text in (info['error-desc'], dst.error_lines()[0]):
                check_in('cpu', text, name)
                check_in('(other -smp)', text, name)
            goes_on(src)
            src.kill()


# ---- every address, whoever is on the other end ---------------------------

def arrived(src, dst):
    wait_status(src, 'completed')
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers, passes=1)


def source(t, name='src'):
    src = start_pattern(t, mb=4, mem=16, name=name)
    set_parameters(src, max_bandwidth=0)
    return src


@test()
def every_address_of_both_families(t):
    """tcp:[::]:PORT is how libvirt writes it."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(('::', 0))
    except OSError as err:
        raise Skip('no IPv6 here') from err
    port = free_port()
    for host in ('127.0.0.1', '[::1]'):
        src = source(t, 'src' + host[-2])
        dst = start_incoming(t, src, 'tcp:[::]:%d' % port, name='to' + host[-2])
        src.qmp.cmd('migrate', uri='tcp:%s:%d' % (host, port))
        arrived(src, dst)
        dst.kill()
    # Said to be IPv6 only, it is.
    dst = start_incoming(t, src, 'tcp:[::]:%d,ipv6=on' % port, name='only')
    try:
        socket.create_connection(('127.0.0.1', port)).close()
        raise AssertionError('IPv4 was accepted')
    except ConnectionRefusedError:
        pass


def send_to_fd(src, fd):
    src.qmp.cmd('getfd', fdname='mig', _fds=(fd,))
    src.qmp.cmd('migrate', uri='fd:mig')


@test()
def descriptors_that_are_no_sockets(t):
    """Open for both directions, and one-way all the same."""
    path = t.path('stream')
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    t.defer(lambda: os.close(fd))
    src = source(t)
    send_to_fd(src, fd)
    wait_status(src, 'completed')
    os.lseek(fd, 0, os.SEEK_SET)
    dst = start_incoming(t, src, 'fd:%d' % fd, pass_fds=(fd,))
    arrived(src, dst)
    null = os.open('/dev/null', os.O_RDWR)
    t.defer(lambda: os.close(null))
    send_to_fd(dst, null)
    wait_status(dst, 'completed')


@test()
def a_fifo_by_descriptor(t):
    path = t.path('fifo')
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    t.defer(lambda: os.close(fd))
    src = source(t)
    dst = start_incoming(t, src, 'fd:%d' % fd, pass_fds=(fd,))
    send_to_fd(src, fd)
    arrived(src, dst)


class Listener:
    """Takes one connection and says nothing: `nc -l`, as a recorder."""

    def __init__(self, t, reads=True):
        self.data = bytearray()
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(1)
        self.uri = 'tcp:127.0.0.1:%d' % self.listener.getsockname()[1]
        self.ended = threading.Event()
        t.defer(self.listener.close)
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self.listener.accept()[0] as sock:
            while True:
                data = sock.recv(1 << 16)
                if not data:
                    break
                self.data += data
        self.ended.set()


@test()
def a_recorder(t):
    """Only listens. What it wrote down is a guest."""
    recorder = Listener(t)
    src = source(t)
    src.qmp.cmd('migrate', uri=recorder.uri)
    wait_status(src, 'completed')
    t.reactor.poll(recorder.ended.is_set, 'end of the record')
    with open(t.path('record'), 'wb') as f:
        f.write(recorder.data)
    dst = start_incoming(t, src, 'exec:cat ' + t.path('record'))
    arrived(src, dst)


def goes_on(src):
    wait_running(src)
    check_pattern_goes_on(src, last_numbers(src), passes=1)


def cancels(src):
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    goes_on(src)


def quits(src):
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status')


def is_terminated(src):
    src.ends_expected = True
    src.signal(signal.SIGTERM)
    src.wait_end()


def fifo(t):
    path = t.path('fifo')
    os.mkfifo(path)
    return 'file:' + path


def silent(t):
    return Listener(t, reads=False).uri


def fifo_held(t):
    """Somebody has it open and never reads."""
    uri = fifo(t)
    fd = os.open(uri[5:], os.O_RDWR)
    t.defer(lambda: os.close(fd))
    return uri


def ends_of_source(t, make):
    uri = make(t)
    src = source(t)
    for end in (cancels, quits):
        src.qmp.cmd('migrate', uri=uri)
        t.reactor.poll(lambda: status(src) in ('setup', 'active'), 'begin')
        goes_on(src)
        end(src)
    src = source(t, 'second')
    src.qmp.cmd('migrate', uri=uri)
    t.reactor.poll(lambda: status(src) in ('setup', 'active'), 'begin')
    is_terminated(src)


FILES = 'the peer has no file: transport'


@test(godwit_only=FILES)
def to_a_fifo_that_nobody_reads(t):
    ends_of_source(t, fifo)


@test(godwit_only=FILES)
def to_a_fifo_whose_reader_sleeps(t):
    ends_of_source(t, fifo_held)


@test()
def to_a_listener_that_sleeps(t):
    ends_of_source(t, silent)


@test()
def to_a_command_that_sleeps(t):
    ends_of_source(t, lambda _: 'exec:sleep 1000')


def ends_of_destination(t, make):
    guest = source(t)
    for i, end in enumerate((quits, is_terminated)):
        dst = start_incoming(t, guest, make(t, i), name='dst%d' % i)
        check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate',
                    'status')
        end(dst)


@test(godwit_only=FILES)
def from_a_fifo_that_nobody_writes(t):
    uri = fifo(t)
    ends_of_destination(t, lambda *_: uri)


@test()
def from_a_command_that_sleeps(t):
    ends_of_destination(t, lambda *_: 'exec:sleep 1000')


@test()
def from_a_command_that_goes_on(t):
    """It has given the stream, and doesn't end: that is nobody's business."""
    guest = source(t)
    path = t.path('goes-on.stream')
    guest.qmp.cmd('stop')
    guest.qmp.cmd('migrate', uri='exec:cat >' + path)
    wait_status(guest, 'completed')
    for i, end in enumerate((quits, is_terminated)):
        dst = start_incoming(t, guest, 'exec:cat %s; exec >&-; sleep 1000' %
                             path, name='dst%d' % i)
        wait_status(dst, 'completed')
        for _ in range(20):
            check_equal(status(dst), 'completed', 'status')
        check_equal(dst.qmp.cmd('query-status')['status'], 'paused', 'state')
        end(dst)


@test()
def from_nobody(t):
    ends_of_destination(t, lambda t, i: 'unix:' + t.path('sock%d' % i))


@test(godwit_only=FILES)
def through_a_fifo(t):
    uri = fifo(t)
    src = source(t)
    dst = start_incoming(t, src, uri)
    src.qmp.cmd('migrate', uri=uri)
    arrived(src, dst)



@test(godwit_only='others say nothing')
def machines_tell_what_differs(t):
    """A CPU that lacks flags is refused before the guest stops; what would
    only be odd is named where the guest arrives."""
    disks = []
    for mib in (1, 2):
        disks.append(t.path('%d.img' % mib))
        with open(disks[-1], 'wb') as f:
            f.truncate(mib << 20)
    disk = ['-device', 'virtio-blk-pci,id=vd,drive=d', '-drive']
    drive = 'if=none,id=d,format=raw,readonly=on,file='
    src = start_pattern(t, '-cpu', 'qemu64', *disk, drive + disks[0], mb=8,
                        machine='pc,hpet=off')
    way = transport(t, 'unix')
    dst = start_incoming(t, src, way.incoming, '-cpu', 'qemu64,-cx16', *disk,
                         drive + disks[0])
    start(src, way)
    info = wait_status(src, 'failed')
    check_in('the CPU here lacks', info['error-desc'], 'error')
    check_in('cx16', info['error-desc'], 'error')
    check_equal(src.qmp.count_events('STOP'), 0, 'STOP')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    way = transport(t, 'unix')
    dst = start_incoming(t, src, way.incoming, '-cpu', 'qemu64', *disk,
                         drive + disks[1], name='dst2', machine='pc')
    go(src, way)
    wait_running(dst)
    t.reactor.wait(lambda: 'hpet/0' in dst.stderr, 'warning')
    check_in("vd/virtio-backend' has 2097152 bytes here, 1048576 at the source",
             dst.stderr, 'warning')
    check_in('only this machine has, as after a reset: hpet/0', dst.stderr,
             'warning')


if __name__ == '__main__':
    main()
