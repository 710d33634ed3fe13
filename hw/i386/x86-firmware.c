/*
 * What a PC-like board loads: firmware images and kernels, and what it tells
 * them through fw_cfg.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/x86.h"

#include "hw/core/numa.h"
#include "system/vm.h"
#include "target/i386/cpu-model.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/open.h"

#define BIOS_UNIT (64 * KiB)
#define BIOS_MAX  (16 * MiB)

static GBytes *bios_read(const X86Machine *x, const char *name, GError **errp)
{
    g_autofree char *path = machine_find_file(&x->m, name);
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    size_t len;

    if (path == NULL) {
        error_setf(errp, "could not load PC BIOS '%s': no such file", name);
        return NULL;
    }
    if (!read_user_file(path, BIOS_MAX, &data, &len, &err)) {
        error_setf(errp, "could not load PC BIOS '%s': %s", name, err->message);
        return NULL;
    }
    if (len == 0 || len % BIOS_UNIT != 0) {
        error_setf(errp,
                   "could not load PC BIOS '%s': %zu bytes, not a multiple "
                   "of 64 KiB up to 16 MiB",
                   name, len);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), len);
}

bool x86_init_bios(X86Machine *x, const char *dflt, MemoryRegion *parent,
                   uint64_t isa_max, bool rom, GError **errp)
{
    Memory *mem = &x->m.vm->mem;
    uint64_t len, isa_len;

    x->bios_image =
        bios_read(x, x->m.firmware != NULL ? x->m.firmware : dflt, errp);
    if (x->bios_image == NULL) {
        return false;
    }
    len = g_bytes_get_size(x->bios_image);
    if (!memory_region_init_ram(&x->bios, mem, "pc.bios", len, errp)) {
        g_clear_pointer(&x->bios_image, g_bytes_unref);
        return false;
    }
    memory_region_set_readonly(&x->bios, rom);
    isa_len = MIN(len, isa_max);
    memory_region_init_alias(&x->isa_bios, mem, "isa-bios", &x->bios,
                             len - isa_len, isa_len);
    memory_region_set_readonly(&x->isa_bios, rom);
    memory_region_add(parent, MiB - isa_len, &x->isa_bios, 1);
    memory_region_add(parent, (UINT64_C(1) << 32) - len, &x->bios, 0);
    return true;
}

bool x86_read_kernel(X86Machine *x, GError **errp)
{
    Machine *m = &x->m;

    if (m->kernel == NULL) {
        if (m->initrd != NULL || m->append != NULL) {
            error_setf(errp, "-%s only allowed with -kernel option",
                       m->append != NULL ? "append" : "initrd");
            return false;
        }
        return true;
    }
    x->boot_files = boot_files_read(m->kernel, m->initrd, m->append, errp);
    return x->boot_files != NULL;
}

static bool x86_fw_cfg_files(X86Machine *x, GError **errp)
{
    FwCfg *f = x->m.fw_cfg;
    size_t len;
    g_autofree uint8_t *e820 = e820_pack(x->e820, &len);
    uint8_t wait[4];

    /* -1: for ever, which is what no reboot-timeout= means. */
    stl_le_p(wait, x->m.reboot_timeout_ms);
    return fw_cfg_add_file(f, "etc/e820", e820, len, errp) &&
           fw_cfg_add_file(f, "etc/boot-fail-wait", wait, sizeof(wait), errp) &&
           fw_cfg_add_file(f, "bootorder", NULL, 0, errp) &&
           fw_cfg_add_file(f, "bios-geometry", NULL, 0, errp);
}

/* Count of nodes, the node of each APIC ID, the bytes of each node. */
static uint8_t *x86_numa_words(X86Machine *x, unsigned limit, size_t *ret_len)
{
    const Machine *m = &x->m;
    const X86Topology topo = { m->smp.dies, m->smp.cores, m->smp.threads };
    unsigned nnodes = numa_count(m);
    uint8_t *words;

    *ret_len = (size_t)8 * (1 + limit + nnodes);
    words = g_malloc0(*ret_len);
    stq_le_p(words, nnodes);
    for (unsigned i = 0; i < m->smp.max_cpus; i++) {
        int node = numa_node_of_cpu(m, i);

        stq_le_p(words + (size_t)8 * (1 + x86_topology_apic_id(&topo, i)),
                 MAX(node, 0));
    }
    for (unsigned i = 0; i < nnodes; i++) {
        stq_le_p(words + (size_t)8 * (1 + limit + i), m->numa->nodes[i].size);
    }
    return words;
}

bool x86_init_fw_cfg(X86Machine *x, GError **errp)
{
    Machine *m = &x->m;
    FwCfg *f = m->fw_cfg;
    unsigned limit = x86_apic_id_limit(x);
    size_t numa_len;
    g_autofree uint8_t *numa = x86_numa_words(x, limit, &numa_len);

    fw_cfg_add_bytes(f, FW_CFG_UUID, m->vm->uuid, sizeof(m->vm->uuid));
    fw_cfg_add_u64(f, FW_CFG_RAM_SIZE, m->ram_size);
    fw_cfg_add_u16(f, FW_CFG_NOGRAPHIC, !m->graphics);
    fw_cfg_add_u16(f, FW_CFG_NB_CPUS, m->smp.cpus);
    fw_cfg_add_u16(f, FW_CFG_MAX_CPUS, limit);
    fw_cfg_add_bytes(f, FW_CFG_NUMA, numa, numa_len);
    fw_cfg_add_u16(f, FW_CFG_BOOT_MENU, m->boot_menu);
    fw_cfg_add_u32(f, FW_CFG_IRQ0_OVERRIDE, 1);
    return x86_fw_cfg_files(x, errp);
}

static void roms_print_file(GString *out, const Machine *m, const char *name)
{
    const RamBlock *rb;
    g_autofree char *block = g_strconcat("/rom@", name, NULL);

    rb = ram_block_find(&m->vm->mem.ram, block);
    if (rb != NULL) {
        g_string_append_printf(out, "%s size=0x%06" PRIx64 " name=\"%s\"\n",
                               block, rb->max_length, name);
    }
}

void x86_print_roms(const Machine *m, GString *out)
{
    static const char *const option_roms[] = { X86_LINUX_ROM, X86_MULTIBOOT_ROM,
                                               X86_PVH_ROM };
    const X86Machine *x = X86_MACHINE(m);
    size_t len;

    if (x->bios_image != NULL) {
        len = g_bytes_get_size(x->bios_image);
        g_string_append_printf(
            out, "addr=%016" PRIx64 " size=0x%06zx mem=%s name=\"%s\"\n",
            (UINT64_C(1) << 32) - len, len, x->bios.read_only ? "rom" : "ram",
            m->firmware != NULL ? m->firmware : "bios");
    }
    for (unsigned i = 0; x->boot_plan && i < x->boot_plan->blobs->len; i++) {
        const BootBlob *b = g_ptr_array_index(x->boot_plan->blobs, i);

        g_string_append_printf(out,
                               "addr=%016" PRIx64 " size=0x%06" PRIx64
                               " mem=ram name=\"%s\"\n",
                               b->addr, b->mem_len, b->name);
    }
    for (unsigned i = 0; m->fw_cfg && i < G_N_ELEMENTS(option_roms); i++) {
        const char *name = option_roms[i];

        if (fw_cfg_file_data(m->fw_cfg, name, &len) != NULL) {
            g_string_append_printf(out, "fw=%s size=0x%06zx name=\"%s\"\n",
                                   name, len, strrchr(name, '/') + 1);
        }
    }
    roms_print_file(out, m, FW_CFG_ACPI_TABLES);
    roms_print_file(out, m, FW_CFG_ACPI_LOADER);
    roms_print_file(out, m, FW_CFG_ACPI_RSDP);
}
