/*
 * MC146818 real-time clock.
 *
 * Behaviour: Motorola MC146818A data sheet (ADI1015R1); the second bank and
 * the century at 0x32 as PC firmware uses them.
 * Stream: "mc146818rtc" version 3, ABI.
 *
 * The time is a number of seconds at a moment of the clock that -rtc chose;
 * registers are made of it when the guest looks.  A timer waits for the next
 * second only while somebody could notice: flags that are set already, or an
 * alarm that is far, wait without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/mc146818rtc.h"

#include <time.h>

#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_DAY_OF_WEEK, /* 1: Sunday */
    RTC_DAY_OF_MONTH,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
    RTC_CENTURY_PS2 = 0x37, /* the same byte, where PS/2 firmware had it */
};

enum {
    A_UIP = 1 << 7,
    A_DIVIDER = 0x70,
    A_DIVIDER_RUNS = 0x20, /* 32.768 kHz */
    A_RATE = 0x0f,
    B_SET = 1 << 7,
    B_PIE = 1 << 6,
    B_AIE = 1 << 5,
    B_UIE = 1 << 4,
    B_SQWE = 1 << 3,
    B_BINARY = 1 << 2,
    B_24H = 1 << 1,
    C_IRQF = 1 << 7,
    C_PF = 1 << 6,
    C_AF = 1 << 5,
    C_UF = 1 << 4,
    D_VRT = 1 << 7,
    HOUR_PM = 1 << 7,
    ALARM_ANY = 0xc0, /* in an alarm register: matches always */
};

#define RTC_HZ     32768
#define UIP_NS     (244 * NS_PER_US) /* t_BUC: UIP comes before the update */
#define DAY_S      86400
#define SLEW_LIMIT 1000             /* lost ticks that are made up for */
#define ARRIVAL_NS (10 * NS_PER_MS) /* between looks for the guest */

typedef enum LostTicks { LOST_DISCARD, LOST_DELAY, LOST_SLEW } LostTicks;
static const char *const lost_tick_names[] = { "discard", "delay", "slew",
                                               NULL };

typedef struct Rtc {
    Device dev;
    IoRange io;
    IrqLine irq;
    uint8_t cmos_data[128];
    uint8_t cmos_index;
    Timer periodic_timer;
    int64_t next_periodic_time;
    uint32_t irq_coalesced; /* periodic interrupts to make up for */
    uint32_t period;        /* of RTC_HZ, while it interrupts; 0: off */
    /* Seconds since 1970 at last_update (ns of `clock`); offset: ns on top. */
    uint64_t base_rtc, last_update;
    int64_t offset;
    Timer update_timer;
    uint64_t next_alarm_time; /* ns of `clock` */

    ClockType clock;
    uint32_t rate_period; /* of RTC_HZ, by register A; 0: none */
    int64_t next_poll;    /* end of the period that a poll waits for */
    int64_t next_update;  /* what update_timer waits for; INT64_MAX: nothing */
    const IrqInput *to;
    int32_t base_year;
    uint16_t iobase;
    uint8_t isairq;
    int lost_tick_policy;
} Rtc;

static int64_t rtc_now(const Rtc *s)
{
    return clock_get_ns(s->dev.vm->clocks, s->clock);
}

/* ns since last_update, of the guest's time; hostile state wraps. */
static uint64_t rtc_elapsed(const Rtc *s, int64_t now)
{
    uint64_t d = (uint64_t)now - s->last_update + (uint64_t)s->offset;

    return (int64_t)d < 0 ? 0 : d;
}

static int64_t rtc_seconds(const Rtc *s, int64_t now)
{
    return (int64_t)(s->base_rtc + rtc_elapsed(s, now) / NS_PER_S);
}

/* ns into the present second. */
static int64_t rtc_fraction(const Rtc *s, int64_t now)
{
    return rtc_elapsed(s, now) % NS_PER_S;
}

static void rtc_set_base(Rtc *s, int64_t seconds, int64_t fraction_ns,
                         int64_t now)
{
    s->base_rtc = seconds;
    s->last_update = now;
    s->offset = fraction_ns;
}

static bool rtc_divider_runs(const Rtc *s)
{
    return (s->cmos_data[RTC_A] & 0x60) != 0x60;
}

static bool rtc_runs(const Rtc *s)
{
    return !(s->cmos_data[RTC_B] & B_SET) && rtc_divider_runs(s);
}

static uint8_t rtc_encode(const Rtc *s, int v)
{
    return s->cmos_data[RTC_B] & B_BINARY ? v : v / 10 << 4 | v % 10;
}

/* -1: matches all, in an alarm register. */
static int rtc_decode(const Rtc *s, uint8_t v)
{
    if ((v & ALARM_ANY) == ALARM_ANY) {
        return -1;
    }
    return s->cmos_data[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 0xf);
}

static int rtc_decode_hour(const Rtc *s, uint8_t v)
{
    int h;

    if ((v & ALARM_ANY) == ALARM_ANY) {
        return -1;
    }
    if (s->cmos_data[RTC_B] & B_24H) {
        return rtc_decode(s, v);
    }
    h = rtc_decode(s, v & ~HOUR_PM) % 12;
    return v & HOUR_PM ? h + 12 : h;
}

static uint8_t rtc_encode_hour(const Rtc *s, int h)
{
    uint8_t v;

    if (s->cmos_data[RTC_B] & B_24H) {
        return rtc_encode(s, h);
    }
    v = rtc_encode(s, h % 12 != 0 ? h % 12 : 12);
    return h >= 12 ? v | HOUR_PM : v;
}

/* Time into registers. */
static void rtc_to_registers(Rtc *s, int64_t seconds)
{
    uint8_t *c = s->cmos_data;
    time_t t = seconds;
    struct tm tm;
    int year;

    if (gmtime_r(&t, &tm) == NULL) {
        return;
    }
    year = (tm.tm_year + 1900 - s->base_year) % 10000;
    year = MAX(year, 0);
    c[RTC_SECONDS] = rtc_encode(s, tm.tm_sec);
    c[RTC_MINUTES] = rtc_encode(s, tm.tm_min);
    c[RTC_HOURS] = rtc_encode_hour(s, tm.tm_hour);
    c[RTC_DAY_OF_WEEK] = rtc_encode(s, tm.tm_wday + 1);
    c[RTC_DAY_OF_MONTH] = rtc_encode(s, tm.tm_mday);
    c[RTC_MONTH] = rtc_encode(s, tm.tm_mon + 1);
    c[RTC_YEAR] = rtc_encode(s, year % 100);
    c[RTC_CENTURY] = rtc_encode(s, year / 100);
}

static int64_t rtc_from_registers(const Rtc *s)
{
    const uint8_t *c = s->cmos_data;
    struct tm tm = {
        .tm_sec = rtc_decode(s, c[RTC_SECONDS]),
        .tm_min = rtc_decode(s, c[RTC_MINUTES]),
        .tm_hour = rtc_decode_hour(s, c[RTC_HOURS]),
        .tm_mday = rtc_decode(s, c[RTC_DAY_OF_MONTH]),
        .tm_mon = rtc_decode(s, c[RTC_MONTH]) - 1,
        .tm_year = rtc_decode(s, c[RTC_YEAR]) +
                   rtc_decode(s, c[RTC_CENTURY]) * 100 + s->base_year - 1900,
    };

    return timegm(&tm);
}

static void rtc_update_irq(Rtc *s)
{
    uint8_t *c = s->cmos_data;
    bool level = c[RTC_C] & c[RTC_B] & (C_PF | C_AF | C_UF);

    c[RTC_C] = (c[RTC_C] & ~C_IRQF) | (level ? C_IRQF : 0);
    if (s->irq.level != level) {
        irq_set(&s->irq, level);
    }
}

static bool alarm_field_ok(int want, int have)
{
    return want < 0 || want == have;
}

/* Seconds from the second of the day `now` (exclusive) to the alarm; -1. */
static int64_t rtc_alarm_distance(const Rtc *s, int now)
{
    int h = rtc_decode_hour(s, s->cmos_data[RTC_HOURS_ALARM]);
    int m = rtc_decode(s, s->cmos_data[RTC_MINUTES_ALARM]);
    int sec = rtc_decode(s, s->cmos_data[RTC_SECONDS_ALARM]);
    int t = now + 1;

    if (h > 23 || m > 59 || sec > 59) {
        return -1;
    }
    /* Whole hours and minutes that don't match are skipped. */
    while (t <= now + DAY_S) {
        int day_s = t % DAY_S;

        if (!alarm_field_ok(h, day_s / 3600)) {
            t += 3600 - t % 3600;
        } else if (!alarm_field_ok(m, day_s / 60 % 60)) {
            t += 60 - t % 60;
        } else if (!alarm_field_ok(sec, day_s % 60)) {
            t++;
        } else {
            return t - now;
        }
    }
    return -1;
}

static void rtc_plan_alarm(Rtc *s, int64_t now)
{
    int64_t seconds = rtc_seconds(s, now);
    int day_s = (seconds % DAY_S + DAY_S) % DAY_S;
    int64_t d = rtc_alarm_distance(s, day_s);

    s->next_alarm_time = UINT64_MAX;
    if (d > 0) {
        s->next_alarm_time = now - rtc_fraction(s, now) + d * NS_PER_S;
    }
}

/* Waits for the next moment at which UF or AF has to be set. */
static void rtc_plan_update(Rtc *s)
{
    int64_t now = rtc_now(s);
    int64_t next;

    s->next_update = INT64_MAX;
    if (!rtc_runs(s)) {
        timer_del(&s->update_timer);
        return;
    }
    rtc_plan_alarm(s, now);
    next = now - rtc_fraction(s, now) + NS_PER_S;
    if (s->cmos_data[RTC_C] & C_UF) {
        if ((s->cmos_data[RTC_C] & C_AF) || s->next_alarm_time > INT64_MAX) {
            timer_del(&s->update_timer);
            return;
        }
        next = s->next_alarm_time;
    }
    s->next_update = next;
    timer_mod(&s->update_timer, next);
}

static void rtc_second(Rtc *s)
{
    uint64_t now = rtc_now(s);

    if (!rtc_runs(s)) {
        return;
    }
    s->cmos_data[RTC_C] |= C_UF;
    if (now >= s->next_alarm_time) {
        s->cmos_data[RTC_C] |= C_AF;
        if (s->cmos_data[RTC_B] & B_AIE) {
            vm_request_wakeup(s->dev.vm, WAKEUP_RTC);
        }
    }
    rtc_update_irq(s);
    rtc_plan_update(s);
}

/*
 * A second that has begun counts before a register changes what comes next:
 * the timer may be late, and an alarm would wait for another day.
 */
static void rtc_catch_up(Rtc *s)
{
    if (rtc_now(s) >= s->next_update) {
        rtc_second(s);
    }
}

/* Cycles of RTC_HZ, table 5 of the data sheet; 0: none. */
static uint32_t rtc_rate_period(const Rtc *s)
{
    unsigned rate = s->cmos_data[RTC_A] & A_RATE;

    if (rate == 0 || !rtc_divider_runs(s)) {
        return 0;
    }
    return 1u << (rate <= 2 ? rate + 6 : rate - 1);
}

static int64_t cycles_to_ns(uint64_t cycles)
{
    return (unsigned __int128)cycles * NS_PER_S / RTC_HZ + 1;
}

static uint64_t ns_to_cycles(int64_t ns)
{
    return (unsigned __int128)MAX(ns, 0) * RTC_HZ / NS_PER_S;
}

/*
 * The first period ends with a whole one of the clock; after a change of the
 * rate, a period counts from the last tick.
 */
static int64_t next_period(const Rtc *s, int64_t after, uint32_t old_period)
{
    uint64_t now = ns_to_cycles(after), tick = 0, gone;

    if (old_period != 0) {
        tick = ns_to_cycles(s->next_periodic_time);
        if (s->next_periodic_time > after) {
            tick -= MIN(tick, old_period);
        }
    }
    gone = now > tick ? (now - tick) / s->rate_period : 0;
    return cycles_to_ns(tick + (gone + 1) * s->rate_period);
}

/* The next whole period after `after`. */
static void rtc_plan_periodic(Rtc *s, int64_t after)
{
    uint32_t old_period = s->period;

    s->rate_period = rtc_rate_period(s);
    s->period = s->cmos_data[RTC_B] & B_PIE ? s->rate_period : 0;
    if (s->rate_period != 0) {
        s->next_poll = next_period(s, after, old_period);
    }
    if (s->period == 0) {
        timer_del(&s->periodic_timer);
        s->irq_coalesced = 0;
        return;
    }
    s->next_periodic_time = s->next_poll;
    timer_mod(&s->periodic_timer, s->next_periodic_time);
}

static void rtc_periodic(Rtc *s)
{
    int64_t now = rtc_now(s);
    int64_t due = s->next_periodic_time;

    if (s->lost_tick_policy == LOST_SLEW) {
        uint64_t late = now > due ? (now - due) / cycles_to_ns(s->period) : 0;

        if (s->cmos_data[RTC_C] & C_PF) {
            late++; /* the guest has not seen the last one */
        }
        s->irq_coalesced = MIN(s->irq_coalesced + late, SLEW_LIMIT);
    }
    s->cmos_data[RTC_C] |= C_PF;
    rtc_update_irq(s);
    rtc_plan_periodic(s, MAX(now, due));
}

/*
 * The guest isn't all here: local APICs, whose state is yet to be put, would
 * forget an interrupt; register C keeps the line high, and none would follow.
 */
static bool rtc_put_off(Rtc *s, Timer *t)
{
    if (runstate_get(s->dev.vm) != RUN_STATE_INMIGRATE) {
        return false;
    }
    timer_mod(t, rtc_now(s) + ARRIVAL_NS);
    return true;
}

static void rtc_tick_due(void *opaque)
{
    Rtc *s = opaque;

    if (!rtc_put_off(s, &s->periodic_timer)) {
        rtc_periodic(s);
    }
}

static void rtc_second_due(void *opaque)
{
    Rtc *s = opaque;
    bool tells = s->cmos_data[RTC_B] & (B_UIE | B_AIE);

    if (!tells || !rtc_put_off(s, &s->update_timer)) {
        rtc_second(s);
    }
}

/*
 * Without its interrupt the periodic flag is not waited for: it is set when
 * the guest looks and a period is over.
 */
static void rtc_poll_periodic(Rtc *s)
{
    int64_t now = rtc_now(s);

    if (s->rate_period != 0 && s->period == 0 && now >= s->next_poll) {
        s->cmos_data[RTC_C] |= C_PF;
        rtc_plan_periodic(s, now);
    }
}

static uint8_t rtc_read_a(const Rtc *s)
{
    int64_t now = rtc_now(s);
    bool uip = rtc_runs(s) && rtc_fraction(s, now) >= NS_PER_S - UIP_NS;

    return (s->cmos_data[RTC_A] & ~A_UIP) | (uip ? A_UIP : 0);
}

static uint8_t rtc_read_c(Rtc *s)
{
    uint8_t val;

    rtc_poll_periodic(s);
    rtc_catch_up(s);
    val = s->cmos_data[RTC_C];
    s->cmos_data[RTC_C] = 0;
    rtc_update_irq(s);
    if (val & (C_UF | C_AF)) {
        rtc_plan_update(s);
    }
    if (s->irq_coalesced > 0 && (s->cmos_data[RTC_B] & B_PIE)) {
        s->irq_coalesced--;
        s->cmos_data[RTC_C] |= C_PF;
        rtc_update_irq(s);
    }
    return val;
}

/* The byte that the index register selects. */
static unsigned rtc_address(const Rtc *s)
{
    return s->cmos_index == RTC_CENTURY_PS2 ? RTC_CENTURY : s->cmos_index;
}

static bool is_time(unsigned addr)
{
    return addr <= RTC_YEAR || addr == RTC_CENTURY;
}

static bool is_alarm(unsigned addr)
{
    return addr == RTC_SECONDS_ALARM || addr == RTC_MINUTES_ALARM ||
           addr == RTC_HOURS_ALARM;
}

static uint64_t rtc_read(Device *dev, uint64_t off, unsigned size)
{
    Rtc *s = DEVICE_CAST(Rtc, dev);
    unsigned addr = rtc_address(s);

    if (off == 0) {
        return 0xff;
    }
    switch (addr) {
    case RTC_A:
        return rtc_read_a(s);
    case RTC_C:
        return rtc_read_c(s);
    case RTC_D:
        return D_VRT;
    default:
        if (is_time(addr) && !is_alarm(addr) && rtc_runs(s)) {
            rtc_to_registers(s, rtc_seconds(s, rtc_now(s)));
        }
        return s->cmos_data[addr];
    }
}

/* Registers hold the time while the clock stands. */
static void rtc_stop(Rtc *s, bool did_run)
{
    if (did_run) {
        rtc_to_registers(s, rtc_seconds(s, rtc_now(s)));
    }
}

static void rtc_write_a(Rtc *s, uint8_t val)
{
    int64_t now = rtc_now(s);
    bool ran = rtc_runs(s);
    bool divided = rtc_divider_runs(s);

    if (ran && (val & 0x60) == 0x60) {
        rtc_stop(s, ran);
    }
    s->cmos_data[RTC_A] = val & ~A_UIP;
    if (!divided && rtc_divider_runs(s)) {
        /* The first update comes half a second later. */
        rtc_set_base(s, rtc_from_registers(s), NS_PER_S / 2, now);
    }
    rtc_plan_periodic(s, now);
    rtc_plan_update(s);
}

static void rtc_write_b(Rtc *s, uint8_t val)
{
    int64_t now = rtc_now(s);
    bool ran = rtc_runs(s);

    if (val & B_SET) {
        rtc_stop(s, ran);
        val &= ~B_UIE;
    } else if (s->cmos_data[RTC_B] & B_SET) {
        int64_t seconds = rtc_from_registers(s);

        if (rtc_divider_runs(s)) {
            rtc_set_base(s, seconds, rtc_fraction(s, now), now);
        }
    }
    if (((s->cmos_data[RTC_B] ^ val) & (B_BINARY | B_24H)) && ran) {
        /* Registers follow the format at the next look. */
        s->cmos_data[RTC_B] = val;
        rtc_to_registers(s, rtc_seconds(s, now));
    }
    s->cmos_data[RTC_B] = val;
    rtc_update_irq(s);
    rtc_plan_periodic(s, now);
    rtc_plan_update(s);
}

static void rtc_write_time(Rtc *s, unsigned addr, uint8_t val)
{
    int64_t now = rtc_now(s);

    if (is_alarm(addr)) {
        s->cmos_data[addr] = val;
        rtc_plan_update(s);
        return;
    }
    if (!rtc_runs(s)) {
        s->cmos_data[addr] = val;
        return;
    }
    rtc_to_registers(s, rtc_seconds(s, now));
    s->cmos_data[addr] = val;
    rtc_set_base(s, rtc_from_registers(s), rtc_fraction(s, now), now);
    rtc_plan_update(s);
}

static void rtc_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Rtc *s = DEVICE_CAST(Rtc, dev);
    unsigned addr = rtc_address(s);

    if (off == 0) {
        s->cmos_index = val & 0x7f; /* bit 7 masks NMIs */
        return;
    }
    rtc_catch_up(s);
    switch (addr) {
    case RTC_A:
        rtc_write_a(s, val);
        break;
    case RTC_B:
        rtc_write_b(s, val);
        break;
    case RTC_C: /* read only */
    case RTC_D:
        break;
    default:
        if (is_time(addr)) {
            rtc_write_time(s, addr, val);
        } else {
            s->cmos_data[addr] = val;
        }
        break;
    }
}

static const IoOps rtc_io = {
    .read = rtc_read,
    .write = rtc_write,
    .max_size = 1,
};

/* What the clock says when the machine is switched on. */
static int64_t rtc_start_time(const Rtc *s)
{
    const MachineRtc *o = s->dev.machine ? &s->dev.machine->rtc : NULL;
    time_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_HOST) / NS_PER_S;
    struct tm tm;

    if (o != NULL && o->base == RTC_DATE) {
        return o->date_s;
    }
    if (o != NULL && o->base == RTC_LOCALTIME && localtime_r(&now, &tm)) {
        return timegm(&tm);
    }
    return now;
}

static bool rtc_realize(Device *dev, GError **errp)
{
    Rtc *s = DEVICE_CAST(Rtc, dev);
    const MachineRtc *o = dev->machine ? &dev->machine->rtc : NULL;

    if (s->lost_tick_policy == LOST_DELAY) {
        error_setf(errp, "lost_tick_policy delay: discard or slew");
        return false;
    }
    if (o != NULL && o->slew) {
        s->lost_tick_policy = LOST_SLEW;
    }
    irq_out_init(dev, &s->irq, "");
    if (s->to != NULL) {
        irq_connect(&s->irq, s->to);
    } else if (!isa_connect_irq(dev, &s->irq, s->isairq, errp)) {
        return false;
    }
    s->clock = o != NULL ? o->clock : CLOCK_TYPE_HOST;
    timer_init(&s->periodic_timer, dev->vm->clocks, s->clock, rtc_tick_due, s);
    timer_init(&s->update_timer, dev->vm->clocks, s->clock, rtc_second_due, s);
    s->cmos_data[RTC_A] = A_DIVIDER_RUNS | 0x06;
    s->cmos_data[RTC_B] = B_24H;
    s->cmos_data[RTC_D] = D_VRT;
    rtc_set_base(s, rtc_start_time(s), 0, rtc_now(s));
    rtc_to_registers(s, s->base_rtc);
    rtc_plan_update(s);
    return device_claim_io(dev, &s->io, &rtc_io, "rtc", s->iobase, 2, errp);
}

static void rtc_unrealize(Device *dev)
{
    Rtc *s = DEVICE_CAST(Rtc, dev);

    timer_del(&s->periodic_timer);
    timer_del(&s->update_timer);
}

/* RESET pin: interrupts off, flags cleared; the time goes on. */
static void rtc_reset(Device *dev)
{
    Rtc *s = DEVICE_CAST(Rtc, dev);

    s->cmos_data[RTC_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    s->cmos_data[RTC_C] = 0;
    s->cmos_index = 0;
    s->irq_coalesced = 0;
    irq_lower(&s->irq);
    rtc_plan_periodic(s, rtc_now(s));
    rtc_plan_update(s);
}

/* Registers show the time of the save, for whoever reads the stream. */
static bool rtc_pre_save(void *opaque, GError **errp)
{
    Rtc *s = opaque;

    if (rtc_runs(s)) {
        rtc_to_registers(s, rtc_seconds(s, rtc_now(s)));
    }
    return true;
}

static bool rtc_post_load(void *opaque, int version, GError **errp)
{
    Rtc *s = opaque;
    int64_t now = rtc_now(s);
    bool waits = timer_pending(&s->periodic_timer);

    if (s->cmos_index > 0x7f) {
        error_setf(errp, "cmos_index %u: at most 127", s->cmos_index);
        return false;
    }
    s->irq_coalesced = MIN(s->irq_coalesced, SLEW_LIMIT);
    s->irq.level = s->cmos_data[RTC_C] & C_IRQF;
    /* The periods go on where they were; what is long over is over. */
    s->rate_period = rtc_rate_period(s);
    if (!waits || s->period == 0 || s->period != s->rate_period ||
        s->next_periodic_time < now) {
        s->period = 0;
        rtc_plan_periodic(s, now);
    }
    rtc_plan_update(s);
    return true;
}

static const Vmstate rtc_vmstate = {
    .name = "mc146818rtc",
    .version = 3,
    .oldest = 3,
    .pre_save = rtc_pre_save,
    .post_load = rtc_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_BUFFER(Rtc, cmos_data),
            VMSTATE_U8(Rtc, cmos_index),
            VMSTATE_UNUSED(7 * 4),
            VMSTATE_TIMER(Rtc, periodic_timer),
            VMSTATE_I64(Rtc, next_periodic_time),
            VMSTATE_UNUSED(3 * 8),
            VMSTATE_U32(Rtc, irq_coalesced),
            VMSTATE_U32(Rtc, period),
            VMSTATE_U64(Rtc, base_rtc),
            VMSTATE_U64(Rtc, last_update),
            VMSTATE_I64(Rtc, offset),
            VMSTATE_TIMER(Rtc, update_timer),
            VMSTATE_U64(Rtc, next_alarm_time),
            VMSTATE_END,
        },
};

static const Property rtc_props[] = {
    PROP(PROP_I32, Rtc, base_year, "base_year", .def = 1980),
    PROP(PROP_U16, Rtc, iobase, "iobase", .def = 0x70),
    PROP(PROP_U8, Rtc, isairq, "irq", .def = 8),
    PROP(PROP_ENUM, Rtc, lost_tick_policy, "lost_tick_policy",
         .names = lost_tick_names, .type_name = "LostTickPolicy"),
    PROP_END,
};

const DeviceType rtc_type = {
    .name = "mc146818rtc",
    .category = "Misc",
    .size = sizeof(Rtc),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = rtc_props,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .vmstate = &rtc_vmstate,
};

Device *rtc_create(Bus *isa, const IrqInput *irq, GError **errp)
{
    Device *dev = device_new(isa->vm, &rtc_type);
    Rtc *s = DEVICE_CAST(Rtc, dev);

    s->base_year = 0; /* the century has a register of its own */
    s->to = irq;
    return device_realize(dev, isa, errp) ? dev : NULL;
}

void rtc_set_memory(Device *rtc, unsigned addr, uint8_t val)
{
    if (addr > RTC_D && addr < sizeof(DEVICE_CAST(Rtc, rtc)->cmos_data)) {
        DEVICE_CAST(Rtc, rtc)->cmos_data[addr] = val;
    }
}

uint8_t rtc_get_memory(Device *rtc, unsigned addr)
{
    const Rtc *s = DEVICE_CAST(Rtc, rtc);

    return addr < sizeof(s->cmos_data) ? s->cmos_data[addr] : 0xff;
}
