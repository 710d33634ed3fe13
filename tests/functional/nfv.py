#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command lines of packet-processing users, with the guest that forwards
(mode=l2fwd) behind DPDK's vhost library (l2gen): it starts, forwards and
migrates, driven over the human monitor with a connection for each command
as `nc -U` makes it.

The lines are those of OPNFV's scripts but for the size of memory, the folder
of its file, where sockets and disk are, the number of the screen, and the
firmware, which is our guest. What a program's -help does not have, or its
build, is left out, and said."""

import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from godwit.l2gen import L2gen, find_l2gen  # noqa: E402
from godwit.tap import (Skip, check, check_equal, check_in,  # noqa: E402
                        free_port, main, test)

MEM = 128       # MiB
RATE = 2000     # frames per second each way: the machine is shared
SLEEP_US = 200
FRAMES = 500    # that are to come back before something else is done
INCOMING = 'VM status: paused (inmigrate)'
WAIT = re.compile('completed|failed|cancelled')


class Nc:
    """The human monitor as scripts with `nc -U` use it."""

    def __init__(self, t, path):
        self.t = t
        self.path = path

    def __call__(self, line):
        hmp = self.t.reactor.poll(self._connect, self.path, every=0.05)
        try:
            return hmp.cmd(line)
        finally:
            hmp.close()

    def _connect(self):
        """None while nobody listens: the name is there a moment before."""
        try:
            return self.t.hmp(self.path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def field(self, line, start):
        """`... | grep START | cut -d: -f2`."""
        for text in self(line).splitlines():
            if text.startswith(start):
                return text.split(':', 1)[1].strip()
        raise AssertionError('no line %r after %r' % (start, line))


def cut(text, word, delimiter, field):
    """`grep WORD | cut -dDELIMITER -fFIELD`."""
    return [line.split(delimiter)[field - 1] for line in text.splitlines()
            if word in line]


def options_of(t):
    """The words of -help."""
    out = subprocess.run([t.host.binary, '-help'], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
    words = set(re.findall(r'^-[\w-]+', out, re.MULTILINE))
    # It can't listen there, if it has got so far.
    out = subprocess.run([t.host.binary, '-machine', 'none', '-vnc',
                          'unix:/proc/screen'], stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, check=False).stderr.decode()
    return words - {'-vnc'} if 'no VNC servers in this build' in out else words


def disk(t):
    """The image that source and destination share."""
    path = t.path('guest1.qcow2')
    if not os.path.exists(path):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', path,
                        '64M'], check=True)
    return path


def screen():
    """N for -vnc :N that nobody has now."""
    for n in range(200, 400):
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(('::', 5900 + n))
            return n
        except OSError:
            pass
    raise OSError('no port for a screen')


def screen_args(t):
    return ['-vnc :%d' % screen()] if '-vnc' in options_of(t) else [
        '-display none']


def with_what_is_there(t, *words):
    """Words of a command line but those the program doesn't know yet: each
    option is one string, its value behind a blank."""
    known = options_of(t)
    if not t.host.is_godwit:
        # It ends where KVM refuses that MSR.
        words = [w.replace('-cpu host', '-cpu host,-arch-capabilities')
                 for w in words]
    left_out = [w for w in words if w.split()[0] not in known]
    if left_out:
        t.note('left out: ' + ' '.join(left_out))
    return [part for w in words if w not in left_out
            for part in w.split(' ', 1)]


def guest_args(t, config='mode=l2fwd report=100'):
    """What makes our guest of any of these lines."""
    return ['-bios', t.host.guest('guest.rom'), '-fw_cfg',
            'name=opt/godwit/config,string=' + config,
            '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04']


def generator(t, *names, ports=2, args=()):
    build = os.path.join(t.host.guests, '..', '..')
    binary = find_l2gen(build)
    if not binary:
        raise Skip('no l2gen: it is built where libdpdk-dev is installed')
    have = subprocess.run([t.host.binary, '-netdev', 'help'],
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    if 'vhost-user' not in have.split():
        raise Skip('no vhost-user back end in ' + t.host.binary)
    for name in names:
        os.makedirs(t.path(name), exist_ok=True)
    l2gen = L2gen(t.reactor, binary, {
        name: [t.path('%s/vhost-user%d' % (name, i + 1))
               for i in range(ports)] for name in names},
        '--sleep', str(SLEEP_US), *args)
    t.defer(l2gen.close)
    return l2gen


def total(report, key):
    return sum(port[key] for phase in report['phases']
               for port in phase['ports'])


def received_from(report, vm):
    return [link['received'] for link in report['links']
            if link['vm'] == vm]


def wait_forwarded(l2gen, vm, frames=FRAMES):
    """Until so many more frames have come back on each port from there."""
    start = received_from(l2gen.report(), vm)

    def ask():
        now = received_from(l2gen.report(), vm)
        return all(b - a >= frames for a, b in zip(start, now))
    l2gen.reactor.poll(ask, '%d frames from %s' % (frames, vm), every=0.05)


def check_nothing_lost(l2gen):
    """All that a ring took has come back, once and whole."""
    l2gen.cmd('rate 0')

    def ask():
        report = l2gen.report()
        return report if not total(report, 'lost') else None
    report = l2gen.reactor.poll(
        ask, 'whole return of frames: %r' % l2gen.report()['lost_ranges'],
        every=0.05)
    for key in ('duplicates', 'corrupt', 'never_sent', 'late'):
        check_equal(total(report, key), 0, key + ' frames')
    check(total(report, 'sent') > 0, 'nothing was sent')


def check_guest(vm):
    for line in vm.serial.lines:
        check('FAIL' not in line, 'guest says: ' + line)


def migrate_by_script(nc, t, port):
    """What the scripts do, and what they read of `info migrate`."""
    check_equal(nc('info status').strip(), 'VM status: running', 'status')
    if t.host.is_godwit:
        nc('migrate_set_speed 0')
        nc('migrate_set_downtime 0.10')
    else:
        nc('migrate_set_parameter max-bandwidth 0')
        nc('migrate_set_parameter downtime-limit 100')
    nc('migrate -d tcp:0:%d' % port)
    t.reactor.poll(lambda: WAIT.search(nc('info migrate')),
                   'end of the migration', every=0.05)
    check_in('Migration status: completed', nc('info migrate'),
             'info migrate')
    for what in ('total time', 'downtime', 'setup'):
        check(re.match(r'\d+ ms$', nc.field('info migrate', what)),
              'no milliseconds in %s' % what)


def kvm4nfv_line(t, side):
    """The line of the live migration test, source or destination."""
    args = ['-enable-kvm', '-cpu host', '-smp 2']
    for i, first in ((1, 52), (2, 54)):
        args += ['-chardev socket,id=char%d,path=%s' % (
                     i, t.path('%s/vhost-user%d' % (side, i))),
                 '-netdev type=vhost-user,id=net%d,chardev=char%d,'
                 'vhostforce' % (i, i),
                 '-device virtio-net-pci,netdev=net%d,'
                 'mac=%d:54:00:12:34:56' % (i, first)]
    args += ['-m %d' % MEM, '-mem-path ' + t.folder, '-mem-prealloc',
             '-realtime mlock=on', '-monitor unix:%s,server,nowait' %
             t.path('qmp-sock-' + side), '-balloon virtio',
             '-drive file=' + disk(t), *screen_args(t)]
    if not t.host.is_godwit:
        args += ['-object memory-backend-file,id=m,share=on,size=%dM,'
                 'mem-path=%s' % (MEM, t.folder), '-machine memory-backend=m']
        args.remove('-mem-path ' + t.folder)
        args.remove('-mem-prealloc')
    return with_what_is_there(t, *args) + guest_args(t)


@test(needs_kvm=True)
def kvm4nfv_live_migration(t):
    l2gen = generator(t, 'src', 'dst')
    src = t.launch(kvm4nfv_line(t, 'src'), name='src', qmp=False)
    src.wait_line('^ready$')
    l2gen.cmd('rate %d' % RATE)
    wait_forwarded(l2gen, 'src')
    port = free_port()
    dst = t.launch(kvm4nfv_line(t, 'dst') + ['-incoming', 'tcp:0:%d' % port],
                   name='dst', qmp=False)
    nc_src, nc_dst = (Nc(t, t.path('qmp-sock-' + side))
                      for side in ('src', 'dst'))
    check_equal(nc_dst('info status').strip(), INCOMING, 'destination')
    tids = cut(nc_src('info cpus'), 'thread_id', '=', 2)
    check_equal(len(tids), 2, 'CPUs')
    for tid in tids:
        os.sched_getaffinity(int(tid))  # there is such a thread
    migrate_by_script(nc_src, t, port)
    check_equal(nc_src('info status').strip(),
                'VM status: paused (postmigrate)', 'status of the source')
    check_equal(nc_dst('info status').strip(), 'VM status: running',
                'status of the destination')
    wait_forwarded(l2gen, 'dst')
    check_nothing_lost(l2gen)
    dst.serial.adopt(src.serial)
    check_guest(dst)
    for vm, nc in ((src, nc_src), (dst, nc_dst)):
        vm.ends_expected = True
        nc.t.hmp(nc.path).send('quit')
        check_equal(vm.wait_end(), 0, 'status of ' + vm.name)


def low_latency_line(t, port, *more, drive=''):
    return with_what_is_there(
        t, '-smp 2', '-monitor unix:%s,server,nowait' % t.path('qmp-sock'),
        '-cpu host,migratable=off,+invtsc,+tsc-deadline,pmu=off',
        '-drive file=' + disk(t) + drive, *more,
        '-netdev user,id=net0,hostfwd=tcp:127.0.0.1:%d-:22' % port,
        '-realtime mlock=on', '-mem-prealloc', '-enable-kvm', '-m %d' % MEM,
        '-mem-path ' + t.folder, '-device virtio-net-pci,netdev=net0',
        *screen_args(t)) + guest_args(t, 'mode=idle')


@test(godwit_only='QEMU 7.2 has no -realtime', needs_kvm=True)
def kvm4nfv_low_latency(t):
    """-daemonize: the caller gets its prompt back once it runs."""
    vm = t.run_to_end(low_latency_line(t, free_port(), '-daemonize') +
                      ['-pidfile', t.path('pid')])
    check_equal(vm.status, 0, 'status: ' + vm.stderr)
    with open(t.path('pid'), encoding='ascii') as f:
        pid = int(f.read())
    t.defer(lambda: _kill(pid))
    nc = Nc(t, t.path('qmp-sock'))
    check_equal(nc('info status').strip(), 'VM status: running', 'status')
    check_equal(len(cut(nc('info cpus'), 'thread_id', '=', 2)), 2, 'CPUs')
    pidfd = os.pidfd_open(pid)
    t.hmp(nc.path).send('quit')
    gone = []
    t.reactor.add(pidfd, lambda: gone.append(1))
    t.reactor.wait(lambda: gone, 'end of the daemon')
    t.reactor.remove(pidfd)
    os.close(pidfd)


@test(godwit_only='QEMU 7.2 has no -realtime', needs_kvm=True)
def kvm4nfv_low_latency_published(t):
    """Without anything on its terminal, and a disk past the page cache."""
    vm = t.launch(low_latency_line(
        t, free_port(), '-nographic', '-serial /dev/null',
        '-parallel /dev/null', drive=',cache=none,aio=threads'),
        qmp=False, serial=False)
    nc = Nc(t, t.path('qmp-sock'))
    check_equal(nc('info status').strip(), 'VM status: running', 'status')
    check_in('writeback, direct', nc('info block'), 'info block')
    check_equal(re.findall(r'^(serial0|parallel0): filename=(\w+)',
                           nc('info chardev'), re.MULTILINE),
                [('serial0', 'serial'), ('parallel0', 'serial')],
                'info chardev')
    vm.ends_expected = True
    t.hmp(nc.path).send('quit')
    check_equal(vm.wait_end(), 0, 'status')


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def vsperf_line(t, side, queues=1, chardev='', moves=False):
    """moves: what a disk's guest wrote must not be in a temporary file."""
    offloads = 'csum=off,gso=off,guest_tso4=off,guest_tso6=off,guest_ecn=off'
    if queues > 1:
        offloads += ',mq=on,vectors=%d' % (2 * queues + 2)
    args = ['-m %d' % MEM, '-smp %d' % queues, '-cpu host', '-boot c',
            '-enable-kvm', '-monitor unix:%s,server,nowait' %
            t.path('monitor-' + side),
            '-object memory-backend-file,id=mem,size=%dM,mem-path=%s,'
            'share=on' % (MEM, t.folder), '-numa node,memdev=mem',
            '-mem-prealloc', '-name Client1', '-net none',
            '-no-reboot', '-nographic', *screen_args(t),
            '-drive file=' + disk(t), *([] if moves else ['-snapshot'])]
    if '-numa' not in options_of(t):
        args += ['-machine memory-backend=mem']
        args.remove('-mem-prealloc')
    for i in range(2):
        args += ['-chardev socket,id=char%d,path=%s%s' % (
                     i, t.path('%s/vhost-user%d' % (side, i + 1)), chardev),
                 '-netdev type=vhost-user,id=net%d,chardev=char%d,'
                 'vhostforce%s' % (i, i, ',queues=%d' % queues
                                   if queues > 1 else ''),
                 '-device virtio-net-pci,mac=00:00:00:00:00:0%d,netdev=net%d,'
                 '%s' % (i + 1, i, offloads)]
    return with_what_is_there(t, *args) + guest_args(
        t, 'mode=l2fwd report=100 queues=%d' % queues)


@test(needs_kvm=True)
def vsperf_forwards_all_sizes(t):
    l2gen = generator(t, 'src')
    vm = t.launch(vsperf_line(t, 'src'), name='vm', qmp=False)
    vm.wait_line('^ready$')
    for size in (64, 128, 512, 1024, 1518):
        l2gen.cmd('size %d' % size)
        l2gen.cmd('rate %d' % RATE)
        wait_forwarded(l2gen, 'src', 100)
        check_nothing_lost(l2gen)
    check_guest(vm)


@test(needs_kvm=True)
def vsperf_multiqueue_migrates(t):
    """Two queue pairs, two vCPUs."""
    l2gen = generator(t, 'src', 'dst', args=('--queues', '2'))
    src = t.launch(vsperf_line(t, 'src', 2, moves=True), name='src', qmp=False)
    src.wait_line('^ready$')
    l2gen.cmd('rate %d' % RATE)
    wait_forwarded(l2gen, 'src')
    port = free_port()
    dst = t.launch(vsperf_line(t, 'dst', 2, moves=True) +
                   ['-incoming', 'tcp:0:%d' % port], name='dst', qmp=False)
    check_equal(Nc(t, t.path('monitor-dst'))('info status').strip(), INCOMING,
                'destination')
    migrate_by_script(Nc(t, t.path('monitor-src')), t, port)
    wait_forwarded(l2gen, 'dst')
    check_nothing_lost(l2gen)
    dst.serial.adopt(src.serial)
    check_guest(dst)


@test(needs_kvm=True)
def paused_guest_keeps_its_frames(t):
    """What its rings took before `stop` comes back behind `cont`."""
    l2gen = generator(t, 'src')
    vm = t.launch(vsperf_line(t, 'src'), name='vm', qmp=False)
    vm.wait_line('^ready$')
    nc = Nc(t, t.path('monitor-src'))
    l2gen.cmd('rate %d' % RATE)
    for _ in range(5):
        wait_forwarded(l2gen, 'src', 50)
        nc('stop')
        check_equal(nc('info status').strip(), 'VM status: paused', 'status')
        nc('cont')
    wait_forwarded(l2gen, 'src', 50)
    check_nothing_lost(l2gen)


@test(needs_kvm=True)
def undone_switchover_loses_nothing(t):
    """The rings are taken from the switch and given back, thrice."""
    l2gen = generator(t, 'src', 'dst')
    src = t.launch(vsperf_line(t, 'src', moves=True), name='src', qmp=False)
    src.wait_line('^ready$')
    nc = Nc(t, t.path('monitor-src'))
    nc('migrate_set_capability pause-before-switchover on')
    l2gen.cmd('rate %d' % RATE)
    for i in range(3):
        wait_forwarded(l2gen, 'src', 50)
        port = free_port()
        dst = t.launch(vsperf_line(t, 'dst', moves=True) +
                       ['-incoming', 'tcp:127.0.0.1:%d' % port],
                       name='dst%d' % i, qmp=False)
        dst.ends_expected = True
        check_equal(Nc(t, t.path('monitor-dst'))('info status').strip(),
                    INCOMING, 'destination')
        os.unlink(t.path('monitor-dst'))
        nc('migrate -d tcp:127.0.0.1:%d' % port)
        t.reactor.poll(lambda: 'pre-switchover' in nc('info migrate'),
                       'stop of the guest', every=0.05)
        nc('migrate_cancel')
        dst.wait_end()
        check_in('cancelled', nc('info migrate'), 'info migrate')
    wait_forwarded(l2gen, 'src', 50)
    check_nothing_lost(l2gen)
    check_guest(src)


@test(needs_kvm=True)
def switch_that_connects_comes_back(t):
    """`dpdkvhostuserclient`: the machine listens. The switch ends, another
    connects, and the guest forwards as if its cable had been pulled."""
    first = generator(t, 'src', args=('--client',))
    vm = t.launch(vsperf_line(t, 'src', chardev=',server=on'), name='vm',
                  qmp=False)
    vm.wait_line('^ready$')
    first.cmd('rate %d' % RATE)
    wait_forwarded(first, 'src', 100)
    first.close()
    second = generator(t, 'src', args=('--client',))
    second.cmd('rate %d' % RATE)
    for port in range(2):
        second.wait_event('first', vm='src', port=port)
    wait_forwarded(second, 'src', 100)
    check_guest(vm)


if __name__ == '__main__':
    main()
