/*
 * e1000e: whatever a guest writes to registers and descriptors, and whatever
 * frames come, the card keeps to its rings and buffers, and can move.
 *
 * Input: steps of 8 bytes: what (byte), where (24 bits), value (32 bits).
 * Both rings each way are on at the start, with buffers in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/net/e1000e-priv.h"
#include "hw/net/e1000e.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

enum {
    STEP = 8,
    STEPS_MAX = 128,
    RAM_SIZE = 256 * KiB,
    REGS = 0x40000000,
    MSIX = 0x40100000,
    RINGS = 0x1000, /* one of 16 descriptors each 0x100 bytes: two TX, two RX */
    RING_BYTES = 0x100,
    DATA = 0x10000,
    FRAME_MAX = 4096,
};

typedef struct Host {
    Device dev;
    PciBus pci;
} Host;

typedef struct Board {
    Vm *vm;
    Device *card;
    RamBlock *ram;
    MemoryRegion ram_mr;
} Board;

static void no_event(Vm *vm)
{
}

static bool drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain_step = drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

static bool host_realize(Device *dev, GError **errp)
{
    Host *h = DEVICE_CAST(Host, dev);
    Memory *mem = &dev->vm->mem;

    pci_bus_init(&h->pci, dev, "pci.0", &mem->root, &mem->io_root, 0);
    return true;
}

static const DeviceType host_type = {
    .name = "test-host",
    .size = sizeof(Host),
    .bus = BUS_SYSTEM,
    .realize = host_realize,
    .vmstate = VMSTATE_NONE,
};

static E1000e *card_of(Board *b)
{
    return container_of(b->card, E1000e, pci.dev);
}

static Board *board_new(void)
{
    RamBlockOptions opts = { .size = RAM_SIZE };
    Board *b = g_new0(Board, 1);
    Device *host;
    Vm *vm;

    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->networks = networks_new(vm);
    machine_new(vm, &machine_none_type);
    b->ram = ram_block_new(&vm->mem.ram, "ram", &opts, NULL);
    memory_region_init_ram_block(&b->ram_mr, &vm->mem, "ram", b->ram);
    memory_region_add(&vm->mem.root, 0, &b->ram_mr, 0);
    host = device_create(vm, &host_type, NULL, NULL);
    b->card = device_new(vm, &e1000e_type);
    if (!device_prop_set(b->card, "romfile", "", NULL) ||
        !device_realize(b->card, &DEVICE_CAST(Host, host)->pci.bus, NULL)) {
        fuzz_fail("the card is not made");
    }
    vm_start(vm);
    return b;
}

static void poke(Board *b, uint64_t addr, uint32_t val)
{
    uint8_t bytes[4];

    stl_le_p(bytes, val);
    address_space_write(&b->vm->mem.memory, addr, bytes, sizeof(bytes));
}

static void lay_out(Board *b)
{
    uint8_t *ram = b->ram->host;

    memset(ram, 0, RAM_SIZE);
    for (unsigned i = 0; i < 4 * RING_BYTES / E1000_DESC_SIZE; i++) {
        stq_le_p(ram + RINGS + E1000_DESC_SIZE * i, DATA + 0x400 * i);
    }
}

static void start(Board *b)
{
    PciDevice *pci = PCI_DEVICE(b->card);

    device_reset_tree(b->card);
    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_0, REGS, 4);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_3, MSIX, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ring = REGS + (i < 2 ? E1000_TDBAL : E1000_RDBAL) +
                        (uint64_t)E1000E_RING_STRIDE * (i & 1);

        poke(b, ring, RINGS + RING_BYTES * i);
        poke(b, ring + 8, RING_BYTES);
        poke(b, ring + 0x18, i < 2 ? 0 : 15);
    }
    poke(b, REGS + E1000_TCTL, E1000_TCTL_EN);
    poke(b, REGS + E1000_RCTL, E1000_RCTL_EN | E1000_RCTL_UPE);
    poke(b, REGS + E1000_IMS, UINT32_MAX);
    if (E1000E_MAC(card_of(b), E1000_TCTL) != E1000_TCTL_EN) {
        fuzz_fail("the card doesn't start");
    }
}

static void check(Board *b)
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

/* Whatever the guest did, it can move. */
static void check_moves(Board *b)
{
    const Vmstate *vms = b->card->type->vmstate;
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *bytes;
    size_t len;

    vm_stop(b->vm, RUN_STATE_PAUSED);
    if (!vmstate_save(out, vms, b->card, &err)) {
        fuzz_fail("can't be saved: %s", err->message);
    }
    bytes = stream_out_data(out, &len);
    in = stream_in_new_mem(bytes, len);
    if (!vmstate_load(in, vms, b->card, vms->version, &err)) {
        fuzz_fail("can't be loaded: %s", err->message);
    }
    vm_start(b->vm);
}

/* A frame out of memory comes from the cable. */
static void receive(Board *b, uint32_t at, uint32_t len)
{
    struct iovec iov = { (uint8_t *)b->ram->host + DATA + (at & 0x7fff),
                         len % FRAME_MAX };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = iov.iov_len };

    e1000e_receive(&card_of(b)->nic.port, &pkt);
}

static void step(Board *b, const uint8_t *in)
{
    uint32_t at = in[1] | in[2] << 8 | (uint32_t)in[3] << 16;
    uint32_t val = ldl_le_p(in + 4);

    switch (in[0] % 8) {
    case 0: /* a register of the rings */
        poke(b, REGS + (in[0] & 8 ? E1000_TDBAL : E1000_RDBAL) + (at & 0x13c),
             val);
        break;
    case 1: /* any register */
        poke(b, REGS + (at & 0x1fffc), val);
        break;
    case 2:
        address_space_load(&b->vm->mem.memory, REGS + (at & 0x1fffc), 4, NULL);
        break;
    case 3: /* a descriptor */
        poke(b, RINGS + (at & 0x3fc), val);
        break;
    case 4: /* what a frame begins with, or any data */
        poke(b, DATA + (at & 0xfffc), val);
        break;
    case 5:
        receive(b, at, val);
        break;
    case 6: /* MSI-X, then its control word */
        poke(b, MSIX + (at & 0x7c), val);
        pci_default_config_write(PCI_DEVICE(b->card), 0xa2, at >> 8, 2);
        break;
    default: /* the tail of a ring */
        poke(b, REGS + (at & 1 ? E1000_TDT : E1000_RDT) + (at & 0x100),
             val & 31);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static Board *b;

    vm_lock_acquire();
    if (b == NULL) {
        b = board_new();
    }
    start(b);
    for (unsigned n = 0; n < STEPS_MAX && len >= STEP; n++) {
        step(b, data);
        check(b);
        data += STEP;
        len -= STEP;
    }
    check_moves(b);
    check(b);
    vm_lock_release();
    return 0;
}
