/*
 * Names of CPU features, as -cpu takes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_CPU_FEATURES_H
#define TARGET_I386_CPU_FEATURES_H

#include "target/i386/cpu-model.h"

typedef struct X86FeatureInfo {
    const char *names[32]; /* NULL: no name; not for the user to set */
    bool is_msr;
    uint32_t leaf, subleaf; /* or the MSR's number */
    bool has_subleaf;
    uint8_t reg;   /* 0..3: EAX, EBX, ECX, EDX */
    bool internal; /* follows from others: has no names */
} X86FeatureInfo;

extern const X86FeatureInfo x86_features[X86_FEATURE_WORDS];

/*
 * Bits of a name in any of its spellings ('_' and '.' are '-'); most names
 * have one bit, some more in one word.  False if there is no such name.
 */
bool x86_feature_find(const char *name, X86FeatureWord *ret_word,
                      uint32_t *ret_mask);
extern const char *const x86_missing_features[];
extern const size_t x86_nmissing_features;
/* Known by name, but what it stands for isn't there (nested, SGX, PT). */
bool x86_feature_is_missing(const char *name);
/* "CPUID.01H:ECX.pni [bit 0]"; the caller frees it. */
char *x86_feature_describe(X86FeatureWord w, unsigned bit);

#endif
