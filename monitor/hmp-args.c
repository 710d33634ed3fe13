/*
 * Splits a human monitor line into the arguments its table row declares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

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
    const char *s = skip_space(*text);

    a->fmt.count = 1;
    a->fmt.how = *hmp_session_format(out->session);
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
            a->fmt.how.size = *s;
        } else if (strchr("oduxci", *s)) {
            a->fmt.how.format = *s;
        } else {
            hmp_printf(out, "invalid char in format: '%c'\n", *s);
            return false;
        }
    }
    hmp_session_set_format(out->session, &a->fmt.how);
    *text = s;
    return true;
}

static bool parse_switch(HmpArgs *a, unsigned i, HmpOut *out)
{
    const char *word = a->arg[i].text;

    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0) {
        hmp_printf(out, "Expected 'on' or 'off'\n");
        return false;
    }
    a->arg[i].num = strcmp(word, "on") == 0;
    return true;
}

/* One declared argument, "name:kind[?]". */
static bool parse_one(const HmpCommand *c, const char *spec, unsigned i,
                      const char **text, HmpArgs *a, HmpOut *out)
{
    const char *colon = strchr(spec, ':');
    char kind = colon[1];

    if (kind == '/') {
        return parse_format(text, a, out);
    }
    *text = skip_space(*text);
    if (**text == '\0') {
        if (colon[2] == '?') {
            return true;
        }
        if (kind == 'i') {
            hmp_printf(out, "unexpected end of expression\n");
        } else {
            hmp_printf(out, "%s: string expected\n", c->name);
        }
        return false;
    }
    a->arg[i].given = true;
    if (kind == 'i') {
        uint64_t v;

        if (!hmp_eval(out, text, &v)) {
            return false;
        }
        a->arg[i].num = (int64_t)v;
        return true;
    }
    a->arg[i].text = kind == 'S' ? g_strdup(*text) : take_word(text);
    if (kind == 'S') {
        *text += strlen(*text);
    }
    if (a->arg[i].text == NULL) {
        hmp_printf(out, "%s: unterminated string\n", c->name);
        return false;
    }
    return kind != 'b' || parse_switch(a, i, out);
}

/* All that are there now, several in one word or apart. */
static bool parse_flags(const HmpCommand *c, const char **text, HmpArgs *a,
                        HmpOut *out)
{
    *text = skip_space(*text);
    while (**text == '-' && g_ascii_isalpha((*text)[1])) {
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

/* "-x WORD" of a spec "-x:s", if it is there. */
static bool parse_flag_value(const HmpCommand *c, char flag, unsigned i,
                             const char **text, HmpArgs *a, HmpOut *out)
{
    const char *s = skip_space(*text);

    if (s[0] != '-' || s[1] != flag || !g_ascii_isspace(s[2])) {
        return true;
    }
    *text = skip_space(s + 2);
    a->arg[i].given = true;
    a->arg[i].text = take_word(text);
    if (a->arg[i].text == NULL || *a->arg[i].text == '\0') {
        hmp_printf(out, "%s: string expected\n", c->name);
        return false;
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
    for (char **s = specs; *s != NULL; s++) {
        if (**s == '-' && strchr(*s, ':') != NULL) {
            if (!parse_flag_value(c, (*s)[1], n, &text, ret, out)) {
                return false;
            }
            n++;
            continue;
        }
        if (**s == '-') {
            if (!parse_flags(c, &text, ret, out)) {
                return false;
            }
            continue;
        }
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
