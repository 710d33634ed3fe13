/*
 * The firmware configuration device: selector 0x510, data 0x511, DMA 0x514.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_FW_CFG_H
#define HW_I386_FW_CFG_H

#include "hw/core/device.h"

typedef struct FwCfg FwCfg;

/* Item keys of the interface (QEMU's documented fw_cfg specification). */
enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_ARCH_LOCAL = 0x8000,
};

extern const DeviceType fw_cfg_io_type;

/* Data is copied.  Keys below FW_CFG_FILE_FIRST or arch-local. */
void fw_cfg_add_bytes(FwCfg *f, uint16_t key, const void *data, size_t len);
void fw_cfg_add_u16(FwCfg *f, uint16_t key, uint16_t v);
void fw_cfg_add_u32(FwCfg *f, uint16_t key, uint32_t v);
void fw_cfg_add_u64(FwCfg *f, uint16_t key, uint64_t v);
void fw_cfg_add_string(FwCfg *f, uint16_t key, const char *s);
#define FW_CFG_NAME_MAX 55u /* bytes */

/*
 * A named file; names are at most FW_CFG_NAME_MAX bytes and unique.  `select`
 * is called when the guest selects the item, before it reads (tables that are
 * built late); may be NULL.  `writable`: the guest may write it by DMA.
 */
bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len,
                     GError **errp);
bool fw_cfg_add_file_callback(FwCfg *f, const char *name,
                              void (*select)(void *opaque), void *opaque,
                              void *data, size_t len, bool writable,
                              GError **errp);
/*
 * A file whose content is a RAM block, so that it moves with a migration;
 * `len` of its bytes are shown.  `select` as above.
 */
bool fw_cfg_add_file_ram(FwCfg *f, const char *name, RamBlock *rb, size_t len,
                         void (*select)(void *opaque), void *opaque,
                         GError **errp);
/* How many of the block's bytes are shown from now on. */
void fw_cfg_set_ram_len(FwCfg *f, const char *name, size_t len);
/* Content and size of a file; NULL if there is none.  Owned by the device. */
const void *fw_cfg_file_data(FwCfg *f, const char *name, size_t *ret_len);
/* Replaces a file's content (copied); the size may change. */
bool fw_cfg_update_file(FwCfg *f, const char *name, const void *data,
                        size_t len, GError **errp);
/* -fw_cfg [name=]opt/…,file=|string= ; fw_cfg-… objects. */
bool fw_cfg_add_from_opts(FwCfg *f, const char *opts, GError **errp);

/* Makes the device on the system bus, at /machine/fw_cfg. */
FwCfg *fw_cfg_create(struct Machine *m, GError **errp);
/* Files of the ACPI tables; their exact sizes are in the stream. */
#define FW_CFG_ACPI_TABLES "etc/acpi/tables"
#define FW_CFG_ACPI_LOADER "etc/table-loader"
#define FW_CFG_ACPI_RSDP   "etc/acpi/rsdp"

#endif
