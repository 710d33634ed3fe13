/*
 * The run state: one state machine that says whether the guest runs, and why
 * not.  Names are QMP's RunState.
 *
 * Locking: vm_lock; requests (reset, shutdown, …) may come from any thread and
 * are carried out by the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RUNSTATE_H
#define SYSTEM_RUNSTATE_H

#include "qapi/qapi-types-run-state.h"
#include "util/lock.h"

struct Vm;

/* What ends a suspension to RAM. */
typedef enum WakeupReason {
    WAKEUP_OTHER, /* the user, or a line that came in */
    WAKEUP_RTC,   /* the clock's alarm */
} WakeupReason;

/* Told after a change; `running` as of now.  Stop: in reverse order. */
typedef struct RunStateListener {
    void (*changed)(struct RunStateListener *l, bool running, RunState state);
    /* A second round, when all `changed` callbacks ran (vhost, block). */
    void (*prepare)(struct RunStateListener *l, bool running, RunState state);
    /* Starting: its vCPUs run.  For what the guest need not wait for. */
    void (*started)(struct RunStateListener *l);
    /* The guest has stopped, and block I/O has ended, too. */
    void (*settled)(struct RunStateListener *l);
    int priority; /* lower first when starting, last when stopping */
    GList link;
} RunStateListener;

RunState runstate_get(struct Vm *vm);
bool runstate_is_running(struct Vm *vm);
/* INTERNAL_ERROR and SHUTDOWN are left by a reset only: `cont` refuses. */
bool runstate_needs_reset(struct Vm *vm);
/* Is the program to end, whatever becomes of the guest?  Any thread. */
bool vm_is_ending(struct Vm *vm);
/* Why the guest may neither go on nor migrate now; NULL: it may. */
const char *vm_busy(const struct Vm *vm);
bool runstate_may_change(RunState from, RunState to);
/*
 * An impossible transition is a programming error, and logged; what comes
 * from a stream is checked with runstate_may_change() before.
 */
void runstate_set(struct Vm *vm, RunState state);
void runstate_add_listener(struct Vm *vm, RunStateListener *l);
void runstate_del_listener(struct Vm *vm, RunStateListener *l);

/*
 * Starts all vCPUs, clocks and listeners, emits RESUME.  vm_lock held.
 * Does nothing if the guest runs.
 */
void vm_start(struct Vm *vm);
/*
 * Kicks all vCPUs at once, waits for them once, stops the clocks, tells the
 * listeners, drains block I/O, emits STOP.  Main thread or migration thread,
 * vm_lock held (dropped while waiting for vCPUs and disks).  0 or -errno of
 * the drain.  In FINISH_MIGRATE the stop is a request: the guest is a
 * migration's, and stands when that has failed.
 */
int vm_stop(struct Vm *vm, RunState state);
/*
 * The same without the drain, and the state becomes `state` also if the guest
 * stood already (migration: FINISH_MIGRATE, whatever it was).  What is in
 * flight is the caller's to wait for, by vm_drain_step().  Returns the state
 * that it took the guest from: RUNNING only if this call stopped it.
 */
RunState vm_stop_force(struct Vm *vm, RunState state);
/*
 * One step of waiting for what a stopped guest has asked of its disks, and of
 * flushing them; vm_lock held, and let go of between two steps.  False: not
 * yet, again with `first` false.  True: *ret is 0 or -errno.
 */
bool vm_drain_step(struct Vm *vm, bool first, int *ret);
/*
 * From any thread: asks the main thread to stop with that state.  Of several
 * that wait the first is shown, but INTERNAL_ERROR before all others.
 */
void vm_stop_request(struct Vm *vm, RunState state);
/* The same, and a vCPU that asks executes nothing more before the stop. */
void vm_stop_self_request(struct Vm *vm, RunState state);

/*
 * Requests, any thread; the main thread acts on them.  While a migration has
 * the guest stopped, and while one comes in (Vm.loading), all but the user's
 * own end of the program wait.
 */
/* What became of the requests that wait; see vm_requests_settle(). */
typedef struct VmSettled {
    bool reset; /* the machine was reset */
    bool stop;  /* it is to stay stopped, in: */
    RunState stop_state;
    bool needs_running; /* something waits that only a running guest, or the
                           main thread, can have done (shutdown, suspend) */
} VmSettled;

/*
 * A migration has stopped the guest (FINISH_MIGRATE): carries out those of the
 * waiting requests that change the guest's state and nothing else, so that
 * the change travels with it.  vm_lock held.
 */
void vm_requests_settle(struct Vm *vm, VmSettled *ret);
/*
 * Does any request wait for the end of the migration?  `stands`: the guest did
 * not run before it, so that a stop has nothing to do and is taken as done.
 * vm_lock held.
 */
bool vm_requests_waiting(struct Vm *vm, bool stands);
/*
 * Is a stop asked for that is still to come?  *ret_state: what for; else it
 * stays as it is.  vm_lock held.
 */
bool vm_stop_is_asked(struct Vm *vm, RunState *ret_state);
/* The guest went away before they could be carried out: says so, forgets
 * them.  vm_lock held. */
void vm_requests_drop(struct Vm *vm);
void vm_request_reset(struct Vm *vm, ShutdownCause cause);
void vm_request_shutdown(struct Vm *vm, ShutdownCause cause);
/* Ends the program with that status: no event, whatever no_shutdown says. */
void vm_request_exit(struct Vm *vm, int status);
void vm_request_powerdown(struct Vm *vm);
/* An NMI for each vCPU. */
void vm_request_nmi(struct Vm *vm);
void vm_request_suspend(struct Vm *vm);
/*
 * Has an effect on a suspended guest only, and only if the board says that
 * this may wake it.
 */
void vm_request_wakeup(struct Vm *vm, WakeupReason reason);

#endif
