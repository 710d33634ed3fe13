/*
 * Virtqueues: whatever a guest has in its memory, pop gives buffers that lie
 * in that memory or in a bounce buffer of a bounded size, or breaks the queue
 * with one message.
 *
 * The input is laid over the ring: descriptors, avail ring, used ring and an
 * indirect table take turns of it.  The first byte chooses features and what
 * the device does with its elements.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/vq-ring.h"

enum {
    TABLE = 0x8000,
    POPS = 32,
};

/* Every byte can be read and written: a sanitizer sees one that can't. */
static void touch(const VirtQueueElem *e)
{
    size_t out = 0, in = 0;

    for (unsigned i = 0; i < e->nout; i++) {
        const volatile uint8_t *p = e->out[i].iov_base;

        out += e->out[i].iov_len;
        (void)p[0];
        (void)p[e->out[i].iov_len - 1];
    }
    for (unsigned i = 0; i < e->nin; i++) {
        volatile uint8_t *p = e->in[i].iov_base;

        in += e->in[i].iov_len;
        p[0] = 0x5a;
        p[e->in[i].iov_len - 1] = 0x5a;
    }
    if (out != e->out_bytes || in != e->in_bytes) {
        fuzz_fail("%zu and %zu bytes in the lists, %zu and %zu said", out, in,
                  e->out_bytes, e->in_bytes);
    }
    if (e->nout + e->nin > VIRTQUEUE_MAX_SIZE) {
        fuzz_fail("%u pieces", e->nout + e->nin);
    }
}

static void lay_out(TestRing *r, const uint8_t *data, size_t len)
{
    static const struct {
        uint32_t at, max;
    } parts[] = {
        { RING_DESC, 16 * RING_SIZE },
        { RING_AVAIL, 6 + 2 * RING_SIZE },
        { TABLE, 16 * 16 },
        { RING_USED, 6 + 8 * RING_SIZE },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(parts) && len > 0; i++) {
        size_t n = MIN(len, parts[i].max);

        memcpy(ring_ptr(r, parts[i].at), data, n);
        data += n;
        len -= n;
    }
}

static void work(TestRing *r, uint8_t how)
{
    for (unsigned i = 0; i < POPS; i++) {
        VirtQueueElem *e = virtqueue_pop(&r->q);

        if (e == NULL) {
            break;
        }
        touch(e);
        if (how & 8) {
            virtqueue_detach(&r->q, e);
        } else {
            virtqueue_push(&r->q, e, e->in_bytes);
            virtqueue_notify(&r->q);
        }
    }
    virtqueue_has_bytes(&r->q, 1, 1);
    virtqueue_set_notification(&r->q, how & 1);
    virtqueue_rewind(&r->q, 1);
}

/* One VM serves all inputs; memory and queue start over with each. */
static TestRing *fresh_ring(uint64_t features)
{
    static TestRing *r;

    if (r == NULL) {
        r = ring_new(0);
    }
    memset(r->rb->host, 0, 64 * KiB);
    virtqueue_reset(&r->q);
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL, RING_USED);
    r->host.features = features;
    r->host.broken = false;
    r->errors = 0;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t features = 0;
    TestRing *r;

    if (len < 2) {
        return 0;
    }
    features |= data[0] & 1 ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0;
    features |= data[0] & 2 ? UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC : 0;
    features |= data[0] & 4 ? UINT64_C(1) << VIRTIO_F_NOTIFY_ON_EMPTY : 0;
    r = fresh_ring(features);
    lay_out(r, data + 1, len - 1);
    if (data[0] & 16) {
        virtqueue_set_last_avail(&r->q, data[1]);
    }
    work(r, data[0]);
    if (r->errors > 1) {
        fuzz_fail("%u messages for one queue", r->errors);
    }
    return 0;
}
