/*
 * Channels on files, pipes, terminals, commands and memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "io/cancel.h"
#include "io/channel.h"

/*
 * @flags and @mode as open(); the descriptor is close-on-exec.  A FIFO that
 * nobody writes is opened at once, and the first read waits for a writer.  One
 * that nobody reads is waited for until @cancel is raised; with NULL that is
 * an error.
 */
IoChannel *io_channel_open_file(const char *path, int flags, mode_t mode,
                                IoCancel *cancel, GError **errp);

/*
 * Takes over @fd (closed with the channel; left alone on error) as what it
 * is: a stream socket becomes a socket channel, anything else a file, whose
 * O_NONBLOCK is put back when it is closed.  @name NULL: "fd:N".
 */
IoChannel *io_channel_new_fd(int fd, const char *name, GError **errp);

/*
 * The same, but what is no socket is used in one direction only: @use is
 * O_RDONLY or O_WRONLY (O_RDWR: as it is open).
 */
IoChannel *io_channel_new_fd_for(int fd, int use, const char *name,
                                 GError **errp);

/*
 * Two descriptors as one channel, e.g. standard input and output; -1 for a
 * direction that there is not.  They may be the same.
 */
IoChannel *io_channel_new_fd_pair(int rfd, int wfd, const char *name,
                                  GError **errp);

/*
 * Runs "/bin/sh -c @command".  @mode: O_RDONLY reads what it prints,
 * O_WRONLY feeds it, O_RDWR both.  A stream that isn't taken goes to (comes
 * from) /dev/null; standard error is ours.
 *
 * Closing the channel closes the pipes and waits for the command; a status
 * other than 0 is an error.  After io_channel_shutdown() there is no error,
 * and a command that doesn't end by itself soon is killed.
 */
IoChannel *io_channel_new_command(const char *command, int mode, GError **errp);

/* Writes append, reads consume from the start; seeking moves the reader. */
IoChannel *io_channel_new_buffer(const void *data, size_t len);
/* What was written so far (with what was given); valid until the next write. */
const void *io_channel_buffer_data(IoChannel *ch, size_t *ret_len);

#endif
