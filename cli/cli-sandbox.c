/*
 * -sandbox: system calls that this program never needs, or that the user
 * forbids it, are denied by a filter in the kernel (seccomp(2)).
 *
 * What is never needed, and what would make the process more powerful, ends
 * it: nobody but an intruder calls that.  New programs and scheduling fail
 * with EPERM, since a user may ask for one (a migration to "exec:"), and
 * shall read an error rather than lose the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "cli/cli.h"

#ifdef CONFIG_SECCOMP
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#endif

#include "util/error.h"

#ifdef CONFIG_SECCOMP

/* Each list ends with CALLS_END; a call that this kernel's headers don't know
 * has a negative number of the library's own, which it accepts. */
#define CALLS_END INT_MIN

/* Of who administers the machine. */
static const int calls_of_administrators[] = {
    SCMP_SYS(reboot),        SCMP_SYS(swapon),          SCMP_SYS(swapoff),
    SCMP_SYS(syslog),        SCMP_SYS(mount),           SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),    SCMP_SYS(move_mount),      SCMP_SYS(fsopen),
    SCMP_SYS(kexec_load),    SCMP_SYS(init_module),     SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(kexec_file_load), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(sethostname),     SCMP_SYS(setdomainname),
    SCMP_SYS(acct),          SCMP_SYS(quotactl),        CALLS_END,
};

/* Of old C libraries, and those that do nothing any more: syscalls(2). */
static const int calls_obsolete[] = {
    SCMP_SYS(_sysctl),
    SCMP_SYS(afs_syscall),
    SCMP_SYS(create_module),
    SCMP_SYS(get_kernel_syms),
    SCMP_SYS(getpmsg),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(putpmsg),
    SCMP_SYS(query_module),
    SCMP_SYS(security),
    SCMP_SYS(sysfs),
    SCMP_SYS(tuxcall),
    SCMP_SYS(uselib),
    SCMP_SYS(ustat),
    SCMP_SYS(vserver),
    SCMP_SYS(epoll_ctl_old),
    SCMP_SYS(epoll_wait_old),
    SCMP_SYS(set_thread_area),
    SCMP_SYS(get_thread_area),
    CALLS_END,
};

static const int calls_elevate[] = {
    SCMP_SYS(setuid),   SCMP_SYS(setgid),    SCMP_SYS(setreuid),
    SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),  SCMP_SYS(setgroups),
    CALLS_END,
};

/* clone() without CLONE_THREAD is denied besides. */
static const int calls_spawn[] = {
    SCMP_SYS(fork),     SCMP_SYS(vfork), SCMP_SYS(execve),
    SCMP_SYS(execveat), CALLS_END,
};

static const int calls_resource[] = {
    SCMP_SYS(setpriority),
    SCMP_SYS(ioprio_set),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setparam),
    CALLS_END,
};

static int deny_calls(scmp_filter_ctx ctx, uint32_t action, const int *calls)
{
    int rc = 0;

    for (; rc == 0 && *calls != CALLS_END; calls++) {
        rc = seccomp_rule_add(ctx, action, *calls, 0);
    }
    return rc;
}

static int deny_spawn(scmp_filter_ctx ctx)
{
    uint32_t eperm = SCMP_ACT_ERRNO(EPERM);
    int rc = deny_calls(ctx, eperm, calls_spawn);

    if (rc == 0) {
        rc = seccomp_rule_add(ctx, eperm, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }
    /* A filter can't see its flags, which are in memory; without it the C
     * library makes threads by clone(). */
    return rc != 0 ? rc
                   : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
                                      SCMP_SYS(clone3), 0);
}

static int sandbox_fill(scmp_filter_ctx ctx, const SandboxOptions *o)
{
    uint32_t kill = SCMP_ACT_KILL_PROCESS;
    int rc = deny_calls(ctx, kill, calls_of_administrators);

    if (rc == 0 && o->deny_obsolete) {
        rc = deny_calls(ctx, kill, calls_obsolete);
    }
    if (rc == 0 && o->deny_elevate) {
        rc = deny_calls(ctx, kill, calls_elevate);
    }
    if (rc == 0 && o->deny_spawn) {
        rc = deny_spawn(ctx);
    }
    if (rc == 0 && o->deny_resource) {
        rc = deny_calls(ctx, SCMP_ACT_ERRNO(EPERM), calls_resource);
    }
    return rc;
}

/* For all threads that there are, and will be. */
static bool sandbox_load(const SandboxOptions *o, GError **errp)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc =
        ctx == NULL ? -ENOMEM : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

    if (rc == 0) {
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
                              SCMP_ACT_KILL_PROCESS);
    }
    if (rc == 0) {
        rc = sandbox_fill(ctx, o);
    }
    if (rc == 0) {
        rc = seccomp_load(ctx);
    }
    if (ctx != NULL) {
        seccomp_release(ctx);
    }
    if (rc != 0) {
        error_setf_errno(errp, -rc, "failed to install the system call filter");
        return false;
    }
    return true;
}

bool cli_enter_sandbox(const Cli *cli, bool dropped, GError **errp)
{
    SandboxOptions o = cli->sandbox;

    if (!o.enable) {
        return true;
    }
    /* -runas itself becomes somebody else: those calls are denied after. */
    if (cli->change_user && !dropped) {
        o.deny_elevate = false;
    } else if (dropped && !(cli->change_user && o.deny_elevate)) {
        return true;
    }
    if (o.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_setf_errno(errp, errno, "failed to give up new privileges");
        return false;
    }
    return sandbox_load(&o, errp);
}

#else

bool cli_enter_sandbox(const Cli *cli, bool dropped, GError **errp)
{
    if (cli->sandbox.enable) {
        error_setf(errp, "-sandbox on: this program was built without the "
                         "system call filter (libseccomp)");
        return false;
    }
    return true;
}

#endif

/* "allow" (the default) or "deny"; and a third, if there is one. */
static bool sandbox_option(KeyVal *kv, const char *key, const char *third,
                           bool *ret_deny, bool *ret_third, GError **errp)
{
    const char *val = keyval_get(kv, key);

    *ret_deny = false;
    if (val == NULL || g_str_equal(val, "allow")) {
        return true;
    }
    *ret_deny = true;
    if (third != NULL && g_str_equal(val, third)) {
        *ret_third = true;
        return true;
    }
    if (!g_str_equal(val, "deny")) {
        error_setf(errp, "invalid argument for %s", key);
        return false;
    }
    return true;
}

/* Those of a filter that is off are nobody's business. */
static bool sandbox_options(KeyVal *kv, SandboxOptions *o, GError **errp)
{
    return sandbox_option(kv, "obsolete", NULL, &o->deny_obsolete, NULL,
                          errp) &&
           sandbox_option(kv, "elevateprivileges", "children", &o->deny_elevate,
                          &o->no_new_privs, errp) &&
           sandbox_option(kv, "spawn", NULL, &o->deny_spawn, NULL, errp) &&
           sandbox_option(kv, "resourcecontrol", NULL, &o->deny_resource, NULL,
                          errp);
}

bool cli_sandbox(Cli *cli, CliArg *a, GError **errp)
{
    g_autoptr(KeyVal) kv = cli_arg_keyval(a, "enable", errp);
    SandboxOptions o = { 0 };
    GError *err = NULL;
    bool good;

    if (kv == NULL || !keyval_get_bool(kv, "enable", &o.enable, errp)) {
        return false;
    }
    good = sandbox_options(kv, &o, &err);
    if (!cli_check_keys(kv, errp)) {
        g_clear_error(&err);
        return false;
    }
    if (!good && o.enable) {
        g_propagate_error(errp, err);
        return false;
    }
    g_clear_error(&err);
    cli->sandbox = o;
    return true;
}
