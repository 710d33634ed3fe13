/*
 * LPC bridge of the ICH9, function 1f.0: ISA bus, PCI interrupt routing,
 * power management, chip configuration registers.
 *
 * Behaviour: Intel ICH9 data sheet 316972-004, sections 10 (chip
 * configuration registers), 13.1 (PCI configuration), 13.7.5 (reset control).
 * All PIRQ lines drive their I/O APIC pin, and the ISA interrupt that they are
 * routed to as well.  The SCI goes where ACPI_CNTL says, and shares it.
 *
 * By three files of fw_cfg firmware agrees on what an SMI does: bit 0, that
 * it goes to all CPUs, not only to the one that wrote to the APM port; bits 1
 * and 2 concern CPUs that are plugged, which there aren't in this version.
 *
 * Stream: "ICH9LPC" version 1 with subsections "ICH9LPC/rst_cnt" and
 * "ICH9LPC/smi_feat", ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/ich9-lpc.h"

#include "accel/accel.h"
#include "hw/acpi/ich9-pm.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/i8257.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    LPC_GSIS = 24,
    ISA_IRQS = 16,
    REG_PMBASE = 0x40,
    PMBASE_MASK = 0xff80,
    REG_ACPI_CNTL = 0x44,
    ACPI_CNTL_EN = 1 << 7,
    ACPI_CNTL_SCI = 7,
    REG_PIRQA = 0x60, /* …A to D */
    REG_PIRQE = 0x68, /* …E to H */
    PIRQ_DISABLED = 1 << 7,
    REG_LPC_EN = 0x82,
    LPC_EN_COMA = 1 << 0,
    LPC_EN_COMB = 1 << 1,
    LPC_EN_LPT = 1 << 2,
    LPC_EN_FDD = 1 << 3,
    REG_GEN_PMCON = 0xa0,
    GEN_PMCON_SMI_LOCK = 1 << 4,
    REG_RCBA = 0xf0,
    RCBA_ENABLE = 1 << 0,
    CC_SIZE = 16 * 1024,
    CC_D31IR = 0x3140,
    CC_D29IR = 0x3144,
    CC_D28IR = 0x3146,
    CC_D27IR = 0x3148,
    CC_D26IR = 0x314c,
    CC_D25IR = 0x3150,
    CC_DIR_END = CC_D25IR + 2,
    CC_DIR_DEFAULT = 0x3210, /* pins in turns, from PIRQ A on */
    CC_GCS = 0x3410,
    GCS_NO_REBOOT = 1 << 5,
    APM_PORTS = 2,
    RCR_PORT = 0xcf9,
    RCR_HARD = 1 << 1,
    RCR_RESET = 1 << 2,
    RCR_FULL = 1 << 3,
    RCR_STORED = RCR_HARD | RCR_FULL,
    SMI_BROADCAST = 1 << 0,
    SMI_CPU_HOTPLUG = 1 << 1,
    SMI_CPU_HOTUNPLUG = 1 << 2,
};

typedef struct Ich9Lpc {
    Ich9Function chip; /* the function, its power management block */
    IsaBus isa;
    MemoryRegion rcr_io, rcba;
    IoRange apm_io;
    IrqLine gsis[LPC_GSIS];
    uint32_t driven; /* bit n: gsis[n] is high */
    IrqInput sci_in;
    uint32_t sci_level;  /* 0 or 1; migrated, as all below */
    uint8_t apmc, apms;  /* the APM ports */
    uint8_t rcr;         /* RCR_STORED */
    uint8_t cc[CC_SIZE]; /* chip configuration registers */
    /* SMI features: what the guest wants, whether that was taken, and is on. */
    uint8_t smi_wanted_le[8], smi_ok;
    uint64_t smi_features;
    /* Properties. */
    bool noreboot, smi_broadcast, smi_cpu_hotplug, smi_cpu_hotunplug;
} Ich9Lpc;

static Ich9Lpc *lpc_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);

    return container_of(d, Ich9Lpc, chip.pci);
}

/* Interrupt routing */

/* The register of a slot's pins in chip configuration space; 0: none. */
static unsigned slot_dir(unsigned slot)
{
    static const uint16_t dirs[32] = {
        [25] = CC_D25IR, [26] = CC_D26IR, [27] = CC_D27IR,
        [28] = CC_D28IR, [29] = CC_D29IR, [31] = CC_D31IR,
    };

    return dirs[slot];
}

/* The other slots share PIRQ E to H, those below 25 in turns. */
static unsigned lpc_map_irq(PciDevice *d, unsigned pin)
{
    const Ich9Lpc *s = pci_bus_of(d)->irq_opaque;
    unsigned slot = PCI_SLOT_OF(d->devfn), dir = slot_dir(slot);

    if (dir != 0) {
        return (lduw_le_p(s->cc + dir) >> (4 * pin)) & (ICH9_PIRQS - 1);
    }
    return 4 + ((slot == 30 ? pin : slot + pin) & 3);
}

/* The interrupt that the SCI drives; -1: none. */
static int sci_gsi(const Ich9Lpc *s)
{
    switch (s->chip.pci.config[REG_ACPI_CNTL] & ACPI_CNTL_SCI) {
    case 0:
        return 9;
    case 1:
        return 10;
    case 2:
        return 11;
    case 4:
        return 20;
    case 5:
        return 21;
    default:
        return -1;
    }
}

static uint8_t pirq_route(const Ich9Lpc *s, unsigned line)
{
    return s->chip.pci
        .config[line < 4 ? REG_PIRQA + line : REG_PIRQE + line - 4];
}

/* Bit n: interrupt n is asserted. */
static uint32_t routed_levels(Ich9Lpc *s)
{
    const PciBus *bus = pci_bus_of(&s->chip.pci);
    int sci = sci_gsi(s);
    uint32_t levels = 0;

    for (unsigned line = 0; line < ICH9_PIRQS; line++) {
        uint8_t route = pirq_route(s, line);

        if (bus->irq_count[line] == 0) {
            continue;
        }
        levels |= 1U << (ICH9_PIRQ_GSI + line);
        if (!(route & PIRQ_DISABLED)) {
            levels |= 1U << (route & (ISA_IRQS - 1));
        }
    }
    if (sci >= 0 && s->sci_level != 0) {
        levels |= 1U << sci;
    }
    return levels;
}

static void irqs_update(Ich9Lpc *s)
{
    uint32_t levels = routed_levels(s), changed = levels ^ s->driven;

    s->driven = levels;
    for (unsigned n = 0; n < LPC_GSIS; n++) {
        if (changed & (1U << n)) {
            irq_set(&s->gsis[n], levels & (1U << n));
        }
    }
}

static void lpc_set_irq(void *opaque, unsigned line, bool level)
{
    irqs_update(opaque);
}

static void lpc_set_sci(void *opaque, unsigned n, bool level)
{
    Ich9Lpc *s = opaque;

    s->sci_level = level;
    irqs_update(s);
}

/* Configuration space */

static void rcba_update(Ich9Lpc *s)
{
    Memory *mem = &s->chip.pci.dev.vm->mem;
    uint32_t reg = ldl_le_p(s->chip.pci.config + REG_RCBA);

    memory_transaction_begin(mem);
    memory_region_set_enabled(&s->rcba, reg & RCBA_ENABLE);
    memory_region_set_address(&s->rcba, reg & ~(uint32_t)(CC_SIZE - 1));
    memory_transaction_commit(mem);
}

static void pm_base_update(Ich9Lpc *s)
{
    const uint8_t *c = s->chip.pci.config;

    ich9_pm_set_base(&s->chip.pm, lduw_le_p(c + REG_PMBASE) & PMBASE_MASK,
                     c[REG_ACPI_CNTL] & ACPI_CNTL_EN);
}

/* Once set, it stays until a reset. */
static void smi_lock_update(Ich9Lpc *s)
{
    uint8_t *reg = &s->chip.pci.config[REG_GEN_PMCON];

    if (s->chip.pm.smi_locked) {
        *reg |= GEN_PMCON_SMI_LOCK;
    }
    s->chip.pm.smi_locked = *reg & GEN_PMCON_SMI_LOCK;
}

static void lpc_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len)
{
    Ich9Lpc *s = container_of(d, Ich9Lpc, chip.pci);

    pci_default_config_write(d, addr, val, len);
    if (addr <= REG_ACPI_CNTL && addr + len > REG_PMBASE) {
        pm_base_update(s);
    }
    if (addr < REG_PIRQE + 4 && addr + len > REG_ACPI_CNTL) {
        irqs_update(s);
    }
    if (addr <= REG_GEN_PMCON && addr + len > REG_GEN_PMCON) {
        smi_lock_update(s);
    }
    if (addr + len > REG_RCBA) {
        rcba_update(s);
    }
}

/* Chip configuration registers */

static uint64_t cc_read(Device *dev, uint64_t off, unsigned size)
{
    return ldn_le_p(lpc_of(dev)->cc + off, size);
}

static void cc_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ich9Lpc *s = lpc_of(dev);
    uint8_t old[CC_DIR_END - CC_D31IR];

    memcpy(old, s->cc + CC_D31IR, sizeof(old));
    stn_le_p(s->cc + off, size, val);
    if (memcmp(old, s->cc + CC_D31IR, sizeof(old)) != 0) {
        pci_bus_recount_irqs(pci_bus_of(&s->chip.pci));
        irqs_update(s);
    }
}

static const IoOps cc_ops = { .read = cc_read, .write = cc_write };

static void cc_reset(Ich9Lpc *s)
{
    memset(s->cc, 0, sizeof(s->cc));
    for (unsigned slot = 0; slot < 32; slot++) {
        if (slot_dir(slot) != 0) {
            stw_le_p(s->cc + slot_dir(slot), CC_DIR_DEFAULT);
        }
    }
    stl_le_p(s->cc + CC_GCS, s->noreboot ? GCS_NO_REBOOT : 0);
}

/* Reset control */

static uint64_t rcr_read(Device *dev, uint64_t off, unsigned size)
{
    return lpc_of(dev)->rcr;
}

static void rcr_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    if (val & RCR_RESET) {
        machine_request_reset(dev->machine, RESET_BY_GUEST);
        return;
    }
    lpc_of(dev)->rcr = val & RCR_STORED;
}

static const IoOps rcr_io = {
    .read = rcr_read,
    .write = rcr_write,
    .max_size = 1,
};

/* SMI */

static void lpc_smi(void *opaque)
{
    Ich9Lpc *s = opaque;
    Vm *vm = s->chip.pci.dev.vm;
    Vcpu *only = vcpu_current();

    if (vm->nvcpus == 0 || vm->accel->type->vcpu_smi == NULL) {
        return;
    }
    if (only == NULL) {
        only = vm->vcpus[0];
    }
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i] == only || (s->smi_features & SMI_BROADCAST)) {
            vm->accel->type->vcpu_smi(vm->vcpus[i]);
        }
    }
}

static bool lpc_tco_reboots(void *opaque)
{
    return !(ldl_le_p(((Ich9Lpc *)opaque)->cc + CC_GCS) & GCS_NO_REBOOT);
}

static const Ich9PmOps lpc_pm_ops = { .smi = lpc_smi,
                                      .tco_reboots = lpc_tco_reboots };

static uint64_t apm_read(Device *dev, uint64_t off, unsigned size)
{
    return off == 0 ? lpc_of(dev)->apmc : lpc_of(dev)->apms;
}

/* The command port. */
static void apm_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Ich9Lpc *s = lpc_of(dev);

    if (off != 0) {
        s->apms = val;
        return;
    }
    s->apmc = val;
    if (val == ICH9_ACPI_ENABLE) {
        s->chip.pm.pm.pm1_cnt |= ACPI_PM1_SCI_EN;
    } else if (val == ICH9_ACPI_DISABLE) {
        s->chip.pm.pm.pm1_cnt &= ~ACPI_PM1_SCI_EN;
    }
    ich9_pm_smi_event(&s->chip.pm, ICH9_SMI_APMC);
}

static const IoOps apm_ops = { .read = apm_read,
                               .write = apm_write,
                               .max_size = 1 };

static uint64_t smi_host_features(const Ich9Lpc *s)
{
    return (s->smi_broadcast ? SMI_BROADCAST : 0) |
           (s->smi_cpu_hotplug ? SMI_CPU_HOTPLUG : 0) |
           (s->smi_cpu_hotunplug ? SMI_CPU_HOTUNPLUG : 0);
}

/* The guest is about to read whether it gets what it wants. */
static void smi_features_selected(void *opaque)
{
    Ich9Lpc *s = opaque;
    uint64_t wanted = ldq_le_p(s->smi_wanted_le);
    const uint64_t hotplug = SMI_CPU_HOTPLUG | SMI_CPU_HOTUNPLUG;

    if (s->smi_ok || (wanted & ~smi_host_features(s)) ||
        ((wanted & hotplug) && !(wanted & SMI_BROADCAST)) ||
        (wanted & hotplug) == SMI_CPU_HOTUNPLUG) {
        return;
    }
    s->smi_features = wanted;
    s->smi_ok = 1;
}

static bool add_smi_files(Ich9Lpc *s, GError **errp)
{
    FwCfg *f = s->chip.pci.dev.machine->fw_cfg;
    uint64_t offered = smi_host_features(s);
    uint8_t offered_le[8];

    if (offered == 0 || f == NULL) {
        return true;
    }
    stq_le_p(offered_le, offered);
    return fw_cfg_add_file(f, "etc/smi/supported-features", offered_le,
                           sizeof(offered_le), errp) &&
           fw_cfg_add_file_callback(f, "etc/smi/requested-features", NULL, NULL,
                                    s->smi_wanted_le, sizeof(s->smi_wanted_le),
                                    true, errp) &&
           fw_cfg_add_file_callback(f, "etc/smi/features-ok",
                                    smi_features_selected, s, &s->smi_ok,
                                    sizeof(s->smi_ok), false, errp);
}

/* Life */

static bool connect_gsis(Ich9Lpc *s, GError **errp)
{
    Device *dev = &s->chip.pci.dev;
    Machine *m = dev->machine;

    if (m->gsi == NULL || m->ngsi < LPC_GSIS) {
        error_setf(errp, "the board has %u interrupt inputs, not %u", m->ngsi,
                   LPC_GSIS);
        return false;
    }
    for (unsigned n = 0; n < LPC_GSIS; n++) {
        irq_connect(&s->gsis[n], &m->gsi[n]);
    }
    s->sci_in = (IrqInput){ lpc_set_sci, s, 0 };
    irq_out_init(dev, &s->chip.pm.pm.sci, "sci");
    irq_connect(&s->chip.pm.pm.sci, &s->sci_in);
    return true;
}

static void add_regions(Ich9Lpc *s)
{
    Device *dev = &s->chip.pci.dev;
    Memory *mem = &dev->vm->mem;

    /* In front of the middle byte of the host bridge's CONFADD. */
    memory_region_init_io(&s->rcr_io, mem, "lpc-reset-control", 1, &rcr_io,
                          dev);
    memory_region_add(&mem->io_root, RCR_PORT, &s->rcr_io, 1);
    device_own_region(dev, &s->rcr_io);
    memory_region_init_io(&s->rcba, mem, "lpc-rcrb-mmio", CC_SIZE, &cc_ops,
                          dev);
    s->rcba.enabled = false;
    memory_region_add(&mem->root, 0, &s->rcba, 1);
    device_own_region(dev, &s->rcba);
}

static void lpc_unrealize(Device *dev)
{
    Ich9Lpc *s = lpc_of(dev);

    pci_bus_set_irqs(pci_bus_of(&s->chip.pci), 0, NULL, NULL, NULL);
    ich9_pm_fini(&s->chip.pm);
}

static bool lpc_realize(Device *dev, GError **errp)
{
    Ich9Lpc *s = lpc_of(dev);

    if (!connect_gsis(s, errp) ||
        !device_claim_io(dev, &s->apm_io, &apm_ops, "apm-io", ICH9_SMI_CMD,
                         APM_PORTS, errp) ||
        !add_smi_files(s, errp)) {
        return false;
    }
    s->chip.pci.config_write = lpc_config_write;
    stl_le_p(s->chip.pci.wmask + REG_PMBASE, PMBASE_MASK | 0x07);
    add_regions(s);
    if (!ich9_pm_init(&s->chip, &lpc_pm_ops, s, errp)) {
        return false;
    }
    isa_bus_init(&s->isa, dev, dev->machine->gsi);
    pci_bus_set_irqs(pci_bus_of(&s->chip.pci), ICH9_PIRQS, lpc_map_irq,
                     lpc_set_irq, s);
    if (!i8257_create_pair(&s->isa, errp)) {
        lpc_unrealize(dev);
        return false;
    }
    return true;
}

static void lpc_reset(Device *dev)
{
    Ich9Lpc *s = lpc_of(dev);
    uint8_t *c = s->chip.pci.config;

    stl_le_p(c + REG_PMBASE, 1);
    c[REG_ACPI_CNTL] = 0;
    memset(c + REG_PIRQA, PIRQ_DISABLED, 4);
    memset(c + REG_PIRQE, PIRQ_DISABLED, 4);
    c[REG_GEN_PMCON] &= ~GEN_PMCON_SMI_LOCK;
    stl_le_p(c + REG_RCBA, 0);
    cc_reset(s);
    s->apmc = 0;
    s->apms = 0;
    s->rcr = 0;
    memset(s->smi_wanted_le, 0, sizeof(s->smi_wanted_le));
    s->smi_ok = 0;
    s->smi_features = 0;
    ich9_pm_reset(&s->chip.pm);
    pm_base_update(s);
    rcba_update(s);
    pci_bus_recount_irqs(pci_bus_of(&s->chip.pci));
    irqs_update(s);
}

/* Stream */

/*
 * The levels follow from the bus, which was loaded before.  The interrupt
 * controllers bring their own view of them: nothing is driven here.
 */
static bool lpc_post_load(void *opaque, int version, GError **errp)
{
    Ich9Lpc *s = opaque;

    s->rcr &= RCR_STORED;
    s->chip.pm.smi_locked = false;
    smi_lock_update(s);
    pm_base_update(s);
    rcba_update(s);
    s->driven = routed_levels(s);
    return true;
}

static bool rcr_needed(void *opaque)
{
    return ((const Ich9Lpc *)opaque)->rcr != 0;
}

static bool smi_features_needed(void *opaque)
{
    const Ich9Lpc *s = opaque;

    return ldq_le_p(s->smi_wanted_le) != 0 || s->smi_ok != 0 ||
           s->smi_features != 0;
}

static bool smi_features_post_load(void *opaque, int version, GError **errp)
{
    const Ich9Lpc *s = opaque;

    if (s->smi_features & ~smi_host_features(s)) {
        error_setf(errp, "SMI features 0x%" PRIx64 ": there are 0x%" PRIx64,
                   s->smi_features, smi_host_features(s));
        return false;
    }
    return true;
}

static const Vmstate apm_vmstate = {
    .name = "APM State",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Ich9Lpc, apmc),
            VMSTATE_U8(Ich9Lpc, apms),
            VMSTATE_END,
        },
};

#define LPC_FIELD(name_, f, k)                                        \
    {                                                                 \
        .name = (name_), .kind = (k), .offset = offsetof(Ich9Lpc, f), \
        .size = sizeof(((Ich9Lpc *)0)->f)                             \
    }
#define LPC_BYTES(name_, f)                                              \
    {                                                                    \
        .name = (name_), .kind = VMS_U8, .offset = offsetof(Ich9Lpc, f), \
        .size = 1, .num = sizeof(((Ich9Lpc *)0)->f)                      \
    }

static const Vmstate rcr_vmstate = {
    .name = "ICH9LPC/rst_cnt",
    .version = 1,
    .oldest = 1,
    .needed = rcr_needed,
    .fields =
        (const VmstateField[]){
            LPC_FIELD("rst_cnt", rcr, VMS_U8),
            VMSTATE_END,
        },
};

static const Vmstate smi_features_vmstate = {
    .name = "ICH9LPC/smi_feat",
    .version = 1,
    .oldest = 1,
    .needed = smi_features_needed,
    .post_load = smi_features_post_load,
    .fields =
        (const VmstateField[]){
            LPC_BYTES("smi_guest_features_le", smi_wanted_le),
            LPC_FIELD("smi_features_ok", smi_ok, VMS_U8),
            LPC_FIELD("smi_negotiated_features", smi_features, VMS_U64),
            VMSTATE_END,
        },
};

static const Vmstate lpc_vmstate = {
    .name = "ICH9LPC",
    .version = 1,
    .oldest = 1,
    .post_load = lpc_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Ich9Lpc, chip.pci, "d"),
            { .name = "apm",
              .kind = VMS_STRUCT,
              .size = sizeof(Ich9Lpc),
              .vms = &apm_vmstate,
              .struct_version = 1 },
            { .name = "pm",
              .kind = VMS_STRUCT,
              .offset = offsetof(Ich9Lpc, chip.pm),
              .size = sizeof(Ich9Pm),
              .vms = &ich9_pm_vmstate,
              .struct_version = 1 },
            LPC_BYTES("chip_config", cc),
            LPC_FIELD("sci_level", sci_level, VMS_U32),
            VMSTATE_END,
        },
    .subsections =
        (const Vmstate *const[]){ &rcr_vmstate, &smi_features_vmstate, NULL },
};

static const Property lpc_props[] = {
    PROP(PROP_BOOL, Ich9Lpc, noreboot, "noreboot", .def = true),
    PROP(PROP_BOOL, Ich9Lpc, smi_broadcast, "x-smi-broadcast", .def = true),
    PROP(PROP_BOOL, Ich9Lpc, smi_cpu_hotplug, "x-smi-cpu-hotplug", .def = true),
    PROP(PROP_BOOL, Ich9Lpc, smi_cpu_hotunplug, "x-smi-cpu-hotunplug",
         .def = true),
    PROP(PROP_U8, Ich9Lpc, chip.pm.disable_s3, "disable_s3"),
    PROP(PROP_U8, Ich9Lpc, chip.pm.disable_s4, "disable_s4"),
    PROP(PROP_U8, Ich9Lpc, chip.pm.s4_val, "s4_val", .def = 2),
    PROP(PROP_BOOL, Ich9Lpc, chip.pm.enable_tco, "enable_tco", .def = true),
    PROP(PROP_BOOL, Ich9Lpc, chip.pm.bridge_hotplug,
         "acpi-pci-hotplug-with-bridge-support", .def = true),
    PROP_END,
};

static const PciInfo lpc_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x2918,
    .revision = 2,
    .class_id = PCI_CLASS_BRIDGE_ISA,
};

const DeviceType ich9_lpc_type = {
    .name = "ICH9-LPC",
    .desc = "ICH9 LPC bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Ich9Lpc),
    .bus = BUS_PCI,
    .props = lpc_props,
    .pci = &lpc_pci,
    .realize = lpc_realize,
    .unrealize = lpc_unrealize,
    .reset = lpc_reset,
    .vmstate = &lpc_vmstate,
};

Device *ich9_lpc_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev = device_new(m->vm, &ich9_lpc_type);
    PciDevice *d = PCI_DEVICE(dev);

    lpc_of(dev)->chip.pm.smm = m->smm;
    d->devfn = ICH9_SLOT << 3;
    d->addr_set = true;
    d->multifunction = true;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

IsaBus *ich9_lpc_isa_bus(Device *lpc)
{
    return &lpc_of(lpc)->isa;
}

void ich9_lpc_set_ports(Device *lpc, uint8_t serials, bool parallel, bool fdc)
{
    PCI_DEVICE(lpc)->config[REG_LPC_EN] =
        (serials & (LPC_EN_COMA | LPC_EN_COMB)) | (parallel ? LPC_EN_LPT : 0) |
        (fdc ? LPC_EN_FDD : 0);
}

uint16_t ich9_lpc_pm_base(Device *lpc)
{
    return lduw_le_p(PCI_DEVICE(lpc)->config + REG_PMBASE) & PMBASE_MASK;
}

AcpiPcihp *ich9_lpc_pcihp(Device *lpc)
{
    Ich9Pm *pm = &lpc_of(lpc)->chip.pm;

    return pm->bridge_hotplug ? &pm->pcihp : NULL;
}

void ich9_lpc_eject_pending(Device *lpc)
{
    acpi_pcihp_eject_pending(&lpc_of(lpc)->chip.pm.pcihp);
}

void ich9_lpc_raise_gpe(Device *lpc, uint64_t events)
{
    acpi_pm_raise_gpe(&lpc_of(lpc)->chip.pm.pm, events);
}

void ich9_lpc_press_button(Device *lpc)
{
    acpi_pm_raise(&lpc_of(lpc)->chip.pm.pm, ACPI_PM1_PWRBTN_STS);
}

/* The alarm only if its event is enabled. */
bool ich9_lpc_may_wake(Device *lpc, WakeupReason reason)
{
    return reason != WAKEUP_RTC ||
           (lpc_of(lpc)->chip.pm.pm.pm1_en & ACPI_PM1_RTC_STS);
}

void ich9_lpc_wakeup(Device *lpc, WakeupReason reason)
{
    acpi_pm_raise(&lpc_of(lpc)->chip.pm.pm,
                  ACPI_PM1_WAK_STS |
                      (reason == WAKEUP_RTC ? ACPI_PM1_RTC_STS
                                            : ACPI_PM1_PWRBTN_STS));
}
