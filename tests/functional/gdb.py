# SPDX-License-Identifier: GPL-2.0-or-later
"""GDB, and clients that are not GDB, on the debugger's server."""

import os
import re
import shutil
import socket
import subprocess

from godwit.migration import RP_LOADED, wait_status
from godwit.proxy import Proxy
from godwit.reactor import DEFAULT_TIMEOUT
from godwit.rom import NMI_CODE, rom_args, write_rom
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        test)


def machine(t, *extra, accel='tcg', **kwargs):
    """The test guest, stopped at its first instruction, and a server."""
    return t.machine('-S', '-gdb', 'unix:%s,server=on,wait=off' %
                     t.path('gdb'), *extra, machine='microvm', accel=accel,
                     **kwargs)


def gdb(t, *commands):
    """Run GDB to its end, attached; what it printed."""
    program = shutil.which('gdb')
    if not program:
        raise Skip('no gdb on this machine')
    args = [program, '-nx', '-batch', t.host.guest('guest.elf'),
            '-ex', 'set pagination off',
            '-ex', 'target remote ' + t.path('gdb')]
    for command in commands:
        args += ['-ex', command]
    out = []
    with subprocess.Popen(args, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as proc:
        def readable():
            data = os.read(proc.stdout.fileno(), 1 << 16)
            if data:
                out.append(data)
            else:
                t.reactor.remove(proc.stdout)
                out.append(None)
        t.reactor.add(proc.stdout, readable)
        try:
            t.reactor.wait(lambda: out and out[-1] is None, 'end of gdb')
        finally:
            proc.kill()
    return b''.join(out[:-1]).decode()


class Client:
    """Speaks the protocol itself."""

    def __init__(self, t):
        self.reactor = t.reactor
        self.buffer = b''
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(t.path('gdb'))
        self.reactor.add(self.sock, self._readable)
        t.defer(self.close)

    def _readable(self):
        data = self.sock.recv(1 << 16)
        if not data:
            self.close()
        self.buffer += data

    def close(self):
        if self.sock:
            self.reactor.remove(self.sock)
            self.sock.close()
            self.sock = None

    def raw(self, data):
        self.sock.sendall(data)

    def take(self, pattern):
        """The next bytes, which must be these."""
        regex = re.compile(pattern, re.DOTALL)
        match = self.reactor.wait(lambda: regex.match(self.buffer),
                                  '%r (there is %r)' % (pattern, self.buffer))
        self.buffer = self.buffer[match.end():]
        return match

    def answer(self, timeout=DEFAULT_TIMEOUT):
        """The next packet's data."""
        self.reactor.wait(lambda: re.search(rb'\$[^#]*#..', self.buffer),
                          'packet (there is %r)' % self.buffer, timeout)
        match = re.match(rb'\+?\$([^#]*)#(..)', self.buffer)
        check(match, 'noise before a packet: %r' % self.buffer)
        self.buffer = self.buffer[match.end():]
        check_equal(int(match.group(2), 16), sum(match.group(1)) & 255,
                    'checksum')
        return match.group(1).decode('latin-1')

    def send(self, data):
        data = data.encode('latin-1')
        self.raw(b'$%s#%02x' % (data, sum(data) & 255))

    def ask(self, data):
        self.send(data)
        return self.answer()

    def registers(self):
        """RIP by p, as a number."""
        return int.from_bytes(bytes.fromhex(self.ask('p10')), 'little')


def symbol(t, name):
    """The address of a function of the guest."""
    out = subprocess.run(['nm', t.host.guest('guest.elf')], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return int(re.search(r'(?m)^([0-9a-f]+) \w %s$' % name, out).group(1), 16)


@test(godwit_only='some answers are our own')
def break_and_step(t):
    machine(t)
    out = gdb(t, 'break heartbeat', 'hbreak guest_main', 'continue',
              'stepi', 'stepi', 'printf "pc %d\\n", $pc == guest_main',
              'continue', 'continue', 'delete', 'detach')
    check(re.search(r'Breakpoint 2, 0x0*[0-9a-f]+ in guest_main', out), out)
    check_in('pc 0\n', out, 'gdb')
    check_equal(out.count('Breakpoint 1, '), 2, 'stops in ' + out)
    check('SIGTRAP' not in out, out)


@test(godwit_only='some answers are our own')
def runs_on_after_detach(t):
    vm = machine(t)
    gdb(t, 'break heartbeat', 'continue', 'detach')
    vm.wait_line('^hb ')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')


@test(godwit_only='some answers are our own')
def breakpoints_go_with_the_client(t):
    """One that ends without a word leaves no trap behind."""
    vm = machine(t)
    client = Client(t)
    check_equal(client.ask('Z0,%x,1' % symbol(t, 'heartbeat')), 'OK', 'Z0')
    client.close()
    vm.qmp.cmd('cont')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)


@test(godwit_only='some answers are our own')
def watchpoints(t):
    machine(t)
    out = gdb(t, 'hbreak guest_main', 'continue',
              'watch *(unsigned int *)&guest', 'continue',
              'print *(unsigned int *)&guest > 0', 'delete',
              'rwatch *(unsigned int *)&guest', 'continue', 'detach')
    check(re.search(r'Hardware watchpoint 2: .*\n\nOld value = 0\n'
                    r'New value = 1\n', out), out)
    check_in('$1 = 1', out, 'gdb')
    check(re.search(r'read watchpoint 3: .*\n\nValue = 1\n', out), out)


@test(godwit_only='some answers are our own')
def threads(t):
    machine(t, smp=2)
    out = gdb(t, 'break guest_ap_main', 'continue', 'info threads',
              'set scheduler-locking on', 'stepi', 'thread 1',
              'set $before = $pc', 'thread 2', 'stepi', 'thread 1',
              'printf "same %d\\n", $pc == $before', 'detach')
    check(re.search(r'Thread 2 hit Breakpoint 1', out), out)
    check(re.search(r'\* 2 +Thread 1\.2 \(CPU#1 \[running\]\)', out), out)
    check_in('same 1', out, 'gdb')


@test(godwit_only='some answers are our own')
def registers_and_memory(t):
    machine(t)
    out = gdb(t, 'hbreak guest_main', 'continue',
              'set $rax = 0x123456789abcdef0', 'print/x $rax',
              'set $xmm3.v2_int64[1] = 7', 'print $xmm3.v2_int64[1]',
              'set {long}$rsp = 0x1122334455667788', 'x/gx $rsp',
              'print $cr0', 'print $efer', 'print $fs_base', 'print $st0',
              'print $mxcsr', 'x/i $pc', 'print *(char *)0xfffffffff0000000',
              'detach')
    for want in ('0x123456789abcdef0', '= 7\n', '0x1122334455667788',
                 '[ PG WP NE ET MP PE ]', '[ LMA LME ]',
                 '[ IM DM ZM OM UM PM ]', '=> 0x', 'Cannot access memory'):
        check_in(want, out, 'gdb')


@test(godwit_only='some answers are our own')
def monitor_commands(t):
    machine(t)
    out = gdb(t, 'monitor info status', 'monitor no-such-command',
              'monitor gdbserver none', 'detach')
    check_in('VM status: paused', out, 'gdb')
    check_in("unknown command: 'no-such-command'", out, 'gdb')
    check_in('Could not open gdbserver', out, 'gdb')


@test(godwit_only='some answers are our own')
def interrupt(t):
    vm = machine(t)
    client = Client(t)
    check_equal(client.ask('QStartNoAckMode'), 'OK', 'no acks')
    client.take(rb'')
    client.send('c')
    vm.wait_line('^hb ')
    client.raw(b'\x03')
    check(re.match('T02thread:01;$', client.answer()), 'stop reply')
    check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
    # Stopped and continued by others.
    client.send('c')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)
    vm.qmp.cmd('stop')
    check(re.match('T02', client.answer()), 'stop reply')
    client.send('vCont;c')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)
    # A packet while it runs stops it too.
    client.send('?')
    check(re.match('T02', client.answer()), 'stop reply')
    check(re.match('T05', client.answer()), 'answer')
    check_equal(client.ask('D'), 'OK', 'detach')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)


@test(godwit_only='some answers are our own')
def step_over_interrupts(t):
    """By default a step doesn't end in an interrupt handler."""
    machine(t)
    client = Client(t)
    check_equal(client.ask('qqemu.sstepbits'), 'ENABLE=1,NOIRQ=2', 'bits')
    check_equal(client.ask('qqemu.sstep'), '0x3', 'value')
    check_equal(client.ask('Qqemu.sstep=0x1'), 'OK', 'set')
    check_equal(client.ask('qqemu.sstep'), '0x1', 'value')
    check_equal(client.ask('Qqemu.sstep=0x5'), 'E22', 'unknown bit')
    before = client.registers()
    check_equal(client.ask('vCont;s:1'), 'T05thread:01;', 'step')
    check(client.registers() != before, 'no step')


@test(godwit_only='some answers are our own')
def physical_memory(t):
    machine(t)
    client = Client(t)
    check_equal(client.ask('qqemu.PhyMemMode'), '0', 'mode')
    check_equal(client.ask('Qqemu.PhyMemMode:1'), 'OK', 'mode')
    check_equal(client.ask('M200000,4:01020304'), 'OK', 'write')
    check_equal(client.ask('m200000,4'), '01020304', 'read')
    check_equal(client.ask('X200002,2:}]#'[:-1]), 'E22', 'short data')
    check_equal(client.ask('m7fffff000000,4'), 'E14', 'nothing there')


@test(godwit_only='some answers are our own')
def hostile_packets(t):
    vm = machine(t, smp=2)
    client = Client(t)
    client.raw(b'$g#00')
    client.take(rb'-')
    client.raw(b'$' + b'a' * 100000 + b'#%02x' % (100000 * ord('a') & 255))
    check_equal(client.answer(), 'E07', 'too long')
    client.raw(b'\x00\xff$g$p10#zz')
    client.take(rb'-')
    for data in ('m', 'm0', 'm0,', 'mx,4', 'm0,ffffffff', 'm0,1001',
                 'm00000000000000000,4', 'M0,4:00', 'M0,4:0102030g',
                 'M0,4', 'pffff', 'p', 'p-1', 'P10', 'P10=00',
                 'P10=zz00000000000000', 'Pffff=00', 'Hg3', 'Hx1', 'Hgp2.1',
                 'H', 'T3', 'T', 'vCont;', 'vCont;s:3', 'vCont;x', 'vCont',
                 'vCont;c:p1.1;;', 'vCont;C', 'cx', 's123z', 'C', 'Z0',
                 'Z0,', 'Z0,1000', 'Z0,1000,0', 'Z0,1000,zz', 'z0,1000,1',
                 'z1,5,1', 'qXfer:features:read:target.xml:fffff,10',
                 'qXfer:features:read:target.xml:0', 'qThreadExtraInfo,9',
                 'qThreadExtraInfo,', 'qRcmd,0', 'qRcmd,zz',
                 'Qqemu.PhyMemMode:2'):
        check(re.match(r'E\d\d$', client.ask(data)), '%r was taken' % data)
    for data in ('', '*', 'y', 'vFoo', 'qFoo', 'QFoo', 'Z9,0,1', '\x7f\xff',
                 'qqemu', 'vMustReplyEmpty'):
        check_equal(client.ask(data), '', 'answer to %r' % data)
    check_equal(client.ask('qXfer:features:read:none:0,10'), 'E00', 'annex')
    # Shorter, and with registers left out.
    check_equal(client.ask('G' + 'xx' * 8 + '11' * 8), 'OK', 'G')
    check_equal(client.ask('p1'), '11' * 8, 'rbx')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')


@test(godwit_only='some answers are our own')
def replies_are_sent_again(t):
    machine(t)
    client = Client(t)
    first = client.ask('qC')
    client.raw(b'-')
    check_equal(client.answer(), first, 'again')


@test(godwit_only='some answers are our own')
def log_of_code(t):
    """-d: what was decoded, and each exception of the test guest."""
    vm = machine(t, '-d', 'in_asm,int,cpu_reset,pcall', '-D', t.path('log'))
    vm.qmp.cmd('cont')
    vm.wait_line('^hb ')
    vm.qmp.cmd('stop')
    with open(t.path('log'), encoding='ascii') as f:
        text = f.read()
    for pattern in (r'^CPU Reset \(CPU 0\)\n(R|E)AX=',
                    r'^-{16}\nIN: \n0x00100000:  fa  ',
                    r'^ +0: v=[0-9a-f]{2} e=0000 i=[01] cpl=[03] '
                    r'IP=[0-9a-f]{4}:[0-9a-f]{16} pc=[0-9a-f]{16} '
                    r'SP=[0-9a-f]{4}:[0-9a-f]{16} RAX=[0-9a-f]{16}\nRAX=',
                    r'^iret [0-9a-f]{4}:'):
        check(re.search('(?m)' + pattern, text), 'no /%s/' % pattern)
    check('Trace' not in text, 'exec was not asked for')


@test(godwit_only='some answers are our own')
def log_of_blocks(t):
    """exec and cpu: one block for each step."""
    machine(t, '-d', 'exec,cpu', '-D', t.path('log'))
    client = Client(t)
    for _ in range(3):
        check_equal(client.ask('s'), 'T05thread:01;', 'step')
    with open(t.path('log'), encoding='ascii') as f:
        text = f.read()
    check_equal(len(re.findall(r'(?m)^Trace 0: 0x[0-9a-f]+ \['
                               r'[0-9a-f]{16}/0000000000100[0-9a-f]{3}/'
                               r'[0-9a-f]{8}/[0-9a-f]{8}\]$', text)), 3,
                'blocks')
    check_equal(len(re.findall(r'(?m)^EIP=00100', text)), 3, 'registers')
    check('FCW' not in text, 'fpu was not asked for')


@test(godwit_only='some answers are our own')
def log_from_the_monitor(t):
    machine(t)
    out = gdb(t, 'monitor log nonsense', 'monitor log out_asm',
              'monitor log help', 'monitor logfile /no/such/dir/log',
              'monitor logfile ' + t.path('log'), 'monitor log in_asm',
              'stepi', 'monitor log none', 'stepi', 'detach')
    check_in("unknown log item 'nonsense'", out, 'gdb')
    check_in("log item 'out_asm' does not exist here", out, 'gdb')
    check_in('in_asm  ', out, 'gdb')
    check_in('/no/such/dir/log', out, 'gdb')
    with open(t.path('log'), encoding='ascii') as f:
        check_equal(f.read().count('IN:'), 1, 'blocks')


@test(godwit_only='some answers are our own')
def kill(t):
    vm = machine(t)
    client = Client(t)
    client.send('k')
    check_equal(vm.wait_end(), 0, 'exit status')


@test(godwit_only='some answers are our own')
def end_is_told(t):
    vm = machine(t)
    client = Client(t)
    check_equal(client.ask('qC'), 'QC01', 'thread')
    client.raw(b'+')
    vm.qmp.cmd('quit')
    check_equal(client.answer(), 'W00', 'end')
    vm.wait_end()


@test(godwit_only='others let the guest run twice')
def guest_that_moved_away(t):
    """What a debugger says doesn't start the guest that it was left with."""
    for packet, answer in (('c', 'T18thread:01;'), ('s', 'T18thread:01;'),
                           ('D', 'OK')):
        vm = machine(t, name='vm' + packet)
        vm.qmp.cmd('cont')
        vm.wait_line('^hb ')
        vm.qmp.cmd('migrate', uri='exec:cat >/dev/null')
        wait_status(vm, 'completed')
        client = Client(t)
        check_equal(client.ask(packet), answer, 'answer to ' + packet)
        client.raw(b'+')
        check_equal(vm.qmp.cmd('query-status')['status'], 'postmigrate',
                    'run state after ' + packet)
        client.close()
        vm.qmp.cmd('quit')
        vm.wait_end()


@test(godwit_only='others lose it')
def register_written_while_it_leaves(t):
    """The state has been saved by then: the guest doesn't leave without."""
    port = free_port()
    vm = machine(t)
    dst = t.machine('-S', '-incoming', 'tcp:127.0.0.1:%d' % port, name='dst',
                    machine='microvm', accel='tcg')
    proxy = Proxy(port, hold=RP_LOADED)
    t.defer(proxy.close)
    vm.qmp.cmd('migrate', uri=proxy.uri)
    t.reactor.poll(proxy.held.is_set, 'LOADED')
    client = Client(t)
    check_equal(client.ask('P3=8877665544332211'), 'OK', 'write to RBX')
    client.raw(b'+')
    proxy.let_go()
    info = wait_status(vm, ('completed', 'failed'))
    check_in('registers of a CPU were written', info.get('error-desc', ''),
             'error')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_equal(client.ask('p3'), '8877665544332211', 'RBX')


@test(godwit_only='some answers are our own')
def monitor_starts_and_stops(t):
    vm = t.machine('-S', machine='microvm', accel='tcg')
    path = 'unix:%s,server=on,wait=off' % t.path('gdb')

    def hmp(line):
        return vm.qmp.cmd('human-monitor-command',
                          **{'command-line': line}).rstrip()
    check_equal(hmp('gdbserver ' + path),
                "Waiting for gdb connection on device '%s'" % path,
                'start')
    client = Client(t)
    check_equal(client.ask('qAttached'), '1', 'answer')
    check_equal(hmp('gdbserver none'), 'Disabled gdbserver', 'stop')
    t.reactor.wait(lambda: client.sock is None, 'end of the connection')
    check_in('Could not open', hmp('gdbserver unix:/no/such/dir/x,server=on'),
             'bad path')
    check_equal(hmp('gdbserver ' + path),
                "Waiting for gdb connection on device '%s'" % path,
                'again')
    check_equal(Client(t).ask('qAttached'), '1', 'answer')


@test(godwit_only='some answers are our own', needs_kvm=True)
def steps_under_kvm(t):
    """What every kernel can; see tests/unit/test-kvm-debug.c."""
    machine(t, accel='kvm')
    client = Client(t)
    before = client.registers()
    check_equal(client.ask('s'), 'T05thread:01;', 'step')
    check(client.registers() != before, 'no step')
    check_equal(client.ask('Z3,1000,1'), 'E22', 'read watchpoint')


@test(godwit_only='the peer has no such registers')
def avx_registers(t):
    machine(t, '-cpu', 'max')
    out = gdb(t, 'set $ymm3.v4_int64[0] = 5', 'set $ymm3.v4_int64[3] = 0x77',
              'print $ymm3.v4_int64', 'stepi', 'print $ymm3.v4_int64',
              'print $xmm3.v2_int64', 'set $ymm15.v8_int32[7] = -3',
              'print $ymm15.v8_int32', 'maint flush register-cache',
              'print $ymm15.v8_int32')
    check_equal(out.count('{5, 0, 0, 119}'), 2, 'in ' + out)
    check_in('{5, 0}', out, 'XMM3')
    check_equal(out.count('{0, 0, 0, 0, 0, 0, 0, -3}'), 2, 'in ' + out)


@test(godwit_only='the peer has no such registers')
def no_avx_registers(t):
    machine(t, '-cpu', 'qemu64,-avx')
    client = Client(t)
    client.ask('?')
    xml, more = '', True
    while more:
        part = client.ask('qXfer:features:read:target.xml:%x,ffff' % len(xml))
        more = part[0] == 'm'
        xml += part[1:]
    check('ymm' not in xml, 'AVX registers in ' + xml)
    count = len(re.findall('<reg ', xml))
    check(client.ask('p%x' % (count - 1)).startswith('801f0000'), 'MXCSR')
    check_equal(client.ask('p%x' % count), 'E22', 'one that is not there')


@test()
def nmi_while_stopped(t):
    """Registers that were written don't take its place."""
    write_rom(t.path('rom'), NMI_CODE)
    vm = t.launch(rom_args(t.path('rom')) + [
        '-gdb', 'unix:%s,server=on,wait=off' % t.path('gdb')])
    vm.wait_line('^R$')
    client = Client(t)
    client.take(rb'')
    client.ask('?')
    check_equal(client.ask('P3=1122334400000000'), 'OK', 'write of RBX')
    vm.qmp.cmd('inject-nmi')
    client.send('c')
    check_equal(vm.wait_end(), 3, 'exit status')


@test(godwit_only='the peer prints gigabytes')
def tables_that_point_to_themselves(t):
    """What a guest has in its page tables is printed up to a bound."""
    vm = machine(t)
    gdb(t, 'break heartbeat', 'continue', 'delete', 'detach')
    vm.qmp.cmd('stop')
    table = int(re.search(r'CR3=([0-9a-f]+)', vm.qmp.hmp('info registers'))
                .group(1), 16)
    client = Client(t)
    check_equal(client.ask('Qqemu.PhyMemMode:1'), 'OK', 'mode')
    entry = (table | 7).to_bytes(8, 'little').hex()
    for i in range(0, 512, 64):
        check_equal(client.ask('M%x,200:%s' % (table + 8 * i, entry * 64)),
                    'OK', 'write')
    out = vm.qmp.hmp('info tlb')
    check(1 << 20 < len(out) < 8 << 20, '%d bytes of info tlb' % len(out))
    check_in('... and more', out[-100:], 'info tlb')
    check_in('... and more', vm.qmp.hmp('info mem')[-100:], 'info mem')


@test(godwit_only='the peer waits')
def server_that_waits_for_nobody(t):
    """Once a guest runs, no command waits for a peer."""
    vm = t.machine(machine='microvm', accel='tcg')
    out = vm.qmp.hmp('gdbserver unix:%s,server=on' % t.path('gdb'))
    check_in('Waiting for gdb connection', out, 'answer')
    vm.wait_line('^hb ')
    client = Client(t)
    check_in('PacketSize', client.ask('qSupported'), 'qSupported')
    check_equal(client.ask('D'), 'OK', 'detach')
    client.close()
    out = vm.qmp.hmp('gdbserver unix:%s,server=on,wait=on' % t.path('gdb2'))
    check_in("'wait=on'", out, 'answer')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')


if __name__ == '__main__':
    main()
