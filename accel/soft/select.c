/*
 * From a decoded instruction to what executes it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

SoftFn *soft_select(const SoftOp *op, unsigned mode)
{
    static SoftFn *(*const files[])(const SoftOp *op) = {
        soft_select_alu,    soft_select_move,   soft_select_flow,
        soft_select_bits,   soft_select_mul,    soft_select_string,
        soft_select_far,    soft_select_system, soft_select_table,
        soft_select_vector, soft_select_x87,    soft_select_xsave,
        soft_select_smm,    soft_select_vme,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        SoftFn *fn = files[i](op);

        if (fn) {
            return fn;
        }
    }
    return NULL;
}
