/*
 * Human monitor: CPUs and their registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "hw/intc/apic.h"
#include "target/i386/cpu.h"

Vcpu *hmp_current_cpu(HmpOut *out)
{
    unsigned i = hmp_cpu_index(out);

    if (i >= out->vm->nvcpus) {
        hmp_printf(out, "No CPU available\n");
        return NULL;
    }
    return out->vm->vcpus[i];
}

void hmp_cmd_cpu(HmpOut *out, const HmpArgs *a)
{
    int64_t i = a->arg[0].num;

    if (i < 0 || i >= out->vm->nvcpus) {
        hmp_printf(out, "invalid CPU index\n");
        return;
    }
    hmp_session_set_cpu(out->session, i);
}

void hmp_info_cpus(HmpOut *out, const HmpArgs *a)
{
    for (unsigned i = 0; i < out->vm->nvcpus; i++) {
        hmp_printf(out, "%c CPU #%u: thread_id=%d\n",
                   i == hmp_cpu_index(out) ? '*' : ' ', i,
                   (int)thread_tid(&out->vm->vcpus[i]->thread));
    }
}

static void print_registers(HmpOut *out, Vcpu *cpu)
{
    GError *err = NULL;

    hmp_printf(out, "\nCPU#%u\n", cpu->index);
    if (!vcpu_sync_state(cpu, &err)) {
        hmp_error(out, err);
        return;
    }
    x86_cpu_print_registers(cpu->x86, out->text, true);
}

void hmp_info_registers(HmpOut *out, const HmpArgs *a)
{
    bool all = a->flags & 1;
    int64_t i = a->arg[0].num;

    if (all) {
        for (unsigned n = 0; n < out->vm->nvcpus; n++) {
            print_registers(out, out->vm->vcpus[n]);
        }
    } else if (!a->arg[0].given) {
        Vcpu *cpu = hmp_current_cpu(out);

        if (cpu != NULL) {
            print_registers(out, cpu);
        }
    } else if (i < 0 || i >= out->vm->nvcpus) {
        hmp_printf(out, "CPU#%" PRId64 " not available\n", i);
    } else {
        print_registers(out, out->vm->vcpus[i]);
    }
}

/* By APIC id; the current CPU's if none is given. */
void hmp_info_lapic(HmpOut *out, const HmpArgs *a)
{
    Vcpu *cpu = NULL;
    Device *apic;

    if (!a->arg[0].given) {
        cpu = hmp_current_cpu(out);
        if (cpu == NULL) {
            return;
        }
    }
    for (unsigned i = 0; cpu == NULL && i < out->vm->nvcpus; i++) {
        if (out->vm->vcpus[i]->apic_id == a->arg[0].num) {
            cpu = out->vm->vcpus[i];
        }
    }
    apic = cpu != NULL ? apic_of(cpu) : NULL;
    if (apic == NULL) {
        hmp_printf(out, "No CPU available\n");
        return;
    }
    apic_print(apic, out->text);
}
