/*
 * Opening files that a user names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/open.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/lock.h"

static bool is_fifo(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

int open_user_file(const char *path, int flags, mode_t mode)
{
    bool now = !(flags & O_NONBLOCK) && !vm_lock_may_wait() && is_fifo(path);
    int fd = open(path, flags | O_CLOEXEC | (now ? O_NONBLOCK : 0), mode);

    if (fd < 0) {
        return -errno;
    }
    if (now && fcntl(fd, F_SETFL, flags) < 0) {
        int err = errno;

        close(fd);
        return -err;
    }
    return fd;
}
