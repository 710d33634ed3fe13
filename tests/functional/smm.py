# SPDX-License-Identifier: GPL-2.0-or-later
"""System management mode: firmware sets it up, a guest uses it, and moves to
QEMU 7.2 and back in the middle of it."""

import os

from godwit.migration import Transport, start, wait_running, wait_status
from godwit.peer import need_peer
from godwit.tap import check_equal, check_in, free_port, main, test

# A boot sector.  It opens SMRAM (82441FX, register 0x72), puts the handler
# below to 0xa8000, where firmware has moved SMBASE to, and closes it again;
# raises an SMI by the command port and says K if its registers are what they
# were, X if not.
SECTOR = bytes.fromhex(
    'fa 31c0 8ed8 8ec0 8ed0 bc0070'  # cli; segments 0; stack
    '66b870000080 baf80c 66ef'       # out 0xcf8: function 0, 0x70
    'bafe0c b04a ee'                 # out 0xcfe: D_OPEN | G_SMRAME
    'b800a8 8ec0 31ff be567c b91a00 fc f3a4'  # the handler to a800:0
    'b00a ee'                        # out 0xcfe: G_SMRAME
    '66bbefcdab89 e6b2 90'           # ebx = 0x89abcdef; out 0xb2; nop
    '6681fbefcdab89 b34b 7402 b358'  # bl = ebx as before? K : X
    'e80300'                         # call put
    'f4 ebfd'                        # hlt, for ever
    'baf803 88d8 ee b00a ee c3'      # put: BL and a new line to COM1
    # The handler: says S, waits for a byte, spoils EBX.
    'baf803 b053 ee b00a ee'
    'bafd03 ec a801 74fb'
    'baf803 ec 6631db 0faa')


def sector(t):
    path = t.path('boot.raw')
    if not os.path.exists(path):
        with open(path, 'wb') as f:
            f.write(SECTOR.ljust(510, b'\0') + b'\x55\xaa')
            f.truncate(1 << 20)
    return path


def boot(t, *extra, name='vm0', machine='pc', accel='tcg', **kwargs):
    return t.launch(['-machine', machine, '-accel', accel, '-m', '32',
                     '-nodefaults', '-display', 'none', '-drive',
                     'if=ide,format=raw,file=' + sector(t), *extra],
                    name=name, **kwargs)


def registers(vm):
    return vm.qmp.cmd('human-monitor-command',
                      **{'command-line': 'info registers'})


def interrupted(vm):
    """In the handler."""
    vm.wait_line('^S$')
    vm.qmp.cmd('stop')
    check_in('SMM=1', registers(vm), 'registers')
    vm.qmp.cmd('cont')


def let_go(vm):
    vm.say('')
    vm.wait_line('^[KX]$')
    check_equal(vm.serial.lines[-1], 'K', 'registers after RSM')
    check_in('SMM=0', registers(vm), 'registers')


@test()
def firmware_sets_it_up(t):
    for machine in ('pc', 'pc,smm=on', 'pc,smm=auto'):
        vm = boot(t, machine=machine, name='vm-' + machine[7:])
        interrupted(vm)
        let_go(vm)
        vm.qmp.cmd('quit')
        vm.wait_end()


@test()
def interprets_all(t):
    vm = boot(t, accel='tcg,x-jit=off')
    interrupted(vm)
    let_go(vm)


@test()
def without_it(t):
    """No SMI comes, and the guest goes on as if there were no command."""
    vm = boot(t, machine='pc,smm=off')
    vm.wait_line('^K$')
    check_equal(vm.serial.lines, ['K'], 'what the guest says')


@test()
def set_up_again_after_reset(t):
    vm = boot(t)
    interrupted(vm)
    mark = vm.mark()
    vm.qmp.cmd('system_reset')
    vm.wait_line('^S$', mark)
    let_go(vm)


@test()
def reads_back(t):
    for value in ('on', 'off', 'auto'):
        vm = boot(t, '-S', machine='pc,smm=' + value, name='vm-' + value,
                  serial=False)
        check_equal(vm.qmp.cmd('qom-get', path='/machine', property='smm'),
                    value, 'property')
        vm.qmp.cmd('quit')
        vm.wait_end()


@test(needs_kvm=True)
def kvm_has_none(t):
    """Where the kernel has none: off unless asked for, and then refused."""
    vm = boot(t, accel='kvm')
    vm.wait_line('^K$')
    check_equal(vm.serial.lines, ['K'], 'what the guest says')
    vm = t.run_to_end(['-machine', 'pc,smm=on', '-accel', 'kvm', '-display',
                       'none', '-nodefaults'])
    check_equal(vm.status, 1, 'exit status')
    check_in('System Management Mode', vm.stderr, 'message')


def move(t, vm, binary, name):
    uri = 'tcp:127.0.0.1:%d' % free_port()
    dst = boot(t, '-incoming', uri, name=name, binary=binary)
    start(vm, Transport(uri, uri))
    wait_status(vm, 'completed')
    wait_running(dst)
    vm.qmp.cmd('quit')
    vm.wait_end()
    return dst


def moves(t, binaries):
    # The peer's option ROM would have firmware's APIC accesses patched.
    extra = ('-global', 'apic-common.vapic=off') if binaries[0] else ()
    vm = boot(t, *extra, binary=binaries[0])
    interrupted(vm)
    for i, binary in enumerate(binaries[1:]):
        vm = move(t, vm, binary, 'vm%d' % (i + 1))
        check_in('SMM=1', registers(vm), 'registers')
    let_go(vm)


@test()
def migrates_in_the_middle(t):
    moves(t, (None, None))


@test()
def migrates_to_the_peer(t):
    moves(t, (None, need_peer()))


@test()
def migrates_from_the_peer(t):
    moves(t, (need_peer(), None))


if __name__ == '__main__':
    main()
