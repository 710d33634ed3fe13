/*
 * The vhost-user protocol, seen from the front end: messages over one unix
 * connection, each answered before the next is sent.
 *
 * The source of all numbers is the public text "Vhost-user Protocol".
 *
 * An object belongs to one thread, which may wait: vhost_conn_*() never takes
 * vm_lock and isn't to be called with it.  A back end that doesn't answer in
 * time, answers something else, or has gone is an error of the call; the
 * connection is of no use after that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_VHOST_USER_PROTO_H
#define NET_VHOST_USER_PROTO_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum VhostRequest {
    VHOST_USER_NONE = 0,
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_LOG_BASE = 6,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_SEND_RARP = 19,
    VHOST_USER_NET_SET_MTU = 20,
    VHOST_USER_SET_STATUS = 39,
    VHOST_USER_REQUESTS,
} VhostRequest;

/* Bits of the features, beside those of virtio. */
enum {
    VHOST_FEATURE_LOG_ALL = 26,
    VHOST_FEATURE_PROTOCOL = 30,
};

/* Bits of the protocol features. */
enum {
    VHOST_PROTOCOL_MQ = 0,
    VHOST_PROTOCOL_LOG_SHMFD = 1,
    VHOST_PROTOCOL_RARP = 2,
    VHOST_PROTOCOL_REPLY_ACK = 3,
    VHOST_PROTOCOL_MTU = 4,
    VHOST_PROTOCOL_STATUS = 16,
};

enum {
    VHOST_MAX_REGIONS = 8, /* what every back end takes */
    VHOST_MAX_PAYLOAD = 512,
    VHOST_MAX_FDS = 8,
    /* In a ring's number: there is no descriptor. */
    VHOST_VRING_NO_FD = 1 << 8,
};

/* One piece of guest memory, and where a back end finds it. */
typedef struct VhostRegion {
    uint64_t gpa, size; /* bytes */
    uint64_t hva;       /* how rings' addresses name it */
    uint64_t offset;    /* of gpa in fd */
    int fd;
} VhostRegion;

typedef struct VhostTable {
    unsigned n;
    VhostRegion r[VHOST_MAX_REGIONS];
} VhostTable;

/* A ring as the driver has placed it. */
typedef struct VhostRing {
    unsigned index, size;
    uint64_t desc, avail, used; /* hva */
    uint64_t used_gpa;          /* for the dirty log */
    int kick, call;             /* eventfds; call -1: nobody listens */
    uint16_t base;              /* next available entry */
    bool on;                    /* else set up, but not served */
} VhostRing;

typedef struct VhostConn {
    int fd;            /* owned; -1: no connection */
    int hang_up;       /* owned; an eventfd: what waits is to give up */
    uint64_t offered;  /* features of the back end */
    uint64_t protocol; /* protocol features in use */
    uint64_t max_queues;
    uint64_t features; /* as set last */
    bool features_set;
    bool logging; /* the log's memory is there, rings are logged */
    /* What a slow host needs, and no more. */
    unsigned timeout_ms;
    unsigned nsent[VHOST_USER_REQUESTS]; /* requests, since it was opened */
} VhostConn;

/*
 * Takes over a connected unix socket, non-blocking or not, and an eventfd by
 * which others end it: all calls fail at once when it has been written to.
 */
void vhost_conn_open(VhostConn *c, int fd, int hang_up, unsigned timeout_ms);
/* Fine for one that isn't open. */
void vhost_conn_close(VhostConn *c);
/* Closes it but for the socket, which is the caller's; -1: it isn't open. */
int vhost_conn_release(VhostConn *c);
static inline bool vhost_conn_is_open(const VhostConn *c)
{
    return c->fd >= 0;
}
const char *vhost_request_str(unsigned request);

/*
 * All of these: false with an error that names the request.
 * Features, protocol features, number of queues, owner.
 */
bool vhost_conn_greet(VhostConn *c, GError **errp);
/* Waits until the back end has mapped it, unless it was told the same. */
bool vhost_conn_set_table(VhostConn *c, const VhostTable *t, GError **errp);
/* Nothing is sent if they are as set last. */
bool vhost_conn_set_features(VhostConn *c, uint64_t features, GError **errp);
bool vhost_conn_set_status(VhostConn *c, uint8_t status, GError **errp);
bool vhost_conn_set_mtu(VhostConn *c, uint16_t mtu, GError **errp);
bool vhost_conn_send_rarp(VhostConn *c, const uint8_t mac[6], GError **errp);
bool vhost_conn_start_ring(VhostConn *c, const VhostRing *r, GError **errp);
/* Returns when the back end doesn't touch the ring any more. */
bool vhost_conn_stop_ring(VhostConn *c, unsigned index, unsigned timeout_ms,
                          uint16_t *ret_base, GError **errp);
bool vhost_conn_enable_ring(VhostConn *c, unsigned index, bool on,
                            GError **errp);
bool vhost_conn_set_call(VhostConn *c, unsigned index, int fd, GError **errp);
/*
 * Where dirty pages are to be noted: a bit for each 4 KiB, from guest address
 * 0 up.  It takes effect with the features and the rings' addresses.
 */
bool vhost_conn_set_log(VhostConn *c, int fd, uint64_t bytes, GError **errp);
/* The place of a ring again: with or without its used ring in the log. */
bool vhost_conn_set_ring_addr(VhostConn *c, const VhostRing *r, GError **errp);
/* Returns when all requests before it have been carried out. */
bool vhost_conn_barrier(VhostConn *c, GError **errp);

#endif
