/*
 * Worker threads that look for zero pages.
 *
 * The range is handed out in slices by an atomic counter, so that a slice of
 * data (one probe a page) and one of zeros (all of it read) balance out.
 * Slices are whole words of the bitmaps: no two threads write one word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/scan-pool.h"
#include "system/ramblock.h"
#include "util/bitmap.h"
#include "util/lock.h"
#include "util/thread.h"

enum {
    SLICE_WORDS = 8, /* 512 pages, 2 MiB */
    MAX_THREADS = 63,
    WORD_BITS = 64,
    PARALLEL_MIN = 1024, /* pages */
};

typedef struct ScanJob {
    const uint8_t *base;
    uint64_t npages;
    const unsigned long *todo;
    unsigned long *zero;
    uint64_t next; /* atomic: first word of the next slice */
} ScanJob;

struct ScanPool {
    BufferZeroFn *is_zero;
    Lock lock;
    Cond wake;   /* with lock: generation or quit changed */
    Cond done;   /* with lock: busy became 0 */
    ScanJob job; /* fields but `next`: stable while busy > 0 */
    uint64_t generation GUARDED_BY(&lock);
    unsigned busy GUARDED_BY(&lock);
    bool quit GUARDED_BY(&lock);
    unsigned nthreads;
    Thread threads[MAX_THREADS];
};

static void scan_word(ScanPool *p, ScanJob *j, uint64_t w)
{
    unsigned long todo = j->todo[w], zero = 0;

    while (todo != 0) {
        unsigned bit = __builtin_ctzl(todo);
        uint64_t page = w * WORD_BITS + bit;

        todo &= todo - 1;
        if (page < j->npages &&
            p->is_zero(j->base + page * RAM_PAGE_SIZE, RAM_PAGE_SIZE)) {
            zero |= 1ul << bit;
        }
    }
    j->zero[w] = zero;
}

static void scan_slices(ScanPool *p)
{
    ScanJob *j = &p->job;
    uint64_t nwords = DIV_ROUND_UP(j->npages, WORD_BITS);

    for (;;) {
        uint64_t w =
            __atomic_fetch_add(&j->next, SLICE_WORDS, __ATOMIC_RELAXED);
        uint64_t end = MIN(w + SLICE_WORDS, nwords);

        if (w >= nwords) {
            return;
        }
        for (; w < end; w++) {
            scan_word(p, j, w);
        }
    }
}

static void *scan_thread(void *opaque)
{
    ScanPool *p = opaque;
    uint64_t seen = 0;

    lock_acquire(&p->lock);
    while (!p->quit) {
        if (p->generation == seen) {
            cond_wait(&p->wake, &p->lock);
            continue;
        }
        seen = p->generation;
        lock_release(&p->lock);
        scan_slices(p);
        lock_acquire(&p->lock);
        if (--p->busy == 0) {
            cond_signal(&p->done);
        }
    }
    lock_release(&p->lock);
    return NULL;
}

ScanPool *scan_pool_new(unsigned nthreads, BufferZeroFn *is_zero, GError **errp)
{
    ScanPool *p = g_new0(ScanPool, 1);

    p->is_zero = is_zero;
    lock_init(&p->lock);
    cond_init(&p->wake);
    cond_init(&p->done);
    for (unsigned i = 0; i < MIN(nthreads, (unsigned)MAX_THREADS); i++) {
        g_autofree char *name = g_strdup_printf("mig-scan%u", i);

        if (!thread_create(&p->threads[i], name, scan_thread, p, errp)) {
            scan_pool_free(p);
            return NULL;
        }
        p->nthreads++;
    }
    return p;
}

void scan_pool_free(ScanPool *p)
{
    if (p == NULL) {
        return;
    }
    lock_acquire(&p->lock);
    p->quit = true;
    cond_broadcast(&p->wake);
    lock_release(&p->lock);
    for (unsigned i = 0; i < p->nthreads; i++) {
        thread_join(&p->threads[i]);
    }
    cond_fini(&p->wake);
    cond_fini(&p->done);
    lock_fini(&p->lock);
    g_free(p);
}

void scan_pool_run(ScanPool *p, const uint8_t *base, uint64_t npages,
                   uint64_t ntodo, const unsigned long *todo,
                   unsigned long *zero)
{
    bool parallel = p->nthreads > 0 && ntodo > PARALLEL_MIN;

    p->job =
        (ScanJob){ .base = base, .npages = npages, .todo = todo, .zero = zero };
    if (parallel) {
        LOCK_GUARD(&p->lock);
        p->busy = p->nthreads;
        p->generation++;
        cond_broadcast(&p->wake);
    }
    scan_slices(p);
    if (parallel) {
        LOCK_GUARD(&p->lock);
        while (p->busy > 0) {
            cond_wait(&p->done, &p->lock);
        }
    }
}
