/*
 * A virtio device as its model sees it: features, configuration, queues.
 * (Virtual I/O Device 1.2, chapter 2.)
 *
 * A device is a struct that starts with a VirtioDevice `vdev`, and two const
 * tables: its VirtioType and the DeviceType of the function that carries it
 * (see virtio-pci.h).  It knows nothing of the transport.
 *
 * Everything here is called under vm_lock unless said otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "hw/pci/pci.h"
#include "hw/virtio/virtqueue.h"
#include "system/iothread.h"

#define VIRTIO_MAX_QUEUES   1024
#define VIRTIO_CONFIG_MAX   256 /* bytes of device configuration */
#define VIRTIO_BIT(n)       (UINT64_C(1) << (n))
#define VIRTIO_NO_VECTOR    0xffff
#define VIRTIO_VECTORS_AUTO UINT32_MAX /* vectors= not given */

typedef struct VirtioDevice VirtioDevice;
typedef void VirtioOutputFn(VirtioDevice *d, VirtQueue *q);

/* Where a function over PCI has its parts, if not in the usual places. */
typedef struct VirtioPciPlaces {
    uint8_t modern_bar, msix_bar;
    /* In the modern BAR; pages 2 and on are the same for all. */
    uint16_t common, isr, part; /* offsets of two parts, and their bytes */
} VirtioPciPlaces;

/* What a kind of device is; any function but get_features may be NULL. */
typedef struct VirtioType {
    const char *name; /* in the section's name and messages: "virtio-net" */
    uint16_t id;      /* VIRTIO_ID_*, linux/virtio_ids.h */
    uint32_t vectors; /* MSI-X vectors without vectors=; 0: no MSI-X */
    /* It is younger than legacy drivers: disable-legacy is on. */
    bool modern_only;
    const VirtioPciPlaces *places; /* NULL: the usual ones */
    /* Feature bits that a modern driver isn't shown. */
    uint64_t legacy_features;
    /*
     * Adds the queues, sets d->config_size.  unrealize() undoes what isn't
     * the core's (queues are).
     */
    bool (*realize)(VirtioDevice *d, GError **errp);
    void (*unrealize)(VirtioDevice *d);
    /*
     * Of `offered` (the transport's and the properties') what this device
     * has, and its own on top; VIRTIO_BIT()s.  Asked for when it is realized
     * and at each reset.
     */
    uint64_t (*get_features)(VirtioDevice *d, uint64_t offered);
    /*
     * The driver has chosen: d->features.  Also after an incoming migration,
     * before the device's own state is loaded.
     */
    void (*set_features)(VirtioDevice *d);
    /*
     * Fills `config` (d->config_size bytes, little endian) before the driver
     * reads it, and takes what the driver wrote there.
     */
    void (*get_config)(VirtioDevice *d, uint8_t *config);
    void (*set_config)(VirtioDevice *d, const uint8_t *config);
    /*
     * The driver wrote the status register, or the VM was stopped or goes on
     * (then old == d->status): see virtio_running().
     */
    void (*set_status)(VirtioDevice *d, uint8_t old);
    /* To power-on state: elements in hand are detached.  Then the core. */
    void (*reset)(VirtioDevice *d);
    /* virtio_queue_call_fd() of an external queue may give another one. */
    void (*call_changed)(VirtioDevice *d, VirtQueue *q);
    /* One queue is reset (VIRTIO_F_RING_RESET), or turned on again. */
    void (*queue_reset)(VirtioDevice *d, VirtQueue *q);
    void (*queue_enable)(VirtioDevice *d, VirtQueue *q);
    /*
     * The device's own state, behind the core's in its section; opaque is
     * the device struct.  NULL: none.
     */
    const Vmstate *vmstate;
    /* A stream with n queues follows: makes as many, if it can. */
    void (*load_queues)(VirtioDevice *d, unsigned n);
    /* All of it is loaded, the queues are there again. */
    bool (*post_load)(VirtioDevice *d, GError **errp);
} VirtioType;

/* -device NAME,prop=...: what every virtio function takes. */
typedef struct VirtioProps {
    int disable_legacy; /* OnOffAuto */
    bool disable_modern, ioeventfd, page_per_vq;
    uint32_t vectors;  /* VIRTIO_VECTORS_AUTO: the device's number */
    uint32_t class_id; /* 0: the type's */
    bool indirect_desc, event_idx, notify_on_empty, any_layout, queue_reset;
    bool iommu_platform, packed; /* refused when on */
} VirtioProps;

/*
 * The core's part.  Devices read features, status, config_size, nothing else;
 * the rest belongs to the core and the transport.
 */
struct VirtioDevice {
    PciDevice pci; /* the transport's */
    const VirtioType *vtype;
    VirtioProps props;
    uint64_t host_features; /* properties and device: what is offered */
    uint64_t features;      /* what the driver took; migrated */
    uint8_t status;         /* VIRTIO_CONFIG_S_*; migrated */
    uint8_t isr;            /* 1: queue, 2: configuration; migrated */
    bool disabled;          /* bus mastering went off under a driver */
    bool running;           /* vCPUs run */
    uint16_t queue_sel;     /* legacy and modern; migrated */
    uint16_t config_vector;
    uint8_t generation;   /* of the configuration, modern */
    unsigned config_size; /* bytes, at most VIRTIO_CONFIG_MAX */
    /* As the driver read it last; migrated. */
    uint8_t config[VIRTIO_CONFIG_MAX];
    struct VirtioCore *core;
    struct VirtioPciState *transport;
};
#define VIRTIO_DEVICE(dev_) container_of(dev_, VirtioDevice, pci.dev)

/*
 * In realize(): the next queue, of `size` descriptors at most (a power of
 * two up to VIRTQUEUE_MAX_SIZE).  `fn` is called when the driver has kicked
 * it, when the VM goes on and after a migration: it takes what is there and
 * bears an empty queue.
 */
VirtQueue *virtio_add_queue(VirtioDevice *d, unsigned size, VirtioOutputFn *fn);
/*
 * What a handler may do in one go: so many chains, for so long.  In the place
 * of a loop on virtqueue_pop(), which a driver could keep busy for ever:
 *
 *     VirtioTurn t = virtio_turn_begin(q);
 *     while ((e = virtio_turn_pop(&t)) != NULL) …
 */
typedef struct VirtioTurn {
    VirtQueue *q;
    unsigned left;  /* chains */
    int64_t end_ns; /* CLOCK_MONOTONIC */
    bool popped;    /* one at least */
    bool cut;       /* there were more chains: they are the next turn's */
} VirtioTurn;
VirtioTurn virtio_turn_begin(VirtQueue *q);
/*
 * The next chain.  NULL: there is none, or the device isn't to look at its
 * queues (virtio_running()), or the turn is over: then the handler is called
 * again when others have had their turn (t->cut).
 */
VirtQueueElem *virtio_turn_pop(VirtioTurn *t);
/* For a handler that has more to do than to pop. */
bool virtio_turn_over(const VirtioTurn *t);
/* The handler is called again, when others have had their turn. */
void virtio_kick_later(VirtQueue *q);
/*
 * Kicks of this queue may come by a doorbell of the kernel's, so that the
 * driver doesn't wait for the device: worth its price for a queue that is
 * kicked often.  Off unless asked for, in realize().
 */
void virtio_queue_set_doorbell(VirtQueue *q, bool on);
/* Drops queues from index `first` on (a device that changes their number). */
void virtio_del_queues(VirtioDevice *d, unsigned first);
VirtQueue *virtio_queue(VirtioDevice *d, unsigned n); /* NULL: no such */
/* The device of a queue. */
VirtioDevice *virtio_of_queue(VirtQueue *q);

static inline bool virtio_has_feature(const VirtioDevice *d, unsigned bit)
{
    return d->features & VIRTIO_BIT(bit);
}
/*
 * The driver is up, the VM runs, nothing is broken: the device may look at
 * its queues.  Else what the back end has waits.
 */
bool virtio_running(const VirtioDevice *d);
/* The configuration has changed: the driver is told, if it is there. */
void virtio_notify_config(VirtioDevice *d);
/*
 * The guest broke the rules: one line in the log that names the device, then
 * it needs a reset.  The message without a line end.
 */
void virtio_error(VirtioDevice *d, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/*
 * In realize(): another process works with the queue, not this one.  Kicks by
 * a doorbell reach it through the descriptor, which stays the same while the
 * queue is there; others call `fn`, for virtio_queue_pass_kick().
 */
void virtio_queue_set_external(VirtQueue *q);
/* -1 with errp: no descriptors are left. */
int virtio_queue_kick_fd(VirtQueue *q, GError **errp);
void virtio_queue_pass_kick(VirtQueue *q);
/*
 * What the other process writes to interrupt the driver: straight to its
 * vector where the kernel can, else through the main loop.  -1: the driver
 * has no interrupt for this queue.
 */
int virtio_queue_call_fd(VirtQueue *q);
/*
 * The other process is done with the queue: what it has written there, and the
 * main loop has not read, interrupts the driver now.  vm_lock.
 */
void virtio_queue_settle_call(VirtQueue *q);
/*
 * In realize(): the queues belong to the I/O thread of that id while the
 * device runs.  Their handlers are called there, without vm_lock; they and
 * all that the device calls from there never wait for it.  The functions of
 * VirtioType are called as ever, and all but get_config() while the thread
 * has left the queues.  What the device started in the thread may still end
 * there: virtqueue_push() and _notify() are fine, whatever the device's state.
 */
bool virtio_set_iothread(VirtioDevice *d, const char *id, GError **errp);
/* In realize(): not this queue, which has no doorbell. */
void virtio_queue_keep_in_main(VirtQueue *q);
/* NULL: the queues are the main loop's. */
IoThread *virtio_iothread(const VirtioDevice *d);

#endif
