/*
 * Debugging the guest from outside: the part that all accelerators share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/debug.h"

#include "accel/accel.h"
#include "util/error.h"

const DebugPoint *debug_find_break(const DebugState *d, uint64_t addr)
{
    for (unsigned i = 0; d && i < d->npoints; i++) {
        if (debug_kind_breaks(d->points[i].kind) && d->points[i].addr == addr) {
            return &d->points[i];
        }
    }
    return NULL;
}

const DebugPoint *debug_find_watch(const DebugState *d, uint64_t addr,
                                   uint64_t len, bool write)
{
    for (unsigned i = 0; d && i < d->npoints; i++) {
        const DebugPoint *p = &d->points[i];

        /* Differences, as both ranges may end at the last address. */
        if (debug_kind_watches(p->kind, write) &&
            (addr - p->addr < p->len || p->addr - addr < len)) {
            return p;
        }
    }
    return NULL;
}

static DebugState *debug_state_copy(const DebugState *d)
{
    DebugState *c = g_memdup2(d, sizeof(*d));

    c->points = g_memdup2(d->points, d->npoints * sizeof(*d->points));
    return c;
}

void debug_state_free(DebugState *d)
{
    if (d) {
        g_free((DebugPoint *)d->points);
        g_free(d);
    }
}

typedef struct DebugUpdate {
    const DebugState *d;
    GError **errp;
    bool ok;
} DebugUpdate;

static void debug_update_work(Vcpu *cpu, void *opaque)
{
    DebugUpdate *u = opaque;

    u->ok = cpu->vm->accel->type->debug_update(cpu, u->d, u->errp);
}

bool vcpu_set_debug(Vcpu *cpu, const DebugState *d, GError **errp)
{
    const AccelType *type = cpu->vm->accel->type;
    DebugUpdate u = { .errp = errp };
    DebugState *copy;

    if (!type->debug_update) {
        error_setf(errp, "accelerator '%s' can't debug the guest", type->name);
        return false;
    }
    if (d && d->npoints > DEBUG_POINTS_MAX) {
        error_setf(errp, "%u breakpoints: the limit is %d", d->npoints,
                   DEBUG_POINTS_MAX);
        return false;
    }
    copy = d ? debug_state_copy(d) : NULL;
    u.d = copy;
    vcpu_run_on(cpu, debug_update_work, &u);
    if (!u.ok) {
        debug_state_free(copy);
        return false;
    }
    debug_state_free(cpu->debug);
    cpu->debug = copy;
    return true;
}
