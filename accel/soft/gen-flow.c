/*
 * Near jumps and the stack, in generated code.
 *
 * A jump within the page can be bound to its target: the page's code goes as
 * a whole, so that neither is there without the other.  All other targets are
 * looked up in SoftCpu.jumps[], which is cleared whenever pages change.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen.h"

static bool gen_flow_fits(int64_t delta)
{
    return delta == (int32_t)delta;
}

bool gen_flow_can(const Gen *g, const SoftOp *op)
{
    switch (op->id) {
    case INSN_JCC:
    case INSN_JMP:
    case INSN_CALL:
        /* From the block's first byte it must be a distance, too. */
        return gen_flow_fits((int64_t)op->imm + SOFT_PAGE);
    case INSN_JMPIND:
    case INSN_CALLIND:
    case INSN_RET:
        return true;
    case INSN_PUSH:
    case INSN_POP:
        return op->size == 3 && !(op->flags & OPF_MEM);
    case INSN_LEAVE:
        return op->size == 3;
    default:
        return false;
    }
}

void gen_flow_flags(const SoftOp *op, GenFlags *ret)
{
    /* Whatever ends the block wants them saved. */
    ret->observed = true;
}

/* Bytes from the block's first to the next instruction's first. */
static int32_t next_off(const Gen *g)
{
    return g->off + g->op->len;
}

static bool same_page(const Gen *g, int64_t delta)
{
    int64_t at = ((uintptr_t)g->b->host & (SOFT_PAGE - 1)) + delta;

    return at >= 0 && at < SOFT_PAGE;
}

/* To another place of the page. */
static void jump_near(Gen *g, int32_t delta)
{
    GenCode *c = &g->c;
    SoftEdge *e;

    if (delta == 0) {
        gen_target(gen_jmp(c), g->entry);
        return;
    }
    gen_alu_mi(c, H_ADD, true, GEN_STATE(rip), delta);
    e = --g->g->edges;
    *e = (SoftEdge){ .site = gen_jmp(c),
                     .target = g->b->host + delta,
                     .key = g->b->key };
    g->edge[g->nedges++] = e;
}

/* GEN_B gets the offset of the entry for the address in GEN_A. */
static void jump_hash(Gen *g)
{
    GenCode *c = &g->c;

    _Static_assert(sizeof(SoftJump) == 32, "see the shift below");
    gen_mov(c, GEN_B, GEN_A);
    gen_shift_ri(c, 5, true, GEN_B, 10);
    gen_rr(c, 0x33, false, GEN_B, GEN_A);
    gen_alu_ri(c, H_AND, false, GEN_B, SOFT_JUMPS - 1);
    gen_shift_ri(c, 4, false, GEN_B, 5);
}

static GenMem jump_entry(size_t field)
{
    return (GenMem){ .base = GEN_S,
                     .index = GEN_B,
                     .disp = offsetof(SoftCpu, jumps) - GEN_BIAS + field };
}

/* GEN_A: the address.  Not there: the instruction's handler does it. */
static void jump_lookup(Gen *g)
{
    GenCode *c = &g->c;

    jump_hash(g);
    gen_rm(c, 0x3b, true, GEN_A, jump_entry(offsetof(SoftJump, lin)));
    gen_slow_if(g, H_NE);
    gen_alu_mi(c, H_CMP, false, jump_entry(offsetof(SoftJump, key)), g->b->key);
    gen_slow_if(g, H_NE);
    gen_flags_lost(g);
}

static void jump_through(Gen *g, GenMem code)
{
    gen_rm(&g->c, 0xff, false, 4, code);
}

/* GEN_A: the address. */
static void jump_far(Gen *g)
{
    jump_lookup(g);
    gen_store(&g->c, GEN_STATE(rip), GEN_A);
    jump_through(g, jump_entry(offsetof(SoftJump, code)));
}

/* GEN_A gets the address that is `delta` from the block's first byte. */
static void target_far(Gen *g, int32_t delta)
{
    gen_load(&g->c, GEN_A, GEN_STATE(rip));
    gen_lea(&g->c, true, GEN_A, gen_mem(GEN_A, delta));
}

static void jump_to(Gen *g, int64_t delta)
{
    if (same_page(g, delta)) {
        jump_near(g, delta);
    } else {
        target_far(g, delta);
        jump_far(g);
    }
}

/* Without an instruction that could be executed instead. */
void gen_flow_fall(Gen *g)
{
    GenCode *c = &g->c;

    gen_flags_save(g);
    if (same_page(g, g->off)) {
        jump_near(g, g->off);
        return;
    }
    gen_alu_mi(c, H_ADD, true, GEN_STATE(rip), g->off);
    gen_target(gen_jmp(c), g->g->leave);
}

static void jcc(Gen *g)
{
    GenCode *c = &g->c;
    unsigned cc = g->op->opcode & 15;
    int64_t taken = next_off(g) + (int64_t)g->op->imm;
    uint8_t *site;

    gen_flags_need(g, cc >> 1 == 1 ? GEN_CF : GEN_STATUS);
    site = gen_jcc(c, cc);
    if (taken == 0) {
        gen_target(site, g->entry);
        jump_to(g, next_off(g));
        return;
    }
    jump_to(g, next_off(g));
    gen_target(site, c->p);
    jump_to(g, taken);
}

/* GEN_A: address of n bytes of stack that are to be written. */
static void push_room(Gen *g)
{
    gen_lea(&g->c, true, GEN_A, gen_mem(GEN_SP, -8));
    gen_tlb(g, SOFT_WRITE, 8);
}

static void move_sp(Gen *g, int32_t by)
{
    gen_lea(&g->c, true, GEN_SP, gen_mem(GEN_SP, by));
}

static void push_return(Gen *g)
{
    GenCode *c = &g->c;

    push_room(g);
    gen_load(c, GEN_B, GEN_STATE(rip));
    gen_lea(c, true, GEN_B, gen_mem(GEN_B, next_off(g)));
    gen_store(c, gen_mem(GEN_A, 0), GEN_B);
    move_sp(g, -8);
}

/* GEN_A: the target.  Everything is looked up before anything changes. */
static void call_far(Gen *g)
{
    GenCode *c = &g->c;

    jump_lookup(g);
    gen_store(c, GEN_STATE(gen_target), GEN_A);
    gen_load(c, GEN_B, jump_entry(offsetof(SoftJump, code)));
    gen_store(c, GEN_STATE(gen_code), GEN_B);
    push_return(g);
    gen_load(c, GEN_B, GEN_STATE(gen_target));
    gen_store(c, GEN_STATE(rip), GEN_B);
    jump_through(g, GEN_STATE(gen_code));
}

static void call(Gen *g)
{
    int64_t delta = next_off(g) + (int64_t)g->op->imm;

    if (same_page(g, delta)) {
        push_return(g);
        jump_near(g, delta);
    } else {
        target_far(g, delta);
        call_far(g);
    }
}

/* GEN_A gets what ModRM.rm names. */
static void indirect_target(Gen *g)
{
    if (g->op->flags & OPF_MEM) {
        gen_address(g);
        gen_tlb(g, SOFT_READ, 8);
        gen_load(&g->c, GEN_A, gen_mem(GEN_A, 0));
    } else {
        unsigned h = gen_reg_get(g, g->op->rm / 8, GEN_A);

        if (h != GEN_A) {
            gen_mov(&g->c, GEN_A, h);
        }
    }
}

static void ret(Gen *g)
{
    GenCode *c = &g->c;

    gen_mov(c, GEN_A, GEN_SP);
    gen_tlb(g, SOFT_READ, 8);
    gen_load(c, GEN_A, gen_mem(GEN_A, 0));
    jump_lookup(g);
    gen_store(c, GEN_STATE(rip), GEN_A);
    move_sp(g, 8 + (int32_t)g->op->imm);
    jump_through(g, jump_entry(offsetof(SoftJump, code)));
}

static void push(Gen *g)
{
    GenCode *c = &g->c;
    unsigned h;

    push_room(g);
    if (g->op->desc->op[0] == O_Zv || g->op->desc->op[0] == O_Ev) {
        h = gen_reg_get(g, g->op->rm / 8, GEN_B);
        gen_store(c, gen_mem(GEN_A, 0), h);
    } else {
        gen_rm(c, 0xc7, true, 0, gen_mem(GEN_A, 0));
        gen_32(c, g->op->imm);
    }
    move_sp(g, -8);
}

static void pop(Gen *g)
{
    GenCode *c = &g->c;
    unsigned reg = g->op->rm / 8;
    unsigned h = gen_reg_for_write(reg, GEN_A);

    gen_mov(c, GEN_A, GEN_SP);
    gen_tlb(g, SOFT_READ, 8);
    gen_load(c, h, gen_mem(GEN_A, 0));
    gen_reg_put(g, reg, h);
    if (reg != X86_RSP) {
        move_sp(g, 8);
    }
}

static void leave(Gen *g)
{
    GenCode *c = &g->c;

    gen_mov(c, GEN_A, H_RBP);
    gen_tlb(g, SOFT_READ, 8);
    gen_lea(c, true, GEN_SP, gen_mem(H_RBP, 8));
    gen_load(c, H_RBP, gen_mem(GEN_A, 0));
}

void gen_flow(Gen *g)
{
    switch (g->op->id) {
    case INSN_JCC:
        jcc(g);
        break;
    case INSN_JMP:
        jump_to(g, next_off(g) + (int64_t)g->op->imm);
        break;
    case INSN_JMPIND:
        indirect_target(g);
        jump_far(g);
        break;
    case INSN_CALL:
        call(g);
        break;
    case INSN_CALLIND:
        indirect_target(g);
        call_far(g);
        break;
    case INSN_RET:
        ret(g);
        break;
    case INSN_PUSH:
        push(g);
        break;
    case INSN_POP:
        pop(g);
        break;
    default:
        leave(g);
        break;
    }
}
