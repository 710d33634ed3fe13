/*
 * Intel gigabit Ethernet controllers: what the NVM and the PHY (88E1000
 * family, registers of IEEE 802.3 clause 22) of all have in common.
 *
 * Facts: software developer's manual of the 8254x family, sections 5.6.35
 * (checksum of the NVM), 13.4.12 (MDIC).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000_PHY_H
#define HW_NET_E1000_PHY_H

#include "net/net.h"

enum {
    MDIC_WRITE = 1 << 26,
    MDIC_READ = 2 << 26,
    MDIC_READY = 1 << 28,
    MDIC_INTERRUPT = 1 << 29,
    MDIC_ERROR = 1 << 30,
    PHY_ADDRESS = 1,

    PHY_CTRL = 0,
    PHY_STATUS = 1,
    PHY_LP_ABILITY = 5,
    PHY_SPEC_STATUS = 17,
    PHY_CTRL_KEPT = 0xffff & ~(0x3f | 1 << 15 | 1 << 9),
    PHY_CTRL_RESET = 1 << 15,
    PHY_CTRL_AUTONEG = 1 << 12,
    PHY_CTRL_RESTART = 1 << 9,
    PHY_STATUS_LINK = 1 << 2,
    PHY_STATUS_AUTONEG_DONE = 1 << 5,
    PHY_LP_ACK = 1 << 14,
    PHY_SPEC_LINK = 1 << 10,
};

/*
 * e1000-mac.c: what registers say of the link, those in the array `mac` and
 * those of the PHY; true if it changed.
 */
bool e1000_link_registers(uint32_t *mac, uint16_t *phy, bool up);
/*
 * Words 0 to 2 of the E1000_EEPROM_WORDS become the address; the last one makes
 * all add up to 0xbaba.
 */
void e1000_eeprom_finish(uint16_t *words, const NetMac *addr);

#endif
