/*
 * A machine of some memory and a PCI bus, and the steps of an input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/fuzz/fuzz-board.h"

#include "block/block.h"
#include "hw/core/machine-none.h"
#include "net/net.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/pci-host.h"
#include "ui/console.h"
#include "util/bswap.h"
#include "vmstate/stream.h"

enum { STEP = 8, STEPS_MAX = 128 };

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

FuzzBoard *fuzz_board_new(void)
{
    RamBlockOptions opts = { .size = FUZZ_RAM_SIZE };
    FuzzBoard *b = g_new0(FuzzBoard, 1);
    Vm *vm;

    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->blocks = block_backends_new();
    vm->consoles = consoles_new(vm);
    vm->networks = networks_new(vm);
    machine_new(vm, &machine_none_type);
    b->ram = ram_block_new(&vm->mem.ram, "ram", &opts, NULL);
    memory_region_init_ram_block(&b->ram_mr, &vm->mem, "ram", b->ram);
    memory_region_add(&vm->mem.root, 0, &b->ram_mr, 0);
    b->pci = test_pci_host_new(vm);
    return b;
}

void fuzz_board_poke(FuzzBoard *b, uint64_t addr, uint32_t val)
{
    uint8_t bytes[4];

    stl_le_p(bytes, val);
    address_space_write(&b->vm->mem.memory, addr, bytes, sizeof(bytes));
}

void fuzz_board_check_moves(FuzzBoard *b)
{
    const Vmstate *vms = b->dev->type->vmstate;
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(StreamIn) in = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *bytes;
    size_t len;

    vm_stop(b->vm, RUN_STATE_PAUSED);
    if (!vmstate_save(out, vms, b->dev, &err)) {
        fuzz_fail("can't be saved: %s", err->message);
    }
    bytes = stream_out_data(out, &len);
    in = stream_in_new_mem(bytes, len);
    if (!vmstate_load(in, vms, b->dev, vms->version, &err)) {
        fuzz_fail("can't be loaded: %s", err->message);
    }
    vm_start(b->vm);
}

int fuzz_board_run(FuzzBoard **ret_b, const FuzzTarget *t, const uint8_t *data,
                   size_t len)
{
    FuzzBoard *b;

    vm_lock_acquire();
    if (*ret_b == NULL) {
        *ret_b = fuzz_board_new();
        t->plug(*ret_b);
        vm_start((*ret_b)->vm);
    }
    b = *ret_b;
    device_reset_tree(b->dev);
    memset(b->ram->host, 0, FUZZ_RAM_SIZE);
    b->commands = 0;
    t->start(b);
    for (unsigned n = 0; n < STEPS_MAX && len >= STEP; n++) {
        t->step(b, data[0], ldl_le_p(data) >> 8, ldl_le_p(data + 4));
        t->check(b);
        data += STEP;
        len -= STEP;
    }
    if (t->end != NULL) {
        t->end(b);
    }
    fuzz_board_check_moves(b);
    t->check(b);
    vm_lock_release();
    return 0;
}
