#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure migrations of many kinds of guests, alternating between Godwit and
Debian's emulator; print a table and write JSON and Markdown."""

import argparse
import json
import os
import platform
import sys
import time

from demo import Progress
from measure import (Bench, MeasureError, Program, Workload, capability_set,
                     default_guests, find_peer, free_hugepages_mib,
                     is_godwit, meminfo_mib, shrink_to_fit, version)
from tables import COLUMNS, markdown_table, summarise, text_table

ON = 'Godwit'
OFF = 'Godwit, all three off'
PEER = "Debian's QEMU"
ALONE = {
    'deferred-dirty-log-teardown': 'Godwit, teardown not deferred',
    'avx2-zero-page': 'Godwit, SSE2 zero pages',
    'single-cpu-sync': 'Godwit, two CPU syncs',
}
MAIN = (PEER, ON, OFF)
EACH = (ON, OFF, *ALONE.values())


def programs(binary, peer):
    found = []
    if peer:
        found.append(Program(PEER, peer))
    if binary and is_godwit(binary):
        found.append(Program(ON, binary, capability_set(True)))
        found.append(Program(OFF, binary, capability_set(False)))
        for capability, name in ALONE.items():
            found.append(Program(name, binary, capability_set(
                True, **{capability: False})))
    elif binary:
        found.append(Program(os.path.basename(binary), binary))
    return found


def workloads(mem):
    """`mem`: MiB of the big guests; the others follow from it."""
    small = mem // 8       # 1 GiB of 8
    random = mem // 4      # 2 GiB of 8
    busy = mem // 32       # 256 MiB of 8 GiB
    dirty = 'mode=dirty mb=%d rate=50000' % busy
    chosen = [
        Workload('idle', mem, needs=600, only=(*MAIN, *ALONE.values())),
        Workload('idle, preallocated', mem, prealloc=True,
                 needs=2 * mem + 600, only=MAIN),
        Workload('idle, hugepages', mem, hugepages=True, only=MAIN),
        Workload('idle, preallocated hugepages', mem, hugepages=True,
                 prealloc=True, only=MAIN),
        Workload('%d MiB random' % random, mem,
                 guest='mode=idle touch=%d' % random,
                 needs=2 * random + 600, only=(*MAIN, *ALONE.values())),
        Workload('%d MiB random, preallocated' % random, mem, prealloc=True,
                 guest='mode=idle touch=%d' % random,
                 needs=2 * mem + 600, only=MAIN),
    ]
    for limit in (1, 10, 300):
        chosen.append(Workload('dirtying, limit %d ms' % limit, mem,
                               guest=dirty, limit_ms=limit,
                               needs=4 * busy + 600,
                               only=MAIN if limit != 10 else
                               (*MAIN, *ALONE.values())))
    chosen.append(Workload('%d MiB flat out, limit 300 ms' % small, mem,
                           guest='mode=dirty mb=%d' % small, limit_ms=300,
                           needs=4 * small + 600, only=MAIN))
    chosen.append(Workload('idle, 16 virtio cards', small, needs=600, only=MAIN,
                           devices=['virtio-net-pci'] * 16))
    for cpus in (2, 3, 4):
        chosen.append(Workload('idle, %d vCPUs' % cpus, mem, smp=cpus,
                               needs=600,
                               only=(*MAIN, ALONE['single-cpu-sync'])))
    chosen.append(Workload('dirtying, 2 vCPUs, limit 10 ms', mem, smp=2,
                           guest='mode=dirty mb=%d rate=20000 sleep=1' %
                           busy,
                           limit_ms=10, needs=4 * busy + 600, only=MAIN))
    return chosen


def plan(chosen, shown, only_words):
    """Pairs in the order of one round: programs alternate."""
    tasks = []
    for workload in chosen:
        if only_words and not any(w in workload.name for w in only_words):
            continue
        for program in shown:
            if (workload.only is None or program.name in workload.only or
                    program.name not in (*MAIN, *EACH)):
                tasks.append((workload, program))
    return tasks


def measure(bench, tasks, runs, notice):
    results = {w.name: {} for w, _ in tasks}
    progress = Progress(runs * len(tasks))
    for _ in range(runs):
        for workload, program in tasks:
            progress.show('%s: %s' % (program.name, workload.name))
            found = results[workload.name].setdefault(program.name, [])
            try:
                found.append(bench.run(program, workload))
            except MeasureError as err:
                progress.close()
                notice(str(err))
            progress.step()
    progress.close()
    return results


# Workload, figure, comparison: what the project wants to reach.
def goals(results):
    """Lines that hold Godwit's medians against the peer's."""
    def medians(workload, key):
        programs_ = results.get(workload, {})
        if programs_.get(PEER) and programs_.get(ON):
            return tuple(summarise(programs_[p], key)[0] for p in (PEER, ON))
        return None

    lines = []
    for workload, key, factor, what in (
            ('idle', 'total_ms', 1 / 10, 'total time'),
            ('idle, preallocated', 'total_ms', 1 / 1.5, 'total time'),
            ('idle', 'downtime_ms', 1, 'downtime'),
            ('dirtying, limit 10 ms', 'downtime_ms', 1, 'downtime'),
            ('idle', 'rss_mib', 1.2, 'resident memory')):
        pair = medians(workload, key)
        if pair:
            peer, ours = pair
            lines.append('%-4s %s of "%s": %.2f, peer %.2f, goal %.2f' % (
                'ok' if ours <= peer * factor else 'MISS', what, workload,
                ours, peer, peer * factor))
    for limit in (1, 10, 300):
        runs = results.get('dirtying, limit %d ms' % limit, {}).get(ON)
        if runs:
            worst = max(run['downtime_ms'] for run in runs)
            lines.append('%-4s longest downtime with a limit of %d ms: '
                         '%.2f ms' % ('ok' if worst <= limit else 'MISS',
                                      limit, worst))
    return lines


def effects(results):
    """What each capability alone changes, by the medians."""
    lines = []
    for workload, programs_ in results.items():
        base = programs_.get(ON)
        if not base:
            continue
        for capability, name in ALONE.items():
            runs = programs_.get(name)
            if not runs:
                continue
            changes = []
            for key, label, unit, scale in (
                    ('downtime_ms', 'downtime', 'us', 1000),
                    ('cpu_state_us', 'of it stop and CPU state', 'us', 1),
                    ('total_ms', 'total', 'ms', 1),
                    ('cpu_s', 'CPU', 'ms', 1000)):
                diff = (summarise(runs, key)[0] -
                        summarise(base, key)[0]) * scale
                changes.append('%s %+.0f %s' % (label, diff, unit))
            lines.append('%s off, %s: %s' % (capability, workload,
                                             ', '.join(changes)))
    return lines


def cpu_model():
    with open('/proc/cpuinfo', encoding='utf-8') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.machine()


def host_facts(bench, shown):
    with open('/sys/kernel/mm/transparent_hugepage/enabled',
              encoding='ascii') as f:
        thp = f.read().strip()
    return {
        'date': time.strftime('%Y-%m-%d'),
        'kernel': platform.release(),
        'cpu': cpu_model(),
        'cpus': os.cpu_count(),
        'memory_mib': meminfo_mib('MemTotal'),
        'transparent_hugepages': thp,
        'free_hugepages_mib': free_hugepages_mib(),
        'accelerator': bench.accel,
        'realtime': bool(bench.wrapper),
        'programs': {p.name: version(p.binary) for p in shown},
    }


def markdown(facts, results, chosen, notes, runs):
    lines = ['# Live migration', '']
    lines += ['- %s: %s' % (key, json.dumps(value) if isinstance(value, dict)
                            else value) for key, value in facts.items()]
    lines += ['', 'Medians (least-greatest) of %d alternating runs.' % runs,
              '', markdown_table(results), '', '## Guests', '']
    lines += ['- %s: %s' % (w.name, w.describe()) for w in chosen
              if w.name in results]
    for title, found in (('Goals', goals(results)),
                         ('Each capability alone', effects(results)),
                         ('Notes', notes)):
        if found:
            lines += ['', '## ' + title, ''] + ['- ' + text for text in found]
    return '\n'.join(lines) + '\n'


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', help='the program under test')
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--no-peer', action='store_true')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--size', type=int, default=8192, help='MiB')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--only', action='append', default=[],
                        metavar='WORD', help='guests whose name has it')
    parser.add_argument('--programs', action='append', default=[],
                        metavar='WORD', help='programs whose name has it')
    parser.add_argument('--list', action='store_true',
                        help='print what would be run')
    parser.add_argument('--accel', default='kvm')
    parser.add_argument('--no-realtime', action='store_true')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--markdown', metavar='FILE')
    return parser.parse_args()


def write_results(args, facts, results, text):
    folder = (os.path.dirname(os.path.abspath(args.binary))
              if args.binary else '.')
    for path, content in (
            (args.json or os.path.join(folder, 'bench.json'),
             json.dumps({'host': facts, 'runs': results}, indent=1) + '\n'),
            (args.markdown or os.path.join(folder, 'bench.md'), text)):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(content)
        print('written: %s' % os.path.relpath(path))


def main():
    args = parse_args()
    notes = []

    def notice(text):
        notes.append(text)
        print('note: ' + text, flush=True)

    peer = None if args.no_peer else args.peer or find_peer(args.binary)
    shown = [p for p in programs(args.binary, peer)
             if not args.programs or any(w in p.name for w in args.programs)]
    if not shown:
        sys.exit('bench: nothing to run: give --binary')
    try:
        bench = Bench(args.guests or default_guests(args.binary), args.accel,
                      not args.no_realtime)
    except MeasureError as err:
        sys.exit('bench: %s' % err)
    if not bench.wrapper:
        notice('no real-time priority: figures are noisier')
    chosen = shrink_to_fit(workloads(args.size), notice)
    tasks = plan(chosen, shown, args.only)
    if args.list:
        for workload, program in tasks:
            print('%s | %s | %s' % (workload.name, program.name,
                                    workload.describe()))
        return
    results = measure(bench, tasks, args.runs, notice)
    print(text_table(results, COLUMNS))
    for line in (*goals(results), *effects(results)):
        print(line)
    facts = host_facts(bench, shown)
    write_results(args, facts, results,
                  markdown(facts, results, chosen, notes, args.runs))
    # A run of the peer's that failed has a note; it is not ours to mend.
    if not all(runs for p in results.values() for name, runs in p.items()
               if name != PEER):
        sys.exit(1)


if __name__ == '__main__':
    main()
