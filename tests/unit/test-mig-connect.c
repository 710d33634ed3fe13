/*
 * How a migration begins and where it goes: files, commands, pipes and
 * sockets; the greeting, word by word; what is refused at the start; what the
 * next one finds of the one before; the figures at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "system/tls-creds.h"
#include "util/bswap.h"
#include "util/error.h"

enum { SMALL_DEVICE = 100, OLD_BYTES = 100000 };

/* A folder, and a file there that may have a content. */
typedef struct Folder {
    char *dir, *path;
} Folder;

static void folder_init(Folder *f, size_t old)
{
    g_autofree char *data = g_strnfill(old, 'o');

    f->dir = g_dir_make_tmp("connect-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "x", NULL);
    if (old > 0) {
        g_assert_true(g_file_set_contents(f->path, data, old, NULL));
    }
}

static void folder_fini(Folder *f)
{
    g_unlink(f->path);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->path);
}

static bool try_start(SpVm *v, const char *uri, GError **errp)
{
    VM_LOCK_GUARD();

    return migration_start(v->m, uri, errp);
}

static void start(SpVm *v, const char *uri)
{
    GError *err = NULL;

    try_start(v, uri, &err);
    g_assert_no_error(err);
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

static void check_completed(SpVm *v)
{
    g_assert_cmpint(sp_wait_end(v), ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(sp_run_state(v), ==, RUN_STATE_POSTMIGRATE);
    g_assert_cmpuint(v->starts, ==, 0);
    g_assert_null(v->m->error_desc);
}

/* A whole plain stream of this machine, from the first byte to the last. */
static void check_stream(SpVm *v, const char *data, size_t len)
{
    SpPeer p;

    sp_read_bytes(v, &p, data, len);
    g_assert_cmpint(sp_read_item(&p), ==, SP_NOTHING); /* header */
    g_assert_cmpint(sp_read_item(&p), ==, SP_NOTHING); /* configuration */
    g_assert_cmpint(sp_read_item(&p), ==, SP_RAM_START);
    g_assert_cmpint(sp_read_item(&p), ==, SP_RAM_PART);
    sp_read_to(&p, SP_RAM_END);
    sp_read_to(&p, SP_DEVICE);
    g_assert_cmpint(sp_read_item(&p), ==, SP_EOF);
    g_assert_cmpint(sp_read_item(&p), ==, SP_DESCRIPTION);
    g_assert_cmpint(sp_read_item(&p), ==, SP_END);
    g_assert_cmpuint(p.device_value, ==, v->device.value);
    g_assert_cmpstr(p.runstate, ==, "running");
    sp_check_memory(&p);
    sp_peer_fini(&p);
}

/* The file is ours alone from `offset` on, and stays as it was before it. */
static void check_file(size_t old, size_t offset)
{
    g_autofree char *uri = NULL, *data = NULL;
    struct stat st;
    mode_t mask = umask(0);
    size_t len;
    Folder f;
    SpVm v;

    folder_init(&f, old);
    sp_vm_init(&v, SMALL_DEVICE);
    uri = offset ? g_strdup_printf("file:%s,offset=%zu", f.path, offset)
                 : g_strdup_printf("file:%s", f.path);
    start(&v, uri);
    check_completed(&v);
    umask(mask);
    g_assert_true(g_file_get_contents(f.path, &data, &len, NULL));
    for (size_t i = 0; i < MIN(old, offset); i++) {
        g_assert_cmpint(data[i], ==, 'o');
    }
    check_stream(&v, data + offset, len - offset);
    if (old == 0) {
        g_assert_cmpint(stat(f.path, &st), ==, 0);
        g_assert_cmphex(st.st_mode & 07777, ==, 0660);
    }
    sp_vm_fini(&v);
    folder_fini(&f);
}

static void test_file(void)
{
    check_file(0, 0);
    check_file(SP_PAGES * RAM_PAGE_SIZE * 2, 0); /* longer: it is cut */
    check_file(0, 4096);
    check_file(OLD_BYTES, 1);
    check_file(OLD_BYTES, 4096 * 3);
}

static void test_command(void)
{
    g_autofree char *uri = NULL, *data = NULL;
    size_t len;
    Folder f;
    SpVm v;

    folder_init(&f, 0);
    sp_vm_init(&v, SMALL_DEVICE);
    uri = g_strdup_printf("exec:cat > %s", f.path);
    start(&v, uri);
    check_completed(&v);
    g_assert_true(g_file_get_contents(f.path, &data, &len, NULL));
    check_stream(&v, data, len);
    sp_vm_fini(&v);
    folder_fini(&f);
}

/* It took all, and ended badly: nobody knows what it did with it. */
static void test_command_fails(void)
{
    SpVm v;

    sp_vm_init(&v, SMALL_DEVICE);
    start(&v, "exec:cat > /dev/null; exit 3");
    sp_check_given(&v);
    sp_check_error(&v, "3");
    sp_vm_fini(&v);

    /* It took nothing: the guest is here. */
    sp_vm_init(&v, SMALL_DEVICE);
    start(&v, "exec:exec <&-; sleep 0.01; exit 3");
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_vm_fini(&v);
}

static void test_pipe(void)
{
    g_autoptr(GByteArray) got = g_byte_array_new();
    uint8_t buf[65536];
    int fds[2];
    ssize_t n;
    SpVm v;

    sp_vm_init(&v, SMALL_DEVICE);
    g_assert_cmpint(pipe(fds), ==, 0);
    v.fd = fds[1];
    start(&v, "fd:peer");
    while ((n = read(fds[0], buf, sizeof(buf))) > 0) {
        g_byte_array_append(got, buf, n);
    }
    check_completed(&v);
    check_stream(&v, (char *)got->data, got->len);
    close(fds[0]);
    g_assert_cmpint(v.m->fd, ==, -1); /* the channel's, and gone with it */
    sp_vm_fini(&v);
}

/* Who asks for a return path doesn't get a stream without one. */
static void test_return_path_needed(void)
{
    Folder f;
    g_autofree char *uri = NULL;
    SpVm v;

    folder_init(&f, 0);
    sp_vm_init(&v, SMALL_DEVICE);
    sp_caps(&v, MIGRATION_CAPABILITY_RETURN_PATH, true);
    uri = g_strdup_printf("file:%s", f.path);
    start(&v, uri);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_check_error(&v, "capability 'return-path' needs a channel");
    g_assert_cmpuint(v.stops, ==, 0);
    sp_vm_fini(&v);
    folder_fini(&f);
}

static void test_unreachable(void)
{
    static const struct {
        const char *uri, *error;
    } t[] = {
        { "file:/nonexistent/x", "/nonexistent/x" },
        { "unix:/nonexistent/x", "/nonexistent/x" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        SpVm v;

        sp_vm_init(&v, SMALL_DEVICE);
        start(&v, t[i].uri);
        sp_check_ours(&v, MIGRATION_STATUS_FAILED);
        sp_check_error(&v, t[i].error);
        g_assert_cmpuint(v.stops, ==, 0);
        sp_vm_fini(&v);
    }
}

/* Word by word, and the features that both have, whatever the peer claims. */
static void check_greeting(uint64_t claims, uint64_t used)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_connect(&v, &p);
    g_assert_cmpint(sp_read_item(&p), ==, SP_NOTHING);
    g_assert_cmpint(sp_read_item(&p), ==, SP_NOTHING);
    g_assert_cmpint(sp_read_item(&p), ==, WIRE_CMD_OPEN_RETURN_PATH);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_SETUP);
    sp_greet(&p, claims);
    g_assert_cmphex(p.ping, ==, WIRE_HELLO);
    if (used != 0) {
        g_assert_cmpint(sp_read_item(&p), ==, WIRE_CMD_ENABLE);
        g_assert_cmphex(p.enabled, ==, used);
    }
    g_assert_cmpint(sp_read_item(&p), ==, SP_RAM_START);
    g_assert_cmpint(sp_read_item(&p), ==, SP_RAM_PART);
    /* A pass that was taken is confirmed between two Godwits. */
    if (used & WIRE_F_COMMIT) {
        g_assert_cmpint(sp_read_item(&p), ==, WIRE_CMD_PING);
        g_assert_cmpuint(p.ping, ==, 1);
    }
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_greeting(void)
{
    check_greeting(0, 0);
    check_greeting(WIRE_F_ABSENT, WIRE_F_ABSENT);
    check_greeting(WIRE_F_EXTENTS, WIRE_F_EXTENTS);
    check_greeting(WIRE_F_ALL, WIRE_F_ALL);
    check_greeting(~WIRE_F_MULTIFD, WIRE_F_ALL);
    check_greeting(UINT64_C(1) << 40, 0);
}

/* Other words before the answer, and half of one, are no answer. */
static void test_greeting_late(void)
{
    uint8_t be[8];
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_say_u32(&p, WIRE_RP_PONG, 1);
    stq_be_p(be, WIRE_F_ALL);
    sp_say(&p, WIRE_RP_FEATURES, be, 7); /* too short to be believed */
    sp_say(&p, WIRE_RP_PONG, be, 3);
    sp_say(&p, WIRE_RP_FEATURES, be, 8);
    g_assert_cmpint(io_channel_wait(p.ch, G_IO_IN, 50), ==, 0);
    sp_say_u32(&p, WIRE_RP_PONG, WIRE_HELLO);
    g_assert_cmpint(sp_read_item(&p), ==, WIRE_CMD_ENABLE);
    g_assert_cmphex(p.enabled, ==, WIRE_F_ALL);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_short_features(void)
{
    uint8_t be[8];
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    stq_be_p(be, WIRE_F_ALL);
    sp_say(&p, WIRE_RP_FEATURES, be, 7);
    sp_say_u32(&p, WIRE_RP_PONG, WIRE_HELLO);
    g_assert_cmpint(sp_read_item(&p), ==, SP_RAM_START);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* All of it, with a Godwit. */
static void go_through(SpVm *v, SpPeer *p)
{
    sp_param(v, "downtime-limit", "600000");
    sp_connect(v, p);
    sp_greet(p, WIRE_F_ALL);
    sp_read_to(p, SP_EOF);
    sp_say_loaded(p, p->attempt);
    sp_read_to(p, WIRE_CMD_RUN);
    sp_say_resumed(p);
    sp_drain(p);
    check_completed(v);
}

/* Refused, and nothing of it is left; then one that goes well. */
static void test_start_refused(void)
{
    GError *err = NULL;
    unsigned blocker;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    check_refused(try_start(&v, "nonsense", &err), &err, "nonsense");
    check_refused(try_start(&v, "fd:peer", &err), &err, "no descriptor 'peer'");
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    {
        VM_LOCK_GUARD();
        blocker = vmstate_add_blocker(v.vm->vmstates, "a thing that can't");
    }
    check_refused(try_start(&v, "exec:cat", &err), &err, "a thing that can't");
    {
        VM_LOCK_GUARD();
        vmstate_del_blocker(v.vm->vmstates, blocker);
    }
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    g_assert_cmpuint(v.statuses, ==, 0);
    mig_set_status(v.m, MIGRATION_STATUS_COMPLETED); /* from none: no */
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    g_assert_cmpuint(v.statuses, ==, 0);
    migration_free(NULL);
    migration_cancel(v.m); /* there is nothing to cancel */
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_NONE);
    check_refused(migration_continue(v.m, MIGRATION_STATUS_PRE_SWITCHOVER,
                                     &err),
                  &err, "not in expected state: none");
    check_refused(migration_continue(v.m, MIGRATION_STATUS_NONE, &err), &err,
                  "not in expected state: none");
    go_through(&v, &p);
    /* The guest isn't here any more. */
    check_refused(try_start(&v, "exec:cat", &err), &err,
                  "paused due to previous migration");
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* One at a time; settings are as they were when it began. */
static void test_busy(void)
{
    GError *err = NULL;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    g_assert_true(migration_is_idle(v.m));
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    g_assert_false(migration_is_idle(v.m));
    check_refused(try_start(&v, "exec:cat", &err), &err,
                  "There's a migration process in progress");
    check_refused(migration_set_capability(
                      v.m, MIGRATION_CAPABILITY_RETURN_PATH, true, &err),
                  &err, "There's a migration process in progress");
    g_assert_false(migration_capabilities(v.m) & CAP(RETURN_PATH));
    check_refused(migration_continue(v.m, MIGRATION_STATUS_SETUP, &err), &err,
                  "not in expected state: setup");
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    g_assert_true(migration_is_idle(v.m));
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* Neither a failure nor a cancel is in the way of what follows. */
static void test_after_another(void)
{
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    sp_close(&p);
    sp_check_ours(&v, MIGRATION_STATUS_FAILED);
    g_assert_nonnull(v.m->error_desc);
    sp_peer_fini(&p);
    sp_connect(&v, &p);
    sp_read_to(&p, WIRE_CMD_PING);
    migration_cancel(v.m);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    g_assert_null(v.m->error_desc);
    sp_peer_fini(&p);
    v.statuses = 0;
    go_through(&v, &p);
    g_assert_cmphex(v.statuses, ==,
                    1U << MIGRATION_STATUS_SETUP |
                        1U << MIGRATION_STATUS_ACTIVE |
                        1U << MIGRATION_STATUS_DEVICE |
                        1U << MIGRATION_STATUS_COMPLETED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* What query-migrate says of one that went well. */
static void test_figures(void)
{
    const uint64_t total = SP_PAGES * RAM_PAGE_SIZE;
    MigrationInfo *i;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    go_through(&v, &p);
    {
        VM_LOCK_GUARD();
        i = migration_query(v.m);
    }
    g_assert_cmpint(i->status, ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpuint(i->progress, ==, 100);
    g_assert_true(i->has_downtime);
    g_assert_cmpint(i->downtime, >, 0);
    g_assert_cmpint(i->downtime, <=, i->total_time + 1);
    g_assert_cmpint(i->setup_time, <=, i->total_time);
    g_assert_cmpint(i->ram->total, ==, total);
    g_assert_cmpint(i->ram->remaining, ==, 0);
    g_assert_cmpint(i->ram->normal, ==, SP_PAGES);
    g_assert_cmpint(i->ram->duplicate, ==, 0);
    g_assert_cmpint(i->ram->dirty_sync_count, >=, 3);
    g_assert_cmpint(i->ram->transferred, ==, stream_in_bytes(p.in));
    g_assert_cmpint(i->ram->precopy_bytes + i->ram->downtime_bytes, ==,
                    i->ram->transferred);
    g_assert_cmpint(i->ram->precopy_bytes, >, total);
    /* SWITCHOVER, an empty part, devices, the mark and RUN. */
    g_assert_cmpint(i->ram->downtime_bytes, >, SMALL_DEVICE);
    g_assert_cmpint(i->ram->downtime_bytes, <, SMALL_DEVICE + 600);
    g_assert_cmpfloat(i->ram->mbps, >, 0);
    g_assert_true(i->downtime_breakdown->has_vcpu_stop);
    g_assert_true(i->downtime_breakdown->has_block_drain);
    g_assert_true(i->downtime_breakdown->has_cpu_sync);
    g_assert_true(i->downtime_breakdown->has_dirty_sync);
    g_assert_true(i->downtime_breakdown->has_ram);
    g_assert_true(i->downtime_breakdown->has_device_state);
    g_assert_true(i->downtime_breakdown->has_wire);
    g_assert_true(i->downtime_breakdown->has_load);
    g_assert_true(i->downtime_breakdown->has_cpu_restore);
    g_assert_true(i->downtime_breakdown->has_resume);
    migration_info_free(i);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

/* -global: parameters and capabilities, with the prefix of the peer's, too. */
static void test_globals(void)
{
    GError *err = NULL;
    SpVm v;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_param(&v, "x-downtime-limit", "77");
    g_assert_cmpint(mig_downtime_limit_ns(v.m), ==, 77 * NS_PER_MS);
    sp_param(&v, "max-bandwidth", "77");
    g_assert_cmpuint(mig_max_bandwidth(v.m), ==, 77);
    sp_param(&v, "x-checkpoint-delay", "5");
    sp_param(&v, "return-path", "on");
    g_assert_true(migration_capabilities(v.m) & CAP(RETURN_PATH));
    sp_param(&v, "x-return-path", "off");
    g_assert_false(migration_capabilities(v.m) & CAP(RETURN_PATH));
    check_refused(migration_set_global(v.m, "return-path", "x", &err), &err,
                  "migration.return-path");
    check_refused(migration_set_global(v.m, "nonsense", "1", &err), &err,
                  "nonsense");
    g_assert_true(migration_set_param_text(v.m, "max-bandwidth", "3", &err));
    g_assert_cmpuint(mig_max_bandwidth(v.m), ==, 3 << 20);
    g_assert_false(migration_only_migratable(v.m));
    migration_set_only_migratable(v.m, true);
    g_assert_true(migration_only_migratable(v.m));
    sp_vm_fini(&v);
}

/* Credentials of a client, as parameter tls-creds names them. */
static void add_creds(SpVm *v, const char *id)
{
    Object *obj = object_new(object_type_find("tls-creds-anon"));
    GError *err = NULL;

    object_add_child(object_child(v->vm->root, "objects"), id, obj);
    object_complete(obj, &err);
    g_assert_no_error(err);
    object_unref(obj);
    sp_param(v, "tls-creds", id);
}

/* Nothing is kept for a migration that can't begin. */
static void test_refused_creds(void)
{
    GError *err = NULL;
    SpVm v;

    sp_vm_init(&v, SMALL_DEVICE);
    add_creds(&v, "creds");
    check_refused(try_start(&v, "fd:peer", &err), &err, "no descriptor 'peer'");
    g_assert_null(v.m->tls);
    sp_vm_fini(&v);
}

static void make_paused(SpVm *v)
{
    sp_vm_init(v, SMALL_DEVICE);
    v->m->thread_made = true;
    v->m->status = MIGRATION_STATUS_POSTCOPY_PAUSED;
}

static void paused_fini(SpVm *v)
{
    v->m->status = MIGRATION_STATUS_NONE;
    v->m->thread_made = false;
    g_clear_pointer(&v->m->resume_uri, io_uri_free);
    g_clear_pointer(&v->m->resume_tls, tls_creds_unref);
    g_clear_pointer(&v->m->resume_hostname, g_free);
    sp_vm_fini(v);
}

/* The second would close the descriptor that the first connects with. */
static void test_resume_twice(void)
{
    GError *err = NULL;
    int p[2];
    SpVm v;

    make_paused(&v);
    g_assert_cmpint(pipe(p), ==, 0);
    v.fd = p[0];
    {
        VM_LOCK_GUARD();
        g_assert_true(migration_resume(v.m, "fd:peer", &err));
        /* The thread takes it, and connects. */
        g_clear_pointer(&v.m->resume_uri, io_uri_free);
        v.fd = p[1];
        check_refused(migration_resume(v.m, "fd:peer", &err), &err,
                      "The migration is being resumed already");
    }
    g_assert_cmpint(v.m->fd, ==, p[0]);
    g_assert_cmpint(fcntl(p[0], F_GETFD), >=, 0);
    v.m->fd = -1;
    close(p[0]);
    close(p[1]);
    paused_fini(&v);
}

/* A postcopy that goes on elsewhere expects the certificate of that host. */
static void test_resume_name(void)
{
    GError *err = NULL;
    SpVm v;

    make_paused(&v); /* nobody takes what is resumed */
    add_creds(&v, "creds");
    v.m->tls_hostname = g_strdup("old.example");
    {
        VM_LOCK_GUARD();
        g_assert_true(migration_resume(v.m, "tcp:new.example:4711", &err));
    }
    g_assert_cmpstr(v.m->resume_hostname, ==, "new.example");
    g_assert_cmpstr(v.m->tls_hostname, ==, "old.example");
    paused_fini(&v);
}

/* It goes by the credentials that are named by then, or isn't resumed. */
static void test_resume_creds(void)
{
    GError *err = NULL;
    SpVm v;

    make_paused(&v);
    sp_param(&v, "tls-creds", "creds");
    {
        VM_LOCK_GUARD();
        check_refused(migration_resume(v.m, "tcp:host:4711", &err), &err,
                      "No TLS credentials with id 'creds'");
    }
    add_creds(&v, "creds");
    {
        VM_LOCK_GUARD();
        check_refused(migration_resume(v.m, "fd:peer", &err), &err,
                      "no descriptor 'peer'");
        g_assert_true(migration_resume(v.m, "tcp:host:4711", &err));
    }
    g_assert_nonnull(v.m->resume_tls);
    paused_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    object_types_add(tls_creds_object_types());
    g_test_add_func("/mig-connect/file", test_file);
    g_test_add_func("/mig-connect/command", test_command);
    g_test_add_func("/mig-connect/command-fails", test_command_fails);
    g_test_add_func("/mig-connect/pipe", test_pipe);
    g_test_add_func("/mig-connect/return-path-needed", test_return_path_needed);
    g_test_add_func("/mig-connect/unreachable", test_unreachable);
    g_test_add_func("/mig-connect/refused-creds", test_refused_creds);
    g_test_add_func("/mig-connect/resume-twice", test_resume_twice);
    g_test_add_func("/mig-connect/resume-name", test_resume_name);
    g_test_add_func("/mig-connect/resume-creds", test_resume_creds);
    g_test_add_func("/mig-connect/greeting", test_greeting);
    g_test_add_func("/mig-connect/greeting-late", test_greeting_late);
    g_test_add_func("/mig-connect/short-features", test_short_features);
    g_test_add_func("/mig-connect/start-refused", test_start_refused);
    g_test_add_func("/mig-connect/busy", test_busy);
    g_test_add_func("/mig-connect/after-another", test_after_another);
    g_test_add_func("/mig-connect/figures", test_figures);
    g_test_add_func("/mig-connect/globals", test_globals);
    return g_test_run();
}
