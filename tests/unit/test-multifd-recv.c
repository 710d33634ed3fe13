/*
 * Unit test: what multifd channels may say, in which order it takes effect,
 * and what ends the load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-packet.h"
#include "system/clock.h"
#include "tests/unit/multifd-world.h"

/* The destination may have closed it by then, at a word before. */
static void say(IoChannel *ch, const void *data, size_t len)
{
    io_channel_write_all(ch, data, len, NULL);
}

static void greet(IoChannel *ch, uint8_t id)
{
    const MultifdGreeting g = { .id = id };
    uint8_t buf[MULTIFD_GREETING_LEN];

    multifd_greeting_put(&g, buf);
    say(ch, buf, sizeof(buf));
}

static void say_packet(IoChannel *ch, const MultifdPacket *p)
{
    uint8_t buf[MULTIFD_HEADER_LEN];

    multifd_packet_put(p, buf);
    say(ch, buf, sizeof(buf));
}

static uint64_t packets; /* with SYNC, numbered so far */

static void say_sync_numbered(IoChannel *ch, uint64_t number)
{
    const MultifdPacket sync = { .flags = MULTIFD_SYNC, .number = number };

    say_packet(ch, &sync);
}

static void say_sync(IoChannel *ch)
{
    say_sync_numbered(ch, packets++);
}

/* One page that is all `byte`. */
static void say_page(IoChannel *ch, uint64_t page, uint8_t byte)
{
    g_autofree MultifdPacket *p = g_new0(MultifdPacket, 1);
    uint8_t data[MW_PAGE];

    g_strlcpy(p->block, "pc.ram", sizeof(p->block));
    p->npages = 1;
    p->bytes = MW_PAGE;
    p->offsets[0] = page * MW_PAGE;
    memset(data, byte, sizeof(data));
    say_packet(ch, p);
    say(ch, data, sizeof(data));
}

static void say_extent(IoChannel *ch, uint64_t off, uint64_t flags, uint32_t n,
                       uint8_t byte)
{
    static const uint8_t name[] = { 6, 'p', 'c', '.', 'r', 'a', 'm' };
    uint8_t head[8 + sizeof(name) + 4] = { 0 };
    g_autofree uint8_t *data = g_malloc(n * MW_PAGE);

    stq_be_p(head, off | flags | RAM_REC_EXTENT);
    memcpy(head + 8, name, sizeof(name));
    stl_be_p(head + 15, n);
    say(ch, head, sizeof(head));
    memset(data, byte, n * MW_PAGE);
    if (!(flags & RAM_REC_FILL)) {
        say(ch, data, n * MW_PAGE);
    }
}

static void expect_sync(MwWorld *w)
{
    GError *err = NULL;

    multifd_recv_sync(w->recv, &err);
    g_assert_no_error(err);
}

static uint8_t byte_at(MwWorld *w, uint64_t page)
{
    return __atomic_load_n(&w->rb->host[page * MW_PAGE], __ATOMIC_RELAXED);
}

/*
 * A page of pass 1 is still on its way on one channel when the other has
 * already brought it again, of pass 2.
 */
static void test_order(void)
{
    IoChannel *slow, *fast;
    MwWorld w;

    mw_init(&w, 2, 0);
    slow = mw_connect(&w);
    fast = mw_connect(&w);
    greet(slow, 1);
    greet(fast, 0);
    say_sync(fast);
    say_sync(fast);
    say_page(fast, 7, 2);
    say_sync(fast);
    say_sync(slow);
    expect_sync(&w);
    /* It would have come by now, if nothing held it. */
    g_usleep(50000);
    g_assert_cmpuint(byte_at(&w, 7), ==, 0);
    say_page(slow, 7, 1);
    say_sync(slow);
    expect_sync(&w);
    say_sync(slow);
    expect_sync(&w);
    g_assert_cmpuint(byte_at(&w, 7), ==, 2);
    io_channel_unref(slow);
    io_channel_unref(fast);
    mw_fini(&w);
}

/* Packets and runs, on one channel after the other. */
static void test_kinds(void)
{
    IoChannel *ch;
    MwWorld w;

    mw_init(&w, 1, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    expect_sync(&w);
    say_page(ch, 1, 11);
    say_extent(ch, 2 * MW_PAGE, 0, 300, 12);
    say_extent(ch, 3 * MW_PAGE, RAM_REC_FILL, 2, 0);
    say_page(ch, MW_PAGES - 1, 13);
    say_sync(ch);
    expect_sync(&w);
    g_assert_cmpuint(byte_at(&w, 1), ==, 11);
    g_assert_cmpuint(byte_at(&w, 2), ==, 12);
    g_assert_cmpuint(byte_at(&w, 3), ==, 0);
    g_assert_cmpuint(byte_at(&w, 4), ==, 0);
    g_assert_cmpuint(byte_at(&w, 301), ==, 12);
    g_assert_cmpuint(byte_at(&w, 302), ==, 0);
    g_assert_cmpuint(byte_at(&w, MW_PAGES - 1), ==, 13);
    /* It may end when it is in step. */
    io_channel_unref(ch);
    g_assert_true(multifd_recv_close(w.recv, NULL));
    mw_fini(&w);
}

/* The error of the load, when one comes. */
static void expect_error(MwWorld *w, const char *says)
{
    GError *err = NULL;

    g_assert_false(multifd_recv_sync(w->recv, &err));
    multifd_recv_explain(w->recv, &err);
    if (strstr(err->message, says) == NULL) {
        g_error("'%s' instead of '%s'", err->message, says);
    }
    g_clear_error(&err);
}

typedef struct HostileCase {
    const char *name;
    void (*say)(IoChannel *ch); /* behind the first sync */
    const char *says;
} HostileCase;

static MultifdPacket *packet(const char *block, uint32_t n, uint64_t off)
{
    MultifdPacket *p = g_new0(MultifdPacket, 1);

    g_strlcpy(p->block, block, sizeof(p->block));
    p->npages = n;
    p->bytes = n * MW_PAGE;
    for (uint32_t i = 0; i < n; i++) {
        p->offsets[i] = off;
    }
    return p;
}

static void say_unknown_block(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("nothing", 1, 0);

    say_packet(ch, p);
}

static void say_beyond(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("small", 1, MW_SMALL * MW_PAGE);

    say_packet(ch, p);
}

static void say_far_beyond(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 128, -(uint64_t)MW_PAGE);

    say_packet(ch, p);
}

static void say_askew(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 100);

    say_packet(ch, p);
}

static void say_short(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 2, 0);

    p->bytes -= 1;
    say_packet(ch, p);
}

static void say_packed(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 0);

    p->flags = MULTIFD_PACKED_ZSTD;
    say_packet(ch, p);
}

static void say_oddly_packed(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 0);

    p->flags = 5 << 1;
    say_packet(ch, p);
}

static void say_long_extent(IoChannel *ch)
{
    say_extent(ch, MW_PAGE, RAM_REC_FILL, MW_PAGES, 0);
}

static void say_huge_extent(IoChannel *ch)
{
    say_extent(ch, MW_PAGE, RAM_REC_FILL, UINT32_MAX, 0);
}

static void say_end_of_section(IoChannel *ch)
{
    uint8_t be[8];

    stq_be_p(be, RAM_REC_EOS);
    say(ch, be, 8);
}

static void say_half(IoChannel *ch)
{
    uint8_t buf[100] = { 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 1 };

    say(ch, buf, sizeof(buf));
    io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
}

static void say_half_page(IoChannel *ch)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 0);
    uint8_t buf[2000] = { 1 };

    say_packet(ch, p);
    say(ch, buf, sizeof(buf));
    io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
}

/* Taken for that of the next pass, it would let the guest start without it. */
static void say_sync_again(IoChannel *ch)
{
    say_sync(ch);
    say_sync_numbered(ch, packets - 1);
}

static void say_end(IoChannel *ch)
{
    io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
}

static const HostileCase hostile[] = {
    { "unknown-block", say_unknown_block,
      "offset 1408: page record names RAM "
      "block 'nothing'" },
    { "beyond", say_beyond, "record of 4096 bytes at offset 0x3000 of 0x3000" },
    { "far-beyond", say_far_beyond, "at offset 0xfffffffffffff000" },
    { "askew", say_askew, "page at offset 0x64" },
    { "short", say_short, "packet of 2 pages in 8191 bytes" },
    { "packed", say_packed, "'zstd', and here it is 'none'" },
    { "oddly-packed", say_oddly_packed, "'unknown', and here" },
    { "long-extent", say_long_extent, "record of 4194304 bytes" },
    { "huge-extent", say_huge_extent, "record of 17592186040320 bytes" },
    { "end-of-section", say_end_of_section, "neither a packet nor a run" },
    { "half", say_half, "stream ends at offset 1508: 1244 more" },
    { "half-page", say_half_page, "stream ends at offset" },
    { "sync-again", say_sync_again, "in step by packet" },
    { "end", say_end, "it ended before all of pass 1" },
};

static void test_hostile(const void *opaque)
{
    const HostileCase *c = opaque;
    IoChannel *ch, *other;
    MwWorld w;

    mw_init(&w, 2, 0);
    other = mw_connect(&w);
    ch = mw_connect(&w);
    greet(other, 0);
    greet(ch, 1);
    say_sync(other);
    say_sync(ch);
    expect_sync(&w);
    say_sync(other);
    c->say(ch);
    if (c->say == say_sync_again) {
        expect_sync(&w); /* it is no answer to what comes then */
    }
    expect_error(&w, "multifd channel 1: ");
    expect_error(&w, c->says);
    if (c->say != say_end) {
        g_assert_true(io_cancel_is_set(multifd_recv_cancel(w.recv)));
    }
    io_channel_unref(ch);
    io_channel_unref(other);
    mw_fini(&w);
}

/* A compressed page that isn't one. */
static void test_garbage(const void *opaque)
{
    uint32_t packed = GPOINTER_TO_UINT(opaque);
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 0);
    uint8_t data[64];
    IoChannel *ch;
    MwWorld w;

    mw_init(&w, 1, packed);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    expect_sync(&w);
    p->flags = packed;
    p->bytes = sizeof(data);
    say_packet(ch, p);
    memset(data, 0x99, sizeof(data));
    say(ch, data, sizeof(data));
    expect_error(&w, "multifd channel 0: offset 1408: z");
    io_channel_unref(ch);
    mw_fini(&w);
}

/* Channels that aren't what they should be. */
static void test_greetings(void)
{
    MultifdGreeting g = { .id = 2 };
    uint8_t buf[MULTIFD_GREETING_LEN];
    IoChannel *a, *b;
    MwWorld w;

    mw_init(&w, 2, 0);
    a = mw_connect(&w);
    greet(a, 2);
    expect_error(&w, "connection 0: it is channel 2, and there are 2 here");
    io_channel_unref(a);
    mw_fini(&w);

    mw_init(&w, 2, 0);
    a = mw_connect(&w);
    b = mw_connect(&w);
    greet(a, 1);
    greet(b, 1);
    expect_error(&w, "it is channel 1, which has come already");
    io_channel_unref(a);
    io_channel_unref(b);
    mw_fini(&w);

    mw_init(&w, 1, 0);
    a = mw_connect(&w);
    g.id = 0;
    g.uuid[15] = 1;
    multifd_greeting_put(&g, buf);
    say(a, buf, sizeof(buf));
    expect_error(&w, "another UUID");
    io_channel_unref(a);
    mw_fini(&w);

    mw_init(&w, 1, 0);
    a = mw_connect(&w);
    buf[7] = 9;
    say(a, buf, sizeof(buf));
    expect_error(&w, "connection 0: greeting: version 9");
    io_channel_unref(a);
    mw_fini(&w);

    mw_init(&w, 1, 0);
    a = mw_connect(&w);
    say(a, buf, 10);
    io_channel_unref(a);
    expect_error(&w, "stream ends at offset 10");
    mw_fini(&w);
}

/* One of two never comes; one too many is turned away. */
static void test_missing(void)
{
    const MultifdRecvOptions opts = { .nchannels = 2, .wait_ns = NS_PER_MS };
    IoChannel *a, *b, *c;
    char byte;
    MwWorld w;

    mw_init(&w, 2, 0);
    multifd_recv_free(w.recv);
    w.recv = multifd_recv_new(&opts, NULL);
    multifd_recv_set_ram(w.recv, w.load);
    a = mw_connect(&w);
    greet(a, 0);
    say_sync(a);
    while (multifd_recv_count(w.recv) < 1) {
    }
    expect_error(&w, " of 2 multifd channels have come");
    b = mw_connect(&w);
    c = mw_connect(&w);
    g_assert_cmpuint(multifd_recv_count(w.recv), ==, 2);
    g_assert_cmpint(io_channel_read(c, &byte, 1), ==, 0);
    io_channel_unref(a);
    io_channel_unref(b);
    io_channel_unref(c);
    mw_fini(&w);
}

/* Before the list of blocks is known, and when the guest runs. */
static void test_untimely(void)
{
    IoChannel *ch;
    MwWorld w;

    mw_init(&w, 1, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_page(ch, 3, 1);
    expect_error(&w, "pages before the channels were first in step");
    g_assert_cmpuint(byte_at(&w, 3), ==, 0);
    io_channel_unref(ch);
    mw_fini(&w);

    mw_init(&w, 1, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    expect_sync(&w);
    g_assert_true(multifd_recv_close(w.recv, NULL));
    say_page(ch, 3, 1);
    /* Its end is cut by the destination. */
    g_assert_cmpint(io_channel_read(ch, &(char){ 0 }, 1), <=, 0);
    g_assert_cmpuint(byte_at(&w, 3), ==, 0);
    io_channel_unref(ch);
    mw_fini(&w);
}

/* In the middle of a page when the guest is to run. */
static void test_close_busy(void)
{
    g_autofree MultifdPacket *p = packet("pc.ram", 1, 0);
    GError *err = NULL;
    IoChannel *ch;
    MwWorld w;

    mw_init(&w, 1, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    expect_sync(&w);
    say_packet(ch, p);
    while (multifd_recv_close(w.recv, &err)) {
        mw_fini(&w); /* it was too early: once more */
        io_channel_unref(ch);
        mw_init(&w, 1, 0);
        ch = mw_connect(&w);
        greet(ch, 0);
        say_sync(ch);
        expect_sync(&w);
        say_packet(ch, p);
        g_usleep(10000);
    }
    g_assert_cmpstr(err->message, ==,
                    "multifd channel 0: pages behind the last pass");
    g_clear_error(&err);
    io_channel_unref(ch);
    mw_fini(&w);
}

/*
 * Behind LOADED the guest may be ours at any moment: a channel that fails then
 * ends nothing, unless the source takes the guest back.
 */
static void test_close_fails(void)
{
    GError *err = NULL;
    IoChannel *ch;
    MwWorld w;

    mw_init(&w, 1, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    expect_sync(&w);
    g_assert_true(multifd_recv_close(w.recv, NULL));
    say(ch, "no packet", 9);
    /* Its end is cut when that has failed. */
    g_assert_cmpint(io_channel_read(ch, &(char){ 0 }, 1), <=, 0);
    g_assert_false(io_cancel_is_set(multifd_recv_cancel(w.recv)));
    multifd_recv_reopen(w.recv);
    g_assert_true(io_cancel_is_set(multifd_recv_cancel(w.recv)));
    expect_error(&w, "neither a packet nor a run of pages");
    g_assert_false(multifd_recv_close(w.recv, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    io_channel_unref(ch);
    mw_fini(&w);
}

static void *stop_soon(void *opaque)
{
    g_usleep(20000);
    multifd_recv_shutdown(opaque);
    return NULL;
}

/* The program ends while a channel and the stream wait. */
static void test_stop(void)
{
    g_autoptr(GError) err = NULL;
    IoChannel *ch;
    GThread *t;
    MwWorld w;

    mw_init(&w, 2, 0);
    ch = mw_connect(&w);
    greet(ch, 0);
    say_sync(ch);
    t = g_thread_new("stop", stop_soon, w.recv);
    g_assert_false(multifd_recv_sync(w.recv, &err));
    g_thread_join(t);
    io_channel_unref(ch);
    mw_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multifd-recv/order", test_order);
    g_test_add_func("/multifd-recv/kinds", test_kinds);
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *path =
            g_strdup_printf("/multifd-recv/hostile/%s", hostile[i].name);

        g_test_add_data_func(path, &hostile[i], test_hostile);
    }
    g_test_add_data_func("/multifd-recv/garbage/zlib",
                         GUINT_TO_POINTER(MULTIFD_PACKED_ZLIB), test_garbage);
    g_test_add_data_func("/multifd-recv/garbage/zstd",
                         GUINT_TO_POINTER(MULTIFD_PACKED_ZSTD), test_garbage);
    g_test_add_func("/multifd-recv/greetings", test_greetings);
    g_test_add_func("/multifd-recv/missing", test_missing);
    g_test_add_func("/multifd-recv/untimely", test_untimely);
    g_test_add_func("/multifd-recv/close-busy", test_close_busy);
    g_test_add_func("/multifd-recv/close-fails", test_close_fails);
    g_test_add_func("/multifd-recv/stop", test_stop);
    return g_test_run();
}
