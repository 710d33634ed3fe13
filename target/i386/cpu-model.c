/*
 * CPU models: from the text of -cpu to what CPUID tells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"

#include "target/i386/xsave.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

/* Bits of leaf 1 EDX that AMD repeats in 0x80000001 EDX: APM volume 3. */
#define AMD_EDX_COPIES    0x0183f3ffU
#define MODEL_TYPE_FMT    "%s-x86_64-cpu"
#define PHYS_BITS_DEFAULT 40

#define XCR0_BASE ((uint64_t)X86_XCR0_X87 | X86_XCR0_SSE)
#define XCR0_AVX  ((uint64_t)X86_XCR0_AVX)
#define XCR0_MPX  ((uint64_t)X86_XCR0_BNDREGS | X86_XCR0_BNDCSR)
#define XCR0_AVX512 \
    ((uint64_t)X86_XCR0_OPMASK | X86_XCR0_ZMM_HI256 | X86_XCR0_HI16_ZMM)
#define XCR0_PKRU ((uint64_t)X86_XCR0_PKRU)
#define XCR0_AMX  ((uint64_t)X86_XCR0_XTILECFG | X86_XCR0_XTILEDATA)

#define KVM_SIGNATURE_WORDS 0x0100007bU /* see model_kvm_defaults() */

static uint32_t feature_mask(unsigned feature)
{
    return 1U << (feature & 31);
}

bool x86_cpu_model_has(const X86CpuModel *m, unsigned feature)
{
    return m->words[feature >> 8] & feature_mask(feature);
}

/* "EPYC" is "EPYC-v1": machine types up to 7.2 pick the first version. */
static const X86ModelDef *model_def_find(const char *name)
{
    for (unsigned i = 0; i < x86_nmodel_defs; i++) {
        const X86ModelDef *d = &x86_model_defs[i];
        size_t len = strlen(d->name) - 3;

        if (g_str_equal(name, d->name) ||
            (d->alias && g_str_equal(name, d->alias)) ||
            (g_str_has_suffix(d->name, "-v1") && strlen(name) == len &&
             !strncmp(name, d->name, len))) {
            return d;
        }
    }
    return NULL;
}

static void model_from_def(X86CpuModel *m, const X86ModelDef *d)
{
    m->def = d;
    g_strlcpy(m->vendor, d->vendor, sizeof(m->vendor));
    g_strlcpy(m->model_id, d->model_id, sizeof(m->model_id));
    m->family = d->family;
    m->model = d->model;
    m->stepping = d->stepping;
    m->level = m->min_level = d->level;
    m->xlevel = m->min_xlevel = d->xlevel;
    m->func7 = d->func7;
    m->cache = d->cache;
    memcpy(m->words, d->words, sizeof(m->words));
    m->words[X86_FEAT_1_ECX] |= feature_mask(X86_F_HYPERVISOR);
    if (m->words[X86_FEAT_7_1_EAX]) {
        m->func7 = 1; /* stays, though a host may have none of the subleaf */
    }
}

static X86CpuModel *model_new(const char *name, GError **errp)
{
    const X86ModelDef *d = model_def_find(name);
    bool special = g_str_equal(name, "base") || g_str_equal(name, "max") ||
                   g_str_equal(name, "host");
    X86CpuModel *m;

    if (!d && !special) {
        error_setf(errp, "unable to find CPU model '%s'", name);
        return NULL;
    }
    m = g_new0(X86CpuModel, 1);
    m->name = g_strdup(name);
    m->type_name = g_strdup_printf(MODEL_TYPE_FMT, name);
    m->check = m->migratable = m->expose_kvm = m->l3_cache = true;
    if (d) {
        model_from_def(m, d);
    } else {
        m->is_host = g_str_equal(name, "host");
        m->is_max = m->is_host || g_str_equal(name, "max");
    }
    return m;
}

/* "+feat" and "-feat" count after everything with "=", "-" after "+". */
static bool model_parse_options(X86CpuModel *m, char **opts, GError **errp)
{
    static const char order[] = "=+-";

    for (const char *o = order; *o; o++) {
        for (unsigned i = 0; opts[i]; i++) {
            char *key = opts[i];
            char kind = *key == '+' || *key == '-' ? *key : '=';
            char *val = kind == '=' ? strchr(key, '=') : NULL;

            if (kind != *o) {
                continue;
            }
            if (!*key) {
                error_setf(errp, "CPU model '%s': empty property name",
                           m->name);
                return false;
            }
            if (val) {
                *val++ = '\0';
            } else if (kind != '=') {
                key++;
                val = kind == '+' ? (char *)"on" : (char *)"off";
            }
            if (!x86_model_set_option(m, key, val, errp)) {
                return false;
            }
        }
    }
    return true;
}

X86CpuModel *x86_cpu_model_parse(const char *text, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    X86CpuModel *m = model_new(parts[0] ? parts[0] : "", errp);

    if (m && parts[0] && !model_parse_options(m, parts + 1, errp)) {
        x86_cpu_model_free(m);
        return NULL;
    }
    return m;
}

void x86_cpu_model_free(X86CpuModel *m)
{
    if (m) {
        g_free(m->name);
        g_free(m->type_name);
        g_free(m);
    }
}

static void model_vendor_from(char vendor[13], const uint32_t regs[4])
{
    stl_le_p(vendor, regs[1]);
    stl_le_p(vendor + 4, regs[3]);
    stl_le_p(vendor + 8, regs[2]);
    vendor[12] = '\0';
}

/* What the host's CPU is called; SDM volume 2A, CPUID. */
static void model_from_host(X86CpuModel *m, const X86CpuSupport *s)
{
    uint32_t r[4];

    if (!m->family_set || !m->model_set || !m->stepping_set) {
        s->cpuid(1, 0, r);
        if (!m->family_set) {
            m->family = (r[0] >> 8) & 15;
            m->family += m->family == 15 ? (r[0] >> 20) & 0xff : 0;
        }
        if (!m->model_set) {
            m->model = ((r[0] >> 4) & 15) | ((r[0] >> 12) & 0xf0);
        }
        if (!m->stepping_set) {
            m->stepping = r[0] & 15;
        }
    }
    if (!m->model_id_set) {
        for (unsigned i = 0; i < 3; i++) {
            s->cpuid(0x80000002 + i, 0, r);
            memcpy(m->model_id + 16 * i, r, 16);
        }
        m->model_id[48] = '\0';
    }
}

static uint32_t named_bits(X86FeatureWord w)
{
    uint32_t mask = 0;

    for (unsigned b = 0; b < 32; b++) {
        mask |= x86_features[w].names[b] ? 1U << b : 0;
    }
    return mask;
}

/* Without an accelerator (qtest) nothing runs, so nothing is lacking. */
static bool model_expand_max(X86CpuModel *m, const X86CpuSupport *s,
                             GError **errp)
{
    if (m->is_host && (!s || !s->host_cpuid)) {
        error_setf(errp, "CPU model 'host' requires KVM");
        return false;
    }
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        /* Bits without a name may need state that nobody migrates. */
        m->words[w] = s ? s->words[w] & (m->migratable ? named_bits(w) : ~0U)
                        : named_bits(w);
    }
    if (m->migratable) {
        m->words[X86_FEAT_8000_0007_EDX] &= ~feature_mask(X86_F_INVTSC);
    }
    /* Off unless asked for: it fakes a topology. */
    m->words[X86_FEAT_8000_0001_ECX] &= ~feature_mask(X86_F_TOPOEXT);
    m->words[X86_FEAT_KVM_HINTS] = 0;
    if (s) {
        m->min_level = s->level;
        m->min_xlevel = s->xlevel;
    }
    if (s && s->host_cpuid && s->cpuid) {
        model_from_host(m, s);
        m->host_phys_bits |= !m->phys_bits;
        return true;
    }
    m->family = m->family_set ? m->family : 6;
    m->model = m->model_set ? m->model : 6;
    m->stepping = m->stepping_set ? m->stepping : 3;
    if (!m->vendor_set) {
        g_strlcpy(m->vendor, "AuthenticAMD", sizeof(m->vendor));
    }
    if (!m->model_id_set) {
        g_snprintf(m->model_id, sizeof(m->model_id), "QEMU %s CPU version 2.5+",
                   s ? s->accel : "qtest");
    }
    return true;
}

/*
 * What every guest gets or misses under KVM, whatever its model says: the
 * clocks, asynchronous page faults, stolen time and cheap end-of-interrupt
 * of the paravirtual interface; x2APIC; and nothing that would need help.
 */
static void model_kvm_defaults(X86CpuModel *m)
{
    static const unsigned off[] = {
        X86_FEATURE(X86_FEAT_1_EDX, 22), /* acpi */
        X86_FEATURE(X86_FEAT_1_ECX, 3),  /* monitor */
        X86_F_SVM,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(off); i++) {
        m->words[off[i] >> 8] &= ~feature_mask(off[i]);
    }
    m->words[X86_FEAT_KVM] |= KVM_SIGNATURE_WORDS;
    m->words[X86_FEAT_1_ECX] |= feature_mask(X86_F_X2APIC);
}

static void model_apply_user(X86CpuModel *m)
{
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        m->words[w] |= m->plus[w];
        m->words[w] &= ~m->minus[w];
    }
}

/* Words that mean nothing without a feature; and AVX and more need XSAVE. */
static void model_apply_dependencies(X86CpuModel *m)
{
    static const struct {
        unsigned on;
        X86FeatureWord word;
        uint32_t mask;
    } deps[] = {
        { X86_F_XSAVE, X86_FEAT_XSAVE, UINT32_MAX },
        { X86_F_XSAVE, X86_FEAT_1_ECX, BIT(28) | BIT(12) | BIT(29) },
        { X86_F_AVX, X86_FEAT_7_0_EBX, BIT(5) | BIT(16) },
        { X86_F_AVX512F, X86_FEAT_7_0_EBX,
          BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31) },
        { X86_F_AVX512F, X86_FEAT_7_0_ECX,
          BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14) },
        { X86_F_AVX512F, X86_FEAT_7_0_EDX, BIT(2) | BIT(3) | BIT(8) | BIT(23) },
        { X86_F_ARCH_CAPABILITIES, X86_FEAT_ARCH_CAPABILITIES, UINT32_MAX },
        { X86_FEATURE(X86_FEAT_7_0_EDX, 30), X86_FEAT_CORE_CAPABILITY,
          UINT32_MAX },
        { X86_F_SVM, X86_FEAT_SVM, UINT32_MAX },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(deps); i++) {
        if (!x86_cpu_model_has(m, deps[i].on)) {
            uint32_t asked =
                m->words[deps[i].word] & deps[i].mask & m->plus[deps[i].word];

            for (unsigned b = 0; m->check && b < 32; b++) {
                if (asked & (1U << b)) {
                    g_autofree char *t = x86_feature_describe(deps[i].word, b);

                    log_warn("This feature depends on other features that "
                             "were not requested: %s",
                             t);
                }
            }
            m->words[deps[i].word] &= ~deps[i].mask;
        }
    }
}

/* Components of XCR0 follow from features: SDM volume 1, 13.1. */
static uint64_t model_wanted_xcr0(const X86CpuModel *m)
{
    static const struct {
        unsigned on;
        uint64_t comps;
    } need[] = {
        { X86_F_AVX, XCR0_AVX },
        { X86_F_MPX, XCR0_MPX },
        { X86_F_AVX512F, XCR0_AVX512 },
        { X86_F_PKU, XCR0_PKRU },
        { X86_FEATURE(X86_FEAT_7_0_EDX, 24), XCR0_AMX },
    };
    uint64_t xcr0 = XCR0_BASE;

    if (!x86_cpu_model_has(m, X86_F_XSAVE)) {
        return 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(need); i++) {
        if (x86_cpu_model_has(m, need[i].on)) {
            xcr0 |= need[i].comps;
        }
    }
    return xcr0;
}

static void model_warn_missing(const X86CpuSupport *s, X86FeatureWord w,
                               uint32_t bits)
{
    for (unsigned b = 0; b < 32; b++) {
        if (bits & (1U << b)) {
            g_autofree char *t = x86_feature_describe(w, b);

            log_warn("%s doesn't support requested feature: %s", s->accel, t);
        }
    }
}

static bool model_filter(X86CpuModel *m, const X86CpuSupport *s, GError **errp)
{
    bool missing = false;

    if (!s) {
        return true;
    }
    m->words[X86_FEAT_XCR0_LO] = model_wanted_xcr0(m);
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        uint32_t can = s->words[w];
        uint32_t bad;

        if (w == X86_FEAT_XCR0_LO) {
            can = s->xcr0 | XCR0_BASE;
        }
        bad = m->words[w] & ~can;
        missing |= bad != 0;
        m->lacking[w] = bad;
        if (m->check || m->enforce) {
            model_warn_missing(s, w, bad);
        }
        m->words[w] &= can;
    }
    if (missing && m->enforce) {
        error_setf(errp, "%s doesn't support requested features",
                   g_str_equal(s->accel, "host") ? "Host" : s->accel);
        return false;
    }
    return true;
}

static void model_derive_xcr0(X86CpuModel *m, const X86CpuSupport *s)
{
    m->xss = 0;
    m->words[X86_FEAT_XSS_LO] = 0;
    m->xcr0 = model_wanted_xcr0(m);
    if (s && m->xcr0) {
        m->xcr0 &= s->xcr0 | XCR0_BASE;
    }
    m->words[X86_FEAT_XCR0_LO] = m->xcr0;
    m->words[X86_FEAT_XCR0_HI] = m->xcr0 >> 32;
    if (s && s->xsave.total) {
        m->xsave = s->xsave;
    } else {
        x86_xsave_layout_default(&m->xsave, m->xcr0);
    }
}

/* Leaves that have content must be within the levels, unless those are set. */
static void model_raise_levels(X86CpuModel *m)
{
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        const X86FeatureInfo *f = &x86_features[w];

        if (!m->words[w] || f->is_msr) {
            continue;
        }
        if (f->leaf < 0x40000000) {
            m->min_level = MAX(m->min_level, f->leaf);
        } else if (f->leaf >> 28 == 8) {
            m->min_xlevel = MAX(m->min_xlevel, f->leaf);
        } else if (f->leaf >> 28 == 12) {
            m->xlevel2 = MAX(m->xlevel2, f->leaf);
        }
    }
    m->level = m->level_set ? m->level : m->min_level;
    m->xlevel = m->xlevel_set ? m->xlevel : m->min_xlevel;
    if (m->words[X86_FEAT_7_1_EAX]) {
        m->func7 = MAX(m->func7, 1);
    }
}

static bool model_check_phys_bits(X86CpuModel *m, const X86CpuSupport *s,
                                  GError **errp)
{
    if (!x86_cpu_model_has(m, X86_F_LM)) {
        /* PSE-36 and PAE: SDM volume 3, 4.3 and 4.4. */
        if (m->phys_bits) {
            error_setf(errp, "phys-bits is not user-configurable in 32 bit");
            return false;
        }
        m->phys_bits =
            x86_cpu_model_has(m, X86_FEATURE(X86_FEAT_1_EDX, 17)) ? 36 : 32;
        return true;
    }
    if (m->host_phys_bits && !m->phys_bits && s && s->phys_bits) {
        m->phys_bits = s->phys_bits;
        if (m->host_phys_bits_limit) {
            m->phys_bits = MIN(m->phys_bits, m->host_phys_bits_limit);
        }
    }
    if (m->phys_bits && (m->phys_bits < 32 || m->phys_bits > 52)) {
        error_setf(errp, "phys-bits should be between 32 and 52  (but is %u)",
                   m->phys_bits);
        return false;
    }
    if (!m->phys_bits) {
        m->phys_bits = PHYS_BITS_DEFAULT;
    }
    return true;
}

bool x86_model_expand(X86CpuModel *m, const X86CpuSupport *support,
                      GError **errp)
{
    if (m->is_max && !model_expand_max(m, support, errp)) {
        return false;
    }
    m->has_host = support && support->host_cpuid;
    m->is_kvm = support && support->kvm_leaves;
    if (m->has_host && support->cpuid && !m->vendor_set) {
        uint32_t r[4];

        /* The guest runs on the host's CPU, whose vendor decides on details
         * of SYSENTER and SYSCALL that no emulation hides. */
        support->cpuid(0, 0, r);
        model_vendor_from(m->vendor, r);
    }
    if (m->is_kvm && m->def) {
        model_kvm_defaults(m);
    } else if (support && m->def) {
        m->words[X86_FEAT_1_EDX] &= ~(uint32_t)BIT(1); /* vme */
        m->words[X86_F_SVM >> 8] &= ~feature_mask(X86_F_SVM);
    }
    model_apply_user(m);
    model_apply_dependencies(m);
    if (!m->expose_kvm) {
        m->words[X86_FEAT_KVM] = m->words[X86_FEAT_KVM_HINTS] = 0;
    }
    /* By what the model says, whatever of it the host lacks. */
    model_raise_levels(m);
    return true;
}

bool x86_cpu_model_realize(X86CpuModel *m, const X86CpuSupport *support,
                           GError **errp)
{
    if (m->realized) {
        return true;
    }
    if (!x86_model_expand(m, support, errp) ||
        !model_filter(m, support, errp) ||
        !model_check_phys_bits(m, support, errp)) {
        return false;
    }
    model_apply_dependencies(m);
    m->words[X86_FEAT_8000_0001_EDX] &= ~AMD_EDX_COPIES;
    if (x86_model_is_amd(m)) {
        m->words[X86_FEAT_8000_0001_EDX] |=
            m->words[X86_FEAT_1_EDX] & AMD_EDX_COPIES;
    }
    model_derive_xcr0(m, support);
    model_raise_levels(m);
    m->realized = true;
    return true;
}

const char *x86_cpu_model_name(const X86CpuModel *m)
{
    return m->name;
}

const char *x86_cpu_model_type_name(const X86CpuModel *m)
{
    return m->type_name;
}

const char *x86_cpu_model_vendor(const X86CpuModel *m)
{
    return m->vendor;
}

uint32_t x86_cpu_model_word(const X86CpuModel *m, X86FeatureWord w)
{
    return m->words[w];
}

unsigned x86_cpu_model_phys_bits(const X86CpuModel *m)
{
    return m->phys_bits;
}

bool x86_cpu_model_is_kvm(const X86CpuModel *m)
{
    return m->is_kvm;
}

bool x86_cpu_model_migratable(const X86CpuModel *m)
{
    return !x86_cpu_model_has(m, X86_F_INVTSC) || m->tsc_hz;
}

uint64_t x86_cpu_model_xcr0(const X86CpuModel *m)
{
    return m->xcr0;
}

uint64_t x86_cpu_model_xss(const X86CpuModel *m)
{
    return m->xss;
}

const X86XsaveLayout *x86_cpu_model_xsave(const X86CpuModel *m)
{
    return &m->xsave;
}

uint64_t x86_cpu_model_tsc_hz(const X86CpuModel *m)
{
    return m->tsc_hz;
}

bool x86_cpu_model_expose_kvm(const X86CpuModel *m)
{
    return m->expose_kvm && m->is_kvm;
}

bool x86_cpu_model_pmu(const X86CpuModel *m)
{
    return false; /* pmu=on is refused: its counters aren't in the state yet */
}

uint32_t x86_cpu_model_level(const X86CpuModel *m)
{
    return m->level;
}

uint32_t x86_cpu_model_xlevel(const X86CpuModel *m)
{
    return m->xlevel;
}
