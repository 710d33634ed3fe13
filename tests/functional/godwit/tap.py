# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that report in the Test Anything Protocol.

    from godwit.tap import Test, main, test

    @test()
    def boots(t):
        vm = t.machine(config='mode=idle')
        vm.wait_line('^hb ')

    if __name__ == '__main__':
        main()

Environment: GODWIT_BINARY (or QTEST_QEMU_BINARY) is the program under test,
GODWIT_GUESTS the folder with guest.rom, GODWIT_ACCEL the accelerator.
Arguments: the binary, then substrings of the names of tests to run, or --slow
for the tests that are registered with @slow().
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

from .hmp import Hmp
from .host import kvm_problem
from .machine import Machine
from .reactor import Reactor

_tests = []


class Skip(Exception):
    """This test can't run here, and why."""


class Host:
    """What is tested, and on what."""

    def __init__(self, binary):
        self.binary = binary
        here = os.path.dirname(os.path.abspath(__file__))
        build = os.environ.get('G_TEST_BUILDDIR', '')
        candidates = [os.environ.get('GODWIT_GUESTS', ''),
                      os.path.join(build, 'tests', 'guest'),
                      os.path.join(here, '..', '..', '..', 'build', 'tests',
                                   'guest')]
        self.guests = next(
            (c for c in candidates
             if c and os.path.exists(os.path.join(c, 'guest.rom'))), None)
        out = subprocess.run([binary, '--version'], stdout=subprocess.PIPE,
                             check=True).stdout.decode()
        self.version = out.splitlines()[0]
        self.is_godwit = 'Godwit' in self.version
        self.kvm_problem = kvm_problem()
        self.has_kvm = self.kvm_problem is None
        self.accel = os.environ.get('GODWIT_ACCEL') or (
            'kvm' if self.has_kvm else 'tcg')

    def guest(self, name):
        if not self.guests:
            raise RuntimeError('no guest programs: set GODWIT_GUESTS')
        return os.path.join(self.guests, name)


def default_binary():
    return (os.environ.get('GODWIT_BINARY') or
            os.environ.get('QTEST_QEMU_BINARY'))


def test(godwit_only=None, needs_kvm=False):
    """Register a test. `godwit_only`: why the peer can't pass it."""
    def register(func):
        _tests.append((func, godwit_only, needs_kvm, False))
        return func
    return register


def slow(godwit_only=None, needs_kvm=False):
    """Register a test that only 'make check-slow' runs."""
    def register(func):
        _tests.append((func, godwit_only, needs_kvm, True))
        return func
    return register


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Test:
    """What one test owns; all of it is gone afterwards."""

    def __init__(self, host):
        self.host = host
        self.reactor = Reactor()
        # Short: socket paths have 107 bytes.
        self.folder = tempfile.mkdtemp(prefix='gw-')
        self.machines = []
        self._closers = []

    def note(self, text):
        for line in str(text).splitlines():
            print('# ' + line, flush=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def defer(self, func):
        self._closers.append(func)

    def base_args(self, machine='pc', mem=64, smp=1, config='mode=idle',
                  accel=None):
        args = ['-machine', machine, '-accel', accel or self.host.accel,
                '-m', str(mem), '-smp', str(smp), '-nodefaults',
                '-display', 'none']
        if machine == 'microvm':
            args += ['-kernel', self.host.guest('guest.elf'),
                     '-append', config]
        else:
            args += ['-bios', self.host.guest('guest.rom'), '-fw_cfg',
                     'name=opt/godwit/config,string=' + config]
        return args + ['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04']

    def machine(self, *extra, name=None, qmp=True, serial=True, pass_fds=(),
                wrapper=(), env=None, binary=None, **base):
        """Start a machine with the test guest in it."""
        name = name or 'vm%d' % len(self.machines)
        return self.launch(self.base_args(**base) + list(extra), name=name,
                           qmp=qmp, serial=serial, pass_fds=pass_fds,
                           wrapper=wrapper, env=env, binary=binary)

    def launch(self, args, name='vm', binary=None, **kwargs):
        """Start the program (or `binary`) with just these arguments."""
        vm = Machine.__new__(Machine)
        self.machines.append(vm)
        vm.__init__(self.reactor, self.folder, binary or self.host.binary,
                    args, name=name, **kwargs)
        return vm

    def run_to_end(self, args, timeout=60, **kwargs):
        vm = self.launch(args, name='run%d' % len(self.machines), qmp=False,
                         serial=False, **kwargs)
        vm.wait_end(timeout)
        return vm

    def hmp(self, path):
        hmp = Hmp(self.reactor, path)
        self.defer(hmp.close)
        return hmp

    def close(self):
        problems = []
        for closer in reversed(self._closers):
            closer()
        for vm in self.machines:
            if not hasattr(vm, 'proc'):
                continue
            problem = vm.cleanup()
            if problem:
                problems.append(problem)
        shutil.rmtree(self.folder, ignore_errors=True)
        return problems


def check(condition, text):
    """assert that python -O does not remove."""
    if not condition:
        raise AssertionError(text)


def check_equal(got, want, what):
    check(got == want, '%s: %r instead of %r' % (what, got, want))


def check_in(part, whole, what):
    check(part in whole, '%s: no %r in %r' % (what, part, whole))


def run_one(host, func):
    """Returns a list of what went wrong."""
    t = Test(host)
    problems = []
    try:
        func(t)
    except Skip:
        raise
    except Exception:  # pylint: disable=broad-except
        problems += traceback.format_exc().splitlines()
        for vm in t.machines[-3:]:
            if hasattr(vm, 'serial'):
                problems.append('%s: serial %r' % (vm.name,
                                                   vm.serial.lines[-5:]))
                problems.append('%s: stderr %r' % (vm.name, vm.stderr))
    finally:
        problems += t.close()
    return problems


def _select(words, only_slow):
    """Tests named on the command line run whatever their kind."""
    if words:
        for word in words:
            if not any(word in entry[0].__name__ for entry in _tests):
                sys.exit('%s: no test is called *%s*; there are: %s' % (
                    os.path.basename(sys.argv[0]), word,
                    ', '.join(entry[0].__name__ for entry in _tests)))
        return [entry for entry in _tests
                if any(w in entry[0].__name__ for w in words)]
    return [entry for entry in _tests if entry[3] == only_slow]


def main():
    args = sys.argv[1:]
    binary = args.pop(0) if args and os.path.exists(args[0]) else None
    binary = binary or default_binary()
    if not binary:
        print('1..0 # SKIP no binary: set GODWIT_BINARY')
        sys.exit(0)
    # A test that is timed out from outside still ends its machines.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    host = Host(binary)
    only_slow = '--slow' in args
    chosen = _select([a for a in args if a != '--slow'], only_slow)
    failed = 0
    print('TAP version 13')
    print('# %s, accelerator %s' % (host.version, host.accel))
    print('1..%d' % len(chosen), flush=True)
    for number, (func, godwit_only, needs_kvm, _) in enumerate(chosen, 1):
        name = func.__name__
        skip = None
        problems = []
        started = time.monotonic()
        if godwit_only and not host.is_godwit:
            skip = godwit_only
        elif needs_kvm and host.accel != 'kvm':
            skip = 'needs KVM: ' + (host.kvm_problem or 'GODWIT_ACCEL=%s' %
                                    host.accel)
        else:
            try:
                problems = run_one(host, func)
            except Skip as err:
                skip = str(err)
        if skip:
            print('ok %d - %s # SKIP %s' % (number, name, skip))
        elif problems:
            failed += 1
            print('not ok %d - %s' % (number, name))
            for line in '\n'.join(problems).splitlines():
                print('# ' + line)
        else:
            print('ok %d - %s' % (number, name))
        print('# %.1f s' % (time.monotonic() - started), flush=True)
    sys.exit(1 if failed else 0)
