/*
 * Writing x86-64 host instructions.
 *
 * Formats: Intel SDM volume 2, chapter 2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen-emit.h"

static void modrm_mem(GenCode *c, unsigned reg, const GenMem *m)
{
    bool sib =
        m->base == H_NONE || m->index != H_NONE || (m->base & 7) == H_RSP;
    unsigned mod = 2;

    if (m->base == H_NONE || (m->disp == 0 && (m->base & 7) != H_RBP)) {
        mod = 0;
    } else if (m->disp == (int8_t)m->disp) {
        mod = 1;
    }
    gen_8(c, mod << 6 | (reg & 7) << 3 | (sib ? 4 : m->base & 7));
    if (sib) {
        unsigned index = m->index == H_NONE ? 4 : m->index & 7;
        unsigned base = m->base == H_NONE ? 5 : m->base & 7;

        gen_8(c, m->scale << 6 | index << 3 | base);
    }
    if (mod == 1) {
        gen_8(c, m->disp);
    } else if (mod == 2 || m->base == H_NONE) {
        gen_32(c, m->disp);
    }
}

/* REX's R, X and B. */
static unsigned rex_bits(unsigned reg, const GenMem *m, unsigned rm)
{
    unsigned b = m ? m->base : rm;
    unsigned x = m ? m->index : H_NONE;

    return (reg & 8 ? 4 : 0) | (x != H_NONE && (x & 8) ? 2 : 0) |
           (b != H_NONE && (b & 8) ? 1 : 0);
}

static void emit_prefixes(GenCode *c, const GenInsn *in, unsigned rex)
{
    static const uint8_t escape[] = { 0, 0, 0, 0x38, 0x3a };

    if (in->lock) {
        gen_8(c, 0xf0);
    }
    if (in->o16) {
        gen_8(c, 0x66);
    }
    if (in->rep) {
        gen_8(c, in->rep);
    }
    if (rex || in->w || in->rex) {
        gen_8(c, 0x40 | (in->w ? 8 : 0) | rex);
    }
    if (in->map > 1) {
        gen_8(c, 0x0f);
    }
    if (in->map > 2) {
        gen_8(c, escape[in->map]);
    }
}

void gen_insn(GenCode *c, const GenInsn *in, unsigned reg, const GenMem *m,
              unsigned rm)
{
    unsigned rex = rex_bits(reg, m, rm);

    if (in->vex) {
        gen_8(c, 0xc4);
        gen_8(c, (~rex & 7) << 5 | (in->map - 1));
        gen_8(c, (in->w ? 0x80 : 0) | (~in->vvvv & 15) << 3 | (in->l ? 4 : 0) |
                     in->pp);
    } else {
        emit_prefixes(c, in, rex);
    }
    gen_8(c, in->opcode);
    if (m) {
        modrm_mem(c, reg, m);
    } else {
        gen_8(c, 0xc0 | (reg & 7) << 3 | (rm & 7));
    }
}

void gen_insn_plain(GenCode *c, const GenInsn *in, unsigned reg)
{
    emit_prefixes(c, in, reg & 8 ? 1 : 0);
    gen_8(c, in->opcode | (reg & 7));
}

void gen_rr(GenCode *c, unsigned opcode, bool w, unsigned reg, unsigned rm)
{
    GenInsn in = { .map = 1, .opcode = opcode, .w = w };

    gen_insn(c, &in, reg, NULL, rm);
}

void gen_rm(GenCode *c, unsigned opcode, bool w, unsigned reg, GenMem m)
{
    GenInsn in = { .map = 1, .opcode = opcode, .w = w };

    gen_insn(c, &in, reg, &m, 0);
}

void gen_mov(GenCode *c, unsigned dst, unsigned src)
{
    gen_rr(c, 0x8b, true, dst, src);
}

void gen_load(GenCode *c, unsigned dst, GenMem m)
{
    gen_rm(c, 0x8b, true, dst, m);
}

void gen_store(GenCode *c, GenMem m, unsigned src)
{
    gen_rm(c, 0x89, true, src, m);
}

void gen_lea(GenCode *c, bool w, unsigned dst, GenMem m)
{
    gen_rm(c, 0x8d, w, dst, m);
}

void gen_mov_imm(GenCode *c, unsigned dst, uint64_t v)
{
    if (v <= UINT32_MAX) {
        GenInsn in = { .map = 1, .opcode = 0xb8 };

        gen_insn_plain(c, &in, dst);
        gen_32(c, v);
    } else if (v == (uint64_t)(int64_t)(int32_t)v) {
        gen_rr(c, 0xc7, true, 0, dst);
        gen_32(c, v);
    } else {
        GenInsn in = { .map = 1, .opcode = 0xb8, .w = true };

        gen_insn_plain(c, &in, dst);
        gen_64(c, v);
    }
}

void gen_alu_ri(GenCode *c, unsigned kind, bool w, unsigned reg, int32_t v)
{
    bool small = v == (int8_t)v;

    gen_rr(c, small ? 0x83 : 0x81, w, kind, reg);
    gen_imm(c, v, small ? 1 : 4);
}

void gen_alu_mi(GenCode *c, unsigned kind, bool w, GenMem m, int32_t v)
{
    bool small = v == (int8_t)v;

    gen_rm(c, small ? 0x83 : 0x81, w, kind, m);
    gen_imm(c, v, small ? 1 : 4);
}

void gen_cmp8_mi(GenCode *c, GenMem m, uint8_t v)
{
    gen_rm(c, 0x80, false, H_CMP, m);
    gen_8(c, v);
}

void gen_mov8_mi(GenCode *c, GenMem m, uint8_t v)
{
    gen_rm(c, 0xc6, false, 0, m);
    gen_8(c, v);
}

void gen_shift_ri(GenCode *c, unsigned digit, bool w, unsigned reg, uint8_t n)
{
    gen_rr(c, 0xc1, w, digit, reg);
    gen_8(c, n);
}

static uint8_t *emit_distance(GenCode *c)
{
    gen_32(c, 0);
    return c->p - 4;
}

uint8_t *gen_jcc(GenCode *c, unsigned cc)
{
    gen_8(c, 0x0f);
    gen_8(c, 0x80 | cc);
    return emit_distance(c);
}

uint8_t *gen_jmp(GenCode *c)
{
    gen_8(c, 0xe9);
    return emit_distance(c);
}

uint8_t *gen_call(GenCode *c)
{
    gen_8(c, 0xe8);
    return emit_distance(c);
}

void gen_target(uint8_t *site, const uint8_t *to)
{
    int32_t d = to - (site + 4);

    memcpy(site, &d, 4);
}
