/*
 * Two guests that share memory: each in turn writes a word and rings the
 * other, who checks it.  (ivshmem-doorbell; "Inter-VM shared memory device".)
 *
 *   memory   a line of 64 bytes for each id: the turn, and a word that
 *            follows from turn and id
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"
#include "pci.h"

enum {
    IVSHMEM_VENDOR = 0x1af4,
    IVSHMEM_DEVICE = 0x1110,
    REG_IVPOSITION = 8 / 4,
    REG_DOORBELL = 12 / 4,
    CAP_MSIX = 0x11,
    MSIX_ENABLE = 1u << 31, /* of the capability's first 32 bits */
    LINE_WORDS = 8,
    AGAIN_US = 10000, /* between two rings to who isn't there yet */
    SAY_TURNS = 256,  /* turns between two lines */
};

volatile uint64_t doorbells; /* irq_doorbell counts */

static struct {
    volatile uint32_t *regs;
    volatile uint64_t *memory;
    uint32_t id, peer;
    uint64_t rings;
    uint64_t bad;
} iv;

static bool find_device(void)
{
    static const uint16_t ids[] = { IVSHMEM_DEVICE };
    volatile uint32_t *table;
    uint8_t devfn, cap;

    if (!pci_find(IVSHMEM_VENDOR, ids, 1, 0, &devfn)) {
        return false;
    }
    iv.regs = (uint32_t *)pci_map_bar(devfn, 0);
    table = (uint32_t *)pci_map_bar(devfn, 1);
    iv.memory = (uint64_t *)pci_map_bar(devfn, 2);
    cap = pci_next_cap(devfn, 0, CAP_MSIX);
    if (!iv.regs || !table || !iv.memory || !cap) {
        return false;
    }
    pci_enable(devfn);
    table[0] = LAPIC_BASE; /* to the first CPU */
    table[1] = 0;
    table[2] = VECTOR_DOORBELL;
    table[3] = 0;
    pci_write(devfn, cap, pci_read(devfn, cap) | MSIX_ENABLE);
    iv.id = iv.regs[REG_IVPOSITION];
    iv.peer = iv.id ^ 1;
    return true;
}

static void take_turn(uint64_t turn)
{
    volatile uint64_t *line = iv.memory + iv.id * LINE_WORDS;

    line[1] = mix64(turn << 16 | iv.id);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    line[0] = turn;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    iv.regs[REG_DOORBELL] = iv.peer << 16;
    iv.rings++;
}

/* Whether the peer has had this turn. */
static bool check_turn(uint64_t turn)
{
    volatile uint64_t *line = iv.memory + iv.peer * LINE_WORDS;

    if (line[0] != turn) {
        return false;
    }
    if (line[1] != mix64(turn << 16 | iv.peer)) {
        iv.bad++;
        say("FAIL ivshmem turn=%u got=%x", turn, line[1]);
    }
    return true;
}

/* The first word goes again and again: the peer may not be there yet. */
static void wait_turn(Cpu *cpu, uint64_t turn, uint64_t seen)
{
    uint64_t next = rdtsc() + AGAIN_US * tsc_khz / 1000;

    while (doorbells == seen || !check_turn(turn)) {
        if (turn == 1 && iv.id == 0 && rdtsc() > next) {
            iv.regs[REG_DOORBELL] = iv.peer << 16;
            next = rdtsc() + AGAIN_US * tsc_khz / 1000;
        }
        heartbeat(cpu);
    }
}

void ivshmem_run(Cpu *cpu)
{
    uint64_t seen = 0; /* doorbells before the peer could know of our turn */

    clock_start_timer();
    if (!find_device()) {
        say("FAIL no ivshmem-doorbell");
        for (;;) {
            heartbeat(cpu);
        }
    }
    for (uint64_t turn = 1;; turn++) {
        if (iv.id == 0) {
            seen = doorbells;
            take_turn(turn);
        }
        wait_turn(cpu, turn, seen);
        if (iv.id != 0) {
            seen = doorbells;
            take_turn(turn);
        }
        if (turn % SAY_TURNS == 0) {
            say("ivshmem id=%u turns=%u rings=%u bad=%u", (uint64_t)iv.id, turn,
                iv.rings, iv.bad);
        }
    }
}
