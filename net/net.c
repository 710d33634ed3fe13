/*
 * Networks: the ports and what joins them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/net.h"

#include "net/announce.h"
#include "net/filter.h"
#include "net/net-priv.h"
#include "system/vm.h"
#include "util/log.h"

struct Networks {
    struct Vm *vm;
    GQueue ports; /* NetPort, in the order of making */
    NetHooks hooks;
    RunStateListener run_listener;
    bool running;
    bool incoming;   /* the guest is to be announced when it runs */
    GPtrArray *jobs; /* announcements, see announce.c */
};

static void start_card(NetPort *p, void *opaque)
{
    for (unsigned q = 0; p->ops->is_nic && q < p->nqueues; q++) {
        net_port_ready(p, q);
        net_port_resume(p, q);
    }
}

static bool have_card(const Networks *nets)
{
    for (const GList *e = nets->ports.head; e != NULL; e = e->next) {
        const NetPort *p = e->data;

        if (p->ops->is_nic) {
            return true;
        }
    }
    return false;
}

static void announce_arrival(Networks *nets)
{
    NetAnnounce how = { 0 };

    nets->incoming = false;
    if (nets->hooks.announce_params != NULL && have_card(nets)) {
        nets->hooks.announce_params(nets->hooks.opaque, &how);
        net_announce_start(nets, &how, NULL, NULL);
    }
}

static void networks_run_state(RunStateListener *l, bool running,
                               RunState state)
{
    Networks *nets = container_of(l, Networks, run_listener);

    nets->running = running;
    /* Before anything else is sent: nothing gets here until it is out. */
    if (running && nets->incoming) {
        announce_arrival(nets);
    }
    if (running) {
        net_ports_foreach(nets, start_card, NULL);
    }
}

Networks *networks_new(struct Vm *vm)
{
    Networks *nets = g_new0(Networks, 1);

    nets->vm = vm;
    nets->jobs = net_announce_jobs_new();
    nets->running = vm == NULL || runstate_is_running(vm);
    nets->run_listener.changed = networks_run_state;
    /* After the cards, which have their own. */
    nets->run_listener.priority = 20;
    if (vm != NULL) {
        runstate_add_listener(vm, &nets->run_listener);
    }
    return nets;
}

void networks_free(Networks *nets)
{
    NetPort *p;

    if (nets == NULL) {
        return;
    }
    g_ptr_array_unref(nets->jobs);
    while ((p = g_queue_peek_tail(&nets->ports)) != NULL) {
        net_port_delete(p);
    }
    if (nets->vm != NULL) {
        runstate_del_listener(nets->vm, &nets->run_listener);
    }
    g_free(nets);
}

void networks_set_hooks(Networks *nets, const NetHooks *hooks)
{
    nets->hooks = *hooks;
}

void networks_set_incoming(Networks *nets)
{
    nets->incoming = true;
}

GPtrArray *networks_jobs(Networks *nets)
{
    return nets->jobs;
}

const NetHooks *networks_hooks(const Networks *nets)
{
    return &nets->hooks;
}

struct Vm *networks_vm(const Networks *nets)
{
    return nets->vm;
}

NetPort *net_port_find(Networks *nets, const char *name)
{
    for (GList *e = nets->ports.head; e != NULL; e = e->next) {
        NetPort *p = e->data;

        if (g_str_equal(p->name, name)) {
            return p;
        }
    }
    return NULL;
}

void net_ports_foreach(Networks *nets, void (*fn)(NetPort *p, void *opaque),
                       void *opaque)
{
    GList *next;

    for (GList *e = nets->ports.head; e != NULL; e = next) {
        next = e->next;
        fn(e->data, opaque);
    }
}

/* ------------------------------------------------------------ making --- */

static char *port_free_name(Networks *nets, const char *model)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("%s.%u", model, n);

        if (net_port_find(nets, name) == NULL) {
            return g_steal_pointer(&name);
        }
    }
}

void net_port_init(NetPort *p, Networks *nets, const NetPortOps *ops,
                   const char *model, const char *name, unsigned nqueues)
{
    p->ops = ops;
    p->nets = nets;
    p->model = g_strdup(model);
    p->name = name != NULL ? g_strdup(name) : port_free_name(nets, model);
    p->nqueues = nqueues;
    p->link.data = p;
    g_queue_push_tail_link(&nets->ports, &p->link);
}

void net_port_fini(NetPort *p)
{
    if (p->nets == NULL) {
        return;
    }
    if (p->ops->fini != NULL) {
        p->ops->fini(p);
    }
    net_filters_detach(p);
    net_port_part(p);
    net_queue_clear(&p->out);
    g_queue_unlink(&p->nets->ports, &p->link);
    g_clear_pointer(&p->name, g_free);
    g_clear_pointer(&p->model, g_free);
    g_clear_pointer(&p->info, g_free);
    p->nets = NULL;
}

void net_port_delete(NetPort *p)
{
    const NetPortOps *ops = p->ops;

    net_port_fini(p);
    if (ops->free != NULL) {
        ops->free(p);
    }
}

void net_port_set_info(NetPort *p, const char *fmt, ...)
{
    va_list ap;

    g_free(p->info);
    va_start(ap, fmt);
    p->info = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

static void port_tell_changed(NetPort *p)
{
    if (p != NULL && p->ops->peer_changed != NULL) {
        p->ops->peer_changed(p);
    }
}

/* A port's packets can go on, or will never: it is told for each queue. */
static void port_resume_all(NetPort *p)
{
    for (unsigned q = 0; q < p->nqueues; q++) {
        net_port_resume(p, q);
    }
}

void net_port_join(NetPort *a, NetPort *b)
{
    a->peer = b;
    b->peer = a;
    port_tell_changed(a);
    port_tell_changed(b);
    port_resume_all(a);
    port_resume_all(b);
}

void net_port_part(NetPort *p)
{
    NetPort *peer = p->peer;

    if (peer == NULL) {
        return;
    }
    p->peer = NULL;
    peer->peer = NULL;
    port_tell_changed(peer);
    port_tell_changed(p);
    port_resume_all(peer);
}

void net_port_set_takes(NetPort *p, unsigned takes)
{
    if (p->takes != takes) {
        p->takes = takes;
        port_tell_changed(p->peer);
    }
}

/* Filters show whole packets to others, who know no header before them. */
unsigned net_port_peer_takes(const NetPort *p)
{
    if (p->peer == NULL || !p->peer->has_vnet || !p->has_vnet) {
        return 0;
    }
    return p->peer->takes;
}

static void port_change_link(NetPort *p, bool down)
{
    if (p->link_down == down) {
        return;
    }
    p->link_down = down;
    if (p->ops->link_changed != NULL) {
        p->ops->link_changed(p);
    }
    if (p->peer != NULL) {
        port_tell_changed(p->peer);
        /* Who waits for a link that is down drops what it has. */
        port_resume_all(p->peer);
    }
    port_resume_all(p);
}

/*
 * The cable between a back end and its card has one state: the guest sees it
 * whichever end is named.  A back end's own state stays when the card's is
 * set, as only one of its two sides was pulled.
 */
void net_port_set_link(NetPort *p, bool up)
{
    port_change_link(p, !up);
    if (!p->ops->is_nic && p->peer != NULL && p->peer->ops->is_nic) {
        port_change_link(p->peer, !up);
    }
}

bool net_port_is_connected(const NetPort *p)
{
    return p->peer != NULL && !p->link_down && !p->peer->link_down;
}

/* ----------------------------------------------------------- packets --- */

static bool port_is_open(const NetPort *p)
{
    return !p->ops->is_nic || p->nets->running;
}

bool net_deliver(NetPort *to, const NetPacket *pkt)
{
    bool taken;

    if (to->link_down || to->busy) {
        return true;
    }
    if (!port_is_open(to)) {
        return false;
    }
    to->busy = true;
    taken = to->ops->receive(to, pkt);
    to->busy = false;
    return taken;
}

bool net_send(NetPort *p, const NetPacket *pkt)
{
    NetPort *peer = p->peer;

    if (pkt->size == 0 || pkt->size > NET_PACKET_MAX || p->link_down ||
        peer == NULL) {
        return true;
    }
    if (net_filters_active(p)) {
        return net_filters_run(p, NULL, NET_DIRECTION_TX, pkt);
    }
    if (net_filters_active(peer)) {
        return net_filters_run(peer, NULL, NET_DIRECTION_RX, pkt);
    }
    return net_deliver(peer, pkt);
}

bool net_send_buf(NetPort *p, const void *buf, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)buf, len };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = len };

    return net_send(p, &pkt);
}

static bool send_from_queue(void *opaque, const NetPacket *pkt)
{
    return net_send(opaque, pkt);
}

void net_send_queued(NetPort *p, const NetPacket *pkt)
{
    if (net_out_empty(p) && net_send(p, pkt)) {
        return;
    }
    net_queue_push(&p->out, pkt);
}

bool net_can_send(const NetPort *p)
{
    return p->peer == NULL || port_is_open(p->peer);
}

bool net_out_empty(const NetPort *p)
{
    return g_queue_is_empty((GQueue *)(uintptr_t)&p->out.packets);
}

void net_port_resume(NetPort *p, unsigned queue)
{
    /* A card looks at its rings next, which are the guest's. */
    if (!net_queue_flush(&p->out, send_from_queue, p) || !port_is_open(p)) {
        return;
    }
    if (p->ops->resume != NULL) {
        p->ops->resume(p, queue);
    }
}

void net_port_ready(NetPort *p, unsigned queue)
{
    net_filters_resume(p);
    if (p->peer != NULL) {
        net_filters_resume(p->peer);
    }
    /* A filter may have parted them. */
    if (p->peer != NULL) {
        net_port_resume(p->peer, queue);
    }
}

/* -------------------------------------------------------------- info --- */

static void print_port(const NetPort *p, GString *out)
{
    g_string_append_printf(out, "%s: index=0,type=%s,", p->name, p->ops->type);
    if (p->ops->is_nic) {
        g_string_append_printf(out, "model=%s,macaddr=" NET_MAC_FMT, p->model,
                               NET_MAC_ARGS(p->mac));
    } else if (p->info != NULL) {
        g_string_append(out, p->info);
    }
    g_string_append_c(out, '\n');
}

static void print_filters(const NetPort *p, GString *out)
{
    if (p == NULL || g_queue_is_empty((GQueue *)(uintptr_t)&p->filters)) {
        return;
    }
    g_string_append(out, "filters:\n");
    for (const GList *e = p->filters.head; e != NULL; e = e->next) {
        const NetFilter *f = e->data;

        g_string_append_printf(out, "  - %s: type=%s\n", f->obj.name,
                               f->obj.type->name);
    }
}

/* A port that stands alone or leads its pair; hubs are listed apart. */
static void print_pair(NetPort *p, void *opaque)
{
    GString *out = opaque;
    NetPort *peer = p->peer;

    if (net_hub_of_port(p, NULL) ||
        (peer != NULL && net_hub_of_port(peer, NULL))) {
        return;
    }
    if (peer == NULL || p->ops->is_nic) {
        print_port(p, out);
        print_filters(p, out);
        if (peer != NULL) {
            g_string_append(out, " \\ ");
            print_port(peer, out);
            print_filters(peer, out);
        }
    } else if (!peer->ops->is_nic && peer->link.next != NULL) {
        /* Two back ends: the later one is printed with the first. */
        print_port(p, out);
    }
}

static void print_hub(Networks *nets, int32_t hub, GString *out)
{
    g_string_append_printf(out, "hub %d\n", hub);
    for (GList *e = nets->ports.tail; e != NULL; e = e->prev) {
        NetPort *p = e->data;
        int32_t id;

        if (!net_hub_of_port(p, &id) || id != hub) {
            continue;
        }
        g_string_append_printf(out, " \\ %s", p->name);
        if (p->peer != NULL) {
            g_string_append(out, ": ");
            print_port(p->peer, out);
        } else {
            g_string_append_c(out, '\n');
        }
    }
}

static void print_hubs(Networks *nets, GString *out)
{
    g_autoptr(GArray) seen = g_array_new(false, false, sizeof(int32_t));

    for (GList *e = nets->ports.head; e != NULL; e = e->next) {
        int32_t id;
        bool known = false;

        if (!net_hub_of_port(e->data, &id)) {
            continue;
        }
        for (guint i = 0; i < seen->len; i++) {
            known = known || g_array_index(seen, int32_t, i) == id;
        }
        if (!known) {
            g_array_append_val(seen, id);
            print_hub(nets, id, out);
        }
    }
}

void networks_print(Networks *nets, GString *out)
{
    print_hubs(nets, out);
    net_ports_foreach(nets, print_pair, out);
}

static void check_port(NetPort *p, void *opaque)
{
    if (p->is_netdev && p->peer == NULL) {
        log_warn("%s %s has no peer",
                 net_hub_of_port(p, NULL) ? "hub port" : "netdev", p->name);
    }
}

void networks_check(Networks *nets)
{
    net_ports_foreach(nets, check_port, NULL);
}
