/*
 * Outgoing migration: the guest changes hands.
 *
 * What gives it away is one message, RUN or the end of file mark, and there is
 * no way back behind it: from the first byte that the channel took, the
 * destination may run the guest, and this side never does by itself.  As long
 * as the channel took none, the guest is ours.  The rules are in handover.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/savevm.h"
#include "system/ramblock-lost.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    LOADED_LEN = 20, /* bytes: the attempt and two times */
    RESUMED_LEN = 8, /* a time */
    SHUT_LEN = 4,
    NUMBER_LEN = 4, /* of an attempt or a ping */
};

void mig_source_event(MigSource *s, HandoverEvent ev)
{
    s->owner = handover_next(s->peer, s->owner, ev);
}

/* What was done to the guest since it was saved; NULL: nothing. */
static const char *changed_meanwhile(const MigSource *s)
{
    Vm *vm = s->vm;

    if (vm_requests_waiting(vm, !s->was_running)) {
        return "a reset, shutdown or stop of the guest was asked for";
    }
    if (ram_host_writes(&vm->mem.ram) != s->host_writes) {
        /* What was written then may not have been sent. */
        return "guest memory was written, by a debugger perhaps,";
    }
    if (__atomic_load_n(&vm->cpu_changes, __ATOMIC_ACQUIRE) != s->cpu_changes) {
        return "registers of a CPU were written, by a debugger perhaps,";
    }
    return NULL;
}

/*
 * The point of no return, as far as cancel is concerned.  What was asked of
 * the guest, or done to it, since it was saved would be lost: then it doesn't
 * leave.
 */
static SwitchResult handover_commit(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    const char *why;
    VM_LOCK_GUARD();

    why = changed_meanwhile(s);
    if (why != NULL) {
        if (s->plan.may_undo && s->peer == PEER_COMMIT) {
            return SWITCH_RETRY;
        }
        error_setf(errp, "%s in the switch-over", why);
        return SWITCH_FAILED;
    }
    /* Zeros may have been sent instead of it. */
    if (!ram_lost_check(&s->vm->mem.ram, errp)) {
        return SWITCH_FAILED;
    }
    LOCK_GUARD(&m->lock);
    if (m->cancel_asked) {
        error_setf(errp, "cancelled");
        return SWITCH_FAILED;
    }
    m->committed = true;
    return SWITCH_GOES_ON;
}

/*
 * Writes what was put and gives the guest away.  All before it has been
 * written, so the first byte that the channel takes is the mark's.
 */
static bool flush_mark(MigSource *s, uint64_t mark, HandoverEvent ev,
                       GError **errp)
{
    int64_t end =
        clock_monotonic_ns() +
        (s->plan.may_undo ? s->m->waits.mark_ns : s->m->waits.last_word_ns);
    bool ok;

    io_channel_set_write_deadline_us(s->ch, end / NS_PER_US);
    stream_out_keep_late(s->out, false);
    ok = stream_out_flush(s->out, errp);
    if (stream_out_written(s->out) > mark) {
        mig_source_event(s, ev);
    }
    io_channel_set_spin_us(s->ch, 0); /* nobody waits for us any more */
    return ok;
}

/* False with errp if something is still on its way to the channel. */
static bool all_is_written(MigSource *s, GError **errp)
{
    if (stream_out_written(s->out) == stream_out_bytes(s->out)) {
        return true;
    }
    error_setf(errp, "%s: state that was not written", io_channel_name(s->ch));
    return false;
}

/* It is given, and nothing says where it is. */
static SwitchResult handover_given(MigSource *s, GError **errp)
{
    if (s->owner == OWNER_SOURCE) {
        return SWITCH_FAILED;
    }
    error_prefix(errp, "the guest was handed over, but the destination did not "
                       "confirm it: ");
    return SWITCH_GIVEN;
}

static void put_mark(MigSource *s, HandoverEvent mark)
{
    uint8_t number[NUMBER_LEN];

    switch (mark) {
    case SAID_RUN:
        stl_be_p(number, s->attempt);
        savevm_put_command(s->out, WIRE_CMD_RUN, number, sizeof(number));
        break;
    case SAID_PACKAGED_RUN:
        savevm_put_command(s->out, WIRE_CMD_POSTCOPY_RUN, NULL, 0);
        break;
    default:
        stream_put_u8(s->out, WIRE_EOF);
        break;
    }
}

SwitchResult mig_source_give(MigSource *s, HandoverEvent mark, GError **errp)
{
    SwitchResult r = handover_commit(s, errp);
    uint64_t at;

    if (r != SWITCH_GOES_ON) {
        return r;
    }
    if (!all_is_written(s, errp)) {
        return SWITCH_FAILED;
    }
    at = stream_out_bytes(s->out);
    put_mark(s, mark);
    return flush_mark(s, at, mark, errp) ? SWITCH_GOES_ON
                                         : handover_given(s, errp);
}

/* LOADED of this attempt; others are late words of one before. */
static SwitchResult wait_loaded(MigSource *s, int64_t *t, GError **errp)
{
    const RpWanted want = { .type = WIRE_RP_LOADED,
                            .min_len = LOADED_LEN,
                            .numbered = true,
                            .number = s->attempt };
    uint64_t load_us, cpu_us, stood_us;
    RpMessage msg;

    switch (rp_await(&s->rp, &want, s->m->cancel,
                     switch_word_end_ns(&s->plan, clock_monotonic_ns()), &msg,
                     errp)) {
    case RP_TIMEOUT:
        if (!s->plan.may_undo) {
            error_setf(errp, "destination did not confirm the load");
            return SWITCH_FAILED;
        }
        s->owes_loaded = true;
        return mig_source_too_late(s);
    case RP_FAILED:
        return SWITCH_FAILED;
    case RP_OK:
        break;
    }
    mig_source_event(s, HEARD_LOADED);
    /* It can't have taken longer than the guest stands. */
    stood_us = (clock_monotonic_ns() - s->stop_ns) / NS_PER_US;
    load_us = MIN(ldq_be_p(msg.data + 4), stood_us);
    cpu_us = MIN(ldq_be_p(msg.data + 12), stood_us);
    mig_source_peer_step(s, STEP_LOAD, load_us);
    mig_source_peer_step(s, STEP_CPU_RESTORE, cpu_us);
    /* What is left of the wait is the wire, both ways. */
    *t +=
        MIN((int64_t)(load_us + cpu_us) * NS_PER_US, clock_monotonic_ns() - *t);
    mig_source_step(s, STEP_WIRE, t);
    return SWITCH_GOES_ON;
}

/* What says that the guest has arrived; the mark is behind us. */
static SwitchResult wait_last_word(MigSource *s, const RpWanted *want,
                                   RpMessage *ret, GError **errp)
{
    int64_t deadline = clock_monotonic_ns() + s->m->waits.last_word_ns;

    switch (rp_await(&s->rp, want, NULL, deadline, ret, errp)) {
    case RP_TIMEOUT:
        error_setf(errp, "no answer");
        return handover_given(s, errp);
    case RP_FAILED:
        return handover_given(s, errp);
    case RP_OK:
        break;
    }
    return SWITCH_DONE;
}

static SwitchResult wait_resumed(MigSource *s, GError **errp)
{
    const RpWanted want = { .type = WIRE_RP_RESUMED, .min_len = RESUMED_LEN };
    RpMessage msg;
    SwitchResult r = wait_last_word(s, &want, &msg, errp);

    if (r == SWITCH_DONE) {
        mig_source_event(s, HEARD_RESUMED);
        mig_source_show_downtime(s);
        mig_source_peer_step(s, STEP_RESUME, ldq_be_p(msg.data));
    }
    return r;
}

/* A peer that says LOADED, and runs the guest when it is told to. */
static SwitchResult hand_to_godwit(MigSource *s, int64_t *t, GError **errp)
{
    SwitchResult r = wait_loaded(s, t, errp);

    if (r == SWITCH_GOES_ON) {
        r = mig_source_give(s, SAID_RUN, errp);
    }
    if (r != SWITCH_GOES_ON) {
        return r;
    }
    mig_source_show_downtime(s);
    return wait_resumed(s, errp);
}

/*
 * All devices have been read, and found good: a peer that can't load them says
 * so, or dies, while the guest is still ours.
 */
static bool wait_devices_read(MigSource *s, GError **errp)
{
    const RpWanted want = { .type = WIRE_RP_PONG,
                            .min_len = NUMBER_LEN,
                            .numbered = true,
                            .number = ++s->barriers };
    uint8_t number[NUMBER_LEN];
    RpMessage msg;

    stl_be_p(number, want.number);
    savevm_put_command(s->out, WIRE_CMD_PING, number, sizeof(number));
    if (!stream_out_flush(s->out, errp)) {
        return false;
    }
    switch (rp_await(&s->rp, &want, s->m->cancel,
                     switch_word_end_ns(&s->plan, clock_monotonic_ns()), &msg,
                     errp)) {
    case RP_TIMEOUT:
        error_setf(errp, "destination did not take the device state in time");
        return false;
    case RP_FAILED:
        return false;
    case RP_OK:
        break;
    }
    return true;
}

/* Behind the mark: whether it can be written or not says little. */
static void send_description(MigSource *s)
{
    int64_t end = clock_monotonic_ns() + s->m->waits.last_word_ns;

    io_channel_set_write_deadline_us(s->ch, end / NS_PER_US);
    savevm_put_description(s->out, s->description);
    stream_out_flush(s->out, NULL);
}

static SwitchResult wait_shut(MigSource *s, GError **errp)
{
    const RpWanted want = { .type = WIRE_RP_SHUT, .min_len = SHUT_LEN };
    RpMessage msg;
    SwitchResult r = wait_last_word(s, &want, &msg, errp);

    if (r == SWITCH_DONE) {
        mig_source_event(s, HEARD_SHUT);
    }
    return r;
}

/* Who can't answer has it when all is written and our end is closed. */
static SwitchResult close_one_way(MigSource *s, GError **errp)
{
    bool ok = stream_out_check(s->out, errp) && all_is_written(s, errp);

    lock_acquire(&s->m->lock);
    s->m->closing = true;
    lock_release(&s->m->lock);
    ok = ok && mig_source_hang_up(s, errp);
    ok = ok && io_channel_close(s->ch, errp);
    if (ok && io_channel_is_shutdown(s->ch, IO_SHUTDOWN_BOTH)) {
        error_setf(errp, "%s: cancelled before it had ended",
                   io_channel_name(s->ch));
        ok = false;
    }
    if (!ok) {
        return handover_given(s, errp);
    }
    mig_source_event(s, CLOSED_WELL);
    return SWITCH_DONE;
}

/* A peer that runs the guest when it has read the end of file mark. */
static SwitchResult hand_to_plain(MigSource *s, GError **errp)
{
    SwitchResult r;

    if (s->peer == PEER_PLAIN && !wait_devices_read(s, errp)) {
        return SWITCH_FAILED;
    }
    r = mig_source_give(s, SAID_EOF, errp);
    if (r != SWITCH_GOES_ON) {
        return r;
    }
    send_description(s);
    mig_source_show_downtime(s);
    return s->peer == PEER_PLAIN ? wait_shut(s, errp) : close_one_way(s, errp);
}

SwitchResult mig_source_hand_over(MigSource *s, int64_t *t, GError **errp)
{
    return s->peer == PEER_COMMIT ? hand_to_godwit(s, t, errp)
                                  : hand_to_plain(s, errp);
}
