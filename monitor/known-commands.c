/*
 * Names of the monitor commands that QEMU 7.2 has: what isn't there is told
 * apart from a slip of the pen.
 *
 * The names are those that Debian's program lists; scripts/compat-report
 * makes the tables anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/known-commands.h"

/* Sorted as strcmp() does. */
/* clang-format off */
/* Of query-commands. */
static const char *const qmp_names[] = {
    "add-fd", "add_client", "announce-self", "balloon", "block-commit",
    "block-dirty-bitmap-add", "block-dirty-bitmap-clear",
    "block-dirty-bitmap-disable", "block-dirty-bitmap-enable",
    "block-dirty-bitmap-merge", "block-dirty-bitmap-remove",
    "block-export-add", "block-export-del", "block-job-cancel",
    "block-job-complete", "block-job-dismiss", "block-job-finalize",
    "block-job-pause", "block-job-resume", "block-job-set-speed",
    "block-latency-histogram-set", "block-set-write-threshold", "block-stream",
    "block_resize", "block_set_io_throttle", "blockdev-add", "blockdev-backup",
    "blockdev-change-medium", "blockdev-close-tray", "blockdev-create",
    "blockdev-del", "blockdev-insert-medium", "blockdev-mirror",
    "blockdev-open-tray", "blockdev-remove-medium", "blockdev-reopen",
    "blockdev-snapshot", "blockdev-snapshot-delete-internal-sync",
    "blockdev-snapshot-internal-sync", "blockdev-snapshot-sync",
    "calc-dirty-rate", "cancel-vcpu-dirty-limit", "change-backing-file",
    "change-vnc-password", "chardev-add", "chardev-change", "chardev-remove",
    "chardev-send-break", "client_migrate_info", "closefd", "cont",
    "device-list-properties", "device_add", "device_del", "display-reload",
    "display-update", "drive-backup", "drive-mirror", "dump-guest-memory",
    "dumpdtb", "eject", "expire_password", "getfd", "human-monitor-command",
    "inject-nmi", "input-send-event", "job-cancel", "job-complete",
    "job-dismiss", "job-finalize", "job-pause", "job-resume", "memsave",
    "migrate", "migrate-continue", "migrate-incoming", "migrate-pause",
    "migrate-recover", "migrate-set-capabilities", "migrate-set-parameters",
    "migrate-start-postcopy", "migrate_cancel", "nbd-server-add",
    "nbd-server-remove", "nbd-server-start", "nbd-server-stop", "netdev_add",
    "netdev_del", "object-add", "object-del", "pmemsave", "qmp_capabilities",
    "qom-get", "qom-list", "qom-list-properties", "qom-list-types", "qom-set",
    "query-acpi-ospm-status", "query-balloon", "query-block",
    "query-block-exports", "query-block-jobs", "query-blockstats",
    "query-chardev", "query-chardev-backends", "query-colo-status",
    "query-command-line-options", "query-commands", "query-cpu-definitions",
    "query-cpu-model-expansion", "query-cpus-fast", "query-current-machine",
    "query-dirty-rate", "query-display-options", "query-dump",
    "query-dump-guest-memory-capability", "query-fdsets",
    "query-hotpluggable-cpus", "query-iothreads", "query-jobs", "query-kvm",
    "query-machines", "query-memdev", "query-memory-devices",
    "query-memory-size-summary", "query-mice", "query-migrate",
    "query-migrate-capabilities", "query-migrate-parameters", "query-name",
    "query-named-block-nodes", "query-pci", "query-pr-managers",
    "query-qmp-schema", "query-replay", "query-rocker",
    "query-rocker-of-dpa-flows", "query-rocker-of-dpa-groups",
    "query-rocker-ports", "query-rx-filter", "query-sev",
    "query-sev-attestation-report", "query-sev-capabilities",
    "query-sev-launch-measure", "query-sgx", "query-sgx-capabilities",
    "query-spice", "query-stats", "query-stats-schemas", "query-status",
    "query-target", "query-tpm", "query-tpm-models", "query-tpm-types",
    "query-uuid", "query-vcpu-dirty-limit", "query-version",
    "query-vm-generation-id", "query-vnc", "query-vnc-servers",
    "query-xen-replication-status", "query-yank", "quit", "remove-fd",
    "replay-break", "replay-delete-break", "replay-seek", "ringbuf-read",
    "ringbuf-write", "rtc-reset-reinjection", "screendump", "send-key",
    "set-action", "set-numa-node", "set-vcpu-dirty-limit", "set_link",
    "set_password", "sev-inject-launch-secret", "snapshot-delete",
    "snapshot-load", "snapshot-save", "stop", "system_powerdown",
    "system_reset", "system_wakeup", "trace-event-get-state",
    "trace-event-set-state", "transaction", "watchdog-set-action",
    "x-blockdev-amend", "x-blockdev-change", "x-blockdev-set-iothread",
    "x-colo-lost-heartbeat", "x-debug-block-dirty-bitmap-sha256",
    "x-debug-query-block-graph", "x-exit-preconfig", "x-query-irq",
    "x-query-jit", "x-query-numa", "x-query-opcount", "x-query-profile",
    "x-query-ramblock", "x-query-rdma", "x-query-roms", "x-query-usb",
    "x-query-virtio", "x-query-virtio-queue-element",
    "x-query-virtio-queue-status", "x-query-virtio-status",
    "x-query-virtio-vhost-queue-status", "xen-colo-do-checkpoint",
    "xen-load-devices-state", "xen-save-devices-state",
    "xen-set-global-dirty-log", "xen-set-replication", "yank",
};

/* Of "help". */
static const char *const hmp_names[] = {
    "?", "announce_self", "balloon", "block_job_cancel", "block_job_complete",
    "block_job_pause", "block_job_resume", "block_job_set_speed",
    "block_resize", "block_set_io_throttle", "block_stream", "boot_set", "c",
    "calc_dirty_rate", "cancel_vcpu_dirty_limit", "change", "chardev-add",
    "chardev-change", "chardev-remove", "chardev-send-break",
    "client_migrate_info", "closefd", "commit", "cont", "cpu", "delvm",
    "device_add", "device_del", "drive_add", "drive_backup", "drive_del",
    "drive_mirror", "dump-guest-memory", "dumpdtb", "eject", "exit_preconfig",
    "expire_password", "gdbserver", "getfd", "gpa2hpa", "gpa2hva", "gva2gpa",
    "help", "hostfwd_add", "hostfwd_remove", "i", "info", "loadvm", "log",
    "logfile", "mce", "memsave", "migrate", "migrate_cancel",
    "migrate_continue", "migrate_incoming", "migrate_pause", "migrate_recover",
    "migrate_set_capability", "migrate_set_parameter",
    "migrate_start_postcopy", "mouse_button", "mouse_move", "mouse_set",
    "nbd_server_add", "nbd_server_remove", "nbd_server_start",
    "nbd_server_stop", "netdev_add", "netdev_del", "nmi", "o", "object_add",
    "object_del", "p", "pcie_aer_inject_error", "pmemsave", "print", "q",
    "qemu-io", "qom-get", "qom-list", "qom-set", "quit", "replay_break",
    "replay_delete_break", "replay_seek", "ringbuf_read", "ringbuf_write", "s",
    "savevm", "screendump", "sendkey", "set_link", "set_password",
    "set_vcpu_dirty_limit", "singlestep", "snapshot_blkdev",
    "snapshot_blkdev_internal", "snapshot_delete_blkdev_internal", "stop",
    "stopcapture", "sum", "sync-profile", "system_powerdown", "system_reset",
    "system_wakeup", "trace-event", "watchdog_action", "wavcapture", "x",
    "x_colo_lost_heartbeat", "xp",
};

/* Of "help info". */
static const char *const info_names[] = {
    "balloon", "block", "block-jobs", "blockstats", "capture", "chardev",
    "cpus", "dirty_rate", "dump", "history", "hotpluggable-cpus", "iothreads",
    "irq", "jit", "kvm", "lapic", "mem", "memdev", "memory-devices",
    "memory_size_summary", "mice", "migrate", "migrate_capabilities",
    "migrate_parameters", "mtree", "name", "network", "numa", "opcount", "pci",
    "pic", "profile", "qdm", "qom-tree", "qtree", "ramblock", "rdma",
    "registers", "replay", "rocker", "rocker-of-dpa-flows",
    "rocker-of-dpa-groups", "rocker-ports", "roms", "sev", "sgx", "snapshots",
    "spice", "stats", "status", "sync-profile", "tlb", "tpm", "trace-events",
    "usb", "usbhost", "usernet", "uuid", "vcpu_dirty_limit", "version",
    "virtio", "virtio-queue-element", "virtio-queue-status", "virtio-status",
    "virtio-vhost-queue-status", "vm-generation-id", "vnc",
};
/* clang-format on */

static int compare_names(const void *key, const void *row)
{
    return strcmp(key, *(const char *const *)row);
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
    return bsearch(name, names, n, sizeof(*names), compare_names) != NULL;
}

bool qmp_command_is_known(const char *name)
{
    return has_name(qmp_names, G_N_ELEMENTS(qmp_names), name);
}

bool hmp_command_is_known(const char *name)
{
    return has_name(hmp_names, G_N_ELEMENTS(hmp_names), name);
}

bool hmp_info_is_known(const char *name)
{
    return has_name(info_names, G_N_ELEMENTS(info_names), name);
}
