#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations of random data over many channels, alternating between Godwit and
Debian's emulator, and plain sockets that carry as much in the same round.
Memory is populated on both sides. Prints a table and ratios; writes JSON and
Markdown."""

import argparse
import json
import os
import subprocess
import sys

from bench import host_facts
from demo import Progress
from measure import (Bench, MeasureError, Program, Workload, default_guests,
                     find_peer, meminfo_mib, touch_memory)
from tables import markdown_table, summarise, text_table

OURS, PEER, PLAIN = 'Godwit', "Debian's QEMU", 'plain sockets'
CHANNELS = (0, 1, 2, 4, 8)
COMPRESSIONS = ('none', 'zlib', 'zstd')
SPARE = 256     # MiB of the guest beside the data
ZLIB_MIB_S = 10  # that one CPU packs at the very least
FOUND = (
    ('total_ms', 'total ms', 0),
    ('cpu_s', 'CPU s', 2),
)
COLUMNS = (*FOUND, ('downtime_ms', 'downtime ms', 2))
GOAL_PEER, GOAL_PLAIN = 1 / 1.8, 0.85


def workload(size, channels, compression):
    name = 'the stream alone' if channels == 0 else '%d channel%s, %s' % (
        channels, 's' if channels > 1 else '', compression)
    return Workload(name, size + SPARE, guest='mode=idle touch=%d' % size,
                    prealloc=True, needs=2 * (size + SPARE) + 600,
                    channels=channels, compression=compression,
                    timeout_s=60 + size // ZLIB_MIB_S)


def workloads(size, channels, compressions):
    return [workload(size, n, c) for c in compressions for n in channels
            if n > 0 or c == 'none']


def carry(bench, size, connections):
    """Plain sockets, with the priority that the programs get."""
    touch_memory(2 * size)
    out = subprocess.run(
        [*bench.wrapper, sys.executable,
         os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      'plain_sockets.py'),
         '--size', str(size), '--connections', str(connections)],
        stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)


def measure(bench, chosen, programs, args, notice):
    """{guest: {program: [runs]}}, and of plain sockets {connections: [runs]}.
    """
    results = {w.name: {} for w in chosen}
    plain = {max(n, 1): [] for n in args.channels}
    progress = Progress(args.runs * (len(chosen) * len(programs) + len(plain)))
    for _ in range(args.runs):
        for connections, runs in plain.items():
            progress.show('%s: %d' % (PLAIN, connections))
            runs.append(carry(bench, args.size, connections))
            progress.step()
        for w in chosen:
            for program in programs:
                progress.show('%s: %s' % (program.name, w.name))
                try:
                    results[w.name].setdefault(program.name, []).append(
                        bench.run(program, w))
                except MeasureError as err:
                    progress.close()
                    notice(str(err))
                progress.step()
    progress.close()
    return results, plain


def medians(results, program):
    """Guest and median of the total, the shortest first."""
    found = [(summarise(programs[program], 'total_ms')[0], name)
             for name, programs in results.items() if programs.get(program)]
    return sorted(found)


def ratios(results, plain, chosen):
    """Lines that hold Godwit against plain sockets and against the peer."""
    lines = []
    ours, peer = medians(results, OURS), medians(results, PEER)
    if ours and peer:
        ratio = ours[0][0] / peer[0][0]
        lines.append('%-4s best settings, total: %.0f ms (%s), peer %.0f ms '
                     '(%s): %.2f, goal %.2f' % (
                         'ok' if ratio <= GOAL_PEER else 'MISS', *ours[0],
                         *peer[0], ratio, GOAL_PEER))
    for w in chosen:
        runs = results[w.name].get(OURS)
        sockets = plain.get(max(w.channels, 1))
        if not runs or not sockets or w.compression != 'none':
            continue
        part = (summarise(sockets, 'total_ms')[0] /
                summarise(runs, 'total_ms')[0])
        lines.append('%-4s %s: %.0f %% of what plain sockets carry, goal %.0f '
                     '%%' % ('ok' if part >= GOAL_PLAIN else 'MISS', w.name,
                             100 * part, 100 * GOAL_PLAIN))
    return lines


def plain_table(plain):
    return {PLAIN: {'%d connection%s' % (n, 's' if n > 1 else ''): runs
                    for n, runs in plain.items()}}


def markdown(facts, results, plain, lines, notes, args):
    text = ['# %d MiB of random data over channels' % args.size, '']
    text += ['- %s: %s' % (key, json.dumps(value) if isinstance(value, dict)
                           else value) for key, value in facts.items()]
    text += ['', 'Medians (least-greatest) of %d alternating runs.' %
             args.runs, '', markdown_table(results, COLUMNS), '',
             markdown_table(plain_table(plain), FOUND), '']
    text += ['- ' + line for line in (*lines, *notes)]
    return '\n'.join(text) + '\n'


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', required=True)
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--no-peer', action='store_true')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--size', type=int, default=2048,
                        help='MiB of random data')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--channels', type=int, nargs='+', default=CHANNELS)
    parser.add_argument('--compression', nargs='+', default=COMPRESSIONS,
                        choices=COMPRESSIONS)
    parser.add_argument('--accel', default='kvm')
    parser.add_argument('--no-realtime', action='store_true')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--markdown', metavar='FILE')
    return parser.parse_args()


def write_results(args, facts, results, plain, text):
    folder = os.path.dirname(os.path.abspath(args.binary))
    for path, content in (
            (args.json or os.path.join(folder, 'bench-multifd.json'),
             json.dumps({'host': facts, 'runs': results, 'plain': plain},
                        indent=1) + '\n'),
            (args.markdown or os.path.join(folder, 'bench-multifd.md'),
             text)):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(content)
        print('written: %s' % os.path.relpath(path))


def main():
    args = parse_args()
    notes = []

    def notice(text):
        notes.append(text)
        print('note: ' + text, flush=True)

    programs = [Program(OURS, args.binary)]
    peer = None if args.no_peer else args.peer or find_peer(args.binary)
    if peer:
        programs.append(Program(PEER, peer))
    # All runs are of one size: a guest that shrinks would compare with none.
    needs = 2 * (args.size + SPARE) + 600
    if needs > meminfo_mib('MemAvailable') - 512:
        sys.exit('bench-multifd: --size %d needs %d MiB of memory, %d are '
                 'free' % (args.size, needs, meminfo_mib('MemAvailable')))
    bench = Bench(args.guests or default_guests(args.binary), args.accel,
                  not args.no_realtime)
    if not bench.wrapper:
        notice('no real-time priority: figures are noisier')
    chosen = workloads(args.size, args.channels, args.compression)
    results, plain = measure(bench, chosen, programs, args, notice)
    lines = ratios(results, plain, chosen)
    print(text_table(results, COLUMNS))
    print(text_table(plain_table(plain), FOUND))
    for line in lines:
        print(line)
    facts = host_facts(bench, programs)
    write_results(args, facts, results, plain,
                  markdown(facts, results, plain, lines, notes, args))
    if not all(programs_.get(OURS) for programs_ in results.values()):
        sys.exit(1)


if __name__ == '__main__':
    try:
        main()
    except MeasureError as err:
        sys.exit('bench-multifd: %s' % err)
