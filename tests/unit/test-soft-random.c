/*
 * Random bytes as code, in every mode: nothing a guest executes may harm the
 * program.  Worth most under the sanitizers.
 *
 * SOFT_TEST_COUNT=N makes it N programs per mode, SOFT_TEST_SEED=S repeats.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-random.h"

static uint64_t env_u64(const char *name, uint64_t dflt)
{
    const char *v = g_getenv(name);

    return v ? g_ascii_strtoull(v, NULL, 0) : dflt;
}

enum { PROGRAM_MAX = 2560 }; /* bytes */

/* What is to be tried more often than by chance. */
static void first_insn(unsigned mode, uint64_t i, uint8_t *b)
{
    static const uint8_t task[] = { 0xcf, 0xea, 0x9a, 0xcd };

    if (mode == SOFT_RANDOM_TASK || mode == SOFT_RANDOM_V86) {
        b[0] = i & 4 ? b[0] : task[i & 3];
    } else if (i & 1) {
        b[0] = 0x0f;
        b[1] = mode == SOFT_RANDOM_SMM ? 0xaa : b[1]; /* RSM */
    }
}

static void run_mode(unsigned mode)
{
    uint64_t seed = env_u64("SOFT_TEST_SEED", g_random_int());
    uint64_t count = env_u64("SOFT_TEST_COUNT", 3000);
    GRand *r = g_rand_new_with_seed(seed);
    SoftGuest *g = g_new0(SoftGuest, 1);
    uint64_t before;

    g_test_message("seed %" PRIu64, seed);
    soft_guest_init(g);
    before = g->s->ninsns;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t w[PROGRAM_MAX / 4];
        uint8_t *b = (uint8_t *)w;
        unsigned n = mode < SOFT_RANDOM_TASK ? 64 : PROGRAM_MAX;

        for (unsigned k = 0; k < n / 4; k++) {
            w[k] = g_rand_int(r);
        }
        first_insn(mode, i, b);
        soft_random_run(g, mode, b, n, 200);
    }
    g_test_message("%" PRIu64 " instructions", g->s->ninsns - before);
    g_assert_cmpuint(g->s->ninsns - before, >, count / 2);
    soft_guest_fini(g);
    g_free(g);
    g_rand_free(r);
}

static void test_real(void)
{
    run_mode(SOFT_RANDOM_REAL);
}

static void test_flat32(void)
{
    run_mode(SOFT_RANDOM_FLAT32);
}

static void test_long(void)
{
    run_mode(SOFT_RANDOM_LONG);
}

static void test_user(void)
{
    run_mode(SOFT_RANDOM_USER);
}

static void test_align(void)
{
    run_mode(SOFT_RANDOM_ALIGN);
}

static void test_task(void)
{
    run_mode(SOFT_RANDOM_TASK);
}

static void test_v86(void)
{
    run_mode(SOFT_RANDOM_V86);
}

static void test_smm(void)
{
    run_mode(SOFT_RANDOM_SMM);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-random/real", test_real);
    g_test_add_func("/soft-random/flat32", test_flat32);
    g_test_add_func("/soft-random/long", test_long);
    g_test_add_func("/soft-random/user", test_user);
    g_test_add_func("/soft-random/align", test_align);
    g_test_add_func("/soft-random/task", test_task);
    g_test_add_func("/soft-random/v86", test_v86);
    g_test_add_func("/soft-random/smm", test_smm);
    return g_test_run();
}
