/*
 * Human monitor: interrupt controllers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

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
