/*
 * VNC servers: listeners, who may look, and what monitors are told.  The main
 * thread's side, under vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc-priv.h"

#include <sys/eventfd.h>

#include "system/vm.h"
#include "ui/input.h"
#include "util/error.h"
#include "util/log.h"

enum { BACKLOG = 16 };

struct VncServers {
    Vm *vm;
    const VncHooks *hooks;
    GQueue list; /* VncServer, as they were started */
    GSource *news;
    InputWatcher pointers;
};

/* What monitors are told. */

static NetworkAddressFamily family_of(const IoSocketAddress *addr)
{
    switch (addr->type) {
    case IO_ADDRESS_INET:
        return strchr(addr->u.inet.host, ':') != NULL
                   ? NETWORK_ADDRESS_FAMILY_IPV6
                   : NETWORK_ADDRESS_FAMILY_IPV4;
    case IO_ADDRESS_UNIX:
        return NETWORK_ADDRESS_FAMILY_UNIX;
    case IO_ADDRESS_VSOCK:
        return NETWORK_ADDRESS_FAMILY_VSOCK;
    default:
        return NETWORK_ADDRESS_FAMILY_UNKNOWN;
    }
}

/* Host and service as text; a path is a service. */
static void name_address(const IoSocketAddress *addr, char **ret_host,
                         char **ret_service, NetworkAddressFamily *ret_family)
{
    bool inet = addr != NULL && addr->type == IO_ADDRESS_INET;
    bool un = addr != NULL && addr->type == IO_ADDRESS_UNIX;

    *ret_host = g_strdup(inet ? addr->u.inet.host : "");
    *ret_service = g_strdup(inet ? addr->u.inet.port
                            : un ? addr->u.un.path
                                 : "");
    *ret_family = addr != NULL ? family_of(addr) : NETWORK_ADDRESS_FAMILY_UNIX;
}

static VncPrimaryAuth auth_of(const VncServer *s)
{
    return s->o->password ? VNC_PRIMARY_AUTH_VNC : VNC_PRIMARY_AUTH_NONE;
}

static VncServerInfo *make_server_info(const VncServer *s)
{
    IoListener *l = s->listeners->pdata[s->listeners->len - 1];
    g_autoptr(IoSocketAddress) addr =
        io_listener_local_address(l, io_listener_count(l) - 1);
    VncServerInfo *info = vnc_server_info_new();

    name_address(addr, &info->host, &info->service, &info->family);
    info->auth = g_strdup(vnc_primary_auth_str(auth_of(s)));
    return info;
}

static VncClientInfo *make_client_info(VncClient *c)
{
    g_autoptr(IoSocketAddress) addr = io_channel_peer_address(c->ch);
    VncClientInfo *info = vnc_client_info_new();

    name_address(addr, &info->host, &info->service, &info->family);
    info->websocket = c->websocket;
    return info;
}

static VncClientInfoList *client_infos(const VncServer *s)
{
    VncClientInfoList *list = vnc_client_info_list_new();

    for (GList *l = s->clients.head; l != NULL; l = l->next) {
        VncClient *c = container_of(l, VncClient, link);

        vnc_client_info_list_append(list, vnc_client_info_clone(c->info));
    }
    return list;
}

VncInfo *vnc_info(VncServers *all)
{
    VncInfo *info = vnc_info_new();
    const VncServer *s = all->list.head != NULL
                             ? container_of(all->list.head, VncServer, link)
                             : NULL;

    if (s == NULL || s->info == NULL) {
        return info;
    }
    info->enabled = true;
    info->host = g_strdup(s->info->host);
    info->service = g_strdup(s->info->service);
    info->has_family = true;
    info->family = s->info->family;
    info->auth = g_strdup(s->info->auth);
    info->clients = client_infos(s);
    return info;
}

static VncServerInfo2List *listener_infos(const VncServer *s)
{
    VncServerInfo2List *list = vnc_server_info2_list_new();

    for (unsigned i = 0; i < s->listeners->len; i++) {
        IoListener *l = s->listeners->pdata[i];

        for (size_t k = 0; k < io_listener_count(l); k++) {
            g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, k);
            VncServerInfo2 *info = vnc_server_info2_new();

            name_address(addr, &info->host, &info->service, &info->family);
            info->websocket = i < s->nwebsockets;
            info->auth = auth_of(s);
            vnc_server_info2_list_append(list, info);
        }
    }
    return list;
}

VncInfo2List *vnc_info_all(VncServers *all)
{
    VncInfo2List *list = vnc_info2_list_new();

    for (GList *l = all->list.tail; l != NULL; l = l->prev) {
        const VncServer *s = container_of(l, VncServer, link);
        VncInfo2 *info = vnc_info2_new();

        info->id = g_strdup(s->id);
        info->server = listener_infos(s);
        info->clients = client_infos(s);
        info->auth = auth_of(s);
        info->display = g_strdup(s->o->display);
        vnc_info2_list_append(list, info);
    }
    return list;
}

/* Clients. */

static void vnc_damaged(ConsoleViewer *v, Rect r)
{
    VncClient *c = container_of(v, VncClient, viewer);
    sraRegionPtr region = sraRgnCreateRect(r.x, r.y, r.x + r.w, r.y + r.h);

    lock_acquire(&c->lock);
    sraRgnOr(c->damage, region);
    lock_release(&c->lock);
    sraRgnDestroy(region);
    vnc_client_wake(c);
}

static void vnc_resized(ConsoleViewer *v)
{
    VncClient *c = container_of(v, VncClient, viewer);

    lock_acquire(&c->lock);
    c->con = v->con;
    c->width = v->con->surface.width;
    c->height = v->con->surface.height;
    c->resized = true;
    sraRgnDestroy(c->damage);
    c->damage = sraRgnCreateRect(0, 0, c->width, c->height);
    lock_release(&c->lock);
    vnc_client_wake(c);
}

/* Its thread ends soon, and then it goes. */
static void send_away(VncClient *c)
{
    lock_acquire(&c->lock);
    __atomic_store_n(&c->quit, true, __ATOMIC_RELAXED);
    cond_broadcast(&c->admitted_cond);
    cond_broadcast(&c->inputs_cond);
    lock_release(&c->lock);
    io_channel_shutdown(c->ch, IO_SHUTDOWN_BOTH);
    vnc_client_wake(c);
}

static void free_client(VncClient *c)
{
    g_queue_unlink(&c->server->clients, &c->link);
    timer_del(&c->pump);
    console_viewer_del(&c->viewer);
    sraRgnDestroy(c->damage);
    io_channel_unref(c->ch);
    vnc_client_info_free(c->info);
    close(c->wake_fd);
    cond_fini(&c->inputs_cond);
    cond_fini(&c->admitted_cond);
    lock_fini(&c->lock);
    g_free(c);
}

static void client_gone(VncClient *c)
{
    VncServer *s = c->server;

    thread_join(&c->thread); /* it has done all but return */
    vnc_input_release(c);
    s->all->hooks->disconnected(s->all->vm, s->info, c->info);
    free_client(c);
}

/* Others that are in; `exclusive`: only one that wants to be alone. */
static VncClient *other_client(VncClient *c, bool exclusive)
{
    for (GList *l = c->server->clients.head; l != NULL; l = l->next) {
        VncClient *o = container_of(l, VncClient, link);

        if (o != c && o->initialized && !(exclusive && o->shared) &&
            !__atomic_load_n(&o->quit, __ATOMIC_RELAXED)) {
            return o;
        }
    }
    return NULL;
}

/* Who asks to be alone, and who comes then. */
static bool may_look(VncClient *c, bool shared)
{
    VncClient *o;

    switch (c->server->o->share) {
    case VNC_SHARE_IGNORE:
        return true;
    case VNC_SHARE_FORCE_SHARED:
        return shared;
    default:
        if (shared) {
            return other_client(c, true) == NULL;
        }
        while ((o = other_client(c, false)) != NULL) {
            send_away(o);
        }
        return true;
    }
}

static void let_in(VncClient *c, bool shared)
{
    VncServers *all = c->server->all;

    if (!may_look(c, shared)) {
        send_away(c);
        return;
    }
    c->initialized = true;
    console_viewer_add(c->server->con, &c->viewer);
    console_redraw(c->viewer.con); /* its size, too, may be an old one */
    all->hooks->initialized(all->vm, c->server->info, c->info);
    lock_acquire(&c->lock);
    c->absolute = input_is_absolute(consoles_inputs(all->vm->consoles));
    c->admitted = true;
    cond_broadcast(&c->admitted_cond);
    lock_release(&c->lock);
}

/* What its thread has noted. */
static void look_at(VncClient *c)
{
    bool asks_in, shared, ended, input;

    lock_acquire(&c->lock);
    asks_in = c->asks_in && !c->admitted && !c->quit;
    shared = c->shared;
    ended = c->ended;
    input = c->ninputs > 0;
    lock_release(&c->lock);
    if (input && !timer_pending(&c->pump)) {
        vnc_input_pump(c);
    }
    if (ended) {
        client_gone(c);
    } else if (asks_in) {
        let_in(c, shared);
    }
}

static gboolean news_ready(gpointer opaque)
{
    VM_LOCK_GUARD();
    VncServers *all = opaque;

    if (g_source_is_destroyed(g_main_current_source())) {
        return G_SOURCE_REMOVE;
    }
    g_source_set_ready_time(all->news, -1);
    for (GList *l = all->list.head; l != NULL; l = l->next) {
        VncServer *s = container_of(l, VncServer, link);

        for (GList *k = s->clients.head, *next; k != NULL; k = next) {
            next = k->next;
            look_at(container_of(k, VncClient, link));
        }
    }
    return G_SOURCE_CONTINUE;
}

void vnc_tell(VncServers *all)
{
    g_source_set_ready_time(all->news, 0);
}

static void pointers_changed(void *opaque, bool absolute)
{
    VncServers *all = opaque;

    for (GList *l = all->list.head; l != NULL; l = l->next) {
        VncServer *s = container_of(l, VncServer, link);

        for (GList *k = s->clients.head; k != NULL; k = k->next) {
            VncClient *c = container_of(k, VncClient, link);

            lock_acquire(&c->lock);
            c->absolute = absolute;
            lock_release(&c->lock);
            vnc_client_wake(c);
        }
    }
}

static void start_client(VncServer *s, VncClient *c)
{
    GError *err = NULL;

    if (c->wake_fd < 0) {
        error_setf_errno(&err, errno, "eventfd");
    } else if (thread_create(&c->thread, "vnc-client", vnc_client_run, c,
                             &err)) {
        return;
    }
    error_prefix(&err, "VNC: a client is turned away: ");
    log_take_error(err);
    s->all->hooks->disconnected(s->all->vm, s->info, c->info);
    free_client(c);
}

static void accept_client(VncServer *s, IoChannel *ch, bool websocket)
{
    VncClient *c;

    if (s->clients.length >= s->o->connections) {
        io_channel_unref(ch);
        return;
    }
    c = g_new0(VncClient, 1);
    c->server = s;
    c->ch = ch;
    c->websocket = websocket;
    c->info = make_client_info(c);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->viewer.damaged = vnc_damaged;
    c->viewer.resized = vnc_resized;
    c->damage = sraRgnCreate();
    lock_init(&c->lock);
    cond_init(&c->admitted_cond);
    cond_init(&c->inputs_cond);
    vnc_input_init(c);
    g_queue_push_tail_link(&s->clients, &c->link);
    s->all->hooks->connected(s->all->vm, s->info,
                             (const VncBasicInfo *)c->info);
    start_client(s, c);
}

static void plain_client(IoListener *l, IoChannel *ch, gpointer opaque)
{
    VM_LOCK_GUARD();
    accept_client(opaque, ch, false);
}

static void websocket_client(IoListener *l, IoChannel *ch, gpointer opaque)
{
    VM_LOCK_GUARD();
    accept_client(opaque, ch, true);
}

/* Servers. */

static VncServer *find_server(VncServers *all, const char *id)
{
    for (GList *l = all->list.head; l != NULL; l = l->next) {
        VncServer *s = container_of(l, VncServer, link);

        if (g_str_equal(s->id, id)) {
            return s;
        }
    }
    return NULL;
}

static bool listen_on(VncServer *s, const IoSocketAddress *addr, GError **errp)
{
    IoListener *l;

    if (addr == NULL) {
        return true;
    }
    l = io_listener_new(addr, BACKLOG, errp);
    if (l != NULL) {
        g_ptr_array_add(s->listeners, l);
    }
    return l != NULL;
}

static bool name_server(VncServer *s, GError **errp)
{
    VncServers *all = s->all;
    const char *guest = all->vm->name;

    s->name =
        guest != NULL ? g_strdup_printf("QEMU (%s)", guest) : g_strdup("QEMU");
    if (s->o->id != NULL) {
        s->id = g_strdup(s->o->id);
    } else if (find_server(all, "default") == NULL) {
        s->id = g_strdup("default");
    } else {
        unsigned n = 1;

        do {
            g_free(s->id);
            s->id = g_strdup_printf("vnc%u", ++n);
        } while (find_server(all, s->id) != NULL);
    }
    if (find_server(all, s->id) != NULL) {
        error_setf(errp, "Duplicate ID '%s' for vnc", s->id);
        return false;
    }
    return true;
}

static void free_server(VncServer *s)
{
    g_ptr_array_free(s->listeners, true);
    while (s->clients.head != NULL) {
        VncClient *c = container_of(s->clients.head, VncClient, link);

        send_away(c);
        client_gone(c);
    }
    vnc_server_info_free(s->info);
    vnc_options_free(s->o);
    g_free(s->id);
    g_free(s->name);
    g_free(s->password);
    lock_fini(&s->lock);
    g_free(s);
}

/* With to= each finds a free port on its own, as QEMU's do. */
static bool open_listeners(VncServer *s, GError **errp)
{
    if (!listen_on(s, s->o->websocket, errp)) {
        return false;
    }
    s->nwebsockets = s->listeners->len;
    if (!listen_on(s, s->o->addr, errp)) {
        return false;
    }
    for (unsigned i = 0; i < s->listeners->len; i++) {
        io_listener_set_client_func(s->listeners->pdata[i], NULL,
                                    i < s->nwebsockets ? websocket_client
                                                       : plain_client,
                                    s);
    }
    if (s->listeners->len > 0) {
        s->info = make_server_info(s);
    }
    return true;
}

static bool find_screen(VncServer *s, const VncOptions *o, GError **errp)
{
    Consoles *cs = s->all->vm->consoles;

    s->con = o->console != NULL ? consoles_find(cs, o->console, o->head)
                                : consoles_get(cs, 0);
    if (s->con == NULL) {
        error_setf(errp, "Device '%s' (head %" PRIu64 ") has no console",
                   o->display, o->head);
    }
    return s->con != NULL;
}

VncServer *vnc_server_start(VncServers *all, VncOptions *o, GError **errp)
{
    VncServer *s = g_new0(VncServer, 1);

    vnc_library_init();
    s->all = all;
    s->vm = all->vm;
    s->o = o;
    s->listeners =
        g_ptr_array_new_with_free_func((GDestroyNotify)io_listener_free);
    s->password_ends_s = INT64_MAX;
    lock_init(&s->lock);
    if (!name_server(s, errp) || !find_screen(s, o, errp) ||
        !open_listeners(s, errp)) {
        s->o = NULL;
        free_server(s);
        return NULL;
    }
    g_queue_push_tail_link(&all->list, &s->link);
    return s;
}

char *vnc_server_where(const VncServer *s)
{
    if (s->info == NULL || s->info->family == NETWORK_ADDRESS_FAMILY_UNIX) {
        return NULL;
    }
    return g_strdup_printf("%s:%s", s->info->host, s->info->service);
}

/* Passwords. */

static VncServer *server_for_password(VncServers *all, const char *id,
                                      GError **errp)
{
    VncServer *s = find_server(all, id != NULL ? id : "default");

    if (s == NULL || !s->o->password) {
        error_setf(errp, "Could not set password");
        return NULL;
    }
    return s;
}

/* What a client with this password answers; false: DES refuses it as a key. */
static bool vnc_encrypt(const char *password, const uint8_t from[CHALLENGESIZE],
                        uint8_t to[CHALLENGESIZE])
{
    g_autofree char *key = g_strdup(password);

    memcpy(to, from, CHALLENGESIZE);
    rfbEncryptBytes(to, key);
    return memcmp(to, from, CHALLENGESIZE) != 0;
}

bool vnc_set_password(VncServers *all, const char *id, const char *password,
                      GError **errp)
{
    static const uint8_t any[CHALLENGESIZE] = { 1 };
    uint8_t answer[CHALLENGESIZE];
    VncServer *s = server_for_password(all, id, errp);

    if (s == NULL) {
        return false;
    }
    if (*password != '\0' && !vnc_encrypt(password, any, answer)) {
        error_setf(errp, "Could not set password: it is no key for DES");
        return false;
    }
    LOCK_GUARD(&s->lock);
    g_free(s->password);
    s->password =
        *password != '\0' ? g_strndup(password, VNC_PASSWORD_MAX) : NULL;
    return true;
}

bool vnc_expire_password(VncServers *all, const char *id, int64_t at_s,
                         GError **errp)
{
    VncServer *s = find_server(all, id != NULL ? id : "default");

    if (s == NULL) {
        error_setf(errp, "Could not set password expire time");
        return false;
    }
    LOCK_GUARD(&s->lock);
    s->password_ends_s = at_s;
    return true;
}

bool vnc_password_fits(VncServer *s, const uint8_t challenge[CHALLENGESIZE],
                       const uint8_t response[CHALLENGESIZE])
{
    uint8_t expected[CHALLENGESIZE], differs = 0;
    int64_t now_s = g_get_real_time() / G_USEC_PER_SEC;

    LOCK_GUARD(&s->lock);
    if (s->password == NULL || now_s >= s->password_ends_s ||
        !vnc_encrypt(s->password, challenge, expected)) {
        return false;
    }
    /* As long for each answer, so that it doesn't tell how close it is. */
    for (unsigned i = 0; i < CHALLENGESIZE; i++) {
        differs |= expected[i] ^ response[i];
    }
    return differs == 0;
}

/* All of them. */

static gboolean news_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    return fn(opaque);
}

static GSourceFuncs news_funcs = { .dispatch = news_dispatch };

VncServers *vnc_servers_new(Vm *vm, const VncHooks *hooks)
{
    VncServers *all = g_new0(VncServers, 1);

    all->vm = vm;
    all->hooks = hooks;
    all->news = g_source_new(&news_funcs, sizeof(GSource));
    g_source_set_callback(all->news, news_ready, all, NULL);
    g_source_set_ready_time(all->news, -1);
    g_source_attach(all->news, NULL);
    all->pointers =
        (InputWatcher){ .changed = pointers_changed, .opaque = all };
    input_watcher_add(consoles_inputs(vm->consoles), &all->pointers);
    return all;
}

void vnc_servers_free(VncServers *all)
{
    if (all == NULL) {
        return;
    }
    while (all->list.head != NULL) {
        GList *l = g_queue_pop_head_link(&all->list);

        free_server(container_of(l, VncServer, link));
    }
    input_watcher_del(consoles_inputs(all->vm->consoles), &all->pointers);
    g_source_destroy(all->news);
    g_source_unref(all->news);
    g_free(all);
}
