/*
 * Frames over connections, for the back ends "stream" and "socket".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "io/socket.h"
#include "net/net.h"

/*
 * A port named @id that listens at @addr, or connects to it (which goes on in
 * the background; that it failed is logged).  is_socket: of the type
 * "socket", without events.
 */
bool net_stream_open(Networks *nets, const char *id,
                     const IoSocketAddress *addr, bool server, bool is_socket,
                     GError **errp);
/* Takes over the connected socket @fd, unless it fails. */
bool net_stream_open_fd(Networks *nets, const char *id, int fd, bool is_socket,
                        GError **errp);

#endif
