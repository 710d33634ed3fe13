/*
 * Socket addresses as users write them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/address.h"

#include "io/error.h"

static IoSocketAddress *address_new(IoAddressType type)
{
    IoSocketAddress *addr = g_new0(IoSocketAddress, 1);

    addr->type = type;
    return addr;
}

IoSocketAddress *io_socket_address_new_inet(const char *host, const char *port)
{
    IoSocketAddress *addr = address_new(IO_ADDRESS_INET);

    addr->u.inet.host = g_strdup(host);
    addr->u.inet.port = g_strdup(port);
    return addr;
}

IoSocketAddress *io_socket_address_new_unix(const char *path)
{
    IoSocketAddress *addr = address_new(IO_ADDRESS_UNIX);

    addr->u.un.path = g_strdup(path);
    addr->u.un.tight = true;
    return addr;
}

IoSocketAddress *io_socket_address_copy(const IoSocketAddress *addr)
{
    IoSocketAddress *copy = g_new(IoSocketAddress, 1);

    *copy = *addr;
    switch (addr->type) {
    case IO_ADDRESS_INET:
        copy->u.inet.host = g_strdup(addr->u.inet.host);
        copy->u.inet.port = g_strdup(addr->u.inet.port);
        break;
    case IO_ADDRESS_UNIX:
        copy->u.un.path = g_strdup(addr->u.un.path);
        break;
    case IO_ADDRESS_FD:
        copy->u.fd.str = g_strdup(addr->u.fd.str);
        break;
    case IO_ADDRESS_VSOCK:
        break;
    }
    return copy;
}

void io_socket_address_free(IoSocketAddress *addr)
{
    if (!addr) {
        return;
    }
    switch (addr->type) {
    case IO_ADDRESS_INET:
        g_free(addr->u.inet.host);
        g_free(addr->u.inet.port);
        break;
    case IO_ADDRESS_UNIX:
        g_free(addr->u.un.path);
        break;
    case IO_ADDRESS_FD:
        g_free(addr->u.fd.str);
        break;
    case IO_ADDRESS_VSOCK:
        break;
    }
    g_free(addr);
}

char *io_socket_address_to_string(const IoSocketAddress *addr)
{
    switch (addr->type) {
    case IO_ADDRESS_INET:
        if (strchr(addr->u.inet.host, ':')) {
            return g_strdup_printf("tcp:[%s]:%s", addr->u.inet.host,
                                   addr->u.inet.port);
        }
        return g_strdup_printf("tcp:%s:%s", addr->u.inet.host,
                               addr->u.inet.port);
    case IO_ADDRESS_UNIX:
        return g_strdup_printf("unix:%s%s", addr->u.un.abstract ? "@" : "",
                               addr->u.un.path);
    case IO_ADDRESS_FD:
        return g_strdup_printf("fd:%s", addr->u.fd.str);
    case IO_ADDRESS_VSOCK:
        return g_strdup_printf("vsock:%u:%u", addr->u.vsock.cid,
                               addr->u.vsock.port);
    }
    return g_strdup("?");
}

bool io_parse_uint(const char *str, uint64_t max, uint64_t *ret)
{
    bool hex = str[0] == '0' && (str[1] == 'x' || str[1] == 'X');
    char *end;
    uint64_t val;

    if (!g_ascii_isdigit(str[0])) {
        return false; /* signs and blanks, which strtoull() would take */
    }
    errno = 0;
    val = g_ascii_strtoull(str, &end, hex ? 16 : 10);
    if (errno || *end || val > max) {
        return false;
    }
    *ret = val;
    return true;
}

bool io_parse_bool(const char *str, bool *ret)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(yes, str)) {
        *ret = true;
    } else if (g_strv_contains(no, str)) {
        *ret = false;
    } else {
        return false;
    }
    return true;
}

static bool inet_set_option(IoSocketAddress *addr, const char *opt,
                            GError **errp)
{
    static const char *const switches[] = { "ipv4", "ipv6", "keep-alive",
                                            NULL };
    const char *val = strchr(opt, '=');
    g_autofree char *key = val ? g_strndup(opt, val - opt) : g_strdup(opt);
    uint64_t num;
    bool on = true;

    if (!strcmp(key, "to")) {
        if (!val || !io_parse_uint(val + 1, UINT16_MAX, &num)) {
            g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                        "invalid port number '%s' in option 'to'",
                        val ? val + 1 : "");
            return false;
        }
        addr->u.inet.to = num;
        return true;
    }
    if (!g_strv_contains(switches, key)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "unknown option '%s' in a TCP address", key);
        return false;
    }
    if (val && !io_parse_bool(val + 1, &on)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "option '%s' of an address is 'on' or 'off', not '%s'", key,
                    val + 1);
        return false;
    }
    if (!strcmp(key, "ipv4")) {
        addr->u.inet.ipv4 = on ? IO_TRISTATE_ON : IO_TRISTATE_OFF;
    } else if (!strcmp(key, "ipv6")) {
        addr->u.inet.ipv6 = on ? IO_TRISTATE_ON : IO_TRISTATE_OFF;
    } else {
        addr->u.inet.keep_alive = on;
    }
    return true;
}

/* Splits "HOST:PORT" or "[HOST]:PORT"; the strings are the caller's. */
static bool split_host_port(const char *str, char **ret_host, char **ret_port)
{
    const char *colon;

    if (str[0] == '[') {
        const char *close = strchr(str, ']');

        if (!close || close[1] != ':' || close == str + 1 || !close[2]) {
            return false;
        }
        *ret_host = g_strndup(str + 1, close - str - 1);
        *ret_port = g_strdup(close + 2);
        return true;
    }
    colon = strchr(str, ':');
    if (!colon || !colon[1] || strchr(colon + 1, ':')) {
        return false;
    }
    *ret_host = g_strndup(str, colon - str);
    *ret_port = g_strdup(colon + 1);
    return true;
}

bool io_socket_address_parse_inet(const char *str, IoSocketAddress **ret_addr,
                                  GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(str, ",", -1);
    g_autoptr(IoSocketAddress) addr = address_new(IO_ADDRESS_INET);
    uint64_t port;

    if (!parts[0] ||
        !split_host_port(parts[0], &addr->u.inet.host, &addr->u.inet.port)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "error parsing address '%s': expected HOST:PORT", str);
        return false;
    }
    if (g_ascii_isdigit(addr->u.inet.port[0]) &&
        !io_parse_uint(addr->u.inet.port, UINT16_MAX, &port)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "error parsing address '%s': port '%s' is not 0..65535",
                    str, addr->u.inet.port);
        return false;
    }
    for (size_t i = 1; parts[i]; i++) {
        if (!inet_set_option(addr, parts[i], errp)) {
            return false;
        }
    }
    *ret_addr = g_steal_pointer(&addr);
    return true;
}

bool io_socket_address_parse_vsock(const char *str, IoSocketAddress **ret_addr,
                                   GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(str, ":", -1);
    uint64_t cid, port;

    if (g_strv_length(parts) != 2 ||
        !io_parse_uint(parts[0], UINT32_MAX, &cid) ||
        !io_parse_uint(parts[1], UINT32_MAX, &port)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "error parsing address '%s': expected CID:PORT", str);
        return false;
    }
    *ret_addr = address_new(IO_ADDRESS_VSOCK);
    (*ret_addr)->u.vsock.cid = cid;
    (*ret_addr)->u.vsock.port = port;
    return true;
}
