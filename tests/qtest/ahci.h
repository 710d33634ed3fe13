/*
 * A driver for AHCI, as qtests need one: a controller with a disk on its first
 * port and a CD-ROM on the second, commands, and what becomes of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_AHCI_H
#define TESTS_QTEST_AHCI_H

#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 5 << 3,
    HBA = 0xe0000000,
    IDP = 0xc000,
    LISTS = 0x100000,
    RFIS = 0x104000,
    TABLES = 0x108000,
    DATA = 0x200000,
    MESSAGE = 0x300000,
    NOWHERE = 0xd0000000,
    DISK = 8 << 20,
    CD = 1 << 20,
    SECTORS = DISK / 512,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SCTL = 0x2c,
    PORT_SACT = 0x34,
    PORT_CI = 0x38,
    CMD_RUN = 0xc017, /* list and FISes are worked on */
    IS_D2H = 1 << 0,
    IS_PIO = 1 << 1,
    IS_SDB = 1 << 3,
    IS_OVERFLOW = 1 << 24,
    IS_DATA_ERROR = 1 << 28,
    IS_FATAL = 1 << 29,
    IS_ERROR = 1 << 30,
    ATAPI = 1 << 5, /* flags of a command's header */
    WRITE = 1 << 6,
};

typedef struct Ahci {
    QTest *q;
    char *disk, *cd;
} Ahci;

typedef struct Prd {
    uint64_t addr;
    uint32_t bytes;
} Prd;

/* A command: its FIS is made of this. */
typedef struct Cmd {
    unsigned port, slot;
    uint8_t command;
    uint16_t feature, count;
    uint64_t lba;
    unsigned flags;
    Prd prd[4];
    unsigned nprd;
    const uint8_t *cdb;
} Cmd;

static inline uint32_t cfg_read(QTest *q, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    return qtest_inl(q, 0xcfc);
}

static inline void cfg_write(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static inline uint32_t port_read(Ahci *a, unsigned port, unsigned reg)
{
    return qtest_readl(a->q, HBA + 0x100 + port * 0x80 + reg);
}

static inline void port_write(Ahci *a, unsigned port, unsigned reg,
                              uint32_t val)
{
    qtest_writel(a->q, HBA + 0x100 + port * 0x80 + reg, val);
}

static inline char *make_image(const char *name, size_t size, size_t block)
{
    g_autofree uint8_t *bytes = g_malloc0(size);
    char *path;
    int fd = g_file_open_tmp(name, &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    for (size_t i = 0; i < size; i += block) {
        stl_le_p(bytes + i, i / block);
        stl_le_p(bytes + i + block - 4, ~(i / block));
    }
    g_assert_true(g_file_set_contents(path, (char *)bytes, size, NULL));
    return path;
}

static inline void set_up(Ahci *a)
{
    cfg_write(a->q, PCI_BASE_ADDRESS_4, IDP);
    cfg_write(a->q, PCI_BASE_ADDRESS_5, HBA);
    cfg_write(a->q, PCI_COMMAND,
              PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline Ahci *start(const char *disk_props)
{
    Ahci *a = g_new0(Ahci, 1);

    a->disk = make_image("ahci-disk-XXXXXX", DISK, 512);
    a->cd = make_image("ahci-cd-XXXXXX", CD, 2048);
    a->q = qtest_startf("-device ich9-ahci,id=ahci,addr=5 "
                        "-drive file=%s,format=raw,if=none,id=d "
                        "-device ide-hd,drive=d,bus=ahci.0%s "
                        "-drive file=%s,format=raw,if=none,id=c,media=cdrom "
                        "-device ide-cd,drive=c,bus=ahci.1,id=cd0",
                        a->disk, disk_props, a->cd);
    set_up(a);
    return a;
}

static inline void finish(Ahci *a)
{
    qtest_quit(a->q);
    g_unlink(a->disk);
    g_unlink(a->cd);
    g_free(a->disk);
    g_free(a->cd);
    g_free(a);
}

static inline void port_start(Ahci *a, unsigned port)
{
    port_write(a, port, 0, LISTS + port * 0x400);
    port_write(a, port, 8, RFIS + port * 0x100);
    port_write(a, port, PORT_IE, UINT32_MAX);
    port_write(a, port, PORT_CMD, 0x16);
    port_write(a, port, PORT_CMD, 0x17);
    g_assert_cmphex(port_read(a, port, PORT_CMD), ==, CMD_RUN);
    port_write(a, port, PORT_IS, UINT32_MAX);
}

/* As drivers do it after an error. */
static inline void port_restart(Ahci *a, unsigned port)
{
    port_write(a, port, PORT_CMD, 0x16);
    g_assert_cmphex(port_read(a, port, PORT_CI), ==, 0);
    g_assert_cmphex(port_read(a, port, PORT_SACT), ==, 0);
    port_write(a, port, PORT_IS, UINT32_MAX);
    port_write(a, port, PORT_CMD, 0x17);
}

static inline uint64_t table_of(const Cmd *c)
{
    return TABLES + (c->port * 32 + c->slot) * 0x400;
}

static inline uint64_t header_of(const Cmd *c)
{
    return LISTS + c->port * 0x400 + c->slot * 32;
}

static inline bool is_queued(const Cmd *c)
{
    return c->command == 0x60 || c->command == 0x61;
}

static inline void put_fis(const Cmd *c, uint8_t *fis)
{
    uint16_t count = is_queued(c) ? c->slot << 3 : c->count;
    uint16_t feature = is_queued(c) ? c->count : c->feature;

    fis[0] = 0x27;
    fis[1] = 0x80;
    fis[2] = c->command;
    fis[3] = feature;
    fis[4] = c->lba;
    fis[5] = c->lba >> 8;
    fis[6] = c->lba >> 16;
    fis[7] = 0x40;
    fis[8] = c->lba >> 24;
    fis[9] = c->lba >> 32;
    fis[10] = c->lba >> 40;
    fis[11] = feature >> 8;
    stw_le_p(fis + 12, count);
}

static inline void put_command(Ahci *a, const Cmd *c)
{
    uint8_t table[0x80 + 16 * G_N_ELEMENTS(c->prd)] = { 0 };
    uint8_t header[32] = { 0 };

    put_fis(c, table);
    if (c->cdb != NULL) {
        memcpy(table + 0x40, c->cdb, 12);
    }
    for (unsigned i = 0; i < c->nprd; i++) {
        stq_le_p(table + 0x80 + 16 * i, c->prd[i].addr);
        stl_le_p(table + 0x80 + 16 * i + 12, c->prd[i].bytes - 1);
    }
    qtest_memwrite(a->q, table_of(c), table, sizeof(table));
    stw_le_p(header, 5 | c->flags);
    stw_le_p(header + 2, c->nprd);
    stq_le_p(header + 8, table_of(c));
    qtest_memwrite(a->q, header_of(c), header, sizeof(header));
}

static inline uint32_t moved(Ahci *a, const Cmd *c)
{
    return qtest_readl(a->q, header_of(c) + 4);
}

/* Until it is done or has failed; what PxIS says. */
static inline uint32_t wait_for(Ahci *a, unsigned port, uint32_t slots)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (port_read(a, port, PORT_IS) & IS_ERROR) {
            break;
        }
        if (((port_read(a, port, PORT_CI) | port_read(a, port, PORT_SACT)) &
             slots) == 0) {
            return port_read(a, port, PORT_IS);
        }
        g_usleep(1000);
    }
    return port_read(a, port, PORT_IS);
}

static inline uint32_t run(Ahci *a, const Cmd *c)
{
    put_command(a, c);
    port_write(a, c->port, PORT_IS, UINT32_MAX);
    if (is_queued(c)) {
        port_write(a, c->port, PORT_SACT, 1u << c->slot);
    }
    port_write(a, c->port, PORT_CI, 1u << c->slot);
    return wait_for(a, c->port, 1u << c->slot);
}

static inline void expect_sector(Ahci *a, uint64_t addr, uint32_t sector)
{
    g_assert_cmphex(qtest_readl(a->q, addr), ==, sector);
    g_assert_cmphex(qtest_readl(a->q, addr + 508), ==, ~sector);
}

#endif
