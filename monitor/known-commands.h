/*
 * Names of the monitor commands that QEMU 7.2 has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_KNOWN_COMMANDS_H
#define MONITOR_KNOWN_COMMANDS_H

#include <stdbool.h>

/*
 * Does QEMU 7.2 have a command of that name, for QMP, for HMP and behind HMP's
 * "info"?  What it has and this program hasn't is no slip of the pen.
 */
bool qmp_command_is_known(const char *name);
bool hmp_command_is_known(const char *name);
bool hmp_info_is_known(const char *name);

#endif
