/*
 * Objects: what object.c needs of property.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_OBJECT_PRIV_H
#define QOM_OBJECT_PRIV_H

#include "qom/object.h"

/* Stores the defaults of a new object's properties. */
void object_props_init(Object *obj);
/* Frees its strings. */
void object_props_fini(Object *obj);

#endif
