/*
 * 8254 in the accelerator.
 *
 * While the guest runs, the kernel's timer is the truth; while it stands, the
 * state here is: it is fetched at the stop and put at the start, as the
 * kernel's clock goes on meanwhile and the guest's does not.
 * Stream: "i8254" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/i8254-priv.h"

#include "accel/accel.h"
#include "util/error.h"
#include "util/log.h"

/* "delay": the kernel gives ticks that were missed when it can. */
enum { LOST_DISCARD, LOST_DELAY, LOST_SLEW };
static const char *const lost_tick_names[] = { "discard", "delay", "slew",
                                               NULL };

bool kvm_pit_fetch(Pit *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;
    PitState st;

    if (s->fetched) {
        return true;
    }
    if (!acc->type->irqchip->get_pit(acc, &st, errp)) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        s->channels[i].s = st.ch[i];
    }
    s->channels[0].irq_disabled = st.hpet_legacy;
    s->speaker_data_on = st.speaker_data_on;
    return true;
}

/*
 * While the guest stands the state here is the one that counts: in the
 * kernel the timer would tick on, and each change of it waits until the
 * kernel's thread has handled the tick, which on a busy host takes long.
 */
bool kvm_pit_put(Pit *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;
    PitState st = { .hpet_legacy = s->channels[0].irq_disabled,
                    .speaker_data_on = s->speaker_data_on };

    if (s->fetched) {
        return true;
    }
    for (unsigned i = 0; i < 3; i++) {
        st.ch[i] = s->channels[i].s;
    }
    return acc->type->irqchip->put_pit(acc, &st, errp);
}

/* The model here would go on at the next edge, so the stream has it. */
static bool kvm_pit_pre_save(void *opaque, GError **errp)
{
    Pit *s = opaque;
    int64_t now = clock_get_ns(s->dev.vm->clocks, CLOCK_TYPE_VIRTUAL);

    if (!kvm_pit_fetch(s, errp) || !pit_check(s, errp)) {
        return false;
    }
    s->channels[0].next_transition_time = pit_next_change(&s->channels[0], now);
    return true;
}

/* The kernel gets it at the start. */
static bool kvm_pit_post_load(void *opaque, int version, GError **errp)
{
    return pit_check(opaque, errp);
}

static void kvm_pit_reset(Device *dev)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    GError *err = NULL;

    s->speaker_data_on = false;
    pit_channels_reset(s, clock_get_ns(dev->vm->clocks, CLOCK_TYPE_VIRTUAL));
    if (!kvm_pit_put(s, &err)) {
        log_take_error(err);
    }
}

static void kvm_pit_irq_control(void *opaque, unsigned n, bool level)
{
    Pit *s = DEVICE_CAST(Pit, (Device *)opaque);
    GError *err = NULL;

    if (!kvm_pit_fetch(s, &err)) {
        log_take_error(err);
        return;
    }
    s->channels[0].irq_disabled = !level;
    if (!kvm_pit_put(s, &err)) {
        log_take_error(err);
    }
}

static void kvm_pit_run_state(RunStateListener *l, bool running, RunState state)
{
    Pit *s = container_of(l, Pit, run);
    GError *err = NULL;
    bool ok = true;

    if (!running) {
        ok = kvm_pit_fetch(s, &err);
        s->fetched = ok;
    } else if (s->fetched) {
        s->fetched = false;
        ok = kvm_pit_put(s, &err);
    }
    if (!ok) {
        log_take_error(err);
    }
}

static bool kvm_pit_realize(Device *dev, GError **errp)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    const Accel *acc = dev->vm->accel;

    if (acc == NULL || !acc->kernel_irqchip || acc->type->irqchip == NULL) {
        error_setf(errp, "the accelerator has no interval timer");
        return false;
    }
    if (s->lost_tick_policy == LOST_SLEW) {
        error_setf(errp, "lost_tick_policy %s: delay or discard",
                   lost_tick_names[s->lost_tick_policy]);
        return false;
    }
    if (s->lost_tick_policy == LOST_DISCARD &&
        !acc->type->irqchip->pit_reinject(dev->vm->accel, false, errp)) {
        return false;
    }
    irq_in_init(dev, kvm_pit_irq_control, 1);
    pit_channels_reset(s, 0);
    s->fetched = !runstate_is_running(dev->vm);
    s->run.changed = kvm_pit_run_state;
    runstate_add_listener(dev->vm, &s->run);
    return true;
}

static void kvm_pit_unrealize(Device *dev)
{
    runstate_del_listener(dev->vm, &DEVICE_CAST(Pit, dev)->run);
}

static const Vmstate kvm_pit_vmstate = {
    .name = "i8254",
    .version = 3,
    .oldest = 3,
    .pre_save = kvm_pit_pre_save,
    .post_load = kvm_pit_post_load,
    .fields = pit_vmstate_fields,
};

static const Property kvm_pit_props[] = {
    PROP(PROP_U32, Pit, iobase, "iobase", .def = UINT32_MAX),
    PROP(PROP_ENUM, Pit, lost_tick_policy, "lost_tick_policy",
         .names = lost_tick_names, .def = LOST_DELAY,
         .type_name = "LostTickPolicy"),
    PROP_END,
};

const DeviceType kvm_pit_type = {
    .name = "kvm-pit",
    .parent = "pit-common",
    .size = sizeof(Pit),
    .bus = BUS_ISA,
    .props = kvm_pit_props,
    .realize = kvm_pit_realize,
    .unrealize = kvm_pit_unrealize,
    .reset = kvm_pit_reset,
    .vmstate = &kvm_pit_vmstate,
};
