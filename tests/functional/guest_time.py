# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's time goes on when it moves: no clock goes back, none stands still,
the rate stays, and the wall clock is right."""

import re
import time

from godwit.linux import Assets, Shell, linux_args, plain
from godwit.migration import (go, set_parameters, transport, wait_drained,
                              wait_running)
from godwit.peer import need_peer
from godwit.tap import check, check_equal, main, test

PM_HZ = 3579545
LINE = re.compile(r'clock mono=(\d+) pm=(\d+) real=(\d+) '
                  r'back=(\d+) tscback=(\d+)$')
RATE_PPM = 100
# A sleep of the watching program may end late on a busy host: what it sees of
# the PM timer's wrap-around limits how long it may be away.
AWAY_S = 4.5
LINES = 24


def clock_lines(vm):
    found = (LINE.search(plain(line)) for line in vm.serial.lines)
    return [tuple(map(int, match.groups())) for match in found if match]


def wait_lines(vm, count):
    vm.reactor.wait(lambda: len(clock_lines(vm)) >= count,
                    '%s: %d lines of the clock' % (vm.name, count), 200.0)
    return clock_lines(vm)


def check_rate(lines, what):
    """Of the guest's clock against the machine's."""
    (mono0, pm0, *_), (mono1, pm1, *_) = lines[0], lines[-1]
    machine = (pm1 - pm0) / PM_HZ
    ppm = ((mono1 - mono0) / 1e9 / machine - 1) * 1e6
    check(abs(ppm) <= RATE_PPM, '%s: clock is off by %.0f ppm over %.1f s'
          % (what, ppm, machine))


def check_clocks(lines, what):
    check_equal(lines[-1][3:], (0, 0), what + ': clocks that went back')
    check_rate(lines, what)


def wall_error(vm):
    """Seconds, of the last line that has come."""
    count = len(clock_lines(vm))
    lines = wait_lines(vm, count + 1)
    return lines[-1][2] / 1e9 - time.time()


def start(t, binary, smp, name, *extra):
    return t.launch(linux_args(Assets(), smp=smp, append='quiet') +
                    list(extra), name=name, binary=binary)


def move(t, shell, binary, smp, name):
    """One move under the watch; the shell is there afterwards."""
    src = shell.vm
    shell.start('linux-load clock 3600')
    before = wait_lines(src, LINES)
    check_clocks(before, src.name)
    error = wall_error(src)
    way = transport(t, 'tcp')
    dst = start(t, binary, smp, name, '-incoming', way.incoming)
    set_parameters(src, **{'max-bandwidth': 0})
    go(src, way, 200.0)
    wait_running(dst, 200.0)
    wait_drained(src)
    last = clock_lines(src)[-1]
    dst.serial.adopt(src.serial)
    after = wait_lines(dst, LINES)
    check_equal(after[-1][3:], (0, 0), name + ': clocks that went back')
    check_rate(after, name)
    check((after[0][1] - last[1]) / PM_HZ < AWAY_S,
          '%s: the guest stood still' % name)
    check_rate([last, after[-1]], 'across the move to ' + name)
    # It stands for the switch-over, and lines take their time to come.
    check(abs(wall_error(dst) - error) < AWAY_S, name + ': wall clock')
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    dst.say('\x03')  # ends the shell's whole line
    shell.vm = dst
    shell.wait_prompt()


def complaints(shell):
    status, lines = shell.run("dmesg | grep -iE 'unstable|stall|lockup|"
                              "clocksource.*skew'; echo end")
    check_equal(status, 0, 'status of dmesg')
    # On a busy host Linux can't read its two clocks at one time, says so, and
    # compares them another time.
    return [line for line in lines
            if '] ' in line and 'clock-skew test skipped' not in line]


def use_source(shell, name):
    status, _ = shell.run('echo %s > /sys/devices/system/clocksource/'
                          'clocksource0/current_clocksource' % name)
    check_equal(status, 0, 'choosing clock source ' + name)


def moves(t, binaries, smp, sources=('tsc',)):
    """Through the programs in order, with each clock source in turn."""
    shell = Shell(start(t, binaries[0], smp, 'vm0'))
    shell.wait_prompt()
    # Several CPUs without an invariant TSC are enough for some, at boot.
    before = complaints(shell)
    for number, binary in enumerate(binaries[1:]):
        use_source(shell, sources[number % len(sources)])
        move(t, shell, binary, smp, 'vm%d' % (number + 1))
    check_equal(complaints(shell), before, 'kernel complaints')


@test()
def from_peer_and_back(t):
    peer = need_peer()
    moves(t, (peer, None, peer), 1)


@test()
def two_cpus_from_godwit(t):
    peer = need_peer()
    moves(t, (None, peer, None), 2)


@test()
def each_source(t):
    moves(t, (None, None, None, None), 2, ('tsc', 'hpet', 'acpi_pm'))


if __name__ == '__main__':
    main()
