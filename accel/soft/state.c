/*
 * What follows from control registers and segments, kept at hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"
#include "accel/soft/seg.h"
#include "accel/soft/smm.h"

static bool state_code64(const SoftCpu *s)
{
    return soft_long_mode(s) && (s->x->segs[X86_CS].flags & X86_SEG_L);
}

static void set_bit(uint8_t *mask, unsigned bit, bool on)
{
    *mask = (*mask & ~(1U << bit)) | (on ? 1U << bit : 0);
}

/* Protected mode: what the descriptor allows. */
static void segment_rights(SoftCpu *s, unsigned seg)
{
    const X86Segment *r = &s->x->segs[seg];
    bool code = r->flags & X86_SEG_CODE;
    bool down = !code && (r->flags & X86_SEG_C);
    bool present = (r->flags & X86_SEG_P) && (r->flags & X86_SEG_S);

    s->seg_lo[seg] = 0;
    s->seg_hi[seg] = r->limit;
    if (down) {
        s->seg_lo[seg] = (uint64_t)r->limit + 1;
        s->seg_hi[seg] = r->flags & X86_SEG_DB ? 0xffffffff : 0xffff;
    }
    set_bit(&s->seg_rd, seg, present && (!code || (r->flags & X86_SEG_W)));
    set_bit(&s->seg_wr, seg, present && !code && (r->flags & X86_SEG_W));
}

void soft_update_segment(SoftCpu *s, unsigned seg)
{
    const X86Segment *r = &s->x->segs[seg];
    bool flat;

    s->segbase[seg] = r->base;
    if (state_code64(s)) {
        if (seg != X86_FS && seg != X86_GS) {
            s->segbase[seg] = 0;
        }
        /* A bad address is #SS on the stack, #GP elsewhere. */
        set_bit(&s->seg_flat, seg, seg != X86_SS);
        return;
    }
    s->segbase[seg] = (uint32_t)r->base;
    if (!soft_protected(s)) {
        s->seg_lo[seg] = 0;
        s->seg_hi[seg] = r->limit;
        set_bit(&s->seg_rd, seg, true);
        set_bit(&s->seg_wr, seg, true);
    } else {
        segment_rights(s, seg);
    }
    flat = s->seg_lo[seg] == 0 && s->seg_hi[seg] == 0xffffffff &&
           (s->seg_rd & s->seg_wr) >> seg & 1;
    set_bit(&s->seg_flat, seg, flat);
}

static void update_mmu(SoftCpu *s)
{
    bool smap = s->x->cr[4] & X86_CR4_SMAP;

    s->mmu_sys = smap ? SOFT_MMU_SMAP : SOFT_MMU_KERNEL;
    if (s->cpl == 3) {
        s->mmu = (s->x->cr[0] & X86_CR0_AM) && (s->flags & X86_FLAG_AC)
                     ? SOFT_MMU_ALIGN
                     : SOFT_MMU_USER;
    } else {
        s->mmu =
            smap && !(s->flags & X86_FLAG_AC) ? SOFT_MMU_SMAP : SOFT_MMU_KERNEL;
    }
}

void soft_update_key(SoftCpu *s)
{
    const X86Cpu *x = s->x;
    const uint64_t avx = X86_XCR0_SSE | X86_XCR0_AVX;
    bool pe = x->cr[0] & X86_CR0_PE;
    bool v86 = pe && (s->flags & X86_FLAG_VM);

    s->key = s->mode | (!pe || v86 ? 4 : 0) | (pe ? 8 : 0) | (v86 ? 16 : 0) |
             s->mmu << SOFT_KEY_MMU;
    /* What the host would not take as its MXCSR can only be a stream's. */
    if (x->mxcsr >> 16) {
        return;
    }
    if (!(x->cr[0] & (X86_CR0_EM | X86_CR0_TS)) &&
        (x->cr[4] & X86_CR4_OSFXSR)) {
        s->key |= SOFT_KEY_SSE;
    }
    if (!(x->cr[0] & X86_CR0_TS) && (x->cr[4] & X86_CR4_OSXSAVE) &&
        (x->xcr0 & avx) == avx) {
        s->key |= SOFT_KEY_AVX;
    }
    if ((x->mxcsr & 0x1f80) == 0x1f80) {
        s->key |= SOFT_KEY_MASKED;
    }
}

void soft_update_mode(SoftCpu *s)
{
    bool was64 = s->mode == 3;
    bool wasv86 = s->key & 16;
    bool pe = s->x->cr[0] & X86_CR0_PE;
    bool v86 = pe && (s->flags & X86_FLAG_VM);

    if (v86) {
        s->cpl = 3;
    } else if (!pe) {
        s->cpl = 0;
    }
    if (state_code64(s)) {
        s->mode = 3;
        s->sp_mask = s->lin_mask = ~UINT64_C(0);
    } else {
        s->mode = s->x->segs[X86_CS].flags & X86_SEG_DB ? 2 : 1;
        s->sp_mask =
            s->x->segs[X86_SS].flags & X86_SEG_DB ? 0xffffffff : 0xffff;
        s->lin_mask = 0xffffffff;
    }
    update_mmu(s);
    soft_update_key(s);
    if (was64 != (s->mode == 3) || wasv86 != v86) {
        for (unsigned i = 0; i < X86_NSEGS; i++) {
            soft_update_segment(s, i);
        }
    }
}

void soft_cpu_load(SoftCpu *s)
{
    X86Cpu *x = s->x;

    memcpy(s->gpr, x->regs, sizeof(x->regs));
    s->gpr[SOFT_ZERO] = 0;
    s->rip = x->rip;
    s->gpr[SOFT_NEXT_RIP] = x->rip;
    soft_set_flags(s, x->rflags);
    s->tsc_mult = ((unsigned __int128)x86_cpu_tsc_khz(x) << 32) / 1000000;
    s->inhibit = x->hflags & X86_HF_INHIBIT_IRQ ? SOFT_INHIBIT_IRQ : 0;
    s->halted = x->halted;
    s->nmi_blocked = x->hflags2 & X86_HF2_NMI;
    __atomic_store_n(&s->ignne, !!(x->hflags2 & X86_HF2_IGNNE),
                     __ATOMIC_RELAXED);
    soft_smm_load(s);
    s->cpl = x->cr[0] & X86_CR0_PE
                 ? (x->segs[X86_SS].flags >> X86_SEG_DPL_SHIFT) & 3
                 : 0;
    s->mode = 0;
    s->delivering = -1;
    soft_update_breakpoints(s);
    s->ext = false;
    soft_update_mode(s);
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        soft_update_segment(s, i);
    }
    soft_tlb_flush(s);
}

void soft_cpu_store(SoftCpu *s)
{
    X86Cpu *x = s->x;

    memcpy(x->regs, s->gpr, sizeof(x->regs));
    x->rip = s->rip;
    x->rflags = soft_flags(s);
    x->halted = s->halted;
    x->hflags = (x->hflags & ~X86_HF_INHIBIT_IRQ) |
                (s->inhibit ? X86_HF_INHIBIT_IRQ : 0);
    x->hflags2 &= ~(X86_HF2_NMI | X86_HF2_IGNNE);
    x->hflags2 |= s->nmi_blocked ? X86_HF2_NMI : 0;
    x->hflags2 |=
        __atomic_load_n(&s->ignne, __ATOMIC_RELAXED) ? X86_HF2_IGNNE : 0;
    soft_smm_store(s);
    x86_cpu_update_hflags(x);
}
