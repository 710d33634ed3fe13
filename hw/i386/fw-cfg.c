/*
 * The firmware configuration device: numbered items and named files that
 * firmware and boot loaders read, by port or by DMA.
 *
 *   0x510  selector (16 bits, write)    0x511  data (8 bits, read)
 *   0x514  DMA address (64 bits, big endian; the low half starts it)
 *
 * Interface: QEMU's published specification "fw_cfg"; what it leaves open
 * (sizes of accesses, errors) as the device behaves.
 * Stream: "fw_cfg" version 2 with "fw_cfg/dma" and "fw_cfg/acpi_mr", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/fw-cfg.h"

#include "hw/core/machine.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    FW_CFG_PORT = 0x510,
    FW_CFG_DMA_PORT = 0x514,
    FW_CFG_WRITE_CHANNEL = 0x4000,
    FW_CFG_INVALID = 0xffff,
    FW_CFG_NAME_SIZE = FW_CFG_NAME_MAX + 1,
    FW_CFG_DIR_ENTRY = 64, /* bytes */
    FW_CFG_NLEGACY = FW_CFG_FILE_FIRST,
};

/* Bits of a DMA request's first word. */
enum {
    FW_CFG_DMA_ERROR = 1 << 0,
    FW_CFG_DMA_READ = 1 << 1,
    FW_CFG_DMA_SKIP = 1 << 2,
    FW_CFG_DMA_SELECT = 1 << 3,
    FW_CFG_DMA_WRITE = 1 << 4,
};

/* What the DMA port reads as: "QEMU CFG", most significant byte first. */
#define FW_CFG_DMA_SIGNATURE UINT64_C(0x51454d5520434647)

typedef struct FwCfgItem {
    uint8_t *data; /* len bytes; NULL: empty */
    size_t len;    /* at most UINT32_MAX */
    bool owned;    /* data is the item's own */
    bool writable;
    RamBlock *ram; /* data is its content; else NULL */
    void (*select)(void *opaque);
    void *opaque;
} FwCfgItem;

typedef struct FwCfgFile {
    FwCfgItem item;
    char name[FW_CFG_NAME_SIZE];
    FwCfg *owner;
} FwCfgFile;

struct FwCfg {
    Device dev;
    IoRange io, dma_io;
    bool dma_enabled, acpi_mr_restore;
    uint16_t file_slots;
    FwCfgItem legacy[FW_CFG_NLEGACY]; /* keys 0..0x1f */
    FwCfgItem arch[FW_CFG_NLEGACY];   /* keys 0x8000.. */
    GPtrArray *files;                 /* FwCfgFile, sorted by name */
    /* Migrated. */
    uint16_t cur_entry;
    uint32_t cur_offset; /* bytes, of the next read in the item */
    uint64_t dma_addr;
    /* What the stream carries of the ACPI files' sizes. */
    uint64_t table_mr_size, linker_mr_size, rsdp_mr_size;
};

/* Items */

static FwCfgItem *fw_cfg_item(FwCfg *f, uint16_t key)
{
    unsigned n = key & ~(FW_CFG_WRITE_CHANNEL | FW_CFG_ARCH_LOCAL);

    if (key & FW_CFG_ARCH_LOCAL) {
        return n < FW_CFG_NLEGACY ? &f->arch[n] : NULL;
    }
    if (n < FW_CFG_FILE_FIRST) {
        return &f->legacy[n];
    }
    n -= FW_CFG_FILE_FIRST;
    return n < f->files->len
               ? &((FwCfgFile *)g_ptr_array_index(f->files, n))->item
               : NULL;
}

static void fw_cfg_item_clear(FwCfgItem *item)
{
    if (item->owned) {
        g_free(item->data);
    }
    if (item->ram != NULL) {
        item->ram->resized = NULL;
    }
    *item = (FwCfgItem){ 0 };
}

static void fw_cfg_item_set(FwCfgItem *item, const void *data, size_t len)
{
    if (item->owned) {
        g_free(item->data);
    }
    item->data = len > 0 ? g_memdup2(data, len) : NULL;
    item->len = len;
    item->owned = true;
}

void fw_cfg_add_bytes(FwCfg *f, uint16_t key, const void *data, size_t len)
{
    g_assert((key & ~FW_CFG_ARCH_LOCAL) < FW_CFG_NLEGACY);
    fw_cfg_item_set(fw_cfg_item(f, key), data, len);
}

void fw_cfg_add_u16(FwCfg *f, uint16_t key, uint16_t v)
{
    v = htole16(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

void fw_cfg_add_u32(FwCfg *f, uint16_t key, uint32_t v)
{
    v = htole32(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

void fw_cfg_add_u64(FwCfg *f, uint16_t key, uint64_t v)
{
    v = htole64(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

void fw_cfg_add_string(FwCfg *f, uint16_t key, const char *s)
{
    fw_cfg_add_bytes(f, key, s, strlen(s) + 1);
}

/* Files */

static FwCfgFile *fw_cfg_file_find(FwCfg *f, const char *name)
{
    for (unsigned i = 0; i < f->files->len; i++) {
        FwCfgFile *file = g_ptr_array_index(f->files, i);

        if (g_str_equal(file->name, name)) {
            return file;
        }
    }
    return NULL;
}

/* Count, then for each file: size, key, two bytes of nothing, name. */
static void fw_cfg_rebuild_dir(FwCfg *f)
{
    size_t len = 4 + (size_t)f->files->len * FW_CFG_DIR_ENTRY;
    g_autofree uint8_t *dir = g_malloc0(len);

    stl_be_p(dir, f->files->len);
    for (unsigned i = 0; i < f->files->len; i++) {
        const FwCfgFile *file = g_ptr_array_index(f->files, i);
        uint8_t *e = dir + 4 + (size_t)i * FW_CFG_DIR_ENTRY;

        stl_be_p(e, file->item.len);
        stw_be_p(e + 4, FW_CFG_FILE_FIRST + i);
        memcpy(e + 8, file->name, FW_CFG_NAME_SIZE);
    }
    fw_cfg_item_set(&f->legacy[FW_CFG_FILE_DIR], dir, len);
}

static bool fw_cfg_check_len(const char *name, size_t len, GError **errp)
{
    if (len > UINT32_MAX) {
        error_setf(errp, "fw_cfg file '%s': %zu bytes, at most 4 GiB - 1", name,
                   len);
        return false;
    }
    return true;
}

/* An empty file in its place by name: keys follow the order. */
static FwCfgFile *fw_cfg_file_new(FwCfg *f, const char *name, size_t len,
                                  GError **errp)
{
    FwCfgFile *file;
    unsigned at = 0;

    if (strlen(name) > FW_CFG_NAME_MAX) {
        error_setf(errp, "fw_cfg file '%s': name too long (max. %u char)", name,
                   FW_CFG_NAME_MAX);
        return NULL;
    }
    if (fw_cfg_file_find(f, name) != NULL) {
        error_setf(errp, "duplicate fw_cfg file name: %s", name);
        return NULL;
    }
    if (f->files->len >= f->file_slots) {
        error_setf(errp, "fw_cfg file '%s': all %u file slots are taken", name,
                   f->file_slots);
        return NULL;
    }
    if (!fw_cfg_check_len(name, len, errp)) {
        return NULL;
    }
    file = g_new0(FwCfgFile, 1);
    g_strlcpy(file->name, name, sizeof(file->name));
    file->owner = f;
    while (at < f->files->len &&
           strcmp(((FwCfgFile *)g_ptr_array_index(f->files, at))->name, name) <
               0) {
        at++;
    }
    g_ptr_array_insert(f->files, (int)at, file);
    return file;
}

bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len,
                     GError **errp)
{
    FwCfgFile *file = fw_cfg_file_new(f, name, len, errp);

    if (file == NULL) {
        return false;
    }
    fw_cfg_item_set(&file->item, data, len);
    fw_cfg_rebuild_dir(f);
    return true;
}

bool fw_cfg_add_file_callback(FwCfg *f, const char *name,
                              void (*select)(void *opaque), void *opaque,
                              void *data, size_t len, bool writable,
                              GError **errp)
{
    FwCfgFile *file = fw_cfg_file_new(f, name, len, errp);

    if (file == NULL) {
        return false;
    }
    file->item = (FwCfgItem){ .data = data,
                              .len = len,
                              .writable = writable,
                              .select = select,
                              .opaque = opaque };
    fw_cfg_rebuild_dir(f);
    return true;
}

/* A stream says how large the block is; the exact size follows in ours. */
static void fw_cfg_ram_resized(RamBlock *rb, void *opaque)
{
    FwCfgFile *file = opaque;

    file->item.len = rb->used_length;
    fw_cfg_rebuild_dir(file->owner);
}

bool fw_cfg_add_file_ram(FwCfg *f, const char *name, RamBlock *rb, size_t len,
                         void (*select)(void *opaque), void *opaque,
                         GError **errp)
{
    FwCfgFile *file;

    if (!fw_cfg_add_file_callback(f, name, select, opaque, rb->host,
                                  MIN(len, rb->used_length), false, errp)) {
        return false;
    }
    file = fw_cfg_file_find(f, name);
    file->item.ram = rb;
    rb->resized_opaque = file;
    rb->resized = fw_cfg_ram_resized;
    return true;
}

void fw_cfg_set_ram_len(FwCfg *f, const char *name, size_t len)
{
    FwCfgFile *file = fw_cfg_file_find(f, name);

    g_assert(file != NULL && file->item.ram != NULL);
    file->item.len = MIN(len, file->item.ram->used_length);
    fw_cfg_rebuild_dir(f);
}

bool fw_cfg_update_file(FwCfg *f, const char *name, const void *data,
                        size_t len, GError **errp)
{
    FwCfgFile *file = fw_cfg_file_find(f, name);

    if (file == NULL) {
        return fw_cfg_add_file(f, name, data, len, errp);
    }
    if (!fw_cfg_check_len(name, len, errp)) {
        return false;
    }
    fw_cfg_item_set(&file->item, data, len);
    fw_cfg_rebuild_dir(f);
    return true;
}

const void *fw_cfg_file_data(FwCfg *f, const char *name, size_t *ret_len)
{
    const FwCfgFile *file = fw_cfg_file_find(f, name);

    if (file == NULL) {
        return NULL;
    }
    *ret_len = file->item.len;
    return file->item.len > 0 ? file->item.data : (const void *)"";
}

/* Ports */

static void fw_cfg_select(FwCfg *f, uint16_t key)
{
    FwCfgItem *item = fw_cfg_item(f, key);

    f->cur_offset = 0;
    if (item == NULL) {
        f->cur_entry = FW_CFG_INVALID;
        return;
    }
    f->cur_entry = key & ~FW_CFG_WRITE_CHANNEL;
    if (item->select != NULL) {
        item->select(item->opaque);
    }
}

static FwCfgItem *fw_cfg_current(FwCfg *f)
{
    return f->cur_entry == FW_CFG_INVALID ? NULL : fw_cfg_item(f, f->cur_entry);
}

/* How much of the current item is left; an item may shrink while selected. */
static size_t fw_cfg_left(FwCfg *f, const FwCfgItem *item)
{
    return item != NULL && f->cur_offset < item->len ? item->len - f->cur_offset
                                                     : 0;
}

static uint64_t fw_cfg_io_read(Device *dev, uint64_t off, unsigned size)
{
    FwCfg *f = DEVICE_CAST(FwCfg, dev);
    FwCfgItem *item = fw_cfg_current(f);

    if (size != 1 || fw_cfg_left(f, item) == 0) {
        return 0;
    }
    return item->data[f->cur_offset++];
}

/* Writes to the data port have had no effect since DMA came. */
static void fw_cfg_io_write(Device *dev, uint64_t off, uint64_t val,
                            unsigned size)
{
    if (off == 0 && size == 2) {
        fw_cfg_select(DEVICE_CAST(FwCfg, dev), val);
    }
}

static const IoOps fw_cfg_io_ops = {
    .read = fw_cfg_io_read,
    .write = fw_cfg_io_write,
    .max_size = 2,
    .max_valid = 2,
    .unaligned = true,
};

/* DMA */

/* Only RAM is read and written: a guest may give the address of a device. */
static bool fw_cfg_dma_move(FwCfg *f, uint64_t addr, uint8_t *data,
                            uint64_t len, bool to_guest)
{
    AddressSpace *as = &f->dev.vm->mem.memory;

    while (len > 0) {
        uint64_t n = len;
        uint8_t *host = address_space_map(as, addr, &n, to_guest);

        if (host == NULL || n == 0) {
            return false;
        }
        if (!to_guest) {
            memcpy(data, host, n);
        } else if (data != NULL) {
            memcpy(host, data, n);
        } else {
            memset(host, 0, n);
        }
        address_space_unmap(as, host, n, to_guest);
        data = data != NULL ? data + n : NULL;
        addr += n;
        len -= n;
    }
    return true;
}

/* What lies behind the item's end reads as zero. */
static bool fw_cfg_dma_read(FwCfg *f, FwCfgItem *item, uint64_t addr,
                            uint32_t len)
{
    uint32_t n = MIN(len, fw_cfg_left(f, item));

    if (n > 0) {
        uint8_t *from = item->data + f->cur_offset;

        f->cur_offset += n;
        if (!fw_cfg_dma_move(f, addr, from, n, true)) {
            return false;
        }
    }
    return len == n || fw_cfg_dma_move(f, addr + n, NULL, len - n, true);
}

static bool fw_cfg_dma_write(FwCfg *f, FwCfgItem *item, uint64_t addr,
                             uint32_t len)
{
    uint32_t off = f->cur_offset;

    if (item == NULL || !item->writable || len > fw_cfg_left(f, item)) {
        return false;
    }
    f->cur_offset += len;
    return fw_cfg_dma_move(f, addr, item->data + off, len, false);
}

static void fw_cfg_dma_run(FwCfg *f)
{
    AddressSpace *as = &f->dev.vm->mem.memory;
    uint64_t at = f->dma_addr;
    uint8_t req[16];
    uint32_t control, len;
    uint64_t addr;
    FwCfgItem *item;
    bool ok = true;

    f->dma_addr = 0;
    if (address_space_read(as, at, req, sizeof(req)) != MEM_OK) {
        stl_be_p(req, FW_CFG_DMA_ERROR);
        address_space_write(as, at, req, 4);
        return;
    }
    control = ldl_be_p(req);
    len = ldl_be_p(req + 4);
    addr = ldq_be_p(req + 8);
    if (control & FW_CFG_DMA_SELECT) {
        fw_cfg_select(f, control >> 16);
    }
    item = fw_cfg_current(f);
    if (control & FW_CFG_DMA_READ) {
        ok = fw_cfg_dma_read(f, item, addr, len);
    } else if (control & FW_CFG_DMA_WRITE) {
        ok = fw_cfg_dma_write(f, item, addr, len);
    } else if (control & FW_CFG_DMA_SKIP) {
        f->cur_offset += MIN(len, fw_cfg_left(f, item));
    }
    stl_be_p(req, ok ? 0 : FW_CFG_DMA_ERROR);
    address_space_write(as, at, req, 4);
}

static uint64_t fw_cfg_dma_io_read(Device *dev, uint64_t off, unsigned size)
{
    /* Byte 0 of the port is the signature's first letter. */
    return bswap64(FW_CFG_DMA_SIGNATURE) >> (8 * off);
}

static void fw_cfg_dma_io_write(Device *dev, uint64_t off, uint64_t val,
                                unsigned size)
{
    FwCfg *f = DEVICE_CAST(FwCfg, dev);

    if (size == 4 && off == 0) {
        f->dma_addr = (uint64_t)bswap32(val) << 32;
    } else if (size == 4 && off == 4) {
        f->dma_addr |= bswap32(val);
        fw_cfg_dma_run(f);
    } else if (size == 8 && off == 0) {
        f->dma_addr = bswap64(val);
        fw_cfg_dma_run(f);
    }
}

static const IoOps fw_cfg_dma_ops = {
    .read = fw_cfg_dma_io_read,
    .write = fw_cfg_dma_io_write,
    .max_size = 8,
    .unaligned = true,
};

/* Life */

static void fw_cfg_file_free(gpointer p)
{
    FwCfgFile *file = p;

    fw_cfg_item_clear(&file->item);
    g_free(file);
}

static bool fw_cfg_realize(Device *dev, GError **errp)
{
    FwCfg *f = DEVICE_CAST(FwCfg, dev);

    if (f->file_slots < 16 || f->file_slots > 0x1000) {
        error_setf(errp, "x-file-slots: %u, not 16 to 4096", f->file_slots);
        return false;
    }
    if (!device_claim_io(dev, &f->io, &fw_cfg_io_ops, "fwcfg", FW_CFG_PORT, 2,
                         errp) ||
        (f->dma_enabled &&
         !device_claim_io(dev, &f->dma_io, &fw_cfg_dma_ops, "fwcfg.dma",
                          FW_CFG_DMA_PORT, 8, errp))) {
        return false;
    }
    f->files = g_ptr_array_new_with_free_func(fw_cfg_file_free);
    fw_cfg_add_bytes(f, FW_CFG_SIGNATURE, "QEMU", 4);
    /* Bit 0: the ports; bit 1: DMA. */
    fw_cfg_add_u32(f, FW_CFG_ID, f->dma_enabled ? 3 : 1);
    fw_cfg_rebuild_dir(f);
    return true;
}

static void fw_cfg_unrealize(Device *dev)
{
    FwCfg *f = DEVICE_CAST(FwCfg, dev);

    for (unsigned i = 0; i < FW_CFG_NLEGACY; i++) {
        fw_cfg_item_clear(&f->legacy[i]);
        fw_cfg_item_clear(&f->arch[i]);
    }
    g_clear_pointer(&f->files, g_ptr_array_unref);
}

static void fw_cfg_reset(Device *dev)
{
    FwCfg *f = DEVICE_CAST(FwCfg, dev);

    fw_cfg_select(f, 0);
    f->dma_addr = 0;
}

/* Stream */

static uint64_t fw_cfg_ram_len(FwCfg *f, const char *name)
{
    const FwCfgFile *file = fw_cfg_file_find(f, name);

    return file != NULL && file->item.ram != NULL ? file->item.len : 0;
}

static bool fw_cfg_pre_save(void *opaque, GError **errp)
{
    FwCfg *f = opaque;

    f->table_mr_size = fw_cfg_ram_len(f, FW_CFG_ACPI_TABLES);
    f->linker_mr_size = fw_cfg_ram_len(f, FW_CFG_ACPI_LOADER);
    f->rsdp_mr_size = fw_cfg_ram_len(f, FW_CFG_ACPI_RSDP);
    return true;
}

static bool fw_cfg_restore_len(FwCfg *f, const char *name, uint64_t len,
                               GError **errp)
{
    FwCfgFile *file = fw_cfg_file_find(f, name);

    if (file == NULL || file->item.ram == NULL || len == 0) {
        return true;
    }
    if (len > file->item.ram->used_length) {
        error_setf(errp,
                   "fw_cfg file '%s': %" PRIu64 " bytes in the stream, but "
                   "RAM block '%s' has %" PRIu64,
                   name, len, file->item.ram->name,
                   file->item.ram->used_length);
        return false;
    }
    file->item.len = len;
    return true;
}

static bool fw_cfg_acpi_post_load(void *opaque, int version, GError **errp)
{
    FwCfg *f = opaque;

    if (!fw_cfg_restore_len(f, FW_CFG_ACPI_TABLES, f->table_mr_size, errp) ||
        !fw_cfg_restore_len(f, FW_CFG_ACPI_LOADER, f->linker_mr_size, errp) ||
        !fw_cfg_restore_len(f, FW_CFG_ACPI_RSDP, f->rsdp_mr_size, errp)) {
        return false;
    }
    fw_cfg_rebuild_dir(f);
    return true;
}

static bool fw_cfg_dma_needed(void *opaque)
{
    return ((FwCfg *)opaque)->dma_enabled;
}

/* A machine without ACPI has no such files: pre_save found nothing. */
static bool fw_cfg_acpi_needed(void *opaque)
{
    const FwCfg *f = opaque;

    return f->acpi_mr_restore &&
           (f->table_mr_size | f->linker_mr_size | f->rsdp_mr_size) != 0;
}

static const Vmstate fw_cfg_dma_vmstate = {
    .name = "fw_cfg/dma",
    .needed = fw_cfg_dma_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_U64(FwCfg, dma_addr), VMSTATE_END },
};

static const Vmstate fw_cfg_acpi_vmstate = {
    .name = "fw_cfg/acpi_mr",
    .version = 1,
    .oldest = 1,
    .needed = fw_cfg_acpi_needed,
    .post_load = fw_cfg_acpi_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(FwCfg, table_mr_size),
            VMSTATE_U64(FwCfg, linker_mr_size),
            VMSTATE_U64(FwCfg, rsdp_mr_size),
            VMSTATE_END,
        },
};

static const Vmstate fw_cfg_vmstate = {
    .name = "fw_cfg",
    .version = 2,
    .oldest = 2,
    .pre_save = fw_cfg_pre_save,
    .fields =
        (const VmstateField[]){
            VMSTATE_U16(FwCfg, cur_entry),
            /* [0] was that of version 1, with 16 bits. */
            { .name = "cur_offset[1]",
              .kind = VMS_U32,
              .offset = offsetof(FwCfg, cur_offset),
              .size = sizeof(uint32_t) },
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &fw_cfg_dma_vmstate,
                                             &fw_cfg_acpi_vmstate, NULL },
};

static const Property fw_cfg_props[] = {
    PROP(PROP_BOOL, FwCfg, dma_enabled, "dma_enabled", .def = true),
    PROP(PROP_U16, FwCfg, file_slots, "x-file-slots", .def = 32),
    PROP(PROP_BOOL, FwCfg, acpi_mr_restore, "acpi-mr-restore", .def = true),
    PROP_END,
};

const DeviceType fw_cfg_io_type = {
    .name = "fw_cfg_io",
    .parent = "fw_cfg",
    .size = sizeof(FwCfg),
    .bus = BUS_SYSTEM,
    .props = fw_cfg_props,
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
    .vmstate = &fw_cfg_vmstate,
};

FwCfg *fw_cfg_create(Machine *m, GError **errp)
{
    Device *dev = device_new(m->vm, &fw_cfg_io_type);

    object_add_child(&m->obj, "fw_cfg", &dev->obj);
    if (!device_realize(dev, NULL, errp)) {
        return NULL;
    }
    m->fw_cfg = DEVICE_CAST(FwCfg, dev);
    return m->fw_cfg;
}
