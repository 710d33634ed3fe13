/*
 * Every option, in the order of -help.
 *
 * What the program of the same name has and this one hasn't yet is in the
 * last part: it is refused by name, so that nothing is ignored in silence.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#define OPT(name_, phase_, fn_, params_, help_)                           \
    {                                                                     \
        .name = (name_), .has_arg = true, .phase = (phase_), .fn = (fn_), \
        .params = (params_), .help = (help_)                              \
    }
#define FLAG(name_, phase_, fn_, help_)                                  \
    {                                                                    \
        .name = (name_), .phase = (phase_), .fn = (fn_), .help = (help_) \
    }
/* Errors are about the whole, not about this option. */
#define WHOLE(name_, phase_, fn_, params_, help_)                             \
    {                                                                         \
        .name = (name_), .has_arg = true, .uncited = true, .phase = (phase_), \
        .fn = (fn_), .params = (params_), .help = (help_)                     \
    }
#define REFUSED(name_)                                          \
    {                                                           \
        .name = (name_), .has_arg = true, .phase = CLI_SETTING, \
        .fn = cli_refuse                                        \
    }
#define REFUSED_FLAG(name_)                                     \
    {                                                           \
        .name = (name_), .phase = CLI_SETTING, .fn = cli_refuse \
    }

const CliOption cli_options[] = {
    FLAG("h", CLI_SETTING, cli_help, NULL),
    FLAG("help", CLI_SETTING, cli_help, "display this help and exit"),
    FLAG("version", CLI_SETTING, cli_version,
         "display version information and exit"),

    /* The machine. */
    WHOLE("machine", CLI_SETTING, cli_machine,
          "[type=]name[,prop[=value][,...]]",
          "select the machine ('-machine help' for a list)"),
    WHOLE("M", CLI_SETTING, cli_machine, NULL, NULL),
    OPT("accel", CLI_SETTING, cli_accel, "[accel=]name[,prop[=value][,...]]",
        "select an accelerator ('-accel help'); several: the first that works"),
    FLAG("enable-kvm", CLI_SETTING, cli_enable_kvm,
         "same as -machine accel=kvm"),
    OPT("cpu", CLI_MACHINE, cli_cpu, "model[,+feature][,-feature][,key=value]",
        "select the CPU model ('-cpu help' for a list)"),
    WHOLE("smp", CLI_MACHINE, cli_smp,
          "[cpus=]n[,maxcpus=n][,sockets=n][,dies=n][,cores=n][,threads=n]",
          "number of CPUs and their topology"),
    OPT("m", CLI_MACHINE, cli_memory, "[size=]megs",
        "guest memory; suffixes M, G, T"),
    OPT("mem-path", CLI_SETTING, cli_mem_path, "file",
        "back guest memory by a file or folder (hugetlbfs, tmpfs)"),
    FLAG("mem-prealloc", CLI_SETTING, cli_flag,
         "populate guest memory at the start"),
    OPT("overcommit", CLI_SETTING, cli_overcommit,
        "[mem-lock=on|off][,cpu-pm=on|off]",
        "lock memory; let the guest idle without exits"),
    OPT("realtime", CLI_SETTING, cli_realtime, "mlock=on|off",
        "old form of -overcommit mem-lock="),
    OPT("object", CLI_OBJECT, cli_object, "type[,prop=value][,...]",
        "make an object ('-object help' for a list)"),
    OPT("numa", CLI_BLOCKDEV, cli_numa, "node|dist|cpu[,prop=value][,...]",
        "NUMA nodes of the guest, their distances and CPUs"),
    OPT("device", CLI_DEVICE, cli_device, "driver[,prop=value][,...]",
        "add a device ('-device help', '-device driver,help')"),
    OPT("balloon", CLI_DEVICE, cli_balloon, "none|virtio[,prop=value][,...]",
        "old form of -device virtio-balloon"),
    OPT("global", CLI_MACHINE, cli_global, "driver.prop=value",
        "set a default; migration.NAME= sets a capability or parameter"),
    OPT("set", CLI_QTEST, cli_set, "group.id.arg=value",
        "set an argument of the item with that id"),
    OPT("name", CLI_SETTING, cli_name,
        "string[,process=string][,debug-threads=on|off]", "name of the guest"),
    OPT("uuid", CLI_SETTING, cli_uuid, "uuid", "UUID of the machine"),
    WHOLE("boot", CLI_MACHINE, cli_boot,
          "[order=drives][,once=drives][,menu=on|off][,strict=on|off]...",
          "boot order: floppy (a), hard disk (c), CD-ROM (d), network (n)"),
    WHOLE("kernel", CLI_SETTING, cli_machine_shorthand, "file",
          "kernel: bzImage, Multiboot or PVH image"),
    WHOLE("initrd", CLI_SETTING, cli_machine_shorthand, "file",
          "initial RAM disk, or Multiboot modules"),
    WHOLE("append", CLI_SETTING, cli_machine_shorthand, "text",
          "kernel command line"),
    WHOLE("bios", CLI_SETTING, cli_machine_shorthand, "file", "firmware image"),
    OPT("L", CLI_SETTING, cli_data_dir, "path",
        "where firmware is searched first ('-L help' for all)"),
    OPT("fw_cfg", CLI_DEVICE, cli_fw_cfg, "[name=]name,file=file|string=text",
        "add a file that the guest's firmware can read"),
    OPT("smbios", CLI_MACHINE, cli_board_option, "type=n[,field=value]...",
        "fields of the SMBIOS tables"),
    OPT("acpitable", CLI_MACHINE, cli_board_option,
        "[sig=str][,rev=n]...,file=files|data=files", "add an ACPI table"),
    OPT("option-rom", CLI_MACHINE, cli_board_option,
        "[romfile=]file[,bootindex=n]", "add an option ROM"),
    FLAG("no-acpi", CLI_SETTING, cli_machine_shorthand, "no ACPI tables"),
    FLAG("no-hpet", CLI_SETTING, cli_machine_shorthand, "no HPET"),
    FLAG("no-fd-bootchk", CLI_MACHINE, cli_board_option, NULL),
    FLAG("usb", CLI_SETTING, cli_machine_shorthand, "on-board USB controller"),
    WHOLE("rtc", CLI_MACHINE, cli_rtc,
          "[base=utc|localtime|date][,clock=host|rt|vm][,driftfix=none|slew]",
          "time of the guest's clock"),

    /* Back ends. */
    OPT("add-fd", CLI_FD, cli_add_fd, "fd=fd,set=set[,opaque=text]",
        "put a descriptor into a set (/dev/fdset/N)"),
    OPT("chardev", CLI_CHARDEV, cli_chardev, "type,id=id[,...]",
        "make a character device"),
    OPT("drive", CLI_BLOCK, cli_drive, "[file=file][,if=type][,format=raw]...",
        "use a file as a drive"),
    OPT("blockdev", CLI_BLOCKDEV, cli_blockdev,
        "driver,node-name=name[,prop=value][,...]",
        "make a block node (also as JSON)"),
    FLAG("snapshot", CLI_SETTING, cli_flag,
         "write to temporary files instead of the drives' images"),
    OPT("hda", CLI_BLOCK, cli_disk, "file", "IDE hard disk 0 (hdb, hdc, hdd)"),
    OPT("hdb", CLI_BLOCK, cli_disk, NULL, NULL),
    OPT("hdc", CLI_BLOCK, cli_disk, NULL, NULL),
    OPT("hdd", CLI_BLOCK, cli_disk, NULL, NULL),
    OPT("cdrom", CLI_BLOCK, cli_cdrom, "file", "CD-ROM image"),
    OPT("pflash", CLI_BLOCK, cli_pflash, "file",
        "flash memory with firmware; twice: with its variables"),

    /* Ports and monitors. */
    OPT("serial", CLI_PORT, cli_serial, "dev", "connect a serial port to dev"),
    OPT("parallel", CLI_PORT, cli_parallel, "dev", "connect a parallel port"),
    OPT("debugcon", CLI_PORT, cli_debugcon, "dev",
        "debug console at port 0xe9"),
    OPT("monitor", CLI_PORT, cli_monitor, "dev", "human monitor on dev"),
    OPT("qmp", CLI_PORT, cli_qmp, "dev", "QMP monitor on dev"),
    OPT("qmp-pretty", CLI_PORT, cli_qmp, "dev", "the same, indented"),
    OPT("mon", CLI_PORT, cli_mon,
        "[chardev=]id[,mode=readline|control][,pretty=on|off]",
        "monitor on a character device"),
    OPT("echr", CLI_CHARDEV, cli_echr, "chr",
        "escape character of terminals, instead of 1 (Ctrl-a)"),
    OPT("qtest", CLI_QTEST, cli_qtest, "dev", "serve the qtest protocol"),
    OPT("qtest-log", CLI_SETTING, cli_qtest_log, "file", "log of qtest"),

    /* Screen and sound. */
    WHOLE("display", CLI_SETTING, cli_display, "none|vnc=display",
          "no display, or as -vnc"),
    WHOLE("vga", CLI_SETTING, cli_vga, "none", "no video card"),
    FLAG("nographic", CLI_SETTING, cli_flag,
         "no display; serial port and monitor on stdio"),
    OPT("k", CLI_SETTING, cli_keyboard, "en-us", "keyboard layout of displays"),
    OPT("vnc", CLI_SETTING, cli_vnc, "[host]:d|unix:path|none[,prop=value]",
        "show the screen to VNC viewers ('-vnc help' for a list)"),
    OPT("audiodev", CLI_SETTING, cli_audiodev, "none,id=id",
        "a sound back end that is silent"),
    OPT("netdev", CLI_NETDEV, cli_netdev, "type,id=id[,prop=value][,...]",
        "a network back end ('-netdev help' for a list)"),
    OPT("nic", CLI_NET, cli_nic,
        "none|type[,model=name][,mac=mac][,prop=value][,...]",
        "a network card and its back end at once; none: no default card"),
    OPT("net", CLI_NET, cli_net, "none|nic|type[,prop=value][,...]",
        "a network card or a back end, on a hub (older form of -nic)"),

    /* Running. */
    FLAG("S", CLI_SETTING, cli_flag, "don't start the guest (use 'cont')"),
    OPT("gdb", CLI_DEVICE, cli_gdb, "dev",
        "wait for a connection of GDB on dev (tcp:HOST:PORT, unix:PATH, ...)"),
    FLAG("s", CLI_DEVICE, cli_gdb, "same as -gdb tcp::1234"),
    OPT("incoming", CLI_SETTING, cli_incoming, "uri|defer",
        "wait for a migration from tcp:, unix:, fd:, exec:, file:"),
    OPT("loadvm", CLI_SETTING, cli_loadvm, "tag",
        "start with a snapshot that savevm made"),
    FLAG("only-migratable", CLI_SETTING, cli_flag,
         "refuse devices that can't migrate"),
    FLAG("no-reboot", CLI_SETTING, cli_flag, "exit instead of rebooting"),
    FLAG("no-shutdown", CLI_SETTING, cli_flag, "stop before shutdown"),
    OPT("action", CLI_MACHINE, cli_action,
        "reboot=reset|shutdown,shutdown=poweroff|pause,"
        "panic=pause|shutdown|exit-failure|none,watchdog=ACTION",
        "what the guest's requests, its crash, and a watchdog do"),
    OPT("watchdog-action", CLI_MACHINE, cli_watchdog_action,
        "reset|shutdown|poweroff|inject-nmi|pause|debug|none",
        "same as -action watchdog="),
    FLAG("nodefaults", CLI_SETTING, cli_flag, "no default devices"),
    FLAG("no-user-config", CLI_SETTING, cli_accept,
         "read no configuration files (none is ever read)"),

    /* The process. */
    FLAG("daemonize", CLI_SETTING, cli_flag,
         "go to the background when all is set up"),
    OPT("pidfile", CLI_SETTING, cli_pidfile, "file", "write the process id"),
    OPT("chroot", CLI_SETTING, cli_chroot, "dir", "chroot before the start"),
    OPT("runas", CLI_SETTING, cli_runas, "user|uid:gid",
        "change user before the start"),
    OPT("sandbox", CLI_SETTING, cli_sandbox,
        "on[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]"
        "[,spawn=allow|deny][,resourcecontrol=allow|deny]",
        "deny system calls that a guest needs nobody to make"),
    OPT("msg", CLI_SETTING, cli_msg, "[timestamp=on|off][,guest-name=on|off]",
        "form of messages"),
    OPT("d", CLI_SETTING, cli_log_items, "item,...",
        "items to log ('-d help' for a list)"),
    OPT("D", CLI_SETTING, cli_log_file, "file", "log there, not to stderr"),
    OPT("trace", CLI_SETTING, cli_trace,
        "[enable=]pattern[,events=file][,file=file]",
        "switch trace points on ('-trace help' for a list)"),

    /* Not there yet. */
    REFUSED("audio"),
    REFUSED_FLAG("audio-help"),
    REFUSED("compat"),
    REFUSED("dfilter"),
    REFUSED("dtb"),
    REFUSED("dump-vmstate"),
    REFUSED("fda"),
    REFUSED("fdb"),
    REFUSED("fsdev"),
    REFUSED("g"),
    REFUSED("icount"),
    REFUSED("iscsi"),
    REFUSED("mtdblock"),
    REFUSED("plugin"),
    REFUSED("readconfig"),
    REFUSED("rotate"),
    REFUSED("sd"),
    REFUSED("seed"),
    REFUSED("spice"),
    REFUSED("tpmdev"),
    REFUSED("usbdevice"),
    REFUSED("virtfs"),
    REFUSED("watchdog-action"),
    REFUSED("writeconfig"),
    REFUSED_FLAG("async-teardown"),
    REFUSED_FLAG("enable-sync-profile"),
    REFUSED_FLAG("full-screen"),
    REFUSED_FLAG("portrait"),
    REFUSED_FLAG("preconfig"),
    REFUSED_FLAG("singlestep"),
    REFUSED_FLAG("win2k-hack"),

    /* For other kinds of machines. */
    OPT("xen-domid", CLI_SETTING, cli_refuse_target, NULL, NULL),
    FLAG("xen-attach", CLI_SETTING, cli_refuse_target, NULL),
    FLAG("xen-domid-restrict", CLI_SETTING, cli_refuse_target, NULL),
    OPT("prom-env", CLI_SETTING, cli_refuse_target, NULL, NULL),
    FLAG("semihosting", CLI_SETTING, cli_refuse_target, NULL),
    OPT("semihosting-config", CLI_SETTING, cli_refuse_target, NULL, NULL),
    FLAG("old-param", CLI_SETTING, cli_refuse_target, NULL),
    { .name = NULL },
};
