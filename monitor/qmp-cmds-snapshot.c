/*
 * QMP commands on snapshots: jobs for those of the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"
#include "monitor/snapshots.h"
#include "qapi/qapi-commands.h"
#include "qapi/visit.h"

/* Whose work it is: a copy of what the command said. */
typedef struct SnapshotJob {
    Vm *vm;
    char *name, *vmstate;
    GStrv nodes;
    size_t nnodes;
} SnapshotJob;

static SnapshotJob *snapshot_job_new(Vm *vm, const char *tag,
                                     const char *vmstate, const StrList *nodes)
{
    SnapshotJob *s = g_new0(SnapshotJob, 1);

    s->vm = vm;
    s->name = g_strdup(tag);
    s->vmstate = g_strdup(vmstate);
    s->nnodes = nodes->n;
    s->nodes = g_new0(char *, nodes->n + 1);
    for (size_t i = 0; i < nodes->n; i++) {
        s->nodes[i] = g_strdup(nodes->items[i]);
    }
    return s;
}

static void snapshot_job_free(void *opaque)
{
    SnapshotJob *s = opaque;

    g_strfreev(s->nodes);
    g_free(s->name);
    g_free(s->vmstate);
    g_free(s);
}

static VmSnapshotArgs snapshot_job_args(const SnapshotJob *s)
{
    return (VmSnapshotArgs){ .name = s->name,
                             .vmstate = s->vmstate,
                             .nodes = (const char *const *)s->nodes,
                             .nnodes = s->nnodes };
}

static bool run_save(Job *j, void *opaque, GError **errp)
{
    const SnapshotJob *s = opaque;
    VmSnapshotArgs a = snapshot_job_args(s);

    return vm_snapshot_save_job(s->vm, j, &a, errp);
}

static bool run_load(Job *j, void *opaque, GError **errp)
{
    const SnapshotJob *s = opaque;
    VmSnapshotArgs a = snapshot_job_args(s);

    return vm_snapshot_load_job(s->vm, j, &a, errp);
}

static bool run_delete(Job *j, void *opaque, GError **errp)
{
    const SnapshotJob *s = opaque;
    VmSnapshotArgs a = snapshot_job_args(s);

    return vm_snapshot_delete_job(s->vm, j, &a, errp);
}

bool qmp_snapshot_save(QmpCtx *ctx, const char *job_id, const char *tag,
                       const char *vmstate, const StrList *devices,
                       GError **errp)
{
    static const JobOps ops = { .type = JOB_TYPE_SNAPSHOT_SAVE,
                                .run = run_save,
                                .free = snapshot_job_free };

    return job_start(ctx->vm->jobs, job_id, &ops,
                     snapshot_job_new(ctx->vm, tag, vmstate, devices), errp);
}

bool qmp_snapshot_load(QmpCtx *ctx, const char *job_id, const char *tag,
                       const char *vmstate, const StrList *devices,
                       GError **errp)
{
    static const JobOps ops = { .type = JOB_TYPE_SNAPSHOT_LOAD,
                                .run = run_load,
                                .free = snapshot_job_free };

    return job_start(ctx->vm->jobs, job_id, &ops,
                     snapshot_job_new(ctx->vm, tag, vmstate, devices), errp);
}

bool qmp_snapshot_delete(QmpCtx *ctx, const char *job_id, const char *tag,
                         const StrList *devices, GError **errp)
{
    static const JobOps ops = { .type = JOB_TYPE_SNAPSHOT_DELETE,
                                .run = run_delete,
                                .free = snapshot_job_free };

    return job_start(ctx->vm->jobs, job_id, &ops,
                     snapshot_job_new(ctx->vm, tag, NULL, devices), errp);
}

bool qmp_blockdev_snapshot_internal_sync(QmpCtx *ctx, const char *device,
                                         const char *name, GError **errp)
{
    return vm_snapshot_disk(ctx->vm, device, name, errp);
}

bool qmp_blockdev_snapshot_delete_internal_sync(QmpCtx *ctx, const char *device,
                                                const char *id,
                                                const char *name,
                                                SnapshotInfo **ret,
                                                GError **errp)
{
    *ret = vm_snapshot_disk_delete(ctx->vm, device, id, name, errp);
    return *ret != NULL;
}
