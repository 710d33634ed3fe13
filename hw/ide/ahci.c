/*
 * ICH9 SATA controller in AHCI mode: the PCI function, global registers and
 * interrupts.
 *
 * Behaviour: AHCI 1.3.1, 2 and 3.1; Intel I/O Controller Hub 9 data sheet
 * (316972-004), chapter 15.  Command completion coalescing, port multipliers
 * and enclosure management are not offered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    AHCI_MEM_BAR = 5,
    AHCI_IDP_BAR = 4,
    AHCI_IDP_SIZE = 32,
    IDP_INDEX = 0x10,
    IDP_DATA = 0x14,

    HBA_CAP = 0x00,
    HBA_GHC = 0x04,
    HBA_IS = 0x08,
    HBA_PI = 0x0c,
    HBA_VS = 0x10,
    HBA_PORTS = 0x100,
    PORT_SIZE = 0x80,

    GHC_HR = 1 << 0,
    GHC_IE = 1 << 1,

    ICH9_MAP = 0x90, /* address map: how the controller works */
    ICH9_MAP_AHCI = 0x40,
    CAP_ID_SATA = 0x12,
    CAP_MSI_AT = 0x80,
    CAP_SATA_AT = 0xa8,
    CAP_SATA_SIZE = 8,
    CAP_SATA_REVISION = 0x10,
    /* Index and data lie in BAR 4, from the fourth double word on. */
    CAP_SATA_PLACE = IDP_INDEX / 4 << 4 | (AHCI_IDP_BAR + 4),
};

#define GHC_AE (UINT32_C(1) << 31)

Ahci *ahci_of(Device *dev)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return container_of(pci, Ahci, pci);
}

/* Interrupts */

void ahci_update_irq(Ahci *s)
{
    bool on;

    s->irqstatus = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        if (s->ports[i].irq_stat & s->ports[i].irq_mask) {
            s->irqstatus |= 1U << i;
        }
    }
    on = s->irqstatus != 0 && (s->ghc & GHC_IE);
    if (!msi_enabled(&s->pci)) {
        pci_set_irq(&s->pci, on);
        return;
    }
    /* A driver that left a cause standing gets its message again. */
    pci_set_irq(&s->pci, false);
    if (on) {
        msi_notify(&s->pci, 0);
    }
}

/* Registers */

static void hba_reset(Ahci *s)
{
    s->ghc = GHC_AE;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        ahci_port_reset(&s->ports[i]);
    }
    ahci_update_irq(s);
}

static uint32_t hba_read(Ahci *s, unsigned off)
{
    if (off >= HBA_PORTS) {
        unsigned port = (off - HBA_PORTS) / PORT_SIZE;

        return port < AHCI_PORTS
                   ? ahci_port_read(&s->ports[port], off % PORT_SIZE)
                   : 0;
    }
    switch (off) {
    case HBA_CAP:
        return s->cap;
    case HBA_GHC:
        return s->ghc;
    case HBA_IS:
        return s->irqstatus;
    case HBA_PI:
        return s->impl;
    case HBA_VS:
        return s->version;
    default:
        return 0;
    }
}

static void hba_write(Ahci *s, unsigned off, uint32_t val)
{
    /*
     * A command's own data or message, or another controller's, would stop
     * commands or begin them, for ever: such are lost.
     */
    if (dma_access_under_way()) {
        return;
    }
    if (off >= HBA_PORTS) {
        unsigned port = (off - HBA_PORTS) / PORT_SIZE;

        if (port < AHCI_PORTS) {
            ahci_port_write(&s->ports[port], off % PORT_SIZE, val);
        }
        return;
    }
    switch (off) {
    case HBA_GHC:
        if (val & GHC_HR) {
            hba_reset(s);
            break;
        }
        s->ghc = GHC_AE | (val & GHC_IE);
        ahci_update_irq(s);
        break;
    case HBA_IS:
        /* A port's bit stays as long as one of its causes does. */
        ahci_update_irq(s);
        break;
    default:
        break;
    }
}

static uint64_t mem_read(Device *dev, uint64_t off, unsigned size)
{
    return hba_read(ahci_of(dev), off);
}

static void mem_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    hba_write(ahci_of(dev), off, val);
}

static const IoOps mem_ops = {
    .read = mem_read,
    .write = mem_write,
    .min_size = 4,
    .max_size = 4,
    .unaligned = true,
};

/* The same registers by an index and a data port. */
static uint64_t idp_read(Device *dev, uint64_t off, unsigned size)
{
    Ahci *s = ahci_of(dev);

    switch (off) {
    case IDP_INDEX:
        return s->idp_index;
    case IDP_DATA:
        return hba_read(s, s->idp_index);
    default:
        return 0;
    }
}

static void idp_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ahci *s = ahci_of(dev);

    if (off == IDP_INDEX) {
        s->idp_index = val & AHCI_IDP_MASK;
    } else if (off == IDP_DATA) {
        hba_write(s, s->idp_index, val);
    }
}

static const IoOps idp_ops = {
    .read = idp_read,
    .write = idp_write,
    .min_size = 4,
    .max_size = 4,
};

/* Life */

static void run_state_changed(RunStateListener *l, bool running, RunState state)
{
    Ahci *s = container_of(l, Ahci, run);

    for (unsigned i = 0; running && i < AHCI_PORTS; i++) {
        ahci_port_resume(&s->ports[i]);
    }
}

static char *port_firmware_node(Bus *bus, Device *dev)
{
    return g_strdup_printf("drive@%u", IDE_CHANNEL(bus)->num);
}

static void port_init(Ahci *s, unsigned n)
{
    AhciPort *p = &s->ports[n];
    Device *dev = &s->pci.dev;

    p->hba = s;
    p->num = n;
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        p->tags[i].port = p;
    }
    ide_channel_init(&p->ch, &s->pci, &ahci_transport, n, 1);
    bus_init(&p->ch.bus, BUS_IDE, "IDE", NULL, dev, dev->vm);
    p->ch.bus.max_devices = 1;
    p->ch.bus.firmware_node = port_firmware_node;
}

static bool add_capabilities(Ahci *s, GError **errp)
{
    uint8_t *c = s->pci.config + CAP_SATA_AT;

    if (!pci_add_capability(&s->pci, CAP_ID_SATA, CAP_SATA_AT, CAP_SATA_SIZE,
                            errp)) {
        return false;
    }
    c[2] = CAP_SATA_REVISION;
    stl_le_p(c + 4, CAP_SATA_PLACE);
    return msi_init(&s->pci, CAP_MSI_AT, 1, MSI_64BIT, errp);
}

static bool ahci_realize(Device *dev, GError **errp)
{
    Ahci *s = ahci_of(dev);

    if (!add_capabilities(s, errp)) {
        return false;
    }
    s->pci.config[PCI_INTERRUPT_PIN] = 1;
    s->pci.config[ICH9_MAP] = ICH9_MAP_AHCI;
    s->cap = AHCI_CAP;
    s->impl = AHCI_IMPLEMENTED;
    s->version = AHCI_VERSION;
    s->nports = AHCI_PORTS;
    memory_region_init_io(&s->mem, &dev->vm->mem, "ahci", AHCI_MEM_SIZE,
                          &mem_ops, dev);
    device_own_region(dev, &s->mem);
    memory_region_init_io(&s->idp, &dev->vm->mem, "ahci-idp", AHCI_IDP_SIZE,
                          &idp_ops, dev);
    device_own_region(dev, &s->idp);
    pci_register_bar(&s->pci, AHCI_IDP_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->idp);
    pci_register_bar(&s->pci, AHCI_MEM_BAR, 0, &s->mem);
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        port_init(s, i);
    }
    s->run.changed = run_state_changed;
    runstate_add_listener(dev->vm, &s->run);
    return true;
}

static void ahci_unrealize(Device *dev)
{
    Ahci *s = ahci_of(dev);

    runstate_del_listener(dev->vm, &s->run);
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        ide_channel_fini(&s->ports[i].ch);
    }
}

static void ahci_reset(Device *dev)
{
    Ahci *s = ahci_of(dev);

    msi_reset(&s->pci);
    s->idp_index = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AhciPort *p = &s->ports[i];

        p->lst_addr = p->lst_addr_hi = 0;
        p->fis_addr = p->fis_addr_hi = 0;
        ide_channel_reset(&p->ch);
    }
    hba_reset(s);
}

static const PciInfo ahci_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x2922,
    .class_id = 0x0106, /* SATA */
    .prog_if = 1,       /* AHCI */
    .revision = 2,
};

const DeviceType ich9_ahci_type = {
    .name = "ich9-ahci",
    .alias = "ahci",
    .category = "Storage",
    .size = sizeof(Ahci),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .pci = &ahci_pci,
    .realize = ahci_realize,
    .unrealize = ahci_unrealize,
    .reset = ahci_reset,
    .vmstate = &ahci_vmstate,
};

Device *ahci_create(Machine *m, PciBus *bus, unsigned devfn, bool multifunction,
                    GError **errp)
{
    Device *dev = device_new(m->vm, &ich9_ahci_type);
    PciDevice *d = PCI_DEVICE(dev);

    d->devfn = devfn;
    d->addr_set = true;
    d->multifunction = multifunction;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

bool ahci_create_drives(Device *ahci, GError **errp)
{
    Ahci *s = ahci_of(ahci);

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        BlockBackend *b = block_find_slot(ahci->vm->blocks, "ide", i, 0);

        if (b != NULL && !ide_create_drive(&s->ports[i].ch, 0, b, errp)) {
            return false;
        }
    }
    return true;
}
