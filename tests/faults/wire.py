# SPDX-License-Identifier: GPL-2.0-or-later
"""Both directions of a migration as messages with names.

docs/devel/stream.md has the layout. Nothing in the stream tells how long a
device's section is; its footer does, which is searched for. A section of
memory may be long: its header is one message and each record another.
"""

import struct

HELLO = 0x476f6477
COMMANDS = {1: 'open-rp', 2: 'ping', 0x4701: 'enable', 0x4702: 'switchover',
            0x4703: 'run', 0x4704: 'abort', 0x4705: 'facts'}
ANSWERS = {1: '<shut', 2: '<pong', 0x4701: '<features', 0x4702: '<loaded',
           0x4703: '<resumed', 0x4704: '<error'}

PAGE = 4096
REC_FILL, REC_BLOCKS, REC_PAGE, REC_EOS = 0x02, 0x04, 0x08, 0x10
REC_CONTINUE, REC_SYNC, REC_EXTENT, REC_FLAGS = 0x20, 0x200, 0x800, 0xfff

MULTIFD_MAGIC, MULTIFD_SYNC, MULTIFD_PACKED = 0x11223344, 1, 7 << 1
GREETING_LEN, PACKET_LEN = 64, 1344


class End(Exception):
    """The other side has closed; `rest` is what came of a last message."""

    def __init__(self, rest):
        super().__init__('%d bytes of a message' % len(rest))
        self.rest = rest


class Unknown(Exception):
    """Not a stream; `rest` has to be passed on as it is."""

    def __init__(self, rest):
        super().__init__(rest[:16].hex())
        self.rest = rest


class Taker:
    """Bytes of a connection, as many as are asked for."""

    def __init__(self, recv):
        self._recv = recv
        self._buffer = bytearray()
        self._taken = bytearray()

    def _fill(self):
        data = self._recv(1 << 16)
        if not data:
            raise End(bytes(self._taken + self._buffer))
        self._buffer += data

    def take(self, n):
        while len(self._buffer) < n:
            self._fill()
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        self._taken += data
        return data

    def take_past(self, mark):
        """Up to and with the first occurrence of `mark`."""
        start = 0
        while True:
            at = self._buffer.find(mark, start)
            if at >= 0:
                return self.take(at + len(mark))
            start = max(0, len(self._buffer) - len(mark) + 1)
            self._fill()

    def u8(self):
        return self.take(1)[0]

    def be16(self):
        return struct.unpack('>H', self.take(2))[0]

    def be32(self):
        return struct.unpack('>I', self.take(4))[0]

    def be64(self):
        return struct.unpack('>Q', self.take(8))[0]

    def name(self):
        return self.take(self.u8()).decode('ascii', 'replace')

    def message(self):
        """All that was taken since the last call."""
        data = bytes(self._taken)
        self._taken.clear()
        return data

    def unknown(self):
        return Unknown(bytes(self._taken + self._buffer))


class Forward:
    """From the source to the destination."""

    def __init__(self, recv):
        self.t = Taker(recv)
        self.passes = 0
        self._block = ''
        self._highest = {}

    def messages(self):
        """Yields (name, bytes)."""
        self.t.take(8)
        yield 'header', self.t.message()
        while True:
            kind = self.t.u8()
            if kind == 0x00:
                yield 'eof', self.t.message()
            elif kind == 0x06:
                self.t.take(self.t.be32())
                yield 'description', self.t.message()
            elif kind == 0x07:
                self.t.take(self.t.be32())
                yield 'configuration', self.t.message()
            elif kind == 0x08:
                yield self._command(), self.t.message()
            elif kind in (0x01, 0x04):
                yield self._whole_section(), self.t.message()
            elif kind in (0x02, 0x03):
                yield from self._memory(kind == 0x03)
            else:
                raise self.t.unknown()

    def _command(self):
        number = self.t.be16()
        data = self.t.take(self.t.be16())
        name = COMMANDS.get(number, 'command-%#x' % number)
        if name == 'ping' and data == struct.pack('>I', HELLO):
            name = 'hello'
        return name

    def _whole_section(self):
        ident = self.t.take(4)
        name = self.t.name()
        instance = self.t.be32()
        self.t.be32()
        if name == 'ram':
            while self._record() != REC_EOS:
                pass
            self.t.take(5)
            return 'setup'
        self.t.take_past(b'\x7e' + ident)
        return 'dev:%s' % name + ('.%d' % instance if instance else '')

    def _record(self):
        """One record; returns its kind."""
        t = self.t
        word = t.be64()
        flags, offset = word & REC_FLAGS, word & ~REC_FLAGS
        kind = flags & ~REC_CONTINUE
        if kind == REC_BLOCKS:
            while offset > 0:
                t.name()
                offset -= t.be64()
            return kind
        if kind in (REC_EOS, REC_SYNC):
            return kind
        if not flags & REC_CONTINUE:
            self._block = t.name()
        count = t.be32() if kind & REC_EXTENT else 1
        if kind == REC_FILL:
            t.take(1)
        elif kind in (REC_PAGE, REC_EXTENT):
            t.take(count * PAGE)
        elif kind != REC_EXTENT | REC_FILL:
            raise t.unknown()
        self._note(offset)
        return kind

    def _note(self, offset):
        """Memory that comes again is another pass."""
        if offset <= self._highest.get(self._block, -1):
            self.passes += 1
            self._highest.clear()
        self._highest[self._block] = offset

    def _memory(self, last):
        """The section's header waits for its first record: only that tells
        which pass it belongs to."""
        self.t.take(4)
        head = self.t.message()
        first = True
        while True:
            kind = self._record()
            if kind == REC_EOS:
                self.t.take(5)
            data = self.t.message()
            stage = 'last' if last else 'pass%d' % min(2, self.passes + 1)
            if first:
                yield stage, head
                first = False
            yield stage + ('.end' if kind == REC_EOS else '.page'), data
            if kind == REC_EOS:
                return


class Back:
    """From the destination to the source."""

    def __init__(self, recv):
        self.t = Taker(recv)

    def messages(self):
        while True:
            number = self.t.be16()
            data = self.t.take(self.t.be16())
            name = ANSWERS.get(number, '<answer-%#x' % number)
            if name == '<pong' and data == struct.pack('>I', HELLO):
                name = '<hello'
            yield name, self.t.message()


class Channel:
    """One of multifd's, from the source to the destination: packets, and
    between two Godwits records as in the stream."""

    def __init__(self, recv):
        self.t = Taker(recv)

    def messages(self):
        """Yields (name, bytes)."""
        self.t.take(GREETING_LEN)
        yield 'ch:greeting', self.t.message()
        while True:
            word = self.t.be32()
            if word == MULTIFD_MAGIC:
                yield self._packet(), self.t.message()
            else:
                self._record(word << 32 | self.t.be32())
                yield 'ch:pages', self.t.message()

    def _packet(self):
        self.t.be32()
        flags = self.t.be32()
        self.t.be32()
        npages, size = self.t.be32(), self.t.be32()
        self.t.take(PACKET_LEN - 6 * 4)
        if npages:
            self.t.take(size if flags & MULTIFD_PACKED else npages * PAGE)
        return 'ch:sync' if flags & MULTIFD_SYNC else 'ch:pages'

    def _record(self, word):
        kind = word & REC_FLAGS & ~REC_CONTINUE
        if kind & ~REC_FILL != REC_EXTENT:
            raise self.t.unknown()
        if not word & REC_CONTINUE:
            self.t.name()
        count = self.t.be32()
        if not kind & REC_FILL:
            self.t.take(count * PAGE)


class Quiet:
    """The other way on a channel: nothing is said."""

    def __init__(self, recv):
        self.t = Taker(recv)

    def messages(self):
        self.t.u8()
        raise self.t.unknown()
        yield  # pylint: disable=unreachable
