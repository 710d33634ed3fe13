# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains, as XML and as what is done with them."""

import json
import os
import time
import xml.etree.ElementTree as ET

from .daemon import CommandFailed
from .guest import Heart, wait_until

TEMPLATE = '''\
<domain type='{kind}'>
  <name>{name}</name>
  <memory unit='MiB'>{mem}</memory>
  <vcpu>{vcpus}</vcpu>
  {head}
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 rdinit=/lv-init quiet loglevel=1</cmdline>
  </os>
  <features><acpi/><apic/></features>
  {cpu}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='file'><source path='{serial}' append='on'/>
      <target port='0'/></serial>
    <serial type='pty'><target port='1'/></serial>
    {devices}
  </devices>
</domain>
'''
# The software CPU of 7.2 has SVM in this model, and a guest that saw it needs
# it: without it, the model is the same in both programs.
CPU = '''<cpu mode='custom' match='exact' check='none'>
    <model fallback='forbid'>qemu64</model>
    <feature policy='disable' name='svm'/></cpu>'''
MINIMAL = '''<controller type='usb' model='none'/>
    <memballoon model='none'/>'''


def disk(path, image_format='qcow2', target='vda', **driver):
    more = ''.join(" %s='%s'" % item for item in driver.items())
    return ('''<disk type='file' device='disk'>
      <driver name='qemu' type='%s' cache='none'%s/>
      <source file='%s'/><target dev='%s' bus='virtio'/></disk>''' %
            (image_format, more, path, target))


NIC = '''<interface type='user'><mac address='52:54:00:98:00:01'/>
      <model type='virtio'/></interface>'''
CHANNEL = '''<channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/></channel>'''
BALLOON = "<memballoon model='virtio'/>"
RNG = '''<rng model='virtio'><backend model='random'>/dev/urandom</backend>
    </rng>'''
VNC = "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>"
TABLET = "<input type='tablet' bus='usb'/>"
VIDEO = "<video><model type='vga'/></video>"


def full(path, usb=True):
    """What an everyday domain has."""
    return '\n    '.join([
        disk(path), NIC, CHANNEL, BALLOON, RNG, VNC, VIDEO,
        "<controller type='usb' model='qemu-xhci'/>" + TABLET if usb else
        "<controller type='usb' model='none'/>"])


class Domain:
    """A guest, on whichever host it is."""

    def __init__(self, pair, name, machine='pc', devices=MINIMAL, kind='qemu',
                 mem=192, vcpus="1", head='', cpu=CPU, host=0):
        self.pair = pair
        self.name = name
        self.host = pair.hosts[host]
        serial = os.path.join(pair.shared, name + '.serial')
        self.heart = Heart(serial)
        self.xml = TEMPLATE.format(
            kind=kind, name=name, mem=mem, vcpus=vcpus, machine=machine,
            kernel=pair.kernel, initrd=pair.initrd, cpu=cpu, serial=serial,
            devices=devices, head=head)
        self.path = os.path.join(pair.shared, name + '.xml')
        with open(self.path, 'w', encoding='ascii') as file:
            file.write(self.xml)

    def virsh(self, command, *args, **kwargs):
        """A command whose first argument is the domain."""
        return self.host.virsh(command, self.name, *args, **kwargs)

    def define(self):
        self.host.virsh('define', self.path)

    def start(self, boot=True):
        if os.path.exists(self.heart.path):
            os.unlink(self.heart.path)
        self.define()
        self.virsh('start')
        if boot:
            self.heart.wait_boot()

    @property
    def other(self):
        first, second = self.pair.hosts
        return second if self.host is first else first

    def migrate(self, *args, check_beats=True):
        """To the other host, where it is then; returns seconds."""
        dst = self.other
        started = time.monotonic()
        self.virsh('migrate', '--live', '--unsafe', *args,
                   dst.tcp_uri if '--p2p' in args else dst.uri)
        took = time.monotonic() - started
        self.host = dst
        if check_beats:
            self.heart.wait()
        return took

    def state(self):
        return self.virsh('domstate')

    def is_well(self):
        """It runs where it is thought to be."""
        try:
            return self.state() == 'running' and not self.heart.stands_still()
        except (AssertionError, CommandFailed):
            return False

    def wait_state(self, state, timeout=60):
        wait_until(lambda: self.state() == state, timeout,
                   'state "%s"' % state)

    def live_xml(self):
        return ET.fromstring(self.virsh('dumpxml'))

    def tty(self):
        """The path of the shell's terminal, which both sides see."""
        return self.live_xml().find(
            "./devices/serial[@type='pty']/source").get('path')

    def gone(self):
        """Neither host knows it any more."""
        for host in self.pair.hosts:
            for command in (('destroy',), ('managedsave-remove',),
                            ('undefine',)):
                try:
                    host.virsh(*command, self.name)
                except CommandFailed:
                    pass


def wait_agent(dom):
    """The agent has opened the guest's end."""
    wait_until(lambda: dom.live_xml().find('./devices/channel/target').get(
        'state') == 'connected', 60, 'agent')


def agent_asks(dom, command):
    """What the agent returns."""
    return json.loads(dom.virsh('qemu-agent-command', '--timeout', '30',
                                json.dumps({'execute': command})))['return']
