# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks: firmware starts what is on them, Linux uses them, and they move with
a migration.  Virtio, and AHCI with a CD-ROM."""

import os
import subprocess
import sys

from godwit.linux import (Assets, BOOT_TIMEOUT, Shell, accel, linux_args,
                          text_of, top_folder, wait_text)
from godwit.migration import go, set_parameters, transport, wait_running
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, check_in, main, test

sys.path.insert(0, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402

MODULES = ('virtio_ring', 'virtio', 'virtio_pci_legacy_dev',
           'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk')
AHCI_MODULES = ('crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft',
                't10-pi', 'scsi_common', 'scsi_mod', 'sd_mod', 'cdrom',
                'sr_mod', 'libata', 'libahci', 'ahci')
# Says by BIOS calls that it was started, and which drive it came from.
BOOT_SECTOR = bytes((
    0xb8, 0x40, 0x0e,           # mov ax, 0x0e40: teletype, '@'
    0x00, 0xd0,                 # add al, dl: '@' + 0x80 = 0xc0 for disk 0
    0x31, 0xdb,                 # xor bx, bx
    0x2c, 0x7f,                 # sub al, 0x7f: 'A' for disk 0
    0xcd, 0x10,                 # int 0x10
    0xbe, 0x1c, 0x7c,           # mov si, text
    0xac,                       # next: lodsb
    0x84, 0xc0,                 # test al, al
    0x74, 0x06,                 # jz end
    0xb4, 0x0e,                 # mov ah, 0x0e
    0xcd, 0x10,                 # int 0x10
    0xeb, 0xf5,                 # jmp next
    0xf4,                       # end: hlt
    0xeb, 0xfd,                 # jmp end
)) + b'=virtio disk\0'


LOAD = b'''#!/bin/sh
disk=/dev/$1
dd if=/dev/urandom of=/tmp/a bs=64k count=16 2>/dev/null
n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    at=$((n % 60 * 16))
    dd if=/tmp/a of=$disk bs=64k seek=$at conv=fsync 2>/dev/null ||
        echo write FAIL
    echo 3 >/proc/sys/vm/drop_caches
    dd if=$disk bs=64k skip=$at count=16 2>/dev/null | cmp - /tmp/a ||
        echo read FAIL
    echo round-$n
done
echo all-done
'''


def qemu_img(*args):
    subprocess.run(['qemu-img', *args], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


def boot_image(t, fmt):
    raw, path = t.path('boot.raw'), t.path('boot.' + fmt)
    with open(raw, 'wb') as f:
        f.write(BOOT_SECTOR.ljust(510, b'\0') + b'\x55\xaa')
        f.truncate(1 << 20)
    if fmt != 'raw':
        qemu_img('convert', '-c', '-f', 'raw', '-O', fmt, raw, path)
        return path
    return raw


def initrd(t, assets, modules):
    """The usual archive with the disk's modules behind it."""
    path = t.path('initrd')
    extra = Initramfs()
    extra.folder('modules')
    load = []
    for name in modules:
        with open(os.path.join(assets.folder, name + '.ko'), 'rb') as f:
            extra.file('modules/%s.ko' % name, f.read(), 0o644)
        load.append('insmod /modules/%s.ko' % name)
    extra.file('bin/load-disk', ('#!/bin/sh\n%s\n' %
                                 ' && '.join(load)).encode())
    extra.file('bin/disk-load', LOAD)
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read() + extra.bytes())
    return path


def linux(t, disk_args, *extra, name='linux', ahci=False):
    assets = Assets(network=True)
    argv = linux_args(assets)
    if ahci:  # the small kernel has no driver for it
        argv[argv.index('-kernel') + 1] = os.path.join(assets.folder,
                                                       'vmlinuz-generic')
    argv[argv.index('-initrd') + 1] = initrd(t, assets, AHCI_MODULES if ahci
                                             else MODULES)
    return t.launch(argv + disk_args + list(extra), name=name)


def qcow2_disk(t):
    path = t.path('disk.qcow2')
    qemu_img('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', path,
             '64M')
    return path, ['-blockdev', 'driver=file,node-name=f0,filename=' + path,
                  '-blockdev',
                  '{"driver":"qcow2","node-name":"q0","file":"f0",'
                  '"discard":"unmap"}',
                  '-device', 'virtio-blk-pci,drive=q0,id=vd,serial=s-1']


def check_image(path):
    qemu_img('check', '-q', '-f', 'qcow2', path)


@test()
def firmware(t):
    for fmt in ('raw', 'qcow2'):
        vm = t.launch(['-machine', 'pc', '-accel', accel(), '-m', '64',
                       '-nodefaults', '-nographic', '-drive',
                       'file=%s,format=%s,if=virtio' % (boot_image(t, fmt),
                                                       fmt)],
                      name='boot-' + fmt)
        wait_text(vm, 'A=virtio disk', BOOT_TIMEOUT)
        vm.qmp.cmd('quit')
        vm.wait_end()


@test()
def firmware_ahci(t):
    """Not from the first disk, but from the one with the lowest index."""
    empty = t.path('empty')
    qemu_img('create', '-q', '-f', 'raw', empty, '1M')
    vm = t.launch(['-machine', 'pc', '-accel', accel(), '-m', '64',
                   '-nodefaults', '-nographic',
                   '-device', 'ich9-ahci,id=ahci', *ahci_disk(empty, 0),
                   *ahci_disk(boot_image(t, 'raw'), 3, ',bootindex=1')],
                  name='boot-ahci')
    wait_text(vm, 'A=virtio disk', BOOT_TIMEOUT)
    vm.qmp.cmd('quit')
    vm.wait_end()


def scsi_disk(path, name, more=''):
    return ['-drive', 'file=%s,format=raw,if=none,id=%s' % (path, name),
            '-device', 'scsi-hd,drive=%s,bus=scsi.0%s' % (name, more)]


@test()
def firmware_scsi(t):
    """Not from the first unit, but from the one with the lowest index."""
    empty = t.path('empty')
    qemu_img('create', '-q', '-f', 'raw', empty, '1M')
    vm = t.launch(['-machine', 'pc', '-accel', accel(), '-m', '64',
                   '-nodefaults', '-nographic',
                   '-device', 'virtio-scsi-pci,id=scsi',
                   *scsi_disk(empty, 'd0'),
                   *scsi_disk(boot_image(t, 'raw'), 'd1',
                              ',scsi-id=3,lun=2,bootindex=1')],
                  name='boot-scsi')
    wait_text(vm, 'A=virtio disk', BOOT_TIMEOUT)
    vm.qmp.cmd('quit')
    vm.wait_end()


@test()
def snapshot(t):
    """What is written with -snapshot is gone, and can't move."""
    path = boot_image(t, 'raw')
    vm = t.launch(['-machine', 'pc', '-accel', accel(), '-m', '64',
                   '-nodefaults', '-nographic', '-snapshot', '-drive',
                   'file=%s,format=raw,if=virtio,id=d0' % path], name='temp')
    wait_text(vm, 'A=virtio disk', BOOT_TIMEOUT)
    drive = vm.qmp.cmd('query-block')[0]['inserted']
    check_equal(drive['drv'], 'qcow2', 'driver')
    check_equal(drive['backing_file'], path, 'backing file')
    check(not drive['ro'], 'the overlay can be written')
    try:
        vm.qmp.cmd('migrate', uri='exec:cat >/dev/null')
        check(False, 'migrate is refused')
    except QmpError as err:
        check_in("drive 'd0' has snapshot=on", err.desc, 'error')
    vm.qmp.cmd('quit')
    vm.wait_end()


@test()
def linux_writes(t):
    """What a guest writes, reads, discards and flushes."""
    path, args = qcow2_disk(t)
    vm = linux(t, args)
    shell = Shell(vm)
    shell.wait_prompt()
    check_equal(shell.run('load-disk')[0], 0, 'status of load-disk')
    _, lines = shell.run('cd /sys/block/vda; echo =$(cat size)=$(cat serial)='
                         '$(cat cache_type)=')
    check_in('=131072=s-1=write back=', lines, 'sysfs')
    for command in (
            'dd if=/dev/urandom of=/tmp/a bs=64k count=8',
            'dd if=/tmp/a of=/dev/vda bs=64k seek=3 conv=fsync',
            'echo 3 > /proc/sys/vm/drop_caches',
            'dd if=/dev/vda of=/tmp/b bs=64k skip=3 count=8',
            'cmp /tmp/a /tmp/b',
            'blkdiscard -o 4194304 -l 1048576 /dev/vda || true'):
        check_equal(shell.run(command)[0], 0, command)
    vm.say('poweroff -f')
    check_equal(vm.wait_end(BOOT_TIMEOUT), 0, 'exit status')
    check_image(path)


@test()
def moves_under_load(t):
    """A guest that writes and checks its disk moves twice, to a program that
    does its requests in a thread and back."""
    path, args = qcow2_disk(t)
    shell = Shell(linux(t, args, name='vm0'))
    thread = ['-object', 'iothread,id=io0', '-set', 'device.vd.iothread=io0']
    shell.wait_prompt()
    check_equal(shell.run('load-disk')[0], 0, 'status of load-disk')
    shell.vm.say('disk-load vda &')
    for number in (1, 2):
        src = shell.vm
        wait_text(src, r'round-\d*[1-9]', BOOT_TIMEOUT)
        way = transport(t, 'unix')
        dst = linux(t, args + thread, '-incoming', way.incoming,
                    name='vm%d' % number)
        thread = []
        set_parameters(src, max_bandwidth=0, downtime_limit=1000)
        go(src, way, BOOT_TIMEOUT)
        wait_running(dst, BOOT_TIMEOUT)
        dst.serial.adopt(src.serial)
        src.qmp.cmd('quit')
        src.wait_end()
        shell.vm = dst
        wait_text(dst, r'round-\d+', BOOT_TIMEOUT)
    shell.vm.say('touch /tmp/stop')
    wait_text(shell.vm, 'all-done', BOOT_TIMEOUT)
    for vm in t.machines:
        check('FAIL' not in text_of(vm), 'the guest read what it wrote')
    shell.vm.qmp.cmd('quit')
    shell.vm.wait_end()
    check_image(path)


def ahci_disk(path, port, more=''):
    return ['-drive', 'file=%s,format=raw,if=none,id=d%d' % (path, port),
            '-device', 'ide-hd,drive=d%d,bus=ahci.%d%s' % (port, port, more)]


def number_sectors(path, first, count):
    """A CD whose sectors begin with their numbers."""
    with open(path, 'wb') as f:
        for i in range(first, first + count):
            f.write((b'sector-%d\n' % i).ljust(2048, b'\0'))
    return path


@test()
def ahci_moves_under_load(t):
    """Linux writes and checks a disk by queued commands, reads a CD, and
    moves while it does."""
    disk = t.path('disk.raw')
    qemu_img('create', '-q', '-f', 'raw', disk, '64M')
    args = ['-device', 'ich9-ahci,id=ahci', *ahci_disk(disk, 0),
            '-drive', 'file=%s,format=raw,if=none,id=cd,media=cdrom' %
            number_sectors(t.path('cd.iso'), 0, 64),
            '-device', 'ide-cd,drive=cd,bus=ahci.1']
    shell = Shell(linux(t, args, name='ahci0', ahci=True))
    shell.wait_prompt()
    check_equal(shell.run('load-disk')[0], 0, 'status of load-disk')
    for device in ('sda', 'sr0'):
        command = 'while [ ! -b /dev/%s ]; do sleep 1; done' % device
        check_equal(shell.run(command)[0], 0, command)
    _, lines = shell.run('echo =$(cat /sys/block/sda/device/queue_depth)=')
    check_in('=32=', lines, 'depth of the queue')
    shell.vm.say('disk-load sda &')
    wait_text(shell.vm, r'round-\d+', BOOT_TIMEOUT)
    src = shell.vm
    way = transport(t, 'unix')
    dst = linux(t, args, '-incoming', way.incoming, name='ahci1', ahci=True)
    set_parameters(src, max_bandwidth=0, downtime_limit=1000)
    go(src, way, BOOT_TIMEOUT)
    wait_running(dst, BOOT_TIMEOUT)
    dst.serial.adopt(src.serial)
    src.qmp.cmd('quit')
    src.wait_end()
    wait_text(dst, r'round-\d+', BOOT_TIMEOUT)
    dst.say('dd if=/dev/sr0 bs=2048 skip=37 count=1; touch /tmp/stop')
    wait_text(dst, 'sector-37', BOOT_TIMEOUT)
    wait_text(dst, 'all-done', BOOT_TIMEOUT)
    for vm in t.machines:
        text = text_of(vm)
        check('FAIL' not in text, 'the guest read what it wrote')
        check('failed command' not in text, 'no command failed')
    dst.qmp.cmd('quit')
    dst.wait_end()


@test()
def refused(t):
    """One line for what can't be."""
    path, _ = qcow2_disk(t)
    for words, message in (
            (['-device', 'virtio-blk-pci,drive=none'], "can't find value"),
            (['-device', 'virtio-blk-pci'], 'drive property not set'),
            (['-drive', 'if=none,id=d0,file=' + path, '-device',
              'virtio-blk-pci,drive=d0,num-queues=0'], 'larger than 0'),
            (['-drive', 'if=none,id=d0,file=' + path, '-device',
              'virtio-blk-pci,drive=d0,logical_block_size=1000'],
             'logical_block_size')):
        vm = t.run_to_end(['-machine', 'pc', '-nodefaults', '-display',
                           'none', *words])
        check_equal(vm.status, 1, 'exit status')
        check_in(message, '\n'.join(vm.error_lines()), 'message')


if __name__ == '__main__':
    main()
