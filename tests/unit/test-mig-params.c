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
        { "{'downtime-limit': -1}", "non-negative integer" },
        { "{'downtime-limit': 'x'}", "non-negative integer" },
        { "{'tls-creds': 1}", "string" },
        { "{'cpu-throttle-tailslow': 1}", "boolean" },
        { "{'max-bandwidth': 0}", NULL },
        { "{'max-bandwidth': 9223372036854775807}", NULL },
        { "{'max-bandwidth': 9223372036854775808}", "max-bandwidth" },
        { "{'multifd-channels': 256}", "multifd-channels" },
        { "{'xbzrle-cache-size': 12288}", "power of two" },
        { "{'multifd-compression': 'lz4'}", "lz4" },
        { "{'tls-creds': ''}", NULL },
        { "{'tls-creds': null}", NULL },
        { "{'tls-creds': 'tls0'}", NULL },
        { "{'tls-authz': 'a'}", "tls-authz" },
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

static void replace_text(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

/* Nobody else's strings: a copy outlives what it was made from. */
static void test_copy(void)
{
    MigParams p, copy;

    mig_params_init(&p);
    replace_text(&p.tls_creds, "creds");
    replace_text(&p.tls_hostname, "host");
    replace_text(&p.tls_authz, "authz");
    p.downtime_limit = 11;
    mig_params_copy(&copy, &p);
    mig_params_fini(&p);
    g_assert_null(p.tls_creds);
    g_assert_cmpstr(copy.tls_creds, ==, "creds");
    g_assert_cmpstr(copy.tls_hostname, ==, "host");
    g_assert_cmpstr(copy.tls_authz, ==, "authz");
    g_assert_cmpstr(copy.multifd_compression, ==, "none");
    g_assert_cmpuint(copy.downtime_limit, ==, 11);
    mig_params_fini(&copy);
}

/* Each bound of each number: taken at it, refused one beyond. */
static void test_bounds(void)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } t[] = {
        { "downtime-limit", 0, 2000000 },  { "multifd-channels", 1, 255 },
        { "cpu-throttle-initial", 1, 99 }, { "cpu-throttle-increment", 1, 99 },
        { "compress-level", 0, 9 },        { "max-bandwidth", 0, INT64_MAX },
        { "max-cpu-throttle", 20, 99 },    { "announce-step", 1, 10000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        const uint64_t values[] = { t[i].min - 1, t[i].min, t[i].max,
                                    t[i].max + 1 };

        for (size_t k = 0; k < G_N_ELEMENTS(values); k++) {
            g_autoptr(JsonValue) obj = json_object_new();
            MigParams p;

            if (k == 0 && t[i].min == 0) {
                continue;
            }
            g_test_message("%s %" PRIu64, t[i].name, values[k]);
            json_object_set_uint(obj, t[i].name, values[k]);
            mig_params_init(&p);
            g_assert_cmpint(mig_params_set(&p, obj, NULL), ==,
                            k == 1 || k == 2);
            mig_params_fini(&p);
        }
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
    g_assert_nonnull(strstr(err->message, "downtime-limit"));
    g_assert_cmpuint(p.downtime_limit, ==, 7);
    g_clear_error(&err);
    g_assert_false(mig_params_set_text(&p, "max-bandwidth", "1Y", MiB, &err));
    g_assert_nonnull(strstr(err->message, "max-bandwidth"));
    g_clear_error(&err);
    g_assert_false(mig_params_set_text(&p, "none-such", "1", MiB, &err));
    g_assert_nonnull(strstr(err->message, "none-such"));
    g_assert_true(
        mig_params_set_text(&p, "cpu-throttle-tailslow", "on", MiB, NULL));
    g_assert_true(p.cpu_throttle_tailslow);
    g_assert_true(
        mig_params_set_text(&p, "multifd-compression", "zlib", MiB, NULL));
    g_assert_cmpstr(p.multifd_compression, ==, "zlib");
    mig_params_fini(&p);
}

#define DEFAULTS                                                          \
    "{'announce-initial': 50, 'announce-max': 550, 'announce-rounds': 5," \
    " 'announce-step': 100, 'compress-level': 1, 'compress-threads': 8,"  \
    " 'compress-wait-thread': true, 'decompress-threads': 2,"             \
    " 'throttle-trigger-threshold': 50, 'cpu-throttle-initial': 20,"      \
    " 'cpu-throttle-increment': 10, 'cpu-throttle-tailslow': false,"      \
    " 'tls-creds': '', 'tls-hostname': '', 'tls-authz': '',"              \
    " 'max-bandwidth': 134217728, 'downtime-limit': 300,"                 \
    " 'x-checkpoint-delay': 20000, 'block-incremental': false,"           \
    " 'multifd-channels': 2, 'xbzrle-cache-size': 67108864,"              \
    " 'max-postcopy-bandwidth': 0, 'max-cpu-throttle': 99,"               \
    " 'multifd-compression': 'none', 'multifd-zlib-level': 1,"            \
    " 'multifd-zstd-level': 1}"

/* Another value for each of them, the least or the greatest that there is. */
#define OTHERS                                                               \
    "{'announce-initial': 100000, 'announce-max': 100000,"                   \
    " 'announce-rounds': 1000, 'announce-step': 10000, 'compress-level': 9," \
    " 'compress-threads': 255, 'compress-wait-thread': false,"               \
    " 'decompress-threads': 255, 'throttle-trigger-threshold': 100,"         \
    " 'cpu-throttle-initial': 98, 'cpu-throttle-increment': 99,"             \
    " 'cpu-throttle-tailslow': true, 'tls-creds': '', 'tls-hostname': '',"   \
    " 'tls-authz': '', 'max-bandwidth': 1, 'downtime-limit': 2000000,"       \
    " 'x-checkpoint-delay': 4294967295, 'block-incremental': true,"          \
    " 'multifd-channels': 255, 'xbzrle-cache-size': 4096,"                   \
    " 'max-postcopy-bandwidth': 2, 'max-cpu-throttle': 98,"                  \
    " 'multifd-compression': 'zstd', 'multifd-zlib-level': 9,"               \
    " 'multifd-zstd-level': 20}"

static void check_all(const MigParams *p, const JsonValue *want)
{
    g_autoptr(JsonValue) got = mig_params_to_json(p);

    for (size_t i = 0; i < json_object_len(want); i++) {
        JsonValue *v;
        const char *name = json_object_at(want, i, &v);

        g_test_message("%s", name);
        g_assert_true(json_equal(json_object_get(got, name), v));
    }
    g_assert_cmpuint(json_object_len(got), ==, json_object_len(want));
}

/* Each under its own name, in a field of its own. */
static void test_each(void)
{
    g_autoptr(JsonValue) defaults = json_parse(DEFAULTS, -1, NULL);
    g_autoptr(JsonValue) others = json_parse(OTHERS, -1, NULL);

    for (size_t i = 0; i < json_object_len(others); i++) {
        g_autoptr(JsonValue) want = json_parse(DEFAULTS, -1, NULL);
        g_autoptr(JsonValue) obj = json_object_new();
        MigParams p;
        JsonValue *v;
        const char *name = json_object_at(others, i, &v);

        mig_params_init(&p);
        check_all(&p, defaults);
        json_object_set(obj, name, json_ref(v));
        json_object_set(want, name, json_ref(v));
        g_assert_true(mig_params_set(&p, obj, NULL));
        check_all(&p, want);
        mig_params_fini(&p);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-params/default", test_default);
    g_test_add_func("/mig-params/set", test_set);
    g_test_add_func("/mig-params/all-or-nothing", test_all_or_nothing);
    g_test_add_func("/mig-params/text", test_text);
    g_test_add_func("/mig-params/copy", test_copy);
    g_test_add_func("/mig-params/bounds", test_bounds);
    g_test_add_func("/mig-params/each", test_each);
    return g_test_run();
}
