/*
 * Channels in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/channel-priv.h"
#include "io/file.h"

typedef struct IoChannelBuffer {
    IoChannel ch;
    GByteArray *data; /* NULL once closed */
    size_t pos;       /* next byte to read; up to data->len */
} IoChannelBuffer;

static ssize_t buffer_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                            int *fds, size_t *nfds, bool dontwait)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        size_t n = MIN(iov[i].iov_len, b->data->len - b->pos);

        if (n) {
            memcpy(iov[i].iov_base, b->data->data + b->pos, n);
        }
        b->pos += n;
        total += n;
    }
    return total;
}

static ssize_t buffer_writev(IoChannel *ch, const struct iovec *iov,
                             size_t niov, const int *fds, size_t nfds,
                             bool dontwait)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        /* GByteArray counts in guint and aborts beyond. */
        if (iov[i].iov_len > G_MAXINT - b->data->len) {
            return total ? total : -EFBIG;
        }
        g_byte_array_append(b->data, iov[i].iov_base, iov[i].iov_len);
        total += iov[i].iov_len;
    }
    return total;
}

static int64_t buffer_seek(IoChannel *ch, int64_t off, int whence)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);
    int64_t base = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)b->pos
                                        : (int64_t)b->data->len;

    if (off < -base || off > (int64_t)b->data->len - base) {
        return -EINVAL;
    }
    b->pos = base + off;
    return b->pos;
}

static ssize_t buffer_preadv(IoChannel *ch, const struct iovec *iov,
                             size_t niov, uint64_t off)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);
    size_t pos = b->pos;
    ssize_t n;

    b->pos = MIN(off, (uint64_t)b->data->len);
    n = buffer_readv(ch, iov, niov, NULL, NULL, true);
    b->pos = pos;
    return n;
}

static ssize_t buffer_pwritev(IoChannel *ch, const struct iovec *iov,
                              size_t niov, uint64_t off)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        guint old = b->data->len;
        uint64_t end;

        if (__builtin_add_overflow(off, iov[i].iov_len, &end) ||
            end > G_MAXINT) {
            return total ? total : -EFBIG;
        }
        if (end > old) {
            g_byte_array_set_size(b->data, end);
            memset(b->data->data + old, 0, end - old);
        }
        if (iov[i].iov_len) {
            memcpy(b->data->data + off, iov[i].iov_base, iov[i].iov_len);
        }
        off = end;
        total += iov[i].iov_len;
    }
    return total;
}

static bool buffer_close(IoChannel *ch, GError **errp)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);

    g_clear_pointer(&b->data, g_byte_array_unref);
    b->pos = 0;
    return true;
}

static const IoChannelOps buffer_ops = {
    .size = sizeof(IoChannelBuffer),
    .readv = buffer_readv,
    .writev = buffer_writev,
    .close = buffer_close,
    .seek = buffer_seek,
    .preadv = buffer_preadv,
    .pwritev = buffer_pwritev,
};

IoChannel *io_channel_new_buffer(const void *data, size_t len)
{
    IoChannelBuffer *b = io_channel_alloc(
        &buffer_ops, IO_FEATURE_SEEKABLE | IO_FEATURE_BIDIRECTIONAL, "buffer");

    b->data = g_byte_array_new();
    if (len) {
        g_byte_array_append(b->data, data, len);
    }
    return &b->ch;
}

const void *io_channel_buffer_data(IoChannel *ch, size_t *ret_len)
{
    IoChannelBuffer *b = container_of(ch, IoChannelBuffer, ch);

    *ret_len = b->data ? b->data->len : 0;
    return b->data ? b->data->data : NULL;
}
