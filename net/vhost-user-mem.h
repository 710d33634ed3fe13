/*
 * Guest memory as a vhost-user back end sees it, and the log in which it notes
 * what it writes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_VHOST_USER_MEM_H
#define NET_VHOST_USER_MEM_H

#include "net/vhost-user-proto.h"
#include "system/memory.h"

typedef struct VhostMem VhostMem;

/* Told under vm_lock, at once for what is there already. */
typedef struct VhostMemHooks {
    /* The table is another one. */
    void (*table_changed)(void *opaque);
    /* The log was made, or goes (fd -1). */
    void (*log_changed)(void *opaque, int fd, uint64_t bytes);
    void *opaque;
} VhostMemHooks;

/* vm_lock for all of these. */
VhostMem *vhost_mem_new(Memory *mem, const VhostMemHooks *hooks);
void vhost_mem_free(VhostMem *m); /* NULL is fine */
const VhostTable *vhost_mem_table(const VhostMem *m);
/*
 * False with the line to write instead: the guest has memory that nobody else
 * can map, or in more pieces than a back end takes.
 */
bool vhost_mem_check(const VhostMem *m, GError **errp);
/*
 * How a back end is told about @len bytes at @gpa: the address by which
 * rings name it; 0: they aren't in one piece of shared memory.
 */
uint64_t vhost_mem_find(const VhostMem *m, uint64_t gpa, uint64_t len);
/* The log; -1: there is none. */
int vhost_mem_log_fd(const VhostMem *m, uint64_t *ret_bytes);

#endif
