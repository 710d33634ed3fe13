# SPDX-License-Identifier: GPL-2.0-or-later
"""A busy Linux guest moves live between processes and notices nothing."""

import re

from godwit.linux import Assets, BOOT_TIMEOUT, Shell, linux_args, plain
from godwit.migration import (go, set_parameters, transport, wait_drained,
                              wait_running)
from godwit.tap import check, check_equal, check_in, main, slow, test

MIB = 16            # that each of two programs keeps checking
RATE = 6000         # pages a second it rewrites: 24 MiB/s
WORKERS = ('0', '1', 'shell')
LINE = re.compile(r'ok id=(\w+) pass=(\d+)(?: steps=(\d+) ms=(\d+) '
                  r'fails=(\d+))?$')


def progress(lines):
    """Last pass of each worker; checks that numbers only ever grow, and that
    no worker has found anything wrong."""
    passes, steps, times = {}, {}, {}
    for line in map(plain, lines):
        check('FAIL' not in line, 'guest says: ' + line)
        found = LINE.search(line)
        if not found:
            continue
        worker = found[1]
        check(int(found[2]) > passes.get(worker, 0),
              'pass went back: ' + line)
        passes[worker] = int(found[2])
        if found[3]:
            check(int(found[3]) > steps.get(worker, -1),
                  'steps went back: ' + line)
            check(int(found[4]) >= times.get(worker, 0),
                  'clock went back: ' + line)
            check_equal(found[5], '0', 'fails')
            steps[worker], times[worker] = int(found[3]), int(found[4])
    return passes


def wait_progress(vm, since, more=2):
    """Each worker has done that many passes more. The lines are those of
    this machine alone; numbers before it are in `since`."""
    def ask():
        now = progress(vm.serial.lines)
        return all(now.get(w, 0) >= since.get(w, 0) + more for w in WORKERS)
    vm.reactor.wait(ask, '%s: progress of %r' % (vm.name, WORKERS),
                    BOOT_TIMEOUT)
    return progress(vm.serial.lines)


def migrate(t, shell, kind, number, **kwargs):
    """One move; the shell is the destination's afterwards."""
    src = shell.vm
    way = transport(t, kind)
    dst = t.launch(linux_args(Assets(), **kwargs) + ['-incoming',
                                                     way.incoming],
                   name='vm%d' % number, pass_fds=way.pass_fds)
    set_parameters(src, max_bandwidth=0, downtime_limit=1000)
    info = go(src, way, BOOT_TIMEOUT)
    wait_running(dst, BOOT_TIMEOUT)
    wait_drained(src)
    dst.serial.adopt(src.serial)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    shell.vm = dst
    return info


def moves(t, count, machine='pc', smp=1, kinds=('tcp', 'unix', 'fd')):
    kwargs = dict(machine=machine, smp=smp)
    vm = t.launch(linux_args(Assets(), append='quiet', **kwargs), name='vm0')
    shell = Shell(vm)
    shell.wait_prompt()
    shell.vm.say('work.sh /tmp/work %d %d &' % (MIB, RATE))
    passes = wait_progress(vm, {})
    for number in range(1, count + 1):
        info = migrate(t, shell, kinds[number % len(kinds)], number,
                       append='quiet', **kwargs)
        # Sources print until they stop: their last lines count, too.
        src, dst = t.machines[-2], shell.vm
        passes = {**passes, **progress(src.serial.lines)}
        passes = {**passes, **wait_progress(dst, passes)}
        t.note('move %d: %d ms, downtime %d ms, passes %r' % (
            number, info['total-time'], info['downtime'], passes))
    finish(t, shell)


def finish(t, shell):
    """Stop the load, look at the whole text, and switch off."""
    vm = shell.vm
    # The shell itself has to wait: a child that ends interrupts whatever the
    # shell is just writing. Then busybox drops the character it was to echo,
    # and gives the error as the status of the next command.
    status, lines = shell.run('touch /tmp/work/stop; wait')
    check_equal(status, 0, 'status of wait')
    check_in('work stopped', lines, 'end of the load')
    status, lines = shell.run("dmesg | grep -E 'BUG|WARNING|Oops|"
                              "soft lockup|rcu.*stall'; echo end")
    check_equal(status, 0, 'status of dmesg')
    check_equal([line for line in lines if '] ' in line], [],
                'kernel complaints')
    whole = []
    for machine in t.machines:
        whole += machine.serial.lines
    check(progress(whole).keys() >= set(WORKERS), 'workers were there')
    vm.say('poweroff -f')
    check_equal(vm.wait_end(BOOT_TIMEOUT), 0, 'exit status')


@test()
def three_moves(t):
    moves(t, 3, smp=2)


@test()
def on_microvm(t):
    moves(t, 1, machine='microvm')


@slow()
def twenty_moves(t):
    moves(t, 20)


@slow()
def twenty_moves_smp(t):
    moves(t, 20, smp=4)


if __name__ == '__main__':
    main()
