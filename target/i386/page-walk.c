/*
 * All mappings of a CPU's page tables.
 *
 * Intel SDM volume 3, chapter 4: 32-bit, PAE, 4-level and 5-level paging.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/page-walk.h"

#include "util/bswap.h"

#define PTE_ADDR UINT64_C(0x000ffffffffff000)

typedef struct Walk {
    const X86Cpu *cpu;
    const X86WalkOps *ops;
    void *opaque;
    unsigned ntables;
    unsigned entry_size;
} Walk;

static uint64_t page_walk_canonical(const Walk *w, uint64_t va)
{
    if (!x86_cpu_long_mode(w->cpu)) {
        return (uint32_t)va;
    }
    return sextract64(va, 0, w->cpu->cr[4] & X86_CR4_LA57 ? 57 : 48);
}

static bool is_leaf(const Walk *w, unsigned level, uint64_t e)
{
    if (level == 1) {
        return true;
    }
    if (!(e & X86_PTE_PS)) {
        return false;
    }
    if (w->entry_size == 4) {
        return w->cpu->cr[4] & X86_CR4_PSE;
    }
    return level == 2 || (level == 3 && x86_cpu_long_mode(w->cpu));
}

static uint64_t leaf_address(const Walk *w, unsigned shift, uint64_t e)
{
    if (w->entry_size == 8) {
        return e & PTE_ADDR & ~(BIT_ULL(shift) - 1);
    }
    /* Bits 20:13 are address bits 39:32 (PSE-36). */
    return shift == 12 ? e & 0xfffff000
                       : (e & 0xffc00000) | extract64(e, 13, 8) << 32;
}

static bool walk_table(Walk *w, uint64_t table, unsigned level, uint64_t va,
                       unsigned rights);

static bool walk_entry(Walk *w, unsigned level, uint64_t va, unsigned rights,
                       uint64_t e)
{
    unsigned bits = w->entry_size == 8 ? 9 : 10;
    unsigned shift = 12 + bits * (level - 1);

    if (!(e & X86_PTE_P)) {
        return true;
    }
    /* The PAE's pointers have no rights of their own. */
    if (level < 3 || x86_cpu_long_mode(w->cpu)) {
        rights &= (unsigned)e;
    }
    if (is_leaf(w, level, e)) {
        const X86Mapping m = {
            .va = page_walk_canonical(w, va),
            .size = BIT_ULL(shift),
            .pa = leaf_address(w, shift, e),
            .entry = e,
            .rights = rights,
        };

        return w->ops->leaf(w->opaque, &m);
    }
    return walk_table(w, e & (w->entry_size == 8 ? PTE_ADDR : 0xfffff000),
                      level - 1, va, rights);
}

static bool walk_table(Walk *w, uint64_t table, unsigned level, uint64_t va,
                       unsigned rights)
{
    unsigned bits = w->entry_size == 8 ? 9 : 10;
    unsigned n = level == 3 && !x86_cpu_long_mode(w->cpu) ? 4 : 1U << bits;
    g_autofree uint8_t *buf = g_malloc(n * w->entry_size);

    if (++w->ntables > X86_WALK_TABLES_MAX) {
        return false;
    }
    if (!w->ops->read(w->opaque, table, buf, n * w->entry_size)) {
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t e =
            w->entry_size == 8 ? ldq_le_p(buf + 8 * i) : ldl_le_p(buf + 4 * i);
        uint64_t at = va | (uint64_t)i << (12 + bits * (level - 1));

        if (!walk_entry(w, level, at, rights, e)) {
            return false;
        }
    }
    return true;
}

bool x86_cpu_walk_pages(const X86Cpu *cpu, const X86WalkOps *ops, void *opaque)
{
    Walk w = { .cpu = cpu, .ops = ops, .opaque = opaque };
    const unsigned all = X86_PTE_U | X86_PTE_W;

    if (!(cpu->cr[0] & X86_CR0_PG)) {
        return true;
    }
    w.entry_size = cpu->cr[4] & X86_CR4_PAE ? 8 : 4;
    if (x86_cpu_long_mode(cpu)) {
        return walk_table(&w, cpu->cr[3] & PTE_ADDR,
                          cpu->cr[4] & X86_CR4_LA57 ? 5 : 4, 0, all);
    }
    if (w.entry_size == 8) {
        return walk_table(&w, cpu->cr[3] & 0xffffffe0, 3, 0, all);
    }
    return walk_table(&w, cpu->cr[3] & 0xfffff000, 2, 0, all);
}
