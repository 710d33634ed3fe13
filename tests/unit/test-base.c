/*
 * The base header's pure functions, byte order, and errors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bswap.h"
#include "util/error.h"

static void test_rounding(void)
{
    g_assert_cmpuint(DIV_ROUND_UP(0, 8), ==, 0);
    g_assert_cmpuint(DIV_ROUND_UP(9, 8), ==, 2);
    g_assert_cmpuint(ROUND_UP(4097, 4096), ==, 8192);
    g_assert_cmpuint(ROUND_UP(4096, 4096), ==, 4096);
    g_assert_cmpuint(ROUND_DOWN(4097, 4096), ==, 4096);
    g_assert_cmpuint(ROUND_UP(5 * GiB + 1, GiB), ==, 6 * GiB);
}

static void test_pow2(void)
{
    static const struct {
        uint64_t v, floor, ceil;
        bool is;
    } t[] = {
        { 0, 0, 1, false },
        { 1, 1, 1, true },
        { 3, 2, 4, false },
        { 4096, 4096, 4096, true },
        { UINT64_C(1) << 63, UINT64_C(1) << 63, UINT64_C(1) << 63, true },
        { (UINT64_C(1) << 63) + 1, UINT64_C(1) << 63, 0, false },
        { UINT64_MAX, UINT64_C(1) << 63, 0, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_assert_cmpint(is_pow2(t[i].v), ==, t[i].is);
        g_assert_cmphex(pow2_floor(t[i].v), ==, t[i].floor);
        g_assert_cmphex(pow2_ceil(t[i].v), ==, t[i].ceil);
    }
}

static void test_fields(void)
{
    g_assert_cmphex(MAKE_64BIT_MASK(0, 64), ==, UINT64_MAX);
    g_assert_cmphex(MAKE_64BIT_MASK(12, 40), ==, UINT64_C(0xffffffffff000));
    g_assert_cmphex(extract32(0x12345678, 8, 12), ==, 0x456);
    g_assert_cmphex(extract32(0x12345678, 0, 32), ==, 0x12345678);
    g_assert_cmphex(extract64(UINT64_C(0x123456789abcdef0), 60, 4), ==, 1);
    g_assert_cmphex(extract64(UINT64_MAX, 0, 64), ==, UINT64_MAX);
    g_assert_cmpint(sextract64(0xf0, 4, 4), ==, -1);
    g_assert_cmpint(sextract64(0x70, 4, 4), ==, 7);
    g_assert_cmphex(deposit32(0xffffffff, 8, 8, 0x112), ==, 0xffff12ff);
    g_assert_cmphex(deposit32(1, 0, 32, 7), ==, 7);
    g_assert_cmphex(deposit64(0, 60, 4, 0xf), ==, UINT64_C(15) << 60);
    g_assert_cmphex(deposit64(5, 0, 64, 9), ==, 9);
}

static void test_range_fits(void)
{
    g_assert_true(range_fits(0, 0, 0));
    g_assert_true(range_fits(4, 4, 8));
    g_assert_false(range_fits(4, 5, 8));
    g_assert_false(range_fits(9, 0, 8));
    g_assert_false(range_fits(4, UINT64_MAX - 1, 8));
    g_assert_false(range_fits(UINT64_MAX, 2, 8));
}

typedef struct Outer {
    int a;
    struct Inner {
        int b;
    } inner;
} Outer;

static void test_container_of(void)
{
    Outer o;
    struct Inner *in = &o.inner;

    g_assert_true(container_of(in, Outer, inner) == &o);
}

/* Every load and store, at an odd address, against the bytes. */
static void test_bswap(void)
{
    const uint8_t src[] = { 0xee, 0x81, 0x92, 0xa3, 0xb4,
                            0xc5, 0xd6, 0xe7, 0xf8, 0xee };
    const uint8_t *p = src + 1;
    uint8_t buf[10];

    g_assert_cmphex(ldub_p(p), ==, 0x81);
    g_assert_cmpint(ldsb_p(p), ==, -127);
    g_assert_cmphex(lduw_le_p(p), ==, 0x9281);
    g_assert_cmphex(lduw_be_p(p), ==, 0x8192);
    g_assert_cmpint(ldsw_be_p(p), ==, (int16_t)0x8192);
    g_assert_cmpint(ldsw_le_p(p), ==, (int16_t)0x9281);
    g_assert_cmphex(ldl_le_p(p), ==, 0xb4a39281);
    g_assert_cmphex(ldl_be_p(p), ==, 0x8192a3b4);
    g_assert_cmphex(ldq_le_p(p), ==, UINT64_C(0xf8e7d6c5b4a39281));
    g_assert_cmphex(ldq_be_p(p), ==, UINT64_C(0x8192a3b4c5d6e7f8));
    g_assert_cmphex(bswap16(0x1234), ==, 0x3412);
    g_assert_cmphex(bswap32(0x12345678), ==, 0x78563412);
    g_assert_cmphex(bswap64(0x12), ==, UINT64_C(0x12) << 56);

    for (unsigned size = 1; size <= 8; size *= 2) {
        memset(buf, 0xee, sizeof(buf));
        stn_le_p(buf + 1, size, ldq_le_p(p));
        g_assert_cmpmem(buf + 1, size, p, size);
        g_assert_cmphex(buf[0], ==, 0xee);
        g_assert_cmphex(buf[1 + size], ==, 0xee);
        g_assert_cmphex(ldn_le_p(p, size), ==,
                        extract64(ldq_le_p(p), 0, 8 * size));
    }
    g_assert_cmphex(ldn_le_p(p, 3), ==, 0);
    stw_be_p(buf + 1, 0x8192);
    g_assert_cmpmem(buf + 1, 2, p, 2);
    stl_be_p(buf + 1, 0x8192a3b4);
    g_assert_cmpmem(buf + 1, 4, p, 4);
    stq_be_p(buf + 1, UINT64_C(0x8192a3b4c5d6e7f8));
    g_assert_cmpmem(buf + 1, 8, p, 8);
}

static void test_error_text(void)
{
    g_autoptr(GError) err = NULL;

    error_setf(&err, "disk '%s': %d", "a", 5);
    g_assert_error(err, GODWIT_ERROR, ERROR_CLASS_GENERIC);
    g_assert_cmpstr(err->message, ==, "disk 'a': 5");
    error_prefix(&err, "%s: ", "-drive");
    g_assert_cmpstr(err->message, ==, "-drive: disk 'a': 5");
    g_clear_error(&err);

    error_setf_errno(&err, -ENOENT, "file '%s'", "x");
    g_assert_cmpstr(err->message, ==, "file 'x': No such file or directory");
    g_clear_error(&err);
    error_setf_errno(&err, ENOENT, "file");
    g_assert_cmpstr(err->message, ==, "file: No such file or directory");

    error_setf(NULL, "nobody asked");
    error_setf_errno(NULL, 1, "nobody asked");
    error_prefix(NULL, "x");
    g_clear_error(&err);
    error_prefix(&err, "nothing there");
    g_assert_null(err);
}

static void test_error_class(void)
{
    static const struct {
        ErrorClass cls;
        const char *name;
    } t[] = {
        { ERROR_CLASS_GENERIC, "GenericError" },
        { ERROR_CLASS_COMMAND_NOT_FOUND, "CommandNotFound" },
        { ERROR_CLASS_DEVICE_NOT_ACTIVE, "DeviceNotActive" },
        { ERROR_CLASS_DEVICE_NOT_FOUND, "DeviceNotFound" },
        { ERROR_CLASS_KVM_MISSING_CAP, "KVMMissingCap" },
    };
    g_autoptr(GError) other = g_error_new(G_FILE_ERROR, 2, "x");

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        error_set_class(&err, t[i].cls, "x %d", 1);
        g_assert_cmpint(error_class(err), ==, t[i].cls);
        g_assert_cmpstr(error_class_name(error_class(err)), ==, t[i].name);
    }
    g_assert_cmpint(error_class(other), ==, ERROR_CLASS_GENERIC);
    g_assert_cmpint(error_class(NULL), ==, ERROR_CLASS_GENERIC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/rounding", test_rounding);
    g_test_add_func("/base/pow2", test_pow2);
    g_test_add_func("/base/fields", test_fields);
    g_test_add_func("/base/range-fits", test_range_fits);
    g_test_add_func("/base/container-of", test_container_of);
    g_test_add_func("/bswap/all", test_bswap);
    g_test_add_func("/error/text", test_error_text);
    g_test_add_func("/error/class", test_error_class);
    return g_test_run();
}
