/*
 * Interrupt pins as a qtest sees them.
 *
 * An intercepted pin still works: the wire is led through a tap, which tells
 * the test of changes and passes everything on.  An input's handler is
 * swapped in place, as senders hold its address; an output is led elsewhere.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/qtest-pins.h"

#include "hw/core/device-priv.h"
#include "util/error.h"

typedef struct PinTap {
    QtestServer *qs;
    IrqInput *in;       /* tapped input; NULL: an output */
    IrqLine *out;       /* tapped output; NULL: an input */
    IrqInput was;       /* what the input was */
    const IrqInput *to; /* where the output led; may be NULL */
    IrqInput tap;       /* what the output leads to now */
    unsigned n;         /* number that the test is told */
    bool level;
} PinTap;

typedef struct PinTaps {
    Device *dev;
    bool outputs;
    GPtrArray *taps;
} PinTaps;

static void tap_irq(void *opaque, unsigned n, bool level)
{
    PinTap *t = opaque;

    if (t->in != NULL) {
        t->was.fn(t->was.opaque, t->was.n, level);
    } else if (t->to != NULL) {
        t->to->fn(t->to->opaque, t->to->n, level);
    }
    if (t->level != level) {
        t->level = level;
        qtest_server_irq(t->qs, t->n, level);
    }
}

static Device *pins_device(QtestServer *qs, const char *path, GError **errp)
{
    bool ambiguous = false;
    Device *dev = device_from_object(
        object_resolve(qtest_server_vm(qs)->root, path, &ambiguous));

    if (dev == NULL) {
        error_setf(errp, "Unknown device");
    }
    return dev;
}

static void pins_tap_inputs(QtestServer *qs, PinTaps *all)
{
    for (unsigned i = 0; i < all->dev->inputs->len; i++) {
        PinTap *t = g_new0(PinTap, 1);

        t->qs = qs;
        t->n = i;
        t->in = g_ptr_array_index(all->dev->inputs, i);
        t->was = *t->in;
        *t->in = (IrqInput){ tap_irq, t, i };
        g_ptr_array_add(all->taps, t);
    }
}

static void pins_tap_outputs(QtestServer *qs, PinTaps *all, const char *name)
{
    unsigned n = 0;

    for (unsigned i = 0; i < all->dev->outputs->len; i++) {
        DeviceOutput *o = &g_array_index(all->dev->outputs, DeviceOutput, i);
        PinTap *t;

        if (name != NULL && !g_str_equal(o->name, name)) {
            continue;
        }
        t = g_new0(PinTap, 1);
        t->qs = qs;
        t->n = n++;
        t->out = o->line;
        t->to = o->line->to;
        t->level = o->line->level;
        t->tap = (IrqInput){ tap_irq, t, t->n };
        o->line->to = &t->tap;
        g_ptr_array_add(all->taps, t);
    }
}

static void pins_release(QtestServer *qs)
{
    PinTaps *all = qtest_server_pin_data(qs);

    if (all == NULL) {
        return;
    }
    for (unsigned i = 0; i < all->taps->len; i++) {
        PinTap *t = g_ptr_array_index(all->taps, i);

        if (t->in != NULL) {
            *t->in = t->was;
        } else {
            t->out->to = t->to;
        }
    }
    g_ptr_array_free(all->taps, TRUE);
    object_unref(&all->dev->obj);
    g_free(all);
    qtest_server_set_pin_data(qs, NULL);
}

static bool pins_intercept(QtestServer *qs, const char *path, bool outputs,
                           const char *name, GError **errp)
{
    PinTaps *all = qtest_server_pin_data(qs);
    Device *dev = pins_device(qs, path, errp);

    if (dev == NULL) {
        return false;
    }
    if (all != NULL) {
        if (all->dev == dev && all->outputs == outputs) {
            return true;
        }
        error_setf(errp, "IRQ intercept already enabled");
        return false;
    }
    all = g_new0(PinTaps, 1);
    all->dev = dev;
    object_ref(&dev->obj);
    all->outputs = outputs;
    all->taps = g_ptr_array_new_with_free_func(g_free);
    if (outputs) {
        pins_tap_outputs(qs, all, name);
    } else {
        pins_tap_inputs(qs, all);
    }
    qtest_server_set_pin_data(qs, all);
    return true;
}

static bool pins_set_input(QtestServer *qs, const char *path, const char *name,
                           unsigned n, int level, GError **errp)
{
    Device *dev = pins_device(qs, path, errp);
    IrqInput *in;

    if (dev == NULL) {
        return false;
    }
    in = g_str_equal(name, "unnamed-gpio-in") ? irq_in(dev, n) : NULL;
    if (in == NULL) {
        error_setf(errp, "Unknown IRQ");
        return false;
    }
    in->fn(in->opaque, in->n, level != 0);
    if (level < 0) {
        in->fn(in->opaque, in->n, false);
    }
    return true;
}

const QtestPins device_qtest_pins = {
    .intercept = pins_intercept,
    .set_input = pins_set_input,
    .release = pins_release,
};
