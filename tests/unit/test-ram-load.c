/*
 * The loader of guest memory, record by record: what is stored where, up to
 * the last byte of a block, what is made to read as zero, and which blocks
 * are refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "migration/ram-load.h"
#include "migration/ram.h"
#include "migration/wire.h"
#include "system/memory.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/tsan.h"

enum {
    PAGE = RAM_PAGE_SIZE,
    PAGES = 8,
    ODD = 5 * PAGE + 100, /* bytes of a block that ends inside a page */
    LARGE = 64 << 20,     /* from here on only what was written is zeroed */
};

typedef struct World {
    Memory mem;
    RamBlock *a, *b; /* of PAGES pages; of ODD bytes, and may grow */
    RamLoad *load;
    GByteArray *s;
} World;

static RamBlock *add_block(World *w, const char *name, uint64_t size,
                           const RamBlockOptions *opts)
{
    RamBlockOptions o = opts ? *opts : (RamBlockOptions){ 0 };
    GError *err = NULL;
    RamBlock *rb;

    o.size = size;
    rb = ram_block_new(&w->mem.ram, name, &o, &err);
    g_assert_no_error(err);
    return rb;
}

static void world_init(World *w)
{
    VM_LOCK_GUARD();

    memset(w, 0, sizeof(*w));
    memory_init(&w->mem);
    w->a = add_block(w, "a", PAGES * PAGE, NULL);
    w->b = add_block(w, "b", 6 * PAGE,
                     &(RamBlockOptions){ .max_size = 16 * PAGE });
    w->b->used_length = ODD;
    w->load = ram_load_new(&w->mem);
    w->s = g_byte_array_new();
}

static void world_fini(World *w)
{
    VM_LOCK_GUARD();

    ram_load_free(w->load);
    ram_load_free(NULL);
    while (w->mem.ram.blocks.head != NULL) {
        ram_block_free(&w->mem.ram,
                       container_of(w->mem.ram.blocks.head, RamBlock, link));
    }
    memory_fini(&w->mem);
    g_byte_array_unref(w->s);
}

static void put8(World *w, uint8_t v)
{
    g_byte_array_append(w->s, &v, 1);
}

static void put32(World *w, uint32_t v)
{
    uint8_t be[4];

    stl_be_p(be, v);
    g_byte_array_append(w->s, be, sizeof(be));
}

static void put64(World *w, uint64_t v)
{
    uint8_t be[8];

    stq_be_p(be, v);
    g_byte_array_append(w->s, be, sizeof(be));
}

static void put_name(World *w, const char *name)
{
    put8(w, strlen(name));
    g_byte_array_append(w->s, (const uint8_t *)name, strlen(name));
}

static void put_entry(World *w, const char *name, uint64_t len)
{
    put_name(w, name);
    put64(w, len);
}

static void put_list(World *w)
{
    put64(w, (PAGES * PAGE + 6 * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(w, "b", 6 * PAGE);
    put_entry(w, "a", PAGES * PAGE);
}

static void put_bytes(World *w, uint8_t first, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        put8(w, first + i % 251);
    }
}

/* Loads what was put, as one section. */
static bool load(World *w, GError **errp)
{
    g_autofree uint8_t *copy = g_memdup2(w->s->data, w->s->len);
    g_autoptr(StreamIn) in = stream_in_new_mem(copy, w->s->len);
    bool ok = ram_load_section(w->load, in, errp);

    if (ok) {
        g_assert_cmpuint(stream_in_bytes(in), ==, w->s->len);
    }
    g_byte_array_set_size(w->s, 0);
    return ok;
}

static void load_good(World *w)
{
    GError *err = NULL;

    put64(w, RAM_REC_EOS);
    load(w, &err);
    g_assert_no_error(err);
}

static void load_bad(World *w, const char *what)
{
    g_autoptr(GError) err = NULL;

    put64(w, RAM_REC_EOS);
    g_assert_false(load(w, &err));
    g_assert_nonnull(err);
    if (strstr(err->message, what) == NULL) {
        g_error("'%s' is not in '%s'", what, err->message);
    }
}

static void check_bytes(const uint8_t *p, uint8_t first, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_assert_cmphex(p[i], ==, (uint8_t)(first + i % 251));
    }
}

static void check_fill(const uint8_t *p, uint8_t byte, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_assert_cmphex(p[i], ==, byte);
    }
}

/* Each kind of record, in the first and the last page that there is. */
static void test_records(void)
{
    World w;

    world_init(&w);
    g_assert_false(ram_load_ready(w.load));
    put_list(&w);
    load_good(&w);
    g_assert_true(ram_load_ready(w.load));
    g_assert_cmpuint(w.b->used_length, ==, 6 * PAGE); /* it has grown */
    memset(w.a->host, 0x55, PAGES * PAGE);

    put64(&w, 0 | RAM_REC_PAGE);
    put_name(&w, "a");
    put_bytes(&w, 1, PAGE);
    put64(&w, (7 * PAGE) | RAM_REC_PAGE | RAM_REC_CONTINUE);
    put_bytes(&w, 7, PAGE);
    load_good(&w);
    check_bytes(w.a->host, 1, PAGE);
    check_fill(w.a->host + PAGE, 0x55, 6 * PAGE);
    check_bytes(w.a->host + 7 * PAGE, 7, PAGE);

    /* The block of the section before goes on. */
    put64(&w, (1 * PAGE) | RAM_REC_FILL | RAM_REC_CONTINUE);
    put8(&w, 0xab);
    put64(&w, (2 * PAGE) | RAM_REC_FILL | RAM_REC_CONTINUE);
    put8(&w, 0);
    put64(&w, (3 * PAGE) | RAM_REC_EXTENT | RAM_REC_FILL | RAM_REC_CONTINUE);
    put32(&w, 2);
    put64(&w, (6 * PAGE) | RAM_REC_EXTENT | RAM_REC_CONTINUE);
    put32(&w, 2);
    put_bytes(&w, 9, 2 * PAGE);
    load_good(&w);
    check_bytes(w.a->host, 1, PAGE);
    check_fill(w.a->host + PAGE, 0xab, PAGE);
    check_fill(w.a->host + 2 * PAGE, 0, 3 * PAGE);
    check_fill(w.a->host + 5 * PAGE, 0x55, PAGE);
    check_bytes(w.a->host + 6 * PAGE, 9, 2 * PAGE);
    check_fill(w.b->host, 0, 6 * PAGE);

    put64(&w, (5 * PAGE) | RAM_REC_EXTENT | RAM_REC_FILL);
    put_name(&w, "b");
    put32(&w, 1);
    put64(&w, 0 | RAM_REC_FILL | RAM_REC_CONTINUE);
    put8(&w, 3);
    load_good(&w);
    check_fill(w.b->host, 3, PAGE);
    check_fill(w.b->host + PAGE, 0, 5 * PAGE);
    world_fini(&w);
}

/* A record for the page behind the last one, or that ends there. */
static void test_bounds(void)
{
    static const struct {
        uint64_t off, flags;
        uint32_t n;
        bool ok;
    } t[] = {
        { 5 * PAGE, RAM_REC_FILL, 0, true },
        { 6 * PAGE, RAM_REC_FILL, 0, false },
        { 7 * PAGE, RAM_REC_FILL, 0, false },
        { 0, RAM_REC_EXTENT | RAM_REC_FILL, 6, true },
        { 0, RAM_REC_EXTENT | RAM_REC_FILL, 7, false },
        { 5 * PAGE, RAM_REC_EXTENT | RAM_REC_FILL, 1, true },
        { 5 * PAGE, RAM_REC_EXTENT | RAM_REC_FILL, 2, false },
        { 5 * PAGE, RAM_REC_EXTENT | RAM_REC_FILL, 0, false },
        { 6 * PAGE, RAM_REC_EXTENT | RAM_REC_FILL, 1, false },
        { 6 * PAGE, RAM_REC_EXTENT | RAM_REC_FILL, 0, false },
        { UINT64_MAX << 12, RAM_REC_FILL, 0, false },
        { UINT64_MAX << 12, RAM_REC_EXTENT | RAM_REC_FILL, UINT32_MAX, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        World w;

        world_init(&w);
        w.b->resizable = false;
        w.b->used_length = 6 * PAGE;
        put_list(&w);
        load_good(&w);
        w.b->used_length = ODD;
        put64(&w, t[i].off | t[i].flags);
        put_name(&w, "b");
        if (t[i].flags & RAM_REC_EXTENT) {
            put32(&w, t[i].n);
        } else {
            put8(&w, 0x66);
        }
        g_test_message("case %zu", i);
        if (t[i].ok) {
            load_good(&w);
        } else {
            load_bad(&w, "RAM block 'b': record of ");
        }
        check_fill(w.b->host + 6 * PAGE, 0, PAGE);
        world_fini(&w);
    }
}

static void test_list_refused(void)
{
    World w;

    world_init(&w);
    put64(&w, PAGE | RAM_REC_MEM_SIZE);
    put_entry(&w, "c", PAGE);
    load_bad(&w, "offset 0: RAM block 'c' of the stream, of 4096 bytes, is "
                 "not known here; here are 'b' (20580 bytes), 'a' (32768 ");
    put64(&w, (PAGES * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "a", PAGES * PAGE);
    load_bad(&w, "RAM block 'b' of 20580 bytes is here, but not among the 1");
    ram_load_free(w.load);
    w.load = ram_load_new(&w.mem);
    put64(&w, PAGE | RAM_REC_MEM_SIZE);
    put_entry(&w, "a", PAGE);
    load_bad(&w, "RAM block 'a' is 32768 bytes here but 4096 bytes in the");
    put64(&w, (7 * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "a", PAGES * PAGE);
    load_bad(&w, "32768 bytes, with 28672 left of the total");
    put64(&w, PAGE | RAM_REC_MEM_SIZE);
    put_entry(&w, "a", 0);
    load_bad(&w, "0 bytes, with 4096 left");
    put64(&w, (17 * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "b", 17 * PAGE); /* more than is mapped */
    load_bad(&w, "'b'");
    w.a->migratable = false;
    put64(&w, (PAGES * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "a", PAGES * PAGE);
    load_bad(&w, "not known here");
    w.a->migratable = true;
    g_assert_false(ram_load_ready(w.load));
    world_fini(&w);
}

static void test_records_refused(void)
{
    static const struct {
        uint64_t flags;
        const char *what;
    } t[] = {
        { RAM_REC_COMPRESSED, "uses compress" },
        { RAM_REC_HOOK, "unknown flags 0x80" },
        { RAM_REC_PAGE | RAM_REC_FILL, "unknown flags 0xa" },
        { RAM_REC_EOS | RAM_REC_FILL, "unknown flags 0x12" },
        { 0, "unknown flags 0x0" },
        { RAM_REC_MULTIFD_FLUSH, "which was not agreed on" },
    };
    World w;

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        world_init(&w);
        put_list(&w);
        put64(&w, t[i].flags);
        load_bad(&w, t[i].what);
        world_fini(&w);
    }
    world_init(&w);
    put_list(&w);
    w.a->read_only = true;
    put64(&w, RAM_REC_PAGE);
    put_name(&w, "a");
    put_bytes(&w, 0, PAGE);
    load_bad(&w, "RAM block 'a' is read-only here");
    /* It isn't taken for the block of the record before, either. */
    put64(&w, RAM_REC_FILL | RAM_REC_CONTINUE);
    put8(&w, 1);
    load_bad(&w, "continues no block");
    put64(&w, RAM_REC_FILL);
    put_name(&w, "zz");
    put8(&w, 1);
    load_bad(&w, "names RAM block 'zz', not listed");
    put64(&w, RAM_REC_FILL | RAM_REC_CONTINUE);
    put8(&w, 1);
    load_bad(&w, "continues no block");
    w.a->read_only = false;
    world_fini(&w);
}

/* What has changed in a page: of a wrong kind, length, or beyond the page. */
static void test_deltas_refused(void)
{
    static const struct {
        uint8_t kind;
        uint16_t len;
        uint8_t delta[4];
        uint64_t page;
        const char *what;
    } t[] = {
        { 9, 4, { 0 }, 0, "xbzrle of kind 9 and 4 bytes" },
        { RAM_XBZRLE_DELTA, 0, { 0 }, 0, "of kind 1 and 0 bytes" },
        { RAM_XBZRLE_DELTA, 4097, { 0 }, 0, "of kind 1 and 4097 bytes" },
        { RAM_XBZRLE_DELTA, 4, { 0xff, 0x1f, 2, 7 }, 0, "page 0x0: xbzrle: " },
        { RAM_XBZRLE_DELTA, 2, { 0, 0 }, 0, "xbzrle: an empty run" },
        { RAM_XBZRLE_DELTA, 3, { 1, 4, 7 }, 0, "page 0x0: xbzrle: " },
        { RAM_XBZRLE_DELTA, 3, { 1, 1, 7 }, PAGES, "RAM block 'a'" },
    };
    World w;

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        world_init(&w);
        put_list(&w);
        put64(&w, t[i].page * PAGE | RAM_REC_XBZRLE);
        put_name(&w, "a");
        put8(&w, t[i].kind);
        put8(&w, t[i].len >> 8);
        put8(&w, t[i].len);
        for (unsigned k = 0; k < t[i].len && k < sizeof(t[i].delta); k++) {
            put8(&w, t[i].delta[k]);
        }
        load_bad(&w, t[i].what);
        world_fini(&w);
    }
}

/* Whatever arrives is written, for whoever keeps a log here. */
static void test_dirty(void)
{
    g_autofree unsigned long *none = bitmap_new(PAGES);
    unsigned long bits;
    GError *err = NULL;
    World w;

    world_init(&w);
    put_list(&w);
    load_good(&w);
    {
        VM_LOCK_GUARD();
        g_assert_true(memory_dirty_log_start(&w.mem, &err));
    }
    memory_dirty_log_take(&w.mem, w.a, 0, PAGES, none, &bits);
    put64(&w, (2 * PAGE) | RAM_REC_EXTENT | RAM_REC_FILL);
    put_name(&w, "a");
    put32(&w, 3);
    put64(&w, (7 * PAGE) | RAM_REC_PAGE | RAM_REC_CONTINUE);
    put_bytes(&w, 0, PAGE);
    load_good(&w);
    memory_dirty_log_take(&w.mem, w.a, 0, PAGES, none, &bits);
    g_assert_cmphex(bits, ==, 0x9c);
    {
        VM_LOCK_GUARD();
        memory_dirty_log_stop(&w.mem);
    }
    world_fini(&w);
}

static unsigned resident(const RamBlock *rb)
{
    uint64_t n = rb->max_length / PAGE;
    g_autofree unsigned char *vec = g_malloc0(n);
    unsigned count = 0;

    g_assert_cmpint(mincore(rb->host, rb->max_length, vec), ==, 0);
    for (uint64_t i = 0; i < n; i++) {
        count += vec[i] & 1;
    }
    return count;
}

/* Pages of memory of this program's own: not of files, nor the zero page. */
static uint64_t own_pages(void)
{
    g_autofree char *text = NULL;
    unsigned long size, resident, shared;

    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint(sscanf(text, "%lu %lu %lu", &size, &resident, &shared), ==,
                    3);
    return resident - shared;
}

/* Not every kernel maps one page of zeros wherever memory is only read. */
static bool reading_makes_pages(void)
{
    enum { ROOM = 1 * MiB };
    volatile uint8_t *p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t before;
    bool made;

    g_assert_true(p != MAP_FAILED);
    before = own_pages();
    for (size_t i = 0; i < ROOM; i += PAGE) {
        g_assert_cmpuint(p[i], ==, 0);
    }
    made = own_pages() > before + ROOM / PAGE / 2;
    munmap((void *)p, ROOM);
    return made;
}

/*
 * Memory is as long as it was asked for, whatever pages back it: the source
 * may have others.  Nothing is touched, so there need be no huge pages.
 */
static void test_huge_pages(void)
{
    const uint64_t size = 3 * MiB;
    RamBlockOptions opts = { .backing = RAM_MEMFD,
                             .hugetlb = true,
                             .hugetlb_size = 2 * MiB,
                             .size = size,
                             .share = true,
                             .no_reserve = true };
    g_autoptr(GError) err = NULL;
    RamBlock *rb;
    World w;

    world_init(&w);
    {
        VM_LOCK_GUARD();
        rb = ram_block_new(&w.mem.ram, "huge", &opts, &err);
    }
    if (rb == NULL) {
        g_test_skip(err->message);
        world_fini(&w);
        return;
    }
    g_assert_cmpuint(rb->page_size, ==, 2 * MiB);
    g_assert_cmpuint(rb->used_length, ==, size);
    g_assert_cmpuint(rb->max_length, ==, 4 * MiB);
    put64(&w, (size + (PAGES + 6) * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "huge", size);
    put_entry(&w, "b", 6 * PAGE);
    put_entry(&w, "a", PAGES * PAGE);
    load_good(&w);
    g_assert_true(ram_load_ready(w.load));
    world_fini(&w);
}

/* Zeros don't bring pages into being. */
static void test_absent_stay(void)
{
    uint64_t before;
    World w;

#ifdef CONFIG_TSAN
    g_test_skip("ThreadSanitizer's own memory counts, too");
    return;
#endif
    if (reading_makes_pages()) {
        g_test_skip("this kernel gives memory that is only read pages of its "
                    "own");
        return;
    }
    world_init(&w);
    {
        VM_LOCK_GUARD();
        add_block(&w, "large", LARGE, NULL);
    }
    put64(&w, (LARGE + (PAGES + 6) * PAGE) | RAM_REC_MEM_SIZE);
    put_entry(&w, "large", LARGE);
    put_entry(&w, "b", 6 * PAGE);
    put_entry(&w, "a", PAGES * PAGE);
    load_good(&w);
    before = own_pages();
    put64(&w, RAM_REC_EXTENT | RAM_REC_FILL);
    put_name(&w, "large");
    put32(&w, LARGE / PAGE);
    load_good(&w);
    g_assert_cmpuint(own_pages(), <, before + LARGE / PAGE / 2);
    world_fini(&w);
}

/* Reads as zero afterwards, whoever wrote there and whatever backs it. */
static void test_pristine(void)
{
    RamBlock *file, *pre, *large, *other;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ram-load-XXXXXX", &path, NULL);
    World w;

    g_assert_cmpint(ftruncate(fd, 4 * PAGE), ==, 0);
    world_init(&w);
    {
        VM_LOCK_GUARD();
        file = add_block(&w, "file", 4 * PAGE,
                         &(RamBlockOptions){
                             .backing = RAM_FILE, .fd = fd, .share = true });
        pre = add_block(&w, "pre", 4 * PAGE,
                        &(RamBlockOptions){ .prealloc = true });
        large = add_block(&w, "large", LARGE, NULL);
        other = add_block(&w, "other", 4 * PAGE,
                          &(RamBlockOptions){ .not_migratable = true });
    }
    memset(w.a->host, 1, PAGES * PAGE);
    memset(w.b->host, 2, 16 * PAGE);
    memset(file->host, 3, 4 * PAGE);
    memset(pre->host, 4, 4 * PAGE);
    memset(other->host, 5, 4 * PAGE);
    memset(large->host + 3 * PAGE - 1, 6, PAGE + 2);
    ram_block_set_dirty(&w.mem.ram, large, 3 * PAGE - 1, PAGE + 2);
    g_assert_true(ram_load_make_pristine(w.load, INT64_MAX));
    check_fill(w.a->host, 0, PAGES * PAGE);
    check_fill(w.b->host, 0, 16 * PAGE);
    check_fill(file->host, 0, 4 * PAGE);
    check_fill(pre->host, 0, 4 * PAGE);
    check_fill(other->host, 5, 4 * PAGE);
    check_fill(large->host, 0, 8 * PAGE);
    /* Most was not looked at; the pages may be huge ones. */
    g_assert_cmpuint(resident(large), <=, 1024);
    /* Populated memory stays so. */
    g_assert_cmpuint(resident(pre), ==, 4);

    other->migratable = true;
    other->read_only = true;
    g_assert_false(ram_load_make_pristine(w.load, INT64_MAX));
    other->read_only = false;
    world_fini(&w);
    unlink(path);
}

static int temporary_file(uint64_t len)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ram-load-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, len), ==, 0);
    unlink(path);
    return fd;
}

/*
 * What the user's file holds is overwritten where it isn't zero, and in a
 * mapping that the file doesn't see, where nothing else may come into being;
 * a file that was empty needs no look.
 */
static void test_pristine_files(void)
{
    int old = temporary_file(LARGE), empty = temporary_file(0);
    RamBlock *private, *fresh;
    uint8_t byte = 7;
    uint64_t before;
    World w;

    g_assert_cmpint(pwrite(old, &byte, 1, 5 * PAGE), ==, 1);
    world_init(&w);
    {
        VM_LOCK_GUARD();
        private = add_block(&w, "private", LARGE,
                            &(RamBlockOptions){ .backing = RAM_FILE,
                                                .fd = dup(old) });
        fresh =
            add_block(&w, "fresh", LARGE,
                      &(RamBlockOptions){
                          .backing = RAM_FILE, .fd = empty, .share = true });
    }
    g_assert_false(private->fresh);
    g_assert_true(fresh->fresh);
    memset(fresh->host + 9 * PAGE, 8, PAGE); /* and nobody was told */
    before = own_pages();
    g_assert_true(ram_load_make_pristine(w.load, INT64_MAX));
    check_fill(private->host, 0, 8 * PAGE);
    check_fill(fresh->host + 9 * PAGE, 8, PAGE);
    g_assert_cmpint(pread(old, &byte, 1, 5 * PAGE), ==, 1);
    g_assert_cmpuint(byte, ==, 7);
#ifndef CONFIG_TSAN
    g_assert_cmpuint(own_pages(), <, before + LARGE / PAGE / 2);
#endif
    (void)before;
    world_fini(&w);
    close(old);
}

/* It takes longer than the source waits: no promise then. */
static void test_pristine_late(void)
{
    World w;

    world_init(&w);
    memset(w.a->host, 1, PAGES * PAGE);
    g_assert_false(ram_load_make_pristine(w.load, clock_monotonic_ns()));
    g_assert_true(ram_load_make_pristine(w.load, INT64_MAX));
    check_fill(w.a->host, 0, PAGES * PAGE);
    world_fini(&w);
}

/* The row: the version that is known, and sums over rows. */
static void test_row(void)
{
    RamSendOptions opts = { 0 };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    RamSendStats st = { .total_bytes = 1000,
                        .remaining_pages = 2000,
                        .normal_pages = 3000,
                        .zero_pages = 4000,
                        .syncs = 5000,
                        .dirtied_pages = 6000 };
    IterativeEnv env = { .out = out };
    uint8_t eos[8];
    void *row;
    World w;

    world_init(&w);
    stq_be_p(eos, RAM_REC_EOS);
    in = stream_in_new_mem(eos, sizeof(eos));
    g_assert_false(ram_iterative.load(w.load, in, 3, &err));
    g_assert_cmpstr(err->message, ==, "version 3: this program takes 4");
    g_clear_error(&err);
    g_assert_false(ram_iterative.load(w.load, in, 5, &err));
    g_assert_true(ram_iterative.load(w.load, in, 4, NULL));

    w.b->used_length = 6 * PAGE;
    env.mem = &w.mem;
    env.opts = opts;
    row = ram_iterative.setup(&env, NULL);
    g_assert_nonnull(row);
    {
        VM_LOCK_GUARD();
        g_assert_true(memory_dirty_log_start(&w.mem, NULL));
    }
    memset(w.a->host, 1, 3 * PAGE);
    g_assert_cmpuint(ram_iterative.pending(row, false), ==, 14 * PAGE);
    g_assert_true(ram_iterative.iterate(row, NULL));
    ram_block_set_dirty(&w.mem.ram, w.a, 0, 1);
    ram_block_set_dirty(&w.mem.ram, w.a, PAGE, 1);
    g_assert_cmpuint(ram_iterative.pending(row, true), ==, 2 * PAGE);
    ram_iterative.stats(row, &st);
    g_assert_cmpuint(st.total_bytes, ==, 1000 + 14 * PAGE);
    g_assert_cmpuint(st.remaining_pages, ==, 2000 + 2);
    g_assert_cmpuint(st.normal_pages, ==, 3000 + 3);
    g_assert_cmpuint(st.zero_pages, ==, 4000 + 11);
    g_assert_cmpuint(st.syncs, ==, 5000 + 2);
    g_assert_cmpuint(st.dirtied_pages, ==, 6000 + 2);
    g_assert_true(ram_iterative.complete(row, NULL));
    memset(&st, 0, sizeof(st));
    ram_iterative.stats(row, &st);
    g_assert_cmpuint(st.remaining_pages, ==, 0);
    ram_iterative.cleanup(row);
    {
        VM_LOCK_GUARD();
        memory_dirty_log_stop(&w.mem);
    }
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-load/records", test_records);
    g_test_add_func("/ram-load/bounds", test_bounds);
    g_test_add_func("/ram-load/list-refused", test_list_refused);
    g_test_add_func("/ram-load/records-refused", test_records_refused);
    g_test_add_func("/ram-load/deltas-refused", test_deltas_refused);
    g_test_add_func("/ram-load/dirty", test_dirty);
    g_test_add_func("/ram-load/huge-pages", test_huge_pages);
    g_test_add_func("/ram-load/absent-stay", test_absent_stay);
    g_test_add_func("/ram-load/pristine/all", test_pristine);
    g_test_add_func("/ram-load/pristine/files", test_pristine_files);
    g_test_add_func("/ram-load/pristine/late", test_pristine_late);
    g_test_add_func("/ram-load/row", test_row);
    return g_test_run();
}
