#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrate an idle and a busy guest, with Godwit's optimisations off and on
and with Debian's emulator, and show what it cost. Takes under two minutes."""

import argparse
import os
import sys
import time

from measure import (Bench, MeasureError, Program, Workload, capability_set,
                     default_guests, find_peer, is_godwit, shrink_to_fit,
                     version)
from godwit.host import kvm_problem
from tables import svg_chart, text_table

RUNS = 3
TIME_LIMIT_S = 110  # no further round is begun behind this


def workloads(mem):
    busy = min(256, mem // 4)
    return [
        Workload('idle', mem, needs=600),
        Workload('dirtying', mem, limit_ms=10, needs=600 + 4 * busy,
                 guest='mode=dirty mb=%d rate=50000' % busy),
    ]


def programs(binary, peer):
    found = []
    if peer:
        found.append(Program("Debian's QEMU", peer))
    if binary and is_godwit(binary):
        found.append(Program('Godwit, all three off', binary,
                             capability_set(False)))
        found.append(Program('Godwit, all three on', binary,
                             capability_set(True)))
    elif binary:
        found.append(Program(os.path.basename(binary), binary))
    return found


class Progress:
    """One line that is written over, or plain lines where it can't be."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.tty = sys.stderr.isatty()

    def show(self, text):
        bar = '#' * (20 * self.done // self.total)
        line = '[%-20s] %d/%d %s' % (bar, self.done, self.total, text)
        if self.tty:
            sys.stderr.write('\r\x1b[K' + line)
        else:
            sys.stderr.write(line + '\n')
        sys.stderr.flush()

    def step(self):
        self.done += 1

    def close(self):
        if self.tty:
            sys.stderr.write('\r\x1b[K')


def measure(bench, tasks, runs, notice):
    """Alternating: each round runs everything once."""
    started = time.monotonic()
    results = {w.name: {} for w, _ in tasks}
    progress = Progress(runs * len(tasks))
    for number in range(runs):
        for workload, program in tasks:
            if number and time.monotonic() - started > TIME_LIMIT_S:
                progress.close()
                notice('stopped after %d of %d rounds: time is up' % (
                    number, runs))
                return results
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', help='the program to show')
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--size', type=int, default=8192, help='MiB')
    parser.add_argument('--runs', type=int, default=RUNS)
    problem = kvm_problem()
    parser.add_argument('--accel', default='tcg' if problem else 'kvm')
    parser.add_argument('--svg', help='where the chart goes')
    args = parser.parse_args()
    notes = []

    def notice(text):
        notes.append(text)
        print('note: ' + text, flush=True)

    peer = args.peer or find_peer(args.binary)
    if not peer:
        notice("Debian's emulator is not installed: nothing to compare with")
    shown = programs(args.binary, peer)
    if not shown:
        sys.exit('demo: nothing to run: give --binary')
    try:
        bench = Bench(args.guests or default_guests(args.binary), args.accel)
    except MeasureError as err:
        sys.exit('demo: %s' % err)
    if args.accel != 'kvm':
        notice('no KVM (%s): the guest is emulated by each program in its '
               'own way, so that times tell nothing about KVM; the bytes sent '
               'and the order of things can be compared' %
               (problem or 'not asked for'))
    if not bench.wrapper:
        notice('no real-time priority here: figures are noisier')
    for program in shown:
        print('%-22s %s' % (program.name, version(program.binary)))
    chosen = shrink_to_fit(workloads(args.size), notice)
    for workload in chosen:
        print('%-22s %s' % (workload.name, workload.describe()))
    print(flush=True)
    results = measure(bench, [(w, p) for w in chosen for p in shown],
                      args.runs, notice)
    if not any(runs for p in results.values() for runs in p.values()):
        sys.exit('demo: no run gave figures')
    print(text_table(results))
    print('\nmedian (least-greatest) of %d runs; downtime: STOP event at the '
          'source to\nRESUME event at the destination; the gap of an idle '
          "guest's 1 kHz timer\nis 1 ms when nothing happens" % args.runs)
    svg = args.svg or os.path.join(
        os.path.dirname(os.path.abspath(args.binary or peer))
        if args.binary else '.', 'demo.svg')
    with open(svg, 'w', encoding='utf-8') as f:
        f.write(svg_chart(results, 'Live migration of an %d MiB guest' %
                          chosen[0].mem, notes))
    print('chart: %s' % os.path.relpath(svg))
    # A run of the peer's that failed has a note; it is not ours to mend.
    complete = all(results[w.name].get(p.name) for w in chosen
                   for p in shown if p.binary != peer)
    sys.exit(0 if complete else 1)


if __name__ == '__main__':
    main()
