/*
 * The memory map that firmware and kernels are told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/e820.h"

#include "util/bswap.h"

/* Where an extended BIOS data area would begin, and where RAM goes on. */
#define LEGACY_START UINT64_C(0x9fc00)
#define LEGACY_END   UINT64_C(0x100000)

uint8_t *e820_pack(const GArray *entries, size_t *ret_len)
{
    uint8_t *buf = g_malloc0((size_t)entries->len * E820_ENTRY_SIZE + 1);

    for (unsigned i = 0; i < entries->len; i++) {
        const E820Entry *e = &g_array_index(entries, E820Entry, i);
        uint8_t *p = buf + (size_t)i * E820_ENTRY_SIZE;

        stq_le_p(p, e->addr);
        stq_le_p(p + 8, e->size);
        stl_le_p(p + 16, e->type);
    }
    *ret_len = (size_t)entries->len * E820_ENTRY_SIZE;
    return buf;
}

static void e820_append(GArray *out, uint64_t from, uint64_t to, uint32_t type)
{
    if (from < to) {
        const E820Entry e = { .addr = from, .size = to - from, .type = type };

        g_array_append_val(out, e);
    }
}

GArray *e820_without_bios(const GArray *entries)
{
    GArray *out = g_array_new(FALSE, FALSE, sizeof(E820Entry));
    bool legacy = false;

    for (unsigned i = 0; i < entries->len; i++) {
        const E820Entry *e = &g_array_index(entries, E820Entry, i);
        uint64_t end = e->addr + e->size;

        if (e->type != E820_RAM) {
            g_array_append_val(out, *e);
            continue;
        }
        e820_append(out, e->addr, MIN(end, LEGACY_START), E820_RAM);
        if (!legacy) {
            e820_append(out, LEGACY_START, LEGACY_END, E820_RESERVED);
            legacy = true;
        }
        e820_append(out, MAX(e->addr, LEGACY_END), end, E820_RAM);
    }
    return out;
}
