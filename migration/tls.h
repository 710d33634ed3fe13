/*
 * TLS around a migration's stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_TLS_H
#define MIGRATION_TLS_H

#include "migration/migration-priv.h"

/* Whether tls-creds names any.  Main thread. */
bool mig_tls_wanted(const Migration *m);
/*
 * Looks up what tls-creds names (nothing: no TLS) for a migration that is
 * about to begin, to `uri`, or from there if incoming.  Main thread, vm_lock.
 */
bool mig_tls_choose(Migration *m, const IoUri *uri, bool incoming,
                    GError **errp);
/*
 * The same, for a resume: the caller's to free, NULL if there are none.  Main
 * thread.
 */
bool mig_tls_find(Migration *m, const IoUri *uri, bool incoming, TlsCreds **ret,
                  char **ret_hostname, GError **errp);
/* What mig_tls_choose() has found isn't needed any more. */
void mig_tls_forget(Migration *m);
/*
 * Shakes hands over @ch, at the source a channel of multifd, if there are
 * credentials; returns the channel inside, or @ch again, with a reference.
 * Within `end_ns` of CLOCK_MONOTONIC, without vm_lock.
 */
IoChannel *mig_tls_wrap_channel(Migration *m, IoChannel *ch, int64_t end_ns,
                                GError **errp);
/*
 * Shakes hands over @ch if there are credentials; returns the channel inside,
 * or @ch again, with a reference.  *shown, the one that others shut down
 * (m->lock; it has a reference of its own), is replaced, too.  Within `end_ns`
 * of CLOCK_MONOTONIC, without vm_lock.
 */
IoChannel *mig_tls_wrap(Migration *m, IoChannel *ch, IoChannel **shown,
                        const IoCancel *cancel, int64_t end_ns, GError **errp);

#endif
