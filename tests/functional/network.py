#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of Linux guests: DHCP and HTTP through a user-mode network with
each card, through a tap between network namespaces, two guests on one cable of
each kind, cards that come and go under traffic and a move right behind that,
and with --slow: ten moves without a lost ping, two guests with DPDK between.

What else NFV guests rely on is in: pci.py (PXE), l2fwd.py (bare-metal guests
on cables, a move with frames in them), nfv.py (vhost-user with DPDK's back
end, the command lines of KVM4NFV and VSPERF), vhost_user.py (back ends that
hang), ivshmem.py (guests with common memory), balloon.py (free pages),
virtio_offers.py (features beside 7.2's), tests/qtest/net-frames-test.c
(hostile frames), tests/unit/test-vhost-user.c (faults at each message).
"""

import hashlib
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

from godwit.linux import (Assets, Shell, linux_args, top_folder)
from godwit.migration import (transport, wait_drained, wait_running,
                              wait_status)
from godwit.peer import need_peer
from godwit.qmp import QmpError
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        slow, test)

sys.path.insert(0, os.path.join(top_folder(), 'scripts'))
from initramfs import Initramfs  # noqa: E402

VIRTIO = ('virtio_ring', 'virtio', 'virtio_pci_legacy_dev',
          'virtio_pci_modern_dev', 'virtio_pci', 'failover', 'net_failover',
          'virtio_net')
MODULES = {'e1000': ('e1000',), 'e1000e': ('e1000e',),
           'virtio-net-pci': VIRTIO}
DHCP_SCRIPT = b'''#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
exit 0
'''


def initrd(t, assets, card):
    """The usual archive with the card's modules behind it."""
    extra = Initramfs()
    for folder in ('modules', 'etc', 'etc/udhcpc'):
        extra.folder(folder)
    extra.file('etc/udhcpc/default.script', DHCP_SCRIPT)
    load = []
    for name in MODULES[card]:
        with open(os.path.join(assets.folder, name + '.ko'), 'rb') as f:
            extra.file('modules/%s.ko' % name, f.read(), 0o644)
        load.append('insmod /modules/%s.ko' % name)
    extra.file('bin/load-card', ('#!/bin/sh\n%s\n' %
                                 ' && '.join(load)).encode())
    path = t.path('initrd-' + card)
    with open(assets.initramfs, 'rb') as f, open(path, 'wb') as out:
        out.write(f.read() + extra.bytes())
    return path


def boot_vm(t, card, *args, name='linux', machine='pc', **kwargs):
    assets = Assets(network=True)
    argv = linux_args(assets, machine)
    if card in ('e1000', 'e1000e'):
        argv[argv.index('-kernel') + 1] = os.path.join(assets.folder,
                                                       'vmlinuz-generic')
    argv[argv.index('-initrd') + 1] = initrd(t, assets, card)
    return t.launch(argv + list(args), name=name, **kwargs)


def boot(t, card, *args, **kwargs):
    """A guest with the card's driver loaded."""
    shell = Shell(boot_vm(t, card, *args, **kwargs))
    shell.wait_prompt()
    check_equal(shell.run('load-card')[0], 0, 'status of load-card')
    return shell


class Server:
    """An HTTP server on the host with one file."""

    def __init__(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format, *args):
                pass
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                       Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever,
                         daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def user(t, card, machine='pc'):
    content = os.urandom(1 << 20)
    server = Server(content)
    try:
        shell = boot(t, card, '-netdev', 'user,id=n', '-device',
                     card + ',netdev=n', machine=machine)
        status, lines = shell.run('ifconfig eth0 up; udhcpc -i eth0 -n -q '
                                  '-t 20 2>&1')
        check_equal(status, 0, 'status of udhcpc')
        check_in('10.0.2.15', ' '.join(lines), 'the lease')
        status, lines = shell.run('wget -q -O /tmp/f http://10.0.2.2:%d/x && '
                                  'sha256sum /tmp/f' % server.port)
        check_equal(status, 0, 'status of wget')
        check_in(hashlib.sha256(content).hexdigest(), ' '.join(lines),
                 'what was downloaded')
    finally:
        server.close()


@test()
def user_e1000(t):
    user(t, 'e1000')


@test()
def user_e1000e(t):
    user(t, 'e1000e', 'q35')


@test()
def user_virtio(t):
    user(t, 'virtio-net-pci')


def cables(t):
    """Name, back end of one guest, back end of the other."""
    path = t.path('cable')
    unix = 'addr.type=unix,addr.path=%s' % path
    ends = ('%s-a' % path, '%s-b' % path)
    port, udp = free_port(), (free_port(), free_port())
    return (
        ('socket', 'socket,listen=127.0.0.1:%d' % port,
         'socket,connect=127.0.0.1:%d' % port),
        ('socket, datagrams',
         *('socket,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d' % pair
           for pair in (udp, udp[::-1]))),
        ('stream', 'stream,server=on,' + unix, 'stream,' + unix),
        ('dgram', *('dgram,local.type=unix,local.path=%s,remote.type=unix,'
                    'remote.path=%s' % e for e in (ends, ends[::-1]))),
    )


@test()
def two_guests(t):
    """They reach each other over each kind of cable."""
    kinds = cables(t)
    shells = []
    for side in (0, 1):
        args = []
        for i, kind in enumerate(kinds):
            args += ['-netdev', kind[1 + side] + ',id=n%d' % i, '-device',
                     'virtio-net-pci,netdev=n%d,mac=52:54:00:00:0%d:0%d' %
                     (i, side, i)]
        shells.append(boot(t, 'virtio-net-pci', *args, name='guest%d' % side))
    for i, kind in enumerate(kinds):
        for side, shell in enumerate(shells):
            status, _ = shell.run('ifconfig eth%d 10.%d.0.%d netmask '
                                  '255.255.255.0 up' % (i, i, side + 1))
            check_equal(status, 0, 'status of ifconfig')
        status, lines = shells[0].run('ping -c 5 -s 1400 10.%d.0.2' % i)
        check_equal(status, 0, 'status of ping over ' + kind[0])
        check(any('5 packets received' in line for line in lines),
              'all answers over %s: %r' % (kind[0], lines[-3:]))


def switch(t, paths):
    """Debian's dpdk-testpmd between two guests' vhost-user cards: it listens
    there, and what comes on one goes to the other."""
    program = shutil.which('dpdk-testpmd')
    if not program:
        raise Skip('no dpdk-testpmd: scripts/install-deps --nfv')
    args = [program, '--lcores', '0,1', '--no-pci', '--no-shconf', '--no-huge',
            '-m', '128', '--no-telemetry']
    for i, path in enumerate(paths):
        args += ['--vdev', 'net_vhost%d,iface=%s' % (i, path)]
    with open(t.path('switch.log'), 'wb') as log:
        proc = subprocess.Popen(
            args + ['--', '--auto-start', '--total-num-mbufs=2048'],
            stdin=subprocess.PIPE, stdout=log, stderr=log)

    def end():
        proc.kill()
        proc.wait()
        proc.stdin.close()
    t.defer(end)
    t.reactor.poll(lambda: proc.poll() is not None or
                   all(os.path.exists(path) for path in paths), 'switch')
    check_equal(proc.poll(), None, 'status of ' + program)


@slow()
def two_guests_vhost_user(t):
    """With DPDK between them. One's memory is that of -mem-path."""
    paths = [t.path('port%d' % i) for i in range(2)]
    switch(t, paths)
    memory = (('-mem-path', t.folder),
              ('-object', 'memory-backend-memfd,id=m,share=on,size=256M',
               '-machine', 'memory-backend=m'))
    shells = [boot(t, 'virtio-net-pci', *mem, '-chardev',
                   'socket,id=c,path=' + path, '-netdev',
                   'vhost-user,id=n,chardev=c', '-device',
                   'virtio-net-pci,netdev=n,mac=52:54:00:00:00:0%d' % i,
                   name='guest%d' % i)
              for i, (mem, path) in enumerate(zip(memory, paths))]
    for i, shell in enumerate(shells):
        shell.run('ifconfig eth0 10.0.0.%d netmask 255.255.255.0 up' % (i + 1))
    status, lines = shells[0].run('ping -c 5 -s 1400 10.0.0.2')
    check(any('5 packets received' in line for line in lines),
          'all answers: %r' % lines[-3:])
    status, sums = shells[1].run(
        'head -c 1000000 /dev/urandom > /tmp/f; sha256sum < /tmp/f; '
        'httpd -h /tmp')
    check_equal(status, 0, 'status of httpd: %r' % sums)
    status, lines = shells[0].run('wget -q -O - http://10.0.0.2/f | sha256sum')
    check_equal(lines[-2], sums[-2], 'what came')


def card_there(shell, there):
    """The guest's kernel has made or removed the interface."""
    status, _ = shell.run('(for i in $(seq 100); do [ %s -d /sys/class/net/'
                          'eth0 ] && exit 0; sleep 0.1; done; exit 1)' %
                          ('' if there else '!'))
    check_equal(status, 0, 'status of waiting for the card')


def check_traffic(shell):
    status, lines = shell.run('ifconfig eth0 up && udhcpc -i eth0 -n -q -t 20 '
                              '2>&1 && ping -c 2 -W 5 10.0.2.2')
    check_equal(status, 0, 'status of DHCP and ping: %r' % lines)


def refused(vm, command, **args):
    try:
        vm.qmp.cmd(command, **args)
    except QmpError as err:
        check_equal(err.desc, command + ' not allowed while migrating',
                    'message')
        return
    check(False, '%s during a migration' % command)


def move_with_card(t, shell, extra):
    """To a machine started with it; meanwhile nothing comes or goes."""
    src = shell.vm
    way = transport(t, 'tcp')
    dst = boot_vm(t, 'virtio-net-pci', *extra, '-incoming', way.incoming,
                  name='dst')
    src.qmp.cmd('migrate-set-parameters', max_bandwidth=1 << 20)
    src.qmp.cmd('migrate', uri=way.outgoing)
    for vm in (src, dst):
        # Until the source's connection is taken, a destination lets one in.
        wait_status(vm, 'active')
        refused(vm, 'device_add', driver='virtio-net-pci')
        refused(vm, 'device_del', id='card')
    src.qmp.cmd('migrate-set-parameters', max_bandwidth=0)
    wait_running(dst, 120)
    wait_drained(src)
    dst.serial.adopt(src.serial)
    shell.vm = dst


def plug(shell, **place):
    qmp = shell.vm.qmp
    qmp.cmd('netdev_add', type='user', id='n')
    qmp.cmd('device_add', driver='virtio-net-pci', id='card', netdev='n',
            **place)
    card_there(shell, True)
    check_traffic(shell)


def unplug(shell):
    qmp = shell.vm.qmp
    shell.run('(ping -q 10.0.2.2 > /dev/null 2>&1 &)')
    qmp.cmd('device_del', id='card')
    qmp.wait_event('DEVICE_DELETED',
                   lambda e: e['data'].get('device') == 'card')
    qmp.cmd('netdev_del', id='n')
    card_there(shell, False)


@test()
def hot_plug(t):
    """A card comes, goes under traffic, comes again; then the guest moves."""
    shell = boot(t, 'virtio-net-pci', name='src')
    plug(shell, addr='0x6')
    unplug(shell)
    plug(shell, addr='0x6')
    move_with_card(t, shell, ('-netdev', 'user,id=n', '-device',
                              'virtio-net-pci,id=card,netdev=n,addr=6'))
    check_traffic(shell)


@test()
def hot_plug_q35(t):
    """By ACPI, behind the second of two ports."""
    shell = boot(t, 'virtio-net-pci',
                 '-device', 'pcie-root-port,id=rp1,chassis=1',
                 '-device', 'pcie-root-port,id=rp2,chassis=2', machine='q35')
    plug(shell, bus='rp2')
    unplug(shell)


@test()
def hot_plug_bridge(t):
    """By ACPI, behind a bridge behind a bridge of pc."""
    shell = boot(t, 'virtio-net-pci',
                 '-device', 'pci-bridge,id=b1,chassis_nr=1',
                 '-device', 'pci-bridge,id=b2,chassis_nr=2,bus=b1,addr=3')
    plug(shell, bus='b2', addr='0x4')
    unplug(shell)


SCRIPT = '''#!/bin/sh
echo %(way)s $1 >> %(folder)s/log
read word < %(folder)s/go-%(way)s
test "$word" = well
'''


def tap_script(t, way):
    """A script that waits until go() lets it end."""
    path = t.path(way)
    with open(path, 'w', encoding='ascii') as f:
        f.write(SCRIPT % {'way': way, 'folder': t.folder})
    os.chmod(path, 0o755)
    os.mkfifo(t.path('go-' + way))
    return path


def script_log(t):
    if not os.path.exists(t.path('log')):
        return []
    with open(t.path('log'), encoding='ascii') as f:
        return f.read().splitlines()


def go(t, way, word):
    with open(t.path('go-' + way), 'w', encoding='ascii') as f:
        f.write(word + '\n')


@test(godwit_only='the peer waits')
def scripts_are_not_waited_for(t):
    """Those of a tap that comes and goes while the guest runs. The interface
    is there until the second has ended."""
    need_tap()
    name = 'gw%d' % (os.getpid() % 1000000)
    vm = t.machine(accel='tcg')
    vm.wait_line('^hb ')
    vm.qmp.cmd('netdev_add', type='tap', id='n', ifname=name,
               script=tap_script(t, 'up'), downscript=tap_script(t, 'down'))
    vm.wait_line('^hb ')
    t.reactor.poll(lambda: script_log(t), 'first script')
    vm.qmp.cmd('netdev_del', id='n')
    vm.wait_line('^hb ')
    t.reactor.poll(lambda: len(script_log(t)) == 2, 'second script')
    check_equal(script_log(t), ['up ' + name, 'down ' + name], 'scripts')
    check_in(name, os.listdir('/sys/class/net'), 'interfaces')
    go(t, 'up', 'ill')
    go(t, 'down', 'well')
    t.reactor.poll(lambda: name not in os.listdir('/sys/class/net'),
                   'end of the interface')
    t.reactor.wait(lambda: 'failed' in vm.stderr, 'message')
    check_in('netdev n: network script %s failed with status' % t.path('up'),
             vm.stderr, 'message')


def need_tap():
    try:
        with open('/dev/net/tun', 'rb'):
            pass
    except OSError as err:
        raise Skip('no tap interfaces: %s' % err) from err
    if os.geteuid() != 0:
        raise Skip('no tap interfaces: needs root')


def ip(*words):
    done = subprocess.run(['ip', *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        raise Skip('ip %s: %s' % (' '.join(words),
                                  done.stderr.decode().strip()))


# Takes so many bytes from one connection, gives as many to the next, and says
# each time what they were. (Busybox's nc goes on until the other side ends.)
SERVER = '''import hashlib, os, socket, sys
listener = socket.create_server((sys.argv[1], 7))
print('listens', flush=True)
sock = listener.accept()[0]
size = int(sys.argv[2])
data = sock.makefile('rb').read(size)
print(hashlib.sha256(data).hexdigest(), flush=True)
sock.close()
data = os.urandom(size)
sock = listener.accept()[0]
sock.sendall(data)
print(hashlib.sha256(data).hexdigest(), flush=True)
sock.close()
'''
TRANSFER = 8 << 20


class Namespaces:
    """One with a tap interface for a machine, joined to one with a server:
    10.2.0.1 and 10.2.1.2, with a router between."""

    def __init__(self, t):
        self.near, self.far = ('gw%d%s' % (os.getpid(), c) for c in 'nf')
        for name in (self.near, self.far):
            ip('netns', 'add', name)
            t.defer(lambda n=name: ip('netns', 'del', n))
        for words in (
                'tuntap add tap0 mode tap vnet_hdr',
                'addr add 10.2.0.1/24 dev tap0', 'link set tap0 up',
                'link add veth0 type veth peer name veth0 netns ' + self.far,
                'addr add 10.2.1.1/24 dev veth0', 'link set veth0 up'):
            ip('-n', self.near, *words.split())
        for words in ('addr add 10.2.1.2/24 dev veth0', 'link set veth0 up',
                      'route add default via 10.2.1.1'):
            ip('-n', self.far, *words.split())
        ip('netns', 'exec', self.near, 'sh', '-c',
           'echo 1 > /proc/sys/net/ipv4/ip_forward')

    def server(self, t):
        proc = subprocess.Popen(
            ['ip', 'netns', 'exec', self.far, sys.executable, '-c', SERVER,
             '10.2.1.2', str(TRANSFER)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True)

        def end():
            proc.kill()
            proc.wait()
            proc.stdout.close()
        t.defer(end)
        check_equal(proc.stdout.readline(), 'listens\n', 'server')
        return proc.stdout


@test()
def tap_between_namespaces(t):
    """TCP in both directions, as large as the guest likes its segments."""
    need_tap()
    spaces = Namespaces(t)
    said = spaces.server(t)
    shell = boot(t, 'virtio-net-pci', '-netdev',
                 'tap,id=n,ifname=tap0,script=no,downscript=no', '-device',
                 'virtio-net-pci,netdev=n',
                 wrapper=('ip', 'netns', 'exec', spaces.near))
    shell.run('ifconfig eth0 10.2.0.2 netmask 255.255.255.0 up; '
              'route add default gw 10.2.0.1')
    status, lines = shell.run(
        'head -c %d /dev/urandom > /tmp/f && sha256sum /tmp/f && '
        'nc 10.2.1.2 7 < /tmp/f' % TRANSFER)
    check_equal(status, 0, 'status of sending: %r' % lines)
    check_in(said.readline().strip(), ' '.join(lines), 'what was sent')
    status, lines = shell.run('nc 10.2.1.2 7 < /dev/null > /tmp/f; '
                              'sha256sum /tmp/f')
    check_in(said.readline().strip(), ' '.join(lines), 'what came')


class Responder:
    """A host 10.1.0.2 on a datagram cable: answers ARP and echo requests of
    whoever sent last."""

    MAC = bytes.fromhex('525500000102')
    IP = bytes((10, 1, 0, 2))

    def __init__(self, path):
        self.path = path
        self.echoes = 0
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(path)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._sock.close()

    def _serve(self):
        while True:
            try:
                frame, sender = self._sock.recvfrom(65536)
                answer = self._answer(frame)
                if answer and sender:
                    self._sock.sendto(answer, sender)
            except OSError:
                if self._sock.fileno() < 0:
                    return

    def _answer(self, f):
        if f[12:14] == b'\x08\x06' and f[38:42] == self.IP:
            return (f[6:12] + self.MAC + f[12:20] + b'\0\2' + self.MAC +
                    self.IP + f[22:32])
        if f[12:14] == b'\x08\x00' and f[23] == 1 and f[34] == 8:
            self.echoes += 1
            total = int.from_bytes(f[36:38], 'big') + 0x800
            return (f[6:12] + self.MAC + f[12:26] + f[30:34] + f[26:30] +
                    b'\0\0' + ((total & 0xffff) + (total >> 16)).to_bytes(
                        2, 'big') + f[38:])
        return None


def cable_end(t, way, name):
    return ('-netdev', 'dgram,id=n,local.type=unix,local.path=%s,'
            'remote.type=unix,remote.path=%s' % (t.path(name), way.path))


def await_echo(t, host, before):
    t.reactor.poll(lambda: host.echoes > before, 'an echo', 60)


def move_pinging(t, binaries, card, machine, calmly=False):
    """The guest's ping goes on from program to program. An answer that is on
    its way when the guest stops goes to the place it left; calmly: each move
    begins right behind one, so that not one may be lost."""
    host = Responder(t.path('host'))
    t.defer(host.close)
    place = ('-device', card + ',netdev=n,mac=52:54:00:12:34:56')
    shell = boot(t, card, *cable_end(t, host, 'end0'), *place,
                 machine=machine, name='vm0')
    shell.run('ifconfig eth0 10.1.0.1 up')
    shell.run('(ping -i %d -s 1000 10.1.0.2 > /tmp/ping 2>&1 &)' %
              (5 if calmly else 1))
    for i, binary in enumerate(binaries):
        src, way = shell.vm, transport(t, 'tcp')
        dst = boot_vm(t, card, *cable_end(t, host, 'end%d' % (i + 1)), *place,
                      '-incoming', way.incoming, machine=machine,
                      name='vm%d' % (i + 1), binary=binary)
        if calmly:
            src.qmp.cmd('migrate-set-parameters', max_bandwidth=0)
            before = host.echoes
            await_echo(t, host, before)
        src.qmp.cmd('migrate', uri=way.outgoing)
        wait_running(dst, 120)
        wait_drained(src)
        dst.serial.adopt(src.serial)
        shell.vm = dst
        src.qmp.cmd('quit')
        check_equal(src.wait_end(), 0, 'exit status')
        before = host.echoes
        if calmly:
            await_echo(t, host, before)
            continue
        status, lines = shell.run('ping -c 3 -W 20 10.1.0.2')
        check_equal(status, 0, 'status of ping: %r' % lines)
        check(host.echoes - before > 3, 'the old ping goes on')
    shell.run('killall -INT ping')
    status, lines = shell.run('tail -n 3 /tmp/ping')
    found = re.search(r'(\d+) packets transmitted, (\d+) packets received',
                      ' '.join(lines))
    check(found, 'the result of ping: %r' % lines)
    sent, got = int(found[1]), int(found[2])
    most_lost = 0 if calmly else 2 * len(binaries)
    check(sent - got <= most_lost, '%d of %d answers' % (got, sent))
    return shell


@test()
def move_e1000e(t):
    """To another, to the peer and back, if that is here."""
    try:
        binaries = (None, need_peer(), None)
    except Skip:
        binaries = (None,)
    shell = move_pinging(t, binaries, 'e1000e', 'q35')
    status, lines = shell.run('grep -c eth0- /proc/interrupts')
    check_equal((status, lines[0]), (0, '2'), 'vectors of queues')


@slow()
def ten_moves(t):
    """Not one ping is lost."""
    move_pinging(t, (None,) * 10, 'virtio-net-pci', 'pc', calmly=True)


main()
