/*
 * Character devices: the last bytes written, kept in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"
#include "util/error.h"

typedef struct ChardevRingbuf {
    Chardev cd;
    uint64_t size; /* bytes; a power of two */
    /* cd.out_lock */
    uint8_t *buf;
    uint64_t head; /* bytes ever written */
    uint64_t tail; /* bytes ever read or lost */
} ChardevRingbuf;

static bool ringbuf_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevRingbuf *r = container_of(cd, ChardevRingbuf, cd);

    r->size = 65536;
    if (!keyval_get_size(kv, "size", 1, &r->size, errp)) {
        return false;
    }
    if (!is_pow2(r->size) || r->size > GiB) {
        error_setf(errp,
                   "size of ringbuf chardev must be power of two up to 1 GiB, "
                   "not %" PRIu64,
                   r->size);
        return false;
    }
    return true;
}

static bool ringbuf_start(Chardev *cd, GError **errp)
{
    ChardevRingbuf *r = container_of(cd, ChardevRingbuf, cd);

    r->buf = g_try_malloc(r->size);
    if (!r->buf) {
        error_setf(errp, "chardev '%s': no memory for %" PRIu64 " bytes",
                   cd->label, r->size);
        return false;
    }
    chardev_set_open(cd, true);
    return true;
}

static int ringbuf_write(Chardev *cd, const uint8_t *buf, int len)
{
    ChardevRingbuf *r = container_of(cd, ChardevRingbuf, cd);

    for (int i = 0; i < len; i++) {
        r->buf[r->head++ & (r->size - 1)] = buf[i];
    }
    if (r->head - r->tail > r->size) {
        r->tail = r->head - r->size;
    }
    return len;
}

static void ringbuf_fini(Chardev *cd)
{
    g_free(container_of(cd, ChardevRingbuf, cd)->buf);
}

const ChardevOps chardev_ringbuf_ops = {
    .type = "ringbuf",
    .size = sizeof(ChardevRingbuf),
    .parse = ringbuf_parse,
    .start = ringbuf_start,
    .fini = ringbuf_fini,
    .write = ringbuf_write,
};

static bool ringbuf_check(const Chardev *cd, GError **errp)
{
    if (cd->ops != &chardev_ringbuf_ops) {
        error_setf(errp, "%s is not a ringbuf device", cd->label);
        return false;
    }
    return true;
}

GByteArray *chardev_ringbuf_read(Chardev *cd, size_t size, GError **errp)
{
    ChardevRingbuf *r = container_of(cd, ChardevRingbuf, cd);
    GByteArray *out;
    size_t n;

    if (!ringbuf_check(cd, errp)) {
        return NULL;
    }
    LOCK_GUARD(&cd->out_lock);
    n = MIN(size, r->head - r->tail);
    out = g_byte_array_sized_new(n);
    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(out, &r->buf[r->tail++ & (r->size - 1)], 1);
    }
    return out;
}

bool chardev_ringbuf_write(Chardev *cd, const void *buf, size_t len,
                           GError **errp)
{
    if (!ringbuf_check(cd, errp)) {
        return false;
    }
    if (len > INT_MAX) {
        error_setf(errp, "%s: %zu bytes are too many", cd->label, len);
        return false;
    }
    chardev_write(cd, buf, len);
    return true;
}
