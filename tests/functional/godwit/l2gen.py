# SPDX-License-Identifier: GPL-2.0-or-later
"""The traffic generator (tests/bench/l2gen) as a process with commands."""

import json
import os
import subprocess

from .reactor import DEFAULT_TIMEOUT


class L2genError(Exception):
    """What the generator refused, or how it ended."""


def find_l2gen(build):
    """Its path in a build folder; None where DPDK is not there."""
    path = os.path.join(build, 'tests', 'bench', 'l2gen', 'l2gen')
    return path if os.path.exists(path) else None


class L2gen:
    """Sends to `vms`: {name: [a socket's path for each port]}."""

    def __init__(self, reactor, binary, vms, *args, wrapper=()):
        self.reactor = reactor
        self.events = []
        self._answers = []
        self._rest = ''
        line = [*wrapper, binary, *args]
        for name, paths in vms.items():
            line += ['--vm', name + '=' + ','.join(paths)]
        self.proc = subprocess.Popen(line, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE,
                                     start_new_session=True)
        os.set_blocking(self.proc.stdout.fileno(), False)
        reactor.add(self.proc.stdout, self._readable)
        self.wait_event('ready')

    def _readable(self):
        data = self.proc.stdout.read(1 << 20)
        if data is None:
            return
        if data == b'':
            self.close()
            return
        *lines, self._rest = (self._rest + data.decode()).split('\n')
        for line in lines:
            said = json.loads(line)
            (self.events if 'event' in said else self._answers).append(said)

    def _ended(self):
        if self.proc.stdout.closed:
            raise L2genError('l2gen ended with status %s' %
                             self.proc.poll())

    def wait_event(self, name, timeout=DEFAULT_TIMEOUT, **what):
        """The first event of that name with these members."""
        def find():
            for event in self.events:
                if event['event'] == name and all(
                        event.get(k) == v for k, v in what.items()):
                    return event
            self._ended()
            return None
        return self.reactor.wait(find, 'event %s %r of l2gen' % (name, what),
                                 timeout)

    def cmd(self, line, timeout=DEFAULT_TIMEOUT):
        """Run a command; what it printed before it was done."""
        first = len(self._answers)
        self.proc.stdin.write(line.encode() + b'\n')
        self.proc.stdin.flush()

        def done():
            self._ended()
            last = self._answers[-1] if self._answers[first:] else {}
            if 'error' in last:
                raise L2genError('%s: %s' % (line, last['error']))
            return 'done' in last
        self.reactor.wait(done, 'answer to ' + line, timeout)
        return self._answers[first:-1]

    def report(self):
        """All figures of all phases, see tests/bench/README.md."""
        return self.cmd('report')[0]['report']

    def close(self):
        if not self.proc.stdout.closed:
            self.reactor.remove(self.proc.stdout)
            self.proc.stdout.close()
            self.proc.stdin.close()
        self.proc.kill()
        self.proc.wait()


def phase(report, name):
    """The ports of a phase, added up as far as that makes sense."""
    found = next(p for p in report['phases'] if p['name'] == name)
    total = {'own_gap_us': longest(found['own_gaps'])}
    for key in ('sent', 'received', 'lost', 'refused_full', 'no_guest',
                'skipped', 'late', 'duplicates', 'never_sent', 'corrupt'):
        total[key] = sum(port[key] for port in found['ports'])
    for key in ('p50', 'p99', 'p999', 'max'):
        total[key + '_us'] = max(port['latency_us'][key]
                                 for port in found['ports'])
    total['gap_us'] = max(longest(port['gaps']) for port in found['ports'])
    return total


def longest(gaps):
    return gaps[0]['us'] if gaps else 0.0
