/*
 * The software CPU: what it keeps beside the architectural state.
 *
 *   SoftVm     one per machine: which pages hold code
 *   SoftCpu    one per vCPU: registers at hand, software TLB, decoded code
 *   X86Cpu     everything else, as the stream and the monitor know it
 *
 * General registers, RIP and the flags live in SoftCpu while it runs;
 * soft_cpu_store() and soft_cpu_load() carry them to and from X86Cpu.
 *
 * Locking: each SoftCpu is its own thread's; soft_cpu_pend() may be called by
 * any.  CPUs share guest memory, codemap.c and stub.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_CPU_H
#define ACCEL_SOFT_CPU_H

#include <setjmp.h>

#include "accel/debug.h"
#include "accel/soft/op.h"
#include "system/memory.h"
#include "target/i386/cpu.h"

typedef struct SoftCpu SoftCpu;
typedef struct SoftVm SoftVm;
typedef struct SoftBlock SoftBlock;
typedef struct SoftPage SoftPage;
typedef struct SoftCodeMap SoftCodeMap;
typedef struct SoftCodePage SoftCodePage;

enum {
    SOFT_PAGE_BITS = 12,
    SOFT_PAGE = 1 << SOFT_PAGE_BITS,
    SOFT_TLB_SIZE = 1024,
    SOFT_JUMPS = 4096,
    SOFT_BLOCK_OPS = 32,       /* instructions of a block */
    SOFT_GEN_AFTER = 8,        /* SoftVm.gen_after */
    SOFT_GEN_BYTES = 32 << 20, /* SoftVm.gen_bytes */
    SOFT_DROP_MAX = 32,        /* pages to drop one by one; more: all */
};
#define SOFT_PAGE_MASK (~UINT64_C(0xfff))

/* Which page permissions apply: indexes of SoftCpu.tlb[]. */
enum {
    SOFT_MMU_USER,
    SOFT_MMU_SMAP,   /* supervisor that may not touch user pages */
    SOFT_MMU_KERNEL, /* supervisor */
    SOFT_MMU_ALIGN,  /* user, with alignment checked: no data is in it */
    SOFT_MMU_MODES,
};

typedef enum SoftAccess { SOFT_READ, SOFT_WRITE, SOFT_FETCH } SoftAccess;

/*
 * A tag is the linear address of a page.  Where nothing is to match it is that
 * of a page which belongs to another entry, so that a linear address XOR the
 * tag of its entry is below SOFT_PAGE for a hit and at no other time.
 */
typedef struct SoftTlbEntry {
    uint64_t tag[3]; /* by SoftAccess */
    uintptr_t host;  /* address of the page */
} SoftTlbEntry;

/* index: of the entry in its set. */
static inline uint64_t soft_tlb_none(unsigned index)
{
    return (uint64_t)(index ^ 1) << SOFT_PAGE_BITS;
}

static inline void soft_tlb_clear(SoftTlbEntry *e, unsigned index)
{
    e->tag[0] = e->tag[1] = e->tag[2] = soft_tlb_none(index);
}

/* How the status flags follow from cc_a, cc_b and cc_res. */
typedef enum SoftCc {
    CC_FLAGS, /* they are in `flags` */
    CC_ADD,   /* res = a + b (+ carry) */
    CC_SUB,   /* res = a - b */
    CC_SBB,   /* res = a - b - borrow */
    CC_LOGIC, /* CF = OF = 0 */
    CC_INC,   /* as CC_ADD, CF is cc_cf */
    CC_DEC,
    CC_HOST, /* generated code has put them into cc_host */
} SoftCc;

/* Bits of SoftCpu.key beyond those of the mode; see soft_update_key(). */
enum {
    SOFT_KEY_MMU = 5,         /* shift: SOFT_MMU_* */
    SOFT_KEY_SSE = 1 << 7,    /* SSE doesn't trap */
    SOFT_KEY_AVX = 1 << 8,    /* AVX doesn't */
    SOFT_KEY_MASKED = 1 << 9, /* MXCSR masks all exceptions */
};

typedef struct SoftJump {
    uint64_t lin;
    SoftBlock *block;
    void *code; /* generated, or what returns to the loop */
    uint32_t key;
} SoftJump;

/* Interrupts from outside; called without vm_lock. */
typedef struct SoftIrqOps {
    /* Takes the vector to be delivered, or -1 (spurious: none any more). */
    int (*take)(SoftCpu *s, void *opaque);
    void (*set_tpr)(SoftCpu *s, void *opaque, uint8_t tpr);
    uint8_t (*get_tpr)(SoftCpu *s, void *opaque);
    /* False: not one of the APIC's.  *ret_ok false: #GP. */
    bool (*rdmsr)(SoftCpu *s, void *opaque, uint32_t msr, uint64_t *ret,
                  bool *ret_ok);
    bool (*wrmsr)(SoftCpu *s, void *opaque, uint32_t msr, uint64_t v,
                  bool *ret_ok);
    /* The TSC was set; NULL: nobody cares. */
    void (*tsc_written)(SoftCpu *s, void *opaque);
    /* FERR#; false: nobody listens. */
    bool (*ferr)(SoftCpu *s, void *opaque);
    /* After each access to a device and each of the above; may be NULL. */
    void (*after_device)(SoftCpu *s, void *opaque);
} SoftIrqOps;

enum {
    SOFT_PEND_IRQ = 1 << 0, /* SoftIrqOps.take() has something */
    SOFT_PEND_NMI = 1 << 1,
    SOFT_PEND_EXIT = 1 << 2,      /* soft_cpu_run() is to return */
    SOFT_PEND_FLUSH = 1 << 3,     /* the memory map changed */
    SOFT_PEND_PROTECT = 1 << 4,   /* a page got code: see codemap.c */
    SOFT_PEND_CODE = 1 << 5,      /* `drop` has something */
    SOFT_PEND_DROP = 1 << 6,      /* all decoded code is to go */
    SOFT_PEND_EXCLUSIVE = 1 << 7, /* another CPU wants to be alone */
    SOFT_PEND_SMI = 1 << 8,
};

typedef enum SoftExit {
    SOFT_EXIT_AGAIN,    /* asked to, or its slice is over */
    SOFT_EXIT_HALT,     /* HLT */
    SOFT_EXIT_SHUTDOWN, /* triple fault */
    SOFT_EXIT_DEBUG,    /* SoftCpu.debug_stop says at what */
} SoftExit;

/*
 * What waits for the end of the next instruction: interrupts, and behind a load
 * of SS all debug exceptions, too (Intel SDM volume 3, 6.8.3).
 */
enum { SOFT_INHIBIT_IRQ = 1 << 0, SOFT_INHIBIT_DEBUG = 1 << 1 };

struct SoftCpu {
    uint64_t gpr[SOFT_NGPR];
    uint64_t rip;
    uint64_t cc_a, cc_b, cc_res;
    uint8_t cc_op;   /* SoftCc */
    uint8_t cc_bits; /* 8, 16, 32, 64 */
    bool cc_cf;
    uint16_t cc_host; /* OF in bit 0, the others from bit 8 as LAHF has them */
    /* Generated code: instructions left to execute, what stops it. */
    uint64_t left;
    unsigned pending;   /* atomic; SOFT_PEND_* */
    unsigned pend_mask; /* those that generated code looks at */
    uint64_t flags;     /* RFLAGS; status flags only if cc_op is CC_FLAGS */

    /* Follows from segments, control registers and CPL. */
    uint64_t segbase[X86_NSEGS];
    uint64_t seg_lo[X86_NSEGS], seg_hi[X86_NSEGS]; /* valid offsets */
    uint8_t seg_rd, seg_wr; /* bit per segment: may be read, written */
    uint8_t seg_flat;       /* bit per segment: needs no check at all */
    uint8_t mode;           /* log2 of the code size */
    uint8_t cpl;
    uint8_t mmu;      /* SOFT_MMU_* of ordinary accesses */
    uint8_t mmu_sys;  /* of implicit ones: descriptors, TSS */
    uint8_t fpu_trap; /* bit 0: x87 and MMX, 1: SSE, 2: AVX; see soft_fpu() */
    uint64_t sp_mask;
    uint64_t lin_mask;
    uint64_t features; /* 1 << InsnFeature */
    uint64_t msr_said; /* bit per row of msr-model.c: the log has it */
    uint32_t key;      /* of blocks in this mode */

    X86Cpu *x; /* borrowed */
    SoftVm *vm;
    uint8_t inhibit; /* SOFT_INHIBIT_*: until the next instruction's end */
    bool halted;
    bool nmi_blocked;
    bool smm;                 /* in system management mode */
    bool smi_held, init_held; /* until RSM */
    bool ignne;               /* atomic; IGNNE# */
    int32_t a20_mask;         /* of physical addresses */
    bool running;   /* atomic; in soft_cpu_run(), but not in a device */
    bool in_device; /* its thread is inside an instruction's access */
    bool large_pages;
    uint64_t large_lo, large_hi; /* linear addresses of large pages */
    jmp_buf env;

    /* The exception on its way. */
    int exc; /* vector */
    uint32_t exc_error;
    bool exc_has_error;
    int delivering; /* vector whose delivery faulted, -1: none */
    bool ext;       /* what is delivered came from outside */

    /* soft_cpu_set_debug() */
    const DebugState *debug; /* borrowed; NULL: nothing to stop at */
    bool debug_watch;        /* it has watchpoints */
    DebugStop debug_stop;
    /* From DR7 and CR4: these are on; see breakpoint.c */
    bool dr_code, dr_data, dr_io;
    uint8_t dr_hits; /* data and I/O, of this instruction, as in DR6 */

    const SoftIrqOps *irq;
    void *irq_opaque;
    int64_t (*clock_ns)(SoftCpu *s); /* for the TSC; NULL: host's time */
    uint64_t ninsns;                 /* executed */
    uint64_t nlogged_ints;           /* numbers the lines of -d int */
    uint64_t end;                    /* of the slice, by ninsns */
    uint64_t left_noted;             /* `left` that ninsns knows of */
    struct SoftGen *gen;
    const void *gen_edge; /* NULL, or the jump that left generated code */
    bool gen_stop;        /* code that may be running was dropped */
    bool gen_vec;         /* vector registers are the host's */
    uint32_t mxcsr_host;
    uint64_t gen_target, gen_code; /* of an indirect call */
    SoftBlock *block;              /* runs now */
    SoftBlock *once;               /* room for one that is not kept */
    struct SoftCache *cache;
    uint64_t protect_seq; /* atomic; see codemap.c */
    uint64_t flush_seq;   /* atomic; see soft_vm_flush() */
    uint64_t tsc_offset;  /* ticks; see soft_tsc() */
    uint64_t tsc_mult;    /* ticks per ns of clock_ns(), times 2^32 */
    Lock drop_lock;       /* innermost */
    /* Pages whose code is to go; drop_lock.  More than the maximum: all. */
    const uint8_t *drop[SOFT_DROP_MAX];
    unsigned ndrop;
    bool jumps_used;               /* some are there */
    bool tlb_used[SOFT_MMU_MODES]; /* of tlb[] */
    /* Physical addresses of RAM, for page tables; none: lo == hi. */
    uint64_t ram_lo, ram_hi;
    const uint8_t *ram_host; /* of ram_lo */
    SoftJump jumps[SOFT_JUMPS];
    SoftTlbEntry tlb[SOFT_MMU_MODES][SOFT_TLB_SIZE];
};

enum {
    EXC_DE,
    EXC_DB,
    EXC_NMI,
    EXC_BP,
    EXC_OF,
    EXC_BR,
    EXC_UD,
    EXC_NM,
    EXC_DF,
    EXC_TS = 10,
    EXC_NP,
    EXC_SS,
    EXC_GP,
    EXC_PF,
    EXC_MF = 16,
    EXC_AC,
    EXC_MC,
    EXC_XM,
};

/* longjmp() values. */
enum { SOFT_JMP_EXCEPTION = 1, SOFT_JMP_STOP = 2 };

/* Public: soft.c.  tb_bytes: of each CPU's decoded code. */
SoftVm *soft_vm_new(Memory *mem, uint64_t tb_bytes, GError **errp);
void soft_vm_free(SoftVm *vm);
/* 1 << InsnFeature: all that this host can execute. */
uint64_t soft_features_possible(void);
/* Calls fn with the X86_FEATURE() of each that this host can execute. */
void soft_features_each(void (*fn)(X86CpuSupport *p, unsigned feature),
                        X86CpuSupport *p);
/* Those that the host has as instructions. */
uint64_t soft_features_host(void);
/* x is borrowed and must outlive it.  NULL: no memory for its code. */
SoftCpu *soft_cpu_new(SoftVm *vm, X86Cpu *x, GError **errp);
void soft_cpu_free(SoftCpu *s);
/* Registers from and to s->x; not while it runs. */
void soft_cpu_load(SoftCpu *s);
void soft_cpu_store(SoftCpu *s);
/* At most about `max_insns` instructions. */
SoftExit soft_cpu_run(SoftCpu *s, uint64_t max_insns);
void soft_cpu_pend(SoftCpu *s, unsigned what);
/* Its own thread: was any of them pending?  No more. */
bool soft_cpu_take(SoftCpu *s, unsigned what);
/* Its own thread: does what is pending for its TLB and its code. */
void soft_take_memory(SoftCpu *s);
/*
 * All CPUs forget what they know of the memory map, and of decoded code if
 * `drop`; returns when no CPU uses any of it any more.  Any thread that isn't
 * in soft_cpu_run(), or is in a device.
 */
void soft_vm_flush(SoftVm *vm, bool drop);
/* The same for the right to store without telling the dirty bitmaps. */
void soft_vm_protect(SoftVm *vm);

/* bus.c: around what takes vm_lock. */
void soft_device_begin(SoftCpu *s);
void soft_device_end(SoftCpu *s);
uint64_t soft_bus_load(SoftCpu *s, AddressSpace *as, uint64_t addr, unsigned n);
void soft_bus_store(SoftCpu *s, AddressSpace *as, uint64_t addr, uint64_t v,
                    unsigned n);

/* state.c */
void soft_update_segment(SoftCpu *s, unsigned seg);
/* After CR0, CR4, EFER, CS, RFLAGS.AC or .VM changed. */
void soft_update_mode(SoftCpu *s);

/* Those of CR0 that can be set or cleared. */
#define SOFT_CR0_BITS                                               \
    ((uint64_t)(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | \
                X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | \
                X86_CR0_CD | X86_CR0_PG))
/* Bits that may be set in CR4 and EFER (without LMA's rules). */
uint64_t soft_cr4_allowed(const SoftCpu *s);
uint64_t soft_efer_allowed(const SoftCpu *s);
/* PAE paging without EFER.LMA: reads them.  False: reserved bits are set. */
bool soft_pdptes_load(SoftCpu *s, uint64_t cr3, uint64_t cr0, uint64_t cr4);

/* After what it is made of changed: MXCSR, XCR0 and the above. */
void soft_update_key(SoftCpu *s);

/* flags.c */
uint32_t soft_cc_compute(const SoftCpu *s);
bool soft_cond(const SoftCpu *s, unsigned cc);
/* All of RFLAGS. */
static inline uint64_t soft_flags(const SoftCpu *s)
{
    const uint32_t status = 0x8d5;

    return s->cc_op == CC_FLAGS
               ? s->flags
               : (s->flags & ~(uint64_t)status) | soft_cc_compute(s);
}
static inline void soft_set_flags(SoftCpu *s, uint64_t flags)
{
    s->flags = flags | 2;
    s->cc_op = CC_FLAGS;
}
/* Replaces the status flags in `mask`. */
static inline void soft_set_status(SoftCpu *s, uint32_t mask, uint32_t v)
{
    soft_set_flags(s, (soft_flags(s) & ~(uint64_t)mask) | (v & mask));
}

/* except.c */
void soft_raise(SoftCpu *s, unsigned vec) __attribute__((noreturn));
void soft_raise_error(SoftCpu *s, unsigned vec, uint32_t error)
    __attribute__((noreturn));
void soft_raise_gp0(SoftCpu *s) __attribute__((noreturn));
/* Delivers s->exc; faults by longjmp(). */
void soft_deliver_exception(SoftCpu *s);
/* What an event comes from: SDM volume 3, 6.4.4; INT n, INT1 in volume 2A. */
typedef enum SoftSource {
    SOFT_FROM_OUTSIDE, /* interrupts, NMIs, exceptions: returns to rip */
    SOFT_FROM_INT,     /* INT n, INT3, INTO: behind it; the gate's DPL counts */
    SOFT_FROM_INT1,    /* behind it; neither DPL nor IOPL count */
} SoftSource;
void soft_deliver(SoftCpu *s, unsigned vec, SoftSource from, bool has_error,
                  uint32_t error);
/* False: triple fault. */
bool soft_exception_combine(SoftCpu *s);

/* exec-system.c: what a new PKRU forbids is forgotten. */
void soft_set_pkru(SoftCpu *s, uint32_t v);

/* An address that paging can translate. */
static inline bool soft_canonical(const SoftCpu *s, uint64_t lin)
{
    unsigned bits = s->x->cr[4] & X86_CR4_LA57 ? 57 : 48;

    return sextract64(lin, 0, bits) == (int64_t)lin;
}
/* One that registers take: as wide as any mode of the CPU (SDM 3.3.7.1). */
static inline bool soft_canonical_any(const SoftCpu *s, uint64_t lin)
{
    bool la57 = x86_cpu_model_has(s->x->model, X86_F_LA57);

    return sextract64(lin, 0, la57 ? 57 : 48) == (int64_t)lin;
}

/* mmu.c */
void soft_tlb_flush(SoftCpu *s);
void soft_tlb_flush_page(SoftCpu *s, uint64_t lin);
uint64_t soft_load_slow(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu);
void soft_store_slow(SoftCpu *s, uint64_t lin, uint64_t v, unsigned n,
                     unsigned mmu);
/* Host memory of the page, writable; NULL: not RAM (faults are raised). */
void *soft_host_page(SoftCpu *s, uint64_t lin, SoftAccess acc, unsigned mmu);
/* Raises what a write to [lin, lin + n) would raise. */
void soft_probe_write(SoftCpu *s, uint64_t lin, unsigned n, unsigned mmu);
void soft_load_bytes(SoftCpu *s, uint64_t lin, void *buf, unsigned n);
void soft_store_bytes(SoftCpu *s, uint64_t lin, const void *buf, unsigned n);
uint64_t soft_phys_load(SoftCpu *s, uint64_t pa, unsigned n);
/* Where an access to the address goes: it depends on SMM. */
AddressSpace *soft_space(SoftCpu *s, uint64_t pa, SoftAccess acc);
/* Where a store goes that has no write tag. */
typedef struct SoftTarget {
    uint8_t *host;
    RamBlock *ram;
    uint64_t phys;
} SoftTarget;
/* Within a page.  False: no RAM to be written, only phys is set. */
bool soft_store_target(SoftCpu *s, uint64_t lin, unsigned mmu, SoftTarget *ret);
/* After each store to such RAM. */
void soft_stored(SoftCpu *s, const SoftTarget *t, unsigned n);

/*
 * atomic.c: atomic compare and exchange of 1..8 bytes, of two times 4 or 8;
 * false: *old has what is there.
 */
bool soft_cas(SoftCpu *s, uint64_t lin, unsigned n, uint64_t *old, uint64_t v);
bool soft_cas_pair(SoftCpu *s, uint64_t lin, unsigned n, uint64_t old[2],
                   const uint64_t v[2]);
/* No other CPU runs in between. */
void soft_exclusive_begin(SoftCpu *s);
/* Nothing happens if it isn't on. */
void soft_exclusive_end(SoftCpu *s);
/* For SOFT_PEND_EXCLUSIVE. */
void soft_exclusive_wait(SoftCpu *s);

/* walk.c */
typedef struct SoftMapping {
    uint64_t phys; /* of the page */
    bool writable; /* and dirty already: stores need no walk */
    bool large;
    uint64_t large_base, large_size; /* linear */
} SoftMapping;
/* Width of physical addresses, 32 to 52. */
unsigned soft_phys_bits(const SoftCpu *s);
/* Raises #PF if `acc` isn't allowed. */
void soft_walk(SoftCpu *s, uint64_t lin, SoftAccess acc, unsigned mmu,
               SoftMapping *ret);

/* cache.c; the CPU's own thread. */
struct SoftCache *soft_cache_new(uint64_t bytes);
void soft_cache_free(struct SoftCache *c);
SoftBlock *soft_block_find(SoftCpu *s, unsigned max_ops);
/* Drops what SOFT_PEND_CODE tells of. */
void soft_code_take(SoftCpu *s);
void soft_cache_drop_all(SoftCpu *s);

static inline void soft_jumps_clear(SoftCpu *s)
{
    if (s->jumps_used) {
        memset(s->jumps, 0, sizeof(s->jumps));
        s->jumps_used = false;
    }
}

static inline unsigned soft_jump_index(uint64_t lin)
{
    return (lin ^ lin >> 10) & (SOFT_JUMPS - 1);
}

/* gen.c: host code for blocks; the CPU's own thread. */
/* Runs the block and whatever follows; false: there is no code for it. */
bool soft_gen_run(SoftCpu *s, SoftBlock *b);
/* Brings ninsns up to date, after generated code was left by longjmp(), too. */
void soft_gen_sync(SoftCpu *s);
/* What SoftJump.code is to be; NULL: there is no generated code at all. */
void *soft_gen_entry(SoftCpu *s, const SoftBlock *b);
/* The block goes. */
void soft_gen_drop(SoftCpu *s, SoftBlock *b);
/* All code goes. */
void soft_gen_flush(SoftCpu *s);
void soft_gen_free(SoftCpu *s);

/* codemap.c; any thread unless it says "own" */
SoftCodeMap *soft_code_map_new(RamList *ram, GError **errp);
void soft_code_map_free(SoftCodeMap *m);
void soft_code_map_add_cpu(SoftCodeMap *m, SoftCpu *s);
void soft_code_map_del_cpu(SoftCodeMap *m, SoftCpu *s);
void soft_code_map_pend_others(SoftCodeMap *m, const SoftCpu *s, unsigned what);
bool soft_code_map_others_run(SoftCodeMap *m, const SoftCpu *s);
/* Such a page gets no write tag; RCU read section. */
bool soft_page_has_code(const RamBlock *rb, const uint8_t *host);
/* Own: drops all write tags, and says so (SOFT_PEND_PROTECT). */
void soft_code_protect(SoftCpu *s);
/* Marks a page of RAM and holds it until the drop; NULL: it isn't RAM. */
SoftCodePage *soft_code_page_hold(SoftCpu *s, const uint8_t *page);
void soft_code_page_drop(SoftCpu *s, SoftCodePage *p);
/* Can no CPU store there unseen any more? */
bool soft_code_page_settled(SoftCpu *s, SoftCodePage *p);
/*
 * From now on stores to these bytes are reported to s; false: they are not
 * what `copy` has any more.
 */
bool soft_code_page_use(SoftCpu *s, SoftCodePage *p, const uint8_t *host,
                        const uint8_t *copy, unsigned n);

struct SoftBlock {
    const uint8_t *host; /* of its first byte; the cache's key */
    uint32_t key;
    uint16_t nops, nbytes;
    uint32_t runs;      /* times it was interpreted */
    uint32_t gen_epoch; /* of code and gen_in */
    void *code;         /* generated; see gen.h */
    struct SoftEdge *gen_in;
    SoftPage *page;
    SoftBlock *hash_next, *page_next;
    SoftOp ops[];
};

struct SoftVm {
    Memory *mem;
    Lock excl_lock;
    Cond excl_cond;
    SoftCpu *excl;      /* excl_lock; all others wait between two blocks */
    uint64_t tb_bytes;  /* of each CPU's cache */
    uint64_t flush_seq; /* atomic; grows with each flush */
    SoftCodeMap *code;
    struct SoftStubs *stubs;
    /* Host code is generated for what was executed so often; 0: never. */
    uint32_t gen_after;
    bool pause_ends_turn; /* PAUSE makes soft_cpu_run() return */
    size_t gen_bytes;     /* room for it, of each CPU; full: it is emptied */
    unsigned nsmm;        /* atomic; CPUs in SMM */
};

/* stub.c: host code for one instruction, see there; NULL: no room. */
struct SoftStubs *soft_stubs_new(GError **errp);
void soft_stubs_free(struct SoftStubs *st);
void *soft_stub_vector(struct SoftStubs *st, const SoftOp *op);
void *soft_stub_x87(struct SoftStubs *st, const SoftOp *op);

/* select.c: how an instruction is executed; NULL: it is not there. */
SoftFn *soft_select(const SoftOp *op, unsigned mode);
void soft_op_ud(SoftCpu *s, const SoftOp *op);

#endif
