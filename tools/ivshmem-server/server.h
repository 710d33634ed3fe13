/*
 * The server of ivshmem-doorbell: hands out memory and doorbells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_IVSHMEM_SERVER_SERVER_H
#define TOOLS_IVSHMEM_SERVER_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define IVSHMEM_VECTORS_MAX 2048

typedef struct Server Server;

/*
 * Listens at a unix path, where a socket that nobody serves is replaced.
 * memory_fd is taken over if it succeeds; each client gets it, with `nvectors`
 * (1 to IVSHMEM_VECTORS_MAX) doorbells of each of them.
 */
Server *server_new(const char *path, int memory_fd, unsigned nvectors,
                   bool verbose, GError **errp);
/* Hangs up, and removes the socket. */
void server_free(Server *s);

/* Memory of `size` bytes: POSIX shared memory, which stays, … */
int memory_open_shm(const char *name, uint64_t size, GError **errp);
/* … or a file without a name, in a folder. */
int memory_open_file(const char *folder, uint64_t size, GError **errp);

#endif
