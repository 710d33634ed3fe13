/*
 * Options that connect things: the board's ports, monitors, qtest, devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "gdbstub/gdbstub.h"
#include "hw/core/device-add.h"
#include "hw/core/qtest-pins.h"
#include "hw/display/vga.h"
#include "hw/display/virtio-gpu.h"
#include "hw/i386/fw-cfg.h"
#include "monitor/hmp.h"
#include "monitor/qmp.h"
#include "util/cutils.h"
#include "util/error.h"

/* "chardev:ID" names one that was announced when it was made. */
static void announce_new(const Chardev *cd, const char *label)
{
    if (cd != NULL && g_str_equal(chardev_label(cd), label)) {
        cli_announce_pty(cd);
    }
}

/* A back end by -serial's kind of text; "mon:" adds a monitor to it. */
static bool port_chardev(Cli *cli, const char *label, const char *text,
                         Chardev **ret_cd, GError **errp)
{
    Vm *vm = cli->vm;

    if (!cli_check_stdio(cli, text, errp) ||
        !chardev_new_from_text(vm->chardevs, label, text, ret_cd, errp)) {
        return false;
    }
    announce_new(*ret_cd, label);
    return !g_str_has_prefix(text, "mon:") ||
           hmp_session_new(vm, *ret_cd, true, errp);
}

/* Ports */

static bool port_add(Cli *cli, const char *kind, const char *text, char **slots,
                     unsigned nslots, unsigned *used, GError **errp)
{
    g_autofree char *label = g_strdup_printf("%s%u", kind, *used);
    Chardev *cd = NULL;

    if (*used == nslots) {
        error_setf(errp, "the machine has %u %s ports", nslots, kind);
        return false;
    }
    if (!port_chardev(cli, label, text, &cd, errp)) {
        return false;
    }
    slots[(*used)++] = cd != NULL ? g_strdup(chardev_label(cd)) : NULL;
    return true;
}

bool cli_serial(Cli *cli, CliArg *a, GError **errp)
{
    return port_add(cli, "serial", a->text, cli->vm->machine->serials,
                    MACHINE_SERIALS, &cli->nserials, errp);
}

static bool parallel_add(Cli *cli, const char *text, GError **errp)
{
    Machine *m = cli->vm->machine;
    unsigned n = m->type->parallel_ports ? MACHINE_PARALLELS : 0;

    /* No port is what such a machine has. */
    return (n == 0 && g_str_equal(text, "none")) ||
           port_add(cli, "parallel", text, m->parallels, n, &cli->nparallels,
                    errp);
}

bool cli_parallel(Cli *cli, CliArg *a, GError **errp)
{
    return parallel_add(cli, a->text, errp);
}

bool cli_debugcon(Cli *cli, CliArg *a, GError **errp)
{
    Chardev *cd = NULL;

    if (!port_chardev(cli, "debugcon", a->text, &cd, errp)) {
        return false;
    }
    if (cd != NULL) {
        g_free(cli->debugcon);
        cli->debugcon = g_strdup(chardev_label(cd));
    }
    return true;
}

/* Made when the board is there. */
bool cli_make_debugcon(Cli *cli, GError **errp)
{
    g_autoptr(KeyVal) kv = NULL;

    if (cli->debugcon == NULL) {
        return true;
    }
    kv = keyval_new();
    keyval_add(kv, "driver", "isa-debugcon");
    keyval_add(kv, "chardev", cli->debugcon);
    return device_new_from_keyval(cli->vm, kv, errp) != NULL;
}

/* Monitors */

static bool monitor_chardev(Cli *cli, const char *text, Chardev **ret_cd,
                            GError **errp)
{
    g_autofree char *label =
        g_strdup_printf("compat_monitor%u", cli->nmonitors++);

    if (!cli_check_stdio(cli, text, errp) ||
        !chardev_new_from_text(cli->vm->chardevs, label, text, ret_cd, errp)) {
        return false;
    }
    announce_new(*ret_cd, label);
    return true;
}

static bool monitor_add(Cli *cli, const char *text, GError **errp)
{
    Chardev *cd = NULL;

    return monitor_chardev(cli, text, &cd, errp) &&
           (cd == NULL || hmp_session_new(cli->vm, cd, true, errp));
}

bool cli_monitor(Cli *cli, CliArg *a, GError **errp)
{
    return monitor_add(cli, a->text, errp);
}

bool cli_qmp(Cli *cli, CliArg *a, GError **errp)
{
    bool pretty = g_str_equal(a->opt->name, "qmp-pretty");
    Chardev *cd = NULL;

    return monitor_chardev(cli, a->text, &cd, errp) &&
           (cd == NULL ||
            qmp_session_on_chardev(cli->vm->monitors, cd, pretty, errp));
}

bool cli_mon(Cli *cli, CliArg *a, GError **errp)
{
    static const char *const modes[] = { "readline", "control", NULL };
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "chardev", errp);
    bool pretty = false;
    const char *id;
    Chardev *cd;
    int mode = 0;

    if (kv == NULL || !keyval_get_enum(kv, "mode", modes, &mode, errp) ||
        !keyval_get_bool(kv, "pretty", &pretty, errp)) {
        return false;
    }
    id = keyval_get(kv, "chardev");
    keyval_get(kv, "id"); /* libvirt gives one; nothing refers to it */
    if (!cli_check_keys(kv, errp)) {
        return false;
    }
    cd = id != NULL ? chardev_find(cli->vm->chardevs, id) : NULL;
    if (cd == NULL) {
        error_setf(errp, "chardev \"%s\" not found", id != NULL ? id : "");
        return false;
    }
    return mode == 1
               ? qmp_session_on_chardev(cli->vm->monitors, cd, pretty, errp)
               : hmp_session_new(cli->vm, cd, true, errp);
}

/* What is there without being asked for */

/* Is a device of that type among those of -device? */
static bool has_device(Cli *cli, const char *driver)
{
    for (unsigned i = 0; i < cli->args->len; i++) {
        CliArg *a = cli->args->pdata[i];
        g_autoptr(JsonValue) args = NULL;
        g_autoptr(KeyVal) kv = NULL;
        const char *name = NULL;

        if (a->opt->fn != cli_device) {
            continue;
        }
        /* What is no device at all is refused later. */
        if (*a->text == '{') {
            args = json_parse(a->text, -1, NULL);
            if (args != NULL && json_type(args) == JSON_OBJECT &&
                json_object_has(args, "driver")) {
                name = json_get_string(json_object_get(args, "driver"));
            }
        } else {
            kv = cli_arg_keyval(a, "driver", NULL);
            name = kv != NULL ? keyval_get(kv, "driver") : NULL;
        }
        if (g_strcmp0(name, driver) == 0) {
            return true;
        }
    }
    return false;
}

/* Has the command line said where monitors are, or who has the terminal? */
static bool has_monitor(Cli *cli)
{
    for (unsigned i = 0; i < cli->args->len; i++) {
        CliArg *a = cli->args->pdata[i];
        bool is_port = a->opt->fn == cli_serial || a->opt->fn == cli_debugcon;

        if (a->opt->fn == cli_monitor || a->opt->fn == cli_qmp ||
            a->opt->fn == cli_mon ||
            (is_port && (g_str_has_prefix(a->text, "mon:") ||
                         g_str_equal(a->text, "stdio")))) {
            return true;
        }
    }
    return false;
}

bool cli_default_ports(Cli *cli, GError **errp)
{
    char **slots = cli->vm->machine->serials;
    bool serial = cli->nserials == 0 && !has_device(cli, "isa-serial") &&
                  cli->vm->machine->type->default_cpu != NULL;
    bool parallel = cli->nparallels == 0 && !has_device(cli, "isa-parallel") &&
                    cli->vm->machine->type->parallel_ports;
    /* Without a display there is nobody to look at it elsewhere. */
    bool monitor = cli->nographic && !has_monitor(cli);
    const char *where = !cli->nographic ? "null"
                        : monitor       ? "mon:stdio"
                                        : "stdio";

    if (cli->nodefaults) {
        return true;
    }
    if (parallel && !parallel_add(cli, "null", errp)) {
        return false;
    }
    if (serial) {
        return port_add(cli, "serial", where, slots, MACHINE_SERIALS,
                        &cli->nserials, errp);
    }
    return !monitor || monitor_add(cli, "stdio", errp);
}

/* The debugger's server; -s has no argument. */
bool cli_gdb(Cli *cli, CliArg *a, GError **errp)
{
    const char *device = *a->text ? a->text : GDBSTUB_DEFAULT_DEVICE;

    return cli_check_stdio(cli, device, errp) &&
           gdbstub_start(cli->vm, device, hmp_execute, errp);
}

/* qtest */

bool cli_qtest(Cli *cli, CliArg *a, GError **errp)
{
    Chardev *cd = NULL;

    if (cli->qtest != NULL) {
        error_setf(errp, "there is one already");
        return false;
    }
    if (!cli_check_stdio(cli, a->text, errp) ||
        !chardev_new_from_text(cli->vm->chardevs, "qtest", a->text, &cd,
                               errp)) {
        return false;
    }
    if (cd != NULL) {
        cli->qtest = qtest_server_new(cli->vm, cd, cli->qtest_log,
                                      &device_qtest_pins, errp);
    }
    return cd == NULL || cli->qtest != NULL;
}

bool cli_qtest_log(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->qtest_log);
    cli->qtest_log = g_strdup(a->text);
    return true;
}

/* Devices */

static bool device_help(Cli *cli, KeyVal *kv, GError **errp)
{
    const char *driver = keyval_get(kv, "driver");
    g_autoptr(GString) out = g_string_new(NULL);

    cli->done = true;
    if (driver == NULL || g_str_equal(driver, "help") ||
        g_str_equal(driver, "?")) {
        device_print_list(out);
    } else if (!device_print_help(driver, out, errp)) {
        return false;
    }
    fputs(out->str, stdout);
    return true;
}

/* Help needs no machine, so it is given before there is one. */
bool cli_device_help(Cli *cli, GError **errp)
{
    for (unsigned i = 0; i < cli->args->len && !cli->done; i++) {
        CliArg *a = cli->args->pdata[i];
        g_autoptr(KeyVal) kv = NULL;

        if (a->opt->fn != cli_device || *a->text == '{') {
            continue;
        }
        kv = cli_arg_keyval(a, "driver", NULL);
        if (kv != NULL && keyval_wants_help(kv) &&
            !device_help(cli, kv, errp)) {
            error_prefix(errp, "-device %s: ", a->text);
            return false;
        }
    }
    return true;
}

bool cli_device(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(JsonValue) args = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (*a->text == '{') {
        args = json_parse(a->text, -1, errp);
        return args != NULL &&
               device_new_from_json(cli->vm, args, errp) != NULL;
    }
    kv = cli_arg_keyval(a, "driver", errp);
    return kv != NULL && device_new_from_keyval(cli->vm, kv, errp) != NULL;
}

bool cli_balloon(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = NULL;
    g_autofree char *text = NULL;
    size_t n = strcspn(a->text, ",");

    if (g_str_equal(a->text, "none")) {
        return true;
    }
    if (n != strlen("virtio") || !g_str_has_prefix(a->text, "virtio")) {
        error_setf(errp, "invalid balloon: none, or virtio and properties");
        return false;
    }
    text = g_strdup_printf("virtio-balloon%s", a->text + n);
    kv = keyval_parse(text, "driver", errp);
    return kv != NULL && device_new_from_keyval(cli->vm, kv, errp) != NULL;
}

bool cli_fw_cfg(Cli *cli, CliArg *a, GError **errp)
{
    Machine *m = cli->vm->machine;

    if (m->fw_cfg == NULL) {
        error_setf(errp, "machine '%s' has no fw_cfg device", m->type->name);
        return false;
    }
    return fw_cfg_add_from_opts(m->fw_cfg, a->text, errp);
}

/* Screens: see cli-display.c, too. */

bool cli_vga(Cli *cli, CliArg *a, GError **errp)
{
    static const char *const kinds[] = {
        "cirrus", "vmware", "qxl", "xenfb", "tcx", "cg3", NULL,
    };

    if (g_str_equal(a->text, "help")) {
        printf("none                 no graphic card\n"
               "std                  standard VGA (default)\n"
               "virtio               Virtio VGA\n");
        cli->done = true;
        return true;
    }
    if (g_str_equal(a->text, "none") || g_str_equal(a->text, "std") ||
        g_str_equal(a->text, "virtio")) {
        cli->vga = a->text;
        return true;
    }
    if (g_strv_contains(kinds, a->text)) {
        error_setf(errp, "-vga %s: this video card is not supported yet",
                   a->text);
    } else {
        error_setf(errp, "unknown vga type: %s", a->text);
    }
    return false;
}

/* A card that the board makes, unless users say that there is another. */
bool cli_make_vga(Cli *cli, GError **errp)
{
    Machine *m = cli->vm->machine;
    bool wanted = cli->vga != NULL
                      ? !g_str_equal(cli->vga, "none")
                      : !cli->nodefaults && !has_device(cli, vga_type.name) &&
                            !has_device(cli, virtio_vga_type.name);

    if (wanted && m->type->has_vga) {
        m->vga = cli->vga != NULL && g_str_equal(cli->vga, "virtio")
                     ? &virtio_vga_type
                     : &vga_type;
    } else if (wanted && cli->vga != NULL) {
        error_setf(errp, "-vga %s: machine '%s' has no place for it", cli->vga,
                   m->type->name);
        return false;
    }
    return true;
}

/* Also as JSON; NULL: an error. */
static KeyVal *audiodev_parse(const CliArg *a, GError **errp)
{
    g_autoptr(JsonValue) json = NULL;
    KeyVal *kv;

    if (*a->text != '{') {
        return cli_arg_keyval(a, "driver", errp);
    }
    json = json_parse(a->text, -1, errp);
    if (json == NULL) {
        return NULL;
    }
    kv = keyval_new();
    for (size_t i = 0; i < json_object_len(json); i++) {
        JsonValue *val;
        const char *key = json_object_at(json, i, &val);
        const char *text = json_get_string(val);

        if (text == NULL) {
            error_setf(errp, "Invalid parameter type for '%s', not %s", key,
                       json_type_name(val));
            keyval_free(kv);
            return NULL;
        }
        keyval_add(kv, key, text);
    }
    return kv;
}

/* No device makes a sound here: silence is the one back end that can be. */
bool cli_audiodev(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = audiodev_parse(a, errp);
    const char *driver, *id;

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        printf("Available audio drivers:\nnone\n");
        cli->done = true;
        return true;
    }
    driver = keyval_get(kv, "driver");
    id = keyval_get(kv, "id");
    if (id == NULL || !id_is_valid(id)) {
        error_setf(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    g_ptr_array_add(cli->audiodevs, g_strdup(id));
    if (g_strcmp0(driver, "none") != 0) {
        error_setf(errp, "sound back end '%s' is not supported, only 'none'",
                   driver != NULL ? driver : "");
        return false;
    }
    return cli_check_keys(kv, errp);
}

bool cli_incoming(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->incoming);
    cli->incoming = g_strdup(a->text);
    return true;
}

bool cli_loadvm(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->loadvm);
    cli->loadvm = g_strdup(a->text);
    return true;
}
