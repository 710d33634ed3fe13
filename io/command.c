/*
 * Channels to a command's standard input and output.
 *
 * posix_spawn() and not fork(): a process with much guest memory would spend
 * long in copying page tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/file.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "io/error.h"
#include "io/file-priv.h"
#include "util/lock.h"

/* How long a command may take to end after a shutdown, and after SIGTERM. */
enum { COMMAND_GRACE_MS = 1000 };

typedef struct IoChannelCommand {
    IoChannelFile file;
    pid_t pid;
    int pid_fd; /* readable when the command has ended; -1: no such thing */
} IoChannelCommand;

/* The system call: glibc has no wrapper before 2.36. */
static int pid_fd_open(pid_t pid)
{
    return syscall(SYS_pidfd_open, pid, 0);
}

/* True when the command has ended, false after @timeout_ms or a shutdown. */
static bool command_wait(IoChannelCommand *c, int timeout_ms)
{
    struct pollfd fds[] = {
        { .fd = c->pid_fd, .events = POLLIN },
        /* A limited wait is one after a shutdown, which it must outlast. */
        { .fd = timeout_ms < 0 ? c->file.ch.wake_fd[0] : -1, .events = POLLIN },
        { .fd = timeout_ms < 0 ? c->file.ch.wake_fd[1] : -1, .events = POLLIN },
    };
    int n;

    if (c->pid_fd < 0) {
        return true; /* waitpid() will block instead */
    }
    do {
        n = poll(fds, G_N_ELEMENTS(fds), timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n < 0 || fds[0].revents;
}

/* The exit status as waitpid() gives it, or -errno. */
static int command_reap(IoChannelCommand *c)
{
    int status;

    vm_lock_check_wait(c->file.ch.name);
    if (!command_wait(c, -1) && !command_wait(c, COMMAND_GRACE_MS)) {
        kill(c->pid, SIGTERM);
        if (!command_wait(c, COMMAND_GRACE_MS)) {
            kill(c->pid, SIGKILL);
        }
    }
    while (waitpid(c->pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return status;
}

static bool command_check(IoChannelCommand *c, int status, bool reads,
                          GError **errp)
{
    const char *name = c->file.ch.name;

    if (io_channel_is_shutdown(&c->file.ch, IO_SHUTDOWN_BOTH)) {
        return true;
    }
    if (status < 0) {
        io_channel_set_error(&c->file.ch, errp, "wait", status);
        return false;
    }
    if (WIFSIGNALED(status)) {
        if (reads && WTERMSIG(status) == SIGPIPE) {
            return true; /* it had more to say than we cared to read */
        }
        g_set_error(errp, IO_ERROR, IO_ERROR_STATUS,
                    "%s: command was killed by signal %d (%s)", name,
                    WTERMSIG(status), g_strsignal(WTERMSIG(status)));
        return false;
    }
    if (WEXITSTATUS(status)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_STATUS,
                    "%s: command ended with status %d", name,
                    WEXITSTATUS(status));
        return false;
    }
    return true;
}

static bool command_close(IoChannel *ch, GError **errp)
{
    IoChannelCommand *c = container_of(ch, IoChannelCommand, file.ch);
    bool reads = c->file.rfd >= 0;
    int status;

    io_file_close_fds(&c->file);
    status = command_reap(c);
    if (c->pid_fd >= 0) {
        close(c->pid_fd);
    }
    return command_check(c, status, reads, errp);
}

static const IoChannelOps command_ops = {
    .size = sizeof(IoChannelCommand),
    .readv = io_file_readv,
    .writev = io_file_writev,
    .close = command_close,
    .fd = io_file_fd,
};

/* Signals as a new program expects them, and no descriptors but 0, 1, 2. */
static int command_spawn(const char *command, int in, int out, pid_t *ret_pid)
{
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    sigset_t none, dfl;
    int err;

    sigemptyset(&none);
    sigemptyset(&dfl);
    sigaddset(&dfl, SIGPIPE);
    sigaddset(&dfl, SIGINT);
    sigaddset(&dfl, SIGTERM);
    sigaddset(&dfl, SIGHUP);
    sigaddset(&dfl, SIGCHLD);
    posix_spawn_file_actions_init(&acts);
    posix_spawnattr_init(&attr);
    err = posix_spawn_file_actions_adddup2(&acts, in, 0);
    err = err ? err : posix_spawn_file_actions_adddup2(&acts, out, 1);
    err = err ? err : posix_spawn_file_actions_addclosefrom_np(&acts, 3);
    err = err ? err : posix_spawnattr_setsigmask(&attr, &none);
    err = err ? err : posix_spawnattr_setsigdefault(&attr, &dfl);
    err = err ? err
              : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    err = err ? err
              : posix_spawn(ret_pid, "/bin/sh", &acts, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&acts);
    return err;
}

static void close_if_open(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

/* A pipe, or /dev/null for the command's end; 0 or errno. */
static int command_pipe(bool wanted, bool command_reads, int *ret_command,
                        int *ret_ours)
{
    int fds[2];

    if (!wanted) {
        *ret_command = open("/dev/null",
                            (command_reads ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
        return *ret_command < 0 ? errno : 0;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return errno;
    }
    *ret_command = fds[command_reads ? 0 : 1];
    *ret_ours = fds[command_reads ? 1 : 0];
    return 0;
}

IoChannel *io_channel_new_command(const char *command, int mode, GError **errp)
{
    g_autofree char *name = g_strconcat("exec:", command, NULL);
    int access = mode & O_ACCMODE;
    int in = -1, out = -1, rfd = -1, wfd = -1;
    IoChannelCommand *c;
    int err;

    c = io_channel_alloc(&command_ops,
                         access == O_RDWR ? IO_FEATURE_BIDIRECTIONAL : 0, name);
    c->file.rflags = -1;
    c->file.wflags = -1;
    c->pid_fd = -1;
    err = -io_channel_init_wake_fds(&c->file.ch);
    err = err ? err : command_pipe(access != O_RDONLY, true, &in, &wfd);
    err = err ? err : command_pipe(access != O_WRONLY, false, &out, &rfd);
    err = err ? err : command_spawn(command, in, out, &c->pid);
    close_if_open(in);
    close_if_open(out);
    if (err) {
        close_if_open(rfd);
        close_if_open(wfd);
        io_error_set_errno(errp, err, "%s: cannot run the command", name);
        c->file.ch.closed = true; /* there is nothing to close or wait for */
        io_channel_unref(&c->file.ch);
        return NULL;
    }
    io_ignore_sigpipe();
    c->file.rfd = rfd;
    c->file.wfd = wfd;
    c->pid_fd = pid_fd_open(c->pid);
    if (rfd >= 0) {
        io_fd_set_nonblock(rfd, true);
    }
    if (wfd >= 0) {
        io_fd_set_nonblock(wfd, true);
    }
    return &c->file.ch;
}
