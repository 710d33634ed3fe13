/*
 * Names of CPU features.
 *
 * Bits: Intel SDM volume 2A (CPUID) and volume 4 (MSRs), AMD APM volume 3
 * appendix E, the kernel's Documentation/virt/kvm/x86/cpuid.rst.  Names: those
 * that -cpu has always taken.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu-features.h"

#define LEAF(l, r) .leaf = (l), .reg = (r)
#define SUBLEAF(l, s, r) \
    .leaf = (l), .subleaf = (s), .reg = (r), .has_subleaf = true
#define MSR(n) .leaf = (n), .is_msr = true

/* clang-format off */
const X86FeatureInfo x86_features[X86_FEATURE_WORDS] = {
    [X86_FEAT_1_EDX] = {
        LEAF(1, 3),
        .names = {
            [0] = "fpu", [1] = "vme", [2] = "de", [3] = "pse", [4] = "tsc",
            [5] = "msr", [6] = "pae", [7] = "mce", [8] = "cx8", [9] = "apic",
            [11] = "sep", [12] = "mtrr", [13] = "pge", [14] = "mca",
            [15] = "cmov", [16] = "pat", [17] = "pse36", [18] = "pn",
            [19] = "clflush", [21] = "ds", [22] = "acpi", [23] = "mmx",
            [24] = "fxsr", [25] = "sse", [26] = "sse2", [27] = "ss",
            [28] = "ht", [29] = "tm", [30] = "ia64", [31] = "pbe",
        },
    },
    [X86_FEAT_1_ECX] = {
        LEAF(1, 2),
        .names = {
            [0] = "pni", [1] = "pclmulqdq", [2] = "dtes64", [3] = "monitor",
            [4] = "ds-cpl", [5] = "vmx", [6] = "smx", [7] = "est",
            [8] = "tm2", [9] = "ssse3", [10] = "cid", [12] = "fma",
            [13] = "cx16", [14] = "xtpr", [15] = "pdcm", [17] = "pcid",
            [18] = "dca", [19] = "sse4.1", [20] = "sse4.2", [21] = "x2apic",
            [22] = "movbe", [23] = "popcnt", [24] = "tsc-deadline",
            [25] = "aes", [26] = "xsave", [28] = "avx", [29] = "f16c",
            [30] = "rdrand", [31] = "hypervisor",
        },
    },
    [X86_FEAT_7_0_EBX] = {
        SUBLEAF(7, 0, 1),
        .names = {
            [0] = "fsgsbase", [1] = "tsc-adjust", [2] = "sgx", [3] = "bmi1",
            [4] = "hle", [5] = "avx2", [7] = "smep", [8] = "bmi2",
            [9] = "erms", [10] = "invpcid", [11] = "rtm", [14] = "mpx",
            [16] = "avx512f", [17] = "avx512dq", [18] = "rdseed",
            [19] = "adx", [20] = "smap", [21] = "avx512ifma",
            [22] = "pcommit", [23] = "clflushopt", [24] = "clwb",
            [25] = "intel-pt", [26] = "avx512pf", [27] = "avx512er",
            [28] = "avx512cd", [29] = "sha-ni", [30] = "avx512bw",
            [31] = "avx512vl",
        },
    },
    [X86_FEAT_7_0_ECX] = {
        SUBLEAF(7, 0, 2),
        .names = {
            [1] = "avx512vbmi", [2] = "umip", [3] = "pku", [5] = "waitpkg",
            [6] = "avx512vbmi2", [8] = "gfni", [9] = "vaes",
            [10] = "vpclmulqdq", [11] = "avx512vnni", [12] = "avx512bitalg",
            [14] = "avx512-vpopcntdq", [16] = "la57", [22] = "rdpid",
            [24] = "bus-lock-detect", [25] = "cldemote", [27] = "movdiri",
            [28] = "movdir64b", [30] = "sgxlc", [31] = "pks",
        },
    },
    [X86_FEAT_7_0_EDX] = {
        SUBLEAF(7, 0, 3),
        .names = {
            [2] = "avx512-4vnniw", [3] = "avx512-4fmaps", [4] = "fsrm",
            [8] = "avx512-vp2intersect", [10] = "md-clear",
            [14] = "serialize", [16] = "tsx-ldtrk", [19] = "arch-lbr",
            [22] = "amx-bf16", [23] = "avx512-fp16", [24] = "amx-tile",
            [25] = "amx-int8", [26] = "spec-ctrl", [27] = "stibp",
            [29] = "arch-capabilities", [30] = "core-capability",
            [31] = "ssbd",
        },
    },
    [X86_FEAT_7_1_EAX] = {
        SUBLEAF(7, 1, 0),
        .names = {
            [4] = "avx-vnni", [5] = "avx512-bf16",
        },
    },
    [X86_FEAT_8000_0001_EDX] = {
        LEAF(0x80000001, 3),
        .names = {
            [11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr-opt",
            [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext",
            [31] = "3dnow",
        },
    },
    [X86_FEAT_8000_0001_ECX] = {
        LEAF(0x80000001, 2),
        .names = {
            [0] = "lahf-lm", [1] = "cmp-legacy", [2] = "svm", [3] = "extapic",
            [4] = "cr8legacy", [5] = "abm", [6] = "sse4a",
            [7] = "misalignsse", [8] = "3dnowprefetch", [9] = "osvw",
            [10] = "ibs", [11] = "xop", [12] = "skinit", [13] = "wdt",
            [15] = "lwp", [16] = "fma4", [17] = "tce", [19] = "nodeid-msr",
            [21] = "tbm", [22] = "topoext", [23] = "perfctr-core",
            [24] = "perfctr-nb",
        },
    },
    [X86_FEAT_8000_0007_EDX] = {
        LEAF(0x80000007, 3),
        .names = {
            [8] = "invtsc",
        },
    },
    [X86_FEAT_8000_0008_EBX] = {
        LEAF(0x80000008, 1),
        .names = {
            [0] = "clzero", [2] = "xsaveerptr", [9] = "wbnoinvd",
            [12] = "ibpb", [14] = "ibrs", [15] = "amd-stibp",
            [24] = "amd-ssbd", [25] = "virt-ssbd", [26] = "amd-no-ssb",
        },
    },
    [X86_FEAT_C000_0001_EDX] = {
        LEAF(0xc0000001, 3),
        .names = {
            [2] = "xstore", [3] = "xstore-en", [6] = "xcrypt",
            [7] = "xcrypt-en", [8] = "ace2", [9] = "ace2-en", [10] = "phe",
            [11] = "phe-en", [12] = "pmm", [13] = "pmm-en",
        },
    },
    [X86_FEAT_KVM] = {
        LEAF(0x40000001, 0),
        .names = {
            [0] = "kvmclock", [1] = "kvm-nopiodelay", [2] = "kvm-mmu",
            [3] = "kvmclock", [4] = "kvm-asyncpf", [5] = "kvm-steal-time",
            [6] = "kvm-pv-eoi", [7] = "kvm-pv-unhalt",
            [9] = "kvm-pv-tlb-flush", [11] = "kvm-pv-ipi",
            [12] = "kvm-poll-control", [13] = "kvm-pv-sched-yield",
            [14] = "kvm-asyncpf-int", [15] = "kvm-msi-ext-dest-id",
            [24] = "kvmclock-stable-bit",
        },
    },
    [X86_FEAT_KVM_HINTS] = {
        LEAF(0x40000001, 3),
        .names = {
            [0] = "kvm-hint-dedicated",
        },
    },
    [X86_FEAT_SVM] = {
        LEAF(0x8000000a, 3),
        .names = {
            [0] = "npt", [1] = "lbrv", [2] = "svm-lock", [3] = "nrip-save",
            [4] = "tsc-scale", [5] = "vmcb-clean", [6] = "flushbyasid",
            [7] = "decodeassists", [10] = "pause-filter",
            [12] = "pfthreshold", [13] = "avic", [15] = "v-vmsave-vmload",
            [16] = "vgif", [28] = "svme-addr-chk",
        },
    },
    [X86_FEAT_XSAVE] = {
        SUBLEAF(0xd, 1, 0),
        .names = {
            [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves",
            [4] = "xfd",
        },
    },
    [X86_FEAT_6_EAX] = {
        LEAF(6, 0),
        .names = {
            [2] = "arat",
        },
    },
    [X86_FEAT_ARCH_CAPABILITIES] = {
        MSR(0x10a),
        .names = {
            [0] = "rdctl-no", [1] = "ibrs-all", [2] = "rsba",
            [3] = "skip-l1dfl-vmentry", [4] = "ssb-no", [5] = "mds-no",
            [6] = "pschange-mc-no", [7] = "tsx-ctrl", [8] = "taa-no",
        },
    },
    [X86_FEAT_CORE_CAPABILITY] = {
        MSR(0xcf),
        .names = {
            [5] = "split-lock-detect",
        },
    },
    [X86_FEAT_XCR0_LO] = { SUBLEAF(0xd, 0, 0), .internal = true },
    [X86_FEAT_XCR0_HI] = { SUBLEAF(0xd, 0, 3), .internal = true },
    [X86_FEAT_XSS_LO] = { SUBLEAF(0xd, 1, 2), .internal = true },
};

/* Parts of features that are not there; "off" is taken, "on" is not. */
const char *const x86_missing_features[] = {
    "full-width-write", "intel-pt-lip", "sgx-debug", "sgx-exinfo", "sgx-kss",
    "sgx-mode64", "sgx-provisionkey", "sgx-tokenkey", "sgx1", "sgx2",
    "vmx-activity-hlt", "vmx-activity-shutdown", "vmx-activity-wait-sipi",
    "vmx-apicv-register", "vmx-apicv-vid", "vmx-apicv-x2apic",
    "vmx-apicv-xapic", "vmx-cr3-load-noexit", "vmx-cr3-store-noexit",
    "vmx-cr8-load-exit", "vmx-cr8-store-exit", "vmx-desc-exit",
    "vmx-encls-exit", "vmx-entry-ia32e-mode", "vmx-entry-load-bndcfgs",
    "vmx-entry-load-efer", "vmx-entry-load-pat",
    "vmx-entry-load-perf-global-ctrl", "vmx-entry-load-pkrs",
    "vmx-entry-load-rtit-ctl", "vmx-entry-noload-debugctl", "vmx-ept",
    "vmx-ept-1gb", "vmx-ept-2mb", "vmx-ept-advanced-exitinfo",
    "vmx-ept-execonly", "vmx-eptad", "vmx-eptp-switching", "vmx-exit-ack-intr",
    "vmx-exit-clear-bndcfgs", "vmx-exit-clear-rtit-ctl", "vmx-exit-load-efer",
    "vmx-exit-load-pat", "vmx-exit-load-perf-global-ctrl",
    "vmx-exit-load-pkrs", "vmx-exit-nosave-debugctl", "vmx-exit-save-efer",
    "vmx-exit-save-pat", "vmx-exit-save-preemption-timer", "vmx-flexpriority",
    "vmx-hlt-exit", "vmx-ins-outs", "vmx-intr-exit", "vmx-invept",
    "vmx-invept-all-context", "vmx-invept-single-context",
    "vmx-invept-single-context-noglobals", "vmx-invlpg-exit",
    "vmx-invpcid-exit", "vmx-invvpid", "vmx-invvpid-all-context",
    "vmx-invvpid-single-addr", "vmx-io-bitmap", "vmx-io-exit",
    "vmx-monitor-exit", "vmx-movdr-exit", "vmx-msr-bitmap", "vmx-mtf",
    "vmx-mwait-exit", "vmx-nmi-exit", "vmx-page-walk-4", "vmx-page-walk-5",
    "vmx-pause-exit", "vmx-ple", "vmx-pml", "vmx-posted-intr",
    "vmx-preemption-timer", "vmx-rdpmc-exit", "vmx-rdrand-exit",
    "vmx-rdseed-exit", "vmx-rdtsc-exit", "vmx-rdtscp-exit",
    "vmx-secondary-ctls", "vmx-shadow-vmcs", "vmx-store-lma", "vmx-true-ctls",
    "vmx-tsc-offset", "vmx-tsc-scaling", "vmx-unrestricted-guest",
    "vmx-vintr-pending", "vmx-vmfunc", "vmx-vmwrite-vmexit-fields", "vmx-vnmi",
    "vmx-vnmi-pending", "vmx-vpid", "vmx-wbinvd-exit", "vmx-xsaves",
    "vmx-zero-len-inject",
};
const size_t x86_nmissing_features = G_N_ELEMENTS(x86_missing_features);
/* clang-format on */

/* Other spellings than by punctuation. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    { "sse3", "pni" },
    { "xd", "nx" },
    { "i64", "lm" },
    { "ffxsr", "fxsr-opt" },
    { "pclmuldq", "pclmulqdq" },
};

/* As strcmp() == 0, with '_' and '.' taken as '-'. */
static bool name_equal(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a == '_' || *a == '.' ? '-' : *a;
        char y = *b == '_' || *b == '.' ? '-' : *b;

        if (x != y) {
            return false;
        }
    }
    return *a == *b;
}

bool x86_feature_find(const char *name, X86FeatureWord *ret_word,
                      uint32_t *ret_mask)
{
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        if (name_equal(name, aliases[i].alias)) {
            name = aliases[i].name;
            break;
        }
    }
    for (unsigned w = 0; w < X86_FEATURE_WORDS; w++) {
        uint32_t mask = 0;

        for (unsigned b = 0; b < 32; b++) {
            const char *n = x86_features[w].names[b];

            if (n && name_equal(name, n)) {
                mask |= 1U << b;
            }
        }
        if (mask) {
            *ret_word = w;
            *ret_mask = mask;
            return true;
        }
    }
    return false;
}

bool x86_feature_is_missing(const char *name)
{
    for (size_t i = 0; i < x86_nmissing_features; i++) {
        if (name_equal(name, x86_missing_features[i])) {
            return true;
        }
    }
    return false;
}

char *x86_feature_describe(X86FeatureWord w, unsigned bit)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
    const X86FeatureInfo *f = &x86_features[w];
    const char *name = f->names[bit] ? f->names[bit] : "";
    const char *dot = *name ? "." : "";

    if (f->is_msr) {
        return g_strdup_printf("MSR(%02XH)%s%s [bit %u]", f->leaf, dot, name,
                               bit);
    }
    return g_strdup_printf("CPUID.%02XH:%s%s%s [bit %u]", f->leaf, regs[f->reg],
                           dot, name, bit);
}
