/*
 * Model-specific registers: one table says which there are, one list per vCPU
 * is built from it once, and each transfer is one ioctl.
 *
 * A register that the kernel refuses is named in a warning, once, and left
 * out: a guest that never used it must not be lost for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "target/i386/msr.h"
#include "util/error.h"
#include "util/log.h"

int kvm_get_one_msr(int fd, uint32_t index, uint64_t *ret)
{
    /* The kernel's struct ends with an array, which can't be on the stack. */
    uint64_t buf[(sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)) / 8];
    struct kvm_msrs *m = (struct kvm_msrs *)buf;
    int r;

    memset(buf, 0, sizeof(buf));
    m->nmsrs = 1;
    m->entries[0].index = index;
    r = kvm_ioctl(fd, KVM_GET_MSRS, m);
    if (r < 0) {
        return r;
    }
    *ret = m->entries[0].data;
    return r == 1 ? 0 : -ENOENT;
}

/* When a register is written. */
typedef enum MsrLevel {
    MSR_RUNTIME, /* the guest changes it while it runs */
    MSR_RESET,   /* also after a reset */
    MSR_FULL,    /* only at start or after a load */
    MSR_LATE,    /* as runtime, but after the local APIC */
    MSR_NEVER,   /* read only */
} MsrLevel;

typedef struct KvmMsrRow {
    uint32_t index;
    uint16_t need; /* X86_F_* the model must have; MSR_ANY: none */
    uint8_t level; /* MsrLevel */
    uint8_t width; /* bytes in X86Cpu */
    uint16_t offset;
} KvmMsrRow;

/* X86_FEATURE(0, 0) is FPU, which every model has. */
#define MSR_ANY X86_FEATURE(0, 0)

#define ROW(idx, f, need_, lvl)                                          \
    {                                                                    \
        .index = (idx), .need = (need_), .level = (lvl),                 \
        .width = sizeof(((X86Cpu *)0)->f), .offset = offsetof(X86Cpu, f) \
    }

#define F_UMWAIT      X86_FEATURE(X86_FEAT_7_0_ECX, 5)
#define F_PKS         X86_FEATURE(X86_FEAT_7_0_ECX, 31)
#define F_SSBD        X86_FEATURE(X86_FEAT_8000_0008_EBX, 25)
#define F_XFD         X86_FEATURE(X86_FEAT_XSAVE, 4)
#define F_XSAVES      X86_FEATURE(X86_FEAT_XSAVE, 3)
#define F_KVMCLOCK    X86_FEATURE(X86_FEAT_KVM, 3)
#define F_ASYNCPF     X86_FEATURE(X86_FEAT_KVM, 4)
#define F_STEAL       X86_FEATURE(X86_FEAT_KVM, 5)
#define F_PV_EOI      X86_FEATURE(X86_FEAT_KVM, 6)
#define F_POLL        X86_FEATURE(X86_FEAT_KVM, 12)
#define F_ASYNCPF_INT X86_FEATURE(X86_FEAT_KVM, 14)

/*
 * In the order of writing: the TSC before what is relative to it and before
 * the clocks that are computed from it.
 */
static const KvmMsrRow kvm_msr_rows[] = {
    ROW(MSR_IA32_TSC, tsc, MSR_ANY, MSR_FULL),
    ROW(MSR_IA32_TSC_ADJUST, tsc_adjust, X86_F_TSC_ADJUST, MSR_FULL),
    ROW(MSR_IA32_SYSENTER_CS, sysenter_cs, MSR_ANY, MSR_RUNTIME),
    ROW(MSR_IA32_SYSENTER_ESP, sysenter_esp, MSR_ANY, MSR_RUNTIME),
    ROW(MSR_IA32_SYSENTER_EIP, sysenter_eip, MSR_ANY, MSR_RUNTIME),
    ROW(MSR_IA32_PAT, pat, X86_F_PAT, MSR_RUNTIME),
    ROW(MSR_STAR, star, MSR_ANY, MSR_RUNTIME),
    ROW(MSR_LSTAR, lstar, X86_F_LM, MSR_RUNTIME),
    ROW(MSR_CSTAR, cstar, X86_F_LM, MSR_RUNTIME),
    ROW(MSR_SFMASK, fmask, X86_F_LM, MSR_RUNTIME),
    ROW(MSR_KERNELGSBASE, kernelgsbase, X86_F_LM, MSR_RUNTIME),
    ROW(MSR_TSC_AUX, tsc_aux, X86_F_RDTSCP, MSR_RUNTIME),
    ROW(MSR_IA32_MISC_ENABLE, misc_enable, MSR_ANY, MSR_RUNTIME),
    ROW(MSR_IA32_FEATURE_CONTROL, feature_control, X86_F_VMX, MSR_RESET),
    ROW(MSR_IA32_SPEC_CTRL, spec_ctrl, X86_F_SPEC_CTRL, MSR_RUNTIME),
    ROW(MSR_IA32_TSX_CTRL, tsx_ctrl, X86_F_ARCH_CAPABILITIES, MSR_RUNTIME),
    ROW(MSR_VIRT_SSBD, virt_ssbd, F_SSBD, MSR_RUNTIME),
    ROW(MSR_AMD64_TSC_RATIO, amd_tsc_scale, X86_F_SVM, MSR_RUNTIME),
    ROW(MSR_VM_HSAVE_PA, vm_hsave, X86_F_SVM, MSR_RUNTIME),
    ROW(MSR_SMI_COUNT, smi_count, MSR_ANY, MSR_RESET),
    ROW(MSR_IA32_UMWAIT_CONTROL, umwait, F_UMWAIT, MSR_RUNTIME),
    ROW(MSR_IA32_XSS, xss, F_XSAVES, MSR_RUNTIME),
    ROW(MSR_IA32_PKRS, pkrs, F_PKS, MSR_RUNTIME),
    ROW(MSR_IA32_XFD, xfd, F_XFD, MSR_RUNTIME),
    ROW(MSR_IA32_XFD_ERR, xfd_err, F_XFD, MSR_RUNTIME),
    ROW(MSR_IA32_BNDCFGS, bndcfgs, X86_F_MPX, MSR_RUNTIME),
    ROW(MSR_IA32_MTRR_DEF_TYPE, mtrr_deftype, X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX64K_00000, mtrr_fixed[0], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX16K_80000, mtrr_fixed[1], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX16K_A0000, mtrr_fixed[2], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 0, mtrr_fixed[3], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 1, mtrr_fixed[4], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 2, mtrr_fixed[5], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 3, mtrr_fixed[6], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 4, mtrr_fixed[7], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 5, mtrr_fixed[8], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 6, mtrr_fixed[9], X86_F_MTRR, MSR_RESET),
    ROW(MSR_IA32_MTRR_FIX4K_C0000 + 7, mtrr_fixed[10], X86_F_MTRR, MSR_RESET),
#define MTRR_ROWS(n)                                                     \
    ROW(MSR_IA32_MTRR_PHYSBASE0 + 2 * (n), mtrr_var[n].base, X86_F_MTRR, \
        MSR_RESET),                                                      \
        ROW(MSR_IA32_MTRR_PHYSBASE0 + 2 * (n) + 1, mtrr_var[n].mask,     \
            X86_F_MTRR, MSR_RESET)
    MTRR_ROWS(0),
    MTRR_ROWS(1),
    MTRR_ROWS(2),
    MTRR_ROWS(3),
    MTRR_ROWS(4),
    MTRR_ROWS(5),
    MTRR_ROWS(6),
    MTRR_ROWS(7),
    ROW(MSR_IA32_MCG_STATUS, mcg_status, X86_F_MCA, MSR_RUNTIME),
    ROW(MSR_IA32_MCG_CTL, mcg_ctl, X86_F_MCA, MSR_RUNTIME),
#define MCE_ROWS(n)                                                            \
    ROW(MSR_IA32_MC0_CTL + 4 * (n), mce_banks[4 * (n)], X86_F_MCA,             \
        MSR_RUNTIME),                                                          \
        ROW(MSR_IA32_MC0_CTL + 4 * (n) + 1, mce_banks[4 * (n) + 1], X86_F_MCA, \
            MSR_RUNTIME),                                                      \
        ROW(MSR_IA32_MC0_CTL + 4 * (n) + 2, mce_banks[4 * (n) + 2], X86_F_MCA, \
            MSR_RUNTIME),                                                      \
        ROW(MSR_IA32_MC0_CTL + 4 * (n) + 3, mce_banks[4 * (n) + 3], X86_F_MCA, \
            MSR_RUNTIME)
    MCE_ROWS(0),
    MCE_ROWS(1),
    MCE_ROWS(2),
    MCE_ROWS(3),
    MCE_ROWS(4),
    MCE_ROWS(5),
    MCE_ROWS(6),
    MCE_ROWS(7),
    MCE_ROWS(8),
    MCE_ROWS(9),
    /* A write has the kernel write the time into guest memory: not often. */
    ROW(MSR_KVM_WALL_CLOCK_NEW, wall_clock_msr, F_KVMCLOCK, MSR_RESET),
    ROW(MSR_KVM_SYSTEM_TIME_NEW, system_time_msr, F_KVMCLOCK, MSR_RUNTIME),
    ROW(MSR_KVM_ASYNC_PF_INT, async_pf_int_msr, F_ASYNCPF_INT, MSR_RUNTIME),
    ROW(MSR_KVM_ASYNC_PF_EN, async_pf_en_msr, F_ASYNCPF, MSR_RUNTIME),
    ROW(MSR_KVM_STEAL_TIME, steal_time_msr, F_STEAL, MSR_RUNTIME),
    ROW(MSR_KVM_PV_EOI_EN, pv_eoi_en_msr, F_PV_EOI, MSR_RUNTIME),
    ROW(MSR_KVM_POLL_CONTROL, poll_control_msr, F_POLL, MSR_RUNTIME),
    ROW(MSR_IA32_TSC_DEADLINE, tsc_deadline, X86_F_TSC_DEADLINE, MSR_LATE),
};

/*
 * Address bits above the guest's own, up to 51: reserved in an MTRR's mask,
 * but set in the stream, so that a host with more bits gives the same range.
 */
static uint64_t kvm_row_fill(const X86Cpu *cpu, const KvmMsrRow *row)
{
    unsigned bits = x86_cpu_model_phys_bits(cpu->model);
    uint32_t n = row->index - MSR_IA32_MTRR_PHYSBASE0;

    return n < 2 * X86_NVAR_MTRR && (n & 1) && bits < 52
               ? MAKE_64BIT_MASK(bits, 52 - bits)
               : 0;
}

static uint64_t kvm_row_load(const X86Cpu *cpu, const KvmMsrRow *row)
{
    const uint8_t *p = (const uint8_t *)cpu + row->offset;
    uint64_t v = row->width == 4 ? *(const uint32_t *)p : *(const uint64_t *)p;

    return v & ~kvm_row_fill(cpu, row);
}

static void kvm_row_store(X86Cpu *cpu, const KvmMsrRow *row, uint64_t val)
{
    uint8_t *p = (uint8_t *)cpu + row->offset;

    val |= kvm_row_fill(cpu, row);

    if (row->width == 4) {
        *(uint32_t *)p = val;
    } else {
        *(uint64_t *)p = val;
    }
}

/* Registers that KVM has whether its list names them or not. */
static bool kvm_msr_implied(uint32_t index)
{
    /* The MTRRs and the machine-check banks are not in the list: api.rst. */
    return (index >= MSR_IA32_MTRR_PHYSBASE0 &&
            index < MSR_IA32_MTRR_PHYSBASE0 + 2 * X86_NVAR_MTRR) ||
           (index >= MSR_IA32_MTRR_FIX64K_00000 &&
            index <= MSR_IA32_MTRR_FIX4K_C0000 + 7) ||
           index == MSR_IA32_MTRR_DEF_TYPE ||
           (index >= MSR_IA32_MC0_CTL &&
            index < MSR_IA32_MC0_CTL + 4 * X86_MCE_BANKS);
}

static bool kvm_row_wanted(const KvmVcpu *v, const KvmMsrRow *row)
{
    return x86_cpu_model_has(v->cpu->x86->model, row->need) &&
           (kvm_msr_implied(row->index) || kvm_has_msr(v->kvm, row->index));
}

static void kvm_msrs_alloc(KvmMsrs *m, unsigned room)
{
    m->buf = g_malloc0(sizeof(*m->buf) + room * sizeof(struct kvm_msr_entry));
    m->index = g_new0(uint16_t, room);
    m->n = 0;
}

/* Once per MSR and VM: the other vCPUs' kernel is the same. */
static void kvm_msr_warn(KvmVcpu *v, const struct kvm_msr_entry *e)
{
    KvmAccel *k = v->kvm;

    LOCK_GUARD(&k->run_lock);
    for (unsigned i = 0; i < k->bad_msrs->len; i++) {
        if (g_array_index(k->bad_msrs, uint32_t, i) == e->index) {
            return;
        }
    }
    log_warn("KVM: CPU %u: MSR 0x%x doesn't take 0x%llx: left as it is",
             v->cpu->index, e->index, e->data);
    g_array_append_val(k->bad_msrs, e->index);
}

/* Writes v->put, going on after entries that the kernel refuses. */
static bool kvm_msrs_write(KvmVcpu *v, GError **errp)
{
    KvmMsrs *m = &v->put;
    unsigned done = 0;

    while (done < m->n) {
        int r;

        m->buf->nmsrs = m->n - done;
        r = kvm_ioctl(v->fd, KVM_SET_MSRS, m->buf);
        if (r < 0) {
            error_setf_errno(errp, r, "KVM: writing MSRs of CPU %u failed",
                             v->cpu->index);
            return false;
        }
        done += r;
        if (done == m->n) {
            break;
        }
        kvm_msr_warn(v, &m->buf->entries[r]);
        done++;
        memmove(&m->buf->entries[0], &m->buf->entries[r + 1],
                (m->n - done) * sizeof(m->buf->entries[0]));
    }
    return true;
}

/*
 * IA32_ARCH_CAPABILITIES is part of the CPU model: what the kernel gives a
 * vCPU at first is this host's.
 */
static void kvm_put_arch_capabilities(KvmVcpu *v)
{
    const X86CpuModel *model = v->cpu->x86->model;
    KvmMsrs *m = &v->put;
    uint64_t now = 0;
    uint64_t want = x86_cpu_model_word(model, X86_FEAT_ARCH_CAPABILITIES);

    if (!x86_cpu_model_has(model, X86_F_ARCH_CAPABILITIES) ||
        kvm_get_one_msr(v->fd, MSR_IA32_ARCH_CAPABILITIES, &now) < 0 ||
        now == want) {
        return;
    }
    m->n = 1;
    m->buf->entries[0] = (struct kvm_msr_entry){
        .index = MSR_IA32_ARCH_CAPABILITIES,
        .data = want,
    };
    kvm_msrs_write(v, NULL);
}

bool kvm_msrs_init(KvmVcpu *v, GError **errp)
{
    const unsigned room = G_N_ELEMENTS(kvm_msr_rows);

    kvm_msrs_alloc(&v->get, room);
    kvm_msrs_alloc(&v->put, room);
    for (unsigned i = 0; i < room; i++) {
        if (kvm_row_wanted(v, &kvm_msr_rows[i])) {
            v->get.index[v->get.n] = i;
            v->get.buf->entries[v->get.n++].index = kvm_msr_rows[i].index;
        }
    }
    v->get.buf->nmsrs = v->get.n;
    kvm_put_arch_capabilities(v);
    return true;
}

void kvm_msrs_fini(KvmVcpu *v)
{
    g_clear_pointer(&v->get.buf, g_free);
    g_clear_pointer(&v->get.index, g_free);
    g_clear_pointer(&v->put.buf, g_free);
    g_clear_pointer(&v->put.index, g_free);
}

/* Takes an entry that can't be read out of the list for good. */
static void kvm_msrs_drop(KvmVcpu *v, unsigned i)
{
    KvmMsrs *m = &v->get;

    log_warn("KVM: CPU %u: MSR 0x%x can't be read: left out", v->cpu->index,
             m->buf->entries[i].index);
    m->n--;
    memmove(&m->index[i], &m->index[i + 1], (m->n - i) * sizeof(m->index[0]));
    memmove(&m->buf->entries[i], &m->buf->entries[i + 1],
            (m->n - i) * sizeof(m->buf->entries[0]));
    m->buf->nmsrs = m->n;
}

bool kvm_msrs_get(KvmVcpu *v, GError **errp)
{
    KvmMsrs *m = &v->get;
    X86Cpu *cpu = v->cpu->x86;
    int r;

    while ((r = kvm_ioctl(v->fd, KVM_GET_MSRS, m->buf)) < (int)m->n) {
        if (r < 0) {
            error_setf_errno(errp, r, "KVM: reading MSRs of CPU %u failed",
                             v->cpu->index);
            return false;
        }
        kvm_msrs_drop(v, r);
    }
    for (unsigned i = 0; i < m->n; i++) {
        kvm_row_store(cpu, &kvm_msr_rows[m->index[i]], m->buf->entries[i].data);
    }
    return true;
}

/* The kernel refuses what it can't hold; zero is what it has anyway. */
static bool kvm_msr_is_pointless(const KvmMsrRow *row, uint64_t val)
{
    return val == 0 &&
           (row->index == MSR_IA32_MCG_CTL || row->index == MSR_SMI_COUNT);
}

bool kvm_msrs_put(KvmVcpu *v, VcpuPutLevel level, bool late, GError **errp)
{
    static const uint8_t level_of[] = {
        [VCPU_PUT_RUNTIME] = MSR_RUNTIME,
        [VCPU_PUT_RESET] = MSR_RESET,
        [VCPU_PUT_FULL] = MSR_FULL,
    };
    KvmMsrs *m = &v->put;

    m->n = 0;
    for (unsigned i = 0; i < v->get.n; i++) {
        const KvmMsrRow *row = &kvm_msr_rows[v->get.index[i]];
        uint64_t val = kvm_row_load(v->cpu->x86, row);

        if ((row->level == MSR_LATE) != late ||
            (!late && row->level > level_of[level]) ||
            kvm_msr_is_pointless(row, val)) {
            continue;
        }
        m->buf->entries[m->n++] =
            (struct kvm_msr_entry){ .index = row->index, .data = val };
    }
    return kvm_msrs_write(v, errp);
}
