/*
 * Generating the code of one block: its entry, its instructions one after the
 * other, status flags, and what goes out of line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen.h"

/* How code for an instruction is made. */
typedef enum GenHow { GEN_CALL, GEN_INT, GEN_FLOW, GEN_VEC } GenHow;

typedef struct GenPlan {
    uint8_t how[SOFT_BLOCK_OPS];
    GenFlags flags[SOFT_BLOCK_OPS];
    uint16_t live[SOFT_BLOCK_OPS]; /* flags that matter afterwards */
} GenPlan;

static GenHow plan_op(Gen *g, const SoftOp *op, GenFlags *ret)
{
    *ret = (GenFlags){ 0 };
    if (!op->desc) {
        ret->observed = true;
        return GEN_CALL;
    }
    if (gen_int_can(g, op)) {
        gen_int_flags(op, ret);
        return GEN_INT;
    }
    if (gen_flow_can(g, op)) {
        gen_flow_flags(op, ret);
        return GEN_FLOW;
    }
    if (gen_vec_can(g, op)) {
        gen_vec_flags(op, ret);
        g->vec = true;
        return GEN_VEC;
    }
    ret->observed = true;
    return GEN_CALL;
}

static void gen_block_plan(Gen *g, GenPlan *p)
{
    uint16_t live = GEN_STATUS;

    for (unsigned i = 0; i < g->b->nops; i++) {
        p->how[i] = plan_op(g, &g->b->ops[i], &p->flags[i]);
    }
    for (unsigned i = g->b->nops; i-- > 0;) {
        const GenFlags *f = &p->flags[i];

        p->live[i] = live;
        live = f->observed ? GEN_STATUS : (live & ~f->writes) | f->reads;
    }
}

/* mov r14, rax; lahf; seto al; mov [cc_host], ax; mov rax, r14 */
void gen_flags_save(Gen *g)
{
    GenCode *c = &g->c;
    GenInsn word = { .map = 1, .opcode = 0x89, .o16 = true };
    GenMem m = GEN_STATE(cc_host);

    if (g->fl_mem) {
        return;
    }
    gen_mov(c, GEN_B, H_RAX);
    gen_8(c, 0x9f);
    gen_8(c, 0x0f);
    gen_8(c, 0x90);
    gen_8(c, 0xc0);
    gen_insn(c, &word, H_RAX, &m, 0);
    gen_mov(c, H_RAX, GEN_B);
    g->fl_mem = true;
}

/* mov r14, rax; movzx eax, word [cc_host]; add al, 127; sahf; mov rax, r14 */
static void flags_load(GenCode *c)
{
    GenInsn movzx = { .map = 2, .opcode = 0xb7 };
    GenMem m = GEN_STATE(cc_host);

    gen_mov(c, GEN_B, H_RAX);
    gen_insn(c, &movzx, H_RAX, &m, 0);
    gen_8(c, 0x04);
    gen_8(c, 0x7f);
    gen_8(c, 0x9e);
    gen_mov(c, H_RAX, GEN_B);
}

void gen_flags_need(Gen *g, unsigned need)
{
    GenInsn bt = { .map = 2, .opcode = 0xba };
    GenMem m = GEN_STATE(cc_host);

    if (!need || g->fl_host) {
        return;
    }
    if (need == GEN_CF) {
        gen_insn(&g->c, &bt, 4, &m, 0);
        gen_8(&g->c, 8);
        return;
    }
    flags_load(&g->c);
    g->fl_host = true;
}

static GenSlow *slow_now(Gen *g)
{
    if (!g->now) {
        g->now = &g->slow[g->nslow++];
        *g->now = (GenSlow){ .i = g->i, .off = g->off };
    }
    return g->now;
}

void gen_slow_if(Gen *g, unsigned cc)
{
    GenSlow *w = slow_now(g);

    g_assert(w->nsites < GEN_SITES);
    w->site[w->nsites++] = gen_jcc(&g->c, cc);
}

void gen_slow_always(Gen *g)
{
    GenSlow *w = slow_now(g);

    g_assert(w->nsites < GEN_SITES);
    w->site[w->nsites++] = gen_jmp(&g->c);
}

static void call_handler(GenCode *c, const Gen *g, unsigned i, unsigned off)
{
    gen_mov_imm(c, GEN_A, (uintptr_t)&g->b->ops[i]);
    gen_mov_imm(c, GEN_B, off);
}

/* After these, what the block's key tells may not be so any more. */
static bool changes_key(const SoftOp *op)
{
    return op->id == INSN_LDMXCSR || op->id == INSN_FXRSTOR ||
           op->id == INSN_XRSTOR;
}

static bool ends_block(const SoftOp *op)
{
    /* Unless it is interrupted, a string instruction is one like others. */
    bool string = op->desc && op->id >= INSN_MOVS && op->id <= INSN_SCAS;

    return ((op->flags & OPF_END) && !string) || changes_key(op);
}

/* The instruction's handler does all of it. */
static void emit_call(Gen *g)
{
    gen_flags_save(g);
    call_handler(&g->c, g, g->i, g->off);
    if (ends_block(g->op)) {
        gen_target(gen_jmp(&g->c), g->g->do_end);
    } else {
        gen_target(gen_call(&g->c), g->g->do_op);
    }
    gen_flags_lost(g);
}

static void emit_slow(Gen *g, const GenSlow *w)
{
    GenCode *c = &g->c;

    for (unsigned i = 0; i < w->nsites; i++) {
        gen_target(w->site[i], c->p);
    }
    call_handler(c, g, w->i, w->off);
    if (!w->back) {
        gen_target(gen_jmp(c), g->g->do_end);
        return;
    }
    gen_target(gen_call(c), g->g->do_op);
    if (w->load_flags) {
        flags_load(c);
    }
    gen_target(gen_jmp(c), w->back);
}

static void emit_op(Gen *g, const GenPlan *p)
{
    unsigned how = p->how[g->i];
    bool end = ends_block(g->op);

    g->now = NULL;
    g->live = p->live[g->i];
    if (p->flags[g->i].observed) {
        gen_flags_save(g);
    }
    switch (how) {
    case GEN_INT:
        gen_int(g);
        break;
    case GEN_FLOW:
        gen_flow(g);
        break;
    case GEN_VEC:
        gen_vec(g);
        break;
    default:
        emit_call(g);
        break;
    }
    if (g->now) {
        g->now->back = end ? NULL : g->c.p;
        g->now->load_flags = g->fl_host && g->live;
    }
}

/* Jumps from a block's entry to out of line, and where they come back. */
typedef struct Entry {
    uint8_t *pending, *over, *vec;
    uint8_t *after_over, *body;
} Entry;

/*
 * What a block does first: is somebody waiting, is the slice over?  RIP and
 * the flags are where they belong.
 */
static void emit_entry(Gen *g, Entry *e)
{
    GenCode *c = &g->c;

    gen_rm(c, 0x8b, false, GEN_A, GEN_STATE(pending));
    gen_rm(c, 0x85, false, GEN_A, GEN_STATE(pend_mask));
    e->pending = gen_jcc(c, H_NE);
    gen_alu_mi(c, H_SUB, true, GEN_STATE(left), g->b->nops);
    e->over = gen_jcc(c, H_S);
    e->after_over = c->p;
    if (g->vec) {
        gen_cmp8_mi(c, GEN_STATE(gen_vec), 0);
        e->vec = gen_jcc(c, H_E);
    }
    e->body = c->p;
}

static void emit_entry_slow(Gen *g, const Entry *e)
{
    GenCode *c = &g->c;
    uint8_t *leave;

    /* The last block of a slice may be longer than what is left of it. */
    gen_target(e->over, c->p);
    gen_alu_mi(c, H_ADD, true, GEN_STATE(left), g->b->nops);
    leave = gen_jcc(c, H_LE);
    gen_alu_mi(c, H_SUB, true, GEN_STATE(left), g->b->nops);
    gen_target(gen_jmp(c), e->after_over);
    gen_target(leave, c->p);
    gen_target(e->pending, c->p);
    gen_target(gen_jmp(c), g->g->leave);
    if (g->vec) {
        gen_target(e->vec, c->p);
        gen_target(gen_call(c), g->g->load_vec);
        gen_target(gen_jmp(c), e->body);
    }
}

/* Where bound jumps go as long as they are not. */
static void emit_edge(Gen *g, SoftEdge *e)
{
    GenCode *c = &g->c;

    e->stub = c->p;
    gen_target(e->site, c->p);
    gen_mov_imm(c, GEN_B, (uintptr_t)e);
    gen_target(gen_jmp(c), g->g->leave_edge);
}

static void emit_body(Gen *g, const GenPlan *p)
{
    bool ended = false;

    for (unsigned i = 0; i < g->b->nops && !ended; i++) {
        g->i = i;
        g->op = &g->b->ops[i];
        emit_op(g, p);
        g->off += g->op->len;
        ended = ends_block(g->op);
    }
    if (!ended) {
        gen_flow_fall(g);
    }
}

bool gen_block(SoftCpu *s, SoftGen *sg, SoftBlock *b)
{
    Gen g = { .s = s, .g = sg, .b = b, .fl_mem = true };
    Entry entry = { 0 };
    GenPlan p = { 0 };

    g.c.p = (uint8_t *)ROUND_UP((uintptr_t)sg->pos, 16);
    gen_block_plan(&g, &p);
    g.entry = g.c.p;
    emit_entry(&g, &entry);
    emit_body(&g, &p);
    for (unsigned i = 0; i < g.nslow; i++) {
        emit_slow(&g, &g.slow[i]);
    }
    emit_entry_slow(&g, &entry);
    for (unsigned i = 0; i < g.nedges; i++) {
        emit_edge(&g, g.edge[i]);
    }
    sg->pos = g.c.p;
    b->code = g.entry - sg->rw + sg->rx;
    b->gen_epoch = sg->epoch;
    b->gen_in = NULL;
    return true;
}
