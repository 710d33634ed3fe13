/*
 * Machine "pc" = "pc-i440fx-7.2": a PC of 1996 with much memory.
 *
 *   RAM       0 to at most 3.5 GiB, the rest from 4 GiB
 *   00.0 82441FX, 01.0 PIIX3, 01.1 IDE, 01.2 USB if it is asked for,
 *   01.3 PIIX4 power management
 *
 * The order in which devices are made is that of their sections in a stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc.h"

#include "hw/acpi/piix4-pm.h"
#include "hw/i386/pc-cmos.h"
#include "hw/ide/ide.h"
#include "hw/isa/piix3.h"
#include "hw/pci/i440fx.h"
#include "hw/timer/mc146818rtc.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    PIIX3_USB_DEVFN = 1 << 3 | 2,
    PM_BASE_REG = 0x40, /* PIIX4 function 3: PM base address, bits 15:6 */
};

/* Room for PCI memory above 4 GiB, bytes. */
#define PCI_HOLE64 (2 * GiB)

static bool i440fx_init_bridges(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;
    Device *piix3;

    p->pci =
        i440fx_create(&x->m, &x->m.ram_region, x->below_4g, x->m.smm, errp);
    if (p->pci == NULL || !pc_init_rom(p, errp)) {
        return false;
    }
    x86_init_gsis(x, X86_GSIS);
    piix3 = piix3_create(&x->m, p->pci, errp);
    if (piix3 == NULL) {
        return false;
    }
    p->isa = &piix3_isa_bus(piix3)->bus;
    pc_init_ports(p, piix3);
    return true;
}

static bool i440fx_init_storage(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;

    p->ide = piix3_ide_create(&x->m, p->pci, errp);
    return p->ide != NULL && piix3_ide_create_drives(p->ide, errp);
}

static bool i440fx_init_usb(PcMachine *p, GError **errp)
{
    Vm *vm = p->x.m.vm;
    Device *dev;

    if (!p->x.m.usb) {
        return true;
    }
    dev = device_new(vm, device_type_find(p->board->usb));
    PCI_DEVICE(dev)->devfn = PIIX3_USB_DEVFN;
    PCI_DEVICE(dev)->addr_set = true;
    return device_realize(dev, &p->pci->bus, errp);
}

static bool i440fx_init_pm(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;

    x->m.acpi = x->m.acpi && on_off_auto(x->opt_acpi, true);
    if (!x->m.acpi) {
        return true;
    }
    p->pm = piix4_pm_create(&x->m, p->pci, errp);
    return p->pm != NULL;
}

static bool i440fx_init_functions(PcMachine *p, GError **errp)
{
    return i440fx_init_storage(p, errp) && i440fx_init_usb(p, errp) &&
           i440fx_init_pm(p, errp);
}

/* Disks may have come by -device. */
static bool i440fx_complete_disks(PcMachine *p, GError **errp)
{
    uint8_t cmos[PC_CMOS_SIZE] = { 0 };
    IdeGeometry disks[4];
    g_autofree char *text = piix3_ide_bios_geometry(p->ide);

    for (unsigned i = 0; i < G_N_ELEMENTS(disks); i++) {
        disks[i] = piix3_ide_geometry(p->ide, i);
    }
    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        cmos[i] = rtc_get_memory(p->x.rtc, i);
    }
    pc_cmos_put_disks(cmos, disks);
    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        rtc_set_memory(p->x.rtc, i, cmos[i]);
    }
    return text == NULL || p->x.m.fw_cfg == NULL ||
           fw_cfg_update_file(p->x.m.fw_cfg, "bios-geometry", text,
                              strlen(text) + 1, errp);
}

static bool i440fx_complete(PcMachine *p, GError **errp)
{
    if (p->pm != NULL) {
        piix4_pm_add_bridges(p->pm, p->pci);
        piix4_pm_set_ports(p->pm, x86_has_isa_device(&p->x, "isa-parallel"),
                           x86_serial_mask(&p->x));
    }
    return i440fx_complete_disks(p, errp);
}

/* ACPI */

static void i440fx_fill_acpi(PcMachine *p, AcpiConfig *c)
{
    c->pci_hole64_len = PCI_HOLE64;
    c->pm_base = lduw_le_p(PCI_DEVICE(p->pm)->config + PM_BASE_REG) & 0xffc0;
    c->pcihp_base = PIIX4_PCIHP_BASE;
    c->cpuhp_base = PIIX4_CPUHP_BASE;
    pc_fill_acpi_functions(p, piix4_pm_pcihp(p->pm), c);
}

static const PcBoard i440fx_board = {
    .low_max = 0xe0000000,
    .low_large = 0xc0000000,
    /* The I/O APIC's pin 2 alone: others may be shared with PCI. */
    .hpet_intcap = 1U << 2,
    .fdc = true,
    .usb = "piix3-usb-uhci",
    .init_bridges = i440fx_init_bridges,
    .init_functions = i440fx_init_functions,
    .complete = i440fx_complete,
    .eject_pending = piix4_pm_eject_pending,
    .press_button = piix4_pm_press_button,
    .raise_gpe = piix4_pm_raise_gpe,
    .may_wake = piix4_pm_may_wake,
    .wakeup = piix4_pm_wakeup,
    .fill_acpi = i440fx_fill_acpi,
    .build_acpi = acpi_build_pc,
};

static bool i440fx_build(Machine *m, GError **errp)
{
    return pc_build(PC_MACHINE(m), &i440fx_board, errp);
}

const MachineType machine_pc_i440fx_type = {
    .name = "pc-i440fx-7.2",
    .alias = "pc",
    .parent = "generic-pc-machine",
    .desc = "Standard PC (i440FX + PIIX, 1996)",
    .is_default = true,
    .max_cpus = 255,
    .default_ram = 128 * MiB,
    .default_cpu = "qemu64",
    .has_vga = true,
    .has_cdrom = true,
    .default_nic = "e1000",
    .ram_id = "pc.ram",
    .numa = true,
    .parallel_ports = true,
    .size = sizeof(PcMachine),
    .props = pc_props,
    .build = i440fx_build,
    .complete = pc_complete,
    .reset = pc_reset,
    .option = pc_option,
    .boot_set = pc_boot_set,
    .print_pics = x86_print_pics,
    .print_irq_counts = x86_print_irq_counts,
    .powerdown = pc_powerdown,
    .acpi_event = pc_acpi_event,
    .suspend = pc_suspend,
    .wakeup = pc_wakeup,
    .fini = pc_fini,
};
