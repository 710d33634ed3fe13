/*
 * Outgoing migration: the switch-over.
 *
 * While nobody runs the guest: stop its vCPUs, read their state once, read
 * the dirty log once, send the rest of memory and the devices, and hand it
 * over (source-handover.c).  Nothing else belongs here.
 *
 * Until the guest is given away any failure, and whatever is late, resumes it
 * here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/converge.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "system/outside.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

enum {
    LOADED_LEN = 20,     /* bytes: the attempt and two times */
    STRAY_WAIT_MS = 100, /* the guest stands */
};

/* Between two looks at requests that storage has not answered. */
#define DRAIN_LOOK_MIN_NS (20 * NS_PER_US)
#define DRAIN_LOOK_MAX_NS (1 * NS_PER_MS)

void mig_source_step(MigSource *s, DowntimeStep step, int64_t *since_ns)
{
    int64_t now = clock_monotonic_ns();
    LOCK_GUARD(&s->m->lock);

    s->m->show.bd_us[step] += (now - *since_ns) / NS_PER_US;
    s->m->show.bd_known |= 1u << step;
    *since_ns = now;
}

void mig_source_peer_step(MigSource *s, DowntimeStep step, uint64_t us)
{
    LOCK_GUARD(&s->m->lock);

    s->m->show.bd_us[step] = us;
    s->m->show.bd_known |= 1u << step;
}

void mig_source_log_stop(MigSource *s)
{
    VM_LOCK_GUARD();

    if (s->log_on) {
        memory_dirty_log_stop(&s->vm->mem);
        s->log_on = false;
    }
}

void mig_source_show_downtime(MigSource *s)
{
    LOCK_GUARD(&s->m->lock);

    s->m->show.downtime_ns = clock_monotonic_ns() - s->stop_ns;
    s->m->show.have_downtime = true;
}

bool mig_source_check_machine(const MigSource *s, GError **errp)
{
    const VmstateRegistry *r = s->vm->vmstates;

    if (r->changes != s->changes) {
        error_setf(errp, "device '%s' came or went during the migration",
                   r->changed);
        return false;
    }
    return true;
}

bool mig_source_save_devices(MigSource *s, GError **errp)
{
    char **text = NULL;

    if (!mig_source_check_machine(s, errp)) {
        return false;
    }
    g_clear_pointer(&s->description, g_free);
    if (s->peer != PEER_COMMIT) {
        text = &s->description;
    }
    return savevm_save_devices(s->devices, s->vm->vmstates, text, errp);
}

bool mig_source_rehearse(MigSource *s, GError **errp)
{
    int64_t start, ns;
    VM_LOCK_GUARD();

    start = clock_monotonic_ns();
    if (!mig_source_save_devices(s, errp)) {
        return false;
    }
    /* The destination's part and the two ways are about the same again. */
    ns = 3 * (clock_monotonic_ns() - start);
    s->fixed_ns = s->fixed_ns == 0 ? ns : MIN(s->fixed_ns, ns);
    return true;
}

static void reset_breakdown(MigSource *s)
{
    LOCK_GUARD(&s->m->lock);

    g_clear_pointer(&s->m->answers, backend_answer_list_free);
    memset(s->m->show.bd_us, 0, sizeof(s->m->show.bd_us));
    s->m->show.bd_known = 0;
}

/*
 * What was asked of the guest at the moment of the stop reaches it where it
 * runs next: it changes the state that travels, or the guest doesn't leave.
 */
static bool settle_requests(MigSource *s)
{
    VmSettled done;

    vm_requests_settle(s->vm, &done);
    if (done.reset && !s->was_running) {
        s->old_state = RUN_STATE_PRELAUNCH;
    }
    if (done.stop &&
        (s->was_running || done.stop_state == RUN_STATE_INTERNAL_ERROR)) {
        s->was_running = false;
        s->old_state = done.stop_state;
    }
    engine_state_store(s->m->state, s->old_state);
    return !done.needs_running;
}

/*
 * An attempt isn't undone where the memory that the guest would go on with
 * here is the destination's, too, which has devices loaded on it.
 */
static void make_plan(MigSource *s)
{
    const SwitchInput in = {
        .peer = s->peer,
        .was_running = s->was_running,
        .abort_on = MIG_HAS(s, SWITCHOVER_ABORT) && !s->postcopy &&
                    !MIG_HAS(s, X_IGNORE_SHARED),
        .pause_before = MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER),
        .stop_ns = s->stop_ns,
        .limit_ns = mig_downtime_limit_ns(s->m),
        .silence_ns = s->m->waits.silence_ns,
    };

    s->plan = switch_plan(&in);
}

/* What each back end took to give its rings back; vm_lock held. */
static void show_answers(MigSource *s)
{
    BackendAnswerList *list = backend_answer_list_new();

    for (GList *l = s->vm->outside.head; l != NULL; l = l->next) {
        const VmOutside *o = l->data;
        int64_t end = __atomic_load_n(&o->answered_ns, __ATOMIC_RELAXED);

        if (o->asked_ns >= s->stop_ns && end >= o->asked_ns) {
            BackendAnswer *a = g_new0(BackendAnswer, 1);

            a->name = g_strdup(o->name);
            a->time = (end - o->asked_ns) / NS_PER_US;
            backend_answer_list_append(list, a);
        }
    }
    LOCK_GUARD(&s->m->lock);
    g_clear_pointer(&s->m->answers, backend_answer_list_free);
    if (list->n > 0) {
        s->m->answers = list;
    } else {
        backend_answer_list_free(list);
    }
}

static SwitchResult step_stop(MigSource *s, int64_t *t, GError **errp)
{
    VM_LOCK_GUARD();

    reset_breakdown(s);
    s->stop_ns = *t;
    s->stop_bytes = mig_source_bytes(s);
    s->stopped = true;
    s->old_state = vm_stop_force(s->vm, RUN_STATE_FINISH_MIGRATE);
    s->was_running = s->old_state == RUN_STATE_RUNNING;
    show_answers(s);
    make_plan(s);
    /* Nobody writes any more: what is dirty is known for good. */
    return vm_outside_check(s->vm, STRAY_WAIT_MS, errp) ? SWITCH_GOES_ON
                                                        : SWITCH_FAILED;
}

/* Lets go of all locks for a moment, and less if it is cancelled. */
static void wait_for_storage(MigSource *s, int64_t ns)
{
    Migration *m = s->m;
    int64_t until = clock_monotonic_ns() + ns;
    LOCK_GUARD(&m->lock);

    if (!m->cancel_asked) {
        cond_wait_until(&m->cond, &m->lock, until);
    }
}

/* A step with vm_lock held; false: storage has not answered, again. */
typedef bool StorageStep(Vm *vm, bool first, int *ret);

/*
 * Storage may never answer, so that nothing is held while it is waited for: the
 * monitor answers, and a cancel or the limit ends it.
 */
static SwitchResult repeat_storage_step(MigSource *s, StorageStep *step,
                                        const char *when, GError **errp)
{
    int64_t look = DRAIN_LOOK_MIN_NS;
    bool first = true;
    int r;

    for (;; look = MIN(2 * look, DRAIN_LOOK_MAX_NS)) {
        {
            VM_LOCK_GUARD();
            if (step(s->vm, first, &r)) {
                break;
            }
        }
        first = false;
        if (mig_cancel_asked(s->m)) {
            error_setf(errp, "cancelled");
            return SWITCH_FAILED;
        }
        if (s->plan.may_undo && clock_monotonic_ns() > s->plan.write_end_ns) {
            return SWITCH_RETRY;
        }
        wait_for_storage(s, look);
    }
    if (r < 0) {
        error_setf_errno(errp, -r, "flushing disks %s the switch-over", when);
        return SWITCH_FAILED;
    }
    return SWITCH_GOES_ON;
}

/* What the guest has asked of its disks is done and flushed. */
static SwitchResult step_drain(MigSource *s, int64_t *t, GError **errp)
{
    SwitchResult r = repeat_storage_step(s, vm_drain_step, "before", errp);

    if (r != SWITCH_GOES_ON) {
        return r;
    }
    mig_source_step(s, STEP_VCPU_STOP, t);
    VM_LOCK_GUARD();
    return settle_requests(s) ? SWITCH_GOES_ON : SWITCH_RETRY;
}

/* PRE-SWITCHOVER: the management does what it has to, then says go on. */
static bool wait_go_ahead(MigSource *s)
{
    Migration *m = s->m;

    lock_acquire(&m->lock);
    m->go_on = false;
    lock_release(&m->lock);
    {
        VM_LOCK_GUARD();
        mig_set_status(m, MIGRATION_STATUS_PRE_SWITCHOVER);
    }
    LOCK_GUARD(&m->lock);
    while (!m->go_on && !m->cancel_asked) {
        cond_wait(&m->cond, &m->lock);
    }
    return !m->cancel_asked;
}

static SwitchResult step_pause(MigSource *s, int64_t *t, GError **errp)
{
    if (!MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER)) {
        return SWITCH_GOES_ON;
    }
    if (!wait_go_ahead(s)) {
        error_setf(errp, "cancelled");
        return SWITCH_FAILED;
    }
    s->stop_ns = clock_monotonic_ns(); /* the pause was asked for */
    VM_LOCK_GUARD();
    if (!settle_requests(s)) {
        error_setf(errp, "a shutdown, suspend or wake-up of the guest was "
                         "asked for before the switch-over");
        return SWITCH_FAILED;
    }
    return SWITCH_GOES_ON;
}

/* The one who sends it holds the guest up by a system call if it stands. */
static SwitchResult announce_attempt(MigSource *s, GError **errp)
{
    uint8_t data[4];

    s->attempt++;
    if (s->peer != PEER_COMMIT) {
        return SWITCH_GOES_ON;
    }
    stl_be_p(data, s->attempt);
    savevm_put_command(s->out, WIRE_CMD_SWITCHOVER, data, sizeof(data));
    return stream_out_flush(s->out, errp) ? SWITCH_GOES_ON : SWITCH_FAILED;
}

/*
 * The guest is about to be stopped, and runs as long as this can't be written.
 * The destination wakes up by it while the vCPUs are stopped.
 */
static SwitchResult step_announce(MigSource *s, int64_t *t, GError **errp)
{
    SwitchResult r = SWITCH_GOES_ON;

    if (!MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER)) {
        r = announce_attempt(s, errp);
        *t = clock_monotonic_ns();
    }
    return r;
}

/* The guest stands: from here on there are limits, and nobody sleeps. */
static SwitchResult step_limits(MigSource *s, int64_t *t, GError **errp)
{
    make_plan(s); /* by what was settled meanwhile */
    io_channel_set_write_deadline_us(s->ch, s->plan.write_end_ns / NS_PER_US);
    io_channel_set_io_timeout(s->ch, s->plan.silence_ns / NS_PER_MS);
    if (s->multifd != NULL) {
        multifd_send_set_limits(s->multifd, s->plan.write_end_ns / NS_PER_US,
                                s->plan.silence_ns / NS_PER_MS);
    }
    stream_out_keep_late(s->out, s->plan.keep_late);
    if (s->peer == PEER_COMMIT) {
        io_channel_set_spin_us(s->ch, s->plan.spin ? WIRE_SPIN_US : 0);
    }
    return MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER) ? announce_attempt(s, errp)
                                               : SWITCH_GOES_ON;
}

static SwitchResult step_cpus(MigSource *s, int64_t *t, GError **errp)
{
    Migration *m = s->m;
    VM_LOCK_GUARD();

    *t = clock_monotonic_ns();
    mig_set_status(m, MIGRATION_STATUS_DEVICE);
    s->cpu_changes = __atomic_load_n(&s->vm->cpu_changes, __ATOMIC_ACQUIRE);
    if (!m->hooks->cpus_sync(s->vm, errp)) {
        return SWITCH_FAILED;
    }
    mig_source_step(s, STEP_CPU_SYNC, t);
    return SWITCH_GOES_ON;
}

/* After the last sync: does the rest still fit the promise? */
static SwitchResult step_sync(MigSource *s, int64_t *t, GError **errp)
{
    ConvergeInput in = {
        .bytes_per_s = s->bytes_per_s,
        .limit_ns = mig_downtime_limit_ns(s->m),
    };

    {
        VM_LOCK_GUARD();
        ram_count_host_writes(&s->vm->mem.ram, true);
        s->host_writes = ram_host_writes(&s->vm->mem.ram);
    }
    in.pending_bytes = iterative_pending(s->set, true);
    mig_source_step(s, STEP_DIRTY_SYNC, t);
    in.fixed_ns = s->fixed_ns + clock_monotonic_ns() - s->stop_ns;
    return !s->plan.may_undo || converge_fits(&in) ? SWITCH_GOES_ON
                                                   : SWITCH_RETRY;
}

/*
 * From here on the destination may open the images.  As a rule nothing has been
 * asked of them since step_drain().
 */
static SwitchResult step_disks(MigSource *s, int64_t *t, GError **errp)
{
    SwitchResult r;

    *t = clock_monotonic_ns();
    r = repeat_storage_step(s, vm_block_inactivate_step, "at", errp);
    if (r == SWITCH_GOES_ON) {
        mig_source_step(s, STEP_BLOCK_DRAIN, t);
    }
    return r;
}

SwitchResult mig_source_too_late(MigSource *s)
{
    s->fixed_ns = converge_fixed(s->fixed_ns, mig_downtime_limit_ns(s->m));
    s->fixed_measured = true;
    return SWITCH_RETRY;
}

static SwitchResult step_memory(MigSource *s, int64_t *t, GError **errp)
{
    if (!iterative_complete(s->set, errp)) {
        return SWITCH_FAILED;
    }
    mig_source_step(s, STEP_RAM, t);
    if (stream_out_is_late(s->out)) {
        return mig_source_too_late(s); /* no devices: not handed over */
    }
    if (!MIG_HAS(s, DEFERRED_DIRTY_LOG_TEARDOWN)) {
        mig_source_log_stop(s);
        mig_source_step(s, STEP_DIRTY_SYNC, t);
    }
    return SWITCH_GOES_ON;
}

/* In memory with the lock, over the wire without. */
static SwitchResult step_devices(MigSource *s, int64_t *t, GError **errp)
{
    const uint8_t *data;
    size_t len;

    {
        VM_LOCK_GUARD();
        if (!mig_source_save_devices(s, errp)) {
            return SWITCH_FAILED;
        }
    }
    mig_source_step(s, STEP_DEVICE_STATE, t);
    data = stream_out_data(s->devices, &len);
    stream_put_ref(s->out, data, len);
    if (s->peer == PEER_COMMIT) {
        stream_put_u8(s->out, WIRE_EOF); /* it waits for RUN */
    }
    if (!stream_out_flush(s->out, errp)) {
        return SWITCH_FAILED;
    }
    s->owes_loaded = stream_out_is_late(s->out);
    return s->owes_loaded ? mig_source_too_late(s) : SWITCH_GOES_ON;
}

typedef SwitchResult SwitchStep(MigSource *s, int64_t *t, GError **errp);

static SwitchStep *const first_steps[] = {
    step_announce, step_stop, step_drain, step_pause, step_limits,
    step_cpus,     step_sync, step_disks, NULL,
};
static SwitchStep *const memory_first[] = {
    step_memory,
    step_devices,
    mig_source_hand_over,
    NULL,
};
static SwitchStep *const guest_first[] = {
    mig_postcopy_step_discard,
    mig_postcopy_step_package,
    mig_postcopy_step_hand_over,
    NULL,
};

static SwitchResult take_steps(MigSource *s, SwitchStep *const *steps,
                               int64_t *t, GError **errp)
{
    SwitchResult r = SWITCH_GOES_ON;

    for (size_t i = 0; steps[i] != NULL && r == SWITCH_GOES_ON; i++) {
        r = steps[i](s, t, errp);
    }
    return r;
}

static SwitchResult do_switch(MigSource *s, GError **errp)
{
    int64_t t = clock_monotonic_ns();
    SwitchResult r = take_steps(s, first_steps, &t, errp);

    if (r != SWITCH_GOES_ON) {
        return r;
    }
    return take_steps(s, s->postcopy ? guest_first : memory_first, &t, errp);
}

bool mig_source_catch_up(MigSource *s, GError **errp)
{
    if (!stream_out_catch_up(s->out, errp) ||
        (s->owes_loaded &&
         !mig_source_await(s, WIRE_RP_LOADED, LOADED_LEN, s->attempt, errp))) {
        return false;
    }
    s->owes_loaded = false;
    return true;
}

/* Resumes the guest here after a switch-over that did not happen. */
static void resume_guest(MigSource *s)
{
    RunState stands = s->old_state;
    GError *err = NULL;

    if (!s->stopped) {
        return;
    }
    s->stopped = false;
    if (vm_is_ending(s->vm)) {
        /* vCPUs and disks have been, or will be, stopped for good. */
        runstate_set(s->vm, RUN_STATE_PAUSED);
    } else if (!vm_block_activate(s->vm, &err)) {
        error_prefix(&err, "migration: the guest stays paused: ");
        log_take_error(err);
        runstate_set(s->vm, RUN_STATE_PAUSED);
    } else if (s->was_running && !vm_stop_is_asked(s->vm, &stands)) {
        vm_start(s->vm);
    } else {
        /* Who asked for a stop meanwhile sees no RESUME before it. */
        runstate_set(s->vm, stands);
    }
}

void mig_source_leave(MigSource *s)
{
    vm_requests_drop(s->vm);
    s->vm->given = true;
    runstate_set(s->vm, RUN_STATE_POSTMIGRATE);
}

SwitchResult mig_source_switch(MigSource *s, GError **errp)
{
    SwitchResult r = do_switch(s, errp);

    io_channel_set_deadline_us(s->ch, 0);
    io_channel_set_io_timeout(s->ch, 0);
    if (s->multifd != NULL) {
        multifd_send_set_limits(s->multifd, 0, 0);
    }
    io_channel_set_spin_us(s->ch, 0);
    stream_out_keep_late(s->out, false);
    VM_LOCK_GUARD();
    ram_count_host_writes(&s->vm->mem.ram, false);
    if (s->owner == OWNER_SOURCE) {
        resume_guest(s);
        s->resume_ns = clock_monotonic_ns();
        return r;
    }
    if (s->later == NULL) {
        mig_source_leave(s);
    }
    return r;
}
