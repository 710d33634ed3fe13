/*
 * What -vnc takes, and what it refuses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc-opts.h"
#include "util/error.h"

static VncOptions *parse(const char *text, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, "vnc", errp);
    g_autoptr(VncOptions) o = vnc_options_new(kv, errp);

    return o != NULL && keyval_check_all_used(kv, "vnc", errp)
               ? g_steal_pointer(&o)
               : NULL;
}

static char *address_text(const IoSocketAddress *addr)
{
    return addr != NULL ? io_socket_address_to_string(addr) : g_strdup("none");
}

static void test_addresses(void)
{
    static const struct {
        const char *text, *addr, *websocket;
        unsigned to;
    } t[] = {
        { "none", "none", "none", 0 },
        { ":0", "tcp::5900", "none", 0 },
        { "127.0.0.1:91", "tcp:127.0.0.1:5991", "none", 0 },
        { "localhost:59635", "tcp:localhost:65535", "none", 0 },
        { "[::1]:2", "tcp:[::1]:5902", "none", 0 },
        { "::1:2", "tcp:[::1]:5902", "none", 0 },
        { "unix:/a:b", "unix:/a:b", "none", 0 },
        { "h:1,to=9", "tcp:h:5901", "none", 5909 },
        { "h:1,websocket", "tcp:h:5901", "tcp:h:5701", 0 },
        { "h:1,websocket=on", "tcp:h:5901", "tcp:h:5701", 0 },
        { "h:1,websocket=off", "tcp:h:5901", "none", 0 },
        { "h:1,websocket=80", "tcp:h:5901", "tcp:h:80", 0 },
        { "h:1,websocket=[::1]:80", "tcp:h:5901", "tcp:[::1]:80", 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(VncOptions) o = parse(t[i].text, NULL);
        g_autofree char *addr = NULL, *websocket = NULL;

        g_test_message("%s", t[i].text);
        g_assert_nonnull(o);
        addr = address_text(o->addr);
        websocket = address_text(o->websocket);
        g_assert_cmpstr(addr, ==, t[i].addr);
        g_assert_cmpstr(websocket, ==, t[i].websocket);
        if (o->addr != NULL && o->addr->type == IO_ADDRESS_INET) {
            g_assert_cmpuint(o->addr->u.inet.to, ==, t[i].to);
        }
        g_assert_cmpint(o->search, ==, t[i].to != 0);
    }
}

static void test_others(void)
{
    g_autoptr(VncOptions) o = parse(":1", NULL);
    g_autoptr(VncOptions) all =
        parse(":1,id=a,password=on,lossy=on,share=force-shared,ipv6=off,"
              "connections=7,key-delay-ms=0,display=v,head=0,audiodev=s,"
              "websocket=on,to=3,non-adaptive=on,sasl=off,reverse=off",
              NULL);

    g_assert_nonnull(o);
    g_assert_null(o->id);
    g_assert_false(o->password);
    g_assert_false(o->lossy);
    g_assert_cmpint(o->share, ==, VNC_SHARE_ALLOW_EXCLUSIVE);
    g_assert_cmpuint(o->connections, ==, 32);
    g_assert_cmpuint(o->key_delay_ms, ==, 10);
    g_assert_nonnull(all);
    g_assert_cmpstr(all->id, ==, "a");
    g_assert_true(all->password);
    g_assert_true(all->lossy);
    g_assert_cmpint(all->share, ==, VNC_SHARE_FORCE_SHARED);
    g_assert_cmpuint(all->connections, ==, 7);
    g_assert_cmpuint(all->key_delay_ms, ==, 0);
    g_assert_cmpstr(all->display, ==, "v");
    g_assert_cmpstr(all->audiodev, ==, "s");
    g_assert_cmpint(all->addr->u.inet.ipv6, ==, IO_TRISTATE_OFF);
    g_assert_cmpint(all->websocket->u.inet.ipv6, ==, IO_TRISTATE_OFF);
    g_assert_cmpuint(all->websocket->u.inet.to, ==, 5703);
}

/* Each error names what is wrong. */
static void test_refused(void)
{
    static const struct {
        const char *text, *with;
    } t[] = {
        { "", "no vnc port" },
        { "nonsense", "no vnc port" },
        { ":", "cannot be empty" },
        { ":x", "number: x" },
        { ":-1", "number: -1" },
        { ":59636", "59636" },
        { ":99999999999999999999", "99999999999999999999" },
        { "unix:", "path" },
        { "unix:/a,to=3", "to=3" },
        { "unix:/a,websocket=on", "websocket=on" },
        { "none,websocket=80", "websocket=80" },
        { ":5,to=4", "to=4" },
        { ":5,to=x", "'to'" },
        { ":5,websocket=x", "websocket=x" },
        { ":5,websocket=0", "websocket=0" },
        { ":5,websocket=70000", "websocket=70000" },
        { ":5,share=alone", "alone" },
        { ":5,lossy=maybe", "lossy" },
        { ":5,connections=0", "connections" },
        { ":5,head=16", "head" },
        { ":5,key-delay-ms=-1", "key-delay-ms" },
        { ":5,tls-creds=t", "tls-creds" },
        { ":5,password-secret=s", "password-secret" },
        { ":5,sasl=on", "sasl" },
        { ":5,reverse=on", "reverse" },
        { ":5,lock-key-sync=on", "lock-key-sync" },
        { ":5,power-control=on", "power-control" },
        { ":5,bogus=1", "bogus" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;

        g_test_message("%s", t[i].text);
        g_assert_null(parse(t[i].text, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, t[i].with));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vnc-opts/addresses", test_addresses);
    g_test_add_func("/vnc-opts/others", test_others);
    g_test_add_func("/vnc-opts/refused", test_refused);
    return g_test_run();
}
