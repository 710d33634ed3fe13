/*
 * `info qtree`: the devices by bus, with their properties.
 *
 * The layout is that of the program users know (two spaces per level, newest
 * device first), as tools and people search it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-priv.h"
#include "hw/core/machine.h"
#include "util/cutils.h"

static void qtree_line(GString *out, int indent, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

static void qtree_line(GString *out, int indent, const char *fmt, ...)
{
    va_list ap;

    g_string_append_printf(out, "%*s", indent, "");
    va_start(ap, fmt);
    g_string_append_vprintf(out, fmt, ap);
    va_end(ap);
    g_string_append_c(out, '\n');
}

/* Numbers in both bases, sizes with a unit, text quoted. */
static char *qtree_value(const Property *p, const JsonValue *v)
{
    uint64_t u = 0;
    int64_t i = 0;
    bool b = false;

    if (json_get_bool(v, &b)) {
        return g_strdup(b ? "true" : "false");
    }
    if (p->kind == PROP_SIZE && json_get_uint(v, &u)) {
        g_autofree char *size = size_to_str(u);

        return g_strdup_printf("%" PRIu64 " (%s)", u, size);
    }
    if (json_get_uint(v, &u)) {
        return g_strdup_printf("%" PRIu64 " (0x%" PRIx64 ")", u, u);
    }
    if (json_get_int(v, &i)) {
        return g_strdup_printf("%" PRId64 " (0x%" PRIx64 ")", i, (uint64_t)i);
    }
    if (json_type(v) == JSON_STRING) {
        return g_strdup_printf("\"%s\"", json_get_string(v));
    }
    return json_type(v) == JSON_NULL ? g_strdup("\"\"")
                                     : json_to_string(v, false);
}

static void qtree_print_prop(Device *dev, const Property *p, GString *out,
                             int indent)
{
    g_autoptr(JsonValue) v = object_prop_get(&dev->obj, p->name, NULL);
    g_autofree char *text = NULL;
    int64_t devfn = 0;

    if (v == NULL) {
        return;
    }
    /* The slot of a PCI function is shown as it is given. */
    if (dev->type->bus == BUS_PCI && g_str_equal(p->name, "addr") &&
        json_get_int(v, &devfn) && devfn >= 0) {
        qtree_line(out, indent, "addr = %02x.%x", (unsigned)devfn >> 3,
                   (unsigned)devfn & 7);
        return;
    }
    text = qtree_value(p, v);
    qtree_line(out, indent, "%s = %s", p->name, text);
}

static bool prop_is_common(const Property *p)
{
    for (const Property *c = device_props; c->name != NULL; c++) {
        if (g_str_equal(c->name, p->name)) {
            return true;
        }
    }
    return false;
}

static void qtree_print_pins(Device *dev, GString *out, int indent)
{
    unsigned n;

    if (dev->inputs->len > 0) {
        qtree_line(out, indent, "gpio-in \"\" %u", dev->inputs->len);
    }
    /* Neighbours of one name are one group. */
    for (unsigned i = 0; i < dev->outputs->len; i += n) {
        const char *name = g_array_index(dev->outputs, DeviceOutput, i).name;

        n = 1;
        while (
            i + n < dev->outputs->len &&
            g_str_equal(g_array_index(dev->outputs, DeviceOutput, i + n).name,
                        name)) {
            n++;
        }
        qtree_line(out, indent, "gpio-out \"%s\" %u", name, n);
    }
}

/* Where a region is in the memory space; all ones: not mapped. */
static uint64_t region_address(const MemoryRegion *mr)
{
    uint64_t addr = 0;

    if (mr->parent == NULL) {
        return UINT64_MAX;
    }
    for (; mr->parent != NULL; mr = mr->parent) {
        addr += mr->addr;
    }
    return addr;
}

static bool region_is_mmio(const Device *dev, const MemoryRegion *mr)
{
    while (mr->parent != NULL) {
        mr = mr->parent;
    }
    return mr != &dev->vm->mem.io_root;
}

static void qtree_print_mmio(Device *dev, GString *out, int indent)
{
    for (unsigned i = 0; i < dev->regions->len; i++) {
        const MemoryRegion *mr = g_ptr_array_index(dev->regions, i);

        if (region_is_mmio(dev, mr)) {
            qtree_line(out, indent, "mmio %016" PRIx64 "/%016" PRIx64,
                       region_address(mr), mr->size);
        }
    }
}

static void qtree_print_bus(Bus *bus, GString *out, int indent);

static void qtree_print_dev(Device *dev, GString *out, int indent)
{
    Bus *bus = dev->parent_bus;

    qtree_line(out, indent, "dev: %s, id \"%s\"", dev->type->name,
               dev->id != NULL ? dev->id : "");
    indent += 2;
    qtree_print_pins(dev, out, indent);
    for (const Property *p = dev->obj.type->props; p->name != NULL; p++) {
        if (!prop_is_common(p) && !p->read_only) {
            qtree_print_prop(dev, p, out, indent);
        }
    }
    if (bus->print_dev != NULL) {
        bus->print_dev(bus, dev, out, indent);
    } else if (bus->kind == BUS_SYSTEM) {
        qtree_print_mmio(dev, out, indent);
    }
    for (GList *b = dev->child_buses.tail; b != NULL; b = b->prev) {
        qtree_print_bus(b->data, out, indent);
    }
}

static void qtree_print_bus(Bus *bus, GString *out, int indent)
{
    qtree_line(out, indent, "bus: %s", bus->name);
    indent += 2;
    qtree_line(out, indent, "type %s", bus->type_name);
    for (GList *d = bus->devices.tail; d != NULL; d = d->prev) {
        qtree_print_dev(d->data, out, indent);
    }
}

void device_print_tree(Vm *vm, GString *out)
{
    if (vm->machine != NULL) {
        qtree_print_bus(&vm->machine->sysbus, out, 0);
    }
}
