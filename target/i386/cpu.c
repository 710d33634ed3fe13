/*
 * A CPU's life: power-on, reset, INIT, SIPI, and how firmware-less guests are
 * entered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu.h"

#include "target/i386/xsave.h"

#define APIC_BASE_DEFAULT        0xfee00000
#define APIC_BASE_BSP            (1 << 8)
#define APIC_BASE_ENABLE         (1 << 11)
#define PAT_DEFAULT              0x0007040600070406ULL
#define SMBASE_DEFAULT           0x30000
#define MISC_ENABLE_FAST_STRINGS 1
/* 10 banks, MCG_CTL_P and MCG_SER_P: SDM volume 3, 15.3.1.1. */
#define MCG_CAP_DEFAULT (1 << 24 | 1 << 8 | X86_MCE_BANKS)

X86Cpu *x86_cpu_new(const X86CpuModel *model, const X86Topology *topo,
                    unsigned index, uint32_t apic_id)
{
    X86Cpu *cpu = g_aligned_alloc0(1, sizeof(*cpu), CACHE_LINE);

    cpu->model = model;
    cpu->topo = *topo;
    cpu->topo.dies = MAX(topo->dies, 1);
    cpu->topo.cores = MAX(topo->cores, 1);
    cpu->topo.threads = MAX(topo->threads, 1);
    cpu->index = index;
    cpu->apic_id = apic_id;
    cpu->mcg_cap = MCG_CAP_DEFAULT;
    cpu->user_tsc_khz = x86_cpu_model_tsc_hz(model) / 1000;
    cpu->tsc_khz = cpu->user_tsc_khz;
    x86_cpu_reset(cpu);
    return cpu;
}

void x86_cpu_free(X86Cpu *cpu)
{
    g_aligned_free(cpu);
}

bool x86_cpu_is_bsp(const X86Cpu *cpu)
{
    return cpu->index == 0;
}

static void seg_set(X86Segment *s, uint32_t selector, uint64_t base,
                    uint32_t limit, uint32_t flags)
{
    s->selector = selector;
    s->base = base;
    s->limit = limit;
    s->flags = flags;
}

static void reset_segments(X86Cpu *cpu)
{
    const uint32_t data = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        seg_set(&cpu->segs[i], 0, 0, 0xffff, data);
    }
    seg_set(&cpu->segs[X86_CS], 0xf000, 0xffff0000, 0xffff,
            data | X86_SEG_CODE);
    seg_set(&cpu->ldt, 0, 0, 0xffff, X86_SEG_P | 2 << X86_SEG_TYPE_SHIFT);
    seg_set(&cpu->tr, 0, 0, 0xffff, X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT);
    seg_set(&cpu->gdt, 0, 0, 0xffff, 0);
    seg_set(&cpu->idt, 0, 0, 0xffff, 0);
}

static void reset_events(X86Cpu *cpu)
{
    cpu->interrupt_injected = -1;
    cpu->exception_nr = -1;
    cpu->exception_index = -1;
    cpu->soft_interrupt = 0;
    cpu->exception_pending = cpu->exception_injected = 0;
    cpu->has_error_code = 0;
    cpu->error_code = 0;
    cpu->exception_has_payload = 0;
    cpu->exception_payload = 0;
    cpu->nmi_injected = cpu->nmi_pending = 0;
    cpu->triple_fault_pending = 0;
    cpu->interrupt_request = 0;
    cpu->sipi_vector = 0;
    cpu->hflags2 = X86_HF2_GIF | X86_HF2_VGIF;
    cpu->hflags = 0;
    cpu->mp_state =
        x86_cpu_is_bsp(cpu) ? X86_MP_RUNNABLE : X86_MP_UNINITIALIZED;
    cpu->halted = !x86_cpu_is_bsp(cpu);
}

/* What both RESET# and INIT do: table 10-1, columns "Reset" and "INIT". */
static void reset_common(X86Cpu *cpu)
{
    memset(cpu->regs, 0, sizeof(cpu->regs));
    cpu->regs[X86_RDX] = x86_cpu_signature(cpu);
    cpu->rip = 0xfff0;
    cpu->rflags = 2;
    reset_segments(cpu);
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->cr[2] = cpu->cr[3] = cpu->cr[4] = cpu->cr8 = 0;
    cpu->pdptrs_valid = false;
    cpu->efer = 0;
    reset_events(cpu);
}

static void reset_mtrrs(X86Cpu *cpu)
{
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    cpu->mtrr_deftype = 0;
    memset(cpu->mtrr_var, 0, sizeof(cpu->mtrr_var));
}

static void reset_machine_check(X86Cpu *cpu)
{
    cpu->mcg_status = 0;
    cpu->mcg_ctl = ~0ULL;
    cpu->mcg_ext_ctl = 0;
    memset(cpu->mce_banks, 0, sizeof(cpu->mce_banks));
    for (unsigned i = 0; i < X86_MCE_BANKS; i++) {
        cpu->mce_banks[4 * i] = ~0ULL;
    }
}

static void reset_msrs(X86Cpu *cpu)
{
    cpu->sysenter_cs = 0;
    cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->star = cpu->lstar = cpu->cstar = cpu->fmask = 0;
    cpu->kernelgsbase = 0;
    cpu->smbase = SMBASE_DEFAULT;
    cpu->apic_base = APIC_BASE_DEFAULT | APIC_BASE_ENABLE |
                     (x86_cpu_is_bsp(cpu) ? APIC_BASE_BSP : 0);
    cpu->pat = PAT_DEFAULT;
    cpu->tsc = cpu->tsc_aux = cpu->tsc_adjust = cpu->tsc_deadline = 0;
    cpu->misc_enable = MISC_ENABLE_FAST_STRINGS;
    cpu->feature_control = 0;
    cpu->spec_ctrl = cpu->tsx_ctrl = cpu->virt_ssbd = 0;
    cpu->amd_tsc_scale = BIT_ULL(32); /* ratio 1.0: APM volume 2, 15.30.5 */
    cpu->umwait = 0;
    cpu->xfd = cpu->xfd_err = 0;
    cpu->xss = 0;
    cpu->pkrs = 0;
    cpu->bndcfgs = 0;
    cpu->smi_count = 0;
    cpu->system_time_msr = cpu->wall_clock_msr = cpu->steal_time_msr = 0;
    cpu->async_pf_en_msr = cpu->async_pf_int_msr = cpu->pv_eoi_en_msr = 0;
    /* The host may poll: kernel's msr.rst. */
    cpu->poll_control_msr = x86_cpu_model_is_kvm(cpu->model);
    reset_mtrrs(cpu);
    reset_machine_check(cpu);
}

void x86_cpu_reset(X86Cpu *cpu)
{
    reset_common(cpu);
    cpu->cr[0] = X86_CR0_CD | X86_CR0_NW | X86_CR0_ET;
    cpu->a20_mask = -1;
    x86_fpu_init(cpu);
    cpu->xcr0 = X86_XCR0_X87;
    cpu->xstate_bv = 0;
    reset_msrs(cpu);
    cpu->vm_hsave = cpu->vm_vmcb = cpu->tsc_offset = cpu->intercept = 0;
    cpu->intercept_cr_read = cpu->intercept_cr_write = 0;
    cpu->intercept_dr_read = cpu->intercept_dr_write = 0;
    cpu->intercept_exceptions = 0;
    cpu->v_tpr = 0;
    x86_cpu_update_hflags(cpu);
}

void x86_cpu_init_ipi(X86Cpu *cpu)
{
    uint32_t cr0 = cpu->cr[0] & (X86_CR0_CD | X86_CR0_NW);

    reset_common(cpu);
    cpu->cr[0] = cr0 | X86_CR0_ET;
    x86_cpu_update_hflags(cpu);
}

void x86_cpu_sipi(X86Cpu *cpu, uint8_t vector)
{
    x86_cpu_set_real_entry(cpu, vector << 8, 0);
    cpu->mp_state = X86_MP_RUNNABLE;
    cpu->halted = 0;
}

void x86_cpu_set_real_entry(X86Cpu *cpu, uint16_t cs, uint16_t ip)
{
    cpu->segs[X86_CS].selector = cs;
    cpu->segs[X86_CS].base = (uint32_t)cs << 4;
    cpu->rip = ip;
    x86_cpu_update_hflags(cpu);
}

void x86_cpu_set_flat32_entry(X86Cpu *cpu, uint32_t eip, uint32_t eax,
                              uint32_t ebx)
{
    const uint32_t data =
        X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_DB | X86_SEG_G;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        seg_set(&cpu->segs[i], 0x10, 0, UINT32_MAX, data);
    }
    seg_set(&cpu->segs[X86_CS], 0x08, 0, UINT32_MAX, data | X86_SEG_CODE);
    cpu->cr[0] = X86_CR0_PE | X86_CR0_ET;
    cpu->cr[3] = cpu->cr[4] = 0;
    cpu->efer = 0;
    cpu->rflags = 2;
    cpu->rip = eip;
    cpu->regs[X86_RAX] = eax;
    cpu->regs[X86_RBX] = ebx;
    x86_cpu_update_hflags(cpu);
}

void x86_cpu_set_a20(X86Cpu *cpu, bool on)
{
    cpu->a20_mask = on ? -1 : ~(1 << 20);
}

unsigned x86_cpu_cpl(const X86Cpu *cpu)
{
    /* In real mode there is none; SS's DPL is right in every other. */
    if (!(cpu->cr[0] & X86_CR0_PE)) {
        return 0;
    }
    if (cpu->rflags & X86_FLAG_VM) {
        return 3;
    }
    return (cpu->segs[X86_SS].flags >> X86_SEG_DPL_SHIFT) & 3;
}

static uint32_t hflags_of_code(const X86Cpu *cpu)
{
    const X86Segment *cs = &cpu->segs[X86_CS];
    const X86Segment *ss = &cpu->segs[X86_SS];
    uint32_t h = 0;

    if (cpu->efer & X86_EFER_LMA) {
        h |= X86_HF_LMA;
        if (cs->flags & X86_SEG_L) {
            return h | X86_HF_CS32 | X86_HF_SS32 | X86_HF_CS64;
        }
    }
    h |= cs->flags & X86_SEG_DB ? X86_HF_CS32 : 0;
    h |= ss->flags & X86_SEG_DB ? X86_HF_SS32 : 0;
    /* May segment bases be left out of addresses? */
    if (!(cpu->cr[0] & X86_CR0_PE) || (cpu->rflags & X86_FLAG_VM) ||
        !(h & X86_HF_CS32) || cpu->segs[X86_DS].base ||
        cpu->segs[X86_ES].base || ss->base) {
        h |= X86_HF_ADDSEG;
    }
    return h;
}

uint32_t x86_cpu_hflags(const X86Cpu *cpu)
{
    const uint32_t keep = X86_HF_SMM | X86_HF_GUEST | X86_HF_INHIBIT_IRQ;
    const uint32_t rflags =
        X86_FLAG_TF | X86_FLAG_IOPL | X86_FLAG_RF | X86_FLAG_VM | X86_FLAG_AC;
    uint32_t h = (cpu->hflags & keep) | x86_cpu_cpl(cpu);

    h |= cpu->rflags & rflags; /* same places */
    h |= cpu->cr[0] & X86_CR0_PE ? X86_HF_PE : 0;
    h |= cpu->cr[0] & X86_CR0_MP ? X86_HF_MP : 0;
    h |= cpu->cr[0] & X86_CR0_EM ? X86_HF_EM : 0;
    h |= cpu->cr[0] & X86_CR0_TS ? X86_HF_TS : 0;
    h |= cpu->cr[4] & X86_CR4_OSFXSR ? X86_HF_OSFXSR : 0;
    h |= cpu->cr[4] & X86_CR4_SMAP ? X86_HF_SMAP : 0;
    h |= cpu->efer & X86_EFER_SVME ? X86_HF_SVME : 0;
    return h | hflags_of_code(cpu);
}

void x86_cpu_update_hflags(X86Cpu *cpu)
{
    cpu->hflags = x86_cpu_hflags(cpu);
}
