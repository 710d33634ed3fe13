/*
 * Back end "user": a network of its own in user space, by libslirp.
 *
 * The library polls its sockets in our main loop: it says before each wait
 * what it waits for.  It takes one packet from each of them at a time, so when
 * some had one they are asked a few times more before the main loop goes on.
 * While packets wait for the card it is asked for no more of them, and so the
 * senders out there wait too.
 *
 * Stream: "slirp" version 4 in the library's own form (older than
 * descriptions).  Its connections don't travel: only those to character
 * devices (guestfwd), the leases of DHCP and the number of the next packet
 * do.  Every network is instance 0, as from a 7.2 machine, so that with
 * several of them the first gets the state of the last.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <arpa/inet.h>
#include <slirp/libslirp.h>

#include "net/user.h"

#include "net/net-priv.h"
#include "system/vm.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lock.h"
#include "util/log.h"
#include "vmstate/vmstate.h"

/* How often the sockets are asked, at most, while vm_lock is held. */
enum { USER_TURNS = 8 };

typedef struct NetUser {
    NetPort port;
    Slirp *slirp;
    GSource *source;
    GPtrArray *polled;    /* GPollFD, part of source */
    GArray *wanted;       /* GPollFD; what the library asked for last */
    bool fed;             /* it has had a packet, and may have some for us */
    int64_t due_us;       /* when the library wants to run; INT64_MAX: never */
    struct in_addr guest; /* where forwardings lead by default */
    GPtrArray *forwards;  /* UserForward */
    VmstateEntry *vmstate;
} NetUser;

typedef struct UserSource {
    GSource source;
    NetUser *u;
} UserSource;

typedef struct UserTimer {
    Timer timer;
    NetUser *u;
    SlirpTimerId id;
    void *opaque;
} UserTimer;

static NetUser *user_of(NetPort *p)
{
    return container_of(p, NetUser, port);
}

static Vm *user_vm(NetUser *u)
{
    return networks_vm(u->port.nets);
}

/* --------------------------------------------- what the library calls --- */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
    NetUser *u = opaque;
    struct iovec iov = { (void *)(uintptr_t)buf, len };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = len };

    net_send_queued(&u->port, &pkt);
    return len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
    NetUser *u = opaque;

    log_guest_error("netdev %s: %s", u->port.name, msg);
}

static int64_t cb_clock_get_ns(void *opaque)
{
    return clock_get_ns(user_vm(opaque)->clocks, CLOCK_TYPE_VIRTUAL);
}

static void timer_fired(void *opaque)
{
    UserTimer *t = opaque;

    slirp_handle_timer(t->u->slirp, t->id, t->opaque);
}

static void *cb_timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
    UserTimer *t = g_new0(UserTimer, 1);

    t->u = opaque;
    t->id = id;
    t->opaque = timer_opaque;
    timer_init(&t->timer, user_vm(t->u)->clocks, CLOCK_TYPE_VIRTUAL,
               timer_fired, t);
    return t;
}

static void cb_timer_free(void *timer, void *opaque)
{
    UserTimer *t = timer;

    timer_del(&t->timer);
    g_free(t);
}

static void cb_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    UserTimer *t = timer;

    timer_mod(&t->timer, expire_ms * NS_PER_MS);
}

/* The wait is to begin anew, with what has changed. */
static void cb_notify(void *opaque)
{
    g_main_context_wakeup(NULL);
}

static void cb_poll_fd(int fd, void *opaque)
{
    g_main_context_wakeup(NULL);
}

static const SlirpCb user_callbacks = {
    .send_packet = cb_send_packet,
    .guest_error = cb_guest_error,
    .clock_get_ns = cb_clock_get_ns,
    .timer_new_opaque = cb_timer_new,
    .timer_free = cb_timer_free,
    .timer_mod = cb_timer_mod,
    .register_poll_fd = cb_poll_fd,
    .unregister_poll_fd = cb_poll_fd,
    .notify = cb_notify,
};

/* ----------------------------------------------------------- main loop --- */

static const struct {
    int slirp;
    GIOCondition glib;
} conditions[] = {
    { SLIRP_POLL_IN, G_IO_IN },   { SLIRP_POLL_OUT, G_IO_OUT },
    { SLIRP_POLL_PRI, G_IO_PRI }, { SLIRP_POLL_ERR, G_IO_ERR },
    { SLIRP_POLL_HUP, G_IO_HUP },
};

static int add_poll(int fd, int events, void *opaque)
{
    NetUser *u = opaque;
    GPollFD p = { .fd = fd };

    for (unsigned i = 0; i < G_N_ELEMENTS(conditions); i++) {
        p.events |= events & conditions[i].slirp ? conditions[i].glib : 0;
    }
    g_array_append_val(u->wanted, p);
    return u->wanted->len - 1;
}

static int get_revents(int idx, void *opaque)
{
    NetUser *u = opaque;
    const GPollFD *p = &g_array_index(u->wanted, GPollFD, idx);
    int events = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(conditions); i++) {
        events |= p->revents & conditions[i].glib ? conditions[i].slirp : 0;
    }
    return events;
}

/* The source polls what is wanted; most times it does so already. */
static void update_polled(NetUser *u)
{
    bool same = u->polled->len == u->wanted->len;

    for (guint i = 0; same && i < u->wanted->len; i++) {
        const GPollFD *old = u->polled->pdata[i];
        const GPollFD *now = &g_array_index(u->wanted, GPollFD, i);

        same = old->fd == now->fd && old->events == now->events;
    }
    if (same) {
        return;
    }
    for (guint i = 0; i < u->polled->len; i++) {
        g_source_remove_poll(u->source, u->polled->pdata[i]);
    }
    g_ptr_array_set_size(u->polled, 0);
    for (guint i = 0; i < u->wanted->len; i++) {
        GPollFD *p =
            g_memdup2(&g_array_index(u->wanted, GPollFD, i), sizeof(*p));

        g_ptr_array_add(u->polled, p);
        g_source_add_poll(u->source, p);
    }
}

/* Returns in how many milliseconds it wants to run; UINT32_MAX: never. */
static uint32_t ask_wanted(NetUser *u)
{
    uint32_t ms = UINT32_MAX;

    g_array_set_size(u->wanted, 0);
    if (net_out_empty(&u->port)) {
        slirp_pollfds_fill(u->slirp, &ms, add_poll, u);
    }
    return ms;
}

static gboolean user_prepare(GSource *source, gint *timeout)
{
    NetUser *u = ((UserSource *)source)->u;
    uint32_t ms;
    VM_LOCK_GUARD();

    ms = ask_wanted(u);
    update_polled(u);
    u->due_us = ms == UINT32_MAX ? INT64_MAX
                                 : g_get_monotonic_time() + (int64_t)ms * 1000;
    *timeout = ms == UINT32_MAX ? -1 : (gint)MIN(ms, (uint32_t)INT_MAX);
    return ms == 0 || u->fed;
}

static gboolean user_check(GSource *source)
{
    NetUser *u = ((UserSource *)source)->u;

    for (guint i = 0; i < u->polled->len; i++) {
        if (((GPollFD *)u->polled->pdata[i])->revents != 0) {
            return TRUE;
        }
    }
    if (__atomic_load_n(&u->fed, __ATOMIC_RELAXED)) {
        return TRUE;
    }
    return g_get_monotonic_time() >= u->due_us;
}

static gboolean user_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    NetUser *u = ((UserSource *)source)->u;
    unsigned turn = 0;
    VM_LOCK_GUARD();

    __atomic_store_n(&u->fed, false, __ATOMIC_RELAXED);
    for (guint i = 0; i < u->polled->len; i++) {
        const GPollFD *p = u->polled->pdata[i];

        g_array_index(u->wanted, GPollFD, i).revents = p->revents;
    }
    do {
        slirp_pollfds_poll(u->slirp, 0, get_revents, u);
        ask_wanted(u);
    } while (++turn < USER_TURNS && u->wanted->len > 0 &&
             g_poll((GPollFD *)u->wanted->data, u->wanted->len, 0) > 0);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs user_source_funcs = {
    .prepare = user_prepare,
    .check = user_check,
    .dispatch = user_dispatch,
};

/* ---------------------------------------------------------------- port --- */

static bool user_receive(NetPort *p, const NetPacket *pkt)
{
    NetUser *u = user_of(p);
    g_autofree uint8_t *flat = NULL;
    const uint8_t *data = pkt->iov[0].iov_base;

    if (pkt->niov != 1) {
        flat = g_malloc(pkt->size);
        iov_to_buf(pkt->iov, pkt->niov, 0, flat, pkt->size);
        data = flat;
    }
    slirp_input(u->slirp, data, (int)pkt->size);
    /* What waited for an answer to ARP goes on in slirp_pollfds_poll(). */
    if (!u->fed) {
        __atomic_store_n(&u->fed, true, __ATOMIC_RELAXED);
        if (!g_main_context_is_owner(NULL)) {
            g_main_context_wakeup(NULL);
        }
    }
    return true;
}

/* Nothing waits any more: the sockets are asked again. */
static void user_resume(NetPort *p, unsigned queue)
{
    g_main_context_wakeup(NULL);
}

static void user_fini(NetPort *p)
{
    NetUser *u = user_of(p);
    Vm *vm = networks_vm(p->nets);

    if (u->vmstate != NULL) {
        vmstate_unregister(vm->vmstates, u->vmstate);
    }
    if (u->source != NULL) {
        g_source_destroy(u->source);
        g_source_unref(u->source);
    }
    g_clear_pointer(&u->forwards, g_ptr_array_unref);
    if (u->slirp != NULL) {
        slirp_cleanup(u->slirp);
    }
}

static void user_free(NetPort *p)
{
    NetUser *u = user_of(p);

    g_ptr_array_unref(u->polled);
    g_array_unref(u->wanted);
    g_free(u);
}

static const NetPortOps user_ops = {
    .type = "user",
    .receive = user_receive,
    .resume = user_resume,
    .fini = user_fini,
    .free = user_free,
};

/* --------------------------------------------------------------- state --- */

static ssize_t state_write(const void *buf, size_t len, void *opaque)
{
    stream_put(opaque, buf, len);
    return len;
}

static ssize_t state_read(void *buf, size_t len, void *opaque)
{
    return stream_get(opaque, buf, len) ? (ssize_t)len : 0;
}

static bool state_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    slirp_state_save(*(Slirp *const *)field, state_write, s);
    return true;
}

static bool state_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    if (slirp_state_load(*(Slirp **)field, slirp_state_version(), state_read,
                         s) != 0) {
        error_setf(errp, "the state doesn't fit the network");
        return false;
    }
    return true;
}

static const VmstateInfo state_info = {
    .name = "buffer",
    .put = state_put,
    .get = state_get,
};

static const Vmstate user_vmstate = {
    .name = "slirp",
    .version = 4,
    .oldest = 4,
    .raw = true,
    .fields =
        (const VmstateField[]){
            { .name = "data",
              .kind = VMS_CUSTOM,
              .offset = offsetof(NetUser, slirp),
              .info = &state_info },
            VMSTATE_END,
        },
};

/* ------------------------------------------------------------- options --- */

typedef struct UserConfig {
    SlirpConfig cfg;
    GPtrArray *search; /* const char *, NULL at the end */
} UserConfig;

static bool parse_v4(const char *what, const char *text, struct in_addr *ret,
                     GError **errp)
{
    if (text != NULL && inet_aton(text, ret) == 0) {
        error_setf(errp, "Failed to parse %s", what);
        return false;
    }
    return true;
}

static bool parse_v6(const char *what, const char *text, struct in6_addr *ret,
                     GError **errp)
{
    if (text != NULL && inet_pton(AF_INET6, text, ret) != 1) {
        error_setf(errp, "Failed to parse %s", what);
        return false;
    }
    return true;
}

/* net=ADDRESS[/BITS or /MASK]; without a mask, that of the address's class. */
static bool parse_net(SlirpConfig *c, const char *text, GError **errp)
{
    g_auto(GStrv) part = g_strsplit(text, "/", 2);
    uint32_t addr;
    uint64_t bits;

    if (!parse_v4("net", part[0] != NULL ? part[0] : "", &c->vnetwork, errp)) {
        return false;
    }
    addr = ntohl(c->vnetwork.s_addr);
    if (part[0] == NULL || part[1] == NULL) {
        c->vnetmask.s_addr = htonl(!(addr & 0x80000000)  ? 0xff000000
                                   : (addr >> 28) == 0xe ? 0xf0000000
                                   : (addr >> 29) == 6   ? 0xffffff00
                                                         : 0xffff0000);
    } else if (parse_uint("net", part[1], 4, 32, &bits, NULL)) {
        c->vnetmask.s_addr = htonl(UINT32_MAX << (32 - bits));
    } else if (inet_aton(part[1], &c->vnetmask) == 0) {
        error_setf(errp, "Failed to parse netmask");
        return false;
    }
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    return true;
}

/* Host 2 is the router, 3 the name server, 15 and more are the guests. */
static bool parse_ipv4(SlirpConfig *c, const NetdevUserOptions *o,
                       GError **errp)
{
    const char *net = o->net != NULL ? o->net : o->ip;
    struct in_addr *of[] = { &c->vhost, &c->vdhcp_start, &c->vnameserver };
    static const char *const not_in[] = {
        "Host doesn't belong to network",
        "DHCP doesn't belong to network",
        "DNS doesn't belong to network",
    };

    c->vnetwork.s_addr = htonl(0x0a000200);
    c->vnetmask.s_addr = htonl(0xffffff00);
    if (net != NULL && !parse_net(c, net, errp)) {
        return false;
    }
    c->vhost.s_addr =
        c->vnetwork.s_addr | (htonl(0x0202) & ~c->vnetmask.s_addr);
    c->vdhcp_start.s_addr =
        c->vnetwork.s_addr | (htonl(0x020f) & ~c->vnetmask.s_addr);
    c->vnameserver.s_addr =
        c->vnetwork.s_addr | (htonl(0x0203) & ~c->vnetmask.s_addr);
    if (!parse_v4("host", o->host, &c->vhost, errp) ||
        !parse_v4("DHCP start address", o->dhcpstart, &c->vdhcp_start, errp) ||
        !parse_v4("DNS", o->dns, &c->vnameserver, errp)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(of); i++) {
        if ((of[i]->s_addr & c->vnetmask.s_addr) != c->vnetwork.s_addr) {
            error_setf(errp, "%s", not_in[i]);
            return false;
        }
    }
    if (c->vnameserver.s_addr == c->vhost.s_addr) {
        error_setf(errp, "DNS must be different from host");
        return false;
    }
    return true;
}

static bool parse_ipv6(SlirpConfig *c, const NetdevUserOptions *o,
                       GError **errp)
{
    int64_t len = o->has_ipv6_prefixlen ? o->ipv6_prefixlen : 64;

    if (!parse_v6("IPv6 prefix", o->ipv6_prefix ? o->ipv6_prefix : "fec0::",
                  &c->vprefix_addr6, errp)) {
        return false;
    }
    if (len < 0 || len > 126) {
        error_setf(errp, "Invalid IPv6 prefix provided (IPv6 prefix length "
                         "must be between 0 and 126)");
        return false;
    }
    c->vprefix_len = len;
    c->vhost6 = c->vprefix_addr6;
    c->vhost6.s6_addr[15] |= 2;
    c->vnameserver6 = c->vprefix_addr6;
    c->vnameserver6.s6_addr[15] |= 3;
    return parse_v6("IPv6 host", o->ipv6_host, &c->vhost6, errp) &&
           parse_v6("IPv6 DNS", o->ipv6_dns, &c->vnameserver6, errp);
}

static bool check_texts(const NetdevUserOptions *o, GError **errp)
{
    if (o->smb != NULL || o->smbserver != NULL) {
        error_setf(errp, "'%s' is not supported: there is no SMB server here",
                   o->smb != NULL ? "smb" : "smbserver");
        return false;
    }
    if (o->hostname != NULL && strlen(o->hostname) > 32) {
        error_setf(errp, "'hostname' parameter is longer than 32 bytes");
        return false;
    }
    if (o->domainname != NULL && strlen(o->domainname) > 255) {
        error_setf(errp, "'domainname' parameter cannot exceed 255 bytes");
        return false;
    }
    if (o->tftp_server_name != NULL && strlen(o->tftp_server_name) > 255) {
        error_setf(errp,
                   "'tftp-server-name' parameter cannot exceed 255 bytes");
        return false;
    }
    if (o->bootfile != NULL && strlen(o->bootfile) > 127) {
        error_setf(errp, "'bootfile' parameter cannot exceed 127 bytes");
        return false;
    }
    return true;
}

static bool user_parse(UserConfig *uc, const NetdevUserOptions *o,
                       GError **errp)
{
    SlirpConfig *c = &uc->cfg;
    bool v4 = !o->has_ipv4 || o->ipv4, v6 = !o->has_ipv6 || o->ipv6;

    /* What speaks for one of them alone switches the other off. */
    if (!o->has_ipv6 && o->has_ipv4 && o->ipv4) {
        v6 = false;
    }
    if (!o->has_ipv4 && o->has_ipv6 && o->ipv6) {
        v4 = false;
    }
    if (!v4 && !v6) {
        error_setf(errp, "IPv4 and IPv6 disabled");
        return false;
    }
    c->version = SLIRP_CONFIG_VERSION_MAX;
    c->restricted = o->has_restrict_ && o->restrict_;
    c->in_enabled = v4;
    c->in6_enabled = v6;
    c->vhostname = o->hostname;
    c->tftp_server_name = o->tftp_server_name;
    c->tftp_path = o->tftp;
    c->bootfile = o->bootfile;
    c->vdomainname = o->domainname;
    for (size_t i = 0; o->dnssearch != NULL && i < o->dnssearch->n; i++) {
        g_ptr_array_add(uc->search, o->dnssearch->items[i]->str);
    }
    g_ptr_array_add(uc->search, NULL);
    c->vdnssearch =
        uc->search->len > 1 ? (const char **)uc->search->pdata : NULL;
    return check_texts(o, errp) && parse_ipv4(c, o, errp) &&
           parse_ipv6(c, o, errp);
}

/* -------------------------------------------------------------- making --- */

static bool user_add_forwards(NetUser *u, const NetdevUserOptions *o,
                              GError **errp)
{
    for (size_t i = 0; o->hostfwd != NULL && i < o->hostfwd->n; i++) {
        if (!user_hostfwd_add(u->slirp, u->guest, o->hostfwd->items[i]->str,
                              errp)) {
            return false;
        }
    }
    for (size_t i = 0; o->guestfwd != NULL && i < o->guestfwd->n; i++) {
        UserForward *f;

        if (!user_guestfwd_add(u->slirp, user_vm(u), u->port.name,
                               o->guestfwd->items[i]->str, &f, errp)) {
            return false;
        }
        if (f != NULL) {
            g_ptr_array_add(u->forwards, f);
        }
    }
    return true;
}

static void user_start(NetUser *u)
{
    Vm *vm = user_vm(u);

    u->source = g_source_new(&user_source_funcs, sizeof(UserSource));
    ((UserSource *)u->source)->u = u;
    g_source_set_name(u->source, "slirp");
    g_source_attach(u->source, NULL);
    if (vm->vmstates != NULL) {
        u->vmstate = vmstate_register(vm->vmstates, NULL, 0, &user_vmstate, u);
    }
}

bool netdev_new_user(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevUserOptions *o = nd->u.user;
    g_autoptr(GPtrArray) search = g_ptr_array_new();
    UserConfig uc = { .search = search };
    char net[INET_ADDRSTRLEN];
    NetUser *u;

    if (!user_parse(&uc, o, errp)) {
        return false;
    }
    u = g_new0(NetUser, 1);
    u->polled = g_ptr_array_new_with_free_func(g_free);
    u->wanted = g_array_new(false, false, sizeof(GPollFD));
    u->forwards =
        g_ptr_array_new_with_free_func((GDestroyNotify)user_forward_free);
    u->guest = uc.cfg.vdhcp_start;
    net_port_init(&u->port, nets, &user_ops, "user", nd->id, 1);
    inet_ntop(AF_INET, &uc.cfg.vnetwork, net, sizeof(net));
    net_port_set_info(&u->port, "net=%s,restrict=%s", net,
                      uc.cfg.restricted ? "on" : "off");
    u->slirp = slirp_new(&uc.cfg, &user_callbacks, u);
    if (u->slirp == NULL) {
        error_setf(errp, "libslirp refuses this network");
        net_port_delete(&u->port);
        return false;
    }
    if (!user_add_forwards(u, o, errp)) {
        net_port_delete(&u->port);
        return false;
    }
    user_start(u);
    return true;
}

/* ------------------------------------------------------------- monitor --- */

typedef struct UserSearch {
    const char *id; /* NULL: any */
    NetUser *found;
    GString *out;
} UserSearch;

static void match_user(NetPort *p, void *opaque)
{
    UserSearch *s = opaque;

    if (p->ops == &user_ops && s->found == NULL &&
        (s->id == NULL || g_str_equal(p->name, s->id))) {
        s->found = user_of(p);
    }
}

bool net_user_hostfwd(Networks *nets, const char *id, const char *rule,
                      bool add, GError **errp)
{
    UserSearch s = { .id = id };

    net_ports_foreach(nets, match_user, &s);
    if (s.found == NULL && id != NULL) {
        error_setf(errp, "unrecognized netdev id '%s'", id);
        return false;
    }
    if (s.found == NULL) {
        error_setf(errp, "user mode network stack not in use");
        return false;
    }
    return add ? user_hostfwd_add(s.found->slirp, s.found->guest, rule, errp)
               : user_hostfwd_remove(s.found->slirp, rule, errp);
}

static void print_user(NetPort *p, void *opaque)
{
    GString *out = opaque;
    int32_t hub = -1;
    g_autofree char *text = NULL;

    if (p->ops != &user_ops) {
        return;
    }
    if (p->peer != NULL) {
        net_hub_of_port(p->peer, &hub);
    }
    text = slirp_connection_info(user_of(p)->slirp);
    g_string_append_printf(out, "Hub %d (%s):\n%s", hub, p->name, text);
}

void net_user_print(Networks *nets, GString *out)
{
    net_ports_foreach(nets, print_user, out);
}
