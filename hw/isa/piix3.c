/*
 * 82371SB (PIIX3), function 0: PCI-to-ISA bridge, PCI interrupt routing and
 * reset control.
 *
 * Behaviour: Intel 82371SB data sheet (290550-002), sections 2.2 (PCI
 * configuration registers) and 2.5.7.1 (reset control register).
 * Stream: "PIIX3" version 3 with subsection "PIIX3/rcr", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/piix3.h"

#include "hw/isa/i8257.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    PIIX3_DEVFN = 1 << 3,
    PIRQS = 4,
    ISA_IRQS = 16,
    REG_PIRQRC = 0x60, /* …A; B, C, D follow (section 2.2.9) */
    PIRQRC_DISABLED = 1 << 7,
    RCR_PORT = 0xcf9,
    RCR_HARD = 1 << 1,
    RCR_RESET = 1 << 2,
};

typedef struct Piix3 {
    PciDevice pci;
    IsaBus isa;
    MemoryRegion rcr_io;
    IrqLine irqs[ISA_IRQS];
    uint16_t driven;               /* bit n: irqs[n] is high */
    int32_t pci_irq_levels[PIRQS]; /* only while it is saved or loaded */
    uint8_t rcr;                   /* RCR_HARD or 0; migrated */
} Piix3;

/* What the registers hold after RST#; the others keep their values. */
static const struct {
    uint8_t reg, val;
} reset_values[] = {
    { 0x4c, 0x4d }, /* IORT */
    { 0x4e, 0x03 },
    { 0x4f, 0x00 }, /* XBCS */
    { 0x60, PIRQRC_DISABLED },
    { 0x61, PIRQRC_DISABLED },
    { 0x62, PIRQRC_DISABLED },
    { 0x63, PIRQRC_DISABLED },
    { 0x69, 0x02 }, /* TOM */
    { 0x70, 0x80 }, /* MBIRQ0 */
    { 0x76, 0x0c },
    { 0x77, 0x0c }, /* MBDMA */
    { 0x78, 0x02 },
    { 0x79, 0x00 }, /* PCSC */
    { 0x80, 0x00 }, /* APICBASE */
    { 0x82, 0x00 }, /* DLC */
    { 0xa0, 0x08 }, /* SMICNTL */
    { 0xa2, 0x00 },
    { 0xa3, 0x00 }, /* SMIEN */
    { 0xa4, 0x00 },
    { 0xa5, 0x00 },
    { 0xa6, 0x00 }, /* SEE */
    { 0xa7, 0x00 },
    { 0xa8, 0x0f }, /* FTMR */
    { 0xaa, 0x00 },
    { 0xab, 0x00 }, /* SMIREQ */
    { 0xac, 0x00 }, /* CTLTMR */
    { 0xae, 0x00 }, /* CTHTMR */
};

static Piix3 *piix3_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, Piix3, pci);
}

/* Interrupt routing */

/* PIRQ lines rotate with the slot, so that slots share them evenly. */
static unsigned piix3_map_irq(PciDevice *d, unsigned pin)
{
    return (pin + PCI_SLOT_OF(d->devfn) - 1) & (PIRQS - 1);
}

/* The ISA interrupts that asserted PIRQ lines are routed to. */
static uint16_t routed_levels(Piix3 *s)
{
    const PciBus *bus = pci_bus_of(&s->pci);
    uint16_t levels = 0;

    for (unsigned line = 0; line < PIRQS; line++) {
        uint8_t route = s->pci.config[REG_PIRQRC + line];

        if (bus->irq_count[line] != 0 && route < ISA_IRQS) {
            levels |= 1u << route;
        }
    }
    return levels;
}

static void irqs_update(Piix3 *s)
{
    uint16_t levels = routed_levels(s), changed = levels ^ s->driven;

    s->driven = levels;
    for (unsigned n = 0; n < ISA_IRQS; n++) {
        if (changed & (1u << n)) {
            irq_set(&s->irqs[n], levels & (1u << n));
        }
    }
}

static void piix3_set_irq(void *opaque, unsigned line, bool level)
{
    irqs_update(opaque);
}

static void piix3_config_write(PciDevice *d, unsigned addr, uint32_t val,
                               unsigned len)
{
    pci_default_config_write(d, addr, val, len);
    if (addr < REG_PIRQRC + PIRQS && addr + len > REG_PIRQRC) {
        irqs_update(container_of(d, Piix3, pci));
    }
}

/* Reset control */

static uint64_t rcr_read(Device *dev, uint64_t off, unsigned size)
{
    return piix3_of(dev)->rcr;
}

static void rcr_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Piix3 *s = piix3_of(dev);

    if (val & RCR_RESET) {
        machine_request_reset(dev->machine, RESET_BY_GUEST);
        return;
    }
    s->rcr = val & RCR_HARD;
}

static const IoOps rcr_io = {
    .read = rcr_read,
    .write = rcr_write,
    .max_size = 1,
};

/* Life */

static bool piix3_realize(Device *dev, GError **errp)
{
    Piix3 *s = piix3_of(dev);
    Machine *m = dev->machine;
    Memory *mem = &dev->vm->mem;
    PciBus *bus = pci_bus_of(&s->pci);

    if (m->gsi == NULL || m->ngsi < ISA_IRQS) {
        error_setf(errp, "the board has %u interrupt inputs, not %u", m->ngsi,
                   ISA_IRQS);
        return false;
    }
    for (unsigned n = 0; n < ISA_IRQS; n++) {
        irq_connect(&s->irqs[n], &m->gsi[n]);
    }
    s->pci.config_write = piix3_config_write;
    /* In front of the middle byte of the bridge's CONFADD. */
    memory_region_init_io(&s->rcr_io, mem, "piix3-reset-control", 1, &rcr_io,
                          dev);
    memory_region_add(&mem->io_root, RCR_PORT, &s->rcr_io, 1);
    device_own_region(dev, &s->rcr_io);
    isa_bus_init(&s->isa, dev, m->gsi);
    pci_bus_set_irqs(bus, PIRQS, piix3_map_irq, piix3_set_irq, s);
    return i8257_create_pair(&s->isa, errp);
}

static void piix3_unrealize(Device *dev)
{
    Piix3 *s = piix3_of(dev);

    pci_bus_set_irqs(pci_bus_of(&s->pci), 0, NULL, NULL, NULL);
}

static void piix3_reset(Device *dev)
{
    Piix3 *s = piix3_of(dev);

    for (size_t i = 0; i < G_N_ELEMENTS(reset_values); i++) {
        s->pci.config[reset_values[i].reg] = reset_values[i].val;
    }
    s->rcr = 0;
    irqs_update(s);
}

/* Stream */

static bool piix3_pre_save(void *opaque, GError **errp)
{
    Piix3 *s = opaque;

    for (unsigned line = 0; line < PIRQS; line++) {
        s->pci_irq_levels[line] = pci_bus_of(&s->pci)->irq_count[line] != 0;
    }
    return true;
}

/*
 * The levels follow from the bus, which was loaded before.  The interrupt
 * controllers bring their own view of them: nothing is driven here.
 */
static bool piix3_post_load(void *opaque, int version, GError **errp)
{
    Piix3 *s = opaque;

    s->driven = routed_levels(s);
    return true;
}

static bool rcr_needed(void *opaque)
{
    return ((const Piix3 *)opaque)->rcr != 0;
}

static bool rcr_post_load(void *opaque, int version, GError **errp)
{
    ((Piix3 *)opaque)->rcr &= RCR_HARD;
    return true;
}

static const Vmstate rcr_vmstate = {
    .name = "PIIX3/rcr",
    .version = 1,
    .oldest = 1,
    .needed = rcr_needed,
    .post_load = rcr_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Piix3, rcr),
            VMSTATE_END,
        },
};

static const Vmstate piix3_vmstate = {
    .name = "PIIX3",
    .version = 3,
    .oldest = 2,
    .pre_save = piix3_pre_save,
    .post_load = piix3_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Piix3, pci, "dev"),
            { .name = "pci_irq_levels_vmstate",
              .kind = VMS_I32,
              .offset = offsetof(Piix3, pci_irq_levels),
              .size = sizeof(int32_t),
              .num = PIRQS,
              .version = 3 },
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &rcr_vmstate, NULL },
};

static const PciInfo piix3_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x7000,
    .class_id = PCI_CLASS_BRIDGE_ISA,
    .status = PCI_STATUS_DEVSEL_MEDIUM,
};

const DeviceType piix3_type = {
    .name = "PIIX3",
    .parent = "pci-piix3",
    .desc = "ISA bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Piix3),
    .bus = BUS_PCI,
    .pci = &piix3_pci,
    .realize = piix3_realize,
    .unrealize = piix3_unrealize,
    .reset = piix3_reset,
    .vmstate = &piix3_vmstate,
};

Device *piix3_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev = device_new(m->vm, &piix3_type);
    PciDevice *d = PCI_DEVICE(dev);

    d->devfn = PIIX3_DEVFN;
    d->addr_set = true;
    d->multifunction = true;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

IsaBus *piix3_isa_bus(Device *piix3)
{
    return &piix3_of(piix3)->isa;
}
