/*
 * The byte streams: all sizes across all edges of their buffers, where a
 * stream ends, and which error is the one that is kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>

#include "io/file.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/thread.h"
#include "vmstate/stream.h"

enum {
    MAX_PUT = 300000,
    NAME_MAX_LEN = 255,
};

static void channel_pair(IoChannel *ch[2])
{
    GError *err = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    for (unsigned i = 0; i < 2; i++) {
        ch[i] = io_channel_new_fd(fds[i], NULL, &err);
        g_assert_no_error(err);
    }
}

typedef enum Kind { K_U8, K_BE16, K_BE32, K_BE64, K_STR, K_RAW, K_REF } Kind;

/* What both ends agree on without talking: follows from the seed. */
typedef struct Script {
    GRand *rand;
    const uint8_t *data; /* MAX_PUT bytes */
    unsigned steps;
} Script;

static const size_t lengths[] = {
    0,     1,     255,   256,   257,   2047,  2048,   2049,   4096,   32767,
    32768, 32769, 65535, 65536, 65537, 98304, 131072, 131073, 200000, MAX_PUT,
};

static uint64_t script_value(Script *s)
{
    return (uint64_t)g_rand_int(s->rand) << 32 | g_rand_int(s->rand);
}

static size_t script_length(Script *s)
{
    if (g_rand_int_range(s->rand, 0, 3) == 0) {
        return lengths[g_rand_int_range(s->rand, 0, G_N_ELEMENTS(lengths))];
    }
    return g_rand_int_range(s->rand, 0, 5000);
}

static void put_step(Script *s, StreamOut *out)
{
    Kind kind = g_rand_int_range(s->rand, 0, K_REF + 1);
    uint64_t v = script_value(s);
    size_t len = script_length(s);

    switch (kind) {
    case K_U8:
        stream_put_u8(out, v);
        break;
    case K_BE16:
        stream_put_be16(out, v);
        break;
    case K_BE32:
        stream_put_be32(out, v);
        break;
    case K_BE64:
        stream_put_be64(out, v);
        break;
    case K_STR: {
        g_autofree char *str = g_strnfill(len % (NAME_MAX_LEN + 1), 'a');

        stream_put_str8(out, str);
        break;
    }
    case K_RAW:
        stream_put(out, s->data, len);
        break;
    case K_REF:
        stream_put_ref(out, s->data + (v % 3), len - MIN(len, (size_t)3));
        break;
    }
}

static void get_bytes(StreamIn *in, const uint8_t *want, size_t len)
{
    g_autofree uint8_t *got = g_malloc(len + 1);

    got[len] = 0x5a;
    g_assert_true(stream_get(in, got, len));
    g_assert_cmpmem(got, len, want, len);
    g_assert_cmpuint(got[len], ==, 0x5a);
}

static void get_step(Script *s, StreamIn *in)
{
    Kind kind = g_rand_int_range(s->rand, 0, K_REF + 1);
    uint64_t v = script_value(s);
    size_t len = script_length(s);

    switch (kind) {
    case K_U8:
        g_assert_cmpint(stream_peek_u8(in, 0), ==, (uint8_t)v);
        g_assert_cmpuint(stream_get_u8(in), ==, (uint8_t)v);
        break;
    case K_BE16:
        g_assert_cmpint(stream_peek_u8(in, 1), ==, (uint8_t)v);
        g_assert_cmpuint(stream_get_be16(in), ==, (uint16_t)v);
        break;
    case K_BE32:
        g_assert_cmpuint(stream_get_be32(in), ==, (uint32_t)v);
        break;
    case K_BE64:
        g_assert_cmpuint(stream_get_be64(in), ==, v);
        break;
    case K_STR: {
        char str[256];

        g_assert_true(stream_get_str8(in, str));
        g_assert_cmpuint(strlen(str), ==, len % (NAME_MAX_LEN + 1));
        g_assert_cmpuint(strspn(str, "a"), ==, strlen(str));
        break;
    }
    case K_RAW:
        if (v % 8 == 0) {
            g_assert_true(stream_skip(in, len));
        } else {
            get_bytes(in, s->data, len);
        }
        break;
    case K_REF:
        get_bytes(in, s->data + (v % 3), len - MIN(len, (size_t)3));
        break;
    }
}

static uint8_t *random_data(void)
{
    uint8_t *data = g_malloc(MAX_PUT);
    g_autoptr(GRand) r = g_rand_new_with_seed(1);

    for (size_t i = 0; i < MAX_PUT; i++) {
        data[i] = g_rand_int(r);
    }
    return data;
}

typedef struct Writer {
    IoChannel *ch;
    Script script;
    uint64_t total;
} Writer;

static void *writer_thread(void *opaque)
{
    Writer *w = opaque;
    g_autoptr(StreamOut) out = stream_out_new(w->ch);

    for (unsigned i = 0; i < w->script.steps; i++) {
        put_step(&w->script, out);
        /* Some are flushed one by one, most in the stream's own time. */
        if (i % 7 == 0) {
            g_assert_true(stream_out_flush(out, NULL));
        }
    }
    g_assert_true(stream_out_flush(out, NULL));
    g_assert_cmpint(stream_out_error(out), ==, 0);
    w->total = stream_out_bytes(out);
    g_clear_pointer(&w->ch, io_channel_unref);
    return NULL;
}

/* Whatever is put comes out again, and nothing else. */
static void test_all_sizes(void)
{
    g_autofree uint8_t *data = random_data();

    for (unsigned seed = 0; seed < 20; seed++) {
        IoChannel *ch[2];
        Writer w = { .script = { g_rand_new_with_seed(seed), data, 300 } };
        Script s = { g_rand_new_with_seed(seed), data, 300 };
        g_autoptr(StreamIn) in = NULL;
        Thread thread = { 0 };

        channel_pair(ch);
        w.ch = ch[0];
        in = stream_in_new(ch[1]);
        g_assert_true(
            thread_create(&thread, "writer", writer_thread, &w, NULL));
        for (unsigned i = 0; i < s.steps; i++) {
            get_step(&s, in);
        }
        thread_join(&thread);
        g_assert_cmpuint(stream_in_bytes(in), ==, w.total);
        g_assert_true(stream_in_check(in, NULL));
        g_assert_cmpint(stream_peek_u8(in, 0), ==, -1);
        g_assert_true(stream_in_check(in, NULL)); /* a look is no error */
        g_assert_true(stream_in_ended(in));
        io_channel_unref(ch[1]);
        g_rand_free(w.script.rand);
        g_rand_free(s.rand);
    }
}

/* The same through memory. */
static void test_memory(void)
{
    g_autofree uint8_t *data = random_data();
    Script put = { g_rand_new_with_seed(5), data, 300 };
    Script get = { g_rand_new_with_seed(5), data, 300 };
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    const uint8_t *bytes;
    size_t len;

    for (unsigned i = 0; i < put.steps; i++) {
        put_step(&put, out);
    }
    bytes = stream_out_data(out, &len);
    g_assert_cmpuint(len, ==, stream_out_bytes(out));
    in = stream_in_new_mem(bytes, len);
    for (unsigned i = 0; i < get.steps; i++) {
        get_step(&get, in);
    }
    g_assert_cmpuint(stream_in_bytes(in), ==, len);
    stream_out_reset(out);
    g_assert_cmpuint(stream_out_bytes(out), ==, 0);
    stream_out_data(out, &len);
    g_assert_cmpuint(len, ==, 0);
    g_rand_free(put.rand);
    g_rand_free(get.rand);
}

/* More pieces than one call of the kernel takes, none beside another. */
static void test_many_pieces(void)
{
    enum { PIECES = 3000, PIECE = 300 };

    g_autofree uint8_t *data = random_data();
    IoChannel *ch = io_channel_new_buffer(NULL, 0);
    g_autoptr(StreamOut) out = stream_out_new(ch);
    g_autoptr(GByteArray) want = g_byte_array_new();
    const void *got;
    size_t len;

    for (unsigned i = 0; i < PIECES; i++) {
        const uint8_t *p = data + (i * 7919 % (MAX_PUT - PIECE));

        if (i % 5 == 4) { /* right behind the one before */
            p = data + ((i - 1) * 7919 % (MAX_PUT - PIECE)) + PIECE;
            p = MIN(p, data + MAX_PUT - PIECE);
        }
        stream_put_ref(out, p, PIECE);
        g_byte_array_append(want, p, PIECE);
        if (i % 3 == 0) {
            stream_put_u8(out, i);
            g_byte_array_append(want, &(uint8_t){ i }, 1);
        }
        g_assert_cmpuint(stream_out_bytes(out), ==, want->len);
    }
    g_assert_true(stream_out_flush(out, NULL));
    got = io_channel_buffer_data(ch, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
    io_channel_unref(ch);
}

/* A stream that ends after `have` of `want` bytes, by channel or in memory. */
static void check_cut(size_t have, size_t want, bool channel)
{
    g_autofree uint8_t *data = random_data();
    g_autofree uint8_t *got = g_malloc(want);
    g_autofree char *text = NULL;
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    uint64_t at = 4;

    if (channel) {
        IoChannel *ch = io_channel_new_buffer(data, have + at);

        in = stream_in_new(ch);
        io_channel_unref(ch);
    } else {
        in = stream_in_new_mem(data, have + at);
    }
    g_assert_cmpuint(stream_get_be32(in), ==, ldl_be_p(data));
    memset(got, 0xee, want);
    g_assert_false(stream_get(in, got, want));
    g_assert_false(stream_in_check(in, &err));
    text = g_strdup_printf("stream ends at offset %zu: ", have + 4);
    g_assert_nonnull(strstr(err->message, text));
    g_assert_cmpint(stream_in_error(in), ==, -EIO);
    g_assert_true(stream_in_ended(in));
    /* What did not come is zero, for everybody who doesn't look. */
    for (size_t i = have; i < want; i++) {
        g_assert_cmpuint(got[i], ==, 0);
    }
    g_assert_cmpuint(stream_get_u8(in), ==, 0);
    g_assert_cmpuint(stream_get_be64(in), ==, 0);
    g_assert_cmpint(stream_peek_u8(in, 0), ==, -1);
    g_assert_false(stream_skip(in, 1));
    memset(got, 0xee, want);
    g_assert_false(stream_get(in, got, want));
    g_assert_cmpuint(got[0] | got[want - 1], ==, 0);
    g_clear_error(&err);
    g_assert_false(stream_in_check(in, &err));
    g_assert_nonnull(strstr(err->message, text));
}

static void test_cut(void)
{
    static const struct {
        size_t have, want;
    } t[] = {
        { 0, 1 },       { 1, 2 },        { 9, 10 },        { 0, 3000 },
        { 2999, 3000 }, { 2000, 70000 }, { 69999, 70000 }, { 10000, 10001 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("%zu of %zu", t[i].have, t[i].want);
        check_cut(t[i].have, t[i].want, true);
        check_cut(t[i].have, t[i].want, false);
    }
}

static void test_str8_cut(void)
{
    static const uint8_t bytes[] = { 5, 'a', 'b', 'c' };
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, sizeof(bytes));
    char name[256] = "before";

    g_assert_false(stream_get_str8(in, name));
    g_assert_cmpstr(name, ==, "");
}

static void test_peek(void)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes, sizeof(bytes));

    g_assert_cmpint(stream_peek_u8(in, 2), ==, 3);
    g_assert_cmpint(stream_peek_u8(in, 3), ==, -1);
    g_assert_cmpint(stream_peek_u8(in, 1 << 20), ==, -1);
    g_assert_cmpuint(stream_in_bytes(in), ==, 0);
    g_assert_cmpuint(stream_get_u8(in), ==, 1);
    g_assert_cmpint(stream_peek_u8(in, 0), ==, 2);
    g_assert_cmpint(stream_peek_u8(in, 1), ==, 3);
    g_assert_cmpint(stream_peek_u8(in, 2), ==, -1);
    g_assert_cmpuint(stream_get_be16(in), ==, 0x0203);
    g_assert_true(stream_in_check(in, NULL));
}

static GError *an_error(const char *text)
{
    GError *err = NULL;

    error_setf(&err, "%s", text);
    return err;
}

/* The first error is the one that tells what happened. */
static void test_first_error(void)
{
    g_autoptr(StreamIn) in = stream_in_new_mem("x", 1);
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    size_t len;

    g_assert_false(stream_out_error(out));
    stream_put_u8(out, 1);
    stream_out_set_error(out, an_error("first"));
    stream_out_set_error(out, an_error("second"));
    stream_put_u8(out, 2);
    g_assert_cmpint(stream_out_error(out), ==, -EIO);
    g_assert_false(stream_out_check(out, &err));
    g_assert_cmpstr(err->message, ==, "first");
    stream_out_data(out, &len);
    g_assert_cmpuint(len, ==, 1);
    g_assert_cmpuint(stream_out_bytes(out), ==, 1);
    stream_out_reset(out);
    g_assert_true(stream_out_check(out, NULL));
    g_assert_cmpint(stream_out_error(out), ==, 0);

    g_clear_error(&err);
    stream_in_set_error(in, an_error("first"));
    stream_in_set_error(in, an_error("second"));
    g_assert_cmpuint(stream_get_u8(in), ==, 0);
    g_assert_cmpint(stream_in_error(in), ==, -EIO);
    g_assert_false(stream_in_check(in, &err));
    g_assert_cmpstr(err->message, ==, "first");
}

/* A peer that is gone: each end keeps its own reason. */
static void test_peer_gone(void)
{
    g_autofree uint8_t *data = random_data();
    g_autoptr(GError) err = NULL;
    g_autoptr(StreamOut) out = NULL;
    IoChannel *ch[2];

    channel_pair(ch);
    out = stream_out_new(ch[0]);
    io_channel_unref(ch[1]);
    stream_put_ref(out, data, MAX_PUT);
    g_assert_false(stream_out_flush(out, &err));
    g_assert_nonnull(strstr(err->message, "write failed: Broken pipe"));
    g_assert_cmpint(stream_out_error(out), <, 0);
    g_clear_error(&err);
    g_assert_false(stream_out_check(out, &err));
    g_assert_nonnull(strstr(err->message, "Broken pipe"));
    io_channel_unref(ch[0]);
}

/* A peer that stops: the error says where, at the bytes that came. */
static void test_peer_stalls(void)
{
    enum { BEFORE = 100, PART = 3000, WANTED = 5000 };
    g_autofree uint8_t *data = random_data();
    g_autofree uint8_t *got = g_malloc(WANTED);

    for (unsigned direct = 0; direct < 2; direct++) {
        g_autofree char *where =
            g_strdup_printf("offset %d: ", BEFORE + (direct ? PART : 1));
        g_autoptr(GError) err = NULL;
        g_autoptr(StreamIn) in = NULL;
        IoChannel *ch[2];

        channel_pair(ch);
        in = stream_in_new(ch[1]);
        io_channel_set_io_timeout(ch[1], 50);
        g_assert_true(io_channel_write_all(ch[0], data, BEFORE, NULL));
        g_assert_true(stream_get(in, got, BEFORE));
        g_assert_true(
            io_channel_write_all(ch[0], data, direct ? PART : 1, NULL));
        if (direct) {
            g_assert_false(stream_get(in, got, WANTED));
        } else {
            stream_get_be16(in);
        }
        g_assert_false(stream_in_check(in, &err));
        g_assert_nonnull(strstr(err->message, where));
        g_assert_nonnull(strstr(err->message, "timed out"));
        io_channel_unref(ch[0]);
        g_clear_pointer(&in, stream_in_free);
        io_channel_unref(ch[1]);
    }
}

/* Also while an earlier put makes room. */
static void test_peer_gone_in_put(void)
{
    g_autofree uint8_t *data = random_data();
    g_autoptr(StreamOut) out = NULL;
    IoChannel *ch[2];
    uint64_t put;

    channel_pair(ch);
    out = stream_out_new(ch[0]);
    io_channel_unref(ch[1]);
    stream_put(out, data, MAX_PUT);
    g_assert_false(stream_out_check(out, NULL));
    put = stream_out_bytes(out);
    g_assert_cmpuint(put, <, MAX_PUT);
    stream_put_ref(out, data, 5000);
    stream_put_be64(out, 1);
    g_assert_cmpuint(stream_out_bytes(out), ==, put);
    io_channel_unref(ch[0]);
}

/* A record that is parsed again when more of it has come. */
static void test_hold(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(StreamIn) in = NULL;
    IoChannel *ch[2];

    channel_pair(ch);
    in = stream_in_new(ch[1]);
    g_assert_true(io_channel_write_all(ch[0], "abcdefgh", 8, NULL));
    g_assert_cmpint(stream_get_u8(in), ==, 'a');
    stream_in_hold(in);
    g_assert_cmphex(stream_get_be32(in), ==, 0x62636465);
    /* Just what is there isn't too much. */
    g_assert_cmphex(stream_get_be16(in), ==, 0x6667);
    g_assert_cmphex(stream_get_u8(in), ==, 'h');
    g_assert_false(stream_in_starved(in));
    g_assert_true(stream_in_check(in, NULL));
    g_assert_cmpuint(stream_in_bytes(in), ==, 8);
    /* A byte more is. */
    g_assert_cmphex(stream_get_u8(in), ==, 0);
    g_assert_true(stream_in_starved(in));
    g_assert_cmphex(stream_get_be32(in), ==, 0);
    g_assert_false(stream_in_check(in, &err));
    g_assert_nonnull(strstr(err->message, "has not arrived yet"));
    g_assert_cmpint(stream_in_error(in), ==, 0);
    g_clear_error(&err);
    g_assert_true(io_channel_write_all(ch[0], "ij", 2, NULL));
    g_assert_true(stream_in_refill(in, 8, 60000));
    g_assert_false(stream_in_starved(in));
    g_assert_cmpuint(stream_in_bytes(in), ==, 1);
    g_assert_cmphex(stream_get_be64(in), ==, 0x6263646566676869);
    g_assert_false(stream_in_starved(in));
    stream_in_release(in);
    g_assert_cmphex(stream_get_u8(in), ==, 'j');
    g_assert_cmpuint(stream_in_bytes(in), ==, 10);

    /* More than is allowed, by one. */
    stream_in_hold(in);
    g_assert_cmphex(stream_get_be64(in), ==, 0);
    g_assert_true(stream_in_starved(in));
    g_assert_false(stream_in_refill(in, 7, 60000));
    g_assert_false(stream_in_check(in, &err));
    g_assert_nonnull(
        strstr(err->message, "offset 10: a record of 8 bytes: at most 7"));
    io_channel_unref(ch[0]);
    io_channel_unref(ch[1]);
}

/* Longer than the buffer at first is; and one that never ends. */
static void test_hold_long(void)
{
    enum { LEN = 150000 }; /* less than a socket takes at once */
    g_autofree uint8_t *data = random_data(), *got = g_malloc0(LEN);
    g_autoptr(GError) err = NULL;
    g_autoptr(StreamIn) in = NULL;
    IoChannel *ch[2];
    size_t sent = 0;

    channel_pair(ch);
    in = stream_in_new(ch[1]);
    stream_in_hold(in);
    while (stream_get(in, got, 1), stream_get(in, got + 1, LEN - 1),
           stream_in_starved(in)) {
        g_assert_cmpuint(sent, <, LEN);
        g_assert_true(io_channel_write_all(ch[0], data + sent, LEN / 2, NULL));
        sent += LEN / 2;
        if (sent == LEN / 2) {
            /* The first byte is all that it asks for in the first round. */
            g_assert_true(stream_in_refill(in, 1, 60000));
            continue;
        }
        g_assert_true(stream_in_refill(in, LEN, 60000));
    }
    stream_in_release(in);
    g_assert_cmpmem(got, LEN, data, LEN);
    g_assert_cmpuint(stream_in_bytes(in), ==, LEN);

    stream_in_hold(in);
    g_assert_cmphex(stream_get_be32(in), ==, 0);
    g_assert_true(io_channel_write_all(ch[0], "xy", 2, NULL));
    io_channel_unref(ch[0]);
    stream_in_refill(in, 100, 60000);
    g_assert_cmphex(stream_get_be32(in), ==, 0);
    g_assert_false(stream_in_starved(in)); /* nothing more will come */
    g_assert_false(stream_in_check(in, &err));
    g_assert_nonnull(strstr(err->message, "stream ends"));
    g_assert_true(stream_in_ended(in));
    io_channel_unref(ch[1]);
}

/* What was kept can't be written any more: that is the stream's error. */
static void test_late_gone(void)
{
    g_autofree uint8_t *data = random_data();
    g_autoptr(GError) err = NULL;
    g_autoptr(StreamOut) out = NULL;
    uint64_t written;
    IoChannel *ch[2];

    channel_pair(ch);
    out = stream_out_new(ch[0]);
    io_channel_set_deadline_us(ch[0], g_get_monotonic_time() + 1000);
    stream_out_keep_late(out, true);
    while (!stream_out_is_late(out)) {
        stream_put_ref(out, data, MAX_PUT);
        g_assert_true(stream_out_flush(out, NULL));
    }
    written = stream_out_written(out);
    g_assert_cmpuint(written, <, stream_out_bytes(out));
    io_channel_unref(ch[1]);
    io_channel_set_deadline_us(ch[0], 0);
    g_assert_false(stream_out_catch_up(out, &err));
    g_assert_nonnull(strstr(err->message, "write failed"));
    g_assert_false(stream_out_is_late(out));
    g_assert_cmpuint(stream_out_written(out), ==, written);
    g_assert_false(stream_out_check(out, NULL));
    g_assert_false(stream_out_flush(out, NULL));
    g_assert_false(stream_out_catch_up(out, NULL));
    io_channel_unref(ch[0]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream/all-sizes", test_all_sizes);
    g_test_add_func("/stream/memory", test_memory);
    g_test_add_func("/stream/many-pieces", test_many_pieces);
    g_test_add_func("/stream/cut", test_cut);
    g_test_add_func("/stream/str8-cut", test_str8_cut);
    g_test_add_func("/stream/peek", test_peek);
    g_test_add_func("/stream/first-error", test_first_error);
    g_test_add_func("/stream/peer-gone", test_peer_gone);
    g_test_add_func("/stream/peer-stalls", test_peer_stalls);
    g_test_add_func("/stream/peer-gone-in-put", test_peer_gone_in_put);
    g_test_add_func("/stream/hold", test_hold);
    g_test_add_func("/stream/hold-long", test_hold_long);
    g_test_add_func("/stream/late-gone", test_late_gone);
    return g_test_run();
}
