/*
 * Channels on files and commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/file.h"

#include <fcntl.h>
#include <glib/gstdio.h>

#include "io/error.h"
#include "util/thread.h"

enum { HANG_S = 60 };

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-io-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "file", NULL);
    g_autoptr(GError) err = NULL;
    IoChannel *ch = io_channel_open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600,
                                         NULL, &err);
    struct iovec iov[] = { { (void *)"ab", 2 }, { (void *)"cd", 2 } };
    char buf[8];

    g_assert_no_error(err);
    g_assert_true(io_channel_has_feature(ch, IO_FEATURE_SEEKABLE));
    g_assert_true(io_channel_has_feature(ch, IO_FEATURE_BIDIRECTIONAL));
    g_assert_true(io_channel_writev_all(ch, iov, 2, &err));
    g_assert_true(io_channel_pwritev_all(ch, iov, 2, 6, &err));
    g_assert_cmpint(io_channel_seek(ch, 0, SEEK_CUR), ==, 4);
    g_assert_cmpint(io_channel_seek(ch, 1, SEEK_SET), ==, 1);
    g_assert_true(io_channel_read_all(ch, buf, 3, &err));
    g_assert_cmpmem(buf, 3, "bcd", 3);
    g_assert_true(io_channel_pread_all(ch, buf, 6, 4, &err));
    g_assert_cmpmem(buf, 6, "\0\0abcd", 6);
    g_assert_cmpint(io_channel_shutdown(ch, IO_SHUTDOWN_BOTH), ==, 0);
    g_assert_cmpint(io_channel_pwritev(ch, iov, 2, 0), ==, -EPIPE);
    g_assert_cmpint(io_channel_write(ch, "x", 1), ==, -EPIPE);
    g_assert_true(io_channel_close(ch, &err));
    io_channel_unref(ch);

    ch = io_channel_open_file(path, O_RDONLY, 0, NULL, &err);
    g_assert_false(io_channel_has_feature(ch, IO_FEATURE_BIDIRECTIONAL));
    g_assert_cmpint(io_channel_write(ch, "x", 1), ==, -ENOTSUP);
    io_channel_unref(ch);
    g_unlink(path);
    g_rmdir(dir);

    g_assert_null(io_channel_open_file(path, O_RDONLY, 0, NULL, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(err->message, path));
}

static void test_disk_full(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(IoChannel) ch =
        io_channel_open_file("/dev/full", O_WRONLY, 0, NULL, &err);

    g_assert_no_error(err);
    g_assert_false(io_channel_write_all(ch, "x", 1, &err));
    g_assert_cmpstr(err->message, ==,
                    "file:/dev/full: write failed: No space left on device");
}

/* O_NONBLOCK belongs to the open file, which others may share. */
static void test_flags_back(void)
{
    int fds[2], copy;
    IoChannel *ch;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    copy = dup(fds[0]);
    ch = io_channel_new_fd(fds[0], NULL, NULL);
    g_assert_true(fcntl(copy, F_GETFL) & O_NONBLOCK);
    io_channel_unref(ch);
    g_assert_false(fcntl(copy, F_GETFL) & O_NONBLOCK);
    close(copy);
    close(fds[1]);
}

/* Another program has made it block again: nobody waits in the kernel. */
static void test_flags_lost(void)
{
    static const char block[4096];
    int fds[2], copy[2];
    IoChannel *in, *out;
    char byte;
    ssize_t n;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    copy[0] = dup(fds[0]);
    copy[1] = dup(fds[1]);
    in = io_channel_new_fd(fds[0], NULL, NULL);
    out = io_channel_new_fd(fds[1], NULL, NULL);
    io_channel_set_blocking(in, false);
    io_channel_set_blocking(out, false);
    alarm(HANG_S); /* ends a test that hangs */
    g_assert_cmpint(fcntl(copy[0], F_SETFL, 0), ==, 0);
    g_assert_cmpint(io_channel_read(in, &byte, 1), ==, -EAGAIN);
    g_assert_cmpint(fcntl(copy[1], F_SETFL, 0), ==, 0);
    do {
        n = io_channel_write(out, block, sizeof(block));
    } while (n > 0);
    g_assert_cmpint(n, ==, -EAGAIN);
    alarm(0);
    io_channel_unref(in);
    io_channel_unref(out);
    close(copy[0]);
    close(copy[1]);
}

static void test_command_read(void)
{
    g_autoptr(GError) err = NULL;
    IoChannel *ch = io_channel_new_command("printf hello", O_RDONLY, &err);
    char buf[8];
    bool eof = false;

    g_assert_no_error(err);
    g_assert_true(io_channel_read_all(ch, buf, 5, &err));
    g_assert_cmpmem(buf, 5, "hello", 5);
    g_assert_true(io_channel_read_all_eof(ch, buf, 1, &eof, &err));
    g_assert_true(eof);
    g_assert_true(io_channel_close(ch, &err));
    io_channel_unref(ch);
}

static void test_command_write(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-io-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "file", NULL);
    g_autofree char *cmd = g_strdup_printf("cat > '%s'", path);
    g_autofree char *text = NULL;
    g_autofree char *data = g_strnfill(1 << 20, 'x');
    g_autoptr(GError) err = NULL;
    IoChannel *ch = io_channel_new_command(cmd, O_WRONLY, &err);

    g_assert_no_error(err);
    g_assert_true(io_channel_write_all(ch, data, 1 << 20, &err));
    /* Only after it has ended is everything there. */
    g_assert_true(io_channel_close(ch, &err));
    io_channel_unref(ch);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, data);
    g_unlink(path);
    g_rmdir(dir);
}

static void test_command_both(void)
{
    g_autoptr(IoChannel) ch = io_channel_new_command("cat", O_RDWR, NULL);
    char buf[5];

    g_assert_true(io_channel_has_feature(ch, IO_FEATURE_BIDIRECTIONAL));
    g_assert_true(io_channel_write_all(ch, "hello", 5, NULL));
    g_assert_true(io_channel_read_all(ch, buf, 5, NULL));
    g_assert_cmpmem(buf, 5, "hello", 5);
    g_assert_true(io_channel_close(ch, NULL));
}

static void test_command_fails(void)
{
    static const struct {
        const char *cmd;
        const char *error; /* NULL: none */
    } t[] = {
        { "true", NULL },
        { "exit 3", "exec:exit 3: command ended with status 3" },
        { "/no/such/command 2>/dev/null",
          "exec:/no/such/command 2>/dev/null: command ended with status 127" },
        { "kill -15 $$",
          "exec:kill -15 $$: command was killed by signal 15 (Terminated)" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(IoChannel) ch = NULL;

        g_test_message("command '%s'", t[i].cmd);
        ch = io_channel_new_command(t[i].cmd, O_WRONLY, &err);
        g_assert_no_error(err);
        g_assert_cmpint(io_channel_close(ch, &err), ==, !t[i].error);
        if (t[i].error) {
            g_assert_error(err, IO_ERROR, IO_ERROR_STATUS);
            g_assert_cmpstr(err->message, ==, t[i].error);
        }
    }
}

/* The command ends early: writing fails, and doesn't raise a signal. */
static void test_command_gone(void)
{
    g_autoptr(IoChannel) ch =
        io_channel_new_command("exec <&-", O_WRONLY, NULL);
    g_autofree char *data = g_malloc0(1 << 20);
    g_autoptr(GError) err = NULL;

    g_assert_false(io_channel_write_all(ch, data, 1 << 20, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CLOSED);
}

/* A reader that had enough is no failure of the command. */
static void test_command_read_some(void)
{
    g_autoptr(IoChannel) ch =
        io_channel_new_command("exec yes", O_RDONLY, NULL);
    g_autoptr(GError) err = NULL;
    char buf[2];

    g_assert_true(io_channel_read_all(ch, buf, 2, &err));
    io_channel_close(ch, &err);
    g_assert_no_error(err);
}

static void *close_thread(void *opaque)
{
    return io_channel_close(opaque, NULL) ? opaque : NULL;
}

/* It would run for ever: a shutdown ends the wait for it. */
static void test_command_hangs(void)
{
    g_autoptr(IoChannel) ch =
        io_channel_new_command("exec sleep 1000000", O_WRONLY, NULL);
    Thread t = { 0 };

    g_assert_true(thread_create(&t, "close", close_thread, ch, NULL));
    io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
    g_assert_true(thread_join(&t) == ch);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/file/file", test_file);
    g_test_add_func("/io/file/disk-full", test_disk_full);
    g_test_add_func("/io/file/flags-back", test_flags_back);
    g_test_add_func("/io/file/flags-lost", test_flags_lost);
    g_test_add_func("/io/command/read", test_command_read);
    g_test_add_func("/io/command/write", test_command_write);
    g_test_add_func("/io/command/both", test_command_both);
    g_test_add_func("/io/command/fails", test_command_fails);
    g_test_add_func("/io/command/gone", test_command_gone);
    g_test_add_func("/io/command/read-some", test_command_read_some);
    g_test_add_func("/io/command/hangs", test_command_hangs);
    return g_test_run();
}
