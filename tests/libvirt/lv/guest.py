# SPDX-License-Identifier: GPL-2.0-or-later
"""The Linux guest of these tests: what it boots, and what it says.

Its first serial port is a file that source and destination of a migration both
append to: a heartbeat that skips a number, or says one twice, shows that the
guest lost time or ran in two places.
"""

import os
import re
import subprocess
import sys
import time

from godwit.linux import Assets, plain, top_folder
from godwit.tap import check

sys.path.insert(1, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402 pylint: disable=C0413,E0401

# In the order of loading.
MODULES = ('virtio_ring', 'virtio', 'virtio_pci_legacy_dev',
           'virtio_pci_modern_dev', 'virtio_pci', 'failover', 'net_failover',
           'virtio_net', 'virtio_blk', 'virtio_balloon', 'virtio_console',
           'virtio-rng', 'button', 'evdev')
# What the agent is linked with.
LIBRARIES = ('libc.so.6', 'libm.so.6', 'libglib-2.0.so.0',
             'libgmodule-2.0.so.0', 'libnuma.so.1', 'libpcre2-8.so.0',
             'libudev.so.1', 'liburing.so.2')
LOADER = 'ld-linux-x86-64.so.2'
BEAT = re.compile(r'^hb (\d+)$')
BACK = 'lv back'
BOOT_TIMEOUT = 120
BEAT_TIMEOUT = 60


def make_initramfs(path):
    """Godwit's, with the drivers, the agent and the first process of these
    tests; the kernel takes one archive behind another. Returns the kernel."""
    assets = Assets(libvirt=True)
    here = os.path.dirname(os.path.abspath(__file__))
    extra = Initramfs()

    def put(target, source):
        with open(os.path.join(assets.folder, source), 'rb') as file:
            extra.file(target, file.read())

    for name in ('modules', 'lib', 'lib64', 'sbin', 'var', 'var/run'):
        extra.folder(name)
    for name in MODULES:
        put('modules/%s.ko' % name, name + '.ko')
    extra.file('modules/order', '\n'.join(MODULES).encode())
    for name in LIBRARIES:
        put('lib/' + name, name)
    put('lib64/' + LOADER, LOADER)
    put('sbin/qemu-ga', 'qemu-ga')
    put('lv-init', os.path.join(here, '..', 'lv-init'))
    # The agent runs them by these names.
    put('sbin/shutdown', os.path.join(here, '..', 'lv-shutdown'))
    extra.symlink('sbin/hwclock', '/bin/busybox')
    with open(assets.initramfs, 'rb') as file:
        whole = file.read() + extra.bytes()
    with open(path, 'wb') as file:
        file.write(whole)
    return assets.kernel


class Heart:
    """What a guest says on its first serial port."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        with open(self.path, encoding='utf-8', errors='replace') as file:
            text = plain(file.read().replace('\r', ''))
        # The last one may be half of it.
        return text.split('\n')[:-1]

    def beats(self):
        """Numbers since the last boot; checks that none is missing or said
        twice, and that the memory's checker found nothing wrong."""
        numbers, back = [], False
        for line in self.lines():
            check('FAIL' not in line, 'guest says: ' + line)
            back = back or line == BACK
            if back and BEAT.match(line):
                numbers = list(range(1, int(BEAT.match(line)[1])))
                back = False
            if line.startswith('lv boot'):
                numbers = []
            found = BEAT.match(line)
            if found:
                numbers.append(int(found[1]))
        check(numbers == list(range(1, len(numbers) + 1)),
              'heartbeat: %r' % numbers[-20:])
        return len(numbers)

    def goes_back(self):
        """The guest stands, and goes on from an earlier moment: from the next
        number that it says."""
        with open(self.path, encoding='utf-8', errors='replace') as file:
            kept = file.read().rpartition('\n')[0]
        with open(self.path, 'w', encoding='utf-8') as file:
            file.write('%s\n%s\n' % (kept, BACK))

    def boots(self):
        return sum(line.startswith('lv boot') for line in self.lines())

    def wait(self, more=5, timeout=BEAT_TIMEOUT):
        """So many beats more than there are now."""
        start = self.beats()
        wait_until(lambda: self.beats() >= start + more, timeout,
                   '%d beats more than %d' % (more, start))

    def wait_boot(self, boots=1):
        """The guest has booted that often, and its heart beats."""
        wait_until(lambda: os.path.exists(self.path) and
                   self.boots() >= boots, BOOT_TIMEOUT, 'boot %d' % boots)
        wait_until(lambda: self.beats() >= 2, BEAT_TIMEOUT, 'a heartbeat')

    def stands_still(self, seconds=1.5):
        before = self.beats()
        time.sleep(seconds)
        return self.beats() <= before + 1   # one may have been on its way


def wait_until(ask, timeout, what):
    end = time.monotonic() + timeout
    while True:
        value = ask()
        if value:
            return value
        check(time.monotonic() < end, 'no %s within %d s' % (what, timeout))
        time.sleep(0.1)


def make_disk(path, mib=16, image_format='qcow2'):
    subprocess.run(['qemu-img', 'create', '-q', '-f', image_format, path,
                    '%dM' % mib], check=True)
    return path
