/*
 * The pair of 8237A DMA controllers of a PC.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_I8257_H
#define HW_ISA_I8257_H

#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"

/* Makes both, at 0x00 and 0xc0, and tells the bus. */
bool i8257_create_pair(IsaBus *isa, GError **errp);

#endif
