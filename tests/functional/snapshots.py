# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a machine in its qcow2 images: a guest goes back in memory and
on its disk, which qemu-img finds nothing wrong with."""

import subprocess

from godwit.migration import (check_pattern_goes_on, last_numbers, refused,
                              start_pattern)
from godwit.tap import Skip, check, check_equal, check_in, main, test


def qemu_img(*args):
    try:
        return subprocess.run(['qemu-img', *args], check=True,
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE).stdout
    except FileNotFoundError as err:
        raise Skip('no qemu-img') from err


def disk(t, name='disk'):
    path = t.path(name)
    qemu_img('create', '-q', '-f', 'qcow2', path, '1M')
    return path, ['-drive', 'if=ide,id=hd,format=qcow2,file=' + path]


def check_runs(vm):
    """The guest, which may have gone back, checks its memory and its disk,
    and finds both as they were at one moment."""
    lines = vm.serial.lines
    del lines[:]

    def has_checked():
        return (sum(line.startswith('ok pass=') for line in lines) >= 2 and
                any(line.startswith('disk pass=') for line in lines))
    vm.reactor.wait(has_checked, 'two passes', 60)
    check_in('running', vm.qmp.hmp('info status'), 'status')
    for line in lines:
        check('FAIL' not in line and
              ('fails=' not in line or 'fails=0' in line), line)


def hmp(vm, line):
    check_equal(vm.qmp.hmp(line), '', line)


@test()
def back_and_on(t):
    path, drive = disk(t)
    vm = start_pattern(t, *drive, disk=8, mem=32, mb=2)
    hmp(vm, 'savevm one')
    check_pattern_goes_on(vm, last_numbers(vm), passes=3)
    hmp(vm, 'savevm two')
    check_in('one', vm.qmp.hmp('info snapshots'), 'list')
    check_in('two', vm.qmp.hmp('info snapshots'), 'list')
    for name in ('one', 'two', 'one'):
        hmp(vm, 'loadvm ' + name)
        check_runs(vm)
    vm.qmp.cmd('stop')
    hmp(vm, 'loadvm two')
    check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
    hmp(vm, 'delvm two')
    vm.qmp.cmd('cont')
    check_runs(vm)
    vm.qmp.cmd('quit')
    vm.wait_end()
    check_in('one', qemu_img('snapshot', '-l', path), 'snapshots')
    qemu_img('check', '-q', path)
    check_runs(t.machine('-loadvm', 'one', *drive, name='again',
                         **vm.pattern_args))


@test()
def loaded_by_half(t):
    """A snapshot that has a device more fails behind its memory: nobody
    starts what has come, and another snapshot makes it a machine again."""
    path, drive = disk(t)
    vm = start_pattern(t, *drive, disk=8, mem=32, mb=2)
    hmp(vm, 'savevm own')
    base = vm.pattern_args
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.machine(*drive, '-device', 'virtio-rng-pci', name='more', **base)
    hmp(vm, 'savevm more')
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.machine(*drive, name='less', **base)
    for command in ('', 'stop'):
        if command:
            vm.qmp.cmd(command)
        check_in('no such device here', vm.qmp.hmp('loadvm more'), 'loadvm')
        check_equal(vm.qmp.cmd('query-status')['status'], 'internal-error',
                    'status')
        check_in('Resetting the Virtual Machine is required',
                 refused(vm, 'cont').desc, 'cont')
        hmp(vm, 'loadvm own')
        check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
        vm.qmp.cmd('cont')
        check_runs(vm)
    vm.qmp.cmd('quit')
    vm.wait_end()
    qemu_img('check', '-q', path)


@test()
def errors(t):
    path, drive = disk(t)
    args = ['-machine', 'pc', '-m', '32', '-display', 'none', '-S']
    vm = t.launch(args + drive, serial=False)
    check_in('no snapshot available', vm.qmp.hmp('info snapshots'), 'list')
    check_in("'x' does not exist", vm.qmp.hmp('loadvm x'), 'loadvm')
    hmp(vm, 'delvm x')
    hmp(vm, 'savevm')
    check_in('vm-2', vm.qmp.hmp('info snapshots'), 'name')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')
    vm.qmp.cmd('quit')
    vm.wait_end()
    qemu_img('snapshot', '-c', 'disk-only', path)
    raw = ['-drive', 'driver=null-co,if=none,id=raw']
    vm = t.launch(args + drive, name='second', serial=False)
    check_in('disk-only snapshot', vm.qmp.hmp('loadvm disk-only'), 'loadvm')
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.launch(args + drive + raw, name='raw', serial=False)
    for line in ('savevm x', 'loadvm x', 'delvm x'):
        check_in("'raw' is writable but does not support snapshots",
                 vm.qmp.hmp(line), line)
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.launch(args, name='none', serial=False)
    check_in('no block device can store', vm.qmp.hmp('savevm x'), 'savevm')
    end = t.run_to_end(args + drive + ['-loadvm', 'x'])
    check_in("'x' does not exist", end.stderr, '-loadvm')


if __name__ == '__main__':
    main()
