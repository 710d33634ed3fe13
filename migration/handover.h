/*
 * Who has the guest: the rules of a switch-over at the source, as data.
 *
 * Pure functions: nothing here waits, writes or takes a lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_HANDOVER_H
#define MIGRATION_HANDOVER_H

#include "util/base.h"

/* What is at the other end, by what makes it run the guest. */
typedef enum PeerKind {
    PEER_FILE,    /* nothing: somebody may load the file some day */
    PEER_ONE_WAY, /* the end of file mark; it can't answer (pipe, command) */
    PEER_PLAIN,   /* the end of file mark; it answers */
    PEER_COMMIT,  /* RUN, and nothing else (WIRE_F_COMMIT) */
    PEER_KINDS,
} PeerKind;

typedef enum GuestOwner {
    OWNER_SOURCE,      /* it can't run anywhere else: ours whatever happens */
    OWNER_GIVEN,       /* the destination may run it: never here by itself */
    OWNER_DESTINATION, /* and it said so, or needs not to */
    OWNERS,
} GuestOwner;

/*
 * SAID: as soon as a byte of it may have left.  HEARD_NOTHING: the time for an
 * answer is over.
 */
typedef enum HandoverEvent {
    SAID_SWITCHOVER, /* the guest stands; memory and devices follow */
    SAID_EOF,        /* end of file mark */
    SAID_RUN,
    SAID_PACKAGED_RUN, /* the last bytes of a postcopy's package */
    SAID_ABORT,
    HEARD_LOADED,
    HEARD_RESUMED,
    HEARD_SHUT,    /* 0: the load went well */
    HEARD_ERROR,   /* an ERROR, or a SHUT other than 0 */
    HEARD_END,     /* the connection ended or failed */
    HEARD_NOTHING, /* in time */
    CLOSED_WELL,   /* our end, and no write is missing */
    HANDOVER_EVENTS,
} HandoverEvent;

/* Who has the guest afterwards. */
GuestOwner handover_next(PeerKind peer, GuestOwner owner, HandoverEvent ev);
/* May that be said now?  False for what HEARD_* and CLOSED_WELL stand for. */
bool handover_may_say(PeerKind peer, GuestOwner owner, HandoverEvent ev);

/* What is known when the guest has been stopped. */
typedef struct SwitchInput {
    PeerKind peer;
    bool was_running;  /* before it was stopped for this */
    bool abort_on;     /* capability switchover-abort */
    bool pause_before; /* capability pause-before-switchover */
    int64_t stop_ns;   /* CLOCK_MONOTONIC; when it was stopped */
    int64_t limit_ns;  /* downtime-limit */
    /* For a peer that moves nothing, where no limit holds. */
    int64_t silence_ns;
} SwitchInput;

/* What follows from it; times are of CLOCK_MONOTONIC. */
typedef struct SwitchPlan {
    /* An attempt that is late is undone: the guest runs here, then again. */
    bool may_undo;
    bool keep_late; /* what can't be written in time waits (stream.h) */
    bool spin;      /* a guest waits for us: look instead of sleep */
    /* End of all writes before the guest is given away; 0: none. */
    int64_t write_end_ns;
    /* The destination's word that it has everything; 0: see below. */
    int64_t word_end_ns;
    /* Longest wait in which nothing moves; 0: the times above hold. */
    int64_t silence_ns;
} SwitchPlan;

SwitchPlan switch_plan(const SwitchInput *in);
/* Until when the destination's word is waited for from `now_ns` on, when all
 * has been written. */
int64_t switch_word_end_ns(const SwitchPlan *p, int64_t now_ns);

#endif
