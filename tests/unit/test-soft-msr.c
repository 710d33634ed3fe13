/*
 * Model-specific registers of the software CPU: which there are, by model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/msr.h"
#include "target/i386/msr.h"
#include "tests/unit/soft-guest.h"

static const struct {
    uint32_t msr;
    bool amd, intel; /* there is such a register */
} rows[] = {
    /* Events of AMD's counters, as tests of CPUs write at their start. */
    { 0xc0010000, true, false },
    { 0xc0010007, true, false },
    { 0xc0010008, false, false },
    { 0xc0010010, true, false }, /* SYSCFG */
    { 0xc0010015, true, false }, /* HWCR */
    { 0xc0010055, true, false },
    { 0xc0010111, true, false },
    { 0xc0011029, true, false },
    { 0xc0011040, false, false },
    { 0x17, false, true },
    { 0x2a, false, true },
    { 0xc1, false, true },
    { 0xce, false, true },
    { 0x186, false, true },
    { 0x198, false, true },
    { 0x1d9, true, true },
    { 0x1fc, false, true },
    { 0x606, false, true },
    { 0x64f, false, true },
    { 0x650, false, false },
    { 0xe7, true, true },
    /* No processor has these. */
    { 0x2, false, false },
    { 0x3fffffff, false, false },
    { 0xc0000079, false, false },
    { 0xffffffff, false, false },
};

static void set_model(SoftGuest *g, const char *name)
{
    GError *err = NULL;

    x86_cpu_model_free(g->model);
    g->model = x86_cpu_model_parse(name, &err);
    g_assert_no_error(err);
    g_assert_true(x86_cpu_model_realize(g->model, NULL, &err));
    g->x->model = g->model;
}

static void check_row(SoftGuest *g, uint32_t msr, bool there)
{
    uint64_t v = 1;

    g_test_message("MSR 0x%x", msr);
    g_assert_cmpint(soft_msr_read(g->s, msr, &v), ==, there);
    g_assert_cmpint(soft_msr_write(g->s, msr, 0x55), ==, there);
    if (there) {
        g_assert_cmpuint(v, ==, 0);
        g_assert_true(soft_msr_read(g->s, msr, &v));
        g_assert_cmpuint(v, ==, 0);
    }
}

static void test_of_model(void)
{
    SoftGuest g;

    soft_guest_init(&g);
    set_model(&g, "qemu64");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        check_row(&g, rows[i].msr, rows[i].amd);
    }
    set_model(&g, "Nehalem");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        check_row(&g, rows[i].msr, rows[i].intel);
    }
    soft_guest_fini(&g);
}

/* A register that is there shall not be hidden by one that forgets. */
static void test_kept(void)
{
    static const uint32_t kept[] = {
        MSR_LSTAR,
        MSR_KERNELGSBASE,
        MSR_FS_BASE,
        MSR_IA32_SYSENTER_EIP,
        MSR_IA32_MTRR_PHYSBASE0,
        MSR_IA32_MTRR_FIX64K_00000,
    };
    SoftGuest g;

    soft_guest_init(&g);
    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        uint64_t v = 0;

        g_test_message("MSR 0x%x", kept[i]);
        g_assert_true(soft_msr_write(g.s, kept[i], 0x1006));
        g_assert_true(soft_msr_read(g.s, kept[i], &v));
        g_assert_cmpuint(v, ==, 0x1006);
    }
    soft_guest_fini(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-msr/of-model", test_of_model);
    g_test_add_func("/soft-msr/kept", test_kept);
    return g_test_run();
}
