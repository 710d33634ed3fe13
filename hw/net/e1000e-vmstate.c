/*
 * Intel 82574L: its state in the stream, as a 7.2 machine has it.
 *
 * A packet whose end isn't in the ring yet has no place there: what is left of
 * it isn't sent (skip_cp).  Drivers hand over whole packets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "hw/pci/msix.h"

#define NAMED(name_, T, f, k)                                   \
    {                                                           \
        .name = (name_), .kind = (k), .offset = offsetof(T, f), \
        .size = sizeof(((T *)NULL)->f)                          \
    }
#define NAMED_ARRAY(name_, f, k, n)                                  \
    {                                                                \
        .name = (name_), .kind = (k), .offset = offsetof(E1000e, f), \
        .size = sizeof(((E1000e *)NULL)->f[0]), .num = (n)           \
    }
#define NAMED_TIMER(name_, f)                                               \
    {                                                                       \
        .name = (name_), .kind = VMS_STRUCT, .offset = offsetof(E1000e, f), \
        .size = sizeof(E1000eTimer), .vms = &vmstate_timer,                 \
        .struct_version = 1                                                 \
    }

static const Vmstate vmstate_timer = {
    .name = "e1000e-intr-timer",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_TIMER(E1000eTimer, timer),
            VMSTATE_BOOL(E1000eTimer, running),
            VMSTATE_END,
        },
};

static const Vmstate vmstate_tx = {
    .name = "e1000e-tx",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(E1000Tx, sum_needed),
            VMSTATE_U8(E1000Tx, props.ipcss),
            VMSTATE_U8(E1000Tx, props.ipcso),
            VMSTATE_U16(E1000Tx, props.ipcse),
            VMSTATE_U8(E1000Tx, props.tucss),
            VMSTATE_U8(E1000Tx, props.tucso),
            VMSTATE_U16(E1000Tx, props.tucse),
            VMSTATE_U8(E1000Tx, props.hdr_len),
            VMSTATE_U16(E1000Tx, props.mss),
            VMSTATE_U32(E1000Tx, props.paylen),
            VMSTATE_I8(E1000Tx, props.ip),
            VMSTATE_I8(E1000Tx, props.tcp),
            VMSTATE_BOOL(E1000Tx, props.tse),
            NAMED("cptse", E1000Tx, tso, VMS_BOOL),
            NAMED("skip_cp", E1000Tx, skip, VMS_BOOL),
            VMSTATE_END,
        },
};

static bool pre_save(void *opaque, GError **errp)
{
    E1000e *s = opaque;

    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        s->tx[q].skip |= s->tx[q].started;
    }
    return true;
}

/*
 * Ring indexes and the like may be anything: they are checked where they are
 * used, as a guest can write them too.
 */
static bool post_load(void *opaque, int version, GError **errp)
{
    E1000e *s = opaque;
    bool up = E1000E_MAC(s, E1000_STATUS) & E1000_STATUS_LU;

    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        E1000Tx *tx = &s->tx[q];

        tx->tso_props = tx->props;
        tx->started = tx->skip;
        tx->size = 0;
        tx->tso_frames = 0;
    }
    /* Sizes follow from registers, whatever the stream has. */
    if (E1000E_MAC(s, E1000_RCTL) != 0) {
        e1000e_rx_configure(s);
    }
    /* The cable is where the source had it; negotiating is over. */
    s->nic.port.link_down = !up;
    e1000e_set_link(s, up);
    e1000e_irq_loaded(s);
    return true;
}

const Vmstate e1000e_vmstate = {
    .name = "e1000e",
    .version = 1,
    .oldest = 1,
    .pre_save = pre_save,
    .post_load = post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(E1000e, pci, "parent_obj"),
            VMSTATE_MSIX_AS(E1000e, pci, "parent_obj"),
            NAMED("ioaddr", E1000e, io_addr, VMS_U32),
            NAMED("core.rxbuf_min_shift", E1000e, rxbuf_min_shift, VMS_U32),
            NAMED("core.rx_desc_len", E1000e, rx_desc_len, VMS_U8),
            NAMED_ARRAY("core.rxbuf_sizes", rxbuf_sizes, VMS_U32,
                        E1000E_PS_BUFFERS),
            NAMED("core.rx_desc_buf_size", E1000e, rx_desc_buf_size, VMS_U32),
            NAMED_ARRAY("core.eeprom", eeprom, VMS_U16, E1000_EEPROM_WORDS),
            NAMED_ARRAY("core.phy", phy, VMS_U16,
                        E1000E_PHY_PAGES *E1000E_PHY_PAGE_REGS),
            NAMED_ARRAY("core.mac", mac, VMS_U32, E1000_MMIO_SIZE / 4),
            NAMED_ARRAY("core.permanent_mac", permanent_mac.a, VMS_U8,
                        ETH_ADDR_LEN),
            NAMED("core.delayed_causes", E1000e, delayed_causes, VMS_U32),
            NAMED("subsys", E1000e, opt_subsys, VMS_U16),
            NAMED("subsys_ven", E1000e, opt_subsys_vendor, VMS_U16),
            NAMED_TIMER("core.rdtr", rdtr),
            NAMED_TIMER("core.radv", radv),
            NAMED_TIMER("core.raid", raid),
            NAMED_TIMER("core.tadv", tadv),
            NAMED_TIMER("core.tidv", tidv),
            NAMED_TIMER("core.itr", itr),
            NAMED("core.itr_intr_pending", E1000e, itr_pending, VMS_BOOL),
            { .name = "core.eitr",
              .kind = VMS_STRUCT,
              .offset = offsetof(E1000e, eitr),
              .size = sizeof(E1000eTimer),
              .num = E1000E_VECTORS,
              .vms = &vmstate_timer,
              .struct_version = 1 },
            NAMED_ARRAY("core.eitr_intr_pending", eitr_pending, VMS_BOOL,
                        E1000E_VECTORS),
            NAMED("core.itr_guest_value", E1000e, itr_value, VMS_U32),
            NAMED_ARRAY("core.eitr_guest_value", eitr_value, VMS_U32,
                        E1000E_VECTORS),
            NAMED("core.vet", E1000e, vet, VMS_U16),
            { .name = "core.tx",
              .kind = VMS_STRUCT,
              .offset = offsetof(E1000e, tx),
              .size = sizeof(E1000Tx),
              .num = E1000E_QUEUES,
              .vms = &vmstate_tx,
              .struct_version = 1 },
            VMSTATE_END,
        },
};
