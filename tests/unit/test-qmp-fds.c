/*
 * Descriptors that clients hand over: monitor/qmp-fds.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp-fds.h"

#include <fcntl.h>

#include "qapi/qapi-commands.h"

/* The library refers to the table; nothing here looks at it. */
const QmpCommand qmp_commands[] = { { "none", 0, NULL } };
const size_t qmp_ncommands = 0;

static int open_null(int flags)
{
    int fd = open("/dev/null", flags | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_named(void)
{
    QmpFds *f = qmp_fds_new();
    g_autoptr(GError) err = NULL;
    int a = open_null(O_RDONLY), b = open_null(O_RDONLY);

    g_assert_true(qmp_fds_name(f, "x", a, &err));
    g_assert_true(qmp_fds_name(f, "x", b, &err));
    g_assert_false(is_open(a));
    g_assert_cmpint(qmp_fds_take(f, "y"), ==, -ENOENT);
    g_assert_cmpint(qmp_fds_take(f, "x"), ==, b);
    g_assert_true(is_open(b));
    g_assert_cmpint(qmp_fds_take(f, "x"), ==, -ENOENT);

    g_assert_false(qmp_fds_name(f, "1x", b, &err));
    g_assert_cmpstr(err->message, ==,
                    "Parameter 'fdname' expects a name not starting with a "
                    "digit");
    g_clear_error(&err);
    g_assert_false(is_open(b));
    g_assert_false(qmp_fds_close(f, "x", &err));
    g_assert_cmpstr(err->message, ==, "File descriptor named 'x' not found");

    a = open_null(O_RDONLY);
    b = open_null(O_RDONLY);
    g_assert_true(qmp_fds_name(f, "a", a, NULL));
    g_assert_true(qmp_fds_name(f, "b", b, NULL));
    g_assert_true(qmp_fds_close(f, "a", NULL));
    g_assert_false(is_open(a));
    qmp_fds_free(f);
    g_assert_false(is_open(b));
}

static int64_t add(QmpFds *f, bool has_id, int64_t id, int fd)
{
    g_autoptr(AddfdInfo) info = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_true(qmp_fdset_add(f, has_id, id, fd, "note", &info, &err));
    g_assert_no_error(err);
    g_assert_cmpint(info->fd, ==, fd);
    return info->fdset_id;
}

static void test_sets(void)
{
    QmpFds *f = qmp_fds_new();
    g_autoptr(FdsetInfoList) list = NULL;
    int r = open_null(O_RDONLY), w = open_null(O_WRONLY);

    g_assert_cmpint(add(f, true, 1, r), ==, 1);
    g_assert_cmpint(add(f, false, 0, open_null(O_RDWR)), ==, 0);
    g_assert_cmpint(add(f, false, 0, open_null(O_RDWR)), ==, 2);
    g_assert_cmpint(add(f, true, 1, w), ==, 1);
    list = qmp_fdset_query(f);
    g_assert_cmpuint(list->n, ==, 3);
    g_assert_cmpint(list->items[1]->fdset_id, ==, 1);
    g_assert_cmpuint(list->items[1]->fds->n, ==, 2);
    g_assert_cmpint(list->items[1]->fds->items[1]->fd, ==, w);
    g_assert_cmpstr(list->items[1]->fds->items[1]->opaque, ==, "note");
    qmp_fds_free(f);
    g_assert_false(is_open(r));
    g_assert_false(is_open(w));
}

static void test_sets_open(void)
{
    QmpFds *f = qmp_fds_new();
    int r = open_null(O_RDONLY), w = open_null(O_WRONLY), fd;

    add(f, true, 1, r);
    add(f, true, 1, w);
    fd = qmp_fdset_open(f, 1, O_WRONLY | O_APPEND);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fd, !=, w);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_WRONLY);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    close(fd);
    g_assert_cmpint(qmp_fdset_open(f, 1, O_RDWR), ==, -EACCES);
    g_assert_cmpint(qmp_fdset_open(f, 2, O_RDWR), ==, -ENOENT);
    qmp_fds_free(f);
}

static void check_remove(QmpFds *f, int64_t id, bool has_fd, int64_t fd,
                         const char *want)
{
    g_autoptr(GError) err = NULL;

    g_assert_false(qmp_fdset_remove(f, id, has_fd, fd, &err));
    g_assert_cmpstr(err->message, ==, want);
}

static void test_sets_remove(void)
{
    QmpFds *f = qmp_fds_new();
    g_autoptr(GError) err = NULL;
    int a = open_null(O_RDONLY), b = open_null(O_RDONLY);

    add(f, true, 5, a);
    add(f, true, 5, b);
    check_remove(f, 5, true, 999,
                 "File descriptor named 'fdset-id:5, fd:999' not found");
    check_remove(f, 6, false, 0,
                 "File descriptor named 'fdset-id:6' not found");
    g_assert_true(qmp_fdset_remove(f, 5, true, a, NULL));
    g_assert_false(is_open(a));
    g_assert_true(is_open(b));
    g_assert_true(qmp_fdset_remove(f, 5, false, 0, NULL));
    g_assert_false(is_open(b));
    g_assert_false(
        qmp_fdset_add(f, true, -1, open_null(O_RDONLY), NULL, NULL, &err));
    g_assert_cmpstr(err->message, ==,
                    "Parameter 'fdset-id' expects a non-negative value");
    qmp_fds_free(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp-fds/named", test_named);
    g_test_add_func("/qmp-fds/sets", test_sets);
    g_test_add_func("/qmp-fds/sets-open", test_sets_open);
    g_test_add_func("/qmp-fds/sets-remove", test_sets_remove);
    return g_test_run();
}
