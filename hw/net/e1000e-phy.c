/*
 * Intel 82574L: its NVM, which EERD and EEWR reach, and its PHY, whose
 * registers 16 to 21 are in pages.
 *
 * Facts: data sheet, sections 6.1 (NVM), 9 (PHY), 10.2.2.4 (EERD), 10.2.2.7
 * (MDIC); contents as a 7.2 machine shows them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-phy.h"
#include "hw/net/e1000e-priv.h"

enum {
    EERD_START = 1 << 0,
    EERD_DONE = 1 << 1,
    EERD_ADDR_SHIFT = 2,
    EERD_ADDR_MASK = 0x3fff,

    PHY_PAGE = 22,
    PHY_PAGE_MASK = 0x7f,
};

static const uint16_t eeprom_contents[E1000_EEPROM_WORDS - 1] = {
    0x0000, 0x0000, 0x0000, 0x0420, 0xf746, 0x2010, 0xffff, 0xffff, 0x0000,
    0x0000, 0x026b, 0x0000, 0x8086, 0x10d3, 0x0000, 0x8058, 0x0000, 0x2001,
    0x7e7c, 0xffff, 0x1000, 0x00c8, 0x0000, 0x2704, 0x6cc9, 0x3150, 0x070e,
    0x460b, 0x2d84, 0x0100, 0xf000, 0x0706, 0x6000, 0x0080, 0x0f04, 0x7fff,
    0x4f01, 0xc600, 0x0000, 0x20ff, 0x0028, 0x0003, 0x0000, 0x0000, 0x0000,
    0x0003, 0x0000, 0xffff, 0x0100, 0xc000, 0x121c, 0xc007, 0xffff, 0xffff,
    0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0x0000, 0x0120, 0xffff,
};

enum { EEPROM_DEVICE_ID = 11 };

void e1000e_eeprom_init(E1000e *s)
{
    memcpy(s->eeprom, eeprom_contents, sizeof(eeprom_contents));
    s->eeprom[EEPROM_DEVICE_ID] = s->pci.dev.type->pci->device_id;
    e1000_eeprom_finish(s->eeprom, &s->nic.mac);
}

/* What EERD reads as, after `val` was written to it. */
uint32_t e1000e_eerd(const E1000e *s, uint32_t val)
{
    unsigned addr = val >> EERD_ADDR_SHIFT & EERD_ADDR_MASK;

    if (!(val & EERD_START)) {
        return 0;
    }
    val = addr << EERD_ADDR_SHIFT;
    if (addr < E1000_EEPROM_WORDS) {
        val |= EERD_DONE | (uint32_t)s->eeprom[addr] << 16;
    }
    return val;
}

void e1000e_eewr(E1000e *s, uint32_t val)
{
    unsigned addr = val >> EERD_ADDR_SHIFT & EERD_ADDR_MASK;

    if ((val & EERD_START) && addr < E1000_EEPROM_WORDS) {
        s->eeprom[addr] = val >> 16;
    }
    E1000E_MAC(s, E1000E_EEWR) = EERD_DONE;
}

/* --------------------------------------------------------------- PHY --- */

enum { ANY_PAGE = 0xff };

/* The registers that there are. */
static const struct {
    uint8_t page, reg;
    bool writable;
    uint16_t reset;
} phy_regs[] = {
    { ANY_PAGE, 0, true, 0x1140 },   { ANY_PAGE, 1, false, 0x794d },
    { ANY_PAGE, 2, false, 0x0141 },  { ANY_PAGE, 3, false, 0x0cb1 },
    { ANY_PAGE, 4, true, 0x0de1 },   { ANY_PAGE, 5, false, 0x07e0 },
    { ANY_PAGE, 6, false, 0x0004 },  { ANY_PAGE, 7, true, 0x2001 },
    { ANY_PAGE, 8, false, 0x0000 },  { ANY_PAGE, 9, true, 0x0f00 },
    { ANY_PAGE, 10, false, 0x3c00 }, { ANY_PAGE, 15, false, 0x3000 },
    { ANY_PAGE, 22, true, 0x0000 },  { 0, 16, true, 0x3360 },
    { 0, 17, false, 0xac08 },        { 0, 18, true, 0x0000 },
    { 0, 19, false, 0x0000 },        { 0, 20, true, 0x0000 },
    { 0, 21, false, 0x0000 },        { 0, 25, true, 0x0000 },
    { 0, 26, true, 0x0000 },         { 0, 29, true, 0x0000 },
    { 0, 30, true, 0x0000 },         { 2, 16, true, 0x0088 },
    { 2, 18, true, 0x0000 },         { 2, 19, false, 0x0000 },
    { 2, 21, true, 0x1046 },         { 3, 16, true, 0x0000 },
    { 3, 17, true, 0x0000 },         { 3, 18, true, 0x4005 },
    { 3, 19, true, 0x0000 },         { 5, 20, false, 0x0000 },
    { 5, 21, false, 0x0000 },        { 6, 17, false, 0x0000 },
};

/* The index in phy of a register that the page shows; -1: there is none. */
static int phy_find(const E1000e *s, unsigned reg, bool *ret_writable)
{
    unsigned page = s->phy[PHY_PAGE];

    for (unsigned i = 0; i < G_N_ELEMENTS(phy_regs); i++) {
        if (phy_regs[i].reg != reg) {
            continue;
        }
        if (phy_regs[i].page == ANY_PAGE || phy_regs[i].page == page) {
            *ret_writable = phy_regs[i].writable;
            return phy_regs[i].page == ANY_PAGE
                       ? (int)reg
                       : (int)(page * E1000E_PHY_PAGE_REGS + reg);
        }
    }
    return -1;
}

void e1000e_phy_reset(E1000e *s)
{
    memset(s->phy, 0, sizeof(s->phy));
    for (unsigned i = 0; i < G_N_ELEMENTS(phy_regs); i++) {
        unsigned page = phy_regs[i].page == ANY_PAGE ? 0 : phy_regs[i].page;

        s->phy[page * E1000E_PHY_PAGE_REGS + phy_regs[i].reg] =
            phy_regs[i].reset;
    }
}

bool e1000e_set_link(E1000e *s, bool up)
{
    return e1000_link_registers(s->mac, s->phy, up);
}

/* Negotiating takes no time here: the link is up again at once. */
static void phy_write_ctrl(E1000e *s, uint16_t val)
{
    if (val & PHY_CTRL_RESET) {
        e1000e_phy_reset(s);
        e1000e_set_link(s, !s->nic.port.link_down);
        return;
    }
    s->phy[PHY_CTRL] = val & PHY_CTRL_KEPT;
    if ((val & PHY_CTRL_AUTONEG) && (val & PHY_CTRL_RESTART) &&
        !s->nic.port.link_down) {
        e1000e_set_link(s, true);
        e1000e_interrupt(s, E1000_INT_LSC);
    }
}

static void phy_write(E1000e *s, unsigned at, uint16_t val)
{
    if (at == PHY_CTRL) {
        phy_write_ctrl(s, val);
    } else {
        s->phy[at] = at == PHY_PAGE ? val & PHY_PAGE_MASK : val;
    }
}

static uint32_t mdic_done(E1000e *s, uint32_t val)
{
    unsigned reg = val >> 16 & 0x1f;
    bool writable = false;
    int at = phy_find(s, reg, &writable);

    if ((val >> 21 & 0x1f) != PHY_ADDRESS) {
        return E1000E_MAC(s, E1000_MDIC) | MDIC_ERROR;
    }
    if (val & MDIC_READ) {
        return at < 0 ? (val & ~0xffffu) | MDIC_ERROR
                      : (val & ~0xffffu) | s->phy[at];
    }
    if ((val & MDIC_WRITE) && (at < 0 || !writable)) {
        return val | MDIC_ERROR;
    }
    if (val & MDIC_WRITE) {
        phy_write(s, at, val & 0xffff);
    }
    return val;
}

void e1000e_mdic_write(E1000e *s, uint32_t val)
{
    E1000E_MAC(s, E1000_MDIC) = mdic_done(s, val) | MDIC_READY;
    if (val & MDIC_INTERRUPT) {
        e1000e_interrupt(s, E1000_INT_MDAC);
    }
}
