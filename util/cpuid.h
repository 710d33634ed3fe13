/*
 * What the host CPU can do and the host system lets programs use.
 *
 * Source: Intel SDM volume 2A, CPUID and XGETBV; volume 1, chapters 13 to 15.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_CPUID_H
#define UTIL_CPUID_H

#include <stdbool.h>
#include <stdint.h>

/* A feature is true only if CPUID has it and XCR0 enables its registers. */
typedef struct HostCpu {
    bool sse2;
    bool sse41;
    bool sse42;
    bool popcnt;
    bool avx;
    bool avx2;
    bool bmi1;
    bool bmi2;
    bool avx512f;
    bool avx512bw;
    bool avx512vl;
    uint64_t xcr0; /* 0 without OSXSAVE */
} HostCpu;

/* Probed once, at the first call; from any thread. */
const HostCpu *host_cpu(void);

#endif /* UTIL_CPUID_H */
