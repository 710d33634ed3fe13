/*
 * ivshmem-server: the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/resource.h>

#include "tools/ivshmem-server/server.h"
#include "util/cutils.h"
#include "util/error.h"

#define DEFAULT_PIDFILE "/var/run/ivshmem-server.pid"
#define DEFAULT_SOCKET  "/tmp/ivshmem_socket"
#define DEFAULT_SHM     "ivshmem"
#define DEFAULT_SIZE    (4 * MiB)

typedef struct Options {
    gboolean verbose, foreground; /* as GOption stores them */
    char *pidfile, *socket, *shm, *folder, *size;
    int nvectors;
    uint64_t bytes;
} Options;

static bool parse_options(Options *o, int *argc, char ***argv, GError **errp)
{
    const GOptionEntry entries[] = {
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &o->verbose,
          "Say who comes and goes", NULL },
        { "foreground", 'F', 0, G_OPTION_ARG_NONE, &o->foreground,
          "Stay in the foreground, without a file for the process id", NULL },
        { "pidfile", 'p', 0, G_OPTION_ARG_FILENAME, &o->pidfile,
          "File for the process id (" DEFAULT_PIDFILE ")", "FILE" },
        { "socket", 'S', 0, G_OPTION_ARG_FILENAME, &o->socket,
          "Unix socket to listen at (" DEFAULT_SOCKET ")", "PATH" },
        { "shm", 'M', 0, G_OPTION_ARG_STRING, &o->shm,
          "Name of POSIX shared memory (" DEFAULT_SHM ")", "NAME" },
        { "folder", 'm', 0, G_OPTION_ARG_FILENAME, &o->folder,
          "Take a file in this folder, as of hugetlbfs, instead", "FOLDER" },
        { "size", 'l', 0, G_OPTION_ARG_STRING, &o->size,
          "Bytes of memory, a power of two (4M)", "SIZE" },
        { "vectors", 'n', 0, G_OPTION_ARG_INT, &o->nvectors,
          "Doorbells of each client (1)", "N" },
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Hands out memory and doorbells to ivshmem-doorbell devices.");
    if (!g_option_context_parse(context, argc, argv, errp)) {
        return false;
    }
    if (*argc > 1) {
        error_setf(errp, "'%s' is no option", (*argv)[1]);
        return false;
    }
    return true;
}

static bool check_options(Options *o, GError **errp)
{
    if (o->shm != NULL && o->folder != NULL) {
        error_setf(errp, "-M and -m are two places for one memory");
        return false;
    }
    o->bytes = DEFAULT_SIZE;
    if (o->size != NULL && !parse_size("-l", o->size, 1, &o->bytes, errp)) {
        return false;
    }
    if (!is_pow2(o->bytes) || o->bytes < 4096 || o->bytes > INT64_MAX) {
        error_setf(errp, "-l %s: a power of two, at least 4096", o->size);
        return false;
    }
    if (o->nvectors < 1 || o->nvectors > IVSHMEM_VECTORS_MAX) {
        error_setf(errp, "-n %d: 1 to %d", o->nvectors, IVSHMEM_VECTORS_MAX);
        return false;
    }
    return true;
}

/* Each client costs one descriptor and those of its doorbells. */
static void allow_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

static bool go_to_background(const char *pidfile, GError **errp)
{
    g_autofree char *text = NULL;

    if (daemon(0, 0) < 0) {
        error_setf_errno(errp, errno, "can't go to the background");
        return false;
    }
    text = g_strdup_printf("%ld\n", (long)getpid());
    return g_file_set_contents(pidfile, text, -1, errp);
}

/* Found out while somebody still reads what went wrong. */
static bool check_pidfile(const char *path, GError **errp)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        error_setf_errno(errp, errno, "file '%s'", path);
        return false;
    }
    close(fd);
    return true;
}

static gboolean main_end(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

static Server *make_server(const Options *o, GError **errp)
{
    int fd = o->folder != NULL
                 ? memory_open_file(o->folder, o->bytes, errp)
                 : memory_open_shm(o->shm != NULL ? o->shm : DEFAULT_SHM,
                                   o->bytes, errp);
    Server *s;

    if (fd < 0) {
        return NULL;
    }
    s = server_new(o->socket, fd, o->nvectors, o->verbose, errp);
    if (s == NULL) {
        close(fd);
    }
    return s;
}

static bool main_serve(const Options *o, GError **errp)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, false);
    Server *s;
    bool ok;

    if (!o->foreground && !check_pidfile(o->pidfile, errp)) {
        return false;
    }
    s = make_server(o, errp);
    if (s == NULL) {
        return false;
    }
    ok = o->foreground || go_to_background(o->pidfile, errp);
    if (ok) {
        g_unix_signal_add(SIGTERM, main_end, loop);
        g_unix_signal_add(SIGINT, main_end, loop);
        g_main_loop_run(loop);
    }
    if (!o->foreground) {
        g_unlink(o->pidfile);
    }
    server_free(s);
    return ok;
}

static void make_absolute(char **path, const char *def)
{
    char *given = *path;

    *path = g_canonicalize_filename(given != NULL ? given : def, NULL);
    g_free(given);
}

int main(int argc, char **argv)
{
    Options o = { .nvectors = 1 };
    g_autoptr(GError) err = NULL;
    bool ok;

    allow_descriptors();
    ok = parse_options(&o, &argc, &argv, &err) && check_options(&o, &err);
    if (ok) {
        /* The background is in the root folder. */
        make_absolute(&o.pidfile, DEFAULT_PIDFILE);
        make_absolute(&o.socket, DEFAULT_SOCKET);
        ok = main_serve(&o, &err);
    }
    if (!ok) {
        fprintf(stderr, "ivshmem-server: %s\n", err->message);
    }
    g_free(o.pidfile);
    g_free(o.socket);
    g_free(o.shm);
    g_free(o.folder);
    g_free(o.size);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
