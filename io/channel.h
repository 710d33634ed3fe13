/*
 * Byte channels: one way to talk to a socket, a pipe, a file, a command or
 * a buffer in memory.
 *
 * A channel is used by at most one reader and one writer at a time, which may
 * be different threads.  io_channel_shutdown(), the reference functions and
 * the timeout setters may be called from any thread at any time: shutting
 * down is how another thread unblocks a reader or writer.
 * io_channel_close() belongs to the owner, once nobody reads or writes.
 *
 * The partial functions return a byte count or a negative errno and never
 * allocate; the full ones (_all) return false with an error that names the
 * channel ("tcp:127.0.0.1:4444: write failed: Connection reset by peer").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "io/cancel.h"

typedef struct IoChannel IoChannel;
typedef struct IoChannelOps IoChannelOps;

typedef enum IoFeature {
    IO_FEATURE_FD_PASS = 1 << 0,       /* descriptors travel beside bytes */
    IO_FEATURE_SHUTDOWN = 1 << 1,      /* the peer sees a shutdown */
    IO_FEATURE_SEEKABLE = 1 << 2,      /* seek, pread and pwrite work */
    IO_FEATURE_BIDIRECTIONAL = 1 << 3, /* both read and write work */
    IO_FEATURE_TCP = 1 << 4,           /* the descriptor is a TCP socket, and
                                          has what is read and written here */
} IoFeature;

typedef enum IoShutdown {
    IO_SHUTDOWN_READ = 1 << 0,
    IO_SHUTDOWN_WRITE = 1 << 1,
    IO_SHUTDOWN_BOTH = IO_SHUTDOWN_READ | IO_SHUTDOWN_WRITE,
} IoShutdown;

/* The most descriptors that one message carries (the kernel's SCM_MAX_FD). */
enum { IO_MAX_FDS = 253 };

enum { IO_UNREAD_MAX = 8 /* bytes */ };

IoChannel *io_channel_ref(IoChannel *ch);
/* NULL is fine.  The last reference closes the channel. */
void io_channel_unref(IoChannel *ch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoChannel, io_channel_unref)

/* What errors call it, e.g. "tcp:127.0.0.1:4444"; lives as long as @ch. */
const char *io_channel_name(const IoChannel *ch);
void io_channel_set_name(IoChannel *ch, const char *name);

bool io_channel_has_feature(const IoChannel *ch, IoFeature feature);
/* The descriptor to poll for @cond, or -1 where there is none. */
int io_channel_fd(const IoChannel *ch, GIOCondition cond);

/*
 * Partial transfers: at least one byte, 0 at end of file (or for an empty
 * vector), or -errno.  A blocking channel (the default) waits for the first
 * byte; another returns -EAGAIN.  -ETIMEDOUT: see the timeouts below.
 * After a shutdown reads return 0 and writes -EPIPE.
 */
ssize_t io_channel_read(IoChannel *ch, void *buf, size_t len);
ssize_t io_channel_readv(IoChannel *ch, const struct iovec *iov, size_t niov);
ssize_t io_channel_write(IoChannel *ch, const void *buf, size_t len);
ssize_t io_channel_writev(IoChannel *ch, const struct iovec *iov, size_t niov);

/*
 * Puts @len bytes back that were read to see who is there: they come next.  At
 * most IO_UNREAD_MAX, and nothing that was put back may be left.  The reader's;
 * neither for descriptors nor for positions.
 */
void io_channel_unread(IoChannel *ch, const void *buf, size_t len);

/*
 * Partial transfers with descriptors (IO_FEATURE_FD_PASS, else -ENOTSUP).
 * A reader gets at most *nfds descriptors in @fds, which it then owns
 * (close-on-exec set); *nfds is set to their number.  A peer that sends more
 * has the surplus closed and the read fails with -EMSGSIZE.  A writer's
 * descriptors go with the first byte written.
 */
ssize_t io_channel_readv_fds(IoChannel *ch, const struct iovec *iov,
                             size_t niov, int *fds, size_t *nfds);
ssize_t io_channel_writev_fds(IoChannel *ch, const struct iovec *iov,
                              size_t niov, const int *fds, size_t nfds);

/*
 * Full transfers: every byte or an error, on blocking and non-blocking
 * channels alike.  End of file before the last byte is an error
 * (IO_ERROR_CLOSED).
 */
bool io_channel_read_all(IoChannel *ch, void *buf, size_t len, GError **errp);
bool io_channel_readv_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                          GError **errp);
bool io_channel_write_all(IoChannel *ch, const void *buf, size_t len,
                          GError **errp);
bool io_channel_writev_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                           GError **errp);
bool io_channel_writev_fds_all(IoChannel *ch, const struct iovec *iov,
                               size_t niov, const int *fds, size_t nfds,
                               GError **errp);
/* As io_channel_read_all(), but end of file before the first byte is success
 * with *ret_eof set. */
bool io_channel_read_all_eof(IoChannel *ch, void *buf, size_t len,
                             bool *ret_eof, GError **errp);

/*
 * Waits until @cond (G_IO_IN and/or G_IO_OUT) or a hang-up: 1; 0 after
 * @timeout_ms (-1: for ever) or the channel's own limit; or -errno.
 */
int io_channel_wait(IoChannel *ch, GIOCondition cond, int timeout_ms);
/*
 * As io_channel_wait(), until the point @end_us of g_get_monotonic_time() (one
 * that has passed: looks once; -1: for ever) and no limit of the channel's
 * own.  @cancel (may be NULL) ends it with -ECANCELED, ready or not.
 */
int io_channel_wait_until(IoChannel *ch, GIOCondition cond, int64_t end_us,
                          const IoCancel *cancel);

/* As io_channel_wait() without a limit of the call's own; @cancel as above. */
int io_channel_wait_or_cancel(IoChannel *ch, GIOCondition cond,
                              const IoCancel *cancel);

/*
 * Limits for every wait of a blocking or full transfer.  The first ends a
 * wait in which no byte moved for @ms (0: no limit, the default); the others
 * are points of g_get_monotonic_time() in us (0: none), for reads, for writes,
 * and for both.  All end in -ETIMEDOUT or IO_ERROR_TIMED_OUT.  A call that is
 * already blocked keeps the limits it began with.
 */
void io_channel_set_io_timeout(IoChannel *ch, unsigned ms);
void io_channel_set_read_deadline_us(IoChannel *ch, int64_t monotonic_us);
void io_channel_set_write_deadline_us(IoChannel *ch, int64_t monotonic_us);
void io_channel_set_deadline_us(IoChannel *ch, int64_t monotonic_us);
/*
 * Each wait looks again and again for up to @us before it sleeps (0: sleeps at
 * once, the default).  For the few moments in which a wake-up counts: on an
 * idle CPU it takes 50 us, and several hundred in a virtual machine.
 */
void io_channel_set_spin_us(IoChannel *ch, unsigned us);

/*
 * Ends one or both directions: a blocked reader or writer in another thread
 * returns soon, and for IO_FEATURE_SHUTDOWN the peer sees end of file.
 * 0 or -errno; doing it twice is fine.
 */
int io_channel_shutdown(IoChannel *ch, IoShutdown how);
/* Whether io_channel_shutdown() was called here for any of @how. */
bool io_channel_is_shutdown(const IoChannel *ch, IoShutdown how);

/* Releases the descriptors; a command's exit status other than 0 and late
 * write errors are reported.  Closing twice is fine. */
bool io_channel_close(IoChannel *ch, GError **errp);

/* 0 or -errno.  -ENOTSUP where a channel has no such thing. */
int io_channel_set_blocking(IoChannel *ch, bool blocking);
bool io_channel_is_blocking(const IoChannel *ch);
int io_channel_set_nodelay(IoChannel *ch, bool nodelay);
int io_channel_set_cork(IoChannel *ch, bool cork);

/* IO_FEATURE_SEEKABLE only, else -ENOTSUP.  @whence as lseek(). */
int64_t io_channel_seek(IoChannel *ch, int64_t off, int whence);
ssize_t io_channel_preadv(IoChannel *ch, const struct iovec *iov, size_t niov,
                          uint64_t off);
ssize_t io_channel_pwritev(IoChannel *ch, const struct iovec *iov, size_t niov,
                           uint64_t off);
bool io_channel_pread_all(IoChannel *ch, void *buf, size_t len, uint64_t off,
                          GError **errp);
bool io_channel_pwritev_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                            uint64_t off, GError **errp);

/* Return G_SOURCE_REMOVE to end the watch. */
typedef gboolean (*IoWatchFunc)(IoChannel *ch, GIOCondition cond,
                                gpointer opaque);

/*
 * Calls @cb from the default main context whenever @cond (hang-up and error
 * are always watched) holds.  Holds a reference to @ch.  Returns the source
 * id for g_source_remove().
 */
guint io_channel_add_watch(IoChannel *ch, GIOCondition cond, IoWatchFunc cb,
                           gpointer opaque, GDestroyNotify destroy);
/* The same in @context (NULL: default); the caller owns the source. */
GSource *io_channel_watch_source(IoChannel *ch, GIOCondition cond,
                                 GMainContext *context, IoWatchFunc cb,
                                 gpointer opaque, GDestroyNotify destroy);

/*
 * Sets "NAME: WHAT failed: REASON" from the negative errno @err; for code
 * that used the partial functions.
 */
void io_channel_set_error(IoChannel *ch, GError **errp, const char *what,
                          int err);

#endif
