# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest goes ahead of its memory, which it checks all the time."""

import re
import signal

from godwit.migration import (check_lines, check_pattern_goes_on,
                              last_numbers, query, refused, set_capabilities,
                              set_parameters, start_incoming, start_pattern,
                              status, wait_drained, wait_status,
                              wait_transferred)
from godwit.peer import need_peer
from godwit.proxy import Proxy
from godwit.tap import (Skip, check, check_equal, check_in, free_port, main,
                        test)

MIB = 1 << 20


class Way:
    """From a source to a destination through a proxy, which may cut it."""

    def __init__(self, t, *extra, src_binary=None, dst_binary=None, caps=None,
                 **base):
        self.t = t
        self.src = start_pattern(t, *extra, binary=src_binary, **base)
        self.dst = start_incoming(t, self.src, 'defer', *extra,
                                  binary=dst_binary)
        caps = {'postcopy_ram': True, **(caps or {})}
        for vm in (self.src, self.dst):
            set_capabilities(vm, **caps)
        set_parameters(self.src, max_bandwidth=20 * MIB)
        self.dst.qmp.cmd('migrate-incoming', uri=self.new_way())
        self.src.qmp.cmd('migrate', uri=self.proxy.uri)

    def new_way(self):
        self.port = free_port()
        self.proxy = Proxy(self.port)
        self.t.defer(self.proxy.close)
        return 'tcp:127.0.0.1:%d' % self.port

    def send_guest(self, after=4 * MIB):
        """When some of its memory is over there."""
        wait_transferred(self.src, after)
        self.src.qmp.cmd('migrate-start-postcopy')
        wait_status(self.src, ('postcopy-active', 'completed'))

    def cut_and_recover(self, cut=None):
        """What arrives no more is found out by both."""
        for vm in (self.src, self.dst):
            wait_status(vm, 'postcopy-active')
        if cut:
            cut()
        else:
            self.proxy.close()
        for vm in (self.src, self.dst):
            wait_status(vm, 'postcopy-paused')
        check_equal(self.src.qmp.cmd('query-status')['status'],
                    'finish-migrate', 'source')
        self.dst.qmp.cmd('migrate-recover', uri=self.new_way())
        self.src.qmp.cmd('migrate', uri=self.proxy.uri, resume=True)

    def check_arrived(self):
        """All of it, and the guest found nothing old."""
        set_parameters(self.src, max_postcopy_bandwidth=0)
        self.info = wait_status(self.src, 'completed')
        wait_status(self.dst, 'completed')
        check_equal(self.src.qmp.cmd('query-status')['status'], 'postmigrate',
                    'source')
        wait_drained(self.src)
        numbers = last_numbers(self.src)
        check_lines(self.src.serial.lines)
        self.dst.serial.adopt(self.src.serial)
        check_pattern_goes_on(self.dst, numbers)


def go(t, *extra, **kwargs):
    way = Way(t, *extra, **kwargs)
    way.send_guest()
    way.check_arrived()
    return way


def slow_way(t, **kwargs):
    """The guest is over there, most of its memory isn't."""
    way = Way(t, **kwargs)
    set_parameters(way.src, max_postcopy_bandwidth=4 * MIB)
    way.send_guest()
    return way


@test(needs_kvm=True)
def kvm(t):
    way = go(t)
    ram = way.info['ram']
    check(ram['postcopy-bytes'] > 4 * MIB, 'postcopy-bytes: %r' % ram)
    check_equal(ram['remaining'], 0, 'remaining')


@test()
def tcg(t):
    go(t, accel='tcg', mem=32, rate=5000)


@test(needs_kvm=True)
def two_cpus_q35(t):
    go(t, smp=2, machine='q35')


@test(needs_kvm=True)
def shared_memory(t):
    go(t, '-object', 'memory-backend-memfd,id=pc.ram,size=64M,share=on',
       '-machine', 'memory-backend=pc.ram')


@test(needs_kvm=True)
def locked_memory(t):
    go(t, '-overcommit', 'mem-lock=on')


def free_huge_pages():
    with open('/proc/meminfo', encoding='ascii') as f:
        return int(re.search(r'HugePages_Free:\s+(\d+)', f.read())[1])


@test(needs_kvm=True)
def huge_pages(t):
    """A page of the backing goes as a whole, or not at all."""
    if free_huge_pages() < 64:
        raise Skip('fewer than 64 huge pages of 2 MiB are free')
    go(t, '-object', 'memory-backend-memfd,id=pc.ram,size=64M,share=on,'
       'hugetlb=on,hugetlbsize=2M', '-machine', 'memory-backend=pc.ram')


@test(needs_kvm=True)
def before_anything_was_sent(t):
    """The first pass has hardly begun."""
    way = Way(t)
    way.send_guest(after=0)
    way.check_arrived()


@test(needs_kvm=True)
def pause_before_switchover(t):
    way = Way(t, caps={'pause_before_switchover': True})
    wait_transferred(way.src, 4 * MIB)
    way.src.qmp.cmd('migrate-start-postcopy')
    wait_status(way.src, 'pre-switchover')
    way.src.qmp.cmd('migrate-continue', state='pre-switchover')
    way.check_arrived()


@test(needs_kvm=True)
def cut_twice(t):
    way = slow_way(t)
    way.cut_and_recover()
    way.cut_and_recover(lambda: way.src.qmp.cmd('migrate-pause'))
    way.cut_and_recover(lambda: way.dst.qmp.cmd('migrate-pause'))
    way.check_arrived()


@test(godwit_only='the peer waits with its monitors')
def reset_waits_for_memory(t):
    """A reset writes to memory: while that may never come, monitors have to
    answer, or nobody could say where the rest comes from."""
    way = Way(t, accel='tcg', mem=32, rate=5000)
    set_parameters(way.src, max_postcopy_bandwidth=4096)
    way.send_guest(MIB)
    qmp = way.dst.qmp

    def reset():
        way.proxy.close()
        for vm in (way.src, way.dst):
            wait_status(vm, 'postcopy-paused')
        qmp.cmd('system_reset')
        for _ in range(5):
            qmp.cmd('query-status', _timeout=10)
            way.dst.reactor.turn(0.1)
        check_equal(qmp.count_events('RESET'), 0, 'resets')
    way.cut_and_recover(reset)
    mark = way.dst.mark()
    set_parameters(way.src, max_postcopy_bandwidth=0)
    for vm in (way.src, way.dst):
        wait_status(vm, 'completed')
    qmp.wait_event('RESET')
    way.dst.wait_line('^ready$', mark)
    check_equal(qmp.cmd('query-status')['status'], 'running', 'status')


@test(needs_kvm=True)
def blocktime(t):
    way = slow_way(t, smp=2, caps={'postcopy_blocktime': True})
    way.check_arrived()
    info = query(way.dst)
    check_equal(len(info['postcopy-vcpu-blocktime']), 2, 'CPUs')
    check(all(ms >= info['postcopy-blocktime']
              for ms in info['postcopy-vcpu-blocktime']), 'info: %r' % info)


@test(needs_kvm=True)
def recovers_by_itself(t):
    """At the address of the first connection; nobody says so."""
    way = slow_way(t)
    wait_status(way.dst, 'postcopy-active')
    way.src.qmp.cmd('migrate-pause')
    wait_status(way.src, 'postcopy-paused')
    wait_status(way.dst, 'postcopy-paused')
    proxy = Proxy(way.port)
    t.defer(proxy.close)
    way.src.qmp.cmd('migrate', uri=proxy.uri, resume=True)
    way.check_arrived()


@test(needs_kvm=True, godwit_only='the peer waits with them')
def nobody_waits_for_memory_that_is_away(t):
    """Monitors look at neither memory nor CPUs; a signal ends it."""
    way = slow_way(t)
    wait_status(way.dst, 'postcopy-active')
    way.proxy.close()
    for vm in (way.src, way.dst):
        wait_status(vm, 'postcopy-paused')
    dst = way.dst
    for line in ('x /4xw 0x200000', 'xp /4xw 0x200000', 'sum 0 16777216',
                 'gva2gpa 0x200000', 'info tlb', 'info mem', 'info lapic',
                 'info registers'):
        check_in('still to come', dst.qmp.hmp(line), line)
    dst.qmp.hmp('p $eax')
    path = t.path('saved')
    for command in 'memsave', 'pmemsave':
        check_in('still to come', refused(dst, command, val=0, size=16 << 20,
                                          filename=path).desc, command)
    check_equal(dst.qmp.cmd('query-status')['status'], 'running', 'status')
    dst.ends_expected = True  # without its memory: with an error
    dst.signal(signal.SIGTERM)
    check_equal(dst.wait_end(), 1, 'exit status of the destination')
    check_in('before all of its memory', '\n'.join(dst.error_lines()), 'error')


@test(needs_kvm=True)
def nothing_runs_at_the_source(t):
    """While the guest is at the destination, its memory is only read."""
    way = slow_way(t)
    way.src.qmp.cmd('migrate_cancel')
    check_equal(status(way.src), 'postcopy-active', 'after a cancel')
    check_in('not finalized', refused(way.src, 'cont').desc, 'cont')
    check_in('in progress', refused(way.src, 'migrate', uri='tcp::1').desc,
             'migrate')
    way.proxy.close()
    wait_status(way.src, 'postcopy-paused')
    check_in('not finalized', refused(way.src, 'cont').desc, 'cont')
    wait_status(way.dst, 'postcopy-paused')
    way.dst.ends_expected = True  # without its memory: with an error
    way.dst.qmp.cmd('quit')
    way.dst.wait_end()


@test(needs_kvm=True)
def from_the_peer(t):
    go(t, src_binary=need_peer())


@test(needs_kvm=True)
def to_the_peer(t):
    go(t, dst_binary=need_peer())


def go_cut(t, **kwargs):
    way = slow_way(t, **kwargs)
    way.cut_and_recover()
    way.check_arrived()


@test(needs_kvm=True)
def from_the_peer_cut(t):
    go_cut(t, src_binary=need_peer())


@test(needs_kvm=True)
def to_the_peer_cut(t):
    go_cut(t, dst_binary=need_peer())


@test()
def errors(t):
    vm = t.machine(mem=32, config='mode=idle')
    check_in('Enable postcopy with migrate_set_capability',
             refused(vm, 'migrate-start-postcopy').desc, 'off')
    check_in('only supported during', refused(vm, 'migrate-pause').desc,
             'pause')
    check_in('only be run when postcopy is paused',
             refused(vm, 'migrate-recover', uri='tcp::1').desc, 'recover')
    check_in('no paused migration',
             refused(vm, 'migrate', uri='tcp::1', resume=True).desc, 'resume')
    set_capabilities(vm, postcopy_ram=True)
    check_in('must be started after migration',
             refused(vm, 'migrate-start-postcopy').desc, 'too early')
    vm.qmp.cmd('migrate', uri='exec:cat > /dev/null')
    vm.reactor.poll(lambda: status(vm) == 'failed', 'a channel of one way')
    check_in("'postcopy-ram' needs a channel that goes both ways",
             query(vm)['error-desc'], 'error')


main()
