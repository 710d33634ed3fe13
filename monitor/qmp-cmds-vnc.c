/*
 * QMP commands on VNC servers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/address.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "ui/vnc.h"
#include "util/error.h"

bool qmp_query_vnc(QmpCtx *ctx, VncInfo **ret, GError **errp)
{
    *ret = vnc_info(ctx->vm->vncs);
    return true;
}

bool qmp_query_vnc_servers(QmpCtx *ctx, VncInfo2List **ret, GError **errp)
{
    *ret = vnc_info_all(ctx->vm->vncs);
    return true;
}

bool qmp_change_vnc_password(QmpCtx *ctx, const char *password, GError **errp)
{
    return vnc_set_password(ctx->vm->vncs, NULL, password, errp);
}

bool qmp_set_password(QmpCtx *ctx, const SetPasswordOptions *arg, GError **errp)
{
    return vnc_set_password(ctx->vm->vncs, arg->u.vnc->display, arg->password,
                            errp);
}

/* A point of the wall clock in seconds; false with an error. */
static bool parse_time(const char *text, int64_t *ret_s, GError **errp)
{
    int64_t now_s = g_get_real_time() / G_USEC_PER_SEC;
    bool later = *text == '+';
    uint64_t n;

    if (g_str_equal(text, "now")) {
        *ret_s = 0;
    } else if (g_str_equal(text, "never")) {
        *ret_s = INT64_MAX;
    } else if (io_parse_uint(text + later, INT64_MAX / 2, &n)) {
        *ret_s = later ? now_s + (int64_t)n : (int64_t)n;
    } else {
        error_setf(errp,
                   "Parameter 'time' expects 'now', 'never', +SECONDS or "
                   "seconds since 1970, not '%s'",
                   text);
        return false;
    }
    return true;
}

bool qmp_expire_password(QmpCtx *ctx, const ExpirePasswordOptions *arg,
                         GError **errp)
{
    int64_t at_s;

    return parse_time(arg->time, &at_s, errp) &&
           vnc_expire_password(ctx->vm->vncs, arg->u.vnc->display, at_s, errp);
}

/* There are no windows here, whatever was asked for. */
bool qmp_query_display_options(QmpCtx *ctx, DisplayOptions **ret, GError **errp)
{
    *ret = display_options_new();
    (*ret)->type = DISPLAY_TYPE_NONE;
    return true;
}
