/*
 * x87 of the software CPU against the processor this test runs on: random
 * stacks, control words and instructions, from registers and from memory.
 *
 * SOFT_TEST_COUNT=N makes it N instructions, SOFT_TEST_SEED=S repeats a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "accel/soft/fpu.h"
#include "tests/unit/soft-guest.h"

enum { DATA = 0x800, SCRATCH = 4096, STATUS = 0x45 };

/* FXSAVE areas beside the code; the guest has the same bytes at its own. */
typedef struct Native {
    uint8_t in[512] __attribute__((aligned(16)));
    uint8_t out[512] __attribute__((aligned(16)));
    uint64_t flags;
} Native;

static uint8_t *code;
static uint8_t *memory; /* at SOFT_GUEST_VA */

static uint8_t *emit(uint8_t *p, const void *b, size_t n)
{
    memcpy(p, b, n);
    return p + n;
}

/* An instruction with [rip + field] as its operand; b: up to ModRM. */
static uint8_t *emit_rip(uint8_t *p, const void *b, size_t n, size_t field)
{
    int32_t disp;

    p = emit(p, b, n);
    disp = code + DATA + field - (p + 4);
    return emit(p, &disp, 4);
}

/* push rbx; mov ebx, memory; fxrstor64; the instruction; fxsave64; fninit */
static void build(const uint8_t *insn, size_t len)
{
    uint32_t va = SOFT_GUEST_VA;
    uint8_t *p = code;

    p = emit(p, "\x53\xbb", 2);
    p = emit(p, &va, 4);
    p = emit(p, "\x31\xc0", 2); /* xor eax,eax: known flags */
    p = emit_rip(p, "\x48\x0f\xae\x0d", 4, offsetof(Native, in));
    p = emit(p, insn, len);
    p = emit_rip(p, "\x48\x0f\xae\x05", 4, offsetof(Native, out));
    p = emit(p, "\x9c", 1);
    p = emit_rip(p, "\x8f\x05", 2, offsetof(Native, flags));
    emit(p, "\xdb\xe3\x5b\xc3", 4);
}

static void make_area(GRand *r, uint8_t *fx)
{
    uint16_t cw = 0x37f;
    uint16_t sw = g_rand_int_range(r, 0, 8) << 11;

    memset(fx, 0, 512);
    /* Any rounding and one of the three precisions. */
    cw = (cw & ~0x300) | (g_rand_int_range(r, 0, 3) ? 0x300 : 0x200) |
         g_rand_int_range(r, 0, 4) << 10;
    memcpy(fx, &cw, 2);
    memcpy(fx + 2, &sw, 2);
    fx[4] = g_rand_int_range(r, 0, 4) ? 0xff : g_rand_int_range(r, 0, 256);
    fx[24] = 0x80;
    fx[25] = 0x1f;
    for (unsigned i = 0; i < 8; i++) {
        long double v = g_rand_double_range(r, -1000, 1000);

        memcpy(fx + 32 + i * 16, &v, 10);
        if (g_rand_int_range(r, 0, 6) == 0) {
            uint64_t mant = (uint64_t)g_rand_int(r) << 32;
            uint16_t exp = g_rand_int(r);

            memcpy(fx + 32 + i * 16, &mant, 8);
            memcpy(fx + 40 + i * 16, &exp, 2);
        }
    }
}

/* One of D8 to DF that the processor executes and that is not control. */
static size_t make_insn(GRand *r, uint8_t *b)
{
    SoftDecoder d = { .mode = 3, .features = ~UINT64_C(0) };

    for (;;) {
        SoftOp op;
        unsigned row = g_rand_int_range(r, 0, 8);
        unsigned reg = g_rand_int_range(r, 0, 8);
        bool mem = g_rand_boolean(r);

        b[0] = 0xd8 + row;
        b[1] = (mem ? 0x43 : 0xc0 | g_rand_int_range(r, 0, 8)) | reg << 3;
        b[2] = g_rand_int_range(r, 0, 64);
        b[3] = 0x90;
        if ((row == 1 && mem && reg >= 4) || (row == 1 && mem && reg == 1) ||
            (row == 5 && mem && reg >= 4) || (row == 3 && !mem && reg == 4) ||
            (row == 3 && mem && (reg == 4 || reg == 6)) ||
            (row == 5 && !mem && (reg == 1 || reg >= 6)) ||
            (row == 7 && !mem && (reg < 4 || reg == 4 || reg == 7)) ||
            (row == 3 && !mem && reg == 7) || (row == 2 && !mem && reg >= 4) ||
            (row == 6 && !mem && (reg == 2 || reg == 3)) ||
            (row == 4 && !mem && (reg == 2 || reg == 3)) ||
            (row == 1 && !mem && (reg == 2 || reg == 3)) ||
            (row == 1 && !mem &&
             (b[1] == 0xe2 || b[1] == 0xe3 || b[1] == 0xe6 || b[1] == 0xe7 ||
              b[1] == 0xef))) {
            continue; /* control, undefined or undocumented */
        }
        if (soft_decode(&d, b, 4, &op) == SOFT_DECODE_OK) {
            return op.len;
        }
    }
}

static void run_guest(SoftGuest *g, const uint8_t *insn, size_t len,
                      const uint8_t *area, const uint8_t *data)
{
    uint8_t b[17];
    SoftCpu *s = g->s;

    memcpy(b, insn, len);
    b[len] = 0xf4;
    soft_guest_poke(g, SOFT_GUEST_PA, data, SCRATCH);
    soft_guest_poke(g, SOFT_GUEST_PA + 0x8000, b, len + 1);
    soft_cpu_store(s);
    soft_guest_long_mode(g);
    soft_x87_from_area(g->x, area);
    g->x->regs[X86_RBX] = SOFT_GUEST_VA;
    g->x->rflags = 0x46; /* as XOR leaves them */
    g->x->rip = SOFT_GUEST_VA + 0x8000;
    g->x->halted = 0;
    soft_cpu_load(s);
    g_assert_cmpint(soft_cpu_run(s, 100), ==, SOFT_EXIT_HALT);
}

static bool same(const uint8_t *host, const uint8_t *here)
{
    if (memcmp(host, here, 5) != 0) {
        return false;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (memcmp(host + 32 + i * 16, here + 32 + i * 16, 10) != 0) {
            return false;
        }
    }
    return true;
}

static void one(SoftGuest *g, GRand *r, uint8_t *data)
{
    Native *n = (Native *)(code + DATA);
    uint8_t here[512] = { 0 };
    uint8_t b[16];
    size_t len = make_insn(r, b);

    make_area(r, n->in);
    for (unsigned i = 0; i < 256; i += 4) {
        uint32_t v = g_rand_int(r);
        float f = g_rand_double_range(r, -1e6, 1e6);

        memcpy(data + i, g_rand_boolean(r) ? (void *)&v : (void *)&f, 4);
    }
    memcpy(memory, data, SCRATCH);
    build(b, len);
    ((void (*)(void))(uintptr_t)code)();
    run_guest(g, b, len, n->in, data);
    soft_x87_to_area(g->x, here);
    address_space_read(&g->mem.memory, SOFT_GUEST_PA, data, SCRATCH);
    if (!same(n->out, here) || memcmp(data, memory, SCRATCH) != 0 ||
        ((n->flags ^ soft_flags(g->s)) & STATUS)) {
        g_test_message("%02x %02x %02x: host %02x%02x %02x%02x tags %02x, "
                       "here %02x%02x %02x%02x tags %02x",
                       b[0], b[1], b[2], n->out[1], n->out[0], n->out[3],
                       n->out[2], n->out[4], here[1], here[0], here[3], here[2],
                       here[4]);
        g_test_fail();
    }
}

static uint64_t env_u64(const char *name, uint64_t dflt)
{
    const char *v = g_getenv(name);

    return v ? g_ascii_strtoull(v, NULL, 0) : dflt;
}

static void test_x87(void)
{
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 20000);
    g_autofree uint8_t *data = g_malloc0(SCRATCH);
    GRand *r = g_rand_new_with_seed(seed);
    SoftGuest *g = g_new0(SoftGuest, 1);

    g_test_message("seed %" PRIu64, seed);
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory =
        mmap((void *)(uintptr_t)SOFT_GUEST_VA, SCRATCH, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert_true(code != MAP_FAILED && memory != MAP_FAILED);
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
    g_test_add_func("/soft-x87/host", test_x87);
    return g_test_run();
}
