# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulator process with its monitor and its guest's serial line."""

import os
import re
import signal
import socket
import subprocess

from .host import PEER
from .qmp import Qmp
from .reactor import DEFAULT_TIMEOUT, WaitTimeout

SANITIZER = re.compile(r'(AddressSanitizer|LeakSanitizer|ThreadSanitizer|'
                       r'UndefinedBehaviorSanitizer|runtime error:)')


class ProcessEnded(Exception):
    """The program ended while something was expected of it."""


class Serial:
    """The guest's lines. Works across a migration: see adopt()."""

    def __init__(self):
        self.lines = []
        self.rest = ''

    def feed(self, data):
        self.rest += data.decode('ascii', 'replace').replace('\r', '')
        *done, self.rest = self.rest.split('\n')
        self.lines += done

    def adopt(self, before):
        """Go on where the same guest stopped on another machine."""
        head = before.rest
        before.rest = ''
        if self.lines:
            self.lines[0] = head + self.lines[0]
        else:
            self.rest = head + self.rest


def environment_of(binary):
    """GLib's warnings end a program of ours, so that no test passes with
    one. The peer has some of its own."""
    env = dict(os.environ)
    if os.path.realpath(binary) == os.path.realpath(PEER):
        env.pop('G_DEBUG', None)
    return env


class Machine:
    """Starts at once. The monitor and serial line connect to us, so there
    is nothing to wait for but the program itself."""

    def __init__(self, reactor, folder, binary, args, name='vm', qmp=True,
                 serial=True, pass_fds=(), env=None, wrapper=()):
        self.reactor = reactor
        self.name = name
        self.folder = folder
        self.stderr = ''
        self.stdout = ''
        self.status = None
        self.rusage = None
        self.serial = Serial()
        self.qmp = None
        self.ends_expected = False
        self._serial_sock = None
        self._listeners = []
        self.args = [binary, *args]

        qmp_listener = serial_listener = None
        if serial:
            serial_listener, path = self._listen('serial')
            self.args += ['-chardev', 'socket,id=gwser,path=' + path,
                          '-serial', 'chardev:gwser']
        if qmp:
            qmp_listener, path = self._listen('qmp')
            self.args += ['-chardev', 'socket,id=gwqmp,path=' + path,
                          '-mon', 'chardev=gwqmp,mode=control']
        self.proc = subprocess.Popen(
            [*wrapper, *self.args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=pass_fds, env=env or environment_of(binary),
            start_new_session=True)
        self.pidfd = os.pidfd_open(self.proc.pid)
        reactor.add(self.pidfd, self._ended)
        self._add_pipe(self.proc.stderr, 'stderr')
        self._add_pipe(self.proc.stdout, 'stdout')
        if serial:
            self._serial_sock = self._accept(serial_listener)
            if self._serial_sock:
                reactor.add(self._serial_sock, self._serial_readable)
        if qmp:
            sock = self._accept(qmp_listener)
            if sock:
                self.qmp = Qmp(reactor, sock)
                self.qmp.negotiate()
        for listener in self._listeners:
            listener.close()
        if (qmp or serial) and self.status is not None:
            raise ProcessEnded(self.describe_end())

    # ---- plumbing --------------------------------------------------------

    def _listen(self, what):
        path = os.path.join(self.folder, '%s-%s.sock' % (self.name, what))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self._listeners.append(listener)
        return listener, path

    def _accept(self, listener):
        ready = []
        self.reactor.add(listener, lambda: ready.append(1))
        try:
            self.reactor.wait(lambda: ready or self.status is not None,
                              self.name + ' to connect')
        finally:
            self.reactor.remove(listener)
        return listener.accept()[0] if ready else None

    def _add_pipe(self, pipe, attr):
        os.set_blocking(pipe.fileno(), False)

        def readable():
            data = pipe.read(1 << 16)
            if data:
                setattr(self, attr, getattr(self, attr) +
                        data.decode('utf-8', 'replace'))
            elif data == b'':
                self.reactor.remove(pipe)
                pipe.close()
        self.reactor.add(pipe, readable)

    def _serial_readable(self):
        try:
            data = self._serial_sock.recv(1 << 16)
        except ConnectionError:
            data = b''
        if data:
            self.serial.feed(data)
        else:
            self.reactor.remove(self._serial_sock)
            self._serial_sock.close()
            self._serial_sock = None

    def _ended(self):
        if self.status is not None:
            return
        _, status, self.rusage = os.wait4(self.proc.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        self.proc.returncode = self.status
        self.reactor.remove(self.pidfd)
        os.close(self.pidfd)
        # Nobody else may hold the pipes' other ends.
        for pipe, attr in ((self.proc.stderr, 'stderr'),
                           (self.proc.stdout, 'stdout')):
            if pipe.closed:
                continue
            while True:
                data = pipe.read(1 << 16)
                if not data:
                    break
                setattr(self, attr, getattr(self, attr) +
                        data.decode('utf-8', 'replace'))
            self.reactor.remove(pipe)
            pipe.close()

    # ---- serial line -----------------------------------------------------

    def say(self, line):
        """Type a line on the guest's serial console."""
        self._serial_sock.sendall(line.encode() + b'\n')

    def type_keys(self, keys):
        """The same without a line end."""
        self._serial_sock.sendall(keys.encode())

    def wait_line(self, pattern, start=0, timeout=DEFAULT_TIMEOUT):
        """The first line from index `start` on that matches, as a match."""
        regex = re.compile(pattern)
        state = [start]

        def find():
            while state[0] < len(self.serial.lines):
                match = regex.search(self.serial.lines[state[0]])
                state[0] += 1
                if match:
                    return match
            if self.status is not None:
                raise ProcessEnded(self.describe_end())
            return None
        try:
            return self.reactor.wait(find, 'line /%s/' % pattern, timeout)
        except WaitTimeout as err:
            raise WaitTimeout('%s: %s; last lines: %r' % (
                self.name, err, self.serial.lines[-3:])) from None

    def mark(self):
        """For wait_line(start=...): only what comes from now on."""
        return len(self.serial.lines)

    # ---- process ---------------------------------------------------------

    def describe_end(self):
        return '%s ended with status %s: %s' % (self.name, self.status,
                                                self.stderr.strip())

    def wait_end(self, timeout=DEFAULT_TIMEOUT):
        self.ends_expected = True
        self.reactor.wait(lambda: self.status is not None,
                          self.name + ' to end', timeout)
        return self.status

    def signal(self, signum):
        if self.status is None:
            os.kill(self.proc.pid, signum)

    def kill(self):
        self.ends_expected = True
        self.signal(signal.SIGKILL)
        return self.wait_end()

    def error_lines(self):
        """Standard error without warnings."""
        return [line for line in self.stderr.splitlines()
                if line.strip() and 'warning: ' not in line]

    def cleanup(self):
        """End it; returns what was wrong, or None."""
        problem = None
        if self.status is not None and not self.ends_expected:
            problem = self.describe_end()
        if self.status is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.wait_end(20)
                if self.status != 0:
                    problem = 'after SIGTERM: ' + self.describe_end()
            except WaitTimeout:
                problem = self.name + ' did not end on SIGTERM'
                self.signal(signal.SIGKILL)
                self.wait_end()
        if self.status < 0 and self.status not in (-signal.SIGKILL,):
            problem = self.describe_end()
        if SANITIZER.search(self.stderr):
            problem = '%s: sanitizer report: %s' % (self.name, self.stderr)
        if self.qmp:
            self.qmp.close()
        if self._serial_sock:
            self.reactor.remove(self._serial_sock)
            self._serial_sock.close()
            self._serial_sock = None
        return problem
