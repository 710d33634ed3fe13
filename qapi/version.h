/*
 * The version of the program that this one takes the place of: what
 * query-version, the QMP greeting and --version say, as tools parse it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_VERSION_H
#define QAPI_VERSION_H

#define COMPAT_VERSION_MAJOR 7
#define COMPAT_VERSION_MINOR 2
#define COMPAT_VERSION_MICRO 22

#define COMPAT_VERSION                \
    G_STRINGIFY(COMPAT_VERSION_MAJOR) \
    "." G_STRINGIFY(COMPAT_VERSION_MINOR) "." G_STRINGIFY(           \
        COMPAT_VERSION_MICRO)

/* "Godwit 0.1.0" */
#define COMPAT_PACKAGE "Godwit " GODWIT_VERSION

#endif
