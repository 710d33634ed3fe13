/*
 * Text of -device help and -device NAME,help, in the layout that scripts
 * parse: libguestfs and others grep for `name "NAME"`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-add.h"
#include "hw/core/device-priv.h"
#include "util/error.h"

/* In the order of output; the last takes types without a category. */
static const char *const categories[] = {
    "Controller/Bridge/Hub",
    "USB",
    "Storage",
    "Network",
    "Input",
    "Display",
    "Sound",
    "Misc",
    "CPU",
    "Watchdog",
    "Uncategorized",
};

static unsigned category_index(const DeviceType *t)
{
    unsigned last = G_N_ELEMENTS(categories) - 1;

    for (unsigned i = 0; t->category != NULL && i < last; i++) {
        if (g_str_equal(categories[i], t->category)) {
            return i;
        }
    }
    return last;
}

static gint type_compare(gconstpointer a, gconstpointer b)
{
    const DeviceType *const *ta = a, *const *tb = b;

    return g_ascii_strcasecmp((*ta)->name, (*tb)->name);
}

static void print_type(const DeviceType *t, GString *out)
{
    g_string_append_printf(out, "name \"%s\"", t->name);
    if (t->bus != BUS_NONE) {
        g_string_append_printf(out, ", bus %s", bus_kind_name(t->bus));
    }
    if (t->alias != NULL) {
        g_string_append_printf(out, ", alias \"%s\"", t->alias);
    }
    if (t->desc != NULL) {
        g_string_append_printf(out, ", desc \"%s\"", t->desc);
    }
    g_string_append_c(out, '\n');
}

void device_print_list(GString *out)
{
    g_autoptr(GPtrArray) types = g_ptr_array_new();
    bool first = true;

    for (unsigned i = 0; device_table[i] != NULL; i++) {
        if (device_table[i]->user_creatable) {
            g_ptr_array_add(types, (gpointer)device_table[i]);
        }
    }
    g_ptr_array_sort(types, type_compare);
    for (unsigned c = 0; c < G_N_ELEMENTS(categories); c++) {
        bool titled = false;

        for (unsigned i = 0; i < types->len; i++) {
            const DeviceType *t = g_ptr_array_index(types, i);

            if (category_index(t) != c) {
                continue;
            }
            if (!titled) {
                g_string_append_printf(out, "%s%s devices:\n",
                                       first ? "" : "\n", categories[c]);
                titled = true;
                first = false;
            }
            print_type(t, out);
        }
    }
}

/* Properties */

static const char *prop_type_text(const Property *p)
{
    static const char *const names[] = {
        [PROP_BOOL] = "bool",     [PROP_U8] = "uint8",
        [PROP_U16] = "uint16",    [PROP_U32] = "uint32",
        [PROP_U64] = "uint64",    [PROP_I32] = "int32",
        [PROP_I64] = "int64",     [PROP_SIZE] = "size",
        [PROP_STR] = "str",       [PROP_ENUM] = "enum",
        [PROP_CUSTOM] = "custom", [PROP_ON_OFF_AUTO] = "OnOffAuto",
    };

    return p->type_name != NULL ? p->type_name : names[p->kind];
}

/* NULL if it has none that could be shown. */
static char *prop_default_text(const Property *p)
{
    static const char *const on_off_auto[] = { "auto", "on", "off" };

    switch (p->kind) {
    case PROP_BOOL:
        return g_strdup(p->def != 0 ? "true" : "false");
    case PROP_STR:
        return p->def_str == NULL ? NULL
                                  : g_strdup_printf("\"%s\"", p->def_str);
    case PROP_CUSTOM:
        return g_strdup(p->def_str);
    case PROP_ENUM:
        return g_strdup_printf("\"%s\"", p->names[p->def]);
    case PROP_ON_OFF_AUTO:
        return g_strdup_printf("\"%s\"", on_off_auto[p->def]);
    case PROP_I32:
    case PROP_I64:
        return g_strdup_printf("%" PRId64, p->def);
    default:
        return g_strdup_printf("%" PRIu64, (uint64_t)p->def);
    }
}

static gint prop_compare(gconstpointer a, gconstpointer b)
{
    const Property *const *pa = a, *const *pb = b;

    return strcmp((*pa)->name, (*pb)->name);
}

static void print_prop(const Property *p, GString *out)
{
    g_autofree char *left =
        g_strdup_printf("%s=<%s>", p->name, prop_type_text(p));
    g_autofree char *def = prop_default_text(p);

    if (p->help == NULL && def == NULL) {
        g_string_append_printf(out, "  %s\n", left);
        return;
    }
    g_string_append_printf(out, "  %-22s - %s", left,
                           p->help != NULL ? p->help : "");
    if (def != NULL) {
        g_string_append_printf(out, " (default: %s)", def);
    }
    g_string_append_c(out, '\n');
}

void object_type_print_help(const ObjectType *type, const char *name,
                            GString *out)
{
    g_autoptr(GPtrArray) props = g_ptr_array_new();

    for (const Property *p = type->props; p != NULL && p->name != NULL; p++) {
        if (!p->read_only) {
            g_ptr_array_add(props, (gpointer)p);
        }
    }
    g_ptr_array_sort(props, prop_compare);
    if (props->len == 0) {
        g_string_append_printf(out, "There are no options for %s.\n", name);
        return;
    }
    g_string_append_printf(out, "%s options:\n", name);
    for (unsigned i = 0; i < props->len; i++) {
        print_prop(g_ptr_array_index(props, i), out);
    }
}

bool device_print_help(const char *name, GString *out, GError **errp)
{
    const DeviceType *t = device_type_find(name);

    if (t == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", name);
        return false;
    }
    object_type_print_help(device_object_type(t), name, out);
    return true;
}
