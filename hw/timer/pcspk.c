/*
 * Port 0x61: the timer channel of the speaker and its gate.  No sound is
 * made.
 *
 * Behaviour: Intel 82371SB (290550-002), section 2.5.4, NMI status and
 * control; bit 4 toggles with each refresh request, here with each read.
 * Stream: "pcspk" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/isa.h"
#include "hw/timer/i8254.h"
#include "util/error.h"

#define PCSPK_PORT    0x61
#define PCSPK_CHANNEL 2

enum {
    PCSPK_GATE = 1 << 0,
    PCSPK_DATA = 1 << 1,
    PCSPK_REFRESH_SHIFT = 4,
    PCSPK_OUT_SHIFT = 5,
};

typedef struct Pcspk {
    Device dev;
    IoRange io;
    Device *pit;
    uint32_t iobase;
    uint8_t data_on;             /* 0, 1 */
    uint8_t dummy_refresh_clock; /* 0, 1 */
} Pcspk;

static uint64_t pcspk_read(Device *dev, uint64_t off, unsigned size)
{
    Pcspk *s = DEVICE_CAST(Pcspk, dev);

    s->dummy_refresh_clock ^= 1;
    return (pit_get_gate(s->pit, PCSPK_CHANNEL) ? PCSPK_GATE : 0) |
           (s->data_on ? PCSPK_DATA : 0) |
           s->dummy_refresh_clock << PCSPK_REFRESH_SHIFT |
           pit_get_out(s->pit, PCSPK_CHANNEL) << PCSPK_OUT_SHIFT;
}

static void pcspk_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Pcspk *s = DEVICE_CAST(Pcspk, dev);

    s->data_on = (val & PCSPK_DATA) != 0;
    pit_set_speaker(s->pit, s->data_on);
    pit_set_gate(s->pit, PCSPK_CHANNEL, val & PCSPK_GATE);
}

static const IoOps pcspk_io = {
    .read = pcspk_read,
    .write = pcspk_write,
    .max_size = 1,
};

static bool pcspk_realize(Device *dev, GError **errp)
{
    Pcspk *s = DEVICE_CAST(Pcspk, dev);

    if (s->pit == NULL) {
        error_setf(errp, "it needs the machine's interval timer");
        return false;
    }
    if (s->iobase > 0xffff) {
        error_setf(errp, "iobase 0x%x: at most 0xffff", s->iobase);
        return false;
    }
    return device_claim_io(dev, &s->io, &pcspk_io, "pcspk", s->iobase, 1, errp);
}

static void pcspk_reset(Device *dev)
{
    Pcspk *s = DEVICE_CAST(Pcspk, dev);

    s->data_on = 0;
    s->dummy_refresh_clock = 0;
}

/* Where the timer is in the kernel, so is the data bit. */
static bool pcspk_pre_save(void *opaque, GError **errp)
{
    Pcspk *s = opaque;

    s->data_on = pit_get_speaker(s->pit);
    return true;
}

static bool pcspk_post_load(void *opaque, int version, GError **errp)
{
    Pcspk *s = opaque;

    s->dummy_refresh_clock &= 1;
    pit_set_speaker(s->pit, s->data_on);
    return true;
}

static const Vmstate pcspk_vmstate = {
    .name = "pcspk",
    .version = 1,
    .oldest = 1,
    .pre_save = pcspk_pre_save,
    .post_load = pcspk_post_load,
    .fields = (const VmstateField[]){ VMSTATE_U8(Pcspk, data_on),
                                      VMSTATE_U8(Pcspk, dummy_refresh_clock),
                                      VMSTATE_END },
};

static const Property pcspk_props[] = {
    PROP(PROP_U32, Pcspk, iobase, "iobase", .def = PCSPK_PORT),
    PROP_END,
};

const DeviceType pcspk_type = {
    .name = "isa-pcspk",
    .size = sizeof(Pcspk),
    .bus = BUS_ISA,
    .props = pcspk_props,
    .realize = pcspk_realize,
    .reset = pcspk_reset,
    .vmstate = &pcspk_vmstate,
};

Device *pcspk_create(Bus *isa, Device *pit, GError **errp)
{
    Device *dev = device_new(isa->vm, &pcspk_type);

    DEVICE_CAST(Pcspk, dev)->pit = pit;
    return device_realize(dev, isa, errp) ? dev : NULL;
}
