/*
 * Guest memory for vhost-user: the table of regions, and the dirty log.
 *
 * The table holds what the guest can write to and what lies in a descriptor
 * that is mapped shared: main memory.  The first megabyte's upper part is left
 * out: firmware switches pieces of it to and from ROM, which would change the
 * table all the time, and no driver has rings or buffers there.
 *
 * The log is one bit for each 4 KiB of guest address, from 0 up.  The back end
 * sets a bit after it has written the page, so that a bit that is taken before
 * the page is read loses nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/vhost-user-mem.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "util/error.h"

enum {
    HOLE_START = 0xa0000, /* VGA, option ROMs, BIOS */
    HOLE_END = 0x100000,
    WORD_PAGES = 64,
};

struct VhostMem {
    MemoryListener listener;
    VhostMemHooks hooks;
    VhostTable table;
    bool too_many;        /* pieces */
    const RamBlock *lone; /* writable memory that isn't shared, or NULL */
    uint64_t *log;        /* atomic words; NULL: nothing is logged */
    uint64_t log_bytes;
    int log_fd;
};

static VhostMem *mem_of(MemoryListener *l)
{
    return container_of(l, VhostMem, listener);
}

/* ------------------------------------------------------------- table --- */

static void add_region(VhostMem *m, VhostTable *t, const VhostRegion *r)
{
    VhostRegion *last = t->n > 0 ? &t->r[t->n - 1] : NULL;

    if (last != NULL && last->fd == r->fd && last->gpa + last->size == r->gpa &&
        last->offset + last->size == r->offset &&
        last->hva + last->size == r->hva) {
        last->size += r->size;
    } else if (t->n < VHOST_MAX_REGIONS) {
        t->r[t->n++] = *r;
    } else {
        m->too_many = true;
    }
}

/* What of a range lies in [lo, hi). */
static void add_part(VhostMem *m, VhostTable *t, const FlatRange *f,
                     uint64_t lo, uint64_t hi)
{
    const RamBlock *rb = f->ram;
    uint64_t from = MAX(lo, f->addr), end = MIN(hi, f->addr + f->size);
    uint64_t off = f->offset + (from - f->addr);
    VhostRegion r;

    if (rb == NULL || f->read_only || f->romd || from >= end) {
        return;
    }
    if (rb->fd < 0 || !rb->shared) {
        /* A card's video memory is no matter, the guest's own is. */
        if (rb->main_memory || from == 0 || from == HOLE_END) {
            m->lone = rb;
        }
        return;
    }
    r = (VhostRegion){ .gpa = from,
                       .size = end - from,
                       .hva = (uintptr_t)rb->host + off,
                       .offset = rb->fd_offset + off,
                       .fd = rb->fd };
    add_region(m, t, &r);
}

static bool tables_same(const VhostTable *a, const VhostTable *b)
{
    for (unsigned i = 0; a->n == b->n && i < a->n; i++) {
        const VhostRegion *r = &a->r[i], *s = &b->r[i];

        if (r->gpa != s->gpa || r->size != s->size || r->hva != s->hva ||
            r->offset != s->offset || r->fd != s->fd) {
            return false;
        }
    }
    return a->n == b->n;
}

static void mem_commit(MemoryListener *l)
{
    VhostMem *m = mem_of(l);
    const FlatView *view = l->as->view;
    VhostTable t = { 0 };

    m->too_many = false;
    m->lone = NULL;
    for (unsigned i = 0; i < view->nranges; i++) {
        add_part(m, &t, &view->ranges[i], 0, HOLE_START);
        add_part(m, &t, &view->ranges[i], HOLE_END, UINT64_MAX);
    }
    if (!tables_same(&t, &m->table)) {
        m->table = t;
        m->hooks.table_changed(m->hooks.opaque);
    }
}

const VhostTable *vhost_mem_table(const VhostMem *m)
{
    return &m->table;
}

bool vhost_mem_check(const VhostMem *m, GError **errp)
{
    if (m->lone != NULL) {
        error_setf(errp,
                   "a vhost-user back end can't see RAM '%s', which isn't "
                   "shared: write -object memory-backend-memfd,id=mem,"
                   "size=%" PRIu64 "M,share=on -machine memory-backend=mem",
                   m->lone->name, m->lone->used_length / MiB);
        return false;
    }
    if (m->too_many) {
        error_setf(errp,
                   "a vhost-user back end takes at most %d pieces of memory, "
                   "and the guest has more",
                   VHOST_MAX_REGIONS);
        return false;
    }
    return true;
}

uint64_t vhost_mem_find(const VhostMem *m, uint64_t gpa, uint64_t len)
{
    for (unsigned i = 0; i < m->table.n; i++) {
        const VhostRegion *r = &m->table.r[i];

        if (gpa >= r->gpa && range_fits(gpa - r->gpa, len, r->size)) {
            return r->hva + (gpa - r->gpa);
        }
    }
    return 0;
}

/* --------------------------------------------------------------- log --- */

int vhost_mem_log_fd(const VhostMem *m, uint64_t *ret_bytes)
{
    *ret_bytes = m->log_bytes;
    return m->log_fd;
}

static uint64_t log_size(const VhostMem *m)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < m->table.n; i++) {
        end = MAX(end, m->table.r[i].gpa + m->table.r[i].size);
    }
    return ROUND_UP(MAX(end, 1) / RAM_PAGE_SIZE / 8 + 8, RAM_PAGE_SIZE);
}

static bool mem_log_start(MemoryListener *l, GError **errp)
{
    VhostMem *m = mem_of(l);
    uint64_t bytes;
    int fd = memfd_create("vhost-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *log = MAP_FAILED;

    mem_commit(l); /* it may not know the memory yet */
    bytes = log_size(m);
    /* The back end must not make it shorter: who reads it would die. */
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ==
            0) {
        log = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (log == MAP_FAILED) {
        error_setf_errno(errp, errno,
                         "vhost-user: dirty log of %" PRIu64 " bytes", bytes);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    m->log = log;
    m->log_fd = fd;
    m->log_bytes = bytes;
    m->hooks.log_changed(m->hooks.opaque, fd, bytes);
    return true;
}

static void drop_log(VhostMem *m)
{
    if (m->log != NULL) {
        munmap(m->log, m->log_bytes);
        close(m->log_fd);
        m->log = NULL;
        m->log_fd = -1;
        m->log_bytes = 0;
    }
}

static void mem_log_stop(MemoryListener *l)
{
    VhostMem *m = mem_of(l);

    if (m->log != NULL) {
        m->hooks.log_changed(m->hooks.opaque, -1, 0);
        drop_log(m);
    }
}

/* Takes the bits of one word, under a mask, into the block's bitmap. */
static void take_word(VhostMem *m, RamBlock *rb, uint64_t word, uint64_t mask,
                      int64_t to_block)
{
    uint64_t bits = __atomic_load_n(&m->log[word], __ATOMIC_RELAXED) & mask;

    if (bits == 0) {
        return;
    }
    bits = __atomic_fetch_and(&m->log[word], ~bits, __ATOMIC_SEQ_CST) & bits;
    while (bits != 0) {
        unsigned bit = __builtin_ctzll(bits);

        memory_dirty_log_mark(rb, word * WORD_PAGES + bit + to_block, 1);
        bits &= bits - 1;
    }
}

static void mem_log_sync(MemoryListener *l, const MemorySection *s)
{
    VhostMem *m = mem_of(l);
    uint64_t first = s->addr >> RAM_PAGE_BITS;
    uint64_t end = (s->addr + s->size + RAM_PAGE_SIZE - 1) >> RAM_PAGE_BITS;
    int64_t to_block = (int64_t)(s->offset >> RAM_PAGE_BITS) - (int64_t)first;

    if (m->log == NULL || s->ram == NULL) {
        return;
    }
    end = MIN(end, m->log_bytes * 8);
    for (uint64_t w = first / WORD_PAGES; w * WORD_PAGES < end; w++) {
        uint64_t lo = MAX(first, w * WORD_PAGES);
        uint64_t hi = MIN(end, (w + 1) * WORD_PAGES);

        take_word(m, s->ram, w, MAKE_64BIT_MASK(lo % WORD_PAGES, hi - lo),
                  to_block);
    }
}

/* -------------------------------------------------------------- life --- */

VhostMem *vhost_mem_new(Memory *mem, const VhostMemHooks *hooks)
{
    VhostMem *m = g_new0(VhostMem, 1);

    m->hooks = *hooks;
    m->log_fd = -1;
    m->listener = (MemoryListener){
        .name = "vhost-user",
        .commit = mem_commit,
        .log_sync = mem_log_sync,
        .log_global_start = mem_log_start,
        .log_global_stop = mem_log_stop,
        .priority = 10,
    };
    memory_listener_add(&m->listener, &mem->memory);
    return m;
}

void vhost_mem_free(VhostMem *m)
{
    if (m != NULL) {
        memory_listener_del(&m->listener);
        drop_log(m);
        rcu_call(g_free, m); /* a migration may be walking the listeners */
    }
}
