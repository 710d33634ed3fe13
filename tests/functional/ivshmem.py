#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that share memory and doorbells, with our server; and the master
of the memory moves, also from and to QEMU 7.2."""

import mmap
import os
import resource
import socket
import struct
import subprocess

from godwit.analyze import analyze_file, migcompare
from godwit.ivshmem import IvshmemClient, IvshmemServer, find_server
from godwit.migration import Transport, go, refused, wait_status
from godwit.peer import need_peer
from godwit.reactor import DEFAULT_TIMEOUT
from godwit.qtest import Qtest
from godwit.tap import Skip, check, check_equal, check_in, main, test

REGS, MSIX, MEMORY = 0xe0000000, 0xe0001000, 0xe1000000
MASK, STATUS, POSITION, DOORBELL = REGS, REGS + 4, REGS + 8, REGS + 12
SIZE = 1 << 20
TARGET = 0x200000   # in RAM: where messages go that a test wants to see
NOFILE = resource.RLIMIT_NOFILE
ARGS = ['-machine', 'pc', '-m', '16', '-nodefaults', '-display', 'none']


def config(reg, value):
    return ['outl 0xcf8 0x%x' % (0x80001000 | reg), 'outl 0xcfc 0x%x' % value]


PLACE = [*config(0x10, REGS), *config(0x14, MSIX), *config(0x18, MEMORY),
         *config(0x1c, 0), *config(4, 6)]


def messages(vectors):
    """Vector n writes 0x100 + n behind TARGET."""
    lines = config(0x40, 0x80000000)
    for n in range(vectors):
        lines += ['writel 0x%x 0x%x' % (MSIX + 16 * n + i, value)
                  for i, value in ((0, TARGET + 4 * n), (4, 0),
                                   (8, 0x100 + n), (12, 0))]
    return lines


class Guest:
    """A machine that the test is the guest of, with one device at 00:02.0."""

    def __init__(self, t, name, *args, binary=None):
        self.reactor = t.reactor
        self.q = Qtest(t, t.path(name + '.qtest'))
        accel = ['-accel', 'tcg', '-S'] if binary else ['-accel', 'qtest']
        self.vm = t.launch([*ARGS, *accel, *self.q.args, *args], name=name,
                           serial=False, binary=binary)
        self.q.accept()

    def read(self, addr):
        return self.q.run(['readl 0x%x' % addr])[0]

    def write(self, addr, value):
        self.q.run(['writel 0x%x 0x%x' % (addr, value)])

    def wait_value(self, addr, value):
        self.reactor.poll(lambda: self.read(addr) == value,
                          '0x%x at 0x%x' % (value, addr))

    def wait_heard(self, value, other, addr, message):
        """Ring until the other guest gets the message: that both know of
        each other can't be asked for."""
        def ring():
            self.write(DOORBELL, value)
            return other.read(addr) == message
        self.reactor.poll(ring, 'doorbell 0x%x is heard' % value)
        other.write(addr, 0)


def doorbell(server, vectors, *more):
    return ['-chardev', 'socket,id=c,path=' + server.path, '-device',
            ','.join(['ivshmem-doorbell,chardev=c,addr=2,vectors=%d' % vectors,
                      *more])]


@test(godwit_only='our server')
def two_guests(t):
    """Bytes and doorbells, both ways; then one goes."""
    server = IvshmemServer(t, 'server', vectors=2)
    guests = []
    for i in range(2):
        g = Guest(t, 'vm%d' % i, *doorbell(server, 2))
        g.q.run(PLACE + messages(2))
        check_equal(g.read(POSITION), i, 'id')
        guests.append(g)
    for me, other in (guests, guests[::-1]):
        for vector in range(2):
            value = 0xabcd0000 + vector + 16 * me.read(POSITION)
            me.write(MEMORY + SIZE - 4, value)
            me.wait_heard(other.read(POSITION) << 16 | vector, other,
                          TARGET + 4 * vector, 0x100 + vector)
            check_equal(other.read(MEMORY + SIZE - 4), value, 'shared word')
    guests[1].vm.qmp.cmd('quit')
    guests[1].vm.wait_end()
    # Its id is given to the next, whom the first guest reaches then.
    late = Guest(t, 'late', *doorbell(server, 2))
    late.q.run(PLACE + messages(2))
    check_equal(late.read(POSITION), 1, 'id of the next')
    check_equal(late.read(MEMORY + SIZE - 4), value, 'what the last one left')
    guests[0].wait_heard(1 << 16 | 1, late, TARGET + 4, 0x101)


def bare_metal(t, name, accel, server, *more):
    return t.machine(*doorbell(server, 1, *more), name=name, accel=accel,
                     mem=32, config='mode=ivshmem')


@test(godwit_only='our server')
def guests_take_turns(t):
    """Programs in two guests write and ring in turn; with KVM the doorbells
    go from kernel to kernel."""
    ways = [('tcg', ())]
    if t.host.has_kvm:
        ways += [('kvm', ()), ('kvm', ('ioeventfd=off',))]
    for accel, more in ways:
        name = accel + ''.join(more)
        server = IvshmemServer(t, name)
        guests = [bare_metal(t, '%s-%d' % (name, i), accel, server, *more)
                  for i in range(2)]
        for i, vm in enumerate(guests):
            vm.wait_line(r'^ivshmem id=%d turns=512 rings=512 bad=0' % i)
            check('FAIL' not in '\n'.join(vm.serial.lines), name)
        for vm in guests:
            vm.qmp.cmd('quit')
            vm.wait_end()


@test(godwit_only='our server')
def server_tells_all(t):
    """Each client hears of all others, once, and when they go."""
    server = IvshmemServer(t, 'server', size='8K', vectors=3)
    clients = [IvshmemClient(server.path, 3) for _ in range(20)]
    for n, c in enumerate(clients):
        t.defer(c.close)
        check_equal((c.version, c.id), (0, n), 'version and id')
        check_equal(os.fstat(c.memory).st_size, 8192, 'size of the memory')
    first = clients[0]
    first.wait(lambda: len(first.peers.get(19, [])) == 3)
    check_equal([len(first.peers[n]) for n in range(20)], [3] * 20, 'vectors')
    # What one rings another hears; here both ends are in one process.
    os.eventfd_write(first.peers[7][2], 1)
    check_equal(os.eventfd_read(clients[7].peers[7][2]), 1, 'doorbell')
    clients[5].send(b'?')       # it has nothing to say
    check(clients[5].ended(), 'who speaks has to go')
    first.wait(lambda: 5 not in first.peers)
    again = IvshmemClient(server.path, 3)
    t.defer(again.close)
    check_equal(again.id, 5, 'the lowest id that is free')


def leave_descriptors(pid, n):
    """So many more can be opened by a process."""
    used = [int(fd) for fd in os.listdir('/proc/%d/fd' % pid)]
    limit = 0
    while limit - sum(fd < limit for fd in used) < n:
        limit += 1
    resource.prlimit(pid, NOFILE, (limit, limit))


@test(godwit_only='our server')
def server_is_full(t):
    """Who comes when no descriptor is left hears that it may not stay."""
    server = IvshmemServer(t, 'server', vectors=3)
    first = IvshmemClient(server.path, 3)
    t.defer(first.close)
    leave_descriptors(server.proc.pid, 2 * 4)
    more = [IvshmemClient(server.path, 3) for _ in range(2)]
    t.defer(more[0].close)
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as late:
            late.settimeout(DEFAULT_TIMEOUT)
            late.connect(server.path)
            check_equal(late.recv(8), b'', 'what one too many hears')
    first.wait(lambda: len(first.peers.get(2, [])) == 3)
    more[1].close()
    first.wait(lambda: 2 not in first.peers)
    again = IvshmemClient(server.path, 3)
    t.defer(again.close)
    check_equal(again.id, 2, 'id of who comes when there is room')


def hear_arrival(client, number, gone):
    """All doorbells of who comes; who goes meanwhile is added to gone."""
    heard = 0
    while heard < client.vectors:
        other, fds = client.message()
        for fd in fds:
            os.close(fd)
        if fds:
            heard += other == number
        else:
            gone.append(other)


@test(godwit_only='our server')
def server_outlives_the_deaf(t):
    """Many never read: what waits for them is limited, and who reads stays."""
    number, vectors = 210, 60
    if resource.getrlimit(NOFILE)[1] < 100000 and os.geteuid() != 0:
        raise Skip('so many descriptors may not be on their way')
    server = IvshmemServer(t, 'server', vectors=vectors)
    reader = IvshmemClient(server.path, vectors)
    t.defer(reader.close)
    gone = []
    for _ in range(number):
        deaf = socket.socket(socket.AF_UNIX)
        t.defer(deaf.close)
        deaf.settimeout(DEFAULT_TIMEOUT)
        deaf.connect(server.path)
        deaf.recv(8)            # the version
        own = struct.unpack('<q', deaf.recv(8))[0]
        hear_arrival(reader, own, gone)
    check_equal(gone[:1], [1], 'who had taken nothing for longest')
    check(len(gone) < number / 2, 'the others stay')


@test(godwit_only='our server')
def server_refuses(t):
    for args, text in (
            (['-l', '3M'], '-l 3M: a power of two, at least 4096'),
            (['-l', '1K'], '-l 1K: a power of two, at least 4096'),
            (['-l', 'many'], "-l: 'many' is not a size"),
            (['-n', '0'], '-n 0: 1 to 2048'),
            (['-n', '2049'], '-n 2049: 1 to 2048'),
            (['-m', t.folder, '-M', 'x'], '-M and -m'),
            (['-m', t.path('none')], 'No such file or directory'),
            (['-m', t.folder, '-S', t.path('none/s')],
             'No such file or directory'),
            (['more'], "'more' is no option")):
        done = subprocess.run([find_server(t.host), '-F', *args], timeout=60,
                              stderr=subprocess.PIPE, check=False)
        check_equal(done.returncode, 1, '%r: status' % args)
        check_in(text, done.stderr.decode(), '%r' % args)
    server = IvshmemServer(t, 'server')
    done = subprocess.run([find_server(t.host), '-F', '-m', t.folder, '-S',
                           server.path], timeout=60, stderr=subprocess.PIPE,
                          check=False)
    check_in('another server is there', done.stderr.decode(), 'second server')
    t.defer(IvshmemClient(server.path, 1).close)


@test(godwit_only='our server')
def server_in_background(t):
    """Ready when the command returns, and gone without a trace."""
    pidfile, path = t.path('pid'), t.path('s')
    subprocess.run([find_server(t.host), '-S', path, '-p', pidfile, '-m',
                    t.folder], timeout=60, check=True)
    t.reactor.poll(lambda: os.path.exists(pidfile), 'file with the number')
    client = IvshmemClient(path, 1)
    t.defer(client.close)
    with open(pidfile, encoding='ascii') as f:
        os.kill(int(f.read()), 15)
    check(client.ended(), 'the server ends')
    t.reactor.poll(lambda: not os.path.exists(path) and
                   not os.path.exists(pidfile), 'both files are gone')


def plain(t, name, *more):
    """Mapped private: what arrives came by the stream."""
    return ['-object', 'memory-backend-ram,id=m,size=1M', '-device',
            ','.join(['ivshmem-plain,memdev=m,addr=2,master=on', *more])]


def file_of(t, name, size):
    path = t.path(name)
    with open(path, 'wb') as f:
        f.truncate(size)
    return path


@test(godwit_only='the peer dies of SIGBUS')
def others_make_it_shorter(t):
    """The guest reads zeros, keeps what is left, and goes on; it can't take
    the memory along any more."""
    path = file_of(t, 'shared', SIZE)
    g = Guest(t, 'vm', '-object', 'memory-backend-file,id=m,size=1M,share=on,'
              'mem-path=' + path, '-device',
              'ivshmem-plain,memdev=m,addr=2,master=on')
    g.q.run(PLACE)
    for offset in (0, SIZE - 4):
        g.write(MEMORY + offset, 0x12345678)
    os.truncate(path, 4096)
    check_equal(g.read(MEMORY + SIZE - 4), 0, 'word that is gone')
    g.write(MEMORY + SIZE - 4, 1)
    check_equal(g.read(MEMORY + SIZE - 4), 1, 'word of its own')
    check_equal(g.read(MEMORY), 0x12345678, 'word that is left')
    t.reactor.wait(lambda: 'shorter' in g.vm.stderr, 'the error')
    check_equal(g.vm.qmp.cmd('query-status')['status'], 'running', 'status')
    check_in('has lost', refused(g.vm, 'migrate', uri='exec:cat').desc,
             'migrate')


@test(godwit_only='the peer dies of SIGBUS')
def others_take_guest_memory(t):
    """Without its own memory a guest doesn't go on, nor move."""
    for accel in (['kvm'] if t.host.has_kvm else []) + ['tcg']:
        path = file_of(t, accel + '.ram', 64 << 20)
        vm = t.machine('-object', 'memory-backend-file,id=m,size=64M,share=on,'
                       'mem-path=' + path, machine='pc,memory-backend=m',
                       config='mode=pattern mb=16', accel=accel, name=accel)
        vm.wait_line('^ready')
        os.truncate(path, 0)
        t.reactor.poll(lambda: vm.qmp.cmd('query-status')['status'] ==
                       'internal-error', 'stop')
        check_in("RAM block 'm'", vm.stderr, 'error')
        check_in('has lost', refused(vm, 'migrate', uri='exec:cat').desc,
                 'migrate')


def doorbell_of_own(t, name, *more):
    """A server for each machine: other memory."""
    server = IvshmemServer(t, name, vectors=2)
    return doorbell(server, 2, 'master=on', *more), server


def prepare(g, is_doorbell):
    """State in everything that is sent."""
    g.q.run(PLACE + (messages(2) if is_doorbell else []))
    for offset in range(0, SIZE, 1 << 16):
        g.write(MEMORY + offset + 4092, 0x5a5a0000 + (offset >> 16))
    g.write(MASK, 0x1111)
    g.write(STATUS, 0x2222)
    if is_doorbell:
        g.q.run(['writel 0x%x 1' % (MSIX + 16 + 12)])
        # Masked: it waits, and moves as it does.
        g.write(DOORBELL, 1)
        g.wait_value(MSIX + 2048, 2)


def check_arrived(g, is_doorbell):
    for offset in range(0, SIZE, 1 << 16):
        check_equal(g.read(MEMORY + offset + 4092), 0x5a5a0000 + (offset >> 16),
                    'memory at 0x%x' % offset)
    check_equal(g.read(MASK), 0x1111, 'mask')
    check_equal(g.read(STATUS), 0x2222, 'status')
    if is_doorbell:
        check_equal(g.read(MSIX + 2048), 2, 'vectors that wait')
        check_equal(g.read(TARGET + 4), 0, 'message of a masked vector')
        g.write(MSIX + 16 + 12, 0)
        g.wait_value(TARGET + 4, 0x101)


def arguments(t, name, is_doorbell):
    if not is_doorbell:
        return plain(t, name)
    return doorbell_of_own(t, name)[0]


def save(t, name, is_doorbell, binary):
    g = Guest(t, name, *arguments(t, name, is_doorbell), binary=binary)
    prepare(g, is_doorbell)
    path = t.path(name + '.stream')
    go(g.vm, Transport(None, 'exec:cat > ' + path))
    return path


def load(t, path, name, is_doorbell, binary):
    g = Guest(t, name, *arguments(t, name, is_doorbell), '-incoming',
              'exec:cat ' + path, binary=binary)
    wait_status(g.vm, 'completed')
    check_arrived(g, is_doorbell)


@test(godwit_only='the other program is the peer')
def moves(t):
    """To another process with other memory."""
    for is_doorbell in (False, True):
        name = 'doorbell' if is_doorbell else 'plain'
        path = save(t, name, is_doorbell, None)
        load(t, path, name + '-dst', is_doorbell, None)


@test(godwit_only='the other program is the peer')
def moves_to_and_from_7_2(t):
    peer = need_peer()
    for is_doorbell in (False, True):
        name = 'doorbell' if is_doorbell else 'plain'
        ours = save(t, name, is_doorbell, None)
        theirs = save(t, name + '-peer', is_doorbell, peer)
        a, b = analyze_file(ours), analyze_file(theirs)
        check_equal([line for line in migcompare.compare_structure(a, b)
                     if 'ivshmem' in line], [], 'differences in structure')
        check_equal([found for found in migcompare.compare_values(a, b)
                     if 'ivshmem' in found[0]], [], 'differences in values')
        load(t, ours, name + '-peer-dst', is_doorbell, peer)
        load(t, theirs, name + '-dst', is_doorbell, None)


@test(godwit_only='what others wrote to the memory is Godwit\'s to send')
def memory_of_others_moves(t):
    """Written by another process before the migration: never by the guest."""
    args, server = doorbell_of_own(t, 'doorbell')
    g = Guest(t, 'src', *args)
    client = IvshmemClient(server.path, 2)
    t.defer(client.close)
    with mmap.mmap(client.memory, SIZE) as shared:
        for offset in range(0, SIZE, 4096):
            shared[offset:offset + 4] = (offset + 1).to_bytes(4, 'little')
    path = t.path('stream')
    go(g.vm, Transport(None, 'exec:cat > ' + path))
    dst = Guest(t, 'dst', *doorbell_of_own(t, 'other')[0], '-incoming',
                'exec:cat ' + path)
    wait_status(dst.vm, 'completed')
    dst.q.run(PLACE)
    check_equal([dst.read(MEMORY + offset) for offset in
                 range(0, SIZE, 4096)],
                [offset + 1 for offset in range(0, SIZE, 4096)], 'pages')


@test(godwit_only='the text is our own')
def peers_take_no_state(t):
    """A destination that isn't the master keeps the memory as it is."""
    path = save(t, 'plain', False, None)
    dst = t.launch([*ARGS, '-accel', 'qtest', '-object',
                    'memory-backend-ram,id=m,size=1M', '-device',
                    'ivshmem-plain,memdev=m,addr=2', '-incoming',
                    'exec:cat ' + path], name='dst', serial=False, qmp=False)
    dst.wait_end()
    check_equal(dst.status, 1, 'status')
    check_in("'peer mode' is not migratable", dst.stderr, 'message')


if __name__ == '__main__':
    main()
