/*
 * Human monitor: VNC servers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "ui/vnc.h"
#include "util/error.h"

static void print_end(HmpOut *out, const char *what, const char *host,
                      const char *service, NetworkAddressFamily family,
                      bool websocket)
{
    hmp_printf(out, "  %s: %s:%s (%s%s)\n", what, host, service,
               network_address_family_str(family),
               websocket ? " (Websocket)" : "");
}

static void print_server(HmpOut *out, const VncInfo2 *info)
{
    const char *auth = vnc_primary_auth_str(info->auth);

    hmp_printf(out, "%s:\n", info->id);
    for (size_t i = 0; i < info->server->n; i++) {
        const VncServerInfo2 *s = info->server->items[i];

        print_end(out, "Server", s->host, s->service, s->family, s->websocket);
        hmp_printf(out, "    Auth: %s (Sub: none)\n", auth);
    }
    for (size_t i = 0; i < info->clients->n; i++) {
        const VncClientInfo *c = info->clients->items[i];

        print_end(out, "Client", c->host, c->service, c->family, c->websocket);
        hmp_printf(out, "    x509_dname: none\n    sasl_username: none\n");
    }
    if (info->server->n == 0) {
        hmp_printf(out, "  Auth: %s (Sub: none)\n", auth);
    }
    if (info->display != NULL) {
        hmp_printf(out, "  Display: %s\n", info->display);
    }
}

void hmp_info_vnc(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(VncInfo2List) list = vnc_info_all(out->vm->vncs);

    if (list->n == 0) {
        hmp_printf(out, "None\n");
    }
    for (size_t i = 0; i < list->n; i++) {
        print_server(out, list->items[i]);
    }
}

static void hmp_vnc_report(HmpOut *out, GError *err)
{
    if (err != NULL) {
        hmp_error(out, err);
    }
}

static bool is_vnc(const char *protocol, GError **errp)
{
    DisplayProtocol p;

    if (!display_protocol_parse(protocol, &p)) {
        error_setf(errp, "invalid parameter value: %s", protocol);
        return false;
    }
    return true;
}

/* protocol, password, display, what becomes of those who are in */
void hmp_cmd_set_password(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    SetPasswordAction action;

    if (is_vnc(a->arg[0].text, &err)) {
        if (a->arg[3].given &&
            !set_password_action_parse(a->arg[3].text, &action)) {
            error_setf(&err, "Invalid parameter 'connected'");
        } else {
            vnc_set_password(out->vm->vncs, a->arg[2].text, a->arg[1].text,
                             &err);
        }
    }
    hmp_vnc_report(out, err);
}

void hmp_cmd_expire_password(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    ExpirePasswordOptionsVnc server = { .display = a->arg[2].text };
    ExpirePasswordOptions o = { .time = a->arg[1].text, .u.vnc = &server };
    GError *err = NULL;

    if (is_vnc(a->arg[0].text, &err)) {
        qmp_expire_password(&ctx, &o, &err);
    }
    hmp_vnc_report(out, err);
}

/* "change vnc password TEXT". */
void hmp_change_vnc(HmpOut *out, const char *what, const char *password)
{
    GError *err = NULL;

    if (!g_str_equal(what, "password") && !g_str_equal(what, "passwd")) {
        hmp_printf(out, "Expected 'password' after 'vnc'\n");
        return;
    }
    if (password == NULL) {
        error_setf(&err, "change vnc password: there is no password");
    } else {
        vnc_set_password(out->vm->vncs, NULL, password, &err);
    }
    hmp_vnc_report(out, err);
}
