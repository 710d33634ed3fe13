/*
 * Multiboot: an image with a header in its first 8 KiB, entered with a magic
 * number in EAX and the address of an information structure in EBX.
 *
 * Layout: Multiboot specification 0.6.96, sections 3.1 to 3.3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/boot-priv.h"

#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

#define MULTIBOOT_MAGIC       0x1badb002U
#define MULTIBOOT_ENTRY_MAGIC 0x2badb002U
/* Boot device: the BIOS's first disk and its first partition, as ever. */
#define MULTIBOOT_BIOS_DISK 0x8000ffffU

enum {
    MULTIBOOT_SEARCH = 8192, /* bytes; the header lies within them */
    MULTIBOOT_VIDEO = 1 << 2,
    MULTIBOOT_UNKNOWN = 0xfff8, /* bits that a loader must understand */
    MULTIBOOT_ADDRESSES = 1 << 16,

    MULTIBOOT_INFO_SIZE = 120,
    MULTIBOOT_INFO_MEMORY = 1 << 0,
    MULTIBOOT_INFO_DEVICE = 1 << 1,
    MULTIBOOT_INFO_CMDLINE = 1 << 2,
    MULTIBOOT_INFO_MODULES = 1 << 3,
    MULTIBOOT_INFO_MMAP = 1 << 6,
    MULTIBOOT_INFO_LOADER = 1 << 9,
    MULTIBOOT_MODULE_ENTRY = 16,
};

bool multiboot_find_header(GBytes *file, MultibootHeader *ret)
{
    size_t len;
    const uint8_t *d = g_bytes_get_data(file, &len);
    size_t end = MIN(len, MULTIBOOT_SEARCH);

    for (size_t off = 0; off + 12 <= end; off += 4) {
        uint32_t flags = ldl_le_p(d + off + 4);

        if (ldl_le_p(d + off) != MULTIBOOT_MAGIC ||
            MULTIBOOT_MAGIC + flags + ldl_le_p(d + off + 8) != 0) {
            continue;
        }
        *ret = (MultibootHeader){ .off = off, .flags = flags };
        if (flags & MULTIBOOT_ADDRESSES) {
            if (off + 32 > len) {
                return false;
            }
            ret->header_addr = ldl_le_p(d + off + 12);
            ret->load_addr = ldl_le_p(d + off + 16);
            ret->load_end = ldl_le_p(d + off + 20);
            ret->bss_end = ldl_le_p(d + off + 24);
            ret->entry = ldl_le_p(d + off + 28);
        }
        return true;
    }
    return false;
}

/* The header says itself where the file's bytes go. */
static bool multiboot_plan_flat(const MultibootHeader *h, GBytes *file,
                                BootPlan *p, GError **errp)
{
    size_t len = g_bytes_get_size(file);
    uint32_t start = h->off - (h->header_addr - h->load_addr);
    uint64_t n, mem;
    g_autoptr(GBytes) data = NULL;

    if (h->load_addr > h->header_addr ||
        h->header_addr - h->load_addr > h->off || start >= len) {
        error_setf(errp,
                   "Multiboot: header at 0x%x for address 0x%x, but loads "
                   "from 0x%x",
                   h->off, h->header_addr, h->load_addr);
        return false;
    }
    n = len - start;
    if (h->load_end != 0) {
        if (h->load_end < h->load_addr || h->load_end - h->load_addr > n) {
            error_setf(errp, "Multiboot: 0x%x to 0x%x to load: not in the file",
                       h->load_addr, h->load_end);
            return false;
        }
        n = h->load_end - h->load_addr;
    }
    mem = n;
    if (h->bss_end != 0) {
        if (h->bss_end < h->load_addr + n) {
            error_setf(errp, "Multiboot: zeros end at 0x%x, before the data",
                       h->bss_end);
            return false;
        }
        mem = h->bss_end - h->load_addr;
    }
    data = g_bytes_new_from_bytes(file, start, n);
    return boot_plan_add(p, "Multiboot image", h->load_addr, data, mem, errp);
}

bool multiboot_plan_kernel(const BootFiles *f, BootPlan *p, uint32_t *ret_entry,
                           GError **errp)
{
    g_autoptr(ElfImage) elf = NULL;
    MultibootHeader h;

    if (!multiboot_find_header(f->kernel, &h)) {
        error_setf(errp, "Multiboot: no header");
        return false;
    }
    if (h.flags & MULTIBOOT_UNKNOWN) {
        error_setf(errp, "Multiboot: it asks for what isn't known (flags 0x%x)",
                   h.flags);
        return false;
    }
    if (h.flags & MULTIBOOT_VIDEO) {
        log_warn("kernel '%s' asks for video modes, which it isn't told",
                 f->kernel_path);
    }
    if (h.flags & MULTIBOOT_ADDRESSES) {
        *ret_entry = h.entry;
        return multiboot_plan_flat(&h, f->kernel, p, errp);
    }
    elf = elf_image_parse(f->kernel, errp);
    if (elf == NULL || !elf_image_plan(elf, f->kernel, p, errp)) {
        return false;
    }
    if (elf->entry > UINT32_MAX) {
        error_setf(errp, "Multiboot: entry point 0x%" PRIx64 ": above 4 GiB",
                   elf->entry);
        return false;
    }
    *ret_entry = elf->entry;
    return true;
}

/* An entry's size does not count the size itself. */
static void multiboot_put_entry(uint8_t *at, const E820Entry *e)
{
    stl_le_p(at, BOOT_MAP_ENTRY - 4);
    stq_le_p(at + 4, e->addr);
    stq_le_p(at + 12, e->size);
    stl_le_p(at + 20, e->type);
}

static bool multiboot_add_memory(BootPlan *p, const BootEnv *env, uint8_t *info,
                                 GError **errp)
{
    g_autoptr(GArray) map = e820_without_bios(env->e820);
    const E820Entry none = { 0 };
    unsigned n = env->firmware ? BOOT_MAP_MAX : map->len;
    size_t len = (size_t)n * BOOT_MAP_ENTRY;
    g_autofree uint8_t *buf = g_malloc0(len);
    uint32_t addr;

    for (unsigned i = 0; i < n; i++) {
        multiboot_put_entry(buf + (size_t)i * BOOT_MAP_ENTRY,
                            env->firmware ? &none
                                          : &g_array_index(map, E820Entry, i));
    }
    addr = boot_plan_add_low(p, "memory map", buf, len, errp);
    stl_le_p(info + 4, 639); /* KiB from 0 */
    stl_le_p(info + 8, env->below_4g > MiB ? (env->below_4g - MiB) / KiB : 0);
    stl_le_p(info + 44, len);
    stl_le_p(info + 48, addr);
    p->late.map = addr + 4;
    return addr != 0;
}

static bool multiboot_add_modules(BootPlan *p, const BootFiles *f,
                                  const BootEnv *env, uint8_t *info,
                                  GError **errp)
{
    size_t len = (size_t)f->modules->len * MULTIBOOT_MODULE_ENTRY;
    g_autofree uint8_t *list = g_malloc0(len + 1);
    uint32_t addr;

    if (len == 0) {
        return true;
    }
    for (unsigned i = 0; i < f->modules->len; i++) {
        GBytes *data = g_ptr_array_index(f->modules, i);
        const char *args = g_ptr_array_index(f->module_args, i);
        size_t n = g_bytes_get_size(data);
        uint64_t at = boot_plan_place_behind(p, "module", n,
                                             boot_module_limit(env), errp);
        uint32_t text;

        if (at == 0 || !boot_plan_add(p, "module", at, data, n, errp)) {
            return false;
        }
        text = boot_plan_add_low(p, "module command line", args,
                                 strlen(args) + 1, errp);
        if (text == 0) {
            return false;
        }
        stl_le_p(list + (size_t)i * MULTIBOOT_MODULE_ENTRY, at);
        stl_le_p(list + (size_t)i * MULTIBOOT_MODULE_ENTRY + 4, at + n);
        stl_le_p(list + (size_t)i * MULTIBOOT_MODULE_ENTRY + 8, text);
    }
    addr = boot_plan_add_low(p, "module list", list, len, errp);
    stl_le_p(info + 20, f->modules->len);
    stl_le_p(info + 24, addr);
    return addr != 0;
}

bool multiboot_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
                    GError **errp)
{
    /* As other loaders have it, the file's name comes first. */
    g_autofree char *cmdline =
        g_strconcat(f->kernel_path, " ", f->cmdline, NULL);
    uint8_t info[MULTIBOOT_INFO_SIZE] = { 0 };
    uint32_t text, loader;

    if (!multiboot_plan_kernel(f, p, &p->eip, errp) ||
        !multiboot_add_memory(p, env, info, errp) ||
        !multiboot_add_modules(p, f, env, info, errp)) {
        return false;
    }
    text = boot_plan_add_low(p, "command line", cmdline, strlen(cmdline) + 1,
                             errp);
    if (text == 0) {
        return false;
    }
    loader = boot_plan_add_low(p, "loader name", "qemu", 5, errp);
    if (loader == 0) {
        return false;
    }
    stl_le_p(info, MULTIBOOT_INFO_MEMORY | MULTIBOOT_INFO_DEVICE |
                       MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MODULES |
                       MULTIBOOT_INFO_MMAP | MULTIBOOT_INFO_LOADER);
    stl_le_p(info + 12, MULTIBOOT_BIOS_DISK);
    stl_le_p(info + 16, text);
    stl_le_p(info + 64, loader);
    p->eax = MULTIBOOT_ENTRY_MAGIC;
    p->ebx =
        boot_plan_add_low(p, "Multiboot information", info, sizeof(info), errp);
    p->late.lower = p->ebx + 4;
    p->late.upper = p->ebx + 8;
    p->late.map_bytes = p->ebx + 44;
    return p->ebx != 0;
}
