/*
 * How the lower layers call up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hooks.h"

#include <fcntl.h>

#include "accel/accel.h"
#include "accel/throttle.h"
#include "block/block.h"
#include "hw/core/machine.h"
#include "io/address.h"
#include "monitor/qmp-fds.h"
#include "monitor/qmp-priv.h"
#include "net/announce.h"
#include "qapi/qapi-events.h"
#include "target/i386/cpu-features.h"
#include "target/i386/cpu.h"
#include "util/cutils.h"
#include "util/error.h"

/* NULL before the monitors exist: nobody listens yet. */
static EventSink *events_sink(Vm *vm)
{
    return vm->monitors != NULL ? monitors_event_sink(vm->monitors) : NULL;
}

#define EMIT(vm_, call_)                  \
    do {                                  \
        EventSink *to = events_sink(vm_); \
        if (to != NULL) {                 \
            call_;                        \
        }                                 \
    } while (0)

static void event_stop(Vm *vm)
{
    EMIT(vm, qapi_event_stop(to));
}

static void event_resume(Vm *vm)
{
    EMIT(vm, qapi_event_resume(to));
}

static void event_reset(Vm *vm, bool guest, ShutdownCause cause)
{
    EMIT(vm, qapi_event_reset(to, guest, cause));
}

static void event_shutdown(Vm *vm, bool guest, ShutdownCause cause)
{
    EMIT(vm, qapi_event_shutdown(to, guest, cause));
}

static void event_powerdown(Vm *vm)
{
    EMIT(vm, qapi_event_powerdown(to));
}

static void event_suspend(Vm *vm)
{
    EMIT(vm, qapi_event_suspend(to));
}

static void event_wakeup(Vm *vm)
{
    EMIT(vm, qapi_event_wakeup(to));
}

static void event_watchdog(Vm *vm, WatchdogAction action)
{
    EMIT(vm, qapi_event_watchdog(to, action));
}

static void event_guest_panicked(Vm *vm, GuestPanicAction action)
{
    EMIT(vm, qapi_event_guest_panicked(to, action));
}

static void event_guest_crashloaded(Vm *vm, GuestPanicAction action)
{
    EMIT(vm, qapi_event_guest_crashloaded(to, action));
}

static void event_tray_moved(Vm *vm, const char *drive, const char *id,
                             bool open)
{
    EMIT(vm, qapi_event_device_tray_moved(to, drive, id, open));
}

static void event_balloon(Vm *vm, uint64_t actual)
{
    EMIT(vm, qapi_event_balloon_change(to, actual));
}

static void event_acpi_ost(Vm *vm, unsigned slot, uint32_t event,
                           uint32_t status)
{
    AcpiOstInfo *info = acpi_cpu_ost_info(slot, event, status);

    EMIT(vm, qapi_event_acpi_device_ost(to, info));
    acpi_ost_info_free(info);
}

static void event_serial_port(Vm *vm, const char *id, bool open)
{
    EMIT(vm, qapi_event_vserport_change(to, id, open));
}

static void vnc_connected(Vm *vm, const VncServerInfo *server,
                          const VncBasicInfo *client)
{
    EMIT(vm, qapi_event_vnc_connected(to, server, client));
}

static void vnc_initialized(Vm *vm, const VncServerInfo *server,
                            const VncClientInfo *client)
{
    EMIT(vm, qapi_event_vnc_initialized(to, server, client));
}

static void vnc_disconnected(Vm *vm, const VncServerInfo *server,
                             const VncClientInfo *client)
{
    EMIT(vm, qapi_event_vnc_disconnected(to, server, client));
}

const VncHooks monitor_vnc_hooks = {
    .connected = vnc_connected,
    .initialized = vnc_initialized,
    .disconnected = vnc_disconnected,
};

/* id NULL: it had none. */
static void event_device_deleted(Vm *vm, const char *id, const char *path)
{
    EMIT(vm, qapi_event_device_deleted(to, id, path));
}

void monitor_block_error(void *opaque, const BlockErrorReport *r)
{
    static const BlockErrorAction actions[] = {
        [BLOCK_ERROR_REPORT] = BLOCK_ERROR_ACTION_REPORT,
        [BLOCK_ERROR_IGNORE] = BLOCK_ERROR_ACTION_IGNORE,
        [BLOCK_ERROR_STOP] = BLOCK_ERROR_ACTION_STOP,
    };
    Vm *vm = opaque;

    EMIT(vm, qapi_event_block_io_error(
                 to, r->device, r->node,
                 r->is_read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE,
                 actions[r->action], true, r->no_space, r->reason));
    if (r->action == BLOCK_ERROR_STOP) {
        vm_stop_request(vm, RUN_STATE_IO_ERROR);
    }
}

void monitor_job_changed(void *opaque, const char *id, JobStatus status)
{
    Vm *vm = opaque;

    EMIT(vm, qapi_event_job_status_change(to, id, status));
}

static void hook_machine_reset(Vm *vm, ShutdownCause cause)
{
    if (vm->machine != NULL) {
        machine_reset(vm->machine, cause);
    }
}

static void hook_powerdown(Vm *vm)
{
    if (vm->machine != NULL && vm->machine->type->powerdown != NULL) {
        vm->machine->type->powerdown(vm->machine);
    }
}

static void hook_suspend(Vm *vm)
{
    if (vm->machine != NULL && vm->machine->type->suspend != NULL) {
        vm->machine->type->suspend(vm->machine);
    }
}

static void nmi_on(Vcpu *cpu, void *opaque)
{
    cpu->vm->accel->type->vcpu_nmi(cpu);
}

static void hook_nmi(Vm *vm)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        vcpu_run_on(vm->vcpus[i], nmi_on, NULL);
    }
}

static bool hook_wakeup(Vm *vm, WakeupReason reason)
{
    return vm->machine == NULL || vm->machine->type->wakeup == NULL ||
           vm->machine->type->wakeup(vm->machine, reason);
}

static int hook_block_drain(Vm *vm)
{
    return vm->blocks != NULL ? block_drain_all(vm->blocks, true) : 0;
}

static bool hook_block_drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return vm->blocks == NULL || block_drain_step(vm->blocks, first, ret);
}

static bool hook_block_inactivate_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return vm->blocks == NULL || block_inactivate_step(vm->blocks, first, ret);
}

static bool hook_block_activate(Vm *vm, GError **errp)
{
    bool ok;

    if (vm->blocks == NULL) {
        return true;
    }
    vm->activating++;
    ok = block_activate_all(vm->blocks, errp);
    vm->activating--;
    return ok;
}

const VmHooks monitor_vm_hooks = {
    .vcpus_pause = vcpus_pause,
    .vcpu_stop_self = vcpu_stop_self,
    .vcpu_wait_outside = vcpu_wait_outside,
    .vcpus_resume = vcpus_resume,
    .machine_reset = hook_machine_reset,
    .powerdown = hook_powerdown,
    .nmi = hook_nmi,
    .suspend = hook_suspend,
    .wakeup = hook_wakeup,
    .block_drain = hook_block_drain,
    .block_drain_step = hook_block_drain_step,
    .block_inactivate_step = hook_block_inactivate_step,
    .block_activate = hook_block_activate,
    .event_stop = event_stop,
    .event_resume = event_resume,
    .event_reset = event_reset,
    .event_shutdown = event_shutdown,
    .event_powerdown = event_powerdown,
    .event_suspend = event_suspend,
    .event_wakeup = event_wakeup,
    .event_watchdog = event_watchdog,
    .event_guest_panicked = event_guest_panicked,
    .event_guest_crashloaded = event_guest_crashloaded,
    .event_tray_moved = event_tray_moved,
    .event_balloon = event_balloon,
    .event_acpi_ost = event_acpi_ost,
    .event_serial_port = event_serial_port,
    .event_device_deleted = event_device_deleted,
};

static int net_fd_by_name(void *opaque, const char *name)
{
    Vm *vm = opaque;

    return qmp_fds_take(monitors_fds(vm->monitors), name);
}

/* As QMP has it; NULL for a kind of socket that no back end uses. */
static SocketAddress *to_socket_address(const IoSocketAddress *addr)
{
    SocketAddress *sa;

    if (addr->type != IO_ADDRESS_INET && addr->type != IO_ADDRESS_UNIX) {
        return NULL;
    }
    sa = socket_address_new();
    if (addr->type == IO_ADDRESS_INET) {
        sa->type = SOCKET_ADDRESS_TYPE_INET;
        sa->u.inet = inet_socket_address_new();
        sa->u.inet->host = g_strdup(addr->u.inet.host);
        sa->u.inet->port = g_strdup(addr->u.inet.port);
    } else {
        sa->type = SOCKET_ADDRESS_TYPE_UNIX;
        sa->u.unix_ = unix_socket_address_new();
        sa->u.unix_->path = g_strdup(addr->u.un.path);
    }
    return sa;
}

static void net_stream_connected(void *opaque, const char *id,
                                 const IoSocketAddress *peer)
{
    g_autoptr(SocketAddress) addr = to_socket_address(peer);
    Vm *vm = opaque;

    if (addr != NULL) {
        EMIT(vm, qapi_event_netdev_stream_connected(to, id, addr));
    }
}

static void net_stream_disconnected(void *opaque, const char *id)
{
    Vm *vm = opaque;

    EMIT(vm, qapi_event_netdev_stream_disconnected(to, id));
}

static void net_rx_filter_changed(void *opaque, const char *name,
                                  const char *path)
{
    Vm *vm = opaque;

    EMIT(vm, qapi_event_nic_rx_filter_changed(to, name, path));
}

/* In the switch-over, where a guest waits for it. */
static void net_announce_params(void *opaque, NetAnnounce *ret)
{
    Vm *vm = opaque;
    MigAnnounce now;

    migration_announce_params(vm->migration, &now);
    *ret = (NetAnnounce){ .initial_ms = now.initial,
                          .max_ms = now.max,
                          .step_ms = now.step,
                          .rounds = now.rounds };
}

const NetHooks monitor_net_hooks = {
    .fd_by_name = net_fd_by_name,
    .stream_connected = net_stream_connected,
    .stream_disconnected = net_stream_disconnected,
    .rx_filter_changed = net_rx_filter_changed,
    .announce_params = net_announce_params,
};

static void event_migration(Vm *vm, MigrationStatus status)
{
    EMIT(vm, qapi_event_migration(to, status));
}

static void event_migration_pass(Vm *vm, int64_t pass)
{
    EMIT(vm, qapi_event_migration_pass(to, pass));
}

/* A name given to getfd, else an open descriptor's number. */
static int take_fd(Vm *vm, const char *name, GError **errp)
{
    uint64_t n;
    int fd;

    if (!g_ascii_isdigit(*name)) {
        fd = qmp_fds_take(monitors_fds(vm->monitors), name);
        if (fd < 0) {
            error_setf(errp, "File descriptor named '%s' has not been found",
                       name);
        }
        return fd;
    }
    if (!parse_uint("file descriptor", name, 0, INT_MAX, &n, errp)) {
        return -1;
    }
    if (fcntl(n, F_GETFD) < 0) {
        error_setf_errno(errp, errno, "file descriptor %s", name);
        return -1;
    }
    return n;
}

static const char *machine_name(Vm *vm)
{
    return vm->machine->type->name;
}

/* The accelerator may have the state of an attempt before this one. */
static bool cpus_put(Vm *vm, GError **errp)
{
    uint64_t ticks = clocks_ticks(vm->clocks);
    /*
     * Ours sends the first CPU's TSC as the ticks of the section "timer".
     * QEMU's tcg has these for all CPUs; a CPU's own TSC is what it once came
     * with there, or 0.
     */
    bool shared = vm->accel->type->makes_tsc && vm->nvcpus > 0 && ticks != 0 &&
                  vm->vcpus[0]->x86->tsc != ticks;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (shared) {
            vm->vcpus[i]->x86->tsc = ticks;
        }
        vcpu_mark_state(vm->vcpus[i], VCPU_PUT_FULL);
    }
    return vcpus_flush_all(vm, errp);
}

static void add_disk(BlockBackend *b, void *opaque)
{
    BlockInfo info;

    block_get_info(b, &info);
    if (info.device_path != NULL && info.inserted && !info.removable) {
        g_string_append_printf(opaque, "disk %" PRIu64 " %s\n", block_size(b),
                               info.device_path);
    }
}

/* Those of KVM's leaves and MSRs are the host's rather than the guest's. */
static void add_flags(const Vm *vm, GString *text)
{
    for (unsigned w = 0; vm->nvcpus > 0 && w < X86_FEATURE_WORDS; w++) {
        const X86FeatureInfo *info = &x86_features[w];
        uint32_t word = x86_cpu_model_word(vm->vcpus[0]->x86->model, w);

        for (unsigned bit = 0; bit < 32 && !info->is_msr; bit++) {
            if ((word & BIT(bit)) && info->names[bit] != NULL &&
                w != X86_FEAT_KVM) {
                g_string_append_printf(text, "flag %s\n", info->names[bit]);
            }
        }
    }
}

static void migration_facts(Vm *vm, GString *text)
{
    g_string_append_printf(text, "accel %s\n", vm->accel->type->name);
    add_flags(vm, text);
    if (vm->blocks != NULL) {
        block_foreach(vm->blocks, add_disk, text);
    }
}

static bool cpus_sync(Vm *vm, GError **errp)
{
    if (!vcpus_sync_all(vm, errp)) {
        return false;
    }
    if (vm->accel->type->makes_tsc && vm->nvcpus > 0) {
        clocks_set_ticks(vm->clocks, vm->vcpus[0]->x86->tsc);
    }
    return true;
}

static void events_prepare(Vm *vm, bool active, bool single_cpu_sync)
{
    vm->accel->sync_on_pause = active;
    vm->accel->single_cpu_sync = single_cpu_sync;
}

static int cpu_of_thread(Vm *vm, pid_t tid)
{
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (thread_tid(&vm->vcpus[i]->thread) == tid) {
            return i;
        }
    }
    return -1;
}

static bool cpus_dirtied(Vm *vm, uint64_t *ret, bool arm)
{
    const AccelType *type = vm->accel->type;

    return type->dirtied != NULL && type->dirtied(vm->accel, ret, arm);
}

const MigrationHooks monitor_migration_hooks = {
    .event_status = event_migration,
    .event_pass = event_migration_pass,
    .take_fd = take_fd,
    .machine_name = machine_name,
    .facts = migration_facts,
    .cpus_sync = cpus_sync,
    .cpus_put = cpus_put,
    .prepare = events_prepare,
    .cpu_of_thread = cpu_of_thread,
    .throttle = vcpus_throttle,
    .dirtied = cpus_dirtied,
};
