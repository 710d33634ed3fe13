/*
 * One virtual machine: what holds its parts together.
 *
 * The struct is passed down; parts of higher layers hang on forward-declared
 * pointers, so that including this file pulls none of them in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_VM_H
#define SYSTEM_VM_H

#include "qom/object.h"
#include "system/clock.h"
#include "system/memory.h"
#include "system/runstate.h"

struct Accel;
struct BlockBackends;
struct Chardevs;
struct Consoles;
struct GdbServer;
struct Jobs;
struct Machine;
struct Migration;
struct Monitors;
struct Networks;
struct Strays;
struct Vcpu;
struct VirtioBalloon;
struct VmOutside;
struct VncServers;
struct VmstateRegistry;

/* Called in order by machine reset; see hw/core/reset.h for devices. */
typedef struct ResetHandler {
    void (*fn)(void *opaque);
    void *opaque;
} ResetHandler;

typedef struct Vm {
    char *name;       /* -name; may be NULL */
    uint8_t uuid[16]; /* -uuid */
    bool uuid_set;

    Memory mem;
    Clocks *clocks;
    Object *root; /* "/": machine, objects, chardevs, backend */

    /* Run state; vm_lock. */
    RunState run_state;
    GQueue run_listeners;  /* RunStateListener by priority */
    GQueue outside;        /* VmOutside */
    struct Strays *strays; /* back ends that may write after all */
    unsigned requests;     /* atomic; VmRequest bits, see runstate.c */
    int reset_cause;       /* ShutdownCause of the pending request */
    int wakeup_reason;     /* WakeupReason; atomic */
    int shutdown_cause;
    int stop_state;    /* 1 + RunState of the pending stop request; atomic */
    int exit_status;   /* of the program */
    unsigned stopping; /* threads that wait for the vCPUs to pause */
    bool loading;      /* INMIGRATE, and a source has connected */
    bool quitting;     /* the main loop is to end; atomic */
    bool may_serve;    /* see vm_serve_allow() */
    /* Atomic: pages of guest memory are still to come (postcopy), and whoever
     * touches one waits for it. */
    bool memory_awaited;
    bool dumping;        /* guest memory is being written out: see vm_busy() */
    bool given;          /* to a migration's destination, which has not said yet
                            whether it runs there; vm_lock */
    unsigned activating; /* disk images are being taken over */
    unsigned resetting;  /* resets that wait for what outside still writes */
    bool autostart;      /* no -S */
    bool no_shutdown;    /* -no-shutdown, set-action */
    bool no_reboot;      /* -no-reboot, set-action */
    WatchdogAction watchdog_action; /* -action, set-action */
    PanicAction panic_action;       /* -action, set-action */
    GMainLoop *loop;
    GSource *request_source; /* wakes the main thread for `requests` */

    /* vCPUs, by index; fixed after machine creation (hot plug: vm_lock). */
    struct Vcpu **vcpus;
    unsigned nvcpus, max_vcpus;
    uint64_t cpu_changes; /* atomic; calls of vcpu_mark_state() */

    GArray *reset_handlers; /* ResetHandler */

    struct Accel *accel;
    struct Machine *machine;
    struct Chardevs *chardevs;
    struct Consoles *consoles;
    struct VncServers *vncs;
    struct BlockBackends *blocks;
    struct Networks *networks;
    struct Monitors *monitors;
    struct GdbServer *gdb; /* NULL: no debugger is served */
    struct Jobs *jobs;     /* NULL: none can be begun */
    struct Migration *migration;
    struct VmstateRegistry *vmstates;
    struct VirtioBalloon *balloon; /* NULL: the machine has none */
    bool has_acpi;                 /* registers for the guest's ACPI code */
    struct AcpiCpuhp *acpi_cpuhp;  /* some of them; NULL: none */
    struct Device *vmgenid;        /* NULL: none */

    /* Bound by upper layers, so that this one can call up. */
    const struct VmHooks *hooks;
} Vm;

/* What layer 2 needs of the layers above; one const table in main. */
typedef struct VmHooks {
    void (*vcpus_pause)(Vm *vm);  /* all kicked at once, waited for once */
    void (*vcpus_resume)(Vm *vm); /* vm_lock held for both */
    /* A vCPU's own thread: it executes nothing more before vcpus_resume(). */
    void (*vcpu_stop_self)(Vm *vm);
    /* A vCPU's own thread: the same before @o is busy no more; or NULL. */
    void (*vcpu_wait_outside)(Vm *vm, struct VmOutside *o);
    void (*machine_reset)(Vm *vm, ShutdownCause cause);
    void (*powerdown)(Vm *vm); /* presses the ACPI power button */
    void (*nmi)(Vm *vm);       /* one for each vCPU */
    void (*suspend)(Vm *vm);   /* the guest has stopped; memory stays */
    /*
     * All but memory is reset, and firmware finds that it is a resume.
     * False: this doesn't wake the guest.
     */
    bool (*wakeup)(Vm *vm, WakeupReason reason);
    int (*block_drain)(Vm *vm); /* all block I/O done and flushed; -errno */
    /*
     * The same in steps that don't wait: false: not yet, again with `first`
     * false; true: *ret is 0 or -errno.
     */
    bool (*block_drain_step)(Vm *vm, bool first, int *ret);
    /*
     * Gives the disk images up for another process, in steps as those of
     * block_drain_step, and takes them again.  *ret < 0: nothing changes.
     * Both may be NULL.
     */
    bool (*block_inactivate_step)(Vm *vm, bool first, int *ret);
    bool (*block_activate)(Vm *vm, GError **errp);
    /* QMP events of the run state. */
    void (*event_stop)(Vm *vm);
    void (*event_resume)(Vm *vm);
    void (*event_reset)(Vm *vm, bool guest, ShutdownCause cause);
    void (*event_shutdown)(Vm *vm, bool guest, ShutdownCause cause);
    void (*event_powerdown)(Vm *vm);
    void (*event_suspend)(Vm *vm);
    void (*event_wakeup)(Vm *vm);
    void (*event_watchdog)(Vm *vm, WatchdogAction action);
    void (*event_guest_panicked)(Vm *vm, GuestPanicAction action);
    void (*event_guest_crashloaded)(Vm *vm, GuestPanicAction action);
    void (*event_device_deleted)(Vm *vm, const char *id, const char *path);
    void (*event_tray_moved)(Vm *vm, const char *drive, const char *id,
                             bool open);
    void (*event_balloon)(Vm *vm, uint64_t actual); /* bytes the guest has */
    /* The guest has evaluated _OST of the CPU of that slot. */
    void (*event_acpi_ost)(Vm *vm, unsigned slot, uint32_t event,
                           uint32_t status);
    /* A guest's program has opened or closed the port of this device. */
    void (*event_serial_port)(Vm *vm, const char *id, bool open);
} VmHooks;

/* A VM with empty memory, clocks and object tree. */
Vm *vm_new(const VmHooks *hooks);
void vm_free(Vm *vm);
/* The VM whose tree the object is in; NULL for an orphan. */
Vm *vm_of_object(Object *obj);
/* See memory_awaited.  Any thread; what it says may change at once. */
static inline bool vm_memory_awaited(const Vm *vm)
{
    return __atomic_load_n(&vm->memory_awaited, __ATOMIC_RELAXED);
}
/*
 * From now on SIGINT, SIGHUP and SIGTERM are printed and shut the VM down,
 * whatever no_shutdown says.  Once per process.  at_once(opaque) is called by
 * the handler itself, to end what waits outside of the main loop.  A main
 * thread that waits for a page of memory_awaited can't end in good order: the
 * program ends a second later then.
 */
bool vm_catch_signals(Vm *vm, void (*at_once)(void *opaque), void *opaque,
                      GError **errp);
/* Calls hooks->block_inactivate_step and block_activate, if they are there. */
bool vm_block_inactivate_step(Vm *vm, bool first, int *ret);
bool vm_block_activate(Vm *vm, GError **errp);
/* Runs the main loop until the program is to end; returns its status. */
int vm_run_main_loop(Vm *vm);
void vm_add_reset_handler(Vm *vm, void (*fn)(void *), void *opaque);
void vm_del_reset_handler(Vm *vm, void (*fn)(void *), void *opaque);

#endif
