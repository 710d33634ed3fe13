/*
 * 8259A programmable interrupt controller, and the edge/level register that
 * PC chip sets put beside it.
 *
 * Behaviour: Intel 8259A data sheet (231468-003); ELCR: Intel 82371SB
 * (290550-002), section 2.5.6.
 * Stream: "i8259" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/i8259-priv.h"
#include "hw/isa/isa.h"
#include "util/error.h"
#include "util/log.h"

#define NONE 8 /* in place of an input's number */

enum {
    ICW1 = 1 << 4,
    ICW1_LEVEL = 1 << 3,
    ICW1_SINGLE = 1 << 1,
    ICW1_ICW4 = 1 << 0,
    ICW4_SFNM = 1 << 4,
    ICW4_AEOI = 1 << 1,
    OCW3 = 1 << 3,
    OCW3_ESMM = 1 << 6,
    OCW3_POLL = 1 << 2,
    OCW3_RR = 1 << 1,
};

/* How far down from the highest input the first of a set is; NONE. */
static unsigned pic_priority(const Pic *s, uint8_t set)
{
    for (unsigned i = 0; i < 8; i++) {
        if (set & (1 << ((i + s->s.priority_add) & 7))) {
            return i;
        }
    }
    return NONE;
}

static bool pic_cascaded(const Pic *s)
{
    return s->slave != NULL && !s->single_mode;
}

/* The input that deserves the CPU's attention now; NONE. */
static unsigned pic_pending(const Pic *s)
{
    unsigned want = pic_priority(s, s->s.irr & ~s->s.imr);
    uint8_t in_service = s->s.isr;

    if (want == NONE) {
        return NONE;
    }
    if (s->s.special_mask) {
        in_service &= ~s->s.imr;
    }
    /* A slave in service doesn't lock out its own higher inputs. */
    if (s->s.special_fully_nested_mode && pic_cascaded(s)) {
        in_service &= ~(1 << PIC_CASCADE);
    }
    if (want >= pic_priority(s, in_service)) {
        return NONE;
    }
    return (want + s->s.priority_add) & 7;
}

static void pic_update(Pic *s)
{
    irq_set(&s->out, pic_pending(s) != NONE);
}

static void pic_set_input(void *opaque, unsigned n, bool level)
{
    Pic *s = DEVICE_CAST(Pic, (Device *)opaque);
    uint8_t mask = 1 << (n & 7);

    if (level) {
        s->nraised[n & 7] += !(s->s.last_irr & mask);
        if ((s->s.elcr & mask) || !(s->s.last_irr & mask)) {
            s->s.irr |= mask;
        }
        s->s.last_irr |= mask;
    } else {
        /* An edge that was seen stays, as the chips of PCs have it. */
        if (s->s.elcr & mask) {
            s->s.irr &= ~mask;
        }
        s->s.last_irr &= ~mask;
    }
    pic_update(s);
}

/* The second INTA pulse. */
static void pic_take(Pic *s, unsigned n)
{
    uint8_t mask = 1 << n;

    if (!s->s.auto_eoi) {
        s->s.isr |= mask;
    } else if (s->s.rotate_on_auto_eoi) {
        s->s.priority_add = (n + 1) & 7;
    }
    if (!(s->s.elcr & mask)) {
        s->s.irr &= ~mask;
    }
    /*
     * INT goes low with INTA.  What waits raises it again, at once where the
     * end of interrupt is automatic; a receiver that looks for edges, as the
     * master's cascade input does, has to see that.
     */
    irq_lower(&s->out);
    pic_update(s);
}

/* Without a request any more, input 7 is what the chip answers with. */
static unsigned pic_take_pending(Pic *s)
{
    unsigned n = pic_pending(s);

    if (n == NONE) {
        return 7;
    }
    pic_take(s, n);
    return n;
}

uint8_t i8259_acknowledge(Device *master)
{
    Pic *m = DEVICE_CAST(Pic, master);
    unsigned n = pic_pending(m);

    if (n == PIC_CASCADE && pic_cascaded(m)) {
        Pic *sl = DEVICE_CAST(Pic, m->slave);
        uint8_t vector;

        pic_take(m, n);
        vector = sl->s.irq_base + pic_take_pending(sl);
        return vector;
    }
    return m->s.irq_base + pic_take_pending(m);
}

static void pic_init1(Pic *s, uint8_t val)
{
    PicState *p = &s->s;

    if (val & ICW1_LEVEL) {
        log_unimp("%s: ICW1 0x%02x: level mode is set by the ELCR only",
                  device_name(&s->dev), val);
    }
    p->last_irr = 0;
    p->irr &= p->elcr; /* a level is still there, an edge isn't */
    p->imr = 0;
    p->isr = 0;
    p->priority_add = 0;
    p->irq_base = 0;
    p->read_reg_select = 0;
    p->poll = 0;
    p->special_mask = 0;
    p->auto_eoi = 0;
    p->rotate_on_auto_eoi = 0;
    p->special_fully_nested_mode = 0;
    p->init4 = (val & ICW1_ICW4) != 0;
    s->single_mode = val & ICW1_SINGLE;
    p->init_state = 1;
    pic_update(s);
}

static void pic_ocw2(Pic *s, uint8_t val)
{
    PicState *p = &s->s;
    unsigned cmd = val >> 5;
    unsigned n = val & 7;

    switch (cmd) {
    case 0: /* rotate in automatic EOI mode: clear, set */
    case 4:
        p->rotate_on_auto_eoi = cmd >> 2;
        return;
    case 1: /* non-specific EOI, without and with rotation */
    case 5:
        n = pic_priority(s, p->special_mask ? p->isr & ~p->imr : p->isr);
        if (n == NONE) {
            return;
        }
        n = (n + p->priority_add) & 7;
        p->isr &= ~(1 << n);
        break;
    case 3: /* specific EOI, without and with rotation */
    case 7:
        p->isr &= ~(1 << n);
        break;
    case 6: /* set priority */
        break;
    default: /* 2: no operation */
        return;
    }
    if (cmd >= 5) {
        p->priority_add = (n + 1) & 7;
    }
    pic_update(s);
}

static void pic_ocw3(Pic *s, uint8_t val)
{
    if (val & OCW3_POLL) {
        s->s.poll = 1;
    }
    if (val & OCW3_RR) {
        s->s.read_reg_select = val & 1;
    }
    if (val & OCW3_ESMM) {
        s->s.special_mask = (val >> 5) & 1;
    }
    pic_update(s);
}

/* ICW2 to ICW4, and OCW1 once they came. */
static void pic_write_data(Pic *s, uint8_t val)
{
    PicState *p = &s->s;

    switch (p->init_state) {
    case 1:
        p->irq_base = val & 0xf8;
        p->init_state = !s->single_mode ? 2 : p->init4 ? 3 : 0;
        break;
    case 2: /* which input has a slave is wired */
        p->init_state = p->init4 ? 3 : 0;
        break;
    case 3:
        p->special_fully_nested_mode = (val & ICW4_SFNM) != 0;
        p->auto_eoi = (val & ICW4_AEOI) != 0;
        p->init_state = 0;
        break;
    default:
        p->imr = val;
        break;
    }
    pic_update(s);
}

static void pic_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Pic *s = DEVICE_CAST(Pic, dev);

    if (off == 1) {
        pic_write_data(s, val);
    } else if (val & ICW1) {
        pic_init1(s, val);
    } else if (val & OCW3) {
        pic_ocw3(s, val);
    } else {
        pic_ocw2(s, val);
    }
}

static uint64_t pic_read(Device *dev, uint64_t off, unsigned size)
{
    Pic *s = DEVICE_CAST(Pic, dev);

    if (s->s.poll) {
        unsigned n = pic_pending(s);

        s->s.poll = 0;
        if (n == NONE) {
            return 0;
        }
        pic_take(s, n);
        return n | 0x80;
    }
    if (off == 1) {
        return s->s.imr;
    }
    return s->s.read_reg_select ? s->s.isr : s->s.irr;
}

static const IoOps pic_io = {
    .read = pic_read,
    .write = pic_write,
    .max_size = 1,
};

static uint64_t elcr_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(Pic, dev)->s.elcr;
}

static void elcr_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Pic *s = DEVICE_CAST(Pic, dev);
    uint8_t became_level = val & s->s.elcr_mask & ~s->s.elcr;

    s->s.elcr = val & s->s.elcr_mask;
    /* An edge that was seen is no level. */
    s->s.irr &= ~became_level | s->s.last_irr;
    pic_update(s);
}

static const IoOps elcr_io = {
    .read = elcr_read,
    .write = elcr_write,
    .max_size = 1,
};

static bool pic_realize(Device *dev, GError **errp)
{
    Pic *s = DEVICE_CAST(Pic, dev);

    irq_in_init(dev, pic_set_input, 8);
    irq_out_init(dev, &s->out, "");
    if (s->iobase > 0xffff || s->elcr_addr > 0xffff) {
        error_setf(errp, "iobase 0x%x, elcr_addr 0x%x: at most 0xffff",
                   s->iobase, s->elcr_addr);
        return false;
    }
    return device_claim_io(dev, &s->io, &pic_io, "pic", s->iobase, 2, errp) &&
           device_claim_io(dev, &s->elcr_io, &elcr_io, "elcr", s->elcr_addr, 1,
                           errp);
}

static void pic_reset(Device *dev)
{
    Pic *s = DEVICE_CAST(Pic, dev);
    uint8_t elcr_mask = s->s.elcr_mask;

    memset(&s->s, 0, sizeof(s->s));
    s->s.elcr_mask = elcr_mask;
    s->single_mode = 0;
    irq_lower(&s->out);
}

/*
 * The master has its own view of the slave's INT, in its section.  The CPU's
 * local APIC has none, and is told of the level that the master drives.
 */
static bool pic_post_load(void *opaque, int version, GError **errp)
{
    Pic *s = opaque;

    if (!pic_check(s, errp)) {
        return false;
    }
    if (s->master) {
        pic_update(s);
    } else {
        s->out.level = pic_pending(s) != NONE;
    }
    return true;
}

static const Vmstate pic_vmstate = {
    .name = "i8259",
    .version = 1,
    .oldest = 1,
    .post_load = pic_post_load,
    .fields = pic_vmstate_fields,
};

const DeviceType i8259_type = {
    .name = "isa-i8259",
    .parent = "pic-common",
    .size = sizeof(Pic),
    .bus = BUS_ISA,
    .props = pic_props,
    .realize = pic_realize,
    .reset = pic_reset,
    .vmstate = &pic_vmstate,
};
