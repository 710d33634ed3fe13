/*
 * Unit test: the rules of the source as data: who has the guest
 * (migration/handover.h), which status may follow (migration/states.h), the
 * bandwidth limit (migration/pace.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/handover.h"
#include "migration/pace.h"
#include "migration/states.h"
#include "system/clock.h"

/* The one message that gives the guest away, and the one that confirms it. */
static const struct {
    HandoverEvent mark, postcopy, word; /* postcopy: if it is another one */
} marks[PEER_KINDS] = {
    [PEER_ONE_WAY] = { SAID_EOF, SAID_EOF, CLOSED_WELL },
    [PEER_PLAIN] = { SAID_EOF, SAID_PACKAGED_RUN, HEARD_SHUT },
    [PEER_COMMIT] = { SAID_RUN, SAID_RUN, HEARD_RESUMED },
};

static void test_owner(void)
{
    for (int peer = PEER_ONE_WAY; peer < PEER_KINDS; peer++) {
        for (int ev = 0; ev < HANDOVER_EVENTS; ev++) {
            g_assert_cmpint(handover_next(peer, OWNER_SOURCE, ev), ==,
                            ev == (int)marks[peer].mark ||
                                    ev == (int)marks[peer].postcopy
                                ? OWNER_GIVEN
                                : OWNER_SOURCE);
            g_assert_cmpint(handover_next(peer, OWNER_GIVEN, ev), ==,
                            ev == (int)marks[peer].word ? OWNER_DESTINATION
                                                        : OWNER_GIVEN);
            g_assert_cmpint(handover_next(peer, OWNER_DESTINATION, ev), ==,
                            OWNER_DESTINATION);
        }
    }
    /* A file runs nothing: it is ours until it is complete. */
    for (int ev = 0; ev < HANDOVER_EVENTS; ev++) {
        g_assert_cmpint(handover_next(PEER_FILE, OWNER_SOURCE, ev), ==,
                        ev == CLOSED_WELL ? OWNER_DESTINATION : OWNER_SOURCE);
    }
}

static void test_may_say(void)
{
    for (int peer = 0; peer < PEER_KINDS; peer++) {
        for (int ev = 0; ev < HANDOVER_EVENTS; ev++) {
            bool own = ev <= SAID_ABORT && ev != SAID_PACKAGED_RUN;
            bool plain = ev == SAID_EOF ||
                         (ev == SAID_PACKAGED_RUN && peer == PEER_PLAIN);

            g_assert_cmpint(handover_may_say(peer, OWNER_SOURCE, ev), ==,
                            peer == PEER_COMMIT ? own : plain);
            /* Above all no ABORT: it might undo what was given. */
            g_assert_false(handover_may_say(peer, OWNER_GIVEN, ev));
            g_assert_false(handover_may_say(peer, OWNER_DESTINATION, ev));
        }
    }
}

enum { STOP_NS = 1000 };

static SwitchPlan plan(PeerKind peer, bool ran, bool abort_on, bool pause,
                       int64_t limit_ms)
{
    const SwitchInput in = { .peer = peer,
                             .was_running = ran,
                             .abort_on = abort_on,
                             .pause_before = pause,
                             .stop_ns = STOP_NS,
                             .limit_ns = limit_ms * NS_PER_MS,
                             .silence_ns = 30 * NS_PER_S };

    return switch_plan(&in);
}

static void test_plan(void)
{
    SwitchPlan p = plan(PEER_COMMIT, true, true, false, 300);

    g_assert_true(p.may_undo && p.keep_late && p.spin);
    g_assert_cmpint(p.write_end_ns, ==, STOP_NS + 300 * NS_PER_MS);
    g_assert_cmpint(p.word_end_ns, ==, STOP_NS + 300 * NS_PER_MS);
    g_assert_cmpint(p.silence_ns, ==, 0);
    g_assert_cmpint(switch_word_end_ns(&p, 7 * NS_PER_S), ==, p.word_end_ns);
    /* Scheduling alone takes longer than a limit of 1 ms. */
    p = plan(PEER_COMMIT, true, true, false, 1);
    g_assert_cmpint(p.word_end_ns, ==, STOP_NS + 10 * NS_PER_MS);
    /* No second attempt with these: more time, and nothing is kept. */
    p = plan(PEER_PLAIN, true, true, false, 300);
    g_assert_true(p.may_undo && !p.keep_late && !p.spin);
    g_assert_cmpint(p.write_end_ns, ==, STOP_NS + 1300 * NS_PER_MS);
    g_assert_cmpint(p.word_end_ns, ==, STOP_NS + 1300 * NS_PER_MS);
    /* The go-ahead was given; the guest stood anyway; nothing was promised. */
    for (int i = 0; i < 3; i++) {
        p = plan(PEER_COMMIT, i != 0, i != 1, i == 2, 300);
        g_assert_false(p.may_undo || p.keep_late);
        g_assert_cmpint(p.spin, ==, i != 0);
        g_assert_cmpint(p.write_end_ns, ==, 0);
        /* But nobody waits for ever for one that moves nothing. */
        g_assert_cmpint(p.silence_ns, ==, 30 * NS_PER_S);
        g_assert_cmpint(switch_word_end_ns(&p, 7 * NS_PER_S), ==,
                        37 * NS_PER_S);
        p = plan(PEER_COMMIT, i != 0, i != 1, i == 2, 40000);
        g_assert_cmpint(p.silence_ns, ==, 40 * NS_PER_S);
    }
}

static void test_states(void)
{
    for (int st = 0; st < MIGRATION_STATUS__MAX; st++) {
        bool busy = mig_status_busy(st);

        g_assert_false(mig_status_may_follow(st, st));
        /* Begins from every end, and only from there. */
        g_assert_cmpint(mig_status_may_follow(st, MIGRATION_STATUS_SETUP), ==,
                        !busy);
        /* The one way on from the go-ahead, and none back. */
        g_assert_cmpint(mig_status_may_follow(st,
                                              MIGRATION_STATUS_PRE_SWITCHOVER),
                        ==, st == MIGRATION_STATUS_ACTIVE);
    }
    g_assert_false(mig_status_may_follow(MIGRATION_STATUS_PRE_SWITCHOVER,
                                         MIGRATION_STATUS_ACTIVE));
    g_assert_true(mig_status_may_follow(MIGRATION_STATUS_DEVICE,
                                        MIGRATION_STATUS_ACTIVE));
    /* Who is being cancelled can only end. */
    g_assert_false(mig_status_may_follow(MIGRATION_STATUS_CANCELLING,
                                         MIGRATION_STATUS_COMPLETED));
    g_assert_false(mig_status_may_follow(MIGRATION_STATUS_CANCELLING,
                                         MIGRATION_STATUS_ACTIVE));
    g_assert_true(mig_status_may_follow(MIGRATION_STATUS_CANCELLING,
                                        MIGRATION_STATUS_FAILED));
}

static void test_pace(void)
{
    const uint64_t limit = 1000000; /* bytes/s: a byte in 1000 ns */
    Pace p;

    pace_start(&p, 5000, 100);
    g_assert_cmpint(pace_due(&p, 100, limit), ==, 5000);
    g_assert_cmpint(pace_due(&p, 300, limit), ==, 5000 + 200 * 1000);
    g_assert_cmpint(pace_due(&p, 300, 2 * limit), ==, 5000 + 100 * 1000);
    g_assert_cmpint(pace_due(&p, 300, 0), ==, 0);
    /* The slice goes on for 10 ms, and then begins with what is sent. */
    pace_advance(&p, 5000 + 10 * NS_PER_MS - 1, 300);
    g_assert_cmpint(pace_due(&p, 300, limit), ==, 5000 + 200 * 1000);
    pace_advance(&p, 5000 + 10 * NS_PER_MS, 300);
    g_assert_cmpint(pace_due(&p, 300, limit), ==, 5000 + 10 * NS_PER_MS);
    g_assert_cmpint(pace_due(&p, 301, limit), ==, 5000 + 10 * NS_PER_MS + 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/handover/owner", test_owner);
    g_test_add_func("/handover/may-say", test_may_say);
    g_test_add_func("/handover/plan", test_plan);
    g_test_add_func("/handover/states", test_states);
    g_test_add_func("/handover/pace", test_pace);
    return g_test_run();
}
