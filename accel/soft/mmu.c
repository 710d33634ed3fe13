/*
 * The software TLB and every access to guest memory that misses it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"
#include "accel/soft/mem.h"
#include "util/bitmap.h"
#include "util/rcu.h"

void soft_tlb_flush(SoftCpu *s)
{
    for (unsigned m = 0; m < SOFT_MMU_MODES; m++) {
        for (unsigned i = 0; s->tlb_used[m] && i < SOFT_TLB_SIZE; i++) {
            soft_tlb_clear(&s->tlb[m][i], i);
        }
        s->tlb_used[m] = false;
    }
    soft_jumps_clear(s);
    s->large_pages = false;
    s->ram_lo = s->ram_hi = 0;
}

void soft_tlb_flush_page(SoftCpu *s, uint64_t lin)
{
    /* A large page may be in many entries. */
    if (s->large_pages && lin >= s->large_lo && lin <= s->large_hi) {
        soft_tlb_flush(s);
        return;
    }
    for (unsigned m = 0; m < SOFT_MMU_MODES; m++) {
        soft_tlb_clear(soft_tlb_entry(s, lin, m), soft_tlb_index(lin));
    }
    soft_jumps_clear(s);
}

static void note_large(SoftCpu *s, const SoftMapping *m)
{
    uint64_t hi = m->large_base + m->large_size - 1;

    if (!s->large_pages) {
        s->large_lo = m->large_base;
        s->large_hi = hi;
        s->large_pages = true;
    }
    s->large_lo = MIN(s->large_lo, m->large_base);
    s->large_hi = MAX(s->large_hi, hi);
}

AddressSpace *soft_space(SoftCpu *s, uint64_t pa, SoftAccess acc)
{
    Memory *mem = s->vm->mem;
    const FlatRange *r;

    if (likely(!s->smm)) {
        return &mem->memory;
    }
    r = flat_view_find(address_space_view(&mem->smm), pa);
    return r && r->fetch_only && acc != SOFT_FETCH ? &mem->memory : &mem->smm;
}

/* The RAM or ROM page at a physical address, or NULL. */
static uint8_t *phys_host(SoftCpu *s, uint64_t phys, SoftAccess acc,
                          const FlatRange **ret_r)
{
    const FlatView *v = address_space_view(soft_space(s, phys, acc));
    const FlatRange *r = flat_view_find(v, phys);
    uint64_t off;

    *ret_r = NULL;
    if (!r || !r->ram || r->addr > phys || phys - r->addr > r->size - 1 ||
        r->size - (phys - r->addr) < SOFT_PAGE) {
        return NULL;
    }
    off = r->offset + (phys - r->addr);
    if ((off & (SOFT_PAGE - 1)) ||
        !range_fits(off, SOFT_PAGE, r->ram->max_length)) {
        return NULL;
    }
    *ret_r = r;
    return r->ram->host + off;
}

/*
 * Is somebody to be told of a store to the page?  What the migration knows
 * already it needs no telling; before it takes a bit and reads the page, it
 * has all CPUs drop their write tags: soft_vm_protect().
 */
static bool store_is_news(const FlatRange *r, const uint8_t *host)
{
    const unsigned long *map;

    if (r->dirty_log != 1U << DIRTY_MIGRATION) {
        return r->dirty_log != 0;
    }
    map = rcu_dereference(r->ram->dirty[DIRTY_MIGRATION]);
    return !map ||
           !bitmap_test_atomic(map, (host - r->ram->host) >> RAM_PAGE_BITS);
}

/*
 * Enters the page for what it may be used.  Stores to pages whose bitmaps
 * are watched, or that hold decoded code, keep missing; so does what a
 * debugger watches.
 */
static uint8_t *tlb_fill(SoftCpu *s, uint64_t lin, SoftAccess acc, unsigned mmu,
                         const SoftMapping *m, const FlatRange **ret_r)
{
    SoftTlbEntry *e = soft_tlb_entry(s, lin, mmu);
    uint64_t page = lin & SOFT_PAGE_MASK;
    uint8_t *host = phys_host(s, m->phys, acc, ret_r);
    const FlatRange *r = *ret_r;

    if (m->large) {
        note_large(s, m);
    }
    if (!host) {
        return NULL;
    }
    s->tlb_used[mmu] = true;
    if (e->host != (uintptr_t)host ||
        (e->tag[0] != page && e->tag[1] != page && e->tag[2] != page)) {
        soft_tlb_clear(e, soft_tlb_index(lin));
        e->host = (uintptr_t)host;
    }
    if (acc == SOFT_FETCH) {
        e->tag[SOFT_FETCH] = page;
    } else if (mmu != SOFT_MMU_ALIGN) {
        if (likely(!soft_debug_page_watched(s, page, false))) {
            e->tag[SOFT_READ] = page;
        }
        if (acc == SOFT_WRITE && !r->read_only && !r->romd &&
            !r->ram->read_only && !store_is_news(r, host) &&
            !soft_page_has_code(r->ram, host) &&
            !soft_debug_page_watched(s, page, true)) {
            e->tag[SOFT_WRITE] = page;
        }
    }
    return host;
}

/* Bytes from a page of the range to its last page's end. */
static uint64_t range_pages(const FlatRange *r, uint64_t page)
{
    uint64_t n = r->size - (page - r->addr);
    uint64_t off = r->offset + (page - r->addr);

    return MIN(n, r->ram->max_length - off) & SOFT_PAGE_MASK;
}

uint64_t soft_phys_load(SoftCpu *s, uint64_t pa, unsigned n)
{
    const FlatRange *r;
    uint64_t page = pa & SOFT_PAGE_MASK;
    const uint8_t *host;

    /* Most of them are page tables, in the same piece of RAM. */
    if (likely(pa >= s->ram_lo && pa < s->ram_hi)) {
        return soft_host_load(s->ram_host + (pa - s->ram_lo), n);
    }
    host = phys_host(s, page, SOFT_READ, &r);
    if (host) {
        s->ram_lo = page;
        s->ram_hi = page + range_pages(r, page);
        s->ram_host = host;
        return soft_host_load(host + (pa & 0xfff), n);
    }
    return soft_bus_load(s, soft_space(s, pa, SOFT_READ), pa, n);
}

static bool mmu_canonical(const SoftCpu *s, uint64_t lin)
{
    return !(s->x->efer & X86_EFER_LMA) || soft_canonical(s, lin);
}

/* Within one page. */
static uint64_t load_part(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu)
{
    SoftMapping m;
    const FlatRange *r;
    AddressSpace *as;
    uint8_t *host;
    uint64_t v = 0;

    soft_walk(s, lin, SOFT_READ, mmu, &m);
    if (unlikely(s->debug_watch || s->dr_data)) {
        soft_debug_access(s, lin, n, false);
    }
    host = tlb_fill(s, lin, SOFT_READ, mmu, &m, &r);
    if (host) {
        return soft_host_load(host + (lin & 0xfff), n);
    }
    as = soft_space(s, m.phys, SOFT_READ);
    if (is_pow2(n)) {
        return soft_bus_load(s, as, m.phys | (lin & 0xfff), n);
    }
    for (unsigned i = 0; i < n; i++) {
        v |= soft_bus_load(s, as, m.phys | ((lin + i) & 0xfff), 1) << (8 * i);
    }
    return v;
}

/* The instructions that follow may be among those just written. */
static void code_changed(SoftCpu *s)
{
    if (__atomic_load_n(&s->pending, __ATOMIC_RELAXED) & SOFT_PEND_CODE) {
        soft_cpu_take(s, SOFT_PEND_CODE);
        soft_code_take(s);
    }
}

bool soft_store_target(SoftCpu *s, uint64_t lin, unsigned mmu, SoftTarget *ret)
{
    SoftMapping m;
    const FlatRange *r;
    uint8_t *host;

    soft_walk(s, lin, SOFT_WRITE, mmu, &m);
    host = tlb_fill(s, lin, SOFT_WRITE, mmu, &m, &r);
    ret->phys = m.phys | (lin & 0xfff);
    if (!host || r->read_only || r->romd || r->ram->read_only) {
        return false;
    }
    ret->host = host + (lin & 0xfff);
    ret->ram = r->ram;
    return true;
}

void soft_stored(SoftCpu *s, const SoftTarget *t, unsigned n)
{
    ram_block_set_dirty(&s->vm->mem->ram, t->ram, t->host - t->ram->host, n);
    code_changed(s);
}

static void store_part(SoftCpu *s, uint64_t lin, uint64_t v, unsigned n,
                       unsigned mmu)
{
    AddressSpace *as;
    SoftTarget t;
    bool ram = soft_store_target(s, lin, mmu, &t);

    soft_debug_write(s, lin, n);
    if (ram) {
        soft_host_store(t.host, v, n);
        soft_stored(s, &t, n);
        return;
    }
    as = soft_space(s, t.phys, SOFT_WRITE);
    if (is_pow2(n)) {
        soft_bus_store(s, as, t.phys, v, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        soft_bus_store(s, as, t.phys + i, v >> (8 * i), 1);
    }
}

/*
 * The SDM's table 6-7: operands of 2, 4 and 8 bytes lie at multiples of that,
 * of 10 bytes of 8, vectors of their size.  What has other sizes is made of
 * operands that are checked one by one.
 */
static unsigned mmu_alignment(unsigned n)
{
    return n == 10 ? 8 : n <= 64 && is_pow2(n) ? n : 1;
}

/* What any access may raise ahead of looking at page tables. */
static void check_address(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu)
{
    if (!mmu_canonical(s, lin) || !mmu_canonical(s, lin + n - 1)) {
        soft_raise_gp0(s);
    }
    if (unlikely(mmu == SOFT_MMU_ALIGN) && (lin & (mmu_alignment(n) - 1))) {
        soft_raise_error(s, EXC_AC, 0);
    }
}

/* For the parts of an operand that isn't checked by part. */
static unsigned part_mmu(SoftCpu *s, uint64_t lin, unsigned n)
{
    if (likely(s->mmu != SOFT_MMU_ALIGN)) {
        return s->mmu;
    }
    check_address(s, lin, n, s->mmu);
    return SOFT_MMU_USER;
}

uint64_t soft_load_slow(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu)
{
    unsigned first = SOFT_PAGE - (lin & 0xfff);
    uint64_t lo;

    check_address(s, lin, n, mmu);
    if (n <= first) {
        return load_part(s, lin, n, mmu);
    }
    lo = load_part(s, lin, first, mmu);
    return lo | load_part(s, (lin + first) & s->lin_mask, n - first, mmu)
                    << (8 * first);
}

void soft_probe_write(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu)
{
    uint64_t last = (lin + n - 1) & s->lin_mask;
    SoftMapping m;

    check_address(s, lin, n, mmu);
    if (soft_tlb_entry(s, lin, mmu)->tag[SOFT_WRITE] !=
        (lin & SOFT_PAGE_MASK)) {
        soft_walk(s, lin, SOFT_WRITE, mmu, &m);
    }
    if ((last ^ lin) & SOFT_PAGE_MASK) {
        soft_walk(s, last & SOFT_PAGE_MASK, SOFT_WRITE, mmu, &m);
    }
}

void soft_store_slow(SoftCpu *s, uint64_t lin, uint64_t v, unsigned n,
                     unsigned mmu)
{
    unsigned first = SOFT_PAGE - (lin & 0xfff);

    check_address(s, lin, n, mmu);
    if (n <= first) {
        store_part(s, lin, v, n, mmu);
        return;
    }
    /* Both pages can be written before either is. */
    soft_probe_write(s, lin, n, mmu);
    store_part(s, lin, v, first, mmu);
    store_part(s, (lin + first) & s->lin_mask, v >> (8 * first), n - first,
               mmu);
}

void *soft_host_page(SoftCpu *s, uint64_t lin, SoftAccess acc, unsigned mmu)
{
    SoftTlbEntry *e = soft_tlb_entry(s, lin, mmu);
    uint64_t page = lin & SOFT_PAGE_MASK;
    SoftMapping m;
    const FlatRange *r;

    if (e->tag[acc] == page) {
        return (void *)e->host;
    }
    check_address(s, lin, 1, mmu);
    soft_walk(s, lin, acc, mmu, &m);
    return tlb_fill(s, lin, acc, mmu, &m, &r);
}

void soft_load_bytes(SoftCpu *s, uint64_t lin, void *buf, unsigned n)
{
    uint8_t *p = buf;
    unsigned mmu = part_mmu(s, lin, n);

    while (n) {
        unsigned k = MIN(n, 8);
        uint64_t v = soft_ld(s, lin, k, mmu);

        memcpy(p, &v, k);
        p += k;
        n -= k;
        lin = (lin + k) & s->lin_mask;
    }
}

void soft_store_bytes(SoftCpu *s, uint64_t lin, const void *buf, unsigned n)
{
    const uint8_t *p = buf;
    unsigned mmu = part_mmu(s, lin, n);

    if (n > 8) {
        /* All or nothing; longer than a page never happens. */
        soft_probe_write(s, lin, n, mmu);
    }
    while (n) {
        unsigned k = MIN(n, 8);
        uint64_t v = 0;

        memcpy(&v, p, k);
        soft_st(s, lin, v, k, mmu);
        p += k;
        n -= k;
        lin = (lin + k) & s->lin_mask;
    }
}
