/*
 * Memory that follows its guest: both ends of it, with a reader that looks at
 * every page as soon as it can, and what a hostile peer may say.
 *
 * Each page holds its number and its version. The destination has old versions
 * of some: whoever reads one of those has found a lost page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/postcopy-out.h"

#include <sys/mman.h>

#include "migration/ram-load.h"
#include "migration/wire.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/thread.h"

enum {
    PAGE = RAM_PAGE_SIZE,
    PAGES = 256,
    SKIPS = 77, /* the reader's order; has no factor in common with PAGES */
    OLD = 1,
    NEW = 2,
};

typedef struct World {
    Memory src, dst;
    RamBlock *from, *to;
    PostcopyOut *out;
    PostcopyIn *in;
    RamLoad *load;
    unsigned asked; /* atomic; how often the source was asked */
    Thread reader;
    unsigned stale; /* pages that the reader found old */
} World;

static RamBlock *add_block(Memory *mem, bool shared)
{
    const RamBlockOptions o = { .size = PAGES * PAGE,
                                .share = shared,
                                .backing = shared ? RAM_MEMFD : RAM_ANONYMOUS };
    GError *err = NULL;
    RamBlock *rb;
    VM_LOCK_GUARD();

    memory_init(mem);
    rb = ram_block_new(&mem->ram, "ram", &o, &err);
    g_assert_no_error(err);
    return rb;
}

static void drop_memory(Memory *mem, RamBlock *rb)
{
    VM_LOCK_GUARD();

    ram_block_free(&mem->ram, rb);
    memory_fini(mem);
}

/* Every third page is zero in its new version, and in no other. */
static uint64_t content(unsigned page, unsigned version)
{
    return page % 3 == 0 && version == NEW ? 0 : (page << 8) | version;
}

static void write_page(RamBlock *rb, unsigned page, unsigned version)
{
    memset(rb->host + page * PAGE, 0, PAGE);
    memcpy(rb->host + page * PAGE, &(uint64_t){ content(page, version) }, 8);
}

static uint64_t read_page(const RamBlock *rb, unsigned page)
{
    return *(volatile uint64_t *)(rb->host + page * PAGE);
}

/* Which pages the destination got before, and which changed since. */
static bool was_sent(unsigned page)
{
    return page % 4 != 3;
}

static bool is_due(unsigned page)
{
    return page % 4 >= 2;
}

/* The list of blocks; then what came while the guest ran. */
static void load_first(World *w)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    const uint8_t *data;
    GError *err = NULL;
    size_t len;

    stream_put_be64(s, (PAGES * PAGE) | RAM_REC_MEM_SIZE);
    stream_put_str8(s, "ram");
    stream_put_be64(s, PAGES * PAGE);
    for (unsigned i = 0; i < PAGES; i++) {
        write_page(w->from, i, is_due(i) ? OLD : NEW);
        if (was_sent(i)) {
            stream_put_be64(s, i * PAGE | RAM_REC_PAGE);
            stream_put_str8(s, "ram");
            stream_put_ref(s, w->from->host + i * PAGE, PAGE);
        }
        write_page(w->from, i, NEW);
    }
    stream_put_be64(s, RAM_REC_EOS);
    data = stream_out_data(s, &len);
    in = stream_in_new_mem(data, len);
    g_assert_true(ram_load_section(w->load, in, &err));
    g_assert_no_error(err);
}

static void ask(void *opaque, const RamBlock *rb, uint64_t off, uint64_t len)
{
    World *w = opaque;
    GError *err = NULL;

    g_assert_true(rb == w->to);
    __atomic_fetch_add(&w->asked, 1, __ATOMIC_RELAXED);
    g_assert_true(postcopy_out_request(w->out, rb->name, off, len, &err));
}

static bool world_init(World *w, uint64_t features, bool shared)
{
    unsigned long *due = bitmap_new(PAGES);
    GError *err = NULL;

    memset(w, 0, sizeof(*w));
    w->from = add_block(&w->src, false);
    w->to = add_block(&w->dst, shared);
    w->in = postcopy_in_new(&w->dst, false, &err);
    w->out = postcopy_out_new(features);
    w->load = ram_load_new(&w->dst);
    for (unsigned i = 0; i < PAGES; i++) {
        if (is_due(i)) {
            bitmap_set_bit(due, i);
        }
    }
    postcopy_out_add(w->out, w->from, due);
    if (w->in == NULL) {
        g_test_skip(err->message);
        g_error_free(err);
        return false;
    }
    ram_load_set_postcopy(w->load, w->in);
    load_first(w);
    return true;
}

static void world_fini(World *w)
{
    ram_load_free(w->load);
    postcopy_in_free(w->in);
    postcopy_out_free(w->out);
    drop_memory(&w->src, w->from);
    drop_memory(&w->dst, w->to);
}

/* As the stream has them: RAM_DISCARD, again and again. */
static void take_discards(World *w)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    const uint8_t *data;
    GError *err = NULL;
    size_t len;

    postcopy_out_put_discards(w->out, s);
    data = stream_out_data(s, &len);
    in = stream_in_new_mem(data, len);
    while (stream_in_bytes(in) < len) {
        char name[256];
        unsigned n;

        g_assert_cmpuint(stream_get_u8(in), ==, WIRE_COMMAND);
        g_assert_cmpuint(stream_get_be16(in), ==, WIRE_CMD_RAM_DISCARD);
        n = stream_get_be16(in);
        g_assert_cmpuint(stream_get_u8(in), ==, 0);
        stream_get_str8(in, name);
        g_assert_cmpstr(name, ==, "ram");
        g_assert_cmpuint(stream_get_u8(in), ==, 0);
        for (n -= 3 + strlen(name); n > 0; n -= 16) {
            uint64_t off = stream_get_be64(in), size = stream_get_be64(in);

            g_assert_true(postcopy_in_discard(w->in, name, off, size, &err));
        }
    }
}

static void listen(World *w)
{
    GError *err = NULL;

    take_discards(w);
    g_assert_true(postcopy_in_listen(w->in, ask, w, &err));
    g_assert_no_error(err);
}

static void *read_all(void *opaque)
{
    World *w = opaque;

    for (unsigned i = 0, page = 0; i < PAGES; i++) {
        w->stale += read_page(w->to, page) != content(page, NEW);
        page = (page + SKIPS) % PAGES;
    }
    return NULL;
}

/* One part of the section: what is asked for, then `some` pieces of the rest;
 * `cut`: the last `cut` bytes don't arrive.  False: nothing was left. */
static bool send_part(World *w, unsigned some, size_t cut)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    const uint8_t *data;
    GError *err = NULL;
    bool more = true;
    size_t len;

    postcopy_out_begin_part(w->out);
    postcopy_out_put_requested(w->out, s);
    while (more && some-- > 0) {
        more = postcopy_out_put_some(w->out, s);
    }
    stream_put_be64(s, RAM_REC_EOS);
    data = stream_out_data(s, &len);
    in = stream_in_new_mem(data, len - MIN(cut, len));
    if (!ram_load_section(w->load, in, &err)) {
        g_assert_cmpuint(cut, >, 0);
        g_error_free(err);
    }
    return more;
}

static void check_all_here(World *w)
{
    g_assert_cmpuint(postcopy_in_missing(w->in), ==, 0);
    postcopy_in_end(w->in);
    g_assert_cmpuint(w->stale, ==, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        g_assert_cmphex(read_page(w->to, i), ==, content(i, NEW));
    }
}

static void move_memory(uint64_t features, bool shared)
{
    World w;

    if (world_init(&w, features, shared)) {
        listen(&w);
        g_assert_true(thread_create(&w.reader, "reader", read_all, &w, NULL));
        while (send_part(&w, 1, 0)) {
        }
        thread_join(&w.reader);
        check_all_here(&w);
    }
    world_fini(&w);
}

static void test_plain(void)
{
    move_memory(0, false);
}

static void test_extents(void)
{
    move_memory(WIRE_F_EXTENTS, false);
}

static void test_shared(void)
{
    move_memory(WIRE_F_EXTENTS, true);
}

/*
 * Pages of 64 KiB: each goes as a whole, pages that were not due with it. What
 * the kernel makes of small pages stands for a page of the backing here.
 */
static void test_large(void)
{
    enum { LARGE = 16 * PAGE };
    g_autoptr(GError) err = NULL;
    PostcopyPlacer pl;
    World w;

    if (world_init(&w, WIRE_F_EXTENTS, false)) {
        w.to->page_size = LARGE;
        g_assert_false(postcopy_in_discard(w.in, "ram", PAGE, LARGE, &err));
        g_assert_true(postcopy_in_discard(w.in, "ram", 0, LARGE, NULL));
        g_assert_true(postcopy_in_listen(w.in, ask, &w, NULL));
        g_assert_cmpuint(postcopy_in_missing(w.in), >=, 16);
        postcopy_placer_init(&pl, w.in);
        /* In the middle of a page; then out of order. */
        g_clear_error(&err);
        g_assert_false(
            postcopy_in_place(&pl, w.to, PAGE, w.from->host, PAGE, &err));
        g_assert_nonnull(strstr(err->message, "out of order"));
        g_assert_true(
            postcopy_in_place(&pl, w.to, 0, w.from->host, PAGE, NULL));
        g_assert_false(
            postcopy_in_place(&pl, w.to, 2 * PAGE, w.from->host, PAGE, NULL));
        /* A piece that is lost with its connection leaves nothing. */
        postcopy_placer_restart(&pl);
        g_assert_true(
            postcopy_in_place(&pl, w.to, 0, w.from->host, 5 * PAGE, NULL));
        g_assert_true(
            postcopy_in_place(&pl, w.to, 5 * PAGE, NULL, 2 * PAGE, NULL));
        g_assert_true(postcopy_in_place(
            &pl, w.to, 7 * PAGE, w.from->host + 7 * PAGE, 9 * PAGE, NULL));
        g_assert_cmphex(read_page(w.to, 1), ==, content(1, NEW));
        g_assert_cmphex(read_page(w.to, 5), ==, 0);
        g_assert_cmphex(read_page(w.to, 14), ==, content(14, NEW));
        postcopy_placer_fini(&pl);
        postcopy_in_end(w.in);
        w.to->page_size = PAGE;
    }
    world_fini(&w);
}

/* A source that has large pages makes all of one due. */
static void test_large_source(void)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    PostcopyOut *out = postcopy_out_new(WIRE_F_EXTENTS);
    unsigned long *due = bitmap_new(PAGES);
    PostcopyOutStats st;
    World w;

    if (world_init(&w, 0, false)) {
        w.from->page_size = 16 * PAGE;
        bitmap_set_bit(due, 17);
        postcopy_out_add(out, w.from, due);
        postcopy_out_get_stats(out, &st);
        g_assert_cmpuint(st.pending_pages, ==, 16);
        g_assert_false(
            postcopy_out_request(out, "ram", 17 * PAGE, 16 * PAGE, NULL));
        g_assert_true(
            postcopy_out_request(out, "ram", 16 * PAGE, 16 * PAGE, NULL));
        g_assert_true(postcopy_out_put_requested(out, s));
        g_assert_false(postcopy_out_put_some(out, s));
        postcopy_out_get_stats(out, &st);
        g_assert_cmpuint(st.normal_pages + st.zero_pages, ==, 16);
        w.from->page_size = PAGE;
    } else {
        bitmap_free(due);
    }
    postcopy_out_free(out);
    world_fini(&w);
}

/* Nothing but what the reader asks for is sent until it has seen all. */
static void test_asked_only(void)
{
    PostcopyOutStats st;
    World w;

    if (world_init(&w, 0, false)) {
        listen(&w);
        g_assert_true(thread_create(&w.reader, "reader", read_all, &w, NULL));
        do {
            send_part(&w, 0, 0);
            postcopy_out_get_stats(w.out, &st);
        } while (st.pending_pages > 0);
        thread_join(&w.reader);
        g_assert_cmpuint(w.asked, ==, PAGES / 2);
        g_assert_cmpuint(st.requests, ==, PAGES / 2);
        check_all_here(&w);
    }
    world_fini(&w);
}

/* What was on its way is lost; the destination says what it has. */
static void test_cut(void)
{
    const unsigned long *bits;
    g_autofree uint8_t *wire = NULL;
    PostcopyOutStats st;
    uint64_t npages;
    World w;

    if (world_init(&w, 0, false)) {
        listen(&w);
        g_assert_true(thread_create(&w.reader, "reader", read_all, &w, NULL));
        for (size_t cut = 1; cut < 3; cut++) {
            send_part(&w, 5, cut * 3 * PAGE);
            ram_load_restart(w.load);
            bits = postcopy_in_bitmap(w.in, "ram", &npages);
            g_assert_cmpuint(npages, ==, PAGES);
            g_assert_null(postcopy_in_bitmap(w.in, "rom", &npages));
            g_assert_cmpuint(postcopy_out_bitmap_len(w.out, 0), ==, PAGES / 8);
            g_free(wire);
            wire = g_memdup2(bits, PAGES / 8);
            g_assert_true(postcopy_out_set_received(w.out, 0, wire, NULL));
            postcopy_out_get_stats(w.out, &st);
            g_assert_cmpuint(st.pending_pages, >, 0);
            postcopy_in_ask_again(w.in);
        }
        while (send_part(&w, 1, 0)) {
        }
        thread_join(&w.reader);
        check_all_here(&w);
    }
    world_fini(&w);
}

/* A second copy of a page doesn't undo what the guest has written to it. */
static void test_sent_twice(void)
{
    PostcopyPlacer pl;
    GError *err = NULL;
    World w;

    if (world_init(&w, 0, false)) {
        listen(&w);
        while (send_part(&w, 1, 0)) {
        }
        write_page(w.to, 2, 9);
        postcopy_placer_init(&pl, w.in);
        g_assert_true(
            postcopy_in_place(&pl, w.to, 2 * PAGE, w.from->host, PAGE, &err));
        g_assert_true(
            postcopy_in_place(&pl, w.to, 0, NULL, PAGES * PAGE, &err));
        postcopy_placer_fini(&pl);
        g_assert_cmphex(read_page(w.to, 2), ==, content(2, 9));
    }
    world_fini(&w);
}

static void test_bad_discards(void)
{
    static const struct {
        const char *name;
        uint64_t off, len;
    } t[] = {
        { "rom", 0, PAGE },
        { "ram", 0, 0 },
        { "ram", 1, PAGE },
        { "ram", 0, PAGE - 1 },
        { "ram", PAGES * PAGE, PAGE },
        { "ram", (PAGES - 1) * PAGE, 2 * PAGE },
        { "ram", -(uint64_t)PAGE, 2 * PAGE },
        { "ram", PAGE, -(uint64_t)PAGE },
    };
    World w;

    if (world_init(&w, 0, false)) {
        for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
            g_autoptr(GError) err = NULL;

            g_assert_false(
                postcopy_in_discard(w.in, t[i].name, t[i].off, t[i].len, &err));
            g_assert_nonnull(strstr(err->message, t[i].name));
            g_clear_error(&err);
            /* The same holds for who asks. */
            g_assert_false(postcopy_out_request(w.out, t[i].name, t[i].off,
                                                t[i].len, &err));
            g_assert_nonnull(strstr(err->message, t[i].name));
        }
        listen(&w);
        g_assert_false(postcopy_in_discard(w.in, "ram", 0, PAGE, NULL));
    }
    world_fini(&w);
}

/* Asked for without end: what is due goes once, and nothing piles up. */
static void test_asked_again_and_again(void)
{
    g_autoptr(StreamOut) s = stream_out_new(NULL);
    World w;

    if (world_init(&w, 0, false)) {
        for (unsigned i = 0; i < 1000; i++) {
            g_assert_true(
                postcopy_out_request(w.out, "ram", 0, PAGES * PAGE, NULL));
        }
        g_assert_true(postcopy_out_has_requests(w.out));
        g_assert_true(postcopy_out_put_requested(w.out, s));
        g_assert_false(postcopy_out_has_requests(w.out));
        g_assert_cmpuint(stream_out_bytes(s), <, PAGES * (PAGE + 16));
        g_assert_true(
            postcopy_out_request(w.out, "ram", 0, PAGES * PAGE, NULL));
        g_assert_false(postcopy_out_put_requested(w.out, s));
        g_assert_false(postcopy_out_put_some(w.out, s));
    }
    world_fini(&w);
}

/* Memory that can't be waited for, with the reason. */
static void test_unsupported(void)
{
    GError *err = NULL;
    Memory mem;
    RamBlock *rb = add_block(&mem, true);

    rb->shared = false; /* as with share=off */
    g_assert_false(postcopy_in_supported(&mem, &err));
    g_assert_nonnull(strstr(err->message, "'ram'"));
    g_assert_nonnull(strstr(err->message, "private copy of a file"));
    g_clear_error(&err);
    rb->shared = true;
    drop_memory(&mem, rb);
}

/* ---- pages of the host that are larger ---------------------------------- */

enum { HUGE_BLOCK = 8 << 20, HUGE_BLOCK_PAGES = HUGE_BLOCK / PAGE };

typedef struct HugeWorld {
    Memory mem;
    RamBlock *rb;
    PostcopyIn *in;
} HugeWorld;

static bool is_here(const RamBlock *rb, unsigned page)
{
    uint8_t there;

    g_assert_cmpint(mincore(rb->host + page * PAGE, PAGE, &there), ==, 0);
    return there & 1;
}

static void ask_nobody(void *opaque, const RamBlock *rb, uint64_t off,
                       uint64_t len)
{
    g_assert_not_reached();
}

/* All of it has an old content, in huge pages where the host has them. */
static bool huge_init(HugeWorld *h, bool shared)
{
    const RamBlockOptions o = { .size = HUGE_BLOCK,
                                .share = shared,
                                .backing = shared ? RAM_MEMFD : RAM_ANONYMOUS };
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    GError *err = NULL;
    VM_LOCK_GUARD();

    memory_init(&h->mem);
    h->rb = ram_block_new(&h->mem.ram, "ram", &o, &err);
    g_assert_no_error(err);
    madvise(h->rb->host, HUGE_BLOCK, MADV_HUGEPAGE);
    memset(h->rb->host, 0x55, HUGE_BLOCK);
    h->in = postcopy_in_new(&h->mem, false, &err);
    if (h->in == NULL) {
        ram_block_free(&h->mem.ram, h->rb);
        memory_fini(&h->mem);
        g_test_skip(err->message);
        g_error_free(err);
        return false;
    }
    g_ptr_array_add(blocks, h->rb);
    postcopy_in_set_blocks(h->in, blocks);
    return true;
}

static void huge_fini(HugeWorld *h)
{
    postcopy_in_free(h->in);
    drop_memory(&h->mem, h->rb);
}

/* What came of a huge page stays, and the rest of it is really gone. */
static void test_huge(gconstpointer shared)
{
    GError *err = NULL;
    HugeWorld h;

    if (!huge_init(&h, shared != NULL)) {
        return;
    }
    for (unsigned i = 0; i < HUGE_BLOCK_PAGES; i++) {
        if (i % 7 != 0) {
            postcopy_in_stored(h.in, h.rb, (uint64_t)i * PAGE, PAGE);
        }
    }
    g_assert_true(postcopy_in_listen(h.in, ask_nobody, NULL, &err));
    g_assert_no_error(err);
    for (unsigned i = 0; i < HUGE_BLOCK_PAGES; i++) {
        g_assert_cmpint(is_here(h.rb, i), ==, i % 7 != 0);
        g_assert_true(i % 7 == 0 || h.rb->host[i * PAGE] == 0x55);
    }
    huge_fini(&h);
}

/* Something is still there, as half of a huge page that could not be split. */
static void test_not_dropped(void)
{
    int other = memfd_create("other", MFD_CLOEXEC);
    GError *err = NULL;
    HugeWorld h;

    g_assert_cmpint(other, >=, 0);
    if (!huge_init(&h, true)) {
        close(other);
        return;
    }
    postcopy_in_stored(h.in, h.rb, PAGE, HUGE_BLOCK - PAGE);
    g_assert_cmpint(ftruncate(other, HUGE_BLOCK), ==, 0);
    g_assert_cmpint(dup2(other, h.rb->fd), ==, h.rb->fd);
    g_assert_false(postcopy_in_listen(h.in, ask_nobody, NULL, &err));
    g_assert_cmpstr(err->message, ==,
                    "RAM block 'ram': of 0x1000 bytes at 0x0 something is "
                    "still there after they were dropped");
    g_error_free(err);
    close(other);
    huge_fini(&h);
}

/* How much of the source's memory the host still has, in pages. */
static unsigned resident(const World *w)
{
    unsigned char in[PAGES];
    unsigned n = 0;

    g_assert_cmpint(mincore(w->from->host, PAGES * PAGE, in), ==, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        n += in[i] & 1;
    }
    return n;
}

/*
 * release-ram: a page goes when a mark behind it was answered, and not before;
 * if the destination lacks it then, it isn't sent as zeros.
 */
static void test_release(void)
{
    g_autofree uint8_t *wire = g_malloc(PAGES / 8);
    g_autoptr(GError) err = NULL;
    World w;

    if (world_init(&w, 0, false)) {
        listen(&w);
        g_assert_cmpuint(resident(&w), ==, PAGES);
        postcopy_out_keep_sent(w.out);
        send_part(&w, 1, 0);
        postcopy_out_release(w.out, 5); /* there is no mark yet */
        g_assert_cmpuint(resident(&w), ==, PAGES);
        postcopy_out_mark_sent(w.out, 10);
        while (send_part(&w, 1, 0)) {
        }
        postcopy_out_release(w.out, 9);
        g_assert_cmpuint(resident(&w), ==, PAGES);
        postcopy_out_release(w.out, 10); /* the first part */
        g_assert_cmpuint(resident(&w), <, PAGES);
        g_assert_cmpuint(resident(&w), >, PAGES / 2);
        postcopy_out_mark_sent(w.out, 11);
        postcopy_out_release(w.out, 11);
        g_assert_cmpuint(resident(&w), ==, PAGES / 2); /* never put here */
        check_all_here(&w);
        memset(wire, 0xff, PAGES / 8);
        g_assert_true(postcopy_out_set_received(w.out, 0, wire, &err));
        wire[0] &= ~4; /* page 2: it was due */
        g_assert_false(postcopy_out_set_received(w.out, 0, wire, &err));
        g_assert_nonnull(strstr(err->message, "page 0x2000 has been released"));
    }
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy/plain", test_plain);
    g_test_add_func("/postcopy/extents", test_extents);
    g_test_add_func("/postcopy/shared", test_shared);
    g_test_add_func("/postcopy/large", test_large);
    g_test_add_func("/postcopy/large-source", test_large_source);
    g_test_add_func("/postcopy/asked-only", test_asked_only);
    g_test_add_func("/postcopy/cut", test_cut);
    g_test_add_func("/postcopy/sent-twice", test_sent_twice);
    g_test_add_func("/postcopy/bad-discards", test_bad_discards);
    g_test_add_func("/postcopy/asked-again", test_asked_again_and_again);
    g_test_add_func("/postcopy/unsupported", test_unsupported);
    g_test_add_data_func("/postcopy/huge", NULL, test_huge);
    g_test_add_data_func("/postcopy/huge-shared", "shared", test_huge);
    g_test_add_func("/postcopy/not-dropped", test_not_dropped);
    g_test_add_func("/postcopy/release", test_release);
    return g_test_run();
}
