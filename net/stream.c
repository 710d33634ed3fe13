/*
 * Back ends "stream" and "socket" (listen=, connect=, fd= of a stream):
 * frames over a connection, each with its length before it.
 *
 *   0 length  u32, most significant byte first; of what follows
 *   4 frame
 *
 * One peer at a time.  A peer that breaks the rules (a length above
 * NET_PACKET_MAX) loses the connection; frames sent while there is no peer are
 * lost, as on a cable that isn't plugged in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/stream.h"

#include "net/net-priv.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lock.h"
#include "util/log.h"

enum {
    HEADER = 4,
    IN_SIZE = 2 * (HEADER + NET_PACKET_MAX),
    MAX_IOV = 64,
};

typedef struct NetStream NetStream;

/* A connect under way; it may outlive the back end. */
typedef struct StreamAttempt {
    NetStream *owner; /* NULL: gone */
    IoCancel *cancel;
} StreamAttempt;

struct NetStream {
    NetPort port;
    bool events; /* NETDEV_STREAM_CONNECTED and …DISCONNECTED */
    IoListener *listener;
    StreamAttempt *attempt;
    IoChannel *ch; /* NULL: no peer */
    guint in_watch, out_watch;
    uint8_t *in;   /* IN_SIZE bytes */
    size_t in_len; /* read, not yet handed on */
    /* The rest of a frame that the socket took in part, or NULL. */
    uint8_t *out;
    size_t out_len, out_done;
};

static NetStream *stream_of(NetPort *p)
{
    return container_of(p, NetStream, port);
}

static void stream_drop(NetStream *s)
{
    const NetHooks *h = networks_hooks(s->port.nets);

    if (s->ch == NULL) {
        return;
    }
    if (s->in_watch != 0) {
        g_source_remove(s->in_watch);
        s->in_watch = 0;
    }
    if (s->out_watch != 0) {
        g_source_remove(s->out_watch);
        s->out_watch = 0;
    }
    io_channel_close(s->ch, NULL);
    g_clear_pointer(&s->ch, io_channel_unref);
    g_clear_pointer(&s->out, g_free);
    s->in_len = 0;
    net_port_set_info(&s->port, "%s", "");
    if (s->events && h->stream_disconnected != NULL) {
        h->stream_disconnected(h->opaque, s->port.name);
    }
}

/* Lost the peer while frames waited for it: nothing waits any more. */
static void stream_lost(NetStream *s)
{
    stream_drop(s);
    net_port_ready(&s->port, 0);
}

/* ------------------------------------------------------------- input --- */

/* Hands on what is whole; false: the card says later, or the peer is gone. */
static bool stream_hand_on(NetStream *s)
{
    size_t done = 0;
    bool going = true;

    while (going && s->in_len - done >= HEADER) {
        uint32_t len = ldl_be_p(s->in + done);

        if (len > NET_PACKET_MAX) {
            log_warn("netdev %s: a frame of %" PRIu32 " bytes: connection "
                     "closed",
                     s->port.name, len);
            stream_lost(s);
            return false;
        }
        if (s->in_len - done - HEADER < len) {
            break;
        }
        going = net_send_buf(&s->port, s->in + done + HEADER, len);
        done += going ? HEADER + len : 0;
    }
    s->in_len -= done;
    memmove(s->in, s->in + done, s->in_len);
    return going;
}

static gboolean stream_readable(IoChannel *ch, GIOCondition cond,
                                gpointer opaque)
{
    NetStream *s = opaque;
    ssize_t n;
    VM_LOCK_GUARD();

    n = io_channel_read(ch, s->in + s->in_len, IN_SIZE - s->in_len);
    if (n == -EAGAIN) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        s->in_watch = 0;
        stream_lost(s);
        return G_SOURCE_REMOVE;
    }
    s->in_len += n;
    if (!stream_hand_on(s)) {
        /* stream_lost() has removed the watch already. */
        s->in_watch = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void stream_resume(NetPort *p, unsigned queue)
{
    NetStream *s = stream_of(p);

    if (s->ch != NULL && s->in_watch == 0 && stream_hand_on(s)) {
        s->in_watch =
            io_channel_add_watch(s->ch, G_IO_IN, stream_readable, s, NULL);
    }
}

/* ------------------------------------------------------------ output --- */

static gboolean stream_writable(IoChannel *ch, GIOCondition cond,
                                gpointer opaque)
{
    NetStream *s = opaque;
    ssize_t n;
    VM_LOCK_GUARD();

    n = io_channel_write(ch, s->out + s->out_done, s->out_len - s->out_done);
    if (n < 0 && n != -EAGAIN) {
        s->out_watch = 0;
        stream_lost(s);
        return G_SOURCE_REMOVE;
    }
    s->out_done += n > 0 ? n : 0;
    if (s->out_done < s->out_len) {
        return G_SOURCE_CONTINUE;
    }
    g_clear_pointer(&s->out, g_free);
    s->out_watch = 0;
    net_port_ready(&s->port, 0);
    return G_SOURCE_REMOVE;
}

/* Keeps what the socket didn't take of a frame that is begun. */
static void stream_keep(NetStream *s, const struct iovec *iov, unsigned niov,
                        size_t done, size_t total)
{
    s->out_len = total - done;
    s->out_done = 0;
    s->out = g_malloc(s->out_len);
    iov_to_buf(iov, niov, done, s->out, s->out_len);
    s->out_watch =
        io_channel_add_watch(s->ch, G_IO_OUT, stream_writable, s, NULL);
}

static bool stream_receive(NetPort *p, const NetPacket *pkt)
{
    NetStream *s = stream_of(p);
    uint8_t len[HEADER];
    struct iovec iov[MAX_IOV + 1] = { { len, HEADER } };
    g_autofree uint8_t *flat = NULL;
    unsigned niov = pkt->niov + 1;
    ssize_t n;

    if (s->ch == NULL) {
        return true;
    }
    if (s->out != NULL) {
        return false;
    }
    stl_be_p(len, pkt->size);
    if (pkt->niov > MAX_IOV) {
        flat = g_malloc(pkt->size);
        iov_to_buf(pkt->iov, pkt->niov, 0, flat, pkt->size);
        iov[1] = (struct iovec){ flat, pkt->size };
        niov = 2;
    } else {
        memcpy(iov + 1, pkt->iov, pkt->niov * sizeof(*iov));
    }
    n = io_channel_writev(s->ch, iov, niov);
    if (n < 0 && n != -EAGAIN) {
        stream_drop(s);
        return true;
    }
    if (n < (ssize_t)(HEADER + pkt->size)) {
        stream_keep(s, iov, niov, MAX(n, 0), HEADER + pkt->size);
    }
    return true;
}

/* -------------------------------------------------------------- peer --- */

static void stream_set_peer(NetStream *s, IoChannel *ch, bool accepted)
{
    const NetHooks *h = networks_hooks(s->port.nets);
    g_autoptr(IoSocketAddress) peer = io_channel_peer_address(ch);
    g_autofree char *text = peer != NULL ? io_socket_address_to_string(peer)
                                         : g_strdup(io_channel_name(ch));

    s->ch = ch;
    io_channel_set_blocking(ch, false);
    io_channel_set_nodelay(ch, true);
    if (s->events) {
        net_port_set_info(&s->port, "%s", text);
    } else {
        net_port_set_info(&s->port, "socket: %s %s",
                          accepted ? "connection from" : "connect to",
                          g_str_has_prefix(text, "tcp:") ? text + 4 : text);
    }
    s->in_watch = io_channel_add_watch(ch, G_IO_IN, stream_readable, s, NULL);
    if (s->events && h->stream_connected != NULL && peer != NULL) {
        h->stream_connected(h->opaque, s->port.name, peer);
    }
}

/* A second peer is turned away as long as the first one is there. */
static void stream_accepted(IoListener *l, IoChannel *ch, gpointer opaque)
{
    NetStream *s = opaque;
    VM_LOCK_GUARD();

    if (s->ch != NULL) {
        io_channel_close(ch, NULL);
        io_channel_unref(ch);
        return;
    }
    stream_set_peer(s, ch, true);
}

static void stream_connected(IoChannel *ch, const GError *err, gpointer opaque)
{
    StreamAttempt *a = opaque;
    VM_LOCK_GUARD();

    if (a->owner == NULL) {
        io_channel_unref(ch);
    } else {
        a->owner->attempt = NULL;
        if (ch != NULL) {
            stream_set_peer(a->owner, ch, false);
        } else {
            log_error("netdev %s: %s", a->owner->port.name, err->message);
        }
    }
    io_cancel_unref(a->cancel);
    g_free(a);
}

static void stream_free(NetPort *p)
{
    NetStream *s = stream_of(p);

    g_free(s->in);
    g_free(s);
}

/* Before the port is off the list: no event finds it half gone. */
static void stream_close(NetStream *s)
{
    if (s->attempt != NULL) {
        s->attempt->owner = NULL;
        io_cancel_trigger(s->attempt->cancel);
    }
    io_listener_free(s->listener);
    s->events = false;
    stream_drop(s);
}

static void stream_fini(NetPort *p)
{
    stream_close(stream_of(p));
}

static const NetPortOps stream_ops = {
    .type = "stream",
    .receive = stream_receive,
    .resume = stream_resume,
    .fini = stream_fini,
    .free = stream_free,
};

static const NetPortOps socket_ops = {
    .type = "socket",
    .receive = stream_receive,
    .resume = stream_resume,
    .fini = stream_fini,
    .free = stream_free,
};

static bool stream_connect(NetStream *s, const IoSocketAddress *addr,
                           GError **errp)
{
    StreamAttempt *a = g_new0(StreamAttempt, 1);

    a->cancel = io_cancel_new(errp);
    if (a->cancel == NULL) {
        g_free(a);
        return false;
    }
    a->owner = s;
    s->attempt = a;
    io_socket_connect_async(addr, a->cancel, 0, NULL, stream_connected, a);
    return true;
}

static bool stream_listen(NetStream *s, const IoSocketAddress *addr,
                          GError **errp)
{
    s->listener = io_listener_new(addr, 1, errp);
    if (s->listener == NULL) {
        return false;
    }
    io_listener_set_client_func(s->listener, NULL, stream_accepted, s);
    return true;
}

static NetStream *stream_new(Networks *nets, const char *id, bool is_socket)
{
    NetStream *s = g_new0(NetStream, 1);

    s->in = g_malloc(IN_SIZE);
    s->events = !is_socket;
    net_port_init(&s->port, nets, is_socket ? &socket_ops : &stream_ops,
                  is_socket ? "socket" : "stream", id, 1);
    return s;
}

bool net_stream_open(Networks *nets, const char *id,
                     const IoSocketAddress *addr, bool server, bool is_socket,
                     GError **errp)
{
    NetStream *s = stream_new(nets, id, is_socket);

    if (server ? !stream_listen(s, addr, errp)
               : !stream_connect(s, addr, errp)) {
        net_port_delete(&s->port);
        return false;
    }
    return true;
}

bool net_stream_open_fd(Networks *nets, const char *id, int fd, bool is_socket,
                        GError **errp)
{
    IoChannel *ch = io_channel_new_socket(fd, NULL, errp);
    NetStream *s;

    if (ch == NULL) {
        return false;
    }
    s = stream_new(nets, id, is_socket);
    stream_set_peer(s, ch, false);
    net_port_set_info(&s->port, "socket: fd=%d", fd);
    return true;
}

bool netdev_new_stream(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevStreamOptions *o = nd->u.stream;
    g_autoptr(IoSocketAddress) addr = net_socket_address(o->addr, errp);
    bool server = o->has_server && o->server;
    int fd;

    if (addr == NULL) {
        return false;
    }
    if (addr->type == IO_ADDRESS_FD) {
        fd = net_get_fd(nets, addr->u.fd.str, errp);
        if (fd < 0) {
            return false;
        }
        if (!server) {
            return net_stream_open_fd(nets, nd->id, fd, false, errp);
        }
        g_free(addr->u.fd.str);
        addr->u.fd.str = g_strdup_printf("%d", fd);
    }
    return net_stream_open(nets, nd->id, addr, server, false, errp);
}
