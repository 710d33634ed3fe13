/*
 * What every PC-like board shares: memory, interrupt wiring, local APICs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/x86.h"

#include "accel/accel.h"
#include "hw/core/boot-order.h"
#include "hw/i386/acpi-build.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/log.h"

#define FOUR_GIB (UINT64_C(1) << 32)

bool x86_kernel_irqchip(const X86Machine *x)
{
    return x->m.vm->accel != NULL && x->m.vm->accel->kernel_irqchip;
}

bool x86_kernel_apic(const X86Machine *x)
{
    return x->m.vm->accel != NULL && x->m.vm->accel->kernel_apic;
}

bool x86_is_incoming(const X86Machine *x)
{
    return runstate_get(x->m.vm) == RUN_STATE_INMIGRATE;
}

unsigned x86_apic_id_limit(const X86Machine *x)
{
    const CpuTopology *smp = &x->m.smp;
    const X86Topology t = { smp->dies, smp->cores, smp->threads };
    unsigned limit = 1;

    for (unsigned i = 0; i < smp->max_cpus; i++) {
        limit = MAX(limit, x86_topology_apic_id(&t, i) + 1);
    }
    return limit;
}

/* RAM */

void x86_add_e820(X86Machine *x, uint64_t addr, uint64_t size, E820Type type)
{
    const E820Entry e = { .addr = addr, .size = size, .type = type };

    if (x->e820 == NULL) {
        x->e820 = g_array_new(FALSE, FALSE, sizeof(E820Entry));
    }
    g_array_append_val(x->e820, e);
}

void x86_init_ram(X86Machine *x, uint64_t low_max)
{
    Machine *m = &x->m;
    Memory *mem = &m->vm->mem;

    x->below_4g = MIN(m->ram_size, low_max);
    x->above_4g = m->ram_size - x->below_4g;
    memory_region_init_alias(&x->ram_below, mem, "ram-below-4g", &m->ram_region,
                             0, x->below_4g);
    memory_region_add(&mem->root, 0, &x->ram_below, 0);
    x86_add_e820(x, 0, x->below_4g, E820_RAM);
    if (x->above_4g > 0) {
        memory_region_init_alias(&x->ram_above, mem, "ram-above-4g",
                                 &m->ram_region, x->below_4g, x->above_4g);
        memory_region_add(&mem->root, FOUR_GIB, &x->ram_above, 0);
        x86_add_e820(x, FOUR_GIB, x->above_4g, E820_RAM);
    }
}

/* Interrupts */

/*
 * ISA interrupts go to the 8259As and, pin for pin, to the I/O APIC; but the
 * timer is on its pin 2, as the MADT's override says.
 */
static void x86_gsi_set(void *opaque, unsigned n, bool level)
{
    X86Machine *x = opaque;
    Accel *acc = x->m.vm->accel;
    Device *ioapic = x->ioapic[n / X86_GSIS];
    unsigned pin = n % X86_GSIS;
    const IrqInput *in;

    if (n < X86_GSIS && acc != NULL && acc->kernel_irqchip) {
        acc->type->irqchip->set_gsi(acc, n, level);
        return;
    }
    if (n < 16 && n != 2 && x->pic.master != NULL) {
        in = i8259_input(&x->pic, n);
        if (in != NULL) {
            in->fn(in->opaque, in->n, level);
        }
    }
    if (ioapic != NULL) {
        in = irq_in(ioapic, n == 0 ? 2 : pin);
        if (in != NULL) {
            in->fn(in->opaque, in->n, level);
        }
    }
}

void x86_init_gsis(X86Machine *x, unsigned n)
{
    g_assert(n <= X86_GSIS_MAX);
    for (unsigned i = 0; i < n; i++) {
        x->gsi[i] = (IrqInput){ x86_gsi_set, x, i };
    }
    x->m.gsi = x->gsi;
    x->m.ngsi = n;
}

bool x86_init_apics(X86Machine *x, GError **errp)
{
    Vm *vm = x->m.vm;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        X86Cpu *cpu = vm->vcpus[i]->x86;

        /* In a stream each CPU is followed by its APIC. */
        if (vm->vmstates != NULL) {
            x86_cpu_unregister_vmstate(cpu, vm->vmstates);
            x86_cpu_register_vmstate(cpu, vm->vmstates);
        }
        if (apic_create(vm->vcpus[i], x86_kernel_apic(x), errp) == NULL) {
            return false;
        }
        if (!x86_kernel_apic(x) && vm->accel != NULL) {
            x86_init_user_apic(x, vm->vcpus[i]);
        }
    }
    return true;
}

bool x86_init_pics(X86Machine *x, Bus *isa, GError **errp)
{
    Vm *vm = x->m.vm;
    IrqLine *out;

    if (!i8259_create_pair(&x->pic, isa, x86_kernel_irqchip(x), errp)) {
        return false;
    }
    out = i8259_output(&x->pic);
    if (out != NULL && !x86_kernel_apic(x) && vm->nvcpus > 0) {
        Device *apic = apic_of(vm->vcpus[0]);

        /* The 8259As' INT is the first processor's LINT0. */
        if (apic != NULL) {
            irq_connect(out, irq_in(apic, 0));
        }
    }
    return true;
}

/* Devices */

const DeviceType *x86_device_type(const char *name, GError **errp)
{
    const DeviceType *t = device_type_find(name);

    if (t == NULL) {
        error_setf(errp, "device '%s', which the machine needs, is not built",
                   name);
    }
    return t;
}

Device *x86_create_device(X86Machine *x, const char *type, Bus *bus,
                          const char *const *props, GError **errp)
{
    const DeviceType *t = x86_device_type(type, errp);
    Device *dev;

    if (t == NULL) {
        return NULL;
    }
    dev = device_new(x->m.vm, t);
    for (unsigned i = 0; props != NULL && props[i] != NULL; i += 2) {
        if (!device_prop_set(dev, props[i], props[i + 1], errp)) {
            device_delete(dev);
            return NULL;
        }
    }
    return device_realize(dev, bus, errp) ? dev : NULL;
}

bool x86_init_serials(X86Machine *x, Bus *isa, unsigned max, GError **errp)
{
    for (unsigned i = 0; i < MIN(max, MACHINE_SERIALS); i++) {
        const char *label = x->m.serials[i];
        const char index[2] = { (char)('0' + i), '\0' };
        const char *const props[] = { "index", index, "chardev", label, NULL };

        if (label != NULL &&
            x86_create_device(x, "isa-serial", isa, props, errp) == NULL) {
            return false;
        }
    }
    return true;
}

bool x86_init_parallels(X86Machine *x, Bus *isa, GError **errp)
{
    for (unsigned i = 0; i < MACHINE_PARALLELS; i++) {
        const char *label = x->m.parallels[i];
        const char index[2] = { (char)('0' + i), '\0' };
        const char *const props[] = { "index", index, "chardev", label, NULL };

        if (label != NULL &&
            x86_create_device(x, "isa-parallel", isa, props, errp) == NULL) {
            return false;
        }
    }
    return true;
}

static const GList *x86_isa_devices(const X86Machine *x)
{
    const Bus *isa = bus_find(x->m.vm, "isa.0");

    return isa != NULL ? isa->devices.head : NULL;
}

static Device *x86_isa_device(const X86Machine *x, const char *type)
{
    for (const GList *l = x86_isa_devices(x); l != NULL; l = l->next) {
        Device *dev = l->data;

        if (g_str_equal(dev->type->name, type)) {
            return dev;
        }
    }
    return NULL;
}

bool x86_has_isa_device(const X86Machine *x, const char *type)
{
    return x86_isa_device(x, type) != NULL;
}

uint16_t x86_pvpanic_port(const X86Machine *x)
{
    Device *dev = x86_isa_device(x, "pvpanic");
    g_autoptr(JsonValue) v = NULL;
    uint64_t port = 0;

    if (dev != NULL) {
        v = object_prop_get(&dev->obj, "ioport", NULL);
    }
    return v != NULL && json_get_uint(v, &port) ? port : 0;
}

uint8_t x86_serial_mask(const X86Machine *x)
{
    uint8_t mask = 0;

    for (const GList *l = x86_isa_devices(x); l != NULL; l = l->next) {
        Device *dev = l->data;
        g_autoptr(JsonValue) v = NULL;
        uint64_t index;

        if (!g_str_equal(dev->type->name, "isa-serial")) {
            continue;
        }
        v = object_prop_get(&dev->obj, "index", NULL);
        if (v != NULL && json_get_uint(v, &index) && index < 8) {
            mask |= 1U << index;
        }
    }
    return mask;
}

/* Reset and end */

static void x86_reset_bios(X86Machine *x)
{
    RamBlock *rb = x->bios.ram;
    size_t len;
    const void *image;

    if (x->bios_image == NULL) {
        return;
    }
    image = g_bytes_get_data(x->bios_image, &len);
    /* Pages that are as they should be don't get dirty. */
    if (memcmp(rb->host, image, len) != 0) {
        memcpy(rb->host, image, len);
        ram_block_set_dirty(&x->m.vm->mem.ram, rb, 0, len);
    }
}

/* An index may be set, or a device go, while the guest is up. */
static void x86_update_boot_order(X86Machine *x)
{
    Machine *m = &x->m;
    GError *err = NULL;
    size_t len;
    g_autofree char *text = boot_order_text(m, m->boot_strict, &len);

    if (m->fw_cfg != NULL &&
        !fw_cfg_update_file(m->fw_cfg, "bootorder", text, len, &err)) {
        log_take_error(err);
    }
}

void x86_machine_reset(Machine *m, ShutdownCause cause)
{
    X86Machine *x = X86_MACHINE(m);
    GError *err = NULL;
    Vcpu *cpu;

    if (x86_is_incoming(x)) {
        x->ram_written = true;
        return;
    }
    x86_update_boot_order(x);
    x86_reset_bios(x);
    if (x->boot_plan == NULL || m->vm->nvcpus == 0 || x->resuming) {
        return;
    }
    if (!boot_plan_load(x->boot_plan, &m->vm->mem.memory,
                        !x->ram_written && !machine_ram_is_file(m), &err)) {
        error_prefix(&err, "could not load kernel '%s': ", m->kernel);
        log_take_error(err);
        return;
    }
    cpu = m->vm->vcpus[0];
    boot_plan_set_cpu(x->boot_plan, cpu->x86);
    vcpu_mark_state(cpu, VCPU_PUT_RESET);
}

void x86_machine_fini(Machine *m)
{
    X86Machine *x = X86_MACHINE(m);
    MemoryRegion *const regions[] = { &x->isa_bios, &x->bios, &x->ram_above,
                                      &x->ram_below };

    for (unsigned i = 0; i < G_N_ELEMENTS(regions); i++) {
        if (regions[i]->name != NULL) {
            memory_region_fini(regions[i]);
        }
    }
    x86_acpi_fini(x);
    g_clear_pointer(&x->bios_image, g_bytes_unref);
    g_clear_pointer(&x->e820, g_array_unref);
    g_clear_pointer(&x->boot_plan, boot_plan_free);
    g_clear_pointer(&x->boot_files, boot_files_free);
}

void x86_print_pics(Machine *m, GString *out)
{
    X86Machine *x = X86_MACHINE(m);

    for (size_t i = 0; i < G_N_ELEMENTS(x->ioapic); i++) {
        if (x->ioapic[i] != NULL) {
            ioapic_print(x->ioapic[i], out);
        }
    }
    if (x->pic.master != NULL) {
        i8259_print(&x->pic, out);
    }
}

void x86_print_irq_counts(Machine *m, GString *out)
{
    X86Machine *x = X86_MACHINE(m);

    for (size_t i = 0; i < G_N_ELEMENTS(x->ioapic); i++) {
        if (x->ioapic[i] != NULL) {
            ioapic_print_counts(x->ioapic[i], out);
        }
    }
    if (x->pic.master != NULL) {
        i8259_print_counts(&x->pic, out);
    }
}
