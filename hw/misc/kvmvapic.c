/*
 * Optimised task priority accesses for 32-bit Windows guests without hardware
 * help: section "kvm-tpr-opt" of the stream.  An option ROM would have to
 * patch the guest for it, and there is none here, so that it stays inactive; a
 * guest whose ROM elsewhere stands by goes on so, and keeps what it brought.
 * `-global apic-common.vapic=off` leaves the section out, here as there.
 *
 * A guest that was patched is refused.  Its code calls the ROM, which keeps the
 * task priority in a page that the hypervisor must keep in step with the APIC
 * (KVM_SET_VAPIC_ADDR), and which asks for help by a protocol of its own that
 * no document describes.  Such a guest would lose interrupts if anything of it
 * were missed.  It only comes from hosts without a TPR shadow or from tcg, and
 * its owner can keep it from being patched.
 *
 * Stream: "kvm-tpr-opt" version 1, ABI; learnt from streams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/kvmvapic.h"

#include "util/error.h"

/*
 * A pc of the reference implementation goes to standby when its firmware has
 * started the ROM: all fields but rom_state_paddr are zero then.
 */
enum { VAPIC_INACTIVE = 0, VAPIC_PATCHED = 1, VAPIC_STANDBY = 2 };

typedef struct VapicHandlers {
    uint32_t set_tpr, set_tpr_eax, get_tpr[8], get_tpr_stack;
} VapicHandlers;

typedef struct VapicRom {
    uint32_t vaddr, fixup_start, fixup_end, vapic_vaddr, vapic_size;
    uint32_t vcpu_shift, real_tpr_addr;
    VapicHandlers up, mp;
} VapicRom;

typedef struct Kvmvapic {
    Device dev;
    VapicRom rom_state;
    uint32_t state; /* VAPIC_* */
    uint32_t real_tpr_addr, rom_state_vaddr, vapic_paddr, rom_state_paddr;
} Kvmvapic;

static const Vmstate vmstate_handlers = {
    .name = "kvmvapic-handlers",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_U32(VapicHandlers, set_tpr),
                                VMSTATE_U32(VapicHandlers, set_tpr_eax),
                                VMSTATE_U32_ARRAY(VapicHandlers, get_tpr, 8),
                                VMSTATE_U32(VapicHandlers, get_tpr_stack),
                                VMSTATE_END },
};

static const Vmstate vmstate_rom = {
    .name = "kvmvapic-guest-rom",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_UNUSED(8),
            VMSTATE_U32(VapicRom, vaddr),
            VMSTATE_U32(VapicRom, fixup_start),
            VMSTATE_U32(VapicRom, fixup_end),
            VMSTATE_U32(VapicRom, vapic_vaddr),
            VMSTATE_U32(VapicRom, vapic_size),
            VMSTATE_U32(VapicRom, vcpu_shift),
            VMSTATE_U32(VapicRom, real_tpr_addr),
            VMSTATE_STRUCT(VapicRom, up, vmstate_handlers, 1),
            VMSTATE_STRUCT(VapicRom, mp, vmstate_handlers, 1),
            VMSTATE_END,
        },
};

static bool kvmvapic_post_load(void *opaque, int version, GError **errp)
{
    const Kvmvapic *s = opaque;

    if (s->state > VAPIC_STANDBY) {
        error_setf(errp, "state %u: at most %u", s->state, VAPIC_STANDBY);
        return false;
    }
    if (s->state == VAPIC_PATCHED || s->real_tpr_addr != 0) {
        error_setf(errp,
                   "state %u, real_tpr_addr 0x%x: a guest with patched task "
                   "priority accesses is not supported (at the source, "
                   "-global apic-common.vapic=off keeps it from that)",
                   s->state, s->real_tpr_addr);
        return false;
    }
    return true;
}

static const Vmstate kvmvapic_vmstate = {
    .name = "kvm-tpr-opt",
    .version = 1,
    .oldest = 1,
    .post_load = kvmvapic_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(Kvmvapic, rom_state, vmstate_rom, 1),
            VMSTATE_U32(Kvmvapic, state),
            VMSTATE_U32(Kvmvapic, real_tpr_addr),
            VMSTATE_U32(Kvmvapic, rom_state_vaddr),
            VMSTATE_U32(Kvmvapic, vapic_paddr),
            VMSTATE_U32(Kvmvapic, rom_state_paddr),
            VMSTATE_END,
        },
};

static void kvmvapic_reset(Device *dev)
{
    Kvmvapic *s = DEVICE_CAST(Kvmvapic, dev);

    memset(&s->rom_state, 0, sizeof(s->rom_state));
    s->state = s->real_tpr_addr = s->rom_state_vaddr = 0;
    s->vapic_paddr = s->rom_state_paddr = 0;
}

const DeviceType kvmvapic_type = {
    .name = "kvmvapic",
    .size = sizeof(Kvmvapic),
    .bus = BUS_SYSTEM,
    .reset = kvmvapic_reset,
    .vmstate = &kvmvapic_vmstate,
};

Device *kvmvapic_create(struct Vm *vm, GError **errp)
{
    return device_create(vm, &kvmvapic_type, NULL, errp);
}
