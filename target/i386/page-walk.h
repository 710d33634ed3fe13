/*
 * All mappings of a CPU's page tables, for the monitor and for dumps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_PAGE_WALK_H
#define TARGET_I386_PAGE_WALK_H

#include "target/i386/cpu.h"

/* Bits of an entry: Intel SDM volume 3, 4.3 to 4.5. */
enum {
    X86_PTE_P = 1 << 0,
    X86_PTE_W = 1 << 1,
    X86_PTE_U = 1 << 2,
    X86_PTE_PWT = 1 << 3,
    X86_PTE_PCD = 1 << 4,
    X86_PTE_A = 1 << 5,
    X86_PTE_D = 1 << 6,
    X86_PTE_PS = 1 << 7,
    X86_PTE_G = 1 << 8,
};
#define X86_PTE_NX UINT64_C(0x8000000000000000)

/*
 * Tables that point to each other make a few pages of guest memory look like
 * more mappings than anybody could use.
 */
enum { X86_WALK_TABLES_MAX = 1 << 16 };

typedef struct X86Mapping {
    uint64_t va, size; /* va canonical; size: of the page */
    uint64_t pa;
    uint64_t entry;  /* the last level's */
    unsigned rights; /* X86_PTE_U and X86_PTE_W of all levels */
} X86Mapping;

typedef struct X86WalkOps {
    /* Guest-physical memory; false: nothing is there. */
    bool (*read)(void *opaque, uint64_t pa, void *buf, size_t len);
    /* In ascending order of va; false ends the walk. */
    bool (*leaf)(void *opaque, const X86Mapping *m);
} X86WalkOps;

/*
 * With paging off there is nothing to walk.  False: it was ended, by leaf()
 * or as there were too many tables.
 */
bool x86_cpu_walk_pages(const X86Cpu *cpu, const X86WalkOps *ops, void *opaque);

#endif
