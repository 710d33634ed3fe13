/*
 * One outgoing migration: the thread's state, shared by its phases.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SOURCE_H
#define MIGRATION_SOURCE_H

#include "migration/iterative.h"
#include "migration/migration-priv.h"

typedef struct MigSource {
    Migration *m;
    Vm *vm;
    const MigConfig *cfg;
    IoChannel *ch;
    StreamOut *out;
    IterativeEnv env;  /* of the rows */
    IterativeSet *set; /* what travels while the guest runs */
    uint64_t features; /* WIRE_F_* in use */
    bool return_path;
    bool log_on;        /* the dirty log runs: to be torn down */
    bool stopped;       /* this migration stopped the guest */
    bool was_running;   /* it ran before that */
    RunState old_state; /* the run state before that */
    bool handed_over;   /* RUN was said: the guest is not ours any more */
    uint32_t attempt;   /* of the switch-over */
    uint32_t barriers;  /* so far: the last one's number */
    bool owes_loaded;   /* the last attempt's LOADED is late */

    /* Bandwidth limit: bytes put in the present slice. */
    int64_t slice_ns;
    uint64_t slice_start_bytes;

    /* Convergence. */
    uint64_t bytes_per_s; /* measured while sending without a pause */
    uint64_t pass_bytes;
    uint64_t last_pending; /* bytes */
    int64_t pass_start_ns, pass_paused_ns, sync_ns;
    int64_t fixed_ns; /* switch-over without RAM: rehearsed, then measured */
    bool fixed_measured;
    unsigned settled;
    unsigned retries;  /* switch-overs undone so far */
    int64_t stop_ns;   /* CLOCK_MONOTONIC when the guest was stopped */
    int64_t resume_ns; /* and when it ran again here, if it did */
    uint64_t stop_bytes;
} MigSource;

/* True if the capability was on when the migration began. */
#define MIG_HAS(s_, cap_) \
    mig_caps_has((s_)->cfg->caps, MIGRATION_CAPABILITY_##cap_)

/* Connects and makes the stream (source-connect.c). */
bool mig_source_connect(MigSource *s, GError **errp);
/*
 * After a failure: if the destination has said why it gave up, that is the
 * reason, rather than that our next write failed.
 */
void mig_source_explain(MigSource *s, GError **err);
/* Asks the destination what it knows beyond the plain stream. */
bool mig_source_greet(MigSource *s, GError **errp);

/*
 * While the guest runs: waits for a message of this type, of at least min_len
 * bytes (4 or more), that begins with `number`; others are passed over.  False
 * with errp if it is cancelled or the destination fails.
 */
bool mig_source_await(MigSource *s, uint16_t type, uint16_t min_len,
                      uint32_t number, GError **errp);
/*
 * Waits until the destination has taken all that was sent, if it can say so: a
 * stopped guest is not to wait for what its last pass left on the way.  False
 * with errp if it is cancelled or the destination fails.
 */
bool mig_source_barrier(MigSource *s, GError **errp);

typedef enum SwitchResult {
    SWITCH_DONE,
    SWITCH_RETRY, /* did not fit the limit: the guest runs here again */
    SWITCH_FAILED,
} SwitchResult;

/* Rehearses the device state: what the switch-over will cost. */
bool mig_source_rehearse(MigSource *s, GError **errp);
/* Stops the guest and hands it over (source-switch.c). */
SwitchResult mig_source_switch(MigSource *s, GError **errp);
/*
 * After a switch-over that was late: writes what is left of it and waits for
 * its LOADED, so that the next one finds the way to the destination empty. The
 * guest runs meanwhile.  False with errp if it is cancelled or the destination
 * fails.
 */
bool mig_source_catch_up(MigSource *s, GError **errp);
/* Resumes the guest here after a switch-over that did not happen. */
void mig_source_resume(MigSource *s);
/* Dirty log off, if it is on.  Takes vm_lock. */
void mig_source_log_stop(MigSource *s);
/* Refreshes what queries show. */
void mig_source_show(MigSource *s);
/* Adds the time since *since_ns to a step's figure; moves *since_ns on. */
void mig_source_step(MigSource *s, DowntimeStep step, int64_t *since_ns);

#endif
