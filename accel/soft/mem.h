/*
 * Access to guest memory and operands: the paths that must be short.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_MEM_H
#define ACCEL_SOFT_MEM_H

#include "accel/soft/cpu.h"
#include "util/tsan.h"

#define SOFT_INLINE static inline __attribute__((always_inline))

/*
 * The guest's memory, which other CPUs and devices use at the same time: one
 * host access for what is one access of the guest, neither left out, repeated
 * nor moved by the compiler.  The host's memory order then is the guest's.
 */
typedef uint16_t SoftU16 __attribute__((aligned(1), may_alias));
typedef uint32_t SoftU32 __attribute__((aligned(1), may_alias));
typedef uint64_t SoftU64 __attribute__((aligned(1), may_alias));

#ifdef CONFIG_TSAN
#define SOFT_HOST_ACCESS static TSAN_GUEST
#else
#define SOFT_HOST_ACCESS SOFT_INLINE
#endif

SOFT_HOST_ACCESS uint64_t soft_host_load(const void *p, unsigned n)
{
    uint64_t v = 0;

    switch (n) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile SoftU16 *)p;
    case 4:
        return *(const volatile SoftU32 *)p;
    case 8:
        return *(const volatile SoftU64 *)p;
    default:
        memcpy(&v, p, MIN(n, 8));
        return v;
    }
}

SOFT_HOST_ACCESS void soft_host_store(void *p, uint64_t v, unsigned n)
{
    switch (n) {
    case 1:
        *(volatile uint8_t *)p = v;
        break;
    case 2:
        *(volatile SoftU16 *)p = v;
        break;
    case 4:
        *(volatile SoftU32 *)p = v;
        break;
    case 8:
        *(volatile SoftU64 *)p = v;
        break;
    default:
        memcpy(p, &v, MIN(n, 8));
        break;
    }
}

SOFT_INLINE unsigned soft_tlb_index(uint64_t lin)
{
    return (lin >> SOFT_PAGE_BITS) & (SOFT_TLB_SIZE - 1);
}

SOFT_INLINE SoftTlbEntry *soft_tlb_entry(SoftCpu *s, uint64_t lin, unsigned mmu)
{
    return &s->tlb[mmu][soft_tlb_index(lin)];
}

/* n: 1..8 bytes. */
SOFT_INLINE uint64_t soft_ld(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu)
{
    SoftTlbEntry *e = soft_tlb_entry(s, lin, mmu);

    if (likely(e->tag[SOFT_READ] == (lin & SOFT_PAGE_MASK) &&
               (lin & 0xfff) <= SOFT_PAGE - n)) {
        return soft_host_load((void *)(e->host + (lin & 0xfff)), n);
    }
    return soft_load_slow(s, lin, n, mmu);
}

SOFT_INLINE void soft_st(SoftCpu *s, uint64_t lin, uint64_t v, unsigned n,
                         unsigned mmu)
{
    SoftTlbEntry *e = soft_tlb_entry(s, lin, mmu);

    if (likely(e->tag[SOFT_WRITE] == (lin & SOFT_PAGE_MASK) &&
               (lin & 0xfff) <= SOFT_PAGE - n)) {
        soft_host_store((void *)(e->host + (lin & 0xfff)), v, n);
        return;
    }
    soft_store_slow(s, lin, v, n, mmu);
}

/* Raises #GP or #SS unless the segment allows the access. */
void soft_seg_check(SoftCpu *s, unsigned seg, uint64_t off, unsigned n,
                    bool write);

/* Linear address of [off, off + n) in a segment. */
SOFT_INLINE uint64_t soft_lin(SoftCpu *s, unsigned seg, uint64_t off,
                              unsigned n, bool write)
{
    if (unlikely(!(s->seg_flat >> seg & 1))) {
        soft_seg_check(s, seg, off, n, write);
    }
    return (s->segbase[seg] + off) & s->lin_mask;
}

SOFT_INLINE uint64_t soft_asize_mask(unsigned asize)
{
    return asize == 3 ? ~UINT64_C(0) : asize == 2 ? 0xffffffff : 0xffff;
}

#define SOFT_REG(s, byte_off, type) \
    (*(type *)((uint8_t *)(s)->gpr + (byte_off)))

/* Offset of the memory operand in its segment. */
SOFT_INLINE uint64_t soft_ea(SoftCpu *s, const SoftOp *op)
{
    uint64_t a = SOFT_REG(s, op->base, uint64_t) +
                 (SOFT_REG(s, op->index, uint64_t) << op->scale) +
                 (int64_t)op->disp;

    return a & soft_asize_mask(op->asize);
}

SOFT_INLINE uint64_t soft_ea_lin(SoftCpu *s, const SoftOp *op, unsigned n,
                                 bool write)
{
    return soft_lin(s, op->seg, soft_ea(s, op), n, write);
}

/* A register of n bytes by its byte offset; 4 bytes clear the upper half. */
SOFT_INLINE uint64_t soft_reg_get(const SoftCpu *s, unsigned off, unsigned n)
{
    const uint8_t *p = (const uint8_t *)s->gpr + off;

    switch (n) {
    case 1:
        return *p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

SOFT_INLINE void soft_reg_set(SoftCpu *s, unsigned off, unsigned n, uint64_t v)
{
    uint8_t *p = (uint8_t *)s->gpr + off;

    switch (n) {
    case 1:
        *p = v;
        break;
    case 2:
        *(uint16_t *)p = v;
        break;
    case 4:
        *(uint64_t *)p = (uint32_t)v;
        break;
    default:
        *(uint64_t *)p = v;
        break;
    }
}

/* ModRM.rm, register or memory. */
SOFT_INLINE uint64_t soft_rm_get(SoftCpu *s, const SoftOp *op, unsigned n,
                                 bool mem)
{
    return mem ? soft_ld(s, soft_ea_lin(s, op, n, false), n, s->mmu)
               : soft_reg_get(s, op->rm, n);
}

SOFT_INLINE void soft_rm_set(SoftCpu *s, const SoftOp *op, unsigned n, bool mem,
                             uint64_t v)
{
    if (mem) {
        soft_st(s, soft_ea_lin(s, op, n, true), v, n, s->mmu);
    } else {
        soft_reg_set(s, op->rm, n, v);
    }
}

static inline unsigned soft_size(const SoftOp *op)
{
    return 1U << op->size;
}

static inline bool soft_is_mem(const SoftOp *op)
{
    return op->flags & OPF_MEM;
}

/* Stack: n bytes at SP + off, without moving it. */
SOFT_INLINE uint64_t soft_stack_lin(SoftCpu *s, uint64_t sp, unsigned n,
                                    bool write)
{
    return soft_lin(s, X86_SS, sp & s->sp_mask, n, write);
}

SOFT_INLINE void soft_set_sp(SoftCpu *s, uint64_t sp)
{
    s->gpr[X86_RSP] = (s->gpr[X86_RSP] & ~s->sp_mask) | (sp & s->sp_mask);
    if (s->sp_mask == 0xffffffff) {
        s->gpr[X86_RSP] = (uint32_t)s->gpr[X86_RSP];
    }
}

SOFT_INLINE void soft_push(SoftCpu *s, uint64_t v, unsigned n)
{
    uint64_t sp = s->gpr[X86_RSP] - n;

    soft_st(s, soft_stack_lin(s, sp, n, true), v, n, s->mmu);
    soft_set_sp(s, sp);
}

/* Reads the top; the caller moves SP when nothing can fault any more. */
SOFT_INLINE uint64_t soft_peek(SoftCpu *s, uint64_t off, unsigned n)
{
    return soft_ld(s, soft_stack_lin(s, s->gpr[X86_RSP] + off, n, false), n,
                   s->mmu);
}

/* Branches: within the code segment. */
void soft_jump(SoftCpu *s, uint64_t rip, unsigned size);

#endif
