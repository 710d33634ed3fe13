/*
 * The debugger's server: vCPUs as threads of one process.
 *
 * Thread n + 1 of process 1 is CPU n.  "Debugging with GDB", appendix E,
 * "Packets": the syntax of thread ids.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/gdbstub-priv.h"

enum { PROCESS = 1 };

Vcpu *gdb_cpu(const GdbServer *g, unsigned index)
{
    return index < g->vm->nvcpus ? g->vm->vcpus[index] : NULL;
}

void gdb_append_thread(const GdbServer *g, GString *out, unsigned index)
{
    if (g->multiprocess) {
        g_string_append_printf(out, "p%02x.", PROCESS);
    }
    g_string_append_printf(out, "%02x", index + 1);
}

/* A number, or -1 for all; false: neither. */
static bool parse_id(const char **text, bool *ret_all, uint64_t *ret)
{
    *ret_all = g_str_has_prefix(*text, "-1");
    if (*ret_all) {
        *text += 2;
        return true;
    }
    return gdb_hex_number(text, ret);
}

GdbThreads gdb_parse_thread(const GdbServer *g, const char **text,
                            unsigned *ret_index)
{
    uint64_t pid = 0;
    uint64_t tid = 0;
    bool all = false;

    if (**text == 'p') {
        ++*text;
        if (!parse_id(text, &all, &pid) ||
            (!all && pid != 0 && pid != PROCESS)) {
            return GDB_THREADS_BAD;
        }
        if (**text != '.') {
            return GDB_THREADS_ALL; /* the whole process */
        }
        ++*text;
    }
    if (!parse_id(text, &all, &tid)) {
        return GDB_THREADS_BAD;
    }
    if (all) {
        return GDB_THREADS_ALL;
    }
    if (tid == 0) {
        return GDB_THREADS_ANY;
    }
    if (tid > g->vm->nvcpus) {
        return GDB_THREADS_BAD;
    }
    *ret_index = tid - 1;
    return GDB_THREADS_ONE;
}
