/*
 * MMX, SSE and AVX of the software CPU against the processor this test runs
 * on: every opcode of the decoder's own table, with random registers, memory
 * and values, aligned or not.
 *
 * SOFT_TEST_COUNT=N makes it N instructions, SOFT_TEST_SEED=S repeats a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "tests/unit/soft-guest.h"

enum { DATA = 0x1000, CODE_SIZE = 0x3000, SCRATCH = 4096, STATUS = 0x8d5 };

typedef struct State {
    uint8_t ymm[16][32];
    uint64_t mm[8];
    uint64_t gpr[16];
    uint64_t flags;
    uint32_t mxcsr;
} State;

typedef struct Native {
    State in, out;
    uint64_t rsp;
} Native;

static uint8_t *code;
static uint8_t *memory; /* at SOFT_GUEST_VA */
static sigjmp_buf trap;

static void on_signal(int sig)
{
    siglongjmp(trap, 1);
}

static uint8_t *emit(uint8_t *p, const void *b, size_t n)
{
    memcpy(p, b, n);
    return p + n;
}

/* ModRM and displacement of [rip + field]. */
static uint8_t *emit_field(uint8_t *p, unsigned reg, size_t field)
{
    int32_t disp;

    *p++ = 5 | (reg & 7) << 3;
    disp = code + DATA + field - (p + 4);
    return emit(p, &disp, 4);
}

static uint8_t *emit_gpr(uint8_t *p, uint8_t op, unsigned reg, size_t field)
{
    *p++ = 0x48 | (reg & 8 ? 4 : 0);
    *p++ = op;
    return emit_field(p, reg, field);
}

/* Moves all of a State in or out, without touching the flags. */
static uint8_t *emit_state(uint8_t *p, size_t base, bool out)
{
    for (unsigned i = 0; i < 16; i++) {
        *p++ = 0xc5;
        *p++ = i < 8 ? 0xfe : 0x7e;
        *p++ = out ? 0x7f : 0x6f;
        p = emit_field(p, i, base + offsetof(State, ymm) + i * 32);
    }
    for (unsigned i = 0; i < 8; i++) {
        *p++ = 0x0f;
        *p++ = out ? 0x7f : 0x6f;
        p = emit_field(p, i, base + offsetof(State, mm) + i * 8);
    }
    *p++ = 0x0f;
    *p++ = 0xae;
    p = emit_field(p, out ? 3 : 2, base + offsetof(State, mxcsr));
    for (unsigned i = 0; i < 16; i++) {
        p = emit_gpr(p, out ? 0x89 : 0x8b, i,
                     base + offsetof(State, gpr) + i * 8);
    }
    return p;
}

static void build(const uint8_t *insn, size_t len)
{
    uint8_t *p = code;

    p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
    p = emit_gpr(p, 0x89, X86_RSP, offsetof(Native, rsp));
    p = emit_gpr(p, 0x8b, X86_RAX,
                 offsetof(Native, in) + offsetof(State, flags));
    p = emit(p, "\x50\x9d", 2); /* push rax; popfq */
    p = emit_state(p, offsetof(Native, in), false);
    p = emit(p, insn, len);
    p = emit_state(p, offsetof(Native, out), true);
    p = emit_gpr(p, 0x8b, X86_RSP, offsetof(Native, rsp));
    p = emit(p, "\x9c\x58\x0f\x77\xc5\xf8\x77", 7);
    p = emit_gpr(p, 0x89, X86_RAX,
                 offsetof(Native, out) + offsetof(State, flags));
    emit(p, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

/* False: it trapped. */
static bool run_native_once(void)
{
    if (sigsetjmp(trap, 1)) {
        __builtin_ia32_ldmxcsr(0x1f80);
        __asm__ volatile("emms");
        return false;
    }
    ((void (*)(void))(uintptr_t)code)();
    __builtin_ia32_ldmxcsr(0x1f80);
    return true;
}

/* An instruction that traps does so each time.  A kernel that is itself a
 * paravirtual guest may also end one that an interrupt met, as RSP is wild. */
static bool run_native(const uint8_t *data)
{
    for (unsigned i = 0; i < 3; i++) {
        memcpy(memory, data, SCRATCH);
        if (run_native_once()) {
            return true;
        }
    }
    return false;
}

static bool run_guest(SoftGuest *g, const uint8_t *insn, size_t len,
                      const State *in, const uint8_t *data)
{
    uint8_t b[17];
    SoftCpu *s = g->s;

    memcpy(b, insn, len);
    b[len] = 0xf4;
    soft_guest_poke(g, SOFT_GUEST_PA, data, SCRATCH);
    soft_guest_poke(g, SOFT_GUEST_PA + 0x8000, b, len + 1);
    soft_cpu_store(s);
    soft_guest_long_mode(g);
    memcpy(g->x->regs, in->gpr, sizeof(in->gpr));
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&g->x->vec[i], in->ymm[i], 32);
    }
    for (unsigned i = 0; i < 8; i++) {
        g->x->fpregs[i].mant = in->mm[i];
    }
    g->x->fpuc = 0x37f;
    g->x->fpus = 0;
    g->x->mxcsr = in->mxcsr;
    g->x->rflags = in->flags | 2;
    g->x->rip = SOFT_GUEST_VA + 0x8000;
    g->x->halted = 0;
    soft_cpu_load(s);
    return soft_cpu_run(s, 100) == SOFT_EXIT_HALT;
}

/* One instruction as it is put together. */
typedef struct Made {
    const InsnDesc *desc;
    unsigned map, opcode, pp;
    uint8_t b[16];
    size_t len;
} Made;

static const InsnDesc *pick(GRand *r, Made *m)
{
    static const InsnDesc *const maps[] = { insn_vec_0f, insn_vec_38,
                                            insn_vec_3a };
    unsigned i = g_rand_int_range(r, 0, 1024);

    m->map = g_rand_int_range(r, 2, 5);
    m->opcode = i / 4;
    m->pp = i % 4;
    m->desc = &maps[m->map - 2][i];
    return m->desc->id == INSN_VEC || m->desc->id == INSN_VZERO ||
                   m->desc->id == INSN_VMASKMOV
               ? m->desc
               : NULL;
}

static bool has_operand(const InsnDesc *d, unsigned lo, unsigned hi)
{
    for (unsigned i = 0; i < 4; i++) {
        if (d->op[i] >= lo && d->op[i] <= hi) {
            return true;
        }
    }
    return false;
}

static bool flag(GRand *r, uint32_t flags, uint32_t off, uint32_t on)
{
    return flags & on ? true : flags & off ? false : g_rand_boolean(r);
}

static void put(Made *m, unsigned b)
{
    m->b[m->len++] = b;
}

static void put_legacy(Made *m, unsigned rex)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };

    if (m->pp) {
        put(m, prefix[m->pp]);
    }
    put(m, 0x40 | rex);
    put(m, 0x0f);
    if (m->map > 2) {
        put(m, m->map == 3 ? 0x38 : 0x3a);
    }
    put(m, m->opcode);
}

static void put_vex(GRand *r, Made *m, unsigned rex, bool mem)
{
    const InsnDesc *d = m->desc;
    bool h = has_operand(d, O_Hx, O_Ho) &&
             !((d->flags & DF_RMW) && m->map == 2 && mem);
    bool l = flag(r, d->flags, DF_L0, DF_L1);
    bool w = flag(r, d->flags, DF_W0, DF_W1);
    unsigned v = h ? g_rand_int_range(r, 0, 16) : 0;

    put(m, 0xc4);
    put(m, ((~rex & 7) << 5) | (m->map - 1));
    put(m, (w ? 0x80 : 0) | (~v & 15) << 3 | (l ? 4 : 0) | m->pp);
    put(m, m->opcode);
}

/* Memory is at [rbx + disp8]. */
static void make(GRand *r, Made *m, bool *ret_mem)
{
    const InsnDesc *d = m->desc;
    bool vex = !(d->flags & DF_NOVEX) && d->vfeat &&
               ((d->flags & DF_VEX) || g_rand_boolean(r));
    bool only_mem = has_operand(d, O_M, O_My) || has_operand(d, O_Mx, O_Mo);
    bool only_reg = has_operand(d, O_Ux, O_Uo) || has_operand(d, O_Nq, O_Nq);
    bool mem = only_mem || (!only_reg && g_rand_boolean(r));
    unsigned rex = g_rand_int_range(r, 0, 2) << 2;

    m->len = 0;
    rex |= mem ? 0 : g_rand_int_range(r, 0, 2);
    rex |= !vex && (d->flags & DF_D32) && g_rand_boolean(r) ? 8 : 0;
    if (vex) {
        put_vex(r, m, rex, mem);
    } else {
        put_legacy(m, rex);
    }
    *ret_mem = mem;
    if (d->id == INSN_VZERO) {
        return;
    }
    put(m, (mem ? 0x43 : 0xc0 | g_rand_int_range(r, 0, 8)) |
               g_rand_int_range(r, 0, 8) << 3);
    if (mem) {
        put(m, g_rand_int_range(r, 0, 4) ? g_rand_int_range(r, 0, 4) * 32
                                         : g_rand_int_range(r, 0, 128));
    }
    if (has_operand(d, O_Ib, O_Ib) || has_operand(d, O_Lx, O_Lx)) {
        put(m, g_rand_int_range(r, 0, 256));
    }
}

/* Numbers that floating point finds interesting, or any. */
static uint64_t make_value(GRand *r)
{
    static const uint64_t odd[] = {
        0,
        UINT64_C(0x3ff0000000000000),
        UINT64_C(0x7ff0000000000000),
        UINT64_C(0x3f8000003f800000),
        UINT64_C(0x7f8000007fc00000),
        UINT64_C(0xbf80000000000001),
        1,
        UINT64_MAX,
        UINT64_C(0x41e0000000000000),
        UINT64_C(0x4f0000004b000000),
    };

    if (g_rand_int_range(r, 0, 3) == 0) {
        return odd[g_rand_int_range(r, 0, G_N_ELEMENTS(odd))];
    }
    return (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
}

static void make_state(GRand *r, State *in, bool mem)
{
    for (unsigned i = 0; i < 64; i++) {
        uint64_t v = make_value(r);

        memcpy(&in->ymm[0][0] + i * 8, &v, 8);
    }
    for (unsigned i = 0; i < 8; i++) {
        in->mm[i] = make_value(r);
    }
    for (unsigned i = 0; i < 16; i++) {
        in->gpr[i] = make_value(r);
    }
    if (mem) {
        in->gpr[X86_RBX] = SOFT_GUEST_VA;
    }
    in->flags = g_rand_int(r) & STATUS;
    /* Masked, any rounding; sometimes flush to zero or an open exception. */
    in->mxcsr = 0x1f80 | g_rand_int_range(r, 0, 4) << 13;
    if (g_rand_int_range(r, 0, 8) == 0) {
        in->mxcsr |= 0x8040;
    } else if (g_rand_int_range(r, 0, 8) == 0) {
        in->mxcsr &= ~0x80;
    }
}

static void fail(const Made *m, const char *what)
{
    g_autoptr(GString) t = g_string_new(what);

    g_string_append(t, ":");
    for (size_t i = 0; i < m->len; i++) {
        g_string_append_printf(t, " %02x", m->b[i]);
    }
    g_test_message("%s", t->str);
    g_test_fail();
}

static const char *difference(const SoftGuest *g, const State *out,
                              const InsnDesc *d)
{
    for (unsigned i = 0; i < 16; i++) {
        if (memcmp(out->ymm[i], &g->x->vec[i], 32) != 0) {
            return "vector register differs";
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (out->mm[i] != g->x->fpregs[i].mant) {
            return "MMX register differs";
        }
    }
    if (memcmp(out->gpr, g->s->gpr, sizeof(out->gpr)) != 0) {
        return "general register differs";
    }
    if ((out->flags ^ soft_flags(g->s)) & STATUS) {
        return "flags differ";
    }
    return out->mxcsr != g->x->mxcsr ? "MXCSR differs" : NULL;
}

static void one(SoftGuest *g, GRand *r, uint8_t *data, Made *m, unsigned *ran)
{
    Native *n = (Native *)(code + DATA);
    const char *what;
    bool mem;
    bool nat;
    bool soft;

    make(r, m, &mem);
    make_state(r, &n->in, mem);
    for (unsigned i = 0; i < 256; i += 8) {
        uint64_t v = make_value(r);

        memcpy(data + i, &v, 8);
    }
    build(m->b, m->len);
    nat = run_native(data);
    soft = run_guest(g, m->b, m->len, &n->in, data);
    if (nat && !soft && m->desc->feat == FT_SHA) {
        return; /* AMD's take unaligned memory, the SDM says they don't */
    }
    if (nat != soft) {
        fail(m, nat ? "trapped here only" : "trapped on the host only");
        return;
    }
    if (!nat) {
        return;
    }
    ++*ran;
    what = difference(g, &n->out, m->desc);
    address_space_read(&g->mem.memory, SOFT_GUEST_PA, data, SCRATCH);
    if (what || memcmp(data, memory, SCRATCH) != 0) {
        fail(m, what ? what : "memory differs");
    }
}

static uint64_t env_u64(const char *name, uint64_t dflt)
{
    const char *v = g_getenv(name);

    return v ? g_ascii_strtoull(v, NULL, 0) : dflt;
}

static void setup_native(void)
{
    static uint8_t signal_stack[65536];
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

    code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory =
        mmap((void *)(uintptr_t)SOFT_GUEST_VA, SCRATCH, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert_true(code != MAP_FAILED && memory != MAP_FAILED);
    /* RSP is an operand like any other. */
    sigaltstack(&(stack_t){ .ss_sp = signal_stack,
                            .ss_size = sizeof(signal_stack) },
                NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
}

static bool available(const SoftGuest *g, const InsnDesc *d)
{
    uint64_t need = UINT64_C(1) << d->feat | UINT64_C(1) << d->vfeat;

    need &= ~(UINT64_C(1) << FT_NONE);
    return (g->s->features & need) == need;
}

static void test_vector(void)
{
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 20000);
    g_autofree uint8_t *data = g_malloc0(SCRATCH);
    GRand *r = g_rand_new_with_seed(seed);
    SoftGuest *g;
    unsigned ran = 0;

    if (!__builtin_cpu_supports("avx2")) {
        g_test_skip("this host has no AVX2");
        g_rand_free(r);
        return;
    }
    g_test_message("seed %" PRIu64, seed);
    g = g_new0(SoftGuest, 1);
    setup_native();
    soft_guest_init(g);
    for (uint64_t i = 0;
         i < count && (g_getenv("SOFT_TEST_ALL") || !g_test_failed());) {
        Made m;

        if (pick(r, &m) && available(g, m.desc)) {
            one(g, r, data, &m, &ran);
            i++;
        }
    }
    g_test_message("%u executed", ran);
    g_assert_cmpuint(ran, >, g_test_failed() ? 0 : count / 2);
    soft_guest_fini(g);
    g_free(g);
    g_rand_free(r);
    munmap(code, CODE_SIZE);
    munmap(memory, SCRATCH);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-vector/host", test_vector);
    return g_test_run();
}
