/*
 * String instructions and port I/O.
 *
 * One repetition at a time: a fault or an interrupt between two finds RSI,
 * RDI and RCX as the manual says, and the instruction starts over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"
#include "accel/soft/exec.h"

enum { STRING_SLICE = 1024 }; /* repetitions before interrupts are looked at */

/* Bit map of the TSS: SDM volume 1, 19.5.2. */
static void check_ports(SoftCpu *s, uint16_t port, unsigned n)
{
    const X86Segment *tr = &s->x->tr;
    unsigned iopl = (s->flags & X86_FLAG_IOPL) >> 12;
    uint32_t map;
    uint32_t bits;

    if (!(s->x->cr[0] & X86_CR0_PE) ||
        (s->cpl <= iopl && !(s->flags & X86_FLAG_VM))) {
        return;
    }
    /* Only a 32-bit or 64-bit TSS has one. */
    if (!((tr->flags >> X86_SEG_TYPE_SHIFT) & 8) || tr->limit < 103) {
        soft_raise_gp0(s);
    }
    map = soft_ld(s, (tr->base + 102) & s->lin_mask, 2, s->mmu_sys);
    map += port / 8;
    if (map + 1 > tr->limit) {
        soft_raise_gp0(s);
    }
    bits = soft_ld(s, (tr->base + map) & s->lin_mask, 2, s->mmu_sys);
    if ((bits >> (port & 7)) & ((1U << n) - 1)) {
        soft_raise_gp0(s);
    }
}

static uint64_t port_in(SoftCpu *s, uint16_t port, unsigned n)
{
    if (unlikely(s->dr_io)) {
        soft_dr_port(s, port, n);
    }
    return soft_bus_load(s, &s->vm->mem->io, port, n);
}

static void port_out(SoftCpu *s, uint16_t port, uint64_t v, unsigned n)
{
    if (unlikely(s->dr_io)) {
        soft_dr_port(s, port, n);
    }
    soft_bus_store(s, &s->vm->mem->io, port, v, n);
}

static uint16_t port_number(const SoftCpu *s, const SoftOp *op, unsigned i)
{
    return op->desc->op[i] == O_Ib ? op->imm : s->gpr[X86_RDX];
}

static void in(SoftCpu *s, const SoftOp *op)
{
    unsigned n = MIN(soft_size(op), 4);
    uint16_t port = port_number(s, op, 1);

    check_ports(s, port, n);
    soft_reg_set(s, X86_RAX * 8, n, port_in(s, port, n));
}

static void out(SoftCpu *s, const SoftOp *op)
{
    unsigned n = MIN(soft_size(op), 4);
    uint16_t port = port_number(s, op, 0);

    check_ports(s, port, n);
    port_out(s, port, soft_reg_get(s, X86_RAX * 8, n), n);
}

/* The two addresses; both are checked before anything happens. */
static uint64_t src_lin(SoftCpu *s, const SoftOp *op, unsigned n)
{
    uint64_t a = s->gpr[X86_RSI] & soft_asize_mask(op->asize);

    return soft_lin(s, op->seg, a, n, false);
}

static uint64_t dst_lin(SoftCpu *s, const SoftOp *op, unsigned n, bool write)
{
    uint64_t a = s->gpr[X86_RDI] & soft_asize_mask(op->asize);

    return soft_lin(s, X86_ES, a, n, write);
}

static void string_advance(SoftCpu *s, const SoftOp *op, unsigned reg,
                           unsigned n)
{
    int64_t step = s->flags & X86_FLAG_DF ? -(int64_t)n : (int64_t)n;

    soft_reg_set(s, reg * 8, 1U << op->asize, s->gpr[reg] + step);
}

SOFT_INLINE void compare(SoftCpu *s, unsigned n, uint64_t a, uint64_t b)
{
    soft_cc(s, CC_SUB, n, a, b, (a - b) & soft_mask(n));
}

/* One step of the instruction. */
SOFT_INLINE void string_step(SoftCpu *s, const SoftOp *op, unsigned n,
                             unsigned id)
{
    uint64_t v;

    switch (id) {
    case INSN_MOVS:
        v = soft_ld(s, src_lin(s, op, n), n, s->mmu);
        soft_st(s, dst_lin(s, op, n, true), v, n, s->mmu);
        string_advance(s, op, X86_RSI, n);
        string_advance(s, op, X86_RDI, n);
        break;
    case INSN_STOS:
        v = soft_reg_get(s, X86_RAX * 8, n);
        soft_st(s, dst_lin(s, op, n, true), v, n, s->mmu);
        string_advance(s, op, X86_RDI, n);
        break;
    case INSN_LODS:
        v = soft_ld(s, src_lin(s, op, n), n, s->mmu);
        soft_reg_set(s, X86_RAX * 8, n, v);
        string_advance(s, op, X86_RSI, n);
        break;
    case INSN_CMPS:
        v = soft_ld(s, src_lin(s, op, n), n, s->mmu);
        compare(s, n, v, soft_ld(s, dst_lin(s, op, n, false), n, s->mmu));
        string_advance(s, op, X86_RSI, n);
        string_advance(s, op, X86_RDI, n);
        break;
    default:
        v = soft_ld(s, dst_lin(s, op, n, false), n, s->mmu);
        compare(s, n, soft_reg_get(s, X86_RAX * 8, n), v);
        string_advance(s, op, X86_RDI, n);
        break;
    }
}

static void string_io(SoftCpu *s, const SoftOp *op, unsigned n)
{
    uint16_t port = s->gpr[X86_RDX];
    uint64_t lin;
    uint64_t v;

    check_ports(s, port, n);
    if (op->id == INSN_INS) {
        lin = dst_lin(s, op, n, true);
        soft_probe_write(s, lin, n, s->mmu);
        v = port_in(s, port, n);
        soft_st(s, lin, v, n, s->mmu);
        string_advance(s, op, X86_RDI, n);
    } else {
        v = soft_ld(s, src_lin(s, op, n), n, s->mmu);
        port_out(s, port, v, n);
        string_advance(s, op, X86_RSI, n);
    }
}

static bool string_repeats(SoftCpu *s, const SoftOp *op, bool compares)
{
    if (!compares) {
        return true;
    }
    return soft_cond(s, 4) == !!(op->flags & OPF_REP);
}

/* Elements from an address to the end of its page and of the segment. */
static uint64_t bulk_room(const SoftOp *op, uint64_t ea, uint64_t lin,
                          unsigned n)
{
    uint64_t room = SOFT_PAGE - (lin & 0xfff);

    return MIN(room, soft_asize_mask(op->asize) - ea) / n;
}

/* Host address if the page may be used without further ado, or NULL. */
static uint8_t *bulk_host(SoftCpu *s, const SoftOp *op, unsigned reg,
                          unsigned seg, SoftAccess acc, unsigned n,
                          uint64_t *max)
{
    uint64_t ea = s->gpr[reg] & soft_asize_mask(op->asize);
    uint64_t lin = (s->segbase[seg] + ea) & s->lin_mask;
    SoftTlbEntry *e = soft_tlb_entry(s, lin, s->mmu);

    if (!(s->seg_flat >> seg & 1) || e->tag[acc] != (lin & SOFT_PAGE_MASK)) {
        return NULL;
    }
    *max = MIN(*max, bulk_room(op, ea, lin, n));
    return (uint8_t *)(e->host + (lin & 0xfff));
}

static void bulk_fill(uint8_t *d, uint64_t v, unsigned n, uint64_t count)
{
    if (n == 1) {
        memset(d, v, count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        memcpy(d + i * n, &v, n);
    }
}

static void bulk_move(uint8_t *d, const uint8_t *p, unsigned n, uint64_t count)
{
    /* Forward, element by element, if the target is within the source. */
    if (d > p && d < p + count * n) {
        for (uint64_t i = 0; i < count; i++) {
            memmove(d + i * n, p + i * n, n);
        }
    } else {
        memmove(d, p, count * n);
    }
}

/*
 * Many repetitions of MOVS or STOS at once: those whose memory is in one page
 * of RAM each.  Returns how many were done.
 */
static uint64_t string_bulk(SoftCpu *s, const SoftOp *op, unsigned n,
                            unsigned id, uint64_t count)
{
    uint8_t *src = NULL;
    uint8_t *dst;

    if (s->flags & (X86_FLAG_DF | X86_FLAG_TF)) {
        return 0;
    }
    dst = bulk_host(s, op, X86_RDI, X86_ES, SOFT_WRITE, n, &count);
    if (dst && id == INSN_MOVS) {
        src = bulk_host(s, op, X86_RSI, op->seg, SOFT_READ, n, &count);
    }
    if (!dst || (id == INSN_MOVS && !src)) {
        return 0;
    }
    if (id == INSN_MOVS) {
        bulk_move(dst, src, n, count);
        soft_reg_set(s, X86_RSI * 8, 1U << op->asize,
                     s->gpr[X86_RSI] + count * n);
    } else {
        bulk_fill(dst, s->gpr[X86_RAX], n, count);
    }
    soft_reg_set(s, X86_RDI * 8, 1U << op->asize, s->gpr[X86_RDI] + count * n);
    return count;
}

/* As much work as one instruction. */
enum { BULK_PER_INSN = 64 };

SOFT_INLINE void string_loop(SoftCpu *s, const SoftOp *op, unsigned n,
                             unsigned id)
{
    bool compares = id == INSN_CMPS || id == INSN_SCAS;
    unsigned cn = 1U << op->asize;
    unsigned left = STRING_SLICE;

    if (!(op->flags & (OPF_REP | OPF_REPNE))) {
        string_step(s, op, n, id);
        return;
    }
    for (;;) {
        uint64_t c = soft_reg_get(s, X86_RCX * 8, cn);
        uint64_t done = 0;

        if (c == 0) {
            return;
        }
        if (id == INSN_MOVS || id == INSN_STOS) {
            done = string_bulk(s, op, n, id, c);
        }
        if (done) {
            s->ninsns += done / BULK_PER_INSN;
            c -= done - 1;
        } else if (id == INSN_INS || id == INSN_OUTS) {
            string_io(s, op, n);
        } else {
            string_step(s, op, n, id);
        }
        soft_reg_set(s, X86_RCX * 8, cn, c - 1);
        /* Each is work like an instruction: slices end in time. */
        s->ninsns++;
        if (c == 1 || !string_repeats(s, op, compares)) {
            return;
        }
        if (--left == 0 || __atomic_load_n(&s->pending, __ATOMIC_RELAXED) ||
            (s->flags & X86_FLAG_TF) || s->dr_hits) {
            s->gpr[SOFT_NEXT_RIP] = s->rip;
            s->flags |= s->dr_code ? X86_FLAG_RF : 0; /* it has begun */
            return;
        }
    }
}

/* clang-format off */
#define STRING(K, n)                                        \
    static void str_##K##_##n(SoftCpu *s, const SoftOp *op) \
    {                                                       \
        string_loop(s, op, n, INSN_##K);                    \
    }
#define STRINGS(K)                                                      \
    STRING(K, 1)                                                        \
    STRING(K, 2)                                                        \
    STRING(K, 4) STRING(K, 8) static SoftFn *const str_##K##_fns[4] = { \
        str_##K##_1, str_##K##_2, str_##K##_4, str_##K##_8              \
    };
STRINGS(MOVS)
STRINGS(STOS)
STRINGS(LODS)
STRINGS(CMPS)
STRINGS(SCAS)
/* clang-format on */

static void ins_outs(SoftCpu *s, const SoftOp *op)
{
    unsigned n = MIN(soft_size(op), 4);

    if (op->flags & (OPF_REP | OPF_REPNE)) {
        string_loop(s, op, n, op->id == INSN_INS ? INSN_INS : INSN_OUTS);
    } else {
        string_io(s, op, n);
    }
}

SoftFn *soft_select_string(const SoftOp *op)
{
    switch (op->id) {
    case INSN_MOVS:
        return str_MOVS_fns[op->size];
    case INSN_STOS:
        return str_STOS_fns[op->size];
    case INSN_LODS:
        return str_LODS_fns[op->size];
    case INSN_CMPS:
        return str_CMPS_fns[op->size];
    case INSN_SCAS:
        return str_SCAS_fns[op->size];
    case INSN_INS:
    case INSN_OUTS:
        return ins_outs;
    case INSN_IN:
        return in;
    case INSN_OUT:
        return out;
    default:
        return NULL;
    }
}
