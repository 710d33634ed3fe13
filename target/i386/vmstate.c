/*
 * A CPU in the migration stream: "cpu_common" version 1 and "cpu" version 12
 * with its subsections.  ABI: names, order and widths are those that streams
 * of a 7.2 machine type describe themselves.  The subsections' order is that
 * of the table at the end; each is sent when its registers are not as after
 * a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/cpu.h"

#include "util/error.h"
#include "vmstate/vmstate.h"

/* A field of X86Cpu under the name that the stream has for it. */
#define ENV(name_, f, k)                                                  \
    {                                                                     \
        .name = "env." name_, .kind = (k), .offset = offsetof(X86Cpu, f), \
        .size = sizeof(((X86Cpu *)0)->f)                                  \
    }
#define ENV_ARRAY(name_, f, k, n)                                         \
    {                                                                     \
        .name = "env." name_, .kind = (k), .offset = offsetof(X86Cpu, f), \
        .size = sizeof(((X86Cpu *)0)->f) / (n), .num = (n)                \
    }
#define ENV_STRUCT(name_, f, v, sv)                                      \
    {                                                                    \
        .name = "env." name_, .kind = VMS_STRUCT,                        \
        .offset = offsetof(X86Cpu, f), .size = sizeof(((X86Cpu *)0)->f), \
        .vms = &(v), .struct_version = (sv)                              \
    }
#define ENV_STRUCTS(name_, f, n, v, sv)                                     \
    {                                                                       \
        .name = "env." name_, .kind = VMS_STRUCT,                           \
        .offset = offsetof(X86Cpu, f), .size = sizeof(((X86Cpu *)0)->f[0]), \
        .num = (n), .vms = &(v), .struct_version = (sv)                     \
    }
#define PART(T, name_, f, k)                                    \
    {                                                           \
        .name = (name_), .kind = (k), .offset = offsetof(T, f), \
        .size = sizeof(((T *)0)->f)                             \
    }

/* An x87 register: mantissa, then sign and exponent. */
static const Vmstate vmstate_fpreg_tmp = {
    .name = "fpreg_tmp",
    .fields =
        (const VmstateField[]){
            PART(X86FpReg, "tmp_mant", mant, VMS_U64),
            PART(X86FpReg, "tmp_exp", exp, VMS_U16),
            VMSTATE_END,
        },
};

static const Vmstate vmstate_fpreg = {
    .name = "fpreg",
    .fields =
        (const VmstateField[]){
            { .name = "tmp",
              .kind = VMS_STRUCT,
              .flags = VMF_TMP,
              .size = sizeof(X86FpReg),
              .vms = &vmstate_fpreg_tmp },
            VMSTATE_END,
        },
};

static const Vmstate vmstate_segment = {
    .name = "segment",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(X86Segment, selector),
            VMSTATE_U64(X86Segment, base),
            VMSTATE_U32(X86Segment, limit),
            VMSTATE_U32(X86Segment, flags),
            VMSTATE_END,
        },
};

#define VEC_Q(n) PART(X86Vec, "_q_ZMMReg[" #n "]", q[n], VMS_U64)
#define VMSTATE_VEC(var, name_, ...)                                  \
    static const Vmstate var = {                                      \
        .name = (name_),                                              \
        .version = 1,                                                 \
        .oldest = 1,                                                  \
        .fields = (const VmstateField[]){ __VA_ARGS__, VMSTATE_END }, \
    }

VMSTATE_VEC(vmstate_xmm, "xmm_reg", VEC_Q(0), VEC_Q(1));
VMSTATE_VEC(vmstate_ymmh, "ymmh_reg", VEC_Q(2), VEC_Q(3));
VMSTATE_VEC(vmstate_zmmh, "zmmh_reg", VEC_Q(4), VEC_Q(5), VEC_Q(6), VEC_Q(7));
VMSTATE_VEC(vmstate_hi16_zmm, "hi16_zmm_reg", VEC_Q(0), VEC_Q(1), VEC_Q(2),
            VEC_Q(3), VEC_Q(4), VEC_Q(5), VEC_Q(6), VEC_Q(7));

static const Vmstate vmstate_mtrr_var = {
    .name = "mtrr_var",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(X86Mtrr, base),
            VMSTATE_U64(X86Mtrr, mask),
            VMSTATE_END,
        },
};

static const Vmstate vmstate_bnd_reg = {
    .name = "bnd_regs",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(X86BndReg, lb),
            VMSTATE_U64(X86BndReg, ub),
            VMSTATE_END,
        },
};

static const Vmstate vmstate_lbr_entry = {
    .name = "lbr_records_var",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(X86LbrEntry, from),
            VMSTATE_U64(X86LbrEntry, to),
            VMSTATE_U64(X86LbrEntry, info),
            VMSTATE_END,
        },
};

static bool any_set(const void *p, size_t len)
{
    const uint8_t *b = p;

    return b[0] || memcmp(b, b + 1, len - 1) != 0;
}

#define NEEDED(fn, cond)          \
    static bool fn(void *opaque)  \
    {                             \
        const X86Cpu *c = opaque; \
                                  \
        return cond;              \
    }

/* A subsection "cpu/NAME" of plain fields. */
#define SUB(var, name_, fn, ...)                                      \
    static const Vmstate var = {                                      \
        .name = "cpu/" name_,                                         \
        .version = 1,                                                 \
        .oldest = 1,                                                  \
        .needed = (fn),                                               \
        .fields = (const VmstateField[]){ __VA_ARGS__, VMSTATE_END }, \
    }

#define SUB_U64(id, name_, f, fname, cond) \
    NEEDED(id##_needed, cond)              \
    SUB(sub_##id, name_, id##_needed, ENV(fname, f, VMS_U64))

NEEDED(exception_needed, c->exception_pending)
SUB(sub_exception, "exception_info", exception_needed,
    ENV("exception_pending", exception_pending, VMS_U8),
    ENV("exception_injected", exception_injected, VMS_U8),
    ENV("exception_has_payload", exception_has_payload, VMS_U8),
    ENV("exception_payload", exception_payload, VMS_U64));

SUB_U64(async_pf, "async_pf_msr", async_pf_en_msr, "async_pf_en_msr",
        c->async_pf_en_msr != 0);
SUB_U64(async_pf_int, "async_pf_int_msr", async_pf_int_msr, "async_pf_int_msr",
        c->async_pf_int_msr != 0);
SUB_U64(pv_eoi, "async_pv_eoi_msr", pv_eoi_en_msr, "pv_eoi_en_msr",
        c->pv_eoi_en_msr != 0);
SUB_U64(steal_time, "steal_time_msr", steal_time_msr, "steal_time_msr",
        c->steal_time_msr != 0);
SUB_U64(poll_control, "poll_control_msr", poll_control_msr, "poll_control_msr",
        c->poll_control_msr != 1);

NEEDED(fpop_needed, c->fpop || c->fpip || c->fpdp)
SUB(sub_fpop, "fpop_ip_dp", fpop_needed, ENV("fpop", fpop, VMS_U16),
    ENV("fpip", fpip, VMS_U64), ENV("fpdp", fpdp, VMS_U64));

SUB_U64(tsc_adjust, "msr_tsc_adjust", tsc_adjust, "tsc_adjust",
        c->tsc_adjust != 0);
SUB_U64(tsc_deadline, "msr_tscdeadline", tsc_deadline, "tsc_deadline",
        c->tsc_deadline != 0);
/* 1: fast strings, the only bit set by a reset. */
SUB_U64(misc_enable, "msr_ia32_misc_enable", misc_enable,
        "msr_ia32_misc_enable", c->misc_enable != 1);
SUB_U64(feature_control, "msr_ia32_feature_control", feature_control,
        "msr_ia32_feature_control", c->feature_control != 0);

NEEDED(pmu_needed, c->fixed_ctr_ctrl || c->global_ctrl || c->global_status ||
                       c->global_ovf_ctrl ||
                       any_set(c->fixed_counters, sizeof(c->fixed_counters)) ||
                       any_set(c->gp_counters, sizeof(c->gp_counters)) ||
                       any_set(c->gp_evtsel, sizeof(c->gp_evtsel)))
SUB(sub_pmu, "msr_architectural_pmu", pmu_needed,
    ENV("msr_fixed_ctr_ctrl", fixed_ctr_ctrl, VMS_U64),
    ENV("msr_global_ctrl", global_ctrl, VMS_U64),
    ENV("msr_global_status", global_status, VMS_U64),
    ENV("msr_global_ovf_ctrl", global_ovf_ctrl, VMS_U64),
    ENV_ARRAY("msr_fixed_counters", fixed_counters, VMS_U64, X86_PMU_FIXED_MAX),
    ENV_ARRAY("msr_gp_counters", gp_counters, VMS_U64, X86_PMU_GP_MAX),
    ENV_ARRAY("msr_gp_evtsel", gp_evtsel, VMS_U64, X86_PMU_GP_MAX));

NEEDED(mpx_needed, any_set(c->bnd_regs, sizeof(c->bnd_regs)) || c->bndcfgu ||
                       c->bndstatus || c->bndcfgs)
SUB(sub_mpx, "mpx", mpx_needed,
    ENV_STRUCTS("bnd_regs", bnd_regs, 4, vmstate_bnd_reg, 1),
    ENV("bndcs_regs.cfgu", bndcfgu, VMS_U64),
    ENV("bndcs_regs.sts", bndstatus, VMS_U64),
    ENV("msr_bndcfgs", bndcfgs, VMS_U64));

static bool avx512_needed(void *opaque)
{
    const X86Cpu *c = opaque;

    for (unsigned i = 0; i < 16; i++) {
        if (any_set(&c->vec[i].b[32], 32)) {
            return true;
        }
    }
    return any_set(c->opmask, sizeof(c->opmask)) ||
           any_set(&c->vec[16], 16 * sizeof(X86Vec));
}
SUB(sub_avx512, "avx512", avx512_needed,
    ENV_ARRAY("opmask_regs", opmask, VMS_U64, 8),
    ENV_STRUCTS("xmm_regs[0]", vec, 16, vmstate_zmmh, 1),
    { .name = "env.xmm_regs[1]",
      .kind = VMS_STRUCT,
      .offset = offsetof(X86Cpu, vec[16]),
      .size = sizeof(X86Vec),
      .num = 16,
      .vms = &vmstate_hi16_zmm,
      .struct_version = 1 });

SUB_U64(xss, "xss", xss, "xss", c->xss != 0);
NEEDED(umwait_needed, c->umwait != 0)
SUB(sub_umwait, "umwait", umwait_needed, ENV("umwait", umwait, VMS_U32));
NEEDED(tsc_khz_needed, c->tsc_khz != 0)
SUB(sub_tsc_khz, "tsc_khz", tsc_khz_needed, ENV("tsc_khz", tsc_khz, VMS_I64));
SUB_U64(smi_count, "msr_smi_count", smi_count, "msr_smi_count",
        c->smi_count != 0);
NEEDED(pkru_needed, c->pkru != 0)
SUB(sub_pkru, "pkru", pkru_needed, ENV("pkru", pkru, VMS_U32));
NEEDED(pkrs_needed, c->pkrs != 0)
SUB(sub_pkrs, "pkrs", pkrs_needed, ENV("pkrs", pkrs, VMS_U32));
SUB_U64(spec_ctrl, "spec_ctrl", spec_ctrl, "spec_ctrl", c->spec_ctrl != 0);
SUB_U64(amd_tsc_scale, "amd_tsc_scale_msr", amd_tsc_scale, "amd_tsc_scale_msr",
        x86_cpu_model_has(c->model, X86_FEATURE(X86_FEAT_SVM, 4)));
SUB_U64(mcg_ext_ctl, "mcg_ext_ctl", mcg_ext_ctl, "mcg_ext_ctl",
        c->mcg_ext_ctl != 0);

NEEDED(intel_pt_needed, c->rtit_ctl || c->rtit_status || c->rtit_output_base ||
                            c->rtit_output_mask || c->rtit_cr3_match ||
                            any_set(c->rtit_addrs, sizeof(c->rtit_addrs)))
SUB(sub_intel_pt, "intel_pt", intel_pt_needed,
    ENV("msr_rtit_ctrl", rtit_ctl, VMS_U64),
    ENV("msr_rtit_status", rtit_status, VMS_U64),
    ENV("msr_rtit_output_base", rtit_output_base, VMS_U64),
    ENV("msr_rtit_output_mask", rtit_output_mask, VMS_U64),
    ENV("msr_rtit_cr3_match", rtit_cr3_match, VMS_U64),
    ENV_ARRAY("msr_rtit_addrs", rtit_addrs, VMS_U64, X86_PT_ADDR_MAX));

SUB_U64(virt_ssbd, "virt_ssbd", virt_ssbd, "virt_ssbd", c->virt_ssbd != 0);

NEEDED(svm_npt_needed, c->nested_pg_mode & 1)
SUB(sub_svm_npt, "svn_npt", svm_npt_needed,
    ENV("nested_cr3", nested_cr3, VMS_U64),
    ENV("nested_pg_mode", nested_pg_mode, VMS_U32));
NEEDED(svm_guest_needed, c->int_ctl != 0)
SUB(sub_svm_guest, "svm_guest", svm_guest_needed,
    ENV("int_ctl", int_ctl, VMS_U32));

NEEDED(tsx_ctrl_needed, c->tsx_ctrl != 0)
static bool pdptrs_post_load(void *opaque, int version, GError **errp)
{
    ((X86Cpu *)opaque)->pdptrs_valid = true;
    return true;
}
NEEDED(pdptrs_needed, c->pdptrs_valid)
static const Vmstate sub_pdptrs = {
    .name = "cpu/pdptrs",
    .version = 1,
    .oldest = 1,
    .needed = pdptrs_needed,
    .post_load = pdptrs_post_load,
    .fields =
        (const VmstateField[]){
            ENV_ARRAY("pdptrs", pdptrs, VMS_U64, 4),
            VMSTATE_END,
        },
};

/* 32 bits in the stream: its upper half is reserved. */
static const Vmstate sub_tsx_ctrl = {
    .name = "cpu/msr_tsx_ctrl",
    .version = 1,
    .oldest = 1,
    .needed = tsx_ctrl_needed,
    .fields =
        (const VmstateField[]){
            { .name = "env.tsx_ctrl",
              .kind = VMS_U32,
              .offset = offsetof(X86Cpu, tsx_ctrl),
              .size = sizeof(uint32_t) },
            VMSTATE_END,
        },
};

NEEDED(xfd_needed, c->xfd || c->xfd_err)
SUB(sub_xfd, "msr_xfd", xfd_needed, ENV("msr_xfd", xfd, VMS_U64),
    ENV("msr_xfd_err", xfd_err, VMS_U64));
NEEDED(xtile_needed, any_set(c->xtilecfg, sizeof(c->xtilecfg)) ||
                         any_set(c->xtiledata, sizeof(c->xtiledata)))
SUB(sub_xtile, "intel_amx_xtile", xtile_needed,
    ENV_ARRAY("xtilecfg", xtilecfg, VMS_U8, X86_XTILECFG_SIZE),
    ENV_ARRAY("xtiledata", xtiledata, VMS_U8, X86_XTILEDATA_SIZE));
NEEDED(sgx_needed, any_set(c->sgxlepubkeyhash, sizeof(c->sgxlepubkeyhash)))
SUB(sub_sgx, "intel_sgx", sgx_needed,
    ENV_ARRAY("msr_ia32_sgxlepubkeyhash", sgxlepubkeyhash, VMS_U64, 4));
NEEDED(arch_lbr_needed, c->lbr_ctl || c->lbr_depth)
SUB(sub_arch_lbr, "arch_lbr", arch_lbr_needed,
    ENV("msr_lbr_ctl", lbr_ctl, VMS_U64),
    ENV("msr_lbr_depth", lbr_depth, VMS_U64),
    ENV_STRUCTS("lbr_records", lbr, X86_LBR_MAX, vmstate_lbr_entry, 1));
NEEDED(triple_fault_needed, c->triple_fault_pending)
SUB(sub_triple_fault, "triple_fault", triple_fault_needed,
    ENV("triple_fault_pending", triple_fault_pending, VMS_U8));

static const Vmstate *const cpu_subsections[] = {
    &sub_exception,
    &sub_async_pf,
    &sub_async_pf_int,
    &sub_pv_eoi,
    &sub_steal_time,
    &sub_poll_control,
    &sub_fpop,
    &sub_tsc_adjust,
    &sub_tsc_deadline,
    &sub_misc_enable,
    &sub_feature_control,
    &sub_pmu,
    &sub_mpx,
    &sub_avx512,
    &sub_xss,
    &sub_umwait,
    &sub_tsc_khz,
    &sub_smi_count,
    &sub_pkru,
    &sub_pkrs,
    &sub_spec_ctrl,
    &sub_amd_tsc_scale,
    &sub_mcg_ext_ctl,
    &sub_intel_pt,
    &sub_virt_ssbd,
    &sub_svm_npt,
    &sub_svm_guest,
    &sub_tsx_ctrl,
    &sub_sgx,
    &sub_pdptrs,
    &sub_xfd,
    &sub_xtile,
    &sub_arch_lbr,
    &sub_triple_fault,
    NULL,
};

/* For a rehearsal the CPU runs on meanwhile: nothing of its own is changed. */
static bool cpu_pre_save(void *opaque, GError **errp)
{
    X86Cpu *c = opaque;

    c->fpus_stream = c->fpus;
    c->fptag_stream = c->fptag;
    c->fpformat_stream = 0; /* 80-bit registers */
    c->hflags_stream = x86_cpu_hflags(c);
    return true;
}

/* What a stream leaves out is as after a reset. */
static bool cpu_pre_load(void *opaque, GError **errp)
{
    X86Cpu *c = opaque;
    int64_t tsc_khz = c->tsc_khz;
    uint64_t apic_base = c->apic_base;
    uint64_t mcg_cap = c->mcg_cap;
    uint32_t halted = c->halted;
    uint32_t irq = c->interrupt_request;

    x86_cpu_reset(c);
    c->poll_control_msr = 1; /* as KVM has it; others send what they have */
    c->tsc_khz = tsc_khz;
    c->apic_base = apic_base;
    c->mcg_cap = mcg_cap;
    c->halted = halted; /* cpu_common has been read already */
    c->interrupt_request = irq;
    return true;
}

static bool cpu_post_load(void *opaque, int version, GError **errp)
{
    X86Cpu *c = opaque;

    if (c->interrupt_request & X86_IRQ_NMI) {
        c->nmi_pending = 1; /* software CPUs of others have it there only */
    }
    if (c->fpformat_stream != 0) {
        error_setf(errp, "CPU %u: x87 register format %u is unknown", c->index,
                   c->fpformat_stream);
        return false;
    }
    if (c->mp_state > X86_MP_SIPI_RECEIVED) {
        error_setf(errp, "CPU %u: MP state %u is unknown", c->index,
                   c->mp_state);
        return false;
    }
    if (c->interrupt_injected < -1 || c->interrupt_injected > 255 ||
        c->exception_nr < -1 || c->exception_nr > 31) {
        error_setf(errp, "CPU %u: interrupt %d or exception %d is out of range",
                   c->index, c->interrupt_injected, c->exception_nr);
        return false;
    }
    if (c->tsc_khz < 0 || c->tsc_khz > INT32_MAX) {
        error_setf(errp, "CPU %u: TSC rate of %" PRId64 " kHz is out of range",
                   c->index, c->tsc_khz);
        return false;
    }
    c->fpus = c->fpus_stream;
    c->fptag = c->fptag_stream;
    /* Only the subsection tells pending ones from injected ones. */
    if (c->exception_nr >= 0 && !c->exception_pending) {
        c->exception_injected = 1;
    }
    if (!(c->xcr0 & X86_XCR0_X87)) {
        c->xcr0 |= X86_XCR0_X87; /* no processor lets it be clear */
    }
    c->hflags = c->hflags_stream;
    x86_cpu_update_hflags(c);
    return true;
}

static const Vmstate vmstate_cpu = {
    .name = "cpu",
    .version = 12,
    .oldest = 11,
    .pre_save = cpu_pre_save,
    .pre_load = cpu_pre_load,
    .post_load = cpu_post_load,
    .subsections = cpu_subsections,
    .fields =
        (const VmstateField[]){
            ENV_ARRAY("regs", regs, VMS_U64, X86_NREGS),
            ENV("eip", rip, VMS_U64),
            ENV("eflags", rflags, VMS_U64),
            ENV("hflags", hflags_stream, VMS_U32),
            ENV("fpuc", fpuc, VMS_U16),
            ENV("fpus_vmstate", fpus_stream, VMS_U16),
            ENV("fptag_vmstate", fptag_stream, VMS_U16),
            ENV("fpregs_format_vmstate", fpformat_stream, VMS_U16),
            ENV_STRUCTS("fpregs", fpregs, 8, vmstate_fpreg, 0),
            ENV_STRUCTS("segs", segs, X86_NSEGS, vmstate_segment, 1),
            ENV_STRUCT("ldt", ldt, vmstate_segment, 1),
            ENV_STRUCT("tr", tr, vmstate_segment, 1),
            ENV_STRUCT("gdt", gdt, vmstate_segment, 1),
            ENV_STRUCT("idt", idt, vmstate_segment, 1),
            ENV("sysenter_cs", sysenter_cs, VMS_U32),
            ENV("sysenter_esp", sysenter_esp, VMS_U64),
            ENV("sysenter_eip", sysenter_eip, VMS_U64),
            ENV("cr[0]", cr[0], VMS_U64),
            ENV("cr[2]", cr[2], VMS_U64),
            ENV("cr[3]", cr[3], VMS_U64),
            ENV("cr[4]", cr[4], VMS_U64),
            ENV_ARRAY("dr", dr, VMS_U64, 8),
            ENV("a20_mask", a20_mask, VMS_I32),
            ENV("mxcsr", mxcsr, VMS_U32),
            ENV_STRUCTS("xmm_regs[0]", vec, 16, vmstate_xmm, 1),
            ENV("efer", efer, VMS_U64),
            ENV("star", star, VMS_U64),
            ENV("lstar", lstar, VMS_U64),
            ENV("cstar", cstar, VMS_U64),
            ENV("fmask", fmask, VMS_U64),
            ENV("kernelgsbase", kernelgsbase, VMS_U64),
            ENV("smbase", smbase, VMS_U32),
            ENV("pat", pat, VMS_U64),
            ENV("hflags2", hflags2, VMS_U32),
            ENV("vm_hsave", vm_hsave, VMS_U64),
            ENV("vm_vmcb", vm_vmcb, VMS_U64),
            ENV("tsc_offset", tsc_offset, VMS_U64),
            ENV("intercept", intercept, VMS_U64),
            ENV("intercept_cr_read", intercept_cr_read, VMS_U16),
            ENV("intercept_cr_write", intercept_cr_write, VMS_U16),
            ENV("intercept_dr_read", intercept_dr_read, VMS_U16),
            ENV("intercept_dr_write", intercept_dr_write, VMS_U16),
            ENV("intercept_exceptions", intercept_exceptions, VMS_U32),
            ENV("v_tpr", v_tpr, VMS_U8),
            ENV_ARRAY("mtrr_fixed", mtrr_fixed, VMS_U64, X86_NFIXED_MTRR),
            ENV("mtrr_deftype", mtrr_deftype, VMS_U64),
            ENV_STRUCTS("mtrr_var", mtrr_var, X86_NVAR_MTRR, vmstate_mtrr_var,
                        1),
            ENV("interrupt_injected", interrupt_injected, VMS_I32),
            ENV("mp_state", mp_state, VMS_U32),
            ENV("tsc", tsc, VMS_U64),
            ENV("exception_nr", exception_nr, VMS_I32),
            ENV("soft_interrupt", soft_interrupt, VMS_U8),
            ENV("nmi_injected", nmi_injected, VMS_U8),
            ENV("nmi_pending", nmi_pending, VMS_U8),
            ENV("has_error_code", has_error_code, VMS_U8),
            ENV("sipi_vector", sipi_vector, VMS_U32),
            ENV("mcg_cap", mcg_cap, VMS_U64),
            ENV("mcg_status", mcg_status, VMS_U64),
            ENV("mcg_ctl", mcg_ctl, VMS_U64),
            ENV_ARRAY("mce_banks", mce_banks, VMS_U64, X86_MCE_BANKS * 4),
            ENV("tsc_aux", tsc_aux, VMS_U64),
            ENV("system_time_msr", system_time_msr, VMS_U64),
            ENV("wall_clock_msr", wall_clock_msr, VMS_U64),
            ENV("xcr0", xcr0, VMS_U64),
            ENV("xstate_bv", xstate_bv, VMS_U64),
            ENV_STRUCTS("xmm_regs[1]", vec, 16, vmstate_ymmh, 1),
            VMSTATE_END,
        },
};

NEEDED(exception_index_needed, c->exception_index != -1)
static const Vmstate sub_exception_index = {
    .name = "cpu_common/exception_index",
    .version = 1,
    .oldest = 1,
    .needed = exception_index_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(X86Cpu, exception_index),
            VMSTATE_END,
        },
};

NEEDED(crash_needed, c->crash_occurred)
static const Vmstate sub_crash = {
    .name = "cpu_common/crash_occurred",
    .version = 1,
    .oldest = 1,
    .needed = crash_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_BOOL(X86Cpu, crash_occurred),
            VMSTATE_END,
        },
};

static const Vmstate *const common_subsections[] = {
    &sub_exception_index,
    &sub_crash,
    NULL,
};

/* What the CPU itself keeps, and the stream carries on. */
#define KEPT_IRQS (X86_IRQ_SMI | X86_IRQ_NMI | X86_IRQ_INIT)

/*
 * Others look at their local APIC when something changes in it: a CPU that is
 * to take an interrupt that came before has to be told.
 */
static bool common_pre_save(void *opaque, GError **errp)
{
    X86Cpu *c = opaque;
    bool waits =
        c->interrupt_waits != NULL && c->interrupt_waits(c->interrupt_opaque);

    c->interrupt_request_stream =
        (c->interrupt_request & KEPT_IRQS) | (waits ? X86_IRQ_HARD : 0);
    return true;
}

/* Interrupts are the local APIC's to say. */
static bool common_post_load(void *opaque, int version, GError **errp)
{
    X86Cpu *c = opaque;

    c->interrupt_request = c->interrupt_request_stream & KEPT_IRQS;
    return true;
}

static const Vmstate vmstate_cpu_common = {
    .name = "cpu_common",
    .version = 1,
    .oldest = 1,
    .pre_save = common_pre_save,
    .post_load = common_post_load,
    .subsections = common_subsections,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(X86Cpu, halted),
            { .name = "interrupt_request",
              .kind = VMS_U32,
              .offset = offsetof(X86Cpu, interrupt_request_stream),
              .size = sizeof(uint32_t) },
            VMSTATE_END,
        },
};

void x86_cpu_register_vmstate(X86Cpu *cpu, VmstateRegistry *r)
{
    vmstate_register(r, NULL, cpu->index, &vmstate_cpu_common, cpu);
    vmstate_register(r, NULL, cpu->index, &vmstate_cpu, cpu);
}

void x86_cpu_unregister_vmstate(X86Cpu *cpu, VmstateRegistry *r)
{
    static const char *const names[] = { "cpu", "cpu_common" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        VmstateEntry *e = vmstate_find(r, names[i], cpu->index);

        if (e) {
            vmstate_unregister(r, e);
        }
    }
}
