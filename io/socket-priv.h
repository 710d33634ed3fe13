/*
 * What connecting and listening share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_SOCKET_PRIV_H
#define IO_SOCKET_PRIV_H

#include "io/socket.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * Resolves @addr (of type INET) for a listener (@passive) or a connection.
 * A name server that doesn't answer can't outlast @cancel.  To be freed
 * with freeaddrinfo().
 */
struct addrinfo *io_resolve(const IoSocketAddress *addr, bool passive,
                            IoCancel *cancel, GError **errp);

/* The kernel's form of a unix or vsock address; false if it doesn't fit. */
bool io_address_to_sockaddr(const IoSocketAddress *addr,
                            struct sockaddr_storage *ret_ss, socklen_t *ret_len,
                            GError **errp);
/* NULL for a family that isn't known. */
IoSocketAddress *io_address_from_sockaddr(const struct sockaddr_storage *ss,
                                          socklen_t len);

/* The number in an address of type FD, if it is an open socket. */
bool io_address_get_fd(const IoSocketAddress *addr, int *ret_fd, GError **errp);

/* "HOST:PORT" or the path, without the scheme, for messages. */
char *io_address_display(const IoSocketAddress *addr);

#endif
