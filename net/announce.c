/*
 * Announcements: telling the network where an address is now.
 *
 * A switch learns from the source address of any frame, so a RARP request for
 * one's own address (RFC 903) will do, which nobody answers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/announce.h"

#include "net/net-priv.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    RARP_LEN = 60,
    ARP_HTYPE_ETHERNET = 1,
    RARP_REQUEST = 3,
};

typedef struct AnnounceJob {
    Networks *nets;
    char *id;    /* may be NULL */
    GStrv names; /* may be NULL */
    NetAnnounce how;
    int64_t done; /* rounds */
    Timer timer;
} AnnounceJob;

static void make_rarp(const NetMac *mac, uint8_t buf[RARP_LEN])
{
    memset(buf, 0, RARP_LEN);
    memset(buf, 0xff, ETH_ADDR_LEN);
    memcpy(buf + 6, mac->a, ETH_ADDR_LEN);
    stw_be_p(buf + 12, ETH_TYPE_RARP);
    stw_be_p(buf + 14, ARP_HTYPE_ETHERNET);
    stw_be_p(buf + 16, ETH_TYPE_IPV4);
    buf[18] = ETH_ADDR_LEN;
    buf[19] = 4;
    stw_be_p(buf + 20, RARP_REQUEST);
    memcpy(buf + 22, mac->a, ETH_ADDR_LEN); /* sender */
    memcpy(buf + 32, mac->a, ETH_ADDR_LEN); /* target */
}

static void announce_port(NetPort *p, void *opaque)
{
    const AnnounceJob *j = opaque;
    uint8_t buf[RARP_LEN];
    struct iovec iov = { buf, sizeof(buf) };
    NetPacket pkt = { .iov = &iov, .niov = 1, .size = sizeof(buf) };

    if (!p->ops->is_nic ||
        (j->names != NULL &&
         !g_strv_contains((const char *const *)j->names, p->name))) {
        return;
    }
    make_rarp(&p->mac, buf);
    net_send_queued(p, &pkt);
    if (p->ops->announce != NULL) {
        p->ops->announce(p);
    }
}

static void job_free(gpointer opaque)
{
    AnnounceJob *j = opaque;

    timer_del(&j->timer);
    g_strfreev(j->names);
    g_free(j->id);
    g_free(j);
}

static void job_round(void *opaque)
{
    AnnounceJob *j = opaque;
    Clocks *clocks = networks_vm(j->nets)->clocks;
    int64_t wait_ms;

    net_ports_foreach(j->nets, announce_port, j);
    if (++j->done >= j->how.rounds) {
        g_ptr_array_remove(networks_jobs(j->nets), j);
        return;
    }
    wait_ms =
        MIN(j->how.initial_ms + (j->done - 1) * j->how.step_ms, j->how.max_ms);
    timer_mod(&j->timer, clock_get_ns(clocks, CLOCK_TYPE_REALTIME) +
                             MAX(wait_ms, INT64_C(0)) * NS_PER_MS);
}

static void drop_job(Networks *nets, const char *id)
{
    GPtrArray *jobs = networks_jobs(nets);

    for (guint i = 0; i < jobs->len; i++) {
        AnnounceJob *j = jobs->pdata[i];

        if (g_strcmp0(j->id, id) == 0) {
            g_ptr_array_remove_index(jobs, i);
            return;
        }
    }
}

void net_announce_start(Networks *nets, const NetAnnounce *how,
                        const char *const *names, const char *id)
{
    AnnounceJob *j;

    drop_job(nets, id);
    if (how->rounds <= 0) {
        return;
    }
    j = g_new0(AnnounceJob, 1);
    j->nets = nets;
    j->id = g_strdup(id);
    j->names = g_strdupv((GStrv)(uintptr_t)names);
    j->how = *how;
    timer_init(&j->timer, networks_vm(nets)->clocks, CLOCK_TYPE_REALTIME,
               job_round, j);
    g_ptr_array_add(networks_jobs(nets), j);
    job_round(j);
}

void net_announce_stop(Networks *nets)
{
    g_ptr_array_set_size(networks_jobs(nets), 0);
}

GPtrArray *net_announce_jobs_new(void)
{
    return g_ptr_array_new_with_free_func(job_free);
}
