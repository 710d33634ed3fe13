/*
 * IDE: disks and CD-ROM drives of the machine "pc", by their registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum { HD = 0x1f0, CD = 0x170, BM = 0xc000, IRQ_HD = 14, IRQ_CD = 15 };
enum {
    DATA,
    ERROR,
    NSECTOR,
    SECTOR,
    LCYL,
    HCYL,
    SELECT,
    STATUS,
    CONTROL = 0x206,
};
enum {
    ERR = 0x01,
    DRQ = 0x08,
    READY = 0x50, /* and seek complete */
    BSY = 0x80,
    ABRT = 0x04,
    IDNF = 0x10,
};

#define SECTOR_SIZE  512
#define DISK_SECTORS 16384 /* 8 MiB */
#define CD_SECTORS   64
#define CD_SIZE      2048
#define PRDT         0x1000
#define BUF          0x10000

typedef struct Ide {
    QTest *q;
    char *dir, *disk, *cdrom;
} Ide;

static void make_image(const char *path, unsigned nblocks, unsigned size)
{
    g_autofree uint8_t *buf = g_malloc((size_t)nblocks * size);

    for (unsigned i = 0; i < nblocks; i++) {
        memset(buf + (size_t)i * size, i * 7 + 1, size);
        stl_le_p(buf + (size_t)i * size, i);
    }
    g_assert_true(
        g_file_set_contents(path, (char *)buf, (gssize)nblocks * size, NULL));
}

static Ide *start(const char *args)
{
    Ide *s = g_new0(Ide, 1);

    s->dir = g_dir_make_tmp("ide-test-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    s->disk = g_build_filename(s->dir, "disk", NULL);
    s->cdrom = g_build_filename(s->dir, "cdrom", NULL);
    make_image(s->disk, DISK_SECTORS, SECTOR_SIZE);
    make_image(s->cdrom, CD_SECTORS, CD_SIZE);
    s->q = qtest_startf("-machine pc -m 16 -drive file=%s,format=raw,if=ide,"
                        "id=hd -cdrom %s %s",
                        s->disk, s->cdrom, args);
    qtest_irq_intercept_in(s->q, "ioapic");
    return s;
}

static void finish(Ide *s)
{
    qtest_quit(s->q);
    g_unlink(s->disk);
    g_unlink(s->cdrom);
    g_rmdir(s->dir);
    g_free(s->disk);
    g_free(s->cdrom);
    g_free(s->dir);
    g_free(s);
}

/* Until the drive has done what the block layer does for it. */
static uint8_t wait_ready(Ide *s, uint16_t base)
{
    uint8_t st;

    do {
        st = qtest_inb(s->q, base + CONTROL);
    } while (st & BSY);
    return st;
}

static void set_lba(Ide *s, uint32_t lba, uint8_t count)
{
    qtest_outb(s->q, HD + SELECT, 0xe0 | lba >> 24);
    qtest_outb(s->q, HD + NSECTOR, count);
    qtest_outb(s->q, HD + SECTOR, lba);
    qtest_outb(s->q, HD + LCYL, lba >> 8);
    qtest_outb(s->q, HD + HCYL, lba >> 16);
}

static void command(Ide *s, uint8_t cmd)
{
    qtest_outb(s->q, HD + STATUS, cmd);
}

static void get_data(Ide *s, uint16_t base, uint8_t *buf, unsigned len)
{
    for (unsigned i = 0; i < len; i += 2) {
        stw_le_p(buf + i, qtest_inw(s->q, base + DATA));
    }
}

static void put_data(Ide *s, uint16_t base, const uint8_t *buf, unsigned len)
{
    for (unsigned i = 0; i < len; i += 2) {
        qtest_outw(s->q, base + DATA, lduw_le_p(buf + i));
    }
}

static void expect_sector(const uint8_t *buf, uint32_t n)
{
    g_assert_cmphex(ldl_le_p(buf), ==, n);
    for (unsigned i = 4; i < SECTOR_SIZE; i++) {
        g_assert_cmphex(buf[i], ==, (uint8_t)(n * 7 + 1));
    }
}

/* What is on the host's side. */
static void expect_on_disk(Ide *s, uint32_t lba, const void *want, size_t len)
{
    g_autofree char *all = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(s->disk, &all, &size, NULL));
    g_assert_cmpuint(size, ==, DISK_SECTORS * SECTOR_SIZE);
    g_assert_cmpmem(all + (size_t)lba * SECTOR_SIZE, len, want, len);
}

/* Disks by PIO */

static void test_identify(void)
{
    Ide *s = start("");
    uint8_t id[SECTOR_SIZE], model[41] = { 0 };

    qtest_outb(s->q, HD + SELECT, 0xa0);
    command(s, 0xec);
    g_assert_cmphex(wait_ready(s, HD), ==, READY | DRQ);
    g_assert_true(qtest_get_irq(s->q, IRQ_HD));
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY | DRQ);
    g_assert_false(qtest_get_irq(s->q, IRQ_HD));
    get_data(s, HD, id, sizeof(id));
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    g_assert_cmphex(lduw_le_p(id), ==, 0x40);
    for (unsigned i = 0; i < 40; i++) {
        model[i] = id[54 + (i ^ 1)];
    }
    g_assert_cmpstr(g_strchomp((char *)model), ==, "QEMU HARDDISK");
    g_assert_cmpuint(ldl_le_p(id + 120), ==, DISK_SECTORS);
    g_assert_cmpuint(ldq_le_p(id + 200), ==, DISK_SECTORS);
    g_assert_cmpuint(lduw_le_p(id + 2), ==, 16);
    /* The slave isn't there. */
    qtest_outb(s->q, HD + SELECT, 0xb0);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, 0);
    command(s, 0xec);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, 0);
    finish(s);
}

static void test_pio_read(void)
{
    Ide *s = start("");
    uint8_t buf[8 * SECTOR_SIZE];

    set_lba(s, 5, 3);
    command(s, 0x20);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(wait_ready(s, HD), ==, READY | DRQ);
        get_data(s, HD, buf, SECTOR_SIZE);
        expect_sector(buf, 5 + i);
    }
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    g_assert_cmphex(qtest_inb(s->q, HD + SECTOR), ==, 8);
    /* CHS 0/1/2 is sector 64. */
    qtest_outb(s->q, HD + SELECT, 0xa1);
    qtest_outb(s->q, HD + NSECTOR, 1);
    qtest_outb(s->q, HD + SECTOR, 2);
    qtest_outb(s->q, HD + LCYL, 0);
    qtest_outb(s->q, HD + HCYL, 0);
    command(s, 0x20);
    wait_ready(s, HD);
    get_data(s, HD, buf, SECTOR_SIZE);
    expect_sector(buf, 64);
    /* Four at once, and the one that is left. */
    qtest_outb(s->q, HD + NSECTOR, 4);
    command(s, 0xc6);
    set_lba(s, 100, 5);
    command(s, 0xc4);
    wait_ready(s, HD);
    get_data(s, HD, buf, 4 * SECTOR_SIZE);
    wait_ready(s, HD);
    get_data(s, HD, buf + 4 * SECTOR_SIZE, SECTOR_SIZE);
    for (unsigned i = 0; i < 5; i++) {
        expect_sector(buf + i * SECTOR_SIZE, 100 + i);
    }
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    finish(s);
}

static void test_pio_write(void)
{
    Ide *s = start("");
    uint8_t buf[2 * SECTOR_SIZE];

    for (unsigned i = 0; i < sizeof(buf); i++) {
        buf[i] = i * 3 + i / 256;
    }
    set_lba(s, 7, 2);
    command(s, 0x30);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(wait_ready(s, HD), ==, READY | DRQ);
        put_data(s, HD, buf + i * SECTOR_SIZE, SECTOR_SIZE);
    }
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    command(s, 0xe7);
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    expect_on_disk(s, 7, buf, sizeof(buf));
    finish(s);
}

static void expect_error(Ide *s, uint8_t cmd, uint8_t error)
{
    command(s, cmd);
    g_assert_cmphex(wait_ready(s, HD), ==, 0x40 | ERR);
    g_assert_cmphex(qtest_inb(s->q, HD + ERROR), ==, error);
}

static void test_bad_commands(void)
{
    Ide *s = start("");
    uint8_t buf[SECTOR_SIZE] = { 0 };

    qtest_outb(s->q, HD + SELECT, 0xa0);
    expect_error(s, 0x00, ABRT);
    expect_error(s, 0xff, ABRT);
    /* The sector after the last; the last and the one after it. */
    set_lba(s, DISK_SECTORS, 1);
    expect_error(s, 0x20, IDNF);
    set_lba(s, DISK_SECTORS - 1, 2);
    expect_error(s, 0x42, IDNF);
    /* There is no sector 0 in CHS. */
    set_lba(s, 0, 1);
    qtest_outb(s->q, HD + SELECT, 0xa0);
    expect_error(s, 0x20, IDNF);
    set_lba(s, 0xfffffff, 1);
    command(s, 0x30);
    put_data(s, HD, buf, SECTOR_SIZE);
    g_assert_cmphex(wait_ready(s, HD), ==, 0x40 | ERR);
    qtest_outb(s->q, HD + NSECTOR, 3);
    expect_error(s, 0xc6, ABRT);
    finish(s);
}

static void test_reset(void)
{
    Ide *s = start("");

    set_lba(s, 5, 1);
    command(s, 0x20);
    wait_ready(s, HD);
    qtest_outb(s->q, HD + CONTROL, 0x04);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, BSY);
    qtest_outb(s->q, HD + CONTROL, 0x00);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    g_assert_cmphex(qtest_inb(s->q, HD + ERROR), ==, 1);
    g_assert_cmphex(qtest_inb(s->q, HD + NSECTOR), ==, 1);
    g_assert_cmphex(qtest_inb(s->q, HD + LCYL), ==, 0);
    g_assert_cmphex(qtest_inb(s->q, HD + HCYL), ==, 0);
    /* A packet device tells that it is one. */
    qtest_outb(s->q, CD + CONTROL, 0x04);
    qtest_outb(s->q, CD + CONTROL, 0x00);
    g_assert_cmphex(qtest_inb(s->q, CD + STATUS), ==, 0);
    g_assert_cmphex(qtest_inb(s->q, CD + LCYL), ==, 0x14);
    g_assert_cmphex(qtest_inb(s->q, CD + HCYL), ==, 0xeb);
    finish(s);
}

static void test_no_interrupt(void)
{
    Ide *s = start("");

    qtest_outb(s->q, HD + CONTROL, 0x02);
    qtest_outb(s->q, HD + SELECT, 0xe0);
    command(s, 0xe5);
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    g_assert_cmphex(qtest_inb(s->q, HD + NSECTOR), ==, 0xff);
    g_assert_cmpuint(qtest_irq_count(s->q, IRQ_HD), ==, 0);
    qtest_outb(s->q, HD + CONTROL, 0x00);
    command(s, 0xe5);
    g_assert_cmpuint(qtest_irq_count(s->q, IRQ_HD), ==, 1);
    finish(s);
}

/* Disks by DMA */

static void pci_write(QTest *q, uint8_t reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000900 | reg);
    qtest_outl(q, 0xcfc, val);
}

static void start_bus_master(Ide *s)
{
    pci_write(s->q, 0x20, BM);
    pci_write(s->q, 0x04, 5);
}

static void put_prd(Ide *s, unsigned n, uint32_t addr, uint16_t len, bool last)
{
    qtest_writel(s->q, PRDT + 8 * n, addr);
    qtest_writel(s->q, PRDT + 8 * n + 4, len | (last ? 1U << 31 : 0));
}

/* The bus master's status when it is over; `dir`: 8 to memory. */
static uint8_t run_dma(Ide *s, uint8_t cmd, uint8_t dir)
{
    uint8_t st;

    qtest_outl(s->q, BM + 4, PRDT);
    qtest_outb(s->q, BM + 2, 6);
    command(s, cmd);
    qtest_outb(s->q, BM, dir | 1);
    do {
        st = qtest_inb(s->q, BM + 2);
    } while ((st & 7) == 1);
    qtest_outb(s->q, BM, dir);
    return st;
}

static void test_dma_read(void)
{
    Ide *s = start("");
    uint8_t buf[4 * SECTOR_SIZE];

    start_bus_master(s);
    /* Two regions whose border is inside a sector. */
    put_prd(s, 0, BUF, 700, false);
    put_prd(s, 1, BUF + 0x8000, 4 * SECTOR_SIZE - 700, true);
    set_lba(s, 40, 4);
    g_assert_cmphex(run_dma(s, 0xc8, 8), ==, 4);
    g_assert_true(qtest_get_irq(s->q, IRQ_HD));
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    qtest_memread(s->q, BUF, buf, 700);
    qtest_memread(s->q, BUF + 0x8000, buf + 700, sizeof(buf) - 700);
    for (unsigned i = 0; i < 4; i++) {
        expect_sector(buf + i * SECTOR_SIZE, 40 + i);
    }
    finish(s);
}

static void test_dma_write(void)
{
    Ide *s = start("");
    uint8_t buf[SECTOR_SIZE];

    memset(buf, 0xa5, sizeof(buf));
    start_bus_master(s);
    qtest_memwrite(s->q, BUF, buf, sizeof(buf));
    put_prd(s, 0, BUF, SECTOR_SIZE, true);
    /* 48 bits of address, the upper ones first. */
    qtest_outb(s->q, HD + SELECT, 0xe0);
    for (unsigned i = 0; i < 2; i++) {
        qtest_outb(s->q, HD + NSECTOR, i);
        qtest_outb(s->q, HD + SECTOR, i * 9);
        qtest_outb(s->q, HD + LCYL, 0);
        qtest_outb(s->q, HD + HCYL, 0);
    }
    g_assert_cmphex(run_dma(s, 0x35, 0), ==, 4);
    command(s, 0xea);
    g_assert_cmphex(wait_ready(s, HD), ==, READY);
    expect_on_disk(s, 9, buf, sizeof(buf));
    finish(s);
}

static void test_dma_tables(void)
{
    Ide *s = start("");

    start_bus_master(s);
    /* More table than data: still active, with an interrupt. */
    put_prd(s, 0, BUF, 2 * SECTOR_SIZE, true);
    set_lba(s, 40, 1);
    g_assert_cmphex(run_dma(s, 0xc8, 8), ==, 5);
    g_assert_cmphex(qtest_inb(s->q, BM + 2) & 1, ==, 0); /* stopped since */
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    /* Less: idle, without one. */
    put_prd(s, 0, BUF, SECTOR_SIZE, true);
    set_lba(s, 40, 3);
    g_assert_cmphex(run_dma(s, 0xc8, 8) & 5, ==, 0);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    /* Past the end of the medium. */
    set_lba(s, DISK_SECTORS - 1, 2);
    g_assert_cmphex(run_dma(s, 0xc8, 8), ==, 4); /* the drive's error */
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, 0x40 | ERR);
    /* A table where no memory is. */
    set_lba(s, 40, 1);
    qtest_outl(s->q, BM + 4, 0xd0000000);
    qtest_outb(s->q, BM + 2, 6);
    command(s, 0xc8);
    qtest_outb(s->q, BM, 9);
    wait_ready(s, HD);
    while (qtest_inb(s->q, BM + 2) & 1) {
    }
    qtest_outb(s->q, BM, 8);
    /* A region where none is. */
    put_prd(s, 0, 0xd0000000, SECTOR_SIZE, true);
    set_lba(s, 40, 1);
    run_dma(s, 0xc8, 8);
    /* Bus mastering switched off: nothing reaches memory, or the disk. */
    pci_write(s->q, 0x04, 1);
    qtest_memset(s->q, BUF, 0x11, SECTOR_SIZE);
    put_prd(s, 0, BUF, SECTOR_SIZE, true);
    set_lba(s, 40, 1);
    g_assert_cmphex(run_dma(s, 0xc8, 8), ==, 5);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    g_assert_cmphex(qtest_readb(s->q, BUF), ==, 0x11);
    set_lba(s, 40, 1);
    g_assert_cmphex(run_dma(s, 0xca, 0) & 3, ==, 2);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, 0x40 | ERR);
    finish(s);
}

/* DATA SET MANAGEMENT: ranges are a hint; the count register stays. */
static void test_trim(void)
{
    static const struct {
        uint64_t range;
        uint8_t count, bm, status, error;
    } t[] = {
        { UINT64_C(8) << 48, 1, 4, READY, 0 },
        { UINT64_C(8) << 48 | (DISK_SECTORS - 7), 1, 4, 0x40 | ERR, 4 },
        { 0, 0, 5, READY, 0 },
    };
    Ide *s = start("");

    start_bus_master(s);
    put_prd(s, 0, BUF, SECTOR_SIZE, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("row %u", i);
        qtest_memset(s->q, BUF, 0, SECTOR_SIZE);
        qtest_writeq(s->q, BUF, t[i].range);
        qtest_outb(s->q, HD + SELECT, 0xe0);
        qtest_outb(s->q, HD + ERROR, 1);
        qtest_outb(s->q, HD + NSECTOR, 0);
        qtest_outb(s->q, HD + NSECTOR, t[i].count);
        g_assert_cmphex(run_dma(s, 0x06, 0), ==, t[i].bm);
        g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, t[i].status);
        g_assert_cmphex(qtest_inb(s->q, HD + ERROR), ==, t[i].error);
        g_assert_cmphex(qtest_inb(s->q, HD + NSECTOR), ==, t[i].count);
    }
    finish(s);
}

/* A command that waits for the bus master, and a reset. */
static void test_dma_cancel(void)
{
    Ide *s = start("");

    start_bus_master(s);
    set_lba(s, 40, 1);
    command(s, 0xc8);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY | DRQ);
    qtest_outb(s->q, HD + CONTROL, 0x04);
    qtest_outb(s->q, HD + CONTROL, 0x00);
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    qtest_memset(s->q, BUF, 0x11, SECTOR_SIZE);
    put_prd(s, 0, BUF, SECTOR_SIZE, true);
    qtest_outl(s->q, BM + 4, PRDT);
    qtest_outb(s->q, BM, 9);
    g_assert_cmphex(qtest_readb(s->q, BUF), ==, 0x11);
    finish(s);
}

/* CD-ROM */

static uint8_t packet(Ide *s, const uint8_t *cdb, bool dma)
{
    qtest_outb(s->q, CD + SELECT, 0xa0);
    qtest_outb(s->q, CD + ERROR, dma);
    qtest_outb(s->q, CD + LCYL, CD_SIZE & 0xff);
    qtest_outb(s->q, CD + HCYL, CD_SIZE >> 8);
    qtest_outb(s->q, CD + STATUS, 0xa0);
    g_assert_cmphex(wait_ready(s, CD), ==, READY | DRQ);
    g_assert_cmphex(qtest_inb(s->q, CD + NSECTOR), ==, 1);
    put_data(s, CD, cdb, 12);
    return wait_ready(s, CD);
}

static unsigned part_len(Ide *s)
{
    return qtest_inb(s->q, CD + LCYL) | qtest_inb(s->q, CD + HCYL) << 8;
}

static void expect_sense(Ide *s, uint8_t key, uint8_t asc)
{
    const uint8_t cdb[12] = { 0x03, 0, 0, 0, 18 };
    uint8_t buf[18];

    g_assert_cmphex(packet(s, cdb, false), ==, READY | DRQ);
    g_assert_cmpuint(part_len(s), ==, sizeof(buf));
    get_data(s, CD, buf, sizeof(buf));
    g_assert_cmphex(wait_ready(s, CD), ==, READY);
    g_assert_cmphex(qtest_inb(s->q, CD + NSECTOR) & 7, ==, 3);
    g_assert_cmphex(buf[2], ==, key);
    g_assert_cmphex(buf[12], ==, asc);
}

static void test_atapi(void)
{
    const uint8_t capacity[12] = { 0x25 };
    const uint8_t inquiry[12] = { 0x12, 0, 0, 0, 36 };
    const uint8_t toc[12] = { 0x43, 0, 0, 0, 0, 0, 0, 0, 20 };
    const uint8_t bad[12] = { 0xff };
    const uint8_t past[12] = { 0x28, 0, 0, 0, 0, CD_SECTORS, 0, 0, 1 };
    Ide *s = start("");
    uint8_t buf[64];

    g_assert_cmphex(packet(s, capacity, false), ==, READY | DRQ);
    g_assert_cmpuint(part_len(s), ==, 8);
    get_data(s, CD, buf, 8);
    g_assert_cmpuint(ldl_be_p(buf), ==, CD_SECTORS - 1);
    g_assert_cmpuint(ldl_be_p(buf + 4), ==, CD_SIZE);
    packet(s, inquiry, false);
    get_data(s, CD, buf, 36);
    g_assert_cmpmem(buf + 8, 20, "QEMU    QEMU DVD-ROM", 20);
    packet(s, toc, false);
    g_assert_cmpuint(part_len(s), ==, 20);
    get_data(s, CD, buf, 20);
    g_assert_cmphex(buf[6], ==, 1);
    g_assert_cmphex(buf[14], ==, 0xaa);
    g_assert_cmpuint(ldl_be_p(buf + 16), ==, CD_SECTORS);
    g_assert_cmphex(packet(s, bad, false), ==, 0x40 | ERR);
    g_assert_cmphex(qtest_inb(s->q, CD + ERROR), ==, 0x50);
    expect_sense(s, 5, 0x20);
    expect_sense(s, 0, 0);
    g_assert_cmphex(packet(s, past, false), ==, 0x40 | ERR);
    expect_sense(s, 5, 0x21);
    finish(s);
}

static void expect_cd_sector(const uint8_t *buf, uint32_t n)
{
    g_assert_cmphex(ldl_le_p(buf), ==, n);
    for (unsigned i = 4; i < CD_SIZE; i++) {
        g_assert_cmphex(buf[i], ==, (uint8_t)(n * 7 + 1));
    }
}

static void test_atapi_read(void)
{
    const uint8_t cdb[12] = { 0x28, 0, 0, 0, 0, 4, 0, 0, 3 };
    const uint8_t raw[12] = { 0xbe, 0, 0, 0, 0, 4, 0, 0, 1, 0xf8 };
    Ide *s = start("");
    uint8_t buf[3 * CD_SIZE];

    g_assert_cmphex(packet(s, cdb, false), ==, READY | DRQ);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(wait_ready(s, CD), ==, READY | DRQ);
        g_assert_cmpuint(part_len(s), ==, CD_SIZE);
        get_data(s, CD, buf, CD_SIZE);
        expect_cd_sector(buf, 4 + i);
    }
    g_assert_cmphex(wait_ready(s, CD), ==, READY);
    /* By DMA. */
    start_bus_master(s);
    put_prd(s, 0, BUF, sizeof(buf), true);
    qtest_outl(s->q, BM + 12, PRDT);
    packet(s, cdb, true);
    qtest_outb(s->q, BM + 8, 9);
    while (qtest_inb(s->q, BM + 10) & 1) {
    }
    g_assert_cmphex(wait_ready(s, CD), ==, READY);
    qtest_memread(s->q, BUF, buf, sizeof(buf));
    for (unsigned i = 0; i < 3; i++) {
        expect_cd_sector(buf + i * CD_SIZE, 4 + i);
    }
    /* With all that is around the data, in two parts. */
    g_assert_cmphex(packet(s, raw, false), ==, READY | DRQ);
    g_assert_cmpuint(part_len(s), ==, CD_SIZE);
    get_data(s, CD, buf, CD_SIZE);
    wait_ready(s, CD);
    g_assert_cmpuint(part_len(s), ==, 2352 - CD_SIZE);
    get_data(s, CD, buf + CD_SIZE, 2352 - CD_SIZE);
    g_assert_cmphex(buf[1], ==, 0xff);
    g_assert_cmphex(buf[13], ==, 0x02); /* 00:02:04 */
    g_assert_cmphex(buf[14], ==, 0x04);
    expect_cd_sector(buf + 16, 4);
    finish(s);
}

static void test_tray(void)
{
    const uint8_t lock[12] = { 0x1e, 0, 0, 0, 1 };
    const uint8_t unlock[12] = { 0x1e };
    const uint8_t open[12] = { 0x1b, 0, 0, 0, 2 };
    const uint8_t ready[12] = { 0x00 };
    Ide *s = start("");
    g_autofree char *info = NULL;

    g_assert_cmphex(packet(s, ready, false), ==, READY);
    g_assert_cmphex(packet(s, lock, false), ==, READY);
    g_assert_cmphex(packet(s, open, false), ==, 0x40 | ERR);
    expect_sense(s, 5, 0x53);
    info = qtest_hmp(s->q, "info block");
    g_assert_nonnull(strstr(info, "Removable device: locked, tray closed"));
    g_assert_cmphex(packet(s, unlock, false), ==, READY);
    g_assert_cmphex(packet(s, open, false), ==, READY);
    g_assert_cmphex(packet(s, ready, false), ==, 0x40 | ERR);
    expect_sense(s, 2, 0x3a);
    finish(s);
}

static void test_options(void)
{
    static const struct {
        const char *args, *message;
    } t[] = {
        { "-device ide-hd", "No drive specified" },
        { "-device ide-hd,drive=zz", "can't find value 'zz'" },
        { "-device ide-cd,unit=2", "Can't create IDE unit 2" },
        { "-device ide-cd,bus=ide.1,unit=1 -device ide-cd,bus=ide.1,unit=1",
          "IDE unit 1 is in use" },
        { "-drive if=none,id=x,media=cdrom -device ide-hd,drive=x",
          "Device needs media, but drive is empty" },
        { "-drive if=scsi,media=cdrom",
          "machine type does not support if=scsi,bus=0,unit=0" },
        { "-drive if=ide,bus=3,media=cdrom",
          "machine type does not support if=ide,bus=3,unit=0" },
        { "-device ide-cd,bootindex=7 -device ide-cd,bootindex=7",
          "The bootindex 7 has already been used" },
        { "-device ide-cd,backend_defaults=on",
          "backend_defaults=on is not in this version" },
        { "-device ide-cd,werror=stop",
          "werror=stop of CD-ROM drives is not in this version" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args =
            g_strdup_printf("-machine pc -m 16 -nodefaults -display none %s",
                            t[i].args);
        int status = 0;
        g_autofree char *err = qtest_run(args, &status);

        g_test_message("%s: %s", t[i].args, err);
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(err, t[i].message));
    }
}

/* What firmware finds in fw_cfg; NULL: the file is empty. */
static char *boot_order(QTest *q)
{
    uint8_t entry[64], count[4];
    char *text;
    uint32_t n;

    qtest_outw(q, 0x510, 0x19);
    for (unsigned i = 0; i < sizeof(count); i++) {
        count[i] = qtest_inb(q, 0x511);
    }
    n = ldl_be_p(count);
    g_assert_cmpuint(n, <, 100);
    do {
        g_assert_cmpuint(n--, >, 0);
        for (unsigned i = 0; i < sizeof(entry); i++) {
            entry[i] = qtest_inb(q, 0x511);
        }
    } while (strcmp((char *)entry + 8, "bootorder") != 0);
    n = ldl_be_p(entry);
    g_assert_cmpuint(n, <, 1000);
    if (n == 0) {
        return NULL;
    }
    text = g_malloc(n);
    qtest_outw(q, 0x510, lduw_be_p(entry + 4));
    for (unsigned i = 0; i < n; i++) {
        text[i] = qtest_inb(q, 0x511);
    }
    g_assert_cmpuint(strnlen(text, n), ==, n - 1);
    return text;
}

static void expect_boot_order(QTest *q, const char *want)
{
    g_autofree char *text = boot_order(q);

    g_assert_cmpstr(text, ==, want);
}

static void set_boot_index(QTest *q, const char *id, int index, bool good)
{
    g_autoptr(JsonValue) r = NULL;

    r = qtest_qmp(q,
                  "{'execute': 'qom-set', 'arguments': {'path': '%s',"
                  " 'property': 'bootindex', 'value': %d}}",
                  id, index);
    g_assert_true((json_object_get(r, "error") == NULL) == good);
}

static void reset_machine(QTest *q)
{
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp_event(q, "RESET"));
}

#define IDE_NODE "/pci@i0cf8/ide@1,1"

static void test_boot_order(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -nodefaults -boot strict=on "
                           "-device ide-cd,id=a,bus=ide.1,unit=1,bootindex=5 "
                           "-device ide-cd,id=b,bus=ide.0,unit=0,bootindex=2 "
                           "-device ide-cd,id=c,bus=ide.0,unit=1");

    expect_boot_order(q, IDE_NODE "/drive@0/disk@0\n" IDE_NODE
                                  "/drive@1/disk@1\nHALT");
    /* Seen by the firmware that runs after a reset. */
    set_boot_index(q, "/machine/peripheral/c", 5, false);
    set_boot_index(q, "/machine/peripheral/c", 0, true);
    set_boot_index(q, "/machine/peripheral/b", -1, true);
    reset_machine(q);
    expect_boot_order(q, IDE_NODE "/drive@0/disk@1\n" IDE_NODE
                                  "/drive@1/disk@1\nHALT");
    set_boot_index(q, "/machine/peripheral/a", -1, true);
    set_boot_index(q, "/machine/peripheral/c", -1, true);
    reset_machine(q);
    expect_boot_order(q, NULL);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio/read", test_pio_read);
    g_test_add_func("/ide/pio/write", test_pio_write);
    g_test_add_func("/ide/bad-commands", test_bad_commands);
    g_test_add_func("/ide/reset", test_reset);
    g_test_add_func("/ide/no-interrupt", test_no_interrupt);
    g_test_add_func("/ide/dma/read", test_dma_read);
    g_test_add_func("/ide/dma/write", test_dma_write);
    g_test_add_func("/ide/dma/tables", test_dma_tables);
    g_test_add_func("/ide/dma/cancel", test_dma_cancel);
    g_test_add_func("/ide/trim", test_trim);
    g_test_add_func("/ide/atapi/commands", test_atapi);
    g_test_add_func("/ide/atapi/read", test_atapi_read);
    g_test_add_func("/ide/atapi/tray", test_tray);
    g_test_add_func("/ide/boot-order", test_boot_order);
    g_test_add_func("/ide/options", test_options);
    return g_test_run();
}
