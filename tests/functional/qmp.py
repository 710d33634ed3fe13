# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine protocol: what every client relies on, and bad input."""

import contextlib
import fcntl
import json
import os
import signal
import socket

from godwit.migration import refused
from godwit.qmp import Qmp, QmpError
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        test)


def connect(t, path):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    qmp = Qmp(t.reactor, sock)
    t.defer(qmp.close)
    return qmp


def expect_error(qmp, data, error_class='GenericError', part=''):
    """Send bytes, take one error reply, and see that the monitor lives."""
    qmp.send_raw(data)
    reply = qmp.next_reply()
    check_in('error', reply, 'reply')
    check_equal(reply['error']['class'], error_class, 'class')
    check_in(part, reply['error']['desc'], 'desc')
    check(reply['error']['desc'].strip(), 'empty desc')
    return reply


@test()
def greeting(t):
    vm = t.machine('-S')
    version = vm.qmp.greeting['version']
    for key in ('major', 'minor', 'micro'):
        check(isinstance(version['qemu'][key], int), key)
    check(isinstance(version['package'], str), 'package')
    check_in('oob', vm.qmp.greeting['capabilities'], 'capabilities')
    check_equal(vm.qmp.cmd('query-version'), version, 'query-version')
    check_in('version %(major)d.%(minor)d.%(micro)d' % version['qemu'],
             t.host.version, '--version')


@test()
def negotiation(t):
    path = t.path('q')
    t.machine('-qmp', 'unix:%s,server=on,wait=off' % path, '-S')
    qmp = connect(t, path)
    qmp.wait_greeting()
    expect_error(qmp, b'{"execute":"query-status"}\n', 'CommandNotFound',
                 'qmp_capabilities')
    expect_error(qmp, b'{"execute":"qmp_capabilities","arguments":'
                      b'{"enable":["nonsense"]}}\n', part='nonsense')
    qmp.cmd('qmp_capabilities')
    expect_error(qmp, b'{"execute":"qmp_capabilities"}\n', 'CommandNotFound')
    check_equal(qmp.cmd('query-status')['running'], False, 'running')


@test()
def ids_are_echoed(t):
    vm = t.machine('-S')
    for cmd_id in ('x', 7, -1, 18446744073709551615, 1.5, None, True, [],
                   {'a': ['b', {}]}, 'ü\u20ac\U0001f600', ''):
        msg = {'execute': 'query-status', 'id': cmd_id}
        vm.qmp.send_raw(json.dumps(msg).encode())
        reply = vm.qmp.next_reply()
        check_in('return', reply, 'reply')
        check_equal(reply.get('id'), cmd_id, 'id')
        msg = {'execute': 'no-such-command', 'id': cmd_id}
        vm.qmp.send_raw(json.dumps(msg).encode())
        reply = vm.qmp.next_reply()
        check_equal(reply['error']['class'], 'CommandNotFound', 'class')
        check_in('no-such-command', reply['error']['desc'], 'desc')
        check_equal(reply.get('id'), cmd_id, 'id')


@test()
def no_id_no_id(t):
    vm = t.machine('-S')
    vm.qmp.send_raw(b'{"execute":"query-status"}')
    check('id' not in vm.qmp.next_reply(), 'id out of nowhere')


@test()
def commands_in_one_go_and_in_pieces(t):
    vm = t.machine('-S')
    data = b''.join(b'{"execute":"query-status","id":%d}\n' % i
                    for i in range(500))
    vm.qmp.send_raw(data)
    for i in range(500):
        check_equal(vm.qmp.next_reply().get('id'), i, 'order of replies')
    for byte in b' {"execute" :\t"query-\\u0073tatus", "id": 1}\r\n':
        vm.qmp.send_raw(bytes([byte]))
    check_equal(vm.qmp.next_reply()['return']['status'], 'prelaunch',
                'status')


@test()
def arguments(t):
    vm = t.machine('-S')
    err = refused(vm, 'migrate')
    check_in('uri', err.desc, 'missing argument')
    err = refused(vm, 'migrate', uri=5)
    check_in('uri', err.desc, 'wrong type')
    err = refused(vm, 'query-status', bogus=1)
    check_in('bogus', err.desc, 'unknown argument')
    err = refused(vm, 'migrate-set-capabilities', capabilities=[
        {'capability': 'no-such-capability', 'state': True}])
    check_in('no-such-capability', err.desc, 'unknown enum value')
    err = refused(vm, 'migrate-set-parameters', downtime_limit=-1)
    check_in('downtime', err.desc, 'number out of range')
    for bad in (b'{"execute":5}', b'{"execute":"query-status","bogus":1}',
                b'{"execute":"query-status","arguments":[]}', b'{}', b'[]',
                b'5', b'"query-status"'):
        expect_error(vm.qmp, bad + b'\n')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')


@test()
def not_json(t):
    vm = t.machine('-S')
    for bad in (b'hello\n', b'{"execute":}\n', b'{"execute" "x"}\n',
                b'{"execute":"query-status",}\n', b"{'execute'\n}\n",
                b'{"a":01x}\n', b'\x01\n', b'"\\q"\n',
                b'{"execute":"\xff\xfe"}\n'):
        vm.qmp.send_raw(bad)
        # How many errors one bad text gives is not fixed: one at least,
        # then a good command is understood again.
        vm.qmp.send_raw(b'\xff{"execute":"query-status","id":"sync"}\n')
        errors = 0
        while True:
            reply = vm.qmp.next_reply()
            if reply.get('id') == 'sync':
                check_in('return', reply, 'after %r' % bad)
                break
            check_in('error', reply, 'reply to %r' % bad)
            check_equal(reply['error']['class'], 'GenericError', 'class')
            errors += 1
        check(errors >= 1, '%r gave no error' % bad)


def resync(vm):
    vm.qmp.send_raw(b'\xff{"execute":"query-status","id":"sync"}\n')
    errors = 0
    while True:
        reply = vm.qmp.next_reply()
        if reply.get('id') == 'sync':
            check_in('return', reply, 'reply')
            return errors
        check_in('error', reply, 'reply')
        errors += 1


@test()
def too_deep(t):
    vm = t.machine('-S')
    for deep in (b'[' * 5000, b'{"a":' * 5000,
                 b'{"execute":"query-status","id":' + b'[' * 3000 + b']' * 3000
                 + b'}'):
        vm.qmp.send_raw(deep + b'\n')
        check(resync(vm) >= 1, 'no error')


@test(godwit_only='the peer takes minutes to refuse it')
def too_long(t):
    """More than 64 MiB in one text: an error, and no such memory used."""
    vm = t.machine('-S')
    vm.qmp.send_raw(b'{"execute":"query-status","id":"')
    chunk = b'x' * (1 << 20)
    for _ in range(66):
        vm.qmp.send_raw(chunk)
    vm.qmp.send_raw(b'"}\n')
    vm.qmp.reactor.wait(lambda: vm.qmp.replies, 'reply')
    check(resync(vm) >= 1, 'no error')


@test()
def events(t):
    vm = t.machine()
    vm.wait_line('^hb ')
    vm.qmp.cmd('stop')
    event = vm.qmp.wait_event('STOP')
    check(event['timestamp']['seconds'] > 1600000000, 'timestamp')
    check(0 <= event['timestamp']['microseconds'] < 1000000, 'timestamp')
    status = vm.qmp.cmd('query-status')
    check_equal((status['status'], status['running']), ('paused', False),
                'status')
    vm.qmp.cmd('stop')
    vm.qmp.cmd('cont')
    vm.qmp.wait_event('RESUME')
    vm.qmp.cmd('cont')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')
    check_equal(vm.qmp.count_events('STOP'), 1, 'STOP events')
    check_equal(vm.qmp.count_events('RESUME'), 1, 'RESUME events')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)


@test()
def powerdown_event(t):
    vm = t.machine()
    vm.wait_line('^hb ')
    vm.qmp.cmd('system_powerdown')
    vm.qmp.wait_event('POWERDOWN')


@test()
def quit_ends_with_0(t):
    vm = t.machine('-S')
    vm.qmp.cmd('quit')
    event = vm.qmp.wait_event('SHUTDOWN')
    check_equal(event['data'], {'guest': False, 'reason': 'host-qmp-quit'},
                'data')
    check_equal(vm.wait_end(), 0, 'exit status')


@test()
def signals_end_with_0(t):
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        vm = t.machine(name='s%d' % signum)
        vm.wait_line('^hb ')
        vm.signal(signum)
        event = vm.qmp.wait_event('SHUTDOWN')
        check_equal(event['data'], {'guest': False, 'reason': 'host-signal'},
                    'data')
        check_equal(vm.wait_end(), 0, 'exit status')


@test()
def start_stopped(t):
    vm = t.machine('-S')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')
    check_equal(vm.serial.lines, [], 'the guest has not run')
    vm.qmp.cmd('cont')
    vm.qmp.wait_event('RESUME')
    vm.wait_line('^ready$')


@test()
def several_monitors(t):
    port = free_port()
    path = t.path('q')
    vm = t.machine('-qmp', 'unix:%s,server=on,wait=off' % path,
                   '-qmp', 'tcp:127.0.0.1:%d,server=on,wait=off' % port,
                   '-monitor', 'unix:%s,server=on,wait=off' % t.path('h'))
    second = connect(t, path)
    second.negotiate()
    third = Qmp(t.reactor, socket.create_connection(('127.0.0.1', port)))
    t.defer(third.close)
    third.negotiate()
    hmp = t.hmp(t.path('h'))
    hmp.cmd('stop')
    for qmp in (vm.qmp, second, third):
        qmp.wait_event('STOP')
    third.cmd('cont')
    for qmp in (vm.qmp, second, third):
        qmp.wait_event('RESUME')
    check_in('running', hmp.cmd('info status'), 'info status')
    # One that goes away in the middle of a word harms nobody, and its
    # place is free again.
    second.send_raw(b'{"execute":"query-st')
    second.close()
    again = connect(t, path)
    again.negotiate()
    check_equal(again.cmd('query-status')['status'], 'running', 'status')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')


@test()
def a_client_that_never_reads(t):
    """Its replies pile up; the others and the guest go on."""
    path = t.path('q')
    vm = t.machine('-qmp', 'unix:%s,server=on,wait=off' % path)
    sock = socket.socket(socket.AF_UNIX)
    t.defer(sock.close)
    sock.connect(path)
    sock.setblocking(False)
    data = b'{"execute":"qmp_capabilities"}\n'
    data += b'{"execute":"query-commands"}\n' * 2000
    try:
        while data:
            data = data[sock.send(data):]
    except BlockingIOError:
        pass
    vm.wait_line('^hb ')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')
    mark = vm.mark()
    vm.wait_line('^hb ', mark)


@test()
def introspection(t):
    vm = t.machine('-S')
    commands = {c['name'] for c in vm.qmp.cmd('query-commands')}
    schema = vm.qmp.cmd('query-qmp-schema')
    in_schema = {e['name'] for e in schema if e['meta-type'] == 'command'}
    check_equal(commands - in_schema, set(), 'commands without schema')
    events_in_schema = {e['name'] for e in schema
                        if e['meta-type'] == 'event'}
    for name in ('STOP', 'RESUME', 'SHUTDOWN', 'RESET', 'POWERDOWN',
                 'MIGRATION', 'MIGRATION_PASS'):
        check_in(name, events_in_schema, 'events')
    for name in ('qmp_capabilities', 'query-status', 'query-version', 'stop',
                 'cont', 'quit', 'system_reset', 'system_powerdown',
                 'migrate', 'migrate_cancel', 'migrate-continue',
                 'migrate-incoming', 'migrate-set-capabilities',
                 'migrate-set-parameters', 'query-migrate',
                 'query-migrate-capabilities', 'query-migrate-parameters',
                 'human-monitor-command', 'query-commands', 'getfd',
                 'query-qmp-schema'):
        check_in(name, commands, 'commands')
    # Every type that is referred to is there.
    names = {e['name'] for e in schema}
    for entry in schema:
        for key in ('arg-type', 'ret-type', 'element-type'):
            if key in entry:
                check_in(entry[key], names, entry['name'])
        for member in entry.get('members', []):
            if isinstance(member, dict) and 'type' in member:
                check_in(member['type'], names, entry['name'])


@test(godwit_only='the peer ends at types of modules that are not installed')
def types_and_their_parents(t):
    """A client that knows a type by its parents finds them all."""
    qmp = t.machine('-S').qmp
    types = {ty['name']: ty for ty in qmp.cmd('qom-list-types',
                                              abstract=True)}
    # The peer keeps interfaces out of its list.
    lost = {ty['parent'] for ty in types.values()
            if 'parent' in ty and ty['parent'] not in types}
    check_equal(lost - {'interface'}, set(), 'parents that are no types')
    for name in ('tcg-accel', 'kvm-accel'):
        check_in(name, types, 'types')
    for ty in qmp.cmd('qom-list-types', implements='pci-device'):
        check(qmp.cmd('device-list-properties', typename=ty['name']),
              'properties of ' + ty['name'])


@test()
def human_monitor_command(t):
    vm = t.machine('-S')
    check_in('paused', vm.qmp.hmp('info status'), 'info status')
    check_in('no-such', vm.qmp.hmp('no-such'), 'unknown command')
    # Lines end as on a terminal.
    check_equal(vm.qmp.hmp('info status'),
                'VM status: paused (prelaunch)\r\n', 'info status')


@test()
def human_monitor_command_on_a_cpu(t):
    vm = t.machine('-S', smp=2)
    for index in (0, 1):
        text = vm.qmp.cmd('human-monitor-command', cpu_index=index,
                          command_line='info registers')
        check(text.startswith('\r\nCPU#%d\r\n' % index), text[:40])
    expect_error(vm.qmp, b'{"execute": "human-monitor-command", "arguments": '
                 b'{"command-line": "info registers", "cpu-index": 2}}',
                 part='cpu-index')


@test()
def oob_needs_to_be_enabled(t):
    path = t.path('q')
    vm = t.machine('-S', '-qmp', 'unix:%s,server=on,wait=off' % path)
    vm.qmp.send_raw(b'{"exec-oob":"query-status","id":1}\n')
    check_in('error', vm.qmp.next_reply(), 'reply')
    qmp = connect(t, path)
    qmp.wait_greeting()
    qmp.cmd('qmp_capabilities', enable=['oob'])
    qmp.send_raw(b'{"exec-oob":"query-status","id":1}\n')
    check_in('error', qmp.next_reply(), 'not an out-of-band command')
    check_equal(qmp.cmd('query-status')['status'], 'prelaunch', 'status')


@test()
def qmp_on_stdio(t):
    out_r, out_w = os.pipe()
    in_r, in_w = os.pipe()
    script = 'exec "$@" </dev/fd/%d >/dev/fd/%d' % (in_r, out_w)
    vm = t.machine('-S', '-qmp', 'stdio', qmp=False,
                   wrapper=('sh', '-c', script, 'sh'),
                   pass_fds=(in_r, out_w))
    os.close(out_w)
    os.close(in_r)
    os.write(in_w, b'{"execute":"qmp_capabilities"}\n'
                   b'{"execute":"query-status"}\n{"execute":"quit"}\n')
    check_equal(vm.wait_end(), 0, 'exit status')
    os.close(in_w)
    with os.fdopen(out_r) as f:
        messages = [json.loads(line) for line in f]
    check_in('QMP', messages[0], 'greeting')
    check_equal(messages[1], {'return': {}}, 'qmp_capabilities')
    check_equal(messages[2]['return']['status'], 'prelaunch', 'query-status')


@test()
def chardevs_come_and_go(t):
    qmp = t.machine('-S', '-chardev', 'ringbuf,id=ring,size=16').qmp
    unix = {'type': 'unix', 'data': {'path': t.path('new')}}

    def add(name, kind, **data):
        return qmp.cmd('chardev-add', id=name,
                       backend={'type': kind, 'data': data})
    check_equal(add('c1', 'null'), {}, 'null')
    check(add('c2', 'pty')['pty'].startswith('/dev/pts/'), 'pty')
    check_equal(add('c3', 'socket', addr=unix, server=True), {}, 'socket')
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(t.path('new'))
    gone = {'type': 'unix', 'data': {'path': t.path('gone')}}
    for name, kind, data, desc in (
            ('c1', 'null', {}, "Chardev with id 'c1' already exists"),
            ('c4', 'socket', {'addr': gone, 'server': False},
             "Failed to add chardev 'c4': Failed to connect to '%s': "
             'No such file or directory' % t.path('gone')),
            ('c5', 'nosuch', {}, "Parameter 'type' does not accept value "
             "'nosuch'"),
            ('c6', 'file', {}, "Parameter 'backend.data.out' is missing")):
        try:
            add(name, kind, **data)
            raise AssertionError('%s was added' % name)
        except QmpError as err:
            if name != 'c5' or t.host.is_godwit:
                check_equal(err.desc, desc, name)
    for name in ('c1', 'c2', 'c3'):
        qmp.cmd('chardev-remove', id=name)
    labels = [c['label'] for c in qmp.cmd('query-chardev')]
    check(not {'c1', 'c2', 'c3'} & set(labels), 'labels %r' % labels)
    qmp.cmd('ringbuf-write', device='ring', data='aGkA', format='base64')
    check_equal(qmp.cmd('ringbuf-read', device='ring', size=9,
                        format='base64'), 'aGkA', 'ring')


@test()
def disks_by_the_paths_of_their_devices(t):
    """libvirt finds a disk by them, and has no other name for it."""
    qmp = t.machine(
        '-S', '-blockdev', 'null-co,node-name=n,size=1048576', '-device',
        'virtio-blk-pci,drive=n,id=vd0', '-blockdev',
        'null-co,node-name=m,size=1048576', '-device',
        'ide-hd,drive=m,id=hd0').qmp
    paths = {'n': '/machine/peripheral/vd0/virtio-backend', 'm': 'hd0'}
    for command in ('query-block', 'query-blockstats'):
        check_equal({(d.get('inserted') or d)['node-name']: d['qdev']
                     for d in qmp.cmd(command)}, paths, command)
    for path in paths.values():
        try:
            qmp.cmd('eject', id=path)
            raise AssertionError('%s was ejected' % path)
        except QmpError as err:
            check_equal(err.desc, "Device '%s' is not removable" % path,
                        'error')
    check_equal(qmp.cmd('query-jobs'), [], 'jobs')
    check_equal(qmp.cmd('query-block-jobs'), [], 'block jobs')


@test()
def commands_without_arguments_work(t):
    """What is in the schema works: whatever needs no argument answers, or
    says that there is no such thing in this machine."""
    qmp = t.machine('-S').qmp
    schema = {e['name']: e for e in qmp.cmd('query-qmp-schema')}
    # Asked elsewhere, or with an effect that would end this test.
    apart = {'qmp_capabilities', 'quit', 'system_reset', 'system_powerdown',
             'system_wakeup', 'stop', 'cont'}
    refused = {}
    for name, entry in sorted(schema.items()):
        if entry['meta-type'] != 'command' or name in apart:
            continue
        args = schema[entry['arg-type']].get('members', [])
        if any('default' not in m for m in args):
            continue
        try:
            qmp.cmd(name)
        except QmpError as err:
            refused[name] = err.desc
    if not t.host.is_godwit:
        return
    # As the peer refuses them, and for its reasons.
    check_equal({n: d for n, d in refused.items()
                 if 'not available' in d or 'not supported' in d}, {},
                'refused')
    t.note('\n'.join('%s: %s' % r for r in sorted(refused.items())))


@test()
def options_and_their_parameters(t):
    qmp = t.machine('-S').qmp
    found = {o['option']: {p['name']: p['type'] for p in o['parameters']}
             for o in qmp.cmd('query-command-line-options')}
    for option, names in (('smp-opts', ('cpus', 'sockets')),
                          ('boot-opts', ('strict',)), ('mon', ('pretty',)),
                          ('machine', ('accel', 'mem-merge')),
                          ('memory', ('maxmem',)), ('fw_cfg', ('file',)),
                          ('overcommit', ('mem-lock',)),
                          ('chardev', ('logfile', 'reconnect')),
                          ('drive', ('file', 'format', 'if')),
                          ('sandbox', ('enable', 'elevateprivileges')),
                          ('numa', ()),
                          ('device', ()), ('netdev', ()), ('object', ())):
        check(set(names) <= set(found[option]), '%s: %r' % (
            option, found[option]))
    check_equal(found['smp-opts']['cpus'], 'number', 'type')
    check_equal([o['option'] for o in qmp.cmd(
        'query-command-line-options', option='rtc')], ['rtc'], 'one option')
    try:
        qmp.cmd('query-command-line-options', option='nosuch')
        raise AssertionError('nosuch is an option')
    except QmpError as err:
        check_equal(err.desc, 'invalid option name: nosuch', 'error')
    for option in ('smp', 'boot', 'rtc', 'msg', 'overcommit', 'action',
                   'add-fd'):
        vm = t.run_to_end(['-' + option, 'help'])
        check(vm.status == 0 or not t.host.is_godwit, '-%s help' % option)
        check_in(' options:\n  ', vm.stdout, '-%s help' % option)



@contextlib.contextmanager
def kept_from_opening(path):
    """Who opens the file waits, until this process lets go of its lease."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(path, 'r+b') as f:
        try:
            fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as err:
            raise Skip('no leases on files here') from err
        yield
        fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def is_awaited(path):
    """Does somebody wait for its lease to end?"""
    number = ':%d ' % os.stat(path).st_ino
    with open('/proc/locks', encoding='ascii') as f:
        return any('BREAKING' in line and number in line for line in f)


@test(godwit_only='the peer stands still')
def opening_waits(t):
    """A medium takes its time: only who asked for it waits."""
    paths = [t.path('a.img'), t.path('b.img')]
    for path in paths:
        with open(path, 'wb') as f:
            f.truncate(1 << 20)
    vm = t.machine('-drive', 'if=none,id=cd,media=cdrom', '-qmp',
                   'unix:%s,server=on,wait=off' % t.path('qmp2'))
    other = connect(t, t.path('qmp2'))
    other.negotiate()
    file = {'driver': 'file', 'node-name': 'slow', 'filename': paths[0]}
    with kept_from_opening(paths[0]):
        vm.qmp.send('blockdev-add', file, 'add')
        t.reactor.wait(lambda: is_awaited(paths[0]), 'opening')
        check_equal(other.cmd('query-status')['status'], 'running', 'status')
        check_equal(other.cmd('query-named-block-nodes'), [], 'nodes')
        check_equal(vm.qmp.replies, [], 'blockdev-add has ended')
        other.cmd('blockdev-add', **dict(file, filename=paths[1]))
    check_in('Duplicate', vm.qmp.reply_to('add')['error']['desc'], 'the first')
    with kept_from_opening(paths[0]):
        vm.qmp.send('blockdev-change-medium',
                    {'device': 'cd', 'filename': paths[0]}, 'change')
        t.reactor.wait(lambda: is_awaited(paths[0]), 'opening')
        try:
            other.cmd('eject', device='cd')
            check(False, 'eject is refused')
        except QmpError as err:
            check_in('being changed', err.desc, 'eject')
        check_equal(vm.qmp.replies, [], 'change has ended')
    check_in('return', vm.qmp.reply_to('change'), 'change')
    other.cmd('eject', device='cd', force=True)


if __name__ == '__main__':
    main()
