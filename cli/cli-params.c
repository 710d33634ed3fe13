/*
 * The parameters of options: for "-OPTION help" and for the monitor's
 * query-command-line-options.
 *
 * Names are those that tools ask for; a parameter that isn't taken is not
 * here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "qapi/qapi-types-misc.h"
#include "util/error.h"
#include "util/keyval.h"

#define STR  COMMAND_LINE_PARAMETER_TYPE_STRING
#define BOOL COMMAND_LINE_PARAMETER_TYPE_BOOLEAN
#define NUM  COMMAND_LINE_PARAMETER_TYPE_NUMBER
#define SIZE COMMAND_LINE_PARAMETER_TYPE_SIZE

typedef struct CliParam {
    const char *name;
    CommandLineParameterType type;
    const char *help; /* or NULL */
} CliParam;

typedef struct CliParams {
    const char *name;   /* of the group, as the monitor and help show it */
    const char *option; /* NULL: of the same name */
    bool helps;         /* "-OPTION help" lists them */
    bool own_help;      /* the option lists something else, or nothing */
    CliParam params[42];
} CliParams;

static const CliParams cli_params[] = {
    { "action", .helps = true,
      .params = { { "panic", STR },
                  { "reboot", STR },
                  { "shutdown", STR },
                  { "watchdog", STR } } },
    { "add-fd", .helps = true,
      .params = { { "fd", NUM, "descriptor of which a copy goes into the set" },
                  { "opaque", STR, "a text that describes it" },
                  { "set", NUM, "ID of the set" } } },
    { "boot-opts", .option = "boot", .helps = true,
      .params = { { "menu", BOOL },
                  { "once", STR },
                  { "order", STR },
                  { "reboot-timeout", NUM },
                  { "splash", STR },
                  { "splash-time", NUM },
                  { "strict", BOOL } } },
    { "chardev", .own_help = true,
      .params = { { "abstract", BOOL },  { "append", BOOL }, { "backend", STR },
                  { "chardev", STR },    { "delay", BOOL },  { "fd", STR },
                  { "host", STR },       { "ipv4", BOOL },   { "ipv6", BOOL },
                  { "logappend", BOOL }, { "logfile", STR }, { "mux", BOOL },
                  { "nodelay", BOOL },   { "path", STR },    { "port", STR },
                  { "reconnect", NUM },  { "server", BOOL }, { "signal", BOOL },
                  { "size", SIZE },      { "telnet", BOOL }, { "tight", BOOL },
                  { "to", NUM },         { "wait", BOOL } } },
    /* Of -drive, what tools look for; drivers have more. */
    { "drive", .own_help = true,
      .params = { { "aio", STR },
                  { "bus", NUM },
                  { "cache", STR },
                  { "cache.direct", BOOL },
                  { "cache.no-flush", BOOL },
                  { "cache.writeback", BOOL },
                  { "detect-zeroes", STR },
                  { "discard", STR },
                  { "file", STR, "file name" },
                  { "format", STR, "image format" },
                  { "if", STR, "interface" },
                  { "index", NUM },
                  { "media", STR, "disk or cdrom" },
                  { "read-only", BOOL },
                  { "rerror", STR },
                  { "snapshot", BOOL },
                  { "unit", NUM },
                  { "werror", STR } } },
    { "fw_cfg",
      .params = { { "file", STR }, { "name", STR }, { "string", STR } } },
    { "global", .helps = true,
      .params = { { "driver", STR }, { "property", STR }, { "value", STR } } },
    { "machine", .own_help = true,
      .params = { { "accel", STR, "accelerators, separated by colons" },
                  { "append", STR, "command line of the kernel" },
                  { "dump-guest-core", BOOL, "guest memory in a core dump" },
                  { "firmware", STR, "firmware image" },
                  { "initrd", STR, "initial RAM disk" },
                  { "kernel", STR, "kernel image" },
                  { "mem-merge", BOOL, "let the host merge equal pages" },
                  { "type", STR, "machine type" },
                  { "usb", BOOL, "on-board USB controller" } } },
    { "memory", .option = "m",
      .params = { { "maxmem", SIZE }, { "size", SIZE }, { "slots", NUM } } },
    { "mon",
      .params = { { "chardev", STR }, { "mode", STR }, { "pretty", BOOL } } },
    { "msg", .helps = true,
      .params = { { "guest-name", BOOL, "the guest's name before messages" },
                  { "timestamp", BOOL } } },
    { "name",
      .params = { { "debug-threads", BOOL, "threads always have names" },
                  { "guest", STR, "name of the guest" },
                  { "process", STR, "name of the process" } } },
    { "option-rom", .params = { { "bootindex", NUM }, { "romfile", STR } } },
    { "overcommit", .helps = true,
      .params = { { "cpu-pm", BOOL }, { "mem-lock", BOOL } } },
    { "rtc", .helps = true,
      .params = { { "base", STR }, { "clock", STR }, { "driftfix", STR } } },
    { "sandbox", .params = { { "elevateprivileges", STR },
                             { "enable", BOOL },
                             { "obsolete", STR },
                             { "resourcecontrol", STR },
                             { "spawn", STR } } },
    { "smp-opts", .option = "smp", .helps = true,
      .params = { { "cores", NUM },
                  { "cpus", NUM },
                  { "dies", NUM },
                  { "maxcpus", NUM },
                  { "sockets", NUM },
                  { "threads", NUM } } },
    { "trace", .own_help = true,
      .params = { { "enable", STR }, { "events", STR }, { "file", STR } } },
    { "vnc", .helps = true,
      .params = { { "audiodev", STR },
                  { "connections", NUM },
                  { "display", STR },
                  { "head", NUM },
                  { "ipv4", BOOL },
                  { "ipv6", BOOL },
                  { "key-delay-ms", NUM },
                  { "lossy", BOOL },
                  { "non-adaptive", BOOL },
                  { "password", BOOL },
                  { "share", STR },
                  { "to", NUM },
                  { "vnc", STR },
                  { "websocket", STR } } },
    /* What they take depends on the type: see their own help. */
    { "accel" },
    { "acpi", .option = "acpitable" },
    { "device" },
    { "net" },
    { "netdev" },
    { "nic" },
    { "numa" },
    { "object" },
    { "smbios" },
};

/* "help" as the whole text, or as a switch behind something else. */
static bool asks_for_help(const CliParams *g, const char *text)
{
    g_autoptr(KeyVal) kv = NULL;

    if (g_str_equal(text, "help") || g_str_equal(text, "?")) {
        return g->helps;
    }
    if (g->own_help || g->params[0].name == NULL) {
        return false;
    }
    /* The first may be a value without its key. */
    kv = keyval_parse(text, g->params[0].name, NULL);
    for (unsigned i = 1; kv != NULL && i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);

        if (keyval_is_flag_at(kv, i) &&
            (g_str_equal(key, "help") || g_str_equal(key, "?"))) {
            return true;
        }
    }
    return false;
}

bool cli_print_param_help(const CliOption *opt, const char *text)
{
    static const char *const forms[] = {
        [STR] = "str", [BOOL] = "bool (on/off)", [NUM] = "num", [SIZE] = "size"
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cli_params); i++) {
        const CliParams *g = &cli_params[i];

        if (!g_str_equal(g->option ? g->option : g->name, opt->name) ||
            !asks_for_help(g, text)) {
            continue;
        }
        printf("%s options:\n", g->name);
        for (const CliParam *p = g->params; p->name; p++) {
            g_autofree char *left =
                g_strdup_printf("%s=<%s>", p->name, forms[p->type]);

            if (p->help) {
                printf("  %-22s - %s\n", left, p->help);
            } else {
                printf("  %s\n", left);
            }
        }
        return true;
    }
    return false;
}

CommandLineOptionInfoList *cli_option_infos(const char *option, GError **errp)
{
    g_autoptr(CommandLineOptionInfoList) list =
        command_line_option_info_list_new();

    for (size_t i = 0; i < G_N_ELEMENTS(cli_params); i++) {
        const CliParams *g = &cli_params[i];
        CommandLineOptionInfo *info;

        if (option && !g_str_equal(option, g->name)) {
            continue;
        }
        info = command_line_option_info_new();
        info->option = g_strdup(g->name);
        info->parameters = command_line_parameter_info_list_new();
        for (const CliParam *p = g->params; p->name; p++) {
            CommandLineParameterInfo *pi = command_line_parameter_info_new();

            pi->name = g_strdup(p->name);
            pi->type = p->type;
            pi->help = g_strdup(p->help);
            command_line_parameter_info_list_append(info->parameters, pi);
        }
        command_line_option_info_list_append(list, info);
    }
    if (option && !list->n) {
        error_setf(errp, "invalid option name: %s", option);
        return NULL;
    }
    return g_steal_pointer(&list);
}
