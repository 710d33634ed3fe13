# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines that can't work: status 1, one line that names the thing."""

import os
import re
import signal
import socket
import subprocess

from godwit.compat import compat_names, compat_properties
from godwit.host import without_kvm
from godwit.tap import Skip, check, check_equal, check_in, main, test

# Arguments behind "-machine pc -nodefaults -display none -S" and what the
# message must contain. {dir} is an empty folder, {port} a port in use, {file}
# a file with a few bytes in it, {rom} a good firmware.
TABLE = (
    # Options.
    (['-no-such-option'], 'no-such-option'),
    (['--no-such-option=1'], 'no-such-option'),
    (['-m'], '-m'),
    (['-acpitable', 'data={dir}/no-such-table'], '{dir}/no-such-table'),
    (['-acpitable', 'sig=TEST'], "'data'"),
    (['-option-rom', '{dir}/no-such-rom'], '{dir}/no-such-rom'),
    (['-option-rom', 'bootindex=1'], 'not specified'),
    (['-option-rom', '/dev/zero'], '16777216'),
    (['-smbios', 'file=/dev/zero'], '16777216'),
    (['-smbios', 'type=11,path=/dev/zero'], '16777216'),
    (['-bios', '/dev/zero'], '16777216'),
    (['-bios'], '-bios'),
    (['-name', 'a,no-such=1'], 'no-such'),
    # Machines and accelerators.
    (['-machine', 'no-such-machine'], 'no-such-machine'),
    (['-machine', 'pc,no-such-property=1'], 'no-such-property'),
    (['-machine', 'pc,kernel-irqchip=sometimes'], 'sometimes'),
    (['-accel', 'no-such-accel'], 'no-such-accel'),
    (['-machine', 'pc,accel=no-such-accel'], 'no-such-accel'),
    # Processors.
    (['-cpu', 'qemu64,migratable=off'], 'migratable'),
    (['-cpu', 'no-such-cpu'], 'no-such-cpu'),
    (['-cpu', 'qemu64,no-such-feature=on'], 'no-such-feature'),
    (['-cpu', 'qemu64,+no-such-feature'], 'no-such-feature'),
    (['-smp', 'nonsense'], 'nonsense'),
    (['-smp', '99999'], '99999'),
    (['-smp', '4,maxcpus=2'], ''),
    (['-smp', '4,sockets=3,cores=1,threads=1,maxcpus=4'], ''),
    (['-smp', '2,no-such=1'], 'no-such'),
    # Memory.
    (['-m', 'nonsense'], 'nonsense'),
    (['-m', '-5'], ''),
    (['-m', '1Z'], '1Z'),
    (['-m', '900000G'], ''),
    (['-m', '64,no-such=1'], 'no-such'),
    (['-object', 'memory-backend-ram,id=m'], 'size'),
    (['-object', 'memory-backend-ram,size=64M'], 'id'),
    (['-object', 'memory-backend-file,id=m,size=64M'], 'mem-path'),
    (['-object', 'memory-backend-file,id=m,size=64M,'
      'mem-path={dir}/no/such/file'], '{dir}/no/such/file'),
    (['-object', 'memory-backend-ram,id=m,size=64M,no-such=1'], 'no-such'),
    (['-object', 'no-such-object,id=m'], 'no-such-object'),
    (['-machine', 'pc,memory-backend=nowhere'], 'nowhere'),
    (['-mem-path', '{dir}/no/such/folder'], '{dir}/no/such/folder'),
    # Images and firmware.
    (['-bios', '{dir}/no-such-bios'], '{dir}/no-such-bios'),
    (['-bios', '{file}'], '{file}'),
    (['-kernel', '{dir}/no-such-kernel'], '{dir}/no-such-kernel'),
    (['-kernel', '{rom}', '-initrd', '{dir}/no-such-initrd'], ''),
    (['-drive', 'file={dir}/no-such-image,if=ide,format=raw'],
     '{dir}/no-such-image'),
    (['-drive', 'file={rom},if=nonsense,format=raw'], 'nonsense'),
    (['-drive', 'file={rom},if=ide,format=no-such-format'],
     'no-such-format'),
    (['-hda', '{dir}/no-such-image'], '{dir}/no-such-image'),
    (['-cdrom', '{dir}/no-such-image'], '{dir}/no-such-image'),
    # Devices.
    (['-device', 'no-such-device'], 'no-such-device'),
    (['-device', 'isa-debug-exit,no-such-property=1'], 'no-such-property'),
    (['-device', 'isa-debug-exit,iobase=nonsense'], 'iobase'),
    (['-device', 'isa-serial,chardev=nowhere'], 'nowhere'),
    (['-device', 'isa-debugcon'], 'chardev'),
    (['-device', ''], ''),
    (['-device', 'isa-debug-exit,id=a', '-device',
      'isa-debug-exit,id=a,iobase=0x600'], "a"),
    (['-device', 'pci-testdev,addr=99'], 'addr'),
    (['-device', 'pci-testdev,bus=nowhere'], 'nowhere'),
    (['-global', 'nonsense'], 'nonsense'),
    # Firmware configuration.
    (['-fw_cfg', 'name=opt/a'], ''),
    (['-fw_cfg', 'name=opt/a,file={dir}/no-such-file'],
     '{dir}/no-such-file'),
    (['-fw_cfg', 'string=a'], 'name'),
    # Character devices and monitors.
    (['-serial', 'no-such-backend'], 'no-such-backend'),
    (['-serial', 'unix:{dir}/no/such/sock,server=on,wait=off'],
     '{dir}/no/such/sock'),
    (['-chardev', 'no-such-backend,id=c'], 'no-such-backend'),
    (['-chardev', 'null'], 'id'),
    (['-chardev', 'file,id=c,path={dir}/no/such/log'], '{dir}/no/such/log'),
    (['-chardev', 'socket,id=c,path={dir}/no-such-sock'],
     '{dir}/no-such-sock'),
    (['-chardev', 'null,id=c,no-such-option=1'], 'no-such-option'),
    (['-chardev', 'null,id=c', '-chardev', 'null,id=c'], "c"),
    (['-monitor', 'unix:{dir}/no/such/sock,server,nowait'],
     '{dir}/no/such/sock'),
    (['-monitor', 'tcp:127.0.0.1:{port},server,nowait'], '{port}'),
    (['-qmp', 'tcp:127.0.0.1:{port},server,nowait'], '{port}'),
    (['-qmp', 'nonsense'], 'nonsense'),
    (['-mon', 'chardev=nowhere,mode=control'], 'nowhere'),
    (['-mon', 'mode=control'], 'chardev'),
    # Incoming migrations.
    (['-incoming', 'nonsense'], 'nonsense'),
    (['-incoming', 'nonsense:1'], 'nonsense'),
    (['-incoming', 'tcp:127.0.0.1:{port}'], '{port}'),
    (['-incoming', 'unix:{dir}/no/such/sock'], '{dir}/no/such/sock'),
    (['-incoming', 'fd:9999'], '9999'),
    (['-incoming', 'tcp:127.0.0.1:0,no-such=1'], "unknown option 'no-such'"),
    (['-global', 'migration.no-such-capability=on', '-incoming', 'defer'],
     'no-such-capability'),
    # Back ends that nothing is there for.
    (['-netdev', 'no-such-netdev,id=n'], 'no-such-netdev'),
    (['-display', 'no-such-display'], 'no-such-display'),
    (['-display', 'none,wide=on'], "'wide'"),
    (['-display', 'none,gl=on'], 'OpenGL'),
    (['-vga', 'no-such-vga'], 'no-such-vga'),
    (['-vnc', 'nonsense'], 'nonsense'),
    (['-sandbox', 'off,no-such=1'], 'no-such'),
    (['-audiodev', 'no-such-driver,id=a'], 'no-such-driver'),
    (['-audiodev', 'none'], 'id'),
    (['-audiodev', '{{"driver": "none", "id": 1}}'], 'id'),
    (['-audiodev', 'none,id=a,no-such=1'], 'no-such'),
    (['-daemonize', '-pidfile', '{dir}/no/such/pidfile'],
     '{dir}/no/such/pidfile'),
    (['-pidfile', '{dir}/no/such/pidfile'], '{dir}/no/such/pidfile'),
    (['-qtest', 'unix:{dir}/no-such-sock'], '{dir}/no-such-sock'),
)

# Where the peer accepts it, needs more than one line, or names less.
PEER_DIFFERS = (
    '-machine no-such-machine', '-smp 0', '-smp nonsense', '-m nonsense',
    '-m -5', '-m 1Z', '-device isa-debugcon', '-global nonsense',
    '-serial no-such-backend',
    '-serial unix:{dir}/no/such/sock,server=on,wait=off', '-qmp nonsense',
    '-qtest unix:{dir}/no-such-sock', '-incoming fd:9999',
    '-incoming tcp:127.0.0.1:0,no-such=1',
    '-option-rom {dir}/no-such-rom',
)


def bad_lines(t, rows):
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(1)
    t.defer(listener.close)
    os.mkdir(t.path('d'))
    with open(t.path('d/file'), 'wb') as f:
        f.write(b'a few bytes')
    words = {'dir': t.path('d'), 'file': t.path('d/file'),
             'rom': t.host.guest('guest.rom'),
             'port': listener.getsockname()[1]}
    wrong = []
    for args, part in rows:
        if ' '.join(args) in PEER_DIFFERS and not t.host.is_godwit:
            continue
        args = [a.format(**words) for a in args]
        part = part.format(**words)
        base = [] if '-machine' in args else ['-machine', 'pc']
        base += ['-nodefaults', '-display', 'none', '-S']
        if not any(a.startswith('-accel') or 'accel=' in a for a in args):
            base += ['-accel', t.host.accel]
        if '-bios' not in args and '-kernel' not in args:
            base += ['-bios', words['rom']]
        vm = t.launch(base + args, name='run', qmp=False, serial=False)
        try:
            vm.wait_end(20)
        except Exception as err:  # pylint: disable=broad-except
            wrong.append('%r: %s' % (args, err))
            vm.kill()
            continue
        lines = vm.error_lines()
        text = ' '.join(lines)
        if vm.status != 1:
            wrong.append('%r: status %s: %r' % (args, vm.status, lines))
        elif len(lines) != 1:
            wrong.append('%r: %d lines: %r' % (args, len(lines), lines))
        elif part not in text:
            wrong.append('%r: no %r in %r' % (args, part, text))
        else:
            t.note(text)
    check(not wrong, '%d of %d wrong:\n%s' % (len(wrong), len(rows),
                                              '\n'.join(wrong)))


def rows_of(*options):
    """The part of the table that is about some options."""
    return [row for row in TABLE if row[0][0] in options]


SETS = (
    ('-machine', '-accel', '-cpu'),
    ('-smp', '-m', '-object', '-mem-path'),
    ('-bios', '-kernel', '-drive', '-hda', '-cdrom', '-fw_cfg'),
    ('-device', '-global'),
    ('-serial', '-chardev', '-monitor', '-qmp', '-mon', '-qtest'),
    ('-incoming', '-netdev', '-display', '-vga', '-vnc', '-audiodev',
     '-daemonize', '-pidfile'),
)



@test(needs_kvm=True, godwit_only='the peer says it in two lines')
def tsc_rate_of_another_host(t):
    """A host that can't have it says so at once, not when the guest starts."""
    done = subprocess.run(
        [t.host.binary, '-machine', 'microvm', '-accel', 'kvm', '-cpu',
         'host,tsc-frequency=1234567890', '-nodefaults', '-display', 'none',
         '-S', '-qmp', 'stdio'],
        input=b'{"execute": "qmp_capabilities"}{"execute": "quit"}',
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        timeout=60)
    lines = done.stderr.decode().splitlines()
    if done.returncode != 0:
        check_equal(done.returncode, 1, 'exit status')
        check_equal(len(lines), 1, 'lines of %r' % lines)
        check_in('tsc-frequency of 1234567 kHz', lines[0], 'message')


@test()
def machines_and_cpus(t):
    bad_lines(t, rows_of(*SETS[0]))


@test()
def memory_and_topology(t):
    bad_lines(t, rows_of(*SETS[1]))


@test()
def images_and_firmware(t):
    bad_lines(t, rows_of(*SETS[2]))


@test()
def devices(t):
    bad_lines(t, rows_of(*SETS[3]))


@test()
def character_devices_and_monitors(t):
    bad_lines(t, rows_of(*SETS[4]))


@test()
def incoming_and_the_rest(t):
    bad_lines(t, rows_of(*SETS[5]))


@test()
def options(t):
    seen = {option for options_ in SETS for option in options_}
    bad_lines(t, [row for row in TABLE if row[0][0] not in seen])


@test()
def kvm_is_not_there(t):
    """One clear line, or the next accelerator in the list."""
    hide, reason = without_kvm()
    if not hide:
        raise Skip(reason)
    base = ['-nodefaults', '-display', 'none', '-S', '-machine', 'none']
    vm = t.run_to_end([*base, '-accel', 'kvm'], wrapper=hide)
    check_equal(vm.status, 1, 'status')
    check_in('kvm', vm.stderr.lower(), 'message')
    if t.host.is_godwit:
        check_equal(len(vm.error_lines()), 1, vm.stderr)
        check_in('/dev/kvm', vm.stderr, 'message')
    other = 'qtest' if t.host.is_godwit else 'tcg'
    vm = t.launch([*base, '-accel', 'kvm', '-accel', other], name='next',
                  serial=False, wrapper=hide)
    check_equal(vm.qmp.cmd('query-kvm')['enabled'], False, 'KVM')


@test(godwit_only='the peer has it all')
def known_and_misspelt(t):
    """What QEMU has and this version hasn't is no slip of the pen."""
    base = ['-display', 'none', '-S', '-serial', 'none', '-monitor', 'none']
    for args, part in (
            (['-device', 'virtio-gpu-gl-pci'],
             "device 'virtio-gpu-gl-pci' is not in this version"),
            (['-device', 'virtio-gqu-pci'],
             "'virtio-gqu-pci' is not a valid device model name"),
            (['-machine', 'isapc'],
             "machine type 'isapc' is not in this version"),
            (['-machine', 'isapd'], "unsupported machine type 'isapd'"),
            (['-object', 'can-bus,id=a'],
             "object type 'can-bus' is not in this version"),
            (['-object', 'can-bos,id=a'],
             "Parameter 'qom-type' does not accept value 'can-bos'"),
            (['-netdev', 'vde,id=n'],
             "Parameter 'type': 'vde' is not in this version"),
            (['-netdev', 'vdf,id=n'],
             "Parameter 'type' does not accept value 'vdf'"),
            (['-blockdev', 'driver=nbd,node-name=n'],
             "Parameter 'driver': 'nbd' is not in this version"),
            (['-blockdev', 'driver=ndb,node-name=n'],
             "Parameter 'driver' does not accept value 'ndb'"),
            (['-drive', 'file=nbd://localhost/x'],
             "protocol 'nbd' is not in this version"),
            (['-drive', 'file=ndb://localhost/x'], "Unknown protocol 'ndb'"),
            (['-drive', 'driver=quorum,file.driver=null-co'],
             "driver 'quorum' is not in this version"),
            (['-drive', 'driver=trottle,file.driver=null-co'],
             "Unknown driver 'trottle'"),
            (['-nic', 'user,model=rtl8139'],
             "NIC model 'rtl8139' is not in this version"),
            (['-nic', 'user,model=rtl8138'],
             'Unsupported NIC model: rtl8138'),
            (['-incoming', 'rdma:host:1'],
             "migration protocol 'rdma' is not in this version"),
            (['-incoming', 'rdna:host:1'],
             'unknown migration protocol: rdna:host:1'),
            (['-accel', 'tcg,split-wx=on'],
             "Property 'tcg-accel.split-wx' is not in this version"),
            (['-accel', 'tcg,split-xw=on'],
             "Property 'tcg-accel.split-xw' not found"),
            (['-cpu', 'qemu64,ucode-rev=1'],
             "Property 'qemu64-x86_64-cpu.ucode-rev' is not in this version"),
            (['-cpu', 'qemu64,ucode-rew=1'],
             "Property 'qemu64-x86_64-cpu.ucode-rew' not found")):
        vm = t.run_to_end(base + args)
        check_equal(vm.status, 1, 'status of %r' % args)
        check_in(part, vm.stderr, 'message')


@test(godwit_only='the peer has it all')
def known_properties(t):
    """Of everything that docs/compat.md lists."""
    vm = t.machine('-S', '-machine', 'pc')
    for name in compat_names('Properties of the machine `pc`'):
        if name.startswith('peripheral'):
            continue  # containers of objects, which are there
        err = refusal(vm, 'qom-get', {'path': '/machine', 'property': name})
        check_in("-machine.%s' is not in this version" % name, err, 'machine')
    tried = 0
    for driver, name in compat_properties():
        err = refusal(vm, 'device_add', {'driver': driver, name: '1'})
        # Not on the board's devices; not lines, which nobody sets.
        if re.search('pluggable|not a valid|support hotplugging', err) or \
                '[' in name:
            continue
        tried += 1
        check_equal(err, "Property '%s.%s' is not in this version" %
                    (driver, name), 'device')
    check(tried > 100, 'only %d properties tried' % tried)


def refusal(vm, command, arguments):
    vm.qmp.send(command, arguments)
    reply = vm.qmp.next_reply()
    check('error' in reply, '%s %r was accepted' % (command, arguments))
    return reply['error']['desc']


@test(godwit_only='the peer tells less of them')
def globals_act_or_are_told_of(t):
    base = ['-display', 'none', '-S', '-nodefaults', '-accel', 'tcg',
            '-debugcon', 'null']
    args = []
    for text in ('isa-debugcon.iobase=0x402', 'qemu64-x86_64-cpu.family=6',
                 'max-x86_64-cpu.family=6', 'pvpanic.ioport=1',
                 'nosuch.foo=1', 'PIIX4_PM.disable_s3=1'):
        args += ['-global', text]
    vm = t.launch(base + args, serial=False)
    check_in('0000000000000402 (prio 0, i/o): isa-debugcon',
             vm.qmp.hmp('info mtree'), 'port of the debug console')
    lines = [line for line in vm.stderr.splitlines() if 'global' in line]
    check_equal([line.split('warning: ')[1] for line in lines],
                ['global nosuch.foo has invalid class name',
                 'global max-x86_64-cpu.family=6 not used',
                 'global pvpanic.ioport=1 not used'], 'warnings')
    vm = t.run_to_end(base + ['-global', 'PIIX4_PM.nosuch=1'])
    check_in("Property 'PIIX4_PM.nosuch' not found", vm.stderr, 'message')


@test(needs_kvm=True)
def lost_ticks_of_kvm(t):
    """As the test suites of KVM start it."""
    vm = t.machine('-S', '-global', 'kvm-pit.lost_tick_policy=discard',
                   accel='kvm')
    check_in('lost_tick_policy = "discard"', vm.qmp.hmp('info qtree'),
             'property')


@test()
def guest_name_in_messages(t):
    """Whichever of the options comes first."""
    name, msg = ['-name', 'Gwenhwyfar'], ['-msg', 'guest-name=on']
    for args, prefix in ((name + msg, 'Gwenhwyfar qemu-system-x86_64: '),
                         (msg + name, 'Gwenhwyfar qemu-system-x86_64: '),
                         (name, 'qemu-system-x86_64: ')):
        vm = t.run_to_end(['-machine', 'pc', '-nodefaults', '-display', 'none',
                           '-S', '-accel', t.host.accel, *args,
                           '-device', 'no-such-device'])
        check_equal(vm.status, 1, 'status')
        check(vm.error_lines()[0].startswith(prefix), vm.stderr)


@test()
def terminals_are_named(t):
    """Scripts read the path of a pty from standard output."""
    vm = t.launch(['-machine', 'pc', '-nodefaults', '-display', 'none', '-S',
                   '-accel', t.host.accel, '-chardev', 'pty,id=one',
                   '-monitor', 'pty', '-serial', 'pty',
                   '-serial', 'chardev:one'])
    chardevs = {c['label']: c['filename'][len('pty:'):]
                for c in vm.qmp.cmd('query-chardev')
                if c['filename'].startswith('pty:')}
    check_equal(sorted(chardevs), ['compat_monitor0', 'one', 'serial0'],
                'labels')
    t.reactor.wait(lambda: vm.stdout.count('\n') == 3, 'three lines')
    check_equal(sorted(vm.stdout.splitlines()),
                sorted('char device redirected to %s (label %s)' % (path, label)
                       for label, path in chardevs.items()), 'output')


def labels(t, *args):
    """Where serial ports and monitors are that nobody asked for."""
    vm = t.launch(['-machine', 'pc', '-display', 'none', '-S', '-accel',
                   t.host.accel, '-vga', 'none', '-net', 'none', *args],
                  name='vm%d' % len(t.machines), serial=False)
    chardevs = vm.qmp.cmd('query-chardev')
    vm.qmp.cmd('quit')
    check_equal(vm.wait_end(), 0, 'status')
    return {c['label']: c['filename'] for c in chardevs}


@test(godwit_only='the signal ends the peer with no more ado')
def interrupted_wait(t):
    """A signal ends what waits for a peer, and nothing is left behind."""
    path = t.path('nobody')
    for signo in (signal.SIGINT, signal.SIGTERM):
        vm = t.launch(['-machine', 'none', '-accel', 'qtest', '-display',
                       'none', '-chardev', 'socket,id=c,server=on,wait=on,'
                       'path=%s' % path], name='vm%d' % len(t.machines),
                      qmp=False, serial=False)
        t.reactor.wait(lambda: 'waiting for connection' in vm.stderr,
                       'the program to wait')
        vm.proc.send_signal(signo)
        check_equal(vm.wait_end(), 1, 'status')
        check_in('interrupted by a signal', vm.stderr, 'messages')
        check(not os.path.exists(path), 'the socket is left')


@test()
def nothing_to_see_or_hear(t):
    """How one says so, libvirt on each of its command lines."""
    vm = t.launch(['-machine', 'pc', '-nodefaults', '-S', '-accel',
                   t.host.accel, '-display', 'none', '-vga', 'none',
                   '-audiodev', 'none,id=one', '-audiodev',
                   '{"id": "audio1", "driver": "none"}'], serial=False)
    check_equal(vm.qmp.cmd('query-status')['running'], False, 'running')


@test(godwit_only='a forbidden call ends the peer')
def sandbox(t):
    """libvirt's filter: every thread has it, and what it forbids fails."""
    vm = t.launch(['-machine', 'pc', '-nodefaults', '-S', '-accel', 'tcg',
                   '-display', 'none', '-sandbox',
                   'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
                   'resourcecontrol=deny'], serial=False)
    tasks = '/proc/%d/task' % vm.proc.pid
    threads = os.listdir(tasks)
    check(len(threads) > 1, 'threads: %r' % threads)
    for thread in threads:
        with open('%s/%s/status' % (tasks, thread), encoding='ascii') as file:
            check_in('Seccomp:\t2\n', file.read(), 'filter of a thread')
    # A thread is made and lost; a program is not.
    vm.qmp.cmd('object-add', **{'qom-type': 'iothread', 'id': 'one'})
    vm.qmp.cmd('object-del', id='one')
    vm.qmp.cmd('migrate', uri='exec:cat >/dev/null')
    info = t.reactor.wait(
        lambda: (lambda i: i if i.get('status') == 'failed' else None)(
            vm.qmp.cmd('query-migrate')), 'the migration to fail')
    check_in('Operation not permitted', info['error-desc'], 'error')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')


@test()
def default_ports(t):
    """A port given by -device, or a monitor, takes the default one's place."""
    quiet = ['-chardev', 'null,id=c']
    by_device = [*quiet, '-device', 'isa-serial,index=0,chardev=c']
    by_json = [*quiet, '-device', '{"driver": "isa-serial", "index": 0, '
               '"chardev": "c"}']
    for args in (by_device, by_json, ['-serial', 'none']):
        check('serial0' not in labels(t, *args), args)
    check('serial0' in labels(t), 'no serial port')
    # The test's own monitor is one, so the terminal is the port's alone.
    check_equal(labels(t, '-nographic')['serial0'], 'stdio', 'port')
    check('stdio' not in labels(t, '-nographic', *by_device).values(), 'used')


@test()
def nographic_console(t):
    """Without other monitors one is on the terminal: behind the serial port,
    or alone if that is elsewhere."""
    base = ['-machine', 'pc', '-S', '-accel', t.host.accel, '-vga', 'none',
            '-net', 'none', '-nographic']
    for args, keys in (([], b'\x01cquit\n'), (['-serial', 'null'], b'quit\n'),
                       (['-serial', 'none'], b'quit\n'),
                       (['-serial', 'mon:stdio'], b'\x01cquit\n')):
        done = subprocess.run([t.host.binary, *base, *args], input=keys,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, check=False)
        check_equal(done.returncode, 0, '%r: status' % args)
        check_in(b'(qemu) ', done.stdout, '%r: output' % args)


@test()
def cpus_without_exits(t):
    """-overcommit cpu-pm=on: done, said to be without effect, or refused."""
    args = ['-machine', 'pc', '-nodefaults', '-display', 'none', '-S',
            '-overcommit', 'cpu-pm=on']
    vm = t.launch([*args, '-accel', 'tcg'], name='tcg', serial=False)
    check_equal(vm.qmp.cmd('query-status')['running'], False, 'running')
    if t.host.is_godwit:
        check_in('cpu-pm=on has no effect with tcg', vm.stderr, 'messages')
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return
    vm = t.launch([*args, '-accel', 'kvm', '-monitor', 'stdio'], name='kvm',
                  qmp=False, serial=False)
    t.reactor.wait(lambda: '(qemu)' in vm.stdout or vm.status is not None,
                   'a prompt or the end')
    if vm.status is not None:
        check_equal(vm.status, 1, 'status')
        check_in('cpu-pm', vm.stderr, 'message')


@test()
def version_and_help(t):
    vm = t.run_to_end(['--version'])
    check_equal((vm.status, vm.stderr), (0, ''), 'status, stderr')
    check(re.match(r'QEMU emulator version \d+\.\d+\.\d+ ', vm.stdout),
          vm.stdout)
    vm = t.run_to_end(['-version'])
    check_equal(vm.status, 0, 'status')
    for option in ('-h', '-help', '--help'):
        vm = t.run_to_end([option])
        check_equal((vm.status, vm.stderr), (0, ''), 'status, stderr')
        for word in ('-machine', '-accel', '-smp', '-incoming', '-monitor',
                     '-qmp', '-bios', '-device', '-object'):
            check(re.search(r'(?m)^%s\b' % word, vm.stdout),
                  'no %s in help' % word)


@test()
def lists(t):
    for args, words in ((['-machine', 'help'], ('pc ', 'microvm', 'none')),
                        (['-accel', 'help'], ('kvm',)),
                        (['-cpu', 'help'], ('qemu64', 'host', 'max')),
                        (['-device', 'help'], ('isa-debug-exit',
                                               'pci-testdev')),
                        (['-device', 'isa-debug-exit,help'], ('iobase',
                                                              'iosize')),
                        (['-object', 'help'], ('memory-backend-ram',
                                               'memory-backend-memfd')),
                        (['-chardev', 'help'], ('socket', 'stdio', 'file',
                                                'null', 'pty', 'pipe')),
                        (['-global', 'help'], ('driver=', 'property=',
                                               'value=')),
                        (['-smp', '?'], ('cpus=', 'maxcpus=')),
                        (['-m', '64,help'], ('size=', 'slots=')),
                        (['-name', 'x,help'], ('process=',)),
                        (['-sandbox', 'off,help'], ('enable=', 'spawn=')),
                        (['-drive', 'file=x,format=help'], ('raw', 'qcow2')),
                        (['-drive', 'format=?'], ('raw', 'qcow2')),
                        (['-vga', 'help'], ('none ', 'std ')),
                        (['-audiodev', 'help'], ('none',))):
        vm = t.run_to_end(args)
        check_equal(vm.status, 0, '%r: status' % args)
        for word in words:
            check_in(word, vm.stdout, repr(args))


if __name__ == '__main__':
    main()
