/*
 * Reset of a machine: from the outside in.
 *
 * A device is reset after the bus it sits on and before the buses it
 * provides, so that a wire which a device lets go of while it is reset
 * arrives at a parent which is in its power-on state already.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-priv.h"
#include "hw/core/machine-priv.h"

void bus_reset_tree(Bus *bus)
{
    if (bus->reset != NULL) {
        bus->reset(bus);
    }
    for (GList *d = bus->devices.head; d != NULL; d = d->next) {
        device_reset_tree(d->data);
    }
}

void device_reset_tree(Device *dev)
{
    if (dev->type->reset != NULL) {
        dev->type->reset(dev);
    }
    for (GList *b = dev->child_buses.head; b != NULL; b = b->next) {
        bus_reset_tree(b->data);
    }
}

void machine_reset(Machine *m, ShutdownCause cause)
{
    GArray *handlers = m->vm->reset_handlers;

    bus_reset_tree(&m->sysbus);
    for (GList *d = m->busless.head; d != NULL; d = d->next) {
        device_reset_tree(d->data);
    }
    for (unsigned i = 0; handlers != NULL && i < handlers->len; i++) {
        const ResetHandler *h = &g_array_index(handlers, ResetHandler, i);

        h->fn(h->opaque);
    }
    machine_reset_cpus(m);
    if (m->type->reset != NULL) {
        m->type->reset(m, cause);
    }
}

void machine_request_reset(Machine *m, ResetCause cause)
{
    vm_request_reset(m->vm, cause == RESET_BY_GUEST
                                ? SHUTDOWN_CAUSE_GUEST_RESET
                                : SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}
