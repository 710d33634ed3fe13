/*
 * calc-dirty-rate: each way to measure, what it refuses, and that a migration
 * loses nothing by it.  The guest's writes are the test's own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/dirty-rate.h"
#include "system/memory.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/lock.h"

enum { RAM_MIB = 64, PAGES = RAM_MIB * 256 };

typedef struct World {
    Vm *vm;
    MemoryRegion ram;
    struct DirtyRate *d;
    unsigned long *bits; /* PAGES */
} World;

static bool has_rings;
static uint64_t counts[2];
static unsigned arms;

static void hook_nothing(Vm *vm)
{
}

static bool hook_dirtied(Vm *vm, uint64_t *ret, bool arm)
{
    arms += arm;
    if (ret != NULL) {
        memcpy(ret, counts, sizeof(counts));
        /* MiB between two looks, which are a second apart, or more. */
        counts[0] += 300 * 256;
        counts[1] += 500 * 256;
    }
    return has_rings;
}

static const VmHooks vm_hooks = { .event_resume = hook_nothing };
static const MigrationHooks mig_hooks = { .dirtied = hook_dirtied };

static void world_init(World *w, bool rings)
{
    GError *err = NULL;

    has_rings = rings;
    arms = 0;
    w->vm = vm_new(&vm_hooks);
    w->vm->nvcpus = 2;
    g_assert_true(memory_region_init_ram(&w->ram, &w->vm->mem, "pc.ram",
                                         RAM_MIB * MiB, &err));
    memory_region_add(&w->vm->mem.root, 0, &w->ram, 0);
    w->d = dirty_rate_new(w->vm, &mig_hooks);
    w->bits = bitmap_new(PAGES);
}

static void world_fini(World *w)
{
    dirty_rate_free(w->d);
    memory_region_fini(&w->ram);
    w->vm->nvcpus = 0;
    vm_free(w->vm);
    bitmap_free(w->bits);
}

static void guest_writes(World *w, uint64_t first, uint64_t npages)
{
    for (uint64_t p = first; p < first + npages; p++) {
        uint64_t at = p * RAM_PAGE_SIZE;
        uint64_t v;

        memcpy(&v, w->ram.ram->host + at, sizeof(v));
        v++;
        address_space_write(&w->vm->mem.memory, at, &v, sizeof(v));
    }
}

/* Without the lock: the thread takes it. */
VM_LOCKED static DirtyRateInfo *wait_end(World *w, bool writes)
{
    DirtyRateInfo *info;

    for (;;) {
        info = dirty_rate_query(w->d);
        if (info->status != DIRTY_RATE_STATUS_MEASURING) {
            return info;
        }
        dirty_rate_info_free(info);
        vm_lock_release();
        if (writes) {
            guest_writes(w, 0, PAGES / 2);
        }
        g_usleep(1000);
        vm_lock_acquire();
    }
}

static void test_unstarted(void)
{
    World w = { 0 };
    g_autoptr(DirtyRateInfo) info = NULL;
    VM_LOCK_GUARD();

    world_init(&w, false);
    info = dirty_rate_query(w.d);
    g_assert_cmpint(info->status, ==, DIRTY_RATE_STATUS_UNSTARTED);
    g_assert_false(info->has_dirty_rate);
    g_assert_cmpint(info->sample_pages, ==, 0);
    g_assert_null(info->vcpu_dirty_rate);
    world_fini(&w);
}

static void check_rate(const DirtyRateInfo *info, DirtyRateMeasureMode mode,
                       uint64_t sample_pages)
{
    g_assert_cmpint(info->status, ==, DIRTY_RATE_STATUS_MEASURED);
    g_assert_cmpint(info->mode, ==, mode);
    g_assert_cmpuint(info->sample_pages, ==, sample_pages);
    g_assert_cmpint(info->calc_time, ==, 1);
    g_assert_cmpint(info->start_time, >, 0);
    g_assert_true(info->has_dirty_rate);
}

static void test_samples(void)
{
    World w = { 0 };
    g_autoptr(DirtyRateInfo) info = NULL;
    g_autoptr(DirtyRateInfo) idle = NULL;
    GError *err = NULL;
    VM_LOCK_GUARD();

    world_init(&w, true);
    guest_writes(&w, 0, PAGES);
    g_assert_true(dirty_rate_start(
        w.d, 1, true, 16384, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, &err));
    info = wait_end(&w, true);
    check_rate(info, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, 16384);
    /* Half of some 1000 samples has changed, in a second or more. */
    g_assert_cmpint(info->dirty_rate, <=, RAM_MIB * 3 / 4);
    g_assert_cmpint(info->dirty_rate, >, 0);
    g_assert_false(w.vm->mem.dirty_log);
    g_assert_true(dirty_rate_start(
        w.d, 1, false, 0, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, &err));
    idle = wait_end(&w, false);
    check_rate(idle, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, 512);
    g_assert_cmpint(idle->dirty_rate, ==, 0);
    world_fini(&w);
}

static void test_bitmap(void)
{
    World w = { 0 };
    g_autoptr(DirtyRateInfo) info = NULL;
    GError *err = NULL;
    VM_LOCK_GUARD();

    world_init(&w, false);
    g_assert_true(dirty_rate_start(w.d, 1, false, 0,
                                   DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP, &err));
    info = wait_end(&w, true);
    check_rate(info, DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP, 0);
    /* Each page counts once, however often it was written. */
    g_assert_cmpint(info->dirty_rate, <=, RAM_MIB / 2);
    g_assert_cmpint(info->dirty_rate, >, 0);
    g_assert_false(w.vm->mem.dirty_log);
    world_fini(&w);
}

/* A migration begins: all is dirty for it, and stays so. */
static void test_migration_begins(void)
{
    World w = { 0 };
    g_autoptr(DirtyRateInfo) info = NULL;
    GError *err = NULL;
    VM_LOCK_GUARD();

    world_init(&w, false);
    g_assert_true(dirty_rate_start(w.d, 1, false, 0,
                                   DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP, &err));
    while (!w.vm->mem.dirty_log) {
        vm_lock_release();
        g_usleep(100);
        vm_lock_acquire();
    }
    g_assert_true(memory_dirty_log_start(&w.vm->mem, &err));
    info = wait_end(&w, false);
    g_assert_cmpint(info->status, ==, DIRTY_RATE_STATUS_UNSTARTED);
    g_assert_false(info->has_dirty_rate);
    g_assert_cmpuint(memory_dirty_log_peek(w.ram.ram, 0, PAGES, NULL, w.bits),
                     ==, PAGES);
    /* Nor is it measured so while that one is under way. */
    g_assert_false(dirty_rate_start(
        w.d, 1, false, 0, DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP, &err));
    g_assert_nonnull(strstr(err->message, "a migration needs the bitmap"));
    g_clear_error(&err);
    memory_dirty_log_stop(&w.vm->mem);
    g_assert_false(w.vm->mem.dirty_log);
    world_fini(&w);
}

static void test_rings(void)
{
    World w = { 0 };
    g_autoptr(DirtyRateInfo) info = NULL;
    GError *err = NULL;
    VM_LOCK_GUARD();

    world_init(&w, true);
    g_assert_true(dirty_rate_start(w.d, 1, false, 0,
                                   DIRTY_RATE_MEASURE_MODE_DIRTY_RING, &err));
    info = wait_end(&w, false);
    check_rate(info, DIRTY_RATE_MEASURE_MODE_DIRTY_RING, 0);
    g_assert_cmpuint(arms, ==, 1);
    g_assert_cmpuint(info->vcpu_dirty_rate->n, ==, 2);
    g_assert_cmpint(info->vcpu_dirty_rate->items[1]->id, ==, 1);
    g_assert_cmpint(info->dirty_rate, ==,
                    info->vcpu_dirty_rate->items[0]->dirty_rate +
                        info->vcpu_dirty_rate->items[1]->dirty_rate);
    g_assert_cmpint(info->dirty_rate, <=, 300 + 500);
    g_assert_cmpint(info->dirty_rate, >, 0);
    g_assert_false(w.vm->mem.dirty_log);
    world_fini(&w);
}

static void test_refused(void)
{
    static const struct {
        int64_t calc_time;
        bool has_samples;
        int64_t samples;
        DirtyRateMeasureMode mode;
        bool rings;
        const char *says;
    } t[] = {
        { 0, false, 0, 0, false, "calc-time is out of range[1, 60]." },
        { 61, false, 0, 0, false, "calc-time is out of range[1, 60]." },
        { -1, false, 0, 0, false, "calc-time is out of range[1, 60]." },
        { 1, true, 127, 0, false, "sample-pages is out of range[128, 16384]." },
        { 1, true, 16385, 0, false, "sample-pages is out of range" },
        { 1, true, 0, 0, false, "sample-pages is out of range" },
        { 1, true, 512, DIRTY_RATE_MEASURE_MODE_DIRTY_RING, true,
          "either sample-pages or dirty-ring can be specified." },
        { 1, false, 0, DIRTY_RATE_MEASURE_MODE_DIRTY_RING, false,
          "mode dirty-ring is not enabled, use other method instead." },
        { 1, false, 0, DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP, true,
          "mode dirty-bitmap is not enabled, use other method instead." },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        World w = { 0 };
        VM_LOCK_GUARD();

        world_init(&w, t[i].rings);
        g_assert_false(dirty_rate_start(w.d, t[i].calc_time, t[i].has_samples,
                                        t[i].samples, t[i].mode, &err));
        g_assert_nonnull(strstr(err->message, t[i].says));
        world_fini(&w);
    }
}

/* One at a time; and the end of the program doesn't wait for it. */
static void test_twice(void)
{
    World w = { 0 };
    g_autoptr(GError) err = NULL;
    VM_LOCK_GUARD();

    world_init(&w, false);
    g_assert_true(dirty_rate_start(
        w.d, 60, false, 0, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, &err));
    g_assert_false(dirty_rate_start(
        w.d, 1, false, 0, DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, &err));
    g_assert_nonnull(strstr(err->message, "already being measured"));
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-rate/unstarted", test_unstarted);
    g_test_add_func("/dirty-rate/samples", test_samples);
    g_test_add_func("/dirty-rate/bitmap", test_bitmap);
    g_test_add_func("/dirty-rate/migration-begins", test_migration_begins);
    g_test_add_func("/dirty-rate/rings", test_rings);
    g_test_add_func("/dirty-rate/refused", test_refused);
    g_test_add_func("/dirty-rate/twice", test_twice);
    return g_test_run();
}
