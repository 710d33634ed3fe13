# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest shows is on its pictures, and keys sent to it arrive: before a
migration and after it."""

import zlib

from godwit.echo import (CELL_H, CELL_W, COLUMNS, ROWS, picture, press, start,
                         text_of, wait_text)
from godwit.migration import Transport, go, wait_running
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, check_in, main, test


def read_png(path):
    """Size and pixels of a PNG of ours: RGB, 8 bits, not interlaced."""
    with open(path, 'rb') as f:
        data = f.read()
    check_equal(data[:8], b'\x89PNG\r\n\x1a\n', 'signature')
    at, packed = 8, b''
    while at < len(data):
        n = int.from_bytes(data[at:at + 4], 'big')
        kind, body = data[at + 4:at + 8], data[at + 8:at + 8 + n]
        if kind == b'IHDR':
            size = (int.from_bytes(body[:4], 'big'),
                    int.from_bytes(body[4:8], 'big'))
            check_equal(body[8:], bytes((8, 2, 0, 0, 0)), 'kind of PNG')
        elif kind == b'IDAT':
            packed += body
        at += n + 12
    return size, unfilter(zlib.decompress(packed), size[0] * 3)


def unfilter(data, line):
    out, before = bytearray(), bytearray(line)
    for at in range(0, len(data), line + 1):
        kind, row = data[at], bytearray(data[at + 1:at + 1 + line])
        for i in range(line):
            left = row[i - 3] if i >= 3 else 0
            up, corner = before[i], before[i - 3] if i >= 3 else 0
            if kind == 4:
                guess = left + up - corner
                add = min((left, up, corner),
                          key=lambda v, g=guess: abs(g - v))
            else:
                add = (0, left, up, (left + up) // 2)[kind]
            row[i] = (row[i] + add) & 0xff
        out += row
        before = row
    return bytes(out)


def check_drawn(rows, size, pixels):
    """Each character looks the same everywhere, and unlike the others."""
    check_equal(size, (COLUMNS * CELL_W, ROWS * CELL_H), 'size')
    glyphs = {}
    for y, row in enumerate(rows):
        for x, char in enumerate(row):
            lines = []
            for line in range(CELL_H):
                at = ((y * CELL_H + line) * size[0] + x * CELL_W) * 3
                lines.append(pixels[at:at + CELL_W * 3])
            glyph = b''.join(lines)
            check_equal(glyphs.setdefault(char, glyph), glyph,
                        'glyph of %r' % char)
    seen = {c: g for c, g in glyphs.items() if c not in ' \0\xff'}
    check(len(seen) >= 4, 'characters: %r' % ''.join(seen))
    check_equal(len(set(seen.values())), len(seen), 'different glyphs')
    check_equal(any(glyphs.get(' ', glyphs.get('\0'))), False, 'a blank')


@test()
def firmware_is_seen(t):
    vm = t.launch(['-machine', 'pc', '-accel', 'tcg', '-m', '32',
                   '-nodefaults', '-display', 'none', '-vga', 'std', '-boot',
                   'menu=on,splash-time=60000'])
    wait_text(t, vm, 'Press ESC for boot menu')
    press(vm, ['esc'])
    wait_text(t, vm, 'Select boot device')


@test()
def keys_and_pictures_over_a_migration(t):
    src = start(t, name='src')
    wait_text(t, src, '>')
    press(src, ['h', 'e', 'l', 'l', 'o'])
    wait_text(t, src, '>hello')
    src.qmp.cmd('stop')
    rows = text_of(t, src)
    size, pixels = picture(t, src)
    check_drawn(rows, size, pixels)
    png = t.path('a.png')
    src.qmp.cmd('screendump', filename=png, format='png')
    check_equal(read_png(png) == (size, pixels), True, 'PNG as PPM')
    path = t.path('stream')
    src.qmp.cmd('cont')
    go(src, Transport(None, 'exec:cat > ' + path))
    src.qmp.cmd('quit')
    src.wait_end()
    dst = start(t, '-incoming', 'exec:cat ' + path, name='dst')
    wait_running(dst)
    check_equal(text_of(t, dst), rows, 'text that arrived')
    check_equal(picture(t, dst) == (size, pixels), True, 'the same picture')
    press(dst, ['w', 'o', 'r', 'l', 'd'])
    wait_text(t, dst, '>helloworld')
    check_drawn(text_of(t, dst), *picture(t, dst))


def refused(vm, **arguments):
    try:
        vm.qmp.cmd('screendump', **arguments)
    except QmpError as e:
        return e.desc
    return ''


@test()
def refusals(t):
    vm = t.launch(['-machine', 'pc', '-accel', 'tcg', '-m', '32', '-S',
                   '-nodefaults', '-display', 'none'])
    check_in('no console', refused(vm, filename=t.path('x')), 'no card')
    vm = start(t, '-S', name='card')
    check_in("'head' must be", refused(vm, filename=t.path('x'), head=0),
             'a head of nothing')
    check_in('failed to open', refused(vm, filename=t.path('no/such')),
             'no folder')
    check_in('failed to write', refused(vm, filename='/dev/full'),
             'a full disk')


if __name__ == '__main__':
    main()
