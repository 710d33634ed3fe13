# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that has arrived is like any other: it can be moved on, by the same
address, with any setting, whoever sent it."""

from godwit.migration import (check_pattern_goes_on, last_numbers,
                              query, rest_at_peer, set_capabilities,
                              set_parameters, start_incoming, start_pattern,
                              status, transport, wait_drained, wait_running,
                              wait_status)
from godwit.peer import need_peer
from godwit.tap import Skip, check, check_equal, free_port, main, test

HOPS = 3


def landed(src, dst):
    wait_status(src, 'completed')
    wait_running(dst)
    wait_drained(src)
    numbers = last_numbers(src)
    dst.serial.adopt(src.serial)
    dst.pattern_args = src.pattern_args
    check_pattern_goes_on(dst, numbers, passes=1)


def by_qmp(src, uri):
    src.qmp.cmd('migrate', uri=uri)


def chain(t, ways, settings=None, send=by_qmp, binaries=(None,) * HOPS,
          extra=lambda i: (), **base):
    """Hop by hop, and nobody quits before the end: what the ones before
    still hold must not be in the way of the next."""
    vm = start_pattern(t, *extra(0), mb=8, mem=32, name='vm0', **base)
    for i in range(HOPS):
        way = ways(i)
        src, dst = vm, None
        if not way.after:
            dst = start_incoming(t, src, way.incoming, *extra(i + 1),
                                 name='vm%d' % (i + 1),
                                 pass_fds=way.pass_fds, binary=binaries[i])
        if settings:
            settings(src)
        set_parameters(src, max_bandwidth=0)
        if way.send_fd is not None:
            src.qmp.cmd('getfd', fdname='mig', _fds=(way.send_fd,))
        rest_at_peer(src)
        send(src, way.outgoing)
        if way.after:
            wait_status(src, 'completed')
            dst = start_incoming(t, src, way.incoming, name='vm%d' % (i + 1),
                                 binary=binaries[i])
        landed(src, dst)
        vm = dst
    return vm


def same(t, kind):
    way = transport(t, kind)
    return lambda _: way


@test()
def over_one_port(t):
    chain(t, same(t, 'tcp'))


@test()
def over_one_socket_path(t):
    chain(t, same(t, 'unix'))


@test()
def over_descriptors(t):
    chain(t, lambda _: transport(t, 'fd'))


@test()
def over_commands(t):
    chain(t, same(t, 'exec'))


@test(godwit_only='the peer has no file: transport')
def over_one_file(t):
    chain(t, same(t, 'file'))


@test()
def by_hmp_which_waits(t):
    """`migrate` without -d comes back when the guest has gone."""
    def path(name):
        return t.path(name + '-hmp')

    def extra(i):
        return '-monitor', 'unix:%s,server=on,wait=off' % path('vm%d' % i)

    def send(src, uri):
        t.hmp(path(src.name)).cmd('migrate ' + uri)
        check_equal(status(src), 'completed', 'status at the prompt')
    chain(t, same(t, 'unix'), send=send, extra=extra)


@test()
def with_two_cpus(t):
    chain(t, same(t, 'tcp'), smp=2)


def with_capability(t, name, state):
    def settings(vm):
        before = vm.qmp.cmd('query-migrate-capabilities')
        if not any(c['capability'] == name for c in before):
            raise Skip('no capability ' + name)
        set_capabilities(vm, **{name: state})
    chain(t, same(t, 'unix'), settings)


@test()
def with_return_path(t):
    with_capability(t, 'return-path', True)


@test()
def with_events(t):
    with_capability(t, 'events', True)


@test()
def with_late_block_activate(t):
    with_capability(t, 'late-block-activate', True)


@test()
def without_deferred_teardown(t):
    with_capability(t, 'deferred-dirty-log-teardown', False)


@test()
def without_wide_scanner(t):
    with_capability(t, 'avx2-zero-page', False)


@test()
def without_single_cpu_sync(t):
    with_capability(t, 'single-cpu-sync', False)


@test()
def without_switchover_abort(t):
    with_capability(t, 'switchover-abort', False)


@test()
def with_pause_before_switchover(t):
    def send(src, uri):
        set_capabilities(src, pause_before_switchover=True)
        src.qmp.cmd('migrate', uri=uri)
        wait_status(src, 'pre-switchover')
        src.qmp.cmd('migrate-continue', state='pre-switchover')
    chain(t, same(t, 'tcp'), send=send)


@test(godwit_only='about guests that come from the peer and go there')
def through_the_peer(t):
    chain(t, same(t, 'tcp'), binaries=(need_peer(), None, None))


@test()
def a_second_source_fails_at_once(t):
    """One guest is all that a destination takes; who comes second is told,
    be it while the first still sends or when the guest runs."""
    port = free_port()
    uri = 'tcp:127.0.0.1:%d' % port
    src = start_pattern(t, mem=32)
    late = start_pattern(t, mem=32, mb=4, name='late')
    dst = start_incoming(t, src, uri)
    set_parameters(src, max_bandwidth=1 << 20)
    src.qmp.cmd('migrate', uri=uri)
    t.reactor.poll(lambda: query(dst).get('status') == 'active',
                   'the first to connect')
    late.qmp.cmd('migrate', uri=uri)
    wait_status(late, 'failed')
    set_parameters(src, max_bandwidth=0)
    landed(src, dst)
    late.qmp.cmd('migrate', uri=uri)
    wait_status(late, 'failed')
    wait_running(late)
    check_pattern_goes_on(late, last_numbers(late))


@test()
def its_settings_can_be_changed(t):
    """Also while whoever sent it has not hung up."""
    src = start_pattern(t, mb=8, mem=32)
    way = transport(t, 'fd')  # the test holds both ends open
    dst = start_incoming(t, src, way.incoming, pass_fds=way.pass_fds)
    set_parameters(src, max_bandwidth=0)
    src.qmp.cmd('getfd', fdname='mig', _fds=(way.send_fd,))
    src.qmp.cmd('migrate', uri=way.outgoing)
    landed(src, dst)
    check_equal(status(dst), 'completed', 'status of the load')
    set_capabilities(dst, events=True)
    dst.qmp.cmd('migrate', uri='tcp:127.0.0.1:%d' % free_port())
    info = wait_status(dst, 'failed')
    if t.host.is_godwit:
        check(info.get('error-desc'), 'no reason')
    wait_running(dst)
    check_pattern_goes_on(dst, last_numbers(dst))


if __name__ == '__main__':
    main()
