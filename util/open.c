/*
 * Opening and reading files that a user names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/open.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/error.h"
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

/* Up to the end, or some bytes beyond `max`; -errno. */
static int read_to_end(int fd, size_t max, GByteArray *data)
{
    uint8_t buf[16 * KiB];
    ssize_t n;

    while (data->len <= max) {
        n = read(fd, buf, sizeof(buf));
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            g_byte_array_append(data, buf, n);
        }
    }
    return 0;
}

bool read_user_file(const char *path, size_t max, char **ret_data,
                    size_t *ret_len, GError **errp)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    int fd = open_user_file(path, O_RDONLY, 0), r = fd;
    struct stat st;
    bool large = false;

    g_assert(max < G_MAXUINT / 2);
    if (fd >= 0) {
        large = fstat(fd, &st) == 0 && st.st_size > (off_t)max;
        r = large ? 0 : read_to_end(fd, max, data);
        close(fd);
    }
    if (r < 0) {
        error_setf(errp, "%s", strerror(-r));
        return false;
    }
    if (large || data->len > max) {
        error_setf(errp, "it has more than %zu bytes", max);
        return false;
    }
    *ret_len = data->len;
    g_byte_array_append(data, (const uint8_t *)"", 1);
    *ret_data = (char *)g_byte_array_free(g_steal_pointer(&data), FALSE);
    return true;
}
