/*
 * Dumps of guest memory to a file, while the guest stands.
 *
 * One at a time.  A thread writes, without the device lock; who asked may wait
 * for its end or not.  vm_lock held and in the main thread for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_DUMP_H
#define MONITOR_DUMP_H

#include "util/base.h"

struct Vm;
typedef struct Dump Dump;

typedef enum DumpState {
    DUMP_NONE,
    DUMP_ACTIVE,
    DUMP_DONE,
    DUMP_FAILED
} DumpState;

typedef struct DumpOptions {
    bool paging;            /* with the virtual addresses of the CPUs' tables */
    bool has_range;         /* only what lies in the range */
    uint64_t begin, length; /* guest-physical, bytes */
    bool detach;            /* don't wait for the end */
} DumpOptions;

/* Bytes of memory; the file's headers aren't counted. */
typedef struct DumpProgress {
    DumpState state; /* of the last one */
    uint64_t completed, total;
} DumpProgress;

Dump *dump_new(struct Vm *vm);
/* Breaks one off that is on its way. */
void dump_free(Dump *d);
/*
 * Stops the guest if it runs, writes the file (ELF, 64 bits) and lets the guest
 * go on; vm_busy() says so meanwhile.  Takes fd in any case.  Without `detach`
 * the device lock is dropped while it waits; false: it failed, and was told of
 * by DUMP_COMPLETED if it had begun.
 */
bool dump_start(Dump *d, int fd, const DumpOptions *opts, GError **errp);
void dump_query(const Dump *d, DumpProgress *ret);

#endif
