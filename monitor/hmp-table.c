/*
 * The human monitor's commands: every row of both tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

static void run_help(HmpOut *out, const HmpArgs *a)
{
    hmp_print_help(out, hmp_commands, "", a->arg[0].text);
}

static void run_info(HmpOut *out, const HmpArgs *a)
{
    hmp_print_help(out, hmp_info_commands, "info ", NULL);
}

static void complete_command(Vm *vm, const char *word, GPtrArray *matches)
{
    for (const HmpCommand *c = hmp_commands; c->name != NULL; c++) {
        g_autofree char *name = g_strndup(c->name, strcspn(c->name, "|"));

        if (g_str_has_prefix(name, word)) {
            g_ptr_array_add(matches, g_steal_pointer(&name));
        }
    }
}

#define ROW(name_, spec_, params_, help_, run_, ...)                    \
    {                                                                   \
        .name = name_, .spec = spec_, .params = params_, .help = help_, \
        .run = run_, __VA_ARGS__                                        \
    }

const HmpCommand hmp_commands[] = {
    ROW("announce_self", "interfaces:s? id:s?", "[interfaces] [id]",
        "tell the network where the cards' addresses are",
        hmp_cmd_announce_self),
    ROW("balloon", "value:i", "target",
        "request VM to change its memory allocation (in MB)", hmp_cmd_balloon),
    ROW("boot_set", "order:s", "bootdevice",
        "boot from these devices after the next reset", hmp_cmd_boot_set),
    ROW("change", "device:s -f filename:s format:s? mode:s?",
        "device [-f] filename [format [read-only-mode]]",
        "put another medium into a drive (-f: a locked one too)",
        hmp_cmd_change),
    ROW("chardev-add", "args:S", "args", "add a character device",
        hmp_cmd_chardev_add),
    ROW("chardev-remove", "id:s", "id", "remove a character device",
        hmp_cmd_chardev_remove),
    ROW("chardev-send-break", "id:s", "id", "send a break on a serial line",
        hmp_cmd_chardev_send_break),
    ROW("closefd", "name:s", "name", "close a descriptor that getfd named",
        hmp_cmd_closefd),
    ROW("cont|c", "", "", "resume emulation", hmp_cmd_cont),
    ROW("cpu", "index:i", "index", "set the default CPU", hmp_cmd_cpu),
    ROW("device_add", "device:S", "driver[,prop=value][,...]",
        "plug a device in while the machine is up", hmp_cmd_device_add),
    ROW("device_del", "id:s", "device", "ask the guest to let go of a device",
        hmp_cmd_device_del),
    ROW("dump-guest-memory", "-p -d -z -l -s -w filename:s begin:i? length:i?",
        "[-p] [-d] filename [begin length]",
        "dump the guest's memory to an ELF file (-p: with the addresses of "
        "its page tables, -d: don't wait for the end)",
        hmp_cmd_dump_guest_memory),
    ROW("eject", "-f device:s", "[-f] device",
        "take the medium out of a drive (-f: a locked one too)", hmp_cmd_eject),
    ROW("gdbserver", "device:s?", "[device]",
        "serve GDB on a device (default 'tcp::1234'), stop it with 'none'",
        hmp_cmd_gdbserver),
    ROW("getfd", "name:s", "name",
        "name the descriptor that came with the command (SCM_RIGHTS)",
        hmp_cmd_getfd),
    ROW("gpa2hpa", "addr:i", "addr",
        "print the host-physical address of guest-physical memory",
        hmp_cmd_gpa2hpa),
    ROW("gpa2hva", "addr:i", "addr",
        "print the host address of guest-physical memory", hmp_cmd_gpa2hva),
    ROW("gva2gpa", "addr:i", "addr",
        "print the guest-physical address of a virtual one", hmp_cmd_gva2gpa),
    ROW("help|?", "name:s?", "[cmd]", "show the help", run_help,
        .complete = complete_command),
    ROW("hostfwd_add", "id:s rule:s?",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
        "lead a port of the host into a user-mode network",
        hmp_cmd_hostfwd_add),
    ROW("hostfwd_remove", "id:s rule:s?",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport", "take such a port back",
        hmp_cmd_hostfwd_remove),
    ROW("i", "fmt:/ addr:i", "/fmt addr", "read an I/O port", hmp_cmd_port_in),
    ROW("info", "", "[subcommand]", "show various information", run_info,
        .sub = hmp_info_commands),
    ROW("log", "items:s", "item[,...]", "log these items ('none', 'help')",
        hmp_cmd_log),
    ROW("logfile", "filename:s", "filename", "log to a file from now on",
        hmp_cmd_logfile),
    ROW("memsave", "val:i size:i filename:s", "addr size file",
        "save virtual memory of the current CPU to a file", hmp_cmd_memsave),
    ROW("migrate", "-d -b -i -r uri:s", "[-d] uri",
        "migrate to URI (-d: don't wait for completion)", hmp_cmd_migrate),
    ROW("migrate_cancel", "", "", "cancel the current migration",
        hmp_cmd_migrate_cancel),
    ROW("migrate_continue", "state:s", "state",
        "go on from the migration state pre-switchover",
        hmp_cmd_migrate_continue),
    ROW("migrate_incoming", "uri:s", "uri",
        "take in a migration that -incoming defer waits for",
        hmp_cmd_migrate_incoming),
    ROW("migrate_set_capability", "capability:s state:b", "capability state",
        "switch a migration capability on or off",
        hmp_cmd_migrate_set_capability, .complete = hmp_complete_capability),
    ROW("migrate_set_downtime", "value:s", "value",
        "set the downtime limit in seconds (older form of "
        "migrate_set_parameter downtime-limit)",
        hmp_cmd_migrate_set_downtime),
    ROW("migrate_set_parameter", "parameter:s value:s", "parameter value",
        "set a migration parameter", hmp_cmd_migrate_set_parameter,
        .complete = hmp_complete_parameter),
    ROW("migrate_set_speed", "value:s", "value",
        "set the bandwidth limit in bytes/s, MiB/s without a suffix, 0: none "
        "(older form of migrate_set_parameter max-bandwidth)",
        hmp_cmd_migrate_set_speed),
    ROW("netdev_add", "netdev:S", "type,id=str[,prop=value][,...]",
        "add a network back end", hmp_cmd_netdev_add),
    ROW("netdev_del", "id:s", "id", "remove a network back end",
        hmp_cmd_netdev_del),
    ROW("nmi", "", "", "inject an NMI into every CPU", hmp_cmd_nmi),
    ROW("o", "fmt:/ addr:i value:i", "/fmt addr value", "write to an I/O port",
        hmp_cmd_port_out),
    ROW("object_add", "object:S", "[qom-type=]type,id=str[,prop=value][,...]",
        "create QOM object", hmp_cmd_object_add),
    ROW("object_del", "id:s", "id", "destroy QOM object", hmp_cmd_object_del),
    ROW("pmemsave", "val:i size:i filename:s", "addr size file",
        "save physical memory to a file", hmp_cmd_pmemsave),
    ROW("print|p", "fmt:/ value:i", "/fmt expr",
        "print the value of an expression ($reg: a CPU register)",
        hmp_cmd_print),
    ROW("qom-get", "path:s property:s", "path property",
        "print an object's property", hmp_cmd_qom_get),
    ROW("qom-list", "path:s?", "path", "list an object's properties",
        hmp_cmd_qom_list),
    ROW("qom-set", "-j path:s property:s value:S", "[-j] path property value",
        "set an object's property (-j: the value is JSON)", hmp_cmd_qom_set),
    ROW("quit|q", "", "", "quit the emulator", hmp_cmd_quit),
    ROW("ringbuf_read", "device:s size:i", "device size",
        "take bytes out of a ring buffer", hmp_cmd_ringbuf_read),
    ROW("ringbuf_write", "device:s data:s", "device data",
        "write to a ring buffer", hmp_cmd_ringbuf_write),
    ROW("screendump", "filename:s -f:s device:s? head:i?",
        "filename [-f format] [device [head]]",
        "write a picture of the screen of a display device to a file (format: "
        "ppm, png)",
        hmp_cmd_screendump),
    ROW("set_link", "name:s up:b", "name on|off",
        "plug or unplug the cable of a network card or back end",
        hmp_cmd_set_link),
    ROW("stop|s", "", "", "stop emulation", hmp_cmd_stop),
    ROW("sum", "start:i size:i", "addr size",
        "print a checksum of guest-physical memory", hmp_cmd_sum),
    ROW("system_powerdown", "", "", "press the power button",
        hmp_cmd_system_powerdown),
    ROW("system_reset", "", "", "reset the system", hmp_cmd_system_reset),
    ROW("system_wakeup", "", "", "wake up the system from suspend",
        hmp_cmd_system_wakeup),
    ROW("x", "fmt:/ addr:i", "/fmt addr", "dump virtual memory", hmp_cmd_x),
    ROW("xp", "fmt:/ addr:i", "/fmt addr", "dump physical memory", hmp_cmd_xp),
    { .name = NULL },
};

const HmpCommand hmp_info_commands[] = {
    ROW("balloon", "", "", "show what memory the guest has", hmp_info_balloon),
    ROW("block", "-n name:s?", "[-n] [drive]", "show the block devices",
        hmp_info_block),
    ROW("blockstats", "", "", "show what drives have done",
        hmp_info_blockstats),
    ROW("chardev", "", "", "show the character devices", hmp_info_chardev),
    ROW("cpus", "", "", "show each CPU's thread", hmp_info_cpus),
    ROW("dump", "", "", "show the last dump of memory", hmp_info_dump),
    ROW("hotpluggable-cpus", "", "", "show the places for CPUs",
        hmp_info_hotpluggable_cpus),
    ROW("iothreads", "", "", "show the threads for devices",
        hmp_info_iothreads),
    ROW("irq", "", "", "show how often interrupt inputs were raised",
        hmp_info_irq),
    ROW("kvm", "", "", "show whether KVM is in use", hmp_info_kvm),
    ROW("lapic", "apic-id:i?", "[apic-id]",
        "show a local APIC (default: the current CPU's)", hmp_info_lapic),
    ROW("mem", "", "", "show the active virtual memory mappings", hmp_info_mem),
    ROW("memdev", "", "", "show the memory back ends", hmp_info_memdev),
    ROW("memory_size_summary", "", "", "show how much memory the guest has",
        hmp_info_memory_size_summary),
    ROW("mice", "", "", "show the mice", hmp_info_mice),
    ROW("migrate", "-a", "[-a]", "show the state of the migration",
        hmp_info_migrate),
    ROW("migrate_capabilities", "", "", "show the migration capabilities",
        hmp_info_migrate_capabilities),
    ROW("migrate_parameters", "", "", "show the migration parameters",
        hmp_info_migrate_parameters),
    ROW("mtree", "-f", "[-f]", "show the memory tree (-f: flat views)",
        hmp_info_mtree),
    ROW("name", "", "", "show the name of the VM", hmp_info_name),
    ROW("network", "", "", "show the network cards and back ends",
        hmp_info_network),
    ROW("numa", "", "", "show the NUMA nodes", hmp_info_numa),
    ROW("pci", "", "", "show the PCI functions", hmp_info_pci),
    ROW("pic", "", "", "show the interrupt controllers", hmp_info_pic),
    ROW("qom-tree", "path:s?", "[path]", "show the object tree",
        hmp_info_qom_tree),
    ROW("qtree", "", "", "show the device tree", hmp_info_qtree),
    ROW("ramblock", "", "", "show the RAM blocks", hmp_info_ramblock),
    ROW("registers", "-a vcpu:i?", "[-a|vcpu]",
        "show CPU registers (-a: of all CPUs)", hmp_info_registers),
    ROW("status", "", "", "show whether the VM runs", hmp_info_status),
    ROW("tlb", "", "", "show the mappings of virtual to physical memory",
        hmp_info_tlb),
    ROW("usernet", "", "", "show the connections of user-mode networks",
        hmp_info_usernet),
    ROW("uuid", "", "", "show the UUID of the VM", hmp_info_uuid),
    ROW("version", "", "", "show the version", hmp_info_version),
    { .name = NULL },
};
