# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that a guest writes to its devices makes it unmovable: random
writes to the registers of the board, and each time a migration that must
arrive; and commands that wait when they move.

The seed is printed; GODWIT_SEED repeats a run.
"""

import os
import random

from godwit.migration import go, transport
from godwit.qtest import Qtest
from godwit.tap import check_equal, main, test

ROUNDS = 12
WRITES = 400
DISK_SIZE = 1 << 20
ARGS = ['-machine', 'pc', '-m', '16', '-smp', '2', '-nodefaults', '-display',
        'none', '-accel', 'qtest', '-device', 'isa-serial',
        '-device', 'isa-serial']

# Not those that reset, switch off or move ports.
PORTS = [*range(0x00, 0x10), *range(0xc0, 0xe0), *range(0x80, 0x90),
         0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, *range(0x40, 0x44), 0x60,
         0x61, 0x70, 0x71, 0xb3, 0xf0, *range(0x1f0, 0x1f8), 0x3f6,
         *range(0x170, 0x178), 0x376, *range(0x3f0, 0x3f6), 0x3f7,
         *range(0x3f8, 0x400), *range(0x2f8, 0x300), *range(0x510, 0x51c),
         *range(0xafe0, 0xafe4), *range(0xaf00, 0xaf0c),
         *range(0xc000, 0xc010), *range(0x600, 0x604), 0x92]
LIMITS = {0x92: 0xfe}       # bit 0 resets
# Wider writes would reach such ports.
BYTES_ONLY = [*range(0x88, 0x93), *range(0x600, 0x604)]
IOAPIC = 0xfec00000
HPET = 0xfed00000


def interesting(rng, bits):
    return rng.choice([0, (1 << bits) - 1, rng.randrange(16),
                       1 << rng.randrange(bits), rng.randrange(1 << bits)])


def random_access(rng):
    kind = rng.random()
    if kind < 0.1:
        return ['writel 0x%x 0x%x' % (IOAPIC, rng.randrange(0x40)),
                'writel 0x%x 0x%x' % (IOAPIC + 0x10, interesting(rng, 32))]
    if kind < 0.2:
        addr = HPET + 4 * rng.randrange(0x160 // 4)
        return ['writel 0x%x 0x%x' % (addr, interesting(rng, 32))]
    if kind < 0.3:
        # The keyboard controller, but not its pulses of the reset line.
        return ['outb 0x64 0x%x' % rng.choice([0x20, 0x60, 0xa7, 0xa8, 0xaa,
                                               0xad, 0xae, 0xd2, 0xd3, 0xd4]),
                'outb 0x60 0x%x' % interesting(rng, 8)]
    port = rng.choice(PORTS)
    if kind < 0.4:
        return ['in%s 0x%x' % (rng.choice('bwl'), port)]
    size = 'b' if kind < 0.9 else rng.choice('wl')
    value = interesting(rng, {'b': 8, 'w': 16, 'l': 32}[size])
    if port in BYTES_ONLY:
        size, value = 'b', value & 0xff
    return ['out%s 0x%x 0x%x' % (size, port, value & LIMITS.get(port, -1))]


def disks(t):
    args = []
    for i, unit in enumerate(((0, 0), (0, 1), (1, 0))):
        path = os.path.join(t.folder, 'disk%d' % i)
        with open(path, 'wb') as f:
            f.truncate(DISK_SIZE)
        args += ['-drive', 'file=%s,format=raw,if=none,id=d%d' % (path, i),
                 '-device', '%s,drive=d%d,bus=ide.%d,unit=%d' % (
                     'ide-cd' if i == 2 else 'ide-hd', i, *unit)]
    return args


class Board:
    """A machine that moves from program to program."""

    def __init__(self, t):
        self._t = t
        self._args = ARGS + disks(t)
        self._number = 0
        self.vm, self.q = self._start()

    def _start(self, *extra):
        name = 'vm%d' % self._number
        q = Qtest(self._t, os.path.join(self._t.folder, name + '.qtest'))
        vm = self._t.launch(self._args + q.args + list(extra), name=name,
                            serial=False)
        q.accept()
        return vm, q

    def move(self):
        self._number += 1
        src, way = self.vm, transport(self._t, 'unix')
        self.vm, self.q = self._start('-incoming', way.incoming)
        go(src, way)
        self.vm.reactor.wait(
            lambda: self.vm.qmp.cmd('query-status')['status'] == 'running',
            'move %d arrives' % self._number)
        src.qmp.cmd('quit')
        src.wait_end()


# Bus master at 0xc000, power management at 0x600.
SET_UP = ['outl 0xcf8 0x80000920', 'outl 0xcfc 0xc001',
          'outl 0xcf8 0x80000904', 'outw 0xcfc 5',
          'outl 0xcf8 0x80000b40', 'outl 0xcfc 0x601',
          'outl 0xcf8 0x80000b80', 'outb 0xcfc 1']


@test(godwit_only='it is about what Godwit refuses')
def arrives(t):
    seed = int(os.environ.get('GODWIT_SEED') or random.randrange(1 << 32))
    print('# GODWIT_SEED=%d' % seed)
    rng = random.Random(seed)
    board = Board(t)
    board.q.run(SET_UP)
    for _ in range(ROUNDS):
        lines = []
        for _ in range(WRITES):
            lines += random_access(rng)
            if rng.random() < 0.1:
                lines.append('clock_step %d' % rng.randrange(20000000))
        board.q.run(lines)
        board.move()


def cd_status(board):
    """When it isn't busy any more."""
    status = [0x80]

    def ready():
        status[0] = board.q.run(['inb 0x177'])[0]
        return not status[0] & 0x80
    board.vm.reactor.wait(ready, 'CD-ROM drive: not busy')
    return status[0]


@test(godwit_only='it is about what Godwit does not send')
def packet_by_dma(t):
    """A packet command waits for its DMA, moves, and ends with an error."""
    board = Board(t)
    board.q.run(SET_UP + ['outb 0x176 0xa0', 'outb 0x177 0xa1'])
    cd_status(board)
    board.q.run(['outb 0x376 4', 'outb 0x376 0'])
    # TEST UNIT READY, REQUEST SENSE's case: the medium is new.
    for cdb, dma in ((bytes(12), 0),
                     (bytes((0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0)), 1)):
        board.q.run(['outb 0x176 0xa0', 'outb 0x171 %d' % dma,
                     'outb 0x174 0', 'outb 0x175 8', 'outb 0x177 0xa0'])
        check_equal(cd_status(board) & 0x09, 0x08, 'asks for the packet')
        board.q.run(['outw 0x170 0x%x' % int.from_bytes(cdb[i:i + 2], 'little')
                     for i in range(0, 12, 2)])
        cd_status(board)
    check_equal(cd_status(board) & 0x09, 0x08, 'waits for the bus master')
    board.move()
    check_equal(cd_status(board) & 0x09, 0x01, 'has ended with an error')


if __name__ == '__main__':
    main()
