/*
 * e1000e: NVM, PHY, interrupts with and without MSI-X, sending from both
 * rings, receiving by each kind of descriptor, filters, and rings that make no
 * sense.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/e1000.h"

enum {
    CTRL_EXT = 0x18,
    EEWR = 0x102c,
    ICS = 0xc8,
    EIAC = 0xdc,
    IAM = 0xe0,
    IVAR = 0xe4,
    EITR = 0xe8,
    PSRCTL = 0x2170,
    RXCSUM = 0x5000,
    RFCTL = 0x5008,
    MTA = 0x5200,
    VFTA = 0x5600,
    MRQC = 0x5818,
    RETA = 0x5c00,
    RSSRK = 0x5c80,
    QUEUE1 = 0x100, /* from a register of queue 0 to queue 1's */
    VME = 1 << 30,
    VFE = 1 << 18,
    DTYP_SPLIT = 1 << 10,
    EXSTEN = 1 << 15,
    PCSD = 1 << 13,
    EIAME = 1 << 24,
    LSC = 1 << 2,
    RXQ0 = 1 << 20,
    TXQ0 = 1 << 22,
    OTHER = 1 << 24,
    ASSERTED = INT32_MIN,
    MSIX_TABLE = 0xe0200000,
    MESSAGES = 0x50000,
    VECTORS = 5,
    /* RXQ0 to RXQ1, TXQ0 to TXQ1, OTHER: vectors 0, 2, 1, 3, 4. */
    IVAR_ALL = 0xcb9a8,
    RX_RING1 = 0x21000,
    TX_RING1 = 0x11000,
};

static Card *start(void)
{
    Card *c = card_start("q35", "e1000e");

    config_write(c, 0x1c, MSIX_TABLE);
    return c;
}

static void msix_on(Card *c)
{
    for (unsigned v = 0; v < VECTORS; v++) {
        qtest_writeq(c->q, MSIX_TABLE + 16 * v, MESSAGES + 4 * v);
        qtest_writel(c->q, MSIX_TABLE + 16 * v + 8, 1);
        qtest_writel(c->q, MSIX_TABLE + 16 * v + 12, 0);
    }
    config_write(c, 0xa0, 0x80000011);
    reg_write(c, IVAR, IVAR_ALL);
}

/* Bit n: vector n was sent since this was asked last. */
static unsigned messages(Card *c)
{
    unsigned got = 0;

    for (unsigned v = 0; v < VECTORS; v++) {
        got |= qtest_readl(c->q, MESSAGES + 4 * v) << v;
        qtest_writel(c->q, MESSAGES + 4 * v, 0);
    }
    return got;
}

static unsigned intx(Card *c)
{
    qtest_outl(c->q, 0xcf8, 0x80000000 | DEVFN << 8 | 4);
    return qtest_inl(c->q, 0xcfc) >> 19 & 1;
}

static uint16_t nvm_word(Card *c, unsigned word)
{
    reg_write(c, EERD, word << 2 | 1);
    g_assert_cmphex(reg_read(c, EERD) & 3, ==, 2);
    return reg_read(c, EERD) >> 16;
}

static void test_nvm(void)
{
    Card *c = start();
    uint16_t sum = 0;

    for (unsigned i = 0; i < 64; i++) {
        sum += nvm_word(c, i);
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    g_assert_cmphex(nvm_word(c, 0), ==, 0x5452);
    reg_write(c, EERD, 64 << 2 | 1);
    g_assert_cmphex(reg_read(c, EERD) & 2, ==, 0);
    reg_write(c, EEWR, 0xabcd0000 | 5 << 2 | 1);
    g_assert_cmphex(nvm_word(c, 5), ==, 0xabcd);
    card_end(c);
}

static uint32_t phy_read(Card *c, unsigned reg)
{
    reg_write(c, MDIC, 2 << 26 | 1 << 21 | reg << 16);
    return reg_read(c, MDIC) & 0x5000ffff;
}

static void phy_write(Card *c, unsigned reg, uint16_t val)
{
    reg_write(c, MDIC, 1 << 26 | 1 << 21 | reg << 16 | val);
}

static void test_phy_and_link(void)
{
    Card *c = start();

    g_assert_cmphex(phy_read(c, 3), ==, 0x10000cb1);
    g_assert_cmphex(phy_read(c, 31), ==, 0x50000000);
    g_assert_cmphex(phy_read(c, 21), ==, 0x10000000);
    phy_write(c, 22, 2);
    g_assert_cmphex(phy_read(c, 21), ==, 0x10001046);
    g_assert_cmphex(phy_read(c, 17), ==, 0x50000000);
    phy_write(c, 22, 0xffff); /* no such page */
    g_assert_cmphex(phy_read(c, 16), ==, 0x50000000);
    g_assert_cmphex(reg_read(c, STATUS), ==, 0x80283);
    json_unref(qtest_qmp(c->q, "{'execute': 'set_link', 'arguments': "
                               "{'name': 'n', 'up': false}}"));
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 0);
    g_assert_cmphex(reg_read(c, ICR), ==, (uint32_t)ASSERTED | LSC);
    g_assert_cmphex(reg_read(c, ICR), ==, 0);
    /* A reset by software: registers, but not the cable. */
    reg_write(c, RCTL, EN);
    reg_write(c, CTRL, 1 << 26);
    g_assert_cmphex(reg_read(c, RCTL), ==, 0);
    g_assert_cmphex(reg_read(c, STATUS) & 2, ==, 0);
    g_assert_cmphex(reg_read(c, RAL), ==, 0x12005452);
    card_end(c);
}

static void test_intx(void)
{
    Card *c = start();

    reg_write(c, ICS, LSC);
    g_assert_cmpuint(intx(c), ==, 0);
    reg_write(c, IMS, LSC);
    g_assert_cmpuint(intx(c), ==, 1);
    g_assert_cmphex(reg_read(c, ICR), ==, (uint32_t)ASSERTED | LSC);
    g_assert_cmpuint(intx(c), ==, 0);
    /* Reading masks what IAM says, if IAME is set. */
    reg_write(c, CTRL_EXT, 1 << 27);
    reg_write(c, IAM, LSC);
    reg_write(c, IMS, LSC | 1);
    reg_write(c, ICS, LSC);
    reg_read(c, ICR);
    g_assert_cmphex(reg_read(c, IMS), ==, 1);
    /* A second edge waits for ITR. */
    reg_write(c, CTRL_EXT, 0);
    reg_write(c, 0xc4, 1000);
    reg_write(c, ICS, 1);
    g_assert_cmpuint(intx(c), ==, 1);
    reg_read(c, ICR);
    reg_write(c, ICS, 1);
    g_assert_cmpuint(intx(c), ==, 0);
    qtest_clock_step(c->q, 1000 * 256);
    g_assert_cmpuint(intx(c), ==, 1);
    card_end(c);
}

static void test_msix(void)
{
    Card *c = start();

    msix_on(c);
    reg_write(c, EIAC, RXQ0);
    reg_write(c, CTRL_EXT, EIAME);
    reg_write(c, IAM, RXQ0 | OTHER);
    reg_write(c, IMS, 0x1f00004);
    reg_write(c, ICS, TXQ0);
    g_assert_cmphex(messages(c), ==, 1 << 1);
    reg_write(c, ICS, LSC);
    g_assert_cmphex(messages(c), ==, 1 << 4);
    g_assert_cmphex(reg_read(c, IMS), ==, 0xf00004);
    /* Told, acknowledged and masked by being told. */
    reg_write(c, ICS, RXQ0);
    g_assert_cmphex(messages(c), ==, 1 << 0);
    g_assert_cmphex(reg_read(c, ICS) & RXQ0, ==, 0);
    reg_write(c, ICS, RXQ0);
    g_assert_cmphex(messages(c), ==, 0);
    reg_write(c, IMS, RXQ0); /* what came meanwhile */
    g_assert_cmphex(messages(c), ==, 1 << 0);
    reg_write(c, IMS, RXQ0);
    g_assert_cmphex(messages(c), ==, 0);
    /* Held back by EITR, not lost. */
    reg_write(c, EITR + 4, 2000);
    reg_write(c, ICS, TXQ0);
    reg_write(c, ICS, TXQ0);
    g_assert_cmphex(messages(c), ==, 1 << 1);
    qtest_clock_step(c->q, 2000 * 256 - 1);
    g_assert_cmphex(messages(c), ==, 0);
    qtest_clock_step(c->q, 1);
    g_assert_cmphex(messages(c), ==, 1 << 1);
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
    put_desc(c, TX_BUF, 10, 0);
    put_desc(c, TX_BUF + 10, 54 | 0x09u << 24, 0);
    g_assert_cmpuint(get_frame(c, got, sizeof(got)), ==, 64);
    g_assert_cmpmem(got, 64, frame, 64);
    g_assert_cmphex(qtest_readb(c->q, TX_RING + 16 + 12) & 1, ==, 1);
    g_assert_cmphex(reg_read(c, ICR) & (TXQ0 | 3), ==, TXQ0 | 3);
    /* The other ring, with a tag; delayed by TIDV. */
    reg_write(c, CTRL, VME);
    reg_write(c, 0x3820, 100);
    qtest_writeq(c->q, TX_RING1, TX_BUF);
    qtest_writel(c->q, TX_RING1 + 8, 64 | 0xc9u << 24);
    qtest_writel(c->q, TX_RING1 + 12, 0x123u << 16);
    reg_write(c, TDBAL + QUEUE1, TX_RING1);
    reg_write(c, TDLEN + QUEUE1, RING * 16);
    reg_write(c, TDT + QUEUE1, 1);
    g_assert_cmpuint(get_frame(c, got, sizeof(got)), ==, 68);
    g_assert_cmphex(ldl_be_p(got + 12), ==, 0x81000123);
    g_assert_cmphex(reg_read(c, ICR) & TXQ0 << 1, ==, 0);
    qtest_clock_step(c->q, 100 * 1024);
    g_assert_cmphex(reg_read(c, ICR) & (TXQ0 << 1 | 1), ==, TXQ0 << 1 | 1);
    card_end(c);
}

/* 66.9.149.187:2794 to 161.142.100.80:1766, the example of RSS. */
static size_t tcp_frame(uint8_t *f, size_t payload, bool good)
{
    size_t len = 54 + payload;
    uint8_t *ip = f + 14, *tcp = f + 34;

    memset(f, 0, len);
    stq_be_p(f, UINT64_C(0x525400123456) << 16);
    stw_be_p(f + 12, 0x0800);
    ip[0] = 0x45;
    ip[8] = 64;
    ip[9] = 6;
    stw_be_p(ip + 2, len - 14);
    stl_be_p(ip + 12, 0x420995bb);
    stl_be_p(ip + 16, 0xa18e6450);
    stw_be_p(ip + 10, ~sum16(ip, 20, 0));
    stw_be_p(tcp, 2794);
    stw_be_p(tcp + 2, 1766);
    tcp[12] = 0x50;
    for (size_t i = 0; i < payload; i++) {
        f[54 + i] = i;
    }
    stw_be_p(tcp + 16,
             ~sum16(tcp, len - 34, sum16(ip + 12, 8, 6 + (uint32_t)len - 34)));
    f[54] ^= !good;
    return len;
}

static void test_receive_legacy(void)
{
    Card *c = start();
    uint8_t frame[200], got[200];
    size_t len = tcp_frame(frame, 100, true);

    rings_on(c);
    put_frame(c, frame, len);
    wait_reg(c, RDH, 0xffff, 1);
    g_assert_cmphex(reg_read(c, ICR) & (RXQ0 | 0x80), ==, RXQ0 | 0x80);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 8), ==, len);
    /* Both checksums were looked at, and are right. */
    g_assert_cmphex(qtest_readw(c->q, RX_RING + 12), ==, 0x63);
    qtest_memread(c->q, RX_BUF, got, len);
    g_assert_cmpmem(got, len, frame, len);
    put_frame(c, frame, tcp_frame(frame, 100, false));
    wait_reg(c, RDH, 0xffff, 2);
    g_assert_cmphex(qtest_readw(c->q, RX_RING + 16 + 12), ==, 0x2063);
    /* Broadcasts; short ones are made long enough. */
    memset(frame, 0xff, sizeof(frame));
    put_frame(c, frame, 0);
    put_frame(c, frame, 14);
    wait_reg(c, RDH, 0xffff, 3);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 32 + 8), ==, 60);
    g_assert_cmpuint(reg_read(c, TPR), ==, 3);
    g_assert_cmpuint(reg_read(c, TPR), ==, 0);
    card_end(c);
}

static void test_filters(void)
{
    Card *c = start();
    uint8_t frame[64] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x05 };
    uint8_t all[64];

    memset(all, 0xff, sizeof(all));
    rings_on(c);
    /* Nobody has asked for it; what comes next is stored first. */
    put_frame(c, frame, sizeof(frame));
    put_frame(c, all, sizeof(all));
    wait_reg(c, RDH, 0xffff, 1);
    g_assert_cmphex(qtest_readb(c->q, RX_BUF), ==, 0xff);
    /* Bits 47 to 36 of the address: 0x050. */
    reg_write(c, MTA + 4 * (0x50 >> 5), 1 << (0x50 & 31));
    put_frame(c, frame, sizeof(frame));
    wait_reg(c, RDH, 0xffff, 2);
    /* VLAN 0x123 of two, and its tag is taken out. */
    reg_write(c, RCTL, EN | BAM | SECRC | VFE);
    reg_write(c, VFTA + 4 * (0x123 >> 5), 1 << (0x123 & 31));
    reg_write(c, CTRL, VME);
    stl_be_p(frame + 12, 0x81000124);
    put_frame(c, frame, sizeof(frame));
    stl_be_p(frame + 12, 0x8100e123);
    put_frame(c, frame, sizeof(frame));
    wait_reg(c, RDH, 0xffff, 3);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 32 + 8), ==, 60);
    g_assert_cmphex(qtest_readb(c->q, RX_RING + 32 + 12) & 8, ==, 8);
    g_assert_cmphex(qtest_readw(c->q, RX_RING + 32 + 14), ==, 0xe123);
    card_end(c);
}

static void ring1_on(Card *c)
{
    for (unsigned i = 0; i < RING; i++) {
        qtest_writeq(c->q, RX_RING1 + 16 * i, RX_BUF + 0x8000 + 2048 * i);
        qtest_writeq(c->q, RX_RING1 + 16 * i + 8, 0);
    }
    reg_write(c, RDBAL + QUEUE1, RX_RING1);
    reg_write(c, RDLEN + QUEUE1, RING * 16);
    reg_write(c, RDT + QUEUE1, RING - 1);
}

/* Key and results are those of Microsoft's specification. */
static void test_rss(void)
{
    static const uint32_t key[] = { 0x6d5a56da, 0x255b0ec2, 0x4167253d,
                                    0x43a38fb0, 0xd0ca2bcb, 0xae7b30b4,
                                    0x77cb2da3, 0x8030f20c, 0x6a42b73b,
                                    0xbeac01fa };
    static const struct {
        uint32_t types, hash, mrq;
    } t[] = {
        { 1 << 16, 0x51ccc178, 1 },
        { 1 << 17, 0x323e8fc2, 2 },
        { 1 << 18, 0, 0 },
    };
    Card *c = start();
    uint8_t frame[200];
    size_t len = tcp_frame(frame, 100, true);

    rings_on(c);
    ring1_on(c);
    for (unsigned i = 0; i < G_N_ELEMENTS(key); i++) {
        reg_write(c, RSSRK + 4 * i, __builtin_bswap32(key[i]));
    }
    reg_write(c, RFCTL, EXSTEN);
    reg_write(c, RXCSUM, PCSD | 3 << 8);
    for (unsigned i = 0; i < G_N_ELEMENTS(t); i++) {
        /* To queue 1, by the entry of the hash alone. */
        unsigned entry = t[i].hash & 127, q = t[i].hash != 0;
        uint64_t desc = q ? RX_RING1 + 16 * i : RX_RING;

        reg_write(c, RETA + (entry & ~3u), 0x80u << 8 * (entry & 3));
        reg_write(c, MRQC, 1 | t[i].types);
        put_frame(c, frame, len);
        wait_reg(c, RDH + QUEUE1 * q, 0xffff, q ? i + 1 : 1);
        g_assert_cmphex(qtest_readl(c->q, desc), ==, t[i].mrq | q << 8);
        g_assert_cmphex(qtest_readl(c->q, desc + 4), ==, t[i].hash);
        g_assert_cmphex(qtest_readl(c->q, desc + 8), ==, 0x63);
        g_assert_cmpuint(qtest_readw(c->q, desc + 12), ==, len);
    }
    g_assert_cmphex(reg_read(c, ICR) & 3 * RXQ0, ==, 3 * RXQ0);
    card_end(c);
}

/* Headers to a buffer of 128 bytes, the rest to pages. */
static void test_split(void)
{
    Card *c = start();
    uint8_t frame[1600], got[1600];
    size_t len = tcp_frame(frame, 1400, true);

    rings_on(c);
    for (unsigned i = 0; i < RING / 2; i++) {
        for (unsigned b = 0; b < 4; b++) {
            qtest_writeq(c->q, RX_RING + 32 * i + 8 * b,
                         RX_BUF + 0x4000 * i + 0x1000 * b);
        }
    }
    reg_write(c, PSRCTL, 1 | 1 << 8 | 1 << 16 | 1 << 24);
    reg_write(c, RFCTL, EXSTEN);
    reg_write(c, RCTL, EN | BAM | SECRC | DTYP_SPLIT);
    /* The tail is in units of 16 bytes. */
    reg_write(c, RDT, RING - 2);
    put_frame(c, frame, len);
    wait_reg(c, RDH, 0xffff, 2);
    g_assert_cmphex(qtest_readl(c->q, RX_RING + 8), ==, 0x63);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 12), ==, 54);
    g_assert_cmphex(qtest_readw(c->q, RX_RING + 16), ==, 0x8000 | 54);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 18), ==, 1024);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 20), ==, 1400 - 1024);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 22), ==, 0);
    qtest_memread(c->q, RX_BUF, got, 54);
    qtest_memread(c->q, RX_BUF + 0x1000, got + 54, 1024);
    qtest_memread(c->q, RX_BUF + 0x2000, got + 54 + 1024, 1400 - 1024);
    g_assert_cmpmem(got, len, frame, len);
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
    static const unsigned regs[] = {
        TDBAL,  TDBAL + 4, TDLEN, TDH,    TDT,  RDBAL,    RDBAL + 4, RDLEN,
        RDH,    RDT,       RCTL,  TCTL,   IMS,  ICS,      IVAR,      EITR,
        PSRCTL, RFCTL,     MRQC,  RXCSUM, EIAC, CTRL_EXT,
    };
    Card *c = start();
    uint8_t frame[200], got[70000];
    size_t len = tcp_frame(frame, 100, true);
    g_autoptr(GRand) rnd = g_rand_new_with_seed(1);

    msix_on(c);
    qtest_memset(c->q, TX_RING, 0xff, 0x1000);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned reg = regs[g_rand_int_range(rnd, 0, G_N_ELEMENTS(regs))];
        uint32_t val = values[g_rand_int_range(rnd, 0, G_N_ELEMENTS(values))];

        if (reg == TDBAL && g_rand_boolean(rnd)) {
            val = TX_RING;
        }
        reg_write(c, reg + (reg >= RDBAL && reg <= TDT && i % 2 ? QUEUE1 : 0),
                  val);
        if (i % 50 == 0) {
            put_frame(c, frame, len);
        }
        while (recv(c->fd, got, sizeof(got), MSG_DONTWAIT) > 0) {
        }
    }
    reg_write(c, CTRL, 1 << 26);
    g_assert_cmphex(reg_read(c, RAL), ==, 0x12005452);
    card_end(c);
}

/* A frame whose first part resets the card: the rest has somewhere to go. */
static void test_frame_to_itself(void)
{
    enum { BSIZE_256 = 3 << 16 };
    Card *c = start();
    uint8_t frame[600], got[600];

    memset(frame, 0xff, sizeof(frame));
    rings_on(c);
    reg_write(c, RCTL, EN | BAM | SECRC | BSIZE_256);
    qtest_writeq(c->q, RX_RING, MMIO + CTRL);
    put_frame(c, frame, sizeof(frame));
    wait_reg(c, RDH, 0xffff, 3);
    g_assert_cmphex(reg_read(c, RCTL), ==, EN | BAM | SECRC | BSIZE_256);
    g_assert_cmpuint(qtest_readw(c->q, RX_RING + 32 + 8), ==, 600 - 512);
    qtest_memread(c->q, RX_BUF + 2048, got, 256);
    g_assert_cmpmem(got, 256, frame, 256);
    card_end(c);
}

/* It goes with its registers mapped, MSI-X on and a delay under way. */
static void test_unplug(void)
{
    enum { BNUM = 0xae10, B0EJ = 0xae08 };
    Card *c = card_start("pc", "e1000e");

    config_write(c, 0x1c, MSIX_TABLE);
    msix_on(c);
    reg_write(c, EITR, 1000);
    reg_write(c, IMS, RXQ0);
    reg_write(c, ICS, RXQ0);
    reg_write(c, ICS, RXQ0);
    json_unref(qtest_qmp(c->q, "{'execute': 'device_del', 'arguments': "
                               "{'id': 'e'}}"));
    qtest_outl(c->q, BNUM, 0);
    qtest_outl(c->q, B0EJ, 1 << (DEVFN >> 3));
    json_unref(qtest_qmp_event(c->q, "DEVICE_DELETED"));
    g_assert_cmphex(reg_read(c, STATUS), ==, 0);
    g_assert_cmphex(qtest_readl(c->q, MSIX_TABLE), ==, 0);
    qtest_clock_step(c->q, 1000 * 256);
    g_assert_cmphex(qtest_readl(c->q, MESSAGES), ==, 1);
    card_end(c);
}

static void test_long_packet(void)
{
    check_long_packet("q35", "e1000e");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e1000e/nvm", test_nvm);
    g_test_add_func("/e1000e/phy-and-link", test_phy_and_link);
    g_test_add_func("/e1000e/intx", test_intx);
    g_test_add_func("/e1000e/msix", test_msix);
    g_test_add_func("/e1000e/send", test_send);
    g_test_add_func("/e1000e/receive-legacy", test_receive_legacy);
    g_test_add_func("/e1000e/filters", test_filters);
    g_test_add_func("/e1000e/rss", test_rss);
    g_test_add_func("/e1000e/split", test_split);
    g_test_add_func("/e1000e/receive-full", test_receive_full);
    g_test_add_func("/e1000e/wild", test_wild);
    g_test_add_func("/e1000e/frame-to-itself", test_frame_to_itself);
    g_test_add_func("/e1000e/long-packet", test_long_packet);
    g_test_add_func("/e1000e/unplug", test_unplug);
    return g_test_run();
}
