/*
 * How a VNC client comes in: the connection is handed to libvncserver, then
 * version, security and ClientInit (RFC 6143, 7.1 to 7.3).  In its thread.
 *
 * The library has a handshake of its own, which isn't used: what it offers is
 * kept in one list for the whole process, so that a client of a server with a
 * password could choose what one without it has offered meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc-priv.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "util/log.h"

enum {
    STEP_MS = 30 * 1000,    /* for each thing that the client has to say */
    UPGRADE_MS = 10 * 1000, /* for the whole request of a browser */
    UPGRADE_MAX = 4096 - 1, /* bytes of it that the library reads */
    VERSION_LEN = 12,
    LEGACY_MINOR = 3, /* the server chooses the security type */
    RESULT_MINOR = 8, /* a refusal has a reason */
};

static const char server_version[] = "RFB 003.008\n";
static const char refusal[] = "Authentication failed";

/* Handing over. */

/*
 * A descriptor for the library, which waits with select(): a number above
 * FD_SETSIZE would be written beyond the end of its sets.
 */
static int library_fd(int fd)
{
    int low = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (low >= FD_SETSIZE) {
        close(low);
        low = -1;
    }
    if (low < 0) {
        log_warn("VNC: a client is turned away: no descriptor below %d is "
                 "left",
                 FD_SETSIZE);
    }
    return low;
}

/*
 * Waits until a browser's request is there as a whole, and is one: the
 * library waits for 100 ms at each byte, spins while fewer than four are
 * there, and would speak TLS with who begins so.  Nothing is read.
 */
static bool upgrade_is_there(int fd)
{
    int64_t end = g_get_monotonic_time() + UPGRADE_MS * G_TIME_SPAN_MILLISECOND;
    g_autofree char *buf = g_malloc(UPGRADE_MAX);
    int want = 4;

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = (end - g_get_monotonic_time()) / 1000;
        ssize_t n;

        /* Ready only when there is more than was seen. */
        if (left <= 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &want, sizeof(want)) != 0 ||
            (poll(&p, 1, left) < 0 && errno != EINTR)) {
            return false;
        }
        n = recv(fd, buf, UPGRADE_MAX, MSG_PEEK | MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        if (n >= 4 && memcmp(buf, "GET ", 4) != 0) {
            return false;
        }
        if (n > 0 && g_strstr_len(buf, n, "\r\n\r\n") != NULL) {
            want = 1;
            return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &want,
                              sizeof(want)) == 0;
        }
        /* A hang-up with half a request, and one that is too long. */
        if (n == UPGRADE_MAX || (n > 0 && n < want)) {
            return false;
        }
        want = MAX(want, n + 1);
    }
}

static bool open_websocket(VncClient *c, int fd)
{
    if (!upgrade_is_there(fd)) {
        close(fd);
        return false;
    }
    c->rfb = rfbNewClient(c->screen, fd);
    return c->rfb != NULL && c->rfb->wsctx != NULL;
}

/*
 * The library looks first whether a client is a browser.  It isn't to: a page
 * of any site could reach a server that nobody opened for browsers.  So it is
 * shown a connection whose other end has said that it speaks RFB already, and
 * gets the client's in its place.
 */
static bool open_plain(VncClient *c, int fd)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        close(fd);
        return false;
    }
    if (ends[0] < FD_SETSIZE && write(ends[1], "RFB ", 4) == 4) {
        c->rfb = rfbNewClient(c->screen, ends[0]);
    } else {
        close(ends[0]);
    }
    if (c->rfb != NULL && dup3(fd, c->rfb->sock, O_CLOEXEC) < 0) {
        rfbCloseClient(c->rfb);
    }
    close(ends[1]);
    close(fd);
    return c->rfb != NULL && c->rfb->sock >= 0 &&
           rfbWriteExact(c->rfb, server_version, VERSION_LEN) > 0;
}

bool vnc_door_open(VncClient *c)
{
    int fd = library_fd(io_channel_fd(c->ch, G_IO_IN));

    if (fd < 0) {
        return false;
    }
    io_channel_set_blocking(c->ch, false);
    io_channel_set_nodelay(c->ch, true);
    return c->websocket ? open_websocket(c, fd) : open_plain(c, fd);
}

/* The way in. */

static bool vnc_door_take(VncClient *c, void *buf, int len)
{
    return rfbReadExactTimeout(c->rfb, buf, len, STEP_MS) > 0;
}

static bool vnc_door_put(VncClient *c, const void *buf, int len)
{
    return rfbWriteExact(c->rfb, buf, len) > 0;
}

static bool put_u32(VncClient *c, uint32_t val)
{
    uint32_t be = GUINT32_TO_BE(val);

    return vnc_door_put(c, &be, sizeof(be));
}

/* "RFB 003.MMM\n": sets the version both speak. */
static bool take_version(VncClient *c)
{
    char v[VERSION_LEN + 1] = "";
    unsigned major, minor;

    if (!vnc_door_take(c, v, VERSION_LEN) || !g_str_has_prefix(v, "RFB ") ||
        v[7] != '.' || v[11] != '\n' ||
        sscanf(v + 4, "%3u.%3u", &major, &minor) != 2) {
        return false;
    }
    /* Two odd ones are out there that mean 3.3. */
    if (minor == 4 || minor == 5) {
        minor = LEGACY_MINOR;
    }
    if (major != 3 || (minor != 3 && minor != 7 && minor != 8)) {
        put_u32(c, 0);
        return false;
    }
    c->rfb->protocolMajorVersion = major;
    c->rfb->protocolMinorVersion = minor;
    return true;
}

static bool put_result(VncClient *c, bool ok)
{
    const int minor = c->rfb->protocolMinorVersion;

    if (!put_u32(c, ok ? 0 : 1)) {
        return false;
    }
    if (!ok && minor >= RESULT_MINOR) {
        put_u32(c, strlen(refusal));
        vnc_door_put(c, refusal, strlen(refusal));
    }
    return ok;
}

static bool ask_password(VncClient *c)
{
    uint8_t challenge[CHALLENGESIZE], response[CHALLENGESIZE];

    return getrandom(challenge, sizeof(challenge), 0) == sizeof(challenge) &&
           vnc_door_put(c, challenge, sizeof(challenge)) &&
           vnc_door_take(c, response, sizeof(response)) &&
           put_result(c, vnc_password_fits(c->server, challenge, response));
}

static bool pass_security(VncClient *c)
{
    const int minor = c->rfb->protocolMinorVersion;
    const uint8_t type =
        c->server->o->password ? rfbSecTypeVncAuth : rfbSecTypeNone;
    const uint8_t offer[] = { 1, type };
    uint8_t chosen = type;

    if (minor == LEGACY_MINOR) {
        if (!put_u32(c, type)) {
            return false;
        }
    } else if (!vnc_door_put(c, offer, sizeof(offer)) ||
               !vnc_door_take(c, &chosen, 1)) {
        return false;
    }
    if (chosen != type) {
        return put_result(c, false);
    }
    if (type == rfbSecTypeVncAuth) {
        return ask_password(c);
    }
    return minor < RESULT_MINOR || put_result(c, true);
}

bool vnc_door_pass(VncClient *c)
{
    uint8_t shared;

    if (!take_version(c) || !pass_security(c) ||
        !vnc_door_take(c, &shared, 1)) {
        return false;
    }
    LOCK_GUARD(&c->lock);
    c->shared = shared != 0;
    c->asks_in = true;
    return true;
}
