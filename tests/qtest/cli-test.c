/*
 * The command line: what is refused, in which words, with which status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>

#define BASE "-machine none -accel qtest -display none -nodefaults "

/* Options that are refused: one line that names option and value. */
static const struct {
    const char *args, *message;
} refused[] = {
    { "-foo", "-foo: invalid option" },
    { "--foo", "--foo: invalid option" },
    { "-device", "-device: requires an argument" },
    { "-machine foo",
      "unsupported machine type 'foo' (-machine help lists those there are)" },
    { "-machine none,foo=1", "Property 'none-machine.foo' not found" },
    { "-m 64,slots=1", "-m 64,slots=1: slots specified but no max-size" },
    { "-m 64,maxmem=32",
      "-m 64,maxmem=32: invalid value of maxmem: maximum memory size "
      "(0x20) must be at least the initial memory size (0x4000000)" },
    { "-m 64,foo=1", "-m 64,foo=1: Invalid parameter 'foo'" },
    { "-smp 300", "Invalid SMP CPUs 300. The max CPUs supported by "
                  "machine 'none' is 1" },
    { "-smp 2,sockets=3",
      "Invalid CPU topology: product of the hierarchy must match maxcpus: "
      "sockets (3) * dies (1) * cores (0) * threads (1) != maxcpus (2)" },
    { "-smp cpus=4,maxcpus=2",
      "Invalid CPU topology: maxcpus must be equal to or greater than "
      "smp: sockets (1) * dies (1) * cores (2) * threads (1) == maxcpus "
      "(2) < smp_cpus (4)" },
    { "-smp 3,cores=2",
      "Invalid CPU topology: product of the hierarchy must match maxcpus: "
      "sockets (1) * dies (1) * cores (2) * threads (1) != maxcpus (3)" },
    { "-uuid foo", "-uuid foo: failed to parse UUID string: wrong format" },
    { "-uuid 12345678-1234-1234-1234-123456789abcd",
      "-uuid 12345678-1234-1234-1234-123456789abcd: failed to parse UUID "
      "string: wrong format" },
    { "-name foo,bar=1", "-name foo,bar=1: Invalid parameter 'bar'" },
    { "-boot order=xyz", "Invalid boot device 'x'" },
    { "-boot cc", "Boot device 'c' was given twice" },
    { "-rtc base=foo", "invalid datetime format\n"
                       "valid formats: '2006-06-17T16:01:21' or '2006-06-17'" },
    { "-initrd x", "-initrd only allowed with -kernel option" },
    { "-append x", "-append only allowed with -kernel option" },
    { "-chardev foo", "-chardev foo: chardev: no id specified" },
    { "-chardev foo,id=x",
      "-chardev foo,id=x: 'foo' is not a valid char driver name" },
    { "-serial foo", "-serial foo: 'foo' is not a valid char driver" },
    { "-mon chardev=foo", "-mon chardev=foo: chardev \"foo\" not found" },
    { "-object foo,id=x", "-object foo,id=x: Parameter 'qom-type' does "
                          "not accept value 'foo'" },
    { "-display foo",
      "-display foo: Parameter 'type' does not accept value 'foo'" },
    { "-display gtk", "Display 'gtk' is not available." },
    { "-vga foo", "unknown vga type: foo" },
    { "-vga qxl", "-vga qxl: this video card is not supported yet" },
    { "-vga std", "-vga std: machine 'none' has no place for it" },
    { "-msg foo=1", "-msg foo=1: Invalid parameter 'foo'" },
    { "-pidfile /nowhere/x",
      "cannot create PID file: Could not create '/nowhere/x': No such "
      "file or directory" },
    { "-chroot /nowhere",
      "chroot to '/nowhere' failed: No such file or directory" },
    { "-runas no-such-user",
      "-runas no-such-user: User \"no-such-user\" doesn't exist (and is "
      "not <uid>:<gid>)" },
    { "-sandbox on,spawn=maybe",
      "-sandbox on,spawn=maybe: invalid argument for spawn" },
    { "-sandbox on,foo=deny", "-sandbox on,foo=deny: Invalid parameter 'foo'" },
    { "-mon chardev=none,id=a", "-mon chardev=none,id=a: chardev \"none\" not "
                                "found" },
    { "-add-fd fd=1", "-add-fd fd=1: fd cannot be a standard I/O stream" },
    { "-add-fd set=1",
      "-add-fd set=1: fd option is required and must be non-negative" },
    { "-add-fd fd=77,set=1",
      "-add-fd fd=77,set=1: fd is not valid or already in use" },
    { "-set foo", "-set foo: can't parse: \"foo\"" },
    { "-set device.x.y=1",
      "-set device.x.y=1: there is no device \"x\" defined" },
    { "-global x", "-global x: Invalid parameter 'x'" },
    { "-incoming unix:/nowhere/x",
      "-incoming unix:/nowhere/x: Failed to bind socket to /nowhere/x: "
      "No such file or directory" },
    { "-singlestep", "-singlestep: this option is not supported yet" },
    { "-old-param", "-old-param: Option not supported for this target" },
    { "-device foo", "-device foo: 'foo' is not a valid device model "
                     "name" },
    { "-device isa-debug-exit", "-device isa-debug-exit: No 'ISA' bus "
                                "found for device 'isa-debug-exit'" },
    { "-device foo,help", "-device foo,help: Device 'foo' not found" },
    { "-daemonize -monitor stdio",
      "-monitor stdio: cannot use stdio with -daemonize" },
};

static void test_refused(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *args = g_strconcat(BASE, refused[i].args, NULL);
        g_autofree char *expect =
            g_strdup_printf("qemu-system-x86_64: %s\n", refused[i].message);
        int status = 0;
        g_autofree char *text = qtest_run(args, &status);

        g_test_message("%s", args);
        g_assert_cmpstr(text, ==, expect);
        g_assert_cmpint(status, ==, 1);
    }
}

static void test_accelerators(void)
{
    static const struct {
        const char *args, *message;
    } t[] = {
        { "-accel foo",
          "qemu-system-x86_64: -accel foo: invalid accelerator foo\n" },
        { "-machine none,accel=foo",
          "qemu-system-x86_64: invalid accelerator foo\n" },
        { "-accel foo -accel bar",
          "qemu-system-x86_64: -accel foo: invalid accelerator foo\n"
          "qemu-system-x86_64: -accel bar: invalid accelerator bar\n" },
        { "-accel qtest,foo=1", "qemu-system-x86_64: -accel qtest,foo=1: "
                                "Property 'qtest-accel.foo' not found\n" },
        { "-accel qtest -machine accel=qtest",
          "qemu-system-x86_64: The -accel and \"-machine accel=\" options are "
          "incompatible\n" },
        { "-machine accel=", "qemu-system-x86_64: no accelerator found\n" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *args = g_strconcat("-machine none ", t[i].args, NULL);
        int status = 0;
        g_autofree char *text = qtest_run(args, &status);

        g_test_message("%s", args);
        g_assert_cmpstr(text, ==, t[i].message);
        g_assert_cmpint(status, ==, 1);
    }
}

/* Help needs nothing and ends with status 0. */
static void test_help(void)
{
    static const char *const args[] = {
        "-h",
        "-help",
        "-version",
        "-machine help",
        "-M ?",
        "-accel help",
        "-cpu help",
        "-device help",
        "-device isa-debug-exit,help",
        "-object help",
        "-chardev help",
        "-d help",
        "-trace help",
        "-L help",
        "-machine none,help",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(args); i++) {
        g_autofree char *line = g_strconcat("-accel qtest ", args[i], NULL);
        int status = 1;
        g_autofree char *text = qtest_run(line, &status);

        g_test_message("%s", line);
        g_assert_cmpstr(text, ==, "");
        g_assert_cmpint(status, ==, 0);
    }
}

/* What is accepted really arrives. */
static void test_accepted(void)
{
    QTest *q = qtest_start("-machine none -name 'a guest,process=guest0' "
                           "-uuid 01234567-89AB-cdef-0123-456789abcdef "
                           "-chardev null,id=c0 -set chardev.c0.mux=on "
                           "-nographic -S -no-user-config");
    g_autoptr(JsonValue) name = qtest_qmp(q, "{\"execute\":\"query-name\"}");
    g_autoptr(JsonValue) uuid = qtest_qmp(q, "{\"execute\":\"query-uuid\"}");
    g_autoptr(JsonValue) st = qtest_qmp(q, "{\"execute\":\"query-status\"}");

    g_assert_cmpstr(json_get_string(json_object_get(name, "name")), ==,
                    "a guest");
    g_assert_cmpstr(json_get_string(json_object_get(uuid, "UUID")), ==,
                    "01234567-89ab-cdef-0123-456789abcdef");
    g_assert_cmpstr(json_get_string(json_object_get(st, "status")), ==,
                    "prelaunch");
    qtest_quit(q);
}

static void test_incoming(void)
{
    QTest *q = qtest_start("-machine none -incoming defer");
    g_autoptr(JsonValue) st = qtest_qmp(q, "{\"execute\":\"query-status\"}");

    g_assert_cmpstr(json_get_string(json_object_get(st, "status")), ==,
                    "inmigrate");
    qtest_quit(q);
}

static void test_pidfile(void)
{
    g_autofree char *dir = g_dir_make_tmp("cli-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "pid", NULL);
    QTest *q = qtest_startf("-machine none -pidfile '%s'", path);
    g_autofree char *text = NULL;

    /* An answer: it has started. */
    json_unref(qtest_qmp(q, "{\"execute\":\"query-status\"}"));
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(g_ascii_strtoll(text, NULL, 10), ==, qtest_pid(q));
    /* Who holds it is not pushed aside. */
    {
        g_autofree char *args = g_strdup_printf(BASE "-pidfile '%s'", path);
        g_autofree char *err = NULL;
        int status = 0;

        err = qtest_run(args, &status);
        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(err, "cannot create PID file: Could not lock"));
    }
    qtest_quit(q);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/refused", test_refused);
    g_test_add_func("/cli/accelerators", test_accelerators);
    g_test_add_func("/cli/help", test_help);
    g_test_add_func("/cli/accepted", test_accepted);
    g_test_add_func("/cli/incoming", test_incoming);
    g_test_add_func("/cli/pidfile", test_pidfile);
    return g_test_run();
}
