/*
 * Debug exit: a write of V ends the program with status (V << 1) | 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "system/runstate.h"
#include "util/error.h"

typedef struct DebugExit {
    Device dev;
    IoRange io;
    uint32_t iobase, iosize; /* ports */
} DebugExit;

static uint64_t debug_exit_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

/* The system keeps the low eight bits of a status. */
static void debug_exit_write(Device *dev, uint64_t off, uint64_t val,
                             unsigned size)
{
    vm_request_exit(dev->vm, (int)((uint32_t)val << 1 | 1));
}

static const IoOps debug_exit_io = {
    .read = debug_exit_read,
    .write = debug_exit_write,
};

static bool debug_exit_realize(Device *dev, GError **errp)
{
    DebugExit *s = DEVICE_CAST(DebugExit, dev);

    if (s->iobase > 0xffff) {
        error_setf(errp, "iobase 0x%x: at most 0xffff", s->iobase);
        return false;
    }
    return isa_claim_io(dev, &s->io, &debug_exit_io, s->iobase, s->iosize,
                        errp);
}

static const Property debug_exit_props[] = {
    PROP(PROP_U32, DebugExit, iobase, "iobase", .def = 0x501),
    PROP(PROP_U32, DebugExit, iosize, "iosize", .def = 2),
    PROP_END,
};

const DeviceType debug_exit_type = {
    .name = "isa-debug-exit",
    .category = "Misc",
    .size = sizeof(DebugExit),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = debug_exit_props,
    .realize = debug_exit_realize,
    .vmstate = VMSTATE_NONE,
};
