/*
 * Parts of the DSDT: PCI functions, and slots behind bridges that take
 * functions at run time.
 *
 * ACPI specification 6.4, chapters 6.1.1 (_ADR) and 6.3 (_EJ0).  Names and
 * BSEL, by which the hot-plug registers know a bus, are those that guests of
 * the machine types see.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

enum {
    EVENT_CHECK = 1, /* Notify: look for something new */
    EVENT_EJECT = 3, /* it is asked to go */
};

/* What all of them need. */
typedef struct SlotTables {
    Aml *a;
    const AcpiConfig *c;
    uint8_t isa_devfn; /* on the root bus */
    void (*isa)(Aml *a, const AcpiConfig *c);
} SlotTables;

static void put_address(Aml *a, unsigned devfn)
{
    aml_name_int(a, "_ADR", (uint64_t)(devfn >> 3) << 16 | (devfn & 7));
}

static size_t begin_function(Aml *a, unsigned devfn)
{
    char name[5];
    size_t dev;

    g_snprintf(name, sizeof(name), "S%02X", devfn);
    dev = aml_begin_device(a, name);
    put_address(a, devfn);
    return dev;
}

/* Does it, or one behind it, have slots that hear of events? */
static bool has_events(const AcpiPciFunction *f)
{
    bool any = f->bsel >= 0;

    for (unsigned i = 0; i < f->nbelow; i++) {
        any = any || has_events(&f->below[i]);
    }
    return any;
}

static const AcpiPciFunction *in_slot(const AcpiPciFunction *bridge,
                                      unsigned slot)
{
    for (unsigned i = 0; i < bridge->nbelow; i++) {
        if (bridge->below[i].devfn == slot << 3) {
            return &bridge->below[i];
        }
    }
    return NULL;
}

/* Function 0 says it for its slot. */
static bool is_ejectable(const AcpiPciFunction *bridge, unsigned slot)
{
    const AcpiPciFunction *f = in_slot(bridge, slot);

    return f == NULL || !f->fixed;
}

/* PCNT: the bus's own slots, then those of buses behind it. */
static void put_count_method(Aml *a, const AcpiPciFunction *bridge)
{
    size_t m = aml_begin_method(a, "PCNT", 0, false);
    char path[12];

    if (bridge->bsel >= 0) {
        aml_op(a, AML_STORE);
        aml_int(a, bridge->bsel);
        aml_path(a, "BNUM");
        aml_path(a, "DVNT");
        aml_path(a, "PCIU");
        aml_int(a, EVENT_CHECK);
        aml_path(a, "DVNT");
        aml_path(a, "PCID");
        aml_int(a, EVENT_EJECT);
    }
    for (unsigned i = 0; i < bridge->nbelow; i++) {
        if (has_events(&bridge->below[i])) {
            g_snprintf(path, sizeof(path), "^S%02X.PCNT",
                       bridge->below[i].devfn);
            aml_path(a, path);
        }
    }
    aml_end(a, m);
}

/* DVNT (slots, event): tells each slot whose bit is set. */
static void put_notify_method(Aml *a, const AcpiPciFunction *bridge)
{
    size_t m = aml_begin_method(a, "DVNT", 2, false), cond;
    char name[5];

    for (unsigned slot = 0; slot < bridge->nslots; slot++) {
        if (!is_ejectable(bridge, slot)) {
            continue;
        }
        g_snprintf(name, sizeof(name), "S%02X", slot << 3);
        cond = aml_begin(a, AML_IF);
        aml_op(a, AML_AND);
        aml_arg(a, 0);
        aml_int(a, UINT32_C(1) << slot);
        aml_op(a, AML_NULL_TARGET);
        aml_op(a, AML_NOTIFY);
        aml_path(a, name);
        aml_arg(a, 1);
        aml_end(a, cond);
    }
    aml_end(a, m);
}

static void put_bus(const SlotTables *t, const AcpiPciFunction *bridge);

/* What there is in the scope of a function. */
static void put_inside(const SlotTables *t, const AcpiPciFunction *bridge,
                       const AcpiPciFunction *f)
{
    if (bridge == &t->c->root && f->devfn == t->isa_devfn) {
        t->isa(t->a, t->c);
    }
    put_bus(t, f);
}

static void put_slot(const SlotTables *t, const AcpiPciFunction *bridge,
                     unsigned slot)
{
    const AcpiPciFunction *f = in_slot(bridge, slot);
    size_t dev = begin_function(t->a, slot << 3), m;

    dsdt_put_slot_dsm(t->a, slot);
    if (is_ejectable(bridge, slot)) {
        aml_name_int(t->a, "_SUN", slot);
        m = aml_begin_method(t->a, "_EJ0", 1, false);
        aml_path(t->a, "PCEJ");
        aml_path(t->a, "BSEL");
        aml_path(t->a, "_SUN");
        aml_end(t->a, m);
    }
    if (f != NULL) {
        put_inside(t, bridge, f);
    }
    aml_end(t->a, dev);
}

/*
 * Function 0 stands for its slot's cards.  Of the others, where slots are
 * empty or not (those have BSEL), only bridges with something to tell are
 * there; elsewhere those that stay.
 */
static bool has_device(const AcpiPciFunction *bridge, const AcpiPciFunction *f)
{
    if ((f->devfn & 7) == 0) {
        return bridge->bsel < 0;
    }
    return bridge->bsel < 0 ? f->fixed : has_events(f);
}

/* What is behind a bridge, in its scope. */
static void put_bus(const SlotTables *t, const AcpiPciFunction *bridge)
{
    if (bridge->bsel >= 0) {
        aml_name_int(t->a, "BSEL", bridge->bsel);
        for (unsigned slot = 0; slot < bridge->nslots; slot++) {
            put_slot(t, bridge, slot);
        }
    }
    for (unsigned i = 0; i < bridge->nbelow; i++) {
        const AcpiPciFunction *f = &bridge->below[i];
        size_t dev;

        if (!has_device(bridge, f)) {
            continue;
        }
        dev = begin_function(t->a, f->devfn);
        if (bridge->bsel >= 0) {
            dsdt_put_slot_dsm(t->a, f->devfn >> 3);
        }
        put_inside(t, bridge, f);
        aml_end(t->a, dev);
    }
    if (bridge->bsel >= 0) {
        put_notify_method(t->a, bridge);
    }
    /* Events call the root's PCNT, even if nothing can come or go. */
    if (has_events(bridge) ||
        (bridge == &t->c->root && t->c->pcihp_base != 0)) {
        put_count_method(t->a, bridge);
    }
}

void dsdt_put_functions(Aml *a, const AcpiConfig *c, uint8_t isa_devfn,
                        void (*isa)(Aml *a, const AcpiConfig *c))
{
    const SlotTables t = { a, c, isa_devfn, isa };

    put_bus(&t, &c->root);
}
