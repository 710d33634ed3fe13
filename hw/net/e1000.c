/*
 * Intel 82540EM gigabit Ethernet controller ("e1000").
 *
 *   BAR 0  128 KiB of memory: registers     BAR 1  64 ports: not used
 *   INTx   level, ICR & IMS; raised anew at most every ITR * 256 ns
 *
 * Stream: "e1000" version 2 of a 7.2 machine (e1000-vmstate.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-priv.h"

#include "hw/net/e1000.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"

enum { BAR_MMIO, BAR_IO };

static E1000 *e1000_of(Device *dev)
{
    return container_of(dev, E1000, pci.dev);
}

/* ---------------------------------------------------------- interrupts --- */

/* The wire, as the causes have it; a new edge waits for the timer. */
static void irq_update(E1000 *s)
{
    bool want = E1000_MAC(s, E1000_ICR) & E1000_MAC(s, E1000_IMS);
    int64_t gap_ns = (int64_t)(E1000_MAC(s, E1000_ITR) & 0xffff) * 256;

    E1000_MAC(s, E1000_ICS) = E1000_MAC(s, E1000_ICR);
    if (want && !s->mit_irq_level) {
        if (timer_pending(&s->throttle)) {
            return;
        }
        if (s->opt_mitigation && gap_ns != 0) {
            timer_mod(&s->throttle,
                      clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL) +
                          gap_ns);
        }
    }
    s->mit_irq_level = want;
    pci_set_irq(&s->pci, want);
}

static void throttle_over(void *opaque)
{
    irq_update(opaque);
}

void e1000_interrupt(E1000 *s, uint32_t causes)
{
    E1000_MAC(s, E1000_ICR) |= causes;
    irq_update(s);
}

/* --------------------------------------------------------------- reset --- */

/* What a software reset (CTRL.RST) and RST# set: all but PHY and link. */
static void reset_mac(E1000 *s)
{
    static const struct {
        unsigned reg;
        uint32_t val;
    } values[] = {
        { E1000_CTRL, 0x00140240 },
        { E1000_LEDCTL, 0x00000602 },
        { E1000_PBA, 0x00100030 },
        { E1000_MANC, 0x00222300 },
    };
    const uint8_t *mac = s->nic.port.mac.a;

    memset(s->mac, 0, sizeof(s->mac));
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        E1000_MAC(s, values[i].reg) = values[i].val;
    }
    E1000_MAC(s, E1000_STATUS) = 0x80080783;
    if (s->opt_init_vet) {
        E1000_MAC(s, E1000_VET) = ETH_TYPE_VLAN;
    }
    E1000_MAC(s, E1000_RA) = ldl_le_p(mac);
    E1000_MAC(s, E1000_RA + 4) = lduw_le_p(mac + 4) | E1000_RAH_AV;
    s->rxbuf_size = 0;
    s->rxbuf_min_shift = 1;
    e1000_tx_reset(&s->tx);
    memset(&s->eecd, 0, sizeof(s->eecd));
    timer_del(&s->throttle);
    timer_del(&s->tx_more);
    irq_update(s);
}

static void e1000_reset(Device *dev)
{
    E1000 *s = e1000_of(dev);

    e1000_phy_reset(s);
    reset_mac(s);
    if (s->nic.port.link_down) {
        e1000_set_link(s, false);
    }
}

/* By the guest: the link stays as it is. */
static void soft_reset(E1000 *s)
{
    bool up = E1000_MAC(s, E1000_STATUS) & E1000_STATUS_LU;

    reset_mac(s);
    if (!up) {
        E1000_MAC(s, E1000_STATUS) &= ~E1000_STATUS_LU;
    }
}

/* ----------------------------------------------------------- registers --- */

typedef enum RegKind {
    REG_NONE,      /* reads as 0, writes are dropped */
    REG_PLAIN,     /* all bits are kept */
    REG_LOW16,     /* 16 bits are */
    REG_LEN,       /* length of a ring */
    REG_READ_ONLY, /* but for the card itself */
    REG_COUNTER,   /* reading clears it */
    REG_COUNTER64, /* so does reading its upper half */
} RegKind;

static const struct {
    uint32_t first, last;
    RegKind kind;
} reg_ranges[] = {
    { E1000_CTRL, E1000_CTRL, REG_PLAIN },
    { E1000_STATUS, E1000_STATUS, REG_READ_ONLY },
    { E1000_MDIC, E1000_MDIC, REG_READ_ONLY },
    { E1000_EERD, E1000_EERD, REG_READ_ONLY },
    { E1000_VET, E1000_VET, REG_PLAIN },
    { E1000_ITR, E1000_ITR, REG_LOW16 },
    { E1000_ICS, E1000_ICS, REG_READ_ONLY },
    { E1000_IMS, E1000_IMS, REG_READ_ONLY },
    { E1000_RCTL, E1000_RCTL, REG_PLAIN },
    { E1000_TCTL, E1000_TCTL, REG_PLAIN },
    { E1000_AIT, E1000_AIT, REG_LOW16 },
    { E1000_LEDCTL, E1000_LEDCTL, REG_PLAIN },
    { E1000_PBA, E1000_PBA, REG_PLAIN },
    { E1000_RDBAL, E1000_RDBAH, REG_PLAIN },
    { E1000_RDLEN, E1000_RDLEN, REG_LEN },
    { E1000_RDH, E1000_RDH, REG_LOW16 },
    { E1000_RDT, E1000_RDT, REG_LOW16 },
    { E1000_RDTR, E1000_RDTR, REG_LOW16 },
    { E1000_RADV, E1000_RADV, REG_LOW16 },
    { E1000_TDBAL, E1000_TDBAH, REG_PLAIN },
    { E1000_TDLEN, E1000_TDLEN, REG_LEN },
    { E1000_TDH, E1000_TDH, REG_LOW16 },
    { E1000_TDT, E1000_TDT, REG_LOW16 },
    { E1000_TXDCTL, E1000_TXDCTL, REG_PLAIN },
    { E1000_TADV, E1000_TADV, REG_LOW16 },
    { 0x4058, 0x4058, REG_PLAIN }, /* carrier extension errors */
    { E1000_GORCL, E1000_GORCL, REG_READ_ONLY },
    { E1000_GORCL + 4, E1000_GORCL + 4, REG_COUNTER64 },
    { E1000_GOTCL, E1000_GOTCL, REG_READ_ONLY },
    { E1000_GOTCL + 4, E1000_GOTCL + 4, REG_COUNTER64 },
    { E1000_TORL, E1000_TORL, REG_READ_ONLY },
    { E1000_TORH, E1000_TORH, REG_COUNTER64 },
    { E1000_TOTL, E1000_TOTL, REG_READ_ONLY },
    { E1000_TOTH, E1000_TOTH, REG_COUNTER64 },
    { 0x4000, 0x40fc, REG_COUNTER },
    { E1000_MTA, E1000_MTA + 0x1fc, REG_PLAIN },
    { E1000_RA, E1000_RA + 0x7c, REG_PLAIN },
    { E1000_VFTA, E1000_VFTA + 0x1fc, REG_PLAIN },
    { 0x5800, 0x5800, REG_PLAIN }, /* wake-up control */
    { E1000_WUFC, E1000_WUFC, REG_PLAIN },
    { 0x5810, 0x5810, REG_PLAIN }, /* wake-up status */
    { E1000_MANC, E1000_MANC, REG_READ_ONLY },
    { 0x5838, 0x5838, REG_PLAIN }, /* addresses and patterns to wake by */
    { 0x5840, 0x5858, REG_PLAIN },
    { 0x5880, 0x588c, REG_PLAIN },
    { 0x5a00, 0x5a7c, REG_PLAIN },
    { E1000_SWSM, E1000_SWSM, REG_PLAIN },
};

static RegKind reg_kind(uint32_t reg)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(reg_ranges); i++) {
        if (reg >= reg_ranges[i].first && reg <= reg_ranges[i].last) {
            return reg_ranges[i].kind;
        }
    }
    return REG_NONE;
}

static uint32_t reg_read(E1000 *s, uint32_t reg)
{
    uint32_t val = E1000_MAC(s, reg);

    if (reg == E1000_EECD) {
        return e1000_eecd_read(s);
    }
    if (reg == E1000_ICR) {
        E1000_MAC(s, E1000_ICR) = 0;
        irq_update(s);
        return val;
    }
    switch (reg_kind(reg)) {
    case REG_NONE:
        return 0;
    case REG_COUNTER:
        E1000_MAC(s, reg) = 0;
        return val;
    case REG_COUNTER64:
        E1000_MAC(s, reg) = 0;
        E1000_MAC(s, reg - 4) = 0;
        return val;
    default:
        return val;
    }
}

/* Buffers came, or receiving began: whoever waits may send. */
static void rx_ready(E1000 *s)
{
    net_port_ready(&s->nic.port, 0);
}

/* Writes that do something; false: a plain register. */
static bool reg_write_special(E1000 *s, uint32_t reg, uint32_t val)
{
    switch (reg) {
    case E1000_CTRL:
        if (val & E1000_CTRL_RST) {
            soft_reset(s);
            return true;
        }
        return false;
    case E1000_EECD:
        e1000_eecd_write(s, val);
        return true;
    case E1000_EERD:
        E1000_MAC(s, E1000_EERD) = e1000_eerd(s, val);
        return true;
    case E1000_MDIC:
        e1000_mdic_write(s, val);
        return true;
    case E1000_ICR:
        E1000_MAC(s, E1000_ICR) &= ~val;
        irq_update(s);
        return true;
    case E1000_ICS:
        e1000_interrupt(s, val);
        return true;
    case E1000_IMS:
        E1000_MAC(s, E1000_IMS) |= val;
        irq_update(s);
        return true;
    case E1000_IMC:
        E1000_MAC(s, E1000_IMS) &= ~val;
        irq_update(s);
        return true;
    default:
        return false;
    }
}

static void reg_write(E1000 *s, uint32_t reg, uint32_t val)
{
    if (reg_write_special(s, reg, val)) {
        return;
    }
    switch (reg_kind(reg)) {
    case REG_PLAIN:
        E1000_MAC(s, reg) = val;
        break;
    case REG_LOW16:
        E1000_MAC(s, reg) = val & 0xffff;
        break;
    case REG_LEN:
        E1000_MAC(s, reg) = val & 0xfff80;
        break;
    default:
        return;
    }
    if (reg == E1000_TDT || reg == E1000_TCTL) {
        e1000_tx_run(s);
    } else if (reg == E1000_RDT || reg == E1000_RCTL) {
        if (reg == E1000_RCTL) {
            /* Others look at these alone. */
            s->rxbuf_size = e1000_rx_buffer_size(val);
            s->rxbuf_min_shift = (val >> 8 & 3) + 1;
        }
        rx_ready(s);
    }
}

static uint64_t mmio_read(Device *dev, uint64_t off, unsigned size)
{
    return reg_read(e1000_of(dev), off & ~3u);
}

static void mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    reg_write(e1000_of(dev), off & ~3u, val);
}

static const IoOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .min_size = 4,
    .max_size = 4,
};

/* IOADDR and IODATA do nothing, as on a 7.2 machine. */
static uint64_t io_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void io_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
}

static const IoOps io_ops = { .read = io_read, .write = io_write };

/* ---------------------------------------------------------------- port --- */

static void e1000_resume(NetPort *p, unsigned queue)
{
    e1000_tx_run(container_of(p, E1000, nic.port));
}

static void e1000_link_changed(NetPort *p)
{
    E1000 *s = container_of(p, E1000, nic.port);

    if (e1000_set_link(s, !p->link_down)) {
        e1000_interrupt(s, E1000_INT_LSC);
    }
}

static const NetPortOps e1000_port_ops = {
    .type = "nic",
    .is_nic = true,
    .receive = e1000_receive,
    .resume = e1000_resume,
    .link_changed = e1000_link_changed,
};

static void tx_more(void *opaque)
{
    E1000 *s = opaque;

    if (runstate_is_running(s->pci.dev.vm)) {
        e1000_tx_run(s);
    }
}

/* A turn that was to come when the VM stopped; or what can't travel. */
static void run_changed(RunStateListener *l, bool running, RunState state)
{
    E1000 *s = container_of(l, E1000, run_listener);

    if (running) {
        e1000_tx_run(s);
    } else {
        e1000_tx_stop(s);
    }
}

static bool e1000_realize(Device *dev, GError **errp)
{
    E1000 *s = e1000_of(dev);
    Memory *mem = &dev->vm->mem;

    s->pci.config[PCI_INTERRUPT_PIN] = 1; /* INTA# */
    s->rxbuf_min_shift = 1;
    s->tx.pci = &s->pci;
    s->tx.port = &s->nic.port;
    s->tx.mac = s->mac;
    timer_init(&s->throttle, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, throttle_over,
               s);
    timer_init(&s->tx_more, dev->vm->clocks, CLOCK_TYPE_REALTIME, tx_more, s);
    if (!nic_realize(&s->nic, dev, &e1000_port_ops, 1, errp)) {
        return false;
    }
    s->run_listener.changed = run_changed;
    runstate_add_listener(dev->vm, &s->run_listener);
    e1000_eeprom_init(s);
    memory_region_init_io(&s->mmio, mem, "e1000-mmio", E1000_MMIO_SIZE,
                          &mmio_ops, dev);
    device_own_region(dev, &s->mmio);
    pci_register_bar(&s->pci, BAR_MMIO, 0, &s->mmio);
    memory_region_init_io(&s->io, mem, "e1000-io", E1000_IO_SIZE, &io_ops, dev);
    device_own_region(dev, &s->io);
    pci_register_bar(&s->pci, BAR_IO, 1, &s->io);
    return true;
}

static void e1000_unrealize(Device *dev)
{
    E1000 *s = e1000_of(dev);

    runstate_del_listener(dev->vm, &s->run_listener);
    timer_del(&s->throttle);
    timer_del(&s->tx_more);
    nic_unrealize(&s->nic);
}

static const Property e1000_props[] = {
    NIC_PROPS(E1000, nic),
    PROP(PROP_BOOL, E1000, opt_autoneg, "autonegotiation", .def = true),
    PROP(PROP_BOOL, E1000, opt_mitigation, "mitigation", .def = true),
    PROP(PROP_BOOL, E1000, opt_extra_mac, "extra_mac_registers", .def = true),
    PROP(PROP_BOOL, E1000, opt_tso_props, "migrate_tso_props", .def = true),
    PROP(PROP_BOOL, E1000, opt_init_vet, "init-vet", .def = true),
    PROP_END,
};

static const PciInfo e1000_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x100e,
    .class_id = 0x0200,
    .revision = 3,
    .romfile = "efi-e1000.rom",
};

const DeviceType e1000_type = {
    .name = "e1000",
    .parent = "e1000-base",
    .desc = "Intel Gigabit Ethernet",
    .category = "Network",
    .size = sizeof(E1000),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .props = e1000_props,
    .pci = &e1000_pci,
    .realize = e1000_realize,
    .unrealize = e1000_unrealize,
    .reset = e1000_reset,
    .vmstate = &e1000_vmstate,
};
