/*
 * The gate of address line 20.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/a20.h"

#include "accel/vcpu.h"
#include "target/i386/cpu.h"

/* On the vCPU's thread: whoever runs it may have translated addresses. */
static void a20_apply(Vcpu *cpu, void *opaque)
{
    bool on = GPOINTER_TO_UINT(opaque);

    if (vcpu_sync_state(cpu, NULL)) {
        x86_cpu_set_a20(cpu->x86, on);
        vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    }
}

static void a20_set(void *opaque, unsigned n, bool level)
{
    const Device *dev = opaque;

    for (unsigned i = 0; i < dev->vm->nvcpus; i++) {
        Vcpu *cpu = dev->vm->vcpus[i];

        /* Changed under vm_lock only: no need to stop those that have it. */
        if (cpu->x86 == NULL || (cpu->x86->a20_mask == -1) == level) {
            continue;
        }
        if (__atomic_load_n(&cpu->stopped, __ATOMIC_ACQUIRE)) {
            vcpu_run_on(cpu, a20_apply, GUINT_TO_POINTER(level));
        } else {
            vcpu_run_on_async(cpu, a20_apply, GUINT_TO_POINTER(level));
        }
    }
}

void a20_input_init(IrqInput *in, Device *dev)
{
    *in = (IrqInput){ .fn = a20_set, .opaque = dev };
}
