/*
 * Error codes of the io layer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/error.h"

#include <errno.h>
#include <stdarg.h>

G_DEFINE_QUARK(godwit - io - error - quark, io_error)

IoErrorCode io_error_code(int errnum)
{
    switch (errnum) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ESHUTDOWN:
        return IO_ERROR_CLOSED;
    case ETIMEDOUT:
        return IO_ERROR_TIMED_OUT;
    case ECANCELED:
        return IO_ERROR_CANCELLED;
    case ENOENT:
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return IO_ERROR_NOT_FOUND;
    case EADDRINUSE:
        return IO_ERROR_IN_USE;
    case EACCES:
    case EPERM:
        return IO_ERROR_DENIED;
    case ENOTSUP:
    case ENOSYS:
        return IO_ERROR_UNSUPPORTED;
    case EINVAL:
        return IO_ERROR_INVALID;
    default:
        return IO_ERROR_FAILED;
    }
}

void io_error_set_errno(GError **errp, int errnum, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(errp, IO_ERROR, io_error_code(errnum), "%s: %s", text,
                g_strerror(errnum));
}
