# SPDX-License-Identifier: GPL-2.0-or-later
"""SeaBIOS starts GRUB from a CD, and GRUB reads the CD.

There is no display: SeaBIOS shows on the serial line what is written by INT
10h, and takes what is typed there, when fw_cfg has etc/sercon-port, as it does
with -nographic.
"""

import hashlib
import re

from godwit.linux import Assets, accel, text_of, wait_text
from godwit.tap import check_equal, check_in, main, test

TIMEOUT = 400.0
SECTORS = 4096      # of 512 bytes: what is read for the checksum


def start(t, *extra):
    assets = Assets()
    # -nographic would put the monitor on the serial line: -nodefaults has
    # none, and the line is the test's.
    return assets, t.launch(
        ['-machine', 'pc', '-accel', accel(), '-m', '64', '-nodefaults',
         '-nographic', '-cdrom', assets.grub_iso, *extra], name='grub')


@test()
def from_ahci(t):
    """The same CD in a SATA drive."""
    assets = Assets()
    vm = t.launch(
        ['-machine', 'pc', '-accel', accel(), '-m', '64', '-nodefaults',
         '-nographic', '-device', 'ich9-ahci,id=ahci', '-drive',
         'file=%s,if=none,id=cd,media=cdrom,format=raw' % assets.grub_iso,
         '-device', 'ide-cd,drive=cd,bus=ahci.2,bootindex=1'], name='ahci')
    wait_text(vm, 'Booting from DVD/CD', TIMEOUT)
    wait_text(vm, r'GNU GRUB +version 2\.', TIMEOUT)
    vm.qmp.cmd('quit')
    vm.wait_end()


def press(vm, keys):
    """Without the line end that say() adds."""
    vm.type_keys(keys)


def command(vm, line):
    """What GRUB prints for one command. Firmware's keyboard buffer has room
    for 15 keys, so each waits for the echo of the one before."""
    begin = len(text_of(vm))
    for i, key in enumerate(line):
        press(vm, key)
        wait_text(vm, re.escape(line[:i + 1].rstrip()), TIMEOUT, begin)
    end_of_line = len(text_of(vm))
    press(vm, '\r')
    wait_text(vm, r'\n(.*\n)*grub> *$', TIMEOUT, end_of_line)
    return text_of(vm)[begin:]


def prompt(vm):
    wait_text(vm, r'GNU GRUB +version 2\.', TIMEOUT)
    wait_text(vm, 'GNU/Linux', TIMEOUT)
    press(vm, 'c')
    wait_text(vm, r'grub> *$', TIMEOUT)


@test()
def menu(t):
    _, vm = start(t)
    wait_text(vm, r'SeaBIOS \(version ', TIMEOUT)
    wait_text(vm, 'Booting from DVD/CD', TIMEOUT)
    wait_text(vm, r'GNU GRUB +version 2\.', TIMEOUT)
    wait_text(vm, 'executed automatically in', TIMEOUT)
    # A key stops the countdown and moves the choice.
    press(vm, '\x1b[B')
    wait_text(vm, r'\*GNU \(aka GNU/Hurd\)', TIMEOUT)


@test()
def reads_the_disc(t):
    """A checksum of the disc's first sectors, by GRUB through INT 13h."""
    assets, vm = start(t)
    prompt(vm)
    shown = command(vm, 'ls')
    check_in('(cd', shown, 'devices')
    shown = command(vm, 'hashsum --hash sha256 (cd)0+%d' % SECTORS)
    with open(assets.grub_iso, 'rb') as f:
        want = hashlib.sha256(f.read(SECTORS * 512)).hexdigest()
    # The screen has 80 columns: a long line goes on below.
    check_in(want, ''.join(shown.split()), 'checksum')


@test()
def reboots_and_halts(t):
    _, vm = start(t)
    prompt(vm)
    press(vm, 'reboot\r')
    vm.qmp.wait_event('RESET', lambda e: e['data']['guest'], TIMEOUT)
    vm.serial.lines.clear()
    vm.serial.rest = ''
    prompt(vm)
    press(vm, 'halt\r')
    vm.qmp.wait_event('SHUTDOWN', lambda e: e['data']['guest'], TIMEOUT)
    check_equal(vm.wait_end(), 0, 'exit status')


if __name__ == '__main__':
    main()
