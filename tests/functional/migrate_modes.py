# SPDX-License-Identifier: GPL-2.0-or-later
"""Capabilities that few use: each between two Godwits, and with QEMU 7.2.

GODWIT_PEER is the other program; tests with it are skipped if it isn't a 7.2.
"""

from godwit.migration import (check_lines, check_pattern_goes_on, go,
                              last_numbers, query, set_capabilities,
                              set_parameters, start, start_incoming,
                              start_pattern, transport, wait_drained,
                              wait_running, wait_status)
from godwit.peer import need_peer
from godwit.qmp import QmpError
from godwit.tap import check, check_equal, main, test

UUID = '00112233-4455-6677-8899-aabbccddeeff'
OTHER_UUID = '00112233-4455-6677-8899-aabbccddee00'


def move(t, src, *extra, binary=None, name='dst', caps=None):
    """To another program, with these capabilities on both sides; what the
    source's query-migrate says at the end is in src.info."""
    way = transport(t, 'unix')
    dst = start_incoming(t, src, 'defer', *extra, name=name, binary=binary)
    for vm in (src, dst):
        set_capabilities(vm, **(caps or {}))
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    set_parameters(src, **{'max-bandwidth': 0})
    src.info = go(src, way)
    wait_running(dst)
    dst.pattern_args = src.pattern_args
    wait_drained(src)
    numbers = last_numbers(src)
    check_lines(src.serial.lines)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status')
    return dst


def there_and_back(t, *extra, caps, check_info=None, **guest):
    """From Godwit to the peer, back, and to another Godwit."""
    peer = need_peer()
    vm = start_pattern(t, *extra, **guest)
    for i, binary in enumerate((peer, None, None)):
        old = vm
        vm = move(t, old, *extra, binary=binary, name='vm%d' % i, caps=caps)
        if check_info:
            check_info(old.info)
    return vm


def refused(t, src, dst, says):
    """The destination ends, says why, and the guest stays."""
    way = transport(t, 'unix')
    dst.ends_expected = True
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    start(src, way)
    info = wait_status(src, 'failed')
    dst.wait_end()
    check(says in dst.stderr, 'destination says: ' + dst.stderr)
    check_equal(src.qmp.cmd('query-status')['status'], 'running', 'source')
    return info


@test()
def uuid_is_the_same(t):
    there_and_back(t, '-uuid', UUID, caps={'validate-uuid': True})


@test()
def uuid_is_another(t):
    src = start_pattern(t, '-uuid', UUID)
    dst = start_incoming(t, src, 'defer', '-uuid', OTHER_UUID)
    set_capabilities(src, **{'validate-uuid': True})
    info = refused(t, src, dst, 'UUID received is %s and local is %s' % (
        UUID, OTHER_UUID))
    check(OTHER_UUID in info['error-desc'], 'source says: %s' % info)


def shared(t, share='on'):
    return ('-object', 'memory-backend-file,id=m0,size=64M,share=%s,mem-path='
            '%s' % (share, t.path('guest.ram')), '-machine',
            'memory-backend=m0')


def nothing_sent(info):
    check(info['ram']['total'] < 2 << 20, 'total: %s' % info['ram'])
    check(info['ram']['transferred'] < 2 << 20, 'sent: %s' % info['ram'])


@test()
def shared_memory_stays(t):
    there_and_back(t, *shared(t), caps={'x-ignore-shared': True},
                   check_info=nothing_sent)


@test()
def shared_memory_on_one_side(t):
    src = start_pattern(t, *shared(t))
    dst = start_incoming(t, src, 'defer', *shared(t), name='off')
    set_capabilities(src, **{'x-ignore-shared': True})
    says = 'Capability x-ignore-shared is off, but received capability is on'
    check(says in refused(t, src, dst, says)['error-desc'], 'source')
    dst = start_incoming(t, src, 'defer', *shared(t, 'off'), name='private')
    set_capabilities(dst, **{'x-ignore-shared': True})
    refused(t, src, dst, 'RAM is shared only at the source: m0')
    peer = need_peer()
    dst = start_incoming(t, src, 'defer', *shared(t), name='on')
    set_capabilities(src, **{'x-ignore-shared': False})
    set_capabilities(dst, **{'x-ignore-shared': True})
    refused(t, src, dst, 'is on, but received capability is off')
    # The peer would start the guest without the memory that isn't sent.
    src.qmp.cmd('quit')
    src.wait_end()
    src = start_pattern(t, *shared(t), binary=peer, name='peer')
    dst = start_incoming(t, src, 'defer', *shared(t, 'off'), name='lacks')
    set_capabilities(src, **{'x-ignore-shared': True})
    set_capabilities(dst, **{'x-ignore-shared': True})
    way = transport(t, 'unix')
    dst.ends_expected = True
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    start(src, way)
    dst.wait_end()
    check("'m0' isn't shared here, and the source sent nothing" in dst.stderr,
          dst.stderr)


@test()
def shared_memory_without_a_file(t):
    args = ('-object', 'memory-backend-memfd,id=m0,size=64M,share=on',
            '-machine', 'memory-backend=m0')
    src = start_pattern(t, *args)
    set_capabilities(src, **{'x-ignore-shared': True})
    try:
        src.qmp.cmd('migrate', uri='unix:' + t.path('nobody'))
        raise AssertionError('it began')
    except QmpError as err:
        check("'m0' is shared, but has no file" in err.desc, err.desc)


def measured(vm, **args):
    vm.qmp.cmd('calc-dirty-rate', **args)
    return vm.reactor.poll(
        lambda: (lambda i: i if i['status'] == 'measured' else None)(
            vm.qmp.cmd('query-dirty-rate')), 'dirty rate')


@test(needs_kvm=True)
def dirty_rate(t):
    vm = start_pattern(t, mem=32, smp=2)
    for args in ({'sample-pages': 4096}, {'mode': 'dirty-bitmap'}):
        info = measured(vm, **{'calc-time': 1}, **args)
        check(0 < info['dirty-rate'] <= 32, str(info))
        check('vcpu-dirty-rate' not in info, str(info))
    try:
        vm.qmp.cmd('calc-dirty-rate', **{'calc-time': 1,
                                         'mode': 'dirty-ring'})
        raise AssertionError('without rings')
    except QmpError as err:
        check('mode dirty-ring is not enabled' in err.desc, err.desc)
    # It has lost nothing of what a migration has to know.
    vm.qmp.cmd('calc-dirty-rate', **{'calc-time': 1, 'mode': 'dirty-bitmap'})
    move(t, vm)


@test(needs_kvm=True)
def dirty_rate_by_rings(t):
    vm = start_pattern(t, mem=32, smp=2, accel='kvm,dirty-ring-size=4096')
    info = measured(vm, **{'calc-time': 1, 'mode': 'dirty-ring'})
    vcpus = info['vcpu-dirty-rate']
    check_equal([v['id'] for v in vcpus], [0, 1], 'vCPUs')
    check(all(v['dirty-rate'] > 0 for v in vcpus), str(info))
    check_equal(info['dirty-rate'], sum(v['dirty-rate'] for v in vcpus),
                'sum')
    vm.qmp.cmd('calc-dirty-rate', **{'calc-time': 2, 'mode': 'dirty-ring'})
    move(t, vm)


@test(needs_kvm=True)
def dirty_limit(t):
    vm = start_pattern(t, mem=32, rate=0, smp=2,
                       accel='kvm,dirty-ring-size=4096')
    free = measured(vm, **{'calc-time': 1, 'mode': 'dirty-ring'})
    vm.qmp.cmd('set-vcpu-dirty-limit', **{'cpu-index': 1, 'dirty-rate': 4})
    limits = vm.qmp.cmd('query-vcpu-dirty-limit')
    check_equal([(v['cpu-index'], v['limit-rate']) for v in limits], [(1, 4)],
                'limits')
    slow = measured(vm, **{'calc-time': 2, 'mode': 'dirty-ring'})
    before, after = (i['vcpu-dirty-rate'][1]['dirty-rate']
                     for i in (free, slow))
    # A burst is as long as a look at the rings, which a busy host delays.
    check(after < before / 2, 'CPU 1: %d, then %d' % (before, after))
    text = vm.qmp.cmd('human-monitor-command',
                      **{'command-line': 'info vcpu_dirty_limit'})
    check('vcpu[1], limit rate 4 (MB/s), current rate ' in text, text)
    move(t, vm)


def resident(vm):
    """KiB of memory that the program has."""
    with open('/proc/%d/status' % vm.proc.pid, encoding='ascii') as status:
        return int(next(line for line in status
                        if line.startswith('VmRSS')).split()[1])


def release(t, binary):
    src = start_pattern(t)
    way = transport(t, 'unix')
    dst = start_incoming(t, src, 'defer', binary=binary)
    for vm in (src, dst):
        set_capabilities(vm, **{'postcopy-ram': True, 'release-ram': True})
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    before = resident(src)
    # Little has been sent when the guest goes.
    set_parameters(src, **{'max-bandwidth': 4 << 20})
    start(src, way)
    wait_status(src, 'active')
    src.qmp.cmd('migrate-start-postcopy')
    wait_status(src, 'completed')
    wait_running(dst)
    after = resident(src)
    check(after < before - (32 << 10), '%d, then %d KiB' % (before, after))
    dst.pattern_args = src.pattern_args
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test()
def release_ram(t):
    release(t, None)


@test()
def release_ram_to_peer(t):
    release(t, need_peer())


def some_passes(src):
    """A channel so narrow that pages are sent again and again."""
    set_parameters(src, **{'max-bandwidth': 16 << 20, 'downtime-limit': 0,
                           'xbzrle-cache-size': 64 << 20})


def deltas_sent(src):
    """Until some have been; then there is no limit any more."""
    def ask():
        info = query(src)
        cache = info.get('xbzrle-cache', {})
        check(info['status'] in ('setup', 'active'), str(info))
        return cache.get('pages', 0) > cache.get('overflow', 0) + 20
    src.reactor.poll(ask, 'deltas')
    set_parameters(src, **{'max-bandwidth': 0, 'downtime-limit': 2000})
    info = wait_status(src, 'completed')
    cache = info['xbzrle-cache']
    check(cache['pages'] > cache['overflow'] + 20, str(info))
    check_equal(cache['cache-size'], 64 << 20, 'cache size')
    check(cache['cache-miss'] > 0 and cache['bytes'] > 0, str(info))
    check(0 < cache['cache-miss-rate'] < 1, str(info))
    check(cache['encoding-rate'] > 1, str(info))
    text = src.qmp.cmd('human-monitor-command',
                       **{'command-line': 'info migrate'})
    for line in ('cache size: %d bytes' % (64 << 20),
                 'xbzrle pages: %d pages' % cache['pages'],
                 'xbzrle overflow: %d' % cache['overflow']):
        check(line in text, 'info migrate: ' + text)


@test()
def xbzrle(t):
    """From Godwit to the peer, and back."""
    peer = need_peer()
    vm = start_pattern(t, mem=16)
    for i, binary in enumerate((peer, None)):
        old = vm
        way = transport(t, 'unix')
        vm = start_incoming(t, old, way.incoming, name='vm%d' % i,
                            binary=binary)
        set_capabilities(old, xbzrle=True)
        some_passes(old)
        start(old, way)
        if old.name == 'vm0':  # the peer counts otherwise
            set_parameters(old, **{'max-bandwidth': 0,
                                   'downtime-limit': 2000})
            wait_status(old, 'completed')
        else:
            deltas_sent(old)
        wait_running(vm)
        vm.pattern_args = old.pattern_args
        wait_drained(old)
        numbers = last_numbers(old)
        check_lines(old.serial.lines)
        vm.serial.adopt(old.serial)
        check_pattern_goes_on(vm, numbers)
        old.qmp.cmd('quit')
        old.wait_end()


@test()
def modes_that_exclude_each_other(t):
    vm = t.machine()
    for one, other in (('x-ignore-shared', 'postcopy-ram'),
                       ('xbzrle', 'multifd')):
        try:
            set_capabilities(vm, **{one: True, other: True})
            raise AssertionError('%s with %s' % (one, other))
        except QmpError as err:
            check(other.split('-', maxsplit=1)[0] in err.desc.lower(),
                  err.desc)
    check('status' not in query(vm), 'nothing began')


if __name__ == '__main__':
    main()
