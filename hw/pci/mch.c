/*
 * 82G33 GMCH as q35 machines have it: host bridge and memory controller.
 *
 * Behaviour: Intel 3 series (82G33) data sheet 316966-002, section 5.1: PAM
 * (5.1.16 on), PCIEXBAR (5.1.15), SMRAM and ESMRAMC (5.1.27, 28).  Three
 * things are the machine type's own:
 *
 *   0x50  EXT_TSEG: how many MiB the size "reserved" of ESMRAMC stands for,
 *         to be read after 0xffff has been written
 *   0x9c  SMBASE: 0xff asks whether RAM at the default SMBASE can be hidden
 *         (answer: 1); bit 1 then hides it from all but CPUs in SMM
 *   what is not named here keeps what is written, also over a reset, so that
 *         firmware finds its shadowed copy when a guest comes back from S3
 *
 * Stream: "mch" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/mch.h"

#include "hw/pci/pam.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    REG_EXT_TSEG = 0x50, /* 16 bits */
    EXT_TSEG_QUERY = 0xffff,
    EXT_TSEG_MAX = 0xfff,
    REG_PCIEXBAR = 0x60, /* 64 bits */
    PCIEXBAR_ENABLE = 1 << 0,
    PCIEXBAR_LENGTH_SHIFT = 1,
    REG_PAM0 = 0x90,
    REG_SMBASE = 0x9c,
    SMBASE_QUERY = 0xff,
    SMBASE_OFFERED = 1 << 0,
    SMBASE_LOCKED = 1 << 1,
    REG_SMRAM = 0x9d,
    SMRAM_BASE_SEG = 2, /* at 0xa0000; the only value */
    SMRAM_G_SMRAME = 1 << 3,
    SMRAM_D_LCK = 1 << 4,
    SMRAM_D_CLS = 1 << 5,
    SMRAM_D_OPEN = 1 << 6,
    REG_ESMRAMC = 0x9e,
    ESMRAMC_T_EN = 1 << 0,
    ESMRAMC_TSEG_SHIFT = 1,
    ESMRAMC_CACHES = 7 << 3, /* always set */
    ESMRAMC_H_SMRAME = 1 << 7,
};

#define PCIEXBAR_DEFAULT UINT64_C(0xb0000000)
#define PCIEXBAR_LIMIT   UINT64_C(0xfffffffff) /* 36 bits */
#define SMRAM_BASE       0xa0000
#define SMRAM_SIZE       0x20000
#define SMRAM_HIGH       UINT64_C(0xfeda0000)
#define SMBASE_BASE      0x30000 /* of CPUs after a reset */
#define SMBASE_SIZE      0x20000

typedef struct Q35Host {
    PciHost host;
    MemoryRegion mmconfig;
    MemoryRegion *ram; /* of the guest, from address 0 */
    uint64_t below_4g; /* bytes of it below 4 GiB */
    bool smm;          /* the CPUs have that mode */
    uint64_t hole64;   /* bytes */
} Q35Host;

typedef struct Mch {
    PciDevice pci;
    Q35Host *host;
    uint16_t ext_tseg; /* MiB; 0: there is no such size */
    bool smbase_smram; /* RAM at the default SMBASE can be hidden */
    Pam pam;
    MemoryRegion smram_region; /* PCI where SMRAM is; hidden by D_OPEN */
    /* What only CPUs in SMM see, and what the others see there. */
    MemoryRegion smram_low, smram_high;
    MemoryRegion tseg, tseg_hole, smbase, smbase_hole;
} Mch;

static Mch *mch_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, Mch, pci);
}

static Q35Host *q35_host_of(Device *dev)
{
    PciHost *h = DEVICE_CAST(PciHost, dev);

    return container_of(h, Q35Host, host);
}

/* Host bridge */

/* It is the processors': no function's request gets there. */
static uint64_t mmconfig_read(Device *dev, uint64_t off, unsigned size)
{
    if (dma_access_under_way()) {
        return UINT64_MAX;
    }
    return pci_ecam_read(&DEVICE_CAST(PciHost, dev)->bus, off, size);
}

static void mmconfig_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    if (dma_access_under_way()) {
        return;
    }
    pci_ecam_write(&DEVICE_CAST(PciHost, dev)->bus, off, val, size);
}

static const IoOps mmconfig_ops = {
    .read = mmconfig_read,
    .write = mmconfig_write,
};

/* Function 0: MMCONFIG */

/* False: off, or of the length that is reserved. */
static bool mch_pciexbar(const PciDevice *d, uint64_t *ret_base,
                         uint64_t *ret_size)
{
    uint64_t reg = ldq_le_p(d->config + REG_PCIEXBAR);
    unsigned length = (reg >> PCIEXBAR_LENGTH_SHIFT) & 3;

    if (!(reg & PCIEXBAR_ENABLE) || length == 3) {
        return false;
    }
    *ret_size = (256 * MiB) >> length;
    *ret_base = reg & PCIEXBAR_LIMIT & ~(*ret_size - 1);
    return true;
}

static void mmconfig_update(Mch *s)
{
    MemoryRegion *mr = &s->host->mmconfig;
    uint64_t base, size;
    bool on = mch_pciexbar(&s->pci, &base, &size);

    memory_region_set_enabled(mr, on);
    if (on) {
        memory_region_set_address(mr, base);
        memory_region_set_size(mr, size);
    }
}

/* Function 0: system management RAM */

static uint64_t tseg_size(const Mch *s)
{
    static const uint8_t sizes[] = { 1, 2, 8 };
    unsigned n = (s->pci.config[REG_ESMRAMC] >> ESMRAMC_TSEG_SHIFT) & 3;
    uint64_t size = (n < G_N_ELEMENTS(sizes) ? sizes[n] : s->ext_tseg) * MiB;

    return MIN(size, s->host->below_4g);
}

static void tseg_update(Mch *s, bool on)
{
    uint64_t size = tseg_size(s);

    on = on && size > 0;
    memory_region_set_enabled(&s->tseg, on);
    memory_region_set_enabled(&s->tseg_hole, on);
    if (on) {
        memory_region_set_address(&s->tseg, s->host->below_4g - size);
        memory_region_set_alias_offset(&s->tseg, s->host->below_4g - size);
        memory_region_set_size(&s->tseg, size);
        memory_region_set_address(&s->tseg_hole, s->host->below_4g - size);
        memory_region_set_size(&s->tseg_hole, size);
    }
}

static void smram_update(Mch *s)
{
    const uint8_t *c = s->pci.config;
    uint8_t smram = c[REG_SMRAM], ext = c[REG_ESMRAMC];
    bool on = smram & SMRAM_G_SMRAME, high = ext & ESMRAMC_H_SMRAME;
    bool hidden = c[REG_SMBASE] & SMBASE_LOCKED;

    memory_region_set_enabled(&s->smram_region,
                              !(smram & SMRAM_D_OPEN) || high);
    memory_region_set_enabled(&s->smram_low, on && !high);
    memory_region_set_fetch_only(&s->smram_low, smram & SMRAM_D_CLS);
    memory_region_set_enabled(&s->smram_high, on && high);
    memory_region_set_fetch_only(&s->smram_high, smram & SMRAM_D_CLS);
    tseg_update(s, on && (ext & ESMRAMC_T_EN));
    memory_region_set_enabled(&s->smbase, hidden);
    memory_region_set_enabled(&s->smbase_hole, hidden);
}

/* One transaction, in which setters skip what stays as it is. */
static void memory_map_update(Mch *s)
{
    Memory *mem = &s->pci.dev.vm->mem;

    memory_transaction_begin(mem);
    pam_update(&s->pam, s->pci.config + REG_PAM0);
    mmconfig_update(s);
    smram_update(s);
    memory_transaction_commit(mem);
}

/* D_LCK stays until a reset; as long, only D_CLS can be changed. */
static void smram_write(uint8_t *c, uint8_t old, uint8_t old_ext)
{
    if (old & SMRAM_D_LCK) {
        c[REG_SMRAM] = (old & ~SMRAM_D_CLS) | (c[REG_SMRAM] & SMRAM_D_CLS);
        c[REG_ESMRAMC] = old_ext;
        return;
    }
    c[REG_SMRAM] = (c[REG_SMRAM] & 0x78) | SMRAM_BASE_SEG;
    if (c[REG_SMRAM] & SMRAM_D_LCK) {
        c[REG_SMRAM] &= ~SMRAM_D_OPEN;
    }
    c[REG_ESMRAMC] = (c[REG_ESMRAMC] & 0x87) | ESMRAMC_CACHES;
}

static void smbase_write(const Mch *s, uint8_t *reg, uint8_t old)
{
    uint8_t val = *reg;

    *reg = old;
    if (old == 0 && val == SMBASE_QUERY && s->smbase_smram) {
        *reg = SMBASE_OFFERED;
    } else if (old == SMBASE_OFFERED && (val & SMBASE_LOCKED)) {
        *reg = SMBASE_LOCKED;
    }
}

static void ext_tseg_write(const Mch *s)
{
    uint8_t *reg = (uint8_t *)s->pci.config + REG_EXT_TSEG;

    if (s->ext_tseg == 0) {
        stw_le_p(reg, 0);
    } else if (lduw_le_p(reg) == EXT_TSEG_QUERY) {
        stw_le_p(reg, s->ext_tseg);
    }
}

static void mch_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len)
{
    Mch *s = container_of(d, Mch, pci);
    uint8_t smram = d->config[REG_SMRAM], ext = d->config[REG_ESMRAMC];
    uint8_t smbase = d->config[REG_SMBASE];

    pci_default_config_write(d, addr, val, len);
    if (addr < REG_EXT_TSEG + 2 && addr + len > REG_EXT_TSEG) {
        ext_tseg_write(s);
    }
    if (addr <= REG_ESMRAMC && addr + len > REG_PCIEXBAR) {
        smram_write(d->config, smram, ext);
        if (addr <= REG_SMBASE && addr + len > REG_SMBASE) {
            smbase_write(s, d->config + REG_SMBASE, smbase);
        }
        memory_map_update(s);
    }
}

/* Life */

static void add_smm_window(Mch *s, MemoryRegion *mr, const char *name,
                           uint64_t addr, uint64_t from, uint64_t size)
{
    Memory *mem = &s->pci.dev.vm->mem;

    memory_region_init_alias(mr, mem, name, s->host->ram, from, size);
    mr->enabled = false;
    device_own_region(&s->pci.dev, mr);
    if (s->host->smm) {
        memory_region_add(&mem->smm_root, addr, mr, 1);
    }
}

/* Reads as ones; what is written goes nowhere. */
static void add_hole(Mch *s, MemoryRegion *mr, const char *name, uint64_t addr,
                     uint64_t size)
{
    static const IoOps no_ops = { .read = NULL };
    Memory *mem = &s->pci.dev.vm->mem;

    memory_region_init_io(mr, mem, name, size, &no_ops, &s->pci.dev);
    mr->enabled = false;
    memory_region_add(&mem->root, addr, mr, 1);
    device_own_region(&s->pci.dev, mr);
}

static bool mch_realize(Device *dev, GError **errp)
{
    Mch *s = mch_of(dev);
    Memory *mem = &dev->vm->mem;

    if (s->ext_tseg > EXT_TSEG_MAX) {
        error_setf(errp, "invalid extended-tseg-mbytes value: %u", s->ext_tseg);
        return false;
    }
    s->pci.config_write = mch_config_write;
    memory_transaction_begin(mem);
    host_bridge_add_alias(&s->pci, &s->smram_region, "smram-region",
                          pci_bus_of(&s->pci)->mem, SMRAM_BASE, SMRAM_SIZE,
                          true);
    pam_init(&s->pam, &s->pci, s->host->ram);
    add_smm_window(s, &s->smram_low, "smram-low", SMRAM_BASE, SMRAM_BASE,
                   SMRAM_SIZE);
    add_smm_window(s, &s->smram_high, "smram-high", SMRAM_HIGH, SMRAM_BASE,
                   SMRAM_SIZE);
    add_smm_window(s, &s->tseg, "tseg-window", 0, 0, MiB);
    add_hole(s, &s->tseg_hole, "tseg-blackhole", 0, MiB);
    add_smm_window(s, &s->smbase, "smbase-window", SMBASE_BASE, SMBASE_BASE,
                   SMBASE_SIZE);
    add_hole(s, &s->smbase_hole, "smbase-blackhole", SMBASE_BASE, SMBASE_SIZE);
    memory_transaction_commit(mem);
    return true;
}

static void mch_reset(Device *dev)
{
    Mch *s = mch_of(dev);
    uint8_t *c = s->pci.config;

    stw_le_p(c + REG_EXT_TSEG, s->ext_tseg);
    stq_le_p(c + REG_PCIEXBAR, PCIEXBAR_DEFAULT);
    c[REG_SMBASE] = 0;
    c[REG_SMRAM] = SMRAM_BASE_SEG;
    c[REG_ESMRAMC] = ESMRAMC_CACHES;
    memory_map_update(s);
}

static bool mch_post_load(void *opaque, int version, GError **errp)
{
    memory_map_update(opaque);
    return true;
}

static const Vmstate mch_vmstate = {
    .name = "mch",
    .version = 1,
    .oldest = 1,
    .post_load = mch_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Mch, pci, "parent_obj"),
            VMSTATE_UNUSED(1), /* was: SMM enabled */
            VMSTATE_END,
        },
};

static const Property mch_props[] = {
    PROP(PROP_U16, Mch, ext_tseg, "extended-tseg-mbytes", .def = 16),
    PROP(PROP_BOOL, Mch, smbase_smram, "smbase-smram", .def = true),
    PROP_END,
};

static const PciInfo mch_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x29c0,
    .class_id = PCI_CLASS_BRIDGE_HOST,
};

const DeviceType mch_type = {
    .name = "mch",
    .desc = "Host bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Mch),
    .bus = BUS_PCI,
    .props = mch_props,
    .pci = &mch_pci,
    .realize = mch_realize,
    .reset = mch_reset,
    .vmstate = &mch_vmstate,
};

/* The function, whose section goes before the bridge's in a stream. */
static bool mch_create(Q35Host *host, GError **errp)
{
    Device *dev = device_new(host->host.dev.vm, &mch_type);
    PciDevice *d = PCI_DEVICE(dev);

    object_add_child(&host->host.dev.obj, "mch", &dev->obj);
    d->devfn = 0;
    d->addr_set = true;
    mch_of(dev)->host = host;
    return device_realize(dev, &host->host.bus.bus, errp);
}

static bool host_realize(Device *dev, GError **errp)
{
    Q35Host *s = q35_host_of(dev);
    Memory *mem = &dev->vm->mem;

    if (!pci_host_init(&s->host, "pcie.0", errp)) {
        return false;
    }
    s->host.bus.bus.type_name = "PCIE";
    s->host.bus.express = true;
    memory_region_init_io(&s->mmconfig, mem, "pcie-mmcfg-mmio", 256 * MiB,
                          &mmconfig_ops, dev);
    s->mmconfig.enabled = false;
    memory_region_add(&mem->root, 0, &s->mmconfig, 0);
    device_own_region(dev, &s->mmconfig);
    return mch_create(s, errp);
}

static const Property host_props[] = {
    PROP(PROP_SIZE, Q35Host, hole64, "pci-hole64-size",
         .def = (int64_t)(32 * GiB)),
    PROP_END,
};

const DeviceType q35_pcihost_type = {
    .name = "q35-pcihost",
    .parent = "pcie-host-bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Q35Host),
    .bus = BUS_SYSTEM,
    .props = host_props,
    .realize = host_realize,
    .reset = pci_host_reset,
    .vmstate = &pci_host_vmstate,
    .firmware_node = "pci@i0cf8",
};

PciBus *q35_host_create(Machine *m, MemoryRegion *ram, uint64_t below_4g,
                        bool smm, GError **errp)
{
    Device *dev = device_new(m->vm, &q35_pcihost_type);
    Q35Host *s = q35_host_of(dev);

    object_add_child(&m->obj, "q35", &dev->obj);
    if (below_4g < MiB && below_4g < ram->size) {
        error_setf(errp,
                   "q35: %" PRIu64 " bytes of RAM from address 0: the segments "
                   "below 1 MiB have to be among them",
                   below_4g);
        device_delete(dev);
        return NULL;
    }
    s->ram = ram;
    s->below_4g = below_4g;
    s->smm = smm;
    if (!device_realize(dev, NULL, errp)) {
        return NULL;
    }
    pci_bus_register_vmstate(&s->host.bus);
    return &s->host.bus;
}

bool q35_host_mmconfig(const PciBus *root, uint64_t *ret_base,
                       uint64_t *ret_size)
{
    return mch_pciexbar(root->devs[0], ret_base, ret_size);
}

uint64_t q35_host_hole64(const PciBus *root)
{
    return q35_host_of(root->bus.owner)->hole64;
}
