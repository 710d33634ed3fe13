/*
 * -drive throttling.…=, and the older names of these options.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"

#define PREFIX "throttling."

/* By ThrottleKind. */
static const struct {
    const char *key, *old_key;
    const char *max_key, *old_max_key;
    const char *length_key;
} limit_keys[THROTTLE_KINDS] = {
#define KEYS(name_, old_)                                     \
    {                                                         \
        PREFIX name_, old_, PREFIX name_ "-max", old_ "_max", \
            PREFIX name_ "-max-length"                        \
    }
    KEYS("bps-total", "bps"),     KEYS("bps-read", "bps_rd"),
    KEYS("bps-write", "bps_wr"),  KEYS("iops-total", "iops"),
    KEYS("iops-read", "iops_rd"), KEYS("iops-write", "iops_wr"),
#undef KEYS
};

static const char size_key[] = PREFIX "iops-size", old_size_key[] = "iops_size";
static const char group_key[] = PREFIX "group", old_group_key[] = "group";

bool throttle_is_opt(const char *key)
{
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        if (g_str_equal(key, limit_keys[k].key) ||
            g_str_equal(key, limit_keys[k].old_key) ||
            g_str_equal(key, limit_keys[k].max_key) ||
            g_str_equal(key, limit_keys[k].old_max_key) ||
            g_str_equal(key, limit_keys[k].length_key)) {
            return true;
        }
    }
    return g_str_equal(key, size_key) || g_str_equal(key, old_size_key) ||
           g_str_equal(key, group_key) || g_str_equal(key, old_group_key);
}

/* The name that was used; NULL with errp if both were. */
static const char *key_used(KeyVal *kv, const char *key, const char *old_key,
                            GError **errp)
{
    if (!keyval_has(kv, old_key)) {
        return key;
    }
    if (keyval_has(kv, key)) {
        error_setf(errp,
                   "'%s' and its alias '%s' can't be used at the same time",
                   key, old_key);
        return NULL;
    }
    return old_key;
}

static bool take_number(KeyVal *kv, const char *key, const char *old_key,
                        int64_t *ret, GError **errp)
{
    key = key_used(kv, key, old_key, errp);
    return key != NULL &&
           keyval_get_int(kv, key, INT64_MIN, INT64_MAX, ret, errp);
}

bool throttle_take_opts(KeyVal *kv, IoLimits *l, const char **ret_group,
                        GError **errp)
{
    const char *key = key_used(kv, group_key, old_group_key, errp);

    *l = (IoLimits)IO_NO_LIMITS;
    if (key == NULL) {
        return false;
    }
    *ret_group = keyval_get(kv, key);
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        IoLimit *limit = &l->kind[k];

        if (!take_number(kv, limit_keys[k].key, limit_keys[k].old_key,
                         &limit->avg, errp) ||
            !take_number(kv, limit_keys[k].max_key, limit_keys[k].old_max_key,
                         &limit->max, errp) ||
            !keyval_get_int(kv, limit_keys[k].length_key, INT64_MIN, INT64_MAX,
                            &limit->length, errp)) {
            return false;
        }
    }
    return take_number(kv, size_key, old_size_key, &l->iops_size, errp) &&
           io_limits_check(l, errp);
}
