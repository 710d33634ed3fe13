/*
 * Options that make back ends: descriptors, character devices, objects,
 * drives; and -set, which changes any item that has an id.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include <fcntl.h>

#include "block/blockdev-opts.h"
#include "hw/core/device-add.h"
#include "hw/core/numa.h"
#include "monitor/qmp-fds.h"
#include "monitor/qmp.h"
#include "qom/object-make.h"
#include "system/hostmem.h"
#include "util/cutils.h"
#include "util/error.h"
#include "vmstate/vmstate.h"

/* -add-fd */

bool cli_add_fd(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);
    AddfdInfo *info = NULL;
    int64_t fd = -1, set = -1;
    int copy;

    if (kv == NULL || !keyval_get_int(kv, "fd", INT_MIN, INT_MAX, &fd, errp) ||
        !keyval_get_int(kv, "set", INT64_MIN, INT64_MAX, &set, errp)) {
        return false;
    }
    if (fd < 0) {
        error_setf(errp, "fd option is required and must be non-negative");
        return false;
    }
    if (fd <= STDERR_FILENO) {
        error_setf(errp, "fd cannot be a standard I/O stream");
        return false;
    }
    if (set < 0) {
        error_setf(errp, "set option is required and must be non-negative");
        return false;
    }
    /* It came over exec: one that is ours has the flag set. */
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ||
        (copy = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        error_setf(errp, "fd is not valid or already in use");
        return false;
    }
    if (!qmp_fdset_add(monitors_fds(cli->vm->monitors), true, set, copy,
                       keyval_get(kv, "opaque"), &info, errp)) {
        return false;
    }
    addfd_info_free(info);
    return cli_check_keys(kv, errp);
}

/* Character devices */

/* A daemon has no terminal. */
bool cli_check_stdio(const Cli *cli, const char *device, GError **errp)
{
    if (cli->daemonize &&
        (g_str_equal(device, "stdio") || g_str_equal(device, "mon:stdio"))) {
        error_setf(errp, "cannot use stdio with -daemonize");
        return false;
    }
    return true;
}

void cli_announce_pty(const Chardev *cd)
{
    if (chardev_pty_path(cd) != NULL) {
        printf("char device redirected to %s (label %s)\n",
               chardev_pty_path(cd), chardev_label(cd));
        fflush(stdout);
    }
}

bool cli_chardev(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "backend", errp);
    const char *const *names = chardev_type_names();
    Chardev *cd;

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        printf("Available chardev backend types: \n");
        for (unsigned i = 0; names[i] != NULL; i++) {
            printf("  %s\n", names[i]);
        }
        cli->done = true;
        return true;
    }
    if (keyval_has(kv, "backend") &&
        !cli_check_stdio(cli, keyval_get(kv, "backend"), errp)) {
        return false;
    }
    cd = chardev_new_from_keyval(cli->vm->chardevs, kv, errp);
    if (cd != NULL) {
        cli_announce_pty(cd);
    }
    return cd != NULL;
}

bool cli_echr(Cli *cli, CliArg *a, GError **errp)
{
    uint64_t c = 0;

    if (!parse_uint("escape character", a->text, 0, 255, &c, errp)) {
        return false;
    }
    chardevs_set_escape(cli->vm->chardevs, c);
    return true;
}

/* Objects */

static void print_object_type(const ObjectType *t, void *opaque)
{
    if (t->user_creatable) {
        printf("  %s\n", t->name);
    }
}

static bool object_help(const char *name, GError **errp)
{
    const ObjectType *t = name != NULL ? object_type_find(name) : NULL;
    g_autoptr(GString) out = g_string_new(NULL);

    if (t == NULL || !t->user_creatable) {
        printf("List of user creatable objects:\n");
        object_types_foreach(print_object_type, NULL);
        return true;
    }
    object_type_print_help(t, t->name, out);
    fputs(out->str, stdout);
    return true;
}

/* Filters look for a network back end, and so they are made after those. */
static bool is_filter(const JsonValue *args)
{
    const char *type = json_get_string(json_object_get(args, "qom-type"));

    return type != NULL && g_str_has_prefix(type, "filter-");
}

static bool object_from_arg(Cli *cli, CliArg *a, bool filters, GError **errp)
{
    g_autoptr(KeyVal) kv = NULL;
    g_autoptr(JsonValue) args = NULL;

    if (*a->text == '{') {
        args = json_parse(a->text, -1, errp);
        return args != NULL && (is_filter(args) != filters ||
                                object_make(cli->vm->root, args, false, errp));
    }
    kv = cli_arg_keyval(a, "qom-type", errp);
    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        cli->done = true;
        return object_help(keyval_get(kv, "qom-type"), errp);
    }
    args = object_args_from_keyval(kv);
    return is_filter(args) != filters ||
           object_make(cli->vm->root, args, true, errp);
}

bool cli_object(Cli *cli, CliArg *a, GError **errp)
{
    return object_from_arg(cli, a, false, errp);
}

bool cli_make_filters(Cli *cli, GError **errp)
{
    for (unsigned i = 0; i < cli->args->len; i++) {
        CliArg *a = cli->args->pdata[i];

        if (a->opt->fn == cli_object && !object_from_arg(cli, a, true, errp)) {
            error_prefix(errp, "-object %s: ", a->text);
            return false;
        }
    }
    return true;
}

/*
 * Old command lines have -mem-path and a vhost-user back end, which can only
 * see memory that is shared, and don't say so.
 */
static bool has_vhost_user(const Cli *cli)
{
    for (guint i = 0; i < cli->args->len; i++) {
        const CliArg *a = cli->args->pdata[i];
        bool net = a->opt->fn == cli_netdev || a->opt->fn == cli_nic;

        if (net && (g_str_has_prefix(a->text, "vhost-user,") ||
                    strstr(a->text, "type=vhost-user") != NULL ||
                    strstr(a->text, "\"vhost-user\"") != NULL)) {
            return true;
        }
    }
    return false;
}

bool cli_numa(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "type", errp);

    return kv != NULL && numa_add(cli->vm->machine, kv, errp);
}

/* -mem-prealloc is for memory backends that have a name, too. */
static bool prealloc_backends(const Vm *vm, GError **errp)
{
    const Object *objects = object_child(vm->root, "objects");
    guint n = objects->children != NULL ? objects->children->len : 0;

    for (guint i = 0; i < n; i++) {
        Object *obj = objects->children->pdata[i];

        if (hostmem_from_object(obj) != NULL &&
            !object_prop_set_str(obj, "prealloc", "on", errp)) {
            return false;
        }
    }
    return true;
}

/* -mem-path and -mem-prealloc are a memory back end without a name. */
bool cli_make_memory(Cli *cli, GError **errp)
{
    Machine *m = cli->vm->machine;
    g_autoptr(JsonValue) args = NULL;

    if (cli->mem_path == NULL && !cli->mem_prealloc) {
        return true;
    }
    if (m->memory_backend != NULL || m->numa != NULL) {
        if (cli->mem_path != NULL) {
            error_setf(errp, "'-mem-path' can't be used with a memory "
                             "backend: it has options of its own");
            return false;
        }
        return prealloc_backends(cli->vm, errp);
    }
    if (m->ram_size == 0) {
        return true;
    }
    args = json_object_new();
    json_object_set_string(args, "qom-type",
                           cli->mem_path != NULL ? "memory-backend-file"
                                                 : "memory-backend-ram");
    json_object_set_string(args, "id", m->type->ram_id);
    json_object_set_string(args, "mem-path", cli->mem_path);
    json_object_set_uint(args, "size", m->ram_size);
    json_object_set_bool(args, "prealloc", cli->mem_prealloc);
    json_object_set_uint(args, "prealloc-threads", MAX(m->smp.cpus, 1u));
    json_object_set_bool(args, "merge", m->mem_merge);
    json_object_set_bool(args, "dump", m->dump_guest_core);
    if (cli->mem_path != NULL && has_vhost_user(cli)) {
        json_object_set_bool(args, "share", true);
    }
    if (!object_make(cli->vm->root, args, false, errp)) {
        return false;
    }
    m->memory_backend = g_strdup(m->type->ram_id);
    return true;
}

/* Drives */

static bool drive_make(Cli *cli, KeyVal *kv, GError **errp)
{
    Vm *vm = cli->vm;
    BlockBackend *b;

    if (cli->snapshot && !keyval_has(kv, "snapshot")) {
        keyval_add(kv, "snapshot", "on");
    }
    b = block_new_from_keyval(vm->blocks, kv, errp);
    if (b != NULL && block_is_temporary(b)) {
        /* The other side would miss what the guest has written. */
        vmstate_add_blocker(vm->vmstates,
                            "drive '%s' has snapshot=on: what was written is "
                            "in a temporary file",
                            block_name(b));
    }
    return b != NULL;
}

bool cli_drive(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);
    const char *format;

    if (kv == NULL) {
        return false;
    }
    format = keyval_get(kv, "format");
    if (format != NULL &&
        (g_str_equal(format, "help") || g_str_equal(format, "?"))) {
        g_autoptr(GString) names = g_string_new(NULL);

        block_drivers_print(names);
        printf("Supported formats:%s\n", names->str);
        cli->done = true;
        return true;
    }
    return drive_make(cli, kv, errp);
}

bool cli_blockdev(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = NULL;

    if (*a->text == '{') {
        return blockdev_add_from_json_text(cli->vm->blocks, a->text, errp);
    }
    kv = cli_arg_keyval(a, "driver", errp);
    return kv != NULL && blockdev_add_from_keyval(cli->vm->blocks, kv, errp);
}

bool cli_drive_devices(Cli *cli, GError **errp)
{
    BlockBackend *b;

    for (unsigned i = 0;
         (b = block_find_slot(cli->vm->blocks, "virtio", 0, i)) != NULL; i++) {
        g_autoptr(JsonValue) args = json_object_new();

        json_object_set_string(args, "driver", "virtio-blk-pci");
        json_object_set_string(args, "drive", block_name(b));
        if (device_new_from_json(cli->vm, args, errp) == NULL) {
            error_prefix(errp, "-drive if=virtio ('%s'): ", block_name(b));
            return false;
        }
    }
    return true;
}

static bool disk_make(Cli *cli, const char *file, unsigned index,
                      const char *media, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_new();
    char number[2] = { '0' + index, '\0' };

    if (file != NULL) {
        keyval_add(kv, "file", file);
    }
    keyval_add(kv, "if", "ide");
    keyval_add(kv, "index", number);
    keyval_add(kv, "media", media);
    return drive_make(cli, kv, errp);
}

bool cli_disk(Cli *cli, CliArg *a, GError **errp)
{
    return disk_make(cli, a->text, a->opt->name[2] - 'a', "disk", errp);
}

bool cli_pflash(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_new();

    keyval_add(kv, "file", a->text);
    keyval_add(kv, "if", "pflash");
    return drive_make(cli, kv, errp);
}

bool cli_cdrom(Cli *cli, CliArg *a, GError **errp)
{
    return disk_make(cli, *a->text != '\0' ? a->text : NULL, 2, "cdrom", errp);
}

/* Users who ask for drives of their own by -device don't want that one. */
static bool is_drive_device(const CliArg *a)
{
    static const char *const drivers[] = { "ide-cd", "ide-hd", "scsi-cd",
                                           "scsi-hd", NULL };
    g_autoptr(JsonValue) json = NULL;
    g_autoptr(KeyVal) kv = NULL;
    const char *driver;

    if (!g_str_equal(a->opt->name, "device")) {
        return false;
    }
    /* What is wrong with it is said later, when the device is made. */
    if (*a->text == '{') {
        json = json_parse(a->text, -1, NULL);
        driver = json_get_string(json_object_get(json, "driver"));
    } else {
        kv = keyval_parse(a->text, "driver", NULL);
        driver = kv != NULL ? keyval_get(kv, "driver") : NULL;
    }
    return driver != NULL && g_strv_contains(drivers, driver);
}

bool cli_default_cdrom(Cli *cli, GError **errp)
{
    const MachineType *type = cli->vm->machine->type;

    if (cli->nodefaults || !type->has_cdrom ||
        block_find_slot(cli->vm->blocks, "ide", type->ide_units == 1 ? 2 : 1,
                        0) != NULL) {
        return true;
    }
    for (unsigned i = 0; i < cli->args->len; i++) {
        if (is_drive_device(cli->args->pdata[i])) {
            return true;
        }
    }
    return disk_make(cli, NULL, 2, "cdrom", errp);
}

/* -set GROUP.ID.KEY=VALUE */

static CliArg *find_item(Cli *cli, const char *group, const char *id)
{
    for (unsigned i = 0; i < cli->args->len; i++) {
        CliArg *a = cli->args->pdata[i];
        g_autoptr(KeyVal) kv = NULL;

        if (!g_str_equal(a->opt->name, group) || *a->text == '{') {
            continue;
        }
        kv = keyval_parse(a->text, "type", NULL);
        if (kv != NULL && g_strcmp0(keyval_get(kv, "id"), id) == 0) {
            return a;
        }
    }
    return NULL;
}

bool cli_set(Cli *cli, CliArg *a, GError **errp)
{
    const char *eq = strchr(a->text, '=');
    g_autofree char *path = eq ? g_strndup(a->text, eq - a->text) : NULL;
    g_auto(GStrv) parts = g_strsplit(path != NULL ? path : "", ".", 3);
    CliArg *item;

    if (g_strv_length(parts) != 3) {
        error_setf(errp, "can't parse: \"%s\"", a->text);
        return false;
    }
    item = find_item(cli, parts[0], parts[1]);
    if (item == NULL) {
        error_setf(errp, "there is no %s \"%s\" defined", parts[0], parts[1]);
        return false;
    }
    if (item->sets == NULL) {
        item->sets = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(item->sets, g_strdup_printf("%s%s", parts[2], eq));
    return true;
}
