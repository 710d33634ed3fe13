/*
 * ivshmem: the connection to the server that hands out memory and doorbells.
 * ("Inter-VM shared memory device", section on the client-server protocol.)
 *
 * The server sends messages: a little-endian 64-bit number, and maybe a file
 * descriptor with it.
 *
 *   0            protocol version
 *   ID           the client's own id, 0 to 65535
 *   -1 + fd      the memory
 *   ID + fd      the next vector of that peer: an eventfd.  The client's own
 *                id: what its peers write
 *   ID           that peer has gone
 *
 * The first three come at once, and are there before the device is; the others
 * at any time.  A server that breaks the rules loses the connection; memory
 * and the peers that are known stay.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/ivshmem-priv.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "accel/accel.h"
#include "hw/pci/msix.h"
#include "io/channel.h"
#include "io/socket.h"
#include "system/clock.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/log.h"

enum {
    MESSAGE = 8,
    GREETING = 3 * MESSAGE, /* version, id, memory */
    GREETING_MS = 10000,
    FDS_MAX = 16,
};

/* Peers */

static MemoryEventFd doorbell_of(IvshmemPeer *p, unsigned vector)
{
    return (MemoryEventFd){
        .addr = IVSHMEM_DOORBELL,
        .size = 4,
        .match_data = true,
        .data = (uint32_t)p->id << 16 | vector,
        .notifier = &p->vectors[vector],
    };
}

/* Elsewhere the register's handler writes the eventfd. */
static bool by_kernel(const Ivshmem *s)
{
    const Accel *acc = s->pci.dev.vm->accel;

    return s->ioeventfd && acc != NULL && acc->kernel_irqchip;
}

static void peer_free(void *opaque)
{
    IvshmemPeer *p = opaque;
    Memory *mem = &p->s->pci.dev.vm->mem;

    memory_transaction_begin(mem);
    for (unsigned i = 0; i < p->nvectors && by_kernel(p->s); i++) {
        MemoryEventFd e = doorbell_of(p, i);

        memory_region_del_eventfd(&p->s->regs, &e);
    }
    memory_transaction_commit(mem);
    for (unsigned i = 0; i < p->nvectors; i++) {
        event_notifier_fini(&p->vectors[i]);
    }
    g_free(p->vectors);
    g_free(p);
}

static IvshmemPeer *peer_find(const Ivshmem *s, unsigned id)
{
    return g_hash_table_lookup(s->client.peers, GUINT_TO_POINTER(id));
}

static IvshmemPeer *peer_new(Ivshmem *s, unsigned id)
{
    IvshmemPeer *p = g_new0(IvshmemPeer, 1);

    p->s = s;
    p->id = id;
    p->vectors = g_new0(EventNotifier, s->nvectors);
    g_hash_table_insert(s->client.peers, GUINT_TO_POINTER(id), p);
    return p;
}

/* Takes fd over. */
static bool peer_add_vector(IvshmemPeer *p, int fd, GError **errp)
{
    EventNotifier *n = &p->vectors[p->nvectors];
    MemoryEventFd e = doorbell_of(p, p->nvectors);

    if (!event_notifier_init_fd(n, fd, errp)) {
        close(fd);
        return false;
    }
    p->nvectors++;
    if (by_kernel(p->s)) {
        memory_region_add_eventfd(&p->s->regs, &e);
    }
    return true;
}

/*
 * Its flags are also those of everybody who has the eventfd: a peer may have
 * made writes wait while it is full.  Full is as good as rung.
 */
static void ring_vector(EventNotifier *n)
{
    struct pollfd p = { .fd = event_notifier_fd(n), .events = POLLOUT };

    if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT)) {
        event_notifier_set(n);
    }
}

void ivshmem_client_ring(Ivshmem *s, uint32_t val)
{
    unsigned id = val >> 16, vector = val & 0xffff;
    IvshmemPeer *p = peer_find(s, id);

    if (id == s->client.id) {
        if (vector < s->client.own) {
            msix_notify(&s->pci, vector);
        }
    } else if (p != NULL && vector < p->nvectors) {
        ring_vector(&p->vectors[vector]);
    }
}

/* Messages */

/* Else a write could wait for its reader for ever, with the lock held. */
static bool is_eventfd(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *target = g_file_read_link(path, NULL);

    return g_strcmp0(target, "anon_inode:[eventfd]") == 0;
}

static bool take_own_vector(Ivshmem *s, int fd, GError **errp)
{
    return msix_vector_set_fd(&s->pci, s->client.own, fd, errp) &&
           ++s->client.own > 0;
}

/* Once: a server that was told another number does it for each peer. */
static void say_surplus(Ivshmem *s, unsigned id)
{
    if (!s->client.said_surplus) {
        s->client.said_surplus = true;
        log_warn("%s: the server passes on more vectors of peer %u than the "
                 "device has: vectors=%u",
                 device_name(&s->pci.dev), id, s->nvectors);
    }
}

/* Takes fd over. */
static bool vector_came(Ivshmem *s, unsigned id, int fd, GError **errp)
{
    IvshmemPeer *p = peer_find(s, id);
    bool own = id == s->client.id;
    unsigned n = own ? s->client.own : p != NULL ? p->nvectors : 0;

    if (!is_eventfd(fd)) {
        error_setf(errp, "what came for peer %u is no eventfd", id);
        close(fd);
        return false;
    }
    if (n == s->nvectors) {
        say_surplus(s, id);
        close(fd);
        return true;
    }
    if (own) {
        return take_own_vector(s, fd, errp);
    }
    return peer_add_vector(p != NULL ? p : peer_new(s, id), fd, errp);
}

static bool peer_went(Ivshmem *s, unsigned id, GError **errp)
{
    if (id == s->client.id) {
        error_setf(errp, "it says that peer %u has gone, which is this one",
                   id);
        return false;
    }
    g_hash_table_remove(s->client.peers, GUINT_TO_POINTER(id));
    return true;
}

/* Takes fd over; -1: none came. */
static bool take_message(Ivshmem *s, int64_t val, int fd, GError **errp)
{
    if (val < 0 || val > IVSHMEM_ID_MAX) {
        if (val == -1) {
            error_setf(errp, "it sends its memory again");
        } else {
            error_setf(errp, "message %" PRId64 " is no peer's id", val);
        }
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    return fd >= 0 ? vector_came(s, val, fd, errp) : peer_went(s, val, errp);
}

/* The connection */

static void forget_fds(IvshmemClient *c)
{
    int fd;

    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    while (c->chr.cd != NULL && (fd = chardev_take_fd(c->chr.cd)) >= 0) {
        close(fd);
    }
}

static void keep_fds(IvshmemClient *c)
{
    int fd;

    while ((fd = chardev_take_fd(c->chr.cd)) >= 0) {
        if (c->fd >= 0) {
            c->too_many_fds = true;
            close(fd);
        } else {
            c->fd = fd;
        }
    }
}

static void give_up(Ivshmem *s, GError *err)
{
    s->client.over = true;
    forget_fds(&s->client);
    error_prefix(&err, "%s: server '%s': ", device_name(&s->pci.dev),
                 s->chardev);
    log_take_error(err);
    chardev_disconnect(s->client.chr.cd);
}

/* A message and what comes with it are read by themselves. */
static int can_receive(void *opaque)
{
    Ivshmem *s = opaque;

    return MESSAGE - s->client.have;
}

static void ivshmem_client_receive(void *opaque, const uint8_t *buf, int len)
{
    Ivshmem *s = opaque;
    IvshmemClient *c = &s->client;
    GError *err = NULL;
    int fd;

    if (c->over) {
        forget_fds(c);
        return;
    }
    keep_fds(c);
    memcpy(c->message + c->have, buf, len);
    c->have += len;
    if (c->have < MESSAGE) {
        return;
    }
    c->have = 0;
    fd = c->fd;
    c->fd = -1;
    if (c->too_many_fds) {
        if (fd >= 0) {
            close(fd);
        }
        error_setf(&err, "several file descriptors with one message");
        give_up(s, err);
    } else if (!take_message(s, ldq_le_p(c->message), fd, &err)) {
        give_up(s, err);
    }
}

static void ivshmem_client_event(void *opaque, ChardevEvent ev)
{
    Ivshmem *s = opaque;
    IvshmemClient *c = &s->client;

    if (ev == CHARDEV_CLOSED && !c->over) {
        c->over = true;
        log_warn("%s: server '%s' has gone: peers that come or go are not "
                 "seen any more",
                 device_name(&s->pci.dev), s->chardev);
    }
}

/* The greeting */

static Chardev *find_chardev(const Ivshmem *s)
{
    const Vm *vm = s->pci.dev.vm;

    return s->chardev != NULL && vm->chardevs != NULL
               ? chardev_find(vm->chardevs, s->chardev)
               : NULL;
}

/* It has said all of it, or nothing more will come, or it is wrong. */
static bool has_greeted(int sock)
{
    struct pollfd p = { .fd = sock, .events = POLLRDHUP };
    uint8_t version[MESSAGE];
    int n = 0;

    if (poll(&p, 1, 0) > 0 || ioctl(sock, FIONREAD, &n) < 0 || n >= GREETING) {
        return true;
    }
    return n >= MESSAGE &&
           recv(sock, version, MESSAGE, MSG_PEEK | MSG_DONTWAIT) == MESSAGE &&
           ldq_le_p(version) != IVSHMEM_VERSION;
}

static void wait_greeted(int sock)
{
    int64_t end = clock_monotonic_ns() + GREETING_MS * INT64_C(1000000);

    vm_lock_check_wait("ivshmem server");
    while (!has_greeted(sock) && clock_monotonic_ns() < end) {
        g_usleep(1000);
    }
}

NO_TSA void ivshmem_client_await(Ivshmem *s)
{
    Chardev *cd = find_chardev(s);
    bool locked = !vm_lock_may_wait();
    int sock;

    if (cd == NULL || chardev_is_busy(cd)) {
        return;
    }
    if (!locked && chardev_is_socket(cd)) {
        chardev_wait_peer(cd, NULL);
    }
    sock = chardev_unix_fd(cd);
    if (sock < 0) {
        return;
    }
    if (locked) {
        vm_lock_release();
    }
    wait_greeted(sock);
    if (locked) {
        vm_lock_acquire();
    }
    close(sock);
}

/* One message and its file descriptor, the caller's; -1: none. */
static bool read_message(IoChannel *ch, int64_t *ret_val, int *ret_fd,
                         GError **errp)
{
    uint8_t buf[MESSAGE];
    int fds[FDS_MAX];
    size_t done = 0, have = 0;

    while (done < MESSAGE) {
        struct iovec v = { .iov_base = buf + done, .iov_len = MESSAGE - done };
        size_t n = FDS_MAX - have;
        ssize_t r = io_channel_readv_fds(ch, &v, 1, fds + have, &n);

        if (r <= 0) {
            error_setf(errp, r == 0 ? "it has gone" : "it says nothing");
            break;
        }
        have += n;
        done += r;
    }
    if (done == MESSAGE && have <= 1) {
        *ret_val = (int64_t)ldq_le_p(buf);
        *ret_fd = have == 1 ? fds[0] : -1;
        return true;
    }
    for (size_t i = 0; i < have; i++) {
        close(fds[i]);
    }
    if (done == MESSAGE) {
        error_setf(errp, "several file descriptors with one message");
    }
    return false;
}

/* A message that has none. */
static bool read_number(IoChannel *ch, const char *what, int64_t *ret,
                        GError **errp)
{
    int fd;

    if (!read_message(ch, ret, &fd, errp)) {
        error_prefix(errp, "%s: ", what);
        return false;
    }
    if (fd >= 0) {
        close(fd);
        error_setf(errp, "%s: there is a file descriptor with it", what);
        return false;
    }
    return true;
}

static int read_greeting(Ivshmem *s, IoChannel *ch, GError **errp)
{
    int64_t val;
    int fd;

    if (!read_number(ch, "protocol version", &val, errp)) {
        return -1;
    }
    if (val != IVSHMEM_VERSION) {
        error_setf(errp, "protocol version %" PRId64 ", not %d", val,
                   IVSHMEM_VERSION);
        return -1;
    }
    if (!read_number(ch, "id", &val, errp)) {
        return -1;
    }
    if (val < 0 || val > IVSHMEM_ID_MAX) {
        error_setf(errp, "id %" PRId64 ": 0 to %d", val, IVSHMEM_ID_MAX);
        return -1;
    }
    s->client.id = val;
    if (!read_message(ch, &val, &fd, errp)) {
        error_prefix(errp, "memory: ");
        return -1;
    }
    if (val != -1 || fd < 0) {
        error_setf(errp, "memory: message %" PRId64 " %s a file descriptor",
                   val, fd < 0 ? "without" : "with");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static int ivshmem_client_greet(Ivshmem *s, Chardev *cd, GError **errp)
{
    int sock = chardev_unix_fd(cd), fd;
    IoChannel *ch;

    if (sock < 0) {
        error_setf(errp, "chardev '%s' is not a connected unix socket",
                   s->chardev);
        return -1;
    }
    ch = io_channel_new_socket(sock, "ivshmem", errp);
    if (ch == NULL) {
        close(sock);
        return -1;
    }
    fd = read_greeting(s, ch, errp);
    io_channel_unref(ch);
    if (fd < 0) {
        error_prefix(errp, "server '%s': ", s->chardev);
    }
    return fd;
}

int ivshmem_client_open(Ivshmem *s, GError **errp)
{
    const ChardevFrontend fe = { .can_receive = can_receive,
                                 .receive = ivshmem_client_receive,
                                 .event = ivshmem_client_event,
                                 .opaque = s };
    IvshmemClient *c = &s->client;
    Chardev *cd = find_chardev(s);
    int fd;

    if (cd == NULL) {
        error_setf(errp, "no character device '%s'", s->chardev);
        return -1;
    }
    if (chardev_is_busy(cd)) {
        error_setf(errp, "Device '%s' is in use", s->chardev);
        return -1;
    }
    fd = ivshmem_client_greet(s, cd, errp);
    if (fd < 0) {
        return -1;
    }
    c->fd = -1;
    c->peers = g_hash_table_new_full(NULL, NULL, NULL, peer_free);
    if (!char_frontend_open(&c->chr, &s->pci.dev, s->chardev, &fe, errp)) {
        g_clear_pointer(&c->peers, g_hash_table_unref);
        close(fd);
        return -1;
    }
    return fd;
}

void ivshmem_client_close(Ivshmem *s)
{
    IvshmemClient *c = &s->client;

    if (c->chr.cd != NULL) {
        c->over = true;
        forget_fds(c);
        char_frontend_close(&c->chr);
    }
    g_clear_pointer(&c->peers, g_hash_table_unref);
}
