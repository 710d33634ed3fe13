/*
 * Kernels for firmware to start: their parts in fw_cfg, and an option ROM that
 * fetches them.  Those of Linux are under the keys that firmware and boot
 * loaders know.
 *
 * Setup header: the kernel's Documentation/arch/x86/boot.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/boot-order.h"
#include "hw/i386/boot-priv.h"
#include "hw/i386/x86.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    SETUP_ADDR = 0x10000,   /* 32 KiB of code, 24 KiB of heap and stack */
    CMDLINE_ADDR = 0x20000, /* far from what firmware uses */
    LOW_END = 0x90000,
    HEAP_END = 0xe000, /* see linuxboot.S */
    PNP_OFFSET = 0x1a, /* in the ROM: where the expansion header is */
    PNP_SUM = 9,
    PNP_SIZE = 32,
};

/* elfboot.S: its memory, and the table in it. */
enum {
    ROM_UNUSED = 0x1c, /* four bytes that it never looks at */
    ROM_TABLE = 0x2000,
    TABLE_PIECES = 48,
    TABLE_PIECE = 12,
};

/* linuxboot.S, elfboot.S */
extern const uint8_t linuxboot_rom[], linuxboot_rom_end[];
extern const uint8_t elfboot_rom[], elfboot_rom_end[];

static uint8_t byte_sum(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += p[i];
    }
    return sum;
}

static bool boot_add_rom(Machine *m, const char *name, const uint8_t *code,
                         size_t len, GError **errp)
{
    g_autofree uint8_t *rom = g_memdup2(code, len);
    g_autofree char *path = g_strconcat("/rom@", name, NULL);
    uint8_t *pnp = rom + lduw_le_p(rom + PNP_OFFSET);

    pnp[PNP_SUM] = -byte_sum(pnp, PNP_SIZE);
    rom[len - 1] = -byte_sum(rom, len);
    return fw_cfg_add_file(m->fw_cfg, name, rom, len, errp) &&
           boot_order_set(m, NULL, 0, path, errp);
}

/* Linux */

static bool boot_offer_initrd(const BootFiles *b, const LinuxHeader *h,
                              uint64_t below_4g, uint64_t kernel_end, FwCfg *f,
                              uint8_t *setup, GError **errp)
{
    uint64_t addr, end, len = 0;
    GBytes *data;

    if (b->modules->len > 0) {
        data = g_ptr_array_index(b->modules, 0);
        len = g_bytes_get_size(data);
    }
    end = below_4g - MIN(below_4g, BOOT_FIRMWARE_RESERVE);
    if (kernel_end > end) {
        error_setf(errp,
                   "kernel: up to 0x%" PRIx64 ", but RAM that is free ends "
                   "at 0x%" PRIx64,
                   kernel_end, end);
        return false;
    }
    if (len == 0) {
        return true;
    }
    end = MIN(end, (uint64_t)h->initrd_max + 1);
    if (end < kernel_end || len > end - kernel_end) {
        error_setf(errp,
                   "initrd: no room for 0x%" PRIx64 " bytes between 0x%" PRIx64
                   " and 0x%" PRIx64,
                   len, kernel_end, end);
        return false;
    }
    addr = ROUND_DOWN(end - len, 4096);
    if (addr < kernel_end) {
        addr = kernel_end;
    }
    linux_set_initrd(setup, addr, len);
    fw_cfg_add_u32(f, FW_CFG_INITRD_ADDR, addr);
    fw_cfg_add_u32(f, FW_CFG_INITRD_SIZE, len);
    fw_cfg_add_bytes(f, FW_CFG_INITRD_DATA, g_bytes_get_data(data, NULL), len);
    return true;
}

static bool boot_offer_parts(X86Machine *x, const LinuxHeader *h, GError **errp)
{
    const BootFiles *b = x->boot_files;
    FwCfg *f = x->m.fw_cfg;
    size_t len, cmdline_len = strlen(b->cmdline) + 1;
    const uint8_t *d = g_bytes_get_data(b->kernel, &len);
    g_autofree uint8_t *setup = g_memdup2(d, h->setup_len);
    size_t code_len = len - h->setup_len;
    uint64_t kernel_end =
        ROUND_UP(h->load_addr + MAX((uint64_t)code_len, h->init_size), 4096);

    if (h->setup_len > HEAP_END || cmdline_len > LOW_END - CMDLINE_ADDR) {
        error_setf(errp, "setup code of %zu bytes, command line of %zu",
                   h->setup_len, cmdline_len);
        return false;
    }
    linux_set_loader(setup, CMDLINE_ADDR, HEAP_END);
    if (!boot_offer_initrd(b, h, x->below_4g, kernel_end, f, setup, errp)) {
        return false;
    }
    fw_cfg_add_u32(f, FW_CFG_KERNEL_ADDR, h->load_addr);
    fw_cfg_add_u32(f, FW_CFG_KERNEL_SIZE, code_len);
    fw_cfg_add_bytes(f, FW_CFG_KERNEL_DATA, d + h->setup_len, code_len);
    fw_cfg_add_u32(f, FW_CFG_CMDLINE_ADDR, CMDLINE_ADDR);
    fw_cfg_add_u32(f, FW_CFG_CMDLINE_SIZE, cmdline_len);
    fw_cfg_add_bytes(f, FW_CFG_CMDLINE_DATA, b->cmdline, cmdline_len);
    fw_cfg_add_u32(f, FW_CFG_SETUP_ADDR, SETUP_ADDR);
    fw_cfg_add_u32(f, FW_CFG_SETUP_SIZE, h->setup_len);
    fw_cfg_add_bytes(f, FW_CFG_SETUP_DATA, setup, h->setup_len);
    return boot_add_rom(&x->m, X86_LINUX_ROM, linuxboot_rom,
                        linuxboot_rom_end - linuxboot_rom, errp);
}

static bool boot_offer_linux(X86Machine *x, GError **errp)
{
    const BootFiles *b = x->boot_files;
    LinuxHeader h;

    if (!linux_header_parse(b->kernel, &h, errp) || !linux_check(b, &h, errp) ||
        !boot_offer_parts(x, &h, errp)) {
        error_prefix(errp, "could not load kernel '%s': ", b->kernel_path);
        return false;
    }
    return true;
}

/* Multiboot and PVH */

/* What the ROM does: entry state, where it stores what it finds, pieces. */
static void boot_fill_table(const BootPlan *p, uint32_t rom, uint8_t *table,
                            unsigned npieces)
{
    const BootLate *l = &p->late;
    const uint32_t at[] = { l->map_count, l->map_bytes, l->lower, l->upper,
                            l->rsdp };

    stl_le_p(table, p->eip);
    stl_le_p(table + 4, p->eax);
    stl_le_p(table + 8, p->ebx);
    stl_le_p(table + 12, l->map);
    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        stl_le_p(table + 16 + 4 * i, at[i] != 0 ? at[i] : rom + ROM_UNUSED);
    }
    stw_le_p(table + 36, BOOT_GDT_LIMIT);
    stl_le_p(table + 38, p->gdt);
    stl_le_p(table + 44, npieces);
}

static GByteArray *boot_pack_pieces(const BootPlan *p, GByteArray *table)
{
    GByteArray *data = g_byte_array_new();

    for (unsigned i = 0; i < p->blobs->len; i++) {
        const BootBlob *b = g_ptr_array_index(p->blobs, i);
        uint8_t piece[TABLE_PIECE];
        size_t len;
        const void *bytes = g_bytes_get_data(b->data, &len);

        if (b->reserved) {
            continue;
        }
        /* All are below 4 GiB. */
        stl_le_p(piece, b->addr);
        stl_le_p(piece + 4, len);
        stl_le_p(piece + 8, b->mem_len - len);
        g_byte_array_append(table, piece, sizeof(piece));
        g_byte_array_append(data, bytes, len);
    }
    return data;
}

static bool boot_offer_plan(X86Machine *x, BootPlan *p, GError **errp)
{
    FwCfg *f = x->m.fw_cfg;
    const uint8_t head[TABLE_PIECES] = { 0 };
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_autoptr(GByteArray) data = NULL;
    uint64_t rom, rom_len;

    g_byte_array_append(table, head, sizeof(head));
    data = boot_pack_pieces(p, table);
    rom_len = ROM_TABLE + table->len;
    rom = boot_plan_place(p, "loader", rom_len, p->low_limit, errp);
    if (rom == 0) {
        return false;
    }
    boot_plan_reserve(p, "loader", rom, rom_len);
    boot_fill_table(p, rom, table->data,
                    (table->len - TABLE_PIECES) / TABLE_PIECE);
    fw_cfg_add_u32(f, FW_CFG_SETUP_ADDR, rom);
    fw_cfg_add_u32(f, FW_CFG_SETUP_SIZE, table->len);
    fw_cfg_add_bytes(f, FW_CFG_SETUP_DATA, table->data, table->len);
    fw_cfg_add_bytes(f, FW_CFG_KERNEL_DATA, data->data, data->len);
    return boot_add_rom(&x->m,
                        p->kind == BOOT_PVH ? X86_PVH_ROM : X86_MULTIBOOT_ROM,
                        elfboot_rom, elfboot_rom_end - elfboot_rom, errp);
}

static bool boot_offer_elf(X86Machine *x, GError **errp)
{
    const BootEnv env = { .firmware = true,
                          .e820 = x->e820,
                          .below_4g = x->below_4g };
    BootPlan *p = boot_plan_new(x->boot_files, &env, errp);
    bool ok = p != NULL && boot_offer_plan(x, p, errp);

    boot_plan_free(p);
    return ok;
}

bool x86_offer_kernel(X86Machine *x, GError **errp)
{
    bool ok;

    if (x->boot_files == NULL || x->boot_plan != NULL) {
        return true;
    }
    ok = x->boot_files->kind == BOOT_LINUX ? boot_offer_linux(x, errp)
                                           : boot_offer_elf(x, errp);
    /* fw_cfg has its own copy. */
    g_clear_pointer(&x->boot_files, boot_files_free);
    return ok;
}
