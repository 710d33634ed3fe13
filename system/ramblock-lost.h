/*
 * Guest memory whose file others have made shorter.
 *
 * What is mapped beyond the end of a file raises SIGBUS, and so does a page
 * that the file system has no room for.  Who shares memory with others, as
 * ivshmem and vhost-user do, can't keep them from that (only a memfd can be
 * sealed), and must not die of it.  Such pages are replaced by private ones
 * that read as zero, where they are touched or found; what they held is lost,
 * and who has the memory is told.  The guest's own memory is: a guest that
 * goes on without it would go wrong, so it is stopped, and doesn't migrate.
 *
 * Facts: mmap(2), sigaction(2), ftruncate(2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RAMBLOCK_LOST_H
#define SYSTEM_RAMBLOCK_LOST_H

#include "system/ramblock.h"

/*
 * Catches SIGBUS from now on.  The main loop calls told(opaque), with vm_lock,
 * when something is lost: see ram_lost_next().  Once per process.
 */
bool ram_lost_catch(void (*told)(void *opaque), void *opaque, GError **errp);
/*
 * Looks at the files: for who gets an error from the kernel, or is about to
 * rely on the memory.  True if something was lost that this caller has not
 * been told of: *seen is his, 0 at first.  Another thread may have met the same
 * loss and have been faster; to both of them it is new.  Any thread, any lock.
 */
bool ram_lost_look(unsigned *seen);
/*
 * The next block of the list that has lost something and hasn't been returned
 * by this yet; NULL: none.  vm_lock held.
 */
RamBlock *ram_lost_next(RamList *list);
/*
 * False with errp, which names the first of the list's migratable blocks that
 * has lost something, as its file is now.  vm_lock held, or an RCU read
 * section.
 */
bool ram_lost_check(RamList *list, GError **errp);

#endif
