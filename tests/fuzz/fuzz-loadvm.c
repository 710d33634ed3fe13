/*
 * Incoming migration streams: whatever the bytes are, the loader ends with
 * success or an error, and stores nothing outside the guest's memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram-load.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"
#include "util/lock.h"

enum { BIG_PAGES = 16, SMALL_PAGES = 2 };

typedef struct Toy {
    uint8_t count;
    uint16_t items[8];
    uint8_t buf[16];
} Toy;

static const Vmstate toy_sub = {
    .name = "toy/sub",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_BUFFER(Toy, buf), VMSTATE_END },
};

static const Vmstate toy_vmstate = {
    .name = "toy",
    .version = 2,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(Toy, count),
            { .name = "items",
              .kind = VMS_U16,
              .offset = offsetof(Toy, items),
              .size = sizeof(uint16_t),
              .num_offset = offsetof(Toy, count),
              .num_max = 8,
              .flags = VMF_VARRAY_U8 },
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &toy_sub, NULL },
};

typedef struct World {
    Memory mem;
    MemoryRegion big, small;
    VmstateRegistry *registry;
    Toy toy;
} World;

/* Made once: what one input leaves behind is part of the next one's world. */
static World *world_get(void)
{
    static World *w;
    VM_LOCK_GUARD();

    if (w != NULL) {
        return w;
    }
    w = g_new0(World, 1);
    memory_init(&w->mem);
    if (!memory_region_init_ram(&w->big, &w->mem, "pc.ram",
                                BIG_PAGES * RAM_PAGE_SIZE, NULL) ||
        !memory_region_init_ram(&w->small, &w->mem, "pc.rom",
                                SMALL_PAGES * RAM_PAGE_SIZE, NULL)) {
        fuzz_fail("no memory");
    }
    w->registry = vmstate_registry_new();
    vmstate_register(w->registry, NULL, 0, &toy_vmstate, &w->toy);
    return w;
}

static bool toy_command_begins(void *opaque, uint16_t cmd, uint16_t len,
                               GError **errp)
{
    if (cmd == UINT16_MAX) {
        error_setf(errp, "not known here");
        return false;
    }
    return true;
}

static bool toy_command(void *opaque, uint16_t cmd, const uint8_t *data,
                        uint16_t len, bool *ret_more, GError **errp)
{
    /* Reads every byte that is said to be there. */
    for (uint16_t i = 0; i < len; i++) {
        *(uint8_t *)opaque ^= data[i];
    }
    return true;
}

static bool toy_complete(void *opaque, bool *ret_more, GError **errp)
{
    *ret_more = false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    World *w = world_get();
    g_autoptr(StreamIn) in = stream_in_new_mem(data, len);
    g_autoptr(RamLoad) ram = ram_load_new(&w->mem);
    g_autoptr(GError) err = NULL;
    uint8_t sum = 0;
    const StreamConfig config = { .machine = "pc-i440fx-7.2" };
    const LoadvmOps ops = { .command_begins = toy_command_begins,
                            .command = toy_command,
                            .complete = toy_complete,
                            .opaque = &sum };
    const LoadvmRow row = { &ram_iterative, ram };
    bool ok;

    w->toy.count = 0; /* else a refused one of an earlier input may be there */
    ok = loadvm_run(in, w->registry, &row, 1, &config, &ops, &err);
    if (ok == (err != NULL)) {
        fuzz_fail("a result and an error, or neither");
    }
    if (w->toy.count > 8 && ok) {
        fuzz_fail("%u items taken", w->toy.count);
    }
    return 0;
}
