/*
 * What the kernel lets a guest's CPUID say, and telling it what to say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include <cpuid.h>

#include "target/i386/msr.h"
#include "util/error.h"

#define KVM_CPUID_ROOM   100
#define KVM_CPUID_MAX    512
#define KVM_LEAF_BASE    0x40000000
#define KVM_LEAF_FEATURE 0x40000001
#define KVM_LEAF_TIMING  0x40000010

static bool kvm_read_cpuid(KvmAccel *k, GError **errp)
{
    int r;

    for (unsigned n = KVM_CPUID_ROOM; n <= KVM_CPUID_MAX; n *= 2) {
        g_free(k->cpuid);
        k->cpuid =
            g_malloc0(sizeof(*k->cpuid) + n * sizeof(struct kvm_cpuid_entry2));
        k->cpuid->nent = n;
        r = kvm_ioctl(k->fd, KVM_GET_SUPPORTED_CPUID, k->cpuid);
        if (r != -E2BIG) {
            break;
        }
    }
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: reading the supported CPUID failed");
        return false;
    }
    return true;
}

static bool kvm_read_msr_list(KvmAccel *k, GError **errp)
{
    struct kvm_msr_list probe = { 0 };
    int r = kvm_ioctl(k->fd, KVM_GET_MSR_INDEX_LIST, &probe);

    /* It tells the number needed by way of an error. */
    if (r == 0 || r == -E2BIG) {
        k->msr_list =
            g_malloc0(sizeof(probe) + probe.nmsrs * sizeof(probe.indices[0]));
        k->msr_list->nmsrs = probe.nmsrs;
        r = kvm_ioctl(k->fd, KVM_GET_MSR_INDEX_LIST, k->msr_list);
    }
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: reading the list of MSRs failed");
        return false;
    }
    return true;
}

bool kvm_has_msr(const KvmAccel *k, uint32_t msr)
{
    for (uint32_t i = 0; i < k->msr_list->nmsrs; i++) {
        if (k->msr_list->indices[i] == msr) {
            return true;
        }
    }
    return false;
}

static void kvm_cpuid_lookup(void *opaque, uint32_t leaf, uint32_t subleaf,
                             uint32_t regs[4])
{
    const KvmAccel *k = opaque;

    memset(regs, 0, 4 * sizeof(regs[0]));
    for (uint32_t i = 0; i < k->cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &k->cpuid->entries[i];

        if (e->function == leaf &&
            (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
             e->index == subleaf)) {
            regs[0] = e->eax;
            regs[1] = e->ebx;
            regs[2] = e->ecx;
            regs[3] = e->edx;
            return;
        }
    }
}

static void kvm_host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    __cpuid_count(leaf, subleaf, regs[0], regs[1], regs[2], regs[3]);
}

/* An MSR of which the kernel knows what it can offer; 0 if it doesn't. */
static uint64_t kvm_feature_msr(KvmAccel *k, uint32_t index)
{
    uint64_t val = 0;

    if (!kvm_check(k, KVM_CAP_GET_MSR_FEATURES) ||
        kvm_get_one_msr(k->fd, index, &val) < 0) {
        return 0;
    }
    return val;
}

/* Features that the kernel has but doesn't list: api.rst, 4.46. */
static void kvm_support_adjust(KvmAccel *k)
{
    uint32_t *w = k->support.words;

    w[X86_FEAT_1_ECX] |= BIT(31); /* hypervisor present */
    /* Emulated with the local APIC, which is in the kernel here. */
    w[X86_FEAT_1_ECX] |= BIT(21);
    w[X86_FEAT_1_EDX] |= BIT(9);
    if (kvm_check(k, KVM_CAP_TSC_DEADLINE_TIMER)) {
        w[X86_FEAT_1_ECX] |= BIT(24);
    }
    w[X86_FEAT_6_EAX] |= BIT(2); /* ARAT: the timer never stops */
    w[X86_FEAT_8000_0007_EDX] |= BIT(8);
    w[X86_FEAT_8000_0001_ECX] |= BIT(1); /* CmpLegacy: topology */
    /* Not offered: there is no nested state in the stream yet. */
    w[X86_FEAT_1_ECX] &= ~(uint32_t)BIT(5);
    w[X86_FEAT_8000_0001_ECX] &= ~(uint32_t)BIT(2);
    w[X86_FEAT_SVM] = 0;
    /* PV features that need what isn't there: unhalt is fine, others not. */
    w[X86_FEAT_KVM_HINTS] |= BIT(0);
}

static void kvm_support_words(KvmAccel *k)
{
    static const struct {
        X86FeatureWord word;
        uint32_t leaf, subleaf;
        unsigned reg;
    } from[] = {
        { X86_FEAT_1_EDX, 1, 0, 3 },
        { X86_FEAT_1_ECX, 1, 0, 2 },
        { X86_FEAT_7_0_EBX, 7, 0, 1 },
        { X86_FEAT_7_0_ECX, 7, 0, 2 },
        { X86_FEAT_7_0_EDX, 7, 0, 3 },
        { X86_FEAT_7_1_EAX, 7, 1, 0 },
        { X86_FEAT_8000_0001_EDX, 0x80000001, 0, 3 },
        { X86_FEAT_8000_0001_ECX, 0x80000001, 0, 2 },
        { X86_FEAT_8000_0007_EDX, 0x80000007, 0, 3 },
        { X86_FEAT_8000_0008_EBX, 0x80000008, 0, 1 },
        { X86_FEAT_C000_0001_EDX, 0xc0000001, 0, 3 },
        { X86_FEAT_KVM, KVM_LEAF_FEATURE, 0, 0 },
        { X86_FEAT_KVM_HINTS, KVM_LEAF_FEATURE, 0, 3 },
        { X86_FEAT_XSAVE, 0xd, 1, 0 },
        { X86_FEAT_XCR0_LO, 0xd, 0, 0 },
        { X86_FEAT_XCR0_HI, 0xd, 0, 3 },
        { X86_FEAT_XSS_LO, 0xd, 1, 2 },
        { X86_FEAT_6_EAX, 6, 0, 0 },
    };
    uint32_t *w = k->support.words;

    for (size_t i = 0; i < G_N_ELEMENTS(from); i++) {
        uint32_t r[4];

        kvm_cpuid_lookup(k, from[i].leaf, from[i].subleaf, r);
        w[from[i].word] = r[from[i].reg];
    }
    /* AMD's copies of leaf 1's bits are in the kernel's word, Intel's not. */
    w[X86_FEAT_ARCH_CAPABILITIES] =
        kvm_feature_msr(k, MSR_IA32_ARCH_CAPABILITIES);
    w[X86_FEAT_CORE_CAPABILITY] = kvm_feature_msr(k, MSR_IA32_CORE_CAPABILITY);
    kvm_support_adjust(k);
}

bool kvm_support_init(KvmAccel *k, GError **errp)
{
    X86CpuSupport *s = &k->support;
    uint32_t r[4];

    if (!kvm_read_cpuid(k, errp) || !kvm_read_msr_list(k, errp)) {
        return false;
    }
    *s = (X86CpuSupport){
        .accel = "host",
        .host_cpuid = true,
        .kvm_leaves = true,
        .cpuid = kvm_host_cpuid,
    };
    kvm_support_words(k);
    s->xcr0 = s->words[X86_FEAT_XCR0_LO] | (uint64_t)s->words[X86_FEAT_XCR0_HI]
                                               << 32;
    s->xss = s->words[X86_FEAT_XSS_LO];
    kvm_cpuid_lookup(k, 0, 0, r);
    s->level = r[0];
    kvm_cpuid_lookup(k, 0x80000000, 0, r);
    s->xlevel = r[0];
    kvm_host_cpuid(0x80000000, 0, r);
    if (r[0] >= 0x80000008) {
        kvm_host_cpuid(0x80000008, 0, r);
        s->phys_bits = r[0] & 0xff;
    }
    /* Dynamically enabled components (AMX) need more than this: left out. */
    s->xcr0 &= ~(uint64_t)(X86_XCR0_XTILECFG | X86_XCR0_XTILEDATA);
    x86_xsave_layout_init(&k->xsave_layout, s->xcr0, kvm_cpuid_lookup, k);
    s->xsave = k->xsave_layout;
    if (k->xsave_layout.total > k->xsave_len) {
        error_setf(errp, "KVM: XSAVE area of %u bytes, but room for %zu",
                   k->xsave_layout.total, k->xsave_len);
        return false;
    }
    return true;
}

void kvm_support_fini(KvmAccel *k)
{
    g_clear_pointer(&k->cpuid, g_free);
    g_clear_pointer(&k->msr_list, g_free);
}

/* Adds a leaf with all of its subleaves. */
static void kvm_cpuid_add(struct kvm_cpuid2 *c, const X86Cpu *cpu,
                          uint32_t leaf)
{
    unsigned n = x86_cpuid_subleaves(cpu, leaf);

    for (unsigned i = 0; i < MAX(n, 1) && c->nent < KVM_CPUID_MAX; i++) {
        struct kvm_cpuid_entry2 *e = &c->entries[c->nent];
        uint32_t r[4];

        x86_cpu_cpuid(cpu, leaf, i, r);
        if (i > 0 && leaf == 0xd && !r[0] && !r[1] && !r[2] && !r[3]) {
            continue; /* a component that isn't there */
        }
        *e = (struct kvm_cpuid_entry2){
            .function = leaf,
            .index = i,
            .flags = n ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = r[0],
            .ebx = r[1],
            .ecx = r[2],
            .edx = r[3],
        };
        c->nent++;
    }
}

bool kvm_set_cpuid(KvmVcpu *v, GError **errp)
{
    const X86Cpu *cpu = v->cpu->x86;
    g_autofree struct kvm_cpuid2 *c =
        g_malloc0(sizeof(*c) + KVM_CPUID_MAX * sizeof(c->entries[0]));
    int r;

    for (uint32_t i = 0; i <= MIN(x86_cpuid_max_leaf(cpu), 0xff); i++) {
        kvm_cpuid_add(c, cpu, i);
    }
    if (x86_cpu_model_expose_kvm(cpu->model)) {
        kvm_cpuid_add(c, cpu, KVM_LEAF_BASE);
        kvm_cpuid_add(c, cpu, KVM_LEAF_FEATURE);
        kvm_cpuid_add(c, cpu, KVM_LEAF_TIMING);
    }
    for (uint32_t i = 0x80000000;
         i <= MIN(x86_cpu_model_xlevel(cpu->model), 0x800000ff); i++) {
        kvm_cpuid_add(c, cpu, i);
    }
    r = kvm_ioctl(v->fd, KVM_SET_CPUID2, c);
    if (r < 0) {
        error_setf_errno(errp, r, "KVM: setting the CPUID of CPU %u failed",
                         v->cpu->index);
        return false;
    }
    return true;
}
