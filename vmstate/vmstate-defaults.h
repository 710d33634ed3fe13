/*
 * What a device's optional state is while nothing has come of it.
 *
 * Locking: vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSTATE_VMSTATE_DEFAULTS_H
#define VMSTATE_VMSTATE_DEFAULTS_H

#include "vmstate/vmstate.h"

/*
 * A copy of what may be missing in a section: the fields of all subsections,
 * and all fields if the section itself may be missing.  To be made before the
 * first state is loaded, and put back before another one is loaded over it.
 * Left out is what a load allocates or stores by code of its own (VMF_ALLOC,
 * VMS_CUSTOM).  `opaque` outlives it.
 */
typedef struct VmstateDefaults VmstateDefaults;

VmstateDefaults *vmstate_defaults_new(const Vmstate *vms, void *opaque);
void vmstate_defaults_free(VmstateDefaults *d);
void vmstate_defaults_restore(const VmstateDefaults *d);

#endif
