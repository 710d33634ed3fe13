# SPDX-License-Identifier: GPL-2.0-or-later
"""memtest86+ tests 64 MiB of guest RAM and finds no error, while the guest
moves between processes, too."""

import re

from godwit.linux import Assets, machine_args, text_of, wait_text
from godwit.migration import (go, set_parameters, transport, wait_drained,
                              wait_running)
from godwit.tap import check, check_equal, main, slow, test

TIMEOUT = 600.0
MEM = 64
# The screen is repainted where it has changed: what is painted last holds.
STATE = re.compile(r'Pass: +(\d+) +Errors: +(\d+)')
TEST_NUMBER = re.compile(r'#(\d+) +\[')


def args():
    return machine_args('pc', MEM) + ['-kernel', Assets().memtest,
                                      '-append', 'console=ttyS0']


def check_state(vm, wanted_pass=None):
    """No errors so far; the number of passes that are complete."""
    shown = STATE.findall(text_of(vm))
    for _, errors in shown:
        check_equal(errors, '0', 'errors memtest86+ has found')
    done = max((int(number) for number, _ in shown), default=0)
    if wanted_pass is not None:
        check(done >= wanted_pass, '%d passes' % done)
    return done


def wait_tests(vm, count, timeout=TIMEOUT):
    """Until `count` of its tests have been begun, all without errors."""
    def ask():
        check_state(vm)
        return len(set(TEST_NUMBER.findall(text_of(vm)))) >= count
    vm.reactor.wait(ask, '%d tests of memtest86+' % count, timeout)


def wait_pass(vm, count):
    vm.reactor.wait(lambda: check_state(vm) >= count,
                    '%d passes of memtest86+' % count, TIMEOUT)


def begin(t):
    vm = t.launch(args(), name='vm0')
    wait_text(vm, r'Memtest86\+ v\d', TIMEOUT)
    wait_text(vm, r'Errors: +0', TIMEOUT)
    return vm


def migrate(t, src, number):
    way = transport(t, 'unix')
    dst = t.launch(args() + ['-incoming', way.incoming],
                   name='vm%d' % number)
    # It dirties memory as fast as it can, so this is what ends a migration.
    set_parameters(src, max_bandwidth=0, downtime_limit=10000)
    go(src, way)
    wait_running(dst)
    wait_drained(src)
    check_state(src)
    dst.serial.adopt(src.serial)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    return dst


@test()
def first_tests(t):
    vm = begin(t)
    wait_tests(vm, 2)
    vm = migrate(t, vm, 1)
    mark = len(text_of(vm))
    # Testing goes on: the time and the patterns are repainted.
    wait_text(vm, r'Errors: +0', TIMEOUT, mark)
    check_state(vm)


@slow()
def full_pass(t):
    vm = begin(t)
    wait_pass(vm, 1)
    wait_text(vm, r'Pass: +1 +Errors: +0', TIMEOUT)


@slow()
def full_pass_while_it_moves(t):
    """Ten moves, one each time that another test has begun."""
    vm = begin(t)
    for number in range(1, 11):
        # Each machine has its own text: this is a test begun on this one.
        wait_text(vm, TEST_NUMBER.pattern, TIMEOUT)
        vm = migrate(t, vm, number)
    wait_pass(vm, 1)
    wait_text(vm, r'Pass: +1 +Errors: +0', TIMEOUT)


if __name__ == '__main__':
    main()
