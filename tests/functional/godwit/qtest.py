# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine's qtest socket: see tests/qtest/README.md."""

import socket


class Qtest:
    def __init__(self, t, path):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self.args = ['-qtest', 'unix:' + path, '-qtest-log', 'none']
        t.defer(self.close)
        self._sock = None

    def accept(self):
        self._sock = self._listener.accept()[0]
        self._file = self._sock.makefile('r')

    def close(self):
        self._listener.close()

    def run(self, lines):
        """Answers as numbers, of those that have one."""
        self._sock.sendall(('\n'.join(lines) + '\n').encode())
        left, values = len(lines), []
        while left:
            words = self._file.readline().split()
            if words and words[0] != 'IRQ':
                left -= 1
                values += [int(w, 16) for w in words[1:2]]
        return values
