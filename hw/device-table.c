/*
 * Every device type, by folder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/isa-devices.h"

const DeviceType *const device_table[] = {
    /* char */
    &debugcon_type,
    &serial_isa_type,
    /* i386 */
    &fw_cfg_io_type,
    /* intc */
    &i8259_type,
    &kvm_i8259_type,
    /* misc */
    &debug_exit_type,
    /* timer */
    &kvm_pit_type,
    &pcspk_type,
    &pit_type,
    NULL,
};
