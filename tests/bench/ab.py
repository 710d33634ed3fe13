#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare two builds: the one of the working tree and that of a revision.

Both run the same migrations, alternating and each first as often as the
other.  A rank test tells for each figure whether they differ; what isn't
shown is not there to be believed."""

import argparse
import json
import os
import statistics
import subprocess
import sys

from demo import Progress
from measure import (Bench, MeasureError, Program, Workload, default_guests,
                     is_godwit, shrink_to_fit)
from ranktest import p_value

FIGURES = (
    ('total_ms', 'total ms'),
    ('downtime_ms', 'downtime ms'),
    ('gap_ms', "guest's gap ms"),
    ('stall_ms', 'stall ms'),
    ('cpu_s', 'CPU s'),
    ('rss_mib', 'source RSS MiB'),
)
SHOWN = 0.01    # less than that: a difference is shown
RUNS_MIN = 5    # 2 / (10 over 5) is below it


def git(*words):
    return subprocess.run(['git', *words], check=True,
                          stdout=subprocess.PIPE).stdout.decode().strip()


def build(revision, folder):
    """Build the revision in `folder`, unless it was; the program's path."""
    commit = git('rev-parse', '--verify', revision + '^{commit}')
    source = os.path.join(folder, commit[:12])
    binary = os.path.join(source, 'build', 'qemu-system-x86_64')
    if os.path.exists(binary):
        return commit, binary
    if not os.path.exists(source):
        print('bench-ab: taking %s out of git' % commit[:12], flush=True)
        os.makedirs(source)
        archive = subprocess.Popen(['git', 'archive', commit],
                                   stdout=subprocess.PIPE)
        subprocess.run(['tar', '-x', '-C', source], stdin=archive.stdout,
                       check=True)
        if archive.wait() != 0:
            sys.exit('bench-ab: git archive failed')
    print('bench-ab: building it', flush=True)
    for command in (['./configure'],
                    ['ninja', '-C', 'build', 'qemu-system-x86_64']):
        subprocess.run(command, cwd=source, check=True,
                       stdout=subprocess.DEVNULL)
    return commit, binary


def workloads(mem):
    touched = mem // 4
    return [
        Workload('idle', mem, needs=600),
        Workload('%d MiB random' % touched, mem, needs=2 * touched + 600,
                 guest='mode=idle touch=%d' % touched),
        Workload('dirtying, limit 10 ms', mem, needs=mem // 2 + 600,
                 guest='mode=dirty mb=%d rate=50000' % (mem // 8),
                 limit_ms=10),
    ]


def measure(bench, pair, chosen, rounds, notice):
    """{workload name: ([runs of the first], [runs of the second])}"""
    results = {w.name: ([], []) for w in chosen}
    progress = Progress(rounds * 2 * len(chosen))
    for n in range(rounds):
        for workload in chosen:
            # ABBA: neither profits from what the other leaves behind.
            for i in (0, 1) if n % 2 == 0 else (1, 0):
                progress.show('%s: %s' % (pair[i].name, workload.name))
                try:
                    results[workload.name][i].append(
                        bench.run(pair[i], workload))
                except MeasureError as err:
                    progress.close()
                    notice(str(err))
                progress.step()
    progress.close()
    return results


def compare(results):
    """Rows: workload, figure, both medians, change, p, verdict."""
    for name, (base, now) in results.items():
        for key, label in FIGURES:
            a, b = [r[key] for r in base], [r[key] for r in now]
            if not a or not b:
                continue
            medians = statistics.median(a), statistics.median(b)
            p = p_value(a, b)
            change = ('%+.1f %%' % (100 * (medians[1] / medians[0] - 1))
                      if medians[0] else '')
            yield (name, label, '%.2f' % medians[0], '%.2f' % medians[1],
                   change, '%.4f' % p, 'shown' if p < SHOWN else 'not shown')


def table(rows):
    rows = [('guest', 'figure', 'base', 'now', 'change', 'p', '')] + rows
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return '\n'.join('  '.join(
        cell.ljust(w) if i in (0, 1, 6) else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', required=True)
    parser.add_argument('--base', required=True,
                        help='a revision, or a program')
    parser.add_argument('--folder', default='build-ab',
                        help='where revisions are built [build-ab]')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--size', type=int, default=1024, help='MiB')
    parser.add_argument('--runs', type=int, default=12,
                        help='of each program and guest')
    parser.add_argument('--only', action='append', default=[],
                        metavar='WORD', help='guests whose name has it')
    parser.add_argument('--accel', default='kvm')
    parser.add_argument('--no-realtime', action='store_true')
    parser.add_argument('--json', metavar='FILE')
    return parser.parse_args()


def main():
    args = parse_args()

    def notice(text):
        print('note: ' + text, flush=True)

    if args.runs < RUNS_MIN:
        sys.exit('bench-ab: --runs %d: with less than %d nothing is ever '
                 'shown' % (args.runs, RUNS_MIN))
    if os.path.isfile(args.base):
        base_name, base = args.base, args.base
    else:
        base_name, base = build(args.base, args.folder)
        base_name = base_name[:12]
    for binary in (base, args.binary):
        if not is_godwit(binary):
            notice('%s is another program' % binary)
    pair = Program('base', base), Program('now', args.binary)
    chosen = shrink_to_fit([
        w for w in workloads(args.size)
        if not args.only or any(word in w.name for word in args.only)],
        notice)
    if not chosen:
        sys.exit('bench-ab: nothing to run')
    bench = Bench(args.guests or default_guests(args.binary), args.accel,
                  not args.no_realtime)
    results = measure(bench, pair, chosen, args.runs, notice)
    print('base: %s, now: %s; medians of %d alternating runs; a difference '
          'is shown by p < %g (Mann-Whitney)' % (
              base_name, os.path.relpath(args.binary), args.runs, SHOWN))
    print(table(list(compare(results))))
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as f:
            json.dump({name: {'base': a, 'now': b}
                       for name, (a, b) in results.items()}, f, indent=1)


if __name__ == '__main__':
    try:
        main()
    except (MeasureError, subprocess.CalledProcessError) as err:
        sys.exit('bench-ab: %s' % err)
