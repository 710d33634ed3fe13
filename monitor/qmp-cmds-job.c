/*
 * QMP commands on jobs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/job.h"
#include "system/vm.h"
#include "util/error.h"

static Job *find_job(QmpCtx *ctx, const char *id, GError **errp)
{
    return job_find(ctx->vm->jobs, id, errp);
}

bool qmp_job_pause(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_pause(j, errp);
}

bool qmp_job_resume(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_resume(j, errp);
}

bool qmp_job_cancel(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_cancel(j, errp);
}

bool qmp_job_complete(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_complete(j, errp);
}

bool qmp_job_dismiss(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_dismiss(j, errp);
}

bool qmp_job_finalize(QmpCtx *ctx, const char *id, GError **errp)
{
    Job *j = find_job(ctx, id, errp);

    return j != NULL && job_finalize(j, errp);
}

static void add_job(const Job *j, void *opaque)
{
    JobInfo info;

    job_get_info(j, &info);
    job_info_list_append(opaque, job_info_clone(&info));
}

bool qmp_query_jobs(QmpCtx *ctx, JobInfoList **ret, GError **errp)
{
    *ret = job_info_list_new();
    jobs_foreach(ctx->vm->jobs, add_job, *ret);
    return true;
}

/* None of the jobs that there are copies a disk. */
bool qmp_query_block_jobs(QmpCtx *ctx, BlockJobInfoList **ret, GError **errp)
{
    *ret = block_job_info_list_new();
    return true;
}
