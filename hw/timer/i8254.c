/*
 * 8254 programmable interval timer.
 *
 * Behaviour: Intel 8254 data sheet (231164-005).  A new count takes effect at
 * once in every mode.
 * Stream: "i8254" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/i8254-priv.h"

#include "system/vm.h"
#include "util/error.h"

enum {
    CONTROL_PORT = 3,
    READ_BACK = 3, /* in place of a channel */
    READ_BACK_NO_COUNT = 1 << 5,
    READ_BACK_NO_STATUS = 1 << 4,
    STATUS_OUT = 1 << 7,
};

/*
 * Edges that come faster than the main loop can turn would keep it from
 * everything else: a guest that asks for them gets fewer.
 */
#define MIN_EDGE_NS (10 * NS_PER_US)

static int64_t pit_now(const Pit *s)
{
    return clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
}

static unsigned bin_to_bcd(unsigned v)
{
    return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}

static uint16_t pit_get_count(const Pit *s, const PitChannel *c)
{
    uint64_t d = pit_ticks(c, pit_now(s));
    int64_t n = pit_length(c);
    int64_t left;

    switch (c->s.mode) {
    case 2:
    case 6:
        left = n - (int64_t)(d % n);
        break;
    case 3: /* counts by two */
    case 7:
        left = n - (int64_t)(d * 2 % n);
        break;
    default: /* goes on below zero */
        left = n - (int64_t)d;
        break;
    }
    if (c->s.bcd) {
        return bin_to_bcd((left % 10000 + 10000) % 10000);
    }
    return left;
}

/* Drives OUT of channel 0 as it is at `now`, and waits for the next edge. */
void pit_update(Pit *s, int64_t now)
{
    PitChannel *c = &s->channels[0];

    if (c->irq_disabled) {
        c->next_transition_time = -1;
        timer_del(&s->timer);
        if (s->out.level) {
            irq_lower(&s->out);
        }
        return;
    }
    irq_set(&s->out, pit_out(c, now));
    c->next_transition_time = pit_next_change(c, now);
    if (c->next_transition_time < 0) {
        timer_del(&s->timer);
        return;
    }
    timer_mod(&s->timer, c->next_transition_time);
}

/*
 * Mode 2 is low for a pulse of 0.8 us: both its edges are driven at once, in
 * one turn of the main loop per period.  Edges that were missed are lost.
 */
static void pit_edge(void *opaque)
{
    Pit *s = opaque;
    PitChannel *c = &s->channels[0];
    int64_t at = c->next_transition_time;
    int64_t now = pit_now(s);
    int64_t next;

    if ((c->s.mode & 3) == 2) {
        irq_lower(&s->out);
        at = pit_time_of(c, pit_ticks(c, at) + 1);
    }
    irq_set(&s->out, pit_out(c, at));
    next = pit_next_change(c, MAX(at, now));
    c->next_transition_time = next;
    if (next >= 0) {
        next = MAX(next, now + MIN_EDGE_NS);
        c->next_transition_time = next;
        timer_mod(&s->timer, next);
    }
}

static void pit_load_count(Pit *s, PitChannel *c, unsigned val)
{
    c->s.count = val != 0 ? val : 0x10000;
    c->s.count_load_ns = pit_now(s);
    if ((c->s.mode & 3) == 1) {
        /* Stands at the end of the count until the gate triggers it. */
        c->s.count_load_ns -=
            pit_time_of(c, pit_length(c) + 2) - c->s.count_load_ns;
    }
    if (c == &s->channels[0]) {
        pit_update(s, pit_now(s));
    }
}

static void pit_latch_count(Pit *s, PitChannel *c)
{
    if (!c->s.count_latched) {
        c->s.latched_count = pit_get_count(s, c);
        c->s.count_latched = c->s.rw_mode;
    }
}

static void pit_latch_status(Pit *s, PitChannel *c)
{
    if (!c->s.status_latched) {
        c->s.status = (pit_out(c, pit_now(s)) ? STATUS_OUT : 0) |
                      c->s.rw_mode << 4 | c->s.mode << 1 | c->s.bcd;
        c->s.status_latched = 1;
    }
}

static void pit_read_back(Pit *s, uint8_t val)
{
    for (unsigned i = 0; i < 3; i++) {
        if (!(val & (2 << i))) {
            continue;
        }
        if (!(val & READ_BACK_NO_COUNT)) {
            pit_latch_count(s, &s->channels[i]);
        }
        if (!(val & READ_BACK_NO_STATUS)) {
            pit_latch_status(s, &s->channels[i]);
        }
    }
}

static void pit_control(Pit *s, uint8_t val)
{
    unsigned n = val >> 6;
    unsigned access = (val >> 4) & 3;
    PitChannel *c;

    if (n == READ_BACK) {
        pit_read_back(s, val);
        return;
    }
    c = &s->channels[n];
    if (access == 0) {
        pit_latch_count(s, c);
        return;
    }
    c->s.rw_mode = access;
    c->s.read_state = access;
    c->s.write_state = access;
    c->s.mode = (val >> 1) & 7;
    c->s.bcd = val & 1;
    c->s.count_latched = PIT_RW_NONE;
    c->s.status_latched = 0;
}

static void pit_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    PitChannel *c;

    if (off == CONTROL_PORT) {
        pit_control(s, val);
        return;
    }
    c = &s->channels[off];
    val &= 0xff;
    switch (c->s.write_state) {
    case PIT_RW_MSB:
        pit_load_count(s, c, val << 8);
        break;
    case PIT_RW_WORD0:
        c->s.write_latch = val;
        c->s.write_state = PIT_RW_WORD1;
        break;
    case PIT_RW_WORD1:
        c->s.write_state = PIT_RW_WORD0;
        pit_load_count(s, c, c->s.write_latch | val << 8);
        break;
    default:
        pit_load_count(s, c, val);
        break;
    }
}

/* The byte of a latched count that comes next. */
static uint8_t pit_read_latched(PitChannel *c)
{
    uint8_t which = c->s.count_latched;

    if (which == PIT_RW_WORD0) {
        c->s.count_latched = PIT_RW_MSB;
        return c->s.latched_count;
    }
    c->s.count_latched = PIT_RW_NONE;
    return which == PIT_RW_LSB ? c->s.latched_count : c->s.latched_count >> 8;
}

static uint64_t pit_read(Device *dev, uint64_t off, unsigned size)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    PitChannel *c;
    uint16_t n;

    if (off == CONTROL_PORT) {
        return 0;
    }
    c = &s->channels[off];
    if (c->s.status_latched) {
        c->s.status_latched = 0;
        return c->s.status;
    }
    if (c->s.count_latched) {
        return pit_read_latched(c);
    }
    n = pit_get_count(s, c);
    switch (c->s.read_state) {
    case PIT_RW_MSB:
        return n >> 8;
    case PIT_RW_WORD0:
        c->s.read_state = PIT_RW_WORD1;
        return n & 0xff;
    case PIT_RW_WORD1:
        c->s.read_state = PIT_RW_WORD0;
        return n >> 8;
    default:
        return n & 0xff;
    }
}

static const IoOps pit_io = {
    .read = pit_read,
    .write = pit_write,
    .max_size = 1,
};

static void pit_irq_control(void *opaque, unsigned n, bool level)
{
    Pit *s = DEVICE_CAST(Pit, (Device *)opaque);

    s->channels[0].irq_disabled = !level;
    pit_update(s, pit_now(s));
}

static bool pit_realize(Device *dev, GError **errp)
{
    Pit *s = DEVICE_CAST(Pit, dev);

    irq_in_init(dev, pit_irq_control, 1);
    irq_out_init(dev, &s->out, "");
    timer_init(&s->timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, pit_edge, s);
    if (s->iobase > 0xffff) {
        error_setf(errp, "iobase 0x%x: at most 0xffff", s->iobase);
        return false;
    }
    pit_channels_reset(s, 0);
    return device_claim_io(dev, &s->io, &pit_io, "pit", s->iobase, 4, errp);
}

static void pit_unrealize(Device *dev)
{
    timer_del(&DEVICE_CAST(Pit, dev)->timer);
}

static void pit_reset(Device *dev)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    PitChannel *c = &s->channels[0];
    int64_t now = pit_now(s);

    s->speaker_data_on = false;
    pit_channels_reset(s, now);
    /* OUT is high, but no interrupt comes before it has been low once. */
    irq_lower(&s->out);
    c->next_transition_time = pit_next_change(c, now);
    timer_mod(&s->timer, c->next_transition_time);
}

/* The line's level follows from the channel; the PIC has seen it already. */
static bool pit_post_load(void *opaque, int version, GError **errp)
{
    Pit *s = opaque;
    PitChannel *c = &s->channels[0];
    int64_t next = c->next_transition_time;

    if (!pit_check(s, errp)) {
        return false;
    }
    if (next < 0 || c->irq_disabled) {
        timer_del(&s->timer);
    } else {
        timer_mod(&s->timer, next);
    }
    s->out.level = !c->irq_disabled && pit_out(c, pit_now(s));
    return true;
}

static const Vmstate pit_vmstate = {
    .name = "i8254",
    .version = 3,
    .oldest = 3,
    .post_load = pit_post_load,
    .fields = pit_vmstate_fields,
};

static const Property pit_props[] = {
    PROP(PROP_U32, Pit, iobase, "iobase", .def = UINT32_MAX),
    PROP_END,
};

const DeviceType pit_type = {
    .name = "isa-pit",
    .parent = "pit-common",
    .size = sizeof(Pit),
    .bus = BUS_ISA,
    .props = pit_props,
    .realize = pit_realize,
    .unrealize = pit_unrealize,
    .reset = pit_reset,
    .vmstate = &pit_vmstate,
};
