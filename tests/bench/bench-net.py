#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How many frames per second a guest with one virtio-net card sends back
through each network back end, and what that costs the program's own threads;
alternating between Godwit and Debian's emulator. Prints a table and ratios;
writes JSON and Markdown.

  vhost-user   l2gen sends as many as go
  tap, socket, dgram, user   net-load keeps 256 frames under way

CPU 0 is for generator and program, CPU 1 for the guest, as in bench-nfv."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from bench import host_facts
from demo import Progress
from measure import (Machine, MeasureError, Program, Reactor, default_guests,
                     find_peer, free_port, is_godwit, realtime_wrapper)
from nfv_measure import GENERATOR_CPU, pin, raise_generator, threads
from tables import markdown_table, summarise, text_table
from godwit.l2gen import L2gen, find_l2gen, phase

OURS, PEER = 'Godwit', "Debian's QEMU"
KINDS = ('vhost-user', 'tap', 'socket', 'dgram', 'user')
MEM = 128   # MiB
COLUMNS = (
    ('kpps', 'kpps', 1),
    ('cpu_us', 'own CPU us/frame', 2),
    ('p50_us', 'p50 us', 0),
    ('p99_us', 'p99 us', 0),
    ('lost', 'lost', 0),
)


def own_cpu_s(vm):
    """CPU time of all threads but the vCPUs'."""
    vcpus = {cpu['thread-id'] for cpu in vm.qmp.cmd('query-cpus-fast')}
    total = 0
    for tid in threads(vm.proc.pid):
        if tid not in vcpus:
            with open('/proc/%d/task/%d/schedstat' % (vm.proc.pid, tid),
                      encoding='ascii') as f:
                total += int(f.read().split()[0])
    return total / 1e9


class NetRun:
    """One guest, one back end, one generator."""

    def __init__(self, args, program, kind):
        self.args = args
        self.program = program
        self.kind = kind
        self.folder = tempfile.mkdtemp(prefix='gw-')
        self.reactor = Reactor()
        self.vm = None
        self.l2gen = None
        self.port = free_port()
        self.tap = 'gwnet%d' % (os.getpid() % 10000)

    def close(self):
        if self.l2gen:
            self.l2gen.close()
        if self.vm and hasattr(self.vm, 'proc'):
            self.vm.kill()
            self.vm.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _netdev(self):
        return {
            'vhost-user': 'vhost-user,id=n,chardev=c',
            'tap': 'tap,id=n,ifname=%s,script=no,downscript=no' % self.tap,
            'socket': 'socket,id=n,listen=127.0.0.1:%d' % self.port,
            'dgram': 'dgram,id=n,local.type=unix,local.path=%s,'
                     'remote.type=unix,remote.path=%s' % (
                         self._path('card'), self._path('host')),
            'user': 'user,id=n,hostfwd=udp:127.0.0.1:%d-:7' % self.port,
        }[self.kind]

    def _start(self):
        extra = []
        if self.kind == 'vhost-user':
            self.l2gen = L2gen(self.reactor, self.args.l2gen,
                               {'vm': [self._path('vhost')]}, '--size',
                               str(self.args.frame), '--core',
                               str(GENERATOR_CPU))
            if self.args.wrapper:
                raise_generator(self.l2gen.proc.pid, True)
            extra = ['-chardev', 'socket,id=c,path=' + self._path('vhost')]
        self.vm = Machine.__new__(Machine)
        self.vm.__init__(
            self.reactor, self.folder, self.program.binary,
            ['-machine', 'pc', '-accel', self.args.accel, '-m', str(MEM),
             '-nodefaults', '-display', 'none', '-bios',
             os.path.join(self.args.guests, 'guest.rom'), '-fw_cfg',
             'name=opt/godwit/config,string=mode=l2fwd report=1000 echo=1',
             '-object', 'memory-backend-memfd,id=m,share=on,size=%dM' % MEM,
             '-machine', 'memory-backend=m', *extra,
             '-netdev', self._netdev(),
             '-device', 'virtio-net-pci,netdev=n'],
            name='vm', wrapper=self.args.wrapper)
        if os.cpu_count() > 1:
            pin(self.vm, self.args.wrapper)
        self.vm.wait_line('^ready$')
        if self.kind == 'tap':
            with open('/proc/sys/net/ipv6/conf/%s/disable_ipv6' % self.tap,
                      'w', encoding='ascii') as f:
                f.write('1')
            subprocess.run(['ip', 'link', 'set', self.tap, 'up'], check=True)

    def _load(self):
        """Figures of the generator, as net-load prints them."""
        if self.l2gen:
            self.l2gen.wait_event('up')
            self.l2gen.cmd('rate max')
            self.l2gen.wait_event('first')
            self.l2gen.cmd('phase measured')
            end = time.monotonic() + self.args.seconds
            self.reactor.poll(lambda: time.monotonic() > end, 'the end')
            return self._vhost_figures()
        where = {'tap': ['tap', self.tap],
                 'socket': ['stream', '127.0.0.1', str(self.port)],
                 'dgram': ['dgram', self._path('host'), self._path('card')],
                 'user': ['udp', '127.0.0.1', str(self.port)]}[self.kind]
        done = subprocess.run(
            [*self.args.wrapper, 'taskset', '-c', str(GENERATOR_CPU),
             self.args.net_load, *where, str(self.args.seconds),
             str(self.args.frame)], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    def _vhost_figures(self):
        self.l2gen.cmd('phase end')
        self.l2gen.cmd('rate 0')
        report = self.l2gen.report()
        found = phase(report, 'measured')
        start, end = (next(p['start'] for p in report['phases']
                           if p['name'] == name)
                      for name in ('measured', 'end'))
        return {'received': found['received'], 'lost': 0,
                'pps': found['received'] / (end - start),
                'p50_us': found['p50_us'], 'p99_us': found['p99_us']}

    def measure(self):
        self._start()
        before = own_cpu_s(self.vm)
        load = self._load()
        cpu = own_cpu_s(self.vm) - before
        if not load['received']:
            raise MeasureError('%s, %s: nothing came back' % (
                self.program.name, self.kind))
        return {'kpps': load['pps'] / 1e3,
                'cpu_us': cpu * 1e6 / load['received'],
                'p50_us': load['p50_us'], 'p99_us': load['p99_us'],
                'lost': load['lost']}


def run_one(args, program, kind):
    run = NetRun(args, program, kind)
    try:
        return run.measure()
    except MeasureError:
        raise
    except Exception as err:
        raise MeasureError('%s, %s: %s' % (program.name, kind, err)) from err
    finally:
        run.close()


def ratios(results):
    """Lines that hold the medians against the peer's."""
    for kind, programs in results.items():
        if programs.get(OURS) and programs.get(PEER):
            rate, cpu = (tuple(summarise(programs[p], key)[0]
                               for p in (OURS, PEER))
                         for key in ('kpps', 'cpu_us'))
            yield '%-4s %s: %.2f times the peer\'s rate, %.2f times its CPU' % (
                'ok' if rate[0] >= rate[1] else 'MISS', kind,
                rate[0] / rate[1], cpu[0] / max(cpu[1], 1e-9))


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--binary', required=True,
                        help='the program under test')
    parser.add_argument('--peer', help='the program to compare it with')
    parser.add_argument('--guests', help='folder of guest.rom')
    parser.add_argument('--frame', type=int, default=64,
                        help='bytes of a frame, 64 to 1518 [64]')
    parser.add_argument('--seconds', type=int, default=3, help='per run [3]')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--only', action='append', default=[],
                        metavar='KIND', help=', '.join(KINDS))
    parser.add_argument('--accel', default='kvm')
    parser.add_argument('--no-realtime', action='store_true')
    args = parser.parse_args()
    args.folder = os.path.dirname(os.path.abspath(args.binary))
    args.guests = args.guests or default_guests(args.binary)
    args.l2gen = find_l2gen(args.folder)
    args.net_load = os.path.join(args.folder, 'tests', 'bench', 'net-load')
    args.wrapper = () if args.no_realtime else realtime_wrapper()
    return args


def main():
    args = parse_args()
    notes = []
    kinds = [k for k in KINDS if not args.only or k in args.only]
    if 'vhost-user' in kinds and not args.l2gen:
        notes.append('no l2gen: vhost-user is left out')
        kinds.remove('vhost-user')
    shown = [Program(OURS if is_godwit(args.binary) else 'under test',
                     args.binary)]
    peer = args.peer or find_peer(args.binary)
    if peer:
        shown.append(Program(PEER, peer))
    results = {kind: {p.name: [] for p in shown} for kind in kinds}
    progress = Progress(args.runs * len(kinds) * len(shown))
    for _ in range(args.runs):
        for kind in kinds:
            for program in shown:
                progress.show('%s: %s' % (program.name, kind))
                try:
                    results[kind][program.name].append(
                        run_one(args, program, kind))
                except MeasureError as err:
                    notes.append(str(err))
                progress.step()
    progress.close()
    if not any(runs for p in results.values() for runs in p.values()):
        sys.exit('bench-net: no run gave figures: %s' % '; '.join(notes))
    lines = [*ratios(results), *('note: ' + note for note in notes)]
    print(text_table(results, COLUMNS), *lines, sep='\n')
    facts = host_facts(args, shown)
    for name, text in (
            ('bench-net.json', json.dumps({'host': facts, 'runs': results},
                                          indent=1) + '\n'),
            ('bench-net.md', '# Network back ends\n\n%s\n\n%s\n' % (
                markdown_table(results, COLUMNS),
                '\n'.join('- ' + line for line in lines)))):
        path = os.path.join(args.folder, name)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        print('written: %s' % os.path.relpath(path))
    if not all(results[kind][shown[0].name] for kind in kinds):
        sys.exit(1)


if __name__ == '__main__':
    main()
