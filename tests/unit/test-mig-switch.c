/*
 * The source's switch-over against a scripted peer: attempts that are undone,
 * the go-ahead of the management, requests at the moment of the stop, the
 * bandwidth limit and ABORT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/vm-priv.h"
#include "tests/unit/source-peer.h"

enum {
    SMALL_DEVICE = 100,
    /* Long enough for what would be wrong to show; not a limit. */
    LOOK_MS = 100,
};

static void patient(SpVm *v)
{
    sp_param(v, "downtime-limit", "600000");
}

/* The peer reads, however busy this machine is: it gets to hear of an end. */
static void attentive(SpVm *v)
{
    v->m->waits.abort_ns = 60 * NS_PER_S;
    v->m->waits.cancel_ms = 60000;
}

/* Nothing more comes from the source. */
static void check_silent(SpPeer *p)
{
    g_assert_cmpint(io_channel_wait(p->ch, G_IO_IN, LOOK_MS), ==, 0);
}

/* The rest of a migration that goes well, from the end of an attempt. */
static void finish_loaded(SpVm *v, SpPeer *p, uint32_t attempt)
{
    g_assert_cmpuint(p->attempt, ==, attempt);
    sp_say_loaded(p, attempt);
    sp_read_to(p, WIRE_CMD_RUN);
    g_assert_cmpuint(p->attempt, ==, attempt);
    sp_say_resumed(p);
    g_assert_cmpint(sp_drain(p), ==, SP_END);
    g_assert_cmpint(sp_wait_end(v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(v), ==, RUN_STATE_POSTMIGRATE);
    g_assert_cmpint(v->inactivated - v->activated, ==, 1);
    sp_check_memory(p);
}

/* The same, from the devices. */
static void finish(SpVm *v, SpPeer *p, uint32_t attempt)
{
    sp_read_to(p, SP_EOF);
    finish_loaded(v, p, attempt);
}

/*
 * LOADED doesn't come in time: the guest goes on here, writes, and travels
 * anew, its devices and all; not before the late word is there.
 */
static void test_late_loaded(gconstpointer opaque)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_caps(&v, MIGRATION_CAPABILITY_DEFERRED_DIRTY_LOG_TEARDOWN,
            GPOINTER_TO_INT(opaque));
    sp_param(&v, "downtime-limit", "1");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    g_assert_cmpuint(p.attempt, ==, 1);
    sp_wait_run_state(&v, RUN_STATE_RUNNING);
    sp_wait_status(&v, MIGRATION_STATUS_ACTIVE);
    g_assert_cmpuint(v.starts, ==, 1);
    g_assert_cmpuint(v.activated, ==, v.inactivated);
    patient(&v);
    for (unsigned i = 0; i < SP_PAGES; i += 2) {
        sp_write_page(&v, i, 0xee);
    }
    v.device.value = 42;
    check_silent(&p); /* LOADED 1 is owed */
    sp_say_loaded(&p, 1);
    /* More than is under way can be, and no limit of before in force. */
    g_assert_cmpint(io_channel_wait(p.ch, G_IO_IN, -1), ==, 1);
    g_usleep(LOOK_MS * 1000);
    sp_say_loaded(&p, 1); /* once more: no answer to attempt 2 */
    sp_read_to(&p, SP_EOF);
    check_silent(&p);
    finish_loaded(&v, &p, 2);
    g_assert_cmpuint(p.device_value, ==, 42);
    g_assert_cmpuint(v.stops, ==, 2);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Disks that don't come back keep an undone attempt's guest paused. */
static void test_no_disk(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.bad_activate = true;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    sp_close(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_FAILED);
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_PAUSED);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Failures of our own: the destination is told, the guest goes on. */
static void test_own_failure(gconstpointer opaque)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    attentive(&v);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_START);
    if (GPOINTER_TO_INT(opaque)) {
        v.inactivate = -EIO;
    } else {
        p.answers_pings = false;
        sp_read_to(&p, WIRE_CMD_PING); /* the rehearsal went well */
        v.device.fails = true;
        p.answers_pings = true;
        sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    }
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, GPOINTER_TO_INT(opaque) ? "flushing disks"
                                               : "the device can't be saved");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void go_on(SpVm *v)
{
    GError *err = NULL;

    g_assert_true(
        migration_continue(v->m, MIGRATION_STATUS_PRE_SWITCHOVER, &err));
}

/* After the go-ahead a late word is waited for: the guest stays where it is. */
static void test_go_ahead(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    sp_param(&v, "downtime-limit", "1");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    check_silent(&p);
    /* The user resets it meanwhile: where it runs next it was reset. */
    vm_request_reset(v.vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    vm_request_powerdown(v.vm);
    vm_request_nmi(v.vm);
    go_on(&v);
    sp_read_to(&p, SP_EOF);
    check_silent(&p);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_DEVICE);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_RUN);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpuint(v.resets, ==, 1);
    g_assert_cmpuint(v.powerdowns, ==, 1);
    g_assert_cmpuint(v.nmis, ==, 1);
    g_assert_cmpuint(p.device_value, ==, 0);
    g_assert_cmpstr(p.runstate, ==, "running");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static bool switchover_came; /* atomic */

static void wait_for_peer(SpVm *v)
{
    while (!__atomic_load_n(&switchover_came, __ATOMIC_ACQUIRE)) {
        g_thread_yield();
    }
}

/* Its peer is awake by the time the guest stands. */
static void test_told_before_stop(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.at_stop = wait_for_peer;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, WIRE_CMD_SWITCHOVER);
    __atomic_store_n(&switchover_came, true, __ATOMIC_RELEASE);
    finish(&v, &p, 1);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_go_ahead_cancel(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    attentive(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    migration_cancel(v.m);
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void reset_at_stop(SpVm *v)
{
    if (v->stops == 1) {
        vm_request_reset(v->vm, SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void stop_at_stop(SpVm *v)
{
    if (v->stops == 1) {
        vm_stop_request(v->vm, RUN_STATE_IO_ERROR);
    }
}

/* What is asked at the moment of the stop travels. */
static void test_request_at_stop(gconstpointer opaque)
{
    bool reset = GPOINTER_TO_INT(opaque);
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.at_stop = reset ? reset_at_stop : stop_at_stop;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    finish(&v, &p, 1);
    g_assert_cmpuint(v.resets, ==, reset);
    g_assert_cmpuint(p.device_value, ==, reset ? 0 : v.device.value);
    g_assert_cmpstr(p.runstate, ==, reset ? "running" : "io-error");
    /* Nothing is left to be done to what stays behind. */
    while (g_main_context_iteration(NULL, false)) {
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_POSTMIGRATE);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The rest of a migration that goes well, after a stop that was no attempt. */
static void arrive(SpVm *v, SpPeer *p, const char *runstate)
{
    sp_read_to(p, SP_EOF);
    sp_say_loaded(p, p->attempt);
    sp_read_to(p, WIRE_CMD_RUN);
    sp_say_resumed(p);
    sp_drain(p);
    g_assert_cmpint(sp_wait_end(v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpstr(p->runstate, ==, runstate);
}

static void shutdown_at_stop(SpVm *v)
{
    if (v->stops == 1) {
        vm_request_shutdown(v->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    }
}

/* A guest that ends itself in that moment doesn't run on elsewhere. */
static void test_shutdown_at_stop(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.at_stop = shutdown_at_stop;
    v.vm->no_shutdown = true;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_run_state(&v, RUN_STATE_SHUTDOWN);
    arrive(&v, &p, "shutdown");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Between the saved state and RUN: the guest is reset, and travels anew. */
static void test_reset_before_run(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    vm_request_reset(v.vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    sp_say_loaded(&p, 1);
    sp_wait_run_state(&v, RUN_STATE_RUNNING);
    while (v.resets == 0) {
        g_main_context_iteration(NULL, true);
    }
    finish(&v, &p, 2);
    g_assert_cmpuint(v.resets, ==, 1);
    g_assert_cmpuint(p.device_value, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The first pause is the main thread's; a migration stops the guest in it. */
static NO_TSA void be_overtaken(SpVm *v)
{
    if (v->stops == 1) {
        vm_lock_release();
        sp_greet(v->peer, WIRE_F_ALL);
        sp_read_to(v->peer, SP_EOF);
        vm_lock_acquire();
    }
}

static void overtaken_begin(SpVm *v, SpPeer *p)
{
    sp_vm_init(v, SMALL_DEVICE);
    patient(v);
    v->at_stop = be_overtaken;
    v->peer = p;
    sp_connect(v, p);
}

/* A reset that a migration overtakes is done to what travels, or not at all. */
static void test_overtaken_reset(void)
{
    SpVm v;
    SpPeer p;

    overtaken_begin(&v, &p);
    {
        VM_LOCK_GUARD();
        vm_request_reset(v.vm, SHUTDOWN_CAUSE_GUEST_RESET);
        vm_requests_run(v.vm);
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_FINISH_MIGRATE);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_RUN);
    sp_say_resumed(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpuint(v.resets, ==, 1);
    g_assert_cmpuint(p.device_value, ==, 0);
    g_assert_cmpstr(p.runstate, ==, "running");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The migration is done before the main thread gets the lock again. */
static NO_TSA void be_overtaken_for_good(SpVm *v)
{
    if (v->stops == 1) {
        vm_lock_release();
        sp_greet(v->peer, WIRE_F_ALL);
        sp_read_to(v->peer, SP_EOF);
        sp_say_loaded(v->peer, 1);
        sp_read_to(v->peer, WIRE_CMD_RUN);
        vm_lock_acquire();
    }
}

/* And a stop holds: it travels, however late its caller goes on. */
static void test_overtaken_stop(void)
{
    SpVm v;
    SpPeer p;

    overtaken_begin(&v, &p);
    v.at_stop = be_overtaken_for_good;
    {
        VM_LOCK_GUARD();
        vm_stop(v.vm, RUN_STATE_PAUSED);
    }
    g_assert_cmpint(sp_run_state(&v), !=, RUN_STATE_RUNNING);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_POSTMIGRATE);
    g_assert_cmpuint(p.attempt, ==, 1);
    g_assert_cmpstr(p.runstate, ==, "paused");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static unsigned starts_of(SpVm *v)
{
    VM_LOCK_GUARD();

    return v->starts;
}

/* An attempt is made and undone while the main thread waits for vCPUs. */
static NO_TSA void be_undone(SpVm *v)
{
    if (v->stops == 1) {
        vm_lock_release();
        sp_greet(v->peer, WIRE_F_ALL);
        sp_read_to(v->peer, SP_RAM_PART);
        sp_read_to(v->peer, WIRE_CMD_PING);
        while (starts_of(v) == 0) {
            g_thread_yield();
        }
        vm_lock_acquire();
    }
}

/* A suspend needs a guest that runs: it happens here, and then travels. */
static void test_overtaken_suspend(void)
{
    SpVm v;
    SpPeer p;

    overtaken_begin(&v, &p);
    v.at_stop = be_undone;
    {
        VM_LOCK_GUARD();
        vm_request_suspend(v.vm);
        vm_requests_run(v.vm);
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_SUSPENDED);
    arrive(&v, &p, "suspended");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void *drain_thread(void *opaque)
{
    g_assert_cmpint(sp_drain(opaque), ==, SP_END);
    return NULL;
}

/* At a byte a second: a cancel is seen at once, in the middle of a pass. */
static void test_limit_cancel(void)
{
    GError *err = NULL;
    Thread t;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    attentive(&v);
    sp_param(&v, "max-bandwidth", "1");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_START);
    sp_wait_status(&v, MIGRATION_STATUS_ACTIVE);
    g_assert_true(thread_create(&t, "drain", drain_thread, &p, &err));
    g_usleep(LOOK_MS * 1000); /* it waits for bandwidth by now, mostly */
    migration_cancel(v.m);
    thread_join(&t);
    g_assert_cmpuint(p.aborts, ==, 1);
    g_assert_cmpuint(stream_in_bytes(p.in), <, SP_PAGES * RAM_PAGE_SIZE);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void *raise_limit(void *opaque)
{
    g_usleep(LOOK_MS * 1000);
    sp_param(opaque, "max-bandwidth", "0");
    return NULL;
}

/* The same, and the user takes the limit away: it goes on. */
static void test_limit_raised(void)
{
    GError *err = NULL;
    Thread t;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_param(&v, "max-bandwidth", "1");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_START);
    sp_wait_status(&v, MIGRATION_STATUS_ACTIVE);
    g_assert_true(thread_create(&t, "raise", raise_limit, &v, &err));
    finish(&v, &p, 1);
    thread_join(&t);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The descriptor of the next migration isn't closed with the one before. */
static void test_again(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    for (int i = 0; i < 3; i++) {
        sp_connect(&v, &p);
        sp_close(&p);
        /* Without the main loop: the thread hasn't been joined. */
        while (migration_status(v.m) != MIGRATION_STATUS_FAILED) {
            g_thread_yield();
        }
        sp_peer_fini(&p);
    }
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    finish(&v, &p, 1);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The reason is the destination's word, not that a write failed then. */
static void test_explained(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.m->waits.why_ns = 60 * NS_PER_S;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_START);
    sp_say(&p, WIRE_RP_ERROR, "disk full", 9);
    sp_deaf(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "destination: disk full");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* A cancel that comes when all is loaded, and before RUN. */
static void test_cancel_before_run(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    attentive(&v);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    {
        VM_LOCK_GUARD(); /* without it the source doesn't commit */
        sp_say_loaded(&p, 1);
        g_usleep(LOOK_MS * 1000);
        migration_cancel(v.m);
    }
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* A paused guest: no limit, but whoever waits for the peer can be freed. */
static void test_quit(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SP_DEVICE_MAX);
    {
        VM_LOCK_GUARD();
        vm_stop(v.vm, RUN_STATE_PAUSED);
    }
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, WIRE_CMD_SWITCHOVER);
    sp_wait_status(&v, MIGRATION_STATUS_DEVICE);
    sp_vm_fini(&v);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
}

/* It is promised nothing, but nobody waits for a peer that hangs for ever. */
static void test_silence(gconstpointer opaque)
{
    bool reads = GPOINTER_TO_INT(opaque);
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, reads ? SMALL_DEVICE : SP_DEVICE_MAX);
    sp_caps(&v, MIGRATION_CAPABILITY_SWITCHOVER_ABORT, false);
    sp_param(&v, "downtime-limit", "100");
    v.m->waits.silence_ns = 300 * NS_PER_MS;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, reads ? SP_EOF : WIRE_CMD_SWITCHOVER);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    if (reads) {
        sp_check_error(&v, "destination did not confirm the load");
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* A peer that takes its time, and something now and then, is no such peer. */
static void test_slow(void)
{
    enum { PIECES = 16 };
    char name[256];
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SP_DEVICE_MAX);
    sp_caps(&v, MIGRATION_CAPABILITY_SWITCHOVER_ABORT, false);
    sp_param(&v, "downtime-limit", "1");
    v.m->waits.silence_ns = 1 * NS_PER_S;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, WIRE_CMD_SWITCHOVER);
    sp_read_to(&p, SP_RAM_END);
    g_assert_cmpint(stream_get_u8(p.in), ==, WIRE_SECTION_FULL);
    stream_get_be32(p.in);
    stream_get_str8(p.in, name);
    g_assert_cmpstr(name, ==, "device");
    stream_get_be64(p.in);
    g_assert_cmpuint(stream_get_be32(p.in), ==, SP_DEVICE_MAX);
    stream_get_be32(p.in);
    for (int i = 0; i < PIECES; i++) {
        g_usleep(LOOK_MS * 1000);
        stream_skip(p.in, SP_DEVICE_MAX / PIECES);
    }
    stream_skip(p.in, 5); /* its footer */
    finish(&v, &p, 1);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void set_storage(SpVm *v, bool hangs)
{
    VM_LOCK_GUARD();

    v->storage_hangs = hangs;
}

static void begin_hanging(SpVm *v, SpPeer *p)
{
    sp_vm_init(v, SMALL_DEVICE);
    attentive(v);
    set_storage(v, true);
    sp_connect(v, p);
    sp_greet(p, WIRE_F_ALL);
    sp_read_to(p, SP_RAM_PART);
    sp_read_to(p, WIRE_CMD_PING);
}

/* Storage that doesn't answer at the stop: the lock is free meanwhile. */
static void test_storage_cancel(void)
{
    SpVm v;
    SpPeer p;

    begin_hanging(&v, &p);
    patient(&v);
    sp_wait_run_state(&v, RUN_STATE_FINISH_MIGRATE);
    migration_cancel(v.m);
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* And the limit holds. */
static void test_storage_late(void)
{
    SpVm v;
    SpPeer p;

    begin_hanging(&v, &p);
    while (starts_of(&v) == 0) {
        g_main_context_iteration(NULL, false);
    }
    set_storage(&v, false);
    patient(&v);
    arrive(&v, &p, "running");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void *storage_answers(void *opaque)
{
    while (sp_run_state(opaque) == RUN_STATE_RUNNING) {
        g_thread_yield();
    }
    set_storage(opaque, false);
    return NULL;
}

/* A user's stop waits for storage, too, and others get the lock. */
static void test_storage_stop(void)
{
    GError *err = NULL;
    Thread t;
    SpVm v;

    sp_vm_init(&v, SMALL_DEVICE);
    set_storage(&v, true);
    g_assert_true(thread_create(&t, "storage", storage_answers, &v, &err));
    {
        VM_LOCK_GUARD();
        g_assert_cmpint(vm_stop(v.vm, RUN_STATE_PAUSED), ==, 0);
        g_assert_false(v.storage_hangs);
    }
    thread_join(&t);
    sp_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/mig-switch/late-loaded/deferred",
                         GINT_TO_POINTER(true), test_late_loaded);
    g_test_add_data_func("/mig-switch/late-loaded/not-deferred", NULL,
                         test_late_loaded);
    g_test_add_func("/mig-switch/no-disk", test_no_disk);
    g_test_add_data_func("/mig-switch/own-failure/device", NULL,
                         test_own_failure);
    g_test_add_data_func("/mig-switch/own-failure/disk", GINT_TO_POINTER(true),
                         test_own_failure);
    g_test_add_func("/mig-switch/told-before-stop", test_told_before_stop);
    g_test_add_func("/mig-switch/go-ahead/late", test_go_ahead);
    g_test_add_func("/mig-switch/go-ahead/cancel", test_go_ahead_cancel);
    g_test_add_data_func("/mig-switch/at-stop/reset", GINT_TO_POINTER(true),
                         test_request_at_stop);
    g_test_add_data_func("/mig-switch/at-stop/stop", NULL,
                         test_request_at_stop);
    g_test_add_func("/mig-switch/at-stop/shutdown", test_shutdown_at_stop);
    g_test_add_func("/mig-switch/overtaken/reset", test_overtaken_reset);
    g_test_add_func("/mig-switch/overtaken/stop", test_overtaken_stop);
    g_test_add_func("/mig-switch/overtaken/suspend", test_overtaken_suspend);
    g_test_add_func("/mig-switch/reset-before-run", test_reset_before_run);
    g_test_add_func("/mig-switch/limit/cancel", test_limit_cancel);
    g_test_add_func("/mig-switch/limit/raised", test_limit_raised);
    g_test_add_func("/mig-switch/again", test_again);
    g_test_add_func("/mig-switch/explained", test_explained);
    g_test_add_func("/mig-switch/cancel-before-run", test_cancel_before_run);
    g_test_add_func("/mig-switch/quit", test_quit);
    g_test_add_data_func("/mig-switch/silence/reads", GINT_TO_POINTER(true),
                         test_silence);
    g_test_add_data_func("/mig-switch/silence/hangs", NULL, test_silence);
    g_test_add_func("/mig-switch/silence/slow", test_slow);
    g_test_add_func("/mig-switch/storage/cancel", test_storage_cancel);
    g_test_add_func("/mig-switch/storage/late", test_storage_late);
    g_test_add_func("/mig-switch/storage/stop", test_storage_stop);
    return g_test_run();
}
