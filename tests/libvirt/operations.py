# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt does with a domain on one host."""

import os
import xml.etree.ElementTree as ET

from lv.daemon import CommandFailed
from lv.domain import (CHANNEL, CPU, MINIMAL, NIC, RNG, agent_asks, disk,
                       wait_agent)
from lv.guest import make_disk, wait_until
from lv.suite import default_letters, domain, everyday, pair_of, row

from godwit.tap import check, check_equal, check_in, main, test


def stats(text):
    """{name: value} of lines 'name=value' or 'name: value' or 'name value'."""
    found = {}
    for line in text.splitlines():
        words = line.replace('=', ' ').replace(':', ' ').split()
        if len(words) >= 2:
            found[' '.join(words[:-1])] = words[-1]
    return found


@test()
def domcapabilities(t):
    host = pair_of(t, default_letters()).hosts[0]
    for machine in ('pc', 'q35'):
        caps = ET.fromstring(host.virsh('domcapabilities', '--virttype',
                                        'qemu', '--machine', machine))
        check_equal(caps.find('domain').text, 'qemu', 'kind')
        check_in('virtio', [v.text for v in caps.findall(
            "./devices/disk/enum[@name='bus']/value")], 'disk buses')
        check_in('vnc', [v.text for v in caps.findall(
            "./devices/graphics/enum[@name='type']/value")], 'graphics')
    caps = ET.fromstring(host.virsh('capabilities'))
    check_in('x86_64', [a.get('name') for a in caps.findall('guest/arch')],
             'architectures')


@test()
def cpu_baseline_and_compare(t):
    host = pair_of(t, default_letters()).hosts[0]
    path = os.path.join(host.folder, 'cpu.xml')
    caps = ET.fromstring(host.virsh('domcapabilities', '--virttype', 'qemu'))
    with open(path, 'w', encoding='ascii') as file:
        file.write(CPU)
    check(caps.find("cpu/mode[@name='custom']/model") is not None,
          'CPU models')
    check_in('qemu64', host.virsh('hypervisor-cpu-baseline', '--virttype',
                                  'qemu', path), 'baseline')
    check_in('superset', host.virsh('hypervisor-cpu-compare', '--virttype',
                                    'qemu', path), 'comparison')


@test()
def start_console_destroy(t):
    for machine in ('pc', 'q35'):
        dom = everyday(t, machine)
        check_equal(dom.state(), 'running', 'state')
        fd = os.open(dom.tty(), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        t.defer(lambda fd=fd: os.close(fd))
        os.write(fd, b'echo con$((40+2))sole\n')
        said = []

        def answered(fd=fd, said=said):
            try:
                said.append(os.read(fd, 4096))
            except BlockingIOError:
                pass
            return b'con42sole' in b''.join(said)
        wait_until(answered, 30, 'answer of the shell')
    dom.virsh('destroy')
    check_equal(dom.state(), 'shut off', 'state')


@test()
def query(t):
    dom = everyday(t)
    info = stats(dom.virsh('dominfo'))
    check_equal(info['State'], 'running', 'dominfo')
    all_stats = stats(dom.virsh('domstats'))
    for name in ('state.state', 'cpu.time', 'balloon.current',
                 'vcpu.current', 'vcpu.0.state', 'block.count',
                 'block.0.capacity', 'block.0.rd.reqs', 'net.count'):
        check_in(name, all_stats, 'domstats')
    check_equal(all_stats['block.0.capacity'], str(16 << 20), 'capacity')
    check_in('Capacity', dom.virsh('domblkinfo', 'vda'), 'domblkinfo')
    check_in('everyday-pc.qcow2', dom.virsh('domblklist'), 'domblklist')
    check_in('rd_req', dom.virsh('domblkstat', 'vda'), 'domblkstat')
    check_in('running', dom.virsh('vcpuinfo'), 'vcpuinfo')
    check_in('actual', dom.virsh('dommemstat'), 'dommemstat')
    check_in('user', dom.virsh('domiflist'), 'domiflist')
    check_in('127.0.0.1:', dom.virsh('vncdisplay'), 'vncdisplay')
    check_equal(dom.virsh('domcontrol'), 'ok', 'domcontrol')


@test()
def monitor_command(t):
    dom = everyday(t)
    check_in('"running":true', dom.virsh(
        'qemu-monitor-command', '{"execute": "query-status"}').replace(
            ' ', ''), 'QMP')
    check_in('running', dom.virsh('qemu-monitor-command', '--hmp',
                                  'info status'), 'HMP')
    check_in('CommandNotFound', dom.virsh(
        'qemu-monitor-command', '{"execute": "no-such"}'), 'error')


@test()
def suspend_resume(t):
    dom = everyday(t)
    dom.virsh('suspend')
    check_equal(dom.state(), 'paused', 'state')
    check(dom.heart.stands_still(), 'a paused guest goes on')
    dom.virsh('resume')
    check_equal(dom.state(), 'running', 'state')
    dom.heart.wait()


@test()
def setmem(t):
    dom = everyday(t)
    dom.virsh('setmem', '128M', '--live')
    wait_until(lambda: stats(dom.virsh('dommemstat')).get('actual') ==
               str(128 << 10), 60, 'smaller memory')
    dom.virsh('dommemstat', '--period', '1', '--live')
    wait_until(lambda: 'unused' in stats(dom.virsh('dommemstat')), 30,
               'statistics of the balloon')
    dom.virsh('setmem', '192M', '--live')
    wait_until(lambda: stats(dom.virsh('dommemstat')).get('actual') ==
               str(192 << 10), 60, 'all of its memory')
    dom.heart.wait()


@test()
def attach_and_detach_disk(t):
    for machine in ('pc', 'q35'):
        dom = everyday(t, machine)
        path = make_disk(os.path.join(dom.pair.shared, 'second.qcow2'))
        dom.virsh('attach-disk', path, 'vdb', '--subdriver', 'qcow2',
                  '--live')
        check_in(path, dom.virsh('domblklist'), 'disks')
        dom.heart.wait()
        dom.virsh('detach-disk', 'vdb', '--live')
        wait_until(lambda dom=dom, path=path: path not in dom.virsh(
            'domblklist'), 30, 'end of the disk')
        dom.heart.wait()


@test()
def attach_and_detach_interface(t):
    dom = everyday(t)
    mac = '52:54:00:98:00:02'
    path = os.path.join(dom.pair.shared, 'nic.xml')
    with open(path, 'w', encoding='ascii') as file:
        file.write(NIC.replace('52:54:00:98:00:01', mac))
    dom.virsh('attach-device', path, '--live')
    check_in(mac, dom.virsh('domiflist'), 'interfaces')
    dom.heart.wait()
    dom.virsh('detach-interface', 'user', '--mac', mac, '--live')
    wait_until(lambda: mac not in dom.virsh('domiflist'), 30,
               'end of the interface')
    dom.heart.wait()


@test()
def link_and_update_device(t):
    dom = everyday(t)
    pair = dom.pair
    mac = '52:54:00:98:00:01'
    dom.virsh('domif-setlink', mac, 'down')
    check_in('down', dom.virsh('domif-getlink', mac), 'link')
    dom.virsh('domif-setlink', mac, 'up')
    check_in('up', dom.virsh('domif-getlink', mac), 'link')
    nic = dom.live_xml().find('./devices/interface')
    ET.SubElement(nic, 'link', {'state': 'down'})
    path = os.path.join(pair.shared, 'link.xml')
    for old in nic.findall('link')[:-1]:
        nic.remove(old)
    ET.ElementTree(nic).write(path)
    dom.virsh('update-device', path, '--live')
    check_in('down', dom.virsh('domif-getlink', mac), 'link')
    dom.virsh('domif-setlink', mac, 'up')


@test()
def send_key(t):
    dom = everyday(t)
    dom.virsh('send-key', 'KEY_LEFTCTRL', 'KEY_A')
    dom.heart.wait()


@test()
def blockresize(t):
    dom = everyday(t)
    dom.virsh('blockresize', 'vda', '24M')
    check_in(str(24 << 20), dom.virsh('domblkinfo', 'vda'), 'size')


@test()
def screenshot(t):
    dom = everyday(t)
    path = os.path.join(dom.host.folder, 'shot.ppm')
    dom.virsh('screenshot', path)
    with open(path, 'rb') as file:
        check_in(file.read(2), (b'P6', b'\x89P'), 'form of the picture')


@test()
def save_and_restore(t):
    dom = everyday(t)
    path = os.path.join(dom.host.folder, 'saved')
    dom.virsh('save', path)
    check_equal(dom.state(), 'shut off', 'state')
    dom.host.virsh('restore', path)
    check_equal(dom.state(), 'running', 'state')
    dom.heart.wait()


@test()
def managedsave(t):
    dom = everyday(t)
    dom.virsh('managedsave')
    check_equal(dom.state(), 'shut off', 'state')
    dom.virsh('start')
    dom.heart.wait()


@test()
def reset(t):
    dom = everyday(t)
    boots = dom.heart.boots()
    dom.virsh('reset')
    dom.heart.wait_boot(boots + 1)


@test()
def shutdown_by_acpi(t):
    for machine in ('pc', 'q35'):
        dom = everyday(t, machine)
        dom.virsh('shutdown', '--mode', 'acpi')
        dom.wait_state('shut off')
        check_in('lv power button', dom.heart.lines(), 'last words')


@test()
def reboot_by_acpi(t):
    dom = everyday(t)
    boots = dom.heart.boots()
    dom.virsh('reboot', '--mode', 'acpi')
    dom.heart.wait_boot(boots + 1)
    check_equal(dom.state(), 'running', 'state')


@test()
def daemon_restarts(t):
    dom = everyday(t)
    dom.host.stop()
    dom.heart.wait()
    dom.host.start()
    check_equal(dom.state(), 'running', 'state')
    check_equal(stats(dom.virsh('dominfo'))['State'], 'running', 'dominfo')
    dom.virsh('suspend')
    dom.virsh('resume')
    dom.heart.wait()


@test()
def iothreads(t):
    pair = pair_of(t, default_letters())
    path = make_disk(os.path.join(pair.shared, 'iothread.qcow2'))
    dom = domain(t, 'iothread', head='<iothreads>1</iothreads>',
                 devices=MINIMAL + disk(path, iothread='1'))
    dom.start()
    check_in('1', dom.virsh('iothreadinfo'), 'iothreads')
    dom.virsh('iothreadadd', '2', '--live')
    dom.virsh('iothreaddel', '2', '--live')
    dom.heart.wait()


@test()
def vcpupin_and_emulatorpin(t):
    dom = domain(t, 'pin', vcpus='2')
    dom.start()
    dom.virsh('vcpupin', '0', '0', '--live')
    check_equal(stats(dom.virsh('vcpupin', '0'))['0'], '0', 'affinity')
    dom.virsh('emulatorpin', '0', '--live')
    dom.heart.wait()


@test()
def autostart(t):
    dom = domain(t, 'auto')
    dom.define()
    dom.virsh('autostart')
    check_equal(stats(dom.virsh('dominfo'))['Autostart'], 'enable', 'flag')
    dom.host.stop()
    # Domains start with the host's first daemon, not with each.
    for root, _, names in os.walk(os.path.join(dom.host.folder, 'run')):
        for name in names:
            if name == 'autostarted':
                os.unlink(os.path.join(root, name))
    dom.host.start()
    wait_until(lambda: dom.state() == 'running', 30, 'start by itself')


@test()
def channel_and_rng(t):
    dom = domain(t, 'channel', devices=MINIMAL + CHANNEL + RNG)
    dom.start()
    wait_agent(dom)


@test()
def guest_agent(t):
    for machine in ('pc', 'q35'):
        dom = everyday(t, machine)
        wait_agent(dom)
        check_equal(agent_asks(dom, 'guest-ping'), {}, 'ping')
        check_equal(len(agent_asks(dom, 'guest-get-vcpus')), 1, 'vCPUs')
        check_in('lo', dom.virsh('domifaddr', '--source', 'agent'),
                 'interfaces')
        check_in('Time', dom.virsh('domtime'), 'domtime')
        dom.heart.wait()


@test()
def reboot_and_shutdown_by_agent(t):
    dom = everyday(t)
    wait_agent(dom)
    boots = dom.heart.boots()
    dom.virsh('reboot', '--mode', 'agent')
    dom.heart.wait_boot(boots + 1)
    wait_agent(dom)
    dom.virsh('shutdown', '--mode', 'agent')
    dom.wait_state('shut off')
    check(any(line.startswith('lv shutdown ') and ' -P ' in line
              for line in dom.heart.lines()), 'last words of the guest')


@test()
def what_is_not_there(t):
    """The error names what the user has to leave out."""
    dom = domain(t, 'absent', devices=MINIMAL +
                 "<sound model='ich6'/>")
    try:
        dom.start(boot=False)
    except CommandFailed as err:
        check_in('ich6', str(err).replace('intel-hda', 'ich6'), 'error')
    else:
        check_equal(default_letters(), 'qq', 'it started with')


@test()
def inject_nmi(t):
    dom = everyday(t)
    dom.virsh('inject-nmi')
    dom.heart.wait()


@test()
def blkdeviotune(t):
    dom = everyday(t)

    def limits():
        return stats(dom.virsh('blkdeviotune', 'vda'))
    check_equal(limits()['total_iops_sec'], '0', 'no limit')
    dom.virsh('blkdeviotune', 'vda', '--total-iops-sec', '500',
              '--read-bytes-sec', '1000000', '--read-bytes-sec-max', '2000000',
              '--read-bytes-sec-max-length', '3', '--live')
    for name, value in (('total_iops_sec', '500'),
                        ('read_bytes_sec', '1000000'),
                        ('read_bytes_sec_max', '2000000'),
                        ('read_bytes_sec_max_length', '3')):
        check_equal(limits()[name], value, name)
    dom.heart.wait()
    dom.virsh('suspend')
    dom.virsh('resume')
    dom.virsh('blkdeviotune', 'vda', '--total-iops-sec', '0',
              '--read-bytes-sec', '0', '--read-bytes-sec-max', '0',
              '--read-bytes-sec-max-length', '0', '--live')
    check_equal(limits()['total_iops_sec'], '0', 'no limit any more')
    dom.heart.wait()


@test()
def internal_snapshots(t):
    dom = everyday(t)
    dom.virsh('snapshot-create-as', '--name', 'one')
    dom.heart.wait()
    check_in('one', dom.virsh('snapshot-list'), 'list')
    dom.virsh('snapshot-create-as', '--name', 'two')
    dom.virsh('snapshot-revert', '--snapshotname', 'one', '--paused')
    dom.heart.goes_back()
    dom.virsh('resume')
    check_equal(dom.state(), 'running', 'state')
    dom.heart.wait()
    for name in ('one', 'two'):
        dom.virsh('snapshot-delete', '--snapshotname', name)
    check('one' not in dom.virsh('snapshot-list'), 'it is still there')
    dom.heart.wait()


row('setvcpus', 'vCPU hot-plug is not in this version')
row('virt_install_default',
    'SPICE and USB redirection, which it asks for, are not in this version')

if __name__ == '__main__':
    main()
