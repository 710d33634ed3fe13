/*
 * A guest of a few instructions under KVM, or on the software CPU, for tests
 * and benchmarks.
 *
 * It starts in 64-bit mode at privilege level 3 with its page tables made
 * here, so that no boot is needed:
 *
 *   0x1000  page tables: PML4, PDPT, 4 page directories of 2 MiB pages
 *   0x8000  code: stores to (or loads from) the pages of a list, then writes
 *           to the bell
 *   0x9000  TSS
 *   0x20000 list: count, then addresses
 *   BELL    a device, not RAM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_KVM_GUEST_H
#define TESTS_UNIT_KVM_GUEST_H

#include "accel/kvm/kvm-priv.h"

#define CODE_BASE 0x8000
#define LIST_BASE 0x20000
#define BELL      0xd0000000
#define DOORBELL  (BELL + 0x1000)
#define CODE_SIZE 26

typedef struct Bell {
    unsigned rings;  /* vm_lock */
    unsigned others; /* vm_lock; writes to the second page */
    uint64_t last;   /* vm_lock */
    Cond cond;
} Bell;

typedef struct Guest {
    Vm *vm;
    Accel *acc;
    X86CpuModel *model;
    MemoryRegion ram;
    RamBlock *rb;
    MemoryRegion bell_mr;
    Bell bell;
    X86Topology topo;
    unsigned served; /* rings before serve_begin() */
} Guest;

/* False, and the test is marked as skipped, if /dev/kvm can't be used. */
bool have_kvm(void);
Guest *guest_new(uint64_t ram, unsigned ncpus, const char *cpu_text);
/* accel: "kvm" or "tcg", perhaps with options: "kvm,dirty-ring-size=1024". */
Guest *guest_new_accel(const char *accel, uint64_t ram, unsigned ncpus,
                       const char *cpu_text);
void guest_free(Guest *g);
/* The guest loads from the listed pages instead of storing to them. */
void guest_set_loads(Guest *g);
/* Makes vCPU 0 ready for that; vm_lock held, it is paused. */
void prepare_list(Guest *g, const uint64_t *addr, unsigned n, uint64_t value);
/* Runs vCPU 0 over `n` addresses until it rings; it is paused again. */
void run_list(Guest *g, const uint64_t *addr, unsigned n, uint64_t value);
/*
 * Makes vCPU 0 ready to serve one list after the other without anybody setting
 * its state in between: what it has cached stays.
 */
void guest_serve(Guest *g);
/*
 * Gives it a list, by DMA, and lets it run: it stores `value` to all addresses
 * and rings.  The end waits for that and pauses it.
 */
void serve_begin(Guest *g, const uint64_t *addr, unsigned n, uint64_t value);
void serve_end(Guest *g);
void log_start(Guest *g);
void log_stop(Guest *g);
void log_sync(Guest *g);
/* Takes pages as the sender does: bits first, then the log, then the data. */
void take_pages(Guest *g, uint64_t first, uint64_t n);

#endif
