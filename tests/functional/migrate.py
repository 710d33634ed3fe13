# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that checks all of its memory moves, and notices nothing."""

from godwit.migration import (CAPABILITIES, Transport, check_lines,
                              check_pattern_goes_on, file_size, go,
                              last_numbers, migrate_pattern, set_capabilities,
                              set_parameters, start_incoming, start_pattern,
                              transport, wait_drained, wait_running,
                              wait_status)
from godwit.tap import check, check_equal, check_in, main, test


def unlimited(src, _dst=None):
    set_parameters(src, max_bandwidth=0)


@test()
def over_tcp(t):
    src = start_pattern(t)
    migrate_pattern(t, src, 'tcp', before=unlimited)


@test()
def over_unix(t):
    src = start_pattern(t)
    migrate_pattern(t, src, 'unix', before=unlimited)


@test()
def over_fd(t):
    src = start_pattern(t)
    migrate_pattern(t, src, 'fd', before=unlimited)


@test()
def over_exec(t):
    src = start_pattern(t)
    migrate_pattern(t, src, 'exec', before=unlimited)
    check(file_size(t.path('mig.stream')) > 1 << 20, 'the stream is empty')


@test(godwit_only='the peer has no file: transport')
def over_file(t):
    src = start_pattern(t)
    migrate_pattern(t, src, 'file', before=unlimited)


@test(godwit_only='the peer has no file: transport')
def over_file_with_offset(t):
    src = start_pattern(t)
    uri = 'file:%s,offset=0x10000' % t.path('mig.stream')
    src.qmp.cmd('migrate', uri=uri)
    wait_status(src, 'completed')
    with open(t.path('mig.stream'), 'rb') as f:
        check_equal(f.read(4), b'\0\0\0\0', 'before the offset')
        f.seek(0x10000)
        check_equal(f.read(4), b'QEVM', 'at the offset')
    dst = start_incoming(t, src, uri)
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test()
def on_microvm(t):
    src = start_pattern(t, machine='microvm')
    migrate_pattern(t, src, 'unix', before=unlimited)


@test()
def on_q35(t):
    extra = ('-device', 'pcie-root-port,id=rp1,chassis=1',
             '-device', 'virtio-balloon-pci,bus=rp1')
    src = start_pattern(t, *extra, machine='q35', smp=2)
    migrate_pattern(t, src, 'unix', extra=extra, before=unlimited)


@test()
def with_two_cpus(t):
    src = start_pattern(t, smp=2)
    migrate_pattern(t, src, 'tcp', before=unlimited)


@test()
def with_four_cpus(t):
    src = start_pattern(t, smp=4, mem=128, mb=32)
    migrate_pattern(t, src, 'tcp', before=unlimited)


@test()
def with_memory_above_4g(t):
    """5 GiB, the moving part on both sides of the hole."""
    src = t.machine(name='src', mem=5120, smp=1,
                    config='mode=pattern start=3056 mb=32 rate=20000 '
                           'report=20')
    src.pattern_args = dict(mem=5120, smp=1, config='mode=idle')
    src.wait_line(r'^ok pass=\d+ cpu=0 ')
    migrate_pattern(t, src, 'tcp', before=unlimited)


@test()
def flat_out(t):
    """A guest that dirties faster than the limit allows until it is told
    to converge."""
    src = start_pattern(t, rate=0, mem=128)

    def before(vm, _dst):
        set_parameters(vm, max_bandwidth=0, downtime_limit=2000)
    migrate_pattern(t, src, 'tcp', before=before)


@test()
def idle_guest_timer_goes_on(t):
    """The local APIC's timer is all that wakes this guest."""
    src = t.machine(name='src', smp=2, config='mode=idle report=20')
    src.wait_line('^hb ')
    way = transport(t, 'tcp')
    dst = t.machine('-incoming', way.incoming, name='dst', smp=2,
                    config='mode=idle report=20')
    go(src, way)
    wait_running(dst)
    wait_drained(src)
    beats = last_numbers(src)[0]
    dst.serial.adopt(src.serial)
    t.reactor.wait(lambda: last_numbers(dst)[0] > beats + 200, 'heartbeats')
    dst.say('stat')
    dst.wait_line('^stat cpu=1 ')
    check_lines(dst.serial.lines)


@test()
def there_and_back_again(t):
    """Six moves; the guest's lines form one text without a gap."""
    vm = start_pattern(t, mem=64, mb=16)
    for i in range(6):
        old = vm
        vm = migrate_pattern(t, old, 'unix', name='vm%d' % i,
                             before=unlimited)
        old.qmp.cmd('quit')
        check_equal(old.wait_end(), 0, 'exit status')
    # The guest's own way out works where it has arrived.
    vm.say('quit')
    check_equal(vm.wait_end(), 1, 'exit status')


@test()
def moved_on_before_it_ran(t):
    """A destination that never started the guest passes on what it got."""
    args = dict(mem=64, config='mode=idle report=20')
    src = t.machine(name='src', **args)
    src.wait_line('^hb ')
    way = transport(t, 'unix')
    mid = t.machine('-incoming', way.incoming, '-S', name='mid', **args)
    go(src, way)
    wait_drained(src)
    beats = last_numbers(src)[0]
    way = Transport(*['unix:' + t.path('second.sock')] * 2)
    dst = t.machine('-incoming', way.incoming, '-S', name='dst', **args)
    go(mid, way)
    dst.qmp.cmd('cont')
    dst.serial.adopt(src.serial)
    t.reactor.wait(lambda: last_numbers(dst)[0] > beats + 200, 'heartbeats')
    check_lines(dst.serial.lines)


@test()
def moves_on_while_the_first_channel_is_open(t):
    """The loading thread reads until its peer closes, which here is the test
    itself: neither that nor the next migration may disturb the other."""
    first = start_pattern(t, mb=16)
    second = migrate_pattern(t, first, 'fd', name='second', before=unlimited)
    migrate_pattern(t, second, 'unix', name='third', before=unlimited)
    second.qmp.cmd('quit')
    check_equal(second.wait_end(), 0, 'exit status')


@test()
def serial_input_after_migration(t):
    src = start_pattern(t, mb=16)
    dst = migrate_pattern(t, src, 'unix', before=unlimited)
    mark = dst.mark()
    dst.say('stat')
    dst.wait_line('^stat cpu=0 ', mark)


@test()
def reset_after_migration(t):
    src = start_pattern(t, mb=16)
    dst = migrate_pattern(t, src, 'unix', before=unlimited)
    mark = dst.mark()
    dst.qmp.cmd('system_reset')
    dst.wait_line('^ready$', mark)
    dst.wait_line(r'^ok pass=\d+ cpu=0 fails=0$', mark)


@test()
def memory_backends(t):
    """Each kind of memory can be moved into each other."""
    kinds = ('ram,size=64M', 'memfd,size=64M,share=on',
             'file,size=64M,share=on,mem-path=' + t.path('ram'),
             'ram,size=64M,prealloc=on')
    vm = None
    for i, kind in enumerate(kinds):
        extra = ('-object', 'memory-backend-%s,id=pc.ram' % kind,
                 '-machine', 'memory-backend=pc.ram')
        if vm is None:
            vm = start_pattern(t, *extra, mb=16, name='vm0')
        else:
            vm = migrate_pattern(t, vm, 'unix', name='vm%d' % i, extra=extra,
                                 before=unlimited)


def one_capability(t, name):
    for state in (False, True):
        src = start_pattern(t, mb=32, name='src-%s' % state)

        def before(vm, _dst, on=state):
            unlimited(vm)
            set_capabilities(vm, **{name: on})
            caps = vm.qmp.cmd('query-migrate-capabilities')
            check_in({'capability': name, 'state': on}, caps, 'capabilities')
        migrate_pattern(t, src, 'tcp', name='dst-%s' % state, before=before)


OURS = 'a capability of Godwit'


@test(godwit_only=OURS)
def deferred_dirty_log_teardown(t):
    one_capability(t, 'deferred-dirty-log-teardown')


@test(godwit_only=OURS)
def avx2_zero_page(t):
    one_capability(t, 'avx2-zero-page')


@test(godwit_only=OURS)
def single_cpu_sync(t):
    one_capability(t, 'single-cpu-sync')


@test(godwit_only=OURS)
def all_three_off_by_global(t):
    off = []
    for name in CAPABILITIES:
        off += ['-global', 'migration.%s=off' % name]
    src = start_pattern(t, *off, mb=32, smp=2)
    caps = src.qmp.cmd('query-migrate-capabilities')
    for name in CAPABILITIES:
        check_in({'capability': name, 'state': False}, caps, 'capabilities')
    migrate_pattern(t, src, 'tcp', before=unlimited, extra=off)


@test(godwit_only=OURS)
def the_three_are_on_by_default(t):
    vm = t.machine('-S')
    caps = vm.qmp.cmd('query-migrate-capabilities')
    for name in CAPABILITIES:
        check_in({'capability': name, 'state': True}, caps, 'capabilities')


if __name__ == '__main__':
    main()
