/*
 * Options of -cpu: features and numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"

#include "qom/known-props.h"
#include "util/cutils.h"
#include "util/error.h"

/* The rate is kept in kHz in 32 bits by the kernel. */
#define TSC_HZ_MAX 2e12

typedef struct CpuNumber {
    const char *name, *type; /* in QOM */
    size_t offset;           /* uint32_t in X86CpuModel */
    size_t set_offset;       /* bool that notes it was given; 0: none */
    uint64_t max;
} CpuNumber;

#define FIELD(f) offsetof(X86CpuModel, f)

/* Family: 15 + 255, model: 8 bits (SDM volume 2A, CPUID leaf 1). */
static const CpuNumber numbers[] = {
    { "family", "int", FIELD(family), FIELD(family_set), 270 },
    { "model", "int", FIELD(model), FIELD(model_set), 255 },
    { "stepping", "int", FIELD(stepping), FIELD(stepping_set), 15 },
    { "level", "uint32", FIELD(level), FIELD(level_set), UINT32_MAX },
    { "xlevel", "uint32", FIELD(xlevel), FIELD(xlevel_set), UINT32_MAX },
    { "xlevel2", "uint32", FIELD(xlevel2), 0, UINT32_MAX },
    { "phys-bits", "uint32", FIELD(phys_bits), 0, UINT32_MAX },
    { "host-phys-bits-limit", "uint8", FIELD(host_phys_bits_limit), 0,
      UINT8_MAX },
};

static const struct {
    const char *name;
    size_t offset;
} switches[] = {
    { "check", FIELD(check) },
    { "enforce", FIELD(enforce) },
    { "migratable", FIELD(migratable) },
    { "kvm", FIELD(expose_kvm) },
    { "l3-cache", FIELD(l3_cache) },
    { "host-phys-bits", FIELD(host_phys_bits) },
};

/* Options of others that have one value here: (name, that value). */
static const struct {
    const char *name;
    bool value;
} fixed[] = {
    { "pmu", false },
    { "lmce", false },
    { "host-cache-info", false },
    { "fill-mtrr-mask", true },
    { "cpuid-0xb", true },
    { "full-cpuid-auto-level", true },
    { "tcg-cpuid", true },
    { "vmware-cpuid-freq", true },
    { "x-vendor-cpuid-only", true },
    { "x-migrate-smi-count", true },
    { "kvm-no-smi-migration", false },
    { "kvm-pv-enforce-cpuid", false },
    { "x-force-features", false },
    { "hotpluggable", true },
    { "start-powered-off", false },
};

static const char *type_name(const X86CpuModel *m)
{
    return m->type_name;
}

static bool get_bool(const char *key, const char *val, bool *ret, GError **errp)
{
    if (!val || g_str_equal(val, "on") || g_str_equal(val, "yes") ||
        g_str_equal(val, "true") || g_str_equal(val, "y")) {
        *ret = true;
        return true;
    }
    if (g_str_equal(val, "off") || g_str_equal(val, "no") ||
        g_str_equal(val, "false") || g_str_equal(val, "n")) {
        *ret = false;
        return true;
    }
    error_setf(errp, "Parameter '%s' expects 'on' or 'off'", key);
    return false;
}

static bool set_number(X86CpuModel *m, const CpuNumber *n, const char *val,
                       GError **errp)
{
    uint64_t v;

    if (!val || !parse_uint(n->name, val, 0, UINT64_MAX, &v, NULL)) {
        error_setf(errp, "Parameter '%s' expects a number", n->name);
        return false;
    }
    if (v > n->max) {
        error_setf(errp,
                   "Property %s.%s doesn't take value %" PRIu64
                   " (minimum: 0, maximum: %" PRIu64 ")",
                   type_name(m), n->name, v, n->max);
        return false;
    }
    *(uint32_t *)((char *)m + n->offset) = v;
    if (n->set_offset) {
        *((bool *)((char *)m + n->set_offset)) = true;
    }
    return true;
}

static bool set_text(X86CpuModel *m, const char *key, const char *val,
                     GError **errp)
{
    if (g_str_equal(key, "vendor")) {
        if (!val || strlen(val) != sizeof(m->vendor) - 1) {
            error_setf(errp, "Property '%s.vendor' doesn't take value '%s'",
                       type_name(m), val ? val : "");
            return false;
        }
        g_strlcpy(m->vendor, val, sizeof(m->vendor));
        m->vendor_set = true;
        return true;
    }
    if (!val || strlen(val) >= sizeof(m->model_id)) {
        error_setf(errp,
                   "Property '%s.model-id' doesn't take value '%s': "
                   "longer than %zu characters",
                   type_name(m), val ? val : "", sizeof(m->model_id) - 1);
        return false;
    }
    memset(m->model_id, 0, sizeof(m->model_id));
    g_strlcpy(m->model_id, val, sizeof(m->model_id));
    m->model_id_set = true;
    return true;
}

/* Hertz, with decimal suffixes as frequencies have them. */
static bool set_tsc_frequency(X86CpuModel *m, const char *val, GError **errp)
{
    char *end = NULL;
    double d = val ? g_ascii_strtod(val, &end) : 0;
    double unit = 1;

    if (end && *end) {
        static const char suffix[] = "kmg";
        const char *s = strchr(suffix, g_ascii_tolower(*end));

        for (const char *p = suffix; s && p <= s; p++) {
            unit *= 1000;
        }
        end += s ? 1 : 0;
    }
    if (!val || !*val || end == val || *end || !(d >= 0) ||
        d * unit > TSC_HZ_MAX) {
        error_setf(errp, "Property '%s.tsc-frequency' doesn't take value '%s'",
                   type_name(m), val ? val : "");
        return false;
    }
    m->tsc_hz = d * unit;
    return true;
}

static bool set_fixed(X86CpuModel *m, size_t i, const char *val, GError **errp)
{
    bool v;

    if (!get_bool(fixed[i].name, val, &v, errp)) {
        return false;
    }
    if (v != fixed[i].value) {
        error_setf(errp, "Property '%s.%s': %s is not supported", type_name(m),
                   fixed[i].name, v ? "on" : "off");
        return false;
    }
    return true;
}

static bool set_legacy_cache(X86CpuModel *m, const char *val, GError **errp)
{
    bool v;

    if (!get_bool("legacy-cache", val, &v, errp)) {
        return false;
    }
    if (!v && m->cache == X86_CACHE_LEGACY) {
        error_setf(errp, "CPU model '%s' doesn't support legacy-cache=off",
                   m->name);
        return false;
    }
    if (v) {
        m->cache = X86_CACHE_LEGACY;
    }
    return true;
}

/* Names that stand for what isn't there: "off" is all they can be. */
static bool set_missing(X86CpuModel *m, const char *key, const char *val,
                        GError **errp)
{
    bool v;

    if (g_str_has_prefix(key, "hv-") || g_str_has_prefix(key, "hv_")) {
        if (val && (g_str_equal(val, "off") || g_str_equal(val, "no"))) {
            return true;
        }
        error_setf(errp,
                   "Property '%s.%s': Hyper-V enlightenments are not "
                   "supported",
                   type_name(m), key);
        return false;
    }
    if (!get_bool(key, val, &v, errp)) {
        return false;
    }
    if (v) {
        error_setf(errp, "Property '%s.%s': not supported", type_name(m), key);
        return false;
    }
    return true;
}

static bool set_feature(X86CpuModel *m, const char *key, const char *val,
                        GError **errp)
{
    X86FeatureWord w;
    uint32_t mask;
    bool on;

    if (!x86_feature_find(key, &w, &mask)) {
        if (x86_feature_is_missing(key) || g_str_has_prefix(key, "hv-") ||
            g_str_has_prefix(key, "hv_")) {
            return set_missing(m, key, val, errp);
        }
        object_prop_missing(type_name(m), key, errp);
        return false;
    }
    if (!get_bool(key, val, &on, errp)) {
        return false;
    }
    if (on) {
        m->plus[w] |= mask;
        m->minus[w] &= ~mask;
    } else {
        m->minus[w] |= mask;
        m->plus[w] &= ~mask;
    }
    return true;
}

bool x86_model_set_option(X86CpuModel *m, const char *key, const char *val,
                          GError **errp)
{
    static const char *const of_max[] = { "migratable", "host-cache-info",
                                          NULL };

    if (!m->is_max && g_strv_contains(of_max, key)) {
        object_prop_missing(type_name(m), key, errp);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (g_str_equal(key, numbers[i].name)) {
            return set_number(m, &numbers[i], val, errp);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (g_str_equal(key, switches[i].name)) {
            return get_bool(key, val, (bool *)((char *)m + switches[i].offset),
                            errp);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (g_str_equal(key, fixed[i].name)) {
            return set_fixed(m, i, val, errp);
        }
    }
    if (g_str_equal(key, "vendor") || g_str_equal(key, "model-id") ||
        g_str_equal(key, "model_id")) {
        return set_text(m, g_str_equal(key, "vendor") ? key : "model-id", val,
                        errp);
    }
    if (g_str_equal(key, "tsc-frequency") || g_str_equal(key, "tsc-freq") ||
        g_str_equal(key, "tsc_freq")) {
        return set_tsc_frequency(m, val, errp);
    }
    if (g_str_equal(key, "legacy-cache")) {
        return set_legacy_cache(m, val, errp);
    }
    return set_feature(m, key, val, errp);
}

JsonValue *x86_model_get_option(const X86CpuModel *m, const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (g_str_equal(key, numbers[i].name)) {
            return json_uint_new(
                *(const uint32_t *)((const char *)m + numbers[i].offset));
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (g_str_equal(key, switches[i].name)) {
            return json_bool_new(
                *((const bool *)((const char *)m + switches[i].offset)));
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (g_str_equal(key, fixed[i].name)) {
            return json_bool_new(fixed[i].value);
        }
    }
    return NULL;
}

void x86_model_foreach_option(X86CpuPropFn *fn, void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        fn(numbers[i].name, numbers[i].type, opaque);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        fn(switches[i].name, "bool", opaque);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        fn(fixed[i].name, "bool", opaque);
    }
}
