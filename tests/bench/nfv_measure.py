# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrate a guest that forwards packets, and measure it from the other end
of its cards (l2gen).

What is measured, and how:

  total_ms, downtime_ms, told_ms   as in measure.py
  lost          frames that a guest's ring had taken and that never came back
                (that a switch had taken, where there is one between)
  no_guest      frames for which no machine had a device, during the switch
  refused       frames for which a ring had no room, during the migration
  gap_ms        the longest pause between two frames that came back, during
                the migration
  usual_gap_ms  the same in the second before it: what the host causes
  pause_gap_ms  the same around `stop` and `cont` on the source
  first_ms      from the RESUME event at the destination to its first frame;
                below 0 if the event came later than the frame
  p50_us, ...   the time a frame takes there and back before (before_*),
                during (during_*) and after (after_*) the migration
  own_ms        the longest pause of the generator itself in the migration

CPU 0 is for the generator and the machines' own threads, CPU 1 for vCPUs:
a packet-processing host gives its vCPUs CPUs of their own, too. At a fixed
rate the generator sleeps between two turns, so that migration threads find
CPU 0 free; flat out it takes all that they leave.
"""

import csv
import os
import re
import shutil
import tempfile
import time

from measure import (MIB, MeasureError, Machine, Reactor, all_events,
                     event_time, free_port, realtime_wrapper)
from switches import Ovs, Testpmd
from godwit.l2gen import L2gen, phase

MEMORY_ID = 'pc.ram'
SETTLE_S = 0.3
PHASE_S = 1.0
SERIES_MS = (-20, 40)       # around the STOP event
GENERATOR_CPU, GUEST_CPU = 0, 1
SLEEP_US = 20               # of the generator, at a fixed rate
RING = 1024                 # descriptors: what packet-processing guests take


class NfvWorkload:
    """What is sent to which guest."""

    def __init__(self, name, mem, rate, size=64, hugepages=True, queues=1,
                 guest=''):
        self.name = name
        self.mem = mem          # MiB
        self.rate = rate        # frames per second and port, or 'max'
        self.size = size        # bytes on the wire
        self.hugepages = hugepages
        self.queues = queues
        self.guest = guest      # more words of its configuration

    def describe(self):
        return '%d MiB%s, %d byte frames, %s each way, %d queue(s)' % (
            self.mem, ' of huge pages' if self.hugepages else '', self.size,
            'as many as go' if self.rate == 'max' else
            '%s frames/s' % self.rate, self.queues)

    def args(self, rom, accel, sockets):
        kind = 'hugetlb=on,hugetlbsize=2M,' if self.hugepages else ''
        args = ['-machine', 'pc', '-accel', accel, '-m', str(self.mem),
                '-smp', str(self.queues), '-nodefaults', '-display', 'none',
                '-bios', rom, '-fw_cfg',
                'name=opt/godwit/config,string=mode=l2fwd report=1000 '
                'queues=%d ring=%d %s' % (self.queues, RING, self.guest),
                '-object', 'memory-backend-memfd,id=%s,size=%dM,share=on,'
                '%sprealloc=on' % (MEMORY_ID, self.mem, kind),
                '-machine', 'memory-backend=' + MEMORY_ID]
        for i, path in enumerate(sockets):
            args += vhost_user_card(i, path, self.queues)
        return args


def vhost_user_card(number, path, queues=1):
    mq = ',mq=on,vectors=%d' % (2 * queues + 2) if queues > 1 else ''
    return ['-chardev', 'socket,id=c%d,path=%s' % (number, path),
            '-netdev', 'vhost-user,id=n%d,chardev=c%d,queues=%d' % (
                number, number, queues),
            '-device', 'virtio-net-pci,netdev=n%d,addr=%d%s' % (
                number, 4 + number, mq)]


def threads(pid):
    return [int(tid) for tid in os.listdir('/proc/%d/task' % pid)]


def pin(vm, realtime):
    """Own threads, and those they will start, to one CPU, vCPUs to another.

    A guest that polls must not have real-time priority: the kernel's own
    threads on its CPU would starve, and everybody who waits for them."""
    vcpus = {cpu['thread-id'] for cpu in vm.qmp.cmd('query-cpus-fast')}
    for tid in threads(vm.proc.pid):
        os.sched_setaffinity(tid, {GUEST_CPU if tid in vcpus
                                   else GENERATOR_CPU})
        if realtime and tid in vcpus:
            favour(tid)


def favour(tid):
    """All but real-time priority: for the thread, and for the session it is
    in where sessions have equal shares (sched_autogroup_enabled)."""
    os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, tid, -20)
    try:
        with open('/proc/%d/autogroup' % tid, 'w', encoding='ascii') as f:
            f.write('-20')
    except OSError:
        pass    # sessions are not told apart here


POLLS = re.compile('rte-worker|lcore-worker|pmd-c')  # DPDK's names, OVS's


def raise_generator(pid, polls):
    """Real-time priority for threads that poll only if they sleep.

    The library's thread spins for locks that the other one holds: with the
    higher priority it must not have the same CPU."""
    for tid in threads(pid):
        with open('/proc/%d/task/%d/comm' % (pid, tid),
                  encoding='ascii') as f:
            worker = POLLS.match(f.read())
        if worker and polls:
            favour(tid)
            continue
        if polls:
            os.sched_setaffinity(tid, {GUEST_CPU})
        os.sched_setscheduler(tid, os.SCHED_RR, os.sched_param(
            3 if worker else 2))


class NfvBench:
    """Runs migrations; owns what all runs share.

    `switch`: what is between generator and guest: None, 'testpmd' or 'ovs';
    `chain`: a second guest behind the one that migrates, which stays."""

    def __init__(self, guests, l2gen, accel='kvm', realtime=True,
                 switch=None, chain=False):
        self.switch = switch
        self.chain = chain
        self.rom = os.path.join(guests, 'guest.rom')
        self.l2gen = l2gen
        self.accel = accel
        self.pinned = (os.cpu_count() or 1) >= 2
        self.wrapper = realtime_wrapper() if realtime else ()
        if not os.path.exists(self.rom):
            raise MeasureError('no test guest: %s' % self.rom)

    def run(self, program, workload):
        """One migration; returns a dict of figures."""
        run = NfvRun(self, program, workload)
        try:
            return run.measure()
        except MeasureError:
            raise
        except Exception as err:
            raise MeasureError('%s, %s: %s' % (program.name, workload.name,
                                               err)) from err
        finally:
            run.close()


class NfvRun:
    """One guest, its generator, and where it goes."""

    def __init__(self, bench, program, workload):
        self.bench = bench
        self.program = program
        self.workload = workload
        self.folder = tempfile.mkdtemp(prefix='gw-')
        self.reactor = Reactor()
        self.machines = []
        self.l2gen = None
        self.switches = []
        if bench.wrapper:
            self._priority(os.SCHED_RR, 1)

    @staticmethod
    def _priority(policy, value):
        """Of this process: it has to notice things in time, too."""
        os.sched_setscheduler(0, policy, os.sched_param(value))

    def close(self):
        self._priority(os.SCHED_OTHER, 0)
        if self.l2gen:
            self.l2gen.close()
        for vm in self.machines:
            if hasattr(vm, 'proc'):
                vm.kill()
                vm.cleanup()
        for switch in self.switches:
            switch.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sockets(self, name):
        return [os.path.join(self.folder, '%s%d' % (name, i))
                for i in range(2)]

    def _launch(self, name, *extra):
        vm = Machine.__new__(Machine)
        self.machines.append(vm)
        vm.__init__(self.reactor, self.folder, self.program.binary,
                    self.workload.args(self.bench.rom, self.bench.accel,
                                       self._sockets(name)) + list(extra),
                    name=name, wrapper=self.bench.wrapper)
        if self.bench.pinned:
            pin(vm, self.bench.wrapper)
        return vm

    def _generate(self):
        flat_out = self.workload.rate == 'max'
        args = ['--queues', str(self.workload.queues), '--size',
                str(self.workload.size), '--core', str(GENERATOR_CPU)]
        if not flat_out:
            args += ['--sleep', str(SLEEP_US)]
        near = {None: '', 'testpmd': 'gen-', 'ovs': 'all'}[self.bench.switch]
        places = ('all',) if near == 'all' else ('src', 'dst')
        self.l2gen = L2gen(self.reactor, self.bench.l2gen, {
            name: self._sockets('gen-' if near == 'all' else near + name)
            for name in places}, *args)
        if self.bench.wrapper:
            raise_generator(self.l2gen.proc.pid, flat_out)
        self._switch()

    def _switch(self):
        """Start what is between generator and guests."""
        if self.bench.switch == 'testpmd':
            for name in ('src', 'dst'):
                self.switches.append(Testpmd(
                    self.folder, name, self._sockets('gen-' + name),
                    self._sockets(name), GENERATOR_CPU))
        elif self.bench.switch == 'ovs':
            near, cards = self._sockets('gen-'), list(zip(
                self._sockets('src'), self._sockets('dst')))
            bridges = [(near[0], cards[0]), (near[1], cards[1])]
            if self.bench.chain:
                first, last = self._sockets('mid')
                bridges = [(near[0], cards[0]), (None, (*cards[1], first)),
                           (near[1], [last])]
            self.switches.append(Ovs(self.folder, bridges, GENERATOR_CPU))
        for switch in self.switches:
            for pid in switch.pids() if self.bench.wrapper else ():
                raise_generator(pid, True)

    def _place(self, name):
        """What the generator calls the machine's place: behind a switch
        that learns it has one for both."""
        return 'all' if self.bench.switch == 'ovs' else name

    def _wait(self, seconds):
        """Let time pass: what is measured meanwhile is the result."""
        end = time.monotonic() + seconds
        self.reactor.poll(lambda: time.monotonic() > end, 'the end')

    def _phase(self, name, seconds=0):
        self.l2gen.cmd('phase ' + name)
        self._wait(seconds)

    def start(self):
        """A guest that forwards; returns its machine."""
        self._generate()
        src = self._launch('src')
        src.wait_line('^ready$', timeout=120)
        if self.bench.chain:
            self._launch('mid').wait_line('^ready$', timeout=120)
        for port in range(2):
            self.l2gen.wait_event('up', vm=self._place('src'), port=port)
        self.l2gen.cmd('rate %s' % self.workload.rate)
        for port in range(2):
            self.l2gen.wait_event('first', vm=self._place('src'), port=port)
        self._wait(SETTLE_S)
        return src

    def _prepare(self, src, dst):
        capabilities = [{'capability': name, 'state': state}
                        for name, state in {'events': True,
                                            **self.program.capabilities
                                            }.items()]
        for vm in (src, dst):
            vm.qmp.cmd('migrate-set-capabilities', capabilities=capabilities)
        src.qmp.cmd('migrate-set-parameters', max_bandwidth=0,
                    downtime_limit=10)

    def measure(self):
        src = self.start()
        uri = 'tcp:127.0.0.1:%d' % free_port()
        dst = self._launch('dst', '-incoming', uri)
        self._prepare(src, dst)
        self._phase('before', PHASE_S)
        self._phase('pause')
        src.qmp.cmd('stop')
        src.qmp.cmd('cont')
        self._wait(SETTLE_S)
        paused = len(src.qmp.events)
        self._phase('during')
        src.qmp.cmd('migrate', uri=uri)
        done = src.qmp.wait_event(
            'MIGRATION', lambda e: e['data']['status'] in (
                'completed', 'failed'), timeout=60)
        if done['data']['status'] == 'failed':
            raise MeasureError('%s, %s: migration failed: %s' % (
                self.program.name, self.workload.name,
                src.qmp.cmd('query-migrate').get('error-desc')))
        resume = dst.qmp.wait_event('RESUME', timeout=60)
        for port in range(2):
            self.l2gen.wait_event('first', vm=self._place('dst'), port=port)
        self._wait(SETTLE_S)
        self._phase('after', PHASE_S)
        self.l2gen.cmd('rate 0')
        self._wait(SETTLE_S)
        src.qmp.events = src.qmp.events[paused:]
        return self._figures(src, dst, done, resume)

    def _check(self, dst, report):
        """What must not be, whatever it costs."""
        dst.qmp.cmd('query-status')
        dst.reactor.turn(0)
        for line in dst.serial.lines:
            if 'FAIL' in line:
                raise MeasureError('guest: ' + line)
        for name in ('before', 'pause', 'during', 'after'):
            found = phase(report, name)
            for key in ('corrupt', 'duplicates', 'never_sent'):
                if found[key]:
                    raise MeasureError('%s, %s: %d frames %s %s' % (
                        self.program.name, self.workload.name, found[key],
                        key.replace('_', ' '), name))

    def _figures(self, src, dst, done, resume):
        report = self.l2gen.report()
        self._check(dst, report)
        before, pause, during, after = (
            phase(report, name)
            for name in ('before', 'pause', 'during', 'after'))
        stop = event_time(all_events(src, 'STOP')[-1])
        setup = event_time(all_events(src, 'MIGRATION', 'setup')[0])
        first = self._first_frame(report, event_time(resume))
        info = src.qmp.cmd('query-migrate')
        result = {
            'total_ms': (max(event_time(done), event_time(resume)) -
                         setup) * 1e3,
            'downtime_ms': (event_time(resume) - stop) * 1e3,
            'told_ms': info['downtime'],
            'sent_mib': info['ram']['transferred'] / MIB,
            'lost': sum(phase(report, p['name'])['lost']
                        for p in report['phases']),
            'no_guest': during['no_guest'],
            'refused': during['refused_full'],
            'skipped': during['skipped'],
            'gap_ms': during['gap_us'] / 1e3,
            'usual_gap_ms': before['gap_us'] / 1e3,
            'pause_gap_ms': pause['gap_us'] / 1e3,
            'first_ms': (first - event_time(resume)) * 1e3,
            'own_ms': during['own_gap_us'] / 1e3,
            'kpps': before['received'] / PHASE_S / 1e3,
            'lost_ranges': report['lost_ranges'],
            'links': [e for e in self.l2gen.events if 'vm' in e],
            'stop': stop, 'resume': event_time(resume),
            'series': self._series(stop),
        }
        for name, found in (('before', before), ('during', during),
                            ('after', after)):
            for key in ('p50_us', 'p99_us', 'max_us'):
                result['%s_%s' % (name, key)] = found[key]
        if 'downtime-breakdown' in info:
            result['breakdown_us'] = info['downtime-breakdown']
        return result

    def _first_frame(self, report, resume):
        """When the destination's first frame came; behind a switch that
        learns, the end of the gap that the RESUME event lies in."""
        if self.bench.switch == 'ovs':
            during = next(p for p in report['phases']
                          if p['name'] == 'during')
            ends = [gap['time'] + gap['us'] / 1e6
                    for port in during['ports'] for gap in port['gaps']
                    if gap['time'] <= resume <= gap['time'] +
                    gap['us'] / 1e6]
            return min(ends, default=resume)
        return min(event['time'] for event in self.l2gen.events
                   if event['event'] == 'first' and event['vm'] == 'dst')

    def _series(self, stop):
        """Milliseconds since STOP, frames received, greatest latency."""
        path = os.path.join(self.folder, 'series.csv')
        self.l2gen.cmd('series ' + path)
        found = {}
        with open(path, encoding='ascii') as f:
            for row in csv.DictReader(f):
                ms = round((float(row['time']) - stop) * 1e3)
                if SERIES_MS[0] <= ms <= SERIES_MS[1]:
                    frames, worst = found.get(ms, (0, 0))
                    found[ms] = (frames + int(row['received']),
                                 max(worst, int(row['max_latency_us'])))
        return [[ms, *found[ms]] for ms in sorted(found)]
