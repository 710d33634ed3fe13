/*
 * The printer port: handshake, interrupt, and what comes out of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"

enum { LPT = 0x378, DATA = 0, STATUS = 1, CONTROL = 2, IRQ = 7 };
enum {
    STROBE = 0x01,
    READY = 0x0c, /* initialised and selected */
    IRQ_ON = 0x10,
    IDLE = 0xd8,
    BUSY = 0x58,
    ACK = 0x18,
};

static void print_byte(QTest *q, uint8_t byte, uint8_t control)
{
    qtest_outb(q, LPT + DATA, byte);
    qtest_outb(q, LPT + CONTROL, control | STROBE);
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, BUSY);
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, BUSY);
    /* STROBE still there: no second byte. */
    qtest_outb(q, LPT + DATA, '!');
    qtest_outb(q, LPT + CONTROL, control | STROBE);
    qtest_outb(q, LPT + CONTROL, control);
}

static void expect_idle(QTest *q)
{
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, BUSY);
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, ACK);
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, IDLE);
}

static void test_print(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -chardev ringbuf,id=printer "
                           "-parallel chardev:printer");
    g_autofree char *text = NULL;

    qtest_irq_intercept_in(q, "ioapic");
    g_assert_cmphex(qtest_inb(q, LPT + STATUS), ==, IDLE | 1);
    qtest_outb(q, LPT + CONTROL, 0);
    qtest_outb(q, LPT + CONTROL, READY);
    print_byte(q, 'h', READY);
    expect_idle(q);
    g_assert_false(qtest_get_irq(q, IRQ));
    qtest_outb(q, LPT + CONTROL, READY | IRQ_ON);
    print_byte(q, 'i', READY | IRQ_ON);
    g_assert_true(qtest_get_irq(q, IRQ));
    expect_idle(q);
    g_assert_false(qtest_get_irq(q, IRQ));
    /* Not selected, or being initialised: the printer takes nothing. */
    qtest_outb(q, LPT + CONTROL, 0x04 | STROBE);
    qtest_outb(q, LPT + CONTROL, 0x08 | STROBE);
    text = qtest_hmp(q, "ringbuf_read printer 100");
    g_assert_cmpstr(text, ==, "hi\r\n");
    qtest_quit(q);
}

/* The back end has no room: busy until it has, and no byte is lost. */
static void test_full(void)
{
    g_autofree char *dir = g_dir_make_tmp("parallel-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
    unsigned n = 0, got = 0;
    uint8_t buf[4096], status = 0;
    QTest *q;

    g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    q = qtest_startf("-machine pc -m 16 -parallel unix:%s", path);
    fd = accept(listener, NULL, NULL);
    g_assert_cmpint(fd, >=, 0);
    qtest_outb(q, LPT + CONTROL, 0);
    qtest_outb(q, LPT + CONTROL, READY);
    do {
        qtest_outb(q, LPT + DATA, n++);
        qtest_outb(q, LPT + CONTROL, READY | STROBE);
        qtest_outb(q, LPT + CONTROL, READY);
        /* Busy, acknowledged, ready again: while there is room. */
        for (unsigned i = 0; i < 3; i++) {
            status = qtest_inb(q, LPT + STATUS);
        }
        g_assert_cmpuint(n, <, 4 << 20);
    } while (status == IDLE);
    g_assert_cmpuint(n, >, 1);
    while (got < n) {
        ssize_t len = read(fd, buf, sizeof(buf));

        g_assert_cmpint(len, >, 0);
        for (ssize_t i = 0; i < len; i++) {
            g_assert_cmphex(buf[i], ==, (uint8_t)got++);
        }
    }
    while (qtest_inb(q, LPT + STATUS) != IDLE) {
    }
    close(fd);
    close(listener);
    qtest_quit(q);
    g_unlink(path);
    g_rmdir(dir);
}

static void test_options(void)
{
    static const struct {
        const char *args, *message;
    } t[] = {
        { "-machine pc -device isa-parallel",
          "Can't create parallel device, empty char device" },
        { "-machine pc -nodefaults -parallel null -parallel null "
          "-parallel null -parallel null",
          "the machine has 3 parallel ports" },
        { "-machine microvm -parallel null", "the machine has 0 parallel" },
        { "-machine pc -chardev null,id=c -device isa-parallel,chardev=c,"
          "index=3",
          "index 3: at most 3 parallel ports" },
        { "-machine pc -nodefaults -chardev null,id=c "
          "-device isa-parallel,chardev=c,iobase=0xfffc",
          "iobase 0xfffc: at most 0xfff8" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args = g_strdup_printf("-display none %s", t[i].args);
        int status = 0;
        g_autofree char *err = qtest_run(args, &status);

        g_test_message("%s: %s", t[i].args, err);
        g_assert_cmpint(status, !=, 0);
        g_assert_nonnull(strstr(err, t[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parallel/print", test_print);
    g_test_add_func("/parallel/full", test_full);
    g_test_add_func("/parallel/options", test_options);
    return g_test_run();
}
