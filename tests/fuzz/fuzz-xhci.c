/*
 * xHCI: whatever a guest has in its rings and contexts, and whatever it writes
 * to the registers, the controller keeps to its rules and can move.
 *
 * Input: see fuzz-board.h.  It begins with a controller that runs, and a tablet
 * that has an address and an endpoint which is asked for reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-regs.h"
#include "hw/usb/usb-devices.h"
#include "hw/usb/xhci-priv.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bswap.h"

enum {
    REGS = 0x40000000,
    OPER = 0x40,
    PORTSC = 0x440,
    INTR = 0x1020,
    DOORBELL = 0x2000,
    DCBAA = 0x1000,
    INPUT = 0x2000,
    OUTPUT = 0x3000,
    ERST = 0x4000,
    COMMANDS = 0x5000,
    EVENTS = 0x6000,
    EP_RINGS = 0x8000, /* 4 KiB each */
    DATA = 0x10000,
    EVENT_TRBS = 64,
    TABLET_PORT = 5,
    MEMORY_USED = 0xfffc, /* all of the above */
};

static void plug(FuzzBoard *b)
{
    Bus *usb;

    b->dev = device_create(b->vm, &qemu_xhci_type, &b->pci->bus, NULL);
    if (b->dev == NULL) {
        fuzz_fail("no controller");
    }
    usb = &xhci_of(b->dev)->bus.bus;
    if (device_create(b->vm, &usb_tablet_type, usb, NULL) == NULL ||
        device_create(b->vm, &usb_hub_type, usb, NULL) == NULL ||
        device_create(b->vm, &usb_kbd_type, usb, NULL) == NULL) {
        fuzz_fail("no devices");
    }
}

static void put_trb(FuzzBoard *b, uint64_t at, uint64_t param, uint32_t status,
                    uint32_t control)
{
    uint8_t *p = (uint8_t *)b->ram->host + at;

    stq_le_p(p, param);
    stl_le_p(p + 8, status);
    stl_le_p(p + 12, control | TRB_C);
}

static void command(FuzzBoard *b, uint64_t param, uint32_t control)
{
    put_trb(b, COMMANDS + 16 * (b->commands++ % 128), param, 0, control);
    fuzz_board_poke(b, REGS + DOORBELL, 0);
}

/* Contexts of endpoints 0 and 1 IN, whose rings have something to do. */
static void lay_out(FuzzBoard *b)
{
    uint8_t *ram = b->ram->host;

    stq_le_p(ram + DCBAA + 8, OUTPUT);
    stq_le_p(ram + ERST, EVENTS);
    stl_le_p(ram + ERST + 8, EVENT_TRBS);
    stl_le_p(ram + INPUT + 32, 3U << 27);
    stl_le_p(ram + INPUT + 36, TABLET_PORT << 16);
    stl_le_p(ram + INPUT + 64 + 4, EP_TYPE_CONTROL << 3 | 64 << 16);
    stq_le_p(ram + INPUT + 64 + 8, (EP_RINGS + 0x1000) | TRB_C);
    stl_le_p(ram + INPUT + 128 + 4, EP_TYPE_INTR_IN << 3 | 8 << 16);
    stq_le_p(ram + INPUT + 128 + 8, (EP_RINGS + 0x3000) | TRB_C);
    put_trb(b, EP_RINGS + 0x1000, 0x0000000000010900, 8,
            TRB_SETUP << TRB_TYPE_SHIFT | TRB_IDT);
    put_trb(b, EP_RINGS + 0x1010, 0, 0,
            TRB_STATUS << TRB_TYPE_SHIFT | TRB_IOC | TRB_DIR_IN);
    for (unsigned i = 0; i < 64; i++) {
        put_trb(b, EP_RINGS + 0x3000 + 16 * i, DATA, 8,
                TRB_NORMAL << TRB_TYPE_SHIFT | TRB_IOC);
    }
}

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);
    Xhci *s = xhci_of(b->dev);

    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_0, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    fuzz_board_poke(b, REGS + OPER + 0x38, XHCI_SLOTS);
    fuzz_board_poke(b, REGS + OPER + 0x30, DCBAA);
    fuzz_board_poke(b, REGS + OPER + 0x18, COMMANDS | CRCR_RCS);
    fuzz_board_poke(b, REGS + INTR + 8, 1);
    fuzz_board_poke(b, REGS + INTR + 0x18, EVENTS);
    fuzz_board_poke(b, REGS + INTR + 0x10, ERST);
    fuzz_board_poke(b, REGS + INTR + 0x14, 0);
    fuzz_board_poke(b, REGS + INTR, IMAN_IE);
    fuzz_board_poke(b, REGS + OPER, USBCMD_RS | USBCMD_INTE);
    fuzz_board_poke(b, REGS + PORTSC + 16 * (TABLET_PORT - 1),
                    PORTSC_PR | PORTSC_PP);
    command(b, 0, CMD_ENABLE_SLOT << TRB_TYPE_SHIFT);
    stl_le_p((uint8_t *)b->ram->host + INPUT + 4, 3);
    command(b, INPUT, CMD_ADDRESS_DEVICE << TRB_TYPE_SHIFT | 1 << 24);
    stl_le_p((uint8_t *)b->ram->host + INPUT + 4, 9);
    command(b, INPUT, CMD_CONFIGURE_ENDPOINT << TRB_TYPE_SHIFT | 1 << 24);
    fuzz_board_poke(b, REGS + DOORBELL + 4, 1);
    fuzz_board_poke(b, REGS + DOORBELL + 4, 3);
    if (s->slots[0].eps[2].state != EP_RUNNING) {
        fuzz_fail("the tablet's endpoint doesn't run");
    }
}

static void check(FuzzBoard *b)
{
    const Xhci *s = xhci_of(b->dev);

    if (s->busy || dma_access_under_way()) {
        fuzz_fail("the controller is entered");
    }
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        const XhciIntr *in = &s->intr[i];

        if (in->er_size != 0 && in->er_ep_idx >= in->er_size) {
            fuzz_fail("interrupter %u: place %u of %u", i, in->er_ep_idx,
                      in->er_size);
        }
    }
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        const XhciSlot *slot = &s->slots[i];

        if (!slot->enabled && (slot->dev != NULL || slot->eps[0].ctx != 0)) {
            fuzz_fail("slot %u is off and in use", i + 1);
        }
    }
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    Inputs *inputs = consoles_inputs(b->vm->consoles);

    switch (what % 8) {
    case 0: /* any register */
        fuzz_board_poke(b, REGS + (at & 0x3ffc), val);
        break;
    case 1: /* rings, contexts, tables */
        fuzz_board_poke(b, DCBAA + (at & MEMORY_USED), val);
        break;
    case 2:
        command(b, INPUT, val);
        break;
    case 3:
        fuzz_board_poke(b, REGS + DOORBELL + 4 * (at & 3), val & 0x1f);
        break;
    case 4: /* a request to the device */
        put_trb(b, EP_RINGS + 0x1000 + 16 * (at & 0x7f),
                (uint64_t)val << 32 | (at >> 8) << 8 | (val & 0xff), 8,
                TRB_SETUP << TRB_TYPE_SHIFT | TRB_IDT);
        break;
    case 5:
        input_place(inputs, INPUT_AXIS_X, val & INPUT_ABS_MAX);
        input_button(inputs, INPUT_LEFT, at & 1);
        input_sync(inputs);
        input_key(inputs, val & 0x7f, at & 1);
        break;
    case 6: /* what a turn has left */
        g_main_context_iteration(NULL, FALSE);
        break;
    default:
        if (at & 1) {
            fuzz_board_check_moves(b);
        }
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
