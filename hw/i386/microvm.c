/*
 * Machine "microvm": a PC without PCI, for quick starts.  A kernel is entered
 * directly, without firmware, unless -bios asks for one.
 *
 *   0x00000000  RAM, at most 3 GiB          0xfea00000  generic events
 *   0x000e0000  ACPI tables, without firmware
 *   0x000f0000  copy of the firmware's end  0xfec00000  I/O APIC
 *   0xfec10000  second I/O APIC             0xfee00000  local APICs
 *   0xffff0000  firmware ("pc.bios")        4 GiB       more RAM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/microvm.h"

#include "accel/accel.h"
#include "hw/acpi/ged.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/isabus-bridge.h"
#include "hw/i386/kvmclock.h"
#include "hw/i386/x86.h"
#include "hw/intc/ioapic.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "util/error.h"

#define MICROVM_LOW_MAX  (3 * GiB)
#define MICROVM_IOAPIC2  UINT64_C(0xfec10000)
#define MICROVM_ISA_BIOS (64 * KiB) /* of the firmware shown below 1 MiB */

typedef struct MicrovmMachine {
    X86Machine x;
    Bus *isa;
    Device *ged; /* NULL: no ACPI */
    OnOffAuto opt_rtc, opt_ioapic2, opt_pcie;
    bool isa_serial, option_roms, auto_cmdline;
} MicrovmMachine;

#define MICROVM(m_) container_of(m_, MicrovmMachine, x.m)

static bool microvm_check_options(MicrovmMachine *v, GError **errp)
{
    if (v->opt_pcie == ON_OFF_AUTO_ON) {
        error_setf(errp, "machine 'microvm': pcie=on: there is no PCI "
                         "Express here");
        return false;
    }
    return true;
}

static bool microvm_init_intc(MicrovmMachine *v, GError **errp)
{
    X86Machine *x = &v->x;
    bool second = on_off_auto(v->opt_ioapic2, true);

    x86_init_gsis(x, second ? 2 * X86_GSIS : X86_GSIS);
    x->ioapic[0] = ioapic_create(x->m.vm, x86_kernel_irqchip(x), IOAPIC_ADDR,
                                 &x->m.obj, "ioapic", errp);
    if (x->ioapic[0] == NULL) {
        return false;
    }
    if (second) {
        /* The accelerator has only one: it sends messages instead. */
        x->ioapic[1] =
            ioapic_create(x->m.vm, false, MICROVM_IOAPIC2, NULL, NULL, errp);
        if (x->ioapic[1] == NULL) {
            return false;
        }
    }
    return true;
}

static bool microvm_has_acpi(const MicrovmMachine *v)
{
    return v->x.m.acpi && on_off_auto(v->x.opt_acpi, true);
}

static bool microvm_init_ged(MicrovmMachine *v, GError **errp)
{
    if (!microvm_has_acpi(v)) {
        return true;
    }
    v->ged = acpi_ged_create(&v->x.m, errp);
    return v->ged != NULL;
}

static bool microvm_init_isa(MicrovmMachine *v, GError **errp)
{
    X86Machine *x = &v->x;
    const Accel *acc = x->m.vm->accel;
    bool kvm = acc != NULL && g_str_equal(acc->type->name, "kvm");

    v->isa = isabus_bridge_create(&x->m, errp);
    if (v->isa == NULL) {
        return false;
    }
    if (on_off_auto(x->opt_pic, true) && !x86_init_pics(x, v->isa, errp)) {
        return false;
    }
    if (on_off_auto(x->opt_pit, true)) {
        Device *pit = pit_create(v->isa, x86_kernel_irqchip(x), errp);
        IrqLine *out;

        if (pit == NULL) {
            return false;
        }
        out = pit_output(pit);
        if (out != NULL) {
            irq_connect(out, &x->m.gsi[0]);
        }
    }
    /* With kvmclock, guests know the time. */
    if (on_off_auto(v->opt_rtc, !kvm)) {
        x->rtc = rtc_create(v->isa, NULL, errp);
        if (x->rtc == NULL) {
            return false;
        }
    }
    return !v->isa_serial || x86_init_serials(x, v->isa, 1, errp);
}

static void microvm_fill_acpi(X86Machine *x, AcpiConfig *c)
{
    c->ged = true;
    c->serials = x86_serial_mask(x);
    if (x->ioapic[1] != NULL) {
        c->ioapics[1] = (AcpiIoapic){ .id = 1,
                                      .addr = MICROVM_IOAPIC2,
                                      .gsi_base = X86_GSIS };
        c->nioapics = 2;
    }
}

static bool microvm_init_acpi(MicrovmMachine *v, GError **errp)
{
    X86Machine *x = &v->x;

    if (!microvm_has_acpi(v)) {
        return true;
    }
    return x86_acpi_init(x, microvm_fill_acpi, acpi_build_microvm, false,
                         errp) &&
           (x->boot_plan == NULL || x86_acpi_plan(x, x->boot_plan, errp));
}

#define MICROVM_BIOS "bios-microvm.bin"

static bool microvm_init_bios(MicrovmMachine *v, GError **errp)
{
    X86Machine *x = &v->x;

    return x86_init_bios(x, MICROVM_BIOS, &x->m.vm->mem.root, MICROVM_ISA_BIOS,
                         false, errp);
}

/*
 * A kernel alone starts without firmware, which is what makes it quick.  The
 * firmware's memory is there nevertheless, if the host has the file: a guest
 * that comes from QEMU brings its content.
 */
static bool microvm_init_boot(MicrovmMachine *v, GError **errp)
{
    X86Machine *x = &v->x;
    BootEnv env = { .e820 = x->e820, .below_4g = x->below_4g };
    g_autofree char *bios = NULL;

    if (!x86_read_kernel(x, errp)) {
        return false;
    }
    if (x->boot_files == NULL || x->m.firmware != NULL) {
        return microvm_init_bios(v, errp);
    }
    bios = machine_find_file(&x->m, MICROVM_BIOS);
    if (bios != NULL && !microvm_init_bios(v, errp)) {
        return false;
    }
    env.rsdp = microvm_has_acpi(v) ? X86_ACPI_RSDP : 0;
    x->boot_plan = boot_plan_new(x->boot_files, &env, errp);
    return x->boot_plan != NULL;
}

static bool microvm_build(Machine *m, GError **errp)
{
    MicrovmMachine *v = MICROVM(m);
    X86Machine *x = &v->x;

    x86_init_ram(x, MICROVM_LOW_MAX);
    return microvm_check_options(v, errp) && fw_cfg_create(m, errp) != NULL &&
           x86_init_apics(x, errp) && microvm_init_intc(v, errp) &&
           kvmclock_create(m->vm, errp) && microvm_init_ged(v, errp) &&
           microvm_init_isa(v, errp) && microvm_init_boot(v, errp) &&
           x86_init_fw_cfg(x, errp) && x86_offer_kernel(x, errp) &&
           microvm_init_acpi(v, errp);
}

static void microvm_powerdown(Machine *m)
{
    MicrovmMachine *v = MICROVM(m);

    if (v->ged != NULL) {
        acpi_ged_press_button(v->ged);
    }
}

#define MICROVM_AUTO(field_, name_, help_) \
    PROP(PROP_ON_OFF_AUTO, MicrovmMachine, field_, name_, .help = help_)

static const Property microvm_props[] = {
    MICROVM_AUTO(x.opt_acpi, "acpi", "Enable ACPI"),
    MICROVM_AUTO(x.opt_pic, "pic", "Enable i8259 PIC"),
    MICROVM_AUTO(x.opt_pit, "pit", "Enable i8254 PIT"),
    MICROVM_AUTO(opt_rtc, "rtc", "Enable MC146818 RTC"),
    MICROVM_AUTO(opt_ioapic2, "ioapic2", "Enable second IO-APIC"),
    MICROVM_AUTO(opt_pcie, "pcie", "Enable PCIe"),
    PROP(PROP_BOOL, MicrovmMachine, isa_serial, "isa-serial", .def = true,
         .help = "Set off to disable the instantiation an ISA serial port"),
    PROP(PROP_BOOL, MicrovmMachine, option_roms, "x-option-roms", .def = true,
         .help = "Set off to disable loading option ROMs"),
    PROP(PROP_BOOL, MicrovmMachine, auto_cmdline, "auto-kernel-cmdline",
         .def = true,
         .help = "Set off to disable adding virtio-mmio devices to the kernel "
                 "cmdline"),
    X86_MACHINE_PROPS(MicrovmMachine, x),
    PROP_END,
};

const MachineType machine_microvm_type = {
    .name = "microvm",
    .parent = "x86-machine",
    .desc = "microvm (i386)",
    .max_cpus = 288,
    .default_ram = 128 * MiB,
    .default_cpu = "qemu64",
    .ram_id = "microvm.ram",
    .size = sizeof(MicrovmMachine),
    .props = microvm_props,
    .print_pics = x86_print_pics,
    .print_irq_counts = x86_print_irq_counts,
    .build = microvm_build,
    .reset = x86_machine_reset,
    .powerdown = microvm_powerdown,
    .fini = x86_machine_fini,
};
