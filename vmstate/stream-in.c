/*
 * Incoming side of the byte stream.  Everything that comes out of it is
 * hostile; the first error is latched with the offset at which it arose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "vmstate/stream.h"

enum {
    IN_BUF_SIZE = 64 * 1024,
    /* Reads at least this long go straight to their place. */
    IN_DIRECT_MIN = 2048,
};

struct StreamIn {
    IoChannel *ch;      /* NULL: memory */
    const uint8_t *src; /* buf, or the caller's memory */
    uint8_t *buf;       /* IN_BUF_SIZE; NULL for memory */
    size_t pos, end;    /* valid bytes in src: [pos, end) */
    uint64_t base;      /* stream offset of src[0] */
    bool eof;           /* the channel ended cleanly */
    GError *err;
    int errnum;
};

StreamIn *stream_in_new(IoChannel *ch)
{
    StreamIn *s = g_new0(StreamIn, 1);

    s->ch = io_channel_ref(ch);
    s->buf = g_malloc(IN_BUF_SIZE);
    s->src = s->buf;
    return s;
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
    if (s->err == NULL) {
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

/* Buffers at least `want` bytes if the stream has them. */
/*
 * Devices are loaded under the device lock, which nobody may keep while a
 * source takes its time: it is let go until there is something to read.
 */
NO_TSA static void in_wait(StreamIn *s)
{
    if (vm_lock_held() && io_channel_wait(s->ch, G_IO_IN, 0) == 0) {
        vm_lock_release();
        io_channel_wait(s->ch, G_IO_IN, -1);
        vm_lock_acquire();
    }
}

static bool in_fill(StreamIn *s, size_t want)
{
    while (s->end - s->pos < want) {
        ssize_t n;

        if (s->eof || s->err != NULL) {
            return false;
        }
        in_compact(s);
        in_wait(s);
        n = io_channel_read(s->ch, s->buf + s->end, IN_BUF_SIZE - s->end);
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

static const uint8_t *in_take(StreamIn *s, size_t len)
{
    const uint8_t *p;

    if (s->err != NULL) {
        return NULL;
    }
    if (!in_fill(s, len)) {
        in_cut_short(s, len, s->end - s->pos);
        return NULL;
    }
    p = s->src + s->pos;
    s->pos += len;
    return p;
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
        ssize_t n;

        in_wait(s);
        n = io_channel_readv(s->ch, iov, 2);

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

    if (s->err != NULL) {
        memset(buf, 0, len);
        return false;
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
        const uint8_t *p;

        while (len > IN_BUF_SIZE / 2 && (p = in_take(s, IN_BUF_SIZE / 2))) {
            memcpy(dst, p, IN_BUF_SIZE / 2);
            dst += IN_BUF_SIZE / 2;
            len -= IN_BUF_SIZE / 2;
        }
        p = in_take(s, len);
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
    if (s->err != NULL || off >= IN_BUF_SIZE || !in_fill(s, off + 1)) {
        return -1;
    }
    return s->src[s->pos + off];
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
    if (s->err == NULL) {
        return true;
    }
    if (errp != NULL) {
        *errp = g_error_copy(s->err);
    }
    return false;
}
