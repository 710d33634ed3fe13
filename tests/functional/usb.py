# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux finds USB input devices, hears of what they do, and goes on hearing
behind a migration, to the peer and back as well."""

import os
import re
import sys

from godwit.linux import Assets, Shell, linux_args, top_folder
from godwit.migration import go, transport, wait_running
from godwit.peer import need_peer
from godwit.tap import check, check_equal, check_in, main, test

sys.path.insert(0, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402

MODULES = ('usb-common', 'usbcore', 'uhci-hcd', 'xhci-hcd', 'xhci-pci', 'hid',
           'usbhid', 'hid-generic', 'evdev')
DEVICES = ('-device', 'qemu-xhci,p2=15,p3=15,id=usb',
           '-device', 'usb-tablet,id=input0,bus=usb.0,port=1',
           '-device', 'usb-hub,bus=usb.0,port=2',
           '-device', 'usb-kbd,bus=usb.0,port=2.1')
# As libvirt asks for the controller of a `pc`.
UHCI = ('-device', 'piix3-usb-uhci,id=usb,bus=pci.0,addr=0x1.0x2', *DEVICES[2:])
TABLET, KEYBOARD, MOUSE = ('QEMU QEMU USB Tablet', 'QEMU QEMU USB Keyboard',
                           'QEMU QEMU USB Mouse')
# Waits for an event's device, and keeps what it says.
LISTEN = b'''#!/bin/sh
n=0
while [ $n -lt 300 ]; do
    for d in /sys/class/input/event*; do
        if [ "$(cat $d/device/name)" = "$2" ]; then
            cat /dev/input/${d##*/} >/tmp/$1 &
            exit 0
        fi
    done
    n=$((n + 1))
    usleep 100000
done
exit 1
'''
EV_KEY, EV_REL, EV_ABS = 1, 2, 3
KEY_A, ABS_X, ABS_Y, REL_X = 30, 0, 1, 0


def initrd(t, assets):
    extra = Initramfs()
    extra.folder('modules')
    for name in MODULES:
        with open(os.path.join(assets.folder, name + '.ko'), 'rb') as f:
            extra.file('modules/%s.ko' % name, f.read(), 0o644)
    extra.file('bin/load-usb', ('#!/bin/sh\n%s\n' % ' && '.join(
        'insmod /modules/%s.ko' % name for name in MODULES)).encode())
    extra.file('bin/listen', LISTEN)
    path = t.path('initrd')
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read() + extra.bytes())
    return path


class Guest:
    """Linux with the drivers loaded; moves."""

    def __init__(self, t, *args):
        self._t = t
        assets = Assets(network=True)
        self._argv = linux_args(assets, machine='pc-i440fx-7.2') + list(args)
        self._argv[self._argv.index('-kernel') + 1] = os.path.join(
            assets.folder, 'vmlinuz-generic')
        self._argv[self._argv.index('-initrd') + 1] = initrd(t, assets)
        self.shell = Shell(t.launch(self._argv, name='vm0'))
        self.shell.wait_prompt()
        check_equal(self.run('load-usb')[0], 0, 'status of load-usb')

    def run(self, command):
        return self.shell.run(command)

    @property
    def vm(self):
        return self.shell.vm

    def listen(self, name, device):
        check_equal(self.run('listen %s "%s"' % (name, device))[0], 0,
                    'a device "%s"' % device)

    def events(self, name):
        """(type, code, value) of what came so far, as 24 bytes each."""
        _, lines = self.run("hexdump -v -e '24/1 \"%%02x\" \"\\n\"' /tmp/%s"
                            % name)
        found = [bytes.fromhex(line) for line in lines
                 if re.fullmatch('[0-9a-f]{48}', line)]
        return [(int.from_bytes(e[16:18], 'little'),
                 int.from_bytes(e[18:20], 'little'),
                 int.from_bytes(e[20:24], 'little', signed=True))
                for e in found]

    def cause(self, name, wanted, command, **args):
        """The driver drops what comes right behind the opening of a device:
        so the same again, until it arrives."""
        for _ in range(50):
            self.vm.qmp.cmd(command, **args)
            found = self.events(name)
            if all(event in found for event in wanted):
                return
        check(False, '%s: not all of %r in %r' % (name, wanted, found))

    def place(self, x, y):
        self.cause('tablet', [(EV_ABS, ABS_X, x), (EV_ABS, ABS_Y, y)],
                   'input-send-event', events=[
                       {'type': 'abs', 'data': {'axis': axis, 'value': value}}
                       for axis, value in (('x', x), ('y', y))])

    def press(self, key, code):
        self.cause('kbd', [(EV_KEY, code, 1), (EV_KEY, code, 0)],
                   'send-key', keys=[{'type': 'qcode', 'data': key}])

    def move(self, binary, name):
        src, way = self.vm, transport(self._t, 'unix')
        dst = self._t.launch(self._argv + ['-incoming', way.incoming],
                             name=name, binary=binary)
        go(src, way)
        wait_running(dst)
        dst.serial.adopt(src.serial)
        src.qmp.cmd('quit')
        src.wait_end()
        self.shell.vm = dst


def start(t, devices=DEVICES):
    guest = Guest(t, *devices)
    guest.listen('tablet', TABLET)
    guest.listen('kbd', KEYBOARD)
    guest.place(1000, 2000)
    guest.press('a', KEY_A)
    return guest


def current(guest):
    return [m['name'] for m in guest.vm.qmp.cmd('query-mice') if m['current']]


def find_and_move(t, devices):
    """Finds them, and one that comes and goes; moves to another process."""
    guest = start(t, devices)
    check_equal(current(guest), ['QEMU HID Tablet'], 'the pointer in use')
    guest.vm.qmp.cmd('device_add', driver='usb-mouse', id='m', bus='usb.0',
                     port='2.3')
    guest.listen('mouse', MOUSE)
    guest.cause('mouse', [(EV_REL, REL_X, 7)], 'input-send-event', events=[
        {'type': 'rel', 'data': {'axis': 'x', 'value': 7}}])
    guest.vm.qmp.cmd('device_del', id='m')
    for _ in range(50):
        _, lines = guest.run('cat /sys/class/input/event*/device/name')
        if MOUSE not in lines:
            break
    check(MOUSE not in lines, 'the mouse has gone: %r' % lines)
    guest.move(None, 'vm1')
    guest.place(1001, 2001)
    guest.press('b', 48)
    _, lines = guest.run("dmesg | grep -E 'BUG:|WARNING:|"
                         "[ux]hci.*(died|ERROR|halted|error)'; "
                         'echo end')
    check_equal([line for line in lines if '] ' in line], [], 'complaints')
    check_in('Port 2.1, Speed 12 Mb/s, Product QEMU USB Keyboard',
             guest.vm.qmp.cmd('x-query-usb')['human-readable-text'],
             'x-query-usb')


def to_the_peer_and_back(t, devices):
    peer = need_peer()
    guest = start(t, devices)
    guest.move(peer, 'peer')
    guest.place(1001, 2001)
    guest.press('b', 48)
    guest.move(None, 'back')
    guest.place(1002, 2002)
    guest.press('c', 46)
    check_equal(current(guest), ['QEMU HID Tablet'], 'the pointer in use')


@test()
def linux_xhci(t):
    find_and_move(t, DEVICES)


@test()
def linux_uhci(t):
    find_and_move(t, UHCI)


@test()
def to_the_peer_and_back_xhci(t):
    to_the_peer_and_back(t, DEVICES)


@test()
def to_the_peer_and_back_uhci(t):
    to_the_peer_and_back(t, UHCI)


if __name__ == '__main__':
    main()
