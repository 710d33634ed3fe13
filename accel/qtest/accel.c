/*
 * The qtest accelerator: vCPUs that never run, a clock that stands still.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/qtest/qtest.h"

static bool qtest_accel_init(Accel *acc, GError **errp)
{
    clocks_set_manual(acc->vm->clocks);
    memory_smm_init(&acc->vm->mem);
    return true;
}

/* A halted vCPU is asked again when it is kicked, and halts again. */
static VcpuExit qtest_vcpu_run(Vcpu *cpu)
{
    return VCPU_EXIT_HALT;
}

const AccelType qtest_accel_type = {
    .name = "qtest",
    .size = sizeof(Accel),
    .init = qtest_accel_init,
    .smm = true,
    .vcpu_run = qtest_vcpu_run,
};
