/*
 * The place that the optimisation of task priority accesses has in the
 * stream; it is never active here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_KVMVAPIC_H
#define HW_MISC_KVMVAPIC_H

#include "hw/isa/isa-devices.h"

/* One per VM, ahead of the first local APIC. */
Device *kvmvapic_create(struct Vm *vm, GError **errp);

#endif
