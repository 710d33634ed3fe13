/*
 * Networks: ports joined in pairs.
 *
 * A network card and a back end (user, tap, socket, …) are each one NetPort;
 * two of them are joined, and a packet is handed from one to the other, which
 * takes it or says "later".  Who was told "later" keeps the packet and is
 * called (resume) when the other can go on: nothing is dropped between two
 * ports, and nothing is copied.  A hub is as many ports as it has sockets;
 * filters (net/filter.h) sit between two ports.
 *
 * A card takes packets only while the guest runs: what it took while the
 * guest stands would change memory that a migration has sent already.
 *
 * All of it belongs to vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "net/eth.h"
#include "qapi/qapi-types-net.h"

struct IoSocketAddress;
struct NetAnnounce;
struct NetFilter;
struct Vm;

typedef struct NetPort NetPort;
typedef struct Networks Networks; /* all of a VM's ports */

/* The longest packet: 64 KiB of payload, and room for every header. */
#define NET_PACKET_MAX (68 * 1024)
/* Most pairs of queues that a port may have (as many as a tap can). */
#define NET_QUEUES_MAX 256

/* What a sender may leave to the receiver; bits of NetPort.takes. */
enum {
    NET_OFFLOAD_CSUM = 1 << 0, /* the checksum is still to be filled in */
    NET_OFFLOAD_TSO4 = 1 << 1, /* longer than a frame: to be cut up */
    NET_OFFLOAD_TSO6 = 1 << 2,
    NET_OFFLOAD_ECN = 1 << 3, /* of the first one of those: ECN's bits */
    NET_OFFLOAD_UFO = 1 << 4,
};

typedef struct NetPacket {
    const struct iovec *iov; /* Ethernet frame, without its checksum */
    unsigned niov;
    size_t size; /* bytes in iov */
    /* What is left to do (little endian, as on virtio 1); NULL: nothing. */
    const struct virtio_net_hdr *vnet;
    unsigned queue; /* of the sender, from 0 */
} NetPacket;

typedef struct NetPortOps {
    const char *type; /* "nic", "user", … as `info network` shows it */
    bool is_nic;
    /* No packets pass here: it works with the rings of its card itself. */
    bool wants_rings;
    /*
     * Takes a packet (or drops it for a reason of its own): true.  False:
     * later; net_port_ready() is called once it can.
     */
    bool (*receive)(NetPort *p, const NetPacket *pkt);
    /*
     * The peer, which said "later" (or was not there), may take packets of
     * that queue now.  NULL: the port never keeps any.
     */
    void (*resume)(NetPort *p, unsigned queue);
    /* The peer came, went, or changed link_down or takes.  May be NULL. */
    void (*peer_changed)(NetPort *p);
    /* The port's own link_down was changed from outside.  May be NULL. */
    void (*link_changed)(NetPort *p);
    /* NIC only, for query-rx-filter: new; NULL: it has no such thing. */
    RxFilterInfo *(*rx_filter)(NetPort *p);
    /* NIC only: the guest itself is to announce it; false: it can't. */
    bool (*announce)(NetPort *p);
    /* It goes: no more packets, from nowhere.  Before `free`; may be NULL. */
    void (*fini)(NetPort *p);
    /* Frees what embeds the port, which is off all lists.  May be NULL. */
    void (*free)(NetPort *p);
} NetPortOps;

/* Packets that wait, copied; bounded. */
typedef struct NetQueue {
    GQueue packets; /* NetQueued, net/queue.c */
    size_t bytes;
} NetQueue;

struct NetPort {
    const NetPortOps *ops;
    Networks *nets;
    char *name;  /* id of a back end; id or "MODEL.N" of a card */
    char *model; /* of a card; else as ops->type */
    char *info;  /* behind "type=…," in `info network`; may be NULL */
    NetPort *peer;
    unsigned nqueues;
    bool has_vnet;  /* a virtio_net_hdr may come with the packets it takes */
    unsigned takes; /* NET_OFFLOAD_*; see net_port_set_takes() */
    bool link_down;
    bool is_netdev;   /* -netdev and its like: netdev_del deletes it */
    bool unready;     /* is being made, and has still to hear from its peer */
    NetMac mac;       /* of a card */
    GQueue filters;   /* NetFilter, in order; of a back end */
    NetQueue held[2]; /* passed by the filters to and from it, not taken yet */
    NetQueue out;     /* net_send_queued() */
    bool busy;        /* receive() runs: a packet went in a circle */
    GList link;       /* in nets->ports */
};

/* Called up.  Members may be NULL. */
typedef struct NetHooks {
    /* A name that "getfd" gave: the descriptor, now ours, or -errno. */
    int (*fd_by_name)(void *opaque, const char *name);
    /* /dev/fdset and the like are no concern of networks. */
    void (*stream_connected)(void *opaque, const char *id,
                             const struct IoSocketAddress *peer);
    void (*stream_disconnected)(void *opaque, const char *id);
    /* name: as rx_filter() would say; path: of the device in the tree. */
    void (*rx_filter_changed)(void *opaque, const char *name, const char *path);
    /* How a guest that has arrived is announced. */
    void (*announce_params)(void *opaque, struct NetAnnounce *ret);
    void *opaque;
} NetHooks;

/* NULL vm: for tests; the guest counts as running. */
Networks *networks_new(struct Vm *vm);
/* Deletes the back ends; cards are gone by then. */
void networks_free(Networks *nets);
void networks_set_hooks(Networks *nets, const NetHooks *hooks);
const NetHooks *networks_hooks(const Networks *nets);
struct Vm *networks_vm(const Networks *nets);
/* By name: a card's or a back end's; NULL if there is none. */
NetPort *net_port_find(Networks *nets, const char *name);
/* In the order of making. */
void net_ports_foreach(Networks *nets, void (*fn)(NetPort *p, void *opaque),
                       void *opaque);
/* Text of `info network`. */
void networks_print(Networks *nets, GString *out);
/* The guest comes from elsewhere: announced when it runs first. */
void networks_set_incoming(Networks *nets);
/* Says on stderr who has no peer, as at the start of the program. */
void networks_check(Networks *nets);

/*
 * Makes the embedded port part of @nets.  @name NULL: "MODEL.N" with the next
 * free number; copied.  nqueues 1..NET_QUEUES_MAX.
 */
void net_port_init(NetPort *p, Networks *nets, const NetPortOps *ops,
                   const char *model, const char *name, unsigned nqueues);
/* ops->fini(), and away from its peer and @nets; ops->free() isn't called. */
void net_port_fini(NetPort *p);
void net_port_set_info(NetPort *p, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Neither has a peer.  Both hear it (peer_changed, resume). */
void net_port_join(NetPort *a, NetPort *b);
void net_port_part(NetPort *p);
/* From now on the peer may leave that to this port (NET_OFFLOAD_*). */
void net_port_set_takes(NetPort *p, unsigned takes);
/* What may be left to the peer; 0 without one, or past filters. */
unsigned net_port_peer_takes(const NetPort *p);
/* Sets the link as seen by p's owner and by its peer. */
void net_port_set_link(NetPort *p, bool up);
/* Does it have a peer, and is the link up on both sides? */
bool net_port_is_connected(const NetPort *p);

/* Hands a packet to the peer: true if it is done with, false: later. */
bool net_send(NetPort *p, const NetPacket *pkt);
bool net_send_buf(NetPort *p, const void *buf, size_t len);
/* For who can't keep it: copied and sent later, dropped if too much waits. */
void net_send_queued(NetPort *p, const NetPacket *pkt);
/* Would the peer take one now, as far as the guest's run state tells? */
bool net_can_send(const NetPort *p);
/* Nothing waits that net_send_queued() took. */
bool net_out_empty(const NetPort *p);
/* @p takes packets again, on that queue. */
void net_port_ready(NetPort *p, unsigned queue);
/* Past the filters: for filters, see net/filter.h. */
bool net_deliver(NetPort *to, const NetPacket *pkt);

/* queue.c */
/* Copies; false if too much waits already (the packet is dropped). */
bool net_queue_push(NetQueue *q, const NetPacket *pkt);
/* Hands out packets in order until fn says no; true if none is left. */
bool net_queue_flush(NetQueue *q,
                     bool (*fn)(void *opaque, const NetPacket *pkt),
                     void *opaque);
void net_queue_clear(NetQueue *q);

/* netdev.c */
/* Makes a back end; false, and nothing left behind, with errp set. */
bool netdev_add(Networks *nets, const Netdev *nd, GError **errp);
/* Only those of netdev_add(). */
bool netdev_del(Networks *nets, const char *id, GError **errp);

/* hub.c */
/* A new socket of a hub; @name NULL: "hubNportM".  NULL: no memory. */
NetPort *net_hub_add_port(Networks *nets, int32_t hub, const char *name);
/* The number of the hub that the port is in; false: it isn't in one. */
bool net_hub_of_port(const NetPort *p, int32_t *ret_hub);

#endif
