/*
 * What may follow what, for each pair of states.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/states.h"

#define S(name_) MIGRATION_STATUS_##name_

/* The arrows of docs/devel/migration.md, and that of a guest that moves on. */
static const struct {
    MigrationStatus from, to;
} arrows[] = {
    { S(NONE), S(SETUP) },
    { S(NONE), S(ACTIVE) }, /* incoming, without an address */
    { S(SETUP), S(ACTIVE) },
    { S(SETUP), S(CANCELLING) },
    { S(SETUP), S(CANCELLED) },
    { S(SETUP), S(FAILED) },
    { S(ACTIVE), S(PRE_SWITCHOVER) },
    { S(ACTIVE), S(DEVICE) },
    { S(ACTIVE), S(COMPLETED) }, /* incoming */
    { S(ACTIVE), S(CANCELLING) },
    { S(ACTIVE), S(CANCELLED) },
    { S(ACTIVE), S(FAILED) },
    { S(PRE_SWITCHOVER), S(DEVICE) },
    { S(PRE_SWITCHOVER), S(CANCELLING) },
    { S(PRE_SWITCHOVER), S(CANCELLED) },
    { S(PRE_SWITCHOVER), S(FAILED) },
    { S(DEVICE), S(ACTIVE) },
    { S(DEVICE), S(COMPLETED) },
    { S(DEVICE), S(CANCELLING) },
    { S(DEVICE), S(CANCELLED) },
    { S(DEVICE), S(FAILED) },
    { S(ACTIVE), S(POSTCOPY_ACTIVE) }, /* incoming */
    { S(DEVICE), S(POSTCOPY_ACTIVE) },
    { S(POSTCOPY_ACTIVE), S(POSTCOPY_PAUSED) },
    { S(POSTCOPY_ACTIVE), S(COMPLETED) },
    { S(POSTCOPY_ACTIVE), S(FAILED) },
    { S(POSTCOPY_PAUSED), S(POSTCOPY_RECOVER) },
    { S(POSTCOPY_PAUSED), S(FAILED) },
    { S(POSTCOPY_RECOVER), S(POSTCOPY_ACTIVE) },
    { S(POSTCOPY_RECOVER), S(POSTCOPY_PAUSED) },
    { S(POSTCOPY_RECOVER), S(FAILED) },
    { S(CANCELLING), S(CANCELLED) },
    { S(CANCELLING), S(FAILED) },
    { S(CANCELLED), S(SETUP) },
    { S(CANCELLED), S(ACTIVE) },
    { S(COMPLETED), S(SETUP) },
    { S(COMPLETED), S(ACTIVE) },
    { S(COMPLETED), S(FAILED) },
    { S(FAILED), S(SETUP) },
    { S(FAILED), S(ACTIVE) },
};

static void test_arrows(void)
{
    for (int from = 0; from < MIGRATION_STATUS__MAX; from++) {
        for (int to = 0; to < MIGRATION_STATUS__MAX; to++) {
            bool may = false;

            for (size_t i = 0; i < G_N_ELEMENTS(arrows); i++) {
                may |= (int)arrows[i].from == from && (int)arrows[i].to == to;
            }
            g_test_message("%s -> %s", migration_status_str(from),
                           migration_status_str(to));
            g_assert_cmpint(mig_status_may_follow(from, to), ==, may);
        }
    }
}

static void test_busy(void)
{
    for (int st = 0; st < MIGRATION_STATUS__MAX; st++) {
        bool idle = st == S(NONE) || st == S(CANCELLED) || st == S(COMPLETED) ||
                    st == S(FAILED);

        g_assert_cmpint(mig_status_busy(st), ==, !idle);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-states/arrows", test_arrows);
    g_test_add_func("/mig-states/busy", test_busy);
    return g_test_run();
}
