/*
 * The architectural state of one x86 CPU, whoever runs it: accelerators read
 * it into here and write it from here, the stream is made from it, the
 * monitor prints it.
 *
 * Registers and MSRs: Intel SDM volume 3 (chapters 2, 10, 11, 15, 18) and
 * volume 4; AMD APM volume 2.
 *
 * Locking: the vCPU's own thread, or any thread while the vCPU is stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include "util/base.h"
#include "target/i386/cpu-model.h"

struct VmstateRegistry;

/* Order of regs[]: the numbers that instructions use. */
enum {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
    X86_NREGS,
};

/* Order of segs[]. */
enum { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_NSEGS };

/*
 * A segment register with its hidden part.  `flags` is the second doubleword
 * of a descriptor without base and limit: bits 8..23 (SDM 3.4.5).
 */
typedef struct X86Segment {
    uint32_t selector;
    uint32_t limit; /* bytes, granularity applied */
    uint32_t flags; /* X86_SEG_* */
    uint64_t base;
} X86Segment;

enum {
    X86_SEG_TYPE_SHIFT = 8,
    X86_SEG_A = 1 << 8,
    X86_SEG_W = 1 << 9, /* data: writable, code: readable */
    X86_SEG_C = 1 << 10,
    X86_SEG_CODE = 1 << 11,
    X86_SEG_S = 1 << 12,
    X86_SEG_DPL_SHIFT = 13,
    X86_SEG_P = 1 << 15,
    X86_SEG_AVL = 1 << 20,
    X86_SEG_L = 1 << 21,
    X86_SEG_DB = 1 << 22,
    X86_SEG_G = 1 << 23,
};

enum {
    X86_CR0_PE = 1U << 0,
    X86_CR0_MP = 1U << 1,
    X86_CR0_EM = 1U << 2,
    X86_CR0_TS = 1U << 3,
    X86_CR0_ET = 1U << 4,
    X86_CR0_NE = 1U << 5,
    X86_CR0_WP = 1U << 16,
    X86_CR0_AM = 1U << 18,
    X86_CR0_NW = 1U << 29,
    X86_CR0_CD = 1U << 30,
    X86_CR0_PG = 1U << 31,
};

enum {
    X86_CR4_VME = 1 << 0,
    X86_CR4_PVI = 1 << 1,
    X86_CR4_TSD = 1 << 2,
    X86_CR4_DE = 1 << 3,
    X86_CR4_PSE = 1 << 4,
    X86_CR4_PAE = 1 << 5,
    X86_CR4_MCE = 1 << 6,
    X86_CR4_PGE = 1 << 7,
    X86_CR4_PCE = 1 << 8,
    X86_CR4_OSFXSR = 1 << 9,
    X86_CR4_OSXMMEXCPT = 1 << 10,
    X86_CR4_UMIP = 1 << 11,
    X86_CR4_LA57 = 1 << 12,
    X86_CR4_VMXE = 1 << 13,
    X86_CR4_SMXE = 1 << 14,
    X86_CR4_FSGSBASE = 1 << 16,
    X86_CR4_PCIDE = 1 << 17,
    X86_CR4_OSXSAVE = 1 << 18,
    X86_CR4_SMEP = 1 << 20,
    X86_CR4_SMAP = 1 << 21,
    X86_CR4_PKE = 1 << 22,
    X86_CR4_CET = 1 << 23,
    X86_CR4_PKS = 1 << 24,
};

enum {
    X86_EFER_SCE = 1 << 0,
    X86_EFER_LME = 1 << 8,
    X86_EFER_LMA = 1 << 10,
    X86_EFER_NXE = 1 << 11,
    X86_EFER_SVME = 1 << 12,
    X86_EFER_LMSLE = 1 << 13,
    X86_EFER_FFXSR = 1 << 14,
};

enum {
    X86_FLAG_CF = 1 << 0,
    X86_FLAG_PF = 1 << 2,
    X86_FLAG_AF = 1 << 4,
    X86_FLAG_ZF = 1 << 6,
    X86_FLAG_SF = 1 << 7,
    X86_FLAG_TF = 1 << 8,
    X86_FLAG_IF = 1 << 9,
    X86_FLAG_DF = 1 << 10,
    X86_FLAG_OF = 1 << 11,
    X86_FLAG_IOPL = 3 << 12,
    X86_FLAG_NT = 1 << 14,
    X86_FLAG_RF = 1 << 16,
    X86_FLAG_VM = 1 << 17,
    X86_FLAG_AC = 1 << 18,
    X86_FLAG_VIF = 1 << 19,
    X86_FLAG_VIP = 1 << 20,
    X86_FLAG_ID = 1 << 21,
};

/*
 * hflags and hflags2: derived state that the stream carries.  Learnt from
 * streams; x86_cpu_update_hflags() makes the first word from the registers.
 */
enum {
    X86_HF_CPL = 3,
    X86_HF_INHIBIT_IRQ = 1 << 3,
    X86_HF_CS32 = 1 << 4,
    X86_HF_SS32 = 1 << 5,
    X86_HF_ADDSEG = 1 << 6,
    X86_HF_PE = 1 << 7,
    X86_HF_TF = 1 << 8,
    X86_HF_MP = 1 << 9,
    X86_HF_EM = 1 << 10,
    X86_HF_TS = 1 << 11,
    X86_HF_IOPL = 3 << 12,
    X86_HF_LMA = 1 << 14,
    X86_HF_CS64 = 1 << 15,
    X86_HF_RF = 1 << 16,
    X86_HF_VM = 1 << 17,
    X86_HF_AC = 1 << 18,
    X86_HF_SMM = 1 << 19,
    X86_HF_SVME = 1 << 20,
    X86_HF_GUEST = 1 << 21,
    X86_HF_OSFXSR = 1 << 22,
    X86_HF_SMAP = 1 << 23,
};
enum {
    X86_HF2_GIF = 1 << 0,
    X86_HF2_HIF = 1 << 1,
    X86_HF2_NMI = 1 << 2,
    X86_HF2_SMM_INSIDE_NMI = 1 << 4,
    X86_HF2_IGNNE = 1 << 7, /* the board has IGNNE# asserted */
    X86_HF2_VGIF = 1 << 8,
};

/* XCR0 and IA32_XSS components: SDM volume 1, 13.1. */
enum {
    X86_XCR0_X87 = 1 << 0,
    X86_XCR0_SSE = 1 << 1,
    X86_XCR0_AVX = 1 << 2,
    X86_XCR0_BNDREGS = 1 << 3,
    X86_XCR0_BNDCSR = 1 << 4,
    X86_XCR0_OPMASK = 1 << 5,
    X86_XCR0_ZMM_HI256 = 1 << 6,
    X86_XCR0_HI16_ZMM = 1 << 7,
    X86_XCR0_PKRU = 1 << 9,
    X86_XCR0_XTILECFG = 1 << 17,
    X86_XCR0_XTILEDATA = 1 << 18,
};

/* Multiprocessor states, as the stream and KVM number them. */
enum {
    X86_MP_RUNNABLE = 0,
    X86_MP_UNINITIALIZED = 1, /* waits for INIT */
    X86_MP_INIT_RECEIVED = 2, /* waits for SIPI */
    X86_MP_HALTED = 3,
    X86_MP_SIPI_RECEIVED = 4,
};

/* One register of 512 bits; XMM and YMM are its low parts. */
typedef union X86Vec {
    uint8_t b[64];
    uint16_t w[32];
    uint32_t d[16];
    uint64_t q[8];
} X86Vec;

/* An 80-bit x87 register; MMX is `mant`. */
typedef struct X86FpReg {
    uint64_t mant;
    uint16_t exp; /* with the sign as bit 15 */
} X86FpReg;

typedef struct X86Mtrr {
    uint64_t base, mask; /* IA32_MTRR_PHYSBASEn, _PHYSMASKn */
} X86Mtrr;

typedef struct X86BndReg {
    uint64_t lb, ub;
} X86BndReg;

typedef struct X86LbrEntry {
    uint64_t from, to, info;
} X86LbrEntry;

enum {
    X86_NFIXED_MTRR = 11,
    X86_NVAR_MTRR = 8,
    X86_MCE_BANKS = 10,
    X86_PMU_FIXED_MAX = 3,
    X86_PMU_GP_MAX = 18,
    X86_PT_ADDR_MAX = 8, /* RTIT_ADDRn_A and _B */
    X86_LBR_MAX = 32,
    X86_XTILECFG_SIZE = 64,
    X86_XTILEDATA_SIZE = 8192,
};

typedef struct X86Cpu {
    /* Registers an instruction names. */
    uint64_t regs[X86_NREGS];
    uint64_t rip;
    uint64_t rflags;
    uint32_t hflags;  /* X86_HF_* */
    uint32_t hflags2; /* X86_HF2_* */
    X86Segment segs[X86_NSEGS];
    X86Segment ldt, tr, gdt, idt; /* gdt, idt: base and limit only */
    uint64_t cr[5];
    uint64_t cr8;       /* not in the stream: TPR >> 4 */
    uint64_t dr[8];     /* 4, 5: as the stream carries them */
    uint64_t pdptrs[4]; /* PAE paging; valid if pdptrs_valid */
    bool pdptrs_valid;
    int32_t a20_mask; /* ~(1 << 20) while the gate is off, else -1 */

    /* x87 and SIMD. */
    uint16_t fpuc; /* control word */
    uint16_t fpus; /* status word with TOP in bits 13:11 */
    uint8_t fptag; /* bit per physical register, 1: holds a value */
    uint16_t fpop; /* last opcode, 11 bits */
    uint64_t fpip, fpdp;
    /* Under KVM in ST order; under the software CPU by physical number. */
    X86FpReg fpregs[8];
    uint32_t mxcsr;
    X86Vec vec[32];
    uint64_t opmask[8];
    X86BndReg bnd_regs[4];
    uint64_t bndcfgu, bndstatus; /* user configuration and status */
    uint64_t bndcfgs;
    uint32_t pkru, pkrs;
    uint64_t xcr0, xss, xstate_bv;
    uint8_t xtilecfg[X86_XTILECFG_SIZE];
    uint8_t xtiledata[X86_XTILEDATA_SIZE];

    /* MSRs. */
    uint64_t efer;
    uint32_t sysenter_cs;
    uint64_t sysenter_esp, sysenter_eip;
    uint64_t star, lstar, cstar, fmask, kernelgsbase;
    uint32_t smbase;
    uint64_t apic_base; /* IA32_APIC_BASE; the "apic" section carries it */
    uint64_t pat;
    uint64_t mtrr_fixed[X86_NFIXED_MTRR];
    uint64_t mtrr_deftype;
    X86Mtrr mtrr_var[X86_NVAR_MTRR];
    uint64_t mcg_cap, mcg_status, mcg_ctl, mcg_ext_ctl;
    uint64_t mce_banks[X86_MCE_BANKS * 4]; /* CTL, STATUS, ADDR, MISC */
    uint64_t tsc, tsc_aux, tsc_adjust, tsc_deadline;
    uint64_t misc_enable, feature_control;
    uint64_t spec_ctrl, tsx_ctrl, virt_ssbd, amd_tsc_scale;
    uint64_t smi_count;
    uint32_t umwait;
    uint64_t xfd, xfd_err;
    uint64_t sgxlepubkeyhash[4];
    uint64_t fixed_ctr_ctrl, global_ctrl, global_status, global_ovf_ctrl;
    uint64_t fixed_counters[X86_PMU_FIXED_MAX];
    uint64_t gp_counters[X86_PMU_GP_MAX], gp_evtsel[X86_PMU_GP_MAX];
    uint64_t rtit_ctl, rtit_status, rtit_output_base, rtit_output_mask;
    uint64_t rtit_cr3_match, rtit_addrs[X86_PT_ADDR_MAX];
    uint64_t lbr_ctl, lbr_depth;
    X86LbrEntry lbr[X86_LBR_MAX];
    /* KVM's paravirtual MSRs (kernel: Documentation/virt/kvm/x86/msr.rst). */
    uint64_t system_time_msr, wall_clock_msr, steal_time_msr;
    uint64_t async_pf_en_msr, async_pf_int_msr, pv_eoi_en_msr;
    uint64_t poll_control_msr;
    int64_t tsc_khz;      /* what the guest sees; 0: not known */
    int64_t user_tsc_khz; /* asked for by tsc-frequency=; 0: none */

    /* AMD SVM, for the stream and the software CPU. */
    uint64_t vm_hsave, vm_vmcb, tsc_offset, intercept;
    uint16_t intercept_cr_read, intercept_cr_write;
    uint16_t intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions;
    uint8_t v_tpr;
    uint64_t nested_cr3;
    uint32_t nested_pg_mode, int_ctl;

    /* Events on their way. */
    int32_t interrupt_injected; /* vector, -1: none */
    uint8_t soft_interrupt;     /* it came from INT n */
    int32_t exception_nr;       /* vector, -1: none */
    uint8_t exception_pending, exception_injected;
    uint8_t has_error_code;
    uint32_t error_code;
    uint8_t exception_has_payload;
    uint64_t exception_payload;
    uint8_t nmi_injected, nmi_pending;
    uint8_t triple_fault_pending;
    uint32_t sipi_vector;
    uint32_t mp_state;          /* X86_MP_* */
    uint32_t halted;            /* in HLT, or never started */
    uint32_t interrupt_request; /* X86_IRQ_*: SMI, NMI and INIT that wait */
    /*
     * Does the local APIC have an interrupt for it?  NULL: the kernel has the
     * APIC, and with it what waits.
     */
    bool (*interrupt_waits)(void *opaque);
    void *interrupt_opaque;
    bool crash_occurred;     /* guest panic notified */
    int32_t exception_index; /* of the software CPU, -1: none */
    /* Filled for the stream only. */
    uint32_t hflags_stream;
    uint32_t interrupt_request_stream;
    uint16_t fpus_stream, fptag_stream, fpformat_stream;

    /* What follows is not state: it is fixed when the CPU is made. */
    const X86CpuModel *model; /* borrowed; lives as long as the machine */
    X86Topology topo;
    unsigned index;
    uint32_t apic_id;
    /* Accelerator's answer, else 0: the CPU may scan XSAVE areas this big. */
    uint32_t xsave_size;
} X86Cpu;

/* interrupt_request, as "cpu_common" carries it. */
enum {
    X86_IRQ_HARD = 1 << 1,
    X86_IRQ_EXITTB = 1 << 2,
    X86_IRQ_HALT = 1 << 5,
    X86_IRQ_SMI = 1 << 6,
    X86_IRQ_NMI = 1 << 9,
    X86_IRQ_INIT = 1 << 10,
};

/* A CPU in its power-on state.  The model must be realized and outlives it. */
X86Cpu *x86_cpu_new(const X86CpuModel *model, const X86Topology *topo,
                    unsigned index, uint32_t apic_id);
void x86_cpu_free(X86Cpu *cpu);
/* Registers cpu_common and cpu, in this order, instance cpu->index. */
void x86_cpu_register_vmstate(X86Cpu *cpu, struct VmstateRegistry *r);
void x86_cpu_unregister_vmstate(X86Cpu *cpu, struct VmstateRegistry *r);

/* Power-on and RESET#: SDM volume 3, table 10-1. */
void x86_cpu_reset(X86Cpu *cpu);
/* INIT: as reset, but FPU, MTRRs, TSC and most MSRs stay. */
void x86_cpu_init_ipi(X86Cpu *cpu);
/* Start-up IPI: real mode at vector << 12. */
void x86_cpu_sipi(X86Cpu *cpu, uint8_t vector);
bool x86_cpu_is_bsp(const X86Cpu *cpu);
/*
 * 32-bit protected mode without paging, flat segments, interrupts off: how
 * Multiboot and PVH images are entered.
 */
void x86_cpu_set_flat32_entry(X86Cpu *cpu, uint32_t eip, uint32_t eax,
                              uint32_t ebx);
/* Real mode at a segment and offset. */
void x86_cpu_set_real_entry(X86Cpu *cpu, uint16_t cs, uint16_t ip);
void x86_cpu_set_a20(X86Cpu *cpu, bool on);
/* hflags as the registers have them; X86_HF_SMM, GUEST, INHIBIT_IRQ stay. */
uint32_t x86_cpu_hflags(const X86Cpu *cpu);
/* Stores that. */
void x86_cpu_update_hflags(X86Cpu *cpu);
unsigned x86_cpu_cpl(const X86Cpu *cpu);
/* The TSC's frequency where it is modelled: 1 GHz unless asked for. */
static inline int64_t x86_cpu_tsc_khz(const X86Cpu *cpu)
{
    int64_t khz = cpu->user_tsc_khz > 0 ? cpu->user_tsc_khz : cpu->tsc_khz;

    return khz > 0 ? khz : 1000000;
}
static inline bool x86_cpu_long_mode(const X86Cpu *cpu)
{
    return cpu->efer & X86_EFER_LMA;
}

/* `info registers`. */
void x86_cpu_print_registers(const X86Cpu *cpu, GString *out, bool with_fpu);

/*
 * Translates a linear address through the guest's own page tables, for the
 * monitor (`x`, gva2gpa).  `load` reads 8 bytes of guest-physical memory
 * and says whether there was any.  False: not mapped.
 */
bool x86_cpu_virt_to_phys(const X86Cpu *cpu, uint64_t va,
                          bool (*load)(void *opaque, uint64_t pa, unsigned size,
                                       uint64_t *ret),
                          void *opaque, uint64_t *ret_pa);

#endif
