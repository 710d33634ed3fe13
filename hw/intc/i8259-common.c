/*
 * 8259A: what the model here and the accelerator's have in common, and the
 * accelerator's.
 *
 * Stream: "i8259" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/i8259-priv.h"

#include "accel/accel.h"
#include "util/error.h"
#include "util/log.h"

const Property pic_props[] = {
    PROP(PROP_U32, Pic, iobase, "iobase", .def = UINT32_MAX),
    PROP(PROP_U32, Pic, elcr_addr, "elcr_addr", .def = UINT32_MAX),
    PROP(PROP_U8, Pic, s.elcr_mask, "elcr_mask", .def = 0xff),
    PROP(PROP_BOOL, Pic, master, "master"),
    PROP_END,
};

#define PIC_FIELD(f)                                                        \
    {                                                                       \
        .name = #f, .kind = VMS_U8, .offset = offsetof(Pic, s.f), .size = 1 \
    }

const VmstateField pic_vmstate_fields[] = {
    PIC_FIELD(last_irr),
    PIC_FIELD(irr),
    PIC_FIELD(imr),
    PIC_FIELD(isr),
    PIC_FIELD(priority_add),
    PIC_FIELD(irq_base),
    PIC_FIELD(read_reg_select),
    PIC_FIELD(poll),
    PIC_FIELD(special_mask),
    PIC_FIELD(init_state),
    PIC_FIELD(auto_eoi),
    PIC_FIELD(rotate_on_auto_eoi),
    PIC_FIELD(special_fully_nested_mode),
    PIC_FIELD(init4),
    VMSTATE_U8(Pic, single_mode),
    PIC_FIELD(elcr),
    VMSTATE_END,
};

bool pic_check(const Pic *s, GError **errp)
{
    if (s->s.priority_add > 7 || s->s.init_state > 3) {
        error_setf(errp, "priority_add %u, init_state %u: at most 7 and 3",
                   s->s.priority_add, s->s.init_state);
        return false;
    }
    return true;
}

static Device *pic_create(Bus *isa, const DeviceType *type, bool master,
                          GError **errp)
{
    Device *dev = device_new(isa->vm, type);
    Pic *s = DEVICE_CAST(Pic, dev);

    s->master = master;
    s->iobase = master ? PIC_MASTER_PORT : PIC_SLAVE_PORT;
    s->elcr_addr = master ? PIC_MASTER_ELCR : PIC_SLAVE_ELCR;
    s->s.elcr_mask = master ? PIC_MASTER_ELCR_MASK : PIC_SLAVE_ELCR_MASK;
    return device_realize(dev, isa, errp) ? dev : NULL;
}

bool i8259_create_pair(I8259Pair *ret_pair, Bus *isa, bool kernel,
                       GError **errp)
{
    const DeviceType *type = kernel ? &kvm_i8259_type : &i8259_type;
    I8259Pair p;

    p.master = pic_create(isa, type, true, errp);
    if (p.master == NULL) {
        return false;
    }
    p.slave = pic_create(isa, type, false, errp);
    if (p.slave == NULL) {
        device_delete(p.master);
        return false;
    }
    if (!kernel) {
        DEVICE_CAST(Pic, p.master)->slave = p.slave;
        irq_connect(&DEVICE_CAST(Pic, p.slave)->out,
                    irq_in(p.master, PIC_CASCADE));
    }
    *ret_pair = p;
    return true;
}

IrqInput *i8259_input(const I8259Pair *p, unsigned irq)
{
    if (p->master->type == &kvm_i8259_type) {
        return NULL;
    }
    return irq_in(irq < 8 ? p->master : p->slave, irq & 7);
}

IrqLine *i8259_output(const I8259Pair *p)
{
    return &DEVICE_CAST(Pic, p->master)->out;
}

/* Chip 0 is the master, in KVM as in IrqchipOps. */
static unsigned kvm_pic_chip(const Pic *s)
{
    return s->master ? 0 : 1;
}

static bool kvm_pic_get(Pic *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;
    uint8_t elcr_mask = s->s.elcr_mask;
    bool ok;

    ok = acc->type->irqchip->get_pic(acc, kvm_pic_chip(s), &s->s, errp);
    s->s.elcr_mask = elcr_mask;
    return ok;
}

static bool kvm_pic_put(Pic *s, GError **errp)
{
    Accel *acc = s->dev.vm->accel;

    return acc->type->irqchip->put_pic(acc, kvm_pic_chip(s), &s->s, errp);
}

static bool kvm_pic_pre_save(void *opaque, GError **errp)
{
    return kvm_pic_get(opaque, errp);
}

static bool kvm_pic_post_load(void *opaque, int version, GError **errp)
{
    return pic_check(opaque, errp) && kvm_pic_put(opaque, errp);
}

static void kvm_pic_reset(Device *dev)
{
    Pic *s = DEVICE_CAST(Pic, dev);
    uint8_t elcr_mask = s->s.elcr_mask;
    GError *err = NULL;

    memset(&s->s, 0, sizeof(s->s));
    s->s.elcr_mask = elcr_mask;
    s->single_mode = 0;
    if (!kvm_pic_put(s, &err)) {
        log_take_error(err);
    }
}

static bool kvm_pic_realize(Device *dev, GError **errp)
{
    const Accel *acc = dev->vm->accel;

    if (acc == NULL || !acc->kernel_irqchip || acc->type->irqchip == NULL) {
        error_setf(errp, "the accelerator has no interrupt controllers");
        return false;
    }
    return true;
}

static const Vmstate kvm_pic_vmstate = {
    .name = "i8259",
    .version = 1,
    .oldest = 1,
    .pre_save = kvm_pic_pre_save,
    .post_load = kvm_pic_post_load,
    .fields = pic_vmstate_fields,
};

const DeviceType kvm_i8259_type = {
    .name = "kvm-i8259",
    .parent = "pic-common",
    .size = sizeof(Pic),
    .bus = BUS_ISA,
    .props = pic_props,
    .realize = kvm_pic_realize,
    .reset = kvm_pic_reset,
    .vmstate = &kvm_pic_vmstate,
};

static void pic_print(Device *dev, unsigned n, GString *out)
{
    Pic *s = DEVICE_CAST(Pic, dev);

    if (dev->type == &kvm_i8259_type) {
        kvm_pic_get(s, NULL);
    }
    g_string_append_printf(out,
                           "pic%u: irr=%02x imr=%02x isr=%02x hprio=%u "
                           "irq_base=%02x rr_sel=%u elcr=%02x fnm=%u\n",
                           n, s->s.irr, s->s.imr, s->s.isr, s->s.priority_add,
                           s->s.irq_base, s->s.read_reg_select, s->s.elcr,
                           s->s.special_fully_nested_mode);
}

void i8259_print(const I8259Pair *p, GString *out)
{
    pic_print(p->slave, 1, out);
    pic_print(p->master, 0, out);
}

void i8259_print_counts(const I8259Pair *p, GString *out)
{
    g_string_append_printf(out, "IRQ statistics for %s:\n",
                           p->master->type->name);
    for (unsigned n = 0; n < 16; n++) {
        const Pic *s = DEVICE_CAST(Pic, n < 8 ? p->master : p->slave);

        if (s->nraised[n & 7] > 0) {
            g_string_append_printf(out, "%2u: %" PRIu64 "\n", n,
                                   s->nraised[n & 7]);
        }
    }
}
