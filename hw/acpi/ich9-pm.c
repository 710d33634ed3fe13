/*
 * Power management block of the ICH9.
 *
 * Behaviour: Intel ICH9 data sheet 316972-004, section 13.8.3 (power
 * management I/O registers).  On boards without SMM, ACPI is enabled from the
 * start, and APMC_EN is set, so that firmware installs no handler.
 *
 * Stream: "ich9_pm" version 1 within the chip's section, with subsections
 * "ich9_pm/memhp", "ich9_pm/tco", "ich9_pm/cpuhp" and "ich9_pm/pcihp", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ich9-pm.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    REG_SMI_STS = 4, /* behind SMI_EN */
    SMI_EN_GBL = 1 << 0,
};

static Ich9Pm *pm_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return &container_of(d, Ich9Function, pci)->pm;
}

/* Ports */

static uint64_t evt_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_pm_evt_read(&pm_of(dev)->pm, off, size);
}

static void evt_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    acpi_pm_evt_write(&pm_of(dev)->pm, off, val, size);
}

static const IoOps evt_ops = { .read = evt_read, .write = evt_write };

static uint64_t cnt_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_pm_cnt_read(&pm_of(dev)->pm, off, size);
}

static void cnt_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    acpi_pm_cnt_write(&pm_of(dev)->pm, off, val, size);
}

static const IoOps cnt_ops = { .read = cnt_read,
                               .write = cnt_write,
                               .max_size = 2 };

static uint64_t tmr_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_pm_tmr_read(&pm_of(dev)->pm, off, size);
}

static const IoOps tmr_ops = { .read = tmr_read };

static uint64_t gpe_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_pm_gpe_read(&pm_of(dev)->pm, off, size);
}

static void gpe_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    acpi_pm_gpe_write(&pm_of(dev)->pm, off, val, size);
}

static const IoOps gpe_ops = { .read = gpe_read, .write = gpe_write };

static uint64_t smi_read(Device *dev, uint64_t off, unsigned size)
{
    const Ich9Pm *s = pm_of(dev);

    return (off < REG_SMI_STS ? s->smi_en : s->smi_sts) >> (off & 3) * 8;
}

static void smi_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ich9Pm *s = pm_of(dev);
    unsigned shift = (off & 3) * 8;
    uint32_t mask = MAKE_64BIT_MASK(shift, size * 8), bits = val << shift;

    if (off >= REG_SMI_STS) {
        s->smi_sts &= ~(bits & mask);
        return;
    }
    if (s->smi_locked) {
        mask &= ~(uint32_t)SMI_EN_GBL;
    }
    s->smi_en = (s->smi_en & ~mask) | (bits & mask);
}

static const IoOps smi_ops = { .read = smi_read, .write = smi_write };

static uint64_t tco_read(Device *dev, uint64_t off, unsigned size)
{
    return ich9_tco_read(&pm_of(dev)->tco, off, size);
}

static void tco_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    ich9_tco_write(&pm_of(dev)->tco, off, val, size);
}

static const IoOps tco_ops = { .read = tco_read, .write = tco_write };

static uint64_t pcihp_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_pcihp_read(&pm_of(dev)->pcihp, off, size);
}

static void pcihp_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    acpi_pcihp_write(&pm_of(dev)->pcihp, off, val, size);
}

static const IoOps pcihp_ops = { .read = pcihp_read, .write = pcihp_write };

static uint64_t cpuhp_read(Device *dev, uint64_t off, unsigned size)
{
    return acpi_cpuhp_read(&pm_of(dev)->cpuhp, off, size);
}

static void cpuhp_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    acpi_cpuhp_write(&pm_of(dev)->cpuhp, off, val, size);
}

static const IoOps cpuhp_ops = { .read = cpuhp_read, .write = cpuhp_write };

/* SMI */

void ich9_pm_smi_event(Ich9Pm *s, uint32_t event)
{
    s->smi_sts |= event;
    if (s->smm && (s->smi_en & SMI_EN_GBL) && (s->smi_en & event)) {
        s->ops->smi(s->opaque);
    }
}

static void tco_smi(void *opaque)
{
    ich9_pm_smi_event(opaque, ICH9_SMI_TCO);
}

static bool tco_reboots(void *opaque)
{
    const Ich9Pm *s = opaque;

    return s->ops->tco_reboots(s->opaque);
}

static const Ich9TcoOps tco_events = { .smi = tco_smi, .reboots = tco_reboots };

/* Life */

void ich9_pm_set_base(Ich9Pm *s, uint16_t base, bool enabled)
{
    Memory *mem = &s->dev->vm->mem;

    memory_transaction_begin(mem);
    memory_region_set_enabled(&s->block, enabled);
    memory_region_set_address(&s->block, base);
    memory_transaction_commit(mem);
}

static void add_ports(Ich9Pm *s, MemoryRegion *mr, const char *name,
                      unsigned off, unsigned size, const IoOps *ops)
{
    memory_region_init_io(mr, &s->dev->vm->mem, name, size, ops, s->dev);
    memory_region_add(&s->block, off, mr, 0);
    device_own_region(s->dev, mr);
}

static void add_block(Ich9Pm *s)
{
    Memory *mem = &s->dev->vm->mem;

    memory_transaction_begin(mem);
    memory_region_init(&s->block, mem, "ich9-pm", ICH9_PM_BLOCK_SIZE);
    s->block.enabled = false;
    memory_region_add(&mem->io_root, 0, &s->block, 0);
    device_own_region(s->dev, &s->block);
    add_ports(s, &s->evt_io, "acpi-evt", 0, 4, &evt_ops);
    add_ports(s, &s->cnt_io, "acpi-cnt", 4, 2, &cnt_ops);
    add_ports(s, &s->tmr_io, "acpi-tmr", 8, 4, &tmr_ops);
    add_ports(s, &s->gpe_io, "acpi-gpe0", ICH9_GPE0_OFFSET, ICH9_GPE0_LEN,
              &gpe_ops);
    add_ports(s, &s->smi_io, "acpi-smi", 0x30, 8, &smi_ops);
    if (s->enable_tco) {
        add_ports(s, &s->tco_io, "sm-tco", 0x60, ICH9_TCO_PORTS, &tco_ops);
    }
    memory_transaction_commit(mem);
}

bool ich9_pm_init(Ich9Function *chip, const Ich9PmOps *ops, void *opaque,
                  GError **errp)
{
    Ich9Pm *s = &chip->pm;
    Device *dev = &chip->pci.dev;

    s->dev = dev;
    s->ops = ops;
    s->opaque = opaque;
    if (!device_claim_io(dev, &s->cpuhp_io, &cpuhp_ops, "acpi-cpu-hotplug",
                         ICH9_CPUHP_BASE, ICH9_CPUHP_LEN, errp) ||
        (s->bridge_hotplug &&
         !device_claim_io(dev, &s->pcihp_io, &pcihp_ops, "acpi-pci-hotplug",
                          ICH9_PCIHP_BASE, ICH9_PCIHP_LEN, errp))) {
        return false;
    }
    add_block(s);
    acpi_cpuhp_init(&s->cpuhp, dev->vm);
    ich9_tco_init(&s->tco, dev, &tco_events, s);
    acpi_pcihp_init(&s->pcihp, NULL, &s->pm);
    acpi_pm_init(&s->pm, dev, 8 * ICH9_GPE0_LEN / 2);
    s->pm.s3 = !s->disable_s3;
    s->pm.s4 = !s->disable_s4;
    s->pm.s4_val = s->s4_val;
    return true;
}

void ich9_pm_fini(Ich9Pm *s)
{
    acpi_pcihp_fini(&s->pcihp);
    acpi_pm_fini(&s->pm);
    ich9_tco_fini(&s->tco);
    acpi_cpuhp_fini(&s->cpuhp);
}

void ich9_pm_reset(Ich9Pm *s)
{
    s->smi_en = s->smm ? 0 : ICH9_SMI_APMC;
    s->smi_sts = 0;
    s->smi_locked = false;
    acpi_pm_reset(&s->pm);
    s->pm.pm1_cnt = s->smm ? 0 : ACPI_PM1_SCI_EN;
    ich9_tco_reset(&s->tco);
    acpi_pcihp_reset(&s->pcihp);
    acpi_cpuhp_reset(&s->cpuhp);
}

/* Stream */

#define PM_FIELD(name_, f, k)                                        \
    {                                                                \
        .name = (name_), .kind = (k), .offset = offsetof(Ich9Pm, f), \
        .size = sizeof(((Ich9Pm *)0)->f)                             \
    }
#define PM_STRUCT(name_, f, vms_)                                             \
    {                                                                         \
        .name = (name_), .kind = VMS_STRUCT, .offset = offsetof(Ich9Pm, f),   \
        .size = sizeof(((Ich9Pm *)0)->f), .vms = &(vms_), .struct_version = 1 \
    }
#define PM_BYTES(name_, f)                                              \
    {                                                                   \
        .name = (name_), .kind = VMS_U8, .offset = offsetof(Ich9Pm, f), \
        .size = 1, .num = sizeof(((Ich9Pm *)0)->f)                      \
    }

/* The upper half of each array has no events. */
static bool pm_pre_save(void *opaque, GError **errp)
{
    Ich9Pm *s = opaque;

    memset(s->gpe_sts, 0, sizeof(s->gpe_sts));
    memset(s->gpe_en, 0, sizeof(s->gpe_en));
    stq_le_p(s->gpe_sts, s->pm.gpe_sts);
    stq_le_p(s->gpe_en, s->pm.gpe_en);
    return true;
}

/* What the sender wasn't in, this side isn't in either. */
static bool pm_pre_load(void *opaque, GError **errp)
{
    acpi_cpuhp_reset(&((Ich9Pm *)opaque)->cpuhp);
    return true;
}

static bool pm_post_load(void *opaque, int version, GError **errp)
{
    Ich9Pm *s = opaque;

    s->pm.gpe_sts = ldq_le_p(s->gpe_sts);
    s->pm.gpe_en = ldq_le_p(s->gpe_en);
    return acpi_pm_post_load(&s->pm, errp);
}

static bool tco_needed(void *opaque)
{
    return ((const Ich9Pm *)opaque)->enable_tco;
}

static bool pcihp_needed(void *opaque)
{
    return ((const Ich9Pm *)opaque)->bridge_hotplug;
}

static bool cpuhp_needed(void *opaque)
{
    return ((const Ich9Pm *)opaque)->cpuhp.modern;
}

static bool cpuhp_post_load(void *opaque, int version, GError **errp)
{
    ((Ich9Pm *)opaque)->cpuhp.modern = true;
    return true;
}

static const Vmstate memhp_state_vmstate = {
    .name = "memory hotplug state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "selector", .kind = VMS_U32, .size = sizeof(uint32_t) },
            VMSTATE_END,
        },
};

static const Vmstate memhp_vmstate = {
    .name = "ich9_pm/memhp",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            PM_STRUCT("acpi_memory_hotplug", memhp_selector,
                      memhp_state_vmstate),
            VMSTATE_END,
        },
};

static const Vmstate tco_vmstate = {
    .name = "ich9_pm/tco",
    .version = 1,
    .oldest = 1,
    .needed = tco_needed,
    .fields =
        (const VmstateField[]){
            PM_STRUCT("tco_regs", tco, ich9_tco_vmstate),
            VMSTATE_END,
        },
};

static const Vmstate cpuhp_vmstate = {
    .name = "ich9_pm/cpuhp",
    .version = 1,
    .oldest = 1,
    .needed = cpuhp_needed,
    .post_load = cpuhp_post_load,
    .fields =
        (const VmstateField[]){
            PM_STRUCT("cpuhp_state", cpuhp, acpi_cpuhp_vmstate),
            VMSTATE_END,
        },
};

static const Vmstate pcihp_vmstate = {
    .name = "ich9_pm/pcihp",
    .version = 1,
    .oldest = 1,
    .needed = pcihp_needed,
    .fields =
        (const VmstateField[]){
            PM_FIELD("acpi_pci_hotplug.hotplug_select", pcihp.select, VMS_U32),
            { .name = "acpi_pci_hotplug.acpi_pcihp_pci_status",
              .kind = VMS_STRUCT,
              .offset = offsetof(Ich9Pm, pcihp.status),
              .size = sizeof(AcpiPcihpStatus),
              .num = ACPI_PCIHP_BUSES,
              .vms = &acpi_pcihp_status_vmstate,
              .struct_version = 1 },
            PM_FIELD("acpi_pci_hotplug.acpi_index", pcihp.acpi_index, VMS_U32),
            VMSTATE_END,
        },
};

const Vmstate ich9_pm_vmstate = {
    .name = "ich9_pm",
    .version = 1,
    .oldest = 1,
    .pre_save = pm_pre_save,
    .pre_load = pm_pre_load,
    .post_load = pm_post_load,
    .fields =
        (const VmstateField[]){
            PM_FIELD("acpi_regs.pm1.evt.sts", pm.pm1_sts, VMS_U16),
            PM_FIELD("acpi_regs.pm1.evt.en", pm.pm1_en, VMS_U16),
            PM_FIELD("acpi_regs.pm1.cnt.cnt", pm.pm1_cnt, VMS_U16),
            PM_FIELD("acpi_regs.tmr.timer", pm.timer, VMS_TIMER),
            PM_FIELD("acpi_regs.tmr.overflow_time", pm.overflow_ticks, VMS_I64),
            PM_BYTES("acpi_regs.gpe.sts", gpe_sts),
            PM_BYTES("acpi_regs.gpe.en", gpe_en),
            PM_FIELD("smi_en", smi_en, VMS_U32),
            PM_FIELD("smi_sts", smi_sts, VMS_U32),
            VMSTATE_END,
        },
    .subsections =
        (const Vmstate *const[]){ &memhp_vmstate, &tco_vmstate, &cpuhp_vmstate,
                                  &pcihp_vmstate, NULL },
};
