/*
 * Scatter/gather lists: sizes, copies at an offset, trimming.
 *
 * Entries may have length 0. None of these reads or writes past the list,
 * whatever offset and length are asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Sum of the lengths; SIZE_MAX if that does not fit. */
size_t iov_size(const struct iovec *iov, unsigned n);
/*
 * Copy up to len bytes between buf and the list, starting off bytes into it.
 * They return the number of bytes copied: less than len where the list ends.
 */
size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t off,
                    const void *buf, size_t len);
size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t off, void *buf,
                  size_t len);
/* Sets bytes; returns how many. */
size_t iov_memset(const struct iovec *iov, unsigned n, size_t off, int byte,
                  size_t len);
/*
 * Remove bytes from the front or the back: entries are dropped from *iov and
 * *n, and the first or last that stays is shortened in place. They return how
 * many bytes went: less than asked where the list was shorter.
 */
size_t iov_discard_front(struct iovec **iov, unsigned *n, size_t bytes);
size_t iov_discard_back(struct iovec *iov, unsigned *n, size_t bytes);
/*
 * Fills dst (at most dst_n entries) with the part [off, off + len) of src,
 * sharing its memory. Returns the entries used; *ret_bytes (may be NULL) is
 * what they hold, less than len if src or dst was too short.
 */
unsigned iov_slice(struct iovec *dst, unsigned dst_n, const struct iovec *src,
                   unsigned n, size_t off, size_t len, size_t *ret_bytes);

#endif /* UTIL_IOV_H */
