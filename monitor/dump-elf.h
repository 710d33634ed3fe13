/*
 * A memory dump's headers: an ELF core file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_DUMP_ELF_H
#define MONITOR_DUMP_ELF_H

#include "util/base.h"

struct Vm;

/* Guest RAM that is written in one piece. */
typedef struct DumpBlock {
    uint64_t addr, size; /* guest-physical */
    uint64_t offset;     /* in the file; dump_elf_headers() sets it */
} DumpBlock;

/* A guest-virtual range and where it is; of page tables. */
typedef struct DumpMapping {
    uint64_t va, pa, size;
} DumpMapping;

/* What comes behind the last block. */
#define DUMP_ELF_TAIL      "\0.shstrtab"
#define DUMP_ELF_TAIL_SIZE sizeof(DUMP_ELF_TAIL)

/*
 * What comes before the first block: header, sections, a segment for each
 * block or each mapped part of one, notes with the state of every CPU.  Blocks
 * and mappings (NULL: none) ascend by address.  vm_lock held, the guest stands.
 */
GByteArray *dump_elf_headers(struct Vm *vm, GArray *blocks,
                             const GArray *mappings);

#endif
