/*
 * Human monitor: interrupt controllers and mice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "hw/core/device.h"
#include "hw/core/machine.h"

static void print_by(HmpOut *out, void (*print)(Machine *m, GString *out))
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (print != NULL) {
        print(out->vm->machine, text);
        hmp_printf(out, "%s", text->str);
    }
}

void hmp_info_pic(HmpOut *out, const HmpArgs *a)
{
    print_by(out, out->vm->machine->type->print_pics);
}

void hmp_info_irq(HmpOut *out, const HmpArgs *a)
{
    print_by(out, out->vm->machine->type->print_irq_counts);
}

/* Numbers are those of all sources of input; the keyboard comes first. */
static void add_mouse(HmpOut *out, const Object *obj, unsigned *number)
{
    if (g_str_equal(obj->type->name, "ps2-kbd")) {
        ++*number;
    } else if (g_str_equal(obj->type->name, "ps2-mouse")) {
        hmp_printf(out, "* Mouse #%u: QEMU PS/2 Mouse\n", ++*number);
    }
    for (unsigned i = 0; obj->children != NULL && i < obj->children->len; i++) {
        add_mouse(out, g_ptr_array_index(obj->children, i), number);
    }
}

void hmp_info_mice(HmpOut *out, const HmpArgs *a)
{
    unsigned number = 0;
    size_t before = out->text->len;

    add_mouse(out, out->vm->root, &number);
    if (out->text->len == before) {
        hmp_printf(out, "No mouse devices connected\n");
    }
}
