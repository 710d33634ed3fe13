/*
 * Which pages of RAM hold instructions that some CPU keeps decoded.
 *
 * Each CPU has a cache of its own; this is what they share.  A page with code
 * has its bit set in the block's DIRTY_CODE bitmap.  Such a page gets no write
 * tag in any TLB, so that all stores to it, like those of devices, go through
 * ram_block_set_dirty(), which calls code_written() below; that tells the
 * CPUs that keep instructions from those bytes, before their next block.
 *
 * CPUs may hold a write tag from before the bit was set: all are asked to drop
 * theirs, and until they have (or don't run), nothing from the page is kept.
 *
 * Partners: the bit is set before the bytes are read for decoding; whoever
 * stores looks at the bit after the store.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sched.h>

#include "accel/soft/cpu.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/tsan.h"

enum {
    CODE_CHUNK =
        64, /* bytes of a page that a bit of SoftCodePage.used covers */
};

/* All members: SoftCodeMap.lock. */
struct SoftCodePage {
    const uint8_t *host;
    uint64_t used;    /* bit per CODE_CHUNK bytes with code; only grows */
    uint64_t holders; /* bit per CPU, numbers modulo 64 */
    unsigned nholders;
    uint64_t seq; /* CPUs that have seen this one have no write tag */
    bool settled; /* all have */
};

struct SoftCodeMap {
    Lock lock;
    RamList *ram;
    GHashTable *pages; /* host address -> SoftCodePage, owned */
    GPtrArray *cpus;   /* SoftCpu */
    uint64_t seq;
    bool logging;
};

static const uint8_t *page_of(const uint8_t *host)
{
    return (const uint8_t *)((uintptr_t)host & ~(uintptr_t)(SOFT_PAGE - 1));
}

static uint64_t codemap_chunks(unsigned off, unsigned n)
{
    unsigned first = off / CODE_CHUNK;
    unsigned last = (off + n - 1) / CODE_CHUNK;

    return MAKE_64BIT_MASK(first, last - first + 1);
}

static uint64_t holder_bit(const SoftCpu *s)
{
    return UINT64_C(1) << (s->x->index % 64);
}

/* For the CPU's own thread to take: soft_code_take(). */
static void pend_drop(SoftCpu *s, const uint8_t *page)
{
    lock_acquire(&s->drop_lock);
    if (s->ndrop == 0 || s->ndrop > SOFT_DROP_MAX ||
        s->drop[s->ndrop - 1] != page) {
        if (s->ndrop < SOFT_DROP_MAX) {
            s->drop[s->ndrop] = page;
        }
        s->ndrop = MIN(s->ndrop + 1, SOFT_DROP_MAX + 1);
    }
    lock_release(&s->drop_lock);
    soft_cpu_pend(s, SOFT_PEND_CODE);
}

static void page_written(SoftCodeMap *m, const uint8_t *host, unsigned n)
{
    SoftCodePage *p = g_hash_table_lookup(m->pages, page_of(host));

    if (!p || !(p->used & codemap_chunks(host - page_of(host), n))) {
        return;
    }
    for (guint i = 0; i < m->cpus->len; i++) {
        SoftCpu *s = g_ptr_array_index(m->cpus, i);

        if (p->holders & holder_bit(s)) {
            pend_drop(s, p->host);
        }
    }
}

/* RamList.code_written: bytes of pages of which a bit was found set. */
static void code_written(void *opaque, RamBlock *rb, uint64_t off, uint64_t len)
{
    SoftCodeMap *m = opaque;
    const uint8_t *p = rb->host + off;

    LOCK_GUARD(&m->lock);
    while (len) {
        uint64_t n = MIN(len, SOFT_PAGE - ((uintptr_t)p & (SOFT_PAGE - 1)));

        page_written(m, p, n);
        p += n;
        len -= n;
    }
}

SoftCodeMap *soft_code_map_new(RamList *ram, GError **errp)
{
    SoftCodeMap *m = g_new0(SoftCodeMap, 1);

    lock_init(&m->lock);
    m->ram = ram;
    m->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    m->cpus = g_ptr_array_new();
    ram->code_opaque = m;
    __atomic_store_n(&ram->code_written, code_written, __ATOMIC_RELEASE);
    m->logging = ram_dirty_start(ram, DIRTY_CODE, false, errp);
    if (!m->logging) {
        soft_code_map_free(m);
        return NULL;
    }
    return m;
}

void soft_code_map_free(SoftCodeMap *m)
{
    if (!m) {
        return;
    }
    if (m->logging) {
        ram_dirty_stop(m->ram, DIRTY_CODE);
    }
    __atomic_store_n(&m->ram->code_written, NULL, __ATOMIC_RELEASE);
    g_hash_table_unref(m->pages);
    g_ptr_array_unref(m->cpus);
    lock_fini(&m->lock);
    g_free(m);
}

void soft_code_map_add_cpu(SoftCodeMap *m, SoftCpu *s)
{
    LOCK_GUARD(&m->lock);
    g_ptr_array_add(m->cpus, s);
}

void soft_code_map_del_cpu(SoftCodeMap *m, SoftCpu *s)
{
    LOCK_GUARD(&m->lock);
    g_ptr_array_remove(m->cpus, s);
}

static unsigned long *mark_of(SoftCodeMap *m, const uint8_t *page,
                              uint64_t *ret_bit)
{
    uint64_t off = 0;
    RamBlock *rb = ram_block_from_host(m->ram, page, &off);

    *ret_bit = off >> RAM_PAGE_BITS;
    return rb ? rcu_dereference(rb->dirty[DIRTY_CODE]) : NULL;
}

bool soft_page_has_code(const RamBlock *rb, const uint8_t *host)
{
    const unsigned long *map = rcu_dereference(rb->dirty[DIRTY_CODE]);

    return map && bitmap_test_atomic(map, (host - rb->host) >> RAM_PAGE_BITS);
}

/* Sets the page's bit, and has every CPU drop its write tags. */
static SoftCodePage *page_add(SoftCodeMap *m, const uint8_t *page)
{
    SoftCodePage *p;
    uint64_t bit;
    unsigned long *map = mark_of(m, page, &bit);

    if (!map) {
        return NULL;
    }
    p = g_new0(SoftCodePage, 1);
    p->host = page;
    g_hash_table_insert(m->pages, (void *)page, p);
    bitmap_test_and_set_atomic(map, bit);
    /* After the bit: who drops his tags and then sees seq can't get new ones */
    p->seq = __atomic_add_fetch(&m->seq, 1, __ATOMIC_SEQ_CST);
    for (guint i = 0; i < m->cpus->len; i++) {
        soft_cpu_pend(g_ptr_array_index(m->cpus, i), SOFT_PEND_PROTECT);
    }
    return p;
}

SoftCodePage *soft_code_page_hold(SoftCpu *s, const uint8_t *page)
{
    SoftCodeMap *m = s->vm->code;
    SoftCodePage *p;

    LOCK_GUARD(&m->lock);
    p = g_hash_table_lookup(m->pages, page);
    if (!p) {
        p = page_add(m, page);
    }
    if (p) {
        p->holders |= holder_bit(s);
        p->nholders++;
    }
    return p;
}

void soft_code_page_drop(SoftCpu *s, SoftCodePage *p)
{
    SoftCodeMap *m = s->vm->code;
    unsigned long *map;
    uint64_t bit;

    LOCK_GUARD(&m->lock);
    if (--p->nholders > 0) {
        if (m->cpus->len <= 64) {
            p->holders &= ~holder_bit(s);
        }
        return;
    }
    map = mark_of(m, p->host, &bit);
    if (map) {
        bitmap_test_and_clear_atomic(map, bit);
    }
    g_hash_table_remove(m->pages, p->host);
}

void soft_code_protect(SoftCpu *s)
{
    /* As of before the tags go: pages marked meanwhile pend it again. */
    uint64_t seq = __atomic_load_n(&s->vm->code->seq, __ATOMIC_SEQ_CST);

    for (unsigned m = 0; m < SOFT_MMU_MODES; m++) {
        for (unsigned i = 0; i < SOFT_TLB_SIZE; i++) {
            s->tlb[m][i].tag[SOFT_WRITE] = soft_tlb_none(i);
        }
    }
    __atomic_store_n(&s->protect_seq, seq, __ATOMIC_SEQ_CST);
}

bool soft_code_page_settled(SoftCpu *s, SoftCodePage *p)
{
    SoftCodeMap *m = s->vm->code;

    LOCK_GUARD(&m->lock);
    for (guint i = 0; !p->settled && i < m->cpus->len; i++) {
        SoftCpu *o = g_ptr_array_index(m->cpus, i);

        /*
         * Partner: soft_cpu_run() sets running before it looks at what is
         * pending, and seq grew before that was made pending.
         */
        if (__atomic_load_n(&o->running, __ATOMIC_SEQ_CST) &&
            __atomic_load_n(&o->protect_seq, __ATOMIC_SEQ_CST) < p->seq) {
            return false;
        }
    }
    p->settled = true;
    return true;
}

bool soft_code_page_use(SoftCpu *s, SoftCodePage *p, const uint8_t *host,
                        const uint8_t *copy, unsigned n)
{
    bool same;
    LOCK_GUARD(&s->vm->code->lock);

    p->used |= codemap_chunks(host - p->host, n);
    /* A store that didn't see `used` took the lock before: it is seen here. */
    tsan_guest_begin();
    same = memcmp(host, copy, n) == 0;
    tsan_guest_end();
    return same;
}

/* Is one of them using a translation, or a write tag, from before? */
static bool flush_waits(SoftCodeMap *m, uint64_t seq, bool protect)
{
    LOCK_GUARD(&m->lock);
    for (guint i = 0; i < m->cpus->len; i++) {
        SoftCpu *s = g_ptr_array_index(m->cpus, i);
        const uint64_t *seen = protect ? &s->protect_seq : &s->flush_seq;

        /* Partner: as for soft_code_page_settled(). */
        if (__atomic_load_n(&s->running, __ATOMIC_SEQ_CST) &&
            __atomic_load_n(seen, __ATOMIC_SEQ_CST) < seq) {
            return true;
        }
    }
    return false;
}

void soft_code_map_pend_others(SoftCodeMap *m, const SoftCpu *s, unsigned what)
{
    LOCK_GUARD(&m->lock);
    for (guint i = 0; i < m->cpus->len; i++) {
        SoftCpu *o = g_ptr_array_index(m->cpus, i);

        if (o != s) {
            soft_cpu_pend(o, what);
        }
    }
}

bool soft_code_map_others_run(SoftCodeMap *m, const SoftCpu *s)
{
    LOCK_GUARD(&m->lock);
    for (guint i = 0; i < m->cpus->len; i++) {
        const SoftCpu *o = g_ptr_array_index(m->cpus, i);

        if (o != s && __atomic_load_n(&o->running, __ATOMIC_SEQ_CST)) {
            return true;
        }
    }
    return false;
}

void soft_vm_flush(SoftVm *vm, bool drop)
{
    uint64_t seq = __atomic_add_fetch(&vm->flush_seq, 1, __ATOMIC_SEQ_CST);

    soft_code_map_pend_others(vm->code, NULL,
                              SOFT_PEND_FLUSH | (drop ? SOFT_PEND_DROP : 0));
    /* Their next block, or their next access to a device, is never far. */
    while (flush_waits(vm->code, seq, false)) {
        sched_yield();
    }
}

void soft_vm_protect(SoftVm *vm)
{
    uint64_t seq = __atomic_add_fetch(&vm->code->seq, 1, __ATOMIC_SEQ_CST);

    soft_code_map_pend_others(vm->code, NULL, SOFT_PEND_PROTECT);
    while (flush_waits(vm->code, seq, true)) {
        sched_yield();
    }
}
