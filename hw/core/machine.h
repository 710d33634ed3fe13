/*
 * Machines: const type tables that build the board.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/device.h"

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
    const char *name;  /* "pc-i440fx-7.2" */
    const char *alias; /* "pc"; may be NULL */
    const char *desc;  /* for -machine help */
    bool is_default;
    unsigned max_cpus;
    uint64_t default_ram;    /* bytes */
    const char *default_cpu; /* "qemu64" */
    const char *ram_id;      /* RAM block name: "pc.ram" */
    size_t size;             /* of the machine's struct (starts with `m`) */
    const Property *props;   /* machine options beyond the common ones */
    /* Builds the board; vCPUs exist.  vm_lock held. */
    bool (*build)(Machine *m, GError **errp);
    /* Before devices are reset / after (CPU start state). May be NULL. */
    void (*reset)(Machine *m, ShutdownCause cause);
    void (*powerdown)(Machine *m);
    void (*wakeup)(Machine *m);
    void (*fini)(
        Machine *m); /* what build() made beyond devices; may be NULL */
} MachineType;

/* Common part: options and what the board made. */
struct Machine {
    Object obj;
    const MachineType *type;
    struct Vm *vm;
    CpuTopology smp;
    uint64_t ram_size; /* bytes */
    RamBlock *ram;     /* from -m or memory-backend= */
    MemoryRegion ram_region;
    char *memory_backend; /* id of the memory backend object, or NULL */
    char *kernel, *initrd, *append, *firmware;
    char *boot_order; /* -boot order=, "cad" by default */
    char *boot_once;
    bool boot_menu, boot_strict;
    int boot_splash_ms, reboot_timeout_ms; /* -1: unset */
    bool usb, dump_guest_core, mem_merge, graphics, acpi;
    bool nodefaults;
    int kernel_irqchip; /* KernelIrqchip, see accel/accel.h */
    char *cpu_model;    /* -cpu text with features */
    Bus sysbus;         /* "main-system-bus" */
    struct FwCfg *fw_cfg;
    IrqInput *gsi; /* ISA/GSI inputs, ngsi of them; made by the board */
    unsigned ngsi;
};

extern const MachineType *const machine_table[]; /* ends with NULL */
/* By name or alias; NULL if there is none. */
const MachineType *machine_type_find(const char *name);
/* A machine object with option defaults; options follow as properties. */
Machine *machine_new(struct Vm *vm, const MachineType *type);
/* Makes RAM, vCPUs (accelerator is ready), then type->build(). */
bool machine_build(Machine *m, GError **errp);
void machine_free(Machine *m);
/* Asks for a reset from device code; any thread. */
void machine_request_reset(Machine *m, ResetCause cause);
/* The reset itself: machine, buses, devices, vCPUs.  vm_lock, guest stopped
 * or all vCPUs paused. */
void machine_reset(Machine *m, ShutdownCause cause);

#endif
