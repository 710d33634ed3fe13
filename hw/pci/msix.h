/*
 * MSI-X: a table of messages in a BAR, one for each vector, each maskable.
 * (PCI Local Bus Specification 3.0, section 6.8.2.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "hw/pci/pci.h"

typedef struct Msix Msix;

#define MSIX_VECTORS_MAX 2048

/*
 * In realize(): table and pending bits in a memory BAR of their own, which is
 * 4 KiB for up to 128 vectors, the capability at `cap_off` (0: the first free
 * place).  All vectors start masked and unused.
 */
bool msix_init_bar(PciDevice *d, unsigned nvectors, unsigned bar,
                   uint8_t cap_off, GError **errp);
/* The same with a BAR of at least `size` bytes, a power of two. */
bool msix_init_bar_size(PciDevice *d, unsigned nvectors, unsigned bar,
                        uint64_t size, uint8_t cap_off, GError **errp);
/*
 * The same at places of a region that the function has, or will have, as its
 * memory BAR; they are multiples of 8.
 */
bool msix_init(PciDevice *d, unsigned nvectors, MemoryRegion *mr, unsigned bar,
               uint32_t table_at, uint32_t pba_at, uint8_t cap_off,
               GError **errp);
/* In unrealize(), before the region goes; fine if there is none. */
void msix_fini(PciDevice *d);
/* To power-on state; the function's reset() calls it. */
void msix_reset(PciDevice *d);

bool msix_enabled(const PciDevice *d); /* by the driver */
unsigned msix_nvectors(const PciDevice *d);
/*
 * The device may raise this vector (counted).  A vector that nobody uses
 * drops what is raised and has no route in the kernel.
 */
void msix_vector_use(PciDevice *d, unsigned vector);
void msix_vector_unuse(PciDevice *d, unsigned vector);
/*
 * Raises a vector: the message goes out, or waits as pending while the vector
 * or the function is masked.  Out of range or MSI-X off: nothing happens.
 * Any thread.
 */
void msix_notify(PciDevice *d, unsigned vector);
/*
 * The same without ever taking vm_lock; false: it would have to (interrupt
 * controllers that aren't the kernel's, a message to somewhere else), and
 * nothing has happened.
 */
bool msix_notify_unlocked(PciDevice *d, unsigned vector);
/*
 * An eventfd that raises the vector when it is written, for back ends that
 * interrupt the guest themselves (vhost, vhost-user); it stays the same
 * whatever the guest does to the vector, and lives until the function is
 * unrealized or every user has called msix_vector_unuse().  -1 with errp.
 */
int msix_vector_fd(PciDevice *d, unsigned vector, GError **errp);
/*
 * Who writes to that eventfd is done: what the main loop has yet to read raises
 * the vector now.  Where the kernel reads it there is nothing to do.  vm_lock.
 */
void msix_vector_settle_fd(PciDevice *d, unsigned vector);
/*
 * The same with an eventfd that somebody else made and writes; always taken
 * over.  False with errp: there is no such vector, or it has one already.
 */
bool msix_vector_set_fd(PciDevice *d, unsigned vector, int fd, GError **errp);

/*
 * State, for the function's section.  load: a message that waited is sent
 * when the guest unmasks it, not here.
 */
void msix_save(PciDevice *d, StreamOut *s);
bool msix_load(PciDevice *d, StreamIn *s, GError **errp);
/* The same as a struct "msix" of a section's, behind that of the function. */
extern const Vmstate vmstate_msix;
#define VMSTATE_MSIX_AS(T, f, name_)                                   \
    {                                                                  \
        .name = (name_), .kind = VMS_STRUCT, .offset = offsetof(T, f), \
        .size = sizeof(PciDevice), .vms = &vmstate_msix                \
    }

#endif
