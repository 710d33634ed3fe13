# SPDX-License-Identifier: GPL-2.0-or-later
"""Cancel, limits, switch-over pause, start states, statistics, errors."""

import time

from godwit.migration import (check_pattern_goes_on, go, last_numbers, query,
                              refused, set_capabilities, set_parameters,
                              start, start_incoming, start_pattern, status,
                              transport, wait_drained, wait_running,
                              wait_status, wait_transferred)
from godwit.qmp import QmpClosed
from godwit.tap import check, check_equal, check_in, free_port, main, test


def pair(t, *extra, uri=None, dst_extra=(), **kwargs):
    way = transport(t, 'unix')
    src = start_pattern(t, *extra, **kwargs)
    dst = start_incoming(t, src, uri or way.incoming, *extra, *dst_extra)
    return src, dst, way


def arrived(src, dst):
    """The guest runs at the destination, all of its memory intact."""
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    check_pattern_goes_on(dst, numbers)


@test()
def incoming_defer(t):
    src, dst, way = pair(t, uri='defer', mb=16)
    check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate', 'status')
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    refused(dst, 'migrate-incoming', uri=way.incoming)
    go(src, way)
    arrived(src, dst)


@test()
def incoming_defer_wrong_address(t):
    """A wrong URI is an error; the right one works after it."""
    src, dst, way = pair(t, uri='defer', mb=16)
    err = refused(dst, 'migrate-incoming', uri='unix:/no/such/folder/sock')
    check_in('/no/such/folder/sock', err.desc, 'error')
    refused(dst, 'migrate-incoming', uri='nonsense:1')
    dst.qmp.cmd('migrate-incoming', uri=way.incoming)
    go(src, way)
    arrived(src, dst)


@test()
def incoming_without_option(t):
    vm = t.machine()
    refused(vm, 'migrate-incoming', uri='unix:' + t.path('mig'))
    vm.wait_line('^hb ')


@test()
def cont_while_incoming(t):
    """Nothing runs before everything has arrived; cont is remembered or
    refused."""
    src, dst, way = pair(t, mb=16)
    try:
        dst.qmp.cmd('cont')
    except Exception as err:  # pylint: disable=broad-except
        t.note(err)
    check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate', 'status')
    go(src, way)
    arrived(src, dst)


@test(godwit_only='others let back ends come and go')
def machine_stays_the_same(t):
    """Nothing is added or removed between the start and the end."""
    src, dst, way = pair(t, mb=16)
    set_parameters(src, max_bandwidth=1 << 20)
    start(src, way)
    wait_status(src, 'active')
    for vm in src, dst:
        for command, arguments in (
                ('device_add', {'driver': 'virtio-net-pci', 'id': 'x'}),
                ('device_del', {'id': 'x'}),
                ('netdev_add', {'type': 'user', 'id': 'x'}),
                ('netdev_del', {'id': 'x'})):
            err = refused(vm, command, **arguments)
            check_equal(err.desc, command + ' not allowed while migrating',
                        'error')
    err = refused(src, 'dump-guest-memory', paging=False,
                  protocol='file:' + t.path('dump'))
    check_in('not allowed while migrating', err.desc, 'error')
    check_in('not allowed while migrating',
             src.qmp.hmp('netdev_add user,id=x'), 'HMP')
    set_parameters(src, max_bandwidth=0)
    arrived(src, dst)


@test()
def machine_changes_before(t):
    """What waits for a source may still be completed."""
    src, dst, way = pair(t, mb=16)
    dst.qmp.cmd('netdev_add', type='hubport', id='x', hubid=0)
    dst.qmp.cmd('netdev_del', id='x')
    go(src, way)
    arrived(src, dst)


@test()
def cancel(t):
    src, dst, way = pair(t)
    set_capabilities(src, events=True)
    set_parameters(src, max_bandwidth=4 << 20)
    start(src, way)
    wait_transferred(src, 1 << 20)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    src.qmp.wait_event('MIGRATION',
                       lambda e: e['data']['status'] == 'cancelled')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_equal(src.qmp.cmd('query-status')['status'], 'running', 'status')
    check_pattern_goes_on(src, last_numbers(src))
    # And then it works.
    set_parameters(src, max_bandwidth=0)
    dst = start_incoming(t, src, way.incoming, name='dst2')
    go(src, way)
    arrived(src, dst)


@test()
def cancel_without_migration(t):
    vm = t.machine()
    vm.qmp.cmd('migrate_cancel')
    vm.wait_line('^hb ')
    check_equal(vm.qmp.cmd('query-status')['status'], 'running', 'status')


def cancelled_destination(t, dst):
    """It ends if the source ever reached it, and goes on waiting if not."""
    def ended():
        return dst.status is not None or (
            'status' not in dst.qmp.cmd('query-migrate'))
    try:
        t.reactor.poll(ended, 'end of the destination')
    except QmpClosed:
        dst.wait_end()
    if dst.status is not None:
        check_equal(dst.wait_end(), 1, 'exit status')
    else:
        dst.kill()


@test()
def cancel_at_once(t):
    """At whatever stage it hits: one side runs, and only one."""
    for i in range(5):
        src = start_pattern(t, mb=4, name='src%d' % i)
        dst = start_incoming(t, src, 'unix:' + t.path('m%d' % i),
                             name='dst%d' % i)
        src.qmp.cmd('migrate', uri='unix:' + t.path('m%d' % i))
        src.qmp.cmd('migrate_cancel')
        info = wait_status(src, ('cancelled', 'completed', 'failed'))
        if info['status'] == 'completed':
            arrived(src, dst)
        else:
            wait_running(src)
            check_pattern_goes_on(src, last_numbers(src))
            cancelled_destination(t, dst)
        src.qmp.cmd('quit')
        src.wait_end()


@test()
def second_migration_is_refused(t):
    src, dst, way = pair(t)
    set_parameters(src, max_bandwidth=4 << 20)
    start(src, way)
    wait_transferred(src, 1 << 20)
    refused(src, 'migrate', uri='unix:' + t.path('other'))
    refused(src, 'migrate-set-capabilities', capabilities=[
        {'capability': 'events', 'state': True}])
    set_parameters(src, max_bandwidth=0)
    wait_status(src, 'completed')
    arrived(src, dst)


@test()
def max_bandwidth_is_an_upper_bound(t):
    """A bound on bytes per measured time: a slow host can't break it."""
    src, dst, way = pair(t, mem=128)
    limit = 8 << 20
    set_parameters(src, max_bandwidth=limit)
    started = time.monotonic()
    start(src, way)
    while True:
        sent = query(src).get('ram', {}).get('transferred', 0)
        # Half a second's worth may go out in one burst.
        allowed = limit * (time.monotonic() - started + 0.5)
        check(sent <= allowed, '%d bytes, %d allowed' % (sent, allowed))
        if sent > limit:
            break
        t.reactor.turn(0.02)
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    dst.wait_end()


@test()
def downtime_limit_is_waited_for(t):
    """A guest that dirties too fast goes on running, pass after pass, until
    the limit allows the switch-over."""
    src, dst, way = pair(t, rate=0)
    set_capabilities(src, events=True)
    set_parameters(src, max_bandwidth=32 << 20, downtime_limit=1)
    start(src, way)
    src.qmp.wait_event('MIGRATION_PASS', lambda e: e['data']['pass'] >= 4)
    check_equal(status(src), 'active', 'status')
    check_equal(src.qmp.cmd('query-status')['status'], 'running', 'status')
    set_parameters(src, max_bandwidth=0, downtime_limit=5000)
    wait_status(src, 'completed')
    arrived(src, dst)


@test()
def pause_before_switchover(t):
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, pause_before_switchover=True, events=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    src.qmp.wait_event('MIGRATION',
                       lambda e: e['data']['status'] == 'pre-switchover')
    check_equal(src.qmp.cmd('query-status')['running'], False, 'running')
    refused(src, 'migrate-continue', state='active')
    check_equal(status(src), 'pre-switchover', 'status')
    check_equal(dst.qmp.cmd('query-status')['status'], 'inmigrate', 'status')
    src.qmp.cmd('migrate-continue', state='pre-switchover')
    wait_status(src, 'completed')
    arrived(src, dst)


@test()
def cancel_in_pre_switchover(t):
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    wait_running(src)
    check_pattern_goes_on(src, last_numbers(src))


@test(godwit_only='the peer forgets the stop')
def stop_and_cancel_in_pre_switchover(t):
    """It is told once that the guest stands, and never that it runs."""
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    src.qmp.cmd('stop')
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_equal(src.qmp.cmd('query-status')['status'], 'paused', 'status')
    check_equal(src.qmp.count_events('RESUME'), 0, 'RESUME')
    check_equal(src.qmp.count_events('STOP'), 1, 'STOP')
    src.qmp.cmd('cont')
    wait_running(src)
    check_pattern_goes_on(src, last_numbers(src))


@test()
def destination_with_S_waits_for_cont(t):
    src, dst, way = pair(t, mb=16, dst_extra=('-S',))
    set_capabilities(dst, events=True)
    go(src, way)
    dst.qmp.wait_event('MIGRATION',
                       lambda e: e['data']['status'] == 'completed')
    t.reactor.poll(
        lambda: dst.qmp.cmd('query-status')['status'] == 'paused', 'paused')
    check_equal(dst.serial.lines, [], 'lines of a stopped guest')
    check_equal(dst.qmp.count_events('RESUME'), 0, 'RESUME events')
    dst.qmp.cmd('cont')
    arrived(src, dst)


@test()
def paused_source_stays_paused(t):
    src, dst, way = pair(t, mb=16)
    set_capabilities(dst, events=True)
    src.qmp.cmd('stop')
    go(src, way)
    dst.qmp.wait_event('MIGRATION',
                       lambda e: e['data']['status'] == 'completed')
    t.reactor.poll(
        lambda: dst.qmp.cmd('query-status')['status'] == 'paused', 'paused')
    check_equal(dst.qmp.count_events('RESUME'), 0, 'RESUME events')
    dst.qmp.cmd('cont')
    arrived(src, dst)


@test()
def cont_on_source_after_failure_only(t):
    """After a completed migration the source stays stopped; a cont there is
    the user's own decision (and how a lost destination is undone)."""
    src, dst, way = pair(t, mb=16)
    go(src, way)
    wait_running(dst)
    check_equal(src.qmp.cmd('query-status')['status'], 'postmigrate',
                'status')
    numbers = last_numbers(src)
    dst.kill()
    src.qmp.cmd('cont')
    wait_running(src)
    check_pattern_goes_on(src, numbers)


@test()
def events_in_order(t):
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, events=True)
    set_capabilities(dst, events=True)
    go(src, way)
    arrived(src, dst)

    def states(vm):
        return [e['data']['status'] for e in vm.qmp.events
                if e['event'] == 'MIGRATION']
    src.qmp.wait_event('MIGRATION',
                       lambda e: e['data']['status'] == 'completed')
    check_equal([s for s in states(src) if s != 'device'],
                ['setup', 'active', 'completed'], 'source')
    check_equal([s for s in states(dst) if s not in ('setup', 'device')],
                ['active', 'completed'], 'destination')
    check_equal(src.qmp.count_events('STOP'), 1, 'STOP events')
    check_equal(dst.qmp.count_events('RESUME'), 1, 'RESUME events')
    passes = [e['data']['pass'] for e in src.qmp.events
              if e['event'] == 'MIGRATION_PASS']
    check_equal(passes, list(range(1, len(passes) + 1)), 'passes')


def start_too_fast(t):
    """A guest that writes all of its 4 MiB many times while they are sent."""
    src, dst, way = pair(t, mem=32, mb=4, rate=0)
    set_capabilities(src, auto_converge=True)
    set_parameters(src, max_bandwidth=16 << 20, downtime_limit=10,
                   cpu_throttle_initial=90, cpu_throttle_increment=9)
    start(src, way)
    t.reactor.poll(
        lambda: query(src).get('cpu-throttle-percentage', 0) >= 90, 'slowed')
    return src, dst


@test()
def auto_converge(t):
    """Slowed enough, it moves, and runs at full speed afterwards."""
    src, dst = start_too_fast(t)
    wait_status(src, 'completed')
    check('cpu-throttle-percentage' not in query(src), 'not slowed any more')
    arrived(src, dst)


@test()
def auto_converge_cancelled(t):
    """A guest that stays isn't slowed any more either, and can be stopped
    while it is."""
    src, dst = start_too_fast(t)
    check_in('cpu throttle percentage: 9', src.qmp.hmp('info migrate'), 'HMP')
    src.qmp.cmd('stop')
    src.qmp.cmd('cont')
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check('cpu-throttle-percentage' not in query(src), 'not slowed any more')
    check_pattern_goes_on(src, last_numbers(src))


@test()
def figures_of_the_first_pass(t):
    """What a tool shows from its first question on: whole totals, and
    figures that move."""
    src, _, way = pair(t, mem=128, mb=64)
    set_parameters(src, max_bandwidth=30 << 20, downtime_limit=20)
    seen = []

    def ask():
        info = query(src)
        seen.append(info)
        check('ram' not in info if info['status'] == 'setup' else
              info['ram']['total'] >= 128 << 20, 'answer %r' % info)
        return (info['status'] != 'setup' and
                info['ram']['dirty-sync-count'] > 1)

    start(src, way)
    check(ask() is not None, 'an answer right away')
    t.reactor.poll(ask, 'the second pass')
    active = [i for i in seen if i['status'] == 'active' and
              i['ram']['dirty-sync-count'] == 1]
    check(len(active) > 3, 'answers: %r' % seen)
    check_equal(active[0]['expected-downtime'], 20, 'expected downtime')
    for key in ('transferred', 'remaining', 'mbps', 'pages-per-second'):
        values = {i['ram'][key] for i in active}
        check(len(values) > 2, '%s: %r' % (key, values))
    check(active[-1]['ram']['mbps'] > 0, 'rate in %r' % active[-1])
    if t.host.is_godwit:
        etas = [i['eta'] for i in active if 'eta' in i]
        check(len(set(etas)) > 1 and etas[-1] < 60000, 'eta: %r' % etas)
    check(all(i['expected-downtime'] < 600000 for i in active),
          'expected downtime')
    set_parameters(src, max_bandwidth=0, downtime_limit=300)
    wait_status(src, 'completed')


@test()
def statistics(t):
    src, dst, way = pair(t, mem=128, mb=32)
    check('status' not in query(src), 'status before any migration')
    info = go(src, way)
    for key in ('total-time', 'downtime', 'setup-time'):
        check(isinstance(info[key], int) and info[key] >= 0, key)
    ram = info['ram']
    for key in ('transferred', 'remaining', 'total', 'duplicate', 'skipped',
                'normal', 'normal-bytes', 'dirty-pages-rate', 'mbps',
                'dirty-sync-count', 'postcopy-requests', 'page-size',
                'multifd-bytes', 'pages-per-second', 'downtime-bytes',
                'precopy-bytes', 'postcopy-bytes'):
        check_in(key, ram, 'ram')
    check_equal(ram['remaining'], 0, 'remaining')
    check_equal(ram['page-size'], 4096, 'page-size')
    check_equal(ram['normal-bytes'], ram['normal'] * 4096, 'normal-bytes')
    check(ram['total'] >= 128 << 20, 'total')
    check(ram['dirty-sync-count'] >= 2, 'dirty-sync-count')
    check(ram['transferred'] >= ram['normal-bytes'], 'transferred')
    # Of 32 MiB of pattern at least half has data in it.
    check(ram['normal'] >= (16 << 20) // 4096, 'normal')
    arrived(src, dst)


@test(godwit_only='its own addition')
def downtime_breakdown(t):
    src, dst, way = pair(t, mb=16)
    info = go(src, way)
    parts = info['downtime-breakdown']
    for key in ('vcpu-stop', 'cpu-sync', 'dirty-sync', 'ram', 'device-state'):
        check(isinstance(parts[key], int) and parts[key] >= 0, key)
    arrived(src, dst)


@test()
def migrate_to_nowhere(t):
    vm = start_pattern(t, mb=16)
    port = free_port()
    for uri, part in (('tcp:127.0.0.1:%d' % port, str(port)),
                      ('unix:' + t.path('none'), t.path('none')),
                      ('exec:exit 3', ''),
                      ('tcp:127.0.0.1:port', 'port'),
                      ('fd:none', 'none')):
        try:
            vm.qmp.cmd('migrate', uri=uri)
            info = t.reactor.poll(
                lambda: query(vm).get('status') == 'failed' and query(vm),
                uri + ' to fail')
            if 'error-desc' in info:
                check_in(part, info['error-desc'], uri)
        except Exception as err:  # pylint: disable=broad-except
            if not hasattr(err, 'desc'):
                raise
            check_in(part, err.desc, uri)
        wait_running(vm)
    for uri in ('nonsense', 'nonsense:1', '', 'tcp:', 'tcp:host', 'unix:',
                'fd:'):
        refused(vm, 'migrate', uri=uri)
        check_equal(vm.qmp.cmd('query-status')['status'], 'running', uri)
    check_pattern_goes_on(vm, last_numbers(vm))


@test()
def parameter_ranges(t):
    vm = t.machine('-S')
    before = vm.qmp.cmd('query-migrate-parameters')
    for name, value in (('downtime-limit', 2000001), ('downtime-limit', -1),
                        ('multifd-channels', 0),
                        ('multifd-channels', 256),
                        ('cpu-throttle-initial', 0),
                        ('cpu-throttle-increment', 100),
                        ('compress-level', 10)):
        err = refused(vm, 'migrate-set-parameters', **{name: value})
        check_in(name.replace('-', '_'), err.desc.replace('-', '_'), name)
    check_equal(vm.qmp.cmd('query-migrate-parameters'), before, 'parameters')
    set_parameters(vm, downtime_limit=0, max_bandwidth=1,
                   multifd_channels=255)
    now = vm.qmp.cmd('query-migrate-parameters')
    check_equal((now['downtime-limit'], now['max-bandwidth'],
                 now['multifd-channels']), (0, 1, 255), 'parameters')


@test()
def parameters_by_global(t):
    vm = t.machine('-S', '-global', 'migration.x-downtime-limit=77',
                   '-global', 'migration.x-max-bandwidth=12345')
    now = vm.qmp.cmd('query-migrate-parameters')
    check_equal((now['downtime-limit'], now['max-bandwidth']), (77, 12345),
                'parameters')


@test()
def port_is_told(t):
    """Port 0 lets the system choose; the destination says which it is."""
    src, dst, _ = pair(t, uri='tcp:127.0.0.1:0', mb=16)
    address = query(dst)['socket-address'][0]
    check_equal(address['host'], '127.0.0.1', 'host')
    src.qmp.cmd('migrate', uri='tcp:127.0.0.1:' + address['port'])
    wait_status(src, 'completed')
    arrived(src, dst)


@test()
def quit_while_migrating(t):
    src, dst, way = pair(t)
    set_parameters(src, max_bandwidth=4 << 20)
    start(src, way)
    wait_transferred(src, 1 << 20)
    src.qmp.cmd('quit')
    check_equal(src.wait_end(), 0, 'exit status of the source')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')


@test()
def stop_and_reset_while_migrating(t):
    """The monitor's other commands go on working."""
    src, dst, way = pair(t, mb=16)
    set_parameters(src, max_bandwidth=4 << 20)
    start(src, way)
    wait_transferred(src, 1 << 20)
    src.qmp.cmd('stop')
    src.qmp.cmd('cont')
    wait_drained(src)
    mark = src.mark()
    src.qmp.cmd('system_reset')
    src.wait_line('^ready$', mark)
    src.wait_line(r'^ok pass=\d+ cpu=0 fails=0$', mark)
    del src.serial.lines[:mark]
    set_parameters(src, max_bandwidth=0)
    wait_status(src, 'completed')
    arrived(src, dst)


@test()
def reset_in_pre_switchover(t):
    """It reaches the guest where that runs next."""
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    mark = dst.mark()
    src.qmp.cmd('system_reset')
    src.qmp.cmd('migrate-continue', state='pre-switchover')
    wait_status(src, 'completed')
    wait_running(dst)
    dst.wait_line('^ready$', mark)
    dst.wait_line(r'^ok pass=\d+ cpu=0 fails=0$', mark)


@test()
def reset_in_pre_switchover_then_cancelled(t):
    """Then that is the source, with all that it had."""
    src, dst, way = pair(t, mb=16)
    set_capabilities(src, pause_before_switchover=True)
    start(src, way)
    wait_status(src, 'pre-switchover')
    wait_drained(src)
    mark = src.mark()
    src.qmp.cmd('system_reset')
    src.qmp.cmd('migrate_cancel')
    wait_status(src, 'cancelled')
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    src.wait_line('^ready$', mark)
    src.wait_line(r'^ok pass=\d+ cpu=0 fails=0$', mark)


if __name__ == '__main__':
    main()
