/*
 * The order of boot devices, and their Open Firmware paths.
 *
 * Paths: IEEE 1275 (Open Firmware), with the node names that firmware for
 * these machines looks for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/boot-order.h"

#include "util/error.h"

typedef struct BootEntry {
    Device *dev; /* NULL: the machine's own */
    int32_t index;
    char *suffix; /* may be NULL */
} BootEntry;

static void boot_entry_free(gpointer p)
{
    BootEntry *e = p;

    g_free(e->suffix);
    g_free(e);
}

static void boot_order_drop(Machine *m, const Device *dev)
{
    for (unsigned i = 0; m->boot_entries && i < m->boot_entries->len; i++) {
        const BootEntry *e = g_ptr_array_index(m->boot_entries, i);

        if (e->dev == dev) {
            g_ptr_array_remove_index(m->boot_entries, i);
            return;
        }
    }
}

/* The place where `index` belongs; *ret_used: somebody else has it. */
static unsigned boot_order_place(const Machine *m, const Device *dev,
                                 int32_t index, bool *ret_used)
{
    unsigned i;

    *ret_used = false;
    for (i = 0; m->boot_entries && i < m->boot_entries->len; i++) {
        const BootEntry *e = g_ptr_array_index(m->boot_entries, i);

        if (e->index >= index) {
            *ret_used = e->index == index && (e->dev == NULL || e->dev != dev);
            break;
        }
    }
    return i;
}

bool boot_order_set(Machine *m, Device *dev, int32_t index, const char *suffix,
                    GError **errp)
{
    BootEntry *e;
    bool used;

    if (m == NULL) {
        return true;
    }
    boot_order_place(m, dev, index, &used);
    if (index >= 0 && used) {
        error_setf(errp, "The bootindex %" PRId32 " has already been used",
                   index);
        return false;
    }
    if (dev != NULL) {
        boot_order_drop(m, dev);
    }
    if (index < 0) {
        return true;
    }
    if (m->boot_entries == NULL) {
        m->boot_entries = g_ptr_array_new_with_free_func(boot_entry_free);
    }
    e = g_new0(BootEntry, 1);
    e->dev = dev;
    e->index = index;
    e->suffix = g_strdup(suffix);
    g_ptr_array_insert(m->boot_entries, boot_order_place(m, dev, index, &used),
                       e);
    return true;
}

void boot_order_remove(Machine *m, const Device *dev)
{
    if (m != NULL && dev != NULL) {
        boot_order_drop(m, dev);
    }
}

char *device_firmware_path(Device *dev)
{
    GString *path = g_string_new(NULL);

    for (; dev != NULL; dev = dev->parent_bus->owner) {
        Bus *bus = dev->parent_bus;
        g_autofree char *node = NULL;

        if (bus == NULL) {
            break;
        }
        if (bus->firmware_node != NULL) {
            node = bus->firmware_node(bus, dev);
        } else if (dev->type->firmware_node != NULL) {
            node = g_strdup(dev->type->firmware_node);
        }
        if (node != NULL) {
            g_string_prepend(path, node);
            g_string_prepend_c(path, '/');
        }
    }
    return g_string_free(path, FALSE);
}

char *boot_order_text(const Machine *m, bool strict, size_t *ret_len)
{
    GString *text = g_string_new(NULL);

    *ret_len = 0;
    for (unsigned i = 0; m->boot_entries && i < m->boot_entries->len; i++) {
        const BootEntry *e = g_ptr_array_index(m->boot_entries, i);
        g_autofree char *path = device_firmware_path(e->dev);

        g_string_append_printf(text, "%s%s%s", i > 0 ? "\n" : "", path,
                               e->suffix != NULL ? e->suffix : "");
    }
    if (text->len == 0) {
        g_string_free(text, TRUE);
        return NULL;
    }
    if (strict) {
        g_string_append(text, "\nHALT");
    }
    *ret_len = text->len + 1;
    return g_string_free(text, FALSE);
}
