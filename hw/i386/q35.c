/*
 * Machine "q35" = "pc-q35-7.2": a PC of 2009 with PCI Express.
 *
 *   RAM         0 to at most 2.75 GiB, the rest from 4 GiB
 *   0xb0000000  MMCONFIG, where firmware puts it
 *   00.0 82G33 GMCH; 1f.0 ICH9 LPC bridge with power management
 *   1f.2 AHCI, 1f.3 SMBus
 *
 * The order in which devices are made is that of their sections in a stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc.h"

#include "hw/acpi/ich9-pm.h"
#include "hw/acpi/ich9-smb.h"
#include "hw/ide/ahci.h"
#include "hw/isa/ich9-lpc.h"
#include "hw/pci/mch.h"
#include "system/vm.h"
#include "util/error.h"

enum { AHCI_FUNCTION = 2 };

static bool q35_init_bridges(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;

    p->pci =
        q35_host_create(&x->m, &x->m.ram_region, x->below_4g, x->m.smm, errp);
    if (p->pci == NULL || !pc_init_rom(p, errp)) {
        return false;
    }
    x86_init_gsis(x, X86_GSIS);
    p->lpc = ich9_lpc_create(&x->m, p->pci, errp);
    if (p->lpc == NULL) {
        return false;
    }
    p->isa = &ich9_lpc_isa_bus(p->lpc)->bus;
    x->m.native_hotplug = ich9_lpc_pcihp(p->lpc) == NULL;
    pc_init_ports(p, p->lpc);
    x->m.acpi = x->m.acpi && on_off_auto(x->opt_acpi, true);
    p->pm = x->m.acpi ? p->lpc : NULL;
    return true;
}

static bool q35_init_functions(PcMachine *p, GError **errp)
{
    Machine *m = &p->x.m;

    if (p->opt_sata) {
        Device *ahci =
            ahci_create(m, p->pci, ICH9_SLOT << 3 | AHCI_FUNCTION, true, errp);

        if (ahci == NULL || !ahci_create_drives(ahci, errp)) {
            return false;
        }
    }
    return !p->opt_smbus || ich9_smb_create(m, p->pci, errp) != NULL;
}

static bool q35_complete(PcMachine *p, GError **errp)
{
    const X86Machine *x = &p->x;

    if (p->pm != NULL && ich9_lpc_pcihp(p->lpc) != NULL) {
        acpi_pcihp_add_bridges(ich9_lpc_pcihp(p->lpc), p->pci);
    }
    ich9_lpc_set_ports(p->lpc, x86_serial_mask(x),
                       x86_has_isa_device(x, "isa-parallel"),
                       x86_has_isa_device(x, "isa-fdc"));
    return true;
}

static void q35_fill_acpi(PcMachine *p, AcpiConfig *c)
{
    const AcpiPcihp *hp = ich9_lpc_pcihp(p->lpc);
    uint64_t hole64_end = c->pci_hole64 + q35_host_hole64(p->pci);

    if (!q35_host_mmconfig(p->pci, &c->mmconfig, &c->mmconfig_len)) {
        c->mmconfig_len = 0;
    }
    c->pci_hole64_len = ROUND_UP(hole64_end, GiB) - c->pci_hole64;
    c->pm_base = ich9_lpc_pm_base(p->pm);
    c->gpe0_base = c->pm_base + ICH9_GPE0_OFFSET;
    c->gpe0_len = ICH9_GPE0_LEN;
    c->pcihp_base = hp != NULL ? ICH9_PCIHP_BASE : 0;
    pc_fill_acpi_functions(p, hp, c);
    c->cpuhp_base = ICH9_CPUHP_BASE;
}

static const PcBoard q35_board = {
    .low_max = 0xb0000000,
    .low_large = 0x80000000,
    /* The I/O APIC's pins 2, 8, and those of PIRQ A to H. */
    .hpet_intcap = 0xff0104,
    .init_bridges = q35_init_bridges,
    .init_functions = q35_init_functions,
    .complete = q35_complete,
    .eject_pending = ich9_lpc_eject_pending,
    .press_button = ich9_lpc_press_button,
    .raise_gpe = ich9_lpc_raise_gpe,
    .may_wake = ich9_lpc_may_wake,
    .wakeup = ich9_lpc_wakeup,
    .fill_acpi = q35_fill_acpi,
    .build_acpi = acpi_build_q35,
};

static bool q35_build(Machine *m, GError **errp)
{
    return pc_build(PC_MACHINE(m), &q35_board, errp);
}

const MachineType machine_pc_q35_type = {
    .name = "pc-q35-7.2",
    .alias = "q35",
    .parent = "generic-pc-machine",
    .desc = "Standard PC (Q35 + ICH9, 2009)",
    .max_cpus = 288,
    .default_ram = 128 * MiB,
    .default_cpu = "qemu64",
    .has_vga = true,
    .has_cdrom = true,
    .ide_units = 1,
    .default_nic = "e1000e",
    .ram_id = "pc.ram",
    .numa = true,
    .parallel_ports = true,
    .size = sizeof(PcMachine),
    .props = pc_props,
    .build = q35_build,
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
