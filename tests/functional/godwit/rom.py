# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware of a few instructions, for what no other guest does."""

SIZE = 0x10000
CODE = 0xff00       # offset of the code; its segment is F000h


def write_rom(path, code):
    """An image that starts at `code`, in hexadecimal, in real mode."""
    image = bytearray(b'\xf4' * SIZE)
    code = bytes.fromhex(code)
    assert len(code) <= 0xf0
    image[CODE:CODE + len(code)] = code
    image[0xfff0:0xfff3] = b'\xe9\x0d\xff'      # jmp CODE
    with open(path, 'wb') as f:
        f.write(image)


def rom_args(path, accel='tcg'):
    """A machine that runs it; port F4h ends it with status 2 * AL + 1."""
    return ['-machine', 'pc', '-accel', accel, '-nodefaults', '-display',
            'none', '-bios', path,
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']


# Says 'R', then waits; an NMI says 1 at port F4h.
#   xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 7000h
#   mov word [8], handler; mov word [10], 0F000h
#   mov dx, 3F8h; mov al, 'R'; out dx, al; mov al, 10; out dx, al
#   jmp $; handler: mov al, 1; out 0F4h, al; hlt
NMI_CODE = ('31c0 8ed8 8ed0 bc0070 c706080020ff c7060a0000f0 '
            'baf803 b052 ee b00a ee ebfe b001 e6f4 f4')
