/*
 * The paravirtual clock: stops and goes on with the guest, and crosses with
 * it.
 *
 * Stream: "kvmclock" version 1 with the subsection clock_is_reliable, ABI.
 * Guest interface: the kernel's Documentation/virt/kvm/x86/msr.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/kvmclock.h"

#include "accel/accel.h"
#include "system/vm.h"
#include "target/i386/cpu.h"
#include "util/bswap.h"
#include "util/log.h"

#define SYSTEM_TIME_ENABLED 1

typedef struct KvmClock {
    Device dev;
    RunStateListener listener;
    uint64_t clock;   /* ns, as of the last stop; migrated */
    bool valid;       /* `clock` is to be set at the next start */
    bool reliable;    /* the host's TSCs are in step; migrated */
    bool user_paused; /* stopped by the user, not for a migration */
} KvmClock;

static bool kvmclock_read(KvmClock *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;

    return acc->type->irqchip->get_clock(acc, &s->clock, &s->reliable, errp);
}

/*
 * The guest's TSC and its clock are to be of one moment.  As the vCPUs have
 * just been stopped, that is so for what they saved on their way; else the
 * TSC is read, alone.  Capability single-cpu-sync off: as it was before, by
 * another read of everything.
 */
static bool kvmclock_sync_tsc(KvmClock *s, GError **errp)
{
    Vm *vm = s->dev.vm;
    Accel *acc = vm->accel;

    if (!acc->single_cpu_sync) {
        if (!vcpus_sync_all(vm, errp)) {
            return false;
        }
        for (unsigned i = 0; i < vm->nvcpus; i++) {
            vcpu_invalidate_state(vm->vcpus[i]);
        }
        return vcpus_sync_all(vm, errp);
    }
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        Vcpu *cpu = vm->vcpus[i];

        if (!cpu->state_cached && !cpu->state_loaded &&
            !acc->type->vcpu_get_tsc(cpu, &cpu->x86->tsc, errp)) {
            return false;
        }
    }
    return true;
}

static void kvmclock_stop(KvmClock *s, RunState state)
{
    GError *err = NULL;

    s->user_paused = state == RUN_STATE_PAUSED;
    if (!kvmclock_sync_tsc(s, &err) || !kvmclock_read(s, &err)) {
        log_take_error(err);
        return;
    }
    s->valid = true;
}

/* The time the guest would read: msr.rst, pvclock_vcpu_time_info. */
static uint64_t kvmclock_from_guest(KvmClock *s)
{
    const X86Cpu *cpu = s->dev.vm->vcpus[0]->x86;
    uint64_t gpa = cpu->system_time_msr & ~(uint64_t)SYSTEM_TIME_ENABLED;
    uint8_t info[32];
    uint64_t delta;
    int8_t shift;

    if (!(cpu->system_time_msr & SYSTEM_TIME_ENABLED) ||
        address_space_read(&s->dev.vm->mem.memory, gpa, info, sizeof(info)) !=
            MEM_OK) {
        return 0;
    }
    delta = cpu->tsc - ldq_le_p(info + 8);
    shift = ldub_p(info + 28);
    if (cpu->tsc < ldq_le_p(info + 8) || shift > 31 || shift < -31) {
        return 0;
    }
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return ldq_le_p(info + 16) +
           (uint64_t)((unsigned __int128)delta * ldl_le_p(info + 24) >> 32);
}

static void kvmclock_start(KvmClock *s)
{
    Accel *acc = s->dev.vm->accel;
    GError *err = NULL;
    uint64_t seen;

    if (!s->valid) {
        return;
    }
    seen = s->reliable ? 0 : kvmclock_from_guest(s);
    if (!acc->type->irqchip->set_clock(acc, seen ? seen : s->clock, &err)) {
        log_take_error(err);
    }
    s->valid = false;
}

static void kvmclock_changed(RunStateListener *l, bool running, RunState state)
{
    KvmClock *s = container_of(l, KvmClock, listener);

    if (running) {
        kvmclock_start(s);
    } else if (!s->valid) {
        kvmclock_stop(s, state);
    }
}

/* A guest that nobody paused is not to lose the time of the switch-over. */
static bool kvmclock_pre_save(void *opaque, GError **errp)
{
    KvmClock *s = opaque;

    return s->user_paused || kvmclock_read(s, errp);
}

static bool kvmclock_pre_load(void *opaque, GError **errp)
{
    ((KvmClock *)opaque)->reliable = false;
    return true;
}

static bool kvmclock_post_load(void *opaque, int version, GError **errp)
{
    ((KvmClock *)opaque)->valid = true;
    return true;
}

static bool kvmclock_reliable_needed(void *opaque)
{
    return ((const KvmClock *)opaque)->reliable;
}

static const Vmstate kvmclock_reliable = {
    .name = "kvmclock/clock_is_reliable",
    .version = 1,
    .oldest = 1,
    .needed = kvmclock_reliable_needed,
    .fields =
        (const VmstateField[]){
            { .name = "clock_is_reliable",
              .kind = VMS_BOOL,
              .offset = offsetof(KvmClock, reliable),
              .size = sizeof(bool) },
            VMSTATE_END,
        },
};

/* Always, here.  A guest that comes from the software CPU has none. */
static bool kvmclock_needed(void *opaque)
{
    return true;
}

static const Vmstate kvmclock_vmstate = {
    .name = "kvmclock",
    .version = 1,
    .oldest = 1,
    .needed = kvmclock_needed,
    .pre_save = kvmclock_pre_save,
    .pre_load = kvmclock_pre_load,
    .post_load = kvmclock_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(KvmClock, clock),
            VMSTATE_END,
        },
    .subsections =
        (const Vmstate *const[]){
            &kvmclock_reliable,
            NULL,
        },
};

static bool kvmclock_realize(Device *dev, GError **errp)
{
    KvmClock *s = DEVICE_CAST(KvmClock, dev);

    s->listener.changed = kvmclock_changed;
    runstate_add_listener(dev->vm, &s->listener);
    return true;
}

static void kvmclock_unrealize(Device *dev)
{
    runstate_del_listener(dev->vm, &DEVICE_CAST(KvmClock, dev)->listener);
}

const DeviceType kvmclock_type = {
    .name = "kvmclock",
    .desc = "Paravirtual clock",
    .size = sizeof(KvmClock),
    .bus = BUS_SYSTEM,
    .realize = kvmclock_realize,
    .unrealize = kvmclock_unrealize,
    .vmstate = &kvmclock_vmstate,
};

bool kvmclock_create(Vm *vm, GError **errp)
{
    const Accel *acc = vm->accel;
    const uint32_t clocks = BIT(0) | BIT(3); /* both numbers of its MSRs */

    if (!acc->type->irqchip || !acc->type->irqchip->get_clock ||
        !acc->type->vcpu_get_tsc || vm->nvcpus == 0 ||
        !(x86_cpu_model_word(vm->vcpus[0]->x86->model, X86_FEAT_KVM) &
          clocks)) {
        return true;
    }
    return device_create(vm, &kvmclock_type, NULL, errp) != NULL;
}
