/*
 * Two IDE disks on one channel that come by -device: diagnostics, what each
 * keeps across a reset, and what firmware reads of their geometry.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"

enum {
    HD = 0x1f0,
    ERROR = 1,
    NSECTOR = 2,
    SELECT = 6,
    STATUS = 7,
    CONTROL = 0x206,
    READY = 0x50,
    BSY = 0x80,
    DISK_SIZE = 16 * 63 * 512 * 20,
};

typedef struct Pair {
    QTest *q;
    char *dir, *disk[2];
} Pair;

static void make_image(const char *path)
{
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, DISK_SIZE), ==, 0);
    close(fd);
}

static void finish(Pair *s)
{
    qtest_quit(s->q);
    for (unsigned i = 0; i < 2; i++) {
        g_unlink(s->disk[i]);
        g_free(s->disk[i]);
    }
    g_rmdir(s->dir);
    g_free(s->dir);
    g_free(s);
}

static Pair *start_two(void)
{
    Pair *s = g_new0(Pair, 1);

    s->dir = g_dir_make_tmp("ide-pair-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    for (unsigned i = 0; i < 2; i++) {
        s->disk[i] = g_strdup_printf("%s/disk%u", s->dir, i);
        make_image(s->disk[i]);
    }
    s->q = qtest_startf(
        "-machine pc -m 16 -drive file=%s,format=raw,if=none,id=a "
        "-drive file=%s,format=raw,if=none,id=b "
        "-device ide-hd,drive=b,bus=ide.0,unit=1,lcyls=50,lheads=32,lsecs=63 "
        "-device ide-hd,drive=a,bus=ide.0,unit=0,bios-chs-trans=large",
        s->disk[0], s->disk[1]);
    return s;
}

/* By device 1: both do it, and device 0 is selected afterwards. */
static void test_diagnostic(void)
{
    Pair *s = start_two();

    qtest_outb(s->q, HD + SELECT, 0xb0);
    qtest_outb(s->q, HD + NSECTOR, 5);
    qtest_outb(s->q, HD + STATUS, 0x90);
    while (qtest_inb(s->q, HD + STATUS) & BSY) {
    }
    g_assert_cmphex(qtest_inb(s->q, HD + STATUS), ==, READY);
    g_assert_cmphex(qtest_inb(s->q, HD + SELECT), ==, 0xa0);
    for (unsigned i = 0; i < 2; i++) {
        qtest_outb(s->q, HD + SELECT, 0xa0 | i << 4);
        g_assert_cmphex(qtest_inb(s->q, HD + ERROR), ==, 1);
        g_assert_cmphex(qtest_inb(s->q, HD + NSECTOR), ==, 1);
    }
    finish(s);
}

static void wait_ready(Pair *s)
{
    uint8_t st;

    do {
        st = qtest_inb(s->q, HD + STATUS);
    } while (st & BSY);
    g_assert_cmphex(st & READY, ==, READY);
}

static unsigned identify_word(Pair *s, unsigned unit, unsigned n)
{
    unsigned val = 0;

    qtest_outb(s->q, HD + SELECT, 0xa0 | unit << 4);
    qtest_outb(s->q, HD + STATUS, 0xec);
    wait_ready(s);
    for (unsigned i = 0; i < 256; i++) {
        unsigned word = qtest_inw(s->q, HD);

        if (i == n) {
            val = word;
        }
    }
    wait_ready(s);
    return val;
}

static void set_transfer_mode(Pair *s, unsigned unit, uint8_t mode)
{
    qtest_outb(s->q, HD + SELECT, 0xa0 | unit << 4);
    qtest_outb(s->q, HD + ERROR, 0x03);
    qtest_outb(s->q, HD + NSECTOR, mode);
    qtest_outb(s->q, HD + STATUS, 0xef);
    wait_ready(s);
}

/*
 * A software reset keeps the mode that SET FEATURES chose, a hardware reset
 * does not (ATA/ATAPI-6, 9.1).  Word 88 has it in its high half.
 */
static void test_identify_after_reset(void)
{
    enum { WORD = 88, UDMA = 0x40 };
    Pair *s = start_two();
    unsigned before[2], chosen[2];

    for (unsigned i = 0; i < 2; i++) {
        before[i] = identify_word(s, i, WORD);
        chosen[i] = (before[i] & 0xff) | 0x100 << (2 + i);
        g_assert_cmphex(before[i], !=, chosen[i]);
        set_transfer_mode(s, i, UDMA | (2 + i));
        g_assert_cmphex(identify_word(s, i, WORD), ==, chosen[i]);
    }
    qtest_outb(s->q, HD + CONTROL, 4);
    qtest_outb(s->q, HD + CONTROL, 0);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(identify_word(s, i, WORD), ==, chosen[i]);
    }
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp_event(s->q, "RESET"));
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(identify_word(s, i, WORD), ==, before[i]);
    }
    finish(s);
}

static uint8_t cmos(Pair *s, uint8_t reg)
{
    qtest_outb(s->q, 0x70, reg);
    return qtest_inb(s->q, 0x71);
}

/* What firmware reads of disks. */
static void test_geometry(void)
{
    static const char path[] = "/pci@i0cf8/ide@1,1/drive@0/disk@1 50 32 63\n";
    Pair *s = start_two();
    uint8_t entry[64];
    uint32_t n = 0;

    g_assert_cmphex(cmos(s, 0x12), ==, 0xff);
    g_assert_cmphex(cmos(s, 0x19), ==, 47);
    g_assert_cmphex(cmos(s, 0x1a), ==, 47);
    g_assert_cmphex(cmos(s, 0x39), ==, 2);
    qtest_outw(s->q, 0x510, 0x19); /* fw_cfg's directory */
    for (unsigned i = 0; i < 4; i++) {
        n = n << 8 | qtest_inb(s->q, 0x511);
    }
    do {
        g_assert_cmpuint(n--, >, 0);
        for (unsigned i = 0; i < sizeof(entry); i++) {
            entry[i] = qtest_inb(s->q, 0x511);
        }
    } while (strcmp((char *)entry + 8, "bios-geometry") != 0);
    g_assert_cmpuint(entry[3], ==, sizeof(path));
    qtest_outw(s->q, 0x510, entry[4] << 8 | entry[5]);
    for (unsigned i = 0; i < sizeof(path); i++) {
        g_assert_cmpint(qtest_inb(s->q, 0x511), ==, path[i]);
    }
    finish(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide-pair/diagnostic", test_diagnostic);
    g_test_add_func("/ide-pair/identify-after-reset",
                    test_identify_after_reset);
    g_test_add_func("/ide-pair/geometry", test_geometry);
    return g_test_run();
}
