/*
 * The vCPUs of a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-priv.h"

#include "accel/accel.h"
#include "hw/core/cpu-types.h"
#include "hw/core/device-priv.h"
#include "target/i386/cpu.h"
#include "util/error.h"
#include "util/log.h"

static bool machine_make_model(Machine *m, GError **errp)
{
    const AccelType *at = m->vm->accel->type;
    const char *text =
        m->cpu_model != NULL ? m->cpu_model : m->type->default_cpu;

    m->cpu = x86_cpu_model_parse(text, errp);
    return m->cpu != NULL &&
           x86_cpu_model_realize(m->cpu,
                                 at->cpu_support != NULL
                                     ? at->cpu_support(m->vm->accel)
                                     : NULL,
                                 errp);
}

static bool machine_make_cpu(Machine *m, unsigned index, GError **errp)
{
    const X86Topology topo = {
        .dies = m->smp.dies,
        .cores = m->smp.cores,
        .threads = m->smp.threads,
    };
    uint32_t apic_id = x86_topology_apic_id(&topo, index);
    Vcpu *cpu = vcpu_new(m->vm, index, apic_id, errp);
    Object *unattached = device_container(m->vm, "unattached");
    g_autofree char *name = NULL;
    unsigned n;

    if (cpu == NULL) {
        return false;
    }
    vcpu_set_type(cpu, cpu_object_type(x86_cpu_model_type_name(m->cpu)));
    n = unattached->children != NULL ? unattached->children->len : 0;
    name = g_strdup_printf("device[%u]", n);
    object_add_child(unattached, name, &cpu->obj);
    cpu->x86 = x86_cpu_new(m->cpu, &topo, index, apic_id);
    if (m->vm->vmstates != NULL) {
        x86_cpu_register_vmstate(cpu->x86, m->vm->vmstates);
    }
    /* The accelerator has nothing yet: it gets all of it before the start. */
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    return vcpu_start_thread(cpu, errp);
}

bool machine_build_cpus(Machine *m, GError **errp)
{
    Accel *acc = m->vm->accel;

    if (m->type->default_cpu == NULL) {
        return true;
    }
    if (!machine_make_model(m, errp)) {
        return false;
    }
    if (acc->type->irqchip_create != NULL &&
        !acc->type->irqchip_create(acc, m->kernel_irqchip, errp)) {
        return false;
    }
    m->vm->max_vcpus = m->smp.max_cpus;
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        if (!machine_make_cpu(m, i, errp)) {
            return false;
        }
    }
    return true;
}

static void log_cpu_reset(const Vcpu *cpu)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "CPU Reset (CPU %u)\n", cpu->index);
    x86_cpu_print_registers(cpu->x86, text, true);
    log_write("%s", text->str);
}

void machine_reset_cpus(Machine *m)
{
    for (unsigned i = 0; i < m->vm->nvcpus; i++) {
        Vcpu *cpu = m->vm->vcpus[i];
        GError *err = NULL;

        /* What a reset leaves alone has to be there to be kept. */
        if (!vcpu_sync_state(cpu, &err)) {
            error_prefix(&err, "CPU %u: reset: ", i);
            log_take_error(err);
        }
        if (log_enabled(LOG_ITEM_CPU_RESET)) {
            log_cpu_reset(cpu);
        }
        x86_cpu_reset(cpu->x86);
        vcpu_mark_state(cpu, VCPU_PUT_RESET);
    }
}

/* The threads end while the devices they may call still exist. */
void machine_stop_cpus(Machine *m)
{
    for (unsigned i = 0; i < m->vm->nvcpus; i++) {
        vcpu_stop_thread(m->vm->vcpus[i]);
    }
}

void machine_free_cpus(Machine *m)
{
    Vm *vm = m->vm;

    while (vm->nvcpus > 0) {
        Vcpu *cpu = vm->vcpus[vm->nvcpus - 1];

        if (cpu->x86 != NULL && vm->vmstates != NULL) {
            x86_cpu_unregister_vmstate(cpu->x86, vm->vmstates);
        }
        x86_cpu_free(g_steal_pointer(&cpu->x86));
        if (cpu->obj.parent != NULL) {
            object_remove_child(cpu->obj.parent, cpu->obj.name);
        }
        vcpu_free(cpu);
    }
    g_clear_pointer(&vm->vcpus, g_free);
    g_clear_pointer(&m->cpu, x86_cpu_model_free);
}
