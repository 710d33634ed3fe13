/*
 * Scripts that set up and take down a tap interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_TAP_H
#define NET_TAP_H

#include <glib.h>
#include <stdbool.h>

#define TAP_DEFAULT_UP   "/etc/qemu-ifup"
#define TAP_DEFAULT_DOWN "/etc/qemu-ifdown"

/* Is it the name of one, and not "no" or nothing? */
bool tap_is_script(const char *script);
/*
 * Runs SCRIPT IFNAME for the back end @id.  While the program starts and ends
 * it waits; false unless the exit status is 0.  While a guest runs it doesn't:
 * false if the script can't be started, and another status than 0 goes to the
 * log.  The descriptors @fds, of which it takes over the @n, are closed behind
 * the end of the script, or when it can't be started.
 */
bool tap_run_script(const char *script, const char *ifname, const char *id,
                    const int *fds, unsigned n, GError **errp);

#endif
