/*
 * Where an incoming migration comes from: sockets, files, commands and
 * descriptors; one source, and no more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/socket.h"
#include "util/error.h"

/* A folder that is there while a test runs. */
typedef struct Folder {
    char *dir, *path;
} Folder;

static void folder_init(Folder *f)
{
    f->dir = g_dir_make_tmp("listen-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "x", NULL);
}

static void folder_fini(Folder *f)
{
    g_unlink(f->path);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->path);
}

static void put_whole(GByteArray *b)
{
    put_head(b);
    put_ram(b);
    put_device(b, 4711);
    put_globalstate(b, "running");
    put8(b, WIRE_EOF);
}

static bool try_start(InVm *v, const char *uri, GError **errp)
{
    VM_LOCK_GUARD();

    return migration_incoming_start(v->m, uri, errp);
}

static bool try_deferred(InVm *v, const char *uri, GError **errp)
{
    VM_LOCK_GUARD();

    return migration_incoming_deferred(v->m, uri, errp);
}

static void check_refused(bool ok, GError **err, const char *what)
{
    g_assert_false(ok);
    g_assert_nonnull(*err);
    if (strstr((*err)->message, what) == NULL) {
        g_error("'%s' is not in '%s'", what, (*err)->message);
    }
    g_clear_error(err);
}

static void check_arrived(InVm *v)
{
    in_wait_end(v);
    g_assert_cmpint(migration_status(v->m), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(in_run_state(v), ==, RUN_STATE_RUNNING);
    g_assert_cmpuint(v->device, ==, 4711);
}

/* A source's end; -1: refused. */
static int connect_to(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

static void check_closed(int fd)
{
    uint8_t byte;

    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 0);
    close(fd);
}

/*
 * The first source is taken, not who says nothing; the address is free at
 * once.
 */
static void test_unix(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autofree char *uri = NULL;
    GError *err = NULL;
    int stranger;
    Folder f;
    InVm v;

    folder_init(&f);
    in_vm_init(&v);
    uri = g_strdup_printf("unix:%s", f.path);
    g_assert_true(try_start(&v, uri, &err));
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_SETUP);
    g_assert_true(mig_waits_for_source(v.m));
    g_assert_true(migration_set_capability(
        v.m, MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE, true, &err));
    put_whole(b);
    stranger = connect_to(f.path);
    v.fd = connect_to(f.path);
    g_assert_cmpint(v.fd, >=, 0);
    in_send(&v, b->data, 3); /* it isn't clear yet who that is */
    while (g_main_context_iteration(NULL, false)) {
    }
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_SETUP);
    in_send(&v, b->data + 3, 1);
    in_wait_begun(&v);
    check_closed(stranger);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_ACTIVE);
    g_assert_false(mig_waits_for_source(v.m));
    g_assert_null(v.m->listener);
    g_assert_false(g_file_test(f.path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(connect_to(f.path), ==, -1);
    check_refused(migration_set_capability(v.m, MIGRATION_CAPABILITY_EVENTS,
                                           false, &err),
                  &err, "There's a migration process in progress");
    in_send(&v, b->data + 4, b->len - 4);
    in_close(&v);
    check_arrived(&v);
    in_vm_fini(&v);
    folder_fini(&f);
}

/* Nobody comes, and the program ends: nothing is left behind. */
static void test_nobody(void)
{
    g_autofree char *uri = NULL;
    Folder f;
    InVm v;

    folder_init(&f);
    in_vm_init(&v);
    uri = g_strdup_printf("unix:%s", f.path);
    g_assert_true(try_start(&v, uri, NULL));
    in_vm_fini(&v);
    g_assert_false(g_file_test(f.path, G_FILE_TEST_EXISTS));
    folder_fini(&f);
}

/* The program ends in the middle: the load ends, too, without an answer. */
static void test_ended_here(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint8_t byte;
    ssize_t n;
    int fd;
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_head(b);
    put_ram_start(b);
    in_send_bytes(&v, b);
    fd = v.fd;
    v.fd = -1; /* stays open */
    in_vm_fini(&v);
    /* Reset, if the load had not come to read all of it. */
    n = recv(fd, &byte, 1, 0);
    g_assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* No delay on a TCP connection: the words of the hand-shake are short. */
static void test_tcp(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(IoSocketAddress) addr = NULL;
    IoChannel *ch;
    InVm v;

    in_vm_init(&v);
    g_assert_true(try_start(&v, "tcp:127.0.0.1:0", NULL));
    addr = io_listener_local_address(v.m->listener, 0);
    ch = io_socket_connect(addr, NULL, 0, NULL);
    g_assert_nonnull(ch);
    put_whole(b);
    g_assert_true(io_channel_write_all(ch, b->data, b->len, NULL));
    in_wait_begun(&v);
    io_channel_close(ch, NULL);
    io_channel_unref(ch);
    check_arrived(&v);
    in_vm_fini(&v);
}

/* From the middle of a file, and what isn't there. */
static void test_file(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autofree char *uri = NULL, *none = NULL;
    Folder f;
    InVm v;

    folder_init(&f);
    for (int i = 0; i < 4096; i++) {
        put8(b, 0xee);
    }
    put_whole(b);
    g_assert_true(g_file_set_contents(f.path, (char *)b->data, b->len, NULL));
    uri = g_strdup_printf("file:%s,offset=4k", f.path);
    in_vm_init(&v);
    g_assert_true(try_start(&v, uri, NULL));
    in_wait_begun(&v);
    check_arrived(&v);
    in_vm_fini(&v);

    g_byte_array_remove_range(b, 0, 4096);
    g_assert_true(g_file_set_contents(f.path, (char *)b->data, b->len, NULL));
    none = g_strdup_printf("file:%s", f.path);
    in_vm_init(&v);
    g_assert_true(try_start(&v, none, NULL));
    in_wait_begun(&v);
    check_arrived(&v);
    in_vm_fini(&v);
    folder_fini(&f);
}

static gboolean hung(gpointer unused)
{
    g_error("nothing happens any more");
    return G_SOURCE_REMOVE;
}

/* Nothing to read from: the program ends, no thread was made. */
static void test_unreadable(void)
{
    static const char *const uris[] = { "file:/nonexistent/x",
                                        "file:/nonexistent/x,offset=4k",
                                        "fd:source" };

    for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
        guint guard = g_timeout_add_seconds(60, hung, NULL);
        InVm v;

        in_vm_init(&v);
        g_assert_true(try_start(&v, uris[i], NULL));
        g_assert_cmpint(v.vm->exit_status, ==, 0); /* not before the loop */
        while (v.vm->exit_status == 0) {
            g_main_context_iteration(NULL, true);
        }
        g_assert_cmpint(v.vm->exit_status, ==, EXIT_FAILURE);
        g_assert_false(v.m->load_made);
        g_assert_null(v.m->load_ch);
        in_vm_fini(&v);
        g_source_remove(guard);
    }
}

static void test_command(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autofree char *uri = NULL;
    Folder f;
    InVm v;

    folder_init(&f);
    put_whole(b);
    g_assert_true(g_file_set_contents(f.path, (char *)b->data, b->len, NULL));
    uri = g_strdup_printf("exec:cat %s", f.path);
    in_vm_init(&v);
    g_assert_true(try_start(&v, uri, NULL));
    in_wait_begun(&v);
    check_arrived(&v);
    in_vm_fini(&v);
    folder_fini(&f);
}

/* Later by migrate-incoming, once, and not at all without -incoming. */
static void test_deferred(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autofree char *uri = NULL, *bad = NULL;
    GError *err = NULL;
    Folder f;
    InVm v;

    folder_init(&f);
    uri = g_strdup_printf("unix:%s", f.path);
    bad = g_strdup_printf("unix:%s/no/such", f.path);
    in_vm_init(&v);
    check_refused(try_deferred(&v, uri, &err), &err,
                  "'-incoming' was not specified on the command line");
    g_assert_true(try_start(&v, "defer", &err));
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    check_refused(try_deferred(&v, "defer", &err), &err, "'uri' expects");
    check_refused(try_deferred(&v, "nonsense", &err), &err, "nonsense");
    check_refused(try_deferred(&v, bad, &err), &err, "");
    /* What is opened fails at once, too. */
    check_refused(try_deferred(&v, "fd:source", &err), &err, "no descriptor");
    check_refused(try_deferred(&v, "file:/no/such", &err), &err, "/no/such");
    g_assert_null(v.m->incoming_uri);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    g_assert_true(try_deferred(&v, uri, &err));
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_SETUP);
    check_refused(try_deferred(&v, uri, &err), &err,
                  "The incoming migration has already been started");
    v.fd = connect_to(f.path);
    put_whole(b);
    in_send_bytes(&v, b);
    in_wait_begun(&v);
    in_close(&v);
    check_arrived(&v);
    in_vm_fini(&v);
    folder_fini(&f);
}

/* Who has arrived may leave again: nothing of the arrival is in its way. */
static void test_moves_on(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    GError *err = NULL;
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_whole(b);
    in_send_bytes(&v, b);
    check_refused(migration_start(v.m, "exec:cat", &err), &err,
                  "There's a migration process in progress");
    in_close(&v);
    check_arrived(&v);
    g_assert_true(migration_is_idle(v.m));
    g_assert_true(migration_set_capability(v.m, MIGRATION_CAPABILITY_EVENTS,
                                           false, &err));
    in_vm_fini(&v);
}

/* Before a source is there nothing can leave. */
static void test_not_from_here(void)
{
    GError *err = NULL;
    InVm v;

    in_vm_init(&v);
    g_assert_true(try_start(&v, "defer", &err));
    check_refused(migration_start(v.m, "exec:cat", &err), &err,
                  "Guest is waiting for an incoming migration");
    in_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/incoming-listen/unix", test_unix);
    g_test_add_func("/incoming-listen/nobody", test_nobody);
    g_test_add_func("/incoming-listen/ended-here", test_ended_here);
    g_test_add_func("/incoming-listen/tcp", test_tcp);
    g_test_add_func("/incoming-listen/file", test_file);
    g_test_add_func("/incoming-listen/unreadable", test_unreadable);
    g_test_add_func("/incoming-listen/command", test_command);
    g_test_add_func("/incoming-listen/deferred", test_deferred);
    g_test_add_func("/incoming-listen/moves-on", test_moves_on);
    g_test_add_func("/incoming-listen/not-from-here", test_not_from_here);
    return g_test_run();
}
