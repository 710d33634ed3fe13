/*
 * Host code that executes one vector or x87 instruction of the guest.
 *
 * The instruction's own opcode is run, on fixed registers: ModRM.reg is
 * xmm4, mm4 or eax; VEX.vvvv is xmm1; ModRM.rm is xmm2, mm2, edx or the copy
 * of the memory operand; they are loaded from and stored to a SoftVecCtx, to
 * which rdi points.  Only features that the host has are offered, so the
 * opcode exists.  The code is written through one mapping and run from
 * another, so that no page is both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/stub.h"

#include <sys/mman.h>

#include "accel/soft/op.h"
#include "util/error.h"
#include "util/lock.h"

/*
 * Room for the code of every instruction with every immediate there can be
 * (test-soft-stub asks for all of them): a guest can't make an instruction
 * invalid by executing many others.  Only what is used takes memory.
 */
enum { STUBS_SIZE = 64 << 20, STUB_MAX = 256 };

typedef struct SoftStubs {
    Lock lock;
    uint8_t *rw, *rx;
    size_t pos;
    GHashTable *known; /* key -> code */
} SoftStubs;

struct SoftStubs *soft_stubs_new(GError **errp);
void soft_stubs_free(SoftStubs *st);
void *soft_stub_vector(SoftStubs *st, const SoftOp *op);
void *soft_stub_x87(SoftStubs *st, const SoftOp *op);

SoftStubs *soft_stubs_new(GError **errp)
{
    SoftStubs *st = g_new0(SoftStubs, 1);
    int fd = memfd_create("soft-stubs", MFD_CLOEXEC);

    lock_init(&st->lock);
    st->known =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    st->rw = st->rx = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, STUBS_SIZE) == 0) {
        st->rw =
            mmap(NULL, STUBS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        st->rx =
            mmap(NULL, STUBS_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    if (st->rw == MAP_FAILED || st->rx == MAP_FAILED) {
        error_setf_errno(errp, errno, "memory for host code, %d bytes",
                         STUBS_SIZE);
        soft_stubs_free(st);
        st = NULL;
    }
    if (fd >= 0) {
        close(fd);
    }
    return st;
}

void soft_stubs_free(SoftStubs *st)
{
    if (!st) {
        return;
    }
    if (st->rw != MAP_FAILED) {
        munmap(st->rw, STUBS_SIZE);
    }
    if (st->rx != MAP_FAILED) {
        munmap(st->rx, STUBS_SIZE);
    }
    g_hash_table_unref(st->known);
    lock_fini(&st->lock);
    g_free(st);
}

typedef struct Emit {
    uint8_t b[STUB_MAX];
    unsigned n;
} Emit;

static void e8(Emit *e, uint8_t b)
{
    e->b[e->n++] = b;
}

/* ModRM and displacement of [rdi + off] with a register number. */
static void e_rdi(Emit *e, unsigned reg, uint32_t off)
{
    e8(e, 0x87 | reg << 3);
    memcpy(e->b + e->n, &off, 4);
    e->n += 4;
}

static void e_op3(Emit *e, uint8_t a, uint8_t b, uint8_t c, unsigned reg,
                  uint32_t off)
{
    e8(e, a);
    e8(e, b);
    e8(e, c);
    e_rdi(e, reg, off);
}

/* movdqu or vmovdqu (256 bits) between xmmN and [rdi + off]. */
static void e_vec(Emit *e, bool vex, bool store, unsigned reg, uint32_t off)
{
    if (vex) {
        e_op3(e, 0xc5, 0xfe, store ? 0x7f : 0x6f, reg, off);
    } else {
        e_op3(e, 0xf3, 0x0f, store ? 0x7f : 0x6f, reg, off);
    }
}

static void e_mmx(Emit *e, bool store, unsigned reg, uint32_t off)
{
    e8(e, 0x0f);
    e8(e, store ? 0x7f : 0x6f);
    e_rdi(e, reg, off);
}

static void e_gpr(Emit *e, bool store, unsigned reg, uint32_t off)
{
    e8(e, 0x48);
    e8(e, store ? 0x89 : 0x8b);
    e_rdi(e, reg, off);
}

static bool is_mmx(unsigned o)
{
    return o >= O_Pq && o <= O_Nq;
}

static bool is_gpr(unsigned o)
{
    return o >= O_Eb && o <= O_My;
}

static bool uses_mmx(const SoftOp *op)
{
    for (unsigned i = 0; i < 4; i++) {
        if (is_mmx(op->desc->op[i])) {
            return true;
        }
    }
    return false;
}

bool soft_vec_uses_vvvv(const SoftOp *op)
{
    const InsnDesc *d = op->desc;

    if (!(op->flags & OPF_VEX)) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (d->op[i] == O_Hx || d->op[i] == O_Ho) {
            return !((d->flags & DF_RMW) && op->map == 2 &&
                     (op->flags & OPF_MEM));
        }
    }
    return false;
}

static bool is_group(const SoftOp *op)
{
    return op->map == 2 && op->opcode >= 0x71 && op->opcode <= 0x73;
}

static int imm_kind(const SoftOp *op)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned o = op->desc->op[i];

        if (o == O_Ib || o == O_Lx) {
            return o;
        }
    }
    return O_NONE;
}

/* Kind of the operand that ModRM.reg (or else .rm) names. */
static unsigned operand_kind(const SoftOp *op, bool rm)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned o = op->desc->op[i];
        bool reg = (o >= O_Gb && o <= O_Gd) || o == O_Pq || o == O_Vx ||
                   o == O_Vo || o == O_Vy;
        bool other =
            o == O_NONE || o == O_Hx || o == O_Ho || o == O_Lx || o == O_Ib;

        if (!other && reg != rm) {
            return o;
        }
    }
    return O_NONE;
}

static void e_moves(Emit *e, const SoftOp *op, bool store)
{
    bool vex = op->flags & OPF_VEX;
    bool mem = op->flags & OPF_MEM;
    unsigned reg = operand_kind(op, false);
    unsigned rm = operand_kind(op, true);
    bool str = op->desc->flags & DF_STR;

    if (is_mmx(reg)) {
        e_mmx(e, store, 4, offsetof(SoftVecCtx, r));
    } else {
        e_vec(e, vex, store, 4, offsetof(SoftVecCtx, r));
    }
    if (!mem && is_mmx(rm)) {
        e_mmx(e, store, 2, offsetof(SoftVecCtx, m));
    } else if (!mem && !is_gpr(rm)) {
        e_vec(e, vex, store, 2, offsetof(SoftVecCtx, m));
    }
    e_vec(e, vex, store, 1, offsetof(SoftVecCtx, v));
    e_vec(e, vex, store, 3, offsetof(SoftVecCtx, x3));
    e_vec(e, vex, store, 0, offsetof(SoftVecCtx, x0));
    if (is_gpr(reg) || str) {
        e_gpr(e, store, 0, offsetof(SoftVecCtx, gr));
    }
    if ((!mem && is_gpr(rm)) || str) {
        e_gpr(e, store, 2, offsetof(SoftVecCtx, gm));
    }
    if (str && store) {
        e_gpr(e, true, 1, offsetof(SoftVecCtx, rcx));
    }
}

static void e_legacy(Emit *e, const SoftOp *op)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };

    if (op->pp) {
        e8(e, prefix[op->pp]);
    }
    if (op->flags & OPF_W) {
        e8(e, 0x48);
    }
    e8(e, 0x0f);
    if (op->map > 2) {
        e8(e, op->map == 3 ? 0x38 : 0x3a);
    }
    e8(e, op->opcode);
}

static void e_vexed(Emit *e, const SoftOp *op)
{
    e8(e, 0xc4);
    e8(e, 0xe0 | (op->map - 1));
    e8(e, (op->flags & OPF_W ? 0x80 : 0) |
              (soft_vec_uses_vvvv(op) ? 14 << 3 : 15 << 3) |
              (op->flags & OPF_L ? 4 : 0) | op->pp);
    e8(e, op->opcode);
}

static void e_insn(Emit *e, const SoftOp *op)
{
    unsigned reg = is_group(op)                      ? (op->modrm >> 3) & 7
                   : is_gpr(operand_kind(op, false)) ? 0
                                                     : 4;
    int imm = imm_kind(op);

    if (op->flags & OPF_VEX) {
        e_vexed(e, op);
    } else {
        e_legacy(e, op);
    }
    if (op->flags & OPF_MEM) {
        e_rdi(e, reg, offsetof(SoftVecCtx, m));
    } else {
        e8(e, 0xc2 | reg << 3);
    }
    if (imm == O_Ib) {
        e8(e, op->imm);
    } else if (imm == O_Lx) {
        e8(e, 0x30 | (op->imm & 15));
    }
}

static void e_mxcsr(Emit *e, bool store, uint32_t off)
{
    e8(e, 0x0f);
    e8(e, 0xae);
    e_rdi(e, store ? 3 : 2, off);
}

static void e_end(Emit *e, const SoftOp *op)
{
    /* pushfq; pop rax; mov [rdi + flags], rax */
    e8(e, 0x9c);
    e8(e, 0x58);
    e_gpr(e, true, 0, offsetof(SoftVecCtx, flags));
    e_mxcsr(e, true, offsetof(SoftVecCtx, mxcsr));
    e_mxcsr(e, false, offsetof(SoftVecCtx, mxcsr_host));
    if (uses_mmx(op)) {
        e8(e, 0x0f);
        e8(e, 0x77);
    }
    if (op->flags & OPF_VEX) {
        e8(e, 0xc5);
        e8(e, 0xf8);
        e8(e, 0x77); /* vzeroupper */
    }
    e8(e, 0xc3);
}

/* The same key: the same code. */
static uint64_t vector_key(const SoftOp *op)
{
    int imm = imm_kind(op);
    uint64_t k = op->opcode | op->map << 8 | op->pp << 12;

    k |= (uint64_t)(op->flags & (OPF_VEX | OPF_W | OPF_L | OPF_MEM)) << 16;
    k |= (uint64_t)(is_group(op) ? op->modrm & 0x38 : 0) << 24;
    k |= (uint64_t)(imm == O_Ib   ? op->imm & 0xff
                    : imm == O_Lx ? op->imm & 15
                                  : 0)
         << 32;
    return k;
}

static void *stub_get(SoftStubs *st, uint64_t key, const Emit *e)
{
    void *code = NULL;
    int64_t *k;

    if (STUBS_SIZE - st->pos >= e->n) {
        memcpy(st->rw + st->pos, e->b, e->n);
        code = st->rx + st->pos;
        st->pos += ROUND_UP(e->n, 16);
        k = g_new(int64_t, 1);
        *k = key;
        g_hash_table_insert(st->known, k, code);
    }
    return code;
}

void *soft_stub_vector(SoftStubs *st, const SoftOp *op)
{
    uint64_t key = vector_key(op);
    Emit e = { .n = 0 };
    void *code;

    LOCK_GUARD(&st->lock);
    code = g_hash_table_lookup(st->known, &key);
    if (code) {
        return code;
    }
    e_mxcsr(&e, false, offsetof(SoftVecCtx, mxcsr));
    e_moves(&e, op, false);
    e_insn(&e, op);
    e_moves(&e, op, true);
    e_end(&e, op);
    return stub_get(st, key, &e);
}

void *soft_stub_x87(SoftStubs *st, const SoftOp *op)
{
    bool mem = op->flags & OPF_MEM;
    uint8_t modrm = mem ? op->modrm & 0x38 : op->modrm;
    uint64_t key =
        UINT64_C(1) << 63 | op->opcode << 8 | modrm | (uint64_t)mem << 32;
    Emit e = { .n = 0 };
    void *code;

    LOCK_GUARD(&st->lock);
    code = g_hash_table_lookup(st->known, &key);
    if (code) {
        return code;
    }
    /* fxrstor64, push flags, the instruction, flags, fxsave64, fninit */
    e8(&e, 0x48);
    e8(&e, 0x0f);
    e8(&e, 0xae);
    e_rdi(&e, 1, offsetof(SoftX87Ctx, fx));
    e8(&e, 0xff); /* push qword [rdi + flags]; popfq */
    e_rdi(&e, 6, offsetof(SoftX87Ctx, flags));
    e8(&e, 0x9d);
    e8(&e, op->opcode);
    if (mem) {
        e_rdi(&e, modrm >> 3, offsetof(SoftX87Ctx, m));
    } else {
        e8(&e, modrm);
    }
    e8(&e, 0x9c);
    e8(&e, 0x58);
    e_gpr(&e, true, 0, offsetof(SoftX87Ctx, flags));
    e8(&e, 0x48);
    e8(&e, 0x0f);
    e8(&e, 0xae);
    e_rdi(&e, 0, offsetof(SoftX87Ctx, fx));
    e8(&e, 0xdb);
    e8(&e, 0xe3);
    e8(&e, 0xc3);
    return stub_get(st, key, &e);
}
