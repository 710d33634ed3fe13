/*
 * 82371AB (PIIX4), function 3: power management and SMBus.
 *
 * Behaviour: Intel 82371AB data sheet (290562-001), sections 7.1 (PCI
 * configuration), 7.2 (power management I/O) and 7.3 (SMBus I/O).  The values
 * that the tables give for the SMI command port switch ACPI by themselves, with
 * or without firmware's SMI handler.  On boards without SMM, ACPI is enabled
 * from the start, and APMC_EN is set, so that firmware installs no handler.
 *
 * Stream: "piix4_pm" version 3 with subsections "piix4_pm/memhp" and
 * "piix4_pm/cpuhp", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/piix4-pm.h"

#include "accel/accel.h"
#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/hotplug.h"
#include "hw/acpi/smbus.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    PIIX4_PM_DEVFN = 1 << 3 | 3,
    REG_PMBA = 0x40,
    REG_DEVACTB = 0x58,
    REG_DEVRESA = 0x5c, /* byte 3, bit 7: parallel port decoded */
    REG_DEVRESB = 0x60, /* what is decoded for serial ports, in both */
    REG_DEVRESC = 0x64,
    REG_PMREGMISC = 0x80, /* bit 0: PMBA decoded */
    REG_SMBBA = 0x90,
    REG_SMBHSTCFG = 0xd2, /* bit 0: SMBBA decoded; bits 3:1: IRQ 9 */
    APMC_EN = 1 << 1,     /* in byte 3 of DEVACTB: writes to APMC make an SMI */
    IO_ENABLE = 1 << 0,
    PM_BLOCK_MASK = 0xffc0,
    PM_BLOCK_SIZE = 64,
    APM_PORTS = 2,
};

typedef struct Piix4Pm {
    PciDevice pci;
    AcpiPm pm;
    uint16_t gpe_sts, gpe_en; /* of pm, only while it is saved or loaded */
    uint8_t apmc, apms;       /* the APM ports; migrated */
    Smbus smb;
    uint32_t smb_io_base;
    uint8_t disable_s3, disable_s4, s4_val;
    bool smm;                          /* the board has SMM */
    bool bridge_hotplug, root_hotplug; /* functions come and go there */
    AcpiPcihp pcihp;
    AcpiCpuhp cpuhp;
    uint32_t memhp_selector; /* migrated; there is no memory hot plug */
    MemoryRegion pm_io, evt_io, cnt_io, tmr_io, smb_mr;
    IoRange apm_io, gpe_io, pcihp_io, cpuhp_io;
} Piix4Pm;

static Piix4Pm *pm_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, Piix4Pm, pci);
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

static uint64_t apm_read(Device *dev, uint64_t off, unsigned size)
{
    return off == 0 ? pm_of(dev)->apmc : pm_of(dev)->apms;
}

/* To the first CPU, as boards have it. */
static void send_smi(Piix4Pm *s)
{
    Vm *vm = s->pci.dev.vm;

    if (vm->nvcpus != 0 && vm->accel->type->vcpu_smi != NULL) {
        vm->accel->type->vcpu_smi(vm->vcpus[0]);
    }
}

/* The command port. */
static void apm_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Piix4Pm *s = pm_of(dev);

    if (off != 0) {
        s->apms = val;
        return;
    }
    s->apmc = val;
    if (val == PIIX4_ACPI_ENABLE) {
        s->pm.pm1_cnt |= ACPI_PM1_SCI_EN;
    } else if (val == PIIX4_ACPI_DISABLE) {
        s->pm.pm1_cnt &= ~ACPI_PM1_SCI_EN;
    }
    if (s->smm && (s->pci.config[REG_DEVACTB + 3] & APMC_EN)) {
        send_smi(s);
    }
}

static const IoOps apm_ops = { .read = apm_read,
                               .write = apm_write,
                               .max_size = 1 };

static uint64_t smb_read(Device *dev, uint64_t off, unsigned size)
{
    return smbus_read(&pm_of(dev)->smb, off);
}

static void smb_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    smbus_write(&pm_of(dev)->smb, off, val);
}

static const IoOps smb_ops = { .read = smb_read,
                               .write = smb_write,
                               .max_size = 1 };

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

/* Decoding */

static void ports_update(Piix4Pm *s)
{
    Memory *mem = &s->pci.dev.vm->mem;
    const uint8_t *c = s->pci.config;

    memory_transaction_begin(mem);
    memory_region_set_enabled(&s->pm_io, c[REG_PMREGMISC] & IO_ENABLE);
    memory_region_set_address(&s->pm_io,
                              lduw_le_p(c + REG_PMBA) & PM_BLOCK_MASK);
    memory_region_set_enabled(&s->smb_mr, c[REG_SMBHSTCFG] & IO_ENABLE);
    memory_region_set_address(&s->smb_mr,
                              lduw_le_p(c + REG_SMBBA) & PM_BLOCK_MASK);
    memory_transaction_commit(mem);
}

static void pm_config_write(PciDevice *d, unsigned addr, uint32_t val,
                            unsigned len)
{
    pci_default_config_write(d, addr, val, len);
    if (addr + len > REG_PMBA) {
        ports_update(container_of(d, Piix4Pm, pci));
    }
}

/* Life */

void piix4_pm_set_ports(Device *pm, bool parallel, uint8_t serials)
{
    uint8_t *c = PCI_DEVICE(pm)->config;

    c[REG_DEVRESA + 3] = 0x10 | (parallel ? 0x80 : 0);
    c[REG_DEVRESB + 3] = 0x60;
    c[REG_DEVRESC + 3] = (serials & 1 ? 0x08 : 0) | (serials & 2 ? 0x90 : 0);
}

static void init_config(Piix4Pm *s)
{
    uint8_t *c = s->pci.config;

    c[PCI_INTERRUPT_PIN] = 1;
    c[REG_PMBA] = 0x01;
    stl_le_p(c + REG_SMBBA, s->smb_io_base | 1);
    c[REG_SMBHSTCFG] = 0x08 | IO_ENABLE;
}

static void add_port_block(Piix4Pm *s, MemoryRegion *parent, uint64_t addr,
                           MemoryRegion *mr, const char *name, uint64_t size,
                           const IoOps *ops)
{
    Device *dev = &s->pci.dev;

    memory_region_init_io(mr, &dev->vm->mem, name, size, ops, dev);
    memory_region_add(parent, addr, mr, 0);
    device_own_region(dev, mr);
}

static void add_movable_ports(Piix4Pm *s)
{
    Device *dev = &s->pci.dev;
    Memory *mem = &dev->vm->mem;

    memory_transaction_begin(mem);
    memory_region_init(&s->pm_io, mem, "piix4-pm", PM_BLOCK_SIZE);
    s->pm_io.enabled = false;
    memory_region_add(&mem->io_root, 0, &s->pm_io, 0);
    device_own_region(dev, &s->pm_io);
    add_port_block(s, &s->pm_io, 0, &s->evt_io, "acpi-evt", 4, &evt_ops);
    add_port_block(s, &s->pm_io, 4, &s->cnt_io, "acpi-cnt", 2, &cnt_ops);
    add_port_block(s, &s->pm_io, 8, &s->tmr_io, "acpi-tmr", 4, &tmr_ops);
    add_port_block(s, &mem->io_root, s->smb_io_base & PM_BLOCK_MASK, &s->smb_mr,
                   "pm-smbus", SMBUS_PORTS, &smb_ops);
    ports_update(s);
    memory_transaction_commit(mem);
}

static bool claim_ports(Piix4Pm *s, GError **errp)
{
    Device *dev = &s->pci.dev;

    return device_claim_io(dev, &s->apm_io, &apm_ops, "apm-io", PIIX4_SMI_CMD,
                           APM_PORTS, errp) &&
           device_claim_io(dev, &s->gpe_io, &gpe_ops, "acpi-gpe0",
                           PIIX4_GPE0_BASE, PIIX4_GPE0_LEN, errp) &&
           device_claim_io(dev, &s->pcihp_io, &pcihp_ops, "acpi-pci-hotplug",
                           PIIX4_PCIHP_BASE, PIIX4_PCIHP_LEN, errp) &&
           device_claim_io(dev, &s->cpuhp_io, &cpuhp_ops, "acpi-cpu-hotplug",
                           PIIX4_CPUHP_BASE, PIIX4_CPUHP_LEN, errp);
}

static bool pm_realize(Device *dev, GError **errp)
{
    Piix4Pm *s = pm_of(dev);
    Machine *m = dev->machine;

    if (m->gsi == NULL || m->ngsi <= PIIX4_SCI_IRQ) {
        error_setf(errp, "the board has no interrupt %u", PIIX4_SCI_IRQ);
        return false;
    }
    if (s->smb_io_base > 0xffff) {
        error_setf(errp, "smb_io_base 0x%x: at most 0xffff", s->smb_io_base);
        return false;
    }
    if (!claim_ports(s, errp)) {
        return false;
    }
    s->pci.config_write = pm_config_write;
    acpi_pcihp_init(&s->pcihp, s->root_hotplug ? pci_bus_of(&s->pci) : NULL,
                    &s->pm);
    init_config(s);
    add_movable_ports(s);
    acpi_cpuhp_init(&s->cpuhp, dev->vm);
    smbus_init(&s->smb, dev->vm, SMBUS_AUXCTL_E32B);
    acpi_pm_init(&s->pm, dev, 8 * PIIX4_GPE0_LEN / 2);
    s->pm.s3 = !s->disable_s3;
    s->pm.s4 = !s->disable_s4;
    s->pm.s4_val = s->s4_val;
    irq_out_init(dev, &s->pm.sci, "sci");
    irq_connect(&s->pm.sci, &m->gsi[PIIX4_SCI_IRQ]);
    return true;
}

static void pm_unrealize(Device *dev)
{
    Piix4Pm *s = pm_of(dev);

    acpi_pcihp_fini(&s->pcihp);
    acpi_pm_fini(&s->pm);
    smbus_fini(&s->smb, dev->vm);
    acpi_cpuhp_fini(&s->cpuhp);
}

static void pm_reset(Device *dev)
{
    Piix4Pm *s = pm_of(dev);
    uint8_t *c = s->pci.config;

    stl_le_p(c + REG_DEVACTB, 0);
    c[REG_DEVACTB + 3] = s->smm ? 0 : APMC_EN;
    c[REG_PMBA] = 0x01;
    c[REG_PMREGMISC] = 0;
    s->apmc = 0;
    s->apms = 0;
    acpi_pm_reset(&s->pm);
    s->pm.pm1_cnt = s->smm ? 0 : ACPI_PM1_SCI_EN;
    acpi_pcihp_reset(&s->pcihp);
    acpi_cpuhp_reset(&s->cpuhp);
    ports_update(s);
}

/* Stream */

#define PM_FIELD(name_, T, f, k)                                \
    {                                                           \
        .name = (name_), .kind = (k), .offset = offsetof(T, f), \
        .size = sizeof(((T *)0)->f)                             \
    }
/* A part of the whole that has a description of its own. */
#define PM_STRUCT(name_, T, vms_)                               \
    {                                                           \
        .name = (name_), .kind = VMS_STRUCT, .size = sizeof(T), \
        .vms = &(vms_), .struct_version = 1                     \
    }

static bool pm_pre_save(void *opaque, GError **errp)
{
    Piix4Pm *s = opaque;

    s->gpe_sts = s->pm.gpe_sts;
    s->gpe_en = s->pm.gpe_en;
    return true;
}

static bool pm_post_load(void *opaque, int version, GError **errp)
{
    Piix4Pm *s = opaque;

    s->pm.gpe_sts = s->gpe_sts;
    s->pm.gpe_en = s->gpe_en;
    ports_update(s);
    return acpi_pm_post_load(&s->pm, errp);
}

/* What the sender wasn't in, this side isn't in either. */
static bool pm_pre_load(void *opaque, GError **errp)
{
    acpi_cpuhp_reset(&((Piix4Pm *)opaque)->cpuhp);
    return true;
}

static bool cpuhp_needed(void *opaque)
{
    return ((const Piix4Pm *)opaque)->cpuhp.modern;
}

static bool cpuhp_post_load(void *opaque, int version, GError **errp)
{
    ((Piix4Pm *)opaque)->cpuhp.modern = true;
    return true;
}

static const Vmstate apm_vmstate = {
    .name = "APM State",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Piix4Pm, apmc),
            VMSTATE_U8(Piix4Pm, apms),
            VMSTATE_END,
        },
};

static const Vmstate gpe_vmstate = {
    .name = "gpe",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            PM_FIELD("sts", Piix4Pm, gpe_sts, VMS_U16),
            PM_FIELD("en", Piix4Pm, gpe_en, VMS_U16),
            VMSTATE_END,
        },
};

static const Vmstate memhp_state_vmstate = {
    .name = "memory hotplug state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            PM_FIELD("selector", Piix4Pm, memhp_selector, VMS_U32),
            VMSTATE_END,
        },
};

static const Vmstate memhp_vmstate = {
    .name = "piix4_pm/memhp",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            PM_STRUCT("acpi_memory_hotplug", Piix4Pm, memhp_state_vmstate),
            VMSTATE_END,
        },
};

static const Vmstate cpuhp_vmstate = {
    .name = "piix4_pm/cpuhp",
    .version = 1,
    .oldest = 1,
    .needed = cpuhp_needed,
    .post_load = cpuhp_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "cpuhp_state",
              .kind = VMS_STRUCT,
              .offset = offsetof(Piix4Pm, cpuhp),
              .size = sizeof(AcpiCpuhp),
              .vms = &acpi_cpuhp_vmstate,
              .struct_version = 1 },
            VMSTATE_END,
        },
};

static bool has_bridges(void *opaque, int version)
{
    return ((const Piix4Pm *)opaque)->bridge_hotplug;
}

static bool has_root_alone(void *opaque, int version)
{
    return !has_bridges(opaque, version);
}

/* As acpi_pcihp_status_vmstate, of the root bus alone. */
static const Vmstate pci_status_vmstate = {
    .name = "pci_status",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(AcpiPcihpStatus, up),
            VMSTATE_U32(AcpiPcihpStatus, down),
            VMSTATE_END,
        },
};

static const Vmstate pm_vmstate = {
    .name = "piix4_pm",
    .version = 3,
    .oldest = 3,
    .pre_save = pm_pre_save,
    .pre_load = pm_pre_load,
    .post_load = pm_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Piix4Pm, pci, "parent_obj"),
            PM_FIELD("ar.pm1.evt.sts", Piix4Pm, pm.pm1_sts, VMS_U16),
            PM_FIELD("ar.pm1.evt.en", Piix4Pm, pm.pm1_en, VMS_U16),
            PM_FIELD("ar.pm1.cnt.cnt", Piix4Pm, pm.pm1_cnt, VMS_U16),
            PM_STRUCT("apm", Piix4Pm, apm_vmstate),
            VMSTATE_STRUCT(Piix4Pm, smb, smbus_vmstate, 1),
            PM_FIELD("ar.tmr.timer", Piix4Pm, pm.timer, VMS_TIMER),
            PM_FIELD("ar.tmr.overflow_time", Piix4Pm, pm.overflow_ticks,
                     VMS_I64),
            PM_STRUCT("ar.gpe", Piix4Pm, gpe_vmstate),
            { .name = "acpi_pci_hotplug.acpi_pcihp_pci_status[0x0]",
              .kind = VMS_STRUCT,
              .offset = offsetof(Piix4Pm, pcihp.status),
              .size = sizeof(AcpiPcihpStatus),
              .exists = has_root_alone,
              .vms = &pci_status_vmstate,
              .struct_version = 1 },
            { .name = "acpi_pci_hotplug.hotplug_select",
              .kind = VMS_U32,
              .offset = offsetof(Piix4Pm, pcihp.select),
              .size = sizeof(uint32_t),
              .exists = has_bridges },
            { .name = "acpi_pci_hotplug.acpi_pcihp_pci_status",
              .kind = VMS_STRUCT,
              .offset = offsetof(Piix4Pm, pcihp.status),
              .size = sizeof(AcpiPcihpStatus),
              .num = ACPI_PCIHP_BUSES,
              .exists = has_bridges,
              .flags = VMF_DESC_EACH,
              .vms = &acpi_pcihp_status_vmstate,
              .struct_version = 1 },
            { .name = "acpi_pci_hotplug.acpi_index",
              .kind = VMS_U32,
              .offset = offsetof(Piix4Pm, pcihp.acpi_index),
              .size = sizeof(uint32_t),
              .exists = has_bridges },
            VMSTATE_END,
        },
    .subsections =
        (const Vmstate *const[]){ &memhp_vmstate, &cpuhp_vmstate, NULL },
};

static const Property pm_props[] = {
    PROP(PROP_U32, Piix4Pm, smb_io_base, "smb_io_base",
         .def = PIIX4_SMBUS_BASE),
    PROP(PROP_U8, Piix4Pm, disable_s3, "disable_s3"),
    PROP(PROP_U8, Piix4Pm, disable_s4, "disable_s4"),
    PROP(PROP_U8, Piix4Pm, s4_val, "s4_val", .def = 2),
    PROP(PROP_BOOL, Piix4Pm, bridge_hotplug,
         "acpi-pci-hotplug-with-bridge-support", .def = true),
    PROP(PROP_BOOL, Piix4Pm, root_hotplug, "acpi-root-pci-hotplug",
         .def = true),
    PROP(PROP_BOOL, Piix4Pm, smm, "smm-enabled"),
    PROP_END,
};

static const PciInfo pm_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x7113,
    .revision = 3,
    .class_id = PCI_CLASS_BRIDGE_OTHER,
    .status = PCI_STATUS_FAST_BACK | PCI_STATUS_DEVSEL_MEDIUM,
};

const DeviceType piix4_pm_type = {
    .name = "PIIX4_PM",
    .desc = "PM",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Piix4Pm),
    .bus = BUS_PCI,
    .props = pm_props,
    .pci = &pm_pci,
    .realize = pm_realize,
    .unrealize = pm_unrealize,
    .reset = pm_reset,
    .vmstate = &pm_vmstate,
};

Device *piix4_pm_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev = device_new(m->vm, &piix4_pm_type);
    PciDevice *d = PCI_DEVICE(dev);

    pm_of(dev)->smm = m->smm;
    d->devfn = PIIX4_PM_DEVFN;
    d->addr_set = true;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

AcpiPcihp *piix4_pm_pcihp(Device *pm)
{
    return &pm_of(pm)->pcihp;
}

void piix4_pm_add_bridges(Device *pm, PciBus *root)
{
    Piix4Pm *s = pm_of(pm);

    if (s->bridge_hotplug) {
        acpi_pcihp_add_bridges(&s->pcihp, root);
    }
}

void piix4_pm_eject_pending(Device *pm)
{
    acpi_pcihp_eject_pending(&pm_of(pm)->pcihp);
}

void piix4_pm_raise_gpe(Device *pm, uint64_t events)
{
    acpi_pm_raise_gpe(&pm_of(pm)->pm, events);
}

void piix4_pm_press_button(Device *pm)
{
    acpi_pm_raise(&pm_of(pm)->pm, ACPI_PM1_PWRBTN_STS);
}

/* The alarm only if its event is enabled. */
bool piix4_pm_may_wake(Device *pm, WakeupReason reason)
{
    return reason != WAKEUP_RTC || (pm_of(pm)->pm.pm1_en & ACPI_PM1_RTC_STS);
}

void piix4_pm_wakeup(Device *pm, WakeupReason reason)
{
    acpi_pm_raise(&pm_of(pm)->pm,
                  ACPI_PM1_WAK_STS |
                      (reason == WAKEUP_RTC ? ACPI_PM1_RTC_STS
                                            : ACPI_PM1_PWRBTN_STS));
}
