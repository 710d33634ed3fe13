/*
 * Object types made from other const tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qom/type-cache.h"

#include "util/lock.h"

/*
 * Types are const and have no owner, so neither has this: it only grows, up
 * to the number of table entries.
 */
static Lock cache_lock = LOCK_INITIALIZER;
static GHashTable *cache; /* key → ObjectType; cache_lock */

const ObjectType *object_type_cached(const void *key,
                                     ObjectType *(*make)(const void *key))
{
    ObjectType *type;

    LOCK_GUARD(&cache_lock);
    if (cache == NULL) {
        cache = g_hash_table_new(g_direct_hash, g_direct_equal);
    }
    type = g_hash_table_lookup(cache, key);
    if (type == NULL) {
        type = make(key);
        g_hash_table_insert(cache, (gpointer)(uintptr_t)key, type);
    }
    return type;
}
