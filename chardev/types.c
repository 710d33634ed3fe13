/*
 * Character devices: the kinds there are, and the old -serial texts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"
#include "io/address.h"
#include "util/error.h"

static const ChardevOps *const chardev_types[] = {
    &chardev_file_ops,   &chardev_mux_ops,    &chardev_null_ops,
    &chardev_pipe_ops,   &chardev_pty_ops,    &chardev_ringbuf_ops,
    &chardev_serial_ops, &chardev_socket_ops, &chardev_stdio_ops,
};

/* Other names that users know. */
static const struct {
    const char *alias;
    const char *type;
} chardev_aliases[] = {
    { "tty", "serial" },
    { "memory", "ringbuf" },
};

/* Kinds that other emulators have: told apart from a slip of the pen. */
static const char *const chardev_missing[] = {
    "udp",      "vc",           "parallel", "msmouse",   "braille", "testdev",
    "wctablet", "qemu-vdagent", "spicevmc", "spiceport", "dbus",    "parport",
};

const char *const *chardev_type_names(void)
{
    static const char *const names[] = { "file",   "mux",    "null",
                                         "pipe",   "pty",    "ringbuf",
                                         "memory", "serial", "socket",
                                         "stdio",  NULL };

    return names;
}

const ChardevOps *chardev_type_find(const char *type, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_aliases); i++) {
        if (!strcmp(chardev_aliases[i].alias, type)) {
            type = chardev_aliases[i].type;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_types); i++) {
        if (!strcmp(chardev_types[i]->type, type)) {
            return chardev_types[i];
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_missing); i++) {
        if (!strcmp(chardev_missing[i], type)) {
            error_setf(errp, "chardev backend '%s' is not supported", type);
            return NULL;
        }
    }
    error_setf(errp, "'%s' is not a valid char driver name", type);
    return NULL;
}

/* "HOST:PORT[,…]" into kv; HOST may be empty or in brackets. */
static bool text_add_inet(KeyVal *kv, const char *hostport, GError **errp)
{
    g_autoptr(IoSocketAddress) addr = NULL;

    if (!io_socket_address_parse_inet(hostport, &addr, errp)) {
        return false;
    }
    keyval_add(kv, "host", addr->u.inet.host);
    keyval_add(kv, "port", addr->u.inet.port);
    return true;
}

/* "tcp:…", "telnet:…" or "unix:…", with the options of -chardev socket. */
static KeyVal *text_parse_socket(const char *rest, bool tcp, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(rest, "first", errp);
    g_autofree char *first = NULL;

    if (!kv) {
        return NULL;
    }
    first = g_strdup(keyval_get(kv, "first"));
    if (!first || !first[0]) {
        error_setf(errp, tcp ? "HOST:PORT is missing"
                             : "'unix:' needs the path of a socket");
        return NULL;
    }
    if (!tcp) {
        keyval_add(kv, "path", first);
    } else if (!text_add_inet(kv, first, errp)) {
        return NULL;
    }
    return g_steal_pointer(&kv);
}

static KeyVal *kv_new(const char *key, const char *value)
{
    KeyVal *kv = keyval_new();

    if (key) {
        keyval_add(kv, key, value);
    }
    return kv;
}

/* The kind and its options; NULL and an error if there is no such thing. */
static KeyVal *text_parse(const char *text, const ChardevOps **ret_ops,
                          GError **errp)
{
    static const char *const plain[] = { "null", "stdio", "pty", "ringbuf" };
    const char *rest;
    g_autofree char *head = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (!strcmp(text, plain[i])) {
            *ret_ops = chardev_type_find(text, errp);
            return kv_new(NULL, NULL);
        }
    }
    if (g_str_has_prefix(text, "/dev/") &&
        !g_str_has_prefix(text, "/dev/parport")) {
        *ret_ops = &chardev_serial_ops;
        return kv_new("path", text);
    }
    rest = strchr(text, ':');
    rest = rest ? rest + 1 : "";
    if (g_str_has_prefix(text, "file:")) {
        *ret_ops = &chardev_file_ops;
        return kv_new("path", rest);
    }
    if (g_str_has_prefix(text, "pipe:")) {
        *ret_ops = &chardev_pipe_ops;
        return kv_new("path", rest);
    }
    if (g_str_has_prefix(text, "tcp:") || g_str_has_prefix(text, "unix:")) {
        *ret_ops = &chardev_socket_ops;
        return text_parse_socket(rest, text[0] == 't', errp);
    }
    if (g_str_has_prefix(text, "telnet:")) {
        KeyVal *kv = text_parse_socket(rest, true, errp);

        if (kv) {
            keyval_add(kv, "telnet", "on");
        }
        *ret_ops = &chardev_socket_ops;
        return kv;
    }
    head = g_strndup(text, strcspn(text, ":,"));
    if (!strcmp(head, "websocket") || g_str_has_prefix(text, "/dev/parport")) {
        error_setf(errp, "character device '%s' is not supported", text);
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_missing); i++) {
        if (!strcmp(head, chardev_missing[i])) {
            error_setf(errp, "character device '%s' is not supported", text);
            return NULL;
        }
    }
    error_setf(errp, "'%s' is not a valid char driver", text);
    return NULL;
}

bool chardev_new_from_text(Chardevs *cs, const char *label, const char *text,
                           Chardev **ret_cd, GError **errp)
{
    const char *device = text;
    const ChardevOps *ops = NULL;
    g_autoptr(KeyVal) kv = NULL;
    bool mux;

    if (!strcmp(text, "none")) {
        *ret_cd = NULL;
        return true;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        Chardev *cd = chardev_find(cs, text + strlen("chardev:"));

        if (!cd) {
            error_setf(errp, "chardev '%s' not found",
                       text + strlen("chardev:"));
            return false;
        }
        *ret_cd = cd;
        return true;
    }
    mux = g_str_has_prefix(text, "mon:");
    if (mux) {
        device = text + strlen("mon:");
    }
    kv = text_parse(device, &ops, errp);
    if (!kv) {
        return false;
    }
    if (mux) {
        keyval_add(kv, "mux", "on");
        /* Ctrl-C is for the guest: there is Ctrl-A x. */
        if (ops == &chardev_stdio_ops) {
            keyval_add(kv, "signal", "off");
        }
    }
    *ret_cd = chardev_create(cs, ops, label, kv, errp);
    return *ret_cd != NULL;
}
