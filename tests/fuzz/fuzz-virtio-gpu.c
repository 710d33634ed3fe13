/*
 * virtio-gpu: whatever a driver writes into commands and rings, resources stay
 * within their bounds, outputs within resources, and the card can move.
 *
 * Input: see fuzz-board.h.  Both queues are on at the start; a command is 64
 * words in memory, an entry of its backing behind it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "hw/display/virtio-gpu-priv.h"
#include "hw/display/virtio-gpu.h"
#include "hw/pci/pci-regs.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum {
    REGS = 0x40000000,
    NOTIFY = REGS + 0x3000,
    RING = 0x1000, /* of each queue: descriptors, avail, used */
    RING_BYTES = 0x1000,
    AVAIL = 0x400,
    USED = 0x800,
    ENTRIES = 8,
    CMD = 0x8000,
    CMD_BYTES = 256,
    ANSWER = 0x9000,
    DATA = 0x10000,
};

static VirtioGpu *gpu_of(FuzzBoard *b)
{
    return container_of(VIRTIO_DEVICE(b->dev), VirtioGpu, vdev);
}

static void plug(FuzzBoard *b)
{
    b->dev = device_new(b->vm, &virtio_gpu_pci_type);
    if (!device_prop_set(b->dev, "max_outputs", "2", NULL) ||
        !device_prop_set(b->dev, "max_hostmem", "1M", NULL) ||
        !device_realize(b->dev, &b->pci->bus, NULL)) {
        fuzz_fail("the card is not made");
    }
}

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);

    pci_default_config_write(pci, PCI_BASE_ADDRESS_4, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GFSELECT, 0);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GF, 1u << VIRTIO_GPU_F_EDID);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GFSELECT, 1);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GF, 1);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t ring = RING + i * RING_BYTES;

        address_space_store(&b->vm->mem.memory,
                            REGS + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
        address_space_store(&b->vm->mem.memory, REGS + VIRTIO_PCI_COMMON_Q_SIZE,
                            ENTRIES, 2);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_DESCLO, ring);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_AVAILLO, ring + AVAIL);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_USEDLO, ring + USED);
        address_space_store(&b->vm->mem.memory,
                            REGS + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    }
    address_space_store(&b->vm->mem.memory, REGS + VIRTIO_PCI_COMMON_STATUS,
                        0xf, 1);
}

static void check(FuzzBoard *b)
{
    VirtioGpu *g = gpu_of(b);

    if (g->hostmem > g->max_hostmem) {
        fuzz_fail("%" PRIu64 " bytes of resources", g->hostmem);
    }
    if (g->resources.length != g_hash_table_size(g->by_id)) {
        fuzz_fail("%u resources, %u ids", g->resources.length,
                  g_hash_table_size(g->by_id));
    }
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *s = &g->scanouts[i];
        GpuResource *r = gpu_resource_find(g, s->resource_id);

        if (s->resource_id != 0 &&
            (r == NULL || !range_fits(s->x, s->width, r->width) ||
             !range_fits(s->y, s->height, r->height))) {
            fuzz_fail("output %u shows what isn't there", i);
        }
    }
}

static void describe(FuzzBoard *b, uint64_t desc, uint32_t at, uint32_t len,
                     uint16_t flags, uint16_t next)
{
    uint8_t *p = (uint8_t *)b->ram->host + desc;

    stq_le_p(p, at);
    stl_le_p(p + 8, len);
    stw_le_p(p + 12, flags);
    stw_le_p(p + 14, next);
}

static void submit(FuzzBoard *b, unsigned n, uint32_t out, uint32_t in)
{
    uint8_t *ram = b->ram->host;
    uint32_t ring = RING + n * RING_BYTES;
    uint16_t idx = lduw_le_p(ram + ring + AVAIL + 2);

    describe(b, ring, CMD, out, VRING_DESC_F_NEXT, 1);
    describe(b, ring + 16, ANSWER, in, VRING_DESC_F_WRITE, 0);
    stw_le_p(ram + ring + AVAIL + 4 + 2 * (idx % ENTRIES), 0);
    stw_le_p(ram + ring + AVAIL + 2, idx + 1);
    address_space_store(&b->vm->mem.memory, NOTIFY + 4 * n, n, 2);
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    uint8_t *ram = b->ram->host;

    switch (what % 8) {
    case 0: /* a small word of a command */
        stl_le_p(ram + CMD + (at & (CMD_BYTES - 4)), val & 0xff);
        break;
    case 1: /* any word of it */
        stl_le_p(ram + CMD + (at & (CMD_BYTES - 4)), val);
        break;
    case 2: /* its type */
        memset(ram + CMD, 0, 24);
        stl_le_p(ram + CMD, (val & 1 ? 0x300 : 0x100) + (at & 0xf));
        break;
    case 3: /* backing in memory */
        stq_le_p(ram + CMD + 32 + 16 * (at & 3), DATA + (val & 0xfff0));
        break;
    case 4: /* a ring's bytes */
        stl_le_p(ram + RING + (at & (2 * RING_BYTES - 4)), val);
        break;
    case 5:
        console_redraw(gpu_of(b)->scanouts[at & 1].con);
        break;
    case 6:
        submit(b, 1, CMD_BYTES, 0);
        break;
    default:
        submit(b, 0, at % (CMD_BYTES + 1), val % 2048);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FuzzBoard *board;
    static const FuzzTarget target = {
        .plug = plug, .start = start, .step = step, .check = check
    };

    return fuzz_board_run(&board, &target, data, len);
}
