/*
 * Ports of the host that lead into a user-mode network, and addresses in it
 * that lead to character devices and commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <arpa/inet.h>
#include <slirp/libslirp.h>

#include "net/user.h"

#include "chardev/chardev.h"
#include "system/vm.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

/* Bytes for a character device that it doesn't take yet. */
enum { FORWARD_MAX_WAITING = 1024 * 1024 };

/* A connection of the guest to an address that is a character device. */
struct UserForward {
    Slirp *slirp;
    struct Chardevs *chardevs;
    Chardev *cd;
    void *frontend; /* of chardev_attach() */
    ChardevQueue queue;
    bool owned; /* the device was made for this */
    struct in_addr server;
    int port;
};

/* What of a rule is before "-", and behind it. */
typedef struct HostRule {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
} HostRule;

static bool parse_port(const char *text, uint16_t *ret, const char **why)
{
    uint64_t port;

    if (!parse_uint("port", text, 0, UINT16_MAX, &port, NULL)) {
        *why = "Bad port";
        return false;
    }
    *ret = port;
    return true;
}

/* "[tcp|udp]:[hostaddr]:hostport" */
static bool parse_host_part(const char *text, HostRule *r, const char **why)
{
    g_auto(GStrv) part = g_strsplit(text, ":", 3);

    if (g_strv_length(part) < 2) {
        *why = "No : separators";
        return false;
    }
    if (g_strv_length(part) < 3) {
        *why = "Missing : separator after host address";
        return false;
    }
    if (g_str_equal(part[0], "udp")) {
        r->udp = true;
    } else if (*part[0] != '\0' && !g_str_equal(part[0], "tcp")) {
        *why = "Bad protocol name";
        return false;
    }
    r->host.s_addr = INADDR_ANY;
    if (*part[1] != '\0' && inet_aton(part[1], &r->host) == 0) {
        *why = "Bad host address";
        return false;
    }
    if (!parse_port(part[2], &r->host_port, why)) {
        *why = "Bad host port";
        return false;
    }
    return true;
}

/* "[guestaddr]:guestport" */
static bool parse_guest_part(const char *text, HostRule *r, const char **why)
{
    g_auto(GStrv) part = g_strsplit(text, ":", 2);

    if (g_strv_length(part) < 2) {
        *why = "Missing : separator after guest address";
        return false;
    }
    if (*part[0] != '\0' && inet_aton(part[0], &r->guest) == 0) {
        *why = "Bad guest address";
        return false;
    }
    if (!parse_port(part[1], &r->guest_port, why) || r->guest_port == 0) {
        *why = "Bad guest port";
        return false;
    }
    return true;
}

bool user_hostfwd_add(Slirp *slirp, struct in_addr guest, const char *rule,
                      GError **errp)
{
    g_auto(GStrv) part = g_strsplit(rule, "-", 2);
    const char *why = "Missing - separator";
    HostRule r = { .guest = guest };

    if (part[0] == NULL || !parse_host_part(part[0], &r, &why) ||
        part[1] == NULL || !parse_guest_part(part[1], &r, &why)) {
        error_setf(errp, "Invalid host forwarding rule '%s' (%s)", rule, why);
        return false;
    }
    if (slirp_add_hostfwd(slirp, r.udp, r.host, r.host_port, r.guest,
                          r.guest_port) < 0) {
        error_setf(errp, "Could not set up host forwarding rule '%s'", rule);
        return false;
    }
    return true;
}

bool user_hostfwd_remove(Slirp *slirp, const char *rule, GError **errp)
{
    const char *why = "No : separators";
    HostRule r = { 0 };

    if (!parse_host_part(rule, &r, &why)) {
        error_setf(errp, "invalid format");
        return false;
    }
    if (slirp_remove_hostfwd(slirp, r.udp, r.host, r.host_port) < 0) {
        error_setf(errp, "host forwarding rule for %s not found", rule);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------ guestfwd --- */

static int forward_can_receive(void *opaque)
{
    UserForward *f = opaque;

    return (int)MIN(slirp_socket_can_recv(f->slirp, f->server, f->port),
                    (size_t)INT_MAX);
}

static void forward_receive(void *opaque, const uint8_t *buf, int len)
{
    UserForward *f = opaque;

    slirp_socket_recv(f->slirp, f->server, f->port, buf, len);
}

static ssize_t forward_write(const void *buf, size_t len, void *opaque)
{
    UserForward *f = opaque;

    /* The library can't wait, and a stream with a hole is worse than none. */
    if (f->queue.text->len + len > FORWARD_MAX_WAITING) {
        log_warn("guestfwd: '%s' is too slow: disconnected",
                 chardev_label(f->cd));
        chardev_queue_clear(&f->queue);
        chardev_disconnect(f->cd);
        return len;
    }
    chardev_queue_put(&f->queue, buf, len);
    return len;
}

void user_forward_free(UserForward *f)
{
    if (f->frontend != NULL) {
        chardev_queue_fini(&f->queue);
        chardev_detach(f->cd, f->frontend);
    }
    if (f->owned) {
        chardev_delete(f->chardevs, f->cd);
    }
    g_free(f);
}

static UserForward *forward_new(Slirp *slirp, Vm *vm, const char *label,
                                const char *dev, GError **errp)
{
    UserForward *f = g_new0(UserForward, 1);
    ChardevFrontend fe = {
        .can_receive = forward_can_receive,
        .receive = forward_receive,
        .opaque = f,
    };

    f->slirp = slirp;
    f->chardevs = vm->chardevs;
    if (!chardev_new_from_text(vm->chardevs, label, dev, &f->cd, errp)) {
        g_free(f);
        return NULL;
    }
    if (f->cd == NULL) {
        error_setf(errp, "a forwarding to 'none'");
        g_free(f);
        return NULL;
    }
    f->owned = g_str_equal(chardev_label(f->cd), label);
    if (!chardev_attach(f->cd, &fe, &f->frontend, errp)) {
        user_forward_free(f);
        return NULL;
    }
    chardev_queue_init(&f->queue, f->cd, NULL, NULL);
    return f;
}

/* "[tcp]:server:port-DEV" in its parts; dev points into rule. */
static bool parse_guestfwd(const char *rule, struct in_addr *server,
                           uint16_t *port, const char **ret_dev)
{
    g_auto(GStrv) part = g_strsplit(rule, ":", 3);
    const char *dash, *why;
    g_autofree char *text = NULL;

    if (g_strv_length(part) < 3 ||
        (*part[0] != '\0' && !g_str_equal(part[0], "tcp")) ||
        inet_aton(part[1], server) == 0) {
        return false;
    }
    dash = strchr(part[2], '-');
    if (dash == NULL || dash[1] == '\0') {
        return false;
    }
    text = g_strndup(part[2], dash - part[2]);
    *ret_dev = rule + strlen(rule) - strlen(dash + 1);
    return parse_port(text, port, &why) && *port != 0;
}

bool user_guestfwd_add(Slirp *slirp, Vm *vm, const char *id, const char *rule,
                       UserForward **ret, GError **errp)
{
    struct in_addr server;
    const char *dev;
    uint16_t port;
    g_autofree char *label = NULL;
    UserForward *f = NULL;
    int err;

    if (!parse_guestfwd(rule, &server, &port, &dev)) {
        error_setf(errp, "Invalid guest forwarding rule '%s'", rule);
        return false;
    }
    if (g_str_has_prefix(dev, "cmd:")) {
        err = slirp_add_exec(slirp, dev + strlen("cmd:"), &server, port);
    } else {
        label = g_strdup_printf("guestfwd.%s.%u", id, port);
        f = forward_new(slirp, vm, label, dev, errp);
        if (f == NULL) {
            error_prefix(errp, "guestfwd '%s': ", rule);
            return false;
        }
        f->server = server;
        f->port = port;
        err = slirp_add_guestfwd(slirp, forward_write, f, &server, port);
    }
    if (err < 0) {
        error_setf(errp,
                   "conflicting/invalid host:port in guest forwarding "
                   "rule '%s'",
                   rule);
        if (f != NULL) {
            user_forward_free(f);
        }
        return false;
    }
    *ret = f;
    return true;
}
