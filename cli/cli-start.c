/*
 * From a parsed command line to a VM that is ready for the main loop, and
 * back to nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#include "accel/accel.h"
#include "block/throttle.h"
#include "gdbstub/gdbstub.h"
#include "hw/core/cpu-types.h"
#include "hw/core/device-add.h"
#include "io/cancel.h"
#include "migration/migration.h"
#include "monitor/dump.h"
#include "monitor/hooks.h"
#include "monitor/qmp-fds.h"
#include "monitor/qmp.h"
#include "monitor/snapshots.h"
#include "monitor/vm-control.h"
#include "net/filter.h"
#include "system/hostmem.h"
#include "system/iothread.h"
#include "system/rng.h"
#include "system/secret.h"
#include "system/tls-creds.h"
#include "ui/console.h"
#include "ui/vnc.h"
#include "util/error.h"
#include "util/log.h"

/* What character devices ask of the layers above them. */

static void tray_moved(void *opaque, const char *name, const char *id,
                       bool open)
{
    Vm *vm = opaque;

    if (vm->hooks->event_tray_moved != NULL) {
        vm->hooks->event_tray_moved(vm, name, id, open);
    }
}

static int chardev_fdset_open(void *opaque, int64_t id, int flags)
{
    Vm *vm = opaque;

    return qmp_fdset_open(monitors_fds(vm->monitors), id, flags);
}

static int chardev_fd_by_name(void *opaque, const char *name)
{
    Vm *vm = opaque;

    return qmp_fds_take(monitors_fds(vm->monitors), name);
}

static void chardev_quit(void *opaque)
{
    Vm *vm = opaque;

    /* -no-shutdown is about the guest, not about the user at the terminal. */
    vm->no_shutdown = false;
    vm_request_shutdown(vm, SHUTDOWN_CAUSE_HOST_UI);
}

static void vm_set_identity(Vm *vm, const Cli *cli)
{
    vm->name = g_strdup(cli->name);
    memcpy(vm->uuid, cli->uuid, sizeof(vm->uuid));
    vm->uuid_set = cli->uuid_set;
    vm->autostart = !cli->paused;
    vm->no_reboot = cli->no_reboot;
    vm->no_shutdown = cli->no_shutdown;
}

/* In a signal handler: sets a flag and writes to a descriptor. */
static void interrupt_waiting(void *opaque)
{
    io_cancel_trigger(opaque);
}

/*
 * The main loop can't see a signal while a character device waits for its
 * peer.  Lives as long as the process, as the handler may use it.
 */
static bool catch_signals(Vm *vm, IoCancel **ret_interrupt, GError **errp)
{
    IoCancel *c = io_cancel_new(errp);

    if (c == NULL || !vm_catch_signals(vm, interrupt_waiting, c, errp)) {
        return false;
    }
    *ret_interrupt = c;
    return true;
}

/* A VM with its registries, and no machine. */
static bool make_vm(Cli *cli, GError **errp)
{
    ChardevHooks hooks = {
        .fdset_open = chardev_fdset_open,
        .fd_by_name = chardev_fd_by_name,
        .quit = chardev_quit,
    };
    Vm *vm = vm_new(&monitor_vm_hooks);
    NetHooks nets = monitor_net_hooks;

    cli->vm = vm;
    nets.opaque = vm;
    vm_set_identity(vm, cli);
    vm->vmstates = vmstate_registry_new();
    vm->monitors = monitors_new(vm);
    monitors_set_dump(vm->monitors, dump_new(vm));
    monitors_set_options(vm->monitors, cli_option_infos);
    vm->chardevs = chardevs_new();
    vm->consoles = consoles_new(vm);
    vm->vncs = vnc_servers_new(vm, &monitor_vnc_hooks);
    vm->networks = networks_new(vm);
    networks_set_hooks(vm->networks, &nets);
    vm->blocks = block_backends_new();
    block_set_fdset_open(vm->blocks, chardev_fdset_open, vm);
    block_set_unlocked(vm->blocks, vm_control_unlocked, vm);
    block_set_tray_moved(vm->blocks, tray_moved, vm);
    block_set_error_hook(vm->blocks, monitor_block_error, vm);
    if (cli->incoming != NULL) {
        block_set_inactive(vm->blocks);
        networks_set_incoming(vm->networks);
    }
    vm->migration = migration_new(vm, &monitor_migration_hooks);
    vm->jobs = jobs_new(vm, monitor_job_changed, vm);
    migration_set_only_migratable(vm->migration, cli->only_migratable);
    if (!catch_signals(vm, &hooks.interrupt, errp)) {
        return false;
    }
    hooks.opaque = vm;
    chardevs_set_hooks(vm->chardevs, &hooks);
    return true;
}

/* Types that QMP lists and -object makes. */
static void add_types(void)
{
    object_types_add(device_object_types());
    object_types_add(machine_object_types());
    object_types_add(accel_object_types());
    object_types_add(cpu_object_types());
    object_types_add(hostmem_object_types());
    object_types_add(net_filter_types);
    object_types_add(rng_object_types());
    object_types_add(secret_object_types());
    object_types_add(iothread_object_types());
    object_types_add(tls_creds_object_types());
    object_types_add(throttle_object_types());
}

/* The board, with everything that it needs first. */
static bool make_board(Cli *cli, GError **errp)
{
    return cli_make_machine(cli, errp) &&
           cli_run_phase(cli, CLI_MACHINE, errp) &&
           cli_check_machine(cli, errp) && cli_run_phase(cli, CLI_FD, errp) &&
           cli_run_phase(cli, CLI_CHARDEV, errp) &&
           (cli->done || cli_start_accel(cli, errp)) &&
           cli_run_phase(cli, CLI_OBJECT, errp) &&
           cli_run_phase(cli, CLI_BLOCKDEV, errp) &&
           cli_run_phase(cli, CLI_BLOCK, errp) &&
           (cli->done || cli_make_memory(cli, errp)) &&
           cli_run_phase(cli, CLI_NETDEV, errp) &&
           cli_run_phase(cli, CLI_NET, errp) &&
           (cli->done ||
            (cli_default_net(cli, errp) && cli_make_filters(cli, errp))) &&
           cli_run_phase(cli, CLI_PORT, errp) &&
           (cli->done ||
            (cli_default_ports(cli, errp) && cli_default_cdrom(cli, errp) &&
             cli_make_vga(cli, errp) && machine_build(cli->vm->machine, errp)));
}

/* The guest's first state: reset, or what a migration brings. */
static bool start_guest(Cli *cli, GError **errp)
{
    Vm *vm = cli->vm;
    Machine *m = vm->machine;

    if (m->type->complete != NULL && !m->type->complete(m, errp)) {
        return false;
    }
    m->ready = true;
    if (cli->incoming != NULL) {
        runstate_set(vm, RUN_STATE_INMIGRATE);
    }
    machine_reset(m, SHUTDOWN_CAUSE_NONE);
    if (cli->incoming != NULL &&
        !migration_incoming_start(vm->migration, cli->incoming, errp)) {
        error_prefix(errp, "-incoming %s: ", cli->incoming);
        return false;
    }
    if (cli->loadvm != NULL && cli->incoming != NULL) {
        error_setf(errp, "-loadvm and -incoming are mutually exclusive");
        return false;
    }
    return cli->loadvm == NULL || vm_snapshot_load(vm, cli->loadvm, errp);
}

/* For a person who looks: what was chosen for him. */
static void say_choices(const Cli *cli)
{
    const Accel *acc = cli->vm->accel;

    if (!isatty(STDERR_FILENO) || cli->daemonize) {
        return;
    }
    if (cli->accel_names->len == 0 && cli->machine_accel == NULL) {
        log_info("accelerator: %s (-accel chooses)", acc->type->name);
    }
}

bool cli_build(Cli *cli, GError **errp)
{
    add_types();
    if (!cli_run_phase(cli, CLI_SETTING, errp) || !cli_device_help(cli, errp)) {
        return false;
    }
    if (cli->done) {
        return true;
    }
    if (!cli_apply_log(cli, errp) || !cli_daemonize(cli, errp) ||
        !cli_lock_memory(cli, errp) || !cli_enter_sandbox(cli, false, errp)) {
        return false;
    }
    if (!make_vm(cli, errp) || !cli_run_phase(cli, CLI_QTEST, errp) ||
        !make_board(cli, errp)) {
        return false;
    }
    if (cli->done) {
        return true;
    }
    if (!cli_make_debugcon(cli, errp) ||
        !cli_run_phase(cli, CLI_DEVICE, errp) ||
        !cli_drive_devices(cli, errp) ||
        !block_check_unused(cli->vm->blocks, errp)) {
        return false;
    }
    machine_warn_globals(cli->vm->machine);
    if (!cli_start_vncs(cli, errp) || !start_guest(cli, errp) ||
        !cli_write_pidfile(cli, errp) || !cli_drop_privileges(cli, errp) ||
        !cli_enter_sandbox(cli, true, errp) || !cli_finish_daemon(cli, errp)) {
        return false;
    }
    networks_check(cli->vm->networks);
    say_choices(cli);
    if (cli->incoming == NULL && cli->vm->autostart) {
        vm_start(cli->vm);
    }
    return true;
}

void cli_teardown(Cli *cli)
{
    Vm *vm = cli->vm;

    if (cli->pidfile_written) {
        unlink(cli->pidfile);
    }
    if (vm == NULL) {
        return;
    }
    qtest_server_free(g_steal_pointer(&cli->qtest));
    gdbstub_stop(vm);
    dump_free(monitors_dump(vm->monitors));
    vnc_servers_free(g_steal_pointer(&vm->vncs));
    jobs_free(g_steal_pointer(&vm->jobs));
    migration_free(g_steal_pointer(&vm->migration));
    machine_free(vm->machine);
    consoles_free(g_steal_pointer(&vm->consoles));
    networks_free(g_steal_pointer(&vm->networks));
    accel_free(vm->accel);
    monitors_free(g_steal_pointer(&vm->monitors));
    block_backends_free(g_steal_pointer(&vm->blocks));
    chardevs_free(g_steal_pointer(&vm->chardevs));
    vmstate_registry_free(g_steal_pointer(&vm->vmstates));
    vm_free(vm);
    cli->vm = NULL;
}
