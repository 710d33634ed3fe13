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
    APIC_LVT_ACTIVE_LOW = 1 << 13,
    APIC_LVT_REMOTE_IRR = 1 << 14,
    APIC_LVT_LEVEL = 1 << 15,
    APIC_LVT_MASKED = 1 << 16,
    APIC_LVT_PERIODIC = 1 << 17,
    APIC_LVT_DEADLINE = 1 << 18,
    APIC_SVR_ENABLED = 1 << 8,
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_X2APIC = 1 << 10,
    APIC_BASE_ENABLED = 1 << 11,
    APIC_DFR_FLAT = 0xf,
    APIC_VERSION = 0x14, /* bits 7:0 of the version register */
    APIC_ESR_SEND_ILLEGAL = 1 << 5,
    APIC_ESR_RECV_ILLEGAL = 1 << 6,
    APIC_ESR_REGISTER = 1 << 7,
};

/* Registers as SDM vol. 3, 11.4 names them. */
typedef struct Apic {
    Device dev;
    Vcpu *cpu;
    MemoryRegion mmio; /* of the VM's first: all of them look at one address */
    bool vapic;        /* the VM has the section "kvm-tpr-opt" */
    uint8_t version;   /* that software sees */
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
    int64_t next_time;               /* of the timer; see apic-timer.c */
    int64_t timer_expiry;            /* as above, or -1 */
    int32_t sipi_vector, wait_for_sipi;

    Timer timer;
    uint32_t esr_pending; /* errors since the last write to the ESR */
    bool lint[2];         /* levels of LINT0 and LINT1 */
    ApicEventFn *event_fn;
} Apic;

extern const Vmstate apic_vmstate;
extern const Vmstate kvm_apic_vmstate;

bool apic_post_load_common(Apic *s, GError **errp);

/* apic-print.c: `info lapic`, with the registers as they are in *s. */
void apic_print_registers(const Apic *s, GString *out);

/* apic.c: the model's part. */
void apic_user_realize(Apic *s);
void apic_user_loaded(Apic *s);
void apic_deliver_msi(Vm *vm, uint64_t addr, uint32_t data);
void apic_accept(Apic *s, uint8_t vector, bool level);
void apic_error(Apic *s, uint32_t bit); /* APIC_ESR_* */
uint8_t apic_ppr(const Apic *s);
void apic_eoi(Apic *s);
void apic_write_icr(Apic *s, uint32_t val); /* the lower half: sends */
void apic_self_ipi(Apic *s, uint8_t vector);
/* The entry of LINT0 or LINT1 (n: 0, 1) was written. */
void apic_lint_changed(Apic *s, unsigned n);

/* apic-regs.c.  reg: offset in the page, or number of the MSR, in 16s. */
uint32_t apic_read(Apic *s, unsigned reg);
void apic_write(Apic *s, unsigned reg, uint32_t v);
/* False: #GP. */
bool apic_x2apic_read(Apic *s, unsigned reg, uint64_t *ret);
bool apic_x2apic_write(Apic *s, unsigned reg, uint64_t v);
/* The state after power-up and INIT, but for the ID and who waits. */
void apic_reset_registers(Apic *s);
void apic_await_sipi(Apic *s);

/* apic-timer.c.  A count takes 1 << count_shift nanoseconds. */
int64_t apic_now(const Apic *s);
void apic_update_shift(Apic *s); /* from divide_conf */
/* Present count of the timer. */
uint32_t apic_current_count(const Apic *s, int64_t now_ns);
/* When it reaches zero next after now; -1: never, or masked. */
int64_t apic_next_expiry(const Apic *s, int64_t now_ns);
void apic_timer_init(Apic *s);
void apic_timer_reset(Apic *s);
void apic_timer_loaded(Apic *s);
void apic_timer_start(Apic *s, uint32_t count);
void apic_timer_set_lvt(Apic *s, uint32_t lvt);
void apic_timer_set_divider(Apic *s, uint32_t conf);
/* The TSC or the deadline was written, or is about to be read. */
void apic_deadline_check(Apic *s);

/* apic-msr.c */
bool apic_is_x2apic(const Apic *s);
uint32_t apic_x2apic_ldr(const Apic *s);
/* 0, APIC_LVT_PERIODIC or APIC_LVT_DEADLINE */
static inline uint32_t apic_timer_mode(const Apic *s)
{
    return s->lvt[APIC_LVT_TIMER] & (APIC_LVT_PERIODIC | APIC_LVT_DEADLINE);
}
/* apic-mmio.c */
uint64_t apic_mmio_read(Device *dev, uint64_t off, unsigned size);
void apic_mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size);

#endif
