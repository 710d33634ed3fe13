/*
 * The connections of an incoming migration with multifd.
 *
 * They come in any order.  The first byte tells them apart: the stream begins
 * with "QEVM", a channel with another magic number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-listen.h"

#include <sys/socket.h>

#include "io/socket.h"
#include "migration/migration-priv.h"
#include "migration/multifd-codec.h"
#include "migration/multifd-packet.h"

/* Connections that have said nothing, beyond those that are expected. */
enum { STRANGERS_MAX = 8 };

struct MultifdListen {
    Migration *m;
    MultifdRecv *recv;
    unsigned nchannels;
    GList *waiting; /* ListenClient: they have not said anything */
};

typedef struct ListenClient {
    MultifdListen *ml;
    IoChannel *ch;
    guint watch;
} ListenClient;

MultifdListen *multifd_listen_new(struct Migration *m, GError **errp)
{
    MultifdRecvOptions opts = { .wait_ns = m->waits.channels_ns };
    MultifdListen *ml;
    MultifdRecv *recv;

    if (m->vm->uuid_set) {
        memcpy(opts.uuid, m->vm->uuid, sizeof(opts.uuid));
    }
    lock_acquire(&m->lock);
    opts.nchannels = m->params.multifd_channels;
    multifd_codec_find(m->params.multifd_compression, &opts.packed);
    lock_release(&m->lock);
    recv = multifd_recv_new(&opts, errp);
    if (recv == NULL) {
        return NULL;
    }
    ml = g_new0(MultifdListen, 1);
    ml->m = m;
    ml->nchannels = opts.nchannels;
    ml->recv = recv;
    return ml;
}

/* Its channel is the caller's now. */
static IoChannel *listen_client_end(ListenClient *c)
{
    IoChannel *ch = c->ch;

    c->ml->waiting = g_list_remove(c->ml->waiting, c);
    g_source_remove(c->watch);
    g_free(c);
    return ch;
}

static void drop_waiting(MultifdListen *ml)
{
    while (ml->waiting != NULL) {
        io_channel_unref(listen_client_end(ml->waiting->data));
    }
}

void multifd_listen_stop(MultifdListen *ml)
{
    drop_waiting(ml);
    multifd_recv_shutdown(ml->recv);
}

void multifd_listen_free(MultifdListen *ml)
{
    if (ml == NULL) {
        return;
    }
    drop_waiting(ml);
    multifd_recv_free(ml->recv);
    g_free(ml);
}

MultifdRecv *multifd_listen_recv(const MultifdListen *ml)
{
    return ml->recv;
}

/* All that is expected has come: whoever is next is refused at once. */
static void check_complete(MultifdListen *ml)
{
    if (ml->m->load_made && multifd_recv_count(ml->recv) == ml->nchannels) {
        g_clear_pointer(&ml->m->listener, io_listener_free);
        drop_waiting(ml);
    }
}

/* The stream; a second source is turned away. */
static void stream_connected(MultifdListen *ml, IoChannel *ch)
{
    g_autoptr(GError) err = NULL;

    if (ml->m->load_made) {
        io_channel_unref(ch);
    } else if (!mig_load_begin(ml->m, ch, &err)) {
        mig_load_cannot_begin(ml->m, err);
    }
}

static gboolean client_speaks(IoChannel *ch, GIOCondition cond, gpointer opaque)
{
    ListenClient *c = opaque;
    MultifdListen *ml = c->ml;
    uint8_t first;
    ssize_t n;
    VM_LOCK_GUARD();

    n = recv(io_channel_fd(ch, G_IO_IN), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    listen_client_end(c);
    if (n <= 0) {
        io_channel_unref(ch);
    } else if (first == MULTIFD_MAGIC >> 24) {
        multifd_recv_add(ml->recv, ch);
    } else {
        stream_connected(ml, ch);
    }
    check_complete(ml);
    return G_SOURCE_REMOVE;
}

void multifd_listen_client(MultifdListen *ml, IoChannel *ch)
{
    ListenClient *c;

    if (g_list_length(ml->waiting) > ml->nchannels + STRANGERS_MAX) {
        io_channel_unref(ch);
        return;
    }
    c = g_new0(ListenClient, 1);
    c->ml = ml;
    c->ch = ch;
    c->watch = io_channel_add_watch(ch, G_IO_IN, client_speaks, c, NULL);
    ml->waiting = g_list_prepend(ml->waiting, c);
}
