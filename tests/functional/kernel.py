# SPDX-License-Identifier: GPL-2.0-or-later
"""Multiboot and PVH kernels, started by firmware and without it.

The guest (tests/guest/handover.c) says what it was handed.  Firmware's real
mode needs privileged code at full speed, which not every KVM has, so it runs
on the software CPU unless GODWIT_ACCEL says otherwise.
"""

import re
import struct

from godwit.linux import accel
from godwit.peer import need_peer
from godwit.tap import check, check_equal, check_in, main, test

TIMEOUT = 120.0
RESERVED = 0x100000     # below the hole for devices: firmware's
LOADER_MAGIC = 0x1badb002


def number(text):
    return int(text, 16)


def fields(line):
    """What follows the first word of a line, by name."""
    return dict(re.findall(r"(\w+)=('[^']*'|\S+)", line))


class Report:
    """The lines of one start of the guest."""

    def __init__(self, lines):
        self.lines = lines

    def of(self, word):
        return [fields(line) for line in self.lines
                if line.split(' ')[0] == word]

    def one(self, word):
        found = self.of(word)
        check_equal(len(found), 1, 'lines with ' + word)
        return found[0]


def args_of(t, guest, machine, mem, extra):
    return ['-machine', machine, '-accel', accel(), '-m', str(mem),
            '-nodefaults', '-display', 'none', '-device',
            'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel',
            t.host.guest(guest), *extra]


def read_report(vm, mark=0):
    vm.wait_line('^done$', mark, TIMEOUT)
    first = max(i for i, line in enumerate(vm.serial.lines)
                if line.startswith('handover '))
    return Report(vm.serial.lines[first:])


def start(t, guest, *extra, machine='pc', mem=64, binary=None):
    vm = t.launch(args_of(t, guest, machine, mem, extra),
                  name='vm%d' % len(t.machines), binary=binary)
    return vm, read_report(vm)


def finish(vm):
    vm.type_keys('q')
    check_equal(vm.wait_end(), 1, 'exit status')


def modules(t):
    """Two files, the second with a comma in its name."""
    paths = [t.path('first'), t.path('second,file')]
    for i, path in enumerate(paths):
        with open(path, 'wb') as f:
            f.write(bytes((i + n * n) & 0xff for n in range(4097 + i)))
    return paths


def fletcher(path):
    with open(path, 'rb') as f:
        data = f.read()
    low, high = 1, 0
    for byte in data:
        low = (low + byte) % 65521
        high = (high + low) % 65521
    return high << 16 | low


def check_state(report, entered_by):
    check_equal(report.one('handover'),
                {'bss': '0x1', 'data': '0x1', 'a20': '0x1'}, 'memory')
    entry = report.one('entry')
    check_equal(entry['cr0'], '0x11', 'CR0')
    check_equal(entry['cr4'], '0x0', 'CR4')
    # VM, IF and TF are clear.
    check_equal(number(entry['eflags']) & 0x20300, 0, 'EFLAGS')
    if entered_by == 'multiboot':
        check_equal(entry['eax'], '0x2badb002', 'EAX')


def check_map(report, mem):
    """RAM at 0 and at 1 MiB, with what firmware keeps at its end."""
    ram = [(number(e['addr']), number(e['len'])) for e in report.of('map')
           if e['type'] == '0x1']
    check_equal(ram[0][0], 0, 'first RAM')
    check(0x80000 <= ram[0][1] <= 0x9fc00, 'low RAM: %r' % (ram,))
    check_equal(ram[1][0], 0x100000, 'second RAM')
    end = ram[1][0] + ram[1][1]
    top = mem << 20
    check(top - RESERVED <= end < top, 'RAM ends at 0x%x' % end)
    last = 0
    for entry in report.of('map'):
        check(number(entry['addr']) >= last, 'map overlaps: %r' % (entry,))
        last = number(entry['addr']) + number(entry['len'])
    return ram


def check_acpi(report):
    acpi = report.one('acpi')
    check_equal(acpi['good'], '0x1', 'RSDP')
    check_equal(acpi['signature'], '0x54445352', 'RSDT')


def check_module(report, index, path, text):
    got = report.of('module')[index]
    check_equal(number(got['start']) % 4096, 0, 'page')
    check_equal(number(got['sum']), fletcher(path), 'content')
    check_equal(got['args'], "'%s'" % text, 'arguments')


def multiboot(t, guest):
    first, second = modules(t)
    vm, report = start(t, guest, '-append', 'a=1 "b c"', '-initrd',
                       '%s one two,%s' % (first, second.replace(',', ',,')))
    check_state(report, 'multiboot')
    info = report.one('multiboot')
    check_equal(number(info['flags']), 0x24f, 'flags')
    check_equal(info['cmdline'], "'%s a=1 \"b c\"'" % t.host.guest(guest),
                'command line')
    check_module(report, 0, first, first + ' one two')
    check_module(report, 1, second, second)
    ram = check_map(report, 64)
    memory = report.one('memory')
    check_equal(number(memory['lower']), ram[0][1] // 1024, 'lower memory')
    check_equal(number(memory['upper']), ram[1][1] // 1024, 'upper memory')
    check_acpi(report)
    finish(vm)


def pvh(t, guest):
    first, _ = modules(t)
    vm, report = start(t, guest, '-append', 'a=1 b', '-initrd', first)
    check_state(report, 'pvh')
    check_equal(report.one('pvh'), {'version': '0x1', 'flags': '0x0',
                                    'cmdline': "'a=1 b'"}, 'start info')
    check_module(report, 0, first, '')
    check_map(report, 64)
    check_acpi(report)
    finish(vm)


@test()
def multiboot_elf(t):
    multiboot(t, 'handover.mb')


@test()
def multiboot_flat(t):
    multiboot(t, 'handover.flat')


@test()
def pvh_32(t):
    pvh(t, 'handover.pvh')


@test()
def pvh_64(t):
    pvh(t, 'handover.pvh64')


@test()
def memory_above_4g(t):
    _, report = start(t, 'handover.mb', mem=4096)
    check_in({'addr': '0x100000000', 'len': '0x40000000', 'type': '0x1'},
             report.of('map'), 'map')


@test()
def again_after_a_reset(t):
    for guest in ('handover.mb', 'handover.pvh'):
        vm, report = start(t, guest)
        mark = vm.mark()
        vm.type_keys('r')
        vm.qmp.wait_event('RESET', lambda e: e['data']['guest'])
        again = read_report(vm, mark)
        # It had spoilt its data: all is as it was.
        check_equal(again.lines, report.lines, guest)
        finish(vm)


@test()
def test_guest_runs(t):
    for guest in ('guest.mb', 'guest.elf'):
        vm = t.launch(args_of(t, guest, 'pc', 64, ['-append', 'mode=idle']),
                      name='vm' + guest)
        vm.wait_line('^ready$', timeout=TIMEOUT)
        vm.say('quit')
        check_equal(vm.wait_end(), 1, 'exit status')


def comparable(report):
    """Without what each of the two is free to choose."""
    hidden = {'entry': ('ebx', 'eflags', 'tr'), 'module': ('start',),
              'acpi': ('rsdt',)}
    return [(line.split(' ')[0],
             {k: v for k, v in fields(line).items()
              if k not in hidden.get(line.split(' ')[0], ())})
            for line in report.lines]


@test()
def as_the_peer(t):
    peer = need_peer()
    first, second = modules(t)
    for guest, initrd in (
            ('handover.mb', '%s x,%s' % (first, second.replace(',', ',,'))),
            ('handover.flat', first), ('handover.pvh', first),
            ('handover.pvh64', first)):
        got = []
        for binary in (peer, None):
            vm, report = start(t, guest, '-append', 'k=v w', '-initrd', initrd,
                               binary=binary)
            finish(vm)
            got.append(comparable(report))
        check_equal(got[1], got[0], guest)


@test()
def without_firmware(t):
    first, second = modules(t)
    vm, report = start(t, 'handover.mb', '-initrd', '%s a,%s' % (
        first, second.replace(',', ',,')), machine='microvm')
    check_state(report, 'multiboot')
    check_module(report, 0, first, first + ' a')
    check_module(report, 1, second, second)
    check_in({'addr': '0x100000', 'len': '0x3f00000', 'type': '0x1'},
             report.of('map'), 'map')
    finish(vm)
    vm, report = start(t, 'handover.pvh64', '-initrd', first,
                       machine='microvm')
    check_state(report, 'pvh')
    check_module(report, 0, first, '')
    finish(vm)


# Images that are not as they should be

class Image:
    """The bytes of a 32-bit ELF file, to be changed."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            self.data = bytearray(f.read())
        self.header = self.data.find(struct.pack('<I', LOADER_MAGIC))

    def put(self, offset, *words):
        struct.pack_into('<%dI' % len(words), self.data, offset,
                         *[w & 0xffffffff for w in words])
        return self

    def get(self, offset):
        return struct.unpack_from('<I', self.data, offset)[0]

    def segment(self, index, *, vaddr=None, paddr=None, mem=None):
        at = self.get(28) + 32 * index
        for offset, value in ((8, vaddr), (12, paddr), (20, mem)):
            if value is not None:
                self.put(at + offset, value)
        return self

    def flags(self, flags):
        return self.put(self.header + 4, flags, -(LOADER_MAGIC + flags))

    def addresses(self, *words):
        """Of a header with flag 16."""
        return self.put(self.header + 12, *words)


def write(t, name, data):
    path = t.path(name)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def far_header(image):
    image.data[0x1000:0x1000] = bytes(0x2000)
    at = image.get(28)
    for index in range(2):
        image.put(at + 32 * index + 4, image.get(at + 32 * index + 4) + 0x2000)
    return image


BAD = [
    # What is done to it, and what is said about it.
    ('handover.mb', lambda i: i.flags(8), 'flags 0x8'),
    ('handover.mb', far_header, 'without PVH note or 32-bit Multiboot header'),
    ('handover.mb', lambda i: i.put(i.header + 8, 1), 'without PVH note'),
    ('handover.mb', lambda i: i.segment(1, paddr=0x200800), 'overlap'),
    ('handover.mb', lambda i: i.segment(1, paddr=0x4000000),
     'beyond the end of free RAM'),
    ('handover.mb', lambda i: i.segment(1, mem=0x4000000),
     'beyond the end of free RAM'),
    ('handover.mb', lambda i: i.segment(1, paddr=0xf0000),
     'overlap video memory and firmware'),
    ('handover.mb', lambda i: i.segment(1, mem=1), '0x1 bytes of memory'),
    ('handover.mb', lambda i: i.put(24, 0x300000), 'entry point 0x300000'),
    ('handover.mb', lambda i: i.put(44, 0), '0 program headers'),
    ('handover.flat', lambda i: i.addresses(0x100), 'header at 0x0'),
    ('handover.flat', lambda i: i.put(i.header + 20, 0x300000),
     'not in the file'),
    ('handover.flat', lambda i: i.put(i.header + 24, 0x200001),
     'before the data'),
    ('handover.flat', lambda i: i.put(i.header + 24, 0xfffffffe),
     'beyond the end of free RAM'),
    ('handover.flat', lambda i: i.put(i.header + 28, 0x100),
     'entry point 0x100'),
]


def refused(t, path, words, *extra):
    vm = t.run_to_end(['-machine', 'pc', '-accel', accel(), '-nodefaults',
                       '-display', 'none', '-m', '64', '-kernel', path, *extra])
    check_equal(vm.status, 1, 'status for %s' % words)
    check_equal(vm.stderr.count('\n'), 1, 'lines of %r' % vm.stderr)
    check_in(words, vm.stderr, 'standard error')
    check_in(path, vm.stderr, 'standard error')


@test(godwit_only='the peer starts most of them')
def bad_images(t):
    for number_, (guest, change, words) in enumerate(BAD):
        data = change(Image(t.host.guest(guest))).data
        refused(t, write(t, 'bad%d' % number_, data), words)


@test(godwit_only='the peer says it with other words')
def truncated_images(t):
    for guest in ('handover.mb', 'handover.pvh', 'handover.pvh64'):
        with open(t.host.guest(guest), 'rb') as f:
            data = f.read()
        for length in (4, 20, 60, 100, 0x1100, 0x2001):
            refused(t, write(t, '%s-%d' % (guest, length), data[:length]),
                    'could not load kernel')


@test(godwit_only='the peer does not look at it')
def bad_modules(t):
    guest = t.host.guest('handover.mb')
    vm = t.run_to_end(['-machine', 'pc', '-accel', accel(), '-display', 'none',
                       '-kernel', guest, '-initrd', guest + ' a,' +
                       t.path('none') + ' b'])
    check_equal(vm.status, 1, 'status')
    check_in(t.path('none'), vm.stderr, 'standard error')
    # 64 MiB of RAM have no room for it.
    refused(t, guest, 'module: no room', '-initrd',
            write(t, 'large', bytes(64 << 20)))


@test()
def linked_elsewhere(t):
    """Kernels are linked to where they are after paging is on."""
    image = Image(t.host.guest('handover.mb'))
    for index in range(2):
        at = image.get(28) + 32 * index
        image.segment(index, vaddr=image.get(at + 8) + 0xc0000000)
    image.put(24, image.get(24) + 0xc0000000)
    path = write(t, 'virtual', image.data)
    vm = t.launch(args_of(t, path, 'pc', 64, []), name='virtual')
    check_state(read_report(vm), 'multiboot')
    finish(vm)


@test()
def asks_for_video(t):
    image = Image(t.host.guest('handover.mb')).flags(7)
    path = write(t, 'video', image.data)
    vm = t.launch(args_of(t, path, 'pc', 64, []), name='video')
    check_state(read_report(vm), 'multiboot')
    finish(vm)
    check(vm.stderr, 'no warning')


if __name__ == '__main__':
    main()
