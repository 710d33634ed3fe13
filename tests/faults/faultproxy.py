# SPDX-License-Identifier: GPL-2.0-or-later
"""A network between two programs that does wrong at one chosen message."""

import collections
import socket
import struct
import threading

import wire

FLOOD_BYTES = 8 << 20
DELAY_S = 0.15
MAGIC = b'QEVM'  # what makes a connection a source's


class HungUp(Exception):
    """The connections are closed on purpose."""


class Dropped(Exception):
    """Nothing more is passed on in this direction."""


def reset_on_close(sock):
    """Linger of zero: RST instead of FIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
    except OSError:
        pass


class Link:
    """A connection of the source's, and the one to the destination."""

    def __init__(self, client):
        self.socks = [client]

    def connect(self, port):
        self.socks.append(socket.create_connection(('127.0.0.1', port)))
        return self.socks

    def reset(self):
        for sock in self.socks:
            reset_on_close(sock)
            try:
                sock.shutdown(socket.SHUT_RD)  # wakes who reads it
            except OSError:
                pass

    def hang_up(self):
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        for sock in self.socks:
            sock.close()


class FaultProxy:
    """Listens on a port of its own and connects to `target_port`, once for
    each connection that comes: the first one is the stream, all others are
    channels of multifd.

    At the first message `row` (see wire.py; 'connect' is the connection,
    'ch:...' are a channel's) it does what `fault` says, and passes on all else
    as it comes:
      hold      this message and what is behind it wait for let_go()
      delay     the same, for a moment
      cut       its two connections are closed, the message is not passed on
      reset     the same with RST
      truncate  as cut, but half of the message is passed on
      corrupt   its first byte has its bits inverted
      duplicate it comes twice
      drop      it and what follows in its direction are lost; the connections
                stay, and the other direction works
      flood     it comes for ever, or until FLOOD_BYTES have been sent
    `again`: hold each such message, not only the first one.

    `acted` is set then. `names` has all messages seen, in order of their first
    appearance, `counts` how often each came.
    """

    def __init__(self, target_port, row=None, fault=None, again=False):
        self.target_port = target_port
        self.row = row
        self.fault = fault
        self.again = again
        self.acted = threading.Event()
        self.holds = 0
        self.connected = False  # to the destination
        self.begins = b''       # what the stream's connection there began with
        self._stream = None
        self.names = []
        self.counts = collections.Counter()
        self._let_go = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()
        self._closing = False
        self._lock = threading.Lock()  # who acts; the links
        self._links = []
        self._listener = socket.socket()
        self._listener.bind(('127.0.0.1', 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def uri(self):
        return 'tcp:127.0.0.1:%d' % self.port

    def act_now(self):
        """Without a message: 'hold' lets nothing pass in either direction."""
        if self.fault == 'hold':
            self._go_on.clear()
        elif self.fault == 'cut':
            self._hang_up()
        elif self.fault == 'reset':
            self._reset()
        self.acted.set()

    def let_go(self):
        self._let_go.set()
        self._go_on.set()

    def close(self):
        self._closing = True
        self.let_go()
        self._hang_up()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self._thread.join(10)

    def _run(self):
        threads = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                break
            link = Link(client)
            with self._lock:
                first = not self._links
                self._links.append(link)
            threads.append(threading.Thread(
                target=self._serve, daemon=True, args=(link, first)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, link, first):
        there, back = ((wire.Forward, wire.Back) if first else
                       (wire.Channel, wire.Quiet))
        threads = []
        try:
            self._deliver('connect' if first else 'ch:connect', b'', link,
                          None)
            client, server = link.connect(self.target_port)
            if first:
                self._stream = server
            self.connected = True
            threads = [threading.Thread(target=self._pass, daemon=True,
                                        args=(there, link, client, server)),
                       threading.Thread(target=self._pass, daemon=True,
                                        args=(back, link, server, client))]
        except (OSError, HungUp):
            pass
        if self._closing:
            link.hang_up()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        link.close()

    def _pass(self, parser, link, source, sink):
        """One direction, to its end."""
        def recv(size):
            self._go_on.wait()
            return source.recv(size)
        try:
            try:
                for name, data in parser(recv).messages():
                    self._deliver(name, data, link, sink)
            except wire.Unknown as err:
                self._put(sink, err.rest)
                while data := recv(1 << 16):
                    self._put(sink, data)
            except wire.End as err:
                self._put(sink, err.rest)
            sink.shutdown(socket.SHUT_WR)
        except HungUp:
            pass
        except Dropped:
            self._swallow(source)
        except OSError:
            # One side is gone: the other gets to know.
            link.hang_up()

    def _put(self, sink, data):
        sink.sendall(data)
        if sink is self._stream:
            self.begins = (self.begins + data)[:len(MAGIC)]

    def _deliver(self, name, data, link, sink):
        with self._lock:
            if name not in self.names:
                self.names.append(name)
            self.counts[name] += 1
        self._go_on.wait()
        if self._is_due(name):
            data = self._act(data, link, sink)
        if sink and data:
            self._put(sink, data)

    def _is_due(self, name):
        """Only one acts, whatever comes elsewhere at the same time."""
        with self._lock:
            if name != self.row or (self.acted.is_set() and not self.again):
                return False
            if self.fault == 'hold':
                self._let_go.clear()
                self.holds += 1
            self.acted.set()
            return True

    def _act(self, data, link, sink):
        """Returns what is to be passed on then."""
        if self.fault == 'hold':
            if not self._closing:
                self._let_go.wait()
            return data
        if self.fault == 'delay':
            self._let_go.wait(DELAY_S)
        elif self.fault == 'duplicate':
            self._put(sink, data)
        elif self.fault == 'flood':
            blob = data * (65536 // len(data) + 1)
            for _ in range(FLOOD_BYTES // len(blob) + 1):
                self._put(sink, blob)
        elif self.fault == 'drop':
            raise Dropped()
        elif self.fault == 'corrupt':
            return bytes([data[0] ^ 0xff]) + data[1:]
        else:
            if self.fault == 'truncate':
                self._put(sink, data[:len(data) // 2])
            if self.fault == 'reset':
                link.reset()
            else:
                link.hang_up()
            raise HungUp()
        return data

    def _swallow(self, source):
        """Read what comes, to its end; who reads the other side waits."""
        try:
            while source.recv(1 << 16):
                pass
        except OSError:
            pass

    def _all_links(self):
        with self._lock:
            return list(self._links)

    def _reset(self):
        for link in self._all_links():
            link.reset()

    def _hang_up(self):
        for link in self._all_links():
            link.hang_up()
