/*
 * Locked operations: atomic against other CPUs and against devices, by the
 * host's own on the guest's RAM.
 *
 * An operand that crosses into another page may be in two places of the host.
 * For those all other CPUs are stopped between two blocks meanwhile, which is
 * what locking the bus did.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sched.h>

#include "accel/soft/debug.h"
#include "accel/soft/mem.h"

#define CAS(type)                                                            \
    {                                                                        \
        type o_ = *old;                                                      \
        bool ok_ =                                                           \
            __atomic_compare_exchange_n((type *)p, &o_, (type)v, false,      \
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
                                                                             \
        *old = o_;                                                           \
        return ok_;                                                          \
    }

/* One host instruction, aligned or not. */
#ifdef CONFIG_TSAN
TSAN_GUEST
#endif
static bool cas_host(void *p, unsigned n, uint64_t *old, uint64_t v)
{
    switch (n) {
    case 1:
        CAS(uint8_t)
    case 2:
        CAS(uint16_t)
    case 4:
        CAS(uint32_t)
    default:
        CAS(uint64_t)
    }
}

static bool cas_host16(void *p, uint64_t old[2], const uint64_t v[2])
{
    bool ok;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(ok), "+m"(*(unsigned __int128 *)p), "+a"(old[0]),
                       "+d"(old[1])
                     : "b"(v[0]), "c"(v[1])
                     : "memory");
    return ok;
}

void soft_exclusive_begin(SoftCpu *s)
{
    SoftVm *vm = s->vm;

    __atomic_store_n(&s->running, false, __ATOMIC_SEQ_CST);
    lock_acquire(&vm->excl_lock);
    while (vm->excl) {
        cond_wait(&vm->excl_cond, &vm->excl_lock);
    }
    vm->excl = s;
    lock_release(&vm->excl_lock);
    __atomic_store_n(&s->running, true, __ATOMIC_SEQ_CST);
    soft_code_map_pend_others(vm->code, s, SOFT_PEND_EXCLUSIVE);
    while (soft_code_map_others_run(vm->code, s)) {
        sched_yield();
    }
    soft_take_memory(s);
}

void soft_exclusive_end(SoftCpu *s)
{
    SoftVm *vm = s->vm;

    LOCK_GUARD(&vm->excl_lock);
    if (vm->excl == s) {
        vm->excl = NULL;
        cond_broadcast(&vm->excl_cond);
    }
}

void soft_exclusive_wait(SoftCpu *s)
{
    SoftVm *vm = s->vm;

    __atomic_store_n(&s->running, false, __ATOMIC_SEQ_CST);
    lock_acquire(&vm->excl_lock);
    while (vm->excl && vm->excl != s) {
        cond_wait(&vm->excl_cond, &vm->excl_lock);
    }
    lock_release(&vm->excl_lock);
    __atomic_store_n(&s->running, true, __ATOMIC_SEQ_CST);
}

/* A fault on the way is cleaned up after by the loop: soft_exclusive_end(). */
static bool cas_split(SoftCpu *s, uint64_t lin, unsigned n, uint64_t *old,
                      uint64_t v)
{
    uint64_t now;
    bool ok;

    soft_exclusive_begin(s);
    now = soft_ld(s, lin, n, s->mmu);
    ok = now == *old;
    if (ok) {
        soft_st(s, lin, v, n, s->mmu);
    }
    *old = now;
    soft_exclusive_end(s);
    return ok;
}

bool soft_cas(SoftCpu *s, uint64_t lin, unsigned n, uint64_t *old, uint64_t v)
{
    SoftTlbEntry *e = soft_tlb_entry(s, lin, s->mmu);
    SoftTarget t;
    bool ok;

    if (unlikely((lin & 0xfff) > SOFT_PAGE - n)) {
        return cas_split(s, lin, n, old, v);
    }
    if (likely(e->tag[SOFT_WRITE] == (lin & SOFT_PAGE_MASK))) {
        return cas_host((void *)(e->host + (lin & 0xfff)), n, old, v);
    }
    if (!soft_store_target(s, lin, s->mmu, &t)) {
        /* A device, or ROM: there is nobody else. */
        soft_st(s, lin, v, n, s->mmu);
        return true;
    }
    ok = cas_host(t.host, n, old, v);
    if (ok) {
        soft_debug_write(s, lin, n);
        soft_stored(s, &t, n);
    }
    return ok;
}

/* Not RAM: written whatever it was. */
static bool cas_pair_device(SoftCpu *s, uint64_t lin, unsigned n,
                            uint64_t old[2], const uint64_t v[2])
{
    uint64_t now[2] = { soft_ld(s, lin, n, s->mmu),
                        soft_ld(s, lin + n, n, s->mmu) };
    bool ok = now[0] == old[0] && now[1] == old[1];

    soft_st(s, lin, ok ? v[0] : now[0], n, s->mmu);
    soft_st(s, lin + n, ok ? v[1] : now[1], n, s->mmu);
    memcpy(old, now, sizeof(now));
    return ok;
}

static bool cas_pair_split(SoftCpu *s, uint64_t lin, unsigned n,
                           uint64_t old[2], const uint64_t v[2])
{
    uint64_t o = old[0] | old[1] << 32;
    bool ok = cas_split(s, lin, 2 * n, &o, v[0] | v[1] << 32);

    old[0] = (uint32_t)o;
    old[1] = o >> 32;
    return ok;
}

bool soft_cas_pair(SoftCpu *s, uint64_t lin, unsigned n, uint64_t old[2],
                   const uint64_t v[2])
{
    SoftTarget t;
    uint64_t o = old[0] | old[1] << 32;
    bool ok;

    soft_probe_write(s, lin, 2 * n, s->mmu);
    if ((lin & 0xfff) > SOFT_PAGE - 2 * n) {
        return cas_pair_split(s, lin, n, old, v);
    }
    if (!soft_store_target(s, lin, s->mmu, &t)) {
        return cas_pair_device(s, lin, n, old, v);
    }
    if (n == 8) {
        ok = cas_host16(t.host, old, v);
    } else {
        ok = cas_host(t.host, 8, &o, v[0] | v[1] << 32);
        old[0] = (uint32_t)o;
        old[1] = o >> 32;
    }
    if (ok) {
        soft_debug_write(s, lin, 2 * n);
        soft_stored(s, &t, 2 * n);
    }
    return ok;
}
