/*
 * Unit test: no page is lost, however often a switch-over is undone.
 *
 * A guest stores to random pages, devices write to others between them, each
 * time with a value of its own.  Again and again it is stopped for good and
 * runs on all the same: since the rest did not fit the limit, or since the
 * destination's word came late.  Whenever all was sent, every page has to be
 * the same on both sides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <sys/mman.h>

#include "migration/ram-load.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "tests/unit/kvm-guest.h"
#include "util/bitmap.h"
#include "util/error.h"

enum {
    ROUNDS = 120,
    STORES = 24,      /* per run of the guest */
    RAM_MIB = 12,     /* so that little is far apart */
    FIRST_PAGE = 768, /* above code and tables */
    OLD = 1 << 8,     /* no PAGEMAP_SCAN */
};

typedef struct Retry {
    Guest *g;
    GRand *rand;
    uint64_t version; /* of the last store, by whomever */
    StreamOut *out;
    RamSend *send;
    PresenceOps presence;
    size_t loaded; /* bytes of out */
    Memory mem;    /* the destination's */
    MemoryRegion ram;
    RamLoad *load;
} Retry;

static bool no_pace(void *opaque, uint64_t bytes, GError **errp)
{
    return true;
}

static uint64_t random_addr(Retry *t)
{
    uint64_t page =
        g_rand_int_range(t->rand, FIRST_PAGE, RAM_MIB * MiB / RAM_PAGE_SIZE);

    /* Half of it in a few pages, which are written again and again. */
    if (g_rand_boolean(t->rand)) {
        page = FIRST_PAGE + page % 40;
    }
    return page * RAM_PAGE_SIZE + 8 * g_rand_int_range(t->rand, 0, 512);
}

static void guest_begin(Retry *t)
{
    uint64_t addr[STORES];

    for (unsigned i = 0; i < STORES; i++) {
        addr[i] = random_addr(t);
    }
    serve_begin(t->g, addr, STORES, ++t->version);
}

static void guest_run(Retry *t)
{
    guest_begin(t);
    serve_end(t->g);
}

static void device_writes(Retry *t)
{
    for (unsigned i = 0; i < STORES / 2; i++) {
        uint64_t v = ++t->version;

        address_space_write(&t->g->vm->mem.memory, random_addr(t), &v, 8);
    }
}

/* What was sent since the last call. */
static void load_sections(Retry *t)
{
    size_t len;
    const uint8_t *p = stream_out_data(t->out, &len);
    g_autoptr(StreamIn) in = stream_in_new_mem(p + t->loaded, len - t->loaded);
    GError *err = NULL;

    while (stream_in_bytes(in) < len - t->loaded) {
        ram_load_section(t->load, in, &err);
        g_assert_no_error(err);
    }
    t->loaded = len;
}

static void check_all(Retry *t, unsigned round)
{
    load_sections(t);
    for (uint64_t p = 0; p < ram_block_npages(t->g->rb); p++) {
        const uint8_t *src = t->g->rb->host + p * RAM_PAGE_SIZE;
        const uint8_t *dst = t->ram.ram->host + p * RAM_PAGE_SIZE;

        if (memcmp(src, dst, RAM_PAGE_SIZE) != 0) {
            g_error("round %u: page 0x%" PRIx64 " is lost", round, p);
        }
    }
}

static void pass(Retry *t)
{
    GError *err = NULL;

    ram_send_pass(t->send, &err);
    g_assert_no_error(err);
}

/* The guest stands.  Everything is sent, or it is seen not to fit. */
static void switch_over(Retry *t, bool fits, unsigned round)
{
    GError *err = NULL;

    ram_send_sync(t->send, true);
    if (!fits) {
        return;
    }
    ram_send_finish(t->send, &err);
    g_assert_no_error(err);
    check_all(t, round);
}

/* As the source goes on after an attempt that was undone. */
static void go_on(Retry *t)
{
    device_writes(t);
    if (g_rand_boolean(t->rand)) {
        guest_run(t);
    }
    guest_begin(t);
    pass(t); /* without a sync before it, while the guest runs */
    device_writes(t);
    serve_end(t->g);
    if (g_rand_boolean(t->rand)) {
        ram_send_sync(t->send, false);
        guest_run(t);
        pass(t);
    }
    if (g_rand_boolean(t->rand)) {
        guest_run(t);
        device_writes(t);
    }
}

static int no_scan(int fd, PmScanArg *arg)
{
    errno = ENOTTY;
    return -1;
}

/* old: the kernel has no PAGEMAP_SCAN. */
static void retry_init(Retry *t, const char *accel, bool old)
{
    PresenceOps ops = presence_system_ops;
    RamSendOptions opts = { .features = WIRE_F_ABSENT | WIRE_F_EXTENTS,
                            .presence = &t->presence,
                            .pace = no_pace };
    GError *err = NULL;

    if (old) {
        ops.scan = no_scan;
    }
    t->presence = ops;
    t->g = guest_new_accel(accel, RAM_MIB * MiB, 1, "qemu64,check=off");
    /* A huge page would be there as a whole. */
    madvise(t->g->rb->host, RAM_MIB * MiB, MADV_NOHUGEPAGE);
    guest_serve(t->g);
    t->rand = g_rand_new_with_seed(g_test_rand_int());
    t->out = stream_out_new(NULL);
    t->send = ram_send_new(&t->g->vm->mem, t->out, &opts, &err);
    g_assert_no_error(err);
    VM_LOCK_GUARD();
    memory_init(&t->mem);
    memory_region_init_ram(&t->ram, &t->mem, "pc.ram", RAM_MIB * MiB, &err);
    g_assert_no_error(err);
    memory_region_add(&t->mem.root, 0, &t->ram, 0);
    t->load = ram_load_new(&t->mem);
}

static void retry_fini(Retry *t)
{
    log_stop(t->g);
    ram_send_free(t->send);
    stream_out_free(t->out);
    ram_load_free(t->load);
    guest_free(t->g);
    g_rand_free(t->rand);
    VM_LOCK_GUARD();
    memory_region_fini(&t->ram);
    memory_fini(&t->mem);
}

/* Both exits, in any order, many times. */
static void run_retries(Retry *t)
{
    GError *err = NULL;

    guest_run(t);
    ram_send_setup(t->send, &err);
    g_assert_no_error(err);
    log_start(t->g);
    ram_send_sync(t->send, false);
    pass(t);
    ram_send_sync(t->send, false);
    for (unsigned i = 0; i < ROUNDS; i++) {
        switch_over(t, g_rand_boolean(t->rand), i);
        go_on(t);
    }
    switch_over(t, true, ROUNDS);
    retry_fini(t);
}

static void test_tcg(const void *old)
{
    Retry t = { 0 };

    retry_init(&t, "tcg", old);
    run_retries(&t);
}

/* mode: of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, as far as the kernel has it. */
static void test_kvm(const void *mode)
{
    Retry t = { 0 };
    GError *err = NULL;
    KvmAccel *k;
    int can;

    if (!have_kvm()) {
        return;
    }
    retry_init(&t, "kvm", GPOINTER_TO_INT(mode) & OLD);
    k = KVM_ACCEL(t.g->acc);
    can = kvm_check(k, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
          (GPOINTER_TO_INT(mode) & ~OLD);
    kvm_enable_cap(k->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, can, &err);
    g_assert_no_error(err);
    k->manual_clear = can & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
    k->initially_set = can & KVM_DIRTY_LOG_INITIALLY_SET;
    run_retries(&t);
}

static void test_kvm_ring(const void *old)
{
    Retry t = { 0 };

    if (!have_kvm()) {
        return;
    }
    retry_init(&t, "kvm,dirty-ring-size=1024", old);
    run_retries(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/dirty-retry/tcg", NULL, test_tcg);
    g_test_add_data_func("/dirty-retry/tcg-no-scan", "old", test_tcg);
    g_test_add_data_func("/dirty-retry/kvm/initially-set", GINT_TO_POINTER(3),
                         test_kvm);
    g_test_add_data_func("/dirty-retry/kvm/manual-clear", GINT_TO_POINTER(1),
                         test_kvm);
    g_test_add_data_func("/dirty-retry/kvm/sync-clears", GINT_TO_POINTER(0),
                         test_kvm);
    g_test_add_data_func("/dirty-retry/kvm/no-scan", GINT_TO_POINTER(3 | OLD),
                         test_kvm);
    g_test_add_data_func("/dirty-retry/kvm/sync-clears-no-scan",
                         GINT_TO_POINTER(OLD), test_kvm);
    g_test_add_data_func("/dirty-retry/kvm/ring", NULL, test_kvm_ring);
    g_test_add_data_func("/dirty-retry/kvm/ring-no-scan", "old", test_kvm_ring);
    return g_test_run();
}
