/*
 * Errors that a user may read: GError, with the QMP error class as the code.
 *
 * All functions take errp == NULL ("the caller doesn't want to know"). A
 * message names the object and the value, starts with no capital unless it is
 * a name, and has neither a full stop nor a line end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <glib.h>

/* Codes of godwit_error_quark(); the classes of the QMP specification. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
} ErrorClass;

#define GODWIT_ERROR (godwit_error_quark())

GQuark godwit_error_quark(void);

/* Class of any error; ERROR_CLASS_GENERIC for those of other domains. */
ErrorClass error_class(const GError *err);
/* As it is spelled in QMP: "GenericError", "DeviceNotFound", ... */
const char *error_class_name(ErrorClass cls);

/* Sets *errp with the class "GenericError". */
void error_setf(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void error_set_class(GError **errp, ErrorClass cls, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);
/* Appends ": " and the system's text for errnum (> 0, or a negated errno). */
void error_setf_errno(GError **errp, int errnum, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);
/* Puts text before the message of *errp, if there is one. */
void error_prefix(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif /* UTIL_ERROR_H */
