/*
 * e1000e: whatever a guest writes to registers and descriptors, and whatever
 * frames come, the card keeps to its rings and buffers, and can move.
 *
 * Input: see fuzz-board.h.  Both rings each way are on at the start, with
 * buffers in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"
#include "hw/net/e1000e.h"
#include "hw/pci/pci-regs.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum {
    REGS = 0x40000000,
    MSIX = 0x40100000,
    RINGS = 0x1000, /* one of 16 descriptors each 0x100 bytes: two TX, two RX */
    RING_BYTES = 0x100,
    DATA = 0x10000,
    FRAME_MAX = 4096,
};

static E1000e *card_of(FuzzBoard *b)
{
    return container_of(b->dev, E1000e, pci.dev);
}

static void plug(FuzzBoard *b)
{
    b->dev = device_new(b->vm, &e1000e_type);
    if (!device_prop_set(b->dev, "romfile", "", NULL) ||
        !device_realize(b->dev, &b->pci->bus, NULL)) {
        fuzz_fail("the card is not made");
    }
}

static void lay_out(FuzzBoard *b)
{
    uint8_t *ram = b->ram->host;

    for (unsigned i = 0; i < 4 * RING_BYTES / E1000_DESC_SIZE; i++) {
        stq_le_p(ram + RINGS + E1000_DESC_SIZE * i, DATA + 0x400 * i);
    }
}

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);

    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_0, REGS, 4);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_3, MSIX, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ring = REGS + (i < 2 ? E1000_TDBAL : E1000_RDBAL) +
                        (uint64_t)E1000E_RING_STRIDE * (i & 1);

        fuzz_board_poke(b, ring, RINGS + RING_BYTES * i);
        fuzz_board_poke(b, ring + 8, RING_BYTES);
        fuzz_board_poke(b, ring + 0x18, i < 2 ? 0 : 15);
    }
    fuzz_board_poke(b, REGS + E1000_TCTL, E1000_TCTL_EN);
    fuzz_board_poke(b, REGS + E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE);
    fuzz_board_poke(b, REGS + E1000_IMS, UINT32_MAX);
    if (E1000E_MAC(card_of(b), E1000_TCTL) != E1000_TCTL_EN) {
        fuzz_fail("the card doesn't start");
    }
}

static void check(FuzzBoard *b)
{
    E1000e *s = card_of(b);

    for (unsigned v = 0; v < E1000E_VECTORS; v++) {
        if (s->eitr[v].running != timer_pending(&s->eitr[v].timer)) {
            fuzz_fail("vector %u waits for no timer", v);
        }
    }
    if (s->in_tx) {
        fuzz_fail("sending is entered");
    }
    if ((E1000E_MAC(s, E1000_ICR) & E1000E_INT_ASSERTED) == 0 &&
        E1000E_MAC(s, E1000_ICR) != 0) {
        fuzz_fail("causes 0x%x without the bit that says so",
                  E1000E_MAC(s, E1000_ICR));
    }
}

/* A frame out of memory comes from the cable. */
static void receive(FuzzBoard *b, uint32_t at, uint32_t len)
{
    struct iovec iov = { (uint8_t *)b->ram->host + DATA + (at & 0x7fff),
                         len % FRAME_MAX };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = iov.iov_len };

    e1000e_receive(&card_of(b)->nic.port, &pkt);
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    switch (what % 8) {
    case 0: /* a register of the rings */
        fuzz_board_poke(b,
                        REGS + (what & 8 ? E1000_TDBAL : E1000_RDBAL) +
                            (at & 0x13c),
                        val);
        break;
    case 1: /* any register */
        fuzz_board_poke(b, REGS + (at & 0x1fffc), val);
        break;
    case 2:
        address_space_load(&b->vm->mem.memory, REGS + (at & 0x1fffc), 4, NULL);
        break;
    case 3: /* a descriptor */
        fuzz_board_poke(b, RINGS + (at & 0x3fc), val);
        break;
    case 4: /* what a frame begins with, or any data */
        fuzz_board_poke(b, DATA + (at & 0xfffc), val);
        break;
    case 5:
        receive(b, at, val);
        break;
    case 6: /* MSI-X, then its control word */
        fuzz_board_poke(b, MSIX + (at & 0x7c), val);
        pci_default_config_write(PCI_DEVICE(b->dev), 0xa2, at >> 8, 2);
        break;
    default: /* the tail of a ring */
        fuzz_board_poke(b,
                        REGS + (at & 1 ? E1000_TDT : E1000_RDT) + (at & 0x100),
                        val & 31);
        break;
    }
}

static const FuzzTarget target = {
    .plug = plug,
    .start = start,
    .step = step,
    .check = check,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FuzzBoard *b;

    return fuzz_board_run(&b, &target, data, len);
}
