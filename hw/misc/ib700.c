/*
 * Watchdog of IB700 boards: one stage, at two ISA ports.
 *
 * A write to 0x443 starts it anew: bits 3:0 take 2 seconds each from 30.  Any
 * write to 0x441 stops it.  (ICP Electronics, IB700 user's manual, "Watch-Dog
 * Timer".)
 *
 * Stream: "ib700_wdt" version 0, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "system/guest-event.h"
#include "system/vm.h"

enum {
    PORT_STOP = 0x441,
    PORT_START = 0x443,
    START_STEPS = 0xf,
    STEP_S = 2,
    MAX_S = 30,
    /* A guest whose timer is always over leaves nobody else the lock. */
    MIN_NS = 100 * 1000,
};

typedef struct Ib700 {
    Device dev;
    IoRange stop, start;
    Timer timer; /* migrated */
} Ib700;

static void ib700_expired(void *opaque)
{
    Ib700 *s = opaque;

    guest_watchdog_expired(s->dev.vm);
}

static void ib700_stop(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    timer_del(&DEVICE_CAST(Ib700, dev)->timer);
}

static void ib700_start(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ib700 *s = DEVICE_CAST(Ib700, dev);
    int64_t left_s = MAX_S - (int64_t)(val & START_STEPS) * STEP_S;

    timer_mod(&s->timer, clock_get_ns(dev->vm->clocks, CLOCK_TYPE_VIRTUAL) +
                             MAX(left_s * NS_PER_S, MIN_NS));
}

static const IoOps stop_ops = { .write = ib700_stop, .max_size = 1 };
static const IoOps start_ops = { .write = ib700_start, .max_size = 1 };

static bool ib700_realize(Device *dev, GError **errp)
{
    Ib700 *s = DEVICE_CAST(Ib700, dev);

    timer_init(&s->timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, ib700_expired,
               s);
    return isa_claim_io(dev, &s->stop, &stop_ops, PORT_STOP, 1, errp) &&
           isa_claim_io(dev, &s->start, &start_ops, PORT_START, 1, errp);
}

static void ib700_unrealize(Device *dev)
{
    timer_del(&DEVICE_CAST(Ib700, dev)->timer);
}

static void ib700_reset(Device *dev)
{
    timer_del(&DEVICE_CAST(Ib700, dev)->timer);
}

static const Vmstate ib700_vmstate = {
    .name = "ib700_wdt",
    .version = 0,
    .oldest = 0,
    .fields =
        (const VmstateField[]){
            VMSTATE_TIMER(Ib700, timer),
            VMSTATE_END,
        },
};

const DeviceType ib700_type = {
    .name = "ib700",
    .category = "Watchdog",
    .desc = "iBASE 700",
    .size = sizeof(Ib700),
    .bus = BUS_ISA,
    .user_creatable = true,
    .realize = ib700_realize,
    .unrealize = ib700_unrealize,
    .reset = ib700_reset,
    .vmstate = &ib700_vmstate,
};
