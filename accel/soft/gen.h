/*
 * The code generator: what its files share.
 *
 * Host code is made from a SoftBlock of 64-bit code.  While it runs,
 *
 *   r15             SoftCpu + GEN_BIAS
 *   r13, r14        scratch
 *   rsp             the host's stack
 *   the others      twelve of the guest's general registers, see gen_host[];
 *                   the guest's other four stay in SoftCpu.gpr[]
 *   xmm0 to xmm15   the guest's, if SoftCpu.gen_vec; MXCSR then, too
 *
 * SoftCpu.rip is the address of the block's first byte until its end, as a
 * block may be at several linear addresses.
 *
 * Status flags are in SoftCpu.cc_host (cc_op is CC_HOST), in the host's own,
 * or in both.  They are in cc_host wherever an exception may be raised and
 * between blocks.
 *
 * Whatever code is not generated for, or does not go the usual way (a miss in
 * the TLB, an exception), is left to the instruction's handler: registers are
 * stored, the handler executes all of the instruction, registers are loaded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_GEN_H
#define ACCEL_SOFT_GEN_H

#include "accel/soft/cpu.h"
#include "accel/soft/gen-emit.h"

enum {
    GEN_BIAS = 128,
    GEN_SP = H_R12, /* the guest's RSP */
    GEN_A = H_R13,
    GEN_B = H_R14,
    GEN_S = H_R15,

    GEN_STATUS = 0x8d5, /* status flags of RFLAGS */
    GEN_CF = 1,

    GEN_BLOCK_ROOM = 32 << 10, /* more than any block needs */
    GEN_SITES = 4,
};

/* A jump from one block to the next that can be bound to its target. */
typedef struct SoftEdge {
    uint8_t *site;         /* distance of a JMP, where it can be written */
    uint8_t *stub;         /* where it goes unbound, in the same mapping */
    const uint8_t *target; /* the next block's first byte */
    struct SoftEdge *next; /* of those bound to the same block */
    uint32_t key;
} SoftEdge;

typedef void GenEnter(SoftCpu *s, const void *code);

typedef struct SoftGen {
    uint8_t *rw; /* `size` bytes, and the same to be executed */
    uint8_t *rx;
    size_t size;
    uint8_t *pos;       /* first free byte */
    uint8_t *start;     /* of blocks: after the common code */
    SoftEdge *edges;    /* from the end downwards */
    uint32_t epoch;     /* changes with each flush */
    uint64_t host_feat; /* 1 << InsnFeature */
    bool broken;        /* no memory: don't try again */
    bool avx;           /* vector registers have 256 bits */
    /* Common code, in rw. */
    uint8_t *enter, *leave, *leave_edge, *do_op, *do_end, *load_vec;
} SoftGen;

/* How the rest of an instruction is done out of line. */
typedef struct GenSlow {
    uint8_t *site[GEN_SITES];
    unsigned nsites;
    unsigned i, off; /* the instruction */
    uint8_t *back;   /* NULL: it ends the block */
    bool load_flags;
} GenSlow;

/* What an instruction does with the status flags. */
typedef struct GenFlags {
    uint16_t reads;
    uint16_t writes; /* to a value that doesn't depend on the old one */
    bool touches;    /* the host's are changed as the guest's are */
    bool observed;   /* it may raise an exception, or its handler is called */
} GenFlags;

/* A block while its code is written. */
typedef struct Gen {
    GenCode c;
    SoftCpu *s;
    SoftGen *g;
    SoftBlock *b;
    const SoftOp *op;
    unsigned i, off; /* of op, in ops and in bytes */
    bool fl_host, fl_mem;
    uint16_t live;  /* status flags that matter after op */
    uint8_t *entry; /* where others jump to */
    bool vec;       /* has vector instructions */
    GenSlow slow[SOFT_BLOCK_OPS];
    unsigned nslow;
    GenSlow *now; /* of op, once it has any */
    SoftEdge *edge[4];
    unsigned nedges;
} Gen;

/* Host register of a guest register, or H_NONE. */
extern const uint8_t gen_host[16];

static inline GenMem gen_mem(unsigned base, int32_t disp)
{
    return (GenMem){ .base = base, .index = H_NONE, .disp = disp };
}

/* Of SoftCpu. */
static inline GenMem gen_state(size_t off)
{
    return gen_mem(GEN_S, (int32_t)off - GEN_BIAS);
}

#define GEN_STATE(field) gen_state(offsetof(SoftCpu, field))

/* The slot of a guest register. */
static inline GenMem gen_slot(unsigned reg)
{
    return gen_state(offsetof(SoftCpu, gpr) + reg * 8);
}

/* gen-block.c */
bool gen_block(SoftCpu *s, SoftGen *g, SoftBlock *b);
/* cc_host gets them, if it hasn't. */
void gen_flags_save(Gen *g);
/* The host's flags get `need` of them. */
void gen_flags_need(Gen *g, unsigned need);
/* The host's are lost. */
static inline void gen_flags_lost(Gen *g)
{
    g->fl_host = false;
}
/* Goes out of line if the condition holds. */
void gen_slow_if(Gen *g, unsigned cc);
void gen_slow_always(Gen *g);

/* gen-mem.c: addresses are in GEN_A, flags are lost. */
/* Linear address of the memory operand. */
void gen_address(Gen *g);
/* LEA itself. */
void gen_lea_operand(Gen *g, unsigned dst);
/* From linear to host, of n bytes that may be read or written. */
void gen_tlb(Gen *g, SoftAccess acc, unsigned n);
/* Guest registers, whole, with scratch where they are in memory. */
unsigned gen_reg_get(Gen *g, unsigned reg, unsigned scratch);
unsigned gen_reg_for_write(unsigned reg, unsigned scratch);
void gen_reg_put(Gen *g, unsigned reg, unsigned host);

/* gen-int.c */
bool gen_int_can(const Gen *g, const SoftOp *op);
void gen_int_flags(const SoftOp *op, GenFlags *ret);
void gen_int(Gen *g);

/* gen-flow.c: jumps and the stack. */
bool gen_flow_can(const Gen *g, const SoftOp *op);
void gen_flow_flags(const SoftOp *op, GenFlags *ret);
void gen_flow(Gen *g);
/* To what follows the block. */
void gen_flow_fall(Gen *g);

/* gen-vec.c */
bool gen_vec_can(const Gen *g, const SoftOp *op);
void gen_vec_flags(const SoftOp *op, GenFlags *ret);
void gen_vec(Gen *g);

#endif
