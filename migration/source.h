/*
 * One outgoing migration: the thread's state, shared by its phases.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SOURCE_H
#define MIGRATION_SOURCE_H

#include "migration/handover.h"
#include "migration/iterative.h"
#include "migration/migration-priv.h"
#include "migration/multifd-send.h"
#include "migration/pace.h"
#include "migration/return-path.h"

typedef struct MigSource {
    Migration *m;
    Vm *vm;
    const MigConfig *cfg;
    IoChannel *ch;
    StreamOut *out;
    MultifdSend *multifd; /* channels beside it; or NULL */
    IterativeEnv env;     /* of the rows */
    IterativeSet *set;    /* what travels while the guest runs */
    uint64_t features;    /* WIRE_F_* in use */
    PeerKind peer;
    GuestOwner owner; /* moved by mig_source_event() only */
    bool return_path;
    bool unanswered;    /* a return path was opened, and nobody answered */
    RpReader rp;        /* of the return path */
    bool log_on;        /* the dirty log runs: to be torn down */
    bool stopped;       /* this migration stopped the guest */
    bool was_running;   /* it ran before that */
    RunState old_state; /* the run state before that */
    SwitchPlan plan;    /* of the attempt */
    unsigned changes;   /* VmstateRegistry.changes when it began */
    uint32_t attempt;   /* of the switch-over */
    uint32_t barriers;  /* so far: the last one's number */
    bool owes_loaded;   /* the last attempt's LOADED is late */
    StreamOut *devices; /* in memory: their state, or a rehearsal's */
    char *description;  /* of the devices, for peers that read it; or NULL */

    /* Postcopy (source-postcopy.c). */
    bool postcopy;           /* this switch-over begins one */
    bool pass_broken;        /* the last pass was broken off for it */
    PostcopyOut *later;      /* what follows the guest; NULL: nothing does */
    struct PostcopyWay *way; /* the destination's words meanwhile */
    uint64_t later_start;    /* bytes in the stream when it began */
    uint64_t bytes_before;   /* in the streams before `out` */

    Pace pace; /* bandwidth limit */

    /* Convergence. */
    uint64_t bytes_per_s; /* measured while sending without a pause */
    uint64_t pass_bytes;
    uint64_t last_pending; /* bytes */
    int64_t pass_start_ns, pass_paused_ns, sync_ns;
    int64_t sync_cost_ns; /* what a dirty sync takes; 0: not known yet */
    int64_t fixed_ns; /* switch-over without RAM: rehearsed, then measured */
    bool fixed_measured;
    unsigned settled;
    ThrottleState throttle;  /* auto-converge */
    uint64_t throttle_bytes; /* stream_out_bytes() when it was last asked */
    unsigned retries;        /* switch-overs undone so far */
    uint64_t host_writes;    /* ram_host_writes() before the last sync */
    uint64_t cpu_changes;    /* Vm.cpu_changes before the CPUs were read */
    int64_t stop_ns;         /* CLOCK_MONOTONIC when the guest was stopped */
    int64_t resume_ns;       /* and when it ran again here, if it did */
    uint64_t stop_bytes;
} MigSource;

/* True if the capability was on when the migration began. */
#define MIG_HAS(s_, cap_) \
    mig_caps_has((s_)->cfg->caps, MIGRATION_CAPABILITY_##cap_)

/* Connects and makes the stream (source-connect.c). */
bool mig_source_connect(MigSource *s, GError **errp);
/* A new connection to m->uri in the place of one that has broken off. */
bool mig_source_reconnect(MigSource *s, GError **errp);
/*
 * Before a channel is closed on which late answers may have come.  False with
 * errp if one of them says that the load failed.
 */
bool mig_source_hang_up(MigSource *s, GError **errp);
/* What has been put into the stream and taken by the channels. */
uint64_t mig_source_bytes(const MigSource *s);
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
    SWITCH_GOES_ON, /* from one step to the next; no result */
    SWITCH_DONE,
    SWITCH_RETRY,  /* the guest runs here again, for another attempt */
    SWITCH_FAILED, /* it runs here again, if it did */
    SWITCH_GIVEN,  /* it may run at the destination, or nowhere */
} SwitchResult;

/*
 * The destination was made for the devices that were here when the migration
 * began.  False with errp if one has come or gone since, as when the guest
 * ejects what it was asked for before.  vm_lock.
 */
bool mig_source_check_machine(const MigSource *s, GError **errp);
/* Rehearses the device state: what the switch-over will cost. */
bool mig_source_rehearse(MigSource *s, GError **errp);
/* Stops the guest and hands it over (source-switch.c). */
SwitchResult mig_source_switch(MigSource *s, GError **errp);
/*
 * The guest has left: it is `postmigrate`, and nothing starts it here until
 * the migration has ended (see Vm.given).  vm_lock held.
 */
void mig_source_leave(MigSource *s);
/*
 * After a switch-over that was late: writes what is left of it and waits for
 * its LOADED, so that the next one finds the way to the destination empty. The
 * guest runs meanwhile.  False with errp if it is cancelled or the destination
 * fails.
 */
bool mig_source_catch_up(MigSource *s, GError **errp);
/*
 * The last step: gives the guest away by the mark that its kind of peer waits
 * for, and waits for the word that it arrived (source-handover.c).  All state
 * has been written; *t as for mig_source_step().
 */
SwitchResult mig_source_hand_over(MigSource *s, int64_t *t, GError **errp);
/*
 * The part of it that gives the guest away, by SAID_EOF, SAID_RUN or
 * SAID_PACKAGED_RUN.  SWITCH_GOES_ON: all of the mark is written;
 * SWITCH_GIVEN: maybe not, but the guest may run there.
 */
SwitchResult mig_source_give(MigSource *s, HandoverEvent mark, GError **errp);
/* All devices into s->devices; vm_lock held. */
bool mig_source_save_devices(MigSource *s, GError **errp);

/* The steps of a switch-over that leaves memory behind, in this order. */
SwitchResult mig_postcopy_step_discard(MigSource *s, int64_t *t, GError **errp);
SwitchResult mig_postcopy_step_package(MigSource *s, int64_t *t, GError **errp);
SwitchResult mig_postcopy_step_hand_over(MigSource *s, int64_t *t,
                                         GError **errp);
/*
 * Behind them: sends what is left, to its end.  False with errp: the program
 * ends before.
 */
bool mig_source_postcopy(MigSource *s, GError **errp);
void mig_postcopy_fini(MigSource *s);

/* Something was said or heard: whose guest it is now. */
void mig_source_event(MigSource *s, HandoverEvent ev);
/* The attempt took too long: the next one has to have more room. */
SwitchResult mig_source_too_late(MigSource *s);
/* The end of the migration, whatever it is (source-end.c); takes err. */
void mig_source_completed(MigSource *s);
void mig_source_failed(MigSource *s, GError *err);
/* Frees all that the thread has, and closes the channel; twice is fine. */
void mig_source_fini(MigSource *s);
/* The guest isn't slowed any more, if it was.  Without vm_lock. */
void mig_source_unthrottle(MigSource *s);
/* Dirty log off, if it is on.  Takes vm_lock. */
void mig_source_log_stop(MigSource *s);
/* Refreshes what queries show. */
void mig_source_show(MigSource *s);
/* Adds the time since *since_ns to a step's figure; moves *since_ns on. */
void mig_source_step(MigSource *s, DowntimeStep step, int64_t *since_ns);
/* A figure that the destination measured. */
void mig_source_peer_step(MigSource *s, DowntimeStep step, uint64_t us);
/* The guest stood from the stop to now. */
void mig_source_show_downtime(MigSource *s);

#endif
