/*
 * Reads and writes of files by whoever may wait: formats and their metadata,
 * in worker threads.
 *
 * O_DIRECT wants aligned offsets, lengths and buffers; what isn't goes through
 * an aligned copy.  A write of parts of blocks reads these blocks first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define BOUNCE_ALIGN 4096
#define ZERO_CHUNK   (UINT64_C(1) << 20)

static bool is_aligned(const BlockImage *img, uint64_t off, const void *buf,
                       size_t len)
{
    return off % img->align == 0 && len % img->align == 0 &&
           (uintptr_t)buf % img->mem_align == 0;
}

/* Beyond the end of the file are zeros. */
static int read_full(const BlockImage *img, uint64_t off, uint8_t *buf,
                     size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(img->fd, buf + got, len - got, (off_t)(off + got));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        got += n;
        if (n == 0 || n % img->align != 0) {
            memset(buf + got, 0, len - got);
            break;
        }
    }
    return 0;
}

static int write_full(const BlockImage *img, uint64_t off, const uint8_t *buf,
                      size_t len)
{
    size_t put = 0;

    while (put < len) {
        ssize_t n = pwrite(img->fd, buf + put, len - put, (off_t)(off + put));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -errno : -ENOSPC;
        }
        put += n;
    }
    return 0;
}

int block_image_pread(BlockImage *img, uint64_t off, void *buf, size_t len)
{
    size_t pad = off % img->align, want = ROUND_UP(pad + len, img->align);
    void *copy = NULL;
    int ret;

    if (!range_fits(off, len, INT64_MAX - BOUNCE_ALIGN)) {
        return -EIO;
    }
    if (is_aligned(img, off, buf, len)) {
        return read_full(img, off, buf, len);
    }
    if (posix_memalign(&copy, BOUNCE_ALIGN, want) != 0) {
        return -ENOMEM;
    }
    ret = read_full(img, off - pad, copy, want);
    if (ret == 0) {
        memcpy(buf, (char *)copy + pad, len);
    }
    free(copy);
    return ret;
}

/* With img->rmw_lock, if parts of blocks are written. */
static int write_copy(BlockImage *img, uint64_t off, const void *buf,
                      size_t len, uint8_t *copy, size_t want)
{
    size_t pad = off % img->align;
    int ret = 0;

    if (pad != 0) {
        ret = read_full(img, off - pad, copy, img->align);
    }
    if (ret == 0 && want != pad + len && (pad == 0 || want > img->align)) {
        ret = read_full(img, off - pad + want - img->align,
                        copy + want - img->align, img->align);
    }
    if (ret < 0) {
        return ret;
    }
    memcpy(copy + pad, buf, len);
    return write_full(img, off - pad, copy, want);
}

int block_image_pwrite(BlockImage *img, uint64_t off, const void *buf,
                       size_t len)
{
    size_t pad = off % img->align, want = ROUND_UP(pad + len, img->align);
    void *copy = NULL;
    int ret;

    if (!range_fits(off, len, INT64_MAX - BOUNCE_ALIGN)) {
        return -EFBIG;
    }
    if (is_aligned(img, off, buf, len)) {
        return write_full(img, off, buf, len);
    }
    if (posix_memalign(&copy, BOUNCE_ALIGN, want) != 0) {
        return -ENOMEM;
    }
    if (want == len) {
        memcpy(copy, buf, len);
        ret = write_full(img, off, copy, len);
    } else {
        lock_acquire(&img->rmw_lock);
        ret = write_copy(img, off, buf, len, copy, want);
        lock_release(&img->rmw_lock);
    }
    free(copy);
    return ret;
}

int block_image_flush(BlockImage *img)
{
    int old = __atomic_load_n(&img->flush_error, __ATOMIC_RELAXED);

    if (img->no_flush || img->read_only) {
        return 0;
    }
    if (old < 0) {
        return old;
    }
    if (fdatasync(img->fd) == 0) {
        return 0;
    }
    if (!img->direct) {
        /* The host's cache forgets what it couldn't write. */
        __atomic_store_n(&img->flush_error, -errno, __ATOMIC_RELAXED);
    }
    return -errno;
}

static int device_range(const BlockImage *img, unsigned long cmd, uint64_t off,
                        uint64_t len)
{
    uint64_t range[2] = { off, len };

    return ioctl(img->fd, cmd, range) < 0 ? -errno : 0;
}

static int file_range(const BlockImage *img, int mode, uint64_t off,
                      uint64_t len)
{
    int ret;

    do {
        ret = fallocate(img->fd, mode, (off_t)off, (off_t)len);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

static bool is_refusal(int ret)
{
    return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENOTTY ||
           ret == -EINVAL || ret == -EPERM || ret == -EACCES;
}

int block_image_discard(BlockImage *img, uint64_t off, uint64_t len)
{
    int ret = img->is_device
                  ? device_range(img, BLKDISCARD, off, len)
                  : file_range(img, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               off, len);

    /* It was a hint. */
    return is_refusal(ret) ? 0 : ret;
}

static int write_zero_buffers(BlockImage *img, uint64_t off, uint64_t len)
{
    size_t chunk = MIN(len, ZERO_CHUNK);
    void *zeros = NULL;
    int ret = 0;

    if (posix_memalign(&zeros, BOUNCE_ALIGN, chunk) != 0) {
        return -ENOMEM;
    }
    memset(zeros, 0, chunk);
    while (len > 0 && ret == 0) {
        size_t n = MIN(len, (uint64_t)chunk);

        ret = block_image_pwrite(img, off, zeros, n);
        off += n;
        len -= n;
    }
    free(zeros);
    return ret;
}

int block_image_write_zeroes(BlockImage *img, uint64_t off, uint64_t len,
                             bool unmap)
{
    int ret = -EOPNOTSUPP;

    if (unmap && !img->is_device) {
        ret = file_range(img, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
                         len);
    }
    if (is_refusal(ret)) {
        ret = img->is_device ? device_range(img, BLKZEROOUT, off, len)
                             : file_range(img, FALLOC_FL_ZERO_RANGE, off, len);
    }
    return is_refusal(ret) ? write_zero_buffers(img, off, len) : ret;
}
