/*
 * What channels on descriptors that aren't sockets share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_FILE_PRIV_H
#define IO_FILE_PRIV_H

#include "io/channel-priv.h"

/* Embedded first in the channel struct. */
typedef struct IoChannelFile {
    IoChannel ch;
    int rfd;    /* or -1 */
    int wfd;    /* or -1; may be rfd */
    int rflags; /* open flags to put back, or -1 */
    int wflags;
    bool no_writer; /* a FIFO that nobody has opened for writing yet */
} IoChannelFile;

ssize_t io_file_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                      int *fds, size_t *nfds, bool dontwait);
ssize_t io_file_writev(IoChannel *ch, const struct iovec *iov, size_t niov,
                       const int *fds, size_t nfds, bool dontwait);
int io_file_fd(const IoChannel *ch, GIOCondition cond);
/* 0 or -errno of the first close that failed. */
int io_file_close_fds(IoChannelFile *f);
/* A write to a pipe that nobody reads must be an error, not the end. */
void io_ignore_sigpipe(void);

#endif
