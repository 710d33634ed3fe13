/*
 * What CPUID answers.
 *
 * Leaves: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E; the
 * kernel's Documentation/virt/kvm/x86/cpuid.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-model-priv.h"
#include "target/i386/cpu.h"
#include "target/i386/msr.h"

#include "util/bswap.h"

enum { A, B, C, D };

enum { CACHE_DATA = 1, CACHE_CODE = 2, CACHE_UNIFIED = 3 };

typedef struct CacheInfo {
    uint8_t type, level;
    uint32_t size; /* KiB */
    uint8_t ways;
    bool self_init, inclusive, complex_index, no_invd;
} CacheInfo;

enum { CACHE_L1D, CACHE_L1I, CACHE_L2, CACHE_L3, CACHES };

/* What all models but few have told since ever: leaves 2 and 4 … */
static const CacheInfo intel_legacy[CACHES] = {
    { CACHE_DATA, 1, 32, 8, .self_init = true, .no_invd = true },
    { CACHE_CODE, 1, 32, 8, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 2, 4096, 16, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 3, 16384, 16, .self_init = true, .inclusive = true,
      .complex_index = true },
};

/* … and AMD's leaves. */
static const CacheInfo amd_legacy[CACHES] = {
    { CACHE_DATA, 1, 64, 2, .self_init = true, .no_invd = true },
    { CACHE_CODE, 1, 64, 2, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 2, 512, 16, .self_init = false },
    { CACHE_UNIFIED, 3, 16384, 16, .self_init = true, .inclusive = true,
      .complex_index = true },
};

#define ZEN_L2                   \
    {                            \
        CACHE_UNIFIED, 2, 512, 8 \
    }
#define ZEN_L3(kib)                                                      \
    {                                                                    \
        CACHE_UNIFIED, 3, kib, 16, .self_init = true, .inclusive = true, \
                                   .complex_index = true                 \
    }

static const CacheInfo zen[][CACHES] = {
    [X86_CACHE_EPYC] = { { CACHE_DATA, 1, 32, 8, .self_init = true,
                           .no_invd = true },
                         { CACHE_CODE, 1, 64, 4, .self_init = true,
                           .no_invd = true },
                         ZEN_L2,
                         ZEN_L3(8192) },
    [X86_CACHE_ROME] = { { CACHE_DATA, 1, 32, 8, .self_init = true,
                           .no_invd = true },
                         { CACHE_CODE, 1, 32, 8, .self_init = true,
                           .no_invd = true },
                         ZEN_L2,
                         ZEN_L3(16384) },
    [X86_CACHE_MILAN] = { { CACHE_DATA, 1, 32, 8, .self_init = true,
                            .no_invd = true },
                          { CACHE_CODE, 1, 32, 8, .self_init = true,
                            .no_invd = true },
                          ZEN_L2,
                          ZEN_L3(32768) },
};

#define LINE_BYTES 64

static const CacheInfo *caches_intel(const X86CpuModel *m)
{
    return m->cache == X86_CACHE_LEGACY ? intel_legacy : zen[m->cache];
}

static const CacheInfo *caches_amd(const X86CpuModel *m)
{
    return m->cache == X86_CACHE_LEGACY ? amd_legacy : zen[m->cache];
}

/* Leaves 4 and 0x8000001d have one form; sharing is AMD's and Intel's own. */
static void cache_leaf(const CacheInfo *c, uint32_t regs[4])
{
    uint32_t sets = c->size * 1024 / LINE_BYTES / c->ways;

    regs[A] = c->type | c->level << 5 | (c->self_init ? BIT(8) : 0);
    regs[B] = (LINE_BYTES - 1) | (uint32_t)(c->ways - 1) << 22;
    regs[C] = sets - 1;
    regs[D] = (c->no_invd ? BIT(0) : 0) | (c->inclusive ? BIT(1) : 0) |
              (c->complex_index ? BIT(2) : 0);
}

static unsigned cpus_per_die(const X86Cpu *cpu)
{
    return cpu->topo.cores * cpu->topo.threads;
}

static unsigned die_shift(const X86Cpu *cpu)
{
    return x86_topology_thread_bits(&cpu->topo) +
           x86_topology_core_bits(&cpu->topo);
}

static unsigned package_shift(const X86Cpu *cpu)
{
    return die_shift(cpu) + x86_topology_die_bits(&cpu->topo);
}

static void put_vendor(const X86CpuModel *m, uint32_t regs[4])
{
    regs[B] = ldl_le_p(m->vendor);
    regs[D] = ldl_le_p(m->vendor + 4);
    regs[C] = ldl_le_p(m->vendor + 8);
}

static uint32_t cpuid_signature(const X86CpuModel *m)
{
    uint32_t v =
        m->family > 15 ? 0xf00 | (m->family - 15) << 20 : m->family << 8;

    return v | (m->model & 15) << 4 | (m->model >> 4) << 16 | m->stepping;
}

uint32_t x86_cpu_signature(const X86Cpu *cpu)
{
    return cpuid_signature(cpu->model);
}

static void leaf_1(const X86Cpu *cpu, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    unsigned n = cpus_per_die(cpu);

    regs[A] = cpuid_signature(m);
    /* Bits 15:8: CLFLUSH line in units of 8 bytes. */
    regs[B] = cpu->apic_id << 24 | (LINE_BYTES / 8) << 8;
    regs[C] = m->words[X86_FEAT_1_ECX];
    regs[D] = m->words[X86_FEAT_1_EDX];
    if (n > 1) {
        regs[B] |= (n & 0xff) << 16;
        regs[D] |= BIT(28); /* HTT */
    }
    if ((regs[C] & BIT(26)) && (cpu->cr[4] & X86_CR4_OSXSAVE)) {
        regs[C] |= BIT(27);
    }
    if (!(cpu->apic_base & BIT(11))) {
        regs[D] &= ~(uint32_t)BIT(9);
    }
}

/* Descriptors: SDM volume 2A, table 3-12. */
static void leaf_2(const X86CpuModel *m, uint32_t regs[4])
{
    regs[A] = 1;                             /* rounds of asking */
    regs[C] = m->l3_cache ? 0x4d : 0;        /* L3 16 MiB, 16 ways */
    regs[D] = 0x2c << 16 | 0x30 << 8 | 0x7d; /* L1D, L1I, L2 2 MiB */
}

static void leaf_4(const X86Cpu *cpu, uint32_t sub, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    unsigned share = 1;

    if (sub >= CACHES || (sub == CACHE_L3 && !m->l3_cache)) {
        return;
    }
    cache_leaf(&caches_intel(m)[sub], regs);
    if (sub == CACHE_L2) {
        share = cpu->topo.threads;
    } else if (sub == CACHE_L3) {
        share = 1U << die_shift(cpu);
    }
    regs[A] |= (share - 1) << 14;
    if (cpu->topo.cores > 1) {
        regs[A] |= MIN(cpu->topo.cores - 1, 63) << 26;
    }
}

/* 0xb ends at the package; 0x1f has a level for dies between. */
static void leaf_topology(const X86Cpu *cpu, uint32_t leaf, uint32_t sub,
                          uint32_t regs[4])
{
    bool dies = leaf == 0x1f;

    regs[C] = sub & 0xff;
    regs[D] = cpu->apic_id;
    if (sub == 0) {
        regs[A] = x86_topology_thread_bits(&cpu->topo);
        regs[B] = cpu->topo.threads;
        regs[C] |= 1 << 8; /* SMT */
    } else if (sub == 1) {
        regs[A] = dies ? die_shift(cpu) : package_shift(cpu);
        regs[B] = cpus_per_die(cpu);
        regs[C] |= 2 << 8; /* core */
    } else if (sub == 2 && dies) {
        regs[A] = package_shift(cpu);
        regs[B] = cpus_per_die(cpu) * cpu->topo.dies;
        regs[C] |= 5 << 8; /* die */
    }
}

/* Bytes that the components in `mask` take in the standard form. */
static uint32_t xsave_size(const X86CpuModel *m, uint64_t mask)
{
    uint32_t size = 576;

    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++) {
        if ((mask & BIT_ULL(i)) && m->xsave.size[i]) {
            size = MAX(size, m->xsave.offset[i] + m->xsave.size[i]);
        }
    }
    return size;
}

static void leaf_d(const X86Cpu *cpu, uint32_t sub, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;

    if (!m->xcr0) {
        return;
    }
    if (sub == 0) {
        regs[A] = m->xcr0;
        regs[B] = xsave_size(m, cpu->xcr0);
        regs[C] = xsave_size(m, m->xcr0);
        regs[D] = m->xcr0 >> 32;
    } else if (sub == 1) {
        regs[A] = m->words[X86_FEAT_XSAVE];
        if (regs[A] & (BIT(1) | BIT(3))) {
            regs[B] = xsave_size(m, cpu->xcr0 | cpu->xss);
        }
        regs[C] = m->xss;
        regs[D] = m->xss >> 32;
    } else if (sub < X86_XSAVE_COMPONENTS && (m->xcr0 & BIT_ULL(sub))) {
        regs[A] = m->xsave.size[sub];
        regs[B] = m->xsave.offset[sub];
        regs[C] = m->words[X86_FEAT_XSAVE] & BIT(4) && sub == 18 ? BIT(2) : 0;
    }
}

static void leaves_kvm(const X86Cpu *cpu, uint32_t leaf, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    bool stable = x86_cpu_model_has(m, X86_F_INVTSC) || cpu->user_tsc_khz;

    if (!x86_cpu_model_expose_kvm(m)) {
        return;
    }
    if (leaf == 0x40000000) {
        regs[A] = stable && cpu->tsc_khz ? 0x40000010 : 0x40000001;
        regs[B] = 0x4b4d564b; /* "KVMKVMKVM" */
        regs[C] = 0x564b4d56;
        regs[D] = 0x4d;
    } else if (leaf == 0x40000001) {
        regs[A] = m->words[X86_FEAT_KVM];
        regs[D] = m->words[X86_FEAT_KVM_HINTS];
    } else if (leaf == 0x40000010 && stable && cpu->tsc_khz) {
        regs[A] = cpu->tsc_khz; /* kHz */
        regs[B] = 1000000;      /* of the local APIC's bus, kHz */
    }
}

static void leaf_basic(const X86Cpu *cpu, uint32_t leaf, uint32_t sub,
                       uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    bool intel_caches = x86_model_is_intel(m);

    switch (leaf) {
    case 0:
        regs[A] = x86_cpuid_max_leaf(cpu);
        put_vendor(m, regs);
        break;
    case 1:
        leaf_1(cpu, regs);
        break;
    case 2:
        if (intel_caches) {
            leaf_2(m, regs);
        }
        break;
    case 4:
        if (intel_caches) {
            leaf_4(cpu, sub, regs);
        }
        break;
    case 5:
        regs[C] = 3; /* MONITOR extensions, interrupts break MWAIT */
        break;
    case 6:
        regs[A] = m->words[X86_FEAT_6_EAX];
        break;
    case 7:
        if (sub == 0) {
            regs[A] = m->func7;
            regs[B] = m->words[X86_FEAT_7_0_EBX];
            regs[C] = m->words[X86_FEAT_7_0_ECX];
            regs[D] = m->words[X86_FEAT_7_0_EDX];
            if ((regs[C] & BIT(3)) && (cpu->cr[4] & X86_CR4_PKE)) {
                regs[C] |= BIT(4); /* OSPKE */
            }
        } else if (sub == 1) {
            regs[A] = m->words[X86_FEAT_7_1_EAX];
        }
        break;
    case 0xb:
        leaf_topology(cpu, leaf, sub, regs);
        break;
    case 0xd:
        leaf_d(cpu, sub, regs);
        break;
    case 0x1f:
        if (cpu->topo.dies > 1) {
            leaf_topology(cpu, leaf, sub, regs);
        }
        break;
    default:
        break;
    }
}

/* AMD's code for ways of L2 and L3: APM volume 3, table E-4. */
static uint32_t amd_ways(unsigned ways)
{
    static const uint8_t code[] = {
        [1] = 1, [2] = 2, [4] = 4, [8] = 6, [16] = 8, [32] = 10,
    };

    return ways < G_N_ELEMENTS(code) ? code[ways] : 15;
}

static void leaf_8000_0005_6(const X86CpuModel *m, uint32_t leaf,
                             uint32_t regs[4])
{
    const CacheInfo *c = caches_amd(m);

    if (leaf == 0x80000005) {
        regs[A] = regs[B] = 0x01ff01ff; /* TLBs: fully associative */
        for (unsigned i = 0; i < 2; i++) {
            regs[C + i] = c[i].size << 24 | (uint32_t)c[i].ways << 16 | 1 << 8 |
                          LINE_BYTES;
        }
        return;
    }
    regs[B] = 0x42004200; /* L2 TLBs: 512 entries, 4 ways */
    regs[C] = c[CACHE_L2].size << 16 | amd_ways(c[CACHE_L2].ways) << 12 |
              1 << 8 | LINE_BYTES;
    if (m->l3_cache) {
        regs[D] = c[CACHE_L3].size / 512 << 18 |
                  amd_ways(c[CACHE_L3].ways) << 12 | 1 << 8 | LINE_BYTES;
    }
}

static void leaf_8000_0008(const X86Cpu *cpu, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    unsigned n = cpus_per_die(cpu);

    regs[A] = m->phys_bits;
    if (x86_cpu_model_has(m, X86_F_LM)) {
        bool la57 = x86_cpu_model_has(m, X86_FEATURE(X86_FEAT_7_0_ECX, 16));

        regs[A] |= (la57 ? 57 : 48) << 8;
    }
    regs[B] = m->words[X86_FEAT_8000_0008_EBX];
    if (n > 1) {
        regs[C] = package_shift(cpu) << 12 | (n - 1);
    }
}

static void leaf_8000_001d(const X86Cpu *cpu, uint32_t sub, uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    unsigned share = cpu->topo.threads;

    if (sub >= CACHES || (sub == CACHE_L3 && !m->l3_cache)) {
        return;
    }
    cache_leaf(&caches_amd(m)[sub], regs);
    if (sub == CACHE_L3) {
        share = cpus_per_die(cpu);
    }
    regs[A] |= (share - 1) << 14;
}

static void leaf_8000_001e(const X86Cpu *cpu, uint32_t regs[4])
{
    unsigned threads = cpu->topo.threads;
    unsigned tbits = x86_topology_thread_bits(&cpu->topo);
    uint32_t core = cpu->apic_id >> tbits &
                    ((1U << x86_topology_core_bits(&cpu->topo)) - 1);
    uint32_t node = cpu->apic_id >> die_shift(cpu) &
                    ((1U << x86_topology_die_bits(&cpu->topo)) - 1);

    if (!x86_cpu_model_has(cpu->model, X86_F_TOPOEXT) || core > 0xff) {
        return;
    }
    regs[A] = cpu->apic_id;
    regs[B] = (threads - 1) << 8 | core;
    regs[C] = (cpu->topo.dies - 1) << 8 | node;
}

static void leaf_extended(const X86Cpu *cpu, uint32_t leaf, uint32_t sub,
                          uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;

    switch (leaf) {
    case 0x80000000:
        regs[A] = m->xlevel;
        put_vendor(m, regs);
        break;
    case 0x80000001:
        regs[A] = cpuid_signature(m);
        regs[C] = m->words[X86_FEAT_8000_0001_ECX];
        regs[D] = m->words[X86_FEAT_8000_0001_EDX];
        if (cpus_per_die(cpu) > 1 && !x86_model_is_intel(m)) {
            regs[C] |= BIT(1); /* CmpLegacy */
        }
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        for (unsigned i = 0; i < 4; i++) {
            regs[i] = ldl_le_p(m->model_id + 16 * (leaf - 0x80000002) + 4 * i);
        }
        break;
    case 0x80000005:
    case 0x80000006:
        leaf_8000_0005_6(m, leaf, regs);
        break;
    case 0x80000007:
        regs[D] = m->words[X86_FEAT_8000_0007_EDX];
        break;
    case 0x80000008:
        leaf_8000_0008(cpu, regs);
        break;
    case 0x8000000a:
        if (x86_cpu_model_has(m, X86_F_SVM)) {
            regs[A] = 1;  /* revision */
            regs[B] = 16; /* address space identifiers */
            regs[D] = m->words[X86_FEAT_SVM];
        }
        break;
    case 0x8000001d:
        leaf_8000_001d(cpu, sub, regs);
        break;
    case 0x8000001e:
        leaf_8000_001e(cpu, regs);
        break;
    default:
        break;
    }
}

uint32_t x86_cpuid_max_leaf(const X86Cpu *cpu)
{
    const X86CpuModel *m = cpu->model;

    /* Dies show in leaf 0x1f, which only Intel has. */
    if (cpu->topo.dies > 1 && !m->level_set && x86_model_is_intel(m)) {
        return MAX(m->level, 0x1f);
    }
    return m->level;
}

void x86_cpu_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf,
                   uint32_t regs[4])
{
    const X86CpuModel *m = cpu->model;
    uint32_t group = leaf >> 28;

    memset(regs, 0, 4 * sizeof(regs[0]));
    if (group == 4) {
        leaves_kvm(cpu, leaf, regs);
        return;
    }
    if (group == 12 && m->xlevel2 >= 0xc0000000 && leaf <= m->xlevel2) {
        regs[A] = leaf == 0xc0000000 ? m->xlevel2 : 0;
        regs[D] = leaf == 0xc0000001 ? m->words[X86_FEAT_C000_0001_EDX] : 0;
        return;
    }
    if (group == 8 && leaf <= m->xlevel) {
        leaf_extended(cpu, leaf, subleaf, regs);
        return;
    }
    /* Beyond the last leaf: the answer of the last basic one (SDM). */
    if (leaf > x86_cpuid_max_leaf(cpu)) {
        leaf = x86_cpuid_max_leaf(cpu);
    }
    leaf_basic(cpu, leaf, subleaf, regs);
}

unsigned x86_cpuid_subleaves(const X86Cpu *cpu, uint32_t leaf)
{
    switch (leaf) {
    case 4:
    case 0x8000001d:
        return CACHES + 1;
    case 7:
        return cpu->model->func7 + 1;
    case 0xb:
        return 3;
    case 0xd:
        return X86_XSAVE_COMPONENTS;
    case 0x1f:
        return 4;
    default:
        return 0;
    }
}
