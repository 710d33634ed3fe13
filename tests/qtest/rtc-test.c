/*
 * Real-time clock: time, formats, alarm, update and periodic interrupts, on
 * the virtual clock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <time.h>

#include "tests/qtest/libqtest.h"

enum { INDEX = 0x70, DATA = 0x71, IRQ = 8 };
enum { A = 0x0a, B = 0x0b, C = 0x0c, D = 0x0d, CENTURY = 0x32 };

#define SECOND INT64_C(1000000000)

static uint8_t get(QTest *q, uint8_t reg)
{
    qtest_outb(q, INDEX, reg);
    return qtest_inb(q, DATA);
}

static void put(QTest *q, uint8_t reg, uint8_t val)
{
    qtest_outb(q, INDEX, reg);
    qtest_outb(q, DATA, val);
}

/* "CCYYMMDDhhmmss" as the registers have it. */
static char *time_text(QTest *q)
{
    return g_strdup_printf("%02x%02x%02x%02x%02x%02x%02x", get(q, CENTURY),
                           get(q, 9), get(q, 8), get(q, 7), get(q, 4),
                           get(q, 2), get(q, 0));
}

static void expect_time(QTest *q, const char *want)
{
    g_autofree char *got = time_text(q);

    g_assert_cmpstr(got, ==, want);
}

static QTest *start(void)
{
    QTest *q = qtest_start("-machine pc -rtc "
                           "base=2024-02-28T23:59:50,clock=vm");

    /* A day of the 8254's ticks would be three million messages. */
    qtest_outb(q, 0x43, 0x30);
    qtest_irq_intercept_in(q, "ioapic");
    return q;
}

static void test_time(void)
{
    QTest *q = start();

    expect_time(q, "20240228235950");
    g_assert_cmphex(get(q, 6), ==, 4); /* a Wednesday */
    g_assert_cmphex(get(q, D), ==, 0x80);
    qtest_clock_step(q, 9 * SECOND);
    expect_time(q, "20240228235959");
    qtest_clock_step(q, SECOND);
    expect_time(q, "20240229000000");
    g_assert_cmphex(get(q, 6), ==, 5);
    qtest_clock_step(q, 86400 * SECOND);
    expect_time(q, "20240301000000");
    qtest_quit(q);
}

static void test_set(void)
{
    QTest *q = start();

    put(q, B, 0x82);
    put(q, 0, 0x58);
    put(q, 2, 0x59);
    put(q, 4, 0x23);
    put(q, 7, 0x31);
    put(q, 8, 0x12);
    put(q, 9, 0x99);
    put(q, CENTURY, 0x19);
    qtest_clock_step(q, 10 * SECOND);
    expect_time(q, "19991231235958"); /* it stands */
    put(q, B, 0x02);
    qtest_clock_step(q, 2 * SECOND);
    expect_time(q, "20000101000000");
    put(q, B, 0x06); /* binary */
    g_assert_cmpuint(get(q, CENTURY), ==, 20);
    put(q, B, 0x00); /* 12 hours */
    g_assert_cmphex(get(q, 4), ==, 0x12);
    qtest_clock_step(q, 13 * 3600 * SECOND);
    g_assert_cmphex(get(q, 4), ==, 0x81);
    qtest_quit(q);
}

static void test_update(void)
{
    QTest *q = start();

    put(q, A, 0x20); /* no periods, whose flag would come, too */
    get(q, C);
    put(q, B, 0x12);
    qtest_clock_step(q, 999999999);
    g_assert_cmphex(get(q, A) & 0x80, ==, 0x80); /* soon */
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_clock_step(q, 1);
    g_assert_cmphex(get(q, A) & 0x80, ==, 0x00);
    g_assert_true(qtest_get_irq(q, IRQ));
    g_assert_cmphex(get(q, C), ==, 0x90);
    g_assert_false(qtest_get_irq(q, IRQ));
    g_assert_cmphex(get(q, C), ==, 0x00);
    qtest_clock_step(q, SECOND);
    g_assert_true(qtest_get_irq(q, IRQ));
    /* Without the interrupt the flag comes all the same. */
    put(q, B, 0x02);
    get(q, C);
    qtest_clock_step(q, SECOND);
    g_assert_cmphex(get(q, C), ==, 0x10);
    qtest_quit(q);
}

static void test_alarm(void)
{
    QTest *q = start();

    put(q, 1, 0x05);
    put(q, 3, 0x00);
    put(q, 5, 0x00);
    put(q, B, 0x22);
    get(q, C);
    qtest_clock_step(q, 14 * SECOND);
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_clock_step(q, SECOND);
    g_assert_true(qtest_get_irq(q, IRQ));
    g_assert_cmphex(get(q, C) & 0xa0, ==, 0xa0);
    /* Any hour, any minute. */
    put(q, 3, 0xff);
    put(q, 5, 0xff);
    qtest_clock_step(q, 59 * SECOND);
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_clock_step(q, SECOND);
    g_assert_true(qtest_get_irq(q, IRQ));
    get(q, C);
    put(q, 1, 0x99); /* never */
    qtest_clock_step(q, 90000 * SECOND);
    g_assert_cmphex(get(q, C) & 0x20, ==, 0);
    qtest_quit(q);
}

static void test_periodic(void)
{
    QTest *q = start();
    unsigned n = 0;

    put(q, A, 0x26); /* 1024 Hz */
    get(q, C);
    put(q, B, 0x42);
    for (unsigned i = 0; i < 1024; i++) {
        qtest_clock_step(q, SECOND / 1024 + 1);
        n += (get(q, C) & 0xc0) == 0xc0;
    }
    g_assert_cmpuint(n, ==, 1024);
    put(q, A, 0x20); /* none */
    get(q, C);
    qtest_clock_step(q, SECOND);
    g_assert_cmphex(get(q, C) & 0x40, ==, 0);
    put(q, B, 0x02);
    put(q, A, 0x2f); /* 2 Hz, polled */
    get(q, C);
    qtest_clock_step(q, SECOND);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0x40);
    qtest_quit(q);
}

static void test_reset(void)
{
    QTest *q = start();
    JsonValue *v;

    put(q, 0x40, 0x5a);
    put(q, B, 0x72);
    qtest_clock_step(q, SECOND);
    v = qtest_qmp(q, "{'execute': 'system_reset'}");
    json_unref(v);
    json_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(get(q, B), ==, 0x02);
    g_assert_cmphex(get(q, C), ==, 0x00);
    g_assert_cmphex(get(q, 0x40), ==, 0x5a);
    expect_time(q, "20240228235951");
    qtest_quit(q);
}

/* The default is the host's time, UTC. */
static void test_host_time(void)
{
    QTest *q = qtest_start("-machine pc");
    time_t before = time(NULL);
    g_autofree char *got = time_text(q);
    time_t after = time(NULL);
    bool found = false;

    for (time_t t = before - 1; t <= after + 1; t++) {
        struct tm tm;
        char want[16];

        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%Y%m%d%H%M%S", &tm);
        found = found || g_str_equal(got, want);
    }
    g_assert_true(found);
    qtest_quit(q);
}

/* After a change of rate, a period counts from the last tick. */
static void test_rate_change(void)
{
    QTest *q = start();
    const int64_t quarter = SECOND / 4;

    put(q, A, 0x2e); /* 4 Hz */
    put(q, B, 0x42);
    qtest_clock_set(q, quarter + 1000);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0xc0);
    put(q, A, 0x2f); /* 2 Hz */
    qtest_clock_set(q, 2 * quarter + 1000);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0);
    qtest_clock_set(q, 3 * quarter + 1000);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0xc0);
    qtest_clock_set(q, 4 * quarter + 1000);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0);
    qtest_clock_set(q, 5 * quarter + 1000);
    g_assert_cmphex(get(q, C) & 0xc0, ==, 0xc0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtc/time", test_time);
    g_test_add_func("/rtc/set", test_set);
    g_test_add_func("/rtc/update", test_update);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/periodic", test_periodic);
    g_test_add_func("/rtc/reset", test_reset);
    g_test_add_func("/rtc/host-time", test_host_time);
    g_test_add_func("/rtc/rate-change", test_rate_change);
    return g_test_run();
}
