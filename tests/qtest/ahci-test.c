/*
 * qtest: AHCI: registers, commands, queued commands, packet commands,
 * interrupts, what bad commands and bad tables get.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/ahci.h"

/* Registers */

static void test_config(void)
{
    Ahci *a = start("");
    QTest *q = a->q;

    g_assert_cmphex(cfg_read(q, 0), ==, 0x29228086);
    g_assert_cmphex(cfg_read(q, PCI_CLASS_REVISION), ==, 0x01060102);
    g_assert_cmphex(cfg_read(q, PCI_CAPABILITY_LIST) & 0xff, ==, 0x80);
    g_assert_cmphex(cfg_read(q, 0x80), ==, 0x0080a805);
    g_assert_cmphex(cfg_read(q, 0x90), ==, 0x40);
    g_assert_cmphex(cfg_read(q, 0xa8), ==, 0x00100012);
    g_assert_cmphex(cfg_read(q, 0xac), ==, 0x48);
    g_assert_cmphex(cfg_read(q, PCI_INTERRUPT_LINE) >> 8, ==, 1);
    cfg_write(q, PCI_BASE_ADDRESS_4, UINT32_MAX);
    g_assert_cmphex(cfg_read(q, PCI_BASE_ADDRESS_4), ==, 0xffffffe1);
    cfg_write(q, PCI_BASE_ADDRESS_5, UINT32_MAX);
    g_assert_cmphex(cfg_read(q, PCI_BASE_ADDRESS_5), ==, 0xfffff000);
    finish(a);
}

static void test_registers(void)
{
    Ahci *a = start("");
    QTest *q = a->q;

    g_assert_cmphex(qtest_readl(q, HBA), ==, 0xc0141f05);
    g_assert_cmphex(qtest_readb(q, HBA + 1), ==, 0x1f);
    g_assert_cmphex(qtest_readl(q, HBA + 4), ==, 0x80000000);
    g_assert_cmphex(qtest_readl(q, HBA + 0xc), ==, 0x3f);
    g_assert_cmphex(qtest_readl(q, HBA + 0x10), ==, 0x10000);
    for (unsigned p = 0; p < 6; p++) {
        g_assert_cmphex(port_read(a, p, PORT_CMD), ==, 6);
        g_assert_cmphex(port_read(a, p, PORT_TFD), ==, 0x7f);
        g_assert_cmphex(port_read(a, p, PORT_SIG), ==, UINT32_MAX);
        g_assert_cmphex(port_read(a, p, PORT_SSTS), ==, p < 2 ? 0x113 : 0);
    }
    port_write(a, 0, PORT_IE, UINT32_MAX);
    g_assert_cmphex(port_read(a, 0, PORT_IE), ==, 0xfdc000ff);
    g_assert_cmphex(port_read(a, 6, PORT_CMD), ==, 0);
    /* The same by index and data. */
    qtest_outl(q, IDP + 0x10, 0x113);
    g_assert_cmphex(qtest_inl(q, IDP + 0x10), ==, 0x110);
    qtest_outl(q, IDP + 0x10, 0x114);
    g_assert_cmphex(qtest_inl(q, IDP + 0x14), ==, 0xfdc000ff);
    qtest_outl(q, IDP + 0x14, 0);
    g_assert_cmphex(port_read(a, 0, PORT_IE), ==, 0);
    /* Commands are for a port that runs. */
    port_write(a, 0, PORT_CI, 1);
    port_write(a, 0, PORT_SACT, 1);
    g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 0);
    g_assert_cmphex(port_read(a, 0, PORT_SACT), ==, 0);
    finish(a);
}

static void test_signatures(void)
{
    Ahci *a = start("");

    for (unsigned p = 0; p < 3; p++) {
        port_start(a, p);
    }
    g_assert_cmphex(port_read(a, 0, PORT_SIG), ==, 0x00000101);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x150);
    g_assert_cmphex(port_read(a, 1, PORT_SIG), ==, 0xeb140101);
    g_assert_cmphex(port_read(a, 2, PORT_SIG), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readb(a->q, RFIS + 0x40), ==, 0x34);
    /* A reset of the link, and what follows when the port listens. */
    port_write(a, 0, PORT_CMD, 0x6);
    port_write(a, 0, PORT_SCTL, 0x301);
    port_write(a, 0, PORT_SCTL, 0x300);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x7f);
    g_assert_cmphex(port_read(a, 0, PORT_SIG), ==, UINT32_MAX);
    port_write(a, 0, PORT_CMD, 0x16);
    g_assert_cmphex(port_read(a, 0, PORT_SIG), ==, 0x00000101);
    /* Of all: lists and FISes stay where they were. */
    qtest_writel(a->q, HBA + 4, 0x80000001);
    g_assert_cmphex(qtest_readl(a->q, HBA + 4), ==, 0x80000000);
    g_assert_cmphex(port_read(a, 1, PORT_CMD), ==, 6);
    g_assert_cmphex(port_read(a, 1, PORT_SIG), ==, UINT32_MAX);
    g_assert_cmphex(port_read(a, 1, 0), ==, LISTS + 0x400);
    finish(a);
}

/* Commands */

static void test_identify(void)
{
    Ahci *a = start("");
    char serial[8];
    Cmd c = { .command = 0xec, .prd = { { DATA, 512 } }, .nprd = 1 };

    port_start(a, 0);
    g_assert_cmphex(run(a, &c), ==, IS_D2H | IS_PIO);
    g_assert_cmphex(moved(a, &c), ==, 512);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x50);
    g_assert_cmphex(qtest_readw(a->q, DATA), ==, 0x40);
    g_assert_cmphex(qtest_readl(a->q, DATA + 200), ==, SECTORS);
    qtest_memread(a->q, DATA + 20, serial, sizeof(serial));
    /* The fifth place of the machine, behind those of its IDE. */
    g_assert_cmpmem(serial, sizeof(serial), "MQ0000 5", 8);
    g_assert_cmphex(qtest_readw(a->q, DATA + 2 * 75), ==, 31);
    g_assert_cmphex(qtest_readw(a->q, DATA + 2 * 76), ==, 0x100);
    /* PIO Setup, with the status when the data has moved. */
    g_assert_cmphex(qtest_readb(a->q, RFIS + 0x20), ==, 0x5f);
    g_assert_cmphex(qtest_readb(a->q, RFIS + 0x2f), ==, 0x50);
    g_assert_cmphex(qtest_readw(a->q, RFIS + 0x30), ==, 512);
    finish(a);
}

static void test_read(void)
{
    static const uint8_t commands[] = { 0x25, 0x24, 0x29 };
    Ahci *a = start("");

    port_start(a, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        Cmd c = { .slot = 3 * i,
                  .command = commands[i],
                  .lba = 100,
                  .count = 600,
                  .prd = { { DATA, 1000 }, { DATA + 1000, 600 * 512 - 1000 } },
                  .nprd = 2 };

        qtest_memset(a->q, DATA, 0, 600 * 512);
        g_assert_cmphex(run(a, &c), ==,
                        commands[i] == 0x25 ? IS_D2H : IS_D2H | IS_PIO);
        g_assert_cmphex(moved(a, &c), ==, 600 * 512);
        for (unsigned n = 0; n < 600; n++) {
            expect_sector(a, DATA + 512 * n, 100 + n);
        }
    }
    finish(a);
}

static void test_write(void)
{
    static const uint8_t commands[] = { 0x35, 0x34, 0x39, 0x61 };
    Ahci *a = start("");

    port_start(a, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        uint64_t lba = 1000 * (i + 1);
        Cmd c = { .command = commands[i],
                  .lba = lba,
                  .count = 600,
                  .flags = WRITE,
                  .prd = { { DATA, 600 * 512 } },
                  .nprd = 1 };
        Cmd back = { .command = 0x25,
                     .lba = lba - 1,
                     .count = 602,
                     .prd = { { DATA, 602 * 512 } },
                     .nprd = 1 };

        qtest_memset(a->q, DATA, 0xa0 + i, 600 * 512);
        g_assert_false(run(a, &c) & IS_ERROR);
        qtest_memset(a->q, DATA, 0, 602 * 512);
        g_assert_cmphex(run(a, &back), ==, IS_D2H);
        expect_sector(a, DATA, lba - 1);
        for (unsigned n = 0; n < 600; n++) {
            g_assert_cmphex(qtest_readb(a->q, DATA + 512 * (n + 1) + n % 512),
                            ==, 0xa0 + i);
        }
        expect_sector(a, DATA + 601 * 512, lba + 600);
    }
    finish(a);
}

static void test_errors(void)
{
    Ahci *a = start("");
    Cmd bad = { .command = 0xff };
    Cmd outside = { .slot = 1,
                    .command = 0x25,
                    .lba = SECTORS - 1,
                    .count = 2,
                    .prd = { { DATA, 1024 } },
                    .nprd = 1 };
    Cmd good = { .slot = 2, .command = 0xe7 };

    port_start(a, 0);
    g_assert_cmphex(run(a, &bad), ==, IS_ERROR | IS_D2H);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x441);
    g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 1);
    /* Nothing else is done before software has dealt with it. */
    put_command(a, &good);
    port_write(a, 0, PORT_CI, 4);
    g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 5);
    port_restart(a, 0);
    g_assert_cmphex(run(a, &outside), ==, IS_ERROR | IS_D2H);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x1041);
    g_assert_cmphex(port_read(a, 0, PORT_CMD) >> 8 & 0x1f, ==, 1);
    port_restart(a, 0);
    g_assert_cmphex(run(a, &good), ==, IS_D2H);
    finish(a);
}

/* Queued commands */

static void test_queue(void)
{
    Ahci *a = start("");

    port_start(a, 0);
    for (unsigned i = 0; i < 32; i++) {
        Cmd c = { .slot = i,
                  .command = 0x60,
                  .lba = 31 * i,
                  .count = 8,
                  .prd = { { DATA + 4096 * i, 4096 } },
                  .nprd = 1 };

        put_command(a, &c);
    }
    port_write(a, 0, PORT_SACT, UINT32_MAX);
    port_write(a, 0, PORT_CI, UINT32_MAX);
    g_assert_cmphex(wait_for(a, 0, UINT32_MAX), ==, IS_SDB);
    for (unsigned i = 0; i < 32; i++) {
        expect_sector(a, DATA + 4096 * i, 31 * i);
        expect_sector(a, DATA + 4096 * i + 3584, 31 * i + 7);
    }
    g_assert_cmphex(qtest_readb(a->q, RFIS + 0x58), ==, 0xa1);
    finish(a);
}

static void test_queue_error(void)
{
    Ahci *a = start("");
    Cmd c = { .slot = 5,
              .command = 0x60,
              .lba = SECTORS - 7,
              .count = 8,
              .prd = { { DATA, 4096 } },
              .nprd = 1 };
    Cmd log = { .command = 0x2f,
                .lba = 0x10,
                .count = 1,
                .prd = { { DATA, 512 } },
                .nprd = 1 };
    uint8_t page[512], sum = 0;

    port_start(a, 0);
    g_assert_cmphex(run(a, &c), ==, IS_ERROR | IS_SDB);
    g_assert_cmphex(port_read(a, 0, PORT_SACT), ==, 1 << 5);
    g_assert_cmphex(port_read(a, 0, PORT_TFD), ==, 0x1041);
    port_restart(a, 0);
    g_assert_cmphex(run(a, &log), ==, IS_D2H | IS_PIO);
    qtest_memread(a->q, DATA, page, sizeof(page));
    g_assert_cmphex(page[0], ==, 5);
    g_assert_cmphex(page[2], ==, 0x41);
    g_assert_cmphex(page[3], ==, 0x10);
    g_assert_cmphex(lduw_le_p(page + 4), ==, SECTORS - 7);
    g_assert_cmphex(page[12], ==, 8);
    for (unsigned i = 0; i < sizeof(page); i++) {
        sum += page[i];
    }
    g_assert_cmphex(sum, ==, 0);
    /* It is told once. */
    g_assert_cmphex(run(a, &log), ==, IS_D2H | IS_PIO);
    g_assert_cmphex(qtest_readb(a->q, DATA), ==, 0x80);
    c.lba--;
    g_assert_cmphex(run(a, &c), ==, IS_SDB);
    expect_sector(a, DATA, SECTORS - 8);
    finish(a);
}

/* A reset drops what is under way, and the drive goes on as ever. */
static void test_reset_at_work(void)
{
    Ahci *a = start("");

    for (unsigned round = 0; round < 20; round++) {
        port_start(a, 0);
        for (unsigned i = 0; i < 32; i++) {
            Cmd c = { .slot = i,
                      .command = i == 31 ? 0x25 : 0x60 + (i & 1),
                      .lba = 256 * i,
                      .count = 256,
                      .flags = i & 1 ? WRITE : 0,
                      .prd = { { DATA, 1 << 17 } },
                      .nprd = 1 };

            put_command(a, &c);
        }
        port_write(a, 0, PORT_SACT, UINT32_MAX >> 1);
        port_write(a, 0, PORT_CI, UINT32_MAX);
        if (round % 2 == 0) {
            qtest_writel(a->q, HBA + 4, 0x80000001);
        } else {
            port_write(a, 0, PORT_CMD, 6);
            port_write(a, 0, PORT_SCTL, 1);
            port_write(a, 0, PORT_SCTL, 0);
        }
        g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 0);
        g_assert_cmphex(port_read(a, 0, PORT_SACT), ==, 0);
    }
    port_start(a, 0);
    g_assert_cmphex(run(a, &(Cmd){ .command = 0x60,
                                   .lba = 9000,
                                   .count = 1,
                                   .prd = { { DATA, 512 } },
                                   .nprd = 1 }),
                    ==, IS_SDB);
    expect_sector(a, DATA, 9000);
    finish(a);
}

/* A list is worked on to its end before the guest has stopped. */
static void test_stop_at_work(void)
{
    Ahci *a = start("");

    port_start(a, 0);
    for (unsigned i = 0; i < 32; i++) {
        Cmd c = { .slot = i,
                  .command = 0x25,
                  .lba = 100 * i,
                  .count = 256,
                  .prd = { { DATA + (i << 17), 1 << 17 } },
                  .nprd = 1 };

        put_command(a, &c);
    }
    port_write(a, 0, PORT_CI, UINT32_MAX);
    json_unref(qtest_qmp(a->q, "{'execute': 'stop'}"));
    g_assert_cmphex(port_read(a, 0, PORT_CI), ==, 0);
    for (unsigned i = 0; i < 32; i++) {
        expect_sector(a, DATA + (i << 17), 100 * i);
    }
    finish(a);
}

/* Tables */

static void test_short_tables(void)
{
    Ahci *a = start("");
    Cmd rd = { .command = 0x25,
               .lba = 7,
               .count = 3,
               .prd = { { DATA, 700 } },
               .nprd = 1 };
    Cmd wr = rd, none = rd;

    port_start(a, 0);
    qtest_memset(a->q, DATA, 0, 2048);
    g_assert_cmphex(run(a, &rd), ==, IS_D2H | IS_OVERFLOW);
    g_assert_cmphex(moved(a, &rd), ==, 700);
    expect_sector(a, DATA, 7);
    g_assert_cmphex(qtest_readl(a->q, DATA + 700), ==, 0);
    none.nprd = 0;
    g_assert_cmphex(run(a, &none), ==, IS_D2H | IS_OVERFLOW);
    none.command = 0x60;
    g_assert_cmphex(run(a, &none), ==, IS_SDB | IS_OVERFLOW);
    /* Half a sector is not written. */
    wr.command = 0x35;
    wr.flags = WRITE;
    g_assert_cmphex(run(a, &wr), ==, IS_D2H | IS_OVERFLOW | IS_ERROR);
    port_restart(a, 0);
    wr.command = 0x61;
    g_assert_cmphex(run(a, &wr), ==, IS_SDB | IS_OVERFLOW | IS_ERROR);
    port_restart(a, 0);
    wr.command = 0x34;
    g_assert_true(run(a, &wr) & IS_ERROR);
    port_restart(a, 0);
    rd.prd[0].bytes = 2048;
    g_assert_cmphex(run(a, &rd), ==, IS_D2H);
    for (unsigned i = 0; i < 3; i++) {
        expect_sector(a, DATA + 512 * i, 7 + i);
    }
    finish(a);
}

static void test_bad_memory(void)
{
    static const uint8_t commands[] = { 0x25, 0x35, 0x20, 0x60, 0x61, 0xec };
    Ahci *a = start("");

    port_start(a, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        Cmd c = { .command = commands[i],
                  .lba = 7,
                  .count = 1,
                  .prd = { { NOWHERE, 512 } },
                  .nprd = 1 };

        g_assert_cmphex(run(a, &c) & ~(IS_D2H | IS_SDB), ==,
                        IS_ERROR | IS_DATA_ERROR);
        port_restart(a, 0);
    }
    /* Registers of its own: what the data writes there is lost. */
    g_assert_false(run(a, &(Cmd){ .command = 0x25,
                                  .count = 8,
                                  .prd = { { HBA, 4096 } },
                                  .nprd = 1 }) &
                   IS_ERROR);
    g_assert_cmphex(port_read(a, 0, PORT_CMD), ==, CMD_RUN);
    /* A list that isn't there. */
    port_write(a, 0, 0, NOWHERE);
    port_write(a, 0, PORT_CI, 1);
    g_assert_cmphex(port_read(a, 0, PORT_IS) & IS_FATAL, ==, IS_FATAL);
    port_restart(a, 0);
    /* No bus master. */
    port_write(a, 0, 0, LISTS);
    cfg_write(a->q, PCI_COMMAND, PCI_COMMAND_MEMORY);
    port_write(a, 0, PORT_CI, 1);
    g_assert_cmphex(port_read(a, 0, PORT_IS) & IS_FATAL, ==, IS_FATAL);
    finish(a);
}

/* CD-ROM */

static uint32_t packet(Ahci *a, const uint8_t *cdb, bool dma, uint32_t bytes)
{
    return run(a, &(Cmd){ .port = 1,
                          .command = 0xa0,
                          .feature = dma,
                          .lba = dma ? 0 : 2048 << 8,
                          .flags = ATAPI,
                          .prd = { { DATA, bytes } },
                          .nprd = bytes != 0,
                          .cdb = cdb });
}

static void test_cd(void)
{
    static const uint8_t ready[12] = { 0x00 };
    static const uint8_t sense[12] = { 0x03, 0, 0, 0, 18 };
    static const uint8_t inquiry[12] = { 0x12, 0, 0, 0, 36 };
    static const uint8_t read[12] = { 0x28, 0, 0, 0, 0, 5, 0, 0, 70 };
    Ahci *a = start("");

    port_start(a, 1);
    g_assert_cmphex(packet(a, ready, false, 0), ==, IS_D2H);
    g_assert_cmphex(packet(a, inquiry, false, 36), ==, IS_D2H | IS_PIO);
    g_assert_cmphex(qtest_readb(a->q, DATA), ==, 5);
    for (unsigned dma = 0; dma < 2; dma++) {
        qtest_memset(a->q, DATA, 0, 70 * 2048);
        g_assert_cmphex(packet(a, read, dma, 70 * 2048), ==,
                        dma ? IS_D2H : IS_D2H | IS_PIO);
        for (unsigned i = 0; i < 70; i++) {
            g_assert_cmphex(qtest_readl(a->q, DATA + 2048 * i), ==, 5 + i);
        }
    }
    /* Queuing isn't for packet devices, whatever IDENTIFY says. */
    g_assert_true(run(a, &(Cmd){ .port = 1, .command = 0x60, .count = 1 }) &
                  IS_ERROR);
    port_restart(a, 1);
    /* The medium goes. */
    json_unref(
        qtest_qmp(a->q, "{'execute': 'eject', 'arguments': {'id': 'cd0'}}"));
    g_assert_cmphex(packet(a, ready, false, 0), ==, IS_D2H | IS_ERROR);
    g_assert_cmphex(port_read(a, 1, PORT_TFD), ==, 0x2041);
    port_restart(a, 1);
    g_assert_cmphex(packet(a, sense, false, 18), ==, IS_D2H | IS_PIO);
    g_assert_cmphex(qtest_readb(a->q, DATA + 2), ==, 2);
    g_assert_cmphex(qtest_readb(a->q, DATA + 12), ==, 0x3a);
    finish(a);
}

/* Interrupts */

static void test_msi(void)
{
    Ahci *a = start("");
    QTest *q = a->q;
    Cmd flush = { .command = 0xe7 };

    port_start(a, 0);
    cfg_write(q, 0x84, MESSAGE);
    cfg_write(q, 0x88, 0);
    cfg_write(q, 0x8c, 0x4321);
    cfg_write(q, 0x80, 1 << 16);
    qtest_writel(q, HBA + 4, 2);
    g_assert_cmphex(run(a, &flush), ==, IS_D2H);
    g_assert_cmphex(qtest_readl(q, HBA + 8), ==, 1);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0x4321);
    /* None for a cause that isn't enabled, and none in all. */
    qtest_writel(q, MESSAGE, 0);
    port_write(a, 0, PORT_IS, UINT32_MAX);
    g_assert_cmphex(qtest_readl(q, HBA + 8), ==, 0);
    port_write(a, 0, PORT_IE, 0);
    g_assert_cmphex(run(a, &flush), ==, IS_D2H);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0);
    port_write(a, 0, PORT_IE, IS_D2H);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0x4321);
    finish(a);
}

static void test_pin(void)
{
    Ahci *a = start("");
    QTest *q = a->q;
    Cmd flush = { .command = 0xe7 };

    port_start(a, 0);
    run(a, &flush);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, ==,
                    0);
    qtest_writel(q, HBA + 4, 2);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, !=,
                    0);
    port_write(a, 0, PORT_IS, UINT32_MAX);
    g_assert_cmphex(cfg_read(q, PCI_COMMAND) >> 16 & PCI_STATUS_INTERRUPT, ==,
                    0);
    finish(a);
}

/* It comes and goes while the machine is up, if the guest lets it. */
static void test_hot_plug(void)
{
    QTest *q = qtest_start("-drive driver=null-co,if=none,id=d");
    g_autoptr(JsonValue) added = NULL, refused = NULL, asked = NULL;
    g_autoptr(JsonValue) gone = NULL;

    added = qtest_qmp(q, "{'execute': 'device_add', 'arguments': "
                         "{'driver': 'ahci', 'id': 'a', 'addr': '5'}}");
    g_assert_false(json_object_has(added, "error"));
    refused = qtest_qmp(q, "{'execute': 'device_add', 'arguments': "
                           "{'driver': 'ide-hd', 'drive': 'd', "
                           "'bus': 'a.0'}}");
    g_assert_true(json_object_has(refused, "error"));
    g_assert_cmphex(cfg_read(q, 0), ==, 0x29228086);
    asked = qtest_qmp(q, "{'execute': 'device_del', "
                         "'arguments': {'id': 'a'}}");
    g_assert_false(json_object_has(asked, "error"));
    qtest_outl(q, 0xae08, 1 << 5); /* ejects */
    gone = qtest_qmp_event(q, "DEVICE_DELETED");
    g_assert_nonnull(gone);
    g_assert_cmphex(cfg_read(q, 0), ==, UINT32_MAX);
    qtest_quit(q);
}

/* It goes with its drives, and with what the host still does for them. */
static void test_unplug_at_work(void)
{
    Ahci *a = start("");
    g_autoptr(JsonValue) asked = NULL;

    port_start(a, 0);
    for (unsigned i = 0; i < 32; i++) {
        Cmd c = { .slot = i,
                  .command = i == 31 ? 0x25 : 0x60,
                  .lba = 100 * i,
                  .count = 256,
                  .prd = { { DATA + (i << 17), 1 << 17 } },
                  .nprd = 1 };

        put_command(a, &c);
    }
    asked = qtest_qmp(a->q, "{'execute': 'device_del', "
                            "'arguments': {'id': 'ahci'}}");
    g_assert_false(json_object_has(asked, "error"));
    port_write(a, 0, PORT_SACT, UINT32_MAX >> 1);
    port_write(a, 0, PORT_CI, UINT32_MAX);
    qtest_outl(a->q, 0xae08, 1 << 5);
    for (;;) {
        g_autoptr(JsonValue) gone = qtest_qmp_event(a->q, "DEVICE_DELETED");
        const char *id = json_get_string(
            json_object_get(json_object_get(gone, "data"), "device"));

        if (g_strcmp0(id, "ahci") == 0) {
            break;
        }
    }
    g_assert_cmphex(cfg_read(a->q, 0), ==, UINT32_MAX);
    finish(a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ahci/config", test_config);
    g_test_add_func("/ahci/registers", test_registers);
    g_test_add_func("/ahci/signatures", test_signatures);
    g_test_add_func("/ahci/identify", test_identify);
    g_test_add_func("/ahci/read", test_read);
    g_test_add_func("/ahci/write", test_write);
    g_test_add_func("/ahci/errors", test_errors);
    g_test_add_func("/ahci/queue", test_queue);
    g_test_add_func("/ahci/queue-error", test_queue_error);
    g_test_add_func("/ahci/reset-at-work", test_reset_at_work);
    g_test_add_func("/ahci/stop-at-work", test_stop_at_work);
    g_test_add_func("/ahci/short-tables", test_short_tables);
    g_test_add_func("/ahci/bad-memory", test_bad_memory);
    g_test_add_func("/ahci/cd", test_cd);
    g_test_add_func("/ahci/msi", test_msi);
    g_test_add_func("/ahci/pin", test_pin);
    g_test_add_func("/ahci/hot-plug", test_hot_plug);
    g_test_add_func("/ahci/unplug-at-work", test_unplug_at_work);
    return g_test_run();
}
