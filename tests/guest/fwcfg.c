/*
 * The firmware configuration device at ports 0x510-0x51b.
 *
 * Source: the device's public specification (fw_cfg.rst in QEMU's
 * documentation): selector, data and DMA registers, file directory. DMA is
 * used where the device has it: one exit instead of one per byte.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    PORT_SELECTOR = 0x510,
    PORT_DATA = 0x511,
    PORT_DMA_HIGH = 0x514,
    PORT_DMA_LOW = 0x518,
    KEY_SIGNATURE = 0x00,
    KEY_ID = 0x01,
    ID_DMA = 1 << 1,
    DMA_ERROR = 1 << 0,
    DMA_READ = 1 << 1,
    DMA_SELECT = 1 << 3,
    MAX_FILES = 256,
};

typedef struct DmaRequest {
    uint32_t control; /* all three big-endian */
    uint32_t length;
    uint64_t address;
} DmaRequest;

typedef struct DirEntry {
    uint32_t size;   /* big-endian */
    uint16_t select; /* big-endian */
    uint16_t reserved;
    char name[56];
} DirEntry;

static struct {
    bool probed, present, dma;
    uint32_t nfiles;
    uint32_t count_be;
    DirEntry files[MAX_FILES];
} fwcfg;

static void read_ports(uint16_t key, uint8_t *buf, uint32_t size)
{
    outw(PORT_SELECTOR, key);
    for (uint32_t i = 0; i < size; i++) {
        buf[i] = inb(PORT_DATA);
    }
}

static bool read_dma(uint16_t key, void *buf, uint32_t size)
{
    volatile DmaRequest req = {
        .control =
            __builtin_bswap32((uint32_t)key << 16 | DMA_SELECT | DMA_READ),
        .length = __builtin_bswap32(size),
        .address = __builtin_bswap64((uintptr_t)buf),
    };
    uint64_t where = (uintptr_t)&req;

    __asm__ volatile("" ::: "memory");
    outl(PORT_DMA_HIGH, __builtin_bswap32(where >> 32));
    outl(PORT_DMA_LOW, __builtin_bswap32((uint32_t)where));
    while (__builtin_bswap32(req.control) & ~DMA_ERROR) {
        cpu_relax();
    }
    __asm__ volatile("" ::: "memory");
    return req.control == 0;
}

static void probe(void)
{
    uint8_t sig[4], id[4];

    fwcfg.probed = true;
    read_ports(KEY_SIGNATURE, sig, sizeof(sig));
    /* The device's signature, four letters. */
    if (sig[0] != 'Q' || sig[1] != 'E' || sig[2] != 'M' || sig[3] != 'U') {
        return;
    }
    read_ports(KEY_ID, id, sizeof(id));
    fwcfg.present = true;
    fwcfg.dma = id[0] & ID_DMA;
}

bool fwcfg_read(uint16_t key, void *buf, uint32_t size)
{
    if (!fwcfg.probed) {
        probe();
    }
    if (!fwcfg.present) {
        return false;
    }
    if (fwcfg.dma && read_dma(key, buf, size)) {
        return true;
    }
    read_ports(key, buf, size);
    return true;
}

uint32_t fwcfg_find(const char *name, uint16_t *ret_key)
{
    if (!fwcfg.nfiles) {
        /* Count and entries lie together: one read gets both. */
        if (!fwcfg_read(FWCFG_FILE_DIR, &fwcfg.count_be, 4)) {
            return 0;
        }
        fwcfg.nfiles = __builtin_bswap32(fwcfg.count_be);
        if (fwcfg.nfiles > MAX_FILES) {
            fwcfg.nfiles = MAX_FILES;
        }
        fwcfg_read(FWCFG_FILE_DIR, &fwcfg.count_be,
                   4 + fwcfg.nfiles * sizeof(DirEntry));
    }
    for (uint32_t i = 0; i < fwcfg.nfiles; i++) {
        DirEntry *e = &fwcfg.files[i];

        e->name[sizeof(e->name) - 1] = '\0';
        if (str_equal(e->name, name)) {
            *ret_key = __builtin_bswap16(e->select);
            return __builtin_bswap32(e->size);
        }
    }
    return 0;
}
