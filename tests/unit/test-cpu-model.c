/*
 * Unit test: CPU models, their features and CPUID.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-features.h"
#include "target/i386/cpu.h"
#include "util/error.h"

/* An accelerator that can do everything, or what a test takes away. */
static X86CpuSupport all_support(void)
{
    X86CpuSupport s = {
        .accel = "TCG",
        .xcr0 = 0xe7,
        .level = 0xd,
        .xlevel = 0x8000000a,
    };

    memset(s.words, 0xff, sizeof(s.words));
    return s;
}

static X86CpuModel *model(const char *text, const X86CpuSupport *s)
{
    g_autoptr(GError) err = NULL;
    X86CpuModel *m = x86_cpu_model_parse(text, &err);

    g_assert_no_error(err);
    x86_cpu_model_realize(m, s, &err);
    g_assert_no_error(err);
    return m;
}

static void assert_leaf(const X86Cpu *cpu, uint32_t leaf, uint32_t sub,
                        uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t r[4];

    x86_cpu_cpuid(cpu, leaf, sub, r);
    if (r[0] != a || r[1] != b || r[2] != c || r[3] != d) {
        g_test_message("leaf %x.%x: %08x %08x %08x %08x", leaf, sub, r[0], r[1],
                       r[2], r[3]);
        g_test_fail();
    }
}

/* Every row can be realized by its name and, if the first, without version */
static void test_all_models(void)
{
    g_autoptr(JsonValue) list = x86_cpu_models_json(NULL);
    X86CpuSupport s = all_support();
    unsigned n = 0;

    for (size_t i = 0; i < json_array_len(list); i++) {
        const char *name =
            json_get_string(json_object_get(json_array_at(list, i), "name"));
        X86CpuModel *m;

        if (g_str_equal(name, "host")) {
            continue;
        }
        m = model(name, &s);
        g_assert_cmpstr(x86_cpu_model_name(m), ==, name);
        x86_cpu_model_free(m);
        n++;
    }
    g_assert_cmpint(n, >, 120);
}

/* As a 7.2 program gives it to a guest under KVM on an AMD host. */
static void test_epyc_leaves(void)
{
    static const X86Topology topo = { .dies = 2, .cores = 2, .threads = 2 };
    X86CpuModel *m = model("EPYC,+topoext,phys-bits=45", NULL);
    X86Cpu *cpu = x86_cpu_new(m, &topo, 5, x86_topology_apic_id(&topo, 5));

    g_assert_cmpint(cpu->apic_id, ==, 5);
    assert_leaf(cpu, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
    assert_leaf(cpu, 0xb, 0, 1, 2, 0x100, 5);
    assert_leaf(cpu, 0xb, 1, 3, 4, 0x201, 5);
    assert_leaf(cpu, 0xb, 2, 0, 0, 2, 5);
    assert_leaf(cpu, 0x80000005, 0, 0x01ff01ff, 0x01ff01ff, 0x20080140,
                0x40040140);
    assert_leaf(cpu, 0x80000006, 0, 0, 0x42004200, 0x02006140, 0x00408140);
    assert_leaf(cpu, 0x80000008, 0, 0x302d, 0, 0x3003, 0);
    assert_leaf(cpu, 0x8000001d, 0, 0x4121, 0x01c0003f, 0x3f, 1);
    assert_leaf(cpu, 0x8000001d, 2, 0x4043, 0x01c0003f, 0x3ff, 0);
    assert_leaf(cpu, 0x8000001d, 3, 0xc163, 0x03c0003f, 0x1fff, 6);
    assert_leaf(cpu, 0x8000001d, 4, 0, 0, 0, 0);
    assert_leaf(cpu, 0x8000001e, 0, 5, 0x100, 0x101, 0);
    x86_cpu_free(cpu);
    x86_cpu_model_free(m);
}

/* As qtest has it: nothing is executed, and so nothing is lacking. */
static void test_max_without_accelerator(void)
{
    static const X86Topology topo = { .dies = 1, .cores = 1, .threads = 1 };
    X86CpuModel *m = model("max,phys-bits=40", NULL);
    X86Cpu *cpu = x86_cpu_new(m, &topo, 0, 0);
    uint32_t r[4];

    x86_cpu_cpuid(cpu, 1, 0, r);
    g_assert_cmphex(r[3] & 1, ==, 1);          /* FPU */
    g_assert_cmphex(r[2] & 1, ==, 1);          /* SSE3 */
    g_assert_cmphex(r[2] & (1U << 21), !=, 0); /* x2APIC */
    x86_cpu_cpuid(cpu, 7, 0, r);
    g_assert_cmphex(r[1] & (1U << 5), !=, 0); /* AVX2 */
    x86_cpu_free(cpu);
    x86_cpu_model_free(m);
}

/* As above, Intel's: caches, dies in leaf 0x1f, XSAVE in leaf 0xd. */
static void test_skylake_leaves(void)
{
    static const X86Topology topo = { .dies = 2, .cores = 2, .threads = 2 };
    X86CpuModel *m = model("Skylake-Server,-mpx,-pku", NULL);
    X86Cpu *cpu = x86_cpu_new(m, &topo, 0, 0);

    assert_leaf(cpu, 0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
    assert_leaf(cpu, 2, 0, 1, 0, 0x4d, 0x002c307d);
    assert_leaf(cpu, 4, 0, 0x04000121, 0x01c0003f, 0x3f, 1);
    assert_leaf(cpu, 4, 2, 0x04004143, 0x03c0003f, 0xfff, 1);
    assert_leaf(cpu, 4, 3, 0x0400c163, 0x03c0003f, 0x3fff, 6);
    assert_leaf(cpu, 0x1f, 1, 2, 4, 0x201, 0);
    assert_leaf(cpu, 0x1f, 2, 3, 8, 0x502, 0);
    assert_leaf(cpu, 0x1f, 3, 0, 0, 3, 0);
    assert_leaf(cpu, 0xd, 0, 0xe7, 576, 2688, 0);
    cpu->xcr0 = 7;
    assert_leaf(cpu, 0xd, 0, 0xe7, 832, 2688, 0);
    assert_leaf(cpu, 0xd, 2, 256, 576, 0, 0);
    assert_leaf(cpu, 0xd, 7, 1024, 1664, 0, 0);
    assert_leaf(cpu, 0xd, 9, 0, 0, 0, 0);
    x86_cpu_free(cpu);
    x86_cpu_model_free(m);
}

static void test_options(void)
{
    X86CpuSupport s = all_support();
    X86CpuModel *m =
        model("qemu64,+avx2,-sse3,+xsave,+avx,sse4_2=on,sse4.1,family=6,"
              "model=85,stepping=4,vendor=GenuineIntel,level=4,"
              "model-id=A CPU,tsc-frequency=2.5G",
              &s);
    X86Topology topo = { 1, 1, 1 };
    X86Cpu *cpu = x86_cpu_new(m, &topo, 0, 0);
    uint32_t r[4];

    x86_cpu_cpuid(cpu, 1, 0, r);
    g_assert_cmphex(r[0], ==, 0x00050654);
    g_assert_cmphex(r[2] & (1 << 0 | 1 << 19 | 1 << 20 | 1 << 28), ==,
                    1 << 19 | 1 << 20 | 1 << 28);
    /* Asked for beyond the level that was asked for: it is as told. */
    assert_leaf(cpu, 0, 0, 4, 0x756e6547, 0x6c65746e, 0x49656e69);
    assert_leaf(cpu, 0x80000002, 0, 0x50432041, 0x55, 0, 0);
    g_assert_cmpint(x86_cpu_model_tsc_hz(m), ==, 2500000000);
    g_assert_cmpint(cpu->user_tsc_khz, ==, 2500000);
    x86_cpu_free(cpu);
    x86_cpu_model_free(m);
}

/* "-feat" beats "+feat" beats "feat=", wherever they stand. */
static void test_option_order(void)
{
    X86CpuModel *m = model("qemu64,-aes,+aes,aes=on,+avx,avx=off,+xsave", NULL);

    g_assert_false(x86_cpu_model_has(m, X86_FEATURE(X86_FEAT_1_ECX, 25)));
    g_assert_true(x86_cpu_model_has(m, X86_F_AVX));
    x86_cpu_model_free(m);
}

static void test_bad_options(void)
{
    static const struct {
        const char *text, *message;
    } t[] = {
        { "nosuch", "unable to find CPU model 'nosuch'" },
        { "", "unable to find CPU model ''" },
        { "qemu64,+foo", "Property 'qemu64-x86_64-cpu.foo' not found" },
        { "qemu64,migratable=off",
          "Property 'qemu64-x86_64-cpu.migratable' not found" },
        { "qemu64,foo=bar", "Property 'qemu64-x86_64-cpu.foo' not found" },
        { "qemu64,,+aes", "CPU model 'qemu64': empty property name" },
        { "qemu64,aes=3", "Parameter 'aes' expects 'on' or 'off'" },
        { "qemu64,level=z", "Parameter 'level' expects a number" },
        { "qemu64,family=600",
          "Property qemu64-x86_64-cpu.family doesn't take value 600 "
          "(minimum: 0, maximum: 270)" },
        { "qemu64,vendor=x",
          "Property 'qemu64-x86_64-cpu.vendor' doesn't take value 'x'" },
        { "qemu64,hv-relaxed",
          "Property 'qemu64-x86_64-cpu.hv-relaxed': Hyper-V enlightenments "
          "are not supported" },
        { "qemu64,+vmx-ept",
          "Property 'qemu64-x86_64-cpu.vmx-ept': not supported" },
        { "qemu64,pmu=on",
          "Property 'qemu64-x86_64-cpu.pmu': on is not supported" },
        { "qemu64,tsc-frequency=fast",
          "Property 'qemu64-x86_64-cpu.tsc-frequency' doesn't take value "
          "'fast'" },
        { "qemu64,legacy-cache=off",
          "CPU model 'qemu64' doesn't support legacy-cache=off" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        X86CpuModel *m = x86_cpu_model_parse(t[i].text, &err);

        g_assert_null(m);
        g_assert_cmpstr(err->message, ==, t[i].message);
    }
}

static void test_realize_errors(void)
{
    g_autoptr(GError) err = NULL;
    X86CpuSupport s = all_support();
    X86CpuModel *m = x86_cpu_model_parse("qemu64,phys-bits=60", &err);

    g_assert_false(x86_cpu_model_realize(m, &s, &err));
    g_assert_cmpstr(err->message, ==,
                    "phys-bits should be between 32 and 52  (but is 60)");
    g_clear_error(&err);
    x86_cpu_model_free(m);

    m = x86_cpu_model_parse("host", &err);
    g_assert_false(x86_cpu_model_realize(m, &s, &err));
    g_assert_cmpstr(err->message, ==, "CPU model 'host' requires KVM");
    g_clear_error(&err);
    x86_cpu_model_free(m);

    s.words[X86_FEAT_1_ECX] &= ~(1U << 25);
    m = x86_cpu_model_parse("qemu64,+aes,enforce", &err);
    g_assert_false(x86_cpu_model_realize(m, &s, &err));
    g_assert_cmpstr(err->message, ==, "TCG doesn't support requested features");
    x86_cpu_model_free(m);

    m = model("qemu64,+aes,check=off", &s);
    g_assert_false(x86_cpu_model_has(m, X86_FEATURE(X86_FEAT_1_ECX, 25)));
    x86_cpu_model_free(m);
}

/* What KVM adds and takes away, and that kvm=off hides it. */
static void test_kvm_defaults(void)
{
    X86CpuSupport s = all_support();
    X86CpuModel *m;

    s.kvm_leaves = true;
    m = model("phenom", &s);
    g_assert_cmphex(x86_cpu_model_word(m, X86_FEAT_KVM), ==, 0x0100007b);
    g_assert_true(x86_cpu_model_has(m, X86_F_X2APIC));
    g_assert_false(x86_cpu_model_has(m, X86_F_SVM));
    g_assert_true(x86_cpu_model_expose_kvm(m));
    x86_cpu_model_free(m);
    m = model("phenom,kvm=off,+svm,-x2apic", &s);
    g_assert_cmphex(x86_cpu_model_word(m, X86_FEAT_KVM), ==, 0);
    g_assert_true(x86_cpu_model_has(m, X86_F_SVM));
    g_assert_false(x86_cpu_model_has(m, X86_F_X2APIC));
    g_assert_false(x86_cpu_model_expose_kvm(m));
    x86_cpu_model_free(m);
}

static JsonValue *unavailable_of(JsonValue *list, const char *name)
{
    for (size_t i = 0; i < json_array_len(list); i++) {
        JsonValue *o = json_array_at(list, i);

        if (g_str_equal(json_get_string(json_object_get(o, "name")), name)) {
            return json_object_get(o, "unavailable-features");
        }
    }
    g_assert_not_reached();
}

/* What KVM never gives isn't lacking; the rest is, and is named. */
static void test_unavailable(void)
{
    X86CpuSupport s = all_support();
    g_autoptr(JsonValue) list = NULL, none = NULL;
    JsonValue *found;

    s.kvm_leaves = true;
    s.words[X86_FEAT_SVM] = 0;
    s.words[X86_FEAT_8000_0001_ECX] &= ~(uint32_t)BIT(2); /* svm */
    s.words[X86_FEAT_1_ECX] &= ~(uint32_t)BIT(0);         /* pni */
    list = x86_cpu_models_json(&s);
    found = unavailable_of(list, "EPYC-v1");
    g_assert_cmpuint(json_array_len(found), ==, 1);
    g_assert_cmpstr(json_get_string(json_array_at(found, 0)), ==, "pni");
    g_assert_cmpuint(json_array_len(unavailable_of(list, "max")), ==, 0);
    /* Without an accelerator the member is there, too. */
    none = x86_cpu_models_json(NULL);
    g_assert_cmpuint(json_array_len(unavailable_of(none, "EPYC-v1")), ==, 0);
}

/* The level follows from the model, not from what the host can do of it. */
static void test_level_of_the_model(void)
{
    X86CpuSupport s = all_support();
    X86CpuModel *m = model("486,+smep,check=off", &s), *n;

    s.words[X86_FEAT_7_0_EBX] = 0;
    n = model("486,+smep,check=off", &s);
    g_assert_false(x86_cpu_model_has(n, X86_FEATURE(X86_FEAT_7_0_EBX, 7)));
    g_assert_cmpuint(x86_cpu_model_level(n), ==, x86_cpu_model_level(m));
    x86_cpu_model_free(m);
    x86_cpu_model_free(n);
}

static void test_feature_names(void)
{
    X86FeatureWord w;
    uint32_t mask;
    g_autofree char *t = x86_feature_describe(X86_FEAT_1_ECX, 0);
    g_autofree char *u = x86_feature_describe(X86_FEAT_ARCH_CAPABILITIES, 0);

    g_assert_cmpstr(t, ==, "CPUID.01H:ECX.pni [bit 0]");
    g_assert_cmpstr(u, ==, "MSR(10AH).rdctl-no [bit 0]");
    g_assert_true(x86_feature_find("lahf_lm", &w, &mask));
    g_assert_cmpint(w, ==, X86_FEAT_8000_0001_ECX);
    g_assert_cmphex(mask, ==, 1);
    g_assert_true(x86_feature_find("xd", &w, &mask));
    g_assert_cmphex(mask, ==, 1 << 20);
    g_assert_true(x86_feature_find("kvmclock", &w, &mask));
    g_assert_cmphex(mask, ==, 1 << 0 | 1 << 3);
    g_assert_false(x86_feature_find("", &w, &mask));
    g_assert_false(x86_feature_find("sse", &w, &mask) && mask != 1 << 25);
}

/* Of a model by its name and {props}, as query-cpu-model-expansion has it. */
static JsonValue *expand(const char *name, const char *props, bool full,
                         const X86CpuSupport *s)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(JsonValue) p = props ? json_parse(props, -1, &err) : NULL;
    JsonValue *v = NULL;

    g_assert_no_error(err);
    x86_cpu_model_expansion(name, p, full, s, &v, &err);
    g_assert_no_error(err);
    return v;
}

static bool expanded_bool(const JsonValue *v, const char *name)
{
    bool b = false;

    g_assert_true(json_get_bool(json_object_get(v, name), &b));
    return b;
}

static int64_t expanded_int(const JsonValue *v, const char *name)
{
    int64_t i = 0;

    g_assert_true(json_get_int(json_object_get(v, name), &i));
    return i;
}

static void test_expansion(void)
{
    X86CpuSupport none = { .accel = "TCG" };
    X86CpuSupport all = all_support();
    g_autoptr(JsonValue) v = expand("qemu64", NULL, false, &none);
    g_autoptr(JsonValue) set =
        expand("qemu64",
               "{\"avx512f\": true, \"xsave\": true, \"avx\": true, "
               "\"sse3\": false, \"family\": 6}",
               false, &all);
    g_autoptr(JsonValue) full = expand("qemu64", NULL, true, &all);
    g_autoptr(JsonValue) base = expand("base", NULL, false, NULL);

    /* What the model says, though the accelerator has none of it. */
    g_assert_true(expanded_bool(v, "sse2"));
    g_assert_false(expanded_bool(v, "avx512f"));
    g_assert_cmpint(expanded_int(v, "family"), ==, 15);
    g_assert_cmpint(expanded_int(v, "min-level"), ==, 13);
    g_assert_cmpstr(json_get_string(json_object_get(v, "vendor")), ==,
                    "AuthenticAMD");
    /* Neither spellings, nor switches of the program, nor a place. */
    g_assert_false(json_object_has(v, "sse3"));
    g_assert_false(json_object_has(v, "check"));
    g_assert_false(json_object_has(v, "core-id"));
    g_assert_false(json_object_has(v, "hv-relaxed"));

    g_assert_true(expanded_bool(set, "avx512f"));
    g_assert_false(expanded_bool(set, "pni"));
    g_assert_cmpint(expanded_int(set, "family"), ==, 6);

    g_assert_true(expanded_bool(full, "sse3"));
    g_assert_true(expanded_bool(full, "check"));
    g_assert_false(expanded_bool(full, "realized"));
    g_assert_cmpint(expanded_int(full, "core-id"), ==, -1);
    g_assert_cmpint(expanded_int(full, "apic-id"), ==, UINT32_MAX);
    g_assert_false(json_object_has(full, "feature-words"));

    g_assert_false(expanded_bool(base, "fpu"));
}

static void test_bad_expansion(void)
{
    static const struct {
        const char *name, *props, *text;
    } rows[] = {
        { "nonsense", NULL, "CPU model 'nonsense' not found" },
        { "qemu64,avx=on", NULL, "CPU model 'qemu64,avx=on' not found" },
        { "qemu64", "{\"bogus\": true}",
          "Property 'qemu64-x86_64-cpu.bogus' not found" },
        { "qemu64", "{\"avx\": \"on\"}",
          "Invalid parameter type for 'avx', expected: boolean" },
        { "qemu64", "{\"avx\": 7}",
          "Invalid parameter type for 'avx', expected: boolean" },
        { "qemu64", "{\"vendor\": \"short\"}",
          "Property 'qemu64-x86_64-cpu.vendor' doesn't take value 'short'" },
        { "qemu64", "{\"family\": 271}",
          "Property qemu64-x86_64-cpu.family doesn't take value 271 "
          "(minimum: 0, maximum: 270)" },
        { "qemu64", "{\"family\": []}",
          "Invalid parameter type for 'family', not expected: array" },
        { "host", NULL, "CPU model 'host' requires KVM" },
    };
    X86CpuSupport s = all_support();

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(JsonValue) p =
            rows[i].props ? json_parse(rows[i].props, -1, NULL) : NULL;
        JsonValue *v = NULL;

        g_assert_false(
            x86_cpu_model_expansion(rows[i].name, p, false, &s, &v, &err));
        g_assert_null(v);
        g_assert_cmpstr(err->message, ==, rows[i].text);
    }
}

static void test_topology(void)
{
    static const struct {
        X86Topology t;
        unsigned index;
        uint32_t id;
    } t[] = {
        { { 1, 1, 1 }, 3, 3 },   { { 1, 2, 2 }, 3, 3 },
        { { 1, 3, 2 }, 5, 5 },   { { 1, 3, 2 }, 6, 8 },
        { { 1, 3, 1 }, 3, 4 },   { { 2, 3, 2 }, 11, 13 },
        { { 2, 3, 2 }, 12, 16 }, { { 1, 255, 1 }, 254, 254 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_assert_cmpint(x86_topology_apic_id(&t[i].t, t[i].index), ==, t[i].id);
    }
}

static void test_help(void)
{
    g_autoptr(GString) s = g_string_new(NULL);

    x86_cpu_models_print(s);
    g_assert_nonnull(strstr(s->str, "\nx86 EPYC-IBPB             (alias of "
                                    "EPYC-v2)\n"));
    g_assert_nonnull(strstr(s->str, "\nx86 qemu64                (alias "
                                    "configured by machine type)\n"));
    g_assert_nonnull(strstr(s->str, "Recognized CPUID flags:\n  3dnow"));
}

/* Reset: SDM volume 3, table 10-1. */
static void test_reset(void)
{
    X86CpuModel *m = model("qemu64", NULL);
    X86Topology topo = { 1, 2, 1 };
    X86Cpu *bsp = x86_cpu_new(m, &topo, 0, 0);
    X86Cpu *ap = x86_cpu_new(m, &topo, 1, 1);
    g_autoptr(GString) s = g_string_new(NULL);

    g_assert_cmphex(bsp->cr[0], ==, 0x60000010);
    g_assert_cmphex(bsp->regs[X86_RDX], ==, 0x60fb1);
    g_assert_cmphex(bsp->segs[X86_CS].base + bsp->rip, ==, 0xfffffff0);
    g_assert_cmphex(bsp->hflags, ==, X86_HF_ADDSEG);
    g_assert_cmphex(bsp->apic_base, ==, 0xfee00900);
    g_assert_cmphex(ap->apic_base, ==, 0xfee00800);
    g_assert_cmpint(bsp->mp_state, ==, X86_MP_RUNNABLE);
    g_assert_cmpint(ap->mp_state, ==, X86_MP_UNINITIALIZED);
    x86_cpu_sipi(ap, 0x9a);
    g_assert_cmphex(ap->segs[X86_CS].base, ==, 0x9a000);
    g_assert_cmphex(ap->segs[X86_CS].selector, ==, 0x9a00);
    bsp->cr[0] |= X86_CR0_PE | X86_CR0_WP;
    bsp->pat = 1;
    x86_cpu_init_ipi(bsp);
    g_assert_cmphex(bsp->cr[0], ==, 0x60000010);
    g_assert_cmphex(bsp->pat, ==, 1);
    x86_cpu_print_registers(ap, s, true);
    g_assert_nonnull(strstr(s->str, "CS =9a00 0009a000 0000ffff 00009b00\n"));
    g_assert_nonnull(strstr(
        s->str,
        "EIP=00000000 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"));
    x86_cpu_free(bsp);
    x86_cpu_free(ap);
    x86_cpu_model_free(m);
}

static bool load_none(void *opaque, uint64_t pa, unsigned size, uint64_t *ret)
{
    const uint64_t *table = opaque;

    if (pa < 0x1000 || pa >= 0x1000 + 64 * 8) {
        return false;
    }
    *ret = table[(pa - 0x1000) / 8];
    return true;
}

/* A page-table walk that meets every kind of entry. */
static void test_page_walk(void)
{
    uint64_t table[64] = {
        [0] = 0x1000 | 7, /* PML4: shows itself as the PDPT … */
        [1] = 0x1000 | 7,
        [2] = 0x80000000 | 0x87, /* 1 GiB page */
    };
    X86CpuModel *m = model("qemu64", NULL);
    X86Topology topo = { 1, 1, 1 };
    X86Cpu *cpu = x86_cpu_new(m, &topo, 0, 0);
    uint64_t pa = 0;

    g_assert_true(x86_cpu_virt_to_phys(cpu, 0x1234, load_none, table, &pa));
    g_assert_cmphex(pa, ==, 0x1234);
    cpu->cr[0] |= X86_CR0_PG | X86_CR0_PE;
    cpu->cr[3] = 0x1000;
    cpu->cr[4] = X86_CR4_PAE;
    cpu->efer = X86_EFER_LMA | X86_EFER_LME;
    g_assert_true(x86_cpu_virt_to_phys(cpu, 0x80123456, load_none, table, &pa));
    g_assert_cmphex(pa, ==, 0x80123456);
    g_assert_true(x86_cpu_virt_to_phys(cpu, 0x678, load_none, table, &pa));
    g_assert_cmphex(pa, ==, 0x1678);
    /* Not present, and a table where there is no memory. */
    g_assert_false(
        x86_cpu_virt_to_phys(cpu, 3ULL << 30, load_none, table, &pa));
    g_assert_false(
        x86_cpu_virt_to_phys(cpu, 255ULL << 39, load_none, table, &pa));
    x86_cpu_free(cpu);
    x86_cpu_model_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-model/all", test_all_models);
    g_test_add_func("/cpu-model/epyc", test_epyc_leaves);
    g_test_add_func("/cpu-model/skylake", test_skylake_leaves);
    g_test_add_func("/cpu-model/max-qtest", test_max_without_accelerator);
    g_test_add_func("/cpu-model/options", test_options);
    g_test_add_func("/cpu-model/option-order", test_option_order);
    g_test_add_func("/cpu-model/bad-options", test_bad_options);
    g_test_add_func("/cpu-model/realize-errors", test_realize_errors);
    g_test_add_func("/cpu-model/kvm-defaults", test_kvm_defaults);
    g_test_add_func("/cpu-model/unavailable", test_unavailable);
    g_test_add_func("/cpu-model/level", test_level_of_the_model);
    g_test_add_func("/cpu-model/feature-names", test_feature_names);
    g_test_add_func("/cpu-model/expansion", test_expansion);
    g_test_add_func("/cpu-model/bad-expansion", test_bad_expansion);
    g_test_add_func("/cpu-model/topology", test_topology);
    g_test_add_func("/cpu-model/help", test_help);
    g_test_add_func("/cpu-model/reset", test_reset);
    g_test_add_func("/cpu-model/page-walk", test_page_walk);
    return g_test_run();
}
