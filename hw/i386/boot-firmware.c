/*
 * A Linux kernel for firmware to start: its parts in fw_cfg, under the keys
 * that firmware and boot loaders know, and an option ROM that fetches them.
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
    /* What firmware keeps at the end of RAM below 4 GiB: ACPI tables. */
    FIRMWARE_RESERVE = 1 << 20,
};

/* linuxboot.S */
extern const uint8_t linuxboot_rom[], linuxboot_rom_end[];

static uint8_t byte_sum(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += p[i];
    }
    return sum;
}

static bool boot_add_rom(Machine *m, GError **errp)
{
    FwCfg *f = m->fw_cfg;
    size_t len = linuxboot_rom_end - linuxboot_rom;
    g_autofree uint8_t *rom = g_memdup2(linuxboot_rom, len);
    uint8_t *pnp = rom + lduw_le_p(rom + PNP_OFFSET);

    pnp[PNP_SUM] = -byte_sum(pnp, PNP_SIZE);
    rom[len - 1] = -byte_sum(rom, len);
    return fw_cfg_add_file(f, X86_LINUX_ROM, rom, len, errp) &&
           boot_order_set(m, NULL, 0, "/rom@" X86_LINUX_ROM, errp);
}

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
    end = below_4g > FIRMWARE_RESERVE ? below_4g - FIRMWARE_RESERVE : 0;
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
    return boot_add_rom(&x->m, errp);
}

bool x86_offer_kernel(X86Machine *x, GError **errp)
{
    const BootFiles *b = x->boot_files;
    LinuxHeader h;

    if (b == NULL || x->boot_plan != NULL) {
        return true;
    }
    if (b->kind != BOOT_LINUX) {
        error_setf(errp,
                   "could not load kernel '%s': %s: machine 'microvm' starts "
                   "it, firmware can't",
                   b->kernel_path,
                   b->kind == BOOT_PVH ? "an ELF file with a PVH note"
                                       : "a Multiboot image");
        return false;
    }
    if (!linux_header_parse(b->kernel, &h, errp) || !linux_check(b, &h, errp) ||
        !boot_offer_parts(x, &h, errp)) {
        error_prefix(errp, "could not load kernel '%s': ", b->kernel_path);
        return false;
    }
    return true;
}
