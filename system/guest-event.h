/*
 * What is done about a guest that says it has crashed, or doesn't answer its
 * watchdog any more: the event, and the action that the user chose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_GUEST_EVENT_H
#define SYSTEM_GUEST_EVENT_H

struct Vm;

/*
 * A watchdog's last stage has run out: WATCHDOG, and Vm.watchdog_action.
 * vm_lock held; the action is a request, which the main thread carries out.
 */
void guest_watchdog_expired(struct Vm *vm);
/*
 * The guest says that it has crashed: GUEST_PANICKED, and Vm.panic_action; a
 * guest that doesn't run on executes nothing more after the instruction that
 * said so.  vm_lock held, any thread.
 */
void guest_panicked(struct Vm *vm);
/* It has crashed and runs a kernel that saves what is left. */
void guest_crash_loaded(struct Vm *vm);

#endif
