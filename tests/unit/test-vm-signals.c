/*
 * Unit test: signals end the program, even while the main thread waits for a
 * page of guest memory that doesn't come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include "system/vm.h"
#include "util/error.h"
#include "util/thread.h"
#include "util/userfault.h"

enum { PAGE = 4096, HANG_S = 60 };

static void on_shutdown(Vm *vm, bool guest, ShutdownCause cause)
{
    g_assert_cmpint(cause, ==, SHUTDOWN_CAUSE_HOST_SIGNAL);
}

static const VmHooks hooks = { .event_shutdown = on_shutdown };

static void nothing(void *unused)
{
}

static Vm *vm_that_catches(void)
{
    GError *err = NULL;
    Vm *vm;
    VM_LOCK_GUARD();

    vm = vm_new(&hooks);
    g_assert_true(vm_catch_signals(vm, nothing, NULL, &err));
    return vm;
}

/* Somebody waits for a page: ends the program. */
static void *terminate_when_waiting(void *opaque)
{
    const int *fd = opaque;
    struct pollfd p = { .fd = *fd, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, HANG_S * 1000), ==, 1);
    kill(getpid(), SIGTERM);
    return NULL;
}

static void wait_for_page(void)
{
    Vm *vm = vm_that_catches();
    GError *err = NULL;
    Thread other;
    uint8_t *page;
    bool zero;
    int fd = userfault_open(0, &err);

    g_assert_no_error(err);
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    g_assert_true(page != MAP_FAILED);
    g_assert_true(userfault_register(fd, page, PAGE, &zero, &err));
    __atomic_store_n(&vm->memory_awaited, true, __ATOMIC_RELAXED);
    g_assert_true(
        thread_create(&other, "killer", terminate_when_waiting, &fd, &err));
    exit(*(volatile uint8_t *)page); /* it never comes */
}

static void test_waits_for_page(void)
{
    GError *err = NULL;
    int fd;

    if (g_test_subprocess()) {
        wait_for_page();
    }
    fd = userfault_open(0, &err);
    if (fd < 0) {
        g_test_skip(err->message);
        g_error_free(err);
        return;
    }
    close(fd);
    g_test_trap_subprocess(NULL, HANG_S * G_USEC_PER_SEC, 0);
    g_assert_false(g_test_trap_reached_timeout());
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*ends before all of its memory has come*");
}

/* In good order otherwise, however long that takes. */
static void test_in_good_order(void)
{
    if (g_test_subprocess()) {
        Vm *vm = vm_that_catches();

        kill(getpid(), SIGTERM);
        while (!__atomic_load_n(&vm->quitting, __ATOMIC_RELAXED)) {
            g_main_context_iteration(NULL, true);
        }
        /* Longer than a program whose memory is awaited has. */
        g_usleep(1500 * 1000);
        exit(0);
    }
    g_test_trap_subprocess(NULL, HANG_S * G_USEC_PER_SEC, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*terminating on signal 15*");
}

/* The VM is freed while there is an alarm to come, and another signal comes. */
static void test_behind_end(void)
{
    if (g_test_subprocess()) {
        Vm *vm = vm_that_catches();

        kill(getpid(), SIGTERM);
        vm_lock_acquire();
        vm_free(vm);
        vm_lock_release();
        kill(getpid(), SIGTERM);
        g_assert_cmpuint(alarm(0), ==, 0); /* none is under way any more */
        raise(SIGALRM);                    /* one that was */
        exit(0);
    }
    g_test_trap_subprocess(NULL, HANG_S * G_USEC_PER_SEC, 0);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm-signals/waits-for-page", test_waits_for_page);
    g_test_add_func("/vm-signals/in-good-order", test_in_good_order);
    g_test_add_func("/vm-signals/behind-end", test_behind_end);
    return g_test_run();
}
