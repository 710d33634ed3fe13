/*
 * Channels whose bytes somebody else reads and writes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_HOOKED_H
#define IO_HOOKED_H

#include "io/channel.h"

/* Bytes done, at least one unless it is the end (reading), or -errno. */
typedef struct IoHooks {
    ssize_t (*read)(void *opaque, void *buf, size_t len);
    ssize_t (*write)(void *opaque, const void *buf, size_t len);
} IoHooks;

/* One of the hooks may be NULL; both may wait. */
IoChannel *io_channel_new_hooked(const IoHooks *hooks, void *opaque,
                                 const char *name);

#endif
