/*
 * vhost-user: the thread that talks to one back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_VHOST_USER_PRIV_H
#define NET_VHOST_USER_PRIV_H

#include <pthread.h>

#include "net/vhost-user-proto.h"
#include "system/outside.h"
#include "util/lock.h"

enum { VHOST_MAX_RINGS = 256 };

typedef struct VhostWorker VhostWorker;

/* What the thread has found out; see vhost_worker_news(). */
typedef struct VhostNews {
    unsigned connection; /* which one it is about */
    bool greeted;        /* the back end has said what it can */
    uint64_t features, protocol, max_queues;
    GError *err; /* the connection is of no use any more; the caller's */
} VhostNews;

typedef struct VhostWorkerHooks {
    const char *name;    /* of the netdev; copied */
    unsigned request_ms; /* an answer, at most */
    unsigned stop_ms;    /* all rings given back, at most */
    /* There are news; from the thread, not under any lock. */
    void (*tell)(void *opaque);
    /*
     * A connection was ended whose back end may still write into the guest's
     * memory: its socket, which is the hook's now, and why.  From the thread,
     * not under any lock, before what was asked for counts as done.
     */
    void (*stray)(void *opaque, const char *why, int fd);
    /* What was asked for is done; vm_lock. */
    void (*settled)(void *opaque);
    void *opaque;
} VhostWorkerHooks;

/*
 * Any thread may hold a reference; the owner ends it with _quit() first.
 * NULL with errp if there is no thread for it.
 */
VhostWorker *vhost_worker_new(const VhostWorkerHooks *hooks, GError **errp);
/* To be put on the VM's list and taken off before _quit(). */
VmOutside *vhost_worker_outside(VhostWorker *w);
/* Ends the thread; what was posted may be left undone. */
void vhost_worker_quit(VhostWorker *w);
void vhost_worker_ref(VhostWorker *w);
void vhost_worker_unref(VhostWorker *w);

/* Nothing of these waits; each is carried out after those before it. */
/* A new connection, whose descriptor is taken over; numbers from 1 up. */
unsigned vhost_worker_connect(VhostWorker *w, int fd);
/* Ends the present connection at once, whatever is under way there. */
void vhost_worker_hang_up(VhostWorker *w);
void vhost_worker_set_table(VhostWorker *w, const VhostTable *t);
/* fd -1: no log. */
void vhost_worker_set_log(VhostWorker *w, int fd, uint64_t bytes);
/* Rings with addresses as the back end is to see them. */
void vhost_worker_start(VhostWorker *w, uint64_t features, uint8_t status,
                        uint16_t mtu, bool go_on, const VhostRing *rings,
                        unsigned n);
void vhost_worker_stop(VhostWorker *w);
void vhost_worker_set_call(VhostWorker *w, unsigned index, int fd);
void vhost_worker_enable(VhostWorker *w, unsigned index, bool on);
void vhost_worker_set_status(VhostWorker *w, uint8_t status);
void vhost_worker_send_rarp(VhostWorker *w, const uint8_t mac[6]);

bool vhost_worker_busy(VhostWorker *w);
/*
 * Until all that was posted before is done; without vm_lock.  The deadline
 * counts from @since_ns (CLOCK_MONOTONIC), so that those who hang together are
 * waited for together.
 */
void vhost_worker_wait(VhostWorker *w, int64_t since_ns);
/* Takes the news; false if there are none. */
bool vhost_worker_news(VhostWorker *w, VhostNews *ret);
/* Where ring `index` stood when it was stopped last. */
uint16_t vhost_worker_base(VhostWorker *w, unsigned index);

#endif
