/*
 * The server of ivshmem-doorbell: who is there, and what each is told.
 * ("Inter-VM shared memory device", section on the client-server protocol;
 * hw/misc/ivshmem-client.c is the other side.)
 *
 * A client gets protocol version, its id, the memory; then the doorbells of
 * those who are there, and its own.  The others get its doorbells, and hear
 * when it goes.  It says nothing itself.  What it doesn't read yet waits here,
 * up to a limit: who is that slow has to go.  There is a limit for all of them
 * together as well: beyond it who has taken nothing for longest goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tools/ivshmem-server/server.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/bswap.h"
#include "util/error.h"

enum {
    VERSION = 0,
    MEMORY = -1,
    IDS = 65536,
    BACKLOG = 16,
    /* Messages, of one client and of all.  One that comes makes 2 * 2^18. */
    WAITING_MAX = 1 << 18,
    WAITING_ALL_MAX = 1 << 21,
};

/* A file descriptor that messages share. */
typedef struct Descriptor {
    int fd;
} Descriptor;

typedef struct Message {
    int64_t val;
    Descriptor *with; /* NULL: none; counted */
} Message;

typedef struct Client {
    Server *s;
    uint16_t id;
    int sock;
    guint in, out;  /* sources; 0: none */
    GQueue waiting; /* Message */
    uint64_t took;  /* s->arrivals when it came, or last took one */
    Descriptor **vectors;
    GList link;
} Client;

struct Server {
    char *path;
    int listener;
    int reserve; /* a descriptor to refuse a client with; -1: none */
    guint source;
    Descriptor *memory;
    unsigned nvectors;
    bool verbose;
    GQueue clients; /* Client */
    uint64_t arrivals;
    uint64_t waiting; /* messages, of all clients */
    bool used[IDS];
};

static void server_say(const Server *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

static void server_say(const Server *s, const char *fmt, ...)
{
    va_list ap;

    if (!s->verbose) {
        return;
    }
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
}

static void descriptor_clear(gpointer p)
{
    close(((Descriptor *)p)->fd);
}

static void descriptor_unref(Descriptor *d)
{
    if (d != NULL) {
        g_rc_box_release_full(d, descriptor_clear);
    }
}

static Descriptor *descriptor_new(int fd)
{
    Descriptor *d = g_rc_box_new(Descriptor);

    d->fd = fd;
    return d;
}

static void message_free(gpointer p)
{
    Message *m = p;

    descriptor_unref(m->with);
    g_free(m);
}

/* Sending */

static void client_drop(Client *c, const char *why);

/* 1, 0 if it has to wait, or -errno. */
static int send_message(int sock, const Message *m)
{
    uint8_t buf[8], control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec v = { .iov_base = buf, .iov_len = sizeof(buf) };
    struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
    ssize_t n;

    stq_le_p(buf, m->val);
    if (m->with != NULL) {
        struct cmsghdr *cm;

        h.msg_control = control;
        h.msg_controllen = sizeof(control);
        cm = CMSG_FIRSTHDR(&h);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &m->with->fd, sizeof(int));
    }
    do {
        n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    /* The kernel takes so few bytes whole. */
    return n == sizeof(buf) ? 1 : -EPIPE;
}

static gboolean client_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    Client *c = opaque;
    Message *m;

    while ((m = g_queue_peek_head(&c->waiting)) != NULL) {
        int r = send_message(c->sock, m);

        if (r == 0) {
            return G_SOURCE_CONTINUE;
        }
        if (r < 0) {
            c->out = 0;
            client_drop(c, g_strerror(-r));
            return G_SOURCE_REMOVE;
        }
        message_free(g_queue_pop_head(&c->waiting));
        c->s->waiting--;
        c->took = c->s->arrivals;
    }
    c->out = 0;
    return G_SOURCE_REMOVE;
}

/* Sent by the main loop: who tells everybody else loses none meanwhile. */
static void client_tell(Client *c, int64_t val, Descriptor *with)
{
    Message *m = g_new(Message, 1);

    m->val = val;
    m->with = with != NULL ? g_rc_box_acquire(with) : NULL;
    g_queue_push_tail(&c->waiting, m);
    c->s->waiting++;
    if (c->out == 0) {
        c->out = g_unix_fd_add(c->sock, G_IO_OUT, client_writable, c);
    }
}

static void tell_vectors(Client *to, const Client *of)
{
    for (unsigned i = 0; i < to->s->nvectors; i++) {
        client_tell(to, of->id, of->vectors[i]);
    }
}

/* Clients */

static void client_free(Client *c)
{
    if (c->in != 0) {
        g_source_remove(c->in);
    }
    if (c->out != 0) {
        g_source_remove(c->out);
    }
    c->s->waiting -= g_queue_get_length(&c->waiting);
    g_queue_clear_full(&c->waiting, message_free);
    for (unsigned i = 0; c->vectors != NULL && i < c->s->nvectors; i++) {
        descriptor_unref(c->vectors[i]);
    }
    g_free(c->vectors);
    close(c->sock);
    g_free(c);
}

static void client_drop(Client *c, const char *why)
{
    Server *s = c->s;

    server_say(s, "client %u goes: %s", c->id, why);
    g_queue_unlink(&s->clients, &c->link);
    s->used[c->id] = false;
    for (GList *l = s->clients.head; l != NULL; l = l->next) {
        client_tell(l->data, c->id, NULL);
    }
    client_free(c);
}

/* It has nothing to say. */
static gboolean client_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    Client *c = opaque;
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    c->in = 0;
    client_drop(c, n > 0 ? "it speaks" : "it hung up");
    return G_SOURCE_REMOVE;
}

static bool make_vectors(Client *c)
{
    c->vectors = g_new0(Descriptor *, c->s->nvectors);
    for (unsigned i = 0; i < c->s->nvectors; i++) {
        int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        if (fd < 0) {
            return false;
        }
        c->vectors[i] = descriptor_new(fd);
    }
    return true;
}

static bool find_id(Server *s, uint16_t *ret)
{
    for (unsigned i = 0; i < IDS; i++) {
        if (!s->used[i]) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Who has taken nothing for longest, of those that something waits for. */
static Client *find_stuck(const Server *s)
{
    Client *stuck = NULL;

    for (const GList *l = s->clients.head; l != NULL; l = l->next) {
        Client *c = l->data;

        if (!g_queue_is_empty(&c->waiting) &&
            (stuck == NULL || c->took < stuck->took)) {
            stuck = c;
        }
    }
    return stuck;
}

/* A list that is changed while it is walked: from the start again. */
static void drop_slow(Server *s)
{
    GList *l = s->clients.head;

    while (l != NULL) {
        Client *c = l->data;

        if (g_queue_get_length(&c->waiting) > WAITING_MAX) {
            client_drop(c, "it doesn't read");
            l = s->clients.head;
        } else {
            l = l->next;
        }
    }
    while (s->waiting > WAITING_ALL_MAX) {
        client_drop(find_stuck(s), "it doesn't read, and many others don't");
    }
}

static void server_introduce(Server *s, Client *c)
{
    c->took = ++s->arrivals;
    client_tell(c, VERSION, NULL);
    client_tell(c, c->id, NULL);
    client_tell(c, MEMORY, s->memory);
    for (GList *l = s->clients.head; l != NULL; l = l->next) {
        tell_vectors(l->data, c);
        tell_vectors(c, l->data);
    }
    tell_vectors(c, c);
    c->link.data = c;
    g_queue_push_tail_link(&s->clients, &c->link);
    s->used[c->id] = true;
    server_say(s, "client %u comes", c->id);
    drop_slow(s);
}

static int make_reserve(const Server *s)
{
    return fcntl(s->memory->fd, F_DUPFD_CLOEXEC, 0);
}

/* With no descriptor left it would wait for ever, and the loop wouldn't. */
static void refuse_client(Server *s)
{
    int sock;

    if (s->reserve >= 0) {
        close(s->reserve);
    }
    sock = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (sock >= 0) {
        server_say(s, "client refused: no file descriptors are left");
        close(sock);
    }
    s->reserve = make_reserve(s);
}

static gboolean client_comes(gint fd, GIOCondition cond, gpointer opaque)
{
    Server *s = opaque;
    Client *c;
    int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (sock < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            refuse_client(s);
        }
        return G_SOURCE_CONTINUE;
    }
    c = g_new0(Client, 1);
    c->s = s;
    c->sock = sock;
    if (!find_id(s, &c->id) || !make_vectors(c)) {
        server_say(s,
                   "client refused: no id, or no file descriptors, are left");
        client_free(c);
        return G_SOURCE_CONTINUE;
    }
    c->in = g_unix_fd_add(sock, G_IO_IN, client_readable, c);
    server_introduce(s, c);
    return G_SOURCE_CONTINUE;
}

/* The socket */

static bool somebody_listens(const struct sockaddr_un *un)
{
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = sock >= 0 &&
              connect(sock, (const struct sockaddr *)un, sizeof(*un)) == 0;

    if (sock >= 0) {
        close(sock);
    }
    return ok;
}

static int listen_at(const char *path, GError **errp)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd;

    if (g_strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
        sizeof(un.sun_path)) {
        error_setf(errp, "socket '%s': the path has more than %zu bytes", path,
                   sizeof(un.sun_path) - 1);
        return -1;
    }
    if (somebody_listens(&un)) {
        error_setf(errp, "socket '%s': another server is there", path);
        return -1;
    }
    if (g_file_test(path, G_FILE_TEST_EXISTS) &&
        !g_file_test(path, G_FILE_TEST_IS_REGULAR | G_FILE_TEST_IS_DIR)) {
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
        listen(fd, BACKLOG) < 0) {
        error_setf_errno(errp, errno, "socket '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

Server *server_new(const char *path, int memory_fd, unsigned nvectors,
                   bool verbose, GError **errp)
{
    int listener = listen_at(path, errp);
    Server *s;

    if (listener < 0) {
        return NULL;
    }
    s = g_new0(Server, 1);
    s->path = g_strdup(path);
    s->listener = listener;
    s->memory = descriptor_new(memory_fd);
    s->reserve = make_reserve(s);
    s->nvectors = nvectors;
    s->verbose = verbose;
    g_queue_init(&s->clients);
    s->source = g_unix_fd_add(listener, G_IO_IN, client_comes, s);
    server_say(s, "listens at %s", path);
    return s;
}

void server_free(Server *s)
{
    GList *l;

    g_source_remove(s->source);
    close(s->listener);
    if (s->reserve >= 0) {
        close(s->reserve);
    }
    unlink(s->path);
    while ((l = g_queue_pop_head_link(&s->clients)) != NULL) {
        client_free(l->data);
    }
    descriptor_unref(s->memory);
    g_free(s->path);
    g_free(s);
}
