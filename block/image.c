/*
 * Opening files and block devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "util/cutils.h"
#include "util/error.h"
#include "util/open.h"

#define MAX_ALIGN 4096

/* Size and alignment */

static int image_size(int fd, uint64_t *ret_size)
{
    struct stat st;
    uint64_t size;

    if (fstat(fd, &st) < 0) {
        return -errno;
    }
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &size) < 0) {
            return -errno;
        }
    } else {
        size = st.st_size;
    }
    /* The last sector of a file may be there in part; zeros follow. */
    if (size > INT64_MAX - BLOCK_SECTOR) {
        return -EFBIG;
    }
    *ret_size = ROUND_UP(size, BLOCK_SECTOR);
    return 0;
}

bool block_image_get_size(const BlockImage *img, uint64_t *ret_size,
                          GError **errp)
{
    int ret = image_size(img->fd, ret_size);

    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not get the size of image '%s'",
                         img->filename);
    }
    return ret == 0;
}

uint64_t block_image_allocated(const BlockImage *img)
{
    struct stat st;

    return fstat(img->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* The least that O_DIRECT takes, found by trying. */
static bool probe_alignment(BlockImage *img, GError **errp)
{
    void *buf = NULL;
    unsigned align;

    img->align = 1;
    img->mem_align = 1;
    if (!img->direct) {
        return true;
    }
    if (posix_memalign(&buf, MAX_ALIGN, 2 * MAX_ALIGN) != 0) {
        error_setf_errno(errp, ENOMEM, "image '%s'", img->filename);
        return false;
    }
    for (align = BLOCK_SECTOR; align <= MAX_ALIGN; align *= 2) {
        if (pread(img->fd, buf, align, 0) >= 0) {
            break;
        }
    }
    img->align = align;
    for (align = BLOCK_SECTOR; align <= MAX_ALIGN; align *= 2) {
        if (pread(img->fd, (char *)buf + align, img->align, 0) >= 0) {
            break;
        }
    }
    img->mem_align = align;
    free(buf);
    if (img->align > MAX_ALIGN || img->mem_align > MAX_ALIGN) {
        error_setf(errp,
                   "Could not find working O_DIRECT alignment for '%s': try "
                   "cache.direct=off",
                   img->filename);
        return false;
    }
    return true;
}

/* Files */

static int open_fdset(BlockBackends *bs, int64_t id, int flags)
{
    VM_LOCK_GUARD();

    return bs->fdset_open(bs->fdset_opaque, id, flags & ~O_CLOEXEC);
}

static int open_file(BlockBackends *bs, const char *path, int flags)
{
    uint64_t id;

    if (g_str_has_prefix(path, "/dev/fdset/") && bs->fdset_open != NULL) {
        if (!parse_uint("fdset", path + strlen("/dev/fdset/"), 0, INT64_MAX,
                        &id, NULL)) {
            return -EINVAL;
        }
        return open_fdset(bs, id, flags);
    }
    return open_user_file(path, flags, 0);
}

static bool check_kind(BlockImage *img, bool host_device, GError **errp)
{
    struct stat st;
    int ro = 0;

    if (fstat(img->fd, &st) < 0) {
        error_setf_errno(errp, errno, "Could not stat '%s'", img->filename);
        return false;
    }
    img->is_device = S_ISBLK(st.st_mode);
    if (img->is_device) {
        if (!img->read_only && ioctl(img->fd, BLKROGET, &ro) == 0 && ro) {
            error_setf(errp, "Could not open '%s': the device is read-only",
                       img->filename);
            return false;
        }
        return true;
    }
    if (!S_ISREG(st.st_mode) || host_device) {
        error_setf(errp, "'%s' driver requires '%s' to be a %s",
                   host_device ? "host_device" : "file", img->filename,
                   host_device ? "block device" : "regular file");
        return false;
    }
    return true;
}

static bool image_init(BlockImage *img, BlockBackends *bs,
                       const BlockImageOpts *o, GError **errp)
{
    const char *path = o->filename;
    struct stat st;
    int flags;

    /* Opening a FIFO would wait for its other end. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode) &&
        !g_str_has_prefix(path, "/dev/fdset/")) {
        error_setf(errp, "'file' driver requires '%s' to be a regular file",
                   path);
        return false;
    }
    flags = (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
    img->fd = open_file(bs, path, flags);
    if (o->auto_read_only && !o->read_only &&
        (img->fd == -EACCES || img->fd == -EROFS)) {
        img->read_only = true;
        img->fd = open_file(bs, path, (flags & ~O_ACCMODE) | O_RDONLY);
    }
    if (img->fd < 0) {
        error_setf_errno(errp, img->fd, "Could not open '%s'", o->filename);
        return false;
    }
    if (!check_kind(img, o->host_device, errp)) {
        return false;
    }
    if (o->direct &&
        fcntl(img->fd, F_SETFL, fcntl(img->fd, F_GETFL) | O_DIRECT) < 0) {
        error_setf_errno(errp, errno,
                         "Could not open '%s': the file system does not "
                         "support O_DIRECT",
                         o->filename);
        return false;
    }
    return block_image_get_size(img, &img->size, errp) &&
           probe_alignment(img, errp);
}

BlockImage *block_image_open(BlockBackends *bs, const BlockImageOpts *o,
                             GError **errp)
{
    BlockImage *img = g_new0(BlockImage, 1);

    img->fd = -1;
    img->filename = g_strdup(o->filename);
    img->read_only = o->read_only;
    img->direct = o->direct;
    img->no_flush = o->no_flush;
    img->locking = o->locking;
    img->engine = o->engine;
    lock_init(&img->rmw_lock);
    if (!image_init(img, bs, o, errp)) {
        block_image_close(img);
        return NULL;
    }
    return img;
}

void block_image_close(BlockImage *img)
{
    if (img == NULL) {
        return;
    }
    if (img->fd >= 0) {
        close(img->fd);
    }
    lock_fini(&img->rmw_lock);
    g_free(img->filename);
    g_free(img);
}
