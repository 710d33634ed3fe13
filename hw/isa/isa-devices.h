/*
 * The types of the devices that boards and users put on the ISA bus and
 * beside it.  What a board has to know of one beyond its properties is in
 * the device's own header.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_ISA_DEVICES_H
#define HW_ISA_ISA_DEVICES_H

#include "hw/core/device.h"

extern const DeviceType serial_isa_type; /* isa-serial */
extern const DeviceType debugcon_type;   /* isa-debugcon */
extern const DeviceType debug_exit_type; /* isa-debug-exit */

/* Made by boards; see hw/intc/i8259.h and hw/timer/i8254.h. */
extern const DeviceType i8259_type;     /* isa-i8259 */
extern const DeviceType kvm_i8259_type; /* kvm-i8259 */
extern const DeviceType pit_type;       /* isa-pit */
extern const DeviceType kvm_pit_type;   /* kvm-pit */
extern const DeviceType pcspk_type;     /* isa-pcspk */

#endif
