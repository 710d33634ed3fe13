/*
 * What QOM shows of a CPU model: feature words, every feature by its name,
 * levels, identification and the options of -cpu, after all was resolved and
 * filtered.  Names and types were learnt by asking the 7.2 of Debian
 * (qom-list and qom-get of a CPU).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"

#include "target/i386/cpu-features.h"

/* Features in the spellings of old, which 7.2 lists too. */
static const char *const spellings[] = {
    "cmp_legacy",       "ds_cpl",       "ffxsr",
    "fxsr_opt",         "i64",          "kvm_asyncpf",
    "kvm_asyncpf_int",  "kvm_mmu",      "kvm_nopiodelay",
    "kvm_poll_control", "kvm_pv_eoi",   "kvm_pv_unhalt",
    "kvm_steal_time",   "lahf_lm",      "nodeid_msr",
    "nrip_save",        "pause_filter", "pclmuldq",
    "perfctr_core",     "perfctr_nb",   "sse3",
    "sse4-1",           "sse4-2",       "sse4_1",
    "sse4_2",           "svm_lock",     "tsc_adjust",
    "tsc_scale",        "vmcb_clean",   "xd",
};

/* Switches of Hyper-V's enlightenments: all are off here. */
static const char *const hyperv[] = {
    "hv-apicv",
    "hv-avic",
    "hv-crash",
    "hv-emsr-bitmap",
    "hv-enforce-cpuid",
    "hv-evmcs",
    "hv-frequencies",
    "hv-ipi",
    "hv-passthrough",
    "hv-reenlightenment",
    "hv-relaxed",
    "hv-reset",
    "hv-runtime",
    "hv-stimer",
    "hv-stimer-direct",
    "hv-syndbg",
    "hv-synic",
    "hv-time",
    "hv-tlbflush",
    "hv-tlbflush-direct",
    "hv-tlbflush-ext",
    "hv-vapic",
    "hv-vpindex",
    "hv-xmm-input",
    NULL,
};

static JsonValue *word_list(const uint32_t *words)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
    JsonValue *list = json_array_new();

    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        const X86FeatureInfo *f = &x86_features[w];
        JsonValue *o;

        if (f->is_msr) {
            continue;
        }
        o = json_object_new();
        json_object_set_string(o, "cpuid-register", regs[f->reg]);
        if (f->has_subleaf) {
            json_object_set_uint(o, "cpuid-input-ecx", f->subleaf);
        }
        json_object_set_uint(o, "cpuid-input-eax", f->leaf);
        json_object_set_uint(o, "features", words[w]);
        json_array_add(list, o);
    }
    return list;
}

static JsonValue *get_feature_words(const X86CpuModel *m)
{
    return word_list(m->words);
}

static JsonValue *get_filtered_features(const X86CpuModel *m)
{
    return word_list(m->lacking);
}

JsonValue *x86_model_unavailable(const X86CpuModel *m)
{
    JsonValue *list = json_array_new();

    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            const char *n = x86_features[w].names[b];

            if ((m->lacking[w] & (1U << b)) && n) {
                json_array_add(list, json_string_new(n));
            }
        }
    }
    return list;
}

static JsonValue *get_vendor(const X86CpuModel *m)
{
    return json_string_new(m->vendor);
}

static JsonValue *get_model_id(const X86CpuModel *m)
{
    return json_string_new(m->model_id);
}

static JsonValue *get_level_func7(const X86CpuModel *m)
{
    return json_uint_new(m->func7);
}

static JsonValue *get_min_level(const X86CpuModel *m)
{
    return json_uint_new(m->min_level);
}

static JsonValue *get_min_xlevel(const X86CpuModel *m)
{
    return json_uint_new(m->min_xlevel);
}

static JsonValue *get_legacy_cache(const X86CpuModel *m)
{
    return json_bool_new(m->cache == X86_CACHE_LEGACY);
}

static const struct {
    const char *name, *type;
    JsonValue *(*get)(const X86CpuModel *m);
} specials[] = {
    { "feature-words", "X86CPUFeatureWordInfo", get_feature_words },
    { "filtered-features", "X86CPUFeatureWordInfo", get_filtered_features },
    { "unavailable-features", "strList", x86_model_unavailable },
    { "vendor", "string", get_vendor },
    { "model-id", "string", get_model_id },
    { "level-func7", "uint32", get_level_func7 },
    { "min-level", "uint32", get_min_level },
    { "min-xlevel", "uint32", get_min_xlevel },
    { "legacy-cache", "bool", get_legacy_cache },
};

bool x86_model_prop_is_static(const char *name)
{
    static const char *const identity[] = {
        "family",    "model",      "stepping", "vendor", "model-id",
        "min-level", "min-xlevel", "lmce",     NULL
    };
    X86FeatureWord w;
    uint32_t mask;

    for (size_t i = 0; i < G_N_ELEMENTS(spellings); i++) {
        if (g_str_equal(name, spellings[i])) {
            return false;
        }
    }
    return g_strv_contains(identity, name) ||
           x86_feature_find(name, &w, &mask) || x86_feature_is_missing(name);
}

/* A name may stand in two words (kvmclock) or twice in one. */
static bool is_first_of_name(unsigned word, unsigned bit)
{
    const char *name = x86_features[word].names[bit];

    for (unsigned w = 0; w <= word; w++) {
        for (unsigned b = 0; b < (w == word ? bit : 32); b++) {
            const char *n = x86_features[w].names[b];

            if (n && g_str_equal(n, name)) {
                return false;
            }
        }
    }
    return true;
}

void x86_cpu_model_foreach_prop(X86CpuPropFn *fn, void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(specials); i++) {
        fn(specials[i].name, specials[i].type, opaque);
    }
    x86_model_foreach_option(fn, opaque);
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_features[w].names[b] && is_first_of_name(w, b)) {
                fn(x86_features[w].names[b], "bool", opaque);
            }
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(spellings); i++) {
        fn(spellings[i], "bool", opaque);
    }
    for (size_t i = 0; i < x86_nmissing_features; i++) {
        fn(x86_missing_features[i], "bool", opaque);
    }
    for (size_t i = 0; hyperv[i]; i++) {
        fn(hyperv[i], "bool", opaque);
    }
}

JsonValue *x86_cpu_model_prop(const X86CpuModel *m, const char *name)
{
    JsonValue *val;
    X86FeatureWord w;
    uint32_t mask;

    for (size_t i = 0; i < G_N_ELEMENTS(specials); i++) {
        if (g_str_equal(name, specials[i].name)) {
            return specials[i].get(m);
        }
    }
    val = x86_model_get_option(m, name);
    if (!val && x86_feature_find(name, &w, &mask)) {
        val = json_bool_new((m->words[w] & mask) == mask);
    }
    if (!val &&
        (x86_feature_is_missing(name) || g_strv_contains(hyperv, name))) {
        val = json_bool_new(false);
    }
    return val;
}
