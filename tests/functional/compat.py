# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams are those of QEMU 7.2, and guests move between the two.

GODWIT_PEER is the other program; tests are skipped if it isn't a 7.2.
"""

import re

from godwit.analyze import analyze_file, migcompare
from godwit.migration import (Transport, check_lines, check_pattern_goes_on,
                              go, last_numbers, set_capabilities,
                              set_parameters, start_incoming, start_pattern,
                              transport, wait_drained, wait_running)
from godwit.peer import need_peer
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, main, test

MIB = 1 << 20

# What two guests that do the same never have in common: registers, times,
# what a device has counted, and the status of SATA drives after a
# reset (docs/devices.md).
VARIES = re.compile(r'^(cpu(_common)? \d+/|timer 0/|kvmclock 0/|'
                    r'fw_cfg 0/cur_offset|'
                    r'apic \d+/(initial_count|next_time|timer_expiry|'
                    r'[it]rr|isr|tpr)|'
                    r'mc146818rtc 0/(cmos_data|base_rtc|last_update|'
                    r'update_timer|next_alarm_time|offset)|'
                    r'i8254 0/channels|hpet 0/|ioapic 0/irr|'
                    r'i8259 \d/(last_)?irr|'
                    r'serial \d/state/|'
                    r'0000:00:01.3/piix4_pm 0/ar\.(pm1\.evt\.sts|'
                    r'tmr\.overflow_time)|'
                    r'[0-9a-f:.]+/ich9_ahci 0/ahci/dev/\d/port.ifs\[0\]/'
                    r'status|'
                    r'0000:00:1f.0/ICH9LPC 0/pm/acpi_regs\.(pm1\.evt\.sts|'
                    r'tmr\.overflow_time))')
# Before a guest has set its mouse up: a mouse after power-on has 100 reports
# a second and 4 counts a millimetre; there it has none.  microvm's tables have
# another length here, and the length that is sent is what holds.
OTHER = {'ps2mouse 0/mouse_resolution', 'ps2mouse 0/mouse_sample_rate',
         'fw_cfg 0/fw_cfg/acpi_mr/table_mr_size',
         'fw_cfg 0/fw_cfg/acpi_mr/linker_mr_size'}
# The software CPU tells the rate of its time stamp counter, as KVM does, so
# that the guest's clock goes on at it.  The peer's takes it, and sends none.
ONLY_OURS_WITH_TCG = re.compile(
    r'description: cpu \d+/subsections/cpu/tsc_khz: .* and absent')


def save_guest(t, binary, name, extra, **base):
    """The stream of a guest that has come to rest, analyzed."""
    vm = t.machine(*extra, name=name, binary=binary, **base)
    vm.wait_line('^ready$')
    vm.wait_line('^hb ')
    vm.qmp.cmd('stop')
    path = t.path(name + '.stream')
    go(vm, Transport(None, 'exec:cat > ' + path))
    vm.qmp.cmd('quit')
    vm.wait_end()
    return analyze_file(path)


def check_same(t, *extra, **base):
    peer = need_peer()
    ours = save_guest(t, None, 'ours', extra, **base)
    theirs = save_guest(t, peer, 'theirs', extra, **base)
    lines = list(migcompare.compare_structure(ours, theirs))
    if t.host.accel == 'tcg':
        lines = [line for line in lines
                 if not ONLY_OURS_WITH_TCG.fullmatch(line)]
    check_equal(lines, [], 'differences in structure')
    values = ['%s: %s, %s there' % found for found
              in migcompare.compare_values(ours, theirs)
              if not VARIES.match(found[0]) and found[0] not in OTHER]
    check_equal(values, [], 'differences in the state')


def disk(t, name='disk.raw', mib=8):
    path = t.path(name)
    with open(path, 'wb') as f:
        f.truncate(mib * MIB)
    return path


@test()
def same_stream(t):
    check_same(t)


@test()
def same_stream_two_cpus(t):
    check_same(t, smp=2)


# Two nodes whose memory meets inside what the pattern guest checks.
NODES = ('-object', 'memory-backend-ram,id=near,size=24M',
         '-object', 'memory-backend-ram,id=far,size=40M,share=on',
         '-numa', 'node,memdev=near,cpus=1', '-numa', 'node,memdev=far,cpus=0',
         '-numa', 'dist,src=0,dst=1,val=31')


@test()
def same_stream_numa(t):
    """Memory of two backends, with their names."""
    check_same(t, *NODES, smp=2)


@test()
def same_stream_q35(t):
    check_same(t, machine='q35')


@test()
def same_stream_q35_bridges(t):
    """Sections go by buses; a card behind a port, one beside it."""
    check_same(t, '-device', 'pcie-root-port,id=rp1,chassis=1,addr=2',
               '-device', 'virtio-balloon-pci,bus=rp1',
               '-device', 'virtio-rng-pci,addr=4',
               machine='q35')


@test()
def same_stream_q35_native_hot_plug(t):
    """The port says what is in its slot."""
    check_same(t, '-device', 'pcie-root-port,id=rp1,chassis=1,addr=2',
               '-device', 'virtio-balloon-pci,bus=rp1',
               '-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off',
               machine='q35')


@test()
def same_stream_bridge_hot_plug_off(t):
    """Only the root bus has hot-plug registers."""
    check_same(t, '-device', 'pci-bridge,id=b1,chassis_nr=1,addr=4',
               '-global',
               'PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off')


@test()
def same_stream_e1000e(t):
    """Beside the host bridge, and behind a port."""
    check_same(t, '-device', 'pcie-root-port,id=rp1,chassis=1,addr=2',
               '-netdev', 'hubport,id=h0,hubid=0',
               '-device', 'e1000e,netdev=h0,mac=52:54:00:12:34:56,addr=4',
               '-netdev', 'hubport,id=h1,hubid=0',
               '-device', 'e1000e,netdev=h1,mac=52:54:00:12:34:57,bus=rp1,'
               'subsys=17', machine='q35')


@test()
def same_stream_q35_disks(t):
    """One on a port each: -hda is port 0, -cdrom 2."""
    check_same(t, '-drive', 'if=ide,format=raw,file=' + disk(t),
               '-cdrom', disk(t, 'cd.iso'), machine='q35')


@test()
def same_stream_q35_plain(t):
    check_same(t, machine='q35,sata=off,smbus=off,smm=off,hpet=off', smp=2)


@test()
def same_stream_serials(t):
    check_same(t, '-chardev', 'null,id=n0',
               '-device', 'isa-serial,chardev=n0,index=1')


@test()
def same_stream_watchdogs(t):
    check_same(t, '-device', 'i6300esb', '-device', 'pvpanic',
               '-device', 'pvpanic-pci')


@test()
def same_stream_parallel(t):
    check_same(t, '-parallel', 'null')


@test()
def same_stream_disk(t):
    check_same(t, '-drive', 'if=ide,format=raw,file=' + disk(t))


def ahci(t):
    return ['-device', 'ich9-ahci,id=ahci',
            '-drive', 'if=none,id=d0,format=raw,file=' + disk(t),
            '-device', 'ide-hd,drive=d0,bus=ahci.0',
            '-drive', 'if=none,id=cd0,media=cdrom,file=' + disk(t, 'cd.iso'),
            '-device', 'ide-cd,drive=cd0,bus=ahci.2']


@test()
def same_stream_ahci(t):
    check_same(t, *ahci(t))


@test()
def same_stream_cdrom(t):
    check_same(t, '-cdrom', disk(t, 'cd.iso'))


@test()
def same_stream_empty_cdrom(t):
    check_same(t, '-drive', 'if=ide,index=2,media=cdrom')


@test()
def same_stream_vga(t):
    check_same(t, '-vga', 'std')


@test()
def same_stream_virtio_gpu(t):
    check_same(t, '-vga', 'virtio', '-device',
               'virtio-gpu-pci,max_outputs=2,addr=9')


@test()
def same_stream_usb(t):
    check_same(t, '-device', 'qemu-xhci,id=usb', '-device',
               'usb-tablet,port=1', '-device', 'usb-mouse,port=2', '-device',
               'usb-hub,port=3', '-device', 'usb-kbd,port=3.1', '-device',
               'usb-hub,port=4,ports=3,port-power=on')


@test()
def same_stream_uhci(t):
    check_same(t, '-device', 'usb-tablet,port=1', '-device', 'usb-hub,port=2',
               '-device', 'usb-kbd,port=2.1', '-device',
               'ich9-usb-uhci2,addr=7', machine='pc,usb=on')


@test()
def same_stream_vmgenid(t):
    check_same(t, '-device', 'vmgenid')


@test()
def same_stream_ib700(t):
    check_same(t, '-device', 'ib700')


@test()
def there_and_back_vga(t):
    there_and_back(t, '-vga', 'std')


@test()
def there_and_back_virtio_gpu(t):
    there_and_back(t, '-vga', 'virtio')


@test()
def same_stream_without_acpi(t):
    check_same(t, '-no-acpi')


@test()
def same_stream_without_hpet(t):
    check_same(t, machine='pc,hpet=off')


@test()
def same_stream_without_vapic(t):
    check_same(t, '-global', 'apic-common.vapic=off')


@test()
def vapic_off_has_no_section(t):
    vm = t.machine('-S', '-global', 'apic-common.vapic=off')
    path = t.path('stream')
    go(vm, Transport(None, 'exec:cat > ' + path))
    with open(path, 'rb') as f:
        check_equal(b'kvm-tpr-opt' in f.read(), False, 'section sent')


def types(vm):
    return {ty['name']: ty for ty in vm.qmp.cmd('qom-list-types',
                                                abstract=True)}


@test()
def same_types(t):
    """Where both have a type, its parent and whether it is abstract."""
    peer = need_peer()
    ours = types(t.machine('-S', name='ours'))
    theirs = types(t.machine('-S', name='theirs', binary=peer))
    # Debian's is built without this accelerator.
    ours.pop('qtest-accel')
    check_equal(sorted(set(ours) - set(theirs)), [], 'types of our own')
    check_equal([(n, ty) for n, ty in sorted(ours.items())
                 if theirs[n] != ty], [], 'other descriptions')


CPU = '/machine/unattached/device[0]'
# KVM has no virtual PMU for guests here; the rate is measured anew each time.
CPU_DIFFERS = {'pmu', 'tsc-frequency'}


def cpu_properties(vm):
    props = {}
    for p in vm.qmp.cmd('qom-list', path=CPU):
        if p['type'].startswith('child<') or p['name'] == 'crash-information':
            continue
        try:
            value = vm.qmp.cmd('qom-get', path=CPU, property=p['name'])
        except QmpError as e:
            value = e.desc
        if p['type'] == 'X86CPUFeatureWordInfo':
            value = {tuple(sorted(w.items())) for w in value if w['features']}
        props[p['name']] = (p['type'], value)
    return props


def check_same_cpu(t, *extra, differs=frozenset()):
    peer = need_peer()
    ours = cpu_properties(t.machine('-S', *extra, name='ours', smp=2))
    theirs = cpu_properties(t.machine('-S', *extra, name='theirs', smp=2,
                                      binary=peer))
    both = set(ours) & set(theirs) - CPU_DIFFERS - differs
    check(len(both) > 370, '%d properties' % len(both))
    check_equal([(n, ours[n], theirs[n]) for n in sorted(both)
                 if ours[n] != theirs[n]], [], 'other values')


@test()
def same_cpu_properties(t):
    check_same_cpu(t, '-cpu', 'Nehalem')


@test(needs_kvm=True)
def same_cpu_properties_host(t):
    check_same_cpu(t, '-cpu', 'host,-arch-capabilities')


@test()
def cpu_topology_ids(t):
    need_peer()
    found = []
    for name, binary in (('ours', None), ('theirs', need_peer())):
        vm = t.machine('-S', '-smp', '8,sockets=2,dies=2,cores=1,threads=2',
                       name=name, binary=binary)
        paths = [c['qom-path'] for c in vm.qmp.cmd('query-cpus-fast')]
        found.append([[vm.qmp.cmd('qom-get', path=p, property=k)
                       for k in ('apic-id', 'socket-id', 'die-id', 'core-id',
                                 'thread-id')] for p in paths])
    check_equal(found[0], found[1], 'ids')


@test()
def same_stream_microvm(t):
    check_same(t, machine='microvm')


def move(t, src, binary, name, *extra, kind='tcp', before=None, **kwargs):
    """To the program `binary`; returns the machine there."""
    way = transport(t, kind)
    dst = None
    if not way.after:
        dst = start_incoming(t, src, way.incoming, *extra, name=name,
                             binary=binary, **kwargs)
    set_parameters(src, **{'max-bandwidth': 0})
    if before:
        before(src, dst)
    go(src, way)
    if way.after:
        dst = start_incoming(t, src, way.incoming, *extra, name=name,
                             binary=binary, **kwargs)
    wait_running(dst)
    dst.pattern_args = src.pattern_args
    wait_drained(src)
    numbers = last_numbers(src)
    check_lines(src.serial.lines)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)
    return dst


def there_and_back(t, *extra, kind='tcp', before=None, **base):
    """From Godwit to the peer and back; each checks all of its memory."""
    peer = need_peer()
    vm = start_pattern(t, *extra, **base)
    for i, binary in enumerate((peer, None)):
        old = vm
        vm = move(t, old, binary, 'vm%d' % i, *extra, kind=kind,
                  before=before)
        old.qmp.cmd('quit')
        check_equal(old.wait_end(), 0, 'exit status')
    return vm


@test()
def there_and_back_tcp(t):
    there_and_back(t)


@test()
def there_and_back_exec(t):
    there_and_back(t, kind='exec')


@test()
def there_and_back_two_cpus(t):
    there_and_back(t, smp=2)


@test()
def there_and_back_disk(t):
    """Both programs lock the image for writing while the guest is theirs."""
    there_and_back(t, '-drive', 'if=ide,format=raw,file=' + disk(t),
                   '-cdrom', disk(t, 'cd.iso'))


@test()
def there_and_back_numa(t):
    vm = there_and_back(t, *NODES, smp=2, mb=32)
    text = vm.qmp.cmd('human-monitor-command', **{'command-line': 'info numa'})
    check_equal(text.split('\r\n')[:3],
                ['2 nodes', 'node 0 cpus: 1', 'node 0 size: 24 MB'],
                'info numa')


@test()
def there_and_back_ahci(t):
    there_and_back(t, *ahci(t))


@test()
def there_and_back_e1000e(t):
    there_and_back(t, '-netdev', 'hubport,id=h0,hubid=0', '-device',
                   'e1000e,netdev=h0,mac=52:54:00:12:34:56,addr=4',
                   machine='q35')


@test()
def there_and_back_microvm(t):
    there_and_back(t, machine='microvm')


@test()
def there_and_back_q35(t):
    there_and_back(t, '-device', 'pcie-root-port,id=rp1,chassis=1,addr=2',
                   '-device', 'virtio-balloon-pci,bus=rp1',
                   '-device', 'i6300esb,addr=5', '-device', 'pvpanic-pci',
                   '-device', 'virtio-rng-pci,addr=4',
                   '-drive', 'if=ide,format=raw,file=' + disk(t),
                   machine='q35', smp=2)


@test()
def there_and_back_above_4g(t):
    there_and_back(t, mem=5120, mb=32)


def capabilities(**caps):
    def before(src, dst):
        for vm in (src, dst):
            set_capabilities(vm, **caps)
    return before


@test()
def there_and_back_return_path(t):
    there_and_back(t, before=capabilities(return_path=True))


# A pc with all that it has by default.  The guest is started by the firmware,
# which runs the option ROMs first.
def default_pc(t, name, binary, accel, *extra):
    config = 'mode=pattern mb=4 rate=20000 report=20'
    vm = t.launch(['-accel', accel, '-m', '64', '-display', 'none',
                   '-kernel', t.host.guest('guest.elf'), '-append', config,
                   *extra], name=name, binary=binary)
    vm.pattern_args = None
    return vm


def from_defaults(t, accel, *extra):
    """Not a device is trimmed that nobody would trim."""
    src = default_pc(t, 'src', need_peer(), accel, *extra)
    src.wait_line(r'^ok pass=\d+ cpu=0 ')
    for i, binary in enumerate((None, need_peer())):
        way = transport(t, 'tcp')
        dst = default_pc(t, 'dst%d' % i, binary, accel, '-incoming',
                         way.incoming, *extra)
        set_parameters(src, **{'max-bandwidth': 0})
        go(src, way)
        wait_running(dst)
        wait_drained(src)
        numbers = last_numbers(src)
        dst.serial.adopt(src.serial)
        check_pattern_goes_on(dst, numbers)
        src = dst


@test()
def the_defaults_are_taken_tcg(t):
    """The option ROM stands by. Time isn't looked at here."""
    src = default_pc(t, 'src', need_peer(), 'tcg')
    src.wait_line(r'^ok pass=\d+ cpu=0 ')
    way = transport(t, 'tcp')
    dst = default_pc(t, 'dst', None, 'tcg', '-incoming', way.incoming)
    set_parameters(src, **{'max-bandwidth': 0})
    go(src, way)
    wait_running(dst)


@test(needs_kvm=True)
def from_the_defaults_kvm(t):
    from_defaults(t, 'kvm')


if __name__ == '__main__':
    main()
