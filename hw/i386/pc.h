/*
 * Machine "pc": pc-i440fx-7.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/i386/smbios.h"
#include "hw/i386/x86.h"
#include "hw/pci/pci.h"

extern const MachineType machine_pc_i440fx_type;

typedef struct PcMachine {
    X86Machine x;
    PciBus *pci;
    Bus *isa;
    Device *pit, *hpet, *ide, *pm; /* NULL: none */
    MemoryRegion rom;              /* "pc.rom", for option ROMs */
    MemoryRegion port80, port_f0;
    SmbiosOptions *smbios;
    bool fd_bootchk, no_fd_bootchk;
    unsigned nresets;
    /* Options. */
    uint64_t max_ram_below_4g, max_fw_size; /* bytes */
    bool opt_hpet, opt_i8042, opt_sata, opt_smbus;
    OnOffAuto opt_vmport, opt_smm;
    int smbios_entry_point; /* 0: 32 bits, 1: 64 */
} PcMachine;

#define PC_MACHINE(m_) container_of(m_, PcMachine, x.m)

#endif
