/*
 * FXSAVE, XSAVE and their kin; the components are x87, SSE, AVX and PKRU.
 *
 * Intel SDM volume 1, 10.5 and chapter 13.  XSAVEOPT saves as XSAVE does,
 * which it may.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/fpu.h"

enum {
    AREA_LEGACY = 512,
    AREA_HEADER = 64,
    AREA_AVX = 576,
    AVX_SIZE = 256,
    AREA_PKRU = 2688, /* as x86_xsave_layout_default() has it */
    PKRU_SIZE = 8,
};

static unsigned xsave_nvec(const SoftCpu *s)
{
    return s->mode == 3 ? 16 : 8;
}

static void area_check(SoftCpu *s, uint64_t lin, unsigned align)
{
    if (lin & (align - 1)) {
        soft_raise_gp0(s);
    }
}

static void need_fxsr(SoftCpu *s)
{
    if (s->x->cr[0] & (X86_CR0_EM | X86_CR0_TS)) {
        soft_raise(s, EXC_NM);
    }
}

static void need_xsave(SoftCpu *s)
{
    if (!(s->x->cr[4] & X86_CR4_OSXSAVE)) {
        soft_raise(s, EXC_UD);
    }
    if (s->x->cr[0] & X86_CR0_TS) {
        soft_raise(s, EXC_NM);
    }
}

static void xsave_put(SoftCpu *s, uint64_t lin, const uint8_t *p, unsigned off,
                      unsigned n)
{
    soft_store_bytes(s, (lin + off) & s->lin_mask, p + off, n);
}

static void sse_to_area(const SoftCpu *s, uint8_t *fx)
{
    for (unsigned i = 0; i < xsave_nvec(s); i++) {
        memcpy(fx + 160 + i * 16, &s->x->vec[i], 16);
    }
}

static void mxcsr_to_area(const SoftCpu *s, uint8_t *fx)
{
    const uint32_t mask = 0xffff;

    memcpy(fx + 24, &s->x->mxcsr, 4);
    memcpy(fx + 28, &mask, 4);
}

static void fxsave(SoftCpu *s, const SoftOp *op)
{
    uint8_t fx[AREA_LEGACY] = { 0 };
    uint64_t lin;

    need_fxsr(s);
    lin = soft_ea_lin(s, op, AREA_LEGACY, true);
    area_check(s, lin, 16);
    soft_x87_to_area(s->x, fx);
    mxcsr_to_area(s, fx);
    sse_to_area(s, fx);
    soft_probe_write(s, lin, AREA_LEGACY, s->mmu);
    xsave_put(s, lin, fx, 0, 160 + xsave_nvec(s) * 16);
}

static uint32_t area_mxcsr(SoftCpu *s, const uint8_t *fx)
{
    uint32_t v;

    memcpy(&v, fx + 24, 4);
    if (v >> 16) {
        soft_raise_gp0(s);
    }
    return v;
}

static void x87_restore(SoftCpu *s, const uint8_t *fx)
{
    X86Cpu *x = s->x;

    soft_x87_from_area(x, fx);
    x->fpuc = (x->fpuc & 0x1f7f) | 0x40;
    memcpy(&x->fpop, fx + 6, 2);
    x->fpop &= 0x7ff;
    memcpy(&x->fpip, fx + 8, 8);
    memcpy(&x->fpdp, fx + 16, 8);
}

static void fxrstor(SoftCpu *s, const SoftOp *op)
{
    uint8_t fx[AREA_LEGACY];
    uint64_t lin;
    uint32_t mxcsr;

    need_fxsr(s);
    lin = soft_ea_lin(s, op, AREA_LEGACY, false);
    area_check(s, lin, 16);
    soft_load_bytes(s, lin, fx, AREA_LEGACY);
    mxcsr = area_mxcsr(s, fx);
    x87_restore(s, fx);
    s->x->mxcsr = mxcsr;
    soft_update_key(s);
    for (unsigned i = 0; i < xsave_nvec(s); i++) {
        memcpy(&s->x->vec[i], fx + 160 + i * 16, 16);
    }
}

static uint64_t xsave_requested(const SoftCpu *s)
{
    return ((uint32_t)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32) & s->x->xcr0;
}

static void avx_to_area(const SoftCpu *s, uint8_t *p)
{
    for (unsigned i = 0; i < xsave_nvec(s); i++) {
        memcpy(p + i * 16, s->x->vec[i].b + 16, 16);
    }
}

static bool x87_initial(const X86Cpu *x)
{
    return x->fpuc == 0x37f && x->fpus == 0 && x->fptag == 0;
}

static uint64_t in_use(const SoftCpu *s)
{
    uint64_t v = X86_XCR0_SSE | X86_XCR0_AVX;

    v |= s->x->pkru != 0 ? X86_XCR0_PKRU : 0;
    return v | (x87_initial(s->x) ? 0 : X86_XCR0_X87);
}

/* In the compacted format it comes behind what is there (13.4.3). */
static unsigned pkru_offset(uint64_t components, bool compact)
{
    if (!compact) {
        return AREA_PKRU;
    }
    return AREA_AVX + (components & X86_XCR0_AVX ? AVX_SIZE : 0);
}

/* XSAVE, XSAVEOPT, XSAVEC. */
static void xsave(SoftCpu *s, const SoftOp *op)
{
    uint8_t fx[AREA_LEGACY] = { 0 };
    uint8_t avx[AVX_SIZE] = { 0 };
    bool compact = op->id == INSN_XSAVEC;
    uint64_t rfbm;
    uint64_t lin;
    uint64_t bv;

    need_xsave(s);
    rfbm = xsave_requested(s);
    lin = soft_ea_lin(s, op, AREA_AVX, true);
    area_check(s, lin, 64);
    soft_probe_write(s, lin, AREA_AVX, s->mmu);
    if (rfbm & X86_XCR0_AVX) {
        soft_probe_write(s, lin + AREA_AVX, AVX_SIZE, s->mmu);
    }
    if (rfbm & X86_XCR0_PKRU) {
        soft_probe_write(s, lin + pkru_offset(rfbm, compact), PKRU_SIZE,
                         s->mmu);
    }
    bv = compact ? 0 : soft_ld(s, lin + AREA_LEGACY, 8, s->mmu);
    soft_x87_to_area(s->x, fx);
    mxcsr_to_area(s, fx);
    sse_to_area(s, fx);
    avx_to_area(s, avx);
    if (rfbm & X86_XCR0_X87) {
        xsave_put(s, lin, fx, 0, 24);
        xsave_put(s, lin, fx, 32, 128);
    }
    if (rfbm & (X86_XCR0_SSE | X86_XCR0_AVX)) {
        xsave_put(s, lin, fx, 24, 8);
    }
    if (rfbm & X86_XCR0_SSE) {
        xsave_put(s, lin, fx, 160, xsave_nvec(s) * 16);
    }
    if (rfbm & X86_XCR0_AVX) {
        soft_store_bytes(s, (lin + AREA_AVX) & s->lin_mask, avx,
                         xsave_nvec(s) * 16);
    }
    if (rfbm & X86_XCR0_PKRU) {
        soft_st(s, (lin + pkru_offset(rfbm, compact)) & s->lin_mask, s->x->pkru,
                PKRU_SIZE, s->mmu);
    }
    bv = (bv & ~rfbm) | (in_use(s) & rfbm);
    soft_st(s, lin + AREA_LEGACY, bv, 8, s->mmu);
    if (compact) {
        soft_st(s, lin + AREA_LEGACY + 8, rfbm | UINT64_C(1) << 63, 8, s->mmu);
    }
}

static void restore_vectors(SoftCpu *s, const uint8_t *p, unsigned off,
                            bool have)
{
    for (unsigned i = 0; i < xsave_nvec(s); i++) {
        if (have) {
            memcpy(s->x->vec[i].b + off, p + i * 16, 16);
        } else {
            memset(s->x->vec[i].b + off, 0, 16);
        }
    }
}

static void header_check(SoftCpu *s, const uint64_t *h)
{
    bool compact = h[1] >> 63;
    uint64_t comp = h[1] & ~(UINT64_C(1) << 63);
    bool bad = h[0] & ~s->x->xcr0;

    if (compact) {
        bad = bad || !(s->features >> FT_XSAVEC & 1) || (comp & ~s->x->xcr0) ||
              (h[0] & ~comp);
    } else {
        bad = bad || h[1] || h[2];
    }
    for (unsigned i = 2; i < 8; i++) {
        bad = bad || (compact && h[i]);
    }
    if (bad) {
        soft_raise_gp0(s);
    }
}

static void xrstor(SoftCpu *s, const SoftOp *op)
{
    uint8_t fx[AREA_LEGACY];
    uint8_t avx[AVX_SIZE] = { 0 };
    uint64_t h[8];
    uint64_t rfbm;
    uint64_t lin;
    uint32_t mxcsr = s->x->mxcsr;
    uint32_t pkru = 0;

    need_xsave(s);
    rfbm = xsave_requested(s);
    lin = soft_ea_lin(s, op, AREA_AVX, false);
    area_check(s, lin, 64);
    soft_load_bytes(s, lin + AREA_LEGACY, h, AREA_HEADER);
    header_check(s, h);
    soft_load_bytes(s, lin, fx, AREA_LEGACY);
    if (rfbm & h[0] & X86_XCR0_AVX) {
        soft_load_bytes(s, lin + AREA_AVX, avx, xsave_nvec(s) * 16);
    }
    if (rfbm & h[0] & X86_XCR0_PKRU) {
        pkru = soft_ld(s, lin + pkru_offset(h[1], h[1] >> 63), 4, s->mmu);
    }
    if (rfbm & (X86_XCR0_SSE | X86_XCR0_AVX)) {
        mxcsr = area_mxcsr(s, fx);
    }
    if (rfbm & h[0] & X86_XCR0_X87) {
        x87_restore(s, fx);
    } else if (rfbm & X86_XCR0_X87) {
        s->x->fpuc = 0x37f;
        s->x->fpus = 0;
        s->x->fptag = 0;
    }
    s->x->mxcsr = mxcsr;
    soft_update_key(s);
    if (rfbm & X86_XCR0_SSE) {
        restore_vectors(s, fx + 160, 0, h[0] & X86_XCR0_SSE);
    }
    if (rfbm & X86_XCR0_AVX) {
        restore_vectors(s, avx, 16, h[0] & X86_XCR0_AVX);
    }
    if (rfbm & X86_XCR0_PKRU) {
        soft_set_pkru(s, pkru);
    }
}

SoftFn *soft_select_xsave(const SoftOp *op)
{
    switch (op->id) {
    case INSN_FXSAVE:
        return fxsave;
    case INSN_FXRSTOR:
        return fxrstor;
    case INSN_XSAVE:
    case INSN_XSAVEOPT:
    case INSN_XSAVEC:
        return xsave;
    case INSN_XRSTOR:
        return xrstor;
    default:
        return NULL;
    }
}
