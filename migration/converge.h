/*
 * When to stop the guest: pure functions of numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CONVERGE_H
#define MIGRATION_CONVERGE_H

#include "util/base.h"

/* What is known after a dirty sync. */
typedef struct ConvergeInput {
    uint64_t pending_bytes;      /* dirty now */
    uint64_t last_pending_bytes; /* at the sync before; 0: this is the first */
    uint64_t bytes_per_s;        /* measured; 0: nothing was sent yet */
    int64_t fixed_ns;            /* switch-over without RAM, with its sync */
    int64_t limit_ns;            /* downtime-limit */
    unsigned settled;            /* passes already made below the limit */
} ConvergeInput;

typedef enum ConvergeAction {
    CONVERGE_ITERATE,
    CONVERGE_SWITCH,
} ConvergeAction;

/* Time to move `bytes`, at least 0; INT64_MAX/4 if it can't be told. */
int64_t converge_transfer_ns(uint64_t bytes, uint64_t bytes_per_s);
/*
 * Below the limit the guest could be stopped; but while another pass still
 * makes the rest clearly smaller it is cheaper to make it than to have the
 * guest wait for those pages.
 */
ConvergeAction converge_decide(const ConvergeInput *in);
/*
 * The same question once the guest has stopped: is it to be handed over, or
 * must it be started again as the rest takes longer than the limit?
 */
bool converge_fits(const ConvergeInput *in);
/*
 * The fixed part after an attempt that took longer than limit_ns: what is left
 * of the limit for memory halves each time, and never vanishes, since only
 * another attempt can show that it was an exception.
 */
int64_t converge_fixed(int64_t before_ns, int64_t limit_ns);
/*
 * How long the guest has to run before the next attempt when one stood it
 * still for stopped_ns in vain; retries: how often in a row by now.
 */
int64_t converge_backoff(unsigned retries, int64_t stopped_ns);
/*
 * The rest of RAM would fit the limit, were it not for the fixed part: that
 * may have been rehearsed in a bad moment, and is worth another look.
 */
bool converge_fixed_hinders(const ConvergeInput *in);
/*
 * What a dirty sync takes, after one that took ns (0 or more): falls at once,
 * rises slowly, as any of them may have waited for a host CPU.  before_ns 0:
 * this is the first.
 */
int64_t converge_sync_ns(int64_t before_ns, int64_t ns);
/* Bandwidth estimate after a measurement: rises at once, falls slowly. */
uint64_t converge_bandwidth(uint64_t before, uint64_t bytes, int64_t ns);

/* What auto-converge is set to, in percent. */
typedef struct ThrottleParams {
    unsigned threshold;          /* of what was sent may get dirty */
    unsigned initial, increment; /* of the time that vCPUs rest */
    unsigned max;
    bool tailslow; /* smaller steps where they would do */
} ThrottleParams;

/* What is counted of a guest that may have to be slowed.  Starts as zeros. */
typedef struct ThrottleState {
    int64_t since_ns; /* 0: nothing is counted yet */
    uint64_t sent, dirtied;
    unsigned high;    /* stretches in a row in which too much got dirty */
    unsigned percent; /* 0: it isn't slowed */
} ThrottleState;

/*
 * After a dirty sync at now_ns that found `dirtied` bytes, all of them since
 * the one before, while `sent` bytes were sent.  Returns how many percent of
 * the time the vCPUs are to rest from now on: more than before after two
 * stretches in which the guest was faster than the threshold allows, never
 * less than before.  Stretches are as long as it takes to see what the last
 * step has done.
 */
unsigned converge_throttle(ThrottleState *t, const ThrottleParams *p,
                           int64_t now_ns, uint64_t sent, uint64_t dirtied);

#endif
