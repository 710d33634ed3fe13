/*
 * Pages that are brought when somebody touches them: userfaultfd(2), with
 * the kernel's Documentation/admin-guide/mm/userfaultfd.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_USERFAULT_H
#define UTIL_USERFAULT_H

#include "util/base.h"

/*
 * A descriptor that doesn't block, for faults of any thread, those inside of
 * system calls too (KVM's), with the UFFD_FEATURE_* bits of `features`.  -1
 * with errp: the kernel lacks it, lacks a feature, or doesn't let us.
 */
int userfault_open(uint64_t features, GError **errp);
/*
 * From now on who touches a page of the range that doesn't exist waits until
 * it is brought.  `host` and `len` are multiples of the memory's page size.
 * *ret_zero: userfault_zero() works there.
 */
bool userfault_register(int fd, void *host, uint64_t len, bool *ret_zero,
                        GError **errp);
/* No more; whoever waits goes on, and finds zeros where no page is. */
int userfault_unregister(int fd, void *host, uint64_t len);
/*
 * Makes pages with that content, all at once for those who look on, and lets
 * whoever waits for them go on.  0, or -errno; -EEXIST: one of them is there,
 * *ret_done (bytes) before it were made.
 */
int userfault_copy(int fd, void *host, const void *from, uint64_t len,
                   uint64_t *ret_done);
int userfault_zero(int fd, void *host, uint64_t len, uint64_t *ret_done);
/* Lets whoever waits for a page of the range look again. */
void userfault_wake(int fd, void *host, uint64_t len);

#endif
