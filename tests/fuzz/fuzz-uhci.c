/*
 * UHCI: whatever a guest has in its schedule and writes to the registers, a
 * frame ends, and the controller can move.
 *
 * Input: see fuzz-board.h.  It begins with a controller that runs, and a tablet
 * that has an address and an endpoint which is asked for reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-regs.h"
#include "hw/usb/uhci-priv.h"
#include "hw/usb/usb-devices.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bswap.h"

enum {
    CMD = 0x00,
    FLBASE = 0x08,
    PORT1 = 0x10,
    LIST = 0x1000,
    QUEUES = 0x2000,
    TDS = 0x3000,
    DATA = 0x4000,
    MEMORY_USED = 0x3ffc, /* all of the above */
    TABLET = 3,
    NTDS = 64,
};

static Uhci *uhci(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);

    return container_of(pci, Uhci, pci);
}

static void plug(FuzzBoard *b)
{
    Bus *usb;

    b->dev = device_create(b->vm, &piix3_usb_uhci_type, &b->pci->bus, NULL);
    if (b->dev == NULL) {
        fuzz_fail("no controller");
    }
    usb = &uhci(b)->bus.bus;
    if (device_create(b->vm, &usb_tablet_type, usb, NULL) == NULL ||
        device_create(b->vm, &usb_hub_type, usb, NULL) == NULL ||
        device_create(b->vm, &usb_kbd_type, usb, NULL) == NULL) {
        fuzz_fail("no devices");
    }
}

static void io_write(FuzzBoard *b, unsigned reg, uint32_t val)
{
    uhci(b)->io.ops->write(b->dev, reg & 0x1e, val & 0xffff, 2);
}

static void put_td(FuzzBoard *b, unsigned n, unsigned pid, unsigned addr_ep,
                   unsigned len)
{
    uint8_t *td = (uint8_t *)b->ram->host + TDS + 16 * (n % NTDS);

    stl_le_p(td, TDS + 16 * ((n + 1) % NTDS));
    stl_le_p(td + 4, 1 << 23 | 3 << 27);
    stl_le_p(td + 8, ((len - 1) & 0x7ff) << 21 | (addr_ep & 0x7ff) << 8 | pid);
    stl_le_p(td + 12, DATA + 8 * n);
}

static void put_queue(FuzzBoard *b, uint32_t next, uint32_t element)
{
    uint8_t *q = (uint8_t *)b->ram->host + QUEUES;

    stl_le_p(q, next);
    stl_le_p(q + 4, element);
}

static void frame(FuzzBoard *b)
{
    Uhci *s = uhci(b);
    uint16_t was = s->frnum;

    if (!uhci_is_running(s)) {
        return;
    }
    s->expire_time = 0;
    uhci_frames_due(s);
    if (uhci_is_running(s) && s->frnum == was) {
        fuzz_fail("no frame in frame %u", was);
    }
}

/* A request without data, for the device that answers to `addr`. */
static void request(FuzzBoard *b, unsigned addr, uint64_t setup)
{
    stq_le_p((uint8_t *)b->ram->host + DATA, setup);
    put_td(b, 0, 0x2d, addr, 8);
    put_td(b, 1, 0x69, addr, 0);
    put_queue(b, 1, TDS);
    frame(b);
    frame(b);
}

static void start(FuzzBoard *b)
{
    PciDevice *pci = PCI_DEVICE(b->dev);
    uint8_t *ram = b->ram->host;

    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    for (unsigned i = 0; i < 1024; i++) {
        stl_le_p(ram + LIST + 4 * (i % 1024), QUEUES | 2);
    }
    io_write(b, FLBASE, LIST);
    for (unsigned port = PORT1; port <= PORT1 + 2; port += 2) {
        io_write(b, port, 0x200);
        io_write(b, port, 0);
    }
    io_write(b, PORT1, 4);
    io_write(b, CMD, UHCI_CMD_RS);
    request(b, 0, UINT64_C(0x0000000000000500) | TABLET << 16);
    request(b, TABLET, UINT64_C(0x0000000000010900));
    if (uhci(b)->ports[0].usb.dev->configuration != 1) {
        fuzz_fail("the tablet isn't configured");
    }
    for (unsigned i = 0; i < NTDS; i++) {
        put_td(b, i, 0x69, TABLET | 1 << 7, 8);
    }
    put_queue(b, 1, TDS);
}

static void check(FuzzBoard *b)
{
    const Uhci *s = uhci(b);

    if (dma_access_under_way()) {
        fuzz_fail("the controller is entered");
    }
    if (s->frnum > UHCI_FRNUM_MASK || s->pending_int_mask != 0) {
        fuzz_fail("frame %u, 0x%x not told", s->frnum, s->pending_int_mask);
    }
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        const UsbDevice *d = s->ports[i].usb.dev;

        if (d->setup_len < 0 || d->setup_len > USB_CONTROL_MAX ||
            d->setup_index < 0 ||
            (d->setup_state != 0 && d->setup_index > d->setup_len)) {
            fuzz_fail("port %u: %d of %d bytes", i, d->setup_index,
                      d->setup_len);
        }
    }
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    Inputs *inputs = consoles_inputs(b->vm->consoles);

    switch (what % 8) {
    case 0: /* any register */
        io_write(b, at, val);
        break;
    case 1: /* list, queues, TDs, data */
        fuzz_board_poke(b, LIST + (at & MEMORY_USED), val);
        break;
    case 2: /* any packet */
        put_td(b, at >> 16, (const uint8_t[]){ 0x69, 0xe1, 0x2d, val }[at & 3],
               val >> 8, val >> 20);
        break;
    case 3: /* a request, without its status */
        stq_le_p((uint8_t *)b->ram->host + DATA,
                 (uint64_t)val << 32 | (at & 0xffffff));
        put_td(b, 0, 0x2d, val >> 31 ? TABLET : 0, 8);
        put_queue(b, 1, TDS);
        frame(b);
        break;
    case 4:
        io_write(b, CMD, UHCI_CMD_RS);
        frame(b);
        break;
    case 5:
        input_place(inputs, INPUT_AXIS_X, val & INPUT_ABS_MAX);
        input_button(inputs, INPUT_LEFT, at & 1);
        input_sync(inputs);
        input_key(inputs, val & 0x7f, at & 1);
        break;
    case 6:
        put_queue(b, val, at);
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
