/*
 * Queues in an I/O thread: iothread=.
 *
 * The thread has the queues while the driver is up and the VM runs.  It gets
 * and loses them at a call that runs in the thread itself, so that whoever
 * holds vm_lock finds it outside of a handler; and for that it never takes
 * that lock.  Interrupts go out from the thread where MSI-X and the kernel's
 * interrupt controllers allow it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-priv.h"

#include <glib-unix.h>

#include "system/vm.h"
#include "util/error.h"
#include "util/lock.h"

/* In the thread */

static void thread_handle(VirtioQueue *q)
{
    virtqueue_peek_avail(&q->vq, &q->seen_avail);
    if (virtio_running(q->d) && virtqueue_ready(&q->vq)) {
        q->fn(q->d, &q->vq);
    }
}

static gboolean thread_kicked(gint fd, GIOCondition cond, gpointer opaque)
{
    VirtioQueue *q = opaque;

    if (event_notifier_test_and_clear(&q->kick)) {
        thread_handle(q);
    }
    return G_SOURCE_CONTINUE;
}

/* A chain that the device leaves where it is isn't told again and again. */
static bool has_news(void *opaque)
{
    VirtioQueue *q = opaque;
    uint16_t idx;

    return virtqueue_peek_avail(&q->vq, &idx) && idx != q->seen_avail;
}

static void poll_run(void *opaque)
{
    thread_handle(opaque);
}

static void take_queue(VirtioCore *c, VirtioQueue *q)
{
    q->source = g_unix_fd_source_new(event_notifier_fd(&q->kick), G_IO_IN);
    g_source_set_callback(q->source, G_SOURCE_FUNC(thread_kicked), q, NULL);
    g_source_attach(q->source, iothread_context(c->thread));
    q->poll = (IoThreadPoll){ .ready = has_news, .run = poll_run, .opaque = q };
    iothread_add_poll(c->thread, &q->poll);
    /* Kicks may have got lost while nobody had the queue. */
    event_notifier_set(&q->kick);
}

static bool has_work(const VirtioQueue *q)
{
    return q->fn != NULL && !q->main_loop && virtqueue_ready(&q->vq) &&
           event_notifier_fd(&q->kick) >= 0;
}

static void take_queues(void *opaque)
{
    VirtioCore *c = opaque;

    for (unsigned i = 0; i < c->nqueues; i++) {
        if (has_work(c->queues[i])) {
            take_queue(c, c->queues[i]);
        }
    }
}

static void leave_queues(void *opaque)
{
    VirtioCore *c = opaque;

    for (unsigned i = 0; i < c->nqueues; i++) {
        VirtioQueue *q = c->queues[i];

        if (q->source != NULL) {
            iothread_del_poll(c->thread, &q->poll);
            g_source_destroy(q->source);
            g_clear_pointer(&q->source, g_source_unref);
        }
    }
}

/* Under vm_lock */

/* Without a descriptor a kick has no way into the thread. */
static bool open_kicks(VirtioDevice *d)
{
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        VirtioQueue *q = d->core->queues[i];
        g_autoptr(GError) err = NULL;

        if (event_notifier_fd(&q->kick) < 0 &&
            !event_notifier_init(&q->kick, false, &err)) {
            virtio_error(d, "queue %u: %s", i, err->message);
            return false;
        }
    }
    return true;
}

void virtio_thread_start(VirtioDevice *d)
{
    VirtioCore *c = d->core;

    if (c->thread == NULL || c->thread_on || !virtio_running(d) ||
        !open_kicks(d)) {
        return;
    }
    c->thread_on = true;
    iothread_run(c->thread, take_queues, c);
}

void virtio_thread_stop(VirtioDevice *d)
{
    VirtioCore *c = d->core;

    if (c->thread_on) {
        iothread_run(c->thread, leave_queues, c);
        c->thread_on = false;
        virtio_thread_settle(d);
    }
}

bool virtio_thread_kick(VirtioQueue *q)
{
    if (!q->d->core->thread_on || q->main_loop) {
        return false;
    }
    event_notifier_set(&q->kick);
    return true;
}

/* What a thread hands to the main loop */

static bool may_take_lock(const VirtioDevice *d)
{
    return d->core->thread == NULL || !iothread_is_self(d->core->thread);
}

static void raise_vector(VirtioQueue *q)
{
    virtio_pci_interrupt(q->d, __atomic_load_n(&q->vector, __ATOMIC_RELAXED));
}

void virtio_queue_interrupt(VirtioQueue *q)
{
    uint16_t vector = __atomic_load_n(&q->vector, __ATOMIC_RELAXED);

    if (may_take_lock(q->d)) {
        raise_vector(q);
    } else if (!virtio_pci_interrupt_unlocked(q->d, vector)) {
        __atomic_store_n(&q->irq_pending, true, __ATOMIC_SEQ_CST);
        event_notifier_set(&q->d->core->to_main);
    }
}

static void needs_reset(VirtioDevice *d)
{
    if (virtio_has_feature(d, VIRTIO_F_VERSION_1)) {
        d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
        virtio_notify_config(d);
    }
}

void virtio_error_notify(VirtioDevice *d)
{
    if (may_take_lock(d)) {
        VM_LOCK_GUARD();
        needs_reset(d);
        return;
    }
    __atomic_store_n(&d->core->error_pending, true, __ATOMIC_SEQ_CST);
    event_notifier_set(&d->core->to_main);
}

void virtio_thread_settle(VirtioDevice *d)
{
    VirtioCore *c = d->core;

    if (c->thread == NULL) {
        return;
    }
    event_notifier_test_and_clear(&c->to_main);
    for (unsigned i = 0; i < c->nqueues; i++) {
        if (__atomic_exchange_n(&c->queues[i]->irq_pending, false,
                                __ATOMIC_SEQ_CST)) {
            raise_vector(c->queues[i]);
        }
    }
    if (__atomic_exchange_n(&c->error_pending, false, __ATOMIC_SEQ_CST)) {
        needs_reset(d);
    }
}

static gboolean handed_over(gint fd, GIOCondition cond, gpointer opaque)
{
    VirtioCore *c = opaque;

    virtio_thread_settle(c->d);
    return G_SOURCE_CONTINUE;
}

/* Life */

bool virtio_set_iothread(VirtioDevice *d, const char *id, GError **errp)
{
    VirtioCore *c = d->core;
    IoThread *t = iothread_find(d->pci.dev.vm->root, id, errp);

    if (t == NULL || !event_notifier_init(&c->to_main, false, errp)) {
        return false;
    }
    c->to_main_source =
        g_unix_fd_add(event_notifier_fd(&c->to_main), G_IO_IN, handed_over, c);
    iothread_claim(t);
    c->thread = t;
    c->host.ram_only = true;
    return true;
}

void virtio_queue_keep_in_main(VirtQueue *vq)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);

    g_assert(!q->doorbell);
    q->main_loop = true;
}

IoThread *virtio_iothread(const VirtioDevice *d)
{
    return d->core->thread;
}

void virtio_thread_fini(VirtioDevice *d)
{
    VirtioCore *c = d->core;

    if (c->thread == NULL) {
        return;
    }
    virtio_thread_stop(d);
    g_source_remove(c->to_main_source);
    event_notifier_fini(&c->to_main);
    iothread_release(g_steal_pointer(&c->thread));
}
