#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two users, two monitors at each side, and commands in any order.

    schedule.py                         some minutes of it, seeds from 1 on
    schedule.py --seed 7 --rounds 1 -v  one of them, with what was said
    schedule.py --seconds 600 --accel tcg BINARY

A guest that checks its memory and its disk migrates while commands that make
sense, and others that don't, are sent to both machines without waiting for
answers: starts, cancels, pauses, recoveries, stops, resets, snapshots, cards
that come and go, changes of capabilities and parameters, quit.  The network
in between stands still and breaks.  Then nobody disturbs any more, and what
must hold is:

  * every command was answered, and in time;
  * never did two machines run the guest, but by a `cont` that the user gave
    at a source whose migration had ended;
  * somebody has the guest still, and it runs when it is told to, unless a user
    has ended who had it; its memory and its disk are as it left them;
  * a program that ended was told to, or had no guest and says why.
"""

import argparse
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'functional'))

import matrix  # noqa: E402
from badnet import BadNet  # noqa: E402
from cell import Cell  # noqa: E402
from godwit.migration import start_incoming, start_pattern  # noqa: E402
from godwit.qmp import Qmp, QmpClosed, QmpError  # noqa: E402
from godwit.reactor import WaitTimeout  # noqa: E402
from godwit.tap import Host, check, default_binary, free_port  # noqa: E402

ANSWER_S = 40    # for a command, on a busy host, with sanitizers
SETTLE_S = 90    # for a migration that nobody disturbs any more
CHECK_S = 90     # for a guest to check all of its memory
DISTURB_S = (3, 12)
MEM_MB = 32
LOG_MAX = 300    # characters of an answer
ENDED = ('none', 'completed', 'failed', 'cancelled')
GIVEN = 'may run at the destination'

BOTH = ('events', 'return-path')
CAPS = ('postcopy-ram', 'multifd', 'xbzrle', 'auto-converge',
        'pause-before-switchover', 'release-ram', 'zero-copy-send',
        'switchover-abort', 'late-block-activate', 'x-ignore-shared',
        'postcopy-preempt', 'postcopy-blocktime', 'background-snapshot',
        'validate-uuid', 'deferred-dirty-log-teardown')
CHECKED = re.compile(r'^ok pass=\d+ cpu=0 fails=0')


class Side:
    """One machine with two monitors."""

    def __init__(self, t, vm, log):
        self.t = t
        self.vm = vm
        self.log = log
        path = os.path.join(t.folder, vm.name + '-second.sock')
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        second = Qmp(t.reactor, sock)
        second.negotiate()
        t.defer(second.close)
        self.monitors = [vm.qmp, second]
        self.asked = {}   # id: (monitor, text, when)
        self.said = {}    # id: the answer, of those that are waited for
        self.number = 0
        self.problems = []
        self.snapshots = 0

    @property
    def ended(self):
        return self.vm.status is not None

    def send(self, monitor, command, arguments=None):
        qmp = self.monitors[monitor]
        if self.ended or qmp.closed:
            return None
        self.number += 1
        name = '%s/%d' % (self.vm.name, self.number)
        text = '%s %s' % (command, arguments or '')
        self.log('%s <- %s' % (name, text))
        try:
            qmp.send(command, arguments, name)
        except OSError:
            return None
        self.asked[name] = (qmp, text, time.monotonic())
        return name

    def listen(self):
        """Take answers; notice those that don't come."""
        for qmp in self.monitors:
            while qmp.replies:
                msg = qmp.replies.pop(0)
                name = msg.get('id')
                if name not in self.asked:
                    continue
                _, text, when = self.asked.pop(name)
                answer = str(msg.get('return', msg.get('error')))
                self.log('%s -> %s (%.2f s)' % (
                    name, answer[:LOG_MAX].strip(), time.monotonic() - when))
                self.said[name] = msg
        now = time.monotonic()
        for name, (qmp, text, when) in list(self.asked.items()):
            if self.ended or qmp.closed:
                del self.asked[name]
            elif now - when > ANSWER_S:
                self.problems.append('%s: no answer for %d s to %s' % (
                    name, ANSWER_S, text))
                del self.asked[name]

    def ask(self, command, **arguments):
        """The answer, or None if there is nobody to give one."""
        name = self.send(0, command, {
            k.replace('_', '-'): v for k, v in arguments.items()})
        if name is None:
            return None

        def heard():
            self.listen()
            return name not in self.asked
        self.t.reactor.wait(heard, 'answer to ' + command, ANSWER_S + 5)
        return self.said.pop(name, None)

    def value(self, command, **arguments):
        msg = self.ask(command, **arguments)
        return None if msg is None else msg.get('return')

    def info(self):
        return self.value('query-migrate') or {}

    def status(self):
        return self.info().get('status', 'none')

    def state(self):
        return (self.value('query-status') or {}).get('status')

    def has_given(self):
        """Whether a migration has completed, whatever came of later ones."""
        return any(e['event'] == 'MIGRATION' and
                   e['data']['status'] == 'completed'
                   for e in self.vm.qmp.events)

    def started_given(self):
        """Whether the guest ran here after it had been given away."""
        names = [e['data']['status'] if e['event'] == 'MIGRATION' else
                 e['event'] for e in self.vm.qmp.events]
        return ('completed' in names and
                'RESUME' in names[names.index('completed'):])

    def checked(self, mark):
        return sum(bool(CHECKED.match(line))
                   for line in self.vm.serial.lines[mark:])


def started_by_user(events, at):
    """Had the last migration ended when the guest was started again?"""
    ended = True
    for event in events[:at]:
        if event['event'] == 'MIGRATION':
            ended = event['data']['status'] in ENDED
    return ended


class Round:
    """Both sides, from a guest that runs at the source."""

    def __init__(self, t, rng, options, number):
        self.t, self.rng, self.options = t, rng, options
        self.lines = []
        self.number = number
        self.image = t.path('disk.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', self.image,
                        '1M'], check=True, stdin=subprocess.DEVNULL)
        extra = ['-drive', 'if=ide,id=hd,format=qcow2,file=' + self.image]
        if rng.random() < 0.3:
            extra += ['-object', 'memory-backend-memfd,id=ram,size=%dM'
                      % MEM_MB, '-machine', 'memory-backend=ram']
        if rng.random() < 0.3:
            extra += ['-device', 'virtio-balloon-pci']
        if rng.random() < 0.3:
            extra += ['-device', 'virtio-rng-pci']
        self.extra = extra
        self.creds = 'tls' if rng.random() < 0.3 else ''
        vm = start_pattern(t, *extra, *self.second('src'),
                           *self.keys('client'), mem=MEM_MB,
                           accel=options.accel, name='src', mb=8, disk=2,
                           dma=8, rate=20000)
        self.src = Side(t, vm, self.log)
        self.port = free_port()
        self.uri = 'tcp:127.0.0.1:%d' % self.port
        self.net = BadNet(self.port)
        t.defer(self.net.close)
        self.deferred = rng.random() < 0.7
        self.destinations = 0
        self.dst = self.start_destination()
        self.sides = (self.src, self.dst)
        self.caps = []
        self.quits = set()
        self.told_end = ''

    def start_destination(self):
        self.destinations += 1
        name = 'dst%d' % self.destinations
        return Side(self.t, start_incoming(
            self.t, self.src.vm, 'defer' if self.deferred else self.uri,
            *self.extra, *self.second(name), *self.keys('server'),
            name=name), self.log)

    def keys(self, end):
        if not self.creds:
            return []
        with open(self.t.path('keys.psk'), 'w', encoding='ascii') as out:
            out.write('qemu:00112233445566778899aabbccddeeff\n')
        return ['-object', 'tls-creds-psk,id=tls,dir=%s,endpoint=%s' % (
            self.t.folder, end), '-global', 'migration.x-tls-creds=tls']

    def second(self, name):
        return ['-chardev', 'socket,id=second,server=on,wait=off,path=' +
                os.path.join(self.t.folder, name + '-second.sock'),
                '-mon', 'chardev=second,mode=control']

    def log(self, text):
        self.lines.append('%.3f %s' % (time.monotonic() % 10000, text))
        if self.options.verbose:
            print('# ' + self.lines[-1], flush=True)

    # ---- what users do ----------------------------------------------------

    def prepare(self):
        rng = self.rng
        count = rng.choice((0, 0, 1, 1, 2, 3))
        self.caps = rng.sample(CAPS, count)
        if rng.random() < 0.4 and 'postcopy-ram' not in self.caps:
            self.caps.append('postcopy-ram')
        self.multifd = {
            'multifd-channels': rng.choice((1, 2, 4)),
            'multifd-compression': rng.choice(('none', 'zlib', 'zstd'))}
        for side in self.sides:
            self.prepare_side(side)
        self.await_source()
        self.src.ask('migrate-set-parameters', **{
            'max-bandwidth': rng.choice((0, 2 << 20, 8 << 20, 32 << 20)),
            'max-postcopy-bandwidth': rng.choice((0, 1 << 20, 4 << 20)),
            'downtime-limit': rng.choice((1, 20, 300, 2000))})

    def prepare_side(self, side):
        for cap in (*BOTH, *self.caps):
            side.ask('migrate-set-capabilities', capabilities=[
                {'capability': cap, 'state': True}])
        if 'multifd' in self.caps:
            side.ask('migrate-set-parameters', **self.multifd)

    def await_source(self):
        if self.deferred:
            self.dst.ask('migrate-incoming', uri=self.uri)

    def next_destination(self):
        """One whose source has cancelled ends: the user starts another."""
        self.check_ends()
        self.dst = self.start_destination()
        self.sides = (self.src, self.dst)
        self.prepare_side(self.dst)
        self.await_source()

    def one_command(self):
        """A side, a monitor and a command, by their weights."""
        rng = self.rng
        side = rng.choice(self.sides)
        weights = self.commands(side)
        pick = rng.choices(list(weights), list(weights.values()))[0]
        return side, pick

    def commands(self, side):
        at_src = side is self.src
        return {
            'migrate': 10 if at_src else 1,
            'cancel': 2 if at_src else 1,
            'pause': 5,
            'recover': 4 if not at_src else 1,
            'resume': 4 if at_src else 1,
            'continue': 6 if at_src else 1,
            'postcopy': 8 if at_src else 1,
            'stop': 4, 'cont': 6,
            'reset': 1, 'powerdown': 1,
            'savevm': 2, 'loadvm': 2, 'delvm': 1,
            'device_add': 2, 'device_del': 2,
            'netdev_add': 1, 'netdev_del': 1,
            'object_add': 1, 'object_del': 1,
            'caps': 2, 'params': 4, 'query': 4,
            'incoming': 1,
            'net still': 2, 'net goes': 4, 'net cut': 1.5, 'net lame': 1,
            'dirty-rate': 1, 'announce': 1, 'dump': 1,
            'quit': 0.3,
        }

    def hmp(self, line):
        return 'human-monitor-command', {'command-line': line}

    def command(self, side, pick):
        rng = self.rng
        number = rng.randrange(3)
        uri = {'uri': self.uri}
        to = {'uri': self.net.uri}
        plain = {
            'migrate': ('migrate', to),
            'resume': ('migrate', {**to, 'resume': True}),
            'cancel': ('migrate_cancel', None),
            'pause': ('migrate-pause', None),
            'recover': ('migrate-recover', uri),
            'postcopy': ('migrate-start-postcopy', None),
            'stop': ('stop', None), 'cont': ('cont', None),
            'reset': ('system_reset', None),
            'powerdown': ('system_powerdown', None),
            'savevm': self.hmp('savevm s%d' % number),
            'loadvm': self.hmp('loadvm s%d' % number),
            'delvm': self.hmp('delvm s%d' % number),
            'device_add': ('device_add', {
                'driver': rng.choice(('virtio-rng-pci', 'virtio-net-pci',
                                      'e1000', 'virtio-balloon-pci')),
                'id': 'card%d' % number}),
            'device_del': ('device_del', {'id': 'card%d' % number}),
            'netdev_add': ('netdev_add', {'type': 'user',
                                          'id': 'net%d' % number}),
            'netdev_del': ('netdev_del', {'id': 'net%d' % number}),
            'object_add': ('object-add', {
                'qom-type': 'memory-backend-ram', 'size': 1 << 20,
                'id': 'mem%d' % number}),
            'object_del': ('object-del', {'id': 'mem%d' % number}),
            'query': (rng.choice(('query-migrate', 'query-status',
                                  'query-block', 'query-pci')), None),
            'incoming': ('migrate-incoming', uri),
            'dirty-rate': ('calc-dirty-rate', {
                'calc-time': 1, 'mode': rng.choice(('page-sampling',
                                                    'dirty-bitmap'))}),
            'announce': ('announce-self', {'initial': 10, 'max': 20,
                                           'rounds': 2, 'step': 1}),
            'dump': ('dump-guest-memory', {
                'paging': False, 'protocol': 'file:' + self.t.path('dump'),
                'detach': rng.random() < 0.5}),
            'quit': ('quit', None),
        }
        if pick in plain:
            return plain[pick]
        if pick == 'continue':
            return 'migrate-continue', {'state': rng.choice(
                ('pre-switchover', 'pre-switchover', 'device'))}
        if pick == 'caps':
            return 'migrate-set-capabilities', {'capabilities': [
                {'capability': rng.choice(CAPS),
                 'state': rng.random() < 0.5}]}
        return 'migrate-set-parameters', dict([rng.choice((
            ('max-bandwidth', rng.choice((0, 1 << 20, 16 << 20))),
            ('max-postcopy-bandwidth', rng.choice((0, 1 << 20))),
            ('downtime-limit', rng.choice((1, 50, 1000))),
            ('multifd-channels', rng.choice((1, 3))),
            ('cpu-throttle-initial', rng.choice((20, 60))),
            ('xbzrle-cache-size', rng.choice((4096, 1 << 20))),
            ('tls-creds', rng.choice((self.creds, '', 'none-such')))))])

    def disturb(self):
        rng = self.rng
        end = time.monotonic() + rng.uniform(*DISTURB_S)
        self.src.send(0, 'migrate', {'uri': self.net.uri})
        while time.monotonic() < end:
            if (self.dst.ended and self.dst not in self.quits and
                    not self.src.ended and self.destinations < 4):
                self.next_destination()
            side, pick = self.one_command()
            if side.ended:
                continue
            if pick.startswith('net '):
                self.disturb_net(pick)
                continue
            what = self.command(side, pick)
            if pick == 'quit':
                self.quits.add(side)
            if pick == 'loadvm':
                side.snapshots += 1
            side.send(rng.randrange(2), *what)
            self.turn(rng.choice((0, 0, 0.01, 0.05, 0.2, 0.5)))
            self.check_answers()

    def disturb_net(self, pick):
        self.log(pick)
        if pick in ('net still', 'net goes'):
            self.net.stand_still(pick == 'net still')
        else:
            number = self.rng.randrange(5)
            self.net.cut(lambda n: pick == 'net cut' or n == number)

    def turn(self, seconds):
        end = time.monotonic() + seconds
        while True:
            self.t.reactor.turn(max(0, min(0.02, end - time.monotonic())))
            for side in self.sides:
                side.listen()
            if time.monotonic() >= end:
                return

    def check_answers(self):
        for side in self.sides:
            check(not side.problems, '; '.join(side.problems))

    # ---- and what must hold then -------------------------------------------

    def settle(self):
        """Nobody disturbs; who waits for a user gets what he waits for."""
        self.net.stand_still(False)
        for side in self.sides:
            side.send(0, 'migrate-set-parameters', {
                'max-bandwidth': 0, 'max-postcopy-bandwidth': 0,
                'downtime-limit': 2000, 'tls-creds': self.creds})
        end = time.monotonic() + SETTLE_S
        while not self.settled():
            check(time.monotonic() < end, 'undecided: ' + self.told())
            self.turn(0.2)

    def settled(self):
        self.turn(0)
        self.check_answers()
        if any(s.asked or (s in self.quits and not s.ended)
               for s in self.sides):
            return False
        info = self.src.info()
        status = info.get('status', 'none')
        if self.src.ended:
            return self.dst.ended or self.dst.status() not in (
                'active', 'postcopy-active', 'postcopy-recover')
        if status == 'pre-switchover':
            self.src.ask('migrate-continue', state='pre-switchover')
        elif status == 'postcopy-paused' and not self.dst.ended:
            if self.dst.status() == 'postcopy-paused':
                self.uri = 'tcp:127.0.0.1:%d' % free_port()
                self.dst.ask('migrate-recover', uri=self.uri)
                self.src.ask('migrate', uri=self.uri, resume=True)
                self.turn(1)
        elif status == 'postcopy-paused':
            return True  # who had the guest is gone
        if status not in ENDED:
            return False
        dst = self.dst.status()
        return self.dst.ended or dst not in ('active', 'postcopy-active',
                                             'postcopy-recover')

    def told(self):
        return '; '.join('%s: %s, %s, %s, %r' % (
            s.vm.name, 'ended with %s' % s.vm.status if s.ended else 'there',
            None if s.ended else s.state(), None if s.ended else [
                s.info().get(key) for key in ('status', 'error-desc')],
            s.vm.stderr[-600:]) for s in self.sides)

    def check_ends(self):
        for side in self.sides:
            if not side.ended:
                continue
            side.vm.ends_expected = True
            if side in self.quits:
                continue
            check(side is self.dst, 'the source ended by itself: ' +
                  self.told())
            check(side.vm.status == 1 and side.vm.error_lines(),
                  'the destination ended: ' + self.told())

    def owner(self):
        """Who has the guest, and may be told to run it; None: nobody."""
        src, dst = self.src, self.dst
        if src.ended:
            return None if dst.ended else dst if dst.state() not in (
                None, 'inmigrate') else None
        info = src.info()
        status = info.get('status', 'none')
        if src.has_given():
            return None if dst.ended else dst
        if status == 'postcopy-paused':
            return None
        if status == 'failed' and GIVEN in info.get('error-desc', ''):
            return None  # only the user can know
        return src

    def check_one(self):
        """Nobody but the owner runs it."""
        states = [None if s.ended else s.state() for s in self.sides]
        events = self.src.vm.qmp.events
        starts = [i for i, e in enumerate(events) if e['event'] == 'RESUME']
        by_user = starts and started_by_user(events, starts[-1])
        check(by_user or states != ['running', 'running'],
              'TWO RUNNING GUESTS: ' + self.told())
        # What the source's guest wrote to the disk isn't the destination's.
        return not (by_user and self.src.started_given())

    def start_again(self, side):
        state = side.state()
        if state == 'running':
            return
        if state in ('internal-error', 'shutdown'):
            # A snapshot that could not be loaded: that is what a reset is for.
            check(side.snapshots or state == 'shutdown', self.told())
            side.ask('system_reset')
            self.turn(0.5)
        if state == 'suspended':
            side.ask('system_wakeup')
        msg = side.ask('cont')
        check(msg is not None and 'return' in msg,
              'cont at %s: %s; %s' % (side.vm.name, msg, self.told()))

    def check_guest(self, side):
        mark = side.vm.mark()
        self.start_again(side)
        try:
            self.t.reactor.wait(lambda: side.ended or
                                side.checked(mark + 1) >= 2, 'passes',
                                CHECK_S)
        except WaitTimeout:
            raise AssertionError('the guest does not go on at %s: %s; %r' % (
                side.vm.name, self.told(),
                side.vm.serial.lines[-5:])) from None
        for line in (*self.src.vm.serial.lines, *self.dst.vm.serial.lines):
            check('FAIL' not in line and
                  ('fails=' not in line or 'fails=0' in line),
                  'guest says: ' + line)

    def run(self):
        self.prepare()
        self.disturb()
        self.settle()
        self.check_ends()
        self.told_end = self.told()
        if not self.check_one():
            return 'the user started both; ' + self.told_end
        here = self.owner()
        if here is None:
            check(self.quits or GIVEN in self.told_end or
                  'postcopy' in self.told_end,
                  'NOBODY has the guest: ' + self.told_end)
            for side in self.sides:
                # Ended, such a guest is lost, and the program says so.
                if not side.ended and side.status() == 'postcopy-paused':
                    side.vm.kill()
            return 'nobody; ' + self.told_end
        self.check_guest(here)
        return '%s; %s' % (here.vm.name, self.told_end)


def one_round(t, seed, options):
    rng = random.Random(seed)
    r = Round(t, rng, options, seed)
    try:
        return r.run()
    except Exception:
        for line in r.lines:
            print('# ' + line)
        raise
    finally:
        for vm in t.machines:
            vm.ends_expected = True


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add('binary', nargs='?', help='the program [GODWIT_BINARY]')
    add('--seed', type=int, default=1, metavar='N', help='the first [1]')
    add('--rounds', type=int, metavar='N', help='how many')
    add('--seconds', type=int, default=180, metavar='N',
        help='begin no round behind that [180]')
    add('--accel', choices=['kvm', 'tcg'])
    add('-v', '--verbose', action='store_true')
    options = parser.parse_args(argv)
    options.binary = options.binary or default_binary() or str(
        HERE.parent.parent / 'build' / 'qemu-system-x86_64')
    return options


def main():
    options = parse(sys.argv[1:])
    host = Host(options.binary)
    signal.signal(signal.SIGTERM, matrix.leave)
    end = time.monotonic() + options.seconds
    failed, seed = [], options.seed
    print('TAP version 13', flush=True)
    while (time.monotonic() < end if options.rounds is None
           else seed < options.seed + options.rounds):
        out = matrix.guarded(
            host, Cell('gg', options.accel or host.accel, 'schedule',
                       str(seed)), one_round, seed, options)
        print('%sok %d - seed %d: %s: %s # %.1f s' % (
            'not ' if out.word == 'FAIL' else '', seed - options.seed + 1,
            seed, out.word, out.text, out.seconds), flush=True)
        if out.word == 'FAIL':
            failed.append(seed)
        seed += 1
    print('1..%d' % (seed - options.seed))
    if failed:
        print('# failed: %s' % failed)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
