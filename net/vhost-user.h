/*
 * -netdev vhost-user: a back end in another process, which works on the card's
 * rings itself, in the guest's memory.
 *
 *   card (hw/net/virtio-net-vhost.c)   what the driver wants: features, rings
 *   net/vhost-user.c                   the back end: connection, what was
 *                                      asked for, the thread that asks
 *   net/vhost-user-mem.c               guest memory and the dirty log
 *   net/vhost-user-proto.c             the protocol
 *
 * All functions are called under vm_lock and never wait: what they ask for is
 * posted to the back end's own thread and carried out in order.
 * vm_outside_settle() waits for it where that matters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_VHOST_USER_H
#define NET_VHOST_USER_H

#include "net/net.h"
#include "net/vhost-user-proto.h"

typedef struct VhostUser VhostUser;

/* The card at the other end; called under vm_lock. */
typedef struct VhostUserCard {
    /* The connection came or went: see vhost_user_is_up(). */
    void (*changed)(void *opaque);
    /* After a stop: where the rings stand can be asked for. */
    void (*settled)(void *opaque);
    void *opaque;
} VhostUserCard;

/* What the rings are started with. */
typedef struct VhostStart {
    uint64_t features; /* negotiated; those that concern the back end */
    uint8_t status;    /* of the virtio device */
    uint16_t mtu;      /* 0: none was given */
    /* Rings go on where they stood at the stop, whatever their `base`. */
    bool go_on;
    unsigned n;
    const VhostRing *rings; /* addresses in guest memory; copied */
} VhostStart;

/* NULL: it is another kind. */
VhostUser *vhost_user_of_port(NetPort *p);
/*
 * The card comes (its memory is looked at from now on) and goes (NULL).
 * False with errp if the guest's memory can't be shared, or migration would
 * need what the back end doesn't have and --only-migratable was given.
 */
bool vhost_user_set_card(VhostUser *v, const VhostUserCard *card,
                         GError **errp);
/* There is a connection, and the back end has said what it can. */
bool vhost_user_is_up(const VhostUser *v);
/* Features of the back end; of the last one while it is away. */
uint64_t vhost_user_features(const VhostUser *v);
bool vhost_user_has_protocol(const VhostUser *v, unsigned bit);
/*
 * The rings are handed over.  False with errp if one of them isn't in shared
 * memory; then nothing was started.
 */
bool vhost_user_start(VhostUser *v, const VhostStart *s, GError **errp);
/* The rings come back; the base of each is known when it is settled. */
void vhost_user_stop(VhostUser *v);
/* While rings are started; index as in VhostRing. */
void vhost_user_set_call(VhostUser *v, unsigned index, int fd);
void vhost_user_enable(VhostUser *v, unsigned index, bool on);
/* The driver has reset the device: its status is 0. */
void vhost_user_reset(VhostUser *v);
/* Where a ring stood at the last stop; only when settled. */
uint16_t vhost_user_base(const VhostUser *v, unsigned index);
/* This thread waits for all that was posted once it has left vm_lock. */
void vhost_user_wait_later(VhostUser *v);

#endif
