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
/* Runs SCRIPT IFNAME and waits; false unless its exit status is 0. */
bool tap_run_script(const char *script, const char *ifname, GError **errp);

#endif
