/*
 * Is this memory all zero? The zero-page scanner of migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_BUFFERISZERO_H
#define UTIL_BUFFERISZERO_H

#include <stdbool.h>
#include <stddef.h>

typedef bool BufferZeroFn(const void *buf, size_t len);

/*
 * True if all len bytes are zero (and for len 0). Any length and alignment;
 * never reads outside the buffer. Uses the widest unit the host has.
 */
bool buffer_is_zero(const void *buf, size_t len);

/*
 * The implementation to call directly: with allow_wide the widest that CPUID
 * and XCR0 allow, without it the SSE2 one (16 bytes at a time).
 */
BufferZeroFn *buffer_zero_scanner(bool allow_wide);

/* One implementation, for tests and benchmarks. */
typedef struct BufferZeroImpl {
    const char *name; /* "portable", "sse2", "avx2", "avx512" */
    BufferZeroFn *fn;
    bool (*usable)(void); /* on this host */
} BufferZeroImpl;

/* Implementation i from the narrowest on; NULL past the last. */
const BufferZeroImpl *buffer_zero_impl(unsigned i);
/*
 * Test hook: makes buffer_is_zero() use the one of that name; NULL: the
 * widest again. False if there is none or the host can't run it.
 */
bool buffer_zero_set_impl(const char *name);

#endif /* UTIL_BUFFERISZERO_H */
