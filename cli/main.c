/*
 * The program: parse, build, loop, clean up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include <signal.h>

#include "util/error.h"
#include "util/log.h"

NO_TSA int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    int status = EXIT_SUCCESS;
    Cli cli;

    log_set_program(argv[0]);
    /* A peer that goes away is an error of the write, not a reason to die. */
    signal(SIGPIPE, SIG_IGN);
    cli_init(&cli);
    /* The main thread holds the device lock whenever it doesn't wait. */
    vm_lock_acquire();
    vm_lock_allow_waits(true);
    if (!cli_parse(&cli, argc, argv, &err) || !cli_build(&cli, &err)) {
        log_take_error(g_steal_pointer(&err));
        status = EXIT_FAILURE;
    } else if (!cli.done) {
        vm_lock_allow_waits(false);
        status = vm_run_main_loop(cli.vm);
        vm_lock_allow_waits(true);
    }
    cli_teardown(&cli);
    vm_lock_release();
    cli_fini(&cli);
    return status;
}
