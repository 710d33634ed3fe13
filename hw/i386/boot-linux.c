/*
 * Linux bzImage, entered by the 32-bit boot protocol: the protected-mode part
 * of the file at 1 MiB, and the "zero page" that the setup code would have
 * filled.
 *
 * Offsets: the kernel's Documentation/arch/x86/boot.rst and zero-page.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/boot-priv.h"

#include "util/bswap.h"
#include "util/error.h"

enum {
    HDR_SETUP_SECTS = 0x1f1,
    HDR_VID_MODE = 0x1fa,
    HDR_BOOT_FLAG = 0x1fe,
    HDR_JUMP_LEN = 0x201, /* the header ends at 0x202 plus this */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_CODE32_START = 0x214,
    HDR_INITRD_ADDR = 0x218,
    HDR_INITRD_SIZE = 0x21c,
    HDR_HEAP_END = 0x224,
    HDR_CMDLINE = 0x228,
    HDR_INITRD_MAX = 0x22c,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_INIT_SIZE = 0x260,
    HDR_END = 0x290, /* of all there is so far */

    ZP_RSDP = 0x070,
    ZP_E820_COUNT = 0x1e8,
    ZP_E820 = 0x2d0,
    ZP_E820_MAX = 128,
    ZP_SIZE = 4096,

    LOADED_HIGH = 1 << 0,    /* loadflags */
    CAN_USE_HEAP = 1 << 7,   /* loadflags */
    CAN_LOAD_ABOVE = 1 << 1, /* xloadflags: initrd anywhere */
    LOADER_ID = 0xb0,        /* as assigned to QEMU, version 0 */
    LOADER_NORMAL = 0xffff,  /* vid_mode */
    SECTOR = 512,
    BZIMAGE_ADDR = 0x100000,
    INITRD_MAX_OLD = 0x37ffffff,
    CMDLINE_MAX_OLD = 255,
};

bool linux_is_linux(GBytes *file)
{
    size_t len;
    const uint8_t *d = g_bytes_get_data(file, &len);

    return len >= HDR_END && lduw_le_p(d + HDR_BOOT_FLAG) == 0xaa55 &&
           memcmp(d + HDR_MAGIC, "HdrS", 4) == 0;
}

bool linux_header_parse(GBytes *file, LinuxHeader *ret, GError **errp)
{
    size_t len;
    const uint8_t *d = g_bytes_get_data(file, &len);
    LinuxHeader h = { .protocol = lduw_le_p(d + HDR_VERSION) };
    unsigned sects = d[HDR_SETUP_SECTS];

    if (h.protocol < 0x202) {
        error_setf(errp, "boot protocol %u.%02u: at least 2.02 is needed",
                   h.protocol >> 8, h.protocol & 0xff);
        return false;
    }
    /* Zero means four, for kernels of before 1995. */
    h.setup_len = ((sects != 0 ? sects : 4) + 1) * (size_t)SECTOR;
    if (h.setup_len >= len) {
        error_setf(errp, "setup code of %zu bytes in a file of %zu",
                   h.setup_len, len);
        return false;
    }
    h.cmdline_max =
        h.protocol >= 0x206 ? ldl_le_p(d + HDR_CMDLINE_SIZE) : CMDLINE_MAX_OLD;
    h.initrd_max =
        h.protocol >= 0x203 ? ldl_le_p(d + HDR_INITRD_MAX) : INITRD_MAX_OLD;
    if (h.protocol >= 0x20c &&
        (lduw_le_p(d + HDR_XLOADFLAGS) & CAN_LOAD_ABOVE)) {
        h.initrd_max = UINT32_MAX;
    }
    h.bz_image = d[HDR_LOADFLAGS] & LOADED_HIGH;
    h.load_addr = h.bz_image ? BZIMAGE_ADDR : 0x10000;
    h.init_size = h.protocol >= 0x20a ? ldl_le_p(d + HDR_INIT_SIZE) : 0;
    *ret = h;
    return true;
}

/* The setup header as it is in the file; all else is ours to fill. */
static void linux_zero_page(uint8_t *zp, GBytes *file, const GArray *map,
                            uint64_t rsdp)
{
    size_t len, n;
    const uint8_t *d = g_bytes_get_data(file, &len);
    size_t end = MIN((size_t)HDR_MAGIC + d[HDR_JUMP_LEN], (size_t)HDR_END);
    g_autofree uint8_t *e820 = e820_pack(map, &n);

    memcpy(zp + HDR_SETUP_SECTS, d + HDR_SETUP_SECTS,
           MIN(end, len) - HDR_SETUP_SECTS);
    zp[HDR_LOADER] = LOADER_ID;
    stw_le_p(zp + HDR_VID_MODE, LOADER_NORMAL);
    n = MIN(n, (size_t)ZP_E820_MAX * E820_ENTRY_SIZE);
    zp[ZP_E820_COUNT] = n / E820_ENTRY_SIZE;
    memcpy(zp + ZP_E820, e820, n);
    stq_le_p(zp + ZP_RSDP, rsdp);
}

void linux_set_initrd(uint8_t *setup, uint32_t addr, uint32_t size)
{
    stl_le_p(setup + HDR_INITRD_ADDR, addr);
    stl_le_p(setup + HDR_INITRD_SIZE, size);
}

void linux_set_loader(uint8_t *setup, uint32_t cmdline, uint16_t heap_end)
{
    setup[HDR_LOADER] = LOADER_ID;
    setup[HDR_LOADFLAGS] |= CAN_USE_HEAP;
    /* What the field holds is 0x200 below, to leave room for the stack. */
    stw_le_p(setup + HDR_HEAP_END, heap_end - 0x200);
    stw_le_p(setup + HDR_VID_MODE, LOADER_NORMAL);
    stl_le_p(setup + HDR_CMDLINE, cmdline);
}

static bool linux_add_initrd(const BootFiles *f, const BootEnv *env,
                             const LinuxHeader *h, BootPlan *p, uint8_t *zp,
                             GError **errp)
{
    GBytes *data;
    uint64_t addr, limit;

    if (f->modules->len == 0) {
        return true;
    }
    data = g_ptr_array_index(f->modules, 0);
    limit = MIN(boot_module_limit(env), (uint64_t)h->initrd_max + 1);
    addr = boot_plan_place(p, "initrd", g_bytes_get_size(data), limit, errp);
    if (addr == 0 ||
        !boot_plan_add(p, "initrd", addr, data, g_bytes_get_size(data), errp)) {
        return false;
    }
    linux_set_initrd(zp, addr, g_bytes_get_size(data));
    return true;
}

bool linux_check(const BootFiles *f, const LinuxHeader *h, GError **errp)
{
    if (!h->bz_image) {
        error_setf(errp, "a zImage, which starts below 1 MiB: not in this "
                         "version");
        return false;
    }
    if (strlen(f->cmdline) > h->cmdline_max) {
        error_setf(errp, "command line of %zu bytes: this kernel takes %u",
                   strlen(f->cmdline), h->cmdline_max);
        return false;
    }
    return true;
}

bool linux_plan(const BootFiles *f, const BootEnv *env, BootPlan *p,
                GError **errp)
{
    g_autoptr(GArray) map = e820_without_bios(env->e820);
    g_autoptr(GBytes) code = NULL;
    uint8_t zp[ZP_SIZE] = { 0 };
    LinuxHeader h;
    uint32_t cmdline;
    size_t len;

    if (!linux_header_parse(f->kernel, &h, errp) || !linux_check(f, &h, errp)) {
        return false;
    }
    len = g_bytes_get_size(f->kernel) - h.setup_len;
    code = g_bytes_new_from_bytes(f->kernel, h.setup_len, len);
    /* It unpacks itself in place, in the memory behind the file. */
    if (!boot_plan_add(p, "kernel", h.load_addr, code,
                       MAX(len, (size_t)h.init_size), errp)) {
        return false;
    }
    linux_zero_page(zp, f->kernel, map, env->rsdp);
    cmdline = boot_plan_add_low(p, "command line", f->cmdline,
                                strlen(f->cmdline) + 1, errp);
    if (cmdline == 0 || !linux_add_initrd(f, env, &h, p, zp, errp)) {
        return false;
    }
    stl_le_p(zp + HDR_CMDLINE, cmdline);
    stl_le_p(zp + HDR_CODE32_START, h.load_addr);
    p->eip = h.load_addr;
    p->esi = boot_plan_add_low(p, "zero page", zp, sizeof(zp), errp);
    return p->esi != 0;
}
