/*
 * Option ROMs: the expansion ROM BAR, or a file for firmware.
 * (PCI Local Bus Specification 3.0, sections 6.2.5.2 and 6.3.)
 *
 * The ROM is a RAM block of the stream, "PATH/NAME.rom": a guest that moves
 * keeps the one it was started with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-priv.h"

#include <sys/stat.h>

#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

#define ROM_FILE_MAX UINT64_C(0x80000000)

/* Header (section 6.3.1.1) and PCI data structure (6.3.1.2) of an image. */
enum {
    ROM_SIGNATURE = 0xaa55,
    ROM_CHECKSUM = 0x06, /* a byte that nobody reads */
    ROM_PCIR_POINTER = 0x18,
    ROM_HEADER_SIZE = 0x1a,
    PCIR_ID = 0x04, /* vendor, device */
};

static bool rom_read(const char *name, const char *path, char **ret_data,
                     size_t *ret_len, GError **errp)
{
    struct stat st;

    if (path == NULL || stat(path, &st) < 0) {
        error_setf(errp, "failed to find romfile \"%s\"", name);
        return false;
    }
    if (S_ISDIR(st.st_mode) || (uint64_t)st.st_size > ROM_FILE_MAX) {
        error_setf(errp, "romfile \"%s\" too large (size cannot exceed 2 GiB)",
                   name);
        return false;
    }
    if (st.st_size == 0) {
        error_setf(errp, "romfile \"%s\" is empty", name);
        return false;
    }
    return g_file_get_contents(path, ret_data, ret_len, errp);
}

/*
 * Without a BAR, firmware takes it from a file.  Several functions may name
 * the same one.
 */
static bool rom_offer_file(PciDevice *d, const char *path, const char *data,
                           size_t len, GError **errp)
{
    Machine *m = d->dev.machine;
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *file = g_strconcat("genroms/", base, NULL);
    size_t old_len;

    if (m == NULL || m->fw_cfg == NULL) {
        return true;
    }
    if (m->ready) {
        error_setf(errp, "Hot-plugged device without ROM bar can't have an "
                         "option ROM");
        return false;
    }
    return fw_cfg_file_data(m->fw_cfg, file, &old_len) != NULL ||
           fw_cfg_add_file(m->fw_cfg, file, data, len, errp);
}

/* A section's name where the function has one of its own, else the type's. */
static char *rom_block_name(PciDevice *d)
{
    const DeviceType *type = d->dev.type;
    Bus *bus = d->dev.parent_bus;
    g_autofree char *path = bus->dev_path(bus, &d->dev);
    bool named = type->virtio == NULL && type->vmstate != NULL &&
                 type->vmstate != VMSTATE_NONE;

    return g_strdup_printf("%s/%s.rom", path,
                           named ? type->vmstate->name : type->name);
}

static bool rom_add_bar(PciDevice *d, const char *data, size_t len,
                        GError **errp)
{
    uint64_t size = d->romsize != UINT32_MAX
                        ? d->romsize
                        : pow2_ceil(MAX(len, PCI_ROM_SIZE_MIN));
    g_autofree char *block = rom_block_name(d);

    if (len > size) {
        error_setf(errp,
                   "romfile \"%s\" (%zu bytes) is too large for ROM size %u",
                   d->romfile, len, d->romsize);
        return false;
    }
    if (!memory_region_init_rom(&d->rom, &d->dev.vm->mem, block, size, errp)) {
        return false;
    }
    memcpy(d->rom.ram->host, data, len);
    pci_register_bar(d, PCI_ROM_SLOT, 0, &d->rom);
    d->romsize = size;
    return true;
}

/*
 * Puts the function's identity into a ROM that is for a relative of it: into
 * the first image, whose checksum stays what it was.
 */
static void rom_set_identity(const PciDevice *d, uint8_t *rom, size_t len)
{
    unsigned pcir;

    if (len < ROM_HEADER_SIZE || lduw_le_p(rom) != ROM_SIGNATURE) {
        return;
    }
    pcir = lduw_le_p(rom + ROM_PCIR_POINTER);
    if (pcir + PCIR_ID + 4 > len || memcmp(rom + pcir, "PCIR", 4) != 0) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *byte = rom + pcir + PCIR_ID + i;

        rom[ROM_CHECKSUM] += *byte - d->config[PCI_VENDOR_ID + i];
        *byte = d->config[PCI_VENDOR_ID + i];
    }
}

bool pci_rom_load(PciDevice *d, GError **errp)
{
    const char *dflt = d->dev.type->pci->romfile;
    g_autofree char *path = NULL, *data = NULL;
    bool own = d->romfile == NULL;
    size_t len;

    if (d->romsize != UINT32_MAX && !is_pow2(d->romsize)) {
        error_setf(errp, "ROM size %u is not a power of two", d->romsize);
        return false;
    }
    if (own) {
        d->romfile = g_strdup(dflt != NULL ? dflt : "");
    }
    if (*d->romfile == '\0') {
        return true;
    }
    path = d->dev.machine != NULL
               ? machine_find_file(d->dev.machine, d->romfile)
               : g_strdup(d->romfile);
    if (!rom_read(d->romfile, path, &data, &len, errp)) {
        return false;
    }
    if (own) {
        rom_set_identity(d, (uint8_t *)data, len);
    }
    return d->rombar != 0 ? rom_add_bar(d, data, len, errp)
                          : rom_offer_file(d, path, data, len, errp);
}

void pci_rom_unload(PciDevice *d)
{
    if (d->rom.name != NULL) {
        memory_region_fini(&d->rom);
    }
}
