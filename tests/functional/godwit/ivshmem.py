# SPDX-License-Identifier: GPL-2.0-or-later
"""Our ivshmem-server as a process, and clients of it that a test is."""

import os
import socket
import struct
import subprocess

from .reactor import DEFAULT_TIMEOUT
from .tap import check_equal


def find_server(host):
    """It is built beside the program."""
    return os.path.join(os.path.dirname(os.path.abspath(host.binary)),
                        'tools', 'ivshmem-server', 'ivshmem-server')


class IvshmemServer:
    """Listens at self.path from the start."""

    def __init__(self, t, name, size='1M', vectors=1):
        self.path = t.path(name + '.sock')
        self.proc = subprocess.Popen(
            [find_server(t.host), '-F', '-v', '-S', self.path, '-m', t.folder,
             '-l', size, '-n', str(vectors)], stdout=subprocess.PIPE)
        t.defer(self.close)
        # The socket's file is there a little before anybody can connect.
        said = self.proc.stdout.readline().decode()
        check_equal(said, 'listens at %s\n' % self.path, 'ivshmem-server')

    def close(self):
        self.proc.terminate()
        self.proc.wait(DEFAULT_TIMEOUT)
        self.proc.stdout.close()


class IvshmemClient:
    """Knows its id, the memory, and who else is there: a list of eventfds
    by id, its own among them."""

    def __init__(self, path, vectors):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(DEFAULT_TIMEOUT)
        self._sock.connect(path)
        self.vectors = vectors
        self.peers = {}
        self.version = self.message()[0]
        self.id = self.message()[0]
        mark, fds = self.message()
        assert mark == -1 and len(fds) == 1, (mark, fds)
        self.memory = fds[0]
        self.wait(lambda: len(self.peers.get(self.id, [])) == vectors)

    def message(self):
        data, fds, _, _ = socket.recv_fds(self._sock, 8, 4)
        if len(data) < 8:
            raise ConnectionError('the server hung up')
        return struct.unpack('<q', data)[0], fds

    def take(self):
        """The next message about a peer."""
        number, fds = self.message()
        if fds:
            self.peers.setdefault(number, []).extend(fds)
        else:
            self._forget(number)

    def wait(self, condition):
        while not condition():
            self.take()

    def _forget(self, number):
        for fd in self.peers.pop(number, []):
            os.close(fd)

    def send(self, data):
        self._sock.sendall(data)

    def ended(self):
        """The server has hung up, behind what it had to say."""
        try:
            while True:
                self.take()
        except ConnectionError:
            return True

    def close(self):
        self._sock.close()
        for number in list(self.peers):
            self._forget(number)
        os.close(self.memory)
