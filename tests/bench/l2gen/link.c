/*
 * vhost-user sockets: which machine has a device on which port.
 *
 * Source: DPDK 22.11, rte_vhost.h and "Vhost Library" in its programmer's
 * guide. Its callbacks come on a thread of the library's own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/tester.h"

#include <gio/gio.h>
#include <linux/vhost_types.h>
#include <linux/virtio_net.h>
#include <rte_cycles.h>
#include <rte_vhost.h>

/* The callbacks of the library have no argument of ours. */
static Tester *the_tester;

void tester_enter(Tester *t)
{
    __atomic_add_fetch(&t->waiting, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&t->mutex);
}

void tester_leave(Tester *t)
{
    __atomic_sub_fetch(&t->waiting, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&t->mutex);
}

void event_print(const Tester *t, const Link *link, const char *what,
                 uint64_t tsc)
{
    printf("{\"event\": \"%s\", \"vm\": \"%s\", \"port\": %u, "
           "\"time\": %.6f}\n",
           what, t->vms[link->vm].name, link->port, tester_time(t, tsc));
    (void)fflush(stdout);
}

static Link *link_of(Tester *t, int vid)
{
    char path[PATH_MAX];

    if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0) {
        return NULL;
    }
    for (unsigned v = 0; v < t->nvms; v++) {
        for (unsigned p = 0; p < t->nports; p++) {
            if (strcmp(t->vms[v].links[p].path, path) == 0) {
                return &t->vms[v].links[p];
            }
        }
    }
    return NULL;
}

static int link_up(int vid)
{
    Tester *t = the_tester;
    Link *link = link_of(t, vid);

    if (!link) {
        return -1;
    }
    /* The rings are polled: notifications would cost the guest exits. */
    for (unsigned q = 0; q < 2 * t->nqueues; q++) {
        (void)rte_vhost_enable_guest_notification(vid, q, 0);
    }
    tester_enter(t);
    link->vid = vid;
    event_print(t, link, "up", rte_rdtsc());
    tester_leave(t);
    return 0;
}

/* A switch forgets what it learned on a port that goes down. */
static void link_down(int vid)
{
    Tester *t = the_tester;
    Link *link = link_of(t, vid);

    if (!link) {
        return;
    }
    tester_enter(t);
    link->vid = -1;
    if (t->where[link->port] == (int)link->vm) {
        t->where[link->port] = NOWHERE;
    }
    event_print(t, link, "down", rte_rdtsc());
    tester_leave(t);
}

static int features_changed(int vid, uint64_t features)
{
    Tester *t = the_tester;
    const Link *link = link_of(t, vid);

    if (link) {
        event_print(t, link,
                    features >> VHOST_F_LOG_ALL & 1 ? "log-on" : "log-off",
                    rte_rdtsc());
    }
    return 0;
}

static const struct rte_vhost_device_ops link_ops = {
    .new_device = link_up,
    .destroy_device = link_down,
    .features_changed = features_changed,
};

/* Checksums and segments are for those who have a network stack. */
static const uint64_t offloads =
    BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) |
    BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |
    BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | BIT_ULL(VIRTIO_NET_F_GUEST_UFO) |
    BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | BIT_ULL(VIRTIO_NET_F_HOST_TSO6) |
    BIT_ULL(VIRTIO_NET_F_HOST_ECN) | BIT_ULL(VIRTIO_NET_F_HOST_UFO);

static bool link_start(const Link *link, bool client, GError **errp)
{
    uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;

    if (client) {
        flags |= RTE_VHOST_USER_CLIENT;
    } else {
        (void)unlink(link->path);
    }
    if (rte_vhost_driver_register(link->path, flags) ||
        rte_vhost_driver_disable_features(link->path, offloads) ||
        rte_vhost_driver_callback_register(link->path, &link_ops) ||
        rte_vhost_driver_start(link->path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "%s: no vhost-user socket", link->path);
        return false;
    }
    return true;
}

bool links_start(Tester *t, bool client, GError **errp)
{
    the_tester = t;
    for (unsigned v = 0; v < t->nvms; v++) {
        for (unsigned p = 0; p < t->nports; p++) {
            if (!link_start(&t->vms[v].links[p], client, errp)) {
                return false;
            }
        }
    }
    return true;
}

void links_stop(Tester *t)
{
    for (unsigned v = 0; v < t->nvms; v++) {
        for (unsigned p = 0; p < t->nports; p++) {
            (void)rte_vhost_driver_unregister(t->vms[v].links[p].path);
        }
    }
}
