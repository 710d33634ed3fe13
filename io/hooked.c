/*
 * Channels whose bytes somebody else reads and writes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/hooked.h"

#include "io/channel-priv.h"

typedef struct IoChannelHooked {
    IoChannel ch;
    const IoHooks *hooks;
    void *opaque;
} IoChannelHooked;

static ssize_t hooked_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                            int *fds, size_t *nfds, bool dontwait)
{
    IoChannelHooked *h = container_of(ch, IoChannelHooked, ch);
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        ssize_t n =
            h->hooks->read != NULL
                ? h->hooks->read(h->opaque, iov[i].iov_base, iov[i].iov_len)
                : -EBADF;

        if (n < 0) {
            return total > 0 ? total : n;
        }
        total += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return total;
}

static ssize_t hooked_writev(IoChannel *ch, const struct iovec *iov,
                             size_t niov, const int *fds, size_t nfds,
                             bool dontwait)
{
    IoChannelHooked *h = container_of(ch, IoChannelHooked, ch);
    ssize_t total = 0;

    for (size_t i = 0; i < niov; i++) {
        ssize_t n =
            h->hooks->write != NULL
                ? h->hooks->write(h->opaque, iov[i].iov_base, iov[i].iov_len)
                : -EBADF;

        if (n < 0) {
            return total > 0 ? total : n;
        }
        total += n;
        if ((size_t)n < iov[i].iov_len) {
            break;
        }
    }
    return total;
}

static bool hooked_close(IoChannel *ch, GError **errp)
{
    return true;
}

static const IoChannelOps hooked_ops = {
    .size = sizeof(IoChannelHooked),
    .readv = hooked_readv,
    .writev = hooked_writev,
    .close = hooked_close,
};

IoChannel *io_channel_new_hooked(const IoHooks *hooks, void *opaque,
                                 const char *name)
{
    IoChannelHooked *h = io_channel_alloc(&hooked_ops, 0, name);

    h->hooks = hooks;
    h->opaque = opaque;
    return &h->ch;
}
