/*
 * What both forms of the local APIC have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INTC_APIC_PRIV_H
#define HW_INTC_APIC_PRIV_H

#include "accel/accel.h"
#include "hw/intc/apic.h"
#include "system/clock.h"

enum {
    APIC_LVT_TIMER,
    APIC_LVT_THERMAL,
    APIC_LVT_PERF,
    APIC_LVT_LINT0,
    APIC_LVT_LINT1,
    APIC_LVT_ERROR,
    APIC_NLVT,
};

enum {
    APIC_LVT_MASKED = 1 << 16,
    APIC_LVT_PERIODIC = 1 << 17,
    APIC_LVT_DEADLINE = 1 << 18,
    APIC_SVR_ENABLED = 1 << 8,
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_X2APIC = 1 << 10,
    APIC_BASE_ENABLED = 1 << 11,
};

/* Registers as SDM vol. 3, 11.4 names them. */
typedef struct Apic {
    Device dev;
    Vcpu *cpu;
    MemoryRegion mmio; /* of the VM's first: all of them look at one address */
    uint32_t apicbase; /* low half of IA32_APIC_BASE */
    uint8_t id, arb_id, tpr;
    uint32_t spurious_vec;
    uint8_t log_dest;  /* bits 31:24 of the LDR */
    uint8_t dest_mode; /* bits 31:28 of the DFR */
    uint32_t isr[8], tmr[8], irr[8];
    uint32_t lvt[APIC_NLVT];
    uint32_t esr;
    uint32_t icr[2];
    uint32_t divide_conf;
    int32_t count_shift; /* log2 of the divider; from divide_conf */
    uint32_t initial_count;
    int64_t initial_count_load_time; /* ns of CLOCK_VIRTUAL */
    int64_t next_time;               /* of the timer, if it is armed */
    int64_t timer_expiry;            /* as above, or -1 */
    int32_t sipi_vector, wait_for_sipi;

    Timer timer;
    uint32_t esr_pending; /* errors since the last write to the ESR */
    bool lint[2];         /* levels of LINT0 and LINT1 */
    ApicEventFn *event_fn;
} Apic;

extern const Vmstate apic_vmstate;
extern const Vmstate kvm_apic_vmstate;

/* Power-on and INIT state; SDM 11.4.7. */
void apic_init_registers(Apic *s);
bool apic_post_load_common(Apic *s, GError **errp);
/* Nanoseconds per timer count are 1 << count_shift. */
void apic_update_shift(Apic *s);
/* Present count of the timer. */
uint32_t apic_current_count(const Apic *s, int64_t now_ns);
/* When it reaches zero next after now; -1: never, or masked. */
int64_t apic_next_expiry(const Apic *s, int64_t now_ns);

/* apic-print.c: `info lapic`, with the registers as they are in *s. */
void apic_print_registers(const Apic *s, GString *out);

/* The model's part. */
bool apic_user_realize(Apic *s, GError **errp);
void apic_user_loaded(Apic *s);
void apic_deliver_msi(Vm *vm, uint64_t addr, uint32_t data);
void apic_rearm(Apic *s, int64_t now_ns);
int64_t apic_now(const Apic *s);
/* Registers by offset >> 4. */
bool apic_has_reg(unsigned reg);
uint32_t apic_read(Apic *s, unsigned reg);
void apic_write(Apic *s, unsigned reg, uint32_t val);
void apic_self_ipi(Apic *s, uint8_t vector);
/* apic-msr.c */
bool apic_is_x2apic(const Apic *s);
uint32_t apic_x2apic_ldr(const Apic *s);
/* 0, APIC_LVT_PERIODIC or APIC_LVT_DEADLINE */
static inline uint32_t apic_timer_mode(const Apic *s)
{
    return s->lvt[APIC_LVT_TIMER] & (APIC_LVT_PERIODIC | APIC_LVT_DEADLINE);
}
uint64_t apic_mmio_read(Device *dev, uint64_t off, unsigned size);
void apic_mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size);

#endif
