/*
 * The object types of CPU models.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_CPU_TYPES_H
#define HW_CORE_CPU_TYPES_H

#include "qom/object.h"

/* All of them with their abstract parents, for object_types_add(). */
const ObjectType *const *cpu_object_types(void);
/* By its name ("qemu64-x86_64-cpu"); NULL if there is none. */
const ObjectType *cpu_object_type(const char *name);

#endif
