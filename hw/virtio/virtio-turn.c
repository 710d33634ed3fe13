/*
 * Turns: how much of a queue a device takes in one go.
 *
 * A handler runs with the device lock held, or in an I/O thread that others
 * wait for.  A driver that adds chains as fast as they end would keep it there
 * for ever: so a turn is bounded, and the rest of the queue is for the next
 * one, when others have had theirs.  Nothing is remembered of that but that
 * the queue is to be kicked: chains that nobody has popped are the guest's
 * memory, and whoever starts the device, here or behind a migration, kicks all
 * queues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-priv.h"

#include "util/lock.h"

enum {
    TURN_CHAINS = 256,
    TURN_NS = 2 * 1000 * 1000, /* some chains take long */
};

typedef struct KickSource {
    GSource base;
    VirtioQueue *q;
} KickSource;

static gboolean kick_dispatch(GSource *src, GSourceFunc unused_fn,
                              gpointer unused)
{
    VM_LOCK_GUARD();
    VirtioQueue *q = ((KickSource *)src)->q;

    (void)unused_fn;
    (void)unused;
    g_source_set_ready_time(src, -1);
    virtio_kick(q->d, q->vq.index);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs kick_funcs = { .dispatch = kick_dispatch };

void virtio_kick_later(VirtQueue *vq)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);

    if (virtio_thread_kick(q)) {
        return;
    }
    if (q->kick_again == NULL) {
        q->kick_again = g_source_new(&kick_funcs, sizeof(KickSource));
        ((KickSource *)q->kick_again)->q = q;
        g_source_set_static_name(q->kick_again, "virtio-kick");
        g_source_attach(q->kick_again, NULL);
    }
    g_source_set_ready_time(q->kick_again, 0);
}

void virtio_kick_later_fini(VirtioQueue *q)
{
    if (q->kick_again != NULL) {
        g_source_destroy(q->kick_again);
        g_clear_pointer(&q->kick_again, g_source_unref);
    }
}

VirtioTurn virtio_turn_begin(VirtQueue *q)
{
    return (VirtioTurn){ .q = q,
                         .left = TURN_CHAINS,
                         .end_ns = clock_monotonic_ns() + TURN_NS };
}

bool virtio_turn_over(const VirtioTurn *t)
{
    return t->left == 0 || clock_monotonic_ns() >= t->end_ns;
}

VirtQueueElem *virtio_turn_pop(VirtioTurn *t)
{
    if (!virtio_running(virtio_of_queue(t->q))) {
        return NULL;
    }
    /* One in any case, however long this thread had to wait for its CPU. */
    if (t->left == 0 || (t->popped && virtio_turn_over(t))) {
        t->cut = !virtqueue_empty(t->q);
        if (t->cut) {
            virtio_kick_later(t->q);
        }
        return NULL;
    }
    t->left--;
    t->popped = true;
    return virtqueue_pop(t->q);
}
