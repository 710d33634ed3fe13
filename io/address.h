/*
 * Socket addresses and migration URIs as users write them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum IoAddressType {
    IO_ADDRESS_INET,
    IO_ADDRESS_UNIX,
    IO_ADDRESS_FD,
    IO_ADDRESS_VSOCK,
} IoAddressType;

/* An on/off option that may be absent. */
typedef enum IoTristate {
    IO_TRISTATE_AUTO,
    IO_TRISTATE_ON,
    IO_TRISTATE_OFF,
} IoTristate;

typedef struct IoSocketAddress {
    IoAddressType type;
    union {
        struct {
            char *host;  /* name or number; "" for any (listen), loopback */
            char *port;  /* decimal or a service's name */
            uint16_t to; /* listen: last port to try; 0: only port */
            IoTristate ipv4;
            IoTristate ipv6;
            bool keep_alive;
        } inet;
        struct {
            char *path;
            bool abstract; /* Linux: no file; path without the leading NUL */
            bool tight;    /* abstract: length ends with the name */
        } un;
        struct {
            char *str; /* a number, or a name given to "getfd" */
        } fd;
        struct {
            uint32_t cid; /* UINT32_MAX: any */
            uint32_t port;
        } vsock;
    } u;
} IoSocketAddress;

IoSocketAddress *io_socket_address_new_inet(const char *host, const char *port);
IoSocketAddress *io_socket_address_new_unix(const char *path);
IoSocketAddress *io_socket_address_copy(const IoSocketAddress *addr);
void io_socket_address_free(IoSocketAddress *addr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoSocketAddress, io_socket_address_free)

/* As a URI: "tcp:127.0.0.1:4444", "tcp:[::1]:4444", "unix:/path", "fd:3". */
char *io_socket_address_to_string(const IoSocketAddress *addr);

/*
 * "HOST:PORT[,to=N][,ipv4[=on|off]][,ipv6[=on|off]][,keep-alive[=on|off]]";
 * HOST may be empty or in brackets.  PORT is required.
 */
bool io_socket_address_parse_inet(const char *str, IoSocketAddress **ret_addr,
                                  GError **errp);
/* "CID:PORT", both decimal. */
bool io_socket_address_parse_vsock(const char *str, IoSocketAddress **ret_addr,
                                   GError **errp);

/* Checks a number as users write it: decimal or 0x hexadecimal, no sign. */
bool io_parse_uint(const char *str, uint64_t max, uint64_t *ret);
/* "on", "yes", "true", "off", "no", "false" ("y" and "n" too). */
bool io_parse_bool(const char *str, bool *ret);

typedef enum IoUriType {
    IO_URI_SOCKET, /* tcp:, unix:, vsock:, fd: */
    IO_URI_EXEC,
    IO_URI_FILE,
} IoUriType;

typedef struct IoUri {
    IoUriType type;
    IoSocketAddress *addr; /* IO_URI_SOCKET */
    char *command;         /* IO_URI_EXEC */
    char *path;            /* IO_URI_FILE */
    uint64_t offset;       /* IO_URI_FILE: bytes */
} IoUri;

void io_uri_free(IoUri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoUri, io_uri_free)

/*
 * Parses tcp:HOST:PORT[,...], tcp:[V6]:PORT, unix:PATH, fd:N or fd:NAME,
 * exec:COMMAND, file:PATH[,offset=N[kMGT]] and vsock:CID:PORT.  The error
 * names what is wrong and, for an unknown scheme, those that exist.
 */
bool io_uri_parse(const char *str, IoUri **ret_uri, GError **errp);
char *io_uri_to_string(const IoUri *uri);

#endif
