/*
 * Elements in a migration: chains that a device holds while the VM stands.
 *
 * On the wire an element is a struct of a 64-bit program: index le32, pieces
 * to read le32, pieces to fill le32, padding; 1024 guest addresses to fill and
 * 1024 to read, le64 each; the same in pairs of host address and length.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtqueue-priv.h"
#include "util/bswap.h"

enum {
    ELEM_INDEX = 0,
    ELEM_NOUT = 4,
    ELEM_NIN = 8,
    ELEM_IN_ADDR = 16,
    ELEM_OUT_ADDR = ELEM_IN_ADDR + 8 * VIRTQUEUE_MAX_SIZE,
    ELEM_IN_IOV = ELEM_OUT_ADDR + 8 * VIRTQUEUE_MAX_SIZE,
    ELEM_OUT_IOV = ELEM_IN_IOV + 16 * VIRTQUEUE_MAX_SIZE,
    ELEM_BYTES = ELEM_OUT_IOV + 16 * VIRTQUEUE_MAX_SIZE,
};

void virtqueue_put_elem(StreamOut *out, const VirtQueueElem *elem)
{
    const VqElem *e = container_of(elem, const VqElem, pub);
    g_autofree uint8_t *buf = g_malloc0(ELEM_BYTES);
    /* The device may have shortened its lists: the segments are all of it. */
    unsigned nout = e->first_in, nin = e->n - nout;

    stl_le_p(buf + ELEM_INDEX, elem->head);
    stl_le_p(buf + ELEM_NOUT, nout);
    stl_le_p(buf + ELEM_NIN, nin);
    for (unsigned i = 0; i < e->n && i < VIRTQUEUE_MAX_SIZE; i++) {
        const VqSeg *s = &e->segs[i];
        bool in = i >= nout;
        unsigned k = in ? i - nout : i;

        stq_le_p(buf + (in ? ELEM_IN_ADDR : ELEM_OUT_ADDR) + 8 * k, s->gpa);
        stq_le_p(buf + (in ? ELEM_IN_IOV : ELEM_OUT_IOV) + 16 * k + 8, s->len);
    }
    stream_put(out, buf, ELEM_BYTES);
}

bool virtqueue_get_elem(StreamIn *in, uint32_t *ret_head, GError **errp)
{
    g_autofree uint8_t *buf = g_malloc(ELEM_BYTES);

    if (!stream_get(in, buf, ELEM_BYTES)) {
        return stream_in_check(in, errp);
    }
    *ret_head = ldl_le_p(buf + ELEM_INDEX);
    return true;
}
