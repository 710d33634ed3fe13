# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests from Debian's packages: Linux with busybox, memtest86+, GRUB.

The files come from scripts/get-guest-assets; where they can't be had, the
test is skipped with the script's reason.  These guests need privileged code at
full speed, which not every KVM has, so they run on the software CPU unless
GODWIT_ACCEL says otherwise.
"""

import os
import re
import subprocess

from .machine import ProcessEnded
from .tap import Skip

PROMPT = 'guest# '
# Cursor movements, colours, modes and questions of terminals.
ESCAPES = re.compile(r'\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|c)')
# Generous: it only ends tests that hang.
BOOT_TIMEOUT = 400.0

# No clock there that the kernel could measure the TSC against, so it is told,
# and no keyboard controller to reset it by.
MICROVM_APPEND = ' tsc_early_khz=1000000 reboot=t'


def top_folder():
    here = os.path.dirname(os.path.abspath(__file__))
    return (os.environ.get('G_TEST_SRCDIR') or
            os.path.normpath(os.path.join(here, '..', '..', '..')))


def build_folder():
    return (os.environ.get('G_TEST_BUILDDIR') or
            os.path.join(top_folder(), 'build'))


class Assets:
    """Paths of the files; Skip where there are none."""

    def __init__(self, network=False, libvirt=False):
        done = subprocess.run(
            [os.path.join(top_folder(), 'scripts', 'get-guest-assets'),
             '--no-retry', '--build', build_folder(),
             *(['--network'] if network else []),
             *(['--libvirt'] if libvirt else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            lines = done.stderr.decode('utf-8', 'replace').splitlines()
            raise Skip(lines[-1] if lines else 'get-guest-assets failed')
        folder = os.path.join(build_folder(), 'guest-assets')
        self.folder = folder
        self.kernel = os.path.join(folder, 'vmlinuz')
        self.initramfs = os.path.join(folder, 'initramfs.cpio')
        self.busybox = os.path.join(folder, 'busybox')
        self.memtest = os.path.join(folder, 'memtest.bin')
        self.grub_iso = os.path.join(folder, 'grub-rescue.iso')
        self.load = os.path.join(build_folder(), 'tests', 'guest',
                                 'linux-load')


def accel():
    return os.environ.get('GODWIT_ACCEL') or 'tcg'


def machine_args(machine='pc', mem=256, smp=1):
    words = ['-machine', machine, '-accel', accel(), '-m', str(mem), '-smp',
             str(smp), '-nodefaults', '-display', 'none']
    if machine.startswith('microvm'):
        words += ['-cpu', 'qemu64,tsc-frequency=1000000000']
    return words


def linux_args(assets, machine='pc', mem=256, smp=1, append=''):
    """Up to a shell on ttyS0; a kernel that panics reboots at once."""
    words = 'console=ttyS0 panic=-1'
    if machine.startswith('microvm'):
        words += MICROVM_APPEND
    return machine_args(machine, mem, smp) + [
        '-kernel', assets.kernel, '-initrd', assets.initramfs,
        '-append', words + (' ' + append if append else '')]


def plain(text):
    return ESCAPES.sub('', text)


def wait_text(vm, pattern, timeout, start=0):
    """Wait until what is shown matches, line ends or not, from character
    `start` of the whole on; returns the last match."""
    regex = re.compile(pattern)

    def find():
        last = None
        for last in regex.finditer(text_of(vm), start):
            pass
        if last is None and vm.status is not None:
            raise ProcessEnded(vm.describe_end())
        return last
    return vm.reactor.wait(find, 'text /%s/' % pattern, timeout)


def text_of(vm):
    """All that the guest has shown, without escape sequences."""
    return plain('\n'.join([*vm.serial.lines, vm.serial.rest]))


class Shell:
    """The shell of a Linux guest. After a migration, set `vm`."""

    def __init__(self, vm):
        self.vm = vm
        self._number = 0

    def wait_prompt(self, timeout=BOOT_TIMEOUT):
        vm = self.vm

        def there():
            if PROMPT in vm.serial.rest:
                return True
            if vm.status is not None:
                raise ProcessEnded(vm.describe_end())
            return False
        vm.reactor.wait(there, vm.name + ': prompt of the shell', timeout)

    def start(self, command):
        """Type a command; returns what finish() needs."""
        self._number += 1
        mark = self.vm.mark()
        # What is typed is echoed, and must not look like the answer.
        self.vm.say('%s; echo done-$((%d+0))-$?' % (command, self._number))
        return self._number, mark

    def finish(self, started, timeout=BOOT_TIMEOUT):
        """Wait for its end; returns exit status and the lines since."""
        number, mark = started
        found = self.vm.wait_line(r'done-%d-(\d+)$' % number, mark, timeout)
        lines = [plain(line) for line in self.vm.serial.lines[mark:]]
        # What was typed before the shell was at its prompt comes twice.
        return int(found[1]), [line for line in lines[1:]
                               if 'echo done-$((' not in line]

    def run(self, command, timeout=BOOT_TIMEOUT):
        return self.finish(self.start(command), timeout)


def boot_linux(t, *extra, name=None, **kwargs):
    """A machine at the prompt of its shell; returns the shell."""
    assets = Assets()
    vm = t.launch(linux_args(assets, **kwargs) + list(extra),
                  name=name or 'linux%d' % len(t.machines))
    shell = Shell(vm)
    shell.wait_prompt()
    return shell


def results(lines):
    """{name: value} of lines 'result NAME VALUE'."""
    found = {}
    for line in lines:
        match = re.search(r'result (\w+) (.*)$', line)
        if match:
            found[match[1]] = match[2].strip()
    return found


def host_results(t, assets):
    """What load.sh says on the host, with the guest's own programs."""
    tools, folder = t.path('tools'), t.path('load')
    os.mkdir(tools)
    os.mkdir(folder)
    subprocess.run([assets.busybox, '--install', '-s', tools], check=True)
    os.symlink(assets.load, os.path.join(tools, 'linux-load'))
    script = os.path.join(top_folder(), 'tests', 'guest', 'linux', 'load.sh')
    out = subprocess.run([assets.busybox, 'sh', script, folder],
                         env={'PATH': tools, 'LC_ALL': 'C'}, check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return results(out.splitlines())
