/*
 * Writes to a TCP socket whose bytes the kernel sends from where they are
 * (MSG_ZEROCOPY of Linux, Documentation/networking/msg_zerocopy.rst).
 *
 * Each write locks its pages in memory, within RLIMIT_MEMLOCK, until the peer
 * has acknowledged them.  What is changed there meanwhile may arrive or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_ZERO_COPY_H
#define IO_ZERO_COPY_H

#include "io/channel.h"

typedef struct ZeroCopy ZeroCopy;

/*
 * For a channel's writer, who may write otherwise as well; takes a reference.
 * NULL with errp: no TCP socket, or the kernel has no such thing.
 */
ZeroCopy *zero_copy_new(IoChannel *ch, GError **errp);
/* NULL is fine.  What is under way goes on. */
void zero_copy_free(ZeroCopy *z);
/*
 * Writes all of it, as long as that takes (the channel's limits, and a
 * shutdown, end it).  False with errp: also if the process may not lock so
 * much memory.
 */
bool zero_copy_write(ZeroCopy *z, const void *buf, size_t len, GError **errp);
/*
 * Waits until the kernel has let go of all that was written; *ret_copied: it
 * has copied some of it after all, as it does on the loopback.
 */
bool zero_copy_settle(ZeroCopy *z, bool *ret_copied, GError **errp);

#endif
