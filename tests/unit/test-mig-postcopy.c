/*
 * A source whose memory follows its guest, and new connections that fail: it
 * has the only copy of what has not arrived, whatever becomes of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"

#include "util/error.h"

enum { SMALL_DEVICE = 100, TRIES = 4 };

/* The guest is given to a plain peer, which goes before it has all pages. */
static void lose_peer(SpVm *v)
{
    GError *err = NULL;
    SpPeer p;

    sp_vm_init(v, SMALL_DEVICE);
    sp_caps(v, MIGRATION_CAPABILITY_POSTCOPY_RAM, true);
    sp_connect(v, &p);
    g_assert_true(migration_start_postcopy(v->m, &err));
    sp_greet(&p, 0);
    sp_read_to(&p, WIRE_CMD_POSTCOPY_RUN);
    sp_close(&p);
    sp_wait_status(v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    sp_peer_fini(&p);
}

/* Until the source has taken the address before. */
static void resume_to(SpVm *v, const char *uri)
{
    g_autoptr(GError) err = NULL;

    while (!migration_resume(v->m, uri, &err)) {
        g_assert_nonnull(strstr(err->message, "being resumed already"));
        g_clear_error(&err);
        g_usleep(1000);
    }
}

/* Address after address where nobody is. */
static void test_nobody_there(void)
{
    SpVm v;

    lose_peer(&v);
    for (unsigned i = 0; i < TRIES; i++) {
        resume_to(&v, "unix:/nonexistent/socket");
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_FINISH_MIGRATE);
    g_assert_cmpint(migration_status(v.m), ==,
                    MIGRATION_STATUS_POSTCOPY_PAUSED);
    sp_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-postcopy/nobody-there", test_nobody_there);
    return g_test_run();
}
