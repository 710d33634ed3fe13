/*
 * Unit test: connections that have not said who they are (candidates.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/candidates.h"

#include <glib/gstdio.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "system/clock.h"
#include "util/lock.h"
#include "util/thread.h"

#define STREAM  "QEVM\0\0\0\3"
#define CHANNEL "\x11\x22\x33\x44\0\0\0\1"

enum { MAX = 3, HANG_S = 60, MAGIC_LEN = 4 };

typedef struct World {
    MigCandidates *mc;
    IoChannel *chosen; /* the last one */
    MigCandidateKind kind;
    TlsCreds *tls; /* it came with these */
    unsigned nchosen;
    guint guard, waker;
} World;

static gboolean hung(gpointer unused)
{
    g_error("nothing happens any more");
    return G_SOURCE_REMOVE;
}

static gboolean tick(gpointer unused)
{
    return G_SOURCE_CONTINUE;
}

static void on_chosen(IoChannel *ch, MigCandidateKind kind, TlsCreds *tls,
                      void *opaque)
{
    World *w = opaque;

    g_assert_true(vm_lock_held());
    g_clear_pointer(&w->chosen, io_channel_unref);
    w->chosen = ch;
    w->kind = kind;
    w->tls = tls;
    w->nchosen++;
}

static void world_init(World *w, int64_t handshake_ns)
{
    memset(w, 0, sizeof(*w));
    w->mc = mig_candidates_new(MAX, handshake_ns, on_chosen, w);
    w->guard = g_timeout_add_seconds(HANG_S, hung, NULL);
    w->waker = g_timeout_add(1, tick, NULL);
}

static void world_fini(World *w)
{
    g_source_remove(w->waker);
    g_source_remove(w->guard);
    g_clear_pointer(&w->chosen, io_channel_unref);
    mig_candidates_free(w->mc);
}

/* One more; its other end, which is never waited for without a limit. */
static int come(World *w, TlsCreds *tls)
{
    const struct timeval limit = { .tv_sec = HANG_S };
    int fds[2];
    VM_LOCK_GUARD();

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    mig_candidates_add(w->mc, io_channel_new_socket(fds[1], "them", NULL), tls);
    return fds[0];
}

static void say(int fd, const void *data, size_t len)
{
    g_assert_cmpint(send(fd, data, len, MSG_NOSIGNAL), ==, (ssize_t)len);
}

static void until_count(World *w, unsigned n)
{
    while (mig_candidates_count(w->mc) != n) {
        g_main_context_iteration(NULL, true);
    }
}

/* All that the main loop has to do now; what says too little stays. */
static void turn(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void check_dropped(int fd)
{
    uint8_t buf[64];
    ssize_t n;

    do {
        n = recv(fd, buf, sizeof(buf), 0); /* TLS says why */
    } while (n > 0);
    g_assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* Nothing of what it said is lost, however it came. */
static void check_stream(World *w, int fd)
{
    uint8_t buf[8];

    g_assert_cmpuint(w->nchosen, ==, 1);
    g_assert_cmpint(w->kind, ==, MIG_CANDIDATE_STREAM);
    g_assert_true(io_channel_is_blocking(w->chosen));
    g_assert_true(io_channel_read_all(w->chosen, buf, 8, NULL));
    g_assert_cmpmem(buf, 8, STREAM, 8);
    close(fd);
    g_assert_cmpint(io_channel_read(w->chosen, buf, 1), ==, 0);
}

static void test_stream(void)
{
    World w;
    int fd;

    world_init(&w, NS_PER_S);
    fd = come(&w, NULL);
    say(fd, STREAM, 8);
    until_count(&w, 0);
    g_assert_null(w.tls);
    check_stream(&w, fd);
    world_fini(&w);
}

static void test_byte_by_byte(void)
{
    World w;
    int fd;

    world_init(&w, NS_PER_S);
    fd = come(&w, NULL);
    for (int i = 0; i < MAGIC_LEN - 1; i++) {
        say(fd, &STREAM[i], 1);
        turn();
        g_assert_cmpuint(mig_candidates_count(w.mc), ==, 1);
    }
    say(fd, &STREAM[MAGIC_LEN - 1], 8 - MAGIC_LEN + 1);
    until_count(&w, 0);
    check_stream(&w, fd);
    world_fini(&w);
}

static void test_channel(void)
{
    World w;
    int fd;

    world_init(&w, NS_PER_S);
    fd = come(&w, NULL);
    say(fd, CHANNEL, 8);
    until_count(&w, 0);
    g_assert_cmpint(w.kind, ==, MIG_CANDIDATE_CHANNEL);
    close(fd);
    world_fini(&w);
}

/* What ends at once, says something else, or ends in the middle. */
static void test_strangers(void)
{
    static const struct {
        const char *says;
        size_t len;
        bool ends;
    } them[] = {
        { "", 0, true },
        { "GET / HTTP/1.0\r\n\r\n", 18, false },
        { "QEV", 3, true },
        { "QEVN", 4, false },
        { "\x11\x22", 2, true },
        { "QE\x33\x44", 4, false },
        { "\x16\x03\x01", 3, false },
    };
    World w;
    int fd;

    world_init(&w, NS_PER_S);
    for (size_t i = 0; i < G_N_ELEMENTS(them); i++) {
        fd = come(&w, NULL);
        say(fd, them[i].says, them[i].len);
        if (them[i].ends) {
            shutdown(fd, SHUT_WR);
        }
        until_count(&w, 0);
        check_dropped(fd);
        g_assert_cmpuint(w.nchosen, ==, 0);
    }
    /* And the one that is waited for. */
    fd = come(&w, NULL);
    say(fd, STREAM, 8);
    until_count(&w, 0);
    check_stream(&w, fd);
    world_fini(&w);
}

/* Whoever says nothing keeps nobody away. */
static void test_silent(void)
{
    int silent[MAX], fd;
    World w;

    world_init(&w, NS_PER_S);
    for (int i = 0; i < MAX; i++) {
        silent[i] = come(&w, NULL);
    }
    turn();
    g_assert_cmpuint(mig_candidates_count(w.mc), ==, MAX);
    fd = come(&w, NULL);
    check_dropped(silent[0]);
    g_assert_cmpuint(mig_candidates_count(w.mc), ==, MAX);
    say(fd, STREAM, 8);
    until_count(&w, MAX - 1);
    check_stream(&w, fd);
    {
        VM_LOCK_GUARD();
        mig_candidates_drop(w.mc);
    }
    g_assert_cmpuint(mig_candidates_count(w.mc), ==, 0);
    for (int i = 1; i < MAX; i++) {
        check_dropped(silent[i]);
    }
    world_fini(&w);
}

/* ---- with TLS ----------------------------------------------------------- */

static TlsCreds *creds_of(bool server)
{
    const TlsConfig cfg = { .kind = TLS_ANON, .server = server };
    GError *err = NULL;
    TlsCreds *c = tls_creds_new(&cfg, &err);

    g_assert_no_error(err);
    return c;
}

typedef struct Client {
    int fd;
    Thread thread;
} Client;

static void *client_thread(void *opaque)
{
    Client *cl = opaque;
    g_autoptr(TlsCreds) creds = creds_of(false);
    g_autoptr(IoChannel) plain = io_channel_new_socket(cl->fd, "we", NULL);
    g_autoptr(IoChannel) ch =
        io_channel_tls_new(plain, creds, NULL, NULL, -1, NULL);
    uint8_t byte;

    g_assert_nonnull(ch);
    g_assert_true(io_channel_write_all(ch, STREAM, 8, NULL));
    io_channel_read(ch, &byte, 1); /* until we are let go */
    return NULL;
}

static void check_inside(World *w)
{
    uint8_t buf[8];

    g_assert_cmpuint(w->nchosen, ==, 1);
    g_assert_cmpint(w->kind, ==, MIG_CANDIDATE_STREAM);
    g_assert_nonnull(w->tls);
    g_assert_true(io_channel_read_all(w->chosen, buf, 8, NULL));
    g_assert_cmpmem(buf, 8, STREAM, 8);
}

/*
 * A stranger that says nothing, one that says half of a greeting and one that
 * says something else; the client beside them gets through.
 */
static void test_tls(void)
{
    g_autoptr(TlsCreds) creds = creds_of(true);
    int silent, half, other;
    Client cl;
    World w;

    world_init(&w, HANG_S * NS_PER_S);
    silent = come(&w, creds);
    half = come(&w, creds);
    say(half, "\x16\x03\x01\x02", 4);
    other = come(&w, creds);
    say(other, STREAM, 8);
    until_count(&w, 2);
    check_dropped(other);
    cl.fd = come(&w, creds);
    g_assert_true(
        thread_create(&cl.thread, "client", client_thread, &cl, NULL));
    until_count(&w, 2);
    check_inside(&w);
    /* Also while hands are shaken. */
    {
        VM_LOCK_GUARD();
        mig_candidates_drop(w.mc);
    }
    check_dropped(silent);
    check_dropped(half);
    g_clear_pointer(&w.chosen, io_channel_unref);
    thread_join(&cl.thread);
    world_fini(&w);
}

/* Half of a greeting isn't waited for for ever. */
static void test_tls_late(void)
{
    g_autoptr(TlsCreds) creds = creds_of(true);
    World w;
    int fd;

    world_init(&w, 10 * NS_PER_MS);
    fd = come(&w, creds);
    say(fd, "\x16\x03\x01\x02", 4);
    until_count(&w, 0);
    check_dropped(fd);
    g_assert_cmpuint(w.nchosen, ==, 0);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/candidates/stream", test_stream);
    g_test_add_func("/candidates/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/candidates/channel", test_channel);
    g_test_add_func("/candidates/strangers", test_strangers);
    g_test_add_func("/candidates/silent", test_silent);
    g_test_add_func("/candidates/tls", test_tls);
    g_test_add_func("/candidates/tls-late", test_tls_late);
    return g_test_run();
}
