/*
 * Character devices: sockets.
 *
 * A server takes one peer at a time; while it has one, further ones wait in
 * the kernel's queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <poll.h>

#include "chardev/chardev-priv.h"
#include "chardev/telnet.h"
#include "io/socket.h"
#include "util/error.h"
#include "util/log.h"

typedef struct ChardevSocket ChardevSocket;

/* A connect under way; it may outlive the device. */
typedef struct SocketAttempt {
    ChardevSocket *owner; /* NULL: gone */
    IoCancel *cancel;
} SocketAttempt;

struct ChardevSocket {
    Chardev cd;
    IoSocketAddress *addr; /* as given; a server's real port once bound */
    bool server;
    bool wait; /* for a first peer; asked for, or as nobody said otherwise */
    bool wait_asked;
    bool nodelay;
    uint64_t reconnect_s; /* 0: never */
    bool telnet;

    IoListener *listener;
    SocketAttempt *attempt; /* or NULL */
    GSource *timer;         /* until the next attempt, or NULL */
    bool complained;        /* about failing; until it works */
    char *names;            /* "LOCAL[,server=on] <-> PEER" or NULL */

    Telnet telnet_in;                        /* of the peer there is */
    bool owes_byte GUARDED_BY(&cd.out_lock); /* half of a doubled IAC is out */
};

static void socket_connect_later(ChardevSocket *s);

/* ---------------------------------------------------------- options --- */

/* What changes what the peer sees, and isn't there yet. */
static bool socket_refuse(KeyVal *kv, GError **errp)
{
    static const char *const flags[] = { "tn3270", "websocket" };
    static const char *const names[] = { "tls-creds", "tls-authz" };

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        bool on = false;

        if (!keyval_get_bool(kv, flags[i], &on, errp)) {
            return false;
        }
        if (on) {
            error_setf(errp, "chardev: socket: '%s' is not supported",
                       flags[i]);
            return false;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (keyval_get(kv, names[i])) {
            error_setf(errp, "chardev: socket: '%s' is not supported",
                       names[i]);
            return false;
        }
    }
    return true;
}

static bool socket_parse_tristate(KeyVal *kv, const char *key, IoTristate *ret,
                                  GError **errp)
{
    bool on = false;

    if (!keyval_get_bool(kv, key, &on, errp)) {
        return false;
    }
    if (keyval_has(kv, key)) {
        *ret = on ? IO_TRISTATE_ON : IO_TRISTATE_OFF;
    }
    return true;
}

static IoSocketAddress *socket_parse_inet(KeyVal *kv, const char *host,
                                          GError **errp)
{
    const char *port = keyval_get(kv, "port");
    g_autoptr(IoSocketAddress) addr = NULL;
    uint64_t to = 0;

    if (!port) {
        error_setf(errp, "chardev: socket: no port given");
        return NULL;
    }
    addr = io_socket_address_new_inet(host, port);
    if (!keyval_get_uint(kv, "to", 0, UINT16_MAX, &to, errp) ||
        !socket_parse_tristate(kv, "ipv4", &addr->u.inet.ipv4, errp) ||
        !socket_parse_tristate(kv, "ipv6", &addr->u.inet.ipv6, errp) ||
        !keyval_get_bool(kv, "keep-alive", &addr->u.inet.keep_alive, errp)) {
        return NULL;
    }
    addr->u.inet.to = to;
    return g_steal_pointer(&addr);
}

static IoSocketAddress *socket_parse_addr(Chardev *cd, KeyVal *kv,
                                          GError **errp)
{
    const char *path = keyval_get(kv, "path");
    const char *host = keyval_get(kv, "host");
    const char *fd = keyval_get(kv, "fd");
    IoSocketAddress *addr;

    if (!!path + !!host + !!fd > 1) {
        error_setf(errp, "None or one of 'path', 'fd' or 'host' option "
                         "required.");
        return NULL;
    }
    if (path) {
        addr = io_socket_address_new_unix(path);
        if (!keyval_get_bool(kv, "abstract", &addr->u.un.abstract, errp) ||
            !keyval_get_bool(kv, "tight", &addr->u.un.tight, errp)) {
            g_clear_pointer(&addr, io_socket_address_free);
        }
        return addr;
    }
    if (fd) {
        int num = chardev_get_fd(cd, fd, errp);

        if (num < 0) {
            return NULL;
        }
        addr = g_new0(IoSocketAddress, 1);
        addr->type = IO_ADDRESS_FD;
        addr->u.fd.str = g_strdup_printf("%d", num);
        return addr;
    }
    if (!host && !keyval_has(kv, "port")) {
        error_setf(errp, "chardev: socket: one of 'path', 'fd' or 'host' is "
                         "required");
        return NULL;
    }
    return socket_parse_inet(kv, host ? host : "", errp);
}

static bool socket_parse(Chardev *cd, KeyVal *kv, GError **errp)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);
    bool delay = true;

    s->wait = true;
    if (!socket_refuse(kv, errp)) {
        return false;
    }
    s->addr = socket_parse_addr(cd, kv, errp);
    if (!s->addr || !keyval_get_bool(kv, "server", &s->server, errp) ||
        !keyval_get_bool(kv, "wait", &s->wait, errp) ||
        !keyval_get_bool(kv, "telnet", &s->telnet, errp) ||
        !keyval_get_bool(kv, "delay", &delay, errp) ||
        !keyval_get_uint(kv, "reconnect", 0, 3600 * 24, &s->reconnect_s,
                         errp)) {
        return false;
    }
    s->nodelay = !delay;
    if (!keyval_get_bool(kv, "nodelay", &s->nodelay, errp)) {
        return false;
    }
    s->wait_asked = s->wait && keyval_has(kv, "wait");
    if (s->server && s->reconnect_s) {
        error_setf(errp, "'reconnect' option is incompatible with socket in "
                         "server listen mode");
        return false;
    }
    if (s->addr->type == IO_ADDRESS_FD && s->reconnect_s) {
        error_setf(errp, "'reconnect' option is incompatible with 'fd'");
        return false;
    }
    if (!s->server && keyval_has(kv, "wait")) {
        error_setf(errp, "'wait' option is incompatible with socket in client "
                         "connect mode");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------- peer --- */

/* As "info chardev" shows an address. */
static char *socket_show(const ChardevSocket *s, const IoSocketAddress *addr)
{
    g_autofree char *text = NULL;

    if (addr->type == IO_ADDRESS_UNIX) {
        return g_strdup_printf("unix:%s%s", addr->u.un.path,
                               !addr->u.un.abstract ? ""
                               : addr->u.un.tight   ? ",abstract=on,tight=on"
                                                    : ",abstract=on,tight=off");
    }
    text = io_socket_address_to_string(addr);
    if (s->telnet && g_str_has_prefix(text, "tcp:")) {
        return g_strconcat("telnet:", text + strlen("tcp:"), NULL);
    }
    return g_steal_pointer(&text);
}

static char *socket_filename(const Chardev *cd)
{
    const ChardevSocket *s = container_of(cd, ChardevSocket, cd);
    g_autofree char *addr = NULL;

    if (cd->open && s->names) {
        return g_strdup(s->names);
    }
    addr = socket_show(s, s->addr);
    return g_strdup_printf("disconnected:%s%s", addr,
                           s->server ? ",server=on" : "");
}

/* A unix peer has no name, and the path is ours on one side only. */
static char *socket_make_names(const ChardevSocket *s, IoChannel *ch)
{
    g_autoptr(IoSocketAddress) local = io_channel_local_address(ch);
    g_autoptr(IoSocketAddress) peer = io_channel_peer_address(ch);
    const char *server = s->server ? ",server=on" : "";
    g_autofree char *l = NULL, *p = NULL;

    if (local && local->type == IO_ADDRESS_INET && peer) {
        l = socket_show(s, local);
        p = socket_show(s, peer);
        return g_strdup_printf("%s%s <-> %s", l, server, strchr(p, ':') + 1);
    }
    if (s->addr->type == IO_ADDRESS_FD && local) {
        l = socket_show(s, s->server || !peer ? local : peer);
    } else {
        l = socket_show(s, s->addr);
    }
    return g_strdup_printf("%s%s", l, server);
}

/*
 * The same from each end of a telnet connection to the front end: commands
 * are between us, and a byte of data that looks like one is doubled.
 */
static int socket_decode(Chardev *cd, uint8_t *buf, int len)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);
    bool had_break;
    int n;

    if (!s->telnet) {
        return len;
    }
    n = telnet_decode(&s->telnet_in, buf, len, &had_break);
    if (had_break) {
        chardev_event(cd, CHARDEV_BREAK);
    }
    return n;
}

static int socket_write(Chardev *cd, const uint8_t *buf, int len)
    REQUIRES(&cd->out_lock)
{
    static const uint8_t iac = TELNET_IAC;
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);
    int done = 0;

    if (!s->telnet) {
        return chardev_write_channel(cd, buf, len);
    }
    while (s->owes_byte || done < len) {
        const uint8_t *p = buf + done;
        int n = 1, plain = 0;

        if (s->owes_byte) {
            n = chardev_write_channel(cd, &iac, 1);
            s->owes_byte = n != 1;
        } else {
            const uint8_t *next = memchr(p, TELNET_IAC, len - done);

            plain = next ? next - p : len - done;
            n = chardev_write_channel(cd, p, MAX(plain, 1));
            s->owes_byte = n == 1 && plain == 0;
            done += MAX(n, 0);
        }
        if (n <= 0 || (plain > 0 && n < plain)) {
            return done > 0 ? done : n;
        }
    }
    return done;
}

/* As much as a new connection takes without waiting. */
static void socket_greet(ChardevSocket *s, IoChannel *ch)
{
    lock_acquire(&s->cd.out_lock);
    s->owes_byte = false;
    lock_release(&s->cd.out_lock);
    s->telnet_in = (Telnet){ 0 };
    if (s->telnet && s->server) {
        io_channel_write(ch, telnet_hello, sizeof(telnet_hello));
    }
}

static void socket_set_peer(ChardevSocket *s, IoChannel *ch)
{
    if (s->listener) {
        io_listener_set_client_func(s->listener, NULL, NULL, NULL);
    }
    if (s->nodelay) {
        io_channel_set_nodelay(ch, true);
    }
    g_free(s->names);
    s->names = socket_make_names(s, ch);
    s->complained = false;
    socket_greet(s, ch);
    chardev_set_channel(&s->cd, ch);
}

static void socket_client(IoListener *l, IoChannel *ch, gpointer opaque)
{
    VM_LOCK_GUARD();

    socket_set_peer(opaque, ch);
}

static void socket_hangup(Chardev *cd)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);

    chardev_ref(cd); /* the front end may react by deleting us */
    chardev_drop_channel(cd);
    if (cd->deleted) {
        /* nobody to wait for */
    } else if (s->listener) {
        io_listener_set_client_func(s->listener, NULL, socket_client, s);
    } else if (s->reconnect_s) {
        socket_connect_later(s);
    }
    chardev_unref(cd);
}

static void socket_disconnect(Chardev *cd)
{
    if (cd->open) {
        socket_hangup(cd);
    }
}

/* ----------------------------------------------------------- client --- */

static void socket_connected(IoChannel *ch, const GError *err, gpointer opaque)
{
    VM_LOCK_GUARD();
    SocketAttempt *a = opaque;
    ChardevSocket *s = a->owner;

    io_cancel_unref(a->cancel);
    g_free(a);
    if (!s) {
        io_channel_unref(ch);
        return;
    }
    s->attempt = NULL;
    if (ch) {
        socket_set_peer(s, ch);
        return;
    }
    if (!s->complained) {
        log_error("Unable to connect character device %s: %s", s->cd.label,
                  err->message);
        s->complained = true;
    }
    if (s->reconnect_s) {
        socket_connect_later(s);
    }
}

static void socket_connect_now(ChardevSocket *s)
{
    SocketAttempt *a;
    IoCancel *cancel = io_cancel_new(NULL);

    if (!cancel) {
        socket_connect_later(s);
        return;
    }
    a = g_new0(SocketAttempt, 1);
    a->owner = s;
    a->cancel = cancel;
    s->attempt = a;
    io_socket_connect_async(s->addr, cancel, 0, NULL, socket_connected, a);
}

static void socket_stop_timer(ChardevSocket *s)
{
    if (s->timer) {
        g_source_destroy(s->timer);
        g_source_unref(s->timer);
        s->timer = NULL;
    }
}

static gboolean socket_tick(gpointer opaque)
{
    VM_LOCK_GUARD();
    ChardevSocket *s = opaque;

    if (!g_source_is_destroyed(g_main_current_source())) {
        socket_stop_timer(s);
        socket_connect_now(s);
    }
    return G_SOURCE_REMOVE;
}

static void socket_connect_later(ChardevSocket *s)
{
    s->timer = g_timeout_source_new(s->reconnect_s * 1000);
    g_source_set_callback(s->timer, socket_tick, s, NULL);
    g_source_attach(s->timer, NULL);
}

/* It isn't the network's fault. */
static void socket_say_interrupted(const IoCancel *interrupt, GError **errp)
{
    if (io_cancel_is_set(interrupt)) {
        g_clear_error(errp);
        error_setf(errp, "interrupted by a signal");
    }
}

static bool socket_start_client(ChardevSocket *s, GError **errp)
{
    IoCancel *interrupt = chardevs_hooks(s->cd.cs)->interrupt;
    IoChannel *ch;

    /* A unix socket connects at once or not at all. */
    if (s->reconnect_s ||
        (!vm_lock_may_wait() && (s->addr->type == IO_ADDRESS_INET ||
                                 s->addr->type == IO_ADDRESS_VSOCK))) {
        socket_connect_now(s);
        return true;
    }
    ch = io_socket_connect(s->addr, interrupt, 0, errp);
    if (!ch) {
        socket_say_interrupted(interrupt, errp);
        return false;
    }
    socket_set_peer(s, ch);
    return true;
}

/* ----------------------------------------------------------- server --- */

static bool socket_accept(ChardevSocket *s, GError **errp)
{
    g_autofree char *name = chardev_filename(&s->cd);
    IoCancel *interrupt = chardevs_hooks(s->cd.cs)->interrupt;
    IoChannel *ch;

    log_info("waiting for connection on: %s", name);
    ch = io_listener_accept(s->listener, interrupt, errp);
    if (!ch) {
        socket_say_interrupted(interrupt, errp);
        return false;
    }
    socket_set_peer(s, ch);
    return true;
}

/* A client again and again; what was under way gives up. */
static bool socket_connect_until(ChardevSocket *s, GError **errp)
{
    IoCancel *interrupt = chardevs_hooks(s->cd.cs)->interrupt;
    struct pollfd p = { .events = POLLIN };

    if (s->attempt) {
        s->attempt->owner = NULL;
        io_cancel_trigger(s->attempt->cancel);
        s->attempt = NULL;
    }
    socket_stop_timer(s);
    for (;;) {
        g_autoptr(GError) err = NULL;
        IoChannel *ch = io_socket_connect(s->addr, interrupt, 0, &err);

        if (ch) {
            socket_set_peer(s, ch);
            return true;
        }
        if (!s->complained) {
            log_error("Unable to connect character device %s: %s: trying "
                      "again",
                      s->cd.label, err->message);
            s->complained = true;
        }
        p.fd = io_cancel_fd(interrupt);
        poll(&p, 1, (int)s->reconnect_s * 1000);
        if (io_cancel_is_set(interrupt)) {
            socket_say_interrupted(interrupt, errp);
            return false;
        }
    }
}

static bool socket_wait_peer(Chardev *cd, GError **errp)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);

    if (!vm_lock_may_wait()) {
        error_setf(errp,
                   "chardev '%s' has no peer: the guest would stand still "
                   "until somebody connects",
                   cd->label);
        return false;
    }
    if (s->listener) {
        io_listener_set_client_func(s->listener, NULL, NULL, NULL);
        return socket_accept(s, errp);
    }
    if (s->reconnect_s) {
        return socket_connect_until(s, errp);
    }
    error_setf(errp, "chardev '%s' has lost its peer", cd->label);
    return false;
}

static bool socket_start_server(ChardevSocket *s, GError **errp)
{
    IoSocketAddress *local;

    if (s->wait_asked && !vm_lock_may_wait()) {
        error_setf(errp,
                   "chardev '%s': 'wait=on': the guest would stand still "
                   "until somebody connects",
                   s->cd.label);
        return false;
    }
    s->listener = io_listener_new(s->addr, 1, errp);
    if (!s->listener) {
        return false;
    }
    local = io_listener_local_address(s->listener, 0);
    /* A unix path stays as given, which may be relative. */
    if (local && s->addr->type != IO_ADDRESS_UNIX) {
        io_socket_address_free(s->addr);
        s->addr = local;
    } else {
        io_socket_address_free(local);
    }
    if (!s->wait || !vm_lock_may_wait()) {
        io_listener_set_client_func(s->listener, NULL, socket_client, s);
        return true;
    }
    return socket_accept(s, errp);
}

static bool socket_start(Chardev *cd, GError **errp)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);

    return s->server ? socket_start_server(s, errp)
                     : socket_start_client(s, errp);
}

static void socket_fini(Chardev *cd)
{
    ChardevSocket *s = container_of(cd, ChardevSocket, cd);

    if (s->attempt) {
        s->attempt->owner = NULL;
        io_cancel_trigger(s->attempt->cancel);
    }
    socket_stop_timer(s);
    io_listener_free(s->listener);
    io_socket_address_free(s->addr);
    g_free(s->names);
}

const ChardevOps chardev_socket_ops = {
    .type = "socket",
    .size = sizeof(ChardevSocket),
    .parse = socket_parse,
    .start = socket_start,
    .fini = socket_fini,
    .filename = socket_filename,
    .write = socket_write,
    .decode = socket_decode,
    .hangup = socket_hangup,
    .disconnect = socket_disconnect,
    .wait_peer = socket_wait_peer,
};
