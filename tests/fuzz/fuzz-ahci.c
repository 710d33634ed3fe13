/*
 * AHCI: whatever a guest has in its lists, tables and packets, and whatever
 * it writes to the registers while commands are under way, the ports keep to
 * their rules, and their state can be loaded again.
 *
 * Input: see fuzz-board.h.  Memory begins with a list, a table and FISes for
 * each port in use, so that one register starts a command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "hw/ide/ahci-priv.h"
#include "hw/pci/pci-regs.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum {
    REGS = 0x40000000,
    LISTS = 0x1000,
    RFIS = 0x2000,
    TABLES = 0x4000, /* 256 bytes each, as many as slots */
    DATA = 0x10000,
    DISK_SIZE = 1 * MiB,
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

static void plug(FuzzBoard *b)
{
    add_drive(b->vm, 0, "");
    add_drive(b->vm, 1, ",media=cdrom");
    b->dev = ahci_create(b->vm->machine, b->pci, 8, false, NULL);
    if (b->dev == NULL || !ahci_create_drives(b->dev, NULL)) {
        fuzz_fail("no controller");
    }
}

/* Every slot has a READ DMA with one region. */
static void lay_out(FuzzBoard *b)
{
    uint8_t *ram = b->ram->host;

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

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);

    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_5, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t port = REGS + 0x100 + 0x80 * i;

        fuzz_board_poke(b, port + 0x00, LISTS + 0x400 * i);
        fuzz_board_poke(b, port + 0x08, RFIS + 0x100 * i);
        fuzz_board_poke(b, port + 0x14, UINT32_MAX);
        fuzz_board_poke(b, port + 0x18, 0x17);
        if (ahci_of(b->dev)->ports[i].cmd != 0xc017) {
            fuzz_fail("port %u doesn't start", i);
        }
    }
}

static void check(FuzzBoard *b)
{
    Ahci *s = ahci_of(b->dev);

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
static void end(FuzzBoard *b)
{
    Ahci *s = ahci_of(b->dev);

    block_drain_all(b->vm->blocks, false);
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

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    switch (what % 8) {
    case 0: /* commands of a port, queued or not */
        fuzz_board_poke(b, REGS + 0x134 + 0x80 * (at & 1), val & (at << 8));
        fuzz_board_poke(b, REGS + 0x138 + 0x80 * (at & 1), val);
        break;
    case 1: /* any register of the controller, or its two ports' */
        fuzz_board_poke(b, REGS + (at & 0x1fc), val);
        break;
    case 2: /* a FIS, a packet or a table */
        fuzz_board_poke(b, TABLES + (at & 0x3ffc), val);
        break;
    case 3: /* a list */
        fuzz_board_poke(b, LISTS + (at & 0x7fc), val);
        break;
    case 4: /* the first half of a FIS, whatever slot */
        fuzz_board_poke(b, TABLES + 256 * (at & 63) + (at >> 8 & 12), val);
        break;
    case 5:
        pci_default_config_write(PCI_DEVICE(b->dev), 0x40 + (at & 0x7c), val,
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

static const FuzzTarget target = {
    .plug = plug,
    .start = start,
    .step = step,
    .check = check,
    .end = end,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FuzzBoard *b;

    return fuzz_board_run(&b, &target, data, len);
}
