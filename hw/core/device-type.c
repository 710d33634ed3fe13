/*
 * Device types by name, and as QOM sees them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-priv.h"
#include "hw/pci/pci.h"
#include "hw/usb/usb.h"
#include "qom/type-cache.h"

const DeviceType *device_type_find(const char *name)
{
    for (unsigned i = 0; device_table[i] != NULL; i++) {
        const DeviceType *t = device_table[i];

        if (g_str_equal(t->name, name) ||
            (t->alias != NULL && g_str_equal(t->alias, name))) {
            return t;
        }
    }
    return NULL;
}

const char *bus_kind_name(BusKind kind)
{
    static const char *const names[] = {
        [BUS_NONE] = "none",
        [BUS_SYSTEM] = "System",
        [BUS_ISA] = "ISA",
        [BUS_PCI] = "PCI",
        [BUS_IDE] = "IDE",
        [BUS_I2C] = "i2c-bus",
        [BUS_VIRTIO_SERIAL] = "virtio-serial-bus",
        [BUS_SCSI] = "SCSI",
        [BUS_USB] = "usb-bus",
    };

    return names[kind];
}

/* The abstract type that the devices of a bus have in common. */
static const char *bus_kind_parent(BusKind kind)
{
    static const char *const names[] = {
        [BUS_NONE] = "device",
        [BUS_SYSTEM] = "sys-bus-device",
        [BUS_ISA] = "isa-device",
        [BUS_PCI] = "pci-device",
        [BUS_IDE] = "ide-device",
        [BUS_I2C] = "i2c-slave-generic",
        [BUS_VIRTIO_SERIAL] = "virtio-serial-port",
        [BUS_SCSI] = "scsi-device",
        [BUS_USB] = "usb-device",
    };

    return names[kind];
}

static const char *device_type_parent(const DeviceType *type)
{
    return type->parent != NULL ? type->parent : bus_kind_parent(type->bus);
}

bool device_type_is_a(const DeviceType *type, const char *name)
{
    return g_str_equal(bus_kind_parent(type->bus), name) ||
           object_type_is_a(device_object_type(type), name);
}

static unsigned prop_count(const Property *props)
{
    unsigned n = 0;

    while (props != NULL && props[n].name != NULL) {
        n++;
    }
    return n;
}

static void append_props(GArray *all, const Property *props)
{
    unsigned n = prop_count(props);

    if (n > 0) {
        g_array_append_vals(all, props, n);
    }
}

/* The type's own, those it shares, those of its bus, those of any device. */
static const Property *device_merge_props(const DeviceType *type)
{
    GArray *all = g_array_new(TRUE, TRUE, sizeof(Property));

    append_props(all, type->props);
    for (unsigned i = 0;
         type->more_props != NULL && type->more_props[i] != NULL; i++) {
        append_props(all, type->more_props[i]);
    }
    append_props(all, type->bus == BUS_PCI ? pci_props : NULL);
    append_props(all, type->bus == BUS_USB ? usb_props : NULL);
    append_props(all, device_props);
    return (const Property *)(void *)g_array_free(all, FALSE);
}

static ObjectType *device_make_object_type(const void *key)
{
    const DeviceType *type = key;
    ObjectType *ot = g_new0(ObjectType, 1);

    ot->name = type->name;
    ot->parent = device_type_parent(type);
    ot->size = type->size;
    ot->props = device_merge_props(type);
    ot->init = device_object_init;
    ot->fini = device_object_fini;
    return ot;
}

const ObjectType *device_object_type(const DeviceType *type)
{
    return object_type_cached(type, device_make_object_type);
}

Device *device_from_object(Object *obj)
{
    if (obj == NULL || obj->type->fini != device_object_fini) {
        return NULL;
    }
    return OBJECT_CAST(Device, obj);
}

/* Abstract types of the tree of types, which have names and parents only. */
static const ObjectType abstract_types[] = {
    { .name = "object", .abstract = true, .size = sizeof(Object) },
    { .name = "device",
      .parent = "object",
      .abstract = true,
      .size = sizeof(Device) },
    { .name = "pci-device",
      .parent = "device",
      .abstract = true,
      .size = sizeof(PciDevice),
      .props = pci_props },
#define ABSTRACT(name_, parent_)                            \
    {                                                       \
        .name = name_, .parent = parent_, .abstract = true, \
        .size = sizeof(Device)                              \
    }
    ABSTRACT("sys-bus-device", "device"),
    ABSTRACT("isa-device", "device"),
    ABSTRACT("ide-device", "device"),
    ABSTRACT("scsi-device", "device"),
    ABSTRACT("scsi-disk-base", "scsi-device"),
    { .name = "usb-device",
      .parent = "device",
      .abstract = true,
      .size = sizeof(UsbDevice),
      .props = usb_props },
    ABSTRACT("virtio-serial-port", "device"),
    ABSTRACT("apic-common", "device"),
    ABSTRACT("ioapic-common", "sys-bus-device"),
    /* No abstract one, and nobody's to make. */
    { .name = "acpi-ged", .parent = "sys-bus-device", .size = sizeof(Device) },
    ABSTRACT("fw_cfg", "sys-bus-device"),
    ABSTRACT("pci-host-bridge", "sys-bus-device"),
    ABSTRACT("pcie-host-bridge", "pci-host-bridge"),
    ABSTRACT("ps2-device", "sys-bus-device"),
    ABSTRACT("pic-common", "isa-device"),
    ABSTRACT("pit-common", "isa-device"),
    ABSTRACT("base-pci-bridge", "pci-device"),
    ABSTRACT("pcie-port", "base-pci-bridge"),
    ABSTRACT("pcie-slot", "pcie-port"),
    ABSTRACT("pcie-root-port-base", "pcie-slot"),
    ABSTRACT("e1000-base", "pci-device"),
    ABSTRACT("ivshmem-common", "pci-device"),
    ABSTRACT("pci-ide", "pci-device"),
    ABSTRACT("pci-piix3", "pci-device"),
    ABSTRACT("pci-uhci-usb", "pci-device"),
    ABSTRACT("pci-vga", "pci-device"),
    ABSTRACT("pci-xhci", "pci-device"),
    ABSTRACT("usb-hid", "usb-device"),
    ABSTRACT("virtio-pci", "pci-device"),
    ABSTRACT("virtio-blk-pci-base", "virtio-pci"),
    ABSTRACT("virtio-net-pci-base", "virtio-pci"),
    ABSTRACT("virtio-balloon-pci-base", "virtio-pci"),
    ABSTRACT("virtio-rng-pci-base", "virtio-pci"),
    ABSTRACT("virtio-scsi-pci-base", "virtio-pci"),
    ABSTRACT("virtio-serial-pci-base", "virtio-pci"),
    ABSTRACT("virtio-gpu-pci-base", "virtio-pci"),
    ABSTRACT("virtio-gpu-pci-base-type", "virtio-gpu-pci-base"),
    ABSTRACT("virtio-input-pci", "virtio-pci"),
    ABSTRACT("virtio-input-hid-pci", "virtio-input-pci"),
    ABSTRACT("virtio-keyboard-pci-base-type", "virtio-input-hid-pci"),
    ABSTRACT("virtio-mouse-pci-base-type", "virtio-input-hid-pci"),
    ABSTRACT("virtio-tablet-pci-base-type", "virtio-input-hid-pci"),
    ABSTRACT("virtio-vga-base", "virtio-pci"),
    ABSTRACT("virtio-vga-base-type", "virtio-vga-base"),
#undef ABSTRACT
};

const ObjectType *const *device_object_types(void)
{
    static const ObjectType *const *table; /* once */

    if (g_once_init_enter(&table)) {
        GPtrArray *all = g_ptr_array_new();

        for (unsigned i = 0; i < G_N_ELEMENTS(abstract_types); i++) {
            g_ptr_array_add(all, (gpointer)&abstract_types[i]);
        }
        for (unsigned i = 0; device_table[i] != NULL; i++) {
            g_ptr_array_add(all, (gpointer)device_object_type(device_table[i]));
        }
        g_ptr_array_add(all, NULL);
        g_once_init_leave(&table, (const ObjectType *const *)(void *)
                                      g_ptr_array_free(all, FALSE));
    }
    return table;
}
