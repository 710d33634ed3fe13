/*
 * The vhost-user protocol: requests and replies.
 *
 *   u32 request, u32 flags (version 1, reply, reply wanted), u32 size
 *   payload of `size` bytes, in the host's order; descriptors beside it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/vhost-user-proto.h"

#include <fcntl.h>
#include <linux/vhost_types.h>
#include <poll.h>
#include <sys/socket.h>

#include "util/error.h"
#include "util/lock.h"

enum {
    HEADER_BYTES = 12,
    FLAG_VERSION = 1,
    FLAG_VERSION_MASK = 3,
    FLAG_REPLY = 1 << 2,
    FLAG_NEED_REPLY = 1 << 3,
    NS_OF_MS = 1000 * 1000,
};

typedef struct WireRegion {
    uint64_t gpa, size, hva, offset;
} WireRegion;

typedef struct WireAddr {
    uint32_t index, flags;
    uint64_t desc, used, avail, log;
} WireAddr;

typedef struct WireState {
    uint32_t index, num;
} WireState;

/* The payload starts behind a header that isn't a multiple of its size. */
typedef struct VhostMsg {
    uint32_t request, flags, size;
    union {
        uint64_t u64;
        WireState state;
        WireAddr addr;
        struct {
            uint32_t n, pad;
            WireRegion r[VHOST_MAX_REGIONS];
        } table;
        struct {
            uint64_t bytes, offset;
        } log;
        uint8_t raw[VHOST_MAX_PAYLOAD];
    } u;
} VhostMsg;

static const char *const request_names[VHOST_USER_REQUESTS] = {
    [VHOST_USER_GET_FEATURES] = "GET_FEATURES",
    [VHOST_USER_SET_FEATURES] = "SET_FEATURES",
    [VHOST_USER_SET_OWNER] = "SET_OWNER",
    [VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE",
    [VHOST_USER_SET_LOG_BASE] = "SET_LOG_BASE",
    [VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM",
    [VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR",
    [VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE",
    [VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE",
    [VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK",
    [VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL",
    [VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
    [VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
    [VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
    [VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
    [VHOST_USER_SEND_RARP] = "SEND_RARP",
    [VHOST_USER_NET_SET_MTU] = "NET_SET_MTU",
    [VHOST_USER_SET_STATUS] = "SET_STATUS",
};

const char *vhost_request_str(unsigned request)
{
    const char *s =
        request < VHOST_USER_REQUESTS ? request_names[request] : NULL;

    return s != NULL ? s : "unknown request";
}

void vhost_conn_open(VhostConn *c, int fd, int hang_up, unsigned timeout_ms)
{
    *c = (VhostConn){
        .fd = fd, .hang_up = hang_up, .timeout_ms = timeout_ms, .max_queues = 1
    };
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int vhost_conn_release(VhostConn *c)
{
    int fd = c->fd;

    if (fd >= 0) {
        close(c->hang_up);
        c->fd = c->hang_up = -1;
    }
    return fd;
}

void vhost_conn_close(VhostConn *c)
{
    int fd = vhost_conn_release(c);

    if (fd >= 0) {
        shutdown(fd, SHUT_RDWR); /* the chardev has a copy */
        close(fd);
    }
}

static bool vhost_user_has(const VhostConn *c, unsigned protocol_bit)
{
    return c->protocol & (UINT64_C(1) << protocol_bit);
}

/* ------------------------------------------------------------- bytes --- */

/* One request, its deadline, and how it is called. */
typedef struct Exchange {
    VhostConn *c;
    const char *name;
    int64_t end_ns;
    unsigned timeout_ms;
} Exchange;

static bool wait_for(const Exchange *x, short events, GError **errp)
{
    struct pollfd p[] = { { .fd = x->c->fd, .events = events },
                          { .fd = x->c->hang_up, .events = POLLIN } };

    for (;;) {
        int64_t left = x->end_ns - clock_monotonic_ns();
        int n;

        if (left <= 0) {
            error_setf(errp, "%s: no answer in %u ms", x->name, x->timeout_ms);
            return false;
        }
        n = poll(p, G_N_ELEMENTS(p),
                 (int)MIN(left / NS_OF_MS + 1, (int64_t)INT_MAX));
        if (n > 0 && p[1].revents != 0) {
            error_setf(errp, "%s: no answer until it was given up", x->name);
            return false;
        }
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            error_setf_errno(errp, errno, "%s", x->name);
            return false;
        }
    }
}

static bool send_all(const Exchange *x, const VhostMsg *m, const int *fds,
                     unsigned nfds, GError **errp)
{
    size_t len = HEADER_BYTES + m->size, done = 0;
    union {
        struct cmsghdr h;
        char buf[CMSG_SPACE(sizeof(int) * VHOST_MAX_FDS)];
    } ctl = { 0 };
    uint8_t bytes[HEADER_BYTES + VHOST_MAX_PAYLOAD];

    memcpy(bytes, m, HEADER_BYTES);
    memcpy(bytes + HEADER_BYTES, &m->u, m->size);
    while (done < len) {
        struct iovec iov = { bytes + done, len - done };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (done == 0 && nfds > 0) {
            msg.msg_control = ctl.buf;
            msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
            ctl.h.cmsg_level = SOL_SOCKET;
            ctl.h.cmsg_type = SCM_RIGHTS;
            ctl.h.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
            memcpy(CMSG_DATA(&ctl.h), fds, sizeof(int) * nfds);
        }
        n = sendmsg(x->c->fd, &msg, MSG_NOSIGNAL);
        if (n > 0) {
            done += n;
        } else if (errno == EAGAIN) {
            if (!wait_for(x, POLLOUT, errp)) {
                return false;
            }
        } else if (errno != EINTR) {
            error_setf_errno(errp, errno, "%s", x->name);
            return false;
        }
    }
    return true;
}

/* Descriptors that nobody asked for are closed; returns how many came. */
static unsigned drop_fds(struct msghdr *msg)
{
    unsigned n = 0;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= h->cmsg_len;
             at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(h) + at, sizeof(fd));
            close(fd);
            n++;
        }
    }
    return n;
}

static bool recv_all(const Exchange *x, void *buf, size_t len, GError **errp)
{
    size_t done = 0;

    while (done < len) {
        char ctl[CMSG_SPACE(sizeof(int) * VHOST_MAX_FDS)];
        struct iovec iov = { (char *)buf + done, len - done };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = ctl,
                              .msg_controllen = sizeof(ctl) };
        ssize_t n;

        if (!wait_for(x, POLLIN, errp)) {
            return false;
        }
        n = recvmsg(x->c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n > 0 && drop_fds(&msg) > 0) {
            error_setf(errp, "%s: a descriptor came with the answer", x->name);
            return false;
        }
        if (n > 0) {
            done += n;
        } else if (n == 0) {
            error_setf(errp, "%s: the back end has gone", x->name);
            return false;
        } else if (errno != EAGAIN && errno != EINTR) {
            error_setf_errno(errp, errno, "%s", x->name);
            return false;
        }
    }
    return true;
}

/* What came before we asked is no answer to anything. */
static bool check_quiet(const Exchange *x, GError **errp)
{
    struct pollfd end = { .fd = x->c->hang_up, .events = POLLIN };
    uint8_t byte;
    ssize_t n;

    if (poll(&end, 1, 0) > 0) {
        error_setf(errp, "%s: the connection has been given up", x->name);
        return false;
    }
    n = recv(x->c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        error_setf(errp, "%s: the back end had sent something unasked",
                   x->name);
    } else if (n == 0) {
        error_setf(errp, "%s: the back end has gone", x->name);
    }
    return n < 0;
}

static bool recv_reply(const Exchange *x, const VhostMsg *ask, VhostMsg *m,
                       GError **errp)
{
    if (!recv_all(x, m, HEADER_BYTES, errp)) {
        return false;
    }
    if (m->request != ask->request ||
        (m->flags & (FLAG_VERSION_MASK | FLAG_REPLY)) !=
            (FLAG_VERSION | FLAG_REPLY)) {
        error_setf(errp, "%s: answered by request %u, flags 0x%x", x->name,
                   m->request, m->flags);
        return false;
    }
    if (m->size > VHOST_MAX_PAYLOAD) {
        error_setf(errp, "%s: an answer of %u bytes", x->name, m->size);
        return false;
    }
    return recv_all(x, &m->u, m->size, errp);
}

/* -------------------------------------------------------- exchanges --- */

typedef struct Ask {
    VhostMsg m;
    const int *fds;
    unsigned nfds;
    unsigned timeout_ms; /* 0: the connection's */
    bool wants_reply;
} Ask;

static bool vhost_user_exchange(VhostConn *c, Ask *a, VhostMsg *ret,
                                GError **errp)
{
    unsigned ms = a->timeout_ms != 0 ? a->timeout_ms : c->timeout_ms;
    Exchange x = { .c = c,
                   .name = vhost_request_str(a->m.request),
                   .end_ns = clock_monotonic_ns() + (int64_t)ms * NS_OF_MS,
                   .timeout_ms = ms };

    vm_lock_check_wait("a vhost-user request");
    if (c->fd < 0) {
        error_setf(errp, "%s: no connection", x.name);
        return false;
    }
    a->m.flags |= FLAG_VERSION;
    c->nsent[a->m.request]++;
    return check_quiet(&x, errp) &&
           send_all(&x, &a->m, a->fds, a->nfds, errp) &&
           (!a->wants_reply || recv_reply(&x, &a->m, ret, errp));
}

static bool bad_size(const VhostMsg *m, GError **errp)
{
    error_setf(errp, "%s: an answer of %u bytes", vhost_request_str(m->request),
               m->size);
    return false;
}

static bool get_u64(VhostConn *c, VhostRequest request, uint64_t *ret,
                    GError **errp)
{
    Ask a = { .m = { .request = request }, .wants_reply = true };
    VhostMsg reply;

    if (!vhost_user_exchange(c, &a, &reply, errp)) {
        return false;
    }
    if (reply.size != sizeof(uint64_t)) {
        return bad_size(&reply, errp);
    }
    *ret = reply.u.u64;
    return true;
}

static bool send_u64(VhostConn *c, VhostRequest request, uint64_t val,
                     GError **errp)
{
    Ask a = {
        .m = { .request = request, .size = sizeof(uint64_t), .u.u64 = val }
    };

    return vhost_user_exchange(c, &a, NULL, errp);
}

static bool send_state(VhostConn *c, VhostRequest request, unsigned index,
                       unsigned num, GError **errp)
{
    Ask a = { .m = { .request = request,
                     .size = sizeof(WireState),
                     .u.state = { .index = index, .num = num } } };

    return vhost_user_exchange(c, &a, NULL, errp);
}

/*
 * A request without an answer of its own: returns when it was carried out, if
 * the back end can say so, or else when the one behind it was.
 */
static bool vhost_user_confirmed(VhostConn *c, Ask *a, GError **errp)
{
    VhostMsg reply;

    if (!vhost_user_has(c, VHOST_PROTOCOL_REPLY_ACK)) {
        return vhost_user_exchange(c, a, NULL, errp) &&
               vhost_conn_barrier(c, errp);
    }
    a->m.flags |= FLAG_NEED_REPLY;
    a->wants_reply = true;
    if (!vhost_user_exchange(c, a, &reply, errp)) {
        return false;
    }
    if (reply.size != sizeof(uint64_t)) {
        return bad_size(&reply, errp);
    }
    if (reply.u.u64 != 0) {
        error_setf(errp, "%s: the back end refuses it (%" PRIu64 ")",
                   vhost_request_str(a->m.request), reply.u.u64);
        return false;
    }
    return true;
}

bool vhost_conn_barrier(VhostConn *c, GError **errp)
{
    uint64_t ignored;

    return get_u64(c, VHOST_USER_GET_FEATURES, &ignored, errp);
}

/* ------------------------------------------------------- connection --- */

static bool greet_protocol(VhostConn *c, GError **errp)
{
    const uint64_t known = UINT64_C(1) << VHOST_PROTOCOL_MQ |
                           UINT64_C(1) << VHOST_PROTOCOL_LOG_SHMFD |
                           UINT64_C(1) << VHOST_PROTOCOL_RARP |
                           UINT64_C(1) << VHOST_PROTOCOL_REPLY_ACK |
                           UINT64_C(1) << VHOST_PROTOCOL_MTU |
                           UINT64_C(1) << VHOST_PROTOCOL_STATUS;
    uint64_t theirs;

    if (!get_u64(c, VHOST_USER_GET_PROTOCOL_FEATURES, &theirs, errp)) {
        return false;
    }
    c->protocol = theirs & known;
    if (!send_u64(c, VHOST_USER_SET_PROTOCOL_FEATURES, c->protocol, errp)) {
        return false;
    }
    if (!vhost_user_has(c, VHOST_PROTOCOL_MQ)) {
        return true;
    }
    if (!get_u64(c, VHOST_USER_GET_QUEUE_NUM, &c->max_queues, errp)) {
        return false;
    }
    if (c->max_queues == 0) {
        error_setf(errp, "GET_QUEUE_NUM: the back end has no queues");
        return false;
    }
    return true;
}

bool vhost_conn_greet(VhostConn *c, GError **errp)
{
    Ask owner = { .m = { .request = VHOST_USER_SET_OWNER } };

    if (!get_u64(c, VHOST_USER_GET_FEATURES, &c->offered, errp)) {
        return false;
    }
    if ((c->offered & UINT64_C(1) << VHOST_FEATURE_PROTOCOL) &&
        !greet_protocol(c, errp)) {
        return false;
    }
    return vhost_user_exchange(c, &owner, NULL, errp);
}

bool vhost_conn_set_table(VhostConn *c, const VhostTable *t, GError **errp)
{
    Ask a = { .m = { .request = VHOST_USER_SET_MEM_TABLE } };
    int fds[VHOST_MAX_REGIONS];

    a.m.u.table.n = t->n;
    for (unsigned i = 0; i < t->n; i++) {
        a.m.u.table.r[i] = (WireRegion){ .gpa = t->r[i].gpa,
                                         .size = t->r[i].size,
                                         .hva = t->r[i].hva,
                                         .offset = t->r[i].offset };
        fds[i] = t->r[i].fd;
    }
    a.m.size = 8 + t->n * sizeof(WireRegion);
    a.fds = fds;
    a.nfds = t->n;
    return vhost_user_confirmed(c, &a, errp);
}

bool vhost_conn_set_features(VhostConn *c, uint64_t features, GError **errp)
{
    if (c->features_set && c->features == features) {
        return true;
    }
    if (!send_u64(c, VHOST_USER_SET_FEATURES, features, errp)) {
        return false;
    }
    c->features = features;
    c->features_set = true;
    return true;
}

bool vhost_conn_set_status(VhostConn *c, uint8_t status, GError **errp)
{
    return !vhost_user_has(c, VHOST_PROTOCOL_STATUS) ||
           send_u64(c, VHOST_USER_SET_STATUS, status, errp);
}

bool vhost_conn_set_mtu(VhostConn *c, uint16_t mtu, GError **errp)
{
    Ask a = { .m = { .request = VHOST_USER_NET_SET_MTU,
                     .size = sizeof(uint64_t),
                     .u.u64 = mtu } };

    return !vhost_user_has(c, VHOST_PROTOCOL_MTU) ||
           vhost_user_confirmed(c, &a, errp);
}

bool vhost_conn_send_rarp(VhostConn *c, const uint8_t mac[6], GError **errp)
{
    uint64_t val = 0;

    memcpy(&val, mac, 6);
    return !vhost_user_has(c, VHOST_PROTOCOL_RARP) ||
           send_u64(c, VHOST_USER_SEND_RARP, val, errp);
}

/* ------------------------------------------------------------ rings --- */

static bool send_ring_fd(VhostConn *c, VhostRequest request, unsigned index,
                         int fd, GError **errp)
{
    Ask a = { .m = { .request = request,
                     .size = sizeof(uint64_t),
                     .u.u64 = index | (fd < 0 ? VHOST_VRING_NO_FD : 0) },
              .fds = &fd,
              .nfds = fd < 0 ? 0 : 1 };

    return vhost_user_exchange(c, &a, NULL, errp);
}

bool vhost_conn_set_call(VhostConn *c, unsigned index, int fd, GError **errp)
{
    return send_ring_fd(c, VHOST_USER_SET_VRING_CALL, index, fd, errp);
}

bool vhost_conn_set_ring_addr(VhostConn *c, const VhostRing *r, GError **errp)
{
    Ask a = { .m = {
                  .request = VHOST_USER_SET_VRING_ADDR,
                  .size = sizeof(WireAddr),
                  .u.addr = { .index = r->index,
                              .flags = c->logging ? 1u << VHOST_VRING_F_LOG : 0,
                              .desc = r->desc,
                              .used = r->used,
                              .avail = r->avail,
                              .log = r->used_gpa } } };

    return vhost_user_exchange(c, &a, NULL, errp);
}

bool vhost_conn_enable_ring(VhostConn *c, unsigned index, bool on,
                            GError **errp)
{
    /* Without protocol features a ring is served once it is kicked. */
    return !(c->offered & UINT64_C(1) << VHOST_FEATURE_PROTOCOL) ||
           send_state(c, VHOST_USER_SET_VRING_ENABLE, index, on, errp);
}

bool vhost_conn_start_ring(VhostConn *c, const VhostRing *r, GError **errp)
{
    return send_state(c, VHOST_USER_SET_VRING_NUM, r->index, r->size, errp) &&
           send_state(c, VHOST_USER_SET_VRING_BASE, r->index, r->base, errp) &&
           vhost_conn_set_ring_addr(c, r, errp) &&
           vhost_conn_set_call(c, r->index, r->call, errp) &&
           send_ring_fd(c, VHOST_USER_SET_VRING_KICK, r->index, r->kick,
                        errp) &&
           vhost_conn_enable_ring(c, r->index, r->on, errp);
}

bool vhost_conn_stop_ring(VhostConn *c, unsigned index, unsigned timeout_ms,
                          uint16_t *ret_base, GError **errp)
{
    Ask a = { .m = { .request = VHOST_USER_GET_VRING_BASE,
                     .size = sizeof(WireState),
                     .u.state = { .index = index } },
              .timeout_ms = timeout_ms,
              .wants_reply = true };
    VhostMsg reply;

    if (!vhost_user_exchange(c, &a, &reply, errp)) {
        return false;
    }
    if (reply.size != sizeof(WireState)) {
        return bad_size(&reply, errp);
    }
    if (reply.u.state.index != index || reply.u.state.num > UINT16_MAX) {
        error_setf(errp, "GET_VRING_BASE: ring %u at %u, asked for ring %u",
                   reply.u.state.index, reply.u.state.num, index);
        return false;
    }
    *ret_base = reply.u.state.num;
    return true;
}

/* -------------------------------------------------------------- log --- */

bool vhost_conn_set_log(VhostConn *c, int fd, uint64_t bytes, GError **errp)
{
    Ask a = { .m = { .request = VHOST_USER_SET_LOG_BASE,
                     .size = 16,
                     .u.log = { .bytes = bytes } },
              .fds = &fd,
              .nfds = 1,
              .wants_reply = true };
    VhostMsg reply;

    if (!vhost_user_has(c, VHOST_PROTOCOL_LOG_SHMFD)) {
        error_setf(errp, "the back end can't log what it writes "
                         "(VHOST_USER_PROTOCOL_F_LOG_SHMFD)");
        return false;
    }
    if (!(c->offered & UINT64_C(1) << VHOST_FEATURE_LOG_ALL)) {
        error_setf(errp, "the back end can't log what it writes "
                         "(VHOST_F_LOG_ALL)");
        return false;
    }
    /* The answer's payload is nothing, or whatever: back ends differ. */
    return vhost_user_exchange(c, &a, &reply, errp);
}
