# SPDX-License-Identifier: GPL-2.0-or-later
"""UEFI in flash: Debian's firmware comes to its shell, with a virtio graphics
card; a variable that it sets is there after a migration to a program whose
own flash had another content, and on the drive in the end."""

import os
import shutil

from godwit.linux import accel, wait_text, text_of
from godwit.migration import go, transport, wait_running
from godwit.tap import Skip, check, check_equal, check_in, main, test

FOLDER = '/usr/share/OVMF'
TIMEOUT = 400.0
GUID = '5a9d1b7e-8c1f-4f0e-9a37-3f6d2c1e4b58'


def start(t, name, *extra):
    code = os.path.join(FOLDER, 'OVMF_CODE_4M.fd')
    if not os.path.exists(code):
        raise Skip('no OVMF: install the package ovmf')
    nvram = t.path(name + '.fd')
    shutil.copy(os.path.join(FOLDER, 'OVMF_VARS_4M.fd'), nvram)
    return t.launch(
        ['-machine', 'q35', '-accel', accel(), '-m', '128', '-nodefaults',
         '-display', 'none', '-device', 'virtio-gpu-pci,id=gpu,addr=2',
         '-drive', 'if=pflash,unit=0,format=raw,readonly=on,file=' + code,
         '-drive', 'if=pflash,unit=1,format=raw,file=' + nvram, *extra],
        name=name), nvram


def command(vm, line):
    begin = len(text_of(vm))
    vm.type_keys(line + '\r')
    wait_text(vm, r'Shell> *$', TIMEOUT, begin + len(line))
    return text_of(vm)[begin:]


def picture_size(t, vm):
    path = t.path(vm.name + '.ppm')
    vm.qmp.cmd('screendump', filename=path, device='gpu')
    with open(path, 'rb') as f:
        return f.read().split(b'\n')[1]


@test(godwit_only='it is about what Godwit brings along')
def variable(t):
    src, _ = start(t, 'src')
    wait_text(src, r'Shell> *$', TIMEOUT)
    command(src, 'setvar Godwit -guid %s -bs -rt -nv =0x4b4f' % GUID)
    way = transport(t, 'unix')
    dst, nvram = start(t, 'dst', '-incoming', way.incoming)
    go(src, way)
    wait_running(dst)
    size = picture_size(t, dst)
    check_equal(size, b'1280 800', 'picture')
    command(dst, 'echo here')
    shown = command(dst, 'setvar Godwit -guid %s' % GUID)
    check_in('4F 4B', shown.upper(), 'variable')
    src.qmp.cmd('quit')
    src.wait_end()
    dst.qmp.cmd('quit')
    dst.wait_end()
    with open(nvram, 'rb') as f:
        check('Godwit'.encode('utf-16le') in f.read(), 'on the drive')


if __name__ == '__main__':
    main()
