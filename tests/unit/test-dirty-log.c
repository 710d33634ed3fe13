/*
 * Unit test: the bookkeeping of dirty pages.  A listener writes down what it
 * is told, so that each test can say how much was armed and when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory.h"
#include "util/bitmap.h"
#include "util/error.h"

enum {
    PAGES = 4096,
    SMALL = 70, /* not a multiple of 64 */
    AT_SMALL = 1 << 30,
};

typedef struct Run {
    const RamBlock *rb;
    uint64_t addr, first, npages;
    bool after_take; /* its bits were gone when it was told */
} Run;

typedef struct Box {
    Memory mem;
    MemoryRegion ram, small;
    MemoryListener listener;
    GArray *cleared; /* Run */
    unsigned protects, syncs, syncs_all, last_syncs;
    unsigned starts, stops;
    bool fail_start;
    unsigned long *bits;  /* PAGES: what calls return */
    unsigned long report; /* pages that the next sync tells */
} Box;

static Box *box_of(MemoryListener *l)
{
    return container_of(l, Box, listener);
}

static void on_clear(MemoryListener *l, const MemorySection *s)
{
    const unsigned long *map = s->ram->dirty[DIRTY_MIGRATION];
    Run r = { .rb = s->ram,
              .addr = s->addr,
              .first = s->offset >> RAM_PAGE_BITS,
              .npages = s->size >> RAM_PAGE_BITS };

    g_assert_cmpuint(s->size, >, 0);
    r.after_take =
        !bitmap_test(map, r.first) && !bitmap_test(map, r.first + r.npages - 1);
    g_array_append_val(box_of(l)->cleared, r);
}

static void on_protect(MemoryListener *l)
{
    box_of(l)->protects++;
}

/* An accelerator tells all clients what it reports, and arms it at once. */
static void on_sync(MemoryListener *l, const MemorySection *s)
{
    Box *b = box_of(l);

    g_assert_cmphex(s->dirty_log, !=, 0);
    b->syncs++;
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        ram_block_merge_dirty(s->ram, c, s->offset >> RAM_PAGE_BITS, &b->report,
                              64);
    }
    b->report = 0;
}

static void on_sync_all(MemoryListener *l, bool last)
{
    box_of(l)->syncs_all++;
    box_of(l)->last_syncs += last;
}

static bool on_start(MemoryListener *l, GError **errp)
{
    box_of(l)->starts++;
    if (box_of(l)->fail_start) {
        error_setf(errp, "no log here");
        return false;
    }
    return true;
}

static void on_stop(MemoryListener *l)
{
    box_of(l)->stops++;
}

static void box_init(Box *b, bool log)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    *b = (Box){ .bits = bitmap_new(PAGES) };
    b->cleared = g_array_new(false, false, sizeof(Run));
    b->listener = (MemoryListener){ .name = "recorder",
                                    .log_clear = on_clear,
                                    .log_protect = on_protect,
                                    .log_sync = on_sync,
                                    .log_sync_all = on_sync_all,
                                    .log_global_start = on_start,
                                    .log_global_stop = on_stop };
    memory_init(&b->mem);
    memory_region_init_ram(&b->ram, &b->mem, "pc.ram", PAGES * RAM_PAGE_SIZE,
                           &err);
    g_assert_no_error(err);
    memory_region_init_ram(&b->small, &b->mem, "small", SMALL * RAM_PAGE_SIZE,
                           &err);
    g_assert_no_error(err);
    memory_region_add(&b->mem.root, 0, &b->ram, 0);
    memory_region_add(&b->mem.root, AT_SMALL, &b->small, 0);
    memory_listener_add(&b->listener, &b->mem.memory);
    if (log) {
        g_assert_true(memory_dirty_log_start(&b->mem, &err));
    }
}

static void box_fini(Box *b)
{
    VM_LOCK_GUARD();

    memory_dirty_log_stop(&b->mem);
    memory_listener_del(&b->listener);
    memory_region_fini(&b->small);
    memory_region_fini(&b->ram);
    memory_fini(&b->mem);
    g_array_unref(b->cleared);
    bitmap_free(b->bits);
}

/* Everything clean, nothing told. */
static void box_clean(Box *b)
{
    memory_dirty_log_take(&b->mem, b->ram.ram, 0, PAGES, NULL, b->bits);
    memory_dirty_log_take(&b->mem, b->small.ram, 0, SMALL, NULL, b->bits);
    g_array_set_size(b->cleared, 0);
    b->protects = 0;
}

static void assert_run(Box *b, unsigned i, uint64_t first, uint64_t npages)
{
    const Run *r = &g_array_index(b->cleared, Run, i);

    g_assert_cmpuint(i, <, b->cleared->len);
    g_assert_cmpuint(r->first, ==, first);
    g_assert_cmpuint(r->npages, ==, npages);
    g_assert_true(r->after_take);
}

static uint64_t dirty_pages(RamBlock *rb)
{
    g_autofree unsigned long *except = bitmap_new(PAGES);

    return memory_dirty_log_count(rb, ram_block_npages(rb), except);
}

static bool is_dirty(RamBlock *rb, uint64_t page)
{
    return bitmap_test(rb->dirty[DIRTY_MIGRATION], page);
}

/* All pages are dirty at first, are taken once and armed as one run. */
static void test_start(void)
{
    GError *err = NULL;
    Box b;

    box_init(&b, false);
    g_assert_false(ram_dirty_enabled(&b.mem.ram));
    g_assert_null(b.ram.ram->dirty[DIRTY_MIGRATION]);
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&b.mem, &err));
    g_assert_false(memory_dirty_log_start(&b.mem, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    vm_lock_release();
    g_assert_true(ram_dirty_enabled(&b.mem.ram));
    g_assert_cmpuint(b.starts, ==, 1);
    g_assert_cmpuint(dirty_pages(b.small.ram), ==, SMALL);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, b.ram.ram, 0, PAGES, NULL,
                                           b.bits),
                     ==, PAGES);
    g_assert_true(bitmap_test_all(b.bits, 0, PAGES));
    g_assert_cmpuint(b.cleared->len, ==, 1);
    assert_run(&b, 0, 0, PAGES);
    g_assert_cmpuint(b.protects, ==, 1);
    g_assert_cmpuint(dirty_pages(b.ram.ram), ==, 0);
    g_assert_cmpuint(dirty_pages(b.small.ram), ==, SMALL);
    vm_lock_acquire();
    memory_dirty_log_stop(&b.mem);
    memory_dirty_log_stop(&b.mem);
    vm_lock_release();
    g_assert_cmpuint(b.stops, ==, 1);
    g_assert_false(ram_dirty_enabled(&b.mem.ram));
    g_assert_null(b.ram.ram->dirty[DIRTY_MIGRATION]);
    box_fini(&b);
    g_assert_cmpuint(b.stops, ==, 1);
}

/* A block that is plugged in meanwhile is logged by the same clients. */
static void test_new_block(void)
{
    GError *err = NULL;
    MemoryRegion late;
    Box b;

    box_init(&b, true);
    vm_lock_acquire();
    g_assert_true(ram_dirty_start(&b.mem.ram, DIRTY_DISPLAY, false, &err));
    g_assert_true(memory_region_init_ram(&late, &b.mem, "late",
                                         SMALL * RAM_PAGE_SIZE, &err));
    vm_lock_release();
    g_assert_true(bitmap_test_all(late.ram->dirty[DIRTY_MIGRATION], 0, SMALL));
    g_assert_nonnull(late.ram->dirty[DIRTY_DISPLAY]);
    g_assert_cmpuint(bitmap_count(late.ram->dirty[DIRTY_DISPLAY], 0, SMALL), ==,
                     0);
    g_assert_null(late.ram->dirty[DIRTY_CODE]);
    vm_lock_acquire();
    ram_dirty_stop(&b.mem.ram, DIRTY_DISPLAY);
    g_assert_null(late.ram->dirty[DIRTY_DISPLAY]);
    memory_region_fini(&late);
    vm_lock_release();
    box_fini(&b);
}

/* A log that an accelerator can't keep isn't there at all. */
static void test_start_fails(void)
{
    g_autoptr(GError) err = NULL;
    Box b;

    box_init(&b, false);
    b.fail_start = true;
    vm_lock_acquire();
    g_assert_false(memory_dirty_log_start(&b.mem, &err));
    vm_lock_release();
    g_assert_cmpstr(err->message, ==, "no log here");
    g_assert_cmpuint(b.stops, ==, 1);
    g_assert_false(ram_dirty_enabled(&b.mem.ram));
    g_assert_false(b.mem.dirty_log);
    b.fail_start = false;
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&b.mem, NULL));
    vm_lock_release();
    box_fini(&b);
}

/* What is clean is neither taken nor armed. */
static void test_take_nothing(void)
{
    Box b;

    box_init(&b, true);
    box_clean(&b);
    memset(b.bits, 0xff, PAGES / 8);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, b.ram.ram, 0, PAGES, NULL,
                                           b.bits),
                     ==, 0);
    g_assert_false(bitmap_test_any(b.bits, 0, PAGES));
    g_assert_cmpuint(b.cleared->len, ==, 0);
    g_assert_cmpuint(b.protects, ==, 0);
    box_fini(&b);
}

/* Runs 512 pages apart are armed together, those further apart alone. */
static void test_gap(void)
{
    Box b;
    RamBlock *rb;

    box_init(&b, true);
    rb = b.ram.ram;
    box_clean(&b);
    memory_dirty_log_mark(rb, 3, 2);
    memory_dirty_log_mark(rb, 517, 1);  /* 512 clean ones before it */
    memory_dirty_log_mark(rb, 1031, 1); /* 513 */
    memory_dirty_log_mark(rb, PAGES - 1, 1);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, rb, 0, PAGES, NULL, b.bits),
                     ==, 5);
    g_assert_cmpuint(b.cleared->len, ==, 3);
    assert_run(&b, 0, 3, 515);
    assert_run(&b, 1, 1031, 1);
    assert_run(&b, 2, PAGES - 1, 1);
    g_assert_cmpuint(b.protects, ==, 1);
    g_assert_cmpuint(bitmap_count(b.bits, 0, PAGES), ==, 5);
    box_fini(&b);
}

/* A window in the middle: nothing beside it is touched, nor told. */
static void test_window(void)
{
    Box b;
    RamBlock *rb;

    box_init(&b, true);
    rb = b.ram.ram;
    box_clean(&b);
    memory_dirty_log_mark(rb, 0, PAGES);
    memset(b.bits, 0, PAGES / 8);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, rb, 128, 70, NULL, b.bits),
                     ==, 70);
    g_assert_cmpuint(bitmap_count(b.bits, 0, 128), ==, 70);
    assert_run(&b, 0, 128, 70);
    g_assert_cmpuint(b.cleared->len, ==, 1);
    g_assert_true(is_dirty(rb, 127));
    g_assert_false(is_dirty(rb, 128));
    g_assert_false(is_dirty(rb, 197));
    g_assert_true(is_dirty(rb, 198));
    g_assert_cmpuint(dirty_pages(rb), ==, PAGES - 70);
    bitmap_clear(b.bits, 0, PAGES);
    g_assert_cmpuint(memory_dirty_log_count(rb, 199, b.bits), ==, 129);
    box_fini(&b);
}

/* Pages that are left out keep their bits, and count nowhere. */
static void test_except(void)
{
    g_autofree unsigned long *except = bitmap_new(PAGES);
    Box b;
    RamBlock *rb;

    box_init(&b, true);
    rb = b.ram.ram;
    bitmap_set(except, 64, 1000);
    g_assert_cmpuint(memory_dirty_log_count(rb, PAGES, except), ==,
                     PAGES - 1000);
    g_assert_cmpuint(memory_dirty_log_peek(rb, 0, PAGES, except, b.bits), ==,
                     PAGES - 1000);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, rb, 0, PAGES, except,
                                           b.bits),
                     ==, PAGES - 1000);
    g_assert_false(bitmap_test_any(b.bits, 64, 1000));
    g_assert_cmpuint(b.cleared->len, ==, 2);
    assert_run(&b, 0, 0, 64);
    assert_run(&b, 1, 1064, PAGES - 1064);
    g_assert_cmpuint(dirty_pages(rb), ==, 1000);
    g_assert_true(is_dirty(rb, 64));
    g_assert_true(is_dirty(rb, 1063));
    box_fini(&b);
}

/* Who peeks changes nothing, however often. */
static void test_peek(void)
{
    Box b;
    RamBlock *rb;

    box_init(&b, true);
    rb = b.small.ram;
    for (unsigned i = 0; i < 3; i++) {
        memset(b.bits, 0xff, PAGES / 8);
        g_assert_cmpuint(memory_dirty_log_peek(rb, 0, SMALL, NULL, b.bits), ==,
                         SMALL);
        g_assert_cmpuint(bitmap_count(b.bits, 0, 128), ==, SMALL);
    }
    g_assert_cmpuint(dirty_pages(rb), ==, SMALL);
    g_assert_cmpuint(b.cleared->len + b.protects, ==, 0);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits),
                     ==, SMALL);
    g_assert_cmpuint(memory_dirty_log_peek(rb, 0, SMALL, NULL, b.bits), ==, 0);
    assert_run(&b, 0, 0, SMALL);
    g_assert_cmpuint(g_array_index(b.cleared, Run, 0).addr, ==, AT_SMALL);
    box_fini(&b);
}

/* Without a log nothing is known. */
static void test_no_log(void)
{
    Box b;
    RamBlock *rb;

    box_init(&b, false);
    rb = b.small.ram;
    memory_dirty_log_mark(rb, 0, 1);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits),
                     ==, SMALL);
    g_assert_cmpuint(memory_dirty_log_peek(rb, 0, SMALL, NULL, b.bits), ==,
                     SMALL);
    g_assert_cmpuint(dirty_pages(rb), ==, SMALL);
    box_fini(&b);
}

/* A block in two places is armed in both, one in none by log_protect alone. */
static void test_views(void)
{
    MemoryRegion alias;
    Box b;
    RamBlock *rb;

    box_init(&b, true);
    rb = b.small.ram;
    box_clean(&b);
    {
        VM_LOCK_GUARD();
        memory_region_init_alias(&alias, &b.mem, "alias", &b.small,
                                 2 * RAM_PAGE_SIZE, 8 * RAM_PAGE_SIZE);
        memory_region_add(&b.mem.root, 2 * (uint64_t)AT_SMALL, &alias, 0);
    }
    memory_dirty_log_mark(rb, 0, 1);
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    g_assert_cmpuint(b.cleared->len, ==, 1);
    /* Up to where the alias begins, and from where it ends. */
    memory_dirty_log_mark(rb, 0, 2);
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    memory_dirty_log_mark(rb, 10, 1);
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    g_assert_cmpuint(b.cleared->len, ==, 3);
    memory_dirty_log_mark(rb, 1, 9);
    g_array_set_size(b.cleared, 0);
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    g_assert_cmpuint(b.cleared->len, ==, 2);
    assert_run(&b, 0, 1, 9);
    assert_run(&b, 1, 2, 8);
    g_assert_cmphex(g_array_index(b.cleared, Run, 0).addr, ==,
                    AT_SMALL + RAM_PAGE_SIZE);
    g_assert_cmphex(g_array_index(b.cleared, Run, 1).addr, ==,
                    2 * (uint64_t)AT_SMALL);
    {
        VM_LOCK_GUARD();
        memory_region_del(&alias);
        memory_region_fini(&alias);
        memory_region_del(&b.small);
    }
    memory_dirty_log_mark(rb, 5, 1);
    g_array_set_size(b.cleared, 0);
    b.protects = 0;
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    g_assert_cmpuint(b.cleared->len, ==, 0);
    g_assert_cmpuint(b.protects, ==, 1);
    box_fini(&b);
}

static unsigned logged_ranges(AddressSpace *as)
{
    unsigned n = 0;

    for (unsigned i = 0; i < as->view->nranges; i++) {
        n += as->view->ranges[i].dirty_log >> DIRTY_MIGRATION & 1;
    }
    return n;
}

/* Both views of memory show that it is logged, and that it is no more. */
static void test_smm(void)
{
    Box b;

    box_init(&b, false);
    vm_lock_acquire();
    memory_smm_init(&b.mem);
    g_assert_cmpuint(logged_ranges(&b.mem.smm), ==, 0);
    g_assert_true(memory_dirty_log_start(&b.mem, NULL));
    g_assert_cmpuint(logged_ranges(&b.mem.smm), ==, 2);
    g_assert_cmpuint(logged_ranges(&b.mem.memory), ==, 2);
    memory_dirty_log_stop(&b.mem);
    g_assert_cmpuint(logged_ranges(&b.mem.smm), ==, 0);
    g_assert_cmpuint(logged_ranges(&b.mem.memory), ==, 0);
    vm_lock_release();
    box_fini(&b);
}

static void test_sync(void)
{
    Box b;

    box_init(&b, true);
    memory_dirty_log_sync(&b.mem, true);
    g_assert_cmpuint(b.syncs, ==, 2); /* one for each range */
    g_assert_cmpuint(b.syncs_all, ==, 0);
    b.listener.log_sync = NULL;
    memory_dirty_log_sync(&b.mem, false);
    memory_dirty_log_sync(&b.mem, true);
    g_assert_cmpuint(b.syncs, ==, 2);
    g_assert_cmpuint(b.syncs_all, ==, 2);
    g_assert_cmpuint(b.last_syncs, ==, 1);
    b.listener.log_sync = on_sync;
    vm_lock_acquire();
    memory_dirty_log_stop(&b.mem);
    vm_lock_release();
    memory_dirty_log_sync(&b.mem, false);
    g_assert_cmpuint(b.syncs, ==, 2); /* nothing is logged any more */
    box_fini(&b);
}

/* What this program stores is counted when that is asked for. */
static void test_host_writes(void)
{
    RamList *list;
    uint64_t n;
    Box b;

    box_init(&b, false);
    list = &b.mem.ram;
    n = ram_host_writes(list);
    ram_block_set_dirty(list, b.small.ram, 0, 1);
    g_assert_cmpuint(ram_host_writes(list), ==, n);
    ram_count_host_writes(list, true);
    g_assert_true(ram_dirty_enabled(list));
    ram_block_set_dirty(list, b.small.ram, 0, 1);
    ram_block_set_dirty(list, b.small.ram, 0, 0); /* nothing */
    g_assert_cmpuint(ram_host_writes(list), ==, n + 1);
    ram_count_host_writes(list, false);
    g_assert_false(ram_dirty_enabled(list));
    ram_block_set_dirty(list, b.small.ram, 0, 1);
    g_assert_cmpuint(ram_host_writes(list), ==, n + 1);
    box_fini(&b);
}

/* Each page of which a byte was stored, and no other. */
static void test_host_write(void)
{
    static const struct {
        uint64_t off, len, first, npages;
    } t[] = {
        { 0, 1, 0, 1 },
        { RAM_PAGE_SIZE - 1, 1, 0, 1 },
        { RAM_PAGE_SIZE - 1, 2, 0, 2 },
        { 5 * RAM_PAGE_SIZE, RAM_PAGE_SIZE, 5, 1 },
        { 5 * RAM_PAGE_SIZE, RAM_PAGE_SIZE + 1, 5, 2 },
        { 5 * RAM_PAGE_SIZE - 1, RAM_PAGE_SIZE + 2, 4, 3 },
        { (SMALL - 1) * RAM_PAGE_SIZE + 4095, 1, SMALL - 1, 1 },
        { 0, SMALL * RAM_PAGE_SIZE, 0, SMALL },
        { 7, 0, 0, 0 },                              /* nothing */
        { (SMALL - 1) * RAM_PAGE_SIZE, 4097, 0, 0 }, /* sticks out */
        { UINT64_MAX, 2, 0, 0 },
    };
    Box b;

    box_init(&b, true);
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        RamBlock *rb = b.small.ram;

        box_clean(&b);
        g_test_message("case %zu", i);
        ram_block_set_dirty(&b.mem.ram, rb, t[i].off, t[i].len);
        g_assert_cmpuint(dirty_pages(rb), ==, t[i].npages);
        g_assert_true(bitmap_test_all(rb->dirty[DIRTY_MIGRATION], t[i].first,
                                      t[i].npages));
        g_assert_cmpuint(dirty_pages(b.ram.ram), ==, 0);
    }
    box_fini(&b);
}

/* Stores of this process are noted whether anybody logs or not. */
static void test_host_written(void)
{
    uint64_t lo = 1, hi = 1;
    RamBlock *rb;
    Box b;

    box_init(&b, false);
    rb = b.small.ram;
    g_assert_false(ram_block_host_written(rb, &lo, &hi));
    ram_block_set_dirty(&b.mem.ram, rb, 5000, 10);
    g_assert_true(ram_block_host_written(rb, &lo, &hi));
    g_assert_cmpuint(lo, ==, 5000);
    g_assert_cmpuint(hi, ==, 5010);
    ram_block_set_dirty(&b.mem.ram, rb, 5001, 3); /* inside */
    ram_block_set_dirty(&b.mem.ram, rb, 9000, 0); /* nothing */
    ram_block_host_written(rb, &lo, &hi);
    g_assert_cmpuint(lo, ==, 5000);
    g_assert_cmpuint(hi, ==, 5010);
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&b.mem, NULL));
    vm_lock_release();
    ram_block_set_dirty(&b.mem.ram, rb, 10, 1);
    ram_block_set_dirty(&b.mem.ram, rb, 8000, 1);
    ram_block_host_written(rb, &lo, &hi);
    g_assert_cmpuint(lo, ==, 10);
    g_assert_cmpuint(hi, ==, 8001);
    g_assert_false(ram_block_host_written(b.ram.ram, &lo, &hi));
    box_fini(&b);
}

static void on_code(void *opaque, RamBlock *rb, uint64_t off, uint64_t len)
{
    *(uint64_t *)opaque += len;
}

/* Each client has its bits; those of code are nobody's log. */
static void test_clients(void)
{
    const unsigned long bits[2] = { 5, 1UL << 5 | 1UL << 6 };
    const unsigned long ones[1] = { ~0UL };
    uint64_t told = 0;
    RamBlock *rb;
    Box b;

    box_init(&b, true);
    box_clean(&b);
    rb = b.small.ram;
    vm_lock_acquire();
    b.mem.ram.code_written = on_code;
    b.mem.ram.code_opaque = &told;
    g_assert_true(ram_dirty_start(&b.mem.ram, DIRTY_CODE, false, NULL));
    g_assert_true(ram_dirty_start(&b.mem.ram, DIRTY_DISPLAY, false, NULL));
    vm_lock_release();
    bitmap_set_bit(rb->dirty[DIRTY_CODE], 7);
    ram_block_set_dirty(&b.mem.ram, rb, 8 * RAM_PAGE_SIZE, 100);
    g_assert_cmpuint(told, ==, 0);
    ram_block_set_dirty(&b.mem.ram, rb, 8 * RAM_PAGE_SIZE - 1, 2);
    g_assert_cmpuint(told, ==, 2);
    ram_block_set_dirty(&b.mem.ram, rb, 7 * RAM_PAGE_SIZE - 1, 2);
    g_assert_cmpuint(told, ==, 4);
    g_assert_cmpuint(bitmap_count(rb->dirty[DIRTY_CODE], 0, SMALL), ==, 1);
    g_assert_cmpuint(bitmap_count(rb->dirty[DIRTY_DISPLAY], 0, SMALL), ==, 3);
    g_assert_cmpuint(dirty_pages(rb), ==, 3);
    /* An accelerator's, of which the last lies past the block. */
    ram_block_merge_dirty(rb, DIRTY_DISPLAY, 0, bits, 71);
    g_assert_true(is_dirty(rb, 7));
    g_assert_false(is_dirty(rb, 0));
    g_assert_true(bitmap_test(rb->dirty[DIRTY_DISPLAY], 69));
    g_assert_false(bitmap_test(rb->dirty[DIRTY_DISPLAY], 70));
    g_assert_cmpuint(bitmap_count(rb->dirty[DIRTY_DISPLAY], 0, 71), ==, 6);
    ram_block_merge_dirty(rb, DIRTY_DISPLAY, 65, ones, 64);
    g_assert_cmpuint(bitmap_count(rb->dirty[DIRTY_DISPLAY], 65, 5), ==, 5);
    g_assert_false(bitmap_test(rb->dirty[DIRTY_DISPLAY], 70));
    bitmap_clear(rb->dirty[DIRTY_DISPLAY], 65, 4);
    ram_block_merge_dirty(rb, DIRTY_DISPLAY, SMALL, bits, 2);
    g_assert_cmpuint(bitmap_count(rb->dirty[DIRTY_DISPLAY], 0, 74), ==, 6);
    vm_lock_acquire();
    ram_dirty_stop(&b.mem.ram, DIRTY_CODE);
    ram_dirty_stop(&b.mem.ram, DIRTY_DISPLAY);
    vm_lock_release();
    ram_block_merge_dirty(rb, DIRTY_DISPLAY, 0, bits, 2);
    g_assert_null(rb->dirty[DIRTY_DISPLAY]);
    box_fini(&b);
}

/* The display takes its own bits, and the migration loses none. */
static void test_display(void)
{
    Box b;
    RamBlock *rb;

    box_init(&b, false);
    rb = b.small.ram;
    vm_lock_acquire();
    g_assert_true(memory_display_log_set(&b.small, true));
    g_assert_true(memory_dirty_log_start(&b.mem, NULL));
    box_clean(&b);
    b.report = 1UL << 3;
    ram_block_set_dirty(&b.mem.ram, rb, 65 * RAM_PAGE_SIZE, 1);
    g_assert_cmpuint(memory_display_log_take(&b.small, b.bits), ==, 2);
    g_assert_true(bitmap_test(b.bits, 3));
    g_assert_true(bitmap_test(b.bits, 65));
    /* Only the section that is looked at was asked, and once. */
    g_assert_cmpuint(b.syncs, ==, 1);
    g_assert_cmpuint(b.cleared->len, ==, 0);
    g_assert_true(is_dirty(rb, 3));
    g_assert_true(is_dirty(rb, 65));
    g_assert_cmpuint(memory_display_log_take(&b.small, b.bits), ==, 0);
    g_assert_cmpuint(dirty_pages(rb), ==, 2);
    /* The other way round: what the migration takes stays the display's. */
    ram_block_set_dirty(&b.mem.ram, rb, 0, 1);
    memory_dirty_log_take(&b.mem, rb, 0, SMALL, NULL, b.bits);
    g_assert_cmpuint(memory_display_log_take(&b.small, b.bits), ==, 1);
    g_assert_true(bitmap_test(b.bits, 0));
    g_assert_true(memory_display_log_set(&b.small, false));
    g_assert_null(rb->dirty[DIRTY_DISPLAY]);
    g_assert_nonnull(rb->dirty[DIRTY_MIGRATION]);
    vm_lock_release();
    box_fini(&b);
}

/* Two screens: the bitmaps go with the last one. */
static void test_displays(void)
{
    Box b;

    box_init(&b, false);
    vm_lock_acquire();
    g_assert_true(memory_display_log_set(&b.small, true));
    g_assert_true(memory_display_log_set(&b.ram, true));
    g_assert_true(memory_display_log_set(&b.small, false));
    g_assert_nonnull(b.ram.ram->dirty[DIRTY_DISPLAY]);
    ram_block_set_dirty(&b.mem.ram, b.ram.ram, 0, 1);
    g_assert_cmpuint(memory_display_log_take(&b.ram, b.bits), ==, 1);
    g_assert_true(memory_display_log_set(&b.ram, false));
    g_assert_null(b.ram.ram->dirty[DIRTY_DISPLAY]);
    vm_lock_release();
    box_fini(&b);
}

/*
 * Others have it on when a migration begins: all pages are new to that one,
 * whatever bits were taken before; it ends with the last user.
 */
static void test_users(void)
{
    GError *err = NULL;
    Box b;
    VM_LOCK_GUARD();

    box_init(&b, false);
    g_assert_true(memory_dirty_log_watch(&b.mem, DIRTY_LOG_LIMIT, &err));
    g_assert_false(memory_dirty_log_watch(&b.mem, DIRTY_LOG_LIMIT, &err));
    g_clear_error(&err);
    g_assert_true(memory_dirty_log_watch(&b.mem, DIRTY_LOG_RATE, &err));
    g_assert_false(memory_dirty_log_migrates(&b.mem));
    box_clean(&b);
    g_assert_true(memory_dirty_log_start(&b.mem, &err));
    g_assert_true(memory_dirty_log_migrates(&b.mem));
    g_assert_cmpuint(b.mem.log_migrations, ==, 1);
    g_assert_cmpuint(b.starts, ==, 1);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, b.ram.ram, 0, PAGES, NULL,
                                           b.bits),
                     ==, PAGES);
    g_assert_cmpuint(memory_dirty_log_take(&b.mem, b.small.ram, 0, SMALL, NULL,
                                           b.bits),
                     ==, SMALL);
    g_assert_false(memory_dirty_log_start(&b.mem, &err));
    g_clear_error(&err);
    /* The first goes, the migration's stays as it is. */
    memory_dirty_log_mark(b.ram.ram, 5, 1);
    memory_dirty_log_unwatch(&b.mem, DIRTY_LOG_LIMIT);
    memory_dirty_log_unwatch(&b.mem, DIRTY_LOG_LIMIT);
    g_assert_cmpuint(memory_dirty_log_peek(b.ram.ram, 0, PAGES, NULL, b.bits),
                     ==, 1);
    memory_dirty_log_stop(&b.mem);
    g_assert_false(memory_dirty_log_migrates(&b.mem));
    g_assert_cmpuint(b.stops, ==, 0);
    memory_dirty_log_unwatch(&b.mem, DIRTY_LOG_RATE);
    g_assert_cmpuint(b.stops, ==, 1);
    g_assert_null(b.ram.ram->dirty[DIRTY_MIGRATION]);
    box_fini(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-log/start", test_start);
    g_test_add_func("/dirty-log/new-block", test_new_block);
    g_test_add_func("/dirty-log/start-fails", test_start_fails);
    g_test_add_func("/dirty-log/take-nothing", test_take_nothing);
    g_test_add_func("/dirty-log/gap", test_gap);
    g_test_add_func("/dirty-log/window", test_window);
    g_test_add_func("/dirty-log/except", test_except);
    g_test_add_func("/dirty-log/peek", test_peek);
    g_test_add_func("/dirty-log/no-log", test_no_log);
    g_test_add_func("/dirty-log/views", test_views);
    g_test_add_func("/dirty-log/smm", test_smm);
    g_test_add_func("/dirty-log/sync", test_sync);
    g_test_add_func("/dirty-log/host-write", test_host_write);
    g_test_add_func("/dirty-log/host-writes", test_host_writes);
    g_test_add_func("/dirty-log/host-written", test_host_written);
    g_test_add_func("/dirty-log/clients", test_clients);
    g_test_add_func("/dirty-log/display", test_display);
    g_test_add_func("/dirty-log/displays", test_displays);
    g_test_add_func("/dirty-log/users", test_users);
    return g_test_run();
}
