/*
 * What every PC-like board shares: RAM around the hole below 4 GiB,
 * interrupt wiring, firmware images, kernels, fw_cfg's common items.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_X86_H
#define HW_I386_X86_H

#include "hw/acpi/user-tables.h"
#include "hw/core/machine.h"
#include "hw/i386/boot.h"
#include "hw/i386/fw-cfg.h"
#include "hw/intc/i8259.h"

#define X86_GSIS     24 /* the first I/O APIC's pins */
#define X86_GSIS_MAX 48

/* Keys of fw_cfg beyond the architecture's number space. */
enum {
    FW_CFG_ACPI_TABLES_KEY = FW_CFG_ARCH_LOCAL + 0,
    FW_CFG_SMBIOS_KEY = FW_CFG_ARCH_LOCAL + 1,
    FW_CFG_IRQ0_OVERRIDE = FW_CFG_ARCH_LOCAL + 2,
    FW_CFG_E820_KEY = FW_CFG_ARCH_LOCAL + 3,
    FW_CFG_HPET = FW_CFG_ARCH_LOCAL + 4,
};

struct Vcpu; /* accel/vcpu.h */

typedef struct X86Machine {
    Machine m;
    uint64_t below_4g, above_4g; /* bytes of RAM from 0, from 4 GiB */
    MemoryRegion ram_below, ram_above;
    MemoryRegion bios, isa_bios; /* "pc.bios" and its copy below 1 MiB */
    GBytes *bios_image;          /* NULL: no firmware */
    GArray *e820;                /* E820Entry */
    I8259Pair pic;               /* NULL members: none */
    Device *ioapic[2];           /* NULL: none */
    Device *rtc;
    bool ferr; /* IRQ 13 is the CPUs' FERR#; port 0xf0 answers */
    IrqInput gsi[X86_GSIS_MAX];
    BootFiles *boot_files; /* -kernel; NULL: none */
    BootPlan *boot_plan;   /* entered without firmware; NULL: with it */
    bool resuming;         /* from a suspension to RAM: memory stays as it is */
    bool ram_written;      /* RAM holds more than what this program wrote */
    struct AcpiBuild *acpi;
    char *oem_id, *oem_table_id; /* in ACPI tables; NULL: the default */
    AcpiUserTables *acpi_user;   /* NULL: none */
    /* Options. */
    OnOffAuto opt_acpi, opt_pic, opt_pit;
} X86Machine;

#define X86_MACHINE(m_) container_of(m_, X86Machine, m)

/* Options that all of them take; `f` is the X86Machine in T. */
#define X86_MACHINE_PROPS(T, f)                                              \
    PROP(PROP_STR, T, f.oem_id, "x-oem-id",                                  \
         .help = "Override the default value of field OEMID in ACPI table "  \
                 "header.The string may be up to 6 bytes in size"),          \
        PROP(PROP_STR, T, f.oem_table_id, "x-oem-table-id",                  \
             .help = "Override the default value of field OEM Table ID in "  \
                     "ACPI table header.The string may be up to 8 bytes in " \
                     "size")

/* Is it on, if "auto" means `dflt`? */
static inline bool on_off_auto(OnOffAuto v, bool dflt)
{
    return v == ON_OFF_AUTO_AUTO ? dflt : v == ON_OFF_AUTO_ON;
}

/* Does the accelerator have the interrupt controllers, the local APICs? */
bool x86_kernel_irqchip(const X86Machine *x);
bool x86_kernel_apic(const X86Machine *x);
/* user-apic.c: a local APIC modelled here gets its CPU, and the reverse. */
void x86_init_user_apic(X86Machine *x, struct Vcpu *cpu);
/*
 * Puts RAM into the memory map: at most `low_max` bytes of it from 0, the
 * rest from 4 GiB.
 */
void x86_init_ram(X86Machine *x, uint64_t low_max);
/* Adds to the memory map that guests are told; before fw_cfg is filled. */
void x86_add_e820(X86Machine *x, uint64_t addr, uint64_t size, E820Type type);
/* m->gsi: inputs that drive the 8259As and I/O APICs made so far or later. */
void x86_init_gsis(X86Machine *x, unsigned n);
/* Local APICs of all vCPUs. */
bool x86_init_apics(X86Machine *x, GError **errp);
/* MachineType.print_pics and .print_irq_counts of all boards. */
void x86_print_pics(Machine *m, GString *out);
void x86_print_irq_counts(Machine *m, GString *out);
bool x86_init_pics(X86Machine *x, Bus *isa, GError **errp);
/*
 * Reads -bios or `dflt` and maps it below 4 GiB into `parent`; the last
 * `isa_max` bytes show below 1 MiB too.  `rom`: the guest can't write it.
 */
bool x86_init_bios(X86Machine *x, const char *dflt, MemoryRegion *parent,
                   uint64_t isa_max, bool rom, GError **errp);
/* Options of a kernel are consistent, and -kernel can be read. */
bool x86_read_kernel(X86Machine *x, GError **errp);
/* Items every board has: RAM size, CPU counts, boot order, e820. */
bool x86_init_fw_cfg(X86Machine *x, GError **errp);
/* The option ROMs that start a kernel. */
#define X86_LINUX_ROM     "genroms/linuxboot_dma.bin"
#define X86_MULTIBOOT_ROM "genroms/multiboot_dma.bin"
#define X86_PVH_ROM       "genroms/pvh.bin"
/* After x86_init_fw_cfg(): a kernel that isn't entered without firmware. */
bool x86_offer_kernel(X86Machine *x, GError **errp);
/* Finds a device type that the board needs. */
const DeviceType *x86_device_type(const char *name, GError **errp);
/*
 * Makes a device of that name; `props` is a NULL-terminated list of name and
 * value in turns, or NULL.
 */
Device *x86_create_device(X86Machine *x, const char *type, Bus *bus,
                          const char *const *props, GError **errp);
/* COM1 to COM4 as far as the user has given character devices. */
bool x86_init_serials(X86Machine *x, Bus *isa, unsigned max, GError **errp);
/* isa-parallel for each of m->parallels. */
bool x86_init_parallels(X86Machine *x, Bus *isa, GError **errp);
/* Is there a device of that type on the ISA bus? */
bool x86_has_isa_device(const X86Machine *x, const char *type);
/* Of the pvpanic device; 0: there is none. */
uint16_t x86_pvpanic_port(const X86Machine *x);
/* Bit n: COM n + 1 is on the ISA bus, whoever has put it there. */
uint8_t x86_serial_mask(const X86Machine *x);
/* MachineType.reset and .fini. */
void x86_machine_reset(Machine *m, ShutdownCause cause);
void x86_machine_fini(Machine *m);
/* Waits for a migration, which is going to bring all memory. */
bool x86_is_incoming(const X86Machine *x);
/* Highest APIC id that any vCPU may get, plus one. */
unsigned x86_apic_id_limit(const X86Machine *x);

/* `info roms`. */
void x86_print_roms(const Machine *m, GString *out);

#endif
