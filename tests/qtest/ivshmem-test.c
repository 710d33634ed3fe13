/*
 * qtest: memory and doorbells that guests share, with a server that says what
 * a test wants.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/pci_regs.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 2 << 3,
    REGS = 0xe0000000,
    MASK = REGS,
    STATUS = REGS + 4,
    POSITION = REGS + 8,
    DOORBELL = REGS + 12,
    MSIX = 0xe0001000,
    MEMORY = 0xe1000000,
    MSIX_CAP = 0x40,
    SIZE = 1 << 20,
    TARGET = 0x200000, /* in RAM, where a message can be seen */
    ID = 3,
    PEER = 5,
    GREETING = 3, /* messages */
    MESSAGES_MAX = 16,
    LATE_US = 100000,
};

static uint32_t cfg_readl(QTest *q, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    return qtest_inl(q, 0xcfc);
}

static void cfg_writel(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static void place_bars(QTest *q)
{
    cfg_writel(q, PCI_BASE_ADDRESS_0, REGS);
    cfg_writel(q, PCI_BASE_ADDRESS_1, MSIX);
    cfg_writel(q, PCI_BASE_ADDRESS_2, MEMORY);
    cfg_writel(q, PCI_BASE_ADDRESS_3, 0);
    cfg_writel(q, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The server */

typedef struct Message {
    int64_t val;
    int fd;     /* -1: none */
    bool twice; /* the same descriptor two times */
} Message;

typedef struct Server {
    char *dir;
    char *path;
    int listener, sock; /* sock -1: nobody has come yet */
    GThread *thread;
    unsigned late_us; /* it says nothing for so long */
    Message greeting[MESSAGES_MAX];
    unsigned n;
} Server;

static void put_message(int sock, const Message *m)
{
    uint8_t buf[8], control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
    struct iovec v = { .iov_base = buf, .iov_len = sizeof(buf) };
    struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
    const int fds[] = { m->fd, m->fd };
    size_t bytes = (m->twice ? 2 : 1) * sizeof(int);

    stq_le_p(buf, m->val);
    if (m->fd >= 0) {
        struct cmsghdr *c;

        h.msg_control = control;
        h.msg_controllen = CMSG_SPACE(bytes);
        c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(bytes);
        memcpy(CMSG_DATA(c), fds, bytes);
    }
    g_assert_cmpint(sendmsg(sock, &h, MSG_NOSIGNAL), ==, 8);
}

static void send_fd(Server *s, int64_t val, int fd)
{
    const Message m = { .val = val, .fd = fd };

    put_message(s->sock, &m);
}

static gpointer greet(gpointer opaque)
{
    Server *s = opaque;

    s->sock = accept(s->listener, NULL, NULL);
    g_assert_cmpint(s->sock, >=, 0);
    g_usleep(s->late_us);
    for (unsigned i = 0; i < s->n; i++) {
        put_message(s->sock, &s->greeting[i]);
    }
    if (s->n < GREETING) {
        shutdown(s->sock, SHUT_WR); /* so that nobody waits for the rest */
    }
    return NULL;
}

static Server *server_new_late(const Message *greeting, unsigned n,
                               unsigned late_us)
{
    Server *s = g_new0(Server, 1);
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    s->dir = g_dir_make_tmp("ivshmem-XXXXXX", NULL);
    s->path = g_build_filename(s->dir, "s", NULL);
    g_assert_cmpuint(g_strlcpy(un.sun_path, s->path, sizeof(un.sun_path)), <,
                     sizeof(un.sun_path));
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(s->listener, (struct sockaddr *)&un, sizeof(un)), ==,
                    0);
    g_assert_cmpint(listen(s->listener, 1), ==, 0);
    s->n = n;
    memcpy(s->greeting, greeting, n * sizeof(*greeting));
    s->late_us = late_us;
    s->thread = g_thread_new("server", greet, s);
    return s;
}

static Server *server_new(const Message *greeting, unsigned n)
{
    return server_new_late(greeting, n, 0);
}

static void server_free(Server *s)
{
    close(s->sock);
    close(s->listener);
    g_unlink(s->path);
    g_rmdir(s->dir);
    g_free(s->dir);
    g_free(s->path);
    g_free(s);
}

/* The other side has closed the connection. */
static void wait_hung_up(Server *s)
{
    uint8_t byte;

    g_assert_cmpint(recv(s->sock, &byte, 1, 0), ==, 0);
}

static int new_memory(uint64_t size)
{
    int fd = memfd_create("shared", MFD_CLOEXEC);

    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return fd;
}

static int new_event(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static uint64_t take_event(int fd)
{
    uint64_t n = 0;

    return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* A guest with two vectors, and a peer with two as well. */
typedef struct Pair {
    QTest *q;
    Server *s;
    int memory, own[2], peer[2];
    uint8_t *map;
} Pair;

static Pair *pair_start(const char *props)
{
    Pair *p = g_new0(Pair, 1);
    Message greeting[7];

    p->memory = new_memory(SIZE);
    p->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, p->memory, 0);
    for (unsigned i = 0; i < 2; i++) {
        p->own[i] = new_event();
        p->peer[i] = new_event();
        greeting[3 + i] = (Message){ .val = PEER, .fd = p->peer[i] };
        greeting[5 + i] = (Message){ .val = ID, .fd = p->own[i] };
    }
    greeting[0] = (Message){ .val = 0, .fd = -1 };
    greeting[1] = (Message){ .val = ID, .fd = -1 };
    greeting[2] = (Message){ .val = -1, .fd = p->memory };
    p->s = server_new(greeting, G_N_ELEMENTS(greeting));
    p->q = qtest_startf("-m 16 -chardev socket,id=c,path=%s -device "
                        "ivshmem-doorbell,chardev=c,id=iv,addr=2,vectors=2%s",
                        p->s->path, props);
    g_thread_join(p->s->thread);
    place_bars(p->q);
    return p;
}

static void pair_end(Pair *p)
{
    qtest_quit(p->q);
    server_free(p->s);
    munmap(p->map, SIZE);
    close(p->memory);
    for (unsigned i = 0; i < 2; i++) {
        close(p->own[i]);
        close(p->peer[i]);
    }
    g_free(p);
}

/*
 * Rings and waits until the peer hears it: that the server's message has been
 * taken can't be asked for, and doesn't take long.
 */
static void ring_until_heard(QTest *q, uint32_t val, int fd)
{
    while (take_event(fd) == 0) {
        qtest_writel(q, DOORBELL, val);
        g_usleep(1000);
    }
}

static void ring_until_gone(QTest *q, uint32_t val, int fd)
{
    do {
        g_usleep(1000);
        qtest_writel(q, DOORBELL, val);
    } while (take_event(fd) != 0);
}

/* Tests */

static void check_words(QTest *q, uint32_t position)
{
    qtest_writel(q, MASK, 0x12345678);
    g_assert_cmphex(qtest_readl(q, MASK), ==, 0x12345678);
    g_assert_cmphex(qtest_readb(q, MASK), ==, 0x78);
    g_assert_cmphex(qtest_readb(q, MASK + 1), ==, 0);
    qtest_writel(q, STATUS, 0xffffffff);
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
    qtest_writel(q, POSITION, 77);
    g_assert_cmphex(qtest_readl(q, POSITION), ==, position);
    g_assert_cmphex(qtest_readl(q, DOORBELL), ==, 0);
    g_assert_cmphex(qtest_readq(q, MASK), ==, 0x12345678);
    g_assert_cmphex(qtest_readl(q, REGS + 252), ==, 0);
    qtest_writel(q, STATUS, 1);
    json_unref(qtest_qmp(q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp_event(q, "RESET"));
    place_bars(q);
    g_assert_cmphex(qtest_readl(q, MASK), ==, 0);
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
}

static void test_plain(void)
{
    QTest *q = qtest_start("-m 16 -object memory-backend-ram,id=m,size=1M "
                           "-device ivshmem-plain,memdev=m,addr=2");

    g_assert_cmphex(cfg_readl(q, PCI_VENDOR_ID), ==, 0x11101af4);
    g_assert_cmphex(cfg_readl(q, PCI_CLASS_REVISION), ==, 0x05000001);
    g_assert_cmphex(cfg_readl(q, PCI_INTERRUPT_LINE), ==, 0);
    place_bars(q);
    /* No MSI-X, so no second BAR. */
    g_assert_cmphex(cfg_readl(q, PCI_BASE_ADDRESS_1), ==, 0);
    check_words(q, 0);
    qtest_writel(q, DOORBELL, 0);
    qtest_writeq(q, MEMORY + SIZE - 8, 0x1122334455667788);
    g_assert_cmphex(qtest_readq(q, MEMORY + SIZE - 8), ==, 0x1122334455667788);
    cfg_writel(q, PCI_BASE_ADDRESS_2, UINT32_MAX);
    g_assert_cmphex(cfg_readl(q, PCI_BASE_ADDRESS_2), ==, 0xfff0000c);
    qtest_quit(q);
}

static void test_doorbell(void)
{
    Pair *p = pair_start("");
    QTest *q = p->q;

    check_words(q, ID);
    ring_until_heard(q, PEER << 16, p->peer[0]);
    ring_until_heard(q, PEER << 16 | 1, p->peer[1]);
    g_assert_cmpuint(take_event(p->peer[0]), ==, 0);
    /* Nobody, and parts of the register. */
    qtest_writel(q, DOORBELL, PEER << 16 | 2);
    qtest_writel(q, DOORBELL, PEER << 16 | 0x100);
    qtest_writel(q, DOORBELL, 4 << 16);
    qtest_writel(q, DOORBELL, 0xffffffff);
    qtest_writew(q, DOORBELL + 2, PEER);
    g_assert_cmpuint(take_event(p->peer[0]), ==, 0);
    g_assert_cmpuint(take_event(p->peer[1]), ==, 0);
    /* The memory is everybody's. */
    memcpy(p->map + 4096, "hello", 5);
    g_assert_cmphex(qtest_readl(q, MEMORY + 4096), ==, 0x6c6c6568);
    qtest_writel(q, MEMORY + SIZE - 4, 0xdeadbeef);
    g_assert_cmphex(ldl_le_p(p->map + SIZE - 4), ==, 0xdeadbeef);
    pair_end(p);
}

static void test_come_and_go(void)
{
    Pair *p = pair_start(",ioeventfd=off");
    int late = new_event();

    ring_until_heard(p->q, PEER << 16 | 1, p->peer[1]);
    send_fd(p->s, PEER, -1);
    send_fd(p->s, 99, -1); /* that it never heard of */
    send_fd(p->s, 65535, late);
    ring_until_heard(p->q, 65535u << 16, late);
    ring_until_gone(p->q, PEER << 16, p->peer[0]);
    /* The same id again. */
    send_fd(p->s, PEER, late);
    ring_until_heard(p->q, PEER << 16, late);
    /* More than it can have. */
    for (unsigned i = 0; i < 4; i++) {
        send_fd(p->s, PEER, late);
    }
    ring_until_heard(p->q, PEER << 16 | 1, late);
    /* The server ends; the peers are still there. */
    shutdown(p->s->sock, SHUT_RDWR);
    ring_until_heard(p->q, PEER << 16, late);
    close(late);
    pair_end(p);
}

static void set_vector(QTest *q, unsigned n, uint32_t addr, uint32_t data,
                       bool masked)
{
    qtest_writel(q, MSIX + 16 * n, addr);
    qtest_writel(q, MSIX + 16 * n + 4, 0);
    qtest_writel(q, MSIX + 16 * n + 8, data);
    qtest_writel(q, MSIX + 16 * n + 12, masked);
}

static void wait_message(QTest *q, uint32_t data)
{
    while (qtest_readl(q, TARGET) != data) {
        g_usleep(1000);
    }
    qtest_writel(q, TARGET, 0);
}

static void ring_self(Pair *p, unsigned vector)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(p->own[vector], &one, sizeof(one)), ==, 8);
}

/* A peer's eventfd is a message of ours. */
static void test_interrupts(void)
{
    Pair *p = pair_start("");
    QTest *q = p->q;

    g_assert_cmphex(cfg_readl(q, MSIX_CAP) & 0x07ff00ff, ==, 0x00010011);
    set_vector(q, 0, TARGET, 0xaaaa, false);
    set_vector(q, 1, TARGET, 0xbbbb, true);
    cfg_writel(q, MSIX_CAP, (uint32_t)PCI_MSIX_FLAGS_ENABLE << 16);
    ring_self(p, 0);
    wait_message(q, 0xaaaa);
    /* Masked: it waits. */
    ring_self(p, 1);
    while (qtest_readl(q, MSIX + 2048) != 2) {
        g_usleep(1000);
    }
    g_assert_cmphex(qtest_readl(q, TARGET), ==, 0);
    set_vector(q, 1, TARGET, 0xbbbb, false);
    g_assert_cmphex(qtest_readl(q, TARGET), ==, 0xbbbb);
    g_assert_cmphex(qtest_readl(q, MSIX + 2048), ==, 0);
    /* By the guest itself. */
    qtest_writel(q, DOORBELL, ID << 16);
    wait_message(q, 0xaaaa);
    pair_end(p);
}

/* A peer that makes its eventfd one whose writers wait, and fills it. */
static void test_full_doorbell(void)
{
    const uint64_t full = UINT64_MAX - 1;
    Pair *p = pair_start("");

    ring_until_heard(p->q, PEER << 16 | 1, p->peer[1]);
    g_assert_cmpint(write(p->peer[0], &full, sizeof(full)), ==, 8);
    g_assert_cmpint(fcntl(p->peer[0], F_SETFL, 0), ==, 0);
    qtest_writel(p->q, DOORBELL, PEER << 16);
    g_assert_cmphex(qtest_readl(p->q, POSITION), ==, ID);
    g_assert_cmphex(take_event(p->peer[0]), ==, full);
    qtest_writel(p->q, DOORBELL, PEER << 16);
    g_assert_cmphex(take_event(p->peer[0]), ==, 1);
    pair_end(p);
}

static int new_fifo(const char *path)
{
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    return open(path, O_RDWR | O_CLOEXEC);
}

/* What a server says wrong ends the connection, and nothing else. */
static void test_broken_rules(void)
{
    g_autofree char *dir = g_dir_make_tmp("ivshmem-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "[eventfd]", NULL);
    const int event = new_event(), memory = new_memory(4096);
    const int fifo = new_fifo(path);
    const Message wrong[] = {
        { .val = -1, .fd = memory },   { .val = -2, .fd = -1 },
        { .val = 65536, .fd = event }, { .val = INT64_MIN, .fd = event },
        { .val = ID, .fd = -1 },       { .val = 7, .fd = memory },
        { .val = ID, .fd = memory },   { .val = 7, .fd = event, .twice = true },
        { .val = 7, .fd = fifo },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        Pair *p = pair_start("");

        ring_until_heard(p->q, PEER << 16 | 1, p->peer[1]);
        put_message(p->s->sock, &wrong[i]);
        wait_hung_up(p->s);
        ring_until_heard(p->q, PEER << 16, p->peer[0]);
        qtest_writel(p->q, MEMORY, 1);
        g_assert_cmphex(ldl_le_p(p->map), ==, 1);
        pair_end(p);
    }
    close(event);
    close(memory);
    close(fifo);
    g_unlink(path);
    g_rmdir(dir);
}

static void check_refused(const Message *greeting, unsigned n,
                          const char *props, const char *message)
{
    Server *s = server_new(greeting, n);
    g_autofree char *args = NULL, *text = NULL;
    int status;

    args = g_strdup_printf("-M pc -accel qtest -display none -nodefaults "
                           "-chardev socket,id=c,path=%s -device "
                           "ivshmem-doorbell,chardev=c%s",
                           s->path, props);
    text = qtest_run(args, &status);
    g_thread_join(s->thread);
    g_assert_cmpint(status, ==, 1);
    if (strstr(text, message) == NULL) {
        g_error("'%s' is not in: %s", message, text);
    }
    server_free(s);
}

static void test_broken_greeting(void)
{
    const int event = new_event(), odd = new_memory(3 << 20);
    const int memory = new_memory(SIZE), empty = new_memory(0);
    const int small = new_memory(2048);
    const struct {
        unsigned n;
        Message m[3];
        const char *props, *message;
    } cases[] = {
        { 1, { { 1, -1 } }, "", "server 'c': protocol version 1, not 0" },
        { 1, { { 0, memory } }, "", "version: there is a file descriptor" },
        { 2, { { 0, -1 }, { -1, -1 } }, "", "server 'c': id -1: 0 to 65535" },
        { 2, { { 0, -1 }, { 65536, -1 } }, "", "id 65536: 0 to 65535" },
        { 3,
          { { 0, -1 }, { 1, -1 }, { -1, -1 } },
          "",
          "memory: message -1 without a file descriptor" },
        { 3,
          { { 0, -1 }, { 1, -1 }, { 1, memory } },
          "",
          "memory: message 1 with a file descriptor" },
        { 3,
          { { 0, -1 }, { 1, -1 }, { -1, memory, true } },
          "",
          "memory: several file descriptors" },
        { 3, { { 0, -1 }, { 1, -1 }, { -1, odd } }, "", "is of 3145728 bytes" },
        { 3, { { 0, -1 }, { 1, -1 }, { -1, empty } }, "", "is of 0 bytes" },
        { 3, { { 0, -1 }, { 1, -1 }, { -1, small } }, "", "is of 2048 bytes" },
        { 3, { { 0, -1 }, { 1, -1 }, { -1, event } }, "", "is of 0 bytes" },
        { 3,
          { { 0, -1 }, { 1, -1 }, { -1, memory } },
          ",master=on",
          "master must connect to the server before any peers" },
        { 3,
          { { 0, -1 }, { 0, -1 }, { -1, memory } },
          ",vectors=0",
          "0 MSI-X vectors: 1 to 2048" },
        { 3,
          { { 0, -1 }, { 0, -1 }, { -1, memory } },
          ",vectors=2049",
          "2049 MSI-X vectors: 1 to 2048" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_refused(cases[i].m, cases[i].n, cases[i].props, cases[i].message);
    }
    close(event);
    close(odd);
    close(memory);
    close(empty);
    close(small);
}

static void test_command_line(void)
{
    static const struct {
        const char *args, *message;
    } cases[] = {
        { "-device ivshmem-plain", "You must specify a 'memdev'" },
        { "-device ivshmem-doorbell", "You must specify a 'chardev'" },
        { "-device ivshmem-plain,memdev=x", "Device 'x' not found" },
        { "-device ivshmem-doorbell,chardev=x", "no character device 'x'" },
        { "-chardev null,id=c -device ivshmem-doorbell,chardev=c",
          "chardev 'c' is not a connected unix socket" },
        { "-object memory-backend-ram,id=m,size=3M -device "
          "ivshmem-plain,memdev=m",
          "m is of 3145728 bytes: a power of two, at least 4096" },
        { "-object memory-backend-ram,id=m,size=1M -device "
          "ivshmem-plain,memdev=m -device ivshmem-plain,memdev=m",
          "can't use already busy memdev: m" },
        { "-only-migratable -object memory-backend-ram,id=m,size=1M -device "
          "ivshmem-plain,memdev=m",
          "disallowing migration blocker (--only-migratable) for: Migration "
          "is disabled when using feature 'peer mode' in device 'ivshmem'" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *args =
            g_strdup_printf("-M pc -accel qtest -display none -nodefaults %s",
                            cases[i].args);
        g_autofree char *text = NULL;
        int status;

        text = qtest_run(args, &status);
        g_assert_cmpint(status, ==, 1);
        if (strstr(text, cases[i].message) == NULL) {
            g_error("'%s' is not in: %s", cases[i].message, text);
        }
    }
}

static void check_done(JsonValue *answer)
{
    g_assert_null(json_object_get(answer, "error"));
    json_unref(answer);
}

static void check_error(JsonValue *answer, const char *part)
{
    const JsonValue *e = json_object_get(answer, "error");
    const char *desc = json_get_string(json_object_get(e, "desc"));

    g_assert_nonnull(desc);
    g_assert_nonnull(strstr(desc, part));
    json_unref(answer);
}

static JsonValue *add_chardev(QTest *q, const char *path)
{
    return qtest_qmp(q,
                     "{'execute': 'chardev-add', 'arguments': {'id': 'c',"
                     " 'backend': {'type': 'socket', 'data': {'server': false,"
                     " 'addr': {'type': 'unix', 'data': {'path': '%s'}}}}}}",
                     path);
}

#define ADD_DOORBELL                                                \
    "{'execute': 'device_add', 'arguments': {'id': 'iv', 'addr': "  \
    "'2', 'driver': 'ivshmem-doorbell', 'chardev': 'c', 'vectors':" \
    " 2}}"

/*
 * Comes and goes while the machine runs.  The server speaks late: the device
 * is waited for, not the machine.
 */
static void test_hotplug(void)
{
    const int memory = new_memory(SIZE);
    const Message greeting[] = { { 0, -1 }, { ID, -1 }, { -1, memory } };
    Server *s = server_new_late(greeting, 3, LATE_US), *bad;
    QTest *q = qtest_start("-m 16");

    check_done(add_chardev(q, s->path));
    check_done(qtest_qmp(q, ADD_DOORBELL));
    g_thread_join(s->thread);
    place_bars(q);
    g_assert_cmphex(qtest_readl(q, POSITION), ==, ID);
    check_error(qtest_qmp(q, "{'execute': 'migrate', 'arguments': {'uri':"
                             " 'exec:cat > /dev/null'}}"),
                "'peer mode' in device 'ivshmem'");
    check_done(qtest_qmp(q, "{'execute': 'device_del', 'arguments': {'id':"
                            " 'iv'}}"));
    qtest_outl(q, 0xae08, 1 << 2); /* the guest lets go of it */
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
    check_done(qtest_qmp(q, "{'execute': 'chardev-remove', 'arguments':"
                            " {'id': 'c'}}"));
    wait_hung_up(s);
    server_free(s);
    /* One that is wrong leaves nothing behind. */
    bad = server_new((const Message[]){ { 9, -1 } }, 1);
    check_done(add_chardev(q, bad->path));
    check_error(qtest_qmp(q, ADD_DOORBELL), "protocol version 9, not 0");
    g_thread_join(bad->thread);
    check_done(qtest_qmp(q, "{'execute': 'chardev-remove', 'arguments':"
                            " {'id': 'c'}}"));
    server_free(bad);
    /* One that goes after half of it. */
    bad = server_new(greeting, 2);
    check_done(add_chardev(q, bad->path));
    g_thread_join(bad->thread);
    shutdown(bad->sock, SHUT_RDWR);
    check_error(qtest_qmp(q, ADD_DOORBELL), "'c'");
    server_free(bad);
    close(memory);
    qtest_quit(q);
}

static bool has_block(QTest *q, const char *name)
{
    g_autofree char *text = qtest_hmp(q, "info ramblock");

    return strstr(text, name) != NULL;
}

/* The memory's name in the stream says which device has it. */
static void test_hotplug_plain(void)
{
    QTest *q = qtest_start("-m 16");

    for (unsigned i = 0; i < 2; i++) {
        check_done(qtest_qmp(q, "{'execute': 'object-add', 'arguments': {'id':"
                                " 'm', 'qom-type': 'memory-backend-ram',"
                                " 'size': 65536}}"));
        check_done(qtest_qmp(q, "{'execute': 'device_add', 'arguments':"
                                " {'id': 'iv', 'addr': '2', 'driver':"
                                " 'ivshmem-plain', 'memdev': 'm',"
                                " 'master': 'on'}}"));
        g_assert_true(has_block(q, "0000:00:02.0/m "));
        check_error(qtest_qmp(q, "{'execute': 'object-del', 'arguments':"
                                 " {'id': 'm'}}"),
                    "in use");
        place_bars(q);
        g_assert_cmphex(qtest_readq(q, MEMORY), ==, 0);
        qtest_writeq(q, MEMORY, 1);
        check_done(qtest_qmp(q, "{'execute': 'device_del', 'arguments':"
                                " {'id': 'iv'}}"));
        qtest_outl(q, 0xae08, 1 << 2);
        json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
        g_assert_false(has_block(q, "0000:00:02.0/m "));
        check_done(qtest_qmp(q, "{'execute': 'object-del', 'arguments':"
                                " {'id': 'm'}}"));
    }
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ivshmem/plain", test_plain);
    g_test_add_func("/ivshmem/doorbell", test_doorbell);
    g_test_add_func("/ivshmem/come-and-go", test_come_and_go);
    g_test_add_func("/ivshmem/interrupts", test_interrupts);
    g_test_add_func("/ivshmem/full-doorbell", test_full_doorbell);
    g_test_add_func("/ivshmem/broken-rules", test_broken_rules);
    g_test_add_func("/ivshmem/broken-greeting", test_broken_greeting);
    g_test_add_func("/ivshmem/command-line", test_command_line);
    g_test_add_func("/ivshmem/hotplug", test_hotplug);
    g_test_add_func("/ivshmem/hotplug-plain", test_hotplug_plain);
    return g_test_run();
}
