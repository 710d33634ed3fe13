/*
 * VMware's backdoor: an IN from port 0x5658 with a magic number in EAX is a
 * call, its number in ECX.
 *
 * Interface: "VMware Backdoor I/O Port" (Ken Kato, 2004) and Linux,
 * arch/x86/include/asm/vmware.h (numbers).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/vmport.h"

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "target/i386/cpu.h"
#include "util/error.h"

#define VMPORT_PORT  0x5658
#define VMPORT_MAGIC 0x564d5868

enum {
    CMD_GET_VERSION = 0x0a,
    CMD_GET_UUID = 0x13,
    CMD_GET_RAM_SIZE = 0x14,
};

typedef struct Vmport {
    Device dev;
    IoRange io;
    struct {
        VmportFn *fn;
        void *opaque;
    } commands[VMPORT_COMMANDS];
    bool read_set_eax, signal_unsupported, report_type, cmds_v2;
    uint32_t vmx_version;
    uint8_t vmx_type;
} Vmport;

void vmport_register(Device *vmport, unsigned command, VmportFn *fn,
                     void *opaque)
{
    Vmport *s = DEVICE_CAST(Vmport, vmport);

    if (command < VMPORT_COMMANDS) {
        s->commands[command].fn = fn;
        s->commands[command].opaque = opaque;
    }
}

static uint32_t vmport_call(Vmport *s, X86Cpu *x86)
{
    uint16_t command = x86->regs[X86_RCX];

    if ((uint32_t)x86->regs[X86_RAX] != VMPORT_MAGIC) {
        return x86->regs[X86_RAX];
    }
    if (command >= VMPORT_COMMANDS || s->commands[command].fn == NULL) {
        return s->signal_unsupported ? UINT32_MAX : x86->regs[X86_RAX];
    }
    return s->commands[command].fn(s->commands[command].opaque, x86);
}

/* The result is in EAX already: the read itself must not spoil it. */
static uint64_t vmport_read(Device *dev, uint64_t off, unsigned size)
{
    Vmport *s = DEVICE_CAST(Vmport, dev);
    Vcpu *cpu = vcpu_current();
    uint32_t eax;

    if (cpu == NULL || !vcpu_sync_state(cpu, NULL)) {
        return UINT32_MAX;
    }
    eax = vmport_call(s, cpu->x86);
    cpu->x86->regs[X86_RAX] = eax;
    vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    return eax;
}

/* An OUT is a call, too, whose EAX goes nowhere. */
static void vmport_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Vcpu *cpu = vcpu_current();

    if (cpu != NULL && vcpu_sync_state(cpu, NULL)) {
        vmport_call(DEVICE_CAST(Vmport, dev), cpu->x86);
        vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    }
}

static const IoOps vmport_io = {
    .read = vmport_read,
    .write = vmport_write,
    .min_size = 4,
    .max_size = 4,
    .min_valid = 1,
    .max_valid = 4,
    .whole = true, /* one port, all of EAX */
};

static uint32_t vmport_get_version(void *opaque, X86Cpu *x86)
{
    const Vmport *s = opaque;

    x86->regs[X86_RBX] = VMPORT_MAGIC;
    if (s->report_type) {
        x86->regs[X86_RCX] = s->vmx_type;
    }
    return s->vmx_version;
}

static uint32_t vmport_get_ram_size(void *opaque, X86Cpu *x86)
{
    const Vmport *s = opaque;
    uint64_t ram = s->dev.machine ? s->dev.machine->ram_size : 0;

    x86->regs[X86_RBX] = 0x1177;
    return MIN(ram, UINT32_MAX);
}

/* Four registers of four bytes each, as they lie in memory. */
static uint32_t vmport_get_uuid(void *opaque, X86Cpu *x86)
{
    const Vmport *s = opaque;
    uint32_t part[4];

    memcpy(part, s->dev.vm->uuid, sizeof(part));
    x86->regs[X86_RBX] = part[1];
    x86->regs[X86_RCX] = part[2];
    x86->regs[X86_RDX] = part[3];
    return part[0];
}

static bool vmport_realize(Device *dev, GError **errp)
{
    Vmport *s = DEVICE_CAST(Vmport, dev);

    if (!s->read_set_eax) {
        error_setf(errp, "x-read-set-eax=off is not supported");
        return false;
    }
    vmport_register(dev, CMD_GET_VERSION, vmport_get_version, s);
    vmport_register(dev, CMD_GET_RAM_SIZE, vmport_get_ram_size, s);
    if (s->cmds_v2) {
        vmport_register(dev, CMD_GET_UUID, vmport_get_uuid, s);
    }
    return isa_claim_io(dev, &s->io, &vmport_io, VMPORT_PORT, 1, errp);
}

static const Property vmport_props[] = {
    PROP(PROP_BOOL, Vmport, read_set_eax, "x-read-set-eax", .def = true),
    PROP(PROP_BOOL, Vmport, signal_unsupported, "x-signal-unsupported-cmd",
         .def = true),
    PROP(PROP_BOOL, Vmport, report_type, "x-report-vmx-type", .def = true),
    PROP(PROP_BOOL, Vmport, cmds_v2, "x-cmds-v2", .def = true),
    PROP(PROP_U32, Vmport, vmx_version, "vmware-vmx-version", .def = 6),
    PROP(PROP_U8, Vmport, vmx_type, "vmware-vmx-type", .def = 2),
    PROP_END,
};

const DeviceType vmport_type = {
    .name = "vmport",
    .size = sizeof(Vmport),
    .bus = BUS_ISA,
    .props = vmport_props,
    .realize = vmport_realize,
    .vmstate = VMSTATE_NONE,
};

Device *vmport_create(Bus *isa, GError **errp)
{
    return device_create(isa->vm, &vmport_type, isa, errp);
}
