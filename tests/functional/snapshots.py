# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a machine in its qcow2 images: a guest goes back in memory and
on its disk, which qemu-img finds nothing wrong with."""

import subprocess

from godwit.migration import (check_pattern_goes_on, last_numbers, refused,
                              start_pattern)
from godwit.peer import need_peer
from godwit.tap import Skip, check, check_equal, check_in, main, test


def qemu_img(*args):
    try:
        return subprocess.run(['qemu-img', *args], check=True,
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE).stdout
    except FileNotFoundError as err:
        raise Skip('no qemu-img') from err


def disk(t, name='disk'):
    path = t.path(name)
    qemu_img('create', '-q', '-f', 'qcow2', path, '1M')
    return path, ['-drive', 'if=ide,id=hd,format=qcow2,file=' + path]


def check_runs(vm):
    """The guest, which may have gone back, checks its memory and its disk,
    and finds both as they were at one moment."""
    lines = vm.serial.lines
    del lines[:]

    def has_checked():
        return (sum(line.startswith('ok pass=') for line in lines) >= 2 and
                any(line.startswith('disk pass=') for line in lines))
    vm.reactor.wait(has_checked, 'two passes', 60)
    check_in('running', vm.qmp.hmp('info status'), 'status')
    for line in lines:
        check('FAIL' not in line and
              ('fails=' not in line or 'fails=0' in line), line)


def hmp(vm, line):
    check_equal(vm.qmp.hmp(line), '', line)


@test()
def back_and_on(t):
    path, drive = disk(t)
    vm = start_pattern(t, *drive, disk=8, mem=32, mb=2)
    hmp(vm, 'savevm one')
    check_pattern_goes_on(vm, last_numbers(vm), passes=3)
    hmp(vm, 'savevm two')
    check_in('one', vm.qmp.hmp('info snapshots'), 'list')
    check_in('two', vm.qmp.hmp('info snapshots'), 'list')
    for name in ('one', 'two', 'one'):
        hmp(vm, 'loadvm ' + name)
        check_runs(vm)
    vm.qmp.cmd('stop')
    hmp(vm, 'loadvm two')
    check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
    hmp(vm, 'delvm two')
    vm.qmp.cmd('cont')
    check_runs(vm)
    vm.qmp.cmd('quit')
    vm.wait_end()
    check_in('one', qemu_img('snapshot', '-l', path), 'snapshots')
    qemu_img('check', '-q', path)
    check_runs(t.machine('-loadvm', 'one', *drive, name='again',
                         **vm.pattern_args))


@test()
def loaded_by_half(t):
    """A snapshot that has a device more fails behind its memory: nobody
    starts what has come, and another snapshot makes it a machine again."""
    path, drive = disk(t)
    vm = start_pattern(t, *drive, disk=8, mem=32, mb=2)
    hmp(vm, 'savevm own')
    base = vm.pattern_args
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.machine(*drive, '-device', 'virtio-rng-pci', name='more', **base)
    hmp(vm, 'savevm more')
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.machine(*drive, name='less', **base)
    for command in ('', 'stop'):
        if command:
            vm.qmp.cmd(command)
        check_in('no such device here', vm.qmp.hmp('loadvm more'), 'loadvm')
        check_equal(vm.qmp.cmd('query-status')['status'], 'internal-error',
                    'status')
        check_in('Resetting the Virtual Machine is required',
                 refused(vm, 'cont').desc, 'cont')
        hmp(vm, 'loadvm own')
        check_equal(vm.qmp.cmd('query-status')['status'], 'paused', 'status')
        vm.qmp.cmd('cont')
        check_runs(vm)
    vm.qmp.cmd('quit')
    vm.wait_end()
    qemu_img('check', '-q', path)


@test()
def errors(t):
    path, drive = disk(t)
    args = ['-machine', 'pc', '-m', '32', '-display', 'none', '-S']
    vm = t.launch(args + drive, serial=False)
    check_in('no snapshot available', vm.qmp.hmp('info snapshots'), 'list')
    check_in("'x' does not exist", vm.qmp.hmp('loadvm x'), 'loadvm')
    hmp(vm, 'delvm x')
    hmp(vm, 'savevm')
    check_in('vm-2', vm.qmp.hmp('info snapshots'), 'name')
    check_equal(vm.qmp.cmd('query-status')['status'], 'prelaunch', 'status')
    vm.qmp.cmd('quit')
    vm.wait_end()
    qemu_img('snapshot', '-c', 'disk-only', path)
    raw = ['-drive', 'driver=null-co,if=none,id=raw']
    vm = t.launch(args + drive, name='second', serial=False)
    check_in('disk-only snapshot', vm.qmp.hmp('loadvm disk-only'), 'loadvm')
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.launch(args + drive + raw, name='raw', serial=False)
    for line in ('savevm x', 'loadvm x', 'delvm x'):
        check_in("'raw' is writable but does not support snapshots",
                 vm.qmp.hmp(line), line)
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.launch(args, name='none', serial=False)
    check_in('no block device can store', vm.qmp.hmp('savevm x'), 'savevm')
    end = t.run_to_end(args + drive + ['-loadvm', 'x'])
    check_in("'x' does not exist", end.stderr, '-loadvm')


def job(vm, command, **args):
    """A job from its beginning until it is dismissed: its statuses and its
    error."""
    first = len(vm.qmp.events)
    vm.qmp.cmd(command, job_id='j', **args)
    vm.qmp.wait_event('JOB_STATUS_CHANGE',
                      lambda e: e['data']['status'] == 'concluded', 60)
    info, = vm.qmp.cmd('query-jobs')
    check_equal((info['id'], info['type'], info['status']),
                ('j', command, 'concluded'), 'job')
    vm.qmp.cmd('job-dismiss', id='j')
    check_equal(vm.qmp.cmd('query-jobs'), [], 'jobs')
    told = [e['data']['status'] for e in vm.qmp.events[first:]
            if e['event'] == 'JOB_STATUS_CHANGE']
    return told, info.get('error')


DONE = ['created', 'running', 'waiting', 'pending', 'concluded', 'null']
IDE = ['-device', 'ide-hd,drive=d0,bus=ide.0,unit=0']
FAILED = ['created', 'running', 'aborting', 'concluded', 'null']


def job_done(vm, command, **args):
    check_equal(job(vm, command, **args), (DONE, None), command)


def job_fails(vm, text, command, **args):
    told, error = job(vm, command, **args)
    check_equal(told, FAILED, command)
    check_in(text, error, command)


def nodes(*paths):
    args = []
    for i, path in enumerate(paths):
        args += ['-blockdev', 'driver=qcow2,node-name=d%d,file.driver=file,'
                 'file.filename=%s' % (i, path)]
    return args


@test()
def jobs(t):
    """Back and on by jobs; the state is in the second of two images."""
    a, b = disk(t, 'a')[0], disk(t, 'b')[0]
    vm = start_pattern(t, *nodes(a, b), *IDE, disk=8, mem=32, mb=2)
    both = {'vmstate': 'd1', 'devices': ['d0', 'd1']}
    job_done(vm, 'snapshot-save', tag='one', **both)
    check_pattern_goes_on(vm, last_numbers(vm), passes=3)
    job_done(vm, 'snapshot-load', tag='one', **both)
    check_runs(vm)
    sizes = {n['node-name']: n['image']['snapshots'][0]['vm-state-size']
             for n in vm.qmp.cmd('query-named-block-nodes')
             if 'snapshots' in n['image']}
    check_equal((sizes['d0'], sizes['d1'] > 2 << 20), (0, True), 'sizes')
    job_fails(vm, 'already exists', 'snapshot-save', tag='one', **both)
    job_fails(vm, "'x' does not exist", 'snapshot-load', tag='x', **both)
    job_fails(vm, 'disk-only', 'snapshot-load', tag='one', vmstate='d0',
              devices=['d0', 'd1'])
    job_fails(vm, "vmstate block device 'd9'", 'snapshot-save', tag='y',
              vmstate='d9', devices=['d0'])
    job_fails(vm, "No block device node 'd9'", 'snapshot-delete', tag='one',
              devices=['d0', 'd9'])
    job_fails(vm, 'At least one device', 'snapshot-delete', tag='one',
              devices=[])
    check_runs(vm)
    job_done(vm, 'snapshot-delete', tag='one', devices=['d0', 'd1'])
    job_done(vm, 'snapshot-delete', tag='one', devices=['d0', 'd1'])
    check_in('Invalid job ID', str(refused(vm, 'snapshot-delete', job_id='/',
                                           tag='a', devices=['d0'])), 'id')
    check_in('Job not found', str(refused(vm, 'job-cancel', id='j')), 'id')
    vm.qmp.cmd('quit')
    vm.wait_end()
    for path in (a, b):
        qemu_img('check', '-q', path)


@test()
def half_way(t):
    """A load that fails behind its first change leaves a guest that can't go
    on before it is reset."""
    path = disk(t)[0]
    args = ['-machine', 'pc', '-display', 'none', '-nodefaults',
            *nodes(path)]
    both = {'vmstate': 'd0', 'devices': ['d0']}
    vm = t.launch(args + ['-m', '32'], serial=False)
    job_done(vm, 'snapshot-save', tag='one', **both)
    vm.qmp.cmd('quit')
    vm.wait_end()
    vm = t.launch(args + ['-m', '64'], name='other', serial=False)
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'before')
    told, error = job(vm, 'snapshot-load', tag='one', **both)
    check_equal(told, FAILED, 'statuses')
    check_in('pc.ram', error, 'error')
    check_equal(vm.qmp.cmd('query-status')['status'], 'internal-error',
                'behind it')
    check_in('Resetting', str(refused(vm, 'cont')), 'cont')
    vm.qmp.cmd('system_reset')
    vm.qmp.cmd('cont')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'reset')


@test()
def cancelled(t):
    """The guest goes on, and nothing is left in the image."""
    path, drive = disk(t)
    slow = ['-blockdev', 'driver=qcow2,node-name=d0,file.driver=file,'
            'file.filename=' + disk(t, 'state')[0]]
    vm = start_pattern(t, *slow, *drive, mem=256, mb=200)
    vm.qmp.cmd('snapshot-save', job_id='j', tag='one', vmstate='d0',
               devices=['d0'])
    vm.qmp.wait_event('STOP')
    vm.qmp.cmd('job-pause', id='j')
    vm.qmp.wait_event('JOB_STATUS_CHANGE',
                      lambda e: e['data']['status'] == 'paused')
    check_equal(vm.qmp.cmd('query-status')['status'], 'save-vm', 'paused')
    check_in('already paused', str(refused(vm, 'job-pause', id='j')), 'pause')
    vm.qmp.cmd('job-cancel', id='j')
    vm.qmp.wait_event('JOB_STATUS_CHANGE',
                      lambda e: e['data']['status'] == 'concluded', 60)
    info, = vm.qmp.cmd('query-jobs')
    check_equal(info['error'], 'Operation canceled', 'error')
    vm.qmp.cmd('job-dismiss', id='j')
    check_pattern_goes_on(vm, last_numbers(vm), passes=1)
    job_done(vm, 'snapshot-delete', tag='one', devices=['d0'])
    vm.qmp.cmd('quit')
    vm.wait_end()
    check_equal(qemu_img('snapshot', '-l', path), '', 'snapshots')


@test()
def one_disk(t):
    """Of a disk that is written all the time; what qemu-img gets out of it is
    what the guest had told at that moment."""
    path = disk(t)[0]
    vm = start_pattern(t, *nodes(path), *IDE, disk=8, mem=32, mb=1)
    sync = 'blockdev-snapshot-internal-sync'
    delete = 'blockdev-snapshot-delete-internal-sync'
    for i in range(20):
        vm.qmp.cmd(sync, device='d0', name='s%d' % i)
    image = next(n['image'] for n in vm.qmp.cmd('query-named-block-nodes')
                 if n['node-name'] == 'd0')
    check_equal([s['name'] for s in image['snapshots']],
                ['s%d' % i for i in range(20)], 'names')
    check_in('already exists', str(refused(vm, sync, device='d0', name='s3')),
             'a second one')
    check_in('Name is empty', str(refused(vm, sync, device='d0', name='')),
             'no name')
    check_in('Name or id', str(refused(vm, delete, device='d0')), 'neither')
    check_in('does not exist', str(refused(vm, delete, device='d0', id='1',
                                           name='s7')), 'another one')
    for i in range(0, 20, 2):
        check_equal(vm.qmp.cmd(delete, device='d0', name='s%d' % i)['name'],
                    's%d' % i, 'deleted')
    hmp(vm, 'snapshot_blkdev_internal d0 h')
    hmp(vm, 'snapshot_delete_blkdev_internal d0 h')
    check_runs(vm)
    vm.qmp.cmd('quit')
    vm.wait_end()
    qemu_img('check', '-q', path)
    qemu_img('snapshot', '-a', 's1', path)
    qemu_img('check', '-q', path)


@test()
def resized(t):
    """A disk of another size can't go back to a snapshot."""
    path, drive = disk(t)
    vm = t.launch(['-machine', 'pc', '-m', '32', '-display', 'none', '-S',
                   *drive], serial=False)
    hmp(vm, 'savevm one')
    for text, size in (('2', 2 << 20), ('3072K', 3 << 20)):
        hmp(vm, 'block_resize hd ' + text)
        check_equal(vm.qmp.cmd('query-block')[0]['inserted']['image']
                    ['virtual-size'], size, text)
    check_in('of a disk of 1048576', vm.qmp.hmp('loadvm one'), 'loadvm')
    check_in("device='x'", vm.qmp.hmp('block_resize x 4'), 'no such drive')
    check_in('multiple of 512', vm.qmp.hmp('block_resize hd 1000b'), 'size')
    check_in('size', vm.qmp.hmp('block_resize hd much'), 'no number')
    check_in('size', vm.qmp.hmp('block_resize hd 9E'), 'too much')
    check_in('No active jobs', vm.qmp.hmp('info block-jobs'), 'jobs')


def image_of(vm, node):
    image = next(n['image'] for n in vm.qmp.cmd('query-named-block-nodes')
                 if n['node-name'] == node)
    for below in (image, image.get('backing-image', {})):
        below.pop('actual-size', None)
        below.pop('filename', None)
    return image


@test()
def image_fields(t):
    """What both programs tell of the same images."""
    peer = need_peer()
    args = ['-machine', 'none', '-display', 'none', '-nodefaults']
    for i, opts in enumerate(['compat=0.10', 'compat=1.1,lazy_refcounts=on',
                              'extended_l2=on,cluster_size=128k',
                              'refcount_bits=64,compression_type=zstd']):
        base, top = t.path('base%d' % i), t.path('top%d' % i)
        qemu_img('create', '-q', '-f', 'qcow2', '-o', opts, base, '3M')
        qemu_img('snapshot', '-c', 'first', base)
        qemu_img('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base,
                 '-o', opts, top)
        qemu_img('snapshot', '-c', 'second', top)
        told = []
        for name, binary in (('ours', None), ('theirs', peer)):
            vm = t.launch(args + nodes(top), name=name + str(i), binary=binary,
                          serial=False)
            told.append(image_of(vm, 'd0'))
            vm.qmp.cmd('quit')
            vm.wait_end()
        check_equal(told[0], told[1], opts)


if __name__ == '__main__':
    main()
