/*
 * Which RAM there is, and page tables for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    MAX_SEGMENTS = 16,
    E820_RAM = 1,
};

typedef struct __attribute__((packed)) E820Entry {
    uint64_t addr, len;
    uint32_t type;
} E820Entry;

typedef struct Segment {
    uint64_t addr;
    uint64_t npages;
} Segment;

static struct {
    uint64_t total;
    uint64_t npages;
    uint64_t taken, take_end; /* what memory_take() gives out */
    unsigned nsegments;
    Segment segments[MAX_SEGMENTS];
} memory;

static void segment_add(uint64_t start, uint64_t end)
{
    start = (start + PAGE_SIZE - 1) & -(uint64_t)PAGE_SIZE;
    end &= -(uint64_t)PAGE_SIZE;
    if (start >= end || memory.nsegments == MAX_SEGMENTS) {
        return;
    }
    memory.segments[memory.nsegments].addr = start;
    memory.segments[memory.nsegments].npages = (end - start) / PAGE_SIZE;
    memory.npages += (end - start) / PAGE_SIZE;
    memory.nsegments++;
}

/* Map what a range of RAM needs; what is mapped stays as it is. */
static void map(uint64_t start, uint64_t end, uint64_t leaf)
{
    uint64_t *pdpt = (uint64_t *)(uintptr_t)PT_PDPT;

    start &= -(2 * MIB);
    for (uint64_t a = start; a < end; a += 2 * MIB) {
        uint64_t gib = a >> 30;
        uint64_t *pd = (uint64_t *)(uintptr_t)PT_PD(gib);

        if (!(pdpt[gib] & 1)) {
            memset(pd, 0, PAGE_SIZE);
            pdpt[gib] = (uintptr_t)pd | PT_TABLE;
        }
        if (!(pd[a >> 21 & 511] & 1)) {
            pd[a >> 21 & 511] = a | leaf;
        }
    }
}

static void ram_add(uint64_t start, uint64_t end, uint64_t reserved_end)
{
    if (end > (uint64_t)PT_PDS << 30) {
        end = (uint64_t)PT_PDS << 30;
    }
    if (start >= end) {
        return;
    }
    memory.total += end - start;
    map(start, end, PT_LEAF);
    if (start < reserved_end) {
        if (start == 0 && end >= LOW_FREE_END) {
            segment_add(LOW_FREE_START, LOW_FREE_END);
        }
        start = reserved_end;
    }
    segment_add(start, end);
}

void memory_init(unsigned ncpus, uint64_t reserve)
{
    static E820Entry e820[64];
    uint64_t reserved_end = (uintptr_t)cpu_block(ncpus) + reserve;
    uint64_t size = 0;
    uint16_t key;
    uint32_t len = fwcfg_find("etc/e820", &key);

    memory.taken = reserved_end - reserve;
    memory.take_end = reserved_end;
    if (len > sizeof(e820)) {
        len = sizeof(e820);
    }
    if (len) {
        fwcfg_read(key, e820, len);
        for (unsigned i = 0; i < len / sizeof(e820[0]); i++) {
            if (e820[i].type == E820_RAM) {
                ram_add(e820[i].addr, e820[i].addr + e820[i].len, reserved_end);
            }
        }
    } else if (fwcfg_read(FWCFG_RAM_SIZE, &size, sizeof(size)) && size) {
        /* Below 3 GiB every machine type has it in one piece. */
        ram_add(0, size < 3072 * MIB ? size : 3072 * MIB, reserved_end);
    } else {
        ram_add(0, 16 * MIB, reserved_end);
    }
}

void *memory_take(uint64_t size, uint64_t align)
{
    uint64_t start = (memory.taken + align - 1) & -align;

    /* In one piece below 3 GiB, from address 0: see ram_add(). */
    if (size > memory.take_end - start || start + size > memory.total) {
        say("FAIL memory: %u bytes more needed", size);
        guest_quit(0x7e);
    }
    memory.taken = start + size;
    memset((void *)start, 0, size);
    return (void *)start;
}

void memory_map_mmio(uint64_t start, uint64_t size)
{
    map(start, start + size, PT_MMIO);
}

uint64_t memory_total(void)
{
    return memory.total;
}

uint64_t memory_npages(void)
{
    return memory.npages;
}

uint64_t memory_page_index(uint64_t addr)
{
    uint64_t index = 0;

    for (unsigned i = 0; i < memory.nsegments; i++) {
        const Segment *s = &memory.segments[i];

        if (addr <= s->addr) {
            return index;
        }
        if (addr < s->addr + s->npages * PAGE_SIZE) {
            return index + (addr - s->addr) / PAGE_SIZE;
        }
        index += s->npages;
    }
    return index;
}

uint64_t *memory_page(uint64_t index)
{
    for (unsigned i = 0; i < memory.nsegments; i++) {
        const Segment *s = &memory.segments[i];

        if (index < s->npages) {
            return (uint64_t *)(s->addr + index * PAGE_SIZE);
        }
        index -= s->npages;
    }
    return (uint64_t *)memory.segments[0].addr;
}
