/*
 * Channels on files, pipes and terminals.
 *
 * Only sockets have shutdown(2): a pipe or terminal is therefore always
 * O_NONBLOCK, and a blocking transfer waits in poll(2), where a shutdown can
 * wake it.  Regular files never make anybody wait for a peer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/file.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "io/error.h"
#include "io/file-priv.h"
#include "io/socket.h"

int io_fd_set_nonblock(int fd, bool nonblock)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return -errno;
    }
    if (!!(flags & O_NONBLOCK) == nonblock) {
        return 0;
    }
    flags = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

void io_ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &sa, NULL);
    }
}

/*
 * O_NONBLOCK is the open file's, which another program may have as well: it
 * may make it block again, as this one does when it closes it.
 */
static void file_keep_nonblock(const IoChannel *ch, int fd)
{
    int flags = ch->wake_fd[0] >= 0 ? fcntl(fd, F_GETFL) : -1;

    if (flags >= 0 && !(flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

ssize_t io_file_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                      int *fds, size_t *nfds, bool dontwait)
{
    IoChannelFile *f = container_of(ch, IoChannelFile, ch);
    ssize_t n;

    if (f->rfd < 0) {
        return -ENOTSUP;
    }
    if (f->no_writer) {
        struct pollfd p = { .fd = f->rfd, .events = POLLIN };

        /* A read would say that the file ends. */
        if (poll(&p, 1, 0) == 0) {
            return -EAGAIN;
        }
        f->no_writer = false;
    }
    file_keep_nonblock(ch, f->rfd);
    n = readv(f->rfd, iov, niov);
    return n < 0 ? -errno : n;
}

ssize_t io_file_writev(IoChannel *ch, const struct iovec *iov, size_t niov,
                       const int *fds, size_t nfds, bool dontwait)
{
    int fd = container_of(ch, IoChannelFile, ch)->wfd;
    ssize_t n;

    if (fd < 0) {
        return -ENOTSUP;
    }
    file_keep_nonblock(ch, fd);
    n = writev(fd, iov, niov);
    return n < 0 ? -errno : n;
}

int io_file_fd(const IoChannel *ch, GIOCondition cond)
{
    const IoChannelFile *f = container_of(ch, IoChannelFile, ch);

    return cond & G_IO_OUT ? f->wfd : f->rfd;
}

static int file_close_fd(int fd, int flags)
{
    if (fd < 0) {
        return 0;
    }
    if (flags >= 0) {
        fcntl(fd, F_SETFL, flags);
    }
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int io_file_close_fds(IoChannelFile *f)
{
    int err = file_close_fd(f->rfd, f->rflags);

    if (f->wfd != f->rfd) {
        int werr = file_close_fd(f->wfd, f->wflags);

        err = err ? err : werr;
    }
    f->rfd = -1;
    f->wfd = -1;
    return err;
}

static bool file_close(IoChannel *ch, GError **errp)
{
    int err = io_file_close_fds(container_of(ch, IoChannelFile, ch));

    if (err) {
        io_channel_set_error(ch, errp, "close", err);
    }
    return !err;
}

static int64_t file_seek(IoChannel *ch, int64_t off, int whence)
{
    const IoChannelFile *f = container_of(ch, IoChannelFile, ch);
    off_t ret = lseek(f->rfd >= 0 ? f->rfd : f->wfd, off, whence);

    return ret < 0 ? -errno : ret;
}

static ssize_t file_preadv(IoChannel *ch, const struct iovec *iov, size_t niov,
                           uint64_t off)
{
    ssize_t n = preadv(io_file_fd(ch, G_IO_IN), iov, niov, off);

    return n < 0 ? -errno : n;
}

static ssize_t file_pwritev(IoChannel *ch, const struct iovec *iov, size_t niov,
                            uint64_t off)
{
    ssize_t n = pwritev(io_file_fd(ch, G_IO_OUT), iov, niov, off);

    return n < 0 ? -errno : n;
}

static const IoChannelOps file_ops = {
    .size = sizeof(IoChannelFile),
    .readv = io_file_readv,
    .writev = io_file_writev,
    .close = file_close,
    .seek = file_seek,
    .preadv = file_preadv,
    .pwritev = file_pwritev,
    .fd = io_file_fd,
};

/* Whether transfers never wait for somebody else. */
static bool fd_is_storage(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Makes a pipe or terminal non-blocking; *ret_flags as they were, or -1. */
static int fd_prepare(int fd, int *ret_flags)
{
    int flags;

    *ret_flags = -1;
    if (fd < 0 || fd_is_storage(fd)) {
        return 0;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -errno;
    }
    if (!(flags & O_NONBLOCK)) {
        if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
            return -errno;
        }
        *ret_flags = flags;
    }
    return 0;
}

static unsigned pair_features(int rfd, int wfd)
{
    unsigned features = rfd >= 0 && wfd >= 0 ? IO_FEATURE_BIDIRECTIONAL : 0;
    int fd = rfd >= 0 ? rfd : wfd;

    if ((rfd == wfd || rfd < 0 || wfd < 0) && fd_is_storage(fd)) {
        features |= IO_FEATURE_SEEKABLE;
    }
    return features;
}

IoChannel *io_channel_new_fd_pair(int rfd, int wfd, const char *name,
                                  GError **errp)
{
    IoChannelFile *f =
        io_channel_alloc(&file_ops, pair_features(rfd, wfd), name);
    bool waits =
        (rfd >= 0 && !fd_is_storage(rfd)) || (wfd >= 0 && !fd_is_storage(wfd));
    int err = 0;

    f->rfd = rfd;
    f->wfd = wfd;
    f->rflags = -1;
    f->wflags = -1;
    if (waits) {
        io_ignore_sigpipe();
        err = io_channel_init_wake_fds(&f->ch);
    }
    if (!err) {
        err = fd_prepare(rfd, &f->rflags);
    }
    if (!err && wfd != rfd) {
        err = fd_prepare(wfd, &f->wflags);
    }
    if (err) {
        io_error_set_errno(errp, -err, "%s: cannot be used", name);
        if (f->rflags >= 0) {
            fcntl(rfd, F_SETFL, f->rflags);
        }
        f->rfd = -1;
        f->wfd = -1;
        f->rflags = -1;
        io_channel_unref(&f->ch);
        return NULL;
    }
    return &f->ch;
}

static bool path_is_fifo(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/*
 * open(), which for one end of a FIFO would block until somebody has the other
 * one: to read is possible at once; to write is tried until it is, or @cancel
 * is raised.  The descriptor, or -errno.
 */
static int file_open(const char *path, int flags, mode_t mode, IoCancel *cancel)
{
    enum { RETRY_MS = 20 };
    struct pollfd p = { .fd = io_cancel_fd(cancel), .events = POLLIN };
    bool fifo = path_is_fifo(path);

    flags |= O_CLOEXEC | O_NOCTTY | (fifo ? O_NONBLOCK : 0);
    for (;;) {
        int fd = open(path, flags, mode);

        if (fd >= 0) {
            return fd;
        }
        if (errno != ENXIO || !fifo || cancel == NULL) {
            return -errno;
        }
        poll(&p, 1, RETRY_MS);
        if (io_cancel_is_set(cancel)) {
            return -ECANCELED;
        }
    }
}

IoChannel *io_channel_open_file(const char *path, int flags, mode_t mode,
                                IoCancel *cancel, GError **errp)
{
    g_autofree char *name = g_strconcat("file:", path, NULL);
    int access = flags & O_ACCMODE;
    int fd = file_open(path, flags, mode, cancel);
    IoChannel *ch;

    if (fd < 0) {
        io_error_set_errno(errp, -fd, "Unable to open %s", path);
        return NULL;
    }
    ch = io_channel_new_fd_pair(access == O_WRONLY ? -1 : fd,
                                access == O_RDONLY ? -1 : fd, name, errp);
    if (!ch) {
        close(fd);
        return NULL;
    }
    container_of(ch, IoChannelFile, ch)->no_writer =
        access == O_RDONLY && path_is_fifo(path);
    return ch;
}

IoChannel *io_channel_new_fd(int fd, const char *name, GError **errp)
{
    return io_channel_new_fd_for(fd, O_RDWR, name, errp);
}

IoChannel *io_channel_new_fd_for(int fd, int use, const char *name,
                                 GError **errp)
{
    g_autofree char *own = g_strdup_printf("fd:%d", fd);
    int access = fcntl(fd, F_GETFL);
    struct stat st;

    if (access < 0 || fstat(fd, &st) < 0) {
        io_error_set_errno(errp, errno, "%s: cannot be used",
                           name ? name : own);
        return NULL;
    }
    if (S_ISSOCK(st.st_mode)) {
        return io_channel_new_socket(fd, name, errp);
    }
    access &= O_ACCMODE;
    if (use != O_RDWR && access != O_RDWR && access != use) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID, "%s: not open for %s",
                    name ? name : own, use == O_RDONLY ? "reading" : "writing");
        return NULL;
    }
    access = use == O_RDWR ? access : use;
    return io_channel_new_fd_pair(access == O_WRONLY ? -1 : fd,
                                  access == O_RDONLY ? -1 : fd,
                                  name ? name : own, errp);
}
