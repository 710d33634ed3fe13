/*
 * Accesses that go beyond RAM: they take vm_lock, and what they set off may
 * concern the CPU that makes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"

void soft_device_begin(SoftCpu *s)
{
    s->in_device = true;
    __atomic_store_n(&s->running, false, __ATOMIC_SEQ_CST);
}

void soft_device_end(SoftCpu *s)
{
    /* Partner: soft_vm_flush() looks at running after it made it pending. */
    __atomic_store_n(&s->running, true, __ATOMIC_SEQ_CST);
    soft_take_memory(s);
    if (s->irq && s->irq->after_device) {
        s->irq->after_device(s, s->irq_opaque);
    }
    s->in_device = false;
}

uint64_t soft_bus_load(SoftCpu *s, AddressSpace *as, uint64_t addr, unsigned n)
{
    uint64_t v;

    soft_device_begin(s);
    v = address_space_load(as, addr, n, NULL);
    soft_device_end(s);
    return v;
}

void soft_bus_store(SoftCpu *s, AddressSpace *as, uint64_t addr, uint64_t v,
                    unsigned n)
{
    soft_device_begin(s);
    address_space_store(as, addr, v, n);
    soft_device_end(s);
}
