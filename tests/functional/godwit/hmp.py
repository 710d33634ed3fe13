# SPDX-License-Identifier: GPL-2.0-or-later
"""The human monitor over a raw socket, as `nc -U` would use it."""

import re
import socket

from .reactor import DEFAULT_TIMEOUT

PROMPT = '(qemu) '
# The line editor's cursor movements.
ESCAPES = re.compile(rb'\x1b\[[0-9;]*[A-Za-z]')


class Hmp:
    """One connection to a monitor that listens on a unix socket."""

    def __init__(self, reactor, path, timeout=DEFAULT_TIMEOUT):
        self.reactor = reactor
        self.closed = False
        self._buffer = b''
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.setblocking(False)
        reactor.add(self.sock, self._readable)
        self.banner = self._until_prompt(timeout)

    def _readable(self):
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b''
        if not data:
            self.close()
            return
        self._buffer += data

    def close(self):
        if not self.closed:
            self.closed = True
            self.reactor.remove(self.sock)
            self.sock.close()

    def _text(self):
        return ESCAPES.sub(b'', self._buffer).decode('utf-8', 'replace')

    def at_prompt(self):
        """Has it printed a prompt, and nothing behind it? The line editor
        draws the whole line again for each character, so the buffer can be
        long: only its end is looked at."""
        tail = ESCAPES.sub(b'', self._buffer[-64:])
        return tail.endswith(PROMPT.encode())

    def take(self):
        """What has arrived since the last prompt was waited for."""
        text = self._text()
        self._buffer = b''
        return text

    def _until_prompt(self, timeout):
        self.reactor.wait(lambda: self.at_prompt() or self.closed,
                          'HMP prompt', timeout)
        text = self.take()
        return text[:-len(PROMPT)] if text.endswith(PROMPT) else text

    def send(self, line):
        self.sock.setblocking(True)
        try:
            self.sock.sendall(line.encode() + b'\n')
        finally:
            self.sock.setblocking(False)

    def cmd(self, line, timeout=DEFAULT_TIMEOUT):
        """What a command prints, without echo and prompt."""
        self.send(line)
        # The echo ends with the line break that was sent.
        self.reactor.wait(lambda: b'\n' in self._buffer or self.closed,
                          'HMP echo', timeout)
        text = self._until_prompt(timeout).replace('\r', '')
        return text.split('\n', 1)[1] if '\n' in text else ''
