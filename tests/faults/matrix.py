#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults at every message of a migration, in a table.

    matrix.py                       every cell, both ways, with all there is
    matrix.py --quick               the selection that 'make check' runs
    matrix.py --cell gg-kvm/run/cut one of them, with what happened
    matrix.py --pair gg --row '<*' --fault cut

Pairs: gg Godwit to Godwit, qg from QEMU 7.2 (GODWIT_PEER), gq to it; qq, for
comparison, is none of Godwit's.
"""

import argparse
import concurrent.futures
import ctypes
import fnmatch
import os
import pathlib
import signal
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'functional'))

import cell as cells  # noqa: E402
from godwit.peer import PEER, need_peer  # noqa: E402
from godwit.tap import Host, Skip, Test, default_binary  # noqa: E402
from watch import PeerFault  # noqa: E402

PAIRS = ('gg', 'qg', 'gq')
# Rows that an undisturbed migration doesn't have for certain.
EXTRA_ROWS = ('pass2', 'pass2.page', 'pre-switchover')
# With multifd: what the channels carry, and what the stream does beside them.
CHANNEL_ROWS = ('ch:connect', 'ch:greeting', 'ch:pages', 'ch:sync', 'mf:hello',
                'mf:pass1.page', 'mf:pass2', 'mf:last', 'mf:dev:cpu', 'mf:eof')
GODWIT_CHANNEL_ROWS = ('mf:switchover', 'mf:<loaded', 'mf:run', 'mf:<resumed')
# Devices at which everything is tried; at the others, what differs by place.
# A last pass may find nothing to send when the guest isn't run for a while.
TRIES = 12
# A peer with -accel tcg loses pages in most migrations, not in all.
PEER_TRIES = 4
# The last words of the destination: the source waits for them in vain.
LOST = ('<resumed', '<shut')
DEVICES = ('dev:timer', 'dev:cpu', 'dev:0000:00:01.1/ide')
AT_EACH_DEVICE = ('hold', 'cut', 'truncate', 'corrupt')
QUICK = {
    'gg': ('connect/reset', 'header/truncate', 'hello/cut', '<features/hold',
           'setup/corrupt', 'pass1.page/reset', 'pass2/hold', 'ping/cut',
           'pre-switchover/cancel', 'switchover/hold', 'last.page/cut',
           'dev:cpu/hold', 'dev:cpu/cancel', 'dev:0000:00:01.1/ide/cut',
           'eof/hold', '<loaded/hold', '<loaded/duplicate',
           '<loaded/corrupt', 'run/cut', 'run/hold', '<resumed/reset',
           '<resumed/drop', 'ch:connect/cut', 'ch:greeting/truncate',
           'ch:pages/hold', 'ch:pages/cut', 'ch:sync/delay', 'mf:eof/hold'),
    'qg': ('pass1.page/cut', 'dev:cpu/truncate', '<shut/hold'),
    'gq': ('setup/cut', 'dev:cpu/reset', 'eof/cut', '<shut/hold',
           '<shut/cancel'),
}


def faults_at(pair, row):
    if row in ('connect', 'ch:connect', 'pre-switchover'):
        return cells.WITHOUT_BYTES
    # A message that is lost in the middle is what 'corrupt' is.
    if row.startswith('ch:') or row not in LOST or pair[0] == 'q':
        return tuple(f for f in faults_of(row) if f != 'drop')
    return faults_of(row)


def faults_of(row):
    if row.startswith('dev:') and row not in DEVICES:
        return AT_EACH_DEVICE
    return cells.FAULTS


class Outcome:
    def __init__(self, cell):
        self.cell = cell
        self.word = 'ok'
        self.text = ''
        self.seconds = 0.0
        self.missed = False  # the message did not come


def peer_crashed(t):
    """Whether the other program ended by a signal of its own making."""
    return any(vm.args[0] == PEER and vm.status in (-signal.SIGSEGV,
                                                    -signal.SIGABRT)
               for vm in t.machines)


def guarded(host, cell, func, *args):
    """Run func(t, ...) with everything cleaned up after it."""
    out = Outcome(cell)
    started = time.monotonic()
    t = Test(host)
    try:
        out.text = func(t, *args)
    except Skip as err:
        out.word, out.text = 'skip', str(err)
    except PeerFault as err:
        out.word, out.text = 'peer', str(err)
    except AssertionError as err:
        out.word, out.text = 'FAIL', str(err)
        out.missed = isinstance(err, cells.NotReached)
    except Exception:  # pylint: disable=broad-except
        out.word, out.text = 'FAIL', traceback.format_exc()
    finally:
        problems = t.close()
    if problems and out.word == 'ok':
        out.word, out.text = 'FAIL', '; '.join(problems)
    if out.word == 'FAIL' and peer_crashed(t):
        out.word = 'peer'
        out.text = 'the peer crashed: ' + out.text
    out.seconds = time.monotonic() - started
    return out


PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def leave(*_):
    sys.exit(143)  # past all that has to be cleaned up


def worker_begins():
    """A worker ends its machines when it is told to, or left alone."""
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def interrupted(*_):
    os._exit(143)  # the workers clean up


def run(host, cell):
    """What goes wrong with a source that is the peer, and between two peers
    as well, isn't for the destination to mend."""
    for _ in range(TRIES):
        out = guarded(host, cell, cells.run_cell, cell)
        if not out.missed:
            break
    if out.word == 'FAIL' and cell.pair == 'qg':
        other = cell._replace(pair='qq')
        for _ in range(PEER_TRIES):
            theirs = guarded(host, other, cells.run_cell, other)
            if theirs.word != 'ok':
                out.word = 'peer'
                out.text = '%s; between two peers: %s' % (out.text,
                                                          theirs.text)
                break
    return out


def run_in_worker(host, cell):
    """The pool would take the exit for a result and go on."""
    try:
        return run(host, cell)
    except SystemExit:
        os._exit(143)  # all is cleaned up


def rows_of(host, pair, accel):
    """The messages that this pair exchanges; a Skip or error as text."""
    out = guarded(host, cells.Cell(pair, accel, '', ''), cells.probe, pair,
                  accel)
    if out.word != 'ok':
        return None, out
    rows = [r for r in out.text if not r.endswith('.end')]
    at = next(i for i, r in enumerate(rows) if r.startswith('pass1.')) + 1
    stop = next((i for i, r in enumerate(rows) if r in ('switchover', 'last')),
                at)
    rows[stop:stop] = [r for r in EXTRA_ROWS if r not in rows]
    rows += CHANNEL_ROWS
    if pair == 'gg':
        rows += GODWIT_CHANNEL_ROWS
    return rows, out


def all_cells(host, options):
    """(cells, rows by pair and accelerator, what could not be probed)"""
    chosen, rows, failed = [], {}, []
    for accel in options.accel or accels(host):
        for pair in options.pair or PAIRS:
            if 'q' in pair:
                try:
                    need_peer()
                except Skip as err:
                    print('# %s: %s' % (pair, err))
                    continue
            found, out = rows_of(host, pair, accel)
            if found is None:
                failed.append(out)
                continue
            rows[pair, accel] = found
            chosen += [cells.Cell(pair, accel, row, fault)
                       for row in found for fault in faults_at(pair, row)]
    return chosen, rows, failed


def accels(host):
    return ('kvm', 'tcg') if host.has_kvm else ('tcg',)


def quick_cells(host, options):
    accel = (options.accel or [host.accel])[0]
    out = []
    for pair, names in QUICK.items():
        if 'q' in pair:
            try:
                need_peer()
            except Skip as err:
                print('# %s: %s' % (pair, err))
                continue
        out += [cells.parse_cell('%s-%s/%s' % (pair, accel, n)) for n in names]
    return out


def matches(cell, options):
    return ((not options.row or any(fnmatch.fnmatchcase(cell.row, p)
                                    for p in options.row)) and
            (not options.fault or cell.fault in options.fault) and
            (not options.pair or cell.pair in options.pair))


def command_of(cell):
    return "tests/faults/matrix.py --cell '%s'" % cells.cell_name(cell)


def report(number, out, verbose, again=None):
    """One line of TAP, and why it failed."""
    name = cells.cell_name(out.cell)
    if out.word in ('skip', 'peer'):
        print('ok %d - %s # SKIP %s' % (number, name,
                                        out.text.replace('\n', ' ')),
              flush=True)
        return
    print('%s %d - %s' % ('not ok' if out.word == 'FAIL' else 'ok', number,
                          name))
    if out.word == 'FAIL' or verbose:
        for line in out.text.splitlines():
            print('# ' + line)
    if out.word == 'FAIL':
        print('# again: ' + (again or command_of(out.cell)))
    print('# %.1f s' % out.seconds, flush=True)


def table(outcomes, out):
    """One for each pair and accelerator: messages by faults."""
    for pair, accel in sorted({o.cell[:2] for o in outcomes}):
        here = {(o.cell.row, o.cell.fault): o.word for o in outcomes
                if o.cell[:2] == (pair, accel)}
        rows = list(dict.fromkeys(o.cell.row for o in outcomes
                                  if o.cell[:2] == (pair, accel)))
        width = max(len(r) for r in rows)
        print('\n%s, %s' % (pair, accel), file=out)
        print('%-*s  ' % (width, 'message') +
              ''.join('%-10s' % f for f in cells.FAULTS), file=out)
        for row in rows:
            print('%-*s  ' % (width, row) + ''.join(
                '%-10s' % here.get((row, f), '.') for f in cells.FAULTS),
                file=out)
        good = sum(w == 'ok' for w in here.values())
        print('%d of %d ok' % (good, len(here)), file=out)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add('binary', nargs='?', help='the program [GODWIT_BINARY]')
    add('--quick', action='store_true', help='a selection')
    add('--cell', action='append', default=[], metavar='NAME')
    add('--pair', action='append', default=[], choices=[*PAIRS, 'qq'])
    add('--accel', action='append', default=[], choices=['kvm', 'tcg'])
    add('--row', action='append', default=[], metavar='PATTERN')
    add('--fault', action='append', default=[], choices=cells.FAULTS)
    add('--jobs', type=int, default=1, metavar='N')
    add('--table', metavar='FILE', help='write the tables there, too')
    add('--list', action='store_true', help='only print the names')
    options = parser.parse_args(argv)
    options.binary = options.binary or default_binary() or str(
        HERE.parent.parent / 'build' / 'qemu-system-x86_64')
    return options


def choose(host, options):
    if options.cell:
        return [cells.parse_cell(n) for n in options.cell], []
    if options.quick:
        chosen, failed = quick_cells(host, options), []
    else:
        chosen, _, failed = all_cells(host, options)
    return [c for c in chosen if matches(c, options)], failed


def main():
    options = parse(sys.argv[1:])
    if not os.path.exists(options.binary):
        print('1..0 # SKIP no ' + options.binary)
        return 0
    host = Host(options.binary)
    print('TAP version 13')
    chosen, outcomes = choose(host, options)
    if options.list:
        print('\n'.join(cells.cell_name(c) for c in chosen))
        return 0
    print('1..%d' % (len(chosen) + len(outcomes)), flush=True)
    for number, out in enumerate(outcomes, 1):
        report(number, out, True)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, interrupted)
    with concurrent.futures.ProcessPoolExecutor(
            options.jobs, initializer=worker_begins) as pool:
        for out in pool.map(run_in_worker, [host] * len(chosen), chosen):
            outcomes.append(out)
            report(len(outcomes), out, bool(options.cell))
    if not options.cell:
        with open(options.table or os.devnull, 'w', encoding='utf-8') as f:
            table(outcomes, f)
        table([o for o in outcomes if o.cell.row], sys.stderr)
    return 1 if any(o.word == 'FAIL' for o in outcomes) else 0


if __name__ == '__main__':
    sys.exit(main())
