/*
 * Back end "tap": an Ethernet interface of the host
 * (Linux, Documentation/networking/tuntap.rst).
 *
 * A queue is a descriptor of its own (IFF_MULTI_QUEUE).  With IFF_VNET_HDR a
 * virtio_net_hdr of 10 bytes precedes each packet in both directions, and what
 * the card takes is told to the kernel (TUNSETOFFLOAD).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/tap.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "net/net-priv.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lock.h"
#include "util/log.h"

enum {
    TAP_BURST = 64, /* packets that one turn of the main loop takes */
    TAP_MAX_IOV = 64,
    TAP_ALL_OFFLOADS = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
                       NET_OFFLOAD_ECN | NET_OFFLOAD_UFO,
};

typedef struct NetTap NetTap;

typedef struct TapQueue {
    NetTap *tap;
    int fd;
    unsigned index;
    guint in_watch, out_watch;
    size_t kept; /* bytes in data that the card didn't take; 0: none */
    struct virtio_net_hdr hdr;
    uint8_t data[NET_PACKET_MAX];
} TapQueue;

struct NetTap {
    NetPort port;
    char ifname[IFNAMSIZ];
    char *down_script; /* NULL: none */
    bool has_hdr;
    TapQueue **queues; /* port.nqueues of them */
};

static NetTap *tap_of(NetPort *p)
{
    return container_of(p, NetTap, port);
}

/* -------------------------------------------------- from the interface --- */

static bool tap_hand_on(TapQueue *q)
{
    struct iovec iov = { q->data, q->kept };
    NetPacket pkt = {
        .iov = &iov,
        .niov = 1,
        .size = q->kept,
        .vnet = q->tap->has_hdr && q->tap->port.peer != NULL &&
                        q->tap->port.peer->has_vnet
                    ? &q->hdr
                    : NULL,
        .queue = q->index,
    };

    if (q->kept != 0 && !net_send(&q->tap->port, &pkt)) {
        return false;
    }
    q->kept = 0;
    return true;
}

static gboolean tap_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    TapQueue *q = opaque;
    size_t hdr = q->tap->has_hdr ? sizeof(q->hdr) : 0;
    struct iovec iov[] = { { &q->hdr, hdr }, { q->data, sizeof(q->data) } };
    VM_LOCK_GUARD();

    for (unsigned i = 0; i < TAP_BURST; i++) {
        ssize_t n = readv(fd, iov, 2);

        if (n < 0) {
            /* EIO: the interface is down, and poll tells when it is up. */
            break;
        }
        if ((size_t)n <= hdr) {
            continue;
        }
        q->kept = n - hdr;
        if (!tap_hand_on(q)) {
            q->in_watch = 0;
            return G_SOURCE_REMOVE;
        }
    }
    return G_SOURCE_CONTINUE;
}

static void tap_resume(NetPort *p, unsigned queue)
{
    TapQueue *q = tap_of(p)->queues[MIN(queue, p->nqueues - 1)];

    if (tap_hand_on(q) && q->in_watch == 0) {
        q->in_watch = g_unix_fd_add(q->fd, G_IO_IN, tap_readable, q);
    }
}

/* ---------------------------------------------------- to the interface --- */

static gboolean tap_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    TapQueue *q = opaque;
    VM_LOCK_GUARD();

    q->out_watch = 0;
    net_port_ready(&q->tap->port, q->index);
    return G_SOURCE_REMOVE;
}

static bool tap_receive(NetPort *p, const NetPacket *pkt)
{
    static const struct virtio_net_hdr no_hdr;
    NetTap *t = tap_of(p);
    TapQueue *q = t->queues[pkt->queue % p->nqueues];
    struct iovec iov[TAP_MAX_IOV + 1];
    g_autofree uint8_t *flat = NULL;
    const struct virtio_net_hdr *hdr = pkt->vnet != NULL ? pkt->vnet : &no_hdr;
    unsigned n = 0;
    ssize_t done;

    if (q->out_watch != 0) {
        return false;
    }
    if (t->has_hdr) {
        iov[n++] = (struct iovec){ (void *)(uintptr_t)hdr, sizeof(*hdr) };
    }
    if (pkt->niov > TAP_MAX_IOV) {
        flat = g_malloc(pkt->size);
        iov_to_buf(pkt->iov, pkt->niov, 0, flat, pkt->size);
        iov[n++] = (struct iovec){ flat, pkt->size };
    } else {
        memcpy(iov + n, pkt->iov, pkt->niov * sizeof(*iov));
        n += pkt->niov;
    }
    do {
        done = writev(q->fd, iov, n);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && errno == EAGAIN) {
        q->out_watch = g_unix_fd_add(q->fd, G_IO_OUT, tap_writable, q);
        return false;
    }
    return true;
}

/* What the card takes, the kernel may leave to it. */
static void tap_peer_changed(NetPort *p)
{
    static const struct {
        unsigned takes, flag;
    } flags[] = {
        { NET_OFFLOAD_CSUM, TUN_F_CSUM }, { NET_OFFLOAD_TSO4, TUN_F_TSO4 },
        { NET_OFFLOAD_TSO6, TUN_F_TSO6 }, { NET_OFFLOAD_ECN, TUN_F_TSO_ECN },
        { NET_OFFLOAD_UFO, TUN_F_UFO },
    };
    NetTap *t = tap_of(p);
    unsigned takes = net_port_peer_takes(p), offload = 0;

    if (!t->has_hdr) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        offload |= takes & flags[i].takes ? flags[i].flag : 0;
    }
    for (unsigned i = 0; i < p->nqueues; i++) {
        int fd = t->queues[i]->fd;

        /* Not every kernel cuts up UDP. */
        if (ioctl(fd, TUNSETOFFLOAD, offload) < 0 &&
            ioctl(fd, TUNSETOFFLOAD, offload & ~TUN_F_UFO) < 0) {
            log_warn("netdev %s: TUNSETOFFLOAD failed: %s", p->name,
                     g_strerror(errno));
        }
    }
}

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
}

static void tap_fini(NetPort *p)
{
    NetTap *t = tap_of(p);
    g_autofree int *fds = g_new(int, p->nqueues);
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i < p->nqueues; i++) {
        TapQueue *q = t->queues[i];

        fds[i] = q->fd;
        if (q->in_watch != 0) {
            g_source_remove(q->in_watch);
        }
        if (q->out_watch != 0) {
            g_source_remove(q->out_watch);
        }
    }
    /* The script finds the interface still there. */
    if (t->down_script == NULL) {
        close_all(fds, p->nqueues);
    } else if (!tap_run_script(t->down_script, t->ifname, p->name, fds,
                               p->nqueues, &err)) {
        log_error("netdev %s: %s", p->name, err->message);
    }
}

static void tap_free(NetPort *p)
{
    NetTap *t = tap_of(p);

    for (unsigned i = 0; i < p->nqueues; i++) {
        g_free(t->queues[i]);
    }
    g_free(t->queues);
    g_free(t->down_script);
    g_free(t);
}

static const NetPortOps tap_ops = {
    .type = "tap",
    .receive = tap_receive,
    .resume = tap_resume,
    .peer_changed = tap_peer_changed,
    .fini = tap_fini,
    .free = tap_free,
};

/* -------------------------------------------------------------- making --- */

/* Takes over the descriptors. */
static NetTap *tap_new(Networks *nets, const char *id, const int *fds,
                       unsigned n, const char *ifname, bool has_hdr)
{
    NetTap *t = g_new0(NetTap, 1);

    t->has_hdr = has_hdr;
    g_strlcpy(t->ifname, ifname, sizeof(t->ifname));
    t->queues = g_new0(TapQueue *, n);
    for (unsigned i = 0; i < n; i++) {
        TapQueue *q = t->queues[i] = g_new0(TapQueue, 1);

        q->tap = t;
        q->fd = fds[i];
        q->index = i;
    }
    net_port_init(&t->port, nets, &tap_ops, "tap", id, n);
    t->port.has_vnet = has_hdr;
    t->port.takes = has_hdr ? TAP_ALL_OFFLOADS : 0;
    tap_peer_changed(&t->port);
    for (unsigned i = 0; i < n; i++) {
        tap_resume(&t->port, i);
    }
    return t;
}

/* By fd= and fds=: interfaces that somebody else has made. */
static bool tap_by_fds(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevTapOptions *o = nd->u.tap;
    g_auto(GStrv) names = g_strsplit(o->fds != NULL ? o->fds : "", ":", 0);
    unsigned n = o->fd != NULL ? 1 : g_strv_length(names);
    g_autofree int *fds = NULL;
    struct ifreq ifr = { 0 };
    bool has_hdr = false;
    NetTap *t;

    if (n == 0 || n > NET_QUEUES_MAX) {
        error_setf(errp, "fds=: %u descriptors, not 1 to %u", n,
                   NET_QUEUES_MAX);
        return false;
    }
    fds = g_new(int, n);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = net_get_fd(nets, o->fd != NULL ? o->fd : names[i], errp);
        if (fds[i] < 0) {
            close_all(fds, i);
            return false;
        }
        if (ioctl(fds[i], TUNGETIFF, &ifr) < 0) {
            error_setf_errno(errp, errno, "fd %d is no tap interface", fds[i]);
            close_all(fds, i + 1);
            return false;
        }
        if (i > 0 && has_hdr != !!(ifr.ifr_flags & IFF_VNET_HDR)) {
            error_setf(errp, "vnet_hdr not consistent across given tap fds");
            close_all(fds, i + 1);
            return false;
        }
        has_hdr = ifr.ifr_flags & IFF_VNET_HDR;
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    t = tap_new(nets, nd->id, fds, n, ifr.ifr_name, has_hdr);
    net_port_set_info(&t->port, "fd=%d", fds[0]);
    return true;
}

/* One queue; ifr's name is the interface's, chosen by the kernel if empty. */
static int tap_open(struct ifreq *ifr, const NetdevTapOptions *o, GError **errp)
{
    uint64_t sndbuf = o->has_sndbuf && o->sndbuf != 0 ? o->sndbuf : INT_MAX;
    int buf = (int)MIN(sndbuf, (uint64_t)INT_MAX);
    int hdr_len = sizeof(struct virtio_net_hdr);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        error_setf_errno(errp, errno, "could not open /dev/net/tun");
        return -1;
    }
    if (ioctl(fd, TUNSETIFF, ifr) < 0) {
        error_setf_errno(errp, errno, "could not configure /dev/net/tun (%s)",
                         ifr->ifr_name[0] != '\0' ? ifr->ifr_name : "tap%d");
        close(fd);
        return -1;
    }
    if (((ifr->ifr_flags & IFF_VNET_HDR) &&
         ioctl(fd, TUNSETVNETHDRSZ, &hdr_len) < 0) ||
        (ioctl(fd, TUNSETSNDBUF, &buf) < 0 && o->has_sndbuf)) {
        error_setf_errno(errp, errno, "could not set up tap interface %s",
                         ifr->ifr_name);
        close(fd);
        return -1;
    }
    return fd;
}

static bool tap_by_name(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevTapOptions *o = nd->u.tap;
    unsigned n = o->has_queues ? o->queues : 1;
    bool has_hdr = !o->has_vnet_hdr || o->vnet_hdr;
    const char *up = o->script != NULL ? o->script : TAP_DEFAULT_UP;
    const char *down = o->downscript != NULL ? o->downscript
                       : g_file_test(TAP_DEFAULT_DOWN, G_FILE_TEST_EXISTS)
                           ? TAP_DEFAULT_DOWN
                           : "no";
    struct ifreq ifr = {
        .ifr_flags = IFF_TAP | IFF_NO_PI | (has_hdr ? IFF_VNET_HDR : 0) |
                     (n > 1 ? IFF_MULTI_QUEUE : 0),
    };
    g_autofree int *fds = NULL;
    short flags = ifr.ifr_flags;
    NetTap *t;

    if (n == 0 || n > NET_QUEUES_MAX) {
        error_setf(errp, "queues=%u: not 1 to %u", n, NET_QUEUES_MAX);
        return false;
    }
    if (o->ifname != NULL && strlen(o->ifname) >= IFNAMSIZ) {
        error_setf(errp, "ifname=%s: longer than %d bytes", o->ifname,
                   IFNAMSIZ - 1);
        return false;
    }
    g_strlcpy(ifr.ifr_name, o->ifname != NULL ? o->ifname : "", IFNAMSIZ);
    fds = g_new(int, n);
    for (unsigned i = 0; i < n; i++) {
        ifr.ifr_flags = flags;
        fds[i] = tap_open(&ifr, o, errp);
        if (fds[i] < 0 ||
            (i == 0 && tap_is_script(up) &&
             !tap_run_script(up, ifr.ifr_name, nd->id, NULL, 0, errp))) {
            close_all(fds, fds[i] < 0 ? i : i + 1);
            return false;
        }
    }
    t = tap_new(nets, nd->id, fds, n, ifr.ifr_name, has_hdr);
    t->down_script = tap_is_script(down) ? g_strdup(down) : NULL;
    net_port_set_info(&t->port, "ifname=%s,script=%s,downscript=%s",
                      ifr.ifr_name, up, down);
    return true;
}

/* The kernel's own virtio-net back end, which this program doesn't drive. */
static bool tap_check_vhost(const NetdevTapOptions *o, GError **errp)
{
    bool forced = o->has_vhostforce && o->vhostforce;

    if (!(o->has_vhost ? o->vhost : forced) && o->vhostfd == NULL &&
        o->vhostfds == NULL) {
        return true;
    }
    if (access("/dev/vhost-net", F_OK) < 0) {
        error_setf_errno(errp, errno, "vhost=on: /dev/vhost-net");
    } else {
        error_setf(errp, "vhost=on: the kernel's vhost-net is not supported; "
                         "leave vhost= out, or use a vhost-user back end");
    }
    return false;
}

bool netdev_new_tap(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevTapOptions *o = nd->u.tap;

    if (o->br != NULL || o->helper != NULL) {
        error_setf(errp,
                   "tap: '%s' is not supported: give the interface by "
                   "ifname= or fd=",
                   o->helper != NULL ? "helper" : "br");
        return false;
    }
    if (!tap_check_vhost(o, errp)) {
        return false;
    }
    if (o->fd == NULL && o->fds == NULL) {
        return tap_by_name(nets, nd, errp);
    }
    if (o->ifname != NULL || o->script != NULL || o->downscript != NULL ||
        o->has_vnet_hdr || o->has_queues || (o->fd != NULL && o->fds != NULL)) {
        error_setf(errp,
                   "ifname=, script=, downscript=, vnet_hdr=, helper=, "
                   "queues=, fds=, and vhostfds= are invalid with %s=",
                   o->fd != NULL ? "fd" : "fds");
        return false;
    }
    return tap_by_fds(nets, nd, errp);
}
