/*
 * What a kind of channel implements; for io/ (and TLS on top of a channel).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_CHANNEL_PRIV_H
#define IO_CHANNEL_PRIV_H

#include "io/channel.h"

/*
 * readv and writev move what they can; with @dontwait they must not block,
 * else they may (then a shutdown has to unblock them).  NULL members mean
 * that the channel has no such thing.
 */
struct IoChannelOps {
    size_t size; /* of the struct that embeds IoChannel first */
    ssize_t (*readv)(IoChannel *ch, const struct iovec *iov, size_t niov,
                     int *fds, size_t *nfds, bool dontwait);
    ssize_t (*writev)(IoChannel *ch, const struct iovec *iov, size_t niov,
                      const int *fds, size_t nfds, bool dontwait);
    /* It has bytes to be read, whatever the descriptor says; NULL: never. */
    bool (*pending)(IoChannel *ch);
    int (*shutdown)(IoChannel *ch, IoShutdown how);
    bool (*close)(IoChannel *ch, GError **errp);
    /* Frees what is left of a closed one; may be NULL. */
    void (*fini)(IoChannel *ch);
    int (*set_blocking)(IoChannel *ch, bool blocking);
    int (*set_nodelay)(IoChannel *ch, bool on);
    int (*set_cork)(IoChannel *ch, bool on);
    int64_t (*seek)(IoChannel *ch, int64_t off, int whence);
    ssize_t (*preadv)(IoChannel *ch, const struct iovec *iov, size_t niov,
                      uint64_t off);
    ssize_t (*pwritev)(IoChannel *ch, const struct iovec *iov, size_t niov,
                       uint64_t off);
    int (*fd)(const IoChannel *ch, GIOCondition cond);
};

struct IoChannel {
    const IoChannelOps *ops;
    gint refs;       /* atomic */
    gint shut;       /* IO_SHUTDOWN_* done here; atomic */
    gint timeout_ms; /* atomic; 0: none */
    /* Of reading and of writing; atomic (__atomic_*); 0: none. */
    gint64 deadline_us[2];
    unsigned spin_us; /* owner only */
    unsigned nunread; /* reader only: bytes of unread[] that come first */
    uint8_t unread[IO_UNREAD_MAX];
    unsigned features; /* IO_FEATURE_*; constant after creation */
    bool blocking;     /* owner only */
    bool closed;       /* owner only */
    int wake_fd[2];    /* eventfds raised by a shutdown of reading and of
                            writing, or -1 */
    char *name;
};

/* A zeroed channel of @ops->size bytes, one reference, blocking. */
gpointer io_channel_alloc(const IoChannelOps *ops, unsigned features,
                          const char *name);
/* It can be read at once, whatever the descriptor says. */
bool io_channel_has_pending(IoChannel *ch);
/*
 * Waits for what poll() may say of the writing descriptor (@events, and errors
 * in any case), within the limits of writes.  0 or -errno, as -ETIMEDOUT.
 */
int io_channel_wait_events(IoChannel *ch, short events);
/* For kinds whose descriptors know no shutdown(2).  0 or -errno. */
int io_channel_init_wake_fds(IoChannel *ch);

/* Sets or clears O_NONBLOCK; 0 or -errno. */
int io_fd_set_nonblock(int fd, bool nonblock);

#endif
