/*
 * ACPI tables of NUMA nodes: which CPUs and memory are near each other (SRAT)
 * and how far nodes are (SLIT).
 *
 * Advanced Configuration and Power Interface 6.3, sections 5.2.16, 5.2.17.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

enum {
    SRAT_LAPIC = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,
    SRAT_ENABLED = 1,
    SRAT_LAPICS = 255, /* APIC IDs that fit the first form */
};
/* What the video memory and ROMs take of the first node. */
#define HOLE_BEGIN UINT64_C(0xa0000)
#define HOLE_END   UINT64_C(0x100000)
#define FOUR_GIB   (UINT64_C(4) << 30)

static void put_srat_cpu(AcpiTables *t, const AcpiCpu *cpu)
{
    if (cpu->apic_id < SRAT_LAPICS) {
        acpi_put(t, SRAT_LAPIC, 1);
        acpi_put(t, 16, 1);
        acpi_put(t, cpu->node & 0xff, 1);
        acpi_put(t, cpu->apic_id, 1);
        acpi_put(t, SRAT_ENABLED, 4);
        acpi_put(t, 0, 1);
        acpi_put(t, cpu->node >> 8, 3);
        acpi_put(t, 0, 4);
        return;
    }
    acpi_put(t, SRAT_X2APIC, 1);
    acpi_put(t, 24, 1);
    acpi_put(t, 0, 2);
    acpi_put(t, cpu->node, 4);
    acpi_put(t, cpu->apic_id, 4);
    acpi_put(t, SRAT_ENABLED, 4);
    acpi_put(t, 0, 8);
}

static void put_srat_memory(AcpiTables *t, unsigned node, uint64_t base,
                            uint64_t len, uint32_t flags)
{
    acpi_put(t, SRAT_MEMORY, 1);
    acpi_put(t, 40, 1);
    acpi_put(t, node, 4);
    acpi_put(t, 0, 2);
    acpi_put(t, base, 8);
    acpi_put(t, len, 8);
    acpi_put(t, 0, 4);
    acpi_put(t, flags, 4);
    acpi_put(t, 0, 8);
}

/* The part of [base, end) that lies in [from, to), moved by `shift`. */
static unsigned put_part(AcpiTables *t, unsigned node, uint64_t base,
                         uint64_t end, uint64_t from, uint64_t to,
                         uint64_t shift)
{
    uint64_t first = MAX(base, from), last = MIN(end, to);

    if (first >= last) {
        return 0;
    }
    put_srat_memory(t, node, first + shift, last - first, SRAT_ENABLED);
    return 1;
}

void acpi_put_srat(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t off = acpi_table_begin(t, "SRAT", 1);
    uint64_t base = 0, low = c->ram_below_4g;
    unsigned n = 0;

    acpi_put(t, 1, 4);
    acpi_put(t, 0, 8);
    for (unsigned i = 0; i < c->ncpus; i++) {
        put_srat_cpu(t, &c->cpus[i]);
    }
    for (unsigned i = 0; i < c->nnodes; i++) {
        uint64_t end = base + c->node_sizes[i];

        n += put_part(t, i, base, end, 0, HOLE_BEGIN, 0);
        n += put_part(t, i, base, end, HOLE_END, low, 0);
        n += put_part(t, i, base, end, low, UINT64_MAX, FOUR_GIB - low);
        base = end;
    }
    /* Always as many: the table's size doesn't depend on where nodes end. */
    for (; n < c->nnodes + 2; n++) {
        put_srat_memory(t, 0, 0, 0, 0);
    }
    acpi_table_end(t, off, true);
}

void acpi_put_slit(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t off = acpi_table_begin(t, "SLIT", 1);

    acpi_put(t, c->nnodes, 8);
    acpi_put_bytes(t, c->distances, (size_t)c->nnodes * c->nnodes);
    acpi_table_end(t, off, true);
}
