/*
 * Generated code: the room for it, the code that all blocks share, entering
 * and leaving it, and binding jumps.
 *
 * Each CPU has its own, used by its own thread.  It is written through one
 * mapping and run from another, so that no page is both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen.h"

#include <sys/mman.h>

#include "accel/soft/mem.h"
#include "util/log.h"

const uint8_t gen_host[16] = {
    H_RAX, H_RCX, H_RDX,  H_RBX,  GEN_SP, H_RBP, H_RSI,  H_RDI,
    H_R8,  H_R9,  H_NONE, H_NONE, H_R10,  H_R11, H_NONE, H_NONE,
};

static void flags_to_host(SoftCpu *s)
{
    uint32_t f = soft_cc_compute(s);

    s->cc_host = (f & 0xd5) << 8 | (f & X86_FLAG_OF ? 1 : 0);
    s->cc_op = CC_HOST;
}

/* Called by generated code: executes an instruction; true: leave. */
static bool do_op(SoftCpu *s, const SoftOp *op, unsigned off)
{
    uint64_t base = s->rip;
    uint64_t next = base + off + op->len;

    s->rip = base + off;
    s->gpr[SOFT_NEXT_RIP] = next;
    op->fn(s, op);
    if (s->cc_op != CC_HOST) {
        flags_to_host(s);
    }
    /* A string instruction may have more to do. */
    if (unlikely(s->gen_stop || s->gpr[SOFT_NEXT_RIP] != next)) {
        s->rip = s->gpr[SOFT_NEXT_RIP];
        return true;
    }
    s->rip = base;
    return false;
}

/* The same of a block's last. */
static void do_end(SoftCpu *s, const SoftOp *op, unsigned off)
{
    s->rip += off;
    s->gpr[SOFT_NEXT_RIP] = s->rip + op->len;
    op->fn(s, op);
    s->rip = s->gpr[SOFT_NEXT_RIP];
}

static void emit_regs(GenCode *c, bool store)
{
    for (unsigned i = 0; i < 16; i++) {
        if (gen_host[i] == H_NONE) {
            continue;
        }
        if (store) {
            gen_store(c, gen_slot(i), gen_host[i]);
        } else {
            gen_load(c, gen_host[i], gen_slot(i));
        }
    }
}

/* MXCSR to or from memory at reg + off. */
static void emit_mxcsr(GenCode *c, bool store, GenMem m)
{
    GenInsn in = { .map = 2, .opcode = 0xae };

    gen_insn(c, &in, store ? 3 : 2, &m, 0);
}

/* All vector registers to or from X86Cpu, to which GEN_A points. */
static void emit_vectors(const SoftGen *g, GenCode *c, bool store)
{
    GenInsn in = { .map = 2, .opcode = store ? 0x7f : 0x6f };

    if (g->avx) {
        in.vex = in.l = true;
        in.pp = 2;
    } else {
        in.rep = 0xf3;
    }
    for (unsigned i = 0; i < 16; i++) {
        GenMem m = gen_mem(GEN_A, offsetof(X86Cpu, vec) + i * sizeof(X86Vec));

        gen_insn(c, &in, i, &m, 0);
    }
}

/* If the vector registers are the guest's: away with them. Changes GEN_A. */
static void emit_vectors_store(const SoftGen *g, GenCode *c)
{
    uint8_t *skip;

    gen_cmp8_mi(c, GEN_STATE(gen_vec), 0);
    skip = gen_jcc(c, H_E);
    gen_load(c, GEN_A, GEN_STATE(x));
    emit_vectors(g, c, true);
    if (g->avx) {
        gen_8(c, 0xc5);
        gen_8(c, 0xf8);
        gen_8(c, 0x77); /* vzeroupper */
    }
    emit_mxcsr(c, true, gen_mem(GEN_A, offsetof(X86Cpu, mxcsr)));
    emit_mxcsr(c, false, GEN_STATE(mxcsr_host));
    gen_mov8_mi(c, GEN_STATE(gen_vec), 0);
    gen_target(skip, c->p);
}

static void emit_ret(GenCode *c)
{
    gen_8(c, 0xc3);
}

static void emit_call_c(GenCode *c, void *fn)
{
    gen_mov_imm(c, H_RAX, (uintptr_t)fn);
    gen_8(c, 0xff);
    gen_8(c, 0xd0);
}

static void emit_push(GenCode *c, bool pop, unsigned reg)
{
    GenInsn in = { .map = 1, .opcode = pop ? 0x58 : 0x50 };

    gen_insn_plain(c, &in, reg);
}

static const uint8_t saved[] = { H_RBP, H_RBX, H_R12, H_R13, H_R14, H_R15 };

/* void enter(SoftCpu *s, const void *code) */
static void emit_enter(SoftGen *g, GenCode *c)
{
    g->enter = c->p;
    for (unsigned i = 0; i < G_N_ELEMENTS(saved); i++) {
        emit_push(c, false, saved[i]);
    }
    gen_alu_ri(c, H_SUB, true, H_RSP, 8);
    gen_lea(c, true, GEN_S, gen_mem(H_RDI, GEN_BIAS));
    gen_mov(c, GEN_A, H_RSI);
    emit_regs(c, false);
    gen_8(c, 0x41);
    gen_8(c, 0xff);
    gen_8(c, 0xe5); /* jmp r13 */
}

/* GEN_B: the edge, for leave_edge. */
static void emit_leave(SoftGen *g, GenCode *c)
{
    g->leave_edge = c->p;
    gen_store(c, GEN_STATE(gen_edge), GEN_B);
    g->leave = c->p;
    emit_regs(c, true);
    emit_vectors_store(g, c);
    gen_alu_ri(c, H_ADD, true, H_RSP, 8);
    for (unsigned i = G_N_ELEMENTS(saved); i-- > 0;) {
        emit_push(c, true, saved[i]);
    }
    emit_ret(c);
}

/* GEN_A: the instruction, GEN_B: its offset in the block. */
static void emit_do(SoftGen *g, GenCode *c, bool end)
{
    uint8_t *skip;
    uint8_t *stay;

    *(end ? &g->do_end : &g->do_op) = c->p;
    emit_regs(c, true);
    gen_mov(c, H_RSI, GEN_A);
    gen_mov(c, H_RDX, GEN_B);
    gen_lea(c, true, H_RDI, gen_mem(GEN_S, -GEN_BIAS));
    if (end) {
        emit_vectors_store(g, c);
        emit_call_c(c, do_end);
        emit_regs(c, false);
        gen_target(gen_jmp(c), g->leave);
        return;
    }
    /* Were they there?  It aligns the stack, too. */
    gen_rm(c, 0xff, false, 6, GEN_STATE(gen_vec)); /* push */
    emit_vectors_store(g, c);
    emit_call_c(c, do_op);
    emit_push(c, true, GEN_B);
    gen_rr(c, 0x84, false, H_RAX, H_RAX); /* test al, al */
    stay = gen_jcc(c, H_E);
    emit_regs(c, false);
    emit_push(c, true, GEN_B); /* the return address */
    gen_target(gen_jmp(c), g->leave);
    gen_target(stay, c->p);
    emit_regs(c, false);
    gen_shift_ri(c, 4, false, GEN_B, 24); /* the byte alone */
    skip = gen_jcc(c, H_E);
    gen_target(gen_call(c), g->load_vec);
    gen_target(skip, c->p);
    emit_ret(c);
}

static void emit_load_vec(SoftGen *g, GenCode *c)
{
    g->load_vec = c->p;
    gen_load(c, GEN_A, GEN_STATE(x));
    emit_vectors(g, c, false);
    emit_mxcsr(c, false, gen_mem(GEN_A, offsetof(X86Cpu, mxcsr)));
    gen_mov8_mi(c, GEN_STATE(gen_vec), 1);
    emit_ret(c);
}

static void emit_common(SoftGen *g)
{
    GenCode c = { .p = g->rw };

    emit_enter(g, &c);
    emit_leave(g, &c);
    emit_load_vec(g, &c);
    emit_do(g, &c, false);
    emit_do(g, &c, true);
    g->start = g->pos = c.p;
}

static bool map_room(SoftGen *g, size_t size)
{
    int fd = memfd_create("soft-gen", MFD_CLOEXEC);

    g->rw = g->rx = MAP_FAILED;
    g->size = size;
    if (fd >= 0 && ftruncate(fd, size) == 0) {
        g->rw = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        g->rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return g->rw != MAP_FAILED && g->rx != MAP_FAILED;
}

static SoftGen *gen_get(SoftCpu *s)
{
    SoftGen *g = s->gen;

    if (g) {
        return g->broken ? NULL : g;
    }
    g = s->gen = g_new0(SoftGen, 1);
    g->host_feat = soft_features_host();
    g->avx = s->features >> FT_AVX & 1;
    g->epoch = 1;
    if (!map_room(g, s->vm->gen_bytes)) {
        g->broken = true;
        return NULL;
    }
    s->mxcsr_host = __builtin_ia32_stmxcsr();
    emit_common(g);
    g->edges = (SoftEdge *)(g->rw + g->size);
    /* Those that are there have no code to go to. */
    soft_jumps_clear(s);
    return g;
}

void soft_gen_free(SoftCpu *s)
{
    SoftGen *g = s->gen;

    if (!g) {
        return;
    }
    if (g->rw != MAP_FAILED) {
        munmap(g->rw, g->size);
    }
    if (g->rx != MAP_FAILED) {
        munmap(g->rx, g->size);
    }
    g_free(g);
    s->gen = NULL;
}

void soft_gen_flush(SoftCpu *s)
{
    SoftGen *g = s->gen;

    s->gen_edge = NULL;
    if (g && !g->broken) {
        g->epoch++;
        g->pos = g->start;
        g->edges = (SoftEdge *)(g->rw + g->size);
        soft_jumps_clear(s);
    }
}

static bool has_code(const SoftGen *g, const SoftBlock *b)
{
    return b->code && b->gen_epoch == g->epoch;
}

void soft_gen_drop(SoftCpu *s, SoftBlock *b)
{
    SoftGen *g = s->gen;

    if (!g || !has_code(g, b)) {
        return;
    }
    for (SoftEdge *e = b->gen_in; e; e = e->next) {
        gen_target(e->site, e->stub);
    }
    b->code = NULL;
    s->gen_edge = NULL;
}

void *soft_gen_entry(SoftCpu *s, const SoftBlock *b)
{
    SoftGen *g = s->gen;

    if (!g || g->broken) {
        return NULL;
    }
    return has_code(g, b) ? b->code : g->leave - g->rw + g->rx;
}

/* Generates code once it has been interpreted often enough. */
static bool make_code(SoftCpu *s, SoftBlock *b)
{
    SoftGen *g;

    /* Decoding made it 0; what can't be generated has the maximum. */
    if (b->runs == UINT32_MAX || ++b->runs < s->vm->gen_after ||
        s->vm->gen_after == 0) {
        return false;
    }
    g = gen_get(s);
    if (!g) {
        return false;
    }
    if ((uint8_t *)g->edges - g->pos < GEN_BLOCK_ROOM) {
        soft_gen_flush(s);
    }
    if (!gen_block(s, g, b)) {
        b->runs = UINT32_MAX;
        return false;
    }
    return true;
}

/* The jump that left generated code goes straight to b from now on. */
static void bind_edge(SoftGen *g, SoftEdge *e, SoftBlock *b)
{
    if (e->target != b->host || e->key != b->key) {
        return;
    }
    gen_target(e->site, (uint8_t *)b->code - g->rx + g->rw);
    e->next = b->gen_in;
    b->gen_in = e;
}

static unsigned pend_mask(const SoftCpu *s)
{
    unsigned mask = ~0U;

    if (!(s->flags & X86_FLAG_IF) || !s->irq) {
        mask &= ~SOFT_PEND_IRQ;
    }
    if (s->nmi_blocked) {
        mask &= ~SOFT_PEND_NMI;
    }
    return mask;
}

void soft_gen_sync(SoftCpu *s)
{
    s->ninsns += s->left_noted - s->left;
    s->left_noted = s->left;
}

/* The jump that led out of generated code; it is not one any more. */
static SoftEdge *take_edge(SoftCpu *s)
{
    SoftEdge *e = (SoftEdge *)s->gen_edge;

    s->gen_edge = NULL;
    return e;
}

bool soft_gen_run(SoftCpu *s, SoftBlock *b)
{
    SoftEdge *e;
    SoftGen *g;

    if (!b->host || !(s->key & 3) || s->mode != 3 ||
        (!(s->gen && has_code(s->gen, b)) && !make_code(s, b))) {
        s->gen_edge = NULL;
        return false;
    }
    g = s->gen;
    /* Only now: making code may have thrown all away, and the edge with it. */
    e = take_edge(s);
    if (e) {
        bind_edge(g, e, b);
    }
    s->jumps[soft_jump_index(s->rip)].code = b->code;
    if (s->cc_op != CC_HOST) {
        flags_to_host(s);
    }
    s->pend_mask = pend_mask(s);
    s->left = s->left_noted = s->end - s->ninsns;
    s->gen_stop = false;
    ((GenEnter *)(uintptr_t)(g->rx + (g->enter - g->rw)))(s, b->code);
    soft_gen_sync(s);
    return true;
}
