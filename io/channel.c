/*
 * Byte channels: what all kinds share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/channel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "util/lock.h"

/* Elements of a vector that are copied at a time after a partial transfer. */
enum { IOV_COPY = 64 };

/* A position in a caller's vector, which stays as it is. */
typedef struct IovCursor {
    const struct iovec *iov;
    size_t niov;
    size_t done; /* bytes of iov[0] already moved */
    struct iovec copy[IOV_COPY];
} IovCursor;

gpointer io_channel_alloc(const IoChannelOps *ops, unsigned features,
                          const char *name)
{
    IoChannel *ch = g_malloc0(ops->size);

    ch->ops = ops;
    ch->refs = 1;
    ch->features = features;
    ch->blocking = true;
    ch->wake_fd[0] = -1;
    ch->wake_fd[1] = -1;
    ch->name = g_strdup(name);
    return ch;
}

int io_channel_init_wake_fds(IoChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        ch->wake_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (ch->wake_fd[i] < 0) {
            return -errno;
        }
    }
    return 0;
}

IoChannel *io_channel_ref(IoChannel *ch)
{
    g_atomic_int_inc(&ch->refs);
    return ch;
}

void io_channel_unref(IoChannel *ch)
{
    if (!ch || !g_atomic_int_dec_and_test(&ch->refs)) {
        return;
    }
    io_channel_close(ch, NULL);
    if (ch->ops->fini != NULL) {
        ch->ops->fini(ch);
    }
    for (int i = 0; i < 2; i++) {
        if (ch->wake_fd[i] >= 0) {
            close(ch->wake_fd[i]);
        }
    }
    g_free(ch->name);
    g_free(ch);
}

const char *io_channel_name(const IoChannel *ch)
{
    return ch->name;
}

void io_channel_set_name(IoChannel *ch, const char *name)
{
    char *old = ch->name;

    ch->name = g_strdup(name);
    g_free(old);
}

bool io_channel_has_feature(const IoChannel *ch, IoFeature feature)
{
    return ch->features & feature;
}

int io_channel_fd(const IoChannel *ch, GIOCondition cond)
{
    return ch->ops->fd && !ch->closed ? ch->ops->fd(ch, cond) : -1;
}

bool io_channel_has_pending(IoChannel *ch)
{
    return !ch->closed && (ch->nunread > 0 ||
                           (ch->ops->pending != NULL && ch->ops->pending(ch)));
}

void io_channel_set_io_timeout(IoChannel *ch, unsigned ms)
{
    g_atomic_int_set(&ch->timeout_ms, MIN(ms, (unsigned)INT_MAX));
}

void io_channel_set_read_deadline_us(IoChannel *ch, int64_t monotonic_us)
{
    __atomic_store_n(&ch->deadline_us[0], monotonic_us, __ATOMIC_RELAXED);
}

void io_channel_set_write_deadline_us(IoChannel *ch, int64_t monotonic_us)
{
    __atomic_store_n(&ch->deadline_us[1], monotonic_us, __ATOMIC_RELAXED);
}

void io_channel_set_deadline_us(IoChannel *ch, int64_t monotonic_us)
{
    io_channel_set_read_deadline_us(ch, monotonic_us);
    io_channel_set_write_deadline_us(ch, monotonic_us);
}

/* The first that a wait for any of @cond has to keep; 0: none. */
static int64_t channel_deadline_us(const IoChannel *ch, GIOCondition cond)
{
    int64_t first_us = 0;

    for (int i = 0; i < 2; i++) {
        int64_t us = __atomic_load_n(&ch->deadline_us[i], __ATOMIC_RELAXED);

        if ((cond & (i ? G_IO_OUT : G_IO_IN)) && us &&
            (!first_us || us < first_us)) {
            first_us = us;
        }
    }
    return first_us;
}

void io_channel_set_spin_us(IoChannel *ch, unsigned us)
{
    ch->spin_us = us;
}

/* Transfers that must not block in the kernel, as waiting is done here. */
static bool channel_waits_itself(const IoChannel *ch, GIOCondition cond)
{
    return g_atomic_int_get(&ch->timeout_ms) || channel_deadline_us(ch, cond) ||
           ch->spin_us;
}

bool io_channel_is_shutdown(const IoChannel *ch, IoShutdown how)
{
    return g_atomic_int_get(&ch->shut) & (gint)how;
}

/* The monotonic time at which a wait that starts now has to end; -1: never. */
static int64_t channel_wait_end_us(const IoChannel *ch, GIOCondition cond,
                                   int timeout_ms)
{
    int64_t deadline_us = channel_deadline_us(ch, cond);
    int limit_ms = g_atomic_int_get(&ch->timeout_ms);
    int64_t end_us = -1;

    if (limit_ms && (timeout_ms < 0 || limit_ms < timeout_ms)) {
        timeout_ms = limit_ms;
    }
    if (timeout_ms >= 0) {
        end_us = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    }
    if (deadline_us && (end_us < 0 || deadline_us < end_us)) {
        end_us = deadline_us;
    }
    return end_us;
}

/* poll() up to an absolute time in us (-1: for ever), through signals. */
static int poll_until(struct pollfd *fds, nfds_t nfds, int64_t end_us)
{
    for (;;) {
        struct timespec ts, *tsp = NULL;
        int n;

        if (end_us >= 0) {
            int64_t left_us = MAX(0, end_us - g_get_monotonic_time());

            ts.tv_sec = left_us / 1000000;
            ts.tv_nsec = left_us % 1000000 * 1000;
            tsp = &ts;
        }
        n = ppoll(fds, nfds, tsp, NULL);
        if (n >= 0 || errno != EINTR) {
            return n < 0 ? -errno : n;
        }
    }
}

/* As poll_until(), awake for the first while. */
static int spin_until(const IoChannel *ch, struct pollfd *fds, nfds_t nfds,
                      int64_t end_us)
{
    int64_t now_us = g_get_monotonic_time();
    int64_t spin_end_us = now_us + ch->spin_us;

    while (now_us < spin_end_us && (end_us < 0 || now_us < end_us)) {
        int n = poll_until(fds, nfds, now_us);

        if (n != 0) {
            return n;
        }
        sched_yield(); /* to whoever has to run for it to become ready */
        now_us = g_get_monotonic_time();
    }
    return poll_until(fds, nfds, end_us);
}

int io_channel_wait_until(IoChannel *ch, GIOCondition cond, int64_t end_us,
                          const IoCancel *cancel)
{
    struct pollfd fds[5];
    nfds_t nfds = 0;
    int n;

    if ((cond & G_IO_IN) && io_channel_has_pending(ch)) {
        return io_cancel_is_set(cancel) ? -ECANCELED : 1;
    }
    if (end_us < 0 || end_us > g_get_monotonic_time()) {
        vm_lock_check_wait(ch->name);
    }
    if (cancel) {
        fds[nfds++] = (struct pollfd){
            .fd = io_cancel_fd(cancel),
            .events = POLLIN,
        };
    }
    for (int i = 0; i < 2; i++) {
        GIOCondition dir = i ? G_IO_OUT : G_IO_IN;
        int fd = cond & dir ? io_channel_fd(ch, dir) : -1;

        if (!(cond & dir)) {
            continue;
        }
        if (fd < 0) {
            return io_cancel_is_set(cancel) ? -ECANCELED : 1; /* always ready */
        }
        fds[nfds++] = (struct pollfd){
            .fd = fd,
            .events = dir == G_IO_IN ? POLLIN : POLLOUT,
        };
        if (ch->wake_fd[i] >= 0) {
            fds[nfds++] = (struct pollfd){
                .fd = ch->wake_fd[i],
                .events = POLLIN,
            };
        }
    }
    n = spin_until(ch, fds, nfds, end_us);
    if (n >= 0 && io_cancel_is_set(cancel)) {
        return -ECANCELED;
    }
    return n > 0 ? 1 : n;
}

int io_channel_wait(IoChannel *ch, GIOCondition cond, int timeout_ms)
{
    return io_channel_wait_until(ch, cond,
                                 channel_wait_end_us(ch, cond, timeout_ms),
                                 NULL);
}

int io_channel_wait_events(IoChannel *ch, short events)
{
    struct pollfd fd = { .fd = io_channel_fd(ch, G_IO_OUT), .events = events };
    int n;

    vm_lock_check_wait(ch->name);
    n = poll_until(&fd, 1, channel_wait_end_us(ch, G_IO_OUT, -1));
    return n == 0 ? -ETIMEDOUT : MIN(n, 0);
}

int io_channel_wait_or_cancel(IoChannel *ch, GIOCondition cond,
                              const IoCancel *cancel)
{
    return io_channel_wait_until(ch, cond, channel_wait_end_us(ch, cond, -1),
                                 cancel);
}

static int channel_wait_or_time_out(IoChannel *ch, GIOCondition cond)
{
    int n = io_channel_wait(ch, cond, -1);

    return n == 0 ? -ETIMEDOUT : n < 0 ? n : 0;
}

void io_channel_unread(IoChannel *ch, const void *buf, size_t len)
{
    g_assert(ch->nunread == 0 && len <= IO_UNREAD_MAX);
    memcpy(ch->unread, buf, len);
    ch->nunread = len;
}

/* Of what was put back, as much as fits. */
static ssize_t channel_read_again(IoChannel *ch, const struct iovec *iov,
                                  size_t niov)
{
    unsigned done = 0;

    for (size_t i = 0; i < niov && done < ch->nunread; i++) {
        unsigned n = MIN(iov[i].iov_len, (size_t)(ch->nunread - done));

        memcpy(iov[i].iov_base, ch->unread + done, n);
        done += n;
    }
    ch->nunread -= done;
    memmove(ch->unread, ch->unread + done, ch->nunread);
    return done;
}

/* One transfer of at least a byte; @all waits on non-blocking channels too. */
static ssize_t channel_readv(IoChannel *ch, const struct iovec *iov,
                             size_t niov, int *fds, size_t *nfds, bool all)
{
    bool dontwait = !ch->blocking || channel_waits_itself(ch, G_IO_IN);

    if (ch->closed) {
        return -EBADF;
    }
    if (!ch->ops->readv) {
        return -ENOTSUP;
    }
    for (;;) {
        ssize_t n;
        int ret;

        if (io_channel_is_shutdown(ch, IO_SHUTDOWN_READ)) {
            return 0;
        }
        if (ch->nunread > 0 && nfds == NULL) {
            return channel_read_again(ch, iov, niov);
        }
        n = ch->ops->readv(ch, iov, MIN(niov, (size_t)IOV_MAX), fds, nfds,
                           dontwait);
        if (n == -EINTR) {
            continue;
        }
        if (n != -EAGAIN || !(ch->blocking || all)) {
            return n;
        }
        ret = channel_wait_or_time_out(ch, G_IO_IN);
        if (ret < 0) {
            return ret;
        }
    }
}

static ssize_t channel_writev(IoChannel *ch, const struct iovec *iov,
                              size_t niov, const int *fds, size_t nfds,
                              bool all)
{
    bool dontwait = !ch->blocking || channel_waits_itself(ch, G_IO_OUT);

    if (ch->closed) {
        return -EBADF;
    }
    if (!ch->ops->writev) {
        return -ENOTSUP;
    }
    for (;;) {
        ssize_t n;
        int ret;

        if (io_channel_is_shutdown(ch, IO_SHUTDOWN_WRITE)) {
            return -EPIPE;
        }
        n = ch->ops->writev(ch, iov, MIN(niov, (size_t)IOV_MAX), fds, nfds,
                            dontwait);
        if (n == -EINTR) {
            continue;
        }
        if (n != -EAGAIN || !(ch->blocking || all)) {
            return n;
        }
        ret = channel_wait_or_time_out(ch, G_IO_OUT);
        if (ret < 0) {
            return ret;
        }
    }
}

ssize_t io_channel_readv(IoChannel *ch, const struct iovec *iov, size_t niov)
{
    return channel_readv(ch, iov, niov, NULL, NULL, false);
}

ssize_t io_channel_read(IoChannel *ch, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    return channel_readv(ch, &iov, 1, NULL, NULL, false);
}

ssize_t io_channel_writev(IoChannel *ch, const struct iovec *iov, size_t niov)
{
    return channel_writev(ch, iov, niov, NULL, 0, false);
}

ssize_t io_channel_write(IoChannel *ch, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return channel_writev(ch, &iov, 1, NULL, 0, false);
}

ssize_t io_channel_readv_fds(IoChannel *ch, const struct iovec *iov,
                             size_t niov, int *fds, size_t *nfds)
{
    ssize_t n;

    if (!(ch->features & IO_FEATURE_FD_PASS)) {
        return -ENOTSUP;
    }
    n = channel_readv(ch, iov, niov, fds, nfds, false);
    if (n <= 0) {
        *nfds = 0;
    }
    return n;
}

ssize_t io_channel_writev_fds(IoChannel *ch, const struct iovec *iov,
                              size_t niov, const int *fds, size_t nfds)
{
    if (nfds && !(ch->features & IO_FEATURE_FD_PASS)) {
        return -ENOTSUP;
    }
    if (nfds > IO_MAX_FDS) {
        return -EINVAL;
    }
    return channel_writev(ch, iov, niov, fds, nfds, false);
}

/* The vector from the cursor on; whole elements are passed as they lie. */
static const struct iovec *cursor_get(IovCursor *c, size_t *ret_niov)
{
    while (c->niov && c->done == c->iov->iov_len) {
        c->iov++;
        c->niov--;
        c->done = 0;
    }
    if (!c->done) {
        *ret_niov = MIN(c->niov, (size_t)IOV_MAX);
        return c->iov;
    }
    *ret_niov = MIN(c->niov, (size_t)IOV_COPY);
    memcpy(c->copy, c->iov, *ret_niov * sizeof(c->copy[0]));
    c->copy[0].iov_base = (char *)c->copy[0].iov_base + c->done;
    c->copy[0].iov_len -= c->done;
    return c->copy;
}

static void cursor_advance(IovCursor *c, size_t n)
{
    while (n) {
        size_t left = c->iov->iov_len - c->done;

        if (n < left) {
            c->done += n;
            return;
        }
        n -= left;
        c->iov++;
        c->niov--;
        c->done = 0;
    }
}

void io_channel_set_error(IoChannel *ch, GError **errp, const char *what,
                          int err)
{
    if (io_channel_is_shutdown(ch, IO_SHUTDOWN_BOTH) && err == -EPIPE) {
        g_set_error(errp, IO_ERROR, IO_ERROR_CLOSED,
                    "%s: %s failed: channel was shut down", ch->name, what);
    } else {
        io_error_set_errno(errp, -err, "%s: %s failed", ch->name, what);
    }
}

/* 1: all read; 0: end of file before the first byte; -1: error set. */
static int channel_readv_all(IoChannel *ch, const struct iovec *iov,
                             size_t niov, GError **errp)
{
    IovCursor c;
    uint64_t total = 0;

    c.iov = iov;
    c.niov = niov;
    c.done = 0;
    for (;;) {
        size_t ncur;
        const struct iovec *cur = cursor_get(&c, &ncur);
        ssize_t n;

        if (!ncur) {
            return 1;
        }
        n = channel_readv(ch, cur, ncur, NULL, NULL, true);
        if (n > 0) {
            cursor_advance(&c, n);
            total += n;
            continue;
        }
        if (n < 0) {
            io_channel_set_error(ch, errp, "read", n);
            return -1;
        }
        if (!total && !io_channel_is_shutdown(ch, IO_SHUTDOWN_READ)) {
            return 0;
        }
        g_set_error(errp, IO_ERROR, IO_ERROR_CLOSED, "%s: read failed: %s",
                    ch->name,
                    io_channel_is_shutdown(ch, IO_SHUTDOWN_READ)
                        ? "channel was shut down"
                        : "unexpected end of file");
        return -1;
    }
}

bool io_channel_readv_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                          GError **errp)
{
    int ret = channel_readv_all(ch, iov, niov, errp);

    if (ret == 0) {
        g_set_error(errp, IO_ERROR, IO_ERROR_CLOSED,
                    "%s: read failed: unexpected end of file", ch->name);
    }
    return ret == 1;
}

bool io_channel_read_all(IoChannel *ch, void *buf, size_t len, GError **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    return io_channel_readv_all(ch, &iov, 1, errp);
}

bool io_channel_read_all_eof(IoChannel *ch, void *buf, size_t len,
                             bool *ret_eof, GError **errp)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    int ret = channel_readv_all(ch, &iov, 1, errp);

    if (ret >= 0) {
        *ret_eof = ret == 0;
    }
    return ret >= 0;
}

bool io_channel_writev_fds_all(IoChannel *ch, const struct iovec *iov,
                               size_t niov, const int *fds, size_t nfds,
                               GError **errp)
{
    IovCursor c;

    c.iov = iov;
    c.niov = niov;
    c.done = 0;
    if (nfds > IO_MAX_FDS || (nfds && !(ch->features & IO_FEATURE_FD_PASS))) {
        io_channel_set_error(ch, errp, "passing descriptors",
                             nfds > IO_MAX_FDS ? -EINVAL : -ENOTSUP);
        return false;
    }
    for (;;) {
        size_t ncur;
        const struct iovec *cur = cursor_get(&c, &ncur);
        ssize_t n;

        if (!ncur) {
            return true;
        }
        n = channel_writev(ch, cur, ncur, fds, nfds, true);
        if (n < 0) {
            io_channel_set_error(ch, errp, "write", n);
            return false;
        }
        cursor_advance(&c, n);
        nfds = 0;
    }
}

bool io_channel_writev_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                           GError **errp)
{
    return io_channel_writev_fds_all(ch, iov, niov, NULL, 0, errp);
}

bool io_channel_write_all(IoChannel *ch, const void *buf, size_t len,
                          GError **errp)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return io_channel_writev_fds_all(ch, &iov, 1, NULL, 0, errp);
}

int io_channel_shutdown(IoChannel *ch, IoShutdown how)
{
    static const uint64_t one = 1;

    /* Before the wake-up: whoever wakes must see it. */
    g_atomic_int_or((guint *)&ch->shut, how);
    for (int i = 0; i < 2; i++) {
        bool raise = how & (i ? IO_SHUTDOWN_WRITE : IO_SHUTDOWN_READ);

        if (raise && ch->wake_fd[i] >= 0 &&
            write(ch->wake_fd[i], &one, sizeof(one)) < 0 && errno != EAGAIN) {
            return -errno;
        }
    }
    return ch->ops->shutdown ? ch->ops->shutdown(ch, how) : 0;
}

bool io_channel_close(IoChannel *ch, GError **errp)
{
    if (ch->closed) {
        return true;
    }
    ch->closed = true;
    return !ch->ops->close || ch->ops->close(ch, errp);
}

int io_channel_set_blocking(IoChannel *ch, bool blocking)
{
    int ret = ch->ops->set_blocking ? ch->ops->set_blocking(ch, blocking) : 0;

    if (!ret) {
        ch->blocking = blocking;
    }
    return ret;
}

bool io_channel_is_blocking(const IoChannel *ch)
{
    return ch->blocking;
}

int io_channel_set_nodelay(IoChannel *ch, bool nodelay)
{
    return ch->ops->set_nodelay ? ch->ops->set_nodelay(ch, nodelay) : -ENOTSUP;
}

int io_channel_set_cork(IoChannel *ch, bool cork)
{
    return ch->ops->set_cork ? ch->ops->set_cork(ch, cork) : -ENOTSUP;
}

int64_t io_channel_seek(IoChannel *ch, int64_t off, int whence)
{
    return ch->ops->seek && (ch->features & IO_FEATURE_SEEKABLE)
               ? ch->ops->seek(ch, off, whence)
               : -ENOTSUP;
}

static ssize_t channel_prwv(IoChannel *ch, const struct iovec *iov, size_t niov,
                            uint64_t off, bool write)
{
    ssize_t (*op)(IoChannel *, const struct iovec *, size_t, uint64_t) =
        write ? ch->ops->pwritev : ch->ops->preadv;
    ssize_t n;

    if (ch->closed) {
        return -EBADF;
    }
    if (!op || !(ch->features & IO_FEATURE_SEEKABLE)) {
        return -ENOTSUP;
    }
    do {
        if (io_channel_is_shutdown(ch, write ? IO_SHUTDOWN_WRITE
                                             : IO_SHUTDOWN_READ)) {
            return write ? -EPIPE : 0;
        }
        n = op(ch, iov, MIN(niov, (size_t)IOV_MAX), off);
    } while (n == -EINTR);
    return n;
}

ssize_t io_channel_preadv(IoChannel *ch, const struct iovec *iov, size_t niov,
                          uint64_t off)
{
    return channel_prwv(ch, iov, niov, off, false);
}

ssize_t io_channel_pwritev(IoChannel *ch, const struct iovec *iov, size_t niov,
                           uint64_t off)
{
    return channel_prwv(ch, iov, niov, off, true);
}

bool io_channel_pread_all(IoChannel *ch, void *buf, size_t len, uint64_t off,
                          GError **errp)
{
    while (len) {
        struct iovec iov = { .iov_base = buf, .iov_len = len };
        ssize_t n = channel_prwv(ch, &iov, 1, off, false);

        if (n < 0) {
            io_channel_set_error(ch, errp, "read", n);
            return false;
        }
        if (n == 0) {
            g_set_error(errp, IO_ERROR, IO_ERROR_CLOSED,
                        "%s: read failed: unexpected end of file at %" PRIu64,
                        ch->name, off);
            return false;
        }
        buf = (char *)buf + n;
        len -= n;
        off += n;
    }
    return true;
}

bool io_channel_pwritev_all(IoChannel *ch, const struct iovec *iov, size_t niov,
                            uint64_t off, GError **errp)
{
    IovCursor c;

    c.iov = iov;
    c.niov = niov;
    c.done = 0;
    for (;;) {
        size_t ncur;
        const struct iovec *cur = cursor_get(&c, &ncur);
        ssize_t n;

        if (!ncur) {
            return true;
        }
        n = channel_prwv(ch, cur, ncur, off, true);
        if (n < 0) {
            io_channel_set_error(ch, errp, "write", n);
            return false;
        }
        cursor_advance(&c, n);
        off += n;
    }
}
