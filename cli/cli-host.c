/*
 * Options that concern the process, not the guest: help, names, logging,
 * going to the background, giving privileges up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "monitor/qmp.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

bool cli_help(Cli *cli, CliArg *a, GError **errp)
{
    cli_version(cli, a, NULL);
    cli_print_help();
    return true;
}

static int64_t version_part(const JsonValue *qemu, const char *name)
{
    int64_t v = 0;

    json_get_int(json_object_get(qemu, name), &v);
    return v;
}

/* The same numbers as query-version: tools parse both. */
bool cli_version(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(JsonValue) v = qmp_version_json();
    const JsonValue *qemu = json_object_get(v, "qemu");

    printf("QEMU emulator version %" PRId64 ".%" PRId64 ".%" PRId64
           " (Godwit %s)\n",
           version_part(qemu, "major"), version_part(qemu, "minor"),
           version_part(qemu, "micro"), GODWIT_VERSION);
    cli->done = true;
    return true;
}

bool cli_accept(Cli *cli, CliArg *a, GError **errp)
{
    return true;
}

bool cli_refuse(Cli *cli, CliArg *a, GError **errp)
{
    error_setf(errp, "this option is not supported yet");
    return false;
}

bool cli_refuse_target(Cli *cli, CliArg *a, GError **errp)
{
    error_setf(errp, "Option not supported for this target");
    return false;
}

bool cli_flag(Cli *cli, CliArg *a, GError **errp)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        { "S", &cli->paused },
        { "daemonize", &cli->daemonize },
        { "mem-prealloc", &cli->mem_prealloc },
        { "no-reboot", &cli->no_reboot },
        { "no-shutdown", &cli->no_shutdown },
        { "nodefaults", &cli->nodefaults },
        { "nographic", &cli->nographic },
        { "only-migratable", &cli->only_migratable },
        { "snapshot", &cli->snapshot },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (g_str_equal(flags[i].name, a->opt->name)) {
            *flags[i].flag = true;
            return true;
        }
    }
    return cli_refuse(cli, a, errp);
}

/* Names */

bool cli_name(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "guest", errp);
    bool threads = true;

    if (kv == NULL || !keyval_get_bool(kv, "debug-threads", &threads, errp)) {
        return false;
    }
    /* Threads always have names. */
    if (keyval_has(kv, "guest")) {
        g_free(cli->name);
        cli->name = g_strdup(keyval_get(kv, "guest"));
    }
    if (keyval_has(kv, "process")) {
        g_free(cli->process_name);
        cli->process_name = g_strdup(keyval_get(kv, "process"));
        prctl(PR_SET_NAME, cli->process_name);
    }
    return cli_check_keys(kv, errp);
}

/* RFC 4122 text form, any case. */
bool cli_uuid(Cli *cli, CliArg *a, GError **errp)
{
    if (!parse_uuid(a->text, cli->uuid)) {
        error_setf(errp, "failed to parse UUID string: wrong format");
        return false;
    }
    cli->uuid_set = true;
    return true;
}

/* Messages and logs */

bool cli_msg(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);
    bool timestamp = false, guest = false;

    if (kv == NULL || !keyval_get_bool(kv, "timestamp", &timestamp, errp) ||
        !keyval_get_bool(kv, "guest-name", &guest, errp) ||
        !cli_check_keys(kv, errp)) {
        return false;
    }
    log_set_timestamp(timestamp);
    cli->msg_guest_name = guest;
    return true;
}

bool cli_log_items(Cli *cli, CliArg *a, GError **errp)
{
    if (g_str_equal(a->text, "help") || g_str_equal(a->text, "?")) {
        g_autofree char *text = log_help_text();

        fputs(text, stdout);
        cli->done = true;
        return true;
    }
    g_free(cli->log_items);
    cli->log_items = g_strdup(a->text);
    return true;
}

bool cli_log_file(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->log_file);
    cli->log_file = g_strdup(a->text);
    return true;
}

bool cli_apply_log(Cli *cli, GError **errp)
{
    /* Not in cli_msg(): -name may come behind -msg. */
    log_set_guest_name(cli->msg_guest_name ? cli->name : NULL);
    return (cli->log_file == NULL || log_set_file(cli->log_file, errp)) &&
           (cli->log_items == NULL || log_set_items(cli->log_items, errp));
}

/* One pattern per line; "-" in front of it switches off. */
static bool trace_events_file(const char *path, GError **errp)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) err = NULL;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
        error_setf(errp, "%s", err->message);
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        char *line = g_strstrip(lines[i]);
        bool off = *line == '-';

        if (*line != '\0' && *line != '#' &&
            !trace_enable(line + off, !off, errp)) {
            return false;
        }
    }
    return true;
}

bool cli_trace(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "enable", errp);
    const char *pattern, *events, *file;

    if (kv == NULL) {
        return false;
    }
    if (keyval_wants_help(kv)) {
        trace_print_list(stdout);
        cli->done = true;
        return true;
    }
    pattern = keyval_get(kv, "enable");
    events = keyval_get(kv, "events");
    file = keyval_get(kv, "file");
    if (!cli_check_keys(kv, errp)) {
        return false;
    }
    if (file != NULL) {
        g_free(cli->log_file);
        cli->log_file = g_strdup(file);
    }
    if (events != NULL && !trace_events_file(events, errp)) {
        return false;
    }
    return pattern == NULL || trace_enable(pattern, true, errp);
}

/* Memory of the process */

bool cli_overcommit(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);

    return kv != NULL &&
           keyval_get_bool(kv, "mem-lock", &cli->mem_lock, errp) &&
           keyval_get_bool(kv, "cpu-pm", &cli->cpu_pm, errp) &&
           cli_check_keys(kv, errp);
}

bool cli_realtime(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, NULL, errp);

    /* It was on unless it was said to be off. */
    cli->mem_lock = true;
    return kv != NULL && keyval_get_bool(kv, "mlock", &cli->mem_lock, errp) &&
           cli_check_keys(kv, errp);
}

bool cli_lock_memory(Cli *cli, GError **errp)
{
    if (cli->mem_lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        error_setf_errno(errp, errno, "locking memory failed");
        return false;
    }
    return true;
}

/* The background */

bool cli_pidfile(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->pidfile);
    cli->pidfile = g_strdup(a->text);
    return true;
}

/*
 * The child goes on; the parent waits until it is ready and ends with its
 * status.  Before any thread is made: they don't survive a fork.
 */
bool cli_daemonize(Cli *cli, GError **errp)
{
    int fds[2];
    uint8_t status = 1;
    pid_t pid;

    if (!cli->daemonize) {
        return true;
    }
    if (cli->nographic && !cli->nodefaults) {
        error_setf(errp, "-nographic cannot be used with -daemonize");
        return false;
    }
    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        error_setf_errno(errp, errno, "cannot go to the background");
        return false;
    }
    if (pid > 0) {
        ssize_t n;

        close(fds[1]);
        do {
            n = read(fds[0], &status, 1);
        } while (n < 0 && errno == EINTR);
        _exit(n == 1 ? status : 1);
    }
    close(fds[0]);
    cli->ready_fd = fds[1];
    setsid();
    umask(027);
    return true;
}

bool cli_write_pidfile(Cli *cli, GError **errp)
{
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd;

    if (cli->pidfile == NULL) {
        return true;
    }
    fd = open(cli->pidfile, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_setf_errno(errp, errno,
                         "cannot create PID file: Could not create '%s'",
                         cli->pidfile);
        return false;
    }
    /* The descriptor stays open: the lock lasts as long as the process. */
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_setf_errno(errp, errno,
                         "cannot create PID file: Could not lock '%s'",
                         cli->pidfile);
        close(fd);
        return false;
    }
    if (ftruncate(fd, 0) < 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        error_setf_errno(errp, errno,
                         "cannot create PID file: Failed to write '%s'",
                         cli->pidfile);
        close(fd);
        return false;
    }
    cli->pidfile_written = true;
    return true;
}

bool cli_finish_daemon(Cli *cli, GError **errp)
{
    uint8_t ok = 0;
    int null;

    if (cli->ready_fd < 0) {
        return true;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || chdir("/") < 0) {
        error_setf_errno(errp, errno, "cannot go to the background");
        return false;
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    /* A log on stderr would be lost with it. */
    if (cli->log_items == NULL || cli->log_file != NULL) {
        dup2(null, STDERR_FILENO);
    }
    close(null);
    if (write(cli->ready_fd, &ok, 1) != 1) {
        error_setf_errno(errp, errno, "cannot tell the parent process");
        return false;
    }
    close(cli->ready_fd);
    cli->ready_fd = -1;
    return true;
}

/* Privileges */

bool cli_chroot(Cli *cli, CliArg *a, GError **errp)
{
    g_free(cli->chroot_dir);
    cli->chroot_dir = g_strdup(a->text);
    return true;
}

/* "user" or "uid:gid"; resolved at once, as a chroot has no user list. */
bool cli_runas(Cli *cli, CliArg *a, GError **errp)
{
    const struct passwd *pw = getpwnam(a->text);
    unsigned uid, gid;
    int end = 0;

    g_clear_pointer(&cli->user, g_free);
    if (pw != NULL) {
        cli->uid = pw->pw_uid;
        cli->gid = pw->pw_gid;
        cli->user = g_strdup(pw->pw_name);
    } else if (sscanf(a->text, "%u:%u%n", &uid, &gid, &end) == 2 &&
               a->text[end] == '\0') {
        cli->uid = uid;
        cli->gid = gid;
    } else {
        error_setf(errp, "User \"%s\" doesn't exist (and is not <uid>:<gid>)",
                   a->text);
        return false;
    }
    cli->change_user = true;
    return true;
}

static bool change_user(const Cli *cli, GError **errp)
{
    if (setgid(cli->gid) < 0 || setuid(cli->uid) < 0) {
        error_setf_errno(errp, errno, "cannot become user %u:%u",
                         (unsigned)cli->uid, (unsigned)cli->gid);
        return false;
    }
    if (cli->uid != 0 && setuid(0) == 0) {
        error_setf(errp, "user %u can become root again", (unsigned)cli->uid);
        return false;
    }
    return true;
}

bool cli_drop_privileges(Cli *cli, GError **errp)
{
    gid_t gid = cli->gid;

    if (cli->change_user && (cli->user != NULL ? initgroups(cli->user, gid)
                                               : setgroups(1, &gid)) < 0) {
        error_setf_errno(errp, errno, "cannot take the groups of %u:%u",
                         (unsigned)cli->uid, (unsigned)gid);
        return false;
    }
    if (cli->chroot_dir != NULL &&
        (chroot(cli->chroot_dir) < 0 || chdir("/") < 0)) {
        error_setf_errno(errp, errno, "chroot to '%s' failed", cli->chroot_dir);
        return false;
    }
    return !cli->change_user || change_user(cli, errp);
}
