/*
 * Character devices: options, files, pipes, ring buffers, logs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "tests/unit/chardev-fe.h"
#include "util/error.h"
#include "util/lock.h"

/* Options that are refused, and what the error names. */
static void test_bad_options(void)
{
    static const struct {
        const char *opts;
        const char *names;
    } t[] = {
        { "id=x", "backend" },
        { "null", "no id" },
        { "null,id=1x", "'1x'" },
        { "null,id=x,foo=1", "'foo'" },
        { "null,id=x,mux=maybe", "'maybe'" },
        { "foo,id=x", "'foo' is not a valid char driver" },
        { "udp,id=x,port=1", "'udp' is not supported" },
        { "file,id=x", "no filename" },
        { "file,id=x,path=/no-such-folder/f", "/no-such-folder/f" },
        { "file,id=x,path=/dev/null,append=2", "'2'" },
        { "file,id=x,path=/dev/null,input-path=/no-such-file",
          "/no-such-file" },
        { "file,id=x,path=/dev/fdset/9", "/dev/fdset/9" },
        { "file,id=x,path=/dev/fdset/x", "'x'" },
        { "pipe,id=x,path=/no-such-folder/p", "/no-such-folder/p" },
        { "serial,id=x", "no device path" },
        { "serial,id=x,path=/dev/no-such-line", "/dev/no-such-line" },
        { "ringbuf,id=x,size=100", "100" },
        { "ringbuf,id=x,size=0", "power of two" },
        { "mux,id=x", "no chardev" },
        { "mux,id=x,chardev=y", "y not found" },
        { "null,id=x,logfile=/no-such-folder/l", "/no-such-folder/l" },
        { "socket,id=x", "required" },
        { "socket,id=x,path=a,host=b,port=1", "None or one of" },
        { "socket,id=x,host=b", "no port" },
        { "socket,id=x,port=1,to=65536", "65536" },
        { "socket,id=x,port=1,telnet=maybe", "'maybe'" },
        { "socket,id=x,port=1,tn3270=on", "'tn3270' is not supported" },
        { "socket,id=x,port=1,websocket", "'websocket' is not supported" },
        { "socket,id=x,port=1,tls-creds=t", "'tls-creds'" },
        { "socket,id=x,fd=nope", "'nope'" },
        { "socket,id=x,fd=1000000", "1000000" },
        { "socket,id=x,port=1,server,reconnect=1", "'reconnect'" },
        { "socket,id=x,port=1,wait=on", "'wait'" },
        { "socket,id=x,path=/no-such-folder/s", "/no-such-folder/s" },
        { "socket,id=x,path=/no-such-folder/s,server", "/no-such-folder/s" },
        { "socket,id=x,port=1,server=on,wait=on,bogus=1", "'bogus'" },
    };
    Chardevs *cs = chardevs_new();

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(KeyVal) kv = keyval_parse(t[i].opts, "backend", NULL);

        g_test_message("%s", t[i].opts);
        g_assert_null(chardev_new_from_keyval(cs, kv, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, t[i].names));
        g_assert_null(strchr(err->message, '\n'));
        g_assert_null(chardev_find(cs, "x"));
    }
    chardevs_free(cs);
}

/* Texts of -serial and -monitor that are refused. */
static void test_bad_text(void)
{
    static const struct {
        const char *text;
        const char *names;
    } t[] = {
        { "foo", "'foo'" },
        { "", "''" },
        { "null,foo=bar", "'null,foo=bar'" },
        { "vc", "'vc' is not supported" },
        { "vc:80Cx24C", "'vc:80Cx24C' is not supported" },
        { "websocket:host:1,server", "not supported" },
        { "telnet:host", "'host'" },
        { "telnet:", "HOST:PORT" },
        { "udp:1", "not supported" },
        { "/dev/parport0", "not supported" },
        { "chardev:nope", "'nope'" },
        { "tcp:1.2.3.4", "'1.2.3.4'" },
        { "tcp:", "HOST:PORT" },
        { "unix:", "path" },
        { "unix:/tmp/x,server,bogus=1", "'bogus'" },
        { "file:", "no filename" },
        { "mon:foo", "'foo'" },
        { "/dev/no-such-line", "/dev/no-such-line" },
    };
    Chardevs *cs = chardevs_new();

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        Chardev *cd = NULL;

        g_test_message("%s", t[i].text);
        g_assert_false(
            chardev_new_from_text(cs, "serial0", t[i].text, &cd, &err));
        g_assert_null(cd);
        g_assert_nonnull(strstr(err->message, t[i].names));
        g_assert_null(chardev_find(cs, "serial0"));
    }
    chardevs_free(cs);
}

static void count(Chardev *cd, void *opaque)
{
    ++*(int *)opaque;
}

static void test_null(void)
{
    Chardevs *cs = chardevs_new();
    Chardev *cd = test_chardev(cs, "null,id=n"), *other = NULL;
    g_autoptr(KeyVal) kv = keyval_parse("null,id=n", "backend", NULL);
    g_autoptr(GError) err = NULL;
    g_autofree char *filename = chardev_filename(cd);
    ChardevFrontend none = { 0 };
    void *handle = NULL;
    TestFe fe;
    int n = 0;

    g_assert_true(chardev_find(cs, "n") == cd);
    g_assert_cmpstr(filename, ==, "null");
    g_assert_false(chardev_frontend_open(cd));
    test_fe_attach(&fe, cd);
    g_assert_cmpstr(fe.events->str, ==, "O");
    g_assert_true(chardev_frontend_open(cd));
    g_assert_cmpint(chardev_write(cd, "abc", 3), ==, 3);
    g_assert_cmpint(chardev_write(cd, "abc", 3), ==, 3);
    g_assert_cmpint(chardev_take_fd(cd), ==, -1);
    g_assert_cmpint(chardev_set_line(cd, &(ChardevLine){ 0 }), ==, -ENOTSUP);
    g_assert_cmpint(chardev_send_break(cd), ==, -ENOTSUP);

    g_assert_false(chardev_attach(cd, &none, &handle, &err));
    g_assert_nonnull(strstr(err->message, "'n' is in use"));
    g_clear_error(&err);
    g_assert_null(chardev_new_from_keyval(cs, kv, &err));
    g_assert_nonnull(strstr(err->message, "Duplicate ID 'n'"));

    g_assert_true(chardev_new_from_text(cs, "m", "none", &other, NULL));
    g_assert_null(other);
    g_assert_true(chardev_new_from_text(cs, "m", "chardev:n", &other, NULL));
    g_assert_true(other == cd);
    chardevs_foreach(cs, count, &n);
    g_assert_cmpint(n, ==, 1);
    test_fe_detach(&fe);
    chardev_delete(cs, cd);
    g_assert_null(chardev_find(cs, "n"));
    chardevs_free(cs);
}

static void check_refused(Chardevs *cs, const char *opts, const char *why)
{
    g_autoptr(KeyVal) kv = keyval_parse(opts, "backend", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_null(chardev_new_from_keyval(cs, kv, &err));
    g_assert_nonnull(strstr(err->message, why));
}

/* Who adds one while the guest runs waits for nobody at the other end. */
static void test_fifo(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "fifo", NULL);
    g_autofree char *file = g_strconcat("file,id=f,path=", path, NULL);
    g_autofree char *log = g_strconcat("null,id=l,logfile=", path, NULL);
    Chardevs *cs = chardevs_new();
    uint8_t block[4096] = "";
    Chardev *cd;
    int reader;
    VM_LOCK_GUARD();

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    check_refused(cs, file, "No such device or address");
    check_refused(cs, log, "No such device or address");
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(reader, >=, 0);
    /* It sleeps: what the log can't take is left out of it. */
    cd = test_chardev(cs, log);
    for (int i = 0; i < 100; i++) {
        g_assert_cmpint(chardev_write(cd, block, sizeof(block)), ==,
                        sizeof(block));
    }
    g_assert_cmpint(read(reader, block, sizeof(block)), ==, sizeof(block));
    chardevs_free(cs);
    close(reader);
    g_unlink(path);
    g_rmdir(dir);
}

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "out", NULL);
    g_autofree char *in = g_build_filename(dir, "in", NULL);
    g_autofree char *log = g_build_filename(dir, "log", NULL);
    g_autofree char *text = g_strconcat("file:", path, NULL);
    g_autofree char *opts =
        g_strdup_printf("file,id=f,path=%s,append=on,input-path=%s,logfile=%s",
                        path, in, log);
    g_autofree char *got = NULL, *logged = NULL;
    Chardevs *cs = chardevs_new();
    Chardev *cd = NULL;
    TestFe fe;

    g_assert_true(chardev_new_from_text(cs, "f", text, &cd, NULL));
    g_assert_cmpint(chardev_write(cd, "one\n", 4), ==, 4);
    chardev_delete(cs, cd);
    g_assert_true(g_file_set_contents(in, "input", -1, NULL));
    cd = test_chardev(cs, opts);
    test_fe_attach(&fe, cd);
    g_assert_cmpint(chardev_write(cd, "two\n", 4), ==, 4);
    WAIT_FOR(!strcmp(fe.got->str, "input"));
    g_assert_cmpstr(fe.events->str, ==, "O");
    test_fe_detach(&fe);
    chardevs_free(cs);
    g_assert_true(g_file_get_contents(path, &got, NULL, NULL));
    g_assert_cmpstr(got, ==, "one\ntwo\n");
    g_assert_true(g_file_get_contents(log, &logged, NULL, NULL));
    g_assert_cmpstr(logged, ==, "two\n");
    g_unlink(path);
    g_unlink(in);
    g_unlink(log);
    g_rmdir(dir);
}

static int fdset_open(void *opaque, int64_t id, int flags)
{
    g_assert_cmpint(flags & O_ACCMODE, ==, O_WRONLY);
    return id == 3 ? dup(*(int *)opaque) : -ENOENT;
}

static void test_fdset(void)
{
    int fds[2];
    ChardevHooks hooks = { .fdset_open = fdset_open, .opaque = &fds[1] };
    Chardevs *cs = chardevs_new();
    char buf[4];
    Chardev *cd;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    chardevs_set_hooks(cs, &hooks);
    cd = test_chardev(cs, "file,id=f,path=/dev/fdset/3");
    g_assert_cmpint(chardev_write(cd, "abcd", 4), ==, 4);
    g_assert_cmpint(read(fds[0], buf, 4), ==, 4);
    g_assert_cmpmem(buf, 4, "abcd", 4);
    chardevs_free(cs);
    close(fds[0]);
    close(fds[1]);
}

static void test_pipe(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "p", NULL);
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *out = g_strconcat(path, ".out", NULL);
    g_autofree char *opts = g_strconcat("pipe,id=p,path=", path, NULL);
    Chardevs *cs = chardevs_new();
    char buf[4];
    Chardev *cd;
    TestFe fe;
    int rfd, wfd;

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    cd = test_chardev(cs, opts);
    test_fe_attach(&fe, cd);
    rfd = open(out, O_RDONLY | O_CLOEXEC);
    wfd = open(in, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(write(wfd, "hello", 5), ==, 5);
    WAIT_FOR(fe.got->len == 5);
    g_assert_cmpint(chardev_write(cd, "abcd", 4), ==, 4);
    g_assert_cmpint(read(rfd, buf, 4), ==, 4);
    test_fe_detach(&fe);
    chardevs_free(cs);
    close(rfd);
    close(wfd);
    g_unlink(in);
    g_unlink(out);
    g_rmdir(dir);
}

/* Room for a byte at a time: nothing is lost, nothing comes unasked. */
static void test_flow(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    g_autofree char *in = g_build_filename(dir, "in", NULL);
    g_autofree char *opts =
        g_strdup_printf("file,id=f,path=/dev/null,input-path=%s", in);
    Chardevs *cs = chardevs_new();
    Chardev *cd;
    TestFe fe;

    g_assert_true(g_file_set_contents(in, "abc", -1, NULL));
    cd = test_chardev(cs, opts);
    test_fe_attach(&fe, cd);
    fe.room = 0;
    chardev_accept_input(cd);
    while (g_main_context_iteration(NULL, false)) {
        /* whatever there is to do */
    }
    g_assert_cmpstr(fe.got->str, ==, "");
    for (size_t i = 1; i <= 3; i++) {
        fe.room = 1;
        chardev_accept_input(cd);
        WAIT_FOR(fe.got->len == i);
    }
    g_assert_cmpstr(fe.got->str, ==, "abc");
    test_fe_detach(&fe);
    chardevs_free(cs);
    g_unlink(in);
    g_rmdir(dir);
}

static void test_ringbuf(void)
{
    Chardevs *cs = chardevs_new();
    Chardev *cd = test_chardev(cs, "ringbuf,id=r,size=8");
    Chardev *null = test_chardev(cs, "null,id=n");
    g_autoptr(GError) err = NULL;
    GByteArray *got;

    g_assert_cmpint(chardev_write(cd, "0123456789", 10), ==, 10);
    got = chardev_ringbuf_read(cd, 3, NULL);
    g_assert_cmpmem(got->data, got->len, "234", 3);
    g_byte_array_unref(got);
    g_assert_true(chardev_ringbuf_write(cd, "ab", 2, NULL));
    got = chardev_ringbuf_read(cd, 100, NULL);
    g_assert_cmpmem(got->data, got->len, "56789ab", 7);
    g_byte_array_unref(got);
    got = chardev_ringbuf_read(cd, 100, NULL);
    g_assert_cmpint(got->len, ==, 0);
    g_byte_array_unref(got);
    g_assert_null(chardev_ringbuf_read(null, 1, &err));
    g_assert_cmpstr(err->message, ==, "n is not a ringbuf device");
    chardevs_free(cs);
}

static void test_json(void)
{
    static const struct {
        const char *json;
        const char *error; /* NULL: works */
    } t[] = {
        { "{'type': 'null', 'data': {}}", NULL },
        { "{'type': 'null'}", NULL },
        { "{'type': 'ringbuf', 'data': {'size': 64}}", NULL },
        { "{'type': 'file', 'data': {'out': '/dev/null', 'append': true}}",
          NULL },
        { "{'type': 'null', 'data': {'x': 1}}", "'x' is unexpected" },
        { "{'type': 'file', 'data': {'path': '/x'}}", "'path' is unexpected" },
        { "{'type': 'file', 'data': {'out': {}}}", "'path'" },
        { "{'type': 'nope', 'data': {}}", "'nope'" },
        { "{'data': {}}", "'type'" },
        { "{'type': 'socket', 'data': {}}", "'addr'" },
        { "{'type': 'socket', 'data': {'addr': {'type': 'foo'}}}", "'foo'" },
        { "{'type': 'socket', 'data': {'addr': {'type': 'inet', 'data': "
          "{'host': '127.0.0.1', 'port': '0'}}}}",
          NULL },
        { "{'type': 'socket', 'data': {'server': false, 'addr': {'type': "
          "'unix', 'data': {'path': '/no-such-folder/s'}}}}",
          "/no-such-folder/s" },
    };
    Chardevs *cs = chardevs_new();

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autofree char *text = g_strdelimit(g_strdup(t[i].json), "'", '"');
        g_autoptr(JsonValue) v = json_parse(text, -1, &err);
        Chardev *cd;

        g_test_message("%s", text);
        g_assert_no_error(err);
        cd = chardev_new_from_json(cs, "x", v, &err);
        if (!t[i].error) {
            g_assert_no_error(err);
            g_assert_null(chardev_new_from_json(cs, "x", v, &err));
            g_assert_nonnull(strstr(err->message, "'x' already exists"));
            chardev_delete(cs, cd);
            continue;
        }
        g_assert_null(cd);
        g_assert_nonnull(strstr(err->message, t[i].error));
    }
    chardevs_free(cs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chardev/bad-options", test_bad_options);
    g_test_add_func("/chardev/bad-text", test_bad_text);
    g_test_add_func("/chardev/null", test_null);
    g_test_add_func("/chardev/file", test_file);
    g_test_add_func("/chardev/fifo", test_fifo);
    g_test_add_func("/chardev/fdset", test_fdset);
    g_test_add_func("/chardev/pipe", test_pipe);
    g_test_add_func("/chardev/flow", test_flow);
    g_test_add_func("/chardev/ringbuf", test_ringbuf);
    g_test_add_func("/chardev/json", test_json);
    return g_test_run();
}
