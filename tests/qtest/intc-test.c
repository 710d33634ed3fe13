/*
 * 8259A pair and I/O APIC: initialisation, priorities, cascade, masks, ends
 * of interrupts, levels and edges.  Lines are driven by pc-testdev.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

enum {
    PIC0 = 0x20,
    PIC1 = 0xa0,
    ELCR = 0x4d0,
    LINES = 0x2000, /* of pc-testdev */
    READ_IRR = 0x0a,
    READ_ISR = 0x0b,
    POLL = 0x0c,
    EOI = 0x20,
};

#define IOAPIC UINT64_C(0xfec00000)

static QTest *start(void)
{
    return qtest_start("-machine pc,hpet=off -device pc-testdev");
}

static void line(QTest *q, unsigned n, bool level)
{
    qtest_outb(q, LINES + n, level);
}

static void pulse(QTest *q, unsigned n)
{
    line(q, n, true);
    line(q, n, false);
}

static uint8_t read_reg(QTest *q, uint16_t pic, uint8_t ocw3)
{
    qtest_outb(q, pic, ocw3);
    return qtest_inb(q, pic);
}

static void init_pics(QTest *q, uint8_t icw4)
{
    qtest_outb(q, PIC0, 0x11);
    qtest_outb(q, PIC0 + 1, 0x08);
    qtest_outb(q, PIC0 + 1, 0x04);
    qtest_outb(q, PIC0 + 1, icw4);
    qtest_outb(q, PIC1, 0x11);
    qtest_outb(q, PIC1 + 1, 0x70);
    qtest_outb(q, PIC1 + 1, 0x02);
    qtest_outb(q, PIC1 + 1, icw4);
    qtest_outb(q, PIC0 + 1, 0x01); /* without the timer */
}

static void test_init(void)
{
    QTest *q = start();

    qtest_outb(q, PIC0 + 1, 0x5a);
    g_assert_cmphex(qtest_inb(q, PIC0 + 1), ==, 0x5a);
    pulse(q, 5);
    g_assert_cmphex(read_reg(q, PIC0, READ_IRR) & 0x20, ==, 0x20);
    qtest_outb(q, PIC0, 0x11); /* forgets edges, clears the mask */
    qtest_outb(q, PIC0 + 1, 0x08);
    qtest_outb(q, PIC0 + 1, 0x04);
    qtest_outb(q, PIC0 + 1, 0x01);
    g_assert_cmphex(qtest_inb(q, PIC0 + 1), ==, 0x00);
    g_assert_cmphex(qtest_inb(q, PIC0) & 0x20, ==, 0x00);
    qtest_quit(q);
}

/* A poll is an acknowledge that the test can see. */
static void test_priority(void)
{
    QTest *q = start();

    init_pics(q, 0x01);
    pulse(q, 5);
    pulse(q, 3);
    g_assert_cmphex(read_reg(q, PIC0, READ_IRR), ==, 0x28);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x83);
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x08);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x00); /* 5 has to wait */
    pulse(q, 1);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x81);
    qtest_outb(q, PIC0, EOI); /* of 1 */
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x08);
    qtest_outb(q, PIC0, 0x63); /* of 3, by name */
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x00);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85);
    qtest_outb(q, PIC0, 0xa0); /* end with rotation: 5 is last now */
    pulse(q, 5);
    pulse(q, 6);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x86);
    qtest_outb(q, PIC0, EOI);
    qtest_outb(q, PIC0, 0xc4); /* 4 last: 5 first */
    pulse(q, 0);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85);
    qtest_quit(q);
}

static void test_masks(void)
{
    QTest *q = start();

    init_pics(q, 0x01);
    qtest_outb(q, PIC0 + 1, 0x11);
    pulse(q, 4);
    g_assert_cmphex(read_reg(q, PIC0, READ_IRR), ==, 0x10);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x00);
    qtest_outb(q, PIC0 + 1, 0x01);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x84);
    /* Special mask mode: what is in service and masked lets others in. */
    qtest_outb(q, PIC0 + 1, 0x11);
    qtest_outb(q, PIC0, 0x68);
    pulse(q, 6);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x86);
    qtest_outb(q, PIC0, EOI); /* a masked one isn't ended by this */
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x10);
    qtest_outb(q, PIC0, 0x48);
    qtest_quit(q);
}

static void test_cascade(void)
{
    QTest *q = start();

    init_pics(q, 0x01);
    pulse(q, 12);
    g_assert_cmphex(read_reg(q, PIC1, READ_IRR), ==, 0x10);
    g_assert_cmphex(read_reg(q, PIC0, READ_IRR), ==, 0x04);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x82);
    g_assert_cmphex(read_reg(q, PIC1, POLL), ==, 0x84);
    qtest_outb(q, PIC1, EOI);
    qtest_outb(q, PIC0, EOI);
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x00);
    g_assert_cmphex(read_reg(q, PIC1, READ_ISR), ==, 0x00);
    qtest_quit(q);
}

static void test_auto_eoi(void)
{
    QTest *q = start();

    init_pics(q, 0x03);
    pulse(q, 5);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85);
    g_assert_cmphex(read_reg(q, PIC0, READ_ISR), ==, 0x00);
    pulse(q, 6);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x86);
    qtest_quit(q);
}

/* Of two that wait, the second raises INT anew when the first is taken. */
static void test_auto_eoi_waiting(void)
{
    QTest *q = start();

    init_pics(q, 0x03);
    qtest_irq_intercept_out(q, "/machine/unattached/device[6]");
    pulse(q, 5);
    pulse(q, 6);
    g_assert_cmpuint(qtest_irq_count(q, 0), ==, 1);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85);
    g_assert_true(qtest_get_irq(q, 0));
    g_assert_cmpuint(qtest_irq_count(q, 0), ==, 2);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x86);
    g_assert_false(qtest_get_irq(q, 0));
    qtest_quit(q);
}

/* The same at the slave, whose INT is an edge for the master. */
static void test_auto_eoi_cascade(void)
{
    static const uint8_t icw4[] = { 0x01, 0x03 };

    for (unsigned i = 0; i < G_N_ELEMENTS(icw4); i++) {
        QTest *q = start();

        g_test_message("master's ICW4 0x%02x", icw4[i]);
        init_pics(q, 0x03);
        qtest_outb(q, PIC0, 0x11);
        qtest_outb(q, PIC0 + 1, 0x08);
        qtest_outb(q, PIC0 + 1, 0x04);
        qtest_outb(q, PIC0 + 1, icw4[i]);
        qtest_outb(q, PIC0 + 1, 0x01);
        pulse(q, 12);
        pulse(q, 14);
        g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x82);
        g_assert_cmphex(read_reg(q, PIC1, POLL), ==, 0x84);
        qtest_outb(q, PIC0, EOI);
        g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x82);
        g_assert_cmphex(read_reg(q, PIC1, POLL), ==, 0x86);
        qtest_outb(q, PIC0, EOI);
        g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x00);
        qtest_quit(q);
    }
}

static void test_level(void)
{
    QTest *q = start();

    init_pics(q, 0x01);
    qtest_outb(q, ELCR, 0xff);
    qtest_outb(q, ELCR + 1, 0xff);
    g_assert_cmphex(qtest_inb(q, ELCR), ==, 0xf8);     /* 0 to 2 never */
    g_assert_cmphex(qtest_inb(q, ELCR + 1), ==, 0xde); /* nor 8 and 13 */
    line(q, 5, true);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85);
    qtest_outb(q, PIC0, EOI);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x85); /* still up */
    line(q, 5, false);
    qtest_outb(q, PIC0, EOI);
    g_assert_cmphex(read_reg(q, PIC0, POLL), ==, 0x00);
    qtest_quit(q);
}

static uint32_t ioapic_read(QTest *q, uint8_t reg)
{
    qtest_writel(q, IOAPIC, reg);
    return qtest_readl(q, IOAPIC + 0x10);
}

static void ioapic_write(QTest *q, uint8_t reg, uint32_t val)
{
    qtest_writel(q, IOAPIC, reg);
    qtest_writel(q, IOAPIC + 0x10, val);
}

static void test_ioapic_registers(void)
{
    QTest *q = start();

    g_assert_cmphex(ioapic_read(q, 1), ==, 0x00170020);
    ioapic_write(q, 0, 0xffffffff);
    g_assert_cmphex(ioapic_read(q, 0), ==, 0x0f000000);
    ioapic_write(q, 0, 0x05000000);
    g_assert_cmphex(ioapic_read(q, 2), ==, 0x05000000);
    for (unsigned n = 0; n < 24; n++) {
        g_assert_cmphex(ioapic_read(q, 0x10 + 2 * n), ==, 0x00010000);
        ioapic_write(q, 0x11 + 2 * n, (uint32_t)n << 24);
        g_assert_cmphex(ioapic_read(q, 0x11 + 2 * n), ==, (uint32_t)n << 24);
    }
    ioapic_write(q, 0x10, 0xffffffff); /* two bits are the chip's own */
    g_assert_cmphex(ioapic_read(q, 0x10), ==, 0xffffafff);
    g_assert_cmphex(ioapic_read(q, 0x40), ==, 0);
    g_assert_cmphex(ioapic_read(q, 0xff), ==, 0);
    qtest_quit(q);
}

static bool remote_irr(QTest *q, unsigned n)
{
    return ioapic_read(q, 0x10 + 2 * n) & 1 << 14;
}

static void test_ioapic_level(void)
{
    QTest *q = start();

    ioapic_write(q, 0x10 + 2 * 20, 0x8040);
    g_assert_false(remote_irr(q, 20));
    line(q, 20, true);
    g_assert_true(remote_irr(q, 20));
    qtest_writel(q, IOAPIC + 0x40, 0x41); /* not its vector */
    g_assert_true(remote_irr(q, 20));
    qtest_writel(q, IOAPIC + 0x40, 0x40); /* still up: sent again */
    g_assert_true(remote_irr(q, 20));
    line(q, 20, false);
    g_assert_true(remote_irr(q, 20));
    qtest_writel(q, IOAPIC + 0x40, 0x40);
    g_assert_false(remote_irr(q, 20));
    ioapic_write(q, 0x10 + 2 * 20, 0x18040); /* masked: level is kept */
    line(q, 20, true);
    g_assert_false(remote_irr(q, 20));
    ioapic_write(q, 0x10 + 2 * 20, 0x8040);
    g_assert_true(remote_irr(q, 20));
    ioapic_write(q, 0x10 + 2 * 20, 0x0040); /* edge mode has none */
    g_assert_false(remote_irr(q, 20));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pic/init", test_init);
    g_test_add_func("/pic/priority", test_priority);
    g_test_add_func("/pic/masks", test_masks);
    g_test_add_func("/pic/cascade", test_cascade);
    g_test_add_func("/pic/auto-eoi/one", test_auto_eoi);
    g_test_add_func("/pic/auto-eoi/waiting", test_auto_eoi_waiting);
    g_test_add_func("/pic/auto-eoi/cascade", test_auto_eoi_cascade);
    g_test_add_func("/pic/level", test_level);
    g_test_add_func("/ioapic/registers", test_ioapic_registers);
    g_test_add_func("/ioapic/level", test_ioapic_level);
    return g_test_run();
}
