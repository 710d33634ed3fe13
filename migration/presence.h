/*
 * Which pages of a RAM block exist: pages that were never touched are neither
 * read nor sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PRESENCE_H
#define MIGRATION_PRESENCE_H

#include "system/ramblock.h"

/* Of PAGEMAP_SCAN; linux/fs.h of Linux 6.7.  Debian 12's headers are older. */
typedef struct PmPageRegion {
    uint64_t start, end, categories;
} PmPageRegion;

typedef struct PmScanArg {
    uint64_t size, flags, start, end, walk_end;
    uint64_t vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask;
    uint64_t category_anyof_mask, return_mask;
} PmScanArg;

/* How the kernel is asked; tests put theirs in its place. */
typedef struct PresenceOps {
    /* /proc/self/pagemap, or -1. */
    int (*open)(void);
    /* The PAGEMAP_SCAN ioctl: regions found, or -1. */
    int (*scan)(int fd, PmScanArg *arg);
    /* As pread(). */
    ssize_t (*read)(int fd, void *buf, size_t len, off_t at);
} PresenceOps;

extern const PresenceOps presence_system_ops;

typedef struct Presence {
    const PresenceOps *ops;
    int pagemap_fd; /* /proc/self/pagemap; -1: everything counts as present */
    bool has_scan;  /* the kernel has PAGEMAP_SCAN */
} Presence;

/* Never fails: without /proc every page is present.  NULL: the system's ops. */
void presence_init(Presence *p, const PresenceOps *ops);
void presence_fini(Presence *p);
/*
 * Is it cheap to ask about pages that don't exist?  Not where each of them has
 * an entry to be read: that is milliseconds for each GiB.
 */
bool presence_is_cheap(const Presence *p, const RamBlock *rb);
/* A run of pages of the block, in ascending order. */
typedef void PresenceFn(void *opaque, uint64_t first, uint64_t npages);

/*
 * Calls fn for the runs of pages of [first, first + npages) that may hold
 * data; where fn isn't called nothing was ever stored, and zero is read.  What
 * the kernel doesn't tell counts as present.  Costs what the page tables of
 * the range hold, so leave out what is known.  A page that is touched
 * meanwhile may be judged either way: the dirty log has to be armed before, or
 * the question be asked again.
 */
void presence_foreach(Presence *p, const RamBlock *rb, uint64_t first,
                      uint64_t npages, PresenceFn *fn, void *opaque);

#endif
