/*
 * A machine of some memory and a PCI bus, for targets that drive one function.
 *
 * Input of fuzz_board_run(): steps of 8 bytes: what (byte), where (24 bits),
 * value (32 bits).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_FUZZ_BOARD_H
#define TESTS_FUZZ_FUZZ_BOARD_H

#include "hw/pci/pci.h"
#include "system/vm.h"

#define FUZZ_RAM_SIZE (256 * KiB) /* from address 0 on */

typedef struct FuzzBoard {
    Vm *vm;
    PciBus *pci;
    RamBlock *ram;
    MemoryRegion ram_mr;
    Device *dev;       /* what is driven */
    unsigned commands; /* given to it by this input, if the target counts */
} FuzzBoard;

typedef struct FuzzTarget {
    /* Puts b->dev on the bus, once for all inputs; the guest doesn't run. */
    void (*plug)(FuzzBoard *b);
    /* As each input finds it: the device was reset, memory is 0. */
    void (*start)(FuzzBoard *b);
    void (*step)(FuzzBoard *b, uint8_t what, uint32_t at, uint32_t val);
    /* The target's own rules, after each step; ends by fuzz_fail(). */
    void (*check)(FuzzBoard *b);
    /* After the last step; may be NULL. */
    void (*end)(FuzzBoard *b);
} FuzzTarget;

/* Without b->dev; with vm_lock held. */
FuzzBoard *fuzz_board_new(void);
/* Is LLVMFuzzerTestOneInput(); *b is NULL at first, and kept for the next. */
int fuzz_board_run(FuzzBoard **b, const FuzzTarget *t, const uint8_t *data,
                   size_t len);
/* The guest writes 32 bits. */
void fuzz_board_poke(FuzzBoard *b, uint64_t addr, uint32_t val);
/* Whatever the guest did, the device can be saved and loaded again. */
void fuzz_board_check_moves(FuzzBoard *b);

#endif
