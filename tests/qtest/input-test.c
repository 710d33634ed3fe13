/*
 * Keys and movements by QMP and HMP arrive at the PS/2 devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

enum {
    DATA = 0x60,
    STATUS = 0x64,
    FULL = 0x01, /* of the status */
    MS = 1000000,
};

static QTest *start(void)
{
    QTest *q = qtest_start("-machine pc -m 16");

    /* Interrupts, and scan codes of set 1. */
    qtest_outb(q, STATUS, 0x60);
    qtest_outb(q, DATA, 0x47);
    return q;
}

static void expect_bytes(QTest *q, const char *hex)
{
    for (const char *s = hex; *s != '\0'; s += 2) {
        unsigned want =
            g_ascii_xdigit_value(s[0]) << 4 | g_ascii_xdigit_value(s[1]);

        g_assert_cmphex(qtest_inb(q, STATUS) & FULL, ==, FULL);
        g_assert_cmphex(qtest_inb(q, DATA), ==, want);
    }
    g_assert_cmphex(qtest_inb(q, STATUS) & FULL, ==, 0);
}

static void qmp(QTest *q, const char *command)
{
    g_autoptr(JsonValue) answer = qtest_qmp(q, "%s", command);

    g_assert_false(json_object_has(answer, "error"));
}

static void qmp_fails(QTest *q, const char *command, const char *with)
{
    g_autoptr(JsonValue) answer = qtest_qmp(q, "%s", command);
    g_autoptr(GString) text = g_string_new(NULL);

    json_print(answer, false, text);
    g_assert_nonnull(strstr(text->str, with));
}

#define SEND_KEY(keys_) \
    "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[" keys_ "]}}"
#define QCODE(name_) "{\"type\":\"qcode\",\"data\":\"" name_ "\"}"
#define NUMBER(n_)   "{\"type\":\"number\",\"data\":" n_ "}"
#define EVENTS(list_) \
    "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[" list_ "]}}"

static void test_send_key(void)
{
    QTest *q = start();

    qmp(q, SEND_KEY(QCODE("ctrl") "," QCODE("delete") "," NUMBER("200")));
    expect_bytes(q, "1de053e048");
    qtest_clock_step(q, 99 * MS);
    expect_bytes(q, "");
    qtest_clock_step(q, 2 * MS);
    expect_bytes(q, "e0c8e0d39d");
    qmp_fails(q, SEND_KEY(NUMBER("256")), "key number 256");
    qmp_fails(q, SEND_KEY(QCODE("undo")), "key 'undo'");
    qmp_fails(q, SEND_KEY(QCODE("no-such")), "no-such");
    expect_bytes(q, "");
    qtest_quit(q);
}

/* What is asked for while keys are down waits for its turn. */
static void test_in_a_row(void)
{
    QTest *q = start();

    qmp(q, SEND_KEY(QCODE("a")));
    qmp(q, SEND_KEY(QCODE("b")));
    expect_bytes(q, "1e");
    qtest_clock_step(q, 100 * MS);
    expect_bytes(q, "9e");
    qtest_clock_step(q, 100 * MS);
    expect_bytes(q, "30");
    qtest_clock_step(q, 100 * MS);
    expect_bytes(q, "b0");
    qtest_quit(q);
}

static void test_hmp(void)
{
    QTest *q = start();
    g_autofree char *none = qtest_hmp(q, "sendkey shift-<-0x1e 50");
    g_autofree char *bad = qtest_hmp(q, "sendkey ctrl-nokey");

    g_assert_cmpstr(none, ==, "");
    g_assert_nonnull(strstr(bad, "invalid parameter: nokey"));
    expect_bytes(q, "2a561e");
    qtest_clock_step(q, 50 * MS);
    expect_bytes(q, "9ed6aa");
    qtest_quit(q);
}

static void test_pointer(void)
{
    QTest *q = start();
    g_autofree char *text = NULL, *button = NULL;

    qtest_outb(q, STATUS, 0xd4);
    qtest_outb(q, DATA, 0xf4); /* reports on */
    expect_bytes(q, "fa");
    qmp(q, EVENTS("{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":5}},"
                  "{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":3}}"));
    expect_bytes(q, "2805fd");
    qmp(q, EVENTS("{\"type\":\"btn\",\"data\":{\"button\":\"middle\","
                  "\"down\":true}}"));
    expect_bytes(q, "0c0000");
    text = qtest_hmp(q, "mouse_move -2 -1");
    g_assert_cmpstr(text, ==, "");
    expect_bytes(q, "1cfe01");
    button = qtest_hmp(q, "mouse_button 1");
    g_assert_cmpstr(button, ==, "");
    expect_bytes(q, "090000");
    qmp(q, EVENTS("{\"type\":\"key\",\"data\":{\"down\":true,\"key\":" QCODE(
               "ret") "}}"));
    expect_bytes(q, "1c");
    qmp_fails(q,
              EVENTS("{\"type\":\"abs\",\"data\":{\"axis\":\"x\","
                     "\"value\":5}}"),
              "abs");
    qtest_quit(q);
}

static void test_mice(void)
{
    QTest *q = start();
    g_autofree char *mice = qtest_hmp(q, "info mice");
    g_autofree char *none = qtest_hmp(q, "mouse_set 9");
    g_autofree char *negative = qtest_hmp(q, "mouse_set -1");
    g_autofree char *kbd = qtest_hmp(q, "mouse_set 1");
    g_autofree char *ok = qtest_hmp(q, "mouse_set 2");

    g_assert_cmpstr(mice, ==, "* Mouse #2: QEMU PS/2 Mouse\r\n");
    g_assert_nonnull(strstr(none, "'9' not found"));
    g_assert_nonnull(strstr(negative, "'-1' not found"));
    g_assert_nonnull(strstr(kbd, "'QEMU PS/2 Keyboard' is not a mouse"));
    g_assert_cmpstr(ok, ==, "");
    qtest_quit(q);
}

/* The fourth and the fifth button, once the guest asks for them. */
static void test_five_buttons(void)
{
    static const uint8_t ask[] = { 0xf3, 200, 0xf3, 200, 0xf3, 80, 0xf4 };
    QTest *q = start();

    for (size_t i = 0; i < G_N_ELEMENTS(ask); i++) {
        qtest_outb(q, STATUS, 0xd4);
        qtest_outb(q, DATA, ask[i]);
        expect_bytes(q, "fa");
    }
    qmp(q, EVENTS("{\"type\":\"btn\",\"data\":{\"button\":\"side\","
                  "\"down\":true}}"));
    expect_bytes(q, "08000010");
    qmp(q, EVENTS("{\"type\":\"btn\",\"data\":{\"button\":\"extra\","
                  "\"down\":true}}"));
    expect_bytes(q, "08000030");
    qtest_quit(q);
}

/* A guest that stands takes nothing, and finds nothing later. */
static void test_stopped(void)
{
    QTest *q = start();

    qmp(q, "{\"execute\":\"stop\"}");
    qmp(q, SEND_KEY(QCODE("a")));
    qmp_fails(q,
              EVENTS("{\"type\":\"rel\",\"data\":{\"axis\":\"x\","
                     "\"value\":5}}"),
              "VM not running");
    qmp(q, "{\"execute\":\"cont\"}");
    expect_bytes(q, "");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/input/send-key", test_send_key);
    g_test_add_func("/input/in-a-row", test_in_a_row);
    g_test_add_func("/input/hmp", test_hmp);
    g_test_add_func("/input/pointer", test_pointer);
    g_test_add_func("/input/mice", test_mice);
    g_test_add_func("/input/five-buttons", test_five_buttons);
    g_test_add_func("/input/stopped", test_stopped);
    return g_test_run();
}
