/*
 * Pages that are brought when somebody touches them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/userfault.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "util/error.h"

/* What every user of this file does to a range. */
#define NEEDED_IOCTLS \
    ((UINT64_C(1) << _UFFDIO_WAKE) | (UINT64_C(1) << _UFFDIO_COPY))

/*
 * The system call wants CAP_SYS_PTRACE or vm.unprivileged_userfaultfd for
 * faults inside of the kernel; the device (Linux 6.1) its own permissions.
 */
static int get_descriptor(void)
{
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    int err = errno, dev;

    if (fd >= 0 || err != EPERM) {
        return fd;
    }
    dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (dev >= 0) {
        fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
        close(dev);
    }
    errno = err;
    return fd;
}

int userfault_open(uint64_t features, GError **errp)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };
    int fd = get_descriptor();

    if (fd < 0) {
        if (errno == EPERM) {
            error_setf(errp, "userfaultfd: not permitted: it takes "
                             "CAP_SYS_PTRACE, vm.unprivileged_userfaultfd=1 "
                             "or access to /dev/userfaultfd");
        } else {
            error_setf_errno(errp, errno, "userfaultfd");
        }
        return -1;
    }
    if (ioctl(fd, UFFDIO_API, &api) < 0) {
        error_setf_errno(errp, errno,
                         "userfaultfd: features 0x%" PRIx64 " of this kernel",
                         features);
        close(fd);
        return -1;
    }
    return fd;
}

bool userfault_register(int fd, void *host, uint64_t len, bool *ret_zero,
                        GError **errp)
{
    struct uffdio_register reg = {
        .range = { .start = (uintptr_t)host, .len = len },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };

    if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0) {
        error_setf_errno(errp, errno, "userfaultfd doesn't take this memory");
        return false;
    }
    if ((reg.ioctls & NEEDED_IOCTLS) != NEEDED_IOCTLS) {
        error_setf(errp,
                   "userfaultfd can't place pages there (ioctls 0x%" PRIx64 ")",
                   (uint64_t)reg.ioctls);
        userfault_unregister(fd, host, len);
        return false;
    }
    *ret_zero = reg.ioctls & (UINT64_C(1) << _UFFDIO_ZEROPAGE);
    return true;
}

int userfault_unregister(int fd, void *host, uint64_t len)
{
    struct uffdio_range range = { .start = (uintptr_t)host, .len = len };

    return ioctl(fd, UFFDIO_UNREGISTER, &range) < 0 ? -errno : 0;
}

int userfault_copy(int fd, void *host, const void *from, uint64_t len,
                   uint64_t *ret_done)
{
    *ret_done = 0;
    while (*ret_done < len) {
        struct uffdio_copy c = {
            .dst = (uintptr_t)host + *ret_done,
            .src = (uintptr_t)from + *ret_done,
            .len = len - *ret_done,
        };
        int r = ioctl(fd, UFFDIO_COPY, &c) < 0 ? -errno : 0;

        /* EAGAIN: a part was done, or the mappings are being changed. */
        if (c.copy > 0) {
            *ret_done += c.copy;
        } else if (r < 0 && r != -EAGAIN && r != -EINTR) {
            return r;
        }
    }
    return 0;
}

int userfault_zero(int fd, void *host, uint64_t len, uint64_t *ret_done)
{
    *ret_done = 0;
    while (*ret_done < len) {
        struct uffdio_zeropage z = {
            .range = { .start = (uintptr_t)host + *ret_done,
                       .len = len - *ret_done },
        };
        int r = ioctl(fd, UFFDIO_ZEROPAGE, &z) < 0 ? -errno : 0;

        if (z.zeropage > 0) {
            *ret_done += z.zeropage;
        } else if (r < 0 && r != -EAGAIN && r != -EINTR) {
            return r;
        }
    }
    return 0;
}

void userfault_wake(int fd, void *host, uint64_t len)
{
    struct uffdio_range range = { .start = (uintptr_t)host, .len = len };

    ioctl(fd, UFFDIO_WAKE, &range);
}
