/*
 * e1000: EEPROM, PHY, interrupts, sending with checksums and segmentation,
 * receiving with filters, and rings that make no sense.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/e1000.h"

static Card *start(void)
{
    return card_start("pc", "e1000");
}

static void test_eeprom(void)
{
    Card *c = start();
    uint16_t sum = 0, bits = 0;

    for (unsigned i = 0; i < 64; i++) {
        uint32_t v;

        reg_write(c, EERD, i << 8 | 1);
        v = reg_read(c, EERD);
        g_assert_cmphex(v & 0xff10, ==, i << 8 | 0x10);
        sum += v >> 16;
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    /* Bit by bit: READ of word 1. */
    reg_write(c, EECD, 0);
    reg_write(c, EECD, 2);
    for (int i = 8; i >= 0; i--) {
        unsigned di = (6 << 6 | 1) >> i & 1;

        reg_write(c, EECD, 2 | di << 2);
        reg_write(c, EECD, 3 | di << 2);
        reg_write(c, EECD, 2 | di << 2);
    }
    for (unsigned i = 0; i < 16; i++) {
        bits = bits << 1 | (reg_read(c, EECD) >> 3 & 1);
        reg_write(c, EECD, 3);
        reg_write(c, EECD, 2);
    }
    reg_write(c, EERD, 1 << 8 | 1);
    g_assert_cmphex(bits, ==, reg_read(c, EERD) >> 16);
    card_end(c);
}

static void test_phy_and_link(void)
{
    Card *c = start();

    reg_write(c, MDIC, 2 << 26 | 1 << 21 | 2 << 16);
    g_assert_cmphex(reg_read(c, MDIC) & 0x5000ffff, ==, 0x10000141);
    reg_write(c, MDIC, 2 << 26 | 1 << 21 | 31 << 16);
    g_assert_cmphex(reg_read(c, MDIC) >> 30 & 1, ==, 1);
    reg_write(c, IMS, 4);
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 2);
    json_unref(qtest_qmp(c->q, "{'execute': 'set_link', 'arguments': "
                               "{'name': 'n', 'up': false}}"));
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 0);
    g_assert_cmphex(reg_read(c, ICR), ==, 4);
    g_assert_cmphex(reg_read(c, ICR), ==, 0);
    json_unref(qtest_qmp(c->q, "{'execute': 'set_link', 'arguments': "
                               "{'name': 'e', 'up': true}}"));
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 2);
    g_assert_cmphex(reg_read(c, ICR), ==, 4);
    /* A reset by software: registers, but not the cable. */
    reg_write(c, RCTL, EN);
    reg_write(c, CTRL, 1 << 26);
    g_assert_cmphex(reg_read(c, RCTL), ==, 0);
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 2);
    g_assert_cmphex(reg_read(c, RAL), ==, 0x12005452);
    card_end(c);
}

static void test_send(void)
{
    Card *c = start();
    uint8_t frame[64], got[2048];

    rings_on(c);
    for (unsigned i = 0; i < sizeof(frame); i++) {
        frame[i] = i;
    }
    qtest_memwrite(c->q, TX_BUF, frame, sizeof(frame));
    /* In two pieces; EOP, RS */
    put_desc(c, TX_BUF, 10, 0);
    put_desc(c, TX_BUF + 10, 54 | 0x09u << 24, 0);
    g_assert_cmpuint(get_frame(c, got, sizeof(got)), ==, 64);
    g_assert_cmpmem(got, 64, frame, 64);
    g_assert_cmphex(qtest_readb(c->q, TX_RING + 16 + 12) & 1, ==, 1);
    g_assert_cmphex(qtest_readb(c->q, TX_RING + 12) & 1, ==, 0);
    g_assert_cmphex(reg_read(c, ICR) & 3, ==, 3);
    g_assert_cmphex(reg_read(c, TDH), ==, 2);
    card_end(c);
}

/* 14 Ethernet, 20 IPv4, 20 TCP, then 2500 bytes in segments of 1000. */
static void test_segments(void)
{
    enum { HEADER = 54, PAYLOAD = 2500, MSS = 1000 };
    Card *c = start();
    uint8_t frame[HEADER + PAYLOAD] = { 0 }, got[2048];
    uint8_t *ip = frame + 14, *tcp = frame + 34;
    uint32_t pseudo;

    stw_be_p(frame + 12, 0x0800);
    ip[0] = 0x45;
    ip[8] = 64;
    ip[9] = 6;
    stw_be_p(ip + 4, 100);
    stl_be_p(ip + 12, 0x0a000001);
    stl_be_p(ip + 16, 0x0a000002);
    stl_be_p(tcp + 4, 5000);
    tcp[12] = 0x50;
    tcp[13] = 0x19; /* ACK, PSH, FIN */
    /* The driver puts the pseudo header's sum there, without the length. */
    pseudo = sum16(ip + 12, 8, 6);
    stw_be_p(tcp + 16, pseudo);
    for (unsigned i = 0; i < PAYLOAD; i++) {
        frame[HEADER + i] = i * 3;
    }
    rings_on(c);
    qtest_memwrite(c->q, TX_BUF, frame, sizeof(frame));
    put_desc(c,
             14 | 24 << 8 | UINT64_C(33) << 16 | UINT64_C(34) << 32 |
                 UINT64_C(50) << 40,
             PAYLOAD | (0x20u | 0x04 | 0x03) << 24, HEADER << 8 | MSS << 16);
    put_desc(c, TX_BUF, 100 | 1 << 20 | (0x20u | 0x04) << 24, 3 << 8);
    put_desc(c, TX_BUF + 100,
             (sizeof(frame) - 100) | 1 << 20 | (0x20u | 0x0c | 0x01) << 24, 0);
    for (unsigned i = 0; i < 3; i++) {
        size_t len = get_frame(c, got, sizeof(got));
        size_t payload = len - HEADER;

        g_assert_cmpuint(payload, ==, i < 2 ? MSS : PAYLOAD - 2 * MSS);
        g_assert_cmpuint(lduw_be_p(got + 16), ==, len - 14);
        g_assert_cmpuint(lduw_be_p(got + 18), ==, 100 + i);
        g_assert_cmpuint(ldl_be_p(got + 38), ==, 5000 + i * MSS);
        g_assert_cmphex(got[47], ==, i < 2 ? 0x10 : 0x19);
        g_assert_cmphex(sum16(got + 14, 20, 0), ==, 0xffff);
        g_assert_cmphex(sum16(got + 34, len - 34,
                              sum16(got + 26, 8, 6 + (uint32_t)(len - 34))),
                        ==, 0xffff);
        g_assert_cmpmem(got + HEADER, payload, frame + HEADER + i * MSS,
                        payload);
    }
    card_end(c);
}

static void test_receive(void)
{
    Card *c = start();
    uint8_t frame[100] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, got[100];

    for (unsigned i = 6; i < sizeof(frame); i++) {
        frame[i] = i;
    }
    rings_on(c);
    reg_read(c, ICR);
    put_frame(c, frame, sizeof(frame));
    wait_reg(c, RDH, 0xffff, 1);
    g_assert_cmphex(reg_read(c, ICR) & 0x80, ==, 0x80);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 8), ==, sizeof(frame));
    g_assert_cmphex(qtest_readb(c->q, RX_RING + 12) & 3, ==, 3);
    qtest_memread(c->q, RX_BUF, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), frame, sizeof(frame));
    /* Not ours; broadcast; short ones are made long enough. */
    frame[0] = 0x50;
    put_frame(c, frame, sizeof(frame));
    memset(frame, 0xff, 6);
    put_frame(c, frame, 0);
    put_frame(c, frame, 14);
    wait_reg(c, RDH, 0xffff, 2);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 16 + 8), ==, 60);
    g_assert_cmpuint(reg_read(c, TPR), ==, 2);
    g_assert_cmpuint(reg_read(c, TPR), ==, 0);
    card_end(c);
}

/* A full ring holds the sender up; nothing is lost. */
static void test_receive_full(void)
{
    Card *c = start();
    uint8_t frame[60];

    memset(frame, 0xff, sizeof(frame));
    rings_on(c);
    for (unsigned i = 0; i < RING + 2; i++) {
        frame[20] = i;
        put_frame(c, frame, sizeof(frame));
    }
    wait_reg(c, RDH, 0xffff, RING - 1);
    wait_reg(c, ICR, 0x40, 0x40);
    g_assert_cmphex(reg_read(c, RDH), ==, RING - 1);
    reg_write(c, RDT, 2);
    wait_reg(c, RDH, 0xffff, 2);
    g_assert_cmphex(qtest_readb(c->q, RX_BUF + 2048 + 20), ==, RING + 1);
    card_end(c);
}

/* Rings that lie anywhere and indexes beyond them: the VM lives on. */
static void test_wild(void)
{
    static const uint32_t values[] = { 0,      1,          0x80,
                                       0xffff, 0x80000000, 0xffffffff };
    static const unsigned regs[] = { TDBAL, TDBAL + 4, TDLEN,     TDH,
                                     TDT,   RDBAL,     RDBAL + 4, RDLEN,
                                     RDH,   RDT,       RCTL,      TCTL };
    Card *c = start();
    uint8_t frame[60], got[70000];
    g_autoptr(GRand) rnd = g_rand_new_with_seed(1);

    memset(frame, 0xff, sizeof(frame));
    qtest_memset(c->q, TX_RING, 0xff, 0x1000);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned reg = regs[g_rand_int_range(rnd, 0, G_N_ELEMENTS(regs))];
        uint32_t val = values[g_rand_int_range(rnd, 0, G_N_ELEMENTS(values))];

        if (reg == TDBAL && g_rand_boolean(rnd)) {
            val = TX_RING;
        }
        reg_write(c, reg, val);
        if (i % 50 == 0) {
            put_frame(c, frame, sizeof(frame));
        }
        while (recv(c->fd, got, sizeof(got), MSG_DONTWAIT) > 0) {
        }
    }
    reg_write(c, CTRL, 1 << 26);
    g_assert_cmphex(reg_read(c, RAL), ==, 0x12005452);
    card_end(c);
}

/* 70 000 bytes are no frame: that cable is cut, the card lives on. */
static void test_too_long(void)
{
    Card *c = start();
    uint8_t head[4], byte;

    rings_on(c);
    stl_be_p(head, 70000);
    g_assert_cmpint(write(c->fd, head, 4), ==, 4);
    g_assert_cmpint(recv(c->fd, &byte, 1, 0), ==, 0);
    g_assert_cmphex(reg_read(c, RDH), ==, 0);
    card_end(c);
}

/*
 * The longest ring, and each descriptor is cut up into 64 frames: that isn't
 * done before the guest's write returns, but in the end, and stops with the
 * VM.
 */
static void test_endless_ring(void)
{
    enum { LONG_RING = 0x100000, DESCS = 0xfff80 / 16, HEADER = 54 };
    QTest *q = qtest_start("-m 16 -device e1000,addr=3");
    Card c = { .q = q };
    g_autofree uint8_t *ring = g_malloc0(DESCS * 16);
    uint32_t head;

    config_write(&c, 0x10, MMIO);
    config_write(&c, 4, 7);
    for (unsigned i = 0; i < DESCS; i++) {
        uint8_t *d = ring + 16 * i;

        stq_le_p(d, TX_BUF);
        /* Data: one packet of 4096 bytes, to be segmented. */
        stl_le_p(d + 8, (4096 + HEADER) | 1 << 20 | 0x25u << 24);
    }
    /* First its context: segments of 64 bytes. */
    stq_le_p(ring, 0);
    stl_le_p(ring + 8, 0x25u << 24);
    stl_le_p(ring + 12, 64u << 16 | HEADER << 8);
    qtest_memwrite(q, LONG_RING, ring, DESCS * 16);
    reg_write(&c, TDBAL, LONG_RING);
    reg_write(&c, TDLEN, DESCS * 16);
    reg_write(&c, TCTL, EN);
    reg_write(&c, TDT, DESCS - 1);
    head = reg_read(&c, TDH);
    g_assert_cmpuint(head, <, DESCS - 1);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    head = reg_read(&c, TDH);
    g_assert_cmpuint(reg_read(&c, TDH), ==, head);
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    while (reg_read(&c, TDH) != DESCS - 1) {
        g_usleep(1000);
    }
    g_assert_cmpuint(reg_read(&c, TPR + 4), >, DESCS * 60);
    qtest_quit(q);
}

static void test_long_packet(void)
{
    check_long_packet("pc", "e1000");
}

/* The rest of what is given up is no packet to a destination: it's gone. */
static void test_long_packet_rest(void)
{
    enum {
        DATA = 1 << 20 | (0x20u | 0x04) << 24,
        EOP = 1 << 24,
        TPT = TPR + 4
    };
    QTest *q = qtest_start("-m 16 -device e1000,addr=3");
    Card c = { .q = q };

    config_write(&c, 0x10, MMIO);
    config_write(&c, 4, 7);
    rings_on(&c);
    put_desc(&c, 0, (0x20u | 0x04) << 24, 54 << 8 | 1 << 16);
    put_desc(&c, TX_BUF, 0xfffff | DATA, 0);
    put_desc(&c, TX_BUF, 1000 | DATA, 0);
    put_desc(&c, TX_BUF, 1000 | DATA | EOP, 0);
    put_desc(&c, TX_BUF, 60 | 0x01 << 24, 0);
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    g_assert_cmpuint(reg_read(&c, TDH), ==, 4);
    reg_read(&c, TPT);
    json_unref(qtest_qmp(q, "{'execute': 'cont'}"));
    while (reg_read(&c, TDH) != 5) {
        g_usleep(1000);
    }
    g_assert_cmpuint(reg_read(&c, TPT), ==, 1);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e1000/eeprom", test_eeprom);
    g_test_add_func("/e1000/phy-and-link", test_phy_and_link);
    g_test_add_func("/e1000/send", test_send);
    g_test_add_func("/e1000/segments", test_segments);
    g_test_add_func("/e1000/long-packet", test_long_packet);
    g_test_add_func("/e1000/long-packet-rest", test_long_packet_rest);
    g_test_add_func("/e1000/receive", test_receive);
    g_test_add_func("/e1000/receive-full", test_receive_full);
    g_test_add_func("/e1000/wild", test_wild);
    g_test_add_func("/e1000/too-long", test_too_long);
    g_test_add_func("/e1000/endless-ring", test_endless_ring);
    return g_test_run();
}
