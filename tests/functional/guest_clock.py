# SPDX-License-Identifier: GPL-2.0-or-later
"""Under KVM, TSC, KVM's clock and the wall clock go on when a guest moves: none
goes back or jumps, the rates stay, and the wall clock is right."""

import re
import statistics
import time

from godwit.migration import go, transport, wait_drained, wait_running
from godwit.peer import need_peer
from godwit.tap import check, check_equal, main, test

LINE = re.compile(r'clock tsc=(\d+) kvm=(\d+) wall=(\d+) hpet=(\d+) '
                  r'back=(\d+)$')
PERIOD = re.compile(r'hpet_fs=(\d+)')
RATE_PPM = 100
LINES = 16
# The clock that stands still while a machine does against KVM's: what a
# switch-over takes, with room for a host that is busy with others.
JUMP_S = 0.5
# Of the host's wall clock, as seen when a line arrives.
WALL_S = 3.0


class Reading:
    """All clocks in seconds, at one moment; the TSC in cycles."""

    def __init__(self, match, period_fs):
        self.tsc, kvm, wall, hpet, self.back = map(int, match.groups())
        self.kvm = kvm / 1e9
        self.wall = wall / 1e9
        self.hpet = hpet * period_fs / 1e15


def found(vm, pattern):
    return int(next(m for m in map(pattern.search, vm.serial.lines) if m)[1])


def readings(vm, period):
    return [Reading(m, period)
            for m in map(LINE.search, vm.serial.lines) if m]


def wait_readings(vm, period, count):
    vm.reactor.wait(lambda: len(readings(vm, period)) >= count,
                    '%s: %d readings' % (vm.name, count), 120)
    return readings(vm, period)


def rate(seen, clock):
    """Per second of the HPET; the median of many pairs, as readings on a busy
    host are late now and then."""
    half = len(seen) // 2
    return statistics.median(
        (getattr(b, clock) - getattr(a, clock)) / (b.hpet - a.hpet)
        for a, b in zip(seen, seen[half:]))


def check_rate(vm, seen, clock, wanted):
    ppm = (rate(seen, clock) / wanted - 1) * 1e6
    check(abs(ppm) <= RATE_PPM, '%s: %s is off by %.0f ppm' % (
        vm.name, clock, ppm))


def check_place(vm, period):
    """What the clocks say while the guest is at one place."""
    seen = wait_readings(vm, period, LINES)
    now = time.time()
    check_rate(vm, seen, 'kvm', 1)
    check(abs(seen[-1].wall - now) <= WALL_S, '%s: wall clock off by %.1f s' % (
        vm.name, seen[-1].wall - now))
    check_equal(seen[-1].back, 0, '%s: clocks that went back' % vm.name)
    return seen


def moves(t, binaries, smp=1):
    extra = ('-cpu', 'host,-arch-capabilities')
    config = 'mode=clock report=400'
    vm = t.machine(*extra, name='vm0', binary=binaries[0], smp=smp,
                   config=config)
    vm.wait_line('hpet_fs=')
    period = found(vm, PERIOD)
    before = check_place(vm, period)
    hz = rate(before, 'tsc')
    for i, binary in enumerate(binaries[1:]):
        way = transport(t, 'tcp')
        dst = t.machine(*extra, '-incoming', way.incoming,
                        name='vm%d' % (i + 1), binary=binary, smp=smp,
                        config=config)
        go(vm, way)
        wait_running(dst)
        wait_drained(vm)
        vm.qmp.cmd('quit')
        vm.wait_end()
        after = check_place(dst, period)
        check_rate(dst, after, 'tsc', hz)
        for clock, unit in (('tsc', hz), ('kvm', 1)):
            jump = ((getattr(after[0], clock) - getattr(before[-1], clock)) /
                    unit - (after[0].hpet - before[-1].hpet))
            check(abs(jump) <= JUMP_S, '%s: %s jumped by %.3f s' % (
                dst.name, clock, jump))
        vm, before = dst, after


@test(needs_kvm=True)
def godwit_to_godwit(t):
    moves(t, (None, None))


@test(needs_kvm=True)
def two_cpus(t):
    moves(t, (None, None), smp=2)


@test(needs_kvm=True)
def to_the_peer_and_back(t):
    moves(t, (None, need_peer(), None))


if __name__ == '__main__':
    main()
