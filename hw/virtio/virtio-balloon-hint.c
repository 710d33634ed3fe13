/*
 * The memory balloon's free page hints: during a migration the guest says
 * which pages it doesn't use, so that they needn't be sent.
 * (Virtual I/O Device 1.2, section 5.5.6.5.)
 *
 *   host: a new command id in the configuration
 *   guest: a buffer with that id, buffers that lie in free pages, a buffer
 *          with another id
 *   host: the id 1 ("done"): the guest takes its pages back
 *
 * The guest may take pages back earlier, too: what makes that harmless is
 * written in system/free-hints.h.  It asks that a hint was given after the
 * round began.  Ids alone don't say so: drivers use one place in memory for
 * all of them, and a buffer of an older round, not looked at so far, shows the
 * new id.  So a round begins with an empty queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-balloon-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/rcu.h"

enum { HINT_QUEUE_SIZE = 1024 };

static BalloonHintStatus hint_status(BalloonHint *h)
{
    LOCK_GUARD(&h->lock);
    return h->status;
}

static void hint_set_status(BalloonHint *h, BalloonHintStatus status)
{
    LOCK_GUARD(&h->lock);
    h->status = status;
}

uint32_t balloon_hint_config(VirtioBalloon *b)
{
    LOCK_GUARD(&b->hint.lock);

    switch (b->hint.status) {
    case BALLOON_HINT_REQUESTED:
    case BALLOON_HINT_STARTED:
        return b->hint.cmd_id;
    case BALLOON_HINT_DONE:
        return VIRTIO_BALLOON_CMD_ID_DONE;
    default:
        return VIRTIO_BALLOON_CMD_ID_STOP;
    }
}

/* In the I/O thread */

/* The guest answers the request with its id, and ends with another. */
static void hint_command(BalloonHint *h, uint32_t id)
{
    LOCK_GUARD(&h->lock);

    if (h->status == BALLOON_HINT_REQUESTED && id == h->cmd_id) {
        h->status = BALLOON_HINT_STARTED;
    } else if (h->status == BALLOON_HINT_STARTED && id != h->cmd_id) {
        h->status = BALLOON_HINT_STOPPED;
    }
}

static void hint_piece(VirtioBalloon *b, const struct iovec *v)
{
    Memory *mem = &b->vdev.pci.dev.vm->mem;
    RamBlock *rb;
    uint64_t off;

    RCU_READ_GUARD();
    rb = ram_block_from_host(&mem->ram, v->iov_base, &off);
    if (rb != NULL) {
        free_hints_report(&mem->hints, rb, off, v->iov_len);
    }
}

/* A hint that isn't taken does no harm: a turn that is over drops the rest. */
static bool hint_take(VirtioBalloon *b, const VirtQueueElem *e,
                      const VirtioTurn *turn)
{
    uint32_t id;

    if (e->nout > 0) {
        if (iov_to_buf(e->out, e->nout, 0, &id, sizeof(id)) != sizeof(id)) {
            virtio_error(&b->vdev, "a free page command of %zu bytes",
                         e->out_bytes);
            return false;
        }
        hint_command(&b->hint, le32toh(id));
    }
    if (hint_status(&b->hint) == BALLOON_HINT_STARTED) {
        for (unsigned i = 0; i < e->nin; i++) {
            hint_piece(b, &e->in[i]);
            if (virtio_turn_over(turn)) {
                break;
            }
        }
    }
    return true;
}

static void hint_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioBalloon *b = balloon_of(d);
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        if (!hint_take(b, e, &turn)) {
            virtqueue_detach(q, e);
            return;
        }
        virtqueue_push(q, e, 0);
        virtqueue_notify(q);
    }
}

/* What was there before; the ring has room for no more than its size. */
static void hint_drain(void *opaque)
{
    VirtioBalloon *b = opaque;
    VirtQueue *q = b->hint.q;

    for (unsigned left = HINT_QUEUE_SIZE; left > 0; left--) {
        VirtQueueElem *e = virtio_running(&b->vdev) && virtqueue_ready(q)
                               ? virtqueue_pop(q)
                               : NULL;

        if (e == NULL) {
            break;
        }
        virtqueue_push(q, e, 0);
    }
    virtqueue_notify(q);
}

/* What a migration asks; vm_lock */

/*
 * A driver that has told of a pattern (PAGE_POISON) expects to find free
 * pages as it left them, and pages that aren't sent are zero.
 */
static bool hint_can_ask(const VirtioBalloon *b)
{
    return virtio_running(&b->vdev) && virtqueue_ready(b->hint.q) &&
           virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) &&
           !virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON);
}

static void hint_request(BalloonHint *h)
{
    LOCK_GUARD(&h->lock);

    h->cmd_id = h->cmd_id == UINT32_MAX ? BALLOON_HINT_FIRST_ID : h->cmd_id + 1;
    h->status = BALLOON_HINT_REQUESTED;
}

static bool hint_start(void *opaque)
{
    VirtioBalloon *b = opaque;

    if (!hint_can_ask(b)) {
        return false;
    }
    iothread_run(virtio_iothread(&b->vdev), hint_drain, b);
    hint_request(&b->hint);
    virtio_notify_config(&b->vdev);
    return true;
}

static void hint_stop(void *opaque)
{
    VirtioBalloon *b = opaque;

    hint_set_status(&b->hint, BALLOON_HINT_DONE);
    virtio_notify_config(&b->vdev);
}

static const FreeHintSource hint_source = { .start = hint_start,
                                            .stop = hint_stop };

/* Life */

void balloon_hint_reset(VirtioBalloon *b)
{
    hint_set_status(&b->hint, BALLOON_HINT_STOPPED);
    b->hint.tell_done = false;
}

void balloon_hint_running(VirtioBalloon *b)
{
    if (b->hint.tell_done) {
        b->hint.tell_done = false;
        hint_stop(b);
    }
}

bool balloon_hint_realize(VirtioBalloon *b, GError **errp)
{
    if (b->iothread == NULL) {
        error_setf(errp, "'free-page-hint' requires 'iothread' to be set");
        return false;
    }
    b->hint.cmd_id = BALLOON_HINT_FIRST_ID;
    b->hint.q = virtio_add_queue(&b->vdev, HINT_QUEUE_SIZE, hint_output);
    free_hints_set_source(&b->vdev.pci.dev.vm->mem.hints, &hint_source, b);
    return true;
}

void balloon_hint_unrealize(VirtioBalloon *b)
{
    if (b->free_page_hint) {
        free_hints_set_source(&b->vdev.pci.dev.vm->mem.hints, NULL, NULL);
    }
}

static bool hint_needed(void *opaque)
{
    const VirtioBalloon *b = opaque;

    return virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT);
}

/*
 * Who asked is somewhere else.  A guest that was asked, and not told that it's
 * over, keeps its free pages: it is told when it runs.
 */
static bool hint_post_load(void *opaque, int version, GError **errp)
{
    VirtioBalloon *b = opaque;
    BalloonHint *h = &b->hint;

    if (h->status > BALLOON_HINT_DONE) {
        error_setf(errp, "free page hints: state %" PRIu32, h->status);
        return false;
    }
    h->tell_done = h->status == BALLOON_HINT_REQUESTED ||
                   h->status == BALLOON_HINT_STARTED ||
                   (h->status == BALLOON_HINT_STOPPED &&
                    h->cmd_id > BALLOON_HINT_FIRST_ID);
    return true;
}

const Vmstate balloon_hint_vmstate = {
    .name = "virtio-balloon-device/free-page-report",
    .version = 1,
    .oldest = 1,
    .needed = hint_needed,
    .post_load = hint_post_load,
    .fields = (const VmstateField[]){ VMSTATE_U32(VirtioBalloon, hint.cmd_id),
                                      VMSTATE_U32(VirtioBalloon, hint.status),
                                      VMSTATE_END },
};
