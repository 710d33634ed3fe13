/*
 * The source of a migration against a scripted peer that misbehaves in every
 * phase: who has the guest afterwards, and what is said about it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"
#include "util/bswap.h"

enum { SMALL_DEVICE = 100, GODWIT = WIRE_F_ALL, PLAIN = 0 };

/* Every wait has an end; none of them is reached but where it's the test. */
static void patient(SpVm *v)
{
    sp_param(v, "downtime-limit", "600000");
}

/* What is waited for after the guest was given away comes, or not, at once. */
static void hasty(SpVm *v)
{
    v->m->waits.last_word_ns = 50 * NS_PER_MS;
}

static void test_godwit(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    sp_greet(&p, GODWIT);
    sp_read_to(&p, SP_EOF);
    g_assert_cmpuint(p.attempt, ==, 1);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_RUN);
    g_assert_cmpuint(p.attempt, ==, 1);
    sp_say_resumed(&p);
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_POSTMIGRATE);
    g_assert_cmpuint(v.starts, ==, 0);
    g_assert_cmpuint(v.inactivated, ==, 1);
    g_assert_cmpuint(v.activated, ==, 0);
    g_assert_cmpuint(v.passes, ==, 1);
    g_assert_cmpuint(p.descriptions, ==, 0);
    g_assert_cmpuint(p.device_value, ==, v.device.value);
    g_assert_cmpstr(p.runstate, ==, "running");
    /* Times that can't be true are cut to the time that has passed. */
    g_assert_cmpuint(v.m->show.bd_us[STEP_LOAD], <, 60 * 1000 * 1000);
    sp_check_memory(&p);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* And nobody wants to hear of it. */
static void test_plain(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_caps(&v, MIGRATION_CAPABILITY_EVENTS, false);
    patient(&v);
    sp_connect(&v, &p);
    sp_greet(&p, PLAIN);
    sp_read_to(&p, SP_EOF);
    sp_read_to(&p, SP_DESCRIPTION);
    sp_say_u32(&p, WIRE_RP_SHUT, 0);
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_POSTMIGRATE);
    g_assert_cmpuint(v.starts, ==, 0);
    g_assert_cmpuint(v.passes, ==, 0);
    g_assert_cmphex(v.statuses, ==, 0);
    g_assert_cmpuint(p.device_value, ==, v.device.value);
    sp_check_memory(&p);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Points of a stream at which the peer begins to misbehave. */
typedef enum Phase {
    AT_GREETING,   /* the hello is here and not answered */
    AT_FIRST_PASS, /* the list of blocks is here */
    AT_SWITCHOVER, /* SWITCHOVER or (plain) the last memory is here */
    AT_DEVICES,    /* all devices, and (Godwit) the end mark are */
    AT_MARK,       /* RUN or (plain) the end mark is: the guest is given */
} Phase;

static const struct {
    const char *name;
    int godwit, plain; /* item that begins it; 0: the hello */
} phases[] = {
    [AT_GREETING] = { "greeting", 0, 0 },
    [AT_FIRST_PASS] = { "first-pass", SP_RAM_START, SP_RAM_START },
    [AT_SWITCHOVER] = { "switchover", WIRE_CMD_SWITCHOVER, SP_RAM_END },
    [AT_DEVICES] = { "devices", SP_EOF, WIRE_CMD_PING },
    [AT_MARK] = { "mark", WIRE_CMD_RUN, SP_EOF },
};

/* Brings both sides there; the last ping of a plain peer isn't answered. */
static void go_to(SpPeer *p, uint64_t features, Phase phase)
{
    int item = features ? phases[phase].godwit : phases[phase].plain;

    if (phase == AT_GREETING) {
        return;
    }
    sp_greet(p, features);
    if (phase == AT_MARK && features) {
        sp_read_to(p, SP_EOF);
        sp_say_loaded(p, p->attempt);
    }
    p->answers_pings = features || phase == AT_MARK;
    sp_read_to(p, item);
}

static void misbehave_close(SpPeer *p)
{
    sp_close(p);
}

static void misbehave_garbage(SpPeer *p)
{
    static const uint8_t data[64] = { [0 ... 63] = 0xa5 };

    sp_say_raw(p, data, sizeof(data));
}

static void misbehave_error(SpPeer *p)
{
    sp_say(p, WIRE_RP_ERROR, "no more room", 12);
}

static void misbehave_shut(SpPeer *p)
{
    sp_say_u32(p, WIRE_RP_SHUT, 1);
}

static void misbehave_unknown(SpPeer *p)
{
    sp_say_u32(p, 0x1234, 0);
}

static void misbehave_half_message(SpPeer *p)
{
    static const uint8_t data[] = { 0x47, 0x02, 0x00 };

    sp_say_raw(p, data, sizeof(data));
    sp_close(p);
}

static const struct {
    const char *name;
    void (*act)(SpPeer *p);
    const char *error; /* said about it; NULL: no fixed words */
} misdeeds[] = {
    { "close", misbehave_close, NULL },
    { "garbage", misbehave_garbage, "message of 42405 bytes" },
    { "error", misbehave_error, "destination: no more room" },
    { "shut", misbehave_shut, "destination: load failed" },
    { "unknown", misbehave_unknown, "unknown type 0x1234" },
    { "half-message", misbehave_half_message, NULL },
};

typedef struct Misdeed {
    uint64_t features;
    Phase phase;
    size_t deed;
} Misdeed;

/* Up to the mark the guest goes on here; behind it, never by itself. */
static void test_misdeed(gconstpointer opaque)
{
    const Misdeed *c = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    go_to(&p, c->features, c->phase);
    misdeeds[c->deed].act(&p);
    if (p.in != NULL) {
        sp_drain(&p);
    }
    if (c->phase == AT_MARK) {
        sp_check_given(&v);
    } else {
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    }
    if (misdeeds[c->deed].error != NULL) {
        sp_check_error(&v, misdeeds[c->deed].error);
    }
    /* Only a Godwit knows the word for it. */
    g_assert_cmpuint(p.aborts, <=, c->features != 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* A peer that neither reads nor speaks, until the user has enough of it. */
static void test_cancel(gconstpointer opaque)
{
    const Misdeed *c = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    if (c->phase == AT_MARK) {
        hasty(&v);
    }
    sp_connect(&v, &p);
    go_to(&p, c->features, c->phase);
    migration_cancel(v.m);
    if (c->phase == AT_MARK) {
        g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_DEVICE);
        sp_check_given(&v);
    } else {
        sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void add_matrix(void)
{
    static const uint64_t peers[] = { GODWIT, PLAIN };

    for (size_t i = 0; i < G_N_ELEMENTS(peers); i++) {
        for (size_t ph = 0; ph < G_N_ELEMENTS(phases); ph++) {
            Misdeed *c = g_new0(Misdeed, 1);
            g_autofree char *path =
                g_strdup_printf("/mig-source/%s/%s",
                                peers[i] ? "godwit" : "plain", phases[ph].name);
            g_autofree char *cancel = g_strconcat(path, "/cancel", NULL);

            c->features = peers[i];
            c->phase = ph;
            g_test_add_data_func_full(cancel, c, test_cancel, g_free);
            for (size_t d = 0; d < G_N_ELEMENTS(misdeeds); d++) {
                g_autofree char *name =
                    g_strconcat(path, "/", misdeeds[d].name, NULL);

                c = g_memdup2(c, sizeof(*c));
                c->deed = d;
                g_test_add_data_func_full(name, c, test_misdeed, g_free);
            }
        }
    }
}

/*
 * The peer has the end of file mark and says nothing for longer than the
 * channel's own limits: it may run the guest, so nothing does here.
 */
static void test_plain_silent(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_param(&v, "downtime-limit", "1000");
    v.m->waits.last_word_ns = 2500 * NS_PER_MS;
    sp_connect(&v, &p);
    sp_greet(&p, PLAIN);
    sp_read_to(&p, SP_DESCRIPTION);
    sp_check_given(&v);
    sp_check_error(&v, "no answer");
    /* The user knows better. */
    {
        VM_LOCK_GUARD();
        vm_start(v.vm);
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_RUNNING);
    sp_peer_fini(&p);
    /* It is ours again: a migration of it can be cancelled. */
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    migration_cancel(v.m);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* It reads all but the mark and doesn't say so in time: the guest is ours. */
static void test_plain_no_pong(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_param(&v, "downtime-limit", "300");
    sp_connect(&v, &p);
    sp_greet(&p, PLAIN);
    p.answers_pings = false;
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "did not take the device state in time");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* The user cancels when the peer may run it already: too late. */
static void test_plain_cancel_too_late(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    sp_greet(&p, PLAIN);
    sp_read_to(&p, SP_EOF);
    migration_cancel(v.m);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_DEVICE);
    sp_read_to(&p, SP_DESCRIPTION);
    sp_say_u32(&p, WIRE_RP_SHUT, 0);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Not a byte of the mark can leave: the guest is ours, provably. */
static void test_mark_not_taken(gconstpointer opaque)
{
    const Misdeed *c = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    go_to(&p, c->features, AT_DEVICES);
    sp_deaf(&p);
    if (c->features) {
        sp_say_loaded(&p, p.attempt);
    } else {
        sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    }
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "write failed");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* It has taken the devices when it says so, not when it speaks of a pass. */
static void test_old_pong(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    go_to(&p, PLAIN, AT_DEVICES);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping - 1);
    g_assert_cmpint(io_channel_wait(p.ch, G_IO_IN, 50), ==, 0);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    sp_read_to(&p, SP_EOF);
    sp_say_u32(&p, WIRE_RP_SHUT, 0);
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Why it gave up may stand behind other words. */
static void test_reason_behind_words(void)
{
    static const char why[] = "the destination says why";
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    go_to(&p, PLAIN, AT_DEVICES);
    sp_deaf(&p);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping - 1);
    sp_say(&p, WIRE_RP_ERROR, why, sizeof(why) - 1);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, why);
    {
        LOCK_GUARD(&v.m->lock);
        g_assert_cmpint(v.m->show.end_ns, >, v.m->show.start_ns);
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Behind the mark a description that can't be written changes nothing. */
static void test_description_not_taken(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_connect(&v, &p);
    go_to(&p, PLAIN, AT_DEVICES);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    sp_say_u32(&p, WIRE_RP_SHUT, 0);
    sp_read_to(&p, SP_EOF);
    sp_deaf(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Devices larger than what is on its way; nobody reads them. */
static void test_devices_stall(gconstpointer opaque)
{
    const Misdeed *c = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SP_DEVICE_MAX);
    sp_caps(&v, MIGRATION_CAPABILITY_SWITCHOVER_ABORT, c->deed == 0);
    sp_param(&v, "downtime-limit", "300");
    sp_connect(&v, &p);
    sp_greet(&p, c->features);
    sp_read_to(&p, c->features ? WIRE_CMD_SWITCHOVER : SP_RAM_END);
    if (c->features || c->deed != 0) {
        /* No limit of time, or a second attempt: until it is cancelled. */
        sp_wait_status(&v, MIGRATION_STATUS_DEVICE);
        {
            /* Whoever waits for the peer doesn't have the lock. */
            VM_LOCK_GUARD();
        }
        migration_cancel(v.m);
        sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    } else {
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void answer_partly(SpPeer *p)
{
    uint8_t data[8];

    stq_be_p(data, WIRE_F_ALL);
    sp_say(p, WIRE_RP_FEATURES, data, sizeof(data)); /* and no pong */
}

static void answer_otherwise(SpPeer *p)
{
    for (uint32_t i = 0; i < 150; i++) {
        sp_say_u32(p, WIRE_RP_PONG, i);
        g_usleep(2000); /* not more than the socket keeps */
    }
}

static void answer_nothing(SpPeer *p)
{
}

static void (*const bad_answers[])(SpPeer *p) = { answer_nothing, answer_partly,
                                                  answer_otherwise };

/*
 * Who doesn't answer the greeting in time, whatever else he says, gets the
 * plain stream and is waited for no more; or nothing, if an answer was wanted.
 */
static void test_no_answer(gconstpointer opaque)
{
    const Misdeed *c = opaque;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.m->waits.answer_ns = 100 * NS_PER_MS;
    sp_caps(&v, MIGRATION_CAPABILITY_RETURN_PATH, c->features != 0);
    sp_connect(&v, &p);
    p.answers_pings = false;
    sp_read_to(&p, WIRE_CMD_PING);
    bad_answers[c->deed](&p);
    if (c->features) {
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
        sp_check_error(&v, "no answer on the return path");
    } else {
        sp_read_to(&p, SP_EOF);
        sp_read_to(&p, SP_DESCRIPTION);
        g_assert_cmpint(sp_drain(&p), ==, SP_END);
        sp_close(&p);
        g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
        sp_check_memory(&p);
    }
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* It was asleep, and then can't load what it got: not a good end. */
static void test_late_error(void)
{
    static const char why[] = "no such disk";
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    v.m->waits.answer_ns = 100 * NS_PER_MS;
    sp_connect(&v, &p);
    p.answers_pings = false;
    sp_read_to(&p, SP_DESCRIPTION);
    sp_say_u32(&p, WIRE_RP_PONG, WIRE_HELLO);
    sp_say(&p, WIRE_RP_ERROR, why, strlen(why));
    g_assert_cmpint(sp_drain(&p), ==, SP_END);
    sp_close(&p);
    sp_check_given(&v);
    sp_check_error(&v, "destination: no such disk");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void add_for_both(const char *name, size_t ndeeds, GTestDataFunc fn)
{
    static const uint64_t peers[] = { GODWIT, PLAIN };

    for (size_t i = 0; i < G_N_ELEMENTS(peers) * ndeeds; i++) {
        Misdeed *c = g_new0(Misdeed, 1);
        g_autofree char *path =
            g_strdup_printf("/mig-source/%s/%s-%zu", name,
                            peers[i % 2] ? "godwit" : "plain", i / 2);

        c->features = peers[i % 2];
        c->deed = i / 2;
        g_test_add_data_func_full(path, c, fn, g_free);
    }
}

/* A program that ends starts no guest, whose disks it has closed. */
static void test_quit_running(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    patient(&v);
    sp_caps(&v, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER, true);
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_wait_status(&v, MIGRATION_STATUS_PRE_SWITCHOVER);
    vm_request_shutdown(v.vm, SHUTDOWN_CAUSE_HOST_QMP_QUIT);
    sp_vm_fini(&v);
    g_assert_cmpuint(v.starts, ==, 0);
    sp_peer_fini(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-source/quit", test_quit_running);
    g_test_add_func("/mig-source/godwit/completes", test_godwit);
    g_test_add_func("/mig-source/plain/completes", test_plain);
    add_matrix();
    g_test_add_func("/mig-source/plain/silent", test_plain_silent);
    g_test_add_func("/mig-source/plain/no-pong", test_plain_no_pong);
    g_test_add_func("/mig-source/plain/cancel-too-late",
                    test_plain_cancel_too_late);
    g_test_add_func("/mig-source/plain/description-not-taken",
                    test_description_not_taken);
    g_test_add_func("/mig-source/late-error", test_late_error);
    add_for_both("mark-not-taken", 1, test_mark_not_taken);
    add_for_both("devices-stall", 2, test_devices_stall);
    add_for_both("no-answer", G_N_ELEMENTS(bad_answers), test_no_answer);
    g_test_add_func("/mig-source/old-pong", test_old_pong);
    g_test_add_func("/mig-source/reason-behind-words",
                    test_reason_behind_words);
    return g_test_run();
}
