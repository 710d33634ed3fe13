/*
 * Start, heartbeat, reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    INPUT_MS = 20, /* between two looks at the serial line's input */
};

extern uint32_t boot_magic, boot_info; /* entry.S */
extern char bss_start[], bss_end[];    /* guest.ld */

static struct {
    unsigned ncpus;
    volatile bool ready; /* reports start */
    volatile bool go;    /* loads start */
    uint64_t next_report_tsc;
    uint64_t next_input_tsc;
    uint64_t reports;
} guest;

void guest_main(void);
void guest_ap_main(void);

static uint64_t gap_take_us(void)
{
    uint64_t gap = 0;

    for (unsigned i = 0; i < guest.ncpus; i++) {
        uint64_t g =
            __atomic_exchange_n(&cpu_block(i)->gap_tsc, 0, __ATOMIC_RELAXED);

        if (g > gap) {
            gap = g;
        }
    }
    return gap * 1000 / tsc_khz;
}

/* The first CPU speaks for all. */
static void report(Cpu *cpu, uint64_t now)
{
    console_drain();
    if (!guest.ready) {
        return;
    }
    if ((int64_t)(now - guest.next_report_tsc) >= 0) {
        guest.next_report_tsc = now + config.report_ms * tsc_khz;
        say("hb %u %u", cpu->beats, gap_take_us());
    }
    if ((int64_t)(now - guest.next_input_tsc) >= 0) {
        guest.next_input_tsc = now + INPUT_MS * tsc_khz;
        console_poll_input();
    }
}

void heartbeat(Cpu *cpu)
{
    uint64_t now = rdtsc();
    uint64_t gap = now - cpu->last_tsc;

    cpu->last_tsc = now;
    if (guest.ready && gap > cpu->gap_tsc) {
        cpu->gap_tsc = gap;
    }
    if ((int64_t)(now - cpu->next_beat_tsc) >= 0) {
        cpu->next_beat_tsc = now + tsc_khz * 1000 / config.hz;
        cpu->beats++;
        if (config.tick_port && cpu->id == 0) {
            outb(config.tick_port, '0' + cpu->beats % 10);
        }
    }
    if (cpu->id == 0) {
        report(cpu, now);
    }
}

void guest_print_state(void)
{
    for (unsigned i = 0; i < guest.ncpus; i++) {
        Cpu *cpu = cpu_block(i);

        say("stat cpu=%u beats=%u ticks=%u pages=%u passes=%u fails=%u",
            (uint64_t)i, cpu->beats, cpu->ticks, cpu->pages_done, cpu->passes,
            cpu->fails);
    }
    if (config.mode == MODE_L2FWD) {
        l2fwd_print_state();
    }
}

/* The timer gives the pace here, so every wake-up is a beat. */
static void __attribute__((noreturn)) run_idle(Cpu *cpu)
{
    clock_start_timer();
    cpu_idle(cpu);
    cpu->last_tsc = rdtsc();
    for (;;) {
        cpu_idle(cpu);
        cpu->next_beat_tsc = 0;
        heartbeat(cpu);
    }
}

static void __attribute__((noreturn)) run_poll(Cpu *cpu)
{
    for (;;) {
        cpu_relax();
        heartbeat(cpu);
    }
}

static void __attribute__((noreturn)) run(Cpu *cpu)
{
    if (config.sleep && config.mode != MODE_IDLE) {
        clock_start_timer();
    }
    cpu->last_tsc = cpu->pace_tsc = rdtsc();
    cpu->gap_tsc = 0;
    cpu->pace_step = config.rate ? tsc_khz * 1000 / config.rate : 0;
    switch (config.mode) {
    case MODE_DIRTY:
        load_dirty(cpu);
    case MODE_PATTERN:
        load_pattern(cpu);
    case MODE_POLL:
        run_poll(cpu);
    case MODE_CLOCK:
        if (cpu->id == 0) {
            clock_watch(cpu);
        }
        run_idle(cpu);
    case MODE_L2FWD:
        if (cpu->id < config.queues) {
            l2fwd_run(cpu);
        }
        if (cpu->npages) {
            load_pattern(cpu);
        }
        run_idle(cpu);
    case MODE_IVSHMEM:
        if (cpu->id == 0) {
            ivshmem_run(cpu);
        }
        run_idle(cpu);
    case MODE_IDLE:
    default:
        run_idle(cpu);
    }
}

static void fill(Cpu *cpu)
{
    if (config.mode == MODE_DIRTY) {
        load_dirty_fill(cpu);
    } else if (config.mode == MODE_PATTERN || cpu->npages) {
        load_pattern_fill(cpu);
    }
}

void guest_ap_main(void)
{
    Cpu *cpu = cpu_self();

    lapic_write(0xf0, 0x100 | VECTOR_SPUR);
    cpu->last_tsc = cpu->next_beat_tsc = rdtsc();
    fill(cpu);
    cpu->running = 1;
    while (!guest.go) {
        cpu_relax();
    }
    run(cpu);
}

/* Whether the configuration has the CPUs write to a range of pages. */
static bool has_range(void)
{
    return config.mode == MODE_DIRTY || config.mode == MODE_PATTERN ||
           (config.mode == MODE_L2FWD && config.rate);
}

/* Deal the pages out; returns how many all the CPUs have together. */
static uint64_t share_out(uint64_t *ret_first)
{
    uint64_t first = memory_page_index(config.start_mib * MIB);
    uint64_t n = memory_npages() - first;
    uint64_t want = config.mib * MIB / PAGE_SIZE;

    if (!has_range()) {
        n = 0;
    } else if (want && want < n) {
        n = want;
    } else if (want > n) {
        say("FAIL config mb=%u: only %u MiB there", config.mib,
            n * PAGE_SIZE / MIB);
    }
    for (unsigned i = 0; i < guest.ncpus; i++) {
        Cpu *cpu = cpu_block(i);

        cpu->first_page = first + n * i / guest.ncpus;
        cpu->npages = n * (i + 1) / guest.ncpus - n * i / guest.ncpus;
    }
    *ret_first = first;
    return n;
}

static void touch(uint64_t first)
{
    uint64_t n = config.touch_mib * MIB / PAGE_SIZE;

    if (n > memory_npages() - first) {
        n = memory_npages() - first;
        say("FAIL config touch=%u: only %u MiB there", config.touch_mib,
            n * PAGE_SIZE / MIB);
    }
    load_touch(first, n);
}

void guest_main(void)
{
    Cpu *cpu = cpu_block(0);
    uint64_t first = 0, n;

    /* Stale after a reset where the image was not loaded by a program. */
    memset(bss_start, 0, bss_end - bss_start);
    console_init();
    config_load(boot_magic, boot_info);
    clock_init();
    guest.ncpus = smp_count();
    memory_init(guest.ncpus, l2fwd_memory());
    say("godwit-guest mode=%s cpus=%u ram=%u tsc_khz=%u", config.mode_name,
        (uint64_t)guest.ncpus, memory_total() / MIB, tsc_khz);

    /* AP blocks are cleared when they are prepared, shares come after. */
    smp_prepare(guest.ncpus);
    n = share_out(&first);
    if (config.mode == MODE_L2FWD) {
        l2fwd_init();
    }
    cpu->last_tsc = cpu->next_beat_tsc = rdtsc();
    smp_start(guest.ncpus);
    fill(cpu);
    touch(first + n);
    smp_wait(guest.ncpus);
    say("ready");
    console_flush();
    cpu->last_tsc = rdtsc();
    guest.next_report_tsc = cpu->last_tsc + config.report_ms * tsc_khz;
    guest.next_input_tsc = cpu->last_tsc;
    guest.ready = guest.go = true;
    run(cpu);
}
