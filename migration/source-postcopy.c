/*
 * Outgoing migration: the guest goes, and what is left of its memory follows.
 *
 * In the switch-over the destination is told which pages it has to drop, and
 * gets all devices in a package.  Behind the mark (RUN, or the end of the
 * package for a peer that isn't a Godwit) pages are sent, those that the
 * destination waits for first.  Nobody writes to memory here any more: it is
 * the only copy of what has not arrived.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/tls.h"
#include "migration/wire.h"
#include "system/ramblock-lost.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"
#include "util/rcu.h"

/* Behind the bits of RECV_BITMAP. */
#define BITMAP_END UINT64_C(0x0123456789abcdef)
/* Pings of release-ram have numbers behind this; no others have. */
#define RELEASE_MARK UINT32_C(0x52000000)

enum {
    COMMAND_LEN = 5, /* of a command without data */
    LOADED_LEN = 20, /* of messages, in bytes */
    RESUMED_LEN = 8,
    REQUEST_LEN = 12,
    SHUT_LEN = 4,
    PONG_LEN = 4,
    FLUSH_EVERY = 256 << 10, /* bytes: who asks waits for no more */
};

/* The destination's words, which a thread of their own reads. */
typedef struct PostcopyWay {
    MigSource *s;
    Thread thread;
    bool made;
    IoCancel *cancel;                      /* ends the thread */
    char asked_of[RAM_BLOCK_NAME_MAX + 1]; /* the block named last */
    /* Migration.lock, and its cond tells of changes. */
    bool loaded, resumed;
    uint64_t load_us, resume_us;
    int64_t resumed_ns; /* when that was heard */
    uint32_t taken;     /* of these, the last that was answered; 0: none */
    uint32_t marks;     /* the sender's: how many were sent */
    bool shut;          /* all has arrived */
    bool broken;        /* no more words */
    GError *err;        /* why; or NULL */
} PostcopyWay;

/* ---- the destination's words ------------------------------------------- */

/* be64 offset, be32 length, and the block's name, or that of before. */
static bool hear_request(PostcopyWay *w, const RpMessage *msg, GError **errp)
{
    bool named = msg->type == WIRE_RP_REQ_PAGES_ID;
    size_t n = named && msg->len > REQUEST_LEN ? msg->data[REQUEST_LEN] : 0;
    bool ok;

    if (msg->len != REQUEST_LEN + (named ? 1 + n : 0) || (named && n == 0)) {
        error_setf(errp, "return path: request of %u bytes", msg->len);
        return false;
    }
    if (named) {
        memcpy(w->asked_of, msg->data + REQUEST_LEN + 1, n);
        w->asked_of[n] = '\0';
    }
    ok = postcopy_out_request(w->s->later, w->asked_of, ldq_be_p(msg->data),
                              ldl_be_p(msg->data + 8), errp);
    if (!ok) {
        error_prefix(errp, "return path: ");
    }
    return ok;
}

static void hear_loaded(PostcopyWay *w, const RpMessage *msg)
{
    if (ldl_be_p(msg->data) == w->s->attempt) {
        w->loaded = true;
        w->load_us = ldq_be_p(msg->data + 4);
    }
}

/* Migration.lock held: what it is that was said. */
static bool hear_word(PostcopyWay *w, const RpMessage *msg, GError **errp)
{
    switch (msg->type) {
    case WIRE_RP_REQ_PAGES_ID:
    case WIRE_RP_REQ_PAGES:
        return hear_request(w, msg, errp);
    case WIRE_RP_LOADED:
        if (msg->len >= LOADED_LEN) {
            hear_loaded(w, msg);
        }
        return true;
    case WIRE_RP_RESUMED:
        if (msg->len >= RESUMED_LEN) {
            w->resumed = true;
            w->resumed_ns = clock_monotonic_ns();
            w->resume_us = ldq_be_p(msg->data);
        }
        return true;
    case WIRE_RP_PONG:
        /* Others may be of what was sent before. */
        if (msg->len >= PONG_LEN && ldl_be_p(msg->data) > RELEASE_MARK) {
            w->taken = ldl_be_p(msg->data);
        }
        return true;
    case WIRE_RP_SHUT:
        w->shut = msg->len >= SHUT_LEN; /* with 0: all else is an error */
        return true;
    default:
        return true;
    }
}

static void *postcopy_way_thread(void *opaque)
{
    PostcopyWay *w = opaque;
    MigSource *s = w->s;
    Migration *m = s->m;
    GError *err = NULL;
    RpMessage msg;
    bool ok = true;

    while (ok) {
        ok = rp_read(&s->rp, w->cancel, 0, &msg, &err) == RP_OK;
        LOCK_GUARD(&m->lock);
        ok = ok && hear_word(w, &msg, &err) && !w->shut;
        cond_broadcast(&m->cond);
    }
    LOCK_GUARD(&m->lock);
    w->broken = true;
    w->err = err;
    cond_broadcast(&m->cond);
    if (!w->shut && !io_cancel_is_set(w->cancel)) {
        io_channel_shutdown(s->ch, IO_SHUTDOWN_BOTH); /* who writes gives up */
    }
    return NULL;
}

static bool way_begin(MigSource *s, GError **errp)
{
    PostcopyWay *w = s->way;

    if (w == NULL) {
        w = s->way = g_new0(PostcopyWay, 1);
        w->s = s;
    }
    w->broken = w->shut = false;
    w->asked_of[0] = '\0';
    g_clear_error(&w->err);
    w->cancel = io_cancel_new(errp);
    if (w->cancel == NULL ||
        !thread_create(&w->thread, "mig-rp", postcopy_way_thread, w, errp)) {
        return false;
    }
    w->made = true;
    return true;
}

/* Nobody reads the destination's words any more. */
static void way_end(MigSource *s)
{
    PostcopyWay *w = s->way;

    if (w == NULL) {
        return;
    }
    if (w->made) {
        io_cancel_trigger(w->cancel);
        thread_join(&w->thread);
        w->made = false;
    }
    g_clear_pointer(&w->cancel, io_cancel_unref);
}

void mig_postcopy_fini(MigSource *s)
{
    way_end(s);
    if (s->way != NULL) {
        g_clear_error(&s->way->err);
        g_clear_pointer(&s->way, g_free);
    }
    g_clear_pointer(&s->later, postcopy_out_free);
}

/* ---- the switch-over ---------------------------------------------------- */

SwitchResult mig_postcopy_step_discard(MigSource *s, int64_t *t, GError **errp)
{
    s->later = iterative_postcopy(s->set, errp);
    if (s->later == NULL) {
        return SWITCH_FAILED;
    }
    postcopy_out_put_discards(s->later, s->out);
    if (!stream_out_flush(s->out, errp)) {
        return SWITCH_FAILED;
    }
    mig_source_step(s, STEP_RAM, t);
    return SWITCH_GOES_ON;
}

/* Without its last command for a peer that runs the guest on that. */
SwitchResult mig_postcopy_step_package(MigSource *s, int64_t *t, GError **errp)
{
    uint8_t len[4];
    const uint8_t *data;
    size_t n;

    {
        VM_LOCK_GUARD();
        if (!mig_source_save_devices(s, errp)) {
            return SWITCH_FAILED;
        }
    }
    mig_source_step(s, STEP_DEVICE_STATE, t);
    data = stream_out_data(s->devices, &n);
    stl_be_p(len, COMMAND_LEN + n + (s->peer == PEER_PLAIN ? COMMAND_LEN : 0));
    savevm_put_command(s->out, WIRE_CMD_PACKAGED, len, sizeof(len));
    savevm_put_command(s->out, WIRE_CMD_POSTCOPY_LISTEN, NULL, 0);
    stream_put_ref(s->out, data, n);
    return stream_out_flush(s->out, errp) ? SWITCH_GOES_ON : SWITCH_FAILED;
}

static void begin_part(MigSource *s)
{
    postcopy_out_begin_part(s->later);
    savevm_put_part_begin(s->out, WIRE_SECTION_PART, &ram_iterative);
}

static void end_part(MigSource *s)
{
    stream_put_be64(s->out, RAM_REC_EOS);
    savevm_put_part_end(s->out, &ram_iterative);
}

/* The pages that are asked for, in a part of their own. */
static bool send_requested(MigSource *s, GError **errp)
{
    begin_part(s);
    postcopy_out_put_requested(s->later, s->out);
    end_part(s);
    return stream_out_flush(s->out, errp);
}

static bool take_error(PostcopyWay *w, GError **errp)
{
    if (w->err != NULL) {
        g_propagate_error(errp, g_steal_pointer(&w->err));
    } else {
        error_setf(errp, "the destination says no more");
    }
    return false;
}

typedef enum WayEvent { WAY_REQUEST, WAY_LOADED, WAY_FAILED } WayEvent;

/* While it loads, pages may be asked for: devices look at memory. */
static WayEvent wait_loaded_or_request(MigSource *s, int64_t end_ns,
                                       GError **errp)
{
    PostcopyWay *w = s->way;
    Migration *m = s->m;
    LOCK_GUARD(&m->lock);

    for (;;) {
        if (postcopy_out_has_requests(s->later)) {
            return WAY_REQUEST;
        }
        if (w->loaded) {
            return WAY_LOADED;
        }
        if (m->cancel_asked) {
            error_setf(errp, "cancelled");
            return WAY_FAILED;
        }
        if (w->broken) {
            take_error(w, errp);
            return WAY_FAILED;
        }
        if (!cond_wait_until(&m->cond, &m->lock, end_ns)) {
            error_setf(errp, "destination did not confirm the load");
            return WAY_FAILED;
        }
    }
}

static SwitchResult wait_package_loaded(MigSource *s, int64_t *t, GError **errp)
{
    int64_t end = switch_word_end_ns(&s->plan, clock_monotonic_ns());
    WayEvent ev;

    while ((ev = wait_loaded_or_request(s, end, errp)) == WAY_REQUEST) {
        if (!send_requested(s, errp)) {
            return SWITCH_FAILED;
        }
    }
    if (ev == WAY_FAILED) {
        return SWITCH_FAILED;
    }
    mig_source_event(s, HEARD_LOADED);
    mig_source_peer_step(s, STEP_LOAD,
                         MIN(s->way->load_us,
                             (uint64_t)(clock_monotonic_ns() - s->stop_ns) /
                                 NS_PER_US));
    mig_source_step(s, STEP_WIRE, t);
    return SWITCH_GOES_ON;
}

/* The guest is given, or may be: from now on nothing fails, it pauses. */
static SwitchResult guest_gone(MigSource *s)
{
    mig_source_show_downtime(s);
    s->later_start = s->bytes_before + stream_out_bytes(s->out);
    VM_LOCK_GUARD();
    mig_set_status(s->m, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    return SWITCH_DONE;
}

static SwitchResult postcopy_hand_over(MigSource *s, int64_t *t, GError **errp)
{
    bool commit = s->peer == PEER_COMMIT;
    SwitchResult r;

    if (!way_begin(s, errp)) {
        return SWITCH_FAILED;
    }
    r = commit ? wait_package_loaded(s, t, errp) : SWITCH_GOES_ON;
    if (r == SWITCH_GOES_ON) {
        r = mig_source_give(s, commit ? SAID_RUN : SAID_PACKAGED_RUN, errp);
    }
    if (r != SWITCH_GOES_ON && r != SWITCH_GIVEN) {
        return r;
    }
    g_clear_error(errp); /* it may have run: mig_source_postcopy() sees it */
    return guest_gone(s);
}

SwitchResult mig_postcopy_step_hand_over(MigSource *s, int64_t *t,
                                         GError **errp)
{
    SwitchResult r = postcopy_hand_over(s, t, errp);

    if (r != SWITCH_DONE) {
        way_end(s); /* who explains the failure reads what is left */
    }
    return r;
}

/* ---- behind it --------------------------------------------------------- */

/* RESUMED: the downtime is known. */
static void note_resumed(MigSource *s)
{
    PostcopyWay *w = s->way;
    bool resumed;

    {
        LOCK_GUARD(&s->m->lock);
        resumed = w->resumed;
        w->resumed = false;
        if (resumed) {
            s->m->show.downtime_ns = w->resumed_ns - s->stop_ns;
        }
    }
    if (resumed) {
        mig_source_event(s, HEARD_RESUMED);
        mig_source_peer_step(s, STEP_RESUME, w->resume_us);
    }
}

/* Until the limit lets more go, or somebody asks for a page. */
static bool postcopy_pace(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    uint64_t bytes = stream_out_bytes(s->out);
    int64_t start = clock_monotonic_ns(), now = start, due;
    LOCK_GUARD(&m->lock);

    while (due = pace_due(&s->pace, bytes, m->params.max_postcopy_bandwidth),
           due > now && !s->way->broken &&
               !postcopy_out_has_requests(s->later)) {
        cond_wait_until(&m->cond, &m->lock, due);
        now = clock_monotonic_ns();
    }
    pace_advance(&s->pace, now > start && due > start ? due : now, bytes);
    return !s->way->broken || take_error(s->way, errp);
}

/* Zeros may have been put instead of a page. */
static bool check_lost(MigSource *s, GError **errp)
{
    RCU_READ_GUARD();

    return ram_lost_check(&s->vm->mem.ram, errp);
}

/* release-ram: what has arrived isn't needed here; asks for the rest. */
static void release_taken(MigSource *s)
{
    uint8_t number[4];
    uint32_t taken;

    if (!MIG_HAS(s, RELEASE_RAM)) {
        return;
    }
    lock_acquire(&s->m->lock);
    taken = s->way->taken;
    lock_release(&s->m->lock);
    if (taken != 0) {
        postcopy_out_release(s->later, taken);
    }
    stl_be_p(number, RELEASE_MARK + ++s->way->marks);
    savevm_put_command(s->out, WIRE_CMD_PING, number, sizeof(number));
    postcopy_out_mark_sent(s->later, RELEASE_MARK + s->way->marks);
}

/* One part of the section: up to FLUSH_EVERY, what is asked for first. */
static bool send_piece(MigSource *s, bool *ret_more, GError **errp)
{
    uint64_t start = stream_out_bytes(s->out);

    begin_part(s);
    do {
        postcopy_out_put_requested(s->later, s->out);
        *ret_more = postcopy_out_put_some(s->later, s->out);
    } while (*ret_more && stream_out_bytes(s->out) - start < FLUSH_EVERY);
    end_part(s);
    release_taken(s);
    return check_lost(s, errp) && stream_out_flush(s->out, errp);
}

static bool send_rest(MigSource *s, GError **errp)
{
    bool more = true;

    pace_start(&s->pace, clock_monotonic_ns(), stream_out_bytes(s->out));
    while (more) {
        if (!postcopy_pace(s, errp) || !send_piece(s, &more, errp)) {
            return false;
        }
        note_resumed(s);
        mig_source_show(s);
    }
    savevm_put_part_begin(s->out, WIRE_SECTION_END, &ram_iterative);
    end_part(s);
    stream_put_u8(s->out, WIRE_EOF);
    return stream_out_flush(s->out, errp);
}

/* It has all, and needs us no more. */
static bool wait_all_arrived(MigSource *s, GError **errp)
{
    PostcopyWay *w = s->way;
    LOCK_GUARD(&s->m->lock);

    while (!w->broken) {
        cond_wait(&s->m->cond, &s->m->lock);
    }
    return w->shut || take_error(w, errp);
}

static bool postcopy_round(MigSource *s, GError **errp)
{
    bool ok = stream_out_check(s->out, errp) && send_rest(s, errp) &&
              wait_all_arrived(s, errp);

    way_end(s);
    note_resumed(s);
    return ok;
}

static void postcopy_completed(MigSource *s)
{
    VM_LOCK_GUARD();

    mig_source_event(s, HEARD_SHUT);
    mig_source_leave(s);
}

/* ---- a new connection -------------------------------------------------- */

/* Waits for migrate with resume; false: the program ends. */
static bool wait_resume(MigSource *s)
{
    Migration *m = s->m;
    LOCK_GUARD(&m->lock);

    while (m->resume_uri == NULL && !m->quits) {
        cond_wait(&m->cond, &m->lock);
    }
    if (m->quits) {
        return false;
    }
    io_uri_free(m->uri);
    m->uri = g_steal_pointer(&m->resume_uri);
    mig_tls_forget(m);
    m->tls = g_steal_pointer(&m->resume_tls);
    m->tls_hostname = g_steal_pointer(&m->resume_hostname);
    return true;
}

static void ask_bitmaps(MigSource *s)
{
    const char *name;

    for (unsigned i = 0; (name = postcopy_out_block(s->later, i)); i++) {
        uint8_t data[1 + RAM_BLOCK_NAME_MAX];
        size_t n = MIN(strlen(name), sizeof(data) - 1);

        data[0] = n;
        memcpy(data + 1, name, n);
        savevm_put_command(s->out, WIRE_CMD_RECV_BITMAP, data, 1 + n);
    }
}

/* What the destination has of block i. */
static bool read_bitmap(MigSource *s, unsigned i, GError **errp)
{
    const RpWanted want = { .type = WIRE_RP_RECV_BITMAP, .min_len = 2 };
    const char *name = postcopy_out_block(s->later, i);
    uint64_t len = postcopy_out_bitmap_len(s->later, i);
    g_autofree uint8_t *bits = g_malloc(len + 8);
    uint8_t size[8];
    RpMessage msg;

    if (rp_await(&s->rp, &want, NULL, 0, &msg, errp) != RP_OK) {
        return false;
    }
    if (msg.data[0] != msg.len - 1 ||
        strcmp((const char *)msg.data + 1, name) != 0) {
        error_setf(errp, "return path: bitmap of another RAM block than '%s'",
                   name);
        return false;
    }
    if (!rp_read_raw(&s->rp, size, sizeof(size), errp)) {
        return false;
    }
    if (ldq_be_p(size) != len) {
        error_setf(errp,
                   "return path: bitmap of RAM block '%s' of %" PRIu64
                   " bytes, not %" PRIu64,
                   name, ldq_be_p(size), len);
        return false;
    }
    if (!rp_read_raw(&s->rp, bits, len + 8, errp)) {
        return false;
    }
    if (ldq_be_p(bits + len) != BITMAP_END) {
        error_setf(errp, "return path: bitmap of RAM block '%s' without end",
                   name);
        return false;
    }
    return postcopy_out_set_received(s->later, i, bits, errp);
}

static bool read_bitmaps(MigSource *s, GError **errp)
{
    for (unsigned i = 0; postcopy_out_block(s->later, i) != NULL; i++) {
        if (!read_bitmap(s, i, errp)) {
            return false;
        }
    }
    return true;
}

/* Both sides agree on what has arrived; then all is as it was. */
static bool postcopy_recover(MigSource *s, GError **errp)
{
    const RpWanted want = {
        .type = WIRE_RP_RESUME_ACK, .min_len = 4, .numbered = true, .number = 1
    };
    RpMessage msg;

    if (!mig_source_reconnect(s, errp)) {
        return false;
    }
    mig_set_status(s->m, MIGRATION_STATUS_POSTCOPY_RECOVER);
    ask_bitmaps(s);
    if (!stream_out_flush(s->out, errp) || !read_bitmaps(s, errp)) {
        return false;
    }
    savevm_put_command(s->out, WIRE_CMD_POSTCOPY_RESUME, NULL, 0);
    if (!stream_out_flush(s->out, errp) ||
        rp_await(&s->rp, &want, NULL, 0, &msg, errp) != RP_OK ||
        !way_begin(s, errp)) {
        return false;
    }
    mig_set_status(s->m, MIGRATION_STATUS_POSTCOPY_ACTIVE);
    return true;
}

static void postcopy_pause(MigSource *s, const GError *err)
{
    Migration *m = s->m;

    log_error("migration: postcopy paused: %s", err->message);
    if (s->ch != NULL) {
        io_channel_shutdown(s->ch, IO_SHUTDOWN_BOTH);
    }
    lock_acquire(&m->lock);
    m->resuming = false; /* first: whoever sees it paused may resume it */
    lock_release(&m->lock);
    mig_set_status(m, MIGRATION_STATUS_POSTCOPY_PAUSED);
}

bool mig_source_postcopy(MigSource *s, GError **errp)
{
    bool ok;

    if (MIG_HAS(s, RELEASE_RAM)) {
        postcopy_out_keep_sent(s->later); /* those put before LOADED stay */
    }
    ok = postcopy_round(s, errp);
    while (!ok) {
        postcopy_pause(s, *errp);
        if (!wait_resume(s)) {
            return false;
        }
        g_clear_error(errp);
        ok = postcopy_recover(s, errp) && postcopy_round(s, errp);
    }
    postcopy_completed(s);
    return true;
}
