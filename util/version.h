/*
 * The version of the program this one stands in for: tools parse it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define COMPAT_MAJOR   7
#define COMPAT_MINOR   2
#define COMPAT_MICRO   22
#define COMPAT_VERSION "7.2.22"

#endif
