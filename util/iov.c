/*
 * Scatter/gather lists: sizes, copies at an offset, trimming.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/iov.h"

typedef enum IovOp { IOV_READ, IOV_WRITE, IOV_SET } IovOp;

size_t iov_size(const struct iovec *iov, unsigned n)
{
    size_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        if (iov[i].iov_len > SIZE_MAX - sum) {
            return SIZE_MAX;
        }
        sum += iov[i].iov_len;
    }
    return sum;
}

/* One walk for all three: inlined into each, so that op is a constant. */
static inline size_t iov_walk(const struct iovec *iov, unsigned n, size_t off,
                              void *buf, int byte, size_t len, IovOp op)
{
    size_t done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        char *base = iov[i].iov_base;
        size_t part;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - off, len - done);
        if (op == IOV_READ) {
            memcpy((char *)buf + done, base + off, part);
        } else if (op == IOV_WRITE) {
            memcpy(base + off, (const char *)buf + done, part);
        } else {
            memset(base + off, byte, part);
        }
        off = 0;
        done += part;
    }
    return done;
}

size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t off,
                    const void *buf, size_t len)
{
    return iov_walk(iov, n, off, (void *)(uintptr_t)buf, 0, len, IOV_WRITE);
}

size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t off, void *buf,
                  size_t len)
{
    return iov_walk(iov, n, off, buf, 0, len, IOV_READ);
}

size_t iov_memset(const struct iovec *iov, unsigned n, size_t off, int byte,
                  size_t len)
{
    return iov_walk(iov, n, off, NULL, byte, len, IOV_SET);
}

size_t iov_discard_front(struct iovec **iov, unsigned *n, size_t bytes)
{
    size_t done = 0;

    while (*n > 0 && (*iov)->iov_len <= bytes - done) {
        done += (*iov)->iov_len;
        (*iov)++;
        (*n)--;
    }
    if (*n > 0 && done < bytes) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + (bytes - done);
        (*iov)->iov_len -= bytes - done;
        done = bytes;
    }
    return done;
}

size_t iov_discard_back(struct iovec *iov, unsigned *n, size_t bytes)
{
    size_t done = 0;

    while (*n > 0 && iov[*n - 1].iov_len <= bytes - done) {
        done += iov[*n - 1].iov_len;
        (*n)--;
    }
    if (*n > 0 && done < bytes) {
        iov[*n - 1].iov_len -= bytes - done;
        done = bytes;
    }
    return done;
}

unsigned iov_slice(struct iovec *dst, unsigned dst_n, const struct iovec *src,
                   unsigned n, size_t off, size_t len, size_t *ret_bytes)
{
    size_t done = 0;
    unsigned used = 0;

    for (unsigned i = 0; i < n && done < len && used < dst_n; i++) {
        size_t part;

        if (off >= src[i].iov_len) {
            off -= src[i].iov_len;
            continue;
        }
        part = MIN(src[i].iov_len - off, len - done);
        dst[used].iov_base = (char *)src[i].iov_base + off;
        dst[used].iov_len = part;
        used++;
        off = 0;
        done += part;
    }
    if (ret_bytes) {
        *ret_bytes = done;
    }
    return used;
}
