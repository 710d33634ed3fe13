/*
 * Socket channels: connecting, listening, and taking over a descriptor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include "io/address.h"
#include "io/cancel.h"
#include "io/channel.h"

/*
 * Takes over the connected stream socket @fd (closed with the channel; left
 * alone on error).  @name: for errors; NULL names the peer's address.
 */
IoChannel *io_channel_new_socket(int fd, const char *name, GError **errp);

/* The addresses of a connected socket; NULL where there is none. */
IoSocketAddress *io_channel_local_address(IoChannel *ch);
IoSocketAddress *io_channel_peer_address(IoChannel *ch);

/*
 * Connects, trying each address the host name has.  Blocks, at most
 * @timeout_ms per address (0: as long as the network does), until @cancel
 * (may be NULL) is raised.
 */
IoChannel *io_socket_connect(const IoSocketAddress *addr, IoCancel *cancel,
                             unsigned timeout_ms, GError **errp);

/* @ch is the callee's own, or NULL with @err set, which is the caller's. */
typedef void (*IoConnectFunc)(IoChannel *ch, const GError *err,
                              gpointer opaque);

/*
 * The same from a thread of its own: @cb runs exactly once, later, in
 * @context (NULL: the default one), also after @cancel was raised.
 */
void io_socket_connect_async(const IoSocketAddress *addr, IoCancel *cancel,
                             unsigned timeout_ms, GMainContext *context,
                             IoConnectFunc cb, gpointer opaque);

typedef struct IoListener IoListener;

/*
 * Listens on each address that the host name has (at port 0: on one port
 * that the kernel chooses).  A stale socket or an empty file at a unix path
 * is replaced; the path is removed again by io_listener_free().
 */
IoListener *io_listener_new(const IoSocketAddress *addr, int backlog,
                            GError **errp);
void io_listener_free(IoListener *l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoListener, io_listener_free)

/* As io_channel_name(). */
const char *io_listener_name(const IoListener *l);
/* Number of sockets, at least 1, and the address of each; to be freed. */
size_t io_listener_count(const IoListener *l);
IoSocketAddress *io_listener_local_address(const IoListener *l, size_t i);

/* Waits for a connection or @cancel (may be NULL). */
IoChannel *io_listener_accept(IoListener *l, IoCancel *cancel, GError **errp);

/* @ch is the callee's own. */
typedef void (*IoClientFunc)(IoListener *l, IoChannel *ch, gpointer opaque);

/*
 * Calls @cb in @context (NULL: the default one) for each connection; NULL
 * stops that.  Failed accepts are skipped.
 */
void io_listener_set_client_func(IoListener *l, GMainContext *context,
                                 IoClientFunc cb, gpointer opaque);

#endif
