# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt daemon in its own mount and network namespace.

It is the one from Debian's packages, without systemd, D-Bus and PolicyKit: its
folders under /etc, /var and /run are empty ones of the test, and its emulator
is bound over the path where every host of a migration expects it. Nothing of
the system's own libvirt is seen or changed.
"""

import os
import shutil
import signal
import subprocess
import time

from godwit.certificates import make_certificates

# Where a domain without <emulator> finds it.
EMULATOR = '/usr/bin/qemu-system-x86_64'
LIBVIRTD = '/usr/sbin/libvirtd'
# Below the daemon's folder, and where the daemon sees it.
FOLDERS = (('etc', '/etc/libvirt'), ('lib', '/var/lib/libvirt'),
           ('cache', '/var/cache/libvirt'), ('log', '/var/log/libvirt'))
QEMU_USER = 'libvirt-qemu'
PASSWD_LINE = QEMU_USER + ':x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'
GROUP_LINE = QEMU_USER + ':x:64055:'
START_TIMEOUT = 60
COMMAND_TIMEOUT = 300

# Run in the new namespaces: FOLDER EMULATOR NAME, then a command.
SETUP = r'''
set -e
folder=$1 emulator=$2
hostname "$3"
mount --make-rprivate /
for name in etc lib cache log; do
    target=$(eval echo \$$name)
    mount --bind "$folder/$name" "$target"
done
for name in passwd group; do
    mount --bind "$folder/$name" "/etc/$name"
done
mkdir -p "$folder/run/libvirt"
mount --bind "$folder/run" /run
if [ "$emulator" != "$real" ]; then
    mount --bind "$emulator" "$real"
fi
ip link set lo up
shift 3
exec "$@"
'''


class CommandFailed(Exception):
    """A virsh command ended with an error, and its text."""


def missing():
    """Why there can be no daemon here; None if there can."""
    for tool in (LIBVIRTD, 'virsh', 'unshare', 'nsenter', 'ip'):
        if not shutil.which(tool):
            return 'no %s: scripts/install-deps --libvirt' % tool
    if os.geteuid() != 0:
        return 'namespaces, taps and libvirt want root'
    for _, target in FOLDERS:
        os.makedirs(target, exist_ok=True)
    done = subprocess.run(['unshare', '--mount', '--net', 'true'],
                          check=False, stderr=subprocess.PIPE)
    if done.returncode:
        return 'unshare: ' + done.stderr.decode('utf-8', 'replace').strip()
    return None


class Daemon:
    """One host: `name`, its libvirt daemon and the network around it."""

    def __init__(self, folder, name, number, emulator, certificates):
        self.name = name
        self.certificates = certificates
        self.folder = os.path.join(folder, name)
        self.emulator = os.path.realpath(emulator)
        self.address = '10.98.0.%d' % (number + 1)
        self.uuid = '%08d-6c76-4c76-8c76-6c6976697274' % (number + 1)
        self.proc = None
        # A process that keeps the namespaces when the daemon restarts.
        self._keeper = None
        for part, _ in FOLDERS + (('run', ''),):
            os.makedirs(os.path.join(self.folder, part))
        self._configure()

    def _write(self, path, lines):
        with open(os.path.join(self.folder, path), 'w',
                  encoding='ascii') as file:
            file.write('\n'.join(lines) + '\n')

    def _configure(self):
        # The user that Debian's build runs guests as must exist; the system's
        # own files are bound over by longer ones.
        for name, line in (('passwd', PASSWD_LINE), ('group', GROUP_LINE)):
            with open('/etc/' + name, encoding='utf-8') as file:
                lines = [have for have in file.read().splitlines()
                         if not have.startswith(QEMU_USER + ':')]
            self._write(name, lines + [line])
        self._write('etc/libvirtd.conf', (
            'listen_tls = 0', 'listen_tcp = 1', 'tcp_port = "16509"',
            'auth_tcp = "none"', 'auth_unix_rw = "none"',
            'auth_unix_ro = "none"', 'unix_sock_group = "root"',
            'listen_addr = "0.0.0.0"', 'host_uuid = "%s"' % self.uuid,
            'log_filters = "1:qemu.qemu_monitor 3:remote 4:util.json '
            '2:qemu 3:*"',
            'log_outputs = "1:file:%s/daemon.log"' % self.folder,
            'keepalive_interval = -1'))
        self._write('etc/qemu.conf', (
            'user = "root"', 'group = "root"', 'dynamic_ownership = 0',
            'security_driver = "none"', 'namespaces = []',
            'cgroup_controllers = []', 'stdio_handler = "file"',
            'migration_host = "%s"' % self.address,
            'migration_address = "0.0.0.0"', 'remember_owner = 0',
            'migrate_tls_x509_cert_dir = "%s"' % self.certificates,
            'migrate_tls_x509_verify = 1'))

    @property
    def socket(self):
        return os.path.join(self.folder, 'run', 'libvirt', 'libvirt-sock')

    @property
    def uri(self):
        """For a client outside of the namespaces."""
        return 'qemu+unix:///system?socket=' + self.socket

    @property
    def tcp_uri(self):
        """For the other daemon."""
        return 'qemu+tcp://%s/system' % self.address

    def inside(self, *args):
        """The command that runs these words in the daemon's namespaces."""
        return ['nsenter', '-t', str(self._keeper.pid), '-m', '-n', '-u', *args]

    def run(self, *args, **kwargs):
        return subprocess.run(self.inside(*args), check=True, **kwargs)

    def start(self):
        """Namespaces, if there are none yet, and a daemon that answers."""
        env = {**os.environ, 'real': EMULATOR, **dict(FOLDERS)}
        if not self._keeper:
            self._keeper = subprocess.Popen(
                ['unshare', '--mount', '--net', '--uts', 'sh', '-c', SETUP,
                 'sh', self.folder, self.emulator, self.name, 'sh', '-c',
                 'echo ready; exec sleep infinity'],
                env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            if self._keeper.stdout.readline() != b'ready\n':
                raise CommandFailed('no namespaces for ' + self.name)
        with open(os.path.join(self.folder, 'stderr'), 'ab') as err:
            self.proc = subprocess.Popen(
                self.inside(LIBVIRTD, '--listen', '--pid-file',
                            '/run/libvirtd.pid'),
                stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env={'PATH': os.environ['PATH'], 'LC_ALL': 'C.UTF-8',
                     'HOME': '/root'})
        end = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self.proc.poll() is not None:
                raise CommandFailed('libvirtd of %s ended: %s' % (
                    self.name, self.text('stderr')[-800:]))
            if time.monotonic() > end:
                raise CommandFailed('libvirtd of %s does not answer' %
                                    self.name)
            time.sleep(0.05)

    def _answers(self):
        return os.path.exists(self.socket) and subprocess.run(
            ['virsh', '-q', '-c', self.uri, 'uri'], check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=START_TIMEOUT).returncode == 0

    def stop(self, sig=signal.SIGTERM):
        """The daemon alone; its domains run on."""
        if self.proc:
            self.proc.send_signal(sig)
            self.proc.wait(START_TIMEOUT)
            self.proc = None

    def text(self, path):
        with open(os.path.join(self.folder, path),
                  encoding='utf-8', errors='replace') as file:
            return file.read()

    def virsh(self, *args, timeout=COMMAND_TIMEOUT, stdin=None):
        """Its standard output, stripped; CommandFailed with what it says."""
        done = subprocess.run(
            ['virsh', '-q', '-c', self.uri, *map(str, args)], check=False,
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=timeout,
            env={**os.environ, 'LC_ALL': 'C.UTF-8'})
        if done.returncode:
            raise CommandFailed('%s: virsh %s: %s' % (
                self.name, ' '.join(map(str, args)),
                done.stderr.decode('utf-8', 'replace').strip()))
        return done.stdout.decode('utf-8', 'replace').strip()

    def domains(self, *args):
        return self.virsh('list', '--name', *args).split()

    def close(self):
        """All that it ran and made is gone, but the folder."""
        if self.proc and self.proc.poll() is None:
            for domain in self.domains():
                try:
                    self.virsh('destroy', domain, timeout=60)
                except CommandFailed:
                    pass
        self.stop()
        if self._keeper:
            self._keeper.kill()
            self._keeper.wait()
            self._keeper.stdout.close()
            self._keeper = None


class Pair:
    """Two hosts with a cable between them. `emulators`: one for each."""

    def __init__(self, folder, emulators):
        self.folder = folder
        self.shared = os.path.join(folder, 'shared')
        os.makedirs(self.shared, exist_ok=True)
        certificates = make_certificates(os.path.join(folder, 'pki'))
        self.hosts = [Daemon(folder, 'host%d' % n, n, emulator, certificates)
                      for n, emulator in enumerate(emulators)]

    def start(self):
        first, second = self.hosts
        for host in self.hosts:
            host.start()
        peer = second._keeper.pid  # pylint: disable=protected-access
        first.run('ip', 'link', 'add', 'cable', 'type', 'veth', 'peer',
                  'name', 'cable', 'netns', str(peer))
        for host in self.hosts:
            host.run('ip', 'address', 'add', host.address + '/24', 'dev',
                     'cable')
            host.run('ip', 'link', 'set', 'cable', 'up')

    def close(self):
        for host in self.hosts:
            host.close()
