/*
 * Byte channels in a GLib main loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/channel.h"

#include "io/channel-priv.h"

/* G_IO_IN and G_IO_OUT may be two descriptors (a command's pipes), and a
 * shutdown by another thread arrives on a third and fourth. */
typedef struct IoWatch {
    GSource source;
    IoChannel *ch;
    GIOCondition cond;
    gpointer tag[2];  /* polled descriptors for IN and OUT */
    gpointer wake[2]; /* wake-ups for IN and OUT */
} IoWatch;

static GIOCondition watch_ready(const IoWatch *w)
{
    GSource *source = (GSource *)&w->source;
    GIOCondition got = 0;

    for (int i = 0; i < 2; i++) {
        GIOCondition dir = i ? G_IO_OUT : G_IO_IN;

        if (w->tag[i]) {
            got |= g_source_query_unix_fd(source, w->tag[i]);
        } else {
            got |= w->cond & dir; /* no descriptor: always ready */
        }
        if (dir == G_IO_IN && io_channel_has_pending(w->ch)) {
            got |= dir;
        }
        if (w->wake[i] && g_source_query_unix_fd(source, w->wake[i])) {
            got |= G_IO_HUP;
        }
    }
    return got & (w->cond | G_IO_HUP | G_IO_ERR);
}

static gboolean watch_prepare(GSource *source, gint *timeout_ms)
{
    const IoWatch *w = (IoWatch *)source;

    *timeout_ms = -1;
    return ((w->cond & G_IO_IN) &&
            (!w->tag[0] || io_channel_has_pending(w->ch))) ||
           ((w->cond & G_IO_OUT) && !w->tag[1]);
}

static gboolean watch_check(GSource *source)
{
    return watch_ready((IoWatch *)source) != 0;
}

static gboolean watch_dispatch(GSource *source, GSourceFunc cb, gpointer opaque)
{
    IoWatch *w = (IoWatch *)source;
    IoWatchFunc func = (IoWatchFunc)(void *)cb;
    GIOCondition got = watch_ready(w);

    return got ? func(w->ch, got, opaque) : G_SOURCE_CONTINUE;
}

static void watch_finalize(GSource *source)
{
    io_channel_unref(((IoWatch *)source)->ch);
}

static GSourceFuncs watch_funcs = {
    .prepare = watch_prepare,
    .check = watch_check,
    .dispatch = watch_dispatch,
    .finalize = watch_finalize,
};

GSource *io_channel_watch_source(IoChannel *ch, GIOCondition cond,
                                 GMainContext *context, IoWatchFunc cb,
                                 gpointer opaque, GDestroyNotify destroy)
{
    GSource *source = g_source_new(&watch_funcs, sizeof(IoWatch));
    IoWatch *w = (IoWatch *)source;

    w->ch = io_channel_ref(ch);
    w->cond = cond & (G_IO_IN | G_IO_OUT | G_IO_PRI);
    for (int i = 0; i < 2; i++) {
        GIOCondition dir = i ? G_IO_OUT : G_IO_IN;
        bool wanted = cond & dir;
        int fd = io_channel_fd(ch, dir);

        /* With neither direction wanted, hang-ups of both are. */
        if (fd >= 0 && (wanted || !(cond & (G_IO_IN | G_IO_OUT)))) {
            w->tag[i] =
                g_source_add_unix_fd(source, fd,
                                     (w->cond & dir) | G_IO_HUP | G_IO_ERR);
            if (ch->wake_fd[i] >= 0) {
                w->wake[i] =
                    g_source_add_unix_fd(source, ch->wake_fd[i], G_IO_IN);
            }
        }
    }
    g_source_set_callback(source, (GSourceFunc)(void *)cb, opaque, destroy);
    g_source_attach(source, context);
    return source;
}

guint io_channel_add_watch(IoChannel *ch, GIOCondition cond, IoWatchFunc cb,
                           gpointer opaque, GDestroyNotify destroy)
{
    GSource *source =
        io_channel_watch_source(ch, cond, NULL, cb, opaque, destroy);
    guint id = g_source_get_id(source);

    g_source_unref(source); /* the context holds it */
    return id;
}
