# SPDX-License-Identifier: GPL-2.0-or-later
"""Viewers of VNC: see the guest's screen, type and point; what they do to
each other, and don't."""

import socket
import struct
import time
import zlib

from godwit.echo import picture, start, wait_text
from godwit.migration import Transport, go, wait_running
from godwit.qmp import QmpError
from godwit.rfb import (EXT_KEY, POINTER_TYPE, RAW, RESIZE, Closed, Refused,
                        Rfb)
from godwit.tap import check, check_equal, check_in, main, test

PASSWORD = 'sesame'
KEY_RETURN, KEY_SHIFT, KEY_LEFT = 0xff0d, 0xffe1, 0xff51


def path_of(t, name='vnc'):
    return t.path(name + '.sock')


def serve(t, opts='', *extra, name='vm', **kwargs):
    """A guest that echoes keys, and where its screen is."""
    path = path_of(t, name)
    vm = start(t, '-vnc', 'unix:' + path + opts, *extra, name=name, **kwargs)
    return vm, path


def viewer(path, *encodings, **kwargs):
    r = Rfb(path, **kwargs)
    r.encodings(RAW, RESIZE, *encodings)
    return r


def same_picture(t, vm, r):
    """The client's picture gets to be what screendump shows."""
    end = time.monotonic() + 60
    while True:
        want = picture(t, vm)
        got = r.frame()
        if got == want:
            return want
        check(time.monotonic() < end, 'picture: %r is not that of %r' % (
            got[0], want[0]))


@test()
def screen_and_keys(t):
    vm, path = serve(t)
    with viewer(path) as r:
        check_equal((r.name, r.types), ('QEMU', [1]), 'server')
        wait_text(t, vm, '>')
        size, _ = same_picture(t, vm, r)
        check_equal(size, (720, 400), 'size')
        check_in((720, 400), r.resizes, 'sizes')
        r.type('a', 'b', '1')
        r.key(KEY_SHIFT, True)
        r.type('Z', '!')
        r.key(KEY_SHIFT, False)
        wait_text(t, vm, '>ab1Z!')
        same_picture(t, vm, r)


@test()
def many_keys_at_once(t):
    """None is lost, though the keyboard's queue is short."""
    vm, path = serve(t)
    wait_text(t, vm, '>')
    with viewer(path) as r:
        r.type(*'abcdefghijklmnopqrstuvwxyz')
        wait_text(t, vm, '>abcdefghijklmnopqrstuvwxyz')


@test()
def keys_by_their_codes(t):
    vm, path = serve(t)
    wait_text(t, vm, '>')
    with viewer(path, EXT_KEY) as r:
        r.frame()
        check(r.ext_key, 'the message is known')
        for down in (True, False):
            r.ext_key_event(ord('q'), 0x1e, down)
        wait_text(t, vm, '>a')


@test()
def gone_client_lets_go(t):
    """A key that it held down is up when it has left."""
    vm, path = serve(t)
    wait_text(t, vm, '>')
    with viewer(path) as r:
        r.key(KEY_SHIFT, True)
        r.type('A')
        wait_text(t, vm, '>A')
    vm.qmp.wait_event('VNC_DISCONNECTED')
    with viewer(path) as r:
        r.type('b')
        wait_text(t, vm, '>Ab')


@test()
def several_clients(t):
    vm, path = serve(t)
    wait_text(t, vm, '>')
    clients = [viewer(path) for _ in range(4)]
    clients[2].type('x')
    wait_text(t, vm, '>x')
    pictures = [same_picture(t, vm, r) for r in clients]
    check_equal(pictures, pictures[:1] * 4, 'pictures')
    info = vm.qmp.cmd('query-vnc')
    check_equal(len(info['clients']), 4, 'clients')


@test()
def events_and_queries(t):
    vm, path = serve(t)
    client = {'host': '', 'service': '', 'family': 'unix',
              'websocket': False}
    server = {'host': '', 'service': path, 'family': 'unix',
              'websocket': False}
    with viewer(path):
        for event in ('VNC_CONNECTED', 'VNC_INITIALIZED'):
            data = vm.qmp.wait_event(event)['data']
            check_equal(data, {'server': dict(server, auth='none'),
                               'client': client}, event)
        check_equal(vm.qmp.cmd('query-vnc'),
                    {'enabled': True, 'host': '', 'service': path,
                     'family': 'unix', 'auth': 'none',
                     'clients': [client]}, 'query-vnc')
        check_equal(vm.qmp.cmd('query-vnc-servers'),
                    [{'id': 'default', 'auth': 'none', 'clients': [client],
                      'server': [dict(server, auth='none')]}],
                    'query-vnc-servers')
        text = vm.qmp.hmp('info vnc')
        check_equal(text.replace('\r', '').split('\n')[:3],
                    ['default:', '  Server: :%s (unix)' % path,
                     '    Auth: none (Sub: none)'], 'info vnc')
    data = vm.qmp.wait_event('VNC_DISCONNECTED')['data']
    check_equal(data['client'], client, 'VNC_DISCONNECTED')
    check_equal(vm.qmp.cmd('query-vnc')['clients'], [], 'clients')


def refused(path, password, **kwargs):
    try:
        viewer(path, password=password, **kwargs).close()
    except Refused as e:
        return str(e)
    return None


@test()
def password(t):
    vm, path = serve(t, ',password=on')
    wrong = 'Authentication failed'
    check_equal(refused(path, PASSWORD), wrong, 'no password is set')
    vm.qmp.cmd('set_password', protocol='vnc', password=PASSWORD)
    for version in (3, 7, 8):
        check_equal(refused(path, PASSWORD, version=version), None,
                    'right, 3.%d' % version)
        check(refused(path, 'wrong', version=version) is not None,
              'wrong, 3.%d' % version)
    # "None", which another server may offer.
    with Rfb(path, start=False) as r:
        r.read(12)
        r.write(b'RFB 003.008\n')
        check_equal(r.read(2), b'\1\2', 'types')
        r.write(b'\1')
        check_equal(r.unpack('>I'), (1,), 'result')
    # What a library that can't use a key would take for an answer.
    with Rfb(path, start=False) as r:
        r.read(12)
        r.write(b'RFB 003.008\n')
        r.read(2)
        r.write(b'\2')
        r.write(r.read(16))
        check_equal(r.unpack('>I'), (1,), 'result of an echo')


@test()
def password_ends(t):
    vm, path = serve(t, ',password=on')
    wrong = 'Authentication failed'
    vm.qmp.cmd('change-vnc-password', password=PASSWORD)
    vm.qmp.cmd('expire_password', protocol='vnc', time='now')
    check_equal(refused(path, PASSWORD), wrong, 'ended')
    vm.qmp.cmd('set_password', protocol='vnc', password=PASSWORD)
    check_equal(refused(path, PASSWORD), wrong, 'still ended')
    vm.qmp.cmd('expire_password', protocol='vnc', time='+1000')
    check_equal(refused(path, PASSWORD), None, 'later')
    vm.qmp.cmd('expire_password', protocol='vnc', time='1000')
    check_equal(refused(path, PASSWORD), wrong, 'long ago')
    vm.qmp.cmd('expire_password', protocol='vnc', time='never')
    check_equal(refused(path, PASSWORD), None, 'never')
    vm.qmp.cmd('change-vnc-password', password='')
    check_equal(refused(path, PASSWORD), wrong, 'taken away')
    for command in ('change vnc password ' + PASSWORD,
                    'set_password vnc %s -d default keep' % PASSWORD):
        check_equal(vm.qmp.hmp(command), '', command)
        check_equal(refused(path, PASSWORD), None, command)
    try:
        vm.qmp.cmd('expire_password', protocol='vnc', time='soon')
        check(False, 'a time that is none')
    except QmpError as e:
        check_in("not 'soon'", str(e), 'error')


def alive(r):
    try:
        r.frame()
        return True
    except Closed:
        return False


SHARES = (
    # of the server, of two clients: is the first in, alone, beside the other?
    ('allow-exclusive', (True, False), (True, False, True)),
    ('allow-exclusive', (False, True), (True, True, False)),
    ('allow-exclusive', (True, True), (True, True, True)),
    ('force-shared', (True, False), (True, True, False)),
    ('ignore', (False, False), (True, True, True)),
)


@test()
def sharing(t):
    for n, (share, wishes, want) in enumerate(SHARES):
        vm, path = serve(t, ',share=' + share, name='vm%d' % n)
        got = []
        clients = []
        for wish in wishes:
            try:
                clients.append(viewer(path, shared=wish))
                got.append(True)
            except Closed:
                got.append(False)
        got.insert(1, alive(clients[0]))
        check_equal(tuple(got), want, '%s, %r' % (share, wishes))
        vm.qmp.cmd('quit')
        vm.wait_end()


@test()
def connections(t):
    vm, path = serve(t, ',connections=2')
    clients = [viewer(path) for _ in range(2)]
    try:
        viewer(path)
        check(False, 'a third one')
    except Closed:
        pass
    clients.pop().close()
    vm.qmp.wait_event('VNC_DISCONNECTED')
    viewer(path).close()


def two_ports():
    """A display's number whose ports nobody uses now, for both kinds."""
    for n in range(200, 400):
        try:
            for base in (5700, 5900):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(('127.0.0.1', base + n))
            return n
        except OSError:
            pass
    raise OSError('no ports')


def end_with(r, data, write=None):
    """Says this and no more: the server ends the connection."""
    try:
        (write or r.write)(data)
        r.sock.shutdown(socket.SHUT_WR)
    except (Closed, OSError):
        pass
    r.wait_closed()


def end_raw(r, frames):
    """The same with what isn't put into frames."""
    end_with(r, frames, r.sock.sendall)


# Of websockets (RFC 6455, 5.2).
FRAMES = (
    b'\x82', b'\x82\xff\0\0',                            # half a head
    b'\x82\xff\x7f' + b'\xff' * 7 + bytes(70000),        # 2^63 - 1 bytes
    b'\x82\xff' + struct.pack('>QI', 70000, 0) + b'\4' * 70000,
    b'\x82\x7f' + b'\xff' * 8 + bytes(400),              # not masked
    (b'\x89\x80' + bytes(4)) * 10000,                     # pings
    (b'\x82\x80' + bytes(4)) * 10000,                     # empty ones
    (b'\x81\x84' + bytes(4) + b'!!!!') * 100,             # no base64
    (b'\x80\x84' + bytes(4) + b'\3\0\0\0') * 100,        # goes on with none
    b'\x88\x84' + bytes(4) + b'!!!!',
)


@test()
def ports_and_websockets(t):
    n = two_ports()
    vm = start(t, '-vnc', '127.0.0.1:%d,to=%d,websocket=on' % (n, n + 99))
    info, = vm.qmp.cmd('query-vnc-servers')
    web, plain = [('127.0.0.1', int(s['service'])) for s in info['server']]
    check(n + 5900 <= plain[1] <= n + 5999, 'port %d' % plain[1])
    wait_text(t, vm, '>')
    with viewer(web, websocket=True) as r, viewer(plain) as other:
        check_equal([c['websocket'] for c in
                     vm.qmp.cmd('query-vnc')['clients']], [True, False],
                    'websocket')
        r.type('w')
        wait_text(t, vm, '>w')
        check_equal(same_picture(t, vm, r), same_picture(t, vm, other),
                    'pictures')
    # A page of the web doesn't get at a port that isn't for it.
    for where in (plain, web):
        with Rfb(where, start=False) as r:
            r.write(b'GET / HTTP/1.1\r\n\r\n' if where == plain
                    else b'RFB 003.008\n')
            r.wait_closed()
    for frames in FRAMES:
        with viewer(web, websocket=True) as r:
            end_raw(r, frames)
    # Half a request, and TLS.
    for data in (b'G', b'GET / HTTP/1.1\r\nHost: x', b'\x16\x03\x01\0\0'):
        with Rfb(web, start=False) as r:
            end_with(r, data)
    viewer(plain).close()


@test()
def sizes(t):
    """A screen that changes; a client that isn't told."""
    vm, path = serve(t)
    wait_text(t, vm, '>')
    with viewer(path) as r, Rfb(path) as dull:
        same_picture(t, vm, r)
        dull.encodings(RAW)
        size = dull.width, dull.height
        vm.qmp.cmd('system_reset')
        same_picture(t, vm, r)
        wait_text(t, vm, '>')
        same_picture(t, vm, r)
        check_equal(dull.frame()[0], size, 'size of old')


def pixels_of(r, bpp, fmt):
    r.pixel_format(*fmt)
    r.ask(incremental=False)
    kind, count = r.unpack('>BxH')
    check_equal((kind, count > 0), (0, True), 'update')
    n = 0
    for _ in range(count):
        _, _, w, h, encoding = r.unpack('>HHHHi')
        check_equal(encoding, RAW, 'encoding')
        r.read(w * h * bpp // 8)
        n += w * h
    return n


@test()
def pixel_formats(t):
    vm, path = serve(t)
    wait_text(t, vm, '>')
    for bpp, fmt in (
            (16, (16, 16, 0, 1, (31, 63, 31), (11, 5, 0))),
            (8, (8, 8, 0, 1, (7, 7, 3), (0, 3, 6))),
            (32, (32, 24, 1, 1, (255, 255, 255), (0, 8, 16))),
            (32, (32, 30, 0, 1, (65535, 1, 0), (255, 31, 9)))):
        with Rfb(path) as r:
            r.encodings(RAW)
            check_equal(pixels_of(r, bpp, fmt), r.width * r.height,
                        'pixels of %r' % (fmt,))
    for fmt in ((7, 7, 0, 1, (1, 1, 1), (0, 1, 2)),
                (0, 0, 0, 0, (0, 0, 0), (0, 0, 0))):
        with Rfb(path) as r:
            r.pixel_format(*fmt)
            r.wait_closed()


@test()
def encodings(t):
    """Those that compress come from the library: they arrive, lossless."""
    vm, path = serve(t)
    wait_text(t, vm, '>')
    for encoding in (5, 6, 7, 16, 17):
        with Rfb(path) as r:
            # Quality levels, which may lose something, aren't asked for here.
            r.encodings(encoding, -32 + 3, -256 + 6)
            r.ask(incremental=False)
            kind, count = r.unpack('>BxH')
            check_equal((kind, count > 0), (0, True), 'update')
            _, _, _, _, got = r.unpack('>HHHHi')
            check_equal(got, 16 if encoding == 17 else encoding, 'encoding')


def clips(size, text):
    """Compressed text of the extended clipboard, which claims a size."""
    body = struct.pack('>I', 0x10000001) + zlib.compress(
        struct.pack('>I', size) + text)
    return (b'RFB 003.003\n\1' + struct.pack('>BxHi', 2, 1, -0x3f5e1a32) +
            struct.pack('>BxxxI', 6, 2 ** 32 - len(body)) + body)


GARBAGE = (
    b'', b'\0' * 64, b'\xff' * 64, b'RFB 003.008\r\n',
    b'RFB 999.999\n', b'RFB 003.008\n\xff', b'RFB 003.008\n\1',
    b'RFB 003.003\n\1' + b'\6\0\0\0\xff\xff\xff\xff',
    b'RFB 003.003\n\1' + b'\2\0\xff\xff' + bytes(1000),
    b'RFB 003.003\n\1' + b'\x07\0\0\0' + bytes(100),     # files
    b'RFB 003.003\n\1' + b'\x07\1\0\0\0\0\0\0\xff\xff\xff\xff',
    b'RFB 003.003\n\1' + b'\x08\0\0\0\x08\1\0\0\x08\2\0\0',  # scales
    b'RFB 003.003\n\1' + b'\x0b\0\0\0\x7f\xff\xff\xff',  # chat
    b'RFB 003.003\n\1' + b'\xfa\0\1\2',                  # power
    b'RFB 003.003\n\1' + b'\xfb\0\xff\xff\xff\xff\xff\0' + bytes(4096),
    b'RFB 003.003\n\1' + b'\xff\1' + bytes(10),
    b'RFB 003.003\n\1' + b'\xff\0' + b'\xff' * 10,
    b'RFB 003.003\n\1' + b'\3\0\xff\xff\xff\xff\xff\xff\xff\xff' * 9,
    b'RFB 003.003\n\1' + b'\5\xff\xff\xff\xff\xff' * 300,
    clips(0xffffffff, b'x'), clips(0x3fffffff, bytes(1 << 24)),
    clips(4, bytes(1 << 20)), clips(1 << 20, b''),
)


@test()
def garbage(t):
    vm, path = serve(t)
    wait_text(t, vm, '>')
    for data in GARBAGE:
        with Rfb(path, start=False) as r:
            end_with(r, data)
    with viewer(path) as r:
        same_picture(t, vm, r)
        r.cut_text(b'x' * 1000)
        r.type('k')
        wait_text(t, vm, '>k')


@test()
def flood(t):
    """Input without end, and a second client is served meanwhile."""
    vm, path = serve(t, ',key-delay-ms=0')
    wait_text(t, vm, '>')
    with viewer(path) as bad, viewer(path) as good:
        bad.sock.setblocking(False)
        data = b''.join(struct.pack('>BBHH', 5, n % 8, n, n)
                        for n in range(1000))
        data += struct.pack('>BBHHHH', 3, 0, 0, 0, 720, 400) * 1000
        sent = 0
        for _ in range(200):
            try:
                sent += bad.sock.send(data)
            except BlockingIOError:
                break
        check(sent > 100000, '%d bytes sent' % sent)
        same_picture(t, vm, good)
        good.type('g')
        wait_text(t, vm, '>g')


@test()
def stalled_clients(t):
    """They read nothing: no other, the guest nor the end waits for them."""
    vm, path = serve(t)
    wait_text(t, vm, '>')
    stalled = [viewer(path) for _ in range(3)] + [Rfb(path, start=False)]
    for r in stalled[:3]:
        for _ in range(20):
            r.ask(incremental=False)
    with viewer(path) as good:
        good.type('s')
        wait_text(t, vm, '>s')
        same_picture(t, vm, good)
    vm.qmp.cmd('quit')
    vm.wait_end()


@test()
def migrates(t):
    """Those of the source stay there; the target's port is open before."""
    source, path = serve(t)
    target, there = serve(t, '', '-incoming',
                          'unix:' + t.path('mig'), name='target')
    wait_text(t, source, '>')
    with viewer(path) as r, viewer(there) as other:
        r.type('m')
        wait_text(t, source, '>m')
        go(source, Transport(None, 'unix:' + t.path('mig')))
        wait_running(target)
        wait_text(t, target, '>m')
        same_picture(t, target, other)
        other.type('n')
        wait_text(t, target, '>mn')
        check(alive(r), "the source's viewer")


@test()
def servers(t):
    vm = start(t, '-vnc', 'unix:%s' % path_of(t, 'a'), '-vnc',
               'unix:%s,password=on,id=b' % path_of(t, 'b'), '-name', 'two',
               '-audiodev', 'none,id=snd', '-vnc', 'none,audiodev=snd')
    ids = [(s['id'], s['auth'], len(s['server']))
           for s in vm.qmp.cmd('query-vnc-servers')]
    check_equal(ids, [('vnc2', 'none', 0), ('b', 'vnc', 1),
                      ('default', 'none', 1)], 'servers')
    vm.qmp.cmd('set_password', protocol='vnc', password=PASSWORD, display='b')
    # Each in turn, as what one offers mustn't become the other's.
    for _ in range(3):
        with viewer(path_of(t, 'a')) as r:
            check_equal((r.types, r.name), ([1], 'QEMU (two)'), 'a')
        check_equal(refused(path_of(t, 'b'), PASSWORD), None, 'b')
    check_equal(vm.qmp.cmd('query-display-options'), {'type': 'none'},
                'display')


@test()
def listens_nowhere(t):
    vm = t.launch(['-machine', 'pc', '-nodefaults', '-S', '-accel',
                   t.host.accel, '-display', 'none', '-vga', 'none', '-vnc',
                   'none'], serial=False)
    check_equal(vm.qmp.cmd('query-status')['running'], False, 'running')
    check_equal(vm.qmp.cmd('query-vnc')['enabled'], False, 'enabled')
    check_equal(vm.qmp.cmd('query-vnc-servers'),
                [{'id': 'default', 'auth': 'none', 'clients': [],
                  'server': []}], 'servers')


if __name__ == '__main__':
    main()
