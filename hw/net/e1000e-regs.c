/*
 * Intel 82574L: registers, and what writing them does.
 *
 * Facts: data sheet, section 10.2; values at reset and bits that can be
 * written as a 7.2 machine shows them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "util/bswap.h"

enum {
    EECD_GNT = 1 << 7,
    EECD_REQ = 1 << 6,
    EECD_ALWAYS = 3 << 8, /* a NVM is there, and was read */
    EECD_SIZE = 0xf << 11,
    GCR_ALWAYS = 0x06800000,
    CTRL_EXT_ONCE = 3 << 12, /* start something, and read as 0 */
    SWSM = 0x5b50,
    SWSM_SMBI = 1 << 0, /* reading takes it */
    LENGTH_MASK = 0xfff80,
    BASE_MASK = 0xfffffff0,
};

typedef enum RegKind {
    REG_PLAIN,     /* the bits of its mask are kept */
    REG_READ_ONLY, /* but for the card itself */
    REG_COUNTER,   /* reading clears it */
    REG_COUNTER64, /* so does reading its upper half */
} RegKind;

typedef struct Reg {
    uint32_t first, last;
    RegKind kind;
    uint32_t mask;
} Reg;

#define PLAIN(first, last)                 \
    {                                      \
        first, last, REG_PLAIN, UINT32_MAX \
    }
#define BITS(first, last, mask)      \
    {                                \
        first, last, REG_PLAIN, mask \
    }
#define RING(r, index_mask)                         \
    BITS(r, r, BASE_MASK), PLAIN((r) + 4, (r) + 4), \
        BITS((r) + 8, (r) + 8, LENGTH_MASK),        \
        BITS((r) + 0x10, (r) + 0x10, index_mask),   \
        BITS((r) + 0x18, (r) + 0x18, index_mask)

static const Reg regs[] = {
    PLAIN(E1000_CTRL, E1000_CTRL),
    { E1000_STATUS, E1000_STATUS, REG_READ_ONLY, 0 },
    { E1000_EECD, E1000_EERD, REG_READ_ONLY, 0 },
    BITS(E1000E_CTRL_EXT, E1000E_CTRL_EXT, ~(uint32_t)CTRL_EXT_ONCE),
    PLAIN(0x001c, 0x001c), /* flash access */
    { E1000_MDIC, E1000_MDIC, REG_READ_ONLY, 0 },
    PLAIN(0x0028, 0x0028), /* flow control: address, type */
    BITS(0x002c, 0x0030, 0xffff),
    BITS(E1000_VET, E1000_VET, 0xffff),
    { E1000_ICS, E1000_IMS, REG_READ_ONLY, 0 },
    PLAIN(E1000E_EIAC, E1000E_IVAR),
    PLAIN(E1000_RCTL, E1000_RCTL),
    BITS(0x0170, 0x0170, 0xffff), /* transmit timer of flow control */
    PLAIN(E1000_TCTL, E1000_TCTL),
    PLAIN(0x0410, 0x0410), /* gap between packets */
    BITS(E1000_AIT, E1000_AIT, 0xffff),
    PLAIN(E1000_LEDCTL, E1000_LEDCTL),
    PLAIN(0x0f00, 0x0f00), /* EXTCNF_CTRL: who owns the PHY */
    PLAIN(0x0f08, 0x0f08),
    PLAIN(0x0f10, 0x0f10),
    PLAIN(E1000_PBA, E1000_PBA),
    BITS(0x1008, 0x1008, 0x3f), /* packet buffer size */
    PLAIN(0x1010, 0x1010),      /* management's EEPROM access */
    BITS(0x1028, 0x1028, 0xffff),
    { E1000E_EEWR, E1000E_EEWR, REG_READ_ONLY, 0 },
    PLAIN(0x1030, 0x103c), /* flash */
    PLAIN(0x1050, 0x1050),
    BITS(E1000E_FCRTL, E1000E_FCRTL, 0x8000fff8),
    BITS(E1000E_FCRTH, E1000E_FCRTH, 0xfff8),
    PLAIN(E1000E_PSRCTL, E1000E_PSRCTL),
    BITS(0x2410, 0x2430, 0x1fff), /* the receive FIFO */
    RING(0x2800, 0xffff),
    BITS(E1000_RDTR, E1000_RDTR, 0xffff),
    PLAIN(0x2828, 0x2828), /* RXDCTL */
    BITS(E1000_RADV, E1000_RADV, 0xffff),
    RING(0x2900, 0xffff),
    PLAIN(0x2928, 0x2928),
    BITS(E1000E_RSRPD, E1000E_RSRPD, 0xfff),
    BITS(0x2c08, 0x2c08, 0xffff), /* RAID */
    BITS(0x3410, 0x3430, 0x1fff), /* the transmit FIFO */
    RING(0x3800, 0xffff),
    BITS(E1000E_TIDV, E1000E_TIDV, 0xffff),
    PLAIN(E1000_TXDCTL, E1000_TXDCTL),
    BITS(E1000_TADV, E1000_TADV, 0xffff),
    BITS(0x3840, 0x3840, 0x780007ff), /* TARC: arbitration */
    RING(0x3900, 0xffff),
    PLAIN(0x3928, 0x3928),
    BITS(0x3940, 0x3940, 0x780007ff),
    PLAIN(0x4058, 0x4058), /* carrier extension errors */
    { E1000_GORCL, E1000_GORCL, REG_READ_ONLY, 0 },
    { E1000_GORCL + 4, E1000_GORCL + 4, REG_COUNTER64, 0 },
    { E1000_GOTCL, E1000_GOTCL, REG_READ_ONLY, 0 },
    { E1000_GOTCL + 4, E1000_GOTCL + 4, REG_COUNTER64, 0 },
    { E1000_TORL, E1000_TORL, REG_READ_ONLY, 0 },
    { E1000_TORH, E1000_TORH, REG_COUNTER64, 0 },
    { E1000_TOTL, E1000_TOTL, REG_READ_ONLY, 0 },
    { E1000_TOTH, E1000_TOTH, REG_COUNTER64, 0 },
    { 0x4000, 0x4124, REG_COUNTER, 0 },
    PLAIN(E1000E_RXCSUM, E1000E_RXCSUM),
    PLAIN(E1000E_RFCTL, E1000E_RFCTL),
    PLAIN(0x5010, 0x501c), /* filters of management: VLANs */
    PLAIN(E1000_MTA, E1000_MTA + 0x1fc),
    PLAIN(E1000_RA, E1000_RA + 0x7c),
    PLAIN(E1000_VFTA, E1000_VFTA + 0x1fc),
    PLAIN(0x5800, 0x5800), /* wake-up */
    PLAIN(E1000_WUFC, E1000_WUFC),
    PLAIN(0x5810, 0x5810),
    PLAIN(E1000E_MRQC, E1000E_MRQC),
    PLAIN(E1000_MANC, E1000_MANC),
    PLAIN(0x5824, 0x5828),
    PLAIN(0x5830, 0x5830),
    PLAIN(0x5838, 0x5838),
    PLAIN(0x5840, 0x5858),
    PLAIN(0x5860, 0x5860),
    PLAIN(0x5880, 0x58ac),
    PLAIN(0x5a00, 0x5a7c),
    PLAIN(E1000E_GCR, E1000E_GCR), /* PCI Express */
    PLAIN(0x5b08, 0x5b08),
    PLAIN(0x5b10, 0x5b2c),
    PLAIN(0x5b30, 0x5b30),
    PLAIN(SWSM, SWSM),
    PLAIN(0x5b64, 0x5b64),
    BITS(0x5b68, 0x5b68, 0x1f),
    PLAIN(E1000E_RETA, E1000E_RETA + 0x7c),
    PLAIN(E1000E_RSSRK, E1000E_RSSRK + 0x7c),
    BITS(0x5f00, 0x5f28, 0x7ff), /* flexible filters: lengths */
    BITS(0x5f40, 0x5f40, 0xffff),
    BITS(0x9000, 0x93fc, 0xf), /* their masks and values */
    PLAIN(0x9400, 0x97fc),
    PLAIN(0x9800, 0x9bfc),
    PLAIN(0xb600, 0xb638), /* time stamps */
};

/* Where the 82542 had them. */
static const struct {
    uint32_t first, last, to;
} aliases[] = {
    { 0x0004, 0x0004, E1000_CTRL },   { 0x0040, 0x00bc, E1000_RA },
    { 0x0108, 0x0108, E1000_RDTR },   { 0x0110, 0x0118, E1000_RDBAL },
    { 0x0120, 0x0120, E1000_RDH },    { 0x0128, 0x0128, E1000_RDT },
    { 0x0160, 0x0160, E1000E_FCRTH }, { 0x0168, 0x0168, E1000E_FCRTL },
    { 0x0200, 0x03fc, E1000_MTA },    { 0x0420, 0x0428, E1000_TDBAL },
    { 0x0430, 0x0430, E1000_TDH },    { 0x0438, 0x0438, E1000_TDT },
    { 0x0440, 0x0440, E1000E_TIDV },  { 0x0600, 0x07fc, E1000_VFTA },
    { 0x8000, 0x8000, 0x2410 },       { 0x8008, 0x8008, 0x2418 },
    { 0x8010, 0x8010, 0x3410 },       { 0x8018, 0x8018, 0x3418 },
};

static uint32_t e1000e_reg_resolve(uint32_t reg)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (reg >= aliases[i].first && reg <= aliases[i].last) {
            return aliases[i].to + (reg - aliases[i].first);
        }
    }
    return reg;
}

static const Reg *find_reg(uint32_t reg)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++) {
        if (reg >= regs[i].first && reg <= regs[i].last) {
            return &regs[i];
        }
    }
    return NULL;
}

/* --------------------------------------------------------------- reset --- */

void e1000e_regs_reset(E1000e *s)
{
    static const struct {
        uint32_t reg, val;
    } values[] = {
        { E1000_CTRL, 0x00140241 },
        { E1000_STATUS, E1000E_STATUS_STORED },
        { E1000_EECD, EECD_ALWAYS },
        { E1000_EERD, 0x00000002 },
        { 0x0410, 0x00602008 },
        { E1000_LEDCTL, 0x00068302 },
        { 0x0f00, 0x00000008 },
        { 0x0f10, 0x0000030d },
        { E1000_PBA, 0x00140014 },
        { 0x1008, 0x00000028 },
        { 0x1010, 0x80000000 },
        { 0x1028, 0x00000002 },
        { E1000E_EEWR, 0x00000002 },
        { 0x1030, 0xc0000000 },
        { 0x1050, 0x00000001 },
        { E1000E_PSRCTL, 0x00040402 },
        { 0x2828, 0x00010000 },
        { 0x2928, 0x00010000 },
        { 0x3410, 0x00000600 },
        { 0x3418, 0x00000600 },
        { 0x3420, 0x00000600 },
        { 0x3428, 0x00000600 },
        { 0x3840, 0x00000403 },
        { 0x3940, 0x00000403 },
        { E1000E_RXCSUM, E1000E_RXCSUM_IPOFL | E1000E_RXCSUM_TUOFL },
        { E1000_MANC, 0x10000000 },
        { E1000E_GCR, GCR_ALWAYS | 0x200 },
        { 0x5b30, 0x20000004 },
        { SWSM, SWSM_SMBI },
        { 0xb634, 0x000088f7 },
        { 0xb638, 0x00000319 },
    };
    const uint8_t *mac = s->permanent_mac.a;

    memset(s->mac, 0, sizeof(s->mac));
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        E1000E_MAC(s, values[i].reg) = values[i].val;
    }
    if (s->opt_init_vet) {
        E1000E_MAC(s, E1000_VET) = ETH_TYPE_VLAN;
    }
    E1000E_MAC(s, E1000_RA) = ldl_le_p(mac);
    E1000E_MAC(s, E1000_RA + 4) = lduw_le_p(mac + 4) | E1000_RAH_AV;
}

/* ------------------------------------------------------------- reading --- */

static uint32_t read_status(const E1000e *s)
{
    uint32_t val = E1000E_MAC(s, E1000_STATUS) | E1000E_STATUS_FD |
                   E1000E_STATUS_SPEED_1000;

    if (!(E1000E_MAC(s, E1000_CTRL) & E1000E_CTRL_GIO_MASTER_DISABLE)) {
        val |= E1000E_STATUS_GIO_MASTER;
    }
    return val;
}

static uint32_t read_counter(E1000e *s, uint32_t reg, RegKind kind)
{
    uint32_t val = E1000E_MAC(s, reg);

    E1000E_MAC(s, reg) = 0;
    if (kind == REG_COUNTER64) {
        E1000E_MAC(s, reg - 4) = 0;
    }
    return val;
}

uint32_t e1000e_reg_read(E1000e *s, uint32_t reg)
{
    const Reg *r;
    uint32_t val;

    reg = e1000e_reg_resolve(reg);
    if (reg >= E1000E_EITR && reg < E1000E_EITR + 4 * E1000E_VECTORS) {
        return s->eitr_value[(reg - E1000E_EITR) / 4];
    }
    switch (reg) {
    case E1000_STATUS:
        return read_status(s);
    case E1000_ICR:
        return e1000e_icr_read(s);
    case E1000_ICS: /* the same without what reading it does */
        return E1000E_MAC(s, E1000_ICR);
    case E1000_ITR:
        return s->itr_value;
    default:
        break;
    }
    r = find_reg(reg);
    if (r == NULL) {
        return 0;
    }
    if (r->kind == REG_COUNTER || r->kind == REG_COUNTER64) {
        return read_counter(s, reg, r->kind);
    }
    val = E1000E_MAC(s, reg);
    if (reg == SWSM) {
        E1000E_MAC(s, SWSM) |= SWSM_SMBI;
    }
    return val;
}

/* ------------------------------------------------------------- writing --- */

static void write_ctrl(E1000e *s, uint32_t val)
{
    if (val & E1000_CTRL_RST) {
        e1000e_reset_mac(s);
        return;
    }
    E1000E_MAC(s, E1000_CTRL) = val & ~(uint32_t)E1000E_CTRL_PHY_RST;
    if (val & E1000E_CTRL_PHY_RST) {
        e1000e_phy_reset(s);
        e1000e_set_link(s, !s->nic.port.link_down);
        E1000E_MAC(s, E1000_STATUS) |= E1000E_STATUS_PHYRA;
    }
}

static void write_eecd(E1000e *s, uint32_t val)
{
    val &= ~(uint32_t)(EECD_SIZE | EECD_GNT);
    /* Nobody else wants the NVM. */
    E1000E_MAC(s, E1000_EECD) =
        val | EECD_ALWAYS | ((val & EECD_REQ) ? EECD_GNT : 0);
}

/* Writes that are not just kept; false: a plain register. */
static bool write_special(E1000e *s, uint32_t reg, uint32_t val)
{
    switch (reg) {
    case E1000_CTRL:
        write_ctrl(s, val);
        return true;
    case E1000_STATUS: /* PHYRA goes by writing 0 */
        E1000E_MAC(s, reg) &= val | ~(uint32_t)E1000E_STATUS_PHYRA;
        return true;
    case E1000_EECD:
        write_eecd(s, val);
        return true;
    case E1000_EERD:
        E1000E_MAC(s, reg) = e1000e_eerd(s, val);
        return true;
    case E1000E_EEWR:
        e1000e_eewr(s, val);
        return true;
    case E1000_MDIC:
        e1000e_mdic_write(s, val);
        return true;
    case E1000_ICR:
        e1000e_icr_write(s, val);
        return true;
    case E1000_ITR:
        e1000e_itr_write(s, val);
        return true;
    case E1000_ICS:
        e1000e_interrupt(s, val);
        return true;
    case E1000_IMS:
        e1000e_ims_set(s, val);
        return true;
    case E1000_IMC:
        e1000e_imc(s, val);
        return true;
    default:
        return false;
    }
}

/* What follows from a register's new value. */
static void e1000e_reg_written(E1000e *s, uint32_t reg)
{
    switch (reg) {
    case E1000_VET:
        s->vet = E1000E_MAC(s, reg);
        break;
    case E1000E_GCR:
        E1000E_MAC(s, reg) |= GCR_ALWAYS;
        break;
    case E1000_TCTL:
    case E1000_TDT:
    case E1000_TDT + E1000E_RING_STRIDE:
        e1000e_tx_run(s);
        break;
    case E1000_RCTL:
    case E1000E_RFCTL:
    case E1000E_PSRCTL:
        e1000e_rx_configure(s);
        net_port_ready(&s->nic.port, 0);
        break;
    case E1000_RDT:
    case E1000_RDT + E1000E_RING_STRIDE:
        /* Buffers came: whoever waits may send. */
        net_port_ready(&s->nic.port, 0);
        break;
    default:
        break;
    }
}

void e1000e_reg_write(E1000e *s, uint32_t reg, uint32_t val)
{
    const Reg *r;

    reg = e1000e_reg_resolve(reg);
    if (reg >= E1000E_EITR && reg < E1000E_EITR + 4 * E1000E_VECTORS) {
        e1000e_eitr_write(s, (reg - E1000E_EITR) / 4, val);
        return;
    }
    if (write_special(s, reg, val)) {
        return;
    }
    r = find_reg(reg);
    if (r == NULL || r->kind != REG_PLAIN) {
        return;
    }
    E1000E_MAC(s, reg) = val & r->mask;
    e1000e_reg_written(s, reg);
}
