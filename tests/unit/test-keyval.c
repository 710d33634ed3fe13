/*
 * Option strings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"
#include "util/keyval.h"

/* The items as "key=value;", flags as "key;"; NULL if it doesn't parse. */
static char *parse_to_str(const char *s, const char *implied)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(s, implied, &err);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_cmpint(kv == NULL, ==, err != NULL);
    if (!kv) {
        return NULL;
    }
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        if (keyval_is_flag_at(kv, i)) {
            g_string_append_printf(out, "%s;", keyval_key_at(kv, i));
            g_assert_cmpstr(keyval_value_at(kv, i), ==, "on");
        } else {
            g_string_append_printf(out, "%s=%s;", keyval_key_at(kv, i),
                                   keyval_value_at(kv, i));
        }
    }
    return g_string_free(g_steal_pointer(&out), false);
}

static void test_parse(void)
{
    static const struct {
        const char *text;
        const char *implied;
        const char *want; /* NULL: an error */
    } t[] = {
        { "", NULL, "" },
        { "", "type", "" },
        { "a=b,c.d=e,flag", NULL, "a=b;c.d=e;flag;" },
        { "pc,accel=kvm", "type", "type=pc;accel=kvm;" },
        { "accel=kvm,pc", "type", "accel=kvm;pc;" },
        { "socket,path=a,,b,server", "backend",
          "backend=socket;path=a,b;server;" },
        { "path=,,", NULL, "path=,;" },
        { "path=a,,,b=c", NULL, "path=a,;b=c;" },
        { "a=b=c", NULL, "a=b=c;" },
        { "a=,b=", NULL, "a=;b=;" },
        { "a=1,", NULL, "a=1;" },
        { "a=1,a=2", NULL, "a=1;a=2;" },
        { "x,,y,a=1", "file", "file=x,y;a=1;" },
        { "help", "driver", "driver=help;" },
        { "=b", NULL, NULL },
        { "a=b,=c", NULL, NULL },
        { ",a", NULL, NULL },
        { "flag,,x", NULL, NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *got = parse_to_str(t[i].text, t[i].implied);

        g_test_message("'%s'", t[i].text);
        g_assert_cmpstr(got, ==, t[i].want);
    }
}

static void test_help(void)
{
    static const struct {
        const char *text;
        bool want;
    } t[] = {
        { "help", true },    { "?", true },           { "foo,help", true },
        { "foo,?", true },   { "foo,a=help", false }, { "driver=help", false },
        { "helper", false }, { "foo", false },        { "foo,help=on", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(t[i].text, "driver", NULL);

        g_test_message("'%s'", t[i].text);
        g_assert_nonnull(kv);
        g_assert_cmpint(keyval_wants_help(kv), ==, t[i].want);
    }
}

static void test_get(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv =
        keyval_parse("pc,size=2G,n=7,i=-3,on,nowait,m=c,dup=1,dup=2,b=off",
                     "type", &err);
    static const char *const names[] = { "a", "b", "c", NULL };
    g_autofree const char **dup = NULL;
    uint64_t u = 0;
    int64_t i = 0;
    int e = -1;
    bool b = true;
    bool wait = true;
    bool on = false;

    g_assert_no_error(err);
    g_assert_cmpstr(keyval_get(kv, "type"), ==, "pc");
    g_assert_true(keyval_get_size(kv, "size", 1, &u, &err));
    g_assert_cmpuint(u, ==, 2 * GiB);
    g_assert_true(keyval_get_uint(kv, "n", 0, 7, &u, &err));
    g_assert_cmpuint(u, ==, 7);
    g_assert_true(keyval_get_int(kv, "i", -3, 0, &i, &err));
    g_assert_cmpint(i, ==, -3);
    g_assert_true(keyval_get_bool(kv, "on", &on, &err));
    g_assert_true(on);
    g_assert_true(keyval_get_bool(kv, "wait", &wait, &err));
    g_assert_false(wait);
    g_assert_true(keyval_get_bool(kv, "b", &b, &err));
    g_assert_false(b);
    g_assert_true(keyval_get_enum(kv, "m", names, &e, &err));
    g_assert_cmpint(e, ==, 2);

    g_assert_true(keyval_has(kv, "dup"));
    g_assert_false(keyval_check_all_used(kv, "device 'foo'", &err));
    g_assert_cmpstr(err->message, ==, "device 'foo': unknown option 'dup'");
    g_clear_error(&err);
    dup = keyval_get_all(kv, "dup");
    g_assert_cmpstr(dup[0], ==, "1");
    g_assert_cmpstr(dup[1], ==, "2");
    g_assert_null(dup[2]);
    g_assert_cmpstr(keyval_get(kv, "dup"), ==, "2");
    g_assert_true(keyval_check_all_used(kv, "device 'foo'", &err));
    g_assert_no_error(err);
}

static void test_absent(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(KeyVal) kv = keyval_new();
    g_autofree const char **all = keyval_get_all(kv, "x");
    static const char *const names[] = { "a", NULL };
    uint64_t u = 5;
    int64_t i = 6;
    int e = 7;
    bool b = true;

    g_assert_null(keyval_get(kv, "x"));
    g_assert_false(keyval_has(kv, "x"));
    g_assert_null(all[0]);
    g_assert_true(keyval_get_uint(kv, "x", 0, 1, &u, &err));
    g_assert_true(keyval_get_size(kv, "x", 1, &u, &err));
    g_assert_true(keyval_get_int(kv, "x", 0, 1, &i, &err));
    g_assert_true(keyval_get_bool(kv, "x", &b, &err));
    g_assert_true(keyval_get_enum(kv, "x", names, &e, &err));
    g_assert_cmpuint(u, ==, 5);
    g_assert_cmpint(i, ==, 6);
    g_assert_cmpint(e, ==, 7);
    g_assert_true(b);
    g_assert_null(keyval_get_required(kv, "id", "device 'foo'", &err));
    g_assert_cmpstr(err->message, ==, "device 'foo': option 'id' is missing");
}

static void test_bad_values(void)
{
    static const char *const names[] = { "red", "blue", NULL };
    g_autoptr(KeyVal) kv = keyval_new();
    g_autoptr(GError) err = NULL;
    uint64_t u = 5;
    int64_t i = 5;
    int e = 5;
    bool b = true;

    keyval_add(kv, "k", "x1");
    g_assert_false(keyval_get_uint(kv, "k", 0, 9, &u, &err));
    g_assert_nonnull(strstr(err->message, "option 'k'"));
    g_assert_nonnull(strstr(err->message, "x1"));
    g_clear_error(&err);
    g_assert_false(keyval_get_int(kv, "k", 0, 9, &i, &err));
    g_clear_error(&err);
    g_assert_false(keyval_get_size(kv, "k", 1, &u, &err));
    g_clear_error(&err);
    g_assert_false(keyval_get_bool(kv, "k", &b, &err));
    g_clear_error(&err);
    g_assert_false(keyval_get_enum(kv, "k", names, &e, &err));
    g_assert_cmpstr(err->message, ==, "option 'k': 'x1' is none of red, blue");
    g_assert_cmpuint(u, ==, 5);
    g_assert_cmpint(i, ==, 5);
    g_assert_cmpint(e, ==, 5);
    g_assert_true(b);
}

/* The last of "wait" and "nowait" wins; "nowait=x" is a key of its own. */
static void test_negation(void)
{
    static const struct {
        const char *text;
        bool want;
        bool all_used;
    } t[] = {
        { "nowait", false, true },        { "wait", true, true },
        { "nowait,wait=on", true, true }, { "wait,nowait", false, true },
        { "nowait=on", true, false },     { "wait=off", false, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(t[i].text, NULL, NULL);
        bool wait = true;

        g_test_message("'%s'", t[i].text);
        g_assert_true(keyval_get_bool(kv, "wait", &wait, NULL));
        g_assert_cmpint(wait, ==, t[i].want);
        g_assert_cmpint(keyval_check_all_used(kv, "x", NULL), ==,
                        t[i].all_used);
    }
}

static void test_mark_used(void)
{
    g_autoptr(KeyVal) kv = keyval_parse("a=1,b=2", NULL, NULL);

    keyval_mark_used_at(kv, 0);
    g_assert_false(keyval_check_all_used(kv, "x", NULL));
    keyval_mark_used_at(kv, 1);
    g_assert_true(keyval_check_all_used(kv, "x", NULL));
    keyval_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/parse", test_parse);
    g_test_add_func("/keyval/help", test_help);
    g_test_add_func("/keyval/get", test_get);
    g_test_add_func("/keyval/absent", test_absent);
    g_test_add_func("/keyval/bad-values", test_bad_values);
    g_test_add_func("/keyval/negation", test_negation);
    g_test_add_func("/keyval/mark-used", test_mark_used);
    return g_test_run();
}
