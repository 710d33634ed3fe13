#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Linux guest says which of its pages are free: they aren't sent, what it
uses is, and it has its memory back where it arrives. To a Godwit, and from
there to the peer, if that is here."""

import os
import sys

from godwit.linux import Assets, BOOT_TIMEOUT, Shell, linux_args, top_folder
from godwit.migration import (go, set_parameters, transport, wait_drained,
                              wait_running)
from godwit.peer import need_peer
from godwit.tap import Skip, check, check_equal, main, test

sys.path.insert(0, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402

MODULES = ('virtio_ring', 'virtio', 'virtio_pci_legacy_dev',
           'virtio_pci_modern_dev', 'virtio_pci', 'virtio_balloon')
BALLOON = ('-object', 'iothread,id=io1', '-device',
           'virtio-balloon-pci,free-page-hint=on,iothread=io1,addr=5')
USED, FREED = 16, 112  # MiB; the kernel and its archive are some 80 more


def initrd(t, assets):
    """The usual archive with the balloon's modules behind it."""
    extra = Initramfs()
    extra.folder('modules')
    load = ['#!/bin/sh']
    for name in MODULES:
        with open(os.path.join(assets.folder, name + '.ko'), 'rb') as f:
            extra.file('modules/%s.ko' % name, f.read(), 0o644)
        load.append('insmod /modules/%s.ko || exit 1' % name)
    extra.file('bin/load-balloon', ('\n'.join(load) + '\n').encode())
    path = t.path('initrd')
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read() + extra.bytes())
    return path


def boot_vm(t, name, *extra, binary=None):
    assets = Assets(network=True)
    argv = linux_args(assets, append='quiet')
    argv[argv.index('-initrd') + 1] = initrd(t, assets)
    return t.launch(argv + [*BALLOON, *extra], name=name, binary=binary)


def run(shell, command):
    status, lines = shell.run(command, BOOT_TIMEOUT)
    check_equal(status, 0, 'status of ' + command)
    return lines


def fill(shell, name):
    """FREED MiB in memory, without zero pages."""
    run(shell, 'for i in $(seq %d); do cat /tmp/used; done > /tmp/%s' %
        (FREED // USED, name))


def checksum(shell):
    return [line for line in run(shell, 'sha256sum /tmp/used')
            if line.endswith('  /tmp/used')]


def move(t, shell, binary, number):
    """The bytes that were sent."""
    src, way = shell.vm, transport(t, 'tcp')
    dst = boot_vm(t, 'vm%d' % number, '-incoming', way.incoming, binary=binary)
    # So slow that the guest answers before much is sent.
    set_parameters(src, max_bandwidth=64 << 20, downtime_limit=1000)
    info = go(src, way, BOOT_TIMEOUT)
    wait_running(dst, BOOT_TIMEOUT)
    wait_drained(src)
    dst.serial.adopt(src.serial)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    shell.vm = dst
    return info['ram']['transferred']


def destinations():
    """Only Godwit asks here: a 7.2 that asks loses pages that are in use, also
    among its like (docs/devices.md)."""
    try:
        return (None, need_peer())
    except Skip:
        return (None,)


@test()
def free_pages_are_not_sent(t):
    shell = Shell(boot_vm(t, 'vm0'))
    shell.wait_prompt()
    run(shell, 'load-balloon')
    run(shell, 'mount -o remount,size=90% /tmp')
    run(shell, 'dd if=/dev/urandom of=/tmp/used bs=1M count=%d' % USED)
    used = checksum(shell)
    for number, binary in enumerate(destinations(), 1):
        fill(shell, 'freed')
        run(shell, 'rm /tmp/freed')
        sent = move(t, shell, binary, number)
        t.note('move %d: %d bytes' % (number, sent))
        check(sent > USED << 20, '%d bytes sent' % sent)
        check(sent < (FREED + 48) << 20, '%d bytes sent' % sent)
        check_equal(checksum(shell), used, 'what is used')
    # What was free is the guest's to use: the balloon has given all back.
    fill(shell, 'again')
    lines = run(shell, "dmesg | grep -E 'BUG|WARNING|Oops|Out of memory'; "
                'echo searched')
    check_equal([line for line in lines if '] ' in line], [], 'complaints')
    shell.vm.say('poweroff -f')
    check_equal(shell.vm.wait_end(BOOT_TIMEOUT), 0, 'exit status')


if __name__ == '__main__':
    main()
