/*
 * PVH: an ELF kernel entered at the address in its "Xen" note, with the
 * address of a start info structure in EBX.
 *
 * Layout: x86/HVM direct boot ABI (Xen's documentation misc/pvh and its
 * public header start_info, version 1).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/boot-priv.h"

#include "util/bswap.h"
#include "util/error.h"

enum {
    PVH_MAGIC = 0x336ec578,
    PVH_VERSION = 1,
    PVH_INFO_SIZE = 56,
    PVH_MODULE_SIZE = 32,
};

static uint32_t pvh_add_memmap(BootPlan *p, const BootEnv *env,
                               const GArray *map, GError **errp)
{
    unsigned n = env->firmware ? 0 : map->len;
    size_t len = (size_t)(env->firmware ? BOOT_MAP_MAX : n) * BOOT_MAP_ENTRY;
    g_autofree uint8_t *buf = g_malloc0(len);

    for (unsigned i = 0; i < n; i++) {
        const E820Entry *e = &g_array_index(map, E820Entry, i);
        uint8_t *at = buf + (size_t)i * BOOT_MAP_ENTRY;

        stq_le_p(at, e->addr);
        stq_le_p(at + 8, e->size);
        stl_le_p(at + 16, e->type);
    }
    return boot_plan_add_low(p, "memory map", buf, len, errp);
}

/* At most one module: the initrd. */
static bool pvh_add_module(const BootFiles *f, const BootEnv *env, BootPlan *p,
                           uint8_t *info, GError **errp)
{
    uint8_t module[PVH_MODULE_SIZE] = { 0 };
    GBytes *data;
    uint64_t addr;
    uint32_t list;

    if (f->modules->len == 0) {
        return true;
    }
    data = g_ptr_array_index(f->modules, 0);
    addr = boot_plan_place(p, "initrd", g_bytes_get_size(data),
                           boot_module_limit(env), errp);
    if (addr == 0 ||
        !boot_plan_add(p, "initrd", addr, data, g_bytes_get_size(data), errp)) {
        return false;
    }
    stq_le_p(module, addr);
    stq_le_p(module + 8, g_bytes_get_size(data));
    list = boot_plan_add_low(p, "module list", module, sizeof(module), errp);
    if (list == 0) {
        return false;
    }
    stl_le_p(info + 12, 1);
    stq_le_p(info + 16, list);
    return true;
}

bool pvh_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
              GError **errp)
{
    g_autoptr(ElfImage) elf = elf_image_parse(f->kernel, errp);
    g_autoptr(GArray) map = e820_without_bios(env->e820);
    uint8_t info[PVH_INFO_SIZE] = { 0 };
    uint32_t cmdline, memmap;

    if (elf == NULL || !elf_image_plan(elf, f->kernel, p, errp)) {
        return false;
    }
    if (elf->pvh_entry > UINT32_MAX) {
        error_setf(errp, "PVH entry point 0x%" PRIx64 ": above 4 GiB",
                   elf->pvh_entry);
        return false;
    }
    cmdline = boot_plan_add_low(p, "command line", f->cmdline,
                                strlen(f->cmdline) + 1, errp);
    if (cmdline == 0) {
        return false;
    }
    memmap = pvh_add_memmap(p, env, map, errp);
    if (memmap == 0 || !pvh_add_module(f, env, p, info, errp)) {
        return false;
    }
    stl_le_p(info, PVH_MAGIC);
    stl_le_p(info + 4, PVH_VERSION);
    stq_le_p(info + 24, cmdline);
    stq_le_p(info + 32, env->rsdp);
    stq_le_p(info + 40, memmap);
    stl_le_p(info + 48, map->len);
    p->eip = elf->pvh_entry;
    p->ebx = boot_plan_add_low(p, "start info", info, sizeof(info), errp);
    p->late.map = memmap;
    p->late.map_count = p->ebx + 48;
    p->late.rsdp = p->ebx + 32;
    return p->ebx != 0;
}
