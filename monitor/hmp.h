/*
 * The human monitor: line-based commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include "system/vm.h"

/* Bytes that a command may print: what it shows may be the guest's. */
enum { HMP_TEXT_MAX = 4 << 20 };

/* Where a command writes its answer. */
typedef struct HmpOut {
    GString *text;
    struct Vm *vm;
    struct Hmp *session; /* NULL for human-monitor-command */
    unsigned cpu;        /* index of the CPU it is about, without a session */
    bool full;           /* there is as much text as a command may print */
} HmpOut;

/* Runs one line; the answer (incl. errors as text) is appended to `text`. */
void hmp_execute(Vm *vm, const char *line, GString *text);
/* The same where the current CPU is not 0; cpu < vm->nvcpus. */
void hmp_execute_on_cpu(Vm *vm, unsigned cpu, const char *line, GString *text);
/* Prints nothing more once there is HMP_TEXT_MAX of text; see out->full. */
void hmp_printf(HmpOut *out, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* A session on a character device; lives until monitors_free(). */
struct Chardev;
bool hmp_session_new(Vm *vm, struct Chardev *cd, bool readline, GError **errp);

#endif
