# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of I/O: as users set and see them, and a guest whose requests wait
for them while it is stopped and migrated."""

from godwit.migration import (check_pattern_goes_on, last_numbers,
                              migrate_pattern, refused, start_pattern)
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, check_in, main, test

NONE = {'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 0,
        'iops_wr': 0}


def inserted(vm, name):
    return next(b['inserted'] for b in vm.qmp.cmd('query-block')
                if b['device'] == name)


def limit(vm, **arguments):
    """With bps=1 and bps_max=100 the second request waits for minutes."""
    vm.qmp.execute('block_set_io_throttle', {**NONE, **arguments})


@test()
def drives(t):
    null = 'driver=null-co,if=none,id='
    vm = t.launch(['-machine', 'none', '-display', 'none', '-S',
                   '-drive', null + 'a,iops=100,iops_size=4096',
                   '-drive', null + 'b,throttling.group=g,bps_rd=1000,'
                   'bps_rd_max=5000,throttling.bps-read-max-length=3',
                   '-drive', null + 'c,throttling.group=g,'
                   'throttling.bps-read=7', '-drive', null + 'd'],
                  serial=False)
    check_equal(inserted(vm, 'a').get('group'), 'a', 'own group')
    check_equal(inserted(vm, 'a')['iops'], 100, 'limit')
    check_equal(inserted(vm, 'a')['iops_size'], 4096, 'size')
    check('iops_max' not in inserted(vm, 'a'), 'a burst')
    # The last drive's limits are those of its group.
    check_equal(inserted(vm, 'b')['bps_rd'], 7, 'limit of the group')
    check('group' not in inserted(vm, 'd'), 'a group without limits')
    limit(vm, device='c', bps_wr=9, bps_wr_max=20, bps_wr_max_length=2)
    check_equal(inserted(vm, 'b')['bps_rd'], 0, 'old limit of the group')
    for key, value in (('bps_wr', 9), ('bps_wr_max', 20),
                       ('bps_wr_max_length', 2), ('group', 'g')):
        check_equal(inserted(vm, 'b')[key], value, key)
    check_in('    I/O throttling:   bps=0 bps_rd=0 bps_wr=9 bps_max=0 '
             'bps_rd_max=0 bps_wr_max=20 iops=0 iops_rd=0 iops_wr=0 '
             'iops_max=0 iops_rd_max=0 iops_wr_max=0 iops_size=0 group=g',
             vm.qmp.hmp('info block b'), 'info block')
    check_equal(vm.qmp.hmp('block_set_io_throttle b 0 0 0 5 0 0'), '', 'HMP')
    check_equal(inserted(vm, 'c')['iops'], 5, 'limit by HMP')
    limit(vm, device='c', group='h', iops=6)
    check_equal(inserted(vm, 'b')['iops'], 5, 'the group that it left')
    limit(vm, device='c')
    check('group' not in inserted(vm, 'c'), 'it left its group')
    check_in('not found', vm.qmp.hmp('block_set_io_throttle x 0 0 0 0 0 0'),
             'HMP error')
    for arguments, text in (({'device': 'x'}, "'x' not found"),
                            ({}, 'exactly one of'),
                            ({'device': 'a', 'iops': -1}, 'within'),
                            ({'device': 'a', 'iops': 5, 'iops_wr': 5},
                             'same time')):
        try:
            limit(vm, **arguments)
        except QmpError as err:
            check_in(text, str(err), 'error')
        else:
            raise AssertionError('%r was accepted' % arguments)
    check_equal(inserted(vm, 'a')['iops'], 100, 'limit after errors')


@test()
def groups(t):
    vm = t.launch(['-machine', 'none', '-display', 'none', '-S',
                   '-object', 'throttle-group,id=g,x-iops-total=33',
                   '-drive', 'driver=null-co,if=none,id=a,iops=44,'
                   'throttling.group=g'], serial=False)

    def limits():
        return vm.qmp.cmd('qom-get', path='/objects/g', property='limits')

    check_equal(limits()['iops-total'], 44, 'set by the drive')
    check_equal(limits()['bps-read-max-length'], 1, 'length')
    vm.qmp.cmd('qom-set', path='/objects/g', property='limits',
               value={'iops-total': 50, 'iops-total-max': 60})
    check_equal(inserted(vm, 'a')['iops_max'], 60, 'set by qom-set')
    for value, text in (({'iops-total': -1}, 'within'),
                        ({'iops-total-max': 1}, 'lower'),
                        ({'foo': 1}, 'foo'), (5, 'expected: object')):
        check_in(text, str(refused(vm, 'qom-set', path='/objects/g',
                                   property='limits', value=value)), 'error')
    check_equal(limits()['iops-total-max'], 60, 'limits after errors')
    refused(vm, 'qom-set', path='/objects/g', property='x-iops-total',
            value=1)
    check_in('in use', str(refused(vm, 'object-del', id='g')), 'in use')
    limit(vm, device='a')
    vm.qmp.cmd('blockdev-add', driver='throttle', node_name='t',
               throttle_group='g', file={'driver': 'null-co'})
    check_in('in use', str(refused(vm, 'object-del', id='g')), 'in use')
    vm.qmp.cmd('blockdev-del', node_name='t')
    vm.qmp.cmd('object-del', id='g')
    limit(vm, device='a', iops=3)
    check_in('already exists', str(refused(
        vm, 'object-add', qom_type='throttle-group', id='a')), 'same name')
    vm.qmp.cmd('object-add', qom_type='throttle-group', id='n',
               limits={'bps-total': 5})
    check_equal(vm.qmp.cmd('qom-get', path='/objects/n',
                           property='x-bps-total'), 5, 'by object-add')


def disk(t):
    path = t.path('disk')
    with open(path, 'wb') as file:
        file.truncate(1 << 20)
    return '-drive', 'if=ide,id=hd,format=raw,file=' + path


def wait_held_up(vm):
    """Until the guest goes on without its disk."""
    seen = [None, 0]

    def idle():
        stats = vm.qmp.cmd('query-blockstats')[0]['stats']
        ops = stats['rd_operations'] + stats['wr_operations']
        beats = last_numbers(vm)[0]
        if ops != seen[0]:
            seen[:] = [ops, beats]
        return beats >= seen[1] + 5
    vm.reactor.wait(idle, 'requests that wait', 30)


@test()
def stop_while_requests_wait(t):
    vm = start_pattern(t, *disk(t), disk=8)
    limit(vm, device='hd', bps=1, bps_max=100)
    wait_held_up(vm)
    vm.qmp.cmd('stop')
    before = last_numbers(vm)
    vm.qmp.cmd('cont')
    wait_held_up(vm)
    limit(vm, device='hd')
    check_pattern_goes_on(vm, before)


@test()
def migrate_while_requests_wait(t):
    drive = disk(t)
    src = start_pattern(t, *drive, disk=8)
    limit(src, device='hd', bps=1, bps_max=100)
    wait_held_up(src)
    migrate_pattern(t, src, extra=drive)


if __name__ == '__main__':
    main()
