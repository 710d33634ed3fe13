/*
 * The vhost-user client against a back end that follows a script: right, and
 * wrong in each way at each message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/vhost_types.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "net/vhost-user-priv.h"
#include "system/strays.h"
#include "util/error.h"

enum {
    NREQUESTS = 64,
    FEATURES = 1 << VHOST_FEATURE_LOG_ALL | 1 << VHOST_FEATURE_PROTOCOL | 1,
    USED_INDEX = 77, /* what the used rings say */
    BASE = 1234,     /* what the back end says */
    PATIENCE_MS = 300,
    A_MINUTE_MS = 60000,
};

typedef enum Fault {
    NONE,
    LATE, /* but in time */
    NEVER,
    TWICE,
    SHORT,
    LONG,
    HUGE_SIZE,
    OTHER_REQUEST,
    NO_REPLY_FLAG,
    WITH_FD,
    REFUSES,
    DIES,
    HANGS, /* answers nothing, reads nothing, closes nothing */
    FAULTS,
} Fault;

static const char *const fault_names[FAULTS] = {
    "none",  "late",  "never",      "twice",   "short", "long",  "huge",
    "other", "flags", "descriptor", "refuses", "dies",  "hangs",
};

typedef struct Wire {
    uint32_t request, flags, size;
    uint64_t payload[64];
} Wire;

/* The other process, in a thread. */
typedef struct BackEnd {
    int fd;
    GThread *thread;
    unsigned request; /* where it goes wrong … */
    Fault fault;      /* … and how */
    int let_go;       /* ends a hang; -1: it has none */
    uint64_t protocol;
    unsigned seen[NREQUESTS];
    uint64_t features; /* as set last */
    uint32_t addr_flags;
    uint64_t log_bytes;
    unsigned order[256], norder;
} BackEnd;

static bool recv_full(int fd, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        char ctl[256];
        struct iovec iov = { (char *)buf + done, len - done };
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = ctl,
                            .msg_controllen = sizeof(ctl) };
        ssize_t n = recvmsg(fd, &m, 0);

        if (n <= 0) {
            return false;
        }
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
            unsigned nfds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            for (unsigned i = 0; i < nfds; i++) {
                close(((int *)CMSG_DATA(h))[i]);
            }
        }
        done += n;
    }
    return true;
}

static void send_wire(BackEnd *b, const Wire *w, size_t payload, bool with_fd)
{
    struct iovec iov[2] = { { (void *)w, 12 },
                            { (void *)w->payload, payload } };
    char ctl[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
    struct cmsghdr *h = (struct cmsghdr *)ctl;

    if (with_fd) {
        m.msg_control = ctl;
        m.msg_controllen = sizeof(ctl);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &b->fd, sizeof(int));
    }
    /* The client may have gone. */
    (void)!sendmsg(b->fd, &m, MSG_NOSIGNAL);
}

/* Does the message have an answer; with which payload? */
static bool answer(BackEnd *b, const Wire *in, Wire *out)
{
    *out = (Wire){ .request = in->request, .flags = 1 | 4, .size = 8 };
    switch (in->request) {
    case VHOST_USER_GET_FEATURES:
        out->payload[0] = FEATURES;
        return true;
    case VHOST_USER_GET_PROTOCOL_FEATURES:
        out->payload[0] = b->protocol;
        return true;
    case VHOST_USER_GET_QUEUE_NUM:
        out->payload[0] = 4;
        return true;
    case VHOST_USER_GET_VRING_BASE:
        out->payload[0] = (in->payload[0] & UINT32_MAX) |
                          (uint64_t)(BASE + in->payload[0]) << 32;
        return true;
    case VHOST_USER_SET_LOG_BASE:
        out->size = 0;
        return true;
    default:
        return in->flags & 8;
    }
}

static void hang(const BackEnd *b)
{
    uint64_t ignored;

    g_assert_cmpint(read(b->let_go, &ignored, sizeof(ignored)), ==,
                    sizeof(ignored));
}

/* False: it dies. */
static bool reply_wrongly(BackEnd *b, Wire *out)
{
    size_t payload = out->size;

    switch (b->fault) {
    case LATE:
        g_usleep(PATIENCE_MS * 1000 / 10);
        break;
    case NEVER:
        return true;
    case TWICE:
        send_wire(b, out, payload, false);
        break;
    case SHORT:
        out->size = payload = 4;
        break;
    case LONG:
        out->size = payload = 40;
        break;
    case HUGE_SIZE:
        out->size = UINT32_MAX;
        break;
    case OTHER_REQUEST:
        out->request = 63;
        break;
    case NO_REPLY_FLAG:
        out->flags = 1;
        break;
    case REFUSES:
        out->payload[0] = 1;
        break;
    case HANGS:
        hang(b);
        return false;
    case DIES:
        return false;
    default:
        break;
    }
    send_wire(b, out, payload, b->fault == WITH_FD);
    return true;
}

static void note(BackEnd *b, const Wire *in)
{
    b->seen[in->request]++;
    b->order[b->norder % G_N_ELEMENTS(b->order)] = in->request;
    __atomic_store_n(&b->norder, b->norder + 1, __ATOMIC_RELEASE);
    if (in->request == VHOST_USER_SET_FEATURES) {
        b->features = in->payload[0];
    } else if (in->request == VHOST_USER_SET_VRING_ADDR) {
        b->addr_flags = in->payload[0] >> 32;
    } else if (in->request == VHOST_USER_SET_LOG_BASE) {
        b->log_bytes = in->payload[0];
    }
}

static gpointer back_end_run(gpointer opaque)
{
    BackEnd *b = opaque;
    Wire in, out;

    while (recv_full(b->fd, &in, 12)) {
        g_assert_cmpuint(in.size, <=, sizeof(in.payload));
        g_assert_cmpuint(in.request, <, NREQUESTS);
        if (in.size > 0 && !recv_full(b->fd, in.payload, in.size)) {
            break;
        }
        note(b, &in);
        if (!answer(b, &in, &out)) {
            if (in.request == b->request && b->fault == DIES) {
                break;
            }
            continue;
        }
        if (in.request != b->request || b->fault == NONE) {
            send_wire(b, &out, out.size, false);
        } else if (!reply_wrongly(b, &out)) {
            break;
        }
    }
    shutdown(b->fd, SHUT_RDWR);
    return NULL;
}

/* ------------------------------------------------------------- client --- */

typedef struct Client {
    VhostWorker *w;
    BackEnd b;
    int mem_fd;
    uint8_t *mem;
    int event;
    unsigned told; /* atomic */
    Strays *strays;
} Client;

static void tell(void *opaque)
{
    Client *c = opaque;

    __atomic_fetch_add(&c->told, 1, __ATOMIC_RELAXED);
}

static void stray(void *opaque, const char *why, int fd)
{
    Client *c = opaque;

    strays_add(c->strays, "n0", why, fd);
}

static void settled(void *opaque)
{
}

static void client_start(Client *c, uint64_t protocol, unsigned request,
                         Fault fault)
{
    const VhostWorkerHooks hooks = { .name = "n0",
                                     .request_ms = PATIENCE_MS,
                                     .stop_ms = PATIENCE_MS,
                                     .tell = tell,
                                     .stray = stray,
                                     .settled = settled,
                                     .opaque = c };
    GError *err = NULL;
    int pair[2];

    *c = (Client){ .b = { .protocol = protocol,
                          .request = request,
                          .fault = fault,
                          .let_go = eventfd(0, EFD_CLOEXEC) } };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    c->mem_fd = memfd_create("guest", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(c->mem_fd, 65536), ==, 0);
    c->mem =
        mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, c->mem_fd, 0);
    c->event = eventfd(0, EFD_CLOEXEC);
    /* The used rings, at the start of each 16 KiB. */
    for (unsigned i = 0; i < 4; i++) {
        *(uint16_t *)(c->mem + i * 16384 + 2) = USED_INDEX + i;
    }
    c->strays = strays_new();
    c->b.fd = pair[1];
    c->b.thread = g_thread_new("backend", back_end_run, &c->b);
    c->w = vhost_worker_new(&hooks, &err);
    g_assert_no_error(err);
    vhost_worker_connect(c->w, pair[0]);
}

static void client_let_go(Client *c)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(c->b.let_go, &one, sizeof(one)), ==, sizeof(one));
}

/* What is left when the worker has ended. */
static void client_free(Client *c)
{
    client_let_go(c);
    vhost_worker_unref(c->w);
    strays_free(c->strays); /* closes its connections */
    g_thread_join(c->b.thread);
    close(c->b.fd);
    close(c->b.let_go);
    close(c->event);
    munmap(c->mem, 65536);
    close(c->mem_fd);
}

static void client_end(Client *c)
{
    vhost_worker_quit(c->w);
    client_free(c);
}

static void client_wait(Client *c)
{
    vhost_worker_wait(c->w, clock_monotonic_ns());
}

static void client_table(Client *c)
{
    const VhostTable t = { .n = 1,
                           .r = { { .gpa = 0,
                                    .size = 65536,
                                    .hva = (uintptr_t)c->mem,
                                    .fd = c->mem_fd } } };

    vhost_worker_set_table(c->w, &t);
}

static void client_rings(Client *c, bool go_on)
{
    VhostRing r[2];

    for (unsigned i = 0; i < 2; i++) {
        uintptr_t at = (uintptr_t)c->mem + i * 16384;

        r[i] = (VhostRing){ .index = i,
                            .size = 256,
                            .desc = at + 8192,
                            .avail = at + 4096,
                            .used = at,
                            .kick = c->event,
                            .call = i == 0 ? c->event : -1,
                            .base = 5,
                            .on = true };
    }
    vhost_worker_start(c->w, 1, 15, 0, go_on, r, 2);
}

static void client_log(Client *c, bool on)
{
    vhost_worker_set_log(c->w, on ? c->mem_fd : -1, on ? 65536 : 0);
}

/* Everything that is ever asked for. */
static void client_whole_life(Client *c)
{
    client_table(c);
    client_rings(c, false);
    vhost_worker_set_call(c->w, 1, c->event);
    vhost_worker_enable(c->w, 1, false);
    client_log(c, true);
    vhost_worker_send_rarp(c->w, (const uint8_t[6]){ 1, 2, 3, 4, 5, 6 });
    client_log(c, false);
    vhost_worker_stop(c->w);
    vhost_worker_set_status(c->w, 0);
    client_wait(c);
}

static GError *client_error(Client *c)
{
    VhostNews n;

    while (vhost_worker_news(c->w, &n)) {
        if (n.err != NULL) {
            return n.err;
        }
    }
    return NULL;
}

static const uint64_t all_protocol =
    1 << VHOST_PROTOCOL_MQ | 1 << VHOST_PROTOCOL_LOG_SHMFD |
    1 << VHOST_PROTOCOL_RARP | 1 << VHOST_PROTOCOL_REPLY_ACK |
    1 << VHOST_PROTOCOL_MTU | 1 << VHOST_PROTOCOL_STATUS;

/* ------------------------------------------------------------- tests --- */

static void test_life(void)
{
    Client c;
    VhostNews n;

    client_start(&c, all_protocol | 1 << 12 /* unknown here */, 0, NONE);
    client_wait(&c);
    g_assert_true(vhost_worker_news(c.w, &n));
    g_assert_null(n.err);
    g_assert_true(n.greeted);
    g_assert_cmpuint(n.connection, ==, 1);
    g_assert_cmphex(n.features, ==, FEATURES);
    g_assert_cmphex(n.protocol, ==, all_protocol);
    g_assert_cmpuint(n.max_queues, ==, 4);
    client_whole_life(&c);
    g_assert_null(client_error(&c));
    g_assert_false(vhost_worker_busy(c.w));
    g_assert_cmpuint(vhost_worker_base(c.w, 0), ==, BASE);
    g_assert_cmpuint(vhost_worker_base(c.w, 1), ==, BASE + 1);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_MEM_TABLE], ==, 1);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_LOG_BASE], ==, 1);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_VRING_KICK], ==, 2);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_VRING_CALL], ==, 3);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_VRING_ENABLE], ==, 3);
    g_assert_cmpuint(c.b.seen[VHOST_USER_SEND_RARP], ==, 1);
    /* Without, with, and without the log again. */
    g_assert_cmpuint(c.b.seen[VHOST_USER_SET_FEATURES], ==, 3);
    g_assert_cmphex(c.b.features, ==, 1 | 1 << VHOST_FEATURE_PROTOCOL);
    client_end(&c);
}

/* The log is there, and told, before the rings are. */
static void test_log_first(void)
{
    Client c;
    unsigned log = 0, kick = 0;

    client_start(&c, all_protocol, 0, NONE);
    client_table(&c);
    client_log(&c, true);
    client_rings(&c, false);
    vhost_worker_stop(c.w); /* its answer is behind all the others */
    client_wait(&c);
    g_assert_null(client_error(&c));
    g_assert_cmphex(c.b.features, ==,
                    1 | 1 << VHOST_FEATURE_PROTOCOL |
                        1 << VHOST_FEATURE_LOG_ALL);
    g_assert_cmphex(c.b.addr_flags, ==, 1 << VHOST_VRING_F_LOG);
    g_assert_cmpuint(c.b.log_bytes, ==, 65536);
    for (unsigned i = 0; i < c.b.norder; i++) {
        log = c.b.order[i] == VHOST_USER_SET_LOG_BASE ? i : log;
        kick = c.b.order[i] == VHOST_USER_SET_VRING_KICK && !kick ? i : kick;
    }
    g_assert_cmpuint(log, <, kick);
    client_end(&c);
}

/* Rings go on where the back end says, though nobody took that over. */
static void test_go_on(void)
{
    Client c;

    client_start(&c, all_protocol, 0, NONE);
    client_table(&c);
    client_rings(&c, false);
    vhost_worker_stop(c.w);
    client_rings(&c, true);
    vhost_worker_hang_up(c.w);
    /* Without a connection the used index says it. */
    vhost_worker_stop(c.w);
    client_wait(&c);
    g_assert_cmpuint(vhost_worker_base(c.w, 0), ==, USED_INDEX);
    g_assert_cmpuint(vhost_worker_base(c.w, 1), ==, USED_INDEX + 1);
    client_end(&c);
}

/* A back end that came back gets everything anew. */
static void test_reconnect(void)
{
    Client c;
    BackEnd second = { .protocol = all_protocol };
    int pair[2];

    client_start(&c, all_protocol, VHOST_USER_SET_VRING_ENABLE, DIES);
    client_table(&c);
    client_log(&c, true);
    client_rings(&c, false);
    client_wait(&c);
    vhost_worker_stop(c.w);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    ==, 0);
    second.fd = pair[1];
    second.thread = g_thread_new("backend", back_end_run, &second);
    g_assert_cmpuint(vhost_worker_connect(c.w, pair[0]), ==, 2);
    client_rings(&c, true);
    vhost_worker_stop(c.w);
    client_wait(&c);
    g_assert_null(client_error(&c));
    g_assert_cmpuint(second.seen[VHOST_USER_SET_MEM_TABLE], ==, 1);
    g_assert_cmpuint(second.seen[VHOST_USER_SET_LOG_BASE], ==, 1);
    g_assert_cmpuint(second.seen[VHOST_USER_SET_VRING_KICK], ==, 2);
    g_assert_cmphex(second.addr_flags, ==, 1 << VHOST_VRING_F_LOG);
    client_end(&c);
    g_thread_join(second.thread);
    close(second.fd);
}

/* One that can't log is told so, and lost. */
static void test_no_log(void)
{
    Client c;
    g_autoptr(GError) err = NULL;

    client_start(&c, 0, 0, NONE);
    client_table(&c);
    client_log(&c, true);
    client_wait(&c);
    err = client_error(&c);
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, "VHOST_USER_PROTOCOL_F_LOG_SHMFD"));
    client_end(&c);
}

/* Which faults a request's answer can have at all, without harm. */
static bool is_harmless(unsigned request, Fault fault)
{
    return fault == NONE || fault == LATE ||
           /* Its payload is nothing, or whatever. */
           (request == VHOST_USER_SET_LOG_BASE &&
            (fault == SHORT || fault == LONG || fault == REFUSES));
}

/* What a request's answer can't have: there a 1 is a number like others. */
static bool is_no_fault(unsigned request, Fault fault)
{
    return fault == REFUSES && request != VHOST_USER_SET_MEM_TABLE &&
           request != VHOST_USER_SET_LOG_BASE;
}

/* When it is asked this, it has been given rings. */
static bool has_rings(unsigned request)
{
    return request == VHOST_USER_GET_VRING_BASE ||
           request == VHOST_USER_SET_LOG_BASE;
}

/* It hangs with rings: until it closes its end, it may write. */
static void check_stray(Client *c, const char *why)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(strays_check(c->strays, 0, NULL));
    g_assert_false(strays_check(c->strays, 10, &err));
    g_assert_nonnull(strstr(err->message, "n0 may still write"));
    g_assert_nonnull(strstr(err->message, why));
    client_let_go(c);
    g_assert_true(strays_check(c->strays, A_MINUTE_MS, NULL));
}

/*
 * A vCPU that was paused while it waited looks again when its request has long
 * been done, and finds another one's under way.
 */
static void test_old_wait(void)
{
    Client c;

    client_start(&c, all_protocol, VHOST_USER_GET_VRING_BASE, LATE);
    client_table(&c);
    client_rings(&c, false);
    vhost_worker_stop(c.w);
    vhost_worker_wait(c.w, 0);
    g_assert_no_error(client_error(&c));
    g_assert_cmpuint(vhost_worker_base(c.w, 0), ==, BASE);
    client_end(&c);
}

static void check_fault(unsigned request, Fault fault)
{
    Client c;
    g_autoptr(GError) err = NULL;
    bool stop = request == VHOST_USER_GET_VRING_BASE;

    g_test_message("%s: %s", vhost_request_str(request), fault_names[fault]);
    client_start(&c, all_protocol, request, fault);
    client_whole_life(&c);
    err = client_error(&c);
    if (is_harmless(request, fault)) {
        g_assert_no_error(err);
        g_assert_cmpuint(vhost_worker_base(c.w, 0), ==, BASE);
    } else {
        g_assert_nonnull(err);
        /* Twice: the first ring's answer was a good one. */
        g_assert_cmpuint(vhost_worker_base(c.w, 0), ==,
                         stop && fault == TWICE ? BASE : USED_INDEX);
        g_assert_cmpuint(vhost_worker_base(c.w, 1), ==, USED_INDEX + 1);
    }
    g_assert_cmpuint(__atomic_load_n(&c.told, __ATOMIC_RELAXED), >=, 1);
    /* Whoever closes its end when we do, or was done, may write no more. */
    if (fault != HANGS || !has_rings(request)) {
        g_assert_true(strays_check(c.strays, A_MINUTE_MS, NULL));
    } else {
        check_stray(&c, vhost_request_str(request));
    }
    client_end(&c);
}

static void test_faults(gconstpointer opaque)
{
    unsigned request = GPOINTER_TO_UINT(opaque);

    for (Fault f = NONE; f < FAULTS; f++) {
        if (!is_no_fault(request, f)) {
            check_fault(request, f);
        }
    }
}

/* Messages without an answer: it can only die there. */
static void test_deaths(void)
{
    static const unsigned requests[] = {
        VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_SET_OWNER,
        VHOST_USER_SET_FEATURES,          VHOST_USER_SET_VRING_NUM,
        VHOST_USER_SET_VRING_BASE,        VHOST_USER_SET_VRING_ADDR,
        VHOST_USER_SET_VRING_CALL,        VHOST_USER_SET_VRING_KICK,
        VHOST_USER_SET_VRING_ENABLE,      VHOST_USER_SEND_RARP,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        check_fault(requests[i], DIES);
    }
}

/* A netdev that goes takes nothing with it: its back end has its rings. */
static void test_stray_of_netdev(void)
{
    Client c;

    client_start(&c, all_protocol, VHOST_USER_GET_VRING_BASE, HANGS);
    client_table(&c);
    client_rings(&c, false);
    vhost_worker_stop(c.w);
    while (__atomic_load_n(&c.b.norder, __ATOMIC_ACQUIRE) == 0 ||
           c.b.order[c.b.norder - 1] != VHOST_USER_GET_VRING_BASE) {
        g_usleep(1000);
    }
    vhost_worker_quit(c.w);
    check_stray(&c, "GET_VRING_BASE");
    client_free(&c);
}

/* More than anybody wants to look at: it isn't forgotten that there were. */
static void test_many_strays(void)
{
    enum { MANY = 40 };
    Strays *s = strays_new();
    int theirs[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        int pair[2];

        g_assert_cmpint(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        strays_add(s, "n0", "test", pair[0]);
        theirs[i] = pair[1];
    }
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_false(strays_check(s, 0, NULL));
        close(theirs[i]);
    }
    g_assert_false(strays_check(s, 0, NULL));
    strays_free(s);
}

int main(int argc, char **argv)
{
    static const unsigned answered[] = {
        VHOST_USER_GET_FEATURES,   VHOST_USER_GET_PROTOCOL_FEATURES,
        VHOST_USER_GET_QUEUE_NUM,  VHOST_USER_SET_MEM_TABLE,
        VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_LOG_BASE,
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vhost-user/old-wait", test_old_wait);
    g_test_add_func("/vhost-user/life", test_life);
    g_test_add_func("/vhost-user/log-first", test_log_first);
    g_test_add_func("/vhost-user/go-on", test_go_on);
    g_test_add_func("/vhost-user/reconnect", test_reconnect);
    g_test_add_func("/vhost-user/no-log", test_no_log);
    for (unsigned i = 0; i < G_N_ELEMENTS(answered); i++) {
        g_autofree char *path = g_strdup_printf("/vhost-user/faults/%s",
                                                vhost_request_str(answered[i]));

        g_test_add_data_func(path, GUINT_TO_POINTER(answered[i]), test_faults);
    }
    g_test_add_func("/vhost-user/deaths", test_deaths);
    g_test_add_func("/vhost-user/stray-of-netdev", test_stray_of_netdev);
    g_test_add_func("/vhost-user/many-strays", test_many_strays);
    return g_test_run();
}
