# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad network: passes a stream on up to some byte, then misbehaves."""

import socket
import struct
import threading


def reset_on_close(sock):
    """Linger of zero: RST instead of FIN."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
    except OSError:
        pass


class Proxy:
    """Listens on a port of its own and connects to `target_port`.

    Counts the bytes from the client (the migration source). At byte `at`:
      cut      both connections are closed
      reset    both connections are reset
      stall    nothing more is read or written
      corrupt  the byte there has its bits inverted; all else passes
    With at=None everything passes, and `count` tells how much it was.


    The first message of type `hold` on the return path, and all behind it,
    wait for let_go(), as does what follows the first occurrence of the bytes
    `pause` from the source; `held` is set then. Little is on its way in
    between, so that the source can't write on.
    """

    def __init__(self, target_port, action='cut', at=None, hold=None,
                 pause=None):
        self.target_port = target_port
        self.action = action
        self.at = at
        self.hold = hold
        self.pause = pause
        self.count = 0
        self.acted = threading.Event()
        self.held = threading.Event()
        self._let_go = threading.Event()
        self.finished = threading.Event()
        self._release = threading.Event()
        self._hung_up = False
        self._source_done = False
        self._listener = socket.socket()
        if pause:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                      1 << 16)
        self._listener.bind(('127.0.0.1', 0))
        self._listener.listen(8)
        self.port = self._listener.getsockname()[1]
        self._socks = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def uri(self):
        return 'tcp:127.0.0.1:%d' % self.port

    def let_go(self):
        self._let_go.set()

    def close(self):
        self._release.set()
        self._let_go.set()
        for sock in [self._listener, *self._socks]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self._thread.join(10)

    def _run(self):
        try:
            client, _ = self._listener.accept()
            self._socks.append(client)
            server = socket.create_connection(('127.0.0.1',
                                               self.target_port))
            self._socks.append(server)
        except OSError:
            return
        back = threading.Thread(target=self._back, args=(server, client),
                                daemon=True)
        back.start()
        try:
            self._forward(client, server)
        except OSError:
            self._hang_up()
        if not (self.action == 'stall' and self.acted.is_set()):
            back.join()
            if not self._source_done:
                # As when a process dies with data unread: without the RST
                # the source can wait on a closed window for a minute.
                reset_on_close(client)
            client.close()
            server.close()
        self.finished.set()

    def _pass_messages(self, server, client):
        """Each has its type and length in front, two bytes each."""
        reader = server.makefile('rb')
        while True:
            head = reader.read(4)
            if len(head) < 4:
                return
            kind, length = struct.unpack('>HH', head)
            data = reader.read(length)
            if kind == self.hold and not self.held.is_set():
                self.held.set()
                self._let_go.wait()
            client.sendall(head + data)

    def _back(self, server, client):
        """The return path; ends with either connection."""
        try:
            if self.hold is not None:
                self._pass_messages(server, client)
            while True:
                data = server.recv(1 << 16)
                if not data:
                    break
                if self.acted.is_set() and self.action == 'stall':
                    self._release.wait()
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if self.action != 'stall':
            self._hang_up()

    def _hang_up(self):
        self._hung_up = True
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _forward(self, client, server):
        buf = bytearray(1 << 20)
        view = memoryview(buf)
        while True:
            limit = len(buf)
            if self.at is not None and not self.acted.is_set():
                limit = min(limit, self.at - self.count)
                if limit <= 0:
                    self._act(client, server)
                    if self.action != 'corrupt':
                        return
                    continue
            n = client.recv_into(view[:limit])
            if n == 0:
                self._source_done = not self._hung_up
                server.shutdown(socket.SHUT_WR)
                return
            sent = self._up_to_pause(view[:n], server) if self.pause else 0
            server.sendall(view[sent:n])
            self.count += n

    def _up_to_pause(self, view, server):
        """Passes on what comes before the pause; returns how much it was."""
        found = view.tobytes().find(self.pause)
        if found < 0:
            return 0
        sent = found + len(self.pause)
        server.sendall(view[:sent])
        self.pause = None
        self.held.set()
        self._let_go.wait()
        return sent

    def _act(self, client, server):
        if self.action == 'corrupt':
            byte = client.recv(1)
            self.acted.set()
            if byte:
                server.sendall(bytes([byte[0] ^ 0xff]))
                self.count += 1
            return
        self.acted.set()
        if self.action == 'stall':
            self._release.wait()
            return
        if self.action == 'reset':
            for sock in self._socks:
                reset_on_close(sock)
                sock.shutdown(socket.SHUT_RD)  # wakes our own reader
        else:
            self._hang_up()
