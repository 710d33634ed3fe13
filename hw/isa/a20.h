/*
 * The gate of address line 20, which two devices of a PC drive: the last one
 * to write it wins.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_A20_H
#define HW_ISA_A20_H

#include "hw/core/device.h"

/*
 * An input for IrqLines: low masks the line in all vCPUs of the device's
 * machine, from their next instruction on.  vm_lock held.
 */
void a20_input_init(IrqInput *in, Device *dev);

#endif
