/*
 * A virtqueue as its device sees it: a split ring in guest memory, from which
 * the device takes chains of buffers and to which it gives them back.
 * (Virtual I/O Device 1.2, section 2.7.)
 *
 *   driver: fills buffers, makes them available, kicks
 *   device: virtqueue_pop() -> works on the element -> virtqueue_push()
 *           -> virtqueue_notify()
 *
 * What a guest wrote is read once and checked: indexes, lengths, loops,
 * tables.  A ring that breaks the rules makes its device need a reset, with
 * one line in the log; the queue is empty from then on.
 *
 * Threads: one thread at a time works with a queue: who holds vm_lock, or the
 * iothread that the queue was given to.  None of the calls takes vm_lock,
 * unless a buffer lies in a device's registers (virtqueue_pop() and _push()
 * then carry the bytes through a buffer of their own).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTQUEUE_H
#define HW_VIRTIO_VIRTQUEUE_H

#include "util/iov.h"
#include "vmstate/stream.h"

#define VIRTQUEUE_MAX_SIZE 1024 /* descriptors in a ring, and in a chain */

typedef struct VirtQueue VirtQueue;

/*
 * One chain of buffers: `out` is what the driver gives (read it, once:  the
 * guest can still write there), `in` is for the device to fill.  The lists
 * point into guest memory and stay valid until the element is pushed,
 * detached or given back, whatever happens to the memory map meanwhile.  The
 * device may change the lists (iov_discard_*): push doesn't use them.
 */
typedef struct VirtQueueElem {
    unsigned nout, nin;
    struct iovec *out, *in;
    size_t out_bytes, in_bytes; /* sums of the lengths, as popped */
    uint16_t head;              /* of the chain, as the ring names it */
} VirtQueueElem;

/*
 * The next chain that the driver has made available; NULL if there is none,
 * or if the queue isn't ready or the device is broken.  The element belongs
 * to the queue: it ends with push, fill, detach or unpop.  As many as the
 * ring has entries may be held at once.
 */
VirtQueueElem *virtqueue_pop(VirtQueue *q);
/*
 * Gives a chain back: the device has filled the first `written` bytes of its
 * `in` buffers, which are marked dirty.  fill() only writes the used ring's
 * entry `idx` places on; flush() shows `count` such entries to the driver at
 * once.  push() is fill(0) and flush(1).  fill() and push() free the element.
 */
void virtqueue_push(VirtQueue *q, VirtQueueElem *e, size_t written);
void virtqueue_fill(VirtQueue *q, VirtQueueElem *e, size_t written,
                    unsigned idx);
void virtqueue_flush(VirtQueue *q, unsigned count);
/*
 * The element popped last, into which nothing was written: it is there for the
 * next pop again.
 */
void virtqueue_unpop(VirtQueue *q, VirtQueueElem *e);
/* Forgets an element without telling the driver (reset, unplug). */
void virtqueue_detach(VirtQueue *q, VirtQueueElem *e);
/*
 * Before a reset or the end of the queue: the element is still in use, as the
 * host works on it, but the queue doesn't know of it any more, and may be gone
 * when virtqueue_free_disowned() ends it.
 */
void virtqueue_disown(VirtQueue *q, VirtQueueElem *e);
void virtqueue_free_disowned(VirtQueueElem *e);

/*
 * Elements that a device holds while the VM migrates.  put: as the stream has
 * one; get: skips one and says its head; take: the chain of that head, which
 * was popped before the migration: the ring counts it as in use; NULL if the
 * ring has no such chain.
 */
void virtqueue_put_elem(StreamOut *out, const VirtQueueElem *e);
bool virtqueue_get_elem(StreamIn *in, uint32_t *ret_head, GError **errp);
VirtQueueElem *virtqueue_take(VirtQueue *q, uint32_t head);

/* Nothing to pop; true for a queue that isn't ready. */
bool virtqueue_empty(VirtQueue *q);
/*
 * Are `out` and `in` bytes there in the chains that are available?  Looks at
 * the descriptors, takes nothing.  For devices that need several chains.
 */
bool virtqueue_has_bytes(VirtQueue *q, size_t out, size_t in);
/*
 * Asks the driver for kicks, or not to trouble.  After turning kicks on look
 * at the queue again: a chain that came in between isn't told.
 */
void virtqueue_set_notification(VirtQueue *q, bool on);
/*
 * Interrupts the driver unless it asked not to be (flags, event index); any
 * number of pushes may go before one notify.
 */
void virtqueue_notify(VirtQueue *q);
/* The same, but the driver isn't asked; the queue's vector is raised. */
void virtqueue_notify_always(VirtQueue *q);

/* Where the driver has placed it, in guest memory; desc 0: nowhere. */
typedef struct VirtQueuePlace {
    uint64_t desc, avail, used;
} VirtQueuePlace;
VirtQueuePlace virtqueue_place(const VirtQueue *q);
/* The next available entry to pop; and where somebody else says it is. */
uint16_t virtqueue_last_avail(const VirtQueue *q);
void virtqueue_set_last_avail(VirtQueue *q, uint16_t idx);

unsigned virtqueue_index(const VirtQueue *q); /* 0.. in its device */
unsigned virtqueue_size(const VirtQueue *q);  /* entries; 0: doesn't exist */
/* The driver has placed the ring and made it ready. */
bool virtqueue_ready(const VirtQueue *q);
/* Elements that were popped and not given back yet. */
unsigned virtqueue_inuse(const VirtQueue *q);

#endif
