/*
 * virtio-scsi: whatever a driver writes into requests, task management and
 * rings, and whenever it resets the adapter or a unit meanwhile, each request
 * is known to its unit until it ends, and the adapter can move.
 *
 * Input: see fuzz-board.h.  Three queues are on at the start; a request is 256
 * bytes in memory, with data behind its head.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <sys/mman.h>

#include "hw/pci/pci-regs.h"
#include "hw/scsi/virtio-scsi-priv.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum {
    REGS = 0x40000000,
    CONFIG = REGS + 0x2000,
    NOTIFY = REGS + 0x3000,
    QUEUES = 3,
    RING = 0x1000, /* of each queue: descriptors, avail, used */
    RING_BYTES = 0x1000,
    AVAIL = 0x400,
    USED = 0x800,
    ENTRIES = 16,
    CMD = 0x8000,
    CMD_BYTES = 256,
    CDB = CMD + 19,
    CONTROL = 0x8400,
    ANSWER = 0x10000,
    ANSWER_BYTES = 0x10000,
    DISK_SIZE = 1 * MiB,
};

static VirtioScsi *scsi_of(FuzzBoard *b)
{
    return vscsi_of(VIRTIO_DEVICE(b->dev));
}

static void add_unit(FuzzBoard *b, const DeviceType *type, const char *id,
                     const char *more)
{
    Device *dev = device_new(b->vm, type);
    int fd = memfd_create("fuzz", 0);
    g_autofree char *text = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (fd < 0 || ftruncate(fd, DISK_SIZE) < 0) {
        fuzz_fail("no memory for a disk");
    }
    text = g_strdup_printf("file=/proc/self/fd/%d,format=raw,if=none,id=%s,"
                           "discard=unmap,file.locking=off%s",
                           fd, id, more);
    kv = keyval_parse(text, NULL, NULL);
    if (block_new_from_keyval(b->vm->blocks, kv, NULL) == NULL ||
        !device_prop_set(dev, "drive", id, NULL) ||
        !device_realize(dev, &scsi_of(b)->bus.bus, NULL)) {
        fuzz_fail("no unit %s", id);
    }
}

static void plug(FuzzBoard *b)
{
    b->dev = device_new(b->vm, &virtio_scsi_pci_type);
    if (!device_prop_set(b->dev, "num_queues", "1", NULL) ||
        !device_prop_set(b->dev, "virtqueue_size", "16", NULL) ||
        !device_realize(b->dev, &b->pci->bus, NULL)) {
        fuzz_fail("the adapter is not made");
    }
    add_unit(b, &scsi_hd_type, "hd", "");
    add_unit(b, &scsi_cd_type, "cd", ",media=cdrom");
}

static void store(FuzzBoard *b, uint64_t addr, uint64_t val, unsigned size)
{
    address_space_store(&b->vm->mem.memory, addr, val, size);
}

/* A driver that has reset the adapter begins. */
static void drive(FuzzBoard *b)
{
    store(b, REGS + VIRTIO_PCI_COMMON_STATUS, 0, 1);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GFSELECT, 0);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GF,
                    1 << VIRTIO_SCSI_F_HOTPLUG | 1 << VIRTIO_SCSI_F_CHANGE);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GFSELECT, 1);
    fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_GF, 1);
    memset((uint8_t *)b->ram->host + RING, 0, QUEUES * RING_BYTES);
    for (unsigned i = 0; i < QUEUES; i++) {
        uint32_t ring = RING + i * RING_BYTES;

        store(b, REGS + VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
        store(b, REGS + VIRTIO_PCI_COMMON_Q_SIZE, ENTRIES, 2);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_DESCLO, ring);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_AVAILLO, ring + AVAIL);
        fuzz_board_poke(b, REGS + VIRTIO_PCI_COMMON_Q_USEDLO, ring + USED);
        store(b, REGS + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    }
    store(b, REGS + VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
}

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);
    uint8_t *ram = b->ram->host;

    pci_default_config_write(pci, PCI_BASE_ADDRESS_4, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    ram[CMD] = ram[CONTROL + 8] = 1;
    ram[CMD + 2] = ram[CONTROL + 10] = 0x40;
    drive(b);
}

static void count_requests(ScsiDevice *d, void *opaque)
{
    *(unsigned *)opaque += d->requests.length;
}

static void check(FuzzBoard *b)
{
    VirtioScsi *s = scsi_of(b);
    unsigned n = 0;

    scsi_bus_foreach(&s->bus, count_requests, &n);
    if (n != s->active.length) {
        fuzz_fail("%u requests of units, %u of the adapter", n,
                  s->active.length);
    }
    for (const GList *l = s->active.head; l != NULL; l = l->next) {
        const VscsiReq *req = l->data;

        if (!req->r.in_flight && !req->r.stopped) {
            fuzz_fail("request %u is forgotten", req->e->head);
        }
    }
}

static void end(FuzzBoard *b)
{
    const VirtioScsi *s = scsi_of(b);

    block_drain_all(b->vm->blocks, false);
    if (s->active.length != 0 || s->tmfs.length != 0) {
        fuzz_fail("%u requests, %u functions don't end", s->active.length,
                  s->tmfs.length);
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

/* A chain of a buffer each way, or of one (a length of 0). */
static void submit(FuzzBoard *b, unsigned n, uint32_t at, uint32_t out,
                   uint32_t in)
{
    uint8_t *ram = b->ram->host;
    uint32_t ring = RING + n * RING_BYTES;
    uint16_t idx = lduw_le_p(ram + ring + AVAIL + 2);
    unsigned head = idx % (ENTRIES / 2) * 2;
    uint32_t desc = ring + 16 * head;

    describe(b, desc, at, out, in > 0 ? VRING_DESC_F_NEXT : 0, head + 1);
    describe(b, desc + 16, ANSWER, in, VRING_DESC_F_WRITE, 0);
    stw_le_p(ram + ring + AVAIL + 4 + 2 * (idx % ENTRIES), head);
    stw_le_p(ram + ring + AVAIL + 2, idx + 1);
    store(b, NOTIFY + 4 * n, n, 2);
}

static void restart(FuzzBoard *b, uint32_t how)
{
    if (how & 1) {
        drive(b);
    } else if (how & 2) {
        vm_stop(b->vm, RUN_STATE_PAUSED);
        vm_start(b->vm);
    } else {
        block_drain_all(b->vm->blocks, false);
    }
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    uint8_t *ram = b->ram->host;

    switch (what % 10) {
    case 0: /* a command without parameters, for one of the units */
        memset(ram + CDB, 0, 16);
        ram[CDB] = val;
        ram[CMD + 1] = at & 1;
        break;
    case 1: /* a byte of the CDB */
        ram[CDB + (at & 15)] = val;
        break;
    case 2: /* any bytes of the head, or of data */
        stl_le_p(ram + CMD + (at & (CMD_BYTES - 4)), val);
        break;
    case 3: /* of task management */
        stl_le_p(ram + CONTROL + (at & 0x1c), val);
        break;
    case 4: /* a ring's bytes */
        stl_le_p(ram + RING + at % (QUEUES * RING_BYTES - 4), val);
        break;
    case 5: /* the configuration */
        fuzz_board_poke(b, CONFIG + 4 * (5 + (at & 1)), val & 0xff);
        break;
    case 6:
        submit(b, 0, CONTROL, at & 0x1f, val & 7);
        break;
    case 7:
        submit(b, 1, CMD, 0, val & 0x1f);
        break;
    case 8:
        restart(b, at);
        break;
    default:
        submit(b, 2, CMD, at & 1 ? 51 + (at >> 1) % 1024 : at & 0xff,
               val & 1 ? 108 + (val >> 1) % (ANSWER_BYTES - 108) : val & 0xff);
        break;
    }
}

static const FuzzTarget target = {
    .plug = plug,
    .start = start,
    .step = step,
    .check = check,
    .end = end,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FuzzBoard *board;

    return fuzz_board_run(&board, &target, data, len);
}
