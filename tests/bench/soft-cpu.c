/*
 * Speed of the software CPU: the same functions in a guest, interpreted and
 * as generated code, and on the host.
 *
 * The functions are this program's own: the pages of their section are copied
 * into the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-guest.h"

#ifdef __clang__
#define GUEST \
    __attribute__((section("guest_code"), noinline, used, no_stack_protector))
#else
#define GUEST                                                                 \
    __attribute__((section("guest_code"), noinline, used, no_stack_protector, \
                   optimize("no-tree-loop-distribute-"                        \
                            "patterns")))
#endif

enum {
    DATA = 0x20000, /* of Work, from SOFT_GUEST_VA */
    CODE = 0x8000,
    FUNCTIONS = 0x10000,
    STACK = 0xf000,
    COPY_WORDS = 2048,
};

/* What a function works on. */
typedef struct Work {
    uint64_t rounds, result;
    uint32_t k[64], state[8], w[16];
    double x[64], y[64], factor;
    uint64_t from[COPY_WORDS], to[COPY_WORDS];
} Work;

GUEST static void guest_integer(Work *w)
{
    uint64_t a = 1;
    uint64_t b = 0;

    for (uint64_t i = 0; i < w->rounds; i++) {
        a ^= a << 13;
        a ^= a >> 7;
        a ^= a << 17;
        b += a & 1 ? i : b >> 3;
    }
    w->result = a + b;
}

GUEST static void guest_copy(Work *w)
{
    for (uint64_t i = 0; i < w->rounds; i++) {
        for (unsigned k = 0; k < COPY_WORDS; k++) {
            w->to[k] = w->from[k];
        }
        __asm__ volatile("" ::: "memory");
    }
}

GUEST static void guest_rep_copy(Work *w)
{
    for (uint64_t i = 0; i < w->rounds; i++) {
        void *d = w->to;
        void *s = w->from;
        uint64_t n = sizeof(w->to);

        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    }
}

static inline __attribute__((always_inline)) uint32_t ror(uint32_t v,
                                                          unsigned n)
{
    return v >> n | v << (32 - n);
}

GUEST static void guest_sha256(Work *w)
{
    uint32_t m[64];

    for (uint64_t round = 0; round < w->rounds; round++) {
        uint32_t s[8];

        for (unsigned i = 0; i < 8; i++) {
            s[i] = w->state[i];
        }
        for (unsigned i = 0; i < 64; i++) {
            uint32_t t1;
            uint32_t t2;

            if (i < 16) {
                m[i] = w->w[i] + round;
            } else {
                uint32_t a = m[i - 15];
                uint32_t b = m[i - 2];

                m[i] = m[i - 16] + m[i - 7] +
                       (ror(a, 7) ^ ror(a, 18) ^ a >> 3) +
                       (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
            }
            t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) +
                 ((s[4] & s[5]) ^ (~s[4] & s[6])) + w->k[i] + m[i];
            t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) +
                 ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s[7] = s[6];
            s[6] = s[5];
            s[5] = s[4];
            s[4] = s[3] + t1;
            s[3] = s[2];
            s[2] = s[1];
            s[1] = s[0];
            s[0] = t1 + t2;
        }
        for (unsigned i = 0; i < 8; i++) {
            w->state[i] += s[i];
        }
    }
    w->result = w->state[0];
}

GUEST static void guest_double(Work *w)
{
    double sum = w->factor;

    for (uint64_t i = 0; i < w->rounds; i++) {
        for (unsigned k = 0; k < 64; k++) {
            sum = sum * w->factor + w->x[k] / w->y[k];
        }
    }
    memcpy(&w->result, &sum, 8);
}

/* Calls and returns through a pointer, as interpreters do. */
GUEST static uint64_t leaf(uint64_t v)
{
    return v * 3 + 1;
}

GUEST static void guest_calls(Work *w)
{
    uint64_t (*volatile f)(uint64_t) = leaf;
    uint64_t v = 0;

    for (uint64_t i = 0; i < w->rounds; i++) {
        v += f(v) ^ i;
    }
    w->result = v;
}

extern const char __start_guest_code[], __stop_guest_code[];

static void make_work(Work *w, uint64_t rounds)
{
    memset(w, 0, sizeof(*w));
    w->rounds = rounds;
    w->factor = 0.4999;
    for (unsigned i = 0; i < 64; i++) {
        w->k[i] = i * 0x9e3779b9;
        w->x[i] = i + 0.5;
        w->y[i] = i + 1;
    }
    for (unsigned i = 0; i < COPY_WORDS; i++) {
        w->from[i] = i;
    }
}

typedef void Function(Work *w);

/* Seconds; insns: executed. */
static double in_guest(Function *f, uint64_t rounds, uint32_t gen_after,
                       uint64_t *ret_result, uint64_t *ret_insns)
{
    /* mov rax, imm64; call rax; hlt */
    uint8_t call[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0xf4 };
    uintptr_t base = (uintptr_t)__start_guest_code & ~(uintptr_t)0xfff;
    size_t n = (uintptr_t)__stop_guest_code - base;
    uint64_t to = SOFT_GUEST_VA + FUNCTIONS + ((uintptr_t)f - base);
    g_autofree Work *w = g_new0(Work, 1);
    SoftGuest *g = g_new0(SoftGuest, 1);
    int64_t start;
    double secs;

    soft_guest_init(g);
    g->vm->gen_after = gen_after;
    make_work(w, rounds);
    memcpy(call + 2, &to, 8);
    g_assert_cmpuint(n, <, DATA - FUNCTIONS);
    soft_guest_poke(g, SOFT_GUEST_PA + FUNCTIONS, (void *)base, n);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, call, sizeof(call));
    soft_guest_poke(g, SOFT_GUEST_PA + DATA, w, sizeof(*w));
    g->x->regs[X86_RDI] = SOFT_GUEST_VA + DATA;
    g->x->regs[X86_RSP] = SOFT_GUEST_VA + STACK;
    g->x->rip = SOFT_GUEST_VA + CODE;
    g->x->rflags = 2;
    g->x->mxcsr = 0x1f80;
    soft_cpu_load(g->s);
    start = g_get_monotonic_time();
    while (soft_cpu_run(g->s, 10000000) == SOFT_EXIT_AGAIN) {
    }
    secs = (g_get_monotonic_time() - start) / 1e6;
    *ret_insns = g->s->ninsns;
    address_space_read(&g->mem.memory, SOFT_GUEST_PA + DATA, w, sizeof(*w));
    *ret_result = w->result;
    soft_guest_fini(g);
    g_free(g);
    return secs;
}

static void measure(const char *name, Function *f, uint64_t rounds)
{
    g_autofree Work *w = g_new0(Work, 1);
    int64_t start;
    double host;
    double interp;
    double gen;
    uint64_t result[2];
    uint64_t insns[2];

    make_work(w, rounds);
    start = g_get_monotonic_time();
    f(w);
    host = (g_get_monotonic_time() - start) / 1e6;
    interp = in_guest(f, rounds / 8, 0, &result[0], &insns[0]) * 8;
    gen = in_guest(f, rounds, SOFT_GEN_AFTER, &result[1], &insns[1]);
    g_assert_cmphex(result[1], ==, w->result);
    g_print("%-10s %8.3f s host  %8.0f MIPS interpreted  %8.0f MIPS "
            "generated  %6.1f x host\n",
            name, host, insns[1] / interp / 1e6, insns[1] / gen / 1e6,
            gen / host);
}

int main(int argc, char **argv)
{
    measure("integer", guest_integer, 20000000);
    measure("copy", guest_copy, 10000);
    measure("rep-copy", guest_rep_copy, 20000);
    measure("sha256", guest_sha256, 40000);
    measure("double", guest_double, 400000);
    measure("calls", guest_calls, 10000000);
    return 0;
}
