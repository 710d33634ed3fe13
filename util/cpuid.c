/*
 * What the host CPU can do and the host system lets programs use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/cpuid.h"

#include <cpuid.h>
#include <pthread.h>

/* Intel SDM volume 1, 13.3: the state components that XCR0 enables. */
enum {
    XCR0_SSE = 1 << 1,
    XCR0_AVX = 1 << 2,
    XCR0_OPMASK = 1 << 5,
    XCR0_ZMM_HI256 = 1 << 6,
    XCR0_HI16_ZMM = 1 << 7,

    XCR0_FOR_AVX = XCR0_SSE | XCR0_AVX,
    XCR0_FOR_AVX512 =
        XCR0_FOR_AVX | XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM,
};

static HostCpu cached_cpu;
static pthread_once_t cached_cpu_once = PTHREAD_ONCE_INIT;

static uint64_t read_xcr0(void)
{
    uint32_t lo;
    uint32_t hi;

    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static void cpuid_probe(void)
{
    HostCpu *c = &cached_cpu;
    unsigned a;
    unsigned b;
    unsigned c1;
    unsigned d1;
    unsigned b7 = 0;
    unsigned unused;
    bool avx_os;
    bool avx512_os;

    if (!__get_cpuid(1, &a, &b, &c1, &d1)) {
        return;
    }
    /* False, with b7 left alone, if leaf 7 is beyond the last one. */
    __get_cpuid_count(7, 0, &a, &b7, &unused, &unused);
    c->xcr0 = c1 & bit_OSXSAVE ? read_xcr0() : 0;
    avx_os = (c->xcr0 & XCR0_FOR_AVX) == XCR0_FOR_AVX;
    avx512_os = (c->xcr0 & XCR0_FOR_AVX512) == XCR0_FOR_AVX512;

    c->sse2 = d1 & bit_SSE2;
    c->sse41 = c1 & bit_SSE4_1;
    c->sse42 = c1 & bit_SSE4_2;
    c->popcnt = c1 & bit_POPCNT;
    c->bmi1 = b7 & bit_BMI;
    c->bmi2 = b7 & bit_BMI2;
    c->avx = avx_os && (c1 & bit_AVX);
    c->avx2 = c->avx && (b7 & bit_AVX2);
    c->avx512f = avx512_os && (b7 & bit_AVX512F);
    c->avx512bw = c->avx512f && (b7 & bit_AVX512BW);
    c->avx512vl = c->avx512f && (b7 & bit_AVX512VL);
}

const HostCpu *host_cpu(void)
{
    pthread_once(&cached_cpu_once, cpuid_probe);
    return &cached_cpu;
}
