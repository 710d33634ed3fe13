/*
 * Incoming migration: the load thread and the hand-shake.
 *
 * The load thread reads the stream.  A peer that greets as Godwit gets the
 * hand-shake: LOADED when everything is in its place, the guest starts on
 * RUN.  If memory sections follow instead, the source took the guest back and
 * will try again.  Any other peer's guest starts at the end of the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/incoming.h"

#include "migration/facts.h"
#include "migration/multifd-listen.h"
#include "migration/ram.h"
#include "migration/tls.h"
#include "migration/wire.h"
#include "system/ramblock-lost.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

/* Lets a source that still sends read why we gave up before a reset. */
#define LAST_WORD_MS 2000
/* For the description behind the end of a plain stream, if there is one. */
#define DESCRIPTION_MS 5000
/* Bytes: magic and version. */
enum { WIRE_HEADER_LEN = 8 };
/* And for the source to close the connection. */
#define CLOSE_MS 30000

/*
 * A source that sends and doesn't read fills the way back in the end: it is
 * waited for for `ns` at most.
 */
static bool rp_send_within(MigLoad *l, int64_t ns, uint16_t type,
                           const void *data, uint16_t len, GError **errp)
{
    uint8_t buf[4 + WIRE_RP_MAX];

    stw_be_p(buf, type);
    stw_be_p(buf + 2, len);
    memcpy(buf + 4, data, len);
    return mig_load_write_back(l, ns, buf, 4 + len, errp);
}

bool mig_load_write_back(MigLoad *l, int64_t ns, const void *data, size_t len,
                         GError **errp)
{
    int64_t end_ns = clock_monotonic_ns() + ns;
    bool ok;
    LOCK_GUARD(&l->rp_lock);

    io_channel_set_write_deadline_us(l->ch, end_ns / NS_PER_US);
    ok = io_channel_write_all(l->ch, data, len, errp);
    io_channel_set_write_deadline_us(l->ch, 0);
    if (!ok) {
        /* A word said by half must not be finished by the next one. */
        io_channel_shutdown(l->ch, IO_SHUTDOWN_WRITE);
        error_prefix(errp, "way back to the source: ");
    }
    return ok;
}

bool mig_load_say(MigLoad *l, uint16_t type, const void *data, uint16_t len,
                  GError **errp)
{
    return rp_send_within(l, l->m->waits.way_back_ns, type, data, len, errp);
}

static bool send_features(MigLoad *l, GError **errp)
{
    uint64_t features = WIRE_F_EXTENTS | WIRE_F_COMMIT |
                        (l->multifd != NULL ? WIRE_F_MULTIFD : 0);
    uint8_t data[8];

    if (ram_load_make_pristine(l->ram, clock_monotonic_ns() +
                                           l->m->waits.pristine_ns)) {
        features |= WIRE_F_ABSENT;
    }
    if (l->m->hooks->facts != NULL) {
        features |= WIRE_F_FACTS;
    }
    l->offered = features;
    stq_be_p(data, features);
    return mig_load_say(l, WIRE_RP_FEATURES, data, sizeof(data), errp);
}

static bool handle_ping(MigLoad *l, const uint8_t *data, GError **errp)
{
    if (l->one_way) {
        return true;
    }
    if (!l->return_path) {
        error_setf(errp, "ping before the return path was opened");
        return false;
    }
    if (ldl_be_p(data) == WIRE_HELLO) {
        /* It makes memory read as zero, which has to come first. */
        if (ram_load_ready(l->ram)) {
            error_setf(errp, "greeting behind guest memory");
            return false;
        }
        if (!send_features(l, errp)) {
            return false;
        }
    }
    return mig_load_say(l, WIRE_RP_PONG, data, 4, errp);
}

static bool guest_starts(const MigLoad *l)
{
    return engine_state_loaded(l->m->state) == RUN_STATE_RUNNING &&
           l->vm->autostart;
}

/*
 * Takes the disks over.  What keeps them away doesn't undo the migration: the
 * guest is here, and `cont` tries again.
 */
static bool take_disks(MigLoad *l)
{
    GError *err = NULL;

    if (!guest_starts(l) &&
        (migration_capabilities(l->m) & CAP(LATE_BLOCK_ACTIVATE))) {
        return true;
    }
    if (vm_block_activate(l->vm, &err)) {
        return true;
    }
    error_prefix(&err, "migration: the guest stays paused: ");
    log_take_error(err);
    return false;
}

bool mig_load_check_waits(const MigLoad *l, GError **errp)
{
    RunState now = runstate_get(l->vm);

    if (now == RUN_STATE_INMIGRATE) {
        return true;
    }
    error_setf(errp, "run state '%s' instead of inmigrate", run_state_str(now));
    return false;
}

/*
 * The guest is nowhere else, so it is ours, whatever became of the run state
 * since the last look; but what it would start from may have been touched.
 */
static void keep_paused(MigLoad *l, GError *err)
{
    RunState now = runstate_get(l->vm);

    error_prefix(&err, "migration: the guest has come, and stays paused: ");
    log_take_error(err);
    if (now == RUN_STATE_RUNNING) {
        vm_stop(l->vm, RUN_STATE_PAUSED);
    } else if (now != RUN_STATE_PAUSED &&
               runstate_may_change(now, RUN_STATE_PAUSED)) {
        runstate_set(l->vm, RUN_STATE_PAUSED);
    }
}

static void start_or_pause(MigLoad *l)
{
    RunState state = engine_state_loaded(l->m->state);
    bool starts, ok;

    /* A user's `stop` or `cont` may come while the disks let us wait. */
    do {
        starts = guest_starts(l);
        ok = take_disks(l);
    } while (ok && starts != guest_starts(l));
    if (!ok) {
        runstate_set(l->vm, RUN_STATE_PAUSED);
    } else if (state != RUN_STATE_RUNNING) {
        runstate_set(l->vm, state);
    } else if (starts) {
        vm_start(l->vm);
    } else {
        runstate_set(l->vm, RUN_STATE_PAUSED);
    }
}

bool mig_load_start_guest(MigLoad *l, GError **errp)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    /* vCPUs and disks have been, or will be, stopped for good. */
    if (vm_is_ending(l->vm)) {
        error_setf(errp, "the program is to end");
        return false;
    }
    l->running = true;
    if (mig_load_check_waits(l, &err)) {
        start_or_pause(l);
    } else {
        keep_paused(l, err);
    }
    if (!l->packaged) {
        mig_set_status(l->m, MIGRATION_STATUS_COMPLETED);
    }
    return true;
}

/*
 * The guest may be given to us: what came on them now would be lost, or do
 * harm.  Before the source hears that all is here: behind RUN it is too late.
 */
static bool close_channels(MigLoad *l, GError **errp)
{
    return l->multifd == NULL || multifd_recv_close(l->multifd, errp);
}

static bool handle_run(MigLoad *l, const uint8_t *data, bool *ret_more,
                       GError **errp)
{
    bool loaded = l->packaged ? mig_load_package_loaded(l) : l->loaded;
    int64_t start = clock_monotonic_ns();
    uint8_t us[8];

    if (!loaded || ldl_be_p(data) != l->attempt) {
        error_setf(errp, "told to run attempt %u, loaded is %u%s",
                   ldl_be_p(data), l->attempt, loaded ? "" : " in part");
        return false;
    }
    if (l->packaged) {
        mig_load_may_run(l);
        return true;
    }
    *ret_more = false; /* what came now would hit a running guest */
    if (!mig_load_start_guest(l, errp)) {
        l->loaded = false; /* nobody is left here who could start it */
        return false;
    }
    stq_be_p(us, (clock_monotonic_ns() - start) / NS_PER_US);
    /* The guest runs: whether the source hears of it changes nothing. */
    mig_load_say(l, WIRE_RP_RESUMED, us, sizeof(us), NULL);
    return true;
}

enum { ANY_LEN = UINT16_MAX };

typedef struct CommandRule {
    uint16_t cmd, len;
    uint64_t needs; /* WIRE_F_*: only after that was agreed on */
} CommandRule;

static const CommandRule rules[] = {
    { WIRE_CMD_OPEN_RETURN_PATH, 0, 0 },
    { WIRE_CMD_PING, 4, 0 },
    { WIRE_CMD_POSTCOPY_ADVISE, 16, 0 },
    { WIRE_CMD_RAM_DISCARD, ANY_LEN, 0 },
    { WIRE_CMD_PACKAGED, 4, 0 },
    { WIRE_CMD_POSTCOPY_RESUME, 0, 0 },
    { WIRE_CMD_RECV_BITMAP, ANY_LEN, 0 },
    { WIRE_CMD_ENABLE, 8, 0 },
    { WIRE_CMD_SWITCHOVER, 4, WIRE_F_COMMIT },
    { WIRE_CMD_RUN, 4, WIRE_F_COMMIT },
    { WIRE_CMD_ABORT, 0, WIRE_F_COMMIT },
    { WIRE_CMD_FACTS, ANY_LEN, WIRE_F_FACTS },
};

static bool check_command(void *opaque, uint16_t cmd, uint16_t len,
                          GError **errp)
{
    const MigLoad *l = opaque;

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        const CommandRule *r = &rules[i];

        if (r->cmd != cmd) {
            continue;
        }
        if (r->len != len && r->len != ANY_LEN) {
            error_setf(errp, "%u bytes instead of %u", len, r->len);
            return false;
        }
        if (r->needs & ~l->features) {
            error_setf(errp, "not agreed on");
            return false;
        }
        return true;
    }
    error_setf(errp, "not known here");
    return false;
}

static bool compare_facts(MigLoad *l, const uint8_t *data, uint16_t len,
                          GError **errp)
{
    g_autofree char *theirs = g_strndup((const char *)data, len);
    g_autofree char *ours = NULL;
    g_autofree char *differs = NULL;
    bool ok;

    if (len == UINT16_MAX) {
        return true; /* there is more, which had no room */
    }
    {
        VM_LOCK_GUARD();
        ours = mig_facts(l->vm, l->m->hooks, l->here.ignore_shared);
    }
    ok = mig_facts_check(theirs, ours, &differs, errp);
    if (differs != NULL) {
        log_warn("migration: %s", differs);
    }
    return ok;
}

/*
 * From here on the stream is left when a channel fails; before, the source
 * could not be told why.
 */
static void watch_channels(MigLoad *l)
{
    if (l->multifd != NULL) {
        stream_in_set_cancel(l->in, multifd_recv_cancel(l->multifd));
    }
}

static bool open_return_path(MigLoad *l, GError **errp)
{
    /*
     * Whoever opened it had somebody before him who only listened, and went
     * on without an answer: the stream was recorded.
     */
    l->one_way = !io_channel_has_feature(l->ch, IO_FEATURE_BIDIRECTIONAL);
    l->return_path = !l->one_way;
    watch_channels(l);
    return true;
}

/*
 * Once, and before any memory: what has come by then was read by other rules,
 * and who is told to run by one rule must not be asked to by another.
 */
static bool enable_features(MigLoad *l, uint64_t features, GError **errp)
{
    if (features & ~l->offered) {
        error_setf(errp, "features 0x%" PRIx64 ", offered 0x%" PRIx64, features,
                   l->offered);
        return false;
    }
    if (l->enabled || l->pc != NULL || ram_load_ready(l->ram)) {
        error_setf(errp, "it comes twice, or behind an advise or guest memory");
        return false;
    }
    l->enabled = true;
    l->features = features;
    if (features & WIRE_F_ABSENT) {
        ram_load_set_absent(l->ram);
    }
    if (features & WIRE_F_MULTIFD) {
        ram_load_set_marked(l->ram);
    } else if (l->multifd != NULL) {
        error_setf(errp, "capability 'multifd' is on here and off at the "
                         "source");
        return false;
    }
    return true;
}

static bool handle_switchover(MigLoad *l, const uint8_t *data, GError **errp)
{
    if (l->packaged) {
        error_setf(errp, "behind the package, which is all of an attempt");
        return false;
    }
    l->attempt = ldl_be_p(data);
    l->loaded = false;
    io_channel_set_spin_us(l->ch, WIRE_SPIN_US);
    return true;
}

static bool load_command(void *opaque, uint16_t cmd, const uint8_t *data,
                         uint16_t len, bool *ret_more, GError **errp)
{
    MigLoad *l = opaque;

    switch (cmd) {
    case WIRE_CMD_OPEN_RETURN_PATH:
        return open_return_path(l, errp);
    case WIRE_CMD_PING:
        return handle_ping(l, data, errp);
    case WIRE_CMD_FACTS:
        return compare_facts(l, data, len, errp);
    case WIRE_CMD_POSTCOPY_ADVISE:
        return mig_load_advise(l, data, errp);
    case WIRE_CMD_RAM_DISCARD:
        return mig_load_discard(l, data, len, errp);
    case WIRE_CMD_PACKAGED:
        return mig_load_packaged(l, data, errp);
    case WIRE_CMD_POSTCOPY_RESUME:
        return mig_load_resume(l, errp);
    case WIRE_CMD_RECV_BITMAP:
        return mig_load_recv_bitmap(l, data, len, errp);
    case WIRE_CMD_ENABLE:
        return enable_features(l, ldq_be_p(data), errp);
    case WIRE_CMD_SWITCHOVER:
        return handle_switchover(l, data, errp);
    case WIRE_CMD_RUN:
        io_channel_set_spin_us(l->ch, 0);
        return handle_run(l, data, ret_more, errp);
    default:
        l->loaded = false; /* nothing is owed to anybody here */
        error_setf(errp, mig_load_aborted(l)
                             ? "the source keeps the guest"
                             : "the guest has been given away already");
        return false;
    }
}

/*
 * The guest isn't all here.  The last part comes while it stands, and so do
 * the devices: nobody sleeps there.  Any other part is of a guest that runs at
 * the source, maybe again, after LOADED or SWITCHOVER.
 */
static void load_part(void *opaque, uint8_t type)
{
    MigLoad *l = opaque;

    if (l->packaged) {
        return; /* it stands there for good */
    }
    watch_channels(l);
    if (l->multifd != NULL) {
        multifd_recv_reopen(l->multifd);
    }
    l->loaded = false;
    l->switch_ns = clock_monotonic_ns(); /* if it is the last one */
    if (type != WIRE_SECTION_END) {
        io_channel_set_spin_us(l->ch, 0);
    }
}

/* From now on, or no more; true: the program is to end. */
static bool set_owes_shut(MigLoad *l, bool owes)
{
    Migration *m = l->m;
    bool ends;

    lock_acquire(&m->lock);
    m->load_owes_shut = owes && l->return_path;
    ends = m->load_ends;
    lock_release(&m->lock);
    return ends;
}

/* A source that hears no more than that we have gone runs the guest again. */
static bool start_plain(MigLoad *l, GError **errp)
{
    if (set_owes_shut(l, true)) {
        set_owes_shut(l, false);
        error_setf(errp, "the program is to end");
        return false;
    }
    if (!close_channels(l, errp) || !mig_load_start_guest(l, errp)) {
        set_owes_shut(l, false);
        return false;
    }
    return true;
}

/* The end of file mark: everything has been loaded. */
static bool load_complete(void *opaque, bool *ret_more, GError **errp)
{
    MigLoad *l = opaque;
    uint8_t data[20];
    int64_t t0 = l->switch_ns, t1 = clock_monotonic_ns();

    if (!ram_load_ready(l->ram)) {
        error_setf(errp, "end of the stream without guest memory");
        return false;
    }
    if (!ram_load_finished(l->ram, errp)) {
        return false;
    }
    if (l->packaged) {
        *ret_more = false;
        return mig_load_all_pages(l, errp);
    }
    if (l->loaded) {
        *ret_more = true; /* nothing has come since: it is loaded already */
        return true;
    }
    {
        VM_LOCK_GUARD();
        if (!ram_lost_check(&l->vm->mem.ram, errp) ||
            !l->m->hooks->cpus_put(l->vm, errp) ||
            !mig_load_check_waits(l, errp)) {
            return false;
        }
    }
    if (!(l->features & WIRE_F_COMMIT)) {
        *ret_more = false;
        return start_plain(l, errp);
    }
    if (!close_channels(l, errp)) {
        return false;
    }
    stl_be_p(data, l->attempt);
    stq_be_p(data + 4, (t1 - t0) / NS_PER_US);
    stq_be_p(data + 12, (clock_monotonic_ns() - t1) / NS_PER_US);
    l->loaded = true;
    *ret_more = true;
    io_channel_set_spin_us(l->ch, WIRE_SPIN_US); /* RUN comes at once */
    return mig_load_say(l, WIRE_RP_LOADED, data, sizeof(data), errp);
}

/*
 * Reads what is still sent, up to the end.  Closed before, the connection would
 * be reset, and the source would take that for a failure.
 */
static void incoming_drain(MigLoad *l, int64_t ms)
{
    char sink[4096];
    int64_t end_us = g_get_monotonic_time() + ms * 1000;

    io_channel_set_deadline_us(l->ch, end_us);
    while (io_channel_read(l->ch, sink, sizeof(sink)) > 0 &&
           g_get_monotonic_time() < end_us) {
    }
}

/*
 * The guest runs; the source still sends the description, and takes it for a
 * failure if we close before.  On SHUT it closes the connection itself, so that
 * may only be said when the description has come.
 */
static void finish_plain(MigLoad *l)
{
    static const uint8_t ok[4] = { 0 };

    io_channel_set_deadline_us(l->ch, g_get_monotonic_time() +
                                          DESCRIPTION_MS * INT64_C(1000));
    if (stream_get_u8(l->in) == WIRE_DESCRIPTION) {
        stream_skip(l->in, stream_get_be32(l->in));
    }
    io_channel_set_deadline_us(l->ch, 0);
    if (l->return_path) {
        mig_load_say(l, WIRE_RP_SHUT, ok, sizeof(ok), NULL);
    }
    incoming_drain(l, set_owes_shut(l, false) ? LAST_WORD_MS : CLOSE_MS);
}

/*
 * A source whose configuration doesn't fit doesn't get to open the return path;
 * but a Godwit looks there next, and another program doesn't look.
 */
static bool may_say_error(const MigLoad *l)
{
    uint64_t have = stream_in_bytes(l->in);

    return l->return_path ||
           (have > WIRE_HEADER_LEN && loadvm_at_head(l->loadvm) &&
            !stream_in_ended(l->in) &&
            io_channel_has_feature(l->ch, IO_FEATURE_BIDIRECTIONAL));
}

static void say_error(MigLoad *l, const GError *err)
{
    if (!may_say_error(l)) {
        return;
    }
    rp_send_within(l, LAST_WORD_MS * NS_PER_MS, WIRE_RP_ERROR, err->message,
                   MIN(strlen(err->message), (size_t)WIRE_RP_MAX), NULL);
    io_channel_shutdown(l->ch, IO_SHUTDOWN_WRITE);
    incoming_drain(l, LAST_WORD_MS);
}

/*
 * The source has gone, or makes no sense any more, and we don't know whether
 * it has resumed the guest or has just given it to us.
 */
static void load_orphaned(MigLoad *l, GError *err)
{
    VM_LOCK_GUARD();

    log_error("migration: all state is loaded, but the source did not hand "
              "the guest over (%s); the guest stays paused: 'cont' starts it "
              "if it does not run at the source",
              err->message);
    runstate_set(l->vm, RUN_STATE_PAUSED);
    mig_set_error(l->m, err);
    mig_set_status(l->m, MIGRATION_STATUS_FAILED);
}

static void load_failed(MigLoad *l, GError *err)
{
    say_error(l, err);
    if (l->loaded) {
        load_orphaned(l, err);
        return;
    }
    VM_LOCK_GUARD();
    error_prefix(&err, "load of migration failed: ");
    mig_set_error(l->m, err);
    mig_set_status(l->m, MIGRATION_STATUS_FAILED);
    vm_request_exit(l->vm, EXIT_FAILURE);
}

/* The channel is m->load_ch's, before and after. */
bool mig_load_secure(MigLoad *l, GError **errp)
{
    Migration *m = l->m;
    int64_t end_ns = clock_monotonic_ns() + m->waits.answer_ns;
    g_autoptr(IoChannel) ch =
        mig_tls_wrap(m, l->ch, &m->load_ch, NULL, end_ns, errp);

    if (ch == NULL) {
        return false;
    }
    l->ch = ch; /* has the reference of m->load_ch */
    return true;
}

/* They may have come already. */
static void channels_begin(MigLoad *l)
{
    if (l->m->multifd_listen == NULL) {
        return;
    }
    l->multifd = multifd_listen_recv(l->m->multifd_listen);
    multifd_recv_set_ram(l->multifd, l->ram);
    ram_load_set_multifd(l->ram, l->multifd);
}

static bool load_init(MigLoad *l, Migration *m, const LoadvmRow *row,
                      const LoadvmOps *ops, GError **errp)
{
    bool secure;

    l->m = m;
    l->vm = m->vm;
    l->ch = m->load_ch;
    lock_init(&l->rp_lock);
    secure = m->load_secured || mig_load_secure(l, errp);
    l->in = stream_in_new(l->ch);
    l->here = (StreamConfig){
        .machine = m->hooks->machine_name(l->vm),
        .uuid = l->vm->uuid_set ? l->vm->uuid : NULL,
        .ignore_shared = m->caps & CAP(X_IGNORE_SHARED),
    };
    l->loadvm = loadvm_new(l->in, l->vm->vmstates, row, 1, &l->here, ops);
    return secure;
}

static void load_fini(MigLoad *l)
{
    Migration *m = l->m;

    if (l->multifd != NULL) {
        multifd_recv_stop(l->multifd);
    }
    ram_load_free(l->ram);
    postcopy_in_free(l->pc);
    loadvm_free(l->loadvm);
    stream_in_free(l->in);
    lock_fini(&l->rp_lock);
    /*
     * A command is waited for until it ends, or somebody shuts the channel
     * down, who has to find it there.
     */
    if (!io_channel_has_feature(l->ch, IO_FEATURE_SHUTDOWN)) {
        io_channel_close(l->ch, NULL);
    }
    lock_acquire(&m->lock);
    g_clear_pointer(&m->load_ch, io_channel_unref);
    lock_release(&m->lock);
}

void *mig_load_thread(void *opaque)
{
    MigLoad l = { 0 };
    const LoadvmOps ops = { .command_begins = check_command,
                            .command = load_command,
                            .part = load_part,
                            .complete = load_complete,
                            .opaque = &l };
    LoadvmRow row = { .ops = &ram_iterative };
    GError *err = NULL;
    bool ok, secure;

    secure = load_init(&l, opaque, &row, &ops, &err);
    row.opaque = l.ram = ram_load_new(&l.vm->mem);
    if (l.here.ignore_shared) {
        ram_load_set_ignore_shared(l.ram);
    }
    channels_begin(&l);
    ok = secure && loadvm_begin(l.loadvm, &err);
    stream_in_set_cancel(l.in, NULL);
    if (!ok && secure && l.multifd != NULL) {
        multifd_recv_explain(l.multifd, &err);
    }
    while (!ok && mig_load_wait_recover(&l, &err)) {
        ok = loadvm_go_on(l.loadvm, l.in, &err);
    }
    if (l.packaged) {
        mig_load_postcopy_end(&l, ok);
    }
    if (!ok) {
        if (l.running) {
            g_clear_error(&err);
        } else {
            load_failed(&l, err);
        }
    } else if (l.packaged || (l.features & WIRE_F_COMMIT)) {
        incoming_drain(&l, CLOSE_MS);
    } else {
        finish_plain(&l);
    }
    load_fini(&l);
    return NULL;
}
