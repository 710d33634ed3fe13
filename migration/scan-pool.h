/*
 * Worker threads that look for zero pages in a range in parallel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SCAN_POOL_H
#define MIGRATION_SCAN_POOL_H

#include "util/base.h"
#include "util/bufferiszero.h"

typedef struct ScanPool ScanPool;

/* `nthreads` workers besides the caller, 0..63; they sleep until asked. */
ScanPool *scan_pool_new(unsigned nthreads, BufferZeroFn *is_zero,
                        GError **errp);
void scan_pool_free(ScanPool *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScanPool, scan_pool_free)

/*
 * For every page of [0, npages) from `base` whose bit in `todo` is set, sets
 * the bit in `zero` if all of its bytes are zero.  Both maps begin at a word.
 * `ntodo` bits are set: few are not worth waking anybody.  The caller works
 * too and returns when all is done.
 */
void scan_pool_run(ScanPool *p, const uint8_t *base, uint64_t npages,
                   uint64_t ntodo, const unsigned long *todo,
                   unsigned long *zero);

#endif
