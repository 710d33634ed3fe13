/*
 * Connections to a destination that have not said yet who they are.
 *
 * One without TLS is read in the main loop, never waited for.  With TLS hands
 * are shaken in a thread of the connection's own, as soon as it says anything:
 * one that stops in the middle keeps no other away.  That thread never takes
 * vm_lock, so the main thread may join it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/candidates.h"

#include <glib-unix.h>

#include "migration/multifd-packet.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "util/bswap.h"
#include "util/event-notifier.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/thread.h"

enum { MAGIC_LEN = 4 /* bytes */ };

struct MigCandidates {
    unsigned max;
    int64_t handshake_ns;
    MigCandidateFunc *func;
    void *opaque;
    GQueue list; /* Candidate, the oldest first */
};

typedef struct Candidate {
    MigCandidates *mc;
    IoChannel *ch; /* as it was accepted */
    TlsCreds *tls; /* or NULL */
    guint watch;   /* of ch, or of `done` */
    uint8_t magic[MAGIC_LEN];
    unsigned nmagic; /* bytes of it that have come */
    /* With TLS; the thread's until it is joined. */
    Thread thread;
    IoCancel *cancel;
    EventNotifier done;
    IoChannel *inside; /* NULL with err */
    GError *err;
} Candidate;

/* As far as it has come; false: nothing that we know begins like that. */
static bool magic_fits(const Candidate *c, uint32_t magic)
{
    uint8_t be[MAGIC_LEN];

    stl_be_p(be, magic);
    return memcmp(c->magic, be, c->nmagic) == 0;
}

static bool magic_known(const Candidate *c)
{
    return magic_fits(c, WIRE_MAGIC) || magic_fits(c, MULTIFD_MAGIC);
}

/* Reads on; false: the end, an error, or nothing now if it doesn't block. */
static bool read_magic(Candidate *c, IoChannel *ch, ssize_t *ret)
{
    while (c->nmagic < MAGIC_LEN && magic_known(c)) {
        *ret = io_channel_read(ch, c->magic + c->nmagic, MAGIC_LEN - c->nmagic);
        if (*ret <= 0) {
            return false;
        }
        c->nmagic += *ret;
    }
    return true;
}

static void candidate_end(Candidate *c)
{
    g_queue_remove(&c->mc->list, c);
    g_source_remove(c->watch);
    if (c->cancel != NULL) {
        io_cancel_trigger(c->cancel);
        io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
        thread_join(&c->thread);
        event_notifier_fini(&c->done);
        io_cancel_unref(c->cancel);
    }
    g_clear_pointer(&c->inside, io_channel_unref);
    g_clear_pointer(&c->ch, io_channel_unref);
    g_clear_pointer(&c->tls, tls_creds_unref);
    g_clear_error(&c->err);
    g_free(c);
}

/* It has said something; a connection that only ends isn't worth a word. */
static void warn_dropped(const Candidate *c)
{
    GString *hex;

    if (c->err != NULL) {
        log_warn("migration: %s; the destination waits on", c->err->message);
        return;
    }
    if (c->nmagic == 0) {
        return;
    }
    hex = g_string_new(NULL);
    for (unsigned i = 0; i < c->nmagic; i++) {
        g_string_append_printf(hex, "%02x", c->magic[i]);
    }
    log_warn("migration: %s: begins with 0x%s, not as a migration; the "
             "destination waits on",
             io_channel_name(c->ch), hex->str);
    g_string_free(hex, true);
}

/* It has said all that it was to say: taken, or dropped. */
static void candidate_decide(Candidate *c)
{
    MigCandidates *mc = c->mc;
    g_autoptr(TlsCreds) tls = NULL;
    MigCandidateKind kind;
    IoChannel *ch;

    if (c->nmagic < MAGIC_LEN || !magic_known(c)) {
        warn_dropped(c);
        candidate_end(c);
        return;
    }
    kind = magic_fits(c, WIRE_MAGIC) ? MIG_CANDIDATE_STREAM
                                     : MIG_CANDIDATE_CHANNEL;
    if (c->inside != NULL) {
        ch = g_steal_pointer(&c->inside);
        /* What is ended below is no more than the thread's waits. */
        g_clear_pointer(&c->cancel, io_cancel_unref);
        event_notifier_fini(&c->done);
    } else {
        ch = g_steal_pointer(&c->ch);
        io_channel_set_blocking(ch, true);
    }
    io_channel_unread(ch, c->magic, c->nmagic);
    tls = g_steal_pointer(&c->tls);
    candidate_end(c);
    mc->func(ch, kind, tls, mc->opaque);
}

static gboolean candidate_speaks(IoChannel *ch, GIOCondition cond,
                                 gpointer opaque)
{
    Candidate *c = opaque;
    ssize_t n = 0;
    VM_LOCK_GUARD();

    if (!read_magic(c, ch, &n) && n == -EAGAIN) {
        return G_SOURCE_CONTINUE;
    }
    candidate_decide(c);
    return G_SOURCE_REMOVE;
}

/* ---- with TLS ----------------------------------------------------------- */

static void *candidate_thread(void *opaque)
{
    Candidate *c = opaque;
    int64_t end_us = g_get_monotonic_time() + c->mc->handshake_ns / NS_PER_US;
    ssize_t n;

    c->inside =
        io_channel_tls_new(c->ch, c->tls, NULL, c->cancel, end_us, &c->err);
    if (c->inside != NULL) {
        /* Whoever has the credentials may take his time; a shutdown ends it. */
        read_magic(c, c->inside, &n);
    }
    event_notifier_set(&c->done);
    return NULL;
}

static gboolean candidate_shook_hands(gint fd, GIOCondition cond,
                                      gpointer opaque)
{
    Candidate *c = opaque;
    VM_LOCK_GUARD();

    thread_join(&c->thread); /* this was its last word */
    candidate_decide(c);
    return G_SOURCE_REMOVE;
}

static bool candidate_thread_begin(Candidate *c)
{
    c->cancel = io_cancel_new(&c->err);
    if (c->cancel == NULL || !event_notifier_init(&c->done, false, &c->err)) {
        return false;
    }
    return thread_create(&c->thread, "mig-greet", candidate_thread, c, &c->err);
}

/* A TLS client speaks first: who says nothing costs no thread. */
static gboolean candidate_begins(IoChannel *ch, GIOCondition cond,
                                 gpointer opaque)
{
    Candidate *c = opaque;
    VM_LOCK_GUARD();

    if (!candidate_thread_begin(c)) {
        candidate_decide(c);
        return G_SOURCE_REMOVE;
    }
    c->watch = g_unix_fd_add(event_notifier_fd(&c->done), G_IO_IN,
                             candidate_shook_hands, c);
    return G_SOURCE_REMOVE;
}

/* ------------------------------------------------------------------------- */

void mig_candidates_add(MigCandidates *mc, IoChannel *ch, TlsCreds *tls)
{
    Candidate *c = g_new0(Candidate, 1);

    c->mc = mc;
    c->ch = ch;
    c->done = (EventNotifier)EVENT_NOTIFIER_NONE;
    if (tls != NULL) {
        c->tls = tls_creds_ref(tls);
        c->watch = io_channel_add_watch(ch, G_IO_IN, candidate_begins, c, NULL);
    } else {
        io_channel_set_blocking(ch, false);
        c->watch = io_channel_add_watch(ch, G_IO_IN, candidate_speaks, c, NULL);
    }
    g_queue_push_tail(&mc->list, c);
    if (mc->list.length > mc->max) {
        candidate_end(mc->list.head->data);
    }
}

MigCandidates *mig_candidates_new(unsigned max, int64_t handshake_ns,
                                  MigCandidateFunc *func, void *opaque)
{
    MigCandidates *mc = g_new0(MigCandidates, 1);

    mc->max = max;
    mc->handshake_ns = handshake_ns;
    mc->func = func;
    mc->opaque = opaque;
    g_queue_init(&mc->list);
    return mc;
}

void mig_candidates_drop(MigCandidates *mc)
{
    while (mc->list.head != NULL) {
        candidate_end(mc->list.head->data);
    }
}

void mig_candidates_free(MigCandidates *mc)
{
    if (mc != NULL) {
        mig_candidates_drop(mc);
        g_free(mc);
    }
}

unsigned mig_candidates_count(const MigCandidates *mc)
{
    return mc->list.length;
}
