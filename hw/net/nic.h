/*
 * What network cards share: their properties, their port, and those that a
 * board makes for -nic, -net nic, and by default.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_NIC_H
#define HW_NET_NIC_H

#include "hw/core/device.h"
#include "net/net.h"

struct PciBus;

/* Part of a card; the properties are set before nic_realize(). */
typedef struct Nic {
    NetPort port;
    NetMac mac;        /* zero: nic_realize() chooses one */
    NetPort *netdev;   /* to be joined with; NULL: none */
    int32_t bootindex; /* -1: none */
    Device *dev;       /* the card; NULL: not realized */
    bool shares_rings; /* a back end may work with them itself */
} Nic;

/* For the table of properties of a card T, whose member f is the Nic. */
#define NIC_PROPS(T, f)                                                     \
    PROP(PROP_CUSTOM, T, f.mac, "mac", .type_name = "str",                  \
         .help = "Ethernet 6-byte MAC Address, example: 52:54:00:12:34:56", \
         .set = nic_prop_set_mac, .get = nic_prop_get_mac),                 \
        PROP(PROP_CUSTOM, T, f.netdev, "netdev", .type_name = "str",        \
             .help = "ID of a netdev to use as a backend",                  \
             .set = nic_prop_set_netdev, .get = nic_prop_get_netdev),       \
        PROP(PROP_I32, T, f.bootindex, "bootindex", .def = -1,              \
             .set = nic_prop_set_bootindex, .run_time = true)

bool nic_prop_set_mac(Object *obj, const Property *p, const JsonValue *val,
                      GError **errp);
JsonValue *nic_prop_get_mac(Object *obj, const Property *p, GError **errp);
bool nic_prop_set_netdev(Object *obj, const Property *p, const JsonValue *val,
                         GError **errp);
JsonValue *nic_prop_get_netdev(Object *obj, const Property *p, GError **errp);
bool nic_prop_set_bootindex(Object *obj, const Property *p,
                            const JsonValue *val, GError **errp);

/*
 * Makes the port, chooses a MAC address if none was given, and joins it with
 * the back end.  ops->free is not used: the port is part of the device.
 */
bool nic_realize(Nic *nic, Device *dev, const NetPortOps *ops, unsigned nqueues,
                 GError **errp);
/* Fine for one that was never realized. */
void nic_unrealize(Nic *nic);

/* A card that the board is to make; of Machine.nics. */
typedef struct BoardNic {
    char *model;  /* NULL: the board's own choice */
    char *netdev; /* name of the port it is joined with; NULL: none */
    char *mac, *addr, *vectors; /* as text; NULL: not given */
} BoardNic;

void board_nic_free(BoardNic *n);
/* Makes the machine's cards on a PCI bus; "e1000" where no model is said. */
bool board_nics_create(struct Machine *m, struct PciBus *bus,
                       const char *default_model, GError **errp);
/* The type that -nic model=NAME means on a PCI bus; NULL: there is none. */
const DeviceType *nic_model_find(const char *model);
/* Names of -nic model=help. */
void nic_models_print(GString *out);

#endif
