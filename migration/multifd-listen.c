/*
 * The channels of an incoming migration with multifd.
 *
 * They come in any order, beside the stream's (listen.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-listen.h"

#include "migration/migration-priv.h"
#include "migration/multifd-codec.h"

struct MultifdListen {
    MultifdRecv *recv;
    unsigned nchannels;
};

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
    ml->nchannels = opts.nchannels;
    ml->recv = recv;
    return ml;
}

void multifd_listen_stop(MultifdListen *ml)
{
    multifd_recv_shutdown(ml->recv);
}

void multifd_listen_free(MultifdListen *ml)
{
    if (ml != NULL) {
        multifd_recv_free(ml->recv);
        g_free(ml);
    }
}

MultifdRecv *multifd_listen_recv(const MultifdListen *ml)
{
    return ml->recv;
}

void multifd_listen_channel(MultifdListen *ml, IoChannel *ch)
{
    multifd_recv_add(ml->recv, ch);
}

bool multifd_listen_complete(const MultifdListen *ml)
{
    return multifd_recv_count(ml->recv) == ml->nchannels;
}
