/*
 * QMP commands device_add and device_del.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/vmgenid.h"
#include "hw/core/device-add.h"
#include "hw/usb/usb.h"
#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

/* Properties take any scalar, in quotes or not, as on the command line. */
static JsonValue *args_as_text(const JsonValue *args)
{
    JsonValue *text = json_object_new();

    for (size_t i = 0; i < json_object_len(args); i++) {
        JsonValue *val;
        const char *key = json_object_at(args, i, &val);
        g_autofree char *printed = json_to_string(val, false);
        bool on;

        if (json_get_bool(val, &on)) {
            json_object_set_string(text, key, on ? "on" : "off");
        } else {
            json_object_set_string(text, key,
                                   json_get_string(val) != NULL
                                       ? json_get_string(val)
                                       : printed);
        }
    }
    return text;
}

bool qmp_device_add(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    g_autoptr(JsonValue) text = args_as_text(args);

    if (!vm_control_may_change(ctx->vm, "device_add", errp) ||
        device_new_from_text(ctx->vm, text, errp) == NULL) {
        return false;
    }
    *ret = json_object_new();
    return true;
}

bool qmp_device_del(QmpCtx *ctx, const char *id, GError **errp)
{
    return vm_control_may_change(ctx->vm, "device_del", errp) &&
           device_del_by_id(ctx->vm, id, errp);
}

bool qmp_x_query_usb(QmpCtx *ctx, HumanReadableText **ret, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!usb_print_info(ctx->vm, text)) {
        error_setf(errp, "the machine has no USB");
        return false;
    }
    *ret = human_readable_text_new();
    (*ret)->human_readable_text = g_strdup(text->str);
    return true;
}

bool qmp_query_vm_generation_id(QmpCtx *ctx, GuidInfo **ret, GError **errp)
{
    g_autofree char *text = vmgenid_text(ctx->vm);

    if (text == NULL) {
        error_setf(errp, "VM Generation ID device not found");
        return false;
    }
    *ret = guid_info_new();
    (*ret)->guid = g_steal_pointer(&text);
    return true;
}
