/*
 * The tester: links to virtual machines, streams of frames over them.
 *
 * A machine has one link (a vhost-user socket) for each port of the tester.
 * The machines are where one guest may be: what is sent on a port goes where
 * a switch would send it, to the machine that a frame last came from.
 *
 * One thread polls. Everybody else (who handles vhost-user messages, who
 * reads commands) stops it with tester_enter() to look at or change anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef L2GEN_TESTER_H
#define L2GEN_TESTER_H

#include "tests/bench/l2gen/frame.h"
#include "tests/bench/l2gen/histogram.h"
#include "tests/bench/l2gen/sequence.h"

#include <pthread.h>
#include <rte_mbuf.h>

enum {
    MAX_VMS = 4,
    MAX_PORTS = 2,
    MAX_QUEUES = 4,
    MAX_PHASES = 16,
    BURST = 32,
    NOWHERE = -1,
};

/* One vhost-user socket. */
typedef struct Link {
    char *path;
    unsigned vm, port;
    int vid;           /* of the vhost library; -1 while there is no device */
    uint64_t received; /* of our frames, from here */
    uint64_t first_tsc, last_tsc; /* when; 0: none yet */
} Link;

typedef struct Vm {
    char *name;
    Link links[MAX_PORTS];
} Vm;

/* Frames sent on one port and queue; they come back on the other port. */
typedef struct Stream {
    unsigned port, queue;
    bool on;
    uint64_t sent; /* accepted by a guest's ring: the next number */
    uint64_t next_tsc;
    Sequence sequence;
    struct rte_mbuf *burst[BURST];
} Stream;

/* What one port's streams did in one phase. */
typedef struct PortPhase {
    uint64_t sent;
    uint64_t refused_full; /* a ring had no room */
    uint64_t no_guest;     /* no machine had a device */
    uint64_t skipped;      /* the tester itself came too late */
    uint64_t received;
    uint64_t late, duplicates, never_sent, corrupt;
    uint64_t first_number[MAX_QUEUES];
    Histogram latency; /* ns */
    Gaps gaps;         /* between two frames that came back */
} PortPhase;

typedef struct Phase {
    char *name;
    uint64_t start_tsc;
    PortPhase ports[MAX_PORTS]; /* by the port that sent */
    Gaps own;                   /* between two turns of the tester */
} Phase;

/* A millisecond, say, of one port. */
typedef struct Interval {
    uint32_t sent, received, refused, max_latency_us;
} Interval;

typedef struct Tester {
    Vm vms[MAX_VMS];
    unsigned nvms, nports, nqueues;
    Stream streams[MAX_PORTS][MAX_QUEUES];
    unsigned frame_size; /* bytes with FCS, as on the wire */
    uint64_t step_tsc;   /* between two frames of a stream; 0: no limit */
    bool sending;
    unsigned sleep_us;    /* between two turns with little to do; 0: none */
    int where[MAX_PORTS]; /* machine a frame last came from, or NOWHERE */
    uint64_t last_rx_tsc[MAX_PORTS], last_turn_tsc;
    uint64_t other; /* frames that were not ours */

    Phase *phases;
    unsigned nphases;

    Interval *intervals[MAX_PORTS];
    uint64_t ninterval, interval_tsc, series_tsc;

    struct rte_mempool *pool;
    uint64_t hz;

    pthread_mutex_t mutex;
    int waiting; /* threads in tester_enter() */
    bool quit;
} Tester;

/* Stop the polling thread, which waits until tester_leave(). */
void tester_enter(Tester *t);
void tester_leave(Tester *t);

/* Seconds since the epoch at a time of the TSC. */
double tester_time(const Tester *t, uint64_t tsc);

/* ---- links (link.c) ---------------------------------------------------- */

/* Open the sockets of all machines: `client` connects, else they listen. */
bool links_start(Tester *t, bool client, GError **errp);

/* Close them; no callback comes afterwards. */
void links_stop(Tester *t);

/* Print a line that tells of an event. */
void event_print(const Tester *t, const Link *link, const char *what,
                 uint64_t tsc);

/* ---- traffic (traffic.c) ----------------------------------------------- */

bool traffic_init(Tester *t, GError **errp);
void traffic_fini(Tester *t);

/*
 * Frames per second of each port: 0 stops, UINT64_MAX is no limit.
 * `size`: bytes with FCS, 64 to 1518.
 */
void traffic_set(Tester *t, uint64_t rate, unsigned size);

/* Everything from now on belongs to phase `name`; false: too many. */
bool traffic_phase(Tester *t, const char *name);

/* Poll until t->quit; an EAL thread's function. */
int traffic_run(void *tester);

/* ---- reports (report.c) ------------------------------------------------ */

/* All that was measured, as one line of JSON on standard output. */
void report_print(const Tester *t);

/* The intervals as comma-separated values. */
bool report_series(const Tester *t, const char *path, GError **errp);

#endif
