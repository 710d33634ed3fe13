#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Back ends that fall silent while a guest migrates. Who has rings and does
not answer may still write into the guest's memory, unseen: the guest then
stays where it is, and goes on there."""

import os
import select
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from godwit.migration import (query, refused, set_capabilities,  # noqa: E402
                              set_parameters, start, transport, wait_running,
                              wait_status)
from godwit.qmp import Qmp, QmpError  # noqa: E402
from godwit.tap import check, check_equal, check_in, main, test  # noqa: E402
from godwit.vhost import FEATURES, LOG_ALL, VhostBackEnd  # noqa: E402

MEM = 64  # MiB
CARDS = 2
ATTEMPTS = 3
OWN = 'the peer waits for ever, or believes such a back end'
MAY_WRITE = 'may still write into guest memory'


def machine(t, name, *extra, accel=None, features=FEATURES):
    """A guest that forwards between two cards, and their back ends."""
    args = ['-object', 'memory-backend-memfd,id=m,size=%dM,share=on' % MEM]
    backs = []
    for i in range(CARDS):
        path = t.path('%s-n%d' % (name, i))
        backs.append(VhostBackEnd(t.reactor, path, features))
        t.defer(backs[-1].close)
        args += ['-chardev', 'socket,id=c%d,path=%s,reconnect=1' % (i, path),
                 '-netdev', 'vhost-user,id=n%d,chardev=c%d' % (i, i),
                 '-device', 'virtio-net-pci,netdev=n%d' % i]
    vm = t.machine(*args, *extra, name=name, mem=MEM, machine='pc,'
                   'memory-backend=m', config='mode=l2fwd report=100',
                   accel=accel)
    return vm, backs


def source(t, extra=(), **kwargs):
    vm, backs = machine(t, 'src', *extra, **kwargs)
    vm.wait_line('^ready$')
    for back in backs:
        back.wait_for('SET_VRING_KICK', 2)
    return vm, backs


def destination(t, name='dst'):
    way = transport(t, 'tcp')
    vm, backs = machine(t, name, '-incoming', way.incoming)
    return vm, backs, way


def disappointed(t, name='dst'):
    """The way to one that will end when the source says that it failed."""
    vm, _, way = destination(t, name)
    vm.ends_expected = True
    t.defer(vm.wait_end)
    return way


def goes_on(vm):
    """The guest runs and says so."""
    wait_running(vm)
    vm.wait_line('^hb ', vm.mark())


def check_failed(vm, *parts):
    info = wait_status(vm, 'failed')
    for part in parts:
        check_in(part, info['error-desc'], 'error')


def back_again(back):
    """Its process is another one now: the card has its rings there."""
    back.forget()
    back.recover()
    back.wait_for('SET_VRING_KICK', 2)


def migrates(t, src, name='dst'):
    dst, backs, way = destination(t, name)
    start(src, way)
    wait_status(src, 'completed')
    wait_running(dst)
    for back in backs:
        back.wait_for('SET_VRING_KICK', 2)
    dst.serial.adopt(src.serial)
    goes_on(dst)


@test(godwit_only=OWN)
def silent_when_the_log_starts(t):
    src, backs = source(t)
    way = disappointed(t)
    backs[1].silent_at = {'SET_LOG_BASE'}
    start(src, way)
    backs[1].wait_for('SET_LOG_BASE')
    # The monitor answers, and the guest runs, while it is waited for.
    check_equal(query(src)['status'], 'setup', 'migration')
    goes_on(src)
    check_failed(src, "vhost-user netdev 'n1'", MAY_WRITE, 'SET_LOG_BASE')
    goes_on(src)
    # It is still there: nothing has become better.
    start(src, disappointed(t, 'dst2'))
    check_failed(src, "vhost-user netdev 'n1'", MAY_WRITE)
    back_again(backs[1])
    migrates(t, src, 'dst3')


@test(godwit_only=OWN)
def silent_in_a_pass(t):
    """Its rings were to come back while the guest ran."""
    src, backs = source(t)
    way = disappointed(t)
    set_parameters(src, max_bandwidth=1 << 20)
    start(src, way)
    wait_status(src, 'active')
    backs[0].silent_at = {'GET_VRING_BASE'}
    src.qmp.cmd('set_link', name='n0', up=False)
    backs[0].wait_for('GET_VRING_BASE')
    set_parameters(src, max_bandwidth=0)
    check_failed(src, "vhost-user netdev 'n0'", MAY_WRITE, 'GET_VRING_BASE')
    goes_on(src)
    src.qmp.cmd('set_link', name='n0', up=True)
    back_again(backs[0])
    migrates(t, src, 'dst2')


def stop_unanswered(t, src, back, way):
    """True if the monitor was seen to answer before the attempt had failed:
    it does, unless this machine stood still for that second."""
    back.silent_at = {'GET_VRING_BASE'}
    start(src, way)
    back.wait_for('GET_VRING_BASE')
    now = src.qmp.cmd('query-status')['status']
    check_failed(src, "vhost-user netdev 'n1'", MAY_WRITE, 'GET_VRING_BASE')
    goes_on(src)
    back_again(back)
    t.note('status in the switch-over: ' + now)
    return now == 'finish-migrate'


@test(godwit_only=OWN)
def silent_in_the_switchover(t):
    src, backs = source(t)
    way = disappointed(t)
    answered = False
    for i in range(ATTEMPTS):
        if i > 0:
            way = disappointed(t, 'dst%d' % i)
        answered = answered or stop_unanswered(t, src, backs[1], way)
        if answered:
            break
    check(answered, 'the monitor never answered while a back end hung')
    migrates(t, src, 'last')


@test(godwit_only=OWN)
def silent_when_the_guest_was_stopped(t):
    """The user's `stop` had no answer: no migration later trusts memory."""
    src, backs = source(t)
    way = disappointed(t)
    backs[0].silent_at = {'GET_VRING_BASE'}
    src.qmp.cmd('stop')
    start(src, way)
    check_failed(src, "vhost-user netdev 'n0'", MAY_WRITE, 'GET_VRING_BASE')
    check_equal(src.qmp.cmd('query-status')['status'], 'paused', 'guest')
    src.qmp.cmd('cont')
    back_again(backs[0])
    migrates(t, src, 'dst2')


@test(godwit_only=OWN)
def netdev_removed_while_silent(t):
    """Its netdev is gone, the process is not."""
    src, backs = source(t)
    way = disappointed(t)
    backs[1].silent_at = {'GET_VRING_BASE'}
    src.qmp.cmd('set_link', name='n1', up=False)
    backs[1].wait_for('GET_VRING_BASE')
    src.qmp.cmd('netdev_del', id='n1')
    start(src, way)
    check_failed(src, "vhost-user netdev 'n1'", MAY_WRITE)
    goes_on(src)


def second_monitor(t, vm):
    """Another session; `vm` has '-qmp unix:…' for it."""
    sock = socket.socket(socket.AF_UNIX)
    vm.reactor.wait(lambda: sock.connect_ex(t.path('qmp2')) == 0, 'monitor')
    qmp = Qmp(t.reactor, sock)
    t.defer(qmp.close)
    qmp.negotiate()
    return qmp


def qmp2(t):
    return ['-qmp', 'unix:%s,server=on,wait=off' % t.path('qmp2')]


@test(godwit_only=OWN)
def netdev_added_while_silent(t):
    """Who adds a netdev waits for its back end, other monitors don't; nobody
    has the netdev before."""
    path = t.path('n9')
    back = VhostBackEnd(t.reactor, path)
    t.defer(back.close)
    back.silent_at = {'GET_PROTOCOL_FEATURES'}
    vm = t.machine('-S', '-chardev', 'socket,id=c9,path=%s,reconnect=1' % path,
                   *qmp2(t))
    other = second_monitor(t, vm)
    vm.qmp.send('netdev_add', {'type': 'vhost-user', 'id': 'n9',
                               'chardev': 'c9'}, 'add')
    back.wait_for('GET_PROTOCOL_FEATURES')
    check_equal(other.cmd('query-status')['status'], 'prelaunch', 'status')
    check_equal(vm.qmp.replies, [], 'netdev_add has ended')
    for command, args, want in (
            ('device_add', {'driver': 'virtio-net-pci', 'netdev': 'n9'},
             'not answered yet'),
            ('netdev_del', {'id': 'n9'}, 'not a netdev'),
            ('netdev_add', {'type': 'user', 'id': 'n9'}, 'Duplicate ID')):
        try:
            other.cmd(command, **args)
            check(False, command + ' is refused')
        except QmpError as err:
            check_in(want, err.desc, command)
    back.recover()
    check_in('error', vm.qmp.reply_to('add'), 'netdev_add')


@test(godwit_only=OWN)
def debugger_stops_while_silent(t):
    """A debugger's stop waits for a back end; monitors don't, and there is no
    other debugger meanwhile."""
    gdb = 'unix:%s,server=on,wait=off' % t.path('gdb')
    src, backs = source(t, extra=['-gdb', gdb] + qmp2(t))
    backs[1].silent_at = {'GET_VRING_BASE'}
    sock = socket.socket(socket.AF_UNIX)
    t.defer(sock.close)
    sock.connect(t.path('gdb'))
    sock.sendall(b'$?#3f')
    backs[1].wait_for('GET_VRING_BASE')
    check_equal(src.qmp.cmd('query-status')['status'], 'paused', 'status')
    check_equal(select.select([sock], [], [], 0)[0], [], 'debugger is told')
    check_in('waits for the guest', src.qmp.hmp('gdbserver none'), 'gdbserver')
    backs[1].forget()
    backs[1].recover()
    t.reactor.wait(lambda: select.select([sock], [], [], 0)[0], 'stop reply')
    check_in(b'$T', sock.recv(4096), 'stop reply')
    # One that goes while it waits leaves nothing behind.
    src.qmp.cmd('cont')
    backs[1].wait_for('SET_VRING_KICK', 2)
    backs[1].forget()
    backs[1].silent_at = {'GET_VRING_BASE'}
    sock.sendall(b'\x03')
    backs[1].wait_for('GET_VRING_BASE')
    sock.close()
    check_equal(src.qmp.cmd('query-status')['status'], 'paused', 'status')
    backs[1].recover()
    src.qmp.cmd('cont')
    goes_on(src)


@test(godwit_only=OWN)
def silent_at_the_destination(t):
    """It never had rings there: the guest goes on with the other card, and
    nobody got a ring before it ran."""
    src, _ = source(t)
    way = transport(t, 'tcp')
    dst, backs = machine(t, 'dst', '-incoming', way.incoming)
    backs[0].silent_at = {'SET_VRING_ADDR'}
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    for back in backs:
        check('SET_VRING_KICK' not in back.names(),
              'a ring before the guest ran')
    src.qmp.cmd('migrate-continue', state='pre-switchover')
    wait_status(src, 'completed')
    wait_running(dst)
    backs[1].wait_for('SET_VRING_KICK', 2)
    dst.serial.adopt(src.serial)
    goes_on(dst)


@test(godwit_only='query-migrate tells it here only')
def answers_are_told(t):
    src, _ = source(t)
    _, _, way = destination(t)
    start(src, way)
    info = wait_status(src, 'completed')
    answers = info['downtime-breakdown']['backends']
    check_equal(sorted(a['name'] for a in answers), ['n0', 'n1'], 'back ends')
    for answer in answers:
        check(answer['time'] > 0, 'time of ' + answer['name'])
    check_in('; back ends: n', src.qmp.hmp('info migrate'), 'info migrate')


@test()
def undone_switchover(t):
    """The rings go back to their back end, where they stood."""
    src, backs = source(t)
    way = disappointed(t)
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    for back in backs:
        check_equal(back.names().count('GET_VRING_BASE'), 2, 'rings back')
        back.forget()
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    for back in backs:
        back.wait_for('SET_VRING_KICK', 2)
        for payload in back.payloads('SET_VRING_BASE'):
            check_equal(struct.unpack('<II', payload)[1], 0, 'base')
    goes_on(src)
    # The log is off again, and told so.
    back = backs[0]
    t.reactor.wait(lambda: back.payloads('SET_FEATURES') and not (
        struct.unpack('<Q', back.payloads('SET_FEATURES')[-1])[0] & LOG_ALL),
                   'end of the log')


@test()
def one_that_cannot_log(t):
    src, _ = source(t, features=FEATURES & ~LOG_ALL)
    err = refused(src, 'migrate', uri='tcp:127.0.0.1:1')
    check_in('VHOST_F_LOG_ALL', err.desc, 'error')


@test()
def memory_of_every_node_is_shared(t):
    """A back end would not see the second half of the guest's memory."""
    back = VhostBackEnd(t.reactor, t.path('n0'), FEATURES)
    t.defer(back.close)
    half = MEM // 2
    vm = t.machine(
        '-object', 'memory-backend-memfd,id=near,size=%dM,share=on' % half,
        '-object', 'memory-backend-ram,id=far,size=%dM' % half,
        '-numa', 'node,memdev=near', '-numa', 'node,memdev=far',
        '-chardev', 'socket,id=c0,path=' + t.path('n0'),
        '-netdev', 'vhost-user,id=n0,chardev=c0',
        '-device', 'virtio-net-pci,netdev=n0', mem=MEM, qmp=False)
    check_equal(vm.wait_end(), 1, 'exit status')
    check_in("can't see RAM 'far'", '\n'.join(vm.error_lines()), 'message')


NO_VECTOR = 0xffff


class Card:
    """A card's modern registers, and two pages of rings, by qtest."""

    BAR, RING, DATA = 0xfd000000, 0x10000, 0x20000
    TABLE = 0xfe800000  # of vectors
    ISR = 0x1000
    STATUS, QUEUES, SELECT = 0x14, 0x12, 0x16

    def __init__(self, listener, devfn):
        self.sock, _ = listener.accept()
        self.file = self.sock.makefile('r')
        self.devfn = devfn
        for reg, val in ((0x20, self.BAR), (4, 6)):
            self.config(reg, val)

    def config(self, reg, val=None):
        self.ask('outl 0xcf8 %#x' % (1 << 31 | self.devfn << 8 | reg))
        if val is None:
            return self.ask('inl 0xcfc')
        return self.ask('outl 0xcfc %#x' % val)

    def ask(self, line):
        self.sock.sendall(line.encode() + b'\n')
        words = self.file.readline().split()
        check(words and words[0] == 'OK', '%s: %r' % (line, words))
        return int(words[1], 16) if len(words) > 1 else 0

    def capability(self, wanted):
        """Where the function has it."""
        at = self.config(0x34) & 0xfc
        while self.config(at) & 0xff != wanted:
            at = self.config(at) >> 8 & 0xfc
            check(at, 'capability %#x' % wanted)
        return at

    def write(self, size, addr, val):
        self.ask('write%s %#x %#x' % (size, addr, val))

    def read(self, size, reg):
        return self.ask('read%s %#x' % (size, self.BAR + reg))

    def set(self, size, reg, val):
        self.write(size, self.BAR + reg, val)

    def drive(self, features, queue, vector=NO_VECTOR):
        """Up to DRIVER_OK, with one ring."""
        self.set('b', self.STATUS, 3)
        for i in range(2):
            self.set('l', 8, i)
            self.set('l', 12, features >> 32 * i & 0xffffffff)
        self.set('b', self.STATUS, 11)
        self.set('w', self.SELECT, queue)
        for i, reg in enumerate((0x20, 0x28, 0x30)):
            self.set('l', reg, self.RING + 0x1000 * i)
        self.set('w', 0x1a, vector)
        self.set('w', 0x1c, 1)
        self.set('b', self.STATUS, 15)

    def offer(self, *pieces):
        """One chain: (address, bytes, flags)."""
        for i, (addr, size, flags) in enumerate(pieces):
            at = self.RING + 16 * i
            self.write('q', at, addr)
            self.write('l', at + 8, size)
            self.write('l', at + 12, flags | (i + 1) << 16)
        self.write('l', self.RING + 0x1000, 1 << 16)


def card_by_qtest(t):
    """A card of two pairs of queues, and its back end."""
    back = VhostBackEnd(t.reactor, t.path('n0'), FEATURES)
    t.defer(back.close)
    listener = socket.socket(socket.AF_UNIX)
    t.defer(listener.close)
    listener.bind(t.path('qtest'))
    listener.listen(1)
    t.launch(['-machine', 'pc,memory-backend=m', '-accel', 'qtest',
              '-qtest', 'unix:' + t.path('qtest'), '-qtest-log', '/dev/null',
              '-m', str(MEM), '-nodefaults', '-display', 'none', '-object',
              'memory-backend-memfd,id=m,size=%dM,share=on' % MEM,
              '-chardev', 'socket,id=c0,path=' + t.path('n0'),
              '-netdev', 'vhost-user,id=n0,chardev=c0,queues=2',
              '-device', 'virtio-net-pci,netdev=n0,mq=on,addr=4'],
             serial=False)
    card = Card(listener, 4 << 3)
    t.defer(card.sock.close)
    return card, back


@test(godwit_only='the peer is not built with that accelerator')
def card_does_not_reset_itself(t):
    """What it answers to a command goes where the driver says: into its own
    status. A reset would take the queue away whose command that is."""
    card, _ = card_by_qtest(t)
    card.drive(1 << 32 | 1 << 22 | 1 << 17, queue=4)
    check_equal(card.read('w', card.QUEUES), 5, 'queues')
    card.write('l', card.DATA, 1 << 16 | 4)  # one pair of queues
    card.offer((card.DATA, 4, 1), (card.BAR + card.STATUS, 1, 2))
    card.set('w', 0x3000 + 4 * 4, 4)
    check_equal(card.read('w', card.QUEUES), 5, 'queues')
    check_equal(card.read('b', card.STATUS), 15, 'status')
    check_equal(card.ask('readl %#x' % (card.RING + 0x2000)) >> 16, 1, 'used')


def called(t, back, queue):
    """The back end of queue interrupts the driver."""
    t.reactor.wait(lambda: ('SET_VRING_CALL', queue) in back.fds, 'call')
    os.write(back.fds['SET_VRING_CALL', queue], struct.pack('=Q', 1))


@test(godwit_only='the peer is not built with that accelerator')
def calls_by_intx(t):
    """Without a kernel's interrupt controller, by pin: once for each call."""
    card, back = card_by_qtest(t)
    card.drive(1 << 32, queue=0)
    for _ in range(3):
        check_equal(card.config(4) >> 19 & 1, 0, 'interrupt status')
        called(t, back, 0)
        t.reactor.poll(lambda: card.config(4) >> 19 & 1, 'interrupt')
        check_equal(card.read('b', card.ISR), 1, 'ISR')
        check_equal(card.read('b', card.ISR), 0, 'ISR, read again')


@test(godwit_only='the peer is not built with that accelerator')
def calls_by_msix(t):
    """The same by a message, which is a write to memory here."""
    card, back = card_by_qtest(t)
    for reg, val in ((0x14, card.TABLE), (4, 6)):
        card.config(reg, val)
    for i, val in enumerate((card.DATA, 0, 0xabcd, 0)):
        card.write('l', card.TABLE + 16 + 4 * i, val)  # vector 1
    at = card.capability(0x11)
    card.config(at, 1 << 31 | card.config(at))
    card.drive(1 << 32, queue=0, vector=1)
    called(t, back, 0)
    t.reactor.poll(lambda: card.ask('readl %#x' % card.DATA) == 0xabcd,
                   'message')
    check_equal(card.config(4) >> 19 & 1, 0, 'interrupt status')


@test()
def software_cpus_kick(t):
    """-accel tcg: what a driver writes reaches the back end all the same."""
    _, backs = source(t, accel='tcg')
    for back in backs:
        fd = back.fds['SET_VRING_KICK', 0]
        check(select.select([fd], [], [], 60)[0], 'no kick')


if __name__ == '__main__':
    main()
