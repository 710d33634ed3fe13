/*
 * Connections to a destination that have not said yet who they are.
 *
 * Anybody may connect: a port scan, a browser, a source with other
 * credentials.  Who doesn't begin as a migration does is dropped, and the
 * destination waits on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CANDIDATES_H
#define MIGRATION_CANDIDATES_H

#include "io/channel.h"
#include "io/tls.h"

/* What the first bytes, inside TLS if there are credentials, say it is. */
typedef enum MigCandidateKind {
    MIG_CANDIDATE_STREAM,
    MIG_CANDIDATE_CHANNEL, /* of multifd */
} MigCandidateKind;

/*
 * One has said it: nothing of that has been read from @ch, whose reference is
 * the callee's.  @tls: the credentials that @ch is inside of, borrowed; or
 * NULL.  May drop all others.
 */
typedef void MigCandidateFunc(IoChannel *ch, MigCandidateKind kind,
                              TlsCreds *tls, void *opaque);

/* Main thread, with vm_lock; all functions. */
typedef struct MigCandidates MigCandidates;

/*
 * Hands are shaken within @handshake_ns from a connection's first byte.  Of
 * more than @max that have not said what they are the oldest is dropped.
 */
MigCandidates *mig_candidates_new(unsigned max, int64_t handshake_ns,
                                  MigCandidateFunc *func, void *opaque);
/* Drops all; NULL is fine. */
void mig_candidates_free(MigCandidates *mc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigCandidates, mig_candidates_free)
/* A connection, with the reference; @tls (NULL: none) is borrowed. */
void mig_candidates_add(MigCandidates *mc, IoChannel *ch, TlsCreds *tls);
/* Nobody is waited for any more. */
void mig_candidates_drop(MigCandidates *mc);
/* How many there are. */
unsigned mig_candidates_count(const MigCandidates *mc);

#endif
