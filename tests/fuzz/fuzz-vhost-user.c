/*
 * A vhost-user back end's answers: any bytes are taken as what they may mean,
 * or are an error of the request, and nothing is read beyond them.
 *
 * Each answer is a byte n and what belongs to it: n < 128: n bytes as they
 * are; else the header that the request asks for, and n - 128 bytes behind it.
 * At the end of the input the back end closes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "net/vhost-user-proto.h"
#include "tests/fuzz/fuzz.h"

enum {
    TIMEOUT_MS = 1, /* for the rest of an answer that is too short */
    ANSWER_BIT = 128,
    HEADER_BYTES = 12,
    REPLY_FLAGS = 1 | 4,
};

typedef struct Peer {
    int fd;
    const uint8_t *data;
    size_t len;
} Peer;

/* One answer; false: there are none left. */
static bool answer(Peer *p, uint32_t request)
{
    uint8_t buf[HEADER_BYTES + ANSWER_BIT];
    uint32_t head[3] = { request, REPLY_FLAGS };
    size_t n, at = 0;

    if (p->len == 0) {
        return false;
    }
    n = *p->data & (ANSWER_BIT - 1);
    if (*p->data & ANSWER_BIT) {
        head[2] = n;
        memcpy(buf, head, HEADER_BYTES);
        at = HEADER_BYTES;
    }
    p->data++;
    p->len--;
    n = MIN(n, p->len);
    memcpy(buf + at, p->data, n);
    p->data += n;
    p->len -= n;
    return send(p->fd, buf, at + n, MSG_NOSIGNAL) >= 0;
}

/* Requests are what we send: they are whole, and come one at a time. */
static gpointer peer_run(gpointer opaque)
{
    Peer *p = opaque;
    uint32_t buf[256];
    ssize_t n;

    while ((n = recv(p->fd, buf, sizeof(buf), 0)) > 0) {
        if (!answer(p, buf[0])) {
            break;
        }
    }
    shutdown(p->fd, SHUT_RDWR);
    return NULL;
}

static void check(bool ok, const GError *err, const char *what)
{
    if (ok == (err != NULL)) {
        fuzz_fail("%s: a result and an error, or neither", what);
    }
}

static void talk(VhostConn *c)
{
    g_autoptr(GError) err = NULL;
    uint16_t base;
    bool ok = vhost_conn_greet(c, &err);

    check(ok, err, "greeting");
    if (ok && c->max_queues == 0) {
        fuzz_fail("a back end without queues was taken");
    }
    for (unsigned i = 0; ok && i < 4; i++) {
        ok = vhost_conn_barrier(c, &err) &&
             vhost_conn_stop_ring(c, i, TIMEOUT_MS, &base, &err);
        check(ok, err, "rings");
    }
    if (ok) {
        ok = vhost_conn_set_mtu(c, 1500, &err);
        check(ok, err, "MTU");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Peer p = { .data = data, .len = len };
    VhostConn c;
    GThread *thread;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        fuzz_fail("no pair of sockets");
    }
    p.fd = pair[1];
    thread = g_thread_new("peer", peer_run, &p);
    vhost_conn_open(&c, pair[0], eventfd(0, EFD_CLOEXEC), TIMEOUT_MS);
    talk(&c);
    vhost_conn_close(&c);
    g_thread_join(thread);
    close(p.fd);
    return 0;
}
