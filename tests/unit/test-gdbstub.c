/*
 * Unit test: the packets of GDB's remote protocol (gdbstub/packet.h), those
 * of hostile clients too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/packet.h"

/* Feeds text and gives what its last byte led to; none before did. */
static GdbInput feed(GdbParser *p, const char *bytes, size_t n)
{
    GdbInput in = GDB_INPUT_NONE;

    for (size_t i = 0; i < n; i++) {
        g_assert_cmpint(in, ==, GDB_INPUT_NONE);
        in = gdb_parser_feed(p, (uint8_t)bytes[i]);
    }
    return in;
}

static GdbInput feed_text(GdbParser *p, const char *text)
{
    return feed(p, text, strlen(text));
}

static void check_data(const GdbParser *p, const char *want)
{
    g_assert_cmpuint(p->len, ==, strlen(want));
    g_assert_cmpstr(p->data, ==, want);
}

static void test_good(void)
{
    GdbParser p = { 0 };

    gdb_parser_reset(&p);
    g_assert_cmpint(feed_text(&p, "$g#67"), ==, GDB_INPUT_PACKET);
    check_data(&p, "g");
    g_assert_cmpint(feed_text(&p, "$#00"), ==, GDB_INPUT_PACKET);
    check_data(&p, "");
    g_assert_cmpint(feed_text(&p, "+"), ==, GDB_INPUT_ACK);
    g_assert_cmpint(feed_text(&p, "-"), ==, GDB_INPUT_NAK);
    g_assert_cmpint(feed_text(&p, "\x03"), ==, GDB_INPUT_BREAK);
    /* Upper case, noise before, 0x03 as data. */
    g_assert_cmpint(feed_text(&p, "xy\r\n$m\x03z#EA"), ==, GDB_INPUT_PACKET);
    check_data(&p, "m\x03z");
}

static void test_escape(void)
{
    static const char packet[] = "$X0,4:}\x03}\x04}]}\n#03";
    GdbParser p = { 0 };
    uint8_t sum = 0;
    char sum_text[3];

    for (const char *s = packet + 1; *s != '#'; s++) {
        sum += (uint8_t)*s;
    }
    g_snprintf(sum_text, sizeof(sum_text), "%02x", sum);
    g_assert_cmpint(feed(&p, packet, strlen(packet) - 2), ==, GDB_INPUT_NONE);
    g_assert_cmpint(feed_text(&p, sum_text), ==, GDB_INPUT_PACKET);
    check_data(&p, "X0,4:#$}*");
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "$g#68", "$g#g7", "$g#6g", "$g#--", "$#01", "$}#b#7d", "$g#$g",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        GdbParser p = { 0 };

        g_test_message("case %zu", i);
        g_assert_cmpint(feed_text(&p, bad[i]), ==, GDB_INPUT_BAD);
        /* The next one is fine again. */
        g_assert_cmpint(feed_text(&p, "$g#67"), ==, GDB_INPUT_PACKET);
        check_data(&p, "g");
    }
}

/* A packet without its end, then one with it. */
static void test_restart(void)
{
    GdbParser p = { 0 };

    g_assert_cmpint(feed_text(&p, "$m0,4$g#67"), ==, GDB_INPUT_PACKET);
    check_data(&p, "g");
}

static void test_too_long(void)
{
    g_autofree char *data = g_malloc(3 * GDB_PACKET_MAX);
    g_autofree GdbParser *p = g_new0(GdbParser, 1);
    g_autoptr(GString) packet = g_string_new(NULL);

    memset(data, 'a', 3 * GDB_PACKET_MAX);
    gdb_packet_append(packet, data, GDB_PACKET_MAX);
    g_assert_cmpint(feed(p, packet->str, packet->len), ==, GDB_INPUT_PACKET);
    g_assert_cmpuint(p->len, ==, GDB_PACKET_MAX);
    for (unsigned i = 1; i <= 2; i++) {
        g_string_truncate(packet, 0);
        gdb_packet_append(packet, data, i * GDB_PACKET_MAX + 1);
        g_assert_cmpint(feed(p, packet->str, packet->len), ==,
                        GDB_INPUT_TOO_LONG);
    }
    /* Whose checksum is wrong is bad first of all. */
    packet->str[packet->len - 1] ^= 1;
    g_assert_cmpint(feed(p, packet->str, packet->len), ==, GDB_INPUT_BAD);
    g_assert_cmpint(feed_text(p, "$g#67"), ==, GDB_INPUT_PACKET);
}

/* Every byte comes back as it went in. */
static void test_round_trip(void)
{
    g_autoptr(GString) packet = g_string_new(NULL);
    GdbParser p = { 0 };
    char all[256];

    for (unsigned i = 0; i < sizeof(all); i++) {
        all[i] = (char)i;
    }
    gdb_packet_append(packet, all, sizeof(all));
    g_assert_cmpint(feed(&p, packet->str, packet->len), ==, GDB_INPUT_PACKET);
    g_assert_cmpmem(p.data, p.len, all, sizeof(all));
    g_string_truncate(packet, 0);
    gdb_packet_append(packet, "OK", 2);
    g_assert_cmpstr(packet->str, ==, "$OK#9a");
}

static void test_random(void)
{
    g_autofree GdbParser *p = g_new0(GdbParser, 1);

    for (unsigned i = 0; i < 200000; i++) {
        static const char likely_bytes[] = "$#}0a";
        int r = g_test_rand_int_range(0, 64);
        uint8_t byte = r < 5 ? (uint8_t)likely_bytes[r]
                             : (uint8_t)g_test_rand_int_range(0, 256);
        GdbInput in = gdb_parser_feed(p, byte);

        g_assert_cmpuint(p->len, <=, GDB_PACKET_MAX);
        if (in == GDB_INPUT_PACKET) {
            g_assert_cmpint(p->data[p->len], ==, '\0');
        }
    }
}

static void test_hex(void)
{
    static const uint8_t bytes[] = { 0x00, 0x7f, 0xff, 0xa5 };
    g_autoptr(GString) s = g_string_new(NULL);
    uint8_t buf[4];

    gdb_hex_append(s, bytes, sizeof(bytes));
    g_assert_cmpstr(s->str, ==, "007fffa5");
    g_assert_true(gdb_hex_decode("007FffA5", 4, buf));
    g_assert_cmpmem(buf, 4, bytes, 4);
    g_assert_false(gdb_hex_decode("0", 1, buf));
    g_assert_false(gdb_hex_decode("0g", 1, buf));
    g_assert_false(gdb_hex_decode("-1", 1, buf));
    g_assert_false(gdb_hex_decode("00x", 2, buf));
    g_assert_true(gdb_hex_decode("", 0, buf));
}

static void test_number(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t v;
        const char *rest;
    } t[] = {
        { "0", true, 0, "" },
        { "1000,4", true, 0x1000, ",4" },
        { "ffffffffffffffff:", true, UINT64_MAX, ":" },
        { "fFfFfFfFfFfFfFfF0", false, 0, NULL },
        { "00000000000000001", false, 0, NULL },
        { "", false, 0, NULL },
        { ",4", false, 0, NULL },
        { "-1", false, 0, NULL },
        { "0x10", true, 0, "x10" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        const char *s = t[i].text;
        uint64_t v = 0;

        g_test_message("case %zu", i);
        g_assert_cmpint(gdb_hex_number(&s, &v), ==, t[i].ok);
        g_assert_cmphex(v, ==, t[i].v);
        g_assert_cmpstr(s, ==, t[i].ok ? t[i].rest : t[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdbstub/good", test_good);
    g_test_add_func("/gdbstub/escape", test_escape);
    g_test_add_func("/gdbstub/bad", test_bad);
    g_test_add_func("/gdbstub/restart", test_restart);
    g_test_add_func("/gdbstub/too-long", test_too_long);
    g_test_add_func("/gdbstub/round-trip", test_round_trip);
    g_test_add_func("/gdbstub/random", test_random);
    g_test_add_func("/gdbstub/hex", test_hex);
    g_test_add_func("/gdbstub/number", test_number);
    return g_test_run();
}
