/*
 * The table of named CPU models.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_CPU_MODELS_PRIV_H
#define TARGET_I386_CPU_MODELS_PRIV_H

#include "target/i386/cpu-model.h"

/* Caches a model tells of, if not the same old ones for all. */
typedef enum X86CacheSet {
    X86_CACHE_LEGACY,
    X86_CACHE_EPYC,  /* L1I 64 KiB, L3 8 MiB */
    X86_CACHE_ROME,  /* L1I 32 KiB, L3 16 MiB */
    X86_CACHE_MILAN, /* L3 32 MiB */
} X86CacheSet;

typedef struct X86ModelDef {
    const char *name; /* with its version: "EPYC-v1" */
    const char *vendor;
    uint16_t family;
    uint8_t model, stepping;
    uint32_t level, xlevel;
    X86CacheSet cache;
    const char *model_id;
    const char *note;  /* what sets this version apart; may be NULL */
    const char *alias; /* other name of this version; may be NULL */
    uint32_t words[X86_FEATURE_WORDS];
    uint8_t func7; /* largest subleaf of leaf 7, if more than follows */
} X86ModelDef;

extern const X86ModelDef x86_model_defs[];
extern const unsigned x86_nmodel_defs;

#endif
