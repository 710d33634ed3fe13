/*
 * How long vCPUs have waited for pages of a guest that runs before all of its
 * memory has come (capability postcopy-blocktime).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_POSTCOPY_TIMES_H
#define MIGRATION_POSTCOPY_TIMES_H

#include "util/base.h"

typedef struct PostcopyTimes PostcopyTimes;

/* Times are of CLOCK_MONOTONIC, in ns.  Any thread. */
PostcopyTimes *postcopy_times_new(unsigned ncpus);
void postcopy_times_free(PostcopyTimes *t);
/* vCPU `cpu` waits for the host address `page` from now on. */
void postcopy_times_wait(PostcopyTimes *t, unsigned cpu, const void *page,
                         int64_t now_ns);
/* Pages have come: who waited for one of them goes on. */
void postcopy_times_came(PostcopyTimes *t, const void *host, uint64_t len,
                         int64_t now_ns);
unsigned postcopy_times_ncpus(const PostcopyTimes *t);
/* So far: by vCPU `cpu`; by all of them at the same time. */
int64_t postcopy_times_of(PostcopyTimes *t, unsigned cpu, int64_t now_ns);
int64_t postcopy_times_of_all(PostcopyTimes *t, int64_t now_ns);

#endif
