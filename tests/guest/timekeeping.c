/*
 * mode=clock: reads every clock there is, over and over, and tells of them.
 *
 * KVM's clock and wall clock: the kernel's Documentation/virt/kvm/x86/msr.rst.
 * HPET: IA-PC HPET specification 1.0a, 2.3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    MSR_KVM_WALL_CLOCK = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME = 0x4b564d01,
    KVM_FEATURES = 0x40000001,
    KVM_CLOCKSOURCE2 = 1 << 3,
    HPET_BASE = 0xfed00000,
    HPET_PERIOD = 0x004, /* fs */
    HPET_CONFIG = 0x010,
    HPET_COUNTER = 0x0f0,
    TRIES = 64,
};

typedef struct KvmTime {
    uint32_t version, pad0;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags, pad[2];
} KvmTime;

typedef struct KvmWall {
    uint32_t version, sec, nsec;
} KvmWall;

static volatile KvmTime kvm_time __attribute__((aligned(64)));
static volatile KvmWall kvm_wall __attribute__((aligned(16)));

typedef struct Clocks {
    uint64_t tsc, kvm_ns, hpet;
    uint64_t nback; /* how often TSC or KVM's clock went back */
} Clocks;

static uint32_t hpet_read(unsigned reg)
{
    return *(volatile uint32_t *)(uintptr_t)(HPET_BASE + reg);
}

static bool have_kvm_clock(void)
{
    return cpuid(0x40000000).ebx == 0x4b4d564b && /* "KVMK" */
           (cpuid(KVM_FEATURES).eax & KVM_CLOCKSOURCE2);
}

static uint64_t kvm_clock_ns(void)
{
    uint32_t version;
    uint64_t ns;

    do {
        uint64_t delta;

        version = kvm_time.version;
        __asm__ volatile("lfence" ::: "memory");
        delta = rdtsc() - kvm_time.tsc_timestamp;
        delta = kvm_time.tsc_shift < 0 ? delta >> -kvm_time.tsc_shift
                                       : delta << kvm_time.tsc_shift;
        ns = kvm_time.system_time +
             (uint64_t)((unsigned __int128)delta * kvm_time.tsc_to_system_mul >>
                        32);
        __asm__ volatile("lfence" ::: "memory");
    } while ((version & 1) || version != kvm_time.version);
    return ns;
}

/* Of now, as the hypervisor has it. */
static uint64_t wall_ns(void)
{
    service(SVC_WRMSR, MSR_KVM_WALL_CLOCK, (uintptr_t)&kvm_wall);
    return kvm_wall.sec * 1000000000ull + kvm_wall.nsec + kvm_clock_ns();
}

/* All at one moment: of several tries the one with the least around it. */
static void read_together(Clocks *c)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t before = rdtsc();
        uint32_t hpet = hpet_read(HPET_COUNTER);
        uint64_t after = rdtsc();

        if (after - before < best) {
            best = after - before;
            c->tsc = before + best / 2;
            /* Its lower half comes round once in 43 s. */
            c->hpet += hpet - (uint32_t)c->hpet;
        }
    }
    c->kvm_ns = kvm_clock_ns() - (rdtsc() - c->tsc) * 1000000 / tsc_khz;
}

void clock_watch(Cpu *cpu)
{
    uint64_t last_tsc = rdtsc(), next = last_tsc, last_kvm;
    Clocks c = { 0 };

    if (!have_kvm_clock()) {
        say("FAIL there is no KVM clock");
        for (;;) {
            cpu_relax();
        }
    }
    service(SVC_WRMSR, MSR_KVM_SYSTEM_TIME, (uintptr_t)&kvm_time | 1);
    *(volatile uint32_t *)(uintptr_t)(HPET_BASE + HPET_CONFIG) = 1;
    last_kvm = kvm_clock_ns();
    say("clocks hpet_fs=%u", (uint64_t)hpet_read(HPET_PERIOD));
    for (;;) {
        uint64_t tsc = rdtsc(), kvm = kvm_clock_ns();

        c.nback += tsc < last_tsc;
        c.nback += kvm < last_kvm;
        last_tsc = tsc;
        last_kvm = kvm;
        heartbeat(cpu);
        if ((int64_t)(tsc - next) >= 0) {
            next = tsc + config.report_ms * tsc_khz;
            read_together(&c);
            say("clock tsc=%u kvm=%u wall=%u hpet=%u back=%u", c.tsc, c.kvm_ns,
                wall_ns(), c.hpet, c.nback);
        }
    }
}
