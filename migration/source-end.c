/*
 * Outgoing migration: how it ends, well or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/savevm.h"
#include "util/error.h"

void mig_source_unthrottle(MigSource *s)
{
    if (s->throttle.percent == 0) {
        return;
    }
    s->throttle.percent = 0;
    s->m->hooks->throttle(s->vm, 0, NULL); /* nothing is made for that */
    LOCK_GUARD(&s->m->lock);
    s->m->show.throttle_percent = 0;
}

void mig_source_completed(MigSource *s)
{
    Migration *m = s->m;

    mig_source_show(s);
    lock_acquire(&m->lock);
    m->show.progress = 100;
    m->show.end_ns = clock_monotonic_ns();
    lock_release(&m->lock);
    VM_LOCK_GUARD();
    s->vm->given = false;
    mig_set_status(m, MIGRATION_STATUS_COMPLETED);
}

/*
 * If the destination has said why it gave up, that is the reason, rather than
 * that our next write failed.
 */
static void source_explain(MigSource *s, GError **err)
{
    int64_t deadline = clock_monotonic_ns() + s->m->waits.why_ns;

    if (!s->return_path || s->owner != OWNER_SOURCE) {
        return;
    }
    for (;;) {
        GError *why = NULL;
        RpMessage msg;
        RpResult r = rp_read(&s->rp, s->m->cancel, deadline, &msg, &why);

        if (r == RP_FAILED && rp_error_is_word(why)) {
            g_clear_error(err);
            *err = why;
            return;
        }
        g_clear_error(&why);
        if (r != RP_OK || clock_monotonic_ns() >= deadline) {
            return;
        }
    }
}

/*
 * Closed with words of the destination unread, a TCP connection is reset, and
 * what we said last may be lost.
 */
static void drain_words(MigSource *s, int64_t end_ns)
{
    char sink[4096];

    io_channel_shutdown(s->ch, IO_SHUTDOWN_WRITE);
    io_channel_set_read_deadline_us(s->ch, end_ns / NS_PER_US);
    while (clock_monotonic_ns() < end_ns &&
           io_channel_read(s->ch, sink, sizeof(sink)) > 0) {
    }
}

/*
 * So that a destination that waits for RUN need not guess.  Only at the end of
 * a section, which is where all that writes stops unless writing failed; and
 * in little time, as it may be a destination that reads nothing.
 */
static void say_abort(MigSource *s)
{
    int64_t end = clock_monotonic_ns() + s->m->waits.abort_ns;

    if (s->out == NULL || !handover_may_say(s->peer, s->owner, SAID_ABORT)) {
        return;
    }
    io_channel_set_write_deadline_us(s->ch, end / NS_PER_US);
    if (stream_out_catch_up(s->out, NULL)) {
        savevm_put_command(s->out, WIRE_CMD_ABORT, NULL, 0);
        if (stream_out_flush(s->out, NULL)) {
            drain_words(s, end);
        }
    }
    mig_source_event(s, SAID_ABORT);
}

static bool guest_given(const MigSource *s)
{
    return s->owner != OWNER_SOURCE;
}

void mig_source_failed(MigSource *s, GError *err)
{
    Migration *m = s->m;
    bool cancelled = mig_cancel_asked(m) && !guest_given(s);

    if (!cancelled) {
        source_explain(s, &err);
    }
    say_abort(s);
    if (guest_given(s)) {
        g_autofree char *why = g_strdup(err->message);

        g_clear_error(&err);
        error_setf(&err,
                   "%s; it may run at the destination and stays paused here: "
                   "'cont' starts it if it does not run there",
                   why);
    }
    lock_acquire(&m->lock);
    m->show.end_ns = clock_monotonic_ns();
    lock_release(&m->lock);
    /* A command or pipe isn't waited for: nobody wants the stream any more. */
    if (s->ch != NULL && !io_channel_has_feature(s->ch, IO_FEATURE_SHUTDOWN)) {
        io_channel_shutdown(s->ch, IO_SHUTDOWN_BOTH);
    }
    mig_source_fini(s);
    VM_LOCK_GUARD();
    s->vm->given = false;
    if (cancelled) {
        g_clear_error(&err);
        mig_set_status(m, MIGRATION_STATUS_CANCELLED);
        return;
    }
    mig_set_error(m, err);
    mig_set_status(m, MIGRATION_STATUS_FAILED);
}

void mig_source_fini(MigSource *s)
{
    Migration *m = s->m;

    mig_postcopy_fini(s);
    g_clear_pointer(&s->set, iterative_free);
    g_clear_pointer(&s->out, stream_out_free);
    g_clear_pointer(&s->devices, stream_out_free);
    g_clear_pointer(&s->description, g_free);
    lock_acquire(&m->lock);
    g_clear_pointer(&m->ch, io_channel_unref);
    m->multifd = NULL;
    lock_release(&m->lock);
    g_clear_pointer(&s->multifd, multifd_send_free);
    g_clear_pointer(&s->ch, io_channel_unref);
}
