# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell of the matrix: one fault at one message of one migration.

What must hold afterwards, whatever the fault:
  * exactly one machine runs the guest, by what the guest itself says; nobody
    only where the last message is lost, and then both sides say so;
  * the guest finds all of its memory and disk as it left them;
  * the image is locked by the machine that runs the guest, and no other;
  * a side that failed says why; QMP answered all the time; nothing hangs.
"""

import collections
import signal
import socket

from faultproxy import MAGIC, FaultProxy
from godwit.migration import (set_capabilities, set_parameters, start_incoming,
                              start_pattern)
from godwit.peer import PEER
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, free_port
from watch import QMP_BOUND_S, Observed, PeerFault, Watch

REACH_S = 40    # until the message comes
SETTLE_S = 40   # until both sides have made up their minds
CHECK_S = 60    # until the guest has checked everything
FLOOD_S = 10
HOLD_S = 3      # when nobody runs while a message is held
QUIET_S = 1.5   # for being sure that a guest stands
DISK_SIZE = 1 << 20

FAULTS = ('hold', 'delay', 'cut', 'reset', 'truncate', 'corrupt', 'duplicate',
          'flood', 'drop', 'cancel', 'term', 'quit')
# These act on a connection, not on a message's bytes.
WITHOUT_BYTES = ('hold', 'cut', 'reset', 'cancel', 'term', 'quit')
# The source has given the guest up before these, or can't know better.
LAST_WORDS = {'gg': ('run', '<resumed', '<shut'),
              'qg': ('eof', 'description', '<shut'),
              'qq': ('eof', 'description', '<shut'),
              'gq': ('eof', 'description', '<shut')}
ENDED = ('completed', 'failed', 'cancelled')

CHANNELS = 3
MULTIFD = 'mf:'  # before the name of one of the stream's messages


class Cell(collections.namedtuple('Cell', 'pair accel row fault')):
    """Rows 'ch:...' and 'mf:...' are with capability multifd."""

    @property
    def multifd(self):
        return self.row.startswith(('ch:', MULTIFD))

    @property
    def message(self):
        return self.row.removeprefix(MULTIFD)

    @property
    def late(self):
        """The source has given the guest up, or can't know better."""
        return self.message in LAST_WORDS[self.pair]


def cell_name(cell):
    return '%s-%s/%s/%s' % cell


def parse_cell(name):
    pair, row, fault = name.rsplit('/', 2) if name.count('/') == 2 else (
        name.split('/', 1)[0], *name.split('/', 1)[1].rsplit('/', 1))
    pair, accel = pair.split('-')
    return Cell(pair, accel, row, fault)


class NotReached(AssertionError):
    """The migration went by without the message."""


class Migration:
    """The two machines, the network between them, and the image."""

    def __init__(self, t, cell, row=None, fault=None, again=False, smp=1,
                 mem=32, **load):
        self.t = t
        self.cell = cell
        self.image = t.path('disk.img')
        with open(self.image, 'wb') as f:
            f.truncate(DISK_SIZE)
        # A lock would keep a second guest from running, and hide the fault.
        self.locked = not cell.late
        extra = ['-drive', 'if=ide,format=raw,file=%s,file.locking=%s' % (
            self.image, 'on' if self.locked else 'off')]
        binaries = {'g': None, 'q': PEER}
        load = {'mb': 8, 'rate': 20000, 'disk': 2, 'dma': 8, **load}
        src = start_pattern(t, *extra, mem=mem, smp=smp, accel=cell.accel,
                            binary=binaries[cell.pair[0]], **load)
        port = free_port()
        way = 'tcp:127.0.0.1:%d' % port
        dst = start_incoming(t, src, 'defer' if cell.multifd else way, *extra,
                             binary=binaries[cell.pair[1]])
        if cell.multifd:
            for vm in (src, dst):
                set_capabilities(vm, multifd=True)
                set_parameters(vm, multifd_channels=CHANNELS)
            dst.qmp.cmd('migrate-incoming', uri=way)
        if row and fault in ('cancel', 'term', 'quit'):
            fault = 'hold'
        self.proxy = FaultProxy(port, row and cell.message, fault, again)
        t.defer(self.proxy.close)
        self.src = Observed(src, smp, False)
        self.dst = Observed(dst, smp, True)
        self.watch = Watch(t.reactor, self.src, self.dst)

    def start(self, **parameters):
        caps = {'return-path': True} if 'q' in self.cell.pair else {}
        if self.cell.row == 'pre-switchover':
            caps['pause-before-switchover'] = True
        for o in (self.src, self.dst):
            if caps:
                set_capabilities(o.vm, **caps)
        self.watch.command(self.src, 'migrate-set-parameters', **parameters)
        self.watch.command(self.src, 'migrate', uri=self.proxy.uri)

    def still_waits(self):
        """Who has not said that it is a source has never been there; one
        that has is taken up, or the destination hangs."""
        return (self.dst.state == 'inmigrate' and not self.dst.status and
                self.proxy.begins != MAGIC)

    def check_waits(self):
        """Who only waits has to be there for the next source."""
        if self.dst.ended or self.dst.state != 'inmigrate':
            return
        check(self.still_waits(), 'the destination hangs: ' + self.dst.told())
        try:
            socket.create_connection(('127.0.0.1', self.proxy.target_port),
                                     QMP_BOUND_S).close()
        except OSError as err:
            raise AssertionError('the destination only waits, and does not '
                                 'listen: %s; %s' % (err, self.dst.told())
                                 ) from None

    def decided(self):
        """Neither side is on its way any more."""
        src, dst = self.src, self.dst
        return ((src.ended or src.status in ENDED) and
                (dst.ended or dst.state not in (None, 'inmigrate') or
                 not self.proxy.connected or self.still_waits()))


def starting_parameters(cell):
    """Later passes come only if the first is not the last."""
    if cell.message.startswith('pass2') or cell.message == 'ping':
        return {'downtime-limit': 1, 'max-bandwidth': 24 << 20}
    return {'max-bandwidth': 0, 'downtime-limit': 300}


def reach(m):
    """Wait until the fault has happened."""
    if m.cell.row == 'pre-switchover':
        check(m.watch.until(lambda: m.src.status == 'pre-switchover', REACH_S),
              'no pre-switchover: ' + m.src.told())
        m.proxy.act_now()
        return
    m.watch.until(lambda: m.proxy.acted.is_set() or
                  m.src.status in ENDED, REACH_S)
    if not m.proxy.acted.is_set():
        raise NotReached('message %s never came; messages: %s; %s; %s' % (
            m.cell.row, m.proxy.names, m.src.told(), m.dst.told()))


def go_on(m):
    """Whatever kept the source from finishing before."""
    if m.src.ended:
        return
    m.watch.command(m.src, 'migrate-set-parameters',
                    **starting_parameters(m.cell._replace(row='')))
    if m.cell.row == 'pre-switchover':
        try:
            m.watch.command(m.src, 'migrate-continue', state='pre-switchover')
        except QmpError:
            pass  # it has failed or was cancelled


def progress(m, marks):
    return any(o.passes(mark) >= 1 for o, mark in zip(m.watch.observed, marks))


def marks_of(m):
    return [o.vm.mark() for o in m.watch.observed]


def act(m):
    """What the user does while the message is held."""
    fault, watch = m.cell.fault, m.watch
    if fault == 'cancel':
        watch.command(m.src, 'migrate_cancel')
        check(watch.until(lambda: m.src.ended or m.src.status in ENDED,
                          SETTLE_S), 'cancel does not end: ' + m.src.told())
    elif fault == 'term':
        m.dst.vm.ends_expected = True
        m.dst.vm.signal(signal.SIGTERM)
        check(watch.until(lambda: m.dst.ended, SETTLE_S),
              'the destination does not end on SIGTERM')
    elif fault == 'quit':
        m.src.vm.ends_expected = True
        watch.command(m.src, 'quit')
        check(watch.until(lambda: m.src.ended, SETTLE_S),
              'the source does not end on quit')
    elif fault == 'hold':
        marks = marks_of(m)
        # Where one side may run already, the other has to keep still.
        late = m.cell.late
        watch.until(lambda: not late and progress(m, marks), HOLD_S)


def settle(m):
    """Both sides come to an end without more help."""
    act(m)
    go_on(m)
    if m.cell.fault in ('hold', 'term'):
        m.proxy.let_go()
    elif m.cell.fault in ('cancel', 'quit'):
        # The source's end of the connection is closed: pass that on.
        m.proxy.close()
    m.dst.vm.ends_expected = True
    if m.cell.fault == 'flood' and not m.watch.until(m.decided, FLOOD_S):
        # Answers nobody has asked for may keep both waiting; the user can end
        # that.
        m.watch.command(m.src, 'migrate_cancel')
        m.proxy.close()
    if not m.watch.until(m.decided, SETTLE_S):
        text = 'undecided after %d s: %s; %s' % (SETTLE_S, m.src.told(),
                                                 m.dst.told())
        if m.cell.pair[1] == 'q' and (m.src.ended or m.src.status in ENDED):
            raise PeerFault(text)
        raise AssertionError(text)
    m.proxy.close()
    m.watch.fresh()


def runner(m):
    """The machine whose guest goes on, or None."""
    def found():
        return [o for o, mark in zip(m.watch.observed, marks)
                if o.passes(mark) >= 2]
    marks = marks_of(m)
    if not any(o.state == 'running' for o in m.watch.observed
               if not o.ended):
        m.watch.until(found, QUIET_S)
        check(all(not o.beats(mark) for o, mark in
                  zip(m.watch.observed, marks)),
              'a guest runs that nobody owns up to')
        return None
    check(m.watch.until(found, CHECK_S), 'no guest checks its memory: %s; %s' %
          (m.src.told(), m.dst.told()))
    check_equal(len(found()), 1, 'running guests')
    here = found()[0]
    for o, mark in zip(m.watch.observed, marks):
        if o is not here:
            check(not o.beats(mark), 'TWO RUNNING GUESTS: %s: %d heartbeats '
                  'while %s runs' % (o.vm.name, len(o.beats(mark)),
                                     here.vm.name))
    return here


def check_image(m, here):
    if not m.locked:
        return
    for o in m.watch.observed:
        if o is here:
            check(o.holds_image(m.image), '%s runs the guest without a lock '
                  'on its image' % o.vm.name)
        else:
            check(not o.holds_image(m.image), '%s has the image locked'
                  % o.vm.name)


def check_words(m, here):
    """Who failed says why; a Godwit destination in one line."""
    src, dst = m.src, m.dst
    if src.status == 'failed':
        check(src.info.get('error-desc') or m.cell.pair[0] == 'q',
              'failed without error-desc: ' + src.told())
    if dst.ended and m.cell.fault != 'term':
        check_equal(dst.vm.status, 1, 'exit status of the destination')
        lines = dst.vm.error_lines()
        check(lines, 'the destination says nothing')
        if m.cell.pair[1] == 'g':
            check_equal(len(lines), 1, 'lines of the destination: %r' % lines)
    if here is src:
        check(src.status in ('failed', 'cancelled'), 'runs: ' + src.told())
    elif here is dst and not src.ended:
        check(src.state in ('postmigrate', 'paused'), 'stands: ' + src.told())


def nobody_is_right(m):
    """Nobody runs the guest: allowed?  Then both must say so."""
    src, dst, cell = m.src, m.dst, m.cell
    late = cell.late
    if cell.fault == 'quit':
        return  # the user ended the only one who had it
    if cell.fault == 'term' and (
            cell.message == '<resumed' or
            cell.message == '<shut' and src.status == 'completed'):
        return  # it had the guest and said so before it was ended
    # A destination that was ended can't hear the last message.
    late |= cell.fault == 'term' and cell.message == '<loaded'
    # To a plain peer the end of the stream may have been written while an
    # earlier message was still on its way.
    late |= cell.pair == 'gq' and 'handed over' in src.info.get('error-desc',
                                                                '')
    check(late and cell.fault not in ('hold', 'delay', 'duplicate'),
          'NOBODY runs the guest: %s; %s' % (src.told(), dst.told()))
    if cell.pair[0] == 'g':
        check(src.info.get('error-desc') or src.vm.error_lines(),
              'nobody runs the guest, and the source does not say so: ' +
              src.told())
    if cell.pair[1] == 'g' and cell.fault != 'term':
        check(any("'cont'" in line or 'failed' in line
                  for line in dst.vm.error_lines()),
              'nobody runs the guest, and the destination does not say so: ' +
              dst.told())
    take_over(m)


def take_over(m):
    """The user decides: the guest goes on where it is whole."""
    here = m.src if m.dst.ended else m.dst
    m.watch.command(here, 'cont')
    mark = here.vm.mark()
    check(m.watch.until(lambda: here.passes(mark) >= 2, CHECK_S),
          'after cont: ' + here.told())
    check_image(m, here)


def run_cell(t, cell):
    """Raises AssertionError with what did not hold; returns what happened."""
    m = Migration(t, cell, cell.row, cell.fault)
    m.start(**starting_parameters(cell))
    reach(m)
    settle(m)
    here = runner(m)
    if here:
        check_image(m, here)
        check_words(m, here)
    else:
        nobody_is_right(m)
    m.watch.check_one_guest(m.src, m.dst)
    if cell.fault != 'quit' and 'q' not in cell.pair[1]:
        m.check_waits()
    for o in m.watch.observed:
        o.check_guest()
        check(not o.problems, '; '.join(o.problems))
    return '%s runs; %s; %s' % (here.vm.name if here else 'nobody',
                                m.src.told(), m.dst.told())


def probe(t, pair, accel):
    """The messages of an undisturbed migration, in order."""
    m = Migration(t, Cell(pair, accel, '', ''))
    m.start(**starting_parameters(m.cell))
    check(m.watch.until(m.decided, SETTLE_S), 'undisturbed migration: %s; %s'
          % (m.src.told(), m.dst.told()))
    m.watch.fresh()
    here = runner(m)
    check(here is m.dst, 'undisturbed migration: ' + m.src.told())
    check_image(m, here)
    m.watch.check_one_guest(m.src, m.dst)
    m.dst.check_guest()
    return m.proxy.names
