/*
 * JSON printer. The output is ASCII: clients with any locale can read it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/json.h"

typedef struct Printer {
    GString *out;
    bool pretty;
    int level;
} Printer;

static void print_value(Printer *pr, const JsonValue *v);

static void print_char(GString *out, gunichar c)
{
    static const char short_escapes[][2] = {
        { '"', '"' },  { '\\', '\\' }, { '\b', 'b' }, { '\f', 'f' },
        { '\n', 'n' }, { '\r', 'r' },  { '\t', 't' },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(short_escapes); i++) {
        if (c == (uint8_t)short_escapes[i][0]) {
            g_string_append_c(out, '\\');
            g_string_append_c(out, short_escapes[i][1]);
            return;
        }
    }
    if (c >= 0x20 && c < 0x7f) {
        g_string_append_c(out, (char)c);
    } else if (c <= 0xffff) {
        g_string_append_printf(out, "\\u%04X", c);
    } else {
        c -= 0x10000;
        g_string_append_printf(out, "\\u%04X\\u%04X", 0xd800 + (c >> 10),
                               0xdc00 + (c & 0x3ff));
    }
}

static void print_string(GString *out, const char *s)
{
    g_string_append_c(out, '"');
    while (*s) {
        if ((uint8_t)s[0] == 0xc0 && (uint8_t)s[1] == 0x80) {
            print_char(out, 0);
            s += 2;
        } else {
            print_char(out, g_utf8_get_char(s));
            s = g_utf8_next_char(s);
        }
    }
    g_string_append_c(out, '"');
}

/* 17 significant digits identify a double. */
static void print_double(GString *out, double d)
{
    char buf[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(buf, sizeof(buf), "%.17g", d);
    g_string_append(out, buf);
}

static void print_line_start(Printer *pr)
{
    g_string_append_c(pr->out, '\n');
    for (int i = 0; i < pr->level * 4; i++) {
        g_string_append_c(pr->out, ' ');
    }
}

static void print_separator(Printer *pr, bool first)
{
    if (!first) {
        g_string_append(pr->out, pr->pretty ? "," : ", ");
    }
    if (pr->pretty) {
        print_line_start(pr);
    }
}

static void print_close(Printer *pr, bool empty, char c)
{
    pr->level--;
    if (pr->pretty && !empty) {
        print_line_start(pr);
    }
    g_string_append_c(pr->out, c);
}

static void print_array(Printer *pr, const JsonValue *v)
{
    size_t n = json_array_len(v);

    g_string_append_c(pr->out, '[');
    pr->level++;
    for (size_t i = 0; i < n; i++) {
        print_separator(pr, i == 0);
        print_value(pr, json_array_at(v, i));
    }
    print_close(pr, n == 0, ']');
}

static void print_object(Printer *pr, const JsonValue *v)
{
    size_t n = json_object_len(v);

    g_string_append_c(pr->out, '{');
    pr->level++;
    for (size_t i = 0; i < n; i++) {
        JsonValue *val = NULL;
        const char *key = json_object_at(v, i, &val);

        print_separator(pr, i == 0);
        print_string(pr->out, key);
        g_string_append(pr->out, ": ");
        print_value(pr, val);
    }
    print_close(pr, n == 0, '}');
}

static void print_number(GString *out, const JsonValue *v)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;

    if (json_get_int(v, &i)) {
        g_string_append_printf(out, "%" PRId64, i);
    } else if (json_get_uint(v, &u)) {
        g_string_append_printf(out, "%" PRIu64, u);
    } else if (json_get_double(v, &d)) {
        print_double(out, d);
    }
}

static void print_value(Printer *pr, const JsonValue *v)
{
    bool b = false;

    switch (json_type(v)) {
    case JSON_NULL:
        g_string_append(pr->out, "null");
        break;
    case JSON_BOOL:
        json_get_bool(v, &b);
        g_string_append(pr->out, b ? "true" : "false");
        break;
    case JSON_INT:
    case JSON_UINT:
    case JSON_DOUBLE:
        print_number(pr->out, v);
        break;
    case JSON_STRING:
        print_string(pr->out, json_get_string(v));
        break;
    case JSON_ARRAY:
        print_array(pr, v);
        break;
    case JSON_OBJECT:
        print_object(pr, v);
        break;
    }
}

void json_print(const JsonValue *v, bool pretty, GString *out)
{
    Printer pr = { .out = out, .pretty = pretty };

    print_value(&pr, v);
}

char *json_to_string(const JsonValue *v, bool pretty)
{
    GString *out = g_string_new(NULL);

    json_print(v, pretty, out);
    return g_string_free(out, false);
}
