/*
 * The qtest protocol itself: what right and wrong commands are answered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

static void check(QTest *q, const char *line, const char *answer)
{
    g_autofree char *got = qtest_raw(q, line);

    g_test_message("%.100s", line);
    g_assert_cmpstr(got, ==, answer);
}

static void test_errors(void)
{
    static const struct {
        const char *line, *answer;
    } t[] = {
        { "endianness", "OK little" },
        { "endianness\r", "OK little" },
        { "", "ERR empty line" },
        { "   ", "ERR empty line" },
        { "foo", "FAIL Unknown command 'foo'" },
        { "inb", "ERR inb: wrong number of arguments" },
        { "inb 1 2", "ERR inb: wrong number of arguments" },
        { "inb 1 2 3 4 5 6 7 8 9", "ERR inb: wrong number of arguments" },
        { "write 0 2 0x112", "ERR 3 hex digits for 2 bytes" },
        { "write 0 2 0x11zz", "ERR 'zz' at byte 1: not hexadecimal" },
        { "b64write 0 2 AQIDBA==", "ERR 4 bytes of data for size 2" },
        { "read 0 0", "ERR invalid argument size" },
        { "read 0xfffffffffffffff0 32",
          "ERR size 32 at address 0xfffffffffffffff0: beyond the address "
          "space" },
        { "irq_intercept_in nothing", "FAIL Unknown device" },
        { "set_irq_in nothing unnamed-gpio-in 1 1", "FAIL Unknown device" },
        { "irq_intercept_in /machine", "FAIL Unknown device" },
    };
    /* These name the number in words of the parser. */
    static const char *const wrong_numbers[] = {
        "inb 0x10000",
        "inb -1",
        "inb x",
        "outb 1",
        "outb 1 y",
        "read 0 16777217",
        "readb 0x1ffffffffffffffff",
        "memset 0 0x100000001 0",
        "clock_step -1",
        "clock_set 0x8000000000000000",
        "clock_step 99999999999999999999",
    };
    QTest *q = qtest_start("-machine none");

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        check(q, t[i].line, t[i].answer);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(wrong_numbers); i++) {
        g_autofree char *got = qtest_raw(q, wrong_numbers[i]);

        g_test_message("%s: %s", wrong_numbers[i], got);
        g_assert_true(g_str_has_prefix(got, "ERR "));
    }
    check(q, "endianness", "OK little");
    qtest_quit(q);
}

static void test_long_line(void)
{
    size_t len = 40 * 1024 * 1024;
    g_autofree char *line = g_malloc(len + 1), *got = NULL;
    QTest *q = qtest_start("-machine none");

    memset(line, 'a', len);
    line[len] = '\0';
    got = qtest_raw(q, line);
    g_assert_true(g_str_has_prefix(got, "ERR line of more than "));
    check(q, "endianness", "OK little");
    qtest_quit(q);
}

static void test_clock(void)
{
    QTest *q = qtest_start("-machine none");

    g_assert_cmpint(qtest_clock_step(q, 1000), ==, 1000);
    g_assert_cmpint(qtest_clock_step(q, 0), ==, 1000);
    /* No timer, no step. */
    g_assert_cmpint(qtest_clock_step_next(q), ==, 1000);
    g_assert_cmpint(qtest_clock_set(q, 5000000), ==, 5000000);
    /* Never backwards. */
    g_assert_cmpint(qtest_clock_set(q, 1), ==, 5000000);
    qtest_quit(q);
}

static void test_nothing_there(void)
{
    QTest *q = qtest_start("-machine none");
    uint8_t buf[64];

    g_assert_cmphex(qtest_inb(q, 0x60), ==, 0xff);
    g_assert_cmphex(qtest_inl(q, 0xcf8), ==, 0xffffffff);
    qtest_outl(q, 0xfffe, 0x12345678);
    g_assert_cmphex(qtest_readq(q, 0), ==, 0);
    qtest_writeq(q, 0xffffffffffffffff, 1);
    qtest_memset(q, 0, 0, 0);
    qtest_memread(q, UINT64_MAX - 63, buf, sizeof(buf));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/errors", test_errors);
    g_test_add_func("/qtest/long-line", test_long_line);
    g_test_add_func("/qtest/clock", test_clock);
    g_test_add_func("/qtest/nothing-there", test_nothing_there);
    return g_test_run();
}
