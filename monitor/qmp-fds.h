/*
 * File descriptors that clients hand over: named ones (getfd) and sets
 * (add-fd, -add-fd), which are opened as /dev/fdset/ID. Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_QMP_FDS_H
#define MONITOR_QMP_FDS_H

#include "qapi/qapi-types-misc.h"

typedef struct QmpFds QmpFds;

QmpFds *qmp_fds_new(void);
/* Closes them all. */
void qmp_fds_free(QmpFds *f);

/* Names a descriptor; one that had the name is closed. Takes fd. */
bool qmp_fds_name(QmpFds *f, const char *name, int fd, GError **errp);
/* The named descriptor, now the caller's; -ENOENT if there is none. */
int qmp_fds_take(QmpFds *f, const char *name);
bool qmp_fds_close(QmpFds *f, const char *name, GError **errp);

/*
 * Adds fd (taken) to a set: set_id, or if has_id is false the lowest that is
 * free. opaque: a note for query-fdsets, or NULL. ret_info may be NULL.
 */
bool qmp_fdset_add(QmpFds *f, bool has_id, int64_t set_id, int fd,
                   const char *opaque, AddfdInfo **ret_info, GError **errp);
/* Closes one descriptor of a set, or all if has_fd is false. */
bool qmp_fdset_remove(QmpFds *f, int64_t set_id, bool has_fd, int64_t fd,
                      GError **errp);
FdsetInfoList *qmp_fdset_query(const QmpFds *f);
/*
 * A duplicate of the set's descriptor that was opened for the access mode
 * in flags (O_RDONLY, O_WRONLY, O_RDWR), with close-on-exec. -ENOENT: no such
 * set; -EACCES: none with that mode.
 */
int qmp_fdset_open(const QmpFds *f, int64_t set_id, int flags);

#endif
