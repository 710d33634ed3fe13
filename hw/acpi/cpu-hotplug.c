/*
 * CPU hot-plug registers of ACPI, 32 bytes: first a bitmap of present CPUs;
 * once the guest writes to its first byte, a selector with a mailbox.
 *
 * Stream: "CPU hotplug state" version 1, ABI, as part of the chip's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/hotplug.h"

#include "accel/vcpu.h"
#include "system/vm.h"

enum {
    REG_SELECTOR = 0, /* W; R: high half of the command's data */
    REG_FLAGS = 4,
    REG_COMMAND = 5, /* W */
    REG_DATA = 8,
    BITMAP_BYTES = 32,
    FLAG_ENABLED = 1 << 0,
    FLAG_INSERT = 1 << 1,
    FLAG_REMOVE = 1 << 2,
    CMD_NEXT_EVENT = 0, /* selects the next CPU with an event */
    CMD_OST_EVENT = 1,
    CMD_OST_STATUS = 2,
    CMD_ARCH_ID = 3,
    CMD_COUNT,
};

static const Vcpu *vcpu_at(const AcpiCpuhp *hp, uint32_t n)
{
    return n < hp->vm->nvcpus ? hp->vm->vcpus[n] : NULL;
}

static uint8_t bitmap_byte(const AcpiCpuhp *hp, unsigned off)
{
    uint8_t bits = 0;

    for (unsigned n = 0; n < hp->vm->nvcpus; n++) {
        uint32_t id = hp->vm->vcpus[n]->apic_id;

        if (id / 8 == off) {
            bits |= 1u << (id % 8);
        }
    }
    return bits;
}

/* The APIC id also of CPUs that could be there; they are all numbered so. */
static uint32_t arch_id(const AcpiCpuhp *hp, uint32_t n)
{
    const Vcpu *cpu = vcpu_at(hp, n);

    return cpu != NULL ? cpu->apic_id : n;
}

static uint8_t cpu_hotplug_flags(const AcpiCpuhp *hp)
{
    const AcpiCpuhpDev *d = &hp->devs[hp->selector];

    return (vcpu_at(hp, hp->selector) != NULL ? FLAG_ENABLED : 0) |
           (d->is_inserting ? FLAG_INSERT : 0) |
           (d->is_removing ? FLAG_REMOVE : 0);
}

uint64_t acpi_cpuhp_read(AcpiCpuhp *hp, unsigned off, unsigned size)
{
    uint64_t val = 0;

    if (!hp->modern) {
        for (unsigned i = 0; i < size && off + i < BITMAP_BYTES; i++) {
            val |= (uint64_t)bitmap_byte(hp, off + i) << (8 * i);
        }
        return val;
    }
    if (off > REG_DATA + 3) {
        return UINT64_MAX;
    }
    if (hp->selector >= hp->ndevs) {
        return 0;
    }
    if (off == REG_FLAGS) {
        return cpu_hotplug_flags(hp);
    }
    if (off == REG_DATA && hp->command == CMD_NEXT_EVENT) {
        return hp->selector;
    }
    if (off == REG_DATA && hp->command == CMD_ARCH_ID) {
        return arch_id(hp, hp->selector);
    }
    return 0;
}

static void select_next_event(AcpiCpuhp *hp)
{
    for (uint32_t i = 0; i < hp->ndevs; i++) {
        uint32_t n = (hp->selector + i) % hp->ndevs;

        if (hp->devs[n].is_inserting || hp->devs[n].is_removing) {
            hp->selector = n;
            return;
        }
    }
}

static void write_data(AcpiCpuhp *hp, uint32_t val)
{
    AcpiCpuhpDev *d = &hp->devs[hp->selector];

    if (hp->command == CMD_OST_EVENT) {
        d->ost_event = val;
    } else if (hp->command == CMD_OST_STATUS) {
        d->ost_status = val;
        if (hp->vm->hooks->event_acpi_ost != NULL) {
            hp->vm->hooks->event_acpi_ost(hp->vm, hp->selector, d->ost_event,
                                          val);
        }
    }
}

static void write_selected(AcpiCpuhp *hp, unsigned off, uint32_t val)
{
    AcpiCpuhpDev *d = &hp->devs[hp->selector];

    switch (off) {
    case REG_FLAGS:
        /* One bit is eject: no CPU was asked to go. */
        d->is_inserting &= !(val & FLAG_INSERT);
        d->is_removing &= !(val & FLAG_REMOVE);
        break;
    case REG_COMMAND:
        if (val < CMD_COUNT) {
            hp->command = val;
        }
        if (val == CMD_NEXT_EVENT) {
            select_next_event(hp);
        }
        break;
    case REG_DATA:
        write_data(hp, val);
        break;
    default:
        break;
    }
}

void acpi_cpuhp_write(AcpiCpuhp *hp, unsigned off, uint32_t val, unsigned size)
{
    if (!hp->modern) {
        hp->modern = off == REG_SELECTOR && val == 0;
        return;
    }
    if (off == REG_SELECTOR) {
        hp->selector = val;
    } else if (hp->selector < hp->ndevs) {
        write_selected(hp, off, val);
    }
}

void acpi_cpuhp_init(AcpiCpuhp *hp, Vm *vm)
{
    hp->vm = vm;
    hp->ndevs = MIN(MAX(vm->max_vcpus, vm->nvcpus), ACPI_CPUHP_MAX);
    hp->devs = g_new0(AcpiCpuhpDev, MAX(hp->ndevs, 1));
    vm->has_acpi = true;
    vm->acpi_cpuhp = hp;
}

void acpi_cpuhp_fini(AcpiCpuhp *hp)
{
    if (hp->vm != NULL && hp->vm->acpi_cpuhp == hp) {
        hp->vm->acpi_cpuhp = NULL;
    }
    g_clear_pointer(&hp->devs, g_free);
}

void acpi_cpuhp_reset(AcpiCpuhp *hp)
{
    hp->modern = false;
    hp->selector = 0;
    hp->command = 0;
    memset(hp->devs, 0, hp->ndevs * sizeof(*hp->devs));
}

static const Vmstate dev_vmstate = {
    .name = "CPU hotplug device state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_BOOL(AcpiCpuhpDev, is_inserting),
            VMSTATE_BOOL(AcpiCpuhpDev, is_removing),
            VMSTATE_U32(AcpiCpuhpDev, ost_event),
            VMSTATE_U32(AcpiCpuhpDev, ost_status),
            VMSTATE_END,
        },
};

const Vmstate acpi_cpuhp_vmstate = {
    .name = "CPU hotplug state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(AcpiCpuhp, selector),
            VMSTATE_U8(AcpiCpuhp, command),
            { .name = "devs",
              .kind = VMS_STRUCT,
              .offset = offsetof(AcpiCpuhp, devs),
              .size = sizeof(AcpiCpuhpDev),
              .num_offset = offsetof(AcpiCpuhp, ndevs),
              .num_max = ACPI_CPUHP_MAX,
              .flags = VMF_POINTER | VMF_VARRAY_U32,
              .vms = &dev_vmstate },
            VMSTATE_END,
        },
};
