/*
 * SIGINT, SIGHUP and SIGTERM end the program in good order.
 *
 * Handlers and not a signalfd: that needs the signals blocked, and a program
 * that Godwit starts would inherit that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sched.h>
#include <signal.h>

#include "system/ramblock-lost.h"
#include "system/vm-priv.h"
#include "util/error.h"
#include "util/event-notifier.h"
#include "util/log.h"

#include <glib-unix.h>

/*
 * What the handler leaves behind.  Static, as a handler gets no argument of
 * ours; written by it, read by the main loop after the notifier.  Atomic, as
 * it may run in any thread that a library has started.
 */
static EventNotifier signal_notifier = EVENT_NOTIFIER_NONE;
static int signal_number; /* atomic */
static int signal_sender; /* atomic; pid; 0: the kernel */
/* Set before there is a handler. */
static void (*signal_at_once)(void *opaque);
static void *signal_opaque;

/* Atomic; NULL: the VM is being freed, and is not to be looked at any more. */
static const Vm *signal_vm;
static int signal_looks; /* atomic: handlers that may be looking at it */

enum { AWAITED_END_S = 1 };

/* In a handler. */
static bool memory_awaited(void)
{
    const Vm *vm;
    bool awaited;

    __atomic_fetch_add(&signal_looks, 1, __ATOMIC_SEQ_CST);
    vm = __atomic_load_n(&signal_vm, __ATOMIC_SEQ_CST);
    awaited = vm != NULL && vm_memory_awaited(vm);
    __atomic_fetch_sub(&signal_looks, 1, __ATOMIC_SEQ_CST);
    return awaited;
}

/* Again, as it may be that memory is awaited soon; but for a VM that ends. */
static void set_alarm(void)
{
    if (__atomic_load_n(&signal_vm, __ATOMIC_SEQ_CST) != NULL) {
        alarm(AWAITED_END_S);
    }
}

/*
 * The main thread hasn't ended the program yet.  If it waits for a page, or for
 * vm_lock that somebody has who does, it never may; a guest whose memory isn't
 * here is lost in any case (see vm_run_main_loop()).
 */
static void on_alarm(int signo)
{
    static const char text[] =
        "the guest ends before all of its memory has come\n";

    if (memory_awaited()) {
        ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

        (void)n; /* nobody listens, perhaps */
        _exit(EXIT_FAILURE);
    }
    set_alarm();
}

static void on_signal(int signo, siginfo_t *info, void *unused)
{
    int err = errno;

    (void)unused;
    __atomic_store_n(&signal_number, signo, __ATOMIC_RELAXED);
    __atomic_store_n(&signal_sender, info->si_code <= 0 ? info->si_pid : 0,
                     __ATOMIC_RELAXED);
    event_notifier_set(&signal_notifier);
    signal_at_once(signal_opaque);
    set_alarm();
    errno = err;
}

/* What the sender calls itself: its argv[0]; NULL if it is gone. */
static char *process_name(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    char *text = NULL;
    gsize len;

    if (!g_file_get_contents(path, &text, &len, NULL)) {
        return NULL;
    }
    if (!*text) {
        g_clear_pointer(&text, g_free);
    }
    return text;
}

static gboolean on_notifier(gint fd, GIOCondition cond, gpointer opaque)
{
    int sender, number;

    (void)fd;
    (void)cond;
    if (!event_notifier_test_and_clear(&signal_notifier)) {
        return G_SOURCE_CONTINUE;
    }
    sender = __atomic_load_n(&signal_sender, __ATOMIC_RELAXED);
    number = __atomic_load_n(&signal_number, __ATOMIC_RELAXED);
    if (sender) {
        g_autofree char *name = process_name(sender);

        log_error("terminating on signal %d from pid %d (%s)", number, sender,
                  name ? name : "<unknown process>");
    } else {
        log_error("terminating on signal %d", number);
    }
    vm_request_shutdown(opaque, SHUTDOWN_CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

/* Who has memory of which something is gone says so, or stops. */
static void memory_lost(void *opaque)
{
    Vm *vm = opaque;
    RamBlock *rb;

    while ((rb = ram_lost_next(&vm->mem.ram)) != NULL) {
        if (rb->on_lost != NULL) {
            rb->on_lost(rb, rb->on_lost_opaque);
            continue;
        }
        log_error("RAM block '%s': others made its file shorter, or it has no "
                  "room: the guest has lost memory, and stops",
                  rb->name);
        vm_stop_request(vm, RUN_STATE_INTERNAL_ERROR);
    }
}

bool vm_catch_signals(Vm *vm, void (*at_once)(void *opaque), void *opaque,
                      GError **errp)
{
    static const int signals[] = { SIGINT, SIGHUP, SIGTERM };
    struct sigaction act = { .sa_flags = SA_SIGINFO | SA_RESTART };
    struct sigaction late = { .sa_flags = SA_RESTART };

    if (!ram_lost_catch(memory_lost, vm, errp) ||
        !event_notifier_init(&signal_notifier, false, errp)) {
        return false;
    }
    g_unix_fd_add_full(G_PRIORITY_HIGH, event_notifier_fd(&signal_notifier),
                       G_IO_IN, on_notifier, vm, NULL);
    signal_at_once = at_once;
    signal_opaque = opaque;
    __atomic_store_n(&signal_vm, vm, __ATOMIC_SEQ_CST);
    act.sa_sigaction = on_signal;
    sigfillset(&act.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        if (sigaction(signals[i], &act, NULL) < 0) {
            error_setf_errno(errp, errno, "can't catch signal %d", signals[i]);
            return false;
        }
    }
    late.sa_handler = on_alarm;
    sigfillset(&late.sa_mask);
    if (sigaction(SIGALRM, &late, NULL) < 0) {
        error_setf_errno(errp, errno, "can't catch signal %d", SIGALRM);
        return false;
    }
    return true;
}

void vm_forget_signals(const Vm *vm)
{
    const Vm *mine = vm;

    if (!__atomic_compare_exchange_n(&signal_vm, &mine, NULL, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return;
    }
    alarm(0);
    while (__atomic_load_n(&signal_looks, __ATOMIC_SEQ_CST) != 0) {
        sched_yield(); /* a handler in another thread is at its last look */
    }
}
