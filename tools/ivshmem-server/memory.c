/*
 * The memory that the server hands out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tools/ivshmem-server/server.h"
#include "util/error.h"

/* Content that is there already stays; guests may look at it right now. */
static bool set_size(int fd, const char *what, uint64_t size, GError **errp)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_setf_errno(errp, errno, "%s", what);
        return false;
    }
    if (st.st_size != 0 && (uint64_t)st.st_size != size) {
        error_setf(errp, "%s has %" PRId64 " bytes, not %" PRIu64, what,
                   (int64_t)st.st_size, size);
        return false;
    }
    if (ftruncate(fd, (off_t)size) < 0) {
        error_setf_errno(errp, errno, "%s: %" PRIu64 " bytes", what, size);
        return false;
    }
    return true;
}

static int memory_sized(int fd, const char *what, uint64_t size, GError **errp)
{
    if (fd < 0) {
        error_setf_errno(errp, errno, "%s", what);
        return -1;
    }
    if (!set_size(fd, what, size, errp)) {
        close(fd);
        return -1;
    }
    return fd;
}

int memory_open_shm(const char *name, uint64_t size, GError **errp)
{
    g_autofree char *what = g_strdup_printf("shared memory '%s'", name);

    return memory_sized(shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
                        what, size, errp);
}

/* hugetlbfs has no O_TMPFILE. */
int memory_open_file(const char *folder, uint64_t size, GError **errp)
{
    g_autofree char *path = g_build_filename(folder, "ivshmem.XXXXXX", NULL);
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd >= 0) {
        unlink(path);
    }
    return memory_sized(fd, path, size, errp);
}
