/*
 * 8237A DMA controller with the page registers that a PC puts beside it.
 *
 * Behaviour: Intel 8237A data sheet (231466-005); page registers and the
 * word-wide second controller: Intel 82371SB (290550-002), section 2.5.1.
 * Stream: "dma" version 1, ABI.
 *
 * No device here asks for a transfer yet, so that what a guest programs stays
 * programmed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/i8257.h"

#include "util/error.h"

enum {
    DMA_CHANNELS = 4,
    DMA_ADDR = 0, /* index of now and base */
    DMA_COUNT = 1,
    MODE_DECREMENT = 1 << 5,
};

/* Registers 8 to 15, as written. */
enum {
    REG_COMMAND, /* status, as read */
    REG_REQUEST,
    REG_MASK_ONE,
    REG_MODE,
    REG_FLIP_FLOP,
    REG_CLEAR,
    REG_CLEAR_MASK,
    REG_MASK_ALL,
};

typedef struct DmaRegs {
    int32_t now[2];   /* address in bytes; bytes transferred */
    uint16_t base[2]; /* in bytes or words */
    uint8_t mode, page, pageh, dack, eop;
} DmaRegs;

typedef struct Dma {
    Device dev;
    IoRange chan_io, cont_io;
    IoRange page_io[2], pageh_io[2];
    uint8_t status; /* 3:0 done, 7:4 requested by software */
    uint8_t command, mask, flip_flop;
    int32_t dshift;      /* 1: words */
    int32_t sent_dshift; /* as it came in a stream */
    DmaRegs regs[DMA_CHANNELS];
    int32_t base, page_base, pageh_base; /* ports; pageh_base -1: none */
} Dma;

static unsigned dma_flip(Dma *s)
{
    unsigned high = s->flip_flop;

    s->flip_flop = !high;
    return high;
}

static uint64_t dma_chan_read(Device *dev, uint64_t off, unsigned size)
{
    Dma *s = DEVICE_CAST(Dma, dev);
    unsigned reg = off >> s->dshift;
    const DmaRegs *r = &s->regs[reg >> 1];
    uint32_t val;

    if (reg & 1) {
        val = ((uint32_t)r->base[DMA_COUNT] << s->dshift) -
              (uint32_t)r->now[DMA_COUNT];
    } else if (r->mode & MODE_DECREMENT) {
        val = (uint32_t)r->now[DMA_ADDR] - (uint32_t)r->now[DMA_COUNT];
    } else {
        val = (uint32_t)r->now[DMA_ADDR] + (uint32_t)r->now[DMA_COUNT];
    }
    val >>= s->dshift;
    return dma_flip(s) ? (val >> 8) & 0xff : val & 0xff;
}

static void dma_chan_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    Dma *s = DEVICE_CAST(Dma, dev);
    unsigned reg = off >> s->dshift;
    DmaRegs *r = &s->regs[reg >> 1];
    uint16_t *base = &r->base[reg & 1];

    if (dma_flip(s)) {
        *base = (*base & 0xff) | (val & 0xff) << 8;
        r->now[DMA_ADDR] = r->base[DMA_ADDR] << s->dshift;
        r->now[DMA_COUNT] = 0;
    } else {
        *base = (*base & 0xff00) | (val & 0xff);
    }
}

static void dma_clear(Dma *s)
{
    s->flip_flop = 0;
    s->mask = 0xff;
    s->status = 0;
    s->command = 0;
}

static void dma_mask_one(Dma *s, uint8_t val)
{
    uint8_t bit = 1 << (val & 3);

    s->mask = val & 4 ? s->mask | bit : s->mask & ~bit;
}

static void dma_request(Dma *s, uint8_t val)
{
    uint8_t bit = 1 << ((val & 3) + 4);

    s->status = val & 4 ? s->status | bit : s->status & ~bit;
}

static void dma_cont_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    Dma *s = DEVICE_CAST(Dma, dev);

    switch (off >> s->dshift) {
    case REG_COMMAND:
        s->command = val;
        break;
    case REG_REQUEST:
        dma_request(s, val);
        break;
    case REG_MASK_ONE:
        dma_mask_one(s, val);
        break;
    case REG_MODE:
        s->regs[val & 3].mode = val;
        break;
    case REG_FLIP_FLOP:
        s->flip_flop = 0;
        break;
    case REG_CLEAR:
        dma_clear(s);
        break;
    case REG_CLEAR_MASK:
        s->mask = 0;
        break;
    default: /* REG_MASK_ALL */
        s->mask = val;
        break;
    }
}

static uint64_t dma_cont_read(Device *dev, uint64_t off, unsigned size)
{
    Dma *s = DEVICE_CAST(Dma, dev);
    uint8_t val;

    switch (off >> s->dshift) {
    case REG_COMMAND:
        val = s->status;
        s->status &= 0xf0;
        return val;
    case REG_REQUEST: /* where guests of this machine look */
        return s->mask;
    default:
        return 0;
    }
}

/* Ports 1, 2, 3 and 7 from the base hold pages of channels 2, 3, 1 and 0. */
static int dma_page_channel(unsigned port)
{
    static const int8_t channels[8] = { -1, 2, 3, 1, -1, -1, -1, 0 };

    return channels[port & 7];
}

/* The offset is in the first or second range: 1 to 3, or 7. */
static uint8_t *dma_page(Dma *s, bool high, unsigned port)
{
    DmaRegs *r = &s->regs[dma_page_channel(port)];

    return high ? &r->pageh : &r->page;
}

static uint64_t page_read(Device *dev, uint64_t off, unsigned size)
{
    return *dma_page(DEVICE_CAST(Dma, dev), false, off + 1);
}

static void page_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    *dma_page(DEVICE_CAST(Dma, dev), false, off + 1) = val;
}

static uint64_t page0_read(Device *dev, uint64_t off, unsigned size)
{
    return *dma_page(DEVICE_CAST(Dma, dev), false, 7);
}

static void page0_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    *dma_page(DEVICE_CAST(Dma, dev), false, 7) = val;
}

static uint64_t pageh_read(Device *dev, uint64_t off, unsigned size)
{
    return *dma_page(DEVICE_CAST(Dma, dev), true, off + 1);
}

static void pageh_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    *dma_page(DEVICE_CAST(Dma, dev), true, off + 1) = val;
}

static uint64_t pageh0_read(Device *dev, uint64_t off, unsigned size)
{
    return *dma_page(DEVICE_CAST(Dma, dev), true, 7);
}

static void pageh0_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    *dma_page(DEVICE_CAST(Dma, dev), true, 7) = val;
}

static const IoOps chan_io = { dma_chan_read, dma_chan_write, .max_size = 1 };
static const IoOps cont_io = { dma_cont_read, dma_cont_write, .max_size = 1 };
static const IoOps page_io = { page_read, page_write, .max_size = 1 };
static const IoOps page0_io = { page0_read, page0_write, .max_size = 1 };
static const IoOps pageh_io = { pageh_read, pageh_write, .max_size = 1 };
static const IoOps pageh0_io = { pageh0_read, pageh0_write, .max_size = 1 };

static bool dma_claim_pages(Dma *s, IoRange io[2], const IoOps *ops,
                            const IoOps *ops0, const char *name, int32_t base,
                            GError **errp)
{
    return device_claim_io(&s->dev, &io[0], ops, name, base + 1, 3, errp) &&
           device_claim_io(&s->dev, &io[1], ops0, name, base + 7, 1, errp);
}

static bool dma_realize(Device *dev, GError **errp)
{
    Dma *s = DEVICE_CAST(Dma, dev);

    if (s->dshift < 0 || s->dshift > 1) {
        error_setf(errp, "dshift %d: 0 or 1", s->dshift);
        return false;
    }
    if (s->base < 0 || s->base > 0xffe0 || s->page_base < 0 ||
        s->page_base > 0xfff8 || s->pageh_base < -1 || s->pageh_base > 0xfff8) {
        error_setf(errp, "base %d, page-base %d, pageh-base %d: no such port",
                   s->base, s->page_base, s->pageh_base);
        return false;
    }
    if (!device_claim_io(dev, &s->chan_io, &chan_io, "dma-chan", s->base,
                         8 << s->dshift, errp) ||
        !device_claim_io(dev, &s->cont_io, &cont_io, "dma-cont",
                         s->base + (8 << s->dshift), 8 << s->dshift, errp) ||
        !dma_claim_pages(s, s->page_io, &page_io, &page0_io, "dma-page",
                         s->page_base, errp)) {
        return false;
    }
    return s->pageh_base < 0 ||
           dma_claim_pages(s, s->pageh_io, &pageh_io, &pageh0_io, "dma-pageh",
                           s->pageh_base, errp);
}

static void dma_reset(Device *dev)
{
    dma_clear(DEVICE_CAST(Dma, dev));
}

static const Vmstate vmstate_regs = {
    .name = "dma_regs",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32_ARRAY(DmaRegs, now, 2),
            VMSTATE_U16_ARRAY(DmaRegs, base, 2), VMSTATE_U8(DmaRegs, mode),
            VMSTATE_U8(DmaRegs, page), VMSTATE_U8(DmaRegs, pageh),
            VMSTATE_U8(DmaRegs, dack), VMSTATE_U8(DmaRegs, eop), VMSTATE_END },
};

static bool dma_post_load(void *opaque, int version, GError **errp)
{
    Dma *s = opaque;

    s->flip_flop &= 1;
    if (s->sent_dshift != s->dshift) {
        error_setf(errp, "dshift %d in the stream but %d here", s->sent_dshift,
                   s->dshift);
        return false;
    }
    return true;
}

static bool dma_pre_save(void *opaque, GError **errp)
{
    Dma *s = opaque;

    s->sent_dshift = s->dshift;
    return true;
}

static const Vmstate dma_vmstate = {
    .name = "dma",
    .version = 1,
    .oldest = 1,
    .pre_save = dma_pre_save,
    .post_load = dma_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Dma, command),
            VMSTATE_U8(Dma, mask),
            VMSTATE_U8(Dma, flip_flop),
            { .name = "dshift",
              .kind = VMS_I32,
              .offset = offsetof(Dma, sent_dshift),
              .size = sizeof(int32_t) },
            VMSTATE_STRUCT_ARRAY(Dma, regs, DMA_CHANNELS, vmstate_regs, 1),
            VMSTATE_END },
};

static const Property dma_props[] = {
    PROP(PROP_I32, Dma, base, "base"),
    PROP(PROP_I32, Dma, page_base, "page-base", .def = 0x80),
    PROP(PROP_I32, Dma, pageh_base, "pageh-base", .def = 0x480),
    PROP(PROP_I32, Dma, dshift, "dshift"),
    PROP_END,
};

const DeviceType i8257_type = {
    .name = "i8257",
    .size = sizeof(Dma),
    .bus = BUS_ISA,
    .props = dma_props,
    .realize = dma_realize,
    .reset = dma_reset,
    .vmstate = &dma_vmstate,
};

bool i8257_create_pair(IsaBus *isa, GError **errp)
{
    for (unsigned i = 0; i < 2; i++) {
        Device *dev = device_new(isa->bus.vm, &i8257_type);
        Dma *s = DEVICE_CAST(Dma, dev);

        s->base = i == 0 ? 0x00 : 0xc0;
        s->page_base = i == 0 ? 0x80 : 0x88;
        s->pageh_base = -1;
        s->dshift = i;
        if (!device_realize(dev, &isa->bus, errp)) {
            return false;
        }
        isa->dma[i] = dev;
    }
    return true;
}
