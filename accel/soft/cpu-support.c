/*
 * What CPU models may offer under the software CPU.
 *
 * Bits: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/tcg.h"

#include "target/i386/cpu-features.h"
#include "target/i386/xsave.h"

/* There for every host: no instructions of their own, or done by hand. */
static const unsigned always[] = {
    X86_FEATURE(X86_FEAT_1_EDX, 1), /* VME */
    X86_FEATURE(X86_FEAT_1_EDX, 2), /* DE */
    X86_FEATURE(X86_FEAT_1_EDX, 3), /* PSE */
    X86_F_PAE,
    X86_F_MCE,
    X86_F_APIC,
    X86_F_MTRR,
    X86_FEATURE(X86_FEAT_1_EDX, 13), /* PGE */
    X86_F_MCA,
    X86_F_PAT,
    X86_FEATURE(X86_FEAT_1_EDX, 17), /* PSE36 */
    X86_FEATURE(X86_FEAT_1_EDX, 22), /* ACPI: follows the machine */
    X86_FEATURE(X86_FEAT_1_EDX, 27), /* SS */
    X86_F_HT,
    X86_FEATURE(X86_FEAT_1_ECX, 17), /* PCID */
    X86_F_X2APIC,
    X86_F_TSC_DEADLINE,
    X86_F_HYPERVISOR,
    X86_F_TSC_ADJUST,
    X86_FEATURE(X86_FEAT_7_0_EBX, 7), /* SMEP */
    X86_FEATURE(X86_FEAT_7_0_EBX, 9), /* ERMS */
    X86_FEATURE(X86_FEAT_7_0_ECX, 2), /* UMIP */
    X86_F_PKU,
    X86_F_LA57,
    X86_F_PKS,
    X86_FEATURE(X86_FEAT_7_0_EDX, 4), /* FSRM */
    X86_F_NX,
    X86_FEATURE(X86_FEAT_8000_0001_EDX, 26), /* pages of 1 GiB */
    X86_FEATURE(X86_FEAT_8000_0001_ECX, 1),  /* CmpLegacy: topology */
    X86_FEATURE(X86_FEAT_6_EAX, 2), /* ARAT: the APIC timer never stops */
};

/* AMD's leaf repeats these bits of leaf 1's EDX, and SSE's part of MMX. */
enum { AMD_COPIES = 0x0183f3ff, AMD_MMXEXT = 1 << 22 };

static void add_feature(X86CpuSupport *p, unsigned feature)
{
    p->words[feature >> 8] |= UINT32_C(1) << (feature & 31);
}

void soft_cpu_support(X86CpuSupport *ret)
{
    uint32_t *w = ret->words;

    *ret = (X86CpuSupport){
        .accel = "TCG",
        .level = 0xd,
        .xlevel = 0x80000008,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(always); i++) {
        add_feature(ret, always[i]);
    }
    soft_features_each(add_feature, ret);
    w[X86_FEAT_8000_0001_EDX] |= w[X86_FEAT_1_EDX] & AMD_COPIES;
    if (w[X86_FEAT_1_EDX] >> 25 & 1) {
        w[X86_FEAT_8000_0001_EDX] |= AMD_MMXEXT;
    }
    if (w[X86_FEAT_1_ECX] >> 26 & 1) {
        ret->xcr0 = X86_XCR0_X87 | X86_XCR0_SSE;
        ret->xcr0 |= w[X86_FEAT_1_ECX] >> 28 & 1 ? X86_XCR0_AVX : 0;
        ret->xcr0 |= X86_XCR0_PKRU;
    }
    w[X86_FEAT_XCR0_LO] = ret->xcr0;
}
