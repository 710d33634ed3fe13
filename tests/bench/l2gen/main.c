/*
 * Traffic generator and sink for guests with vhost-user network cards, on
 * DPDK's vhost library: see README.md beside it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/tester.h"

#include <gio/gio.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sys/un.h>

typedef struct Options {
    char **vms;
    gboolean client;
    int queues, size, core, sleep_us;
} Options;

static bool fail(GError **errp, const char *what, const char *value)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: '%s'", what,
                value);
    return false;
}

/* "NAME=PATH[,PATH]": a socket for each port. */
static bool vm_parse(Tester *t, const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "=", 2);
    g_auto(GStrv) paths = NULL;
    Vm *vm = &t->vms[t->nvms];
    unsigned n;

    if (!parts[0] || !parts[1] || !*parts[0] ||
        strspn(parts[0], "abcdefghijklmnopqrstuvwxyz0123456789-") !=
            strlen(parts[0])) {
        return fail(errp, "--vm: not NAME=PATH[,PATH]", text);
    }
    paths = g_strsplit(parts[1], ",", 0);
    n = g_strv_length(paths);
    if (n > MAX_PORTS || (t->nvms && n != t->nports)) {
        return fail(errp, "--vm: one or two paths, as many for each", text);
    }
    for (unsigned i = 0; i < n; i++) {
        if (!*paths[i] ||
            strlen(paths[i]) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
            return fail(errp, "--vm: no path of a socket", paths[i]);
        }
        vm->links[i] = (Link){
            .path = g_strdup(paths[i]), .vm = t->nvms, .port = i, .vid = -1
        };
    }
    vm->name = g_strdup(parts[0]);
    t->nports = n;
    t->nvms++;
    return true;
}

static bool number_parse(const char *text, uint64_t min, uint64_t max,
                         uint64_t *ret)
{
    return text && g_ascii_string_to_unsigned(text, 10, min, max, ret, NULL);
}

/* ---- commands ----------------------------------------------------------- */

static bool cmd_rate(Tester *t, const char *arg, GError **errp)
{
    uint64_t rate;

    if (g_strcmp0(arg, "max") == 0) {
        rate = UINT64_MAX;
    } else if (!number_parse(arg, 0, 100000000, &rate)) {
        return fail(errp, "rate: not a number up to 100000000, nor max", arg);
    }
    traffic_set(t, rate, t->frame_size);
    return true;
}

static bool cmd_size(Tester *t, const char *arg, GError **errp)
{
    uint64_t size;

    if (t->sending) {
        return fail(errp, "size: only while the rate is 0", arg);
    }
    if (!number_parse(arg, FRAME_MIN, FRAME_MAX, &size)) {
        return fail(errp, "size: not 64 to 1518", arg);
    }
    t->frame_size = size;
    return true;
}

static bool cmd_ports(Tester *t, const char *arg, GError **errp)
{
    uint64_t port = 0;
    bool all = g_strcmp0(arg, "all") == 0;

    if (!all && !number_parse(arg, 0, t->nports - 1, &port)) {
        return fail(errp, "ports: not a port's number, nor all", arg);
    }
    for (unsigned p = 0; p < t->nports; p++) {
        for (unsigned q = 0; q < t->nqueues; q++) {
            t->streams[p][q].on = all || p == port;
        }
    }
    return true;
}

static bool cmd_phase(Tester *t, const char *arg, GError **errp)
{
    if (!arg || strpbrk(arg, "\"\\")) {
        return fail(errp, "phase: no name", arg ? arg : "");
    }
    return traffic_phase(t, arg) || fail(errp, "phase: too many", arg);
}

static bool cmd_report(Tester *t, const char *arg, GError **errp)
{
    report_print(t);
    return true;
}

static bool cmd_series(Tester *t, const char *arg, GError **errp)
{
    return arg ? report_series(t, arg, errp)
               : fail(errp, "series: no file", "");
}

static bool cmd_quit(Tester *t, const char *arg, GError **errp)
{
    t->quit = true;
    return true;
}

static const struct {
    const char *name;
    bool (*run)(Tester *t, const char *arg, GError **errp);
} commands[] = {
    { "rate", cmd_rate },     { "size", cmd_size },     { "ports", cmd_ports },
    { "phase", cmd_phase },   { "report", cmd_report }, { "quit", cmd_quit },
    { "series", cmd_series },
};

/* One line: a command and perhaps an argument. */
static void command_run(Tester *t, char *line)
{
    g_auto(GStrv) words = g_strsplit(g_strstrip(line), " ", 2);
    g_autoptr(GError) err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_strcmp0(words[0], commands[i].name) == 0) {
            if (commands[i].run(t, words[1], &err)) {
                printf("{\"done\": \"%s\"}\n", commands[i].name);
            }
            break;
        }
        if (i + 1 == G_N_ELEMENTS(commands)) {
            fail(&err, "no such command", words[0] ? words[0] : "");
        }
    }
    if (err) {
        g_autofree char *text = g_strescape(err->message, NULL);

        printf("{\"error\": \"%s\"}\n", text);
    }
    (void)fflush(stdout);
}

static void commands_read(Tester *t)
{
    char line[1024];

    while (!t->quit && fgets(line, sizeof(line), stdin)) {
        tester_enter(t);
        command_run(t, line);
        tester_leave(t);
    }
    tester_enter(t);
    t->quit = true;
    tester_leave(t);
}

/* ---- start -------------------------------------------------------------- */

/*
 * Without huge pages: the guests have memory of their own. Of the two
 * threads the first, which may run anywhere, reads commands.
 */
static bool eal_start(int core, GError **errp)
{
    g_autofree char *line = g_strdup_printf(
        "l2gen --lcores 0@(0-%ld),1@%d --no-pci --no-huge -m 128 --no-shconf "
        "--iova-mode va --log-level 4 --no-telemetry",
        sysconf(_SC_NPROCESSORS_ONLN) - 1, core);
    g_auto(GStrv) args = g_strsplit(line, " ", 0);
    /* It moves them about. */
    g_autofree char **copy =
        g_memdup2(args, sizeof(char *) * (g_strv_length(args) + 1));

    if (rte_eal_init((int)g_strv_length(args), copy) < 0) {
        return fail(errp, "DPDK does not start", line);
    }
    return true;
}

static bool options_parse(Options *o, Tester *t, int *argc, char ***argv,
                          GError **errp)
{
    const GOptionEntry entries[] = {
        { "vm", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->vms,
          "a machine and its vhost-user socket for each port",
          "NAME=PATH[,PATH]" },
        { "client", 0, 0, G_OPTION_ARG_NONE, &o->client,
          "connect to the sockets instead of listening", NULL },
        { "queues", 0, 0, G_OPTION_ARG_INT, &o->queues,
          "queue pairs of each card [1]", "N" },
        { "size", 0, 0, G_OPTION_ARG_INT, &o->size,
          "bytes of a frame on the wire [64]", "BYTES" },
        { "core", 0, 0, G_OPTION_ARG_INT, &o->core,
          "CPU of the thread that polls [0]", "N" },
        { "sleep", 0, 0, G_OPTION_ARG_INT, &o->sleep_us,
          "microseconds that it sleeps when it has little to do [0]", "US" },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(
        context, "Sends frames to guests and checks what comes back. Reads "
                 "commands on standard\ninput: rate PPS|max, size BYTES, "
                 "ports N|all, phase NAME, report, series FILE,\nquit.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, errp)) {
        return false;
    }
    if (o->queues < 1 || o->queues > MAX_QUEUES) {
        return fail(errp, "--queues: not 1 to 4", "");
    }
    if (o->size < FRAME_MIN || o->size > FRAME_MAX) {
        return fail(errp, "--size: not 64 to 1518", "");
    }
    if (o->sleep_us < 0 || o->sleep_us > 10000) {
        return fail(errp, "--sleep: not 0 to 10000", "");
    }
    for (char **vm = o->vms; vm && *vm; vm++) {
        if (t->nvms == MAX_VMS) {
            return fail(errp, "--vm: four at most", *vm);
        }
        if (!vm_parse(t, *vm, errp)) {
            return false;
        }
    }
    t->nqueues = o->queues;
    t->frame_size = o->size;
    t->sleep_us = o->sleep_us;
    return t->nvms || fail(errp, "no --vm", "");
}

/* A thread that waits lends its priority to the one that polls. */
static void mutex_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

static bool run(const Options *o, Tester *t, GError **errp)
{
    if (!eal_start(o->core, errp) || !traffic_init(t, errp)) {
        return false;
    }
    cmd_ports(t, "all", NULL);
    rte_eal_remote_launch(traffic_run, t, 1);
    if (!links_start(t, o->client, errp)) {
        return false;
    }
    printf("{\"event\": \"ready\"}\n");
    (void)fflush(stdout);
    commands_read(t);
    rte_eal_mp_wait_lcore();
    links_stop(t);
    traffic_fini(t);
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    Options options = { .queues = 1, .size = FRAME_MIN };
    Tester *t = g_new0(Tester, 1);

    mutex_init(&t->mutex);
    if (!options_parse(&options, t, &argc, &argv, &err) ||
        !run(&options, t, &err)) {
        (void)fprintf(stderr, "l2gen: %s\n", err->message);
        return 1;
    }
    for (unsigned v = 0; v < t->nvms; v++) {
        for (unsigned p = 0; p < t->nports; p++) {
            g_free(t->vms[v].links[p].path);
        }
        g_free(t->vms[v].name);
    }
    g_strfreev(options.vms);
    g_free(t);
    return 0;
}
