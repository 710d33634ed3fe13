/*
 * qtest: the virtio disk: configuration, requests, what bad ones get.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 2 << 3,
    MSIX = 0xfe000000,
    MODERN = 0xfd000000,
    CONFIG = MODERN + 0x2000,
    NOTIFY = MODERN + 0x3000,
    DESC = 0x10000,
    AVAIL = 0x11000,
    USED = 0x12000,
    HEADER = 0x20000,
    STATUS = 0x20010,
    DATA = 0x21000,
    DISK = 1 << 20,
};

typedef struct Blk {
    QTest *q;
    char *image;
    unsigned n; /* requests so far */
} Blk;

static void cfg_write(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static void drive(QTest *q)
{
    cfg_write(q, PCI_BASE_ADDRESS_1, MSIX);
    cfg_write(q, PCI_BASE_ADDRESS_4, MODERN);
    cfg_write(q, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 3);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 0);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1 << VIRTIO_BLK_F_FLUSH);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xb);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_SELECT, 0);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, DESC);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_AVAILLO, AVAIL);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_USEDLO, USED);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xf);
}

/* A disk of 1 MiB; each sector has its number in its bytes. */
static Blk *start(const char *props, const char *drive_opts)
{
    g_autofree uint8_t *bytes = g_malloc(DISK);
    Blk *b = g_new0(Blk, 1);
    int fd = g_file_open_tmp("virtio-blk-XXXXXX", &b->image, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    for (unsigned i = 0; i < DISK; i++) {
        bytes[i] = i / 512;
    }
    g_assert_true(g_file_set_contents(b->image, (char *)bytes, DISK, NULL));
    b->q = qtest_startf("-drive file=%s,format=raw,if=none,id=d0%s "
                        "-device virtio-blk-pci,addr=2,drive=d0%s",
                        b->image, drive_opts, props);
    drive(b->q);
    return b;
}

static void stop(Blk *b)
{
    qtest_quit(b->q);
    g_unlink(b->image);
    g_free(b->image);
    g_free(b);
}

static void describe(QTest *q, unsigned i, uint64_t at, uint32_t len,
                     unsigned flags)
{
    qtest_writeq(q, DESC + 16 * i, at);
    qtest_writel(q, DESC + 16 * i + 8, len);
    qtest_writew(q, DESC + 16 * i + 12, flags);
    qtest_writew(q, DESC + 16 * i + 14, i + 1);
}

/* The chain at descriptor 0. */
static void make_available(Blk *b)
{
    qtest_writew(b->q, AVAIL + 4 + 2 * (b->n % 256), 0);
    qtest_writew(b->q, AVAIL + 2, ++b->n);
    qtest_writew(b->q, NOTIFY, 0);
}

/* As a driver leaves them for a device that was reset. */
static void empty_rings(Blk *b)
{
    b->n = 0;
    qtest_writew(b->q, AVAIL + 2, 0);
    qtest_writew(b->q, USED + 2, 0);
}

/* As told with the request before. */
static uint32_t used_length(Blk *b)
{
    return qtest_readl(b->q, USED + 4 + 8 * ((b->n - 1) % 256) + 4);
}

/* Begins a request; data of `len` bytes, for the device to fill if `in`. */
static void submit(Blk *b, uint32_t type, uint64_t sector, uint32_t len,
                   bool in)
{
    QTest *q = b->q;
    unsigned next = 1;

    qtest_writel(q, HEADER, type);
    qtest_writel(q, HEADER + 4, 0);
    qtest_writeq(q, HEADER + 8, sector);
    qtest_writeb(q, STATUS, 0xff);
    describe(q, 0, HEADER, 16, 1);
    if (len > 0) {
        describe(q, next++, DATA, len, 1 | (in ? 2 : 0));
    }
    describe(q, next, STATUS, 1, 2);
    make_available(b);
}

static uint8_t finish(Blk *b)
{
    while (qtest_readw(b->q, USED + 2) != b->n) {
        g_usleep(200);
    }
    return qtest_readb(b->q, STATUS);
}

static uint8_t request(Blk *b, uint32_t type, uint64_t sector, uint32_t len,
                       bool in)
{
    submit(b, type, sector, len, in);
    return finish(b);
}

static void qmp_ok(QTest *q, const char *cmd)
{
    g_autoptr(JsonValue) r = qtest_qmp(q, "%s", cmd);

    g_assert_false(json_object_has(r, "error"));
}

/* Of the first drive. */
static int64_t stat_of(const JsonValue *blockstats, const char *name)
{
    const JsonValue *drive = json_array_at(blockstats, 0);
    int64_t val = -1;

    json_get_int(json_object_get(json_object_get(drive, "stats"), name), &val);
    return val;
}

/* The driver is told what the partitions were made for: of an MBR, one that
 * ends with head 7 and sector 32. */
static void test_geometry(void)
{
    static const uint8_t entry[16] = { 0x80, 1,  1, 0, 0x83, 7, 32,
                                       7,    32, 0, 0, 0,    1 };
    static const uint8_t signature[2] = { 0x55, 0xaa };
    g_autofree char *bytes = g_malloc0(DISK);
    g_autofree char *image = NULL;
    int fd = g_file_open_tmp("virtio-blk-XXXXXX", &image, NULL);
    QTest *q;

    close(fd);
    memcpy(bytes + 446, entry, sizeof(entry));
    memcpy(bytes + 510, signature, sizeof(signature));
    g_assert_true(g_file_set_contents(image, bytes, DISK, NULL));
    q = qtest_startf("-drive if=none,id=d,format=raw,file=%s "
                     "-device virtio-blk-pci,addr=2,drive=d",
                     image);
    drive(q);
    g_assert_cmpuint(qtest_readw(q, CONFIG + 16), ==, DISK / 512 / (8 * 32));
    g_assert_cmpuint(qtest_readb(q, CONFIG + 18), ==, 8);
    g_assert_cmpuint(qtest_readb(q, CONFIG + 19), ==, 32);
    qtest_quit(q);
    g_unlink(image);
}

static void test_config(void)
{
    Blk *b = start(",serial=abc,num-queues=3,physical_block_size=4096", "");

    g_assert_cmpuint(qtest_readq(b->q, CONFIG), ==, DISK / 512);
    g_assert_cmpuint(qtest_readl(b->q, CONFIG + 12), ==, 254);
    g_assert_cmpuint(qtest_readl(b->q, CONFIG + 20), ==, 512);
    g_assert_cmpuint(qtest_readb(b->q, CONFIG + 24), ==, 3);
    g_assert_cmpuint(qtest_readb(b->q, CONFIG + 32), ==, 1);
    g_assert_cmpuint(qtest_readw(b->q, CONFIG + 34), ==, 3);
    g_assert_cmpuint(qtest_readl(b->q, CONFIG + 36), ==, 4194303);
    g_assert_cmpuint(qtest_readb(b->q, CONFIG + 56), ==, 1);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_GET_ID, 0, 20, true), ==, 0);
    g_assert_cmphex(qtest_readl(b->q, DATA), ==, 0x00636261);
    g_assert_cmpuint(qtest_readl(b->q, USED + 8), ==, 21);
    stop(b);
}

static void test_transfers(void)
{
    Blk *b = start("", "");
    uint8_t buf[1024];

    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 7, 1024, true), ==, 0);
    g_assert_cmpuint(qtest_readl(b->q, USED + 8), ==, 1025);
    qtest_memread(b->q, DATA, buf, sizeof(buf));
    g_assert_cmpuint(buf[0] + buf[511], ==, 14);
    g_assert_cmpuint(buf[512] + buf[1023], ==, 16);
    memset(buf, 0x77, sizeof(buf));
    qtest_memwrite(b->q, DATA, buf, sizeof(buf));
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_OUT, 2046, 1024, false), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, false), ==, 0);
    qtest_writeq(b->q, DATA, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 2047, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0x7777777777777777);
    /* Beyond the end, overflows, no whole sector, nothing of the kind. */
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 2047, 1024, true), ==, 1);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_OUT, 2048, 512, false), ==, 1);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, UINT64_MAX, 512, true), ==, 1);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 0, 100, true), ==, 1);
    g_assert_cmpuint(request(b, 99, 0, 512, true), ==, 2);
    stop(b);
}

static uint8_t range(Blk *b, uint32_t type, uint64_t sector, uint32_t n,
                     uint32_t flags)
{
    qtest_writeq(b->q, DATA, sector);
    qtest_writel(b->q, DATA + 8, n);
    qtest_writel(b->q, DATA + 12, flags);
    return request(b, type, 0, 16, false);
}

static void test_ranges(void)
{
    Blk *b = start("", ",discard=unmap");

    g_assert_cmpuint(range(b, VIRTIO_BLK_T_WRITE_ZEROES, 4, 8, 1), ==, 0);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_DISCARD, 16, 8, 0), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 11, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 12, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0x0c0c0c0c0c0c0c0c);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_DISCARD, 2040, 9, 0), ==, 1);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_DISCARD, 0, 8, 1), ==, 2);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), ==, 2);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0), ==,
                     1);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_DISCARD, 0, 32, false), ==, 2);
    stop(b);
}

/* The same in an I/O thread; and what that one shares. */
static void test_iothread(void)
{
    Blk *b = start(",iothread=io0,num-queues=1",
                   " -object iothread,id=io0 -object iothread,id=io1 "
                   "-blockdev driver=null-co,node-name=n0,read-only=on "
                   "-device virtio-blk-pci,addr=3,drive=n0,iothread=io1");
    g_autoptr(JsonValue) r = NULL;
    uint8_t buf[512];

    memset(buf, 0x66, sizeof(buf));
    qtest_memwrite(b->q, DATA, buf, sizeof(buf));
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_OUT, 3, 512, false), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, false), ==, 0);
    qtest_memset(b->q, DATA, 0, 512);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 3, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0x6666666666666666);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 2048, 512, true), ==, 1);
    qmp_ok(b->q, "{\"execute\":\"block_resize\",\"arguments\":"
                 "{\"device\":\"d0\",\"size\":2097152}}");
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 2048, 512, true), ==, 0);
    r = qtest_qmp(b->q, "{\"execute\":\"query-blockstats\"}");
    g_assert_cmpint(stat_of(r, "rd_operations"), ==, 2);
    qmp_ok(b->q, "{\"execute\":\"stop\"}");
    qmp_ok(b->q, "{\"execute\":\"cont\"}");
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 3, 512, true), ==, 0);
    /* A reset with a request under way. */
    for (unsigned round = 0; round < 6; round++) {
        submit(b, VIRTIO_BLK_T_OUT, 5, 512, false);
        qtest_writeb(b->q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
        empty_rings(b);
        drive(b->q);
        g_assert_cmpuint(qtest_readw(b->q, USED + 2), ==, 0);
    }
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 9, 512, true), ==, 0);
    stop(b);
}

static void test_bad_request(void)
{
    Blk *b = start("", "");

    /* No status byte: there is no way to answer. */
    describe(b->q, 0, HEADER, 16, 0);
    qtest_writew(b->q, AVAIL + 2, 1);
    qtest_writew(b->q, NOTIFY, 0);
    g_assert_cmphex(qtest_readb(b->q, MODERN + VIRTIO_PCI_COMMON_STATUS), ==,
                    0xf | VIRTIO_CONFIG_S_NEEDS_RESET);
    /* After a reset it works. */
    qtest_writeb(b->q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
    empty_rings(b);
    drive(b->q);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 1, 512, true), ==, 0);
    stop(b);
}

/* The length told is that of all there was to fill, whatever came of it. */
static void test_used_length(void)
{
    Blk *b = start(",serial=abc", "");

    g_assert_cmpuint(request(b, VIRTIO_BLK_T_GET_ID, 0, 64, true), ==, 0);
    g_assert_cmpuint(used_length(b), ==, 65);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 4096, 512, true), ==, 1);
    g_assert_cmpuint(used_length(b), ==, 513);
    g_assert_cmpuint(request(b, 99, 0, 512, true), ==, 2);
    g_assert_cmpuint(used_length(b), ==, 513);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_FLUSH, 0, 0, false), ==, 0);
    g_assert_cmpuint(used_length(b), ==, 1);
    stop(b);
}

/* Header and data in pieces; header, data and status in as few as can be. */
static void test_layouts(void)
{
    Blk *b = start("", "");
    uint8_t buf[512];

    qtest_writel(b->q, HEADER, VIRTIO_BLK_T_IN);
    qtest_writeq(b->q, HEADER + 8, 9);
    describe(b->q, 0, HEADER, 5, 1);
    describe(b->q, 1, HEADER + 5, 11, 1);
    describe(b->q, 2, DATA, 1, 3);
    describe(b->q, 3, DATA + 1, 500, 3);
    describe(b->q, 4, DATA + 501, 12, 2);
    make_available(b);
    finish(b);
    qtest_memread(b->q, DATA, buf, sizeof(buf));
    g_assert_cmpuint(buf[0] + buf[1] + buf[511], ==, 27);
    g_assert_cmpuint(qtest_readb(b->q, DATA + 512), ==, 0);
    /* A write whose data follows the header in one buffer. */
    qtest_writel(b->q, HEADER, VIRTIO_BLK_T_OUT);
    qtest_memset(b->q, HEADER + 16, 0x55, 512);
    qtest_writeb(b->q, DATA, 0xff);
    describe(b->q, 0, HEADER, 16 + 512, 1);
    describe(b->q, 1, DATA, 1, 2);
    make_available(b);
    finish(b);
    g_assert_cmpuint(qtest_readb(b->q, DATA), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 9, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0x5555555555555555);
    stop(b);
}

/*
 * A reset with requests under way: the old ones tell nothing in the new ring,
 * and all of the queue's entries are there to be used again.
 */
static void test_reset(void)
{
    Blk *b = start(",queue-size=4", "");

    for (unsigned round = 0; round < 6; round++) {
        submit(b, VIRTIO_BLK_T_OUT, 5, 512, false);
        qtest_writeb(b->q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0);
        g_assert_cmphex(qtest_readb(b->q, MODERN + VIRTIO_PCI_COMMON_STATUS),
                        ==, 0);
        empty_rings(b);
        drive(b->q);
        g_assert_cmpuint(qtest_readw(b->q, USED + 2), ==, 0);
    }
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 9, 512, true), ==, 0);
    g_assert_cmphex(qtest_readq(b->q, DATA), ==, 0x0909090909090909);
    stop(b);
}

static void test_read_only(void)
{
    Blk *b = start("", ",readonly=on");

    qtest_writel(b->q, MODERN + VIRTIO_PCI_COMMON_DFSELECT, 0);
    g_assert_cmphex(qtest_readl(b->q, MODERN + VIRTIO_PCI_COMMON_DF) &
                        1 << VIRTIO_BLK_F_RO,
                    !=, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_IN, 1, 512, true), ==, 0);
    g_assert_cmpuint(request(b, VIRTIO_BLK_T_OUT, 1, 512, false), ==, 1);
    g_assert_cmpuint(range(b, VIRTIO_BLK_T_DISCARD, 0, 8, 0), ==, 2);
    stop(b);
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{\"execute\":\"query-status\"}");
        const char *got = json_get_string(json_object_get(r, "status"));

        if (g_strcmp0(got, want) == 0) {
            return;
        }
        g_usleep(1000);
    }
}

/* A failed write stops the VM, and is done where the VM goes on. */
static void test_stop(gconstpointer moves)
{
    g_autofree char *stream = NULL, *go = NULL;
    g_autoptr(JsonValue) event = NULL;
    Blk b = { 0 };
    int fd = g_file_open_tmp("virtio-blk-XXXXXX", &b.image, NULL);
    g_autofree char *args = g_strdup_printf(
        "-drive file=%s,format=raw,if=none,id=plain,file.locking=off "
        "-blockdev driver=blkdebug,node-name=bad,image.driver=file,"
        "image.locking=off,image.filename=%s,inject-error.0.event=write_aio,"
        "inject-error.0.errno=28,inject-error.0.once=on",
        b.image, b.image);

    g_assert_cmpint(ftruncate(fd, DISK), ==, 0);
    b.q = qtest_startf("%s -device virtio-blk-pci,addr=2,drive=bad,num-queues=2"
                       ",share-rw=on%s -object iothread,id=io0",
                       args, moves != NULL ? (const char *)moves : "");
    drive(b.q);
    qtest_memset(b.q, DATA, 0x5c, 512);
    submit(&b, VIRTIO_BLK_T_OUT, 3, 512, false);
    event = qtest_qmp_event(b.q, "BLOCK_IO_ERROR");
    g_assert_nonnull(event);
    expect_status(b.q, "io-error");
    g_assert_cmpuint(qtest_readw(b.q, USED + 2), ==, 0);
    if (moves != NULL) {
        stream = g_strdup_printf("%s.stream", b.image);
        go = g_strdup_printf("{\"execute\":\"migrate\",\"arguments\":"
                             "{\"uri\":\"exec:cat > %s\"}}",
                             stream);
        qmp_ok(b.q, go);
        expect_status(b.q, "postmigrate");
        qtest_quit(b.q);
        b.q = qtest_startf("%s -device virtio-blk-pci,addr=2,drive=plain,"
                           "num-queues=2,share-rw=on -incoming 'exec:cat %s'",
                           args, stream);
        expect_status(b.q, "io-error");
        g_unlink(stream);
    }
    qmp_ok(b.q, "{\"execute\":\"cont\"}");
    g_assert_cmpuint(finish(&b), ==, 0);
    {
        uint8_t buf[512];

        g_assert_cmpint(pread(fd, buf, 512, 3 * 512), ==, 512);
        g_assert_cmpint(buf[0] & buf[511], ==, 0x5c);
    }
    close(fd);
    qtest_quit(b.q);
    g_unlink(b.image);
    g_free(b.image);
}

typedef struct Policy {
    const char *props;
    uint32_t type;    /* of the request that fails */
    int error;        /* errno */
    uint8_t status;   /* that the driver sees */
    const char *name; /* of what is told to users */
} Policy;

/* What werror= and rerror= make of an error, where the VM goes on. */
static void test_policies(void)
{
    static const Policy policies[] = {
        { "", VIRTIO_BLK_T_OUT, EIO, 1, "report" },
        { "", VIRTIO_BLK_T_IN, ENOSPC, 1, "report" },
        { ",werror=enospc", VIRTIO_BLK_T_OUT, EIO, 1, "report" },
        { ",werror=report", VIRTIO_BLK_T_OUT, ENOSPC, 1, "report" },
        { ",werror=ignore", VIRTIO_BLK_T_OUT, ENOSPC, 0, "ignore" },
        { ",rerror=ignore", VIRTIO_BLK_T_IN, EIO, 0, "ignore" },
        { ",werror=ignore", VIRTIO_BLK_T_FLUSH, EIO, 0, "ignore" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        const Policy *p = &policies[i];
        uint32_t len = p->type == VIRTIO_BLK_T_FLUSH ? 0 : 512;
        g_autoptr(JsonValue) event = NULL;
        Blk b = { 0 };

        b.q = qtest_startf(
            "-blockdev driver=blkdebug,node-name=bad,image.driver=null-co,"
            "image.size=1048576,inject-error.0.event=none,"
            "inject-error.0.errno=%d,inject-error.0.once=on "
            "-device virtio-blk-pci,addr=2,drive=bad,cyls=2,heads=16,secs=63%s",
            p->error, p->props);
        drive(b.q);
        g_assert_cmpuint(request(&b, p->type, 0, len,
                                 p->type == VIRTIO_BLK_T_IN),
                         ==, p->status);
        event = qtest_qmp_event(b.q, "BLOCK_IO_ERROR");
        g_assert_cmpstr(json_get_string(json_object_get(
                            json_object_get(event, "data"), "action")),
                        ==, p->name);
        /* It failed once only. */
        g_assert_cmpuint(
            request(&b, p->type, 0, len, p->type == VIRTIO_BLK_T_IN), ==, 0);
        qtest_quit(b.q);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-blk/config", test_config);
    g_test_add_func("/virtio-blk/geometry", test_geometry);
    g_test_add_func("/virtio-blk/transfers", test_transfers);
    g_test_add_func("/virtio-blk/ranges", test_ranges);
    g_test_add_func("/virtio-blk/bad-request", test_bad_request);
    g_test_add_func("/virtio-blk/iothread", test_iothread);
    g_test_add_func("/virtio-blk/used-length", test_used_length);
    g_test_add_func("/virtio-blk/layouts", test_layouts);
    g_test_add_func("/virtio-blk/reset", test_reset);
    g_test_add_func("/virtio-blk/read-only", test_read_only);
    g_test_add_data_func("/virtio-blk/stop", NULL, test_stop);
    g_test_add_data_func("/virtio-blk/stop-and-move", "", test_stop);
    g_test_add_data_func("/virtio-blk/stop-and-move/iothread", ",iothread=io0",
                         test_stop);
    g_test_add_func("/virtio-blk/policies", test_policies);
    return g_test_run();
}
