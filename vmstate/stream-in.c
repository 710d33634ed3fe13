/*
 * Incoming side of the byte stream.  Everything that comes out of it is
 * hostile; the first error is latched with the offset at which it arose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bswap.h"
#include "util/error.h"
#include "vmstate/stream.h"

enum {
    IN_BUF_SIZE = 64 * 1024,
    /*
     * Room while records are held: each that doesn't fit is parsed twice, and
     * a virtio device's has 45 KiB.
     */
    IN_HELD_SIZE = 512 * 1024,
    /* Reads at least this long go straight to their place. */
    IN_DIRECT_MIN = 2048,
    /* How far ahead one may look; less than the buffer. */
    IN_PEEK_MAX = 1024,
};

struct StreamIn {
    IoChannel *ch;          /* NULL: memory */
    const IoCancel *cancel; /* of waits for it; or NULL */
    const uint8_t *src;     /* buf, or the caller's memory */
    uint8_t *buf;           /* NULL for memory */
    size_t cap;             /* bytes of buf; IN_HELD_SIZE and up */
    size_t pos, end;        /* valid bytes in src: [pos, end) */
    uint64_t base;          /* stream offset of src[0] */
    bool eof;               /* the channel ended cleanly */
    bool held;              /* gets don't wait, and src[start] on is kept */
    bool starved; /* held, and `wanted` bytes from `start` are needed */
    size_t start, wanted;
    GError *err;
    int errnum;
};

static StreamIn *in_new(IoChannel *ch, size_t cap)
{
    StreamIn *s = g_new0(StreamIn, 1);

    s->ch = io_channel_ref(ch);
    s->cap = cap;
    s->buf = g_malloc(s->cap);
    memset(s->buf, 0, s->cap); /* pages that are there when a guest waits */
    s->src = s->buf;
    return s;
}

StreamIn *stream_in_new(IoChannel *ch)
{
    return in_new(ch, IN_HELD_SIZE);
}

StreamIn *stream_in_new_unheld(IoChannel *ch)
{
    return in_new(ch, IN_BUF_SIZE);
}

void stream_in_set_cancel(StreamIn *s, const IoCancel *cancel)
{
    s->cancel = cancel;
}

StreamIn *stream_in_new_mem(const void *buf, size_t len)
{
    StreamIn *s = g_new0(StreamIn, 1);

    s->src = buf;
    s->end = len;
    s->eof = true;
    return s;
}

void stream_in_free(StreamIn *s)
{
    if (s == NULL) {
        return;
    }
    io_channel_unref(s->ch);
    g_free(s->buf);
    g_clear_error(&s->err);
    g_free(s);
}

void stream_in_set_error(StreamIn *s, GError *err)
{
    if (s->err != NULL) {
        g_error_free(err);
        return;
    }
    s->err = err;
    s->errnum = -EIO;
}

uint64_t stream_in_bytes(const StreamIn *s)
{
    return s->base + s->pos;
}

/* Latches "stream ends" at the present offset. */
static void in_cut_short(StreamIn *s, size_t want, size_t got)
{
    if (s->err == NULL && !s->starved) {
        GError *err = NULL;

        error_setf(&err,
                   "stream ends at offset %" PRIu64 ": %zu more bytes expected",
                   stream_in_bytes(s) + got, want - got);
        stream_in_set_error(s, err);
    }
}

static void in_io_error(StreamIn *s, int err)
{
    if (s->err == NULL) {
        io_channel_set_error(s->ch, &s->err, "read", err);
        error_prefix(&s->err, "offset %" PRIu64 ": ",
                     s->base + (uint64_t)s->end);
        s->errnum = err;
    }
}

/* Drops consumed bytes so that the whole buffer can be filled. */
static void in_compact(StreamIn *s)
{
    size_t left = s->end - s->pos;

    if (s->pos == 0) {
        return;
    }
    memmove(s->buf, s->buf + s->pos, left);
    s->base += s->pos;
    s->pos = 0;
    s->end = left;
}

/* As io_channel_readv(), but that a cancel ends the wait. */
static ssize_t in_readv(StreamIn *s, const struct iovec *iov, size_t niov)
{
    if (s->cancel != NULL) {
        int r = io_channel_wait_or_cancel(s->ch, G_IO_IN, s->cancel);

        if (r <= 0) {
            return r < 0 ? r : -ETIMEDOUT;
        }
    }
    return io_channel_readv(s->ch, iov, niov);
}

/* Waits until `want` bytes are buffered; false at the end or an error. */
static bool in_read(StreamIn *s, size_t want)
{
    /* What is no record is read into its place: see stream_get(). */
    const size_t room = s->held ? s->cap : IN_BUF_SIZE;

    while (s->end - s->pos < want) {
        struct iovec iov;
        ssize_t n;

        if (s->eof || s->err != NULL) {
            return false;
        }
        in_compact(s);
        iov.iov_base = s->buf + s->end;
        iov.iov_len = room - s->end;
        n = in_readv(s, &iov, 1);
        if (n == -EINTR) {
            continue;
        }
        if (n < 0) {
            in_io_error(s, n);
            return false;
        }
        if (n == 0) {
            s->eof = true;
            return false;
        }
        s->end += n;
    }
    return true;
}

/* Buffers at least `want` bytes if the stream has them. */
static bool in_fill(StreamIn *s, size_t want)
{
    if (s->starved) {
        return false;
    }
    if (s->held && !s->eof && s->end - s->pos < want) {
        s->starved = true;
        s->wanted = s->pos - s->start + want;
        return false;
    }
    return in_read(s, want);
}

static inline bool in_has(const StreamIn *s, size_t len)
{
    return s->err == NULL && !s->starved && s->end - s->pos >= len;
}

static inline const uint8_t *in_take(StreamIn *s, size_t len)
{
    const uint8_t *p;

    if (unlikely(!in_has(s, len))) {
        if (s->err != NULL) {
            return NULL;
        }
        if (!in_fill(s, len)) {
            in_cut_short(s, len, s->end - s->pos);
            return NULL;
        }
    }
    p = s->src + s->pos;
    s->pos += len;
    return p;
}

const uint8_t *stream_get_run(StreamIn *s, size_t len)
{
    return in_take(s, len);
}

uint8_t stream_get_u8(StreamIn *s)
{
    const uint8_t *p = in_take(s, 1);

    return p != NULL ? *p : 0;
}

uint16_t stream_get_be16(StreamIn *s)
{
    const uint8_t *p = in_take(s, 2);

    return p != NULL ? lduw_be_p(p) : 0;
}

uint32_t stream_get_be32(StreamIn *s)
{
    const uint8_t *p = in_take(s, 4);

    return p != NULL ? ldl_be_p(p) : 0;
}

uint64_t stream_get_be64(StreamIn *s)
{
    const uint8_t *p = in_take(s, 8);

    return p != NULL ? ldq_be_p(p) : 0;
}

/*
 * Reads into `dst` and, in the same call, what follows into the (empty)
 * buffer: a page and the next header cost one system call.
 */
static bool in_get_direct(StreamIn *s, uint8_t *dst, size_t len)
{
    size_t got = 0;

    s->base += s->pos;
    s->pos = 0;
    s->end = 0;
    while (got < len) {
        struct iovec iov[2] = {
            { .iov_base = dst + got, .iov_len = len - got },
            { .iov_base = s->buf, .iov_len = IN_BUF_SIZE },
        };
        ssize_t n = in_readv(s, iov, 2);

        if (n == -EINTR) {
            continue;
        }
        if (n < 0) {
            s->base += got;
            in_io_error(s, n);
            return false;
        }
        if (n == 0) {
            s->eof = true;
            in_cut_short(s, len, got);
            return false;
        }
        if ((size_t)n > len - got) {
            s->end = n - (len - got);
            n = len - got;
        }
        got += n;
    }
    s->base += len;
    return true;
}

bool stream_get(StreamIn *s, void *buf, size_t len)
{
    uint8_t *dst = buf;
    size_t have;

    if (s->err != NULL || s->starved) {
        memset(buf, 0, len);
        return false;
    }
    if (s->held) {
        const uint8_t *p = in_take(s, len);

        if (p == NULL) {
            memset(buf, 0, len);
            return false;
        }
        memcpy(buf, p, len);
        return true;
    }
    have = MIN(s->end - s->pos, len);
    memcpy(dst, s->src + s->pos, have);
    s->pos += have;
    dst += have;
    len -= have;
    if (len == 0) {
        return true;
    }
    if (!s->eof && len >= IN_DIRECT_MIN) {
        if (in_get_direct(s, dst, len)) {
            return true;
        }
    } else {
        const uint8_t *p = in_take(s, len);

        if (p != NULL) {
            memcpy(dst, p, len);
            return true;
        }
    }
    memset(dst, 0, len);
    return false;
}

bool stream_get_str8(StreamIn *s, char buf[256])
{
    uint8_t len = stream_get_u8(s);

    buf[0] = '\0';
    if (!stream_get(s, buf, len)) {
        buf[0] = '\0';
        return false;
    }
    buf[len] = '\0';
    return true;
}

bool stream_skip(StreamIn *s, uint64_t len)
{
    while (len > 0) {
        size_t n = MIN(len, (uint64_t)IN_BUF_SIZE / 2);

        if (in_take(s, n) == NULL) {
            return false;
        }
        len -= n;
    }
    return true;
}

int stream_peek_u8(StreamIn *s, size_t off)
{
    if (unlikely(!in_has(s, off + 1)) &&
        (s->err != NULL || off >= IN_PEEK_MAX || !in_fill(s, off + 1))) {
        return -1;
    }
    return s->src[s->pos + off];
}

void stream_in_hold(StreamIn *s)
{
    s->held = true;
    s->start = s->pos;
}

bool stream_in_starved(const StreamIn *s)
{
    return s->starved;
}

static void G_GNUC_PRINTF(2, 3) in_refuse(StreamIn *s, const char *fmt, ...)
{
    GError *err = NULL;
    va_list ap;

    va_start(ap, fmt);
    err = g_error_new_valist(GODWIT_ERROR, ERROR_CLASS_GENERIC, fmt, ap);
    va_end(ap);
    error_prefix(&err, "offset %" PRIu64 ": a record of ", stream_in_bytes(s));
    stream_in_set_error(s, err);
}

/* Room for the record, whose first byte becomes the buffer's. */
static bool in_reserve(StreamIn *s, size_t bytes)
{
    uint8_t *grown;

    in_compact(s);
    s->start = 0;
    if (bytes <= s->cap) {
        return true;
    }
    bytes = MAX(bytes, s->cap * 2);
    grown = g_try_realloc(s->buf, bytes);
    if (grown == NULL) {
        in_refuse(s, "%zu bytes, for which there is no memory", bytes);
        return false;
    }
    s->buf = grown;
    s->src = grown;
    s->cap = bytes;
    return true;
}

bool stream_in_refill(StreamIn *s, size_t max, unsigned silence_ms)
{
    size_t want = s->wanted;

    s->pos = s->start;
    s->starved = false;
    if (want > max) {
        in_refuse(s, "%zu bytes: at most %zu", want, max);
        return false;
    }
    if (!in_reserve(s, want)) {
        return false;
    }
    io_channel_set_io_timeout(s->ch, silence_ms);
    in_read(s, want);
    io_channel_set_io_timeout(s->ch, 0);
    return s->err == NULL;
}

void stream_in_release(StreamIn *s)
{
    s->held = false;
    s->starved = false;
}

bool stream_in_ended(const StreamIn *s)
{
    return s->eof || s->errnum != 0;
}

int stream_in_error(const StreamIn *s)
{
    return s->errnum;
}

bool stream_in_check(StreamIn *s, GError **errp)
{
    if (likely(in_has(s, 0))) {
        return true;
    }
    if (s->starved) {
        error_setf(errp, "the rest has not arrived yet");
        return false;
    }
    if (errp != NULL) {
        *errp = g_error_copy(s->err);
    }
    return false;
}
