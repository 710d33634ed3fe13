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
        uint8_t b[64];

        for (unsigned k = 0; k < sizeof(b); k++) {
            b[k] = g_rand_int(r);
        }
        if (i & 1) {
            b[0] = 0x0f;
        }
        soft_random_run(g, mode, b, sizeof(b), 200);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-random/real", test_real);
    g_test_add_func("/soft-random/flat32", test_flat32);
    g_test_add_func("/soft-random/long", test_long);
    g_test_add_func("/soft-random/user", test_user);
    return g_test_run();
}
