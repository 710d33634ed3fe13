/*
 * Option strings: any text either parses or gives an error that says why, and
 * all typed readers cope with any value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/fuzz/fuzz.h"
#include "util/keyval.h"

/* Frees err, which has to be set exactly when the reader failed. */
static void check_error(bool ok, GError *err, const char *what)
{
    if (ok == (err != NULL)) {
        fuzz_fail("%s: %s", what, err ? err->message : "no error is set");
    }
    g_clear_error(&err);
}

static void read_item(KeyVal *kv, const char *key)
{
    static const char *const names[] = { "off", "on", "auto", NULL };
    uint64_t u = 3, size = 3;
    GError *err = NULL;
    int64_t i = 3;
    bool b, ok;
    int index;

    ok = keyval_get_bool(kv, key, &b, &err);
    check_error(ok, g_steal_pointer(&err), "keyval_get_bool");
    ok = keyval_get_uint(kv, key, 2, 1000, &u, &err);
    check_error(ok, g_steal_pointer(&err), "keyval_get_uint");
    if (ok && (u < 2 || u > 1000)) {
        fuzz_fail("keyval_get_uint gave %" PRIu64, u);
    }
    ok = keyval_get_int(kv, key, -5, 5, &i, &err);
    check_error(ok, g_steal_pointer(&err), "keyval_get_int");
    if (ok && (i < -5 || i > 5)) {
        fuzz_fail("keyval_get_int gave %" PRIi64, i);
    }
    ok = keyval_get_size(kv, key, MiB, &size, &err);
    check_error(ok, g_steal_pointer(&err), "keyval_get_size");
    ok = keyval_get_enum(kv, key, names, &index, &err);
    check_error(ok, g_steal_pointer(&err), "keyval_get_enum");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autofree char *text = g_strndup((const char *)data, len);
    GError *err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(text, "driver", &err);

    check_error(kv != NULL, err, "keyval_parse");
    if (!kv) {
        return 0;
    }
    keyval_wants_help(kv);
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        if (!keyval_get(kv, keyval_key_at(kv, i))) {
            fuzz_fail("key '%s' has no value", keyval_key_at(kv, i));
        }
        read_item(kv, keyval_key_at(kv, i));
    }
    if (!keyval_check_all_used(kv, "fuzz", NULL)) {
        fuzz_fail("'%s': all keys were read", text);
    }
    return 0;
}
