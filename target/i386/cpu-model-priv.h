/*
 * A CPU model's insides: cpu-model.c fills it, cpuid.c reads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_CPU_MODEL_PRIV_H
#define TARGET_I386_CPU_MODEL_PRIV_H

#include "target/i386/cpu-features.h"
#include "target/i386/cpu-models-priv.h"

struct X86CpuModel {
    char *name; /* as given, without features */
    char *type_name;
    const X86ModelDef *def; /* NULL: base, max, host */
    bool is_max, is_host;
    bool realized;

    char vendor[13];
    bool vendor_set;
    char model_id[49];
    bool model_id_set;
    uint32_t family, model, stepping;
    bool family_set, model_set, stepping_set;
    uint32_t level, xlevel, xlevel2;
    bool level_set, xlevel_set;
    uint32_t min_level, min_xlevel; /* what the features ask for */
    uint32_t func7;                 /* largest subleaf of leaf 7 */
    X86CacheSet cache;

    uint32_t words[X86_FEATURE_WORDS];
    uint32_t plus[X86_FEATURE_WORDS];    /* asked for by the user … */
    uint32_t minus[X86_FEATURE_WORDS];   /* … and asked to be left out */
    uint32_t lacking[X86_FEATURE_WORDS]; /* of the model, here; once realized */

    bool check, enforce, migratable, expose_kvm, l3_cache;
    bool host_phys_bits;
    uint32_t phys_bits, host_phys_bits_limit; /* 0: default */
    uint64_t tsc_hz;

    uint64_t xcr0, xss;
    X86XsaveLayout xsave;
    bool is_kvm;   /* KVM's leaves can be shown */
    bool has_host; /* made for an accelerator that runs on the host's CPU */
};

static inline bool x86_model_is_intel(const X86CpuModel *m)
{
    return g_str_equal(m->vendor, "GenuineIntel");
}

static inline bool x86_model_is_amd(const X86CpuModel *m)
{
    return g_str_equal(m->vendor, "AuthenticAMD");
}

/* cpu-options.c: one key and value of -cpu; value NULL: the key alone. */
bool x86_model_set_option(X86CpuModel *m, const char *key, const char *val,
                          GError **errp);
/*
 * cpu-model.c: the first half of realizing a model, up to what it says,
 * whatever of it the accelerator lacks.
 */
bool x86_model_expand(X86CpuModel *m, const X86CpuSupport *support,
                      GError **errp);
/* cpu-options.c: the value of an option; NULL: there is none of the name. */
JsonValue *x86_model_get_option(const X86CpuModel *m, const char *key);
void x86_model_foreach_option(X86CpuPropFn *fn, void *opaque);
/*
 * cpu-props.c: is it one of those that make up a model, as against spellings
 * of the same, switches of the program and a CPU's place?
 */
bool x86_model_prop_is_static(const char *name);
/* cpu-props.c: names of features that the host lacks, an array. */
JsonValue *x86_model_unavailable(const X86CpuModel *m);

#endif
