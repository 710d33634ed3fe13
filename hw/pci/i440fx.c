/*
 * 82441FX (PMC): host bridge and memory controller.
 *
 * Behaviour: Intel 82441FX data sheet (290549-001), section 3.2 (registers),
 * 4.1 (address map).  One thing is as the machine type has it: the function's
 * own registers outlive a reset, so that firmware finds its shadowed copy when
 * a guest comes back from S3; all but SMRAM, whose lock ends with a reset.
 *
 * Stream: "I440FX" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/i440fx.h"

#include "hw/pci/pam.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    REG_RAM_SIZE = 0x57, /* units of 8 MiB; DRAM control in a real one */
    REG_PAM0 = 0x59,     /* section 3.2.14 */
    REG_PAM6 = 0x5f,
    REG_SMRAM = 0x72,   /* section 3.2.21 */
    SMRAM_BASE_SEG = 2, /* at 0xa0000; the only value */
    SMRAM_G_SMRAME = 1 << 3,
    SMRAM_D_LCK = 1 << 4,
    SMRAM_D_CLS = 1 << 5,
    SMRAM_D_OPEN = 1 << 6,
};

#define SMRAM_BASE 0xa0000
#define SMRAM_SIZE 0x20000

typedef struct I440fx {
    PciDevice pci;
    MemoryRegion *ram;         /* of the guest, from address 0 */
    MemoryRegion smram_region; /* PCI where SMRAM is; hidden by D_OPEN */
    MemoryRegion smram;        /* for CPUs in SMM */
    Pam pam;
    bool smm; /* the CPUs have that mode */
} I440fx;

static I440fx *i440fx_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, I440fx, pci);
}

/* Host bridge */

static bool host_realize(Device *dev, GError **errp)
{
    return pci_host_init(DEVICE_CAST(PciHost, dev), "pci.0", errp);
}

const DeviceType i440fx_pcihost_type = {
    .name = "i440FX-pcihost",
    .parent = "pci-host-bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(PciHost),
    .bus = BUS_SYSTEM,
    .realize = host_realize,
    .reset = pci_host_reset,
    .vmstate = &pci_host_vmstate,
    .firmware_node = "pci@i0cf8",
};

/* Function 0: the memory controller */

/* One transaction, in which setters skip what stays as it is. */
static void memory_map_update(I440fx *s)
{
    Memory *mem = &s->pci.dev.vm->mem;
    uint8_t smram = s->pci.config[REG_SMRAM];

    memory_transaction_begin(mem);
    pam_update(&s->pam, s->pci.config + REG_PAM0);
    memory_region_set_enabled(&s->smram_region, !(smram & SMRAM_D_OPEN));
    memory_region_set_enabled(&s->smram, smram & SMRAM_G_SMRAME);
    memory_region_set_fetch_only(&s->smram, smram & SMRAM_D_CLS);
    memory_transaction_commit(mem);
}

/* D_LCK stays until a reset, D_OPEN is 0 as long, the segment can't change. */
static void smram_write(I440fx *s, uint8_t old)
{
    uint8_t *v = &s->pci.config[REG_SMRAM];

    *v = (*v & 0x78) | SMRAM_BASE_SEG | (old & SMRAM_D_LCK);
    if (*v & SMRAM_D_LCK) {
        *v &= ~SMRAM_D_OPEN;
    }
}

static void i440fx_config_write(PciDevice *d, unsigned addr, uint32_t val,
                                unsigned len)
{
    unsigned last = addr + len - 1;
    uint8_t smram = d->config[REG_SMRAM];

    pci_default_config_write(d, addr, val, len);
    smram_write(container_of(d, I440fx, pci), smram);
    if ((addr <= REG_PAM6 && last >= REG_PAM0) ||
        (addr <= REG_SMRAM && last >= REG_SMRAM)) {
        memory_map_update(container_of(d, I440fx, pci));
    }
}

static bool i440fx_realize(Device *dev, GError **errp)
{
    I440fx *s = i440fx_of(dev);
    PciBus *bus = pci_bus_of(&s->pci);
    Memory *mem = &dev->vm->mem;

    /* Firmware without fw_cfg takes the size of the RAM from here. */
    s->pci.config[REG_RAM_SIZE] = MIN(s->ram->size / (8 * MiB), 0xff);
    s->pci.config[REG_SMRAM] = SMRAM_BASE_SEG;
    s->pci.config_write = i440fx_config_write;
    memory_transaction_begin(mem);
    host_bridge_add_alias(&s->pci, &s->smram_region, "smram-region", bus->mem,
                          SMRAM_BASE, SMRAM_SIZE, true);
    pam_init(&s->pam, &s->pci, s->ram);
    memory_region_init_alias(&s->smram, mem, "smram", s->ram, SMRAM_BASE,
                             SMRAM_SIZE);
    s->smram.enabled = false;
    device_own_region(dev, &s->smram);
    if (s->smm) {
        memory_region_add(&mem->smm_root, SMRAM_BASE, &s->smram, 1);
    }
    memory_transaction_commit(mem);
    return true;
}

static void i440fx_reset(Device *dev)
{
    I440fx *s = i440fx_of(dev);

    s->pci.config[REG_SMRAM] = SMRAM_BASE_SEG;
    memory_map_update(s);
}

static bool i440fx_post_load(void *opaque, int version, GError **errp)
{
    memory_map_update(opaque);
    return true;
}

static const Vmstate i440fx_vmstate = {
    .name = "I440FX",
    .version = 3,
    .oldest = 3,
    .post_load = i440fx_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(I440fx, pci, "parent_obj"),
            VMSTATE_UNUSED(1), /* was: SMM enabled */
            VMSTATE_END,
        },
};

static const PciInfo i440fx_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x1237,
    .revision = 2,
    .class_id = PCI_CLASS_BRIDGE_HOST,
};

const DeviceType i440fx_type = {
    .name = "i440FX",
    .desc = "Host bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(I440fx),
    .bus = BUS_PCI,
    .pci = &i440fx_pci,
    .realize = i440fx_realize,
    .reset = i440fx_reset,
    .vmstate = &i440fx_vmstate,
};

PciBus *i440fx_create(Machine *m, MemoryRegion *ram, uint64_t below_4g,
                      bool smm, GError **errp)
{
    Device *host = device_new(m->vm, &i440fx_pcihost_type), *dev;
    PciBus *bus = &DEVICE_CAST(PciHost, host)->bus;
    PciDevice *d;

    object_add_child(&m->obj, "i440fx", &host->obj);
    if (below_4g < MiB && below_4g < ram->size) {
        error_setf(errp,
                   "i440FX: %" PRIu64 " bytes of RAM from address 0: "
                   "the segments below 1 MiB have to be among them",
                   below_4g);
        device_delete(host);
        return NULL;
    }
    if (!device_realize(host, NULL, errp)) {
        return NULL;
    }
    pci_bus_register_vmstate(bus);
    dev = device_new(m->vm, &i440fx_type);
    d = PCI_DEVICE(dev);
    d->devfn = 0;
    d->addr_set = true;
    i440fx_of(dev)->ram = ram;
    i440fx_of(dev)->smm = smm;
    return device_realize(dev, &bus->bus, errp) ? bus : NULL;
}

MemoryRegion *i440fx_pci_memory(PciBus *root)
{
    return root->mem;
}
