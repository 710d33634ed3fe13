/*
 * Incremental JSON parser.
 *
 * The grammar is RFC 8259 with what QMP has always accepted: strings may also
 * be in single quotes, and \' is an escape. Answers to broken input (texts,
 * where to go on) were learnt from the installed emulator.
 *
 * Two machines work hand in hand: the lexer turns characters into tokens, and
 * for each token the builder extends the value on top of its stack.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/json.h"

#include <math.h>

#include "util/error.h"

/* Bytes of an offending token that an error message shows. */
enum { TEXT_SHOWN = 80 };

typedef enum LexState {
    LEX_START,
    LEX_STRING,
    LEX_ESCAPE, /* after a backslash */
    LEX_HEX,    /* within \uXXXX */
    LEX_NUMBER,
    LEX_WORD,    /* null, true, false or an error */
    LEX_RECOVER, /* after a stray character */
} LexState;

/* What the innermost container waits for. */
typedef enum Expect {
    EXPECT_VALUE,
    EXPECT_FIRST_ITEM, /* or ] */
    EXPECT_FIRST_KEY,  /* or } */
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_COMMA, /* or the closing bracket */
} Expect;

typedef struct Frame {
    JsonValue *container; /* NULL: the top level */
    char *key;            /* of the member being read */
    Expect expect;
} Frame;

struct JsonParser {
    JsonParserFn fn;
    void *opaque;
    LexState lex;
    GString *text;      /* of the token being read; strings: its beginning */
    size_t token_len;   /* bytes of the token being read */
    GString *str;       /* of the string being read, decoded */
    char quote;         /* that ends the string */
    unsigned nhex;      /* hex digits still to come */
    uint32_t code;      /* of the \u escape being read */
    uint32_t high;      /* first half of a surrogate pair, or 0 */
    GArray *stack;      /* Frame; the first is the top level */
    size_t size;        /* bytes of the top-level value so far */
    size_t ntokens;     /* of it */
    size_t skip_depth;  /* open brackets of a broken value, while skipping */
    bool skipping;      /* its error was reported; only find its end */
    bool string_failed; /* the string has an error: only find its quote */
};

static Frame *top_frame(JsonParser *p)
{
    return &g_array_index(p->stack, Frame, p->stack->len - 1);
}

static void frame_clear(void *data)
{
    Frame *f = data;

    g_clear_pointer(&f->container, json_unref);
    g_clear_pointer(&f->key, g_free);
}

/* Forgets the unfinished value; the lexer's state stays. */
static void parser_drop_value(JsonParser *p)
{
    g_array_set_size(p->stack, 1);
    *top_frame(p) = (Frame){ .expect = EXPECT_VALUE };
    p->size = 0;
    p->ntokens = 0;
}

JsonParser *json_parser_new(JsonParserFn fn, void *opaque)
{
    JsonParser *p = g_new0(JsonParser, 1);

    p->fn = fn;
    p->opaque = opaque;
    p->text = g_string_new(NULL);
    p->str = g_string_new(NULL);
    p->stack = g_array_new(false, true, sizeof(Frame));
    g_array_set_clear_func(p->stack, frame_clear);
    g_array_set_size(p->stack, 1);
    parser_drop_value(p);
    return p;
}

void json_parser_free(JsonParser *p)
{
    if (!p) {
        return;
    }
    g_string_free(p->text, true);
    g_string_free(p->str, true);
    g_array_unref(p->stack);
    g_free(p);
}

size_t json_parser_pending(const JsonParser *p)
{
    return p->size + p->token_len;
}

static void json_report(JsonParser *p, const char *what)
{
    g_autoptr(GError) err = NULL;

    error_setf(&err, "%s", what);
    p->fn(p->opaque, NULL, err);
}

/*
 * The value can't be right any more: report that once, then skip to its end.
 * depth: brackets that are open, the offending token included.
 */
static void value_fail(JsonParser *p, size_t depth, const char *what)
{
    parser_drop_value(p);
    p->skipping = depth > 0;
    p->skip_depth = depth;
    json_report(p, what);
}

static size_t parser_depth(const JsonParser *p)
{
    return p->skipping ? p->skip_depth : p->stack->len - 1;
}

/* A character that can't be: start afresh at the next structural one. */
static void lex_fail(JsonParser *p, const char *what)
{
    bool reported = p->skipping;

    parser_drop_value(p);
    p->skipping = false;
    p->lex = LEX_RECOVER;
    if (!reported) {
        json_report(p, what);
    }
    g_string_truncate(p->text, 0);
    g_string_truncate(p->str, 0);
    p->token_len = 0;
}

static void lex_fail_stray(JsonParser *p)
{
    g_autofree char *valid = g_utf8_make_valid(p->text->str, p->text->len);
    g_autofree char *what = NULL;

    /* A long string's beginning is enough to recognise it. */
    what = g_strdup_printf("JSON parse error, stray '%.*s'", TEXT_SHOWN, valid);
    g_free(valid);
    valid = g_utf8_make_valid(what, -1);
    lex_fail(p, valid);
}

/* The builder. */

static void value_complete(JsonParser *p, JsonValue *v)
{
    Frame *f = top_frame(p);

    if (!f->container) {
        parser_drop_value(p);
        p->fn(p->opaque, v, NULL);
        return;
    }
    if (json_type(f->container) == JSON_ARRAY) {
        json_array_add(f->container, v);
    } else {
        json_object_set(f->container, f->key, v);
        g_clear_pointer(&f->key, g_free);
    }
    f->expect = EXPECT_COMMA;
}

/* Counts a token; false when the value has grown beyond the limits. */
static bool token_account(JsonParser *p)
{
    size_t depth = parser_depth(p);

    p->size += p->token_len;
    p->token_len = 0;
    p->ntokens++;
    if (p->size > JSON_MAX_TEXT) {
        value_fail(p, depth, "JSON token size limit exceeded");
        return false;
    }
    if (p->ntokens > JSON_MAX_TOKENS) {
        value_fail(p, depth, "JSON token count limit exceeded");
        return false;
    }
    return true;
}

/* Says what is wrong with a token that can't stand here. */
static const char *json_misplaced(JsonParser *p)
{
    const Frame *f = top_frame(p);

    switch (f->expect) {
    case EXPECT_COLON:
        return "JSON parse error, missing : in object pair";
    case EXPECT_FIRST_KEY:
    case EXPECT_KEY:
        return "JSON parse error, key is not a string in object";
    case EXPECT_COMMA:
        return json_type(f->container) == JSON_ARRAY
                   ? "JSON parse error, expected separator in list"
                   : "JSON parse error, expected separator in dict";
    default:
        return "JSON parse error, expecting value";
    }
}

static bool frame_wants_value(const Frame *f)
{
    return f->expect == EXPECT_VALUE || f->expect == EXPECT_FIRST_ITEM;
}

/* A number, word or string that is a value; takes v. */
static void build_scalar(JsonParser *p, JsonValue *v)
{
    if (!token_account(p)) {
        json_unref(v);
    } else if (!frame_wants_value(top_frame(p))) {
        json_unref(v);
        value_fail(p, parser_depth(p), json_misplaced(p));
    } else {
        value_complete(p, v);
    }
}

static void build_string(JsonParser *p, const char *s)
{
    Frame *f = top_frame(p);

    if (f->expect != EXPECT_FIRST_KEY && f->expect != EXPECT_KEY) {
        build_scalar(p, json_string_new(s));
        return;
    }
    if (!token_account(p)) {
        return;
    }
    if (json_object_has(f->container, s)) {
        value_fail(p, parser_depth(p), "JSON parse error, duplicate key");
        return;
    }
    f->key = g_strdup(s);
    f->expect = EXPECT_COLON;
}

static void build_open(JsonParser *p, char c)
{
    size_t depth = parser_depth(p) + 1;
    Frame f = { .expect = c == '{' ? EXPECT_FIRST_KEY : EXPECT_FIRST_ITEM };

    if (p->skipping) {
        p->skip_depth++;
    } else if (!frame_wants_value(top_frame(p))) {
        value_fail(p, depth, json_misplaced(p));
    } else if (depth > JSON_MAX_DEPTH) {
        value_fail(p, depth, "JSON nesting depth limit exceeded");
    } else if (token_account(p)) {
        f.container = c == '{' ? json_object_new() : json_array_new();
        g_array_append_val(p->stack, f);
    }
}

static bool frame_may_close(const Frame *f, char c)
{
    if (!f->container) {
        return false;
    }
    if (json_type(f->container) == JSON_ARRAY) {
        return c == ']' &&
               (f->expect == EXPECT_COMMA || f->expect == EXPECT_FIRST_ITEM);
    }
    return c == '}' &&
           (f->expect == EXPECT_COMMA || f->expect == EXPECT_FIRST_KEY);
}

static void build_close(JsonParser *p, char c)
{
    Frame *f = top_frame(p);
    JsonValue *v;

    if (p->skipping) {
        p->skipping = --p->skip_depth > 0;
        return;
    }
    if (!frame_may_close(f, c)) {
        size_t depth = parser_depth(p);
        bool key = f->expect == EXPECT_KEY || f->expect == EXPECT_FIRST_KEY;

        value_fail(p, depth ? depth - 1 : 0,
                   key ? "JSON parse error, expecting value"
                       : json_misplaced(p));
        return;
    }
    v = g_steal_pointer(&f->container);
    g_array_set_size(p->stack, p->stack->len - 1);
    value_complete(p, v);
}

static void build_separator(JsonParser *p, char c)
{
    Frame *f = top_frame(p);

    if (p->skipping) {
        return;
    }
    if (c == ':' && f->expect == EXPECT_COLON) {
        f->expect = EXPECT_VALUE;
    } else if (c == ',' && f->expect == EXPECT_COMMA) {
        f->expect =
            json_type(f->container) == JSON_ARRAY ? EXPECT_VALUE : EXPECT_KEY;
    } else {
        value_fail(p, parser_depth(p), json_misplaced(p));
    }
}

/* The lexer. */

static void finish_word(JsonParser *p)
{
    static const char *const words[] = { "null", "true", "false" };
    g_autofree char *what = NULL;
    const char *s = p->text->str;

    if (p->skipping) {
        return;
    }
    if (!strcmp(s, words[0])) {
        build_scalar(p, json_null_new());
    } else if (!strcmp(s, words[1]) || !strcmp(s, words[2])) {
        build_scalar(p, json_bool_new(s[0] == 't'));
    } else {
        what = g_strdup_printf("JSON parse error, invalid keyword '%.*s'",
                               TEXT_SHOWN, s);
        value_fail(p, parser_depth(p), what);
    }
}

/* RFC 8259, section 6: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool number_is_valid(const char *s, bool *ret_integer)
{
    size_t n;

    s += *s == '-';
    n = strspn(s, "0123456789");
    if (n == 0 || (n > 1 && *s == '0')) {
        return false;
    }
    s += n;
    *ret_integer = *s == '\0';
    if (*s == '.') {
        n = strspn(s + 1, "0123456789");
        if (n == 0) {
            return false;
        }
        s += 1 + n;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        n = strspn(s, "0123456789");
        if (n == 0) {
            return false;
        }
        s += n;
    }
    return *s == '\0';
}

/* NULL if the number is beyond what a double holds. */
static JsonValue *number_value(const char *s, bool integer)
{
    double d;

    if (integer) {
        int64_t i;
        uint64_t u;

        errno = 0;
        i = g_ascii_strtoll(s, NULL, 10);
        if (errno == 0) {
            return json_int_new(i);
        }
        errno = 0;
        u = g_ascii_strtoull(s, NULL, 10);
        if (errno == 0 && s[0] != '-') {
            return json_uint_new(u);
        }
    }
    d = g_ascii_strtod(s, NULL);
    return isfinite(d) ? json_double_new(d) : NULL;
}

static void finish_number(JsonParser *p)
{
    g_autofree char *what = NULL;
    bool integer = false;
    JsonValue *v;

    if (p->skipping) {
        return;
    }
    if (!number_is_valid(p->text->str, &integer)) {
        lex_fail_stray(p);
        return;
    }
    v = number_value(p->text->str, integer);
    if (!v) {
        what = g_strdup_printf("JSON parse error, number %.*s is out of range",
                               TEXT_SHOWN, p->text->str);
        value_fail(p, parser_depth(p), what);
        return;
    }
    build_scalar(p, v);
}

/* An error within a string: skip to its quote, then to the value's end. */
static void string_fail(JsonParser *p, const char *what)
{
    p->string_failed = true;
    if (!p->skipping) {
        value_fail(p, parser_depth(p), what);
    }
}

static void finish_string(JsonParser *p)
{
    if (p->string_failed || p->skipping) {
        p->string_failed = false;
        return;
    }
    build_string(p, p->str->str);
}

/* Bytes of an UTF-8 sequence: all valid, U+0000 only as C0 80. */
static bool string_is_utf8(const GString *s)
{
    const char *pos = s->str;
    const char *end = pos + s->len;
    const char *bad;

    while (!g_utf8_validate(pos, end - pos, &bad)) {
        if (end - bad < 2 || (uint8_t)bad[0] != 0xc0 ||
            (uint8_t)bad[1] != 0x80) {
            return false;
        }
        pos = bad + 2;
    }
    return true;
}

static void string_append_code(JsonParser *p, uint32_t code)
{
    if (code == 0) {
        g_string_append(p->str, "\xc0\x80");
    } else {
        g_string_append_unichar(p->str, code);
    }
}

static void string_fail_code(JsonParser *p, uint32_t code)
{
    g_autofree char *what = g_strdup_printf(
        "JSON parse error, \\u%04x is not a valid Unicode character", code);

    string_fail(p, what);
}

/* A whole \uXXXX was read. */
static void string_add_escape(JsonParser *p)
{
    uint32_t code = p->code;

    if (p->high) {
        if (code < 0xdc00 || code > 0xdfff) {
            string_fail_code(p, p->high);
        } else {
            string_append_code(p, 0x10000 + ((p->high - 0xd800) << 10) +
                                      (code - 0xdc00));
        }
        p->high = 0;
    } else if (code >= 0xd800 && code <= 0xdbff) {
        p->high = code;
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        string_fail_code(p, code);
    } else {
        string_append_code(p, code);
    }
}

/* The character after a backslash. */
static void lex_escape(JsonParser *p, char c)
{
    static const char from[] = "\"'\\/bfnrt";
    static const char to[] = "\"'\\/\b\f\n\r\t";
    const char *found = c ? strchr(from, c) : NULL;

    p->lex = LEX_STRING;
    if (c == 'u') {
        p->lex = LEX_HEX;
        p->nhex = 4;
        p->code = 0;
        return;
    }
    if (p->high) {
        string_fail_code(p, p->high);
        p->high = 0;
    }
    if (!found) {
        string_fail(p, "JSON parse error, invalid escape sequence in string");
        return;
    }
    g_string_append_c(p->str, to[found - from]);
}

/* False if c isn't part of the escape and is to be looked at again. */
static bool lex_hex(JsonParser *p, char c)
{
    int digit = g_ascii_xdigit_value(c);

    if (digit < 0) {
        p->lex = LEX_STRING;
        p->high = 0;
        string_fail(p, "JSON parse error, \\u without four hexadecimal digits");
        return false;
    }
    p->code = p->code << 4 | digit;
    if (--p->nhex == 0) {
        p->lex = LEX_STRING;
        string_add_escape(p);
    }
    return true;
}

static void lex_string_end(JsonParser *p)
{
    if (!p->string_failed && !string_is_utf8(p->str)) {
        string_fail(p, "JSON parse error, invalid UTF-8 sequence in string");
    }
    p->lex = LEX_START;
    finish_string(p);
}

static void lex_string(JsonParser *p, char c)
{
    if (c == '\\') {
        p->lex = LEX_ESCAPE;
        return;
    }
    if (p->high) {
        string_fail_code(p, p->high);
        p->high = 0;
    }
    if (c == p->quote) {
        lex_string_end(p);
    } else if ((uint8_t)c < 0x20 || (uint8_t)c >= 0xf8) {
        lex_fail_stray(p);
    } else if (!p->string_failed && !p->skipping) {
        g_string_append_c(p->str, c);
    }
}

static void lex_start_string(JsonParser *p, char c)
{
    g_string_truncate(p->str, 0);
    p->quote = c;
    p->high = 0;
    p->string_failed = false;
    p->lex = LEX_STRING;
}

static void lex_structural(JsonParser *p, char c)
{
    p->lex = LEX_START;
    if (c == '{' || c == '[') {
        build_open(p, c);
    } else if (c == '}' || c == ']') {
        build_close(p, c);
    } else {
        build_separator(p, c);
    }
}

static void lex_start(JsonParser *p, char c)
{
    g_string_truncate(p->text, 0);
    p->token_len = 1;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        p->token_len = 0;
        return;
    }
    g_string_append_c(p->text, c);
    if (c && strchr("{}[]:,", c)) {
        lex_structural(p, c);
        g_string_truncate(p->text, 0);
    } else if (c == '"' || c == '\'') {
        lex_start_string(p, c);
    } else if (c == '-' || g_ascii_isdigit(c)) {
        p->lex = LEX_NUMBER;
    } else if (g_ascii_isalpha(c)) {
        p->lex = LEX_WORD;
    } else {
        lex_fail_stray(p);
    }
}

/* While a number or word goes on: true if c belongs to it. */
static bool lex_continues(const JsonParser *p, char c)
{
    if (p->lex == LEX_NUMBER) {
        return g_ascii_isdigit(c) || c == '.' || c == 'e' || c == 'E' ||
               c == '+' || c == '-';
    }
    return g_ascii_isalnum(c) || c == '_';
}

static void lex_finish_token(JsonParser *p)
{
    LexState was = p->lex;

    p->lex = LEX_START;
    if (was == LEX_NUMBER) {
        finish_number(p);
    } else if (was == LEX_WORD) {
        finish_word(p);
    }
    g_string_truncate(p->text, 0);
}

/* A token goes on: keeps of its text what will be needed. */
static void lex_keep(JsonParser *p, char c)
{
    static const char too_long[] = "JSON token size limit exceeded";

    if (p->skipping || p->string_failed) {
        return;
    }
    if (p->size + p->token_len >= JSON_MAX_TEXT) {
        if (p->lex == LEX_NUMBER || p->lex == LEX_WORD) {
            lex_fail(p, too_long);
        } else {
            string_fail(p, too_long);
            g_string_truncate(p->str, 0);
        }
        return;
    }
    p->token_len++;
    if (p->lex == LEX_NUMBER || p->text->len <= TEXT_SHOWN) {
        g_string_append_c(p->text, c);
    }
}

static void lex_char(JsonParser *p, char c)
{
    switch (p->lex) {
    case LEX_RECOVER:
        if (!c || !strchr("{}[]:,", c)) {
            return;
        }
        p->lex = LEX_START;
        lex_start(p, c);
        return;
    case LEX_START:
        lex_start(p, c);
        return;
    case LEX_NUMBER:
    case LEX_WORD:
        if (lex_continues(p, c)) {
            lex_keep(p, c);
            return;
        }
        lex_finish_token(p);
        lex_char(p, c);
        return;
    default:
        break;
    }
    lex_keep(p, c);
    if (p->lex == LEX_ESCAPE && (uint8_t)c >= 0x20) {
        lex_escape(p, c);
    } else if (p->lex != LEX_HEX || !lex_hex(p, c)) {
        lex_string(p, c);
    }
}

void json_parser_feed(JsonParser *p, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        lex_char(p, buf[i]);
    }
}

void json_parser_reset(JsonParser *p)
{
    parser_drop_value(p);
    p->lex = LEX_START;
    p->skipping = false;
    p->string_failed = false;
    g_string_truncate(p->text, 0);
    g_string_truncate(p->str, 0);
    p->token_len = 0;
}

void json_parser_end(JsonParser *p)
{
    bool unfinished;

    if (p->lex == LEX_NUMBER || p->lex == LEX_WORD) {
        lex_finish_token(p);
    }
    unfinished = parser_depth(p) > 0 || p->lex == LEX_STRING ||
                 p->lex == LEX_ESCAPE || p->lex == LEX_HEX;
    unfinished = unfinished && !p->skipping && !p->string_failed;
    json_parser_reset(p);
    if (unfinished) {
        json_report(p, "JSON parse error, unexpected end of input");
    }
}

typedef struct ParseOnce {
    JsonValue *value;
    GError *err;
    bool more;
} ParseOnce;

static void parse_once_fn(void *opaque, JsonValue *v, const GError *err)
{
    ParseOnce *po = opaque;

    if (err) {
        if (!po->err) {
            po->err = g_error_copy(err);
        }
    } else if (po->value) {
        po->more = true;
        json_unref(v);
    } else {
        po->value = v;
    }
}

JsonValue *json_parse(const char *text, ssize_t len, GError **errp)
{
    ParseOnce po = { 0 };
    g_autoptr(JsonParser) p = json_parser_new(parse_once_fn, &po);

    json_parser_feed(p, text, len < 0 ? strlen(text) : (size_t)len);
    json_parser_end(p);
    if (!po.err && po.more) {
        error_setf(&po.err, "JSON parse error, more than one value");
    } else if (!po.err && !po.value) {
        error_setf(&po.err, "JSON parse error, expecting value");
    }
    if (po.err) {
        g_propagate_error(errp, po.err);
        json_unref(po.value);
        return NULL;
    }
    return po.value;
}
