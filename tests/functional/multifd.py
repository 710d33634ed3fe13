# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests move over many channels (multifd), to and from QEMU 7.2 as well."""

import os
import socket
import struct
import threading

from godwit.migration import (check_lines, check_pattern_goes_on, go,
                              last_numbers, query, refused, set_capabilities,
                              set_parameters, start, start_incoming,
                              start_pattern, transport, wait_drained,
                              wait_running, wait_status, wait_transferred)
from godwit.peer import need_peer
from godwit.tap import check, check_equal, check_in, main, test

CHANNELS = 3


def join(t, src, dst, kind='tcp', compression='none'):
    """Multifd is on at both, and one waits for the other."""
    way = transport(t, kind)
    for vm in src, dst:
        set_capabilities(vm, multifd=True)
        set_parameters(vm, multifd_channels=CHANNELS,
                       multifd_compression=compression)
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    return way


def pair(t, binary=None, src=None, name='dst', rate=4000, smp=1, **kwargs):
    """A pattern guest and where it is to go."""
    src = src or start_pattern(t, mb=8, mem=32, rate=rate, smp=smp)
    dst = start_incoming(t, src, 'defer', name=name, binary=binary)
    dst.pattern_args = src.pattern_args
    return src, dst, join(t, src, dst, **kwargs)


def paused_pair(t):
    """The same without a guest: for what fails early."""
    src = t.machine('-S', mem=16, name='src')
    dst = t.machine('-incoming', 'defer', mem=16, name='dst')
    return src, dst, join(t, src, dst)


def arrived(src, dst):
    """The guest runs at the destination, all of its memory intact."""
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    check_lines(src.serial.lines)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


def move(t, *args, **kwargs):
    src, dst, way = pair(t, *args, **kwargs)
    info = go(src, way)
    arrived(src, dst)
    ram = info['ram']
    check(0 < ram['multifd-bytes'] <= ram['transferred'], ram)
    check(ram['normal'] > 0 and ram['duplicate'] > 0, ram)
    return src, dst, info


def threads(vm):
    names = []
    for tid in os.listdir('/proc/%d/task' % vm.proc.pid):
        with open('/proc/%d/task/%s/comm' % (vm.proc.pid, tid)) as f:
            names.append(f.read().strip())
    return [n for n in names if n.startswith(('mig-send', 'mig-recv'))]


def fds(vm):
    return len(os.listdir('/proc/%d/fd' % vm.proc.pid))


@test()
def between_two_tcp(t):
    src, dst, _ = move(t)
    check_equal((threads(src), threads(dst)), ([], []), 'threads left')


@test()
def between_two_unix_zlib(t):
    move(t, kind='unix', compression='zlib', smp=2)


def there_and_back(t, *compressions):
    src, dst, _ = move(t, need_peer(), compression=compressions[0])
    src.qmp.cmd('quit')
    src.wait_end()
    move(t, src=dst, name='back', compression=compressions[1])


@test()
def qemu_there_and_back(t):
    there_and_back(t, 'none', 'none')


@test()
def qemu_there_and_back_packed(t):
    """Each program packs what the other unpacks."""
    there_and_back(t, 'zlib', 'zlib')


@test()
def qemu_there_and_back_zstd(t):
    there_and_back(t, 'zstd', 'zstd')


@test(godwit_only='the peer ends with the first who connects')
def strangers_come_first(t):
    """They say nothing, close, or begin as neither stream nor channel."""
    src, dst, way = pair(t)
    address = '127.0.0.1', int(way.incoming.rsplit(':', 1)[1])
    socks = [socket.create_connection(address) for _ in range(12)]
    for sock, data in zip(socks, (b'GET /', b'QEVN', b'\x11\x22', b'')):
        sock.sendall(data)
    socks[3].close()
    go(src, way)
    arrived(src, dst)
    for sock in socks:
        sock.close()


def zero_copy(t, **kwargs):
    """What goes over the loopback is copied after all, and counted."""
    src, dst, way = pair(t, **kwargs)
    set_capabilities(src, zero_copy_send=True)
    ram = go(src, way)['ram']
    arrived(src, dst)
    check(ram['dirty-sync-missed-zero-copy'] > 0, ram)
    check(0 < ram['normal-bytes'] < ram['transferred'], ram)
    info = src.qmp.cmd('human-monitor-command', command_line='info migrate')
    check_in('Zero-copy-send fallbacks happened: ', info, 'info migrate')


@test()
def zero_copy_between_two(t):
    zero_copy(t)


@test()
def zero_copy_to_qemu(t):
    zero_copy(t, binary=need_peer())


@test()
def zero_copy_rules(t):
    """As 7.2 has them; a socket that can't do it is named."""
    src, dst, way = paused_pair(t)
    only = 'Zero copy only available for non-compressed non-TLS multifd'
    on = [{'capability': 'zero-copy-send', 'state': True}]
    for other in {'multifd_compression': 'zlib'}, {'tls_creds': 'x'}:
        set_parameters(src, **other)
        err = refused(src, 'migrate-set-capabilities', capabilities=on)
        check_in(only, err.desc, 'error')
        set_parameters(src, multifd_compression='none', tls_creds='')
        set_capabilities(src, zero_copy_send=True)
        check_in(only, refused(src, 'migrate-set-parameters', **other).desc,
                 'error')
        set_capabilities(src, zero_copy_send=False)
    set_capabilities(src, zero_copy_send=True)
    off = [{'capability': 'multifd', 'state': False}]
    check_in(only, refused(src, 'migrate-set-capabilities',
                           capabilities=off).desc, 'error')
    dst.kill()
    dst = t.machine('-incoming', 'defer', mem=16, name='dst2')
    way = join(t, src, dst, 'unix')
    check_stays(src, dst, way, 'Zero copy send feature not detected')


def check_stays(src, dst, way, says):
    start(src, way)
    info = wait_status(src, 'failed')
    check_in(says, info['error-desc'], 'error')
    check_equal(src.qmp.cmd('query-status')['status'], 'prelaunch', 'source')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')


@test()
def off_at_destination(t):
    """The error tells which side lacks what; the guest stays."""
    src, dst, way = paused_pair(t)
    set_capabilities(dst, multifd=False)
    check_stays(src, dst, way,
                "'multifd' is on here and off at the destination")
    before = fds(src)
    for _ in range(20):
        start(src, way)  # nobody listens any more
        wait_status(src, 'failed')
    check_equal(threads(src), [], 'threads left')
    check(fds(src) <= before, 'descriptors: %d, then %d' % (before, fds(src)))


@test()
def off_at_source(t):
    src, dst, way = paused_pair(t)
    set_capabilities(src, multifd=False)
    check_stays(src, dst, way,
                "'multifd' is off here and on at the destination")


@test()
def other_compression(t):
    src, dst, way = paused_pair(t)
    set_parameters(src, multifd_compression='zstd')
    check_stays(src, dst, way, "compression 'zstd', and here it is 'none'")


@test()
def one_connection_only(t):
    """What can't carry channels is refused, and nothing has begun."""
    src, dst, _ = paused_pair(t)
    for uri in 'exec:cat', 'fd:7', 'file:' + t.path('f'):
        err = refused(src, 'migrate', uri=uri)
        check_in(uri + ": capability 'multifd' needs", err.desc, 'error')
    check('status' not in query(src), query(src))
    dst.qmp.cmd('quit')
    check_equal(dst.wait_end(), 0, 'exit status of the destination')


class Proxy:
    """Passes connections on; keeps those that have come for the test."""

    def __init__(self, t, to_port):
        self.pairs = []
        self.grown = threading.Condition()
        self.to_port = to_port
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.uri = 'tcp:127.0.0.1:%d' % self.listener.getsockname()[1]
        self.listening = threading.Thread(target=self._run, daemon=True)
        self.listening.start()
        t.defer(self.close)

    def close(self):
        self.listener.close()
        for ends in self.pairs:
            for sock in ends:
                sock.close()

    def _run(self):
        while True:
            try:
                a, _ = self.listener.accept()
                b = socket.create_connection(('127.0.0.1', self.to_port))
            except OSError:
                return
            for ends in (a, b), (b, a):
                threading.Thread(target=self._pass, args=ends,
                                 daemon=True).start()
            with self.grown:
                self.pairs.append((a, b))
                self.grown.notify()

    @staticmethod
    def _pass(src, dst):
        try:
            while True:
                data = src.recv(1 << 16)
                if not data:
                    break
                dst.sendall(data)
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def connection(self, i):
        with self.grown:
            self.grown.wait_for(lambda: len(self.pairs) > i, 30)
            return self.pairs[i]


def slow_migration(t):
    """On its way, with channels that a proxy can cut."""
    src, dst, way = pair(t)
    proxy = Proxy(t, int(way.incoming.rsplit(':', 1)[1]))
    set_parameters(src, max_bandwidth=1 << 20)
    src.qmp.cmd('migrate', uri=proxy.uri)
    wait_transferred(src, 1 << 20)
    return src, dst, proxy


def cut(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack('ii', 1, 0))
    sock.shutdown(socket.SHUT_RDWR)


@test()
def channel_is_cut(t):
    """One channel dies in a pass: the error names it, the guest goes on."""
    src, dst, proxy = slow_migration(t)
    for sock in proxy.connection(2):
        cut(sock)
    set_parameters(src, max_bandwidth=0)
    info = wait_status(src, 'failed')
    check_in('multifd channel 1: ', info['error-desc'], 'error')
    check_pattern_goes_on(src, last_numbers(src))
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_equal(threads(src), [], 'threads left')
    src, dst, way = pair(t, src=src, name='dst2')
    go(src, way)
    arrived(src, dst)


@test()
def cancel(t):
    src, dst, _ = slow_migration(t)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    check_pattern_goes_on(src, last_numbers(src))
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_equal(threads(src), [], 'threads left')


if __name__ == '__main__':
    main()
