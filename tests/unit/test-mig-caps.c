/*
 * Capabilities: defaults and rules.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/caps.h"

static void test_default(void)
{
    MigCapSet set = mig_caps_default();
    g_autoptr(GError) err = NULL;

    g_assert_true(mig_caps_check(set, &err));
    g_assert_no_error(err);
    g_assert_true(set & CAP(DEFERRED_DIRTY_LOG_TEARDOWN));
    g_assert_true(set & CAP(AVX2_ZERO_PAGE));
    g_assert_true(set & CAP(SINGLE_CPU_SYNC));
    g_assert_true(set & CAP(SWITCHOVER_ABORT));
    g_assert_false(set & CAP(EVENTS));
}

static void test_rules(void)
{
    static const struct {
        MigCapSet want;
        bool ok;
        const char *named; /* in the error */
    } t[] = {
        { 0, true, NULL },
        { CAP(EVENTS) | CAP(RETURN_PATH), true, NULL },
        { CAP(PAUSE_BEFORE_SWITCHOVER), true, NULL },
        { CAP(EVENTS) | CAP(XBZRLE), true, NULL },
        { CAP(MULTIFD) | CAP(XBZRLE), false, "xbzrle" },
        { CAP(EVENTS) | CAP(COMPRESS), false, "compress" },
        { CAP(POSTCOPY_RAM), true, NULL },
        { CAP(POSTCOPY_PREEMPT), false, "postcopy-preempt" },
        { CAP(MULTIFD), true, NULL },
        { CAP(MULTIFD) | CAP(POSTCOPY_RAM), false, "multifd" },
        { CAP(X_IGNORE_SHARED) | CAP(VALIDATE_UUID), true, NULL },
        { CAP(X_IGNORE_SHARED) | CAP(POSTCOPY_RAM), false, "ignore-shared" },
        { CAP(RDMA_PIN_ALL), false, "rdma-pin-all" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("case %zu", i);
        g_assert_cmpint(mig_caps_check(t[i].want, &err), ==, t[i].ok);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
        if (t[i].named != NULL) {
            g_assert_nonnull(strstr(err->message, t[i].named));
        }
    }
}

/* The kernel can send guest memory as it is only if nothing is done to it. */
static void test_zero_copy(void)
{
    static const struct {
        MigCapSet caps;
        const char *compression, *creds;
        bool ok;
    } t[] = {
        { CAP(ZERO_COPY_SEND) | CAP(MULTIFD), "none", "", true },
        { CAP(ZERO_COPY_SEND), "none", "", false },
        { CAP(ZERO_COPY_SEND) | CAP(MULTIFD), "zstd", "", false },
        { CAP(ZERO_COPY_SEND) | CAP(MULTIFD), "none", "tls0", false },
        { CAP(MULTIFD), "zstd", "tls0", true },
        { 0, "zlib", "tls0", true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        const MigParams p = { .multifd_compression = (char *)t[i].compression,
                              .tls_creds = (char *)t[i].creds };
        g_autoptr(GError) err = NULL;

        g_test_message("case %zu", i);
        g_assert_cmpint(mig_caps_check_params(t[i].caps, &p, &err), ==,
                        t[i].ok);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-caps/default", test_default);
    g_test_add_func("/mig-caps/rules", test_rules);
    g_test_add_func("/mig-caps/zero-copy", test_zero_copy);
    return g_test_run();
}
