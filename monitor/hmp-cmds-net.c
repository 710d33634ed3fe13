/*
 * Human monitor: networks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "monitor/hooks.h"
#include "monitor/vm-control.h"
#include "net/announce.h"
#include "net/netdev-opts.h"
#include "net/user.h"
#include "util/error.h"

void hmp_info_network(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(GString) text = g_string_new(NULL);

    networks_print(out->vm->networks, text);
    hmp_printf(out, "%s", text->str);
}

void hmp_info_usernet(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(GString) text = g_string_new(NULL);

    net_user_print(out->vm->networks, text);
    hmp_printf(out, "%s", text->str);
}

void hmp_cmd_netdev_add(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(a->arg[0].text, "type", &err);
    g_autoptr(Netdev) nd = kv != NULL ? netdev_from_keyval(kv, &err) : NULL;

    if (nd == NULL || !vm_control_netdev_add(out->vm, nd, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_netdev_del(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_control_may_change(out->vm, "netdev_del", &err) ||
        !netdev_del(out->vm->networks, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_set_link(HmpOut *out, const HmpArgs *a)
{
    NetPort *p = net_port_find(out->vm->networks, a->arg[0].text);
    GError *err = NULL;

    if (p == NULL) {
        error_setf(&err, "Device '%s' not found", a->arg[0].text);
        hmp_error(out, err);
        return;
    }
    net_port_set_link(p, a->arg[1].num != 0);
}

/* [interfaces] [id], as the migration's parameters say. */
void hmp_cmd_announce_self(HmpOut *out, const HmpArgs *a)
{
    g_auto(GStrv) names =
        a->arg[0].given ? g_strsplit(a->arg[0].text, ",", 0) : NULL;
    NetAnnounce how = { 0 };

    monitor_net_hooks.announce_params(out->vm, &how);
    net_announce_start(out->vm->networks, &how, (const char *const *)names,
                       a->arg[1].given ? a->arg[1].text : NULL);
}

/* [netdev_id] rule: with one word, it is the rule. */
static void hmp_hostfwd(HmpOut *out, const HmpArgs *a, bool add)
{
    bool has_id = a->arg[1].given;
    GError *err = NULL;

    if (!net_user_hostfwd(out->vm->networks, has_id ? a->arg[0].text : NULL,
                          a->arg[has_id].text, add, &err)) {
        hmp_printf(out, "%s\n", err->message);
        g_error_free(err);
    } else if (!add) {
        hmp_printf(out, "host forwarding rule for %s removed\n",
                   a->arg[has_id].text);
    }
}

void hmp_cmd_hostfwd_add(HmpOut *out, const HmpArgs *a)
{
    hmp_hostfwd(out, a, true);
}

void hmp_cmd_hostfwd_remove(HmpOut *out, const HmpArgs *a)
{
    hmp_hostfwd(out, a, false);
}
