/*
 * Error codes of the io layer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_ERROR_H
#define IO_ERROR_H

#include <glib.h>

#define IO_ERROR (io_error_quark())

typedef enum IoErrorCode {
    IO_ERROR_FAILED,      /* what has no code of its own */
    IO_ERROR_CLOSED,      /* end of file, reset, broken pipe, shut down */
    IO_ERROR_TIMED_OUT,   /* a limit of the channel or of the network */
    IO_ERROR_CANCELLED,   /* an IoCancel was triggered */
    IO_ERROR_INVALID,     /* a bad address or URI */
    IO_ERROR_NOT_FOUND,   /* no such file, host, or nobody listens */
    IO_ERROR_IN_USE,      /* port or path taken */
    IO_ERROR_DENIED,      /* permission */
    IO_ERROR_UNSUPPORTED, /* this kind of channel cannot */
    IO_ERROR_STATUS,      /* a command ended with status other than 0 */
} IoErrorCode;

GQuark io_error_quark(void);

/* The code for a positive errno value. */
IoErrorCode io_error_code(int errnum);

/* Sets @errp to "<formatted text>: <text of @errnum>". */
void io_error_set_errno(GError **errp, int errnum, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

#endif
