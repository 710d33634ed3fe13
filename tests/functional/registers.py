# SPDX-License-Identifier: GPL-2.0-or-later
"""Every register of the board of `pc`, beside the peer's: as it is at the
start, with all ones and with zeros written to it, and after a reset.

The tables say which registers there are; what may differ, and why, is in
EXPLAINED and in docs/devices.md. Runs without a guest, over the qtest protocol.
"""

import os
import socket
import tempfile

from godwit.peer import need_peer
from godwit.tap import check, main, test

ARGS = ['-machine', 'pc', '-m', '64', '-nodefaults', '-device', 'isa-serial',
        '-parallel', 'null',
        '-display', 'none', '-accel', 'tcg', '-S']

PORTS = {
    'dma': [*range(0x00, 0x10), *range(0xc0, 0xe0)],
    'dma-page': [*range(0x80, 0x90)],
    'pic': [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1],
    'pit': [0x40, 0x41, 0x42, 0x43],
    'i8042': [0x60, 0x64],
    'speaker': [0x61],
    'rtc': [0x70],
    'port92': [0x92],
    'apm': [0xb2, 0xb3],
    'ferr': [0xf0, 0xf1],
    'ide0': [*range(0x1f0, 0x1f8), 0x3f6],
    'ide1': [*range(0x170, 0x178), 0x376],
    'fdc': [0x3f0, 0x3f1, 0x3f2, 0x3f3, 0x3f4, 0x3f5, 0x3f7],
    'uart': [*range(0x3f8, 0x400)],
    'parallel': [*range(0x378, 0x380)],
    'fw_cfg': [0x510, 0x511, 0x514, 0x518],
    'gpe': [*range(0xafe0, 0xafe4)],
    'cpu-hotplug': [*range(0xaf00, 0xaf0c)],
}
# Resets the machine or its processor.
NO_ONES = (0x64, 0x92)

FUNCTIONS = {'host bridge': 0x00, 'isa bridge': 0x08, 'ide': 0x09,
             'pm': 0x0b}
# Registers that move what else is looked at.
NO_CONFIG_WRITES = (0x40, 0x80, 0x90, 0xd0)

# What a function maps: its registers of the configuration and their values,
# where that puts them, the width of an access and the registers.
PM1_CNT, PM_TIMER = 0x04, 0x08
MAPPED = {
    'pm': ((0x0b, 0x40, 0x601), (0x0b, 0x80, 1), 0x600, 'w',
           [reg for reg in range(0, 0x40, 2)
            if reg not in (PM_TIMER, PM_TIMER + 2)]),
    'smbus': ((0x0b, 0x90, 0xb101), (0x0b, 0xd0, 0x09000000), 0xb100, 'b',
              range(0x10)),
    'bus master': ((0x09, 0x20, 0xc001), (0x09, 0x04, 0x5), 0xc000, 'b',
                   range(0x10)),
}
NO_SLEEP = 0xdfff  # all of PM1_CNT but SLP_EN
IOAPIC, IOAPIC_REGS = 0xfec00000, range(0x40)
HPET, HPET_REGS = 0xfed00000, range(0, 0x160, 4)

# (device, register): why ours is another. See docs/devices.md.
EXPLAINED = {
    ('pic', 0x20): "the 8254's output is high before its first count",
    ('fdc', 0x3f3): 'the tape register can be written while in reset',
    ('fdc', 0x3f5): 'a FIFO in reset takes no command',
    ('i8042', 0x60): 'a reset empties the output buffer',
    ('cpu-hotplug', 0xaf00): 'a reset brings the register block of old back',
    ('cpu-hotplug', 0xaf04): 'as above',
    ('host bridge', 0x70): 'SMRAM has read-only and locking bits',
    ('pm', 0x00): 'no bit of the timer has changed since the start',
    ('hpet', 0x100): 'no message is enabled by a timer that has none',
    ('hpet', 0x120): 'as above',
    ('hpet', 0x140): 'as above',
    ('cmos', 0x0c): 'the periodic flag is set without its interrupt, too',
}
CLOCK = range(0x00, 0x0a)  # of the CMOS: goes on between two looks


class Side:
    """One program, paused before its first instruction."""

    def __init__(self, t, name, binary):
        self._folder = tempfile.mkdtemp(prefix='registers-')
        path = os.path.join(self._folder, 'qtest')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(60)
        kwargs = {'binary': binary} if binary else {}
        self.vm = t.launch(ARGS + ['-qtest', 'unix:' + path,
                                   '-qtest-log', 'none'],
                           name=name, serial=False, **kwargs)
        self._sock = listener.accept()[0]
        self._file = self._sock.makefile('r')
        listener.close()
        os.unlink(path)
        os.rmdir(self._folder)

    def run(self, lines):
        """Answers as numbers, of those that have one."""
        values = []
        for start in range(0, len(lines), 200):
            part = lines[start:start + 200]
            self._sock.sendall(('\n'.join(part) + '\n').encode())
            left = len(part)
            while left:
                words = self._file.readline().split()
                if not words or words[0] == 'IRQ':
                    continue
                check(words[0] == 'OK', 'answer %r' % words)
                left -= 1
                values += [int(w, 16) for w in words[1:2]]
        return values

    def reset(self):
        self.vm.qmp.cmd('system_reset')
        self.vm.qmp.wait_event('RESET')


def port_keys():
    return [(dev, port) for dev, ports in PORTS.items() for port in ports]


def read_ports(side):
    values = side.run(['inb 0x%x' % port for _, port in port_keys()])
    return dict(zip(port_keys(), values))


def walk_ports(side):
    """What each port reads as: before, and after ones and zeros."""
    seen = {}
    for dev, port in port_keys():
        ones = 0 if port in NO_ONES else 0xff
        seen[dev, port] = tuple(side.run(
            ['inb 0x%x' % port, 'outb 0x%x 0x%x' % (port, ones),
             'inb 0x%x' % port, 'outb 0x%x 0' % port, 'inb 0x%x' % port]))
    return seen


def walk_config(side, write=None):
    seen = {}
    for dev, devfn in FUNCTIONS.items():
        for reg in range(0, 256, 4):
            lines = ['outl 0xcf8 0x%x' % (1 << 31 | devfn << 8 | reg)]
            if write is not None and reg not in NO_CONFIG_WRITES:
                lines.append('outl 0xcfc 0x%x' % write)
            seen[dev, reg] = side.run(lines + ['inl 0xcfc'])[-1]
    return seen


def walk_mapped(side):
    """What a function has behind its base registers."""
    seen = {}
    for dev, (base, enable, start, width, regs) in MAPPED.items():
        for devfn, reg, value in (base, enable):
            side.run(['outl 0xcf8 0x%x' % (1 << 31 | devfn << 8 | reg),
                      'outl 0xcfc 0x%x' % value])
        for reg in regs:
            ones = {'b': 0xff, 'w': 0xffff}[width]
            if (dev, reg) == ('pm', PM1_CNT):
                ones = NO_SLEEP
            port = start + reg
            seen[dev, reg] = tuple(side.run(
                ['in%s 0x%x' % (width, port),
                 'out%s 0x%x 0x%x' % (width, port, ones),
                 'in%s 0x%x' % (width, port), 'out%s 0x%x 0' % (width, port),
                 'in%s 0x%x' % (width, port)]))
    return seen


def walk_memory(side):
    """The I/O APIC by its index, and the HPET."""
    seen = {}
    for reg in IOAPIC_REGS:
        seen['ioapic', reg] = tuple(side.run(
            ['writel 0x%x 0x%x' % (IOAPIC, reg)] + [
                line % (IOAPIC + 0x10) for line in (
                    'readl 0x%x', 'writel 0x%x 0xffffffff', 'readl 0x%x',
                    'writel 0x%x 0', 'readl 0x%x')]))
    for reg in HPET_REGS:
        seen['hpet', reg] = tuple(side.run(
            [line % (HPET + reg) for line in (
                'readl 0x%x', 'writel 0x%x 0xffffffff', 'readl 0x%x',
                'writel 0x%x 0', 'readl 0x%x')]))
    return seen


def read_cmos(side):
    return {('cmos', reg): side.run(['outb 0x70 0x%x' % reg, 'inb 0x71'])[-1]
            for reg in range(128) if reg not in CLOCK}


def compare(what, ours, peers, used):
    wrong = []
    for key, value in ours.items():
        if value == peers[key]:
            continue
        if key in EXPLAINED:
            used.add(key)
        else:
            wrong.append('%s: %s 0x%x: %r, the peer %r' % (
                what, *key, value, peers[key]))
    check(not wrong, '; '.join(wrong))


@test(godwit_only='it is compared with itself')
def walk(t):
    """The same on both sides, or explained; no explanation is left over."""
    sides = [Side(t, 'ours', None), Side(t, 'peer', need_peer())]
    used = set()

    def both(what, look, *args):
        compare(what, *[look(side, *args) for side in sides], used)

    both('start', read_ports)
    both('cmos', read_cmos)
    both('walk', walk_ports)
    for side in sides:
        side.reset()
    both('reset', read_ports)
    for what, value in ('config', None), ('ones', 0xffffffff), ('zeros', 0):
        both(what, walk_config, value)
    for side in sides:
        side.reset()
    both('config after reset', walk_config)
    both('mapped', walk_mapped)
    both('memory', walk_memory)
    for side in sides:
        side.reset()
    both('mapped after reset', walk_mapped)
    both('memory after reset', walk_memory)
    check(used == set(EXPLAINED),
          'explained, but the same: %r' % sorted(set(EXPLAINED) - used))


if __name__ == '__main__':
    main()
