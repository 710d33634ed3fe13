/*
 * A vCPU's state, from the kernel and to it.
 *
 * Reading, in the vCPU's own thread: multiprocessor state, then one KVM_RUN
 * that runs nothing and leaves registers, special registers and events in the
 * shared area, XSAVE area, XCR0, one batch of MSRs, debug registers.  All
 * buffers exist from the start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "util/error.h"
#include "util/log.h"

#define KVM_EVENTS_ALWAYS (KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

/* Machine-check banks, as many as the kernel lets a guest have of ours. */
static bool kvm_setup_mce(KvmVcpu *v, GError **errp)
{
    X86Cpu *c = v->cpu->x86;
    uint64_t can = 0;
    uint64_t banks;
    int r = kvm_check(v->kvm, KVM_CAP_MCE);

    if (r <= 0 || !x86_cpu_model_has(c->model, X86_F_MCE) ||
        !x86_cpu_model_has(c->model, X86_F_MCA)) {
        return true;
    }
    banks = MIN(r, X86_MCE_BANKS);
    r = kvm_ioctl(v->kvm->fd, KVM_X86_GET_MCE_CAP_SUPPORTED, &can);
    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: reading machine-check capabilities "
                         "failed");
        return false;
    }
    c->mcg_cap = (c->mcg_cap & can & ~0xffULL) | banks;
    r = kvm_ioctl(v->fd, KVM_X86_SETUP_MCE, &c->mcg_cap);
    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: machine-check capabilities 0x%" PRIx64
                         " of CPU %u failed",
                         c->mcg_cap, v->cpu->index);
    }
    return r >= 0;
}

/* It changes only by our own hand: asked for once. */
static void kvm_probe_tsc_khz(KvmVcpu *v)
{
    int khz;

    if (v->kvm->has_tsc_khz) {
        khz = kvm_ioctl_num(v->fd, KVM_GET_TSC_KHZ, 0);
        v->tsc_khz = MAX(khz, 0);
    }
}

/* The guest's TSC rate, if it isn't what the kernel gives it already. */
static bool kvm_write_tsc_khz(KvmVcpu *v, GError **errp)
{
    const X86Cpu *c = v->cpu->x86;
    int64_t want = c->user_tsc_khz ? c->user_tsc_khz : c->tsc_khz;
    int r;

    if (want <= 0 || want > INT32_MAX || !v->tsc_khz || want == v->tsc_khz) {
        return true;
    }
    r = kvm_ioctl_num(v->fd, KVM_SET_TSC_KHZ, want);
    if (r >= 0) {
        v->tsc_khz = want;
        return true;
    }
    if (c->user_tsc_khz) {
        error_setf(errp,
                   "tsc-frequency of %" PRId64 " kHz: this host has "
                   "%" PRId64 " kHz and can't scale it",
                   want, v->tsc_khz);
        return false;
    }
    log_warn_once("CPU %u: the guest's TSC had %" PRId64 " kHz, this host has "
                  "%" PRId64 " kHz and can't scale it",
                  v->cpu->index, want, v->tsc_khz);
    return true;
}

bool kvm_state_init(KvmVcpu *v, GError **errp)
{
    size_t len = ROUND_UP(v->kvm->xsave_len, RAM_PAGE_SIZE);

    v->xsave = aligned_alloc(RAM_PAGE_SIZE, len);
    if (!v->xsave) {
        error_setf(errp, "KVM: no memory for the XSAVE area of CPU %u",
                   v->cpu->index);
        return false;
    }
    memset(v->xsave, 0, len);
    v->cpu->x86->xsave_size = v->kvm->xsave_layout.total;
    kvm_probe_tsc_khz(v);
    return kvm_write_tsc_khz(v, errp) && kvm_setup_mce(v, errp) &&
           kvm_msrs_init(v, errp);
}

void kvm_state_fini(KvmVcpu *v)
{
    kvm_msrs_fini(v);
    g_clear_pointer(&v->xsave, free);
}

/* ioctl whose failure has one message: what and which CPU. */
static bool kvm_vcpu_ioctl(KvmVcpu *v, unsigned long req, const void *arg,
                           const char *what, GError **errp)
{
    int r = kvm_ioctl(v->fd, req, arg);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: %s of CPU %u failed", what,
                         v->cpu->index);
        return false;
    }
    return true;
}

static void kvm_seg_in(X86Segment *d, const struct kvm_segment *s)
{
    d->selector = s->selector;
    d->base = s->base;
    d->limit = s->limit;
    d->flags = (uint32_t)s->type << X86_SEG_TYPE_SHIFT |
               (s->s ? X86_SEG_S : 0) | (uint32_t)s->dpl << X86_SEG_DPL_SHIFT |
               (s->present && !s->unusable ? X86_SEG_P : 0) |
               (s->avl ? X86_SEG_AVL : 0) | (s->l ? X86_SEG_L : 0) |
               (s->db ? X86_SEG_DB : 0) | (s->g ? X86_SEG_G : 0);
}

static void kvm_seg_out(struct kvm_segment *d, const X86Segment *s)
{
    *d = (struct kvm_segment){
        .selector = s->selector,
        .base = s->base,
        .limit = s->limit,
        .type = (s->flags >> X86_SEG_TYPE_SHIFT) & 15,
        .s = !!(s->flags & X86_SEG_S),
        .dpl = (s->flags >> X86_SEG_DPL_SHIFT) & 3,
        .present = !!(s->flags & X86_SEG_P),
        .avl = !!(s->flags & X86_SEG_AVL),
        .l = !!(s->flags & X86_SEG_L),
        .db = !!(s->flags & X86_SEG_DB),
        .g = !!(s->flags & X86_SEG_G),
        .unusable = !(s->flags & X86_SEG_P),
    };
}

/* In virtual-8086 mode all segments look alike: SDM volume 3, 26.3.1.2. */
static void kvm_seg_out_v86(struct kvm_segment *d, const X86Segment *s)
{
    *d = (struct kvm_segment){
        .selector = s->selector,
        .base = s->base,
        .limit = s->limit,
        .type = 3,
        .present = 1,
        .dpl = 3,
        .s = 1,
    };
}

static void kvm_regs_in(X86Cpu *c, const struct kvm_regs *r)
{
    const uint64_t gpr[X86_NREGS] = {
        r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
        r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
    };

    memcpy(c->regs, gpr, sizeof(gpr));
    c->rip = r->rip;
    c->rflags = r->rflags;
}

static void kvm_regs_out(struct kvm_regs *r, const X86Cpu *c)
{
    const uint64_t *g = c->regs;

    *r = (struct kvm_regs){
        .rax = g[0],
        .rcx = g[1],
        .rdx = g[2],
        .rbx = g[3],
        .rsp = g[4],
        .rbp = g[5],
        .rsi = g[6],
        .rdi = g[7],
        .r8 = g[8],
        .r9 = g[9],
        .r10 = g[10],
        .r11 = g[11],
        .r12 = g[12],
        .r13 = g[13],
        .r14 = g[14],
        .r15 = g[15],
        .rip = c->rip,
        .rflags = c->rflags,
    };
}

/* The order of segs[] in KVM's struct. */
static struct kvm_segment *kvm_sreg(struct kvm_sregs *s, unsigned i)
{
    struct kvm_segment *const seg[X86_NSEGS] = {
        [X86_ES] = &s->es, [X86_CS] = &s->cs, [X86_SS] = &s->ss,
        [X86_DS] = &s->ds, [X86_FS] = &s->fs, [X86_GS] = &s->gs,
    };

    return seg[i];
}

static void kvm_sregs_in(X86Cpu *c, struct kvm_sregs *s)
{
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        kvm_seg_in(&c->segs[i], kvm_sreg(s, i));
    }
    kvm_seg_in(&c->ldt, &s->ldt);
    kvm_seg_in(&c->tr, &s->tr);
    c->gdt.base = s->gdt.base;
    c->gdt.limit = s->gdt.limit;
    c->idt.base = s->idt.base;
    c->idt.limit = s->idt.limit;
    c->cr[0] = s->cr0;
    c->cr[2] = s->cr2;
    c->cr[3] = s->cr3;
    c->cr[4] = s->cr4;
    c->cr8 = s->cr8;
    c->efer = s->efer;
    c->apic_base = s->apic_base;
}

static void kvm_sregs_out(struct kvm_sregs *s, const X86Cpu *c)
{
    bool v86 = (c->rflags & X86_FLAG_VM) && !x86_cpu_long_mode(c);

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        if (v86) {
            kvm_seg_out_v86(kvm_sreg(s, i), &c->segs[i]);
        } else {
            kvm_seg_out(kvm_sreg(s, i), &c->segs[i]);
        }
    }
    kvm_seg_out(&s->ldt, &c->ldt);
    kvm_seg_out(&s->tr, &c->tr);
    s->gdt.base = c->gdt.base;
    s->gdt.limit = c->gdt.limit;
    s->idt.base = c->idt.base;
    s->idt.limit = c->idt.limit;
    s->cr0 = c->cr[0];
    s->cr2 = c->cr[2];
    s->cr3 = c->cr[3];
    s->cr4 = c->cr[4];
    s->cr8 = c->cr8;
    s->efer = c->efer;
    s->apic_base = c->apic_base;
    if (c->interrupt_injected >= 0 && c->interrupt_injected < 256) {
        s->interrupt_bitmap[c->interrupt_injected / 64] |=
            BIT_ULL(c->interrupt_injected % 64);
    }
}

static void kvm_events_in(X86Cpu *c, const struct kvm_vcpu_events *e)
{
    bool exc = e->exception.injected || e->exception.pending;

    c->exception_injected = e->exception.injected;
    c->exception_pending = e->exception.pending;
    c->exception_nr = exc ? e->exception.nr : -1;
    c->has_error_code = exc && e->exception.has_error_code;
    c->error_code = exc ? e->exception.error_code : 0;
    c->exception_has_payload = exc && e->exception_has_payload;
    c->exception_payload = c->exception_has_payload ? e->exception_payload : 0;
    c->interrupt_injected = e->interrupt.injected ? e->interrupt.nr : -1;
    c->soft_interrupt = e->interrupt.soft;
    c->nmi_injected = e->nmi.injected;
    c->nmi_pending = e->nmi.pending;
    c->hflags2 &= ~(X86_HF2_NMI | X86_HF2_SMM_INSIDE_NMI);
    c->hflags2 |= (e->nmi.masked ? X86_HF2_NMI : 0) |
                  (e->smi.smm_inside_nmi ? X86_HF2_SMM_INSIDE_NMI : 0);
    c->hflags &= ~(X86_HF_INHIBIT_IRQ | X86_HF_SMM);
    c->hflags |= (e->interrupt.shadow ? X86_HF_INHIBIT_IRQ : 0) |
                 (e->smi.smm ? X86_HF_SMM : 0);
    c->interrupt_request = (e->smi.pending ? X86_IRQ_SMI : 0) |
                           (e->smi.latched_init ? X86_IRQ_INIT : 0);
    c->sipi_vector = e->sipi_vector;
    c->triple_fault_pending = e->triple_fault.pending;
}

static void kvm_events_out(const KvmVcpu *v, struct kvm_vcpu_events *e,
                           const X86Cpu *c, VcpuPutLevel level)
{
    bool exc = c->exception_nr >= 0 && c->exception_nr < 32;

    *e = (struct kvm_vcpu_events){
        .exception = {
            .injected = exc && c->exception_injected,
            .pending = exc && c->exception_pending && v->kvm->has_payload,
            .nr = exc ? c->exception_nr : 0,
            .has_error_code = c->has_error_code,
            .error_code = c->error_code,
        },
        .interrupt = {
            .injected = c->interrupt_injected >= 0,
            .nr = MAX(c->interrupt_injected, 0),
            .soft = c->soft_interrupt,
            .shadow = c->hflags & X86_HF_INHIBIT_IRQ ? 3 : 0,
        },
        .nmi = {
            .injected = c->nmi_injected,
            .pending = c->nmi_pending,
            .masked = !!(c->hflags2 & X86_HF2_NMI),
        },
        .smi = {
            .smm = !!(c->hflags & X86_HF_SMM),
            .smm_inside_nmi = !!(c->hflags2 & X86_HF2_SMM_INSIDE_NMI),
            .pending = !!(c->interrupt_request & X86_IRQ_SMI),
            .latched_init = !!(c->interrupt_request & X86_IRQ_INIT),
        },
        .sipi_vector = c->sipi_vector,
        .flags = KVM_EVENTS_ALWAYS,
    };
    if (v->kvm->has_payload) {
        e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
        e->exception_has_payload = exc && c->exception_has_payload;
        e->exception_payload = c->exception_payload;
    } else if (exc && c->exception_pending) {
        e->exception.injected = 1;
    }
    if (v->kvm->has_triple_fault) {
        e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
        e->triple_fault.pending = c->triple_fault_pending;
    }
    if (level >= VCPU_PUT_RESET) {
        e->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
        if (c->mp_state == X86_MP_SIPI_RECEIVED) {
            e->flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
        }
    }
}

/* Registers, special registers and events, into run->s. */
static bool kvm_read_sync(KvmVcpu *v, GError **errp)
{
    struct kvm_run *run = v->run;

    if (vcpu_current() == v->cpu && kvm_vcpu_sync_regs(v)) {
        return true;
    }
    return kvm_vcpu_ioctl(v, KVM_GET_REGS, &run->s.regs.regs,
                          "reading registers", errp) &&
           kvm_vcpu_ioctl(v, KVM_GET_SREGS, &run->s.regs.sregs,
                          "reading special registers", errp) &&
           kvm_vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &run->s.regs.events,
                          "reading events", errp);
}

static bool kvm_read_regs(KvmVcpu *v, GError **errp)
{
    struct kvm_mp_state mp = { 0 };
    X86Cpu *c = v->cpu->x86;

    /* First: the kernel takes INIT and SIPI that are on their way here. */
    if (!kvm_vcpu_ioctl(v, KVM_GET_MP_STATE, &mp, "reading the MP state",
                        errp)) {
        return false;
    }
    /* With one CPU nobody sends any: the last exit's registers are good. */
    if (!(v->sync_valid && v->cpu->vm->nvcpus == 1) &&
        !kvm_read_sync(v, errp)) {
        return false;
    }
    kvm_regs_in(c, &v->run->s.regs.regs);
    kvm_sregs_in(c, &v->run->s.regs.sregs);
    kvm_events_in(c, &v->run->s.regs.events);
    c->mp_state = mp.mp_state;
    c->halted = mp.mp_state == KVM_MP_STATE_HALTED;
    x86_cpu_update_hflags(c);
    return true;
}

static bool kvm_uses_pdptrs(const X86Cpu *c)
{
    return (c->cr[0] & X86_CR0_PG) && (c->cr[4] & X86_CR4_PAE) &&
           !(c->efer & X86_EFER_LMA);
}

/* PAE paging holds its four top entries in hidden registers. */
static bool kvm_read_pdptrs(KvmVcpu *v, GError **errp)
{
    X86Cpu *c = v->cpu->x86;
    struct kvm_sregs2 s;

    c->pdptrs_valid = false;
    if (!v->kvm->has_sregs2 || !kvm_uses_pdptrs(c)) {
        return true;
    }
    if (!kvm_vcpu_ioctl(v, KVM_GET_SREGS2, &s, "reading special registers",
                        errp)) {
        return false;
    }
    c->pdptrs_valid = s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
    memcpy(c->pdptrs, s.pdptrs, sizeof(c->pdptrs));
    return true;
}

/* A guest may use what its CPUID does not show, where hardware lets it. */
static bool kvm_has_xcr0(const KvmAccel *k, const X86Cpu *c)
{
    return k->has_xcrs && (x86_cpu_model_has(c->model, X86_F_XSAVE) ||
                           (c->cr[4] & X86_CR4_OSXSAVE));
}

static bool kvm_read_fpu(KvmVcpu *v, GError **errp)
{
    KvmAccel *k = v->kvm;
    X86Cpu *c = v->cpu->x86;
    struct kvm_xcrs x = { 0 };

    if (!kvm_vcpu_ioctl(v, k->has_xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
                        v->xsave, "reading the XSAVE area", errp)) {
        return false;
    }
    x86_xsave_load(c, &k->xsave_layout, v->xsave, k->xsave_len);
    c->xcr0 = X86_XCR0_X87;
    if (!kvm_has_xcr0(k, c)) {
        return true;
    }
    if (!kvm_vcpu_ioctl(v, KVM_GET_XCRS, &x, "reading XCR0", errp)) {
        return false;
    }
    for (uint32_t i = 0; i < MIN(x.nr_xcrs, KVM_MAX_XCRS); i++) {
        if (x.xcrs[i].xcr == 0) {
            c->xcr0 = x.xcrs[i].value;
        }
    }
    return true;
}

static bool kvm_read_debugregs(KvmVcpu *v, GError **errp)
{
    X86Cpu *c = v->cpu->x86;
    struct kvm_debugregs d = { 0 };

    if (!v->kvm->has_debugregs) {
        return true;
    }
    if (!kvm_vcpu_ioctl(v, KVM_GET_DEBUGREGS, &d, "reading debug registers",
                        errp)) {
        return false;
    }
    memcpy(c->dr, d.db, sizeof(d.db));
    /* 4 and 5 are other names of 6 and 7: SDM volume 3, 17.2.2. */
    c->dr[4] = c->dr[6] = d.dr6;
    c->dr[5] = c->dr[7] = d.dr7;
    return true;
}

bool kvm_vcpu_get_state(Vcpu *cpu, GError **errp)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);

    KVM_COUNT(v->kvm, state_reads);
    /* Until then one of them may send this one an INIT, SIPI, NMI or SMI. */
    if (cpu->vm->nvcpus > 1 && vcpu_current() == cpu &&
        __atomic_load_n(&cpu->stop, __ATOMIC_SEQ_CST)) {
        kvm_wait_others_out(v);
    }
    cpu->x86->tsc_khz = v->tsc_khz;
    return kvm_read_regs(v, errp) && kvm_read_pdptrs(v, errp) &&
           kvm_read_fpu(v, errp) && kvm_read_debugregs(v, errp) &&
           kvm_msrs_get(v, errp);
}

static bool kvm_write_regs(KvmVcpu *v, GError **errp)
{
    struct kvm_regs r;

    kvm_regs_out(&r, v->cpu->x86);
    return kvm_vcpu_ioctl(v, KVM_SET_REGS, &r, "writing registers", errp);
}

static bool kvm_write_sregs(KvmVcpu *v, GError **errp)
{
    const X86Cpu *c = v->cpu->x86;
    struct kvm_sregs s;
    struct kvm_sregs2 s2;

    kvm_sregs_out(&s, c);
    if (!v->kvm->has_sregs2 || !c->pdptrs_valid || !kvm_uses_pdptrs(c)) {
        return kvm_vcpu_ioctl(v, KVM_SET_SREGS, &s, "writing special registers",
                              errp);
    }
    s2 = (struct kvm_sregs2){
        .cs = s.cs,
        .ds = s.ds,
        .es = s.es,
        .fs = s.fs,
        .gs = s.gs,
        .ss = s.ss,
        .tr = s.tr,
        .ldt = s.ldt,
        .gdt = s.gdt,
        .idt = s.idt,
        .cr0 = s.cr0,
        .cr2 = s.cr2,
        .cr3 = s.cr3,
        .cr4 = s.cr4,
        .cr8 = s.cr8,
        .efer = s.efer,
        .apic_base = s.apic_base,
        .flags = KVM_SREGS2_FLAGS_PDPTRS_VALID,
    };
    memcpy(s2.pdptrs, c->pdptrs, sizeof(s2.pdptrs));
    return kvm_vcpu_ioctl(v, KVM_SET_SREGS2, &s2, "writing special registers",
                          errp);
}

static bool kvm_write_fpu(KvmVcpu *v, GError **errp)
{
    KvmAccel *k = v->kvm;
    const X86Cpu *c = v->cpu->x86;
    struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = c->xcr0 };
    uint64_t can = k->support.xcr0 | X86_XCR0_X87 | X86_XCR0_SSE;
    bool has = kvm_has_xcr0(k, c);

    /* Both come from streams; the kernel would only say EINVAL. */
    if (c->mxcsr & ~0xffffU) {
        error_setf(errp, "CPU %u: MXCSR 0x%x has reserved bits set",
                   v->cpu->index, c->mxcsr);
        return false;
    }
    if ((c->xcr0 & ~can) || !(c->xcr0 & X86_XCR0_X87)) {
        error_setf(errp,
                   "CPU %u: XCR0 0x%" PRIx64 ": this host offers 0x%" PRIx64,
                   v->cpu->index, c->xcr0, can);
        return false;
    }
    if (has && !kvm_vcpu_ioctl(v, KVM_SET_XCRS, &x, "writing XCR0", errp)) {
        return false;
    }
    x86_xsave_store(c, &k->xsave_layout, v->xsave, k->xsave_len);
    return kvm_vcpu_ioctl(v, KVM_SET_XSAVE, v->xsave, "writing the XSAVE area",
                          errp);
}

static bool kvm_write_events(KvmVcpu *v, VcpuPutLevel level, GError **errp)
{
    struct kvm_vcpu_events e;

    kvm_events_out(v, &e, v->cpu->x86, level);
    return kvm_vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &e, "writing events", errp);
}

static bool kvm_write_debugregs(KvmVcpu *v, GError **errp)
{
    const X86Cpu *c = v->cpu->x86;
    struct kvm_debugregs d = { .dr6 = c->dr[6], .dr7 = c->dr[7] };

    memcpy(d.db, c->dr, sizeof(d.db));
    return !v->kvm->has_debugregs ||
           kvm_vcpu_ioctl(v, KVM_SET_DEBUGREGS, &d, "writing debug registers",
                          errp);
}

static bool kvm_write_mp_state(KvmVcpu *v, GError **errp)
{
    struct kvm_mp_state mp = { .mp_state = v->cpu->x86->mp_state };

    return kvm_vcpu_ioctl(v, KVM_SET_MP_STATE, &mp, "writing the MP state",
                          errp);
}

static bool kvm_write_lapic(KvmVcpu *v, GError **errp)
{
    if (!v->lapic_pending) {
        return true;
    }
    v->lapic_pending = false;
    return kvm_vcpu_ioctl(v, KVM_SET_LAPIC, &v->lapic, "writing the local APIC",
                          errp);
}

bool kvm_vcpu_put_state(Vcpu *cpu, VcpuPutLevel level, GError **errp)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);

    KVM_COUNT(v->kvm, state_writes);
    v->sync_valid = false;
    if (v->lapic_pending) {
        cpu->x86->cr8 = v->lapic.regs[0x80] >> 4; /* TPR */
    }
    if (level == VCPU_PUT_FULL && !kvm_write_tsc_khz(v, errp)) {
        return false;
    }
    /* The APIC's mode is in the special registers, its timer's in its page */
    if (!kvm_write_sregs(v, errp) || !kvm_write_fpu(v, errp) ||
        !kvm_msrs_put(v, level, false, errp) || !kvm_write_lapic(v, errp) ||
        !kvm_msrs_put(v, level, true, errp)) {
        return false;
    }
    if (level >= VCPU_PUT_RESET && !kvm_write_mp_state(v, errp)) {
        return false;
    }
    if (!kvm_write_regs(v, errp) || !kvm_write_debugregs(v, errp)) {
        return false;
    }
    return kvm_write_events(v, level, errp);
}
