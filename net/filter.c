/*
 * Filters: what they share, and the way of a packet through them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/filter.h"

#include "system/vm.h"
#include "util/error.h"

static const ObjectType net_filter_type = {
    .name = "netfilter",
    .parent = "object",
    .size = sizeof(NetFilter),
    .abstract = true,
};

const ObjectType *const net_filter_types[] = {
    &net_filter_type,        &net_filter_buffer_type,     &net_filter_dump_type,
    &net_filter_mirror_type, &net_filter_redirector_type, NULL,
};

const char *const net_direction_names[] = { "all", "rx", "tx", NULL };

static NetQueue *held_queue(NetPort *port, NetDirection dir)
{
    return &port->held[dir == NET_DIRECTION_TX];
}

bool net_filters_active(const NetPort *port)
{
    return port->filters.length != 0 || port->held[0].packets.length != 0 ||
           port->held[1].packets.length != 0;
}

static bool final_deliver(NetPort *port, NetDirection dir, const NetPacket *pkt)
{
    NetPort *to = dir == NET_DIRECTION_TX ? port->peer : port;

    return to == NULL || net_deliver(to, pkt);
}

static const GList *filter_next(const NetPort *port, const NetFilter *f,
                                NetDirection dir)
{
    if (dir == NET_DIRECTION_TX) {
        return f != NULL ? f->link.prev : port->filters.tail;
    }
    return f != NULL ? f->link.next : port->filters.head;
}

/*
 * What passed all of them and isn't taken is kept here: sent again from the
 * start, it would be seen twice.
 */
bool net_filters_run(NetPort *port, const NetFilter *after, NetDirection dir,
                     const NetPacket *pkt)
{
    NetQueue *held = held_queue(port, dir);
    const GList *next;

    if (held->packets.length != 0) {
        return false;
    }
    for (const GList *e = filter_next(port, after, dir); e != NULL; e = next) {
        NetFilter *f = e->data;

        next = filter_next(port, f, dir);
        if (!f->on ||
            (f->direction != NET_DIRECTION_ALL && f->direction != (int)dir)) {
            continue;
        }
        switch (f->ops->packet(f, dir, pkt)) {
        case NET_TAKEN:
            return true;
        case NET_LATER:
            return false;
        case NET_PASS:
            break;
        }
    }
    if (!final_deliver(port, dir, pkt)) {
        net_queue_push(held, pkt);
    }
    return true;
}

typedef struct HeldFlush {
    NetPort *port;
    NetDirection dir;
} HeldFlush;

static bool flush_held(void *opaque, const NetPacket *pkt)
{
    HeldFlush *h = opaque;

    return final_deliver(h->port, h->dir, pkt);
}

void net_filters_resume(NetPort *port)
{
    HeldFlush rx = { port, NET_DIRECTION_RX }, tx = { port, NET_DIRECTION_TX };
    GList *next;

    net_queue_flush(held_queue(port, NET_DIRECTION_RX), flush_held, &rx);
    net_queue_flush(held_queue(port, NET_DIRECTION_TX), flush_held, &tx);
    for (GList *e = port->filters.head; e != NULL; e = next) {
        NetFilter *f = e->data;

        next = e->next;
        if (f->ops->resume != NULL) {
            f->ops->resume(f);
        }
    }
}

static void filter_detach(NetFilter *f)
{
    if (f->port == NULL) {
        return;
    }
    if (f->ops->stop != NULL) {
        f->ops->stop(f);
    }
    g_queue_unlink(&f->port->filters, &f->link);
    f->port = NULL;
}

void net_filters_detach(NetPort *port)
{
    NetFilter *f;

    while ((f = g_queue_peek_head(&port->filters)) != NULL) {
        filter_detach(f);
    }
    net_queue_clear(&port->held[0]);
    net_queue_clear(&port->held[1]);
}

/* ------------------------------------------------------------- objects --- */

static NetFilter *filter_of(Object *obj)
{
    return OBJECT_CAST(NetFilter, obj);
}

bool net_filter_set_status(Object *obj, const Property *p, const JsonValue *val,
                           GError **errp)
{
    NetFilter *f = filter_of(obj);
    const char *text = json_get_string(val);

    if (g_strcmp0(text, "on") != 0 && g_strcmp0(text, "off") != 0) {
        error_setf(errp, "Invalid value for netfilter status, should be 'on' "
                         "or 'off'");
        return false;
    }
    f->on = g_str_equal(text, "on");
    if (f->port != NULL && f->ops->status_changed != NULL) {
        f->ops->status_changed(f);
    }
    return true;
}

JsonValue *net_filter_get_status(Object *obj, const Property *p, GError **errp)
{
    return json_string_new(filter_of(obj)->on ? "on" : "off");
}

static NetFilter *find_filter(NetPort *port, const char *id)
{
    for (GList *e = port->filters.head; e != NULL; e = e->next) {
        NetFilter *f = e->data;

        if (g_strcmp0(f->obj.name, id) == 0) {
            return f;
        }
    }
    return NULL;
}

/* position=head, tail or id=OTHER, of which insert= says the side. */
static bool filter_insert(NetFilter *f, NetPort *port, GError **errp)
{
    bool before = g_str_equal(f->insert, "before");
    NetFilter *other = NULL;

    if (!before && !g_str_equal(f->insert, "behind")) {
        error_setf(errp, "Parameter 'insert' expects 'before' or 'behind'");
        return false;
    }
    if (g_str_has_prefix(f->position, "id=")) {
        other = find_filter(port, f->position + strlen("id="));
        if (other == NULL) {
            error_setf(errp, "filter '%s' not found",
                       f->position + strlen("id="));
            return false;
        }
    } else if (!g_str_equal(f->position, "head") &&
               !g_str_equal(f->position, "tail")) {
        error_setf(errp, "Parameter 'position' expects 'head', 'tail' or "
                         "'id=<id>'");
        return false;
    }
    if (other != NULL && before) {
        g_queue_insert_before_link(&port->filters, &other->link, &f->link);
    } else if (other != NULL) {
        g_queue_insert_after_link(&port->filters, &other->link, &f->link);
    } else if (g_str_equal(f->position, "head")) {
        g_queue_push_head_link(&port->filters, &f->link);
    } else {
        g_queue_push_tail_link(&port->filters, &f->link);
    }
    return true;
}

bool net_filter_complete(Object *obj, GError **errp)
{
    NetFilter *f = filter_of(obj);
    Vm *vm = vm_of_object(obj);
    NetPort *port;

    if (f->netdev == NULL) {
        error_setf(errp, "Parameter 'netdev' is required");
        return false;
    }
    port = vm != NULL && vm->networks != NULL
               ? net_port_find(vm->networks, f->netdev)
               : NULL;
    if (port == NULL || port->ops->is_nic) {
        error_setf(errp, "Parameter 'netdev' expects a network backend id");
        return false;
    }
    if (port->ops->wants_rings) {
        error_setf(errp, "Vhost is not supported");
        return false;
    }
    f->link.data = f;
    if (!filter_insert(f, port, errp)) {
        return false;
    }
    f->port = port;
    if (f->ops->start != NULL && !f->ops->start(f, errp)) {
        filter_detach(f);
        return false;
    }
    return true;
}

void net_filter_fini(Object *obj)
{
    filter_detach(filter_of(obj));
}
