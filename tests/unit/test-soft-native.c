/*
 * The software CPU against the processor this test runs on: random
 * instructions with random operands, results and defined flags compared.
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
#include "tests/unit/soft-insns.h"

enum { DATA = 0x800, INSN_ROOM = 16, SCRATCH = 4096 };

/* What the native code reads and writes, beside it in its page. */
typedef struct Native {
    uint64_t in[16], out[16];
    uint64_t flags_in, flags_out;
    uint64_t rsp;
} Native;

static uint8_t *code;   /* executable page */
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

/* op reg, [rip + field] with REX.W. */
static uint8_t *emit_rip(uint8_t *p, uint8_t op, unsigned reg, size_t field)
{
    int32_t disp;

    *p++ = 0x48 | (reg & 8 ? 4 : 0);
    *p++ = op;
    *p++ = 5 | (reg & 7) << 3;
    disp = code + DATA + field - (p + 4);
    return emit(p, &disp, 4);
}

static void build(const uint8_t *insn, size_t len)
{
    uint8_t *p = code;

    p = emit(p, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10);
    p = emit_rip(p, 0x89, X86_RSP, offsetof(Native, rsp));
    p = emit_rip(p, 0x8b, X86_RAX, offsetof(Native, flags_in));
    p = emit(p, "\x50\x9d", 2); /* push rax; popfq */
    for (unsigned i = 0; i < 16; i++) {
        p = emit_rip(p, 0x8b, i, offsetof(Native, in) + i * 8);
    }
    p = emit(p, insn, len);
    for (unsigned i = 0; i < 16; i++) {
        p = emit_rip(p, 0x89, i, offsetof(Native, out) + i * 8);
    }
    p = emit_rip(p, 0x8b, X86_RSP, offsetof(Native, rsp));
    p = emit(p, "\x9c\x58", 2); /* pushfq; pop rax */
    p = emit_rip(p, 0x89, X86_RAX, offsetof(Native, flags_out));
    emit(p, "\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

/* False: it trapped. */
static bool run_native(void)
{
    if (sigsetjmp(trap, 1)) {
        return false;
    }
    ((void (*)(void))(uintptr_t)code)();
    return true;
}

static bool run_guest(SoftGuest *g, const uint8_t *insn, size_t len,
                      const Native *n, const uint8_t *data)
{
    uint8_t b[INSN_ROOM + 1];
    SoftCpu *s = g->s;

    memcpy(b, insn, len);
    b[len] = 0xf4;
    soft_guest_poke(g, SOFT_GUEST_PA, data, SCRATCH);
    soft_guest_poke(g, SOFT_GUEST_PA + 0x8000, b, len + 1);
    soft_cpu_store(s);
    soft_guest_long_mode(g);
    memcpy(g->x->regs, n->in, sizeof(n->in));
    g->x->rflags = n->flags_in | 2;
    g->x->rip = SOFT_GUEST_VA + 0x8000;
    g->x->halted = 0;
    soft_cpu_load(s);
    return soft_cpu_run(s, 100) == SOFT_EXIT_HALT;
}

static bool wants_memory(const SoftInsn *k)
{
    return k->op[0] == 0x8d;
}

/* The instruction's bytes; memory is at [rbx + disp8]. */
static size_t make(GRand *r, const SoftInsn *k, uint8_t *b, bool *ret_mem)
{
    size_t n = 0;
    bool o16 = !k->byte && g_rand_int_range(r, 0, 4) == 0;
    bool w = !k->byte && g_rand_boolean(r);
    bool mem = !k->reg_only && (wants_memory(k) || g_rand_boolean(r));
    uint8_t reg = k->digit >= 0 ? k->digit : g_rand_int_range(r, 0, 8);
    unsigned bytes;

    if (o16) {
        b[n++] = 0x66;
    }
    if (k->prefix) {
        b[n++] = k->prefix;
    }
    if (w || g_rand_boolean(r)) {
        b[n++] = 0x40 | (w ? 8 : 0) |
                 (k->digit < 0 && g_rand_boolean(r) ? 4 : 0) |
                 (!mem && g_rand_boolean(r) ? 1 : 0);
    }
    n = emit(b + n, k->op, k->nop) - b;
    *ret_mem = mem && k->digit != -2;
    if (k->digit == -2) {
        return n;
    }
    b[n++] =
        mem ? 0x43 | reg << 3 : 0xc0 | reg << 3 | g_rand_int_range(r, 0, 8);
    if (mem) {
        b[n++] = g_rand_int_range(r, 0, 128);
    }
    bytes = k->imm == 4 ? (w ? 4 : o16 ? 2 : 4) : k->imm;
    for (unsigned i = 0; i < bytes; i++) {
        b[n++] = g_rand_int(r);
    }
    return n;
}

static uint64_t make_value(GRand *r)
{
    static const uint64_t odd[] = { 0,          1,          0x7f,
                                    0x80,       0xff,       0x7fff,
                                    0x8000,     0x7fffffff, 0x80000000,
                                    0xffffffff, INT64_MAX,  UINT64_C(1) << 63,
                                    UINT64_MAX };

    if (g_rand_int_range(r, 0, 3) == 0) {
        return odd[g_rand_int_range(r, 0, G_N_ELEMENTS(odd))];
    }
    return (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
}

static void fail(const uint8_t *b, size_t len, const Native *n,
                 const SoftCpu *s, const char *what)
{
    g_autoptr(GString) t = g_string_new(what);

    g_string_append(t, ":");
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(t, " %02x", b[i]);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (n->out[i] != s->gpr[i] || n->in[i] != n->out[i]) {
            g_string_append_printf(t,
                                   "\n  r%u %" PRIx64 " -> host %" PRIx64
                                   " here %" PRIx64,
                                   i, n->in[i], n->out[i], s->gpr[i]);
        }
    }
    g_string_append_printf(t, "\n  flags %" PRIx64 " -> %" PRIx64 " %" PRIx64,
                           n->flags_in, n->flags_out, soft_flags(s));
    g_test_message("%s", t->str);
    g_test_fail();
}

/* Flags that the manual defines after this one, for its operands. */
static uint32_t defined(const SoftInsn *k)
{
    uint32_t undef = k->undef;
    uint8_t op = k->op[0];

    if ((op >= 0x08 && op < 0x10) || (op >= 0x20 && op < 0x28) ||
        (op >= 0x30 && op < 0x38)) {
        undef |= LOGIC_UNDEF;
    }
    return STATUS & ~undef;
}

/* 16-bit SHLD and SHRD by more than 16: result and flags undefined. */
static bool skip(const SoftInsn *k, const uint8_t *b, size_t len)
{
    bool shxd = k->op[0] == 0x0f && (k->op[1] == 0xa4 || k->op[1] == 0xac);
    bool o16 = b[0] == 0x66;

    return shxd && o16 && (b[len - 1] & 31) > 16;
}

static void one(SoftGuest *g, GRand *r, uint8_t *data)
{
    const SoftInsn *k =
        &soft_insns[g_rand_int_range(r, 0, G_N_ELEMENTS(soft_insns))];
    Native *n = (Native *)(code + DATA);
    uint8_t b[INSN_ROOM];
    bool mem;
    size_t len = make(r, k, b, &mem);
    bool nat;
    bool soft;
    uint32_t mask;

    if (skip(k, b, len)) {
        return;
    }
    for (unsigned i = 0; i < 16; i++) {
        n->in[i] = make_value(r);
    }
    for (unsigned i = 0; i < 256; i += 8) {
        uint64_t v = make_value(r);

        memcpy(data + i, &v, 8);
    }
    if (mem) {
        n->in[X86_RBX] = SOFT_GUEST_VA;
    }
    n->flags_in = (g_rand_int(r) & STATUS) | 0x202;
    memcpy(memory, data, SCRATCH);
    build(b, len);
    nat = run_native();
    n->flags_in &= ~UINT64_C(0x200);
    soft = run_guest(g, b, len, n, data);
    if (nat != soft) {
        fail(b, len, n, g->s, nat ? "trapped here only" : "trapped there only");
        return;
    }
    if (!nat) {
        return;
    }
    mask = defined(k);
    address_space_read(&g->mem.memory, SOFT_GUEST_PA, data, SCRATCH);
    if (memcmp(n->out, g->s->gpr, sizeof(n->out)) != 0 ||
        ((n->flags_out ^ soft_flags(g->s)) & mask)) {
        fail(b, len, n, g->s, "differs");
    } else if (memcmp(data, memory, SCRATCH) != 0) {
        fail(b, len, n, g->s, "memory differs");
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

    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
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
}

static void test_integer(void)
{
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 20000);
    g_autofree uint8_t *data = g_malloc0(SCRATCH);
    GRand *r = g_rand_new_with_seed(seed);
    SoftGuest *g;

    /* LZCNT, TZCNT and CRC32 are among the instructions. */
    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("sse4.2")) {
        g_test_skip("this host has no BMI1 or no SSE4.2");
        g_rand_free(r);
        return;
    }
    g = g_new0(SoftGuest, 1);
    g_test_message("seed %" PRIu64, seed);
    setup_native();
    soft_guest_init(g);
    for (uint64_t i = 0; i < count && !g_test_failed(); i++) {
        one(g, r, data);
    }
    soft_guest_fini(g);
    g_free(g);
    g_rand_free(r);
    munmap(code, 4096);
    munmap(memory, SCRATCH);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-native/integer", test_integer);
    return g_test_run();
}
