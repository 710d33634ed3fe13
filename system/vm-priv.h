/*
 * One virtual machine: what vm.c and runstate.c share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_VM_PRIV_H
#define SYSTEM_VM_PRIV_H

#include "system/vm.h"

/* Makes the main loop look at the requests; any thread. */
static inline void vm_wake_main(void)
{
    g_main_context_wakeup(NULL);
}

/* Is there a request that may be carried out now?  Main thread. */
bool vm_requests_pending(Vm *vm);
void vm_requests_run(Vm *vm);
/* Ends vm_run_main_loop(). */
void vm_quit(Vm *vm);
/*
 * If vm_catch_signals() was called for this VM: no handler looks at it from
 * now on, and signals that still come do no more than leave a note.
 */
void vm_forget_signals(const Vm *vm);

#endif
