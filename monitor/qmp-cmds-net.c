/*
 * QMP commands on networks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "net/announce.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

bool qmp_netdev_add(QmpCtx *ctx, const Netdev *arg, GError **errp)
{
    return vm_control_netdev_add(ctx->vm, arg, errp);
}

bool qmp_netdev_del(QmpCtx *ctx, const char *id, GError **errp)
{
    return vm_control_may_change(ctx->vm, "netdev_del", errp) &&
           netdev_del(ctx->vm->networks, id, errp);
}

bool qmp_set_link(QmpCtx *ctx, const char *name, bool up, GError **errp)
{
    NetPort *p = net_port_find(ctx->vm->networks, name);

    if (p == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", name);
        return false;
    }
    net_port_set_link(p, up);
    return true;
}

static bool announce_range(const char *name, int64_t val, int64_t min,
                           int64_t max, GError **errp)
{
    if (val < min || val > max) {
        error_setf(errp,
                   "Parameter '%s' expects a value in the range of "
                   "%" PRId64 " to %" PRId64,
                   name, min, max);
        return false;
    }
    return true;
}

bool qmp_announce_self(QmpCtx *ctx, const AnnounceParameters *arg,
                       GError **errp)
{
    NetAnnounce how = {
        .initial_ms = arg->initial,
        .max_ms = arg->max,
        .step_ms = arg->step,
        .rounds = arg->rounds,
    };
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (!announce_range("initial", arg->initial, 1, 100000, errp) ||
        !announce_range("max", arg->max, 1, 100000, errp) ||
        !announce_range("rounds", arg->rounds, 1, 1000, errp) ||
        !announce_range("step", arg->step, 0, 10000, errp)) {
        return false;
    }
    for (size_t i = 0; arg->interfaces != NULL && i < arg->interfaces->n; i++) {
        g_ptr_array_add(names, arg->interfaces->items[i]);
    }
    g_ptr_array_add(names, NULL);
    net_announce_start(ctx->vm->networks, &how,
                       arg->interfaces != NULL
                           ? (const char *const *)names->pdata
                           : NULL,
                       arg->id);
    return true;
}

static void add_filter_info(NetPort *p, void *opaque)
{
    RxFilterInfoList *list = opaque;
    RxFilterInfo *info =
        p->ops->rx_filter != NULL ? p->ops->rx_filter(p) : NULL;

    if (info != NULL) {
        rx_filter_info_list_append(list, info);
    }
}

bool qmp_query_rx_filter(QmpCtx *ctx, const char *name, RxFilterInfoList **ret,
                         GError **errp)
{
    Networks *nets = ctx->vm->networks;
    g_autoptr(RxFilterInfoList) list = rx_filter_info_list_new();
    NetPort *p = name != NULL ? net_port_find(nets, name) : NULL;

    if (name == NULL) {
        net_ports_foreach(nets, add_filter_info, list);
        *ret = g_steal_pointer(&list);
        return true;
    }
    if (p == NULL) {
        error_setf(errp, "invalid net client name: %s", name);
        return false;
    }
    if (!p->ops->is_nic) {
        error_setf(errp, "net client(%s) isn't a NIC", name);
        return false;
    }
    add_filter_info(p, list);
    if (list->n == 0) {
        error_setf(errp, "net client(%s) doesn't support rx-filter querying",
                   name);
        return false;
    }
    *ret = g_steal_pointer(&list);
    return true;
}
