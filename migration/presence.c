/*
 * Which pages of a RAM block exist.
 *
 * Private memory: the PAGEMAP_SCAN ioctl (Linux 6.7, see the kernel's
 * Documentation/admin-guide/mm/pagemap.rst), or the entries of
 * /proc/self/pagemap.  Shared memory may have been filled through another
 * mapping, which this process's page tables don't show: there the file system
 * is asked with SEEK_DATA.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/presence.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "util/bitmap.h"

/* From linux/fs.h of Linux 6.7; Debian 12's headers are older. */
typedef struct PmPageRegion {
    uint64_t start, end, categories;
} PmPageRegion;

typedef struct PmScanArg {
    uint64_t size, flags, start, end, walk_end;
    uint64_t vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask;
    uint64_t category_anyof_mask, return_mask;
} PmScanArg;

#define PM_SCAN _IOWR('f', 16, PmScanArg)
enum {
    PM_IS_PRESENT = 1 << 3,
    PM_IS_SWAPPED = 1 << 4,
    PM_IS_PFNZERO = 1 << 5,
};

enum { SCAN_REGIONS = 512, PAGEMAP_BATCH = 4096 };

/* Bits 62 and 63 of a pagemap entry: swapped, present. */
#define PAGEMAP_EXISTS (UINT64_C(3) << 62)

/* An empty scan tells whether the ioctl is there. */
static bool probe_scan(int fd)
{
    PmScanArg arg = { .size = sizeof(arg),
                      .category_anyof_mask = PM_IS_PRESENT,
                      .return_mask = PM_IS_PRESENT };

    return ioctl(fd, PM_SCAN, &arg) >= 0;
}

void presence_init(Presence *p)
{
    p->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    p->has_scan = p->pagemap_fd >= 0 && probe_scan(p->pagemap_fd);
}

void presence_fini(Presence *p)
{
    if (p->pagemap_fd >= 0) {
        close(p->pagemap_fd);
    }
    p->pagemap_fd = -1;
}

/* Clears what lies between the end of the last region and this one. */
static void mask_gap(unsigned long *map, uint64_t *next, uint64_t start,
                     uint64_t end, uint64_t npages)
{
    start = MIN(start, npages);
    if (start > *next) {
        bitmap_clear(map, *next, start - *next);
    }
    *next = MAX(*next, MIN(end, npages));
}

/* False if the kernel refuses: the caller takes the older way. */
static bool mask_by_scan(Presence *p, const uint8_t *base, uint64_t npages,
                         unsigned long *map)
{
    PmPageRegion regions[SCAN_REGIONS];
    uint64_t lo = (uintptr_t)base, hi = lo + npages * RAM_PAGE_SIZE;
    uint64_t next = 0;
    PmScanArg arg = {
        .size = sizeof(arg),
        .start = lo,
        .end = hi,
        .vec = (uintptr_t)regions,
        .vec_len = SCAN_REGIONS,
        .category_inverted = PM_IS_PFNZERO,
        .category_mask = PM_IS_PFNZERO,
        .category_anyof_mask = PM_IS_PRESENT | PM_IS_SWAPPED,
        .return_mask = PM_IS_PRESENT,
    };

    while (arg.start < hi) {
        int n = ioctl(p->pagemap_fd, PM_SCAN, &arg);

        if (n < 0) {
            return false;
        }
        for (int i = 0; i < n; i++) {
            mask_gap(map, &next, (regions[i].start - lo) >> RAM_PAGE_BITS,
                     (regions[i].end - lo) >> RAM_PAGE_BITS, npages);
        }
        if (arg.walk_end <= arg.start) {
            break;
        }
        arg.start = arg.walk_end;
    }
    mask_gap(map, &next, npages, npages, npages);
    return true;
}

static void mask_by_pagemap(Presence *p, const uint8_t *base, uint64_t npages,
                            unsigned long *map)
{
    uint64_t entries[PAGEMAP_BATCH];
    uint64_t first = (uintptr_t)base >> RAM_PAGE_BITS;

    for (uint64_t i = 0; i < npages;) {
        uint64_t n = MIN(npages - i, (uint64_t)PAGEMAP_BATCH);
        ssize_t got = pread(p->pagemap_fd, entries, n * sizeof(entries[0]),
                            (first + i) * sizeof(entries[0]));

        if (got < (ssize_t)sizeof(entries[0])) {
            return;
        }
        n = got / sizeof(entries[0]);
        for (uint64_t k = 0; k < n; k++) {
            if ((entries[k] & PAGEMAP_EXISTS) == 0) {
                bitmap_clear_bit(map, i + k);
            }
        }
        i += n;
    }
}

static void mask_by_file(const RamBlock *rb, uint64_t first, uint64_t npages,
                         unsigned long *map)
{
    uint64_t lo = rb->fd_offset + first * RAM_PAGE_SIZE;
    uint64_t hi = lo + npages * RAM_PAGE_SIZE;
    uint64_t next = 0;
    off_t pos = lo;

    while ((uint64_t)pos < hi) {
        off_t data = lseek(rb->fd, pos, SEEK_DATA);
        off_t hole;

        if (data < 0 && errno == ENXIO) {
            break; /* nothing but a hole up to the end */
        }
        if (data < 0) {
            return; /* a file system that doesn't tell */
        }
        if ((uint64_t)data >= hi) {
            break;
        }
        hole = lseek(rb->fd, data, SEEK_HOLE);
        if (hole < 0) {
            return;
        }
        mask_gap(map, &next, (data - lo) >> RAM_PAGE_BITS,
                 DIV_ROUND_UP(hole - lo, RAM_PAGE_SIZE), npages);
        pos = hole;
    }
    mask_gap(map, &next, npages, npages, npages);
}

void presence_mask(Presence *p, const RamBlock *rb, uint64_t first,
                   uint64_t npages, unsigned long *map)
{
    const uint8_t *base = rb->host + first * RAM_PAGE_SIZE;

    if (rb->shared && rb->fd >= 0) {
        mask_by_file(rb, first, npages, map);
        return;
    }
    /* A private file mapping shows the file where it has no own page. */
    if (rb->backing != RAM_ANONYMOUS || p->pagemap_fd < 0) {
        return;
    }
    if (!p->has_scan || !mask_by_scan(p, base, npages, map)) {
        mask_by_pagemap(p, base, npages, map);
    }
}
