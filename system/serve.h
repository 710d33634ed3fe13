/*
 * Waiting in the main thread without leaving the others unserved.
 *
 * What the main thread does for one monitor's command, or for a request of the
 * guest's, may have to wait for somebody outside: storage, a back end.  Then it
 * runs the main loop inside of that, so that other monitors are answered.
 *
 * Only where it can be borne that anything happens meanwhile: what users do by
 * monitor/vm-control.h and the requests of runstate.h say so with
 * vm_serve_allow().  A source that
 * is being dispatched isn't dispatched again inside, but for that of the
 * monitors, which leaves out the session that waits.  Waits nest: the one that
 * began last ends first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_SERVE_H
#define SYSTEM_SERVE_H

#include <stdbool.h>

#include "util/lock.h"

struct Vm;

/*
 * From here on waits of this thread, the main thread, may serve the main loop
 * (on), or not; what it was before, to be restored.  vm_lock.
 */
bool vm_serve_allow(struct Vm *vm, bool on);
/*
 * Lets go of vm_lock for @us microseconds or less.  Serves the main loop
 * meanwhile where that is allowed, and a turn of it may take longer.  Any
 * thread.
 */
void vm_serve_for(struct Vm *vm, unsigned us) VM_LOCKED;
/*
 * Lets go of vm_lock until fn(opaque) returns, which runs without it; in
 * another thread while the main loop is served, where that is allowed.  Any
 * thread.
 */
void vm_serve_until(struct Vm *vm, void (*fn)(void *opaque), void *opaque)
    VM_LOCKED;

#endif
