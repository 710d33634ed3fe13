/*
 * The guest's page tables.
 *
 * Intel SDM volume 3, chapter 4: 32-bit, PAE, 4-level and 5-level paging,
 * access rights (4.6), protection keys (4.6.2), page-fault error codes (4.7),
 * accessed and dirty (4.8).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "util/log.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_PAT_LARGE = 1 << 12,
};
#define PTE_NX       (UINT64_C(1) << 63)
#define PTE_ADDR     UINT64_C(0x000ffffffffff000)
#define PTE_MAX_PHYS 52

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

typedef struct Walk {
    SoftCpu *s;
    uint64_t lin;
    SoftAccess acc;
    unsigned mmu;
    uint64_t rights;   /* PTE_W and PTE_U of all levels, PTE_NX of any */
    uint64_t reserved; /* bits that must be zero */
    uint64_t entry_pa, entry;
    unsigned entry_size;
    unsigned shift; /* log2 of the page's size */
} Walk;

static void G_GNUC_NORETURN walk_fault(const Walk *w, uint32_t code)
{
    const X86Cpu *x = w->s->x;

    code |= w->acc == SOFT_WRITE ? PF_W : 0;
    code |= w->mmu == SOFT_MMU_USER ? PF_U : 0;
    if (w->acc == SOFT_FETCH &&
        ((x->efer & X86_EFER_NXE) || (x->cr[4] & X86_CR4_SMEP))) {
        code |= PF_I;
    }
    log_item(LOG_ITEM_MMU,
             "page fault: CPU %u, address %016" PRIx64
             ", error %04x, last entry %016" PRIx64 " at %016" PRIx64,
             x->index, w->lin, code, w->entry, w->entry_pa);
    w->s->x->cr[2] = w->lin;
    soft_raise_error(w->s, EXC_PF, code);
}

unsigned soft_phys_bits(const SoftCpu *s)
{
    unsigned bits = x86_cpu_model_phys_bits(s->x->model);

    return bits < 32 || bits > PTE_MAX_PHYS ? 40 : bits;
}

/* Physical address bits that must be zero, and NX where it is off. */
static uint64_t walk_reserved(const Walk *w)
{
    uint64_t r = PTE_ADDR & ~((UINT64_C(1) << soft_phys_bits(w->s)) - 1);

    if (!(w->s->x->efer & X86_EFER_NXE)) {
        r |= PTE_NX;
    }
    return r;
}

static bool walk_update(Walk *w, uint64_t set)
{
    SoftCpu *s = w->s;
    AddressSpace *as = soft_space(s, w->entry_pa, SOFT_WRITE);
    uint64_t len = w->entry_size;
    uint64_t want = w->entry | set;
    bool ok = true;
    void *p;

    if (want == w->entry) {
        return true;
    }
    p = address_space_map(as, w->entry_pa, &len, true);
    if (p && len == w->entry_size) {
        /* Against other CPUs and the device that may write the table. */
        if (w->entry_size == 8) {
            ok = __sync_bool_compare_and_swap((uint64_t *)p, w->entry, want);
        } else {
            ok = __sync_bool_compare_and_swap((uint32_t *)p, (uint32_t)w->entry,
                                              (uint32_t)want);
        }
        address_space_unmap(as, p, len, true);
    }
    w->entry = want;
    return ok;
}

/* Reads an entry; false: start over, it changed. */
static bool walk_entry(Walk *w, uint64_t pa, unsigned level, bool *ret_leaf)
{
    bool pse = w->entry_size == 8 || (w->s->x->cr[4] & X86_CR4_PSE);
    bool leaf;

    w->entry_pa = pa & (int64_t)w->s->a20_mask;
    w->entry = soft_phys_load(w->s, w->entry_pa, w->entry_size);
    if (!(w->entry & PTE_P)) {
        walk_fault(w, 0);
    }
    leaf = level == 1 || ((w->entry & PTE_PS) && pse && level <= 3);
    if (w->entry & w->reserved) {
        walk_fault(w, PF_P | PF_RSVD);
    }
    if ((w->entry & PTE_PS) && w->entry_size == 8 &&
        (level >= 4 || (level == 3 && !(w->s->x->efer & X86_EFER_LMA)))) {
        walk_fault(w, PF_P | PF_RSVD);
    }
    w->rights &= (w->entry & (PTE_W | PTE_U)) | PTE_NX;
    w->rights |= w->entry & PTE_NX & (w->entry_size == 8 ? PTE_NX : 0);
    *ret_leaf = leaf;
    return leaf || walk_update(w, PTE_A);
}

/* Data of 4-level and 5-level paging; the key is in bits 62:59. */
static bool walk_key_forbids(const Walk *w)
{
    enum { ACCESS_DISABLE = 1, WRITE_DISABLE = 2 };
    const X86Cpu *x = w->s->x;
    bool user_page = w->rights & PTE_U;
    uint32_t keys = user_page ? x->pkru : x->pkrs;

    if (w->acc == SOFT_FETCH || !(x->efer & X86_EFER_LMA) ||
        !(x->cr[4] & (user_page ? X86_CR4_PKE : X86_CR4_PKS))) {
        return false;
    }
    keys >>= 2 * extract64(w->entry, 59, 4);
    return (keys & ACCESS_DISABLE) ||
           ((keys & WRITE_DISABLE) && w->acc == SOFT_WRITE &&
            (w->mmu == SOFT_MMU_USER || (x->cr[0] & X86_CR0_WP)));
}

static bool walk_allowed(const Walk *w)
{
    const X86Cpu *x = w->s->x;
    bool user_page = w->rights & PTE_U;
    bool user = w->mmu == SOFT_MMU_USER;

    if (user && !user_page) {
        return false;
    }
    if (w->acc == SOFT_FETCH) {
        if ((w->rights & PTE_NX) && (x->efer & X86_EFER_NXE)) {
            return false;
        }
        return user || !user_page || !(x->cr[4] & X86_CR4_SMEP);
    }
    if (!user && user_page && w->mmu == SOFT_MMU_SMAP) {
        return false;
    }
    if (w->acc == SOFT_WRITE && !(w->rights & PTE_W)) {
        return !user && !(x->cr[0] & X86_CR0_WP);
    }
    return true;
}

static bool walk_leaf(Walk *w, SoftMapping *ret)
{
    uint64_t mask = (UINT64_C(1) << w->shift) - 1;
    uint64_t pa;
    uint64_t large = w->shift > SOFT_PAGE_BITS ? mask & ~UINT64_C(0xfff) : 0;
    Walk wr = *w;

    if (w->entry_size == 4 && large) {
        /* PSE-36: bits 20:13 are bits 39:32 of the address. */
        if (w->entry & (1 << 21)) {
            walk_fault(w, PF_P | PF_RSVD);
        }
        pa = (w->entry & 0xffc00000) | extract64(w->entry, 13, 8) << 32;
    } else {
        if (w->entry_size == 8 && (w->entry & large & ~PTE_PAT_LARGE)) {
            walk_fault(w, PF_P | PF_RSVD);
        }
        pa = w->entry & (w->entry_size == 8 ? PTE_ADDR : 0xfffff000) & ~mask;
    }
    if (walk_key_forbids(w)) {
        walk_fault(w, PF_P | PF_PK);
    }
    if (!walk_allowed(w)) {
        walk_fault(w, PF_P);
    }
    if (!walk_update(w, PTE_A | (w->acc == SOFT_WRITE ? PTE_D : 0))) {
        return false;
    }
    wr.acc = SOFT_WRITE;
    ret->writable =
        (w->entry & PTE_D) && walk_allowed(&wr) && !walk_key_forbids(&wr);
    ret->large = large != 0;
    ret->large_base = w->lin & ~mask;
    ret->large_size = mask + 1;
    ret->phys = (pa | (w->lin & mask)) & SOFT_PAGE_MASK;
    return true;
}

/* Once through the levels; false: an entry changed meanwhile. */
static bool walk_levels(Walk *w, uint64_t table, unsigned level,
                        SoftMapping *ret)
{
    unsigned bits = w->entry_size == 8 ? 9 : 10;
    bool leaf;

    for (;; level--) {
        unsigned idx;

        w->shift = SOFT_PAGE_BITS + bits * (level - 1);
        idx = extract64(w->lin, w->shift, bits);
        if (!walk_entry(w, table + idx * w->entry_size, level, &leaf)) {
            return false;
        }
        if (leaf) {
            return walk_leaf(w, ret);
        }
        table = w->entry & (w->entry_size == 8 ? PTE_ADDR : 0xfffff000);
    }
}

static bool walk_pae(Walk *w, SoftMapping *ret)
{
    uint64_t pdpte = w->s->x->pdptrs[extract64(w->lin, 30, 2)];

    if (!(pdpte & PTE_P)) {
        walk_fault(w, 0);
    }
    return walk_levels(w, pdpte & PTE_ADDR, 2, ret);
}

void soft_walk(SoftCpu *s, uint64_t lin, SoftAccess acc, unsigned mmu,
               SoftMapping *ret)
{
    X86Cpu *x = s->x;
    bool done;

    memset(ret, 0, sizeof(*ret));
    if (!(x->cr[0] & X86_CR0_PG)) {
        ret->phys = lin & SOFT_PAGE_MASK;
        ret->writable = true;
        done = true;
    } else {
        done = false;
    }
    while (!done) {
        Walk w = { .s = s,
                   .lin = lin,
                   .acc = acc,
                   .mmu = mmu == SOFT_MMU_ALIGN ? SOFT_MMU_USER : mmu,
                   .rights = PTE_W | PTE_U,
                   .entry_size = 8 };

        w.reserved = walk_reserved(&w);
        if (x->efer & X86_EFER_LMA) {
            done = walk_levels(&w, x->cr[3] & PTE_ADDR,
                               x->cr[4] & X86_CR4_LA57 ? 5 : 4, ret);
        } else if (x->cr[4] & X86_CR4_PAE) {
            done = walk_pae(&w, ret);
        } else {
            w.entry_size = 4;
            w.reserved = 0;
            done = walk_levels(&w, x->cr[3] & 0xfffff000, 2, ret);
        }
    }
    ret->phys &= (int64_t)s->a20_mask;
}
