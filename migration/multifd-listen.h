/*
 * The connections of an incoming migration with multifd: which one is the
 * stream, and which are channels beside it.
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
/*
 * A connection; takes the reference.  When it has said what it is, it is
 * loaded or read beside.  Behind the last one the listener is closed.
 */
void multifd_listen_client(MultifdListen *ml, IoChannel *ch);
/* No connection is waited for any more. */
void multifd_listen_stop(MultifdListen *ml);
MultifdRecv *multifd_listen_recv(const MultifdListen *ml);

#endif
