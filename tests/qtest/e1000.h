/*
 * Intel's gigabit cards, as qtests need them: registers, rings of eight legacy
 * descriptors, and the other end of the cable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_E1000_H
#define TESTS_QTEST_E1000_H

#include "util/base.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <glib/gstdio.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

#define MMIO UINT64_C(0xe0000000)
enum {
    DEVFN = 3 << 3,
    CTRL = 0,
    STATUS = 8,
    EECD = 0x10,
    EERD = 0x14,
    MDIC = 0x20,
    ICR = 0xc0,
    IMS = 0xd0,
    IMC = 0xd8,
    RCTL = 0x100,
    TCTL = 0x400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TPR = 0x40d0,
    RAL = 0x5400,
    EN = 1 << 1,
    BAM = 1 << 15,
    SECRC = 1 << 26,
    TX_RING = 0x10000,
    RX_RING = 0x20000,
    TX_BUF = 0x30000,
    RX_BUF = 0x40000,
    RING = 8, /* descriptors */
};

typedef struct Card {
    QTest *q;
    char *dir;
    int fd; /* the other end of the cable */
    unsigned tail;
} Card;

static inline void config_write(Card *c, unsigned reg, uint32_t val)
{
    qtest_outl(c->q, 0xcf8, 0x80000000 | DEVFN << 8 | reg);
    qtest_outl(c->q, 0xcfc, val);
}

static inline uint32_t reg_read(Card *c, unsigned reg)
{
    return qtest_readl(c->q, MMIO + reg);
}

static inline void reg_write(Card *c, unsigned reg, uint32_t val)
{
    qtest_writel(c->q, MMIO + reg, val);
}

static inline int cable(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

/* `type` in slot 3, on a cable. */
static inline Card *card_start(const char *machine, const char *type)
{
    Card *c = g_new0(Card, 1);
    g_autofree char *path = NULL;

    c->dir = g_dir_make_tmp("e1000-XXXXXX", NULL);
    path = g_build_filename(c->dir, "s", NULL);
    c->q = qtest_startf("-M %s -m 16 -netdev stream,id=n,server=on,"
                        "addr.type=unix,addr.path=%s "
                        "-device %s,netdev=n,id=e,addr=3",
                        machine, path, type);
    c->fd = cable(path);
    g_unlink(path);
    config_write(c, 0x10, MMIO);
    config_write(c, 4, 7);
    return c;
}

static inline void card_end(Card *c)
{
    qtest_quit(c->q);
    close(c->fd);
    g_rmdir(c->dir);
    g_free(c->dir);
    g_free(c);
}

static inline void rings_on(Card *c)
{
    reg_write(c, TDBAL, TX_RING);
    reg_write(c, TDLEN, RING * 16);
    reg_write(c, TCTL, EN);
    for (unsigned i = 0; i < RING; i++) {
        qtest_writeq(c->q, RX_RING + 16 * i, RX_BUF + 2048 * i);
        qtest_writeq(c->q, RX_RING + 16 * i + 8, 0);
    }
    reg_write(c, RDBAL, RX_RING);
    reg_write(c, RDLEN, RING * 16);
    reg_write(c, RDT, RING - 1);
    reg_write(c, RCTL, EN | BAM | SECRC);
}

/* The next descriptor, which the card is told of at once. */
static inline void put_desc(Card *c, uint64_t addr, uint32_t lower,
                            uint32_t upper)
{
    uint64_t at = TX_RING + 16 * c->tail;

    qtest_writeq(c->q, at, addr);
    qtest_writel(c->q, at + 8, lower);
    qtest_writel(c->q, at + 12, upper);
    c->tail = (c->tail + 1) % RING;
    reg_write(c, TDT, c->tail);
}

/* A whole frame from the cable. */
static inline size_t get_frame(Card *c, uint8_t *buf, size_t room)
{
    uint8_t len[4];
    size_t n;

    g_assert_cmpint(recv(c->fd, len, 4, MSG_WAITALL), ==, 4);
    n = ldl_be_p(len);
    g_assert_cmpuint(n, <=, room);
    g_assert_cmpint(recv(c->fd, buf, n, MSG_WAITALL), ==, (ssize_t)n);
    return n;
}

static inline void put_frame(Card *c, const void *buf, uint32_t len)
{
    uint8_t head[4];

    stl_be_p(head, len);
    g_assert_cmpint(write(c->fd, head, 4), ==, 4);
    g_assert_cmpint(write(c->fd, buf, len), ==, (ssize_t)len);
}

static inline void wait_reg(Card *c, unsigned reg, uint32_t mask, uint32_t want)
{
    while ((reg_read(c, reg) & mask) != want) {
        g_thread_yield();
    }
}

/* Of 16-bit words, carries added in. */
static inline uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/*
 * A packet of which each byte is to be a frame: not all of them at once, and
 * when the VM stops, what is left of it is given up.  The next one is sent.
 */
static inline void check_long_packet(const char *machine, const char *type)
{
    enum { HEADER = 54, LEN = 65000, TPT = TPR + 4, TURN = 1024 };
    QTest *q = qtest_startf("-M %s -m 16 -device %s,addr=3", machine, type);
    Card c = { .q = q };
    uint32_t sent;

    config_write(&c, 0x10, MMIO);
    config_write(&c, 4, 7);
    rings_on(&c);
    /* One that stands has no other turn than that of the register. */
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    put_desc(&c, 0, (0x20u | 0x04) << 24, HEADER << 8 | 1 << 16);
    put_desc(&c, TX_BUF, LEN | 1 << 20 | (0x20u | 0x0c | 0x01) << 24, 0);
    sent = reg_read(&c, TPT);
    g_assert_cmpuint(sent, ==, TURN);
    g_assert_cmpuint(reg_read(&c, TDH), ==, 1);
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    while (reg_read(&c, TDH) == 1) {
        g_usleep(1000);
    }
    sent += reg_read(&c, TPT);
    g_assert_cmpuint(sent, ==, LEN - HEADER);
    put_desc(&c, TX_BUF, 0xfffff | 1 << 20 | (0x20u | 0x0c | 0x01) << 24, 0);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    g_assert_cmpuint(reg_read(&c, TDH), ==, 3);
    reg_read(&c, TPT);
    g_assert_cmpuint(qtest_readl(q, TX_RING + 2 * 16 + 12) & 1, ==, 1);
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    put_desc(&c, TX_BUF, 60 | (0x08u | 0x01) << 24, 0);
    while (reg_read(&c, TDH) != 4) {
        g_usleep(1000);
    }
    g_assert_cmpuint(reg_read(&c, TPT), ==, 1);
    g_assert_cmpuint(qtest_readl(q, TX_RING + 3 * 16 + 12) & 1, ==, 1);
    qtest_quit(q);
}

#endif
