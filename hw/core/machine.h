/*
 * Machines: const type tables that build the board.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/device.h"
#include "system/runstate.h"

struct FwCfg;
typedef struct Machine Machine;

typedef enum ResetCause {
    RESET_BY_GUEST, /* ShutdownCause guest-reset */
    RESET_BY_HOST,  /* host-qmp-system-reset */
} ResetCause;

/* -smp, filled in and checked; product of the parts == max_cpus. */
typedef struct CpuTopology {
    unsigned cpus, max_cpus;
    unsigned sockets, dies, cores, threads;
} CpuTopology;

typedef struct MachineType {
    const char *name;   /* "pc-i440fx-7.2" */
    const char *alias;  /* "pc"; may be NULL */
    const char *parent; /* abstract type, for qom-list-types; NULL: machine */
    const char *desc;   /* for -machine help */
    bool is_default;
    unsigned max_cpus;
    uint64_t default_ram;    /* bytes */
    const char *default_cpu; /* "qemu64" */
    const char *ram_id;      /* RAM block name: "pc.ram" */
    bool numa;               /* tells the guest of NUMA nodes */
    bool parallel_ports;     /* has up to MACHINE_PARALLELS of them */
    const char
        *default_nic;      /* model of the card made without options, or NULL */
    bool has_vga;          /* the board has a place for the card of -vga */
    bool has_cdrom;        /* an empty drive, unless users say otherwise */
    int ide_units;         /* drives on one bus of if=ide; 0: 2 */
    size_t size;           /* of the machine's struct (starts with `m`) */
    const Property *props; /* machine options beyond the common ones */
    /* Builds the board; vCPUs exist.  vm_lock held. */
    bool (*build)(Machine *m, GError **errp);
    /*
     * When the user's devices are there too, before the first reset: what
     * tells the guest of them.  May be NULL.
     */
    bool (*complete)(Machine *m, GError **errp);
    /*
     * Last in a reset, when devices and vCPUs are in their power-on state:
     * gives the vCPUs another start state, for direct boot.  May be NULL.
     */
    void (*reset)(Machine *m, ShutdownCause cause);
    /*
     * Takes an option that only some boards know ("smbios", "acpitable",
     * "option-rom", "no-fd-bootchk"), before build().  *ret_known false: this
     * board doesn't.  May be NULL.
     */
    bool (*option)(Machine *m, const char *name, const char *arg,
                   bool *ret_known, GError **errp);
    void (*powerdown)(Machine *m);
    /* Raises general-purpose events ACPI_GPE_*, with ACPI; may be NULL. */
    void (*acpi_event)(Machine *m, uint64_t events);
    /* The guest sleeps with its memory kept; see VmHooks. */
    void (*suspend)(Machine *m);
    bool (*wakeup)(Machine *m, WakeupReason reason);
    /* Boot from these drive letters after the next reset; NULL: can't. */
    bool (*boot_set)(Machine *m, const char *order, GError **errp);
    /* `info pic` and `info irq`: the interrupt controllers; may be NULL. */
    void (*print_pics)(Machine *m, GString *out);
    void (*print_irq_counts)(Machine *m, GString *out);
    void (*fini)(
        Machine *m); /* what build() made beyond devices; may be NULL */
} MachineType;

/* -rtc: what the clock of the guest starts with and follows. */
typedef struct MachineRtc {
    enum { RTC_UTC, RTC_LOCALTIME, RTC_DATE } base;
    int64_t date_s;  /* RTC_DATE: seconds since 1970 at the start */
    ClockType clock; /* CLOCK_TYPE_HOST by default */
    bool slew;       /* driftfix=slew: lost ticks are made up for */
} MachineRtc;

#define MACHINE_SERIALS   4
#define MACHINE_PARALLELS 3

/* -global DRIVER.PROP=VALUE */
typedef struct MachineGlobal {
    char *driver, *prop, *value;
    bool used; /* a device has taken it */
} MachineGlobal;

/* Common part: options and what the board made. */
struct Machine {
    Object obj;
    const MachineType *type;
    struct Vm *vm;
    CpuTopology smp;
    uint64_t ram_size;   /* bytes */
    bool ram_size_given; /* by -m: a memory backend must agree */
    RamBlock *ram;       /* from -m or memory-backend=; NULL: NUMA nodes' */
    MemoryRegion ram_region;
    struct Numa *numa;    /* NULL: no -numa; see hw/core/numa.h */
    char *memory_backend; /* id of the memory backend object, or NULL */
    char *kernel, *initrd, *append, *firmware;
    char *boot_order; /* -boot order=, "cad" by default */
    char *boot_once;
    bool boot_menu, boot_strict;
    GPtrArray *boot_entries; /* see hw/core/boot-order.h; may be NULL */
    char *boot_splash;       /* file of the logo; may be NULL */
    int boot_splash_ms, reboot_timeout_ms; /* -1: unset */
    MachineRtc rtc;
    /* Labels of the ports' character devices; NULL: no such port. */
    char *serials[MACHINE_SERIALS];
    char *parallels[MACHINE_PARALLELS];
    const DeviceType *vga; /* the card to make; NULL: none */
    GPtrArray *nics;       /* BoardNic, see hw/net/nic.h; may be NULL */
    GPtrArray *data_dirs;  /* char *; -L in order, before the built-in ones */
    bool usb, dump_guest_core, mem_merge, graphics, acpi;
    bool native_hotplug; /* slots of PCI Express tell guests of functions */
    bool smm; /* CPUs have system management mode, and the board uses it */
    bool nodefaults;
    unsigned ide_places; /* for drives, handed out: serial numbers are of it */
    int kernel_irqchip;  /* KernelIrqchip, see accel/accel.h */
    char *cpu_model;     /* -cpu text with features */
    GPtrArray *globals;  /* MachineGlobal, in the order given */
    bool only_migratable;
    bool ready;     /* built: what comes now is plugged while it is up */
    Bus sysbus;     /* "main-system-bus" */
    GQueue busless; /* Device; those on no bus */
    struct X86CpuModel *cpu; /* of all vCPUs; NULL: no vCPUs */
    struct FwCfg *fw_cfg;
    IrqInput *gsi; /* ISA/GSI inputs, ngsi of them; made by the board */
    unsigned ngsi;
};

extern const MachineType *const machine_table[]; /* ends with NULL */
/* By name or alias; NULL if there is none. */
const MachineType *machine_type_find(const char *name);
/* Its QOM type ("pc-i440fx-7.2-machine"); never freed. */
const ObjectType *machine_object_type(const MachineType *type);
/* Every type of machine_table, for object_types_add(); made once. */
const ObjectType *const *machine_object_types(void);
/*
 * A machine object with option defaults, placed at /machine; options follow
 * as properties.  Sets vm->machine.
 */
Machine *machine_new(struct Vm *vm, const MachineType *type);
/* A file has some of its memory: what isn't written to it isn't zero. */
bool machine_ram_is_file(const Machine *m);
/* Takes effect on devices made later; names of no device type are said. */
void machine_add_global(Machine *m, const char *driver, const char *prop,
                        const char *value);
/* Tells of those that no device of the complete machine has taken. */
void machine_warn_globals(const Machine *m);
/*
 * The path of a firmware file: `name` itself if it can be read, else in the
 * first of the data folders that has it.  The caller frees it; NULL if there
 * is none.
 */
char *machine_find_file(const Machine *m, const char *name);
/*
 * Makes RAM, vCPUs (accelerator is ready), then type->build().  vm_lock
 * held; machine_free() cleans up after a failure too.
 */
bool machine_build(Machine *m, GError **errp);
/* Ends the vCPU threads and deletes all devices.  vm_lock held. */
void machine_free(Machine *m);
/* Asks for a reset from device code; any thread. */
void machine_request_reset(Machine *m, ResetCause cause);
/* The reset itself: machine, buses, devices, vCPUs.  vm_lock, guest stopped
 * or all vCPUs paused. */
void machine_reset(Machine *m, ShutdownCause cause);

#endif
