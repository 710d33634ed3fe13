#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Undo the switch-over again and again, then look at every page.

    retries.py                              a hundred times, on KVM and tcg
    retries.py --quick                      six late words, on one of them
    retries.py --count 5 --accel tcg --smp 2

There are two ways for it to be undone, and each is taken half of the times.
The destination's word is late: a proxy holds it until the source has resumed
the guest.  What is left doesn't fit the limit: a monitor command that takes
long keeps the source from stopping the guest, which writes on meanwhile.

Then nothing is in the way any more: the guest has to arrive, and to find each
of its pages and sectors as it left them.  Each page has a version of its own;
between those that the guest writes there are others that its disk writes.
"""

import argparse
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'functional'))

import cell as cells  # noqa: E402
import matrix  # noqa: E402
from godwit.migration import wait_drained  # noqa: E402
from godwit.tap import Host, check, default_binary  # noqa: E402

LIMIT_MS = 50
MORE_MS = 20
# A page that was lost after one attempt must not be written again before the
# guest arrives: a pass over all of them takes longer than some attempts.
LONG_COMMAND = 'xp /200000xb 0x100000'
SLOW = 64 << 20  # bytes per second: a few pages take a while
REFUSE_S = 10    # for one attempt
LOAD = {'mb': 16, 'rate': 800, 'dma': 64}


def allow(m):
    """The source learns how long its attempts take: let it try again."""
    m.watch.command(m.src, 'migrate-set-parameters', **{
        'downtime-limit': LIMIT_MS + MORE_MS * m.proxy.holds})


def undo_once(m, number):
    """One attempt: held until its guest runs at the source again."""
    check(m.watch.until(lambda: m.proxy.holds > number, cells.REACH_S),
          'attempt %d does not come: %s' % (number + 1, m.src.told()))
    # What the guest said before it was stopped has come after this.
    wait_drained(m.src.vm)
    mark = m.src.vm.mark() + 1
    check(m.watch.until(lambda: m.src.beats(mark), cells.SETTLE_S),
          'attempt %d is not undone: %s' % (number + 1, m.src.told()))


def refused(m):
    """Attempts that were undone before the rest of memory was sent."""
    counts = m.proxy.counts
    return counts['switchover'] - counts['last.end']


def refuse(m, count):
    """As many attempts for which too much is left.  Whether one comes is for
    the host's speed to decide: not in a quick run (test-dirty-retry forces
    both exits)."""
    start = refused(m)
    deadline = time.monotonic() + REFUSE_S * count
    while refused(m) < start + count:
        check(time.monotonic() < deadline and not m.src.ended and
              m.src.status not in cells.ENDED,
              '%d of %d attempts are refused: %s' % (
                  refused(m) - start, count, m.src.told()))
        allow(m)
        # It holds the device lock, which the source needs to stop the guest.
        m.watch.command(m.src, 'human-monitor-command',
                        **{'command-line': LONG_COMMAND})
        # One that was made in between gets its answer, and is undone by it.
        m.proxy.let_go()
    return refused(m) - start


def retries(t, accel, count, smp, both):
    m = cells.Migration(t, cells.Cell('gg', accel, '<loaded', 'hold'),
                        '<loaded', 'hold', again=True, smp=smp, **LOAD)
    m.start(**{'downtime-limit': LIMIT_MS, 'max-bandwidth': SLOW})
    early = refuse(m, count // 2) if both else 0
    late = max(2, count - early - m.proxy.holds)
    for number in range(m.proxy.holds, m.proxy.holds + late):
        undo_once(m, number)
        allow(m)
        m.proxy.let_go()
    m.proxy.again = False  # the next one passes
    m.proxy.let_go()
    m.watch.command(m.src, 'migrate-set-parameters', **{
        'downtime-limit': 5000, 'max-bandwidth': 0})
    check(m.watch.until(m.decided, cells.CHECK_S), 'undecided: ' +
          m.src.told())
    m.watch.fresh()
    here = cells.runner(m)
    check(here is m.dst, 'not at the destination: %s; %s' % (m.src.told(),
                                                            m.dst.told()))
    cells.check_image(m, here)
    m.watch.check_one_guest(m.src, m.dst)
    for o in m.watch.observed:
        o.check_guest()
        check(not o.problems, '; '.join(o.problems))
    return '%d attempts undone by a late word, %d by what was left; %s' % (
        m.proxy.holds, early, m.src.told())


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add('binary', nargs='?', help='the program [GODWIT_BINARY]')
    add('--quick', action='store_true')
    add('--count', type=int, metavar='N', help='[100]')
    add('--smp', type=int, default=1, metavar='N', help='CPUs [1]')
    add('--accel', action='append', default=[], choices=['kvm', 'tcg'])
    options = parser.parse_args(argv)
    options.binary = options.binary or default_binary() or str(
        HERE.parent.parent / 'build' / 'qemu-system-x86_64')
    options.count = options.count or (6 if options.quick else 100)
    return options


def main():
    options = parse(sys.argv[1:])
    if not os.path.exists(options.binary):
        print('1..0 # SKIP no ' + options.binary)
        return 0
    host = Host(options.binary)
    accels = options.accel or (
        (host.accel,) if options.quick else matrix.accels(host))
    print('TAP version 13')
    print('1..%d' % len(accels), flush=True)
    failed = False
    signal.signal(signal.SIGTERM, matrix.leave)
    for number, accel in enumerate(accels, 1):
        out = matrix.guarded(
            host, cells.Cell('gg', accel, 'retries', str(options.count)),
            retries, accel, options.count, options.smp, not options.quick)
        again = 'tests/faults/retries.py --accel %s --count %d --smp %d' % (
            accel, options.count, options.smp)
        matrix.report(number, out, True, again)
        failed |= out.word == 'FAIL'
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
