/*
 * SMBus function of the ICH9, 1f.3.
 *
 * Behaviour: Intel ICH9 data sheet 316972-004, section 19.1 (PCI
 * configuration); the registers at BAR 4 are those of hw/acpi/smbus.c.
 *
 * Stream: "ich9_smb" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/ich9-smb.h"

#include "hw/acpi/smbus.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    ICH9_SMB_DEVFN = 0x1f << 3 | 3,
    SMB_BAR = 4,
    SMB_CLASS = 0x0c05, /* PCI 3.0, appendix D: SMBus */
    REG_HOSTC = 0x40,
    HOSTC_ENABLE = 1 << 0,
    HOSTC_I2C = 1 << 2,
    HOSTC_RESET = 1 << 3,
};

typedef struct Ich9Smb {
    PciDevice pci;
    Smbus smb;
    MemoryRegion io;
    IrqInput irq_in;
    bool irq_enabled; /* the pin is asserted; migrated */
} Ich9Smb;

static Ich9Smb *smb_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, Ich9Smb, pci);
}

static uint64_t smb_read(Device *dev, uint64_t off, unsigned size)
{
    return smbus_read(&smb_of(dev)->smb, off);
}

static void smb_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    smbus_write(&smb_of(dev)->smb, off, val);
}

static const IoOps smb_ops = { .read = smb_read,
                               .write = smb_write,
                               .max_size = 1 };

static void set_irq(void *opaque, unsigned n, bool level)
{
    Ich9Smb *s = opaque;

    if (level != s->irq_enabled) {
        s->irq_enabled = level;
        pci_set_irq(&s->pci, level);
    }
}

static void hostc_update(Ich9Smb *s)
{
    uint8_t hostc = s->pci.config[REG_HOSTC];

    memory_region_set_enabled(&s->io, hostc & HOSTC_ENABLE);
    s->smb.i2c_enable = hostc & HOSTC_I2C;
}

static void smb_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len)
{
    pci_default_config_write(d, addr, val, len);
    if (addr <= REG_HOSTC && addr + len > REG_HOSTC) {
        hostc_update(container_of(d, Ich9Smb, pci));
    }
}

static bool smb_realize(Device *dev, GError **errp)
{
    Ich9Smb *s = smb_of(dev);

    s->pci.config_write = smb_config_write;
    s->pci.config[PCI_INTERRUPT_PIN] = 1;
    s->pci.wmask[REG_HOSTC] &= ~HOSTC_RESET;
    memory_region_init_io(&s->io, &dev->vm->mem, "pm-smbus", SMBUS_PORTS,
                          &smb_ops, dev);
    device_own_region(dev, &s->io);
    pci_register_bar(&s->pci, SMB_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->io);
    s->irq_in = (IrqInput){ set_irq, s, 0 };
    irq_connect(&s->smb.irq, &s->irq_in);
    smbus_init(&s->smb, dev->vm, 0);
    hostc_update(s);
    return true;
}

static void smb_unrealize(Device *dev)
{
    smbus_fini(&smb_of(dev)->smb, dev->vm);
}

static void smb_reset(Device *dev)
{
    Ich9Smb *s = smb_of(dev);

    s->pci.config[REG_HOSTC] = 0;
    smbus_reset(&s->smb, 0);
    hostc_update(s);
}

static bool smb_post_load(void *opaque, int version, GError **errp)
{
    hostc_update(opaque);
    return true;
}

static const Vmstate smb_vmstate = {
    .name = "ich9_smb",
    .version = 1,
    .oldest = 1,
    .post_load = smb_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Ich9Smb, pci, "dev"),
            VMSTATE_BOOL(Ich9Smb, irq_enabled),
            VMSTATE_STRUCT(Ich9Smb, smb, smbus_vmstate, 1),
            VMSTATE_END,
        },
};

static const PciInfo smb_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x2930,
    .revision = 2,
    .class_id = SMB_CLASS,
};

const DeviceType ich9_smb_type = {
    .name = "ICH9-SMB",
    .desc = "ICH9 SMBUS Bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Ich9Smb),
    .bus = BUS_PCI,
    .pci = &smb_pci,
    .realize = smb_realize,
    .unrealize = smb_unrealize,
    .reset = smb_reset,
    .vmstate = &smb_vmstate,
};

Device *ich9_smb_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev = device_new(m->vm, &ich9_smb_type);
    PciDevice *d = PCI_DEVICE(dev);

    d->devfn = ICH9_SMB_DEVFN;
    d->addr_set = true;
    d->multifunction = true;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}
