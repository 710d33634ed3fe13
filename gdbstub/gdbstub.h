/*
 * The debugger's server: GDB attaches to the guest over a character device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GDBSTUB_GDBSTUB_H
#define GDBSTUB_GDBSTUB_H

#include "system/vm.h"

#define GDBSTUB_DEFAULT_DEVICE "tcp::1234"

/* Runs a line of GDB's "monitor" command and appends the answer. */
typedef void GdbMonitorFn(Vm *vm, const char *line, GString *text);

/*
 * Serves on a device as -gdb takes it: "tcp:HOST:PORT" (a server that doesn't
 * wait), "unix:PATH,server=on,…", "stdio", "chardev:ID", …; "none": not any
 * more.  Replaces what was served before.  Main thread, vm_lock held.
 */
bool gdbstub_start(Vm *vm, const char *device, GdbMonitorFn *monitor,
                   GError **errp);
/* Tells a client that the program ends, and frees vm->gdb; NULL is fine. */
void gdbstub_stop(Vm *vm);

#endif
