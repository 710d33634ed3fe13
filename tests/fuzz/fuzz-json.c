/*
 * JSON: one text at once and the same text in pieces have to come to the same
 * values, and what is printed has to parse to what was printed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/json.h"
#include "tests/fuzz/fuzz.h"

typedef struct Seen {
    GString *text; /* every value printed, '!' for an error */
} Seen;

static void on_value(void *opaque, JsonValue *v, const GError *err)
{
    Seen *seen = opaque;

    if (!v) {
        if (!err || !err->message[0]) {
            fuzz_fail("an error without a message");
        }
        g_string_append_c(seen->text, '!');
        return;
    }
    json_print(v, false, seen->text);
    g_string_append_c(seen->text, '\n');
    json_unref(v);
}

/* All values of the input, fed in pieces of the given size. */
static char *parse_in_pieces(const char *text, size_t len, size_t piece)
{
    Seen seen = { .text = g_string_new(NULL) };
    g_autoptr(JsonParser) parser = json_parser_new(on_value, &seen);

    for (size_t off = 0; off < len; off += piece) {
        json_parser_feed(parser, text + off, MIN(piece, len - off));
    }
    json_parser_end(parser);
    return g_string_free(seen.text, FALSE);
}

static void check_round_trip(const JsonValue *v, bool pretty)
{
    g_autofree char *first = json_to_string(v, pretty);
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) again = json_parse(first, -1, &err);
    g_autofree char *second = NULL;

    if (!again) {
        fuzz_fail("'%s' was printed and is refused: %s", first, err->message);
    }
    second = json_to_string(again, pretty);
    if (strcmp(first, second) != 0) {
        fuzz_fail("'%s' became '%s'", first, second);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) v = json_parse(text, len, &err);
    g_autofree char *whole = parse_in_pieces(text, len, len ? len : 1);
    g_autofree char *bytes = parse_in_pieces(text, len, 1);
    g_autofree char *sevens = parse_in_pieces(text, len, 7);

    if (!v == !err) {
        fuzz_fail("a value and an error, or neither");
    }
    if (strcmp(whole, bytes) != 0 || strcmp(whole, sevens) != 0) {
        fuzz_fail("in pieces: '%s', '%s' and '%s'", whole, sevens, bytes);
    }
    if (v) {
        check_round_trip(v, false);
        check_round_trip(v, true);
    }
    return 0;
}
