/*
 * Hubs: what comes in at one socket goes out at all others.
 *
 * A socket whose peer says "later" keeps a copy in its own queue, so that one
 * slow peer doesn't hold up the others; when that is full it loses packets,
 * as a real hub's collisions would have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/net-priv.h"
#include "util/error.h"

typedef struct HubPort {
    NetPort port;
    int32_t hub;
} HubPort;

static bool hub_receive(NetPort *p, const NetPacket *pkt);

static void hub_port_free(NetPort *p)
{
    g_free(container_of(p, HubPort, port));
}

static const NetPortOps hub_ops = {
    .type = "hubport",
    .receive = hub_receive,
    .free = hub_port_free,
};

bool net_hub_of_port(const NetPort *p, int32_t *ret_hub)
{
    if (p->ops != &hub_ops) {
        return false;
    }
    if (ret_hub != NULL) {
        *ret_hub = container_of(p, HubPort, port)->hub;
    }
    return true;
}

typedef struct HubCopy {
    const HubPort *from;
    const NetPacket *pkt;
} HubCopy;

static void hub_copy(NetPort *p, void *opaque)
{
    const HubCopy *c = opaque;
    int32_t hub;

    /* A socket that is receiving itself closes a circle of hubs. */
    if (p != &c->from->port && net_hub_of_port(p, &hub) &&
        hub == c->from->hub && !p->busy) {
        net_send_queued(p, c->pkt);
    }
}

static bool hub_receive(NetPort *p, const NetPacket *pkt)
{
    NetPacket copy = *pkt;
    HubCopy c = { container_of(p, HubPort, port), &copy };

    copy.queue = 0;
    net_ports_foreach(p->nets, hub_copy, &c);
    return true;
}

typedef struct HubCount {
    int32_t hub;
    unsigned n;
} HubCount;

static void hub_count(NetPort *p, void *opaque)
{
    HubCount *c = opaque;
    int32_t hub;

    if (net_hub_of_port(p, &hub) && hub == c->hub) {
        c->n++;
    }
}

NetPort *net_hub_add_port(Networks *nets, int32_t hub, const char *name)
{
    HubPort *h = g_new0(HubPort, 1);
    g_autofree char *own = NULL;

    h->hub = hub;
    if (name == NULL) {
        HubCount c = { .hub = hub };

        net_ports_foreach(nets, hub_count, &c);
        own = g_strdup_printf("hub%dport%u", hub, c.n);
    }
    net_port_init(&h->port, nets, &hub_ops, hub_ops.type,
                  name != NULL ? name : own, 1);
    return &h->port;
}

bool netdev_new_hubport(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevHubPortOptions *o = nd->u.hubport;
    NetPort *peer = NULL;

    if (o->netdev != NULL) {
        peer = net_port_find(nets, o->netdev);
        if (peer == NULL || peer->ops->is_nic) {
            error_setf(errp, "netdev '%s' not found", o->netdev);
            return false;
        }
        if (peer->ops->wants_rings) {
            error_setf(errp,
                       "netdev '%s' can't be in a hub: no packets pass "
                       "through it",
                       o->netdev);
            return false;
        }
        if (peer->peer != NULL) {
            error_setf(errp, "netdev '%s' is in use by '%s'", o->netdev,
                       peer->peer->name);
            return false;
        }
    }
    if (peer != NULL) {
        net_port_join(net_hub_add_port(nets, o->hubid, nd->id), peer);
    } else {
        net_hub_add_port(nets, o->hubid, nd->id);
    }
    return true;
}
