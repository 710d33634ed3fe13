/*
 * Descriptor tables, exceptions, other CPUs, the way out.
 *
 * Sources: Intel SDM vol. 3A, 3.4.5 (descriptors), 6.14.1 (64-bit gates),
 * 7.7 (64-bit TSS), 10.4-10.6 (local APIC).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum {
    TSS_IOMAP = 104,
    TSS_SIZE = TSS_IOMAP + 8192 + 1, /* limit 0x2068 */
    LAPIC_SVR = 0xf0,
    LAPIC_ICR_LOW = 0x300,
    IPI_INIT_OTHERS = 0xc4500,
    IPI_START_OTHERS = 0xc4600,
};

typedef struct Gate {
    uint64_t lo, hi;
} Gate;

_Static_assert(offsetof(Cpu, gdtr) == CPU_OFF_GDTR, "entry.S");
_Static_assert(offsetof(Cpu, idtr) == CPU_OFF_IDTR, "entry.S");
_Static_assert(offsetof(Cpu, ticks) == CPU_OFF_TICKS, "entry.S");
_Static_assert(sizeof(Cpu) <= CPU_TSS, "the TSS follows");

extern char irq_timer[], irq_doorbell[], irq_spurious[];
extern char trap_service[], trap_stubs[];
extern char trampoline[], trampoline_end[];

/* Built before the bss is cleared. */
static Gate idt[256] __attribute__((section(".noinit,\"aw\",@nobits#")));

static void idt_set(unsigned vector, uintptr_t handler, unsigned dpl)
{
    uint64_t h = handler;
    uint64_t type = 0x8e | dpl << 5; /* present, 64-bit interrupt gate */

    idt[vector].lo = (h & 0xffff) | (uint64_t)SEL_CODE0 << 16 | type << 40 |
                     (h >> 16 & 0xffff) << 48;
    idt[vector].hi = h >> 32;
}

static void idt_build(void)
{
    for (unsigned i = 0; i < 32; i++) {
        idt_set(i, (uintptr_t)trap_stubs + i * 16, 0);
    }
    idt_set(VECTOR_UD, (uintptr_t)trap_service, 0);
    idt_set(VECTOR_TIMER, (uintptr_t)irq_timer, 0);
    idt_set(VECTOR_DOORBELL, (uintptr_t)irq_doorbell, 0);
    idt_set(VECTOR_SPUR, (uintptr_t)irq_spurious, 0);
}

void cpu_prepare(Cpu *cpu, unsigned id)
{
    uint8_t *tss = (uint8_t *)cpu + CPU_TSS;
    uint64_t base = (uintptr_t)tss;

    if (id == 0) {
        idt_build();
    }
    memset(cpu, 0, sizeof(*cpu));
    memset(tss, 0, TSS_SIZE);
    *(uint64_t *)(tss + 4) = (uintptr_t)cpu + CPU_STACK0;
    *(uint16_t *)(tss + 102) = TSS_IOMAP;
    tss[TSS_SIZE - 1] = 0xff;

    cpu->id = id;
    cpu->gdt[1] = 0x00cf9b000000ffff;
    cpu->gdt[2] = 0x00cf93000000ffff;
    cpu->gdt[3] = 0x00af9b000000ffff;
    cpu->gdt[5] = 0x00cff3000000ffff;
    cpu->gdt[6] = 0x00affb000000ffff;
    cpu->gdt[7] = (TSS_SIZE - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
                  (base >> 24 & 0xff) << 56;
    cpu->gdt[8] = base >> 32;
    cpu->gdtr = (TablePointer){ sizeof(cpu->gdt) - 1, (uintptr_t)cpu->gdt };
    cpu->idtr = (TablePointer){ sizeof(idt) - 1, (uintptr_t)idt };
}

void trap_report(uint64_t vector, uint64_t error, uint64_t rip, uint64_t cs,
                 uint64_t cr2);

void trap_report(uint64_t vector, uint64_t error, uint64_t rip, uint64_t cs,
                 uint64_t cr2)
{
    console_raw("\nFAIL exception vector=");
    console_raw_hex(vector);
    console_raw(" error=");
    console_raw_hex(error);
    console_raw(" cs:rip=");
    console_raw_hex(cs);
    console_raw(":");
    console_raw_hex(rip);
    console_raw(" cr2=");
    console_raw_hex(cr2);
    console_raw("\n");
    outb(0xf4, 0x7f);
}

void cpu_idle(Cpu *cpu)
{
    service(SVC_IDLE, cpu->ticks, 0);
}

unsigned smp_count(void)
{
    uint16_t n = 1;

    if (!fwcfg_read(FWCFG_NB_CPUS, &n, sizeof(n)) || n < 1) {
        n = 1;
    }
    if (n > CPU_MAX) {
        n = CPU_MAX;
    }
    if (config.cpus && config.cpus < n) {
        n = config.cpus;
    }
    return n;
}

void smp_prepare(unsigned ncpus)
{
    lapic_write(LAPIC_SVR, 0x100 | VECTOR_SPUR);
    for (unsigned i = 1; i < ncpus; i++) {
        cpu_prepare(cpu_block(i), i);
    }
}

void smp_start(unsigned ncpus)
{
    if (ncpus < 2) {
        return;
    }
    memcpy((void *)(uintptr_t)TRAMP_BASE, trampoline,
           trampoline_end - trampoline);
    lapic_write(LAPIC_ICR_LOW, IPI_INIT_OTHERS);
    clock_wait_us(10000);
    lapic_write(LAPIC_ICR_LOW, IPI_START_OTHERS | TRAMP_BASE >> 12);
}

void smp_wait(unsigned ncpus)
{
    for (unsigned i = 1; i < ncpus; i++) {
        while (!cpu_block(i)->running) {
            heartbeat(cpu_self());
        }
    }
}

void guest_quit(uint8_t code)
{
    console_flush();
    outb(0xf4, code);
    say("no debug exit at 0xf4: halted");
    console_flush();
    for (;;) {
        service(SVC_HALT, 0, 0);
    }
}

void guest_reset(void)
{
    uint64_t end;

    console_flush();
    outb(0x64, 0xfe); /* 8042: pulse the reset line */
    end = rdtsc() + 500 * tsc_khz;
    while (rdtsc() < end) {
        /* The reset comes at any time; or there is no 8042. */
    }
    service(SVC_CRASH, 0, 0);
}
