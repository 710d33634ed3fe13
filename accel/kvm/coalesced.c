/*
 * Coalesced writes: the kernel gathers them in a ring that is emptied before
 * the next exit is handled, or when somebody needs the device's state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/log.h"

static void kvm_zone(KvmAccel *k, unsigned long req, uint64_t addr,
                     uint64_t size, bool pio)
{
    struct kvm_coalesced_mmio_zone z = {
        .addr = addr,
        .size = size,
        .pio = pio,
    };

    if (!k->ring_page || size > UINT32_MAX || (pio && !k->has_coalesced_pio)) {
        return; /* each write exits: slower, nothing else */
    }
    kvm_ioctl(k->vm_fd, req, &z);
}

void kvm_mem_coalesced_add(MemoryListener *l, const MemorySection *s,
                           uint64_t addr, uint64_t size)
{
    kvm_zone(container_of(l, KvmAccel, mem_listener),
             KVM_REGISTER_COALESCED_MMIO, addr, size, false);
}

void kvm_mem_coalesced_del(MemoryListener *l, const MemorySection *s,
                           uint64_t addr, uint64_t size)
{
    kvm_zone(container_of(l, KvmAccel, mem_listener),
             KVM_UNREGISTER_COALESCED_MMIO, addr, size, false);
}

void kvm_io_coalesced_add(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size)
{
    kvm_zone(container_of(l, KvmAccel, io_listener),
             KVM_REGISTER_COALESCED_MMIO, addr, size, true);
}

void kvm_io_coalesced_del(MemoryListener *l, const MemorySection *s,
                          uint64_t addr, uint64_t size)
{
    kvm_zone(container_of(l, KvmAccel, io_listener),
             KVM_UNREGISTER_COALESCED_MMIO, addr, size, true);
}

void kvm_coalesced_drain(KvmAccel *k)
{
    struct kvm_coalesced_mmio_ring *ring = k->ring;

    if (!ring || __atomic_load_n(&ring->first, __ATOMIC_RELAXED) ==
                     __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
        return;
    }
    VM_LOCK_GUARD();
    if (k->draining) {
        return; /* a device that flushes while its own write is carried out */
    }
    k->draining = true;
    /* The kernel fills at last, with a barrier before it moves it. */
    while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
        struct kvm_coalesced_mmio e =
            ring->coalesced_mmio[ring->first % k->ring_entries];
        AddressSpace *as = e.pio ? &k->acc.vm->mem.io : &k->acc.vm->mem.memory;

        address_space_write(as, e.phys_addr, e.data,
                            MIN(e.len, sizeof(e.data)));
        __atomic_store_n(&ring->first, (ring->first + 1) % k->ring_entries,
                         __ATOMIC_RELEASE);
    }
    k->draining = false;
}

void kvm_coalesced_flush(void *opaque)
{
    kvm_coalesced_drain(opaque);
}
