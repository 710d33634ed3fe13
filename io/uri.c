/*
 * Migration URIs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/address.h"
#include "io/error.h"
#include "util/cutils.h"

void io_uri_free(IoUri *uri)
{
    if (!uri) {
        return;
    }
    io_socket_address_free(uri->addr);
    g_free(uri->command);
    g_free(uri->path);
    g_free(uri);
}

static bool uri_parse_tcp(IoUri *uri, const char *rest, GError **errp)
{
    return io_socket_address_parse_inet(rest, &uri->addr, errp);
}

static bool uri_parse_unix(IoUri *uri, const char *rest, GError **errp)
{
    if (!rest[0]) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "'unix:' needs the path of a socket");
        return false;
    }
    uri->addr = io_socket_address_new_unix(rest);
    return true;
}

static bool uri_parse_fd(IoUri *uri, const char *rest, GError **errp)
{
    if (!rest[0]) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "'fd:' needs the number or name of a descriptor");
        return false;
    }
    uri->addr = g_new0(IoSocketAddress, 1);
    uri->addr->type = IO_ADDRESS_FD;
    uri->addr->u.fd.str = g_strdup(rest);
    return true;
}

static bool uri_parse_vsock(IoUri *uri, const char *rest, GError **errp)
{
    return io_socket_address_parse_vsock(rest, &uri->addr, errp);
}

static bool uri_parse_exec(IoUri *uri, const char *rest, GError **errp)
{
    if (!rest[0]) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "'exec:' needs a command");
        return false;
    }
    uri->type = IO_URI_EXEC;
    uri->command = g_strdup(rest);
    return true;
}

static bool uri_parse_file(IoUri *uri, const char *rest, GError **errp)
{
    static const char key[] = ",offset=";
    const char *opt = g_strrstr(rest, key);

    uri->type = IO_URI_FILE;
    uri->path = opt ? g_strndup(rest, opt - rest) : g_strdup(rest);
    if (!uri->path[0]) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "'file:' needs the path of a file");
        return false;
    }
    if (!opt) {
        return true;
    }
    if (!parse_size("file offset", opt + strlen(key), 1, &uri->offset, errp)) {
        return false;
    }
    if (uri->offset > INT64_MAX) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "file offset '%s' is too large", opt + strlen(key));
        return false;
    }
    return true;
}

static const struct {
    const char *prefix;
    bool (*parse)(IoUri *uri, const char *rest, GError **errp);
} uri_schemes[] = {
    { "tcp:", uri_parse_tcp },     { "unix:", uri_parse_unix },
    { "vsock:", uri_parse_vsock }, { "fd:", uri_parse_fd },
    { "exec:", uri_parse_exec },   { "file:", uri_parse_file },
};

bool io_uri_parse(const char *str, IoUri **ret_uri, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(uri_schemes); i++) {
        g_autoptr(IoUri) uri = NULL;

        if (!g_str_has_prefix(str, uri_schemes[i].prefix)) {
            continue;
        }
        uri = g_new0(IoUri, 1);
        if (!uri_schemes[i].parse(uri, str + strlen(uri_schemes[i].prefix),
                                  errp)) {
            return false;
        }
        *ret_uri = g_steal_pointer(&uri);
        return true;
    }
    if (g_str_has_prefix(str, "rdma:")) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "migration protocol 'rdma' is not in this version");
        return false;
    }
    g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                "unknown migration protocol: %s (not one of tcp:, unix:, "
                "vsock:, fd:, exec:, file:)",
                str);
    return false;
}

char *io_uri_to_string(const IoUri *uri)
{
    switch (uri->type) {
    case IO_URI_SOCKET:
        return io_socket_address_to_string(uri->addr);
    case IO_URI_EXEC:
        return g_strconcat("exec:", uri->command, NULL);
    case IO_URI_FILE:
        if (uri->offset) {
            return g_strdup_printf("file:%s,offset=%" PRIu64, uri->path,
                                   uri->offset);
        }
        return g_strconcat("file:", uri->path, NULL);
    }
    return g_strdup("?");
}
