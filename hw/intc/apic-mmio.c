/*
 * The page of local APIC registers, which each vCPU sees its own in, and the
 * messages of devices behind it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

/* The one whose vCPU makes the access; NULL: a device's or a test's. */
static Apic *apic_current(Device *dev)
{
    Vcpu *cpu = vcpu_current();
    Device *own = cpu != NULL && cpu->vm == dev->vm ? apic_of(cpu) : NULL;

    return own != NULL && own->type == &apic_type ? DEVICE_CAST(Apic, own)
                                                  : NULL;
}

/* Switched on, and not reached by MSRs instead. */
static bool apic_mapped(const Apic *s)
{
    return (s->apicbase & APIC_BASE_ENABLED) && !apic_is_x2apic(s);
}

uint64_t apic_mmio_read(Device *dev, uint64_t off, unsigned size)
{
    Apic *s = apic_current(dev);

    if (s == NULL || size != 4 || off >= 0x1000 || (off & 0xf) ||
        !apic_mapped(s)) {
        return 0;
    }
    return apic_read(s, off >> 4);
}

void apic_mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Apic *s = apic_current(dev);

    if (size != 4) {
        return;
    }
    if (s == NULL || off >= 0x1000) {
        msi_send(dev->vm, APIC_ADDR + off, val);
    } else if (!(off & 0xf) && apic_mapped(s)) {
        apic_write(s, off >> 4, val);
    }
}
