# SPDX-License-Identifier: GPL-2.0-or-later
"""The human monitor, and the sequence NFV scripts type into it."""

import os
import re
import signal
import socket

from godwit.compat import compat_names
from godwit.hmp import PROMPT
from godwit.migration import (check_pattern_goes_on, last_numbers,
                              start_incoming, start_pattern, wait_drained,
                              wait_running)
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, check_in, free_port, main, test


def machine(t, *extra, **kwargs):
    """A machine with a monitor on a unix socket, spelt the old way."""
    vm = t.machine('-monitor', 'unix:%s,server,nowait' % t.path('hmp'),
                   *extra, **kwargs)
    return vm, t.hmp(t.path('hmp'))


@test()
def banner_and_prompt(t):
    _, hmp = machine(t, '-S')
    check(re.match(r'QEMU \d+\.\d+\.\d+ monitor', hmp.banner),
          'banner %r' % hmp.banner)


@test()
def shares_a_line_with_the_console(t):
    """What is not looked at says nothing."""
    vm = t.machine('-S', '-chardev', 'socket,id=both,mux=on,path=%s,server=on,'
                   'wait=off' % t.path('both'), '-mon', 'both',
                   '-serial', 'chardev:both', serial=False)
    text = []
    sock = socket.socket(socket.AF_UNIX)
    t.defer(sock.close)
    sock.connect(t.path('both'))

    def wait(pattern):
        t.reactor.wait(lambda: re.search(pattern, ''.join(text)), pattern)

    t.reactor.add(sock, lambda: text.append(
        sock.recv(1 << 16).decode('utf-8', 'replace')))
    t.defer(lambda: t.reactor.remove(sock))
    sock.sendall(b'\x01h')
    wait(r'C-a C-a +sends? C-a\s+$')
    check('QEMU' not in ''.join(text), 'said: %r' % text)
    text.clear()
    sock.sendall(b'\x01c')
    wait(r"^QEMU .* monitor .*\r\n\(qemu\) $")
    text.clear()
    sock.sendall(b'info status\n')
    wait(r'VM status: paused.*\r\n\(qemu\) $')
    text.clear()
    sock.sendall(b'\x01c\x01h')
    wait(r'^\r\n[^q]*C-a C-a +sends? C-a\s+$')
    text.clear()
    sock.sendall(b'\x01c')
    wait(r'^\(qemu\) $')
    check(vm.qmp.cmd('query-status')['status'] == 'prelaunch', 'state')


@test()
def info_commands(t):
    vm, hmp = machine(t, smp=2)
    vm.wait_line('^hb ')
    for line, pattern in (
            ('info status', r'^VM status: running'),
            ('info version', r'^\d+\.\d+\.\d+'),
            ('info cpus', r'CPU #0.*\n.*CPU #1'),
            ('info registers', r'(?s)RAX=.*CR3=.*EFER='),
            ('info mtree', r'0000000000000402|00000000fee00000'),
            ('info qtree', r'isa-debug-exit'),
            ('info pci', r'Bus +0, device +0, function 0'),
            ('info kvm', r'kvm support: (enabled|disabled)'),
            ('info chardev', r'gwser'),
            ('info migrate_capabilities', r'(?m)^xbzrle: off'),
            ('info migrate_parameters', r'(?m)^max-bandwidth: \d+'),
            ('info migrate', r''),
            ('info block', r'')):
        out = hmp.cmd(line)
        check(re.search(pattern, out), '%s: %r' % (line, out))
        check('unknown command' not in out, '%s: %r' % (line, out))


@test()
def help_lists_and_explains(t):
    _, hmp = machine(t, '-S')
    out = hmp.cmd('help')
    for name in ('info', 'migrate', 'stop', 'cont', 'quit', 'system_reset',
                 'xp'):
        check(re.search(r'(?m)^%s\b' % name, out), 'no %s in help' % name)
    check_in('-d', hmp.cmd('help migrate'), 'help migrate')


@test()
def unknown_and_wrong(t):
    _, hmp = machine(t, '-S')
    check_equal(hmp.cmd('no-such-command a b'),
                "unknown command: 'no-such-command'\n", 'answer')
    check_in('no-such', hmp.cmd('info no-such'), 'answer')
    for line in ('migrate', 'migrate_set_parameter no-such 1',
                 'migrate_set_parameter max-bandwidth nonsense',
                 'migrate_set_capability no-such on', 'migrate_set_parameter',
                 'migrate nowhere:1', 'xp /4xb', 'xp /4zz 0', '"', 'x /'):
        check(hmp.cmd(line).strip(), '%r was accepted in silence' % line)
    check_equal(hmp.cmd(''), '', 'empty line')
    check_in('paused', hmp.cmd('info status'), 'info status')


@test(godwit_only='the peer has it all')
def known_but_not_there(t):
    vm, hmp = machine(t, '-S')
    for name in compat_names('HMP commands'):
        check_equal(hmp.cmd(name + ' x'),
                    "command '%s' is not in this version\n" % name, 'answer')
    for name in compat_names('HMP `info`'):
        text = "command 'info %s' is not in this version\n" % name
        check_equal(hmp.cmd('info ' + name), text, 'answer')
    check_equal(hmp.cmd('help commit'),
                "command 'commit' is not in this version\n", 'help')
    for name in compat_names('QMP commands'):
        try:
            vm.qmp.cmd(name)
        except QmpError as err:
            check_equal(err.error_class, 'CommandNotFound', name)
            check_equal(err.desc, 'The command %s is not in this version' %
                        name, 'answer')
        else:
            check(False, '%s is there' % name)

@test()
def long_lines(t):
    _, hmp = machine(t, '-S')
    hmp.cmd('x' * 1000)
    hmp.cmd('x' * 20000)
    check_in('paused', hmp.cmd('info status'), 'info status')


@test()
def stop_and_cont(t):
    vm, hmp = machine(t)
    vm.wait_line('^hb ')
    hmp.cmd('stop')
    check_in('VM status: paused', hmp.cmd('info status'), 'info status')
    vm.qmp.wait_event('STOP')
    hmp.cmd('cont')
    vm.qmp.wait_event('RESUME')
    hmp.cmd('system_reset')
    vm.qmp.wait_event('RESET')
    hmp.cmd('system_powerdown')
    vm.qmp.wait_event('POWERDOWN')


@test()
def examine_memory(t):
    vm, hmp = machine(t)
    vm.wait_line('^hb ')
    # The reset vector of the test guest's ROM: a 16-bit jump.
    with open(t.host.guest('guest.rom'), 'rb') as f:
        rom = f.read()
    out = hmp.cmd('xp /4xb 0xfffffff0')
    want = ' '.join('0x%02x' % b for b in rom[-16:-12])
    check_equal(out, '00000000fffffff0: %s\n' % want, 'xp')
    # The program runs from a copy of the ROM at 1 MiB.
    out = hmp.cmd('x /2xw 0x100000')
    want = ' '.join('0x%08x' % int.from_bytes(rom[i:i + 4], 'little')
                    for i in (0, 4))
    check_equal(out.strip().lstrip('0'), '100000: ' + want, 'x')
    # Eight units a line, or 16 bytes.
    for line, units in (('xp /20xb 0xffffff00', 8),
                        ('xp /20xh 0xffffff00', 8),
                        ('xp /20xw 0xffffff00', 4),
                        ('xp /20xg 0xffffff00', 2)):
        rows = hmp.cmd(line).splitlines()
        check_equal(len(rows[0].split()) - 1, units, line)


def direct(t):
    """The guest before its first instruction, in 32-bit code."""
    return machine(t, '-S', machine='microvm', accel='tcg')


@test(godwit_only='the peer starts in its firmware')
def expressions(t):
    _, hmp = direct(t)
    for line, want in (('p 10', '0xa'), ('p/d 1 + 2 & 2', '3'),
                       ('p 2 * 3 & 1', '0'), ('p (1+2)*3 - 4 & 0xff', '5'),
                       ('p/x -1', '0x' + 'f' * 16), ('p/o 8', '010'),
                       ('p/u -1', str(2 ** 64 - 1)), ('p/c 65', "'A'"),
                       ('p/d ~5', '-6'), ("p 'a'", '97'), ('p 010', '8'),
                       ('p 7 % 4', '3'), ('p $cs', '16'),
                       ('p/x $pc', '0x100000'), ('p $cs.base', '0'),
                       ('print $eip', '0x100000')):
        check_equal(hmp.cmd(line), want + '\n', line)
    for line, want in (('p', 'unexpected end of expression'),
                       ('p 1/0', 'division by zero'),
                       ('p 1%0', 'division by zero'),
                       ('p (1', "')' expected"),
                       ('p $foo', 'unknown register'),
                       ('p x', "invalid char 'x' in expression"),
                       ("p 'ab'", "missing terminating ' character"),
                       ('p 1 2', 'print|p: extraneous characters at the end '
                        'of line'),
                       ('x/q 0', "invalid char in format: 'q'"),
                       ('cpu 7', 'invalid CPU index')):
        check_equal(hmp.cmd(line).split('\n')[0], want, line)
    # No deeper than the stack is.
    check(hmp.cmd('p ' + '(' * 1000 + '1'), 'nested')
    check(hmp.cmd('p ' + '-' * 1000 + '1'), 'nested')


@test(godwit_only='the peer starts in its firmware')
def examine_code(t):
    vm, hmp = direct(t)
    out = hmp.cmd('x/i $pc')
    check(re.match(r'0x00100000: ( [0-9a-f]{2})+ +[a-z]+', out), out)
    code = hmp.cmd('xp/4xb $pc').split(':')[1].split()
    check_equal(out.split(':')[1].split()[0], code[0][2:], 'first byte')
    # The format stays for the next command.
    hmp.cmd('x/i $pc')
    check_equal(hmp.cmd('x $pc'), out, 'x')
    check_equal(hmp.cmd('xp/w 0x100000'), out, 'x/w')
    hmp.cmd('cont')
    vm.wait_line('^hb ')
    # cpu_idle and all around it is 64-bit code.
    hmp.cmd('stop')
    check(re.search(r'%r[a-d][xi]', hmp.cmd('x/200i 0x100400')), 'registers')
    check_in('unable to read memory', hmp.cmd('xp/2i 0xfffffffffffff000'),
             'nothing there')


@test(godwit_only='the peer starts in its firmware')
def ports(t):
    _, hmp = direct(t)
    # The RTC's seconds alarm, which nothing changes.
    check_equal(hmp.cmd('o/b 0x70 1'), '', 'o')
    check_equal(hmp.cmd('o 0x71 0x2a'), '', 'o')
    check_equal(hmp.cmd('i 0x71'), 'portb[0x0071] = 0x2a\n', 'i')
    check(re.match(r'portw\[0x0070\] = 0x[0-9a-f]{4}\n$',
                   hmp.cmd('i/h 0x70')), 'i/h')


@test(godwit_only='the peer starts in its firmware')
def page_tables(t):
    vm, hmp = direct(t)
    for line in ('info tlb', 'info mem'):
        check_equal(hmp.cmd(line), 'PG disabled\n', line)
    hmp.cmd('cont')
    vm.wait_line('^hb ')
    hmp.cmd('stop')
    # The guest maps its memory one to one, for user code.
    check(re.search(r'(?m)^0000000000200000: 0000000000200000 '
                    r'[X-][G-]P[D-][A-]--UW$', hmp.cmd('info tlb')), 'info tlb')
    check(re.match(r'0000000000000000-[0-9a-f]{16} [0-9a-f]{16} urw\n',
                   hmp.cmd('info mem')), 'info mem')
    check_equal(hmp.cmd('gva2gpa 0x200123'), 'gpa: 0x200123\n', 'gva2gpa')
    check_equal(hmp.cmd('gva2gpa 0x7f0000000000'), 'Unmapped\n', 'gva2gpa')


@test(godwit_only='the peer starts in its firmware')
def sums_and_addresses(t):
    _, hmp = direct(t)
    text = hmp.cmd('xp/5000xb 0x100000')
    want = 0
    for byte in re.findall(r'0x([0-9a-f]{2})\b', text):
        want = (((want >> 1) | (want << 15)) + int(byte, 16)) & 0xffff
    check_equal(hmp.cmd('sum 0x100000 5000'), '%05u\n' % want, 'sum')
    check_equal(hmp.cmd('sum 0x200000 16'), '00000\n', 'sum')
    check(re.match(r'Host virtual address for 0x1000 \(.*ram\) is 0x',
                   hmp.cmd('gpa2hva 0x1000')), 'gpa2hva')
    check_equal(hmp.cmd('gpa2hva 0x100000000000'),
                'No memory is mapped at address 0x100000000000\n', 'gpa2hva')
    check(re.match(r'Host physical address for 0x1000',
                   hmp.cmd('gpa2hpa 0x1000')), 'gpa2hpa')
    check(re.match(
        'dumping local APIC state for CPU 0 \n\n'
        r'LVT0\t 0x00010000 active-hi edge  masked {22}Fixed  \(vec 0\)\n'
        r'(LVT\w+\t .*\n){5}Timer\t DCR=0x0 \(divide by 2\) .*\n'
        r'SPIV\t 0x000000ff APIC disabled, focus=off, spurious vec 255\n'
        r'ICR\t 0x00000000 physical edge de-assert no-shorthand\n'
        r'ICR2\t 0x00000000 cpu 0 \(APIC ID\)\nESR\t 0x00000000\n'
        r'ISR\t \(none\)\nIRR\t \(none\)\n\n'
        r'APR 0x00 TPR 0x00 DFR 0x0f LDR 0x00 PPR 0x00\n$',
        hmp.cmd('info lapic 0')), hmp.cmd('info lapic 0'))
    check_equal(hmp.cmd('info lapic 9'), 'No CPU available\n', 'info lapic')


@test()
def wakeup_of_the_awake(t):
    _, hmp = machine(t, '-S', machine='microvm')
    check_equal(hmp.cmd('system_wakeup'), 'Error: Unable to wake up: guest is '
                'not in suspended state\n', 'answer')


@test()
def quit_command(t):
    vm, hmp = machine(t, '-S')
    hmp.send('quit')
    event = vm.qmp.wait_event('SHUTDOWN')
    check_equal(event['data']['reason'], 'host-qmp-quit', 'reason')
    check_equal(vm.wait_end(), 0, 'exit status')


@test()
def capability_and_parameter(t):
    _, hmp = machine(t, '-S')
    check_equal(hmp.cmd('migrate_set_capability return-path on'), '', 'answer')
    check_in('return-path: on', hmp.cmd('info migrate_capabilities'), 'answer')
    check_equal(hmp.cmd('migrate_set_parameter max-bandwidth 10M'), '',
                'answer')
    check_in('max-bandwidth: 10485760',
             hmp.cmd('info migrate_parameters'), 'answer')
    check_equal(hmp.cmd('migrate_set_parameter downtime-limit 10'), '',
                'answer')
    check_in('downtime-limit: 10 ', hmp.cmd('info migrate_parameters'),
             'answer')


@test()
def migrate_blocks_without_d(t):
    """Without -d the prompt comes back when the migration is over."""
    src = start_pattern(t, '-monitor',
                        'unix:%s,server,nowait' % t.path('hmp'))
    hmp = t.hmp(t.path('hmp'))
    uri = 'tcp:127.0.0.1:%d' % free_port()
    dst = start_incoming(t, src, uri)
    hmp.cmd('migrate ' + uri)
    check_in('Migration status: completed', hmp.cmd('info migrate'), 'status')
    wait_running(dst)


@test()
def migrate_to_nowhere(t):
    vm, hmp = machine(t)
    vm.wait_line('^hb ')
    hmp.cmd('migrate -d tcp:127.0.0.1:1')
    t.reactor.poll(
        lambda: 'Migration status: failed' in hmp.cmd('info migrate'),
        'failed migration')
    check_in('running', hmp.cmd('info status'), 'info status')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)


@test()
def migrate_cancel(t):
    src = start_pattern(t, '-monitor',
                        'unix:%s,server,nowait' % t.path('hmp'))
    hmp = t.hmp(t.path('hmp'))
    uri = 'tcp:127.0.0.1:%d' % free_port()
    dst = start_incoming(t, src, uri)
    hmp.cmd('migrate_set_parameter max-bandwidth 1M')
    hmp.cmd('migrate -d ' + uri)
    t.reactor.poll(
        lambda: 'Migration status: active' in hmp.cmd('info migrate'),
        'active migration')
    hmp.cmd('migrate_cancel')
    t.reactor.poll(
        lambda: 'Migration status: cancelled' in hmp.cmd('info migrate'),
        'cancelled migration')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_pattern_goes_on(src, last_numbers(src))


@test()
def incoming_defer(t):
    src = start_pattern(t)
    dst = start_incoming(t, src, 'defer', '-monitor',
                         'unix:%s,server,nowait' % t.path('hmp'))
    hmp = t.hmp(t.path('hmp'))
    uri = 'unix:' + t.path('mig')
    check_in('inmigrate', hmp.cmd('info status'), 'info status')
    check_equal(hmp.cmd('migrate_incoming ' + uri), '', 'answer')
    src.qmp.cmd('migrate', uri=uri)
    wait_running(dst)


@test(godwit_only='the peer has dropped migrate_set_speed')
def opnfv_sequence(t):
    """What OPNFV's own live migration test types over nc -U."""
    src = start_pattern(t, '-monitor',
                        'unix:%s,server,nowait' % t.path('hmp'), mem=128)
    port = free_port()
    dst = start_incoming(t, src, 'tcp:0:%d' % port)
    before = last_numbers(src)
    hmp = t.hmp(t.path('hmp'))
    check_equal(hmp.cmd('migrate_set_speed 0'), '', 'answer')
    check_equal(hmp.cmd('migrate_set_downtime 10'), '', 'answer')
    check_in('downtime-limit: 10000 ', hmp.cmd('info migrate_parameters'),
             'seconds, not milliseconds')
    check_equal(hmp.cmd('migrate -d tcp:127.0.0.1:%d' % port), '', 'answer')
    t.reactor.poll(
        lambda: 'Migration status: completed' in hmp.cmd('info migrate'),
        'completed migration')
    out = hmp.cmd('info migrate')
    for pattern in (r'total time: \d+ ms', r'downtime: \d+ ms',
                    r'transferred ram: \d+ kbytes', r'total ram: \d+ kbytes'):
        check(re.search(pattern, out), '%s in %r' % (pattern, out))
    wait_running(dst)
    wait_drained(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, before)


@test()
def prompt_survives_anything(t):
    _, hmp = machine(t, '-S')
    hmp.sock.setblocking(True)
    hmp.sock.sendall(bytes(range(32, 256)) * 20 + b'\n')
    hmp.sock.sendall(b'\x15\n')
    hmp.sock.setblocking(False)
    # The second line, emptied by ^U, gives a prompt of its own.
    text = ''
    while text.count(PROMPT) < 2:
        t.reactor.wait(hmp.at_prompt, 'prompt')
        text += hmp.take()
    check_in('paused', hmp.cmd('info status'), 'info status')


@test()
def character_devices_and_objects(t):
    _, hmp = machine(t, '-S', '-chardev', 'ringbuf,id=ring,size=16',
                     mem=128)
    for line, want in (
            ('ringbuf_write ring ab\\cd', ''),
            ('ringbuf_read ring 100', 'ab\\\\cd\n'),
            ('chardev-add null,id=z', ''),
            ('chardev-remove z', ''),
            ('chardev-remove z', "Error: Chardev 'z' not found\n"),
            ('chardev-add nosuch,id=y',
             "Error: 'nosuch' is not a valid char driver name\n"),
            ('chardev-remove gwser', "Error: Chardev 'gwser' is busy\n"),
            ('qom-list', '/\n'),
            ('qom-list /nosuch', "Error: Device '/nosuch' not found\n"),
            ('qom-get /machine type', '"pc-i440fx-7.2-machine"\n'),
            ('qom-get /machine nosuch', "Error: Property "
             "'pc-i440fx-7.2-machine.nosuch' not found\n"),
            ('boot_set nd', 'boot device list now set to nd\n'),
            ('info memory_size_summary',
             'base memory: 134217728\nplugged memory: 0\n'),
            ('info numa', '0 nodes\n'),
            ('info iothreads', ''),
            ('object_add nosuch,id=io1', "Error: Parameter 'qom-type' does "
             "not accept value 'nosuch'\n"),
            ('object_add iothread', "Error: Parameter 'id' is missing\n"),
            ('object_add iothread,id=io1,poll-max-ns=-1', 'Error: poll-max-ns '
             'value must be in range [0, 9223372036854775807]\n'),
            ('object_add iothread,id=io1,poll-max-ns=1000', ''),
            ('object_add rng-builtin,id=io1', 'Error: attempt to add '
             "duplicate property 'io1' to object (type 'container')\n"),
            ('qom-get /objects/io1 poll-max-ns', '1000\n'),
            ('qom-set /objects/io1 poll-max-ns 2000', ''),
            ('object_del nosuch', "Error: object 'nosuch' not found\n")):
        check_equal(hmp.cmd(line), want, line)
    check_in("'x'", hmp.cmd('boot_set xyz'), 'boot_set')
    got = hmp.cmd('info iothreads')
    check(re.fullmatch(r'io1:\n  thread_id=[1-9]\d*\n  poll-max-ns=2000\n'
                       r'  poll-grow=0\n  poll-shrink=0\n'
                       r'  aio-max-batch=0\n', got), got)
    check_equal(hmp.cmd('object_del io1'), '', 'object_del')
    check_equal(hmp.cmd('info iothreads'), '', 'info iothreads')
    check_in('machine (child<pc-i440fx-7.2-machine>)\n',
             hmp.cmd('qom-list /'), 'qom-list')
    check_in('  size:  134217728\n  merge: true\n', hmp.cmd('info memdev'),
             'memdev')
    check_in('socket-id: "0"', hmp.cmd('info hotpluggable-cpus'), 'places')


@test()
def memory_to_files(t):
    _, hmp = machine(t, '-S')
    for line in ('pmemsave 0xfffffff0 16 "%s"', 'memsave 0xfffffff0 16 "%s"'):
        check_equal(hmp.cmd(line % t.path('mem')), '', line)
        with open(t.path('mem'), 'rb') as f:
            data = f.read()
        check_equal(len(data), 16, 'bytes of ' + line)
        check_equal(data[0], int(re.search(
            r': 0x(..)', hmp.cmd('xp /1bx 0xfffffff0')).group(1), 16), 'byte')


@test()
def lists_completions_in_columns(t):
    _, hmp = machine(t, '-S')
    hmp.sock.sendall(b'migrate_\t\t')
    out = ''

    def listed():
        nonlocal out
        out += hmp.take()
        return re.search(r'(?s)migrate_set_parameter\b.*\n.*\(qemu\) ', out)
    t.reactor.wait(listed, 'list')
    names = re.findall(r'migrate_\w+', out)
    for name in ('migrate_set_capability', 'migrate_set_parameter',
                 'migrate_cancel'):
        check_in(name, names, 'completions')


@test(godwit_only='the peer prints its banner')
def says_nothing_at_the_end(t):
    """A monitor that nobody looked at stays silent when the program ends."""
    vm = t.launch(['-S', '-nodefaults', '-display', 'none', '-accel', 'tcg',
                   '-machine', 'microvm', '-serial', 'mon:stdio'],
                  serial=False)
    check_equal(vm.qmp.cmd('query-status')['running'], False, 'running')
    vm.signal(signal.SIGTERM)
    vm.wait_end()
    check('monitor' not in vm.stdout, vm.stdout)


@test()
def interrupt_controllers_and_mice(t):
    _, hmp = machine(t, accel='tcg')
    out = hmp.cmd('info pic')
    check_in('ioapic0: ver=0x20', out, 'info pic')
    check_equal(re.findall('^pic([01]):', out, re.MULTILINE), ['1', '0'],
                'info pic')
    out = hmp.cmd('info irq')
    check_equal(re.findall('^IRQ statistics for (.*):', out, re.MULTILINE),
                ['ioapic', 'isa-i8259'], 'info irq')
    check(re.search(r'^ 0: \d+', out, re.MULTILINE), 'the timer in %r' % out)
    check_in('PS/2 Mouse', hmp.cmd('info mice'), 'info mice')


@test()
def descriptors(t):
    _, hmp = machine(t, '-S')
    check_in('No file descriptor supplied', hmp.cmd('getfd x'), 'getfd')
    check_in("'x' not found", hmp.cmd('closefd x'), 'closefd')
    r, w = os.pipe()
    socket.send_fds(hmp.sock, [b'getfd x\n'], [w])
    os.close(w)
    t.reactor.wait(lambda: hmp.at_prompt() and b'\n' in hmp._buffer, 'prompt')
    check('Error' not in hmp.take(), 'getfd failed')
    check_equal(hmp.cmd('closefd x'), '', 'closefd')
    check_equal(os.read(r, 1), b'', 'the descriptor is closed')
    os.close(r)


@test()
def block_statistics(t):
    """What firmware's boot sector read is counted, by drive and by node."""
    path = t.path('disk')
    with open(path, 'wb') as f:
        f.truncate(1 << 20)
    args = ['-machine', 'pc', '-accel', t.host.accel, '-nodefaults',
            '-display', 'none', '-drive', 'file=%s,format=raw,id=d0' % path]
    vm = t.launch(args)

    def drive():
        return vm.qmp.cmd('query-blockstats')[0]

    t.reactor.wait(lambda: drive()['stats']['rd_operations'] > 0,
                   'reads of the firmware', 60)
    vm.qmp.cmd('stop')
    found = drive()
    stats = found['stats']
    check_equal(found['device'], 'd0', 'device')
    check(stats['rd_bytes'] >= 512 and stats['rd_total_time_ns'] > 0,
          'figures %s' % stats)
    check_equal([stats[k] for k in ('wr_bytes', 'failed_rd_operations',
                                    'wr_highest_offset')], [0, 0, 0], 'others')
    check_in('d0: rd_bytes=%d wr_bytes=0 rd_operations=%d ' % (
        stats['rd_bytes'], stats['rd_operations']),
        vm.qmp.hmp('info blockstats'), 'info blockstats')
    nodes = vm.qmp.cmd('query-blockstats', query_nodes=True)
    check_in(found['node-name'], [n['node-name'] for n in nodes], 'nodes')


if __name__ == '__main__':
    main()
