# SPDX-License-Identifier: GPL-2.0-or-later
"""virsh migrate between two hosts, and what one does while it goes on.

GODWIT_LIBVIRT chooses the emulators of the two hosts; the tests named mixed_*
have one of each whatever it says.
"""

import os
import signal
import threading
import time

from lv.daemon import CommandFailed
from lv.domain import MINIMAL, NIC, agent_asks, wait_agent
from lv.guest import make_disk, wait_until
from lv.suite import domain, everyday

from godwit.certificates import SERVER_NAME
from godwit.tap import check, check_equal, check_in, main, test


def fields(text):
    """{name: [words]} of lines 'name: words'."""
    return {line.partition(':')[0].strip(): line.partition(':')[2].split()
            for line in text.splitlines() if ':' in line}


class Background:
    """A migration that goes on while the test does something else."""

    def __init__(self, t, dom, *args):
        self.error = None
        self.dom = dom
        self.thread = threading.Thread(target=self._run, args=args)
        self.thread.start()
        t.defer(self._stop)

    def _stop(self):
        """Nothing is left of it when the test fails."""
        if self.thread.is_alive():
            try:
                self.dom.virsh('domjobabort')
            except CommandFailed:
                pass
            self.thread.join()

    def _run(self, *args):
        try:
            self.dom.migrate(*args, check_beats=False)
        except CommandFailed as err:
            self.error = str(err)

    def wait_active(self):
        """It has sent enough to know how fast it is."""
        def active():
            job = fields(self.dom.virsh('domjobinfo'))
            return 'Memory bandwidth' in job or not self.thread.is_alive()
        wait_until(active, 60, 'running job')
        check(self.thread.is_alive(), 'the migration ended: %s' % self.error)

    def end(self):
        self.thread.join(200)
        check(not self.thread.is_alive(), 'the migration does not end')
        return self.error


@test()
def ten_times_forth_and_back(t):
    dom = everyday(t)
    times = [dom.migrate() for _ in range(10)]
    t.note('virsh migrate --live: %s s' % ' '.join('%.2f' % s
                                                  for s in times))


@test()
def q35(t):
    dom = everyday(t, 'q35')
    dom.migrate()
    dom.migrate()


def way(name, *args):
    """A test of one set of arguments, there and back."""
    def moves(t):
        dom = everyday(t)
        dom.migrate(*args)
        dom.migrate(*args)
    moves.__name__ = name
    test()(moves)


way('p2p', '--p2p')
way('tunnelled', '--p2p', '--tunnelled')
way('auto_converge', '--auto-converge')
way('bandwidth', '--bandwidth', '200')
way('persistent_undefinesource', '--persistent', '--undefinesource')
way('abort_on_error', '--abort-on-error')
way('tls', '--tls', '--tls-destination', SERVER_NAME)
way('compressed', '--compressed', '--comp-methods', 'xbzrle')
way('parallel', '--parallel', '--parallel-connections', '3')


@test()
def unix_socket(t):
    dom = everyday(t)
    for number in range(2):
        path = os.path.join(dom.pair.shared, 'migrate%d' % number)
        dom.migrate('--migrateuri', 'unix://' + path)


@test()
def suspended_at_the_destination(t):
    dom = everyday(t)
    dom.migrate('--suspend', check_beats=False)
    check_equal(dom.state(), 'paused', 'state')
    check(dom.heart.stands_still(), 'it runs')
    dom.virsh('resume')
    dom.heart.wait()


@test()
def a_paused_guest(t):
    dom = everyday(t)
    dom.virsh('suspend')
    dom.migrate(check_beats=False)
    check_equal(dom.state(), 'paused', 'state')
    dom.virsh('resume')
    dom.heart.wait()


@test()
def timeout_and_suspend(t):
    """A guest that would not get there in time is paused, and gets there."""
    dom = everyday(t)
    dom.migrate('--bandwidth', '4', '--timeout', '2', '--timeout-suspend')
    check_equal(dom.state(), 'running', 'state')


@test()
def hot_plugged_devices(t):
    dom = everyday(t)
    path = make_disk(os.path.join(dom.pair.shared, 'plugged.qcow2'))
    nic = os.path.join(dom.pair.shared, 'plugged.xml')
    mac = '52:54:00:98:00:07'
    with open(nic, 'w', encoding='ascii') as file:
        file.write(NIC.replace('52:54:00:98:00:01', mac))
    dom.virsh('attach-disk', path, 'vdb', '--subdriver', 'qcow2', '--live')
    dom.virsh('attach-device', nic, '--live')
    dom.heart.wait()
    dom.migrate()
    check_in(path, dom.virsh('domblklist'), 'disks')
    dom.virsh('detach-disk', 'vdb', '--live')
    dom.virsh('detach-interface', 'user', '--mac', mac, '--live')
    wait_until(lambda: path not in dom.virsh('domblklist') and
               mac not in dom.virsh('domiflist'), 30, 'end of the devices')
    dom.migrate()


@test()
def job_information_and_limits(t):
    dom = everyday(t)
    move = Background(t, dom, '--bandwidth', '4')
    move.wait_active()
    job = fields(dom.virsh('domjobinfo'))
    for name in ('Job type', 'Operation', 'Time elapsed', 'Data processed',
                 'Data remaining', 'Data total', 'Memory processed',
                 'Memory remaining', 'Memory total', 'Memory bandwidth',
                 'Dirty rate', 'Page size', 'Iteration', 'Constant pages',
                 'Normal pages', 'Normal data', 'Expected downtime'):
        check_in(name, job, 'domjobinfo')
    check_equal(job['Page size'], ['4096', 'bytes'], 'page size')
    check_equal(job['Operation'], ['Outgoing', 'migration'], 'operation')
    dom.virsh('migrate-setmaxdowntime', '777')
    check_equal(dom.virsh('migrate-getmaxdowntime'), '777', 'downtime')
    check_equal(dom.virsh('migrate-getspeed'), '4', 'speed')
    dom.virsh('migrate-setspeed', '1000')
    check_equal(move.end(), None, 'error')
    job = fields(dom.virsh('domjobinfo', '--completed'))
    check_in('Total downtime', job, 'domjobinfo --completed')
    dom.heart.wait()


@test()
def postcopy(t):
    """Most of the memory follows the guest."""
    dom = everyday(t)
    for _ in range(2):
        move = Background(t, dom, '--postcopy', '--bandwidth', '4')
        move.wait_active()
        dom.virsh('migrate-postcopy')
        check_equal(move.end(), None, 'error')
        dom.heart.wait()


@test()
def postcopy_recovery(t):
    """It is interrupted when the guest runs at the destination already.  No
    device waits for a page there, or libvirt would wait for it as well."""
    dom = domain(t, 'recovery')
    dom.start()
    for _ in range(2):
        move = Background(t, dom, '--postcopy', '--bandwidth', '4',
                          '--postcopy-bandwidth', '4')
        move.wait_active()
        dom.virsh('migrate-postcopy')
        dom.heart.wait()
        dom.virsh('domjobabort', '--postcopy')
        check(move.end(), 'it went on')
        dom.migrate('--postcopy', '--postcopy-resume')


@test()
def the_agent_moves(t):
    """Its channel is open at once."""
    dom = everyday(t)
    wait_agent(dom)
    for _ in range(2):
        dom.migrate()
        check_equal(agent_asks(dom, 'guest-ping'), {}, 'ping')


@test()
def abort(t):
    dom = everyday(t)
    for wait_s in (0, 1):
        move = Background(t, dom, '--bandwidth', '4')
        move.wait_active()
        time.sleep(wait_s)
        dom.virsh('domjobabort')
        check_in('abort', move.end() or '', 'error')
        check_equal(dom.state(), 'running', 'state')
        dom.heart.wait()
    dom.migrate()


@test()
def the_destination_dies(t):
    """The guest stays where it is."""
    dom = everyday(t)
    move = Background(t, dom, '--bandwidth', '4')
    move.wait_active()
    dst = dom.other
    with open(os.path.join(dst.folder, 'run', 'libvirt', 'qemu',
                           dom.name + '.pid'), encoding='ascii') as file:
        os.kill(int(file.read()), signal.SIGKILL)
    check(move.end(), 'a migration to nobody succeeded')
    check_equal(dom.state(), 'running', 'state')
    dom.heart.wait()
    dom.migrate()


def mixed(name, letters):
    """One program to the other and back."""
    def moves(t):
        dom = everyday(t, letters=letters)
        dom.migrate()
        dom.migrate()
    moves.__name__ = name
    test()(moves)


mixed('mixed_godwit_first', 'gq')
mixed('mixed_peer_first', 'qg')


@test()
def mixed_minimal_q35(t):
    dom = domain(t, 'mixed', letters='qg', machine='q35', devices=MINIMAL)
    dom.start()
    dom.migrate()
    dom.migrate()


if __name__ == '__main__':
    main()
