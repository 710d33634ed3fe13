/*
 * Frames that no network should carry, from each kind of back end to each
 * card: empty, of a header and nothing else, of 70 000 bytes, cut off.  The
 * next good frame arrives as it was sent.  The same from each card to a
 * user-mode network, which answers afterwards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <netinet/in.h>

#include "tests/qtest/e1000.h"

enum {
    GOOD = 100, /* bytes of a frame that arrives */
    IO = 0xc000,
    VQ_DESC = 0x100000,
    VQ_BUF = 0x200000,
    VQ_BUF_BYTES = 2048,
    VQ_SECOND = 0x10000, /* from the first queue to the second */
    VQ_HEADER = 0x180000,
    VQ_BUFS = 128, /* a frame of 70 000 bytes fits in */
    LONGEST = 70000,
};

/* A card that has room for frames. */
typedef struct Kind {
    const char *name, *machine, *device;
    void (*up)(Card *c);
    /* Does what was received last begin so?  Makes room for others. */
    bool (*got)(Card *c, const uint8_t *frame, size_t len);
    /* Sends what is at TX_BUF, up to LONGEST bytes. */
    void (*send)(Card *c, unsigned len);
} Kind;

/* virtio, the legacy interface */

static unsigned vq_size(Card *c)
{
    return qtest_inw(c->q, IO + VIRTIO_PCI_QUEUE_NUM);
}

static uint64_t vq_avail(Card *c)
{
    return VQ_DESC + 16 * vq_size(c);
}

static uint64_t vq_used(Card *c)
{
    return ROUND_UP(vq_avail(c) + 6 + 2 * vq_size(c), 4096);
}

static void vq_offer(Card *c, unsigned buf)
{
    qtest_writew(c->q, vq_avail(c) + 4 + 2 * (c->tail++ % vq_size(c)), buf);
    qtest_writew(c->q, vq_avail(c) + 2, c->tail);
    qtest_outw(c->q, IO + VIRTIO_PCI_QUEUE_NOTIFY, 0);
}

static void virtio_up(Card *c, uint32_t features)
{
    config_write(c, 0x10, IO);
    config_write(c, 4, 7);
    qtest_outb(c->q, IO + VIRTIO_PCI_STATUS, 3);
    qtest_outl(c->q, IO + VIRTIO_PCI_GUEST_FEATURES, features);
    for (unsigned i = 2; i-- > 0;) { /* the first stays selected */
        qtest_outw(c->q, IO + VIRTIO_PCI_QUEUE_SEL, i);
        qtest_outl(c->q, IO + VIRTIO_PCI_QUEUE_PFN,
                   (VQ_DESC + VQ_SECOND * i) / 4096);
    }
    qtest_outb(c->q, IO + VIRTIO_PCI_STATUS, 7);
    for (unsigned i = 0; i < VQ_BUFS; i++) {
        qtest_writeq(c->q, VQ_DESC + 16 * i, VQ_BUF + VQ_BUF_BYTES * i);
        qtest_writel(c->q, VQ_DESC + 16 * i + 8, VQ_BUF_BYTES);
        qtest_writel(c->q, VQ_DESC + 16 * i + 12, 2);
        vq_offer(c, i);
    }
}

static void virtio_plain_up(Card *c)
{
    virtio_up(c, 0);
}

static void virtio_mergeable_up(Card *c)
{
    virtio_up(c, 1u << VIRTIO_NET_F_MRG_RXBUF);
}

static bool virtio_got(Card *c, const uint8_t *frame, size_t len,
                       unsigned header)
{
    unsigned idx = qtest_readw(c->q, vq_used(c) + 2);
    unsigned room = c->tail - VQ_BUFS; /* what was there is offered again */
    uint8_t got[GOOD];
    uint32_t id = 0;

    for (; (uint16_t)(idx - room) != 0; room++) {
        id = qtest_readl(c->q, vq_used(c) + 4 + 8 * (room % vq_size(c)));
        g_assert_cmpuint(id, <, VQ_BUFS);
        qtest_memread(c->q, VQ_BUF + id * VQ_BUF_BYTES + header, got, len);
        vq_offer(c, id);
        if (memcmp(got, frame, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool virtio_plain_got(Card *c, const uint8_t *frame, size_t len)
{
    return virtio_got(c, frame, len, sizeof(struct virtio_net_hdr));
}

static bool virtio_mergeable_got(Card *c, const uint8_t *frame, size_t len)
{
    return virtio_got(c, frame, len, sizeof(struct virtio_net_hdr_mrg_rxbuf));
}

/* One chain at a time in the second queue: header, frame. */
static void virtio_send(Card *c, unsigned len, unsigned header)
{
    const uint64_t desc = VQ_DESC + VQ_SECOND;
    const uint64_t avail = desc + vq_avail(c) - VQ_DESC;
    const uint64_t used = desc + vq_used(c) - VQ_DESC;
    uint16_t n = qtest_readw(c->q, avail + 2);

    qtest_writeq(c->q, desc, VQ_HEADER);
    qtest_writel(c->q, desc + 8, header);
    qtest_writel(c->q, desc + 12, len > 0 ? 1 << 16 | 1 : 0);
    qtest_writeq(c->q, desc + 16, TX_BUF);
    qtest_writel(c->q, desc + 24, len);
    qtest_writel(c->q, desc + 28, 0);
    qtest_writew(c->q, avail + 4 + 2 * (n % vq_size(c)), 0);
    qtest_writew(c->q, avail + 2, n + 1);
    qtest_outw(c->q, IO + VIRTIO_PCI_QUEUE_NOTIFY, 1);
    while (qtest_readw(c->q, used + 2) != (uint16_t)(n + 1)) {
        g_usleep(500);
    }
}

static void virtio_plain_send(Card *c, unsigned len)
{
    virtio_send(c, len, sizeof(struct virtio_net_hdr));
}

static void virtio_mergeable_send(Card *c, unsigned len)
{
    virtio_send(c, len, sizeof(struct virtio_net_hdr_mrg_rxbuf));
}

/* Intel's */

static void intel_up(Card *c)
{
    config_write(c, 0x10, MMIO);
    config_write(c, 4, 7);
    rings_on(c);
}

static bool intel_got(Card *c, const uint8_t *frame, size_t len)
{
    unsigned head = reg_read(c, RDH);
    unsigned last = (head + RING - 1) % RING;
    uint8_t got[GOOD];

    reg_write(c, RDT, last);
    qtest_memread(c->q, RX_BUF + 2048 * last, got, len);
    return memcmp(got, frame, len) == 0;
}

static void intel_send(Card *c, unsigned len)
{
    unsigned done = 0;

    do {
        unsigned n = MIN(len - done, 16000);
        bool last = done + n == len;

        put_desc(c, TX_BUF + done, n | (last ? 0x09u : 0x08u) << 24, 0);
        done += n;
    } while (done < len);
    while (reg_read(c, TDH) != reg_read(c, TDT)) {
        g_usleep(500);
    }
}

static const Kind kinds[] = {
    { "virtio-plain", "pc", "virtio-net-pci", virtio_plain_up, virtio_plain_got,
      virtio_plain_send },
    { "virtio-mergeable", "pc", "virtio-net-pci", virtio_mergeable_up,
      virtio_mergeable_got, virtio_mergeable_send },
    { "e1000", "pc", "e1000", intel_up, intel_got, intel_send },
    { "e1000e", "q35", "e1000e", intel_up, intel_got, intel_send },
};

static void card_up(Card *c, const Kind *k, const char *netdev)
{
    c->q = qtest_startf("-M %s -m 16 %s -device %s,netdev=n,addr=3", k->machine,
                        netdev, k->device);
    k->up(c);
}

static void make_good(uint8_t *frame)
{
    static uint8_t serial;

    serial++;
    memset(frame, 0xff, 6); /* to everybody */
    for (unsigned i = 6; i < GOOD; i++) {
        frame[i] = serial + i;
    }
}

static void await_frame(Card *c, const Kind *k, const uint8_t *frame,
                        size_t len)
{
    while (!k->got(c, frame, len)) {
        g_usleep(500);
    }
}

/* Datagrams: each is a frame, whatever its length. */

static const unsigned lengths[] = { 0,    1,    13,    14,    59,    1514,
                                    1515, 9018, 16384, 65507, 69632, LONGEST };

static void send_datagrams(Card *c, const Kind *k, const struct sockaddr *to,
                           socklen_t len)
{
    g_autofree uint8_t *buf = g_malloc(LONGEST);
    uint8_t good[GOOD];

    memset(buf, 0xff, LONGEST);
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        /* UDP has no longer ones. */
        unsigned n =
            to->sa_family == AF_INET ? MIN(lengths[i], 65507) : lengths[i];

        g_assert_cmpint(sendto(c->fd, buf, n, 0, to, len), ==, n);
        make_good(good);
        g_assert_cmpint(sendto(c->fd, good, GOOD, 0, to, len), ==, GOOD);
        await_frame(c, k, good, GOOD);
    }
}

/* hub: the card is on a hub with it. */
static void test_unix_datagrams(const Kind *k, bool hub)
{
    Card c = { .dir = g_dir_make_tmp("frames-XXXXXX", NULL) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    g_autofree char *netdev =
        g_strdup_printf("-netdev dgram,id=%s,local.type=unix,local.path=%s/s,"
                        "remote.type=unix,remote.path=%s/t %s",
                        hub ? "d" : "n", c.dir, c.dir,
                        hub ? "-netdev hubport,id=n,hubid=0 "
                              "-netdev hubport,id=m,hubid=0,netdev=d"
                            : "");

    g_snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", c.dir);
    card_up(&c, k, netdev);
    c.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    send_datagrams(&c, k, (struct sockaddr *)&un, sizeof(un));
    qtest_quit(c.q);
    close(c.fd);
    g_unlink(un.sun_path);
    g_assert_cmpint(g_rmdir(c.dir), ==, 0);
    g_free(c.dir);
}

static void test_dgram(const void *k)
{
    test_unix_datagrams(k, false);
}

static void test_hub(const void *k)
{
    test_unix_datagrams(k, true);
}

/* A UDP socket of this host; its port, in host order, is free afterwards. */
static int udp_socket(uint16_t *ret_port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(in);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&in, sizeof(in)), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&in, &len), ==, 0);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void test_udp(const void *opaque)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    g_autofree char *netdev = NULL;
    const Kind *k = opaque;
    uint16_t mine, port;
    Card c = { .fd = udp_socket(&mine) };

    close(udp_socket(&port));
    netdev = g_strdup_printf("-netdev socket,id=n,udp=127.0.0.1:%u,"
                             "localaddr=127.0.0.1:%u",
                             mine, port);
    card_up(&c, k, netdev);
    in.sin_port = htons(port);
    send_datagrams(&c, k, (struct sockaddr *)&in, sizeof(in));
    qtest_quit(c.q);
    close(c.fd);
}

/* Streams: a length goes before each frame. */

typedef struct Piece {
    uint32_t head;  /* the length that is said … */
    unsigned bytes; /* … and what follows */
    bool cut;       /* the connection can't go on */
} Piece;

static const Piece pieces[] = {
    { 0, 0, false },    { 1, 1, false },        { 13, 13, false },
    { 14, 14, false },  { 1515, 1515, false },  { 69632, 69632, false },
    { 69633, 0, true }, { LONGEST, 0, true },   { UINT32_MAX, 0, true },
    { 60, 30, true },   { 69632, 69631, true },
};

static void send_all(Card *c, const void *buf, size_t n)
{
    g_assert_cmpint(send(c->fd, buf, n, MSG_NOSIGNAL), ==, (ssize_t)n);
}

static void send_frame(Card *c, uint32_t head, const void *buf, size_t n)
{
    uint8_t h[4];

    stl_be_p(h, head);
    send_all(c, h, 4);
    if (n > 0) {
        send_all(c, buf, n);
    }
}

/* Ours is the half that says no more; theirs follows. */
static void await_cut(Card *c)
{
    uint8_t byte;

    shutdown(c->fd, SHUT_WR);
    g_assert_cmpint(recv(c->fd, &byte, 1, 0), <=, 0);
    close(c->fd);
    c->fd = -1;
}

static void send_pieces(Card *c, const Kind *k, const char *path)
{
    g_autofree uint8_t *buf = g_malloc(LONGEST);
    uint8_t good[GOOD];

    memset(buf, 0xff, LONGEST);
    for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
        if (c->fd < 0) {
            c->fd = cable(path);
        }
        send_frame(c, pieces[i].head, buf, pieces[i].bytes);
        if (pieces[i].cut) {
            await_cut(c);
            c->fd = cable(path);
        }
        make_good(good);
        send_frame(c, GOOD, good, GOOD);
        await_frame(c, k, good, GOOD);
    }
    /* Half a length. */
    send_all(c, "\0", 2);
    await_cut(c);
}

static void test_stream(const void *opaque)
{
    Card c = { .dir = g_dir_make_tmp("frames-XXXXXX", NULL), .fd = -1 };
    const Kind *k = opaque;
    g_autofree char *path = g_build_filename(c.dir, "s", NULL);
    g_autofree char *netdev = g_strdup_printf(
        "-netdev stream,id=n,server=on,addr.type=unix,addr.path=%s", path);

    card_up(&c, k, netdev);
    send_pieces(&c, k, path);
    qtest_quit(c.q);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(c.dir), ==, 0);
    g_free(c.dir);
}

/* The guest's own, to a network that looks into them. */
static void test_user(const void *opaque)
{
    /* Who has 10.0.2.2?  Ours is 10.0.2.15. */
    static const uint8_t ask[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
                                   0x54, 0,    0x12, 0x34, 0x56, 8,    6,
                                   0,    1,    8,    0,    6,    4,    0,
                                   1,    0x52, 0x54, 0,    0x12, 0x34, 0x56,
                                   10,   0,    2,    15,   0,    0,    0,
                                   0,    0,    0,    10,   0,    2,    2 };
    static const uint8_t answer[] = { 0x52, 0x54, 0,  0x12, 0x34, 0x56,
                                      0x52, 0x55, 10, 0,    2,    2,
                                      8,    6,    0,  1,    8,    0,
                                      6,    4,    0,  2 };
    const Kind *k = opaque;
    Card c = { 0 };

    card_up(&c, k, "-netdev user,id=n");
    for (unsigned fill = 0; fill <= 0xff; fill += 0xff) {
        for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
            qtest_memset(c.q, TX_BUF, fill, LONGEST);
            k->send(&c, lengths[i]);
        }
    }
    /* IPv4 and ARP of nothing. */
    qtest_memwrite(c.q, TX_BUF, ask, 14);
    k->send(&c, 14);
    qtest_writew(c.q, TX_BUF + 12, 0x0008);
    k->send(&c, 14);
    qtest_memwrite(c.q, TX_BUF, ask, sizeof(ask));
    k->send(&c, sizeof(ask));
    await_frame(&c, k, answer, sizeof(answer));
    qtest_quit(c.q);
}

static void add_tests(const char *backend, GTestDataFunc fn)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path =
            g_strdup_printf("/net-frames/%s/%s", backend, kinds[i].name);

        g_test_add_data_func(path, &kinds[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests("stream", test_stream);
    add_tests("dgram", test_dgram);
    add_tests("hub", test_hub);
    add_tests("udp", test_udp);
    add_tests("user", test_user);
    return g_test_run();
}
