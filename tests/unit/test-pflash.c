/*
 * State of flash memory: what a program of version 7.2 sends is loaded and
 * saved again without a difference; what is cut off or doesn't fit is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"
#include "block/stats.h"
#include "hw/block/pflash.h"
#include "hw/core/machine-none.h"
#include "system/vm.h"
#include "tests/unit/section-bytes.h"

enum { CHIP = 8192 };

/* As captured after commands to a chip of two sectors of 0xff. */
static const struct {
    const char *name, *hex;
} fixtures[] = {
    { "reading", "00 00 80 00*8" },
    { "id", "00 90 80 00*8" },
    { "erasing", "01 20 80 00*8" },
    { "buffer",
      "02 e8 80 00*7 02 05 16 70666c6173685f63666930315f626c6b5f7772697465"
      " 00000001 ff*5 01 ff*250 00000000" },
    { "buffer-full",
      "03 e8 80 ff*8 05 16 70666c6173685f63666930315f626c6b5f7772697465"
      " 00000001 01 ff*255 00000000" },
};

static void no_event(Vm *vm)
{
}

static const VmHooks hooks = { .vcpus_resume = no_event,
                               .event_resume = no_event };

typedef struct Board {
    Vm *vm;
    Device *dev;
} Board;

ACQUIRE(&vm_lock) static void board_init(Board *b)
{
    g_autoptr(KeyVal) kv = keyval_new();
    g_autoptr(GError) err = NULL;
    Vm *vm;

    vm_lock_acquire();
    b->vm = vm = vm_new(&hooks);
    vm->vmstates = vmstate_registry_new();
    vm->blocks = block_backends_new();
    machine_new(vm, &machine_none_type);
    keyval_add(kv, "id", "d0");
    keyval_add(kv, "if", "none");
    keyval_add(kv, "driver", "null-co");
    keyval_add(kv, "size", "8192");
    g_assert_nonnull(block_new_from_keyval(vm->blocks, kv, &err));
    b->dev = pflash_create(vm->machine, 0, "d0", UINT64_C(1) << 32, CHIP, &err);
    g_assert_no_error(err);
}

RELEASE(&vm_lock) static void board_fini(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    block_backends_free(g_steal_pointer(&vm->blocks));
    vmstate_registry_free(g_steal_pointer(&vm->vmstates));
    vm_free(vm);
    vm_lock_release();
}

static bool load(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = b->dev->type->vmstate;

    return vmstate_load(in, vms, b->dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
}

static void test_round_trip(void)
{
    Board b;

    board_init(&b);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(fixtures[i].hex);
        g_autoptr(GError) err = NULL;

        g_assert_true(load(&b, bytes->data, bytes->len, &err));
        g_assert_no_error(err);
        expect_saved(&b, bytes);
    }
    board_fini(&b);
}

static void test_truncated(void)
{
    Board b;

    board_init(&b);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixtures); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(fixtures[i].hex);

        for (size_t len = 0; len < bytes->len; len++) {
            /* Without its subsection it is another section. */
            g_assert_true(load(&b, bytes->data, len, NULL) == (len == 11));
        }
    }
    board_fini(&b);
}

static void test_hostile(void)
{
    static const char *const bad[] = {
        "04 00 80 00*8", /* no such cycle */
        "02 e8 80 00*8 05 16 70666c6173685f63666930315f626c6b5f7772697465"
        " 00000001 ff*256 00001f01", /* across the end of the chip */
        "02 e8 80 00*8 05 16 70666c6173685f63666930315f626c6b5f7772697465"
        " 00000001 ff*256 fffffff0",
    };
    Board b;

    board_init(&b);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) bytes = section_bytes(bad[i]);

        g_assert_false(load(&b, bytes->data, bytes->len, NULL));
    }
    board_fini(&b);
}

static uint64_t bytes_written(Board *b)
{
    BlockStats stats;

    block_drain_all(b->vm->blocks, false);
    block_get_stats(block_find(b->vm->blocks, "d0"), &stats);
    return stats.kind[BLOCK_STATS_WRITE].bytes;
}

/* Flash whose pages are still to come isn't read to have it on the drive. */
static void test_awaited(void)
{
    g_autoptr(GByteArray) bytes = section_bytes(fixtures[0].hex);
    Board b;

    board_init(&b);
    g_assert_true(load(&b, bytes->data, bytes->len, NULL));
    __atomic_store_n(&b.vm->memory_awaited, true, __ATOMIC_RELAXED);
    vm_start(b.vm);
    g_assert_cmpuint(bytes_written(&b), ==, 0);
    __atomic_store_n(&b.vm->memory_awaited, false, __ATOMIC_RELAXED);
    while (bytes_written(&b) == 0) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(bytes_written(&b), ==, CHIP);
    board_fini(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pflash/round-trip", test_round_trip);
    g_test_add_func("/pflash/truncated", test_truncated);
    g_test_add_func("/pflash/hostile", test_hostile);
    g_test_add_func("/pflash/awaited", test_awaited);
    return g_test_run();
}
