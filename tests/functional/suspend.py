# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux sleeps with its memory kept (ACPI S3), moves, and wakes up."""

from godwit.linux import Assets, BOOT_TIMEOUT, Shell, linux_args, wait_text
from godwit.migration import go, transport
from godwit.tap import check, check_equal, main, test

SLEEP = 'echo mem > /sys/power/state'
APPEND = 'quiet no_console_suspend'


def sleep(shell, command):
    shell.vm.say(command + '; echo "back: $?"')
    shell.vm.qmp.wait_event('SUSPEND', timeout=BOOT_TIMEOUT)


def wait_back(shell, mark):
    wait_text(shell.vm, r'back: 0\b', BOOT_TIMEOUT, mark)


def text_length(vm):
    return len('\n'.join([*vm.serial.lines, vm.serial.rest]))


@test()
def resume(t):
    """Suspended, moved, woken by the user, and then by the clock's alarm."""
    way = transport(t, 'unix')
    args = linux_args(Assets(), append=APPEND, smp=2)
    src = t.launch(args, name='src')
    shell = Shell(src)
    shell.wait_prompt()
    check_equal(shell.run('echo deep > /sys/power/mem_sleep')[0], 0,
                'the tables offer S3')
    check_equal(shell.run('echo kept > /tmp/file')[0], 0, 'write a file')

    sleep(shell, SLEEP)
    check_equal(src.qmp.cmd('query-status')['status'], 'suspended', 'status')
    dst = t.launch(args + ['-incoming', way.incoming], name='dst',
                   pass_fds=way.pass_fds)
    go(src, way, BOOT_TIMEOUT)
    dst.serial.adopt(src.serial)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    shell.vm = dst
    dst.reactor.wait(
        lambda: dst.qmp.cmd('query-status')['status'] == 'suspended',
        'dst: suspended', BOOT_TIMEOUT)
    dst.qmp.cmd('system_wakeup')
    dst.qmp.wait_event('WAKEUP', timeout=BOOT_TIMEOUT)
    wait_back(shell, 0)
    check_equal(shell.run('grep kept /tmp/file')[0], 0, 'memory is kept')

    mark = text_length(dst)
    sleep(shell, 'echo +5 > /sys/class/rtc/rtc0/wakealarm && ' + SLEEP)
    dst.qmp.wait_event('WAKEUP', timeout=BOOT_TIMEOUT)
    wait_back(shell, mark)
    status, lines = shell.run('cat /tmp/file; nproc')
    check_equal(status, 0, 'the shell goes on')
    check('2' in lines, 'both CPUs are back: %r' % lines)


if __name__ == '__main__':
    main()
