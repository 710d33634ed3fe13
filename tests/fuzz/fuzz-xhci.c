/*
 * xHCI: whatever a guest has in its rings and contexts, and whatever it writes
 * to the registers, the controller keeps to its rules and can move.
 *
 * Input: steps of 8 bytes: what (byte), where (24 bits), value (32 bits).  It
 * begins with a controller that runs, and a tablet that has an address and an
 * endpoint which is asked for reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/pci/pci-regs.h"
#include "hw/usb/usb-devices.h"
#include "hw/usb/xhci-priv.h"
#include "system/vm.h"
#include "tests/fuzz/fuzz.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

enum {
    STEP = 8,
    STEPS_MAX = 128,
    RAM_SIZE = 256 * KiB,
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

typedef struct Host {
    Device dev;
    PciBus pci;
} Host;

typedef struct Board {
    Vm *vm;
    Device *xhci;
    RamBlock *ram;
    MemoryRegion ram_mr;
    unsigned commands; /* put on the ring so far */
} Board;

static void no_event(Vm *vm)
{
}

static bool drained(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain_step = drained,
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

static Board *board_new(void)
{
    RamBlockOptions opts = { .size = RAM_SIZE };
    Board *b = g_new0(Board, 1);
    Device *host;
    Bus *usb;
    Vm *vm;

    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->consoles = consoles_new(vm);
    machine_new(vm, &machine_none_type);
    b->ram = ram_block_new(&vm->mem.ram, "ram", &opts, NULL);
    memory_region_init_ram_block(&b->ram_mr, &vm->mem, "ram", b->ram);
    memory_region_add(&vm->mem.root, 0, &b->ram_mr, 0);
    host = device_create(vm, &host_type, NULL, NULL);
    b->xhci = device_create(vm, &qemu_xhci_type,
                            &DEVICE_CAST(Host, host)->pci.bus, NULL);
    if (b->xhci == NULL) {
        fuzz_fail("no controller");
    }
    usb = &xhci_of(b->xhci)->bus.bus;
    if (device_create(vm, &usb_tablet_type, usb, NULL) == NULL ||
        device_create(vm, &usb_hub_type, usb, NULL) == NULL ||
        device_create(vm, &usb_kbd_type, usb, NULL) == NULL) {
        fuzz_fail("no devices");
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

static void put_trb(Board *b, uint64_t at, uint64_t param, uint32_t status,
                    uint32_t control)
{
    uint8_t *p = (uint8_t *)b->ram->host + at;

    stq_le_p(p, param);
    stl_le_p(p + 8, status);
    stl_le_p(p + 12, control | TRB_C);
}

static void command(Board *b, uint64_t param, uint32_t control)
{
    put_trb(b, COMMANDS + 16 * (b->commands++ % 128), param, 0, control);
    poke(b, REGS + DOORBELL, 0);
}

/* Contexts of endpoints 0 and 1 IN, whose rings have something to do. */
static void lay_out(Board *b)
{
    uint8_t *ram = b->ram->host;

    memset(ram, 0, RAM_SIZE);
    b->commands = 0;
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

static void start(Board *b)
{
    PciDevice *pci = PCI_DEVICE(b->xhci);
    Xhci *s = xhci_of(b->xhci);

    device_reset_tree(b->xhci);
    lay_out(b);
    pci_default_config_write(pci, PCI_BASE_ADDRESS_0, REGS, 4);
    pci_default_config_write(pci, PCI_COMMAND,
                             PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    poke(b, REGS + OPER + 0x38, XHCI_SLOTS);
    poke(b, REGS + OPER + 0x30, DCBAA);
    poke(b, REGS + OPER + 0x18, COMMANDS | CRCR_RCS);
    poke(b, REGS + INTR + 8, 1);
    poke(b, REGS + INTR + 0x18, EVENTS);
    poke(b, REGS + INTR + 0x10, ERST);
    poke(b, REGS + INTR + 0x14, 0);
    poke(b, REGS + INTR, IMAN_IE);
    poke(b, REGS + OPER, USBCMD_RS | USBCMD_INTE);
    poke(b, REGS + PORTSC + 16 * (TABLET_PORT - 1), PORTSC_PR | PORTSC_PP);
    command(b, 0, CMD_ENABLE_SLOT << TRB_TYPE_SHIFT);
    stl_le_p((uint8_t *)b->ram->host + INPUT + 4, 3);
    command(b, INPUT, CMD_ADDRESS_DEVICE << TRB_TYPE_SHIFT | 1 << 24);
    stl_le_p((uint8_t *)b->ram->host + INPUT + 4, 9);
    command(b, INPUT, CMD_CONFIGURE_ENDPOINT << TRB_TYPE_SHIFT | 1 << 24);
    poke(b, REGS + DOORBELL + 4, 1);
    poke(b, REGS + DOORBELL + 4, 3);
    if (s->slots[0].eps[2].state != EP_RUNNING) {
        fuzz_fail("the tablet's endpoint doesn't run");
    }
}

static void check(Board *b)
{
    const Xhci *s = xhci_of(b->xhci);

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

/* Whatever the guest did, it can move. */
static void check_moves(Board *b)
{
    const Vmstate *vms = b->xhci->type->vmstate;
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *bytes;
    size_t len;

    vm_stop(b->vm, RUN_STATE_PAUSED);
    if (!vmstate_save(out, vms, b->xhci, &err)) {
        fuzz_fail("can't be saved: %s", err->message);
    }
    bytes = stream_out_data(out, &len);
    in = stream_in_new_mem(bytes, len);
    if (!vmstate_load(in, vms, b->xhci, vms->version, &err)) {
        fuzz_fail("can't be loaded: %s", err->message);
    }
    vm_start(b->vm);
}

static void step(Board *b, const uint8_t *in)
{
    uint32_t at = in[1] | in[2] << 8 | (uint32_t)in[3] << 16;
    uint32_t val = ldl_le_p(in + 4);
    Inputs *inputs = consoles_inputs(b->vm->consoles);

    switch (in[0] % 8) {
    case 0: /* any register */
        poke(b, REGS + (at & 0x3ffc), val);
        break;
    case 1: /* rings, contexts, tables */
        poke(b, DCBAA + (at & MEMORY_USED), val);
        break;
    case 2:
        command(b, INPUT, val);
        break;
    case 3:
        poke(b, REGS + DOORBELL + 4 * (at & 3), val & 0x1f);
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
            check_moves(b);
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
    check_moves(b);
    vm_lock_release();
    return 0;
}
