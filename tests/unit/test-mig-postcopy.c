/*
 * A source whose memory follows its guest, and new connections that fail: it
 * has the only copy of what has not arrived, whatever becomes of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/source-peer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "util/error.h"

enum { SMALL_DEVICE = 100, TRIES = 4 };

/* The guest is given to a plain peer, its memory is to follow. */
static void hand_over(SpVm *v, SpPeer *p)
{
    GError *err = NULL;

    sp_vm_init(v, SMALL_DEVICE);
    sp_caps(v, MIGRATION_CAPABILITY_POSTCOPY_RAM, true);
    sp_connect(v, p);
    g_assert_true(migration_start_postcopy(v->m, &err));
    sp_greet(p, 0);
    sp_read_to(p, WIRE_CMD_POSTCOPY_RUN);
}

/* It goes before it has all pages. */
static void lose_peer(SpVm *v)
{
    SpPeer p;

    hand_over(v, &p);
    sp_close(&p);
    sp_wait_status(v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    sp_peer_fini(&p);
}

/* Until the source has taken the address before. */
static void resume_to(SpVm *v, const char *uri)
{
    g_autoptr(GError) err = NULL;

    while (!migration_resume(v->m, uri, &err)) {
        g_assert_nonnull(strstr(err->message, "being resumed already"));
        g_clear_error(&err);
        g_usleep(1000);
    }
}

/* It has taken the address. */
static void wait_taken(SpVm *v)
{
    bool taken = false;

    while (!taken) {
        g_usleep(1000);
        lock_acquire(&v->m->lock);
        taken = v->m->resume_uri == NULL;
        lock_release(&v->m->lock);
    }
}

/* Address after address where nobody is. */
static void test_nobody_there(void)
{
    SpVm v;

    lose_peer(&v);
    for (unsigned i = 0; i < TRIES; i++) {
        resume_to(&v, "unix:/nonexistent/socket");
    }
    g_assert_cmpint(sp_run_state(&v), ==, RUN_STATE_FINISH_MIGRATE);
    g_assert_cmpint(migration_status(v.m), ==,
                    MIGRATION_STATUS_POSTCOPY_PAUSED);
    sp_vm_fini(&v);
}

/* A listener whose queue is full, so that who connects to it waits. */
typedef struct FullQueue {
    int listener, clients[16];
    char *uri;
} FullQueue;

static void queue_init(FullQueue *q)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);

    q->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(q->listener, (struct sockaddr *)&sin, len), ==, 0);
    g_assert_cmpint(listen(q->listener, 0), ==, 0);
    g_assert_cmpint(getsockname(q->listener, (struct sockaddr *)&sin, &len), ==,
                    0);
    for (size_t i = 0; i < G_N_ELEMENTS(q->clients); i++) {
        q->clients[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(q->clients[i], (struct sockaddr *)&sin, len);
    }
    q->uri = g_strdup_printf("tcp:127.0.0.1:%u", ntohs(sin.sin_port));
}

static void queue_fini(FullQueue *q)
{
    for (size_t i = 0; i < G_N_ELEMENTS(q->clients); i++) {
        close(q->clients[i]);
    }
    close(q->listener);
    g_free(q->uri);
}

/* The program ends while it connects: it isn't waited for. */
static void test_quit_connecting(void)
{
    FullQueue q;
    SpVm v;

    queue_init(&q);
    lose_peer(&v);
    resume_to(&v, q.uri);
    wait_taken(&v);
    sp_vm_fini(&v);
    queue_fini(&q);
}

/* A pass that is broken off and cancelled at once: one error, and it ends. */
static void check_cancelled(uint64_t features)
{
    GError *err = NULL;
    SpVm v;
    SpPeer p;

    sp_vm_init(&v, SMALL_DEVICE);
    sp_caps(&v, MIGRATION_CAPABILITY_POSTCOPY_RAM, true);
    v.m->waits.cancel_ms = 60000;
    sp_connect(&v, &p);
    sp_greet(&p, features);
    sp_read_to(&p, SP_RAM_START);
    sp_wait_status(&v, MIGRATION_STATUS_ACTIVE);
    vm_lock_acquire();
    g_assert_true(migration_start_postcopy(v.m, &err));
    migration_cancel(v.m);
    vm_lock_release();
    sp_drain(&p);
    sp_check_ours(&v, MIGRATION_STATUS_CANCELLED);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

static void test_cancelled(void)
{
    check_cancelled(0);
    check_cancelled(WIRE_F_ALL);
}

/* What was lost before it could follow the guest isn't sent as zeros. */
static void test_lost(void)
{
    SpVm v;
    SpPeer p;

    hand_over(&v, &p);
    v.ram.ram->lost = true;
    g_assert_cmpint(sp_drain(&p), !=, SP_EOF);
    sp_wait_status(&v, MIGRATION_STATUS_POSTCOPY_PAUSED);
    g_assert_cmpint(memcmp(v.ram.ram->host, p.ram.ram->host,
                           SP_PAGES * RAM_PAGE_SIZE),
                    !=, 0);
    sp_peer_fini(&p);
    sp_vm_fini(&v);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-postcopy/nobody-there", test_nobody_there);
    g_test_add_func("/mig-postcopy/quit-connecting", test_quit_connecting);
    g_test_add_func("/mig-postcopy/lost", test_lost);
    g_test_add_func("/mig-postcopy/cancelled", test_cancelled);
    return g_test_run();
}
