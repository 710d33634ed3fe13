/*
 * System management mode: entry by SMI, RSM, and the state that lies in SMRAM
 * meanwhile.
 *
 * AMD64 APM volume 2, chapter 10: state-save area (table 10-1), what registers
 * are on entry (10.3.6), RSM (10.4); Intel SDM volume 3, chapter 32: which
 * events wait (32.3, 32.7, 32.8), HALT (32.10), SMBASE (32.11).
 *
 * Locking: nothing here but what accesses to memory take.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/smm.h"

#include "accel/soft/exec.h"
#include "accel/soft/msr.h"
#include "accel/soft/seg.h"
#include "util/bswap.h"
#include "util/log.h"

/* Offsets from SMBASE, and in the save area those of the table less MAP. */
enum {
    SMM_ENTRY = 0x8000,
    SMM_MAP = 0xfe00,
    SMM_MAP_SIZE = 0x200,
    MAP_SEGS = 0x000, /* ES, CS, SS, DS, FS, GS, 16 bytes each */
    MAP_GDT = 0x060,
    MAP_LDT = 0x070,
    MAP_IDT = 0x080,
    MAP_TR = 0x090,
    MAP_HALT = 0x0c9, /* bit 0: the SMI came in HLT; RSM goes back to it */
    MAP_REVISION = 0x0fc,
    MAP_SMBASE = 0x100,
    MAP_DR6 = 0x168,
    SMM_REVISION = 0x64, /* AMD64's form */
    SMM_RELOCATES = 1 << 17,
};

/* In a segment's entry. */
enum { SEG_SELECTOR = 0, SEG_ATTRIBUTES = 2, SEG_LIMIT = 4, SEG_BASE = 8 };

typedef struct MapField {
    uint16_t at;
    uint16_t off; /* of 64 bits in X86Cpu */
} MapField;

#define REG(at_, r_)                                            \
    {                                                           \
        (at_), offsetof(X86Cpu, regs) + (r_) * sizeof(uint64_t) \
    }
#define WORD(at_, f_)               \
    {                               \
        (at_), offsetof(X86Cpu, f_) \
    }

static const MapField map_fields[] = {
    WORD(0x0d0, efer),   WORD(0x148, cr[4]),  WORD(0x150, cr[3]),
    WORD(0x158, cr[0]),  WORD(0x160, dr[7]),  WORD(MAP_DR6, dr[6]),
    WORD(0x170, rflags), WORD(0x178, rip),    REG(0x180, 15),
    REG(0x188, 14),      REG(0x190, 13),      REG(0x198, 12),
    REG(0x1a0, 11),      REG(0x1a8, 10),      REG(0x1b0, 9),
    REG(0x1b8, 8),       REG(0x1c0, X86_RDI), REG(0x1c8, X86_RSI),
    REG(0x1d0, X86_RBP), REG(0x1d8, X86_RSP), REG(0x1e0, X86_RBX),
    REG(0x1e8, X86_RDX), REG(0x1f0, X86_RCX), REG(0x1f8, X86_RAX),
};

static uint32_t map_address(const X86Cpu *x)
{
    return x->smbase + SMM_MAP;
}

static void put_segment(uint8_t *p, const X86Segment *r)
{
    stw_le_p(p + SEG_SELECTOR, r->selector);
    stw_le_p(p + SEG_ATTRIBUTES, r->flags >> 8 & 0xf0ff);
    stl_le_p(p + SEG_LIMIT, r->limit);
    stq_le_p(p + SEG_BASE, r->base);
}

static void get_segment(const uint8_t *p, X86Segment *r)
{
    r->selector = lduw_le_p(p + SEG_SELECTOR);
    r->flags = (lduw_le_p(p + SEG_ATTRIBUTES) & 0xf0ff) << 8;
    r->limit = ldl_le_p(p + SEG_LIMIT);
    r->base = ldq_le_p(p + SEG_BASE);
}

/* GDTR and IDTR: the limit has 16 bits, and there is nothing else. */
static void put_table(uint8_t *p, const X86Segment *r)
{
    stw_le_p(p + SEG_LIMIT, r->limit);
    stq_le_p(p + SEG_BASE, r->base);
}

static void get_table(const uint8_t *p, X86Segment *r)
{
    *r = (X86Segment){ .limit = lduw_le_p(p + SEG_LIMIT),
                       .base = ldq_le_p(p + SEG_BASE) };
}

static void map_fill(const X86Cpu *x, uint8_t *map)
{
    for (size_t i = 0; i < G_N_ELEMENTS(map_fields); i++) {
        const MapField *f = &map_fields[i];
        uint64_t v;

        memcpy(&v, (const uint8_t *)x + f->off, sizeof(v));
        stq_le_p(map + f->at, v);
    }
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        put_segment(map + MAP_SEGS + i * 16, &x->segs[i]);
    }
    put_table(map + MAP_GDT, &x->gdt);
    put_segment(map + MAP_LDT, &x->ldt);
    put_table(map + MAP_IDT, &x->idt);
    put_segment(map + MAP_TR, &x->tr);
    map[MAP_HALT] = x->halted ? 1 : 0;
    stl_le_p(map + MAP_REVISION, SMM_RELOCATES | SMM_REVISION);
    stl_le_p(map + MAP_SMBASE, x->smbase);
}

/* What the area doesn't define keeps what it has. */
static void map_save(SoftCpu *s)
{
    AddressSpace *as = &s->vm->mem->smm;
    uint32_t at = map_address(s->x);
    uint8_t map[SMM_MAP_SIZE];

    soft_device_begin(s);
    address_space_read(as, at, map, sizeof(map));
    map_fill(s->x, map);
    address_space_write(as, at, map, sizeof(map));
    soft_device_end(s);
}

static void enter_segments(X86Cpu *x)
{
    const uint32_t data =
        X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_G;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        x->segs[i] = (X86Segment){ .limit = 0xffffffff, .flags = data };
    }
    x->segs[X86_CS].selector = (x->smbase >> 4) & 0xffff;
    x->segs[X86_CS].base = x->smbase;
    x->segs[X86_CS].flags |= X86_SEG_CODE;
}

static void log_smm(const SoftCpu *s, const char *what)
{
    if (log_enabled(LOG_ITEM_INT)) {
        log_item(LOG_ITEM_INT, "%s: CPU %u, SMBASE %08x, RIP %016" PRIx64, what,
                 s->x->index, s->x->smbase, s->x->rip);
    }
}

void soft_smm_enter(SoftCpu *s)
{
    X86Cpu *x = s->x;

    s->gpr[SOFT_NEXT_RIP] = s->rip;
    soft_cpu_store(s);
    log_smm(s, "SMI");
    map_save(s);
    x->hflags2 &= ~X86_HF2_SMM_INSIDE_NMI;
    x->hflags2 |= s->nmi_blocked ? X86_HF2_SMM_INSIDE_NMI : 0;
    x->hflags2 |= X86_HF2_NMI;
    x->hflags |= X86_HF_SMM;
    x->rip = SMM_ENTRY;
    x->rflags = 2;
    x->cr[0] &= ~(uint64_t)(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG);
    x->cr[4] = 0;
    x->efer = 0;
    x->dr[7] = 0x400;
    x->halted = 0;
    enter_segments(x);
    x86_cpu_update_hflags(x);
    soft_cpu_load(s);
}

bool soft_smm_accept(SoftCpu *s)
{
    if (!soft_cpu_take(s, SOFT_PEND_SMI)) {
        return false;
    }
    if (s->smm) {
        s->smi_held = true; /* one; RSM lets it go on */
        return false;
    }
    soft_smm_enter(s);
    return true;
}

/* Modes that no instruction could have set: SDM 32.5, "shutdown". */
static bool state_possible(SoftCpu *s, const X86Cpu *x)
{
    uint64_t cr0 = x->cr[0];

    if (((cr0 & X86_CR0_PG) && !(cr0 & X86_CR0_PE)) ||
        ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD)) ||
        (x->cr[4] & ~soft_cr4_allowed(s)) ||
        (x->efer & ~soft_efer_allowed(s))) {
        return false;
    }
    return !(x->efer & X86_EFER_LMA) || (x->cr[4] & X86_CR4_PAE);
}

/* Brings what was read to what registers can hold; false: impossible. */
static bool state_adjust(SoftCpu *s, X86Cpu *x)
{
    const uint64_t lma = X86_EFER_LMA;
    const uint64_t lme = X86_EFER_LME;

    x->cr[0] = (x->cr[0] & SOFT_CR0_BITS) | X86_CR0_ET;
    x->efer &= ~lma;
    if ((x->efer & lme) && (x->cr[0] & X86_CR0_PG)) {
        x->efer |= lma;
    }
    x->rflags = (x->rflags & 0x3f7fd7) | 2;
    if (x->efer & lma) {
        x->rflags &= ~(uint64_t)X86_FLAG_VM;
    } else {
        x->rip = (uint32_t)x->rip;
    }
    x->cr[3] &= ~UINT64_C(0xfff0000000000000);
    x->dr[6] = (x->dr[6] & 0xe00f) | 0xffff0ff0;
    x->dr[7] = (x->dr[7] & 0xffff2fff) | 0x400;
    return state_possible(s, x);
}

static void map_get(const uint8_t *map, X86Cpu *x)
{
    for (size_t i = 0; i < G_N_ELEMENTS(map_fields); i++) {
        const MapField *f = &map_fields[i];
        uint64_t v = ldq_le_p(map + f->at);

        memcpy((uint8_t *)x + f->off, &v, sizeof(v));
    }
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        get_segment(map + MAP_SEGS + i * 16, &x->segs[i]);
    }
    get_table(map + MAP_GDT, &x->gdt);
    get_segment(map + MAP_LDT, &x->ldt);
    get_table(map + MAP_IDT, &x->idt);
    get_segment(map + MAP_TR, &x->tr);
    x->halted = map[MAP_HALT] & 1;
    if (ldl_le_p(map + MAP_REVISION) & SMM_RELOCATES) {
        x->smbase = ldl_le_p(map + MAP_SMBASE);
    }
}

static void G_GNUC_NORETURN shut_down(SoftCpu *s)
{
    log_guest_error("CPU %u: RSM to a state that can't be", s->x->index);
    s->delivering = EXC_DF;
    soft_raise(s, EXC_GP);
}

/* An SMI that waited is pending again, and comes before anything else. */
static void smm_leave(SoftCpu *s)
{
    X86Cpu *x = s->x;
    uint8_t map[SMM_MAP_SIZE];
    bool init = s->init_held;

    soft_device_begin(s);
    address_space_read(&s->vm->mem->smm, map_address(x), map, sizeof(map));
    soft_device_end(s);
    soft_cpu_store(s);
    map_get(map, x);
    if (!state_adjust(s, x)) {
        shut_down(s);
    }
    x->hflags &= ~(X86_HF_SMM | X86_HF_INHIBIT_IRQ);
    x->hflags2 &= ~X86_HF2_NMI;
    x->hflags2 |= x->hflags2 & X86_HF2_SMM_INSIDE_NMI ? X86_HF2_NMI : 0;
    x->hflags2 &= ~X86_HF2_SMM_INSIDE_NMI;
    x86_cpu_update_hflags(x);
    soft_cpu_load(s);
    if (!soft_pdptes_load(s, x->cr[3], x->cr[0], x->cr[4])) {
        shut_down(s);
    }
    log_smm(s, "RSM");
    if (init) {
        x86_cpu_init_ipi(x);
        soft_cpu_load(s);
    }
}

static void rsm(SoftCpu *s, const SoftOp *op)
{
    if (!s->smm) {
        soft_raise(s, EXC_UD);
    }
    smm_leave(s);
}

SoftFn *soft_select_smm(const SoftOp *op)
{
    return op->id == INSN_RSM ? rsm : NULL;
}

void soft_smm_load(SoftCpu *s)
{
    bool smm = s->x->hflags & X86_HF_SMM;

    if (smm != s->smm) {
        s->smm = smm;
        /* Partner: soft_vm_smm_used(). */
        __atomic_fetch_add(&s->vm->nsmm, smm ? 1 : -1, __ATOMIC_SEQ_CST);
    }
    s->a20_mask = smm ? -1 : s->x->a20_mask;
    s->smi_held = smm && (s->x->interrupt_request & X86_IRQ_SMI);
    s->init_held = smm && (s->x->interrupt_request & X86_IRQ_INIT);
    if (!smm && (s->x->interrupt_request & X86_IRQ_SMI)) {
        soft_cpu_pend(s, SOFT_PEND_SMI);
    }
}

void soft_smm_store(SoftCpu *s)
{
    unsigned pending = __atomic_load_n(&s->pending, __ATOMIC_SEQ_CST);
    X86Cpu *x = s->x;

    x->interrupt_request &= ~(X86_IRQ_SMI | X86_IRQ_INIT);
    if (s->smi_held || (pending & SOFT_PEND_SMI)) {
        x->interrupt_request |= X86_IRQ_SMI;
    }
    x->interrupt_request |= s->init_held ? X86_IRQ_INIT : 0;
}

void soft_smm_gone(SoftCpu *s)
{
    if (s->smm) {
        __atomic_fetch_sub(&s->vm->nsmm, 1, __ATOMIC_SEQ_CST);
    }
}

bool soft_vm_smm_used(const SoftVm *vm)
{
    /* The view was published before; who comes now reads the new one. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&vm->nsmm, __ATOMIC_SEQ_CST) != 0;
}
