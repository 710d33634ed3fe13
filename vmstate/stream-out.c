/*
 * Outgoing side of the byte stream: gathers small puts and references to
 * guest memory, and writes them with few system calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bswap.h"
#include "util/error.h"
#include "vmstate/stream.h"

enum {
    OUT_BUF_SIZE = 64 * 1024,
    /* The kernel takes 1024 entries a call (UIO_MAXIOV). */
    OUT_IOV_MAX = 1024,
    /* References up to this size are copied: cheaper than an entry. */
    OUT_COPY_MAX = 256,
};

struct StreamOut {
    IoChannel *ch; /* NULL: memory, which is all in buf */
    uint8_t *buf;  /* `cap` bytes; with a channel, which iov points into, it
                      never moves */
    size_t cap, used;
    struct iovec *iov;
    size_t niov;
    bool keep;        /* a write that times out makes the stream late */
    GByteArray *late; /* not NULL: what is still to be written, all of it */
    uint64_t total;   /* bytes put since the start */
    uint64_t written; /* of these, bytes that the channel has taken */
    GError *err;      /* first error */
    int errnum;       /* its -errno, -EIO if unknown */
};

StreamOut *stream_out_new(IoChannel *ch)
{
    StreamOut *s = g_new0(StreamOut, 1);

    s->cap = OUT_BUF_SIZE;
    s->buf = g_malloc(s->cap);
    if (ch != NULL) {
        s->ch = io_channel_ref(ch);
        s->iov = g_new(struct iovec, OUT_IOV_MAX);
    }
    return s;
}

void stream_out_free(StreamOut *s)
{
    if (s == NULL) {
        return;
    }
    io_channel_unref(s->ch);
    if (s->late != NULL) {
        g_byte_array_unref(s->late);
    }
    g_free(s->buf);
    g_free(s->iov);
    g_clear_error(&s->err);
    g_free(s);
}

void stream_out_set_error(StreamOut *s, GError *err)
{
    if (s->err != NULL) {
        g_error_free(err);
        return;
    }
    s->err = err;
    s->errnum = -EIO;
}

/* Skips n bytes of the entries from the i-th on; returns the next to write. */
static size_t out_advance(StreamOut *s, size_t i, size_t n)
{
    while (i < s->niov && n >= s->iov[i].iov_len) {
        n -= s->iov[i++].iov_len;
    }
    if (i < s->niov) {
        s->iov[i].iov_base = (uint8_t *)s->iov[i].iov_base + n;
        s->iov[i].iov_len -= n;
    }
    return i;
}

static void out_become_late(StreamOut *s, size_t i)
{
    s->late = g_byte_array_new();
    for (; i < s->niov; i++) {
        g_byte_array_append(s->late, s->iov[i].iov_base, s->iov[i].iov_len);
    }
}

/* One write to a channel that blocks; counts what it took. */
static ssize_t out_writev(StreamOut *s, const struct iovec *iov, size_t niov)
{
    ssize_t n = io_channel_writev(s->ch, iov, niov);

    if (n > 0) {
        s->written += n;
    }
    return n;
}

static bool out_write(StreamOut *s, GError **errp)
{
    size_t i = 0;

    while (i < s->niov) {
        ssize_t n = out_writev(s, s->iov + i, s->niov - i);

        if (n == -ETIMEDOUT && s->keep) {
            out_become_late(s, i);
            return true;
        }
        if (n < 0) {
            io_channel_set_error(s->ch, errp, "write", n);
            return false;
        }
        i = out_advance(s, i, n);
    }
    return true;
}

/* What was kept; after a failure nothing more can be written anyway. */
static bool out_write_late(StreamOut *s, GError **errp)
{
    struct iovec iov = { .iov_base = s->late->data, .iov_len = s->late->len };

    while (iov.iov_len > 0) {
        ssize_t n = out_writev(s, &iov, 1);

        if (n < 0) {
            io_channel_set_error(s->ch, errp, "write", n);
            return false;
        }
        iov.iov_base = (uint8_t *)iov.iov_base + n;
        iov.iov_len -= n;
    }
    return true;
}

bool stream_out_flush(StreamOut *s, GError **errp)
{
    GError *err = NULL;

    if (s->ch == NULL) {
        return stream_out_check(s, errp); /* all is where it shall be */
    }
    if (s->err == NULL && s->late == NULL && !out_write(s, &err)) {
        stream_out_set_error(s, err);
    }
    s->niov = 0;
    s->used = 0;
    return stream_out_check(s, errp);
}

void stream_out_keep_late(StreamOut *s, bool keep)
{
    s->keep = keep;
}

bool stream_out_is_late(const StreamOut *s)
{
    return s->late != NULL;
}

bool stream_out_catch_up(StreamOut *s, GError **errp)
{
    GError *err = NULL;

    if (s->late != NULL && s->err == NULL && !out_write_late(s, &err)) {
        stream_out_set_error(s, err);
    }
    if (s->late != NULL) {
        g_byte_array_unref(s->late);
        s->late = NULL;
    }
    return stream_out_check(s, errp);
}

/* Makes room for `len` more buffered bytes and one more entry. */
static bool out_room(StreamOut *s, size_t len)
{
    if (s->err != NULL) {
        return false;
    }
    if (s->used + len > OUT_BUF_SIZE || s->niov == OUT_IOV_MAX) {
        return stream_out_flush(s, NULL);
    }
    return true;
}

/* Counts `len` bytes at the end of buf as put. */
static void out_commit(StreamOut *s, size_t len)
{
    uint8_t *start = s->buf + s->used;
    struct iovec *last = s->niov > 0 ? &s->iov[s->niov - 1] : NULL;

    if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == start) {
        last->iov_len += len;
    } else {
        s->iov[s->niov++] = (struct iovec){ .iov_base = start, .iov_len = len };
    }
    s->used += len;
    s->total += len;
}

static void out_keep(StreamOut *s, const void *data, size_t len)
{
    if (s->err == NULL) {
        g_byte_array_append(s->late, data, len);
        s->total += len;
    }
}

static void out_grow(StreamOut *s, size_t len)
{
    s->cap = MAX(s->used + len, 2 * s->cap);
    s->buf = g_realloc(s->buf, s->cap);
}

/* Devices are saved so in a switch-over, field by field. */
static inline void out_to_memory(StreamOut *s, const void *data, size_t len)
{
    if (s->err != NULL || len == 0) {
        return; /* data may be NULL then, which memcpy() may not be given */
    }
    if (unlikely(s->cap - s->used < len)) {
        out_grow(s, len);
    }
    memcpy(s->buf + s->used, data, len);
    s->used += len;
    s->total += len;
}

uint8_t *stream_put_room(StreamOut *s, size_t len)
{
    uint8_t *to;

    if (s->ch != NULL || s->err != NULL) {
        return NULL;
    }
    if (unlikely(s->cap - s->used < len)) {
        out_grow(s, len);
    }
    to = s->buf + s->used;
    s->used += len;
    s->total += len;
    return to;
}

static inline void out_small(StreamOut *s, const void *data, size_t len)
{
    if (s->ch == NULL) {
        out_to_memory(s, data, len);
        return;
    }
    if (!out_room(s, len)) {
        return;
    }
    if (s->late != NULL) {
        out_keep(s, data, len);
        return;
    }
    memcpy(s->buf + s->used, data, len);
    out_commit(s, len);
}

void stream_put_u8(StreamOut *s, uint8_t v)
{
    out_small(s, &v, sizeof(v));
}

void stream_put_be16(StreamOut *s, uint16_t v)
{
    uint8_t b[2];

    stw_be_p(b, v);
    out_small(s, b, sizeof(b));
}

void stream_put_be32(StreamOut *s, uint32_t v)
{
    uint8_t b[4];

    stl_be_p(b, v);
    out_small(s, b, sizeof(b));
}

void stream_put_be64(StreamOut *s, uint64_t v)
{
    uint8_t b[8];

    stq_be_p(b, v);
    out_small(s, b, sizeof(b));
}

void stream_put(StreamOut *s, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    if (s->ch == NULL) {
        out_to_memory(s, buf, len);
        return;
    }
    while (len > 0 && s->err == NULL) {
        size_t n = MIN(len, (size_t)OUT_BUF_SIZE);

        out_small(s, p, n);
        p += n;
        len -= n;
    }
}

void stream_put_str8(StreamOut *s, const char *str)
{
    size_t len = MIN(strlen(str), (size_t)UINT8_MAX);

    stream_put_u8(s, len);
    stream_put(s, str, len);
}

void stream_put_ref(StreamOut *s, const void *buf, size_t len)
{
    struct iovec *last;

    if (s->ch == NULL || len <= OUT_COPY_MAX) {
        stream_put(s, buf, len);
        return;
    }
    if (!out_room(s, 0)) {
        return;
    }
    if (s->late != NULL) {
        out_keep(s, buf, len);
        return;
    }
    last = s->niov > 0 ? &s->iov[s->niov - 1] : NULL;
    if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == buf) {
        last->iov_len += len;
    } else {
        s->iov[s->niov++] =
            (struct iovec){ .iov_base = (void *)buf, .iov_len = len };
    }
    s->total += len;
}

int stream_out_error(const StreamOut *s)
{
    return s->errnum;
}

bool stream_out_check(StreamOut *s, GError **errp)
{
    if (s->err == NULL) {
        return true;
    }
    if (errp != NULL) {
        *errp = g_error_copy(s->err);
    }
    return false;
}

uint64_t stream_out_bytes(const StreamOut *s)
{
    return s->total;
}

uint64_t stream_out_written(const StreamOut *s)
{
    return s->written;
}

const uint8_t *stream_out_data(const StreamOut *s, size_t *ret_len)
{
    *ret_len = s->used;
    return s->buf;
}

void stream_out_reset(StreamOut *s)
{
    s->used = 0;
    s->total = 0;
    s->errnum = 0;
    g_clear_error(&s->err);
}
