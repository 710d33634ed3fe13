/*
 * A board's ACPI tables in the files and RAM blocks from which firmware takes
 * them.
 *
 * The blocks move with a migration, and so a guest's firmware reads the same
 * tables after it that it would have read before.
 * Stream: "acpi_build" version 1 (pc only), ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/acpi-build.h"

#include "hw/core/numa.h"
#include "hw/intc/ioapic.h"
#include "system/vm.h"
#include "target/i386/cpu-model.h"
#include "util/error.h"
#include "util/log.h"

enum {
    ACPI_TABLES_UNIT = 128 * 1024,
    ACPI_TABLES_MAX = 2 * 1024 * 1024,
    ACPI_LOADER_UNIT = 4096,
    ACPI_LOADER_MAX = 64 * 1024,
    ACPI_RSDP_MAX = 4096,
    ACPI_PAGE = 4096,
    ACPI_LOW_TABLES = X86_ACPI_RSDP + 64,
};

struct AcpiBuild {
    X86Machine *x;
    void (*fill)(X86Machine *x, AcpiConfig *c);
    void (*build)(AcpiTables *t, const AcpiConfig *c);
    bool legacy;
    uint8_t patched; /* firmware has the tables; migrated */
    VmstateEntry *vmstate;
    RamBlock *tables, *loader, *rsdp;
};

static const Vmstate acpi_build_vmstate = {
    .name = "acpi_build",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(AcpiBuild, patched), VMSTATE_END },
};

/* What doesn't depend on the kind of board; the caller frees c->cpus. */
static void acpi_fill_common(X86Machine *x, AcpiConfig *c)
{
    const CpuTopology *smp = &x->m.smp;
    const X86Topology topo = { smp->dies, smp->cores, smp->threads };
    AcpiCpu *cpus = g_new0(AcpiCpu, smp->max_cpus);

    for (unsigned i = 0; i < smp->max_cpus; i++) {
        cpus[i].apic_id = x86_topology_apic_id(&topo, i);
        cpus[i].present = i < x->m.vm->nvcpus;
        cpus[i].node = MAX(numa_node_of_cpu(&x->m, i), 0);
    }
    *c = (AcpiConfig){
        .ids = { x->oem_id != NULL ? x->oem_id : "BOCHS ",
                 x->oem_table_id != NULL ? x->oem_table_id : "BXPC    " },
        .cpus = cpus,
        .ncpus = smp->max_cpus,
        .ioapics[0] = { .id = 0, .addr = IOAPIC_ADDR },
        .nioapics = 1,
        .rtc = x->rtc != NULL,
    };
}

static void free_functions(AcpiPciFunction *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free_functions(f[i].below, f[i].nbelow);
    }
    g_free(f);
}

/* What -numa said; the caller frees c->node_sizes and c->distances. */
static void acpi_fill_numa(const X86Machine *x, AcpiConfig *c)
{
    const Numa *n = x->m.numa;
    unsigned nnodes = numa_count(&x->m);
    uint64_t *sizes = g_new0(uint64_t, nnodes);
    uint8_t *distances = NULL;

    for (unsigned i = 0; i < nnodes; i++) {
        sizes[i] = n->nodes[i].size;
    }
    if (nnodes > 0 && n->has_distances) {
        distances = g_malloc((size_t)nnodes * nnodes);
        for (unsigned i = 0; i < nnodes; i++) {
            memcpy(distances + (size_t)i * nnodes, n->distance[i], nnodes);
        }
    }
    c->nnodes = nnodes;
    c->node_sizes = sizes;
    c->distances = distances;
    c->ram_below_4g = x->below_4g;
}

static void acpi_make(AcpiBuild *b, AcpiTables *t)
{
    AcpiConfig c;

    acpi_fill_common(b->x, &c);
    acpi_fill_numa(b->x, &c);
    b->fill(b->x, &c);
    acpi_tables_init(t, &c.ids);
    t->user = b->x->acpi_user;
    b->build(t, &c);
    g_free((gpointer)c.cpus);
    free_functions(c.root.below, c.root.nbelow);
    g_free((gpointer)c.node_sizes);
    g_free((gpointer)c.distances);
    if (b->legacy) {
        guint tables = t->tables->len, loader = t->loader->len;

        g_byte_array_set_size(t->tables, ROUND_UP(tables, ACPI_TABLES_UNIT));
        memset(t->tables->data + tables, 0, t->tables->len - tables);
        g_byte_array_set_size(t->loader, ROUND_UP(loader, ACPI_LOADER_UNIT));
        memset(t->loader->data + loader, 0, t->loader->len - loader);
    }
}

/* Content and size of one file; what is there stays if it doesn't fit. */
static bool acpi_store(AcpiBuild *b, RamBlock *rb, const char *name,
                       const GByteArray *data, GError **errp)
{
    RamList *list = &b->x->m.vm->mem.ram;
    uint64_t size = ROUND_UP((uint64_t)data->len, ACPI_PAGE);

    if (size > rb->used_length && !ram_block_resize(list, rb, size, errp)) {
        return false;
    }
    memcpy(rb->host, data->data, data->len);
    memset(rb->host + data->len, 0, rb->used_length - data->len);
    ram_block_set_dirty(list, rb, 0, rb->used_length);
    fw_cfg_set_ram_len(b->x->m.fw_cfg, name, data->len);
    return true;
}

/* The guest's firmware is about to read one of the files. */
static void acpi_select(void *opaque)
{
    AcpiBuild *b = opaque;
    GError *err = NULL;
    AcpiTables t;

    if (b->patched) {
        return;
    }
    b->patched = 1;
    acpi_make(b, &t);
    if (!acpi_store(b, b->tables, FW_CFG_ACPI_TABLES, t.tables, &err) ||
        !acpi_store(b, b->loader, FW_CFG_ACPI_LOADER, t.loader, &err) ||
        !acpi_store(b, b->rsdp, FW_CFG_ACPI_RSDP, t.rsdp, &err)) {
        log_take_error(err);
    }
    acpi_tables_fini(&t);
}

static void acpi_reset(void *opaque)
{
    ((AcpiBuild *)opaque)->patched = 0;
}

static RamBlock *acpi_add_file(AcpiBuild *b, const char *name,
                               const GByteArray *data, uint64_t max,
                               GError **errp)
{
    RamList *list = &b->x->m.vm->mem.ram;
    g_autofree char *block = g_strconcat("/rom@", name, NULL);
    const RamBlockOptions opts = {
        .size = ROUND_UP((uint64_t)data->len, ACPI_PAGE),
        .max_size = max,
        .fd = -1,
        .rom = true,
    };
    RamBlock *rb;

    if (opts.size > max) {
        error_setf(errp, "%s: %u bytes, at most %" PRIu64, name, data->len,
                   max);
        return NULL;
    }
    rb = ram_block_new(list, block, &opts, errp);
    if (rb == NULL) {
        return NULL;
    }
    memcpy(rb->host, data->data, data->len);
    if (!fw_cfg_add_file_ram(b->x->m.fw_cfg, name, rb, data->len, acpi_select,
                             b, errp)) {
        ram_block_free(list, rb);
        return NULL;
    }
    return rb;
}

static bool acpi_add_files(AcpiBuild *b, GError **errp)
{
    AcpiTables t;
    bool ok;

    acpi_make(b, &t);
    b->tables =
        acpi_add_file(b, FW_CFG_ACPI_TABLES, t.tables, ACPI_TABLES_MAX, errp);
    b->loader = b->tables != NULL
                    ? acpi_add_file(b, FW_CFG_ACPI_LOADER, t.loader,
                                    ACPI_LOADER_MAX, errp)
                    : NULL;
    b->rsdp = b->loader != NULL ? acpi_add_file(b, FW_CFG_ACPI_RSDP, t.rsdp,
                                                ACPI_RSDP_MAX, errp)
                                : NULL;
    ok = b->rsdp != NULL;
    acpi_tables_fini(&t);
    return ok;
}

static bool acpi_check_ids(const X86Machine *x, GError **errp)
{
    if (x->oem_id != NULL && strlen(x->oem_id) > 6) {
        error_setf(errp, "x-oem-id '%s': longer than 6 bytes", x->oem_id);
        return false;
    }
    if (x->oem_table_id != NULL && strlen(x->oem_table_id) > 8) {
        error_setf(errp, "x-oem-table-id '%s': longer than 8 bytes",
                   x->oem_table_id);
        return false;
    }
    return true;
}

bool x86_acpi_init(X86Machine *x, void (*fill)(X86Machine *x, AcpiConfig *c),
                   void (*build)(AcpiTables *t, const AcpiConfig *c),
                   bool legacy, GError **errp)
{
    AcpiBuild *b;

    if (!acpi_check_ids(x, errp)) {
        return false;
    }
    b = g_new0(AcpiBuild, 1);
    b->x = x;
    b->fill = fill;
    b->build = build;
    b->legacy = legacy;
    x->acpi = b;
    if (!acpi_add_files(b, errp)) {
        return false;
    }
    vm_add_reset_handler(x->m.vm, acpi_reset, b);
    return true;
}

void x86_acpi_complete(X86Machine *x)
{
    AcpiBuild *b = x->acpi;
    VmstateRegistry *r = x->m.vm->vmstates;

    if (b != NULL && b->legacy && r != NULL) {
        b->vmstate = vmstate_register(r, NULL, -1, &acpi_build_vmstate, b);
    }
}

/* fw_cfg, which pointed at the blocks, is gone by now. */
void x86_acpi_fini(X86Machine *x)
{
    AcpiBuild *b = x->acpi;
    RamList *list = &x->m.vm->mem.ram;

    if (b == NULL) {
        return;
    }
    if (b->vmstate != NULL) {
        vmstate_unregister(x->m.vm->vmstates, b->vmstate);
    }
    vm_del_reset_handler(x->m.vm, acpi_reset, b);
    ram_block_free(list, b->rsdp);
    ram_block_free(list, b->loader);
    ram_block_free(list, b->tables);
    g_clear_pointer(&x->acpi, g_free);
}

bool x86_acpi_plan(X86Machine *x, BootPlan *p, GError **errp)
{
    AcpiTables t;
    bool ok;

    acpi_make(x->acpi, &t);
    acpi_tables_place(&t, ACPI_LOW_TABLES, X86_ACPI_RSDP);
    ok = boot_plan_add_copy(p, "ACPI root pointer", X86_ACPI_RSDP, t.rsdp->data,
                            t.rsdp->len, errp);
    if (ok && t.tables->len > MiB - ACPI_LOW_TABLES) {
        error_setf(errp, "ACPI tables: %u bytes don't fit below 1 MiB",
                   t.tables->len);
        ok = false;
    }
    ok = ok && boot_plan_add_copy(p, "ACPI tables", ACPI_LOW_TABLES,
                                  t.tables->data, t.tables->len, errp);
    acpi_tables_fini(&t);
    return ok;
}
