/*
 * State of the virtio disk.
 *
 * Stream: "virtio-blk" version 2.  Behind the core's part: for each request
 * that failed and waits for the VM to go on: a byte 1; if the device has
 * several queues, its queue's number be32; the element.  Then a byte 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/virtio-blk-priv.h"
#include "util/error.h"

static bool own_put(StreamOut *out, const void *field, size_t size,
                    GError **errp)
{
    const VirtioBlk *s = field;

    for (const GList *l = s->stopped.head; l != NULL; l = l->next) {
        const VblkReq *r = l->data;

        stream_put_u8(out, 1);
        if (s->nqueues > 1) {
            stream_put_be32(out, virtqueue_index(r->q));
        }
        virtqueue_put_elem(out, r->e);
    }
    stream_put_u8(out, 0);
    return true;
}

/* They are begun again when the VM runs: post_load() makes requests of them. */
static bool own_get(StreamIn *in, void *field, size_t size, GError **errp)
{
    VirtioBlk *s = field;

    /* The state of an attempt that was undone is replaced as a whole. */
    vblk_give_up_stopped(s, NULL);
    g_array_set_size(s->loaded, 0);
    while (stream_get_u8(in) != 0) {
        VblkLoaded l = { 0 };

        if (s->nqueues > 1) {
            l.queue = stream_get_be32(in);
        }
        if (!virtqueue_get_elem(in, &l.head, errp)) {
            return false;
        }
        if (l.queue >= s->nqueues) {
            error_setf(errp,
                       "virtio-blk: a request of queue %" PRIu32
                       ", there are %u",
                       l.queue, s->nqueues);
            return false;
        }
        if (s->loaded->len >= s->nqueues * VIRTQUEUE_MAX_SIZE) {
            error_setf(errp, "virtio-blk: more than %u requests",
                       s->loaded->len);
            return false;
        }
        g_array_append_val(s->loaded, l);
    }
    return stream_in_check(in, errp);
}

static const VmstateInfo own_info = { .name = "virtio-blk",
                                      .put = own_put,
                                      .get = own_get };

const Vmstate vblk_own_vmstate = {
    .name = "virtio-blk-device",
    .version = 2,
    .oldest = 2,
    .fields =
        (const VmstateField[]){
            { .name = "requests",
              .kind = VMS_CUSTOM,
              .size = sizeof(VirtioBlk),
              .info = &own_info },
            VMSTATE_END,
        },
};
