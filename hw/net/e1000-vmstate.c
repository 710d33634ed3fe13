/*
 * Intel 82540EM: its state in the stream, as a 7.2 machine has it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-priv.h"

#define MAC_REG(name_) \
    VMSTATE_NAMED_("mac_reg[" #name_ "]", mac[E1000_##name_ / 4], VMS_U32)
#define VMSTATE_NAMED_(name_, f, k)                                 \
    {                                                               \
        .name = (name_), .kind = (k), .offset = offsetof(E1000, f), \
        .size = sizeof(((E1000 *)NULL)->f)                          \
    }
#define MAC_ARRAY(reg, n)                                             \
    {                                                                 \
        .name = "mac_reg", .kind = VMS_U32,                           \
        .offset = offsetof(E1000, mac) + (reg), .size = 4, .num = (n) \
    }
#define WORD_ARRAY(name_, f, n)                                         \
    {                                                                   \
        .name = (name_), .kind = VMS_U16, .offset = offsetof(E1000, f), \
        .size = 2, .num = (n)                                           \
    }
#define CONTEXT(prefix, f)                                    \
    VMSTATE_NAMED_(prefix ".ipcss", f.ipcss, VMS_U8),         \
        VMSTATE_NAMED_(prefix ".ipcso", f.ipcso, VMS_U8),     \
        VMSTATE_NAMED_(prefix ".ipcse", f.ipcse, VMS_U16),    \
        VMSTATE_NAMED_(prefix ".tucss", f.tucss, VMS_U8),     \
        VMSTATE_NAMED_(prefix ".tucso", f.tucso, VMS_U8),     \
        VMSTATE_NAMED_(prefix ".tucse", f.tucse, VMS_U16),    \
        VMSTATE_NAMED_(prefix ".paylen", f.paylen, VMS_U32),  \
        VMSTATE_NAMED_(prefix ".hdr_len", f.hdr_len, VMS_U8), \
        VMSTATE_NAMED_(prefix ".mss", f.mss, VMS_U16)
#define CONTEXT_KIND(prefix, f)                 \
    VMSTATE_NAMED_(prefix ".ip", f.ip, VMS_I8), \
        VMSTATE_NAMED_(prefix ".tcp", f.tcp, VMS_I8)

static bool is_version_1(void *opaque, int version)
{
    return version == 1;
}

/* ---------------------------------------------------------- subsections --- */

static bool mit_needed(void *opaque)
{
    return ((E1000 *)opaque)->opt_mitigation;
}

static const Vmstate vmstate_mit = {
    .name = "e1000/mit_state",
    .version = 1,
    .oldest = 1,
    .needed = mit_needed,
    .fields =
        (const VmstateField[]){
            MAC_REG(RDTR),
            MAC_REG(RADV),
            MAC_REG(TADV),
            MAC_REG(ITR),
            VMSTATE_BOOL(E1000, mit_irq_level),
            VMSTATE_END,
        },
};

static bool full_mac_needed(void *opaque)
{
    return ((E1000 *)opaque)->opt_extra_mac;
}

static const Vmstate vmstate_full_mac = {
    .name = "e1000/full_mac_state",
    .version = 1,
    .oldest = 1,
    .needed = full_mac_needed,
    .fields =
        (const VmstateField[]){
            MAC_ARRAY(0, E1000_MMIO_SIZE / 4),
            VMSTATE_END,
        },
};

static bool tso_needed(void *opaque)
{
    return ((E1000 *)opaque)->opt_tso_props;
}

static bool tso_post_load(void *opaque, int version, GError **errp)
{
    ((E1000 *)opaque)->got_tso_props = true;
    return true;
}

static const Vmstate vmstate_tso = {
    .name = "e1000/tx_tso_state",
    .version = 1,
    .oldest = 1,
    .needed = tso_needed,
    .post_load = tso_post_load,
    .fields =
        (const VmstateField[]){
            CONTEXT("tx.tso_props", tx.tso_props),
            CONTEXT_KIND("tx.tso_props", tx.tso_props),
            VMSTATE_END,
        },
};

/* ---------------------------------------------------------------- whole --- */

static bool pre_save(void *opaque, GError **errp)
{
    E1000 *s = opaque;

    s->mig_props = s->tx.props;
    return true;
}

static bool pre_load(void *opaque, GError **errp)
{
    ((E1000 *)opaque)->got_tso_props = false;
    return true;
}

/*
 * Ring indexes and the like may be anything: they are checked where they are
 * used, as a guest can write them too.
 */
static bool post_load(void *opaque, int version, GError **errp)
{
    E1000 *s = opaque;
    bool up = E1000_MAC(s, E1000_STATUS) & E1000_STATUS_LU;

    s->tx.props = s->mig_props;
    if (!s->got_tso_props) {
        s->tx.tso_props = s->mig_props;
    }
    s->tx.started = s->tx.size != 0;
    if (!s->opt_mitigation) {
        E1000_MAC(s, E1000_ITR) = 0;
        E1000_MAC(s, E1000_RDTR) = 0;
        E1000_MAC(s, E1000_RADV) = 0;
        E1000_MAC(s, E1000_TADV) = 0;
    }
    /* The cable is where the source had it; negotiating is over. */
    s->nic.port.link_down = !up;
    e1000_set_link(s, up);
    e1000_interrupt(s, 0);
    return true;
}

const Vmstate e1000_vmstate = {
    .name = "e1000",
    .version = 2,
    .oldest = 1,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(E1000, pci, "parent_obj"),
            { .name = "unused",
              .kind = VMS_UNUSED,
              .size = 4,
              .exists = is_version_1 },
            VMSTATE_UNUSED(4),
            VMSTATE_U32(E1000, rxbuf_size),
            VMSTATE_U32(E1000, rxbuf_min_shift),
            VMSTATE_NAMED_("eecd_state.val_in", eecd.val_in, VMS_U32),
            VMSTATE_NAMED_("eecd_state.bitnum_in", eecd.bitnum_in, VMS_U16),
            VMSTATE_NAMED_("eecd_state.bitnum_out", eecd.bitnum_out, VMS_U16),
            VMSTATE_NAMED_("eecd_state.reading", eecd.reading, VMS_U16),
            VMSTATE_NAMED_("eecd_state.old_eecd", eecd.old_eecd, VMS_U32),
            CONTEXT("mig_props", mig_props),
            VMSTATE_NAMED_("tx.size", tx.size, VMS_U16),
            VMSTATE_NAMED_("tx.tso_frames", tx.tso_frames, VMS_U16),
            VMSTATE_NAMED_("tx.sum_needed", tx.sum_needed, VMS_U8),
            CONTEXT_KIND("mig_props", mig_props),
            VMSTATE_NAMED_("tx.header", tx.header, VMS_BUFFER),
            VMSTATE_NAMED_("tx.data", tx.data, VMS_BUFFER),
            WORD_ARRAY("eeprom_data", eeprom, E1000_EEPROM_WORDS),
            WORD_ARRAY("phy_reg", phy, E1000_PHY_REGS),
            MAC_REG(CTRL),
            MAC_REG(EECD),
            MAC_REG(EERD),
            MAC_REG(GPRC),
            MAC_REG(GPTC),
            MAC_REG(ICR),
            MAC_REG(ICS),
            MAC_REG(IMC),
            MAC_REG(IMS),
            MAC_REG(LEDCTL),
            MAC_REG(MANC),
            MAC_REG(MDIC),
            MAC_REG(MPC),
            MAC_REG(PBA),
            MAC_REG(RCTL),
            MAC_REG(RDBAH),
            MAC_REG(RDBAL),
            MAC_REG(RDH),
            MAC_REG(RDLEN),
            MAC_REG(RDT),
            MAC_REG(STATUS),
            MAC_REG(SWSM),
            MAC_REG(TCTL),
            MAC_REG(TDBAH),
            MAC_REG(TDBAL),
            MAC_REG(TDH),
            MAC_REG(TDLEN),
            MAC_REG(TDT),
            MAC_REG(TORH),
            MAC_REG(TORL),
            MAC_REG(TOTH),
            MAC_REG(TOTL),
            MAC_REG(TPR),
            MAC_REG(TPT),
            MAC_REG(TXDCTL),
            MAC_REG(WUFC),
            MAC_REG(VET),
            MAC_ARRAY(E1000_RA, 32),
            MAC_ARRAY(E1000_MTA, 128),
            MAC_ARRAY(E1000_VFTA, 128),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &vmstate_mit, &vmstate_full_mac,
                                             &vmstate_tso, NULL },
};
