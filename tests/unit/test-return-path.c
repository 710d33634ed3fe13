/*
 * Unit test: messages of the destination (migration/return-path.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/socket.h>

#include "io/file.h"
#include "io/tls.h"
#include "migration/return-path.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"

typedef struct Pair {
    IoChannel *ours, *peer;
    RpReader rp;
} Pair;

static void pair_init(Pair *p)
{
    GError *err = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    p->ours = io_channel_new_fd(fds[0], NULL, &err);
    p->peer = io_channel_new_fd(fds[1], NULL, &err);
    g_assert_no_error(err);
    rp_init(&p->rp, p->ours);
}

static void pair_fini(Pair *p)
{
    io_channel_unref(p->ours);
    io_channel_unref(p->peer);
}

static void raw(Pair *p, const void *data, size_t len)
{
    GError *err = NULL;

    g_assert_true(io_channel_write_all(p->peer, data, len, &err));
}

static void say(Pair *p, uint16_t type, uint16_t len, uint32_t number)
{
    uint8_t buf[4 + WIRE_RP_MAX] = { 0 };

    g_assert_cmpuint(len, <=, WIRE_RP_MAX);
    stw_be_p(buf, type);
    stw_be_p(buf + 2, len);
    stl_be_p(buf + 4, number);
    raw(p, buf, 4 + len);
}

/* Takes the error away. */
static void expect_failed(RpResult r, GError **err, const char *what)
{
    g_assert_cmpint(r, ==, RP_FAILED);
    g_assert_nonnull(*err);
    if (strstr((*err)->message, what) == NULL) {
        g_error("'%s' is not in '%s'", what, (*err)->message);
    }
    g_clear_error(err);
}

/* The longest message is one; one byte more is none. */
static void test_length(void)
{
    static const uint8_t too_long[] = { 0, 2, 0x04, 0x01 };
    GError *err = NULL;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    say(&p, WIRE_RP_PONG, WIRE_RP_MAX, 7);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_OK);
    g_assert_cmpuint(msg.type, ==, WIRE_RP_PONG);
    g_assert_cmpuint(msg.len, ==, WIRE_RP_MAX);
    g_assert_cmpuint(ldl_be_p(msg.data), ==, 7);
    g_assert_cmpuint(msg.data[WIRE_RP_MAX], ==, 0);
    say(&p, WIRE_RP_PONG, 0, 0);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_OK);
    g_assert_cmpuint(msg.len, ==, 0);
    raw(&p, too_long, sizeof(too_long));
    expect_failed(rp_read(&p.rp, NULL, 0, &msg, &err), &err, "1025 bytes");
    pair_fini(&p);
}

/* However slowly it comes, the deadline holds, and nothing is lost. */
static void test_pieces(void)
{
    static const uint8_t text[] = { 0x47, 0x04, 0, 2, 'n', 'o' };
    GError *err = NULL;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    for (size_t i = 0; i < sizeof(text); i++) {
        /* Of the past, now, and to come. */
        int64_t at =
            i % 3 == 0 ? 1 : clock_monotonic_ns() + (i % 3 - 1) * 1000000;

        g_assert_cmpint(rp_read(&p.rp, NULL, at, &msg, &err), ==, RP_TIMEOUT);
        raw(&p, text + i, 1);
    }
    memset(msg.data, 'x', sizeof(msg.data));
    g_assert_cmpint(rp_read(&p.rp, NULL, 1, &msg, &err), ==, RP_FAILED);
    g_assert_cmpstr(err->message, ==, "destination: no");
    g_clear_error(&err);
    pair_fini(&p);
}

typedef struct TlsServer {
    IoChannel *plain, *ch;
    Thread thread;
} TlsServer;

static TlsCreds *anon_creds(bool server)
{
    const TlsConfig cfg = { .kind = TLS_ANON, .server = server };
    TlsCreds *c = tls_creds_new(&cfg, NULL);

    g_assert_nonnull(c);
    return c;
}

static void *serve_tls(void *opaque)
{
    g_autoptr(TlsCreds) creds = anon_creds(true);
    TlsServer *t = opaque;

    t->ch = io_channel_tls_new(t->plain, creds, NULL, NULL, -1, NULL);
    return NULL;
}

/* Half a TLS record is nothing to read, and nothing to wait for. */
static void test_half_record(void)
{
    static const uint8_t half[] = { 0x17, 3, 3, 0, 0x40, 1 };
    g_autoptr(TlsCreds) creds = anon_creds(false);
    g_autoptr(IoCancel) cancel = io_cancel_new(NULL);
    GError *err = NULL;
    IoChannel *inside;
    TlsServer t;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    t = (TlsServer){ .plain = p.peer };
    g_assert_true(thread_create(&t.thread, "tls", serve_tls, &t, NULL));
    inside = io_channel_tls_new(p.ours, creds, NULL, NULL, -1, &err);
    g_assert_no_error(err);
    thread_join(&t.thread);
    g_assert_nonnull(t.ch);
    rp_init(&p.rp, inside);
    for (size_t i = 0; i < sizeof(half); i++) {
        raw(&p, half + i, 1);
        g_assert_cmpint(rp_read(&p.rp, NULL, clock_monotonic_ns() + 1000000,
                                &msg, &err),
                        ==, RP_TIMEOUT);
        g_assert_no_error(err);
    }
    raw(&p, half, 1);
    io_cancel_trigger(cancel);
    expect_failed(rp_read(&p.rp, cancel, 0, &msg, &err), &err, "cancelled");
    io_channel_unref(inside);
    io_channel_unref(t.ch);
    pair_fini(&p);
}

/* The peer's end, between messages and inside one. */
static void test_end(void)
{
    static const uint8_t half[] = { 0, 2, 0, 4, 1 };

    for (int i = 0; i < 2; i++) {
        GError *err = NULL;
        RpMessage msg;
        Pair p;

        pair_init(&p);
        raw(&p, half, i * sizeof(half));
        g_assert_true(io_channel_close(p.peer, &err));
        expect_failed(rp_read(&p.rp, NULL, 0, &msg, &err), &err,
                      "closed the connection");
        pair_fini(&p);
    }
}

/* The connection breaks: the peer went with something of ours unread. */
static void test_broken(void)
{
    GError *err = NULL;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    g_assert_true(io_channel_write_all(p.ours, "x", 1, &err));
    g_assert_true(io_channel_close(p.peer, &err));
    expect_failed(rp_read(&p.rp, NULL, 0, &msg, &err), &err,
                  "read failed: Connection reset");
    pair_fini(&p);
}

static void test_words(void)
{
    GError *err = NULL;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    say(&p, WIRE_RP_SHUT, 4, 0);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_OK);
    say(&p, WIRE_RP_SHUT, 4, 1);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_FAILED);
    g_assert_true(rp_error_is_word(err));
    g_clear_error(&err);
    say(&p, 0x4705, 4, 1);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_FAILED);
    g_assert_false(rp_error_is_word(err));
    expect_failed(RP_FAILED, &err, "unknown type 0x4705");
    pair_fini(&p);
}

/* Old answers are passed over, those to nothing and short ones are not. */
static void test_numbers(void)
{
    const RpWanted want = {
        .type = WIRE_RP_LOADED, .min_len = 20, .numbered = true, .number = 3
    };
    GError *err = NULL;
    RpMessage msg;
    Pair p;

    pair_init(&p);
    say(&p, WIRE_RP_PONG, 4, 3);
    say(&p, WIRE_RP_LOADED, 20, 2);
    say(&p, WIRE_RP_LOADED, 20, 3);
    g_assert_cmpint(rp_await(&p.rp, &want, NULL, 0, &msg, &err), ==, RP_OK);
    g_assert_cmpuint(ldl_be_p(msg.data), ==, 3);
    say(&p, WIRE_RP_LOADED, 20, 4);
    expect_failed(rp_await(&p.rp, &want, NULL, 0, &msg, &err), &err,
                  "switch-over 4");
    say(&p, WIRE_RP_LOADED, 19, 3);
    expect_failed(rp_await(&p.rp, &want, NULL, 0, &msg, &err), &err,
                  "19 bytes, not 20");
    pair_fini(&p);
}

static void *flood(void *opaque)
{
    static const uint8_t pong[] = { 0, 2, 0, 4, 0, 0, 0, 1 };

    while (io_channel_write_all(opaque, pong, sizeof(pong), NULL)) {
    }
    return NULL;
}

/* A peer that says a lot, and not what is waited for. */
static void test_flood(void)
{
    const RpWanted want = { .type = WIRE_RP_LOADED, .min_len = 4 };
    GError *err = NULL;
    RpMessage msg;
    Thread t;
    Pair p;

    pair_init(&p);
    g_assert_true(thread_create(&t, "flood", flood, p.peer, &err));
    g_assert_cmpint(rp_await(&p.rp, &want, NULL,
                             clock_monotonic_ns() + 20 * 1000000, &msg, &err),
                    ==, RP_TIMEOUT);
    io_channel_shutdown(p.peer, IO_SHUTDOWN_BOTH);
    thread_join(&t);
    pair_fini(&p);
}

static void *cancel(void *opaque)
{
    io_cancel_trigger(opaque);
    return NULL;
}

static void test_cancel(void)
{
    GError *err = NULL;
    g_autoptr(IoCancel) c = io_cancel_new(&err);
    RpMessage msg;
    Thread t;
    Pair p;

    pair_init(&p);
    g_assert_true(thread_create(&t, "cancel", cancel, c, &err));
    expect_failed(rp_read(&p.rp, c, 0, &msg, &err), &err, "cancelled");
    thread_join(&t);
    /* Who doesn't wait for it still gets what is said. */
    say(&p, WIRE_RP_PONG, 4, 1);
    g_assert_cmpint(rp_read(&p.rp, NULL, 0, &msg, &err), ==, RP_OK);
    pair_fini(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/return-path/length", test_length);
    g_test_add_func("/return-path/pieces", test_pieces);
    g_test_add_func("/return-path/half-record", test_half_record);
    g_test_add_func("/return-path/end", test_end);
    g_test_add_func("/return-path/broken", test_broken);
    g_test_add_func("/return-path/words", test_words);
    g_test_add_func("/return-path/numbers", test_numbers);
    g_test_add_func("/return-path/flood", test_flood);
    g_test_add_func("/return-path/cancel", test_cancel);
    return g_test_run();
}
