/*
 * Builds migration streams piece by piece, right ones and wrong ones, for a
 * machine with a RAM block "pc.ram" and two devices "toy".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LOADVM_SCRIPT_H
#define TESTS_UNIT_LOADVM_SCRIPT_H

#include "migration/configuration.h"
#include "migration/wire.h"
#include "system/ramblock.h"
#include "util/bswap.h"

#define MACHINE "pc-test-1.0"

static const StreamConfig script_config = { .machine = MACHINE };

enum { SCRIPT_RAM_ID = 2, SCRIPT_PAGES = 4, SCRIPT_TOY_ID = 0x0a0b0c0d };

static inline void put(GByteArray *b, const void *data, size_t len)
{
    g_byte_array_append(b, data, len);
}

static inline void put8(GByteArray *b, uint8_t v)
{
    put(b, &v, 1);
}

static inline void put16(GByteArray *b, uint16_t v)
{
    uint8_t be[2];

    stw_be_p(be, v);
    put(b, be, sizeof(be));
}

static inline void put32(GByteArray *b, uint32_t v)
{
    uint8_t be[4];

    stl_be_p(be, v);
    put(b, be, sizeof(be));
}

static inline void put64(GByteArray *b, uint64_t v)
{
    uint8_t be[8];

    stq_be_p(be, v);
    put(b, be, sizeof(be));
}

static inline void put_name(GByteArray *b, const char *name)
{
    put8(b, strlen(name));
    put(b, name, strlen(name));
}

static inline void put_head(GByteArray *b)
{
    put32(b, WIRE_MAGIC);
    put32(b, WIRE_VERSION);
    put8(b, WIRE_CONFIGURATION);
    put32(b, strlen(MACHINE));
    put(b, MACHINE, strlen(MACHINE));
}

static inline void put_footer(GByteArray *b, uint32_t id)
{
    put8(b, WIRE_FOOTER);
    put32(b, id);
}

static inline void put_section(GByteArray *b, uint8_t type, uint32_t id,
                               const char *name, uint32_t instance,
                               uint32_t version)
{
    put8(b, type);
    put32(b, id);
    put_name(b, name);
    put32(b, instance);
    put32(b, version);
}

static inline void put_ram_start(GByteArray *b)
{
    const uint64_t size = SCRIPT_PAGES * RAM_PAGE_SIZE;

    put_section(b, WIRE_SECTION_START, SCRIPT_RAM_ID, "ram", 0,
                RAM_SECTION_VERSION);
    put64(b, size | RAM_REC_MEM_SIZE);
    put_name(b, "pc.ram");
    put64(b, size);
    put64(b, RAM_REC_EOS);
    put_footer(b, SCRIPT_RAM_ID);
}

static inline void put_ram_part(GByteArray *b, uint8_t type, uint8_t fill)
{
    put8(b, type);
    put32(b, SCRIPT_RAM_ID);
    put64(b, RAM_REC_FILL);
    put_name(b, "pc.ram");
    put8(b, fill);
    put64(b, RAM_REC_EOS);
    put_footer(b, SCRIPT_RAM_ID);
}

/* A guest that stood from the beginning. */
static inline void put_ram(GByteArray *b)
{
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
}

/* Fields of a toy; `count` items and a blob of that many bytes. */
static inline void put_toy_fields(GByteArray *b, uint16_t count, uint8_t last)
{
    put8(b, 0x11);
    put16(b, count);
    for (unsigned i = 0; i < count; i++) {
        put32(b, 100 + i);
    }
    put32(b, 0x22222222); /* inner */
    put32(b, count);
    for (unsigned i = 0; i < count; i++) {
        put8(b, 0x30 + i);
    }
    put8(b, last);
}

static inline void put_toy(GByteArray *b, uint32_t instance)
{
    put_section(b, WIRE_SECTION_FULL, SCRIPT_TOY_ID, "toy", instance, 3);
    put_toy_fields(b, 3, 0x44);
    put8(b, 0x05);
    put_name(b, "toy/sub");
    put32(b, 1);
    put32(b, 0x55555555);
    put_footer(b, SCRIPT_TOY_ID);
}

static inline void put_good(GByteArray *b)
{
    put_head(b);
    put_ram_start(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xaa);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
    put_toy(b, 0);
    put_toy(b, 1);
    put8(b, WIRE_EOF);
}

#endif
