/*
 * filter-buffer: keeps packets and lets them go every `interval` microseconds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/filter.h"

#include "system/vm.h"
#include "util/error.h"

typedef struct FilterBuffer {
    NetFilter f;
    uint32_t interval_us;
    Timer timer;
    NetQueue queues[2];
    bool releasing; /* the time has come, and somebody said "later" */
} FilterBuffer;

static FilterBuffer *buffer_of(NetFilter *f)
{
    return container_of(f, FilterBuffer, f);
}

static int64_t buffer_now(FilterBuffer *b)
{
    return clock_get_ns(networks_vm(b->f.port->nets)->clocks,
                        CLOCK_TYPE_VIRTUAL);
}

static NetVerdict buffer_packet(NetFilter *f, NetDirection dir,
                                const NetPacket *pkt)
{
    /* A full buffer is a wire that loses. */
    net_queue_push(&buffer_of(f)->queues[dir == NET_DIRECTION_TX], pkt);
    return NET_TAKEN;
}

typedef struct BufferRelease {
    NetFilter *f;
    NetDirection dir;
} BufferRelease;

static bool release_packet(void *opaque, const NetPacket *pkt)
{
    BufferRelease *r = opaque;

    return net_filters_run(r->f->port, r->f, r->dir, pkt);
}

static void buffer_release(FilterBuffer *b)
{
    BufferRelease rx = { &b->f, NET_DIRECTION_RX };
    BufferRelease tx = { &b->f, NET_DIRECTION_TX };
    bool rx_done = net_queue_flush(&b->queues[0], release_packet, &rx);
    bool tx_done = net_queue_flush(&b->queues[1], release_packet, &tx);

    b->releasing = !rx_done || !tx_done;
}

static void buffer_tick(void *opaque)
{
    FilterBuffer *b = opaque;

    buffer_release(b);
    timer_mod(&b->timer, buffer_now(b) + b->interval_us * NS_PER_US);
}

static void buffer_resume(NetFilter *f)
{
    if (buffer_of(f)->releasing) {
        buffer_release(buffer_of(f));
    }
}

static void buffer_status_changed(NetFilter *f)
{
    FilterBuffer *b = buffer_of(f);

    if (f->on) {
        timer_mod(&b->timer, buffer_now(b) + b->interval_us * NS_PER_US);
    } else {
        timer_del(&b->timer);
        buffer_release(b);
    }
}

static bool buffer_start(NetFilter *f, GError **errp)
{
    FilterBuffer *b = buffer_of(f);

    if (b->interval_us == 0) {
        error_setf(errp, "Parameter 'interval' expects a non-zero interval");
        return false;
    }
    timer_init(&b->timer, networks_vm(f->port->nets)->clocks,
               CLOCK_TYPE_VIRTUAL, buffer_tick, b);
    if (f->on) {
        buffer_status_changed(f);
    }
    return true;
}

static void buffer_stop(NetFilter *f)
{
    FilterBuffer *b = buffer_of(f);

    timer_del(&b->timer);
    buffer_release(b);
    net_queue_clear(&b->queues[0]);
    net_queue_clear(&b->queues[1]);
}

static const NetFilterOps buffer_ops = {
    .packet = buffer_packet,
    .resume = buffer_resume,
    .start = buffer_start,
    .stop = buffer_stop,
    .status_changed = buffer_status_changed,
};

static void buffer_init(Object *obj)
{
    container_of(obj, FilterBuffer, f.obj)->f.ops = &buffer_ops;
}

static const Property buffer_props[] = {
    NET_FILTER_PROPS(FilterBuffer),
    PROP(PROP_U32, FilterBuffer, interval_us, "interval"),
    PROP_END,
};

const ObjectType net_filter_buffer_type = {
    .name = "filter-buffer",
    .parent = "netfilter",
    .size = sizeof(FilterBuffer),
    .props = buffer_props,
    .user_creatable = true,
    .init = buffer_init,
    .complete = net_filter_complete,
    .fini = net_filter_fini,
};
