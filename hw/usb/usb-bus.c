/*
 * The USB bus: ports, who is plugged in where, what monitors show of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/usb.h"

#include "hw/usb/usb-devices.h"
#include "util/error.h"

static const char *const speed_names[] = {
    [USB_SPEED_NONE] = "0",     [USB_SPEED_FULL] = "12",
    [USB_SPEED_LOW] = "1.5",    [USB_SPEED_HIGH] = "480",
    [USB_SPEED_SUPER] = "5000",
};

/* Ports */

void usb_port_add(UsbBus *bus, UsbPort *port, const UsbPort *above,
                  unsigned number, unsigned speed_mask, const UsbPortOps *ops,
                  void *opaque)
{
    port->bus = bus;
    port->ops = ops;
    port->opaque = opaque;
    port->index = number - 1;
    port->speed_mask = speed_mask;
    port->path = above != NULL ? g_strdup_printf("%s.%u", above->path, number)
                               : g_strdup_printf("%u", number);
    port->link.data = port;
    g_queue_push_tail_link(&bus->ports, &port->link);
}

void usb_port_del(UsbPort *port)
{
    if (port->bus == NULL) {
        return;
    }
    device_delete(port->taken);
    g_queue_unlink(&port->bus->ports, &port->link);
    g_clear_pointer(&port->path, g_free);
    port->bus = NULL;
}

UsbDevice *usb_device_at(const UsbPort *root, uint32_t route)
{
    UsbDevice *d = root->dev;

    for (unsigned tier = 0; d != NULL && tier < USB_TIERS; tier++) {
        unsigned n = route >> 4 * tier & 0xf;
        const UsbType *type = d->dev.type->usb;
        const UsbPort *port;

        if (n == 0) {
            break;
        }
        port = type->hub_port != NULL ? type->hub_port(d, n) : NULL;
        d = port != NULL ? port->dev : NULL;
    }
    return d;
}

UsbDevice *usb_device_addressed(const UsbPort *root, unsigned addr)
{
    UsbDevice *d = root->dev;
    const UsbType *type;

    if (d == NULL || d->addr == addr) {
        return d;
    }
    type = d->dev.type->usb;
    /* Hubs don't lie deeper than usb-hub.c allows: USB_TIERS. */
    for (unsigned n = 1; type->hub_port != NULL; n++) {
        const UsbPort *port = type->hub_port(d, n);
        UsbDevice *below;

        if (port == NULL) {
            break;
        }
        below = type->hub_port_enabled(d, n) ? usb_device_addressed(port, addr)
                                             : NULL;
        if (below != NULL) {
            return below;
        }
    }
    return NULL;
}

void usb_wakeup(UsbDevice *d, unsigned ep)
{
    if (d->attached) {
        d->port->ops->wakeup(d->port, d, ep);
    }
}

/* Plugging */

static UsbPort *find_port(UsbBus *bus, const char *path)
{
    for (GList *l = bus->ports.head; l != NULL; l = l->next) {
        UsbPort *port = l->data;

        if (port->taken == NULL &&
            (path == NULL || g_str_equal(port->path, path))) {
            return port;
        }
    }
    return NULL;
}

static unsigned count_free(const UsbBus *bus)
{
    unsigned n = 0;

    for (const GList *l = bus->ports.head; l != NULL; l = l->next) {
        n += ((const UsbPort *)l->data)->taken == NULL;
    }
    return n;
}

/* The last free port is for a hub, so that there are more of them. */
static bool make_room(UsbBus *bus, const Device *dev, GError **errp)
{
    if (dev->type == &usb_hub_type || count_free(bus) != 1) {
        return true;
    }
    return device_create(bus->bus.vm, &usb_hub_type, &bus->bus, errp) != NULL;
}

static bool bus_plug(Bus *b, Device *dev, GError **errp)
{
    UsbBus *bus = USB_BUS(b);
    UsbDevice *d = USB_DEVICE(dev);

    if (d->port_path == NULL && !make_room(bus, dev, errp)) {
        return false;
    }
    d->port = find_port(bus, d->port_path);
    if (d->port == NULL && d->port_path != NULL) {
        error_setf(errp, "usb port %s (bus %s) not found (in use?)",
                   d->port_path, b->name);
        return false;
    }
    if (d->port == NULL) {
        error_setf(errp, "bus '%s' has no free port", b->name);
        return false;
    }
    d->port->taken = dev;
    if (d->port_path == NULL) {
        d->port_path = g_strdup(d->port->path);
    }
    return true;
}

static bool bus_realized(Bus *b, Device *dev, GError **errp)
{
    UsbDevice *d = USB_DEVICE(dev);
    unsigned both = d->speed_mask & d->port->speed_mask;

    if (both == 0) {
        error_setf(errp, "port %s of bus '%s' takes no device of its speed",
                   d->port->path, b->name);
        return false;
    }
    for (int s = USB_SPEED_SUPER; s > USB_SPEED_NONE; s--) {
        if (both & 1u << s) {
            d->speed = s;
            break;
        }
    }
    d->state = USB_STATE_ATTACH;
    d->attached = true;
    d->port->dev = d;
    d->port->ops->attached(d->port);
    return true;
}

static void bus_unplug(Bus *b, Device *dev)
{
    UsbDevice *d = USB_DEVICE(dev);

    if (d->attached) {
        d->attached = false;
        d->port->dev = NULL;
        d->port->ops->forget(d->port, d);
        d->port->ops->detached(d->port);
    }
    d->port->taken = NULL;
    d->port = NULL;
}

/* "0000:00:02.0/1.2": the controller, then the port. */
static char *bus_dev_path(Bus *b, Device *dev)
{
    Bus *above = b->owner->parent_bus;
    g_autofree char *owner = NULL;

    if (above != NULL && above->dev_path != NULL) {
        owner = above->dev_path(above, b->owner);
    }
    return owner != NULL
               ? g_strdup_printf("%s/%s", owner, USB_DEVICE(dev)->port->path)
               : g_strdup(USB_DEVICE(dev)->port->path);
}

static void bus_print_dev(Bus *b, Device *dev, GString *out, int indent)
{
    const UsbDevice *d = USB_DEVICE(dev);

    g_string_append_printf(out, "%*saddr %u.%u, port %s, speed %s, name %s%s\n",
                           indent, "", USB_BUS(b)->number, d->addr,
                           d->port->path, speed_names[d->speed],
                           dev->type->usb->product,
                           d->attached ? ", attached" : "");
}

static bool count_bus(Bus *bus, void *opaque)
{
    *(unsigned *)opaque += bus->kind == BUS_USB;
    return false;
}

void usb_bus_init(UsbBus *bus, Device *owner)
{
    Bus *b = &bus->bus;

    bus_foreach(owner->vm, count_bus, &bus->number);
    bus_init(b, BUS_USB, bus_kind_name(BUS_USB), NULL, owner, owner->vm);
    b->hotplug = true;
    b->plug = bus_plug;
    b->realized = bus_realized;
    b->unplug = bus_unplug;
    b->dev_path = bus_dev_path;
    b->print_dev = bus_print_dev;
}

/* Devices */

static JsonValue *get_attached(Object *obj, const Property *p, GError **errp)
{
    Device *dev = OBJECT_CAST(Device, obj);

    return json_bool_new(USB_DEVICE(dev)->attached);
}

const Property usb_props[] = {
    PROP(PROP_STR, UsbDevice, port_path, "port"),
    PROP(PROP_STR, UsbDevice, serial, "serial"),
    PROP(PROP_BOOL, UsbDevice, msos_desc, "msos-desc", .def = true,
         .help = "on/off"),
    PROP(PROP_STR, UsbDevice, pcap, "pcap"),
    { .name = "attached",
      .kind = PROP_CUSTOM,
      .type_name = "bool",
      .read_only = true,
      .get = get_attached },
    PROP_END,
};

bool usb_device_init(UsbDevice *d, unsigned speed_mask, GError **errp)
{
    if (d->pcap != NULL) {
        error_setf(errp, "pcap=%s: not in this version", d->pcap);
        return false;
    }
    d->speed_mask = speed_mask;
    return true;
}

static bool print_bus(Bus *b, void *opaque)
{
    GString *out = opaque;

    if (b->kind != BUS_USB) {
        return false;
    }
    for (const GList *l = b->devices.head; l != NULL; l = l->next) {
        Device *dev = l->data;
        const UsbDevice *d = USB_DEVICE(dev);

        if (d->attached) {
            g_string_append_printf(
                out, "  Device %u.%u, Port %s, Speed %s Mb/s, Product %s%s%s\n",
                USB_BUS(b)->number, d->addr, d->port->path,
                speed_names[d->speed], dev->type->usb->product,
                dev->id != NULL ? ", ID: " : "",
                dev->id != NULL ? dev->id : "");
        }
    }
    return false;
}

bool usb_print_info(struct Vm *vm, GString *out)
{
    unsigned buses = 0;

    bus_foreach(vm, print_bus, out);
    bus_foreach(vm, count_bus, &buses);
    return buses > 0;
}
