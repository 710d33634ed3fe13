/*
 * Character devices: pseudo-terminals.
 *
 * The master end says POLLHUP while nobody has the slave open, and there is
 * no event for its being opened: that is looked at once a second, and before
 * each write.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>

#include "chardev/chardev-priv.h"
#include "io/file.h"
#include "util/error.h"

enum { PTY_POLL_MS = 1000 };

typedef struct ChardevPty {
    Chardev cd;
    char *path;     /* of the slave */
    int fd;         /* the master; the channel has a copy of it */
    GSource *timer; /* while nobody has the slave open */
} ChardevPty;

static bool pty_has_peer(const ChardevPty *p)
{
    struct pollfd pfd = { .fd = p->fd };

    return poll(&pfd, 1, 0) == 0 || !(pfd.revents & POLLHUP);
}

static void pty_stop_timer(ChardevPty *p)
{
    if (p->timer) {
        g_source_destroy(p->timer);
        g_source_unref(p->timer);
        p->timer = NULL;
    }
}

static void pty_connect(ChardevPty *p)
{
    int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
    IoChannel *ch =
        fd < 0 ? NULL : io_channel_new_fd_pair(fd, fd, p->path, NULL);

    if (!ch) {
        if (fd >= 0) {
            close(fd);
        }
        return; /* no descriptor left: tried again with the next tick */
    }
    pty_stop_timer(p);
    chardev_set_channel(&p->cd, ch);
}

static gboolean pty_tick(gpointer opaque)
{
    VM_LOCK_GUARD();
    ChardevPty *p = opaque;

    if (!g_source_is_destroyed(g_main_current_source()) && pty_has_peer(p)) {
        pty_connect(p);
    }
    return G_SOURCE_CONTINUE; /* or destroyed already */
}

static void pty_start_timer(ChardevPty *p)
{
    p->timer = g_timeout_source_new(PTY_POLL_MS);
    g_source_set_callback(p->timer, pty_tick, p, NULL);
    g_source_attach(p->timer, NULL);
}

static void pty_hangup(Chardev *cd)
{
    chardev_drop_channel(cd);
    pty_start_timer(container_of(cd, ChardevPty, cd));
}

/* What is written right after somebody came shall not be lost. */
static int pty_write(Chardev *cd, const uint8_t *buf, int len)
    REQUIRES(&cd->out_lock)
{
    ChardevPty *p = container_of(cd, ChardevPty, cd);
    ssize_t n;

    if (cd->ch) {
        n = chardev_write_channel(cd, buf, len);
        return n == -EIO ? len : n;
    }
    if (!pty_has_peer(p)) {
        return len;
    }
    n = write(p->fd, buf, len);
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* As little as possible between the guest and the other side. */
static bool pty_open(ChardevPty *p, GError **errp)
{
    struct termios tio;
    char name[64];
    int slave;

    p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0 || grantpt(p->fd) < 0 || unlockpt(p->fd) < 0 ||
        ptsname_r(p->fd, name, sizeof(name))) {
        error_setf_errno(errp, errno, "Failed to create PTY");
        return false;
    }
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &tio) < 0) {
        error_setf_errno(errp, errno, "Failed to open PTY %s", name);
        if (slave >= 0) {
            close(slave);
        }
        return false;
    }
    cfmakeraw(&tio);
    tcsetattr(slave, TCSANOW, &tio);
    /* From its first close on the master reports hang-ups. */
    close(slave);
    p->path = g_strdup(name);
    return true;
}

static bool pty_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    container_of(cd, ChardevPty, cd)->fd = -1;
    return true;
}

static bool pty_start(Chardev *cd, GError **errp)
{
    ChardevPty *p = container_of(cd, ChardevPty, cd);

    if (!pty_open(p, errp)) {
        return false;
    }
    pty_start_timer(p);
    return true;
}

static void pty_fini(Chardev *cd)
{
    ChardevPty *p = container_of(cd, ChardevPty, cd);

    pty_stop_timer(p);
    if (p->fd >= 0) {
        close(p->fd);
    }
    g_free(p->path);
}

static char *pty_filename(const Chardev *cd)
{
    return g_strconcat("pty:", chardev_pty_path(cd), NULL);
}

const ChardevOps chardev_pty_ops = {
    .type = "pty",
    .size = sizeof(ChardevPty),
    .parse = pty_parse,
    .start = pty_start,
    .fini = pty_fini,
    .filename = pty_filename,
    .write = pty_write,
    .hangup = pty_hangup,
};

const char *chardev_pty_path(const Chardev *cd)
{
    return cd->ops == &chardev_pty_ops ? container_of(cd, ChardevPty, cd)->path
                                       : NULL;
}
