/*
 * The software CPU's loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <cpuid.h>

#include "accel/soft/debug.h"
#include "accel/soft/log.h"
#include "accel/soft/mem.h"
#include "accel/soft/smm.h"
#include "target/i386/cpu-features.h"
#include "util/error.h"
#include "util/rcu.h"

SoftVm *soft_vm_new(Memory *mem, uint64_t tb_bytes, GError **errp)
{
    SoftVm *vm = g_new0(SoftVm, 1);

    vm->mem = mem;
    memory_smm_init(mem);
    vm->tb_bytes = tb_bytes;
    lock_init(&vm->excl_lock);
    cond_init(&vm->excl_cond);
    vm->gen_after = SOFT_GEN_AFTER;
    vm->gen_bytes = SOFT_GEN_BYTES;
    vm->stubs = soft_stubs_new(errp);
    if (vm->stubs) {
        vm->code = soft_code_map_new(&mem->ram, errp);
    }
    if (!vm->code) {
        soft_vm_free(vm);
        return NULL;
    }
    return vm;
}

void soft_vm_free(SoftVm *vm)
{
    if (!vm) {
        return;
    }
    soft_code_map_free(vm->code);
    soft_stubs_free(vm->stubs);
    cond_fini(&vm->excl_cond);
    lock_fini(&vm->excl_lock);
    g_free(vm);
}

static const struct {
    uint8_t feat;
    unsigned model; /* X86_FEATURE() */
} soft_features[] = {
    { FT_FPU, X86_FEATURE(X86_FEAT_1_EDX, 0) },
    { FT_TSC, X86_FEATURE(X86_FEAT_1_EDX, 4) },
    { FT_MSR, X86_FEATURE(X86_FEAT_1_EDX, 5) },
    { FT_CX8, X86_FEATURE(X86_FEAT_1_EDX, 8) },
    { FT_SEP, X86_FEATURE(X86_FEAT_1_EDX, 11) },
    { FT_CMOV, X86_FEATURE(X86_FEAT_1_EDX, 15) },
    { FT_CLFLUSH, X86_FEATURE(X86_FEAT_1_EDX, 19) },
    { FT_MMX, X86_FEATURE(X86_FEAT_1_EDX, 23) },
    { FT_FXSR, X86_FEATURE(X86_FEAT_1_EDX, 24) },
    { FT_SSE, X86_FEATURE(X86_FEAT_1_EDX, 25) },
    { FT_SSE2, X86_FEATURE(X86_FEAT_1_EDX, 26) },
    { FT_SSE3, X86_FEATURE(X86_FEAT_1_ECX, 0) },
    { FT_PCLMUL, X86_FEATURE(X86_FEAT_1_ECX, 1) },
    { FT_MONITOR, X86_FEATURE(X86_FEAT_1_ECX, 3) },
    { FT_SSSE3, X86_FEATURE(X86_FEAT_1_ECX, 9) },
    { FT_FMA, X86_FEATURE(X86_FEAT_1_ECX, 12) },
    { FT_CX16, X86_FEATURE(X86_FEAT_1_ECX, 13) },
    { FT_SSE41, X86_FEATURE(X86_FEAT_1_ECX, 19) },
    { FT_SSE42, X86_FEATURE(X86_FEAT_1_ECX, 20) },
    { FT_MOVBE, X86_FEATURE(X86_FEAT_1_ECX, 22) },
    { FT_POPCNT, X86_FEATURE(X86_FEAT_1_ECX, 23) },
    { FT_AES, X86_FEATURE(X86_FEAT_1_ECX, 25) },
    { FT_XSAVE, X86_FEATURE(X86_FEAT_1_ECX, 26) },
    { FT_AVX, X86_FEATURE(X86_FEAT_1_ECX, 28) },
    { FT_F16C, X86_FEATURE(X86_FEAT_1_ECX, 29) },
    { FT_RDRAND, X86_FEATURE(X86_FEAT_1_ECX, 30) },
    { FT_FSGSBASE, X86_FEATURE(X86_FEAT_7_0_EBX, 0) },
    { FT_BMI1, X86_FEATURE(X86_FEAT_7_0_EBX, 3) },
    { FT_AVX2, X86_FEATURE(X86_FEAT_7_0_EBX, 5) },
    { FT_BMI2, X86_FEATURE(X86_FEAT_7_0_EBX, 8) },
    { FT_INVPCID, X86_FEATURE(X86_FEAT_7_0_EBX, 10) },
    { FT_RDSEED, X86_FEATURE(X86_FEAT_7_0_EBX, 18) },
    { FT_ADX, X86_FEATURE(X86_FEAT_7_0_EBX, 19) },
    { FT_SMAP, X86_FEATURE(X86_FEAT_7_0_EBX, 20) },
    { FT_CLFLUSHOPT, X86_FEATURE(X86_FEAT_7_0_EBX, 23) },
    { FT_CLWB, X86_FEATURE(X86_FEAT_7_0_EBX, 24) },
    { FT_SHA, X86_FEATURE(X86_FEAT_7_0_EBX, 29) },
    { FT_RDPID, X86_FEATURE(X86_FEAT_7_0_ECX, 22) },
    { FT_SYSCALL, X86_FEATURE(X86_FEAT_8000_0001_EDX, 11) },
    { FT_RDTSCP, X86_FEATURE(X86_FEAT_8000_0001_EDX, 27) },
    { FT_LM, X86_FEATURE(X86_FEAT_8000_0001_EDX, 29) },
    { FT_LAHF, X86_FEATURE(X86_FEAT_8000_0001_ECX, 0) },
    { FT_LZCNT, X86_FEATURE(X86_FEAT_8000_0001_ECX, 5) },
    { FT_PREFETCHW, X86_FEATURE(X86_FEAT_8000_0001_ECX, 8) },
    { FT_XSAVEOPT, X86_FEATURE(X86_FEAT_XSAVE, 0) },
    { FT_XSAVEC, X86_FEATURE(X86_FEAT_XSAVE, 1) },
};

/* Executed by the host's own: not there unless it has them. */
static const uint8_t soft_host_run[] = {
    FT_FPU,    FT_MMX, FT_SSE, FT_SSE2, FT_SSE3, FT_SSSE3, FT_SSE41, FT_SSE42,
    FT_PCLMUL, FT_FMA, FT_AES, FT_AVX,  FT_F16C, FT_AVX2,  FT_SHA,
};

static bool host_has(unsigned feature)
{
    const X86FeatureInfo *w = &x86_features[feature >> 8];
    uint32_t r[4] = { 0 };

    if (!__get_cpuid_count(w->leaf, w->subleaf, &r[0], &r[1], &r[2], &r[3])) {
        return false;
    }
    return r[w->reg] >> (feature & 31) & 1;
}

uint64_t soft_features_possible(void)
{
    uint64_t mask = ~UINT64_C(0);

    for (size_t i = 0; i < G_N_ELEMENTS(soft_features); i++) {
        const uint8_t *p =
            memchr(soft_host_run, soft_features[i].feat, sizeof(soft_host_run));

        if (p && !host_has(soft_features[i].model)) {
            mask &= ~(UINT64_C(1) << soft_features[i].feat);
        }
    }
    return mask;
}

void soft_features_each(void (*fn)(X86CpuSupport *p, unsigned feature),
                        X86CpuSupport *p)
{
    uint64_t mask = soft_features_possible();

    for (size_t i = 0; i < G_N_ELEMENTS(soft_features); i++) {
        if (mask >> soft_features[i].feat & 1) {
            fn(p, soft_features[i].model);
        }
    }
}

uint64_t soft_features_host(void)
{
    uint64_t mask = 1 << FT_NONE;

    for (size_t i = 0; i < G_N_ELEMENTS(soft_features); i++) {
        if (host_has(soft_features[i].model)) {
            mask |= UINT64_C(1) << soft_features[i].feat;
        }
    }
    return mask;
}

SoftCpu *soft_cpu_new(SoftVm *vm, X86Cpu *x, GError **errp)
{
    SoftCpu *s = g_new0(SoftCpu, 1);

    s->cache = soft_cache_new(vm->tb_bytes);
    if (!s->cache) {
        error_setf_errno(errp, ENOMEM, "decoded code cache, %" PRIu64 " bytes",
                         vm->tb_bytes);
        g_free(s);
        return NULL;
    }
    lock_init(&s->drop_lock);

    s->vm = vm;
    s->x = x;
    for (size_t i = 0; i < G_N_ELEMENTS(soft_features); i++) {
        if (x86_cpu_model_has(x->model, soft_features[i].model)) {
            s->features |= UINT64_C(1) << soft_features[i].feat;
        }
    }
    s->features &= soft_features_possible();
    memset(s->tlb_used, true, sizeof(s->tlb_used));
    s->once = g_malloc0(sizeof(SoftBlock) + sizeof(SoftOp));
    soft_cpu_load(s);
    soft_code_map_add_cpu(vm->code, s);
    return s;
}

void soft_cpu_free(SoftCpu *s)
{
    if (!s) {
        return;
    }
    rcu_read_lock();
    soft_cache_drop_all(s);
    rcu_read_unlock();
    soft_code_map_del_cpu(s->vm->code, s);
    soft_smm_gone(s);
    soft_cache_free(s->cache);
    soft_gen_free(s);
    lock_fini(&s->drop_lock);
    g_free(s->once);
    g_free(s);
}

void soft_cpu_pend(SoftCpu *s, unsigned what)
{
    __atomic_fetch_or(&s->pending, what, __ATOMIC_SEQ_CST);
}

bool soft_cpu_take(SoftCpu *s, unsigned what)
{
    return __atomic_fetch_and(&s->pending, ~what, __ATOMIC_SEQ_CST) & what;
}

/* Interrupts, if the guest takes any now. */
static void accept_interrupts(SoftCpu *s)
{
    int vec;

    if (s->inhibit || soft_debug_masks_irq(s)) {
        return;
    }
    soft_smm_accept(s);
    if (!s->nmi_blocked && soft_cpu_take(s, SOFT_PEND_NMI)) {
        s->halted = false;
        s->nmi_blocked = true;
        s->ext = true;
        soft_deliver(s, EXC_NMI, SOFT_FROM_OUTSIDE, false, 0);
        s->ext = false;
        return;
    }
    if (!(s->flags & X86_FLAG_IF) || !s->irq ||
        !(__atomic_load_n(&s->pending, __ATOMIC_ACQUIRE) & SOFT_PEND_IRQ)) {
        return;
    }
    soft_cpu_take(s, SOFT_PEND_IRQ);
    vec = s->irq->take(s, s->irq_opaque);
    if (vec >= 0) {
        s->halted = false;
        s->ext = true;
        soft_deliver(s, vec, SOFT_FROM_OUTSIDE, false, 0);
        s->ext = false;
    }
}

/* One block, or one instruction where something is to be seen after it. */
static void run_block(SoftCpu *s)
{
    bool step = s->flags & X86_FLAG_TF;
    unsigned max = step || s->inhibit ? 1 : SOFT_BLOCK_OPS;
    uint8_t inhibited = s->inhibit;
    SoftBlock *b = soft_block_find(s, max);
    unsigned n = b->nops;

    if (soft_log_blocks()) {
        soft_log_run(s, b);
    } else if (max != 1 && soft_gen_run(s, b)) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        const SoftOp *op = &b->ops[i];

        s->gpr[SOFT_NEXT_RIP] = s->rip + op->len;
        op->fn(s, op);
        s->rip = s->gpr[SOFT_NEXT_RIP];
    }
    s->ninsns += n;
    if (inhibited) {
        s->inhibit = 0;
    }
    if (step && soft_step_traps(s, &b->ops[0])) {
        soft_single_step_raise(s);
    }
}

void soft_take_memory(SoftCpu *s)
{
    const unsigned all =
        SOFT_PEND_PROTECT | SOFT_PEND_CODE | SOFT_PEND_DROP | SOFT_PEND_FLUSH;
    unsigned what;

    while (soft_cpu_take(s, SOFT_PEND_EXCLUSIVE)) {
        soft_exclusive_wait(s);
    }
    what = __atomic_load_n(&s->pending, __ATOMIC_SEQ_CST) & all;
    if (!what) {
        return;
    }
    __atomic_fetch_and(&s->pending, ~what, __ATOMIC_SEQ_CST);
    if (what & SOFT_PEND_CODE) {
        soft_code_take(s);
    }
    if (what & SOFT_PEND_DROP) {
        soft_cache_drop_all(s);
    }
    if (what & SOFT_PEND_FLUSH) {
        uint64_t seq = __atomic_load_n(&s->vm->flush_seq, __ATOMIC_SEQ_CST);

        soft_tlb_flush(s);
        __atomic_store_n(&s->flush_seq, seq, __ATOMIC_SEQ_CST);
    }
    if (what & SOFT_PEND_PROTECT) {
        soft_code_protect(s);
    }
}

static bool must_return(SoftCpu *s, SoftExit *ret)
{
    soft_take_memory(s);
    if (soft_cpu_take(s, SOFT_PEND_EXIT)) {
        *ret = SOFT_EXIT_AGAIN;
        return true;
    }
    return false;
}

static SoftExit run_loop(SoftCpu *s, uint64_t max_insns)
{
    /* volatile: they live across longjmp(). */
    volatile uint64_t end = s->ninsns + max_insns;
    SoftExit ret = SOFT_EXIT_AGAIN;
    int why = _setjmp(s->env);

    if (unlikely(why && s->vm->excl == s)) {
        soft_exclusive_end(s);
    }
    s->end = end;
    soft_gen_sync(s);
    if (why == SOFT_JMP_EXCEPTION) {
        if (!soft_exception_combine(s)) {
            return SOFT_EXIT_SHUTDOWN;
        }
        if (s->exc != EXC_DB) {
            s->flags |= X86_FLAG_RF;
        }
        soft_deliver_exception(s);
        if (!soft_debug_delivered(s)) {
            return SOFT_EXIT_DEBUG;
        }
    }
    /* Whatever cut a block short counts, so that the slice ends. */
    s->ninsns += why != 0;
    while (s->ninsns < end) {
        if (unlikely(__atomic_load_n(&s->pending, __ATOMIC_RELAXED))) {
            if (must_return(s, &ret)) {
                return ret;
            }
            accept_interrupts(s);
        }
        if (unlikely(s->halted)) {
            return SOFT_EXIT_HALT;
        }
        if (unlikely(soft_debug_on(s))) {
            if (!soft_debug_block(s)) {
                return SOFT_EXIT_DEBUG;
            }
            continue;
        }
        run_block(s);
    }
    return SOFT_EXIT_AGAIN;
}

SoftExit soft_cpu_run(SoftCpu *s, uint64_t max_insns)
{
    SoftExit ret;

    s->debug_stop.reason = DEBUG_NOT_STOPPED;
    rcu_read_lock();
    /* Before the look at what is pending: see soft_code_page_settled(). */
    __atomic_store_n(&s->running, true, __ATOMIC_SEQ_CST);
    ret = run_loop(s, max_insns);
    __atomic_store_n(&s->running, false, __ATOMIC_SEQ_CST);
    if (unlikely(s->debug_stop.reason) && ret == SOFT_EXIT_AGAIN) {
        ret = SOFT_EXIT_DEBUG; /* the slice ended with what touched memory */
    }
    rcu_read_unlock();
    return ret;
}
