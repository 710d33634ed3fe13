/*
 * The memory map that firmware and kernels are told: ACPI 6.4, 15.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_E820_H
#define HW_I386_E820_H

#include "util/base.h"

typedef enum E820Type {
    E820_RAM = 1,
    E820_RESERVED = 2,
} E820Type;

typedef struct E820Entry {
    uint64_t addr, size; /* bytes */
    uint32_t type;       /* E820Type */
} E820Entry;

#define E820_ENTRY_SIZE 20 /* bytes, as firmware and zero page have it */

/* Entries as firmware reads them, little endian; the caller frees it. */
uint8_t *e820_pack(const GArray *entries, size_t *ret_len);
/*
 * The map of a machine without firmware: RAM of `entries` less the legacy
 * area from 0x9fc00 to 1 MiB, which is reserved.
 */
GArray *e820_without_bios(const GArray *entries);

#endif
