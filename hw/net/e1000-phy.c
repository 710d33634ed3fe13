/*
 * Intel 82540EM: its EEPROM (Microwire, 64 words) and PHY (88E1000 family,
 * registers of IEEE 802.3 clause 22).
 *
 * Facts: software developer's manual, sections 5.2 to 5.6 (EEPROM), 13.4.3
 * (EECD), 13.4.4 (EERD), 13.4.12 (MDIC); contents as a 7.2 machine shows them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-phy.h"
#include "hw/net/e1000-priv.h"

enum {
    EECD_SK = 1 << 0,
    EECD_CS = 1 << 1,
    EECD_DI = 1 << 2,
    EECD_DO = 1 << 3,
    EECD_WRITABLE = 0x77, /* SK, CS, DI, flash write enable, request */
    EECD_GNT = 1 << 7,
    EECD_PRES = 1 << 8,
    EEPROM_READ = 6, /* start bit and opcode */
    EEPROM_COMMAND_BITS = 9,
    EERD_START = 1 << 0,
    EERD_DONE = 1 << 4,
};

static const uint16_t eeprom_contents[E1000_EEPROM_WORDS - 1] = {
    0x0000, 0x0000, 0x0000, 0x0000, 0xffff, 0x0000, 0x0000, 0x0000, 0x3000,
    0x1000, 0x6403, 0x100e, 0x8086, 0x100e, 0x8086, 0x3040, 0x0008, 0x2000,
    0x7e14, 0x0048, 0x1000, 0x00d8, 0x0000, 0x2700, 0x6cc9, 0x3150, 0x0722,
    0x040b, 0x0984, 0x0000, 0xc000, 0x0706, 0x1008, 0x0000, 0x0f04, 0x7fff,
    0x4d01, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
    0xffff, 0xffff, 0xffff, 0x0100, 0x4000, 0x121c, 0xffff, 0xffff, 0xffff,
    0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
};

void e1000_eeprom_init(E1000 *s)
{
    memcpy(s->eeprom, eeprom_contents, sizeof(eeprom_contents));
    e1000_eeprom_finish(s->eeprom, &s->nic.mac);
}

/* -------------------------------------------------------------- EEPROM --- */

static bool eecd_output(const E1000 *s)
{
    const E1000Eecd *e = &s->eecd;
    uint16_t word = s->eeprom[(e->bitnum_out >> 4) % E1000_EEPROM_WORDS];

    return !e->reading || (word >> (15 - (e->bitnum_out & 15)) & 1) != 0;
}

uint32_t e1000_eecd_read(E1000 *s)
{
    return EECD_PRES | EECD_GNT | s->eecd.old_eecd |
           (eecd_output(s) ? EECD_DO : 0);
}

/* A rising edge shifts a bit in, a falling one shows the next. */
void e1000_eecd_write(E1000 *s, uint32_t val)
{
    E1000Eecd *e = &s->eecd;
    uint32_t old = e->old_eecd;

    e->old_eecd = val & EECD_WRITABLE;
    if (!(val & EECD_CS)) {
        return;
    }
    if (!(old & EECD_CS)) { /* selected: a new command */
        e->val_in = 0;
        e->bitnum_in = 0;
        e->bitnum_out = 0;
        e->reading = 0;
    }
    if (!((val ^ old) & EECD_SK)) {
        return;
    }
    if (!(val & EECD_SK)) {
        e->bitnum_out++;
        return;
    }
    e->val_in = e->val_in << 1 | ((val & EECD_DI) != 0);
    if (++e->bitnum_in == EEPROM_COMMAND_BITS && !e->reading) {
        e->bitnum_out = ((e->val_in & 0x3f) << 4) - 1;
        e->reading = (e->val_in >> 6 & 7) == EEPROM_READ;
    }
}

/* What EERD reads as, after `val` was written to it. */
uint32_t e1000_eerd(E1000 *s, uint32_t val)
{
    unsigned addr = val >> 8 & 0xff;

    if (!(val & EERD_START)) {
        return val;
    }
    val &= 0xff00;
    if (addr < E1000_EEPROM_WORDS) {
        val |= (uint32_t)s->eeprom[addr] << 16;
    }
    return val | EERD_DONE;
}

/* ----------------------------------------------------------------- PHY --- */

/* The registers that there are; those below are also written. */
static const struct {
    uint16_t reset;
    bool readable, writable;
} phy_regs[E1000_PHY_REGS] = {
    [0] = { 0x1140, true, true },  [1] = { 0x794d, true, false },
    [2] = { 0x0141, true, false }, /* identity: 88E1000, revision 0 */
    [3] = { 0x0c20, true, false }, [4] = { 0x0de1, true, true },
    [5] = { 0x01e0, true, false }, [6] = { 0x0000, true, false },
    [9] = { 0x0e00, true, true },  [10] = { 0x3c00, true, false },
    [16] = { 0x0360, true, true }, [17] = { 0xac00, true, false },
    [20] = { 0x0d60, true, true }, [21] = { 0x0000, true, false },
};

void e1000_phy_reset(E1000 *s)
{
    for (unsigned i = 0; i < E1000_PHY_REGS; i++) {
        s->phy[i] = phy_regs[i].reset;
    }
}

bool e1000_set_link(E1000 *s, bool up)
{
    return e1000_link_registers(s->mac, s->phy, up);
}

/* Negotiating takes no time here: the link is up again at once. */
static void phy_write_ctrl(E1000 *s, uint16_t val)
{
    if (val & PHY_CTRL_RESET) {
        e1000_phy_reset(s);
        e1000_set_link(s, !s->nic.port.link_down);
        return;
    }
    s->phy[PHY_CTRL] = val & PHY_CTRL_KEPT;
    if ((val & PHY_CTRL_AUTONEG) && (val & PHY_CTRL_RESTART) &&
        s->opt_autoneg && !s->nic.port.link_down) {
        e1000_set_link(s, true);
        e1000_interrupt(s, E1000_INT_LSC);
    }
}

static void phy_write(E1000 *s, unsigned reg, uint16_t val)
{
    if (reg == PHY_CTRL) {
        phy_write_ctrl(s, val);
    } else {
        s->phy[reg] = val;
    }
}

void e1000_mdic_write(E1000 *s, uint32_t val)
{
    unsigned reg = val >> 16 & 0x1f;
    bool ours = (val >> 21 & 0x1f) == PHY_ADDRESS;

    if (!ours) {
        val = E1000_MAC(s, E1000_MDIC) | MDIC_ERROR;
    } else if (val & MDIC_READ) {
        if (phy_regs[reg].readable) {
            val = (val & ~0xffffu) | s->phy[reg];
        } else {
            val |= MDIC_ERROR;
        }
    } else if (val & MDIC_WRITE) {
        if (phy_regs[reg].writable) {
            phy_write(s, reg, val & 0xffff);
        } else {
            val |= MDIC_ERROR;
        }
    }
    E1000_MAC(s, E1000_MDIC) = val | MDIC_READY;
    if (val & MDIC_INTERRUPT) {
        e1000_interrupt(s, E1000_INT_MDAC);
    }
}
