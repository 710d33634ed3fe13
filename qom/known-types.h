/*
 * Names of types that QEMU 7.2 has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_KNOWN_TYPES_H
#define QOM_KNOWN_TYPES_H

#include <stdbool.h>

/*
 * Does QEMU 7.2 have a type of that name (also abstract ones)?  What it has and
 * this program hasn't is no slip of the pen.
 */
bool object_type_is_known(const char *name);

#endif
