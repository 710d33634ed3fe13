/*
 * -netdev vhost-user: the port, its connection, and what the card asks for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/vhost-user.h"

#include "chardev/chardev.h"
#include "net/net-priv.h"
#include "net/vhost-user-mem.h"
#include "net/vhost-user-priv.h"
#include "system/serve.h"
#include "system/strays.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/log.h"
#include "vmstate/vmstate.h"

enum {
    REQUEST_MS = 5000,
    STOP_MS = 1000, /* the guest stands meanwhile */
    MAX_PAIRS = 1024,
    RARP_BYTES = 42, /* at least: headers and the packet */
    RARP_MAC_AT = 22,
};

struct VhostUser {
    NetPort port;
    Vm *vm;
    Chardev *cd;
    void *fe_handle; /* NULL: not attached */
    VhostWorker *worker;
    char *stray_name;    /* who it is, for those who only read it */
    GSource *news;       /* wakes the main loop for them; any thread */
    unsigned connection; /* number of the present one; 0: none */
    bool up;
    bool known; /* features and protocol are those of a back end */
    uint64_t features, protocol, max_queues;

    VhostUserCard card; /* changed NULL: there is none */
    VhostMem *mem;
    unsigned blocker; /* of migrations; 0: none */
    bool started;
};

static VhostUser *of_port(NetPort *p)
{
    return container_of(p, VhostUser, port);
}

bool vhost_user_is_up(const VhostUser *v)
{
    return v->up;
}

uint64_t vhost_user_features(const VhostUser *v)
{
    return v->features;
}

bool vhost_user_has_protocol(const VhostUser *v, unsigned bit)
{
    return v->protocol >> bit & 1;
}

/* ------------------------------------------------------- connection --- */

static void set_up(VhostUser *v, bool up)
{
    if (v->up == up) {
        return;
    }
    v->up = up;
    net_port_set_link(&v->port, up);
    if (v->card.changed != NULL) {
        v->card.changed(v->card.opaque);
    }
}

/* Enough rings, and nothing gone that a driver may be using. */
static bool check_news(const VhostUser *v, const VhostNews *n, GError **errp)
{
    uint64_t gone = v->features & ~n->features;

    if (n->max_queues < v->port.nqueues) {
        error_setf(errp, "queues=%u, but the back end has %" PRIu64,
                   v->port.nqueues, n->max_queues);
        return false;
    }
    if (v->known && gone != 0) {
        error_setf(errp,
                   "the back end came back without features 0x%" PRIx64
                   " that it had",
                   gone);
        return false;
    }
    return true;
}

/* A back end that can't log: nothing can be said about what it writes. */
static void update_blocker(VhostUser *v)
{
    const char *why = NULL;

    if (!(v->features >> VHOST_FEATURE_LOG_ALL & 1)) {
        why = "Migration disabled: vhost lacks VHOST_F_LOG_ALL feature.";
    } else if (!vhost_user_has_protocol(v, VHOST_PROTOCOL_LOG_SHMFD)) {
        why = "Migration disabled: vhost-user backend lacks "
              "VHOST_USER_PROTOCOL_F_LOG_SHMFD feature.";
    }
    if (v->blocker != 0) {
        vmstate_del_blocker(v->vm->vmstates, v->blocker);
        v->blocker = 0;
    }
    if (why != NULL && v->known && v->card.changed != NULL) {
        v->blocker = vmstate_add_blocker(v->vm->vmstates, "%s", why);
    }
}

static bool take_news(VhostUser *v, GError **errp)
{
    VhostNews n;

    if (!vhost_worker_news(v->worker, &n)) {
        return true;
    }
    if (n.connection != v->connection) {
        g_clear_error(&n.err);
        return true; /* of one that is gone already */
    }
    if (n.err != NULL) {
        g_propagate_error(errp, n.err);
        return false;
    }
    if (!check_news(v, &n, errp)) {
        return false;
    }
    v->features = n.features;
    v->protocol = n.protocol;
    v->max_queues = n.max_queues;
    v->known = true;
    update_blocker(v);
    set_up(v, true);
    return true;
}

/* One line; the next connection may be better. */
static void say_lost(VhostUser *v, GError *err)
{
    error_prefix(&err, "vhost-user netdev '%s': ", v->port.name);
    log_take_error(err);
}

static gboolean news_ready(gpointer opaque)
{
    VM_LOCK_GUARD();
    VhostUser *v = opaque;
    GError *err = NULL;

    if (g_source_is_destroyed(g_main_current_source())) {
        return G_SOURCE_REMOVE;
    }
    g_source_set_ready_time(v->news, -1);
    if (!take_news(v, &err)) {
        say_lost(v, err);
        chardev_disconnect(v->cd);
    }
    return G_SOURCE_CONTINUE;
}

static void connection_strayed(void *opaque, const char *why, int fd)
{
    VhostUser *v = opaque;

    strays_add(v->vm->strays, v->stray_name, why, fd);
}

static void tell_news(void *opaque)
{
    VhostUser *v = opaque;

    g_source_set_ready_time(v->news, 0);
}

static void connection_opened(VhostUser *v)
{
    int fd = chardev_unix_fd(v->cd);

    if (fd >= 0) {
        v->connection = vhost_worker_connect(v->worker, fd);
    }
}

static void connection_closed(VhostUser *v)
{
    if (v->connection != 0) {
        v->connection = 0;
        vhost_worker_hang_up(v->worker);
        set_up(v, false);
    }
}

static void chardev_event_seen(void *opaque, ChardevEvent ev)
{
    VhostUser *v = opaque;

    if (ev == CHARDEV_OPENED) {
        connection_opened(v);
    } else if (ev == CHARDEV_CLOSED) {
        connection_closed(v);
    }
}

/* The connection is the worker's: nothing is read here. */
static int takes_no_input(void *opaque)
{
    return 0;
}

static void no_input(void *opaque, const uint8_t *buf, int len)
{
}

static bool nothing_left(void *opaque)
{
    return false;
}

static void peer_has_gone(void *opaque)
{
    VhostUser *v = opaque;

    log_warn("vhost-user netdev '%s': the back end has gone", v->port.name);
    chardev_disconnect(v->cd);
}

/* -------------------------------------------------------------- card --- */

static void table_changed(void *opaque)
{
    VhostUser *v = opaque;

    /* While the memory is being looked at first, there is no v->mem yet. */
    if (v->mem != NULL) {
        vhost_worker_set_table(v->worker, vhost_mem_table(v->mem));
    }
}

static void log_changed(void *opaque, int fd, uint64_t bytes)
{
    VhostUser *v = opaque;

    vhost_worker_set_log(v->worker, fd, bytes);
}

static void card_gone(VhostUser *v)
{
    vhost_user_stop(v);
    v->card = (VhostUserCard){ 0 };
    g_clear_pointer(&v->mem, vhost_mem_free);
    update_blocker(v);
}

bool vhost_user_set_card(VhostUser *v, const VhostUserCard *card, GError **errp)
{
    const VhostMemHooks hooks = {
        .table_changed = table_changed,
        .log_changed = log_changed,
        .opaque = v,
    };

    if (card == NULL) {
        card_gone(v);
        return true;
    }
    v->mem = vhost_mem_new(&v->vm->mem, &hooks);
    if (!vhost_mem_check(v->mem, errp)) {
        g_clear_pointer(&v->mem, vhost_mem_free);
        return false;
    }
    v->card = *card;
    table_changed(v);
    update_blocker(v);
    return true;
}

/* Guest addresses as the back end is to see them. */
static bool map_ring(VhostUser *v, VhostRing *r, GError **errp)
{
    uint64_t desc = vhost_mem_find(v->mem, r->desc, 16ULL * r->size);
    uint64_t avail = vhost_mem_find(v->mem, r->avail, 6 + 2ULL * r->size);
    uint64_t used = vhost_mem_find(v->mem, r->used, 6 + 8ULL * r->size);

    if (desc == 0 || avail == 0 || used == 0) {
        error_setf(errp,
                   "ring %u (0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
                   ") isn't in memory that the back end sees",
                   r->index, r->desc, r->avail, r->used);
        return false;
    }
    r->used_gpa = r->used;
    r->desc = desc;
    r->avail = avail;
    r->used = used;
    return true;
}

bool vhost_user_start(VhostUser *v, const VhostStart *s, GError **errp)
{
    g_autofree VhostRing *rings = g_memdup2(s->rings, s->n * sizeof(*rings));

    for (unsigned i = 0; i < s->n; i++) {
        if (!map_ring(v, &rings[i], errp)) {
            return false;
        }
    }
    vhost_worker_start(v->worker, s->features, s->status, s->mtu, s->go_on,
                       rings, s->n);
    v->started = true;
    return true;
}

void vhost_user_stop(VhostUser *v)
{
    if (v->started) {
        v->started = false;
        vhost_worker_stop(v->worker);
    }
}

void vhost_user_set_call(VhostUser *v, unsigned index, int fd)
{
    vhost_worker_set_call(v->worker, index, fd);
}

void vhost_user_enable(VhostUser *v, unsigned index, bool on)
{
    vhost_worker_enable(v->worker, index, on);
}

void vhost_user_reset(VhostUser *v)
{
    vhost_worker_set_status(v->worker, 0);
}

uint16_t vhost_user_base(const VhostUser *v, unsigned index)
{
    return vhost_worker_base(v->worker, index);
}

void vhost_user_wait_later(VhostUser *v)
{
    vm_outside_wait_later(v->vm, vhost_worker_outside(v->worker));
}

static void rings_settled(void *opaque)
{
    VhostUser *v = opaque;

    if (v->card.settled != NULL) {
        v->card.settled(v->card.opaque);
    }
}

/* -------------------------------------------------------------- port --- */

/*
 * Nothing is sent over such a port; but the guest's announcement, which says
 * in the network where the card is now, is something the back end can do.
 */
static bool vhost_receive(NetPort *p, const NetPacket *pkt)
{
    VhostUser *v = of_port(p);
    uint8_t head[RARP_BYTES];

    if (pkt->size >= RARP_BYTES && v->up &&
        iov_to_buf(pkt->iov, pkt->niov, 0, head, sizeof(head)) ==
            sizeof(head) &&
        lduw_be_p(head + 12) == ETH_TYPE_RARP) {
        vhost_worker_send_rarp(v->worker, head + RARP_MAC_AT);
    }
    return true;
}

static void vhost_fini(NetPort *p)
{
    VhostUser *v = of_port(p);

    if (v->card.changed != NULL) {
        card_gone(v);
    }
    if (v->fe_handle != NULL) {
        chardev_detach(v->cd, v->fe_handle);
        v->fe_handle = NULL;
    }
    if (v->worker != NULL) {
        vm_outside_del(v->vm, vhost_worker_outside(v->worker));
        vhost_worker_quit(v->worker);
    }
    g_source_destroy(v->news);
    g_source_unref(v->news);
    if (v->worker != NULL) {
        vhost_worker_unref(v->worker);
    }
}

static void vhost_free(NetPort *p)
{
    g_free(of_port(p)->stray_name);
    g_free(of_port(p));
}

static const NetPortOps vhost_ops = {
    .type = "vhost-user",
    .wants_rings = true,
    .receive = vhost_receive,
    .fini = vhost_fini,
    .free = vhost_free,
};

VhostUser *vhost_user_of_port(NetPort *p)
{
    return p != NULL && p->ops == &vhost_ops ? of_port(p) : NULL;
}

/* -------------------------------------------------------------- life --- */

static gboolean news_dispatch(GSource *s, GSourceFunc fn, gpointer opaque)
{
    return news_ready(opaque);
}

static GSourceFuncs news_funcs = { .dispatch = news_dispatch };

static VhostUser *vhost_new(Networks *nets, const char *id, Chardev *cd,
                            unsigned nqueues, GError **errp)
{
    VhostUser *v = g_new0(VhostUser, 1);
    VhostWorkerHooks hooks = {
        .name = id,
        .request_ms = REQUEST_MS,
        .stop_ms = STOP_MS,
        .tell = tell_news,
        .stray = connection_strayed,
        .settled = rings_settled,
    };

    v->vm = networks_vm(nets);
    v->cd = cd;
    net_port_init(&v->port, nets, &vhost_ops, vhost_ops.type, id, nqueues);
    v->port.has_vnet = true;
    v->port.takes = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
                    NET_OFFLOAD_ECN | NET_OFFLOAD_UFO;
    v->port.link_down = true;
    net_port_set_info(&v->port, "vhost-user0 to %s", chardev_label(cd));
    v->news = g_source_new(&news_funcs, sizeof(GSource));
    g_source_set_callback(v->news, NULL, v, NULL);
    g_source_attach(v->news, NULL);
    v->stray_name = g_strdup_printf("vhost-user netdev '%s'", id);
    hooks.opaque = v;
    v->worker = vhost_worker_new(&hooks, errp);
    if (v->worker == NULL) {
        net_port_delete(&v->port);
        return NULL;
    }
    vm_outside_add(v->vm, vhost_worker_outside(v->worker));
    return v;
}

typedef struct GreetingWait {
    VhostWorker *worker;
    int64_t since_ns;
} GreetingWait;

static void await_greeting(void *opaque)
{
    const GreetingWait *w = opaque;

    vhost_worker_wait(w->worker, w->since_ns);
}

/*
 * The lock is dropped while it waits, unless the program is starting; other
 * monitors are served, but nobody can use the port.
 */
NO_TSA static void wait_greeted(VhostUser *v)
{
    GreetingWait w = { v->worker, clock_monotonic_ns() };

    if (vm_lock_may_wait()) {
        await_greeting(&w);
        return;
    }
    vhost_worker_ref(w.worker);
    v->port.unready = true;
    vm_serve_until(v->vm, await_greeting, &w);
    v->port.unready = false;
    vhost_worker_unref(w.worker);
}

/*
 * What a card can offer depends on the back end: it has to be there, and to
 * have said what it can, before there is a card.
 */
static bool meet_back_end(VhostUser *v, GError **errp)
{
    const ChardevFrontend fe = {
        .can_receive = takes_no_input,
        .receive = no_input,
        .event = chardev_event_seen,
        .end_of_input = nothing_left,
        .peer_gone = peer_has_gone,
        .opaque = v,
    };

    if (!chardev_wait_peer(v->cd, errp) ||
        !chardev_attach(v->cd, &fe, &v->fe_handle, errp)) {
        return false;
    }
    wait_greeted(v);
    if (!take_news(v, errp)) {
        error_prefix(errp, "vhost-user: ");
        return false;
    }
    if (!v->up) {
        error_setf(errp, "vhost-user: the back end has gone");
    }
    return v->up;
}

static Chardev *find_chardev(Networks *nets, const char *id, GError **errp)
{
    Vm *vm = networks_vm(nets);
    Chardev *cd = vm != NULL && vm->chardevs != NULL
                      ? chardev_find(vm->chardevs, id)
                      : NULL;

    if (cd == NULL) {
        error_setf(errp, "chardev \"%s\" not found", id);
        return NULL;
    }
    if (!chardev_is_socket(cd)) {
        error_setf(errp, "chardev \"%s\" is not reconnectable", id);
        return NULL;
    }
    return cd;
}

bool netdev_new_vhost_user(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevVhostUserOptions *o = nd->u.vhost_user;
    int64_t queues = o->has_queues ? o->queues : 1;
    Chardev *cd = find_chardev(nets, o->chardev, errp);
    VhostUser *v;

    if (cd == NULL) {
        return false;
    }
    if (queues < 1 || queues > MAX_PAIRS) {
        error_setf(errp, "vhost-user number of queues must be in range [1, %d]",
                   MAX_PAIRS);
        return false;
    }
    if (2 * queues > VHOST_MAX_RINGS) {
        error_setf(errp, "vhost-user: queues=%" PRId64 ": at most %d here",
                   queues, VHOST_MAX_RINGS / 2);
        return false;
    }
    /* vhostforce= says what is the case anyway. */
    v = vhost_new(nets, nd->id, cd, queues, errp);
    if (v == NULL) {
        return false;
    }
    if (!meet_back_end(v, errp)) {
        net_port_delete(&v->port);
        return false;
    }
    return true;
}
