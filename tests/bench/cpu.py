#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure the software CPU with a Linux guest, alternating between Godwit and
Debian's emulator; print a table and write JSON and Markdown.

What is measured, and how:

  boot, 1 vCPU      from the start of the program to the shell's prompt
  boot, 4 vCPUs     the same with -smp 4
  integer           tests/guest/linux/linux-load.c: instructions of all kinds,
                    whose number is known, in a loop
  copy              memcpy() of 4 MiB
  SHA-256           plain C, no vector instructions
  float             double precision, a chain of dependent operations
  memory overhead   resident memory of the process beside the guest's RAM,
                    4 vCPUs, after a load on each

Loads are timed from outside, between two lines on the serial console: the
guest's clock is a part of what is tested.  Each is repeated with more work
until it takes long enough to be timed.
"""

import argparse
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time

# pylint: disable=wrong-import-position
from bench import host_facts
from demo import Progress
from measure import Program, find_peer, is_godwit, realtime_wrapper
from tables import number, summarise

from godwit.linux import Assets, Shell, build_folder, linux_args  # noqa: E402
from godwit.machine import Machine  # noqa: E402
from godwit.reactor import Reactor  # noqa: E402
from godwit.tap import Skip  # noqa: E402

OURS, PEER = 'Godwit', "Debian's QEMU"
MEM = 256           # MiB of the guest
LONG_ENOUGH_S = 1.5
MORE = 4            # times the work, when it was not
TIMEOUT = 600.0

# Key, heading, unit, decimals, is more better?
MEASURES = (
    ('boot_s', 'boot, 1 vCPU', 's', 2, False),
    ('boot4_s', 'boot, 4 vCPUs', 's', 2, False),
    ('int', 'integer', 'MIPS', 0, True),
    ('copy', 'copy', 'MB/s', 0, True),
    ('sha256', 'SHA-256', 'MB/s', 1, True),
    ('float', 'float', 'Mop/s', 1, True),
    ('overhead_mib', 'memory overhead', 'MiB', 1, False),
)
LOADS = ('int', 'copy', 'sha256', 'float')


class BenchError(Exception):
    """A run that gave no figures, and why."""


def guest_ram_kib(pid, mem):
    """Resident KiB of guest RAM, and of the whole process.

    Guest RAM is a file of its own (memory-backend-memfd), so the mappings of
    one file that is as large as it are found in /proc/PID/smaps."""
    sizes, resident, total, inode = {}, {}, 0, None
    head = re.compile(r'([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)')
    with open('/proc/%d/smaps' % pid, encoding='utf-8') as f:
        for line in f:
            match = head.match(line)
            if match:
                inode = match[3]
                sizes[inode] = sizes.get(inode, 0) + (
                    int(match[2], 16) - int(match[1], 16))
            elif line.startswith('Rss:'):
                kib = int(line.split()[1])
                total += kib
                resident[inode] = resident.get(inode, 0) + kib
    found = [n for n, size in sizes.items() if n != '0' and size == mem << 20]
    if len(found) != 1:
        raise BenchError('guest RAM is not to be seen in /proc/%d/smaps' % pid)
    return resident[found[0]], total


class Guest:
    """One machine at its prompt."""

    def __init__(self, program, assets, smp, wrapper):
        self.folder = tempfile.mkdtemp(prefix='gw-')
        self.reactor = Reactor()
        args = linux_args(assets, mem=MEM, smp=smp, append='quiet') + [
            '-object', 'memory-backend-memfd,id=ram,share=on,size=%dM' % MEM,
            '-machine', 'memory-backend=ram']
        started = time.monotonic()
        self.vm = Machine(self.reactor, self.folder, program.binary, args,
                          wrapper=wrapper)
        self.shell = Shell(self.vm)
        try:
            self.shell.wait_prompt(TIMEOUT)
        except BaseException:
            self.close()
            raise
        self.boot_s = time.monotonic() - started

    def close(self):
        self.vm.signal(signal.SIGKILL)
        if self.vm.status is None:
            self.vm.wait_end()
        self.vm.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def time_load(self, name, units):
        """Seconds of one load, and what it has done."""
        started = self.shell.start('linux-load %s %d' % (name, units))
        self.vm.wait_line('^begin %s$' % name, started[1], TIMEOUT)
        begun = time.monotonic()
        end = self.vm.wait_line(r'^end %s done=(\d+) check=(\w+)$' % name,
                                started[1], TIMEOUT)
        took = time.monotonic() - begun
        self.shell.finish(started, TIMEOUT)
        return took, int(end[1])

    def rate(self, name):
        """Millions a second, of what the load counts."""
        units = 1
        while True:
            took, done = self.time_load(name, units)
            if took >= LONG_ENOUGH_S:
                return done / took / 1e6
            units *= MORE

    def overhead_mib(self):
        """After work on all four CPUs, which each may need memory for."""
        status, _ = self.shell.run('for n in 1 2 3 4; do linux-load int 1 & '
                                   'done; wait', TIMEOUT)
        if status != 0:
            raise BenchError('the load ended with status %d' % status)
        ram, total = guest_ram_kib(self.vm.proc.pid, MEM)
        return (total - ram) / 1024


def run(program, assets, wrapper):
    """All figures of one round, from two machines."""
    figures = {}
    guest = Guest(program, assets, 1, wrapper)
    try:
        figures['boot_s'] = guest.boot_s
        for name in LOADS:
            figures[name] = guest.rate(name)
    finally:
        guest.close()
    guest = Guest(program, assets, 4, wrapper)
    try:
        figures['boot4_s'] = guest.boot_s
        figures['overhead_mib'] = guest.overhead_mib()
    finally:
        guest.close()
    return figures


def measure(shown, runs, wrapper, notice):
    assets = Assets()
    results = {p.name: [] for p in shown}
    progress = Progress(runs * len(shown))
    for _ in range(runs):
        for program in shown:
            progress.show(program.name)
            try:
                results[program.name].append(run(program, assets, wrapper))
            except Exception as err:  # pylint: disable=broad-except
                progress.close()
                notice('%s: %s' % (program.name, err))
            progress.step()
    progress.close()
    return results


def cell(runs, key, decimals):
    median, low, high = (number(v, decimals) for v in summarise(runs, key))
    return median if len(runs) == 1 else '%s (%s-%s)' % (median, low, high)


def ratio(results, key, more_is_better):
    """How many times better Godwit's median is, or None."""
    if not results.get(OURS) or not results.get(PEER):
        return None
    ours, peer = (summarise(results[name], key)[0] for name in (OURS, PEER))
    above, below = (ours, peer) if more_is_better else (peer, ours)
    return above / below if below else None


def table(results):
    names = [name for name, runs in results.items() if runs]
    rows = [['', 'unit', *names, 'ratio']]
    for key, heading, unit, decimals, more in MEASURES:
        times = ratio(results, key, more)
        rows.append([heading, unit,
                     *(cell(results[name], key, decimals) for name in names),
                     '%.2f' % times if times else ''])
    return rows


def markdown_rows(rows):
    lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
    lines.insert(1, '|---|---|' + '---:|' * (len(rows[0]) - 2))
    return '\n'.join(lines)


def text_rows(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(
        text.ljust(w) if i < 2 else text.rjust(w)
        for i, (text, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows)


LEGEND = ('Medians (least-greatest). The ratio is above 1 where Godwit is the '
          'better one: faster, or with less memory.')


def markdown(facts, rows, notes):
    lines = ['# Software CPU', '']
    lines += ['- %s: %s' % (key, json.dumps(value) if isinstance(value, dict)
                            else value) for key, value in facts.items()]
    lines += ['', LEGEND, '', markdown_rows(rows)]
    if notes:
        lines += ['', '## Notes', ''] + ['- ' + note for note in notes]
    return '\n'.join(lines) + '\n'


class Circumstances:
    """What host_facts() wants to know about a benchmark."""

    def __init__(self, accel, wrapper):
        self.accel = accel
        self.wrapper = wrapper


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--binary', help='the program under test')
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--no-peer', action='store_true')
    parser.add_argument('--runs', type=int, default=3)
    # Four busy vCPUs with real-time priority leave a small host no CPU.
    parser.add_argument('--realtime', action='store_true',
                        help='run with real-time priority')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--markdown', metavar='FILE')
    return parser.parse_args()


def programs(args):
    peer = None if args.no_peer else args.peer or find_peer(args.binary)
    shown = [Program(PEER, peer)] if peer else []
    if args.binary:
        shown.append(Program(OURS if is_godwit(args.binary) else
                             os.path.basename(args.binary), args.binary))
    return shown


def main():
    args = parse_args()
    notes = []

    def notice(text):
        notes.append(text)
        print('note: ' + text, flush=True)

    shown = programs(args)
    if not shown:
        sys.exit('cpu: nothing to run: give --binary')
    os.environ.setdefault('G_TEST_BUILDDIR', os.path.dirname(
        os.path.abspath(args.binary)) if args.binary else build_folder())
    wrapper = realtime_wrapper() if args.realtime else ()
    if os.getloadavg()[0] > 0.5:
        notice('the host is busy: load %.1f' % os.getloadavg()[0])
    try:
        results = measure(shown, args.runs, wrapper, notice)
    except Skip as err:
        sys.exit('cpu: %s' % err)
    if not any(results.values()):
        sys.exit('cpu: no run gave figures')
    rows = table(results)
    print(text_rows(rows))
    print(LEGEND)
    facts = host_facts(Circumstances('tcg', wrapper), shown)
    folder = os.environ['G_TEST_BUILDDIR']
    for path, content in (
            (args.json or os.path.join(folder, 'bench-cpu.json'), json.dumps(
                {'host': facts, 'runs': results, 'notes': notes},
                indent=1) + '\n'),
            (args.markdown or os.path.join(folder, 'bench-cpu.md'),
             markdown(facts, rows, notes))):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(content)
        print('written: %s' % os.path.relpath(path))
    sys.exit(0 if all(len(r) == args.runs for r in results.values()) else 1)


if __name__ == '__main__':
    main()
