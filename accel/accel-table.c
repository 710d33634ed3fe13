/*
 * Every accelerator of this build, in the order of `-accel help`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "accel/qtest/qtest.h"
#include "accel/soft/tcg.h"
#ifdef CONFIG_KVM
#include "accel/kvm/kvm.h"
#endif

const AccelType *const accel_table[] = {
#ifdef CONFIG_KVM
    &kvm_accel_type,
#endif
    &tcg_accel_type,
    &qtest_accel_type,
    NULL,
};
