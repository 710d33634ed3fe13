#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCI functions as users see them."""

import os
import re

from godwit.tap import check_equal, check_in, main, test

# Real mode, at 0000:7c00: writes the text behind it to the serial port.
BOOT_PROGRAM = bytes((
    0x0e, 0x1f,             # push cs; pop ds
    0xba, 0xf8, 0x03,       # mov dx, 0x3f8
    0xbe, 0x13, 0x7c,       # mov si, text
    0xac, 0x84, 0xc0,       # next: lodsb; test al, al
    0x74, 0x03,             # jz end
    0xee, 0xeb, 0xf8,       # out dx, al; jmp next
    0xf4, 0xeb, 0xfd,       # end: hlt; jmp end
)) + b'\nloaded over the network\n\0'


def pc(t, *args):
    """A machine that stands still, with its defaults."""
    path = t.path('hmp%d' % len(t.machines))
    vm = t.launch(['-machine', 'pc', '-m', '16', '-accel', 'tcg', '-S',
                   '-display', 'none', '-vga', 'none', '-monitor',
                   'unix:%s,server=on,wait=off' % path, *args],
                  name='vm%d' % len(t.machines))
    return vm, t.hmp(path)


@test()
def default_card(t):
    """Without a word about networks there is a card, and a network."""
    for args, want in (
            ((), 'hub 0\n \\ hub0port1: #net: index=0,type=user,'
                 'net=10.0.2.0,restrict=off\n \\ hub0port0: e1000.0: index=0,'
                 'type=nic,model=e1000,macaddr=52:54:00:12:34:56\n'),
            (('-nodefaults',), ''),
            (('-net', 'none'), ''),
            (('-nic', 'none'), ''),
            (('-netdev', 'user,id=n'),
             'n: index=0,type=user,net=10.0.2.0,restrict=off\n')):
        vm, hmp = pc(t, *args)
        check_equal(re.sub(r'#net\d+', '#net', hmp.cmd('info network')), want,
                    '%r: networks' % (args,))
        cards = [d['slot'] for bus in vm.qmp.cmd('query-pci')
                 for d in bus['devices']
                 if d['id'] == {**d['id'], 'vendor': 0x8086,
                                'device': 0x100e}]
        check_equal(cards, [] if args else [2], '%r: slots' % (args,))


@test()
def names_of_classes(t):
    vm, _ = pc(t, '-nodefaults', '-device', 'e1000', '-device',
               'virtio-rng-pci')
    check_equal([d['class_info'] for d in
                 vm.qmp.cmd('query-pci')[0]['devices']][4:],
                [{'class': 0x200, 'desc': 'Ethernet controller'},
                 {'class': 0xff}], 'classes')


def option_rom():
    """Says ROM to the debug console, and goes on."""
    code = b'\xba\xe9\x00' + b''.join(b'\xb0' + bytes([c]) + b'\xee'
                                       for c in b'ROM\n') + b'\xcb'
    rom = bytearray((b'\x55\xaa\x01' + code).ljust(512, b'\0'))
    rom[-1] = -sum(rom) & 0xff
    return bytes(rom)


@test()
def option_rom_is_run(t):
    with open(t.path('hello.rom'), 'wb') as f:
        f.write(option_rom())
    for machine in ('pc', 'q35'):
        t.launch(['-machine', machine, '-m', '64', '-accel', 'tcg',
                  '-nodefaults', '-display', 'none', '-debugcon',
                  'file:%s' % t.path(machine), '-option-rom',
                  'romfile=%s,bootindex=1' % t.path('hello.rom')],
                 name=machine, serial=False)
        t.reactor.poll(lambda m=machine: open_text(t.path(m)) == 'ROM\n',
                       'word of the ROM')


def open_text(path):
    with open(path, encoding='ascii') as f:
        return f.read()


def boot_network(t, *args):
    """Firmware, the card's option ROM, DHCP, TFTP, and what was loaded."""
    with open(t.path('boot.bin'), 'wb') as f:
        f.write(BOOT_PROGRAM)
    vm = t.launch(['-machine', 'pc', '-m', '64', '-accel', 'tcg',
                   '-nodefaults', '-display', 'none', '-netdev',
                   'user,id=n,tftp=%s,bootfile=boot.bin' % t.folder, *args])
    vm.wait_line('^loaded over the network$', timeout=90)


@test()
def boot_network_e1000(t):
    boot_network(t, '-boot', 'n', '-device', 'e1000,netdev=n')


@test()
def boot_network_virtio(t):
    """By its boot index."""
    boot_network(t, '-boot', 'strict=on', '-device',
                 'virtio-net-pci,netdev=n,bootindex=1')


@test()
def boot_network_bridges(t):
    """Firmware numbers the buses and opens the windows on the way."""
    boot_network(t, '-boot', 'strict=on',
                 '-device', 'pcie-root-port,id=p,chassis=1',
                 '-device', 'pcie-pci-bridge,id=c,bus=p',
                 '-device', 'pci-bridge,id=b,bus=c,addr=2,chassis_nr=2',
                 '-device', 'virtio-net-pci,netdev=n,bus=b,addr=3,bootindex=1')


@test()
def boot_network_root_port(t):
    """A card that is a PCI Express endpoint."""
    boot_network(t, '-boot', 'strict=on',
                 '-device', 'ioh3420,id=p,chassis=1',
                 '-device', 'virtio-net-pci,netdev=n,bus=p,bootindex=1')


@test()
def option_rom_errors(t):
    """What can't be a card's option ROM is said, and what is wrong."""
    path = t.path('empty.rom')
    with open(path, 'wb'):
        pass
    for arg, want in (
            ('romfile=/no/such/file',
             'failed to find romfile "/no/such/file"'),
            ('romsize=1000', 'ROM size 1000 is not a power of two'),
            ('romsize=65536', 'romfile "efi-e1000.rom" (%d bytes) is too '
             'large for ROM size 65536' %
             os.stat('/usr/lib/ipxe/qemu/efi-e1000.rom').st_size),
            ('romfile=' + path, 'romfile "%s" is empty' % path),
            ('romfile=' + t.folder, 'romfile "%s" too large (size cannot '
             'exceed 2 GiB)' % t.folder)):
        vm = t.run_to_end(['-machine', 'pc', '-accel', 'tcg', '-nodefaults',
                           '-display', 'none', '-S', '-device',
                           'e1000,' + arg])
        check_equal(vm.status, 1, arg + ': status')
        check_in('-device e1000,%s: %s\n' % (arg, want), vm.stderr, arg)


if __name__ == '__main__':
    main()
