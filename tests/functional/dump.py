# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumps of guest memory, as readelf sees them."""

import os
import re
import subprocess

from godwit.migration import (check_pattern_goes_on, last_numbers, refused,
                              start_pattern)
from godwit.tap import check, check_equal, check_in, main, test

HEX = r'0x([0-9a-f]+)'


def readelf(option, path):
    out = subprocess.run(['readelf', option, '-W', path], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Other warnings than that nobody's sections are in the segments.
    check_equal(out.stderr, b'', 'warnings of readelf')
    return out.stdout.decode()


def segments(path):
    """(offset, virtual, physical, size) of each piece of memory."""
    return [tuple(int(x, 16) for x in m) for m in re.findall(
        r'^ +LOAD +%s %s %s %s ' % (HEX, HEX, HEX, HEX),
        readelf('-l', path), re.MULTILINE)]


def part(path, offset, size):
    with open(path, 'rb') as f:
        f.seek(offset)
        return f.read(size)


def saved(t, vm, command, addr, size):
    path = t.path('saved')
    vm.qmp.cmd(command, val=addr, size=size, filename=path)
    return part(path, 0, size)


def dump(vm, path, **arguments):
    arguments.setdefault('paging', False)
    vm.qmp.cmd('dump-guest-memory', protocol='file:' + path, **arguments)
    return vm.qmp.wait_event('DUMP_COMPLETED')['data']


@test()
def holds_all_of_memory(t):
    vm = t.machine('-S', smp=2)
    path = t.path('dump')
    result = dump(vm, path)['result']
    found = segments(path)
    check_equal(result, {'status': 'completed',
                         'total': sum(s[3] for s in found),
                         'completed': sum(s[3] for s in found)}, 'result')
    check_equal(vm.qmp.cmd('query-dump'), result, 'query-dump')
    check_equal(os.stat(path).st_mode & 0o777, 0o400, 'rights')
    check(found[0][1:3] == (0, 0) and len(found) >= 3, 'segments %s' % found)
    for offset, virtual, physical, size in found:
        check_equal(virtual, physical, 'address without paging')
        check_equal(part(path, offset, size),
                    saved(t, vm, 'pmemsave', physical, size),
                    'memory at %#x' % physical)
    notes = readelf('-n', path)
    check_equal(notes.count('NT_PRSTATUS'), 2, 'CPUs')
    check_equal(len(re.findall(r'QEMU +0x000001b8', notes)), 2, 'states')


@test()
def tells_registers_and_addresses(t):
    """Of a guest with page tables, which goes on afterwards."""
    vm = start_pattern(t)
    path = t.path('dump')
    before = last_numbers(vm)
    dump(vm, path, paging=True)
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')
    vm.qmp.wait_event('RESUME')
    check_pattern_goes_on(vm, before)
    vm.qmp.cmd('stop')
    second = t.path('second')
    dump(vm, second, paging=True)
    check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
    rip = int(re.search(r'[RE]IP=([0-9a-f]+)', vm.qmp.hmp(
        'info registers')).group(1), 16)
    long_mode = re.search(r'EFER=0*[4-9a-f][0-9a-f]{2}',
                          vm.qmp.hmp('info registers'))
    check_in('X86-64' if long_mode else '80386', readelf('-h', second),
             'machine')
    # The code at RIP is where the dump says.
    inside = [s for s in segments(second) if s[1] <= rip < s[1] + s[3]]
    check(inside, 'RIP %#x is in no segment' % rip)
    offset, virtual, _, _ = inside[0]
    check_equal(part(second, offset + rip - virtual, 16),
                saved(t, vm, 'memsave', rip, 16), 'code at RIP')
    check(rip.to_bytes(8, 'little') in part(second, 0, segments(second)[0][0]),
          'RIP is in no note')


@test()
def takes_a_range(t):
    vm = t.machine('-S')
    path = t.path('dump')
    dump(vm, path, begin=0x1800, length=0x3000)
    check_equal([s[2:] for s in segments(path)], [(0x1800, 0x3000)], 'range')
    err = refused(vm, 'dump-guest-memory', paging=False, begin=1 << 45,
                  length=4096, protocol='file:' + path)
    check_in('no guest memory', err.desc, 'nothing there')
    for bad in ({'begin': 0}, {'length': 1}, {'begin': 0, 'length': 0},
                {'begin': -1, 'length': 4}, {'begin': 0, 'length': -4}):
        err = refused(vm, 'dump-guest-memory', paging=False,
                      protocol='file:' + path, **bad)
        check(re.search('begin|length', err.desc), 'message %r' % err.desc)


@test()
def waits_for_nobody(t):
    """A pipe that is not read holds up nothing but the dump."""
    vm = t.machine()
    vm.wait_line('^ready$')
    r, w = os.pipe()
    vm.qmp.cmd('getfd', fdname='out', _fds=(w,))
    os.close(w)
    vm.qmp.cmd('dump-guest-memory', paging=False, protocol='fd:out',
               detach=True)
    check_equal(vm.qmp.cmd('query-dump')['status'], 'active', 'status')
    check_equal(vm.qmp.cmd('query-status')['status'], 'save-vm', 'run state')
    check_in('Status: active', vm.qmp.hmp('info dump'), 'info dump')
    check_in('dumped', refused(vm, 'cont').desc, 'cont')
    check_in('dump in process', refused(vm, 'stop').desc, 'stop')
    check_in('dumped', refused(vm, 'migrate', uri='exec:cat >/dev/null').desc,
             'migrate')
    err = refused(vm, 'dump-guest-memory', paging=False,
                  protocol='file:' + t.path('other'))
    check_in('dump in process', err.desc, 'a second one')
    with open(t.path('dump'), 'wb') as f, os.fdopen(r, 'rb') as pipe:
        while True:
            data = pipe.read(1 << 20)
            if not data:
                break
            f.write(data)
    done = vm.qmp.wait_event('DUMP_COMPLETED')['data']['result']
    check_equal(done['status'], 'completed', 'status')
    check_equal(sum(s[3] for s in segments(t.path('dump'))), done['total'],
                'size')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'afterwards')


@test()
def ends_with_the_program(t):
    vm = t.machine('-S')
    r, w = os.pipe()
    t.defer(lambda: os.close(r))
    vm.qmp.cmd('getfd', fdname='out', _fds=(w,))
    os.close(w)
    vm.qmp.cmd('dump-guest-memory', paging=False, protocol='fd:out',
               detach=True)
    vm.qmp.cmd('quit')
    vm.wait_end()
    check_equal(vm.status, 0, 'exit status')


@test()
def fails_and_says_so(t):
    vm = t.machine('-S')
    r, w = os.pipe()
    vm.qmp.cmd('getfd', fdname='out', _fds=(w,))
    os.close(w)
    os.close(r)
    err = refused(vm, 'dump-guest-memory', paging=False, protocol='fd:out')
    check_in('Broken pipe', err.desc, 'message')
    event = vm.qmp.wait_event('DUMP_COMPLETED')['data']
    check_equal(event['result']['status'], 'failed', 'status')
    check_in('Broken pipe', event['error'], 'error')
    check_equal(vm.qmp.cmd('query-dump')['status'], 'failed', 'query-dump')
    for protocol, part_ in (('fd:none', "'none'"), ('x', 'protocol'),
                            ('file:/none/x', '/none/x')):
        err = refused(vm, 'dump-guest-memory', paging=False,
                      protocol=protocol)
        check_in(part_, err.desc, protocol)


@test()
def other_formats_are_named(t):
    vm = t.machine('-S')
    check_equal(vm.qmp.cmd('query-dump-guest-memory-capability'),
                {'formats': ['elf']}, 'formats')
    err = refused(vm, 'dump-guest-memory', paging=False, format='kdump-zlib',
                  protocol='file:' + t.path('dump'))
    check_in('kdump-zlib', err.desc, 'message')
    check_in('kdump-zlib', vm.qmp.hmp('dump-guest-memory -z '
                                      + t.path('dump')), 'HMP')
    check_equal(vm.qmp.hmp('dump-guest-memory -p %s 0 0x2000'
                           % t.path('dump')), '', 'HMP')
    check_equal([s[2:] for s in segments(t.path('dump'))], [(0, 0x2000)],
                'segments')


if __name__ == '__main__':
    main()
