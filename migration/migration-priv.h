/*
 * The engine's own view of a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MIGRATION_PRIV_H
#define MIGRATION_MIGRATION_PRIV_H

#include "io/address.h"
#include "io/cancel.h"
#include "io/channel.h"
#include "io/tls.h"
#include "migration/converge.h"
#include "migration/migration.h"
#include "migration/ram-send.h"
#include "util/thread.h"
#include "vmstate/vmstate.h"

struct IoListener;

/* Where the downtime went, in microseconds; index of bd_us[]. */
typedef enum DowntimeStep {
    STEP_VCPU_STOP,
    STEP_BLOCK_DRAIN,
    STEP_CPU_SYNC,
    STEP_DIRTY_SYNC,
    STEP_RAM,
    STEP_DEVICE_STATE,
    STEP_WIRE,
    STEP_LOAD,
    STEP_CPU_RESTORE,
    STEP_RESUME,
    STEP_COUNT,
} DowntimeStep;

/* Capabilities and parameters as they were when the migration began. */
typedef struct MigConfig {
    MigCapSet caps;
    MigParams params;
} MigConfig;

/* What queries show; written by the migration thread under `lock`. */
typedef struct MigShow {
    RamSendStats ram;
    uint64_t transferred;   /* bytes */
    uint64_t multifd_bytes; /* of these, on additional channels */
    uint64_t zero_copy_misses;
    uint64_t precopy_bytes, downtime_bytes;
    uint64_t bytes_per_s; /* of whole passes: what decisions rest on; 0: none */
    uint64_t dirty_pages_per_s;
    /* Of the last tenth of a second or so, and what it is measured from. */
    uint64_t now_bytes_per_s, now_pages_per_s;
    int64_t rate_ns;
    uint64_t rate_bytes, rate_pages;
    int64_t start_ns, end_ns; /* CLOCK_MONOTONIC; end 0: not ended */
    int64_t setup_ns;         /* length */
    int64_t downtime_ns;      /* STOP to the destination's RESUME, or to the
                                 end of sending if it doesn't say */
    int64_t expected_downtime_ns;
    bool have_downtime, have_setup;
    uint64_t bd_us[STEP_COUNT];
    unsigned bd_known;         /* mask of 1 << DowntimeStep */
    unsigned progress;         /* 0..100 */
    unsigned throttle_percent; /* of auto-converge; 0: none */
    /* Since the guest was given away. */
    uint64_t postcopy_bytes, postcopy_requests;
} MigShow;

/* How long a migration waits for what may never come. */
typedef struct MigWaits {
    int64_t answer_ns;    /* for the answer to our greeting */
    int64_t silence_ns;   /* in which a peer moves nothing while a guest that
                             has been promised nothing stands */
    int64_t channels_ns;  /* destination: for multifd channels to come */
    int64_t pristine_ns;  /* destination: to make memory read as zero, before
                             it answers a greeting */
    int64_t way_back_ns;  /* destination: for the source to read a word */
    int64_t mark_ns;      /* to write the mark that gives the guest away */
    int64_t last_word_ns; /* for the word that it arrived */
    int64_t why_ns;       /* to be told why the destination gave up */
    int64_t abort_ns;     /* to say that the guest stays */
    unsigned cancel_ms;   /* for what is being written when it is cancelled */
} MigWaits;

struct Migration {
    Vm *vm;
    const MigrationHooks *hooks;
    MigCapSet caps; /* main thread */
    bool only_migratable;
    MigWaits waits; /* const while a thread runs */
    Lock lock;
    Cond cond;              /* with lock: `go_on`, cancel_asked */
    MigParams params;       /* lock: live; max_bandwidth, downtime_limit */
    MigrationStatus status; /* lock */
    char *error_desc;       /* lock; of the last failure */
    bool cancel_asked;      /* lock */
    bool committed;         /* lock; too late to cancel */
    bool closing;           /* lock; the channel is being closed after that */
    bool go_on;             /* lock; migrate-continue came */
    bool start_postcopy;    /* lock; migrate-start-postcopy came */
    bool quits;             /* lock; the program ends: no recovery comes */
    bool resuming;          /* lock; from a resume until it has failed */
    IoUri *resume_uri;      /* lock; the thread takes it; NULL: none came */
    TlsCreds *resume_tls;   /* lock; with it: the new tls, or NULL */
    char *resume_hostname;  /* lock; with it: the new tls_hostname */
    MigShow show;           /* lock */
    /* Of back ends in the last attempt; lock; NULL: there were none. */
    BackendAnswerList *answers;

    /* Outgoing. */
    bool thread_made;  /* main thread */
    bool thread_ended; /* atomic; it has nothing left to do */
    Thread thread;
    MigConfig cfg; /* const while the thread runs */
    IoUri *uri;
    int fd;        /* lock; for fd:, -1 otherwise; taken by the thread */
    IoChannel *ch; /* lock; so that cancel can shut it down */
    struct MultifdSend *multifd; /* lock; for the same; NULL: there is none */
    IoCancel *cancel;            /* raised by cancel: ends waits, not writes */
    guint cancel_timer; /* main thread; then writes end, too; 0: none */
    guint join_idle;    /* lock; joins the thread in the main loop; 0: none */

    /* Incoming. */
    bool incoming_deferred;
    bool incoming; /* main thread: this VM waits for a guest */
    struct IoListener *listener;
    struct MigCandidates *candidates;     /* while there is an address */
    struct MultifdListen *multifd_listen; /* or NULL */
    bool load_made;
    bool load_secured; /* what load_ch needs of TLS is done */
    Thread load_thread;
    IoChannel *load_ch; /* lock; read until the thread ends */
    /* lock; of the last postcopy; NULL: not measured */
    struct PostcopyTimes *times;
    /* lock; where a paused postcopy waits for its source, and what ends that;
     * the load thread accepts there and frees them; or NULL. */
    struct IoListener *recover_listener;
    IoCancel *recover_cancel;
    /* The guest runs here, and a plain source, which would run it again, is
     * still to hear so: the end of the program waits for that.  lock. */
    bool load_owes_shut;
    bool load_ends; /* lock: nothing else is to be waited for */
    IoUri *incoming_uri;
    IoChannel *incoming_ch; /* open, and nothing read yet; or NULL */

    /* Of the migration under way, either way; NULL: none.  Main thread; const
     * while a thread runs, but that the source's takes resume_tls. */
    TlsCreds *tls;
    char *tls_hostname;

    struct DirtyRate *dirty_rate; /* main thread */

    /* State that travels in sections of the engine's own. */
    bool snapshot; /* migration_snapshot_begin(); vm_lock */
    struct EngineState *state;
};

/* Moves the state machine; emits MIGRATION if `events` is on. */
void mig_set_status(Migration *m, MigrationStatus status);
/* Keeps the first reason; takes err. */
void mig_set_error(Migration *m, GError *err);
bool mig_cancel_asked(Migration *m);
/* The user wants the guest to go ahead of its memory. */
bool mig_postcopy_asked(Migration *m);
/* The thread's work; the thread ends by mig_thread_done(). */
void *mig_source_thread(void *opaque);
void *mig_load_thread(void *opaque);
/*
 * Waits for a thread's end with vm_lock dropped if it is held: the threads
 * take it on their way out.
 */
void mig_thread_join(Thread *thread);
/* Incoming, and no source has connected yet; main thread. */
bool mig_waits_for_source(const Migration *m);
/*
 * Waits at that address for the source of a paused postcopy, if nobody waits
 * at another: the user may have been faster.  Load thread.
 */
bool mig_recover_listen(Migration *m, const IoSocketAddress *addr,
                        GError **errp);
/* Nobody waits any more, nor will: the load thread is done with it. */
void mig_recover_listen_end(Migration *m);
/* Stops listening and loading; join waits. */
void mig_incoming_stop(Migration *m);
void mig_incoming_join(Migration *m);
/* Asks the main thread to join the migration thread. */
void mig_thread_done(Migration *m);
/* Current limits; any thread. */
uint64_t mig_max_bandwidth(Migration *m);
int64_t mig_downtime_limit_ns(Migration *m);
ThrottleParams mig_throttle_params(Migration *m);

/* Sections "timer" and "globalstate" (engine-state.c). */
struct EngineState *engine_state_new(Vm *vm);
void engine_state_free(struct EngineState *s);
/* Source: the run state that the guest is to have at the destination. */
void engine_state_store(struct EngineState *s, RunState state);
/* Destination: what the guest's run state was at the source. */
RunState engine_state_loaded(const struct EngineState *s);

#endif
