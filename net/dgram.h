/*
 * Frames in datagrams, for the back ends "dgram" and "socket".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_DGRAM_H
#define NET_DGRAM_H

#include <sys/socket.h>

#include "net/net.h"

/* An address as the kernel has it. */
typedef struct NetSockaddr {
    struct sockaddr_storage ss;
    socklen_t len; /* 0: none */
} NetSockaddr;

/*
 * IPv4 and IPv6 ("HOST:PORT", "[V6]:PORT"); a name only as long as the guest
 * doesn't run, since a name server may take its time.
 */
bool net_resolve(Networks *nets, const char *host, const char *port,
                 NetSockaddr *ret_addr, GError **errp);
bool net_resolve_str(Networks *nets, const char *str, NetSockaddr *ret_addr,
                     GError **errp);
/* "127.0.0.1:99" or a path; new. */
char *net_sockaddr_str(const NetSockaddr *addr);

/*
 * A socket bound to @local that gets what is sent to the multicast group
 * @group; from: address of the interface, may be NULL.  -1 with errp.
 */
int net_dgram_join(const NetSockaddr *group, const NetSockaddr *from,
                   GError **errp);
int net_dgram_bind(const NetSockaddr *local, GError **errp);
/*
 * A port named @id over the datagram socket @fd, which it takes over.
 * @dest: where frames go; NULL: the socket is connected.
 */
void net_dgram_open(Networks *nets, const char *id, const char *type, int fd,
                    const NetSockaddr *dest, const char *info);

#endif
