/*
 * Properties that QEMU 7.2 has and this program hasn't.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_KNOWN_PROPS_H
#define QOM_KNOWN_PROPS_H

#include <glib.h>

/*
 * The error for a property @name that objects of the type @type don't have: it
 * tells what QEMU 7.2 has from what is a slip of the pen.
 */
void object_prop_missing(const char *type, const char *name, GError **errp);

#endif
