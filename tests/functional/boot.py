# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest boots, on every machine type and in every form."""

import socket

from godwit.migration import check_lines, last_numbers
from godwit.tap import check, check_equal, check_in, main, test


def boot_and_quit(vm, cpus=1):
    vm.wait_line(r'^godwit-guest mode=\w+ cpus=%d ' % cpus)
    vm.wait_line('^ready$')
    vm.wait_line(r'^hb \d+ \d+$')
    mark = vm.mark()
    vm.say('stat')
    for cpu in range(cpus):
        vm.wait_line(r'^stat cpu=%d ' % cpu, mark)
    check_lines(vm.serial.lines)
    vm.say('quit')
    # isa-debug-exit: (value << 1) | 1
    check_equal(vm.wait_end(), 1, 'exit status')


@test()
def pc_rom(t):
    boot_and_quit(t.machine(config='mode=idle'))


@test()
def pc_rom_poll(t):
    boot_and_quit(t.machine(config='mode=poll'))


@test()
def pc_rom_smp(t):
    boot_and_quit(t.machine(smp=3, config='mode=idle'), cpus=3)


@test()
def q35_rom(t):
    boot_and_quit(t.machine(machine='q35', config='mode=idle'))


@test()
def q35_rom_smp(t):
    boot_and_quit(t.machine(machine='q35', smp=3,
                            config='mode=poll'), cpus=3)


@test()
def microvm_pvh(t):
    boot_and_quit(t.machine(machine='microvm', config='mode=idle'))


@test()
def microvm_pvh_smp(t):
    boot_and_quit(t.machine(machine='microvm', smp=2, config='mode=poll'),
                  cpus=2)


@test()
def timer_keeps_ticking(t):
    vm = t.machine(config='mode=idle hz=200 report=50')
    for _ in range(10):
        before = last_numbers(vm)[0]
        t.reactor.wait(lambda n=before: last_numbers(vm)[0] > n, 'heartbeat')
    check_lines(vm.serial.lines)


@test()
def memory_above_4g(t):
    # The range lies on both sides of the hole: with more than 3.5 GiB,
    # this machine type has 3 GiB below 4 GiB.
    vm = t.machine(mem=5120, smp=2,
                   config='mode=pattern start=3064 mb=16 report=20')
    vm.wait_line(r'^godwit-guest .* ram=5120 ')
    for cpu in range(2):
        vm.wait_line(r'^ok pass=\d\d+ cpu=%d ' % cpu)
    check_lines(vm.serial.lines)


@test()
def debug_console(t):
    path = t.path('debug')
    vm = t.machine('-chardev', 'file,id=dbg,path=' + path,
                   '-device', 'isa-debugcon,iobase=0x402,chardev=dbg')
    vm.wait_line(r'^hb \d+ \d+$')
    vm.say('quit')
    vm.wait_end()
    with open(path, encoding='ascii') as f:
        text = f.read()
    check_equal(text.split('\n')[0], vm.serial.lines[0], 'first line')
    check_in('\nready\n', text, 'debug console')


@test()
def guest_resets_itself(t):
    vm = t.machine(config='mode=idle')
    vm.wait_line(r'^hb \d+')
    mark = vm.mark()
    vm.say('reset')
    vm.qmp.wait_event('RESET', lambda e: e['data']['guest'])
    vm.wait_line('^ready$', mark)
    vm.wait_line(r'^hb \d+', mark)


@test()
def system_reset(t):
    vm = t.machine(smp=2, config='mode=poll')
    vm.wait_line(r'^hb \d+')
    mark = vm.mark()
    vm.qmp.cmd('system_reset')
    vm.qmp.wait_event('RESET', lambda e: not e['data']['guest'])
    vm.wait_line('^ready$', mark)
    vm.wait_line(r'^hb \d+', mark)


@test()
def no_reboot(t):
    vm = t.machine('-no-reboot')
    vm.wait_line(r'^hb \d+')
    vm.say('reset')
    vm.qmp.wait_event('SHUTDOWN', lambda e: e['data']['guest'])
    check_equal(vm.wait_end(), 0, 'exit status')


@test()
def pattern_guest_notices_a_changed_byte(t):
    """The test of the tests: memory is changed behind the guest's back."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(t.path('qtest'))
    listener.listen(1)
    t.defer(listener.close)
    vm = t.machine('-qtest', 'unix:' + t.path('qtest'),
                   '-qtest-log', '/dev/null', qmp=False,
                   config='mode=pattern start=32 mb=8 report=20')
    sock, _ = listener.accept()
    t.defer(sock.close)
    vm.wait_line(r'^ok pass=\d+ cpu=0 fails=0$')
    check_lines(vm.serial.lines)
    sock.sendall(b'write 0x2345678 8 0x0123456789abcdef\n')
    vm.wait_line(r'^FAIL page=0x2345000 word=207 .* other data$')
    vm.wait_line(r'^ok pass=\d+ cpu=0 fails=1$', vm.mark())
    try:
        check_lines(vm.serial.lines)
    except AssertionError:
        return
    check(False, 'check_lines() lets FAIL pass')


if __name__ == '__main__':
    main()
