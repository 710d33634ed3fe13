# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever happens to the other side or to the network: one side runs, its
memory is whole, and the reason is told."""

import os
import signal
import socket
import struct

from godwit.migration import (RP_LOADED, check_lines, check_pattern_goes_on, go,
                              last_numbers, query, set_parameters, start,
                              start_incoming, start_pattern, status,
                              transport, wait_drained, wait_running,
                              wait_status, wait_transferred)
from godwit.proxy import Proxy
from godwit.qmp import QmpClosed
from godwit.tap import check, check_equal, check_in, free_port, main, test


def proxied(t, src, action, at, name='dst', hold=None, pause=None, **kwargs):
    """A destination behind a bad network; returns it and the proxy."""
    port = free_port()
    dst = start_incoming(t, src, 'tcp:127.0.0.1:%d' % port, name=name,
                         **kwargs)
    proxy = Proxy(port, action, at, hold, pause)
    t.defer(proxy.close)
    return dst, proxy


def one_clear_line(t, vm):
    """What a destination says that could not load the stream."""
    lines = vm.error_lines()
    check(lines, 'no error message')
    if t.host.is_godwit:
        check_equal(len(lines), 1, 'lines on stderr: %r' % lines)


def dst_fails(t, dst):
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    one_clear_line(t, dst)


MAGIC_LEN = 4  # bytes that tell a migration from a port scan


def dst_fails_or_waits(t, dst, at):
    """Who has not begun as a migration was a stranger: the destination waits
    on for its source."""
    if t.host.is_godwit and at < MAGIC_LEN:
        check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate',
                    'run state of the destination')
        dst.kill()
    else:
        dst_fails(t, dst)


def source_goes_on(src):
    """It was running before, so it must be running now."""
    wait_running(src)
    check_pattern_goes_on(src, last_numbers(src))


class StoppedGuest:
    """A stopped pattern guest that can be had as often as is wanted, each
    time with a stream of the same length."""

    def __init__(self, t):
        self.t = t
        self.path = t.path('guest.stream')
        origin = start_pattern(t, name='origin', mb=8, mem=32)
        origin.qmp.cmd('stop')
        origin.qmp.cmd('migrate', uri='exec:cat > ' + self.path)
        wait_status(origin, 'completed')
        wait_drained(origin)
        self.origin = origin
        self.numbers = last_numbers(origin)
        self.rest = origin.serial.rest
        origin.kill()
        self._count = 0
        self.total = self._measure()

    def source(self):
        self._count += 1
        vm = start_incoming(self.t, self.origin, 'exec:cat ' + self.path, '-S',
                            name='src%d' % self._count)
        self.t.reactor.poll(
            lambda: vm.qmp.cmd('query-status')['status'] == 'paused',
            'stopped guest')
        vm.pattern_args = self.origin.pattern_args
        vm.serial.rest = self.rest
        return vm

    def _measure(self):
        src = self.source()
        dst, proxy = proxied(self.t, src, 'cut', None, name='probe')
        src.qmp.cmd('migrate', uri=proxy.uri)
        wait_status(src, 'completed')
        wait_loaded(self.t, dst)
        check(proxy.count > 4 << 20, 'only %d bytes' % proxy.count)
        dst.kill()
        src.kill()
        return proxy.count

    def goes_on(self, vm):
        vm.qmp.cmd('cont')
        wait_running(vm)
        check_pattern_goes_on(vm, self.numbers)


def wait_loaded(t, dst):
    t.reactor.poll(lambda: dst.qmp.cmd('query-status')['status'] == 'paused',
                   'loaded guest')


EARLY = (0, 1, 4, 9, 100, 5000, 1 << 20)


def bad_network_early(t, action):
    """In the header, the block list and the first pages."""
    src = start_pattern(t, mb=16)
    for at in EARLY:
        dst, proxy = proxied(t, src, action, at, name='dst%d' % at)
        src.qmp.cmd('migrate', uri=proxy.uri)
        info = wait_status(src, 'failed')
        if t.host.is_godwit:
            check(info.get('error-desc'), 'no error-desc')
        wait_running(src)
        dst_fails_or_waits(t, dst, at)
    source_goes_on(src)


@test()
def cut_early(t):
    bad_network_early(t, 'cut')


@test()
def reset_early(t):
    bad_network_early(t, 'reset')


LATE = 'without a return path the source takes sent for arrived'


@test(godwit_only=LATE)
def cut_in_the_switchover(t):
    """Near the end: in the last pages, the devices' state and behind it."""
    guest = StoppedGuest(t)
    src = guest.source()
    for before_end in (20000, 5000, 1000, 100, 10):
        dst, proxy = proxied(t, src, 'cut', guest.total - before_end,
                             name='d%d' % before_end)
        src.qmp.cmd('migrate', uri=proxy.uri)
        wait_status(src, 'failed')
        dst_fails(t, dst)
    guest.goes_on(src)


@test(godwit_only=LATE)
def cut_in_the_last_word(t):
    """The source has given the guest away, and the destination can't know:
    it has everything and leaves it to the user. So does the source, which
    can't know either."""
    guest = StoppedGuest(t)
    src = guest.source()
    dst, proxy = proxied(t, src, 'cut', guest.total - 1)
    src.qmp.cmd('migrate', uri=proxy.uri)
    info = wait_status(src, 'failed')
    check_in('may run at the destination', info['error-desc'], 'error-desc')
    check_equal(src.qmp.cmd('query-status')['status'], 'postmigrate',
                'the source')
    wait_loaded(t, dst)
    check_equal(query(dst)['status'], 'failed', 'status at the destination')
    check_in("'cont' starts it", dst.error_lines()[0], 'message')
    dst.serial.adopt(src.serial)
    guest.goes_on(dst)


@test(godwit_only=LATE)
def cut_in_the_switchover_of_a_running_guest(t):
    """Its stream's length is known but roughly."""
    total = StoppedGuest(t).total
    for before_end in (30000, 3000, 30):
        src = start_pattern(t, mb=8, mem=32, name='src%d' % before_end)
        dst, proxy = proxied(t, src, 'cut', total - before_end,
                             name='dst%d' % before_end)
        src.qmp.cmd('migrate', uri=proxy.uri)
        info = wait_status(src, ('completed', 'failed'))
        if info['status'] == 'failed':
            dst_fails(t, dst)
            source_goes_on(src)
        else:
            # More was sent than expected, and all of it arrived.
            wait_running(dst)
        src.qmp.cmd('quit')
        src.wait_end()


@test()
def stalled_network_and_cancel(t):
    """Nothing moves any more: the guest runs, cancel works."""
    src = start_pattern(t, mb=16)
    set_parameters(src, max_bandwidth=0)
    for at in (0, 100, 1 << 20):
        dst, proxy = proxied(t, src, 'stall', at, name='dst%d' % at)
        src.qmp.cmd('migrate', uri=proxy.uri)
        t.reactor.poll(proxy.acted.is_set, 'stall')
        numbers = last_numbers(src)
        check_pattern_goes_on(src, numbers)
        check_in(status(src), ('setup', 'active'), 'status')
        src.qmp.cmd('migrate_cancel')
        wait_status(src, 'cancelled')
        proxy.close()
        dst_fails_or_waits(t, dst, at)
    source_goes_on(src)


@test(godwit_only=LATE)
def stalled_in_the_switchover(t):
    """The destination falls silent when the guest has been stopped: it is
    started again here, without anybody's help."""
    total = StoppedGuest(t).total
    src = start_pattern(t, mb=8, mem=32)
    dst, proxy = proxied(t, src, 'stall', total - 3000)
    src.qmp.cmd('migrate', uri=proxy.uri)
    t.reactor.poll(proxy.acted.is_set, 'stall')
    source_goes_on(src)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, ('cancelled', 'failed'))
    proxy.close()
    dst_fails(t, dst)
    source_goes_on(src)


def arrives(src, dst):
    """The guest goes on at the destination, all of it right."""
    wait_status(src, 'completed')
    wait_drained(src)
    wait_running(dst)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test(godwit_only=LATE)
def late_word(t):
    """The destination's word comes when the guest runs here again: the next
    attempt brings memory and CPUs as they are then."""
    src = start_pattern(t, mb=16, smp=2)
    set_parameters(src, max_bandwidth=0, downtime_limit=200)
    dst, proxy = proxied(t, src, 'cut', None, hold=RP_LOADED)
    src.qmp.cmd('migrate', uri=proxy.uri)
    t.reactor.poll(proxy.held.is_set, 'LOADED')
    src.qmp.wait_event('RESUME')
    wait_drained(src)
    source_goes_on(src)
    check_equal(status(src), 'active', 'status')
    proxy.let_go()
    arrives(src, dst)


SWITCHOVER = b'\x08\x47\x02\x00\x04'  # the command's section


@test(godwit_only=LATE)
def late_network(t):
    """Nothing moves from the stop on: the guest goes on here when the limit
    has passed, the stream when the network does."""
    src = start_pattern(t, mb=64, mem=128, rate=60000)
    set_parameters(src, max_bandwidth=100 << 20, downtime_limit=1000)
    dst, proxy = proxied(t, src, 'cut', None, pause=SWITCHOVER)
    src.qmp.cmd('migrate', uri=proxy.uri)
    t.reactor.poll(proxy.held.is_set, 'SWITCHOVER')
    src.qmp.wait_event('RESUME')
    wait_drained(src)
    source_goes_on(src)
    check_equal(status(src), 'active', 'status')
    set_parameters(src, max_bandwidth=0)
    proxy.let_go()
    arrives(src, dst)


def load_outcome(t, dst):
    """What became of an incoming migration: a run state, or 'ended'."""
    def ask():
        if dst.status is not None:
            return 'ended'
        now = dst.qmp.cmd('query-status')['status']
        return now if now != 'inmigrate' else None
    try:
        return t.reactor.poll(ask, 'end of the load')
    except QmpClosed:
        dst.wait_end()
        return 'ended'


def corrupt(t, places):
    """A stopped guest's stream with one byte inverted: an error that tells,
    or (in a page's data) a guest that was moved. Never a crash."""
    guest = StoppedGuest(t)
    src = guest.source()
    results = []
    for at in places(guest):
        dst, proxy = proxied(t, src, 'corrupt', at, name='dst%d' % at)
        src.qmp.cmd('migrate', uri=proxy.uri)
        info = wait_status(src, ('completed', 'failed'))
        if t.host.is_godwit and at < MAGIC_LEN:
            check_equal(info['status'], 'failed', 'source')
            dst_fails_or_waits(t, dst, at)
            continue
        result = load_outcome(t, dst)
        t.note('byte %d of %d: source %s, destination %s: %s' % (
            at, guest.total, info['status'], result, dst.error_lines()))
        if result == 'ended':
            dst_fails(t, dst)
        else:
            dst.kill()
        results.append((result, dst.error_lines()))
        if t.host.is_godwit:
            check_equal(info['status'],
                        'failed' if result == 'ended' else 'completed',
                        'source')
        if info['status'] == 'completed' or not t.host.is_godwit:
            src.kill()
            src = guest.source()
    guest.goes_on(src)
    return results


@test()
def corrupt_header(t):
    corrupt(t, lambda guest: (0, 7, 8, 12, 30, 60))


@test()
def corrupt_anywhere(t):
    corrupt(t, lambda guest: [guest.total * i // 16
                              for i in range(1, 16, 2)])


@test()
def corrupt_device_state(t):
    """Any bytes near the end: registers, the description, the sections."""
    corrupt(t, lambda guest: [guest.total - n for n in (
        60000, 55000, 50000, 40000, 20000, 6000, 700)])


LAST_WORD_SIZE = 9  # a command with the number of the attempt


def description_at(stream):
    """The type byte of the section that is the stream's last."""
    at = stream.rindex(b'\x06')
    while struct.unpack('>I', stream[at + 1:at + 5])[0] != len(stream) - at - 5:
        at = stream.rindex(b'\x06', 0, at)
    return at


@test()
def description_comes_late(t):
    """The guest runs at the end of the devices. What follows is taken, too:
    a source that can't send it believes that it has failed."""
    guest = StoppedGuest(t)
    with open(guest.path, 'rb') as f:
        stream = f.read()
    at = description_at(stream)
    port = free_port()
    dst = start_incoming(t, guest.origin, 'tcp:127.0.0.1:%d' % port)
    with socket.create_connection(('127.0.0.1', port)) as sock:
        sock.sendall(stream[:at])
        if t.host.is_godwit:
            wait_loaded(t, dst)
        for i in range(at, len(stream), 1000):
            sock.sendall(stream[i:i + 1000])
        sock.shutdown(socket.SHUT_WR)
        check_equal(sock.recv(1), b'', 'answer')
    wait_loaded(t, dst)


@test()
def corrupt_section_names(t):
    """A section by a name nobody knows is an error that gives the name."""
    # Behind the CPUs, whose length varies.
    names = (b'fw_cfg', b'i8259', b'i8254', b'serial', b'mc146818rtc')

    def places(guest):
        with open(guest.path, 'rb') as f:
            stream = f.read()
        # Over a socket a Godwit sends no description, but its last word.
        shift = guest.total - (len(stream) if not t.host.is_godwit else
                               description_at(stream) + LAST_WORD_SIZE)
        for name in names:
            at = stream.index(bytes([len(name)]) + name)
            yield at + len(name) + shift
    results = corrupt(t, places)
    for name, (result, lines) in zip(names, results):
        check_equal(result, 'ended', name)
        check_in(name[:-1].decode(), ' '.join(lines), name)


def check_passes(t, vm):
    def ask():
        return sum('fails=' in line for line in vm.serial.lines) >= 2
    t.reactor.wait(ask, 'two passes')


@test()
def a_corrupted_page_is_noticed_by_the_guest(t):
    """The test of the tests: a byte changed on the way in a page's data
    must make the pattern guest say so."""
    guest = StoppedGuest(t)
    for i in range(6):
        src = guest.source()
        dst, proxy = proxied(t, src, 'corrupt', guest.total // 2 + i * 7001,
                             name='dst%d' % i)
        src.qmp.cmd('migrate', uri=proxy.uri)
        wait_status(src, ('completed', 'failed'))
        if load_outcome(t, dst) != 'ended':
            dst.qmp.cmd('cont')
            # A hit in a page that was behind the cursor in its pass shows
            # in the next one.
            check_passes(t, dst)
            if any('FAIL page=' in line for line in dst.serial.lines):
                break
        dst.kill()
    else:
        check(False, 'no damaged page was reported')
    try:
        check_lines(dst.serial.lines)
    except AssertionError:
        return
    check(False, 'check_lines() lets FAIL pass')


def limited(t, **kwargs):
    """A migration in the middle of its first pass."""
    src = start_pattern(t, **kwargs)
    way = transport(t, 'tcp')
    dst = start_incoming(t, src, way.incoming)
    set_parameters(src, max_bandwidth=8 << 20)
    start(src, way)
    wait_transferred(src, 1 << 20)
    return src, dst


@test()
def killed_destination(t):
    src, dst = limited(t)
    dst.kill()
    wait_status(src, 'failed')
    source_goes_on(src)


@test()
def killed_destination_then_another(t):
    src, dst = limited(t, mb=16)
    dst.kill()
    wait_status(src, 'failed')
    way = transport(t, 'unix')
    dst = start_incoming(t, src, way.incoming, name='dst2')
    set_parameters(src, max_bandwidth=0)
    go(src, way)
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test()
def terminated_destination(t):
    src, dst = limited(t, mb=16)
    dst.ends_expected = True
    dst.signal(signal.SIGTERM)
    dst.wait_end()
    wait_status(src, 'failed')
    source_goes_on(src)


@test()
def killed_source(t):
    src, dst = limited(t, mb=16)
    src.kill()
    dst_fails(t, dst)


@test()
def hung_destination(t):
    """Stopped by SIGSTOP: the guest goes on; it can wake up and finish."""
    src, dst = limited(t, mb=16)
    dst.signal(signal.SIGSTOP)
    set_parameters(src, max_bandwidth=0)
    check_pattern_goes_on(src, last_numbers(src))
    check_equal(status(src), 'active', 'status')
    dst.signal(signal.SIGCONT)
    wait_status(src, 'completed')
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test()
def hung_destination_and_cancel(t):
    src, dst = limited(t, mb=16)
    dst.signal(signal.SIGSTOP)
    set_parameters(src, max_bandwidth=0)
    check_pattern_goes_on(src, last_numbers(src), passes=1)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    source_goes_on(src)
    dst.signal(signal.SIGCONT)
    dst_fails(t, dst)


def other_machine(t, src, what, *extra, **changes):
    """A destination that does not fit: both sides say why, with both values,
    and the guest goes on."""
    port = free_port()
    args = {**src.pattern_args, **changes}
    dst = t.machine('-incoming', 'tcp:127.0.0.1:%d' % port, *extra,
                    name='dst', **args)
    src.qmp.cmd('migrate', uri='tcp:127.0.0.1:%d' % port)
    info = wait_status(src, ('failed', 'completed'))
    dst_fails(t, dst)
    t.note(dst.error_lines())
    if t.host.is_godwit:
        check_equal(info['status'], 'failed', 'source')
        for text in what:
            check_in(text, ' '.join(dst.error_lines()), 'destination')
            check_in(text, info['error-desc'], 'source')
    else:
        src.qmp.cmd('cont')
    source_goes_on(src)


@test()
def destination_with_less_memory(t):
    other_machine(t, start_pattern(t, mb=16),
                  ("'pc.ram'", '67108864', '33554432'),
                  mem=32)


@test()
def destination_with_more_memory(t):
    other_machine(t, start_pattern(t, mb=16),
                  ("'pc.ram'", '67108864', '134217728'),
                  mem=128)


@test()
def destination_of_another_type(t):
    other_machine(t, start_pattern(t, mb=16), ('pc-i440fx-7.2', 'microvm'),
                  machine='microvm')


@test()
def destination_with_fewer_cpus(t):
    other_machine(t, start_pattern(t, mb=16, smp=2),
                  ('only the source has: apic/1, cpu/1', '(other -smp)'), smp=1)


@test()
def destination_with_more_cpus(t):
    other_machine(t, start_pattern(t, mb=16),
                  ("this machine has 2 'cpu", 'the source 1'), smp=2)


@test(godwit_only='the peer leaves the block as it is')
def destination_with_another_block(t):
    other_machine(t, start_pattern(t, mb=16),
                  ("e1000.rom' of 262144 bytes is here", 'of the stream'),
                  '-device', 'e1000,addr=7')


@test()
def destination_without_a_block(t):
    other_machine(t, start_pattern(t, '-device', 'e1000,addr=7', mb=16),
                  ('only the source has: 0000:00:07.0/e1000/0',))


def garbage(t, texts):
    vm = start_pattern(t, mb=16)
    for i, data in enumerate(texts):
        path = t.path('g%d' % i)
        with open(path, 'wb') as f:
            f.write(data)
        dst = start_incoming(t, vm, 'exec:cat ' + path, name='dst%d' % i,
                             qmp=False, serial=False)
        dst_fails(t, dst)


@test()
def garbage_instead_of_a_stream(t):
    garbage(t, (b'hello\n', b'\0' * 100000, b'QEVM', b'QEVM\0\0\0\3',
                b'QEVM\0\0\0\2' + b'\1' * 50))


@test(godwit_only='the peer waits for ever for the first byte')
def empty_stream(t):
    garbage(t, (b'',))


@test(godwit_only='the peer crashes')
def garbage_with_a_good_header(t):
    garbage(t, (b'QEVM\0\0\0\3\7\xff\xff\xff\xff' + b'x' * 99,
                b'QEVM\0\0\0\3\7\x7f\xff\xff\xff' + b'x' * 99,
                b'QEVM\0\0\0\3' + os.urandom(65536)))


@test()
def truncated_file(t):
    """A stream that ends early, at every kind of place."""
    src = start_pattern(t, mb=8, mem=32)
    src.qmp.cmd('stop')
    path = t.path('mig.stream')
    src.qmp.cmd('migrate', uri='exec:cat > ' + path)
    wait_status(src, 'completed')
    with open(path, 'rb') as f:
        stream = f.read()
    where = [len(stream) * i // 6 for i in range(1, 6)]
    # The last bytes are the description, which is not needed to load: the
    # cuts are before it.
    end = stream.rfind(b'{"configuration"')
    if end < 0:
        end = len(stream) - 1
    where += [end - 5000, end - 1000, end - 100, end - 20]
    for cut in where:
        with open(path, 'wb') as f:
            f.write(stream[:cut])
        dst = start_incoming(t, src, 'exec:cat ' + path, name='d%d' % cut,
                             qmp=False, serial=False)
        dst_fails(t, dst)
    src.qmp.cmd('cont')
    source_goes_on(src)


@test(godwit_only='the peer waits for the command to end')
def nobody_reads_the_stream(t):
    """A command that takes the stream and does nothing with it."""
    src = start_pattern(t)
    set_parameters(src, max_bandwidth=0)
    src.qmp.cmd('migrate', uri='exec:exec sleep 1000')
    t.reactor.poll(lambda: query(src).get('status') == 'active', 'active')
    check_pattern_goes_on(src, last_numbers(src), passes=1)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    source_goes_on(src)


if __name__ == '__main__':
    main()
