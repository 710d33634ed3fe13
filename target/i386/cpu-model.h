/*
 * CPU models: what CPUID tells the guest.
 *
 * A model is made from the text of -cpu, then realized once against what the
 * accelerator can do, and from then on is read only and shared by all CPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_CPU_MODEL_H
#define TARGET_I386_CPU_MODEL_H

#include "util/base.h"
#include "qapi/json.h"

/* The registers of CPUID and the MSRs that hold feature bits. */
typedef enum X86FeatureWord {
    X86_FEAT_1_EDX,
    X86_FEAT_1_ECX,
    X86_FEAT_7_0_EBX,
    X86_FEAT_7_0_ECX,
    X86_FEAT_7_0_EDX,
    X86_FEAT_7_1_EAX,
    X86_FEAT_8000_0001_EDX,
    X86_FEAT_8000_0001_ECX,
    X86_FEAT_8000_0007_EDX,
    X86_FEAT_8000_0008_EBX,
    X86_FEAT_C000_0001_EDX,
    X86_FEAT_KVM,       /* 0x40000001 EAX */
    X86_FEAT_KVM_HINTS, /* 0x40000001 EDX */
    X86_FEAT_SVM,       /* 0x8000000a EDX */
    X86_FEAT_XSAVE,     /* 0xd,1 EAX */
    X86_FEAT_6_EAX,
    X86_FEAT_XCR0_LO,           /* 0xd,0 EAX; derived */
    X86_FEAT_XCR0_HI,           /* 0xd,0 EDX; derived */
    X86_FEAT_XSS_LO,            /* 0xd,1 ECX; derived */
    X86_FEAT_ARCH_CAPABILITIES, /* MSR 0x10a */
    X86_FEAT_CORE_CAPABILITY,   /* MSR 0xcf */
    X86_FEATURE_WORDS,
} X86FeatureWord;

/* Positions in the words that code asks for; SDM volume 2A, CPUID. */
#define X86_FEATURE(word, bit) (((word) << 8) | (bit))
enum {
    X86_F_FPU = X86_FEATURE(X86_FEAT_1_EDX, 0),
    X86_F_TSC = X86_FEATURE(X86_FEAT_1_EDX, 4),
    X86_F_MSR = X86_FEATURE(X86_FEAT_1_EDX, 5),
    X86_F_PAE = X86_FEATURE(X86_FEAT_1_EDX, 6),
    X86_F_MCE = X86_FEATURE(X86_FEAT_1_EDX, 7),
    X86_F_APIC = X86_FEATURE(X86_FEAT_1_EDX, 9),
    X86_F_MTRR = X86_FEATURE(X86_FEAT_1_EDX, 12),
    X86_F_MCA = X86_FEATURE(X86_FEAT_1_EDX, 14),
    X86_F_PAT = X86_FEATURE(X86_FEAT_1_EDX, 16),
    X86_F_FXSR = X86_FEATURE(X86_FEAT_1_EDX, 24),
    X86_F_SSE = X86_FEATURE(X86_FEAT_1_EDX, 25),
    X86_F_HT = X86_FEATURE(X86_FEAT_1_EDX, 28),
    X86_F_X2APIC = X86_FEATURE(X86_FEAT_1_ECX, 21),
    X86_F_TSC_DEADLINE = X86_FEATURE(X86_FEAT_1_ECX, 24),
    X86_F_XSAVE = X86_FEATURE(X86_FEAT_1_ECX, 26),
    X86_F_AVX = X86_FEATURE(X86_FEAT_1_ECX, 28),
    X86_F_HYPERVISOR = X86_FEATURE(X86_FEAT_1_ECX, 31),
    X86_F_VMX = X86_FEATURE(X86_FEAT_1_ECX, 5),
    X86_F_TSC_ADJUST = X86_FEATURE(X86_FEAT_7_0_EBX, 1),
    X86_F_MPX = X86_FEATURE(X86_FEAT_7_0_EBX, 14),
    X86_F_AVX512F = X86_FEATURE(X86_FEAT_7_0_EBX, 16),
    X86_F_LA57 = X86_FEATURE(X86_FEAT_7_0_ECX, 16),
    X86_F_PKU = X86_FEATURE(X86_FEAT_7_0_ECX, 3),
    X86_F_PKS = X86_FEATURE(X86_FEAT_7_0_ECX, 31),
    X86_F_ARCH_CAPABILITIES = X86_FEATURE(X86_FEAT_7_0_EDX, 29),
    X86_F_SPEC_CTRL = X86_FEATURE(X86_FEAT_7_0_EDX, 26),
    X86_F_NX = X86_FEATURE(X86_FEAT_8000_0001_EDX, 20),
    X86_F_RDTSCP = X86_FEATURE(X86_FEAT_8000_0001_EDX, 27),
    X86_F_LM = X86_FEATURE(X86_FEAT_8000_0001_EDX, 29),
    X86_F_SVM = X86_FEATURE(X86_FEAT_8000_0001_ECX, 2),
    X86_F_TOPOEXT = X86_FEATURE(X86_FEAT_8000_0001_ECX, 22),
    X86_F_INVTSC = X86_FEATURE(X86_FEAT_8000_0007_EDX, 8),
};

#define X86_XSAVE_COMPONENTS 64
/* Where each component of an XSAVE area is; size 0: it isn't there. */
typedef struct X86XsaveLayout {
    uint32_t offset[X86_XSAVE_COMPONENTS];
    uint32_t size[X86_XSAVE_COMPONENTS];
    uint32_t total; /* bytes of the whole area */
} X86XsaveLayout;

/* What an accelerator can give a guest; made by it once. */
typedef struct X86CpuSupport {
    const char *accel; /* "KVM", "TCG": in messages */
    bool host_cpuid;   /* models "host" and host-* options make sense */
    bool kvm_leaves;   /* the 0x40000000 leaves are KVM's */
    uint32_t words[X86_FEATURE_WORDS];
    uint64_t xcr0; /* components a guest may enable */
    uint64_t xss;
    X86XsaveLayout xsave;   /* of these; total 0: as Intel lays them out */
    uint32_t level, xlevel; /* largest leaves of the models max and host */
    unsigned phys_bits;     /* of the host; 0: not known */
    /* Raw host CPUID for cache and identification leaves; may be NULL. */
    void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
} X86CpuSupport;

/* How many of each level there are; product is what -smp says. */
typedef struct X86Topology {
    unsigned dies;    /* per socket */
    unsigned cores;   /* per die */
    unsigned threads; /* per core */
} X86Topology;

/* APIC id of a CPU: socket, die, core and thread in bit fields as wide as
 * needed (SDM volume 3, 9.9; AMD APM volume 3, CPUID 0x80000008). */
uint32_t x86_topology_apic_id(const X86Topology *t, unsigned index);
unsigned x86_topology_thread_bits(const X86Topology *t);
unsigned x86_topology_core_bits(const X86Topology *t);
unsigned x86_topology_die_bits(const X86Topology *t);

typedef struct X86CpuModel X86CpuModel;
/*
 * Parses "NAME[,+feat][,-feat][,key=value]…".  Errors name the model or the
 * property.  `default_versions` as the machine type picks them (7.2: v1).
 */
X86CpuModel *x86_cpu_model_parse(const char *text, GError **errp);
/*
 * Resolves max and host, filters by what the accelerator has (warnings, or an
 * error with enforce=on).  support NULL: no accelerator runs code (qtest),
 * everything is taken as it is.
 */
bool x86_cpu_model_realize(X86CpuModel *m, const X86CpuSupport *support,
                           GError **errp);
void x86_cpu_model_free(X86CpuModel *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X86CpuModel, x86_cpu_model_free)
const char *x86_cpu_model_name(const X86CpuModel *m);
/* The type as QOM names it: "qemu64-x86_64-cpu". */
const char *x86_cpu_model_type_name(const X86CpuModel *m);
/* X86_F_*: does the guest see it? */
bool x86_cpu_model_has(const X86CpuModel *m, unsigned feature);
uint32_t x86_cpu_model_word(const X86CpuModel *m, X86FeatureWord w);
unsigned x86_cpu_model_phys_bits(const X86CpuModel *m);
/* Does the accelerator have what KVM's own leaves promise? */
bool x86_cpu_model_is_kvm(const X86CpuModel *m);
bool x86_cpu_model_migratable(const X86CpuModel *m);
const X86XsaveLayout *x86_cpu_model_xsave(const X86CpuModel *m);
/* Components of XCR0 the guest may set. */
uint64_t x86_cpu_model_xcr0(const X86CpuModel *m);
uint64_t x86_cpu_model_xss(const X86CpuModel *m);
/* The vendor as CPUID spells it: "GenuineIntel". */
const char *x86_cpu_model_vendor(const X86CpuModel *m);
/* Asked for by tsc-frequency=, Hz; 0: none. */
uint64_t x86_cpu_model_tsc_hz(const X86CpuModel *m);
/* kvm=on (default): the paravirtual leaves show. */
bool x86_cpu_model_expose_kvm(const X86CpuModel *m);
bool x86_cpu_model_pmu(const X86CpuModel *m);
/* Largest basic, extended leaf the guest sees. */
uint32_t x86_cpu_model_level(const X86CpuModel *m);
uint32_t x86_cpu_model_xlevel(const X86CpuModel *m);

/* type: as QOM shows it ("bool", "uint32"). */
typedef void X86CpuPropFn(const char *name, const char *type, void *opaque);
/* Every property that a model has in QOM; the names are static. */
void x86_cpu_model_foreach_prop(X86CpuPropFn *fn, void *opaque);
/* The value of one, of a realized model; NULL: there is none of that name. */
JsonValue *x86_cpu_model_prop(const X86CpuModel *m, const char *name);
/* Every name that -cpu takes: models, their versions and aliases. */
void x86_cpu_models_foreach(void (*fn)(const char *name, void *opaque),
                            void *opaque);

struct X86Cpu;
/*
 * What CPUID answers: regs[] is EAX, EBX, ECX, EDX.  Bits that follow
 * registers (OSXSAVE, OSPKE, APIC, the size in leaf 0xd) are as of now.
 */
void x86_cpu_cpuid(const struct X86Cpu *cpu, uint32_t leaf, uint32_t subleaf,
                   uint32_t regs[4]);
/* Last basic leaf, as leaf 0 tells it. */
uint32_t x86_cpuid_max_leaf(const struct X86Cpu *cpu);
/* Family, model and stepping: EAX of leaf 1; EDX after a reset. */
uint32_t x86_cpu_signature(const struct X86Cpu *cpu);
/* Subleaves of a leaf whose answer depends on ECX; 0 for the others. */
unsigned x86_cpuid_subleaves(const struct X86Cpu *cpu, uint32_t leaf);

/* Text of -cpu help. */
void x86_cpu_models_print(GString *out);
/* query-cpu-definitions: an array; support may be NULL. */
JsonValue *x86_cpu_models_json(const X86CpuSupport *support);
/*
 * query-cpu-model-expansion: the properties that model `name` has once
 * `props` (an object, or NULL) are set, before anything is filtered by what
 * the accelerator lacks. full: all of them, else those that make up the model
 * anew from "base". *ret_props is a new object. Errors name the model or the
 * property; support may be NULL.
 */
bool x86_cpu_model_expansion(const char *name, const JsonValue *props,
                             bool full, const X86CpuSupport *support,
                             JsonValue **ret_props, GError **errp);

#endif
