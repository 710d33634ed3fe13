/*
 * The VM generation ID of a guest whose memory is still to come (postcopy):
 * nobody waits for a page, and the guest gets its ID when all are there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/vmgenid.h"
#include "hw/core/machine-none.h"
#include "hw/i386/fw-cfg.h"
#include "system/vm.h"
#include "tests/unit/section-bytes.h"

enum { RAM_BYTES = 64 * 1024, GUID_AT = 0x2028 };

#define GUID "00112233-4455-6677-8899-aabbccddeeff"

/* Where it is, in little endian. */
static const char section[] = "28 20 00*6";
/* The first three fields of an UUID are numbers in little endian. */
static const uint8_t guid[] = {
    0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66,
    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
};

static uint64_t raised; /* ACPI_GPE_* */

static void raise_event(Machine *m, uint64_t events)
{
    raised |= events;
}

static void no_event(Vm *vm)
{
}

static const VmHooks hooks = { .vcpus_resume = no_event,
                               .event_resume = no_event };

typedef struct Board {
    Vm *vm;
    Device *dev;
    MachineType type;
    MemoryRegion ram;
    const uint8_t *mem;
} Board;

ACQUIRE(&vm_lock) static void board_init(Board *b)
{
    g_autoptr(GError) err = NULL;
    Vm *vm;

    vm_lock_acquire();
    raised = 0;
    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    b->type = machine_none_type;
    b->type.acpi_event = raise_event;
    machine_new(vm, &b->type);
    vm->machine->acpi = true;
    g_assert_nonnull(fw_cfg_create(vm->machine, &err));
    g_assert_true(
        memory_region_init_ram(&b->ram, &vm->mem, "pc.ram", RAM_BYTES, &err));
    memory_region_add(&vm->mem.root, 0, &b->ram, 0);
    b->mem = memory_region_ram_ptr(&b->ram);
    b->dev = device_new(vm, &vmgenid_type);
    object_add_child(&vm->machine->obj, "vmgenid", &b->dev->obj);
    g_assert_true(object_prop_set_str(&b->dev->obj, "guid", GUID, &err));
    g_assert_true(device_realize(b->dev, NULL, &err));
}

RELEASE(&vm_lock) static void board_fini(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    memory_region_del(&b->ram);
    memory_region_fini(&b->ram);
    vmstate_registry_free(g_steal_pointer(&vm->vmstates));
    vm_free(vm);
    vm_lock_release();
}

static void load(Board *b)
{
    g_autoptr(GByteArray) bytes = section_bytes(section);
    g_autoptr(StreamIn) in = stream_in_new_mem(bytes->data, bytes->len);
    const Vmstate *vms = b->dev->type->vmstate;

    g_assert_true(vmstate_load(in, vms, b->dev, vms->version, NULL));
}

static bool has_guid(const Board *b)
{
    return memcmp(b->mem + GUID_AT, guid, sizeof(guid)) == 0;
}

static void test_awaited(void)
{
    Board b = { 0 };

    board_init(&b);
    load(&b);
    __atomic_store_n(&b.vm->memory_awaited, true, __ATOMIC_RELAXED);
    vm_start(b.vm);
    g_assert_false(has_guid(&b));
    g_assert_cmphex(raised, ==, 0);
    __atomic_store_n(&b.vm->memory_awaited, false, __ATOMIC_RELAXED);
    while (!has_guid(&b)) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmphex(raised, ==, ACPI_GPE_VMGENID);
    board_fini(&b);
}

/* Where nothing is awaited it is there before the guest runs. */
static void test_at_once(void)
{
    Board b = { 0 };

    board_init(&b);
    load(&b);
    vm_start(b.vm);
    g_assert_true(has_guid(&b));
    g_assert_cmphex(raised, ==, ACPI_GPE_VMGENID);
    board_fini(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmgenid/awaited", test_awaited);
    g_test_add_func("/vmgenid/at-once", test_at_once);
    return g_test_run();
}
