/*
 * Messages, the debug log, and trace points. What goes to stderr is looked at
 * from outside, in a child.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

#include <glib/gstdio.h>

static void say_all(void)
{
    log_error("no disk '%s'", "x");
    log_warn("slow %d", 5);
    log_info("done");
}

static void test_messages(void)
{
    if (g_test_subprocess()) {
        log_set_program("/usr/bin/qemu-system-x86_64");
        say_all();
        for (int i = 0; i < 2; i++) {
            log_warn_once("turn %d", i);
        }
        log_take_error(NULL);
        log_take_error(g_error_new(GODWIT_ERROR, 0, "taken"));
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("qemu-system-x86_64: no disk 'x'\n"
                              "qemu-system-x86_64: warning: slow 5\n"
                              "qemu-system-x86_64: info: done\n"
                              "qemu-system-x86_64: warning: turn 0\n"
                              "qemu-system-x86_64: taken\n");
}

static void test_prefixes(void)
{
    if (g_test_subprocess()) {
        log_set_program("prog");
        log_set_timestamp(true);
        log_set_guest_name("g1");
        log_error("one");
        log_set_timestamp(false);
        log_error("two");
        log_set_guest_name(NULL);
        log_error("three");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("20*-*-*T*:*:*.*Z g1 prog: one\n"
                              "g1 prog: two\n"
                              "prog: three\n");
}

static void test_items(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint32_t want;
    } t[] = {
        { "int", true, 1 << LOG_ITEM_INT },
        { "cpu,guest_errors", true,
          1 << LOG_ITEM_CPU | 1 << LOG_ITEM_GUEST_ERRORS },
        { "int,none,cpu", true, 1 << LOG_ITEM_CPU },
        { "all", true, (1 << LOG_ITEM__MAX) - 1 },
        { "none", true, 0 },
        { "foo", false, 0 },
        { "int,foo", false, 0 },
        { "", true, 0 },
        { "int,", false, 0 },
        { "out_asm", false, 0 },
        { "trace:no_such_point", false, 0 },
        { "trace:test_*", true, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        log_mask = 1U << 31;
        g_test_message("'%s'", t[i].text);
        g_assert_cmpint(log_set_items(t[i].text, &err), ==, t[i].ok);
        g_assert_cmphex(log_mask, ==, t[i].ok ? t[i].want : 1U << 31);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
    g_assert_true(trace_enable("*", false, NULL));
    log_mask = 0;
}

static void test_help(void)
{
    if (g_test_subprocess()) {
        g_autofree char *text = log_help_text();

        fputs(text, stderr);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*\nguest_errors *\n*trace:PATTERN *");
}

static int nevaluated;

static int evaluate(void)
{
    return ++nevaluated;
}

/* Through a file, whose "%d" is the process id. */
static void test_file(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *dir = g_dir_make_tmp("godwit-log-XXXXXX", NULL);
    g_autofree char *pattern = g_build_filename(dir, "log-%d", NULL);
    g_autofree char *name = g_strdup_printf("log-%d", (int)getpid());
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *text = NULL;

    g_assert_true(log_set_file(pattern, &err));
    g_assert_no_error(err);
    log_guest_error("not seen %d", evaluate());
    g_assert_cmpint(nevaluated, ==, 0);
    g_assert_true(log_set_items("guest_errors", &err));
    log_guest_error("port 0x%x written", 0x92);
    log_unimp("not seen");
    log_write("ends itself\n");
    log_item(LOG_ITEM_GUEST_ERRORS, "item %d", evaluate());
    g_assert_true(log_set_items("none", NULL));

    /* A file that can't be: the log stays where it is. */
    g_assert_false(log_set_file("/nonexistent/log", &err));
    g_assert_nonnull(strstr(err->message, "/nonexistent/log"));
    g_clear_error(&err);
    g_assert_false(log_set_file("%s", &err));
    g_clear_error(&err);
    g_assert_false(log_set_file("%d%d", &err));
    g_clear_error(&err);
    log_write("still here");
    g_assert_true(log_set_file(NULL, NULL));

    g_assert_true(g_file_get_contents(path, &text, NULL, &err));
    g_assert_cmpstr(text, ==,
                    "port 0x92 written\nends itself\nitem 1\nstill here\n");
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void trace_some(void)
{
    TRACE(test_first, "value %d", evaluate());
    TRACE(test_second, "value %d", evaluate());
    TRACE(other_point, "alone");
}

static void collect(const char *name, bool on, void *opaque)
{
    g_string_append_printf(opaque, "%s=%d;", name, on);
}

static void test_trace(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GString) all = g_string_new(NULL);
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    int fd = g_file_open_tmp("godwit-trace-XXXXXX", &path, &err);

    g_assert_no_error(err);
    close(fd);
    g_assert_true(log_set_file(path, &err));
    nevaluated = 0;
    trace_some();
    g_assert_cmpint(nevaluated, ==, 0);

    g_assert_true(trace_enable("test_*", true, &err));
    g_assert_true(trace_is_enabled("test_second"));
    g_assert_false(trace_is_enabled("other_point"));
    trace_some();
    g_assert_cmpint(nevaluated, ==, 2);
    g_assert_true(trace_enable("test_second", false, &err));
    trace_some();
    g_assert_cmpint(nevaluated, ==, 3);
    trace_foreach(collect, all);
    g_assert_cmpstr(all->str, ==, "other_point=0;test_first=1;test_second=0;");

    g_assert_false(trace_enable("nonesuch", true, &err));
    g_assert_cmpstr(err->message, ==, "unknown trace point 'nonesuch'");
    g_assert_true(trace_enable("nonesuch*", true, NULL));
    g_assert_true(trace_enable("*", false, NULL));
    g_assert_true(log_set_file(NULL, NULL));

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(
        g_regex_match_simple("^\\d+@\\d+\\.\\d{6}:test_first value 1\n"
                             "\\d+@\\d+\\.\\d{6}:test_second value 2\n"
                             "\\d+@\\d+\\.\\d{6}:test_first value 3\n$",
                             text, 0, 0));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/messages", test_messages);
    g_test_add_func("/log/prefixes", test_prefixes);
    g_test_add_func("/log/items", test_items);
    g_test_add_func("/log/help", test_help);
    g_test_add_func("/log/file", test_file);
    g_test_add_func("/trace/points", test_trace);
    return g_test_run();
}
