/*
 * What query-migrate says, of figures that are known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "migration/migration-priv.h"
#include "util/error.h"
#include "vmstate/vmstate.h"

enum { GIGA = 1000 * 1000 * 1000 };

static void hook_nothing(Vm *vm)
{
}

static void hook_status(Vm *vm, MigrationStatus st)
{
}

static const VmHooks vm_hooks = { .event_resume = hook_nothing };
static const MigrationHooks mig_hooks = { .event_status = hook_status };

typedef struct World {
    Vm *vm;
    Migration *m;
} World;

static void world_init(World *w)
{
    VM_LOCK_GUARD();

    w->vm = vm_new(&vm_hooks);
    w->vm->vmstates = vmstate_registry_new();
    w->m = migration_new(w->vm, &mig_hooks);
    w->vm->migration = w->m;
}

static void world_fini(World *w)
{
    migration_free(w->m);
    VM_LOCK_GUARD();
    vmstate_registry_free(w->vm->vmstates);
    vm_free(w->vm);
}

static const MigShow example = {
    .ram = { .total_bytes = UINT64_C(1) << 30,
             .remaining_pages = 3000,
             .zero_pages = 10000,
             .normal_pages = 20000,
             .syncs = 7 },
    .transferred = UINT64_C(500) * 1000 * 1000,
    .precopy_bytes = 499000000,
    .downtime_bytes = 1000000,
    .bytes_per_s = 4096 * 1500,
    .dirty_pages_per_s = 77,
    .now_bytes_per_s = 125000000,
    .now_pages_per_s = 30000,
    .start_ns = INT64_C(10) * GIGA,
    .setup_ns = INT64_C(25) * NS_PER_MS,
    .have_setup = true,
    .downtime_ns = INT64_C(3) * NS_PER_MS + 1,
    .expected_downtime_ns = INT64_C(45) * NS_PER_MS,
    .progress = 42,
};

static MigrationInfo *query(World *w, const MigShow *show, MigrationStatus st)
{
    {
        LOCK_GUARD(&w->m->lock);
        w->m->show = *show;
        w->m->status = st;
    }
    VM_LOCK_GUARD();
    return migration_query(w->m);
}

/* What is the same while it runs and at its end. */
static void check_ram(const MigrationStats *r)
{
    g_assert_cmpint(r->transferred, ==, 500000000);
    g_assert_cmpint(r->remaining, ==, 3000 * 4096);
    g_assert_cmpint(r->total, ==, 1 << 30);
    g_assert_cmpint(r->duplicate, ==, 10000);
    g_assert_cmpint(r->skipped, ==, 0);
    g_assert_cmpint(r->normal, ==, 20000);
    g_assert_cmpint(r->normal_bytes, ==, 20000 * 4096);
    g_assert_cmpint(r->dirty_pages_rate, ==, 77);
    g_assert_cmpint(r->dirty_sync_count, ==, 7);
    g_assert_cmpint(r->page_size, ==, 4096);
    g_assert_cmpuint(r->precopy_bytes, ==, 499000000);
    g_assert_cmpuint(r->downtime_bytes, ==, 1000000);
}

static void test_running(void)
{
    int64_t before, after;
    MigrationInfo *info;
    World w;

    world_init(&w);
    before = clock_monotonic_ns() / NS_PER_MS - 10000;
    info = query(&w, &example, MIGRATION_STATUS_ACTIVE);
    after = clock_monotonic_ns() / NS_PER_MS - 10000;
    g_assert_true(info->has_status);
    g_assert_cmpint(info->status, ==, MIGRATION_STATUS_ACTIVE);
    g_assert_true(info->has_total_time);
    g_assert_cmpint(info->total_time, >=, before);
    g_assert_cmpint(info->total_time, <=, after);
    g_assert_true(info->has_setup_time);
    g_assert_cmpint(info->setup_time, ==, 25);
    check_ram(info->ram);
    g_assert_cmpfloat(info->ram->mbps, ==, 1000);
    g_assert_cmpuint(info->ram->pages_per_second, ==, 30000);
    g_assert_true(info->has_progress);
    g_assert_cmpuint(info->progress, ==, 42);
    g_assert_false(info->has_downtime);
    g_assert_true(info->has_expected_downtime);
    g_assert_cmpint(info->expected_downtime, ==, 45);
    g_assert_true(info->has_eta);
    g_assert_cmpuint(info->eta, ==, 100);
    g_assert_null(info->downtime_breakdown);
    g_assert_null(info->socket_address);
    g_assert_null(info->blocked_reasons);
    g_assert_null(info->error_desc);
    migration_info_free(info);
    world_fini(&w);
}

/* The speed of whole passes, until there is one of the moment; or none. */
static void test_eta(void)
{
    MigShow show = example;
    MigrationInfo *info;
    World w;

    world_init(&w);
    show.now_pages_per_s = 0;
    info = query(&w, &show, MIGRATION_STATUS_ACTIVE);
    g_assert_true(info->has_eta);
    g_assert_cmpuint(info->eta, ==, 2000);
    migration_info_free(info);
    show.bytes_per_s = 4095;
    info = query(&w, &show, MIGRATION_STATUS_ACTIVE);
    g_assert_false(info->has_eta);
    migration_info_free(info);
    show.bytes_per_s = 4096;
    info = query(&w, &show, MIGRATION_STATUS_ACTIVE);
    g_assert_true(info->has_eta);
    g_assert_cmpuint(info->eta, ==, 3000000);
    migration_info_free(info);
    world_fini(&w);
}

/* Rates of the whole, without the setup; the downtime as it was. */
static void test_ended(void)
{
    MigShow show = example;
    MigrationInfo *info;
    World w;

    world_init(&w);
    show.end_ns = show.start_ns + show.setup_ns + INT64_C(4) * GIGA;
    show.have_downtime = true;
    info = query(&w, &show, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(info->total_time, ==, 4025);
    check_ram(info->ram);
    g_assert_cmpfloat(info->ram->mbps, ==, 1000);
    g_assert_cmpuint(info->ram->pages_per_second, ==, 7500);
    g_assert_true(info->has_downtime);
    g_assert_cmpint(info->downtime, ==, 4); /* no fraction is lost */
    g_assert_false(info->has_expected_downtime);
    g_assert_false(info->has_eta);
    migration_info_free(info);

    /* It ended with the setup: no time to divide by. */
    show.end_ns = show.start_ns + show.setup_ns;
    info = query(&w, &show, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpfloat(info->ram->mbps, ==, 0);
    g_assert_cmpuint(info->ram->pages_per_second, ==, 0);
    migration_info_free(info);

    /* A downtime is none before the end. */
    show.end_ns = 0;
    info = query(&w, &show, MIGRATION_STATUS_ACTIVE);
    g_assert_false(info->has_downtime);
    g_assert_true(info->has_expected_downtime);
    migration_info_free(info);
    show.end_ns = example.start_ns + GIGA;
    show.have_downtime = false;
    info = query(&w, &show, MIGRATION_STATUS_COMPLETED);
    g_assert_false(info->has_downtime);
    migration_info_free(info);
    world_fini(&w);
}

/* Nothing but the state where nothing else is known or true. */
static void test_state_only(void)
{
    static const MigrationStatus states[] = { MIGRATION_STATUS_SETUP,
                                              MIGRATION_STATUS_FAILED,
                                              MIGRATION_STATUS_CANCELLED };
    MigShow show = example;
    MigrationInfo *info;
    World w;

    world_init(&w);
    w.m->error_desc = g_strdup("why");
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        g_test_message("status %s", migration_status_str(states[i]));
        show.have_setup = states[i] != MIGRATION_STATUS_SETUP;
        info = query(&w, &show, states[i]);
        g_assert_true(info->has_status);
        g_assert_cmpint(info->status, ==, states[i]);
        g_assert_cmpstr(info->error_desc, ==, "why");
        g_assert_null(info->ram);
        g_assert_false(info->has_total_time);
        g_assert_false(info->has_progress);
        migration_info_free(info);
    }
    info = query(&w, &show, MIGRATION_STATUS_NONE);
    g_assert_false(info->has_status);
    g_assert_null(info->error_desc);
    migration_info_free(info);
    w.m->incoming = true;
    info = query(&w, &show, MIGRATION_STATUS_SETUP);
    g_assert_false(info->has_status);
    migration_info_free(info);
    w.m->status = MIGRATION_STATUS_NONE;
    world_fini(&w);
}

/* Each step under its own name, and only those that are known. */
static void test_breakdown(void)
{
    World w;

    world_init(&w);
    for (unsigned step = 0; step < STEP_COUNT; step++) {
        MigShow show = example;
        MigrationInfo *info;
        const DowntimeBreakdown *b;
        const bool *has[STEP_COUNT];
        const uint64_t *us[STEP_COUNT];

        for (unsigned i = 0; i < STEP_COUNT; i++) {
            show.bd_us[i] = 100 + i;
        }
        show.bd_known = 1U << step;
        info = query(&w, &show, MIGRATION_STATUS_COMPLETED);
        b = info->downtime_breakdown;
        g_assert_nonnull(b);
#define FIELD(step_, field_)       \
    has[step_] = &b->has_##field_; \
    us[step_] = &b->field_
        FIELD(STEP_VCPU_STOP, vcpu_stop);
        FIELD(STEP_BLOCK_DRAIN, block_drain);
        FIELD(STEP_CPU_SYNC, cpu_sync);
        FIELD(STEP_DIRTY_SYNC, dirty_sync);
        FIELD(STEP_RAM, ram);
        FIELD(STEP_DEVICE_STATE, device_state);
        FIELD(STEP_WIRE, wire);
        FIELD(STEP_LOAD, load);
        FIELD(STEP_CPU_RESTORE, cpu_restore);
        FIELD(STEP_RESUME, resume);
#undef FIELD
        for (unsigned i = 0; i < STEP_COUNT; i++) {
            g_assert_cmpint(*has[i], ==, i == step);
            g_assert_cmpuint(*us[i], ==, i == step ? 100 + i : 0);
        }
        migration_info_free(info);
    }
    world_fini(&w);
}

static const SocketAddress *listens_on(World *w, const char *uri,
                                       MigrationInfo **ret)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    g_assert_true(migration_incoming_start(w->m, uri, &err));
    *ret = migration_query(w->m);
    g_assert_nonnull((*ret)->socket_address);
    g_assert_cmpuint((*ret)->socket_address->n, ==, 1);
    return (*ret)->socket_address->items[0];
}

static void check_inet(const char *uri, const char *host, bool ipv6)
{
    const SocketAddress *a;
    MigrationInfo *info;
    World w;

    world_init(&w);
    a = listens_on(&w, uri, &info);
    g_assert_cmpint(a->type, ==, SOCKET_ADDRESS_TYPE_INET);
    g_assert_cmpstr(a->u.inet->host, ==, host);
    g_assert_cmpstr(a->u.inet->port, !=, "0");
    g_assert_cmpint(a->u.inet->has_ipv4, ==, !ipv6);
    g_assert_cmpint(a->u.inet->ipv4, ==, !ipv6);
    g_assert_cmpint(a->u.inet->has_ipv6, ==, ipv6);
    g_assert_cmpint(a->u.inet->ipv6, ==, ipv6);
    migration_info_free(info);
    world_fini(&w);
}

static bool have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 in = { .sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void test_addresses(void)
{
    g_autofree char *dir = g_dir_make_tmp("query-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    const SocketAddress *a;
    MigrationInfo *info;
    World w;

    check_inet("tcp:127.0.0.1:0", "127.0.0.1", false);
    if (have_ipv6()) {
        check_inet("tcp:[::1]:0", "::1", true);
    }
    world_init(&w);
    a = listens_on(&w, uri, &info);
    g_assert_cmpint(a->type, ==, SOCKET_ADDRESS_TYPE_UNIX);
    g_assert_cmpstr(a->u.unix_->path, ==, path);
    g_assert_false(a->u.unix_->has_abstract || a->u.unix_->abstract);
    migration_info_free(info);
    world_fini(&w);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

static void test_blocked(void)
{
    MigrationInfo *info;
    unsigned blocker;
    World w;

    world_init(&w);
    {
        VM_LOCK_GUARD();
        blocker = vmstate_add_blocker(w.vm->vmstates, "a device that can't");
    }
    info = query(&w, &example, MIGRATION_STATUS_NONE);
    g_assert_nonnull(info->blocked_reasons);
    g_assert_cmpuint(info->blocked_reasons->n, ==, 1);
    g_assert_cmpstr(info->blocked_reasons->items[0], ==, "a device that can't");
    migration_info_free(info);
    {
        VM_LOCK_GUARD();
        vmstate_del_blocker(w.vm->vmstates, blocker);
    }
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-query/running", test_running);
    g_test_add_func("/mig-query/eta", test_eta);
    g_test_add_func("/mig-query/ended", test_ended);
    g_test_add_func("/mig-query/state-only", test_state_only);
    g_test_add_func("/mig-query/breakdown", test_breakdown);
    g_test_add_func("/mig-query/addresses", test_addresses);
    g_test_add_func("/mig-query/blocked", test_blocked);
    return g_test_run();
}
