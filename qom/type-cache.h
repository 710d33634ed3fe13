/*
 * Object types that are made from another layer's const tables (devices,
 * machines, accelerators): one per table entry, made when first needed, and
 * kept for ever as any const type.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_TYPE_CACHE_H
#define QOM_TYPE_CACHE_H

#include "qom/object.h"

/*
 * The type that belongs to `key` (the address of a const table entry).  The
 * first call makes it with make(key), which returns memory from g_new().
 * Any thread; make() must not call back.
 */
const ObjectType *object_type_cached(const void *key,
                                     ObjectType *(*make)(const void *key));

#endif
