# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel boots to a shell, computes what the host computes, reboots
and powers off."""

import hashlib
import os

from godwit.linux import (Assets, BOOT_TIMEOUT, Shell, boot_linux,
                          host_results, linux_args, results)
from godwit.tap import check, check_equal, check_in, main, slow, test


def power_off(shell):
    shell.vm.say('poweroff -f')
    check_equal(shell.vm.wait_end(BOOT_TIMEOUT), 0, 'exit status')


def check_cpus(shell, smp):
    status, lines = shell.run('nproc; grep -c ^processor /proc/cpuinfo')
    check_equal(status, 0, 'status of nproc')
    check_equal([line for line in lines if line.isdigit()],
                [str(smp), str(smp)], 'CPUs the guest sees')


def check_log(shell):
    """The kernel has met nothing it calls a bug."""
    _, lines = shell.run("dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|"
                         "soft lockup|rcu.*stall'; echo searched")
    found = [line for line in lines if '] ' in line]
    check_equal(found, [], 'kernel complaints')


def load(t, machine, smp):
    assets = Assets()
    want = host_results(t, assets)
    check_equal(sorted(want), ['blocks', 'copied', 'floating', 'maths',
                               'processes', 'shell', 'tree'], 'on the host')
    check(all(want.values()), 'no empty result: %r' % want)
    check_equal(want['copied'], want['tree'], 'copy on the host')
    shell = boot_linux(t, machine=machine, smp=smp)
    check_cpus(shell, smp)
    status, lines = shell.run('mkdir /tmp/load; load.sh /tmp/load', 300)
    check_equal(status, 0, 'status of load.sh')
    check_equal(results(lines), want, 'results')
    _, lines = shell.run('linux-load sha256 1')
    digest = hashlib.sha256(b'\1' + bytes((1 << 20) - 1)).hexdigest()
    check_in('check=' + digest[:16], ' '.join(lines), 'our own SHA-256')
    check_log(shell)
    power_off(shell)


@test()
def pc(t):
    load(t, 'pc', 1)


@test()
def pc_smp(t):
    load(t, 'pc', 4)


@slow()
def microvm(t):
    load(t, 'microvm', 1)


@test()
def microvm_smp(t):
    load(t, 'microvm', 4)


@test()
def file_from_the_host(t):
    """What the kernel unpacks is what was given, whatever its size."""
    assets = Assets()
    blob = os.urandom(3 * 1000 * 1000 + 1)
    path = t.path('initramfs')
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read())
        # A second archive behind the first, as the kernel permits.
        name = b'blob\0'
        head = b'070701' + b''.join(b'%08x' % n for n in (
            1, 0o100644, 0, 0, 1, 0, len(blob), 0, 0, 0, 0, len(name), 0))
        head += name
        out.write(head + bytes(-len(head) % 4) + blob + bytes(
            -len(blob) % 4))
    assets.initramfs = path
    shell = Shell(t.launch(linux_args(assets), name='linux'))
    shell.wait_prompt()
    _, lines = shell.run('sha256sum /blob')
    check_in(hashlib.sha256(blob).hexdigest(), ' '.join(lines), 'blob')
    power_off(shell)


@test()
def q35(t):
    """Functions on the root bus and behind a port; MMCONFIG is used."""
    shell = boot_linux(t, '-device', 'pcie-root-port,id=rp1,chassis=1,addr=2',
                       '-device', 'virtio-net-pci,addr=4',
                       '-device', 'virtio-net-pci,bus=rp1',
                       machine='q35', smp=2)
    check_cpus(shell, 2)
    _, lines = shell.run('ls /sys/bus/pci/devices')
    for name in ('0000:00:00.0', '0000:00:02.0', '0000:00:04.0',
                 '0000:00:1f.0', '0000:00:1f.3', '0000:01:00.0'):
        check_in(name, ' '.join(lines), 'PCI functions')
    # All 4 KiB of configuration space can be read only by MMCONFIG.
    _, lines = shell.run('wc -c < /sys/bus/pci/devices/0000:01:00.0/config')
    check_in('4096', lines, 'bytes of configuration space')
    check_log(shell)
    power_off(shell)


def reboot(t, machine):
    shell = boot_linux(t, machine=machine)
    vm = shell.vm
    _, lines = shell.run('echo here >/tmp/left; cat /tmp/left')
    check_in('here', lines, 'file before')
    mark = vm.mark()
    vm.say('reboot -f')
    vm.qmp.wait_event('RESET', lambda e: e['data']['guest'], BOOT_TIMEOUT)
    vm.wait_line('^godwit-linux cpus=1 ', mark, BOOT_TIMEOUT)
    shell.wait_prompt()
    status, _ = shell.run('cat /tmp/left')
    check_equal(status, 1, 'status of cat after the reboot')
    power_off(shell)


@test()
def pc_reboots(t):
    reboot(t, 'pc')


@slow()
def microvm_reboots(t):
    reboot(t, 'microvm')


@test()
def no_reboot(t):
    shell = boot_linux(t, '-no-reboot', smp=2)
    shell.vm.say('reboot -f')
    shell.vm.qmp.wait_event('SHUTDOWN', lambda e: e['data']['guest'],
                            BOOT_TIMEOUT)
    check_equal(shell.vm.wait_end(), 0, 'exit status')


@slow()
def system_reset(t):
    shell = boot_linux(t, smp=2)
    mark = shell.vm.mark()
    shell.vm.qmp.cmd('system_reset')
    shell.vm.wait_line('^godwit-linux cpus=2 ', mark, BOOT_TIMEOUT)
    shell.wait_prompt()
    power_off(shell)


@test()
def panic_ends_the_program(t):
    """Without an initramfs there is nothing to start: the kernel panics,
    reboots, and the program ends because it may not."""
    assets = Assets()
    args = linux_args(assets)
    at = args.index('-initrd')
    vm = t.launch(args[:at] + args[at + 2:] + ['-no-reboot'], name='linux')
    vm.wait_line('Kernel panic - not syncing', 0, BOOT_TIMEOUT)
    check_equal(vm.wait_end(BOOT_TIMEOUT), 0, 'exit status')


@slow()
def time_goes_on(t):
    """The guest's clocks agree, and follow the host's date."""
    shell = boot_linux(t, smp=2)
    status, lines = shell.run('a=$(date +%s); sleep 2; b=$(date +%s); '
                              'echo passed $((b-a))')
    check_equal(status, 0, 'status')
    passed = [int(line.split()[1]) for line in lines
              if line.startswith('passed ')]
    check(passed and 2 <= passed[0], 'sleep 2 took %r' % passed)
    power_off(shell)


if __name__ == '__main__':
    main()
