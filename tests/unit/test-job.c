/*
 * Jobs: their statuses in order, whose turn it is, and what users may do when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/job.h"
#include "system/serve.h"
#include "system/vm.h"
#include "util/error.h"

static const VmHooks no_hooks = { 0 };

typedef struct Fixture {
    Vm *vm;
    Jobs *jobs;
    GString *told; /* "id:status " of all changes */
    unsigned nfreed;
} Fixture;

/* A job's work: fails with `error` if that isn't NULL. */
typedef struct Work {
    Fixture *f;
    const char *error;
    bool waits;   /* it comes to a pause point once it may... */
    bool go_on;   /* ...which is told it by this; atomic */
    bool reached; /* it works; atomic */
    bool commits; /* it has a part that can't be undone */
} Work;

static void on_changed(void *opaque, const char *id, JobStatus status)
{
    Fixture *f = opaque;

    g_assert_true(vm_lock_held());
    g_string_append_printf(f->told, "%s:%s ", id, job_status_str(status));
}

typedef struct Wait {
    Work *work;
    Job *job;
    GError *err;
    bool ok;
} Wait;

/* Without vm_lock, as what waits for storage. */
static void wait_to_go_on(void *opaque)
{
    Wait *w = opaque;

    w->ok = !w->work->commits || job_commit(w->job, &w->err);
    __atomic_store_n(&w->work->reached, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&w->work->go_on, __ATOMIC_ACQUIRE)) {
        g_usleep(100);
    }
    w->ok = w->ok && job_pause_point(w->job, &w->err);
}

VM_LOCKED static bool work_run(Job *j, void *opaque, GError **errp)
{
    Work *work = opaque;
    Wait w = { .work = work, .job = j, .ok = true };
    bool served;

    if (work->waits) {
        served = vm_serve_allow(work->f->vm, true);
        vm_serve_until(work->f->vm, wait_to_go_on, &w);
        vm_serve_allow(work->f->vm, served);
    }
    if (!w.ok) {
        g_propagate_error(errp, w.err);
        return false;
    }
    if (work->error != NULL) {
        error_setf(errp, "%s", work->error);
    }
    return work->error == NULL;
}

static void work_free(void *opaque)
{
    Work *work = opaque;

    work->f->nfreed++;
}

static const JobOps work_ops = { .type = JOB_TYPE_SNAPSHOT_SAVE,
                                 .run = work_run,
                                 .free = work_free };

NO_TSA static void setup(Fixture *f)
{
    f->vm = vm_new(&no_hooks);
    f->told = g_string_new(NULL);
    f->nfreed = 0;
    vm_lock_acquire();
    f->jobs = jobs_new(f->vm, on_changed, f);
}

NO_TSA static void teardown(Fixture *f)
{
    jobs_free(f->jobs);
    vm_lock_release();
    g_string_free(f->told, TRUE);
    vm_free(f->vm);
}

static void check_told(Fixture *f, const char *what)
{
    g_assert_cmpstr(f->told->str, ==, what);
    g_string_set_size(f->told, 0);
}

static void turn(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void start(Fixture *f, const char *id, Work *w)
{
    w->f = f;
    g_assert_true(job_start(f->jobs, id, &work_ops, w, NULL));
}

static Job *find(Fixture *f, const char *id)
{
    return job_find(f->jobs, id, NULL);
}

typedef bool Verb(Job *j, GError **errp);

static void refused(Fixture *f, const char *id, Verb *verb, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(verb(find(f, id), &err));
    g_assert_cmpstr(err->message, ==, text);
}

/* In the order in which they were begun; one that failed says why. */
static void test_life(void)
{
    Fixture f;
    Work a = { 0 }, b = { .error = "no room" };
    JobInfo info;

    setup(&f);
    start(&f, "a", &a);
    start(&f, "b", &b);
    check_told(&f, "a:created a:running b:created b:running ");
    job_get_info(find(&f, "b"), &info);
    g_assert_cmpint(info.current_progress, ==, 0);
    refused(&f, "a", job_dismiss,
            "Job 'a' in state 'running' cannot accept command verb 'dismiss'");
    turn();
    check_told(&f, "a:waiting a:pending a:concluded "
                   "b:aborting b:concluded ");
    job_get_info(find(&f, "a"), &info);
    g_assert_null(info.error);
    g_assert_cmpint(info.current_progress, ==, 1);
    job_get_info(find(&f, "b"), &info);
    g_assert_cmpstr(info.error, ==, "no room");
    refused(&f, "a", job_cancel,
            "Job 'a' in state 'concluded' cannot accept command verb "
            "'cancel'");
    refused(&f, "a", job_resume, "Can't resume a job that was not paused");
    g_assert_true(job_dismiss(find(&f, "a"), NULL));
    check_told(&f, "a:null ");
    g_assert_null(job_find(f.jobs, "a", NULL));
    g_assert_cmpuint(f.nfreed, ==, 1);
    teardown(&f);
    g_assert_cmpuint(f.nfreed, ==, 2);
}

static void test_ids(void)
{
    static const char *const bad[] = { "", "9a", "a b", "a/", "\xc3\xa4" };
    g_autofree char *longest = g_strnfill(256, 'x');
    g_autoptr(GError) err = NULL;
    Fixture f;
    Work w = { .f = &f };

    setup(&f);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(job_start(f.jobs, bad[i], &work_ops, &w, NULL));
    }
    g_assert_false(job_start(f.jobs, longest, &work_ops, &w, NULL));
    g_assert_cmpuint(f.nfreed, ==, G_N_ELEMENTS(bad) + 1);
    longest[255] = '\0';
    g_assert_true(job_start(f.jobs, longest, &work_ops, &w, NULL));
    g_assert_true(job_start(f.jobs, "a.b_c-9", &work_ops, &w, NULL));
    g_assert_false(job_start(f.jobs, "a.b_c-9", &work_ops, &w, &err));
    g_assert_cmpstr(err->message, ==, "Job ID 'a.b_c-9' already in use");
    teardown(&f);
}

/* One that hasn't begun to work lets others pass while it is paused. */
static void test_pause_before(void)
{
    Fixture f;
    Work a = { 0 }, b = { 0 }, c = { 0 };

    setup(&f);
    start(&f, "a", &a);
    start(&f, "b", &b);
    start(&f, "c", &c);
    g_assert_true(job_pause(find(&f, "a"), NULL));
    refused(&f, "a", job_pause, "Job is already paused");
    g_assert_true(job_cancel(find(&f, "c"), NULL));
    g_string_set_size(f.told, 0);
    turn();
    check_told(&f, "b:waiting b:pending b:concluded "
                   "c:aborting c:concluded ");
    g_assert_true(job_resume(find(&f, "a"), NULL));
    turn();
    check_told(&f, "a:running a:waiting a:pending a:concluded ");
    teardown(&f);
}

/* Of the main loop: what a user does while a job works. */
typedef struct User {
    Fixture *f;
    Work *work;
    unsigned step;
    bool cancel;
} User;

static JobStatus status_of(Fixture *f, const char *id)
{
    JobInfo info;

    job_get_info(find(f, id), &info);
    return info.status;
}

static gboolean user_acts(gpointer opaque)
{
    User *u = opaque;
    Job *j = find(u->f, "a");

    if (!__atomic_load_n(&u->work->reached, __ATOMIC_ACQUIRE)) {
        return G_SOURCE_CONTINUE;
    }
    if (u->step == 0) {
        g_assert_true(job_pause(j, NULL));
        g_assert_cmpint(status_of(u->f, "a"), ==, JOB_STATUS_RUNNING);
        __atomic_store_n(&u->work->go_on, true, __ATOMIC_RELEASE);
        u->step++;
    } else if (status_of(u->f, "a") == JOB_STATUS_PAUSED) {
        if (u->cancel) {
            g_assert_true(job_cancel(j, NULL));
        } else {
            g_assert_true(job_resume(j, NULL));
        }
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void run_with_user(Fixture *f, Work *w, bool cancel)
{
    User u = { .f = f, .work = w, .cancel = cancel };

    start(f, "a", w);
    g_string_set_size(f->told, 0);
    g_timeout_add(1, user_acts, &u);
    while (status_of(f, "a") != JOB_STATUS_CONCLUDED) {
        g_main_context_iteration(NULL, true);
    }
}

static void test_pause(void)
{
    Fixture f;
    Work w = { .waits = true };

    setup(&f);
    run_with_user(&f, &w, false);
    check_told(&f, "a:paused a:running a:waiting a:pending a:concluded ");
    teardown(&f);
}

static void test_cancel(void)
{
    Fixture f;
    Work w = { .waits = true };
    JobInfo info;

    setup(&f);
    run_with_user(&f, &w, true);
    check_told(&f, "a:paused a:running a:aborting a:concluded ");
    job_get_info(find(&f, "a"), &info);
    g_assert_cmpstr(info.error, ==, "Operation canceled");
    teardown(&f);
}

static gboolean user_comes_late(gpointer opaque)
{
    User *u = opaque;

    if (!__atomic_load_n(&u->work->reached, __ATOMIC_ACQUIRE)) {
        return G_SOURCE_CONTINUE;
    }
    refused(u->f, "a", job_cancel,
            "Job 'a' is past the point where it can be cancelled");
    __atomic_store_n(&u->work->go_on, true, __ATOMIC_RELEASE);
    return G_SOURCE_REMOVE;
}

static void test_commit(void)
{
    Fixture f;
    Work w = { .waits = true, .commits = true };
    User u = { .f = &f, .work = &w };

    setup(&f);
    start(&f, "a", &w);
    g_string_set_size(f.told, 0);
    g_timeout_add(1, user_comes_late, &u);
    while (status_of(&f, "a") != JOB_STATUS_CONCLUDED) {
        g_main_context_iteration(NULL, true);
    }
    check_told(&f, "a:waiting a:pending a:concluded ");
    teardown(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/job/life", test_life);
    g_test_add_func("/job/ids", test_ids);
    g_test_add_func("/job/pause-before", test_pause_before);
    g_test_add_func("/job/pause", test_pause);
    g_test_add_func("/job/cancel", test_cancel);
    g_test_add_func("/job/commit", test_commit);
    return g_test_run();
}
