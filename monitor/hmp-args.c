/*
 * Splits a human monitor line into the arguments its table row declares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"
#include "util/cutils.h"

enum { FORMAT_COUNT_MAX = 65536 };

static const char *skip_space(const char *s)
{
    while (g_ascii_isspace(*s)) {
        s++;
    }
    return s;
}

/* A word, or a string in quotes with \" \\ \n \r; NULL if a quote is open. */
static char *take_word(const char **text)
{
    GString *w = g_string_new(NULL);
    const char *s = *text;

    if (*s != '"') {
        size_t n = strcspn(s, " \t\r\n");

        g_string_append_len(w, s, n);
        *text = s + n;
        return g_string_free(w, FALSE);
    }
    for (s++; *s != '\0' && *s != '"'; s++) {
        if (*s == '\\' && s[1] != '\0') {
            s++;
            g_string_append_c(w, *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s);
        } else {
            g_string_append_c(w, *s);
        }
    }
    if (*s != '"') {
        g_string_free(w, TRUE);
        return NULL;
    }
    *text = s + 1;
    return g_string_free(w, FALSE);
}

static bool parse_format(const char **text, HmpArgs *a, HmpOut *out)
{
    const char *s = *text;

    a->fmt.count = 1;
    if (*s != '/') {
        return true;
    }
    s++;
    if (g_ascii_isdigit(*s)) {
        unsigned long n = strtoul(s, (char **)&s, 10);

        a->fmt.count = MIN(n, (unsigned long)FORMAT_COUNT_MAX);
    }
    for (; *s != '\0' && !g_ascii_isspace(*s); s++) {
        if (strchr("bhwg", *s)) {
            a->fmt.size = *s;
        } else if (strchr("oduxcai", *s)) {
            a->fmt.format = *s;
        } else {
            hmp_printf(out, "invalid char in format: '%c'\n", *s);
            return false;
        }
    }
    *text = s;
    return true;
}

static bool parse_value(HmpArgs *a, unsigned i, char kind, const char *name,
                        HmpOut *out)
{
    const char *word = a->arg[i].text;

    if (kind == 'i' &&
        !parse_int(name, word, INT64_MIN, INT64_MAX, &a->arg[i].num, NULL)) {
        uint64_t u;

        if (!parse_uint(name, word, 0, UINT64_MAX, &u, NULL)) {
            hmp_printf(out, "invalid number '%s' for %s\n", word, name);
            return false;
        }
        a->arg[i].num = u;
    }
    if (kind == 'b') {
        if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0) {
            hmp_printf(out, "Expected 'on' or 'off'\n");
            return false;
        }
        a->arg[i].num = strcmp(word, "on") == 0;
    }
    return true;
}

/* One declared argument, "name:kind[?]". */
static bool parse_one(const HmpCommand *c, const char *spec, unsigned i,
                      const char **text, HmpArgs *a, HmpOut *out)
{
    const char *colon = strchr(spec, ':');
    g_autofree char *name = g_strndup(spec, colon - spec);
    char kind = colon[1];

    if (kind == '/') {
        return parse_format(text, a, out);
    }
    *text = skip_space(*text);
    if (**text == '\0') {
        if (colon[2] == '?') {
            return true;
        }
        hmp_printf(out, "%s: %s expected\n", c->name,
                   kind == 'i' ? "number" : "string");
        return false;
    }
    a->arg[i].text = kind == 'S' ? g_strdup(*text) : take_word(text);
    if (kind == 'S') {
        *text += strlen(*text);
    }
    if (a->arg[i].text == NULL) {
        hmp_printf(out, "%s: unterminated string\n", c->name);
        return false;
    }
    a->arg[i].given = true;
    return parse_value(a, i, kind, name, out);
}

/* Flags come before the arguments, several in one word or apart. */
static bool parse_flags(const HmpCommand *c, const char **text, HmpArgs *a,
                        HmpOut *out)
{
    *text = skip_space(*text);
    while (**text == '-' && g_ascii_isalpha((*text)[1]) &&
           strchr(c->spec, '-') != NULL) {
        const char *s = *text + 1;

        for (; *s != '\0' && !g_ascii_isspace(*s); s++) {
            const char flag[] = { '-', *s, '\0' };

            if (!g_ascii_islower(*s) || strstr(c->spec, flag) == NULL) {
                hmp_printf(out, "%s: unsupported option -%c\n", c->name, *s);
                return false;
            }
            a->flags |= 1u << (*s - 'a');
        }
        *text = skip_space(s);
    }
    return true;
}

bool hmp_parse_args(const HmpCommand *c, const char *text, HmpArgs *ret,
                    HmpOut *out)
{
    g_auto(GStrv) specs = g_strsplit(c->spec, " ", -1);
    unsigned n = 0;

    memset(ret, 0, sizeof(*ret));
    ret->fmt.count = 1;
    if (!parse_flags(c, &text, ret, out)) {
        return false;
    }
    for (char **s = specs; *s != NULL; s++) {
        if (strchr(*s, ':') == NULL) {
            continue;
        }
        if (!parse_one(c, *s, n, &text, ret, out)) {
            return false;
        }
        n += strchr(*s, ':')[1] != '/';
    }
    if (*skip_space(text) != '\0') {
        hmp_printf(out, "%s: extraneous characters at the end of line\n",
                   c->name);
        return false;
    }
    return true;
}

void hmp_args_clear(HmpArgs *a)
{
    for (unsigned i = 0; i < HMP_ARGS_MAX; i++) {
        g_clear_pointer(&a->arg[i].text, g_free);
    }
}
