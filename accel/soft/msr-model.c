/*
 * Registers of processor models that the software CPU has no use for.
 *
 * Firmware, kernels and test programs read and write them when CPUID shows
 * vendor and family, without asking any further.  They read as zero and
 * forget what is written; what no processor of the vendor has is #GP.
 *
 * Intel SDM volume 4, tables 2-2, 2-3 and 2-20 (what P6 and Core families
 * share); AMD BKDG for family 0Fh (26094), chapter 14, and APM volume 2,
 * appendix A.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/msr.h"

#include "util/log.h"

enum { BY_INTEL = 1 << 0, BY_AMD = 1 << 1 };

typedef struct MsrRange {
    uint32_t first, last;
    unsigned vendors;
    const char *what; /* for the log */
} MsrRange;

static const MsrRange msr_ranges[] = {
    { 0x0, 0x1, BY_INTEL | BY_AMD, "machine-check address and type" },
    { 0x17, 0x17, BY_INTEL, "platform id" },
    { 0x2a, 0x2a, BY_INTEL, "power-on configuration" },
    { 0x2c, 0x2c, BY_INTEL, "frequency configuration" },
    { 0x34, 0x34, BY_INTEL, "SMI count" },
    { 0x3a, 0x3a, BY_INTEL, "feature control" },
    { 0x79, 0x79, BY_INTEL, "microcode update" },
    { 0x9b, 0x9b, BY_INTEL, "SMM monitor control" },
    { 0xc1, 0xc8, BY_INTEL, "performance counters" },
    { 0xcd, 0xce, BY_INTEL, "bus frequency, platform information" },
    { 0xe2, 0xe4, BY_INTEL, "C-state control" },
    { 0xe7, 0xe8, BY_INTEL | BY_AMD, "MPERF and APERF" },
    { 0x119, 0x119, BY_INTEL, "BBL_CR_CTL" },
    { 0x11e, 0x11e, BY_INTEL, "BBL_CR_CTL3" },
    { 0x140, 0x140, BY_INTEL, "feature enables" },
    { 0x186, 0x18d, BY_INTEL, "performance event selects" },
    { 0x194, 0x194, BY_INTEL, "clock flex" },
    { 0x198, 0x19d, BY_INTEL, "performance and thermal control" },
    { 0x1a1, 0x1a2, BY_INTEL, "temperature target" },
    { 0x1a4, 0x1a7, BY_INTEL, "prefetch control, off-core responses" },
    { 0x1aa, 0x1ad, BY_INTEL, "power management, turbo limits" },
    { 0x1b0, 0x1b2, BY_INTEL, "energy bias, package thermal status" },
    { 0x1c8, 0x1c9, BY_INTEL, "last-branch select and top" },
    { 0x1d7, 0x1d8, BY_INTEL, "last exception" },
    { 0x1d9, 0x1d9, BY_INTEL | BY_AMD, "debug control" },
    { 0x1db, 0x1de, BY_INTEL | BY_AMD, "last branch and exception" },
    { 0x1f2, 0x1f3, BY_INTEL, "SMRR" },
    { 0x1fc, 0x1fc, BY_INTEL, "power control" },
    { 0x280, 0x288, BY_INTEL, "corrected machine-check control" },
    { 0x309, 0x30c, BY_INTEL, "fixed counters" },
    { 0x345, 0x345, BY_INTEL, "performance capabilities" },
    { 0x38d, 0x390, BY_INTEL, "performance counter control" },
    { 0x391, 0x398, BY_INTEL, "uncore performance counters" },
    { 0x3f1, 0x3f1, BY_INTEL, "PEBS enable" },
    { 0x3f6, 0x3ff, BY_INTEL, "PEBS latency, residencies" },
    { 0x600, 0x600, BY_INTEL, "debug store area" },
    { 0x601, 0x64f, BY_INTEL, "power limits and energy counters" },
    { 0x680, 0x68f, BY_INTEL, "last-branch stack, sources" },
    { 0x6c0, 0x6cf, BY_INTEL, "last-branch stack, targets" },
    { 0xc0010000, 0xc0010007, BY_AMD, "performance events and counters" },
    { 0xc0010010, 0xc0010010, BY_AMD, "SYSCFG" },
    { 0xc0010015, 0xc001001f, BY_AMD, "HWCR, IORR, TOP_MEM, NB_CFG" },
    { 0xc0010022, 0xc0010022, BY_AMD, "machine-check redirection" },
    { 0xc0010030, 0xc0010035, BY_AMD, "processor name" },
    { 0xc001003e, 0xc001003f, BY_AMD, "hardware thermal control" },
    { 0xc0010041, 0xc0010045, BY_AMD, "FID and VID, bank masks" },
    { 0xc0010046, 0xc001004a, BY_AMD, "machine-check bank masks" },
    { 0xc0010050, 0xc0010054, BY_AMD, "SMI on I/O traps" },
    { 0xc0010055, 0xc0010056, BY_AMD, "C1E, SMI trigger" },
    { 0xc0010058, 0xc0010058, BY_AMD, "MMIO configuration base" },
    { 0xc0010061, 0xc0010071, BY_AMD, "P-states, COFVID" },
    { 0xc0010073, 0xc0010074, BY_AMD, "C-state base, watchdog" },
    { 0xc0010111, 0xc0010115, BY_AMD, "SMM base and mask, VM_CR, IGNNE" },
    { 0xc0010140, 0xc0010141, BY_AMD, "OS visible workarounds" },
    { 0xc0010200, 0xc001020b, BY_AMD, "extended performance counters" },
    { 0xc0010240, 0xc0010247, BY_AMD, "northbridge counters" },
    { 0xc0011000, 0xc001103f, BY_AMD, "feature and unit configuration" },
};
_Static_assert(G_N_ELEMENTS(msr_ranges) <= 64, "ranges are bits of a word");

static unsigned vendor_of(const SoftCpu *s)
{
    return g_str_equal(x86_cpu_model_vendor(s->x->model), "GenuineIntel")
               ? BY_INTEL
               : BY_AMD;
}

bool soft_msr_of_model(SoftCpu *s, uint32_t msr, bool write)
{
    unsigned vendor = vendor_of(s);

    for (size_t i = 0; i < G_N_ELEMENTS(msr_ranges); i++) {
        const MsrRange *r = &msr_ranges[i];
        uint64_t bit = UINT64_C(1) << i;

        if (msr < r->first || msr > r->last || !(r->vendors & vendor)) {
            continue;
        }
        if (!(s->msr_said & bit)) {
            s->msr_said |= bit;
            log_guest_error("CPU %u: %s of MSR 0x%x (%s): reads as 0",
                            s->x->index, write ? "write" : "read", msr,
                            r->what);
        }
        return true;
    }
    return false;
}
