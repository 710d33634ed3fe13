/*
 * Parameters: defaults, ranges, all or nothing, text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/params.h"

static void test_default(void)
{
    MigParams p;
    g_autoptr(JsonValue) obj = NULL;
    g_autoptr(GError) err = NULL;

    mig_params_init(&p);
    g_assert_cmpuint(p.max_bandwidth, ==, 128 << 20);
    g_assert_cmpuint(p.downtime_limit, ==, 300);
    obj = mig_params_to_json(&p);
    /* What it shows it takes back. */
    g_assert_true(mig_params_set(&p, obj, &err));
    g_assert_no_error(err);
    mig_params_fini(&p);
}

static void test_set(void)
{
    static const struct {
        const char *json;
        const char *named; /* in the error; NULL: accepted */
    } t[] = {
        { "{'downtime-limit': 0}", NULL },
        { "{'downtime-limit': 2000000}", NULL },
        { "{'downtime-limit': 2000001}", "2000001" },
        { "{'downtime-limit': -1}", "downtime-limit" },
        { "{'downtime-limit': 'x'}", "downtime-limit" },
        { "{'max-bandwidth': 0}", NULL },
        { "{'max-bandwidth': 9223372036854775807}", NULL },
        { "{'max-bandwidth': 9223372036854775808}", "max-bandwidth" },
        { "{'multifd-channels': 256}", "multifd-channels" },
        { "{'xbzrle-cache-size': 12288}", "power of two" },
        { "{'multifd-compression': 'lz4'}", "lz4" },
        { "{'tls-creds': ''}", NULL },
        { "{'tls-creds': null}", NULL },
        { "{'tls-creds': 'tls0'}", "TLS" },
        { "{'nonsense': 1}", "nonsense" },
        { "{'max-cpu-throttle': 10}", "cpu-throttle-initial" },
        { "{'cpu-throttle-tailslow': true}", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(JsonValue) obj = json_parse(t[i].json, -1, NULL);
        MigParams p;

        g_test_message("%s", t[i].json);
        g_assert_nonnull(obj);
        mig_params_init(&p);
        g_assert_cmpint(mig_params_set(&p, obj, &err), ==, t[i].named == NULL);
        if (t[i].named != NULL) {
            g_assert_nonnull(strstr(err->message, t[i].named));
        }
        mig_params_fini(&p);
    }
}

static void test_all_or_nothing(void)
{
    g_autoptr(JsonValue) obj =
        json_parse("{'downtime-limit': 5, 'multifd-channels': 0}", -1, NULL);
    MigParams p;

    mig_params_init(&p);
    g_assert_false(mig_params_set(&p, obj, NULL));
    g_assert_cmpuint(p.downtime_limit, ==, 300);
    mig_params_fini(&p);
}

static void test_text(void)
{
    g_autoptr(GError) err = NULL;
    MigParams p;

    mig_params_init(&p);
    g_assert_true(mig_params_set_text(&p, "max-bandwidth", "1G", MiB, NULL));
    g_assert_cmpuint(p.max_bandwidth, ==, 1 << 30);
    g_assert_true(mig_params_set_text(&p, "max-bandwidth", "32", MiB, NULL));
    g_assert_cmpuint(p.max_bandwidth, ==, 32 << 20);
    g_assert_true(mig_params_set_text(&p, "downtime-limit", "7", MiB, NULL));
    g_assert_cmpuint(p.downtime_limit, ==, 7);
    g_assert_false(mig_params_set_text(&p, "downtime-limit", "7x", MiB, &err));
    g_assert_nonnull(strstr(err->message, "7x"));
    mig_params_fini(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-params/default", test_default);
    g_test_add_func("/mig-params/set", test_set);
    g_test_add_func("/mig-params/all-or-nothing", test_all_or_nothing);
    g_test_add_func("/mig-params/text", test_text);
    return g_test_run();
}
