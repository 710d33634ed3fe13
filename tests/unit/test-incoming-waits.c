/*
 * The destination and a source that reads nothing: what is said to it waits no
 * longer than it may.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <sys/socket.h>

enum { PINGS = 200000 /* more than any socket keeps the answers of */ };

static void small_buffer(int fd)
{
    const int small = 4096;

    g_assert_cmpint(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), ==, 0);
    g_assert_cmpint(
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), ==, 0);
}

/* Sends what it takes, until it takes no more. */
static void send_until_gone(InVm *v, const GByteArray *b)
{
    for (guint at = 0; at < b->len;) {
        ssize_t n = send(v->fd, b->data + at, b->len - at, MSG_NOSIGNAL);

        if (n < 0) {
            return;
        }
        at += n;
    }
}

static void put_pings(GByteArray *b, unsigned n)
{
    put_head(b);
    put_command(b, WIRE_CMD_OPEN_RETURN_PATH, NULL, 0);
    for (unsigned i = 0; i < n; i++) {
        put_command_u32(b, WIRE_CMD_PING, i);
    }
}

/* Pings for ever, and no answer is read: nor why the load has failed. */
static void test_reads_no_pong(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    InVm v;

    in_vm_init(&v);
    v.m->waits.way_back_ns = 200 * NS_PER_MS;
    in_connect(&v);
    small_buffer(v.fd);
    put_pings(b, PINGS);
    send_until_gone(&v, b);
    in_wait_end(&v);
    g_assert_cmpint(migration_status(v.m), ==, MIGRATION_STATUS_FAILED);
    g_assert_nonnull(strstr(v.m->error_desc, "way back to the source: "));
    g_assert_cmpint(v.vm->exit_status, ==, EXIT_FAILURE);
    in_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/incoming-waits/pong", test_reads_no_pong);
    return g_test_run();
}
