/*
 * A first pass over guest memory that is broken off for a postcopy and made
 * anew, as the switch-over behind it was undone: every page arrives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram-load.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "util/error.h"
#include "util/lock.h"

enum {
    PAGES = 3 * 4096, /* a pass is broken off in windows of 4096 */
    EARLY = 64,       /* in the first window, sent by both passes */
    NEARLY = 10,
    LATE = 5000, /* in the second, where it is broken off */
    NLATE = 1000,
};

typedef struct Side {
    Memory mem;
    MemoryRegion ram;
} Side;

static void side_init(Side *s)
{
    GError *err = NULL;

    memory_init(&s->mem);
    g_assert_true(memory_region_init_ram(&s->ram, &s->mem, "pc.ram",
                                         PAGES * RAM_PAGE_SIZE, &err));
    memory_region_add(&s->mem.root, 0, &s->ram, 0);
}

static void side_fini(Side *s)
{
    memory_region_fini(&s->ram);
    memory_fini(&s->mem);
}

static void fill_pages(Side *s, unsigned first, unsigned n)
{
    memset(s->ram.ram->host + first * RAM_PAGE_SIZE, 1, n * RAM_PAGE_SIZE);
}

static bool break_off(void *opaque, uint64_t bytes, GError **errp)
{
    bool *breaks = opaque;

    return !*breaks;
}

/* What was sent arrives. */
static void load(RamLoad *to, StreamOut *out)
{
    size_t len;
    const uint8_t *data = stream_out_data(out, &len);
    g_autoptr(StreamIn) in = stream_in_new_mem(data, len);
    GError *err = NULL;

    ram_load_section(to, in, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(stream_in_bytes(in), ==, len);
    stream_out_reset(out);
}

/* The pass that is broken off, and the one that isn't. */
static void send_twice(Side *src, Side *dst, uint64_t features)
{
    bool breaks = true;
    const RamSendOptions opts = { .features = features,
                                  .postcopy = true,
                                  .pace = break_off,
                                  .opaque = &breaks };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    RamLoad *to = ram_load_new(&dst->mem);
    GError *err = NULL;
    RamSend *send = ram_send_new(&src->mem, out, &opts, &err);

    g_assert_no_error(err);
    g_assert_true(ram_load_make_pristine(to, INT64_MAX));
    g_assert_true(ram_send_setup(send, &err));
    load(to, out);
    ram_send_sync(send, false);
    g_assert_false(ram_send_pass(send, NULL));
    load(to, out);
    breaks = false;
    ram_send_sync(send, false);
    g_assert_true(ram_send_pass(send, &err));
    load(to, out);
    ram_send_sync(send, true);
    g_assert_true(ram_send_finish(send, &err));
    load(to, out);
    ram_send_free(send);
    ram_load_free(to);
}

static void test_broken_off(const void *features)
{
    Side src, dst;
    GError *err = NULL;
    VM_LOCK_GUARD();

    side_init(&src);
    side_init(&dst);
    fill_pages(&src, EARLY, NEARLY);
    fill_pages(&src, LATE, NLATE);
    g_assert_true(memory_dirty_log_start(&src.mem, &err));
    send_twice(&src, &dst, GPOINTER_TO_UINT(features));
    memory_dirty_log_stop(&src.mem);
    g_assert_true(memcmp(src.ram.ram->host, dst.ram.ram->host,
                         PAGES * RAM_PAGE_SIZE) == 0);
    side_fini(&src);
    side_fini(&dst);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ram-restart/plain", GUINT_TO_POINTER(0),
                         test_broken_off);
    g_test_add_data_func("/ram-restart/absent",
                         GUINT_TO_POINTER(WIRE_F_ABSENT | WIRE_F_EXTENTS),
                         test_broken_off);
    return g_test_run();
}
