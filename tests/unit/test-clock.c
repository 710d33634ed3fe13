/*
 * Timers: whom they leave a turn of the main loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/clock.h"

typedef struct Busy {
    Clocks *clocks;
    Timer timer;
    unsigned fired;
} Busy;

/* As a device whose next period is over already. */
static void fire(void *opaque)
{
    Busy *b = opaque;

    b->fired++;
    timer_mod(&b->timer, clock_get_ns(b->clocks, CLOCK_TYPE_REALTIME));
}

static gboolean count(gpointer opaque)
{
    ++*(unsigned *)opaque;
    return G_SOURCE_CONTINUE;
}

/* One that has always expired doesn't keep monitors from being served. */
static void test_busy_timer(void)
{
    Busy b = { .clocks = clocks_new() };
    unsigned others = 0;
    guint source = g_idle_add_full(G_PRIORITY_DEFAULT, count, &others, NULL);

    timer_init(&b.timer, b.clocks, CLOCK_TYPE_REALTIME, fire, &b);
    fire(&b);
    while (b.fired < 1000) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpuint(others, >=, 999);
    timer_del(&b.timer);
    g_source_remove(source);
    clocks_free(b.clocks);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/busy-timer", test_busy_timer);
    return g_test_run();
}
