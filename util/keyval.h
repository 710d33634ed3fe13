/*
 * Option strings: "value,key=value,flag,key=a,,b".
 *
 * Items are separated by commas; a comma inside a value is doubled. The first
 * item may be a value alone, for the option's implied key. An item without
 * "=" elsewhere is a flag: "foo" is foo=on, and "nofoo" is foo=off where foo
 * is asked for. A key given twice: the last one wins.
 *
 * The getters note which keys were asked for, so that what nobody asked for
 * can be refused by name: no option is ignored in silence.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct KeyVal KeyVal;

KeyVal *keyval_new(void);
void keyval_free(KeyVal *kv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KeyVal, keyval_free)

/* implied: the key of a first item that is a value alone; NULL: none. */
KeyVal *keyval_parse(const char *s, const char *implied, GError **errp);
/* Appends key=value, as if it had been written last. */
void keyval_add(KeyVal *kv, const char *key, const char *value);

/* Was "help" or "?" given, as a flag or as the implied key's value? */
bool keyval_wants_help(const KeyVal *kv);

/* The last value of the key ("on" for a flag); NULL if absent. kv's own. */
const char *keyval_get(KeyVal *kv, const char *key);
/* Is the key there? Doesn't count as asking for it. */
bool keyval_has(const KeyVal *kv, const char *key);
/* All values of a key in their order, NULL-terminated; g_free() the array. */
const char **keyval_get_all(KeyVal *kv, const char *key);

/*
 * Typed: false with an error that names the key if the value doesn't parse.
 * An absent key leaves *ret as it was and is no error.
 */
bool keyval_get_bool(KeyVal *kv, const char *key, bool *ret_v, GError **errp);
bool keyval_get_uint(KeyVal *kv, const char *key, uint64_t min, uint64_t max,
                     uint64_t *ret_v, GError **errp);
bool keyval_get_int(KeyVal *kv, const char *key, int64_t min, int64_t max,
                    int64_t *ret_v, GError **errp);
/* default_unit as in parse_size(). */
bool keyval_get_size(KeyVal *kv, const char *key, uint64_t default_unit,
                     uint64_t *ret_bytes, GError **errp);
/* Index of the value among the NULL-terminated names. */
bool keyval_get_enum(KeyVal *kv, const char *key, const char *const *names,
                     int *ret_index, GError **errp);
/* For keys that have to be there: an error naming `what` and the key. */
const char *keyval_get_required(KeyVal *kv, const char *key, const char *what,
                                GError **errp);

/* Number of items; key and value of item i in the order given. */
unsigned keyval_count(const KeyVal *kv);
const char *keyval_key_at(const KeyVal *kv, unsigned i);
const char *keyval_value_at(const KeyVal *kv, unsigned i);
/* Item i had no "=" (and was not the implied value). */
bool keyval_is_flag_at(const KeyVal *kv, unsigned i);
/* Notes item i as asked for. */
void keyval_mark_used_at(KeyVal *kv, unsigned i);

/* False with "WHAT: unknown option 'KEY'" if some key was never asked for. */
bool keyval_check_all_used(const KeyVal *kv, const char *what, GError **errp);

#endif /* UTIL_KEYVAL_H */
