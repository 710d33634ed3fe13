/*
 * The command line: one table of options, carried out in phases.
 *
 * All arguments are parsed first.  Each option belongs to one phase; the
 * phases run in the order of CliPhase, and within one the options in the
 * order they were given.  What has no option (making the VM, starting the
 * accelerator, building the board) happens between phases, in cli-start.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_CLI_H
#define SYSTEM_CLI_H

#include "accel/qtest/qtest.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "system/vm.h"
#include "util/keyval.h"

typedef struct Cli Cli;
typedef struct CliArg CliArg;
typedef struct CliOption CliOption;

typedef enum CliPhase {
    CLI_SETTING, /* before there is a VM: notes things in Cli */
    CLI_QTEST,   /* there is a VM, with nothing in it */
    CLI_MACHINE, /* there is a machine, not built yet */
    CLI_FD,      /* descriptors, for all that follows */
    CLI_CHARDEV,
    CLI_OBJECT, /* there is an accelerator */
    CLI_BLOCKDEV,
    CLI_BLOCK,
    CLI_NETDEV,
    CLI_NET,
    CLI_PORT,   /* ports of the board and monitors */
    CLI_DEVICE, /* the board is built */
    CLI_PHASES,
} CliPhase;

struct CliOption {
    const char *name; /* without the dash */
    bool has_arg;
    bool uncited; /* errors don't begin with the option */
    CliPhase phase;
    bool (*fn)(Cli *cli, CliArg *a, GError **errp);
    const char *params; /* for -help: "[size=]megs" */
    const char *help;   /* one line; NULL: not in -help */
};

struct CliArg {
    const CliOption *opt;
    char *text;      /* the argument; "" if it takes none */
    GPtrArray *sets; /* char *: "key=value" of -set; may be NULL */
};

/* Of -sandbox; allowed is what isn't denied. */
typedef struct SandboxOptions {
    bool enable;
    bool deny_obsolete, deny_elevate, deny_spawn, deny_resource;
    bool no_new_privs; /* programs that it runs can't gain any */
} SandboxOptions;

struct Cli {
    GPtrArray *args; /* CliArg, in the order given */
    bool done;       /* -help and the like: nothing to start … */
    int status;      /* … the program ends with this */

    /* Noted by CLI_SETTING. */
    KeyVal *machine_opts;   /* of all -machine, in order, and shorthands */
    char *machine_name;     /* NULL: the default type */
    char *machine_accel;    /* "kvm:tcg"; NULL: not given */
    GPtrArray *accel_names; /* char *; of -accel */
    GPtrArray *accel_opts;  /* char *, as many */
    GPtrArray *cpu_globals; /* char *: "CLASS.PROP=VALUE" of -global */
    GPtrArray *data_dirs;   /* char *; moved to the machine */
    char *name, *process_name;
    char *log_items, *log_file;
    char *pidfile, *chroot_dir;
    bool change_user;
    uid_t uid; /* if change_user */
    gid_t gid;
    char *user;      /* its name; NULL: none, just numbers */
    char *qtest_log; /* NULL: stderr */
    char *incoming;
    char *loadvm; /* a snapshot's name; NULL: none */
    char *mem_path;
    bool mem_prealloc;
    bool snapshot; /* drives write to temporary files */
    bool daemonize, nographic, nodefaults, only_migratable, paused;
    bool no_reboot, no_shutdown;
    const char *vga;      /* of -vga; NULL: not said */
    bool no_display;      /* -display none: no server by default */
    GPtrArray *vncs;      /* VncOptions, of -vnc and -display vnc= */
    GPtrArray *audiodevs; /* char *: IDs of -audiodev */
    bool mem_lock, cpu_pm;
    SandboxOptions sandbox;
    bool msg_guest_name; /* -msg guest-name=on, whatever the name will be */
    uint8_t uuid[16];
    bool uuid_set;

    /* Made on the way. */
    Vm *vm;
    QtestServer *qtest;
    unsigned nserials, nparallels, nmonitors;
    char *debugcon; /* label of its character device; NULL: none */
    bool pidfile_written;
    int ready_fd; /* of the parent that waits for a daemon; -1: none */
};

extern const CliOption cli_options[]; /* name NULL ends */

void cli_init(Cli *cli);
void cli_fini(Cli *cli);
/* Splits argv into cli->args; unknown options are an error. */
bool cli_parse(Cli *cli, int argc, char **argv, GError **errp);
/* Carries out the options of a phase. */
bool cli_run_phase(Cli *cli, CliPhase phase, GError **errp);
/* cli-params.c */
struct CommandLineOptionInfoList;
/* "-OPTION help" or "-OPTION ...,help"; false if @text asks for nothing, or the
 * option has no such form. */
bool cli_print_param_help(const CliOption *opt, const char *text);
/* For the monitors: see monitors_set_options(). */
struct CommandLineOptionInfoList *cli_option_infos(const char *option,
                                                   GError **errp);
/* Text of -help. */
void cli_print_help(void);

/* From a parsed command line to a VM that is ready for the main loop. */
bool cli_build(Cli *cli, GError **errp);
/* Frees the VM and all in it. */
void cli_teardown(Cli *cli);

/* The argument as key=value items, with what -set added; NULL: an error. */
KeyVal *cli_arg_keyval(const CliArg *a, const char *implied, GError **errp);
/* Refuses keys that no getter asked for: "Invalid parameter 'foo'". */
bool cli_check_keys(const KeyVal *kv, GError **errp);

/* cli-host.c: what concerns the process. */
bool cli_daemonize(Cli *cli, GError **errp); /* the parent doesn't return */
bool cli_write_pidfile(Cli *cli, GError **errp);
/* chroot, user, and telling the waiting parent. */
bool cli_drop_privileges(Cli *cli, GError **errp);
bool cli_finish_daemon(Cli *cli, GError **errp);
bool cli_lock_memory(Cli *cli, GError **errp);
/*
 * cli-sandbox.c: the filter of system calls, before anything is made of what
 * others give us (images, streams); dropped: once more after
 * cli_drop_privileges(), for what that still needed.
 */
bool cli_enter_sandbox(const Cli *cli, bool dropped, GError **errp);
bool cli_apply_log(Cli *cli, GError **errp);

/* cli-machine.c */
bool cli_make_machine(Cli *cli, GError **errp);
bool cli_start_accel(Cli *cli, GError **errp);
/* What only the whole command line tells. */
bool cli_check_machine(Cli *cli, GError **errp);

/* cli-backends.c */
/* Refuses stdio for a daemon. */
bool cli_check_stdio(const Cli *cli, const char *device, GError **errp);
/* Says on stdout which terminal a pty back end has; nothing for others. */
void cli_announce_pty(const Chardev *cd);
/* -mem-path and -mem-prealloc as a memory back end. */
bool cli_make_memory(Cli *cli, GError **errp);
/* -object of filters, which come after the networks. */
bool cli_make_filters(Cli *cli, GError **errp);

/* cli-net.c */
/* The card and the network that a board has without being asked. */
bool cli_default_net(Cli *cli, GError **errp);

/* cli-ports.c */
/* The ports that a board has without being asked. */
bool cli_default_ports(Cli *cli, GError **errp);
/* Chooses the card that the board makes. */
bool cli_make_vga(Cli *cli, GError **errp);
/* An empty CD-ROM drive for boards that have one. */
bool cli_default_cdrom(Cli *cli, GError **errp);
bool cli_make_debugcon(Cli *cli, GError **errp);
/* -device help and -device NAME,help. */
bool cli_device_help(Cli *cli, GError **errp);

/* Handlers, by file. */
#define CLI_HANDLER(fn) bool fn(Cli *cli, CliArg *a, GError **errp)
CLI_HANDLER(cli_help);
CLI_HANDLER(cli_version);
CLI_HANDLER(cli_name);
CLI_HANDLER(cli_uuid);
CLI_HANDLER(cli_msg);
CLI_HANDLER(cli_log_items);
CLI_HANDLER(cli_log_file);
CLI_HANDLER(cli_trace);
CLI_HANDLER(cli_pidfile);
CLI_HANDLER(cli_chroot);
CLI_HANDLER(cli_runas);
CLI_HANDLER(cli_sandbox);
CLI_HANDLER(cli_overcommit);
CLI_HANDLER(cli_realtime);
CLI_HANDLER(cli_flag);
CLI_HANDLER(cli_accept);
CLI_HANDLER(cli_refuse);
CLI_HANDLER(cli_refuse_target);
CLI_HANDLER(cli_data_dir);

CLI_HANDLER(cli_machine);
CLI_HANDLER(cli_machine_shorthand);
CLI_HANDLER(cli_accel);
CLI_HANDLER(cli_enable_kvm);
CLI_HANDLER(cli_memory);
CLI_HANDLER(cli_mem_path);
CLI_HANDLER(cli_smp);
CLI_HANDLER(cli_numa);
CLI_HANDLER(cli_cpu);
CLI_HANDLER(cli_boot);
CLI_HANDLER(cli_rtc);
CLI_HANDLER(cli_global);
CLI_HANDLER(cli_action);
CLI_HANDLER(cli_watchdog_action);
CLI_HANDLER(cli_board_option);

CLI_HANDLER(cli_add_fd);
CLI_HANDLER(cli_chardev);
CLI_HANDLER(cli_object);
CLI_HANDLER(cli_blockdev);
/* Devices of the drives with if=virtio, behind those of -device. */
bool cli_drive_devices(Cli *cli, GError **errp);
/* cli-display.c: opens the VNC servers, when all devices are there. */
bool cli_start_vncs(Cli *cli, GError **errp);
CLI_HANDLER(cli_drive);
CLI_HANDLER(cli_disk);
CLI_HANDLER(cli_cdrom);
CLI_HANDLER(cli_pflash);
CLI_HANDLER(cli_serial);
CLI_HANDLER(cli_parallel);
CLI_HANDLER(cli_monitor);
CLI_HANDLER(cli_qmp);
CLI_HANDLER(cli_mon);
CLI_HANDLER(cli_echr);
CLI_HANDLER(cli_gdb);
CLI_HANDLER(cli_debugcon);
CLI_HANDLER(cli_qtest);
CLI_HANDLER(cli_qtest_log);
CLI_HANDLER(cli_balloon);
CLI_HANDLER(cli_device);
CLI_HANDLER(cli_fw_cfg);
CLI_HANDLER(cli_set);
CLI_HANDLER(cli_incoming);
CLI_HANDLER(cli_loadvm);
CLI_HANDLER(cli_display);
CLI_HANDLER(cli_vga);
CLI_HANDLER(cli_vnc);
CLI_HANDLER(cli_keyboard);
CLI_HANDLER(cli_audiodev);
CLI_HANDLER(cli_netdev);
CLI_HANDLER(cli_nic);
CLI_HANDLER(cli_net);

#endif
