/*
 * Human monitor: the mappings of the current CPU's page tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "target/i386/page-walk.h"

typedef struct Walk {
    HmpOut *out;
    /* info mem: what is not printed yet; size 0: nothing. */
    uint64_t run_va, run_size;
    unsigned run_rights;
} Walk;

static bool read_table(void *opaque, uint64_t pa, void *buf, size_t len)
{
    const Walk *w = opaque;

    return address_space_read(&w->out->vm->mem.memory, pa, buf, len) == MEM_OK;
}

static void show_mappings(HmpOut *out,
                          bool (*leaf)(void *opaque, const X86Mapping *m),
                          void (*end)(Walk *))
{
    const X86WalkOps ops = { .read = read_table, .leaf = leaf };
    Vcpu *cpu = hmp_current_cpu(out);
    Walk w = { .out = out };
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
    if (!(cpu->x86->cr[0] & X86_CR0_PG)) {
        hmp_printf(out, "PG disabled\n");
        return;
    }
    whole = x86_cpu_walk_pages(cpu->x86, &ops, &w);
    if (end != NULL) {
        end(&w);
    }
    if (!whole && !out->full) {
        hmp_printf(out, "... and more: the first %d page tables are shown\n",
                   X86_WALK_TABLES_MAX);
    }
}

static bool print_tlb(void *opaque, const X86Mapping *m)
{
    const Walk *w = opaque;
    static const struct {
        uint64_t bit;
        char letter;
    } f[] = {
        { X86_PTE_NX, 'X' },  { X86_PTE_G, 'G' }, { X86_PTE_PS, 'P' },
        { X86_PTE_D, 'D' },   { X86_PTE_A, 'A' }, { X86_PTE_PCD, 'C' },
        { X86_PTE_PWT, 'T' }, { X86_PTE_U, 'U' }, { X86_PTE_W, 'W' },
    };
    char flags[G_N_ELEMENTS(f) + 1] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(f); i++) {
        bool is = m->entry & f[i].bit;

        /* In a page's entry the bit is part of the memory type. */
        if (f[i].bit == X86_PTE_PS && m->size == 4096) {
            is = false;
        }
        flags[i] = is ? f[i].letter : '-';
    }
    hmp_printf(w->out, "%016" PRIx64 ": %016" PRIx64 " %s\n", m->va, m->pa,
               flags);
    return !w->out->full;
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
                   w->run_rights & X86_PTE_U ? 'u' : '-',
                   w->run_rights & X86_PTE_W ? 'w' : '-');
    }
    w->run_size = 0;
}

static bool add_to_run(void *opaque, const X86Mapping *m)
{
    Walk *w = opaque;

    if (w->run_size == 0 || w->run_va + w->run_size != m->va ||
        w->run_rights != m->rights) {
        flush_run(w);
        w->run_va = m->va;
        w->run_rights = m->rights;
    }
    w->run_size += m->size;
    return !w->out->full;
}

void hmp_info_mem(HmpOut *out, const HmpArgs *a)
{
    show_mappings(out, add_to_run, flush_run);
}
