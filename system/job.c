/*
 * Jobs: their life, and what users may do with them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/job.h"

#include "system/vm.h"
#include "util/error.h"

/* Between two looks at a job that is paused. */
enum { JOB_LOOK_US = 5000 };

/* As long as those of other objects may be. */
enum { JOB_ID_MAX = 255 };

struct Job {
    Jobs *all;
    char *id;
    const JobOps *ops;
    void *opaque;
    JobStatus status;
    bool works;     /* run() was called */
    bool paused;    /* by a user; atomic */
    bool cancelled; /* atomic */
    bool committed; /* can't be cancelled any more */
    char *error;    /* NULL: none yet */
};

struct Jobs {
    Vm *vm;
    GPtrArray *list; /* Job, those begun first at its head */
    GSource *source; /* ready while one may start to work */
    JobChanged *changed;
    void *opaque;
};

typedef struct JobSource {
    GSource base;
    Jobs *all;
} JobSource;

/* Which commands are for jobs of which status. */
typedef enum JobVerb {
    JOB_VERB_CANCEL,
    JOB_VERB_PAUSE,
    JOB_VERB_COMPLETE,
    JOB_VERB_FINALIZE,
    JOB_VERB_DISMISS,
} JobVerb;

static const struct {
    const char *name;
    unsigned statuses; /* bits by JobStatus */
} job_verbs[] = {
    [JOB_VERB_CANCEL] = { "cancel", BIT(JOB_STATUS_CREATED) |
                                        BIT(JOB_STATUS_RUNNING) |
                                        BIT(JOB_STATUS_PAUSED) },
    [JOB_VERB_PAUSE] = { "pause", BIT(JOB_STATUS_CREATED) |
                                      BIT(JOB_STATUS_RUNNING) |
                                      BIT(JOB_STATUS_PAUSED) },
    /* No job waits for its user before it ends. */
    [JOB_VERB_COMPLETE] = { "complete", BIT(JOB_STATUS_READY) },
    [JOB_VERB_FINALIZE] = { "finalize", BIT(JOB_STATUS_PENDING) },
    [JOB_VERB_DISMISS] = { "dismiss", BIT(JOB_STATUS_CONCLUDED) },
};

static bool job_check_verb(const Job *j, JobVerb verb, GError **errp)
{
    bool ok = job_verbs[verb].statuses & BIT(j->status);

    if (!ok) {
        error_setf(errp,
                   "Job '%s' in state '%s' cannot accept command verb '%s'",
                   j->id, job_status_str(j->status), job_verbs[verb].name);
    }
    return ok;
}

static void job_set_status(Job *j, JobStatus status)
{
    if (j->status != status) {
        j->status = status;
        j->all->changed(j->all->opaque, j->id, status);
    }
}

static bool job_flag(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void job_set_flag(bool *flag, bool on)
{
    __atomic_store_n(flag, on, __ATOMIC_RELEASE);
}

/* Working */

/* The one whose turn it is; NULL: it is paused, or there is none. */
static Job *jobs_next(const Jobs *all)
{
    for (guint i = 0; i < all->list->len; i++) {
        Job *j = all->list->pdata[i];

        if (!j->works && (!j->paused || j->cancelled)) {
            return j;
        }
    }
    return NULL;
}

static void jobs_ready(Jobs *all)
{
    g_source_set_ready_time(all->source, jobs_next(all) != NULL ? 0 : -1);
}

static void job_conclude(Job *j, GError *err)
{
    if (err != NULL) {
        j->error = g_strdup(err->message);
        job_set_status(j, JOB_STATUS_ABORTING);
    } else {
        job_set_status(j, JOB_STATUS_WAITING);
        job_set_status(j, JOB_STATUS_PENDING);
    }
    job_set_status(j, JOB_STATUS_CONCLUDED);
}

static bool job_may_go_on(const Job *j, GError **errp)
{
    if (job_flag(&j->cancelled)) {
        error_setf(errp, "Operation canceled");
        return false;
    }
    if (vm_is_ending(j->all->vm)) {
        error_setf(errp, "the program is to end");
        return false;
    }
    return true;
}

static void job_work(Job *j)
{
    g_autoptr(GError) err = NULL;

    j->works = true;
    if (job_may_go_on(j, &err)) {
        (void)j->ops->run(j, j->opaque, &err);
    }
    job_conclude(j, err);
}

static gboolean jobs_dispatch(GSource *src, GSourceFunc unused_fn,
                              gpointer unused)
{
    VM_LOCK_GUARD();
    Jobs *all = ((JobSource *)src)->all;
    Job *j = jobs_next(all);

    (void)unused_fn;
    (void)unused;
    if (j != NULL) {
        job_work(j);
    }
    jobs_ready(all);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs jobs_funcs = { .dispatch = jobs_dispatch };

static bool job_stays(Job *j)
{
    VM_LOCK_GUARD();
    bool stays = j->paused && !j->cancelled && !vm_is_ending(j->all->vm);

    job_set_status(j, stays ? JOB_STATUS_PAUSED : JOB_STATUS_RUNNING);
    return stays;
}

bool job_pause_point(Job *j, GError **errp)
{
    if (job_flag(&j->paused)) {
        while (job_stays(j)) {
            g_usleep(JOB_LOOK_US);
        }
    }
    return job_may_go_on(j, errp);
}

bool job_commit(Job *j, GError **errp)
{
    VM_LOCK_GUARD();

    j->committed = job_may_go_on(j, errp);
    return j->committed;
}

/* Their list */

Jobs *jobs_new(Vm *vm, JobChanged *changed, void *opaque)
{
    Jobs *all = g_new0(Jobs, 1);

    all->vm = vm;
    all->changed = changed;
    all->opaque = opaque;
    all->list = g_ptr_array_new();
    all->source = g_source_new(&jobs_funcs, sizeof(JobSource));
    ((JobSource *)all->source)->all = all;
    g_source_set_static_name(all->source, "jobs");
    g_source_attach(all->source, NULL);
    return all;
}

static void job_free(Job *j)
{
    j->ops->free(j->opaque);
    g_free(j->id);
    g_free(j->error);
    g_free(j);
}

void jobs_free(Jobs *all)
{
    if (all == NULL) {
        return;
    }
    g_source_destroy(all->source);
    g_source_unref(all->source);
    for (guint i = 0; i < all->list->len; i++) {
        job_free(all->list->pdata[i]);
    }
    g_ptr_array_unref(all->list);
    g_free(all);
}

static Job *jobs_look_up(const Jobs *all, const char *id)
{
    for (guint i = 0; i < all->list->len; i++) {
        Job *j = all->list->pdata[i];

        if (g_str_equal(j->id, id)) {
            return j;
        }
    }
    return NULL;
}

/* A letter, then letters, digits and "-._". */
static bool job_id_ok(const char *id)
{
    size_t n = strspn(id, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._");

    return g_ascii_isalpha(*id) && id[n] == '\0' && n <= JOB_ID_MAX;
}

bool job_start(Jobs *all, const char *id, const JobOps *ops, void *opaque,
               GError **errp)
{
    Job *j;

    if (!job_id_ok(id)) {
        error_setf(errp, "Invalid job ID '%.*s'", JOB_ID_MAX, id);
    } else if (jobs_look_up(all, id) != NULL) {
        error_setf(errp, "Job ID '%s' already in use", id);
    } else {
        j = g_new0(Job, 1);
        j->all = all;
        j->id = g_strdup(id);
        j->ops = ops;
        j->opaque = opaque;
        g_ptr_array_add(all->list, j);
        job_set_status(j, JOB_STATUS_CREATED);
        job_set_status(j, JOB_STATUS_RUNNING);
        jobs_ready(all);
        return true;
    }
    ops->free(opaque);
    return false;
}

Job *job_find(Jobs *all, const char *id, GError **errp)
{
    Job *j = jobs_look_up(all, id);

    if (j == NULL) {
        error_setf(errp, "Job not found");
    }
    return j;
}

void jobs_foreach(Jobs *all, void (*fn)(const Job *j, void *opaque),
                  void *opaque)
{
    for (guint i = 0; i < all->list->len; i++) {
        fn(all->list->pdata[i], opaque);
    }
}

void job_get_info(const Job *j, JobInfo *ret)
{
    /* Work is one step: what it will take isn't known before. */
    *ret = (JobInfo){ .id = j->id,
                      .type = j->ops->type,
                      .status = j->status,
                      .current_progress = j->status == JOB_STATUS_CONCLUDED,
                      .total_progress = 1,
                      .error = j->error };
}

/* Users */

bool job_pause(Job *j, GError **errp)
{
    if (!job_check_verb(j, JOB_VERB_PAUSE, errp)) {
        return false;
    }
    if (j->paused) {
        error_setf(errp, "Job is already paused");
        return false;
    }
    job_set_flag(&j->paused, true);
    if (!j->works) {
        job_set_status(j, JOB_STATUS_PAUSED);
    }
    jobs_ready(j->all);
    return true;
}

/* What waits at a pause point sees to its status itself. */
static void job_unpause(Job *j)
{
    job_set_flag(&j->paused, false);
    if (!j->works) {
        job_set_status(j, JOB_STATUS_RUNNING);
    }
    jobs_ready(j->all);
}

bool job_resume(Job *j, GError **errp)
{
    if (!j->paused || j->status == JOB_STATUS_CONCLUDED) {
        error_setf(errp, "Can't resume a job that was not paused");
        return false;
    }
    job_unpause(j);
    return true;
}

bool job_cancel(Job *j, GError **errp)
{
    if (!job_check_verb(j, JOB_VERB_CANCEL, errp)) {
        return false;
    }
    if (j->committed) {
        error_setf(errp, "Job '%s' is past the point where it can be cancelled",
                   j->id);
        return false;
    }
    job_set_flag(&j->cancelled, true);
    job_unpause(j);
    return true;
}

bool job_complete(Job *j, GError **errp)
{
    return job_check_verb(j, JOB_VERB_COMPLETE, errp);
}

bool job_finalize(Job *j, GError **errp)
{
    return job_check_verb(j, JOB_VERB_FINALIZE, errp);
}

bool job_dismiss(Job *j, GError **errp)
{
    if (!job_check_verb(j, JOB_VERB_DISMISS, errp)) {
        return false;
    }
    job_set_status(j, JOB_STATUS_NULL);
    g_ptr_array_remove(j->all->list, j);
    job_free(j);
    return true;
}
