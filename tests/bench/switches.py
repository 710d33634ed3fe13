# SPDX-License-Identifier: GPL-2.0-or-later
"""Switches between the generator and guests: Debian's dpdk-testpmd and
Open vSwitch with DPDK.

Towards the generator a switch is a virtio-user front end (the generator
listens); towards guests it is a vhost-user back end, which listens."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

from measure import MeasureError

HUGEPAGES_MIB = 512     # of each switch
START_S = 30
OVS_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
OVS_DAEMON = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'


def wait_for(condition, what):
    end = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > end:
            raise MeasureError('no %s within %d s' % (what, START_S))
        time.sleep(0.02)


class Testpmd:
    """`--forward-mode=io` between pairs of ports; one for each machine, as
    it does not know where a guest has gone."""

    def __init__(self, folder, name, generator, guest, cpu):
        """`generator`, `guest`: paths of sockets, one for each way."""
        path = shutil.which('dpdk-testpmd')
        if not path:
            raise MeasureError('no dpdk-testpmd: scripts/install-deps --nfv')
        args = [path, '--lcores', '0@%d,1@%d' % (cpu, cpu), '--no-pci',
                '--in-memory', '-m', str(HUGEPAGES_MIB // 2), '--no-telemetry',
                '--single-file-segments']
        for i, (near, far) in enumerate(zip(generator, guest)):
            args += ['--vdev', 'net_virtio_user%d,path=%s,queues=1,'
                     'queue_size=1024' % (i, near),
                     '--vdev', 'net_vhost%d,iface=%s,queues=1' % (i, far)]
        # Numbered in that order, and paired two by two.
        args += ['--', '--forward-mode=io', '--auto-start', '--total-num-mbufs',
                 '16384', '--port-topology=paired', '--portlist=0,1,2,3']
        self.log = open(os.path.join(folder, name + '.log'), 'wb')
        self.proc = subprocess.Popen(args, stdin=subprocess.PIPE,
                                     stdout=self.log, stderr=self.log,
                                     start_new_session=True)
        wait_for(lambda: all(os.path.exists(p) for p in guest) or
                 self.proc.poll() is not None, 'sockets of testpmd')
        if self.proc.poll() is not None:
            with open(self.log.name, encoding='utf-8') as f:
                raise MeasureError('testpmd ended: ' + f.read()[-300:])

    def pids(self):
        return [self.proc.pid]

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.log.close()


class Ovs:
    """Bridges that learn where guests are."""

    def __init__(self, folder, bridges, cpu):
        """`bridges`: for each the generator's socket, or None, and the
        guests' sockets, which OVS makes in `folder`."""
        if not os.path.exists(OVS_DAEMON):
            raise MeasureError('no OVS: scripts/install-deps --nfv')
        self.folder = folder
        self.env = dict(os.environ, OVS_RUNDIR=folder, OVS_DBDIR=folder,
                        OVS_LOGDIR=folder)
        self.db = 'unix:' + self._path('db.sock')
        self._run('ovsdb-tool', 'create', self._path('conf.db'), OVS_SCHEMA)
        self._run('ovsdb-server', self._path('conf.db'),
                  '--remote=p' + self.db, '--pidfile=' + self._path('db.pid'),
                  '--unixctl=' + self._path('db.ctl'), '--detach')
        self._vsctl('--no-wait', 'init')
        self._vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                    'other_config:dpdk-init=true',
                    'other_config:dpdk-socket-mem=%d' % HUGEPAGES_MIB,
                    'other_config:pmd-cpu-mask=%#x' % (1 << cpu),
                    'other_config:dpdk-extra=--no-pci --in-memory '
                    '--single-file-segments')
        self._run(OVS_DAEMON, self.db, '--pidfile=' + self._path('vs.pid'),
                  '--unixctl=' + self._path('vs.ctl'),
                  '--log-file=' + self._path('vs.log'), '--detach')
        for i, (near, guests) in enumerate(bridges):
            bridge = 'br%d' % i
            self._vsctl('add-br', bridge, '--', 'set', 'bridge', bridge,
                        'datapath_type=netdev')
            if near:
                self._port(bridge, 'gen%d' % i, 'dpdk',
                           'options:dpdk-devargs=net_virtio_user%d,path=%s,'
                           'queues=1,queue_size=1024' % (i, near))
            for path in guests:
                self._port(bridge, os.path.basename(path), 'dpdkvhostuser')
        wait_for(lambda: all(os.path.exists(path) for _, guests in bridges
                             for path in guests), 'sockets of OVS')

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _run(self, *args):
        done = subprocess.run(args, env=self.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False,
                              timeout=START_S)
        if done.returncode:
            raise MeasureError('%s: %s' % (
                args[0], done.stderr.decode('utf-8', 'replace')[-300:]))

    def _vsctl(self, *args):
        self._run('ovs-vsctl', '--db=' + self.db, *args)

    def _port(self, bridge, name, kind, *options):
        self._vsctl('add-port', bridge, name, '--', 'set', 'Interface', name,
                    'type=' + kind, *options)
        done = subprocess.run(['ovs-vsctl', '--db=' + self.db, 'get',
                               'Interface', name, 'error'],
                              stdout=subprocess.PIPE, env=self.env,
                              check=True).stdout.decode().strip()
        if done != '[]':
            raise MeasureError('OVS, port %s: %s' % (name, done))

    def pids(self):
        found = []
        for name in ('vs.pid', 'db.pid'):
            try:
                with open(self._path(name), encoding='ascii') as f:
                    found.append(int(re.match(r'\d+', f.read())[0]))
            except (OSError, TypeError):
                pass
        return found

    def close(self):
        for pid in self.pids():
            try:
                pidfd = os.pidfd_open(pid)
                os.kill(pid, signal.SIGKILL)
                # Not our child: it is gone when its pidfd can be read.
                select.select([pidfd], [], [], START_S)
                os.close(pidfd)
            except ProcessLookupError:
                pass
