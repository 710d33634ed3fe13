#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Undo the switch-over again and again, then look at every page.

    retries.py                              a hundred times: KVM, its rings, tcg
    retries.py --quick                      six late words, on one of them
    retries.py --count 5 --accel tcg --smp 2

There are two ways for it to be undone, and each is taken half of the times
(the second as often as five minutes allow, where the host is busy or slow).
The destination's word is late: a proxy holds it until the source has resumed
the guest.  What is left doesn't fit the limit: a monitor command that takes
longer than that keeps the source from stopping the guest, which writes on
meanwhile; how long it has to be on this host is measured.

Then nothing is in the way any more: the guest has to arrive, and to find each
of its pages and sectors as it left them.  Each page has a version of its own;
between those that the guest writes there are others that its disk writes.
"""

import argparse
import fcntl
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
SLOW = 64 << 20  # bytes per second: a few pages take a while
REFUSE_S = 300   # for all that can be had of them
HOLD = 4         # limits: where an attempt begins in it, it is too late
MEM_MB = 1024    # as much as takes longer to sum up than any limit here
SUM_MIN, SUM_MAX = 1 << 16, MEM_MB << 20  # bytes
RING = 'kvm,dirty-ring-size=4096'
KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING = 0xae03, 192  # <linux/kvm.h>
LOAD = {'mb': 16, 'rate': 800, 'dma': 64}


def limit_ms(m):
    """The source learns how long its attempts take: let it try again."""
    return LIMIT_MS + MORE_MS * m.proxy.holds


def allow(m):
    m.watch.command(m.src, 'migrate-set-parameters', **{
        'downtime-limit': limit_ms(m)})


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


class LongCommand:
    """A monitor command that holds the device lock for as long as is asked
    for, whatever the host's speed.  The source needs the lock to stop the
    guest; that wait is part of what it has promised to keep short."""

    def __init__(self):
        self.size = SUM_MIN

    def run(self, m, seconds):
        started = time.monotonic()
        text = m.watch.command(m.src, 'human-monitor-command',
                               **{'command-line': 'sum 0 %d' % self.size})
        check(text.strip().isdigit(), 'sum 0 %d: %r' % (self.size, text))
        took = time.monotonic() - started
        if took < seconds or took > 3 * seconds:
            factor = min(8, max(0.125, 1.5 * seconds / took))
            self.size = min(SUM_MAX, max(SUM_MIN, int(self.size * factor)))
        # False: not even a sum of all that there is takes so long.
        return took >= seconds or self.size < SUM_MAX


def refuse(m, count):
    """Attempts for which too much is left: one at least, @count at most."""
    start = refused(m)
    command = LongCommand()
    deadline = time.monotonic() + REFUSE_S
    while refused(m) < start + count:
        done = refused(m) - start
        if time.monotonic() > deadline and done > 0:
            break
        check(time.monotonic() < deadline and not m.src.ended and
              m.src.status not in cells.ENDED,
              '%d of %d attempts are refused: %s' % (done, count,
                                                     m.src.told()))
        allow(m)
        more = command.run(m, HOLD * limit_ms(m) / 1000)
        # One that was made in between gets its answer, and is undone by it.
        m.proxy.let_go()
        # Passes need the lock, too: the next one is to end in a command.
        time.sleep(limit_ms(m) / 1000)
        if not more and refused(m) > start:
            break
    return refused(m) - start


def retries(t, accel, count, smp, both):
    m = cells.Migration(t, cells.Cell('gg', accel, '<loaded', 'hold'),
                        '<loaded', 'hold', again=True, smp=smp, mem=MEM_MB,
                        **LOAD)
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


def accels(host):
    """Each with each way to log dirty pages that this host has."""
    found = list(matrix.accels(host))
    if host.has_kvm:
        with open('/dev/kvm', 'rb') as kvm:
            if fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING):
                found.insert(1, RING)
    return found


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add('binary', nargs='?', help='the program [GODWIT_BINARY]')
    add('--quick', action='store_true')
    add('--count', type=int, metavar='N', help='[100]')
    add('--smp', type=int, default=1, metavar='N', help='CPUs [1]')
    add('--accel', action='append', default=[], choices=['kvm', RING, 'tcg'])
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
        [host.accel] if options.quick else accels(host))
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
