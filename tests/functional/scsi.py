#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI units behind virtio-scsi answer commands as the peer's do, and a
request that failed and stopped the machine moves between both programs. Over
the qtest protocol; the guest only halts."""

import os
import struct

from godwit.migration import go, transport
from godwit.peer import need_peer
from godwit.qtest import Qtest
from godwit.rom import write_rom
from godwit.tap import check_equal, main, test

BAR = 0xfd000000
RINGS, BUFFERS, SLOT = 0x10000, 0x100000, 0x40000
QUEUES, ENTRIES = 3, 128
REQUESTS = 2
SENSE, RESPONSE = 96, 108
SIZE = 1 << 20
HALT = 'f4 ebfd'

# CDBs and bytes of the buffer: what units are, and can.
DISK = [('00' * 6, 0), ('120000006000', 96), ('12010000ff00', 255),
        ('12018000ff00', 255), ('12018300ff00', 255), ('1201b000ff00', 255),
        ('1201b100ff00', 255), ('1201b200ff00', 255), ('12018600ff00', 255),
        ('25' + '00' * 9, 8), ('9e10' + '00' * 8 + '000000200000', 32),
        ('1a003f00ff00', 255), ('1a083f00ff00', 255), ('1a007f00ff00', 255),
        ('5a003f0000000000ff00', 255), ('1a00ff00ff00', 255),
        ('a0000000000000000100' + '0000', 256), ('35' + '00' * 9, 0),
        ('28000000000400000200', 1024), ('28000007ffff00000100', 512),
        ('28200000000400000100', 512), ('080000030100', 512),
        ('2f000000000400000100', 0), ('91' + '00' * 15, 0),
        ('1b0000000200', 0), ('1e0000000100', 0), ('1b0000000200', 0),
        ('00' * 6, 0), ('4a010000100000000800', 8), ('01' + '00' * 5, 0),
        ('030000001200', 18), ('030000001200', 18), ('030100001200', 18)]
CD = [*DISK, ('5a002a0000000000ff00', 255), ('46000000000000002800', 40),
      ('43000000000000001400', 20), ('43020000000000001400', 20),
      ('43020200000000003000', 48), ('43000100000000000c00', 12),
      ('51000000000000002200', 34), ('ad00000000000000' + '00200000', 32),
      ('ad000000000000ff' + '00200000', 32), ('bd' + '00' * 7 + '00080000', 8),
      ('4a010000020000000800', 8), ('1e0000000000', 0), ('1b0000000200', 0),
      ('00' * 6, 0), ('4a010000100000000800', 8), ('1b0000000300', 0),
      ('00' * 6, 0)]
PROPS = ['', 'serial=ABC,wwn=0x5000c50012345678,port_wwn=0x5000c50012345679,'
         'port_index=3,rotation_rate=7200,vendor=V,product=P,ver=1.2',
         'removable=on,dpofua=on,device_id=ID,scsi_version=4,write-cache=off',
         'logical_block_size=512,physical_block_size=4096,min_io_size=4096,'
         'opt_io_size=65536,discard_granularity=8192,max_unmap_size=1048576,'
         'max_io_size=131072',
         'discard_granularity=0,cyls=7,heads=4,secs=9']


class Adapter:
    """A machine with a virtio-scsi-pci, and a driver of it."""

    def __init__(self, t, name, binary, args, driver=None):
        rom = t.path('halt.rom')
        write_rom(rom, HALT)
        self._q = Qtest(t, t.path(name + '.qtest'))
        self.vm = t.launch(
            ['-machine', 'pc-i440fx-7.2', '-accel', 'tcg', '-m', '16',
             '-nodefaults', '-display', 'none', '-bios', rom, '-device',
             'virtio-scsi-pci,addr=3', *self._q.args, *args], name=name,
            serial=False, binary=binary)
        self._q.accept()
        self.count = driver.count if driver else 0
        if driver is None:
            self._drive()

    def _drive(self):
        def config(reg, value):
            return ['outl 0xcf8 %#x' % (1 << 31 | 3 << 11 | reg),
                    'outl 0xcfc %#x' % value]

        def common(size, reg, value):
            return 'write%s %#x %#x' % (size, BAR + reg, value)
        lines = config(0x20, BAR) + config(0x24, 0) + config(4, 7) + [
            common('b', 0x14, 3), common('l', 8, 1), common('l', 12, 1),
            common('b', 0x14, 0xb)]
        for i in range(QUEUES):
            ring = RINGS + i * 0x10000
            lines += ['memset %#x 0x3000 0' % ring, common('w', 0x16, i),
                      common('w', 0x18, ENTRIES), common('l', 0x20, ring),
                      common('l', 0x28, ring + 0x1000),
                      common('l', 0x30, ring + 0x2000), common('w', 0x1c, 1)]
        self._q.run(lines + [common('b', 0x14, 0xf)])

    def submit(self, cdb, inside=0, out=b'', target=0):
        """One request at a time."""
        ring = RINGS + REQUESTS * 0x10000
        head = bytes((1, target, 0x40, 0, 0, 0, 0, 0)) + struct.pack(
            '<Q', 0x1122334455667788) + bytes(3)
        data = head + bytes.fromhex(cdb).ljust(32, b'\0') + out
        answer = BUFFERS + SLOT
        # Heads and data apart: the peer wants them so.
        parts = [(BUFFERS, len(data) - len(out), 0),
                 (BUFFERS + len(data) - len(out), len(out), 0),
                 (answer, RESPONSE, 2), (answer + RESPONSE, inside, 2)]
        parts = [part for part in parts if part[1]]
        chain = b''.join(
            struct.pack('<QIHH', at, size, flags | (i + 1 < len(parts)), i + 1)
            for i, (at, size, flags) in enumerate(parts))
        self._q.run(['write %#x %#x 0x%s' % (BUFFERS, len(data), data.hex()),
                     'memset %#x %#x 0xee' % (answer, RESPONSE + inside),
                     'write %#x %#x 0x%s' % (ring, len(chain), chain.hex()),
                     'writew %#x 0' % (ring + 0x1004 +
                                       2 * (self.count % ENTRIES)),
                     'writew %#x %d' % (ring + 0x1002, self.count + 1),
                     'writew %#x %d' % (BAR + 0x3000 + 4 * REQUESTS,
                                        REQUESTS)])
        self.count += 1

    def finish(self, inside=0):
        """Response, status, rest of the buffer, sense data, data."""
        used = RINGS + REQUESTS * 0x10000 + 0x2002
        self.vm.reactor.wait(
            lambda: self._q.run(['readw %#x' % used])[0] == self.count,
            'an answer')
        raw = self._q.run(['read %#x %#x' % (BUFFERS + SLOT,
                                             RESPONSE + inside)])[0]
        raw = raw.to_bytes(RESPONSE + inside, 'big')
        sense, rest = struct.unpack('<II', raw[:8])
        return (raw[11], raw[10], rest, raw[12:12 + sense].hex(),
                raw[RESPONSE:].hex())

    def command(self, cdb, inside=0, out=b'', target=0):
        self.submit(cdb, inside, out, target)
        return self.finish(inside)

    def end(self):
        self.vm.qmp.cmd('quit')
        self.vm.wait_end()


def image(t, name):
    path = t.path(name)
    if not os.path.exists(path):
        with open(path, 'wb') as f:
            for i in range(SIZE // 512):
                f.write(bytes((i & 0xff,)) * 512)
    return path


def answers(t, name, binary, props):
    """Of a disk with these properties and of a CD."""
    drive = 'if=none,format=raw,file.locking=off,file='
    a = Adapter(t, name, binary, [
        '-drive', drive + image(t, 'disk') + ',id=d', '-device',
        'scsi-hd,drive=d' + (',' + props if props else ''),
        '-drive', drive + image(t, 'cd') + ',id=c,media=cdrom', '-device',
        'scsi-cd,drive=c'])
    seen = {(target, i, cdb): a.command(cdb, size, target=target)
            for target, cdbs in ((0, DISK), (1, CD))
            for i, (cdb, size) in enumerate(cdbs)
            if target == 0 or cdb[:2] not in ('28', '08')}
    a.end()
    return seen


@test()
def same_answers(t):
    peer = need_peer()
    for i, props in enumerate(PROPS):
        ours = answers(t, 'ours%d' % i, None, props)
        theirs = answers(t, 'theirs%d' % i, peer, props)
        check_equal([(key, ours[key], theirs[key]) for key in ours
                     if ours[key] != theirs[key]], [],
                    'differences with ' + (props or 'no properties'))


def stopping(t, fails):
    """A disk whose first request of some kind fails, or none."""
    file = ('driver=file,locking=off,filename=' + image(t, 'moving'))
    node = 'driver=raw,node-name=d,'
    if fails:
        node += ('file.driver=blkdebug,file.inject-error.0.event=none,'
                 'file.inject-error.0.iotype=%s,file.inject-error.0.once=on,'
                 'file.inject-error.0.errno=28,' % fails)
    prefix = 'file.image.' if fails else 'file.'
    node += ','.join(prefix + word for word in file.split(','))
    return ['-blockdev', node, '-device',
            'scsi-hd,drive=d,werror=stop,rerror=stop,share-rw=on,cyls=2,'
            'heads=16,secs=63']


@test()
def waiting_request_moves(t):
    peer = need_peer()
    number = 0
    for src, dst in ((peer, None), (None, peer), (None, None)):
        for fails, cdb, inside, out in (
                ('write', '2a000000000300000200', 0, b'\x33' * 1024),
                ('read', '28000000000500000100', 512, b'')):
            number += 1
            a = Adapter(t, 'src%d' % number, src, stopping(t, fails))
            a.command('00' * 6)
            a.submit(cdb, inside, out)
            a.vm.reactor.wait(lambda vm=a.vm: vm.qmp.cmd('query-status')[
                'status'] == 'io-error', 'the request fails')
            way = transport(t, 'unix')
            b = Adapter(t, 'dst%d' % number, dst, [
                *stopping(t, None), '-incoming', way.incoming], a)
            go(a.vm, way)
            b.vm.reactor.wait(lambda vm=b.vm: vm.qmp.cmd('query-status')[
                'status'] == 'io-error', 'it arrives')
            b.vm.qmp.cmd('cont')
            check_equal(b.finish(inside)[:2], (0, 0), fails + ' is done')
            a.end()
            b.end()
    with open(image(t, 'moving'), 'rb') as f:
        data = f.read()
    check_equal(data[3 * 512:5 * 512], b'\x33' * 1024, 'what was written')


if __name__ == '__main__':
    main()
