/*
 * Passes with xbzrle: the cache never has anything but what the destination
 * has, whatever becomes of the pages in between.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram-load.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "util/error.h"
#include "util/lock.h"

enum { PAGES = 256, LEN = PAGES * RAM_PAGE_SIZE };

typedef struct Side {
    Memory mem;
    MemoryRegion ram;
} Side;

typedef struct World {
    Side src, dst;
    StreamOut *out;
    RamSend *send;
    RamLoad *load;
    uint64_t cache; /* bytes that the user wants */
} World;

static void side_init(Side *s)
{
    GError *err = NULL;

    memory_init(&s->mem);
    g_assert_true(
        memory_region_init_ram(&s->ram, &s->mem, "pc.ram", LEN, &err));
    memory_region_add(&s->mem.root, 0, &s->ram, 0);
}

static void side_fini(Side *s)
{
    memory_region_fini(&s->ram);
    memory_fini(&s->mem);
}

static bool no_pace(void *opaque, uint64_t bytes, GError **errp)
{
    return true;
}

static uint64_t cache_bytes(void *opaque)
{
    return ((World *)opaque)->cache;
}

/* What has been sent arrives, as one part of the section. */
static void arrive(World *w)
{
    size_t len;
    const uint8_t *data;
    GError *err = NULL;
    g_autoptr(StreamIn) in = NULL;

    /* Pages that are sent by reference are read here. */
    data = stream_out_data(w->out, &len);
    in = stream_in_new_mem(data, len);
    while (stream_in_bytes(in) < len) {
        g_assert_true(ram_load_section(w->load, in, &err));
        g_assert_no_error(err);
    }
    stream_out_reset(w->out);
}

static void world_init(World *w, uint64_t features)
{
    RamSendOptions opts = { .features = features,
                            .cache_bytes = cache_bytes,
                            .pace = no_pace,
                            .opaque = w };
    GError *err = NULL;

    side_init(&w->src);
    side_init(&w->dst);
    w->cache = LEN;
    w->out = stream_out_new(NULL);
    w->load = ram_load_new(&w->dst.mem);
    w->send = ram_send_new(&w->src.mem, w->out, &opts, &err);
    g_assert_true(ram_send_setup(w->send, &err));
    g_assert_true(memory_dirty_log_start(&w->src.mem, &err));
    arrive(w);
}

static void world_fini(World *w)
{
    memory_dirty_log_stop(&w->src.mem);
    ram_send_free(w->send);
    ram_load_free(w->load);
    stream_out_free(w->out);
    side_fini(&w->src);
    side_fini(&w->dst);
}

static void pass(World *w)
{
    GError *err = NULL;

    ram_send_sync(w->send, false);
    g_assert_true(ram_send_pass(w->send, &err));
    arrive(w);
}

static void last(World *w)
{
    GError *err = NULL;

    ram_send_sync(w->send, true);
    g_assert_true(ram_send_finish(w->send, &err));
    arrive(w);
}

static void check_arrived(const World *w)
{
    g_assert_cmpmem(w->src.ram.ram->host, LEN, w->dst.ram.ram->host, LEN);
}

/* 8 bytes in each of the pages. */
static void touch(World *w, unsigned first, unsigned n, uint64_t value)
{
    for (unsigned p = first; p < first + n; p++) {
        address_space_write(&w->src.mem.memory,
                            p * RAM_PAGE_SIZE + 8 * (p % 512), &value,
                            sizeof(value));
    }
}

static XbzrleStats stats(const World *w)
{
    RamSendStats st;

    ram_send_get_stats(w->send, &st);
    return st.xbzrle;
}

static void test_deltas(gconstpointer features)
{
    World w = { 0 };
    RamSendStats st;
    uint8_t noise[RAM_PAGE_SIZE];
    uint8_t zero[RAM_PAGE_SIZE] = { 0 };
    VM_LOCK_GUARD();

    world_init(&w, GPOINTER_TO_SIZE(features));
    touch(&w, 0, 100, 1);
    pass(&w); /* the first: of none anything else is there */
    g_assert_cmpuint(stats(&w).misses, ==, 0);
    g_assert_cmpuint(stats(&w).cache_bytes, ==, LEN);
    touch(&w, 0, 50, 2);
    pass(&w);
    g_assert_cmpuint(stats(&w).misses, ==, 50);
    touch(&w, 0, 60, 3);
    pass(&w);
    g_assert_cmpuint(stats(&w).misses, ==, 60);
    g_assert_cmpuint(stats(&w).pages, ==, 50);
    g_assert_cmpuint(stats(&w).bytes, <, 50 * 16);
    g_assert_cmpuint(stats(&w).bytes, >, 50 * 3);
    check_arrived(&w);
    /* One becomes zero, one noise, one is written with what it has. */
    address_space_write(&w.src.mem.memory, 0, zero, sizeof(zero));
    for (unsigned i = 0; i < sizeof(noise); i++) {
        noise[i] = 3 + i * 7;
    }
    address_space_write(&w.src.mem.memory, RAM_PAGE_SIZE, noise, sizeof(noise));
    touch(&w, 2, 1, 3);
    pass(&w);
    check_arrived(&w);
    g_assert_cmpuint(stats(&w).overflows, ==, 1);
    g_assert_cmpuint(stats(&w).pages, ==, 52);
    g_assert_cmpuint(stats(&w).deltas, ==, 51);
    touch(&w, 0, 3, 4); /* the zero one is new, the others are known */
    pass(&w);
    check_arrived(&w);
    g_assert_cmpuint(stats(&w).misses, ==, 61);
    g_assert_cmpuint(stats(&w).deltas, ==, 53);
    touch(&w, 0, 10, 5);
    touch(&w, 200, 1, 5);
    last(&w);
    check_arrived(&w);
    g_assert_cmpuint(stats(&w).deltas, ==, 63);
    ram_send_get_stats(w.send, &st);
    g_assert_cmpuint(st.remaining_pages, ==, 0);
    world_fini(&w);
}

/*
 * The switch-over is undone: devices that the destination has loaded may have
 * written to its memory, so that no delta is of what is there.
 */
static void test_undone(void)
{
    World w = { 0 };
    VM_LOCK_GUARD();

    world_init(&w, 0);
    pass(&w);
    for (unsigned i = 1; i < 4; i++) {
        touch(&w, 0, 20, i);
        pass(&w);
    }
    touch(&w, 0, 20, 7);
    last(&w);
    memset(w.dst.ram.ram->host, 0xee, 20 * RAM_PAGE_SIZE);
    pass(&w); /* what the last pass sent is still dirty */
    check_arrived(&w);
    touch(&w, 0, 20, 8);
    last(&w);
    check_arrived(&w);
    world_fini(&w);
}

/* A smaller cache in the middle, and one that is too small. */
static void test_resize(void)
{
    World w = { 0 };
    VM_LOCK_GUARD();

    world_init(&w, WIRE_F_EXTENTS);
    pass(&w);
    for (unsigned i = 1; i < 9; i++) {
        w.cache = LEN >> i;
        touch(&w, 0, 200, i);
        pass(&w);
        touch(&w, 100, 100, i + 100);
        pass(&w);
        check_arrived(&w);
        g_assert_cmpuint(stats(&w).cache_bytes, ==, LEN >> i);
    }
    g_assert_cmpuint(stats(&w).deltas, >, 0);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ram-xbzrle/deltas", GSIZE_TO_POINTER(0),
                         test_deltas);
    g_test_add_data_func("/ram-xbzrle/deltas-extents",
                         GSIZE_TO_POINTER(WIRE_F_EXTENTS | WIRE_F_ABSENT),
                         test_deltas);
    g_test_add_func("/ram-xbzrle/undone", test_undone);
    g_test_add_func("/ram-xbzrle/resize", test_resize);
    return g_test_run();
}
