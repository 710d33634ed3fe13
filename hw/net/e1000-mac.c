/*
 * Intel gigabit Ethernet controllers: statistics, filters, link and NVM.
 *
 * Facts: software developer's manual of the 8254x family, sections 3.2
 * (filters), 13.4.22 (RCTL), 13.5 (filters), 13.7 (statistics).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-mac.h"

#include "hw/net/e1000-phy.h"
#include "util/bswap.h"

/* A register of the array `mac`. */
#define MAC(reg) (mac[(reg) / 4])

/* ---------------------------------------------------------- statistics --- */

void e1000_count(uint32_t *mac, unsigned reg)
{
    if (MAC(reg) != UINT32_MAX) {
        MAC(reg)++;
    }
}

void e1000_count64(uint32_t *mac, unsigned reg_low, uint64_t add)
{
    uint64_t sum = (uint64_t)MAC(reg_low + 4) << 32 | MAC(reg_low);

    sum = sum + add < sum ? UINT64_MAX : sum + add;
    MAC(reg_low) = sum;
    MAC(reg_low + 4) = sum >> 32;
}

static void count_size(uint32_t *mac, unsigned reg, size_t len)
{
    static const uint16_t limits[] = { 64, 127, 255, 511, 1023 };
    unsigned i = 0;

    while (i < G_N_ELEMENTS(limits) && len > limits[i]) {
        i++;
    }
    e1000_count(mac, reg + 4 * i);
}

void e1000_count_rx(uint32_t *mac, const uint8_t *frame, size_t len)
{
    e1000_count(mac, E1000_TPR);
    e1000_count(mac, E1000_GPRC);
    e1000_count64(mac, E1000_TORL, len);
    e1000_count64(mac, E1000_GORCL, len);
    count_size(mac, E1000_PRC64, len);
    if (eth_is_broadcast(frame)) {
        e1000_count(mac, E1000_BPRC);
    } else if (eth_is_multicast(frame)) {
        e1000_count(mac, E1000_MPRC);
    }
}

void e1000_count_tx(uint32_t *mac, const uint8_t *frame, size_t len)
{
    e1000_count(mac, E1000_TPT);
    e1000_count(mac, E1000_GPTC);
    e1000_count64(mac, E1000_TOTL, len);
    e1000_count64(mac, E1000_GOTCL, len);
    count_size(mac, E1000_PTC64, len);
    if (frame == NULL) {
        return;
    }
    if (eth_is_broadcast(frame)) {
        e1000_count(mac, E1000_BPTC);
    } else if (eth_is_multicast(frame)) {
        e1000_count(mac, E1000_MPTC);
    }
}

/* ------------------------------------------------------------- filters --- */

static uint16_t vlan_type(const uint32_t *mac)
{
    return MAC(E1000_VET) & 0xffff;
}

bool e1000_is_vlan(const uint32_t *mac, const uint8_t *frame, size_t len)
{
    return len >= ETH_HEADER_LEN + ETH_VLAN_LEN &&
           lduw_be_p(frame + 12) == vlan_type(mac);
}

static bool match_exact(const uint32_t *mac, const uint8_t *dest)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = MAC(E1000_RA + 8 * i);
        uint32_t high = MAC(E1000_RA + 8 * i + 4);

        if ((high & E1000_RAH_AV) && ldl_le_p(dest) == low &&
            lduw_le_p(dest + 4) == (high & 0xffff)) {
            return true;
        }
    }
    return false;
}

static bool match_multicast(const uint32_t *mac, const uint8_t *dest)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned mo = MAC(E1000_RCTL) >> E1000_RCTL_MO_SHIFT & 3;
    unsigned bit = lduw_le_p(dest + 4) >> shifts[mo] & 0xfff;

    return MAC(E1000_MTA + bit / 32 * 4) >> (bit % 32) & 1;
}

bool e1000_rx_accept(const uint32_t *mac, const uint8_t *frame, size_t len)
{
    uint32_t rctl = MAC(E1000_RCTL);

    if ((rctl & E1000_RCTL_VFE) && e1000_is_vlan(mac, frame, len)) {
        unsigned vid = lduw_be_p(frame + 14) & 0xfff;

        if (!(MAC(E1000_VFTA + vid / 32 * 4) >> (vid % 32) & 1)) {
            return false;
        }
    }
    if (eth_is_broadcast(frame)) {
        return (rctl & (E1000_RCTL_BAM | E1000_RCTL_MPE)) ||
               match_exact(mac, frame);
    }
    if (match_exact(mac, frame)) {
        return true;
    }
    if (eth_is_multicast(frame)) {
        return (rctl & E1000_RCTL_MPE) || match_multicast(mac, frame);
    }
    return rctl & E1000_RCTL_UPE;
}

unsigned e1000_rx_buffer_size(uint32_t rctl)
{
    unsigned shift = rctl >> E1000_RCTL_BSIZE_SHIFT & 3;

    if (rctl & E1000_RCTL_BSEX) {
        return shift == 0 ? 2048 : 32768 >> shift;
    }
    return 2048 >> shift;
}

/* -------------------------------------------------------- link and NVM --- */

bool e1000_link_registers(uint32_t *mac, uint16_t *phy, bool up)
{
    bool was = MAC(E1000_STATUS) & E1000_STATUS_LU;

    if (up) {
        MAC(E1000_STATUS) |= E1000_STATUS_LU;
        phy[PHY_STATUS] |= PHY_STATUS_LINK;
        phy[PHY_SPEC_STATUS] |= PHY_SPEC_LINK;
        if (phy[PHY_CTRL] & PHY_CTRL_AUTONEG) {
            phy[PHY_STATUS] |= PHY_STATUS_AUTONEG_DONE;
            phy[PHY_LP_ABILITY] |= PHY_LP_ACK;
        }
    } else {
        MAC(E1000_STATUS) &= ~(uint32_t)E1000_STATUS_LU;
        phy[PHY_STATUS] &= ~(PHY_STATUS_LINK | PHY_STATUS_AUTONEG_DONE);
        phy[PHY_SPEC_STATUS] &= ~PHY_SPEC_LINK;
        phy[PHY_LP_ABILITY] &= ~PHY_LP_ACK;
    }
    return was != up;
}

void e1000_eeprom_finish(uint16_t *words, const NetMac *addr)
{
    uint16_t sum = 0;

    for (unsigned i = 0; i < 3; i++) {
        words[i] = addr->a[2 * i] | addr->a[2 * i + 1] << 8;
    }
    for (unsigned i = 0; i < E1000_EEPROM_WORDS - 1; i++) {
        sum += words[i];
    }
    words[E1000_EEPROM_WORDS - 1] = 0xbaba - sum;
}
