/*
 * virtio-net: features, packets in both directions, the control queue, and
 * what a driver that breaks the rules gets.  Over the legacy interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 3 << 3,
    IO = 0xc000,
    QUEUE_SIZE = 256, /* the control queue has 64 */
    RINGS = 0x100000, /* 64 KiB for each queue */
    BUFS = 0x200000,  /* the same */
    RX = 0,
    TX = 1,
    CTRL = 2,
    HDR = 12,
};

typedef struct Card {
    QTest *q;
    char *dir;
    int fd; /* the other end of the cable */
    unsigned avail[3], size[3];
} Card;

static uint64_t desc_at(unsigned q, unsigned i)
{
    return RINGS + q * 0x10000 + 16 * i;
}
static uint64_t avail_at(Card *c, unsigned q)
{
    return RINGS + q * 0x10000 + 16 * c->size[q];
}
static uint64_t used_at(Card *c, unsigned q)
{
    return ROUND_UP(avail_at(c, q) + 6 + 2 * c->size[q], 4096);
}

static Card *start(const char *props)
{
    Card *c = g_new0(Card, 1);
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    c->dir = g_dir_make_tmp("virtio-net-XXXXXX", NULL);
    g_snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", c->dir);
    c->q = qtest_startf("-m 16 -netdev stream,id=n,server=on,addr.type=unix,"
                        "addr.path=%s -device virtio-net-pci,netdev=n,id=v,"
                        "addr=3%s",
                        un.sun_path, props);
    c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(c->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_unlink(un.sun_path);
    qtest_outl(c->q, 0xcf8, 0x80000000 | DEVFN << 8 | 0x10);
    qtest_outl(c->q, 0xcfc, IO);
    qtest_outl(c->q, 0xcf8, 0x80000000 | DEVFN << 8 | 4);
    qtest_outl(c->q, 0xcfc, 7);
    return c;
}

static void end(Card *c)
{
    qtest_quit(c->q);
    close(c->fd);
    g_rmdir(c->dir);
    g_free(c->dir);
    g_free(c);
}

static void drive(Card *c, uint32_t features)
{
    qtest_outb(c->q, IO + VIRTIO_PCI_STATUS, 0);
    qtest_outb(c->q, IO + VIRTIO_PCI_STATUS, 3);
    qtest_outl(c->q, IO + VIRTIO_PCI_GUEST_FEATURES, features);
    for (unsigned i = 0; i < 3; i++) {
        qtest_outw(c->q, IO + VIRTIO_PCI_QUEUE_SEL, i);
        c->size[i] = qtest_inw(c->q, IO + VIRTIO_PCI_QUEUE_NUM);
        qtest_memset(c->q, RINGS + i * 0x10000, 0, 0x10000);
        qtest_outl(c->q, IO + VIRTIO_PCI_QUEUE_PFN,
                   (RINGS + i * 0x10000) / 4096);
        c->avail[i] = 0;
    }
    qtest_outb(c->q, IO + VIRTIO_PCI_STATUS, 7);
}

static void put_desc(Card *c, unsigned q, unsigned i, uint64_t addr,
                     uint32_t len, uint16_t flags)
{
    qtest_writeq(c->q, desc_at(q, i), addr);
    qtest_writel(c->q, desc_at(q, i) + 8, len);
    qtest_writew(c->q, desc_at(q, i) + 12, flags);
    qtest_writew(c->q, desc_at(q, i) + 14, i + 1);
}

static void offer(Card *c, unsigned q, unsigned head)
{
    unsigned n = c->avail[q]++;

    qtest_writew(c->q, avail_at(c, q) + 4 + 2 * (n % c->size[q]), head);
    qtest_writew(c->q, avail_at(c, q) + 2, c->avail[q]);
    qtest_outw(c->q, IO + VIRTIO_PCI_QUEUE_NOTIFY, q);
}

static unsigned used(Card *c, unsigned q)
{
    return qtest_readw(c->q, used_at(c, q) + 2);
}

static void put_frame(Card *c, const void *buf, uint32_t len)
{
    uint8_t head[4];

    stl_be_p(head, len);
    g_assert_cmpint(write(c->fd, head, 4), ==, 4);
    g_assert_cmpint(write(c->fd, buf, len), ==, (ssize_t)len);
}

static void test_features(void)
{
    const uint32_t offloads =
        1u << VIRTIO_NET_F_CSUM | 1u << VIRTIO_NET_F_GUEST_CSUM |
        1u << VIRTIO_NET_F_HOST_TSO4 | 1u << VIRTIO_NET_F_GUEST_TSO4;
    Card *c = start(",host_mtu=1400,mac=52:54:00:aa:bb:cc");
    uint32_t f = qtest_inl(c->q, IO + VIRTIO_PCI_HOST_FEATURES);

    /* A stream knows no headers. */
    g_assert_cmphex(f & offloads, ==, 0);
    g_assert_cmphex(f >> VIRTIO_NET_F_MTU & 1, ==, 1);
    g_assert_cmphex(f >> VIRTIO_NET_F_MAC & 1, ==, 1);
    g_assert_cmphex(qtest_inl(c->q, IO + 20), ==, 0xaa005452);
    g_assert_cmphex(qtest_inw(c->q, IO + 26), ==, VIRTIO_NET_S_LINK_UP);
    g_assert_cmpuint(qtest_inw(c->q, IO + 30), ==, 1400);
    json_unref(qtest_qmp(c->q, "{'execute': 'set_link', 'arguments': "
                               "{'name': 'n', 'up': false}}"));
    g_assert_cmphex(qtest_inw(c->q, IO + 26), ==, 0);
    end(c);
}

static void test_send(void)
{
    Card *c = start("");
    uint8_t buf[HDR + 100] = { 0 }, got[104];

    drive(c, 1u << VIRTIO_NET_F_MRG_RXBUF);
    for (unsigned i = 0; i < 100; i++) {
        buf[HDR + i] = i;
    }
    qtest_memwrite(c->q, BUFS, buf, sizeof(buf));
    put_desc(c, TX, 0, BUFS, HDR + 10, 1);
    put_desc(c, TX, 1, BUFS + HDR + 10, 90, 0);
    offer(c, TX, 0);
    g_assert_cmpint(recv(c->fd, got, 104, MSG_WAITALL), ==, 104);
    g_assert_cmpuint(ldl_be_p(got), ==, 100);
    g_assert_cmpmem(got + 4, 100, buf + HDR, 100);
    g_assert_cmpuint(used(c, TX), ==, 1);
    /* It asks for what was never negotiated: lost, and the queue goes on. */
    qtest_writeb(c->q, BUFS, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    offer(c, TX, 0);
    qtest_writeb(c->q, BUFS, 0);
    offer(c, TX, 0);
    g_assert_cmpint(recv(c->fd, got, 104, MSG_WAITALL), ==, 104);
    g_assert_cmpuint(used(c, TX), ==, 3);
    g_assert_cmpint(recv(c->fd, got, 1, MSG_DONTWAIT), ==, -1);
    end(c);
}

/* One frame fills three chains, which say so. */
static void test_receive(void)
{
    Card *c = start("");
    uint8_t frame[200], got[HDR + 200];

    for (unsigned i = 0; i < sizeof(frame); i++) {
        frame[i] = i;
    }
    drive(c, 1u << VIRTIO_NET_F_MRG_RXBUF);
    put_frame(c, frame, sizeof(frame)); /* waits for the buffers */
    for (unsigned i = 0; i < 3; i++) {
        put_desc(c, RX, i, BUFS + 100 * i, 100, 2);
        offer(c, RX, i);
    }
    while (used(c, RX) < 3) {
        g_thread_yield();
    }
    qtest_memread(c->q, BUFS, got, sizeof(got));
    g_assert_cmpuint(lduw_le_p(got + 10), ==, 3);
    g_assert_cmpmem(got + HDR, 200, frame, 200);
    g_assert_cmpuint(qtest_readl(c->q, used_at(c, RX) + 4 + 16 + 4), ==, 12);
    end(c);
}

/* The answer to a command of `len` bytes. */
static unsigned command(Card *c, const void *cmd, unsigned len)
{
    unsigned before = used(c, CTRL);

    qtest_memwrite(c->q, BUFS, cmd, len);
    qtest_writeb(c->q, BUFS + 0x8000, 0x55);
    put_desc(c, CTRL, 0, BUFS, len, 1);
    put_desc(c, CTRL, 1, BUFS + 0x8000, 1, 2);
    offer(c, CTRL, 0);
    g_assert_cmpuint(used(c, CTRL), ==, before + 1);
    return qtest_readb(c->q, BUFS + 0x8000);
}

#define COMMAND(c, ...)                          \
    command(c, (const uint8_t[]){ __VA_ARGS__ }, \
            sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void test_control(void)
{
    const uint32_t features =
        1u << VIRTIO_NET_F_CTRL_VQ | 1u << VIRTIO_NET_F_CTRL_RX |
        1u << VIRTIO_NET_F_CTRL_VLAN | 1u << VIRTIO_NET_F_CTRL_MAC_ADDR;
    Card *c = start("");
    JsonValue *info;
    const JsonValue *f;

    drive(c, features);
    g_assert_cmpuint(COMMAND(c, 0, 0, 0), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(COMMAND(c, 0, 1, 1), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(COMMAND(c, 2, 0, 5, 0), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(COMMAND(c, 2, 0, 0, 16), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 1, 1, 2, 4, 6, 8, 10, 12), ==, VIRTIO_NET_OK);
    g_assert_cmpuint(COMMAND(c, 1, 0, 1, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0,
                             3, 1, 1, 1, 1, 1),
                     ==, VIRTIO_NET_OK);
    /* Cut short, too many, unknown, not negotiated. */
    g_assert_cmpuint(COMMAND(c, 1, 0, 1, 0, 0, 0, 2), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 1, 0, 0xff, 0xff, 0xff, 0xff), ==,
                     VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 9, 9), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 0, 9, 1), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 0, 2, 1), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 4, 0, 2, 0), ==, VIRTIO_NET_ERR);
    g_assert_cmpuint(COMMAND(c, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==,
                     VIRTIO_NET_ERR);
    json_unref(qtest_qmp_event(c->q, "NIC_RX_FILTER_CHANGED"));
    info = qtest_qmp(c->q, "{'execute': 'query-rx-filter', 'arguments': "
                           "{'name': 'v'}}");
    f = json_array_at(info, 0);
    g_assert_cmpstr(json_get_string(json_object_get(f, "main-mac")), ==,
                    "02:04:06:08:0a:0c");
    g_assert_cmpstr(json_get_string(json_object_get(f, "multicast")), ==,
                    "all");
    g_assert_cmpuint(json_array_len(json_object_get(f, "vlan-table")), ==, 1);
    g_assert_cmpstr(json_get_string(
                        json_array_at(json_object_get(f, "unicast-table"), 0)),
                    ==, "02:01:01:01:01:01");
    g_assert_cmpstr(json_get_string(json_array_at(
                        json_object_get(f, "multicast-table"), 0)),
                    ==, "03:01:01:01:01:01");
    json_unref(info);
    end(c);
}

/* Chains without a header, with room, without any: the device stops. */
static void test_broken(void)
{
    static const struct {
        unsigned queue;
        uint32_t len;
        uint16_t flags;
    } t[] = { { TX, 5, 0 }, { TX, 100, 2 }, { RX, 100, 0 }, { CTRL, 1, 0 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        Card *c = start("");
        uint8_t frame[60] = { 0 };

        drive(c, 1u << VIRTIO_NET_F_CTRL_VQ);
        put_desc(c, t[i].queue, 0, BUFS, t[i].len, t[i].flags);
        offer(c, t[i].queue, 0);
        put_frame(c, frame, sizeof(frame));
        g_assert_cmpuint(used(c, t[i].queue), ==, 0);
        /* A reset, and all is well. */
        drive(c, 1u << VIRTIO_NET_F_MRG_RXBUF);
        put_desc(c, RX, 0, BUFS, 100, 2);
        offer(c, RX, 0);
        put_frame(c, frame, sizeof(frame));
        while (used(c, RX) == 0) {
            g_thread_yield();
        }
        end(c);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *props, *error;
    } t[] = {
        { "rss=on", "rss=on is not supported" },
        { "failover=on", "failover=on is not supported" },
        { "rx_queue_size=300", "Invalid rx_queue_size (= 300), must be a "
                               "power of 2 between 256 and 1024." },
        { "tx=foo", "tx=foo: 'timer' or 'bh'" },
        { "netdev=zz",
          "Property 'virtio-net-pci.netdev' can't find value 'zz'" },
        { "mac=foo", "Property 'virtio-net-pci.mac' doesn't take value "
                     "'foo'" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args =
            g_strdup_printf("-accel qtest -display none -nodefaults -device "
                            "virtio-net-pci,%s",
                            t[i].props);
        int status;
        g_autofree char *text = qtest_run(args, &status);

        g_assert_cmpint(status, ==, 1);
        g_test_message("%s", text);
        g_assert_nonnull(strstr(text, t[i].error));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-net/features", test_features);
    g_test_add_func("/virtio-net/send", test_send);
    g_test_add_func("/virtio-net/receive", test_receive);
    g_test_add_func("/virtio-net/control", test_control);
    g_test_add_func("/virtio-net/broken", test_broken);
    g_test_add_func("/virtio-net/refused", test_refused);
    return g_test_run();
}
