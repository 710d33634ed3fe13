/*
 * What network cards share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/nic.h"

#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "hw/pci/pci.h"
#include "qom/known-types.h"
#include "system/vm.h"
#include "util/error.h"

/* ---------------------------------------------------------- properties --- */

static void *prop_field(Object *obj, const Property *p)
{
    return (char *)obj + p->offset;
}

static const char *type_name(Object *obj)
{
    return obj->type->name;
}

bool nic_prop_set_mac(Object *obj, const Property *p, const JsonValue *val,
                      GError **errp)
{
    const char *text = json_get_string(val);

    if (text == NULL || !net_mac_parse(text, prop_field(obj, p))) {
        error_setf(errp, "Property '%s.mac' doesn't take value '%s'",
                   type_name(obj), text != NULL ? text : json_type_name(val));
        return false;
    }
    return true;
}

JsonValue *nic_prop_get_mac(Object *obj, const Property *p, GError **errp)
{
    const NetMac *mac = prop_field(obj, p);
    g_autofree char *text = g_strdup_printf(NET_MAC_FMT, NET_MAC_ARGS(*mac));

    return json_string_new(text);
}

bool nic_prop_set_netdev(Object *obj, const Property *p, const JsonValue *val,
                         GError **errp)
{
    Device *dev = device_from_object(obj);
    const char *text = json_get_string(val);
    NetPort *port = text != NULL && dev->vm->networks != NULL
                        ? net_port_find(dev->vm->networks, text)
                        : NULL;

    if (port == NULL || port->ops->is_nic) {
        error_setf(errp, "Property '%s.netdev' can't find value '%s'",
                   type_name(obj), text != NULL ? text : json_type_name(val));
        return false;
    }
    if (port->unready) {
        error_setf(errp,
                   "Property '%s.netdev' can't take value '%s', its back end "
                   "has not answered yet",
                   type_name(obj), text);
        return false;
    }
    if (port->peer != NULL) {
        error_setf(errp,
                   "Property '%s.netdev' can't take value '%s', it's in use",
                   type_name(obj), text);
        return false;
    }
    *(NetPort **)prop_field(obj, p) = port;
    return true;
}

/* As it is now: a back end can be deleted. */
JsonValue *nic_prop_get_netdev(Object *obj, const Property *p, GError **errp)
{
    const Nic *nic =
        (const Nic *)((char *)prop_field(obj, p) - offsetof(Nic, netdev));
    const NetPort *peer = nic->port.nets != NULL ? nic->port.peer : nic->netdev;

    return json_string_new(peer != NULL ? peer->name : "");
}

/* Of the card's node, the part that firmware boots from. */
static bool nic_set_boot_order(const Nic *nic, Device *dev, GError **errp)
{
    return boot_order_set(dev->machine, dev, nic->bootindex, "/ethernet-phy@0",
                          errp);
}

bool nic_prop_set_bootindex(Object *obj, const Property *p,
                            const JsonValue *val, GError **errp)
{
    Device *dev = device_from_object(obj);
    Nic *nic = (Nic *)((char *)prop_field(obj, p) - offsetof(Nic, bootindex));
    int32_t old = nic->bootindex;

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    if (dev->realized && !nic_set_boot_order(nic, dev, errp)) {
        nic->bootindex = old;
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- port --- */

typedef struct MacSearch {
    NetMac mac;
    bool taken;
} MacSearch;

static void compare_mac(NetPort *p, void *opaque)
{
    MacSearch *s = opaque;

    if (p->ops->is_nic && memcmp(&p->mac, &s->mac, sizeof(s->mac)) == 0) {
        s->taken = true;
    }
}

/* 52:54:00:12:34:56 and the following, the first that no card has. */
static NetMac free_mac(Networks *nets)
{
    MacSearch s = { .mac = { { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 } } };

    for (unsigned n = 0; n < 256; n++) {
        s.mac.a[5] = 0x56 + n;
        s.taken = false;
        net_ports_foreach(nets, compare_mac, &s);
        if (!s.taken) {
            break;
        }
    }
    return s.mac;
}

bool nic_realize(Nic *nic, Device *dev, const NetPortOps *ops, unsigned nqueues,
                 GError **errp)
{
    Networks *nets = dev->vm->networks;

    if (nets == NULL) {
        error_setf(errp, "this machine has no networks");
        return false;
    }
    if (nic->netdev != NULL && nic->netdev->peer != NULL) {
        error_setf(errp,
                   "Property '%s.netdev' can't take value '%s', it's in use",
                   dev->type->name, nic->netdev->name);
        return false;
    }
    if (nic->netdev != NULL && nic->netdev->ops->wants_rings &&
        !nic->shares_rings) {
        error_setf(errp, "%s requires frontend driver virtio-net-*",
                   nic->netdev->ops->type);
        return false;
    }
    if (!nic_set_boot_order(nic, dev, errp)) {
        return false;
    }
    if (net_mac_is_zero(&nic->mac)) {
        nic->mac = free_mac(nets);
    }
    net_port_init(&nic->port, nets, ops, dev->type->name, dev->id, nqueues);
    nic->port.mac = nic->mac;
    nic->dev = dev;
    if (nic->netdev != NULL) {
        net_port_join(&nic->port, nic->netdev);
    }
    return true;
}

void nic_unrealize(Nic *nic)
{
    if (nic->dev != NULL) {
        boot_order_remove(nic->dev->machine, nic->dev);
        nic->dev = NULL;
    }
    net_port_fini(&nic->port);
    nic->netdev = NULL;
}

/* ------------------------------------------------------ cards of boards --- */

static const struct {
    const char *model, *type; /* type NULL: the same */
} models[] = {
    { "e1000", NULL },
    { "e1000e", NULL },
    { "virtio-net-pci", NULL },
    { "virtio", "virtio-net-pci" },
};

const DeviceType *nic_model_find(const char *model)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        if (g_str_equal(model, models[i].model)) {
            return device_type_find(models[i].type ? models[i].type : model);
        }
    }
    return NULL;
}

void nic_models_print(GString *out)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        if (nic_model_find(models[i].model) != NULL && models[i].type == NULL) {
            g_string_append_printf(out, "%s\n", models[i].model);
        }
    }
}

void board_nic_free(BoardNic *n)
{
    g_free(n->model);
    g_free(n->netdev);
    g_free(n->mac);
    g_free(n->addr);
    g_free(n->vectors);
    g_free(n);
}

static bool board_nic_create(Machine *m, PciBus *bus, const BoardNic *n,
                             const char *default_model, GError **errp)
{
    const char *model = n->model != NULL ? n->model : default_model;
    const DeviceType *type = nic_model_find(model);
    const struct {
        const char *name, *value;
    } props[] = {
        { "netdev", n->netdev },
        { "mac", n->mac },
        { "addr", n->addr },
        { "vectors", n->vectors },
    };
    Device *dev;

    if (type == NULL) {
        error_setf(errp,
                   object_type_is_known(model)
                       ? "NIC model '%s' is not in this version"
                       : "Unsupported NIC model: %s",
                   model);
        return false;
    }
    dev = device_new(m->vm, type);
    for (unsigned i = 0; i < G_N_ELEMENTS(props); i++) {
        if (props[i].value != NULL &&
            !device_prop_set(dev, props[i].name, props[i].value, errp)) {
            device_delete(dev);
            return false;
        }
    }
    return device_realize(dev, &bus->bus, errp);
}

bool board_nics_create(Machine *m, PciBus *bus, const char *default_model,
                       GError **errp)
{
    for (guint i = 0; m->nics != NULL && i < m->nics->len; i++) {
        if (!board_nic_create(m, bus, m->nics->pdata[i], default_model, errp)) {
            return false;
        }
    }
    return true;
}
