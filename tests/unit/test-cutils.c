/*
 * Text to numbers and back; files that a user names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

#include "util/cutils.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/open.h"

static const struct {
    const char *text;
    uint64_t unit;
    bool ok;
    uint64_t want;
} sizes[] = {
    { "0", 1, true, 0 },
    { "8G", 1, true, 8 * GiB },
    { "512M", 1, true, 512 * MiB },
    { "512m", 1, true, 512 * MiB },
    { "1.5G", 1, true, 1536 * MiB },
    { "0.5k", 1, true, 512 },
    { "1.0001k", 1, true, 1024 },
    { "128", MiB, true, 128 * MiB },
    { "128B", MiB, true, 128 },
    { "1.5", MiB, true, 1536 * KiB },
    { "0.1M", 1, true, 104857 },
    { "0x10", 1, true, 16 },
    { "0x10", KiB, true, 16 * KiB },
    { "0x10K", 1, true, 16 * KiB },
    { "0x1B", 1, true, 0x1b },
    { "0x1e", 1, true, 0x1e },
    { "010", 1, true, 10 },
    { "1T", 1, true, TiB },
    { "2P", 1, true, 2048 * TiB },
    { "15E", 1, true, UINT64_C(15) << 60 },
    { "15.999E", 1, true, UINT64_C(18445591152204944769) },
    { "18446744073709551615", 1, true, UINT64_MAX },
    { "18446744073709551616", 1, false, 0 },
    { "16E", 1, false, 0 },
    { "16777216T", 1, false, 0 },
    { "18446744073709551615", KiB, false, 0 },
    { "", 1, false, 0 },
    { "G", 1, false, 0 },
    { "-1", 1, false, 0 },
    { "+1", 1, false, 0 },
    { " 1", 1, false, 0 },
    { "1 ", 1, false, 0 },
    { "1GB", 1, false, 0 },
    { "1GiB", 1, false, 0 },
    { "12x", 1, false, 0 },
    { "1.", 1, false, 0 },
    { ".5G", 1, false, 0 },
    { "1.5", 1, false, 0 },
    { "1.5B", 1, false, 0 },
    { "1..5G", 1, false, 0 },
    { "0x", 1, false, 0 },
    { "0x1.8K", 1, false, 0 },
    { "1e3", 1, false, 0 },
    { "nan", 1, false, 0 },
};

static void test_size(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) err = NULL;
        uint64_t v = 12345;

        g_test_message("'%s'", sizes[i].text);
        g_assert_cmpint(parse_size("option 'size'", sizes[i].text,
                                   sizes[i].unit, &v, &err),
                        ==, sizes[i].ok);
        g_assert_cmpuint(v, ==, sizes[i].ok ? sizes[i].want : 12345);
        g_assert_cmpint(err == NULL, ==, sizes[i].ok);
        if (err) {
            g_assert_nonnull(strstr(err->message, "option 'size'"));
            g_assert_nonnull(strstr(err->message, sizes[i].text));
        }
    }
}

static void test_uint(void)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        bool ok;
        uint64_t want;
    } t[] = {
        { "0", 0, 10, true, 0 },
        { "10", 0, 10, true, 10 },
        { "11", 0, 10, false, 0 },
        { "1", 2, 10, false, 0 },
        { "0x1f", 0, 100, true, 31 },
        { "010", 0, 100, true, 8 },
        { "18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX },
        { "18446744073709551616", 0, UINT64_MAX, false, 0 },
        { "", 0, 10, false, 0 },
        { "-1", 0, UINT64_MAX, false, 0 },
        { "+1", 0, 10, false, 0 },
        { " 1", 0, 10, false, 0 },
        { "1x", 0, 10, false, 0 },
        { "1.0", 0, 10, false, 0 },
        { "on", 0, 10, false, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        uint64_t v = 777;

        g_test_message("'%s'", t[i].text);
        g_assert_cmpint(parse_uint("x", t[i].text, t[i].min, t[i].max, &v,
                                   &err),
                        ==, t[i].ok);
        g_assert_cmpuint(v, ==, t[i].ok ? t[i].want : 777);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
}

static void test_int(void)
{
    static const struct {
        const char *text;
        int64_t min, max;
        bool ok;
        int64_t want;
    } t[] = {
        { "-5", -5, 5, true, -5 },
        { "+5", -5, 5, true, 5 },
        { "5", -5, 5, true, 5 },
        { "-6", -5, 5, false, 0 },
        { "6", -5, 5, false, 0 },
        { "-0x10", -20, 0, true, -16 },
        { "-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN },
        { "9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX },
        { "9223372036854775808", INT64_MIN, INT64_MAX, false, 0 },
        { "-9223372036854775809", INT64_MIN, INT64_MAX, false, 0 },
        { "--1", -5, 5, false, 0 },
        { "-", -5, 5, false, 0 },
        { "", -5, 5, false, 0 },
        { "1 ", -5, 5, false, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        int64_t v = 777;

        g_test_message("'%s'", t[i].text);
        g_assert_cmpint(parse_int("x", t[i].text, t[i].min, t[i].max, &v, &err),
                        ==, t[i].ok);
        g_assert_cmpint(v, ==, t[i].ok ? t[i].want : 777);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
}

static void test_bool(void)
{
    static const struct {
        const char *text;
        bool ok;
        bool want;
    } t[] = {
        { "on", true, true },     { "yes", true, true },
        { "true", true, true },   { "y", true, true },
        { "off", true, false },   { "no", true, false },
        { "false", true, false }, { "n", true, false },
        { "", false, false },     { "ON", false, false },
        { "1", false, false },    { "onn", false, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        bool v = !t[i].want;

        g_test_message("'%s'", t[i].text);
        g_assert_cmpint(parse_bool("x", t[i].text, &v, &err), ==, t[i].ok);
        g_assert_cmpint(v, ==, t[i].ok ? t[i].want : !t[i].want);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
}

static void test_double(void)
{
    static const struct {
        const char *text;
        bool ok;
        double want;
    } t[] = {
        { "0", true, 0 },      { "1.5", true, 1.5 }, { "-2.25", true, -2.25 },
        { "1e3", true, 1000 }, { ".5", true, 0.5 },  { "", false, 0 },
        { "inf", false, 0 },   { "nan", false, 0 },  { "1e999", false, 0 },
        { "1x", false, 0 },    { " 1", false, 0 },   { "0x10", false, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        double v = 777;

        g_test_message("'%s'", t[i].text);
        g_assert_cmpint(parse_double("x", t[i].text, &v, &err), ==, t[i].ok);
        g_assert_cmpfloat(v, ==, t[i].ok ? t[i].want : 777);
        g_assert_cmpint(err == NULL, ==, t[i].ok);
    }
}

static void test_uuid(void)
{
    static const char *const bad[] = {
        "",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899aabb-ccddeeff",
        "+0112233-4455-6677-8899-aabbccddeeff",
        "0x112233-4455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899- abbccddeeff",
    };
    static const uint8_t want[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55,
                                      0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                                      0xcc, 0xdd, 0xee, 0xff };
    uint8_t got[16] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(parse_uuid(bad[i], got));
        g_assert_cmpint(got[1], ==, 0);
    }
    g_assert_true(parse_uuid("00112233-4455-6677-8899-aaBBccDDeeff", got));
    g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
}

static void test_size_to_str(void)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } t[] = {
        { 0, "0 B" },
        { 17, "17 B" },
        { 1023, "1023 B" },
        { 1024, "1 KiB" },
        { 1536, "1.5 KiB" },
        { 512 * MiB, "512 MiB" },
        { GiB + GiB / 4, "1.25 GiB" },
        { GiB + GiB / 8, "1.125 GiB" },
        { GiB - 1, "1023.999 MiB" },
        { 1024 + 52, "1.05 KiB" },
        { TiB, "1 TiB" },
        { UINT64_C(1) << 63, "8 EiB" },
        { UINT64_MAX, "15.999 EiB" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree char *s = size_to_str(t[i].bytes);

        g_assert_cmpstr(s, ==, t[i].want);
    }
}

static void test_id(void)
{
    g_assert_true(id_is_valid("net0"));
    g_assert_true(id_is_valid("a"));
    g_assert_true(id_is_valid("Vhost-user_1.2"));
    g_assert_false(id_is_valid(""));
    g_assert_false(id_is_valid("0net"));
    g_assert_false(id_is_valid("-a"));
    g_assert_false(id_is_valid("a/b"));
    g_assert_false(id_is_valid("a b"));
    g_assert_false(id_is_valid("a\xc3\xa9"));
}

/* Whoever waits holds the device lock up: a FIFO's other end isn't there. */
static void test_open(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-cutils-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "fifo", NULL);
    int r, w;
    VM_LOCK_GUARD();

    g_assert_cmpint(open_user_file(path, O_RDONLY, 0), ==, -ENOENT);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_cmpint(open_user_file(path, O_WRONLY, 0), ==, -ENXIO);
    r = open_user_file(path, O_RDONLY, 0);
    g_assert_cmpint(r, >=, 0);
    w = open_user_file(path, O_WRONLY | O_NONBLOCK, 0);
    g_assert_cmpint(w, >=, 0);
    /* As they were asked for. */
    g_assert_cmpint(fcntl(r, F_GETFL) & O_NONBLOCK, ==, 0);
    g_assert_cmpint(fcntl(w, F_GETFL) & O_NONBLOCK, !=, 0);
    g_assert_cmpint(fcntl(r, F_GETFD), ==, FD_CLOEXEC);
    close(r);
    close(w);
    g_unlink(path);
    r = open_user_file(path, O_RDWR | O_CREAT, 0600);
    g_assert_cmpint(r, >=, 0);
    close(r);
    g_unlink(path);
    g_rmdir(dir);
}

/* Whole, or not at all: also what never ends. */
static void test_read(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-cutils-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "file", NULL);
    const struct {
        const char *path;
        size_t max;
        const char *error;
    } bad[] = {
        { path, 39999, "it has more than 39999 bytes" },
        { "/dev/zero", 1 << 20, "it has more than 1048576 bytes" },
        { "/dev/zero", 0, "it has more than 0 bytes" },
        { "/nonexistent/x", 1, "No such file" },
        { dir, 1 << 20, "Is a directory" },
    };
    g_autofree char *big = g_strnfill(40000, 'x');
    char *data;
    size_t len;

    g_assert_true(g_file_set_contents(path, big, 40000, NULL));
    g_assert_true(read_user_file(path, 40000, &data, &len, NULL));
    g_assert_cmpmem(data, len + 1, big, 40001);
    g_free(data);
    g_assert_true(read_user_file("/dev/null", 0, &data, &len, NULL));
    g_assert_cmpmem(data, len + 1, "", 1);
    g_free(data);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(
            read_user_file(bad[i].path, bad[i].max, &data, &len, &err));
        g_assert_nonnull(strstr(err->message, bad[i].error));
    }
    /* A sparse file that no memory holds. */
    g_assert_cmpint(truncate(path, INT64_C(1) << 42), ==, 0);
    g_assert_false(read_user_file(path, 1 << 20, &data, &len, NULL));
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cutils/size", test_size);
    g_test_add_func("/cutils/uint", test_uint);
    g_test_add_func("/cutils/int", test_int);
    g_test_add_func("/cutils/bool", test_bool);
    g_test_add_func("/cutils/double", test_double);
    g_test_add_func("/cutils/uuid", test_uuid);
    g_test_add_func("/cutils/size-to-str", test_size_to_str);
    g_test_add_func("/cutils/id", test_id);
    g_test_add_func("/cutils/open", test_open);
    g_test_add_func("/cutils/read", test_read);
    return g_test_run();
}
