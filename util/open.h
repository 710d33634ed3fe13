/*
 * Opening and reading files that a user names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_OPEN_H
#define UTIL_OPEN_H

#include <glib.h>
#include <sys/types.h>

/*
 * open(2), close-on-exec.  A FIFO makes who opens one end wait for somebody
 * with the other: who must not wait (vm_lock_may_wait()) gets ENXIO at once
 * for one that nobody reads.  The descriptor waits as ever if O_NONBLOCK isn't
 * among the flags.  The descriptor, or -errno.
 */
int open_user_file(const char *path, int flags, mode_t mode);

/*
 * What is in such a file, at most `max` bytes, with a NUL behind them; the
 * caller's to g_free().  A file that has more, or never ends, is refused
 * before all of it is in memory.  False with errp, which doesn't name the file.
 */
bool read_user_file(const char *path, size_t max, char **ret_data,
                    size_t *ret_len, GError **errp);

#endif
