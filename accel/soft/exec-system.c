/*
 * Control and debug registers, processor control, time, CPUID.
 *
 * Intel SDM volume 3, chapters 2 (control registers) and 17.2 (debug).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/random.h>
#include <x86intrin.h>

#include "accel/soft/debug.h"
#include "accel/soft/exec.h"
#include "accel/soft/msr.h"
#include "accel/soft/seg.h"

static void need_cpl0(SoftCpu *s)
{
    if (s->cpl != 0) {
        soft_raise_gp0(s);
    }
}

static void hlt(SoftCpu *s, const SoftOp *op)
{
    need_cpl0(s);
    s->halted = true;
}

static void clac_stac(SoftCpu *s, const SoftOp *op)
{
    if (s->cpl != 0) { /* real mode has 0, virtual-8086 mode has not */
        soft_raise(s, EXC_UD);
    }
    s->flags &= ~(uint64_t)X86_FLAG_AC;
    s->flags |= op->id == INSN_STAC ? X86_FLAG_AC : 0;
    soft_update_mode(s);
}

/* SDM volume 3, 4.4.1: loaded with CR3, or when CR0 or CR4 turn PAE on. */
bool soft_pdptes_load(SoftCpu *s, uint64_t cr3, uint64_t cr0, uint64_t cr4)
{
    uint64_t v[4];

    if (soft_long_mode(s) || !(cr0 & X86_CR0_PG) || !(cr4 & X86_CR4_PAE)) {
        return true;
    }
    for (unsigned i = 0; i < 4; i++) {
        v[i] = soft_phys_load(s, (cr3 & 0xffffffe0) + i * 8, 8);
        if ((v[i] & 1) && (v[i] & 0x1e6)) {
            return false;
        }
    }
    memcpy(s->x->pdptrs, v, sizeof(v));
    s->x->pdptrs_valid = true;
    return true;
}

static void load_pdptes(SoftCpu *s, uint64_t cr3, uint64_t cr0, uint64_t cr4)
{
    if (!soft_pdptes_load(s, cr3, cr0, cr4)) {
        soft_raise_gp0(s);
    }
}

static void set_cr0(SoftCpu *s, uint64_t v)
{
    X86Cpu *x = s->x;
    uint64_t changed;

    if (v >> 32) {
        soft_raise_gp0(s);
    }
    v = (v & SOFT_CR0_BITS) | X86_CR0_ET;
    changed = v ^ x->cr[0];
    if (((v & X86_CR0_PG) && !(v & X86_CR0_PE)) ||
        ((v & X86_CR0_NW) && !(v & X86_CR0_CD))) {
        soft_raise_gp0(s);
    }
    if (changed & v & X86_CR0_PG && (x->efer & X86_EFER_LME)) {
        if (!(x->cr[4] & X86_CR4_PAE) || (x->segs[X86_CS].flags & X86_SEG_L)) {
            soft_raise_gp0(s);
        }
        x->efer |= X86_EFER_LMA;
    } else if ((changed & X86_CR0_PG) && !(v & X86_CR0_PG)) {
        if (s->mode == 3 || (x->cr[4] & X86_CR4_PCIDE)) {
            soft_raise_gp0(s);
        }
        x->efer &= ~(uint64_t)X86_EFER_LMA;
    }
    if (changed & v & X86_CR0_PG) {
        load_pdptes(s, x->cr[3], v, x->cr[4]);
    }
    x->cr[0] = v;
    if (changed & (X86_CR0_PG | X86_CR0_PE | X86_CR0_WP)) {
        soft_tlb_flush(s);
    }
    soft_update_mode(s);
    for (unsigned i = 0; (changed & X86_CR0_PE) && i < X86_NSEGS; i++) {
        soft_update_segment(s, i);
    }
}

static void set_cr3(SoftCpu *s, uint64_t v)
{
    /* Bit 63 allows to keep what PCID tags: nothing is, it is flushed. */
    if (s->x->cr[4] & X86_CR4_PCIDE) {
        v &= ~(UINT64_C(1) << 63);
    }
    if (soft_long_mode(s) && v >> soft_phys_bits(s)) {
        soft_raise_gp0(s);
    }
    load_pdptes(s, v, s->x->cr[0], s->x->cr[4]);
    s->x->cr[3] = v;
    soft_tlb_flush(s);
}

uint64_t soft_cr4_allowed(const SoftCpu *s)
{
    const X86CpuModel *m = s->x->model;
    uint64_t v = X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE |
                 X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
                 X86_CR4_OSXMMEXCPT;
    static const struct {
        unsigned feature;
        uint64_t bit;
    } t[] = {
        { X86_FEATURE(X86_FEAT_7_0_ECX, 2), X86_CR4_UMIP },
        { X86_F_LA57, X86_CR4_LA57 },
        { X86_FEATURE(X86_FEAT_7_0_EBX, 0), X86_CR4_FSGSBASE },
        { X86_FEATURE(X86_FEAT_1_ECX, 17), X86_CR4_PCIDE },
        { X86_F_XSAVE, X86_CR4_OSXSAVE },
        { X86_FEATURE(X86_FEAT_1_EDX, 1), X86_CR4_VME | X86_CR4_PVI },
        { X86_FEATURE(X86_FEAT_7_0_EBX, 7), X86_CR4_SMEP },
        { X86_FEATURE(X86_FEAT_7_0_EBX, 20), X86_CR4_SMAP },
        { X86_F_PKU, X86_CR4_PKE },
        { X86_F_PKS, X86_CR4_PKS },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        v |= x86_cpu_model_has(m, t[i].feature) ? t[i].bit : 0;
    }
    return v;
}

static void set_cr4(SoftCpu *s, uint64_t v)
{
    X86Cpu *x = s->x;
    uint64_t changed = v ^ x->cr[4];

    if (v & ~soft_cr4_allowed(s)) {
        soft_raise_gp0(s);
    }
    if (soft_long_mode(s) && (!(v & X86_CR4_PAE) || (changed & X86_CR4_LA57))) {
        soft_raise_gp0(s);
    }
    if ((changed & v & X86_CR4_PCIDE) &&
        (!soft_long_mode(s) || (x->cr[3] & 0xfff))) {
        soft_raise_gp0(s);
    }
    if (changed & (X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)) {
        load_pdptes(s, x->cr[3], x->cr[0], v);
    }
    x->cr[4] = v;
    soft_tlb_flush(s);
    soft_update_mode(s);
    if (changed & X86_CR4_DE) {
        soft_update_breakpoints(s);
        soft_cpu_pend(s, SOFT_PEND_IRQ); /* the loop is to look at it */
    }
}

static void mov_to_cr(SoftCpu *s, const SoftOp *op)
{
    uint64_t v = soft_reg_get(s, op->rm, soft_size(op));

    need_cpl0(s);
    switch (op->reg) {
    case 0:
        set_cr0(s, v);
        break;
    case 2:
        s->x->cr[2] = v;
        break;
    case 3:
        set_cr3(s, v);
        break;
    case 4:
        set_cr4(s, v);
        break;
    default:
        if (v > 15) {
            soft_raise_gp0(s);
        }
        s->x->cr8 = v;
        if (s->irq) {
            s->irq->set_tpr(s, s->irq_opaque, v << 4);
        }
        break;
    }
}

static void mov_from_cr(SoftCpu *s, const SoftOp *op)
{
    uint64_t v;

    need_cpl0(s);
    if (op->reg == 8) {
        v = s->irq ? s->irq->get_tpr(s, s->irq_opaque) >> 4 : s->x->cr8;
    } else {
        v = s->x->cr[op->reg];
    }
    soft_reg_set(s, op->rm, soft_size(op), v);
}

static unsigned debug_number(SoftCpu *s, const SoftOp *op)
{
    unsigned n = op->reg;

    if (n == 4 || n == 5) {
        if (s->x->cr[4] & X86_CR4_DE) {
            soft_raise(s, EXC_UD);
        }
        n += 2;
    }
    need_cpl0(s);
    if (s->x->dr[7] & (1 << 13)) { /* GD */
        s->x->dr[6] |= 1 << 13;
        s->x->dr[7] &= ~(uint64_t)(1 << 13);
        s->flags |= X86_FLAG_RF; /* a fault, unlike the others */
        soft_raise(s, EXC_DB);
    }
    return n;
}

static void mov_to_dr(SoftCpu *s, const SoftOp *op)
{
    unsigned n = debug_number(s, op);
    uint64_t v = soft_reg_get(s, op->rm, soft_size(op));

    if (n >= 6) {
        if (v >> 32) {
            soft_raise_gp0(s);
        }
        v = n == 6 ? (v & 0xe00f) | 0xffff0ff0
                   : (v & ~UINT64_C(0xd000)) | 0x400;
    }
    s->x->dr[n] = v;
    if (n != 6) {
        soft_update_breakpoints(s);
        soft_cpu_pend(s, SOFT_PEND_IRQ); /* the loop is to look at it */
    }
}

static void mov_from_dr(SoftCpu *s, const SoftOp *op)
{
    unsigned n = debug_number(s, op);

    soft_reg_set(s, op->rm, soft_size(op), s->x->dr[n]);
}

static void smsw(SoftCpu *s, const SoftOp *op)
{
    if (s->cpl == 3 && (s->x->cr[4] & X86_CR4_UMIP)) {
        soft_raise_gp0(s);
    }
    if (soft_is_mem(op)) {
        soft_rm_set(s, op, 2, true, s->x->cr[0]);
    } else {
        soft_reg_set(s, op->rm, soft_size(op), s->x->cr[0]);
    }
}

static void lmsw(SoftCpu *s, const SoftOp *op)
{
    uint64_t v;

    need_cpl0(s);
    v = soft_rm_get(s, op, 2, soft_is_mem(op)) & 15;
    /* Can set PE, can't clear it. */
    set_cr0(s, (s->x->cr[0] & ~UINT64_C(14)) | v);
}

static void clts(SoftCpu *s, const SoftOp *op)
{
    need_cpl0(s);
    s->x->cr[0] &= ~(uint64_t)X86_CR0_TS;
    soft_update_key(s);
}

static void invlpg(SoftCpu *s, const SoftOp *op)
{
    need_cpl0(s);
    soft_tlb_flush_page(s,
                        (s->segbase[op->seg] + soft_ea(s, op)) & s->lin_mask);
}

static void invpcid(SoftCpu *s, const SoftOp *op)
{
    uint64_t type = soft_reg_get(s, op->reg, s->mode == 3 ? 8 : 4);
    uint64_t lin;
    uint64_t pcid;
    uint64_t addr;

    need_cpl0(s);
    lin = soft_ea_lin(s, op, 16, false);
    pcid = soft_ld(s, lin, 8, s->mmu);
    addr = soft_ld(s, (lin + 8) & s->lin_mask, 8, s->mmu);
    if (type > 3 || pcid >> 12 ||
        (type < 2 && pcid && !(s->x->cr[4] & X86_CR4_PCIDE)) ||
        (type == 0 && !soft_canonical(s, addr))) {
        soft_raise_gp0(s);
    }
    soft_tlb_flush(s);
}

static void privileged_nop(SoftCpu *s, const SoftOp *op)
{
    need_cpl0(s);
}

static void swapgs(SoftCpu *s, const SoftOp *op)
{
    uint64_t v = s->x->kernelgsbase;

    need_cpl0(s);
    s->x->kernelgsbase = s->x->segs[X86_GS].base;
    s->x->segs[X86_GS].base = v;
    soft_update_segment(s, X86_GS);
}

static void fsgsbase(SoftCpu *s, const SoftOp *op)
{
    bool gs = op->id == INSN_RDGSBASE || op->id == INSN_WRGSBASE;
    X86Segment *r = &s->x->segs[gs ? X86_GS : X86_FS];
    unsigned n = soft_size(op);
    uint64_t v;

    if (!(s->x->cr[4] & X86_CR4_FSGSBASE)) {
        soft_raise(s, EXC_UD);
    }
    if (op->id == INSN_RDFSBASE || op->id == INSN_RDGSBASE) {
        soft_reg_set(s, op->rm, n, r->base);
        return;
    }
    v = soft_reg_get(s, op->rm, n);
    if (!soft_canonical_any(s, v)) {
        soft_raise_gp0(s);
    }
    r->base = v;
    soft_update_segment(s, gs ? X86_GS : X86_FS);
}

/* Ticks of the virtual clock. */
static uint64_t tsc_ticks(const SoftCpu *s, uint64_t ns)
{
    return (unsigned __int128)ns * s->tsc_mult >> 32;
}

uint64_t soft_tsc(SoftCpu *s)
{
    uint64_t now = s->clock_ns ? tsc_ticks(s, s->clock_ns(s)) : __rdtsc();

    return now + s->tsc_offset;
}

void soft_tsc_set(SoftCpu *s, uint64_t v)
{
    s->tsc_offset += v - soft_tsc(s);
}

void soft_tsc_set_at(SoftCpu *s, uint64_t v, uint64_t ns)
{
    s->tsc_offset = v - tsc_ticks(s, ns);
}

static void rdtsc(SoftCpu *s, const SoftOp *op)
{
    uint64_t v;

    if ((s->x->cr[4] & X86_CR4_TSD) && s->cpl != 0 &&
        (s->x->cr[0] & X86_CR0_PE)) {
        soft_raise_gp0(s);
    }
    v = soft_tsc(s);
    s->gpr[X86_RAX] = (uint32_t)v;
    s->gpr[X86_RDX] = v >> 32;
    if (op->id == INSN_RDTSCP) {
        s->gpr[X86_RCX] = (uint32_t)s->x->tsc_aux;
    }
}

static void rdpid(SoftCpu *s, const SoftOp *op)
{
    SOFT_REG(s, op->rm, uint64_t) = (uint32_t)s->x->tsc_aux;
}

static void cpuid(SoftCpu *s, const SoftOp *op)
{
    uint32_t r[4];

    x86_cpu_cpuid(s->x, s->gpr[X86_RAX], s->gpr[X86_RCX], r);
    s->gpr[X86_RAX] = r[0];
    s->gpr[X86_RBX] = r[1];
    s->gpr[X86_RCX] = r[2];
    s->gpr[X86_RDX] = r[3];
}

static void rdmsr(SoftCpu *s, const SoftOp *op)
{
    uint64_t v;

    need_cpl0(s);
    if (!soft_msr_read(s, s->gpr[X86_RCX], &v)) {
        soft_raise_gp0(s);
    }
    s->gpr[X86_RAX] = (uint32_t)v;
    s->gpr[X86_RDX] = v >> 32;
}

static void wrmsr(SoftCpu *s, const SoftOp *op)
{
    uint64_t v = (uint32_t)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;

    need_cpl0(s);
    if (!soft_msr_write(s, s->gpr[X86_RCX], v)) {
        soft_raise_gp0(s);
    }
}

/* No counters: CR4.PCE or not, every number is invalid. */
static void rdpmc(SoftCpu *s, const SoftOp *op)
{
    soft_raise_gp0(s);
}

static void xgetbv_xsetbv(SoftCpu *s, const SoftOp *op)
{
    uint32_t n = s->gpr[X86_RCX];
    uint64_t v = (uint32_t)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;

    if (!(s->x->cr[4] & X86_CR4_OSXSAVE)) {
        soft_raise(s, EXC_UD);
    }
    if (op->id == INSN_XGETBV) {
        if (n != 0) {
            soft_raise_gp0(s);
        }
        s->gpr[X86_RAX] = (uint32_t)s->x->xcr0;
        s->gpr[X86_RDX] = s->x->xcr0 >> 32;
        return;
    }
    need_cpl0(s);
    if (n != 0 || !(v & X86_XCR0_X87) ||
        (v & ~x86_cpu_model_xcr0(s->x->model)) ||
        ((v & X86_XCR0_AVX) && !(v & X86_XCR0_SSE))) {
        soft_raise_gp0(s);
    }
    s->x->xcr0 = v;
    soft_update_key(s);
}

void soft_set_pkru(SoftCpu *s, uint32_t v)
{
    if (v != s->x->pkru) {
        s->x->pkru = v;
        soft_tlb_flush(s); /* its tags say what was allowed */
    }
}

static void rdpkru_wrpkru(SoftCpu *s, const SoftOp *op)
{
    if (op->pp != 0 || !(s->x->cr[4] & X86_CR4_PKE)) {
        soft_raise(s, EXC_UD);
    }
    if ((uint32_t)s->gpr[X86_RCX] != 0 ||
        (op->id == INSN_WRPKRU && (uint32_t)s->gpr[X86_RDX] != 0)) {
        soft_raise_gp0(s);
    }
    if (op->id == INSN_WRPKRU) {
        soft_set_pkru(s, s->gpr[X86_RAX]);
    } else {
        s->gpr[X86_RAX] = s->x->pkru;
        s->gpr[X86_RDX] = 0;
    }
}

/* Extensions that leaf 5 tells, in ECX: none of MONITOR's. */
static void monitor_insn(SoftCpu *s, const SoftOp *op)
{
    uint64_t off = s->gpr[X86_RAX] & soft_mask(1U << op->asize);

    if (s->cpl != 0) {
        soft_raise(s, EXC_UD);
    }
    if ((uint32_t)s->gpr[X86_RCX]) {
        soft_raise_gp0(s);
    }
    soft_ld(s, soft_lin(s, op->seg, off, 1, false), 1, s->mmu);
}

/* Returns at once, which it may do for any reason. */
static void mwait_insn(SoftCpu *s, const SoftOp *op)
{
    uint32_t ext = s->gpr[X86_RCX];
    uint32_t r[4];

    if (s->cpl != 0) {
        soft_raise(s, EXC_UD);
    }
    x86_cpu_cpuid(s->x, 5, 0, r);
    if (ext > 1 || (ext && !(r[2] >> 1 & 1))) {
        soft_raise_gp0(s);
    }
}

static void random_insn(SoftCpu *s, const SoftOp *op)
{
    uint64_t v = 0;
    bool ok = getrandom(&v, sizeof(v), GRND_NONBLOCK) == sizeof(v);

    soft_reg_set(s, op->rm, soft_size(op), ok ? v : 0);
    soft_set_status(s, 0x8d5, ok ? X86_FLAG_CF : 0);
}

static void cmpxchg8b(SoftCpu *s, const SoftOp *op)
{
    bool wide = op->size == 3;
    unsigned n = wide ? 8 : 4;
    uint64_t lin = soft_ea_lin(s, op, 2 * n, true);
    uint64_t want[2] = { soft_reg_get(s, X86_RAX * 8, n),
                         soft_reg_get(s, X86_RDX * 8, n) };
    const uint64_t v[2] = { soft_reg_get(s, X86_RBX * 8, n),
                            soft_reg_get(s, X86_RCX * 8, n) };
    bool eq;

    if (wide && (!(s->features >> FT_CX16 & 1))) {
        soft_raise(s, EXC_UD);
    }
    if (wide && (lin & 15)) {
        soft_raise_gp0(s);
    }
    /* With LOCK or without: Linux relies on the latter against its own. */
    eq = soft_cas_pair(s, lin, n, want, v);
    if (!eq) {
        soft_reg_set(s, X86_RAX * 8, n, want[0]);
        soft_reg_set(s, X86_RDX * 8, n, want[1]);
    }
    soft_set_status(s, X86_FLAG_ZF, eq ? X86_FLAG_ZF : 0);
}

SoftFn *soft_select_system(const SoftOp *op)
{
    static SoftFn *const t[INSN_COUNT] = {
        [INSN_HLT] = hlt,
        [INSN_CLAC] = clac_stac,
        [INSN_STAC] = clac_stac,
        [INSN_MOVCR] = mov_to_cr,
        [INSN_STCR] = mov_from_cr,
        [INSN_MOVDR] = mov_to_dr,
        [INSN_STDR] = mov_from_dr,
        [INSN_SMSW] = smsw,
        [INSN_LMSW] = lmsw,
        [INSN_CLTS] = clts,
        [INSN_INVLPG] = invlpg,
        [INSN_INVPCID] = invpcid,
        [INSN_INVD] = privileged_nop,
        [INSN_WBINVD] = privileged_nop,
        [INSN_SWAPGS] = swapgs,
        [INSN_RDFSBASE] = fsgsbase,
        [INSN_RDGSBASE] = fsgsbase,
        [INSN_WRFSBASE] = fsgsbase,
        [INSN_WRGSBASE] = fsgsbase,
        [INSN_RDTSC] = rdtsc,
        [INSN_RDTSCP] = rdtsc,
        [INSN_RDPID] = rdpid,
        [INSN_CPUID] = cpuid,
        [INSN_RDMSR] = rdmsr,
        [INSN_WRMSR] = wrmsr,
        [INSN_RDPMC] = rdpmc,
        [INSN_XGETBV] = xgetbv_xsetbv,
        [INSN_XSETBV] = xgetbv_xsetbv,
        [INSN_RDPKRU] = rdpkru_wrpkru,
        [INSN_WRPKRU] = rdpkru_wrpkru,
        [INSN_MONITOR] = monitor_insn,
        [INSN_MWAIT] = mwait_insn,
        [INSN_RDRAND] = random_insn,
        [INSN_RDSEED] = random_insn,
        [INSN_CMPXCHG8B] = cmpxchg8b,
    };

    return t[op->id];
}
