/*
 * High precision event timers.
 *
 * Behaviour: IA-PC HPET Specification 1.0a (October 2004), section 2.3.  The
 * counter runs at 100 MHz.  A comparator that lies behind the counter fires
 * at once.
 * Stream: "hpet" version 2 with subsections, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/hpet.h"

#include "hw/intc/apic.h"
#include "system/clock.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    REG_CAP = 0x000,
    REG_CONFIG = 0x010,
    REG_ISR = 0x020,
    REG_COUNTER = 0x0f0,
    REG_TIMERS = 0x100, /* 0x20 each */
    REG_T_CONFIG = 0x00,
    REG_T_COMPARATOR = 0x08,
    REG_T_FSB = 0x10,
};

enum {
    CONFIG_ENABLE = 1 << 0,
    CONFIG_LEGACY = 1 << 1,
    CONFIG_MASK = CONFIG_ENABLE | CONFIG_LEGACY,
    CAP_LEGACY = 1 << 15,
    CAP_64BIT = 1 << 13,
    CAP_REVISION = 1,
};

enum {
    T_LEVEL = 1 << 1,
    T_ENABLE = 1 << 2,
    T_PERIODIC = 1 << 3,
    T_CAP_PERIODIC = 1 << 4,
    T_CAP_64BIT = 1 << 5,
    T_SETVAL = 1 << 6,
    T_32BIT = 1 << 8,
    T_ROUTE_SHIFT = 9,
    T_FSB_ENABLE = 1 << 14,
    T_CAP_FSB = 1 << 15,
    T_WRITABLE = 0x7f4e,
};

#define HPET_VENDOR     0x8086
#define HPET_TICK_NS    10
#define HPET_TICK_FS    (HPET_TICK_NS * 1000000)
#define HPET_MIN_TIMERS 3
#define HPET_MAX_TIMERS 32
#define HPET_OUTPUTS    32
#define ISA_PIT         0
#define ISA_RTC         8
/* As for the 8254: the main loop has other things to do, too. */
#define MIN_FIRE_NS (20 * NS_PER_US)

typedef struct Hpet Hpet;

typedef struct HpetTimer {
    uint8_t tn;
    uint64_t config, cmp, fsb;
    uint64_t period; /* ticks; what a periodic comparator advances by */
    uint8_t wrap_flag;
    Timer qemu_timer;
    Hpet *hpet;
} HpetTimer;

struct Hpet {
    Device dev;
    MemoryRegion mmio;
    IrqLine irqs[HPET_OUTPUTS]; /* to the board's inputs */
    IrqLine pit_enable;
    uint64_t config, isr;
    uint64_t hpet_counter; /* while it is off */
    uint64_t hpet_offset;  /* ns on top of CLOCK_VIRTUAL, while it is on */
    uint8_t rtc_irq_level;
    uint8_t num_timers;
    HpetTimer timer[HPET_MAX_TIMERS];
    bool msi, offset_saved;
    bool offset_loaded;
    uint32_t intcap;
};

static bool hpet_on(const Hpet *s)
{
    return s->config & CONFIG_ENABLE;
}

static bool hpet_legacy(const Hpet *s)
{
    return s->config & CONFIG_LEGACY;
}

/* A load that failed may have left any number. */
static unsigned hpet_timers(const Hpet *s)
{
    return CLAMP(s->num_timers, HPET_MIN_TIMERS, HPET_MAX_TIMERS);
}

static int64_t hpet_now(const Hpet *s)
{
    return clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
}

static uint64_t hpet_counter(const Hpet *s)
{
    if (!hpet_on(s)) {
        return s->hpet_counter;
    }
    return ((uint64_t)hpet_now(s) + s->hpet_offset) / HPET_TICK_NS;
}

static void hpet_set_offset(Hpet *s)
{
    s->hpet_offset = s->hpet_counter * HPET_TICK_NS - (uint64_t)hpet_now(s);
}

static unsigned timer_number(const HpetTimer *t)
{
    return t - t->hpet->timer;
}

/* In the ISR. */
static uint64_t timer_bit(const HpetTimer *t)
{
    return BIT_ULL(timer_number(t));
}

static bool timer_is_32bit(const HpetTimer *t)
{
    return t->config & T_32BIT;
}

static bool timer_is_periodic(const HpetTimer *t)
{
    return t->config & T_PERIODIC;
}

/* Ticks to go; 0: the comparator is reached or lies behind. */
static uint64_t timer_distance(const HpetTimer *t, uint64_t counter)
{
    if (timer_is_32bit(t)) {
        int32_t d = (uint32_t)t->cmp - (uint32_t)counter;

        return MAX(d, 0);
    }
    return (int64_t)(t->cmp - counter) > 0 ? t->cmp - counter : 0;
}

/* 2.3.8: which input of the board a timer drives. */
static IrqLine *timer_line(HpetTimer *t)
{
    unsigned route = (t->config >> T_ROUTE_SHIFT) & 0x1f;

    if (hpet_legacy(t->hpet) && timer_number(t) <= 1) {
        route = timer_number(t) == 0 ? ISA_PIT : ISA_RTC;
    }
    return &t->hpet->irqs[route];
}

static void timer_lower(HpetTimer *t)
{
    t->hpet->isr &= ~timer_bit(t);
    irq_lower(timer_line(t));
}

static void timer_interrupt(HpetTimer *t)
{
    if (!(t->config & T_ENABLE) || !hpet_on(t->hpet)) {
        return;
    }
    if (t->config & T_FSB_ENABLE) {
        msi_send(t->hpet->dev.vm, t->fsb >> 32, t->fsb);
    } else if (t->config & T_LEVEL) {
        t->hpet->isr |= timer_bit(t);
        irq_raise(timer_line(t));
    } else {
        irq_pulse(timer_line(t));
    }
}

/* A periodic comparator moves on past the counter. */
static void timer_advance(HpetTimer *t, uint64_t counter)
{
    uint64_t behind;

    if (!timer_is_periodic(t) || t->period == 0 ||
        timer_distance(t, counter) > 0) {
        return;
    }
    if (timer_is_32bit(t)) {
        behind = (uint32_t)((uint32_t)counter - (uint32_t)t->cmp);
    } else {
        behind = counter - t->cmp;
    }
    t->cmp += (behind / t->period + 1) * t->period;
    if (timer_is_32bit(t)) {
        t->cmp = (uint32_t)t->cmp;
    }
}

static void timer_arm(HpetTimer *t)
{
    Hpet *s = t->hpet;
    uint64_t counter = hpet_counter(s);
    unsigned __int128 ns;

    if (!hpet_on(s) || !(t->config & T_ENABLE)) {
        timer_del(&t->qemu_timer);
        return;
    }
    ns = (unsigned __int128)timer_distance(t, counter) * HPET_TICK_NS +
         (uint64_t)hpet_now(s);
    if (ns > INT64_MAX) {
        timer_del(&t->qemu_timer);
        return;
    }
    timer_mod(&t->qemu_timer, (int64_t)ns);
}

static void timer_fired(void *opaque)
{
    HpetTimer *t = opaque;
    int64_t soon = hpet_now(t->hpet) + MIN_FIRE_NS;

    timer_interrupt(t);
    if (timer_is_periodic(t) && t->period != 0) {
        timer_advance(t, hpet_counter(t->hpet));
        timer_arm(t);
        if (timer_pending(&t->qemu_timer) && t->qemu_timer.expire_ns < soon) {
            timer_mod(&t->qemu_timer, soon);
        }
    }
}

/* On and off */

static void hpet_start(Hpet *s)
{
    hpet_set_offset(s);
    for (unsigned i = 0; i < hpet_timers(s); i++) {
        timer_advance(&s->timer[i], s->hpet_counter);
        timer_arm(&s->timer[i]);
    }
}

static void hpet_stop(Hpet *s)
{
    for (unsigned i = 0; i < hpet_timers(s); i++) {
        timer_del(&s->timer[i].qemu_timer);
        if (s->isr & BIT_ULL(i)) {
            timer_lower(&s->timer[i]);
        }
    }
}

static void hpet_write_config(Hpet *s, uint64_t val)
{
    uint64_t old = s->config;
    uint64_t changed = old ^ (val & CONFIG_MASK);

    if ((changed & CONFIG_ENABLE) && hpet_on(s)) {
        s->hpet_counter = hpet_counter(s);
        hpet_stop(s);
    }
    s->config = val & CONFIG_MASK;
    if ((changed & CONFIG_ENABLE) && hpet_on(s)) {
        hpet_start(s);
    }
    if (!(changed & CONFIG_LEGACY)) {
        return;
    }
    irq_lower(&s->irqs[ISA_PIT]);
    irq_set(&s->pit_enable, !hpet_legacy(s));
    irq_set(&s->irqs[ISA_RTC], !hpet_legacy(s) && s->rtc_irq_level);
}

static void timer_write_config(HpetTimer *t, uint64_t val)
{
    uint64_t old = t->config;
    uint64_t writable = T_WRITABLE;

    if (!(old & T_CAP_FSB)) {
        writable &= ~(uint64_t)T_FSB_ENABLE;
    }
    /* A line that is up under the old routing goes down there. */
    if ((t->hpet->isr & timer_bit(t)) && ((old ^ val) & writable)) {
        timer_lower(t);
    }
    t->config = (old & ~writable) | (val & writable);
    if (timer_is_32bit(t)) {
        t->cmp = (uint32_t)t->cmp;
        t->period = (uint32_t)t->period;
    }
    if ((old ^ t->config) & (T_ENABLE | T_PERIODIC | T_32BIT)) {
        timer_advance(t, hpet_counter(t->hpet));
        timer_arm(t);
    }
}

/*
 * 2.3.9.2.2: in periodic mode a write sets the period, and the comparator
 * too if SETVAL announced it.
 */
static void timer_write_cmp(HpetTimer *t, unsigned shift, unsigned bits,
                            uint64_t val)
{
    if (timer_is_32bit(t)) {
        if (shift != 0) {
            return;
        }
        val = (uint32_t)val;
        bits = 64;
    }
    if (!timer_is_periodic(t) || (t->config & T_SETVAL)) {
        t->cmp = deposit64(t->cmp, shift, bits, val);
    }
    if (timer_is_periodic(t)) {
        t->period = deposit64(t->period, shift, bits, val);
    }
    t->config &= ~(uint64_t)T_SETVAL;
    timer_arm(t);
}

static void timer_write(HpetTimer *t, unsigned reg, unsigned shift,
                        unsigned bits, uint64_t val)
{
    switch (reg) {
    case REG_T_CONFIG:
        timer_write_config(t, deposit64(t->config, shift, bits, val));
        break;
    case REG_T_COMPARATOR:
        timer_write_cmp(t, shift, bits, val);
        break;
    case REG_T_FSB:
        t->fsb = deposit64(t->fsb, shift, bits, val);
        break;
    default:
        break;
    }
}

static void hpet_clear_isr(Hpet *s, uint64_t val)
{
    for (unsigned i = 0; i < hpet_timers(s); i++) {
        if (val & s->isr & BIT_ULL(i)) {
            timer_lower(&s->timer[i]);
        }
    }
}

static void hpet_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Hpet *s = DEVICE_CAST(Hpet, dev);
    unsigned shift = off & 4 ? 32 : 0;
    unsigned bits = size * 8;
    unsigned reg = off & ~7u;

    switch (reg) {
    case REG_CONFIG:
        hpet_write_config(s, deposit64(s->config, shift, bits, val));
        return;
    case REG_ISR:
        hpet_clear_isr(s, val << shift);
        return;
    case REG_COUNTER:
        if (!hpet_on(s)) {
            s->hpet_counter = deposit64(s->hpet_counter, shift, bits, val);
        }
        return;
    default:
        break;
    }
    if (reg >= REG_TIMERS && (reg - REG_TIMERS) / 0x20 < hpet_timers(s)) {
        timer_write(&s->timer[(reg - REG_TIMERS) / 0x20], reg & 0x1f, shift,
                    bits, val);
    }
}

static uint64_t hpet_read_reg(const Hpet *s, unsigned reg)
{
    const HpetTimer *t;

    switch (reg) {
    case REG_CAP:
        return (uint64_t)HPET_TICK_FS << 32 | (uint64_t)HPET_VENDOR << 16 |
               CAP_LEGACY | CAP_64BIT | (hpet_timers(s) - 1) << 8 |
               CAP_REVISION;
    case REG_CONFIG:
        return s->config;
    case REG_ISR:
        return s->isr;
    case REG_COUNTER:
        return hpet_counter(s);
    default:
        break;
    }
    if (reg < REG_TIMERS || (reg - REG_TIMERS) / 0x20 >= hpet_timers(s)) {
        return 0;
    }
    t = &s->timer[(reg - REG_TIMERS) / 0x20];
    switch (reg & 0x1f) {
    case REG_T_CONFIG:
        return t->config;
    case REG_T_COMPARATOR:
        return t->cmp;
    case REG_T_FSB:
        return t->fsb;
    default:
        return 0;
    }
}

static uint64_t hpet_read(Device *dev, uint64_t off, unsigned size)
{
    uint64_t v = hpet_read_reg(DEVICE_CAST(Hpet, dev), off & ~7u);

    return size == 8 ? v : (uint32_t)(off & 4 ? v >> 32 : v);
}

static const IoOps hpet_io = {
    .read = hpet_read,
    .write = hpet_write,
    .min_size = 4,
    .max_size = 8,
    .min_valid = 4,
    .max_valid = 8,
};

/* In legacy mode interrupts 0 and 8 are the timers'. */
enum { INPUT_PIT, INPUT_RTC };

static void hpet_set_input(void *opaque, unsigned n, bool level)
{
    Hpet *s = DEVICE_CAST(Hpet, (Device *)opaque);

    if (n == INPUT_RTC) {
        s->rtc_irq_level = level;
    }
    if (!hpet_legacy(s)) {
        irq_set(&s->irqs[n == INPUT_RTC ? ISA_RTC : ISA_PIT], level);
    }
}

const IrqInput *hpet_pit_input(Device *hpet)
{
    return irq_in(hpet, INPUT_PIT);
}

const IrqInput *hpet_rtc_input(Device *hpet)
{
    return irq_in(hpet, INPUT_RTC);
}

IrqLine *hpet_pit_enable(Device *hpet)
{
    return &DEVICE_CAST(Hpet, hpet)->pit_enable;
}

static bool hpet_realize(Device *dev, GError **errp)
{
    Hpet *s = DEVICE_CAST(Hpet, dev);
    Memory *mem = &dev->vm->mem;

    if (!s->offset_saved) {
        error_setf(errp, "hpet-offset-saved=off is not supported");
        return false;
    }
    if (s->num_timers < HPET_MIN_TIMERS || s->num_timers > HPET_MAX_TIMERS) {
        error_setf(errp, "timers %u: %d to %d", s->num_timers, HPET_MIN_TIMERS,
                   HPET_MAX_TIMERS);
        return false;
    }
    irq_in_init(dev, hpet_set_input, 2);
    irq_out_init(dev, &s->pit_enable, "");
    for (unsigned i = 0; i < HPET_OUTPUTS; i++) {
        irq_out_init(dev, &s->irqs[i], "sysbus-irq");
    }
    for (unsigned i = 0; i < HPET_MAX_TIMERS; i++) {
        s->timer[i].hpet = s;
        s->timer[i].tn = i;
        timer_init(&s->timer[i].qemu_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
                   timer_fired, &s->timer[i]);
    }
    memory_region_init_io(&s->mmio, mem, "hpet", HPET_SIZE, &hpet_io, dev);
    memory_region_add(&mem->root, HPET_ADDR, &s->mmio, 0);
    device_own_region(dev, &s->mmio);
    return true;
}

static void hpet_unrealize(Device *dev)
{
    Hpet *s = DEVICE_CAST(Hpet, dev);

    for (unsigned i = 0; i < HPET_MAX_TIMERS; i++) {
        timer_del(&s->timer[i].qemu_timer);
    }
}

static void hpet_reset(Device *dev)
{
    Hpet *s = DEVICE_CAST(Hpet, dev);

    hpet_stop(s);
    for (unsigned i = 0; i < hpet_timers(s); i++) {
        HpetTimer *t = &s->timer[i];

        t->cmp = UINT64_MAX;
        t->config = T_CAP_PERIODIC | T_CAP_64BIT | (uint64_t)s->intcap << 32;
        if (s->msi) {
            t->config |= T_CAP_FSB;
        }
        t->fsb = 0;
        t->period = 0;
        t->wrap_flag = 0;
    }
    s->config = 0;
    s->isr = 0;
    s->hpet_counter = 0;
    s->hpet_offset = 0;
    s->rtc_irq_level = 0;
    irq_raise(&s->pit_enable);
}

static bool rtc_level_needed(void *opaque)
{
    return ((Hpet *)opaque)->rtc_irq_level != 0;
}

static bool offset_needed(void *opaque)
{
    return hpet_on(opaque);
}

static bool offset_post_load(void *opaque, int version, GError **errp)
{
    ((Hpet *)opaque)->offset_loaded = true;
    return true;
}

static const Vmstate vmstate_rtc_level = {
    .name = "hpet/rtc_irq_level",
    .version = 1,
    .oldest = 1,
    .needed = rtc_level_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(Hpet, rtc_irq_level), VMSTATE_END },
};

static const Vmstate vmstate_offset = {
    .name = "hpet/offset",
    .version = 1,
    .oldest = 1,
    .needed = offset_needed,
    .post_load = offset_post_load,
    .fields =
        (const VmstateField[]){ VMSTATE_U64(Hpet, hpet_offset), VMSTATE_END },
};

static const Vmstate vmstate_timer = {
    .name = "hpet_timer",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(HpetTimer, tn),
            VMSTATE_U64(HpetTimer, config),
            VMSTATE_U64(HpetTimer, cmp),
            VMSTATE_U64(HpetTimer, fsb),
            VMSTATE_U64(HpetTimer, period),
            VMSTATE_U8(HpetTimer, wrap_flag),
            VMSTATE_TIMER(HpetTimer, qemu_timer),
            VMSTATE_END,
        },
};

static bool hpet_pre_save(void *opaque, GError **errp)
{
    Hpet *s = opaque;

    s->hpet_counter = hpet_counter(s);
    return true;
}

static bool hpet_pre_load(void *opaque, GError **errp)
{
    Hpet *s = opaque;

    s->rtc_irq_level = 0;
    s->offset_loaded = false;
    return true;
}

static bool hpet_post_load(void *opaque, int version, GError **errp)
{
    Hpet *s = opaque;

    if (s->num_timers < HPET_MIN_TIMERS) {
        error_setf(errp, "%u timers: at least %d", s->num_timers,
                   HPET_MIN_TIMERS);
        return false;
    }
    for (unsigned i = 0; i < hpet_timers(s); i++) {
        if (s->timer[i].tn != i) {
            error_setf(errp, "timer %u calls itself %u", i, s->timer[i].tn);
            return false;
        }
    }
    s->config &= CONFIG_MASK;
    if (hpet_on(s) && !s->offset_loaded) {
        hpet_set_offset(s);
    }
    s->pit_enable.level = !hpet_legacy(s);
    return true;
}

static const Vmstate hpet_vmstate = {
    .name = "hpet",
    .version = 2,
    .oldest = 2,
    .pre_save = hpet_pre_save,
    .pre_load = hpet_pre_load,
    .post_load = hpet_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(Hpet, config),
            VMSTATE_U64(Hpet, isr),
            VMSTATE_U64(Hpet, hpet_counter),
            VMSTATE_U8(Hpet, num_timers),
            { .name = "timer",
              .kind = VMS_STRUCT,
              .offset = offsetof(Hpet, timer),
              .size = sizeof(HpetTimer),
              .num_offset = offsetof(Hpet, num_timers),
              .num_max = HPET_MAX_TIMERS,
              .flags = VMF_VARRAY_U8,
              .vms = &vmstate_timer,
              .struct_version = 1 },
            VMSTATE_END,
        },
    .subsections =
        (const Vmstate *const[]){ &vmstate_rtc_level, &vmstate_offset, NULL },
};

static const Property hpet_props[] = {
    PROP(PROP_U8, Hpet, num_timers, "timers", .def = HPET_MIN_TIMERS),
    PROP(PROP_BOOL, Hpet, msi, "msi"),
    PROP(PROP_U32, Hpet, intcap, "hpet-intcap"),
    PROP(PROP_BOOL, Hpet, offset_saved, "hpet-offset-saved", .def = true),
    PROP_END,
};

const DeviceType hpet_type = {
    .name = "hpet",
    .size = sizeof(Hpet),
    .bus = BUS_SYSTEM,
    .props = hpet_props,
    .realize = hpet_realize,
    .unrealize = hpet_unrealize,
    .reset = hpet_reset,
    .vmstate = &hpet_vmstate,
};

Device *hpet_create(struct Vm *vm, uint32_t intcap, const IrqInput *gsi,
                    unsigned ngsi, GError **errp)
{
    Device *dev = device_new(vm, &hpet_type);
    Hpet *s = DEVICE_CAST(Hpet, dev);

    s->intcap = intcap;
    for (unsigned i = 0; i < MIN(ngsi, HPET_OUTPUTS); i++) {
        irq_connect(&s->irqs[i], &gsi[i]);
    }
    return device_realize(dev, NULL, errp) ? dev : NULL;
}
