/*
 * What PCs are made of, apart from their chip set.
 *
 *   RAM       0 to where PcBoard says, the rest from 4 GiB
 *   pc.rom    0xc0000, option ROMs     pc.bios  ends at 1 MiB and at 4 GiB
 *   ISA: two 8259As, 8254, RTC, four 16550As, 8042, two 8237s, floppy
 *   0xfec00000 I/O APIC, 0xfed00000 HPET, 0xfee00000 local APICs
 *
 * The order in which devices are made is that of their sections in a stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc.h"

#include "accel/accel.h"
#include "hw/display/vga.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/kvmclock.h"
#include "hw/i386/pc-cmos.h"
#include "hw/i386/pc-tables.h"
#include "hw/intc/ioapic.h"
#include "hw/isa/i8042.h"
#include "hw/net/nic.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/log.h"

#define PC_ROM_ADDR      0xc0000
#define PC_ROM_SIZE      (128 * KiB)
#define PC_ISA_BIOS_SIZE (128 * KiB)
#define PC_MAX_FW_SIZE   (16 * MiB)
/* Physical addresses that AMD's HyperTransport keeps for itself. */
#define AMD_HT_START UINT64_C(0xfd00000000)
#define AMD_HT_SIZE  UINT64_C(0x300000000)

/* Memory */

static bool pc_is_amd(const X86Machine *x)
{
    uint32_t regs[4];

    if (x->m.vm->nvcpus == 0) {
        return false;
    }
    x86_cpu_cpuid(x->m.vm->vcpus[0]->x86, 0, 0, regs);
    return regs[1] == 0x68747541; /* "Auth" of AuthenticAMD */
}

static void pc_init_ram(PcMachine *p)
{
    X86Machine *x = &p->x;
    const PcBoard *b = p->board;
    uint64_t low = x->m.ram_size >= b->low_max ? b->low_large : b->low_max;

    if (p->max_ram_below_4g != 0 && p->max_ram_below_4g < low) {
        low = p->max_ram_below_4g;
        if (low < MiB) {
            log_warn("only %" PRIu64 " bytes of RAM below 4 GiB: firmware may "
                     "not work with less than 1 MiB",
                     low);
        }
        if (x->m.ram_size > 2 * low && low % GiB != 0) {
            log_warn("max-ram-below-4g (%" PRIu64 ") is not a multiple of "
                     "1 GiB: possible bad performance",
                     low);
        }
    }
    if (pc_is_amd(x)) {
        x86_add_e820(x, AMD_HT_START, AMD_HT_SIZE, E820_RESERVED);
    }
    x86_init_ram(x, low);
}

bool pc_init_rom(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;
    Memory *mem = &x->m.vm->mem;
    MemoryRegion *pci = p->pci->mem;

    if (p->flash[0] != NULL) {
        if (!pc_init_isa_flash(p, pci, PC_ISA_BIOS_SIZE, errp)) {
            return false;
        }
    } else if (!x86_init_bios(x, "bios-256k.bin", pci, PC_ISA_BIOS_SIZE, true,
                              errp)) {
        return false;
    } else if (x->bios.size > p->max_fw_size) {
        error_setf(errp,
                   "firmware of %" PRIu64 " bytes: max-fw-size is %" PRIu64,
                   x->bios.size, p->max_fw_size);
        return false;
    }
    if (!memory_region_init_ram(&p->rom, mem, "pc.rom", PC_ROM_SIZE, errp)) {
        return false;
    }
    memory_region_set_readonly(&p->rom, true);
    memory_region_add(pci, PC_ROM_ADDR, &p->rom, 1);
    return true;
}

/* Ports without a device */

/* 0x80: diagnostics; what is written goes nowhere. */
static const IoOps pc_port80_ops = { .write = NULL };

/* 0xf0: the coprocessor's error is taken back, and ignored by the CPUs. */
static void pc_port_f0_write(Device *dev, uint64_t off, uint64_t val,
                             unsigned size)
{
    const IrqInput *irq = &dev->machine->gsi[13];
    Vm *vm = dev->vm;

    irq->fn(irq->opaque, irq->n, false);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (vm->accel->type->vcpu_ignne != NULL && vm->vcpus[i] != NULL) {
            vm->accel->type->vcpu_ignne(vm->vcpus[i]);
        }
    }
}

static const IoOps pc_port_f0_ops = { .write = pc_port_f0_write,
                                      .max_size = 1 };

void pc_init_ports(PcMachine *p, Device *owner)
{
    Memory *mem = &p->x.m.vm->mem;

    memory_region_init_io(&p->port80, mem, "ioport80", 1, &pc_port80_ops,
                          owner);
    memory_region_add(&mem->io_root, 0x80, &p->port80, 0);
    memory_region_init_io(&p->port_f0, mem, "ioportF0", 1, &pc_port_f0_ops,
                          owner);
    memory_region_add(&mem->io_root, 0xf0, &p->port_f0, 0);
    p->x.ferr = true;
}

/* Devices */

static bool pc_init_intc(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;

    if (on_off_auto(x->opt_pic, true) && !x86_init_pics(x, p->isa, errp)) {
        return false;
    }
    x->ioapic[0] = ioapic_create(x->m.vm, x86_kernel_irqchip(x), IOAPIC_ADDR,
                                 &p->pci->bus.owner->obj, "ioapic", errp);
    return x->ioapic[0] != NULL;
}

/* The interval timer and the speaker that belongs to it. */
static bool pc_init_pit(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;
    IrqLine *out;

    if (!on_off_auto(x->opt_pit, true)) {
        return true;
    }
    p->pit = pit_create(p->isa, x86_kernel_irqchip(x), errp);
    if (p->pit == NULL) {
        return false;
    }
    out = pit_output(p->pit);
    if (out != NULL) {
        irq_connect(out,
                    p->hpet != NULL ? hpet_pit_input(p->hpet) : &x->m.gsi[0]);
    }
    if (p->hpet != NULL) {
        irq_connect(hpet_pit_enable(p->hpet), irq_in(p->pit, 0));
    }
    return pcspk_create(p->isa, p->pit, errp) != NULL;
}

/*
 * The HPET can take the places of the 8254 and of the RTC's periodic
 * interrupt.
 */
static bool pc_init_timers(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;

    if (p->opt_hpet) {
        p->hpet = hpet_create(x->m.vm, p->board->hpet_intcap, x->m.gsi,
                              x->m.ngsi, errp);
        if (p->hpet == NULL) {
            return false;
        }
    }
    x->rtc = rtc_create(p->isa,
                        p->hpet != NULL ? hpet_rtc_input(p->hpet) : NULL, errp);
    return x->rtc != NULL && pc_init_pit(p, errp);
}

/* Those that may be left out of a build or by an option. */
static bool pc_init_optional(PcMachine *p, const char *type, bool wanted,
                             GError **errp)
{
    if (!wanted || device_type_find(type) == NULL) {
        return true;
    }
    return x86_create_device(&p->x, type, p->isa, NULL, errp) != NULL;
}

static bool pc_init_superio(PcMachine *p, GError **errp)
{
    X86Machine *x = &p->x;
    bool vmport = p->opt_vmport != ON_OFF_AUTO_OFF && p->opt_i8042;

    if (!x86_init_serials(x, p->isa, MACHINE_SERIALS, errp) ||
        !x86_init_parallels(x, p->isa, errp) ||
        !pc_init_optional(p, "isa-fdc", p->board->fdc, errp)) {
        return false;
    }
    if (!p->opt_i8042) {
        return true;
    }
    return i8042_create(p->isa, errp) != NULL &&
           pc_init_optional(p, "vmport", vmport, errp) &&
           pc_init_optional(p, "vmmouse", vmport, errp) &&
           x86_create_device(x, "port92", p->isa, NULL, errp) != NULL;
}

/* CMOS */

static bool pc_set_boot_order(PcMachine *p, const char *order, GError **errp)
{
    uint8_t cmos[PC_CMOS_SIZE];
    Device *rtc = p->x.rtc;

    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        cmos[i] = rtc_get_memory(rtc, i);
    }
    if (!pc_cmos_boot_order(cmos, order, p->fd_bootchk, errp)) {
        return false;
    }
    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        rtc_set_memory(rtc, i, cmos[i]);
    }
    return true;
}

static const char *pc_boot_order(const Machine *m)
{
    return m->boot_order != NULL ? m->boot_order : "cad";
}

static bool pc_init_cmos(PcMachine *p, GError **errp)
{
    Machine *m = &p->x.m;
    uint8_t cmos[PC_CMOS_SIZE] = { 0 };
    PcCmos c = {
        .below_4g = p->x.below_4g,
        .above_4g = p->x.above_4g,
        .ncpus = m->smp.cpus,
        .fd_bootchk = p->fd_bootchk,
    };

    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        cmos[i] = rtc_get_memory(p->x.rtc, i);
    }
    pc_cmos_fill(cmos, &c);
    for (unsigned i = 14; i < PC_CMOS_SIZE; i++) {
        rtc_set_memory(p->x.rtc, i, cmos[i]);
    }
    /* What is to come after the first boot is checked now. */
    return pc_set_boot_order(p, pc_boot_order(m), errp) &&
           (m->boot_once == NULL || pc_set_boot_order(p, m->boot_once, errp));
}

/* Life */

static bool pc_check_options(const PcMachine *p, GError **errp)
{
    if (p->opt_smm == ON_OFF_AUTO_ON && !p->x.m.vm->accel->type->smm) {
        error_setf(errp,
                   "machine '%s': smm=on: System Management Mode not "
                   "supported by this hypervisor.",
                   p->x.m.type->alias);
        return false;
    }
    if (p->opt_vmport == ON_OFF_AUTO_ON && device_type_find("vmport") == NULL) {
        error_setf(errp, "machine '%s': vmport=on: not in this version",
                   p->x.m.type->alias);
        return false;
    }
    if (p->x.m.usb && p->board->usb == NULL) {
        error_setf(errp, "machine '%s': usb=on: not in this version",
                   p->x.m.type->alias);
        return false;
    }
    return true;
}

bool pc_build(PcMachine *p, const PcBoard *board, GError **errp)
{
    X86Machine *x = &p->x;
    Machine *m = &x->m;

    p->board = board;
    p->fd_bootchk = !p->no_fd_bootchk;
    if (!pc_check_options(p, errp)) {
        return false;
    }
    m->smm = on_off_auto(p->opt_smm, m->vm->accel->type->smm);
    pc_init_ram(p);
    return x86_init_apics(x, errp) && kvmclock_create(m->vm, errp) &&
           pc_init_flash(p, errp) && fw_cfg_create(m, errp) != NULL &&
           board->init_bridges(p, errp) && pc_init_intc(p, errp) &&
           board_vga_create(m, p->pci, errp) && pc_init_timers(p, errp) &&
           pc_init_superio(p, errp) &&
           board_nics_create(m, p->pci, m->type->default_nic, errp) &&
           board->init_functions(p, errp) && pc_init_cmos(p, errp) &&
           x86_read_kernel(x, errp) && x86_init_fw_cfg(x, errp) &&
           x86_offer_kernel(x, errp) && pc_init_tables(p, errp);
}

bool pc_complete(Machine *m, GError **errp)
{
    PcMachine *p = PC_MACHINE(m);

    if (p->board->complete != NULL && !p->board->complete(p, errp)) {
        return false;
    }
    x86_acpi_complete(&p->x);
    return pc_complete_tables(p, errp);
}

void pc_reset(Machine *m, ShutdownCause cause)
{
    PcMachine *p = PC_MACHINE(m);

    x86_machine_reset(m, cause);
    if (p->x.resuming) {
        return;
    }
    if (p->pm != NULL) {
        p->board->eject_pending(p->pm);
    }
    /* -boot once= is for the first boot only. */
    if (++p->nresets == 2 && m->boot_once != NULL) {
        GError *err = NULL;

        if (!pc_set_boot_order(p, pc_boot_order(m), &err)) {
            log_take_error(err);
        }
    }
}

/* As firmware reads it at the next reset. */
bool pc_boot_set(Machine *m, const char *order, GError **errp)
{
    return pc_set_boot_order(PC_MACHINE(m), order, errp);
}

void pc_powerdown(Machine *m)
{
    PcMachine *p = PC_MACHINE(m);

    if (p->pm != NULL) {
        p->board->press_button(p->pm);
    }
}

void pc_acpi_event(Machine *m, uint64_t events)
{
    PcMachine *p = PC_MACHINE(m);

    if (p->pm != NULL) {
        p->board->raise_gpe(p->pm, events);
    }
}

/* Firmware looks at the shutdown status when the CPU is reset. */
void pc_suspend(Machine *m)
{
    rtc_set_memory(PC_MACHINE(m)->x.rtc, CMOS_SHUTDOWN, CMOS_SHUTDOWN_RESUME);
}

/* Memory is kept, but for the registers that say where it is: PAM, SMRAM. */
bool pc_wakeup(Machine *m, WakeupReason reason)
{
    PcMachine *p = PC_MACHINE(m);

    if (p->pm == NULL || !p->board->may_wake(p->pm, reason)) {
        return false;
    }
    p->x.resuming = true;
    machine_reset(m, SHUTDOWN_CAUSE_NONE);
    p->x.resuming = false;
    p->board->wakeup(p->pm, reason);
    return true;
}

static bool pc_add_smbios(PcMachine *p, const char *arg, GError **errp)
{
    Vm *vm = p->x.m.vm;
    const uint8_t *uuid;

    if (p->smbios == NULL) {
        p->smbios = smbios_options_new();
    }
    if (!smbios_options_add(p->smbios, arg, errp)) {
        return false;
    }
    /* There is one UUID of the machine, whichever option gives it. */
    uuid = smbios_options_uuid(p->smbios);
    if (uuid != NULL) {
        memcpy(vm->uuid, uuid, sizeof(vm->uuid));
        vm->uuid_set = true;
    }
    return true;
}

bool pc_option(Machine *m, const char *name, const char *arg, bool *ret_known,
               GError **errp)
{
    PcMachine *p = PC_MACHINE(m);

    *ret_known = true;
    if (g_str_equal(name, "smbios")) {
        return pc_add_smbios(p, arg, errp);
    }
    if (g_str_equal(name, "acpitable")) {
        return acpi_user_tables_add(&p->x.acpi_user, arg, errp);
    }
    if (g_str_equal(name, "option-rom")) {
        return option_roms_add(&p->option_roms, arg, errp);
    }
    if (g_str_equal(name, "no-fd-bootchk")) {
        p->no_fd_bootchk = true;
        return true;
    }
    *ret_known = false;
    return true;
}

void pc_fini(Machine *m)
{
    PcMachine *p = PC_MACHINE(m);
    MemoryRegion *const regions[] = { &p->port_f0, &p->port80, &p->rom };

    for (unsigned i = 0; i < G_N_ELEMENTS(regions); i++) {
        if (regions[i]->name != NULL) {
            memory_region_fini(regions[i]);
        }
    }
    g_clear_pointer(&p->smbios, smbios_options_free);
    g_clear_pointer(&p->option_roms, option_roms_free);
    g_clear_pointer(&p->x.acpi_user, acpi_user_tables_free);
    x86_machine_fini(m);
}

/* Below 4 GiB there is room for no more beside the interrupt controllers. */
static bool pc_set_max_fw(Object *obj, const Property *prop,
                          const JsonValue *val, GError **errp)
{
    PcMachine *p = container_of(obj, PcMachine, x.m.obj);
    uint64_t old = p->max_fw_size;

    if (!object_prop_store(obj, prop, val, errp)) {
        return false;
    }
    if (p->max_fw_size > PC_MAX_FW_SIZE) {
        error_setf(errp,
                   "User specified max allowed firmware size %" PRIu64
                   " is greater than 16MiB",
                   p->max_fw_size);
        p->max_fw_size = old;
        return false;
    }
    return true;
}

static bool pc_set_max_ram(Object *obj, const Property *prop,
                           const JsonValue *val, GError **errp)
{
    PcMachine *p = container_of(obj, PcMachine, x.m.obj);
    uint64_t old = p->max_ram_below_4g;

    if (!object_prop_store(obj, prop, val, errp)) {
        return false;
    }
    if (p->max_ram_below_4g > 4 * GiB) {
        error_setf(errp,
                   "Machine option 'max-ram-below-4g=%" PRIu64
                   "' expects size less than or equal to 4G",
                   p->max_ram_below_4g);
        p->max_ram_below_4g = old;
        return false;
    }
    return true;
}

static const char *const smbios_entry_points[] = { "32", "64", NULL };

#define PC_AUTO(field_, name_, help_) \
    PROP(PROP_ON_OFF_AUTO, PcMachine, field_, name_, .help = help_)
#define PC_BOOL(field_, name_, help_) \
    PROP(PROP_BOOL, PcMachine, field_, name_, .def = true, .help = help_)

#define PC_FLASH(n_)                                        \
    PROP(PROP_STR, PcMachine, opt_pflash[n_], "pflash" #n_, \
         .help = "Node name or ID of a block device to use as a backend")

const Property pc_props[] = {
    PC_AUTO(x.opt_acpi, "acpi", "Enable ACPI"),
    PC_BOOL(opt_hpet, "hpet",
            "Enable/disable high precision event timer emulation"),
    PC_BOOL(opt_i8042, "i8042", NULL),
    PROP(PROP_SIZE, PcMachine, max_fw_size, "max-fw-size",
         .def = (int64_t)(8 * MiB), .set = pc_set_max_fw,
         .help = "Maximum combined firmware size"),
    PROP(PROP_SIZE, PcMachine, max_ram_below_4g, "max-ram-below-4g",
         .set = pc_set_max_ram,
         .help = "Maximum ram below the 4G boundary (32bit boundary)"),
    PC_FLASH(0),
    PC_FLASH(1),
    PC_AUTO(x.opt_pic, "pic", "Enable i8259 PIC"),
    PC_AUTO(x.opt_pit, "pit", "Enable i8254 PIT"),
    PC_BOOL(opt_sata, "sata", "Enable/disable Serial ATA bus"),
    PC_BOOL(opt_smbus, "smbus", "Enable/disable system management bus"),
    PROP(PROP_ENUM, PcMachine, smbios_entry_point, "smbios-entry-point-type",
         .names = smbios_entry_points, .type_name = "str",
         .help = "SMBIOS Entry Point type [32, 64]"),
    PC_AUTO(opt_smm, "smm", "Enable SMM"),
    PC_AUTO(opt_vmport, "vmport", "Enable vmport (pc & q35)"),
    X86_MACHINE_PROPS(PcMachine, x),
    PROP_END,
};
