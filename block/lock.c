/*
 * Locks on images, so that two programs don't write one image.
 *
 * Open-file-description locks (fcntl(2), F_OFD_SETLK) on single bytes:
 *
 *   byte 100 + n   read-locked by who uses permission n
 *   byte 200 + n   read-locked by who doesn't share permission n
 *
 * Who comes asks with F_OFD_GETLK, for a write lock, whether somebody else
 * stands in the way: on 200 + n for what is needed, on 100 + n for what is not
 * shared.  The bytes are those that other programs of this kind lock (seen in
 * /proc/locks), so that each respects the others'.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <fcntl.h>

#include "util/error.h"

enum {
    LOCK_USED = 100,
    LOCK_UNSHARED = 200,
    LOCK_BITS = 4,
};

static const char *perm_name(unsigned bit)
{
    static const char *const names[LOCK_BITS] = {
        "consistent read",
        "write",
        "write unchanged",
        "resize",
    };

    return names[bit];
}

static int lock_byte(int fd, int type, off_t at)
{
    struct flock fl = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = at,
        .l_len = 1,
    };
    int ret;

    do {
        ret = fcntl(fd, F_OFD_SETLK, &fl);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/* 1: another process has it; 0: nobody; -errno. */
static int byte_taken(int fd, off_t at)
{
    struct flock fl = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = at,
        .l_len = 1,
    };

    if (fcntl(fd, F_OFD_GETLK, &fl) < 0) {
        return -errno;
    }
    return fl.l_type != F_UNLCK;
}

/* Locks the bytes of `bits` and, if `exact`, lets go of the others. */
static int lock_bits(int fd, unsigned base, unsigned bits, bool exact)
{
    for (unsigned i = 0; i < LOCK_BITS; i++) {
        bool on = bits & (1U << i);
        int ret = 0;

        if (on || exact) {
            ret = lock_byte(fd, on ? F_RDLCK : F_UNLCK, base + i);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static bool check_bits(BlockImage *img, unsigned base, unsigned bits,
                       GError **errp)
{
    for (unsigned i = 0; i < LOCK_BITS; i++) {
        int ret;

        if (!(bits & (1U << i))) {
            continue;
        }
        ret = byte_taken(img->fd, base + i);
        if (ret != 0) {
            error_setf(errp,
                       "Failed to get %s\"%s\" lock: is another process using "
                       "the image [%s]?",
                       base == LOCK_USED ? "shared " : "", perm_name(i),
                       img->filename);
            return false;
        }
    }
    return true;
}

bool block_image_lock(BlockImage *img, unsigned perms, unsigned unshared,
                      GError **errp)
{
    int ret;

    if (!img->locking || (img->held == perms && img->unshared == unshared)) {
        return true;
    }
    /* First all that is held now and then, so that nobody slips between. */
    ret = lock_bits(img->fd, LOCK_USED, perms, false);
    if (ret == 0) {
        ret = lock_bits(img->fd, LOCK_UNSHARED, unshared, false);
    }
    if (ret < 0) {
        error_setf_errno(errp, ret, "Failed to lock byte of image [%s]",
                         img->filename);
    }
    if (ret < 0 || !check_bits(img, LOCK_UNSHARED, perms & ~img->held, errp) ||
        !check_bits(img, LOCK_USED, unshared & ~img->unshared, errp)) {
        lock_bits(img->fd, LOCK_USED, img->held, true);
        lock_bits(img->fd, LOCK_UNSHARED, img->unshared, true);
        return false;
    }
    lock_bits(img->fd, LOCK_USED, perms, true);
    lock_bits(img->fd, LOCK_UNSHARED, unshared, true);
    img->held = perms;
    img->unshared = unshared;
    return true;
}
