/*
 * Where a guest's screen is seen: -display and -vnc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "hw/core/device.h"
#include "ui/vnc.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

enum { DISPLAYS_MAX = 99 }; /* among which one is found by default */

/* "-display none": the parameters of all kinds change nothing here. */
static bool display_none_params(KeyVal *kv, GError **errp)
{
    static const char *const flags[] = {
        "full-screen",
        "window-close",
        "show-cursor",
        NULL,
    };
    const char *gl = keyval_get(kv, "gl");
    bool set = false;

    for (size_t i = 0; flags[i] != NULL; i++) {
        if (!keyval_get_bool(kv, flags[i], &set, errp)) {
            return false;
        }
    }
    if (gl != NULL && !g_str_equal(gl, "off")) {
        error_setf(errp, "OpenGL is not supported by the display");
        return false;
    }
    return cli_check_keys(kv, errp);
}

static bool add_vnc(Cli *cli, KeyVal *kv, GError **errp)
{
    g_autoptr(VncOptions) o = vnc_options_new(kv, errp);

    if (o == NULL || !cli_check_keys(kv, errp)) {
        return false;
    }
    if (o->id != NULL && !id_is_valid(o->id)) {
        error_setf(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    g_ptr_array_add(cli->vncs, g_steal_pointer(&o));
    return true;
}

bool cli_vnc(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "vnc", errp);

    return kv != NULL && add_vnc(cli, kv, errp);
}

/* "-display vnc=HOST:N,...". */
static bool display_vnc(Cli *cli, CliArg *a, GError **errp)
{
    const char *text = a->text + strlen("vnc");
    g_autoptr(KeyVal) kv = NULL;

    if (*text != '=') {
        error_setf(errp, "VNC requires a display argument vnc=<display>");
        return false;
    }
    kv = keyval_parse(text + 1, "vnc", errp);
    return kv != NULL && add_vnc(cli, kv, errp);
}

static bool display_other(Cli *cli, CliArg *a, GError **errp)
{
    static const char *const kinds[] = {
        "spice-app", "sdl",   "gtk",     "curses", "egl-headless",
        "dbus",      "cocoa", "default", NULL,
    };
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "type", errp);
    const char *type;

    if (kv == NULL) {
        return false;
    }
    type = keyval_get(kv, "type");
    if (g_strcmp0(type, "none") == 0) {
        cli->no_display = true;
        return display_none_params(kv, errp);
    }
    if (type != NULL && g_strv_contains(kinds, type)) {
        error_setf(errp, "Display '%s' is not available.", type);
    } else {
        error_setf(errp, "Parameter 'type' does not accept value '%s'",
                   type != NULL ? type : "");
    }
    return false;
}

bool cli_display(Cli *cli, CliArg *a, GError **errp)
{
    size_t n = strcspn(a->text, "=,");
    bool vnc = n == strlen("vnc") && g_str_has_prefix(a->text, "vnc");
    bool unavailable;
    GError *err = NULL;

    if (g_str_equal(a->text, "help")) {
        printf("Available display backend types:\nnone\n");
        cli->done = true;
        return true;
    }
    if (vnc ? display_vnc(cli, a, &err) : display_other(cli, a, &err)) {
        return true;
    }
    unavailable = g_str_has_suffix(err->message, "is not available.");
    if (!unavailable) {
        error_prefix(&err, "-display %s: ", a->text);
    }
    g_propagate_error(errp, err);
    return false;
}

/* Which keys there are is what a viewer says; else as in the United States. */
bool cli_keyboard(Cli *cli, CliArg *a, GError **errp)
{
    if (!g_str_equal(a->text, "en-us")) {
        error_setf(errp, "no keyboard layout '%s': only 'en-us'", a->text);
        return false;
    }
    return true;
}

/* The device by id or path becomes a path, which consoles know it by. */
static bool check_vnc(Cli *cli, VncOptions *o, GError **errp)
{
    Device *dev;

    if (o->audiodev != NULL &&
        !g_ptr_array_find_with_equal_func(cli->audiodevs, o->audiodev,
                                          g_str_equal, NULL)) {
        error_setf(errp, "Audiodev '%s' not found", o->audiodev);
        return false;
    }
    if (o->display == NULL) {
        return true;
    }
    dev = device_find(cli->vm, o->display);
    if (dev == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", o->display);
        return false;
    }
    o->console = object_path(&dev->obj);
    return true;
}

/* Takes over o. */
static bool start_vnc(Cli *cli, VncOptions *o, GError **errp)
{
    bool say = o->search;
    VncServer *s = check_vnc(cli, o, errp)
                       ? vnc_server_start(cli->vm->vncs, o, errp)
                       : NULL;
    g_autofree char *where = NULL;

    if (s == NULL) {
        error_prefix(errp, "-vnc %s: ", o->text);
        vnc_options_free(o);
        return false;
    }
    where = vnc_server_where(s);
    if (say && where != NULL) {
        log_info("VNC server running on %s", where);
    }
    return true;
}

/*
 * Who says nothing of screens gets a server on this host, at the first display
 * that is free.  That there is none isn't his wish refused, and a build without
 * servers doesn't speak of an option that he hasn't used.
 */
static void start_default_vnc(Cli *cli)
{
    g_autofree char *text = g_strdup_printf("localhost:0,to=%d", DISPLAYS_MAX);
    g_autoptr(KeyVal) kv = keyval_parse(text, "vnc", NULL);
    GError *err = NULL;

    if (!start_vnc(cli, vnc_options_new(kv, NULL), &err)) {
        log_take_error(err);
    }
}

bool cli_start_vncs(Cli *cli, GError **errp)
{
    if (cli->vncs->len == 0) {
        if (!cli->no_display && !cli->nographic && cli->vm->vncs != NULL) {
            start_default_vnc(cli);
        }
        return true;
    }
    while (cli->vncs->len > 0) {
        VncOptions *o = g_ptr_array_steal_index(cli->vncs, 0);

        if (!start_vnc(cli, o, errp)) {
            return false;
        }
    }
    return true;
}
