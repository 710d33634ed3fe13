# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that shows what is typed, and what is on its screen."""

import time

from .tap import check, check_equal

COLUMNS, ROWS = 80, 25
CELL_W, CELL_H = 9, 16
TEXT = 0xb8000
TIMEOUT = 60.0

# Real mode, at 0000:7c00: hides the cursor, then writes what is typed.
ECHO = bytes((
    0xb8, 0x03, 0x00, 0xcd, 0x10,       # mov ax, 3; int 10h: 80 x 25
    0xb4, 0x01, 0xb9, 0x00, 0x20,       # mov ah, 1; mov cx, 2000h
    0xcd, 0x10,                         # int 10h: no cursor
    0xb8, 0x3e, 0x0e, 0xcd, 0x10,       # mov ax, 0e3eh; int 10h: '>'
    0x31, 0xc0, 0xcd, 0x16,             # next: xor ax, ax; int 16h
    0xb4, 0x0e, 0xcd, 0x10,             # mov ah, 0eh; int 10h
    0xeb, 0xf6,                         # jmp next
))


def boot_disk(t):
    path = t.path('boot.img')
    with open(path, 'wb') as f:
        f.write(ECHO.ljust(510, b'\0') + b'\x55\xaa' + bytes(1 << 20))
    return path


def start(t, *extra, name='vm'):
    return t.launch(['-machine', 'pc', '-accel', 'tcg', '-m', '32',
                     '-nodefaults', '-display', 'none', '-vga', 'std',
                     '-drive', 'if=ide,format=raw,file=' + boot_disk(t),
                     *extra], name=name)


def text_of(t, vm):
    """The characters in the guest's text memory, one string a row."""
    path = t.path('text')
    vm.qmp.cmd('pmemsave', val=TEXT, size=COLUMNS * ROWS * 2, filename=path)
    with open(path, 'rb') as f:
        chars = f.read()[::2].decode('cp437')
    return [chars[i:i + COLUMNS] for i in range(0, len(chars), COLUMNS)]


def wait_text(t, vm, text):
    end = time.monotonic() + TIMEOUT
    while text not in ''.join(text_of(t, vm)):
        check(time.monotonic() < end, 'no %r on the screen' % text)
        time.sleep(0.1)


def press(vm, keys):
    for key in keys:
        vm.qmp.cmd('send-key', **{'keys': [{'type': 'qcode', 'data': key}],
                                  'hold-time': 20})


def picture(t, vm):
    path = t.path('a.ppm')
    vm.qmp.cmd('screendump', filename=path)
    with open(path, 'rb') as f:
        kind, size, most, pixels = f.read().split(b'\n', 3)
    check_equal((kind, most), (b'P6', b'255'), 'head')
    return tuple(map(int, size.split())), pixels
