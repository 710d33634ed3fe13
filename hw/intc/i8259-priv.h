/*
 * What both forms of the 8259A have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INTC_I8259_PRIV_H
#define HW_INTC_I8259_PRIV_H

#include "accel/irqchip.h"
#include "hw/intc/i8259.h"

/* Ports of the pair and which inputs can be level triggered: 82371SB. */
enum {
    PIC_MASTER_PORT = 0x20,
    PIC_SLAVE_PORT = 0xa0,
    PIC_MASTER_ELCR = 0x4d0,
    PIC_SLAVE_ELCR = 0x4d1,
    PIC_MASTER_ELCR_MASK = 0xf8,
    PIC_SLAVE_ELCR_MASK = 0xde,
    PIC_CASCADE = 2, /* the master's input that the slave drives */
};

typedef struct Pic {
    Device dev;
    IoRange io, elcr_io;
    IrqLine out;
    PicState s;
    uint8_t single_mode; /* ICW1: no slave */
    uint32_t iobase, elcr_addr;
    bool master;
    Device *slave;       /* of the master; NULL: none */
    uint64_t nraised[8]; /* per input, for `info irq`; not in the stream */
} Pic;

extern const Property pic_props[];
extern const VmstateField pic_vmstate_fields[];

/* Bounds of what came from a stream. */
bool pic_check(const Pic *s, GError **errp);

#endif
