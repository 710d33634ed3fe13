/*
 * Character devices: output that waits for a slow peer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"

/* Bytes given to a back end at once: what is taken is moved off the front. */
enum { QUEUE_CHUNK = 64 * 1024 };

void chardev_queue_init(ChardevQueue *q, Chardev *cd,
                        void (*drained)(void *opaque), void *opaque)
{
    *q = (ChardevQueue){ .cd = cd, .drained = drained, .opaque = opaque };
    q->text = g_string_new(NULL);
}

void chardev_queue_clear(ChardevQueue *q)
{
    if (q->watch) {
        chardev_del_watch(q->cd, q->watch);
        q->watch = 0;
    }
    g_string_truncate(q->text, 0);
}

void chardev_queue_fini(ChardevQueue *q)
{
    if (q->text) {
        chardev_queue_clear(q);
        g_string_free(q->text, true);
        q->text = NULL;
    }
}

static void queue_flush(void *opaque)
{
    ChardevQueue *q = opaque;
    size_t done = 0;
    bool waited = q->watch != 0;

    q->watch = 0;
    while (done < q->text->len) {
        int n = chardev_write(q->cd, q->text->str + done,
                              MIN(q->text->len - done, (size_t)QUEUE_CHUNK));

        if (n < 0) {
            done = q->text->len; /* the peer is gone */
        } else if (n == 0) {
            q->watch = chardev_add_write_watch(q->cd, queue_flush, q);
            break;
        } else {
            done += n;
        }
    }
    g_string_erase(q->text, 0, done);
    if (waited && !q->watch && q->drained) {
        q->drained(q->opaque);
    }
}

void chardev_queue_put(ChardevQueue *q, const void *buf, size_t len)
{
    g_string_append_len(q->text, buf, len);
    if (!q->watch) {
        queue_flush(q);
    }
}
