/*
 * Watchdogs and panic devices: registers, events, and what is done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"

enum {
    DEVFN = 5 << 3,
    ESB_CONFIG = 0x60,
    ESB_LOCK = 0x68,
    RELOAD = 0x0c,
    PVPANIC = 0x505,
};
#define BAR 0xe0000000U
#define ESB "-machine pc -m 16 -device i6300esb,addr=5 "
#define MS  INT64_C(1000000)
/* A unit of the slow clock: 2^15 clocks of 33 MHz, rounded down. */
#define UNIT_NS (INT64_C(32768) * 1000 / 33)

static void select_reg(QTest *q, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000 | DEVFN << 8 | (reg & ~3u));
}

static void map_device(QTest *q)
{
    select_reg(q, PCI_BASE_ADDRESS_0);
    qtest_outl(q, 0xcfc, BAR);
    select_reg(q, PCI_COMMAND);
    qtest_outw(q, 0xcfc, PCI_COMMAND_MEMORY);
}

static void esb_set_config(QTest *q, uint16_t val)
{
    select_reg(q, ESB_CONFIG);
    qtest_outw(q, 0xcfc, val);
}

static void esb_set_lock(QTest *q, uint8_t val)
{
    select_reg(q, ESB_LOCK);
    qtest_outb(q, 0xcfc, val);
}

static uint8_t esb_get_lock(QTest *q)
{
    select_reg(q, ESB_LOCK);
    return qtest_inb(q, 0xcfc);
}

static void esb_unlock(QTest *q)
{
    qtest_writew(q, BAR + RELOAD, 0x80);
    qtest_writew(q, BAR + RELOAD, 0x86);
}

static void esb_set_preloads(QTest *q, uint32_t first, uint32_t second)
{
    esb_unlock(q);
    qtest_writel(q, BAR, first);
    esb_unlock(q);
    qtest_writel(q, BAR + 4, second);
}

static QTest *esb_start(const char *args)
{
    QTest *q = qtest_startf(ESB "%s", args);

    map_device(q);
    return q;
}

static void expect_action(QTest *q, const char *event, const char *action)
{
    g_autoptr(JsonValue) e = qtest_qmp_event(q, event);
    const JsonValue *data = json_object_get(e, "data");

    g_assert_cmpstr(json_get_string(json_object_get(data, "action")), ==,
                    action);
}

static void expect_status(QTest *q, const char *status)
{
    g_autoptr(JsonValue) r = qtest_qmp(q, "{'execute': 'query-status'}");

    g_assert_cmpstr(json_get_string(json_object_get(r, "status")), ==, status);
}

/* Two stages of 16 and 32 units; nothing happens before their end. */
static void test_esb_stages(void)
{
    QTest *q = esb_start("-watchdog-action pause");

    esb_set_preloads(q, 16, 32);
    g_assert_cmphex(qtest_readl(q, BAR), ==, 0);
    esb_set_lock(q, 2);
    qtest_clock_step(q, 48 * UNIT_NS - MS / 2);
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD), ==, 0);
    g_assert_cmphex(esb_get_lock(q), ==, 2);
    qtest_clock_step(q, MS);
    expect_action(q, "WATCHDOG", "pause");
    json_unref(qtest_qmp_event(q, "STOP"));
    expect_status(q, "watchdog");
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD) & 0x200, ==, 0x200);
    g_assert_cmphex(esb_get_lock(q), ==, 0);
    qtest_writew(q, BAR + RELOAD, 0x200); /* not unlocked */
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD) & 0x200, ==, 0x200);
    esb_unlock(q);
    qtest_writew(q, BAR + RELOAD, 0x200);
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD), ==, 0);
    qtest_quit(q);
}

/* Who feeds it in time is left alone. */
static void test_esb_reload(void)
{
    QTest *q = esb_start("-action watchdog=none");

    esb_set_preloads(q, 16, 16);
    esb_set_lock(q, 2);
    for (unsigned i = 0; i < 5; i++) {
        qtest_clock_step(q, 30 * UNIT_NS);
        esb_unlock(q);
        qtest_writew(q, BAR + RELOAD, 0x100);
    }
    g_assert_cmphex(esb_get_lock(q), ==, 2);
    qtest_writew(q, BAR + RELOAD, 0x80);
    qtest_writew(q, BAR + RELOAD, 0x100); /* half unlocked */
    qtest_writew(q, BAR + RELOAD, 0x86);
    qtest_writew(q, BAR + RELOAD, 0x100);
    qtest_clock_step(q, 33 * UNIT_NS);
    expect_action(q, "WATCHDOG", "none");
    expect_status(q, "running");
    qtest_quit(q);
}

/* The fast clock, the lock bit, no effect when reboots are off, free runs. */
static void test_esb_modes(void)
{
    QTest *q = esb_start("-action watchdog=none");

    esb_set_config(q, 0x24);
    esb_set_preloads(q, 0xfffff, 0xfffff);
    esb_set_lock(q, 2);
    qtest_clock_step(q, 3000 * MS);
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD), ==, 0);
    esb_set_lock(q, 0);
    esb_set_config(q, 4);
    esb_set_lock(q, 7);
    esb_set_lock(q, 0);
    g_assert_cmphex(esb_get_lock(q), ==, 7);
    qtest_clock_step(q, 1000 * MS);
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD), ==, 0);
    qtest_clock_step(q, 20 * MS); /* 2^20 * 32 clocks: 1017 ms */
    expect_action(q, "WATCHDOG", "none");
    qtest_quit(q);
}

/* After its reset the guest reads why it came. */
static void test_esb_reset(void)
{
    QTest *q = esb_start("");

    esb_set_preloads(q, 1, 1);
    esb_set_lock(q, 2);
    qtest_clock_step(q, 3 * UNIT_NS);
    expect_action(q, "WATCHDOG", "reset");
    json_unref(qtest_qmp_event(q, "RESET"));
    map_device(q);
    g_assert_cmphex(qtest_readw(q, BAR + RELOAD) & 0x200, ==, 0x200);
    qtest_quit(q);
}

/* A guest that lets it run freely, with nothing to count, stops nobody. */
static void test_esb_shortest(void)
{
    QTest *q = esb_start("-action watchdog=none");
    int64_t start_ns;

    esb_set_config(q, 0x24);
    esb_set_preloads(q, 0, 0);
    esb_set_lock(q, 6);
    start_ns = qtest_clock_step(q, 0);
    g_assert_cmpint(qtest_clock_step_next(q), >=, start_ns + 50000);
    esb_set_config(q, 4);
    qtest_clock_step(q, MS);
    expect_action(q, "WATCHDOG", "none");
    qtest_quit(q);
}

static void test_esb_poweroff(void)
{
    QTest *q = esb_start("");

    json_unref(qtest_qmp(q, "{'execute': 'watchdog-set-action', 'arguments': "
                            "{'action': 'poweroff'}}"));
    esb_set_preloads(q, 1, 1);
    esb_set_lock(q, 2);
    g_free(qtest_raw(q, "clock_step 2000000"));
    qtest_wait_exit(q, 0);
}

static void panic(QTest *q)
{
    g_assert_cmphex(qtest_inb(q, PVPANIC), ==, 3);
    qtest_outb(q, PVPANIC, 0xfc);
    qtest_outb(q, PVPANIC, 2);
    expect_action(q, "GUEST_CRASHLOADED", "run");
    qtest_outb(q, PVPANIC, 1);
}

/* 2 seconds for each step below 15; each start is a new one. */
static void test_ib700(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -device ib700 "
                           "-action watchdog=pause");

    g_assert_cmphex(qtest_inb(q, 0x441), ==, 0xff);
    g_assert_cmphex(qtest_inb(q, 0x443), ==, 0xff);
    for (unsigned v = 0; v < 16; v++) {
        int64_t len = MAX((15 - (int64_t)v) * 2000 * MS, MS / 10);

        qtest_outb(q, 0x443, 0xff);
        qtest_outb(q, 0x443, 0xf0 | v);
        qtest_clock_step(q, len - 1);
        expect_status(q, "running");
        qtest_clock_step(q, 1);
        expect_action(q, "WATCHDOG", "pause");
        expect_status(q, "watchdog");
        json_unref(qtest_qmp(q, "{\"execute\":\"cont\"}"));
    }
    qtest_outb(q, 0x443, 14);
    qtest_outb(q, 0x441, 0);
    qtest_clock_step(q, 60000 * MS);
    expect_status(q, "running");
    /* A reset stops it, too. */
    qtest_outb(q, 0x443, 14);
    json_unref(qtest_qmp(q, "{\"execute\":\"system_reset\"}"));
    json_unref(qtest_qmp_event(q, "RESET"));
    qtest_clock_step(q, 60000 * MS);
    expect_status(q, "running");
    qtest_quit(q);
}

static void test_panic_pauses(void)
{
    static const char *const args[] = { "-action panic=pause", "-no-shutdown" };

    for (unsigned i = 0; i < G_N_ELEMENTS(args); i++) {
        QTest *q = qtest_startf("-machine pc -device pvpanic %s", args[i]);

        panic(q);
        expect_action(q, "GUEST_PANICKED", "pause");
        json_unref(qtest_qmp_event(q, "STOP"));
        expect_status(q, "guest-panicked");
        json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
        expect_status(q, "running");
        qtest_quit(q);
    }
}

static void test_panic_ends(void)
{
    static const struct {
        const char *args;
        int status;
    } rows[] = { { "", 0 }, { "-action panic=exit-failure", 1 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        QTest *q = qtest_startf("-machine pc -device pvpanic %s", rows[i].args);

        panic(q);
        expect_action(q, "GUEST_PANICKED", "poweroff");
        json_unref(qtest_qmp_event(q, "STOP"));
        json_unref(qtest_qmp_event(q, "SHUTDOWN"));
        qtest_wait_exit(q, rows[i].status);
    }
}

/* The guest may say it as often as it likes: twice in a second are told. */
static void test_panic_flood(void)
{
    QTest *q = qtest_start("-machine pc -device pvpanic -action panic=none");
    unsigned told = 0;

    for (unsigned i = 0; i < 1000; i++) {
        qtest_outb(q, PVPANIC, 1);
        qtest_outb(q, PVPANIC, 2);
    }
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    for (;;) {
        g_autoptr(JsonValue) e = qtest_qmp_event(q, NULL);
        const char *name = json_get_string(json_object_get(e, "event"));

        if (g_str_equal(name, "STOP")) {
            break;
        }
        told += g_str_has_prefix(name, "GUEST_");
    }
    g_assert_cmpuint(told, <, 100);
    qtest_quit(q);
}

static void test_panic_pci(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -action panic=none "
                           "-device pvpanic-pci,addr=5,events=1");

    map_device(q);
    g_assert_cmphex(qtest_readb(q, BAR), ==, 1);
    qtest_writeb(q, BAR, 2); /* not offered */
    qtest_writeb(q, BAR, 1);
    expect_action(q, "GUEST_PANICKED", "run");
    expect_status(q, "running");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watchdog/i6300esb/stages", test_esb_stages);
    g_test_add_func("/watchdog/i6300esb/reload", test_esb_reload);
    g_test_add_func("/watchdog/i6300esb/modes", test_esb_modes);
    g_test_add_func("/watchdog/i6300esb/reset", test_esb_reset);
    g_test_add_func("/watchdog/i6300esb/shortest", test_esb_shortest);
    g_test_add_func("/watchdog/i6300esb/poweroff", test_esb_poweroff);
    g_test_add_func("/watchdog/ib700", test_ib700);
    g_test_add_func("/watchdog/panic/pauses", test_panic_pauses);
    g_test_add_func("/watchdog/panic/ends", test_panic_ends);
    g_test_add_func("/watchdog/panic/flood", test_panic_flood);
    g_test_add_func("/watchdog/panic/pci", test_panic_pci);
    return g_test_run();
}
