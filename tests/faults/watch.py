# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines under observation: what their guests and monitors say."""

import os
import re
import time

from godwit.migration import check_lines
from godwit.peer import PEER
from godwit.qmp import QmpClosed
from godwit.reactor import WaitTimeout
from godwit.tap import check

QMP_BOUND_S = 10  # for an answer, whatever goes on
# First byte of an image's locks that means "writes to it" (block/lock.c).
LOCK_WRITE = 101
HEARTBEAT = re.compile(r'^hb (\d+) ')
PASS = re.compile(r'^ok pass=\d+ cpu=(\d+) ')
DISK = re.compile(r'^disk pass=')


class PeerFault(Exception):
    """What went wrong is the other program's."""


class Observed:
    """One machine: its guest by what the guest itself says."""

    def __init__(self, vm, ncpus, moved):
        self.vm = vm
        self.ncpus = ncpus
        # A line that was begun on another machine ends on this one.
        self.first = 1 if moved else 0
        self.info = {}
        self.state = None
        self.problems = []
        self.slowest = 0.0
        self.answers = 0
        self._asked = None
        self._sent = 0.0
        self._number = 0

    @property
    def ended(self):
        return self.vm.status is not None

    @property
    def status(self):
        return self.info.get('status')

    def lines(self, mark=0):
        return self.vm.serial.lines[max(mark, self.first):]

    def beats(self, mark=0):
        found = (HEARTBEAT.match(line) for line in self.lines(mark))
        return [int(m[1]) for m in found if m]

    def passes(self, mark):
        """How often the slowest CPU, or the disk, has checked it all."""
        counts = dict.fromkeys(range(self.ncpus), 0)
        disk = 0
        for line in self.lines(mark):
            match = PASS.match(line)
            if match:
                counts[int(match[1])] += 1
            disk += bool(DISK.match(line))
        return min(disk, *counts.values())

    def ask(self):
        """Keep one question on its way; see how long the answer takes."""
        qmp = self.vm.qmp
        if self.ended or qmp.closed:
            return
        now = time.monotonic()
        if self._asked:
            self._take_answer(now)
            return
        command = ('query-migrate', 'query-status')[self._number % 2]
        self._number += 1
        self._asked = (command, 'watch%d' % self._number)
        self._sent = now
        try:
            qmp.send(command, cmd_id=self._asked[1])
        except OSError:
            self._asked = None

    def _take_answer(self, now):
        replies = self.vm.qmp.replies
        for i, msg in enumerate(replies):
            if msg.get('id') == self._asked[1]:
                del replies[i]
                break
        else:
            if now - self._sent > QMP_BOUND_S:
                self.problem('%s: no answer to %s for %d s' % (
                    self.vm.name, self._asked[0], QMP_BOUND_S))
                self._sent = now + 3600
            return
        self.answers += 1
        self.slowest = max(self.slowest, now - self._sent)
        if 'return' in msg:
            if self._asked[0] == 'query-migrate':
                self.info = msg['return']
            else:
                self.state = msg['return']['status']
        self._asked = None

    def problem(self, text):
        if text not in self.problems:
            self.problems.append(text)

    def holds_image(self, path):
        """Whether this process has the image locked for writing."""
        if self.ended:
            return False
        want = os.stat(path)
        here = '/proc/%d' % self.vm.proc.pid
        for fd in os.listdir(here + '/fd'):
            try:
                st = os.stat('%s/fd/%s' % (here, fd))
                if (st.st_dev, st.st_ino) != (want.st_dev, want.st_ino):
                    continue
                with open('%s/fdinfo/%s' % (here, fd), encoding='ascii') as f:
                    text = f.read()
            except OSError:
                continue
            for first, last in re.findall(
                    r'^lock:.* (\d+) (\d+)$', text, re.MULTILINE):
                if int(first) <= LOCK_WRITE <= int(last):
                    return True
        return False

    def check_guest(self):
        check_lines(self.lines())

    def told(self):
        """What a user can read of it, for the report."""
        return '%s: %s, run state %s, migration %s, error-desc %r, says %r' % (
            self.vm.name,
            'ended with %s' % self.vm.status if self.ended else 'there',
            self.state, self.status, self.info.get('error-desc'),
            self.vm.error_lines())


class Watch:
    """Both of them, turn by turn."""

    def __init__(self, reactor, *observed):
        self.reactor = reactor
        self.observed = observed

    def turn(self):
        self.reactor.turn(0.02)
        for o in self.observed:
            o.ask()

    def until(self, condition, seconds):
        """True once condition() is, False after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.turn()
        return True

    def fresh(self, seconds=QMP_BOUND_S):
        """Wait until both have answered questions asked from now on."""
        before = [o.answers for o in self.observed]
        self.until(lambda: all(
            o.ended or o.vm.qmp.closed or o.answers >= n + 3
            for o, n in zip(self.observed, before)), seconds)

    def command(self, o, name, **arguments):
        """A command whose answer is waited for with the others'.

        QEMU 7.2 answers none while it writes the last of memory to a network
        that stands still: it holds the lock meanwhile."""
        try:
            return o.vm.qmp.cmd(name, _timeout=QMP_BOUND_S, **arguments)
        except WaitTimeout as err:
            if o.vm.args[0] == PEER:
                raise PeerFault('%s: %s' % (o.vm.name, err)) from err
            raise
        except QmpClosed:
            return None

    def check_one_guest(self, src, dst):
        """Heartbeats of the two may not overlap: the guest stopped at the
        source with a count that the destination went on from."""
        theirs = dst.beats()
        if theirs:
            late = [b for b in src.beats() if b > theirs[0]]
            check(not late, 'TWO RUNNING GUESTS: heartbeat %d at the '
                  'destination, later %s at the source' % (theirs[0],
                                                           late[-3:]))
