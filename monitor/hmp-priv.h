/*
 * Inner parts of the human monitor: the command tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_HMP_PRIV_H
#define MONITOR_HMP_PRIV_H

#include "accel/vcpu.h"
#include "monitor/hmp.h"

enum { HMP_ARGS_MAX = 7 };

/* Of x, xp, print, i and o. */
typedef struct HmpFormat {
    char format; /* one of "xoduci" */
    char size;   /* one of "bhwg" */
} HmpFormat;

/*
 * Arguments of a command as its table row declares them.  Kinds:
 *   -x  a flag (the letter)         s  a word or a "quoted string"
 *   i   an expression               /  a format such as /4xw
 *   b   on or off                   S  the rest of the line
 *   -x:s  a flag with a word behind it, which may be missing
 * A '?' behind the kind: may be missing.
 */
typedef struct HmpArgs {
    unsigned flags; /* bit c - 'a' of a flag's letter */
    struct {
        bool given;
        char *text;  /* s, S; owned */
        int64_t num; /* i, b */
    } arg[HMP_ARGS_MAX];
    struct {
        int count;
        HmpFormat how; /* what isn't given: as before */
    } fmt;
} HmpArgs;

typedef struct HmpCommand HmpCommand;
struct HmpCommand {
    const char *name;          /* "quit|q": with its short forms */
    const char *spec;          /* "-d -b uri:s", flags where they may stand */
    const char *params, *help; /* for `help` */
    void (*run)(HmpOut *out, const HmpArgs *a);
    const HmpCommand *sub; /* `info`: a table of its own */
    bool memory; /* looks at guest memory: see vm_control_memory_here() */
    /* Adds what the last argument may be; may be NULL. */
    void (*complete)(Vm *vm, const char *word, GPtrArray *matches);
};

extern const HmpCommand hmp_commands[],
    hmp_info_commands[]; /* name NULL ends */

const HmpCommand *hmp_find(const HmpCommand *table, const char *name);
bool hmp_name_matches(const HmpCommand *c, const char *name);
/* Splits what follows the name; false with the message appended to `out`. */
bool hmp_parse_args(const HmpCommand *c, const char *text, HmpArgs *ret,
                    HmpOut *out);
void hmp_args_clear(HmpArgs *a);
/* Prints "Error: …" and frees err. */
void hmp_error(HmpOut *out, GError *err);
/* Index of the current CPU. */
unsigned hmp_cpu_index(const HmpOut *out);
void hmp_session_set_cpu(struct Hmp *session, unsigned index);
/* The descriptor that came with its last input, the caller's; -1: none. */
int hmp_session_take_fd(struct Hmp *session);
/* The format of the session's last command with one; not NULL. */
const HmpFormat *hmp_session_format(const struct Hmp *session);
void hmp_session_set_format(struct Hmp *session, const HmpFormat *f);
/* The session's CPU; NULL, with a message, if the machine has none. */
Vcpu *hmp_current_cpu(HmpOut *out);
/*
 * The value of an expression at *text, which moves behind it; false with the
 * message printed.
 */
bool hmp_eval(HmpOut *out, const char **text, uint64_t *ret);
/* Keeps the session from taking input until the migration has ended. */
void hmp_wait_migration(HmpOut *out);

void hmp_print_help(HmpOut *out, const HmpCommand *table, const char *prefix,
                    const char *only);
/* hmp-cmds-*.c */
void hmp_cmd_closefd(HmpOut *out, const HmpArgs *a);
void hmp_cmd_device_add(HmpOut *out, const HmpArgs *a);
void hmp_cmd_device_del(HmpOut *out, const HmpArgs *a);
void hmp_cmd_dump_guest_memory(HmpOut *out, const HmpArgs *a);
void hmp_cmd_getfd(HmpOut *out, const HmpArgs *a);
void hmp_info_block_jobs(HmpOut *out, const HmpArgs *a);
void hmp_cmd_block_resize(HmpOut *out, const HmpArgs *a);
void hmp_info_blockstats(HmpOut *out, const HmpArgs *a);
void hmp_info_dump(HmpOut *out, const HmpArgs *a);
void hmp_info_irq(HmpOut *out, const HmpArgs *a);
void hmp_info_mice(HmpOut *out, const HmpArgs *a);
void hmp_info_pic(HmpOut *out, const HmpArgs *a);
void hmp_cmd_chardev_add(HmpOut *out, const HmpArgs *a);
void hmp_cmd_chardev_remove(HmpOut *out, const HmpArgs *a);
void hmp_cmd_chardev_send_break(HmpOut *out, const HmpArgs *a);
void hmp_cmd_ringbuf_write(HmpOut *out, const HmpArgs *a);
void hmp_cmd_ringbuf_read(HmpOut *out, const HmpArgs *a);
void hmp_cmd_qom_list(HmpOut *out, const HmpArgs *a);
void hmp_cmd_qom_get(HmpOut *out, const HmpArgs *a);
void hmp_cmd_qom_set(HmpOut *out, const HmpArgs *a);
void hmp_cmd_memsave(HmpOut *out, const HmpArgs *a);
void hmp_cmd_pmemsave(HmpOut *out, const HmpArgs *a);
void hmp_cmd_boot_set(HmpOut *out, const HmpArgs *a);
void hmp_info_memdev(HmpOut *out, const HmpArgs *a);
void hmp_info_memory_size_summary(HmpOut *out, const HmpArgs *a);
void hmp_info_hotpluggable_cpus(HmpOut *out, const HmpArgs *a);
void hmp_info_numa(HmpOut *out, const HmpArgs *a);
void hmp_info_iothreads(HmpOut *out, const HmpArgs *a);
void hmp_cmd_mouse_button(HmpOut *out, const HmpArgs *a);
void hmp_cmd_mouse_move(HmpOut *out, const HmpArgs *a);
void hmp_cmd_mouse_set(HmpOut *out, const HmpArgs *a);
void hmp_cmd_sendkey(HmpOut *out, const HmpArgs *a);
void hmp_cmd_screendump(HmpOut *out, const HmpArgs *a);

/* hmp-cmds-vnc.c */
void hmp_info_vnc(HmpOut *out, const HmpArgs *a);
void hmp_cmd_set_password(HmpOut *out, const HmpArgs *a);
void hmp_cmd_expire_password(HmpOut *out, const HmpArgs *a);
/* "change vnc WHAT PASSWORD"; password may be NULL. */
void hmp_change_vnc(HmpOut *out, const char *what, const char *password);
void hmp_cmd_stop(HmpOut *out, const HmpArgs *a);
void hmp_cmd_cont(HmpOut *out, const HmpArgs *a);
void hmp_cmd_system_reset(HmpOut *out, const HmpArgs *a);
void hmp_cmd_system_powerdown(HmpOut *out, const HmpArgs *a);
void hmp_cmd_system_wakeup(HmpOut *out, const HmpArgs *a);
void hmp_cmd_quit(HmpOut *out, const HmpArgs *a);
void hmp_cmd_nmi(HmpOut *out, const HmpArgs *a);
void hmp_cmd_cpu(HmpOut *out, const HmpArgs *a);
void hmp_cmd_x(HmpOut *out, const HmpArgs *a);
void hmp_cmd_xp(HmpOut *out, const HmpArgs *a);
void hmp_cmd_gdbserver(HmpOut *out, const HmpArgs *a);
void hmp_cmd_gpa2hva(HmpOut *out, const HmpArgs *a);
void hmp_cmd_change(HmpOut *out, const HmpArgs *a);
void hmp_cmd_block_set_io_throttle(HmpOut *out, const HmpArgs *a);
void hmp_cmd_savevm(HmpOut *out, const HmpArgs *a);
void hmp_cmd_loadvm(HmpOut *out, const HmpArgs *a);
void hmp_cmd_delvm(HmpOut *out, const HmpArgs *a);
void hmp_cmd_snapshot_blkdev_internal(HmpOut *out, const HmpArgs *a);
void hmp_cmd_snapshot_delete_blkdev_internal(HmpOut *out, const HmpArgs *a);
void hmp_info_snapshots(HmpOut *out, const HmpArgs *a);
void hmp_cmd_eject(HmpOut *out, const HmpArgs *a);
void hmp_cmd_log(HmpOut *out, const HmpArgs *a);
void hmp_cmd_logfile(HmpOut *out, const HmpArgs *a);
void hmp_cmd_gpa2hpa(HmpOut *out, const HmpArgs *a);
void hmp_cmd_gva2gpa(HmpOut *out, const HmpArgs *a);
void hmp_cmd_print(HmpOut *out, const HmpArgs *a);
void hmp_cmd_port_in(HmpOut *out, const HmpArgs *a);
void hmp_cmd_port_out(HmpOut *out, const HmpArgs *a);
void hmp_cmd_sum(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_cancel(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_continue(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_start_postcopy(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_pause(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_recover(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_incoming(HmpOut *out, const HmpArgs *a);
void hmp_cmd_calc_dirty_rate(HmpOut *out, const HmpArgs *a);
void hmp_cmd_cancel_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a);
void hmp_cmd_set_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_set_capability(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_set_parameter(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_set_speed(HmpOut *out, const HmpArgs *a);
void hmp_cmd_migrate_set_downtime(HmpOut *out, const HmpArgs *a);
void hmp_complete_capability(Vm *vm, const char *word, GPtrArray *matches);
void hmp_complete_parameter(Vm *vm, const char *word, GPtrArray *matches);
void hmp_cmd_announce_self(HmpOut *out, const HmpArgs *a);
void hmp_cmd_watchdog_action(HmpOut *out, const HmpArgs *a);
void hmp_cmd_balloon(HmpOut *out, const HmpArgs *a);
void hmp_info_balloon(HmpOut *out, const HmpArgs *a);
void hmp_cmd_object_add(HmpOut *out, const HmpArgs *a);
void hmp_cmd_object_del(HmpOut *out, const HmpArgs *a);
void hmp_cmd_netdev_add(HmpOut *out, const HmpArgs *a);
void hmp_cmd_netdev_del(HmpOut *out, const HmpArgs *a);
void hmp_cmd_set_link(HmpOut *out, const HmpArgs *a);
void hmp_cmd_hostfwd_add(HmpOut *out, const HmpArgs *a);
void hmp_cmd_hostfwd_remove(HmpOut *out, const HmpArgs *a);
void hmp_info_network(HmpOut *out, const HmpArgs *a);
void hmp_info_usernet(HmpOut *out, const HmpArgs *a);
void hmp_info_version(HmpOut *out, const HmpArgs *a);
void hmp_info_status(HmpOut *out, const HmpArgs *a);
void hmp_info_name(HmpOut *out, const HmpArgs *a);
void hmp_info_uuid(HmpOut *out, const HmpArgs *a);
void hmp_info_kvm(HmpOut *out, const HmpArgs *a);
void hmp_info_cpus(HmpOut *out, const HmpArgs *a);
void hmp_info_registers(HmpOut *out, const HmpArgs *a);
void hmp_info_lapic(HmpOut *out, const HmpArgs *a);
void hmp_info_mem(HmpOut *out, const HmpArgs *a);
void hmp_info_tlb(HmpOut *out, const HmpArgs *a);
void hmp_info_usb(HmpOut *out, const HmpArgs *a);
void hmp_info_vm_generation_id(HmpOut *out, const HmpArgs *a);
void hmp_info_mtree(HmpOut *out, const HmpArgs *a);
void hmp_info_ramblock(HmpOut *out, const HmpArgs *a);
void hmp_info_qtree(HmpOut *out, const HmpArgs *a);
void hmp_info_qom_tree(HmpOut *out, const HmpArgs *a);
void hmp_info_chardev(HmpOut *out, const HmpArgs *a);
void hmp_info_block(HmpOut *out, const HmpArgs *a);
void hmp_info_pci(HmpOut *out, const HmpArgs *a);
void hmp_info_dirty_rate(HmpOut *out, const HmpArgs *a);
void hmp_info_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a);
void hmp_info_migrate(HmpOut *out, const HmpArgs *a);
void hmp_info_migrate_capabilities(HmpOut *out, const HmpArgs *a);
void hmp_info_migrate_parameters(HmpOut *out, const HmpArgs *a);

#endif
