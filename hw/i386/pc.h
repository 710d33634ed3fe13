/*
 * PCs: what their machine types share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/acpi/hotplug.h"
#include "hw/acpi/pc-tables.h"
#include "hw/i386/option-roms.h"
#include "hw/i386/smbios.h"
#include "hw/i386/x86.h"
#include "hw/pci/pci.h"

extern const MachineType machine_pc_i440fx_type;
extern const MachineType machine_pc_q35_type;

typedef struct PcMachine PcMachine;

enum { PC_FLASHES = 2 }; /* chips for firmware: code, variables */

/* A PC's chip set, as the common part sees it. */
typedef struct PcBoard {
    uint64_t low_max, low_large; /* where low RAM ends; there, if it is more */
    uint32_t hpet_intcap;        /* I/O APIC pins that the HPET can drive */
    bool fdc;
    const char *usb; /* type of the USB controller, made by init_functions */
    /* Makes p->pci, p->isa, ROMs and ports; m->gsi is to be there for them. */
    bool (*init_bridges)(PcMachine *p, GError **errp);
    /* What follows the network cards: disks, p->pm if there is ACPI. */
    bool (*init_functions)(PcMachine *p, GError **errp);
    /* When the user's devices are there; may be NULL. */
    bool (*complete)(PcMachine *p, GError **errp);
    /* Of p->pm, which is there: see hw/acpi/piix4-pm.h. */
    void (*eject_pending)(Device *pm);
    void (*press_button)(Device *pm);
    void (*raise_gpe)(Device *pm, uint64_t events);
    bool (*may_wake)(Device *pm, WakeupReason reason);
    void (*wakeup)(Device *pm, WakeupReason reason);
    /* The chip set's part of what the tables say, and the tables. */
    void (*fill_acpi)(PcMachine *p, AcpiConfig *c);
    void (*build_acpi)(AcpiTables *t, const AcpiConfig *c);
} PcBoard;

struct PcMachine {
    X86Machine x;
    const PcBoard *board;
    PciBus *pci;
    Bus *isa;
    Device *pit, *hpet, *ide, *pm, *lpc; /* NULL: none */
    Device *flash[PC_FLASHES];           /* NULL: none */
    MemoryRegion rom;                    /* "pc.rom", for option ROMs */
    MemoryRegion port80, port_f0;
    SmbiosOptions *smbios;
    OptionRoms *option_roms; /* NULL: none */
    bool fd_bootchk, no_fd_bootchk;
    unsigned nresets;
    /* Options. */
    uint64_t max_ram_below_4g, max_fw_size; /* bytes */
    bool opt_hpet, opt_i8042, opt_sata, opt_smbus;
    OnOffAuto opt_vmport, opt_smm;
    char *opt_pflash[PC_FLASHES]; /* a back end or node; NULL: not said */
    int smbios_entry_point;       /* 0: 32 bits, 1: 64 */
};

#define PC_MACHINE(m_) container_of(m_, PcMachine, x.m)

/* MachineType.props; .build of a chip set; and what .build needs. */
extern const Property pc_props[];
bool pc_build(PcMachine *p, const PcBoard *board, GError **errp);
/* pc-flash.c: p->flash, if users ask for it. */
bool pc_init_flash(PcMachine *p, GError **errp);
/* The end of flash[0], `max` bytes at most, below 1 MiB in `parent`. */
bool pc_init_isa_flash(PcMachine *p, MemoryRegion *parent, uint64_t max,
                       GError **errp);
/*
 * c->root: the functions of the root bus and those behind its bridges, each
 * bus with its number in `hp`.  NULL: buses have none.
 */
void pc_fill_acpi_functions(const PcMachine *p, const AcpiPcihp *hp,
                            AcpiConfig *c);
/* Firmware and option ROMs, in the memory space of p->pci. */
bool pc_init_rom(PcMachine *p, GError **errp);
/* Ports without a device, owned by the ISA bridge. */
void pc_init_ports(PcMachine *p, Device *owner);

/* MachineType's functions of those names. */
bool pc_complete(Machine *m, GError **errp);
void pc_reset(Machine *m, ShutdownCause cause);
bool pc_option(Machine *m, const char *name, const char *arg, bool *ret_known,
               GError **errp);
bool pc_boot_set(Machine *m, const char *order, GError **errp);
void pc_powerdown(Machine *m);
void pc_acpi_event(Machine *m, uint64_t events);
void pc_suspend(Machine *m);
bool pc_wakeup(Machine *m, WakeupReason reason);
void pc_fini(Machine *m);

#endif
