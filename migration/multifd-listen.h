/*
 * The connections of an incoming migration with multifd that are channels
 * beside the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MULTIFD_LISTEN_H
#define MIGRATION_MULTIFD_LISTEN_H

#include "migration/multifd-recv.h"

struct Migration;

/* Main thread, with vm_lock; all functions but multifd_listen_recv(). */
typedef struct MultifdListen MultifdListen;

/* By the parameters as they are now. */
MultifdListen *multifd_listen_new(struct Migration *m, GError **errp);
/* Stops; waits for the channels' threads.  NULL is fine. */
void multifd_listen_free(MultifdListen *ml);
/* One has connected, and begins as a channel; takes the reference. */
void multifd_listen_channel(MultifdListen *ml, IoChannel *ch);
/* All that are expected have come. */
bool multifd_listen_complete(const MultifdListen *ml);
/* None is waited for any more. */
void multifd_listen_stop(MultifdListen *ml);
MultifdRecv *multifd_listen_recv(const MultifdListen *ml);

#endif
