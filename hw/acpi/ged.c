/*
 * Generic event device of microvm: power button, sleep and reset registers.
 *
 *   ACPI_GED_ADDR   events, 32 bits; reading takes them back
 *   ACPI_GED_SLEEP  +0 sleep control, +1 sleep status, +2 reset
 *
 * Registers: ACPI specification 6.4, 4.8.3.7 (sleep control and status),
 * 4.8.3.6 (reset), 5.6.9 (generic event device).
 * Stream: "acpi-ged" version 1 with "acpi-ged/memhp", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ged.h"

#include "hw/acpi/pc-tables.h"
#include "system/vm.h"

enum {
    SLEEP_CONTROL = 0,
    SLEEP_RESET = 2,
    SLEEP_REGS = 3,
    SLEEP_TYPE_SHIFT = 2,
    SLEEP_TYPE_MASK = 7,
    SLEEP_ENABLE = 1 << 5,
};

typedef struct AcpiGed {
    Device dev;
    MemoryRegion events, regs;
    IrqLine irq;
    uint32_t sel;            /* ACPI_GED_*; migrated */
    uint32_t memhp_selector; /* of a part that isn't there; migrated */
    uint32_t ged_event;      /* property: the events it may report */
} AcpiGed;

static uint64_t ged_events_read(Device *dev, uint64_t off, unsigned size)
{
    AcpiGed *s = DEVICE_CAST(AcpiGed, dev);
    uint32_t sel = s->sel;

    s->sel = 0;
    return sel;
}

static const IoOps ged_events_ops = {
    .read = ged_events_read,
    .min_valid = 4,
    .max_valid = 4,
};

static uint64_t ged_regs_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void ged_regs_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    if (off == SLEEP_CONTROL && (val & SLEEP_ENABLE) &&
        ((val >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK) == ACPI_GED_S5) {
        vm_request_shutdown(dev->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (off == SLEEP_RESET && val == ACPI_GED_RESET_VALUE) {
        machine_request_reset(dev->machine, RESET_BY_GUEST);
    }
}

static const IoOps ged_regs_ops = {
    .read = ged_regs_read,
    .write = ged_regs_write,
    .max_size = 1,
};

static void ged_map(AcpiGed *s, MemoryRegion *mr, const char *name,
                    uint64_t addr, uint64_t len, const IoOps *ops)
{
    Memory *mem = &s->dev.vm->mem;

    memory_region_init_io(mr, mem, name, len, ops, &s->dev);
    memory_region_add(&mem->root, addr, mr, 0);
    device_own_region(&s->dev, mr);
}

static bool ged_realize(Device *dev, GError **errp)
{
    AcpiGed *s = DEVICE_CAST(AcpiGed, dev);

    dev->vm->has_acpi = true;
    irq_out_init(dev, &s->irq, "sysbus-irq");
    ged_map(s, &s->events, "acpi-ged", ACPI_GED_ADDR, 4, &ged_events_ops);
    ged_map(s, &s->regs, "acpi-ged-regs", ACPI_GED_SLEEP, SLEEP_REGS,
            &ged_regs_ops);
    return true;
}

static void ged_reset(Device *dev)
{
    DEVICE_CAST(AcpiGed, dev)->sel = 0;
}

static const Vmstate ged_state_vmstate = {
    .name = "acpi-ged-state",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U32(AcpiGed, sel), VMSTATE_END },
};

static const Vmstate ged_selector_vmstate = {
    .name = "memory hotplug state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ { .name = "selector",
                                  .kind = VMS_U32,
                                  .offset = offsetof(AcpiGed, memhp_selector),
                                  .size = sizeof(uint32_t) },
                                VMSTATE_END },
};

/* A struct on the wire whose members lie in the device itself. */
#define GED_PART(name_, vms_, version_)                                       \
    {                                                                         \
        .name = (name_), .kind = VMS_STRUCT, .offset = 0,                     \
        .size = sizeof(AcpiGed), .vms = &(vms_), .struct_version = (version_) \
    }

static const Vmstate ged_memhp_vmstate = {
    .name = "acpi-ged/memhp",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            GED_PART("memhp_state", ged_selector_vmstate, 1), VMSTATE_END },
};

static const Vmstate ged_vmstate = {
    .name = "acpi-ged",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ GED_PART("ged_state", ged_state_vmstate, 1),
                                VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &ged_memhp_vmstate, NULL },
};

static const Property ged_props[] = {
    PROP(PROP_U32, AcpiGed, ged_event, "ged-event", .def = ACPI_GED_POWER),
    PROP_END,
};

const DeviceType acpi_ged_type = {
    .name = "acpi-ged-x86",
    .parent = "acpi-ged",
    .size = sizeof(AcpiGed),
    .bus = BUS_SYSTEM,
    .props = ged_props,
    .realize = ged_realize,
    .reset = ged_reset,
    .vmstate = &ged_vmstate,
};

Device *acpi_ged_create(Machine *m, GError **errp)
{
    Device *dev = device_create(m->vm, &acpi_ged_type, NULL, errp);

    if (dev != NULL) {
        irq_connect(&DEVICE_CAST(AcpiGed, dev)->irq, &m->gsi[ACPI_GED_IRQ]);
    }
    return dev;
}

void acpi_ged_press_button(Device *ged)
{
    AcpiGed *s = DEVICE_CAST(AcpiGed, ged);

    if (s->ged_event & ACPI_GED_POWER) {
        s->sel |= ACPI_GED_POWER;
        irq_pulse(&s->irq);
    }
}
