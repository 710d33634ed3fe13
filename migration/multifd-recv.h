/*
 * Pages on many channels, incoming (capability "multifd").
 *
 * A thread for each channel reads it and stores pages in guest memory.  Where
 * the channels are in step, each waits until all of them, and the one stream,
 * have come to that point.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MULTIFD_RECV_H
#define MIGRATION_MULTIFD_RECV_H

#include "io/cancel.h"
#include "io/channel.h"
#include "migration/ram-load.h"

typedef struct MultifdRecv MultifdRecv;

typedef struct MultifdRecvOptions {
    unsigned nchannels; /* parameter "multifd-channels" */
    uint8_t uuid[16];   /* of this machine; zeros: none */
    uint32_t packed;    /* MULTIFD_PACKED_*, 0: none */
    int64_t wait_ns;    /* for channels that have not come */
} MultifdRecvOptions;

MultifdRecv *multifd_recv_new(const MultifdRecvOptions *opts, GError **errp);
/* Stops all; NULL is fine. */
void multifd_recv_free(MultifdRecv *mr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdRecv, multifd_recv_free)
/*
 * A channel that has connected; takes the reference.  What is wrong with it,
 * its greeting included, ends the load.
 */
void multifd_recv_add(MultifdRecv *mr, IoChannel *ch);
/* So many have been added. */
unsigned multifd_recv_count(MultifdRecv *mr);
/* Raised when a channel has failed: the stream needn't be read any further. */
const IoCancel *multifd_recv_cancel(const MultifdRecv *mr);

/* Before the stream is read; `ram` is borrowed until multifd_recv_stop(). */
void multifd_recv_set_ram(MultifdRecv *mr, RamLoad *ram);
/*
 * The stream has come to where all channels are in step: waits for them, and
 * lets them go on.  False with errp: one has failed, has ended before, or has
 * not come.
 */
bool multifd_recv_sync(MultifdRecv *mr, GError **errp);
/*
 * All is here, and the source may be told so: nothing is stored from now on,
 * and what fails on a channel doesn't end the load, as the guest may be given
 * away at any moment.  False with errp if a channel has failed, or stores
 * something, which belongs to no pass.
 */
bool multifd_recv_close(MultifdRecv *mr, GError **errp);
/* The source took the guest back: what failed meanwhile ends the load now. */
void multifd_recv_reopen(MultifdRecv *mr);
/* If a channel has failed, that is the reason: replaces *err. */
void multifd_recv_explain(MultifdRecv *mr, GError **err);
/* From any thread: nobody is to wait for a channel any more. */
void multifd_recv_shutdown(MultifdRecv *mr);
/* The same, and waits for the threads.  No channel is taken from now on. */
void multifd_recv_stop(MultifdRecv *mr);

#endif
