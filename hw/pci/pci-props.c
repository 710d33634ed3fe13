/*
 * Properties that every PCI function has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci.h"

#include "hw/pci/pci-regs.h"
#include "util/error.h"

/* Hexadecimal "SLOT" or "SLOT.FUNCTION", as in "-device …,addr=1c.2". */
static bool parse_addr(const char *text, int32_t *ret_devfn)
{
    char *end;
    unsigned long slot, func = 0;

    if (!g_ascii_isxdigit(*text)) {
        return false;
    }
    slot = strtoul(text, &end, 16);
    if (*end == '.' && g_ascii_isxdigit(end[1])) {
        func = strtoul(end + 1, &end, 16);
    }
    if (*end != '\0' || slot > 31 || func > 7) {
        return false;
    }
    *ret_devfn = slot << 3 | func;
    return true;
}

static bool set_addr(Object *obj, const Property *p, const JsonValue *val,
                     GError **errp)
{
    Device *dev = container_of(obj, Device, obj);
    PciDevice *d = PCI_DEVICE(dev);
    const char *text = json_get_string(val);
    int64_t n;

    if (text != NULL && parse_addr(text, &d->devfn)) {
        d->addr_set = true;
        return true;
    }
    if (json_get_int(val, &n) && n >= -1 && n <= 255) {
        d->addr_set = n >= 0;
        d->devfn = MAX(n, 0);
        return true;
    }
    error_setf(errp, "Property '%s.addr' doesn't take value '%s'",
               obj->type->name, text ? text : "?");
    return false;
}

static JsonValue *get_addr(Object *obj, const Property *p, GError **errp)
{
    Device *dev = container_of(obj, Device, obj);
    PciDevice *d = PCI_DEVICE(dev);

    if (!d->addr_set && !d->dev.realized) {
        return json_string_new("<unset>");
    }
    return json_string_printf("%02x.%x", PCI_SLOT_OF(d->devfn),
                              PCI_FUNC_OF(d->devfn));
}

const Property pci_props[] = {
    { .name = "addr",
      .kind = PROP_CUSTOM,
      .set = set_addr,
      .get = get_addr,
      .type_name = "int32",
      .help = "Slot and optional function number, example: 06.0 or 06" },
    PROP(PROP_STR, PciDevice, romfile, "romfile"),
    PROP(PROP_U32, PciDevice, romsize, "romsize", .def = UINT32_MAX),
    PROP(PROP_U32, PciDevice, rombar, "rombar", .def = 1),
    PROP(PROP_U32, PciDevice, acpi_index, "acpi-index"),
    PROP(PROP_BOOL, PciDevice, multifunction, "multifunction",
         .help = "on/off"),
    PROP_END,
};
