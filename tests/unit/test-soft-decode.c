/*
 * The software CPU's decoder against capstone: random bytes must be taken or
 * refused alike, have the same length and the same memory operand.
 *
 * SOFT_TEST_COUNT=N makes it N byte strings per mode, SOFT_TEST_SEED=S
 * repeats a run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <capstone/capstone.h>

#include "accel/soft/op.h"
#include "target/i386/cpu.h"

static uint64_t env_u64(const char *name, uint64_t dflt)
{
    const char *v = g_getenv(name);

    return v ? g_ascii_strtoull(v, NULL, 0) : dflt;
}

/* A byte string that often is an instruction: prefixes, map, the rest. */
static void make_bytes(GRand *r, unsigned mode, uint8_t *b)
{
    static const uint8_t prefix[] = { 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x64,
                                      0x48, 0x41, 0x66, 0xf3, 0x4d };
    unsigned n = 0;

    for (unsigned i = 0; i < 15; i++) {
        b[i] = g_rand_int(r);
    }
    while (g_rand_int_range(r, 0, 3) == 0 && n < 3) {
        uint8_t p = prefix[g_rand_int_range(r, 0, G_N_ELEMENTS(prefix))];

        if (mode == 3 || (p & 0xf0) != 0x40) {
            b[n++] = p;
        }
    }
    switch (g_rand_int_range(r, 0, 6)) {
    case 0:
    case 1:
        b[n] = 0x0f;
        break;
    case 2:
        b[n] = 0x0f;
        b[n + 1] = g_rand_boolean(r) ? 0x38 : 0x3a;
        break;
    case 3:
        if (mode == 3 && n == 0) {
            b[0] = g_rand_boolean(r) ? 0xc4 : 0xc5;
            b[1] =
                b[0] == 0xc4 ? (b[1] & 0xe0) | g_rand_int_range(r, 1, 4) : b[1];
        }
        break;
    default:
        break;
    }
}

static unsigned cs_base(unsigned off, unsigned asize)
{
    static const unsigned r64[] = {
        X86_REG_RAX, X86_REG_RCX,     X86_REG_RDX, X86_REG_RBX, X86_REG_RSP,
        X86_REG_RBP, X86_REG_RSI,     X86_REG_RDI, X86_REG_R8,  X86_REG_R9,
        X86_REG_R10, X86_REG_R11,     X86_REG_R12, X86_REG_R13, X86_REG_R14,
        X86_REG_R15, X86_REG_INVALID, X86_REG_RIP,
    };
    static const unsigned r32[] = {
        X86_REG_EAX,  X86_REG_ECX,     X86_REG_EDX,  X86_REG_EBX,  X86_REG_ESP,
        X86_REG_EBP,  X86_REG_ESI,     X86_REG_EDI,  X86_REG_R8D,  X86_REG_R9D,
        X86_REG_R10D, X86_REG_R11D,    X86_REG_R12D, X86_REG_R13D, X86_REG_R14D,
        X86_REG_R15D, X86_REG_INVALID, X86_REG_EIP,
    };
    static const unsigned r16[] = {
        X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX,
        X86_REG_SP, X86_REG_BP, X86_REG_SI, X86_REG_DI,
    };

    if (asize == 1) {
        return off / 8 < 8 ? r16[off / 8] : X86_REG_INVALID;
    }
    return asize == 3 ? r64[off / 8] : r32[off / 8];
}

static bool is_zero_index(unsigned reg)
{
    return reg == X86_REG_INVALID || reg == X86_REG_EIZ || reg == X86_REG_RIZ;
}

/* Same base, index, scale and displacement? */
static bool same_memory(const SoftOp *op, const cs_x86 *x)
{
    const x86_op_mem *m = NULL;

    if (!(op->flags & OPF_MEM) || op->desc->op[1] == O_Vsib || op->map == 1) {
        if (!(op->flags & OPF_MEM) || op->base == SOFT_ZERO * 8) {
            return true;
        }
    }
    if (op->desc->op[1] == O_Vsib) {
        return true;
    }
    for (unsigned i = 0; i < x->op_count; i++) {
        if (x->operands[i].type == X86_OP_MEM) {
            m = &x->operands[i].mem;
        }
    }
    if (!m) {
        return true;
    }
    if (m->base != cs_base(op->base, op->asize)) {
        return false;
    }
    if (op->index == SOFT_ZERO * 8
            ? !is_zero_index(m->index)
            : m->index != cs_base(op->index, op->asize)) {
        return false;
    }
    if (op->index != SOFT_ZERO * 8 && m->scale != 1 << op->scale) {
        return false;
    }
    return (int32_t)m->disp == op->disp ||
           (op->asize == 1 && (uint16_t)m->disp == (uint16_t)op->disp);
}

typedef struct Tally {
    unsigned both, neither, only_us, only_cs, length, memory;
} Tally;

static void show(const char *what, const uint8_t *b, const SoftOp *op,
                 const cs_insn *ci)
{
    g_autoptr(GString) s = g_string_new(NULL);

    for (unsigned i = 0; i < 15; i++) {
        g_string_append_printf(s, "%02x ", b[i]);
    }
    g_test_message("%s: %s: %s len %u; capstone: %s %s len %u", what, s->str,
                   op ? insn_names[op->id] : "-", op ? op->len : 0,
                   ci ? ci->mnemonic : "-", ci ? ci->op_str : "",
                   ci ? ci->size : 0);
}

/* Does 66 stand before a REP or REX prefix?  Capstone forgets it then. */
static bool mixed_prefixes(const uint8_t *b)
{
    bool size = false;
    bool other = false;

    for (unsigned i = 0; i < 14; i++) {
        size = size || b[i] == 0x66;
        other = other || b[i] == 0xf2 || b[i] == 0xf3 || (b[i] & 0xf0) == 0x40;
        if (b[i] != 0x66 && b[i] != 0x67 && b[i] != 0xf2 && b[i] != 0xf3 &&
            b[i] != 0x2e && b[i] != 0x64 && (b[i] & 0xf0) != 0x40) {
            break;
        }
    }
    return size && other;
}

/*
 * Where capstone 4 and the manual differ: UD0 and UD1 have a ModRM byte,
 * RET's immediate does not grow with REX.W, and Intel's processors ignore
 * the operand size prefix of near branches in 64-bit mode, AMD's don't.
 */
static bool length_differs(const SoftOp *op, const uint8_t *b)
{
    return op->id == INSN_UD || op->id == INSN_RET || op->id == INSN_RETF ||
           mixed_prefixes(b) ||
           ((op->desc->flags & DF_F64) && op->desc->op[0] == O_Jz &&
            op->size == 3);
}

static void compare(const uint8_t *b, const SoftOp *op, const cs_insn *ci,
                    Tally *t)
{
    if (!op || !ci) {
        *(op ? &t->only_us : ci ? &t->only_cs : &t->neither) += 1;
        if (g_getenv("SOFT_TEST_SHOW") && (op || ci)) {
            show("one", b, op, ci);
        }
        return;
    }
    t->both++;
    if (op->len != ci->size && length_differs(op, b)) {
        t->neither++;
    } else if (op->len != ci->size) {
        t->length++;
        show("length", b, op, ci);
    } else if (!same_memory(op, &ci->detail->x86)) {
        t->memory++;
        show("memory", b, op, ci);
    }
}

static void run_mode(unsigned mode)
{
    static const cs_mode modes[] = { 0, CS_MODE_16, CS_MODE_32, CS_MODE_64 };
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 30000);
    SoftDecoder d = { .mode = mode, .features = ~UINT64_C(0) };
    GRand *r = g_rand_new_with_seed(seed);
    Tally t = { 0 };
    csh cs;

    g_test_message("seed %" PRIu64, seed);
    g_assert_cmpint(cs_open(CS_ARCH_X86, modes[mode], &cs), ==, CS_ERR_OK);
    cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t b[16] = { 0 };
        SoftOp op;
        cs_insn *ci = NULL;
        bool ok;
        size_t n;

        make_bytes(r, mode, b);
        ok = soft_decode(&d, b, 15, &op) == SOFT_DECODE_OK;
        n = cs_disasm(cs, b, 15, 0x1000, 1, &ci);
        compare(b, ok ? &op : NULL, n ? ci : NULL, &t);
        if (n) {
            cs_free(ci, n);
        }
    }
    cs_close(&cs);
    g_rand_free(r);
    g_test_message("both %u, neither %u, only here %u, only capstone %u, "
                   "length %u, memory %u",
                   t.both, t.neither, t.only_us, t.only_cs, t.length, t.memory);
    g_assert_cmpuint(t.both, >, count / 4);
    g_assert_cmpuint(t.length, ==, 0);
    g_assert_cmpuint(t.memory, ==, 0);
}

static void test_16(void)
{
    run_mode(1);
}

static void test_32(void)
{
    run_mode(2);
}

static void test_64(void)
{
    run_mode(3);
}

/* What is cut off asks for more, whatever the length. */
static void test_truncated(void)
{
    static const uint8_t b[] = { 0x66, 0x48, 0xc7, 0x84, 0x8b, 1, 2,
                                 3,    4,    5,    6,    7,    8 };
    SoftDecoder d = { .mode = 3, .features = ~UINT64_C(0) };
    SoftOp op;

    for (size_t n = 0; n < sizeof(b); n++) {
        g_assert_cmpint(soft_decode(&d, b, n, &op), ==, SOFT_DECODE_MORE);
    }
    g_assert_cmpint(soft_decode(&d, b, sizeof(b), &op), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(op.len, ==, sizeof(b));
    g_assert_cmpint(op.imm, ==, 0x08070605);
}

static void test_too_long(void)
{
    uint8_t b[16];
    SoftDecoder d = { .mode = 2, .features = ~UINT64_C(0) };
    SoftOp op;

    memset(b, 0x66, sizeof(b));
    b[15] = 0x90;
    g_assert_cmpint(soft_decode(&d, b, 16, &op), ==, SOFT_DECODE_LONG);
    b[14] = 0x90;
    g_assert_cmpint(soft_decode(&d, b, 15, &op), ==, SOFT_DECODE_OK);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-decode/16", test_16);
    g_test_add_func("/soft-decode/32", test_32);
    g_test_add_func("/soft-decode/64", test_64);
    g_test_add_func("/soft-decode/truncated", test_truncated);
    g_test_add_func("/soft-decode/too-long", test_too_long);
    return g_test_run();
}
