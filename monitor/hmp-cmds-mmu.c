/*
 * Human monitor: the mappings of the current CPU's page tables.
 *
 * Intel SDM volume 3, chapter 4: 32-bit, PAE, 4-level and 5-level paging.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "target/i386/cpu.h"
#include "util/bswap.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_PWT = 1 << 3,
    PTE_PCD = 1 << 4,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX   (UINT64_C(1) << 63)
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

/*
 * Tables that point to each other make a few pages of guest memory look like
 * more mappings than anybody could print.
 */
enum { TABLES_MAX = 1 << 16 };

typedef struct Mapping {
    uint64_t va, size;
    uint64_t pa;
    uint64_t entry;  /* the last level's */
    unsigned rights; /* PTE_U and PTE_W of all levels */
} Mapping;

typedef struct Walk {
    HmpOut *out;
    const X86Cpu *cpu;
    void (*leaf)(struct Walk *w, const Mapping *m);
    unsigned ntables;
    unsigned entry_size;
    /* info mem: what is not printed yet; size 0: nothing. */
    uint64_t run_va, run_size;
    unsigned run_rights;
} Walk;

static uint64_t canonical(const Walk *w, uint64_t va)
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
    if (!(e & PTE_PS)) {
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

    if (!(e & PTE_P)) {
        return true;
    }
    /* The PAE's pointers have no rights of their own. */
    if (level < 3 || x86_cpu_long_mode(w->cpu)) {
        rights &= (unsigned)e;
    }
    if (is_leaf(w, level, e)) {
        const Mapping m = {
            .va = canonical(w, va),
            .size = BIT_ULL(shift),
            .pa = leaf_address(w, shift, e),
            .entry = e,
            .rights = rights,
        };

        w->leaf(w, &m);
        return !w->out->full;
    }
    return walk_table(w, e & (w->entry_size == 8 ? PTE_ADDR : 0xfffff000),
                      level - 1, va, rights);
}

/* False: there are too many, or too much was printed. */
static bool walk_table(Walk *w, uint64_t table, unsigned level, uint64_t va,
                       unsigned rights)
{
    unsigned bits = w->entry_size == 8 ? 9 : 10;
    unsigned n = level == 3 && !x86_cpu_long_mode(w->cpu) ? 4 : 1U << bits;
    g_autofree uint8_t *buf = g_malloc(n * w->entry_size);

    if (++w->ntables > TABLES_MAX) {
        return false;
    }
    if (address_space_read(&w->out->vm->mem.memory, table, buf,
                           n * w->entry_size) != MEM_OK) {
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

static bool walk_all(Walk *w)
{
    const X86Cpu *c = w->cpu;
    const unsigned all = PTE_U | PTE_W;

    w->entry_size = c->cr[4] & X86_CR4_PAE ? 8 : 4;
    if (x86_cpu_long_mode(c)) {
        return walk_table(w, c->cr[3] & PTE_ADDR,
                          c->cr[4] & X86_CR4_LA57 ? 5 : 4, 0, all);
    }
    if (w->entry_size == 8) {
        return walk_table(w, c->cr[3] & 0xffffffe0, 3, 0, all);
    }
    return walk_table(w, c->cr[3] & 0xfffff000, 2, 0, all);
}

static void show_mappings(HmpOut *out, void (*leaf)(Walk *, const Mapping *),
                          void (*end)(Walk *))
{
    Vcpu *cpu = hmp_current_cpu(out);
    Walk w = { .out = out, .leaf = leaf };
    GError *err = NULL;
    bool whole;

    if (cpu == NULL) {
        return;
    }
    if (cpu->x86 == NULL) {
        hmp_printf(out, "No CPU available\n");
        return;
    }
    if (!vcpu_sync_state(cpu, &err)) {
        hmp_error(out, err);
        return;
    }
    w.cpu = cpu->x86;
    if (!(w.cpu->cr[0] & X86_CR0_PG)) {
        hmp_printf(out, "PG disabled\n");
        return;
    }
    whole = walk_all(&w);
    if (end != NULL) {
        end(&w);
    }
    if (!whole && !out->full) {
        hmp_printf(out, "... and more: the first %d page tables are shown\n",
                   TABLES_MAX);
    }
}

static void print_tlb(Walk *w, const Mapping *m)
{
    static const struct {
        uint64_t bit;
        char letter;
    } f[] = {
        { PTE_NX, 'X' },  { PTE_G, 'G' }, { PTE_PS, 'P' },
        { PTE_D, 'D' },   { PTE_A, 'A' }, { PTE_PCD, 'C' },
        { PTE_PWT, 'T' }, { PTE_U, 'U' }, { PTE_W, 'W' },
    };
    char flags[G_N_ELEMENTS(f) + 1] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(f); i++) {
        bool is = m->entry & f[i].bit;

        /* In a page's entry the bit is part of the memory type. */
        if (f[i].bit == PTE_PS && m->size == 4096) {
            is = false;
        }
        flags[i] = is ? f[i].letter : '-';
    }
    hmp_printf(w->out, "%016" PRIx64 ": %016" PRIx64 " %s\n", m->va, m->pa,
               flags);
}

void hmp_info_tlb(HmpOut *out, const HmpArgs *a)
{
    show_mappings(out, print_tlb, NULL);
}

static void flush_run(Walk *w)
{
    if (w->run_size != 0) {
        hmp_printf(w->out,
                   "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n",
                   w->run_va, w->run_va + w->run_size, w->run_size,
                   w->run_rights & PTE_U ? 'u' : '-',
                   w->run_rights & PTE_W ? 'w' : '-');
    }
    w->run_size = 0;
}

static void add_to_run(Walk *w, const Mapping *m)
{
    if (w->run_size == 0 || w->run_va + w->run_size != m->va ||
        w->run_rights != m->rights) {
        flush_run(w);
        w->run_va = m->va;
        w->run_rights = m->rights;
    }
    w->run_size += m->size;
}

void hmp_info_mem(HmpOut *out, const HmpArgs *a)
{
    show_mappings(out, add_to_run, flush_run);
}
