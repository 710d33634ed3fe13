/*
 * Send and receive frames, and measure.
 *
 * Only what a guest's ring has accepted gets a number, so a number that does
 * not come back was lost behind it: by the guest, the machine or a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/tester.h"

#include <gio/gio.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_vhost.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    NMBUFS = 8192,
    MBUF_CACHE = 256,
    WINDOW = 1 << 26,     /* frames of a stream that can be told apart */
    CATCH_UP = 2 * BURST, /* frames that may be sent late */
    INTERVALS = 1 << 17,
    INTERVALS_PER_SECOND = 1000,
};

static Phase *phase_now(Tester *t)
{
    return &t->phases[t->nphases - 1];
}

static bool stream_init(Tester *t, unsigned port, unsigned queue)
{
    Stream *s = &t->streams[port][queue];

    s->port = port;
    s->queue = queue;
    sequence_init(&s->sequence, WINDOW);
    return rte_pktmbuf_alloc_bulk(t->pool, s->burst, BURST) == 0;
}

bool traffic_init(Tester *t, GError **errp)
{
    t->hz = rte_get_tsc_hz();
    t->pool = rte_pktmbuf_pool_create("frames", NMBUFS, MBUF_CACHE, 0,
                                      RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!t->pool) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "no memory for %d packet buffers", NMBUFS);
        return false;
    }
    for (unsigned p = 0; p < t->nports; p++) {
        t->where[p] = NOWHERE;
        t->intervals[p] = g_new0(Interval, INTERVALS);
        for (unsigned q = 0; q < t->nqueues; q++) {
            if (!stream_init(t, p, q)) {
                g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                            "no packet buffers for port %u queue %u", p, q);
                return false;
            }
        }
    }
    t->ninterval = INTERVALS;
    t->interval_tsc = t->hz / INTERVALS_PER_SECOND;
    t->series_tsc = rte_rdtsc();
    t->phases = g_new0(Phase, MAX_PHASES);
    return traffic_phase(t, "start");
}

void traffic_fini(Tester *t)
{
    for (unsigned p = 0; p < t->nports; p++) {
        g_free(t->intervals[p]);
        for (unsigned q = 0; q < t->nqueues; q++) {
            sequence_fini(&t->streams[p][q].sequence);
        }
    }
    for (unsigned i = 0; i < t->nphases; i++) {
        g_free(t->phases[i].name);
    }
    g_free(t->phases);
    rte_mempool_free(t->pool);
}

void traffic_set(Tester *t, uint64_t rate, unsigned size)
{
    uint64_t now = rte_rdtsc();

    t->frame_size = size;
    t->sending = rate != 0;
    t->step_tsc = rate && rate != UINT64_MAX ? t->hz * t->nqueues / rate : 0;
    for (unsigned p = 0; p < t->nports; p++) {
        for (unsigned q = 0; q < t->nqueues; q++) {
            t->streams[p][q].next_tsc = now;
        }
    }
}

bool traffic_phase(Tester *t, const char *name)
{
    Phase *phase = &t->phases[t->nphases];

    if (t->nphases == MAX_PHASES) {
        return false;
    }
    phase->name = g_strdup(name);
    phase->start_tsc = rte_rdtsc();
    for (unsigned p = 0; p < t->nports; p++) {
        for (unsigned q = 0; q < t->nqueues; q++) {
            phase->ports[p].first_number[q] = t->streams[p][q].sent;
        }
    }
    t->nphases++;
    return true;
}

/* The interval of the series that a time lies in; NULL behind its end. */
static Interval *interval_at(Tester *t, unsigned port, uint64_t now)
{
    uint64_t i = (now - t->series_tsc) / t->interval_tsc;

    return i < t->ninterval ? &t->intervals[port][i] : NULL;
}

/* ---- sending ------------------------------------------------------------ */

static void write_burst(Tester *t, Stream *s, unsigned n, uint64_t now)
{
    FrameHead head = { .port = s->port,
                       .queue = s->queue,
                       .length = t->frame_size - FRAME_FCS,
                       .sent = now };

    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *m = s->burst[i];

        head.number = s->sent + i;
        m->data_len = m->pkt_len = head.length;
        frame_write(rte_pktmbuf_mtod(m, uint8_t *), &head);
    }
}

/* Give a burst to one machine; how many its ring took. */
static unsigned send_to(const Tester *t, unsigned vm, Stream *s, unsigned n)
{
    int vid = t->vms[vm].links[s->port].vid;

    /* Even queues are those that the guest receives on. */
    return vid < 0 ? 0
                   : rte_vhost_enqueue_burst(vid, 2 * s->queue, s->burst, n);
}

/*
 * To where the guest is, or to all machines if that is not known. Sets
 * *ret_guest if there was a device to send to.
 */
static unsigned send_burst(const Tester *t, Stream *s, unsigned n,
                           bool *ret_guest)
{
    int where = t->where[s->port];
    unsigned most = 0;

    *ret_guest = false;
    for (unsigned v = 0; v < t->nvms; v++) {
        if ((where == NOWHERE || where == (int)v) &&
            t->vms[v].links[s->port].vid >= 0) {
            *ret_guest = true;
            most = MAX(most, send_to(t, v, s, n));
        }
    }
    return most;
}

/* How many frames are due; those that are due too long are given up. */
static unsigned frames_due(Tester *t, Stream *s, PortPhase *phase, uint64_t now)
{
    uint64_t due;

    if (!t->step_tsc) {
        return BURST;
    }
    if ((int64_t)(now - s->next_tsc) < 0) {
        return 0;
    }
    due = (now - s->next_tsc) / t->step_tsc + 1;
    if (due > CATCH_UP) {
        phase->skipped += due - CATCH_UP;
        s->next_tsc += (due - CATCH_UP) * t->step_tsc;
        due = CATCH_UP;
    }
    return MIN(due, BURST);
}

/* Whether more frames are due already. */
static bool stream_send(Tester *t, Stream *s, uint64_t now)
{
    PortPhase *phase = &phase_now(t)->ports[s->port];
    unsigned n = frames_due(t, s, phase, now), sent;
    Interval *interval;
    bool guest;

    if (!n) {
        return false;
    }
    write_burst(t, s, n, now);
    sent = send_burst(t, s, n, &guest);
    s->sent += sent;
    phase->sent += sent;
    interval = interval_at(t, s->port, now);
    if (interval) {
        interval->sent += sent;
    }
    if (!t->step_tsc) {
        return true; /* what was refused is not late: it is tried again */
    }
    s->next_tsc += n * t->step_tsc;
    *(guest ? &phase->refused_full : &phase->no_guest) += n - sent;
    if (interval) {
        interval->refused += n - sent;
    }
    return n == BURST;
}

/* ---- receiving ---------------------------------------------------------- */

static void count_verdict(PortPhase *phase, SequenceVerdict verdict)
{
    switch (verdict) {
    case SEQUENCE_LATE:
        phase->late++;
        break;
    case SEQUENCE_DUPLICATE:
        phase->duplicates++;
        break;
    case SEQUENCE_NEVER_SENT:
        phase->never_sent++;
        break;
    case SEQUENCE_IN_ORDER:
        break;
    }
}

static void frame_came(Tester *t, const FrameHead *head, uint64_t now)
{
    Stream *s = &t->streams[head->port][head->queue];
    PortPhase *phase = &phase_now(t)->ports[head->port];
    Interval *interval = interval_at(t, head->port, now);
    uint64_t ns = (now - head->sent) * 1000 / (t->hz / 1000000);
    uint64_t last = t->last_rx_tsc[head->port];

    if (last) {
        gaps_add(&phase->gaps, last, now - last);
    }
    t->last_rx_tsc[head->port] = now;
    phase->received++;
    histogram_add(&phase->latency, ns);
    count_verdict(phase, sequence_receive(&s->sequence, head->number, s->sent));
    if (interval) {
        interval->received++;
        interval->max_latency_us = MAX(interval->max_latency_us, ns / 1000);
    }
}

/* A frame from a machine: the guest is there. */
static void learn(Tester *t, Link *link, uint64_t now)
{
    bool moved = t->where[link->port] != (int)link->vm;

    t->where[link->port] = link->vm;
    if (moved) {
        event_print(t, link, "moved", now);
    }
}

/* A frame of ours: the guest has forwarded it. */
static void link_forwarded(const Tester *t, Link *link, uint64_t now)
{
    if (!link->received++) {
        link->first_tsc = now;
        event_print(t, link, "first", now);
    }
    link->last_tsc = now;
}

static void frame_handle(Tester *t, Link *link, const struct rte_mbuf *m,
                         uint64_t now)
{
    const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
    PortPhase *ports = phase_now(t)->ports;
    uint16_t type = frame_type(frame, m->data_len);
    FrameHead head;

    learn(t, link, now);
    if (type == ETHERTYPE_RARP) {
        event_print(t, link, "rarp", now);
    }
    if (type != ETHERTYPE_TEST) {
        t->other++;
        return;
    }
    /* A wrong frame is counted for the port that was to send it. */
    if (!frame_read(frame, m->data_len, &head) || m->nb_segs != 1 ||
        head.port != t->nports - 1 - link->port || head.queue >= t->nqueues) {
        ports[t->nports - 1 - link->port].corrupt++;
        return;
    }
    link_forwarded(t, link, now);
    frame_came(t, &head, now);
}

/* Whether there may be more. */
static bool link_receive(Tester *t, Link *link)
{
    struct rte_mbuf *burst[BURST];
    bool more = false;

    for (unsigned q = 0; q < t->nqueues && link->vid >= 0; q++) {
        unsigned n = rte_vhost_dequeue_burst(link->vid, 2 * q + 1, t->pool,
                                             burst, BURST);
        uint64_t now = n ? rte_rdtsc() : 0;

        for (unsigned i = 0; i < n; i++) {
            frame_handle(t, link, burst[i], now);
        }
        rte_pktmbuf_free_bulk(burst, n);
        more |= n == BURST;
    }
    return more;
}

/* ---- the loop ----------------------------------------------------------- */

/* Others want to look at things, or change them. */
static void step_aside(Tester *t)
{
    pthread_mutex_unlock(&t->mutex);
    while (__atomic_load_n(&t->waiting, __ATOMIC_SEQ_CST)) {
        sched_yield();
    }
    pthread_mutex_lock(&t->mutex);
}

/* Whether there is more to do at once. */
static bool turn(Tester *t)
{
    uint64_t now = rte_rdtsc();
    bool more = false;

    gaps_add(&phase_now(t)->own, t->last_turn_tsc, now - t->last_turn_tsc);
    t->last_turn_tsc = now;
    for (unsigned p = 0; p < t->nports; p++) {
        for (unsigned q = 0; q < t->nqueues && t->sending; q++) {
            if (t->streams[p][q].on) {
                more |= stream_send(t, &t->streams[p][q], rte_rdtsc());
            }
        }
        for (unsigned v = 0; v < t->nvms; v++) {
            more |= link_receive(t, &t->vms[v].links[p]);
        }
    }
    return more;
}

/* Let others have the CPU; not with the mutex held. */
static void rest(Tester *t)
{
    struct timespec ts = { .tv_nsec = (long)t->sleep_us * 1000 };

    pthread_mutex_unlock(&t->mutex);
    (void)nanosleep(&ts, NULL);
    pthread_mutex_lock(&t->mutex);
}

int traffic_run(void *tester)
{
    Tester *t = tester;

    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* ns */
    pthread_mutex_lock(&t->mutex);
    t->last_turn_tsc = rte_rdtsc();
    while (!t->quit) {
        if (!turn(t) && t->sleep_us) {
            rest(t);
        }
        if (__atomic_load_n(&t->waiting, __ATOMIC_RELAXED)) {
            step_aside(t);
        }
    }
    pthread_mutex_unlock(&t->mutex);
    return 0;
}
