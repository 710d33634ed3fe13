/*
 * What a user says of a VNC server.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc-opts.h"

#include "ui/console.h"
#include "util/error.h"

enum {
    CONNECTIONS = 32,
    CONNECTIONS_MAX = 1024,
    KEY_DELAY_MS = 10,
    KEY_DELAY_MAX_MS = 1000,
    PORT_MAX = 65535,
};

/* The port of display `text`; 0: an error. */
static unsigned parse_display(const char *text, unsigned base, GError **errp)
{
    uint64_t n;

    if (*text == '\0') {
        error_setf(errp, "vnc port cannot be empty");
        return 0;
    }
    if (!io_parse_uint(text, UINT64_MAX, &n)) {
        error_setf(errp, "can't convert to a number: %s", text);
        return 0;
    }
    if (n > PORT_MAX - VNC_PORT) {
        error_setf(errp, "port %s out of range", text);
        return 0;
    }
    return base + n;
}

/* "HOST:TEXT": the host, without the brackets of an IPv6 address. */
static char *host_before(const char *text, const char *colon)
{
    size_t n = colon - text;

    return *text == '[' && n >= 2 && text[n - 1] == ']'
               ? g_strndup(text + 1, n - 2)
               : g_strndup(text, n);
}

static IoSocketAddress *inet_address(const char *host, unsigned port)
{
    g_autofree char *text = g_strdup_printf("%u", port);

    return io_socket_address_new_inet(host, text);
}

static bool take_address(VncOptions *o, const char *text, GError **errp)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = NULL;
    unsigned port;

    if (g_str_equal(text, "none")) {
        return true;
    }
    if (g_str_has_prefix(text, "unix:")) {
        text += strlen("unix:");
        if (*text == '\0') {
            error_setf(errp, "unix: needs a path");
            return false;
        }
        o->addr = io_socket_address_new_unix(text);
        return true;
    }
    if (colon == NULL) {
        error_setf(errp, "no vnc port specified");
        return false;
    }
    port = parse_display(colon + 1, VNC_PORT, errp);
    if (port == 0) {
        return false;
    }
    host = host_before(text, colon);
    o->addr = inet_address(host, port);
    return true;
}

/* "on", "PORT" or "HOST:PORT". */
static bool take_websocket(VncOptions *o, const char *text, GError **errp)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *host = NULL;
    uint64_t port;
    bool on;

    if (io_parse_bool(text, &on) && !on) {
        return true;
    }
    if (o->addr == NULL || o->addr->type != IO_ADDRESS_INET) {
        error_setf(errp, "websocket=%s needs a host and a display's number",
                   text);
        return false;
    }
    if (io_parse_bool(text, &on)) {
        port = strtoul(o->addr->u.inet.port, NULL, 10) - VNC_PORT +
               VNC_WEBSOCKET_PORT;
    } else if (!io_parse_uint(colon != NULL ? colon + 1 : text, PORT_MAX,
                              &port) ||
               port == 0) {
        error_setf(errp, "websocket=%s: no port from 1 to %d", text, PORT_MAX);
        return false;
    }
    host = colon != NULL ? host_before(text, colon)
                         : g_strdup(o->addr->u.inet.host);
    o->websocket = inet_address(host, port);
    return true;
}

static bool take_to(VncOptions *o, KeyVal *kv, GError **errp)
{
    uint64_t to = 0;

    if (!keyval_has(kv, "to")) {
        return true;
    }
    if (!keyval_get_uint(kv, "to", 0, PORT_MAX - VNC_PORT, &to, errp)) {
        return false;
    }
    if (o->addr == NULL || o->addr->type != IO_ADDRESS_INET) {
        error_setf(errp, "to=%" PRIu64 " needs a host and a display's number",
                   to);
        return false;
    }
    if (VNC_PORT + to < strtoul(o->addr->u.inet.port, NULL, 10)) {
        error_setf(errp, "to=%" PRIu64 " is below the display's number", to);
        return false;
    }
    o->search = true;
    o->addr->u.inet.to = VNC_PORT + to;
    if (o->websocket != NULL &&
        g_strcmp0(keyval_get(kv, "websocket"), "on") == 0) {
        o->websocket->u.inet.to = VNC_WEBSOCKET_PORT + to;
    }
    return true;
}

static bool take_family(VncOptions *o, KeyVal *kv, const char *key,
                        size_t offset, GError **errp)
{
    IoSocketAddress *const addrs[] = { o->addr, o->websocket };
    bool on;

    if (!keyval_has(kv, key)) {
        return true;
    }
    if (!keyval_get_bool(kv, key, &on, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(addrs); i++) {
        if (addrs[i] != NULL && addrs[i]->type == IO_ADDRESS_INET) {
            *(IoTristate *)((char *)addrs[i] + offset) =
                on ? IO_TRISTATE_ON : IO_TRISTATE_OFF;
        }
    }
    return true;
}

/* What other servers do and this one doesn't, where that is asked for. */
static bool check_absent(KeyVal *kv, GError **errp)
{
    static const char *const absent[] = {
        "tls-creds", "tls-authz", "sasl-authz", "password-secret", NULL,
    };
    static const char *const off_only[] = {
        "sasl", "reverse", "lock-key-sync", "power-control", NULL,
    };

    for (size_t i = 0; absent[i] != NULL; i++) {
        if (keyval_get(kv, absent[i]) != NULL) {
            error_setf(errp, "Parameter '%s' is not supported", absent[i]);
            return false;
        }
    }
    for (size_t i = 0; off_only[i] != NULL; i++) {
        bool on = false;

        if (!keyval_get_bool(kv, off_only[i], &on, errp)) {
            return false;
        }
        if (on) {
            error_setf(errp, "%s=on is not supported", off_only[i]);
            return false;
        }
    }
    return true;
}

static bool take_share(VncOptions *o, KeyVal *kv, GError **errp)
{
    static const char *const names[] = {
        [VNC_SHARE_ALLOW_EXCLUSIVE] = "allow-exclusive",
        [VNC_SHARE_FORCE_SHARED] = "force-shared",
        [VNC_SHARE_IGNORE] = "ignore",
    };
    const char *text = keyval_get(kv, "share");

    for (size_t i = 0; text != NULL && i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(text, names[i])) {
            o->share = i;
            return true;
        }
    }
    if (text != NULL) {
        error_setf(errp, "unknown vnc share= option '%s'", text);
    }
    return text == NULL;
}

static bool take_options(VncOptions *o, KeyVal *kv, GError **errp)
{
    const char *websocket = keyval_get(kv, "websocket");
    bool adaptive;

    /* The encoding is what the viewer chose: never adapted behind its back. */
    return (websocket == NULL || take_websocket(o, websocket, errp)) &&
           take_to(o, kv, errp) &&
           take_family(o, kv, "ipv4", offsetof(IoSocketAddress, u.inet.ipv4),
                       errp) &&
           take_family(o, kv, "ipv6", offsetof(IoSocketAddress, u.inet.ipv6),
                       errp) &&
           take_share(o, kv, errp) &&
           keyval_get_bool(kv, "password", &o->password, errp) &&
           keyval_get_bool(kv, "lossy", &o->lossy, errp) &&
           keyval_get_bool(kv, "non-adaptive", &adaptive, errp) &&
           keyval_get_uint(kv, "connections", 1, CONNECTIONS_MAX,
                           &o->connections, errp) &&
           keyval_get_uint(kv, "key-delay-ms", 0, KEY_DELAY_MAX_MS,
                           &o->key_delay_ms, errp) &&
           keyval_get_uint(kv, "head", 0, CONSOLE_MAX_HEADS - 1, &o->head,
                           errp) &&
           check_absent(kv, errp);
}

VncOptions *vnc_options_new(KeyVal *kv, GError **errp)
{
    g_autoptr(VncOptions) o = g_new0(VncOptions, 1);
    const char *text = keyval_get(kv, "vnc");

    o->connections = CONNECTIONS;
    o->key_delay_ms = KEY_DELAY_MS;
    o->text = g_strdup(text != NULL ? text : "");
    o->id = g_strdup(keyval_get(kv, "id"));
    o->display = g_strdup(keyval_get(kv, "display"));
    o->audiodev = g_strdup(keyval_get(kv, "audiodev"));
    if (!take_address(o, o->text, errp) || !take_options(o, kv, errp)) {
        return NULL;
    }
    return g_steal_pointer(&o);
}

void vnc_options_free(VncOptions *o)
{
    if (o == NULL) {
        return;
    }
    g_free(o->text);
    g_free(o->id);
    g_clear_pointer(&o->addr, io_socket_address_free);
    g_clear_pointer(&o->websocket, io_socket_address_free);
    g_free(o->display);
    g_free(o->console);
    g_free(o->audiodev);
    g_free(o);
}
