/*
 * A local APIC's timer.
 *
 * Intel SDM volume 3, 11.5.4.  Its clock is 1 GHz.  A period is one count
 * longer than the initial count, as those have it with whom a guest may have
 * come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "target/i386/cpu.h"

/* As for the 8254: the main loop has other things to do, too. */
#define MIN_PERIOD_NS (20 * NS_PER_US)

/*
 * In place of next_time, and so in the stream: the timer stands at zero
 * though its mode is periodic.
 */
#define STANDS_AT_ZERO (-1)

int64_t apic_now(const Apic *s)
{
    return clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
}

void apic_update_shift(Apic *s)
{
    /* Bits 3, 1 and 0: 2 to 128, and then 1. */
    unsigned code = extract32(s->divide_conf, 3, 1) << 2 | (s->divide_conf & 3);

    s->count_shift = code == 7 ? 0 : code + 1;
}

static bool apic_is_periodic(const Apic *s)
{
    return apic_timer_mode(s) == APIC_LVT_PERIODIC;
}

static uint64_t apic_period(const Apic *s)
{
    return (uint64_t)s->initial_count + 1;
}

/* Counts since the initial count was written. */
static uint64_t apic_counts_gone(const Apic *s, int64_t now_ns)
{
    int64_t load = s->initial_count_load_time;

    if (now_ns <= load) {
        return 0;
    }
    return ((uint64_t)now_ns - (uint64_t)load) >> s->count_shift;
}

uint32_t apic_current_count(const Apic *s, int64_t now_ns)
{
    uint64_t gone = apic_counts_gone(s, now_ns);

    if (s->next_time == STANDS_AT_ZERO) {
        return 0;
    }
    if (apic_is_periodic(s)) {
        gone %= apic_period(s);
    }
    return s->initial_count - MIN(gone, s->initial_count);
}

int64_t apic_next_expiry(const Apic *s, int64_t now_ns)
{
    uint64_t gone = apic_counts_gone(s, now_ns);
    uint32_t lvt = s->lvt[APIC_LVT_TIMER];
    uint64_t counts = s->initial_count;
    __int128 at;

    if ((lvt & APIC_LVT_MASKED) || (lvt & APIC_LVT_DEADLINE) || counts == 0 ||
        s->next_time == STANDS_AT_ZERO) {
        return -1;
    }
    if (apic_is_periodic(s)) {
        counts = (gone / apic_period(s) + 1) * apic_period(s);
    } else if (gone >= counts) {
        return -1;
    }
    at = ((__int128)counts << s->count_shift) + s->initial_count_load_time;
    return at > INT64_MAX ? -1 : (int64_t)at;
}

/* When the TSC reaches the deadline; -1: there is none. */
static int64_t apic_deadline_ns(const Apic *s, int64_t now_ns)
{
    const Accel *acc = s->dev.vm->accel;
    const X86Cpu *x = s->cpu->x86;
    uint64_t tsc = x->tsc;
    __int128 left;

    if (x->tsc_deadline == 0) {
        return -1;
    }
    /* What was loaded is as of now, and not the accelerator's yet. */
    if (!s->cpu->state_loaded && acc->type->vcpu_get_tsc != NULL &&
        !acc->type->vcpu_get_tsc(s->cpu, &tsc, NULL)) {
        return -1;
    }
    if (tsc >= x->tsc_deadline) {
        return now_ns;
    }
    left = (__int128)(x->tsc_deadline - tsc) * 1000000 / x86_cpu_tsc_khz(x) + 1;
    return left > INT64_MAX - now_ns ? -1 : now_ns + (int64_t)left;
}

static void apic_timer_set(Apic *s, int64_t expiry_ns)
{
    s->timer_expiry = expiry_ns;
    if (expiry_ns < 0) {
        timer_del(&s->timer);
    } else {
        s->next_time = expiry_ns;
        timer_mod(&s->timer, expiry_ns);
    }
}

static void apic_rearm(Apic *s, int64_t now_ns)
{
    apic_timer_set(s, apic_timer_mode(s) == APIC_LVT_DEADLINE
                          ? apic_deadline_ns(s, now_ns)
                          : apic_next_expiry(s, now_ns));
}

static void apic_timer_fired(void *opaque)
{
    Apic *s = opaque;
    uint32_t lvt = s->lvt[APIC_LVT_TIMER];
    int64_t now = apic_now(s);

    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        if (apic_deadline_ns(s, now) > now) { /* the TSC was set back */
            apic_rearm(s, now);
            return;
        }
        s->cpu->x86->tsc_deadline = 0;
    }
    if (!(lvt & APIC_LVT_MASKED)) {
        apic_accept(s, lvt, false);
    }
    apic_rearm(s, MAX(s->timer_expiry, now));
    if (s->timer_expiry >= 0 && s->timer_expiry < now + MIN_PERIOD_NS) {
        timer_mod(&s->timer, now + MIN_PERIOD_NS);
    }
}

/* The guest must not see a TSC beyond a deadline that still waits. */
void apic_deadline_check(Apic *s)
{
    int64_t now = apic_now(s);

    if (apic_timer_mode(s) != APIC_LVT_DEADLINE) {
        return;
    }
    apic_rearm(s, now);
    if (s->timer_expiry >= 0 && s->timer_expiry <= now) {
        apic_timer_fired(s);
    }
}

void apic_tsc_written(Device *apic)
{
    apic_deadline_check(DEVICE_CAST(Apic, apic));
}

void apic_timer_start(Apic *s, uint32_t count)
{
    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        return; /* ignored: SDM 11.5.4.1 */
    }
    s->initial_count = count;
    s->initial_count_load_time = apic_now(s);
    s->next_time = 0;
    apic_rearm(s, s->initial_count_load_time);
}

/*
 * Between one-shot and periodic the count goes on from where it is, and stays
 * at zero if it is there.  To or from the deadline mode, the timer is
 * disarmed.
 */
void apic_timer_set_lvt(Apic *s, uint32_t lvt)
{
    uint32_t *own = &s->lvt[APIC_LVT_TIMER];
    int64_t now = apic_now(s);
    uint32_t left = apic_current_count(s, now);
    bool was_periodic = apic_is_periodic(s);
    uint64_t gone = apic_counts_gone(s, now);

    if ((*own ^ lvt) & APIC_LVT_DEADLINE) {
        s->initial_count = 0;
        s->next_time = 0;
        s->cpu->x86->tsc_deadline = 0;
    }
    *own = lvt;
    if (s->initial_count > 0 && was_periodic && !apic_is_periodic(s)) {
        uint64_t periods = gone / apic_period(s);

        s->initial_count_load_time +=
            (int64_t)((periods * apic_period(s)) << s->count_shift);
    } else if (s->initial_count > 0 && !was_periodic && apic_is_periodic(s) &&
               left == 0) {
        s->next_time = STANDS_AT_ZERO;
    }
    apic_rearm(s, now);
}

/* The count goes on from where it is, at another speed. */
void apic_timer_set_divider(Apic *s, uint32_t conf)
{
    int64_t now = apic_now(s);
    uint64_t gone = apic_counts_gone(s, now);

    if (apic_is_periodic(s)) {
        gone %= apic_period(s);
    }
    gone = MIN(gone, s->initial_count);
    s->divide_conf = conf;
    apic_update_shift(s);
    s->initial_count_load_time = now - (int64_t)(gone << s->count_shift);
    apic_rearm(s, now);
}

void apic_timer_reset(Apic *s)
{
    s->divide_conf = 0;
    apic_update_shift(s);
    s->initial_count = 0;
    s->initial_count_load_time = 0;
    s->next_time = 0;
    s->timer_expiry = -1;
    s->cpu->x86->tsc_deadline = 0;
    timer_del(&s->timer);
}

void apic_timer_init(Apic *s)
{
    timer_init(&s->timer, s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL,
               apic_timer_fired, s);
}

void apic_timer_loaded(Apic *s)
{
    if (apic_timer_mode(s) == APIC_LVT_DEADLINE) {
        s->timer_expiry = apic_deadline_ns(s, apic_now(s));
    }
    apic_timer_set(s, s->timer_expiry);
}
