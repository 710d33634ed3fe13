# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that no hardware runs: -accel tcg, whatever the host has."""

import os
import socket

from godwit.analyze import analyze_file
from godwit.host import without_kvm
from godwit.migration import (check_lines, check_pattern_goes_on,
                              last_numbers, migrate_pattern, set_parameters,
                              start_pattern, status, wait_status)
from godwit.rom import NMI_CODE, rom_args, write_rom
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        test)

ACCEL = 'tcg'


def boot(t, smp, config='mode=idle', accel=ACCEL):
    vm = t.machine(machine='microvm', smp=smp, config=config, accel=accel)
    vm.wait_line(r'^godwit-guest mode=\w+ cpus=%d ' % smp)
    vm.wait_line('^ready$')
    vm.wait_line(r'^hb \d+ \d+$')
    mark = vm.mark()
    vm.say('stat')
    for cpu in range(smp):
        vm.wait_line(r'^stat cpu=%d ' % cpu, mark)
    check_lines(vm.serial.lines)
    vm.say('quit')
    check_equal(vm.wait_end(), 1, 'exit status')


@test()
def boots(t):
    boot(t, 1)


@test()
def boots_with_four_cpus(t):
    boot(t, 4, 'mode=poll')


@test()
def one_cpu_at_a_time(t):
    boot(t, 3, 'mode=poll', accel='tcg,thread=single')


@test()
def firmware_waits_for_cpus(t):
    """SeaBIOS' CPUs wait for each other with a lock that is free for two
    instructions at a time, one of which is PAUSE."""
    path = t.path('debug')
    t.launch(['-machine', 'pc', '-accel', 'tcg,thread=single', '-smp', '3',
              '-nodefaults', '-display', 'none',
              '-chardev', 'file,id=debug,path=' + path,
              '-device', 'isa-debugcon,iobase=0x402,chardev=debug'])

    def text():
        with open(path, encoding='ascii', errors='replace') as f:
            return f.read()
    t.reactor.poll(lambda: 'Found 3 cpu(s)' in text(), 'count of CPUs')


@test()
def memory_keeps_what_four_cpus_write(t):
    vm = start_pattern(t, machine='microvm', smp=4, mem=128, mb=32, rate=0,
                       accel=ACCEL)
    check_pattern_goes_on(vm, last_numbers(vm))


@test()
def cpus_save_the_same_time(t):
    """Nobody wrote a time stamp counter: all count from the same moment, and
    have to do so on the other side, too."""
    src = t.machine(machine='microvm', smp=4, config='mode=poll', accel=ACCEL)
    src.wait_line(r'^hb \d+')
    path = t.path('mig.stream')
    src.qmp.cmd('migrate', uri='exec:cat >' + path)
    wait_status(src, 'completed')
    stream = analyze_file(path).result
    times = {name: section['fields']['env.tsc']
             for name, section in stream.items() if name.startswith('cpu (')}
    check_equal(len(times), 4, 'counters in %r' % times)
    check_equal(len(set(times.values())), 1, 'different times in %r' % times)


@test()
def resets(t):
    vm = t.machine(machine='microvm', smp=4, config='mode=poll', accel=ACCEL)
    for guest in (False, True):
        vm.wait_line(r'^hb \d+')
        mark = vm.mark()
        if guest:
            vm.say('reset')
        else:
            vm.qmp.cmd('system_reset')
        vm.qmp.wait_event('RESET', lambda e, g=guest: e['data']['guest'] == g)
        vm.wait_line(r'^godwit-guest mode=poll cpus=4 ', mark)
        vm.wait_line('^ready$', mark)
        vm.wait_line(r'^hb \d+', mark)


# Version, then size of RAM, by the port at which a device reads and changes
# all registers; says 1 at port 0xf4 if EAX is what the first one leaves, and
# EBX what the second does.
VMPORT_CODE = ('66b868584d56 66b90a000000 ba5856 66ed '
               '6689c5 66b868584d56 66b914000000 6631db 66ed '
               '6681fb77110000 0f94c0 6683fd06 0f94c4 20e0 e6f4 f4')


@test()
def device_changes_registers_twice(t):
    write_rom(t.path('rom'), VMPORT_CODE)
    vm = t.run_to_end(rom_args(t.path('rom')))
    check_equal(vm.status, 3, 'exit status')


@test()
def nmi_moves(t):
    """It comes when the vCPU has stopped and its state is known already."""
    write_rom(t.path('rom'), NMI_CODE)
    args = rom_args(t.path('rom'))
    src = t.launch(args, name='src')
    src.wait_line('^R$')
    src.qmp.cmd('stop')
    src.qmp.cmd('human-monitor-command', **{'command-line': 'info registers'})
    src.qmp.cmd('inject-nmi')
    src.qmp.cmd('migrate', uri='exec:cat >' + t.path('mig.stream'))
    wait_status(src, 'completed')
    dst = t.launch(args + ['-incoming', 'exec:cat ' + t.path('mig.stream')],
                   name='dst')
    wait_status(dst, 'completed')
    dst.qmp.send('cont')
    check_equal(dst.wait_end(), 3, 'exit status')


@test(godwit_only='the peer loses it')
def nmi_waits_for_the_guest(t):
    """One that comes while the destination is still loading."""
    write_rom(t.path('rom'), NMI_CODE)
    args = rom_args(t.path('rom'))
    src = t.launch(args, name='src')
    src.wait_line('^R$')
    src.qmp.cmd('stop')
    src.qmp.cmd('migrate', uri='exec:cat >' + t.path('mig.stream'))
    wait_status(src, 'completed')
    with open(t.path('mig.stream'), 'rb') as f:
        stream = f.read()
    port = free_port()
    dst = t.launch(args + ['-incoming', 'tcp:127.0.0.1:%d' % port],
                   name='dst')
    with socket.create_connection(('127.0.0.1', port)) as sock:
        sock.sendall(stream[:8])
        t.reactor.poll(lambda: status(dst) == 'active', 'active')
        dst.qmp.cmd('inject-nmi')
        sock.sendall(stream[8:])
    wait_status(dst, 'completed')
    dst.qmp.send('cont')
    check_equal(dst.wait_end(), 3, 'exit status')


@test()
def no_reboot(t):
    vm = t.machine('-no-reboot', machine='microvm', accel=ACCEL)
    vm.wait_line(r'^hb \d+')
    vm.say('reset')
    vm.qmp.wait_event('SHUTDOWN', lambda e: e['data']['guest'])
    check_equal(vm.wait_end(), 0, 'exit status')


@test()
def stops_and_goes_on(t):
    vm = t.machine(machine='microvm', smp=2, config='mode=poll report=20',
                   accel=ACCEL)
    vm.wait_line(r'^hb \d+')
    for _ in range(5):
        vm.qmp.cmd('stop')
        regs = [vm.qmp.cmd('human-monitor-command',
                           **{'command-line': 'info registers -a'})
                for _ in range(2)]
        check_in('RIP=', regs[0], 'registers')
        check_equal(regs[0], regs[1], 'registers of a stopped machine')
        before = last_numbers(vm)[0]
        vm.qmp.cmd('cont')
        t.reactor.wait(lambda n=before: last_numbers(vm)[0] > n, 'heartbeat')
    check_lines(vm.serial.lines)


def unlimited(src, _dst=None):
    set_parameters(src, max_bandwidth=0, downtime_limit=2000)


@test()
def migrates_under_load(t):
    src = start_pattern(t, machine='microvm', accel=ACCEL)
    migrate_pattern(t, src, 'tcp', before=unlimited)


@test(needs_kvm=True)
def arrives_with_kvm(t):
    """There is a kvmclock then, of which the stream has nothing."""
    src = t.machine(machine='pc', accel=ACCEL)
    src.wait_line('^ready$')
    path = t.path('mig.stream')
    src.qmp.cmd('migrate', uri='exec:cat >' + path)
    wait_status(src, 'completed')
    dst = t.machine('-S', '-incoming', 'exec:cat ' + path, name='dst',
                    machine='pc', accel='kvm')
    t.reactor.poll(
        lambda: dst.qmp.cmd('query-status')['status'] == 'paused', 'paused')


@test()
def migrates_four_cpus_under_load(t):
    src = start_pattern(t, machine='microvm', smp=4, mem=128, mb=32,
                        accel=ACCEL)
    migrate_pattern(t, src, 'unix', before=unlimited)


@test()
def takes_the_place_of_kvm(t):
    """With no accelerator asked for, and no KVM there."""
    args = t.base_args(machine='microvm')
    at = args.index('-accel')
    del args[at:at + 2]
    wrapper = ()
    if os.path.exists('/dev/kvm'):
        wrapper, reason = without_kvm()
        if not wrapper:
            raise Skip(reason)
    vm = t.launch(args, wrapper=wrapper)
    vm.wait_line(r'^hb \d+')
    check_equal(vm.qmp.cmd('query-kvm')['enabled'], False, 'KVM')
    check_in('falling back to tcg', vm.stderr, 'message')


@test()
def interprets_all(t):
    vm = t.launch(t.base_args(machine='microvm', accel='tcg,x-jit=off'))
    vm.wait_line(r'^hb \d+')


@test()
def refuses_what_it_lacks(t):
    for accel, word in (('tcg,thread=many', 'many'),
                        ('tcg,one-insn-per-tb=on', 'one-insn-per-tb'),
                        ('tcg,x-jit=maybe', 'x-jit'),
                        ('tcg,tb-size=1000000', 'tb-size')):
        vm = t.run_to_end(['-machine', 'none', '-accel', accel, '-display',
                           'none'])
        check(vm.proc.returncode != 0, accel + ' is taken')
        check_in(word, vm.stderr, 'message')
    vm = t.run_to_end(t.base_args(machine='microvm', accel=ACCEL) +
                      ['-cpu', 'qemu64,+svm,enforce'])
    check(vm.proc.returncode != 0, 'SVM is taken')
    check_in('svm', vm.stderr, 'message')


if __name__ == '__main__':
    main()
