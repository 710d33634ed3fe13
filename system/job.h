/*
 * Jobs: work that goes on after the command that began it.
 *
 * A job's work is one function in the main thread, which waits for storage as
 * commands do: without vm_lock, others are served (system/serve.h).  One job
 * works at a time, in the order in which they were begun.  Users see how far a
 * job is, may pause it or cancel it, and dismiss it when it has concluded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_JOB_H
#define SYSTEM_JOB_H

#include "qapi/qapi-types-job.h"

struct Vm;

typedef struct Jobs Jobs; /* all of a VM's, by id */
typedef struct Job Job;

/* A kind of job. */
typedef struct JobOps {
    JobType type;
    /* Main thread, vm_lock held.  False with errp: it failed. */
    bool (*run)(Job *j, void *opaque, GError **errp);
    /* What job_start() took over. */
    void (*free)(void *opaque);
} JobOps;

/* A job has another status.  vm_lock. */
typedef void JobChanged(void *opaque, const char *id, JobStatus status);

/* vm_lock, and the main thread, for all that says nothing else. */
Jobs *jobs_new(struct Vm *vm, JobChanged *changed, void *opaque);
/* None works any more; those that haven't begun to never will. */
void jobs_free(Jobs *all);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Jobs, jobs_free)

/*
 * Begins one, whose work starts from the main loop.  `opaque` is taken over,
 * also on failure: the id is in use, or no name.
 */
bool job_start(Jobs *all, const char *id, const JobOps *ops, void *opaque,
               GError **errp);
/* NULL with errp: there is none. */
Job *job_find(Jobs *all, const char *id, GError **errp);
/* In the order in which they were begun. */
void jobs_foreach(Jobs *all, void (*fn)(const Job *j, void *opaque),
                  void *opaque);
/* Strings are the job's. */
void job_get_info(const Job *j, JobInfo *ret);

/* What users ask for; false with errp: not of a job in that status. */
bool job_pause(Job *j, GError **errp);
bool job_resume(Job *j, GError **errp);
/* It ends at its next job_pause_point(), or doesn't begin. */
bool job_cancel(Job *j, GError **errp);
bool job_complete(Job *j, GError **errp);
bool job_finalize(Job *j, GError **errp);
/* The job is gone afterwards. */
bool job_dismiss(Job *j, GError **errp);

/* For a job's work */

/*
 * Any thread, without vm_lock: waits while the job is paused.  False with
 * errp: it was cancelled, or the program is to end.
 */
bool job_pause_point(Job *j, GError **errp);
/*
 * From now on it can't be cancelled: it is carried out to its end.  Any thread,
 * without vm_lock.  False with errp: it was cancelled before that.
 */
bool job_commit(Job *j, GError **errp);

#endif
