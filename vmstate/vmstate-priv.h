/*
 * Shared by the saver and the loader of vmstate tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_VMSTATE_PRIV_H
#define MIGRATION_VMSTATE_PRIV_H

#include "vmstate/vmstate.h"

enum { VMSTATE_SUBSECTION = 0x05 }; /* type byte of a subsection */

/* Is the field part of a section of this version? */
bool vmstate_field_present(const VmstateField *f, void *opaque, int version);
/* Elements of the field; a varray's count comes from the state. */
unsigned vmstate_field_count(const VmstateField *f, void *opaque);
/* Bytes of one element on the wire; 0 for nested descriptions. */
size_t vmstate_field_size(const VmstateField *f, void *opaque);
/* Where element 0 is; NULL if a pointer is not set. */
void *vmstate_field_base(const VmstateField *f, void *opaque);
void *vmstate_field_elem(const VmstateField *f, void *base, unsigned i);
/* As the stream's description names the representation. */
const char *vmstate_field_type(const VmstateField *f);

#endif
