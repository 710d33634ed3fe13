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

#define PM_SCAN _IOWR('f', 16, PmScanArg)
enum {
    PM_IS_PRESENT = 1 << 3,
    PM_IS_SWAPPED = 1 << 4,
    PM_IS_PFNZERO = 1 << 5,
};

enum { SCAN_REGIONS = 512, PAGEMAP_BATCH = 4096 };

/* Bits 62 and 63 of a pagemap entry: swapped, present. */
#define PAGEMAP_EXISTS (UINT64_C(3) << 62)

static int system_open(void)
{
    return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

static int system_scan(int fd, PmScanArg *arg)
{
    return ioctl(fd, PM_SCAN, arg);
}

const PresenceOps presence_system_ops = {
    .open = system_open,
    .scan = system_scan,
    .read = pread,
};

/* An empty scan tells whether the ioctl is there. */
static bool probe_scan(const Presence *p)
{
    PmScanArg arg = { .size = sizeof(arg),
                      .category_anyof_mask = PM_IS_PRESENT,
                      .return_mask = PM_IS_PRESENT };

    return p->ops->scan(p->pagemap_fd, &arg) >= 0;
}

void presence_init(Presence *p, const PresenceOps *ops)
{
    p->ops = ops ? ops : &presence_system_ops;
    p->pagemap_fd = p->ops->open();
    p->has_scan = p->pagemap_fd >= 0 && probe_scan(p);
}

void presence_fini(Presence *p)
{
    if (p->pagemap_fd >= 0) {
        close(p->pagemap_fd);
    }
    p->pagemap_fd = -1;
}

/* Runs as the kernel gives them, counted in pages of the block. */
typedef struct PresenceWalk {
    PresenceFn *fn;
    void *opaque;
    uint64_t first, end; /* pages asked for */
} PresenceWalk;

static void walk_run(const PresenceWalk *w, uint64_t first, uint64_t end)
{
    first = MAX(first, w->first);
    end = MIN(end, w->end);
    if (first < end) {
        w->fn(w->opaque, first, end - first);
    }
}

/* Returns where it ends: before w->end if the kernel doesn't go on. */
static uint64_t walk_scan(Presence *p, const RamBlock *rb,
                          const PresenceWalk *w)
{
    PmPageRegion regions[SCAN_REGIONS];
    uint64_t base = (uintptr_t)rb->host;
    uint64_t end = base + (w->end << RAM_PAGE_BITS);
    PmScanArg arg = {
        .size = sizeof(arg),
        .start = base + (w->first << RAM_PAGE_BITS),
        .end = end,
        .vec = (uintptr_t)regions,
        .vec_len = SCAN_REGIONS,
        .category_inverted = PM_IS_PFNZERO,
        .category_mask = PM_IS_PFNZERO,
        .category_anyof_mask = PM_IS_PRESENT | PM_IS_SWAPPED,
        .return_mask = PM_IS_PRESENT,
    };

    /* walk_end: where it stopped, for want of room or at the end. */
    while (arg.start < end) {
        int n = p->ops->scan(p->pagemap_fd, &arg);

        if (n < 0 || arg.walk_end <= arg.start) {
            break;
        }
        for (int i = 0; i < n; i++) {
            walk_run(w, (regions[i].start - base) >> RAM_PAGE_BITS,
                     (regions[i].end - base) >> RAM_PAGE_BITS);
        }
        arg.start = arg.walk_end;
    }
    return (arg.start - base) >> RAM_PAGE_BITS;
}

static void walk_pagemap(Presence *p, const RamBlock *rb, const PresenceWalk *w,
                         uint64_t from)
{
    uint64_t entries[PAGEMAP_BATCH];
    uint64_t base = (uintptr_t)rb->host >> RAM_PAGE_BITS;

    while (from < w->end) {
        uint64_t n = MIN(w->end - from, (uint64_t)PAGEMAP_BATCH);
        ssize_t got =
            p->ops->read(p->pagemap_fd, entries, n * sizeof(entries[0]),
                         (base + from) * sizeof(entries[0]));

        if (got < (ssize_t)sizeof(entries[0])) {
            walk_run(w, from, w->end);
            return;
        }
        n = got / sizeof(entries[0]);
        for (uint64_t k = 0; k < n;) {
            uint64_t run = k;

            while (run < n && (entries[run] & PAGEMAP_EXISTS) != 0) {
                run++;
            }
            walk_run(w, from + k, from + run);
            k = run + 1;
        }
        from += n;
    }
}

/* The file that holds shared memory; -1: nobody knows it. */
static int shared_file(const RamBlock *rb)
{
    return !rb->shared ? -1 : rb->fd >= 0 ? rb->fd : rb->hole_fd;
}

static void walk_file(const RamBlock *rb, const PresenceWalk *w)
{
    int fd = shared_file(rb);
    uint64_t lo = rb->fd_offset + (w->first << RAM_PAGE_BITS);
    uint64_t hi = rb->fd_offset + (w->end << RAM_PAGE_BITS);

    while (lo < hi) {
        off_t data = lseek(fd, lo, SEEK_DATA);
        off_t hole;

        if (data < 0 && errno == ENXIO) {
            return; /* nothing but a hole up to the end */
        }
        hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0) {
            data = lo; /* a file system that doesn't tell */
            hole = hi;
        }
        walk_run(w, (data - rb->fd_offset) >> RAM_PAGE_BITS,
                 DIV_ROUND_UP(hole - rb->fd_offset, RAM_PAGE_SIZE));
        lo = hole;
    }
}

static bool asks_file(const RamBlock *rb)
{
    return shared_file(rb) >= 0;
}

/*
 * A private file mapping shows the file where it has no own page; and of a
 * shared one the page tables forget what the kernel swaps out.
 */
static bool asks_pagemap(const Presence *p, const RamBlock *rb)
{
    return rb->backing == RAM_ANONYMOUS && !rb->shared && p->pagemap_fd >= 0;
}

bool presence_is_cheap(const Presence *p, const RamBlock *rb)
{
    return asks_file(rb) || (asks_pagemap(p, rb) && p->has_scan);
}

void presence_foreach(Presence *p, const RamBlock *rb, uint64_t first,
                      uint64_t npages, PresenceFn *fn, void *opaque)
{
    const PresenceWalk w = {
        .fn = fn, .opaque = opaque, .first = first, .end = first + npages
    };

    if (asks_file(rb)) {
        walk_file(rb, &w);
    } else if (asks_pagemap(p, rb)) {
        walk_pagemap(p, rb, &w, p->has_scan ? walk_scan(p, rb, &w) : first);
    } else {
        walk_run(&w, w.first, w.end);
    }
}
