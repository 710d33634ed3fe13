/*
 * JSON values, parser and printer: qapi/json*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/json.h"

/* Everything a parser delivered, as text: values and "!message" lines. */
typedef struct Log {
    GString *text;
    unsigned nvalues, nerrors;
} Log;

static void log_fn(void *opaque, JsonValue *v, const GError *err)
{
    Log *log = opaque;

    if (err) {
        g_string_append_printf(log->text, "!%s\n", err->message);
        log->nerrors++;
        return;
    }
    json_print(v, false, log->text);
    g_string_append_c(log->text, '\n');
    log->nvalues++;
    json_unref(v);
}

/* What comes out when text is fed in pieces of the given size. */
static char *parse_pieces(const char *text, size_t len, size_t piece)
{
    Log log = { .text = g_string_new(NULL) };
    g_autoptr(JsonParser) p = json_parser_new(log_fn, &log);

    for (size_t off = 0; off < len; off += piece) {
        /* A copy of exactly that size, for the sanitizer to guard. */
        size_t n = MIN(piece, len - off);
        g_autofree char *copy = g_memdup2(text + off, n);

        json_parser_feed(p, copy, n);
    }
    json_parser_end(p);
    return g_string_free(log.text, false);
}

static void check_len(const char *text, size_t len, const char *want)
{
    for (size_t piece = 1; piece <= len; piece++) {
        g_autofree char *got = parse_pieces(text, len, piece);

        g_assert_cmpstr(got, ==, want);
    }
}

static void check(const char *text, const char *want)
{
    check_len(text, strlen(text), want);
}

static void test_values(void)
{
    check("null true false", "null\ntrue\nfalse\n");
    check("{}[]", "{}\n[]\n");
    check("{\"b\":[1,{\"c\":null}],\"a\":\"x\"}",
          "{\"b\": [1, {\"c\": null}], \"a\": \"x\"}\n");
    check(" [ 1 , 2 ]\r\n\t{ }", "[1, 2]\n{}\n");
    check("'it\\'s \"x\"'", "\"it's \\\"x\\\"\"\n");
    check("{'execute':'stop'}", "{\"execute\": \"stop\"}\n");
    check("\"/\\/\\b\\f\\n\\r\\t\\\\\"", "\"//\\b\\f\\n\\r\\t\\\\\"\n");
    check("", "");
}

static void test_numbers(void)
{
    check("0 -0 1 -1", "0\n0\n1\n-1\n");
    check("9223372036854775807 9223372036854775808",
          "9223372036854775807\n9223372036854775808\n");
    check("-9223372036854775808 18446744073709551615",
          "-9223372036854775808\n18446744073709551615\n");
    check("18446744073709551616 -9223372036854775809",
          "1.8446744073709552e+19\n-9.2233720368547758e+18\n");
    check("1.5 1e3 -2.5E-1 0.1", "1.5\n1000\n-0.25\n0.10000000000000001\n");
    check("1e400", "!JSON parse error, number 1e400 is out of range\n");
    check("01", "!JSON parse error, stray '01'\n");
    check("-", "!JSON parse error, stray '-'\n");
    check("1.", "!JSON parse error, stray '1.'\n");
    check("1e+", "!JSON parse error, stray '1e+'\n");
    check("--1", "!JSON parse error, stray '--1'\n");
    check("[1.e1]", "!JSON parse error, stray '1.e1'\n"
                    "!JSON parse error, expecting value\n");
}

static void test_number_types(void)
{
    g_autoptr(JsonValue) v =
        json_parse("[5, -5, 18446744073709551615, 1.0, 9223372036854775808]",
                   -1, NULL);
    int64_t i = 7;
    uint64_t u = 7;
    double d = 7;

    g_assert_nonnull(v);
    g_assert_true(json_get_int(json_array_at(v, 0), &i));
    g_assert_cmpint(i, ==, 5);
    g_assert_true(json_get_uint(json_array_at(v, 0), &u));
    g_assert_cmpuint(u, ==, 5);
    g_assert_true(json_get_int(json_array_at(v, 1), &i));
    g_assert_cmpint(i, ==, -5);
    g_assert_false(json_get_uint(json_array_at(v, 1), &u));
    g_assert_false(json_get_int(json_array_at(v, 2), &i));
    g_assert_true(json_get_uint(json_array_at(v, 2), &u));
    g_assert_cmpuint(u, ==, UINT64_MAX);
    g_assert_false(json_get_int(json_array_at(v, 3), &i));
    g_assert_true(json_get_double(json_array_at(v, 3), &d));
    g_assert_cmpfloat(d, ==, 1.0);
    g_assert_true(json_get_double(json_array_at(v, 4), &d));
    g_assert_cmpfloat(d, ==, 9223372036854775808.0);
    g_assert_null(json_array_at(v, 5));
}

static void test_unicode(void)
{
    check("\"\\u00e9\xc3\xa9\"", "\"\\u00E9\\u00E9\"\n");
    check("\"\\ud83d\\ude00\xf0\x9f\x98\x80\"",
          "\"\\uD83D\\uDE00\\uD83D\\uDE00\"\n");
    check("\"a\\u0000b\x7f\"", "\"a\\u0000b\\u007F\"\n");
    check("\"\xc0\x80\"", "\"\\u0000\"\n");
    check("\"\\ud800\"",
          "!JSON parse error, \\ud800 is not a valid Unicode character\n");
    check("\"\\ud800x\" 1",
          "!JSON parse error, \\ud800 is not a valid Unicode character\n1\n");
    check("\"\\udc00\" 1",
          "!JSON parse error, \\udc00 is not a valid Unicode character\n1\n");
    check("\"\\ud800\\u0041\" 1",
          "!JSON parse error, \\ud800 is not a valid Unicode character\n1\n");
    check("\"\\ud800\\n\" 1",
          "!JSON parse error, \\ud800 is not a valid Unicode character\n1\n");
    check("\"\\u12\" 1",
          "!JSON parse error, \\u without four hexadecimal digits\n1\n");
    check("\"\\q\" 1",
          "!JSON parse error, invalid escape sequence in string\n1\n");
}

static void test_bad_utf8(void)
{
    static const char *const bad[] = {
        "\x80",         "\xc3",         "\xc3(",
        "\xe2\x82",     "\xe2(\xa1",    "\xc1\xbf",
        "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf0\x9f\x98", "\xc0",         "\xc0\xaf",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = g_strdup_printf("{\"a\":\"%s\"}{}", bad[i]);

        g_test_message("case %zu", i);
        check(text, "!JSON parse error, invalid UTF-8 sequence in string\n"
                    "{}\n");
    }
}

/* Each as the installed emulator answers it. */
static void test_errors(void)
{
    check("garbage\n{}", "!JSON parse error, invalid keyword 'garbage'\n{}\n");
    check("} {}", "!JSON parse error, expecting value\n{}\n");
    check("]", "!JSON parse error, expecting value\n");
    check(":", "!JSON parse error, expecting value\n");
    check(",", "!JSON parse error, expecting value\n");
    check("{\"a\" 1}{}", "!JSON parse error, missing : in object pair\n{}\n");
    check("{\"a\"}{}", "!JSON parse error, missing : in object pair\n{}\n");
    check("{\"a\":}{}", "!JSON parse error, expecting value\n{}\n");
    check("{a:1}{}", "!JSON parse error, invalid keyword 'a'\n{}\n");
    check("{\"a\":1,}{}", "!JSON parse error, expecting value\n{}\n");
    check("[1,]{}", "!JSON parse error, expecting value\n{}\n");
    check("[1 2]{}", "!JSON parse error, expected separator in list\n{}\n");
    check("{\"a\":1 \"b\":2}{}",
          "!JSON parse error, expected separator in dict\n{}\n");
    check("{\"a\":1:}{}",
          "!JSON parse error, expected separator in dict\n{}\n");
    check("{1:2}{}", "!JSON parse error, key is not a string in object\n{}\n");
    check("{null:2}{}",
          "!JSON parse error, key is not a string in object\n{}\n");
    check("{\"a\":1,\"a\":2}{}", "!JSON parse error, duplicate key\n{}\n");
    check("[}{}", "!JSON parse error, expecting value\n{}\n");
    check("{}}{}", "{}\n!JSON parse error, expecting value\n{}\n");
    check("[[1", "!JSON parse error, unexpected end of input\n");
    check("\"x", "!JSON parse error, unexpected end of input\n");
    /* Brackets and quotes within the broken value's strings don't count. */
    check("{a \"}]\\\"\" '}\"' [{}] }{}",
          "!JSON parse error, invalid keyword 'a'\n{}\n");
}

static void test_recovery(void)
{
    check("\xff{}", "!JSON parse error, stray '\xef\xbf\xbd'\n{}\n");
    check("{\"a\":[1,\xff{}", "!JSON parse error, stray '\xef\xbf\xbd'\n{}\n");
    check("{\"a\":\"str\xff{}",
          "!JSON parse error, stray '\"str\xef\xbf\xbd'\n{}\n");
    check("\"abc\n{}", "!JSON parse error, stray '\"abc\n'\n{}\n");
    check("@ abc 1 \"x\" {}", "!JSON parse error, stray '@'\n{}\n");
    /* A client that resets a value whose error it already had: no second. */
    check("{x \xff{}", "!JSON parse error, invalid keyword 'x'\n{}\n");
    check_len("\0{}", 3, "!JSON parse error, stray '\xef\xbf\xbd'\n{}\n");
    check("\\{}", "!JSON parse error, stray '\\'\n{}\n");
    check("\"a\\\n\"{}", "!JSON parse error, stray '\"a\\\n'\n{}\n");
}

static void test_depth(void)
{
    for (int depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 1; depth++) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *got = NULL;

        for (int i = 0; i < depth; i++) {
            g_string_append(text, i & 1 ? "[" : "{\"a\":");
        }
        g_string_append(text, "0");
        for (int i = depth - 1; i >= 0; i--) {
            g_string_append_c(text, i & 1 ? ']' : '}');
        }
        g_string_append(text, "[]");
        got = parse_pieces(text->str, text->len, 4096);
        if (depth <= JSON_MAX_DEPTH) {
            g_assert_true(g_str_has_prefix(got, "{\"a\": [{"));
            g_assert_true(g_str_has_suffix(got, "]}\n[]\n"));
        } else {
            g_assert_cmpstr(got, ==,
                            "!JSON nesting depth limit exceeded\n[]\n");
        }
    }
}

/* Feeds unit n times and then tail; counts. */
static void check_flood(const char *head, const char *unit, size_t n,
                        const char *tail, unsigned nvalues, unsigned nerrors)
{
    Log log = { .text = g_string_new(NULL) };
    g_autoptr(JsonParser) p = json_parser_new(log_fn, &log);
    g_autoptr(GString) chunk = g_string_new(NULL);
    size_t per_chunk = 65536 / strlen(unit);

    for (size_t i = 0; i < per_chunk; i++) {
        g_string_append(chunk, unit);
    }
    json_parser_feed(p, head, strlen(head));
    for (size_t i = 0; i < n / per_chunk; i++) {
        json_parser_feed(p, chunk->str, chunk->len);
        g_assert_cmpuint(json_parser_pending(p), <=, JSON_MAX_TEXT + 1);
    }
    json_parser_feed(p, tail, strlen(tail));
    json_parser_end(p);
    g_assert_cmpuint(log.nvalues, ==, nvalues);
    g_assert_cmpuint(log.nerrors, ==, nerrors);
    g_string_free(log.text, true);
}

static void test_limits(void)
{
    /* One endless token of each kind: an error, and the next value is read. */
    check_flood("\"", "a", JSON_MAX_TEXT + 200000, "\" {}", 1, 1);
    check_flood("", "1", JSON_MAX_TEXT + 200000, " {}", 1, 1);
    check_flood("", "w", JSON_MAX_TEXT + 200000, " {}", 1, 1);
    /* Many small ones. */
    check_flood("[0", ",0", JSON_MAX_TOKENS + 100000, "] {}", 1, 1);
    check_flood("[0", ",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                JSON_MAX_TEXT / 46, "] {}", 1, 1);
    check_flood("", "[", 1000000, "\xff[1]", 1, 1);
}

static void test_object(void)
{
    g_autoptr(JsonValue) o = json_object_new();
    JsonValue *val = NULL;

    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("k%d", i * 7 % 100);

        json_object_set_int(o, key, i);
    }
    g_assert_cmpuint(json_object_len(o), ==, 100);
    g_assert_cmpstr(json_object_at(o, 1, &val), ==, "k7");
    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("k%d", i * 7 % 100);
        int64_t got = -1;

        g_assert_true(json_get_int(json_object_get(o, key), &got));
        g_assert_cmpint(got, ==, i);
    }
    g_assert_true(json_object_remove(o, "k7"));
    g_assert_false(json_object_remove(o, "k7"));
    g_assert_false(json_object_has(o, "k7"));
    g_assert_cmpstr(json_object_at(o, 1, &val), ==, "k14");
    json_object_set_string(o, "k14", "new");
    g_assert_cmpuint(json_object_len(o), ==, 99);
    g_assert_cmpstr(json_get_string(json_object_get(o, "k14")), ==, "new");
    g_assert_true(json_object_has(o, "k93"));
}

static void test_print(void)
{
    g_autoptr(JsonValue) v =
        json_parse("{\"a\":[],\"b\":[1,{}],\"c\":{\"d\":true}}", -1, NULL);
    g_autofree char *text = json_to_string(v, true);

    g_assert_cmpstr(text, ==,
                    "{\n    \"a\": [],\n    \"b\": [\n        1,\n"
                    "        {}\n    ],\n    \"c\": {\n"
                    "        \"d\": true\n    }\n}");
    json_unref(g_steal_pointer(&v));
    v = json_string_new("bad \xff utf8");
    g_free(text);
    text = json_to_string(v, false);
    g_assert_cmpstr(text, ==, "\"bad \\uFFFD utf8\"");
}

static void test_equal(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } t[] = {
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
        { "{\"a\":1}", "{\"b\":1}", false },
        { "[1,2]", "[2,1]", false },
        { "[1]", "[1,1]", false },
        { "1", "1.0", false },
        { "\"x\"", "'x'", true },
        { "null", "false", false },
        { "18446744073709551615", "-1", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(JsonValue) a = json_parse(t[i].a, -1, NULL);
        g_autoptr(JsonValue) b = json_parse(t[i].b, -1, NULL);

        g_test_message("case %zu", i);
        g_assert_true(json_equal(a, b) == t[i].equal);
        g_assert_true(json_equal(b, a) == t[i].equal);
    }
}

static void test_parse_once(void)
{
    static const char *const bad[] = { "", "1 2", "{", "{}x", "\"" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(json_parse(bad[i], -1, &err));
        g_assert_nonnull(err);
    }
    g_assert_null(json_parse("{", -1, NULL));
}

/* Whatever is read is printed so that it reads back the same. */
static void test_round_trip(void)
{
    static const char alphabet[] = "{}[]:,\"\\'01-.eEtrufalsn \n\xc3\xa9\xff";
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (int run = 0; run < 20000; run++) {
        char text[24];
        size_t len = g_rand_int_range(rand, 0, sizeof(text));
        g_autofree char *whole = NULL, *bytes = NULL;
        g_autoptr(JsonValue) v = NULL;

        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[g_rand_int_range(rand, 0, sizeof(alphabet) - 1)];
        }
        whole = parse_pieces(text, len, MAX(len, 1));
        bytes = parse_pieces(text, len, 1);
        g_assert_cmpstr(whole, ==, bytes);
        v = json_parse(text, len, NULL);
        if (v) {
            g_autofree char *printed = json_to_string(v, true);
            g_autoptr(JsonValue) again = json_parse(printed, -1, NULL);

            g_assert_nonnull(again);
            g_assert_true(json_equal(v, again));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/values", test_values);
    g_test_add_func("/json/numbers", test_numbers);
    g_test_add_func("/json/number-types", test_number_types);
    g_test_add_func("/json/unicode", test_unicode);
    g_test_add_func("/json/bad-utf8", test_bad_utf8);
    g_test_add_func("/json/errors", test_errors);
    g_test_add_func("/json/recovery", test_recovery);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/limits", test_limits);
    g_test_add_func("/json/object", test_object);
    g_test_add_func("/json/print", test_print);
    g_test_add_func("/json/equal", test_equal);
    g_test_add_func("/json/parse-once", test_parse_once);
    g_test_add_func("/json/round-trip", test_round_trip);
    return g_test_run();
}
