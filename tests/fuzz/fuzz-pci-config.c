/*
 * PCI configuration space and MSI-X tables: whatever a guest writes, to a
 * function behind two bridges or to these, the identity stays and nothing is
 * mapped that the guest has not opened.
 *
 * Input: writes of 8 bytes each: what (configuration space or memory), bus,
 * devfn, log2 of the length and register (16 bits, little-endian), value (32).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-regs.h"
#include "hw/virtio/virtio-devices.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum { WRITE_SIZE = 8, WRITES_MAX = 128, MEM_BASE = 0xe000 };

static PciDevice *add(PciBus *bus, const DeviceType *type, const char *prop)
{
    Device *dev = device_new(bus->bus.vm, type);

    if (prop != NULL && !device_prop_set(dev, prop, "1", NULL)) {
        fuzz_fail("%s: no property %s", type->name, prop);
    }
    if (!device_realize(dev, &bus->bus, NULL)) {
        fuzz_fail("%s is not made", type->name);
    }
    return PCI_DEVICE(dev);
}

static void check(PciDevice *d)
{
    uint16_t cmd = lduw_le_p(d->config + PCI_COMMAND);
    const PciInfo *info = d->dev.type->pci;

    if (lduw_le_p(d->config + PCI_VENDOR_ID) != info->vendor_id) {
        fuzz_fail("%s: another vendor", d->dev.type->name);
    }
    for (unsigned n = 0; n < PCI_NUM_BARS; n++) {
        const PciBar *bar = &d->bars[n];
        bool io = bar->type & PCI_BASE_ADDRESS_SPACE_IO;

        if (bar->mr != NULL && bar->addr != UINT64_MAX &&
            !(cmd & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))) {
            fuzz_fail("%s: BAR %u is mapped", d->dev.type->name, n);
        }
    }
    if (d->secondary != NULL && !(cmd & PCI_COMMAND_MEMORY) &&
        PCI_BRIDGE(d)->windows[PCI_WINDOW_MEM].enabled) {
        fuzz_fail("%s: its window is open", d->dev.type->name);
    }
}

static void write_one(PciBus *root, const uint8_t *in)
{
    unsigned len = 1u << (in[2] >> 4) % 3;
    uint32_t reg = lduw_le_p(in + 2) & 0xfff & ~(len - 1);
    uint32_t val = ldl_le_p(in + 4);
    uint8_t bytes[4];

    if (in[0] & 0x80) {
        stl_le_p(bytes, val);
        address_space_write(&root->bus.vm->mem.memory,
                            (uint64_t)(MEM_BASE | in[1]) << 16 | reg, bytes,
                            len);
    } else {
        pci_ecam_write(root, (in[0] & 7u) << 20 | (uint32_t)in[1] << 12 | reg,
                       val, len);
    }
}

/* One machine for all inputs: to free it takes longer than to use it. */
typedef struct Board {
    PciBus *root;
    PciDevice *devs[4];
    uint8_t config[4][PCIE_CONFIG_SIZE]; /* after a reset */
} Board;

static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);

    b->root = fuzz_board_new()->pci;
    b->devs[0] = add(b->root, &pcie_root_port_type, "chassis");
    b->devs[1] = add(b->devs[0]->secondary, &pcie_pci_bridge_type, NULL);
    b->devs[2] = add(b->devs[1]->secondary, &pci_bridge_type, "chassis_nr");
    b->devs[3] = add(b->devs[2]->secondary, &virtio_rng_pci_type, NULL);
    bus_reset_tree(&b->root->bus);
    for (unsigned i = 0; i < G_N_ELEMENTS(b->devs); i++) {
        memcpy(b->config[i], b->devs[i]->config, PCIE_CONFIG_SIZE);
    }
    return b;
}

static void board_reset(Board *b)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(b->devs); i++) {
        memcpy(b->devs[i]->config, b->config[i], PCIE_CONFIG_SIZE);
    }
    bus_reset_tree(&b->root->bus);
    /* From there on inputs find all of them. */
    for (unsigned i = 0; i < 3; i++) {
        stl_le_p(b->devs[i]->config + PCI_PRIMARY_BUS,
                 i | (i + 1) << 8 | 7 << 16);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static Board *b;

    vm_lock_acquire();
    if (b == NULL) {
        b = board_new();
    }
    board_reset(b);
    for (unsigned n = 0; n < WRITES_MAX && len >= WRITE_SIZE; n++) {
        write_one(b->root, data);
        for (unsigned i = 0; i < G_N_ELEMENTS(b->devs); i++) {
            check(b->devs[i]);
        }
        data += WRITE_SIZE;
        len -= WRITE_SIZE;
    }
    vm_lock_release();
    return 0;
}
