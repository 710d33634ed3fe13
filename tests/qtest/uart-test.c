/*
 * 16550A: registers, loopback, FIFOs, interrupts, and a back end that is full.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "tests/qtest/libqtest.h"

enum {
    COM1 = 0x3f8,
    IRQ = 4,
    DATA = 0,
    IER = 1,
    IIR = 2,
    FCR = 2,
    LCR = 3,
    MCR = 4,
    LSR = 5,
    MSR = 6,
    SCR = 7,
};

static uint8_t in(QTest *q, unsigned reg)
{
    return qtest_inb(q, COM1 + reg);
}

static void out(QTest *q, unsigned reg, uint8_t val)
{
    qtest_outb(q, COM1 + reg, val);
}

static void test_registers(void)
{
    QTest *q = qtest_start("-machine pc -serial null");

    g_assert_cmphex(in(q, IER), ==, 0x00);
    g_assert_cmphex(in(q, IIR), ==, 0x01);
    g_assert_cmphex(in(q, LSR), ==, 0x60);
    g_assert_cmphex(in(q, MSR), ==, 0xb0);
    out(q, SCR, 0xa5);
    g_assert_cmphex(in(q, SCR), ==, 0xa5);
    out(q, IER, 0xff);
    g_assert_cmphex(in(q, IER), ==, 0x0f);
    out(q, MCR, 0xff);
    g_assert_cmphex(in(q, MCR), ==, 0x1f);
    out(q, LCR, 0x83);
    out(q, DATA, 0x34);
    out(q, IER, 0x12);
    g_assert_cmphex(in(q, DATA), ==, 0x34);
    g_assert_cmphex(in(q, IER), ==, 0x12);
    out(q, LCR, 0x03);
    g_assert_cmphex(in(q, IER), ==, 0x0f);
    out(q, LSR, 0xff);
    g_assert_cmphex(in(q, LSR), ==, 0x60);
    out(q, FCR, 0xc1);
    g_assert_cmphex(in(q, IIR) & 0xf0, ==, 0xc0);
    out(q, FCR, 0x00);
    g_assert_cmphex(in(q, IIR) & 0xf0, ==, 0x00);
    qtest_quit(q);
}

static void test_loopback(void)
{
    QTest *q = qtest_start("-machine pc -serial null");

    out(q, MCR, 0x1a); /* how drivers find out that there is a UART */
    g_assert_cmphex(in(q, MSR) & 0xf0, ==, 0x90);
    out(q, MCR, 0x15);
    g_assert_cmphex(in(q, MSR) & 0xf0, ==, 0x60);
    out(q, DATA, 0x55);
    g_assert_cmphex(in(q, LSR), ==, 0x61);
    g_assert_cmphex(in(q, DATA), ==, 0x55);
    g_assert_cmphex(in(q, LSR), ==, 0x60);
    out(q, DATA, 0x01);
    out(q, DATA, 0x02); /* nobody read the first */
    g_assert_cmphex(in(q, LSR), ==, 0x63);
    g_assert_cmphex(in(q, LSR), ==, 0x61);
    g_assert_cmphex(in(q, DATA), ==, 0x02);
    qtest_quit(q);
}

static void test_fifo(void)
{
    QTest *q = qtest_start("-machine pc -serial null");

    out(q, MCR, 0x10);
    out(q, FCR, 0x07);
    for (unsigned i = 0; i < 20; i++) {
        out(q, DATA, 0x40 + i);
    }
    g_assert_cmphex(in(q, LSR), ==, 0x63);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(in(q, DATA), ==, 0x40 + i);
    }
    g_assert_cmphex(in(q, LSR), ==, 0x60);
    out(q, DATA, 0x77);
    out(q, FCR, 0x03);
    g_assert_cmphex(in(q, LSR), ==, 0x60);
    qtest_quit(q);
}

static void test_interrupts(void)
{
    QTest *q = qtest_start("-machine pc -serial null");

    qtest_irq_intercept_in(q, "ioapic");
    out(q, IER, 0x02);
    g_assert_true(qtest_get_irq(q, IRQ));
    g_assert_cmphex(in(q, IIR), ==, 0x02);
    g_assert_false(qtest_get_irq(q, IRQ)); /* reading took it back */
    out(q, DATA, 'x');
    g_assert_true(qtest_get_irq(q, IRQ));
    g_assert_cmphex(in(q, IIR), ==, 0x02);
    out(q, MCR, 0x10);
    out(q, IER, 0x05);
    out(q, DATA, 1);
    g_assert_cmphex(in(q, IIR), ==, 0x04);
    g_assert_true(qtest_get_irq(q, IRQ));
    out(q, DATA, 2);
    g_assert_cmphex(in(q, IIR), ==, 0x06); /* the overrun goes first */
    in(q, LSR);
    g_assert_cmphex(in(q, IIR), ==, 0x04);
    in(q, DATA);
    g_assert_cmphex(in(q, IIR), ==, 0x01);
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_quit(q);
}

/* Four character times without a byte, below the trigger level. */
static void test_timeout(void)
{
    QTest *q = qtest_start("-machine pc -serial null");
    const int64_t char_ns = INT64_C(1000000000) / 115200 * 10;

    qtest_irq_intercept_in(q, "ioapic");
    out(q, LCR, 0x83);
    out(q, DATA, 1);
    out(q, IER, 0);
    out(q, LCR, 0x03); /* 115200, 8 bits */
    out(q, MCR, 0x10);
    out(q, FCR, 0xc1); /* at 14 bytes */
    out(q, IER, 0x01);
    out(q, DATA, 'a');
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_clock_step(q, 4 * char_ns - 1);
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_clock_step(q, 1);
    g_assert_true(qtest_get_irq(q, IRQ));
    g_assert_cmphex(in(q, IIR), ==, 0xcc);
    g_assert_cmphex(in(q, DATA), ==, 'a');
    g_assert_cmphex(in(q, IIR), ==, 0xc1);
    g_assert_false(qtest_get_irq(q, IRQ));
    for (unsigned i = 0; i < 14; i++) {
        g_assert_cmphex(in(q, IIR), ==, 0xc1);
        out(q, DATA, i);
    }
    g_assert_cmphex(in(q, IIR), ==, 0xc4);
    qtest_quit(q);
}

static int listen_at(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

/*
 * A peer that reads nothing fills the socket: THRE goes low and stays low, no
 * byte is lost, and all of it comes once the peer reads.
 */
static void test_full_back_end(void)
{
    g_autofree char *dir = g_dir_make_tmp("uart-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    int server = listen_at(path);
    QTest *q = qtest_startf("-machine pc -chardev socket,id=c,path=%s "
                            "-serial chardev:c",
                            path);
    int fd = accept(server, NULL, NULL);
    unsigned sent = 0;
    uint8_t b;

    g_assert_cmpint(fd, >=, 0);
    while (in(q, LSR) & 0x20) {
        out(q, DATA, sent++ & 0xff);
        g_assert_cmpuint(sent, <, 10000000);
    }
    g_assert_cmphex(in(q, LSR) & 0x60, ==, 0);
    for (unsigned i = 0; i < sent; i++) {
        g_assert_cmpint(read(fd, &b, 1), ==, 1);
        g_assert_cmphex(b, ==, i & 0xff);
    }
    while ((in(q, LSR) & 0x60) != 0x60) {
        /* the main loop has to hear of the room */
    }
    g_assert_cmpint(write(fd, "k", 1), ==, 1);
    while (!(in(q, LSR) & 1)) {
        /* on its way */
    }
    g_assert_cmphex(in(q, DATA), ==, 'k');
    qtest_quit(q);
    close(fd);
    close(server);
    unlink(path);
    rmdir(dir);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *want;
    } t[] = {
        { "-machine pc -device isa-serial,index=4,chardev=c "
          "-chardev null,id=c",
          "index 4: at most 4 serial ports" },
        { "-machine pc -device isa-serial,chardev=nothing",
          "no character device 'nothing'" },
        { "-machine pc -serial null -device isa-serial,iobase=0x3fc,index=1",
          "I/O ports 0x3fc to 0x403" },
        { "-machine pc -device isa-debugcon", "chardev=ID" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        int status;
        g_autofree char *err = qtest_run(t[i].args, &status);

        g_test_message("%s", err);
        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(err, t[i].want));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uart/registers", test_registers);
    g_test_add_func("/uart/loopback", test_loopback);
    g_test_add_func("/uart/fifo", test_fifo);
    g_test_add_func("/uart/interrupts", test_interrupts);
    g_test_add_func("/uart/timeout", test_timeout);
    g_test_add_func("/uart/full-back-end", test_full_back_end);
    g_test_add_func("/uart/refused", test_refused);
    return g_test_run();
}
