/*
 * A local APIC's registers: which there are, who may do what with them in
 * xAPIC mode (memory) and in x2APIC mode (MSRs), and what they start with.
 *
 * Intel SDM volume 3: tables 11-1 and 11-6, 11.4.7 (state after power-up,
 * reset and INIT), 11.12.1.3 (reserved bits).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/intc/apic-priv.h"

#include "target/i386/cpu.h"

/* Who may do what. */
enum {
    MEM_R = 1 << 0,
    MEM_W = 1 << 1,
    MSR_R = 1 << 2,
    MSR_W = 1 << 3,
    ALL_R = MEM_R | MSR_R,
    ALL_W = MEM_W | MSR_W,
    ALL_RW = ALL_R | ALL_W,
};

/* Numbers of registers: their offset in the page, or their MSR's, in 16s. */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32,
    REG_INITIAL = 0x38,
    REG_CURRENT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
};

enum {
    LVT_STATUS = 1 << 12, /* read only, as the remote IRR is */
    LVT_READ_ONLY = LVT_STATUS | APIC_LVT_REMOTE_IRR,
    SVR_KEPT = 0x1ff,
    SVR_FOCUS = 1 << 9, /* older processors have it: taken, not kept */
    ICR_BITS = 0xccfff | LVT_STATUS,
    DIVIDE_BITS = 0xb,
};

/* One register, or `count` of a kind that follow each other. */
typedef struct ApicReg {
    uint8_t first, count;
    uint8_t access;
    uint32_t (*get)(Apic *s, unsigned n); /* n: which of the kind */
    void (*set)(Apic *s, unsigned n, uint32_t v);
    uint32_t bits; /* an MSR's bits that may be set; others fault */
} ApicReg;

static uint32_t id_get(Apic *s, unsigned n)
{
    return apic_is_x2apic(s) ? s->cpu->apic_id : (uint32_t)s->id << 24;
}

static void id_set(Apic *s, unsigned n, uint32_t v)
{
    s->id = v >> 24;
}

static uint32_t version_get(Apic *s, unsigned n)
{
    return s->version | (APIC_NLVT - 1) << 16;
}

static uint32_t tpr_get(Apic *s, unsigned n)
{
    return s->tpr;
}

static void tpr_set(Apic *s, unsigned n, uint32_t v)
{
    apic_set_tpr(&s->dev, v);
}

static uint32_t apr_get(Apic *s, unsigned n)
{
    return s->arb_id;
}

static uint32_t ppr_get(Apic *s, unsigned n)
{
    return apic_ppr(s);
}

static void eoi_set(Apic *s, unsigned n, uint32_t v)
{
    apic_eoi(s);
}

static uint32_t ldr_get(Apic *s, unsigned n)
{
    return apic_is_x2apic(s) ? apic_x2apic_ldr(s) : (uint32_t)s->log_dest << 24;
}

static void ldr_set(Apic *s, unsigned n, uint32_t v)
{
    s->log_dest = v >> 24;
}

static uint32_t dfr_get(Apic *s, unsigned n)
{
    return (uint32_t)s->dest_mode << 28 | MAKE_64BIT_MASK(0, 28);
}

static void dfr_set(Apic *s, unsigned n, uint32_t v)
{
    s->dest_mode = v >> 28;
}

static uint32_t svr_get(Apic *s, unsigned n)
{
    return s->spurious_vec;
}

static void svr_set(Apic *s, unsigned n, uint32_t v)
{
    s->spurious_vec = v & SVR_KEPT;
    if (!(v & APIC_SVR_ENABLED)) {
        for (unsigned i = 0; i < APIC_NLVT; i++) {
            s->lvt[i] |= APIC_LVT_MASKED;
        }
        apic_timer_set_lvt(s, s->lvt[APIC_LVT_TIMER]);
    }
    apic_recheck(&s->dev);
}

static uint32_t isr_get(Apic *s, unsigned n)
{
    return s->isr[n];
}

static uint32_t tmr_get(Apic *s, unsigned n)
{
    return s->tmr[n];
}

static uint32_t irr_get(Apic *s, unsigned n)
{
    return s->irr[n];
}

static uint32_t esr_get(Apic *s, unsigned n)
{
    return s->esr;
}

/* A write shows what came since the one before: SDM 11.5.3. */
static void esr_set(Apic *s, unsigned n, uint32_t v)
{
    s->esr = s->esr_pending;
    s->esr_pending = 0;
}

static uint32_t icr_get(Apic *s, unsigned n)
{
    return s->icr[n];
}

static void icr_set(Apic *s, unsigned n, uint32_t v)
{
    apic_write_icr(s, v);
}

static void icr_high_set(Apic *s, unsigned n, uint32_t v)
{
    s->icr[1] = v & MAKE_64BIT_MASK(24, 8);
}

static uint32_t icr_high_get(Apic *s, unsigned n)
{
    return s->icr[1];
}

/* What can be written to each: SDM figure 11-8. */
static uint32_t lvt_bits(const Apic *s, unsigned n)
{
    const uint32_t plain = APIC_LVT_MASKED | 0xff;
    const uint32_t mode = 7 << 8;
    const X86CpuModel *m = s->cpu->x86->model;

    switch (n) {
    case APIC_LVT_TIMER:
        if (m != NULL && x86_cpu_model_has(m, X86_F_TSC_DEADLINE)) {
            return plain | APIC_LVT_PERIODIC | APIC_LVT_DEADLINE;
        }
        return plain | APIC_LVT_PERIODIC;
    case APIC_LVT_LINT0:
    case APIC_LVT_LINT1:
        return plain | mode | APIC_LVT_ACTIVE_LOW | APIC_LVT_LEVEL;
    case APIC_LVT_ERROR:
        return plain;
    default:
        return plain | mode;
    }
}

static uint32_t lvt_get(Apic *s, unsigned n)
{
    return s->lvt[n];
}

static void lvt_set(Apic *s, unsigned n, uint32_t v)
{
    v = (v & lvt_bits(s, n)) | (s->lvt[n] & APIC_LVT_REMOTE_IRR);
    if (!(s->spurious_vec & APIC_SVR_ENABLED)) {
        v |= APIC_LVT_MASKED;
    }
    if (n == APIC_LVT_TIMER) {
        apic_timer_set_lvt(s, v);
        return;
    }
    s->lvt[n] = v;
    if (n == APIC_LVT_LINT0 || n == APIC_LVT_LINT1) {
        apic_lint_changed(s, n - APIC_LVT_LINT0);
    }
}

static uint32_t initial_get(Apic *s, unsigned n)
{
    return s->initial_count;
}

static void initial_set(Apic *s, unsigned n, uint32_t v)
{
    apic_timer_start(s, v);
}

static uint32_t current_get(Apic *s, unsigned n)
{
    return apic_current_count(s, apic_now(s));
}

static uint32_t divide_get(Apic *s, unsigned n)
{
    return s->divide_conf;
}

static void divide_set(Apic *s, unsigned n, uint32_t v)
{
    apic_timer_set_divider(s, v & DIVIDE_BITS);
}

static void self_ipi_set(Apic *s, unsigned n, uint32_t v)
{
    apic_self_ipi(s, v);
}

static const ApicReg regs[] = {
    { REG_ID, 1, ALL_R | MEM_W, id_get, id_set, 0 },
    { REG_VERSION, 1, ALL_R, version_get, NULL, 0 },
    { REG_TPR, 1, ALL_RW, tpr_get, tpr_set, 0xff },
    { REG_APR, 1, MEM_R, apr_get, NULL, 0 },
    { REG_PPR, 1, ALL_R, ppr_get, NULL, 0 },
    { REG_EOI, 1, ALL_W, NULL, eoi_set, 0 },
    { REG_LDR, 1, ALL_R | MEM_W, ldr_get, ldr_set, 0 },
    { REG_DFR, 1, MEM_R | MEM_W, dfr_get, dfr_set, 0 },
    { REG_SVR, 1, ALL_RW, svr_get, svr_set, SVR_KEPT | SVR_FOCUS },
    { REG_ISR, 8, ALL_R, isr_get, NULL, 0 },
    { REG_TMR, 8, ALL_R, tmr_get, NULL, 0 },
    { REG_IRR, 8, ALL_R, irr_get, NULL, 0 },
    { REG_ESR, 1, ALL_RW, esr_get, esr_set, 0 },
    { REG_ICR, 1, ALL_RW, icr_get, icr_set, ICR_BITS },
    { REG_ICR_HIGH, 1, MEM_R | MEM_W, icr_high_get, icr_high_set, 0 },
    { REG_LVT, APIC_NLVT, ALL_RW, lvt_get, lvt_set, 0 }, /* lvt_bits() */
    { REG_INITIAL, 1, ALL_RW, initial_get, initial_set, UINT32_MAX },
    { REG_CURRENT, 1, ALL_R, current_get, NULL, 0 },
    { REG_DIVIDE, 1, ALL_RW, divide_get, divide_set, DIVIDE_BITS },
    { REG_SELF_IPI, 1, MSR_W, NULL, self_ipi_set, 0xff },
};

static const ApicReg *reg_find(unsigned reg, unsigned access)
{
    for (size_t i = 0; i < G_N_ELEMENTS(regs); i++) {
        const ApicReg *r = &regs[i];

        if (reg - r->first < r->count) {
            return r->access & access ? r : NULL;
        }
    }
    return NULL;
}

/*
 * In memory, what the register can't do has no effect; where there is none,
 * it is an error that the ESR shows.
 */
uint32_t apic_read(Apic *s, unsigned reg)
{
    const ApicReg *r = reg_find(reg, MEM_R | MEM_W);

    if (r == NULL) {
        apic_error(s, APIC_ESR_REGISTER);
        return 0;
    }
    return r->get != NULL ? r->get(s, reg - r->first) : 0;
}

void apic_write(Apic *s, unsigned reg, uint32_t v)
{
    const ApicReg *r = reg_find(reg, MEM_R | MEM_W);

    if (r == NULL) {
        apic_error(s, APIC_ESR_REGISTER);
    } else if (r->access & MEM_W) {
        r->set(s, reg - r->first, v);
    }
}

bool apic_x2apic_read(Apic *s, unsigned reg, uint64_t *ret)
{
    const ApicReg *r = reg_find(reg, MSR_R);

    if (r == NULL) {
        return false;
    }
    *ret = r->get(s, reg - r->first);
    if (reg == REG_ICR) {
        *ret |= (uint64_t)s->icr[1] << 32;
    }
    return true;
}

bool apic_x2apic_write(Apic *s, unsigned reg, uint64_t v)
{
    const ApicReg *r = reg_find(reg, MSR_W);
    uint64_t bits;

    if (r == NULL) {
        return false;
    }
    bits = r->bits;
    if (r->first == REG_LVT) {
        bits = lvt_bits(s, reg - REG_LVT) | LVT_READ_ONLY;
    } else if (reg == REG_ICR) {
        bits |= MAKE_64BIT_MASK(32, 32); /* the destination */
    }
    if (v & ~bits) {
        return false;
    }
    if (reg == REG_ICR) {
        s->icr[1] = v >> 32;
    }
    r->set(s, reg - r->first, v);
    return true;
}

/* SDM 11.4.7.1: in this order there as well. */
void apic_reset_registers(Apic *s)
{
    static const uint32_t none[8];

    memcpy(s->irr, none, sizeof(none));
    memcpy(s->isr, none, sizeof(none));
    memcpy(s->tmr, none, sizeof(none));
    s->icr[0] = s->icr[1] = 0;
    s->log_dest = 0;
    s->tpr = 0;
    apic_timer_reset(s);
    s->dest_mode = APIC_DFR_FLAT;
    for (unsigned n = 0; n < APIC_NLVT; n++) {
        s->lvt[n] = APIC_LVT_MASKED;
    }
    s->spurious_vec = 0xff; /* the vector; not enabled */
    s->esr = s->esr_pending = 0;
    s->arb_id = 0;
}

/* SDM 9.4.1: after a reset or INIT, all but the first wait for a start-up. */
void apic_await_sipi(Apic *s)
{
    s->sipi_vector = 0;
    s->wait_for_sipi = s->cpu->index != 0;
}
