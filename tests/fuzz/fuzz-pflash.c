/*
 * Flash memory: whatever a guest writes to a chip, it stays a chip of its
 * size that can move.
 *
 * Input: see fuzz-board.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"
#include "hw/block/pflash.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"

enum { CHIP = 16384 };

#define PLACE ((UINT64_C(1) << 32) - CHIP)

static void plug(FuzzBoard *b)
{
    g_autoptr(KeyVal) kv = keyval_new();

    keyval_add(kv, "id", "d0");
    keyval_add(kv, "if", "none");
    keyval_add(kv, "driver", "null-co");
    keyval_add(kv, "size", "16384");
    if (block_new_from_keyval(b->vm->blocks, kv, NULL) != NULL) {
        b->dev =
            pflash_create(b->vm->machine, 0, "d0", PLACE + CHIP, CHIP, NULL);
    }
    if (b->dev == NULL) {
        fuzz_fail("the chip is not made");
    }
}

static void start(FuzzBoard *b)
{
}

static void step(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val)
{
    unsigned size = 1u << (what & 3);
    uint64_t addr = PLACE + at % CHIP;

    if (what & 0x80) {
        address_space_load(&b->vm->mem.memory, addr, size, NULL);
    } else {
        address_space_store(&b->vm->mem.memory, addr, val, size);
    }
}

static void check(FuzzBoard *b)
{
    uint64_t size;

    pflash_bytes(b->dev, &size);
    if (size != CHIP) {
        fuzz_fail("a chip of %" PRIu64 " bytes", size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FuzzBoard *board;
    static const FuzzTarget target = {
        .plug = plug, .start = start, .step = step, .check = check
    };

    return fuzz_board_run(&board, &target, data, len);
}
