/*
 * The TSC's rate, the local APIC's timer, waiting.
 *
 * Sources: Intel SDM vol. 2A CPUID leaf 0x15, vol. 3A 10.5.4 (APIC timer);
 * hypervisor CPUID leaf 0x40000010 (TSC rate in kHz, the convention KVM and
 * others share); Intel 8254 data sheet (mode 2, latch command).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_INITIAL = 0x380,
    LAPIC_CURRENT = 0x390,
    LAPIC_DIVIDE = 0x3e0,
    TIMER_PERIODIC = 1 << 17,
    TIMER_MASKED = 1 << 16,
    DIVIDE_BY_1 = 0xb,
    PIT_HZ = 1193182,
    PIT_MS = 30,
    PIT_COUNTER0 = 0x40,
    PIT_COMMAND = 0x43,
    PIT_STUCK_READS = 1000, /* each takes longer than the timer's tick */
    FALLBACK_KHZ = 2000000,
};

uint64_t tsc_khz = FALLBACK_KHZ;

static uint64_t khz_from_cpuid(void)
{
    CpuidRegs r = cpuid(0);

    if (r.eax >= 0x15) {
        CpuidRegs t = cpuid(0x15);

        if (t.eax && t.ebx && t.ecx) {
            return (uint64_t)t.ecx * t.ebx / t.eax / 1000;
        }
    }
    if (cpuid(1).ecx >> 31) {
        r = cpuid(0x40000000);
        if (r.eax >= 0x40000010 && r.eax < 0x40010000) {
            return cpuid(0x40000010).eax;
        }
    }
    return 0;
}

/* What counter 0 has left, and when that was. */
static uint32_t pit_read(uint64_t *ret_tsc)
{
    uint64_t before = rdtsc();
    uint32_t count;

    outb(PIT_COMMAND, 0x00); /* latch counter 0 */
    *ret_tsc = (before + rdtsc()) / 2;
    count = inb(PIT_COUNTER0);
    return count | (uint32_t)inb(PIT_COUNTER0) << 8;
}

/* Not counter 2: its gate is at port 0x61, which not every machine has. */
static uint64_t pit_measure(void)
{
    uint64_t start, now;
    uint32_t first, passed, last = 0;
    unsigned stuck = 0;

    outb(PIT_COMMAND, 0x34); /* counter 0, both bytes, mode 2 */
    outb(PIT_COUNTER0, 0);   /* 65536: comes round after 55 ms */
    outb(PIT_COUNTER0, 0);
    first = pit_read(&start);
    do {
        passed = (first - pit_read(&now)) & 0xffff;
        /* Not a time: whoever isn't run for a while has a timer all the same.
         */
        stuck = passed == last ? stuck + 1 : 0;
        last = passed;
        if (stuck == PIT_STUCK_READS) {
            return 0; /* no such timer here */
        }
    } while (passed < PIT_HZ * PIT_MS / 1000 || passed > 0xc000);
    return (now - start) * PIT_HZ / passed / 1000;
}

/*
 * Whoever isn't run for a while may miss that the counter came round, and
 * finds the TSC three times as fast: the slowest is right.
 */
static uint64_t khz_from_pit(void)
{
    uint64_t khz = pit_measure();

    for (int i = 1; i < 3 && khz; i++) {
        uint64_t again = pit_measure();

        khz = again < khz ? again : khz;
    }
    return khz;
}

void clock_init(void)
{
    uint64_t khz = khz_from_cpuid();

    if (!khz) {
        khz = khz_from_pit();
    }
    if (khz) {
        tsc_khz = khz;
    } else {
        say("no way to find the TSC's rate: taking %u kHz", tsc_khz);
    }
}

void clock_start_timer(void)
{
    static uint64_t per_ms; /* the same on every CPU; the first measures */

    if (!per_ms) {
        uint64_t start;

        lapic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
        lapic_write(LAPIC_LVT_TIMER, TIMER_MASKED);
        start = rdtsc();
        lapic_write(LAPIC_INITIAL, 0xffffffff);
        while (rdtsc() - start < tsc_khz * 10) {
            cpu_relax();
        }
        per_ms = (0xffffffff - lapic_read(LAPIC_CURRENT)) * tsc_khz /
                 (rdtsc() - start);
    }
    lapic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, TIMER_PERIODIC | VECTOR_TIMER);
    lapic_write(LAPIC_INITIAL, per_ms * 1000 / config.hz);
}

void clock_wait_us(uint64_t us)
{
    uint64_t start = rdtsc();

    while (rdtsc() - start < us * tsc_khz / 1000) {
        heartbeat(cpu_self());
    }
}
