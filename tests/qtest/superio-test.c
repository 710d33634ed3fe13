/*
 * Keyboard controller, port 92, DMA, floppy controller, debug devices and the
 * platform tests' devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

enum { KBD_DATA = 0x60, KBD_CMD = 0x64, PORT92 = 0x92, FDC = 0x3f0 };

static void kbd_cmd(QTest *q, uint8_t cmd)
{
    qtest_outb(q, KBD_CMD, cmd);
}

static void kbd_data(QTest *q, uint8_t val)
{
    qtest_outb(q, KBD_DATA, val);
}

/* The next byte has come; `status` says from whom. */
static void expect(QTest *q, uint8_t status, uint8_t val)
{
    g_assert_cmphex(qtest_inb(q, KBD_CMD) & 0x21, ==, status);
    g_assert_cmphex(qtest_inb(q, KBD_DATA), ==, val);
}

static void test_kbc_commands(void)
{
    QTest *q = qtest_start("-machine pc");

    g_assert_cmphex(qtest_inb(q, KBD_CMD), ==, 0x18);
    kbd_cmd(q, 0xaa);
    expect(q, 0x01, 0x55);
    g_assert_cmphex(qtest_inb(q, KBD_CMD), ==, 0x1c);
    kbd_cmd(q, 0xab);
    expect(q, 0x01, 0x00);
    kbd_cmd(q, 0x60);
    kbd_data(q, 0x47);
    kbd_cmd(q, 0x20);
    expect(q, 0x01, 0x47);
    kbd_cmd(q, 0xad);
    kbd_cmd(q, 0xa7);
    kbd_cmd(q, 0x20);
    expect(q, 0x01, 0x77);
    kbd_cmd(q, 0xd2);
    kbd_data(q, 0x5a);
    expect(q, 0x01, 0x5a);
    kbd_cmd(q, 0xd3);
    kbd_data(q, 0xa5);
    expect(q, 0x21, 0xa5);
    g_assert_cmphex(qtest_inb(q, KBD_CMD) & 1, ==, 0);
    qtest_quit(q);
}

static void test_keyboard(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_irq_intercept_in(q, "ioapic");
    kbd_data(q, 0xff);
    g_assert_true(qtest_get_irq(q, 1));
    expect(q, 0x01, 0xfa);
    expect(q, 0x01, 0xaa);
    g_assert_false(qtest_get_irq(q, 1));
    g_assert_cmpuint(qtest_irq_count(q, 1), ==, 2); /* one for each byte */
    kbd_data(q, 0xf2);
    expect(q, 0x01, 0xfa);
    expect(q, 0x01, 0xab);
    expect(q, 0x01, 0x83);
    kbd_cmd(q, 0x60);
    kbd_data(q, 0x40); /* translated, no interrupts */
    kbd_data(q, 0xf2);
    expect(q, 0x01, 0xfa);
    expect(q, 0x01, 0xab);
    expect(q, 0x01, 0x41);
    kbd_data(q, 0xf0);
    expect(q, 0x01, 0xfa);
    kbd_data(q, 0x00);
    expect(q, 0x01, 0xfa);
    expect(q, 0x01, 0x41); /* set 2 */
    kbd_data(q, 0xee);
    expect(q, 0x01, 0xee);
    kbd_data(q, 0x01);
    expect(q, 0x01, 0xfe);
    g_assert_false(qtest_get_irq(q, 1));
    qtest_quit(q);
}

static void aux(QTest *q, uint8_t val)
{
    kbd_cmd(q, 0xd4);
    kbd_data(q, val);
}

static void test_mouse(void)
{
    static const uint8_t wheel[] = { 200, 100, 80 };
    QTest *q = qtest_start("-machine pc");

    qtest_irq_intercept_in(q, "ioapic");
    aux(q, 0xff);
    g_assert_true(qtest_get_irq(q, 12));
    expect(q, 0x21, 0xfa);
    expect(q, 0x21, 0xaa);
    expect(q, 0x21, 0x00);
    g_assert_false(qtest_get_irq(q, 12));
    aux(q, 0xf2);
    expect(q, 0x21, 0xfa);
    expect(q, 0x21, 0x00);
    for (unsigned i = 0; i < G_N_ELEMENTS(wheel); i++) {
        aux(q, 0xf3);
        expect(q, 0x21, 0xfa);
        aux(q, wheel[i]);
        expect(q, 0x21, 0xfa);
    }
    aux(q, 0xf2);
    expect(q, 0x21, 0xfa);
    expect(q, 0x21, 0x03);
    aux(q, 0xe9);
    expect(q, 0x21, 0xfa);
    expect(q, 0x21, 0x00);
    expect(q, 0x21, 0x02);
    expect(q, 0x21, 80);
    qtest_quit(q);
}

/* Each way to ask for a reset is heard once. */
static void test_resets(void)
{
    QTest *q = qtest_start("-machine pc");

    kbd_cmd(q, 0xfe);
    json_unref(qtest_qmp_event(q, "RESET"));
    kbd_cmd(q, 0xd1);
    kbd_data(q, 0xde);
    json_unref(qtest_qmp_event(q, "RESET"));
    qtest_outb(q, PORT92, 0x03);
    json_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(qtest_inb(q, PORT92), ==, 0x02);
    qtest_quit(q);
}

static void test_a20(void)
{
    QTest *q = qtest_start("-machine pc");

    kbd_cmd(q, 0xd0);
    expect(q, 0x01, 0xcf);
    kbd_cmd(q, 0xd1);
    kbd_data(q, 0xdd);
    kbd_cmd(q, 0xd0);
    g_assert_cmphex(qtest_inb(q, KBD_DATA) & 2, ==, 0);
    kbd_cmd(q, 0xdf);
    kbd_cmd(q, 0xd0);
    g_assert_cmphex(qtest_inb(q, KBD_DATA) & 2, ==, 2);
    qtest_outb(q, PORT92, 0x02);
    g_assert_cmphex(qtest_inb(q, PORT92), ==, 0x02);
    qtest_quit(q);
}

static void test_dma(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_outb(q, 0x0c, 0);
    qtest_outb(q, 0x04, 0x34);
    qtest_outb(q, 0x04, 0x12);
    qtest_outb(q, 0x05, 0xff);
    qtest_outb(q, 0x05, 0x01);
    g_assert_cmphex(qtest_inb(q, 0x04), ==, 0x34);
    g_assert_cmphex(qtest_inb(q, 0x04), ==, 0x12);
    g_assert_cmphex(qtest_inb(q, 0x05), ==, 0xff);
    qtest_outb(q, 0x0c, 0);
    g_assert_cmphex(qtest_inb(q, 0x05), ==, 0xff);
    qtest_outb(q, 0x81, 0x7f);
    qtest_outb(q, 0x8b, 0x80);
    g_assert_cmphex(qtest_inb(q, 0x81), ==, 0x7f);
    g_assert_cmphex(qtest_inb(q, 0x8b), ==, 0x80);
    g_assert_cmphex(qtest_inb(q, 0x09), ==, 0xff);
    qtest_outb(q, 0x0a, 0x02);
    g_assert_cmphex(qtest_inb(q, 0x09), ==, 0xfb);
    g_assert_cmphex(qtest_inb(q, 0x0f), ==, 0); /* write only */
    qtest_outb(q, 0xc4, 0x78); /* words: registers two ports apart */
    qtest_outb(q, 0xc4, 0x56);
    g_assert_cmphex(qtest_inb(q, 0xc4), ==, 0x78);
    g_assert_cmphex(qtest_inb(q, 0xc5), ==, 0x56);
    qtest_outb(q, 0x0d, 0);
    g_assert_cmphex(qtest_inb(q, 0x09), ==, 0xff);
    qtest_quit(q);
}

static void fdc_out(QTest *q, uint8_t val)
{
    g_assert_cmphex(qtest_inb(q, FDC + 4) & 0xc0, ==, 0x80);
    qtest_outb(q, FDC + 5, val);
}

static uint8_t fdc_in(QTest *q)
{
    g_assert_cmphex(qtest_inb(q, FDC + 4) & 0xc0, ==, 0xc0);
    return qtest_inb(q, FDC + 5);
}

/* Relative seek of drive 0, and where SENSE INTERRUPT STATUS says it is. */
static void fdc_seek_by(QTest *q, uint8_t cmd, uint8_t n, uint8_t track)
{
    fdc_out(q, cmd);
    fdc_out(q, 0x00);
    fdc_out(q, n);
    g_assert_true(qtest_get_irq(q, 6));
    fdc_out(q, 0x08);
    g_assert_cmphex(fdc_in(q), ==, 0x20);
    g_assert_cmphex(fdc_in(q), ==, track);
}

static void test_fdc(void)
{
    QTest *q = qtest_start("-machine pc");

    qtest_irq_intercept_in(q, "ioapic");
    qtest_outb(q, FDC + 2, 0x00);
    qtest_outb(q, FDC + 2, 0x0c);
    g_assert_true(qtest_get_irq(q, 6));
    for (unsigned i = 0; i < 4; i++) {
        fdc_out(q, 0x08);
        g_assert_cmphex(fdc_in(q), ==, 0xc0 | i);
        g_assert_cmphex(fdc_in(q), ==, 0x00);
    }
    g_assert_false(qtest_get_irq(q, 6));
    fdc_out(q, 0x08); /* nothing to report any more */
    g_assert_cmphex(fdc_in(q), ==, 0x80);
    fdc_out(q, 0x10);
    g_assert_cmphex(fdc_in(q), ==, 0x90);
    fdc_out(q, 0x0f); /* seek drive 0 to track 10 */
    fdc_out(q, 0x00);
    fdc_out(q, 10);
    g_assert_true(qtest_get_irq(q, 6));
    fdc_out(q, 0x08);
    g_assert_cmphex(fdc_in(q), ==, 0x20);
    g_assert_cmphex(fdc_in(q), ==, 10);
    fdc_seek_by(q, 0xcf, 5, 15); /* inwards, and out again */
    fdc_seek_by(q, 0x8f, 6, 9);
    fdc_seek_by(q, 0x8f, 20, 0);
    fdc_out(q, 0x4a); /* no disk: no address mark is found */
    fdc_out(q, 0x00);
    g_assert_false(qtest_get_irq(q, 6));
    qtest_clock_step(q, 1000000000);
    g_assert_true(qtest_get_irq(q, 6));
    g_assert_cmphex(fdc_in(q), ==, 0x40);
    g_assert_cmphex(fdc_in(q), ==, 0x01);
    for (unsigned i = 0; i < 5; i++) {
        fdc_in(q);
    }
    g_assert_false(qtest_get_irq(q, 6));
    g_assert_cmphex(qtest_inb(q, FDC + 7), ==, 0x80);
    fdc_out(q, 0x1f);
    g_assert_cmphex(fdc_in(q), ==, 0x80);
    qtest_quit(q);
}

static void test_debug_devices(void)
{
    g_autofree char *dir = g_dir_make_tmp("debugcon-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "out", NULL);
    g_autofree char *text = NULL;
    QTest *q = qtest_startf("-machine pc -chardev file,id=d,path=%s "
                            "-device isa-debugcon,iobase=0x402,chardev=d "
                            "-device isa-debug-exit,iobase=0xf4,iosize=4",
                            path);

    g_assert_cmphex(qtest_inb(q, 0x402), ==, 0xe9);
    qtest_outb(q, 0x402, 'o');
    qtest_outb(q, 0x402, 'k');
    qtest_outl(q, 0xf4, 21);
    qtest_wait_exit(q, 43);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "ok");
    unlink(path);
    rmdir(dir);
}

static void test_pc_testdev(void)
{
    QTest *q = qtest_start("-machine pc -device pc-testdev");

    qtest_outl(q, 0xe0, 0x12345678);
    g_assert_cmphex(qtest_inb(q, 0xe1), ==, 0x56);
    g_assert_cmphex(qtest_inl(q, 0xe8), ==, 0x12345678);
    qtest_outb(q, 0xeb, 0x77);
    g_assert_cmphex(qtest_inl(q, 0xe0), ==, 0x77345678);
    qtest_writeq(q, 0xff000010, UINT64_C(0x1122334455667788));
    g_assert_cmphex(qtest_readw(q, 0xff000012), ==, 0x5566);
    qtest_writel(q, 0x1000, 0xfeedface);
    qtest_outl(q, 0xe4, 0x1000);
    g_assert_cmphex(qtest_readl(q, 0x1000), ==, 0xfeedface);
    qtest_outl(q, 0xe4, 0xfffff000); /* nothing to flush there */
    qtest_quit(q);
}

static void test_pci_testdev(void)
{
    const uint64_t bar = 0xe0000000;
    QTest *q = qtest_start("-machine pc -device pci-testdev,addr=5");
    char name[17] = "";

    qtest_outl(q, 0xcf8, 0x80002800);
    g_assert_cmphex(qtest_inl(q, 0xcfc), ==, 0x00051b36);
    qtest_outl(q, 0xcf8, 0x80002810);
    qtest_outl(q, 0xcfc, bar);
    qtest_outl(q, 0xcf8, 0x80002804);
    qtest_outl(q, 0xcfc, 3);
    qtest_writeb(q, bar, 0);
    g_assert_cmphex(qtest_readb(q, bar + 1), ==, 1);
    g_assert_cmphex(qtest_readl(q, bar + 4), ==, 0x800);
    qtest_memread(q, bar + 16, name, sizeof(name) - 1);
    g_assert_cmpstr(name, ==, "mmio-no-eventfd");
    for (unsigned i = 0; i < 3; i++) {
        qtest_writeb(q, bar + 0x800, qtest_readl(q, bar + 8));
    }
    qtest_writeb(q, bar + 0x800, 0);
    g_assert_cmpuint(qtest_readl(q, bar + 12), ==, 3);
    qtest_writeb(q, bar, 77); /* no such test */
    g_assert_cmphex(qtest_readl(q, bar + 4), ==, 0);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kbc/commands", test_kbc_commands);
    g_test_add_func("/kbc/keyboard", test_keyboard);
    g_test_add_func("/kbc/mouse", test_mouse);
    g_test_add_func("/kbc/resets", test_resets);
    g_test_add_func("/kbc/a20", test_a20);
    g_test_add_func("/dma/registers", test_dma);
    g_test_add_func("/fdc/probe", test_fdc);
    g_test_add_func("/debug/devices", test_debug_devices);
    g_test_add_func("/testdev/pc", test_pc_testdev);
    g_test_add_func("/testdev/pci", test_pci_testdev);
    return g_test_run();
}
