/*
 * Filters: objects (-object filter-…) that see the packets of a back end.
 *
 * They are asked in the order of the port's list for packets that come to
 * the back end ("rx") and in reverse for those that leave it ("tx").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_FILTER_H
#define NET_FILTER_H

#include "net/net.h"
#include "qom/object.h"

typedef struct NetFilter NetFilter;

typedef enum NetDirection {
    NET_DIRECTION_ALL, /* of a filter: both */
    NET_DIRECTION_RX,  /* to the back end */
    NET_DIRECTION_TX,  /* from it */
} NetDirection;

typedef enum NetVerdict {
    NET_PASS,  /* on to the next */
    NET_TAKEN, /* the filter has it (or dropped it) */
    NET_LATER, /* back-pressure; the filter resumes the sender */
} NetVerdict;

typedef struct NetFilterOps {
    NetVerdict (*packet)(NetFilter *f, NetDirection dir, const NetPacket *pkt);
    /* The others may be NULL.  The receiver, which said "later", takes more. */
    void (*resume)(NetFilter *f);
    bool (*start)(NetFilter *f, GError **errp);
    void (*stop)(NetFilter *f);           /* also of one that didn't start */
    void (*status_changed)(NetFilter *f); /* `on` was set */
} NetFilterOps;

struct NetFilter {
    Object obj;
    const NetFilterOps *ops; /* set by the type's init */
    char *netdev;
    int direction; /* NetDirection */
    char *position, *insert;
    bool on;       /* status */
    NetPort *port; /* NULL: not started, or the back end is gone */
    GList link;    /* in port->filters */
};

/* Are there any, or packets that they let pass and nobody took yet? */
bool net_filters_active(const NetPort *port);
/*
 * Through the port's filters behind @after (NULL: all) and to the receiver.
 * True: done with; false: later.
 */
bool net_filters_run(NetPort *port, const NetFilter *after, NetDirection dir,
                     const NetPacket *pkt);
/* The port goes: its filters have none any more. */
void net_filters_detach(NetPort *port);
/* The port, or its peer, takes packets again. */
void net_filters_resume(NetPort *port);

/* For object_types_add(). */
extern const ObjectType *const net_filter_types[];

/* What every filter's table begins with, for filter-*.c. */
#define NET_FILTER_PROPS(T)                                               \
    PROP(PROP_STR, T, f.netdev, "netdev"),                                \
        PROP(PROP_ENUM, T, f.direction, "queue",                          \
             .names = net_direction_names),                               \
        PROP(PROP_BOOL, T, f.on, "status", .def = 1, .run_time = true,    \
             .set = net_filter_set_status, .get = net_filter_get_status), \
        PROP(PROP_STR, T, f.position, "position", .def_str = "tail"),     \
        PROP(PROP_STR, T, f.insert, "insert", .def_str = "behind")
extern const char *const net_direction_names[];
bool net_filter_set_status(Object *obj, const Property *p, const JsonValue *val,
                           GError **errp);
JsonValue *net_filter_get_status(Object *obj, const Property *p, GError **errp);
/* Of each type: complete and fini. */
bool net_filter_complete(Object *obj, GError **errp);
void net_filter_fini(Object *obj);

extern const ObjectType net_filter_buffer_type, net_filter_dump_type,
    net_filter_mirror_type, net_filter_redirector_type;

#endif
