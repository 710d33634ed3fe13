/*
 * Telnet: what of a client's bytes is data.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/telnet.h"

#include <glib.h>

typedef struct Case {
    const char *in;
    size_t in_len;
    const char *want;
    size_t want_len;
    bool is_break;
} Case;

#define CASE(in_, want_, is_break_)                               \
    {                                                             \
        in_, sizeof(in_) - 1, want_, sizeof(want_) - 1, is_break_ \
    }

static const Case cases[] = {
    CASE("plain", "plain", false),
    CASE("a\377\377b", "a\377b", false),
    CASE("a\377\375\003b", "ab", false),
    CASE("\377\373\030\377\374\030\377\376\001x", "x", false),
    /* A subnegotiation, with a doubled IAC and an SE that is none inside. */
    CASE("a\377\372\030\360\377\377\360xterm\377\360b", "ab", false),
    CASE("a\377\363b", "ab", true),
    CASE("a\377\364b", "ab", false),
    /* The end of a line, and a carriage return alone. */
    CASE("a\r\nb", "a\r\nb", false),
    CASE("a\r\000b\000", "a\rb\000", false),
    /* With binary transmission there is no such filler ... */
    CASE("\377\373\000a\r\000b", "a\r\000b", false),
    /* ... and without it there is again. */
    CASE("\377\373\000\377\374\000a\r\000b", "a\rb", false),
    CASE("", "", false),
};

/* In one piece, and in two cut at any place. */
static void test_decode(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];

        for (size_t cut = 0; cut <= c->in_len; cut++) {
            g_autofree uint8_t *buf = g_memdup2(c->in, c->in_len + 1);
            Telnet t = { 0 };
            bool b1, b2;
            int n1 = telnet_decode(&t, buf, cut, &b1);
            int n2 = telnet_decode(&t, buf + cut, c->in_len - cut, &b2);

            g_test_message("case %zu, cut at %zu", i, cut);
            memmove(buf + n1, buf + cut, n2);
            g_assert_cmpmem(buf, n1 + n2, c->want, c->want_len);
            g_assert_cmpint(b1 || b2, ==, c->is_break);
        }
    }
}

/* Whatever comes, no more goes out than came in, and it is data. */
static void test_any(void)
{
    Telnet t = { 0 };

    for (int round = 0; round < 1000; round++) {
        uint8_t buf[64];
        bool is_break;
        int n;

        for (size_t i = 0; i < sizeof(buf); i++) {
            buf[i] = g_test_rand_int_range(0, 3) ? g_test_rand_int() : 0xff;
        }
        n = telnet_decode(&t, buf, sizeof(buf), &is_break);
        g_assert_cmpint(n, >=, 0);
        g_assert_cmpint(n, <=, sizeof(buf));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/telnet/decode", test_decode);
    g_test_add_func("/telnet/any", test_any);
    return g_test_run();
}
