/*
 * The end of file mark in a place where it doesn't belong: one wrong byte is
 * enough for that, and no guest may start by it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram-load.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "tests/unit/loadvm-script.h"
#include "util/error.h"
#include "util/lock.h"

enum { DEVICE_ID = 40 };

typedef struct Device {
    uint32_t value;
} Device;

static bool maybe_needed(void *opaque)
{
    return true;
}

static const Vmstate always_vmstate = {
    .name = "always",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U32(Device, value), VMSTATE_END },
};

static const Vmstate maybe_vmstate = {
    .name = "maybe",
    .version = 1,
    .oldest = 1,
    .needed = maybe_needed,
    .fields = (const VmstateField[]){ VMSTATE_U32(Device, value), VMSTATE_END },
};

typedef struct World {
    Memory mem;
    MemoryRegion ram;
    VmstateRegistry *registry;
    Device always, maybe;
    unsigned completed;
} World;

static bool on_begin(void *opaque, uint16_t cmd, uint16_t len, GError **errp)
{
    return true;
}

static bool on_command(void *opaque, uint16_t cmd, const uint8_t *data,
                       uint16_t len, bool *ret_more, GError **errp)
{
    *ret_more = false;
    return true;
}

/* As between two Godwits: the source says when it is over. */
static bool on_complete(void *opaque, bool *ret_more, GError **errp)
{
    ((World *)opaque)->completed++;
    *ret_more = true;
    return true;
}

static bool load(World *w, const GByteArray *b, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(b->data, b->len);
    g_autoptr(RamLoad) ram = ram_load_new(&w->mem);
    const LoadvmRow row = { &ram_iterative, ram };
    const LoadvmOps ops = { .command_begins = on_begin,
                            .command = on_command,
                            .complete = on_complete,
                            .opaque = w };

    return loadvm_run(in, w->registry, &row, 1, &script_config, &ops, errp);
}

static bool run(World *w, const GByteArray *b, GError **errp)
{
    bool ok;

    *w = (World){ 0 };
    vm_lock_acquire();
    memory_init(&w->mem);
    g_assert_true(memory_region_init_ram(&w->ram, &w->mem, "pc.ram",
                                         SCRIPT_PAGES * RAM_PAGE_SIZE, NULL));
    w->registry = vmstate_registry_new();
    vmstate_register(w->registry, NULL, 0, &always_vmstate, &w->always);
    vmstate_register(w->registry, NULL, 0, &maybe_vmstate, &w->maybe);
    vmstate_register(w->registry, NULL, 0, VMSTATE_NONE, NULL);
    vm_lock_release();
    ok = load(w, b, errp);
    vm_lock_acquire();
    vmstate_registry_free(w->registry);
    memory_region_fini(&w->ram);
    memory_fini(&w->mem);
    vm_lock_release();
    return ok;
}

static void put_device(GByteArray *b, const char *name)
{
    put_section(b, WIRE_SECTION_FULL, DEVICE_ID, name, 0, 1);
    put32(b, 0x4711);
    put_footer(b, DEVICE_ID);
}

static void put_over(GByteArray *b)
{
    put8(b, WIRE_COMMAND);
    put32(b, 0);
}

/* Notes where each section's type stands. */
static void put_all(GByteArray *b, GArray *types)
{
    put_head(b);
    g_array_append_val(types, b->len);
    put_ram_start(b);
    g_array_append_val(types, b->len);
    put_ram_part(b, WIRE_SECTION_PART, 0xaa);
    g_array_append_val(types, b->len);
    put_ram_part(b, WIRE_SECTION_END, 0xbb);
    g_array_append_val(types, b->len);
    put_device(b, "always");
    put8(b, WIRE_EOF);
    put_over(b);
}

static void test_too_early(void)
{
    g_autoptr(GArray) types = g_array_new(false, false, sizeof(guint));
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    World w;

    put_all(b, types);
    g_assert_true(run(&w, b, &err));
    g_assert_cmpuint(w.completed, ==, 1);
    g_assert_cmphex(w.always.value, ==, 0x4711);
    for (guint i = 0; i < types->len; i++) {
        guint at = g_array_index(types, guint, i);
        g_autofree char *where = g_strdup_printf("offset %u: ", at);
        uint8_t type = b->data[at];

        b->data[at] = WIRE_EOF;
        g_assert_false(run(&w, b, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, where));
        g_assert_cmpuint(w.completed, ==, 0);
        g_clear_error(&err);
        b->data[at] = type;
    }
}

/* The source hasn't what would have come before others: no early end. */
static void test_absent_before(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    World w;

    put_head(b);
    put_ram(b);
    put_device(b, "maybe");
    put8(b, WIRE_EOF);
    put_over(b);
    g_assert_true(run(&w, b, &err));
    g_assert_cmpuint(w.completed, ==, 1);
    g_assert_cmphex(w.always.value, ==, 0);
    g_assert_cmphex(w.maybe.value, ==, 0x4711);
}

/* Memory that has ended has not if there is more of it. */
static void test_part_behind_end(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    World w;

    put_head(b);
    put_ram(b);
    put_ram_part(b, WIRE_SECTION_PART, 0xcc);
    put_device(b, "always");
    put8(b, WIRE_EOF);
    g_assert_false(run(&w, b, &err));
    g_assert_nonnull(strstr(err->message, "section 'ram' has not ended"));
    g_assert_cmpuint(w.completed, ==, 0);
}

/* The CPUs have been given what there was: nothing may change any more. */
static void test_device_behind(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    World w;

    put_head(b);
    put_ram(b);
    put_device(b, "always");
    put8(b, WIRE_EOF);
    put_device(b, "maybe");
    put_over(b);
    g_assert_false(run(&w, b, &err));
    g_assert_nonnull(strstr(err->message, "'maybe' instance 0"));
    g_assert_nonnull(strstr(err->message, "behind the end of file mark"));
    g_assert_cmphex(w.maybe.value, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loadvm-end/too-early", test_too_early);
    g_test_add_func("/loadvm-end/absent-before", test_absent_before);
    g_test_add_func("/loadvm-end/part-behind-end", test_part_behind_end);
    g_test_add_func("/loadvm-end/device-behind", test_device_behind);
    return g_test_run();
}
