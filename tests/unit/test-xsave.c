/*
 * Unit test: the XSAVE area, there and back, in the layouts of both vendors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "target/i386/xsave.h"
#include "util/bswap.h"

/* AMD's processors leave no room for MPX: CPUID leaf 0xd of a Zen 4. */
static void zen_leaf_d(void *opaque, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    static const struct {
        uint32_t size, offset;
    } at[10] = {
        [2] = { 0x100, 0x240 }, [5] = { 0x40, 0x340 }, [6] = { 0x200, 0x380 },
        [7] = { 0x400, 0x580 }, [9] = { 8, 0x980 },
    };

    memset(r, 0, 4 * sizeof(r[0]));
    if (sub < G_N_ELEMENTS(at)) {
        r[0] = at[sub].size;
        r[1] = at[sub].offset;
    }
}

static void bad_leaf_d(void *opaque, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    r[0] = sub == 2 ? 16 : 0xffffffff; /* too small, too large */
    r[1] = 0xffffff00;
    r[2] = r[3] = 0;
}

static void fill(X86Cpu *c)
{
    for (unsigned i = 0; i < 32; i++) {
        for (unsigned j = 0; j < 64; j++) {
            c->vec[i].b[j] = i * 7 + j + 1;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        c->opmask[i] = 0x1111 * (i + 1);
        c->fpregs[i] = (X86FpReg){ 0x8000000000000000 + i, 0x4000 + i };
    }
    c->fpuc = 0x27f;
    c->fpus = 0x1234;
    c->fptag = 0x5a;
    c->fpop = 0x123;
    c->fpip = 0x1122334455667788;
    c->fpdp = 0x99aabbccddeeff00;
    c->mxcsr = 0x1fc0;
    c->pkru = 0x55555554;
}

static void round_trip(const X86XsaveLayout *l)
{
    g_autofree X86Cpu *a = g_new0(X86Cpu, 1);
    g_autofree X86Cpu *b = g_new0(X86Cpu, 1);
    g_autofree uint8_t *area = g_malloc(l->total);

    fill(a);
    x86_xsave_store(a, l, area, l->total);
    g_assert_cmphex(ldq_le_p(area + 512), ==, 0x2e7);
    x86_xsave_load(b, l, area, l->total);
    g_assert_cmpmem(a->vec, sizeof(a->vec), b->vec, sizeof(b->vec));
    g_assert_cmpmem(a->opmask, sizeof(a->opmask), b->opmask, sizeof(b->opmask));
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(a->fpregs[i].mant, ==, b->fpregs[i].mant);
        g_assert_cmphex(a->fpregs[i].exp, ==, b->fpregs[i].exp);
    }
    g_assert_cmphex(b->fpuc, ==, 0x27f);
    g_assert_cmphex(b->fpus, ==, 0x1234);
    g_assert_cmphex(b->fptag, ==, 0x5a);
    g_assert_cmphex(b->fpop, ==, 0x123);
    g_assert_cmphex(b->fpip, ==, 0x1122334455667788);
    g_assert_cmphex(b->fpdp, ==, 0x99aabbccddeeff00);
    g_assert_cmphex(b->mxcsr, ==, 0x1fc0);
    g_assert_cmphex(b->pkru, ==, 0x55555554);
    g_assert_cmphex(b->xstate_bv, ==, 0x2e7);
}

static void test_layouts(void)
{
    X86XsaveLayout l;

    x86_xsave_layout_default(&l, 0x2e7);
    g_assert_cmpint(l.total, ==, 2696);
    g_assert_cmpint(l.offset[7], ==, 1664);
    round_trip(&l);
    x86_xsave_layout_init(&l, 0x2e7, zen_leaf_d, NULL);
    g_assert_cmpint(l.total, ==, 0x988);
    round_trip(&l);
}

/* From one vendor's layout to the other's, as a migration does it. */
static void test_between(void)
{
    g_autofree X86Cpu *a = g_new0(X86Cpu, 1);
    g_autofree X86Cpu *b = g_new0(X86Cpu, 1);
    X86XsaveLayout intel, amd;
    uint8_t one[4096], two[4096];

    x86_xsave_layout_default(&intel, 0xe7);
    x86_xsave_layout_init(&amd, 0xe7, zen_leaf_d, NULL);
    fill(a);
    a->pkru = 0;
    x86_xsave_store(a, &intel, one, sizeof(one));
    x86_xsave_load(b, &intel, one, sizeof(one));
    x86_xsave_store(b, &amd, two, sizeof(two));
    x86_xsave_load(b, &amd, two, sizeof(two));
    g_assert_cmpmem(a->vec, sizeof(a->vec), b->vec, sizeof(b->vec));
    g_assert_cmpmem(two + 0x380, 32, &a->vec[0].b[32], 32);
}

/* A clear bit means the initial state, whatever bytes are in the area. */
static void test_initial(void)
{
    g_autofree X86Cpu *c = g_new0(X86Cpu, 1);
    X86XsaveLayout l;
    uint8_t area[4096];

    x86_xsave_layout_default(&l, 0xe7);
    memset(area, 0xa5, sizeof(area));
    memset(area + 512, 0, 64);
    fill(c);
    x86_xsave_load(c, &l, area, sizeof(area));
    g_assert_cmphex(c->fpuc, ==, 0x37f);
    g_assert_cmphex(c->mxcsr, ==, 0x1f80);
    g_assert_cmphex(c->vec[0].q[0], ==, 0);
    g_assert_cmphex(c->vec[31].q[7], ==, 0);
    g_assert_cmphex(c->opmask[1], ==, 0);
    /* And an initial state has no bit. */
    x86_xsave_store(c, &l, area, sizeof(area));
    g_assert_cmphex(ldq_le_p(area + 512), ==, 0);
    /* MXCSR comes with AVX, too. */
    stq_le_p(area + 512, 4);
    stl_le_p(area + 24, 0x1fa0);
    x86_xsave_load(c, &l, area, sizeof(area));
    g_assert_cmphex(c->mxcsr, ==, 0x1fa0);
}

/* A short area, and answers of CPUID that make no sense. */
static void test_bounds(void)
{
    g_autofree X86Cpu *c = g_new0(X86Cpu, 1);
    g_autofree uint8_t *area = g_malloc(X86_XSAVE_BASE_SIZE);
    X86XsaveLayout l;

    x86_xsave_layout_default(&l, 0xe7);
    fill(c);
    x86_xsave_store(c, &l, area, X86_XSAVE_BASE_SIZE);
    g_assert_cmphex(ldq_le_p(area + 512), ==, 3);
    memset(area + 512, 0xff, 8);
    x86_xsave_load(c, &l, area, X86_XSAVE_BASE_SIZE);
    g_assert_cmphex(c->vec[0].q[2], ==, 0);
    x86_xsave_layout_init(&l, ~0ULL, bad_leaf_d, NULL);
    g_assert_cmpint(l.total, ==, X86_XSAVE_BASE_SIZE);
    g_assert_cmpint(l.size[2], ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xsave/layouts", test_layouts);
    g_test_add_func("/xsave/between", test_between);
    g_test_add_func("/xsave/initial", test_initial);
    g_test_add_func("/xsave/bounds", test_bounds);
    return g_test_run();
}
