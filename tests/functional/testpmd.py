#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""DPDK inside a Linux guest: Debian's dpdk-testpmd drives two virtio-net cards
by DPDK's own driver, over vhost-user, with DPDK's vhost library at the other
end (l2gen). It forwards, and the guest moves while it does (--slow)."""

import os
import subprocess
import sys

from godwit.l2gen import L2gen, find_l2gen, phase
from godwit.linux import Assets, Shell, build_folder, linux_args, top_folder
from godwit.migration import transport, wait_drained, wait_running
from godwit.tap import Skip, check, check_equal, main, slow

sys.path.insert(0, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402

TESTPMD = '/usr/bin/dpdk-testpmd'
# What it loads by itself at its start: the bus, the driver, a mempool.
PLUGINS = ('bus_pci', 'net_virtio', 'mempool_ring')
MODULES = ('uio', 'uio_pci_generic')
CARDS = (('04.0', '52:54:00:12:34:56'), ('05.0', '54:54:00:12:34:56'))
MEM = 512       # MiB
HUGE_PAGES = 64     # of 2 MiB
RATE = 200      # frames per second each way: the guest's CPUs are software
FRAMES = 200    # that are to come back on each port
LOAD = '''#!/bin/sh
set -e
for m in %s; do insmod /modules/$m.ko; done
# The cards, to the driver for programs like this.
echo "1af4 $(cut -c3- /sys/bus/pci/devices/0000:00:04.0/device)" \\
    > /sys/bus/pci/drivers/uio_pci_generic/new_id
chmod 755 /   # DPDK minds
mkdir -p /dev/hugepages /var/run
mount -t hugetlbfs none /dev/hugepages
''' % ' '.join(MODULES)
# Its output isn't a terminal: what it says behind the line that is waited for
# stays in its buffer.
START = '''#!/bin/sh
tail -f /dev/null | /usr/bin/dpdk-testpmd -l 0-1 -m 64 --in-memory \\
    --no-telemetry -- --forward-mode=$1 --auto-start --total-num-mbufs=2048 \\
    > /tmp/testpmd 2>&1 &
i=0
until grep -q 'Checking link statuses' /tmp/testpmd; do
    kill -0 $! && [ $((i += 1)) -lt 3000 ] || { cat /tmp/testpmd; exit 1; }
    usleep 100000
done
'''


def needed(path):
    """Files of the libraries that a program is linked with."""
    out = subprocess.run(['ldd', path], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
    return [word for line in out.splitlines() for word in line.split()
            if word.startswith('/')]


def program_files():
    """What dpdk-testpmd is made of: full names."""
    if not os.path.exists(TESTPMD):
        raise Skip('no %s: scripts/install-deps --nfv' % TESTPMD)
    files = {TESTPMD, *needed(TESTPMD)}
    bus = next(f for f in files if '/librte_bus_pci.so.' in f)
    for name in PLUGINS:
        plugin = bus.replace('bus_pci', name)
        files |= {plugin, *needed(plugin)}
    return sorted(files)


def initrd(t, assets):
    """The usual archive with dpdk-testpmd behind it."""
    extra = Initramfs()
    folders = set()

    def add(name, content, mode=0o755):
        parts = name.strip('/').split('/')
        for i in range(1, len(parts)):
            folder = '/'.join(parts[:i])
            if folder not in folders:
                folders.add(folder)
                extra.folder(folder)
        extra.file(name.strip('/'), content, mode)

    for name in program_files():
        with open(name, 'rb') as f:
            add(name, f.read())
        plain, is_versioned, _ = name.partition('.so.')
        if is_versioned and plain.split('librte_')[-1] in PLUGINS:
            # It looks for names that end so.
            extra.symlink(plain.strip('/') + '.so', os.path.basename(name))
    for name in MODULES:
        with open(os.path.join(assets.folder, name + '.ko'), 'rb') as f:
            add('modules/%s.ko' % name, f.read(), 0o644)
    add('bin/load-driver', LOAD.encode())
    add('bin/start-testpmd', START.encode())
    path = t.path('initrd')
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read() + extra.bytes())
    return path


def boot_vm(t, archive, side, *extra):
    assets = Assets(network=True)
    # DPDK wants SSE4.2.
    argv = linux_args(assets, mem=MEM, smp=2,
                      append='hugepages=%d' % HUGE_PAGES) + ['-cpu', 'max']
    argv[argv.index('-initrd') + 1] = archive
    argv += ['-object', 'memory-backend-memfd,id=m,share=on,size=%dM' % MEM,
             '-machine', 'memory-backend=m']
    for i, (addr, mac) in enumerate(CARDS):
        argv += ['-chardev', 'socket,id=c%d,path=%s' % (
                     i, t.path('%s-%d' % (side, i))),
                 '-netdev', 'vhost-user,id=n%d,chardev=c%d' % (i, i),
                 # Its driver drops what it is to send while it announces.
                 '-device', 'virtio-net-pci,netdev=n%d,mac=%s,addr=%s,'
                 'guest_announce=off' % (i, mac, addr)]
    return t.launch(argv + list(extra), name=side)


def generator(t):
    binary = find_l2gen(build_folder())
    if not binary:
        raise Skip('no l2gen: it is built where libdpdk-dev is installed')
    l2gen = L2gen(t.reactor, binary, {
        side: [t.path('%s-%d' % (side, i)) for i in range(2)]
        for side in ('src', 'dst')}, '--sleep', '500')
    t.defer(l2gen.close)
    return l2gen


def wait_received(l2gen, vm, more):
    def counts():
        return [link['received'] for link in l2gen.report()['links']
                if link['vm'] == vm]
    start = counts()
    l2gen.reactor.poll(
        lambda: all(b - a >= more for a, b in zip(start, counts())),
        '%d frames from %s' % (more, vm), 120, every=0.2)


def check_all_came(l2gen):
    """Once and whole."""
    l2gen.cmd('rate 0')
    names = [p['name'] for p in l2gen.report()['phases']]

    def lost():
        report = l2gen.report()
        return sum(phase(report, name)['lost'] for name in names)
    l2gen.reactor.poll(lambda: lost() == 0, 'whole return of frames: %r' %
                       l2gen.report()['lost_ranges'], 120, every=0.2)
    report = l2gen.report()
    for name in names:
        for key in ('duplicates', 'corrupt', 'never_sent'):
            check_equal(phase(report, name)[key], 0, key)
    check(sum(phase(report, name)['sent'] for name in names) > 0, 'frames')


def start_testpmd(shell, mode):
    status, lines = shell.run('start-testpmd ' + mode)
    check_equal(status, 0, 'status of start-testpmd: %r' % lines)


def forward(l2gen, vm, size, frames):
    l2gen.cmd('size %d' % size)
    l2gen.cmd('rate %d' % RATE)
    wait_received(l2gen, vm, frames)


@slow()
def forwards_and_moves(t):
    """In each mode; the driver is left and taken up again between."""
    l2gen = generator(t)
    archive = initrd(t, Assets(network=True))
    shell = Shell(boot_vm(t, archive, 'src'))
    shell.wait_prompt()
    check_equal(shell.run('load-driver')[0], 0, 'status of load-driver')
    start_testpmd(shell, 'io')
    forward(l2gen, 'src', 64, FRAMES)
    check_all_came(l2gen)
    shell.run('killall dpdk-testpmd && while pidof dpdk-testpmd; do '
              'usleep 10000; done')
    start_testpmd(shell, 'macswap')
    for size in (64, 512, 1518):
        forward(l2gen, 'src', size, FRAMES // 4)
        check_all_came(l2gen)
    forward(l2gen, 'src', 64, FRAMES)
    src, way = shell.vm, transport(t, 'tcp')
    dst = boot_vm(t, archive, 'dst', '-incoming', way.incoming)
    src.qmp.cmd('migrate', uri=way.outgoing)
    wait_running(dst, 120)
    wait_drained(src)
    dst.serial.adopt(src.serial)
    shell.vm = dst
    wait_received(l2gen, 'dst', FRAMES)
    check_all_came(l2gen)
    check_equal(shell.run('pidof dpdk-testpmd')[0], 0, 'status of pidof')


main()
