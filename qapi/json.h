/*
 * JSON values, parser and printer.
 *
 * Own code, as monitors need what libraries lack: integers of the full signed
 * and unsigned 64-bit range, input that arrives in pieces of any size, and
 * going on with the next value after an error.
 *
 * A JsonValue is reference-counted. It may be changed only by its one owner;
 * from the moment it is shared, or handed to another thread, it is read-only.
 *
 * Strings are UTF-8 and NUL-terminated; U+0000 is held as the bytes C0 80.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_JSON_H
#define QAPI_JSON_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of the parser: hostile input gets an error beyond them. */
enum {
    JSON_MAX_DEPTH = 1024,            /* nested arrays and objects */
    JSON_MAX_TEXT = 64 * 1024 * 1024, /* bytes of one top-level value */
    JSON_MAX_TOKENS = 2 * 1024 * 1024,
};

typedef enum JsonType {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,    /* fits an int64_t */
    JSON_UINT,   /* above INT64_MAX, fits a uint64_t */
    JSON_DOUBLE, /* finite */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonType;

typedef struct JsonValue JsonValue;

/* New values; the caller owns the reference. */
JsonValue *json_null_new(void);
JsonValue *json_bool_new(bool b);
JsonValue *json_int_new(int64_t i);
/* A JSON_INT if it fits, else a JSON_UINT. */
JsonValue *json_uint_new(uint64_t u);
/* Infinities and NaN have no JSON form: they become 0. */
JsonValue *json_double_new(double d);
/* Copies s; bytes that are not UTF-8 become U+FFFD. */
JsonValue *json_string_new(const char *s);
JsonValue *json_string_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
JsonValue *json_array_new(void);
JsonValue *json_object_new(void);

JsonValue *json_ref(const JsonValue *v);
/* Does nothing for NULL. */
void json_unref(JsonValue *v);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonValue, json_unref)

JsonType json_type(const JsonValue *v);
/* "null", "boolean", "integer", "number", "string", "array", "object". */
const char *json_type_name(const JsonValue *v);
/* Same type and content; member order doesn't matter, 1 differs from 1.0. */
bool json_equal(const JsonValue *a, const JsonValue *b);

/*
 * The value, if v has that type and it is in range; else false and the output
 * is untouched. NULL is no value of any type.
 */
bool json_get_bool(const JsonValue *v, bool *ret_b);
bool json_get_int(const JsonValue *v, int64_t *ret_i);
/* Not negative. */
bool json_get_uint(const JsonValue *v, uint64_t *ret_u);
/* Any number. */
bool json_get_double(const JsonValue *v, double *ret_d);
/* NULL if v is no string; borrowed. */
const char *json_get_string(const JsonValue *v);

/* Arrays. Length and members are 0 and NULL if v is not an array. */
size_t json_array_len(const JsonValue *v);
/* Borrowed; NULL beyond the end. */
JsonValue *json_array_at(const JsonValue *v, size_t i);
/* Takes the reference of item. */
void json_array_add(JsonValue *array, JsonValue *item);

/* Objects: members keep the order in which they were added. */
size_t json_object_len(const JsonValue *v);
/* Borrowed; NULL if v is no object or has no such member. */
JsonValue *json_object_get(const JsonValue *v, const char *key);
bool json_object_has(const JsonValue *v, const char *key);
/* The i-th member's key, and its value if ret_val isn't NULL; borrowed. */
const char *json_object_at(const JsonValue *v, size_t i, JsonValue **ret_val);
/* Adds or replaces a member; takes the reference of val, copies key. */
void json_object_set(JsonValue *object, const char *key, JsonValue *val);
/* False if there is no such member. O(n). */
bool json_object_remove(JsonValue *object, const char *key);

/* Shorthands for building objects; a NULL string adds nothing. */
void json_object_set_string(JsonValue *object, const char *key, const char *s);
void json_object_set_int(JsonValue *object, const char *key, int64_t i);
void json_object_set_uint(JsonValue *object, const char *key, uint64_t u);
void json_object_set_bool(JsonValue *object, const char *key, bool b);

/*
 * Appends v as ASCII text: one line as QMP sends it, or indented by four
 * spaces per level. No line end follows.
 */
void json_print(const JsonValue *v, bool pretty, GString *out);
/* The same as a string of its own; the caller frees it. */
char *json_to_string(const JsonValue *v, bool pretty);

/* The one value that text holds; len -1: up to its NUL. NULL on error. */
JsonValue *json_parse(const char *text, ssize_t len, GError **errp);

/* Incremental parser. */
typedef struct JsonParser JsonParser;

/*
 * Called for each top-level value (the callee owns v, err is NULL) and for
 * each piece of input that is none (v is NULL, err is borrowed). It must not
 * feed, reset or free the parser.
 */
typedef void (*JsonParserFn)(void *opaque, JsonValue *v, const GError *err);

JsonParser *json_parser_new(JsonParserFn fn, void *opaque);
void json_parser_free(JsonParser *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonParser, json_parser_free)

/*
 * Parses the next len bytes; a value may begin and end in any of them.
 *
 * After a character that can't be (a control character in a string, a stray
 * one outside, a byte such as 0xFF that is no UTF-8) everything unfinished is
 * dropped, and input is skipped up to the next of {}[],: -- so a client that
 * lost its place sends 0xFF. After any other error the rest of the broken
 * top-level value is skipped. Either way one error is reported.
 */
void json_parser_feed(JsonParser *p, const char *buf, size_t len);
/* End of input: finishes a number or word, reports an unfinished value. */
void json_parser_end(JsonParser *p);
/* Forgets what is unfinished, and that there was an error. */
void json_parser_reset(JsonParser *p);
/* Bytes held for an unfinished value. */
size_t json_parser_pending(const JsonParser *p);

#endif
