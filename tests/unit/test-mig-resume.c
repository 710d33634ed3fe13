/*
 * What becomes of the guest at the source: each step of the switch-over that
 * fails, guests that stood before, and what was asked for meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>

#include "system/vm-priv.h"
#include "tests/unit/source-peer.h"

enum { SMALL_DEVICE = 100 };

static void begin(SpVm *v)
{
    sp_vm_init(v, SMALL_DEVICE);
    sp_param(v, "downtime-limit", "600000");
    v->m->waits.abort_ns = 60 * NS_PER_S;
}

static void break_drain(SpVm *v)
{
    v->drain = -EIO;
}

static void break_inactivate(SpVm *v)
{
    v->inactivate = -ENOSPC;
}

static void break_sync(SpVm *v)
{
    v->bad_sync = true;
}

static void break_device(SpVm *v)
{
    v->device.fails = true;
}

typedef struct Breakage {
    const char *name;
    void (*act)(SpVm *v);
    const char *error, *reason;
    unsigned inactivated; /* times, and taken again as often */
} Breakage;

static const Breakage breakages[] = {
    { "drain", break_drain, "flushing disks before the switch-over",
      "Input/output error", 0 },
    { "inactivate", break_inactivate, "flushing disks at the switch-over",
      "No space left", 1 },
    { "sync", break_sync, "the CPU doesn't tell", "", 0 },
    { "device", break_device, "the device can't be saved", "", 1 },
};

/* A step of our own fails: the guest goes on here, as it was. */
static void check_breakage(const Breakage *b, uint64_t features, bool paused)
{
    SpVm v;
    SpPeer p;

    begin(&v);
    if (paused) {
        VM_LOCK_GUARD();
        vm_stop(v.vm, RUN_STATE_PAUSED);
        v.stops = 0;
    }
    v.at_stop = b->act;
    sp_connect(&v, &p);
    sp_greet(&p, features);
    if (paused) {
        /* It isn't stopped: between the first pass and the switch-over. */
        p.answers_pings = false;
        sp_read_to(&p, SP_RAM_PART);
        sp_read_to(&p, WIRE_CMD_PING);
        b->act(&v);
        sp_say_u32(&p, WIRE_RP_PONG, p.ping);
        p.answers_pings = true;
    }
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    sp_close(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, b->error);
    sp_check_error(&v, b->reason);
    g_assert_cmpstr(run_state_str(sp_run_state(&v)), ==,
                    paused ? "paused" : "running");
    g_assert_cmpuint(v.starts, ==, v.stops);
    g_assert_cmpuint(v.starts, <=, !paused);
    g_assert_cmpuint(v.inactivated, ==, b->inactivated);
    g_assert_cmpuint(p.aborts, ==, (features & WIRE_F_COMMIT) != 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_breakage(gconstpointer opaque)
{
    check_breakage(opaque, WIRE_F_ALL, false);
    check_breakage(opaque, WIRE_F_ALL, true);
    check_breakage(opaque, 0, false);
}

/* A guest that stood travels as it is, or stands where it was. */
static void check_stood(RunState state, bool arrives)
{
    SpVm v;
    SpPeer p;

    begin(&v);
    {
        VM_LOCK_GUARD();
        vm_stop(v.vm, state);
    }
    v.stops = 0;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    g_assert_cmpstr(p.runstate, ==, run_state_str(state));
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_FINISH_MIGRATE);
    if (arrives) {
        sp_say_loaded(&p, 1);
        sp_read_to(&p, WIRE_CMD_RUN);
        sp_say_resumed(&p);
        sp_drain(&p);
        g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
        state = RUN_STATE_POSTMIGRATE;
    } else {
        sp_close(&p);
        g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_FAILED);
    }
    g_assert_cmpstr(run_state_str(sp_run_state(&v)), ==, run_state_str(state));
    g_assert_cmpuint(v.starts, ==, 0);
    g_assert_cmpuint(v.inactivated, ==, 1);
    g_assert_cmpuint(v.activated, ==, arrives ? 0 : 1);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_stood(void)
{
    check_stood(RUN_STATE_PAUSED, true);
    check_stood(RUN_STATE_PAUSED, false);
    check_stood(RUN_STATE_SUSPENDED, true);
    check_stood(RUN_STATE_SUSPENDED, false);
}

/* The user's stop is done while the migration waits for the vCPUs. */
static void stop_first(SpVm *v)
{
    v->at_stop = NULL;
    vm_stop(v->vm, RUN_STATE_PAUSED);
}

/* Who was stopped in that moment stands afterwards, wherever that is. */
static void test_stopped_first(gconstpointer opaque)
{
    bool arrives = GPOINTER_TO_INT(opaque);
    SpVm v;
    SpPeer p;

    begin(&v);
    v.at_stop = stop_first;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    g_assert_cmpstr(p.runstate, ==, "paused");
    if (arrives) {
        sp_say_loaded(&p, 1);
        sp_read_to(&p, WIRE_CMD_RUN);
        sp_say_resumed(&p);
        sp_drain(&p);
        g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    } else {
        sp_close(&p);
        g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_FAILED);
        g_assert_cmpstr(run_state_str(sp_run_state(&v)), ==, "paused");
    }
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The go-ahead is for one migration: the next waits for its own. */
static void test_go_ahead_again(void)
{
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    for (unsigned i = 0; i < 2; i++) {
        GError *err = NULL;

        v.statuses = 0;
        sp_connect(&v, &p);
        sp_greet(&p, WIRE_F_ALL);
        sp_read_to(&p, SP_RAM_PART);
        sp_read_to(&p, WIRE_CMD_PING);
        sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
        /* Nothing goes on before the word, nor was there one. */
        g_assert_cmpint(io_channel_wait(p.ch, G_IO_IN, 50), ==, 0);
        g_assert_true(
            migration_continue(v.m, MIGRATION_STATUS_PRE_SWITCHOVER, &err));
        sp_read_to(&p, SP_EOF);
        sp_close(&p);
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
        g_assert_true(v.statuses & 1U << MIGRATION_STATUS_DEVICE);
        sp_peer_fini(&p);
    }
    sp_vm_fini(&v);
}

/*
 * A stop that was asked for while the guest stood anyway: the migration ends,
 * and it goes on standing, without having run in between.
 */
static void test_stop_then_cancel(void)
{
    RunState asked = RUN_STATE_RUNNING;
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    {
        VM_LOCK_GUARD();
        g_assert_false(vm_stop_is_asked(v.vm, &asked));
        g_assert_cmpint(asked, ==, RUN_STATE_RUNNING);
        vm_stop(v.vm, RUN_STATE_WATCHDOG);
        g_assert_true(vm_stop_is_asked(v.vm, &asked));
        g_assert_cmpint(asked, ==, RUN_STATE_WATCHDOG);
    }
    migration_cancel(v.m);
    sp_drain(&p);
    sp_close(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_CANCELLED);
    g_assert_cmpstr(run_state_str(sp_run_state(&v)), ==, "watchdog");
    g_assert_cmpuint(v.starts, ==, 0);
    {
        VM_LOCK_GUARD();
        vm_requests_run(v.vm);
        g_assert_false(vm_stop_is_asked(v.vm, &asked));
    }
    g_assert_cmpstr(run_state_str(sp_run_state(&v)), ==, "watchdog");
    g_assert_cmpuint(v.stops, ==, 1);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* What comes when the guest is given is for nobody here any more. */
static void test_asked_too_late(void)
{
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_RUN);
    vm_request_reset(v.vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_POSTMIGRATE);
    {
        VM_LOCK_GUARD();
        g_assert_false(vm_requests_pending(v.vm));
    }
    g_assert_cmpuint(v.resets, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The guest ejects a card that it was asked for before: it doesn't travel. */
static void test_device_gone(gconstpointer opaque)
{
    bool late = GPOINTER_TO_INT(opaque);
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, late);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    p.answers_pings = late;
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    if (late) {
        sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    }
    {
        VM_LOCK_GUARD();
        vmstate_unregister(v.vm->vmstates, v.entry);
        v.entry = NULL;
        migration_continue(v.m, MIGRATION_STATUS_PRE_SWITCHOVER, NULL);
    }
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    p.answers_pings = true;
    sp_drain(&p);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "device 'device' came or went");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Times of an attempt that was undone aren't those of the next. */
static void test_breakdown_anew(void)
{
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_param(&v, "downtime-limit", "1");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_EOF);
    sp_wait_run_state(&v, RUN_STATE_RUNNING);
    {
        LOCK_GUARD(&v.m->lock);
        v.m->show.bd_us[STEP_RAM] = INT64_C(1) << 60;
    }
    sp_param(&v, "downtime-limit", "600000");
    sp_say_loaded(&p, 1);
    sp_read_to(&p, SP_EOF);
    {
        LOCK_GUARD(&v.m->lock);
        g_assert_cmpuint(v.m->show.bd_us[STEP_RAM], <, INT64_C(1) << 60);
        g_assert_false(v.m->show.bd_known & 1U << STEP_LOAD);
    }
    sp_say_loaded(&p, 2);
    sp_read_to(&p, WIRE_CMD_RUN);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* What needs a guest that runs was asked for while it stands: it stays. */
static void test_go_ahead_suspend(void)
{
    GError *err = NULL;
    SpVm v;
    SpPeer p;

    begin(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    vm_request_suspend(v.vm);
    g_assert_true(
        migration_continue(v.m, MIGRATION_STATUS_PRE_SWITCHOVER, &err));
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    g_assert_cmpuint(p.attempt, ==, 0);
    sp_close(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "was asked for before the switch-over");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/*
 * Storage that doesn't answer is asked less often the longer it takes, at most
 * each millisecond.
 */
static void test_storage_looks(void)
{
    enum { FIRST_LOOKS = 10, LOOK_MS = 100 };
    unsigned before, looks;
    int64_t start, ms;
    SpVm v;
    SpPeer p;

    begin(&v);
    v.storage_hangs = true;
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_run_state(&v, RUN_STATE_FINISH_MIGRATE);
    start = clock_monotonic_ns();
    vm_lock_acquire();
    before = v.drain_steps;
    vm_lock_release();
    g_usleep(LOOK_MS * 1000);
    vm_lock_acquire();
    looks = v.drain_steps - before;
    ms = (clock_monotonic_ns() - start) / NS_PER_MS;
    v.storage_hangs = false;
    vm_lock_release();
    g_assert_cmpuint(looks, >, 0);
    g_assert_cmpuint(looks, <=, FIRST_LOOKS + ms);
    sp_read_to(&p, SP_EOF);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_RUN);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void set_images(SpVm *v, bool hang)
{
    VM_LOCK_GUARD();

    v->images_hang = hang;
}

/* What a hook counts reaches n. */
static void wait_count(const unsigned *count, unsigned n)
{
    unsigned now = 0;

    while (now < n) {
        g_main_context_iteration(NULL, false);
        VM_LOCK_GUARD();
        now = *count;
    }
}

/* The guest stands, and storage dies before the images are given up. */
static void begin_images(SpVm *v, SpPeer *p, const char *limit_ms)
{
    begin(v);
    sp_param(v, "downtime-limit", limit_ms);
    v->m->waits.cancel_ms = 60000;
    v->images_hang = true;
    sp_connect(v, p);
    sp_greet(p, WIRE_F_ALL);
    sp_read_to(p, SP_RAM_PART);
    sp_read_to(p, WIRE_CMD_PING);
    wait_count(&v->inactivated, 1);
}

static void test_images_cancel(void)
{
    SpVm v;
    SpPeer p;

    begin_images(&v, &p, "600000");
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_FINISH_MIGRATE);
    migration_cancel(v.m);
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpuint(p.aborts, ==, 1);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The guest goes on here, and travels once storage answers. */
static void test_images_late(void)
{
    SpVm v;
    SpPeer p;

    begin_images(&v, &p, "300");
    wait_count(&v.starts, 1);
    sp_param(&v, "downtime-limit", "600000");
    set_images(&v, false);
    sp_read_to(&p, SP_EOF);
    sp_say_loaded(&p, p.attempt);
    sp_read_to(&p, WIRE_CMD_RUN);
    sp_say_resumed(&p);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    sp_check_memory(&p);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* An attempt, to the state that travels, while the main thread waits. */
static NO_TSA void be_attempted(SpVm *v)
{
    bool over = v->stops != 1;

    vm_lock_release();
    if (!over) {
        sp_greet(v->peer, WIRE_F_ALL);
        sp_read_to(v->peer, SP_RAM_PART);
        sp_read_to(v->peer, WIRE_CMD_PING);
    }
    while (!over) {
        g_thread_yield();
        VM_LOCK_GUARD();
        over = v->inactivated > 0 ||
               runstate_get(v->vm) == RUN_STATE_GUEST_PANICKED;
    }
    vm_lock_acquire();
}

/* A guest that ends by a panic isn't given away, nor is the program's end. */
static void test_panic_overtaken(void)
{
    bool ended = false;
    SpVm v;
    SpPeer p;

    begin(&v);
    v.at_stop = be_attempted;
    v.peer = &p;
    sp_connect(&v, &p);
    vm_request_shutdown(v.vm, SHUTDOWN_CAUSE_GUEST_PANIC);
    while (!ended) {
        VM_LOCK_GUARD();
        vm_requests_run(v.vm);
        ended = vm_is_ending(v.vm);
        g_assert_cmpuint(v.inactivated, ==, 0);
        g_assert_true(!ended || runstate_get(v.vm) == RUN_STATE_GUEST_PANICKED);
    }
    sp_vm_fini(&v);
    sp_peer_fini(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(breakages); i++) {
        g_autofree char *path =
            g_strdup_printf("/mig-resume/fails/%s", breakages[i].name);

        g_test_add_data_func(path, &breakages[i], test_breakage);
    }
    g_test_add_func("/mig-resume/stood", test_stood);
    g_test_add_data_func("/mig-resume/stopped-first/arrives",
                         GINT_TO_POINTER(true), test_stopped_first);
    g_test_add_data_func("/mig-resume/stopped-first/stays", NULL,
                         test_stopped_first);
    g_test_add_func("/mig-resume/go-ahead-again", test_go_ahead_again);
    g_test_add_data_func("/mig-resume/device-gone/running", NULL,
                         test_device_gone);
    g_test_add_data_func("/mig-resume/device-gone/stopped",
                         GINT_TO_POINTER(true), test_device_gone);
    g_test_add_func("/mig-resume/asked-too-late", test_asked_too_late);
    g_test_add_func("/mig-resume/breakdown-anew", test_breakdown_anew);
    g_test_add_func("/mig-resume/go-ahead-suspend", test_go_ahead_suspend);
    g_test_add_func("/mig-resume/storage-looks", test_storage_looks);
    g_test_add_func("/mig-resume/panic-overtaken", test_panic_overtaken);
    g_test_add_func("/mig-resume/images/cancel", test_images_cancel);
    g_test_add_func("/mig-resume/images/late", test_images_late);
    g_test_add_func("/mig-resume/stop-then-cancel", test_stop_then_cancel);
    return g_test_run();
}
