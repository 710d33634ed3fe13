# SPDX-License-Identifier: GPL-2.0-or-later
"""A network between two machines that stands still and breaks when told to."""

import selectors
import socket
import threading

PIECE = 1 << 16  # bytes that are taken from one side at a time


class _Pipe:
    """One direction of one connection."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.data = b''
        self.ended = False


class BadNet:
    """Takes connections at `port` and makes them to `target`; a thread."""

    def __init__(self, target):
        self.target = target
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pipes = []
        self._stands = False
        self._closed = False
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def uri(self):
        return 'tcp:127.0.0.1:%d' % self.port

    def stand_still(self, stands):
        """Bytes are kept, not lost, while it stands."""
        with self._lock:
            self._stands = stands
        self._ours.send(b'x')

    def cut(self, which):
        """Break the connections for whose number which(n) is true."""
        with self._lock:
            for number, pipe in enumerate(self._pipes):
                if which(number // 2):
                    self._shut(pipe.source)
                    self._shut(pipe.sink)

    def close(self):
        with self._lock:
            self._closed = True
        self._ours.send(b'x')
        self._thread.join()

    @staticmethod
    def _shut(sock):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(('127.0.0.1', self.target), 5)
        except OSError:
            near.close()
            return
        for sock in (near, far):
            sock.setblocking(False)
        self._pipes += [_Pipe(near, far), _Pipe(far, near)]

    def _move(self, pipe):
        """As far as it goes; False: this direction has ended."""
        try:
            if not pipe.data and not pipe.ended:
                pipe.data = pipe.source.recv(PIECE)
                pipe.ended = not pipe.data
            if pipe.data:
                pipe.data = pipe.data[pipe.sink.send(pipe.data):]
            elif pipe.ended:
                pipe.sink.shutdown(socket.SHUT_WR)
                return False
        except BlockingIOError:
            pass
        except OSError:
            self._shut(pipe.source)
            self._shut(pipe.sink)
            return False
        return True

    def _wait(self):
        wanted = {self._theirs: selectors.EVENT_READ,
                  self._listener: selectors.EVENT_READ}
        if not self._stands:
            for pipe in self._pipes:
                sock, event = ((pipe.sink, selectors.EVENT_WRITE)
                               if pipe.data or pipe.ended else
                               (pipe.source, selectors.EVENT_READ))
                wanted[sock] = wanted.get(sock, 0) | event
        with selectors.DefaultSelector() as selector:
            for sock, events in wanted.items():
                selector.register(sock, events)
            return {key.fileobj for key, _ in selector.select(1)}

    def _run(self):
        live = []
        while True:
            ready = self._wait()
            if self._theirs in ready:
                self._theirs.recv(PIECE)
            with self._lock:
                if self._closed:
                    break
                if self._listener in ready:
                    self._accept()
                if not self._stands:
                    live = [p for p in self._pipes if
                            not ready & {p.source, p.sink} or self._move(p)]
                    self._drop(live)
        for pipe in self._pipes:
            pipe.source.close()
        for sock in (self._listener, self._ours, self._theirs):
            sock.close()

    def _drop(self, live):
        """A connection goes when both of its directions have ended."""
        kept = {p.source for p in live} | {p.sink for p in live}
        for pipe in self._pipes:
            if pipe not in live and not {pipe.source, pipe.sink} & kept:
                pipe.source.close()
        self._pipes = live
