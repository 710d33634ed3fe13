/*
 * What a device writes may land in registers: it takes no device away, and
 * begins no request of another's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    MEM = 0x100000, /* command list, FISes, table, data */
    FISES = MEM + 0x10000,
    TABLE = MEM + 0x20000,
    REST = MEM + 0x30000,
    PORT = 0x100, /* of port 0, behind the controller's registers */
    DISK = 1 << 20,
};
#define BAR  UINT64_C(0xfe000000)
#define ECAM UINT64_C(0xb0000000)
#define IDP  0xc000

static void config(QTest *q, unsigned devfn, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000 | devfn << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

/* Port 0 runs; command 0 is the FIS of `words`, with `nprd` ranges. */
static void set_up_port(QTest *q, const uint32_t words[4], unsigned nprd)
{
    qtest_writel(q, BAR + 4, 0x80000002);
    qtest_writel(q, BAR + PORT, MEM);
    qtest_writel(q, BAR + PORT + 8, FISES);
    qtest_writel(q, MEM, 5 | nprd << 16);
    qtest_writel(q, MEM + 4, 0);
    qtest_writel(q, MEM + 8, TABLE);
    qtest_writel(q, MEM + 12, 0);
    for (unsigned i = 0; i < 4; i++) {
        qtest_writel(q, TABLE + 4 * i, words[i]);
    }
    qtest_writel(q, BAR + PORT + 0x18, 0x17);
}

static void put_range(QTest *q, unsigned n, uint64_t addr, uint32_t len)
{
    qtest_writeq(q, TABLE + 0x80 + 16 * n, addr);
    qtest_writel(q, TABLE + 0x8c + 16 * n, len - 1);
}

static uint64_t find_express(QTest *q, uint64_t function)
{
    unsigned cap = qtest_readb(q, function + 0x34);

    while (qtest_readb(q, function + cap) != 0x10) {
        cap = qtest_readb(q, function + cap + 1);
        g_assert_cmpuint(cap, !=, 0);
    }
    return function + cap;
}

/* The disk's data switches the slot off in which its controller is. */
static void test_slot(void)
{
    static const uint32_t read_dma[4] = { 0x25 << 16 | 0x8027, 0x40u << 24, 0,
                                          1 };
    static const uint64_t port = ECAM + (3 << 15), ahci = ECAM + (1 << 20);
    g_autofree char *disk = g_strdup("/tmp/device-access-XXXXXX");
    int fd = g_mkstemp(disk);
    uint64_t control;
    uint16_t before;
    QTest *q;

    g_assert_cmpint(pwrite(fd, "\0\7", 2, 0), ==, 2);
    g_assert_cmpint(ftruncate(fd, DISK), ==, 0);
    q = qtest_startf("-machine q35 -m 64 "
                     "-device pcie-root-port,id=rp,addr=3,chassis=1 "
                     "-drive if=none,id=d0,format=raw,file=%s "
                     "-device ich9-ahci,id=a,bus=rp,addr=0 "
                     "-device ide-hd,bus=a.0,drive=d0",
                     disk);
    config(q, 0, 0x60, ECAM | 1);
    qtest_writel(q, port + 0x18, 0x00010100);
    qtest_writel(q, port + 0x20, 0xfe00fe00);
    qtest_writel(q, port + 4, 6);
    qtest_writel(q, ahci + 0x24, BAR);
    qtest_writel(q, ahci + 4, 6);
    control = find_express(q, port) + 0x18;
    before = qtest_readw(q, control);
    set_up_port(q, read_dma, 2);
    put_range(q, 0, control, 2);
    put_range(q, 1, REST, 510);
    qtest_writel(q, BAR + PORT + 0x38, 1);
    while (qtest_readl(q, BAR + PORT + 0x38) != 0) {
    }
    g_assert_cmphex(qtest_readw(q, control), ==, before);
    g_assert_cmphex(qtest_readl(q, ahci), ==, 0x29228086);
    /* By the processor it goes. */
    qtest_writew(q, control, 0x0700);
    g_assert_cmphex(qtest_readl(q, ahci), ==, 0xffffffff);
    qtest_quit(q);
    close(fd);
    g_unlink(disk);
}

/* The message of a command's end begins the command again. */
static void test_message(void)
{
    enum { CHECK_POWER = 0xe5, DEVFN = 2 << 3 };
    static const uint32_t fis[4] = { CHECK_POWER << 16 | 0x8027, 0xa0u << 24 };
    QTest *q = qtest_start("-machine pc -m 64 "
                           "-drive if=none,id=d0,driver=null-co,size=1M "
                           "-device ich9-ahci,id=a,addr=2 "
                           "-device ide-hd,bus=a.0,drive=d0");

    config(q, DEVFN, 0x24, BAR);
    config(q, DEVFN, 0x20, IDP);
    config(q, DEVFN, 4, 7);
    set_up_port(q, fis, 0);
    qtest_writel(q, BAR + PORT + 0x14, 1);
    qtest_writel(q, BAR + PORT + 0x10, 0xffffffff);
    config(q, DEVFN, 0x84, BAR + PORT + 0x38);
    config(q, DEVFN, 0x88, 0);
    config(q, DEVFN, 0x8c, 1);
    config(q, DEVFN, 0x80, 0x00017005);
    /* By the index/data pair, which is another region. */
    qtest_outl(q, IDP + 0x10, PORT + 0x38);
    qtest_outl(q, IDP + 0x14, 1);
    g_assert_cmphex(qtest_readl(q, BAR + PORT + 0x38), ==, 0);
    g_assert_cmphex(qtest_readl(q, BAR + PORT + 0x10) & 1, ==, 1);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/device-access/slot", test_slot);
    g_test_add_func("/device-access/message", test_message);
    return g_test_run();
}
