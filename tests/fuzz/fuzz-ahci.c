/*
 * AHCI: whatever a guest has in its lists, tables and packets, and whatever
 * it writes to the registers while commands are under way, the ports keep to
 * their rules, and their state can be loaded again.
 *
 * Input: steps of 8 bytes: what (byte), where (24 bits), value (32 bits).
 * Memory begins with a list, a table and FISes for each port in use, so that
 * one register starts a command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "hw/core/machine-none.h"
#include "hw/ide/ahci-priv.h"
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
    LISTS = 0x1000,
    RFIS = 0x2000,
    TABLES = 0x4000, /* 256 bytes each, as many as slots */
    DATA = 0x10000,
    DISK_SIZE = 1 * MiB,
};

typedef struct Host {
    Device dev;
    PciBus pci;
} Host;

typedef struct Board {
    Vm *vm;
    Device *ahci;
    RamBlock *ram;
    MemoryRegion ram_mr;
} Board;

static void no_event(Vm *vm)
{
}

static bool drain_step(Vm *vm, bool first, int *ret)
{
    return block_drain_step(vm->blocks, first, ret);
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

static void add_drive(Vm *vm, int port, const char *more)
{
    int fd = memfd_create("fuzz", 0);
    g_autofree char *text = NULL;
    g_autoptr(KeyVal) kv = NULL;

    if (fd < 0 || ftruncate(fd, DISK_SIZE) < 0) {
        fuzz_fail("no memory for a disk");
    }
    text = g_strdup_printf("file=/proc/self/fd/%d,format=raw,if=ide,bus=%d,"
                           "unit=0,file.locking=off%s",
                           fd, port, more);
    kv = keyval_parse(text, NULL, NULL);
    if (block_new_from_keyval(vm->blocks, kv, NULL) == NULL) {
        fuzz_fail("no drive for port %d", port);
    }
}

static Board *board_new(void)
{
    RamBlockOptions opts = { .size = RAM_SIZE };
    Board *b = g_new0(Board, 1);
    Device *host;
    Vm *vm;

    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->blocks = block_backends_new();
    machine_new(vm, &machine_none_type);
    b->ram = ram_block_new(&vm->mem.ram, "ram", &opts, NULL);
    memory_region_init_ram_block(&b->ram_mr, &vm->mem, "ram", b->ram);
    memory_region_add(&vm->mem.root, 0, &b->ram_mr, 0);
    host = device_create(vm, &host_type, NULL, NULL);
    add_drive(vm, 0, "");
    add_drive(vm, 1, ",media=cdrom");
    b->ahci =
        ahci_create(vm->machine, &DEVICE_CAST(Host, host)->pci, 8, false, NULL);
    if (b->ahci == NULL || !ahci_create_drives(b->ahci, NULL)) {
        fuzz_fail("no controller");
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

/* Every slot has a READ DMA with one region. */
static void lay_out(Board *b)
{
    uint8_t *ram = b->ram->host;

    memset(ram, 0, RAM_SIZE);
    for (unsigned i = 0; i < 2 * AHCI_SLOTS; i++) {
        uint8_t *header = ram + LISTS + 32 * i;
        uint64_t at = TABLES + 256 * i;

        stl_le_p(header, 5 | (i >= AHCI_SLOTS ? 1 << 5 : 0) | 1 << 16);
        stq_le_p(header + 8, at);
        ram[at] = 0x27;
        ram[at + 1] = 0x80;
        ram[at + 2] = i < AHCI_SLOTS ? 0x25 : 0xa0;
        ram[at + 12] = i < AHCI_SLOTS ? 1 : 0;
        stq_le_p(ram + at + 0x80, DATA);
        stl_le_p(ram + at + 0x80 + 12, 0x7fff);
    }
}

static void start(Board *b)
{
    PciDevice *pci = PCI_DEVICE(b->ahci);

    device_reset_tree(b->ahci);
    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_5, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t port = REGS + 0x100 + 0x80 * i;

        poke(b, port + 0x00, LISTS + 0x400 * i);
        poke(b, port + 0x08, RFIS + 0x100 * i);
        poke(b, port + 0x14, UINT32_MAX);
        poke(b, port + 0x18, 0x17);
        if (ahci_of(b->ahci)->ports[i].cmd != 0xc017) {
            fuzz_fail("port %u doesn't start", i);
        }
    }
}

static void check(Board *b)
{
    Ahci *s = ahci_of(b->ahci);

    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        AhciPort *p = &s->ports[i];

        if (p->busy_slot < -1 || p->busy_slot >= AHCI_SLOTS) {
            fuzz_fail("port %u works on slot %d", i, p->busy_slot);
        }
        if (!(p->cmd & PCMD_ST) && (p->busy_slot >= 0 || p->cmd_issue != 0)) {
            fuzz_fail("port %u works while it is stopped", i);
        }
        if (p->in_run || dma_access_under_way()) {
            fuzz_fail("port %u is entered", i);
        }
    }
}

/* Nothing is under way any more but what failed. */
static void check_idle(Board *b)
{
    Ahci *s = ahci_of(b->ahci);

    for (unsigned i = 0; i < 2; i++) {
        AhciPort *p = &s->ports[i];

        for (unsigned k = 0; k < AHCI_SLOTS; k++) {
            if (p->tags[k].used && p->tags[k].io == NULL) {
                fuzz_fail("port %u: tag %u is forgotten", i, k);
            }
        }
        if (p->busy_slot >= 0 && p->ch.drives[0].io == NULL) {
            fuzz_fail("port %u: slot %d is forgotten", i, p->busy_slot);
        }
    }
}

/* Whatever the guest did, it can move. */
static void check_moves(Board *b)
{
    const Vmstate *vms = b->ahci->type->vmstate;
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *bytes;
    size_t len;

    vm_stop(b->vm, RUN_STATE_PAUSED);
    if (!vmstate_save(out, vms, b->ahci, &err)) {
        fuzz_fail("can't be saved: %s", err->message);
    }
    bytes = stream_out_data(out, &len);
    in = stream_in_new_mem(bytes, len);
    if (!vmstate_load(in, vms, b->ahci, vms->version, &err)) {
        fuzz_fail("can't be loaded: %s", err->message);
    }
    vm_start(b->vm);
}

static void step(Board *b, const uint8_t *in)
{
    uint32_t at = in[1] | in[2] << 8 | (uint32_t)in[3] << 16;
    uint32_t val = ldl_le_p(in + 4);

    switch (in[0] % 8) {
    case 0: /* commands of a port, queued or not */
        poke(b, REGS + 0x134 + 0x80 * (at & 1), val & (at << 8));
        poke(b, REGS + 0x138 + 0x80 * (at & 1), val);
        break;
    case 1: /* any register of the controller, or its two ports' */
        poke(b, REGS + (at & 0x1fc), val);
        break;
    case 2: /* a FIS, a packet or a table */
        poke(b, TABLES + (at & 0x3ffc), val);
        break;
    case 3: /* a list */
        poke(b, LISTS + (at & 0x7fc), val);
        break;
    case 4: /* the first half of a FIS, whatever slot */
        poke(b, TABLES + 256 * (at & 63) + (at >> 8 & 12), val);
        break;
    case 5:
        pci_default_config_write(PCI_DEVICE(b->ahci), 0x40 + (at & 0x7c), val,
                                 4);
        break;
    case 6: /* requests end */
        block_drain_all(b->vm->blocks, false);
        break;
    default:
        if (at & 1) {
            vm_stop(b->vm, RUN_STATE_PAUSED);
            vm_start(b->vm);
        }
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
    block_drain_all(b->vm->blocks, false);
    check_idle(b);
    check_moves(b);
    vm_lock_release();
    return 0;
}
