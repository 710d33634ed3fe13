/*
 * Host code for vector and x87 instructions: there is room for all of it at
 * once, or a guest could turn a valid instruction into an invalid one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "accel/soft/op.h"

/* One encoding: what is put before ModRM. */
typedef struct Form {
    unsigned map, opcode, pp;
    bool vex, w, l;
} Form;

static size_t put_opcode(uint8_t *b, const Form *f)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    size_t n = 0;

    if (f->vex) {
        b[n++] = 0xc4;
        b[n++] = 0xe0 | (f->map - 1);
        b[n++] = (f->w ? 0x80 : 0) | 0x78 | (f->l ? 4 : 0) | f->pp;
    } else {
        if (f->pp) {
            b[n++] = prefix[f->pp];
        }
        if (f->w) {
            b[n++] = 0x48;
        }
        b[n++] = 0x0f;
        if (f->map > 2) {
            b[n++] = f->map == 3 ? 0x38 : 0x3a;
        }
    }
    b[n++] = f->opcode;
    return n;
}

/* With every immediate that makes a difference; returns how many did. */
static unsigned ask_immediates(struct SoftStubs *st, const SoftDecoder *d,
                               uint8_t *b, size_t n)
{
    void *last = NULL;
    unsigned differ = 0;

    for (unsigned imm = 0; imm < 256; imm++) {
        SoftOp op = { 0 };
        void *code;

        b[n] = imm;
        if (soft_decode(d, b, 15, &op) != SOFT_DECODE_OK || op.id != INSN_VEC) {
            break;
        }
        code = soft_stub_vector(st, &op);
        if (!code) {
            g_test_message("map %u opcode 0x%02x immediate 0x%02x", op.map,
                           op.opcode, imm);
            g_assert_nonnull(code);
        }
        differ += code != last;
        last = code;
        if (imm == 1 && differ == 1) {
            break; /* no immediate */
        }
    }
    return differ;
}

static unsigned ask_form(struct SoftStubs *st, const SoftDecoder *d,
                         const Form *f)
{
    unsigned n = 0;

    for (unsigned modrm = 0; modrm < 64; modrm += 8) {
        for (unsigned reg = 0; reg < 2; reg++) {
            uint8_t b[16] = { 0 };
            size_t len = put_opcode(b, f);

            b[len++] = modrm | (reg ? 0xc0 : 0);
            n += ask_immediates(st, d, b, len);
        }
    }
    return n;
}

static unsigned ask_vector(struct SoftStubs *st, const SoftDecoder *d)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 3 * 256 * 4 * 8; i++) {
        Form f = {
            .map = 2 + i / 8192,
            .opcode = i / 32 % 256,
            .pp = i / 8 % 4,
            .vex = i & 1,
            .w = i & 2,
            .l = i & 4,
        };

        if (f.vex || !f.l) {
            n += ask_form(st, d, &f);
        }
    }
    return n;
}

static unsigned ask_x87(struct SoftStubs *st, const SoftDecoder *d)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 8 * 256; i++) {
        uint8_t b[16] = { 0xd8 + i / 256, i % 256 };
        SoftOp op = { 0 };

        if (soft_decode(d, b, 15, &op) == SOFT_DECODE_OK && op.id == INSN_X87) {
            g_assert_nonnull(soft_stub_x87(st, &op));
            n++;
        }
    }
    return n;
}

static void test_all_at_once(void)
{
    const SoftDecoder d = { .mode = 3, .features = UINT64_MAX };
    g_autoptr(GError) err = NULL;
    struct SoftStubs *st = soft_stubs_new(&err);
    unsigned vector;
    unsigned x87;

    g_assert_no_error(err);
    vector = ask_vector(st, &d);
    x87 = ask_x87(st, &d);
    g_test_message("%u of vector instructions, %u of x87", vector, x87);
    g_assert_cmpuint(vector, >, 35000);
    g_assert_cmpuint(x87, >, 1000);
    soft_stubs_free(st);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-stub/all-at-once", test_all_at_once);
    return g_test_run();
}
