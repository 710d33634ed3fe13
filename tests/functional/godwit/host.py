# SPDX-License-Identifier: GPL-2.0-or-later
"""What this host lets tests do."""

import fcntl
import os
import subprocess

WITHOUT_KVM = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..',
                           'without-kvm')
KVM_GET_API_VERSION = 0xae00  # linux/kvm.h
KVM_API_VERSION = 12

# The program to agree with; see peer.py.
PEER = os.environ.get('GODWIT_PEER', '/usr/bin/qemu-system-x86_64')


def kvm_problem():
    """Why /dev/kvm can't be used; None if it can. A file of that name alone
    is not enough: there may be no device behind it."""
    try:
        fd = os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC)
    except OSError as err:
        return '/dev/kvm: ' + err.strerror
    try:
        found = fcntl.ioctl(fd, KVM_GET_API_VERSION, 0)
    except OSError as err:
        return '/dev/kvm: ' + err.strerror
    finally:
        os.close(fd)
    if found != KVM_API_VERSION:
        return '/dev/kvm: API version %d, not %d' % (found, KVM_API_VERSION)
    return None


def without_kvm():
    """(command prefix, None) for programs that shall see no /dev/kvm, or
    (None, reason): it needs a mount namespace, which not every host gives."""
    done = subprocess.run([WITHOUT_KVM, 'true'], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        return None, done.stderr.decode('utf-8', 'replace').strip()
    return (WITHOUT_KVM,), None
