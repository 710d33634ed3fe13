/*
 * What a source shows of itself while it works: progress, speeds, times of
 * the switch-over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/outside.h"
#include "tests/unit/source-peer.h"
#include "util/bswap.h"

enum {
    SMALL_DEVICE = 100,
    HOLD_MS = 150, /* longer than figures of the moment are kept */
    TOTAL = SP_PAGES * RAM_PAGE_SIZE,
};

static MigShow shown(SpVm *v)
{
    LOCK_GUARD(&v->m->lock);

    return v->m->show;
}

static void begin(SpVm *v, SpPeer *p, const char *limit)
{
    sp_vm_init(v, SMALL_DEVICE);
    sp_param(v, "downtime-limit", limit);
    sp_connect(v, p);
    sp_greet(p, WIRE_F_ALL);
}

static void finish(SpVm *v, SpPeer *p)
{
    sp_read_to(p, WIRE_CMD_RUN);
    sp_say_resumed(p);
    sp_drain(p);
    g_assert_cmpint(sp_wait_end(v), ==, MIGRATION_STATUS_COMPLETED);
    sp_peer_fini(p);
    sp_vm_fini(v);
}

static void not_called(VmOutside *o)
{
}

static bool never_busy(VmOutside *o)
{
    return false;
}

static const VmOutsideOps answers_ops = {
    .ref = not_called,
    .unref = not_called,
    .busy = never_busy,
    .settled = not_called,
};

enum { EARLY, ANSWERED, SILENT, BACK_ENDS };
static VmOutside back_ends[BACK_ENDS] = {
    [EARLY] = { .ops = &answers_ops, .name = "early" },
    [ANSWERED] = { .ops = &answers_ops, .name = "answered" },
    [SILENT] = { .ops = &answers_ops, .name = "silent" },
};

/* The guest stops: one was asked before, one answers at once, one doesn't. */
static void ask_back_ends(SpVm *v)
{
    int64_t now = clock_monotonic_ns();

    back_ends[EARLY].asked_ns = back_ends[EARLY].answered_ns = 1;
    back_ends[ANSWERED].asked_ns = now;
    back_ends[ANSWERED].answered_ns = now + 7000 * NS_PER_US;
    back_ends[SILENT].asked_ns = now;
    back_ends[SILENT].answered_ns = now - 1;
}

static void test_answers(void)
{
    SpVm v;
    SpPeer p;

    begin(&v, &p, "600000");
    v.at_stop = ask_back_ends;
    vm_lock_acquire();
    for (unsigned i = 0; i < BACK_ENDS; i++) {
        vm_outside_add(v.vm, &back_ends[i]);
    }
    vm_lock_release();
    sp_read_to(&p, SP_EOF);
    {
        LOCK_GUARD(&v.m->lock);
        g_assert_cmpuint(v.m->answers->n, ==, 1);
        g_assert_cmpstr(v.m->answers->items[0]->name, ==, "answered");
        g_assert_cmpint(v.m->answers->items[0]->time, ==, 7000);
    }
    sp_say_loaded(&p, 1);
    vm_lock_acquire();
    for (unsigned i = 0; i < BACK_ENDS; i++) {
        vm_outside_del(v.vm, &back_ends[i]);
    }
    vm_lock_release();
    finish(&v, &p);
}

/* In the middle of the first pass: the peer has read half of it. */
static void test_first_pass(void)
{
    MigrationInfo *i;
    MigShow show;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_param(&v, "max-bandwidth", "0");
    sp_param(&v, "downtime-limit", "1234");
    sp_connect(&v, &p);
    sp_greet(&p, WIRE_F_ALL);
    sp_read_to(&p, SP_RAM_START);
    stream_skip(p.in, 1 << 20); /* then one flush has ended */
    do {
        g_usleep(1000);
        show = shown(&v);
    } while (show.transferred < 1 << 20);
    g_assert_cmpuint(show.transferred, <, TOTAL);
    g_assert_cmpuint(show.precopy_bytes, ==, show.transferred);
    g_assert_cmpuint(show.downtime_bytes, ==, 0);
    g_assert_cmpuint(show.bytes_per_s, ==, 0); /* of whole passes */
    g_assert_cmpuint(show.ram.total_bytes, ==, TOTAL);
    g_assert_cmpuint(show.ram.remaining_pages + show.ram.normal_pages, ==,
                     SP_PAGES);
    g_assert_cmpuint(show.progress, ==, 98 * show.ram.normal_pages / SP_PAGES);
    g_assert_cmpint(show.expected_downtime_ns, ==, 1234 * NS_PER_MS);
    g_assert_cmpuint(show.bd_known, ==, 0);
    g_assert_true(show.have_setup);
    g_assert_cmpint(show.setup_ns, >, 0);
    g_assert_cmpint(show.setup_ns, <, clock_monotonic_ns() - show.start_ns);
    {
        VM_LOCK_GUARD();
        i = migration_query(v.m);
    }
    g_assert_cmpint(i->expected_downtime, ==, 1234);
    migration_info_free(i);
    migration_cancel(v.m);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* A pass that took so long: its speed, and that of the moment. */
static void test_speed(void)
{
    MigShow show;
    SpVm v;
    SpPeer p;

    begin(&v, &p, "600000");
    p.answers_pings = false;
    sp_read_to(&p, SP_RAM_PART);
    sp_read_to(&p, WIRE_CMD_PING);
    g_usleep(HOLD_MS * 1000);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    p.answers_pings = true;
    sp_read_to(&p, SP_EOF);
    show = shown(&v);
    g_assert_cmpuint(show.bytes_per_s, >, 0);
    g_assert_cmpuint(show.bytes_per_s, <=,
                     (TOTAL + TOTAL / 8) * UINT64_C(1000) / HOLD_MS);
    g_assert_cmpuint(show.now_bytes_per_s, >, 0);
    g_assert_cmpuint(show.now_bytes_per_s, <=,
                     (TOTAL + TOTAL / 8) * UINT64_C(1000) / HOLD_MS);
    g_assert_cmpuint(show.now_pages_per_s, >, 0);
    g_assert_cmpuint(show.now_pages_per_s, <=,
                     SP_PAGES * UINT64_C(1000) / HOLD_MS);
    sp_say_loaded(&p, 1);
    finish(&v, &p);
}

/* Pages per second, between two looks; there is none before the second. */
static void test_dirty_rate(void)
{
    MigShow show;
    SpVm v;
    SpPeer p;

    begin(&v, &p, "1");
    sp_read_to(&p, SP_EOF);
    sp_wait_run_state(&v, RUN_STATE_RUNNING);
    g_assert_cmpuint(shown(&v).dirty_pages_per_s, ==, 0);
    sp_param(&v, "downtime-limit", "600000");
    p.answers_pings = false;
    g_usleep(HOLD_MS * 1000);
    sp_say_loaded(&p, 1);
    sp_read_to(&p, WIRE_CMD_PING);
    for (unsigned i = 0; i < SP_PAGES; i++) {
        sp_write_page(&v, i, 0xee);
    }
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    sp_read_to(&p, WIRE_CMD_PING); /* they have been sent: one more pass */
    show = shown(&v);
    g_assert_cmpuint(show.dirty_pages_per_s, >, 0);
    g_assert_cmpuint(show.dirty_pages_per_s, <=,
                     SP_PAGES * UINT64_C(1000) / HOLD_MS);
    sp_say_u32(&p, WIRE_RP_PONG, p.ping);
    p.answers_pings = true;
    sp_read_to(&p, SP_EOF);
    sp_say_loaded(&p, 2);
    finish(&v, &p);
}

/* What the destination says of its own part is shown as it says it. */
static void test_breakdown(void)
{
    uint8_t loaded[20], resumed[8];
    MigShow show;
    SpVm v;
    SpPeer p;

    begin(&v, &p, "600000");
    sp_read_to(&p, SP_EOF);
    show = shown(&v);
    g_assert_cmphex(show.bd_known, ==,
                    1U << STEP_VCPU_STOP | 1U << STEP_BLOCK_DRAIN |
                        1U << STEP_CPU_SYNC | 1U << STEP_DIRTY_SYNC |
                        1U << STEP_RAM | 1U << STEP_DEVICE_STATE);
    g_assert_false(show.have_downtime);
    g_usleep(HOLD_MS * 1000);
    stl_be_p(loaded, 1);
    stq_be_p(loaded + 4, 700);
    stq_be_p(loaded + 12, 1100);
    sp_say(&p, WIRE_RP_LOADED, loaded, sizeof(loaded));
    sp_read_to(&p, WIRE_CMD_RUN);
    stq_be_p(resumed, 1300);
    sp_say(&p, WIRE_RP_RESUMED, resumed, sizeof(resumed));
    sp_drain(&p);
    g_assert_cmpint(sp_wait_end(&v), ==, MIGRATION_STATUS_COMPLETED);
    show = shown(&v);
    g_assert_cmphex(show.bd_known, ==, (1U << STEP_COUNT) - 1);
    g_assert_cmpuint(show.bd_us[STEP_LOAD], ==, 700);
    g_assert_cmpuint(show.bd_us[STEP_CPU_RESTORE], ==, 1100);
    g_assert_cmpuint(show.bd_us[STEP_RESUME], ==, 1300);
    /* The wait, less what it was for; all within the downtime. */
    g_assert_cmpuint(show.bd_us[STEP_WIRE], >=, HOLD_MS * 1000 - 1800);
    g_assert_true(show.have_downtime);
    g_assert_cmpint(show.downtime_ns, >=, HOLD_MS * NS_PER_MS);
    for (unsigned i = 0; i < STEP_RESUME; i++) {
        g_assert_cmpint(show.bd_us[i], <=, show.downtime_ns / NS_PER_US);
    }
    g_assert_cmpint(show.downtime_ns, <=, show.end_ns - show.start_ns);
    g_assert_cmpuint(show.downtime_bytes, >, SMALL_DEVICE);
    g_assert_cmpuint(show.precopy_bytes + show.downtime_bytes, ==,
                     show.transferred);
    g_assert_cmpuint(show.progress, ==, 100);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-figures/first-pass", test_first_pass);
    g_test_add_func("/mig-figures/speed", test_speed);
    g_test_add_func("/mig-figures/dirty-rate", test_dirty_rate);
    g_test_add_func("/mig-figures/breakdown", test_breakdown);
    g_test_add_func("/mig-figures/answers", test_answers);
    return g_test_run();
}
