/*
 * Memory operands in generated code: addresses, the software TLB, registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen.h"

unsigned gen_reg_get(Gen *g, unsigned reg, unsigned scratch)
{
    if (gen_host[reg] != H_NONE) {
        return gen_host[reg];
    }
    gen_load(&g->c, scratch, gen_slot(reg));
    return scratch;
}

unsigned gen_reg_for_write(unsigned reg, unsigned scratch)
{
    return gen_host[reg] != H_NONE ? gen_host[reg] : scratch;
}

void gen_reg_put(Gen *g, unsigned reg, unsigned host)
{
    if (gen_host[reg] == H_NONE) {
        gen_store(&g->c, gen_slot(reg), host);
    }
}

/* As an operand of LEA, in which GEN_A and GEN_B are used as need be. */
static GenMem address_parts(Gen *g)
{
    const SoftOp *op = g->op;
    unsigned base = op->base / 8;
    unsigned index = op->index / 8;
    GenMem m = { .base = H_NONE, .index = H_NONE, .disp = op->disp };

    if (base == SOFT_NEXT_RIP) {
        gen_load(&g->c, GEN_A, GEN_STATE(rip));
        gen_lea(&g->c, true, GEN_A, gen_mem(GEN_A, g->off + op->len));
        m.base = GEN_A;
    } else if (base != SOFT_ZERO) {
        m.base = gen_reg_get(g, base, GEN_A);
    }
    if (index != SOFT_ZERO) {
        m.index = gen_reg_get(g, index, GEN_B);
        m.scale = op->scale;
    }
    return m;
}

void gen_lea_operand(Gen *g, unsigned dst)
{
    GenMem m = address_parts(g);

    gen_lea(&g->c, g->op->size == 3 && g->op->asize == 3, dst, m);
}

void gen_address(Gen *g)
{
    const SoftOp *op = g->op;
    GenMem m = address_parts(g);
    GenInsn add = { .map = 1, .opcode = 0x03, .w = true };

    if (m.index == H_NONE && m.disp == 0 && m.base != H_NONE &&
        op->asize == 3) {
        if (m.base != GEN_A) {
            gen_mov(&g->c, GEN_A, m.base);
        }
    } else {
        gen_lea(&g->c, op->asize == 3, GEN_A, m);
    }
    if (op->seg == X86_FS || op->seg == X86_GS) {
        GenMem seg =
            gen_state(offsetof(SoftCpu, segbase) + op->seg * sizeof(uint64_t));

        gen_insn(&g->c, &add, GEN_A, &seg, 0);
    }
}

/*
 * GEN_B gets the entry's offset in the set.  The address XOR the entry's tag
 * is the offset in the page if it is a hit, and more if it isn't.
 */
void gen_tlb(Gen *g, SoftAccess acc, unsigned n)
{
    GenCode *c = &g->c;
    unsigned mmu = g->b->key >> SOFT_KEY_MMU & 3;
    size_t set = offsetof(SoftCpu, tlb) + mmu * sizeof(g->s->tlb[0]);
    GenMem e = { .base = GEN_S, .index = GEN_B };

    _Static_assert(sizeof(SoftTlbEntry) == 32, "see the shift below");
    gen_rr(c, 0x8b, false, GEN_B, GEN_A);
    gen_shift_ri(c, 5, false, GEN_B, SOFT_PAGE_BITS - 5);
    gen_alu_ri(c, H_AND, false, GEN_B, (SOFT_TLB_SIZE - 1) << 5);
    e.disp = set - GEN_BIAS + offsetof(SoftTlbEntry, tag) + acc * 8;
    gen_rm(c, 0x33, true, GEN_A, e);
    gen_alu_ri(c, H_CMP, true, GEN_A, SOFT_PAGE - n);
    gen_slow_if(g, H_A);
    e.disp = set - GEN_BIAS + offsetof(SoftTlbEntry, host);
    gen_rm(c, 0x03, true, GEN_A, e);
    gen_flags_lost(g);
}
