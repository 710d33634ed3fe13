/*
 * Configuration space of a function: header, BARs, capabilities, INTx.
 * (PCI Local Bus Specification 3.0, chapter 6.)
 *
 * Stream: "PCIDevice" version 2: version, 256 or 4096 bytes of configuration
 * space, level of each of the four pins (be32).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci.h"

#include "accel/accel.h"
#include "hw/intc/apic.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix-priv.h"
#include "hw/pci/pci-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

#define BAR_UNMAPPED UINT64_MAX

static bool pci_is_bridge(const PciDevice *d)
{
    return (d->config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) ==
           PCI_HEADER_TYPE_BRIDGE;
}

static unsigned bar_reg(const PciDevice *d, unsigned n)
{
    if (n != PCI_ROM_SLOT) {
        return PCI_BASE_ADDRESS_0 + 4 * n;
    }
    return pci_is_bridge(d) ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
}

static bool bar_is_64(const PciBar *bar)
{
    return !(bar->type & PCI_BASE_ADDRESS_SPACE_IO) &&
           (bar->type & PCI_BASE_ADDRESS_MEM_TYPE_64);
}

static void init_identity(PciDevice *d)
{
    const PciInfo *info = d->dev.type->pci;
    uint8_t *c = d->config;

    stw_le_p(c + PCI_VENDOR_ID, info->vendor_id);
    stw_le_p(c + PCI_DEVICE_ID, info->device_id);
    stw_le_p(c + PCI_STATUS, info->status);
    stb_p(c + PCI_REVISION_ID, info->revision);
    stb_p(c + PCI_CLASS_PROG, info->prog_if);
    stw_le_p(c + PCI_CLASS_DEVICE, info->class_id);
    stb_p(c + PCI_HEADER_TYPE,
          info->header_type | (d->multifunction ? 0x80 : 0));
    if (pci_is_bridge(d)) {
        return; /* has no such registers, but a capability */
    }
    stw_le_p(c + PCI_SUBSYSTEM_VENDOR_ID, info->subsystem_vendor_id
                                              ? info->subsystem_vendor_id
                                              : PCI_DEFAULT_SUBVENDOR);
    stw_le_p(c + PCI_SUBSYSTEM_ID,
             info->subsystem_id ? info->subsystem_id : PCI_DEFAULT_SUBSYSTEM);
}

static void init_masks(PciDevice *d)
{
    stw_le_p(d->wmask + PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
                                         PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
                                         PCI_COMMAND_INTX_DISABLE);
    stw_le_p(d->w1cmask + PCI_STATUS,
             PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
                 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
                 PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
    d->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    d->wmask[PCI_INTERRUPT_LINE] = 0xff;
    /* What lies behind the header is the function's business. */
    memset(d->wmask + PCI_STD_HEADER_SIZEOF, 0xff,
           d->config_size - PCI_STD_HEADER_SIZEOF);
    stl_le_p(d->cmask + PCI_VENDOR_ID, UINT32_MAX);
    stw_le_p(d->cmask + PCI_STATUS, PCI_STATUS_CAP_LIST);
    stl_le_p(d->cmask + PCI_CLASS_REVISION, 0xffffff00);
    d->cmask[PCI_HEADER_TYPE] = 0xff;
    d->cmask[PCI_CAPABILITY_LIST] = 0xff;
}

void pci_config_init(PciDevice *d)
{
    memset(d->config, 0, sizeof(d->config));
    memset(d->wmask, 0, sizeof(d->wmask));
    memset(d->cmask, 0, sizeof(d->cmask));
    memset(d->w1cmask, 0, sizeof(d->w1cmask));
    memset(d->cap_bytes, 0, sizeof(d->cap_bytes));
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        d->bars[i] = (PciBar){ .addr = BAR_UNMAPPED };
    }
    d->config_size =
        d->dev.type->pci->express ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
    d->version_id = 2;
    d->dma.as = &d->dev.vm->mem.memory;
    d->config_read = pci_default_config_read;
    d->config_write = pci_default_config_write;
    init_identity(d);
    init_masks(d);
}

/* Where the guest has put a BAR; BAR_UNMAPPED if it is not decoded. */
static uint64_t bar_address(PciDevice *d, unsigned n)
{
    const PciBar *bar = &d->bars[n];
    uint16_t cmd = lduw_le_p(d->config + PCI_COMMAND);
    const uint8_t *p = d->config + bar_reg(d, n);
    uint64_t addr = ldl_le_p(p), last;

    if (bar->type & PCI_BASE_ADDRESS_SPACE_IO) {
        addr &= ~(uint64_t)(bar->size - 1);
        last = addr + bar->size - 1;
        return cmd & PCI_COMMAND_IO && addr != 0 && last <= 0xffff
                   ? addr
                   : BAR_UNMAPPED;
    }
    if (!(cmd & PCI_COMMAND_MEMORY) ||
        (n == PCI_ROM_SLOT && !(addr & PCI_ROM_ADDRESS_ENABLE))) {
        return BAR_UNMAPPED;
    }
    if (bar_is_64(bar)) {
        addr |= (uint64_t)ldl_le_p(p + 4) << 32;
    }
    addr &= ~(bar->size - 1);
    last = addr + bar->size - 1;
    /* While it is sized, a BAR holds all ones: that is no place. */
    if (addr == 0 || last <= addr || last == BAR_UNMAPPED ||
        (!bar_is_64(bar) && last >= UINT32_MAX)) {
        return BAR_UNMAPPED;
    }
    return addr;
}

static void update_bar(PciDevice *d, unsigned n)
{
    PciBus *bus = pci_bus_of(d);
    PciBar *bar = &d->bars[n];
    uint64_t addr;

    if (bar->mr == NULL) {
        return;
    }
    addr = bar_address(d, n);
    if (addr == bar->addr) {
        return;
    }
    if (bar->addr != BAR_UNMAPPED) {
        memory_region_del(bar->mr);
    }
    bar->addr = addr;
    if (addr != BAR_UNMAPPED) {
        memory_region_add(bar->type & PCI_BASE_ADDRESS_SPACE_IO ? bus->io
                                                                : bus->mem,
                          addr, bar->mr, 1);
    }
}

/* The command register and BARs were written: what they open and map. */
static void update_decoding(PciDevice *d)
{
    bool master = lduw_le_p(d->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
    Memory *mem = &d->dev.vm->mem;

    __atomic_store_n(&d->dma.open, master, __ATOMIC_RELAXED);
    memory_transaction_begin(mem);
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        update_bar(d, n);
    }
    memory_transaction_commit(mem);
}

void pci_unregister_bars(PciDevice *d)
{
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        PciBar *bar = &d->bars[n];

        if (bar->mr != NULL && bar->addr != BAR_UNMAPPED) {
            memory_region_del(bar->mr);
        }
        *bar = (PciBar){ .addr = BAR_UNMAPPED };
    }
}

void pci_register_bar(PciDevice *d, unsigned n, uint8_t type, MemoryRegion *mr)
{
    uint64_t size = mr->size;
    PciBar *bar = &d->bars[n];
    uint8_t *w = d->wmask + bar_reg(d, n);

    g_assert(n < PCI_NUM_BARS && is_pow2(size) && bar->mr == NULL);
    *bar =
        (PciBar){ .mr = mr, .size = size, .type = type, .addr = BAR_UNMAPPED };
    stl_le_p(w, ~(uint32_t)(size - 1));
    if (n == PCI_ROM_SLOT) {
        *w |= PCI_ROM_ADDRESS_ENABLE;
        return;
    }
    stl_le_p(d->config + bar_reg(d, n), type);
    stl_le_p(d->cmask + bar_reg(d, n), UINT32_MAX);
    if (bar_is_64(bar)) {
        stl_le_p(w + 4, ~(size - 1) >> 32);
        stl_le_p(d->cmask + bar_reg(d, n) + 4, UINT32_MAX);
    }
}

void pci_config_reset(PciDevice *d)
{
    pci_set_irq(d, false);
    stw_le_p(d->config + PCI_COMMAND, lduw_le_p(d->config + PCI_COMMAND) &
                                          ~lduw_le_p(d->wmask + PCI_COMMAND));
    stw_le_p(d->config + PCI_STATUS, lduw_le_p(d->config + PCI_STATUS) &
                                         ~lduw_le_p(d->w1cmask + PCI_STATUS));
    d->config[PCI_CACHE_LINE_SIZE] = 0;
    d->config[PCI_INTERRUPT_LINE] = 0;
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        const PciBar *bar = &d->bars[n];

        if (bar->mr == NULL) {
            continue;
        }
        stl_le_p(d->config + bar_reg(d, n), bar->type);
        if (bar_is_64(bar)) {
            stl_le_p(d->config + bar_reg(d, n) + 4, 0);
        }
    }
    update_decoding(d);
}

uint32_t pci_default_config_read(PciDevice *d, unsigned addr, unsigned len)
{
    return ldn_le_p(d->config + addr, len);
}

static bool config_touches(unsigned addr, unsigned len, unsigned reg,
                           unsigned rlen)
{
    return addr < reg + rlen && reg < addr + len;
}

/* Masking INTx hides or shows pins that are asserted. */
static void update_intx_disable(PciDevice *d, uint16_t old_cmd)
{
    uint16_t cmd = lduw_le_p(d->config + PCI_COMMAND);

    if (((cmd ^ old_cmd) & PCI_COMMAND_INTX_DISABLE) == 0) {
        return;
    }
    for (unsigned pin = 0; pin < PCI_PINS; pin++) {
        if (d->irq_state & (1u << pin)) {
            pci_irq_route(d, pin, !(cmd & PCI_COMMAND_INTX_DISABLE));
        }
    }
}

void pci_default_config_write(PciDevice *d, unsigned addr, uint32_t val,
                              unsigned len)
{
    uint16_t old_cmd = lduw_le_p(d->config + PCI_COMMAND);

    for (unsigned i = 0; i < len; i++, val >>= 8) {
        uint8_t w = d->wmask[addr + i], w1c = d->w1cmask[addr + i];
        uint8_t *c = &d->config[addr + i];

        *c = (*c & ~w) | (val & w);
        *c &= ~(val & w1c);
    }
    if (config_touches(addr, len, PCI_COMMAND, 2) ||
        config_touches(addr, len, PCI_BASE_ADDRESS_0, 24) ||
        config_touches(addr, len, bar_reg(d, PCI_ROM_SLOT), 4)) {
        update_decoding(d);
    }
    update_intx_disable(d, old_cmd);
    msi_config_written(d, addr, len);
    msix_config_written(d, addr, len);
}

void pci_set_irq(PciDevice *d, bool level)
{
    unsigned pin = d->config[PCI_INTERRUPT_PIN];
    uint16_t cmd = lduw_le_p(d->config + PCI_COMMAND);
    uint8_t bit;

    if (pin == 0 || pin > PCI_PINS) {
        return;
    }
    bit = 1u << (pin - 1);
    if (level == ((d->irq_state & bit) != 0)) {
        return;
    }
    d->irq_state ^= bit;
    d->config[PCI_STATUS] = (d->config[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) |
                            (level ? PCI_STATUS_INTERRUPT : 0);
    if (!(cmd & PCI_COMMAND_INTX_DISABLE)) {
        pci_irq_route(d, pin - 1, level);
    }
}

/* The first place behind the header where `size` bytes are in no capability. */
static uint8_t find_room(const PciDevice *d, uint8_t size)
{
    unsigned run = 0;

    for (unsigned off = PCI_STD_HEADER_SIZEOF; off < PCI_CONFIG_SIZE; off++) {
        run = d->cap_bytes[off] ? 0 : run + 1;
        if (off % 4 == 3 && run >= size) {
            return ROUND_DOWN(off + 1 - size, 4);
        }
    }
    return 0;
}

static bool room_is_free(const PciDevice *d, unsigned off, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        if (d->cap_bytes[off + i]) {
            return false;
        }
    }
    return true;
}

uint8_t pci_add_capability(PciDevice *d, uint8_t id, uint8_t off, uint8_t size,
                           GError **errp)
{
    uint8_t *c = d->config;

    if (off == 0) {
        off = find_room(d, size);
    }
    if (off < PCI_STD_HEADER_SIZEOF || off % 4 != 0 ||
        size > PCI_CONFIG_SIZE - off || !room_is_free(d, off, size)) {
        error_setf(errp,
                   "%s: no room for capability 0x%02x of %u bytes at "
                   "0x%02x",
                   device_name(&d->dev), id, size, off);
        return 0;
    }
    c[off] = id;
    c[off + 1] = c[PCI_CAPABILITY_LIST];
    c[PCI_CAPABILITY_LIST] = off;
    c[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    memset(d->wmask + off, 0, size);
    memset(d->cmask + off, 0xff, size);
    memset(d->cap_bytes + off, 1, size);
    return off;
}

/* Capabilities are this side's own and end; the guest can't write the list. */
uint8_t pci_find_capability(const PciDevice *d, uint8_t id)
{
    uint8_t off = d->config[PCI_CAPABILITY_LIST];

    for (unsigned n = 0; off != 0 && n < PCI_CONFIG_SIZE / 4; n++) {
        if (d->config[off] == id) {
            return off;
        }
        off = d->config[off + 1];
    }
    return 0;
}

/* Bus mastering is what lets a function reach memory. */
MemResult pci_dma_read(PciDevice *d, uint64_t addr, void *buf, uint64_t len)
{
    MemResult r;

    if (!dma_is_open(&d->dma)) {
        memset(buf, 0xff, len);
        return MEM_ERROR;
    }
    dma_access_begin();
    r = address_space_read(d->dma.as, addr, buf, len);
    dma_access_end();
    return r;
}

MemResult pci_dma_write(PciDevice *d, uint64_t addr, const void *buf,
                        uint64_t len)
{
    MemResult r;

    if (!dma_is_open(&d->dma)) {
        return MEM_ERROR;
    }
    dma_access_begin();
    r = address_space_write(d->dma.as, addr, buf, len);
    dma_access_end();
    return r;
}

bool pci_msi_is_interrupt(uint64_t addr)
{
    return addr / APIC_SIZE == APIC_ADDR / APIC_SIZE;
}

void pci_send_msi(PciDevice *d, uint64_t addr, uint32_t data)
{
    const Accel *acc = d->dev.vm->accel;

    if (!dma_is_open(&d->dma)) {
        return;
    }
    if (!pci_msi_is_interrupt(addr)) {
        /* A message is a write: one elsewhere goes where it says. */
        dma_access_begin();
        address_space_store(d->dma.as, addr, data, 4);
        dma_access_end();
    } else if (acc != NULL && acc->kernel_apic) {
        msi_send(d->dev.vm, addr, data);
    } else {
        VM_LOCK_GUARD();
        msi_send(d->dev.vm, addr, data);
    }
}

static bool config_put(StreamOut *s, const void *field, size_t size,
                       GError **errp)
{
    stream_put(s, field, size);
    return true;
}

/* Bits that neither guest nor device can have changed must be as here. */
static bool config_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    PciDevice *d = container_of(field, PciDevice, config);
    uint8_t in[PCIE_CONFIG_SIZE];

    if (!stream_get(s, in, size)) {
        return stream_in_check(s, errp);
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t fixed = d->cmask[i] & ~d->wmask[i] & ~d->w1cmask[i];

        if ((in[i] ^ d->config[i]) & fixed) {
            error_setf(errp,
                       "configuration byte 0x%02x is 0x%02x in the stream but "
                       "0x%02x here (fixed bits 0x%02x)",
                       i, in[i], d->config[i], fixed);
            return false;
        }
    }
    memcpy(d->config, in, size);
    return true;
}

static const VmstateInfo config_info = { .name = "pci config",
                                         .put = config_put,
                                         .get = config_get };

static bool irq_put(StreamOut *s, const void *field, size_t size, GError **errp)
{
    uint8_t state = *(const uint8_t *)field;

    for (unsigned pin = 0; pin < PCI_PINS; pin++) {
        stream_put_be32(s, (state >> pin) & 1);
    }
    return true;
}

static bool irq_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    uint8_t state = 0;

    for (unsigned pin = 0; pin < PCI_PINS; pin++) {
        uint32_t level = stream_get_be32(s);

        if (level > 1) {
            error_setf(errp, "level %u of interrupt pin %u", level, pin);
            return false;
        }
        state |= level << pin;
    }
    *(uint8_t *)field = state;
    return true;
}

static const VmstateInfo irq_info = { .name = "pci irq state",
                                      .put = irq_put,
                                      .get = irq_get };

static bool config_is_small(void *opaque, int version)
{
    return ((PciDevice *)opaque)->config_size == PCI_CONFIG_SIZE;
}

static bool config_is_large(void *opaque, int version)
{
    return ((PciDevice *)opaque)->config_size == PCIE_CONFIG_SIZE;
}

static bool pci_post_load(void *opaque, int version, GError **errp)
{
    update_decoding(opaque);
    msix_config_loaded(opaque);
    return true;
}

const Vmstate vmstate_pci_device = {
    .name = "PCIDevice",
    .version = 2,
    .oldest = 1,
    .post_load = pci_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_FIELD_(PciDevice, version_id, VMS_I32_LE),
            { .name = "config[0]",
              .kind = VMS_CUSTOM,
              .offset = offsetof(PciDevice, config),
              .size = PCI_CONFIG_SIZE,
              .exists = config_is_small,
              .info = &config_info },
            { .name = "config[1]",
              .kind = VMS_CUSTOM,
              .offset = offsetof(PciDevice, config),
              .size = PCIE_CONFIG_SIZE,
              .exists = config_is_large,
              .info = &config_info },
            { .name = "irq_state",
              .kind = VMS_CUSTOM,
              .offset = offsetof(PciDevice, irq_state),
              .size = 4 * PCI_PINS,
              .version = 2,
              .info = &irq_info },
            VMSTATE_END,
        },
};
