/*
 * What few guests use any more: virtual-8086 mode extensions, alignment
 * checks, I/O breakpoints, x87 errors by interrupt.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-legacy.h"

enum {
    IF = X86_FLAG_IF,
    TF = X86_FLAG_TF,
    IOPL = X86_FLAG_IOPL,
    VIF = X86_FLAG_VIF,
    VIP = X86_FLAG_VIP,
    FLAGS_MASK = IF | TF | IOPL | VIF | VIP,
    IVT_IP = 0x180, /* INT 0x21's own handler, in the code's segment */
};

static SoftGuest *v86_new(uint32_t flags, uint32_t cr4)
{
    SoftGuest *g = legacy_new(3, true);

    g->x->rflags |= flags;
    g->x->cr[4] |= cr4;
    legacy_poke(g, 0x21 * 4, IVT_IP | L_V86_CS << 16, 4);
    return g;
}

/* Up to the #GP of a HLT at offset `end`; the flags it saved. */
static uint32_t run_v86(uint32_t flags, uint32_t cr4, const char *code,
                        size_t n, unsigned end, uint16_t *ret_top)
{
    SoftGuest *g = v86_new(flags, cr4);
    uint32_t saved;

    legacy_code(g, code, n);
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x24, 4), ==, end);
    saved = legacy_peek(g, L_STACK0 - 0x1c, 4);
    if (ret_top) {
        *ret_top =
            legacy_peek(g, (L_V86_CS << 4) + legacy_peek(g, L_STACK0 - 0x18, 4),
                        2);
    }
    legacy_free(g);
    return saved & FLAGS_MASK;
}

typedef struct V86Case {
    uint32_t flags, cr4;
    const char *code;
    uint8_t n, end;
    uint32_t want;
} V86Case;

#define VME X86_CR4_VME
#define CLI "\xfa"
#define STI "\xfb"
#define HLT "\xf4"

static void test_v86_flags(void)
{
    static const V86Case t[] = {
        { 0, 0, CLI HLT, 2, 0, 0 }, /* #GP at once */
        { 0, 0, STI HLT, 2, 0, 0 },
        { IOPL | IF, 0, CLI HLT, 2, 1, IOPL },
        { IOPL, 0, STI HLT, 2, 1, IOPL | IF },
        { IF, VME, STI HLT, 2, 1, IF | VIF },
        { IF | VIF, VME, CLI HLT, 2, 1, IF },
        { IF | VIP, VME, STI HLT, 2, 0, IF | VIP },
        { IF | VIP, VME, CLI HLT, 2, 1, IF | VIP },
        /* popf of 0x200, 0x100, 0; popfd */
        { IF, VME, "\x68\x00\x02\x9d" HLT, 5, 4, IF | VIF },
        { IF | VIF, VME, "\x68\x00\x00\x9d" HLT, 5, 4, IF },
        { IF, VME, "\x68\x00\x01\x9d" HLT, 5, 3, IF },
        { IF | VIP, VME, "\x68\x00\x02\x9d" HLT, 5, 3, IF | VIP },
        { IF, VME, "\x66\x68\x00\x02\x00\x00\x66\x9d" HLT, 9, 6, IF },
        { IF, 0, "\x68\x00\x02\x9d" HLT, 5, 3, IF },
        /* push 0x200; push cs; push 6; iret */
        { IF, VME, "\x68\x00\x02\x0e\x6a\x08\xcf\x90" HLT, 9, 8, IF | VIF },
        { IF, 0, "\x68\x00\x02\x0e\x6a\x08\xcf\x90" HLT, 9, 6, IF },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("case %zu", i);
        g_assert_cmphex(run_v86(t[i].flags, t[i].cr4, t[i].code, t[i].n,
                                t[i].end, NULL),
                        ==, t[i].want);
    }
}

static void test_v86_pushf(void)
{
    uint16_t top;

    run_v86(IF, VME, "\x9c" HLT, 2, 1, &top);
    g_assert_cmphex(top & FLAGS_MASK, ==, IOPL);
    run_v86(VIF, VME, "\x9c" HLT, 2, 1, &top);
    g_assert_cmphex(top & FLAGS_MASK, ==, IOPL | IF);
    run_v86(IOPL | IF, VME, "\x9c" HLT, 2, 1, &top);
    g_assert_cmphex(top & FLAGS_MASK, ==, IOPL | IF);
    run_v86(IF, 0, "\x9c" HLT, 2, 0, &top);
    run_v86(IF, VME, "\x66\x9c" HLT, 3, 0, &top);
}

/* A store that faults leaves all of ESP as it was, where SP wraps, too. */
static void test_v86_pop(void)
{
    SoftGuest *g = v86_new(IF, 0);

    g->x->regs[X86_RSP] = 0x1fffc;
    legacy_code(g, "\x66\x8f\x06\xff\xff", 5); /* pop dword [0xffff] */
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x18, 4), ==, 0x1fffc);
    legacy_free(g);
}

/* The bit map says who gets INT 0x21. */
static void test_v86_int(void)
{
    static const struct {
        uint32_t flags, cr4;
        bool to_monitor;
        int vec; /* whose handler; -1: its own */
        uint32_t pushed, after;
    } t[] = {
        { IF, 0, false, EXC_GP, 0, IF },
        { IOPL | IF, 0, false, 0x21, 0, IOPL | IF },
        { IF, VME, true, EXC_GP, 0, IF },
        { IOPL | IF, VME, true, 0x21, 0, IOPL | IF },
        { IOPL | IF, VME, false, -1, IOPL | IF, IOPL },
        { IF | VIF, VME, false, -1, IOPL | IF, IF },
        { IF, VME, false, -1, IOPL, IF },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        SoftGuest *g = v86_new(t[i].flags, t[i].cr4);
        int v;

        g_test_message("case %zu", i);
        legacy_poke(g, L_TSS + L_IOMAP - 32 + 4, t[i].to_monitor ? 2 : 0, 1);
        legacy_poke(g, (L_V86_CS << 4) + IVT_IP, 0xf4, 1);
        legacy_code(g, "\xcd\x21" HLT, 3);
        v = legacy_vector(g);
        g_assert_cmpint(v, ==, t[i].vec < 0 ? EXC_GP : t[i].vec);
        if (t[i].vec < 0) {
            /* Its HLT raised #GP. */
            g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x24, 4), ==, IVT_IP);
            g_assert_cmphex(legacy_peek(g, (L_V86_CS << 4) + 0xffe, 2) &
                                FLAGS_MASK,
                            ==, t[i].pushed);
            g_assert_cmphex(legacy_peek(g, (L_V86_CS << 4) + 0xffa, 2), ==, 2);
            g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x1c, 4) & FLAGS_MASK, ==,
                            t[i].after);
        }
        legacy_free(g);
    }
}

/* A map that isn't in the TSS. */
static void test_v86_no_map(void)
{
    SoftGuest *g = v86_new(IF, VME);

    legacy_poke(g, L_TSS + 102, 0xffff, 2);
    legacy_code(g, "\xcd\x21" HLT, 3);
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
    legacy_free(g);
}

/* Protected mode's: CLI and STI alone. */
static void test_pvi(void)
{
    static const struct {
        uint32_t flags, cr4;
        const char *code;
        uint8_t end;
        uint32_t want;
    } t[] = {
        { IF, 0, STI HLT, 0, IF },
        { IF, VME, STI HLT, 0, IF },
        { IF, X86_CR4_PVI, STI HLT, 1, IF | VIF },
        { IF | VIF, X86_CR4_PVI, CLI HLT, 1, IF },
        { IF | VIP, X86_CR4_PVI, STI HLT, 0, IF | VIP },
        { IOPL | IF, X86_CR4_PVI, CLI HLT, 1, IOPL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        SoftGuest *g = legacy_new(3, false);

        g_test_message("case %zu", i);
        g->x->rflags |= t[i].flags;
        g->x->cr[4] |= t[i].cr4;
        legacy_code(g, t[i].code, 2);
        g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
        g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x14, 4), ==,
                        L_CODE + t[i].end);
        g_assert_cmphex(legacy_peek(g, L_STACK0 - 0xc, 4) & FLAGS_MASK, ==,
                        t[i].want);
        legacy_free(g);
    }
}

/* IRET at CPL 0 gives a program its VIF and VIP. */
static void test_iret_vif(void)
{
    SoftGuest *g = legacy_new(0, false);
    const uint32_t frame[9] = { 0,    L_V86_CS, 0x1a0002, 0x1000, L_V86_CS,
                                0x20, 0x21,     0x22,     0x23 };

    soft_guest_poke(g, L_STACK - 64, frame, sizeof(frame));
    g->x->regs[X86_RSP] = L_STACK - 64;
    legacy_poke(g, L_V86_CS << 4, 0xf4, 1);
    legacy_code(g, "\xcf", 1);
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x1c, 4), ==, 0x1b0002);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x10, 4), ==, 0x20); /* ES */
    legacy_free(g);
}

typedef struct AlignCase {
    const char *code;
    uint8_t n;
    uint8_t off; /* of EBX from an aligned address */
    bool fault;
} AlignCase;

static const AlignCase align_cases[] = {
    { "\x8b\x03", 2, 1, true },          /* mov eax,[ebx] */
    { "\x8b\x03", 2, 2, true },          /* the same */
    { "\x8b\x03", 2, 4, false },         /* the same */
    { "\x89\x03", 2, 3, true },          /* mov [ebx],eax */
    { "\x66\x8b\x03", 3, 1, true },      /* mov ax,[ebx] */
    { "\x66\x8b\x03", 3, 2, false },     /* the same */
    { "\x8a\x03", 2, 1, false },         /* mov al,[ebx] */
    { "\xff\x03", 2, 2, true },          /* inc dword [ebx] */
    { "\xf0\xff\x03", 3, 2, true },      /* lock inc dword [ebx] */
    { "\xf0\x0f\xc7\x0b", 4, 4, true },  /* lock cmpxchg8b [ebx] */
    { "\xf0\x0f\xc7\x0b", 4, 8, false }, /* the same */
    { "\xff\x33", 2, 2, true },          /* push dword [ebx] */
    { "\xdd\x03", 2, 4, true },          /* fld qword [ebx] */
    { "\xd9\x03", 2, 4, false },         /* fld dword [ebx] */
    { "\xdb\x2b", 2, 4, true },          /* fld tbyte [ebx] */
    { "\xdb\x2b", 2, 8, false },         /* the same */
    { "\x0f\x10\x03", 3, 8, true },      /* movups xmm0,[ebx] */
    { "\x0f\x10\x03", 3, 16, false },    /* the same */
    { "\xf3\x0f\x10\x03", 4, 4, false }, /* movss xmm0,[ebx] */
    { "\xf3\x0f\x10\x03", 4, 2, true },  /* the same */
    { "\xf2\x0f\x10\x03", 4, 4, true },  /* movsd xmm0,[ebx] */
    { "\x8b\xf3\xad", 3, 1, true },      /* mov esi,ebx; lodsd */
    { "\x8b\xfb\xab", 3, 1, true },      /* mov edi,ebx; stosd */
    { "\x8b\xfb\xaa", 3, 1, false },     /* mov edi,ebx; stosb */
    { "\x8b\xe3\x50", 3, 2, true },      /* mov esp,ebx; push eax */
};

static int run_align(const AlignCase *c, unsigned cpl, uint32_t cr0,
                     uint32_t flags)
{
    SoftGuest *g = legacy_new(cpl, false);
    char code[32];
    int v;

    g->x->cr[0] |= cr0;
    g->x->rflags |= flags;
    g->x->regs[X86_RBX] = L_DATA + c->off;
    memcpy(code, c->code, c->n);
    code[c->n] = 0x0f; /* ud2 */
    code[c->n + 1] = 0x0b;
    legacy_code(g, code, c->n + 2);
    v = legacy_vector(g);
    if (v == EXC_AC) {
        g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x18, 4), ==, 0);
    }
    legacy_free(g);
    return v;
}

static void test_alignment(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(align_cases); i++) {
        const AlignCase *c = &align_cases[i];

        g_test_message("case %zu", i);
        g_assert_cmpint(run_align(c, 3, X86_CR0_AM, X86_FLAG_AC), ==,
                        c->fault ? EXC_AC : EXC_UD);
    }
}

/* All three of AM, AC and CPL 3, or nothing is checked. */
static void test_alignment_off(void)
{
    const AlignCase *c = &align_cases[0];

    g_assert_cmpint(run_align(c, 3, 0, X86_FLAG_AC), ==, EXC_UD);
    g_assert_cmpint(run_align(c, 3, X86_CR0_AM, 0), ==, EXC_UD);
    g_assert_cmpint(run_align(c, 0, X86_CR0_AM, X86_FLAG_AC), ==, EXC_UD);
}

/* The address is bad and misaligned: that it is bad is told first. */
static void test_alignment_order(void)
{
    static const AlignCase movaps = { "\x0f\x28\x03", 3, 8, true };

    g_assert_cmpint(run_align(&movaps, 3, X86_CR0_AM, X86_FLAG_AC), ==, EXC_GP);
}

static void test_io_breakpoints(void)
{
    static const struct {
        const char *code;
        uint8_t n;
        uint64_t dr0;
        uint32_t dr7;
        uint32_t cr4;
        int at; /* where #DB is raised; -1: not at all */
    } t[] = {
        { "\xe4\x80\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, 2 }, /* in al */
        { "\xe6\x80\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, 2 }, /* out */
        { "\xe6\x80\x90", 3, 0x80, 1 | 2 << 16, 0, -1 },
        { "\xe6\x80\x90", 3, 0x80, 0 | 2 << 16, X86_CR4_DE, -1 },
        { "\xe6\x81\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, -1 },
        { "\xe6\x81\x90", 3, 0x80, 1 | 6 << 16, X86_CR4_DE, 2 }, /* 2 ports */
        { "\xe5\x7e\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, 2 }, /* in eax */
        { "\xe5\x7c\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, -1 },
        { "\xf3\x6e\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, 0 }, /* rep outsb */
        { "\x8a\x03\x90", 3, 0x80, 1 | 2 << 16, X86_CR4_DE, -1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        SoftGuest *g = legacy_new(0, false);
        char code[8];
        int v;

        g_test_message("case %zu", i);
        g->x->dr[0] = t[i].dr0;
        g->x->dr[7] = 0x400 | t[i].dr7;
        g->x->cr[4] |= t[i].cr4;
        g->x->regs[X86_RCX] = 3;
        g->x->regs[X86_RDX] = 0x80;
        g->x->regs[X86_RSI] = L_DATA;
        g->x->regs[X86_RBX] = 0x80;
        memcpy(code, t[i].code, t[i].n);
        code[t[i].n] = 0x0f;
        code[t[i].n + 1] = 0x0b;
        legacy_code(g, code, t[i].n + 2);
        v = legacy_vector(g);
        g_assert_cmpint(v, ==, t[i].at < 0 ? EXC_UD : EXC_DB);
        if (t[i].at >= 0) {
            g_assert_cmphex(legacy_peek(g, L_STACK - 12, 4), ==,
                            L_CODE + t[i].at);
            g_assert_cmphex(g->x->dr[6] & 15, ==, 1);
        }
        legacy_free(g);
    }
}

static unsigned nferr;

static bool count_ferr(SoftCpu *s, void *opaque)
{
    nferr++;
    return true;
}

static int take_33(SoftCpu *s, void *opaque)
{
    return 33;
}

/* fninit; fldcw [DATA]; fldz; fld1; fdiv st1: divides by zero; fwait; ud2 */
#define X87_CODE                                               \
    "\xdb\xe3\xd9\x2d\x00\xb0\x00\x00\xd9\xee\xd9\xe8\xd8\xf1" \
    "\x9b\x0f\x0b"

static SoftGuest *x87_new(const SoftIrqOps *ops, bool ne)
{
    SoftGuest *g = legacy_new(0, false);

    nferr = 0;
    g->s->irq = ops;
    g->x->cr[0] &= ~(uint64_t)X86_CR0_NE;
    g->x->cr[0] |= ne ? X86_CR0_NE : 0;
    g->x->rflags |= IF;
    legacy_poke(g, L_DATA, 0x37b, 2);
    legacy_code(g, X87_CODE, 17);
    return g;
}

static void test_ferr(void)
{
    static const SoftIrqOps ops = { .take = take_33, .ferr = count_ferr };
    SoftGuest *g = x87_new(&ops, true);

    g_assert_cmpint(legacy_vector(g), ==, EXC_MF);
    g_assert_cmpuint(nferr, ==, 0);
    legacy_free(g);
    /* FWAIT waits for the interrupt, which finds it not executed. */
    g = x87_new(&ops, false);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_AGAIN);
    g_assert_cmpuint(nferr, >=, 1);
    g_assert_cmphex(g->s->rip, ==, L_CODE + 14);
    soft_cpu_pend(g->s, SOFT_PEND_IRQ);
    g_assert_cmpint(legacy_vector(g), ==, 33);
    g_assert_cmphex(legacy_peek(g, L_STACK - 12, 4), ==, L_CODE + 14);
    legacy_free(g);
}

/* IGNNE# lets it go on, and is part of the state. */
static void test_ignne(void)
{
    static const SoftIrqOps ops = { .take = take_33, .ferr = count_ferr };
    SoftGuest *g = x87_new(&ops, false);

    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_AGAIN);
    soft_cpu_store(g->s);
    g_assert_false(g->x->hflags2 & X86_HF2_IGNNE);
    g->x->hflags2 |= X86_HF2_IGNNE;
    soft_cpu_load(g->s);
    g_assert_cmpint(legacy_vector(g), ==, EXC_UD);
    g_assert_true(g->x->hflags2 & X86_HF2_IGNNE);
    /* The next exception is told again. */
    nferr = 0;
    g->x->rip = L_CODE;
    g->x->halted = 0;
    soft_cpu_load(g->s);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_AGAIN);
    g_assert_cmpuint(nferr, >=, 1);
    legacy_free(g);
}

/* A board that doesn't listen. */
static void test_no_ferr(void)
{
    static const SoftIrqOps ops = { .take = take_33 };
    SoftGuest *g = x87_new(&ops, false);

    g_assert_cmpint(legacy_vector(g), ==, EXC_MF);
    legacy_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-legacy/v86/flags", test_v86_flags);
    g_test_add_func("/soft-legacy/v86/pushf", test_v86_pushf);
    g_test_add_func("/soft-legacy/v86/pop", test_v86_pop);
    g_test_add_func("/soft-legacy/v86/int", test_v86_int);
    g_test_add_func("/soft-legacy/v86/no-map", test_v86_no_map);
    g_test_add_func("/soft-legacy/pvi", test_pvi);
    g_test_add_func("/soft-legacy/iret-vif", test_iret_vif);
    g_test_add_func("/soft-legacy/alignment", test_alignment);
    g_test_add_func("/soft-legacy/alignment-off", test_alignment_off);
    g_test_add_func("/soft-legacy/alignment-order", test_alignment_order);
    g_test_add_func("/soft-legacy/io-breakpoints", test_io_breakpoints);
    g_test_add_func("/soft-legacy/ferr", test_ferr);
    g_test_add_func("/soft-legacy/ignne", test_ignne);
    g_test_add_func("/soft-legacy/no-ferr", test_no_ferr);
    return g_test_run();
}
