/*
 * The destination and a source that reads nothing, or is late: what is said to
 * it waits no longer than it may, and is said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/incoming-source.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "io/file.h"
#include "migration/incoming.h"
#include "util/bswap.h"
#include "util/error.h"

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

/* A word that was cut short stays so: nothing may follow it, or finish it. */
static void test_half_word(void)
{
    g_autofree char *data = g_malloc0(4 * MiB);
    Migration m = { .waits = { .way_back_ns = 60 * NS_PER_S } };
    MigLoad l = { .m = &m };
    GError *err = NULL;
    int p[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, p), ==, 0);
    small_buffer(p[0]);
    l.ch = io_channel_new_fd_for(p[0], O_RDWR, NULL, &err);
    g_assert_no_error(err);
    lock_init(&l.rp_lock);
    g_assert_false(mig_load_write_back(&l, NS_PER_MS, data, 4 * MiB, &err));
    g_assert_nonnull(strstr(err->message, "way back to the source: "));
    g_clear_error(&err);
    /* There is room again, and the end. */
    while (recv(p[1], data, 4 * MiB, MSG_DONTWAIT) > 0) {
    }
    g_assert_false(mig_load_say(&l, WIRE_RP_ERROR, "why", 3, &err));
    g_clear_error(&err);
    g_assert_cmpint(recv(p[1], data, 1, MSG_DONTWAIT), ==, 0);
    lock_fini(&l.rp_lock);
    io_channel_unref(l.ch);
    close(p[1]);
}

/* The source, when the program that has its guest is about to end. */
static gpointer describe_late(gpointer opaque)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    const uint8_t ok[4] = { 0 };
    InVm *v = opaque;
    bool ends = false;

    while (!ends) {
        lock_acquire(&v->m->lock);
        ends = v->m->load_ends;
        lock_release(&v->m->lock);
        g_thread_yield();
    }
    put_description(b, 10);
    in_send_bytes(v, b);
    in_expect(v, WIRE_RP_SHUT, ok, sizeof(ok));
    in_close(v);
    return NULL;
}

/*
 * A guest that has run isn't run by its source again: that one hears so, also
 * from a program that was told to end meanwhile.
 */
static void test_plain_end(void)
{
    g_autoptr(GByteArray) b = g_byte_array_new();
    uint8_t be[4];
    GThread *source;
    InVm v;

    in_vm_init(&v);
    in_connect(&v);
    put_plain(b, true);
    in_send_bytes(&v, b);
    stl_be_p(be, 99);
    in_expect(&v, WIRE_RP_PONG, be, sizeof(be));
    while (in_run_state(&v) != RUN_STATE_RUNNING) {
        g_thread_yield();
    }
    source = g_thread_new("source", describe_late, &v);
    vm_lock_acquire();
    mig_incoming_stop(v.m);
    mig_incoming_join(v.m);
    vm_lock_release();
    g_thread_join(source);
    in_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/incoming-waits/half-word", test_half_word);
    g_test_add_func("/incoming-waits/pong", test_reads_no_pong);
    g_test_add_func("/incoming-waits/plain-end", test_plain_end);
    return g_test_run();
}
