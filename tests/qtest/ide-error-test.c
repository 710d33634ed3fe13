/*
 * qtest: what werror= and rerror= make of a request of an IDE disk that the
 * host can't carry out; also where the guest moves while the command waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    HD = 0x1f0,
    NSECTOR = HD + 2,
    SECTOR = HD + 3,
    LCYL = HD + 4,
    HCYL = HD + 5,
    SELECT = HD + 6,
    STATUS = HD + 7,
    CONTROL = 0x3f6,
    BM = 0xc000,
    PRDT = 0x1000,
    BUF = 0x10000,
    ERR = 0x01,
    BSY = 0x80,
    LBA = 30,
    COUNT = 6,
    DISK = 1 << 20,
};

typedef struct Failure {
    const char *name, *policy;
    const char *event; /* of blkdebug's, at which a request fails, once */
    uint8_t command;
    int error;    /* errno */
    bool stops;   /* or else the command goes on, or ends with an error */
    bool moves;   /* to another program, while the command waits */
    bool expects; /* an error for the guest */
} Failure;

static const Failure failures[] = {
    { "dma-write", "werror=stop", "write_aio", 0xca, EIO, true, false, false },
    { "dma-write/moves", "werror=stop", "write_aio", 0xca, EIO, true, true,
      false },
    { "dma-read", "rerror=stop", "read_aio", 0xc8, EIO, true, false, false },
    { "dma-read/moves", "rerror=stop", "read_aio", 0xc8, EIO, true, true,
      false },
    { "pio-write", "werror=enospc", "write_aio", 0x30, ENOSPC, true, false,
      false },
    { "pio-write/moves", "werror=stop", "write_aio", 0x30, EIO, true, true,
      false },
    { "pio-read/moves", "rerror=stop", "read_aio", 0x20, EIO, true, true,
      false },
    { "flush", "werror=stop", "flush_to_disk", 0xe7, EIO, true, false, false },
    { "flush/moves", "werror=stop", "flush_to_disk", 0xe7, EIO, true, true,
      false },
    { "no-space", "werror=auto", "write_aio", 0xca, ENOSPC, true, false,
      false },
    { "report", "werror=report", "write_aio", 0xca, ENOSPC, false, false,
      true },
    { "other-error", "werror=enospc", "write_aio", 0xca, EIO, false, false,
      true },
    { "ignore", "werror=ignore", "write_aio", 0xca, EIO, false, false, false },
};

static QTest *start(const Failure *f, const char *image, bool bad,
                    const char *more)
{
    g_autofree char *sector = strstr(f->event, "_aio") != NULL
                                  ? g_strdup_printf("%d", LBA + 1)
                                  : g_strdup("-1");

    return qtest_startf(
        "-machine pc -m 16 "
        "-drive file=%s,format=raw,if=none,id=plain,file.locking=off "
        "-blockdev driver=blkdebug,node-name=bad,image.driver=file,"
        "image.locking=off,image.filename=%s,inject-error.0.event=%s,"
        "inject-error.0.errno=%d,inject-error.0.once=on,"
        "inject-error.0.sector=%s "
        "-device ide-hd,drive=%s,bus=ide.0,share-rw=on,%s %s",
        image, image, bad ? f->event : "none", f->error, sector,
        bad ? "bad" : "plain", f->policy, more);
}

static void qmp_ok(QTest *q, const char *line)
{
    g_autoptr(JsonValue) r = qtest_qmp(q, "%s", line);

    g_assert_false(json_object_has(r, "error"));
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{\"execute\":\"query-status\"}");

        if (g_strcmp0(json_get_string(json_object_get(r, "status")), want) ==
            0) {
            return;
        }
        g_usleep(1000);
    }
}

static bool is_dma(const Failure *f)
{
    return f->command >= 0xc8 && f->command <= 0xca;
}

static bool is_write(const Failure *f)
{
    return f->command == 0xca || f->command == 0x30;
}

static uint8_t wait_ready(QTest *q)
{
    uint8_t st;

    do {
        st = qtest_inb(q, CONTROL);
    } while (st & BSY);
    return st;
}

static void put_block(QTest *q)
{
    for (unsigned i = 0; i < 256; i++) {
        qtest_outw(q, HD, 0x5c5c);
    }
}

static void begin(QTest *q, const Failure *f)
{
    qtest_outl(q, 0xcf8, 0x80000920);
    qtest_outl(q, 0xcfc, BM);
    qtest_outl(q, 0xcf8, 0x80000904);
    qtest_outl(q, 0xcfc, 5);
    qtest_memset(q, BUF, 0x5c, COUNT * 512);
    /* The table has a border within a sector. */
    qtest_writel(q, PRDT, BUF);
    qtest_writel(q, PRDT + 4, 700);
    qtest_writel(q, PRDT + 8, BUF + 700);
    qtest_writel(q, PRDT + 12, (COUNT * 512 - 700) | 1U << 31);
    qtest_outl(q, BM + 4, PRDT);
    qtest_outb(q, SELECT, 0xe0);
    qtest_outb(q, NSECTOR, COUNT);
    qtest_outb(q, SECTOR, LBA);
    qtest_outb(q, LCYL, 0);
    qtest_outb(q, HCYL, 0);
    qtest_outb(q, STATUS, f->command);
    if (is_dma(f)) {
        qtest_outb(q, BM, is_write(f) ? 1 : 9);
    } else if (f->command == 0x30) {
        put_block(q);
        wait_ready(q);
        put_block(q);
    } else if (f->command == 0x20) {
        wait_ready(q);
        for (unsigned i = 0; i < 256; i++) {
            qtest_inw(q, HD);
        }
    }
}

/* What is left of the command when the host does what it is asked. */
static void end(QTest *q, const Failure *f)
{
    if (is_dma(f)) {
        while (qtest_inb(q, BM + 2) & 1) {
        }
    } else if (f->command == 0x30) {
        for (unsigned i = 2; i < COUNT; i++) {
            wait_ready(q);
            put_block(q);
        }
    } else if (f->command == 0x20) {
        for (unsigned i = 1; i < COUNT; i++) {
            wait_ready(q);
            g_assert_cmphex(qtest_inw(q, HD), ==, LBA + i);
            for (unsigned k = 1; k < 256; k++) {
                qtest_inw(q, HD);
            }
        }
    }
}

static void expect_data(QTest *q, const Failure *f, int fd)
{
    uint8_t buf[COUNT * 512];

    if (f->command == 0xc8) {
        for (unsigned i = 0; i < COUNT; i++) {
            g_assert_cmphex(qtest_readl(q, BUF + 512 * i), ==, LBA + i);
        }
    } else if (is_write(f) && f->stops) {
        g_assert_cmpint(pread(fd, buf, sizeof(buf), LBA * 512), ==,
                        sizeof(buf));
        for (unsigned i = 0; i < sizeof(buf); i++) {
            g_assert_cmphex(buf[i], ==, 0x5c);
        }
    }
}

static QTest *move(QTest *q, const Failure *f, const char *image)
{
    g_autofree char *stream = g_strdup_printf("%s.stream", image);
    g_autofree char *go =
        g_strdup_printf("{\"execute\":\"migrate\",\"arguments\":"
                        "{\"uri\":\"exec:cat > %s\"}}",
                        stream);
    g_autofree char *incoming =
        g_strdup_printf("-incoming 'exec:cat %s'", stream);

    qmp_ok(q, go);
    expect_status(q, "postmigrate");
    qtest_quit(q);
    q = start(f, image, false, incoming);
    expect_status(q, "io-error");
    g_unlink(stream);
    return q;
}

static void test_failure(gconstpointer data)
{
    const Failure *f = data;
    g_autoptr(JsonValue) event = NULL;
    g_autofree char *image = NULL;
    int fd = g_file_open_tmp("ide-error-XXXXXX", &image, NULL);
    QTest *q;

    g_assert_cmpint(ftruncate(fd, DISK), ==, 0);
    for (uint32_t i = 0; i < DISK / 512; i++) {
        uint8_t number[4];

        stl_le_p(number, i);
        g_assert_cmpint(pwrite(fd, number, 4, i * 512), ==, 4);
    }
    q = start(f, image, true, "");
    begin(q, f);
    event = qtest_qmp_event(q, "BLOCK_IO_ERROR");
    g_assert_nonnull(event);
    if (f->stops) {
        expect_status(q, "io-error");
        q = f->moves ? move(q, f, image) : q;
        qmp_ok(q, "{\"execute\":\"cont\"}");
    }
    end(q, f);
    g_assert_cmphex(wait_ready(q) & ERR, ==, f->expects ? ERR : 0);
    expect_data(q, f, fd);
    qtest_quit(q);
    close(fd);
    g_unlink(image);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(failures); i++) {
        g_autofree char *name =
            g_strdup_printf("/ide/error/%s", failures[i].name);

        g_test_add_data_func(name, &failures[i], test_failure);
    }
    return g_test_run();
}
