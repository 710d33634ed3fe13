/*
 * How long vCPUs have waited for pages, with a clock of the test's own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/postcopy-times.h"

enum { PAGE = 4096 };

static uint8_t memory[4 * PAGE];

static void test_one(void)
{
    PostcopyTimes *t = postcopy_times_new(1);

    g_assert_cmpuint(postcopy_times_ncpus(t), ==, 1);
    postcopy_times_wait(t, 0, memory + PAGE, 100);
    g_assert_cmpint(postcopy_times_of(t, 0, 150), ==, 50);
    g_assert_cmpint(postcopy_times_of_all(t, 150), ==, 50);
    /* Others than the one it waits for. */
    postcopy_times_came(t, memory, PAGE, 160);
    postcopy_times_came(t, memory + 2 * PAGE, 2 * PAGE, 160);
    g_assert_cmpint(postcopy_times_of(t, 0, 170), ==, 70);
    postcopy_times_came(t, memory, 2 * PAGE, 180);
    g_assert_cmpint(postcopy_times_of(t, 0, 1000), ==, 80);
    g_assert_cmpint(postcopy_times_of_all(t, 1000), ==, 80);
    /* It comes twice, or was never waited for. */
    postcopy_times_came(t, memory, 4 * PAGE, 2000);
    g_assert_cmpint(postcopy_times_of(t, 0, 3000), ==, 80);
    postcopy_times_free(t);
}

/* All at the same time: only where they overlap. */
static void test_two(void)
{
    PostcopyTimes *t = postcopy_times_new(2);

    postcopy_times_wait(t, 0, memory, 100);
    g_assert_cmpint(postcopy_times_of_all(t, 150), ==, 0);
    postcopy_times_wait(t, 1, memory + PAGE, 200);
    g_assert_cmpint(postcopy_times_of_all(t, 250), ==, 50);
    postcopy_times_came(t, memory, PAGE, 300);
    g_assert_cmpint(postcopy_times_of_all(t, 400), ==, 100);
    /* One that goes on to its next page before the first was seen to come. */
    postcopy_times_wait(t, 1, memory + 2 * PAGE, 400);
    postcopy_times_came(t, memory + PAGE, PAGE, 450);
    postcopy_times_came(t, memory + 2 * PAGE, PAGE, 500);
    g_assert_cmpint(postcopy_times_of(t, 0, 999), ==, 200);
    g_assert_cmpint(postcopy_times_of(t, 1, 999), ==, 300);
    g_assert_cmpint(postcopy_times_of_all(t, 999), ==, 100);
    /* Both wait for the same one. */
    postcopy_times_wait(t, 0, memory, 1000);
    postcopy_times_wait(t, 1, memory, 1000);
    postcopy_times_came(t, memory, PAGE, 1010);
    g_assert_cmpint(postcopy_times_of_all(t, 2000), ==, 110);
    postcopy_times_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-times/one", test_one);
    g_test_add_func("/postcopy-times/two", test_two);
    return g_test_run();
}
