# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/analyze-migration.py on streams of this program and of the peer.

The peer's are compared with what it says of itself: query-migrate, its
firmware file, the machine that was asked for.  Streams that are cut or damaged
must end with one clear error.
"""

import json
import os
import random
import re
import subprocess
import sys
import zlib

from godwit.analyze import OPTIONS, SCRIPT, analyze
from godwit.peer import need_peer
from godwit.tap import check, check_equal, check_in, main, test

BIOS = '/usr/share/seabios/bios-256k.bin'
MIB = 1 << 20


def run_script(*args, stdin=None):
    return subprocess.run([sys.executable, SCRIPT, *args], input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)


def check_refused(out, what, *names):
    """One line, status 1, no traceback."""
    text = out.stderr.decode()
    check_equal(out.returncode, 1, what + ': status')
    check_equal(len(text.splitlines()), 1, what + ': lines of ' + repr(text))
    for name in names:
        check_in(name, text, what)


def peer_args(*extra, machine='pc', mem=16):
    return ['-machine', machine, '-accel', 'tcg', '-m', str(mem),
            '-nodefaults', '-display', 'none', '-S', *extra]


def start_peer(t, *extra, name='peer', **base):
    return t.launch(peer_args(*extra, **base), name=name, binary=need_peer(),
                    serial=False)


def save(t, vm, name, caps=()):
    """Migrate to a file; returns its path and query-migrate's answer."""
    path = t.path(name)
    if caps:
        vm.qmp.cmd('migrate-set-capabilities', capabilities=[
            {'capability': cap, 'state': True} for cap in caps])
    vm.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': 'events', 'state': True}])
    vm.qmp.cmd('migrate', uri='exec:cat > ' + path)
    vm.qmp.wait_event('MIGRATION',
                      lambda e: e['data']['status'] in ('completed', 'failed'))
    info = vm.qmp.cmd('query-migrate')
    check_equal(info['status'], 'completed', 'status')
    vm.qmp.send('quit')
    vm.wait_end()
    return path, info


def parse(path):
    out = run_script('-f', path)
    check_equal(out.stderr.decode(), '', 'errors')
    check_equal(out.returncode, 0, 'status')
    return json.loads(out.stdout)


def section(state, name):
    found = [value for key, value in state.items()
             if re.fullmatch(re.escape(name) + r' \(\d+\)', key)]
    check_equal(len(found), 1, 'sections called ' + name)
    return found[0]


def check_counts(state, info):
    blocks = section(state, 'ram')['blocks'].values()
    for key, kinds in (('normal', ('full',)), ('duplicate', ('zero', 'fill'))):
        count = sum(b['pages'][kind] for b in blocks for kind in kinds)
        check_equal(count, info['ram'][key], key)


@test()
def own_stream(t):
    vm = t.machine(serial=False, mem=32)
    path, info = save(t, vm, 'own')
    state = parse(path)
    check_equal(state['configuration']['machine'], 'pc-i440fx-7.2', 'machine')
    ram = section(state, 'ram')
    check_equal(ram['blocks']['pc.ram']['size'], 32 * MIB, 'size')
    check('fields' in section(state, 'timer'), 'timer is not decoded')
    check_equal(state.get('notes'), None, 'notes')
    check(info['ram']['transferred'] > 0, 'nothing was sent')


@test()
def peer_pc(t):
    path, info = save(t, start_peer(t, '-smp', '2', '-device', 'VGA'), 'pc')
    state = parse(path)
    check_equal(state['configuration'], {'machine': 'pc-i440fx-7.2'},
                'configuration')
    blocks = section(state, 'ram')['blocks']
    check_equal(blocks['pc.ram']['size'], 16 * MIB, 'size of pc.ram')
    check_equal(blocks['pc.ram']['pages']['distinct'], 16 * MIB // 4096,
                'pages of pc.ram')
    check_in('pc.bios', blocks, 'blocks')
    check_counts(state, info)
    check_equal(sum(b['size'] for b in blocks.values()),
                section(state, 'ram')['total-size'], 'total')
    # Two vCPUs: as many sections of one name, told apart by the id.
    cpus = [v for k, v in state.items() if k.startswith('cpu (')]
    check_equal([c['instance'] for c in cpus], [0, 1], 'vCPUs')
    # At reset: CS:IP = F000:FFF0 with the base right below 4 GiB.
    fields = cpus[0]['fields']
    check_equal(fields['env.eip'], '0x000000000000fff0', 'eip')
    check_equal(fields['env.segs'][1]['base'], '0x00000000ffff0000', 'cs')
    config = section(state, '0000:00:00.0/I440FX')['fields']['parent_obj']
    check(config['config[0]'].startswith('86 80 37 12 '), '82441FX PCI ids')
    check_equal(state.get('notes'), None, 'notes')


@test()
def peer_devices(t):
    drive = ['-drive', 'if=none,id=d,file=null-co://,format=raw']
    vm = start_peer(t, *drive, '-device', 'virtio-net-pci', '-device',
                    'virtio-blk-pci,drive=d', '-device', 'e1000', '-device',
                    'nec-usb-xhci', '-device', 'ahci', '-device',
                    'virtio-scsi-pci', machine='q35')
    path, info = save(t, vm, 'q35')
    state = parse(path)
    check_equal(state['configuration']['machine'], 'pc-q35-7.2', 'machine')
    check_counts(state, info)
    # An array whose elements are described one by one.
    ahci = section(state, '0000:00:1f.2/ich9_ahci')['fields']['ahci']
    check_equal(len(ahci['dev']), 6, 'AHCI ports')
    check_equal(state.get('notes'), None, 'notes')


@test()
def peer_configuration(t):
    uuid = '12345678-9abc-def0-1234-56789abcdef0'
    vm = start_peer(t, '-uuid', uuid, '-object',
                    'memory-backend-memfd,id=m,size=16M,share=on',
                    '-machine', 'memory-backend=m')
    path, _ = save(t, vm, 'conf', ('validate-uuid', 'x-ignore-shared'))
    state = parse(path)
    check_equal(state['configuration']['uuid'], uuid, 'uuid')
    check_equal(state['configuration']['capabilities'], ['x-ignore-shared'],
                'capabilities')
    blocks = section(state, 'ram')['blocks']
    check_equal(blocks['m']['address'], '0x0000000000000000', 'address')
    check_equal(blocks['m']['pages']['sent'], 0, 'pages of shared memory')
    check_equal(blocks['pc.bios']['address'], '0x00000000fffc0000', 'address')


@test()
def peer_no_description(t):
    vm = start_peer(t, '-machine', 'suppress-vmdesc=on')
    path, info = save(t, vm, 'nodesc')
    state = parse(path)
    check_counts(state, info)
    check('fields' not in section(state, 'timer'), 'timer is decoded')
    check_in('no description', state['notes'][0], 'notes')
    out = run_script('-f', path, '-d', 'desc')
    check_refused(out, 'no description', 'no description')


@test()
def peer_no_footers(t):
    vm = start_peer(t, '-global', 'migration.send-section-footer=off',
                    '-global', 'migration.send-configuration=off')
    path, info = save(t, vm, 'nofooter')
    state = parse(path)
    check('configuration' not in state, 'configuration')
    check_counts(state, info)
    check('fields' in section(state, 'timer'), 'timer is not decoded')


@test()
def peer_extract(t):
    path, _ = save(t, start_peer(t), 'extract')
    out = run_script('-f', path, '-x', t.path('out'))
    check_equal(out.returncode, 0, 'status')
    with open(t.path('out/state.json'), encoding='utf-8') as file:
        check_in('configuration', json.load(file), 'state.json')
    with open(t.path('out/desc.json'), encoding='utf-8') as file:
        check_in('devices', json.load(file), 'desc.json')
    check_equal(os.path.getsize(t.path('out/pc.ram.mem')), 16 * MIB, 'pc.ram')
    if os.path.exists(BIOS):
        with open(BIOS, 'rb') as want, open(t.path('out/pc.bios.mem'),
                                            'rb') as got:
            check(want.read() == got.read(), 'pc.bios differs from ' + BIOS)
    out = run_script('-f', path, '-d', 'desc')
    check_in('page_size', json.loads(out.stdout), 'description')
    out = run_script('-f', path, '-m')
    contents = section(json.loads(out.stdout),
                       'ram')['blocks']['pc.bios']['contents']
    # The reset vector: a far jump.
    check_in('ea 5b e0 00 f0', contents['0x3f000'], 'last page of the BIOS')


@test()
def peer_headers(t):
    path, _ = save(t, start_peer(t), 'headers')
    out = run_script('-f', path, '--dump-headers')
    headers = json.loads(out.stdout)
    check_equal(headers[0]['type'], 'configuration', 'first section')
    check_equal(headers[-1]['type'], 'description', 'last section')
    at = 8
    for header in headers[:-1]:
        check_equal(int(header['offset'], 16), at, 'offset')
        at += header['length']
    last = headers[-1]
    check_equal(int(last['offset'], 16), at + 1, 'offset of the description')
    check_equal(at + 1 + last['length'], os.path.getsize(path), 'end')


@test()
def peer_compared(t):
    """With itself, and with a machine that has another set of devices."""
    path, _ = save(t, start_peer(t), 'a.stream')
    out = run_script('-f', path, '--compare', path, '--values')
    check_equal((out.returncode, out.stdout), (0, b''), 'with itself')
    other, _ = save(t, start_peer(t, '-device', 'virtio-rng-pci', name='other',
                                  machine='pc,hpet=off'), 'b.stream')
    out = run_script('-f', path, '-c', other)
    check_equal(out.returncode, 2, 'status')
    check_equal(out.stdout.decode().splitlines(), [
        "section 'hpet' instance 0 version 2: only in the first",
        "section '0000:00:02.0/virtio-rng' instance 0 version 1: only in the "
        'second'], 'differences')
    bad = t.path('bad.stream')
    with open(bad, 'wb') as f:
        f.write(b'QEVM')
    check_refused(run_script('-f', path, '-c', bad), 'cut', bad)


@test()
def peer_cut(t):
    """Cut anywhere: an error with the place, and never a traceback."""
    path, _ = save(t, start_peer(t, machine='microvm'), 'cut')
    with open(path, 'rb') as file:
        data = file.read()
    headers = analyze.Analyzer(data, OPTIONS)
    headers.run()
    places = set(range(0, 300))
    for header in headers.headers:
        start = int(header['offset'], 16)
        places.update(range(start, start + 40))
        places.update(range(start + header['length'] - 8,
                            start + header['length']))
    # The end-of-file byte makes it whole, if without a description.
    whole = int(headers.headers[-1]['offset'], 16)
    for place in sorted(places):
        if place == whole or place >= len(data):
            continue
        try:
            analyze.Analyzer(data[:place], OPTIONS).run()
        except analyze.StreamError as err:
            check_in('offset', str(err), 'cut at %d' % place)
            check(err.offset <= place, 'cut at %d: %s' % (place, err))
        else:
            raise AssertionError('cut at %d: no error' % place)
    out = run_script('-f', '-', stdin=data[:len(data) // 2])
    check_refused(out, 'cut in the middle', 'analyze-migration: -: ', 'offset')


@test()
def peer_damaged(t):
    """Bytes changed at random: a result or an error, nothing else."""
    path, _ = save(t, start_peer(t, machine='microvm'), 'damaged')
    with open(path, 'rb') as file:
        data = file.read()
    whole = analyze.Analyzer(data, OPTIONS)
    whole.run()
    rng = random.Random(20)
    errors = 0
    for number in range(400):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            header = rng.choice(whole.headers)
            place = (int(header['offset'], 16) +
                     rng.randrange(header['length']))
            damaged[place] = rng.choice((0, 0xff, 0x7e, 0x7b,
                                         rng.randrange(256)))
        try:
            again = analyze.Analyzer(bytes(damaged), OPTIONS)
            again.run()
            json.dumps(again.state())
        except analyze.StreamError as err:
            errors += 1
            check('\n' not in str(err), 'change %d: %s' % (number, err))
    check(errors > 40, 'only %d of 400 changes were noticed' % errors)
    damaged = bytearray(data)
    damaged[0] = 0
    out = run_script('-f', '-', stdin=bytes(damaged))
    check_refused(out, 'magic', 'not a migration stream')


def ram_stream(*records):
    """A stream of one block 'a' of four pages, then the records."""
    def word(offset, flags):
        return (offset | flags).to_bytes(8, 'big')
    blocks = word(0x4000, 0x04) + b'\1a' + word(0, 0x4000) + word(0, 0x10)
    data = b''.join(word(offset, flags) + rest
                    for offset, flags, rest in records)
    return (b'QEVM\0\0\0\3' +
            b'\x01\0\0\0\2\3ram' + bytes(4) + b'\0\0\0\4' + blocks +
            b'\x03\0\0\0\2' + data + word(0, 0x10) + b'\0')


@test()
def records(t):
    """Kinds of records that a plain migration doesn't have."""
    page = bytes(range(256)) * 16
    packed = zlib.compress(page)
    delta = bytes([0x04, 0x02, 0xaa, 0xbb, 0x80, 0x01, 0x01, 0xcc])
    stream = ram_stream(
        (0, 0x08, b'\1a' + page),
        (0, 0x60, b'\1' + len(delta).to_bytes(2, 'big') + delta),
        (0x1000, 0x120, len(packed).to_bytes(4, 'big') + packed),
        (0x2000, 0x820, b'\0\0\0\2' + page + page),
        (0x3000, 0x822, b'\0\0\0\1'),
        (0x3000, 0x22, b'\x55'))
    out = run_script('-f', '-', '-m', stdin=stream)
    check_equal(out.stderr, b'', 'errors')
    block = section(json.loads(out.stdout), 'ram')['blocks']['a']
    check_equal(block['pages'], {
        'sent': 7, 'distinct': 4, 'full': 3, 'zero': 1, 'fill': 1,
        'xbzrle': 1, 'compressed': 1}, 'pages')
    want = bytearray(page)
    want[4:6] = b'\xaa\xbb'
    want[4 + 2 + 128] = 0xcc
    check_equal(block['contents'], {
        '0x0': want.hex(' '), '0x1000': page.hex(' '),
        '0x2000': page.hex(' '), '0x3000': (b'\x55' * 4096).hex(' ')},
        'contents')
    for bad, name in [
            ((0, 0x40, b'\1a\1\0\1\x80'), 'run length'),
            ((0, 0x40, b'\1a\1\0\3\x00\x05x'), 'beyond the page'),
            ((0, 0x40, b'\1a\2'), 'unknown encoding'),
            ((0, 0x100, b'\1a\0\0\0\2xx'), 'compressed page'),
            ((0x3000, 0x800, b'\1a\0\0\0\2'), 'beyond RAM block'),
            ((0x4000, 0x08, b'\1a'), 'beyond RAM block'),
            ((0, 0x80, b''), 'RDMA'),
            ((0, 0x400, b''), 'unknown flags 0x400')]:
        out = run_script('-f', '-', '-m', stdin=ram_stream(bad))
        check_refused(out, name, name, "section 'ram' (2)")


@test()
def bad_files(t):
    check_refused(run_script('-f', t.path('none')), 'missing', 'none')
    with open(t.path('empty'), 'wb'):
        pass
    check_refused(run_script('-f', t.path('empty')), 'empty', 'truncated')
    check_refused(run_script('-f', t.folder), 'folder', t.folder)
    head = b'QEVM\0\0\0\3'
    for data, name in [
            (b'QEVM\0\0\0\2', 'version 2'),
            (head + b'\x09', '0x09'),
            (head + b'\x02\0\0\0\1', 'never started'),
            (head + b'\x07\xff\xff\xff\xff', 'machine name'),
            (head + b'\x01\0\0\0\2\3ram' + bytes(8) +
             (0x1008).to_bytes(8, 'big') + b'\1x', "unknown RAM block 'x'"),
            (head + b'\x01\0\0\0\2\3ram' + bytes(8) +
             (0x1028).to_bytes(8, 'big'), 'before any block')]:
        check_refused(run_script('-f', '-', stdin=data), name, name)


if __name__ == '__main__':
    main()
