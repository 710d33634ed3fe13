/*
 * Socket addresses and migration URIs as users write them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/address.h"

#include "io/error.h"

/* What parses, and how it is printed again (NULL: as it was). */
static void test_good(void)
{
    static const struct {
        const char *in;
        const char *out;
    } t[] = {
        { "tcp:127.0.0.1:4444", NULL },
        { "tcp::4444", NULL },
        { "tcp:[::1]:4444", NULL },
        { "tcp:host:http", NULL },
        { "tcp:host:1,to=9,ipv4,ipv6=off,keep-alive=on", "tcp:host:1" },
        { "tcp:host:65535", NULL },
        { "unix:/tmp/a,b:c", NULL },
        { "vsock:2:1234", NULL },
        { "vsock:4294967295:0", NULL },
        { "fd:7", NULL },
        { "fd:name", NULL },
        { "exec:cat > x", NULL },
        { "file:/a", NULL },
        { "file:/a,offset=4096", NULL },
        { "file:/a,offset=0x10", "file:/a,offset=16" },
        { "file:/a,offset=1M", "file:/a,offset=1048576" },
        { "file:/a,b", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(IoUri) uri = NULL;
        g_autofree char *out = NULL;

        g_test_message("%s", t[i].in);
        g_assert_true(io_uri_parse(t[i].in, &uri, &err));
        g_assert_no_error(err);
        out = io_uri_to_string(uri);
        g_assert_cmpstr(out, ==, t[i].out ? t[i].out : t[i].in);
    }
}

/* What doesn't parse, and what the error has to name. */
static void test_bad(void)
{
    static const struct {
        const char *in;
        const char *names;
    } t[] = {
        { "", "unknown migration protocol" },
        { "foo:bar", "unknown migration protocol: foo:bar" },
        { "tcp", "unknown migration protocol: tcp" },
        { "rdma:host:1", "'rdma' is not in this version" },
        { "tcp:", "HOST:PORT" },
        { "tcp:127.0.0.1", "'127.0.0.1'" },
        { "tcp:host:", "'host:'" },
        { "tcp:::1:4444", "'::1:4444'" },
        { "tcp:[::1]4444", "'[::1]4444'" },
        { "tcp:[]:4444", "'[]:4444'" },
        { "tcp:[::1:4444", "'[::1:4444'" },
        { "tcp:host:65536", "'65536'" },
        { "tcp:host:12x", "'12x'" },
        { "tcp:host:1,to=x", "'x'" },
        { "tcp:host:1,to=-1", "'-1'" },
        { "tcp:host:1,to", "'to'" },
        { "tcp:host:1,ipv4=maybe", "'maybe'" },
        { "tcp:host:1,color=red", "unknown option 'color'" },
        { "unix:", "path" },
        { "vsock:1", "'1'" },
        { "vsock:x:1", "'x:1'" },
        { "vsock:1:2:3", "'1:2:3'" },
        { "vsock:4294967296:1", "'4294967296:1'" },
        { "fd:", "descriptor" },
        { "exec:", "command" },
        { "file:", "path" },
        { "file:,offset=1", "path" },
        { "file:/a,offset=", "offset" },
        { "file:/a,offset=x", "'x'" },
        { "file:/a,offset=-1", "'-1'" },
        { "file:/a,offset=99999999999999999999", "99999999999999999999" },
        { "file:/a,offset=0xffffffffffffffff", "0xffffffffffffffff" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        IoUri *uri = NULL;

        g_test_message("%s", t[i].in);
        g_assert_false(io_uri_parse(t[i].in, &uri, &err));
        g_assert_null(uri);
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, t[i].names));
    }
}

static void test_inet_options(void)
{
    g_autoptr(IoSocketAddress) a = NULL;
    g_autoptr(IoSocketAddress) b = NULL;

    g_assert_true(io_socket_address_parse_inet(
        "h:5,to=9,ipv4=on,ipv6=off,keep-alive", &a, NULL));
    b = io_socket_address_copy(a);
    g_assert_cmpstr(b->u.inet.host, ==, "h");
    g_assert_cmpstr(b->u.inet.port, ==, "5");
    g_assert_cmpint(b->u.inet.to, ==, 9);
    g_assert_cmpint(b->u.inet.ipv4, ==, IO_TRISTATE_ON);
    g_assert_cmpint(b->u.inet.ipv6, ==, IO_TRISTATE_OFF);
    g_assert_true(b->u.inet.keep_alive);
    io_socket_address_free(NULL);
}

static void test_uint(void)
{
    uint64_t v = 0;

    g_assert_true(io_parse_uint("18446744073709551615", UINT64_MAX, &v));
    g_assert_cmpuint(v, ==, UINT64_MAX);
    g_assert_true(io_parse_uint("0x1f", 31, &v));
    g_assert_cmpuint(v, ==, 31);
    g_assert_false(io_parse_uint("32", 31, &v));
    g_assert_false(io_parse_uint("18446744073709551616", UINT64_MAX, &v));
    g_assert_false(io_parse_uint("", 31, &v));
    g_assert_false(io_parse_uint("-1", UINT64_MAX, &v));
    g_assert_false(io_parse_uint(" 1", 31, &v));
    g_assert_false(io_parse_uint("0x", 31, &v));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/address/good", test_good);
    g_test_add_func("/io/address/bad", test_bad);
    g_test_add_func("/io/address/inet-options", test_inet_options);
    g_test_add_func("/io/address/uint", test_uint);
    return g_test_run();
}
