/*
 * How long vCPUs have waited for pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/postcopy-times.h"

#include "util/lock.h"

typedef struct CpuTimes {
    const uint8_t *page; /* that it waits for; NULL: it runs */
    int64_t since_ns, sum_ns;
} CpuTimes;

struct PostcopyTimes {
    Lock lock;
    unsigned ncpus, nwaiting;
    int64_t all_since_ns, all_sum_ns; /* while nwaiting == ncpus */
    CpuTimes cpus[];
};

PostcopyTimes *postcopy_times_new(unsigned ncpus)
{
    PostcopyTimes *t = g_malloc0(sizeof(*t) + ncpus * sizeof(t->cpus[0]));

    lock_init(&t->lock);
    t->ncpus = ncpus;
    return t;
}

void postcopy_times_free(PostcopyTimes *t)
{
    if (t != NULL) {
        lock_fini(&t->lock);
        g_free(t);
    }
}

void postcopy_times_wait(PostcopyTimes *t, unsigned cpu, const void *page,
                         int64_t now_ns)
{
    CpuTimes *c = &t->cpus[cpu];
    LOCK_GUARD(&t->lock);

    if (c->page == NULL) {
        c->since_ns = now_ns;
        if (++t->nwaiting == t->ncpus) {
            t->all_since_ns = now_ns;
        }
    }
    c->page = page; /* a second page, before the first was seen to come */
}

void postcopy_times_came(PostcopyTimes *t, const void *host, uint64_t len,
                         int64_t now_ns)
{
    const uint8_t *lo = host;
    LOCK_GUARD(&t->lock);

    for (unsigned i = 0; i < t->ncpus; i++) {
        CpuTimes *c = &t->cpus[i];

        if (c->page == NULL || c->page < lo || c->page - lo >= (ptrdiff_t)len) {
            continue;
        }
        c->page = NULL;
        c->sum_ns += now_ns - c->since_ns;
        if (t->nwaiting-- == t->ncpus) {
            t->all_sum_ns += now_ns - t->all_since_ns;
        }
    }
}

unsigned postcopy_times_ncpus(const PostcopyTimes *t)
{
    return t->ncpus;
}

int64_t postcopy_times_of(PostcopyTimes *t, unsigned cpu, int64_t now_ns)
{
    const CpuTimes *c = &t->cpus[cpu];
    LOCK_GUARD(&t->lock);

    return c->sum_ns + (c->page != NULL ? now_ns - c->since_ns : 0);
}

int64_t postcopy_times_of_all(PostcopyTimes *t, int64_t now_ns)
{
    bool all = false;
    LOCK_GUARD(&t->lock);

    all = t->ncpus > 0 && t->nwaiting == t->ncpus;
    return t->all_sum_ns + (all ? now_ns - t->all_since_ns : 0);
}
