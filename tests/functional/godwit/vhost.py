# SPDX-License-Identifier: GPL-2.0-or-later
"""A vhost-user back end that does what a test says: it takes everything,
serves no ring, and can fall silent, die or lie at any request. Numbers are
those of the public text "Vhost-user Protocol"."""

import os
import socket
import struct

REQUESTS = {
    1: 'GET_FEATURES', 2: 'SET_FEATURES', 3: 'SET_OWNER', 5: 'SET_MEM_TABLE',
    6: 'SET_LOG_BASE', 8: 'SET_VRING_NUM', 9: 'SET_VRING_ADDR',
    10: 'SET_VRING_BASE', 11: 'GET_VRING_BASE', 12: 'SET_VRING_KICK',
    13: 'SET_VRING_CALL', 15: 'GET_PROTOCOL_FEATURES',
    16: 'SET_PROTOCOL_FEATURES', 17: 'GET_QUEUE_NUM', 18: 'SET_VRING_ENABLE',
    19: 'SEND_RARP', 20: 'NET_SET_MTU', 39: 'SET_STATUS',
}
HEADER = struct.Struct('<III')
REPLY = 1 | 4       # version 1
NEED_REPLY = 8
LOG_ALL = 1 << 26
# What DPDK's library has for a network card, without offloads.
FEATURES = (1 << 32 | 1 << 30 | 1 << 29 | 1 << 28 | LOG_ALL | 1 << 22 |
            1 << 21 | 1 << 17 | 1 << 15)
PROTOCOL = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3  # MQ, LOG_SHMFD, RARP, REPLY_ACK
BASE = 0  # of each ring, as a back end says that serves none


class VhostBackEnd:
    """Listens at `path`, one connection after the other or several."""

    def __init__(self, reactor, path, features=FEATURES):
        self.reactor = reactor
        self.features = features
        self.silent_at = set()  # names of requests
        self.silent = False     # it was asked one of these: for ever, then
        # {request: how it goes wrong, once; what was seen is forgotten then}
        self.faults = {}
        self.seen = []          # (name, payload)
        self.connections = []
        self.fds = {}           # (name, ring): the last that came
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(4)
        reactor.add(self._listener, self._accept)

    def names(self):
        return [name for name, _ in self.seen]

    def payloads(self, name):
        return [payload for n, payload in self.seen if n == name]

    def wait_for(self, name, count=1):
        self.reactor.wait(lambda: self.names().count(name) >= count,
                          '%d times %s' % (count, name))

    def forget(self):
        """What was seen so far."""
        self.seen = []

    def recover(self):
        """Close all connections, as a process that ends does, and behave
        from now on."""
        for sock in list(self.connections):
            self._drop(sock)
        self.silent_at = set()
        self.silent = False

    def close(self):
        self.recover()
        self.reactor.remove(self._listener)
        self._listener.close()
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def _drop(self, sock):
        if sock in self.connections:
            self.connections.remove(sock)
            self.reactor.remove(sock)
            sock.close()

    def _accept(self):
        sock = self._listener.accept()[0]
        self.connections.append(sock)
        self.reactor.add(sock, lambda: self._readable(sock))

    def _readable(self, sock):
        if self.silent:
            # A process that hangs: it reads nothing, and closes nothing.
            self.reactor.remove(sock)
            return
        try:
            head, fds, _, _ = socket.recv_fds(sock, HEADER.size, 8)
        except ConnectionError:
            head, fds = b'', []
        if len(head) < HEADER.size:
            self._drop(sock)
            return
        request, flags, size = HEADER.unpack(head)
        payload = sock.recv(size, socket.MSG_WAITALL) if size else b''
        name = REQUESTS[request]
        self.seen.append((name, payload))
        self._keep(name, payload, fds)
        if name in self.silent_at:
            self.silent = True
            return
        fault = self.faults.pop(name, None)
        if fault:
            self.forget()
        if fault == 'dies':
            self._drop(sock)
            return
        answer = self._answer(name, payload, flags)
        if answer is not None:
            self._send(sock, request, answer, fault)

    @staticmethod
    def _send(sock, request, answer, fault):
        """Unless there is a fault: an answer as it should be."""
        size = len(answer)
        if fault == 'short':
            answer = answer[:4]
            size = len(answer)
        elif fault == 'huge':
            size = 0xffff0000
        elif fault == 'other':
            request += 1
        data = HEADER.pack(request, REPLY, size) + answer
        if fault == 'descriptor':
            socket.send_fds(sock, [data], [sock.fileno()])
        else:
            sock.sendall(data * (2 if fault == 'twice' else 1))

    def _keep(self, name, payload, fds):
        if name in ('SET_VRING_KICK', 'SET_VRING_CALL') and fds:
            old = self.fds.get((name, payload[0]))
            if old is not None:
                os.close(old)
            self.fds[name, payload[0]] = fds.pop(0)
        for fd in fds:
            os.close(fd)

    def _answer(self, name, payload, flags):
        if name == 'GET_FEATURES':
            return struct.pack('<Q', self.features)
        if name == 'GET_PROTOCOL_FEATURES':
            return struct.pack('<Q', PROTOCOL)
        if name == 'GET_QUEUE_NUM':
            return struct.pack('<Q', 8)
        if name == 'GET_VRING_BASE':
            return struct.pack('<II', payload[0], BASE)
        if name == 'SET_LOG_BASE':
            return b''
        return struct.pack('<Q', 0) if flags & NEED_REPLY else None
