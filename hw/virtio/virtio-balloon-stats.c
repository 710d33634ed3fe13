/*
 * The memory balloon's statistics: the host keeps a buffer of the guest's and
 * gives it back when it wants to be told anew.
 * (Virtual I/O Device 1.2, section 5.5.6.3.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-balloon-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    STAT_BYTES = 10, /* tag, 16 bits; value, 64 */
    MAX_STATS = 64,  /* in a buffer; the rest is not looked at */
};

static VirtioBalloon *of_object(Object *obj)
{
    return container_of(obj, VirtioBalloon, vdev.pci.dev.obj);
}

static const char *const stat_names[BALLOON_NSTATS] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
    [VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
    [VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
    [VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
};

static void ask_later(VirtioBalloon *b)
{
    int64_t now = clock_get_ns(b->vdev.pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);

    timer_mod(&b->poll, now + (int64_t)b->poll_s * NS_PER_S);
}

/* The guest gets its buffer back, fills it and offers it again. */
static void stats_ask(void *opaque)
{
    VirtioBalloon *b = opaque;
    VirtQueueElem *e = b->stats_elem;

    if (e == NULL || !virtio_running(&b->vdev)) {
        ask_later(b); /* it is at it still */
        return;
    }
    b->stats_elem = NULL;
    virtqueue_push(b->statsq, e, 0);
    virtqueue_notify(b->statsq);
}

void balloon_stats_clear(VirtioBalloon *b)
{
    for (unsigned i = 0; i < BALLOON_NSTATS; i++) {
        b->stats[i] = UINT64_MAX;
    }
}

static void take_stats(VirtioBalloon *b, const VirtQueueElem *e)
{
    uint8_t stat[STAT_BYTES];

    balloon_stats_clear(b);
    for (unsigned i = 0; i < MAX_STATS; i++) {
        if (iov_to_buf(e->out, e->nout, (size_t)i * STAT_BYTES, stat,
                       STAT_BYTES) != STAT_BYTES) {
            break;
        }
        if (lduw_le_p(stat) < BALLOON_NSTATS) {
            b->stats[lduw_le_p(stat)] = ldq_le_p(stat + 2);
        }
    }
    b->stats_time = g_get_real_time() / G_USEC_PER_SEC;
}

void balloon_stats_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioBalloon *b = balloon_of(d);
    VirtQueueElem *e = virtqueue_pop(q);

    if (e == NULL) {
        return;
    }
    if (b->stats_elem != NULL) {
        /* One is enough; drivers that offer more get the older back. */
        virtqueue_push(q, b->stats_elem, 0);
        virtqueue_notify(q);
    }
    b->stats_elem = e;
    take_stats(b, e);
    if (b->poll_s > 0) {
        ask_later(b);
    }
}

JsonValue *balloon_get_stats(Object *obj, const Property *p, GError **errp)
{
    VirtioBalloon *b = of_object(obj);
    JsonValue *stats = json_object_new();
    JsonValue *v = json_object_new();

    for (unsigned i = 0; i < BALLOON_NSTATS; i++) {
        json_object_set_uint(stats, stat_names[i], b->stats[i]);
    }
    json_object_set(v, "stats", stats);
    json_object_set_int(v, "last-update", b->stats_time);
    return v;
}

JsonValue *balloon_get_interval(Object *obj, const Property *p, GError **errp)
{
    return json_int_new(of_object(obj)->poll_s);
}

bool balloon_set_interval(Object *obj, const Property *p, const JsonValue *val,
                          GError **errp)
{
    const Property parser = { .name = p->name,
                              .kind = PROP_I64,
                              .offset = offsetof(VirtioBalloon, parsed) };
    VirtioBalloon *b = of_object(obj);
    int64_t s;

    if (!object_prop_store(obj, &parser, val, errp)) {
        return false;
    }
    s = b->parsed;
    if (s < 0) {
        error_setf(errp, "timer value must be greater than zero");
        return false;
    }
    if (s > UINT32_MAX) {
        error_setf(errp, "timer value is too big");
        return false;
    }
    if (b->poll_s != s) {
        b->poll_s = s;
        balloon_stats_start(b);
    }
    return true;
}

void balloon_stats_start(VirtioBalloon *b)
{
    if (b->statsq == NULL) {
        return; /* isn't realized yet */
    }
    if (b->poll_s > 0) {
        ask_later(b);
    } else {
        timer_del(&b->poll);
    }
}

void balloon_stats_init(VirtioBalloon *b)
{
    timer_init(&b->poll, b->vdev.pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL,
               stats_ask, b);
}

void balloon_stats_fini(VirtioBalloon *b)
{
    timer_del(&b->poll);
}
