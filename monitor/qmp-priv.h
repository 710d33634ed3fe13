/*
 * Inner parts of the QMP server.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_QMP_PRIV_H
#define MONITOR_QMP_PRIV_H

#include "monitor/qmp.h"
#include "qapi/qapi-types-machine.h"
#include "util/lock.h"

enum {
    /* Requests that may wait before input stops. */
    QMP_QUEUE_MAX = 8,
    /* Input that is taken at once, bytes. */
    QMP_FEED_MAX = 4096,
    /* Output that may wait before input stops, and before it goes on. */
    QMP_OUT_HIGH = 1024 * 1024,
    QMP_OUT_LOW = 64 * 1024,
    /* Output that may wait before events are dropped. */
    QMP_OUT_EVENTS_MAX = 4 * 1024 * 1024,
    /* Events of one kind from other threads that may wait. */
    EVENTS_QUEUED_MAX = 1024,
};

/* A request, or the error that its text was. */
typedef struct QmpRequest {
    JsonValue *value; /* NULL: err is set */
    GError *err;
} QmpRequest;

struct QmpSession {
    Monitors *monitors;
    const QmpSessionOps *ops;
    void *opaque;
    bool pretty;

    bool open;           /* there is a peer */
    unsigned generation; /* counts peers */
    bool negotiated;     /* qmp_capabilities succeeded */
    bool oob;            /* "oob" was enabled */
    bool input_stopped;  /* can_feed() said 0; accept_input() is due */
    bool running;        /* a request is being carried out; of the peer: */
    unsigned running_generation;
    bool ending; /* no more input; input_done() is due */

    JsonParser *parser;
    bool feeding;             /* json_parser_feed() runs */
    unsigned feed_generation; /* whose bytes those are */
    GQueue requests;          /* QmpRequest, to be carried out in order */

    GString *out;      /* not written yet */
    size_t out_done;   /* bytes at its beginning that were */
    bool waiting;      /* wait_writable() was called */
    unsigned ndropped; /* events that found no room */
};

/* A rate-limited event; see events.c. */
typedef struct EventLimiter {
    int64_t period_us;
    int64_t next_us;    /* when the next may be sent */
    JsonValue *pending; /* the latest that was held back, or NULL */
} EventLimiter;

typedef struct EventItem {
    unsigned event; /* QapiEvent */
    JsonValue *msg;
} EventItem;

struct Monitors {
    struct Vm *vm;
    GPtrArray *sessions; /* QmpSession */
    GSource *source;     /* its ready time is when monitors_run() is due */
    int kicked;          /* atomic; monitors_kick() since it last ran */
    GThread *thread;     /* the main thread */
    int64_t (*now_us)(void *opaque);
    void *clock_opaque;
    struct Dump *dump; /* NULL in tests */
    struct QmpFds *fds;
    GArray *cleanups;          /* of monitors_at_free() */
    MonitorsOptionsFn options; /* or NULL */

    EventSink sink;
    Lock event_lock;
    GQueue events;        /* EventItem from other threads; event_lock */
    unsigned *nqueued;    /* of each QapiEvent in that; event_lock */
    GHashTable *limiters; /* "EVENT value" -> EventLimiter */
};

/* The main loop is to call monitors_run(). Any thread. */
void monitors_kick(Monitors *m);

/* events.c */
void events_init(Monitors *m);
void events_fini(Monitors *m);
/* Passes on what other threads raised, and what was held back until now. */
void events_run(Monitors *m);
/* When events_run() has to run again, microseconds; -1: needn't. */
int64_t events_next_us(Monitors *m);

/* qmp.c */
/* Carries out the first waiting request, unless one is being carried out. */
void qmp_session_run(QmpSession *s);
/* Would qmp_session_run() do something? */
bool qmp_session_has_work(const QmpSession *s);
/* Sends a message; event: may be dropped. Keeps v. */
void qmp_session_send(QmpSession *s, const JsonValue *v, bool event);

/* qmp-dispatch.c */
/*
 * Carries out a request, or answers what was none: the response, NULL only
 * if there is nothing to say.
 */
JsonValue *qmp_dispatch(QmpSession *s, const QmpRequest *req);
/* Is it to be carried out ahead of those that wait? */
bool qmp_request_is_oob(const QmpSession *s, const JsonValue *value);

/* What the guest said of a CPU; the caller frees it.  qmp-cmds-machine.c. */
AcpiOstInfo *acpi_cpu_ost_info(unsigned slot, uint32_t event, uint32_t status);

#endif
