/*
 * Shared by the saver and the loader of vmstate tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_VMSTATE_PRIV_H
#define MIGRATION_VMSTATE_PRIV_H

#include "vmstate/vmstate.h"

enum { VMSTATE_SUBSECTION = 0x05 }; /* type byte of a subsection */

enum { VMSTATE_FLAT_MAX = 4096 }; /* bytes of a description on the wire */

/* Is the field part of a section of this version? */
bool vmstate_field_present(const VmstateField *f, void *opaque, int version);
/* Elements of the field; a varray's count comes from the state. */
unsigned vmstate_field_count(const VmstateField *f, void *opaque);
/* Bytes of one element on the wire; 0 for nested descriptions. */
size_t vmstate_field_size(const VmstateField *f, void *opaque);
/* Where element 0 is; NULL if a pointer is not set. */
void *vmstate_field_base(const VmstateField *f, void *opaque);
void *vmstate_field_elem(const VmstateField *f, void *base, unsigned i);
/* Bytes on the wire of an element that is a plain integer; 0: it isn't one. */
size_t vmstate_int_width(const VmstateField *f);
/* `n` elements, which are plain integers and begin at `base`. */
void vmstate_put_ints(uint8_t *to, const VmstateField *f, const void *base,
                      unsigned n);
void vmstate_get_ints(const uint8_t *from, const VmstateField *f, void *base,
                      unsigned n);
/*
 * Bytes on the wire of a description of which plain integers, of all versions
 * that can be got, are all there is to do; 0: of any other.
 */
size_t vmstate_flat_size(const Vmstate *vms);
/* Such a one. */
void vmstate_put_flat(uint8_t *to, const Vmstate *vms, const void *opaque);
void vmstate_get_flat(const uint8_t *from, const Vmstate *vms, void *opaque);
/* As the stream's description names the representation. */
const char *vmstate_field_type(const VmstateField *f);

#endif
