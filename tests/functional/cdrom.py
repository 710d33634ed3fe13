# SPDX-License-Identifier: GPL-2.0-or-later
"""CD-ROM drives: trays and media, from the monitors and from the guest.

There is no guest: packet commands are sent by port accesses of the qtest
protocol, to a machine that doesn't run.
"""

import os
import re
import socket

from godwit.peer import need_peer
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, check_in, main, test

PORT = 0x170            # of the secondary channel
DRQ, BSY = 0x08, 0x80
NO_MEDIUM = (2, 0x3a)
CHANGED = (6, 0x28)
LOCKED = ("Device 'ide1-cd0' is locked and force was not specified, wait for "
          "tray to open and try again")


class Ports:
    """Port accesses by qtest."""

    def __init__(self, listener):
        self.sock, _ = listener.accept()
        listener.close()
        self.file = self.sock.makefile('rw')

    def ask(self, line):
        self.file.write(line + '\n')
        self.file.flush()
        while True:
            words = self.file.readline().split()
            if words and words[0] == 'IRQ':
                continue
            check(words and words[0] == 'OK', '%s: %r' % (line, words))
            return int(words[1], 16) if len(words) > 1 else 0

    def outb(self, port, val):
        self.ask('outb %#x %#x' % (port, val))

    def inb(self, port):
        return self.ask('inb %#x' % port)

    def close(self):
        self.file.close()
        self.sock.close()


class Drive:
    """The secondary channel's first drive, by PIO."""

    def __init__(self, ports):
        self.ports = ports

    def _status(self):
        while True:
            status = self.ports.inb(PORT + 7)
            if not status & BSY:
                return status

    def packet(self, *cdb):
        """The data; or None if the command ended with an error."""
        cdb = bytes(cdb).ljust(12, b'\0')
        for reg, val in ((6, 0xa0), (1, 0), (4, 0xfe), (5, 0xff), (7, 0xa0)):
            self.ports.outb(PORT + reg, val)
        for i in range(0, 12, 2):
            self.ports.ask('outw %#x %#x' % (PORT, cdb[i] | cdb[i + 1] << 8))
        data = b''
        status = self._status()
        while status & DRQ:
            size = (self.ports.inb(PORT + 4) | self.ports.inb(PORT + 5) << 8)
            for _ in range((size + 1) // 2):
                word = self.ports.ask('inw %#x' % PORT)
                data += bytes([word & 0xff, word >> 8])
            status = self._status()
        return None if status & 1 else data

    def sense(self):
        data = self.packet(3, 0, 0, 0, 18)
        return data[2], data[12]

    def ready(self):
        """TEST UNIT READY: None, or what is the matter."""
        return None if self.packet(0) is not None else self.sense()

    def event(self):
        """Of the class "media": event, and what is in the drive."""
        data = self.packet(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8)
        check_equal(data[:4], b'\x00\x04\x04\x10', 'header of events')
        return data[4], data[5]

    def lock(self, locked):
        check(self.packet(0x1e, 0, 0, 0, int(locked)) is not None, 'lock')

    def start_stop(self, what):
        return self.packet(0x1b, 0, 0, 0, what) is not None

    def capacity(self):
        return int.from_bytes(self.packet(0x25)[:4], 'big') + 1

    def read(self, lba):
        return self.packet(0x28, 0, 0, 0, 0, lba, 0, 0, 1)


def image(t, name, sectors):
    path = t.path(name)
    with open(path, 'wb') as f:
        for i in range(sectors):
            f.write(bytes([(i * 7 + len(name)) & 0xff]) * 2048)
    return path


def start(t, *extra, binary=None):
    path = t.path('qtest%d' % len(t.machines))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    vm = t.launch(['-machine', 'pc', '-accel', 'tcg', '-S', '-display', 'none',
                   '-qtest', 'unix:' + path, '-qtest-log', '/dev/null', *extra],
                  name='vm%d' % len(t.machines), binary=binary, serial=False)
    ports = Ports(listener)
    t.defer(ports.close)
    return vm, Drive(ports)


def hmp(vm, line):
    return vm.qmp.cmd('human-monitor-command', **{'command-line': line})


def moved(vm, tray_open, device='ide1-cd0'):
    event = vm.qmp.wait_event('DEVICE_TRAY_MOVED')
    check_equal(event['data']['device'], device, 'device')
    check_equal(event['data']['tray-open'], tray_open, 'tray')
    check(event['data']['id'], 'no id')


def block(vm, device='ide1-cd0'):
    return next(b for b in vm.qmp.cmd('query-block') if b['device'] == device)


def error_of(vm, name, **args):
    try:
        vm.qmp.cmd(name, **args)
    except QmpError as err:
        return err.desc
    raise AssertionError('%s %r: no error' % (name, args))


def check_changed(drive):
    """As hosts see another medium: gone, then another."""
    check_equal(drive.ready(), NO_MEDIUM, 'first')
    check_equal(drive.ready(), CHANGED, 'second')
    check_equal(drive.ready(), None, 'third')


@test()
def default_drive(t):
    vm, drive = start(t)
    check_equal(drive.ready(), NO_MEDIUM, 'TEST UNIT READY')
    info = block(vm)
    check_equal((info['removable'], info['locked'], info['tray_open'],
                 'inserted' in info), (True, False, False, False), 'drive')
    check_in('ide1-cd0: [not inserted]', hmp(vm, 'info block'), 'info block')


@test()
def no_default_drive(t):
    disk = image(t, 'disk', 64)
    for extra in (['-nodefaults'], ['-device', 'ide-cd'],
                  ['-drive', 'if=ide,index=2,format=raw,file=' + disk]):
        vm, _ = start(t, *extra)
        names = [b['device'] for b in vm.qmp.cmd('query-block')]
        check('ide1-cd0' not in names, repr(names))


def places(vm):
    """Bus and unit of each IDE drive by its ID, from 'info qtree'."""
    bus = drive = None
    found = {}
    for line in hmp(vm, 'info qtree').splitlines():
        match = re.search(r'bus: (\S+)|dev: ide-.d, id "(.*)"|unit = (\d+)',
                          line)
        if match and match.group(1):
            bus, drive = match.group(1), None
        elif match and match.group(2) is not None:
            drive = match.group(2)
        elif match and drive:
            found[drive] = (bus, int(match.group(3)))
    return found


@test()
def without_bus(t):
    """Where -device puts drives by itself, and what is said of it."""
    disks = [image(t, 'disk%d' % i, 64) for i in range(5)]
    drives = [word for i, path in enumerate(disks) for word in
              ('-drive', 'if=none,id=b%d,format=raw,file=%s' % (i, path))]

    def device(number, extra=''):
        return ['-device',
                'ide-hd,id=d%d,drive=b%d%s' % (number, number, extra)]

    for extra, want in (
            (device(0) + device(1), {'d0': ('ide.1', 0), 'd1': ('ide.1', 1)}),
            (['-cdrom', disks[4]] + device(0), {'d0': ('ide.1', 1)}),
            (device(0, ',unit=1') + device(1),
             {'d0': ('ide.1', 1), 'd1': ('ide.1', 0)}),
            (device(0, ',bus=ide.0') + device(1),
             {'d0': ('ide.0', 0), 'd1': ('ide.1', 0)})):
        vm, _ = start(t, '-nodefaults', *drives[:8], *extra)
        check_equal(places(vm), want, repr(extra))
        vm.qmp.cmd('quit')
        vm.wait_end()


@test(godwit_only='the peer looks at one bus only')
def without_bus_all_four(t):
    disks = [image(t, 'disk%d' % i, 64) for i in range(4)]
    extra = [word for i, path in enumerate(disks) for word in (
        '-drive', 'if=none,id=b%d,format=raw,file=%s' % (i, path),
        '-device', 'ide-hd,id=d%d,drive=b%d' % (i, i))]
    vm, _ = start(t, '-nodefaults', *extra)
    check_equal(places(vm), {'d0': ('ide.1', 0), 'd1': ('ide.1', 1),
                             'd2': ('ide.0', 0), 'd3': ('ide.0', 1)}, 'places')


@test()
def another_medium(t):
    first, second = image(t, 'first', 100), image(t, 'second', 300)
    vm, drive = start(t, '-nodefaults', '-cdrom', first)
    check_equal(drive.ready(), None, 'TEST UNIT READY')
    check_equal(drive.event(), (0, 2), 'event')
    check_equal(hmp(vm, 'change ide1-cd0 %s raw' % second), '', 'change')
    moved(vm, True)
    moved(vm, False)
    check_equal(drive.event(), (2, 2), 'event')
    check_equal(drive.event(), (0, 2), 'event')
    check_changed(drive)
    check_equal(drive.capacity(), 300, 'capacity')
    with open(second, 'rb') as f:
        f.seek(2048 * 200)
        check_equal(drive.read(200), f.read(2048), 'sector')
    vm.qmp.cmd('blockdev-change-medium', device='ide1-cd0', filename=first)
    moved(vm, True)
    moved(vm, False)
    check_changed(drive)
    check_equal(drive.capacity(), 100, 'capacity')


@test()
def attention_stays(t):
    first, second = image(t, 'first', 10), image(t, 'second', 10)
    vm, drive = start(t, '-nodefaults', '-cdrom', first)
    hmp(vm, 'change ide1-cd0 %s raw' % second)
    check_equal(drive.ready(), NO_MEDIUM, 'first')
    for _ in range(3):
        check_equal(drive.packet(0), None, 'until it is asked for')
    check(drive.packet(0x12, 0, 0, 0, 36), 'INQUIRY')
    check_equal(drive.sense(), CHANGED, 'sense')
    check_equal(drive.ready(), None, 'then')


@test()
def eject(t):
    vm, drive = start(t, '-nodefaults', '-cdrom', image(t, 'cd', 50))
    vm.qmp.cmd('eject', device='ide1-cd0')
    moved(vm, True)
    info = block(vm)
    check_equal((info['tray_open'], 'inserted' in info), (True, False), 'drive')
    check_equal(drive.event(), (0, 1), 'event')
    check_equal(drive.ready(), NO_MEDIUM, 'TEST UNIT READY')
    # The guest closes it.
    check(drive.start_stop(3), 'load')
    moved(vm, False)
    check_equal(drive.event(), (2, 0), 'event')
    check_equal(hmp(vm, 'eject ide1-cd0'), '', 'empty')
    moved(vm, True)


@test()
def guest_opens(t):
    vm, drive = start(t, '-nodefaults', '-cdrom', image(t, 'cd', 50))
    check(drive.start_stop(2), 'eject')
    moved(vm, True)
    info = block(vm)
    check_equal((info['tray_open'], 'inserted' in info), (True, True), 'drive')
    check_equal(drive.ready(), NO_MEDIUM, 'TEST UNIT READY')
    check_equal(drive.event(), (0, 1), 'event')
    check(drive.start_stop(3), 'load')
    moved(vm, False)
    check_equal(drive.ready(), None, 'TEST UNIT READY')


@test()
def locked(t):
    first, second = image(t, 'first', 50), image(t, 'second', 60)
    vm, drive = start(t, '-nodefaults', '-cdrom', first)
    drive.lock(True)
    check_equal(block(vm)['locked'], True, 'locked')
    check(not drive.start_stop(2), 'the guest opens a locked tray')
    check_equal(error_of(vm, 'eject', device='ide1-cd0'), LOCKED, 'eject')
    check_equal(drive.event(), (1, 2), 'the button was pressed')
    check_equal(drive.event(), (0, 2), 'event')
    vm.qmp.cmd('blockdev-open-tray', device='ide1-cd0')
    check_equal(drive.event(), (1, 2), 'the button was pressed')
    check_in(LOCKED, hmp(vm, 'change ide1-cd0 %s raw' % second), 'change')
    info = block(vm)
    check_equal((info['tray_open'], info['inserted']['file']),
                (False, first), 'drive')
    check_equal(hmp(vm, 'change ide1-cd0 -f %s raw' % second), '', 'change -f')
    moved(vm, True)
    moved(vm, False)
    info = block(vm)
    check_equal((info['locked'], info['inserted']['file']), (False, second),
                'drive')
    check_changed(drive)
    drive.lock(True)
    check_equal(hmp(vm, 'eject -f ide1-cd0'), '', 'eject -f')
    moved(vm, True)


@test()
def by_hand(t):
    """Each step by its own command; the drive by its device's name."""
    cd = image(t, 'cd', 50)
    vm, drive = start(t, '-nodefaults', '-drive',
                      'if=none,id=medium,media=cdrom,file=' + cd,
                      '-device', 'ide-cd,id=reader,drive=medium,bus=ide.1')
    check_equal(error_of(vm, 'blockdev-remove-medium', id='reader'),
                "Tray of device 'medium' is not open", 'remove')
    vm.qmp.cmd('blockdev-open-tray', id='reader')
    moved(vm, True, 'medium')
    vm.qmp.cmd('blockdev-open-tray', id='/machine/peripheral/reader')
    vm.qmp.cmd('blockdev-remove-medium', id='reader')
    check_in("Node 'n0'", error_of(vm, 'blockdev-insert-medium', id='reader',
                                   **{'node-name': 'n0'}), 'insert')
    vm.qmp.cmd('blockdev-close-tray', id='reader')
    moved(vm, False, 'medium')
    vm.qmp.cmd('blockdev-close-tray', id='reader')
    check_equal(drive.ready(), NO_MEDIUM, 'TEST UNIT READY')
    vm.qmp.cmd('blockdev-change-medium', id='reader', filename=cd,
               **{'read-only-mode': 'read-write'})
    check_equal(block(vm, 'medium')['inserted']['ro'], False, 'read-only')
    vm.qmp.cmd('blockdev-change-medium', id='reader', filename=cd,
               **{'read-only-mode': 'read-only'})
    check_equal(block(vm, 'medium')['inserted']['ro'], True, 'read-only')
    check_changed(drive)


@test()
def refused(t):
    cd, disk = image(t, 'cd', 50), image(t, 'disk', 50)
    vm, drive = start(t, '-nodefaults', '-cdrom', cd, '-drive',
                      'if=ide,index=0,format=raw,file=' + disk)
    for name, args, words in (
            ('eject', {'device': 'ide0-hd0', 'force': True}, 'not removable'),
            ('blockdev-open-tray', {'device': 'ide0-hd0'}, 'not removable'),
            ('blockdev-change-medium', {'device': 'ide0-hd0', 'filename': cd},
             'not removable'),
            ('eject', {'device': 'none'}, "Device 'none' not found"),
            ('eject', {'id': 'none'}, "Device 'none' not found"),
            ('eject', {'device': ''}, "Device '' not found"),
            ('eject', {}, "Need exactly one of 'device' and 'id'"),
            ('eject', {'device': 'a', 'id': 'b'}, 'Need exactly one'),
            ('blockdev-change-medium',
             {'device': 'ide1-cd0', 'filename': t.path('none')},
             "Could not open '%s'" % t.path('none')),
            ('blockdev-change-medium',
             {'device': 'ide1-cd0', 'filename': cd, 'format': 'qcow2'},
             'qcow2'),
            ('blockdev-change-medium',
             {'device': 'ide1-cd0', 'filename': cd, 'read-only-mode': 'x'},
             'read-only-mode')):
        check_in(words, error_of(vm, name, **args), name)
    check_in('invalid parameter value: x',
             hmp(vm, 'change ide1-cd0 %s raw x' % cd), 'change')
    # Nothing of it moved the tray.
    check_equal(block(vm)['tray_open'], False, 'tray')
    check_equal(drive.ready(), None, 'TEST UNIT READY')


@test()
def cache_modes(t):
    cd, disk = image(t, 'cd', 50), image(t, 'disk', 50)
    for mode, want, text in (
            ('none', (True, True, False), 'writeback, direct'),
            ('unsafe', (True, False, True), 'writeback, ignore flushes'),
            ('directsync', (False, True, False), 'writethrough, direct'),
            ('writethrough', (False, False, False), 'writethrough')):
        vm, _ = start(t, '-nodefaults', '-drive',
                      'if=ide,index=2,media=cdrom,cache=%s,file=%s' %
                      (mode, cd))
        for path in (cd, disk):
            vm.qmp.cmd('blockdev-change-medium', device='ide1-cd0',
                       filename=path, format='raw')
            info = block(vm)['inserted']
            check_equal(info['file'], path, 'file')
            check_equal((info['cache']['writeback'], info['cache']['direct'],
                         info['cache']['no-flush']), want, mode)
            check_equal(info['image']['actual-size'],
                        os.stat(path).st_blocks * 512, 'actual size')
        check_in('Cache mode:       %s\n' % text,
                 hmp(vm, 'info block ide1-cd0').replace('\r', ''), mode)


@test()
def locked_by_another(t):
    """Who has the image open for writing keeps it; the tray stays open."""
    cd, disk = image(t, 'cd', 50), image(t, 'disk', 50)
    vm, drive = start(t, '-nodefaults', '-cdrom', cd, '-drive',
                      'if=ide,index=0,format=raw,file=' + disk)
    check_in('lock', error_of(vm, 'blockdev-change-medium', device='ide1-cd0',
                              filename=disk, format='raw'), 'change')
    info = block(vm)
    check_equal((info['tray_open'], 'inserted' in info), (True, False), 'drive')
    check_equal(hmp(vm, 'change ide1-cd0 %s raw' % cd), '', 'change')
    check_changed(drive)


@test()
def reset_closes_the_tray(t):
    vm, drive = start(t, '-nodefaults', '-cdrom', image(t, 'cd', 50))
    vm.qmp.cmd('blockdev-open-tray', device='ide1-cd0')
    drive.lock(True)
    vm.qmp.cmd('system_reset')
    vm.qmp.wait_event('RESET')
    info = block(vm)
    check_equal((info['tray_open'], info['locked'], 'inserted' in info),
                (False, False, True), 'drive')
    check_equal(drive.ready(), None, 'TEST UNIT READY')


def story(t, binary):
    """What both programs have to agree on, in one text."""
    first, second = image(t, 'first', 100), image(t, 'second', 300)
    vm, drive = start(t, '-nodefaults', '-cdrom', first, binary=binary)
    told = []

    def look():
        info = block(vm)
        told.append((info['tray_open'], info['locked'], info['removable'],
                     info.get('io-status'), 'inserted' in info and
                     info['inserted']['cache'], drive.event(), drive.ready(),
                     drive.ready(), drive.ready(), drive.event()))
        text = hmp(vm, 'info block ide1-cd0').replace('\r', '')
        told.append(re.sub(r' \(#\w+\)', '', text))

    def reply(name, **args):
        try:
            told.append(vm.qmp.cmd(name, device='ide1-cd0', **args))
        except QmpError as err:
            told.append(err.desc)
        look()

    look()
    reply('blockdev-change-medium', filename=second, format='raw')
    reply('blockdev-open-tray')
    reply('blockdev-close-tray')
    drive.lock(True)
    reply('eject')
    reply('blockdev-open-tray')
    reply('blockdev-change-medium', filename=first)
    reply('blockdev-open-tray', force=True)
    reply('blockdev-close-tray')
    told.append(drive.start_stop(2))
    look()
    told.append(drive.start_stop(3))
    look()
    reply('eject', force=True)
    told.append(drive.start_stop(3))
    look()
    reply('blockdev-change-medium', filename=first, format='raw')
    return told


@test()
def as_the_peer(t):
    peer = need_peer()
    theirs, ours = story(t, peer), story(t, None)
    for number, (a, b) in enumerate(zip(theirs, ours)):
        check_equal(b, a, 'step %d' % number)


if __name__ == '__main__':
    main()
