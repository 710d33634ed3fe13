/*
 * The command line: from argv to options, and from options to handlers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "ui/vnc.h"
#include "util/error.h"

static void cli_arg_free(gpointer p)
{
    CliArg *a = p;

    g_free(a->text);
    if (a->sets != NULL) {
        g_ptr_array_free(a->sets, TRUE);
    }
    g_free(a);
}

void cli_init(Cli *cli)
{
    *cli = (Cli){ .ready_fd = -1 };
    cli->args = g_ptr_array_new_with_free_func(cli_arg_free);
    cli->machine_opts = keyval_new();
    cli->accel_names = g_ptr_array_new_with_free_func(g_free);
    cli->accel_opts = g_ptr_array_new_with_free_func(g_free);
    cli->cpu_globals = g_ptr_array_new_with_free_func(g_free);
    cli->data_dirs = g_ptr_array_new_with_free_func(g_free);
    cli->audiodevs = g_ptr_array_new_with_free_func(g_free);
    cli->vncs =
        g_ptr_array_new_with_free_func((GDestroyNotify)vnc_options_free);
}

void cli_fini(Cli *cli)
{
    g_ptr_array_free(cli->args, TRUE);
    keyval_free(cli->machine_opts);
    g_ptr_array_free(cli->accel_names, TRUE);
    g_ptr_array_free(cli->accel_opts, TRUE);
    g_ptr_array_free(cli->cpu_globals, TRUE);
    g_ptr_array_free(cli->audiodevs, TRUE);
    g_ptr_array_free(cli->vncs, TRUE);
    if (cli->data_dirs != NULL) {
        g_ptr_array_free(cli->data_dirs, TRUE);
    }
    g_free(cli->machine_name);
    g_free(cli->machine_accel);
    g_free(cli->name);
    g_free(cli->process_name);
    g_free(cli->log_items);
    g_free(cli->log_file);
    g_free(cli->pidfile);
    g_free(cli->chroot_dir);
    g_free(cli->user);
    g_free(cli->qtest_log);
    g_free(cli->incoming);
    g_free(cli->loadvm);
    g_free(cli->mem_path);
    g_free(cli->debugcon);
}

static const CliOption *cli_option_find(const char *name)
{
    for (const CliOption *o = cli_options; o->name != NULL; o++) {
        if (g_str_equal(o->name, name)) {
            return o;
        }
    }
    return NULL;
}

static void cli_add(Cli *cli, const CliOption *opt, const char *text)
{
    CliArg *a = g_new0(CliArg, 1);

    a->opt = opt;
    a->text = g_strdup(text);
    g_ptr_array_add(cli->args, a);
}

bool cli_parse(Cli *cli, int argc, char **argv, GError **errp)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const CliOption *opt;

        if (name[0] != '-') {
            cli_add(cli, cli_option_find("hda"), name);
            continue;
        }
        /* Two dashes are as good as one. */
        opt = cli_option_find(name + (name[1] == '-' ? 2 : 1));
        if (opt == NULL) {
            error_setf(errp, "%s: invalid option", name);
            return false;
        }
        if (opt->has_arg && i + 1 == argc) {
            error_setf(errp, "%s: requires an argument", name);
            return false;
        }
        cli_add(cli, opt, opt->has_arg ? argv[++i] : "");
    }
    return true;
}

bool cli_run_phase(Cli *cli, CliPhase phase, GError **errp)
{
    for (unsigned i = 0; i < cli->args->len && !cli->done; i++) {
        CliArg *a = g_ptr_array_index(cli->args, i);
        GError *err = NULL;

        if (a->opt->phase != phase) {
            continue;
        }
        if (cli_print_param_help(a->opt, a->text)) {
            cli->done = true;
            return true;
        }
        if (a->opt->fn(cli, a, &err)) {
            continue;
        }
        if (!a->opt->uncited) {
            error_prefix(&err, "-%s%s%s: ", a->opt->name,
                         a->opt->has_arg ? " " : "", a->text);
        }
        g_propagate_error(errp, err);
        return false;
    }
    return true;
}

KeyVal *cli_arg_keyval(const CliArg *a, const char *implied, GError **errp)
{
    KeyVal *kv = keyval_parse(a->text, implied, errp);

    for (unsigned i = 0; kv != NULL && a->sets != NULL && i < a->sets->len;
         i++) {
        g_auto(GStrv) set = g_strsplit(a->sets->pdata[i], "=", 2);

        keyval_add(kv, set[0], set[1]);
    }
    return kv;
}

bool cli_check_keys(const KeyVal *kv, GError **errp)
{
    g_autoptr(GError) err = NULL;
    const char *key;

    if (keyval_check_all_used(kv, "", &err)) {
        return true;
    }
    /* "…: unknown option 'KEY'", as users know it from this program. */
    key = strchr(err->message, '\'');
    error_setf(errp, "Invalid parameter %s", key != NULL ? key : "");
    return false;
}

void cli_print_help(void)
{
    printf("usage: qemu-system-x86_64 [options] [disk_image]\n\n"
           "'disk_image' is a raw hard disk image for IDE hard disk 0\n\n");
    for (const CliOption *o = cli_options; o->name != NULL; o++) {
        g_autofree char *left =
            g_strdup_printf("-%s%s%s", o->name, o->params ? " " : "",
                            o->params ? o->params : "");

        if (o->help == NULL) {
            continue;
        }
        if (strlen(left) < 15) {
            printf("%-15s %s\n", left, o->help);
        } else {
            printf("%s\n%-15s %s\n", left, "", o->help);
        }
    }
}
