#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrate a guest that forwards packets while they fly: what is lost, and
how long nothing comes; alternating between Godwit, its optimisations off,
and Debian's emulator. Prints a table; writes JSON, Markdown and two SVG."""

import argparse
import json
import os
import sys

from bench import MAIN, OFF, host_facts, measure, programs
from measure import (MeasureError, default_guests, find_peer,
                     free_hugepages_mib, meminfo_mib)
from nfv_measure import NfvBench, NfvWorkload
from switches import HUGEPAGES_MIB
from tables import markdown_table, svg_chart, svg_lines, text_table
from godwit.l2gen import find_l2gen

HUGEPAGES = '/proc/sys/vm/nr_hugepages'
HUGEPAGE_MIB = 2
COLUMNS = (
    ('kpps', 'kpps', 0),
    ('total_ms', 'total ms', 0),
    ('downtime_ms', 'downtime ms', 2),
    ('lost', 'lost', 0),
    ('no_guest', 'no guest', 0),
    ('refused', 'refused', 0),
    ('gap_ms', 'gap ms', 2),
    ('first_ms', 'resume to 1st ms', 2),
    ('pause_gap_ms', 'pause gap ms', 2),
    ('usual_gap_ms', 'usual gap ms', 2),
    ('before_p50_us', 'p50 us before', 1),
    ('during_p50_us', 'during', 1),
    ('after_p50_us', 'after', 1),
    ('before_p99_us', 'p99 us before', 1),
    ('during_p99_us', 'during', 1),
    ('after_p99_us', 'after', 1),
)
PANELS = (
    ('Total time', 'total_ms', 0, ' ms'),
    ('Downtime: STOP at the source to RESUME at the destination',
     'downtime_ms', 2, ' ms'),
    ('Longest gap in the received stream', 'gap_ms', 2, ' ms'),
    ('The same, paused and resumed on one machine', 'pause_gap_ms', 2,
     ' ms'),
    ('Frames that found no guest or no room', 'not_taken', 0, ' frames'),
)


class HugePages:
    """Reserve huge pages while the benchmark runs."""

    def __init__(self, notice):
        self.notice = notice
        self.before = None

    def __enter__(self):
        return self

    def reserve(self, mib):
        """More, if there are not that many free; then how many there are."""
        missing = mib - free_hugepages_mib()
        if missing > 0:
            try:
                with open(HUGEPAGES, 'r+', encoding='ascii') as f:
                    self.before = int(f.read())
                    f.seek(0)
                    f.write('%d\n' % (self.before + -(-missing //
                                                      HUGEPAGE_MIB)))
            except OSError as err:
                self.notice('no more huge pages: %s' % err)
        return free_hugepages_mib()

    def __exit__(self, *_):
        if self.before is not None:
            with open(HUGEPAGES, 'w', encoding='ascii') as f:
                f.write('%d\n' % self.before)


def fit_memory(args, pages, notice):
    """The guests' size, and whether huge pages are there for all of them
    beside those that switches take."""
    count = 3 if args.chain else 2
    switches = 2 * HUGEPAGES_MIB if args.switch else 0
    room = meminfo_mib('MemAvailable') - 1024 + free_hugepages_mib()
    size = mib = args.size
    while count * size + switches > room and size > 256:
        size //= 2
    have = pages.reserve(count * size + switches)
    huge = True
    while have < count * size + switches and size > 512:
        size //= 2
    if have < count * size + switches:
        huge = False
        notice('no huge pages: 4 KiB pages instead')
    if size != mib:
        notice('guests of %d MiB instead of %d: the host has no more memory'
               % (size, mib))
    return size, huge


def workloads(mem, huge, args):
    rates = [('fixed rate', args.rate), ('flat out', 'max')]
    return [NfvWorkload(name, mem, rate, args.frame, huge, args.queues)
            for name, rate in rates
            if not args.only or any(w in name for w in args.only)]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', help='the program under test')
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--no-peer', action='store_true')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--size', type=int, default=8192,
                        help='MiB of the guest [8192]')
    parser.add_argument('--rate', type=int, default=100000,
                        help='frames per second each way, fixed [100000]')
    parser.add_argument('--frame', type=int, default=64,
                        help='bytes of a frame, 64 to 1518 [64]')
    parser.add_argument('--queues', type=int, default=1,
                        help='queue pairs, with as many vCPUs [1]')
    parser.add_argument('--switch', choices=('testpmd', 'ovs'),
                        help='between generator and guest')
    parser.add_argument('--chain', action='store_true',
                        help='a second guest behind it, which stays (ovs)')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--only', action='append', default=[],
                        metavar='WORD', help='loads whose name has it')
    parser.add_argument('--programs', action='append', default=[],
                        metavar='WORD', help='programs whose name has it')
    parser.add_argument('--accel', default='kvm')
    parser.add_argument('--no-realtime', action='store_true')
    parser.add_argument('--out', help='folder of what is written')
    return parser.parse_args()


def write_results(folder, facts, results, notes, title):
    for runs in (r for p in results.values() for r in p.values()):
        for run in runs:
            run['not_taken'] = run['no_guest'] + run['refused']
    lines = ['# ' + title, '']
    lines += ['- %s: %s' % (key, json.dumps(value) if isinstance(value, dict)
                            else value) for key, value in facts.items()]
    lines += ['', markdown_table(results, COLUMNS), '']
    lines += ['- ' + note for note in notes]
    for name, text in (
            ('bench-nfv.json', json.dumps({'host': facts, 'runs': results},
                                          indent=1) + '\n'),
            ('bench-nfv.md', '\n'.join(lines) + '\n'),
            ('bench-nfv.svg', svg_chart(results, title, notes, PANELS)),
            ('bench-nfv-series.svg', svg_lines(
                results, title + ': around the STOP event',
                (('frames received per ms', 1),
                 ('greatest latency in us', 2))))):
        path = os.path.join(folder, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        print('written: %s' % os.path.relpath(path))


def main():
    args = parse_args()
    notes = []

    def notice(text):
        notes.append(text)
        print('note: ' + text, flush=True)

    folder = os.path.dirname(os.path.abspath(args.binary or '.'))
    l2gen = find_l2gen(folder)
    if not l2gen:
        sys.exit('bench-nfv: no l2gen in %s: it needs libdpdk-dev' % folder)
    if args.chain and args.switch != 'ovs':
        sys.exit('bench-nfv: --chain needs --switch ovs')
    peer = None if args.no_peer else args.peer or find_peer(args.binary)
    shown = [p for p in programs(args.binary, peer)
             if (p.name in MAIN or p.name == os.path.basename(p.binary)) and
             (not args.programs or any(w in p.name for w in args.programs))]
    if not shown:
        sys.exit('bench-nfv: nothing to run: give --binary')
    try:
        bench = NfvBench(args.guests or default_guests(args.binary), l2gen,
                         args.accel, not args.no_realtime, args.switch,
                         args.chain)
    except MeasureError as err:
        sys.exit('bench-nfv: %s' % err)
    if not bench.wrapper:
        notice('no real-time priority: figures are noisier')
    if not bench.pinned:
        notice('one CPU only: everything shares it')
    with HugePages(notice) as pages:
        mem, huge = fit_memory(args, pages, notice)
        chosen = workloads(mem, huge, args)
        for workload in chosen:
            print('%-12s %s' % (workload.name, workload.describe()))
        results = measure(bench, [(w, p) for w in chosen for p in shown],
                          args.runs, notice)
    if not any(runs for p in results.values() for runs in p.values()):
        sys.exit('bench-nfv: no run gave figures')
    print(text_table(results, COLUMNS))
    facts = host_facts(bench, shown)
    write_results(args.out or folder, facts, results, notes,
                  'Migration of a forwarding guest of %d MiB' % mem)
    # A run of the peer's that failed has a note; it is not ours to mend.
    if not all(runs for p in results.values() for name, runs in p.items()
               if name in (MAIN[1], OFF)):
        sys.exit(1)


if __name__ == '__main__':
    main()
