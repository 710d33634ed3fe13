/*
 * Guest memory through the sender, a socket pair and the loader: every page
 * arrives, by each wire format; hostile records are refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>

#include "io/file.h"
#include "migration/ram-load.h"
#include "migration/ram-send.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"

enum { PAGES = 4096, SMALL_PAGES = 3 };

typedef struct Side {
    Memory mem;
    MemoryRegion ram, small;
} Side;

static void side_init(Side *s)
{
    GError *err = NULL;
    VM_LOCK_GUARD();

    memory_init(&s->mem);
    g_assert_true(memory_region_init_ram(&s->ram, &s->mem, "pc.ram",
                                         PAGES * RAM_PAGE_SIZE, &err));
    g_assert_true(memory_region_init_ram(&s->small, &s->mem, "small",
                                         SMALL_PAGES * RAM_PAGE_SIZE, &err));
    memory_region_add(&s->mem.root, 0, &s->ram, 0);
    memory_region_add(&s->mem.root, 1 << 30, &s->small, 0);
}

static void side_fini(Side *s)
{
    VM_LOCK_GUARD();

    memory_region_fini(&s->small);
    memory_region_fini(&s->ram);
    memory_fini(&s->mem);
}

typedef struct Load {
    Side *side;
    IoChannel *ch;
    GError *err;
    bool ok;
} Load;

/* Reads sections as loadvm would: type byte, id, (name), records, footer. */
static void *load_thread(void *opaque)
{
    Load *l = opaque;
    g_autoptr(StreamIn) in = stream_in_new(l->ch);
    g_autoptr(RamLoad) ram = ram_load_new(&l->side->mem);
    uint8_t type;
    char name[256];

    ram_load_make_pristine(ram, INT64_MAX);
    do {
        type = stream_get_u8(in);
        stream_get_be32(in);
        if (type == WIRE_SECTION_START) {
            stream_get_str8(in, name);
            stream_get_be64(in);
        }
        if (!ram_load_section(ram, in, &l->err)) {
            return NULL;
        }
        g_assert_cmpuint(stream_get_u8(in), ==, WIRE_FOOTER);
        stream_get_be32(in);
    } while (type != WIRE_SECTION_END);
    l->ok = true;
    return NULL;
}

static bool no_pace(void *opaque, uint64_t bytes, GError **errp)
{
    return true;
}

static void fill_random(Side *s, GRand *r, unsigned npages)
{
    for (unsigned i = 0; i < npages; i++) {
        unsigned page = g_rand_int_range(r, 0, PAGES);
        uint64_t v[512];

        for (unsigned k = 0; k < G_N_ELEMENTS(v); k++) {
            v[k] = g_rand_int(r);
        }
        /* Some become zero, which they may not have been before. */
        if (i % 5 == 0) {
            memset(v, 0, sizeof(v));
        }
        address_space_write(&s->mem.memory, page * RAM_PAGE_SIZE, v, sizeof(v));
    }
}

/* A part of the section with the frame that the engine puts around it. */
static void send_part(RamSend *send, StreamOut *out, uint8_t type)
{
    GError *err = NULL;

    savevm_put_part_begin(out, type, &ram_iterative);
    g_assert_true(type == WIRE_SECTION_START  ? ram_send_setup(send, &err)
                  : type == WIRE_SECTION_PART ? ram_send_pass(send, &err)
                                              : ram_send_finish(send, &err));
    savevm_put_part_end(out, &ram_iterative);
    g_assert_true(stream_out_flush(out, &err));
}

/* The first pass, three more, and the switch-over. */
static void send_all(RamSend *send, StreamOut *out, Side *src, GRand *r)
{
    GError *err = NULL;

    send_part(send, out, WIRE_SECTION_START);
    {
        VM_LOCK_GUARD();
        g_assert_true(memory_dirty_log_start(&src->mem, &err));
    }
    g_assert_cmpuint(ram_send_sync(send, false), ==, PAGES + SMALL_PAGES);
    send_part(send, out, WIRE_SECTION_PART);
    g_assert_cmpuint(ram_send_sync(send, false), ==, 0);
    for (unsigned pass = 0; pass < 3; pass++) {
        fill_random(src, r, 100);
        g_assert_cmpuint(ram_send_sync(send, false), >, 50);
        send_part(send, out, WIRE_SECTION_PART);
    }
    fill_random(src, r, 10);
    g_assert_cmpuint(ram_send_sync(send, true), >, 0);
    send_part(send, out, WIRE_SECTION_END);
}

static void check_arrived(const Side *src, const Side *dst, RamSend *send)
{
    RamSendStats st;

    g_assert_cmpmem(src->ram.ram->host, PAGES * RAM_PAGE_SIZE,
                    dst->ram.ram->host, PAGES * RAM_PAGE_SIZE);
    g_assert_cmpmem(src->small.ram->host, SMALL_PAGES * RAM_PAGE_SIZE,
                    dst->small.ram->host, SMALL_PAGES * RAM_PAGE_SIZE);
    ram_send_get_stats(send, &st);
    g_assert_cmpuint(st.remaining_pages, ==, 0);
    g_assert_cmpuint(st.normal_pages + st.zero_pages, >=, PAGES + SMALL_PAGES);
}

static void run_migration(uint64_t features, bool wide)
{
    Side src = { 0 }, dst = { 0 };
    int fds[2];
    Load l = { .side = &dst };
    Thread t = { 0 };
    GError *err = NULL;
    g_autoptr(GRand) r = g_rand_new_with_seed(features + 7);
    RamSendOptions opts = { .features = features,
                            .wide_scanner = wide,
                            .nscanners = 1,
                            .pace = no_pace };
    g_autoptr(IoChannel) ch = NULL;
    g_autoptr(StreamOut) out = NULL;
    g_autoptr(RamSend) send = NULL;

    side_init(&src);
    side_init(&dst);
    /* What the destination's firmware left there must not survive. */
    memset(dst.small.ram->host, 0xee, RAM_PAGE_SIZE);
    fill_random(&src, r, 700);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    ch = io_channel_new_fd(fds[0], NULL, &err);
    l.ch = io_channel_new_fd(fds[1], NULL, &err);
    out = stream_out_new(ch);
    g_assert_true(thread_create(&t, "load", load_thread, &l, &err));
    send = ram_send_new(&src.mem, out, &opts, &err);
    send_all(send, out, &src, r);
    thread_join(&t);
    g_assert_no_error(l.err);
    g_assert_true(l.ok);
    check_arrived(&src, &dst, send);
    {
        VM_LOCK_GUARD();
        memory_dirty_log_stop(&src.mem);
    }
    io_channel_unref(l.ch);
    side_fini(&src);
    side_fini(&dst);
}

static void test_plain(void)
{
    run_migration(0, false);
}

static void test_features(void)
{
    run_migration(WIRE_F_ABSENT | WIRE_F_EXTENTS | WIRE_F_COMMIT, true);
    run_migration(WIRE_F_EXTENTS, true);
    run_migration(WIRE_F_ABSENT, false);
}

static void put_rec(GByteArray *b, uint64_t head, const char *block)
{
    uint8_t be[8];

    stq_be_p(be, head);
    g_byte_array_append(b, be, sizeof(be));
    if (block != NULL) {
        uint8_t len = strlen(block);

        g_byte_array_append(b, &len, 1);
        g_byte_array_append(b, (const uint8_t *)block, len);
    }
}

static void put_u32(GByteArray *b, uint32_t v)
{
    uint8_t be[4];

    stl_be_p(be, v);
    g_byte_array_append(b, be, sizeof(be));
}

static void put_list(GByteArray *b, uint64_t ram, uint64_t small)
{
    put_rec(b, (ram + small) | RAM_REC_MEM_SIZE, NULL);
    g_byte_array_append(b, (const uint8_t *)"\6pc.ram", 7);
    put_rec(b, ram, NULL);
    g_byte_array_append(b, (const uint8_t *)"\5small", 6);
    put_rec(b, small, NULL);
}

static void expect_refused(Side *s, GByteArray *b, const char *named)
{
    g_autoptr(RamLoad) ram = ram_load_new(&s->mem);
    g_autofree uint8_t *copy = g_memdup2(b->data, b->len);
    g_autoptr(StreamIn) in = stream_in_new_mem(copy, b->len);
    g_autoptr(GError) err = NULL;

    g_assert_false(ram_load_section(ram, in, &err));
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, named));
    g_byte_array_set_size(b, 0);
}

static void test_hostile(void)
{
    const uint64_t ram = PAGES * RAM_PAGE_SIZE;
    const uint64_t small = SMALL_PAGES * RAM_PAGE_SIZE;
    g_autoptr(GByteArray) b = g_byte_array_new();
    Side s = { 0 };

    side_init(&s);
    put_list(b, ram * 2, small);
    expect_refused(&s, b, "pc.ram");
    put_rec(b, 0 | RAM_REC_PAGE, "pc.ram");
    expect_refused(&s, b, "before the list");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_FILL, "nothing");
    expect_refused(&s, b, "nothing");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_FILL | RAM_REC_CONTINUE, NULL);
    expect_refused(&s, b, "continues no block");
    put_list(b, ram, small);
    put_rec(b, ram | RAM_REC_PAGE, "pc.ram"); /* one page too far */
    expect_refused(&s, b, "pc.ram");
    put_list(b, ram, small);
    put_rec(b, (small - RAM_PAGE_SIZE) | RAM_REC_EXTENT, "small");
    put_u32(b, 2); /* the second page sticks out */
    expect_refused(&s, b, "small");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_EXTENT | RAM_REC_FILL, "small");
    put_u32(b, UINT32_MAX);
    expect_refused(&s, b, "small");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_EXTENT, "small");
    put_u32(b, 0);
    expect_refused(&s, b, "small");
    put_list(b, ram, small);
    put_rec(b, 0x401, NULL);
    expect_refused(&s, b, "0x401");
    put_list(b, ram, small);
    put_list(b, ram, small);
    expect_refused(&s, b, "comes twice");
    put_rec(b, (ram + ram) | RAM_REC_MEM_SIZE, NULL);
    for (unsigned i = 0; i < 2; i++) {
        g_byte_array_append(b, (const uint8_t *)"\6pc.ram", 7);
        put_rec(b, ram, NULL);
    }
    expect_refused(&s, b, "listed twice");
    /* A block that is here, but not in the list. */
    put_rec(b, ram | RAM_REC_MEM_SIZE, NULL);
    g_byte_array_append(b, (const uint8_t *)"\6pc.ram", 7);
    put_rec(b, ram, NULL);
    expect_refused(&s, b, "'small'");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_PAGE, "small"); /* and no bytes */
    expect_refused(&s, b, "offset");
    side_fini(&s);
}

static void test_hostile_delta(void)
{
    const uint64_t ram = PAGES * RAM_PAGE_SIZE;
    const uint64_t small = SMALL_PAGES * RAM_PAGE_SIZE;
    g_autoptr(GByteArray) b = g_byte_array_new();
    Side s = { 0 };

    side_init(&s);
    put_list(b, ram, small);
    put_rec(b, RAM_REC_XBZRLE, "small");
    g_byte_array_append(b, (const uint8_t *)"\2\0\3\0\1x", 6);
    expect_refused(&s, b, "xbzrle of kind 2 and 3 bytes");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_XBZRLE, "small");
    g_byte_array_append(b, (const uint8_t *)"\1\x10\1", 3);
    expect_refused(&s, b, "xbzrle of kind 1 and 4097 bytes");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_XBZRLE, "small");
    g_byte_array_append(b, (const uint8_t *)"\1\0\0", 3);
    expect_refused(&s, b, "0 bytes");
    put_list(b, ram, small);
    put_rec(b, (small - RAM_PAGE_SIZE) | RAM_REC_XBZRLE, "small");
    g_byte_array_append(b, (const uint8_t *)"\1\0\5\xff\x1f\2xy", 8);
    expect_refused(&s, b, "'small', page 0x2000: xbzrle: 2 bytes behind 4095");
    put_list(b, ram, small);
    put_rec(b, small | RAM_REC_XBZRLE, "small");
    expect_refused(&s, b, "at offset 0x3000 of 0x3000");
    put_list(b, ram, small);
    put_rec(b, RAM_REC_XBZRLE, "small");
    g_byte_array_append(b, (const uint8_t *)"\1\0\5\0\1", 5);
    expect_refused(&s, b, "stream ends");
    side_fini(&s);
}

typedef struct Drain {
    int fd;
    GByteArray *got;
} Drain;

static void *drain_thread(void *opaque)
{
    Drain *d = opaque;
    uint8_t buf[65536];
    ssize_t n;

    while ((n = read(d->fd, buf, sizeof(buf))) > 0) {
        g_byte_array_append(d->got, buf, n);
    }
    return NULL;
}

/* Small puts, and references large and small; the last one ends the record. */
static void put_much(StreamOut *out, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i + 9000 <= len; i += 9000) {
        stream_put_be32(out, i);
        stream_put(out, data + i, 300);
        stream_put_ref(out, data + i + 300, 100);
        stream_put_ref(out, data + i + 400, 8600);
    }
}

/* Nobody reads until the deadline has passed: nothing is lost, or twice. */
static void test_late(void)
{
    enum { LEN = 4 << 20 };
    g_autofree uint8_t *data = g_malloc(LEN);
    g_autoptr(StreamOut) want = stream_out_new(NULL);
    g_autoptr(StreamOut) out = NULL;
    Drain d = { .got = g_byte_array_new() };
    IoChannel *ch;
    Thread reader;
    GError *err = NULL;
    size_t want_len;
    int fds[2];

    for (size_t i = 0; i < LEN; i++) {
        data[i] = i * 2654435761u >> 13;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    ch = io_channel_new_fd(fds[0], NULL, &err);
    g_assert_no_error(err);
    d.fd = fds[1];
    out = stream_out_new(ch);
    io_channel_set_deadline_us(ch, g_get_monotonic_time() + 1000);
    stream_out_keep_late(out, true);
    put_much(out, data, LEN);
    g_assert_true(stream_out_flush(out, &err));
    g_assert_true(stream_out_is_late(out));
    stream_put_be64(out, 42);
    memset(data, 0, LEN / 2); /* the guest goes on: copies were kept */
    io_channel_set_deadline_us(ch, 0);
    stream_out_keep_late(out, false);
    g_assert_true(thread_create(&reader, "drain", drain_thread, &d, &err));
    g_assert_true(stream_out_catch_up(out, &err));
    g_assert_false(stream_out_is_late(out));
    stream_put_be64(out, 43);
    g_assert_true(stream_out_flush(out, &err));
    io_channel_shutdown(ch, IO_SHUTDOWN_WRITE);
    thread_join(&reader);

    for (size_t i = 0; i < LEN; i++) {
        data[i] = i * 2654435761u >> 13;
    }
    put_much(want, data, LEN);
    stream_put_be64(want, 42);
    stream_put_be64(want, 43);
    g_assert_cmpuint(stream_out_bytes(out), ==, stream_out_bytes(want));
    g_assert_cmpmem(d.got->data, d.got->len, stream_out_data(want, &want_len),
                    stream_out_bytes(want));
    g_byte_array_unref(d.got);
    io_channel_unref(ch);
    close(fds[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-stream/plain", test_plain);
    g_test_add_func("/ram-stream/features", test_features);
    g_test_add_func("/ram-stream/hostile", test_hostile);
    g_test_add_func("/ram-stream/hostile-delta", test_hostile_delta);
    g_test_add_func("/ram-stream/late", test_late);
    return g_test_run();
}
