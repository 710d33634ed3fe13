/*
 * Guest memory that comes after the guest, incoming.
 *
 * Two bits for each page: `received`, its content is here, and `asked`, the
 * source was asked for it.  A page that is zero is received and not made: if
 * somebody touches it, or did before, it is made here, and the source is not
 * asked.  Between the thread that places pages and the one that hears of
 * faults: the first sets `received`, then looks at `asked`; the second sets
 * `asked`, then looks at `received`.  So one of them sees the other's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/postcopy-in.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/mman.h>

#include "system/clock.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/event-notifier.h"
#include "util/log.h"
#include "util/rcu.h"
#include "util/thread.h"
#include "util/userfault.h"

enum {
    FAULTS = 16, /* read at once */
    HUGE_PAGES = (2 << 20) / RAM_PAGE_SIZE,
    DROP_TRIES = 20,
    DROP_AGAIN_US = 1000,
};

typedef struct InBlock {
    RamBlock *rb; /* borrowed: none goes while a migration comes in */
    uint64_t npages;
    unsigned long *received, *asked; /* atomic; of the same npages */
    bool registered, zero;           /* userfault_zero() works */
} InBlock;

struct PostcopyIn {
    Memory *mem;
    int fd;         /* of userfaultfd; -1: closed */
    GArray *blocks; /* InBlock; const after postcopy_in_set_blocks() */
    PostcopyAskFn *ask;
    void *opaque;
    GPtrArray *locked; /* RamBlock: to be locked in memory again */
    bool all_zero;     /* what was never sent is here, too */
    bool listening;
    EventNotifier quit; /* ends the thread; has one while listening */
    Thread thread;
    PostcopyTimes *times; /* NULL: nobody wants to know */
    PostcopyCpuFn *cpu_of;
    void *cpu_opaque;
    uint8_t *zeros; /* of the largest page; for where zero is false */
};

/* Bytes that are registered: whole pages of the backing. */
static uint64_t block_span(const RamBlock *rb)
{
    return ROUND_UP(rb->used_length, rb->page_size);
}

uint64_t postcopy_page_sizes(Memory *mem)
{
    uint64_t sizes = 0;
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &mem->ram)
    {
        if (rb->migratable) {
            sizes |= rb->page_size;
        }
    }
    return sizes;
}

static bool check_kind(const RamBlock *rb, GError **errp)
{
    if (rb->read_only) {
        error_setf(errp, "RAM block '%s': it is read-only here", rb->name);
        return false;
    }
    /* Below its own pages are those of the file, which no fault tells of. */
    if (rb->backing != RAM_ANONYMOUS && !rb->shared) {
        error_setf(errp, "RAM block '%s': it is a private copy of a file",
                   rb->name);
        return false;
    }
    return true;
}

/* Registers it, for a moment. */
static bool check_block(int fd, const RamBlock *rb, GError **errp)
{
    bool zero;

    if (!check_kind(rb, errp)) {
        return false;
    }
    if (!userfault_register(fd, rb->host, block_span(rb), &zero, errp)) {
        error_prefix(errp, "RAM block '%s': ", rb->name);
        return false;
    }
    userfault_unregister(fd, rb->host, block_span(rb));
    return true;
}

static bool check_blocks(int fd, Memory *mem, GError **errp)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &mem->ram)
    {
        if (rb->migratable && rb->used_length > 0 &&
            !check_block(fd, rb, errp)) {
            return false;
        }
    }
    return true;
}

/* What the kernel has to have for the memory that is here. */
static int open_for(Memory *mem, uint64_t features, GError **errp)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &mem->ram)
    {
        if (!rb->migratable) {
            continue;
        }
        if (rb->page_size > RAM_PAGE_SIZE) {
            features |= UFFD_FEATURE_MISSING_HUGETLBFS;
        } else if (rb->shared) {
            features |= UFFD_FEATURE_MISSING_SHMEM;
        }
    }
    return userfault_open(features, errp);
}

bool postcopy_in_supported(Memory *mem, GError **errp)
{
    int fd = open_for(mem, 0, errp);
    bool ok = fd >= 0 && check_blocks(fd, mem, errp);

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/*
 * Locked memory (-overcommit mem-lock=on) can't be dropped, and nothing but
 * such advice tells whether it is; huge pages are never elsewhere anyway.
 */
static bool is_locked(const RamBlock *rb)
{
    return rb->page_size > RAM_PAGE_SIZE ||
           (madvise(rb->host, RAM_PAGE_SIZE, MADV_COLD) < 0 && errno == EINVAL);
}

static void unlock_blocks(PostcopyIn *p)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &p->mem->ram)
    {
        if (rb->migratable && is_locked(rb)) {
            munlock(rb->host, rb->max_length);
            g_ptr_array_add(p->locked, rb);
        }
    }
}

static void lock_blocks(PostcopyIn *p)
{
    for (guint i = 0; i < p->locked->len; i++) {
        const RamBlock *rb = p->locked->pdata[i];

        if (rb->page_size == RAM_PAGE_SIZE &&
            mlock(rb->host, rb->max_length) < 0) {
            log_warn("RAM block '%s': locking it again: %s", rb->name,
                     g_strerror(errno));
        }
    }
    g_ptr_array_set_size(p->locked, 0);
}

/* Pages of the host that are larger would bring others with them. */
static void set_huge(Memory *mem, int advice)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &mem->ram)
    {
        if (rb->migratable && rb->page_size == RAM_PAGE_SIZE) {
            madvise(rb->host, rb->max_length, advice);
        }
    }
}

PostcopyIn *postcopy_in_new(Memory *mem, bool zero, GError **errp)
{
    PostcopyIn *p;
    int fd = open_for(mem, 0, errp);

    if (fd < 0 || !check_blocks(fd, mem, errp)) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    p = g_new0(PostcopyIn, 1);
    p->mem = mem;
    p->fd = fd;
    p->all_zero = zero;
    p->blocks = g_array_new(false, true, sizeof(InBlock));
    p->locked = g_ptr_array_new();
    unlock_blocks(p);
    set_huge(mem, MADV_NOHUGEPAGE);
    return p;
}

void postcopy_in_free(PostcopyIn *p)
{
    if (p == NULL) {
        return;
    }
    postcopy_in_end(p);
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);

        bitmap_free(b->received);
        bitmap_free(b->asked);
    }
    g_array_unref(p->blocks);
    g_ptr_array_unref(p->locked);
    g_free(p->zeros);
    g_free(p);
}

bool postcopy_in_set_times(PostcopyIn *p, PostcopyTimes *times,
                           PostcopyCpuFn *cpu, void *opaque, GError **errp)
{
    int fd = open_for(p->mem, UFFD_FEATURE_THREAD_ID, errp);

    if (fd < 0) {
        return false;
    }
    close(p->fd);
    p->fd = fd;
    p->times = times;
    p->cpu_of = cpu;
    p->cpu_opaque = opaque;
    return true;
}

void postcopy_in_set_blocks(PostcopyIn *p, const GPtrArray *blocks)
{
    uint64_t largest = RAM_PAGE_SIZE;

    for (guint i = 0; i < blocks->len; i++) {
        RamBlock *rb = blocks->pdata[i];
        InBlock b = { .rb = rb, .npages = ram_block_npages(rb) };

        b.received = bitmap_new(b.npages);
        b.asked = bitmap_new(b.npages);
        if (p->all_zero) {
            bitmap_set(b.received, 0, b.npages);
        }
        largest = MAX(largest, (uint64_t)rb->page_size);
        g_array_append_val(p->blocks, b);
    }
    p->zeros = g_malloc0(largest);
}

static InBlock *block_of(const PostcopyIn *p, const RamBlock *rb)
{
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);

        if (b->rb == rb) {
            return b;
        }
    }
    return NULL;
}

static InBlock *block_named(const PostcopyIn *p, const char *name)
{
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);

        if (strcmp(b->rb->name, name) == 0) {
            return b;
        }
    }
    return NULL;
}

void postcopy_in_stored(PostcopyIn *p, const RamBlock *rb, uint64_t off,
                        uint64_t len)
{
    InBlock *b = block_of(p, rb);

    if (b != NULL) {
        bitmap_set_atomic(b->received, off >> RAM_PAGE_BITS,
                          len >> RAM_PAGE_BITS);
    }
}

bool postcopy_in_discard(PostcopyIn *p, const char *name, uint64_t off,
                         uint64_t len, GError **errp)
{
    InBlock *b = block_named(p, name);
    uint64_t end = b != NULL ? block_span(b->rb) : 0;

    if (b == NULL) {
        error_setf(errp, "RAM block '%s' is not in the list", name);
        return false;
    }
    if (len == 0 || off > end || len > end - off ||
        (off | len) & (b->rb->page_size - 1)) {
        error_setf(errp,
                   "RAM block '%s': 0x%" PRIx64 " bytes at 0x%" PRIx64
                   ", of 0x%" PRIx64 " in pages of 0x%zx",
                   name, len, off, end, b->rb->page_size);
        return false;
    }
    if (p->listening) {
        error_setf(errp, "RAM block '%s': after the guest was sent", name);
        return false;
    }
    off >>= RAM_PAGE_BITS;
    len = MIN(len >> RAM_PAGE_BITS, b->npages - off);
    bitmap_clear_atomic(b->received, off, len);
    return true;
}

/* ---- the thread that hears of faults ----------------------------------- */

/* Makes a page that is zero, if nothing is there. */
static void make_zero(PostcopyIn *p, const InBlock *b, uint64_t first)
{
    uint8_t *host = b->rb->host + (first << RAM_PAGE_BITS);
    uint64_t done, len = b->rb->page_size;
    int r = b->zero ? userfault_zero(p->fd, host, len, &done)
                    : userfault_copy(p->fd, host, p->zeros, len, &done);

    if (r == -EEXIST) {
        userfault_wake(p->fd, host, len);
    } else if (r < 0) {
        log_error("postcopy: RAM block '%s': zero page at 0x%" PRIx64 ": %s",
                  b->rb->name, first << RAM_PAGE_BITS, g_strerror(-r));
    }
}

/* A vCPU waits; if the page has come in between, it went on already. */
static void note_wait(PostcopyIn *p, const InBlock *b, uint64_t first,
                      pid_t tid)
{
    const uint8_t *page = b->rb->host + (first << RAM_PAGE_BITS);
    int cpu = p->times != NULL ? p->cpu_of(p->cpu_opaque, tid) : -1;

    if (cpu >= 0) {
        postcopy_times_wait(p->times, cpu, page, clock_monotonic_ns());
        if (bitmap_test_atomic(b->received, first)) {
            postcopy_times_came(p->times, page, 1, clock_monotonic_ns());
        }
    }
}

static void note_came(PostcopyIn *p, const InBlock *b, uint64_t first,
                      uint64_t npages)
{
    if (p->times != NULL) {
        postcopy_times_came(p->times, b->rb->host + (first << RAM_PAGE_BITS),
                            npages << RAM_PAGE_BITS, clock_monotonic_ns());
    }
}

/* `first`: of a page of the backing. */
static void page_wanted(PostcopyIn *p, InBlock *b, uint64_t first, pid_t tid)
{
    bool again = bitmap_test_and_set_atomic(b->asked, first);

    note_wait(p, b, first, tid);
    if (bitmap_test_atomic(b->received, first)) {
        make_zero(p, b, first);
    } else if (!again) {
        p->ask(p->opaque, b->rb, first << RAM_PAGE_BITS, b->rb->page_size);
    }
}

static void fault_at(PostcopyIn *p, uint64_t addr, pid_t tid)
{
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);
        uint64_t off = addr - (uintptr_t)b->rb->host;

        if (off < block_span(b->rb)) {
            page_wanted(p, b,
                        ROUND_DOWN(off, (uint64_t)b->rb->page_size) >>
                            RAM_PAGE_BITS,
                        tid);
            return;
        }
    }
}

static void *postcopy_fault_thread(void *opaque)
{
    PostcopyIn *p = opaque;
    struct uffd_msg msg[FAULTS];
    struct pollfd fds[] = {
        { .fd = p->fd, .events = POLLIN },
        { .fd = event_notifier_fd(&p->quit), .events = POLLIN },
    };

    for (;;) {
        ssize_t n;

        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR) {
            log_error("postcopy: waiting for faults: %s", g_strerror(errno));
            return NULL;
        }
        if (fds[1].revents != 0) {
            return NULL;
        }
        n = read(p->fd, msg, sizeof(msg));
        for (ssize_t i = 0; i < n / (ssize_t)sizeof(msg[0]); i++) {
            if (msg[i].event == UFFD_EVENT_PAGEFAULT) {
                fault_at(p, msg[i].arg.pagefault.address,
                         msg[i].arg.pagefault.feat.ptid);
            }
        }
    }
}

/* ---- listening ---------------------------------------------------------- */

/* Whether a page of the range, which has at most HUGE_PAGES, is there. */
static bool any_is_there(const InBlock *b, uint64_t lo, uint64_t hi)
{
    uint8_t there[HUGE_PAGES];

    if (lo >= hi) {
        return false;
    }
    if (mincore(b->rb->host + (lo << RAM_PAGE_BITS), (hi - lo) << RAM_PAGE_BITS,
                there) < 0) {
        return true; /* nobody says that it isn't */
    }
    for (uint64_t i = 0; i < hi - lo; i++) {
        if (there[i] & 1) {
            return true;
        }
    }
    return false;
}

/*
 * A transparent huge page that reaches over an end of the range has to be
 * split.  In shared memory the kernel may fail to, and leaves it there, zeroed:
 * no fault would tell of that.  So what it could be is looked at.
 */
static bool range_is_dropped(const InBlock *b, uint64_t lo, uint64_t hi)
{
    uint64_t head = MIN(lo + HUGE_PAGES, hi);
    uint64_t tail = MAX(hi - MIN(hi, (uint64_t)HUGE_PAGES), head);

    return b->rb->page_size > RAM_PAGE_SIZE ||
           (!any_is_there(b, lo, head) && !any_is_there(b, tail, hi));
}

/* Pages of the block; of whole ones of its backing. */
static bool drop_range(const InBlock *b, uint64_t lo, uint64_t hi,
                       GError **errp)
{
    for (unsigned i = 0; i < DROP_TRIES; i++) {
        int r = ram_block_discard(b->rb, lo << RAM_PAGE_BITS,
                                  (hi - lo) << RAM_PAGE_BITS);

        if (r < 0) {
            error_setf_errno(errp, -r,
                             "RAM block '%s': dropping 0x%" PRIx64
                             " bytes at 0x%" PRIx64,
                             b->rb->name, (hi - lo) << RAM_PAGE_BITS,
                             lo << RAM_PAGE_BITS);
            return false;
        }
        if (range_is_dropped(b, lo, hi)) {
            return true;
        }
        g_usleep(DROP_AGAIN_US); /* who holds the huge page lets go of it */
    }
    error_setf(errp,
               "RAM block '%s': of 0x%" PRIx64 " bytes at 0x%" PRIx64
               " something is still there after they were dropped",
               b->rb->name, (hi - lo) << RAM_PAGE_BITS, lo << RAM_PAGE_BITS);
    return false;
}

/*
 * Whatever is there of pages that have not come goes: an old content, or what
 * somebody made who looked at memory before it was registered.
 */
static bool drop_missing(InBlock *b, GError **errp)
{
    uint64_t unit = b->rb->page_size >> RAM_PAGE_BITS;
    uint64_t i = bitmap_find_next_zero(b->received, b->npages, 0);

    while (i < b->npages) {
        uint64_t end = bitmap_find_next(b->received, b->npages, i);
        uint64_t lo = ROUND_DOWN(i, unit), hi = ROUND_UP(end, unit);

        /* A page of the backing comes as a whole, or not at all. */
        bitmap_clear_atomic(b->received, lo, MIN(hi, b->npages) - lo);
        if (!drop_range(b, lo, hi, errp)) {
            return false;
        }
        i = bitmap_find_next_zero(b->received, b->npages, MIN(hi, b->npages));
    }
    return true;
}

static bool listen_block(PostcopyIn *p, InBlock *b, GError **errp)
{
    if (!userfault_register(p->fd, b->rb->host, block_span(b->rb), &b->zero,
                            errp)) {
        error_prefix(errp, "RAM block '%s': ", b->rb->name);
        return false;
    }
    b->registered = true;
    return true;
}

bool postcopy_in_listen(PostcopyIn *p, PostcopyAskFn *ask, void *opaque,
                        GError **errp)
{
    p->ask = ask;
    p->opaque = opaque;
    for (guint i = 0; i < p->blocks->len; i++) {
        if (!listen_block(p, &g_array_index(p->blocks, InBlock, i), errp)) {
            return false;
        }
    }
    if (!event_notifier_init(&p->quit, false, errp)) {
        return false;
    }
    if (!thread_create(&p->thread, "mig-fault", postcopy_fault_thread, p,
                       errp)) {
        event_notifier_fini(&p->quit);
        return false;
    }
    p->listening = true;
    for (guint i = 0; i < p->blocks->len; i++) {
        if (!drop_missing(&g_array_index(p->blocks, InBlock, i), errp)) {
            return false;
        }
    }
    return true;
}

bool postcopy_in_listening(const PostcopyIn *p)
{
    return p->listening;
}

void postcopy_in_ask_again(PostcopyIn *p)
{
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);
        uint64_t n = 0;

        while ((n = bitmap_find_next(b->asked, b->npages, n)) < b->npages) {
            if (!bitmap_test_atomic(b->received, n)) {
                p->ask(p->opaque, b->rb, n << RAM_PAGE_BITS, b->rb->page_size);
            }
            n++;
        }
    }
}

void postcopy_in_end(PostcopyIn *p)
{
    if (p->listening) {
        event_notifier_set(&p->quit);
        thread_join(&p->thread);
        event_notifier_fini(&p->quit);
        p->listening = false;
    }
    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);

        if (b->registered) {
            userfault_unregister(p->fd, b->rb->host, block_span(b->rb));
            b->registered = false;
        }
    }
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
        set_huge(p->mem, MADV_HUGEPAGE);
        lock_blocks(p);
    }
}

/* ---- placing ------------------------------------------------------------ */

void postcopy_placer_init(PostcopyPlacer *pl, PostcopyIn *p)
{
    memset(pl, 0, sizeof(*pl));
    pl->in = p;
}

void postcopy_placer_restart(PostcopyPlacer *pl)
{
    pl->part_rb = NULL;
}

void postcopy_placer_fini(PostcopyPlacer *pl)
{
    g_free(pl->part);
    memset(pl, 0, sizeof(*pl));
}

/* Pages of zeros: nothing is made but for who waits already. */
static void place_zeros(PostcopyIn *p, InBlock *b, uint64_t first, uint64_t n)
{
    uint64_t unit = b->rb->page_size >> RAM_PAGE_BITS;
    uint64_t i = first;

    bitmap_set_atomic(b->received, first, n);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    note_came(p, b, first, n);
    while ((i = bitmap_find_next(b->asked, first + n, i)) < first + n) {
        make_zero(p, b, ROUND_DOWN(i, unit));
        i++;
    }
}

static bool place_data(PostcopyIn *p, InBlock *b, uint64_t first,
                       const uint8_t *data, uint64_t n, GError **errp)
{
    uint8_t *host = b->rb->host + (first << RAM_PAGE_BITS);
    uint64_t done;
    int r = userfault_copy(p->fd, host, data, n << RAM_PAGE_BITS, &done);

    bitmap_set_atomic(b->received, first,
                      MIN(done >> RAM_PAGE_BITS, b->npages - first));
    note_came(p, b, first, n);
    if (r < 0) {
        error_setf_errno(errp, -r,
                         "RAM block '%s': placing the page at 0x%" PRIx64,
                         b->rb->name, (first << RAM_PAGE_BITS) + done);
        return false;
    }
    return true;
}

/* Small pages, of which some may be here. */
static bool place_run(PostcopyIn *p, InBlock *b, uint64_t first,
                      const uint8_t *data, uint64_t n, GError **errp)
{
    uint64_t end = first + n,
             i = bitmap_find_next_zero(b->received, end, first);

    while (i < end) {
        uint64_t stop = MIN(bitmap_find_next(b->received, end, i), end);

        if (data == NULL) {
            place_zeros(p, b, i, stop - i);
        } else if (!place_data(p, b, i, data + ((i - first) << RAM_PAGE_BITS),
                               stop - i, errp)) {
            return false;
        }
        i = bitmap_find_next_zero(b->received, end, stop);
    }
    return true;
}

/* Where the next piece of a large page has to go on. */
static bool check_part(const PostcopyPlacer *pl, const RamBlock *rb,
                       uint64_t off, GError **errp)
{
    if (pl->part_rb == NULL
            ? (off & (rb->page_size - 1)) == 0
            : rb == pl->part_rb && off == pl->part_off + pl->part_len) {
        return true;
    }
    error_setf(errp,
               "RAM block '%s': a piece at 0x%" PRIx64
               " of a page of 0x%zx bytes comes out of order",
               rb->name, off, rb->page_size);
    return false;
}

/* A piece of a large page; it is placed when it is whole. */
static bool place_part(PostcopyPlacer *pl, InBlock *b, uint64_t off,
                       const uint8_t *data, uint64_t len, GError **errp)
{
    const RamBlock *rb = b->rb;
    uint64_t first;

    if (!check_part(pl, rb, off, errp)) {
        return false;
    }
    if (pl->part_room < rb->page_size) {
        g_free(pl->part);
        pl->part = g_malloc(rb->page_size);
        pl->part_room = rb->page_size;
    }
    if (pl->part_rb == NULL) {
        pl->part_rb = rb;
        pl->part_off = off;
        pl->part_len = 0;
    }
    if (data != NULL) {
        memcpy(pl->part + pl->part_len, data, len);
    } else {
        memset(pl->part + pl->part_len, 0, len);
    }
    pl->part_len += len;
    first = pl->part_off >> RAM_PAGE_BITS;
    if (pl->part_len <
        MIN((uint64_t)rb->page_size, (b->npages - first) << RAM_PAGE_BITS)) {
        return true;
    }
    memset(pl->part + pl->part_len, 0, rb->page_size - pl->part_len);
    pl->part_rb = NULL;
    return bitmap_test_atomic(b->received, first) ||
           place_data(pl->in, b, first, pl->part,
                      rb->page_size >> RAM_PAGE_BITS, errp);
}

bool postcopy_in_place(PostcopyPlacer *pl, const RamBlock *rb, uint64_t off,
                       const uint8_t *data, uint64_t len, GError **errp)
{
    InBlock *b = block_of(pl->in, rb);
    uint64_t size = rb->page_size;

    if (size == RAM_PAGE_SIZE) {
        return place_run(pl->in, b, off >> RAM_PAGE_BITS, data,
                         len >> RAM_PAGE_BITS, errp);
    }
    while (len > 0) {
        uint64_t n = MIN(len, ROUND_DOWN(off, size) + size - off);

        if (!place_part(pl, b, off, data, n, errp)) {
            return false;
        }
        off += n;
        len -= n;
        data = data != NULL ? data + n : NULL;
    }
    return true;
}

uint64_t postcopy_in_missing(const PostcopyIn *p)
{
    uint64_t n = 0;

    for (guint i = 0; i < p->blocks->len; i++) {
        InBlock *b = &g_array_index(p->blocks, InBlock, i);

        n += b->npages - bitmap_count(b->received, 0, b->npages);
    }
    return n;
}

const unsigned long *postcopy_in_bitmap(const PostcopyIn *p, const char *name,
                                        uint64_t *ret_npages)
{
    InBlock *b = block_named(p, name);

    if (b == NULL) {
        return NULL;
    }
    *ret_npages = b->npages;
    return b->received;
}
