/*
 * 82371SB (PIIX3), function 1: the IDE controller, with its two channels at
 * the ports of old and bus mastering at BAR 4.
 *
 * Behaviour: Intel 82371SB data sheet (290550-002), 2.3 and 2.7.  The timing
 * registers can be written and change nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

#include "hw/core/boot-order.h"

#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum { SENSE_ABORTED_COMMAND = 0x0b };

enum {
    PIIX3_IDE_DEVFN = 1 << 3 | 1,
    BM_SIZE = 16,
    BM_BAR = 4,
    REG_IDETIM = 0x40,
    IDETIM_SIZE = 5, /* with SIDETIM */
};

static const struct {
    uint16_t cmd, ctl;
    unsigned irq;
} places[IDE_CHANNELS] = {
    { 0x1f0, 0x3f6, 14 },
    { 0x170, 0x376, 15 },
};

static PiixIde *ide_of(Device *dev)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return container_of(pci, PiixIde, pci);
}

/*
 * A packet command by DMA that waited for the bus master when the guest moved:
 * what it was about to send is not in the stream, and drivers repeat it.
 */
static void end_lost_packets(IdeChannel *ch)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        IdeDrive *d = &ch->drives[i];

        if (d->cd && (d->status & ST_DRQ) && d->end == IDE_END_NONE &&
            ch->dma_drive != d) {
            atapi_error(d, SENSE_ABORTED_COMMAND, 0);
        }
    }
}

/* Commands that a migration or a stopped guest left are begun again. */
static void run_state_changed(RunStateListener *l, bool running, RunState state)
{
    PiixIde *s = container_of(l, PiixIde, run);

    for (unsigned i = 0; running && i < IDE_CHANNELS; i++) {
        IdeChannel *ch = &s->ch[i];
        unsigned how = ch->error_status;
        IdeDrive *d;

        end_lost_packets(ch);
        if (how == 0 || ch->retry_unit >= IDE_DRIVES) {
            continue;
        }
        ch->error_status = 0;
        d = &ch->drives[ch->retry_unit];
        if (d->dev != NULL && !d->cd) {
            ata_retry(d, how);
        }
    }
}

/* Firmware knows the channel as a drive, and what is on it as disks. */
static char *channel_firmware_node(Bus *bus, Device *dev)
{
    return g_strdup_printf("drive@%u", IDE_CHANNEL(bus)->num);
}

static bool init_channel(PiixIde *s, unsigned n, GError **errp)
{
    IdeChannel *ch = &s->ch[n];
    Device *dev = &s->pci.dev;

    ide_channel_init(ch, &s->pci, &ide_bm_transport, n, IDE_DRIVES);
    bus_init(&ch->bus, BUS_IDE, "IDE", NULL, dev, dev->vm);
    ch->bus.max_devices = IDE_DRIVES;
    ch->bus.firmware_node = channel_firmware_node;
    irq_out_init(dev, &ch->irq, n == 0 ? "irq14" : "irq15");
    irq_connect(&ch->irq, &dev->machine->gsi[places[n].irq]);
    return device_claim_io(dev, &ch->io_cmd, &ide_cmd_ops[n], "ide",
                           places[n].cmd, 8, errp) &&
           device_claim_io(dev, &ch->io_ctl, &ide_ctl_ops[n], "ide",
                           places[n].ctl, 1, errp);
}

static bool piix3_ide_realize(Device *dev, GError **errp)
{
    PiixIde *s = ide_of(dev);
    const Machine *m = dev->machine;

    if (m->gsi == NULL || m->ngsi <= places[1].irq) {
        error_setf(errp, "the board has no interrupt %u", places[1].irq);
        return false;
    }
    memory_region_init_io(&s->bm_io, &dev->vm->mem, "piix-bmdma", BM_SIZE,
                          &ide_bm_ops, dev);
    device_own_region(dev, &s->bm_io);
    pci_register_bar(&s->pci, BM_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->bm_io);
    s->run.changed = run_state_changed;
    runstate_add_listener(dev->vm, &s->run);
    return init_channel(s, 0, errp) && init_channel(s, 1, errp);
}

static void piix3_ide_unrealize(Device *dev)
{
    PiixIde *s = ide_of(dev);

    runstate_del_listener(dev->vm, &s->run);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        ide_channel_fini(&s->ch[i]);
    }
}

static void piix3_ide_reset(Device *dev)
{
    PiixIde *s = ide_of(dev);

    memset(s->pci.config + REG_IDETIM, 0, IDETIM_SIZE);
    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        ide_channel_reset(&s->ch[i]);
    }
}

static const PciInfo piix3_ide_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x7010,
    .class_id = PCI_CLASS_STORAGE_IDE,
    .prog_if = 0x80, /* bus master, ports of old */
    .status = PCI_STATUS_FAST_BACK | PCI_STATUS_DEVSEL_MEDIUM,
};

const DeviceType piix3_ide_type = {
    .name = "piix3-ide",
    .parent = "pci-ide",
    .category = "Storage",
    .size = sizeof(PiixIde),
    .bus = BUS_PCI,
    .pci = &piix3_ide_pci,
    .realize = piix3_ide_realize,
    .unrealize = piix3_ide_unrealize,
    .reset = piix3_ide_reset,
    .vmstate = &piix3_ide_vmstate,
};

Device *piix3_ide_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev = device_new(m->vm, &piix3_ide_type);
    PciDevice *d = PCI_DEVICE(dev);

    d->devfn = PIIX3_IDE_DEVFN;
    d->addr_set = true;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

bool piix3_ide_create_drives(Device *ide, GError **errp)
{
    PiixIde *s = ide_of(ide);

    for (unsigned i = 0; i < IDE_CHANNELS * IDE_DRIVES; i++) {
        unsigned bus = i / IDE_DRIVES, unit = i % IDE_DRIVES;
        BlockBackend *b = block_find_slot(ide->vm->blocks, "ide", bus, unit);

        if (b != NULL && !ide_create_drive(&s->ch[bus], unit, b, errp)) {
            return false;
        }
    }
    return true;
}

IdeGeometry piix3_ide_geometry(Device *ide, unsigned drive)
{
    const PiixIde *s = ide_of(ide);
    const IdeDrive *d;

    if (drive >= IDE_CHANNELS * IDE_DRIVES) {
        return (IdeGeometry){ 0 };
    }
    d = &s->ch[drive / IDE_DRIVES].drives[drive % IDE_DRIVES];
    return d->dev != NULL && !d->cd ? ide_bios_geometry(d->dev)
                                    : (IdeGeometry){ 0 };
}

char *piix3_ide_bios_geometry(Device *ide)
{
    PiixIde *s = ide_of(ide);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < IDE_CHANNELS * IDE_DRIVES; i++) {
        IdeDrive *d = &s->ch[i / IDE_DRIVES].drives[i % IDE_DRIVES];
        const Geometry *g = d->dev != NULL ? &d->dev->lgeo : NULL;
        g_autofree char *path = NULL;

        if (g == NULL || (g->cylinders | g->heads | g->sectors) == 0) {
            continue;
        }
        path = device_firmware_path(&d->dev->dev);
        g_string_append_printf(text, "%s/disk@%u %u %u %u\n", path,
                               i % IDE_DRIVES, g->cylinders, g->heads,
                               g->sectors);
    }
    return g_string_free(text, text->len == 0);
}
