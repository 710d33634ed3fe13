/*
 * Doorbells: guest writes that the kernel turns into eventfd signals.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/log.h"

static void kvm_ioeventfd(KvmAccel *k, const MemorySection *s,
                          const MemoryEventFd *e, uint32_t flags)
{
    struct kvm_ioeventfd io = {
        .addr = s->addr,
        .len = e->size,
        .datamatch = e->data,
        .fd = event_notifier_fd(e->notifier),
        .flags = flags | (e->match_data ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };
    int err;

    if (!e->size && !k->has_ioeventfd_any_length) {
        io.len = 4;
    }
    err = kvm_ioctl(k->vm_fd, KVM_IOEVENTFD, &io);
    if (err < 0) {
        /* Without it the write exits to the device's own handler. */
        log_warn_once("KVM: doorbell at %s 0x%" PRIx64 " failed: %s",
                      flags & KVM_IOEVENTFD_FLAG_PIO ? "port" : "address",
                      s->addr, g_strerror(-err));
    }
}

void kvm_mem_eventfd_add(MemoryListener *l, const MemorySection *s,
                         const MemoryEventFd *e)
{
    kvm_ioeventfd(container_of(l, KvmAccel, mem_listener), s, e, 0);
}

void kvm_mem_eventfd_del(MemoryListener *l, const MemorySection *s,
                         const MemoryEventFd *e)
{
    kvm_ioeventfd(container_of(l, KvmAccel, mem_listener), s, e,
                  KVM_IOEVENTFD_FLAG_DEASSIGN);
}

void kvm_io_eventfd_add(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e)
{
    kvm_ioeventfd(container_of(l, KvmAccel, io_listener), s, e,
                  KVM_IOEVENTFD_FLAG_PIO);
}

void kvm_io_eventfd_del(MemoryListener *l, const MemorySection *s,
                        const MemoryEventFd *e)
{
    kvm_ioeventfd(container_of(l, KvmAccel, io_listener), s, e,
                  KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
}
