/*
 * Objects that a user asks for: -object and object_add.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_OBJECT_MAKE_H
#define QOM_OBJECT_MAKE_H

#include "qom/object.h"
#include "util/keyval.h"

/* The text form as JSON, for object_make(): all values are strings. */
JsonValue *object_args_from_keyval(const KeyVal *kv);
/*
 * Makes the object that `args` describes (qom-type, id, properties) in
 * /objects below `root`.  `text`: all values are strings, as a user wrote
 * them.
 */
bool object_make(Object *root, const JsonValue *args, bool text, GError **errp);
/* Deletes an object of /objects, if nothing uses it. */
bool object_unmake(Object *root, const char *id, GError **errp);

#endif
