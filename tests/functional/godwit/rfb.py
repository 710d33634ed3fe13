# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of VNC servers: RFB 3.3 to 3.8 with raw pixels (RFC 6143)."""

import base64
import ctypes
import os
import socket
import struct

RAW, RESIZE, POINTER_TYPE, EXT_KEY = 0, -223, -257, -258
NONE, VNC_AUTH = 1, 2

GCRY_CIPHER_DES, GCRY_CIPHER_MODE_ECB = 302, 1


class Closed(Exception):
    """The server has ended the connection."""


class Refused(Exception):
    """The server says why it doesn't let us in."""


def answer(challenge, password):
    """DES with the password's bytes, each with its bits turned round."""
    gcry = ctypes.CDLL('libgcrypt.so.20')
    gcry.gcry_check_version(None)
    handle = ctypes.c_void_p()
    key = bytes(int('{:08b}'.format(b)[::-1], 2)
                for b in password.encode()[:8].ljust(8, b'\0'))
    out = ctypes.create_string_buffer(len(challenge))
    assert not gcry.gcry_cipher_open(ctypes.byref(handle), GCRY_CIPHER_DES,
                                     GCRY_CIPHER_MODE_ECB, 0)
    gcry.gcry_cipher_setkey(handle, key, 8)
    assert not gcry.gcry_cipher_encrypt(handle, out, len(challenge),
                                        challenge, len(challenge))
    gcry.gcry_cipher_close(handle)
    return out.raw


class Rfb:
    """One connection to (host, port) or to a path."""

    def __init__(self, where, password=None, shared=True, version=8,
                 websocket=False, timeout=30.0, start=True):
        unix = isinstance(where, str)
        self.sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.sock.settimeout(timeout)
        self.sock.connect(where)
        self.websocket = False
        self.rest = b''
        self.width = self.height = 0
        self.pixels = bytearray()
        self.resizes = []
        self.pointer_absolute = None
        self.ext_key = False
        if websocket:
            self.upgrade()
        if start:
            self.handshake(password, shared, version)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # Bytes.

    def upgrade(self):
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((
            'GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n'
            'Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n'
            'Sec-WebSocket-Origin: test\r\nOrigin: http://test\r\n'
            'Sec-WebSocket-Version: 13\r\n'
            'Sec-WebSocket-Protocol: binary\r\n\r\n' % key).encode())
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            head += self.receive(1)
        if b' 101 ' not in head.split(b'\r\n')[0]:
            raise Refused(head.decode('latin-1'))
        self.websocket = True

    def receive(self, n):
        data = b''
        while len(data) < n:
            try:
                got = self.sock.recv(n - len(data))
            except ConnectionResetError:
                got = b''
            if not got:
                raise Closed(data)
            data += got
        return data

    def read(self, n):
        if not self.websocket:
            return self.receive(n)
        while len(self.rest) < n:
            _, size = self.receive(2)
            if size == 126:
                size, = struct.unpack('>H', self.receive(2))
            elif size == 127:
                size, = struct.unpack('>Q', self.receive(8))
            self.rest += self.receive(size)
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def write(self, data):
        if self.websocket:
            mask = os.urandom(4)
            assert len(data) < 126
            data = (bytes((0x82, 0x80 | len(data))) + mask +
                    bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed(b'') from None

    def unpack(self, fmt):
        return struct.unpack(fmt, self.read(struct.calcsize(fmt)))

    def text(self):
        size, = self.unpack('>I')
        return self.read(size).decode()

    # The way in.

    def handshake(self, password=None, shared=True, version=8):
        self.server_version = self.read(12)
        self.write(b'RFB 003.%03d\n' % version)
        self.security(password, version)
        self.write(bytes([shared]))
        (self.width, self.height, *self.format) = self.unpack(
            '>HHBBBBHHHBBB3x')
        self.name = self.text()
        self.pixels = bytearray(self.width * self.height * 4)

    def security(self, password, version):
        if version < 7:
            self.types = list(self.unpack('>I'))
        else:
            count, = self.unpack('B')
            self.types = list(self.read(count))
        if self.types in ([], [0]):
            raise Refused(self.text())
        kind = VNC_AUTH if password is not None else self.types[0]
        if version >= 7:
            self.write(bytes([kind]))
        if kind == VNC_AUTH:
            self.write(answer(self.read(16), password or ''))
        if kind == VNC_AUTH or version >= 8:
            result, = self.unpack('>I')
            if result != 0:
                raise Refused(self.text() if version >= 8 else 'no')

    # Messages.

    def encodings(self, *which):
        self.write(struct.pack('>BxH%di' % len(which), 2, len(which), *which))

    def pixel_format(self, bpp, depth, big, true, maxima, shifts):
        self.write(struct.pack('>B3xBBBBHHHBBB3x', 0, bpp, depth, big, true,
                               *maxima, *shifts))

    def ask(self, incremental=True):
        self.write(struct.pack('>BBHHHH', 3, incremental, 0, 0, self.width,
                               self.height))

    def key(self, sym, down):
        self.write(struct.pack('>BBxxI', 4, down, sym))

    def type(self, *syms):
        for sym in syms:
            sym = ord(sym) if isinstance(sym, str) else sym
            self.key(sym, True)
            self.key(sym, False)

    def ext_key_event(self, sym, code, down):
        self.write(struct.pack('>BBHII', 255, 0, down, sym, code))

    def pointer(self, x, y, buttons=0):
        self.write(struct.pack('>BBHH', 5, buttons, x, y))

    def cut_text(self, text):
        self.write(struct.pack('>B3xI', 6, len(text)) + text)

    def message(self):
        """Takes in one message; true if it brought pixels."""
        kind, = self.unpack('B')
        if kind == 0:
            _, count = self.unpack('>BH')
            return any([self.rect() for _ in range(count)])
        if kind == 3:
            self.unpack('>3x')
            self.text()
        elif kind != 2:
            raise ValueError('message %d' % kind)
        return False

    def rect(self):
        x, y, w, h, kind = self.unpack('>HHHHi')
        if kind == RESIZE:
            self.width, self.height = w, h
            self.resizes.append((w, h))
            self.pixels = bytearray(w * h * 4)
        elif kind == POINTER_TYPE:
            self.pointer_absolute = x == 1
        elif kind == EXT_KEY:
            self.ext_key = True
        elif kind == RAW:
            data = self.read(w * h * 4)
            for row in range(h):
                at = ((y + row) * self.width + x) * 4
                self.pixels[at:at + w * 4] = data[row * w * 4:
                                                  (row + 1) * w * 4]
            return w * h > 0
        else:
            raise ValueError('encoding %d' % kind)
        return False

    def frame(self):
        """Size and all pixels, as a PPM has them."""
        self.ask(incremental=False)
        while not self.message():
            pass
        rgb = bytearray(self.width * self.height * 3)
        rgb[0::3] = self.pixels[2::4]
        rgb[1::3] = self.pixels[1::4]
        rgb[2::3] = self.pixels[0::4]
        return (self.width, self.height), bytes(rgb)

    def wait_closed(self):
        """Reads to the end of the connection."""
        try:
            while True:
                self.receive(1)
        except Closed:
            pass
