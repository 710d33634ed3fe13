/*
 * Unit test: no page is lost, however often a switch-over is undone.
 *
 * A guest stores to random pages, devices write to others between them, each
 * time with a value of its own.  Again and again it is stopped for good and
 * runs on all the same: since the rest did not fit the limit, or since the
 * destination's word came late.  Whenever all was sent, every page has to be
 * the same on both sides.
 *
 * A guest that says which pages are free says so of pages that it uses all the
 * while: one that it didn't write since may differ, no other.
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
    HINTS = 300,
    OLD = 1 << 8,     /* no PAGEMAP_SCAN */
    HINTING = 1 << 9, /* the guest says which pages are free */
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
    /* What was in pages when the guest said that they are free; NULL: not. */
    uint8_t *free[RAM_MIB * MiB / RAM_PAGE_SIZE];
    unsigned differ; /* free pages, in the end */
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

static bool nobody_needs(const Retry *t, uint64_t p, const uint8_t *now)
{
    return t->free[p] != NULL && memcmp(t->free[p], now, RAM_PAGE_SIZE) == 0;
}

static void check_all(Retry *t, unsigned round)
{
    t->differ = 0;
    load_sections(t);
    for (uint64_t p = 0; p < ram_block_npages(t->g->rb); p++) {
        const uint8_t *src = t->g->rb->host + p * RAM_PAGE_SIZE;
        const uint8_t *dst = t->ram.ram->host + p * RAM_PAGE_SIZE;

        if (memcmp(src, dst, RAM_PAGE_SIZE) == 0) {
            continue;
        }
        t->differ++;
        if (!nobody_needs(t, p, src)) {
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

static void say_free(Retry *t, uint64_t p, uint64_t n)
{
    uint8_t *host = t->g->rb->host + p * RAM_PAGE_SIZE;

    for (uint64_t i = 0; i < n; i++) {
        g_free(t->free[p + i]);
        t->free[p + i] = g_memdup2(host + i * RAM_PAGE_SIZE, RAM_PAGE_SIZE);
    }
    free_hints_report(&t->g->vm->mem.hints, t->g->rb, p * RAM_PAGE_SIZE,
                      n * RAM_PAGE_SIZE);
}

/* The guest runs meanwhile. */
static bool hints_start(void *opaque)
{
    Retry *t = opaque;

    for (unsigned i = 0; i < HINTS; i++) {
        say_free(t, random_addr(t) / RAM_PAGE_SIZE, 1);
    }
    say_free(t, FIRST_PAGE + 500, 500);
    device_writes(t); /* some are used again at once */
    return true;
}

static void hints_stop(void *opaque)
{
    Retry *t = opaque;

    /* That was too late to be heard. */
    free_hints_report(&t->g->vm->mem.hints, t->g->rb, 0, RAM_MIB * MiB);
}

static const FreeHintSource hint_source = { .start = hints_start,
                                            .stop = hints_stop };

static void set_hint_source(Retry *t, const FreeHintSource *s)
{
    VM_LOCK_GUARD();
    free_hints_set_source(&t->g->vm->mem.hints, s, t);
}

static void retry_fini(Retry *t)
{
    set_hint_source(t, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(t->free); i++) {
        g_free(t->free[i]);
    }
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

static void first_pass(Retry *t)
{
    device_writes(t);
    ram_send_sync(t->send, false);
    guest_begin(t);
    pass(t);
    device_writes(t);
    serve_end(t->g);
    ram_send_sync(t->send, false);
}

/* Both exits, in any order, many times. */
static void run_retries(Retry *t)
{
    GError *err = NULL;

    for (unsigned i = 0; i < ROUNDS; i++) {
        guest_run(t); /* many pages have something in them */
    }
    ram_send_setup(t->send, &err);
    g_assert_no_error(err);
    log_start(t->g);
    first_pass(t);
    for (unsigned i = 0; i < ROUNDS; i++) {
        switch_over(t, g_rand_boolean(t->rand), i);
        go_on(t);
    }
    switch_over(t, true, ROUNDS);
    /* A test of hints has pages that weren't sent. */
    g_assert_cmpint(t->differ > 0, ==, t->free[FIRST_PAGE + 500] != NULL);
    retry_fini(t);
}

static void retry_set_hinting(Retry *t, const void *mode)
{
    if (GPOINTER_TO_INT(mode) & HINTING) {
        set_hint_source(t, &hint_source);
    }
}

static void test_tcg(const void *mode)
{
    g_autofree Retry *t = g_new0(Retry, 1);

    retry_init(t, "tcg", GPOINTER_TO_INT(mode) & OLD);
    retry_set_hinting(t, mode);
    run_retries(t);
}

/* mode: of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, as far as the kernel has it. */
static void test_kvm(const void *mode)
{
    g_autofree Retry *t = g_new0(Retry, 1);
    GError *err = NULL;
    KvmAccel *k;
    int can;

    if (!have_kvm()) {
        return;
    }
    retry_init(t, "kvm", GPOINTER_TO_INT(mode) & OLD);
    k = KVM_ACCEL(t->g->acc);
    can = kvm_check(k, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
          (GPOINTER_TO_INT(mode) & ~(OLD | HINTING));
    kvm_enable_cap(k->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, can, &err);
    g_assert_no_error(err);
    k->manual_clear = can & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
    k->initially_set = can & KVM_DIRTY_LOG_INITIALLY_SET;
    retry_set_hinting(t, mode);
    run_retries(t);
}

static void test_kvm_ring(const void *mode)
{
    g_autofree Retry *t = g_new0(Retry, 1);

    if (!have_kvm()) {
        return;
    }
    retry_init(t, "kvm,dirty-ring-size=1024", GPOINTER_TO_INT(mode) & OLD);
    retry_set_hinting(t, mode);
    run_retries(t);
}

typedef struct RetryCase {
    const char *name;
    GTestDataFunc fn;
    int mode;
} RetryCase;

static const RetryCase cases[] = {
    { "tcg", test_tcg, 0 },
    { "tcg-no-scan", test_tcg, OLD },
    { "tcg-hints", test_tcg, HINTING },
    { "tcg-hints-no-scan", test_tcg, HINTING | OLD },
    { "kvm/initially-set", test_kvm, 3 },
    { "kvm/manual-clear", test_kvm, 1 },
    { "kvm/sync-clears", test_kvm, 0 },
    { "kvm/no-scan", test_kvm, 3 | OLD },
    { "kvm/sync-clears-no-scan", test_kvm, OLD },
    { "kvm/hints", test_kvm, 3 | HINTING },
    { "kvm/sync-clears-hints-no-scan", test_kvm, HINTING | OLD },
    { "kvm/ring", test_kvm_ring, 0 },
    { "kvm/ring-no-scan", test_kvm_ring, OLD },
    { "kvm/ring-hints", test_kvm_ring, HINTING },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/dirty-retry/%s", cases[i].name);

        g_test_add_data_func(path, GINT_TO_POINTER(cases[i].mode), cases[i].fn);
    }
    return g_test_run();
}
