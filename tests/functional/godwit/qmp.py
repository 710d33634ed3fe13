# SPDX-License-Identifier: GPL-2.0-or-later
"""A small client of the QEMU Machine Protocol."""

import json
import socket

from .reactor import DEFAULT_TIMEOUT


class QmpError(Exception):
    """The error reply to a command."""

    def __init__(self, command, error):
        super().__init__('%s: %s: %s' % (command, error.get('class'),
                                         error.get('desc')))
        self.error_class = error.get('class')
        self.desc = error.get('desc', '')


class QmpClosed(Exception):
    """The other side closed the connection."""


class Qmp:
    """One connection. Events are kept until somebody asks for them."""

    def __init__(self, reactor, sock):
        self.reactor = reactor
        self.sock = sock
        self.closed = False
        self.greeting = None
        self.events = []   # all of them, in order of arrival
        self.replies = []  # everything else that has not been taken
        self._seen = 0     # events before this one were asked for
        self._buffer = b''
        self._next_id = 0
        sock.setblocking(False)
        reactor.add(sock, self._readable)

    def _readable(self):
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b''
        if not data:
            self.close()
            return
        self._buffer += data
        while b'\n' in self._buffer:
            line, self._buffer = self._buffer.split(b'\n', 1)
            if line.strip():
                self._message(json.loads(line))

    def _message(self, msg):
        if 'QMP' in msg:
            self.greeting = msg['QMP']
        elif 'event' in msg:
            self.events.append(msg)
        else:
            self.replies.append(msg)

    def close(self):
        if not self.closed:
            self.closed = True
            self.reactor.remove(self.sock)
            self.sock.close()

    def wait_greeting(self, timeout=DEFAULT_TIMEOUT):
        self.reactor.wait(lambda: self.greeting or self.closed,
                          'QMP greeting', timeout)
        if not self.greeting:
            raise QmpClosed('closed before the greeting')
        return self.greeting

    def negotiate(self, timeout=DEFAULT_TIMEOUT):
        self.wait_greeting(timeout)
        self.cmd('qmp_capabilities', _timeout=timeout)

    def send_raw(self, data, fds=()):
        """Send bytes as they are, file descriptors with the first."""
        self.sock.setblocking(True)
        try:
            if fds:
                sent = socket.send_fds(self.sock, [data], list(fds))
                data = data[sent:]
            self.sock.sendall(data)
        finally:
            self.sock.setblocking(False)

    def send(self, command, arguments=None, cmd_id=None, fds=()):
        msg = {'execute': command}
        if arguments:
            msg['arguments'] = arguments
        if cmd_id is not None:
            msg['id'] = cmd_id
        self.send_raw(json.dumps(msg).encode() + b'\n', fds)

    def next_reply(self, timeout=DEFAULT_TIMEOUT):
        """The oldest reply nobody has taken."""
        self.reactor.wait(lambda: self.replies or self.closed, 'QMP reply',
                          timeout)
        if not self.replies:
            raise QmpClosed('closed instead of a reply')
        return self.replies.pop(0)

    def reply_to(self, cmd_id, timeout=DEFAULT_TIMEOUT):
        def find():
            for i, msg in enumerate(self.replies):
                if msg.get('id') == cmd_id:
                    return self.replies.pop(i)
            return {'closed': True} if self.closed else None
        msg = self.reactor.wait(find, 'QMP reply to %r' % (cmd_id,), timeout)
        if msg.get('closed'):
            raise QmpClosed('closed instead of a reply')
        return msg

    def cmd(self, command, _fds=(), _timeout=DEFAULT_TIMEOUT, **arguments):
        """Run a command; `foo_bar=1` is sent as argument "foo-bar"."""
        return self.execute(command, {
            k.rstrip('_').replace('_', '-'): v for k, v in arguments.items()},
            _fds, _timeout)

    def execute(self, command, arguments, fds=(), timeout=DEFAULT_TIMEOUT):
        """The same with arguments by their own names."""
        self._next_id += 1
        cmd_id = 'c%d' % self._next_id
        try:
            self.send(command, arguments, cmd_id, fds)
        except OSError as err:
            raise QmpClosed(str(err)) from err
        msg = self.reply_to(cmd_id, timeout)
        if 'error' in msg:
            raise QmpError(command, msg['error'])
        return msg['return']

    def hmp(self, line, timeout=DEFAULT_TIMEOUT):
        return self.cmd('human-monitor-command', _timeout=timeout,
                        command_line=line)

    def find_event(self, name, match=None):
        """Take the first event of that name that was not taken yet."""
        for i in range(self._seen, len(self.events)):
            event = self.events[i]
            if event['event'] == name and (not match or match(event)):
                self._seen = i + 1
                return event
        return None

    def wait_event(self, name, match=None, timeout=DEFAULT_TIMEOUT):
        def find():
            event = self.find_event(name, match)
            return event or (self.closed and 'closed')
        event = self.reactor.wait(find, 'event ' + name, timeout)
        if event == 'closed':
            raise QmpClosed('closed instead of event ' + name)
        return event

    def count_events(self, name):
        return sum(1 for e in self.events if e['event'] == name)


def event_time(event):
    """Seconds since the epoch."""
    stamp = event['timestamp']
    return stamp['seconds'] + stamp['microseconds'] / 1e6
