/*
 * Insides of the virtio core, for the transport.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_PRIV_H
#define HW_VIRTIO_VIRTIO_PRIV_H

#include "hw/virtio/virtio.h"
#include "hw/virtio/virtqueue-priv.h"
#include "system/iothread.h"
#include "system/runstate.h"
#include "util/event-notifier.h"

/* Offered to all drivers, and only to legacy ones. */
#define VIRTIO_LEGACY_FEATURES                                                \
    (VIRTIO_BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) | \
     VIRTIO_BIT(VIRTIO_F_BAD_FEATURE))
#define VIRTIO_F_BAD_FEATURE 30 /* legacy drivers that acknowledge all */

/* A queue with what the core keeps beside the ring. */
typedef struct VirtioQueue {
    VirtQueue vq;
    VirtioDevice *d;
    VirtioOutputFn *fn;
    uint16_t vector;       /* VIRTIO_NO_VECTOR: none; migrated */
    bool doorbell;         /* is worth one */
    bool main_loop;        /* not the thread's, even if there is one */
    bool external;         /* another process works with it … */
    EventNotifier call;    /* … and writes here where there is no vector */
    GSource *call_source;  /* reads it */
    EventNotifier kick;    /* the kernel writes it; fd -1: there is none */
    MemoryEventFd bell;    /* as it was put … */
    MemoryRegion *bell_mr; /* … in there */
    bool bell_on;          /* it is in there */
    GSource *source;       /* reads kick, in the main loop or the thread */
    IoThreadPoll poll;     /* looks at the ring, in the thread */
    uint16_t seen_avail;   /* what it saw; the thread's */
    bool irq_pending;      /* atomic: the main loop is to raise it */
    GSource *kick_again;   /* in the main loop: virtio_kick_later() */
    /* Modern drivers place a ring in pieces; migrated. */
    uint16_t num;
    bool enabled;
    uint32_t desc[2], avail[2], used[2]; /* low, high */
} VirtioQueue;

typedef struct VirtioCore {
    VirtQueueHost host;
    VirtioDevice *d;
    VirtioQueue **queues; /* nqueues of them; pointers, they stay in place */
    unsigned nqueues;
    RunStateListener run_listener;
    IoThread *thread; /* the queues' thread; NULL: the main loop */
    bool thread_on;   /* it has them now; vm_lock */
    /* What the thread can't do without vm_lock is the main loop's: */
    EventNotifier to_main;
    guint to_main_source;
    bool error_pending; /* atomic: the driver is to be told */
} VirtioCore;

bool virtio_core_realize(VirtioDevice *d, GError **errp);
void virtio_core_unrealize(VirtioDevice *d);
/* Status 0, no features, no queues placed; the device's reset() first. */
void virtio_core_reset(VirtioDevice *d);
VirtioQueue *virtio_core_queue(VirtioDevice *d, unsigned n); /* NULL: none */
bool virtio_is_broken(const VirtioDevice *d);
/* What the driver may take; `modern`: asked through the modern interface. */
uint64_t virtio_offered(const VirtioDevice *d, bool modern);
/* Takes what was offered; false if `val` has more. */
bool virtio_set_features(VirtioDevice *d, uint64_t val);
void virtio_set_status(VirtioDevice *d, uint8_t val);
/* The driver's accesses to the configuration; out of range: ones, nothing. */
uint32_t virtio_config_read(VirtioDevice *d, unsigned off, unsigned size);
void virtio_config_write(VirtioDevice *d, unsigned off, uint32_t val,
                         unsigned size);
/* A driver's kick, in the thread that works with the queue. */
void virtio_kick(VirtioDevice *d, unsigned n);
/* Places the ring of a legacy driver, whose parts follow one another. */
void virtio_set_legacy_ring(VirtioQueue *q, uint64_t desc);
/* Closes what was opened for it. */
void virtio_pci_queue_fini(VirtioQueue *q);
/* The driver gave it another vector. */
void virtio_queue_call_changed(VirtioQueue *q);
void virtio_queue_place(VirtioQueue *q); /* where a modern driver says */
void virtio_queue_reset(VirtioDevice *d, VirtioQueue *q);

/*
 * virtio-thread.c: who has queues in an I/O thread takes them back before he
 * changes what a queue depends on, and gives them afterwards.  Nothing
 * happens without such a thread.  stop() returns when the thread has left
 * them; start() gives them if the device runs.
 */
void virtio_thread_stop(VirtioDevice *d);
void virtio_thread_start(VirtioDevice *d);
/* A kick, if the queue is in the thread: it is sent there.  Else false. */
bool virtio_thread_kick(VirtioQueue *q);
/* Done here or, if this thread may not wait for vm_lock, in the main loop. */
void virtio_queue_interrupt(VirtioQueue *q);
void virtio_error_notify(VirtioDevice *d);
/* What was handed to the main loop is done now. */
void virtio_thread_settle(VirtioDevice *d);
void virtio_thread_fini(VirtioDevice *d);

/* virtio-turn.c: the queue goes. */
void virtio_kick_later_fini(VirtioQueue *q);

/* virtio-pci.c, for the core: raises a vector, or INTx by d->isr. */
void virtio_pci_interrupt(VirtioDevice *d, uint16_t vector);
/* The same without vm_lock; false: that can't be, and nothing was done. */
bool virtio_pci_interrupt_unlocked(VirtioDevice *d, uint16_t vector);
/* Doorbells follow what the driver has set up. */
void virtio_pci_update_doorbells(VirtioDevice *d);
bool virtio_pci_has_modern(const VirtioDevice *d);
bool virtio_pci_has_legacy(const VirtioDevice *d);
void virtio_pci_set_vector(VirtioDevice *d, uint16_t *at, uint16_t vector);
/* The selectors of the modern interface, for its state. */
uint32_t *virtio_pci_selectors(VirtioDevice *d);      /* 2: device, guest */
uint32_t *virtio_pci_guest_features(VirtioDevice *d); /* 2 words */

#endif
