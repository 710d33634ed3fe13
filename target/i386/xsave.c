/*
 * The XSAVE area in its standard form: SDM volume 1, 13.4.
 *
 *   0    FCW FSW FTW FOP FIP(8) FDP(8) MXCSR MXCSR_MASK
 *   32   ST0..ST7, 16 bytes each
 *   160  XMM0..XMM15
 *   512  XSTATE_BV XCOMP_BV, 48 bytes of zeros
 *   576  components, where CPUID leaf 0xd says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/xsave.h"

#include "util/bswap.h"

enum {
    XSAVE_FCW = 0,
    XSAVE_FSW = 2,
    XSAVE_FTW = 4,
    XSAVE_FOP = 6,
    XSAVE_FIP = 8,
    XSAVE_FDP = 16,
    XSAVE_MXCSR = 24,
    XSAVE_MXCSR_MASK = 28,
    XSAVE_ST = 32,
    XSAVE_XMM = 160,
    XSAVE_BV = 512,
};

#define MXCSR_INIT 0x1f80
/* Every bit an SSE processor with DAZ takes; also what KVM accepts. */
#define MXCSR_MASK 0xffff
#define FCW_INIT   0x037f

/* Component numbers: SDM volume 1, 13.1. */
enum {
    COMP_X87 = 0,
    COMP_SSE = 1,
    COMP_AVX = 2,
    COMP_BNDREGS = 3,
    COMP_BNDCSR = 4,
    COMP_OPMASK = 5,
    COMP_ZMM_HI256 = 6,
    COMP_HI16_ZMM = 7,
    COMP_PKRU = 9,
    COMP_XTILECFG = 17,
    COMP_XTILEDATA = 18,
};

/* Bytes that a component's state takes here; the layout must have them. */
static const uint32_t comp_size[X86_XSAVE_COMPONENTS] = {
    [COMP_AVX] = 256,
    [COMP_BNDREGS] = 64,
    [COMP_BNDCSR] = 16,
    [COMP_OPMASK] = 64,
    [COMP_ZMM_HI256] = 512,
    [COMP_HI16_ZMM] = 1024,
    [COMP_PKRU] = 4,
    [COMP_XTILECFG] = X86_XTILECFG_SIZE,
    [COMP_XTILEDATA] = X86_XTILEDATA_SIZE,
};

void x86_xsave_layout_init(X86XsaveLayout *layout, uint64_t xcr0,
                           void (*cpuid)(void *opaque, uint32_t leaf,
                                         uint32_t subleaf, uint32_t regs[4]),
                           void *opaque)
{
    memset(layout, 0, sizeof(*layout));
    layout->size[COMP_X87] = XSAVE_XMM;
    layout->size[COMP_SSE] = 256;
    layout->total = X86_XSAVE_BASE_SIZE;
    for (unsigned i = 2; i < 63; i++) {
        uint32_t r[4];

        if (!(xcr0 & BIT_ULL(i))) {
            continue;
        }
        cpuid(opaque, 0xd, i, r);
        /* EAX: bytes, EBX: offset; ECX bit 0: a supervisor component. */
        if (r[0] < comp_size[i] || r[0] == 0 || r[0] > 64 * KiB ||
            r[1] < X86_XSAVE_BASE_SIZE || r[1] > 64 * KiB || (r[2] & 1)) {
            continue;
        }
        layout->size[i] = r[0];
        layout->offset[i] = r[1];
        layout->total = MAX(layout->total, r[0] + r[1]);
    }
}

void x86_xsave_layout_default(X86XsaveLayout *layout, uint64_t xcr0)
{
    static const struct {
        uint8_t comp;
        uint16_t offset;
    } at[] = {
        { COMP_AVX, 576 },        { COMP_BNDREGS, 960 },
        { COMP_BNDCSR, 1024 },    { COMP_OPMASK, 1088 },
        { COMP_ZMM_HI256, 1152 }, { COMP_HI16_ZMM, 1664 },
        { COMP_PKRU, 2688 },      { COMP_XTILECFG, 2752 },
        { COMP_XTILEDATA, 2816 },
    };

    memset(layout, 0, sizeof(*layout));
    layout->size[COMP_X87] = XSAVE_XMM;
    layout->size[COMP_SSE] = 256;
    layout->total = X86_XSAVE_BASE_SIZE;
    for (size_t i = 0; i < G_N_ELEMENTS(at); i++) {
        unsigned c = at[i].comp;

        if (xcr0 & BIT_ULL(c)) {
            layout->offset[c] = at[i].offset;
            layout->size[c] = ROUND_UP(comp_size[c], 8);
            if (c == COMP_BNDCSR) {
                layout->size[c] = 64; /* mostly reserved */
            }
            layout->total = at[i].offset + layout->size[c];
        }
    }
}

void x86_fpu_init(X86Cpu *cpu)
{
    cpu->fpuc = FCW_INIT;
    cpu->fpus = 0;
    cpu->fptag = 0;
    cpu->fpop = 0;
    cpu->fpip = cpu->fpdp = 0;
    memset(cpu->fpregs, 0, sizeof(cpu->fpregs));
    cpu->mxcsr = MXCSR_INIT;
    memset(cpu->vec, 0, sizeof(cpu->vec));
    memset(cpu->opmask, 0, sizeof(cpu->opmask));
    memset(cpu->bnd_regs, 0, sizeof(cpu->bnd_regs));
    cpu->bndcfgu = cpu->bndstatus = 0;
    cpu->pkru = 0;
    memset(cpu->xtilecfg, 0, sizeof(cpu->xtilecfg));
    memset(cpu->xtiledata, 0, sizeof(cpu->xtiledata));
}

static void load_legacy(X86Cpu *cpu, const uint8_t *a, uint64_t bv)
{
    if (bv & X86_XCR0_X87) {
        cpu->fpuc = lduw_le_p(a + XSAVE_FCW);
        cpu->fpus = lduw_le_p(a + XSAVE_FSW);
        cpu->fptag = a[XSAVE_FTW];
        cpu->fpop = lduw_le_p(a + XSAVE_FOP);
        cpu->fpip = ldq_le_p(a + XSAVE_FIP);
        cpu->fpdp = ldq_le_p(a + XSAVE_FDP);
        for (unsigned i = 0; i < 8; i++) {
            cpu->fpregs[i].mant = ldq_le_p(a + XSAVE_ST + 16 * i);
            cpu->fpregs[i].exp = lduw_le_p(a + XSAVE_ST + 16 * i + 8);
        }
    }
    /* MXCSR goes with SSE or AVX: SDM volume 1, 13.5.2. */
    if (bv & (X86_XCR0_SSE | X86_XCR0_AVX)) {
        cpu->mxcsr = ldl_le_p(a + XSAVE_MXCSR);
    }
    if (bv & X86_XCR0_SSE) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(cpu->vec[i].b, a + XSAVE_XMM + 16 * i, 16);
        }
    }
}

/* A component's bytes, or NULL: it isn't there or is initial. */
static const uint8_t *comp_in(const X86XsaveLayout *l, const uint8_t *a,
                              size_t len, uint64_t bv, unsigned c)
{
    if (!(bv & BIT_ULL(c)) || !l->size[c] ||
        !range_fits(l->offset[c], comp_size[c], len)) {
        return NULL;
    }
    return a + l->offset[c];
}

static void load_vectors(X86Cpu *cpu, const X86XsaveLayout *l, const uint8_t *a,
                         size_t len, uint64_t bv)
{
    const uint8_t *p;

    if ((p = comp_in(l, a, len, bv, COMP_AVX))) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(&cpu->vec[i].b[16], p + 16 * i, 16);
        }
    }
    if ((p = comp_in(l, a, len, bv, COMP_OPMASK))) {
        for (unsigned i = 0; i < 8; i++) {
            cpu->opmask[i] = ldq_le_p(p + 8 * i);
        }
    }
    if ((p = comp_in(l, a, len, bv, COMP_ZMM_HI256))) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(&cpu->vec[i].b[32], p + 32 * i, 32);
        }
    }
    if ((p = comp_in(l, a, len, bv, COMP_HI16_ZMM))) {
        memcpy(&cpu->vec[16], p, 16 * sizeof(X86Vec));
    }
}

void x86_xsave_load(X86Cpu *cpu, const X86XsaveLayout *layout, const void *area,
                    size_t len)
{
    const uint8_t *a = area;
    uint64_t bv = ldq_le_p(a + XSAVE_BV);
    const uint8_t *p;

    x86_fpu_init(cpu);
    cpu->xstate_bv = bv;
    load_legacy(cpu, a, bv);
    load_vectors(cpu, layout, a, len, bv);
    if ((p = comp_in(layout, a, len, bv, COMP_BNDREGS))) {
        for (unsigned i = 0; i < 4; i++) {
            cpu->bnd_regs[i].lb = ldq_le_p(p + 16 * i);
            cpu->bnd_regs[i].ub = ldq_le_p(p + 16 * i + 8);
        }
    }
    if ((p = comp_in(layout, a, len, bv, COMP_BNDCSR))) {
        cpu->bndcfgu = ldq_le_p(p);
        cpu->bndstatus = ldq_le_p(p + 8);
    }
    if ((p = comp_in(layout, a, len, bv, COMP_PKRU))) {
        cpu->pkru = ldl_le_p(p);
    }
    if ((p = comp_in(layout, a, len, bv, COMP_XTILECFG))) {
        memcpy(cpu->xtilecfg, p, sizeof(cpu->xtilecfg));
    }
    if ((p = comp_in(layout, a, len, bv, COMP_XTILEDATA))) {
        memcpy(cpu->xtiledata, p, sizeof(cpu->xtiledata));
    }
}

static bool all_zero(const void *p, size_t len)
{
    const uint8_t *b = p;

    return len == 0 || (b[0] == 0 && !memcmp(b, b + 1, len - 1));
}

static uint64_t store_legacy(const X86Cpu *cpu, uint8_t *a)
{
    uint64_t bv = 0;

    stw_le_p(a + XSAVE_FCW, cpu->fpuc);
    stw_le_p(a + XSAVE_FSW, cpu->fpus);
    a[XSAVE_FTW] = cpu->fptag;
    stw_le_p(a + XSAVE_FOP, cpu->fpop);
    stq_le_p(a + XSAVE_FIP, cpu->fpip);
    stq_le_p(a + XSAVE_FDP, cpu->fpdp);
    for (unsigned i = 0; i < 8; i++) {
        stq_le_p(a + XSAVE_ST + 16 * i, cpu->fpregs[i].mant);
        stw_le_p(a + XSAVE_ST + 16 * i + 8, cpu->fpregs[i].exp);
    }
    if (cpu->fpuc != FCW_INIT || !all_zero(a + 2, XSAVE_MXCSR - 2) ||
        !all_zero(a + XSAVE_ST, 128)) {
        bv |= X86_XCR0_X87;
    }
    stl_le_p(a + XSAVE_MXCSR, cpu->mxcsr);
    stl_le_p(a + XSAVE_MXCSR_MASK, MXCSR_MASK);
    for (unsigned i = 0; i < 16; i++) {
        memcpy(a + XSAVE_XMM + 16 * i, cpu->vec[i].b, 16);
    }
    if (cpu->mxcsr != MXCSR_INIT || !all_zero(a + XSAVE_XMM, 256)) {
        bv |= X86_XCR0_SSE;
    }
    return bv;
}

static uint8_t *comp_out(const X86XsaveLayout *l, uint8_t *a, size_t len,
                         unsigned c)
{
    if (!l->size[c] || !range_fits(l->offset[c], l->size[c], len)) {
        return NULL;
    }
    return a + l->offset[c];
}

static void store_vectors(const X86Cpu *cpu, const X86XsaveLayout *l,
                          uint8_t *a, size_t len)
{
    uint8_t *p;

    if ((p = comp_out(l, a, len, COMP_AVX))) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(p + 16 * i, &cpu->vec[i].b[16], 16);
        }
    }
    if ((p = comp_out(l, a, len, COMP_OPMASK))) {
        for (unsigned i = 0; i < 8; i++) {
            stq_le_p(p + 8 * i, cpu->opmask[i]);
        }
    }
    if ((p = comp_out(l, a, len, COMP_ZMM_HI256))) {
        for (unsigned i = 0; i < 16; i++) {
            memcpy(p + 32 * i, &cpu->vec[i].b[32], 32);
        }
    }
    if ((p = comp_out(l, a, len, COMP_HI16_ZMM))) {
        memcpy(p, &cpu->vec[16], 16 * sizeof(X86Vec));
    }
}

static void store_others(const X86Cpu *cpu, const X86XsaveLayout *l, uint8_t *a,
                         size_t len)
{
    uint8_t *p;

    if ((p = comp_out(l, a, len, COMP_BNDREGS))) {
        for (unsigned i = 0; i < 4; i++) {
            stq_le_p(p + 16 * i, cpu->bnd_regs[i].lb);
            stq_le_p(p + 16 * i + 8, cpu->bnd_regs[i].ub);
        }
    }
    if ((p = comp_out(l, a, len, COMP_BNDCSR))) {
        stq_le_p(p, cpu->bndcfgu);
        stq_le_p(p + 8, cpu->bndstatus);
    }
    if ((p = comp_out(l, a, len, COMP_PKRU))) {
        stl_le_p(p, cpu->pkru);
    }
    if ((p = comp_out(l, a, len, COMP_XTILECFG))) {
        memcpy(p, cpu->xtilecfg, sizeof(cpu->xtilecfg));
    }
    if ((p = comp_out(l, a, len, COMP_XTILEDATA))) {
        memcpy(p, cpu->xtiledata, sizeof(cpu->xtiledata));
    }
}

void x86_xsave_store(const X86Cpu *cpu, const X86XsaveLayout *layout,
                     void *area, size_t len)
{
    uint8_t *a = area;
    uint64_t bv;

    memset(a, 0, len);
    bv = store_legacy(cpu, a);
    store_vectors(cpu, layout, a, len);
    store_others(cpu, layout, a, len);
    for (unsigned c = 2; c < X86_XSAVE_COMPONENTS; c++) {
        if (comp_size[c] && comp_out(layout, a, len, c) &&
            !all_zero(a + layout->offset[c], comp_size[c])) {
            bv |= BIT_ULL(c);
        }
    }
    stq_le_p(a + XSAVE_BV, bv | cpu->xstate_bv);
}
