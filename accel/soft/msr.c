/*
 * Model-specific registers of the software CPU.
 *
 * Intel SDM volume 4; volume 3, 11.11 (MTRRs), 15.3 (machine check).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/msr.h"

#include "target/i386/msr.h"

typedef struct MsrField {
    uint32_t msr;
    uint16_t off;   /* in X86Cpu */
    uint8_t size;   /* bytes */
    bool canonical; /* an address: #GP unless canonical */
    uint64_t mask;  /* bits that may be set */
} MsrField;

#define FIELD(msr, f, canon, mask)                                         \
    {                                                                      \
        msr, offsetof(X86Cpu, f), sizeof(((X86Cpu *)NULL)->f), canon, mask \
    }
#define ALL (~UINT64_C(0))

/* Registers that only hold what was written. */
static const MsrField msr_fields[] = {
    FIELD(MSR_IA32_SYSENTER_CS, sysenter_cs, false, 0xffffffff),
    FIELD(MSR_IA32_SYSENTER_ESP, sysenter_esp, true, ALL),
    FIELD(MSR_IA32_SYSENTER_EIP, sysenter_eip, true, ALL),
    FIELD(MSR_STAR, star, false, ALL),
    FIELD(MSR_LSTAR, lstar, true, ALL),
    FIELD(MSR_CSTAR, cstar, true, ALL),
    FIELD(MSR_SFMASK, fmask, false, 0xffffffff),
    FIELD(MSR_KERNELGSBASE, kernelgsbase, true, ALL),
    FIELD(MSR_TSC_AUX, tsc_aux, false, 0xffffffff),
    FIELD(MSR_IA32_PAT, pat, false, UINT64_C(0x0707070707070707)),
    FIELD(MSR_IA32_MTRR_DEF_TYPE, mtrr_deftype, false, 0xcff),
    FIELD(MSR_IA32_MTRR_FIX64K_00000, mtrr_fixed[0], false, ALL),
    FIELD(MSR_IA32_MTRR_FIX16K_80000, mtrr_fixed[1], false, ALL),
    FIELD(MSR_IA32_MTRR_FIX16K_A0000, mtrr_fixed[2], false, ALL),
    FIELD(MSR_IA32_MISC_ENABLE, misc_enable, false, ALL),
    FIELD(MSR_IA32_MCG_STATUS, mcg_status, false, 7),
    FIELD(MSR_IA32_MCG_CTL, mcg_ctl, false, ALL),
};

static const MsrField *field_find(uint32_t msr)
{
    for (size_t i = 0; i < G_N_ELEMENTS(msr_fields); i++) {
        if (msr_fields[i].msr == msr) {
            return &msr_fields[i];
        }
    }
    return NULL;
}

/* MTRRs and machine-check banks: arrays of registers. */
static uint64_t *array_find(X86Cpu *x, uint32_t msr)
{
    uint32_t n = msr - MSR_IA32_MTRR_FIX4K_C0000;

    if (n < 8) {
        return &x->mtrr_fixed[3 + n];
    }
    n = msr - MSR_IA32_MTRR_PHYSBASE0;
    if (n < X86_NVAR_MTRR * 2) {
        return n & 1 ? &x->mtrr_var[n / 2].mask : &x->mtrr_var[n / 2].base;
    }
    n = msr - MSR_IA32_MC0_CTL;
    if (n < (x->mcg_cap & 0xff) * 4 && n < X86_MCE_BANKS * 4) {
        return &x->mce_banks[n];
    }
    return NULL;
}

static bool base_read(SoftCpu *s, uint32_t msr, uint64_t *ret)
{
    X86Cpu *x = s->x;

    switch (msr) {
    case MSR_IA32_TSC:
        *ret = soft_tsc(s);
        return true;
    case MSR_IA32_TSC_ADJUST:
        *ret = x->tsc_adjust;
        return x86_cpu_model_has(x->model, X86_F_TSC_ADJUST);
    case MSR_EFER:
        *ret = x->efer;
        return true;
    case MSR_IA32_PKRS:
        *ret = x->pkrs;
        return x86_cpu_model_has(x->model, X86_F_PKS);
    case MSR_FS_BASE:
        *ret = x->segs[X86_FS].base;
        return true;
    case MSR_GS_BASE:
        *ret = x->segs[X86_GS].base;
        return true;
    case MSR_IA32_MTRRCAP:
        *ret = X86_NVAR_MTRR | 1 << 8 | 1 << 10;
        return true;
    case MSR_IA32_MCG_CAP:
        *ret = x->mcg_cap;
        return true;
    case MSR_IA32_UCODE_REV:
        *ret = x86_cpu_model_has(x->model, X86_F_HYPERVISOR)
                   ? UINT64_C(0x100000000)
                   : 0;
        return true;
    case MSR_IA32_APIC_BASE:
        *ret = x->apic_base;
        return true;
    default:
        return false;
    }
}

bool soft_msr_read(SoftCpu *s, uint32_t msr, uint64_t *ret)
{
    const MsrField *f = field_find(msr);
    uint64_t *p = array_find(s->x, msr);
    bool ok;

    if (s->irq && s->irq->rdmsr &&
        s->irq->rdmsr(s, s->irq_opaque, msr, ret, &ok)) {
        return ok;
    }
    if (base_read(s, msr, ret)) {
        return true;
    }
    if (f) {
        *ret = 0;
        memcpy(ret, (uint8_t *)s->x + f->off, f->size);
        return true;
    }
    if (p) {
        *ret = *p;
        return true;
    }
    *ret = 0;
    return soft_msr_of_model(s, msr, false);
}

uint64_t soft_efer_allowed(const SoftCpu *s)
{
    const X86Cpu *x = s->x;
    uint64_t ok = X86_EFER_LMA;

    ok |= x86_cpu_model_has(x->model, X86_F_LM) ? X86_EFER_LME : 0;
    ok |= x86_cpu_model_has(x->model, X86_F_NX) ? X86_EFER_NXE : 0;
    ok |= s->features >> FT_SYSCALL & 1 ? X86_EFER_SCE : 0;
    return ok;
}

static bool efer_write(SoftCpu *s, uint64_t v)
{
    X86Cpu *x = s->x;

    if ((v & ~soft_efer_allowed(s)) ||
        ((x->cr[0] & X86_CR0_PG) && ((v ^ x->efer) & X86_EFER_LME))) {
        return false;
    }
    x->efer = (v & ~(uint64_t)X86_EFER_LMA) | (x->efer & X86_EFER_LMA);
    soft_tlb_flush(s);
    return true;
}

static void tsc_write(SoftCpu *s, uint64_t v)
{
    soft_tsc_set(s, v);
    if (s->irq && s->irq->tsc_written) {
        s->irq->tsc_written(s, s->irq_opaque);
    }
}

static bool base_write(SoftCpu *s, uint32_t msr, uint64_t v, bool *ret_ok)
{
    X86Cpu *x = s->x;
    unsigned seg = msr == MSR_FS_BASE ? X86_FS : X86_GS;

    *ret_ok = true;
    switch (msr) {
    case MSR_IA32_TSC:
        x->tsc_adjust += v - soft_tsc(s);
        tsc_write(s, v);
        return true;
    case MSR_IA32_TSC_ADJUST:
        *ret_ok = x86_cpu_model_has(x->model, X86_F_TSC_ADJUST);
        if (*ret_ok) {
            tsc_write(s, soft_tsc(s) + v - x->tsc_adjust);
            x->tsc_adjust = v;
        }
        return true;
    case MSR_EFER:
        *ret_ok = efer_write(s, v);
        return true;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
        *ret_ok = soft_canonical_any(s, v);
        if (*ret_ok) {
            x->segs[seg].base = v;
            soft_update_segment(s, seg);
        }
        return true;
    case MSR_IA32_PKRS:
        *ret_ok = x86_cpu_model_has(x->model, X86_F_PKS) && v <= UINT32_MAX;
        if (*ret_ok) {
            x->pkrs = v;
            soft_tlb_flush(s); /* its tags say what was allowed */
        }
        return true;
    case MSR_IA32_UCODE_REV:
        return true; /* starts an update, of which there are none */
    default:
        return false;
    }
}

bool soft_msr_write(SoftCpu *s, uint32_t msr, uint64_t v)
{
    const MsrField *f = field_find(msr);
    uint64_t *p = array_find(s->x, msr);
    bool ok;

    if (s->irq && s->irq->wrmsr &&
        s->irq->wrmsr(s, s->irq_opaque, msr, v, &ok)) {
        return ok;
    }
    if (base_write(s, msr, v, &ok)) {
        return ok;
    }
    if (f) {
        if ((v & ~f->mask) || (f->canonical && !soft_canonical_any(s, v))) {
            return false;
        }
        memcpy((uint8_t *)s->x + f->off, &v, f->size);
        return true;
    }
    if (p) {
        *p = v;
        return true;
    }
    return soft_msr_of_model(s, msr, true);
}
