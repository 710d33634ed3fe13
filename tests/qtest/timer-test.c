/*
 * 8254, speaker port, HPET: counts, modes and interrupts as the clock is
 * stepped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

enum { PIT = 0x40, PIT_CONTROL = 0x43, SPEAKER = 0x61 };

#define PIT_HZ     1193182
#define HPET       UINT64_C(0xfed00000)
#define HPET_CONF  (HPET + 0x10)
#define HPET_ISR   (HPET + 0x20)
#define HPET_COUNT (HPET + 0xf0)
#define HPET_T(n)  (HPET + 0x100 + 0x20 * (n))

/* The first nanosecond at which so many pulses have come. */
static int64_t pulses(int64_t n)
{
    return (n * INT64_C(1000000000) + PIT_HZ - 1) / PIT_HZ;
}

static void load(QTest *q, unsigned ch, unsigned mode, unsigned count)
{
    qtest_outb(q, PIT_CONTROL, ch << 6 | 0x30 | mode << 1);
    qtest_outb(q, PIT + ch, count & 0xff);
    qtest_outb(q, PIT + ch, count >> 8);
}

static unsigned latch(QTest *q, unsigned ch)
{
    unsigned low;

    qtest_outb(q, PIT_CONTROL, ch << 6);
    low = qtest_inb(q, PIT + ch);
    return low | qtest_inb(q, PIT + ch) << 8;
}

static uint8_t status(QTest *q, unsigned ch)
{
    qtest_outb(q, PIT_CONTROL, 0xe0 | 2 << ch);
    return qtest_inb(q, PIT + ch);
}

static void test_pit_count(void)
{
    QTest *q = qtest_start("-machine pc");

    load(q, 1, 0, 1000);
    qtest_clock_step(q, pulses(100));
    g_assert_cmpuint(latch(q, 1), ==, 900);
    g_assert_cmphex(status(q, 1), ==, 0x30);
    qtest_clock_step(q, pulses(900));
    g_assert_cmphex(status(q, 1), ==, 0xb0); /* OUT is high now */
    qtest_clock_set(q, 0);
    load(q, 1, 2, 1000);
    qtest_clock_step(q, pulses(2100));
    g_assert_cmpuint(latch(q, 1), ==, 900);
    g_assert_cmphex(status(q, 1), ==, 0xb4);
    /* One byte only, and the two orders of a read-back. */
    qtest_outb(q, PIT_CONTROL, 0x50);
    qtest_outb(q, PIT + 1, 0x80);
    g_assert_cmphex(qtest_inb(q, PIT + 1), ==, 0x80);
    qtest_outb(q, PIT_CONTROL, 0xc4);
    g_assert_cmphex(qtest_inb(q, PIT + 1), ==, 0x10);
    g_assert_cmphex(qtest_inb(q, PIT + 1), ==, 0x80);
    qtest_quit(q);
}

static void test_pit_bcd(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_outb(q, PIT_CONTROL, 0x71);
    qtest_outb(q, PIT + 1, 0x00);
    qtest_outb(q, PIT + 1, 0x20);
    qtest_clock_step(q, pulses(1));
    g_assert_cmphex(latch(q, 1), ==, 0x1999);
    qtest_quit(q);
}

static void test_pit_interrupts(void)
{
    QTest *q = qtest_start("-machine pc,hpet=off");
    unsigned before;

    qtest_irq_intercept_in(q, "ioapic");
    load(q, 0, 2, 11932);
    before = qtest_irq_count(q, 2); /* ISA interrupt 0 */
    qtest_clock_step(q, pulses(10 * 11932));
    g_assert_cmpuint(qtest_irq_count(q, 2) - before, ==, 10);
    load(q, 0, 3, 11932);
    before = qtest_irq_count(q, 2);
    qtest_clock_step(q, pulses(5 * 11932));
    g_assert_cmpuint(qtest_irq_count(q, 2) - before, ==, 5);
    load(q, 0, 0, 1000);
    before = qtest_irq_count(q, 2);
    qtest_clock_step(q, pulses(999));
    g_assert_cmpuint(qtest_irq_count(q, 2) - before, ==, 0);
    qtest_clock_step(q, pulses(100000));
    g_assert_cmpuint(qtest_irq_count(q, 2) - before, ==, 1);
    qtest_quit(q);
}

/* The fastest that can be asked for must not stop the program. */
static void test_pit_shortest(void)
{
    QTest *q = qtest_start("-machine pc,hpet=off");

    load(q, 0, 2, 1);
    qtest_clock_step(q, 10000000);
    load(q, 0, 3, 1);
    qtest_clock_step(q, 10000000);
    g_assert_cmphex(status(q, 0) & 0x3f, ==, 0x36);
    qtest_quit(q);
}

static void test_speaker(void)
{
    QTest *q = qtest_start("-machine pc");
    uint8_t a;

    load(q, 2, 0, 100);
    qtest_outb(q, SPEAKER, 0x03);
    a = qtest_inb(q, SPEAKER);
    g_assert_cmphex(a & 0x23, ==, 0x03);
    g_assert_cmphex((qtest_inb(q, SPEAKER) ^ a) & 0x10, ==, 0x10);
    qtest_clock_step(q, pulses(100));
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x20, ==, 0x20);
    /* One-shot: the gate starts it. */
    qtest_outb(q, SPEAKER, 0x00);
    load(q, 2, 1, 50);
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x20, ==, 0x20);
    qtest_outb(q, SPEAKER, 0x01);
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x20, ==, 0x00);
    qtest_clock_step(q, pulses(50));
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x20, ==, 0x20);
    qtest_quit(q);
}

static void test_hpet_registers(void)
{
    QTest *q = qtest_start("-machine pc");

    g_assert_cmphex(qtest_readq(q, HPET), ==, UINT64_C(0x9896808086a201));
    g_assert_cmphex(qtest_readl(q, HPET + 4), ==, 10000000); /* 10 ns */
    g_assert_cmphex(qtest_readq(q, HPET_T(0)), ==, UINT64_C(0x400000030));
    qtest_writeq(q, HPET_T(1), UINT32_MAX);
    g_assert_cmphex(qtest_readl(q, HPET_T(1)), ==, 0x7f7e & ~0x4000);
    qtest_writeq(q, HPET_COUNT, 0x1234);
    g_assert_cmphex(qtest_readq(q, HPET_COUNT), ==, 0x1234);
    qtest_writel(q, HPET_CONF, 1);
    qtest_writeq(q, HPET_COUNT, 0); /* not while it runs */
    qtest_clock_step(q, 1000);
    g_assert_cmphex(qtest_readq(q, HPET_COUNT), ==, 0x1234 + 100);
    qtest_writel(q, HPET_CONF, 0);
    qtest_clock_step(q, 1000);
    g_assert_cmphex(qtest_readq(q, HPET_COUNT), ==, 0x1234 + 100);
    g_assert_cmphex(qtest_readl(q, HPET_T(3)), ==, 0);
    qtest_quit(q);
}

static void test_hpet_one_shot(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_irq_intercept_in(q, "ioapic");
    qtest_writel(q, HPET_T(2), 5 << 9 | 1 << 2 | 1 << 1); /* level, pin 5 */
    qtest_writeq(q, HPET_T(2) + 8, 1000);
    qtest_writel(q, HPET_CONF, 1);
    qtest_clock_step(q, 9999);
    g_assert_false(qtest_get_irq(q, 5));
    qtest_clock_step(q, 1);
    g_assert_true(qtest_get_irq(q, 5));
    g_assert_cmphex(qtest_readl(q, HPET_ISR), ==, 4);
    qtest_writel(q, HPET_ISR, 3); /* others' bits */
    g_assert_true(qtest_get_irq(q, 5));
    qtest_writel(q, HPET_ISR, 4);
    g_assert_false(qtest_get_irq(q, 5));
    qtest_clock_step(q, 1000000);
    g_assert_cmpuint(qtest_irq_count(q, 5), ==, 1);
    qtest_quit(q);
}

static void test_hpet_periodic(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_irq_intercept_in(q, "ioapic");
    qtest_writel(q, HPET_T(0), 6 << 9 | 1 << 6 | 1 << 3 | 1 << 2);
    qtest_writeq(q, HPET_T(0) + 8, 10000);
    qtest_writeq(q, HPET_T(0) + 8, 20000); /* every 200 us after the first */
    qtest_writel(q, HPET_CONF, 1);
    qtest_clock_step(q, 100000);
    g_assert_cmpuint(qtest_irq_count(q, 6), ==, 1);
    g_assert_cmphex(qtest_readq(q, HPET_T(0) + 8), ==, 30000);
    qtest_clock_step(q, 1000000);
    g_assert_cmpuint(qtest_irq_count(q, 6), ==, 6);
    qtest_writel(q, HPET_CONF, 0);
    qtest_clock_step(q, 1000000);
    g_assert_cmpuint(qtest_irq_count(q, 6), ==, 6);
    /* A period of one tick. */
    qtest_writeq(q, HPET_T(0) + 8, 1);
    qtest_writel(q, HPET_CONF, 1);
    qtest_clock_step(q, 1000000);
    qtest_quit(q);
}

/* In legacy mode timer 0 has the place of the 8254. */
static void test_hpet_legacy(void)
{
    QTest *q = qtest_start("-machine pc");
    unsigned before;

    qtest_irq_intercept_in(q, "ioapic");
    load(q, 0, 2, 11932);
    qtest_writel(q, HPET_CONF, 3);
    before = qtest_irq_count(q, 2);
    qtest_clock_step(q, 100000000);
    g_assert_cmpuint(qtest_irq_count(q, 2), ==, before);
    qtest_writel(q, HPET_T(0), 1 << 2);
    qtest_writeq(q, HPET_T(0) + 8, qtest_readq(q, HPET_COUNT) + 100);
    qtest_clock_step(q, 1000);
    g_assert_cmpuint(qtest_irq_count(q, 2), ==, before + 1);
    qtest_writel(q, HPET_CONF, 0);
    before = qtest_irq_count(q, 2);
    qtest_clock_step(q, 100000000);
    g_assert_cmpuint(qtest_irq_count(q, 2), >=, before + 9);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pit/count", test_pit_count);
    g_test_add_func("/pit/bcd", test_pit_bcd);
    g_test_add_func("/pit/interrupts", test_pit_interrupts);
    g_test_add_func("/pit/shortest", test_pit_shortest);
    g_test_add_func("/pit/speaker", test_speaker);
    g_test_add_func("/hpet/registers", test_hpet_registers);
    g_test_add_func("/hpet/one-shot", test_hpet_one_shot);
    g_test_add_func("/hpet/periodic", test_hpet_periodic);
    g_test_add_func("/hpet/legacy", test_hpet_legacy);
    return g_test_run();
}
