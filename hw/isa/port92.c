/*
 * Port 92: fast A20 gate and CPU reset.
 *
 * Behaviour: Intel 82371SB (290550-002), section 2.5.8.
 * Stream: "port92" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine.h"
#include "hw/isa/a20.h"
#include "hw/isa/i8042.h"
#include "hw/isa/isa.h"

enum {
    PORT92_INIT = 1 << 0, /* 0 -> 1 resets the CPUs */
    PORT92_A20 = 1 << 1,  /* 0 masks address line 20 */
};

typedef struct Port92 {
    Device dev;
    IoRange io;
    IrqLine a20;
    IrqInput gate;
    uint8_t outport;
} Port92;

static uint64_t port92_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(Port92, dev)->outport;
}

static void port92_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Port92 *s = DEVICE_CAST(Port92, dev);
    uint8_t rising = val & ~s->outport;

    s->outport = val;
    irq_set(&s->a20, val & PORT92_A20);
    if (rising & PORT92_INIT) {
        machine_request_reset(dev->machine, RESET_BY_GUEST);
    }
}

static const IoOps port92_io = {
    .read = port92_read,
    .write = port92_write,
    .max_size = 1,
};

static bool port92_realize(Device *dev, GError **errp)
{
    Port92 *s = DEVICE_CAST(Port92, dev);

    irq_out_init(dev, &s->a20, "a20");
    a20_input_init(&s->gate, dev);
    irq_connect(&s->a20, &s->gate);
    return isa_claim_io(dev, &s->io, &port92_io, 0x92, 1, errp);
}

/* The gate's bit stays: firmware finds the gate as it was left. */
static void port92_reset(Device *dev)
{
    DEVICE_CAST(Port92, dev)->outport &= ~PORT92_INIT;
}

static const Vmstate port92_vmstate = {
    .name = "port92",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(Port92, outport), VMSTATE_END },
};

const DeviceType port92_type = {
    .name = "port92",
    .size = sizeof(Port92),
    .bus = BUS_ISA,
    .realize = port92_realize,
    .reset = port92_reset,
    .vmstate = &port92_vmstate,
};
