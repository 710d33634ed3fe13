/*
 * A QMP session on a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "chardev/chardev.h"

typedef struct ChardevSession {
    Chardev *cd;
    void *handle; /* of chardev_attach() */
    unsigned watch;
    QmpSession *session;
} ChardevSession;

static int session_write(void *opaque, const char *buf, size_t len)
{
    ChardevSession *cs = opaque;

    return chardev_write(cs->cd, buf, (int)MIN(len, INT_MAX));
}

static void watch_ready(void *opaque)
{
    ChardevSession *cs = opaque;

    cs->watch = 0;
    qmp_session_flush(cs->session);
}

static void session_wait_writable(void *opaque)
{
    ChardevSession *cs = opaque;

    if (!cs->watch) {
        cs->watch = chardev_add_write_watch(cs->cd, watch_ready, cs);
    }
}

static void session_accept_input(void *opaque)
{
    ChardevSession *cs = opaque;

    chardev_accept_input(cs->cd);
}

static int session_take_fd(void *opaque)
{
    ChardevSession *cs = opaque;

    return chardev_take_fd(cs->cd);
}

static void session_input_done(void *opaque)
{
    ChardevSession *cs = opaque;

    chardev_input_done(cs->cd);
}

static const QmpSessionOps session_ops = {
    .write = session_write,
    .wait_writable = session_wait_writable,
    .accept_input = session_accept_input,
    .take_fd = session_take_fd,
    .input_done = session_input_done,
};

static int frontend_can_receive(void *opaque)
{
    ChardevSession *cs = opaque;

    return (int)qmp_session_can_feed(cs->session);
}

static void frontend_receive(void *opaque, const uint8_t *buf, int len)
{
    ChardevSession *cs = opaque;

    qmp_session_feed(cs->session, (const char *)buf, (size_t)len);
}

static bool frontend_end_of_input(void *opaque)
{
    ChardevSession *cs = opaque;

    return qmp_session_end_input(cs->session);
}

static bool frontend_may_forget(void *opaque)
{
    ChardevSession *cs = opaque;

    return qmp_session_may_forget(cs->session);
}

static void drop_watch(ChardevSession *cs)
{
    if (cs->watch) {
        chardev_del_watch(cs->cd, cs->watch);
        cs->watch = 0;
    }
}

static void frontend_event(void *opaque, ChardevEvent ev)
{
    ChardevSession *cs = opaque;

    if (ev == CHARDEV_OPENED) {
        drop_watch(cs);
        qmp_session_open(cs->session);
    } else if (ev == CHARDEV_CLOSED) {
        drop_watch(cs);
        qmp_session_close(cs->session);
    }
}

static void chardev_session_free(void *opaque)
{
    ChardevSession *cs = opaque;

    drop_watch(cs);
    if (cs->handle) {
        chardev_detach(cs->cd, cs->handle);
    }
    qmp_session_free(cs->session);
    g_free(cs);
}

bool qmp_session_on_chardev(Monitors *m, struct Chardev *cd, bool pretty,
                            GError **errp)
{
    ChardevSession *cs = g_new0(ChardevSession, 1);
    ChardevFrontend fe = {
        .can_receive = frontend_can_receive,
        .receive = frontend_receive,
        .event = frontend_event,
        .end_of_input = frontend_end_of_input,
        .may_forget = frontend_may_forget,
        .opaque = cs,
    };

    cs->cd = cd;
    cs->session = qmp_session_new(m, &session_ops, cs, pretty);
    if (!chardev_attach(cd, &fe, &cs->handle, errp)) {
        chardev_session_free(cs);
        return false;
    }
    monitors_at_free(m, chardev_session_free, cs);
    return true;
}
