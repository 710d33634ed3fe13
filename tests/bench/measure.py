# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrate one guest once and measure it, from outside and from inside.

What is measured, and how:

  total_ms      from the source's first MIGRATION event (setup) until it has
                completed and the guest runs at the destination
  downtime_ms   the source's last STOP event to the RESUME event of the
                destination
  retries       how often the guest had been stopped and started again at the
                source before that
  told_ms       the downtime the source itself reports
  cpu_state_us  the part of it in which vCPUs stop and their state is read
  gap_ms        the largest gap between two turns of the guest's own loop
                around the switch-over (1 ms is normal for an idle guest,
                which a timer wakes)
  stall_ms      the same on the source, from the command to the last line
                there: what switching the dirty log on and the passes cost
  sent_mib      RAM bytes transferred, as reported
  cpu_s         CPU time of both processes, from the command to the end
  rss_mib       resident memory of the source just before; peak_mib its peak

The programs run with real-time priority where that is permitted (chrt -r 1),
because the neighbours of a virtual machine make everything else noisy.
"""

import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'functional'))

# pylint: disable=wrong-import-position
from godwit.machine import Machine  # noqa: E402
from godwit.migration import CAPABILITIES  # noqa: E402
from godwit.qmp import event_time  # noqa: E402
from godwit.reactor import Reactor, WaitTimeout  # noqa: E402
from godwit.tap import free_port  # noqa: E402

PEER = '/usr/bin/qemu-system-x86_64'
MIB = 1 << 20
REPORT_MS = 50      # between two lines of the guest
LINES_BEHIND = 4    # lines of the guest that are read after the migration


class MeasureError(Exception):
    """A run that gave no figures, and why."""


class Program:
    """A program to be measured, with the capabilities to set."""

    def __init__(self, name, binary, capabilities=None):
        self.name = name
        self.binary = binary
        self.capabilities = capabilities or {}


class Workload:
    """A machine and what its guest does."""

    def __init__(self, name, mem, guest='mode=idle', limit_ms=300, smp=1,
                 prealloc=False, hugepages=False, needs=0, only=None,
                 devices=(), channels=0, compression='none', timeout_s=60):
        self.name = name
        self.mem = mem              # MiB
        self.guest = guest
        self.limit_ms = limit_ms
        self.smp = smp
        self.prealloc = prealloc
        self.hugepages = hugepages
        self.needs = needs          # MiB of host memory, both sides
        self.only = only            # names of the programs to run, or all
        self.devices = devices      # -device, each
        self.channels = channels    # of multifd; 0: without it
        self.compression = compression  # on them
        self.timeout_s = timeout_s  # for the whole migration

    def describe(self):
        text = '%d MiB, %d vCPU' % (self.mem, self.smp)
        if self.prealloc:
            text += ', preallocated'
        if self.hugepages:
            text += ', hugepages'
        if self.channels:
            text += ', %d channels (%s)' % (self.channels, self.compression)
        return '%s; guest: %s; limit %d ms' % (text, self.guest,
                                               self.limit_ms)

    def args(self, rom, accel):
        args = ['-machine', 'pc', '-accel', accel, '-m', str(self.mem),
                '-smp', str(self.smp), '-nodefaults', '-display', 'none',
                '-bios', rom, '-fw_cfg',
                'name=opt/godwit/config,string=%s report=%d' % (
                    self.guest, REPORT_MS)]
        if self.prealloc or self.hugepages:
            kind = ('memfd,hugetlb=on,hugetlbsize=2M' if self.hugepages
                    else 'ram')
            args += ['-object', 'memory-backend-%s,id=pc.ram,size=%dM,'
                     'prealloc=%s' % (kind, self.mem,
                                      'on' if self.prealloc else 'off'),
                     '-machine', 'memory-backend=pc.ram']
        for device in self.devices:
            args += ['-device', device]
        return args


def realtime_wrapper():
    """A prefix that gives real-time priority, or nothing."""
    if not shutil.which('chrt'):
        return ()
    done = subprocess.run(['chrt', '-r', '1', 'true'],
                          stderr=subprocess.DEVNULL, check=False)
    return ('chrt', '-r', '1') if done.returncode == 0 else ()


def process_cpu_seconds(pid):
    """CPU time of a process with its ended threads, in nanosecond steps.

    The clock of a process is made from its number: ~pid << 3 | 2, see
    clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def process_memory_mib(pid, field):
    with open('/proc/%d/status' % pid, encoding='ascii') as f:
        for line in f:
            if line.startswith(field + ':'):
                return int(line.split()[1]) / 1024
    return 0.0


def meminfo_mib(field):
    with open('/proc/meminfo', encoding='ascii') as f:
        for line in f:
            if line.startswith(field + ':'):
                return int(line.split()[1]) // 1024
    return 0


def free_hugepages_mib():
    with open('/proc/meminfo', encoding='ascii') as f:
        text = f.read()
    free = re.search(r'HugePages_Free: +(\d+)', text)
    size = re.search(r'Hugepagesize: +(\d+) kB', text)
    if not free or not size or size[1] != '2048':
        return 0
    return int(free[1]) * 2


def touch_memory(mib):
    """Have the host give that much memory, and let go of it.

    Virtual machines give free memory back to their host: whoever touches it
    first waits for it (0.5 instead of 8 GB/s).  That is nobody's merit, so it
    happens before each run of each program."""
    mib = min(mib, meminfo_mib('MemAvailable') - 256)
    if mib <= 0:
        return
    with mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS |
                   mmap.MAP_POPULATE):
        pass


class Bench:
    """Runs migrations; owns what all runs share."""

    def __init__(self, guests, accel='kvm', realtime=True):
        self.rom = os.path.join(guests, 'guest.rom')
        self.accel = accel
        self.wrapper = realtime_wrapper() if realtime else ()
        if not os.path.exists(self.rom):
            raise MeasureError('no test guest: %s' % self.rom)

    def run(self, program, workload):
        """One migration; returns a dict of figures."""
        folder = tempfile.mkdtemp(prefix='gw-')
        reactor = Reactor()
        machines = []
        if not workload.hugepages:
            touch_memory(workload.needs)
        try:
            return self._migrate(program, workload, reactor, folder,
                                 machines)
        except MeasureError:
            raise
        except Exception as err:
            raise MeasureError('%s, %s: %s' % (program.name, workload.name,
                                               err)) from err
        finally:
            for vm in machines:
                vm.signal(signal.SIGKILL)
            for vm in machines:
                if vm.status is None:
                    vm.wait_end()
                vm.cleanup()
            shutil.rmtree(folder, ignore_errors=True)

    def _launch(self, program, workload, reactor, folder, name, *extra):
        return Machine(reactor, folder, program.binary,
                       workload.args(self.rom, self.accel) + list(extra),
                       name=name, wrapper=self.wrapper)

    def _migrate(self, program, workload, reactor, folder, machines):
        src = self._launch(program, workload, reactor, folder, 'src')
        machines.append(src)
        src.wait_line('^ready$', timeout=120)
        uri = 'tcp:127.0.0.1:%d' % free_port()
        dst = self._launch(program, workload, reactor, folder, 'dst',
                           '-incoming', 'defer')
        machines.append(dst)
        self._prepare(program, workload, src, dst)
        dst.qmp.cmd('migrate-incoming', uri=uri)
        mark = src.mark()
        for _ in range(3):
            src.wait_line('^hb ')
            src.wait_line('^hb ', src.mark())
        usual = gaps_us(src.serial.lines[mark:])

        started = src.mark()
        pids = [vm.proc.pid for vm in machines]
        rss = process_memory_mib(pids[0], 'VmRSS')
        cpu = sum(process_cpu_seconds(pid) for pid in pids)
        src.qmp.cmd('migrate', uri=uri)
        try:
            done = src.qmp.wait_event(
                'MIGRATION', lambda e: e['data']['status'] in (
                    'completed', 'failed'), timeout=workload.timeout_s)
        except WaitTimeout:
            raise MeasureError('%s, %s: did not complete within %d s' % (
                program.name, workload.name, workload.timeout_s)) from None
        if done['data']['status'] == 'failed':
            raise MeasureError('%s, %s: migration failed: %s' % (
                program.name, workload.name,
                src.qmp.cmd('query-migrate').get('error-desc')))
        resume = dst.qmp.wait_event('RESUME', timeout=60)
        cpu = sum(process_cpu_seconds(pid) for pid in pids) - cpu
        setup = all_events(src, 'MIGRATION', 'setup')[0]
        stops = all_events(src, 'STOP')
        info = src.qmp.cmd('query-migrate')
        gap = self._gap_behind(src, dst)
        stall = max(gaps_us(src.serial.lines[started:]))
        ram = info['ram']
        result = {
            'total_ms': (max(event_time(done), event_time(resume)) -
                         event_time(setup)) * 1e3,
            'downtime_ms': (event_time(resume) - event_time(stops[-1])) * 1e3,
            'retries': len(stops) - 1,
            'told_total_ms': info['total-time'],
            'told_ms': info['downtime'],
            'gap_ms': gap / 1e3,
            'stall_ms': stall / 1e3,
            'usual_gap_ms': sorted(usual)[len(usual) // 2] / 1e3,
            'sent_mib': ram['transferred'] / MIB,
            'cpu_s': cpu,
            'rss_mib': rss,
            'peak_mib': process_memory_mib(pids[0], 'VmHWM'),
            'dst_peak_mib': process_memory_mib(pids[1], 'VmHWM'),
            'passes': ram['dirty-sync-count'],
        }
        if 'downtime-breakdown' in info:
            steps = info['downtime-breakdown']
            result['breakdown_us'] = steps
            result['cpu_state_us'] = steps['vcpu-stop'] + steps['cpu-sync']
        return result

    @staticmethod
    def _prepare(program, workload, src, dst):
        capabilities = [{'capability': 'events', 'state': True}]
        for vm in (src, dst):
            vm.qmp.cmd('migrate-set-capabilities', capabilities=capabilities)
            if program.capabilities:
                vm.qmp.cmd('migrate-set-capabilities', capabilities=[
                    {'capability': name, 'state': state}
                    for name, state in program.capabilities.items()])
            if workload.channels:
                vm.qmp.cmd('migrate-set-capabilities', capabilities=[
                    {'capability': 'multifd', 'state': True}])
                vm.qmp.cmd('migrate-set-parameters',
                           multifd_channels=workload.channels,
                           multifd_compression=workload.compression)
        src.qmp.cmd('migrate-set-parameters', max_bandwidth=0,
                    downtime_limit=workload.limit_ms)

    @staticmethod
    def _gap_behind(src, dst):
        """The guest's largest gap in the lines around the switch-over."""
        src.qmp.cmd('query-status')
        dst.serial.adopt(src.serial)
        dst.reactor.wait(lambda: len(dst.serial.lines) >= LINES_BEHIND,
                         'lines of the guest', 60)
        for line in dst.serial.lines:
            if 'FAIL' in line:
                raise MeasureError('guest: ' + line)
        return max(gaps_us(dst.serial.lines))


def all_events(vm, name, status=None):
    found = [event for event in vm.qmp.events if event['event'] == name and (
        status is None or event['data']['status'] == status)]
    if not found:
        raise MeasureError('%s sent no %s event' % (vm.name, name))
    return found


def gaps_us(lines):
    return [int(m[1]) for m in (re.match(r'hb \d+ (\d+)$', line)
                                for line in lines) if m] or [0]


def is_godwit(binary):
    out = subprocess.run([binary, '--version'], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
    return 'Godwit' in out


def version(binary):
    out = subprocess.run([binary, '--version'], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
    return out.splitlines()[0]


def capability_set(state, **changes):
    caps = {name: state for name in CAPABILITIES}
    caps.update({k.replace('_', '-'): v for k, v in changes.items()})
    return caps


def find_peer(binary):
    """Debian's program, if it is there and not the one under test."""
    if os.path.exists(PEER) and not (
            binary and os.path.realpath(PEER) == os.path.realpath(binary)):
        if not is_godwit(PEER):
            return PEER
    return None


def default_guests(binary):
    """Where the build put the test guests."""
    if os.environ.get('GODWIT_GUESTS'):
        return os.environ['GODWIT_GUESTS']
    folder = os.path.dirname(os.path.abspath(binary or '.'))
    return os.path.join(folder, 'tests', 'guest')


def shrink_to_fit(workloads, notice):
    """Leave out or make smaller what the host has no memory for.

    `needs` is for the given size; a guest that touches little needs little
    whatever its size."""
    available = meminfo_mib('MemAvailable') - 512
    fitting = []
    for w in workloads:
        if w.hugepages:
            have = free_hugepages_mib()
            if have < 2 * w.mem:
                smaller = have // 2 // 512 * 512
                if smaller < 512:
                    notice('%s: left out: %d MiB of free huge pages, %d '
                           'needed' % (w.name, have, 2 * w.mem))
                    continue
                notice('%s: %d MiB instead of %d: only %d MiB of huge pages'
                       % (w.name, smaller, w.mem, have))
                w.mem = smaller
            fitting.append(w)
            continue
        while w.needs > available and w.mem > 512:
            smaller = w.mem // 2
            notice('%s: %d MiB instead of %d: the host has %d MiB free and '
                   '%d are needed' % (w.name, smaller, w.mem, available,
                                      w.needs))
            w.needs = w.needs * smaller // w.mem
            w.mem = smaller
        if w.needs > available:
            notice('%s: left out: the host has only %d MiB free' % (
                w.name, available))
            continue
        fitting.append(w)
    return fitting
