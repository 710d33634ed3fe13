# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrate a machine into another, and check that the guest noticed nothing."""

import json
import os
import re
import socket

from .host import PEER
from .qmp import QmpError
from .reactor import DEFAULT_TIMEOUT
from .tap import check, free_port

CAPABILITIES = ('deferred-dirty-log-teardown', 'avx2-zero-page',
                'single-cpu-sync')

ENDED = ('completed', 'failed', 'cancelled')
RP_LOADED = 0x4702  # the destination has everything

# Every line the guest may print once it is ready.
GUEST_LINE = re.compile(r'^(hb \d+ \d+|ok pass=\d+ cpu=\d+ fails=0|'
                        r'disk pass=\d+|stat cpu=\d+ .*|godwit-guest .*|ready|'
                        r'card \d .*|net card=\d .* bad=0 .*|'
                        r'no way to find the TSC.*|)$')


class Transport:
    """How a stream gets from one machine to another."""

    def __init__(self, incoming, outgoing, pass_fds=(), send_fd=None,
                 after=False):
        self.incoming = incoming
        self.outgoing = outgoing
        self.pass_fds = pass_fds
        self.send_fd = send_fd  # to be given to the source as "mig"
        self.after = after      # the destination starts when all is sent


def transport(t, kind):
    if kind == 'tcp':
        uri = 'tcp:127.0.0.1:%d' % free_port()
        return Transport(uri, uri)
    if kind == 'unix':
        uri = 'unix:' + t.path('mig.sock')
        return Transport(uri, uri)
    if kind == 'fd':
        ours, theirs = socket.socketpair()
        t.defer(ours.close)
        t.defer(theirs.close)
        return Transport('fd:%d' % theirs.fileno(), 'fd:mig',
                         (theirs.fileno(),), ours.fileno())
    path = t.path('mig.stream')
    if kind == 'exec':
        return Transport('exec:cat ' + path, 'exec:cat > ' + path, after=True)
    if kind == 'file':
        return Transport('file:' + path, 'file:' + path, after=True)
    raise ValueError(kind)


def query(vm):
    return vm.qmp.cmd('query-migrate')


def status(vm):
    return query(vm).get('status')


def set_parameters(vm, **params):
    vm.qmp.cmd('migrate-set-parameters', **params)


def set_capabilities(vm, **caps):
    vm.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': name.replace('_', '-'), 'state': state}
        for name, state in caps.items()])


def wait_status(vm, wanted, timeout=DEFAULT_TIMEOUT):
    """Poll until the status is one of `wanted`, or final; returns info."""
    if isinstance(wanted, str):
        wanted = (wanted,)

    def ask():
        info = query(vm)
        now = info.get('status')
        return info if now in wanted or now in ENDED else None
    info = vm.reactor.poll(ask, 'migration status %s' % (wanted,), timeout)
    check(info['status'] in wanted,
          'migration is %s: %s' % (info['status'], json.dumps(info)))
    return info


def wait_transferred(vm, nbytes, timeout=DEFAULT_TIMEOUT):
    """Poll until an active migration has sent that much RAM."""
    def ask():
        info = query(vm)
        if info.get('status') in ENDED:
            raise AssertionError('migration is already %s: %s' % (
                info['status'], info.get('error-desc')))
        return info.get('ram', {}).get('transferred', 0) >= nbytes
    vm.reactor.poll(ask, '%d bytes sent' % nbytes, timeout)


def rest_at_peer(src):
    """QEMU 7.2 with tcg loses pages of a guest that writes while it moves, to
    itself as well: a guest that checks its memory has to rest there, until
    wait_running() at the destination."""
    args = src.args
    if (os.path.realpath(args[0]) == os.path.realpath(PEER) and
            args[args.index('-accel') + 1] == 'tcg' and
            getattr(src, 'pattern_args', None)):
        src.qmp.cmd('stop')
        src.rests = True


def start(src, way):
    rest_at_peer(src)
    if way.send_fd is not None:
        src.qmp.cmd('getfd', fdname='mig', _fds=(way.send_fd,))
    src.qmp.cmd('migrate', uri=way.outgoing)


def go(src, way, timeout=DEFAULT_TIMEOUT):
    """Migrate and wait until the source has completed; returns its info."""
    start(src, way)
    return wait_status(src, 'completed', timeout)


def wait_run_state(vm, status, timeout=DEFAULT_TIMEOUT):
    def ask():
        return vm.qmp.cmd('query-status')['status'] == status
    vm.reactor.poll(ask, f'{vm.name} {status}', timeout)


def wait_running(vm, timeout=DEFAULT_TIMEOUT):
    if getattr(getattr(vm, 'source', None), 'rests', False):
        wait_run_state(vm, 'paused', timeout)
        vm.qmp.cmd('cont')
    wait_run_state(vm, 'running', timeout)


def last_numbers(vm):
    """Heartbeat count and, for each CPU, passes, as last printed."""
    beats, passes = 0, {}
    for line in vm.serial.lines:
        match = re.match(r'hb (\d+) ', line)
        if match:
            beats = int(match[1])
        match = re.match(r'ok pass=(\d+) cpu=(\d+)', line)
        if match:
            passes[int(match[2])] = int(match[1])
    return beats, passes


def check_lines(lines):
    """Each line whole, heartbeats and passes only ever growing."""
    beats, passes = 0, {}
    for line in lines:
        check('FAIL' not in line, 'guest says: ' + line)
        check(GUEST_LINE.match(line), 'serial line damaged: %r' % line)
        match = re.match(r'hb (\d+) ', line)
        if match:
            check(int(match[1]) >= beats, 'heartbeat went back to %s' % line)
            beats = int(match[1])
        match = re.match(r'ok pass=(\d+) cpu=(\d+)', line)
        if match:
            cpu = int(match[2])
            check(int(match[1]) > passes.get(cpu, 0),
                  'pass went back: %s' % line)
            passes[cpu] = int(match[1])


def check_pattern_goes_on(vm, before, passes=2, timeout=DEFAULT_TIMEOUT):
    """Each CPU of a pattern guest completes some more passes, without a
    word about lost pages. `before`: what last_numbers() said earlier."""
    beats, done = before

    def ask():
        now_beats, now = last_numbers(vm)
        return now_beats > beats and all(
            now.get(cpu, 0) >= n + passes for cpu, n in done.items())
    vm.reactor.wait(ask, '%d more passes on %s' % (passes, vm.name), timeout)
    check_lines(vm.serial.lines)


def start_pattern(t, *extra, mem=64, smp=1, mb=0, rate=20000, name='src',
                  machine='pc', report=20, disk=0, dma=0, **kwargs):
    """A machine whose guest has checked all of its memory at least once,
    `disk` sectors of its first IDE disk, and `dma` pages the disk writes.

    `rate` is for all CPUs together. The default is less than the default
    bandwidth limit of 128 MiB/s, so a migration converges."""
    rate //= smp
    config = 'mode=pattern mb=%d rate=%d report=%d disk=%d dma=%d' % (
        mb, rate, report, disk, dma)
    vm = t.machine(*extra, name=name, mem=mem, smp=smp, config=config,
                   machine=machine, **kwargs)
    vm.pattern_args = dict(mem=mem, smp=smp, config=config, machine=machine,
                           accel=kwargs.get('accel'))
    vm.wait_line('^ready$')
    for cpu in range(smp):
        vm.wait_line(r'^ok pass=\d+ cpu=%d ' % cpu)
    return vm


def start_incoming(t, src, uri, *extra, name='dst', **kwargs):
    """A second machine like `src` that waits for it."""
    vm = t.machine('-incoming', uri, *extra, name=name,
                   **{**src.pattern_args, **kwargs})
    vm.source = src
    return vm


def migrate_pattern(t, src, kind='tcp', name='dst', extra=(), before=None,
                    timeout=DEFAULT_TIMEOUT):
    """Migrate a pattern guest and check all of it; returns destination.

    `before(src, dst)` may set capabilities and parameters."""
    way = transport(t, kind)
    dst = None
    if not way.after:
        dst = start_incoming(t, src, way.incoming, *extra, name=name,
                             pass_fds=way.pass_fds)
    if before:
        before(src, dst)
    info = go(src, way, timeout)
    if way.after:
        dst = start_incoming(t, src, way.incoming, *extra, name=name)
    wait_running(dst, timeout)
    dst.pattern_args = src.pattern_args
    src.info = info
    wait_drained(src)
    numbers = last_numbers(src)
    check_lines(src.serial.lines)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers, timeout=timeout)
    check(src.qmp.cmd('query-status')['status'] == 'postmigrate',
          'source is not in state postmigrate')
    return dst


def wait_drained(vm):
    """All the guest had printed before it stopped has been read: what was
    written to the socket arrived before the answer to this command."""
    vm.qmp.cmd('query-status')
    vm.reactor.turn(0)


def supports(vm, capability):
    caps = vm.qmp.cmd('query-migrate-capabilities')
    return any(c['capability'] == capability for c in caps)


def refused(vm, command, **arguments):
    """The error that a command must give."""
    try:
        vm.qmp.cmd(command, **arguments)
    except QmpError as err:
        return err
    raise AssertionError('%s %r was accepted' % (command, arguments))


def file_size(path):
    return os.stat(path).st_size
