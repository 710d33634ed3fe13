/*
 * Announcements: telling the network where an address is now.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_ANNOUNCE_H
#define NET_ANNOUNCE_H

#include "net/net.h"

/* As the migration parameters announce-*; milliseconds and packets. */
typedef struct NetAnnounce {
    int64_t initial_ms, max_ms, step_ms;
    int64_t rounds;
} NetAnnounce;

/*
 * For each card (of those named in @names, NULL: all): a RARP packet with its
 * address, and the guest's own announcement where its driver can; at once,
 * and again after initial_ms, which grows by step_ms up to max_ms, `rounds`
 * times altogether.  A job with the same @id (may be NULL) is replaced.
 * rounds 0: nothing, and the job of that id ends.
 */
void net_announce_start(Networks *nets, const NetAnnounce *how,
                        const char *const *names, const char *id);
/* Ends all jobs. */
void net_announce_stop(Networks *nets);

#endif
