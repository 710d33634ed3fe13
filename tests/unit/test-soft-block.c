/*
 * Generated code against the interpreter: random programs with branches,
 * loops, calls, memory operands, faults and stores into themselves must leave
 * the same registers, flags, memory and dirty bitmaps.
 *
 * SOFT_TEST_COUNT=N makes it N programs, SOFT_TEST_SEED=S repeats a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-guest.h"
#include "tests/unit/soft-insns.h"

enum {
    CODE = 0x8000, /* offsets from SOFT_GUEST_VA */
    DATA = 0x40000,
    DATA_SIZE = 0x4000,
    STACK = 0x60000,
    STACK_SIZE = 0x1000,
    PROG_MAX = 0x1800,
    INSNS_MAX = 100,
    SUBS = 3,
};

typedef struct Jump {
    size_t at; /* of its distance */
    unsigned bytes;
    unsigned to; /* instruction, or -1 - number of a function */
} Jump;

/* A program as it is put together. */
typedef struct Prog {
    GRand *r;
    uint8_t b[PROG_MAX];
    size_t n;
    size_t insn[INSNS_MAX]; /* where each begins */
    unsigned ninsns;
    Jump jumps[INSNS_MAX];
    unsigned njumps;
    size_t sub[SUBS];
    size_t imm8[INSNS_MAX]; /* bytes that may be overwritten */
    unsigned nimm8;
    bool vectors;
} Prog;

static unsigned below(Prog *p, unsigned n)
{
    return g_rand_int_range(p->r, 0, n);
}

static bool one_in(Prog *p, unsigned n)
{
    return below(p, n) == 0;
}

static void put(Prog *p, unsigned v)
{
    p->b[p->n++] = v;
}

static void put_le(Prog *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        put(p, v >> (8 * i));
    }
}

/* RBX, RBP, R13 and R14 have addresses, R15 counts; RSP is the stack. */
static unsigned any_reg(Prog *p)
{
    static const uint8_t regs[] = { 0, 1, 2, 6, 7, 8, 9, 10, 11, 12 };

    return one_in(p, 12) ? 15 : regs[below(p, sizeof(regs))];
}

static unsigned dest_reg(Prog *p)
{
    unsigned n = any_reg(p);

    return n == 15 ? 0 : n;
}

/* ModRM and all after it but the immediate; *rex gets R, X and B. */
typedef struct Operand {
    uint8_t b[8];
    unsigned n;
    unsigned rex;
} Operand;

static void operand_mem(Prog *p, Operand *o, unsigned reg)
{
    static const uint8_t bases[] = { 3, 5, 13, 14, 4 };
    unsigned base = bases[below(p, one_in(p, 4) ? 5 : 4)];
    bool sib = (base & 7) == 4 || one_in(p, 4);
    unsigned mod = one_in(p, 3) ? 2 : 1;
    int32_t disp =
        mod == 1 ? (int)below(p, 256) - 128 : (int)below(p, 0x1000) - 0x800;

    if (base == 4) {
        /* Beyond the return addresses: where they lead must be known. */
        disp = 0x20 + below(p, 0x58);
    }
    o->rex = (reg & 8 ? 4 : 0) | (base & 8 ? 1 : 0);
    o->b[o->n++] = mod << 6 | (reg & 7) << 3 | (sib ? 4 : base & 7);
    if (sib) {
        /* An index is mostly none or small: R15. */
        unsigned index = one_in(p, 3)                 ? 4
                         : base != 4 && one_in(p, 20) ? any_reg(p)
                                                      : 15;

        o->rex |= index & 8 ? 2 : 0;
        o->b[o->n++] = below(p, 4) << 6 | (index & 7) << 3 | (base & 7);
    }
    memcpy(o->b + o->n, &disp, mod == 1 ? 1 : 4);
    o->n += mod == 1 ? 1 : 4;
}

static Operand operand(Prog *p, unsigned reg, bool mem)
{
    Operand o = { .n = 0 };
    unsigned rm;

    if (mem) {
        operand_mem(p, &o, reg);
        return o;
    }
    rm = dest_reg(p);
    o.rex = (reg & 8 ? 4 : 0) | (rm & 8 ? 1 : 0);
    o.b[o.n++] = 0xc0 | (reg & 7) << 3 | (rm & 7);
    return o;
}

static bool is_divide(const SoftInsn *k)
{
    return (k->op[0] == 0xf6 || k->op[0] == 0xf7) && k->digit >= 6;
}

/* What is undefined must not be seen: test eax, eax */
static void define_flags(Prog *p)
{
    put(p, 0x85);
    put(p, 0xc0);
}

static bool is_lockable(const SoftInsn *k)
{
    uint8_t op = k->op[0];

    return (op < 0x38 && (op & 7) < 2) ||
           ((op == 0x80 || op == 0x81 || op == 0x83) && k->digit < 7) ||
           (op == 0x0f && (k->op[1] == 0xb1 || k->op[1] == 0xc1));
}

static void put_integer(Prog *p)
{
    const SoftInsn *k = &soft_insns[below(p, G_N_ELEMENTS(soft_insns))];
    bool o16 = !k->byte && one_in(p, 6);
    bool w = !k->byte && one_in(p, 2);
    bool mem = !k->reg_only && (k->op[0] == 0x8d || one_in(p, 3));
    Operand o = { .n = 0 };
    unsigned bytes = k->imm == 4 ? (w ? 4 : o16 ? 2 : 4) : k->imm;

    if (is_divide(k) && !one_in(p, 10)) {
        return;
    }
    if (k->digit != -2) {
        o = operand(p, k->digit >= 0 ? (unsigned)k->digit : dest_reg(p), mem);
    }
    if (mem && k->digit != -2 && is_lockable(k) && one_in(p, 4)) {
        put(p, 0xf0);
    }
    if (o16) {
        put(p, 0x66);
    }
    if (k->prefix) {
        put(p, k->prefix);
    }
    if (w || o.rex || one_in(p, 3)) {
        put(p, 0x40 | (w ? 8 : 0) | o.rex);
    }
    memcpy(p->b + p->n, k->op, k->nop);
    p->n += k->nop;
    memcpy(p->b + p->n, o.b, o.n);
    p->n += o.n;
    put_le(p, g_rand_int(p->r), bytes);
    if (k->undef || (k->op[0] >= 0x08 && k->op[0] < 0x38)) {
        define_flags(p);
    }
}

static void put_stack(Prog *p)
{
    unsigned a = any_reg(p);
    unsigned b = dest_reg(p);

    if (a & 8) {
        put(p, 0x41);
    }
    put(p, 0x50 | (a & 7));
    if (b & 8) {
        put(p, 0x41);
    }
    put(p, 0x58 | (b & 7));
}

/* MOV CL, imm8, and sometimes a store into such an instruction. */
static void put_modified(Prog *p)
{
    if (p->nimm8 && one_in(p, 2)) {
        size_t to = p->imm8[below(p, p->nimm8)];

        put(p, 0xc6);
        put(p, 0x05);
        put_le(p, to - (p->n + 5), 4);
        put(p, below(p, 256));
        return;
    }
    put(p, 0xb1);
    p->imm8[p->nimm8++] = p->n;
    put(p, below(p, 256));
}

static void put_string(Prog *p)
{
    static const uint8_t op[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xa6, 0xae };
    unsigned k = op[below(p, sizeof(op))];

    if (one_in(p, 2)) {
        put(p, 0xb9); /* mov ecx, imm32 */
        put_le(p, below(p, 300), 4);
        put(p, 0xf3);
    }
    if (one_in(p, 2)) {
        put(p, 0x48);
    }
    put(p, k);
}

/* lea rsi, [rbx + disp32]; lea rdi, [rbp + disp32]; CLD or STD */
static void put_pointers(Prog *p)
{
    put(p, 0x48);
    put(p, 0x8d);
    put(p, 0xb3);
    put_le(p, below(p, 0x1000), 4);
    put(p, 0x48);
    put(p, 0x8d);
    put(p, 0xbd);
    put_le(p, below(p, 0x1000), 4);
    put(p, one_in(p, 4) ? 0xfd : 0xfc);
}

static void put_vector(Prog *p)
{
    static const struct {
        uint8_t prefix, op;
        bool flags, gpr;
    } t[] = {
        { 0, 0x10 },
        { 0, 0x11 },
        { 0xf3, 0x6f },
        { 0xf3, 0x7f },
        { 0x66, 0x6f },
        { 0x66, 0x7f },
        { 0x66, 0xef },
        { 0x66, 0xfe },
        { 0x66, 0xd4 },
        { 0xf2, 0x58 },
        { 0xf2, 0x59 },
        { 0xf2, 0x5e },
        { 0, 0x58 },
        { 0xf2, 0x10 },
        { 0xf2, 0x11 },
        { 0x66, 0x60 },
        { 0x66, 0x2e, true },
        { 0xf3, 0x2f, true },
        { 0x66, 0x14 },
        { 0xf2, 0x51 },
        { 0xf2, 0x2a, false, true },
        { 0xf2, 0x2c, false, true },
        { 0x66, 0x6e, false, true },
        { 0x66, 0x7e, false, true },
        { 0x66, 0xd7, false, true },
    };
    unsigned i = below(p, G_N_ELEMENTS(t));
    bool mem = one_in(p, 2) && t[i].op != 0xd7;
    unsigned reg =
        t[i].op == 0x2c || t[i].op == 0xd7 ? dest_reg(p) : below(p, 16);
    Operand o = operand(p, reg, mem);
    bool w = t[i].gpr && t[i].op != 0xd7 && one_in(p, 2);

    if (t[i].prefix && !(t[i].prefix == 0xf3 && t[i].flags)) {
        put(p, t[i].prefix);
    }
    if (o.rex || w) {
        put(p, 0x40 | (w ? 8 : 0) | o.rex);
    }
    put(p, 0x0f);
    put(p, t[i].op);
    memcpy(p->b + p->n, o.b, o.n);
    p->n += o.n;
}

static void add_jump(Prog *p, unsigned bytes, int to)
{
    p->jumps[p->njumps++] = (Jump){ .at = p->n, .bytes = bytes, .to = to };
    put_le(p, 0, bytes);
}

/* Forward over a few, short or near; left: instructions that follow. */
static void put_branch(Prog *p, unsigned left)
{
    unsigned to = p->ninsns + 1 + below(p, MIN(left, 6) + 1);
    unsigned cc = below(p, 17);

    if (one_in(p, 2)) {
        put(p, cc == 16 ? 0xeb : 0x70 | cc);
        add_jump(p, 1, to);
    } else {
        if (cc != 16) {
            put(p, 0x0f);
        }
        put(p, cc == 16 ? 0xe9 : 0x80 | cc);
        add_jump(p, 4, to);
    }
}

/* dec r15d; jnz to an earlier instruction */
static void put_loop(Prog *p)
{
    unsigned back = MIN(p->ninsns, below(p, 12));

    put(p, 0x41);
    put(p, 0xff);
    put(p, 0xcf);
    put(p, 0x0f);
    put(p, 0x8f);
    add_jump(p, 4, p->ninsns - back);
}

static void put_call(Prog *p)
{
    unsigned sub = below(p, SUBS);

    if (one_in(p, 2)) {
        put(p, 0xe8);
        add_jump(p, 4, -1 - (int)sub);
        return;
    }
    /* lea r11, [rip + sub]; call r11 */
    put(p, 0x4c);
    put(p, 0x8d);
    put(p, 0x1d);
    add_jump(p, 4, -1 - (int)sub);
    put(p, 0x41);
    put(p, 0xff);
    put(p, 0xd3);
}

static void put_any(Prog *p, unsigned left, bool main)
{
    unsigned k = below(p, 32);

    if (k < 2) {
        put_stack(p);
    } else if (k < 3) {
        put_modified(p);
    } else if (k < 4) {
        put_string(p);
    } else if (k < 5) {
        put_pointers(p);
    } else if (k < 9 && main) {
        put_branch(p, left);
    } else if (k < 10 && main) {
        put_loop(p);
    } else if (k < 12 && main) {
        put_call(p);
    } else if (k < 16 && p->vectors) {
        put_vector(p);
    } else {
        put_integer(p);
    }
}

static void resolve(Prog *p)
{
    for (unsigned i = 0; i < p->njumps; i++) {
        const Jump *j = &p->jumps[i];
        int to = (int)j->to;
        size_t at =
            to < 0 ? p->sub[-1 - to] : p->insn[MIN((unsigned)to, p->ninsns)];
        int64_t d = (int64_t)at - (int64_t)(j->at + j->bytes);

        /* Too far for a short one: to the next instruction. */
        d = j->bytes == 1 && d > 127 ? 0 : d;
        memcpy(p->b + j->at, &d, j->bytes);
    }
}

/* The program, HLT, and functions, some of them in the next page. */
static void make(Prog *p)
{
    unsigned n = 1 + below(p, INSNS_MAX - 2);

    p->n = p->ninsns = p->njumps = p->nimm8 = 0;
    p->vectors = one_in(p, 2);
    for (; p->ninsns < n; p->ninsns++) {
        p->insn[p->ninsns] = p->n;
        put_any(p, n - p->ninsns - 1, true);
    }
    p->insn[p->ninsns] = p->n;
    put(p, 0xf4);
    for (unsigned i = 0; i < SUBS; i++) {
        if (i == 1) {
            p->n = MAX(p->n, 0x1000U);
        }
        p->sub[i] = p->n;
        for (unsigned k = below(p, 8); k > 0; k--) {
            put_any(p, 0, false);
        }
        put(p, 0xc3);
    }
    resolve(p);
}

static uint64_t make_value(GRand *r)
{
    unsigned k = g_rand_int_range(r, 0, 8);
    uint64_t v = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);

    return k == 0 ? 0 : k == 1 ? UINT64_MAX : k == 2 ? v & 0xff : v;
}

typedef struct Input {
    uint64_t gpr[16];
    uint64_t flags;
    X86Vec vec[16];
    uint8_t data[DATA_SIZE];
} Input;

static void make_input(GRand *r, Input *in)
{
    uint64_t base = SOFT_GUEST_VA + DATA;

    for (unsigned i = 0; i < 16; i++) {
        in->gpr[i] = make_value(r);
        for (unsigned k = 0; k < 4; k++) {
            in->vec[i].q[k] = make_value(r);
        }
    }
    in->gpr[X86_RBX] = base + 0x1000 + g_rand_int_range(r, 0, 32);
    in->gpr[X86_RBP] = base + 0x1ff0 + g_rand_int_range(r, 0, 32);
    in->gpr[13] = base + 0x1800 + g_rand_int_range(r, 0, 0x800);
    in->gpr[14] = base + 0x2000;
    in->gpr[15] = g_rand_int_range(r, 1, 20);
    in->gpr[X86_RSI] = base + g_rand_int_range(r, 0x800, 0x3000);
    in->gpr[X86_RDI] = base + g_rand_int_range(r, 0x800, 0x3000);
    in->gpr[X86_RSP] = SOFT_GUEST_VA + STACK + 0x800;
    in->flags = (g_rand_int(r) & STATUS) | 2;
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = make_value(r);

        memcpy(in->data + i, &v, 8);
    }
}

static SoftExit run(SoftGuest *g, const Input *in)
{
    SoftCpu *s = g->s;

    soft_cpu_store(s);
    soft_guest_long_mode(g);
    memcpy(g->x->regs, in->gpr, sizeof(in->gpr));
    memcpy(g->x->vec, in->vec, sizeof(in->vec));
    g->x->mxcsr = 0x1f80;
    g->x->cr[2] = 0;
    g->x->rflags = in->flags;
    g->x->rip = SOFT_GUEST_VA + CODE;
    g->x->halted = 0;
    soft_guest_poke(g, SOFT_GUEST_PA + DATA, in->data, DATA_SIZE);
    soft_cpu_load(s);
    return soft_cpu_run(s, 100000);
}

static const char *difference(SoftGuest *a, SoftGuest *b)
{
    static uint8_t ma[DATA_SIZE], mb[DATA_SIZE];

    if (a->s->rip != b->s->rip) {
        return "RIP differs";
    }
    if (memcmp(a->s->gpr, b->s->gpr, 16 * 8) != 0) {
        return "registers differ";
    }
    if (soft_flags(a->s) != soft_flags(b->s)) {
        return "flags differ";
    }
    if (memcmp(a->x->vec, b->x->vec, 16 * sizeof(X86Vec)) != 0 ||
        a->x->mxcsr != b->x->mxcsr) {
        return "vector registers differ";
    }
    if (a->x->cr[2] != b->x->cr[2]) {
        return "CR2 differs";
    }
    for (unsigned i = 0; i < 2; i++) {
        unsigned at = SOFT_GUEST_PA + (i ? STACK : DATA);
        unsigned n = i ? STACK_SIZE : DATA_SIZE;

        address_space_read(&a->mem.memory, at, ma, n);
        address_space_read(&b->mem.memory, at, mb, n);
        if (memcmp(ma, mb, n) != 0) {
            return "memory differs";
        }
    }
    return NULL;
}

static bool same_bitmaps(const SoftGuest *a, const SoftGuest *b)
{
    const unsigned long *x = a->ram.ram->dirty[DIRTY_MIGRATION];
    const unsigned long *y = b->ram.ram->dirty[DIRTY_MIGRATION];

    return memcmp(x, y, 2 * MiB / 4096 / 8) == 0;
}

static void report(const Prog *p, SoftGuest *const g[2], const char *what)
{
    g_autoptr(GString) t = g_string_new(what);

    for (unsigned i = 0; i < 16; i++) {
        if (g[0]->s->gpr[i] != g[1]->s->gpr[i]) {
            g_string_append_printf(t, "\n  r%u %" PRIx64 " generated %" PRIx64,
                                   i, g[0]->s->gpr[i], g[1]->s->gpr[i]);
        }
    }
    g_string_append_printf(t,
                           "\n  rip %" PRIx64 " generated %" PRIx64
                           "\n  flags %" PRIx64 " generated %" PRIx64 "\n ",
                           g[0]->s->rip, g[1]->s->rip, soft_flags(g[0]->s),
                           soft_flags(g[1]->s));
    for (size_t i = 0; i < MIN(p->n, p->sub[0] + 16); i++) {
        g_string_append_printf(t, " %02x", p->b[i]);
    }
    g_test_message("%s", t->str);
    g_test_fail();
}

static uint64_t env_u64(const char *name, uint64_t dflt)
{
    const char *v = g_getenv(name);

    return v ? g_ascii_strtoull(v, NULL, 0) : dflt;
}

static SoftGuest *guest_new(uint32_t gen_after, bool log)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    GError *err = NULL;

    soft_guest_init(g);
    g->vm->gen_after = gen_after;
    if (log) {
        vm_lock_acquire();
        g_assert_true(memory_dirty_log_start(&g->mem, &err));
        memset(g->ram.ram->dirty[DIRTY_MIGRATION], 0, 2 * MiB / 4096 / 8);
        vm_lock_release();
        soft_cpu_pend(g->s, SOFT_PEND_FLUSH);
    }
    return g;
}

static void guest_free(SoftGuest *g, bool log)
{
    if (log) {
        vm_lock_acquire();
        memory_dirty_log_stop(&g->mem);
        vm_lock_release();
    }
    soft_guest_fini(g);
    g_free(g);
}

/*
 * Did it store where it should not, by chance?  Its instructions may be any,
 * then, and so may what is undefined after them.
 */
static bool strayed(const Prog *p, SoftGuest *g)
{
    static uint8_t now[PROG_MAX];

    address_space_read(&g->mem.memory, SOFT_GUEST_PA + CODE, now, p->n);
    for (unsigned i = 0; i < p->nimm8; i++) {
        now[p->imm8[i]] = p->b[p->imm8[i]];
    }
    return memcmp(now, p->b, p->n);
}

/* The same program a few times, so that its blocks get bound. */
static unsigned run_program(Prog *p, SoftGuest *const g[2], Input *in, bool log)
{
    unsigned halted = 0;

    for (unsigned i = 0; i < 2; i++) {
        soft_guest_poke(g[i], SOFT_GUEST_PA + CODE, p->b, p->n);
    }
    for (unsigned k = 0; k < 3 && !g_test_failed(); k++) {
        SoftExit e[2];
        const char *what;

        make_input(p->r, in);
        e[0] = run(g[0], in);
        e[1] = run(g[1], in);
        if (strayed(p, g[0])) {
            break;
        }
        halted += e[0] == SOFT_EXIT_HALT;
        what = e[0] != e[1] ? "one ended otherwise" : difference(g[0], g[1]);
        if (!what && log && !same_bitmaps(g[0], g[1])) {
            what = "dirty bitmaps differ";
        }
        if (what) {
            report(p, g, what);
        }
    }
    return halted;
}

/* gen_bytes: room for generated code; 0: as much as always. */
static void run_all(bool log, size_t gen_bytes)
{
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 2000);
    g_autofree Input *in = g_new0(Input, 1);
    g_autofree Prog *p = g_new0(Prog, 1);
    SoftGuest *g[2];
    uint64_t halted = 0;

    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("sse4.2")) {
        g_test_skip("this host has no BMI1 or no SSE4.2");
        return;
    }
    g_test_message("seed %" PRIu64, seed);
    p->r = g_rand_new_with_seed(seed);
    g[0] = guest_new(0, log);
    g[1] = guest_new(1, log);
    g[1]->vm->gen_bytes = gen_bytes ? gen_bytes : g[1]->vm->gen_bytes;
    for (uint64_t i = 0; i < count && !g_test_failed(); i++) {
        make(p);
        halted += run_program(p, g, in, log);
    }
    g_test_message("%" PRIu64 " of %" PRIu64 " ran to the end, %" PRIu64
                   " instructions",
                   halted, count * 3, g[1]->s->ninsns);
    g_assert_cmpuint(halted, >, g_test_failed() ? 0 : count / 4);
    guest_free(g[0], log);
    guest_free(g[1], log);
    g_rand_free(p->r);
}

static void test_programs(void)
{
    run_all(false, 0);
}

static void test_logged(void)
{
    run_all(true, 0);
}

/* Code for a few blocks: most of them, or jumps between them, throw it away. */
static void test_little_room(void)
{
    run_all(false, 40 * KiB);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-block/programs", test_programs);
    g_test_add_func("/soft-block/logged", test_logged);
    g_test_add_func("/soft-block/little-room", test_little_room);
    return g_test_run();
}
