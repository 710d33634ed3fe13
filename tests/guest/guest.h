/*
 * A bare-metal guest that moves, dirties and checks memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_H
#define GUEST_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096u
#define MIB       (1024ull * 1024)

/* ---- processor ------------------------------------------------------- */

static inline void outb(uint16_t port, uint8_t val)
{
    __asm__ volatile("outb %0, %1" ::"a"(val), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t val)
{
    __asm__ volatile("outw %0, %1" ::"a"(val), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t val)
{
    __asm__ volatile("outl %0, %1" ::"a"(val), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t val;

    __asm__ volatile("inl %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t val;

    __asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port));
    return val;
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return (uint64_t)hi << 32 | lo;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

typedef struct CpuidRegs {
    uint32_t eax, ebx, ecx, edx;
} CpuidRegs;

static inline CpuidRegs cpuid(uint32_t leaf)
{
    CpuidRegs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(0));
    return r;
}

/*
 * Privileged work, done at CPL 0 behind UD2, a fault: until it is taken, RIP
 * is here. Not behind INT3: KVM_GET_VCPU_EVENTS does not tell of a #BP that
 * waits, as RIP is not to have moved by then. On a KVM without hardware
 * virtualisation underneath it has, and a vCPU that was moved at that moment
 * went on behind INT3 with the service's number for an answer.
 */
static inline uint64_t service(uint64_t nr, uint64_t arg0, uint64_t arg1)
{
    uint64_t ret;

    __asm__ volatile("ud2"
                     : "=a"(ret)
                     : "a"(nr), "D"(arg0), "S"(arg1)
                     : "memory", "rcx", "rdx", "cc");
    return ret;
}

static inline uint32_t lapic_read(unsigned reg)
{
    return *(volatile uint32_t *)(uintptr_t)(LAPIC_BASE + reg);
}

static inline void lapic_write(unsigned reg, uint32_t val)
{
    *(volatile uint32_t *)(uintptr_t)(LAPIC_BASE + reg) = val;
}

/* ---- configuration (config.c) ---------------------------------------- */

typedef enum Mode {
    MODE_IDLE,    /* heartbeat from the timer, halted otherwise */
    MODE_POLL,    /* heartbeat from a busy loop */
    MODE_DIRTY,   /* write to a range of pages at a given rate */
    MODE_PATTERN, /* rewrite and check all pages for ever */
    MODE_CLOCK,   /* read clocks and tell of them */
    MODE_L2FWD,   /* forward packets, and some of MODE_PATTERN */
    MODE_IVSHMEM, /* take turns with a guest that shares memory */
} Mode;

typedef struct Config {
    Mode mode;
    const char *mode_name;
    uint64_t start_mib; /* first page of the load; 0: right after the program */
    uint64_t mib;       /* size of the load; 0: all memory from start */
    uint64_t rate;      /* pages per second and CPU; 0: flat out */
    uint64_t touch_mib; /* filled with random data once, behind the load */
    uint64_t hz;        /* heartbeats per second */
    uint64_t report_ms; /* between two heartbeat lines */
    uint64_t cpus;      /* CPUs to use; 0: all there are */
    uint64_t tick_port; /* nonzero: every heartbeat writes one byte here */
    uint64_t sleep;     /* 1: halt until the timer where `rate` makes wait */
    uint64_t disk_sectors; /* of the first IDE disk, for MODE_PATTERN */
    uint64_t dma_pages;    /* that the disk writes, behind disk_sectors */
    uint64_t queues;       /* queue pairs of each card, for MODE_L2FWD */
    uint64_t ring;         /* descriptors per queue, at most */
    uint64_t buffer;       /* bytes of one packet buffer */
    uint64_t mergeable;    /* 1: a packet may take several buffers */
    uint64_t echo;         /* 1: answer ARP, and UDP by itself */
    bool debug_console;    /* lines go to port 0x402 too */
} Config;

extern Config config;

/* `magic` and `boot_info`: EAX and EBX as the loader left them, or 0. */
void config_load(uint32_t magic, uint32_t boot_info);

/* ---- firmware configuration device (fwcfg.c) ------------------------- */

/* Read up to `size` bytes of item `key`; false if the device is absent. */
bool fwcfg_read(uint16_t key, void *buf, uint32_t size);

/* Look a file up; returns its size and sets *ret_key, or 0. */
uint32_t fwcfg_find(const char *name, uint16_t *ret_key);

enum {
    FWCFG_RAM_SIZE = 0x03,
    FWCFG_NB_CPUS = 0x05,
    FWCFG_CMDLINE_SIZE = 0x14,
    FWCFG_CMDLINE_DATA = 0x15,
    FWCFG_FILE_DIR = 0x19,
};

/* ---- console (console.c) --------------------------------------------- */

void console_init(void);

/*
 * Queue a line: %u %x (64-bit, hex with 0x), %s. Safe on every CPU. Lines
 * that find the queue full are dropped as a whole and counted.
 */
void say(const char *fmt, ...);

/* Send some queued bytes, for at most about 100 us; first CPU only. */
void console_drain(void);

/* Send all queued bytes; first CPU only. */
void console_flush(void);

/* Look for a command on the serial line and carry it out; first CPU only. */
void console_poll_input(void);

/* For exceptions: straight to the ports, no queue. */
void console_raw(const char *s);
void console_raw_hex(uint64_t val);

/* ---- memory (memory.c) ----------------------------------------------- */

/*
 * Find the RAM, map it, and decide what the loads may use: what is behind
 * the CPUs' blocks and `reserve` bytes more, which memory_take() gives out.
 */
void memory_init(unsigned ncpus, uint64_t reserve);

/* Take memory that memory_init() kept back; cleared, never given back. */
void *memory_take(uint64_t size, uint64_t align);

/* Map a device's registers where they are, uncached. */
void memory_map_mmio(uint64_t start, uint64_t size);

/* All RAM the machine has, in bytes. */
uint64_t memory_total(void);

/*
 * Pages that loads may use, counted through all the gaps: low memory first
 * (if asked for from address 0), then from behind the program upwards.
 */
uint64_t memory_npages(void);

/* The first load page at or above this address. */
uint64_t memory_page_index(uint64_t addr);

/* Address of load page `index` (below memory_npages()). */
uint64_t *memory_page(uint64_t index);

/* ---- time and heartbeat (clock.c) ------------------------------------ */

extern uint64_t tsc_khz;

void clock_init(void);

/* Start this CPU's periodic timer at config.hz. */
void clock_start_timer(void);

/* Busy-wait; the heartbeat goes on. */
void clock_wait_us(uint64_t us);

/* ---- CPUs (cpu.c, smp.c) --------------------------------------------- */

typedef struct __attribute__((packed)) TablePointer {
    uint16_t limit;
    uint64_t base;
} TablePointer;

typedef struct Cpu {
    TablePointer gdtr;
    uint8_t pad0[6];
    TablePointer idtr;
    uint8_t pad1[6];
    volatile uint64_t ticks; /* timer interrupts; its handler counts */

    uint64_t gdt[9];
    uint32_t id;
    volatile uint32_t running; /* 1: has reached its load */

    /* Heartbeat; one writer, this CPU. */
    uint64_t last_tsc;
    uint64_t next_beat_tsc;
    volatile uint64_t beats;
    volatile uint64_t gap_tsc; /* largest since the last report */

    /* Load. */
    uint64_t first_page;
    uint64_t npages;
    uint64_t pace_tsc; /* when the next page is due */
    uint64_t pace_step;
    volatile uint64_t pages_done;
    volatile uint64_t passes;
    volatile uint64_t fails;
    uint64_t next_ok_tsc; /* when a pass may be told of again */
    uint64_t position;    /* within the pass */
    uint64_t cursor;      /* page that belongs to position */
    uint64_t stride;      /* coprime to npages */
    uint64_t state_seed;
    uint64_t next_disk_tsc; /* when a pass over the disk may be told of */
} Cpu;

static inline Cpu *cpu_block(unsigned id)
{
    return (Cpu *)((uintptr_t)CPU_BASE + ((uintptr_t)id << CPU_SHIFT));
}

/* The CPU this runs on: its stacks lie in its block. */
static inline Cpu *cpu_self(void)
{
    uintptr_t sp;

    __asm__("movq %%rsp, %0" : "=r"(sp));
    return (Cpu *)((sp - 1) & ~((uintptr_t)CPU_SIZE - 1));
}

/* Build the tables of one CPU. Runs at CPL 0 for the first CPU. */
void cpu_prepare(Cpu *cpu, unsigned id);

unsigned smp_count(void);

/* Build the other CPUs' blocks, start them, wait until they are set up. */
void smp_prepare(unsigned ncpus);
void smp_start(unsigned ncpus);
void smp_wait(unsigned ncpus);

/*
 * Give the console, the heartbeat and the reports their turn. Everything
 * that takes long calls it at least every few microseconds.
 */
void heartbeat(Cpu *cpu);

/* mode=clock, by the first CPU (timekeeping.c). */
__attribute__((noreturn)) void clock_watch(Cpu *cpu);

/* Sleep until the next timer interrupt, unless there was one already. */
void cpu_idle(Cpu *cpu);

__attribute__((noreturn)) void guest_quit(uint8_t code);
void guest_reset(void);
void guest_print_state(void);

/* ---- loads ------------------------------------------------------------ */

/* Wait until this CPU's next page is due; heartbeats meanwhile. */
void load_pace(Cpu *cpu);

/* Whether the next page is due; if so, reckons when the one after it is. */
bool load_due(Cpu *cpu);

void load_touch(uint64_t first, uint64_t npages);
__attribute__((noreturn)) void load_dirty(Cpu *cpu);
void load_dirty_fill(Cpu *cpu);
__attribute__((noreturn)) void load_pattern(Cpu *cpu);
void load_pattern_fill(Cpu *cpu);

/* The same in turns of one page, for who does something else besides. */
void load_pattern_start(Cpu *cpu);
void load_pattern_turn(Cpu *cpu);

/* ---- network (l2fwd.c) ------------------------------------------------- */

/* Memory that rings and packet buffers take, in bytes; 0 in other modes. */
uint64_t l2fwd_memory(void);

/* Find the cards and start their queues; before the CPUs' loads start. */
void l2fwd_init(void);

/* Forward for ever on this CPU's queue of each card. */
__attribute__((noreturn)) void l2fwd_run(Cpu *cpu);

/* Say what each card has received and sent. */
void l2fwd_print_state(void);

/* ---- shared memory (ivshmem.c) ----------------------------------------- */

/* Take turns with the peer for ever; first CPU only. */
__attribute__((noreturn)) void ivshmem_run(Cpu *cpu);

/* ---- disk (disk.c, dma.c) --------------------------------------------- */

enum { ATA_FAILED = 1 << 0 | 1 << 5 }; /* status: error or drive fault */

/* Start a command of the first IDE drive that moves `count` sectors. */
void ata_command(Cpu *cpu, uint8_t command, uint64_t sector, uint8_t count);

/* The status once the drive is no longer busy; heartbeats meanwhile. */
uint8_t ata_wait(Cpu *cpu);

/* Write generation 0 to config.disk_sectors sectors. */
void disk_fill(Cpu *cpu);

/*
 * Check some sectors and write their next generation: with the last of the
 * pages of a pass, the last sector, too. First CPU only.
 */
void disk_pace(Cpu *cpu, uint64_t pages_done);

/* Whether a page of this CPU's share is written by the disk alone. */
bool dma_owns(const Cpu *cpu, uint64_t index);

/* As for the disk; config.dma_pages pages at every other place. */
void dma_fill(Cpu *cpu);
void dma_pace(Cpu *cpu, uint64_t pages_done);

/* 64-bit finaliser: every output bit depends on every input bit. */
static inline uint64_t mix64(uint64_t x)
{
    /* Constants: D. Stafford's "Mix13" variant of the murmur3 finaliser. */
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* ---- string.c ---------------------------------------------------------- */

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
bool str_equal(const char *a, const char *b);

#endif
