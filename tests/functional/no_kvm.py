# SPDX-License-Identifier: GPL-2.0-or-later
"""What is used every day works where there is no /dev/kvm.

Each program runs in a mount namespace with a /dev that lacks it: see
without-kvm.
"""

import os
import re
import signal
import subprocess
import sys

from godwit.host import without_kvm
from godwit.linux import build_folder, top_folder
from godwit.tap import Skip, check, check_equal, check_in, main, test

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 120.0


def wrapper():
    prefix, reason = without_kvm()
    if not prefix:
        raise Skip(reason)
    return prefix


def run(t, *command, timeout=TIMEOUT, **env):
    """Exit status and output of a command that sees no KVM. A time-out ends
    all it has started."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('GODWIT_ACCEL', 'MAKEFLAGS', 'MAKELEVEL')}
    with subprocess.Popen([*wrapper(), *command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True,
                          env={**environment, **env}) as proc:
        try:
            out, _ = proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGTERM)
            out, _ = proc.communicate()
            raise AssertionError('%s took too long: %s' % (
                command[0], out.decode('utf-8', 'replace')[-2000:])) from None
    text = out.decode('utf-8', 'replace')
    for line in text.splitlines()[-40:]:
        t.note('  ' + line)
    return proc.returncode, text


@test()
def kvm_is_hidden(t):
    """The test of the tests."""
    status, _ = run(t, 'sh', '-c', 'echo into >/dev/null && [ ! -e /dev/kvm ]')
    check_equal(status, 0, 'status')


@test()
def default_command_line(t):
    """Nothing is said about machine or accelerator: the firmware runs."""
    path = t.path('debug')
    vm = t.launch(['-display', 'none',
                   '-chardev', 'file,id=dbg,path=' + path,
                   '-device', 'isa-debugcon,iobase=0x402,chardev=dbg'],
                  wrapper=wrapper())
    check_equal(vm.qmp.cmd('query-kvm')['enabled'], False, 'KVM enabled')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')

    def firmware():
        with open(path, encoding='latin-1') as f:
            text = f.read()
        return 'SeaBIOS (version ' in text and 'Booting from ' in text
    t.reactor.poll(firmware, 'debug output of SeaBIOS', TIMEOUT)
    # It may say that it looked for KVM, and nothing else.
    check_equal([line for line in vm.error_lines()
                 if 'kvm' not in line and 'falling back to tcg' not in line],
                [], 'standard error')


def boots(t, *accel):
    args = t.base_args(config='mode=idle')
    at = args.index('-accel')
    vm = t.launch([*args[:at], *args[at + 2:], *accel], wrapper=wrapper())
    check_equal(vm.qmp.cmd('query-kvm')['enabled'], False, 'KVM enabled')
    vm.wait_line(r'^hb \d+ \d+$', 0, TIMEOUT)
    vm.say('quit')
    check_equal(vm.wait_end(), 1, 'exit status')


@test()
def guest_without_accelerator_option(t):
    boots(t)


@test()
def falls_back(t):
    boots(t, '-accel', 'kvm', '-accel', 'tcg')


@test()
def falls_back_by_machine_option(t):
    boots(t, '-machine', 'accel=kvm:tcg')


@test()
def kvm_alone_is_refused(t):
    for args in (['-accel', 'kvm'], ['-enable-kvm'],
                 ['-machine', 'pc,accel=kvm']):
        vm = t.run_to_end(['-nodefaults', '-display', 'none', *args],
                          wrapper=wrapper())
        check_equal(vm.status, 1, 'exit status of %r' % args)
        check(re.search(r'(?i)kvm', vm.stderr), 'stderr: %r' % vm.stderr)
        check_in('No such file or directory', vm.stderr, 'stderr')


@test()
def functional_tests(t):
    """As 'make check' runs them: they choose the software CPU."""
    status, text = run(t, sys.executable, os.path.join(HERE, 'boot.py'),
                       t.host.binary, 'pc_rom', 'no_reboot', 'microvm_pvh')
    check_equal(status, 0, 'status of boot.py')
    check_in('accelerator tcg', text, 'output')
    check(re.search('^ok 1 - ', text, re.M), 'a test was run')
    check('# SKIP' not in text, 'none was skipped')


@test(godwit_only='the unit tests are of Godwit')
def unit_tests(t):
    """Those of KVM are skipped with a reason, and fail nowhere."""
    folder = os.path.join(build_folder(), 'tests', 'unit')
    names = [name for name in ('test-kvm', 'test-kvm-state', 'test-vcpu')
             if os.access(os.path.join(folder, name), os.X_OK)]
    if not names:
        raise Skip('no unit tests of KVM in this build')
    for name in names:
        status, text = run(t, os.path.join(folder, name), '--tap')
        check(status in (0, 77), 'status of %s: %d' % (name, status))
        check('not ok' not in text, name + ' failed')


@test(godwit_only="'make demo' is of Godwit")
def make_demo(t):
    if os.path.dirname(os.path.realpath(t.host.binary)) != os.path.realpath(
            build_folder()):
        raise Skip('the program is not the one of the build folder')
    status, text = run(
        t, 'make', '-C', top_folder(), 'demo', 'BUILD=' + build_folder(),
        'DEMO_ARGS=--size 256 --runs 1 --svg ' + t.path('demo.svg'),
        timeout=300, GODWIT_SKIP_DEPS='1')
    check(status == 0, 'status of make demo: %d: %s' % (status, text[-2000:]))
    check_in('note: no KVM (', text, 'output')
    check_in('Godwit, all three on', text, 'table')
    check(os.path.getsize(t.path('demo.svg')) > 0, 'there is a chart')


if __name__ == '__main__':
    main()
