/*
 * Outgoing migration: the switch-over.
 *
 * While nobody runs the guest: stop its vCPUs, read their state once, read
 * the dirty log once, send the rest of memory and the devices, wait for the
 * destination's word that all is loaded, say RUN.  Nothing else belongs here.
 *
 * With a peer that knows the hand-shake (WIRE_F_COMMIT) the guest is given up
 * only after LOADED; until then any failure, and a LOADED that is late,
 * resumes it here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/converge.h"
#include "migration/return-path.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

/*
 * How long past the limit the word of a destination may take that has
 * everything: below this, scheduling alone would undo a finished migration.
 */
#define ACK_GRACE_NS (10 * NS_PER_MS)
/*
 * How long past the limit a write may block that can't be put off: RUN, and
 * all of them where the peer knows no second attempt.  A stream that was cut
 * there fails the migration, and the guest goes on here.
 */
#define WRITE_GRACE_NS (NS_PER_S)
/* For peers that resume on their own and report when they have. */
#define CLOSE_TIMEOUT_NS (10 * NS_PER_S)
/* For a guest that is stopped anyway, or may be for longer than the limit. */
#define LOADED_TIMEOUT_NS  (30 * NS_PER_S)
#define RESUMED_TIMEOUT_NS (2 * NS_PER_S)
/* Bytes of LOADED: the attempt and two times. */
#define LOADED_LEN 20

void mig_source_step(MigSource *s, DowntimeStep step, int64_t *since_ns)
{
    int64_t now = clock_monotonic_ns();
    LOCK_GUARD(&s->m->lock);

    s->m->show.bd_us[step] += (now - *since_ns) / NS_PER_US;
    s->m->show.bd_known |= 1u << step;
    *since_ns = now;
}

static void show_peer_step(MigSource *s, DowntimeStep step, uint64_t us)
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

bool mig_source_rehearse(MigSource *s, GError **errp)
{
    g_autoptr(StreamOut) scratch = stream_out_new(NULL);
    int64_t start, ns;
    VM_LOCK_GUARD();

    start = clock_monotonic_ns();
    if (!savevm_put_devices(scratch, s->vm->vmstates, errp)) {
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

    memset(s->m->show.bd_us, 0, sizeof(s->m->show.bd_us));
    s->m->show.bd_known = 0;
}

static bool stop_guest(MigSource *s, GError **errp)
{
    int64_t t = clock_monotonic_ns();
    int r;
    VM_LOCK_GUARD();

    reset_breakdown(s);
    s->stop_ns = t;
    s->stop_bytes = stream_out_bytes(s->out);
    s->was_running = runstate_is_running(s->vm);
    s->old_state = runstate_get(s->vm);
    engine_state_store(s->m->state);
    s->stopped = true;
    r = vm_stop_force(s->vm, RUN_STATE_FINISH_MIGRATE);
    mig_source_step(s, STEP_VCPU_STOP, &t);
    if (r < 0) {
        error_setf_errno(errp, -r, "flushing disks before the switch-over");
        return false;
    }
    return true;
}

/* PRE-SWITCHOVER: the management does what it has to, then says go on. */
static bool maybe_pause(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    bool cancelled;

    if (!MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER)) {
        return true;
    }
    lock_acquire(&m->lock);
    m->go_on = false;
    lock_release(&m->lock);
    {
        VM_LOCK_GUARD();
        mig_set_status(m, MIGRATION_STATUS_PRE_SWITCHOVER);
    }
    lock_acquire(&m->lock);
    while (!m->go_on && !m->cancel_asked) {
        cond_wait(&m->cond, &m->lock);
    }
    cancelled = m->cancel_asked;
    lock_release(&m->lock);
    if (cancelled) {
        error_setf(errp, "cancelled");
        return false;
    }
    s->stop_ns = clock_monotonic_ns(); /* the pause was asked for */
    return true;
}

/* After the last sync: does the rest still fit the promise? */
static bool fits_limit(MigSource *s, uint64_t pending_bytes)
{
    ConvergeInput in = {
        .pending_bytes = pending_bytes,
        .bytes_per_s = s->bytes_per_s,
        .fixed_ns = s->fixed_ns + clock_monotonic_ns() - s->stop_ns,
        .limit_ns = mig_downtime_limit_ns(s->m),
    };

    if (!MIG_HAS(s, SWITCHOVER_ABORT) || !s->was_running ||
        MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER)) {
        return true;
    }
    return converge_fits(&in);
}

/* Everything up to the end of file mark, in one go. */
static bool send_rest(MigSource *s, int64_t *t, GError **errp)
{
    if (!iterative_complete(s->set, errp)) {
        return false;
    }
    mig_source_step(s, STEP_RAM, t);
    if (stream_out_is_late(s->out)) {
        return true; /* the guest is not handed over: no devices */
    }
    if (!MIG_HAS(s, DEFERRED_DIRTY_LOG_TEARDOWN)) {
        mig_source_log_stop(s);
        mig_source_step(s, STEP_DIRTY_SYNC, t);
    }
    {
        VM_LOCK_GUARD();
        if (!savevm_put_devices(s->out, s->vm->vmstates, errp)) {
            return false;
        }
    }
    mig_source_step(s, STEP_DEVICE_STATE, t);
    if (!stream_out_flush(s->out, errp)) {
        return false;
    }
    s->owes_loaded = stream_out_is_late(s->out);
    if (!(s->features & WIRE_F_COMMIT)) {
        {
            VM_LOCK_GUARD();
            if (!savevm_put_description(s->out, s->vm->vmstates, errp)) {
                return false;
            }
        }
        return stream_out_flush(s->out, errp);
    }
    return true;
}

static bool put_attempt(MigSource *s, uint16_t cmd)
{
    uint8_t data[4];

    stl_be_p(data, s->attempt);
    savevm_put_command(s->out, cmd, data, sizeof(data));
    return true;
}

/* LOADED of this attempt; others are late words of one before. */
static RpResult wait_loaded(MigSource *s, int64_t *t, GError **errp)
{
    int64_t limit = MAX(mig_downtime_limit_ns(s->m), ACK_GRACE_NS);
    int64_t deadline = s->stop_ns + limit;
    uint64_t load_us, cpu_us;
    bool promised = s->was_running && MIG_HAS(s, SWITCHOVER_ABORT);
    RpMessage msg;

    if (!promised) {
        deadline = s->stop_ns + MAX(limit, LOADED_TIMEOUT_NS);
    }
    do {
        RpResult r = rp_read(s->ch, deadline, &msg, errp);

        if (r == RP_TIMEOUT && !promised) {
            error_setf(errp, "destination did not confirm the load");
            return RP_FAILED;
        }
        if (r != RP_OK) {
            return r;
        }
    } while (msg.type != WIRE_RP_LOADED || msg.len < LOADED_LEN ||
             ldl_be_p(msg.data) != s->attempt);
    load_us = ldq_be_p(msg.data + 4);
    cpu_us = ldq_be_p(msg.data + 12);
    show_peer_step(s, STEP_LOAD, load_us);
    show_peer_step(s, STEP_CPU_RESTORE, cpu_us);
    /* What is left of the wait is the wire, both ways. */
    *t +=
        MIN((int64_t)(load_us + cpu_us) * NS_PER_US, clock_monotonic_ns() - *t);
    mig_source_step(s, STEP_WIRE, t);
    return RP_OK;
}

/* The point of no return: false if a cancel came first. */
static bool commit(MigSource *s)
{
    LOCK_GUARD(&s->m->lock);

    if (s->m->cancel_asked) {
        return false;
    }
    s->m->committed = true;
    return true;
}

static void show_downtime(MigSource *s)
{
    LOCK_GUARD(&s->m->lock);

    s->m->show.downtime_ns = clock_monotonic_ns() - s->stop_ns;
    s->m->show.have_downtime = true;
}

static void wait_resumed(MigSource *s)
{
    int64_t deadline = clock_monotonic_ns() + RESUMED_TIMEOUT_NS;
    g_autoptr(GError) err = NULL;
    RpMessage msg;

    do {
        if (rp_read(s->ch, deadline, &msg, &err) != RP_OK) {
            return;
        }
    } while (msg.type != WIRE_RP_RESUMED || msg.len < 8);
    show_downtime(s);
    show_peer_step(s, STEP_RESUME, ldq_be_p(msg.data));
}

static SwitchResult took_too_long(MigSource *s)
{
    s->fixed_ns = converge_fixed(s->fixed_ns, mig_downtime_limit_ns(s->m));
    s->fixed_measured = true;
    return SWITCH_RETRY;
}

static SwitchResult hand_over(MigSource *s, int64_t *t, GError **errp)
{
    switch (wait_loaded(s, t, errp)) {
    case RP_TIMEOUT:
        s->owes_loaded = true;
        return took_too_long(s);
    case RP_FAILED:
        return SWITCH_FAILED;
    case RP_OK:
        break;
    }
    if (!commit(s)) {
        savevm_put_command(s->out, WIRE_CMD_ABORT, NULL, 0);
        stream_out_flush(s->out, NULL);
        error_setf(errp, "cancelled");
        return SWITCH_FAILED;
    }
    put_attempt(s, WIRE_CMD_RUN);
    if (!stream_out_flush(s->out, errp)) {
        return SWITCH_FAILED; /* not a byte of it left: the guest is ours */
    }
    s->handed_over = true;
    show_downtime(s);
    wait_resumed(s);
    return SWITCH_DONE;
}

/* A peer that runs the guest as soon as it has read it all. */
static SwitchResult close_plain(MigSource *s, GError **errp)
{
    int64_t deadline = clock_monotonic_ns() + CLOSE_TIMEOUT_NS;
    RpMessage msg = { 0 };

    show_downtime(s);
    if (!commit(s)) {
        error_setf(errp, "cancelled");
        return SWITCH_FAILED;
    }
    if (s->return_path) {
        do {
            RpResult r = rp_read(s->ch, deadline, &msg, errp);

            if (r == RP_TIMEOUT) {
                error_setf(errp, "destination did not confirm the load");
            }
            if (r != RP_OK) {
                return SWITCH_FAILED;
            }
        } while (msg.type != WIRE_RP_SHUT);
    } else if (!io_channel_close(s->ch, errp)) {
        return SWITCH_FAILED;
    }
    s->handed_over = true;
    return SWITCH_DONE;
}

/* From here on the destination may open the images. */
static bool give_disks_up(MigSource *s, GError **errp)
{
    int ret;
    VM_LOCK_GUARD();

    ret = vm_block_inactivate(s->vm);
    if (ret < 0) {
        error_setf_errno(errp, -ret, "flushing disks at the switch-over");
    }
    return ret == 0;
}

/*
 * A destination that hangs must not keep a stopped guest waiting. What can be
 * put off (`keep`) has to be written within the limit, or is written later.
 */
static void limit_writes(MigSource *s, bool keep)
{
    int64_t limit = MAX(mig_downtime_limit_ns(s->m), ACK_GRACE_NS);

    if (!s->was_running || !MIG_HAS(s, SWITCHOVER_ABORT) ||
        MIG_HAS(s, PAUSE_BEFORE_SWITCHOVER)) {
        return;
    }
    if (!keep) {
        limit += WRITE_GRACE_NS;
    }
    io_channel_set_deadline_us(s->ch, (s->stop_ns + limit) / NS_PER_US);
    stream_out_keep_late(s->out, keep);
}

/*
 * The guest stands.  The destination gets to know at once, so that it is awake
 * when the rest arrives; here, too, nobody sleeps now.
 */
static bool announce(MigSource *s, GError **errp)
{
    s->attempt++;
    limit_writes(s, s->features & WIRE_F_COMMIT);
    if (!(s->features & WIRE_F_COMMIT)) {
        return true;
    }
    io_channel_set_spin_us(s->ch, WIRE_SPIN_US);
    put_attempt(s, WIRE_CMD_SWITCHOVER);
    return stream_out_flush(s->out, errp);
}

static SwitchResult do_switch(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    uint64_t pending;
    int64_t t;

    if (!stop_guest(s, errp) || !maybe_pause(s, errp) || !announce(s, errp)) {
        return SWITCH_FAILED;
    }
    t = clock_monotonic_ns();
    {
        VM_LOCK_GUARD();
        mig_set_status(m, MIGRATION_STATUS_DEVICE);
        if (!m->hooks->cpus_sync(s->vm, errp)) {
            return SWITCH_FAILED;
        }
    }
    mig_source_step(s, STEP_CPU_SYNC, &t);
    pending = iterative_pending(s->set, true);
    mig_source_step(s, STEP_DIRTY_SYNC, &t);
    if (!fits_limit(s, pending)) {
        return SWITCH_RETRY;
    }
    t = clock_monotonic_ns();
    if (!give_disks_up(s, errp)) {
        return SWITCH_FAILED;
    }
    mig_source_step(s, STEP_BLOCK_DRAIN, &t);
    if (!send_rest(s, &t, errp)) {
        return SWITCH_FAILED;
    }
    if (stream_out_is_late(s->out)) {
        return took_too_long(s);
    }
    limit_writes(s, false);
    return s->features & WIRE_F_COMMIT ? hand_over(s, &t, errp)
                                       : close_plain(s, errp);
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

void mig_source_resume(MigSource *s)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    if (!s->stopped) {
        return;
    }
    s->stopped = false;
    if (!vm_block_activate(s->vm, &err)) {
        error_prefix(&err, "migration: the guest stays paused: ");
        log_take_error(err);
        runstate_set(s->vm, RUN_STATE_PAUSED);
    } else if (s->was_running) {
        vm_start(s->vm);
    } else {
        runstate_set(s->vm, s->old_state);
    }
}

SwitchResult mig_source_switch(MigSource *s, GError **errp)
{
    SwitchResult r = do_switch(s, errp);

    io_channel_set_deadline_us(s->ch, 0);
    io_channel_set_spin_us(s->ch, 0);
    stream_out_keep_late(s->out, false);
    if (r == SWITCH_DONE) {
        VM_LOCK_GUARD();
        runstate_set(s->vm, RUN_STATE_POSTMIGRATE);
    } else {
        mig_source_resume(s);
        s->resume_ns = clock_monotonic_ns();
    }
    return r;
}
