/*
 * Human monitor: devices that come and go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/vmgenid.h"
#include "hw/core/device-add.h"
#include "hw/usb/usb.h"
#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* DRIVER,help and help print; true: done. */
static bool device_help(HmpOut *out, KeyVal *kv, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *driver = keyval_get(kv, "driver");
    bool ok = true;

    if (!keyval_wants_help(kv)) {
        return false;
    }
    if (driver != NULL && !g_str_equal(driver, "help")) {
        ok = device_print_help(driver, text, errp);
    } else {
        device_print_list(text);
    }
    if (ok) {
        hmp_printf(out, "%s", text->str);
    }
    return true;
}

void hmp_cmd_device_add(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    QmpCtx ctx = { .vm = out->vm };
    g_autoptr(KeyVal) kv = keyval_parse(a->arg[0].text, "driver", &err);
    g_autoptr(JsonValue) args = json_object_new(), ret = NULL;

    if (kv != NULL && !device_help(out, kv, &err)) {
        for (unsigned i = 0; i < keyval_count(kv); i++) {
            json_object_set_string(args, keyval_key_at(kv, i),
                                   keyval_value_at(kv, i));
        }
        qmp_device_add(&ctx, args, &ret, &err);
    }
    if (err != NULL) {
        hmp_error(out, err);
    }
}

void hmp_cmd_device_del(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;
    QmpCtx ctx = { .vm = out->vm };

    if (!qmp_device_del(&ctx, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_info_usb(HmpOut *out, const HmpArgs *a)
{
    if (!usb_print_info(out->vm, out->text)) {
        hmp_printf(out, "Error: the machine has no USB\n");
    }
}

void hmp_info_vm_generation_id(HmpOut *out, const HmpArgs *a)
{
    g_autofree char *text = vmgenid_text(out->vm);

    hmp_printf(out, "%s\n",
               text != NULL ? text
                            : "Error: VM Generation ID device not found");
}
